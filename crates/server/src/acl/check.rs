//! [`check`]: whether a user may make a request.

use super::access::{key_positions, need};
use super::selector::Selector;
use super::user::User;
use crate::command::{Command, CommandId, Group, flag};
use crate::resp::Args;

/// Why not; in order of what is worth telling, with the argument that is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Denial {
    Command,
    Key(usize),
    Channel(usize),
}

impl Denial {
    /// The text for the client, without its code word; `verbose`: which key or channel.
    pub(crate) fn text(
        self,
        name: &[u8],
        command: &Command,
        args: Args<'_>,
        verbose: bool,
    ) -> Vec<u8> {
        let access = |at: usize, what: &str| match verbose {
            true => {
                let object = args.at(at);
                let what = format!("' {what}");
                [b"User ", name, b" has no permissions to access the '", object, what.as_bytes()]
                    .concat()
            }
            false => format!("No permissions to access a {what}").into_bytes(),
        };
        match self {
            Denial::Command => {
                let command = format!(" has no permissions to run the '{}' command", command.name);
                [b"User ", name, command.as_bytes()].concat()
            }
            Denial::Key(at) => access(at, "key"),
            Denial::Channel(at) => access(at, "channel"),
        }
    }
    /// What EXEC says of it.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Denial::Command => "no permission to execute the command or subcommand",
            Denial::Key(_) => "no permission to touch the specified keys",
            Denial::Channel(_) => {
                "no permission to access one of the channels used as arguments to the command"
            }
        }
    }
}

/// Whether one of the user's selectors allows all of the request.
///
/// # Errors
/// The reason of the selector that came furthest.
pub(crate) fn check(
    user: &User,
    id: CommandId,
    command: &Command,
    args: Args<'_>,
) -> Result<(), Denial> {
    let request = Request::new(user, id, command, args);
    let mut worst = Denial::Command;
    for selector in user.selectors() {
        match request.within(selector) {
            Ok(()) => return Ok(()),
            Err(denial) => worst = worst.max(denial),
        }
    }
    Err(worst)
}

/// Whether the user may make the request and read any key there could be: SORT reads what it finds by patterns.
pub(crate) fn may_read_every_key(
    user: &User,
    id: CommandId,
    command: &Command,
    args: Args<'_>,
) -> bool {
    let request = Request::new(user, id, command, args);
    user.selectors()
        .iter()
        .any(|selector| selector.allows_reading_every_key() && request.within(selector).is_ok())
}

/// A request, with what its checks have in common.
struct Request<'a> {
    id: CommandId,
    command: &'a Command,
    args: Args<'a>,
    keys: Vec<usize>,
}

impl<'a> Request<'a> {
    fn new(user: &User, id: CommandId, command: &'a Command, args: Args<'a>) -> Self {
        let keys = match user.selectors().iter().all(Selector::allows_all_keys) {
            true => Vec::new(),
            false => key_positions(command, args),
        };
        Request { id, command, args, keys }
    }

    fn within(&self, selector: &Selector) -> Result<(), Denial> {
        let (command, args) = (self.command, self.args);
        if !command.has(flag::NO_AUTH) && !selector.allows_command(self.id, args.get(1)) {
            return Err(Denial::Command);
        }
        if !selector.allows_all_keys() {
            for (number, &at) in self.keys.iter().enumerate() {
                if !selector.allows_key(args.at(at), need(command, args, number)) {
                    return Err(Denial::Key(at));
                }
            }
        }
        if command.group == Group::PubSub && !selector.allows_all_channels() {
            let (channels, is_pattern) = match command.name {
                "subscribe" | "ssubscribe" => (1..args.len(), false),
                "psubscribe" => (1..args.len(), true),
                "publish" | "spublish" => (1..2, false),
                _ => (0..0, false),
            };
            for at in channels {
                if !selector.allows_channel(args.at(at), is_pattern) {
                    return Err(Denial::Channel(at));
                }
            }
        }
        Ok(())
    }
}
