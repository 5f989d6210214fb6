//! What the icon shows: its shape is the state, its colour the risk; a mark and a count say more.

use super::Status;
use super::firewall::FirewallState;
use super::port::{PortState, PortStatus};
use super::summary::Icon;
use crate::rules::source::Source;

/// The icon, as it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Emblem {
    pub shape: Icon,
    pub risk: Risk,
    pub mark: Option<EmblemMark>,
    /// How many ports are open; 0 where none is, 9 where more are.
    pub count: u8,
}

/// The colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Risk {
    /// Closed and protected.
    None,
    /// Open for some.
    Some,
    /// A debugger that listens can be reached by anyone now.
    High,
    /// Not protected and nothing exposed, or not seen lately.
    Unknown,
}

/// What is worth a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmblemMark {
    /// A debugger can be reached by anyone.
    Exposed,
    /// A prompt waits for permission.
    Waiting,
    /// Another machine was blocked in the last hour.
    Blocked,
    /// A port is open for anyone.
    Anyone,
}

impl Emblem {
    /// Red is for a debugger that anyone can reach, and for nothing else.
    pub fn of(status: &Status) -> Self {
        let has = |is: fn(&PortStatus) -> bool| status.ports.iter().any(is);
        let is_exposed = has(|port| port.exposed);
        let risk = match (status.icon, status.firewall.state) {
            _ if is_exposed => Risk::High,
            (Icon::Closed, _) => Risk::None,
            (Icon::Open, FirewallState::Enabled) => Risk::Some,
            _ => Risk::Unknown,
        };
        let mark = match () {
            () if is_exposed => Some(EmblemMark::Exposed),
            () if has(|port| port.blocked.is_some()) => Some(EmblemMark::Blocked),
            () if has(|port| port.state == PortState::Open && port.from == Some(Source::Any)) => {
                Some(EmblemMark::Anyone)
            }
            () => None,
        };
        let count = if status.icon == Icon::Open { status.open.min(9) } else { 0 };
        Emblem { shape: status.icon, risk, mark, count: u8::try_from(count).unwrap_or(9) }
    }

    /// The same while a prompt waits.
    pub fn waiting(self) -> Self {
        Emblem { mark: Some(EmblemMark::Waiting), ..self }
    }
}
