//! The checker names each class of anomaly that is planted in a history, and nothing in a history that has a serial order.
#![cfg(not(stillpoint_shuttle))]

use stillpoint_testkit::Random;
use stillpoint_testkit::serializability::{
    Class, History, Operation, Outcome, Recorder, Report, Seen, Through, Transaction, check,
};

fn append(key: u64, element: u64) -> Operation {
    Operation::Append { key, element }
}

fn list(key: u64, elements: &[u64]) -> Operation {
    Operation::ReadList { key, elements: elements.into(), by_range: false }
}

fn list_by_range(key: u64, elements: &[u64]) -> Operation {
    Operation::ReadList { key, elements: elements.into(), by_range: true }
}

fn write(key: u64, value: u64) -> Operation {
    Operation::Write { key, value }
}

fn register(key: u64, value: u64, rank: u64) -> Operation {
    Operation::Read { key, seen: Seen::Value { value, rank } }
}

fn nothing(key: u64) -> Operation {
    Operation::Read { key, seen: Seen::Initial }
}

/// Began, ended, what it did; each of a process of its own.
type Planned = (u64, u64, Vec<Operation>);

/// All at the same time: only the data says what came first.
fn at_once(transactions: Vec<Vec<Operation>>) -> Report {
    timed(transactions.into_iter().map(|operations| (0, 100, operations)).collect())
}

fn timed(transactions: Vec<Planned>) -> Report {
    check(&history(transactions, Outcome::Committed))
}

fn history(transactions: Vec<Planned>, outcome: Outcome) -> History {
    History::of(transactions.into_iter().enumerate().map(
        |(process, (began, ended, operations))| Transaction {
            process,
            began,
            ended,
            outcome,
            operations,
        },
    ))
}

fn names(report: &Report) -> Vec<String> {
    let mut names = report.names();
    names.sort();
    names
}

#[test]
fn g0_two_writes_in_two_orders() {
    let report = at_once(vec![
        vec![append(1, 10), append(2, 20)],
        vec![append(1, 11), append(2, 21)],
        vec![list(1, &[10, 11]), list(2, &[21, 20])],
    ]);
    assert_eq!(names(&report), ["G0"]);
    assert_eq!(report.anomalies[0].transactions.len(), 2);
    assert!(report.anomalies[0].explanation.contains("-ww of 1→"), "{report}");
}

#[test]
fn g1a_a_read_of_what_was_aborted() {
    let aborted = |operations| Transaction {
        process: 0,
        began: 0,
        ended: 9,
        outcome: Outcome::Aborted,
        operations,
    };
    let reader = |operations| Transaction {
        process: 1,
        began: 0,
        ended: 9,
        outcome: Outcome::Committed,
        operations,
    };
    let lists = History::of([aborted(vec![append(1, 10)]), reader(vec![list(1, &[10])])]);
    assert_eq!(check(&lists).names(), ["G1a"]);
    let registers = History::of([aborted(vec![write(1, 10)]), reader(vec![register(1, 10, 5)])]);
    assert_eq!(check(&registers).names(), ["G1a"]);
}

#[test]
fn g1b_a_read_between_two_writes_of_one_transaction() {
    let report = at_once(vec![vec![append(1, 10), append(1, 11)], vec![list(1, &[10])]]);
    assert!(report.names().contains(&"G1b".to_owned()), "{report}");
    let report = at_once(vec![vec![write(1, 10), write(1, 11)], vec![register(1, 10, 3)]]);
    assert_eq!(report.names(), ["G1b"]);
}

#[test]
fn g1c_two_that_saw_each_other() {
    let report =
        at_once(vec![vec![append(1, 10), list(2, &[20])], vec![append(2, 20), list(1, &[10])]]);
    assert_eq!(report.names(), ["G1c"]);
    let report = at_once(vec![
        vec![write(1, 10), register(2, 20, 1)],
        vec![write(2, 20), register(1, 10, 1)],
    ]);
    assert_eq!(report.names(), ["G1c"]);
}

