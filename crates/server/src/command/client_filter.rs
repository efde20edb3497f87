//! CLIENT LIST and CLIENT KILL: which connections a request means.
//!
//! | words | which |
//! |---|---|
//! | `ID id …` `TYPE class` `USER name` `ADDR a` `LADDR a` `IP ip` `NAME n` `DB n` `FLAGS letters` `LIB-NAME n` `LIB-VER v` | those that have it |
//! | `MAXAGE s` `IDLE s` | those so old, or idle for so long, at least |
//! | `SKIPME yes\|no` | whether the one that asks is spared |
//! | `NOT-…` | one of the first row: those that have it not |
//!
//! Several words: those that all of them mean. What Redis 7.2 does not know of these is Valkey's.

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
    conditions: Vec<Condition<'a>>,
    spares_me: bool,
}

impl<'a> Filter<'a> {
    /// Reads the words from argument 2 on.
    fn of(ctx: &Context<'a>, spares_me: bool) -> Result<Self, CommandError> {
        let args = ctx.args;
        let mut filter = Filter { conditions: Vec::new(), spares_me };
        let mut at = 2;
        while at < args.len() {
            let word = args.at(at).to_ascii_lowercase();
            let (is_not, word) = match word.strip_prefix(b"not-") {
                Some(word) => (true, word),
                None => (false, &word[..]),
            };
            at += 1;
            if word == b"id" {
                let ids = ids(args.iter_from(at))?;
                at += ids.len();
                filter.add(is_not, move |card| ids.contains(&card.id));
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
                    let condition = condition(ctx, word, value)?;
                    filter.add(is_not, condition);
                }
            }
        }
        Ok(filter)
    }

    fn add(&mut self, is_not: bool, condition: impl Fn(&Card) -> bool + 'a) {
        self.conditions.push(Box::new(move |card| condition(card) != is_not));
    }

    fn matches(&self, card: &Card, me: u64) -> bool {
        !(self.spares_me && card.id == me) && self.conditions.iter().all(|is_so| is_so(card))
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

/// What a word with its value asks.
fn condition<'a>(
    ctx: &Context<'a>,
    word: &[u8],
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
            let letters = name.into_owned();
            Box::new(move |card| {
                let flags = card.flags();
                letters.chars().all(|letter| flags.contains(letter))
            })
        }
        _ => return Err(CommandError::Syntax),
    })
}

pub(crate) fn list(ctx: &mut Context<'_>) -> Outcome {
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
        Filter { conditions: vec![is_there], spares_me: false }
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
