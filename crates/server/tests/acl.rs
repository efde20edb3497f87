//! Users and what they may do: rules, checks of every way that a command takes, the log, files.

use redis::{Client, Connection, RedisResult, Value};
use std::path::PathBuf;
use stillpoint_server::{Running, TestClient};

const WRONG: &str = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const NO_KEY: &str = "-NOPERM No permissions to access a key\r\n";
const NO_CHANNEL: &str = "-NOPERM No permissions to access a channel\r\n";

fn setuser(admin: &mut TestClient, words: &[&str]) {
    let reply = admin.run(&[&["ACL", "SETUSER"], words].concat());
    assert_eq!(reply, "+OK\r\n", "{words:?}");
}

/// A connection of a new user with these rules.
fn connect_as(admin: &mut TestClient, name: &str, rules: &[&str]) -> TestClient {
    setuser(admin, &[&[name, "on", "nopass"], rules].concat());
    let mut client = admin.another();
    assert_eq!(client.run(&["AUTH", name, "x"]), "+OK\r\n");
    client
}

fn no_command(name: &str, command: &str) -> String {
    format!("-NOPERM User {name} has no permissions to run the '{command}' command\r\n")
}

#[test]
fn everybody_is_the_default_user_at_first() {
    let mut c = TestClient::new();
    assert_eq!(c.run(&["ACL", "WHOAMI"]), "$7\r\ndefault\r\n");
    assert_eq!(
        c.run(&["ACL", "LIST"]),
        "*1\r\n$51\r\nuser default on nopass sanitize-payload ~* &* +@all\r\n"
    );
    assert_eq!(c.run(&["CONFIG", "SET", "requirepass", "x"]), "+OK\r\n");
    assert!(!c.run(&["ACL", "LIST"]).contains("nopass"));
    assert_eq!(c.another().run(&["PING"]), "-NOAUTH Authentication required.\r\n");
    assert_eq!(c.another().run(&["AUTH", "x"]), "+OK\r\n");
    assert_eq!(c.another().run(&["AUTH", "y"]), WRONG);
    assert_eq!(c.run(&["CONFIG", "SET", "requirepass", ""]), "+OK\r\n");
    assert_eq!(c.another().run(&["PING"]), "+PONG\r\n");
    assert!(c.run(&["AUTH", "x"]).starts_with("-ERR AUTH <password> called without any password"));
    setuser(&mut c, &["default", "off"]);
    assert_eq!(c.another().run(&["PING"]), "-NOAUTH Authentication required.\r\n");
    assert_eq!(c.run(&["PING"]), "+PONG\r\n");
}

#[test]
fn users_are_made_told_and_removed() {
    let mut c = TestClient::new();
    setuser(&mut c, &["al", "on", ">p", "~k:*", "&c", "+@read", "-get", "(+set", "~w)"]);
    let hash = "148de9c5a7a44d19e56cd9ae1a554bf67847afb0c58f6e12fa29ac7ddfca9940";
    let listed = c.run(&["ACL", "LIST"]);
    let line = format!(
        "user al on sanitize-payload #{hash} ~k:* resetchannels &c -@all +@read -get (~w resetchannels -@all +set)\r\n"
    );
    assert!(listed.contains(&line), "{listed}");
    let told = c.run(&["ACL", "GETUSER", "al"]);
    for part in [
        "*12\r\n$5\r\nflags\r\n*2\r\n$2\r\non\r\n",
        hash,
        "-@all +@read -get",
        "~k:*",
        "-@all +set",
    ] {
        assert!(told.contains(part), "{told} lacks {part}");
    }
    assert_eq!(c.run(&["ACL", "GETUSER", "nobody"]), "$-1\r\n");
    assert_eq!(c.run(&["ACL", "USERS"]), "*2\r\n$2\r\nal\r\n$7\r\ndefault\r\n");
    assert_eq!(c.run(&["ACL", "DELUSER", "al", "nobody"]), ":1\r\n");
    assert_eq!(
        c.run(&["ACL", "DELUSER", "default"]),
        "-ERR The 'default' user cannot be removed\r\n"
    );
    for (words, error) in [
        (&["a b"][..], "Usernames can't contain spaces or null characters"),
        (&["x", "what"], "Error in ACL SETUSER modifier 'what': Syntax error"),
        (
            &["x", "on", "+no"],
            "Error in ACL SETUSER modifier '+no': Unknown command or category name in ACL",
        ),
        (&["x", "(+get", "(+set"], "Unmatched parenthesis in acl selector starting at '(+get'."),
    ] {
        let reply = c.run(&[&["ACL", "SETUSER"], words].concat());
        assert_eq!(reply, format!("-ERR {error}\r\n"));
    }
    assert_eq!(c.run(&["ACL", "GETUSER", "x"]), "$-1\r\n");
}

