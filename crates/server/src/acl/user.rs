//! [`User`]: what an account is at one time: on or off, its passwords, its selectors. Immutable once it is in force.

use super::rule::RuleError;
use super::selector::Selector;
use crate::resp::split_words;
use sha2::{Digest as _, Sha256};

/// A password's SHA-256.
type Hash = [u8; 32];

/// A user's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    is_on: bool,
    takes_any_password: bool,
    skips_sanitizing: bool,
    passwords: Vec<Hash>,
    /// The user's own permissions, then those in brackets.
    selectors: Vec<Selector>,
}

impl User {
    /// As `ACL SETUSER name` makes one: off, without passwords and permissions; `all_channels` is what `acl-pubsub-default` says.
    pub(crate) fn new(all_channels: bool) -> Self {
        let mut root = Selector::new();
        if all_channels {
            grant(&mut root, b"allchannels");
        }
        User {
            is_on: false,
            takes_any_password: false,
            skips_sanitizing: false,
            passwords: Vec::new(),
            selectors: vec![root],
        }
    }
    /// The default user of a server that nothing has been said to: everybody, for everything.
    pub(crate) fn everybody() -> Self {
        let mut user = User { is_on: true, takes_any_password: true, ..User::new(true) };
        for rule in [&b"+@all"[..], b"~*"] {
            grant(&mut user.selectors[0], rule);
        }
        user
    }

    /// Whether a connection is this user without a password.
    pub(crate) fn lets_anybody_in(&self) -> bool {
        self.is_on && self.takes_any_password
    }
    pub(crate) fn takes_any_password(&self) -> bool {
        self.takes_any_password
    }
    /// Whether the password lets one in.
    ///
    /// # Cost
    /// One SHA-256; its duration does not tell where a password differs.
    pub(crate) fn accepts(&self, password: &[u8]) -> bool {
        if !self.is_on || self.takes_any_password {
            return self.is_on;
        }
        let hash = hash_of(password);
        let is_same = |known: &Hash| {
            let differences = known.iter().zip(&hash).fold(0, |sum, (a, b)| sum | (a ^ b));
            std::hint::black_box(differences) == 0
        };
        self.passwords.iter().fold(false, |found, known| found | is_same(known))
    }
    /// Whether it may do everything.
    pub(crate) fn is_unrestricted(&self) -> bool {
        self.selectors.iter().any(Selector::is_unrestricted)
    }
    pub(crate) fn selectors(&self) -> &[Selector] {
        &self.selectors
    }
    /// Whether it may listen to the channel.
    pub(crate) fn may_listen(&self, name: &[u8], is_pattern: bool) -> bool {
        self.selectors.iter().any(|selector| selector.allows_channel(name, is_pattern))
    }

    /// `requirepass`: the only password, or, empty, none.
    pub(crate) fn set_only_password(&mut self, password: &str) {
        self.passwords.clear();
        self.takes_any_password = password.is_empty();
        if !password.is_empty() {
            self.passwords.push(hash_of(password.as_bytes()));
        }
    }

    /// Changes it by one rule; `all_channels` is what `acl-pubsub-default` says.
    ///
    /// # Errors
    /// It is no rule, or makes no sense here.
    pub(crate) fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"" => {}
            b"on" => self.is_on = true,
            b"off" => self.is_on = false,
            b"skip-sanitize-payload" => self.skips_sanitizing = true,
            b"sanitize-payload" => self.skips_sanitizing = false,
            b"nopass" => {
                self.takes_any_password = true;
                self.passwords.clear();
            }
            b"resetpass" => {
                self.takes_any_password = false;
                self.passwords.clear();
            }
            b"clearselectors" => self.selectors.truncate(1),
            b"reset" => *self = User::new(all_channels),
            _ => match rule {
                [b'>', password @ ..] => self.add_password(hash_of(password)),
                [b'#', text @ ..] => self.add_password(parse_hash(text)?),
                [b'<', password @ ..] => return self.remove_password(&hash_of(password)),
                [b'!', text @ ..] => return self.remove_password(&parse_hash(text)?),
                [b'(', rules @ .., b')'] => self.selectors.push(selector_of(rules)?),
                _ => return self.selectors[0].apply(rule),
            },
        }
        Ok(())
    }

    fn add_password(&mut self, hash: Hash) {
        self.takes_any_password = false;
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
    }
    fn remove_password(&mut self, hash: &Hash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| known == hash);
        self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    /// Its flags, as GETUSER and LIST name them.
    pub(crate) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.is_on { "on" } else { "off" }];
        if self.takes_any_password {
            flags.push("nopass");
        }
        flags.push(match self.skips_sanitizing {
            true => "skip-sanitize-payload",
            false => "sanitize-payload",
        });
        flags
    }
    /// The hashes of its passwords, in hexadecimal digits.
    pub(crate) fn hashes(&self) -> impl ExactSizeIterator<Item = String> {
        self.passwords.iter().map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect())
    }
    /// All of it, as rules that make it anew.
    pub(crate) fn describe(&self) -> Vec<u8> {
        let mut out = self.flags().join(" ").into_bytes();
        for hash in self.hashes() {
            out.extend_from_slice(format!(" #{hash}").as_bytes());
        }
        for (i, selector) in self.selectors.iter().enumerate() {
            let (before, behind): (&[u8], &[u8]) = if i == 0 { (b" ", b"") } else { (b" (", b")") };
            out.extend([before, &selector.describe(), behind].concat());
        }
        out
    }
}

