//! [`EventLoop`]: one thread's connections, served pass by pass.
//!
//! ```text
//! sleep ─▶ clock, settings ─▶ mail ─▶ every ready socket: receive, execute ─▶ every one of them: send ─▶ tick
//!   ▲                                                                                                    │
//!   └───────────── at once, if a connection still has requests; else until a socket or the tick is due ◀─┘
//! ```
//!
//! What has been received is executed before the next socket's turn comes, while it is in the cache; long replies are sent at once for the same
//! reason. Sending the others after everybody has been served makes them leave in larger pieces.

use super::accept::{Accepted, Acceptor, LISTENING};
use super::balance::{Balance, Home, Streak};
use super::buffers::Buffers;
use super::connection::{Connection, Next};
use super::poller::{Arrival, Interest, Poller};
use super::stream::Stream;
use super::workshop::Workshop;
use crate::clock;
use crate::env::Env;
use crate::field_expiry;
use crate::saving;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The mailbox's token.
const BELL: u64 = LISTENING - 1;
/// Loops tick ten times a second, as Redis does by default; all but loop 0 only while they have connections.
const TICK_MS: u64 = 100;
/// Bytes received after which what they have replaced is reclaimed at once.
const RECLAIM_BYTES: u64 = 16 << 20;
/// Versions to begin reclaiming with, and to go on with in the next pass.
const RECLAIMED: usize = 4096;
const RECLAIMED_ON: usize = 64;
/// How long a pass may reclaim: what a large collection's versions held takes long to free.
const RECLAIM_TURN: Duration = Duration::from_micros(200);
/// How long a stopping loop tries to send what is written.
const LAST_WORDS_MS: u64 = 1000;

/// One place for a connection; `turn` tells connections that used it one after the other apart.
#[derive(Default)]
struct Place {
    turn: u32,
    connection: Option<Box<Connection>>,
}

/// A thread's worth of the server.
pub(crate) struct EventLoop {
    env: Env,
    poller: Poller,
    /// Its number.
    me: usize,
    balance: Arc<Balance>,
    /// Where scripts go that take long.
    workshop: Arc<Workshop>,
    streak: Streak,
    cpu_at_tick: (Instant, Duration),
    acceptor: Option<Acceptor>,
    places: Vec<Place>,
    free: Vec<u32>,
    kills_seen: u64,
    /// Connections to serve in this pass, those that have been, and those that CLIENT PAUSE holds up.
    listed: Vec<u64>,
    served: Vec<u64>,
    paused: Vec<u64>,
    /// In the pass before reads were held up, too.
    pauses_all: bool,
    /// When the waiting of connections ends, and their tokens.
    deadlines: BTreeSet<(u64, u64)>,
    buffers: Buffers,
    next_tick_ms: u64,
    /// When the next look is taken at transactions that clients leave open.
    next_overdue_ms: u64,
    /// Bytes received when it last reclaimed what it had replaced.
    received_at_reclaim: u64,
    /// Whether the last turn was too short for that.
    is_reclaiming: bool,
}

fn split(token: u64) -> (usize, u32) {
    (token as u32 as usize, (token >> 32) as u32)
}

impl EventLoop {
    pub(crate) fn new(
        mut env: Env,
        me: usize,
        balance: Arc<Balance>,
        acceptor: Option<Acceptor>,
        workshop: Arc<Workshop>,
    ) -> std::io::Result<Self> {
        let poller = Poller::new()?;
        env.mailbox = Some(balance.homes[me].mailbox.clone());
        poller.add(
            balance.homes[me].mailbox.bell(),
            BELL,
            Interest { read: true, write: false, end: false },
        )?;
        let mut this = EventLoop {
            env,
            poller,
            me,
            balance,
            workshop,
            streak: Streak::default(),
            cpu_at_tick: (Instant::now(), thread_cpu()),
            acceptor,
            places: Vec::new(),
            free: Vec::new(),
            kills_seen: 0,
            listed: Vec::new(),
            served: Vec::new(),
            paused: Vec::new(),
            pauses_all: false,
            deadlines: BTreeSet::new(),
            buffers: Buffers::default(),
            next_tick_ms: 0,
            next_overdue_ms: 0,
            received_at_reclaim: 0,
            is_reclaiming: false,
        };
        if let Some(acceptor) = &mut this.acceptor {
            acceptor.listen(&this.poller)?;
        }
        Ok(this)
    }

