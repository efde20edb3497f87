//! [`Loads`]: loads under way, at most one a key, and who waits for them.
//!
//! ```text
//!  flights   space and key ─▶ flight: number · stage (open ─▶ closing ─▶ over) · ending · who sleeps until then
//!  running   thread ─▶ flights whose loader it runs at this moment
//!  waits     (flight, flight): the loader of the one waits for the end of the other
//! ```
//! # Invariants
//! 1. A flight is among `flights` from before its loader runs until after its outcome is committed. Its leader takes it out, also when it panics or is
//!    dropped; it is over right afterwards, and wakes all.
//! 2. Who joins while a loader runs on its own thread waits for the sake of that loader. If the flight it joins waits in its turn, through any number of
//!    others, for one of those, none of them would ever end, and it is refused. A task counts as running while it is polled.
//! 3. Nobody runs other people's code under the locks, and the table's is taken before a flight's.
//!
//! # Orderings
//! | tag | sites |
//! |---|---|
//! | `[flights]` | SeqCst: raised before a leader loads, looked at by who is to remove a key, before it looks at the key; invariant 2 of `cache` |

use crate::owned_entry::OwnedEntry;
use crate::stream::{Seat, Signal};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use stillpoint_primitive::CachePadded;
use stillpoint_primitive::sync::atomic::{AtomicUsize, Ordering};
use stillpoint_primitive::sync::thread::{self, ThreadId};

/// How a flight ends for those who wait.
pub(super) enum Ending<O> {
    /// With what was loaded, or nothing.
    Value(Option<Arc<OwnedEntry<O>>>),
    /// With the loader's error.
    Failed(Arc<dyn Any + Send + Sync>),
    /// With nothing that they could use: they look anew.
    Void,
}

impl<O> Clone for Ending<O> {
    fn clone(&self) -> Self {
        match self {
            Ending::Value(entry) => Ending::Value(entry.clone()),
            Ending::Failed(error) => Ending::Failed(Arc::clone(error)),
            Ending::Void => Ending::Void,
        }
    }
}

enum Stage<O> {
    /// Who joins takes the outcome.
    Open,
    /// Who joins has to look anew at the end.
    Closing,
    Over(Ending<O>),
}

struct Flight<O> {
    number: u64,
    stage: Mutex<Stage<O>>,
    over: Signal,
}

struct Table<O> {
    flights: HashMap<Box<[u8]>, Arc<Flight<O>>>,
    running: HashMap<ThreadId, Vec<u64>>,
    waits: Vec<(u64, u64)>,
    numbers: u64,
    begun: u64,
    failed: u64,
}

/// The loads of a store.
pub(crate) struct Loads<O> {
    count: CachePadded<AtomicUsize>,
    table: Mutex<Table<O>>,
}

/// No code of others runs under these locks, so they are not poisoned in the midst of anything.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A key among those of all spaces.
pub(super) fn name(space: u8, key: &[u8]) -> Box<[u8]> {
    [&[space], key].concat().into()
}

/// What joining a key's flight comes to.
pub(super) enum Joined<'l, O> {
    Leads(Lead<'l, O>),
    Waits(Waiting<'l, O>),
    Circular,
}

impl<O> Loads<O> {
    pub(crate) fn new() -> Self {
        let table = Table {
            flights: HashMap::new(),
            running: HashMap::new(),
            waits: Vec::new(),
            numbers: 0,
            begun: 0,
            failed: 0,
        };
        Loads { count: CachePadded::new(AtomicUsize::new(0)), table: Mutex::new(table) }
    }

    /// Loaders that were run, and how many of them failed.
    pub(crate) fn begun_and_failed(&self) -> (u64, u64) {
        let table = locked(&self.table);
        (table.begun, table.failed)
    }

    /// Whether anybody loads anything.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        // SeqCst [flights]: before the key is looked at
        self.count.load(Ordering::SeqCst) != 0
    }

    /// Whether somebody loads that key.
    pub(crate) fn has(&self, space: u8, key: &[u8]) -> bool {
        locked(&self.table).flights.contains_key(&name(space, key))
    }

    /// The keys of a space that somebody loads.
    pub(crate) fn keys_of(&self, space: u8) -> Vec<Vec<u8>> {
        if !self.any() {
            return Vec::new();
        }
        let table = locked(&self.table);
        let names = table.flights.keys().filter(|name| name[0] == space);
        names.map(|name| name[1..].to_vec()).collect()
    }

    pub(super) fn join(&self, name: Box<[u8]>) -> Joined<'_, O> {
        let mut table = locked(&self.table);
        let Some(flight) = table.flights.get(&name).map(Arc::clone) else {
            table.numbers += 1;
            let number = table.numbers;
            let (stage, over) = (Mutex::new(Stage::Open), Signal::default());
            let flight = Arc::new(Flight { number, stage, over });
            table.flights.insert(name.clone(), Arc::clone(&flight));
            // SeqCst [flights]: before anything is loaded
            self.count.fetch_add(1, Ordering::SeqCst);
            return Joined::Leads(Lead { loads: self, name, flight, is_over: false });
        };
        let own = table.running.get(&thread::current().id()).cloned().unwrap_or_default();
        if table.waits_for(flight.number, &own) {
            return Joined::Circular;
        }
        let waits: Vec<_> = own.into_iter().map(|waiter| (waiter, flight.number)).collect();
        table.waits.extend(&waits);
        let is_late = !matches!(*locked(&flight.stage), Stage::Open);
        Joined::Waits(Waiting { loads: self, flight, waits, is_late, seat: Seat::default() })
    }
}

