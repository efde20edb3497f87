//! A history in the format that other checkers read: JSON lines, an invocation and a completion for each transaction, in the order of time.

use super::history::{History, Operation, Outcome, Seen, Transaction};
use std::fmt::Write;

impl History {
    /// The history of lists, or of registers: `["append", key, element]`, `["r", key, elements]`; `["w", key, value]`, `["r", key, value]`.
    /// Ranges are read key by key, and ranks are left out.
    pub fn to_json_lines(&self) -> String {
        let transactions = self.transactions();
        let mut events: Vec<(u64, bool, usize)> = Vec::with_capacity(2 * transactions.len());
        for (number, transaction) in transactions.iter().enumerate() {
            events.push((transaction.began, false, number));
            events.push((transaction.ended, true, number));
        }
        events.sort_unstable();
        let mut text = String::new();
        for (time, is_completion, number) in events {
            let transaction = &transactions[number];
            let kind = match (is_completion, transaction.outcome) {
                (false, _) => "invoke",
                (true, Outcome::Committed) => "ok",
                (true, Outcome::Aborted) => "fail",
                (true, Outcome::Unknown) => "info",
            };
            let process = transaction.process;
            let _ =
                write!(text, r#"{{"type":"{kind}","process":{process},"time":{time},"value":["#);
            write_operations(&mut text, transaction, kind == "ok");
            text.push_str("]}\n");
        }
        text
    }
}

fn write_operations(text: &mut String, transaction: &Transaction, with_reads: bool) {
    for (number, operation) in transaction.operations.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        let _ = match operation {
            Operation::Append { key, element } => write!(text, r#"["append",{key},{element}]"#),
            Operation::Write { key, value } => write!(text, r#"["w",{key},{value}]"#),
            Operation::ReadList { key, .. } | Operation::Read { key, .. } if !with_reads => {
                write!(text, r#"["r",{key},null]"#)
            }
            Operation::ReadList { key, elements, .. } => {
                let elements: Vec<String> = elements.iter().map(u64::to_string).collect();
                write!(text, r#"["r",{key},[{}]]"#, elements.join(","))
            }
            Operation::Read { key, seen: Seen::Value { value, .. } } => {
                write!(text, r#"["r",{key},{value}]"#)
            }
            Operation::Read { key, .. } => write!(text, r#"["r",{key},null]"#),
        };
    }
}
