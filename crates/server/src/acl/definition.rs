//! [`Definition`]: the rules of one user, as words of a request, a file or the configuration.

use super::rule::RuleError;
use super::selector::has_blanks;
use super::user::User;

/// Rules in order; a selector that was spread over several words is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    rules: Vec<Vec<u8>>,
}

/// A rule that was refused, and why.
pub(crate) type Refused = (Vec<u8>, RuleError);

impl Definition {
    /// Puts selectors together.
    ///
    /// # Errors
    /// The word that opens a selector which nobody closes.
    pub(crate) fn of<'w>(words: impl Iterator<Item = &'w [u8]>) -> Result<Self, Vec<u8>> {
        let mut rules: Vec<Vec<u8>> = Vec::new();
        let mut open: Option<(&[u8], Vec<u8>)> = None;
        for word in words {
            let closes = word.last() == Some(&b')');
            match &mut open {
                None if word.first() == Some(&b'(') && !closes => {
                    open = Some((word, word.to_vec()));
                }
                None => rules.push(word.to_vec()),
                Some((_, selector)) => {
                    selector.push(b' ');
                    selector.extend_from_slice(word);
                    if closes {
                        rules.push(std::mem::take(selector));
                        open = None;
                    }
                }
            }
        }
        match open {
            Some((first, _)) => Err(first.to_vec()),
            None => Ok(Definition { rules }),
        }
    }

    /// The user with all rules applied; `all_channels` is what `acl-pubsub-default` says.
    ///
    /// # Errors
    /// The first rule that is refused.
    pub(crate) fn applied_to(&self, user: &User, all_channels: bool) -> Result<User, Refused> {
        let mut user = user.clone();
        for rule in &self.rules {
            user.apply(rule, all_channels).map_err(|error| (rule.clone(), error))?;
        }
        Ok(user)
    }
    pub(super) fn rules(&self) -> &[Vec<u8>] {
        &self.rules
    }
}

/// Whether a user may be called so.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !has_blanks(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<String>, String> {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Definition::of(text.split(' ').map(str::as_bytes))
            .map(|d| d.rules.iter().map(|rule| lossy(rule)).collect())
            .map_err(|word| lossy(&word))
    }

    #[test]
    fn selectors_are_put_together() {
        let rules = |words: &[&str]| Ok(words.iter().map(|w| (*w).to_owned()).collect());
        assert_eq!(of("on (+get ~a ) >x"), rules(&["on", "(+get ~a )", ">x"]));
        assert_eq!(of("( +get) ()"), rules(&["( +get)", "()"]));
        assert_eq!(of("on (+get (+set"), Err("(+get".to_owned()));
        assert_eq!(of(")"), rules(&[")"]));
    }
}
