//! From registers to a count: Ertl's improved estimator, without bias tables.

use super::{REGISTERS, Registers};

/// Bits of a hash that make a register's value.
const VALUE_BITS: usize = 50;
/// 1 / (2 ln 2).
const ALPHA: f64 = 0.721_347_520_444_481_7;

pub(super) fn estimate(registers: &Registers) -> u64 {
    let mut histogram = [0u32; 64];
    for register in registers.iter() {
        histogram[usize::from(*register & 63)] += 1;
    }
    let m = REGISTERS as f64;
    let mut z = m * tau((m - f64::from(histogram[VALUE_BITS + 1])) / m);
    for n in histogram[1..=VALUE_BITS].iter().rev() {
        z += f64::from(*n);
        z *= 0.5;
    }
    z += m * sigma(f64::from(histogram[0]) / m);
    (ALPHA * m * m / z).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if before == z {
            return z / 3.0;
        }
    }
}
