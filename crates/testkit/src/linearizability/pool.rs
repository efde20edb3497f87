//! [`Queue`], [`Stack`] and [`Channel`]: what goes in comes out.

use super::specification::Specification;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::Hash;

/// What was called on a queue or a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolEvent<V> {
    /// Put this in.
    Push(V),
    /// Took this out, or it was empty.
    Pop(Option<V>),
}

/// First in, first out; empty at the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Queue<V>(std::marker::PhantomData<V>);

impl<V> Default for Queue<V> {
    fn default() -> Self {
        Queue(std::marker::PhantomData)
    }
}

/// Last in, first out; empty at the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Stack<V>(std::marker::PhantomData<V>);

impl<V> Default for Stack<V> {
    fn default() -> Self {
        Stack(std::marker::PhantomData)
    }
}

impl<V: Clone + Eq + Hash + Debug> Specification for Queue<V> {
    type Event = PoolEvent<V>;
    type State = VecDeque<V>;

    fn initial(&self) -> Self::State {
        VecDeque::new()
    }

    fn step(&self, state: &Self::State, event: &Self::Event) -> Option<Self::State> {
        let mut after = state.clone();
        match event {
            PoolEvent::Push(value) => after.push_back(value.clone()),
            PoolEvent::Pop(given) if after.pop_front() == *given => {}
            PoolEvent::Pop(_) => return None,
        }
        Some(after)
    }
}

impl<V: Clone + Eq + Hash + Debug> Specification for Stack<V> {
    type Event = PoolEvent<V>;
    type State = Vec<V>;

    fn initial(&self) -> Self::State {
        Vec::new()
    }

    fn step(&self, state: &Self::State, event: &Self::Event) -> Option<Self::State> {
        let mut after = state.clone();
        match event {
            PoolEvent::Push(value) => after.push(value.clone()),
            PoolEvent::Pop(given) if after.pop() == *given => {}
            PoolEvent::Pop(_) => return None,
        }
        Some(after)
    }
}

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The value is in.
    Sent,
    /// There was no room (of a `try_send`).
    Full,
    /// The channel was closed.
    Closed,
}

/// How a receive ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReceiveOutcome<V> {
    /// This came out.
    Received(V),
    /// Nothing was there (of a `try_receive`).
    Empty,
    /// Nothing was there, and the channel was closed.
    Closed,
}

/// What was called on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelEvent<V> {
    /// A send, blocking or not.
    Send(V, SendOutcome),
    /// A receive, blocking or not.
    Receive(ReceiveOutcome<V>),
    /// Nothing more can be sent; what is in can be received.
    Close,
}

/// A FIFO channel, open and empty at the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Channel<V> {
    capacity: usize,
    refuses: bool,
    values: std::marker::PhantomData<V>,
}

impl<V> Channel<V> {
    /// One that is full with `capacity` values.
    pub fn bounded(capacity: usize) -> Self {
        Channel { capacity, refuses: false, values: std::marker::PhantomData }
    }

    /// One that is never full.
    pub fn unbounded() -> Self {
        Channel::bounded(usize::MAX)
    }

    /// Lets it say full or empty at any time: where a slot that a sender or receiver has taken but not yet finished with stops those behind it, such
    /// an answer is right for the caller but not of one moment. What goes in and comes out is checked as before.
    pub fn refuses_at_will(self) -> Self {
        Channel { refuses: true, ..self }
    }
}

impl<V: Clone + Eq + Hash + Debug> Specification for Channel<V> {
    type Event = ChannelEvent<V>;
    /// What is in, and whether it is closed.
    type State = (VecDeque<V>, bool);

    fn initial(&self) -> Self::State {
        (VecDeque::new(), false)
    }

    fn step(&self, (inside, closed): &Self::State, event: &Self::Event) -> Option<Self::State> {
        let full = inside.len() >= self.capacity;
        let empty = inside.is_empty();
        let (possible, mut after) = match event {
            ChannelEvent::Send(_, SendOutcome::Sent) => (!full && !closed, inside.clone()),
            ChannelEvent::Send(_, SendOutcome::Full) => {
                (!closed && (full || self.refuses), inside.clone())
            }
            ChannelEvent::Send(_, SendOutcome::Closed) => (*closed, inside.clone()),
            ChannelEvent::Receive(ReceiveOutcome::Received(value)) => {
                (inside.front() == Some(value), inside.clone())
            }
            ChannelEvent::Receive(ReceiveOutcome::Empty) => {
                (!closed && empty || self.refuses, inside.clone())
            }
            ChannelEvent::Receive(ReceiveOutcome::Closed) => (*closed && empty, inside.clone()),
            ChannelEvent::Close => return Some((inside.clone(), true)),
        };
        match event {
            ChannelEvent::Send(value, SendOutcome::Sent) => after.push_back(value.clone()),
            ChannelEvent::Receive(ReceiveOutcome::Received(_)) => drop(after.pop_front()),
            _ => {}
        }
        possible.then_some((after, *closed))
    }
}
