//! What a connection's user may do: asked before a command is queued or run, again before EXEC runs it, before a script runs one, and before one
//! who has waited is served.

use super::state::State;
use crate::acl::{Denial, Entry, Reason, Scene, check};
use crate::command::{Command, CommandId, flag};
use crate::env::Env;
use crate::resp::{Args, Reply};

/// A command with its number.
type Row<'a> = (CommandId, &'a Command);

/// Whether a request may go on, of a connection that has no pass; else the error's text.
#[cold]
pub(super) fn admit(
    args: Args<'_>,
    row: Row<'_>,
    session: &mut State,
    out: &Reply,
    env: &Env,
) -> Result<(), Vec<u8>> {
    session.login.refresh(&env.server.acl);
    let (id, command) = row;
    if session.login.is_stranger() && !command.has(flag::NO_AUTH) {
        return Err(b"NOAUTH Authentication required.".to_vec());
    }
    let scene = scene_of(session);
    examine(args, row, session, env).map_err(|denial| {
        session.last_command = id.index() + 1;
        session.update_card(out, env);
        note(args, row, session, env, (denial, scene));
        let text = denial.text(session.login.name(), command, args, false);
        [b"NOPERM ", text.as_slice()].concat()
    })
}

/// Where a connection's own command is run.
pub(crate) fn scene_of(session: &State) -> Scene {
    if session.queue.is_some() || session.data.is_in_transaction() {
        Scene::Multi
    } else {
        Scene::TopLevel
    }
}

/// Whether the user may do it.
///
/// # Errors
/// Why not.
pub(crate) fn examine(
    args: Args<'_>,
    (id, command): Row<'_>,
    session: &mut State,
    env: &Env,
) -> Result<(), Denial> {
    session.login.refresh(&env.server.acl);
    if session.login.has_pass(&env.server.acl) {
        return Ok(());
    }
    check(session.login.user(), id, command, args)
}

/// Enters a denial into the log.
pub(crate) fn note(
    args: Args<'_>,
    (_, command): Row<'_>,
    session: &State,
    env: &Env,
    (denial, scene): (Denial, Scene),
) {
    let (reason, object) = match denial {
        Denial::Command => (Reason::Command, command.name.as_bytes()),
        Denial::Key(at) => (Reason::Key, args.at(at)),
        Denial::Channel(at) => (Reason::Channel, args.at(at)),
    };
    enter(reason, object, session.login.name(), session, env, scene);
}

/// Enters an attempt to be a user with a wrong password.
pub(crate) fn note_failed_login(args: Args<'_>, user: &[u8], session: &State, env: &Env) {
    enter(Reason::Auth, args.at(0), user, session, env, scene_of(session));
}

fn enter(reason: Reason, object: &[u8], user: &[u8], session: &State, env: &Env, scene: Scene) {
    let entry = Entry {
        id: 0,
        count: 1,
        reason,
        scene,
        object: object.to_vec(),
        user: user.to_vec(),
        client: session.card.line(env.now_ms),
        created_ms: env.now_ms,
        updated_ms: env.now_ms,
    };
    env.server.acl.log.push(entry, env.settings.acl_log_max_len);
}
