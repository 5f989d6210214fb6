//! The states of open connections, which pf passes without evaluating a rule.
//!
//! pfctl on macOS can name hosts alone (`-k`), which would cut a host's other connections too; the kernel's
//! DIOCKILLSTATES takes ports as well.

use std::error::Error;

use crate::os::TrackedConnection;
#[cfg(target_os = "macos")]
use crate::os::pf_device::PfDevice;

/// States could not be read or dropped: connections that were open stay open.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot drop the connections that are open ({0}): they stay open until they end; to cut them now, restart the debugger"
)]
pub struct StatesError(#[source] Box<dyn Error + Send + Sync>);

impl StatesError {
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        StatesError(source.into())
    }
}

/// The TCP connections that pf keeps states of.
#[cfg(target_os = "macos")]
pub fn connections() -> Result<Vec<TrackedConnection>, StatesError> {
    PfDevice::open().and_then(|pf| pf.connections()).map_err(StatesError::new)
}

/// Drops the states of these connections, and of no other. Gives how many there were; a connection that has ended
/// meanwhile has none.
#[cfg(target_os = "macos")]
pub fn drop_states(connections: &[TrackedConnection]) -> Result<usize, StatesError> {
    let pf = PfDevice::open().map_err(StatesError::new)?;
    let dropped = connections.iter().map(|connection| pf.drop_states(connection));
    dropped.sum::<Result<usize, _>>().map_err(StatesError::new)
}

/// There is no pf of macOS here.
#[cfg(not(target_os = "macos"))]
pub fn connections() -> Result<Vec<TrackedConnection>, StatesError> {
    Err(StatesError::new("there is no pf of macOS here"))
}

/// There is no pf of macOS here.
#[cfg(not(target_os = "macos"))]
pub fn drop_states(_connections: &[TrackedConnection]) -> Result<usize, StatesError> {
    Err(StatesError::new("there is no pf of macOS here"))
}
