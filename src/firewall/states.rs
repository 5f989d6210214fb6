//! Drops the states of one port's connections: pf lets a packet of a known state pass without looking at a rule, so
//! a port is closed for a connection that is open only when its state is gone.
//!
//! pfctl on macOS can name hosts alone (`-k`), which would cut a host's other connections too; the kernel's
//! DIOCKILLSTATES takes ports as well. On a Mac this is the crate `pfctl`'s; in a lab it is the lab's.

use std::net::IpAddr;

use crate::world::World;

/// States could not be dropped: connections that were open stay open.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot drop the connections that are open ({0}): they stay open until they end; to cut them now, restart the debugger"
)]
pub struct StatesError(String);

/// Drops the states of the TCP connections that other machines opened and that are `refused` by now (local port,
/// remote address); this Mac's own, over loopback, stay. Gives how many there were.
/// Errors: pf did not give or did not drop them.
pub fn drop_inbound(world: &World, refused: &dyn Fn(u16, IpAddr) -> bool) -> Result<usize, StatesError> {
    match world {
        World::Mac => in_kernel(refused),
        World::Lab(directory) => {
            crate::lab::drop_states(directory, refused).map_err(|error| StatesError(error.to_string()))
        }
    }
}

#[cfg(target_os = "macos")]
fn in_kernel(refused: &dyn Fn(u16, IpAddr) -> bool) -> Result<usize, StatesError> {
    let fail = |error: pfctl::Error| StatesError(error.to_string());
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

#[cfg(not(target_os = "macos"))]
fn in_kernel(_refused: &dyn Fn(u16, IpAddr) -> bool) -> Result<usize, StatesError> {
    Err(StatesError("there is no pf of macOS here".to_owned()))
}
