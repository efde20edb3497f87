//! The gates of reclamation, pool, structures and maps.

use super::{Beside, Gate, OURS};

const LEASED: Gate = Gate { subject: "stillpoint-leased", ..OURS };
/// Leased epochs with nodes from the pool.
const POOLED: Gate = Gate { subject: "stillpoint-pooled", ..OURS };
const BLOCK: Gate = Gate { subject: "stillpoint-pool", metric: "ns_per_block", ..OURS };
const HASHED: Gate = Gate { subject: "stillpoint-hashmap", threads: CORES, ..OURS };
/// The same with entries from the pool.
const HASHED_POOLED: Gate = Gate { subject: "stillpoint-hashmap-pooled", ..HASHED };
const ORDERED: Gate = Gate { subject: "stillpoint-orderedmap", threads: CORES, ..OURS };
/// As many threads as the machine of the figures has cores, and four times as many.
const CORES: &[u64] = &[2, 8];

const EPOCHS: Beside = Beside::Best(&["crossbeam-epoch"]);
const KOVAN: Beside = Beside::Best(&["kovan"]);
const KOVAN_OR_SEIZE: Beside = Beside::Best(&["kovan", "seize"]);
/// 1.2 times as fast.
const FASTER: f64 = 1.0 / 1.2;
const HALF_AGAIN_AS_FAST: f64 = 1.0 / 1.5;

/// CPU time an operation in one case, with as many threads as cores and four times as many.
const fn contended(
    what: &'static str,
    case: &'static str,
    ours: Gate,
    beside: Beside,
    most: f64,
) -> Gate {
    Gate { what, case: (case, case), threads: CORES, beside, most, ..ours }
}

pub(super) const RECLAIM: &[Gate] = &[
    Gate {
        what: "pin, load, unpin, beside plain epochs",
        case: ("pin_load_unpin", ""),
        metric: "ns_per_op",
        beside: EPOCHS,
        most: 0.5,
        ..LEASED
    },
    Gate {
        what: "the same, beside kovan",
        case: ("pin_load_unpin", ""),
        metric: "ns_per_op",
        beside: KOVAN,
        most: 1.0,
        ..LEASED
    },
    Gate {
        what: "the same, without `membarrier`",
        subject: "stillpoint-strict",
        case: ("pin_load_unpin", ""),
        metric: "ns_per_op",
        beside: KOVAN,
        most: 1.1,
        ..LEASED
    },
    contended("95 % reads, beside plain epochs", "slots95", LEASED, EPOCHS, FASTER),
    contended("the same, nodes from the pool", "slots95", POOLED, EPOCHS, FASTER),
    contended("95 % reads, beside kovan and seize", "slots95", LEASED, KOVAN_OR_SEIZE, 1.0),
    contended("the same, nodes from the pool", "slots95", POOLED, KOVAN_OR_SEIZE, 1.0),
    contended("50 % reads, beside plain epochs", "slots50", LEASED, EPOCHS, FASTER),
    contended("the same, nodes from the pool", "slots50", POOLED, EPOCHS, FASTER),
    contended("50 % reads, beside kovan and seize", "slots50", LEASED, KOVAN_OR_SEIZE, 1.0),
    contended("the same, nodes from the pool", "slots50", POOLED, KOVAN_OR_SEIZE, 1.0),
    contended(
        "nodes retired all the time: from the pool, beside mimalloc",
        "slots50",
        POOLED,
        Beside::Best(&["stillpoint-leased"]),
        HALF_AGAIN_AS_FAST,
    ),
    Gate {
        what: "worst read of a thread that was idle, µs",
        case: ("idle_", ""),
        metric: "return_read_worst_us",
        most: 100.0,
        ..LEASED
    },
];

