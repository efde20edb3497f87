//! MONITOR.

use super::row::{Command, Group, Keys, flag::*};
use super::{CommandError, Context, Outcome};

pub(crate) static ROWS: &[Command] = &[Command::new(
    "monitor",
    1,
    ADMIN | NOSCRIPT | LOADING | STALE,
    Keys::NONE,
    Group::Server,
    monitor,
)
.doc("1.0.0", "Shows every command that the server runs, as it runs.")];

fn monitor(ctx: &mut Context<'_>) -> Outcome {
    if ctx.session.data.is_in_transaction() {
        return Err(CommandError::other("MONITOR isn't allowed for DENY BLOCKING client"));
    }
    ctx.env.server.monitors.enter(&ctx.session.card);
    ctx.out.ok();
    Ok(())
}
