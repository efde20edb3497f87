//! EVAL and what scripts can do.

use super::check;
use stillpoint_server::TestClient;

fn eval(client: &mut TestClient, script: &str) -> String {
    client.run(&["EVAL", script, "0"])
}

#[test]
fn a_script_gets_its_keys_and_arguments_and_calls_commands() {
    let mut c = TestClient::new();
    let script =
        "redis.call('set', KEYS[1], ARGV[1]) return {KEYS[1], redis.call('get', KEYS[1]), #ARGV}";
    assert_eq!(c.run(&["EVAL", script, "1", "k", "v", "w"]), "*3\r\n$1\r\nk\r\n$1\r\nv\r\n:2\r\n");
    check(
        &mut c,
        &[
            ("GET k", "$1\nv"),
            ("EVAL x -1", "-ERR Number of keys can't be negative"),
            ("EVAL x 2 k", "-ERR Number of keys can't be greater than number of args"),
            ("EVAL x y", "-ERR value is not an integer or out of range"),
        ],
    );
}

#[test]
fn scripts_are_known_by_their_digest_until_they_are_flushed() {
    let mut c = TestClient::new();
    let digest = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
    let unknown = "-NOSCRIPT No matching script. Please use EVAL.\r\n";
    assert_eq!(c.run(&["EVALSHA", digest, "0"]), unknown);
    assert_eq!(c.run(&["SCRIPT", "LOAD", "return 1"]), format!("$40\r\n{digest}\r\n"));
    assert_eq!(c.run(&["EVALSHA", &digest.to_uppercase(), "0"]), ":1\r\n");
    assert_eq!(c.another().run(&["EVALSHA_RO", digest, "0"]), ":1\r\n");
    assert_eq!(c.run(&["SCRIPT", "EXISTS", digest, "x"]), "*2\r\n:1\r\n:0\r\n");
    assert_eq!(c.run(&["SCRIPT", "FLUSH"]), "+OK\r\n");
    assert_eq!(c.run(&["EVALSHA", digest, "0"]), unknown);
}

/// Of scripts that came by EVAL the 500 used last are kept; those that were loaded stay.
#[test]
fn evaluated_scripts_make_room_for_each_other() {
    let mut c = TestClient::new();
    c.run(&["SCRIPT", "LOAD", "return 'loaded'"]);
    let digest = c.run(&["SCRIPT", "LOAD", "return 'first'"]).lines().nth(1).unwrap().to_owned();
    c.run(&["SCRIPT", "FLUSH"]);
    eval(&mut c, "return 'first'");
    for i in 0..500 {
        eval(&mut c, &format!("return {i}"));
    }
    assert_eq!(c.run(&["SCRIPT", "EXISTS", &digest]), "*1\r\n:0\r\n");
    assert!(c.run(&["INFO", "memory"]).contains("number_of_cached_scripts:500\r\n"));
}

#[test]
fn what_a_script_wrote_before_its_error_stays() {
    let mut c = TestClient::new();
    let reply = eval(&mut c, "redis.call('set', 'k', 'v')\nredis.call('nonsense')");
    assert!(reply.starts_with("-ERR Unknown Redis command called from script script: "), "{reply}");
    assert!(reply.ends_with(", on @user_script:2.\r\n"), "{reply}");
    check(&mut c, &[("GET k", "$1\nv")]);
}

#[test]
fn errors_can_be_caught() {
    let mut c = TestClient::new();
    let cases = [
        (
            "return redis.pcall('incr', KEYS[1] or 'k').err",
            "$43\r\nERR value is not an integer or out of range\r\n",
        ),
        (
            "return select(2, pcall(redis.call, 'nonsense'))",
            "$44\r\nERR Unknown Redis command called from script\r\n",
        ),
        ("return {pcall(error, 'text', 0)}", "*2\r\n$-1\r\n$4\r\ntext\r\n"),
        ("return redis.error_reply('MY text')", "-MY text\r\n"),
        ("return redis.status_reply('fine')", "+fine\r\n"),
    ];
    c.run(&["SET", "k", "text"]);
    for (script, reply) in cases {
        assert_eq!(eval(&mut c, script), reply, "{script}");
    }
}

