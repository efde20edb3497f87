//! [`Acl`]: the accounts of a server.

use super::definition::{Definition, Refused};
use super::log::AclLog;
use super::user::User;
use crate::counter::Gauge;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A name, and what the user of that name is at present.
#[derive(Debug)]
pub(crate) struct Account {
    name: Box<[u8]>,
    now: Mutex<Arc<User>>,
}

impl Account {
    fn new(name: &[u8], user: User) -> Arc<Self> {
        Arc::new(Account { name: name.into(), now: Mutex::new(Arc::new(user)) })
    }
    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }
    pub(crate) fn now(&self) -> Arc<User> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn become_user(&self, user: User) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(user);
    }
}

type Accounts = BTreeMap<Box<[u8]>, Arc<Account>>;

const DEFAULT: &[u8] = b"default";

/// All accounts; the default user's is always there.
pub(crate) struct Acl {
    accounts: Mutex<Accounts>,
    default: Arc<Account>,
    /// Counts changes, from 1.
    generation: Gauge,
    pub(crate) log: AclLog,
}

impl Acl {
    /// With the default user only; the password is `requirepass`.
    pub(crate) fn new(password: &str) -> Self {
        let mut user = User::everybody();
        user.set_only_password(password);
        let default = Account::new(DEFAULT, user);
        let generation = Gauge::default();
        generation.set(1);
        Acl {
            accounts: Mutex::new(BTreeMap::from([(DEFAULT.into(), default.clone())])),
            default,
            generation,
            log: AclLog::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Changes so far.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.get()
    }
    pub(crate) fn default_account(&self) -> &Arc<Account> {
        &self.default
    }
    pub(crate) fn find(&self, name: &[u8]) -> Option<Arc<Account>> {
        self.lock().get(name).cloned()
    }
    /// All accounts, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        self.lock().values().cloned().collect()
    }
    /// A line for each user: `user name rules…`
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        let line = |account: &Arc<Account>| {
            [b"user ", account.name(), b" ", &account.now().describe()].concat()
        };
        self.all().iter().map(line).collect()
    }

    /// Changes or makes a user, with all rules or not at all.
    ///
    /// # Errors
    /// The rule that was refused.
    pub(crate) fn change(
        &self,
        name: &[u8],
        definition: &Definition,
        all_channels: bool,
    ) -> Result<Arc<Account>, Refused> {
        let mut accounts = self.lock();
        let account = match accounts.get(name) {
            Some(account) => {
                account.become_user(definition.applied_to(&account.now(), all_channels)?);
                account.clone()
            }
            None => {
                let user = definition.applied_to(&User::new(all_channels), all_channels)?;
                let account = Account::new(name, user);
                accounts.insert(name.into(), account.clone());
                account
            }
        };
        self.generation.add(1);
        Ok(account)
    }

    /// Removes a user other than the default one. Who is that user still may do nothing any more.
    pub(crate) fn remove(&self, name: &[u8]) -> Option<Arc<Account>> {
        let mut accounts = self.lock();
        let account = if name == DEFAULT { None } else { accounts.remove(name) }?;
        account.become_user(User::new(false));
        self.generation.add(1);
        Some(account)
    }

    /// Puts these users in the place of all others; those that are no more come back. Without one of its own the default user is everybody.
    pub(crate) fn replace_all(&self, users: BTreeMap<Box<[u8]>, User>) -> Vec<Arc<Account>> {
        let mut accounts = self.lock();
        let mut gone = Vec::new();
        accounts.retain(|name, account| {
            let stays = **name == *DEFAULT || users.contains_key(name);
            if !stays {
                account.become_user(User::new(false));
                gone.push(account.clone());
            }
            stays
        });
        if !users.contains_key(DEFAULT) {
            self.default.become_user(User::everybody());
        }
        for (name, user) in users {
            match accounts.get(&name) {
                Some(account) => account.become_user(user),
                None => drop(accounts.insert(name.clone(), Account::new(&name, user))),
            }
        }
        self.generation.add(1);
        gone
    }

    /// `requirepass` has been set.
    pub(crate) fn set_password(&self, password: &str) {
        let _one_at_a_time = self.lock();
        let mut user = User::clone(&self.default.now());
        user.set_only_password(password);
        self.default.become_user(user);
        self.generation.add(1);
    }
}
