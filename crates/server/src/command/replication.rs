//! What a server without replicas and without a cluster says of them: WAIT, WAITAOF, REPLICAOF NO ONE, FAILOVER, CLUSTER.

use super::row::{Command, Group, Handler, Keys, acl, flag::*};
use super::{CommandError, Context, Outcome, help};
use crate::blocking::{Awaited, Nothing, Wish, answer_or_wait};
use crate::resp::strict_integer;

const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    group: Group,
    handler: Handler,
) -> Command {
    Command::new(name, arity, flags, Keys::NONE, group, handler)
}

pub(crate) static ROWS: &[Command] = &[
    row("wait", 3, BLOCKING, Group::Generic, wait)
        .acl(acl::CONNECTION)
        .doc("3.0.0", "Waits until replicas have what was written; there are none."),
    row("waitaof", 4, BLOCKING, Group::Generic, waitaof)
        .acl(acl::CONNECTION)
        .doc("7.2.0", "Waits until what was written is on disks."),
    row("replicaof", 3, ADMIN | NOSCRIPT | STALE, Group::Server, replicaof)
        .doc("5.0.0", "Takes NO ONE: the server is no replica."),
    row("slaveof", 3, ADMIN | NOSCRIPT | STALE, Group::Server, replicaof)
        .doc("1.0.0", "Takes NO ONE: the server is no replica."),
    row("failover", -1, ADMIN | NOSCRIPT | STALE, Group::Server, failover)
        .doc("6.2.0", "Hands over to a replica; there is none."),
    row("readonly", 1, LOADING | STALE | FAST, Group::Cluster, no_cluster)
        .acl(acl::CONNECTION)
        .doc("3.0.0", "Allows reads from a replica of a cluster."),
    row("readwrite", 1, LOADING | STALE | FAST, Group::Cluster, no_cluster)
        .acl(acl::CONNECTION)
        .doc("3.0.0", "Ends what READONLY allowed."),
    row("asking", 1, FAST, Group::Cluster, no_cluster)
        .acl(acl::CONNECTION)
        .doc("3.0.0", "Signals that a cluster client follows a redirection."),
    row("cluster", -2, 0, Group::Cluster, no_cluster)
        .doc("3.0.0", "A container for cluster commands; there is no cluster.")
        .with(CLUSTER),
];

const fn asks(name: &'static str, arity: i32) -> Command {
    row(name, arity, STALE | LOADING, Group::Cluster, no_cluster)
        .doc("3.0.0", "Answers that there is no cluster.")
}

const fn orders(name: &'static str, arity: i32) -> Command {
    row(name, arity, ADMIN | NOSCRIPT | STALE, Group::Cluster, no_cluster)
        .doc("3.0.0", "Answers that there is no cluster.")
}

static CLUSTER: &[Command] = &[
    orders("cluster|addslots", -3),
    orders("cluster|addslotsrange", -4),
    orders("cluster|bumpepoch", 2),
    asks("cluster|count-failure-reports", 3).acl(acl::ADMIN | acl::DANGEROUS),
    asks("cluster|countkeysinslot", 3),
    orders("cluster|delslots", -3),
    orders("cluster|delslotsrange", -4),
    orders("cluster|failover", -2),
    orders("cluster|flushslots", 2),
    orders("cluster|forget", 3),
    asks("cluster|getkeysinslot", 4),
    row("cluster|help", 2, STALE | LOADING, Group::Cluster, cluster_help)
        .doc("5.0.0", "Returns helpful text about the different subcommands."),
    asks("cluster|info", 2),
    asks("cluster|keyslot", 3),
    asks("cluster|links", 2),
    orders("cluster|meet", -4),
    asks("cluster|myid", 2),
    asks("cluster|myshardid", 2),
    asks("cluster|nodes", 2),
    asks("cluster|replicas", 3).acl(acl::ADMIN | acl::DANGEROUS),
    orders("cluster|replicate", 3),
    orders("cluster|reset", -2),
    orders("cluster|saveconfig", 2),
    orders("cluster|set-config-epoch", 3),
    orders("cluster|setslot", -4),
    asks("cluster|shards", 2),
    asks("cluster|slaves", 3).acl(acl::ADMIN | acl::DANGEROUS),
    asks("cluster|slots", 2),
];

fn no_cluster(_ctx: &mut Context<'_>) -> Outcome {
    Err(CommandError::other("This instance has cluster support disabled"))
}

fn cluster_help(ctx: &mut Context<'_>) -> Outcome {
    help(ctx, "CLUSTER", &["(any)", "    There is no cluster; each answers so."])
}

fn failover(_ctx: &mut Context<'_>) -> Outcome {
    Err(CommandError::other("FAILOVER requires connected replicas."))
}

fn replicaof(ctx: &mut Context<'_>) -> Outcome {
    if !ctx.args.is(1, "NO") || !ctx.args.is(2, "ONE") {
        return Err(CommandError::other("REPLICAOF takes only NO ONE: this server is no replica"));
    }
    ctx.out.ok();
    Ok(())
}

/// There are no replicas: the answer is 0, at once if that is enough, and at the end of the time otherwise.
fn wait(ctx: &mut Context<'_>) -> Outcome {
    let replicas = ctx.integer(1)?;
    wait_in_vain(ctx, replicas, 2, Nothing::Zero)
}

/// What was written is on no disk and on no replica.
fn waitaof(ctx: &mut Context<'_>) -> Outcome {
    let local = ctx.integer(1)?;
    if !(0..=1).contains(&local) {
        return Err(CommandError::other("value is out of range, value must between 0 and 1"));
    }
    let replicas = ctx.integer(2)?;
    if replicas < 0 {
        return Err(CommandError::other("value is out of range, must be positive"));
    }
    let deadline_ms = deadline_ms(ctx, 3)?;
    if local > 0 {
        return Err(CommandError::other(
            "WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
        ));
    }
    wait_until(ctx, replicas, deadline_ms, Nothing::TwoZeros)
}

fn wait_in_vain(ctx: &mut Context<'_>, replicas: i64, at: usize, nothing: Nothing) -> Outcome {
    let deadline_ms = deadline_ms(ctx, at)?;
    wait_until(ctx, replicas, deadline_ms, nothing)
}

fn wait_until(
    ctx: &mut Context<'_>,
    replicas: i64,
    deadline_ms: Option<u64>,
    nothing: Nothing,
) -> Outcome {
    let wish =
        Wish { keys: Vec::new(), awaited: Awaited::Replicas, nothing, deadline_ms, request: None };
    answer_or_wait(ctx, wish, |ctx| {
        if replicas <= 0 {
            nothing.write(ctx.out);
        }
        Ok(replicas <= 0)
    })
}

/// The end of a time in milliseconds; `None`: there is none.
fn deadline_ms(ctx: &Context<'_>, at: usize) -> Result<Option<u64>, CommandError> {
    let timeout = strict_integer(ctx.args.at(at))
        .ok_or_else(|| CommandError::other("timeout is not an integer or out of range"))?;
    match u64::try_from(timeout) {
        Err(_) => Err(CommandError::other("timeout is negative")),
        Ok(0) => Ok(None),
        Ok(ms) => match ctx.env.now_ms.checked_add(ms).filter(|end| i64::try_from(*end).is_ok()) {
            None => Err(CommandError::other("timeout is out of range")),
            end => Ok(end),
        },
    }
}