#[test]
fn g_single_a_read_of_half_a_commit() {
    let report = at_once(vec![
        vec![append(1, 10), append(2, 20)],
        vec![list(1, &[10]), list(2, &[])],
        vec![list(1, &[10]), list(2, &[20])],
    ]);
    assert_eq!(report.names(), ["G-single"]);
    let report =
        at_once(vec![vec![write(1, 10), write(2, 20)], vec![register(1, 10, 4), nothing(2)]]);
    assert_eq!(report.names(), ["G-single"]);
}

#[test]
fn a_torn_read_of_an_attempt_that_aborted_is_an_anomaly_too() {
    let operations = vec![list(1, &[10]), list(2, &[])];
    let torn =
        Transaction { process: 1, began: 0, ended: 9, outcome: Outcome::Aborted, operations };
    let writer = Transaction {
        process: 0,
        outcome: Outcome::Committed,
        operations: vec![append(1, 10), append(2, 20)],
        ..torn.clone()
    };
    assert_eq!(check(&History::of([writer, torn])).names(), ["G-single"]);
}

#[test]
fn lost_update_two_that_read_the_same_and_wrote_it() {
    let report = at_once(vec![
        vec![list(1, &[]), append(1, 10)],
        vec![list(1, &[]), append(1, 11)],
        vec![list(1, &[10, 11])],
    ]);
    assert_eq!(names(&report), ["G-single", "lost update"]);
    let report = at_once(vec![
        vec![nothing(1), write(1, 10)],
        vec![nothing(1), write(1, 11)],
        vec![register(1, 11, 7)],
    ]);
    assert!(report.names().contains(&"lost update".to_owned()), "{report}");
}

#[test]
fn g_nonadjacent_two_readers_that_saw_two_writers_in_two_orders() {
    let report = at_once(vec![
        vec![append(1, 10)],
        vec![append(2, 20)],
        vec![list(1, &[10]), list(2, &[])],
        vec![list(1, &[]), list(2, &[20])],
    ]);
    assert_eq!(report.names(), ["G-nonadjacent"]);
    assert!(std::panic::catch_unwind(|| report.assert_snapshot_isolation()).is_err());
}

#[test]
fn g2_item_write_skew_is_all_that_snapshot_isolation_allows() {
    let skew = at_once(vec![
        vec![list(1, &[]), list(2, &[]), append(1, 10)],
        vec![list(1, &[]), list(2, &[]), append(2, 20)],
    ]);
    assert_eq!(skew.names(), ["G2-item"]);
    assert!(skew.assert_snapshot_isolation());
    let registers = at_once(vec![
        vec![nothing(1), nothing(2), write(1, 10)],
        vec![nothing(1), nothing(2), write(2, 20)],
    ]);
    assert_eq!(registers.names(), ["G2-item"]);
}

#[test]
fn g2_a_phantom_in_a_range() {
    let report = at_once(vec![
        vec![list_by_range(1, &[]), list_by_range(2, &[]), append(1, 10)],
        vec![list_by_range(1, &[]), list_by_range(2, &[]), append(2, 20)],
    ]);
    assert_eq!(report.names(), ["G2"]);
}

#[test]
fn reads_that_contradict_each_other_or_themselves() {
    let report = at_once(vec![
        vec![append(1, 10)],
        vec![append(1, 11)],
        vec![list(1, &[10, 11])],
        vec![list(1, &[11])],
    ]);
    assert!(report.names().contains(&"incompatible order".to_owned()), "{report}");
    let report = at_once(vec![vec![append(1, 10)], vec![list(1, &[10, 10])]]);
    assert!(report.names().contains(&"duplicate".to_owned()), "{report}");
    let report = at_once(vec![vec![list(1, &[99])]]);
    assert_eq!(report.names(), ["unknown value"]);
    let report = at_once(vec![vec![append(1, 10), list(1, &[])]]);
    assert_eq!(report.names(), ["internal"]);
    let report = at_once(vec![vec![append(1, 10)], vec![list(1, &[]), list(1, &[10])]]);
    assert_eq!(report.names(), ["internal"]);
    let report = at_once(vec![vec![write(1, 10), register(1, 11, 1)], vec![write(1, 11)]]);
    assert_eq!(report.names(), ["internal"]);
    let report = at_once(vec![
        vec![write(1, 10)],
        vec![write(1, 11)],
        vec![register(1, 10, 5)],
        vec![register(1, 11, 5)],
    ]);
    assert_eq!(report.names()[0], "incompatible order");
}

