//! [`Area`]: a circle, a box or a polygon on Earth, and the ranges of scores that cover it.
//!
//! ```text
//!   ┌───────┬───────┐     cells as small as may be, but no smaller than the rectangle around the area in either direction:
//!   │    ┌──┼──┐    │     so its four corners lie in all the cells that it touches
//!   ├────┼──┼──┼────┤
//!   │    └──┼──┘    │
//!   └───────┴───────┘
//! ```
//! A polygon's sides are straight on the map, not on the globe, and do not cross the map's edge; where they cross one another, what an odd
//! number of them surrounds is within.

use crate::value::geo::{BITS, EARTH_RADIUS_M, MAX_LATITUDE, MAX_LONGITUDE, Place, cell};
use std::ops::Range;

/// What is searched for, around a place.
pub(super) enum Shape {
    Circle { radius_m: f64 },
    Box { width_m: f64, height_m: f64 },
    Polygon { vertices: Vec<Place> },
}

impl Shape {
    /// How many times as much as of a circle it costs to know who is within.
    pub(super) fn effort(&self) -> usize {
        match self {
            Shape::Polygon { vertices } => 1 + vertices.len() / 16,
            Shape::Circle { .. } | Shape::Box { .. } => 1,
        }
    }
}

/// A shape at its place.
#[derive(Clone, Copy)]
pub(super) struct Area<'s> {
    pub(super) middle: Place,
    pub(super) shape: &'s Shape,
}

/// A stretch of the map between two circles of longitude and two of latitude, in degrees.
struct Rectangle {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl Rectangle {
    fn around(places: &[Place]) -> Self {
        let mut around = Rectangle {
            west: MAX_LONGITUDE,
            east: -MAX_LONGITUDE,
            south: MAX_LATITUDE,
            north: -MAX_LATITUDE,
        };
        for place in places {
            around.west = around.west.min(place.longitude - MARGIN);
            around.east = around.east.max(place.longitude + MARGIN);
            around.south = around.south.min(place.latitude - MARGIN);
            around.north = around.north.max(place.latitude + MARGIN);
        }
        around
    }
}

/// Whether the polygon surrounds a place: a line from there to the east crosses an odd number of its sides.
fn surrounds(vertices: &[Place], place: Place) -> bool {
    let mut inside = false;
    let mut from = vertices[vertices.len() - 1];
    for &to in vertices {
        if (from.latitude > place.latitude) != (to.latitude > place.latitude) {
            let part = (place.latitude - from.latitude) / (to.latitude - from.latitude);
            let crossing = from.longitude + part * (to.longitude - from.longitude);
            inside ^= place.longitude < crossing;
        }
        from = to;
    }
    inside
}

/// Degrees around a rectangle, so that no rounding loses a place on its edge.
const MARGIN: f64 = 1e-6;
/// Degrees from the eastern and the northern edge of the world into its last cells.
const INSIDE: f64 = 1e-9;
/// The score behind that of every place, which is the north-eastern corner of the world's: the next number of that size.
const BEHIND_ALL: f64 = ((3u64 << (2 * BITS)) + 2) as f64;

impl Area<'_> {
    /// Metres from the middle to a place within; `None`: it is not within.
    pub(super) fn distance_m(self, place: Place) -> Option<f64> {
        match *self.shape {
            Shape::Polygon { ref vertices } => {
                surrounds(vertices, place).then(|| self.middle.distance_m(place))
            }
            Shape::Circle { radius_m } => {
                Some(self.middle.distance_m(place)).filter(|distance| *distance <= radius_m)
            }
            Shape::Box { width_m, height_m } => {
                if self.middle.latitude_distance_m(place) > height_m / 2.0 {
                    return None;
                }
                let beside = Place { longitude: self.middle.longitude, ..place };
                (beside.distance_m(place) <= width_m / 2.0).then(|| self.middle.distance_m(place))
            }
        }
    }

    fn rectangle(self) -> Rectangle {
        let (half_width_m, half_height_m) = match *self.shape {
            Shape::Circle { radius_m } => (radius_m, radius_m),
            Shape::Box { width_m, height_m } => (width_m / 2.0, height_m / 2.0),
            Shape::Polygon { ref vertices } => return Rectangle::around(vertices),
        };
        let (height, width) = self.half_sizes(half_width_m, half_height_m);
        let Place { longitude, latitude } = self.middle;
        Rectangle {
            west: longitude - width,
            east: longitude + width,
            south: latitude - height,
            north: latitude + height,
        }
    }

