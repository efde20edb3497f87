//! CLIENT LIST and CLIENT KILL: which connections a request means.

use super::{CommandError, Context, Outcome};
use crate::clients::Card;
use crate::resp::strict_integer;
use std::sync::Arc;

/// Which clients are of a class; there are none but these two.
fn class_of(word: &[u8]) -> Result<fn(&Card) -> bool, CommandError> {
    match word.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(|card| !card.is_subscriber()),
        b"pubsub" => Ok(Card::is_subscriber),
        b"master" | b"replica" | b"slave" => Ok(|_| false),
        _ => {
            let word = String::from_utf8_lossy(word);
            Err(CommandError::other(format!("Unknown client type '{word}'")))
        }
    }
}

pub(crate) fn list(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    ctx.refresh_card();
    let mut cards = ctx.env.server.clients.all();
    cards.retain(|card| card.killed.get() == 0);
    match args.len() {
        2 => {}
        4 if args.is(2, "type") => {
            let is_wanted = class_of(args.at(3))?;
            cards.retain(|card| is_wanted(card));
        }
        n if n > 3 && args.is(2, "id") => {
            let mut ids = Vec::new();
            for arg in args.iter_from(3) {
                let id = strict_integer(arg).filter(|id| *id > 0);
                ids.push(id.ok_or_else(|| CommandError::other("Invalid client ID"))? as u64);
            }
            cards.retain(|card| ids.contains(&card.id));
        }
        _ => return Err(CommandError::Syntax),
    }
    let mut text = String::new();
    for card in cards {
        text.push_str(&card.line(ctx.env.now_ms));
        text.push('\n');
    }
    ctx.out.verbatim("txt", &text);
    Ok(())
}

/// What KILL's options ask for; what is not given matches everything.
#[derive(Default)]
struct Filter<'a> {
    id: Option<u64>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    class: Option<fn(&Card) -> bool>,
    user: Option<&'a [u8]>,
    max_age_s: Option<u64>,
    spares_me: bool,
}

impl Filter<'_> {
    fn matches(&self, card: &Card, me: u64, now_ms: u64) -> bool {
        !(self.spares_me && card.id == me)
            && self.class.is_none_or(|is_wanted| is_wanted(card))
            && self.user.is_none_or(|name| name == card.user_name())
            && self.id.is_none_or(|id| id == card.id)
            && self.address.is_none_or(|a| a == card.address.as_bytes())
            && self.local_address.is_none_or(|a| a == card.local_address.as_bytes())
            && self.max_age_s.is_none_or(|age| now_ms.saturating_sub(card.created_ms) / 1000 >= age)
    }
}

fn read_filter<'a>(ctx: &Context<'a>) -> Result<Filter<'a>, CommandError> {
    let args = ctx.args;
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let mut filter = Filter { spares_me: true, ..Filter::default() };
    for i in (2..args.len()).step_by(2) {
        let value = args.at(i + 1);
        match args.at(i).to_ascii_lowercase().as_slice() {
            b"id" => {
                let id = strict_integer(value)
                    .filter(|id| *id > 0)
                    .ok_or_else(|| CommandError::other("client-id should be greater than 0"))?;
                filter.id = Some(id as u64);
            }
            b"addr" => filter.address = Some(value),
            b"laddr" => filter.local_address = Some(value),
            b"type" => filter.class = Some(class_of(value)?),
            b"user" if ctx.env.server.acl.find(value).is_some() => filter.user = Some(value),
            b"user" => {
                let user = String::from_utf8_lossy(value);
                return Err(CommandError::other(format!("No such user '{user}'")));
            }
            b"maxage" => {
                let age = strict_integer(value).ok_or_else(|| {
                    CommandError::other("maxage is not an integer or out of range")
                })?;
                if age <= 0 {
                    return Err(CommandError::other("maxage should be greater than 0"));
                }
                filter.max_age_s = Some(age as u64);
            }
            b"skipme" => {
                filter.spares_me = match value.to_ascii_lowercase().as_slice() {
                    b"yes" => true,
                    b"no" => false,
                    _ => return Err(CommandError::Syntax),
                }
            }
            _ => return Err(CommandError::Syntax),
        }
    }
    Ok(filter)
}

pub(crate) fn kill(ctx: &mut Context<'_>) -> Outcome {
    let by_address = ctx.args.len() == 3;
    let filter = if by_address {
        Filter { address: Some(ctx.args.at(2)), ..Filter::default() }
    } else {
        read_filter(ctx)?
    };
    let (me, now_ms) = (ctx.session.id, ctx.env.now_ms);
    let doomed: Vec<Arc<Card>> = ctx.env.server.clients.all();
    let doomed = doomed.iter().filter(|card| filter.matches(card, me, now_ms));
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
