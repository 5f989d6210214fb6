//! Which states a change drops: pf passes a packet of a known state without evaluating a rule.
//!
//! ```
//! use portcullis::rules::drops::{Enabling, drops};
//! use portcullis::rules::ledger::{Guard, Ledger};
//! use portcullis::rules::named_port::NamedPort;
//! use portcullis::system::TrackedConnection;
//! let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
//! ledger.manage(&NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() });
//! let from = |remote: &str, local: &str| TrackedConnection {
//!     interface: None,
//!     is_inbound: true,
//!     local: local.parse().unwrap(),
//!     remote: remote.parse().unwrap(),
//! };
//! let debugged = from("192.168.1.9:50000", "192.168.1.2:2345");
//! let ssh = from("192.168.1.9:50001", "192.168.1.2:22");
//! let dropped = drops(&ledger, Enabling::None, &[], &[debugged.clone(), ssh]);
//! assert_eq!(dropped.refused, [debugged]);
//! ```

use std::net::{IpAddr, SocketAddr};

use crate::rules::anchor::sessions_outlive_closing;
use crate::rules::ledger::Ledger;
use crate::system::TrackedConnection;

/// Whether a change enables pf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enabling {
    /// It does not, or pf ran already.
    None,
    /// pf was off. It kept the states of before, and what went by since may lie outside their windows: then it drops
    /// every packet of theirs silently, on loopback, too.
    FromOff,
}

/// The states that a change drops.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// The new rules refuse these: the connections end.
    pub refused: Vec<TrackedConnection>,
    /// These may be stale: without their states the connections go on, if the rules let them.
    pub stale: Vec<TrackedConnection>,
}

/// Which of these states a change to `after` drops. `own` are the addresses of this Mac, loopback apart.
pub fn drops(after: &Ledger, enabling: Enabling, own: &[IpAddr], connections: &[TrackedConnection]) -> Drops {
    let is_own = |end: SocketAddr| end.ip().is_loopback() || own.contains(&end.ip());
    let mut drops = Drops::default();
    for connection in connections {
        let TrackedConnection { is_inbound, local, remote, .. } = connection;
        // A state is bound to no interface by default: what both ends are ours of goes over lo0.
        let is_on_lo0 = connection.interface.as_deref() == Some("lo0") || (is_own(*local) && is_own(*remote));
        let is_refused = !is_on_lo0 && *is_inbound && ends(after, *local, remote.ip());
        let is_ours = |end: &SocketAddr| is_ours(after, end.port());
        let may_be_stale = match enabling {
            Enabling::None => false,
            Enabling::FromOff if is_on_lo0 => is_ours(local) || is_ours(remote),
            Enabling::FromOff => *is_inbound && is_ours(local),
        };
        if is_refused {
            drops.refused.push(connection.clone());
        } else if may_be_stale {
            drops.stale.push(connection.clone());
        }
    }
    drops
}

/// Whether the rules refuse what a client at `remote` goes on to send to `local`.
fn ends(after: &Ledger, local: SocketAddr, remote: IpAddr) -> bool {
    after.refuses(local.port(), remote) && !sessions_outlive_closing(local.port())
}

