//! Debuggers: how each is recognised, what a connection does to it, and how a client connects.
//!
//! Looks only, never touches: nothing here connects to a debug port or binds one, but for the one probe that a person asks
//! for, and only where it is harmless.

pub mod connect;
pub mod port_view;
pub mod probe;
pub mod scan;
pub mod servers;
pub mod version;
pub mod watch;
