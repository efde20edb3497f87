//! The gates of the suite `store`.

use super::{Beside, Gate, OURS};

/// The gates of the suite.
pub(super) const STORE: &[Gate] = &[
    Gate {
        what: "a read, beside papaya's",
        case: ("ycsb_", "_c"),
        beside: Beside::Best(&["papaya"]),
        most: 1.15,
        ..OURS
    },
    Gate {
        what: "a read, beside surrealmx's",
        case: ("ycsb_", "_c"),
        beside: Beside::Best(&["surrealmx"]),
        most: 0.4,
        ..OURS
    },
    Gate {
        what: "a put, beside surrealmx's",
        case: ("ycsb_", "_puts"),
        beside: Beside::Best(&["surrealmx"]),
        most: 0.125,
        ..OURS
    },
    Gate {
        what: "half puts with a snapshot held, beside without",
        case: ("held_", "_held"),
        metric: "held_over_free",
        most: 1.1,
        ..OURS
    },
    Gate {
        what: "versions beside the newest, a key",
        case: ("held_", "_held"),
        metric: "extra_versions_per_key",
        most: 1.0,
        ..OURS
    },
    Gate {
        what: "a transfer, CPU ns",
        case: ("tx_", "_transfer"),
        threads: &[1],
        most: 1200.0,
        ..OURS
    },
    Gate {
        what: "ten keys read and written, beside surrealmx's",
        case: ("tx_", "_rmw10"),
        beside: Beside::Best(&["surrealmx"]),
        most: 1.0 / 3.0,
        ..OURS
    },
    Gate {
        what: "longest stall of another writer, ms",
        case: ("growth_", ""),
        metric: "other_worst_ms",
        most: 5.0,
        ..OURS
    },
    Gate {
        what: "longest stall of another writer with keys in order, ms",
        subject: "stillpoint-ordered",
        case: ("growth_", ""),
        metric: "other_worst_ms",
        most: 5.0,
        ..OURS
    },
];
