//! [`Selector`]: one set of permissions: commands, key patterns, channel patterns.
//!
//! ```text
//! rules    +@all -@hash +hget        as they were given, in order: what LIST and GETUSER tell
//! allowed  1 1 0 0 1 1 …             one bit per row of the command table: what they come to
//! ```
//!
//! Invariants:
//! 1. `allowed` and `first_args` are what `rules` come to, applied in order to all commands (`begins_with_all`) or none.
//! 2. Among `rules` none is repeated, and none is about a subcommand of a command that a later one is about.

use super::rule::RuleError;
use crate::command::{self, Command, CommandId};
use crate::value::glob_matches;

/// Keys that match a pattern, and what may be done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPattern {
    pub(super) pattern: Box<[u8]>,
    pub(super) reads: bool,
    pub(super) writes: bool,
}

impl KeyPattern {
    fn describe(&self, out: &mut Vec<u8>) {
        let mark: &[u8] = match (self.reads, self.writes) {
            (true, false) => b"%R~",
            (false, true) => b"%W~",
            _ => b"~",
        };
        out.extend_from_slice(mark);
        out.extend_from_slice(&self.pattern);
    }
}

/// What a command needs of a key. Neither: any permission for the key will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) reads: bool,
    pub(crate) writes: bool,
}

/// A set of permissions; a user has one or more, and each request has to fit into one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    all_commands: bool,
    all_keys: bool,
    all_channels: bool,
    begins_with_all: bool,
    allowed: Box<[u64]>,
    /// Commands that are allowed with this first argument only.
    first_args: Vec<(CommandId, Box<[u8]>)>,
    keys: Vec<KeyPattern>,
    channels: Vec<Box<[u8]>>,
    rules: Vec<String>,
}

impl Selector {
    /// Allows nothing.
    pub(crate) fn new() -> Self {
        Selector {
            all_commands: false,
            all_keys: false,
            all_channels: false,
            begins_with_all: false,
            allowed: vec![0; command::count().div_ceil(64)].into(),
            first_args: Vec::new(),
            keys: Vec::new(),
            channels: Vec::new(),
            rules: Vec::new(),
        }
    }

    /// Whether it allows everything there is.
    pub(crate) fn is_unrestricted(&self) -> bool {
        self.all_commands && self.all_keys && self.all_channels
    }
    pub(super) fn allows_all_keys(&self) -> bool {
        self.all_keys
    }
    pub(super) fn allows_all_channels(&self) -> bool {
        self.all_channels
    }

    /// Whether the command may be run, given its first argument.
    pub(super) fn allows_command(&self, id: CommandId, first_arg: Option<&[u8]>) -> bool {
        self.all_commands
            || self.is_allowed(id)
            || first_arg.is_some_and(|arg| {
                self.first_args
                    .iter()
                    .any(|(known, word)| *known == id && word.eq_ignore_ascii_case(arg))
            })
    }
    fn is_allowed(&self, id: CommandId) -> bool {
        self.allowed[id.index() / 64] & 1 << (id.index() % 64) != 0
    }

