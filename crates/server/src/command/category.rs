//! ACL categories of a command, from its flags, its group and its row.

use super::row::{Command, Group, acl, flag};

/// All categories, in Redis's order.
pub(crate) const NAMES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// The categories of one row, in Redis's order.
pub(crate) fn of(row: &Command) -> Vec<&'static str> {
    NAMES.iter().copied().filter(|name| has(row, name)).collect()
}

/// Whether a row is of a category.
pub(crate) fn has(row: &Command, name: &str) -> bool {
    let is = |flags| row.has(flags);
    let also = |category| row.acl & category != 0;
    let group = |g| row.group == g;
    // A container has none but `slow`, unless it does something itself.
    if !row.subcommands.is_empty() && row.name != "command" {
        return name == "slow";
    }
    match name {
        "keyspace" => {
            group(Group::Generic) && !also(acl::CONNECTION | acl::LIST) || also(acl::KEYSPACE)
        }
        "read" => is(flag::READONLY) && !group(Group::Scripting) && row.short_name() != "help",
        "write" => is(flag::WRITE),
        "set" => group(Group::Set) || also(acl::SET),
        "sortedset" => group(Group::SortedSet) || also(acl::SORTED_SET),
        "geo" => group(Group::Geo),
        "hash" => group(Group::Hash),
        "list" => group(Group::List) || also(acl::LIST),
        "stream" => group(Group::Stream),
        "string" => group(Group::String),
        "bitmap" => group(Group::Bitmap),
        "hyperloglog" => group(Group::HyperLogLog),
        "pubsub" => is(flag::PUBSUB),
        "admin" => is(flag::ADMIN) || also(acl::ADMIN),
        "fast" => is(flag::FAST),
        "slow" => !is(flag::FAST),
        "blocking" => is(flag::BLOCKING),
        "dangerous" => is(flag::ADMIN) || also(acl::DANGEROUS),
        "connection" => also(acl::CONNECTION) || group(Group::Connection),
        "scripting" => group(Group::Scripting),
        "transaction" => also(acl::TRANSACTION) || group(Group::Transactions),
        _ => false,
    }
}
