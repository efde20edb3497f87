//! The files by themselves: written, damaged in every way, and read back.

use super::*;
use crate::checkpoint::{KeyHints, Writer};
use crate::record::RecordValue;
use crate::simulated::{Simulated, random};
use std::collections::BTreeMap;

type Key = (u8, Vec<u8>);
type Value = (u8, Option<u64>, Vec<u8>);
type State = BTreeMap<Key, Value>;

/// What the newest change of each key made of it.
#[derive(Default)]
struct Newest(Mutex<BTreeMap<Key, Option<Value>>>);

impl Sink for Newest {
    fn take(&self, part: u32, parts: u32, records: &[Record<'_>]) -> Result<u64, OpenError> {
        let mut count = 0;
        for record in records.iter().rev() {
            let sum: u32 = record.key.iter().map(|byte| u32::from(*byte)).sum();
            if sum % parts == part {
                let mut newest = self.0.lock().unwrap();
                newest.entry(key_of(record)).or_insert_with(|| value_of(record));
                count += 1;
            }
        }
        Ok(count)
    }
}

impl Newest {
    fn into_state(self) -> State {
        let newest = self.0.into_inner().unwrap();
        newest.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

fn key_of(record: &Record<'_>) -> Key {
    (record.space, record.key.to_vec())
}

fn value_of(record: &Record<'_>) -> Option<Value> {
    match record.value {
        RecordValue::Removed => None,
        RecordValue::Bytes(bytes) | RecordValue::Object(bytes) => {
            Some((record.kind, record.expire_at_ms, bytes.to_vec()))
        }
    }
}

/// Opens it, and goes on with it.
fn open(disk: &Simulated, segment_bytes: u64) -> Result<(Log, State, Recovery), OpenError> {
    let mut found = survey(disk)?;
    // It sees some of the damage before `replay` does.
    let _ = found.expected(disk)?;
    let newest = Newest::default();
    let recovery = found.replay(disk, &newest, 2)?;
    let log = found.resume(Arc::new(disk.clone()), segment_bytes)?;
    Ok((log, newest.into_state(), recovery))
}

/// The `n`th change of a history that is the same for all tests: each group sets the key 0 to its number, and does something with another one.
fn group(log: &mut Log, timestamp: u64, n: u64) -> io::Result<()> {
    log.begin_group(timestamp);
    for record in changes(n, &n.to_le_bytes(), &[n as u8 + 1], &vec![n as u8; n as usize * 7 % 300])
    {
        log.record(&record);
    }
    log.end_group()
}

fn changes<'a>(n: u64, number: &'a [u8], key: &'a [u8], value: &'a [u8]) -> [Record<'a>; 2] {
    let value = match n % 4 {
        0 => RecordValue::Removed,
        1 => RecordValue::Object(value),
        _ => RecordValue::Bytes(value),
    };
    let key = if n.is_multiple_of(4) { &b"\x02"[..] } else { key };
    [
        Record {
            space: 0,
            kind: 0,
            key: b"",
            expire_at_ms: None,
            value: RecordValue::Bytes(number),
        },
        Record {
            space: 1,
            kind: n as u8,
            key,
            expire_at_ms: n.is_multiple_of(3).then_some(n),
            value,
        },
    ]
}

/// What the first `n` groups make.
fn state_after(n: u64) -> State {
    let mut state = State::new();
    for n in 0..n {
        for record in
            changes(n, &n.to_le_bytes(), &[n as u8 + 1], &vec![n as u8; n as usize * 7 % 300])
        {
            match value_of(&record) {
                Some(value) => state.insert(key_of(&record), value),
                None => state.remove(&key_of(&record)),
            };
        }
    }
    state
}

/// How many groups a state has.
fn groups_of(state: &State) -> u64 {
    let number = state.get(&(0, Vec::new())).map(|value| value.2.clone());
    number.map_or(0, |number| u64::from_le_bytes(number.try_into().unwrap()) + 1)
}

/// Whether the state is a cut of the history; how many groups it has.
fn check_cut(state: &State) -> u64 {
    let groups = groups_of(state);
    assert_eq!(*state, state_after(groups), "not a cut");
    groups
}

fn write_checkpoint(disk: &Simulated, head: CheckpointHead, groups: u64, compress: bool) {
    let mut writer = Writer::begin(disk, head, compress).unwrap();
    for ((space, key), (kind, expire_at_ms, value)) in &state_after(groups) {
        let value = RecordValue::Bytes(value);
        let record = Record { space: *space, kind: *kind, key, expire_at_ms: *expire_at_ms, value };
        writer.record(&record).unwrap();
    }
    writer.finish(disk).unwrap();
}

/// A closed log of 40 groups in several segments, behind a checkpoint of the first 20 if asked.
fn closed(with_checkpoint: bool) -> Simulated {
    let disk = Simulated::default();
    let (mut log, ..) = open(&disk, 1500).unwrap();
    let store = survey(&disk).unwrap().store();
    let mut first_segment = 1;
    for n in 0..40 {
        if n == 20 {
            log.rotate().unwrap();
            first_segment = log.number();
        }
        group(&mut log, 10 + n, n).unwrap();
        log.sync().unwrap();
    }
    assert!(log.number() > 4);
    log.close().unwrap();
    if with_checkpoint {
        let head =
            CheckpointHead { store, timestamp: 29, first_segment, keys: KeyHints::default() };
        write_checkpoint(&disk, head, 20, true);
        for number in 1..first_segment {
            disk.remove(&segment_name(number)).unwrap();
        }
    }
    disk
}

fn last_segment(files: &BTreeMap<String, Vec<u8>>) -> String {
    files.keys().rfind(|name| segment_number(name).is_some()).unwrap().clone()
}

#[test]
fn a_closed_log_comes_back_whole_and_goes_on() {
    for with_checkpoint in [false, true] {
        let disk = closed(with_checkpoint);
        let (mut log, state, recovery) = open(&disk, 1500).unwrap();
        assert_eq!(check_cut(&state), 40);
        assert!(recovery.was_closed && recovery.cut_bytes == 0 && recovery.last_timestamp == 49);
        assert_eq!(recovery.checkpoint, with_checkpoint.then_some(29));
        group(&mut log, 49 + TIMESTAMPS_LEFT_OUT, 40).unwrap();
        log.sync().unwrap();
        drop(log);
        let (_, state, recovery) = open(&disk, 1500).unwrap();
        assert_eq!((check_cut(&state), recovery.was_closed), (41, false));
    }
}

#[test]
fn a_log_that_is_opened_again_and_again_without_a_write_stays_as_it_is() {
    let disk = closed(true);
    let mut last = 0;
    for _ in 0..5 {
        let (log, state, recovery) = open(&disk, 1500).unwrap();
        assert_eq!(check_cut(&state), 40);
        assert!(recovery.last_timestamp > last);
        last = recovery.last_timestamp;
        drop(log);
    }
    assert!(disk.files().len() < 10, "{:?}", disk.files().keys());
}

#[test]
fn a_flipped_bit_anywhere_is_refused_or_harmless() {
    for with_checkpoint in [false, true] {
        let files = closed(with_checkpoint).files();
        let close = files[&last_segment(&files)].len() - crate::frame::FRAME_BYTES;
        for (name, bytes) in &files {
            for at in 0..bytes.len() {
                let mut damaged = files.clone();
                damaged.get_mut(name).unwrap()[at] ^= 1 << (at * 3 % 8);
                let disk = Simulated::of(&damaged);
                let opened = open(&disk, 1500);
                let is_close = *name == last_segment(&files) && at >= close;
                assert_eq!(opened.is_ok(), is_close, "{name} {at} {:?}", opened.err());
                match opened {
                    Ok((_, state, _)) => assert_eq!(check_cut(&state), 40),
                    Err(_) => assert_eq!(disk.files(), damaged, "something was changed"),
                }
            }
        }
    }
}

#[test]
fn a_file_that_is_cut_short_is_refused_unless_it_is_the_last_segment() {
    for with_checkpoint in [false, true] {
        let files = closed(with_checkpoint).files();
        let mut seen = BTreeSet::new();
        for (name, bytes) in &files {
            for length in 0..bytes.len() {
                let mut damaged = files.clone();
                damaged.get_mut(name).unwrap().truncate(length);
                match open(&Simulated::of(&damaged), 1500) {
                    Ok((_, state, recovery)) => {
                        assert!(*name == last_segment(&files), "{name} {length}");
                        assert_eq!(recovery.cut_file.is_some(), recovery.cut_bytes > 0);
                        seen.insert(check_cut(&state));
                    }
                    Err(_) => {
                        let is_head = length < crate::frame::HEAD_BYTES;
                        assert!(*name != last_segment(&files) || is_head, "{name} {length}");
                    }
                }
            }
        }
        assert!(seen.len() > 1 && seen.last() == Some(&40));
    }
}

#[test]
fn zeros_at_the_end_are_cut_off() {
    let disk = closed(false);
    let (mut log, ..) = open(&disk, 1500).unwrap();
    group(&mut log, 50 + TIMESTAMPS_LEFT_OUT, 40).unwrap();
    log.sync().unwrap();
    for zeros in [1, 39, 40, 41, 5000] {
        let mut files = disk.files();
        let last = last_segment(&files);
        files.get_mut(&last).unwrap().extend(vec![0; zeros]);
        let (_, state, recovery) = open(&Simulated::of(&files), 1500).unwrap();
        assert_eq!((check_cut(&state), recovery.cut_bytes), (41, zeros as u64));
        assert_eq!(recovery.cut_file, Some(last));
    }
}

#[test]
fn a_file_that_is_not_there_is_missed() {
    for with_checkpoint in [false, true] {
        let files = closed(with_checkpoint).files();
        for name in files.keys() {
            let mut rest = files.clone();
            rest.remove(name);
            let error = open(&Simulated::of(&rest), 1500).err().expect(name);
            match segment_number(name) {
                Some(1) => {
                    assert!(matches!(error, OpenError::MissingCheckpoint { first_segment: 2 }))
                }
                Some(gone) => {
                    assert!(matches!(error, OpenError::MissingSegment { number } if number == gone))
                }
                None => assert!(matches!(error, OpenError::MissingCheckpoint { .. })),
            }
        }
    }
}

#[test]
fn files_of_others_and_files_in_the_wrong_place_are_refused() {
    let files = closed(false).files();
    let stranger = closed(false).files();
    let mut mixed = files.clone();
    mixed.insert(segment_name(2), stranger[&segment_name(2)].clone());
    let error = open(&Simulated::of(&mixed), 1500).err().unwrap();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    let mut swapped = files.clone();
    swapped.insert(segment_name(2), files[&segment_name(3)].clone());
    swapped.insert(segment_name(3), files[&segment_name(2)].clone());
    let error = open(&Simulated::of(&swapped), 1500).err().unwrap();
    assert!(matches!(error, OpenError::Misnamed { .. }), "{error}");
    let mut other = files.clone();
    other.insert(segment_name(2), b"a letter".to_vec());
    let error = open(&Simulated::of(&other), 1500).err().unwrap();
    assert!(matches!(error, OpenError::NotOurs { .. }), "{error}");
    let mut newer = files.clone();
    newer.get_mut(&segment_name(2)).unwrap()[8] = 9;
    let error = open(&Simulated::of(&newer), 1500).err().unwrap();
    assert!(matches!(error, OpenError::UnknownVersion { version: 9, .. }), "{error}");
}

#[test]
fn a_value_that_holds_a_copy_of_the_log_is_no_part_of_it() {
    let copy = closed(false).files()[&segment_name(2)].clone();
    let disk = closed(false);
    let (mut log, ..) = open(&disk, 1 << 20).unwrap();
    log.begin_group(50 + TIMESTAMPS_LEFT_OUT);
    let value = RecordValue::Bytes(&copy);
    log.record(&Record { space: 7, kind: 0, key: b"copy", expire_at_ms: None, value });
    log.end_group().unwrap();
    log.sync().unwrap();
    let mut files = disk.files();
    files.get_mut(&last_segment(&files)).unwrap().pop();
    let (_, state, recovery) = open(&Simulated::of(&files), 1500).unwrap();
    assert_eq!(check_cut(&state), 40);
    assert!(recovery.cut_bytes as usize > copy.len());
}

/// Lives of one store, each of which ends with a power cut in the middle of anything.
fn lives(seed: u64) -> usize {
    let mut random = random(seed);
    let mut disk = Simulated::default();
    let (mut written, mut cut) = (0, 0);
    for _ in 0..5 {
        let from = disk.operations();
        disk.die_at(from + 1 + random(60) as u64);
        // Groups that may be there, and those that must be.
        let (mut promised, mut given) = (written, written);
        if let Ok((mut log, state, recovery)) = open(&disk, 600) {
            assert_eq!(check_cut(&state), written, "seed {seed}");
            let first = survey(&disk).map_or(0, |_| recovery.last_timestamp + TIMESTAMPS_LEFT_OUT);
            for n in 0..random(30) as u64 {
                given = written + n + 1;
                if group(&mut log, first + 1 + n, written + n).is_err() {
                    break;
                }
                let result = match random(4) {
                    0 => log.sync(),
                    1 => log.flush(),
                    2 => log.rotate(),
                    _ => Ok(()),
                };
                if result.is_err() {
                    break;
                }
                if log.is_synced() {
                    promised = given;
                }
            }
            if random(4) == 0 && log.close().is_ok() {
                promised = given;
            }
        }
        disk = disk.after_power_cut(&mut random);
        let (log, state, recovery) =
            open(&disk, 600).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        drop(log);
        let there = check_cut(&state);
        assert!(
            (promised..=given).contains(&there),
            "seed {seed}: {there} of {promised}..={given}"
        );
        written = there;
        cut += usize::from(recovery.cut_bytes > 0);
    }
    cut
}

#[test]
fn a_power_cut_anywhere_leaves_a_cut_that_has_all_that_was_promised() {
    let rounds =
        std::env::var("STILLPOINT_POWER_CUTS").map_or(300, |rounds| rounds.parse().unwrap());
    let cut: usize = (0..rounds).map(lives).sum();
    assert!(cut as u64 > rounds / 10, "only {cut} torn tails: the test does not test");
}

#[test]
fn what_fails_is_reported_and_the_next_opening_finds_a_cut() {
    let whole = closed(true);
    let operations = whole.operations();
    for at in 1..operations {
        let disk = Simulated::default();
        disk.fail_at(at);
        let mut promised = 0;
        if let Ok((mut log, ..)) = open(&disk, 1500) {
            for n in 0..40 {
                if group(&mut log, 10 + n, n).and_then(|()| log.sync()).is_err() {
                    break;
                }
                promised = n + 1;
            }
        }
        disk.fail_at(0);
        let (_, state, _) = open(&disk, 1500).unwrap_or_else(|error| panic!("{at}: {error}"));
        assert!(check_cut(&state) >= promised, "{at}");
    }
}

/// What a log of so many segments makes expect of the first space: in each segment 40 keys, every one changed so many times.
fn expected_of(segments: u64, changes: u64, also_removed: bool) -> u64 {
    let disk = Simulated::default();
    let (mut log, ..) = open(&disk, 1 << 20).unwrap();
    let mut timestamp = 0;
    for segment in 0..segments {
        for change in 0..40 * changes {
            timestamp += 1;
            log.begin_group(timestamp);
            let key = (segment * 40 + change % 40).to_le_bytes();
            let value = if also_removed { RecordValue::Removed } else { RecordValue::Bytes(b"") };
            log.record(&Record { space: 0, kind: 0, key: &key, expire_at_ms: None, value });
            log.end_group().unwrap();
        }
        log.rotate().unwrap();
    }
    log.sync().unwrap();
    let expected = survey(&disk).unwrap().expected(&disk).unwrap();
    expected.iter().map(|(_, keys)| keys).sum()
}

#[test]
fn as_many_keys_are_expected_as_the_last_segment_that_has_some_suggests() {
    assert_eq!(expected_of(1, 1, false), 40);
    assert_eq!(expected_of(3, 1, false), 120);
    assert_eq!(expected_of(30, 1, false), 160, "not without bounds");
    assert_eq!(expected_of(3, 5, false), 40, "the same ones again and again");
    assert_eq!(expected_of(3, 1, true), 0);
}