    /// Whether the key may be used like that.
    pub(super) fn allows_key(&self, key: &[u8], need: Need) -> bool {
        self.all_keys
            || self.keys.iter().any(|known| {
                (known.reads || !need.reads)
                    && (known.writes || !need.writes)
                    && glob_matches(&known.pattern, key)
            })
    }
    /// Whether every key there could be may be read.
    pub(super) fn allows_reading_every_key(&self) -> bool {
        self.all_keys || self.keys.iter().any(|known| known.reads && *known.pattern == *b"*")
    }
    /// Whether the channel may be used; a pattern to subscribe to has to be given as it stands here.
    pub(super) fn allows_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        self.all_channels
            || self.channels.iter().any(|known| match is_pattern {
                true => **known == *name,
                false => glob_matches(known, name),
            })
    }

    /// Changes it by one rule.
    ///
    /// # Errors
    /// It is no rule for a selector, or makes no sense here.
    pub(crate) fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => self.set_keys(true),
            b"resetkeys" => self.set_keys(false),
            b"allchannels" | b"&*" => self.set_channels(true),
            b"resetchannels" => self.set_channels(false),
            b"allcommands" | b"+@all" => self.set_commands(true),
            b"nocommands" | b"-@all" => self.set_commands(false),
            _ => match rule {
                [b'~', pattern @ ..] => return self.add_key(pattern, true, true),
                [b'%', rest @ ..] => return self.add_key_for(rest),
                [b'&', pattern @ ..] => return self.add_channel(pattern),
                [sign @ (b'+' | b'-'), b'@', name @ ..] => {
                    return self.change_category(name, *sign == b'+');
                }
                [b'+', name @ ..] if name.contains(&b'|') => return self.allow_part(name),
                [sign @ (b'+' | b'-'), name @ ..] => {
                    return self.change_command(name, *sign == b'+');
                }
                _ => return Err(RuleError::Syntax),
            },
        }
        Ok(())
    }

    fn set_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }
    fn set_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }
    fn set_commands(&mut self, all: bool) {
        self.allowed.fill(if all { u64::MAX } else { 0 });
        self.all_commands = all;
        self.begins_with_all = all;
        self.rules.clear();
        self.first_args.clear();
    }

    /// `R~…`, `W~…`, `RW~…`
    fn add_key_for(&mut self, rest: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AllKeys);
        }
        let tilde = rest.iter().position(|b| *b == b'~').ok_or(RuleError::Syntax)?;
        let (reads, writes) = match rest[..tilde].to_ascii_lowercase().as_slice() {
            b"r" => (true, false),
            b"w" => (false, true),
            b"rw" | b"wr" => (true, true),
            _ => return Err(RuleError::Syntax),
        };
        self.add_key(&rest[tilde + 1..], reads, writes)
    }
    fn add_key(&mut self, pattern: &[u8], reads: bool, writes: bool) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::AllKeys);
        }
        if has_blanks(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| *known.pattern == *pattern) {
            Some(known) => {
                known.reads |= reads;
                known.writes |= writes;
            }
            None => self.keys.push(KeyPattern { pattern: pattern.into(), reads, writes }),
        }
        Ok(())
    }
    fn add_channel(&mut self, pattern: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::AllChannels);
        }
        if has_blanks(pattern) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| **known == *pattern) {
            self.channels.push(pattern.into());
        }
        Ok(())
    }

    fn change_category(&mut self, name: &[u8], allow: bool) -> Result<(), RuleError> {
        let name = name.to_ascii_lowercase();
        let category = command::category::NAMES.iter().find(|known| known.as_bytes() == name);
        let category = category.ok_or(RuleError::Unknown)?;
        self.note(&format!("@{category}"), allow);
        for (id, row) in command::rows().filter(|(_, row)| command::category::has(row, category)) {
            self.change(id, row, allow);
        }
        Ok(())
    }
    fn change_command(&mut self, name: &[u8], allow: bool) -> Result<(), RuleError> {
        let (id, row) = command::find(name).ok_or(RuleError::Unknown)?;
        self.change(id, row, allow);
        self.note(row.name, allow);
        Ok(())
    }
    /// `command|subcommand`, or `command|argument` of a command that has no subcommands.
    fn allow_part(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let bar = name.iter().rposition(|b| *b == b'|').ok_or(RuleError::Syntax)?;
        let (id, row) = command::find(&name[..bar]).ok_or(RuleError::Unknown)?;
        let part = &name[bar + 1..];
        if row.name.contains('|') {
            return Err(RuleError::ArgumentOfSubcommand);
        }
        if part.is_empty() {
            return Err(RuleError::Syntax);
        }
        if !row.subcommands.is_empty() {
            return self.change_command(name, true);
        }
        if !self.first_args.iter().any(|(at, word)| *at == id && word.eq_ignore_ascii_case(part)) {
            self.first_args.push((id, part.into()));
        }
        self.note(&String::from_utf8_lossy(name).to_ascii_lowercase(), true);
        Ok(())
    }

    /// Allows or forbids a command with its subcommands.
    fn change(&mut self, id: CommandId, row: &Command, allow: bool) {
        for index in id.index()..=id.index() + row.subcommands.len() {
            let (word, bit) = (&mut self.allowed[index / 64], 1 << (index % 64));
            *word = if allow { *word | bit } else { *word & !bit };
        }
        self.all_commands &= allow;
        self.first_args.retain(|(known, _)| *known != id);
    }
    /// Keeps a rule about commands, and drops those that it makes superfluous.
    fn note(&mut self, what: &str, allow: bool) {
        self.rules.retain(|known| {
            let known = &known[1..];
            known != what && !known.strip_prefix(what).is_some_and(|part| part.starts_with('|'))
        });
        self.rules.push(format!("{}{what}", if allow { '+' } else { '-' }));
    }

    /// The rules about commands: `-@all +get …`
    pub(crate) fn commands_text(&self) -> String {
        let mut text = String::from(if self.begins_with_all { "+@all" } else { "-@all" });
        for rule in &self.rules {
            text.extend([" ", rule]);
        }
        text
    }
    /// The key patterns, with blanks between them.
    pub(crate) fn keys_text(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let mut out = Vec::new();
        for (i, pattern) in self.keys.iter().enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            pattern.describe(&mut out);
        }
        out
    }
    /// The channel patterns, with blanks between them.
    pub(crate) fn channels_text(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let patterns: Vec<Vec<u8>> =
            self.channels.iter().map(|pattern| [b"&", &**pattern].concat()).collect();
        patterns.join(&b' ')
    }
    /// All of it, as rules that make it anew.
    pub(crate) fn describe(&self) -> Vec<u8> {
        let mut out = self.keys_text();
        if !out.is_empty() {
            out.push(b' ');
        }
        if !self.all_channels {
            out.extend_from_slice(b"resetchannels ");
        }
        let channels = self.channels_text();
        if !channels.is_empty() {
            out.extend_from_slice(&channels);
            out.push(b' ');
        }
        out.extend_from_slice(self.commands_text().as_bytes());
        out
    }
}