    /// Serves until the server stops.
    ///
    /// # Errors
    /// The system no longer tells which sockets are ready.
    pub(crate) fn run(mut self) -> std::io::Result<()> {
        while !self.env.server.is_stopping() {
            let timeout = self.timeout_ms();
            self.poller.wait(timeout)?;
            let begun = Instant::now();
            self.pass();
            self.env.stats.passed(begun.elapsed());
        }
        self.say_last_words();
        Ok(())
    }

    fn timeout_ms(&self) -> Option<u64> {
        if !self.listed.is_empty() || self.is_reclaiming {
            return Some(0);
        }
        let idle = self.acceptor.is_none() && self.home().connections.get() == 0;
        let tick = (!idle).then(|| self.next_tick_ms.saturating_sub(self.env.now_ms));
        let ends = [self.env.pause_left_ms(), self.env.all_pause_left_ms()].into_iter().flatten();
        let pause = ends.min().filter(|_| !self.paused.is_empty());
        let deadline = self.deadlines.first().map(|(at, _)| at.saturating_sub(self.env.now_ms));
        [tick, pause, deadline].into_iter().flatten().min()
    }

    fn pass(&mut self) {
        self.env.begin_pass(clock::now_ms());
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.refresh(&self.poller, &self.env);
        }
        let mut served = std::mem::take(&mut self.served);
        let pauses_all = self.env.all_pause_left_ms().is_some();
        let may_read = std::mem::replace(&mut self.pauses_all, pauses_all) && !pauses_all;
        if may_read || !self.env.holds_up() {
            // Before what has come since: who has seen the end of a pause finds them where they stood.
            for token in std::mem::take(&mut self.paused) {
                self.env.server.held_up.subtract(1);
                self.serve(token);
                served.push(token);
            }
        }
        while let Some(&(at, token)) = self.deadlines.first()
            && at <= self.env.now_ms
        {
            self.deadlines.pop_first();
            self.list(token);
        }
        for i in 0..self.poller.count() {
            let ready = self.poller.ready(i);
            if ready.token == BELL {
                self.read_mail();
            } else if ready.token & LISTENING != 0 {
                if let Some(acceptor) = &mut self.acceptor {
                    acceptor.accept(ready.token, &self.poller, &self.env);
                }
            } else if self.on_ready(ready) {
                self.serve(ready.token);
                served.push(ready.token);
            }
        }
        for token in std::mem::take(&mut self.listed) {
            self.serve(token);
            served.push(token);
        }
        self.answer_calls(&mut served);
        for &token in &served {
            self.settle(token);
        }
        served.clear();
        self.served = served;
        let received = self.env.stats.net_input_bytes.get() - self.received_at_reclaim;
        if received >= RECLAIM_BYTES || self.is_reclaiming {
            self.reclaim();
        }
        if self.env.now_ms >= self.next_tick_ms {
            let begun = Instant::now();
            self.tick();
            self.env.stats.tick_nanoseconds.add(begun.elapsed().as_nanos() as u64);
        }
    }

    /// For a loop whose last connection may have gone: it will not tick again soon.
    fn reclaim_if_left(&mut self) {
        if self.home().connections.get() == 0 {
            self.reclaim();
        }
    }

    /// Lets go of what this thread has replaced: by itself it would keep up to 2,560 values, however large, until it writes again. Goes on in the
    /// next pass if that takes longer than a turn.
    fn reclaim(&mut self) {
        self.received_at_reclaim = self.env.stats.net_input_bytes.get();
        let begun = Instant::now();
        let mut versions = if self.is_reclaiming { RECLAIMED_ON } else { RECLAIMED };
        loop {
            let mut is_over = false;
            let reclaimed = self.env.server.store.reclaim_while(versions, || {
                is_over = begun.elapsed() >= RECLAIM_TURN;
                !is_over
            });
            self.is_reclaiming = is_over;
            if is_over || reclaimed < versions {
                return;
            }
            versions = RECLAIMED_ON;
        }
    }

    fn at(&mut self, token: u64) -> Option<&mut Connection> {
        let (i, turn) = split(token);
        let place = self.places.get_mut(i).filter(|p| p.turn == turn)?;
        place.connection.as_deref_mut()
    }
    fn list(&mut self, token: u64) {
        if let Some(connection) = self.at(token)
            && !connection.is_listed
        {
            connection.is_listed = true;
            self.listed.push(token);
        }
    }

    /// Receives; whether the connection is to be served now. If there is something else to do, it is put on the list.
    fn on_ready(&mut self, ready: super::poller::Ready) -> bool {
        let (i, turn) = split(ready.token);
        let Some(place) = self.places.get_mut(i).filter(|p| p.turn == turn) else { return false };
        let Some(connection) = place.connection.as_deref_mut() else { return false };
        // A connection that still has whole requests does not receive more.
        let receives = ready.read && !connection.is_listed;
        let received = receives && connection.receive(&self.env, &mut self.buffers);
        let given_up = ready.ended && connection.is_blocked();
        if (ready.broken && !received) || given_up {
            self.close(ready.token);
            return false;
        }
        if ready.write && !received {
            self.list(ready.token);
        }
        received
    }

    fn serve(&mut self, token: u64) {
        let (i, turn) = split(token);
        let Some(place) = self.places.get_mut(i).filter(|p| p.turn == turn) else { return };
        let Some(connection) = place.connection.as_deref_mut() else { return };
        connection.is_listed = false;
        connection.lend(&mut self.buffers);
        connection.take_mail();
        let waited_until = connection.deadline_ms();
        let next = connection.execute(&mut self.env);
        if let Some(at) = waited_until {
            self.deadlines.remove(&(at, token));
        }
        connection.give_back_input(&mut self.buffers);
        if next == Next::Wait && connection.has_much_to_send() {
            if !connection.send(&self.env) {
                return self.close(token);
            }
            connection.give_back(&mut self.buffers);
        }
        match next {
            Next::Paused => {
                self.env.server.held_up.add(1);
                self.paused.push(token);
            }
            Next::Blocked => self.await_reply(token),
            Next::Moves => self.send_to_workshop(token),
            Next::Wait | Next::Close => {}
        }
    }

    /// Hands a connection over whose script takes long, after what it has been told already.
    fn send_to_workshop(&mut self, token: u64) {
        let (i, turn) = split(token);
        let Some(place) = self.places.get_mut(i).filter(|p| p.turn == turn) else { return };
        let Some(mut connection) = place.connection.take() else { return };
        place.turn = place.turn.wrapping_add(1) & (u32::MAX >> 1);
        self.free.push(i as u32);
        self.poller.remove(connection.stream.socket());
        self.home().connections.subtract(1);
        // If the socket is gone, the loop that gets it back will notice.
        let _alive = connection.send(&self.env);
        self.workshop.take(connection);
        self.reclaim_if_left();
    }

    /// Sees to it that a connection that waits for a key is called when its reply is there, or its time is over.
    fn await_reply(&mut self, token: u64) {
        let mailbox = self.home().mailbox.clone();
        let Some(waiter) = self.at(token).and_then(|c| c.session.state.waiter.clone()) else {
            return;
        };
        if waiter.attach(&mailbox, token) {
            return self.list(token);
        }
        if let Some(at) = waiter.deadline_ms {
            self.deadlines.insert((at, token));
        }
    }

    /// Passes on what connections of this loop, served or not, have been given in the meantime.
    fn answer_calls(&mut self, served: &mut Vec<u64>) {
        for token in self.home().mailbox.take_calls() {
            let (i, turn) = split(token);
            let Some(place) = self.places.get_mut(i).filter(|p| p.turn == turn) else { continue };
            let Some(connection) = place.connection.as_deref_mut() else { continue };
            connection.lend(&mut self.buffers);
            connection.take_mail();
            served.push(token);
        }
    }

    /// Sends, and watches the socket for what the connection waits for.
    fn settle(&mut self, token: u64) {
        let (i, turn) = split(token);
        let Some(place) = self.places.get_mut(i).filter(|p| p.turn == turn) else { return };
        let Some(connection) = place.connection.as_deref_mut() else { return };
        let alive = connection.send(&self.env);
        if !alive || (connection.is_ending() && connection.is_drained()) {
            return self.close(token);
        }
        connection.give_back(&mut self.buffers);
        if !connection.is_listed && connection.wants_another_turn(&self.env) {
            connection.is_listed = true;
            self.listed.push(token);
        }
        let wanted = connection.wanted_interest(&self.env);
        if wanted != connection.interest {
            connection.interest = wanted;
            if self.poller.change(connection.stream.socket(), token, wanted).is_err() {
                self.close(token);
            }
        }
    }

    fn close(&mut self, token: u64) {
        let (i, turn) = split(token);
        let Some(place) = self.places.get_mut(i).filter(|p| p.turn == turn) else { return };
        if let Some(mut connection) = place.connection.take() {
            if let Some(at) = connection.deadline_ms() {
                self.deadlines.remove(&(at, token));
            }
            place.turn = place.turn.wrapping_add(1) & (u32::MAX >> 1);
            self.free.push(i as u32);
            self.home().connections.subtract(1);
            connection.stream.say_goodbye();
            connection.session.state.leave(&self.env);
            self.reclaim_if_left();
        }
    }

    fn read_mail(&mut self) {
        self.home().mailbox.silence();
        for arrival in self.home().mailbox.take_arrivals() {
            let connection = match arrival {
                Arrival::New(new) => self.welcome(new),
                Arrival::Moved(connection) => connection,
            };
            self.take_in(connection);
        }
        for token in self.home().mailbox.take_answered() {
            self.list(token);
        }
        let kills = self.home().mailbox.kills();
        if kills != self.kills_seen {
            self.kills_seen = kills;
            for token in tokens_where(&mut self.places, |c| c.card().killed.get() != 0) {
                self.close(token);
            }
        }
    }

    fn welcome(&mut self, new: Accepted) -> Box<Connection> {
        let mut connection = Box::new(Connection::new(new.stream, new.card, &self.env));
        if matches!(connection.stream, Stream::Tls(_)) {
            // Requests may have come with the handshake: the socket does not tell of them.
            connection.receive(&self.env, &mut self.buffers);
            connection.give_back_input(&mut self.buffers);
        }
        connection
    }

    fn take_in(&mut self, connection: Box<Connection>) {
        let i = self.free.pop().map_or_else(
            || {
                self.places.push(Place::default());
                self.places.len() - 1
            },
            |i| i as usize,
        );
        let token = i as u64 | u64::from(self.places[i].turn) << 32;
        let watched = self.poller.add(connection.stream.socket(), token, connection.interest);
        // A kill may have looked for it while it was between two loops.
        let killed = connection.card().killed.get() != 0;
        connection.card().inbox.settle(&self.balance.homes[self.me].mailbox, token);
        self.places[i].connection = Some(connection);
        if watched.is_err() || killed {
            return self.close(token);
        }
        // It may have been moved while CLIENT PAUSE held it up, or while it waited.
        self.list(token);
    }

    fn home(&self) -> &Home {
        &self.balance.homes[self.me]
    }

    /// Publishes how busy the thread was, and moves connections that are too many for this loop.
    fn balance_load(&mut self) {
        let (then, cpu_then) = self.cpu_at_tick;
        let (now, cpu) = (Instant::now(), thread_cpu());
        let elapsed_us = now.duration_since(then).as_micros().max(1);
        self.cpu_at_tick = (now, cpu);
        self.home().busy.set((cpu.saturating_sub(cpu_then).as_micros() * 1000 / elapsed_us) as u64);
        if self.me == 0 {
            let balance = self.balance.clone();
            balance.judge(&mut self.streak);
        }
        let mut surplus = self.balance.surplus(self.me);
        let mut i = 0;
        while surplus > 0 && i < self.places.len() {
            let place = &mut self.places[i];
            if let Some(connection) = place.connection.take_if(|c| !c.is_listed) {
                if let Some(at) = connection.deadline_ms() {
                    self.deadlines.remove(&(at, i as u64 | u64::from(place.turn) << 32));
                }
                place.turn = place.turn.wrapping_add(1) & (u32::MAX >> 1);
                self.free.push(i as u32);
                self.poller.remove(connection.stream.socket());
                let other = &self.balance.homes[self.balance.emptiest()];
                self.home().connections.subtract(1);
                other.connections.add(1);
                other.mailbox.give(Arrival::Moved(connection));
                surplus -= 1;
            }
            i += 1;
        }
        if self.home().connections.get() == 0 {
            // It will not tick again soon.
            self.home().busy.set(0);
        }
    }

    fn tick(&mut self) {
        let now_ms = self.env.now_ms;
        self.next_tick_ms = now_ms + TICK_MS;
        if !self.is_reclaiming {
            self.reclaim();
        }
        self.balance_load();
        if let Some(acceptor) = &mut self.acceptor {
            acceptor.tick(&self.poller);
            crate::memory::evict_clients(&self.env);
            field_expiry::tick(&self.env);
            self.env.server.tracking.tick(&self.env);
            self.measure();
            saving::tick(&self.env.server, &self.env.settings, now_ms);
        }
        if now_ms >= self.next_overdue_ms {
            self.next_overdue_ms = now_ms + 1000;
            // A client that does nothing holds up nobody's memory for long.
            for connection in self.places.iter_mut().filter_map(|p| p.connection.as_mut()) {
                connection.session.state.data.end_overdue(now_ms);
            }
        }
        let timeout_ms = self.env.settings.timeout_s * 1000;
        let settings = &self.env.settings;
        let has_soft_limit = settings.output_limit.soft_bytes > 0
            || settings.pubsub_output_limit.soft_bytes > 0 && !self.env.server.pubsub.is_empty();
        if timeout_ms == 0 && !has_soft_limit {
            return;
        }
        let env = &self.env;
        let doomed = tokens_where(&mut self.places, |c| {
            let idle_ms = now_ms.saturating_sub(c.card().active_ms.get());
            let may_idle = timeout_ms == 0
                || c.is_blocked()
                || c.card().is_subscriber()
                || c.card().monitors.get() > 0;
            (!may_idle && idle_ms > timeout_ms) || !c.within_limits(env)
        });
        for token in doomed {
            self.env.server.log.verbose("Closing idle or overfull client");
            self.close(token);
        }
    }

    /// What goes on per second, and the most memory that was in use.
    fn measure(&mut self) {
        let server = &self.env.server;
        server.peak_memory.raise_to(crate::memory::used_bytes(server));
        server.rates.sample(server, self.env.now_ms);
    }

    /// Sends what is written, for a moment at most.
    fn say_last_words(&mut self) {
        let until = clock::now_ms() + LAST_WORDS_MS;
        loop {
            let env = &self.env;
            let waiting = self
                .places
                .iter_mut()
                .filter_map(|p| p.connection.as_deref_mut())
                .any(|c| c.send(env) && !c.is_drained());
            if !waiting || clock::now_ms() >= until {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

fn tokens_where(places: &mut [Place], mut wanted: impl FnMut(&mut Connection) -> bool) -> Vec<u64> {
    let found = places.iter_mut().enumerate().filter_map(|(i, place)| {
        let connection = place.connection.as_deref_mut()?;
        wanted(connection).then_some(i as u64 | u64::from(place.turn) << 32)
    });
    found.collect()
}

/// CPU time that this thread has used.
fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
