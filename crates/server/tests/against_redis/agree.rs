//! When two replies agree: equal, but for order, chance and the time where a command leaves them open.

use crate::generator::{Request, show};
use crate::wire::Reply;
use crate::{SHOWN, told, valkey};

/// Between the two servers' clocks at one command.
const SLACK_MS: i64 = 3_000;

/// The reply with its parts in order of size.
pub(crate) fn sorted(reply: &Reply) -> Reply {
    match reply {
        Reply::Many(kind, parts) => {
            let mut parts = parts.clone();
            parts.sort();
            Reply::Many(*kind, parts)
        }
        other => other.clone(),
    }
}

/// The reply's parts two by two, in order of size; a RESP3 answer has pairs already.
fn pairs(reply: &Reply) -> Vec<Vec<Reply>> {
    let mut pairs: Vec<Vec<Reply>> = reply.parts().chunks(2).map(<[Reply]>::to_vec).collect();
    pairs.sort();
    pairs
}

fn near(ours: &Reply, theirs: &Reply, slack: i64) -> bool {
    match (ours.integer(), theirs.integer()) {
        (Some(ours), Some(theirs)) if ours >= 0 && theirs >= 0 => {
            ours.abs_diff(theirs) <= slack as u64
        }
        _ => ours == theirs,
    }
}

fn all_near(ours: &Reply, theirs: &Reply, slack: i64) -> bool {
    let (a, b) = (ours.parts(), theirs.parts());
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b, slack))
}

/// Equal but for how numbers are written: Redis 7.0 gives scores 17 digits, 7.2 as few as will do.
fn same_numbers(ours: &Reply, theirs: &Reply) -> bool {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    match (ours, theirs) {
        (Reply::Many(a, ours), Reply::Many(b, theirs)) => {
            a == b
                && ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(ours, theirs)| same_numbers(ours, theirs))
        }
        (Reply::One(a, ours), Reply::One(b, theirs)) => {
            a == b && (ours == theirs || number(ours).is_some() && number(ours) == number(theirs))
        }
        _ => ours == theirs,
    }
}

/// Same kind and length.
fn alike(ours: &Reply, theirs: &Reply) -> bool {
    match (ours, theirs) {
        (Reply::Many(a, ours), Reply::Many(b, theirs)) => a == b && ours.len() == theirs.len(),
        (Reply::One(a @ (b'$' | b'+'), _), Reply::One(b, _)) => a == b,
        _ => ours == theirs,
    }
}

/// The text, with the user of ACL DRYRUN by its name.
fn named(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.text()).replacen("This user", "User acl:u", 1)
}

/// Whether a request has the word, in whatever case.
pub(crate) fn has(request: &Request, word: &[u8]) -> bool {
    request.iter().any(|arg| arg.eq_ignore_ascii_case(word))
}

/// Whether a request asks for the nearest places.
pub(crate) fn is_nearest(request: &Request) -> bool {
    let is_search =
        [&b"geosearch"[..], b"georadius", b"georadiusbymember"].contains(&&request[0][..]);
    is_search && has(request, b"COUNT") && !has(request, b"ANY")
}

/// Whether replies agree of which one at least is an error.
fn errors_agree(request: &Request, ours: &Reply, theirs: &Reply) -> bool {
    let texts = [ours.text(), theirs.text()];
    // Ours are the words of Valkey 9; Redis 7.4 says it differently.
    let name = &request[0];
    let about_fields = [&b"expire"[..], b"expireat", b"ttl", b"expiretime", b"persist"];
    if !valkey::is_peer()
        && name.starts_with(b"h")
        && about_fields.iter().any(|end| name.ends_with(end))
    {
        return ours.is_error() && theirs.is_error();
    }
    // Redis 7.0 wants an argument more of COMMAND GETKEYS.
    if name == b"command" {
        return ours.is_error() && theirs.is_error();
    }
    // Redis 7.2 says it better than 7.0.
    if texts.iter().all(|text| text.starts_with(b"ERR Unbalanced")) {
        return true;
    }
    // Redis before 7.2 looks at the key before it reads the range.
    let ranged = request[0] == b"bitcount" || request[0] == b"bitpos";
    let nothing = theirs.is_error() || matches!(theirs.integer(), Some(0 | -1));
    ranged && nothing && ours.text().starts_with(b"ERR ")
}

/// Whether the replies to SORT agree.
fn sorts_agree(request: &Request, ours: &Reply, theirs: &Reply) -> bool {
    // What BY does not tell apart, and a set that it leaves alone, come in any order.
    if has(request, b"BY") && (has(request, b"ALPHA") || request[0] == b"sort_ro") {
        return alike(ours, theirs);
    }
    // Redis compares up to a zero byte.
    let begun = |reply: &Reply| -> Vec<Vec<u8>> {
        let texts = reply.texts().into_iter();
        texts.map(|text| text.split(|byte| *byte == 0).next().unwrap().to_vec()).collect()
    };
    has(request, b"ALPHA") && sorted(ours) == sorted(theirs) && begun(ours) == begun(theirs)
}

