//! Scripts that take long hold up nobody, not even on a server with a single event loop, and can be killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use stillpoint_server::Running;

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(server: &Running) -> Client {
        let socket = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client(BufReader::new(socket))
    }
    fn say(&mut self, words: &[&str]) {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request += &format!("${}\r\n{word}\r\n", word.len());
        }
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
    }
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
    fn ask(&mut self, words: &[&str]) -> String {
        self.say(words);
        self.line()
    }
    fn bulk(&mut self, words: &[&str]) -> String {
        let header = self.ask(words);
        let mut bytes = vec![0; header[1..].parse::<usize>().unwrap() + 2];
        self.0.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }
}

fn server() -> Running {
    Running::start(&[("port", "0"), ("bind", "127.0.0.1"), ("io-threads", "1")]).unwrap()
}

#[test]
fn a_script_that_never_ends_holds_up_nobody_until_it_is_killed() {
    let server = server();
    let (mut caller, mut other) = (Client::connect(&server), Client::connect(&server));
    caller.say(&["EVAL", "while true do pcall(redis.call, 'get', 'k') end", "0"]);
    caller.say(&["PING"]);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(other.ask(&["SET", "k", "v"]), "+OK");
    assert_eq!(other.ask(&["CONFIG", "SET", "busy-reply-threshold", "1"]), "+OK");
    assert_eq!(other.ask(&["SCRIPT", "KILL"]), "+OK");
    let reply = caller.line();
    assert!(reply.starts_with("-ERR Script killed by user with SCRIPT KILL. script: "), "{reply}");
    assert_eq!(caller.line(), "+PONG");
    assert_eq!(other.ask(&["SCRIPT", "KILL"]), "-NOTBUSY No scripts in execution right now.");
    server.stop().unwrap();
}

#[test]
fn after_the_threshold_others_are_told_that_the_server_is_busy_if_they_are_to_be() {
    let server = server();
    let (mut caller, mut other) = (Client::connect(&server), Client::connect(&server));
    assert_eq!(other.ask(&["CONFIG", "SET", "busy-reply-threshold", "30"]), "+OK");
    caller.say(&["EVAL", "redis.call('set', 'k', 'v') while true do end", "0"]);
    let busy =
        "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
    while other.ask(&["PING"]) != busy {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(other.ask(&["SCRIPT", "KILL"]).starts_with("-UNKILLABLE "));
    // Stopping ends it; what it wrote is not kept.
    server.stop().unwrap();
}

/// What a script has done when it is moved is not done twice.
#[test]
fn a_moved_script_begins_anew() {
    let server = server();
    let mut caller = Client::connect(&server);
    let script = "redis.call('incr', 'n') local t = os.clock() while os.clock() - t < 0.1 do end return redis.call('incr', 'n')";
    assert_eq!(caller.ask(&["EVAL", script, "0"]), ":2");
    assert_eq!(caller.ask(&["INCR", "n"]), ":3");
    server.stop().unwrap();
}

/// In one call of `string`'s functions, which Lua's hooks do not reach.
#[test]
fn a_pattern_without_an_end_holds_up_nobody_and_can_be_killed() {
    let server = server();
    let (mut caller, mut other) = (Client::connect(&server), Client::connect(&server));
    for script in [
        "return string.find(('a'):rep(60), ('a?'):rep(60) .. ('a'):rep(60) .. 'b')",
        "return ('a'):rep(4000):gsub('.-.-.-.-b', 'x')",
        "for x in ('a'):rep(4000):gmatch('.-.-.-.-b') do end",
    ] {
        caller.say(&["EVAL", script, "0"]);
        std::thread::sleep(Duration::from_millis(50));
        let begun = Instant::now();
        assert_eq!(other.ask(&["SET", "k", "v"]), "+OK");
        assert_eq!(other.ask(&["SCRIPT", "KILL"]), "+OK", "{script}");
        assert!(caller.line().starts_with("-ERR Script killed by user"));
        assert!(begun.elapsed() < Duration::from_secs(5), "{script}");
    }
    // What was the end of the process: a match as deep as its pattern is long.
    let deep = "return string.find(('a'):rep(1000000), ('a?'):rep(1000000))";
    assert!(caller.ask(&["EVAL", deep, "0"]).contains("pattern too complex"));
    server.stop().unwrap();
}

#[test]
fn absurd_lengths_are_refused_at_once_and_large_ones_made_elsewhere() {
    let server = server();
    let mut caller = Client::connect(&server);
    let begun = Instant::now();
    let reply = caller.ask(&["EVAL", "return #string.rep('x', 2000000000)", "0"]);
    assert!(reply.contains("not enough memory") && begun.elapsed().as_secs() < 5, "{reply}");
    assert_eq!(caller.ask(&["EVAL", "return #('xy'):rep(30000000)", "0"]), ":60000000");
    assert_eq!(caller.ask(&["EVAL", "return #ARGV[1]", "0", &"x".repeat(3 << 20)]), ":3145728");
    server.stop().unwrap();
}

#[test]
fn what_a_script_made_does_not_stay_in_lua() {
    let server = server();
    let (mut caller, mut other) = (Client::connect(&server), Client::connect(&server));
    let script = "local text = string.rep('x', 50000000) return #text";
    assert_eq!(caller.ask(&["EVAL", script, "0"]), ":50000000");
    let mut of_lua = || {
        let info = other.bulk(&["INFO", "memory"]);
        let bytes = info.lines().find_map(|line| line.strip_prefix("used_memory_lua:"));
        bytes.unwrap().parse::<u64>().unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while of_lua() > 4 << 20 {
        assert!(Instant::now() < deadline, "{} bytes stay", of_lua());
        std::thread::sleep(Duration::from_millis(5));
    }
    server.stop().unwrap();
}