/// Whether a port is open or managed.
fn is_ours(ledger: &Ledger, port: u16) -> bool {
    let managed = ledger.managed.iter().map(|managed| managed.range);
    ledger.openings.iter().map(|opening| opening.port).chain(managed).any(|range| range.contains(port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ledger::{Guard, Opening};
    use crate::rules::named_port::NamedPort;
    use crate::rules::sample::{opening, source};

    /// Managed: 2345, 9229, 50000 and 5678; open: 5678 for 192.168.1.0/24, 6006 for any.
    fn ledger() -> Ledger {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        for port in ["2345", "9229", "50000", "5678"] {
            ledger.manage(&NamedPort { name: "dlv".parse().unwrap(), range: port.parse().unwrap() });
        }
        ledger.open(opening("5678", "lan:192.168.1.0/24,fe80::/10", 0));
        ledger.open(opening("6006", "any", 0));
        ledger
    }

    /// `LOCAL <- REMOTE`, `LOCAL -> REMOTE`, behind an interface where the state is bound to one.
    fn connection(text: &str) -> TrackedConnection {
        let (interface, ends) = match text.split_once(": ") {
            Some((interface, ends)) => (Some(interface.to_owned()), ends),
            None => (None, text),
        };
        let is_inbound = ends.contains("<-");
        let (local, remote) = ends.split_once(if is_inbound { " <- " } else { " -> " }).unwrap();
        TrackedConnection {
            interface,
            is_inbound,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
        }
    }

    /// What is dropped: `refused` and `stale`, of this Mac at 192.168.1.2, 10.0.0.2 and fd00::2.
    fn dropped(after: &Ledger, enabling: Enabling, states: &[&str]) -> (Vec<String>, Vec<String>) {
        let own = ["192.168.1.2", "10.0.0.2", "fd00::2"].map(|text| text.parse().unwrap());
        let states: Vec<_> = states.iter().map(|text| connection(text)).collect();
        let found = drops(after, enabling, &own, &states);
        let shown = |list: &[TrackedConnection]| list.iter().map(ToString::to_string).collect();
        (shown(&found.refused), shown(&found.stale))
    }

    const REFUSED: [&str; 4] = [
        "192.168.1.2:2345 <- 192.168.1.9:50000",
        "[fd00::2]:9229 <- [fd00::9]:50000",
        "192.168.1.2:5678 <- 10.0.0.9:50000",
        "[fd00::2]:5678 <- [2a00:1450::9]:50000",
    ];
    const INBOUND: [&str; 5] = [
        "192.168.1.2:5678 <- 192.168.1.9:50000",
        "[fe80::2]:5678 <- [fe80::9]:50000",
        "192.168.1.2:6006 <- 10.0.0.9:50000",
        // Only what opens a connection is refused there.
        "192.168.1.2:50000 <- 192.168.1.9:3000",
        "en0: 192.168.1.2:6006 <- 192.168.1.9:50000",
    ];
    const ON_LO0: [&str; 5] = [
        "127.0.0.1:2345 <- 127.0.0.1:50000",
        "127.0.0.1:50001 -> 127.0.0.1:2345",
        "[::1]:6006 <- [::1]:50000",
        "192.168.1.2:2345 <- 192.168.1.2:50002",
        "10.0.0.2:60000 -> 192.168.1.2:2345",
    ];
    const OTHERS: [&str; 8] = [
        "192.168.1.2:22 <- 192.168.1.9:50000",
        "192.168.1.2:50001 -> 192.168.1.9:2345",
        "192.168.1.2:50000 -> 17.57.145.5:5223",
        "192.168.1.2:2345 -> 192.168.1.9:443",
        "127.0.0.1:22 <- 127.0.0.1:50002",
        "127.0.0.1:50002 -> 127.0.0.1:22",
        "[fd00::2]:8080 <- [fd00::9]:2345",
        "192.168.1.2:2344 <- 192.168.1.9:2345",
    ];

    fn texts(lists: &[&[&str]]) -> Vec<String> {
        let text = |text: &&str| text.rsplit_once(": ").map_or(*text, |(_, ends)| ends).to_owned();
        lists.iter().flat_map(|list| list.iter()).map(text).collect()
    }

    #[test]
    fn what_the_rules_refuse_is_dropped_and_nothing_else() {
        let all = [&REFUSED[..], &INBOUND, &ON_LO0, &OTHERS].concat();
        assert_eq!(dropped(&ledger(), Enabling::None, &all), (texts(&[&REFUSED]), vec![]));
        let off = Ledger { guard: Guard::Off, ..ledger() };
        assert_eq!(
            dropped(&off, Enabling::None, &all),
            (vec![], vec![]),
            "without the guard nothing is refused"
        );
    }

    #[test]
    fn where_pf_was_off_states_of_our_ports_may_be_stale() {
        let all = [&REFUSED[..], &INBOUND, &ON_LO0, &OTHERS].concat();
        assert_eq!(
            dropped(&ledger(), Enabling::FromOff, &all),
            (texts(&[&REFUSED]), texts(&[&INBOUND, &ON_LO0]))
        );
    }

    #[test]
    fn a_narrower_opening_ends_the_sessions_that_it_leaves_out() {
        let mut after = ledger();
        after.open(Opening { from: source("hosts:192.168.1.9"), ..opening("6006", "any", 0) });
        let states = ["192.168.1.2:6006 <- 192.168.1.9:1025", "192.168.1.2:6006 <- 192.168.1.8:1025"];
        assert_eq!(dropped(&after, Enabling::None, &states), (texts(&[&states[1..]]), vec![]));
    }
}
