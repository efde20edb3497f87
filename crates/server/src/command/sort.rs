//! SORT, SORT_RO: the elements of a list, set or sorted set in another order, by their own value or by keys named after them.

use super::row::{Command, Group, Keys, acl, flag::*};
use super::{CommandError, Context, Outcome, by_id};
use crate::acl::may_read_every_key;
use crate::data::{Data, at_one_cut, atomically};
use crate::disposal::dismantle;
use crate::event::class;
use crate::resp::{Args, strict_integer};
use crate::value::{Hash, List, ListEdit, ListLimits, Set, SortedSet, parse_bound, string_of};
use std::cmp::Ordering;
use stillpoint_primitive::scheduling;

const ACL: u32 = acl::SET | acl::SORTED_SET | acl::LIST | acl::DANGEROUS;

pub(crate) static ROWS: &[Command] = &[
    Command::new("sort", -2, WRITE | DENYOOM | MOVABLEKEYS, Keys::ONE, Group::Generic, sort)
        .acl(ACL)
        .doc("1.0.0", "Returns or stores the elements of a list, set or sorted set in order."),
    Command::new("sort_ro", -2, READONLY | MOVABLEKEYS, Keys::ONE, Group::Generic, sort_ro)
        .acl(ACL)
        .doc("7.0.0", "Returns the elements of a list, set or sorted set in order."),
];

/// SORT's options.
struct Query<'a> {
    by: Option<&'a [u8]>,
    get: Vec<&'a [u8]>,
    descending: bool,
    by_text: bool,
    offset: i64,
    /// Negative: no limit.
    limit: i64,
    store: Option<&'a [u8]>,
    /// The result must not depend on chance: it is stored, or a script is to see it.
    is_certain: bool,
}

impl<'a> Query<'a> {
    fn parse(args: Args<'a>, may_store: bool) -> Result<Self, CommandError> {
        let mut query = Query {
            by: None,
            get: Vec::new(),
            descending: false,
            by_text: false,
            offset: 0,
            limit: -1,
            store: None,
            is_certain: false,
        };
        let integer = |at| strict_integer(args.at(at)).ok_or(CommandError::NotAnInteger);
        let mut at = 2;
        while at < args.len() {
            let left = args.len() - at - 1;
            match () {
                () if args.is(at, "ASC") => query.descending = false,
                () if args.is(at, "DESC") => query.descending = true,
                () if args.is(at, "ALPHA") => query.by_text = true,
                () if args.is(at, "LIMIT") && left >= 2 => {
                    (query.offset, query.limit) = (integer(at + 1)?, integer(at + 2)?);
                    at += 2;
                }
                () if args.is(at, "STORE") && left >= 1 && may_store => {
                    query.store = Some(args.at(at + 1));
                    at += 1;
                }
                () if args.is(at, "BY") && left >= 1 => {
                    query.by = Some(args.at(at + 1));
                    at += 1;
                }
                () if args.is(at, "GET") && left >= 1 => {
                    query.get.push(args.at(at + 1));
                    at += 1;
                }
                () => return Err(CommandError::Syntax),
            }
            at += 1;
        }
        Ok(query)
    }

    /// What patterns find may be any key: only who may read every key may use them.
    fn within_rights(&self, ctx: &mut Context<'_>) -> Outcome {
        let finds = self.by.is_some() && !self.keeps_order();
        if ctx.session.login.has_pass(&ctx.env.server.acl) || !finds && self.get.is_empty() {
            return Ok(());
        }
        ctx.session.login.refresh(&ctx.env.server.acl);
        let user = ctx.session.login.user();
        if may_read_every_key(user, ctx.id, by_id(ctx.id), ctx.args) {
            return Ok(());
        }
        let option = if finds { "BY" } else { "GET" };
        Err(CommandError::other(format!(
            "{option} option of SORT denied due to insufficient ACL permissions."
        )))
    }

    /// BY a name without a star: the order is left as it is.
    fn keeps_order(&self) -> bool {
        self.by.is_some_and(|pattern| !pattern.contains(&b'*'))
    }
}

/// An element, and what it is compared by.
struct Item {
    element: Vec<u8>,
    weight: f64,
    text: Option<Vec<u8>>,
}

fn sort(ctx: &mut Context<'_>) -> Outcome {
    let mut query = Query::parse(ctx.args, true)?;
    query.within_rights(ctx)?;
    query.is_certain = query.store.is_some() || ctx.session.in_script;
    if query.store.is_none() {
        return at_one_cut(ctx, |ctx| answer(ctx, &query));
    }
    atomically(ctx, |ctx| store(ctx, &query))
}

fn sort_ro(ctx: &mut Context<'_>) -> Outcome {
    let mut query = Query::parse(ctx.args, false)?;
    query.within_rights(ctx)?;
    query.is_certain = ctx.session.in_script;
    at_one_cut(ctx, |ctx| answer(ctx, &query))
}

fn answer(ctx: &mut Context<'_>, query: &Query<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let (mut data, out) = ctx.parts();
    let results = results(&mut data, key, query)?;
    out.array(results.len());
    for result in results {
        scheduling::yield_point();
        match result {
            Some(text) => out.bulk(&text),
            None => out.null(),
        }
    }
    Ok(())
}

