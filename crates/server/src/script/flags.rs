//! [`Flags`]: what a script says of itself in its first line, and what that allows.
//!
//! ```text
//! #!lua flags=no-writes,allow-oom      a script        #!lua name=library       a library of functions
//! ```

/// What a script or function may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    pub(crate) const NO_WRITES: Flags = Flags(1);
    pub(crate) const ALLOW_OOM: Flags = Flags(1 << 1);
    pub(crate) const ALLOW_STALE: Flags = Flags(1 << 2);
    pub(crate) const NO_CLUSTER: Flags = Flags(1 << 3);
    pub(crate) const ALLOW_CROSS_SLOT_KEYS: Flags = Flags(1 << 4);
    /// It has no first line that says anything: checks are made command by command.
    pub(crate) const SAYS_NOTHING: Flags = Flags(1 << 5);

    /// Names, in Redis's order.
    pub(crate) const NAMES: [(Flags, &'static str); 5] = [
        (Flags::NO_WRITES, "no-writes"),
        (Flags::ALLOW_OOM, "allow-oom"),
        (Flags::ALLOW_STALE, "allow-stale"),
        (Flags::NO_CLUSTER, "no-cluster"),
        (Flags::ALLOW_CROSS_SLOT_KEYS, "allow-cross-slot-keys"),
    ];

    pub(crate) fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }
    pub(crate) fn with(self, flag: Flags) -> Flags {
        Flags(self.0 | flag.0)
    }
    /// The names of the flags that are raised.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        Flags::NAMES.into_iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, name)| name)
    }
    /// The flag of this name.
    pub(crate) fn named(name: &[u8]) -> Option<Flags> {
        Flags::NAMES.iter().find(|(_, known)| known.as_bytes() == name).map(|(flag, _)| *flag)
    }
}

/// Splits a script: what its first line says, and where the code begins (at that line's end, so that line numbers stay).
///
/// # Errors
/// The text for the client, after `ERR`.
pub(crate) fn of_script(body: &[u8]) -> Result<(Flags, usize), String> {
    if !body.starts_with(b"#!") {
        return Ok((Flags::SAYS_NOTHING, 0));
    }
    let end = body
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or_else(|| "Invalid script shebang".to_owned())?;
    let line = String::from_utf8_lossy(&body[2..end]).into_owned();
    let mut words = line.split_ascii_whitespace();
    let engine = words.next().unwrap_or("");
    if engine != "lua" {
        return Err(format!("Could not find scripting engine '{engine}'"));
    }
    let mut flags = Flags::default();
    for word in words {
        let Some(list) = word.strip_prefix("flags=") else {
            return Err(format!("Unknown lua shebang option: {word}"));
        };
        for name in list.split(',').filter(|name| !name.is_empty()) {
            let flag = Flags::named(name.as_bytes())
                .ok_or_else(|| format!("Unexpected flag in script shebang: {name}"))?;
            flags = flags.with(flag);
        }
    }
    Ok((flags, end))
}
