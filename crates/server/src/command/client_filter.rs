//! CLIENT LIST and CLIENT KILL: which connections a request means.
//!
//! | words | which |
//! |---|---|
//! | `ID id …` `TYPE class` `USER name` `ADDR a` `LADDR a` `IP ip` `NAME n` `DB n` `FLAGS letters` `CAPA letters` `LIB-NAME n` `LIB-VER v` | those that have it |
//! | `MAXAGE s` `IDLE s` | those so old, or idle for so long, at least |
//! | `SKIPME yes\|no` | whether the one that asks is spared |
//! | `NOT-…` | one of the first row: those that have it not |
//!
//! Several words: those that all of them mean; of one word said twice the last counts, of ids all. What Redis 7.2 does not know of these is Valkey's.

use super::{CommandError, Context, Outcome};
use crate::clients::Card;
use crate::resp::strict_integer;
use std::sync::Arc;

/// Which clients are of a class; there are none but these two.
fn class_of(word: &[u8]) -> Result<fn(&Card) -> bool, CommandError> {
    match word.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(|card| !card.is_subscriber()),
        b"pubsub" => Ok(Card::is_subscriber),
        b"master" | b"primary" | b"replica" | b"slave" => Ok(|_| false),
        _ => {
            let word = String::from_utf8_lossy(word);
            Err(CommandError::other(format!("Unknown client type '{word}'")))
        }
    }
}

/// One thing that is asked of a client.
type Condition<'a> = Box<dyn Fn(&Card) -> bool + 'a>;

/// What is asked of them; nothing: all are meant.
struct Filter<'a> {
    /// With the word that asks it, `not-` included.
    conditions: Vec<(Vec<u8>, Condition<'a>)>,
    /// Those that may be, and those that may not.
    ids: [Option<Vec<u64>>; 2],
    spares_me: bool,
}

impl<'a> Filter<'a> {
    /// Reads the words from argument 2 on.
    fn of(ctx: &Context<'a>, spares_me: bool) -> Result<Self, CommandError> {
        let args = ctx.args;
        let mut filter = Filter { conditions: Vec::new(), ids: [None, None], spares_me };
        let mut at = 2;
        while at < args.len() {
            let whole_word = args.at(at).to_ascii_lowercase();
            let (is_not, word) = match whole_word.strip_prefix(b"not-") {
                Some(word) => (true, word),
                None => (false, &whole_word[..]),
            };
            at += 1;
            if word == b"id" {
                let ids = ids(args.iter_from(at))?;
                at += ids.len();
                filter.ids[usize::from(is_not)].get_or_insert_default().extend(ids);
                continue;
            }
            let value = args.get(at).ok_or(CommandError::Syntax)?;
            at += 1;
            match word {
                b"skipme" if !is_not => {
                    filter.spares_me = match value.to_ascii_lowercase().as_slice() {
                        b"yes" => true,
                        b"no" => false,
                        _ => return Err(CommandError::Syntax),
                    }
                }
                word => {
                    let condition = condition(ctx, (is_not, word), value)?;
                    filter.conditions.retain(|(known, _)| *known != whole_word);
                    let is_so = move |card: &Card| condition(card) != is_not;
                    filter.conditions.push((whole_word, Box::new(is_so)));
                }
            }
        }
        Ok(filter)
    }

    fn matches(&self, card: &Card, me: u64) -> bool {
        let [may_be, may_not_be] = &self.ids;
        !(self.spares_me && card.id == me)
            && may_be.as_ref().is_none_or(|ids| ids.contains(&card.id))
            && !may_not_be.as_ref().is_some_and(|ids| ids.contains(&card.id))
            && self.conditions.iter().all(|(_, is_so)| is_so(card))
    }
}

/// The ids that stand there, up to what is none.
fn ids<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u64>, CommandError> {
    let wrong = || CommandError::other("client-id should be greater than 0");
    let number = |word: &[u8]| strict_integer(word);
    let first = words.next().ok_or(CommandError::Syntax)?;
    let mut ids = vec![number(first).filter(|id| *id > 0).ok_or_else(wrong)? as u64];
    for word in words {
        match number(word) {
            Some(id) if id > 0 => ids.push(id as u64),
            Some(_) => return Err(wrong()),
            None => break,
        }
    }
    Ok(ids)
}

/// The letters that Valkey's flags have, also those of what is not here.
const FLAGS: &str = "OSMPxbtRBdcuAUreTIiEN";

fn known_letters(
    is_not: bool,
    what: &str,
    letters: &str,
    known: &str,
) -> Result<String, CommandError> {
    if letters.chars().all(|letter| known.contains(letter)) {
        return Ok(letters.to_owned());
    }
    let place = match is_not {
        true => format!("NOT-{}", what.to_uppercase()),
        false => "provided".to_owned(),
    };
    Err(CommandError::other(format!("Unknown {what} found in the {place} filter: {letters}")))
}