    /// Half the height and half the width in degrees of a rectangle around what is so large.
    fn half_sizes(self, half_width_m: f64, half_height_m: f64) -> (f64, f64) {
        let height = (half_height_m / EARTH_RADIUS_M).to_degrees() + MARGIN;
        // Degrees of longitude are shortest where it comes nearest to a pole.
        let farthest = self.middle.latitude.abs() + height;
        let angle = half_width_m / (2.0 * EARTH_RADIUS_M);
        if farthest >= 90.0 || angle >= std::f64::consts::FRAC_PI_2 {
            return (height, MAX_LONGITUDE);
        }
        let sine = angle.sin() / farthest.to_radians().cos();
        let width = if sine >= 1.0 { MAX_LONGITUDE } else { 2.0 * sine.asin().to_degrees() };
        (height, (width + MARGIN).min(MAX_LONGITUDE))
    }

    /// The ranges of scores that cover it: where the middle is, then the others in order.
    pub(super) fn score_ranges(self) -> Vec<Range<f64>> {
        let Rectangle { west, east, south, north } = self.rectangle();
        let fits = |bits: &u32| {
            let cells = f64::from(1u32 << *bits);
            2.0 * MAX_LONGITUDE / cells >= east - west
                && 2.0 * MAX_LATITUDE / cells >= north - south
        };
        // What no cell is large enough for is covered by the four quarters of the world.
        let fitting = (1..=BITS).rev().find(fits);
        let bits = fitting.unwrap_or(1);
        let corner = |longitude: f64, latitude: f64| {
            let longitude = match longitude {
                west if west < -MAX_LONGITUDE => west + 2.0 * MAX_LONGITUDE,
                east if east > MAX_LONGITUDE => east - 2.0 * MAX_LONGITUDE,
                longitude => longitude,
            };
            let longitude = longitude.min(MAX_LONGITUDE - INSIDE);
            let latitude = latitude.clamp(-MAX_LATITUDE, MAX_LATITUDE - INSIDE);
            cell(Place { longitude, latitude }, MAX_LATITUDE, bits)
        };
        let Place { longitude, latitude } = self.middle;
        let mut cells = Vec::new();
        if fitting.is_none() {
            cells.extend(0..4);
        } else {
            for longitude in [west, east] {
                for latitude in [south, north] {
                    cells.push(corner(longitude, latitude));
                }
            }
        }
        let own = corner(longitude, latitude);
        cells.sort_unstable_by_key(|cell| (*cell != own, *cell));
        cells.dedup();
        let shift = 2 * (BITS - bits);
        let range = |cell: u64| (cell << shift) as f64..((cell + 1) << shift) as f64;
        // Who is exactly at the eastern or the northern edge of the world is behind the last cell.
        let edge = ((1u64 << (2 * BITS)) as f64)..BEHIND_ALL;
        cells.into_iter().map(range).chain([edge]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Places around a middle, in any order, up to so many degrees away.
    fn star(random: &mut fastrand::Rng, middle: Place, degrees: f64) -> Vec<Place> {
        let mut near = |middle: f64, most: f64| {
            (middle + (random.f64() - 0.5) * 2.0 * degrees).clamp(-most, most)
        };
        let vertex = |_| Place {
            longitude: near(middle.longitude, MAX_LONGITUDE),
            latitude: near(middle.latitude, MAX_LATITUDE),
        };
        (0..9).map(vertex).collect()
    }

    #[test]
    fn no_place_within_an_area_is_outside_its_ranges() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut within = 0;
        for _ in 0..20_000 {
            let place = |random: &mut fastrand::Rng| {
                Place::of_score(
                    Place {
                        longitude: (random.f64() - 0.5) * 360.0,
                        latitude: (random.f64() - 0.5) * 2.0 * MAX_LATITUDE,
                    }
                    .score(),
                )
            };
            let middle = place(&mut random);
            let size = 10f64.powf(1.0 + random.f64() * 6.2);
            let shape = match random.u8(..3) {
                0 => Shape::Circle { radius_m: size },
                1 => Shape::Box { width_m: size, height_m: size * random.f64() },
                _ => Shape::Polygon { vertices: star(&mut random, middle, size / 200_000.0) },
            };
            let area = Area { middle, shape: &shape };
            let ranges = area.score_ranges();
            assert!(ranges.len() <= 5);
            for _ in 0..5 {
                let mut other = place(&mut random);
                let near = random.f64() * size / 100_000.0;
                other.longitude =
                    (middle.longitude + near * (random.f64() - 0.5)).clamp(-180.0, 180.0);
                if random.bool() {
                    other.latitude =
                        (middle.latitude + near * (random.f64() - 0.5)).clamp(-85.0, 85.0);
                }
                if area.distance_m(Place::of_score(other.score())).is_some() {
                    within += 1;
                    assert!(ranges.iter().any(|range| range.contains(&other.score())));
                }
            }
        }
        assert!(within > 10_000, "{within}");
    }
}
