//! Who listens, how, and what a connection would do to them. Looks only, never touches: nothing here connects to a
//! debug port or binds one, but for the one probe that a person asks for, and only where it is harmless.

pub mod pflog;
pub mod probe;
pub mod servers;
pub mod sockets;
pub mod view;

use crate::status::Listener;
use sockets::SocketsError;

/// Every TCP listener of this machine, as the status needs it. Errors: see [`sockets::read`].
pub fn listeners() -> Result<Vec<Listener>, SocketsError> {
    Ok(sockets::listeners()?.iter().map(Listener::from).collect())
}