fn store(ctx: &mut Context<'_>, query: &Query<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let limits = ListLimits::of(&ctx.env.settings);
    let Some(to) = query.store else { return Ok(()) };
    let (mut data, out) = ctx.parts();
    let results = results(&mut data, key, query)?;
    let was_there = data.update(to, |entry, draft| {
        let mut edit = ListEdit::new();
        edit.push(results.iter().map(|text| text.as_deref().unwrap_or_default()), false, limits);
        if !results.is_empty() {
            edit.put(draft, None);
        } else if entry.is_some() {
            draft.remove();
        }
        entry.is_some()
    })?;
    data.notify_stored(class::LIST, "sortstore", to, was_there, results.is_empty());
    out.integer(results.len() as i64);
    Ok(())
}

/// The elements of the key in their own order, and whether they are those of a set.
fn elements(data: &mut Data<'_>, key: &[u8]) -> Result<(Vec<Vec<u8>>, bool), CommandError> {
    data.read_whole(key, |entry| {
        let Some(entry) = entry else { return Ok((Vec::new(), false)) };
        if let Ok(list) = List::of(entry) {
            return Ok((list.iter_from(0).map(copy).collect(), false));
        }
        if let Ok(set) = Set::of(entry) {
            return Ok((
                set.members().into_iter().map(|member| member.into_owned()).collect(),
                true,
            ));
        }
        let mut members = Vec::new();
        SortedSet::of(entry)?.for_each(|member, _| members.push(copy(member)));
        Ok((members, false))
    })?
}

fn copy(element: &[u8]) -> Vec<u8> {
    scheduling::yield_point();
    element.to_vec()
}

/// What is answered or stored, element by element.
fn results(
    data: &mut Data<'_>,
    key: &[u8],
    query: &Query<'_>,
) -> Result<Vec<Option<Vec<u8>>>, CommandError> {
    let (mut elements, is_set) = elements(data, key)?;
    if !query.keeps_order() {
        elements = in_order(data, elements, query.by, query.by_text, query)?;
    } else if is_set && query.is_certain {
        // As in Redis: a set has no order to keep.
        elements = in_order(data, elements, None, true, query)?;
    } else if query.descending && !is_set {
        elements.reverse();
    }
    let len = elements.len();
    let start = query.offset.clamp(0, len as i64) as usize;
    let count = if query.limit < 0 { len } else { query.limit.min(len as i64) as usize };
    dismantle(elements.drain(start + count.min(len - start)..));
    dismantle(elements.drain(..start));
    if query.get.is_empty() {
        return Ok(elements.into_iter().map(Some).collect());
    }
    let mut results = Vec::new();
    for element in elements {
        scheduling::yield_point();
        for pattern in &query.get {
            results.push(look_up(data, pattern, &element)?);
        }
    }
    Ok(results)
}

fn in_order(
    data: &mut Data<'_>,
    elements: Vec<Vec<u8>>,
    by: Option<&[u8]>,
    by_text: bool,
    query: &Query<'_>,
) -> Result<Vec<Vec<u8>>, CommandError> {
    let mut items = Vec::with_capacity(elements.len());
    let mut is_numeric = true;
    for element in elements {
        scheduling::yield_point();
        let text = match by {
            Some(pattern) => look_up(data, pattern, &element)?,
            None => Some(element.clone()),
        };
        let weight = match (&text, by_text) {
            // As far as Redis reads it: up to a zero byte.
            (Some(text), false) => {
                let text = before_zero(text);
                let weight = parse_bound(text).ok().filter(|weight| is_in_range(text, *weight));
                is_numeric &= weight.is_some();
                weight.unwrap_or_default()
            }
            _ => 0.0,
        };
        items.push(Item { element, weight, text });
    }
    if !is_numeric {
        return Err(CommandError::other("One or more scores can't be converted into double"));
    }
    items.sort_by(|a, b| {
        scheduling::yield_point();
        let order = match by_text {
            true => a.text.cmp(&b.text),
            false => a
                .weight
                .partial_cmp(&b.weight)
                .unwrap_or(Ordering::Equal)
                .then_with(|| a.element.cmp(&b.element)),
        };
        if query.descending { order.reverse() } else { order }
    });
    let bare = |item: Item| {
        scheduling::yield_point();
        item.element
    };
    Ok(items.into_iter().map(bare).collect())
}

/// Whether the number that the text says is neither too large nor too small for what it was read as.
fn is_in_range(text: &[u8], weight: f64) -> bool {
    let mantissa = text.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
    let is_zero = !mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
    is_zero || weight.is_normal()
}

fn before_zero(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// The value that a pattern names for an element: `#` itself, `key_*` a string, `key_*->field` a field of a hash.
fn look_up(
    data: &mut Data<'_>,
    pattern: &[u8],
    element: &[u8],
) -> Result<Option<Vec<u8>>, CommandError> {
    if pattern == b"#" {
        return Ok(Some(element.to_vec()));
    }
    let Some(star) = pattern.iter().position(|byte| *byte == b'*') else { return Ok(None) };
    let (prefix, behind) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = behind.windows(2).position(|two| two == b"->");
    let (suffix, field) = match arrow {
        Some(at) if at + 2 < behind.len() => (&behind[..at], Some(&behind[at + 2..])),
        _ => (behind, None),
    };
    let key = [prefix, element, suffix].concat();
    let now_ms = data.now_ms();
    data.read(&key, |entry| {
        let entry = entry?;
        match field {
            Some(field) => Hash::of(entry, now_ms).ok()?.get(field).map(<[u8]>::to_vec),
            None => string_of(entry).ok().map(<[u8]>::to_vec),
        }
    })
}