#[test]
fn what_is_not_allowed_is_refused() {
    let mut admin = TestClient::new();
    let mut c = connect_as(
        &mut admin,
        "al",
        &["+@all", "-@dangerous", "+sort", "-config", "+config|get", "~a*", "%R~r*", "%W~w*"],
    );
    assert_eq!(c.run(&["SET", "a", "1"]), "+OK\r\n");
    assert_eq!(c.run(&["GET", "b"]), NO_KEY);
    assert_eq!(c.run(&["GET", "r"]), "$-1\r\n");
    assert_eq!(c.run(&["SET", "r", "1"]), NO_KEY);
    assert_eq!(c.run(&["SET", "w", "1"]), "+OK\r\n");
    assert_eq!(c.run(&["SET", "w", "1", "GET"]), NO_KEY);
    assert_eq!(c.run(&["GET", "w"]), NO_KEY);
    assert_eq!(c.run(&["EXISTS", "w", "r"]), ":1\r\n");
    assert_eq!(c.run(&["COPY", "a", "w2"]), ":1\r\n");
    assert_eq!(c.run(&["COPY", "w", "a2"]), NO_KEY);
    assert_eq!(c.run(&["BITFIELD", "r", "GET", "u8", "0"]), "*1\r\n:0\r\n");
    assert_eq!(c.run(&["BITFIELD", "r", "SET", "u8", "0", "1"]), NO_KEY);
    assert_eq!(c.run(&["SUNIONSTORE", "w3", "r1", "b"]), NO_KEY);
    assert_eq!(c.run(&["ZUNIONSTORE", "a9", "2", "a", "b"]), NO_KEY);
    assert_eq!(c.run(&["XREADGROUP", "GROUP", "STREAMS", "a", "STREAMS", "b", ">"]), NO_KEY);
    assert_eq!(c.run(&["SORT", "a", "STORE", "r"]), NO_KEY);
    assert_eq!(c.run(&["GEORADIUS", "a", "1", "1", "1", "m", "STORE", "b"]), NO_KEY);
    assert_eq!(c.run(&["EVAL", "return 1", "1", "b"]), NO_KEY);
    assert_eq!(c.run(&["KEYS", "*"]), no_command("al", "keys"));
    assert_eq!(c.run(&["CONFIG", "SET", "hz", "10"]), no_command("al", "config|set"));
    assert_eq!(c.run(&["PUBLISH", "x", "y"]), NO_CHANNEL);
    assert_eq!(c.run(&["SUBSCRIBE", "x"]), NO_CHANNEL);
    assert_eq!(c.run(&["UNSUBSCRIBE", "x"]), "*3\r\n$11\r\nunsubscribe\r\n$1\r\nx\r\n:0\r\n");
    assert_eq!(c.run(&["AUTH", "al", "x"]), "+OK\r\n");
    setuser(&mut admin, &["al", "+keys", "allkeys"]);
    assert_eq!(c.run(&["GET", "b"]), "$-1\r\n");
    assert!(c.run(&["KEYS", "*"]).starts_with('*'));
    setuser(&mut admin, &["al", "allcommands", "allchannels"]);
    assert_eq!(c.run(&["PUBLISH", "x", "y"]), ":0\r\n");
    setuser(&mut admin, &["al", "off", "-get"]);
    assert_eq!(c.run(&["GET", "b"]), no_command("al", "get"));
}

#[test]
fn a_request_fits_into_one_selector_or_none() {
    let mut admin = TestClient::new();
    let mut c = connect_as(&mut admin, "al", &["(+@write", "~w*)", "(+@read", "~r*)"]);
    assert_eq!(c.run(&["SET", "w", "1"]), "+OK\r\n");
    assert_eq!(c.run(&["GET", "r"]), "$-1\r\n");
    assert_eq!(c.run(&["GET", "w"]), NO_KEY);
    assert_eq!(c.run(&["PING"]), no_command("al", "ping"));
    setuser(&mut admin, &["al", "clearselectors"]);
    assert_eq!(c.run(&["GET", "r"]), no_command("al", "get"));
}

