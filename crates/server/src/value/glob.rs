//! Glob patterns as Redis has them: `*`, `?`, `[a-z]`, `[^a]`, `\x`.
//!
//! # Cost
//! O(pattern × text): a star goes back to the last star only, since a later star can take over whatever an earlier one took.

/// Stars that a pattern may use up; with more it matches nothing, as in Redis.
const MOST_STARS: usize = 1000;

/// Whether `text` matches `pattern`.
pub(crate) fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut stars = 0;
    // Where to go on if what follows the last star does not match: one byte further.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            stars += usize::from(p == 0 || pattern[p - 1] != b'*');
            if stars > MOST_STARS {
                return false;
            }
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if t == text.len() {
            return p >= pattern.len();
        }
        match step(pattern.get(p..).unwrap_or(&[]), text[t]) {
            Some(used) => {
                p += used;
                t += 1;
            }
            None => match &mut star {
                Some((after, from)) => {
                    *from += 1;
                    (p, t) = (*after, *from);
                }
                None => return false,
            },
        }
    }
}

/// Bytes of the pattern that match this byte; `None` if it does not.
fn step(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (matches, used) = in_class(class, byte);
            matches.then_some(used + 1)
        }
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [plain, ..] => (*plain == byte).then_some(1),
    }
}

/// Whether a byte is in the class, and the bytes up to behind its `]`. A class that does not end takes the rest of the pattern.
fn in_class(class: &[u8], byte: u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match class.get(at..).unwrap_or(&[]) {
            [] => return (found != negated, at.min(class.len())),
            [b']', ..] => return (found != negated, at + 1),
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                at += 3;
            }
            [plain, ..] => {
                found |= *plain == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::glob_matches;

    #[test]
    fn patterns_match_as_in_redis() {
        let yes = [
            ("*", ""),
            ("a*c", "abbc"),
            ("h?llo", "hello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("[a-c]", "b"),
            ("[c-a]", "b"),
            ("\\*", "*"),
            ("a\\?c", "a?c"),
            ("**a**", "xax"),
            ("foo*bar*", "foo1bar2bar3"),
            ("[ab", "a"),
        ];
        let no = [
            ("", "a"),
            ("a", ""),
            ("h[^e]llo", "hello"),
            ("a*c", "abbd"),
            ("[a-c]", "d"),
            ("\\*", "x"),
            ("?", ""),
        ];
        yes.iter().for_each(|(p, t)| assert!(glob_matches(p.as_bytes(), t.as_bytes()), "{p} {t}"));
        no.iter().for_each(|(p, t)| assert!(!glob_matches(p.as_bytes(), t.as_bytes()), "{p} {t}"));
    }

    #[test]
    fn a_pattern_of_many_stars_does_not_explode() {
        let pattern = "a*".repeat(2_000) + "b";
        assert!(!glob_matches(pattern.as_bytes(), "a".repeat(50_000).as_bytes()));
    }
}
