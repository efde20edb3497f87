//! INFO: which sections, in which order. Their contents are in `info_sections`.

use super::info_sections as sections;
use super::row::{Command, Group, Keys, acl, flag::*};
use super::{Context, Outcome};

pub(crate) static ROWS: &[Command] =
    &[Command::new("info", -1, LOADING | STALE, Keys::NONE, Group::Server, info)
        .doc("1.0.0", "Returns information and statistics about the server.")
        .acl(acl::DANGEROUS)];

/// How a section writes itself.
type Section = fn(&Context<'_>, &mut String);

/// Is shown only if asked for by its name.
const BY_NAME: &str = "debug";

/// Name, heading, whether INFO without arguments shows it, contents.
const SECTIONS: &[(&str, &str, bool, Section)] = &[
    ("server", "Server", true, sections::server),
    ("clients", "Clients", true, sections::clients),
    ("memory", "Memory", true, sections::memory),
    ("persistence", "Persistence", true, sections::persistence),
    ("stats", "Stats", true, sections::stats),
    ("mvcc", "Mvcc", true, sections::mvcc),
    ("replication", "Replication", true, sections::replication),
    ("cpu", "CPU", true, sections::cpu),
    ("modules", "Modules", true, |_, _| ()),
    ("commandstats", "Commandstats", false, sections::commandstats),
    ("latencystats", "Latencystats", false, sections::latencystats),
    ("errorstats", "Errorstats", true, sections::errorstats),
    ("cluster", "Cluster", true, sections::cluster),
    ("keyspace", "Keyspace", true, sections::keyspace),
    (BY_NAME, "Debug", false, sections::debug),
];

fn info(ctx: &mut Context<'_>) -> Outcome {
    let words: Vec<String> =
        ctx.args.iter_from(1).map(|w| String::from_utf8_lossy(w).to_ascii_lowercase()).collect();
    let asked = |word: &str| words.iter().any(|w| w == word);
    let (everything, default) =
        (asked("all") || asked("everything"), words.is_empty() || asked("default"));
    let mut text = String::new();
    for (name, heading, by_default, write) in SECTIONS {
        if (everything && *name != BY_NAME) || asked(name) || (default && *by_default) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            text.push_str(&format!("# {heading}\r\n"));
            write(ctx, &mut text);
        }
    }
    ctx.out.verbatim("txt", &text);
    Ok(())
}
