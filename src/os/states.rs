//! Drops the states of open connections, which pf passes without evaluating a rule.
//!
//! pfctl on macOS can name hosts alone (`-k`), which would cut a host's other connections too; the kernel's
//! DIOCKILLSTATES takes ports as well. The crate `pfctl` asks for it.

use std::error::Error;
use std::net::IpAddr;

/// States could not be dropped: connections that were open stay open.
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

/// Drops the states of the TCP connections that other machines opened and that are `refused` by now (local port,
/// remote address). Gives how many there were.
/// Errors: pf did not give or did not drop them.
#[cfg(target_os = "macos")]
pub fn drop_inbound(refused: &dyn Fn(u16, IpAddr) -> bool) -> Result<usize, StatesError> {
    let fail = |error: pfctl::Error| StatesError::new(error);
    let mut pf = pfctl::PfCtl::new().map_err(fail)?;
    let mut dropped = 0;
    for state in pf.get_states().map_err(fail)? {
        // A state in a form that the crate does not know is none of a TCP connection's.
        let (Ok(local), Ok(remote)) = (state.local_address(), state.remote_address()) else { continue };
        let tcp = matches!(state.proto(), Ok(pfctl::Proto::Tcp));
        let inbound = matches!(state.direction(), Ok(pfctl::Direction::In));
        if tcp && inbound && !remote.ip().is_loopback() && refused(local.port(), remote.ip()) {
            pf.kill_state(&state).map_err(fail)?;
            dropped += 1;
        }
    }
    Ok(dropped)
}

/// There is no pf of macOS here.
#[cfg(not(target_os = "macos"))]
pub fn drop_inbound(_refused: &dyn Fn(u16, IpAddr) -> bool) -> Result<usize, StatesError> {
    Err(StatesError::new("there is no pf of macOS here"))
}
