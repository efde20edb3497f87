//! GEOSEARCH, GEORADIUS and their kin.

use super::area::{Area, Shape};
use super::{number, place, place_of, unit, write_distance, write_place};
use crate::command::{CommandError, Context, Outcome, Patience};
use crate::data::atomically;
use crate::event::class;
use crate::resp::{Args, Reply, strict_integer};
use crate::value::geo::Place;
use crate::value::{SortedSet, SortedSetEdit, SortedSetLimits};

/// What a command's name says already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Search,
    SearchStore,
    /// Around a place; whether it may store.
    Radius(bool),
    /// Around a member; whether it may store.
    RadiusByMember(bool),
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }

    fn may_store(self) -> bool {
        matches!(self, Form::Radius(true) | Form::RadiusByMember(true))
    }
}

/// What is asked for.
struct Query<'a> {
    middle: Option<Place>,
    shape: Option<Shape>,
    unit_m: f64,
    with_distance: bool,
    with_hash: bool,
    with_place: bool,
    /// Some `count` of those within, not the nearest.
    any: bool,
    /// Highest distance first: `Some(true)`.
    descending: Option<bool>,
    count: Option<usize>,
    store: Option<&'a [u8]>,
    stores_distance: bool,
    /// FROMMEMBER was said of a key that is not there.
    from_nothing: bool,
}

/// A member within.
struct Found<'g> {
    member: &'g [u8],
    place: Place,
    score: f64,
    distance_m: f64,
}

