//! What sending and receiving can meet. Errors of a send give the value back.

use std::fmt;

macro_rules! error {
    ($name:ident $(<$t:ident>)?, $($variant:pat => $text:expr),+) => {
        impl $(<$t>)? fmt::Display for $name $(<$t>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($variant => $text),+ })
            }
        }
        impl $(<$t>)? fmt::Debug for $name $(<$t>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($variant => concat!(stringify!($name), "(", $text, ")")),+ })
            }
        }
        impl $(<$t>)? std::error::Error for $name $(<$t>)? {}
    };
}

/// All receivers are gone; here is the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> SendError<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Why [`try_send`](super::Sender::try_send) did not send.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError<T> {
    /// There is no room at the moment.
    Full(T),
    /// All receivers are gone.
    Disconnected(T),
}

impl<T> TrySendError<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        match self {
            TrySendError::Full(value) | TrySendError::Disconnected(value) => value,
        }
    }
}

/// Why [`send_timeout`](super::Sender::send_timeout) did not send.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendTimeoutError<T> {
    /// There was no room all the time.
    Timeout(T),
    /// All receivers are gone.
    Disconnected(T),
}

impl<T> SendTimeoutError<T> {
    /// The value.
    pub fn into_inner(self) -> T {
        match self {
            SendTimeoutError::Timeout(value) | SendTimeoutError::Disconnected(value) => value,
        }
    }
}

/// The channel is empty and all senders are gone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecvError;

/// Why [`try_recv`](super::Receiver::try_recv) received nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryRecvError {
    /// There is nothing at the moment.
    Empty,
    /// There is nothing, and all senders are gone.
    Disconnected,
}

/// Why [`recv_timeout`](super::Receiver::recv_timeout) received nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// There was nothing all the time.
    Timeout,
    /// There is nothing, and all senders are gone.
    Disconnected,
}

error!(SendError<T>, SendError(_) => "all receivers of the channel are gone");
error!(TrySendError<T>,
    TrySendError::Full(_) => "the channel is full",
    TrySendError::Disconnected(_) => "all receivers of the channel are gone");
error!(SendTimeoutError<T>,
    SendTimeoutError::Timeout(_) => "the channel stayed full",
    SendTimeoutError::Disconnected(_) => "all receivers of the channel are gone");
error!(RecvError, RecvError => "the channel is empty and all its senders are gone");
error!(TryRecvError,
    TryRecvError::Empty => "the channel is empty",
    TryRecvError::Disconnected => "the channel is empty and all its senders are gone");
error!(RecvTimeoutError,
    RecvTimeoutError::Timeout => "the channel stayed empty",
    RecvTimeoutError::Disconnected => "the channel is empty and all its senders are gone");