/// Lua 5.1's own `unpack` counts in 32 bits, comes round, and writes past its stack; its `table.insert` moves nothing two thousand million times.
#[test]
fn what_no_stack_holds_is_not_unpacked() {
    let mut c = TestClient::new();
    for range in [
        "0, 2147483647",
        "-2, 2147483647",
        "-2147483648, -2",
        "-2147483647, 0",
        "1, 1/0",
        "-1/0, 1",
        "0/0, 1",
        "0/0, 2147483647",
        "1, 1e300",
        "-1e300, 1",
        "4294967295, 6442450943",
        "'0', '2147483647'",
    ] {
        let reply = eval(&mut c, &format!("return {{unpack({{1, 2, 3}}, {range})}}"));
        assert!(reply.contains("too many results to unpack"), "{range}: {reply}");
    }
    check(
        &mut c,
        &[
            ("EVAL return{unpack({1,2,3})} 0", "*3\n:1\n:2\n:3"),
            ("EVAL return{unpack({1,2,3},2)} 0", "*2\n:2\n:3"),
            ("EVAL return{unpack({1,2,3},'2','2')} 0", "*1\n:2"),
            ("EVAL return{unpack({1,2,3},-1,-2)} 0", "*0"),
            ("EVAL return{unpack({1,2,3},1,-1)} 0", "*0"),
            ("EVAL return{select('#',unpack({1},-1,5))} 0", "*1\n:7"),
            ("EVAL return#{unpack(ARGV)} 0 a b c", ":3"),
            ("EVAL return{select('#',unpack({1},-2147483648,-2147483646))} 0", "*1\n:3"),
            ("EVAL local\tt={1}table.insert(t,1,2)return(t) 0", "*2\n:2\n:1"),
        ],
    );
    let reply = eval(&mut c, "return {unpack({}, 1, 100000)}");
    assert!(reply.contains("too many results to unpack"), "{reply}");
    let most = "local t = {} for i = 1, 7999 do t[i] = i end return #{unpack(t)} + #{unpack(t, 2)}";
    assert_eq!(eval(&mut c, most), ":15997\r\n");
    assert!(eval(&mut c, "unpack(1)").contains("bad argument #1 to 'unpack'"));
    assert!(eval(&mut c, "unpack({}, {})").contains("bad argument #2 to 'unpack'"));
    for place in ["-2147483648", "-1e300", "0/0", "-1/0"] {
        let reply = eval(&mut c, &format!("table.insert({{}}, {place}, 1)"));
        assert!(reply.contains("position out of bounds"), "{place}: {reply}");
    }
}

#[test]
fn values_are_converted_both_ways() {
    let mut c = TestClient::new();
    let cases = [
        ("return 3.99", ":3\r\n"),
        ("return {1, 'two', nil, 4}", "*2\r\n:1\r\n$3\r\ntwo\r\n"),
        ("return {true, false}", "*2\r\n:1\r\n$-1\r\n"),
        ("return {double=3.5}", "$3\r\n3.5\r\n"),
        ("return redis.call('get', 'absent') == false", ":1\r\n"),
        ("redis.setresp(3) return redis.call('get', 'absent') == nil", "#t\r\n"),
        ("return type(redis.call('set', 'k', 1)['ok'])", "$6\r\nstring\r\n"),
        ("redis.call('set', 'k', 1.5) return redis.call('get', 'k')", "$3\r\n1.5\r\n"),
    ];
    for (script, reply) in cases {
        // A boolean after `setresp` depends on the connection's protocol, too.
        let reply = if reply == "#t\r\n" { ":1\r\n" } else { reply };
        assert_eq!(eval(&mut c, script), reply, "{script}");
    }
    c.run(&["HELLO", "3"]);
    c.run(&["HSET", "h", "f", "v"]);
    let map = "redis.setresp(3) return redis.call('hgetall', 'h')";
    assert_eq!(eval(&mut c, map), "%1\r\n$1\r\nf\r\n$1\r\nv\r\n");
    assert_eq!(eval(&mut c, "return {big_number='12'}"), "(12\r\n");
    assert_eq!(eval(&mut c, "return {set={a=true}}"), "~1\r\n$1\r\na\r\n");
}

#[test]
fn no_script_changes_what_others_find() {
    let mut c = TestClient::new();
    let attempts = [
        "a = 1",
        "redis = 1",
        "redis.call = 1",
        "string.rep = 1",
        "rawset(_G, 'a', 1)",
        "setmetatable(_G, {})",
        "getmetatable(_G).__index = 1",
        "getmetatable('').__index = 1",
        "getmetatable('').__index.rep = 1",
        "table.insert(redis, 1)",
        "math.random = 1",
        "coroutine.wrap(function() a = 1 end)()",
        "loadstring('a = 1')()",
    ];
    for script in attempts {
        let reply = eval(&mut c, script);
        assert!(reply.contains("Attempt to modify a readonly table"), "{script}: {reply}");
    }
    eval(
        &mut c,
        "for _, t in pairs(_G) do if type(t) == 'table' then pcall(rawset, t, 'call', 1) end end",
    );
    eval(&mut c, "local _, t = pairs(redis) t.call = nil");
    assert_eq!(eval(&mut c, "return redis.call('ping')"), "+PONG\r\n");
    for name in ["io", "debug", "require", "dofile", "loadfile", "print", "getfenv", "newproxy"] {
        let reply = eval(&mut c, &format!("return {name}"));
        assert!(reply.contains("nonexistent global variable"), "{name}: {reply}");
    }
    let bytecode = eval(&mut c, "return loadstring(string.dump(function() return 1 end))");
    assert_eq!(bytecode, "$-1\r\n");
}

