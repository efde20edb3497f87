//! Plays in which the whole protocol must be clean.
//!
//! P: snapshots, commits and GETs against each other. B: batches and updates. G: what cutting out, removal and ended leases may do to readers and
//! validators. O: keys that come into the order and leave it, and walks. I: keys that are validated at their install only. L: leases that pruners publish. K: leases
//! that are ended while commits are aborted. In the largest plays nothing is cut out, so that they stay within the search's
//! limit; those that take more than a few seconds are played only where `STILLPOINT_LARGE_PLAYS` is set.

use crate::play::Op::{Commit, Erase, Get, Kill, Remove, Snapshot, Tidy, Update, Write};
use crate::play::Play;
use crate::search::search;
use std::time::Instant;

const X: u8 = 0;
const Y: u8 = 1;
const Z: u8 = 2;

fn clean(play: Play) {
    if play.is_large && std::env::var_os("STILLPOINT_LARGE_PLAYS").is_none() {
        println!("{:<60} left out: STILLPOINT_LARGE_PLAYS is not set", play.name);
        return;
    }
    let begin = Instant::now();
    let outcome = search(&play);
    println!(
        "{:<60} {:>9} states {:>7} ends {:>6} ms",
        play.name,
        outcome.states,
        outcome.endings,
        begin.elapsed().as_millis()
    );
    if let Some(counterexample) = outcome.counterexample {
        panic!("{}: {}", play.name, counterexample.describe(&play));
    }
    assert!(outcome.endings > 0, "{}: no end was reached", play.name);
}

macro_rules! plays {
    ($($test:ident: $name:literal, [$($process:expr),*] $(, absent $absent:expr)? $(, by $($bound:ident)+)?;)*) => {$(
        #[test]
        fn $test() {
            clean(Play::new($name, &[$(&$process),*])$(.absent(&$absent))?$($(.$bound())+)?);
        }
    )*};
}

