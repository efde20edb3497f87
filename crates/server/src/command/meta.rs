//! COMMAND: the table of commands, told to clients.

use super::category;
use super::help::help;
use super::row::{Command, Group, Handler, Keys, acl, flag, flag::*};
use super::{CommandError, Context, Outcome, all, find, lookup_subcommand, rows};
use crate::acl::{key_flags, key_flags_of, key_positions};
use crate::resp::{Args, Reply};
use crate::value::glob_matches;

const fn sub(name: &'static str, arity: i32, handler: Handler, summary: &'static str) -> Command {
    Command::new(name, arity, LOADING | STALE, Keys::NONE, Group::Server, handler)
        .doc("2.8.13", summary)
        .acl(acl::CONNECTION)
}

pub(crate) static ROWS: &[Command] =
    &[Command::new("command", -1, LOADING | STALE, Keys::NONE, Group::Server, command)
        .doc("2.8.13", "Returns detailed information about all commands.")
        .acl(acl::CONNECTION)
        .with(SUBCOMMANDS)];

static SUBCOMMANDS: &[Command] = &[
    sub("command|count", 2, count, "Returns a count of commands."),
    sub(
        "command|docs",
        -2,
        docs,
        "Returns documentary information about one, multiple or all commands.",
    ),
    sub("command|getkeys", -3, getkeys, "Extracts the key names from an arbitrary command."),
    sub(
        "command|getkeysandflags",
        -3,
        getkeysandflags,
        "Extracts the key names and access flags for an arbitrary command.",
    ),
    sub("command|help", 2, command_help, "Returns helpful text about the different subcommands."),
    sub("command|info", -2, info, "Returns information about one, multiple or all commands."),
    sub("command|list", -2, list, "Returns a list of command names."),
];

fn command(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.array(all().count());
    all().for_each(|row| write_info(row, ctx.out));
    Ok(())
}

fn count(ctx: &mut Context<'_>) -> Outcome {
    ctx.out.integer(all().count() as i64);
    Ok(())
}

fn info(ctx: &mut Context<'_>) -> Outcome {
    if ctx.args.len() == 2 {
        return command(ctx);
    }
    ctx.out.array(ctx.args.len() - 2);
    for name in ctx.args.iter_from(2) {
        match find(name) {
            Some((_, row)) => write_info(row, ctx.out),
            None => ctx.out.null_array(),
        }
    }
    Ok(())
}

fn write_info(row: &Command, out: &mut Reply) {
    out.array(10);
    out.bulk(row.name.as_bytes());
    out.integer(i64::from(row.arity));
    let flags: Vec<&str> =
        flag::NAMES.iter().filter(|(bit, _)| row.has(*bit)).map(|(_, name)| *name).collect();
    out.set(flags.len());
    flags.iter().for_each(|name| out.simple(name));
    let step = if row.keys.first == 0 { 0 } else { row.keys.step };
    for position in [row.keys.first, row.keys.last, step] {
        out.integer(i64::from(position));
    }
    let categories = category::of(row);
    out.set(categories.len());
    categories.iter().for_each(|name| out.simple(&format!("@{name}")));
    out.set(0);
    write_key_specs(row, out);
    out.array(row.subcommands.len());
    row.subcommands.iter().for_each(|sub| write_info(sub, out));
}

fn write_key_specs(row: &Command, out: &mut Reply) {
    let keys = row.keys;
    let has = [keys.first != 0, keys.count_at != 0, keys.word.is_some(), keys.last_word.is_some()];
    out.set(has.into_iter().map(usize::from).sum());
    if keys.first != 0 {
        // Here the last key is told from the first one on, unless it is told from the end.
        let last = if keys.last >= 0 { keys.last - keys.first } else { keys.last };
        let range = [("lastkey", last), ("keystep", keys.step), ("limit", 0)];
        write_key_spec(row, Begin::At(keys.first), "range", &range, out);
    }
    if keys.count_at != 0 {
        let counted = [("keynumidx", 0), ("firstkey", 1), ("keystep", keys.step.max(1))];
        write_key_spec(row, Begin::At(keys.count_at), "keynum", &counted, out);
    }
    if let Some(word) = keys.word {
        let half = [("lastkey", -1), ("keystep", 1), ("limit", 2)];
        write_key_spec(row, Begin::Behind(word, 1), "range", &half, out);
    }
    if let Some(word) = keys.last_word {
        let rest = [("lastkey", -1), ("keystep", 1), ("limit", 0)];
        write_key_spec(row, Begin::Behind(word, -2), "range", &rest, out);
    }
}