#[test]
fn a_read_only_script_does_not_write() {
    let mut c = TestClient::new();
    let refusal = "-ERR Write commands are not allowed from read-only scripts.";
    assert!(c.run(&["EVAL_RO", "return redis.call('set', 'k', 1)", "0"]).starts_with(refusal));
    let said = "#!lua flags=no-writes\nreturn redis.call('set', 'k', 1)";
    assert!(eval(&mut c, said).starts_with(refusal));
    assert_eq!(eval(&mut c, "#!lua flags=no-writes\nreturn redis.call('get', 'k')"), "$-1\r\n");
    assert!(eval(&mut c, "#!lua flags=what\nreturn 1").starts_with("-ERR Unexpected flag"));
}

#[test]
fn the_lock_script_of_clients_works() {
    let mut c = TestClient::new();
    let release = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";
    c.run(&["SET", "lock", "mine", "NX", "PX", "10000"]);
    assert_eq!(c.run(&["EVAL", release, "1", "lock", "theirs"]), ":0\r\n");
    assert_eq!(c.run(&["EVAL", release, "1", "lock", "mine"]), ":1\r\n");
    assert_eq!(c.run(&["EXISTS", "lock"]), ":0\r\n");
}

#[test]
fn libraries_read_what_they_write() {
    let mut c = TestClient::new();
    let cases = [
        (
            "return cjson.encode({1, {a='x/y'}, true, cjson.null, 0.1})",
            "$30\r\n[1,{\"a\":\"x\\/y\"},true,null,0.1]\r\n",
        ),
        ("return cjson.decode('{\"a\":[1,2.5,\"\\\\u00e9\"]}').a[3]", "$2\r\né\r\n"),
        (
            "local t = cmsgpack.unpack(cmsgpack.pack({a={1,2,-3}, b='x'})) return {t.a[3], t.b}",
            "*2\r\n:-3\r\n$1\r\nx\r\n",
        ),
        (
            "return {struct.unpack('>I2h', struct.pack('>I2h', 513, -2))}",
            "*3\r\n:513\r\n:-2\r\n:5\r\n",
        ),
        ("return {bit.band(12, 10), bit.tohex(255, 4)}", "*2\r\n:8\r\n$4\r\n00ff\r\n"),
        ("return redis.sha1hex('')", "$40\r\nda39a3ee5e6b4b0d3255bfef95601890afd80709\r\n"),
    ];
    for (script, reply) in cases {
        assert_eq!(eval(&mut c, script), reply, "{script}");
    }
}

/// Inside MULTI a script is one more command; it sees what was queued before it.
#[test]
fn a_script_in_multi_belongs_to_the_transaction() {
    let mut c = TestClient::new();
    c.run(&["MULTI"]);
    c.run(&["SET", "n", "5"]);
    c.run(&["EVAL", "return redis.call('incr', 'n')", "0"]);
    assert_eq!(c.run(&["EXEC"]), "*2\r\n+OK\r\n:6\r\n");
}

/// Scripts on several threads add to the same two keys; each addition counts once, and no reader sees one without the other.
#[test]
fn scripts_are_transactions() {
    const EACH: usize = 200;
    let mut c = TestClient::new();
    c.run(&["MSET", "a", "0", "b", "0"]);
    let script = "local n = redis.call('get', 'a') redis.call('set', 'a', n + 1) redis.call('set', 'b', n + 1)";
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let mut client = c.another();
            scope.spawn(move || {
                (0..EACH).for_each(|_| assert_eq!(eval(&mut client, script), "$-1\r\n"))
            });
        }
        for _ in 0..EACH {
            let reply = c.run(&["MGET", "a", "b"]);
            let lines: Vec<&str> = reply.lines().collect();
            assert_eq!(lines[2], lines[4], "torn: {reply}");
        }
    });
    check(&mut c, &[("MGET a b", "*2\n$3\n600\n$3\n600")]);
}

#[test]
fn memory_that_a_script_may_take_can_be_limited() {
    let mut c = TestClient::new();
    c.run(&["CONFIG", "SET", "script-max-memory", "4mb"]);
    let reply = eval(&mut c, "return #string.rep('x', 100 * 1024 * 1024)");
    assert!(reply.contains("not enough memory"), "{reply}");
    c.run(&["CONFIG", "SET", "script-max-memory", "0"]);
    assert_eq!(eval(&mut c, "return #string.rep('x', 100)"), ":100\r\n");
}

