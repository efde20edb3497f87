//! Checking a directive's value and bringing it into the form that CONFIG GET reports.

use super::directive::{Directive, Kind};
use crate::resp::strict_integer;

/// Normal form of `text` for this directive.
///
/// # Errors
/// Redis's sentence on what a value must be like.
pub(crate) fn normalise(directive: &Directive, text: &str) -> Result<String, String> {
    match directive.kind {
        Kind::YesNo => {
            let word = text.to_ascii_lowercase();
            if word == "yes" || word == "no" {
                Ok(word)
            } else {
                Err("argument must be 'yes' or 'no'".into())
            }
        }
        Kind::Number(min, max) => {
            let n = strict_integer(text.as_bytes())
                .ok_or("argument couldn't be parsed into an integer")?;
            within(n, min, max)
        }
        Kind::Bytes(min, max) => {
            let n = parse_bytes(text).ok_or("argument must be a memory value")?;
            within(n, min, max)
        }
        Kind::BytesOrPercent => bytes_or_percent(text),
        Kind::OneOf(words) => one_of(words, text).map(str::to_owned),
        Kind::SomeOf(words) => {
            let given = text.split_ascii_whitespace().map(|word| one_of(words, word));
            let given: Vec<&str> = given.collect::<Result<_, _>>()?;
            if given.is_empty() {
                return one_of(words, "").map(str::to_owned);
            }
            let given: Vec<&str> = words.iter().copied().filter(|w| given.contains(w)).collect();
            Ok(given.join(" "))
        }
        Kind::Percentiles => percentiles(directive.name, text),
        Kind::Only(word, why) => match word.eq_ignore_ascii_case(text) {
            true => Ok(word.to_owned()),
            false => Err(why.to_owned()),
        },
        Kind::Permissions => permissions(text),
        Kind::FileName if text.is_empty() => Err(format!("{} can't be empty", directive.name)),
        Kind::FileName if text.contains(['/', '\\']) || matches!(text, "." | "..") => {
            Err(format!("{} can't be a path, just a filename", directive.name))
        }
        Kind::Words => words(text),
        Kind::FileName | Kind::Text => Ok(text.to_owned()),
        Kind::Save => save(text),
        Kind::OutputLimits => output_limits(text),
        Kind::Events => events(text),
    }
}

/// Words as a line of a file has them: what would end the line, or begin a quotation, would be another directive after CONFIG REWRITE.
fn words(text: &str) -> Result<String, String> {
    if text.contains(['"', '\'', '\\']) {
        return Err("words can't have quotation marks or backslashes".to_owned());
    }
    let words = text.split(|c: char| c.is_ascii_whitespace() || c.is_ascii_control());
    Ok(words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
}

fn bytes_or_percent(text: &str) -> Result<String, String> {
    let Some(number) = text.strip_suffix('%') else {
        let n = parse_bytes(text).ok_or("argument must be a memory or percent value")?;
        return within(n, 0, i64::MAX);
    };
    match strict_integer(number.as_bytes()).filter(|n| *n >= 0) {
        None => Err("argument must be a memory or percent value".into()),
        Some(percent) if percent > 100 => {
            Err("percentage argument must be less or equal to 100".into())
        }
        Some(percent) => Ok(format!("{percent}%")),
    }
}

fn percentiles(name: &str, text: &str) -> Result<String, String> {
    let mut percents = Vec::new();
    for word in text.split_ascii_whitespace() {
        let percent: f64 = word.parse().map_err(|_| format!("Invalid {name} parameters"))?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(format!("{name} parameters should sit between [0.0,100.0]"));
        }
        // `50` for `50.0`, as INFO names it.
        percents.push(percent.to_string());
    }
    Ok(percents.join(" "))
}

fn permissions(text: &str) -> Result<String, String> {
    match u32::from_str_radix(text, 8) {
        Ok(bits @ ..=0o777) => Ok(format!("{bits:o}")),
        Ok(_) => Err("argument must be between 0 and 777 inclusive".into()),
        Err(_) => Err("argument couldn't be parsed as an octal number".into()),
    }
}

fn one_of(words: &[&'static str], text: &str) -> Result<&'static str, String> {
    let found = words.iter().find(|w| w.eq_ignore_ascii_case(text));
    found
        .copied()
        .ok_or_else(|| format!("argument(s) must be one of the following: {}", words.join(", ")))
}

fn within(n: i64, min: i64, max: i64) -> Result<String, String> {
    if (min..=max).contains(&n) {
        Ok(n.to_string())
    } else {
        Err(format!("argument must be between {min} and {max} inclusive"))
    }
}

/// `64`, `64k` (thousand), `64kb` (1024), and so on up to `gb`.
pub(crate) fn parse_bytes(text: &str) -> Option<i64> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let factor: i64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<i64>().ok()?.checked_mul(factor)
}

fn save(text: &str) -> Result<String, String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let positive = |w: &&str| strict_integer(w.as_bytes()).is_some_and(|n| n > 0);
    if !words.len().is_multiple_of(2) || !words.iter().all(|w| positive(w) || *w == "0") {
        return Err("Invalid save parameters".into());
    }
    Ok(words.join(" "))
}

/// The three classes of clients, each with hard limit, soft limit, seconds.
pub(crate) const OUTPUT_CLASSES: [&str; 3] = ["normal", "slave", "pubsub"];

fn output_limits(text: &str) -> Result<String, String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let mut out = Vec::new();
    for four in words.chunks_exact(4) {
        let class = match four[0].to_ascii_lowercase().as_str() {
            "replica" => "slave".to_owned(),
            class => class.to_owned(),
        };
        if !OUTPUT_CLASSES.contains(&class.as_str()) {
            return Err("Invalid client class specified in buffer limit configuration.".into());
        }
        let figures =
            (parse_bytes(four[1]), parse_bytes(four[2]), strict_integer(four[3].as_bytes()));
        let (Some(hard), Some(soft), Some(seconds @ 0..)) = figures else {
            return Err(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.".into(),
            );
        };
        out.push(format!("{class} {hard} {soft} {seconds}"));
    }
    Ok(out.join(" "))
}

/// Classes given in `new` replace those in `old`.
pub(crate) fn merge_output_limits(old: &str, new: &str) -> String {
    let of = |text: &str, class: &str| {
        let words: Vec<&str> = text.split(' ').collect();
        words.chunks_exact(4).rev().find(|four| four[0] == class).map(|four| four.join(" "))
    };
    let merged = OUTPUT_CLASSES.iter().filter_map(|c| of(new, c).or_else(|| of(old, c)));
    merged.collect::<Vec<_>>().join(" ")
}

/// Event classes in Redis's order; `A` stands for all of the first group.
fn events(text: &str) -> Result<String, String> {
    const ALL: &str = "g$lshzxetd";
    const REST: &str = "KEmn";
    let mut wanted = String::new();
    for c in text.chars() {
        if c == 'A' {
            wanted.push_str(ALL);
        } else if ALL.contains(c) || REST.contains(c) {
            wanted.push(c);
        } else {
            return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into());
        }
    }
    let mut out = String::new();
    if ALL.chars().all(|c| wanted.contains(c)) {
        out.push('A');
    } else {
        out.extend(ALL.chars().filter(|c| wanted.contains(*c)));
    }
    out.extend(REST.chars().filter(|c| wanted.contains(*c)));
    Ok(out)
}