/// Where keys are looked for.
#[derive(Clone, Copy)]
enum Begin {
    At(i32),
    /// A word, and where the search for it begins.
    Behind(&'static str, i32),
}

fn write_key_spec(row: &Command, begin: Begin, kind: &str, find: &[(&str, i32)], out: &mut Reply) {
    out.map(3);
    out.bulk(b"flags");
    let flags = key_flags(row, 0);
    out.set(flags.len());
    flags.iter().for_each(|name| out.simple(name));
    out.bulk(b"begin_search");
    match begin {
        Begin::At(index) => write_typed("index", &[("index", index)], out),
        Begin::Behind(word, from) => {
            out.map(2);
            out.bulk(b"type");
            out.bulk(b"keyword");
            out.bulk(b"spec");
            out.map(2);
            out.bulk(b"keyword");
            out.bulk(word.as_bytes());
            out.bulk(b"startfrom");
            out.integer(from.into());
        }
    }
    out.bulk(b"find_keys");
    write_typed(kind, find, out);
}

fn write_typed(kind: &str, figures: &[(&str, i32)], out: &mut Reply) {
    out.map(2);
    out.bulk(b"type");
    out.bulk(kind.as_bytes());
    out.bulk(b"spec");
    out.map(figures.len());
    for (name, figure) in figures {
        out.bulk(name.as_bytes());
        out.integer(i64::from(*figure));
    }
}

fn docs(ctx: &mut Context<'_>) -> Outcome {
    let wanted: Vec<&Command> = match ctx.args.len() {
        2 => all().collect(),
        _ => ctx.args.iter_from(2).filter_map(find).map(|(_, row)| row).collect(),
    };
    ctx.out.map(wanted.len());
    wanted.iter().for_each(|row| write_docs(row, ctx.out));
    Ok(())
}

fn write_docs(row: &Command, out: &mut Reply) {
    out.bulk(row.name.as_bytes());
    let has_subcommands = !row.subcommands.is_empty();
    out.map(3 + usize::from(has_subcommands));
    for (field, text) in
        [("summary", row.summary), ("since", row.since), ("group", row.group.name())]
    {
        out.bulk(field.as_bytes());
        out.bulk(text.as_bytes());
    }
    if has_subcommands {
        out.bulk(b"subcommands");
        out.map(row.subcommands.len());
        row.subcommands.iter().for_each(|sub| write_docs(sub, out));
    }
}

fn list(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let names = rows().map(|(_, row)| row);
    let wanted = args.get(4).unwrap_or_default().to_ascii_lowercase();
    let names: Vec<&str> = match args.len() {
        2 => names.map(|row| row.name).collect(),
        5 if args.is(2, "filterby") => match args.at(3).to_ascii_lowercase().as_slice() {
            b"pattern" => names
                .filter(|row| glob_matches(&wanted, row.name.as_bytes()))
                .map(|row| row.name)
                .collect(),
            b"aclcat" => {
                let wanted = String::from_utf8_lossy(&wanted);
                names
                    .filter(|row| category::of(row).contains(&wanted.as_ref()))
                    .map(|row| row.name)
                    .collect()
            }
            b"module" => Vec::new(),
            _ => return Err(CommandError::Syntax),
        },
        _ => return Err(CommandError::Syntax),
    };
    ctx.out.set(names.len());
    names.iter().for_each(|name| ctx.out.bulk(name.as_bytes()));
    Ok(())
}

/// The arguments from 2 on, which are a whole request, and where its keys are among them.
fn keys<'a>(ctx: &Context<'a>) -> Result<(&'static Command, Args<'a>, Vec<usize>), CommandError> {
    let args = ctx.args;
    let count = args.len() - 2;
    let invalid = || CommandError::other("Invalid command specified");
    let found = ctx.env.settings.renames.lookup(args.at(2));
    let (id, mut row) = found.ok_or_else(invalid)?;
    if !row.subcommands.is_empty() && count > 1 {
        row = lookup_subcommand(id, args.at(3)).ok_or_else(invalid)?.1;
    }
    if !row.keys.any() {
        return Err(CommandError::other("The command has no key arguments"));
    }
    if !row.accepts(count) {
        return Err(CommandError::other("Invalid number of arguments specified for command"));
    }
    let args = args.without(2);
    let mut positions = key_positions(row, args);
    if matches!(row.name, "sort" | "georadius" | "georadiusbymember") && positions.len() > 2 {
        // Of several places to store in, the last one counts.
        positions.drain(1..positions.len() - 1);
    }
    if positions.is_empty() && !row.has(flag::NO_MANDATORY_KEYS) {
        return Err(CommandError::other("Invalid arguments specified for command"));
    }
    Ok((row, args, positions))
}

fn getkeys(ctx: &mut Context<'_>) -> Outcome {
    let (_, args, positions) = keys(ctx)?;
    ctx.out.array(positions.len());
    positions.into_iter().for_each(|at| ctx.out.bulk(args.at(at)));
    Ok(())
}

fn getkeysandflags(ctx: &mut Context<'_>) -> Outcome {
    let (row, args, positions) = keys(ctx)?;
    ctx.out.array(positions.len());
    for (number, at) in positions.into_iter().enumerate() {
        let flags = key_flags_of(row, args, number);
        ctx.out.array(2);
        ctx.out.bulk(args.at(at));
        ctx.out.set(flags.len());
        flags.iter().for_each(|name| ctx.out.simple(name));
    }
    Ok(())
}

fn command_help(ctx: &mut Context<'_>) -> Outcome {
    let lines = [
        "(no subcommand)",
        "    Return details about all commands.",
        "COUNT",
        "    Return the total number of commands in this server.",
        "LIST",
        "    Return a list of all commands in this server.",
        "INFO [<command-name> ...]",
        "    Return details about multiple commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "DOCS [<command-name> ...]",
        "    Return documentation details about multiple commands.",
        "    If no command names are given, documentation details for all",
        "    commands are returned.",
        "GETKEYS <full-command>",
        "    Return the keys from a full command.",
        "GETKEYSANDFLAGS <full-command>",
        "    Return the keys and the access flags from a full command.",
    ];
    help(ctx, "COMMAND", &lines)
}