const LIBRARY: &str = "#!lua name=lib\nlocal function add(n) return n + 1 end\n\
    redis.register_function('incr', function(keys, args) return redis.call('set', keys[1], add(args[1])) end)\n\
    redis.register_function{function_name='show', callback=function(keys) return redis.call('get', keys[1]) end, flags={'no-writes'}}";

#[test]
fn functions_are_called_by_name_on_every_connection() {
    let mut c = TestClient::new();
    assert_eq!(c.run(&["FUNCTION", "LOAD", LIBRARY]), "$3\r\nlib\r\n");
    check(&mut c.another(), &[("FCALL incr 1 n 41", "+OK"), ("FCALL_RO SHOW 1 n", "$2\n42")]);
    check(
        &mut c,
        &[
            ("FCALL nothing 0", "-ERR Function not found"),
            ("FCALL incr x", "-ERR Bad number of keys provided"),
            (
                "FCALL_RO incr 1 n 1",
                "-ERR Can not execute a script with write flag using *_ro command.",
            ),
        ],
    );
    let again = c.run(&["FUNCTION", "LOAD", LIBRARY]);
    assert_eq!(again, "-ERR Library 'lib' already exists\r\n");
    let dump = c.run_bytes(&[b"FUNCTION", b"DUMP"]);
    let start = dump.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    check(&mut c, &[("FUNCTION DELETE lib", "+OK"), ("FUNCTION LIST", "*0")]);
    let payload = &dump[start..dump.len() - 2];
    assert_eq!(c.run_bytes(&[b"FUNCTION", b"RESTORE", payload]), b"+OK\r\n");
    check(&mut c, &[("FCALL show 1 n", "$2\n42"), ("FUNCTION FLUSH", "+OK")]);
    assert_eq!(c.run(&["FCALL", "show", "1", "n"]), "-ERR Function not found\r\n");
}

#[test]
fn the_code_of_a_library_finds_little_while_it_is_loaded() {
    let mut c = TestClient::new();
    let cases = [
        ("return 1", "No functions registered"),
        ("local a = math", "nonexistent global variable 'math'"),
        ("redis.call('ping')", "nonexistent global variable 'call'"),
        ("x = 1", "Attempt to modify a readonly table"),
        ("redis.register_function()", "wrong number of arguments to redis.register_function"),
        ("x y", "Error compiling function: user_function:2:"),
        ("while true do end", "FUNCTION LOAD timeout"),
    ];
    for (code, why) in cases {
        let reply = c.run(&["FUNCTION", "LOAD", &format!("#!lua name=lib\n{code}")]);
        assert!(reply.contains(why), "{code}: {reply}");
    }
}

/// More arguments and parts than Lua gives out handles.
#[test]
fn large_replies_and_many_arguments_go_through() {
    let mut c = TestClient::new();
    let list = eval(&mut c, "local t = {} for i = 1, 20000 do t[i] = 'x' end return t");
    assert!(list.starts_with("*20000\r\n$1\r\nx\r\n") && list.ends_with("$1\r\nx\r\n"));
    let map = eval(&mut c, "local t = {} for i = 1, 9000 do t['k' .. i] = {i} end return {map=t}");
    assert!(map.starts_with("*18000\r\n"));
    let words: Vec<String> = (0..20_000).map(|i| i.to_string()).collect();
    let mut request = vec!["EVAL", "return #ARGV", "0"];
    request.extend(words.iter().map(String::as_str));
    assert_eq!(c.run(&request), ":20000\r\n");
}

#[test]
fn a_library_s_name_and_options_are_looked_at_before_its_code() {
    let mut c = TestClient::new();
    let code = "#!lua name=one\nredis.register_function('f',function() return 1 end)";
    assert_eq!(c.run(&["FUNCTION", "LOAD", code]), "$3\r\none\r\n");
    let broken = "#!lua name=one\nnonsense";
    let exists = "-ERR Library 'one' already exists\r\n";
    assert_eq!(c.run(&["FUNCTION", "LOAD", broken]), exists);
    assert_eq!(c.run(&["FUNCTION", "LOAD", "replace", "REPLACE", code]), "$3\r\none\r\n");
    let unknown = "-ERR Unknown option given: anew\r\n";
    assert_eq!(c.run(&["FUNCTION", "LOAD", "replace", "anew", code]), unknown);
    assert_eq!(c.run(&["FUNCTION", "LOAD", "anew", "replace", "x", code]), unknown);
}
