//! Asks the firewalls: pf through pfctl, the Application Firewall through socketfilterfw.
//!
//! Programs are run by their absolute path; what they print is read by pure functions ([`read`], [`app`]). A
//! text that cannot be read is given back as it is, and never taken for an answer.

pub mod app;
pub mod pfctl;
pub mod read;

pub use pfctl::{Pfctl, PfctlError, Rules};
pub use read::Reference;

use crate::os::Interface;
use crate::pf::interfaces::InterfaceFacts;
use crate::system::{System, is_hardware};

/// The interfaces that verdicts are for; none where they cannot be read, which leaves verdicts unknown.
pub fn interfaces(system: &dyn System) -> Vec<InterfaceFacts> {
    interface_facts(&system.interfaces().unwrap_or_default())
}

/// The interfaces as verdicts take them: hardware first, since a tunnel to one peer is not the network that is meant.
pub fn interface_facts(found: &[Interface]) -> Vec<InterfaceFacts> {
    let facts = |interface: &Interface| InterfaceFacts {
        name: interface.name.clone(),
        addresses: interface.addresses.clone(),
    };
    let (hardware, others): (Vec<&Interface>, Vec<&Interface>) =
        found.iter().partition(|interface| is_hardware(&interface.name));
    hardware.into_iter().chain(others).map(facts).collect()
}