/// What a word with its value asks.
fn condition<'a>(
    ctx: &Context<'a>,
    (is_not, word): (bool, &[u8]),
    value: &'a [u8],
) -> Result<Condition<'a>, CommandError> {
    let now_ms = ctx.env.now_ms;
    let name = String::from_utf8_lossy(value);
    let seconds = |what: &str| {
        let number = strict_integer(value).ok_or_else(|| {
            CommandError::other(format!("{what} is not an integer or out of range"))
        })?;
        let is_too_small = || CommandError::other(format!("{what} should be greater than 0"));
        u64::try_from(number).ok().filter(|number| *number > 0).ok_or_else(is_too_small)
    };
    Ok(match word {
        b"addr" => Box::new(move |card| value == card.address.as_bytes()),
        b"laddr" => Box::new(move |card| value == card.local_address.as_bytes()),
        b"ip" => Box::new(move |card| {
            card.address.rsplit_once(':').is_some_and(|(ip, _)| {
                value == ip.trim_start_matches('[').trim_end_matches(']').as_bytes()
            })
        }),
        b"type" => Box::new(class_of(value)?),
        b"user" if ctx.env.server.acl.find(value).is_some() => {
            Box::new(move |card| value == card.user_name())
        }
        b"user" => return Err(CommandError::other(format!("No such user '{name}'"))),
        b"maxage" => {
            let age = seconds("maxage")?;
            Box::new(move |card| now_ms.saturating_sub(card.created_ms) / 1000 >= age)
        }
        b"idle" => {
            let idle = seconds("idle")?;
            Box::new(move |card| now_ms.saturating_sub(card.active_ms.get()) / 1000 >= idle)
        }
        b"name" => Box::new(move |card| value == card.names().client.as_bytes()),
        b"lib-name" => Box::new(move |card| value == card.names().library.as_bytes()),
        b"lib-ver" => Box::new(move |card| value == card.names().library_version.as_bytes()),
        b"db" => {
            let db = strict_integer(value).and_then(|db| u64::try_from(db).ok());
            let databases = u64::from(ctx.env.settings.databases);
            let db = db.filter(|db| *db < databases);
            let db = db.ok_or_else(|| CommandError::other("DB index is out of range"))?;
            Box::new(move |card| card.db.get() == db)
        }
        b"flags" => {
            let letters = known_letters(is_not, "flags", &name, FLAGS)?;
            Box::new(move |card| {
                let flags = card.flags();
                letters.chars().all(|letter| flags.contains(letter))
            })
        }
        b"capa" => {
            let letters = known_letters(is_not, "capa", &name, "r")?;
            Box::new(move |card| letters.is_empty() || card.redirects.get() > 0)
        }
        _ => return Err(CommandError::Syntax),
    })
}

/// Steps of patience that a line of CLIENT LIST takes.
const LINE_STEPS: usize = 16;

pub(crate) fn list(ctx: &mut Context<'_>) -> Outcome {
    ctx.patience().bear(ctx.env.server.clients.count().saturating_mul(LINE_STEPS))?;
    ctx.refresh_card();
    // As Redis has it: here an id that is none is told so in other words.
    let filter = Filter::of(ctx, false).map_err(|error| match ctx.args.is(2, "id") {
        true if ctx.args.len() > 3 => CommandError::other("Invalid client ID"),
        _ => error,
    })?;
    let (me, now_ms) = (ctx.session.id, ctx.env.now_ms);
    let mut text = String::new();
    for card in ctx.env.server.clients.all() {
        if card.killed.get() == 0 && filter.matches(&card, me) {
            text.push_str(&card.line(now_ms));
            text.push('\n');
        }
    }
    ctx.out.verbatim("txt", &text);
    Ok(())
}

pub(crate) fn kill(ctx: &mut Context<'_>) -> Outcome {
    let by_address = ctx.args.len() == 3;
    let filter = if by_address {
        let address = ctx.args.at(2);
        let is_there: Condition<'_> = Box::new(move |card| address == card.address.as_bytes());
        Filter { conditions: vec![(Vec::new(), is_there)], ids: [None, None], spares_me: false }
    } else {
        Filter::of(ctx, true)?
    };
    let me = ctx.session.id;
    let doomed: Vec<Arc<Card>> = ctx.env.server.clients.all();
    let doomed = doomed.iter().filter(|card| filter.matches(card, me));
    let mut killed = 0;
    for card in doomed {
        killed += 1;
        if card.id == me {
            ctx.session.close_after_reply = true;
        } else {
            ctx.env.server.kill(card);
        }
    }
    match (by_address, killed) {
        (true, 0) => return Err(CommandError::other("No such client")),
        (true, _) => ctx.out.ok(),
        (false, killed) => ctx.out.integer(killed),
    }
    Ok(())
}
