//! How a map is dropped: node by node, from the root, each value and each node once.
//!
//! A map may be dropped with repairs half done, when whoever did them gave up. Then a node is still there whose right half stands beside it: of
//! it only the left half counts, exactly as its repair would have it.

use super::node::{Links, Node, child_link};
use stillpoint_reclaim::{NodeAlloc, Owned};

/// Drops a tree with all that is in it. Panics of destructors leak the rest.
pub(super) fn drop_tree<K, V, A: NodeAlloc>(root: Owned<Node<K, V>, A>, fanout: usize) {
    let mut nodes = vec![(root, false)];
    while let Some((mut node, halved)) = nodes.pop() {
        let halved = halved || node.is_split();
        let order = node.order();
        let live: Vec<usize> = node.live_slots();
        let kept = if halved { node.middle(live.len(), fanout) } else { live.len() };
        match &mut node.links {
            Links::Values(values) => {
                for &slot in &live[..kept] {
                    // SAFETY: the map's own; the only live node with this value.
                    drop(unsafe { values[slot].take_owned::<A>() });
                }
            }
            Links::Children(_) => {
                for position in 0..=kept {
                    let link = child_link(order, position);
                    // SAFETY: the map's own; the only live node with this child.
                    let Some(child) = (unsafe { node.take_child::<A>(link) }) else { continue };
                    let right = (position < order.len()).then(|| order.slot(position));
                    let halved = node.has_halved(&child, right);
                    nodes.push((child, halved));
                }
            }
        }
    }
}
