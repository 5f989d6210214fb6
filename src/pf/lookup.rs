//! What pfctl looks up when it loads a rule, and what a system may say of it.

use std::fmt;

/// A name, and what it is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SystemName {
    Service(String),
    User(String),
    Group(String),
    Host(String),
    /// The addresses of an interface.
    Interface(String),
}

/// `the service htpp`
impl fmt::Display for SystemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SystemName::Service(name) => write!(f, "the service {name}"),
            SystemName::User(name) => write!(f, "the user {name}"),
            SystemName::Group(name) => write!(f, "the group {name}"),
            SystemName::Host(name) => write!(f, "the host {name}"),
            SystemName::Interface(name) => write!(f, "an address of the interface {name}"),
        }
    }
}

/// What the system says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameAnswer {
    /// It was not asked.
    Unasked,
    /// It has none of that name.
    Unknown,
    Known,
    /// It knows the service, user or group by this number.
    Number(u32),
}

/// Asks the system for a name.
pub type AskName<'a> = dyn FnMut(&SystemName) -> NameAnswer + 'a;
