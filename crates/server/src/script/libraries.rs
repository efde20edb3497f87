//! [`Libraries`]: the libraries of functions that the server has, shared by all loops.
//!
//! ```text
//! FUNCTION LOAD ─▶ run by one interpreter, to learn the functions' names ─▶ here, by name ─▶ run by every interpreter that calls one
//! ```
//!
//! Invariant: no two libraries have a function of the same name, whatever its case.

use super::flags::Flags;
use super::loading::Policy;
use rpds::{HashTrieMapSync, RedBlackTreeMapSync};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A function, as FUNCTION LIST tells of it.
#[derive(Clone, Debug)]
pub(crate) struct FunctionInfo {
    pub(crate) name: String,
    pub(crate) description: Option<Vec<u8>>,
    pub(crate) flags: Flags,
}

/// A library.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) name: String,
    /// The whole text, first line included.
    pub(crate) text: Box<[u8]>,
    pub(crate) functions: Vec<FunctionInfo>,
}

/// Libraries by name, and functions by their name in lower case. A copy shares what it has in common with its original: one more library costs the same
/// whatever the number of those that are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Set {
    libraries: RedBlackTreeMapSync<String, Arc<Library>>,
    functions: HashTrieMapSync<String, Arc<Library>>,
}

impl Set {
    /// The library of a function, and the function.
    pub(crate) fn find(&self, name: &[u8]) -> Option<(&Arc<Library>, &FunctionInfo)> {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let library = self.functions.get(&name)?;
        let info = library.functions.iter().find(|info| info.name.eq_ignore_ascii_case(&name))?;
        Some((library, info))
    }
    pub(crate) fn all(&self) -> impl ExactSizeIterator<Item = &Arc<Library>> {
        self.libraries.values()
    }
    pub(crate) fn functions_count(&self) -> usize {
        self.functions.size()
    }
    pub(super) fn contains(&self, library: &Arc<Library>) -> bool {
        self.libraries.get(&library.name).is_some_and(|known| Arc::ptr_eq(known, library))
    }
    /// # Errors
    /// There is a library of that name.
    pub(super) fn refuse_known(&self, name: &str) -> Result<(), String> {
        match self.libraries.contains_key(name) {
            true => Err(format!("Library '{name}' already exists")),
            false => Ok(()),
        }
    }
    /// Adds a library, in the place of one of its name if the policy allows that.
    ///
    /// # Errors
    /// The text for the client, after `ERR`.
    pub(crate) fn add(&mut self, library: Arc<Library>, policy: Policy) -> Result<(), String> {
        if self.libraries.contains_key(&library.name) {
            match policy {
                Policy::Refuse => self.refuse_known(&library.name)?,
                Policy::Append => return Err(format!("Library {} already exists", library.name)),
                Policy::Flush | Policy::Replace => {}
            }
            self.remove(library.name.as_bytes());
        }
        for info in &library.functions {
            if self.functions.contains_key(&info.name.to_ascii_lowercase()) {
                return Err(format!("Function {} already exists", info.name));
            }
        }
        for info in &library.functions {
            self.functions.insert_mut(info.name.to_ascii_lowercase(), library.clone());
        }
        self.libraries.insert_mut(library.name.clone(), library);
        Ok(())
    }
    /// Removes a library; tells whether it was there.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        let name = String::from_utf8_lossy(name);
        let Some(library) = self.libraries.get(&*name).cloned() else {
            return false;
        };
        self.libraries.remove_mut(&*name);
        for info in &library.functions {
            self.functions.remove_mut(&info.name.to_ascii_lowercase());
        }
        true
    }
}

/// The libraries of the server.
#[derive(Default)]
pub(crate) struct Libraries(Mutex<Arc<Set>>);

impl Libraries {
    fn lock(&self) -> MutexGuard<'_, Arc<Set>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// What there is now.
    pub(crate) fn now(&self) -> Arc<Set> {
        self.lock().clone()
    }
    /// Changes what there is, or nothing if `f` fails.
    pub(crate) fn change<R, E>(&self, f: impl FnOnce(&mut Set) -> Result<R, E>) -> Result<R, E> {
        let mut current = self.lock();
        let mut next = Set::clone(&current);
        let result = f(&mut next)?;
        *current = Arc::new(next);
        Ok(result)
    }
}

/// Splits a library: its name, and where the code begins (at the end of the first line, so that line numbers stay).
///
/// # Errors
/// The text for the client, after `ERR`.
pub(super) fn of_library(text: &[u8]) -> Result<(String, usize), String> {
    if !text.starts_with(b"#!") {
        return Err("Missing library metadata".into());
    }
    let end = text.iter().position(|byte| *byte == b'\n').ok_or("Invalid library metadata")?;
    let words = crate::resp::split_words(&text[2..end]).ok_or("Invalid library metadata")?;
    let mut words = words.iter().map(|word| String::from_utf8_lossy(word).into_owned());
    // A blank behind `#!` leaves the engine without a name.
    let engine = match text[2..end].first() {
        Some(byte) if !byte.is_ascii_whitespace() => words.next().unwrap_or_default(),
        _ => String::new(),
    };
    let mut name = None;
    for word in words {
        let Some(given) = word.strip_prefix("name=") else {
            return Err(format!("Invalid metadata value given: {word}"));
        };
        if name.replace(given.to_owned()).is_some() {
            return Err("Invalid metadata value, name argument was given multiple times".into());
        }
    }
    let name = name.ok_or("Library name was not given")?;
    if !is_name(name.as_bytes()) {
        return Err(BAD_NAME.into());
    }
    if !engine.eq_ignore_ascii_case("lua") {
        return Err(format!("Engine '{engine}' not found"));
    }
    Ok((name, end))
}

/// What names of libraries and functions are made of.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