/// Whether a name or pattern has bytes that would spoil the line that it is written to.
pub(super) fn has_blanks(text: &[u8]) -> bool {
    text.iter().any(|b| b.is_ascii_whitespace() || matches!(b, 0 | 0x0b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rules: &str) -> Selector {
        let mut selector = Selector::new();
        for rule in rules.split(' ') {
            assert_eq!(selector.apply(rule.as_bytes()), Ok(()), "{rule}");
        }
        selector
    }
    fn may(selector: &Selector, name: &str) -> bool {
        let (id, _) = command::find(name.as_bytes()).unwrap();
        selector.allows_command(id, None)
    }

    #[test]
    fn rules_are_told_in_order_without_superfluous_ones() {
        for (given, told) in [
            ("+@all -@hash -@slow +hget", "+@all -@hash -@slow +hget"),
            ("+@all -@hash -@slow +hget -@hash", "+@all -@slow +hget -@hash"),
            (
                "-@all +client|list +client|list +config|get +config +acl|list -acl",
                "-@all +client|list +config -acl",
            ),
            ("-@all +select|0 +select|0 +debug|segfault +debug", "-@all +select|0 +debug"),
            ("-@all +config +config|get -config|set +config", "-@all +config"),
            ("-@all +HGET +hget +hGeT", "-@all +hget"),
        ] {
            assert_eq!(of(given).commands_text(), told);
        }
    }

    #[test]
    fn what_is_told_makes_the_same_selector() {
        for rules in [
            "+@all -@string +incr -debug +debug|digest",
            "+get %R~a* %W~b* ~c &x &y* +select|0",
            "allkeys allchannels +@read -@hash +hget",
            "resetkeys",
        ] {
            let selector = of(rules);
            let told = String::from_utf8(selector.describe()).unwrap();
            assert_eq!(of(&told), selector, "{told}");
        }
    }

    #[test]
    fn categories_commands_and_parts_of_them() {
        let selector = of("+@all -@string +incr -config|set");
        assert!(may(&selector, "incr") && may(&selector, "config|get") && may(&selector, "lpush"));
        assert!(!may(&selector, "get") && !may(&selector, "config|set"));
        let selector = of("+config|get +select|0");
        assert!(
            may(&selector, "config|get") && !may(&selector, "config") && !may(&selector, "select")
        );
        let (select, _) = command::find(b"select").unwrap();
        assert!(
            selector.allows_command(select, Some(b"0"))
                && !selector.allows_command(select, Some(b"1"))
        );
    }

    #[test]
    fn keys_are_read_or_written() {
        let selector = of("%R~r* %W~w* ~both");
        let (reads, writes) =
            (Need { reads: true, writes: false }, Need { reads: false, writes: true });
        let (either, each) =
            (Need { reads: false, writes: false }, Need { reads: true, writes: true });
        assert!(selector.allows_key(b"r1", reads) && !selector.allows_key(b"r1", writes));
        assert!(selector.allows_key(b"w1", writes) && !selector.allows_key(b"w1", reads));
        assert!(selector.allows_key(b"r1", either) && selector.allows_key(b"w1", either));
        assert!(selector.allows_key(b"both", each) && !selector.allows_key(b"r1", each));
        assert!(!selector.allows_key(b"x", either));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (rules, error) in [
            ("%~", RuleError::Syntax),
            ("%R", RuleError::Syntax),
            ("what", RuleError::Syntax),
            ("+nothing", RuleError::Unknown),
            ("+@nothing", RuleError::Unknown),
            ("+config|asdf", RuleError::Unknown),
            ("+get|a|b", RuleError::Unknown),
            ("+config|get|appendonly", RuleError::ArgumentOfSubcommand),
            ("+debug|", RuleError::Syntax),
        ] {
            assert_eq!(Selector::new().apply(rules.as_bytes()), Err(error), "{rules}");
        }
        assert_eq!(of("allkeys").apply(b"~a"), Err(RuleError::AllKeys));
        assert_eq!(of("allchannels").apply(b"&a"), Err(RuleError::AllChannels));
        assert_eq!(Selector::new().apply(b"~a b"), Err(RuleError::Syntax));
    }
}
