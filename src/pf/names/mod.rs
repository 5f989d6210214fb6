//! The names that pf.conf borrows from the system, one table with its look-ups in each file.
//!
//! They stand here so that a file reads the same on every machine: ports as IANA registers them, protocols as macOS's
//! `/etc/protocols` names them, the rest as pfctl has them built in.

pub(super) mod header;
pub(super) mod icmp;
pub(super) mod protocols;
pub(super) mod services;
pub(super) mod settings;