#[test]
fn patterns_of_sort_need_every_key() {
    let mut admin = TestClient::new();
    let mut c = connect_as(&mut admin, "al", &["+sort", "+lpush", "~l"]);
    c.run(&["LPUSH", "l", "1"]);
    let denied = |option| {
        format!("-ERR {option} option of SORT denied due to insufficient ACL permissions.\r\n")
    };
    assert_eq!(c.run(&["SORT", "l", "BY", "v*"]), denied("BY"));
    assert_eq!(c.run(&["SORT", "l", "GET", "v*"]), denied("GET"));
    assert_eq!(c.run(&["SORT", "l", "BY", "nosort"]), "*1\r\n$1\r\n1\r\n");
    setuser(&mut admin, &["al", "(+sort", "~l", "%R~*)"]);
    assert_eq!(c.run(&["SORT", "l", "BY", "v*"]), "*1\r\n$1\r\n1\r\n");
}

#[test]
fn multi_is_checked_when_queued_and_when_run() {
    let mut admin = TestClient::new();
    let mut c = connect_as(&mut admin, "al", &["+@all", "~a*"]);
    c.run(&["MULTI"]);
    assert_eq!(c.run(&["SET", "b", "1"]), NO_KEY);
    assert!(c.run(&["EXEC"]).starts_with("-EXECABORT"));
    c.run(&["MULTI"]);
    c.run(&["SET", "a", "1"]);
    c.run(&["INCR", "a"]);
    setuser(&mut admin, &["al", "-incr"]);
    let changed = "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
                   This command is no longer allowed for the following reason: no permission to execute the command or subcommand";
    assert_eq!(c.run(&["EXEC"]), format!("*2\r\n+OK\r\n-{changed}\r\n"));
    let log = admin.run(&["ACL", "LOG", "1"]);
    for part in ["multi", "incr", "cmd=exec", "user=al"] {
        assert!(log.contains(part), "{log} lacks {part}");
    }
}

#[test]
fn scripts_have_their_caller_s_rights() {
    let mut admin = TestClient::new();
    let mut c = connect_as(&mut admin, "al", &["+eval", "+set", "~a*"]);
    let run = |c: &mut TestClient, code: &str| c.run(&["EVAL", code, "0"]);
    assert_eq!(run(&mut c, "return redis.call('set', 'a', 1)"), "+OK\r\n");
    let reply = run(&mut c, "return redis.call('set', 'b', 1)");
    assert!(
        reply.starts_with("-ERR ACL failure in script: No permissions to access a key"),
        "{reply}"
    );
    let reply = run(&mut c, "return redis.pcall('get', 'a')");
    assert_eq!(
        reply,
        "-ERR ACL failure in script: User al has no permissions to run the 'get' command\r\n"
    );
    assert_eq!(run(&mut c, "return redis.acl_check_cmd('set', 'a', 1)"), ":1\r\n");
    assert_eq!(run(&mut c, "return redis.acl_check_cmd('set', 'b', 1)"), "$-1\r\n");
    assert_eq!(run(&mut c, "return redis.acl_check_cmd('get', 'a')"), "$-1\r\n");
    assert!(
        run(&mut c, "return redis.acl_check_cmd('nothing')")
            .contains("Invalid command passed to redis.acl_check_cmd()")
    );
    assert_eq!(run(&mut admin, "return redis.acl_check_cmd('get', 'a')"), ":1\r\n");
    let log = admin.run(&["ACL", "LOG"]);
    assert!(log.contains("$3\r\nlua\r\n") && log.contains("cmd=eval"), "{log}");
}