plays! {
    p01: "P1 snapshot XYX | write X; write Y", [[Snapshot(&[X, Y, X])], [Write(X), Write(Y)]];
    p02: "P2 snapshot XY | snapshot YX | write X | write Y, all kept",
        [[Snapshot(&[X, Y])], [Snapshot(&[Y, X])], [Write(X)], [Write(Y)]], by keeping_all;
    p03: "P3 batch XY | snapshot XY | get Y; get X",
        [[Commit { reads: &[], writes: &[X, Y] }], [Snapshot(&[X, Y])], [Get(Y), Get(X)]];
    p04: "P4 write skew",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[Y], writes: &[X] }]];
    p05: "P5 write skew | snapshot X, all kept",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[Y], writes: &[X] }], [Snapshot(&[X])]], by keeping_all large;
    p06: "P6 read X write Y | write X | snapshot XY",
        [[Commit { reads: &[X], writes: &[Y] }], [Write(X)], [Snapshot(&[X, Y])]];
    p07: "P7 lost update of one key",
        [[Commit { reads: &[X], writes: &[X] }], [Commit { reads: &[X], writes: &[X] }]];
    p07b: "P7b lost update in batches",
        [[Commit { reads: &[X], writes: &[X, Y] }], [Commit { reads: &[X], writes: &[X, Z] }]];
    p08: "P8 read X write Y | write X; get Y | snapshot X",
        [[Commit { reads: &[X], writes: &[Y] }], [Write(X), Get(Y)], [Snapshot(&[X])]];
    p09: "P9 read X write Y | write Y; get X | get Y; get X",
        [[Commit { reads: &[X], writes: &[Y] }], [Write(Y), Get(X)], [Get(Y), Get(X)]];
    p10: "P10 commit X | snapshot YX | write Y | get Y; get X, all kept",
        [[Commit { reads: &[], writes: &[X] }], [Snapshot(&[Y, X])], [Write(Y)], [Get(Y), Get(X)]], by keeping_all large;
    p11: "P11 write skew | write X, all kept",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[Y], writes: &[X] }], [Write(X)]], by keeping_all large;
    b1: "B1 batch XY | write X; write Y | get Y; get X",
        [[Commit { reads: &[], writes: &[X, Y] }], [Write(X), Write(Y)], [Get(Y), Get(X)]], by large;
    b2: "B2 batch XY | batch XY | snapshot X, all kept",
        [[Commit { reads: &[], writes: &[X, Y] }], [Commit { reads: &[], writes: &[X, Y] }], [Snapshot(&[X])]], by keeping_all large;
    b3: "B3 update X | update X | update X", [[Update(X)], [Update(X)], [Update(X)]];
    g1: "G1 snapshot XX | write X; write X; write X", [[Snapshot(&[X, X])], [Write(X), Write(X), Write(X)]];
    g2: "G2 snapshot XY | snapshot X | write X; write Y; write X",
        [[Snapshot(&[X, Y])], [Snapshot(&[X])], [Write(X), Write(Y), Write(X)]];
    g3: "G3 snapshot XX | remove X; write X | get X; get X",
        [[Snapshot(&[X, X])], [Remove(X), Write(X)], [Get(X), Get(X)]];
    g4: "G4 remove X | write X; remove X | get X", [[Remove(X)], [Write(X), Remove(X)], [Get(X), Get(X)]];
    g5: "G5 read X write Y | batch XY; write X",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[], writes: &[X, Y] }, Write(X)]];
    g6: "G6 read XZ write Y, Z absent | write Z; write Y; write X; remove Z",
        [[Commit { reads: &[X, Z], writes: &[Y] }], [Write(Z), Write(Y), Write(X), Remove(Z)]], absent [Z];
    g7: "G7 read X write Y | remove X; get Y | kill",
        [[Commit { reads: &[X], writes: &[Y] }], [Remove(X), Get(Y)], [Kill(0)]];
    g8: "G8 snapshot XX | kill | write X; write X", [[Snapshot(&[X, X])], [Kill(0)], [Write(X), Write(X)]];
    g9: "G9 batch YZ, Z absent | write Y; get Z | tidy Y; tidy Z",
        [[Commit { reads: &[], writes: &[Y, Z] }], [Write(Y), Get(Z)], [Tidy(Y), Tidy(Z)]], absent [Z];
    g10: "G10 snapshot XX | remove X | write X; tidy X", [[Snapshot(&[X, X])], [Remove(X)], [Write(X), Tidy(X)]];
    g11: "G11 batch XY | get Y; get X | tidy Y",
        [[Commit { reads: &[], writes: &[X, Y] }], [Get(Y), Get(X)], [Tidy(Y)]];
    g12: "G12 remove X | batch XY | get X; write Y; get X",
        [[Remove(X)], [Commit { reads: &[], writes: &[X, Y] }], [Get(X), Write(Y), Get(X)]], by large;
    o1: "O1 write X | write X; remove X, X absent, in order", [[Write(X)], [Write(X), Remove(X)]], absent [X], by in_order;
    o2: "O2 write X | write X; remove X | snapshot X, X absent, in order",
        [[Write(X)], [Write(X), Remove(X)], [Snapshot(&[X])]], absent [X], by in_order;
    o3: "O3 write X | get X; snapshot X, X absent, in order", [[Write(X)], [Get(X), Snapshot(&[X])]], absent [X], by in_order;
    o4: "O4 remove X; write X | remove X | snapshot X, in order",
        [[Remove(X), Write(X)], [Remove(X)], [Snapshot(&[X])]], by in_order;
    o5: "O5 phantoms: walk X write Y | walk Y write X, both absent, in order",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[Y], writes: &[X] }]], absent [X, Y], by in_order;
    o6: "O6 walk XZ write Y, Z absent | write Z; write Y; write X; remove Z, in order",
        [[Commit { reads: &[X, Z], writes: &[Y] }], [Write(Z), Write(Y), Write(X), Remove(Z)]], absent [Z], by in_order;
    o7: "O7 walk X write Y | remove X; get Y | kill, in order",
        [[Commit { reads: &[X], writes: &[Y] }], [Remove(X), Get(Y)], [Kill(0)]], by in_order;
    o8: "O8 batch YZ | write Z; remove Z, Z absent, in order",
        [[Commit { reads: &[], writes: &[Y, Z] }], [Write(Z), Remove(Z)]], absent [Z], by in_order;
    o9: "O9 walk X write Y | batch XZ; get Y, X absent, in order",
        [[Commit { reads: &[X], writes: &[Y] }], [Commit { reads: &[], writes: &[X, Z] }, Get(Y)]], absent [X], by in_order;
    o10: "O10 walk XZ write Y | erase XZ; get Y, in order",
        [[Commit { reads: &[X, Z], writes: &[Y] }], [Erase { reads: &[], writes: &[X, Z] }, Get(Y)]], by in_order;
    o11: "O11 erase XZ | write X; snapshot XZ, in order",
        [[Erase { reads: &[], writes: &[X, Z] }], [Write(X), Snapshot(&[X, Z])]], by in_order;
    o12: "O12 walk X erase YZ | walk Y write X, X absent, in order",
        [[Erase { reads: &[X], writes: &[Y, Z] }], [Commit { reads: &[Y], writes: &[X] }]], absent [X], by in_order;
    o13: "O13 walk X erase XZ | remove X; write X, in order",
        [[Erase { reads: &[X], writes: &[X, Z] }], [Remove(X), Write(X)]], by in_order;
    i1: "I1 read X write XY | remove X; write X",
        [[Commit { reads: &[X], writes: &[X, Y] }], [Remove(X), Write(X)]];
    i2: "I2 read XZ write XY | write X; get Y | snapshot XY",
        [[Commit { reads: &[X, Z], writes: &[X, Y] }], [Write(X), Get(Y)], [Snapshot(&[X, Y])]], by large;
    i3: "I3 read X write XY | remove X; get Y | kill",
        [[Commit { reads: &[X], writes: &[X, Y] }], [Remove(X), Get(Y)], [Kill(0)]];
    l1: "L1 snapshot XX | write X; write X, helped", [[Snapshot(&[X, X])], [Write(X), Write(X)]], by helped;
    l2: "L2 snapshot XYX | write X; write Y, helped", [[Snapshot(&[X, Y, X])], [Write(X), Write(Y)]], by helped;
    l3: "L3 snapshot XX | write X | write X, helped", [[Snapshot(&[X, X])], [Write(X)], [Write(X)]], by helped;
    l4: "L4 read X write Y | write X; get Y, helped",
        [[Commit { reads: &[X], writes: &[Y] }], [Write(X), Get(Y)]], by helped;
    l5: "L5 snapshot XX | remove X; write X, helped", [[Snapshot(&[X, X])], [Remove(X), Write(X)]], by helped;
    l6: "L6 snapshot XX | write X; write X | kill, helped",
        [[Snapshot(&[X, X])], [Write(X), Write(X)], [Kill(0)]], by helped;
    k1: "K1 read X write YZ | remove X; write Y | kill",
        [[Commit { reads: &[X], writes: &[Y, Z] }], [Remove(X), Write(Y)], [Kill(0)]];
    k2: "K2 erase XY | write X; get Y | snapshot XY | kill",
        [[Erase { reads: &[], writes: &[X, Y] }], [Write(X), Get(Y)], [Snapshot(&[X, Y])], [Kill(2)]], by large;
    k3: "K3 read X write XY | write Y; remove X | kill",
        [[Commit { reads: &[X], writes: &[X, Y] }], [Write(Y), Remove(X)], [Kill(0)]];
    k4: "K4 read X write XY | write Y; remove X | kill; tidy Y",
        [[Commit { reads: &[X], writes: &[X, Y] }], [Write(Y), Remove(X)], [Kill(0), Tidy(Y)]], by large;
}
