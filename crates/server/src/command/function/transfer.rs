//! FUNCTION DUMP and RESTORE.

use super::wrong_count;
use crate::command::script::with_interpreter;
use crate::command::{CommandError, Context, Outcome};
use crate::rdb;
use crate::script::{Policy, load_libraries};

pub(crate) fn dump(ctx: &mut Context<'_>) -> Outcome {
    let set = ctx.env.server.scripting.libraries.now();
    let compresses = ctx.env.settings.text("rdbcompression") == "yes";
    let payload = rdb::dump_functions(set.all().map(|library| &*library.text), compresses);
    ctx.out.bulk(&payload);
    Ok(())
}

pub(crate) fn restore(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let policy = match args.len() {
        3 => Policy::Append,
        4 if args.is(3, "append") => Policy::Append,
        4 if args.is(3, "flush") => Policy::Flush,
        4 if args.is(3, "replace") => Policy::Replace,
        4 => {
            let text =
                "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
            return Err(CommandError::other(text));
        }
        _ => return Err(wrong_count("restore")),
    };
    let payload = args.at(2);
    let unsound = || CommandError::other("DUMP payload version or checksum are wrong");
    if !rdb::is_whole(payload) {
        return Err(unsound());
    }
    let texts = rdb::restore_functions(payload)
        .map_err(|_| CommandError::other("failed loading the given functions payload"))?;
    with_interpreter(ctx, |interpreter, ctx| {
        let server = ctx.env.server.clone();
        load_libraries(interpreter, &server, &texts, policy).map_err(CommandError::other)?;
        ctx.out.ok();
        Ok(())
    })
}
