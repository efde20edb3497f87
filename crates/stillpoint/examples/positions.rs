//! Trading positions: a fill moves cash and position together, limits hold whoever trades at once, and a report reads one cut.

use std::thread;
use stillpoint::{abort, open_db};

const DESKS: u32 = 4;
const LIMIT: i64 = 500;

pub(crate) fn main() -> Result<(), Box<dyn std::error::Error>> {
    let positions = open_db::<(u32, String), i64>(); // (desk, instrument) to quantity
    let fill = |desk: u32, instrument: &str, quantity: i64, price: i64| {
        positions.transaction(|tx| {
            let (cash, position) = ((desk, "cash".to_string()), (desk, instrument.to_string()));
            let held = tx.get(&position)?.map_or(0, |held| *held) + quantity;
            if held > LIMIT {
                return abort(format!("desk {desk} would hold {held} {instrument}"));
            }
            tx.insert(&position, held);
            tx.update(&cash, |cash| Some(cash.copied().unwrap_or(0) - quantity * price))?;
            Ok(())
        })
    };
    let trade =
        |n: u32| fill(n % DESKS, ["EURUSD", "USDJPY"][n as usize % 2], i64::from(n % 7), 10);
    let refused: usize = thread::scope(|scope| {
        let work = || (0..500).filter(|&n| trade(n).is_err()).count();
        let traders = [scope.spawn(work), scope.spawn(work), scope.spawn(work)];
        traders.into_iter().map(|trader| trader.join().expect("no trader panics")).sum()
    });
    let report = positions.snapshot(); // one moment, whatever is traded meanwhile
    for desk in 0..DESKS {
        let mine = report.range((desk, String::new())..(desk + 1, String::new()));
        let worth = mine.map(|entry| {
            entry.map(|((_, name), held)| if name == "cash" { *held } else { *held * 10 })
        });
        assert_eq!(worth.sum::<Result<i64, _>>()?, 0, "what was bought was paid for");
    }
    println!("{} positions, {refused} fills refused", report.len()?);
    Ok(())
}
