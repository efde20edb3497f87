//! [`check`]: a history's verdict.

use super::anomaly::{Anomaly, Report};
use super::graph::{Edge, Graph, Kind};
use super::history::{History, Outcome};
use super::touched::Keys;
use super::versions::Reading;
use super::{cycles, edges};

/// Direct anomalies of a class that are reported.
const SHOWN: usize = 5;

/// What is wrong with a history. Aborted transactions are held to what they read, too: no attempt may see a torn state.
pub fn check(history: &History) -> Report {
    let keys = Keys::of(history);
    let reading = Reading::of(history, &keys);
    let mut all: Vec<Edge> = Vec::new();
    reading.versions.iter().for_each(|versions| edges::of_key(versions, &mut all));
    edges::of_sessions(history, &mut all);
    edges::of_time(history, &mut all);
    let graph = Graph::new(history.transactions().len(), all.into_iter());
    let mut direct: Vec<&Anomaly> = keys.anomalies.iter().chain(&reading.anomalies).collect();
    direct.sort_by_key(|anomaly| anomaly.class);
    let mut anomalies: Vec<Anomaly> = Vec::new();
    for anomaly in direct {
        let same = anomalies.iter().filter(|other| other.class == anomaly.class).count();
        if same < SHOWN {
            anomalies.push(anomaly.clone());
        }
    }
    anomalies.extend(cycles::find(&graph, history));
    let is_committed = |outcome: &&Outcome| **outcome == Outcome::Committed;
    let committed = reading.outcomes.iter().filter(is_committed).count();
    let of_data = |edge: &&Edge| !matches!(edge.kind, Kind::Session | Kind::RealTime);
    let data_edges = graph.edges().iter().filter(of_data).count();
    Report {
        committed,
        aborted: reading.outcomes.len() - committed,
        operations: history.transactions().iter().map(|t| t.operations.len()).sum(),
        data_edges,
        order_edges: graph.edges().len() - data_edges,
        anomalies,
    }
}
