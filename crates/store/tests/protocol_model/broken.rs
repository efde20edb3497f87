//! Weakenings: each rule that is left out must be found out by the play that is made for it.

use crate::play::Op::{
    Commit, Erase, Get, Kill, NaiveSnapshot, NaiveWrite, Remove, Snapshot, Tick, Write,
};
use crate::play::{Play, Weakening};
use crate::search::search;
use std::time::Instant;

const X: u8 = 0;
const Y: u8 = 1;
const Z: u8 = 2;

fn broken(play: Play) {
    let begin = Instant::now();
    let outcome = search(&play);
    let Some(counterexample) = outcome.counterexample else {
        panic!("{}: no violation in {} states", play.name, outcome.states);
    };
    println!(
        "{:<60} {:?} after {} states, trace of {} steps, {} ms",
        play.name,
        counterexample.violation,
        outcome.states,
        counterexample.trace.len(),
        begin.elapsed().as_millis()
    );
    if std::env::var_os("STILLPOINT_TRACES").is_some() {
        println!("{}", counterexample.describe(&play));
    }
}

macro_rules! broken {
    ($($test:ident: $name:literal, [$($process:expr),*] $(, absent $absent:expr)? $(, by $bound:ident)? $(, without $weakening:ident)?;)*) => {$(
        #[test]
        fn $test() {
            broken(
                Play::new($name, &[$(&$process),*])
                    $(.absent(&$absent))?
                    $(.$bound())?
                    $(.with(Weakening::$weakening))?,
            );
        }
    )*};
}

