//! Ending connections whose users have lost what they are there for.

use super::registry::Account;
use crate::clients::Card;
use crate::env::Env;
use crate::pubsub::Kind;
use crate::session::State;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Ends the connections of an account that is no more; the one that says so, after its reply.
pub(crate) fn end_connections(account: &Account, session: &mut State, env: &Env) {
    for card in env.server.clients.all() {
        if card.account().is_some_and(|of| std::ptr::eq(&*of, account)) {
            end(&card, session, env);
        }
    }
}

/// Ends the connections of the accounts meant that listen to something that their users may not listen to any more.
pub(crate) fn end_listeners(is_meant: impl Fn(&Account) -> bool, session: &mut State, env: &Env) {
    if env.server.pubsub.is_empty() {
        return;
    }
    let mut doomed = BTreeMap::new();
    env.server.pubsub.for_each_listener(|kind, name, card: &Arc<Card>| {
        let account = card.account().unwrap_or_else(|| env.server.acl.default_account().clone());
        if is_meant(&account) && !account.now().may_listen(name, kind == Kind::Pattern) {
            doomed.insert(card.id, card.clone());
        }
    });
    doomed.values().for_each(|card| end(card, session, env));
}

fn end(card: &Card, session: &mut State, env: &Env) {
    if card.id == session.id {
        session.close_after_reply = true;
    } else {
        env.server.kill(card);
    }
}
