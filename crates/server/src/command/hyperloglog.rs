//! HyperLogLog: PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST.

use super::row::{Command, Group, Handler, Keys, acl, flag::*};
use super::{CommandError, Context, Outcome};
use crate::data::{Data, Item, atomically, read_keys};
use crate::event::class;
use crate::value::{
    HllError, HyperLogLog, Object, REGISTERS, Registers, count_of, describe, kind, no_registers,
    string_of,
};
use stillpoint_store::Draft;

const fn row(name: &'static str, arity: i32, flags: u32, keys: Keys, handler: Handler) -> Command {
    Command::new(name, arity, flags, keys, Group::HyperLogLog, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("pfadd", -2, WRITE | DENYOOM | FAST, Keys::ONE, pfadd)
        .doc("2.8.9", "Counts elements in a HyperLogLog, which is created if need be."),
    row("pfcount", -2, READONLY | MAY_REPLICATE, Keys::ALL, pfcount)
        .doc("2.8.9", "Estimates how many different elements HyperLogLogs have seen together."),
    row("pfmerge", -2, WRITE | DENYOOM, Keys::ALL, pfmerge)
        .doc("2.8.9", "Merges HyperLogLogs into one."),
    row("pfdebug", 3, WRITE | DENYOOM | ADMIN, Keys::at(2, 2, 1), pfdebug)
        .doc("2.8.9", "Shows what a HyperLogLog is made of."),
    row("pfselftest", 1, ADMIN, Keys::NONE, pfselftest)
        .doc("2.8.9", "Checks the estimates of HyperLogLogs.")
        .acl(acl::DANGEROUS),
];

/// What a client is told.
fn told(error: HllError) -> CommandError {
    CommandError::Coded(match error {
        HllError::NotOne => "WRONGTYPE Key is not a valid HyperLogLog string value.".into(),
        HllError::Corrupt => "INVALIDOBJ Corrupted HLL object detected".into(),
    })
}

fn of(entry: Item<'_>) -> Result<HyperLogLog, CommandError> {
    HyperLogLog::of(string_of(entry)?).map_err(told)
}

fn put(hll: &HyperLogLog, entry: Option<Item<'_>>, draft: &mut Draft<'_, Object>) {
    let expire_at_ms = entry.and_then(|entry| entry.expire_at_ms());
    draft.put(kind::RAW_STRING, &[hll.bytes()], expire_at_ms);
}

fn sparse_bound(ctx: &Context<'_>) -> usize {
    ctx.env.settings.number("hll-sparse-max-bytes").max(0) as usize
}

fn pfadd(ctx: &mut Context<'_>) -> Outcome {
    let (args, most) = (ctx.args, sparse_bound(ctx));
    let (mut data, out) = ctx.parts();
    let changed = data.update(args.at(1), |entry, draft| {
        let mut changed = entry.is_none();
        let mut hll = entry.map_or_else(|| Ok(HyperLogLog::new()), of)?;
        for element in args.iter_from(2) {
            changed |= hll.add(element, most).map_err(told)?;
        }
        if changed {
            hll.invalidate();
        }
        // Counts as changed in place, even where no register did.
        if changed || entry.is_some_and(|entry| entry.kind() != kind::RAW_STRING) {
            put(&hll, entry, draft);
        }
        Ok::<_, CommandError>(changed)
    })??;
    if changed {
        data.notify(class::STRING, "pfadd", args.at(1));
    }
    out.integer(i64::from(changed));
    Ok(())
}

/// Steps of patience that it takes to look at every register.
const MERGE_STEPS: usize = 300;

fn pfcount(ctx: &mut Context<'_>) -> Outcome {
    if ctx.args.len() == 2 {
        return count_one(ctx);
    }
    read_keys(ctx, |ctx| {
        let args = ctx.args;
        let (mut data, out) = ctx.parts();
        let (mut registers, mut dense) = (no_registers(), 0);
        for key in args.iter_from(1) {
            dense += usize::from(merge_key(&mut data, key, &mut registers)?);
            data.patience.bear(dense * MERGE_STEPS)?;
        }
        out.integer(count_of(&registers) as i64);
        Ok(())
    })
}

/// Raises the registers to those of the key; whether these are dense.
fn merge_key(
    data: &mut Data<'_>,
    key: &[u8],
    registers: &mut Registers,
) -> Result<bool, CommandError> {
    data.read(key, |entry| {
        let Some(entry) = entry else { return Ok(false) };
        let hll = of(entry)?;
        hll.merge_into(registers).map_err(told)?;
        Ok(hll.is_dense())
    })?
}

/// The count of one key is kept with it; reading it anew is a write, unless everything is read as of one cut.
fn count_one(ctx: &mut Context<'_>) -> Outcome {
    let key = ctx.args.at(1);
    let writes = ctx.session.data.is_direct() || ctx.session.data.is_in_transaction();
    let (mut data, out) = ctx.parts();
    let (mut count, cached) = data.read(key, |entry| {
        let Some(entry) = entry else { return Ok((0, true)) };
        let hll = of(entry)?;
        Ok::<_, CommandError>(match hll.cached() {
            Some(count) => (count, true),
            None => (hll.count().map_err(told)?, false),
        })
    })??;
    if !cached && writes {
        count = data.update(key, |entry, draft| {
            let Some(there) = entry else { return Ok(0) };
            let mut hll = of(there)?;
            let count = hll.count().map_err(told)?;
            hll.set_cached(count);
            put(&hll, entry, draft);
            Ok::<_, CommandError>(count)
        })??;
    }
    out.integer(count as i64);
    Ok(())
}

fn pfmerge(ctx: &mut Context<'_>) -> Outcome {
    let (args, most) = (ctx.args, sparse_bound(ctx));
    atomically(ctx, |ctx| {
        let mut data = ctx.data();
        let (mut registers, mut dense) = (no_registers(), 0);
        for key in args.iter_from(1) {
            dense += usize::from(merge_key(&mut data, key, &mut registers)?);
            data.patience.bear(dense * MERGE_STEPS)?;
        }
        data.update(args.at(1), |entry, draft| {
            let mut hll = entry.map_or_else(|| Ok(HyperLogLog::new()), of)?;
            if dense > 0 {
                hll.make_dense().map_err(told)?;
            }
            for (register, value) in registers.iter().enumerate().filter(|(_, value)| **value > 0) {
                hll.raise(register, *value, most).map_err(told)?;
            }
            hll.invalidate();
            put(&hll, entry, draft);
            Ok::<_, CommandError>(())
        })??;
        data.notify(class::STRING, "pfadd", args.at(1));
        Ok(())
    })?;
    ctx.out.ok();
    Ok(())
}

fn pfdebug(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let word = args.at(1).to_ascii_lowercase();
    let (mut data, out) = ctx.parts();
    let mark = out.mark();
    data.update(args.at(2), |entry, draft| {
        out.rewind(mark);
        let there = entry.ok_or_else(|| CommandError::other("The specified key does not exist"))?;
        let mut hll = of(there)?;
        let was_dense = hll.is_dense();
        match word.as_slice() {
            b"getreg" => {
                hll.make_dense().map_err(told)?;
                out.array(REGISTERS);
                hll.registers()
                    .map_err(told)?
                    .iter()
                    .for_each(|value| out.integer(i64::from(*value)));
            }
            b"decode" => match hll.codes() {
                Some(codes) => out.bulk(describe(codes).as_bytes()),
                None => return Err(CommandError::other("HLL encoding is not sparse")),
            },
            b"encoding" => out.simple(if was_dense { "dense" } else { "sparse" }),
            b"todense" => {
                hll.make_dense().map_err(told)?;
                out.integer(i64::from(!was_dense));
            }
            _ => {
                let word = String::from_utf8_lossy(args.at(1));
                return Err(CommandError::other(format!("Unknown PFDEBUG subcommand '{word}'")));
            }
        }
        if hll.is_dense() != was_dense {
            put(&hll, entry, draft);
        }
        Ok(())
    })?
}

/// Elements that the self-test counts.
const TESTED: u64 = 100_000;

fn pfselftest(ctx: &mut Context<'_>) -> Outcome {
    let (mut hll, most) = (HyperLogLog::new(), sparse_bound(ctx));
    for i in 1..=TESTED {
        hll.add(&i.to_le_bytes(), most).map_err(told)?;
        let checked = i.is_power_of_two() || i == TESTED;
        if checked && hll.count().map_err(told)?.abs_diff(i) > 2 + i / 25 {
            let text =
                format!("TESTFAILED Too big error. card:{i} abserr:{}", hll.count().map_err(told)?);
            return Err(CommandError::Coded(text.into()));
        }
    }
    ctx.out.ok();
    Ok(())
}