fn grant(selector: &mut Selector, rule: &[u8]) {
    let applied = selector.apply(rule);
    debug_assert_eq!(applied, Ok(()));
}

fn hash_of(password: &[u8]) -> Hash {
    Sha256::digest(password).into()
}

/// Reads 64 lower-case hexadecimal digits.
fn parse_hash(text: &[u8]) -> Result<Hash, RuleError> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(RuleError::BadHash),
    };
    let mut hash = Hash::default();
    if text.len() != 2 * hash.len() {
        return Err(RuleError::BadHash);
    }
    for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(hash)
}

/// What stands between brackets.
fn selector_of(rules: &[u8]) -> Result<Selector, RuleError> {
    let mut selector = Selector::new();
    for rule in split_words(rules).ok_or(RuleError::Syntax)? {
        selector.apply(&rule)?;
    }
    Ok(selector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acl::Definition;

    fn of(rules: &[&str]) -> User {
        let mut user = User::new(false);
        for rule in rules {
            assert_eq!(user.apply(rule.as_bytes(), false), Ok(()), "{rule}");
        }
        user
    }

    #[test]
    fn passwords_come_and_go() {
        let mut user = of(&["on", ">one", ">two", ">two"]);
        assert!(user.accepts(b"one") && user.accepts(b"two") && !user.accepts(b"three"));
        assert_eq!(user.hashes().len(), 2);
        assert_eq!(user.apply(b"<three", false), Err(RuleError::NoSuchPassword));
        assert_eq!(user.apply(b"<one", false), Ok(()));
        assert!(!user.accepts(b"one"));
        let hash = user.hashes().next().unwrap();
        assert_eq!(user.apply(format!("!{hash}").as_bytes(), false), Ok(()));
        assert!(!user.accepts(b"two"));
        assert_eq!(user.apply(b"#12", false), Err(RuleError::BadHash));
        assert_eq!(
            user.apply(format!("#{}", "G".repeat(64)).as_bytes(), false),
            Err(RuleError::BadHash)
        );
        assert!(
            of(&["on", "nopass"]).accepts(b"anything") && !of(&["nopass"]).accepts(b"anything")
        );
    }

    #[test]
    fn what_is_told_makes_the_same_user() {
        assert_eq!(User::everybody().describe(), b"on nopass sanitize-payload ~* &* +@all");
        let user = of(&["on", ">a", "~k", "+get", "(+set ~x &c)", "(%R~y +@read -hget)"]);
        let told = String::from_utf8(user.describe()).unwrap();
        let definition = Definition::of(told.split(' ').map(str::as_bytes)).unwrap();
        assert_eq!(definition.applied_to(&User::new(true), true), Ok(user));
    }

    #[test]
    fn reset_makes_it_as_it_was_at_first() {
        let mut user = of(&["on", ">a", "~*", "&*", "+@all", "(+get)", "reset"]);
        assert_eq!(user, User::new(false));
        assert_eq!(user.apply(b"reset", true), Ok(()));
        assert_eq!(user.describe(), b"off sanitize-payload &* -@all");
        assert!(User::everybody().is_unrestricted() && !user.is_unrestricted());
    }
}