#[test]
fn who_waits_is_served_only_if_it_still_may() {
    let mut admin = TestClient::new();
    let mut c = connect_as(&mut admin, "al", &["+@all", "~l"]);
    assert_eq!(c.run(&["BLPOP", "l", "0"]), "");
    setuser(&mut admin, &["al", "resetkeys"]);
    admin.run(&["LPUSH", "l", "x"]);
    assert_eq!(c.send(b""), NO_KEY.as_bytes());
    let stats = admin.run(&["INFO", "commandstats"]);
    let line = stats.lines().find(|line| line.starts_with("cmdstat_blpop:calls=0,usec=0,"));
    assert!(line.is_some_and(|line| line.ends_with("rejected_calls=1,failed_calls=0")), "{stats}");
    assert_eq!(admin.run(&["LLEN", "l"]), ":1\r\n");
}

#[test]
fn denials_are_logged_and_counted() {
    let mut admin = TestClient::new();
    let mut c = connect_as(&mut admin, "al", &["+get", "~a"]);
    for _ in 0..3 {
        c.run(&["SET", "a", "1"]);
    }
    c.run(&["GET", "b"]);
    c.run(&["AUTH", "al2", "no"]);
    let log = admin.run(&["ACL", "LOG"]);
    assert!(
        log.starts_with("*3\r\n*20\r\n$5\r\ncount\r\n:1\r\n$6\r\nreason\r\n$4\r\nauth\r\n"),
        "{log}"
    );
    for part in [
        "username\r\n$3\r\nal2",
        "object\r\n$4\r\nAUTH",
        "count\r\n:3\r\n",
        "object\r\n$3\r\nset",
        "object\r\n$1\r\nb",
        "cmd=set",
    ] {
        assert!(log.contains(part), "{log} lacks {part}");
    }
    assert!(admin.run(&["ACL", "LOG", "1"]).starts_with("*1\r\n"));
    let stats = admin.run(&["INFO", "stats"]);
    for line in ["denied_auth:1", "denied_cmd:3", "denied_key:1", "denied_channel:0"] {
        assert!(stats.contains(&format!("acl_access_{line}\r\n")), "{line}");
    }
    admin.run(&["CONFIG", "SET", "acllog-max-len", "1"]);
    c.advance_ms(1);
    c.run(&["GET", "c"]);
    assert!(admin.run(&["ACL", "LOG"]).starts_with("*1\r\n"));
    assert_eq!(admin.run(&["ACL", "LOG", "RESET"]), "+OK\r\n");
    assert_eq!(admin.run(&["ACL", "LOG"]), "*0\r\n");
}

#[test]
fn a_dry_run_tells_what_would_be() {
    let mut c = TestClient::new();
    setuser(&mut c, &["al", "+@all", "%R~r*", "%W~w*", "%RW~b*", "resetchannels", "&ch"]);
    let mut dry = |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        c.run(&[&["ACL", "DRYRUN", "al"], &words[..]].concat())
    };
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let key = |key| bulk(&format!("User al has no permissions to access the '{key}' key"));
    for words in [
        "GET r",
        "SORT r STORE w",
        "EVAL x 0 r",
        "EVAL x 3 b r",
        "EVAL_RO x 1 r",
        "GEORADIUS r 1 1 1 M STOREDIST w",
        "HEXISTS w f",
        "STRLEN r",
        "TOUCH w",
        "SPUBLISH ch m",
        "SUNSUBSCRIBE other",
        "PING",
        "MEMORY USAGE w",
        "LMPOP 1 b LEFT",
        "DELIFEQ w v",
        "MSETEX 2 b v b2 v EX 5",
        "MSETEX 2 w v b v",
    ] {
        assert_eq!(dry(words), "+OK\r\n", "{words}");
    }
    for (words, wrong) in [
        ("SET r v", "r"),
        ("SORT r STORE r", "r"),
        ("SORT w STORE w", "w"),
        ("EVAL x 1 r", "r"),
        ("EVAL_RO x 1 w", "w"),
        ("GEORADIUS r1 1 1 1 M STORE r2", "r2"),
        ("SINTERCARD 2 w r", "w"),
        ("TYPE nothing", "nothing"),
        ("ZCOUNT w 0 1", "w"),
        ("LMPOP 2 b r LEFT", "r"),
        ("XREAD COUNT 1 STREAMS r w 0 0", "w"),
        ("LMOVE w b LEFT LEFT", "w"),
        ("MIGRATE h 1 r 0 1", "r"),
        ("MSETEX 2 b v r v", "r"),
        ("MIGRATE h 1  0 1 AUTH KEYS KEYS b w", "w"),
        ("MIGRATE h 1  0 1", ""),
    ] {
        assert_eq!(dry(words), key(wrong), "{words}");
    }
    assert_eq!(
        dry("SSUBSCRIBE other"),
        bulk("User al has no permissions to access the 'other' channel")
    );
    assert_eq!(dry("SET r"), "-ERR wrong number of arguments for 'set' command\r\n");
    assert_eq!(dry("nothing"), "-ERR Command 'nothing' not found\r\n");
    assert_eq!(c.run(&["ACL", "DRYRUN", "bo", "GET", "a"]), "-ERR User 'bo' not found\r\n");
}

