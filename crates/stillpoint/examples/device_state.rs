//! Device state: reports come out of order and the newest counts; a command is done by one worker; who is silent is gone.

use std::thread;
use std::time::Duration;
use stillpoint::{Stop, open_db};

/// Sequence and temperature.
type State = (u64, f64);

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let devices = open_db::<u32, State>();
    let report = |device: u32, sequence: u64| {
        let new = (sequence, 20.0 + sequence as f64 / 10.0);
        devices.update(&device, |old| Some(*old.filter(|old| old.0 > sequence).unwrap_or(&new)))
    };
    let commands = open_db::<(u32, u64), String>(); // (device, number) to command
    for number in 0..100 {
        commands.insert(&(number % 5, number.into()), format!("command {number}"))?;
    }
    let take = || {
        let first = commands.snapshot().range(..).next()?.ok()?.0;
        commands.transaction(|tx| Ok::<_, Stop>(tx.get(&first)?.map(|_| tx.remove(&first)))).ok()
    };
    let done: usize = thread::scope(|scope| {
        scope.spawn(|| (0..5_000).all(|n| report((n % 5) as u32, n ^ 31).is_ok()));
        let work = || std::iter::from_fn(take).flatten().count();
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().map(|worker| worker.join().expect("no worker panics")).sum()
    });
    assert_eq!((done, commands.len()), (100, 0), "each command was done once");
    assert_eq!(devices.get(&4).map(|state| state.0), Some(5_021), "the newest of all");
    devices.insert_for(&9, (0, 0.0), Duration::from_millis(5))?;
    while devices.contains(&9) {
        thread::yield_now(); // until it has been silent for too long
    }
    println!("{} devices, {done} commands done", devices.iter().count());
    Ok(())
}
