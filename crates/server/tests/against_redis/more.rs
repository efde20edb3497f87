//! More templates: scripts, and what only newer servers have.

/// Words that have spaces in them: scripts over two keys and an argument.
pub(crate) const SCRIPTS: &[&str] = &[
    "return redis.call('get',KEYS[1])",
    "redis.call('set',KEYS[1],ARGV[1]) return redis.pcall('incr',KEYS[2])",
    "return redis.call('incr',KEYS[1])",
    "return redis.pcall('lpush',KEYS[1],ARGV[1],1,2.5)",
    "return {1,2,{3.9,'a',false,nil,4}}",
    "return {redis.status_reply('FINE'),redis.error_reply('MY words')}",
    "return redis.error_reply('words')",
    "return cjson.encode({KEYS[1],ARGV[1],{a=1}})",
    "return redis.call('type',KEYS[1])",
    "return redis.sha1hex(ARGV[1])",
    "return redis.call('nonsense')",
    "return redis.call('get')",
    "local s=redis.pcall('sadd',KEYS[1],ARGV[1]) return type(s)",
    "return redis.pcall('rename',KEYS[1],KEYS[2])",
    "for i=1,5 do redis.pcall('rpush',KEYS[2],i) end return redis.pcall('lrange',KEYS[2],0,-1)",
    "redis.call('select',1) redis.call('set',KEYS[1],'one') return redis.call('get',KEYS[1])",
    "return redis.call('exists',KEYS[1],KEYS[2]) == 2",
    "return tonumber(ARGV[1])",
    "return cmsgpack.pack({ARGV[1],1,-7,1.5,true})",
    "error('broken')",
    "error({err='MY own'})",
    "return #ARGV .. '/' .. #KEYS",
    "return x",
    "if",
];

/// How often, template: of servers from 7.4 or Valkey 9 on.
pub(crate) const NEWER: &[(u32, &str)] = &[
    (6, "hexpire K S FIELDS 1 F"),
    (4, "hexpire K S ~expire FIELDS 2 F F"),
    (2, "hexpire K J FIELDS 1 F"),
    (3, "hpexpire K M ~expire FIELDS 1 F"),
    (3, "hexpireat K A FIELDS 2 F F"),
    (2, "hpexpireat K B FIELDS 1 F"),
    (1, "hexpireat K J FIELDS 1 F"),
    (4, "httl K FIELDS 2 F F"),
    (3, "hpttl K FIELDS 1 F"),
    (2, "hexpiretime K FIELDS 2 F F"),
    (2, "hpexpiretime K FIELDS 1 F"),
    (3, "hpersist K FIELDS 2 F F"),
    (1, "hexpire K S FIELDS N F"),
    (1, "httl K FIELDS N F"),
];
