//! The tree against a sorted vector.

use super::*;

fn key(number: u32) -> (f64, Bytes) {
    (f64::from(number % 50), Bytes::from(&number.to_be_bytes()[..]))
}

/// Checks the invariants below a node; its height.
fn check(node: &Node, is_root: bool) -> usize {
    assert!(node.width() <= MAX && (is_root || node.width() > 0));
    match node {
        Node::Leaf(entries) => {
            let ascends = |pair: &[Scored]| pair[0].is_before(pair[1].score, &pair[1].member);
            assert!(entries.windows(2).all(ascends));
            1
        }
        Node::Inner(children) => {
            for child in children {
                let first = child.node.first().unwrap();
                assert_eq!((child.len, child.first.score), (child.node.len(), first.score));
                assert_eq!(child.first.member, first.member);
            }
            let heights: Vec<usize> =
                children.iter().map(|child| check(&child.node, false)).collect();
            assert!(heights.windows(2).all(|pair| pair[0] == pair[1]));
            heights[0] + 1
        }
    }
}

fn agrees(tree: &RankedTree, model: &std::collections::BTreeMap<(u32, Vec<u8>), ()>) {
    check(&tree.root, true);
    let mut entries = Vec::new();
    tree.for_each_in(0..usize::MAX, false, |entry| {
        entries.push((entry.score as u32, entry.member.to_vec()));
    });
    assert!(entries.iter().eq(model.keys()));
    assert_eq!(tree.len(), model.len());
}

#[test]
fn entries_ranks_and_ranges_are_those_of_a_sorted_vector() {
    let mut tree = RankedTree::new();
    let mut model = std::collections::BTreeMap::new();
    let mut random = fastrand::Rng::with_seed(11);
    for step in 0..20_000u32 {
        let (score, member) = key(random.u32(..4_000));
        let entry = (score as u32, member.to_vec());
        // It grows, then it shrinks.
        if random.u8(..8) < if step < 12_000 { 5 } else { 2 } {
            if model.insert(entry, ()).is_none() {
                tree.insert(Scored { score, member });
            }
        } else {
            assert_eq!(tree.remove(score, &member), model.remove(&entry).is_some());
        }
        if step % 1_000 == 0 {
            agrees(&tree, &model);
        }
    }
    agrees(&tree, &model);
    let entries: Vec<_> = model.keys().cloned().collect();
    for (rank, (score, member)) in entries.iter().enumerate() {
        assert_eq!(tree.rank(f64::from(*score), member), rank);
    }
    for _ in 0..200 {
        let (from, to) = (random.usize(..entries.len()), random.usize(..entries.len() + 5));
        for reverse in [false, true] {
            let mut seen = Vec::new();
            tree.for_each_in(from..to, reverse, |entry| seen.push(entry.member.to_vec()));
            let mut expected: Vec<_> =
                entries.get(from..to.min(entries.len())).unwrap_or_default().to_vec();
            if reverse {
                expected.reverse();
            }
            assert!(seen.iter().eq(expected.iter().map(|(_, member)| member)));
        }
    }
    for (score, member) in &entries {
        assert!(tree.remove(f64::from(*score), member));
    }
    assert_eq!(tree.len(), 0);
    check(&tree.root, true);
}

#[test]
fn an_older_version_stays_as_it_was() {
    let mut tree = RankedTree::new();
    (0..500).map(key).for_each(|(score, member)| tree.insert(Scored { score, member }));
    let older = tree.clone();
    (0..400).map(key).for_each(|(score, member)| assert!(tree.remove(score, &member)));
    (500..900).map(key).for_each(|(score, member)| tree.insert(Scored { score, member }));
    assert_eq!((older.len(), tree.len()), (500, 500));
    let mut members = Vec::new();
    older.for_each_in(0..500, false, |entry| members.push(entry.member.to_vec()));
    members.sort();
    assert!(
        members.iter().map(Vec::as_slice).eq((0..500u32)
            .map(|n| n.to_be_bytes())
            .collect::<Vec<_>>()
            .iter()
            .map(|b| &b[..]))
    );
}

#[test]
fn what_comes_in_order_fills_its_leaves() {
    let mut tree = RankedTree::new();
    for number in 0..10_000u32 {
        let member = Bytes::from(&number.to_be_bytes()[..]);
        tree.insert(Scored { score: f64::from(number), member });
    }
    fn leaves(node: &Node) -> usize {
        match node {
            Node::Leaf(_) => 1,
            Node::Inner(children) => children.iter().map(|child| leaves(&child.node)).sum(),
        }
    }
    assert_eq!(check(&tree.root, true), 3);
    assert!(10_000 / leaves(&tree.root) >= 27);
}
