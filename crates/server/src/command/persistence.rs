//! SAVE, BGSAVE, LASTSAVE, SHUTDOWN: the data's file, and the end.

use super::row::{Command, Group, Handler, Keys, acl, flag::*};
use super::{CommandError, Context, Outcome};
use crate::saving::{self, AtEnd, SavingError};

const fn row(name: &'static str, arity: i32, flags: u32, handler: Handler) -> Command {
    Command::new(name, arity, flags, Keys::NONE, Group::Server, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("save", 1, ADMIN | NOSCRIPT | NO_MULTI, save)
        .doc("1.0.0", "Saves the data to disk, as of one moment, and waits for it."),
    row("bgsave", -1, ADMIN | NOSCRIPT, bgsave)
        .doc("1.0.0", "Saves the data to disk in the background, as of one moment."),
    row("lastsave", 1, LOADING | STALE | FAST, lastsave)
        .doc("1.0.0", "Returns the Unix time of the last successful save.")
        .acl(acl::ADMIN | acl::DANGEROUS),
    row(
        "shutdown",
        -1,
        ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | UNPAUSED | ALLOW_BUSY,
        shutdown,
    )
    .doc("1.0.0", "Saves the data if that is configured, and stops the server."),
];

const BUSY: &str = "Background save already in progress";

fn save(ctx: &mut Context<'_>) -> Outcome {
    match saving::save_now(&ctx.env.server) {
        Ok(()) => {
            ctx.out.ok();
            Ok(())
        }
        Err(SavingError::Busy) => Err(CommandError::other(BUSY)),
        Err(SavingError::Failed(error)) => {
            Err(CommandError::other(format!("the data could not be saved: {error}")))
        }
    }
}

fn bgsave(ctx: &mut Context<'_>) -> Outcome {
    match ctx.args.len() {
        1 => {}
        2 if ctx.args.is(1, "schedule") => {}
        _ => return Err(CommandError::Syntax),
    }
    if ctx.session.data.is_in_transaction() {
        // What EXEC writes is not committed yet.
        saving::schedule(&ctx.env.server);
        ctx.out.simple("Background saving scheduled");
        return Ok(());
    }
    match saving::save_in_background(&ctx.env.server) {
        Ok(()) => {
            ctx.out.simple("Background saving started");
            Ok(())
        }
        Err(SavingError::Busy) => Err(CommandError::other(BUSY)),
        Err(SavingError::Failed(error)) => {
            Err(CommandError::other(format!("the save could not be begun: {error}")))
        }
    }
}

fn lastsave(ctx: &mut Context<'_>) -> Outcome {
    let saved_ms = ctx.env.server.saving.state().last_saved_ms;
    ctx.out.integer((saved_ms / 1000) as i64);
    Ok(())
}

fn shutdown(ctx: &mut Context<'_>) -> Outcome {
    let (mut choice, mut force, mut abort) = (AtEnd::AsConfigured, false, false);
    for option in ctx.args.iter_from(1) {
        match option.to_ascii_lowercase().as_slice() {
            b"nosave" if choice != AtEnd::Save => choice = AtEnd::Discard,
            b"save" if choice != AtEnd::Discard => choice = AtEnd::Save,
            b"now" => {}
            b"force" => force = true,
            b"abort" => abort = true,
            _ => return Err(CommandError::Syntax),
        }
    }
    if abort {
        return Err(match ctx.args.len() {
            2 => CommandError::other("No shutdown in progress."),
            _ => CommandError::Syntax,
        });
    }
    let server = ctx.env.server.clone();
    server.log.warning("User requested shutdown...");
    if let Err(error) = saving::before_the_end(&server, choice)
        && !force
    {
        server.log.warning(&format!("The data are not saved ({error}): the server goes on"));
        return Err(CommandError::other("Errors trying to SHUTDOWN. Check logs."));
    }
    ctx.session.close_after_reply = true;
    server.stop();
    Ok(())
}
