//! Pricing: a cross is priced anew as soon as one of its legs has changed, without polling; a firm quote is good for a while.

use std::thread;
use std::time::Duration;
use stillpoint::{Stop, open_db};

const TICKS: i64 = 200;

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let prices = open_db::<String, i64>();
    prices.insert("EURUSD", 0)?;
    prices.insert("USDJPY", 0)?;
    let reprice = || {
        prices.transaction(|tx| {
            let legs = [tx.get("EURUSD")?, tx.get("USDJPY")?];
            let cross = legs.iter().flatten().map(|leg| **leg).product::<i64>();
            if tx.get("EURJPY")?.is_some_and(|before| *before == cross) {
                return tx.retry(); // until a leg changes
            }
            tx.insert("EURJPY", cross);
            Ok::<_, Stop>(cross)
        })
    };
    let priced = thread::scope(|scope| {
        let last = |cross: &i64| *cross < TICKS * TICKS;
        let pricer =
            scope.spawn(move || std::iter::from_fn(|| reprice().ok()).take_while(last).count());
        for tick in 1..=TICKS {
            prices.insert("EURUSD", tick).expect("memory for a price");
            prices.insert("USDJPY", tick).expect("memory for a price");
        }
        pricer.join().expect("the pricer does not panic")
    });
    prices.insert_for("EURJPY firm", 1, Duration::from_millis(5))?;
    while prices.contains("EURJPY firm") {
        thread::yield_now(); // it goes by itself
    }
    println!("{} ticks, the cross priced {priced} times", 2 * TICKS);
    Ok(())
}
