//! Asks the firewalls: pf through pfctl, the Application Firewall through socketfilterfw.
//!
//! Programs are run by their absolute path; what they print is read by pure functions ([`read`], [`app`]). A
//! text that cannot be read is given back as it is, and never taken for an answer.

pub mod app;
pub mod pfctl;
pub mod read;
pub mod states;

pub use pfctl::{Pfctl, PfctlError, Release, Rules};
pub use read::Reference;
