//! [`Command`]: one row of the command table.
//!
//! | field | as in Redis's COMMAND reply |
//! |---|---|
//! | `arity` | arguments with the name; negative: at least so many |
//! | `keys` | first, last (negative: from the end), step; all 0: no such keys; and the argument that counts keys behind it |
//! | `acl` | categories beyond those that flags and group imply |

use super::context::{Context, Outcome};
use crate::resp::{Args, strict_integer};

/// What a handler is.
pub(crate) type Handler = for<'c> fn(&mut Context<'c>) -> Outcome;

/// Command flags: those of Redis, and some of ours.
pub(crate) mod flag {
    pub(crate) const WRITE: u32 = 1;
    pub(crate) const READONLY: u32 = 1 << 1;
    pub(crate) const DENYOOM: u32 = 1 << 2;
    pub(crate) const ADMIN: u32 = 1 << 3;
    pub(crate) const PUBSUB: u32 = 1 << 4;
    pub(crate) const NOSCRIPT: u32 = 1 << 5;
    pub(crate) const LOADING: u32 = 1 << 6;
    pub(crate) const STALE: u32 = 1 << 7;
    pub(crate) const SKIP_MONITOR: u32 = 1 << 8;
    pub(crate) const SKIP_SLOWLOG: u32 = 1 << 9;
    pub(crate) const FAST: u32 = 1 << 10;
    pub(crate) const NO_AUTH: u32 = 1 << 11;
    pub(crate) const NO_MULTI: u32 = 1 << 12;
    pub(crate) const MOVABLEKEYS: u32 = 1 << 13;
    pub(crate) const PROTECTED: u32 = 1 << 14;
    pub(crate) const BLOCKING: u32 = 1 << 15;
    /// Runs while a script takes too long.
    pub(crate) const ALLOW_BUSY: u32 = 1 << 16;
    pub(crate) const NO_MANDATORY_KEYS: u32 = 1 << 17;
    /// Runs at once inside MULTI instead of being queued (EXEC, DISCARD, MULTI, WATCH, QUIT, RESET).
    pub(crate) const NOT_QUEUED: u32 = 1 << 20;
    /// Of constant cost for small arguments: its duration is sampled, not measured each time.
    pub(crate) const QUICK: u32 = 1 << 21;
    /// Goes on while CLIENT PAUSE holds everything else up.
    pub(crate) const UNPAUSED: u32 = 1 << 22;

    /// Writes no data, but what it does would reach replicas: held up by CLIENT PAUSE WRITE, and not for read-only scripts.
    pub(crate) const MAY_REPLICATE: u32 = 1 << 24;

    /// Allowed to a RESP2 connection that listens to channels.
    pub(crate) const WHILE_LISTENING: u32 = 1 << 23;

    /// Names as COMMAND INFO gives them.
    pub(crate) const NAMES: &[(u32, &str)] = &[
        (WRITE, "write"),
        (READONLY, "readonly"),
        (DENYOOM, "denyoom"),
        (ADMIN, "admin"),
        (PUBSUB, "pubsub"),
        (NOSCRIPT, "noscript"),
        (BLOCKING, "blocking"),
        (LOADING, "loading"),
        (STALE, "stale"),
        (SKIP_MONITOR, "skip_monitor"),
        (SKIP_SLOWLOG, "skip_slowlog"),
        (FAST, "fast"),
        (NO_AUTH, "no_auth"),
        (NO_MULTI, "no_multi"),
        (MOVABLEKEYS, "movablekeys"),
        (NO_MANDATORY_KEYS, "no_mandatory_keys"),
        (ALLOW_BUSY, "allow_busy"),
    ];
}

/// ACL categories that a row may add to the implied ones.
pub(crate) mod acl {
    pub(crate) const DANGEROUS: u32 = 1;
    pub(crate) const KEYSPACE: u32 = 1 << 1;
    pub(crate) const CONNECTION: u32 = 1 << 2;
    pub(crate) const TRANSACTION: u32 = 1 << 4;
    pub(crate) const SET: u32 = 1 << 5;
    pub(crate) const SORTED_SET: u32 = 1 << 6;
    pub(crate) const LIST: u32 = 1 << 7;
    pub(crate) const ADMIN: u32 = 1 << 8;
}

/// The family that a command belongs to, for COMMAND DOCS and ACL categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Connection,
    Server,
    Generic,
    String,
    Hash,
    Set,
    SortedSet,
    Geo,
    List,
    Stream,
    Transactions,
    PubSub,
    Scripting,
    Bitmap,
    HyperLogLog,
    Cluster,
}

impl Group {
    /// As COMMAND DOCS names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Generic => "generic",
            Group::String => "string",
            Group::Hash => "hash",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Geo => "geo",
            Group::List => "list",
            Group::Stream => "stream",
            Group::Transactions => "transactions",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
            Group::Bitmap => "bitmap",
            Group::HyperLogLog => "hyperloglog",
            Group::Cluster => "cluster",
        }
    }
}