/// Whether the replies to this command agree, or differ as is known of this peer.
pub(crate) fn agree(request: &Request, ours: &Reply, theirs: &Reply) -> bool {
    ours == theirs || agrees(request, ours, theirs) || valkey::explains(request, ours, theirs)
}

fn agrees(request: &Request, ours: &Reply, theirs: &Reply) -> bool {
    if ours.is_error() || theirs.is_error() {
        return errors_agree(request, ours, theirs);
    }
    match &request[0].to_ascii_lowercase()[..] {
        // Newer servers name the user.
        b"acl" => named(ours) == named(theirs),
        b"ttl" | b"expiretime" => near(ours, theirs, SLACK_MS / 1000),
        b"httl" | b"hexpiretime" => all_near(ours, theirs, SLACK_MS / 1000),
        b"hpttl" | b"hpexpiretime" => all_near(ours, theirs, SLACK_MS),
        b"pttl" | b"pexpiretime" => near(ours, theirs, SLACK_MS),
        // Whether a small integer is shared, Redis decides by the value's history.
        b"object" if ours.integer().is_some() => theirs.integer().is_some(),
        // Redis 7.0 has no packed sets and lists; 7.2 has. SORT unpacks a sorted set there.
        b"object" => {
            let others: [&[u8]; 3] = [b"hashtable", b"quicklist", b"skiplist"];
            ours.text().starts_with(b"listpack") && others.contains(&theirs.text())
        }
        b"randomkey" | b"hrandfield" | b"srandmember" | b"zrandmember" => alike(ours, theirs),
        b"sort" | b"sort_ro" => sorts_agree(request, ours, theirs),
        b"hello" => true,
        // Keys whose time is over count until somebody meets them.
        b"dbsize" => near(ours, theirs, 3),
        // Redis reads one byte more than there is of what others have written.
        b"pfdebug" => theirs.text().starts_with(ours.text()),
        b"keys" | b"hkeys" | b"hvals" | b"smembers" | b"spop" | b"sinter" | b"sunion"
        | b"sdiff" => sorted(ours) == sorted(theirs),
        b"hgetall" => alike(ours, theirs) && pairs(ours) == pairs(theirs),
        b"scan" | b"sscan" => match (ours.parts(), theirs.parts()) {
            ([a, ours], [b, theirs]) => a == b && sorted(ours) == sorted(theirs),
            _ => false,
        },
        b"zscan" => match (ours.parts(), theirs.parts()) {
            ([a, ours], [b, theirs]) => {
                let same = |(a, b): (&Vec<Reply>, &Vec<Reply>)| {
                    a.iter().zip(b).all(|(a, b)| same_numbers(a, b))
                };
                a == b && pairs(ours).iter().zip(&pairs(theirs)).all(same)
            }
            _ => false,
        },
        name if name.starts_with(b"geos") || name.starts_with(b"geor") => {
            // Without ASC or DESC the order is open; with COUNT, who is found of those equally far, with ANY of all.
            match has(request, b"COUNT") {
                true => alike(ours, theirs),
                false => same_numbers(&sorted(ours), &sorted(theirs)),
            }
        }
        name if name.starts_with(b"z") || name.starts_with(b"bz") || name.starts_with(b"geo") => {
            same_numbers(ours, theirs)
        }
        b"hscan" => match (ours.parts(), theirs.parts()) {
            ([a, ours], [b, theirs]) => a == b && pairs(ours) == pairs(theirs),
            _ => false,
        },
        b"xpending" => alike_but_for_idle_times(ours, theirs),
        _ => false,
    }
}

/// Whether rows of XPENDING agree: how long ago something was delivered may differ.
fn alike_but_for_idle_times(ours: &Reply, theirs: &Reply) -> bool {
    let same = |(number, (a, b)): (usize, (&Reply, &Reply))| number == 2 || a == b;
    let mut rows = ours.parts().iter().zip(theirs.parts());
    alike(ours, theirs)
        && rows.all(|(a, b)| {
            a.parts().len() == b.parts().len()
                && a.parts().iter().zip(b.parts()).enumerate().all(same)
        })
}

/// What differs between the replies to EXEC, command for command: the first that does.
pub(crate) fn exec(queued: &[Request], ours: &Reply, theirs: &Reply) -> Option<String> {
    let (Reply::Many(b'*', our_parts), Reply::Many(b'*', their_parts)) = (ours, theirs) else {
        return (ours != theirs).then(|| told(&vec![b"exec".to_vec()], ours, theirs));
    };
    if our_parts.len() != their_parts.len() || our_parts.len() != queued.len() {
        return Some(told(&vec![b"exec".to_vec()], ours, theirs));
    }
    let parts = our_parts.iter().zip(their_parts);
    let mut differing = queued.iter().zip(parts).enumerate();
    let (at, (request, (ours, theirs))) =
        differing.find(|(_, (request, (ours, theirs)))| !agree(request, ours, theirs))?;
    let before = queued[at.saturating_sub(SHOWN)..at].iter().map(show).collect::<Vec<_>>();
    Some(format!("queued {} after\n{}", told(request, ours, theirs), before.join("\n")))
}
