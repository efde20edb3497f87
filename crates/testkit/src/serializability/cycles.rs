//! Which cycles a graph has: the worst class of them, data first.

use super::anomaly::{Anomaly, Class, Through};
use super::graph::{Edge, Graph, Kind};
use super::history::{History, Operation, Transaction};
use std::fmt::Write;

/// Cycles of a class that are written down.
const SHOWN: usize = 3;
/// Edges for which a way back is looked for.
const TRIED: usize = 200;
/// Elements of a list that are written down.
const LAST: usize = 6;

const WW: u8 = Kind::Ww as u8;
const WR: u8 = Kind::Wr as u8;
const RW: u8 = Kind::Rw as u8 | Kind::RwByRange as u8;

/// The cycles of the worst class there is with the data alone, then with sessions, then with real time, as far as each adds something worse.
pub(crate) fn find(graph: &Graph, history: &History) -> Vec<Anomaly> {
    let mut found = Vec::new();
    let mut worst = None;
    let throughs = [
        (Through::Data, 0),
        (Through::Session, Kind::Session as u8),
        (Through::RealTime, Kind::Session as u8 | Kind::RealTime as u8),
    ];
    for (through, order) in throughs {
        let graph = graph.only(WW | WR | RW | order);
        if graph.components().is_empty() {
            continue;
        }
        if let Some((class, cycles)) = worst_of(&graph, order)
            && worst.is_none_or(|worst| severity(class) < severity(worst))
        {
            worst = Some(class);
            found.extend(cycles.iter().map(|cycle| anomaly(class, through, cycle, history)));
        }
    }
    found
}

fn severity(class: Class) -> Class {
    if class == Class::G2 { Class::G2Item } else { class }
}

fn worst_of(graph: &Graph, order: u8) -> Option<(Class, Vec<Vec<Edge>>)> {
    for (class, kinds) in [(Class::G0, WW), (Class::G1c, WW | WR)] {
        let cycles = some_cycles(&graph.only(kinds | order));
        if !cycles.is_empty() {
            return Some((class, cycles));
        }
    }
    let apart = graph.without_adjacent_rw();
    let components = apart.components();
    if !components.is_empty() {
        let single = single(graph, order, &components);
        if !single.is_empty() {
            return Some((Class::GSingle, single));
        }
        let mut cycles = some_cycles(&apart);
        for edge in cycles.iter_mut().flatten() {
            (edge.from, edge.to) = (edge.from / 2, edge.to / 2);
        }
        return Some((Class::GNonadjacent, cycles));
    }
    let cycles = some_cycles(graph);
    let by_range = |cycle: &Vec<Edge>| cycle.iter().any(|edge| edge.kind == Kind::RwByRange);
    let class = if cycles.iter().any(by_range) { Class::G2 } else { Class::G2Item };
    (!cycles.is_empty()).then_some((class, cycles))
}

fn some_cycles(graph: &Graph) -> Vec<Vec<Edge>> {
    graph.components().iter().take(SHOWN).map(|component| graph.cycle(component)).collect()
}

/// Cycles with one rw edge, among nodes that are on a walk with none next to another.
fn single(graph: &Graph, order: u8, components: &[Vec<u32>]) -> Vec<Vec<Edge>> {
    let others = graph.only(WW | WR | order);
    let mut is_member = vec![false; graph.nodes()];
    components.iter().flatten().for_each(|&node| is_member[node as usize / 2] = true);
    let rws = graph.edges().iter().filter(|edge| {
        edge.kind.is_rw() && is_member[edge.from as usize] && is_member[edge.to as usize]
    });
    let cycles = rws.take(TRIED).filter_map(|rw| {
        let mut cycle = vec![*rw];
        cycle.extend(others.path(rw.to, rw.from)?);
        Some(cycle)
    });
    cycles.take(SHOWN).collect()
}

fn anomaly(class: Class, through: Through, cycle: &[Edge], history: &History) -> Anomaly {
    let mut explanation = String::new();
    for edge in cycle {
        let _ = match edge.kind {
            Kind::Session => writeln!(explanation, "  T{} -session→ T{}", edge.from, edge.to),
            Kind::RealTime => writeln!(explanation, "  T{} -real time→ T{}", edge.from, edge.to),
            kind => {
                let kind = format!("{kind:?}").to_lowercase();
                writeln!(explanation, "  T{} -{kind} of {}→ T{}", edge.from, edge.key, edge.to)
            }
        };
    }
    let transactions: Vec<usize> = cycle.iter().map(|edge| edge.from as usize).collect();
    for &number in &transactions {
        let _ = writeln!(explanation, "  T{number}: {}", shown(&history.transactions()[number]));
    }
    Anomaly { class, through, transactions, explanation }
}

fn shown(transaction: &Transaction) -> String {
    let Transaction { process, began, ended, outcome, operations } = transaction;
    let mut text = format!("process {process}, {began} to {ended} ns, {outcome:?}:");
    for operation in operations {
        let _ = match operation {
            Operation::Append { key, element } => write!(text, " append {element} to {key};"),
            Operation::ReadList { key, elements, by_range } => {
                let last = &elements[elements.len().saturating_sub(LAST)..];
                let by = if *by_range { " by a range" } else { "" };
                write!(text, " read {key}{by}: {} elements, the last {last:?};", elements.len())
            }
            Operation::Write { key, value } => write!(text, " write {value} to {key};"),
            Operation::Read { key, seen } => write!(text, " read {key}: {seen:?};"),
        };
    }
    text
}
