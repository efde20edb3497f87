//! From a request to its handler: look up, check, queue or run.
//!
//! The checks, in Redis's order: known? arity? allowed at all? authenticated? allowed inside MULTI? Then it is queued or run.

use crate::command::{Command, CommandId, Context, flag, lookup, lookup_subcommand};
use crate::env::Env;
use crate::resp::{Args, Reply};
use crate::session::State;

/// Bytes of an unknown command's name, and of its arguments together, that the error quotes.
const MAX_QUOTED_BYTES: usize = 128;

/// Answers one request.
pub(crate) fn reply_to(args: Args<'_>, session: &mut State, out: &mut Reply, env: &mut Env) {
    let (id, command) = match admit(args, session, env) {
        Ok(found) => found,
        Err(refusal) => {
            if session.queue.is_some() {
                session.queue_failed = true;
            }
            return out.error_bytes(&refusal);
        }
    };
    if !command.has(flag::NOT_QUEUED)
        && let Some(queue) = &mut session.queue
    {
        queue.push(id, args);
        return out.simple("QUEUED");
    }
    run(&mut Context { args, session, out, env, id });
}

/// Runs a command that has been admitted: its handler, then its error reply if it failed, then the books.
/// EXEC calls this for every queued command.
pub(crate) fn run(ctx: &mut Context<'_>) {
    let mark = ctx.out.mark();
    let command = crate::command::by_id(ctx.id);
    if let Err(error) = (command.handler)(ctx) {
        ctx.out.rewind(mark);
        error.write(ctx.out);
    }
}

/// Finds the command and checks that it may be queued or run; else the error's text.
fn admit(
    args: Args<'_>,
    session: &State,
    env: &Env,
) -> Result<(CommandId, &'static Command), Vec<u8>> {
    let (mut id, mut command) = lookup(args.at(0)).ok_or_else(|| unknown_command(args))?;
    if !command.subcommands.is_empty()
        && let Some(name) = args.get(1)
    {
        (id, command) =
            lookup_subcommand(id, name).ok_or_else(|| unknown_subcommand(command, name))?;
    }
    if !command.accepts(args.len()) {
        return Err(text(&format!("ERR wrong number of arguments for '{}' command", command.name)));
    }
    if !session.authenticated && !command.has(flag::NO_AUTH) && !env.settings.requirepass.is_empty()
    {
        return Err(text("NOAUTH Authentication required."));
    }
    if session.queue.is_some() && command.has(flag::NO_MULTI) {
        return Err(text("ERR Command not allowed inside a transaction"));
    }
    Ok((id, command))
}

fn text(s: &str) -> Vec<u8> {
    s.as_bytes().to_vec()
}

fn unknown_command(args: Args<'_>) -> Vec<u8> {
    let name = args.at(0);
    let mut text = b"ERR unknown command '".to_vec();
    text.extend_from_slice(&name[..name.len().min(MAX_QUOTED_BYTES)]);
    text.extend_from_slice(b"', with args beginning with: ");
    let from = text.len();
    for arg in args.iter_from(1) {
        let quoted = text.len() - from;
        if quoted >= MAX_QUOTED_BYTES {
            break;
        }
        text.push(b'\'');
        text.extend_from_slice(&arg[..arg.len().min(MAX_QUOTED_BYTES - quoted)]);
        text.extend_from_slice(b"' ");
    }
    text
}

fn unknown_subcommand(command: &Command, name: &[u8]) -> Vec<u8> {
    let mut text = b"ERR unknown subcommand '".to_vec();
    text.extend_from_slice(&name[..name.len().min(MAX_QUOTED_BYTES)]);
    text.extend_from_slice(b"'. Try ");
    text.extend_from_slice(command.name.to_ascii_uppercase().as_bytes());
    text.extend_from_slice(b" HELP.");
    text
}
