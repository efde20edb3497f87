//! Places on Earth: sorted sets whose scores are cells of the map.

mod area;
mod search;

use super::row::{Command, Group, Handler, Keys, flag::*};
use super::sorted_set::{AddOptions, set_scores};
use super::{CommandError, Context, Outcome};
use crate::resp::{Args, Reply};
use crate::value::geo::Place;
use crate::value::{SortedSet, parse_score};

const fn row(name: &'static str, arity: i32, flags: u32, keys: Keys, handler: Handler) -> Command {
    Command::new(name, arity, flags, keys, Group::Geo, handler)
}

const STORE: u32 = WRITE | DENYOOM;

pub(crate) static ROWS: &[Command] = &[
    row("geoadd", -5, STORE, Keys::ONE, geoadd).doc("3.2.0", "Sets the places of members."),
    row("geopos", -2, READONLY, Keys::ONE, geopos).doc("3.2.0", "Returns the places of members."),
    row("geohash", -2, READONLY, Keys::ONE, geohash)
        .doc("3.2.0", "Returns the places of members as geohashes."),
    row("geodist", -4, READONLY, Keys::ONE, geodist)
        .doc("3.2.0", "Returns the distance between two members."),
    row("geosearch", -7, READONLY, Keys::ONE, search::geosearch)
        .doc("6.2.0", "Returns the members within a circle, a box or a polygon."),
    row("geosearchstore", -8, STORE, Keys::at(1, 2, 1), search::geosearchstore)
        .doc("6.2.0", "Stores the members within a circle, a box or a polygon."),
    row("georadius", -6, STORE | MOVABLEKEYS, Keys::ONE, search::georadius)
        .doc("3.2.0", "Returns or stores the members within a circle around a place."),
    row("georadius_ro", -6, READONLY, Keys::ONE, search::georadius_ro)
        .doc("3.2.10", "Returns the members within a circle around a place."),
    row("georadiusbymember", -5, STORE | MOVABLEKEYS, Keys::ONE, search::georadiusbymember)
        .doc("3.2.0", "Returns or stores the members within a circle around a member."),
    row("georadiusbymember_ro", -5, READONLY, Keys::ONE, search::georadiusbymember_ro)
        .doc("3.2.10", "Returns the members within a circle around a member."),
];

/// The number at an argument, or an error of this text.
fn number(args: Args<'_>, at: usize, text: &'static str) -> Result<f64, CommandError> {
    parse_score(args.at(at)).map_err(|_| CommandError::other(text))
}

/// The place at two arguments.
fn place(args: Args<'_>, at: usize) -> Result<Place, CommandError> {
    let degrees = |at| number(args, at, "value is not a valid float");
    let place = Place { longitude: degrees(at)?, latitude: degrees(at + 1)? };
    if !place.is_valid() {
        return Err(CommandError::other(format!(
            "invalid longitude,latitude pair {:.6},{:.6}",
            place.longitude, place.latitude
        )));
    }
    Ok(place)
}

/// Metres of the unit at an argument.
fn unit(args: Args<'_>, at: usize) -> Result<f64, CommandError> {
    match () {
        () if args.is(at, "m") => Ok(1.0),
        () if args.is(at, "km") => Ok(1000.0),
        () if args.is(at, "ft") => Ok(0.3048),
        () if args.is(at, "mi") => Ok(1609.34),
        () => Err(CommandError::other("unsupported unit provided. please use M, KM, FT, MI")),
    }
}

fn write_distance(out: &mut Reply, distance: f64) {
    out.bulk(format!("{distance:.4}").as_bytes());
}

fn write_place(out: &mut Reply, place: Place) {
    out.array(2);
    out.long_double(place.longitude);
    out.long_double(place.latitude);
}

fn geoadd(ctx: &mut Context<'_>) -> Outcome {
    let args = ctx.args;
    let mut options = AddOptions::default();
    let mut first = 2;
    while first < args.len() {
        match () {
            () if args.is(first, "NX") => options.new_only = true,
            () if args.is(first, "XX") => options.present_only = true,
            () if args.is(first, "CH") => options.count_changed = true,
            () => break,
        }
        first += 1;
    }
    if !(args.len() - first).is_multiple_of(3) || options.new_only && options.present_only {
        return Err(CommandError::Syntax);
    }
    let pairs: Vec<(f64, &[u8])> = (first..args.len())
        .step_by(3)
        .map(|at| Ok((place(args, at)?.score(), args.at(at + 2))))
        .collect::<Result<_, CommandError>>()?;
    let done = set_scores(ctx, options, &pairs)?;
    ctx.out.integer(done.count(options));
    Ok(())
}

/// Shows the sorted set at argument 1, `None` if there is no such key, to `f`, which answers.
fn answer(
    ctx: &mut Context<'_>,
    f: impl FnOnce(Option<SortedSet<'_>>, &mut Reply, Args<'_>) -> Outcome,
) -> Outcome {
    let args = ctx.args;
    let (mut data, out) = ctx.parts();
    data.read(args.at(1), |entry| f(entry.map(SortedSet::of).transpose()?, out, args))?
}

fn place_of(set: Option<SortedSet<'_>>, member: &[u8]) -> Option<Place> {
    set.and_then(|set| set.score(member)).map(Place::of_score)
}

fn geopos(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |set, out, args| {
        out.array(args.len() - 2);
        for member in args.iter_from(2) {
            match place_of(set, member) {
                Some(place) => write_place(out, place),
                None => out.null_array(),
            }
        }
        Ok(())
    })
}

fn geohash(ctx: &mut Context<'_>) -> Outcome {
    answer(ctx, |set, out, args| {
        out.array(args.len() - 2);
        for member in args.iter_from(2) {
            match place_of(set, member) {
                Some(place) => out.bulk(&place.geohash()),
                None => out.null(),
            }
        }
        Ok(())
    })
}

fn geodist(ctx: &mut Context<'_>) -> Outcome {
    let unit_m = match ctx.args.len() {
        4 => 1.0,
        5 => unit(ctx.args, 4)?,
        _ => return Err(CommandError::Syntax),
    };
    answer(ctx, |set, out, args| {
        match (place_of(set, args.at(2)), place_of(set, args.at(3))) {
            (Some(from), Some(to)) => write_distance(out, from.distance_m(to) / unit_m),
            _ => out.null(),
        }
        Ok(())
    })
}
