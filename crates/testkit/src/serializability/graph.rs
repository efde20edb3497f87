//! [`Graph`]: edges in one array, strongly connected components (Tarjan 1972, without recursion), shortest cycles.

use std::collections::VecDeque;

/// What an edge means. The discriminants are bits, so that a set of them is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Ww = 1,
    Wr = 2,
    Rw = 4,
    RwByRange = 8,
    Session = 16,
    RealTime = 32,
}

impl Kind {
    pub(crate) fn is_rw(self) -> bool {
        matches!(self, Kind::Rw | Kind::RwByRange)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) kind: Kind,
    /// Of which key, where it is of one.
    pub(crate) key: u64,
}

/// The edges, those of a node next to each other.
pub(crate) struct Graph {
    starts: Vec<usize>,
    edges: Vec<Edge>,
}

const NONE: u32 = u32::MAX;

impl Graph {
    pub(crate) fn new(nodes: usize, edges: impl Iterator<Item = Edge>) -> Self {
        let mut edges: Vec<Edge> = edges.filter(|edge| edge.from != edge.to).collect();
        edges.sort_unstable_by_key(|edge| (edge.from, edge.to, edge.kind as u8));
        edges.dedup_by_key(|edge| (edge.from, edge.to, edge.kind as u8));
        let mut starts = vec![0; nodes + 1];
        for edge in &edges {
            starts[edge.from as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        Graph { starts, edges }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.starts.len() - 1
    }

    pub(crate) fn edges(&self) -> &[Edge] {
        &self.edges
    }

    fn out(&self, node: u32) -> &[Edge] {
        &self.edges[self.starts[node as usize]..self.starts[node as usize + 1]]
    }

    /// The same nodes with the edges of a set of kinds.
    pub(crate) fn only(&self, kinds: u8) -> Graph {
        let edges = self.edges.iter().copied().filter(|edge| edge.kind as u8 & kinds != 0);
        Graph::new(self.nodes(), edges)
    }

    /// Each node twice, 2v and (after an rw edge) 2v + 1, which no rw edge leaves: its cycles are the closed walks in which no rw follows another.
    pub(crate) fn without_adjacent_rw(&self) -> Graph {
        let edges = self.edges.iter().flat_map(|edge| {
            let at = |from, to| Edge { from, to, ..*edge };
            let (from, to) = (2 * edge.from, 2 * edge.to);
            if edge.kind.is_rw() {
                [Some(at(from, to + 1)), None]
            } else {
                [Some(at(from, to)), Some(at(from + 1, to))]
            }
        });
        Graph::new(2 * self.nodes(), edges.flatten())
    }

    /// The components of more than one node.
    pub(crate) fn components(&self) -> Vec<Vec<u32>> {
        let nodes = self.nodes();
        let (mut number, mut low) = (vec![NONE; nodes], vec![0u32; nodes]);
        let (mut open, mut is_open) = (Vec::new(), vec![false; nodes]);
        let (mut next, mut components) = (0u32, Vec::new());
        let mut path: Vec<(u32, usize)> = Vec::new();
        for root in 0..nodes as u32 {
            if number[root as usize] != NONE {
                continue;
            }
            path.push((root, 0));
            while let Some((node, edge)) = path.last_mut() {
                let at = *node as usize;
                if *edge == 0 {
                    (number[at], low[at]) = (next, next);
                    next += 1;
                    open.push(*node);
                    is_open[at] = true;
                }
                if let Some(out) = self.out(*node).get(*edge) {
                    *edge += 1;
                    let to = out.to as usize;
                    if number[to] == NONE {
                        path.push((out.to, 0));
                    } else if is_open[to] {
                        low[at] = low[at].min(number[to]);
                    }
                    continue;
                }
                let (node, _) = path.pop().expect("looked at just now");
                if let Some((parent, _)) = path.last() {
                    low[*parent as usize] = low[*parent as usize].min(low[at]);
                }
                if low[at] == number[at] {
                    let from = open.iter().rposition(|&other| other == node).expect("open");
                    let component = open.split_off(from);
                    component.iter().for_each(|&member| is_open[member as usize] = false);
                    if component.len() > 1 {
                        components.push(component);
                    }
                }
            }
        }
        components
    }

    /// A shortest path from one node to another, as its edges.
    pub(crate) fn path(&self, from: u32, to: u32) -> Option<Vec<Edge>> {
        let mut came: Vec<Option<Edge>> = vec![None; self.nodes()];
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            for edge in self.out(node) {
                if came[edge.to as usize].is_some() {
                    continue;
                }
                came[edge.to as usize] = Some(*edge);
                if edge.to == to {
                    return Some(walk_back(&came, from, to));
                }
                queue.push_back(edge.to);
            }
        }
        None
    }

    /// A short cycle through one of the component's first nodes.
    pub(crate) fn cycle(&self, component: &[u32]) -> Vec<Edge> {
        /// Nodes from which a shortest cycle is looked for.
        const TRIED: usize = 16;
        let cycles = component.iter().take(TRIED).filter_map(|&node| self.path(node, node));
        cycles.min_by_key(Vec::len).expect("a component has a cycle through each of its nodes")
    }
}

fn walk_back(came: &[Option<Edge>], from: u32, to: u32) -> Vec<Edge> {
    let mut path = Vec::new();
    let mut at = to;
    loop {
        let edge = came[at as usize].expect("the way led here");
        path.push(edge);
        at = edge.from;
        if at == from {
            path.reverse();
            return path;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: usize, edges: &[(u32, u32, Kind)]) -> Graph {
        let edge = |&(from, to, kind): &(u32, u32, Kind)| Edge { from, to, kind, key: 0 };
        Graph::new(nodes, edges.iter().map(edge))
    }

    #[test]
    fn components_are_found_and_their_cycles_are_short() {
        let edges = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4), (4, 3), (4, 5), (1, 0)];
        let graph = graph(6, &edges.map(|(from, to)| (from, to, Kind::Ww)));
        let mut components = graph.components();
        components.iter_mut().for_each(|component| component.sort_unstable());
        components.sort();
        assert_eq!(components, [vec![0, 1, 2], vec![3, 4]]);
        assert_eq!(graph.cycle(&components[0]).len(), 2);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let many = 300_000;
        let ring: Vec<_> = (0..many).map(|node| (node, (node + 1) % many, Kind::Ww)).collect();
        assert_eq!(graph(many as usize, &ring).components()[0].len(), many as usize);
    }

    #[test]
    fn adjacent_rw_edges_are_told_from_others() {
        let skew = graph(2, &[(0, 1, Kind::Rw), (1, 0, Kind::Rw)]);
        assert_eq!(
            (skew.components().len(), skew.without_adjacent_rw().components().len()),
            (1, 0)
        );
        let single = graph(2, &[(0, 1, Kind::Rw), (1, 0, Kind::Ww)]);
        assert_eq!(single.without_adjacent_rw().components().len(), 1);
        let apart = [(0, 1, Kind::Rw), (1, 2, Kind::Wr), (2, 3, Kind::Rw), (3, 0, Kind::Ww)];
        assert_eq!(graph(4, &apart).without_adjacent_rw().components().len(), 1);
        let beside = [(0, 1, Kind::Rw), (1, 2, Kind::Rw), (2, 3, Kind::Wr), (3, 0, Kind::Ww)];
        assert_eq!(graph(4, &beside).without_adjacent_rw().components().len(), 0);
    }
}
