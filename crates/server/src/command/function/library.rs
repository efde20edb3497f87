//! FUNCTION LOAD, LIST, DELETE, FLUSH.

use super::wrong_count;
use crate::command::script::with_interpreter;
use crate::command::{CommandError, Context, Outcome};
use crate::resp::Reply;
use crate::script::{Library, Policy, load_libraries};
use crate::value::glob_matches;
use std::convert::Infallible;

pub(crate) fn load(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let mut options = 2..args.len() - 1;
    if let Some(at) = options.clone().find(|at| !args.is(*at, "replace")) {
        let option = String::from_utf8_lossy(args.at(at)).into_owned();
        return Err(CommandError::other(format!("Unknown option given: {option}")));
    }
    let replaces = options.next().is_some();
    let text = args.at(args.len() - 1).to_vec();
    let policy = if replaces { Policy::Replace } else { Policy::Refuse };
    with_interpreter(ctx, |interpreter, ctx| {
        let server = ctx.env.server.clone();
        let names = load_libraries(interpreter, &server, &[text], policy);
        let names = names.map_err(CommandError::other)?;
        names.iter().for_each(|name| ctx.out.bulk(name.as_bytes()));
        Ok(())
    })
}

pub(crate) fn delete(ctx: &mut Context<'_>) -> Outcome {
    let name = ctx.args.at(2);
    ctx.env.server.scripting.libraries.change(|set| match set.remove(name) {
        true => Ok(()),
        false => Err(CommandError::other("Library not found")),
    })?;
    ctx.out.ok();
    Ok(())
}

pub(crate) fn flush(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    match args.len() {
        2 => {}
        3 if args.is(2, "sync") || args.is(2, "async") => {}
        3 => return Err(CommandError::other("FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => return Err(wrong_count("flush")),
    }
    let emptied = ctx.env.server.scripting.libraries.change(|set| {
        *set = Default::default();
        Ok::<_, Infallible>(())
    });
    debug_assert!(emptied.is_ok());
    ctx.out.ok();
    Ok(())
}

pub(crate) fn list(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let (mut pattern, mut with_code, mut i) = (None, false, 2);
    while i < args.len() {
        if !with_code && args.is(i, "withcode") {
            with_code = true;
        } else if pattern.is_none() && args.is(i, "libraryname") {
            i += 1;
            let given = args.get(i);
            pattern =
                Some(given.ok_or(CommandError::other("library name argument was not given"))?);
        } else {
            let argument = String::from_utf8_lossy(args.at(i)).into_owned();
            return Err(CommandError::other(format!("Unknown argument {argument}")));
        }
        i += 1;
    }
    let set = ctx.env.server.scripting.libraries.now();
    let wanted = |library: &Library| {
        pattern.is_none_or(|pattern| glob_matches(pattern, library.name.as_bytes()))
    };
    let libraries: Vec<_> = set.all().filter(|library| wanted(library)).collect();
    ctx.out.array(libraries.len());
    libraries.iter().for_each(|library| write(library, with_code, ctx.out));
    Ok(())
}

fn write(library: &Library, with_code: bool, out: &mut Reply) {
    out.map(3 + usize::from(with_code));
    out.bulk(b"library_name");
    out.bulk(library.name.as_bytes());
    out.bulk(b"engine");
    out.bulk(b"LUA");
    out.bulk(b"functions");
    out.array(library.functions.len());
    for info in &library.functions {
        out.map(3);
        out.bulk(b"name");
        out.bulk(info.name.as_bytes());
        out.bulk(b"description");
        match &info.description {
            Some(text) => out.bulk(text),
            None => out.null(),
        }
        let flags: Vec<&str> = info.flags.names().collect();
        out.bulk(b"flags");
        out.set(flags.len());
        flags.iter().for_each(|name| out.simple(name));
    }
    if with_code {
        out.bulk(b"library_code");
        out.bulk(&library.text);
    }
}
