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

/// What has to be asked for to see a section, beside its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Nothing.
    Always,
    /// `all` or `everything`.
    All,
    /// There is nothing beside its name.
    Named,
}

use When::{All, Always, Named};

/// Name, heading, when it is shown, contents.
const SECTIONS: &[(&str, &str, When, Section)] = &[
    ("server", "Server", Always, sections::server),
    ("clients", "Clients", Always, sections::clients),
    ("memory", "Memory", Always, sections::memory),
    ("persistence", "Persistence", Always, sections::persistence),
    ("stats", "Stats", Always, sections::stats),
    ("mvcc", "Mvcc", Always, sections::mvcc),
    ("replication", "Replication", Always, sections::replication),
    ("cpu", "CPU", Always, sections::cpu),
    ("modules", "Modules", Always, |_, _| ()),
    ("commandstats", "Commandstats", All, sections::commandstats),
    ("latencystats", "Latencystats", All, sections::latencystats),
    ("errorstats", "Errorstats", Always, sections::errorstats),
    ("cluster", "Cluster", Always, sections::cluster),
    ("keyspace", "Keyspace", Always, sections::keyspace),
    ("debug", "Debug", Named, sections::debug),
];

fn info(ctx: &mut Context<'_>) -> Outcome {
    let words: Vec<String> =
        ctx.args.iter_from(1).map(|w| String::from_utf8_lossy(w).to_ascii_lowercase()).collect();
    let asked = |word: &str| words.iter().any(|w| w == word);
    let (everything, default) =
        (asked("all") || asked("everything"), words.is_empty() || asked("default"));
    let mut text = String::new();
    for (name, heading, when, write) in SECTIONS {
        let is_shown = match when {
            Always => everything || default,
            All => everything,
            Named => false,
        };
        if is_shown || asked(name) {
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