#[test]
fn real_time_a_read_that_misses_what_had_been_committed() {
    let report = timed(vec![
        (0, 10, vec![append(1, 10)]),
        (20, 30, vec![list(1, &[])]),
        (40, 50, vec![list(1, &[10])]),
    ]);
    assert_eq!(report.names(), ["G-single (real time)"]);
    assert_eq!(report.anomalies[0].through, Through::RealTime);
    let overlapping = timed(vec![(0, 20, vec![append(1, 10)]), (20, 30, vec![list(1, &[])])]);
    overlapping.assert_clean();
}

#[test]
fn a_committed_append_that_nobody_finds_is_lost() {
    let report = timed(vec![(0, 10, vec![append(1, 10)]), (20, 30, vec![list(1, &[])])]);
    assert_eq!(report.names(), ["G-single (real time)"]);
    let report = timed(vec![
        (0, 10, vec![append(1, 10)]),
        (11, 12, vec![append(1, 11)]),
        (20, 30, vec![list(1, &[10])]),
    ]);
    assert_eq!(report.names(), ["G-single (real time)"]);
    let report = timed(vec![(0, 10, vec![write(1, 10)]), (20, 30, vec![nothing(1)])]);
    assert_eq!(report.names(), ["G-single (real time)"]);
}

#[test]
fn a_session_that_goes_back_in_time() {
    let of = |process, began, ended, operations| Transaction {
        process,
        began,
        ended,
        outcome: Outcome::Committed,
        operations,
    };
    // The session's own read comes after its write, by an order that real time alone would tell, too.
    let history = History::of([of(0, 0, 1, vec![append(1, 10)]), of(0, 1, 2, vec![list(1, &[])])]);
    assert_eq!(check(&history).names(), ["G-single (session)"]);
}

#[test]
fn an_unknown_end_counts_if_somebody_saw_it() {
    let mut transactions =
        history(vec![(0, 1, vec![append(1, 10)])], Outcome::Unknown).transactions().to_vec();
    let unseen = check(&History::of(transactions.clone()));
    assert_eq!((unseen.committed, unseen.aborted), (0, 1));
    transactions.extend(
        history(vec![(0, 5, vec![list(1, &[10])])], Outcome::Committed).transactions().to_vec(),
    );
    transactions[1].process = 1;
    let seen = check(&History::of(transactions));
    assert_eq!((seen.committed, seen.aborted), (2, 0));
    seen.assert_clean();
}