#[test]
fn passwords_are_made_up() {
    let mut c = TestClient::new();
    let mut pass = |bits: &str| c.run(&["ACL", "GENPASS", bits]);
    assert!(pass("5").starts_with("$2\r\n") && pass("4096").starts_with("$1024\r\n"));
    assert!(
        pass("0").contains("ACL GENPASS argument must be the number of bits")
            && pass("4097").starts_with("-ERR")
    );
    assert_ne!(c.run(&["ACL", "GENPASS"]), c.run(&["ACL", "GENPASS"]));
    assert!(c.run(&["ACL", "GENPASS"]).starts_with("$64\r\n"));
}

#[test]
fn clients_tell_their_users_and_hello_takes_them() {
    let mut admin = TestClient::new();
    setuser(&mut admin, &["al", "on", ">p", "+@all"]);
    let mut c = admin.another();
    assert_eq!(c.run(&["HELLO", "2", "AUTH", "al", "wrong", "SETNAME", "n"]), WRONG);
    assert_eq!(c.run(&["CLIENT", "GETNAME"]), "$-1\r\n");
    assert!(c.run(&["HELLO", "2", "AUTH", "al", "p"]).starts_with("*14\r\n"));
    assert_eq!(c.run(&["ACL", "WHOAMI"]), "$2\r\nal\r\n");
    assert!(admin.run(&["CLIENT", "LIST"]).contains(" user=al "));
    assert_eq!(admin.run(&["CLIENT", "KILL", "USER", "bo"]), "-ERR No such user 'bo'\r\n");
    assert_eq!(admin.run(&["CLIENT", "KILL", "USER", "al"]), ":1\r\n");
    assert!(!admin.run(&["CLIENT", "LIST"]).contains(" user=al "));
    let mut c = admin.another();
    c.run(&["AUTH", "al", "p"]);
    assert_eq!(c.run(&["RESET"]), "+RESET\r\n");
    assert_eq!(c.run(&["ACL", "WHOAMI"]), "$7\r\ndefault\r\n");
}

