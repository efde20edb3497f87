//! [`Login`]: who a connection is.

use super::registry::{Account, Acl};
use super::user::User;
use std::sync::Arc;

/// No generation.
const NEVER: u64 = 0;

/// The user of a connection, and what that may do as of a generation of the accounts.
#[derive(Clone)]
pub(crate) struct Login {
    account: Arc<Account>,
    user: Arc<User>,
    as_of: u64,
    /// `as_of` if everything is allowed.
    pass: u64,
    is_authenticated: bool,
}

impl Login {
    /// A connection that has not said yet who it is.
    pub(crate) fn new(acl: &Acl) -> Self {
        let mut login = Login::of(acl, acl.default_account().clone());
        login.is_authenticated = login.user.lets_anybody_in();
        login.issue_pass();
        login
    }
    /// One that has authenticated.
    pub(crate) fn of(acl: &Acl, account: Arc<Account>) -> Self {
        // In this order: if it changes in between, the generation is too old and nothing else.
        let as_of = acl.generation();
        let user = account.now();
        let mut login = Login { account, user, as_of, pass: NEVER, is_authenticated: true };
        login.issue_pass();
        login
    }

    /// Whether everything is allowed.
    #[inline]
    pub(crate) fn has_pass(&self, acl: &Acl) -> bool {
        self.pass == acl.generation()
    }
    /// Whether something may have changed since.
    pub(crate) fn is_stale(&self, acl: &Acl) -> bool {
        self.as_of != acl.generation()
    }
    /// Takes over what has changed since.
    pub(crate) fn refresh(&mut self, acl: &Acl) {
        if self.is_stale(acl) {
            self.as_of = acl.generation();
            self.user = self.account.now();
            self.issue_pass();
        }
    }
    fn issue_pass(&mut self) {
        let everything = self.user.is_unrestricted() && !self.is_stranger();
        self.pass = if everything { self.as_of } else { NEVER };
    }

    /// Whether it has yet to authenticate; as of the last `refresh`.
    pub(crate) fn is_stranger(&self) -> bool {
        !self.is_authenticated && !self.user.lets_anybody_in()
    }
    pub(crate) fn user(&self) -> &User {
        &self.user
    }
    pub(crate) fn name(&self) -> &[u8] {
        self.account.name()
    }
}
