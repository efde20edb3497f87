//! [`serve`]: runs the requests of those who wait for keys that have been written.

use super::registry::{Registry, Table};
use super::waiter::Waiter;
use crate::acl::{Login, Scene};
use crate::command::{Context, by_id};
use crate::data::{Item, Touched};
use crate::env::Env;
use crate::session::{State, note_if_slow, rights};
use std::collections::VecDeque;
use std::time::Instant;
use stillpoint_store::At;

/// Serves who waits for the keys that a command has written, and for those that are written thereby. Empties `touched`.
#[cold]
pub(crate) fn serve(touched: &mut Touched, env: &mut Env) {
    let server = env.server.clone();
    if server.blocking.is_needed() {
        let mut table = server.blocking.lock();
        let mut ready = Ready::default();
        ready.note(touched, &table, None);
        serve_ready(&server.blocking, &mut table, ready, env);
    }
    touched.clear();
}

/// Keys whose waiters are to be looked at, in order.
#[derive(Default)]
pub(super) struct Ready(VecDeque<(u8, Box<[u8]>)>);

impl Ready {
    fn note(&mut self, touched: &Touched, table: &Table, but: Option<(u8, &[u8])>) {
        for (db, key) in touched.keys().filter(|touched| Some(*touched) != but) {
            self.add(db, key, table);
        }
        for &db in touched.emptied() {
            self.0.extend(table.keys(db).map(|key| (db, key.into())));
        }
    }

    /// Adds a key if anybody waits for it.
    pub(super) fn add(&mut self, db: u8, key: &[u8], table: &Table) {
        let known = || self.0.iter().any(|(other, known)| *other == db && **known == *key);
        if table.next_after(db, key, 0).is_some() && !known() {
            self.0.push_back((db, key.into()));
        }
    }
}

/// Serves until nobody can be served any more.
pub(super) fn serve_ready(registry: &Registry, table: &mut Table, mut ready: Ready, env: &mut Env) {
    while let Some((db, key)) = ready.0.pop_front() {
        let mut last = 0;
        while let Some(waiter) = table.next_after(db, &key, last) {
            last = waiter.arrival;
            let at = At { space: db, now_ms: env.now_ms };
            let mut is_absent = false;
            let wants = env.server.store.get_with(at, &key, |entry: Option<Item<'_>>| {
                is_absent = entry.is_none();
                waiter.awaited.is_there(entry)
            });
            if is_absent && !table.anybody_awaits_anything() {
                break;
            }
            if !wants {
                continue;
            }
            let (reply, written) = run_for(&waiter, env);
            if !reply.is_empty() {
                registry.remove(table, &waiter);
                waiter.deliver(reply);
            }
            tell(&waiter, &written, env);
            // Those who wait for this key come next anyway.
            ready.note(&written, table, Some((db, &key)));
        }
    }
}

/// Runs a waiter's request; its reply, empty if there is still nothing for it, and the keys that it wrote.
fn run_for(waiter: &Waiter, env: &mut Env) -> (Vec<u8>, Touched) {
    let acl = &env.server.acl;
    let login = match waiter.card.account() {
        Some(account) => Login::of(acl, account),
        None => Login::new(acl),
    };
    let mut session = State::new(waiter.card.clone(), login);
    session.db = waiter.db;
    session.may_wait = false;
    let mut out = waiter.blank_reply();
    let stats = env.stats.clone();
    for (id, args) in waiter.request.iter() {
        let mark = out.mark();
        if !session.login.has_pass(&env.server.acl)
            && let Err(denial) = rights::examine(args, (id, by_id(id)), &mut session, env)
        {
            let row = (id, by_id(id));
            rights::note(args, row, &session, env, (denial, Scene::TopLevel));
            let text = denial.text(session.login.name(), row.1, args, false);
            out.error_bytes(&[b"NOPERM ", text.as_slice()].concat());
            stats.command(id).rejected.add(1);
            stats.count_error(b"NOPERM");
            continue;
        }
        let begun = Instant::now();
        let mut ctx = Context { args, session: &mut session, out: &mut out, env, id };
        if let Err(error) = (by_id(id).handler)(&mut ctx) {
            ctx.out.rewind(mark);
            error.write(ctx.out);
        }
        if ctx.out.len() > 0 {
            let elapsed = begun.elapsed();
            stats.command(id).calls.add(1);
            stats.command(id).took(elapsed.as_nanos() as u64, 1, ctx.env.settings.latency_tracking);
            note_if_slow(args, by_id(id), elapsed, &ctx);
        }
        for effect in std::mem::take(&mut session.data.effects) {
            effect.happen(env);
        }
        if let Some(code) = out.error_since(mark) {
            stats.command(id).failed.add(1);
            stats.count_error(code);
        }
    }
    (out.as_bytes().to_vec(), std::mem::take(&mut session.data.touched))
}

/// Tells those who track keys what a waiter's request has written; the waiter itself, if it tracks, after its reply.
fn tell(waiter: &Waiter, written: &Touched, env: &Env) {
    if !written.is_empty() && env.server.tracking.is_needed() {
        env.server.tracking.tell(env, written, waiter.card.id);
    }
}