broken! {
    naive_a: "naive A: snapshot XX | write X | tick", [[NaiveSnapshot(&[X, X])], [NaiveWrite(&[X])], [Tick]];
    naive_b: "naive B: snapshot XY | write X; write Y in one epoch",
        [[NaiveSnapshot(&[X, Y])], [NaiveWrite(&[X]), NaiveWrite(&[Y])]];
    naive_c: "naive C: snapshot XY | batch XY", [[NaiveSnapshot(&[X, Y])], [NaiveWrite(&[X, Y])]];
    naive_d: "naive D: snapshot XY | batch XY | tick",
        [[NaiveSnapshot(&[X, Y])], [NaiveWrite(&[X, Y])], [Tick]];
    m1: "M1 timestamp before PREPARED: batch XY | snapshot XYX",
        [[Commit { reads: &[], writes: &[X, Y] }], [Snapshot(&[X, Y, X])]], without TimestampBeforePrepared;
    m2: "M2 shared timestamps: write skew",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[Y], writes: &[X] }]], without SharedTimestamps;
    m3: "M3 snapshot leaves the clock: snapshot XYX | write X; write Y",
        [[Snapshot(&[X, Y, X])], [Write(X), Write(Y)]], without SnapshotLeavesClock;
    m4: "M4 no validation: write skew",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[Y], writes: &[X] }]], without NoValidation;
    m5: "M5 GET passes PREPARED: batch XY | snapshot XY | get Y; get X",
        [[Commit { reads: &[], writes: &[X, Y] }], [Snapshot(&[X, Y])], [Get(Y), Get(X)]], without GetPassesPrepared;
    m6: "M6 GET answers unstamped: write X | get X; snapshot X",
        [[Write(X)], [Get(X), Snapshot(&[X])]], without GetAnswersUnstamped;
    m7: "M7 validator passes an unfixed commit: write skew",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[Y], writes: &[X] }]], without ValidatorPassesUnfixed;
    lead_1_validator: "Lead-1 validator passes newer: read X write Y | batch XY; write X",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[], writes: &[X, Y] }, Write(X)]],
        without ValidatorPassesNewer;
    lead_1_removal: "Lead-1 removal by interval: read XZ write Y | write ZYX; remove Z",
        [[Commit { reads: &[X, Z], writes: &[Y] }], [Write(Z), Write(Y), Write(X), Remove(Z)]],
        absent [Z], without RemovalByInterval;
    lead_1_lease: "Lead-1 verdict without lease: read X write Y | remove X; get Y | kill",
        [[Commit { reads: &[X], writes: &[Y] }], [Remove(X), Get(Y)], [Kill(0)]], without VerdictWithoutLease;
    lead_2_get: "Lead-2 status first: batch XY | get Y",
        [[Commit { reads: &[], writes: &[X, Y] }], [Get(Y)]], without StatusFirst;
    lead_2_validator: "Lead-2 status first: read X write Y | batch XZ; get Y",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[], writes: &[X, Z] }, Get(Y)]], without StatusFirst;
    leases_before_stamp: "leases before stamp: snapshot XX | write X",
        [[Snapshot(&[X, X])], [Write(X)]], without LeasesBeforeStamp;
    lease_unannounced: "lease unannounced: snapshot X | write X",
        [[Snapshot(&[X, X])], [Write(X)]], without LeaseUnannounced;
    removal_leaves_clock: "removal leaves the clock: remove X; write X",
        [[Remove(X), Write(X)]], without RemovalLeavesClock;
    tombstone_first: "tombstone first: get X; write Y; get X | batch XY | remove X",
        [[Get(X), Write(Y), Get(X)], [Commit { reads: &[], writes: &[X, Y] }], [Remove(X)]], without TombstoneFirst;
    enter_late: "enter late: write X | get X; snapshot X",
        [[Write(X)], [Get(X), Snapshot(&[X])]], absent [X], by in_order, without EnterLate;
    leave_early: "leave early: write X | write X; remove X",
        [[Write(X)], [Write(X), Remove(X)]], absent [X], by in_order, without LeaveEarly;
    enter_the_dead: "enter the dead: remove X | write X",
        [[Remove(X)], [Write(X)]], by in_order, without EnterTheDead;
    die_unawares: "die unawares: remove X | write X",
        [[Remove(X)], [Write(X)]], by in_order, without DieUnawares;
    retract_silently: "retract silently: write X | remove X",
        [[Write(X)], [Remove(X)]], absent [X], by in_order, without RetractSilently;
    walk_before_fixed: "walk before fixed: walk X write Y | walk Y write X, both absent",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[Y], writes: &[X] }]],
        absent [X, Y], by in_order, without WalkBeforeFixed;
    phantoms_pass: "phantoms pass: walk X write Y | walk Y write X, both absent",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[Y], writes: &[X] }]],
        absent [X, Y], by in_order, without PhantomsPass;
    verdict_in_order: "verdict without lease: walk X write Y | remove X; get Y | kill",
        [[Commit { reads: &[X], writes: &[Y] }], [Remove(X), Get(Y)], [Kill(0)]], by in_order, without VerdictWithoutLease;
    install_unchecked: "install unchecked: read X write XY | read X write XZ",
        [[Commit { reads: &[X], writes: &[X, Y] }], [Commit { reads: &[X], writes: &[X, Z] }]], without InstallUnchecked;
    install_without_lease: "verdict without lease: read X write XY | remove X; get Y | kill",
        [[Commit { reads: &[X], writes: &[X, Y] }], [Remove(X), Get(Y)], [Kill(0)]], without VerdictWithoutLease;
    lease_before_reads: "lease before reads: read X write Y | remove X | snapshot XY; kill",
        [[Commit { reads: &[X], writes: &[Y] }], [Remove(X)], [Snapshot(&[X, Y]), Kill(0)]], without LeaseBeforeReads;
    pruner_passes_pinning: "pruner passes pinning: snapshot XX | write X; write X, helped",
        [[Snapshot(&[X, X])], [Write(X), Write(X)]], by helped, without PrunerPassesPinning;
    published_without_passing: "published without passing: snapshot XYX | write X; write Y, helped",
        [[Snapshot(&[X, Y, X])], [Write(X), Write(Y)]], by helped, without PublishedWithoutPassing;
    owner_ignores_published: "owner ignores published: snapshot XX | write X; write X, helped",
        [[Snapshot(&[X, X])], [Write(X), Write(X)]], by helped, without OwnerIgnoresPublished;
    erase_dies_unawares: "die unawares: erase XZ | write X",
        [[Erase { reads: &[], writes: &[X, Z] }], [Write(X)]], by in_order, without DieUnawares;
    erased_phantoms_pass: "phantoms pass: walk X erase Y | walk Y write X, X absent",
        [[Erase { reads: &[X], writes: &[Y] }], [Commit { reads: &[Y], writes: &[X] }]],
        absent [X], by in_order, without PhantomsPass;
}
