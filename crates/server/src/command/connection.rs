//! PING, ECHO, QUIT, SELECT, RESET: the connection itself.

use super::row::{Command, Group, Keys, flag::*};
use super::{CommandError, Context, Outcome};

pub(crate) static ROWS: &[Command] = &[
    Command::new("ping", -1, FAST | QUICK, Keys::NONE, Group::Connection, ping)
        .doc("1.0.0", "Returns the server's liveliness response."),
    Command::new("echo", 2, LOADING | STALE | FAST | QUICK, Keys::NONE, Group::Connection, echo)
        .doc("1.0.0", "Returns the given string."),
    Command::new(
        "select",
        2,
        LOADING | STALE | FAST | QUICK,
        Keys::NONE,
        Group::Connection,
        select,
    )
    .doc("1.0.0", "Changes the selected database."),
];

fn ping(ctx: &mut Context<'_>) -> Outcome {
    match ctx.args.len() {
        1 => ctx.out.simple("PONG"),
        2 => ctx.out.bulk(ctx.args.at(1)),
        _ => return Err(CommandError::Arity("ping")),
    }
    Ok(())
}

fn echo(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.bulk(ctx.args.at(1));
    Ok(())
}

fn select(ctx: &mut Context<'_>) -> Outcome {
    let index = crate::resp::strict_integer(ctx.args.at(1)).ok_or(CommandError::NotAnInteger)?;
    match u8::try_from(index) {
        Ok(db) if db < ctx.env.settings.databases => ctx.session.db = db,
        _ => return Err(CommandError::other("DB index is out of range")),
    }
    ctx.out.ok();
    Ok(())
}