/// The lengths at arguments, none of them negative.
fn lengths<const N: usize>(
    args: Args<'_>,
    at: usize,
    not_numeric: [&'static str; N],
    negative: &'static str,
) -> Result<[f64; N], CommandError> {
    let mut lengths = [0.0; N];
    for (step, text) in not_numeric.into_iter().enumerate() {
        lengths[step] = number(args, at + step, text)?;
    }
    match lengths.iter().any(|length| *length < 0.0) {
        true => Err(CommandError::other(negative)),
        false => Ok(lengths),
    }
}

impl<'a> Query<'a> {
    fn parse(args: Args<'a>, form: Form, set: Option<SortedSet<'_>>) -> Result<Self, CommandError> {
        let mut query = Query {
            middle: None,
            shape: None,
            unit_m: 1.0,
            with_distance: false,
            with_hash: false,
            with_place: false,
            any: false,
            descending: None,
            count: None,
            store: if form == Form::SearchStore { Some(args.at(1)) } else { None },
            stores_distance: false,
            from_nothing: false,
        };
        let mut at = match form {
            Form::Search => 2,
            Form::SearchStore => 3,
            Form::Radius(_) => {
                query.middle = Some(place(args, 2)?);
                query.circle(args, 4)?;
                6
            }
            Form::RadiusByMember(_) => {
                if set.is_some() {
                    query.around_member(set, args.at(2))?;
                    query.circle(args, 3)?;
                }
                5
            }
        };
        while at < args.len() {
            at = match query.flag(args, at) {
                true => at + 1,
                false => query.option(args, at, form, set)?,
            };
        }
        query.check(args, form)?;
        Ok(query)
    }

    fn circle(&mut self, args: Args<'_>, at: usize) -> Result<(), CommandError> {
        let [radius] = lengths(args, at, ["need numeric radius"], "radius cannot be negative")?;
        self.unit_m = unit(args, at + 1)?;
        self.shape = Some(Shape::Circle { radius_m: radius * self.unit_m });
        Ok(())
    }

    /// Takes BYPOLYGON, which has its middle in itself; where the next option begins.
    fn polygon(&mut self, args: Args<'_>, at: usize) -> Result<usize, CommandError> {
        let is_alone = match self.shape {
            None => self.middle.is_none() && !self.from_nothing,
            Some(Shape::Polygon { .. }) => true,
            Some(_) => false,
        };
        let Some(count) = args.get(at + 1).filter(|_| is_alone) else {
            return Err(CommandError::Syntax);
        };
        let count = strict_integer(count).and_then(|count| i32::try_from(count).ok());
        let count = count.ok_or_else(|| CommandError::other("invalid number of vertices"))?;
        let count = usize::try_from(count).unwrap_or_default();
        if count < 3 || args.len() - (at + 2) < 2 * count {
            return Err(CommandError::other("GEOSEARCH BYPOLYGON must have at least 3 vertices"));
        }
        let vertices: Vec<Place> =
            (0..count).map(|i| place(args, at + 2 + 2 * i)).collect::<Result<_, _>>()?;
        self.middle = Some(Place::mean(&vertices));
        self.shape = Some(Shape::Polygon { vertices });
        Ok(at + 2 + 2 * count)
    }

    fn around_member(
        &mut self,
        set: Option<SortedSet<'_>>,
        member: &[u8],
    ) -> Result<(), CommandError> {
        match (place_of(set, member), set) {
            (Some(place), _) => self.middle = Some(place),
            (None, None) => self.from_nothing = true,
            (None, Some(_)) => {
                return Err(CommandError::other("could not decode requested zset member"));
            }
        }
        Ok(())
    }

    /// Whether the argument is an option of one word, which is taken.
    fn flag(&mut self, args: Args<'_>, at: usize) -> bool {
        match () {
            () if args.is(at, "WITHDIST") => self.with_distance = true,
            () if args.is(at, "WITHHASH") => self.with_hash = true,
            () if args.is(at, "WITHCOORD") => self.with_place = true,
            () if args.is(at, "ANY") => self.any = true,
            () if args.is(at, "ASC") => self.descending = Some(false),
            () if args.is(at, "DESC") => self.descending = Some(true),
            () => return false,
        }
        true
    }

    /// Takes an option with its arguments; where the next one begins.
    fn option(
        &mut self,
        args: Args<'a>,
        at: usize,
        form: Form,
        set: Option<SortedSet<'_>>,
    ) -> Result<usize, CommandError> {
        let left = args.len() - at - 1;
        let from_is_free = form.is_search() && self.middle.is_none() && !self.from_nothing;
        if form.is_search() && args.is(at, "BYPOLYGON") {
            return self.polygon(args, at);
        }
        let is_circle = matches!(self.shape, None | Some(Shape::Circle { .. }));
        let is_box = matches!(self.shape, None | Some(Shape::Box { .. }));
        if args.is(at, "COUNT") && left >= 1 {
            let count = strict_integer(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
            let count = usize::try_from(count).ok().filter(|count| *count > 0);
            self.count = Some(count.ok_or_else(|| CommandError::other("COUNT must be > 0"))?);
            return Ok(at + 2);
        }
        if form.may_store() && left >= 1 && (args.is(at, "STORE") || args.is(at, "STOREDIST")) {
            self.store = Some(args.at(at + 1));
            self.stores_distance = args.is(at, "STOREDIST");
            return Ok(at + 2);
        }
        if form == Form::SearchStore && args.is(at, "STOREDIST") {
            self.stores_distance = true;
            return Ok(at + 1);
        }
        if from_is_free && left >= 1 && args.is(at, "FROMMEMBER") {
            self.around_member(set, args.at(at + 1))?;
            return Ok(at + 2);
        }
        if from_is_free && left >= 2 && args.is(at, "FROMLONLAT") {
            self.middle = Some(place(args, at + 1)?);
            return Ok(at + 3);
        }
        if form.is_search() && is_circle && left >= 2 && args.is(at, "BYRADIUS") {
            self.circle(args, at + 1)?;
            return Ok(at + 3);
        }
        if form.is_search() && is_box && left >= 3 && args.is(at, "BYBOX") {
            let texts = ["need numeric width", "need numeric height"];
            let [width, height] =
                lengths(args, at + 1, texts, "height or width cannot be negative")?;
            self.unit_m = unit(args, at + 3)?;
            let (width_m, height_m) = (width * self.unit_m, height * self.unit_m);
            self.shape = Some(Shape::Box { width_m, height_m });
            return Ok(at + 4);
        }
        Err(CommandError::Syntax)
    }

    /// Refuses what does not go together.
    fn check(&self, args: Args<'_>, form: Form) -> Result<(), CommandError> {
        let name = String::from_utf8_lossy(args.at(0));
        let text =
            if self.store.is_some() && (self.with_distance || self.with_hash || self.with_place) {
                let what = match form {
                    Form::SearchStore => "GEOSEARCHSTORE",
                    _ => "STORE option in GEORADIUS",
                };
                format!("{what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
            } else if form.is_search() && self.middle.is_none() && !self.from_nothing {
                format!("exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}")
            } else if form.is_search() && self.shape.is_none() {
                format!("exactly one of BYRADIUS and BYBOX can be specified for {name}")
            } else if self.any && self.count.is_none() {
                "the ANY argument requires COUNT argument".to_owned()
            } else {
                return Ok(());
            };
        Err(CommandError::other(text))
    }

    /// The members within, in the order and the number wanted.
    fn find<'g>(
        &self,
        set: SortedSet<'g>,
        patience: Patience,
    ) -> Result<Vec<Found<'g>>, CommandError> {
        let (Some(middle), Some(shape)) = (self.middle, &self.shape) else { return Ok(Vec::new()) };
        let area = Area { middle, shape };
        let most = self.count.unwrap_or(usize::MAX);
        let mut found: Vec<Found<'g>> = Vec::new();
        let mut seen = 0;
        for range in area.score_ranges() {
            let from = set.partition_point(|score, _| score < range.start);
            let to = set.partition_point(|score, _| score < range.end).max(from);
            seen += to - from;
            patience.bear(seen.saturating_mul(shape.effort()))?;
            set.for_each_in(from..to, false, |member, score| {
                let place = Place::of_score(score);
                if self.any && found.len() >= most {
                    return;
                }
                if let Some(distance_m) = area.distance_m(place) {
                    found.push(Found { member, place, score, distance_m });
                }
            });
        }
        let nearest_first = self.count.is_some() && !self.any;
        if let Some(descending) = self.descending.or(nearest_first.then_some(false)) {
            found.sort_by(|a, b| a.distance_m.total_cmp(&b.distance_m));
            if descending {
                found.reverse();
            }
        }
        found.truncate(most);
        Ok(found)
    }

    fn write(&self, out: &mut Reply, found: &[Found<'_>]) {
        let extra = [self.with_distance, self.with_hash, self.with_place];
        let extra = extra.into_iter().filter(|wanted| *wanted).count();
        out.array(found.len());
        for one in found {
            if extra > 0 {
                out.array(1 + extra);
            }
            out.bulk(one.member);
            if self.with_distance {
                write_distance(out, one.distance_m / self.unit_m);
            }
            if self.with_hash {
                out.integer(one.score as i64);
            }
            if self.with_place {
                write_place(out, one.place);
            }
        }
    }
}

pub(crate) fn geosearch(ctx: &mut Context<'_>) -> Outcome {
    search(ctx, Form::Search)
}

pub(crate) fn geosearchstore(ctx: &mut Context<'_>) -> Outcome {
    atomically(ctx, |ctx| search(ctx, Form::SearchStore))
}

pub(crate) fn georadius(ctx: &mut Context<'_>) -> Outcome {
    atomically(ctx, |ctx| search(ctx, Form::Radius(true)))
}

pub(crate) fn georadius_ro(ctx: &mut Context<'_>) -> Outcome {
    search(ctx, Form::Radius(false))
}

pub(crate) fn georadiusbymember(ctx: &mut Context<'_>) -> Outcome {
    atomically(ctx, |ctx| search(ctx, Form::RadiusByMember(true)))
}

pub(crate) fn georadiusbymember_ro(ctx: &mut Context<'_>) -> Outcome {
    search(ctx, Form::RadiusByMember(false))
}

/// A result on its way to the key that it is stored in.
type Stored<'a> = (&'a [u8], SortedSetEdit);

fn search(ctx: &mut Context<'_>, form: Form) -> Outcome {
    let args = ctx.args;
    let limits = SortedSetLimits::of(&ctx.env.settings);
    let from = args.at(if form == Form::SearchStore { 2 } else { 1 });
    let (mut data, out) = ctx.parts();
    let patience = data.patience;
    let stored: Option<Stored<'_>> = data.read(from, |entry| {
        let set = entry.map(SortedSet::of).transpose()?;
        let query = Query::parse(args, form, set)?;
        let found = set.map(|set| query.find(set, patience)).transpose()?.unwrap_or_default();
        let Some(key) = query.store else {
            query.write(out, &found);
            return Ok(None);
        };
        let mut result = SortedSetEdit::new();
        for one in &found {
            let distance = one.distance_m / query.unit_m;
            let score = if query.stores_distance { distance } else { one.score };
            result.set(score, one.member, limits);
        }
        Ok::<_, CommandError>(Some((key, result)))
    })??;
    let Some((key, result)) = stored else { return Ok(()) };
    let count = result.view().len();
    let was_there = data.update(key, |entry, draft| {
        if entry.is_some() || count > 0 {
            result.put(draft, None);
        }
        entry.is_some()
    })?;
    let name = if form.is_search() { "geosearchstore" } else { "georadiusstore" };
    data.notify_stored(class::ZSET, name, key, was_there, count == 0);
    out.integer(count as i64);
    Ok(())
}
