//! A long transaction over what others write all the while: it comes to its end.

use redis::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stillpoint_server::Running;

fn connect(server: &Running) -> Connection {
    let client = redis::Client::open(format!("redis://127.0.0.1:{}/", server.port())).unwrap();
    client.get_connection().unwrap()
}

#[test]
fn a_union_of_a_set_that_is_written_without_end_is_stored() {
    let directives = [("port", "0"), ("bind", "127.0.0.1"), ("save", ""), ("io-threads", "2")];
    let server = Running::start(&directives).unwrap();
    let mut c = connect(&server);
    for (key, from) in [("a", 0), ("b", 20_000)] {
        let members: Vec<u32> = (from..from + 30_000).collect();
        redis::cmd("SADD").arg(key).arg(members).exec(&mut c).unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|number| {
            let (mut c, stop) = (connect(&server), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut writes = 0;
                while !stop.load(Ordering::Relaxed) {
                    let member = format!("{number}:{}", writes % 100);
                    redis::cmd("SADD").arg("a").arg(&member).exec(&mut c).unwrap();
                    redis::cmd("SREM").arg("a").arg(&member).exec(&mut c).unwrap();
                    writes += 1;
                }
                writes
            })
        })
        .collect();
    let mut reader = connect(&server);
    let begun = Instant::now();
    let done = std::thread::spawn(move || {
        let count: usize =
            redis::cmd("SUNIONSTORE").arg("c").arg("a").arg("b").query(&mut c).unwrap();
        count
    });
    while !done.is_finished() {
        assert!(begun.elapsed() < Duration::from_secs(100), "it goes on without end");
        let _size: usize = redis::cmd("SCARD").arg("a").query(&mut reader).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    stop.store(true, Ordering::Relaxed);
    let count = done.join().unwrap();
    assert!((50_000..=50_002).contains(&count), "{count}");
    for writer in writers {
        assert!(writer.join().unwrap() > 10);
    }
}

/// A key that a transaction has read may be due before it commits; what acts at once must not act again for that.
#[test]
fn keys_that_expire_do_not_make_a_transaction_act_twice() {
    let directives = [("port", "0"), ("bind", "127.0.0.1"), ("enable-debug-command", "yes")];
    let server = Running::start(&directives).unwrap();
    let mut c = connect(&server);
    for round in 0..20 {
        redis::cmd("ACL").arg("SETUSER").arg("u").exec(&mut c).unwrap();
        redis::cmd("SET").arg("k").arg(round).arg("PX").arg(5).exec(&mut c).unwrap();
        let mut transaction = redis::pipe();
        transaction.atomic().cmd("GET").arg("k").ignore();
        transaction.cmd("INCR").arg("n").ignore();
        transaction.cmd("DEBUG").arg("SLEEP").arg("0.03").ignore();
        transaction.cmd("ACL").arg("DELUSER").arg("u");
        let (deleted,): (u64,) = transaction.query(&mut c).unwrap();
        assert_eq!(deleted, 1, "round {round}");
    }
    server.stop().unwrap();
}