pub(super) const STALL: &[Gate] = &[
    Gate {
        what: "most nodes held back, beside the formula",
        case: ("sleeping", ""),
        metric: "peak_unreclaimed_nodes",
        beside: Beside::Metric("bound_nodes"),
        most: 1.0,
        ..LEASED
    },
    Gate {
        what: "most nodes held back, beside the formula",
        case: ("loading", ""),
        metric: "peak_unreclaimed_nodes",
        beside: Beside::Metric("bound_nodes"),
        most: 1.0,
        ..LEASED
    },
    Gate {
        what: "most garbage without a stall, beside plain epochs",
        case: ("nobody", ""),
        metric: "peak_unreclaimed_nodes",
        beside: EPOCHS,
        most: 1.0,
        ..LEASED
    },
    Gate {
        what: "time an operation beside a guard held for 10 ms, over that beside none",
        case: ("holding_10ms", ""),
        metric: "wall_ns_per_op",
        beside: Beside::Case("nobody"),
        most: 1.1,
        ..LEASED
    },
];

pub(super) const POOL: &[Gate] = &[
    Gate {
        what: "a block at once, beside a thread's own list",
        case: ("alloc_free64", ""),
        beside: Beside::Best(&["thread-local-vec"]),
        most: 1.2,
        ..BLOCK
    },
    Gate {
        what: "batches freed by another thread, beside jemalloc",
        case: ("remote256", ""),
        beside: Beside::Best(&["jemalloc"]),
        most: 1.0,
        ..BLOCK
    },
    Gate {
        what: "resident over live bytes after a spike and a trim",
        case: ("spike", ""),
        metric: "rss_over_live_after_trim",
        most: 1.2,
        ..BLOCK
    },
];

pub(super) const STRUCTURE: &[Gate] = &[contended(
    "a walk along a list, beside plain epochs",
    "list100_1000",
    LEASED,
    EPOCHS,
    1.0 / 0.97,
)];

const GET: &str = "hash_zipf_get_100000";
const READS_95: &str = "hash_zipf_95_100000";
const READS_50: &str = "hash_zipf_50_100000";
const MAPS_OF_KOVAN_AND_SEIZE: Beside = Beside::Best(&["kovan-map", "papaya", "flurry"]);
const SKIP_LIST: Beside = Beside::Best(&["crossbeam-skiplist"]);

pub(super) const MAP: &[Gate] = &[
    contended("a get, beside papaya's", GET, HASHED, Beside::Best(&["papaya"]), 1.15),
    contended(
        "95 % reads, beside the maps on kovan and seize",
        READS_95,
        HASHED,
        MAPS_OF_KOVAN_AND_SEIZE,
        1.0,
    ),
    contended(
        "the same, entries from the pool",
        READS_95,
        HASHED_POOLED,
        MAPS_OF_KOVAN_AND_SEIZE,
        1.0,
    ),
    contended(
        "50 % reads, beside the maps on kovan and seize",
        READS_50,
        HASHED,
        MAPS_OF_KOVAN_AND_SEIZE,
        1.0,
    ),
    contended(
        "the same, entries from the pool",
        READS_50,
        HASHED_POOLED,
        MAPS_OF_KOVAN_AND_SEIZE,
        1.0,
    ),
    contended(
        "95 % reads in order, beside crossbeam's",
        "ordered_zipf_95_100000",
        ORDERED,
        SKIP_LIST,
        FASTER,
    ),
    contended(
        "50 % reads in order, beside crossbeam's",
        "ordered_zipf_50_100000",
        ORDERED,
        SKIP_LIST,
        FASTER,
    ),
    Gate {
        what: "longest stall of another writer, ms",
        case: ("hash_growth_", ""),
        metric: "other_worst_ms",
        most: 5.0,
        ..HASHED
    },
    Gate {
        what: "longest stall of another writer, ms",
        case: ("ordered_growth_", ""),
        metric: "other_worst_ms",
        most: 5.0,
        ..ORDERED
    },
    Gate {
        what: "the same, of two threads that only look at the clock",
        subject: "floor-no-map",
        case: ("hash_growth_", ""),
        metric: "other_worst_ms",
        most: 5.0,
        ..OURS
    },
];
