//! Places on Earth as scores: 26 bits of longitude and of latitude, interleaved, so that what is near has near scores.
//!
//! ```text
//!  bit   51   50   49   48  …  1    0
//!        lon  lat  lon  lat    lon  lat        the first bits halve the world, the next ones a half, and so on
//! ```
//! Latitudes end where the map projection of the web does.
//!
//! Source: the geohash of G. Niemeyer (2008); the distance is the haversine of a sphere.

/// Bits of each coordinate.
pub(crate) const BITS: u32 = 26;
pub(crate) const MAX_LONGITUDE: f64 = 180.0;
pub(crate) const MAX_LATITUDE: f64 = 85.051_128_78;
pub(crate) const EARTH_RADIUS_M: f64 = 6_372_797.560_856;

/// The letters of a geohash.
const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// A place, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) longitude: f64,
    pub(crate) latitude: f64,
}

impl Place {
    /// Whether it is on the map.
    pub(crate) fn is_valid(self) -> bool {
        self.longitude.abs() <= MAX_LONGITUDE && self.latitude.abs() <= MAX_LATITUDE
    }

    /// Its score: the cell that it is in.
    pub(crate) fn score(self) -> f64 {
        cell(self, MAX_LATITUDE, BITS) as f64
    }

    /// The middle of the cell of a score.
    pub(crate) fn of_score(score: f64) -> Self {
        let bits = cell_of(score);
        let middle = |bits: u64, max: f64| {
            let cells = f64::from(1u32 << BITS);
            let low = -max + bits as f64 / cells * (2.0 * max);
            let high = -max + (bits + 1) as f64 / cells * (2.0 * max);
            ((low + high) / 2.0).clamp(-max, max)
        };
        Place {
            longitude: middle(every_second(bits >> 1), MAX_LONGITUDE),
            latitude: middle(every_second(bits), MAX_LATITUDE),
        }
    }

    /// The geohash as the web writes it, of latitudes up to the poles; the last of its eleven letters is always 0.
    pub(crate) fn geohash(self) -> [u8; 11] {
        let bits = cell(self, 90.0, BITS);
        let mut text = [LETTERS[0]; 11];
        for (number, letter) in text[..10].iter_mut().enumerate() {
            *letter = LETTERS[(bits >> (47 - 5 * number) & 0x1f) as usize];
        }
        text
    }

    /// The place in the midst of others: where their mean within the globe points to.
    pub(crate) fn mean(places: &[Place]) -> Self {
        let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
        for place in places {
            let (longitude, latitude) = (place.longitude.to_radians(), place.latitude.to_radians());
            x += latitude.cos() * longitude.cos();
            y += latitude.cos() * longitude.sin();
            z += latitude.sin();
        }
        let longitude = f64::atan2(y, x).to_degrees();
        Place { longitude, latitude: f64::atan2(z, x.hypot(y)).to_degrees() }
    }

    /// Metres to another place.
    pub(crate) fn distance_m(self, other: Place) -> f64 {
        let half = |a: f64, b: f64| ((b.to_radians() - a.to_radians()) / 2.0).sin();
        let by_longitude = half(self.longitude, other.longitude);
        if by_longitude == 0.0 {
            return self.latitude_distance_m(other);
        }
        let by_latitude = half(self.latitude, other.latitude);
        let shrink = self.latitude.to_radians().cos() * other.latitude.to_radians().cos();
        let root = by_latitude * by_latitude + shrink * by_longitude * by_longitude;
        2.0 * EARTH_RADIUS_M * root.sqrt().asin()
    }

    /// Metres between the circles of latitude of two places.
    pub(crate) fn latitude_distance_m(self, other: Place) -> f64 {
        EARTH_RADIUS_M * (other.latitude.to_radians() - self.latitude.to_radians()).abs()
    }
}

/// The cell of a place, of so many bits for each coordinate.
pub(crate) fn cell(place: Place, max_latitude: f64, bits: u32) -> u64 {
    let number = |degrees: f64, max: f64| {
        let cells = f64::from(1u32 << bits);
        // As in C, the conversion cuts off; the last cell takes the edge of the world.
        ((degrees + max) / (2.0 * max) * cells).clamp(0.0, f64::from(u32::MAX)) as u64
    };
    spread(number(place.longitude, MAX_LONGITUDE)) << 1
        | spread(number(place.latitude, max_latitude))
}

/// Puts a zero before each of the 32 lowest bits.
fn spread(number: u64) -> u64 {
    let mut spread = number & 0xffff_ffff;
    for (shift, mask) in [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        spread = (spread | spread << shift) & mask;
    }
    spread
}

/// The bits at even places, put together.
fn every_second(number: u64) -> u64 {
    (0..32).map(|bit| (number >> (2 * bit) & 1) << bit).sum()
}

/// A score as the integer that Redis makes of it: of what is no cell at all, as the conversion of x86 does.
fn cell_of(score: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    let whole = |score: f64| if (-HALF..HALF).contains(&score) { score as i64 } else { i64::MIN };
    if score < HALF { whole(score) as u64 } else { (whole(score - HALF) as u64) ^ (1 << 63) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_become_scores_and_geohashes_as_in_redis() {
        let palermo = Place { longitude: 13.361389, latitude: 38.115556 };
        let catania = Place { longitude: 15.087269, latitude: 37.502669 };
        assert_eq!(palermo.score(), 3_479_099_956_230_698.0);
        assert_eq!(catania.score(), 3_479_447_370_796_909.0);
        let (palermo, catania) =
            (Place::of_score(palermo.score()), Place::of_score(catania.score()));
        assert_eq!(&palermo.geohash(), b"sqc8b49rny0");
        assert_eq!(&catania.geohash(), b"sqdtr74hyu0");
        assert_eq!(format!("{:.4}", palermo.distance_m(catania)), "166274.1516");
        assert_eq!(palermo.longitude, 13.361_389_338_970_184);
    }
}
