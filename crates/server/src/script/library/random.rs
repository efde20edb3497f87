//! `math.random` and `math.randomseed`: numbers that a seed determines, the same on every machine.
//!
//! The generator is that of `drand48` (a linear congruence of 48 bits); each script begins with a seed of its own.

use crate::script::fault;
use mlua::{Function, Lua, MultiValue};
use std::sync::{Arc, Mutex, PoisonError};

const MAX: u64 = i32::MAX as u64;

/// The generator's state.
#[derive(Debug, Default)]
pub(in crate::script) struct Random(Mutex<u64>);

impl Random {
    fn state(&self) -> std::sync::MutexGuard<'_, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(in crate::script) fn seed(&self, seed: u32) {
        *self.state() = u64::from(seed) << 16 | 0x330e;
    }
    /// A number of 31 bits.
    fn next(&self) -> u64 {
        let mut state = self.state();
        *state = (state.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb)) & ((1 << 48) - 1);
        *state >> 17
    }
}

/// `random` and `randomseed`.
pub(in crate::script) fn random(
    lua: &Lua,
    random: &Arc<Random>,
) -> mlua::Result<(Function, Function)> {
    let own = random.clone();
    let draw = lua.create_function(move |lua, args: MultiValue| {
        let fraction = (own.next() % MAX) as f64 / MAX as f64;
        let (low, high) = match args.len() {
            0 => return Ok(fraction),
            1 => (1.0, fault::number(lua, &args, 0)?.trunc()),
            2 => (fault::number(lua, &args, 0)?.trunc(), fault::number(lua, &args, 1)?.trunc()),
            _ => return Err(fault::text(lua, "wrong number of arguments")),
        };
        if low > high {
            return Err(fault::argument(lua, args.len(), "interval is empty"));
        }
        Ok((fraction * (high - low + 1.0)).floor() + low)
    })?;
    let own = random.clone();
    let seed = lua.create_function(move |lua, args: MultiValue| {
        own.seed(fault::number(lua, &args, 0)? as i64 as u32);
        Ok(())
    })?;
    Ok((draw, seed))
}
