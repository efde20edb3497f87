//! LATENCY GRAPH: an event's spikes as a picture of letters.
//!
//! ```text
//! command - high 500 ms, low 300 ms (all time high 500 ms)
//! --------------------------------------------------------------------------------
//!  #
//! ##      a column a spike, the oldest first; below them how long ago that was
//! ##
//! 21
//! sm
//! ```

use super::{CommandError, Context, Outcome};

/// Rows of a picture.
const ROWS: u64 = 4;

pub(super) fn latency_graph(ctx: &mut Context<'_>) -> Outcome {
    let name = String::from_utf8_lossy(ctx.args.at(2)).into_owned();
    let events = ctx.env.server.latency.all();
    let Some(event) = events.get(&name) else {
        let text = format!("No samples available for event '{name}'");
        return Err(CommandError::other(text));
    };
    let times = || event.moments.iter().map(|(_, ms)| *ms);
    let (high, low) = (times().max().unwrap_or(0), times().min().unwrap_or(0));
    let mut text =
        format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", event.max_ms);
    text.push_str(&"-".repeat(80));
    text.push('\n');
    for row in (0..ROWS).rev() {
        // The lowest is one row high, the highest all of them.
        let height = |ms: u64| (ms - low) * (ROWS - 1) / (high - low).max(1);
        text.extend(times().map(|ms| if height(ms) >= row { '#' } else { ' ' }));
        text.push('\n');
    }
    let now_s = ctx.env.now_ms / 1000;
    let ages: Vec<String> =
        event.moments.iter().map(|(at_s, _)| age(now_s.saturating_sub(*at_s))).collect();
    let longest = ages.iter().map(String::len).max().unwrap_or(0);
    for row in 0..longest {
        text.extend(ages.iter().map(|age| age.as_bytes().get(row).map_or(' ', |b| *b as char)));
        text.push('\n');
    }
    ctx.out.verbatim("txt", &text);
    Ok(())
}

fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
