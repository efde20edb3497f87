//! [`DataState`]: what a connection keeps for its data commands (watched keys, its snapshot, a running transaction).

/// Per-connection state of the data commands.
#[derive(Default)]
pub(crate) struct DataState {}