/// Where a command's keys are among its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) first: i32,
    pub(crate) last: i32,
    pub(crate) step: i32,
    /// The argument that says how many keys follow it; 0: none does.
    pub(crate) count_at: i32,
    /// The word behind which the keys make up the first half of the arguments.
    pub(crate) word: Option<&'static str>,
    /// The last such word has nothing but keys behind it, if the first key is empty.
    pub(crate) last_word: Option<&'static str>,
}

impl Keys {
    pub(crate) const NONE: Keys = Keys::at(0, 0, 0);
    /// Argument 1 only.
    pub(crate) const ONE: Keys = Keys::at(1, 1, 1);
    /// Every argument from 1 on.
    pub(crate) const ALL: Keys = Keys::at(1, -1, 1);
    pub(crate) const fn at(first: i32, last: i32, step: i32) -> Keys {
        Keys { first, last, step, count_at: 0, word: None, last_word: None }
    }
    /// These, and those that argument `count_at` counts.
    pub(crate) const fn counted(mut self, count_at: i32) -> Keys {
        self.count_at = count_at;
        self
    }
    /// Behind a word: as many keys as there are other arguments behind them.
    pub(crate) const fn behind(word: &'static str) -> Keys {
        Keys { word: Some(word), ..Keys::NONE }
    }
    /// These, or if the first of them is empty, all behind the last `word`.
    pub(crate) const fn or_behind_last(mut self, word: &'static str) -> Self {
        self.last_word = Some(word);
        self
    }
    /// The keys among the arguments of a request; as many as there are.
    pub(crate) fn of(self, args: Args<'_>) -> Vec<&[u8]> {
        if let Some(word) = self.last_word
            && args.get(self.first as usize).is_some_and(<[u8]>::is_empty)
            && let Some(at) = (1..args.len() - 1).rev().find(|at| args.is(*at, word))
        {
            return args.iter_from(at + 1).collect();
        }
        let mut keys: Vec<&[u8]> =
            self.fixed_positions(args.len()).into_iter().map(|at| args.at(at)).collect();
        if self.count_at > 0 {
            let at = self.count_at as usize;
            let counted = args.get(at).and_then(strict_integer).unwrap_or(0).max(0);
            let positions = (at + 1..args.len()).step_by(self.step.max(1) as usize);
            keys.extend(positions.map(|at| args.at(at)).take(counted as usize));
        }
        if let Some(at) = self.word.and_then(|word| (1..args.len()).find(|at| args.is(*at, word))) {
            keys.extend(args.iter_from(at + 1).take((args.len() - at - 1) / 2));
        }
        keys
    }
    /// Where the keys are that have their places, in a request of `count` arguments.
    pub(crate) fn fixed_positions(self, count: usize) -> Vec<usize> {
        if self.first <= 0 {
            return Vec::new();
        }
        let count = count as i32;
        let last = if self.last < 0 { count + self.last } else { self.last.min(count - 1) };
        (self.first..=last).step_by(self.step.max(1) as usize).map(|at| at as usize).collect()
    }
    /// Whether there are any.
    pub(crate) fn any(self) -> bool {
        self.first != 0 || self.count_at != 0 || self.word.is_some()
    }
}

/// A command or subcommand (`name` is then `config|get`).
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) arity: i32,
    pub(crate) flags: u32,
    pub(crate) keys: Keys,
    pub(crate) group: Group,
    pub(crate) acl: u32,
    pub(crate) handler: Handler,
    pub(crate) subcommands: &'static [Command],
    pub(crate) since: &'static str,
    pub(crate) summary: &'static str,
}

impl Command {
    pub(crate) const fn new(
        name: &'static str,
        arity: i32,
        flags: u32,
        keys: Keys,
        group: Group,
        handler: Handler,
    ) -> Self {
        Command {
            name,
            arity,
            flags,
            keys,
            group,
            acl: 0,
            handler,
            subcommands: &[],
            since: "1.0.0",
            summary: "",
        }
    }
    /// Adds what COMMAND DOCS tells.
    pub(crate) const fn doc(mut self, since: &'static str, summary: &'static str) -> Self {
        self.since = since;
        self.summary = summary;
        self
    }
    /// Adds ACL categories.
    pub(crate) const fn acl(mut self, categories: u32) -> Self {
        self.acl = categories;
        self
    }
    /// Makes it a container of subcommands.
    pub(crate) const fn with(mut self, subcommands: &'static [Command]) -> Self {
        self.subcommands = subcommands;
        self
    }
    /// The name without its container: `get` of `config|get`.
    pub(crate) fn short_name(&self) -> &'static str {
        self.name.rsplit('|').next().unwrap_or(self.name)
    }
    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
    /// Whether a request of `count` arguments, the name included, has the right number.
    pub(crate) fn accepts(&self, count: usize) -> bool {
        let wanted = self.arity.unsigned_abs() as usize;
        if self.arity < 0 { count >= wanted } else { count == wanted }
    }
}
