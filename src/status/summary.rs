//! The whole status in one sentence, and the icon that goes with it. Another language is another file with the same
//! functions.

use serde::{Deserialize, Serialize};

use super::firewall::{Firewall, FirewallState};
use super::port::{PortState, PortStatus, count};
use super::wording;
use crate::diagnosis::Answer;

/// The state of all ports, as the icon shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Icon {
    /// Every port is closed.
    Closed,
    /// At least one port can be reached from outside.
    Open,
    /// pf is off: nothing is filtered.
    Off,
    Unknown,
}

/// The ports by how they stand.
pub(super) struct Summary<'a> {
    firewall: &'a Firewall,
    is_interrupted: bool,
    /// Open, and let in, as far as is known.
    open: Vec<&'a PortStatus>,
    /// Open, and a rule of others blocks them.
    blocked: Vec<&'a PortStatus>,
    paused: Vec<&'a PortStatus>,
    let_in: Vec<&'a PortStatus>,
    unprotected: Vec<&'a PortStatus>,
    unknown: Vec<&'a PortStatus>,
    /// Not ours to close, and rules of others let no other machine in.
    kept_out: Vec<&'a PortStatus>,
}

/// The most characters of the sentence.
const LONGEST: usize = 160;

impl<'a> Summary<'a> {
    pub(super) fn of(ports: &'a [PortStatus], firewall: &'a Firewall, is_interrupted: bool) -> Self {
        let whole = || ports.iter().filter(|port| !port.is_in_part());
        let group = |of: fn(&PortStatus) -> bool| whole().filter(|port| of(port)).collect();
        Summary {
            firewall,
            is_interrupted,
            open: group(|port| {
                port.state == PortState::Open && !port.is_paused() && port.outside() != Answer::No
            }),
            blocked: group(|port| {
                port.state == PortState::Open && !port.is_paused() && port.outside() == Answer::No
            }),
            paused: group(|port| port.state == PortState::Open && port.is_paused()),
            let_in: group(|port| port.state == PortState::LetIn),
            unprotected: group(|port| port.state == PortState::Unmanaged && port.outside() == Answer::Yes),
            unknown: group(|port| {
                port.state == PortState::Unknown
                    || (port.state == PortState::Unmanaged && port.outside() == Answer::Unknown)
            }),
            kept_out: group(|port| port.state == PortState::Unmanaged && port.outside() == Answer::No),
        }
    }

    /// The icon, and the sentence that says what it shows.
    pub(super) fn in_words(&self) -> (Icon, String) {
        let is_known = self.firewall.state == FirewallState::Enabled;
        let has_open = !self.open.is_empty() || !self.paused.is_empty() && !is_known;
        match self.firewall.state {
            _ if self.is_interrupted && !has_open => (Icon::Unknown, wording::INTERRUPTED.to_owned()),
            FirewallState::Disabled if !self.is_interrupted => (Icon::Off, self.pf_off().to_owned()),
            FirewallState::Unknown if !has_open => {
                (Icon::Unknown, format!("Not known: {}", self.firewall.because))
            }
            _ if has_open || !self.let_in.is_empty() || !self.unprotected.is_empty() => {
                (Icon::Open, self.exposed())
            }
            _ if !self.unknown.is_empty() => (Icon::Unknown, fitting(|most| self.not_known(most))),
            _ => (Icon::Closed, self.closed()),
        }
    }

    /// It is not known who gets in to some port, and no machine is known to get in to another.
    fn not_known(&self, most: usize) -> String {
        let who = match self.unknown.as_slice() {
            [one] if one.port.as_single().is_some() => format!("who reaches port {}", one.named_port()),
            ports if most > 0 => format!("who reaches ports {}", list(ports, most)),
            _ => "who reaches some ports".to_owned(),
        };
        let first = std::iter::once(format!("Not known: {who}"));
        first.chain(self.open_for_none(most)).collect::<Vec<_>>().join("; ")
    }

    /// What is open, and lets no other machine in.
    fn open_for_none(&self, most: usize) -> Vec<String> {
        let blocked =
            counted(&self.blocked, "is open, and blocked by others", "are open, and blocked by others", most);
        let paused = counted(&self.paused, "is paused", "are paused", most);
        blocked.into_iter().chain(paused).collect()
    }

    fn pf_off(&self) -> &'static str {
        let has_open = !(self.open.is_empty() && self.paused.is_empty());
        if has_open {
            "pf is off: it filters nothing, open or closed"
        } else {
            "pf is off: it filters nothing"
        }
    }

    /// No other machine gets in.
    fn closed(&self) -> String {
        let open = |most| {
            let blocked = counted(&self.blocked, "is open", "are open", most);
            let paused = counted(&self.paused, "is paused", "are paused", most);
            blocked.into_iter().chain(paused).collect::<Vec<_>>().join("; ")
        };
        if !open(0).is_empty() {
            return fitting(|most| format!("No other machine gets in, although {}", open(most)));
        }
        match self.kept_out.is_empty() {
            true => "All debug ports are closed".to_owned(),
            false => "No other machine gets in: rules of others keep them out".to_owned(),
        }
    }

    /// Other machines get in to some port.
    fn exposed(&self) -> String {
        fitting(|most| {
            let parts = [
                counted(&self.open, "is open", "are open", most),
                counted(
                    &self.blocked,
                    "is open, and blocked by others",
                    "are open, and blocked by others",
                    most,
                ),
                counted(&self.paused, "is paused", "are paused", most),
                counted(
                    &self.let_in,
                    "is let in although our rules close it",
                    "are let in although our rules close them",
                    most,
                ),
                listed(&self.unprotected, "not protected", most),
                listed(&self.unknown, "not known", most),
                self.firewall.not_seen.clone(),
                self.is_interrupted.then(|| "a change was interrupted".to_owned()),
            ];
            let text = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
            let first = text.chars().take(1).flat_map(char::to_uppercase);
            first.chain(text.chars().skip(1)).collect()
        })
    }
}

/// The sentence with as many names as there is room for.
fn fitting(sentence: impl Fn(usize) -> String) -> String {
    let mut shorter = (0..=4).rev().map(&sentence);
    let is_short = |text: &String| text.chars().count() <= LONGEST;
    shorter.find(is_short).unwrap_or_else(|| sentence(0))
}

/// `1 port is open: 2345 (dlv)`, `8 ports are open: 2345-2350 (dlv), 9229 (node), 9333`; `None` for none.
fn counted(ports: &[&PortStatus], one: &str, many: &str, most: usize) -> Option<String> {
    let named = match most {
        0 => String::new(),
        most => format!(": {}", list(ports, most)),
    };
    match count(ports.iter().copied()) {
        0 => None,
        1 => Some(format!("1 port {one}{named}")),
        count => Some(format!("{count} ports {many}{named}")),
    }
}

/// `not protected: 5678 (debugpy)`; `None` for none. They are not counted.
fn listed(ports: &[&PortStatus], what: &str, most: usize) -> Option<String> {
    match (ports, most) {
        ([], _) => None,
        (_, 0) => Some(format!("some {}", what.replace("not ", "are not "))),
        (ports, most) => Some(format!("{what}: {}", list(ports, most))),
    }
}

/// `2345 (dlv), 9229 (node) and others`
fn list(ports: &[&PortStatus], most: usize) -> String {
    let named: Vec<String> = ports.iter().take(most).map(|port| port.named_port().to_string()).collect();
    let more = if ports.len() > most { " and others" } else { "" };
    format!("{}{more}", named.join(", "))
}
