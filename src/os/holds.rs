//! Tokens: who holds one keeps pf enabled, and pf stops with the last of them.

use std::error::Error;

#[cfg(target_os = "macos")]
use crate::os::pf_device::PfDevice;

/// What giving a token back did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It was the last: pf is disabled now.
    Disabled,
    /// Others hold pf enabled.
    StillEnabled,
    /// pf does not know the token: it was restarted or stopped for everybody since. Nothing is held.
    AlreadyGone,
}

/// Why pf is not held as asked.
#[derive(Debug, thiserror::Error)]
pub enum HoldError {
    /// No token was taken, or the one that was taken is given back: pf is as it was.
    #[error("pf could not be enabled, and is as it was: {0}")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// It is not known whether one was taken. pf may be enabled.
    #[error("it is not known whether pf was enabled: {0}; see `sudo pfctl -s References`")]
    Unclear(#[source] Box<dyn Error + Send + Sync>),
    /// The token is still held.
    #[error("our hold on pf was not released: {0}")]
    Held(#[source] Box<dyn Error + Send + Sync>),
}

/// Takes a token. The kernel notes this process as its holder, and either gives the token or takes none
/// (DIOCSTARTREF): nothing is left on by a failure.
#[cfg(target_os = "macos")]
pub fn hold() -> Result<u64, HoldError> {
    PfDevice::open().and_then(|pf| pf.hold()).map_err(|error| HoldError::Refused(error.into()))
}

/// Gives a token back (DIOCSTOPREF). The kernel compares its number alone: it must be ours.
#[cfg(target_os = "macos")]
pub fn release(token: u64) -> Result<Release, HoldError> {
    let held = PfDevice::open().and_then(|pf| pf.release(token));
    Ok(match held.map_err(|error| HoldError::Held(error.into()))? {
        None => Release::AlreadyGone,
        Some(0) => Release::Disabled,
        Some(_) => Release::StillEnabled,
    })
}

/// There is no pf of macOS here.
#[cfg(not(target_os = "macos"))]
pub fn hold() -> Result<u64, HoldError> {
    Err(HoldError::Refused("there is no pf of macOS here".into()))
}

/// There is no pf of macOS here.
#[cfg(not(target_os = "macos"))]
pub fn release(_token: u64) -> Result<Release, HoldError> {
    Err(HoldError::Held("there is no pf of macOS here".into()))
}