/// Transactions that run one after the other on a map, recorded as if they overlapped: there is a serial order, whatever else they say.
fn serial(seed: u64, transactions: u64, keys: u64, width: u64) -> History {
    let mut random = Random::new(seed);
    let mut lists: Vec<Vec<u64>> = vec![Vec::new(); keys as usize];
    let mut registers: Vec<Option<(u64, u64)>> = vec![None; keys as usize];
    let mut history = Vec::new();
    for number in 0..transactions {
        let mut operations = Vec::new();
        let aborts = random.percent(10);
        let before = aborts.then(|| (lists.clone(), registers.clone()));
        for step in 0..1 + random.below(6) {
            let (key, value) = (random.below(keys), number << 8 | step);
            match random.below(4) {
                0 => {
                    lists[key as usize].push(value);
                    operations.push(append(key, value));
                }
                1 => operations.push(list(key, &lists[key as usize])),
                2 => {
                    registers[key as usize] = Some((value, number << 8 | step));
                    operations.push(write(key, value));
                }
                _ => operations.push(match registers[key as usize] {
                    Some((value, rank)) => register(key, value, rank),
                    None => nothing(key),
                }),
            }
        }
        let outcome = if aborts { Outcome::Aborted } else { Outcome::Committed };
        if let Some(before) = before {
            (lists, registers) = before;
        }
        // Eight processes, each transaction stretched over its neighbours.
        let ended = 10 * number + 1 + random.below(width);
        history.push(Transaction {
            process: (number % 8) as usize,
            began: (10 * number + 1).saturating_sub(random.below(width)),
            ended,
            outcome,
            operations,
        });
    }
    // A process runs one at a time.
    let mut last = [0; 8];
    for transaction in &mut history {
        transaction.began = transaction.began.max(last[transaction.process]);
        transaction.ended = transaction.ended.max(transaction.began + 1);
        last[transaction.process] = transaction.ended;
    }
    History::of(history)
}

#[test]
fn histories_with_a_serial_order_are_clean() {
    for seed in 0..20 {
        check(&serial(seed, 500, 1 + seed % 7, 30)).assert_clean();
    }
}

/// One read in a clean history is put back by one version: it must not go unnoticed where the missing version's writer had ended before.
#[test]
fn a_stale_read_planted_anywhere_is_found() {
    let mut planted = 0;
    for seed in 0..20 {
        let history = serial(seed, 300, 3, 10);
        let mut transactions = history.transactions().to_vec();
        // Whose last writer had ended before: so the reader had to see it.
        let is_victim = |transaction: &Transaction| match &transaction.operations[..] {
            [Operation::ReadList { elements, .. }] if elements.len() > 1 => {
                let last = *elements.last().unwrap();
                transactions.iter().any(|writer| {
                    let wrote = |operation: &Operation| {
                        matches!(operation, Operation::Append { element, .. } if *element == last)
                    };
                    writer.operations.iter().any(wrote) && writer.ended < transaction.began
                })
            }
            _ => false,
        };
        let victim = transactions.iter().position(is_victim);
        let Some(victim) = victim else { continue };
        let Operation::ReadList { elements, .. } = &mut transactions[victim].operations[0] else {
            unreachable!("chosen so");
        };
        // Back by all that the last writer appended, so that it is no intermediate read.
        let writer = elements.last().unwrap() >> 8;
        *elements = elements.iter().copied().filter(|element| element >> 8 != writer).collect();
        let report = check(&History::of(transactions));
        assert!(!report.anomalies.is_empty(), "seed {seed}: T{victim}");
        planted += 1;
    }
    assert!(planted > 10, "{planted}");
}

#[test]
fn the_recorder_keeps_the_order_of_time_and_what_has_no_end() {
    let recorder = Recorder::new();
    let (mut a, mut b) = (recorder.log(), recorder.log());
    let mut first = a.begin();
    first.append(1, 10);
    first.end(Outcome::Committed);
    let mut second = b.begin();
    second.read_list(1, &[10]);
    second.end(Outcome::Committed);
    drop(b.begin());
    drop((a, b));
    let history = recorder.history();
    assert_eq!(history.count(Outcome::Committed), 2);
    assert_eq!(history.count(Outcome::Unknown), 1);
    assert!(history.transactions()[0].ended <= history.transactions()[1].began);
    let report = check(&history);
    report.assert_clean();
    assert_eq!((report.committed, report.operations, report.data_edges), (2, 2, 1));
    let lines = history.to_json_lines();
    assert_eq!(lines.lines().count(), 6);
    assert!(lines.contains(r#""type":"ok","process":1"#) && lines.contains(r#"["r",1,[10]]"#));
    assert_eq!(Class::GSingle.name(), "G-single");
}
