//! LATENCY HISTOGRAM: how long commands took.

use super::{Context, Outcome, lookup, lookup_subcommand, rows};
use crate::command::{Command, CommandId};

/// The commands that are asked for; a container stands for its subcommands.
fn wanted(ctx: &Context<'_>) -> Vec<(CommandId, &'static Command)> {
    if ctx.args.len() == 2 {
        return rows().collect();
    }
    let mut found = Vec::new();
    for name in ctx.args.iter_from(2) {
        let mut parts = name.splitn(2, |byte| *byte == b'|');
        let Some((id, row)) = parts.next().and_then(lookup) else { continue };
        match parts.next() {
            Some(part) => found.extend(lookup_subcommand(id, part)),
            None if row.subcommands.is_empty() => found.push((id, row)),
            None => found.extend(
                row.subcommands
                    .iter()
                    .filter_map(|s| lookup_subcommand(id, s.short_name().as_bytes())),
            ),
        }
    }
    found
}

pub(crate) fn latency_histogram(ctx: &mut Context<'_>) -> Outcome {
    let totals = ctx.env.server.totals();
    let mut shown = wanted(ctx);
    shown.retain(|(id, _)| totals.commands[id.index()].durations.count() > 0);
    ctx.out.map(shown.len());
    for (id, row) in shown {
        let total = &totals.commands[id.index()];
        let steps = total.durations.cumulative_us();
        ctx.out.bulk(row.name.as_bytes());
        ctx.out.map(2);
        ctx.out.bulk(b"calls");
        ctx.out.integer(total.calls as i64);
        ctx.out.bulk(b"histogram_usec");
        ctx.out.map(steps.len());
        for (us, count) in steps {
            ctx.out.integer(us as i64);
            ctx.out.integer(count as i64);
        }
    }
    Ok(())
}