#[test]
fn secrets_are_not_shown() {
    let mut c = TestClient::new();
    c.run(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    setuser(&mut c, &["al", "on", ">hush"]);
    c.run(&["AUTH", "al", "hush"]);
    c.run(&["AUTH", "default", "hush"]);
    c.run(&["CONFIG", "SET", "masterauth", "hush"]);
    c.run(&["HELLO", "2", "AUTH", "default", "hush"]);
    let log = c.run(&["SLOWLOG", "GET", "100"]);
    assert!(log.contains("(redacted)") && !log.contains("hush"), "{log}");
}

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("stillpoint-acl-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Dir(path)
    }
    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn start(more: &[(&str, &str)]) -> Running {
    let mut directives = vec![("port", "0"), ("bind", "127.0.0.1"), ("io-threads", "2")];
    directives.extend_from_slice(more);
    Running::start(&directives).unwrap()
}

fn connect(server: &Running) -> Connection {
    let client = Client::open(format!("redis://127.0.0.1:{}/", server.port())).unwrap();
    client.get_connection().unwrap()
}

fn ask(c: &mut Connection, line: &str) -> RedisResult<Value> {
    let mut words = line.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    for word in words {
        command.arg(word);
    }
    command.query(c)
}

#[test]
fn connections_end_with_what_they_are_there_for() {
    let server = start(&[]);
    let mut admin = connect(&server);
    ask(&mut admin, "ACL SETUSER al on nopass +@all ~* &a &b*").unwrap();
    let connect_as_al = |channels: &str| {
        let mut c = connect(&server);
        ask(&mut c, "AUTH al x").unwrap();
        c.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        ask(&mut c, channels).unwrap();
        c
    };
    let mut loses = connect_as_al("SUBSCRIBE a");
    let mut loses_too = connect_as_al("PSUBSCRIBE b*");
    let mut keeps = connect_as_al("SSUBSCRIBE b1");
    ask(&mut admin, "ACL SETUSER al resetchannels &b?").unwrap();
    assert!(loses.recv_response().is_err());
    assert!(loses_too.recv_response().is_err());
    ask(&mut admin, "SPUBLISH b1 hello").unwrap();
    assert!(keeps.recv_response().is_ok());
    let mut other = connect_as_al("PING");
    assert_eq!(ask(&mut admin, "ACL DELUSER al").unwrap(), Value::Int(1));
    assert!(keeps.recv_response().is_err());
    assert!(ask(&mut other, "PING").is_err());
    // Who removes itself hears of it.
    ask(&mut admin, "ACL SETUSER me on nopass +@all").unwrap();
    ask(&mut admin, "AUTH me x").unwrap();
    assert_eq!(ask(&mut admin, "ACL DELUSER me").unwrap(), Value::Int(1));
    assert!(ask(&mut admin, "PING").is_err());
}

#[test]
fn users_are_saved_and_loaded() {
    let dir = Dir::new("file");
    let path = dir.file("users.acl");
    std::fs::write(&path, "user al on >a ~* &* +@all\nuser bo on nopass +get ~b\n").unwrap();
    let server = start(&[("aclfile", &path)]);
    let mut c = connect(&server);
    ask(&mut c, "AUTH al a").unwrap();
    ask(&mut c, "ACL SETUSER eve on >e +get ~e").unwrap();
    ask(&mut c, "ACL SAVE").unwrap();
    let saved = std::fs::read_to_string(&path).unwrap();
    assert_eq!(saved.lines().count(), 4, "{saved}");
    assert!(!saved.contains(">e"), "{saved}");
    let mut bo = connect(&server);
    ask(&mut bo, "AUTH bo x").unwrap();
    std::fs::write(&path, format!("{saved}user al on\n")).unwrap();
    let error = ask(&mut c, "ACL LOAD").unwrap_err().to_string();
    assert!(error.contains("Duplicate user 'al' found on line 5"), "{error}");
    ask(&mut bo, "GET b").unwrap();
    let without_bo: String =
        saved.lines().filter(|l| !l.contains("bo")).map(|l| format!("{l}\n")).collect();
    std::fs::write(&path, without_bo).unwrap();
    ask(&mut c, "ACL LOAD").unwrap();
    assert!(ask(&mut bo, "GET b").is_err());
    ask(&mut c, "AUTH eve e").unwrap();
    assert_eq!(ask(&mut c, "GET e").unwrap(), Value::Nil);
    assert!(ask(&mut c, "GET b").is_err());
    drop(server);
    std::fs::write(&path, "user al what\n").unwrap();
    assert!(Running::start(&[("port", "0"), ("aclfile", &path)]).is_err());
    assert!(Running::start(&[("port", "0"), ("user", "al on"), ("user", "al on")]).is_err());
    let server = start(&[("user", "default on nopass ~* +@all -flushall")]);
    let mut c = connect(&server);
    assert!(ask(&mut c, "FLUSHALL").unwrap_err().to_string().contains("flushall"));
    assert!(ask(&mut c, "PUBLISH a b").is_err());
    assert!(ask(&mut c, "ACL SAVE").is_err());
}

#[test]
fn what_a_queue_does_to_users_happens_once() {
    let server = start(&[]);
    let mut c = connect(&server);
    // So long that EXEC goes to another thread.
    let long: Vec<u32> = (0..5_000).collect();
    redis::cmd("RPUSH").arg("l").arg(&long).exec(&mut c).unwrap();
    ask(&mut c, "ACL SETUSER al on nopass").unwrap();
    ask(&mut c, "MULTI").unwrap();
    ask(&mut c, "ACL DELUSER al").unwrap();
    ask(&mut c, "SORT l LIMIT 0 1").unwrap();
    let Value::Array(replies) = ask(&mut c, "EXEC").unwrap() else { panic!("no array") };
    assert_eq!(replies[0], Value::Int(1));
    assert_eq!(replies[1], Value::Array(vec![Value::BulkString(b"0".to_vec())]));
}