impl<O> Table<O> {
    /// Whether a flight is one of those, or waits for one.
    fn waits_for(&self, flight: u64, those: &[u64]) -> bool {
        if those.is_empty() {
            return false;
        }
        let (mut met, mut next) = (vec![flight], 0);
        while let Some(&flight) = met.get(next) {
            if those.contains(&flight) {
                return true;
            }
            for (waiter, for_whom) in &self.waits {
                if *waiter == flight && !met.contains(for_whom) {
                    met.push(*for_whom);
                }
            }
            next += 1;
        }
        false
    }
}

/// The duty to load a key. Dropped, it passes to one of those who wait.
pub(super) struct Lead<'l, O> {
    loads: &'l Loads<O>,
    name: Box<[u8]>,
    flight: Arc<Flight<O>>,
    is_over: bool,
}

impl<O> Lead<'_, O> {
    /// The loader is about to be run.
    pub(super) fn begin(&self) {
        locked(&self.loads.table).begun += 1;
    }

    /// The calling thread runs the loader, until the result is dropped.
    pub(super) fn run(&self) -> Running<'_, O> {
        let mut table = locked(&self.loads.table);
        table.running.entry(thread::current().id()).or_default().push(self.flight.number);
        Running { loads: self.loads, number: self.flight.number }
    }

    /// Who joins from here on does not take the outcome.
    pub(super) fn close(&self) {
        let _table = locked(&self.loads.table);
        *locked(&self.flight.stage) = Stage::Closing;
    }

    /// Ends the flight.
    pub(super) fn end(mut self, ending: Ending<O>) {
        self.set_over(ending);
    }

    /// The same, of a loader that failed.
    pub(super) fn failed(mut self, ending: Ending<O>) {
        locked(&self.loads.table).failed += 1;
        self.set_over(ending);
    }

    fn set_over(&mut self, ending: Ending<O>) {
        self.is_over = true;
        locked(&self.loads.table).flights.remove(&self.name);
        // SeqCst [flights]: after the commit
        self.loads.count.fetch_sub(1, Ordering::SeqCst);
        *locked(&self.flight.stage) = Stage::Over(ending);
        self.flight.over.notify();
    }
}

impl<O> Drop for Lead<'_, O> {
    fn drop(&mut self) {
        if !self.is_over {
            self.set_over(Ending::Void);
        }
    }
}

/// The calling thread runs a loader.
pub(super) struct Running<'l, O> {
    loads: &'l Loads<O>,
    number: u64,
}

impl<O> Drop for Running<'_, O> {
    fn drop(&mut self) {
        let mut table = locked(&self.loads.table);
        let thread = thread::current().id();
        if let Some(flights) = table.running.get_mut(&thread) {
            let at = flights.iter().rposition(|number| *number == self.number);
            flights.remove(at.expect("was put there"));
            if flights.is_empty() {
                table.running.remove(&thread);
            }
        }
    }
}

/// A place among those who wait for a flight's end.
pub(super) struct Waiting<'l, O> {
    loads: &'l Loads<O>,
    flight: Arc<Flight<O>>,
    /// For the sake of which flights.
    waits: Vec<(u64, u64)>,
    is_late: bool,
    seat: Seat,
}

impl<O> Waiting<'_, O> {
    /// Sleeps until the end; `None` for who joined too late to take it.
    pub(super) fn wait(&self) -> Option<Ending<O>> {
        loop {
            let round = self.flight.over.listen();
            if let Some(ending) = self.ending() {
                return ending;
            }
            self.flight.over.wait(round, None);
        }
    }

    /// The same for tasks.
    pub(super) fn poll(&mut self, task: &mut Context<'_>) -> Poll<Option<Ending<O>>> {
        loop {
            let round = self.flight.over.listen();
            if let Some(ending) = self.ending() {
                return Poll::Ready(ending);
            }
            if self.flight.over.register(round, task.waker(), &mut self.seat) {
                return Poll::Pending;
            }
        }
    }

    fn ending(&self) -> Option<Option<Ending<O>>> {
        match &*locked(&self.flight.stage) {
            Stage::Over(_) if self.is_late => Some(None),
            Stage::Over(ending) => Some(Some(ending.clone())),
            Stage::Open | Stage::Closing => None,
        }
    }
}

impl<O> Drop for Waiting<'_, O> {
    fn drop(&mut self) {
        self.flight.over.leave(&mut self.seat);
        if self.waits.is_empty() {
            return;
        }
        let mut table = locked(&self.loads.table);
        for wait in &self.waits {
            if let Some(at) = table.waits.iter().position(|known| known == wait) {
                table.waits.swap_remove(at);
            }
        }
    }
}
