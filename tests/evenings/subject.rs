//! What is tried: a Mac that can be asked, and that does what is due.

use std::collections::BTreeSet;

use crate::oracle::{Now, Terms};
use crate::world::Place;

/// A Mac with our rules, whose time is told to it.
pub trait Subject {
    /// Opens a port as the app does, with the end that its prompt names.
    fn open(&mut self, port: u16, terms: Terms, until: Option<i64>, now: &Now);
    fn close(&mut self, port: u16, now: &Now);
    fn ring(&mut self, port: u16);
    fn set_end_of_day(&mut self, now: &Now);
    fn restart(&mut self);
    fn set_sessions(&mut self, ports: &BTreeSet<u16>);
    /// This Mac goes to another network, or is seen to.
    fn set_place(&mut self, place: Place);
    /// launchd looks once. Gives whether a tick ran.
    fn poll(&mut self, now: &Now) -> bool;
    /// The ports that pf lets other machines in to.
    fn open_ports(&mut self) -> BTreeSet<u16>;
}
