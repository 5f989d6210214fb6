//! Connections that pf knows, in the form that `pfctl -s states` prints and the lab keeps.
//!
//! ```
//! use portcullis::lab::states::StateEntry;
//! let state: StateEntry = "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50000       ESTABLISHED:ESTABLISHED".parse()?;
//! assert_eq!(state.source.address.to_string(), "192.168.1.9");
//! assert_eq!(state.destination.port, Some(2345));
//! # Ok::<(), portcullis::lab::states::StateError>(())
//! ```

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

use crate::os::TrackedConnection;

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// Who opened it.
    pub source: Endpoint,
    /// The other end.
    pub destination: Endpoint,
    /// Whether the first packet that pf saw of it came in.
    pub is_inbound: bool,
    /// How many bytes went by while pf did not look.
    pub missed: u64,
    /// `ALL`, or the interface that it is bound to.
    interface: String,
    protocol: String,
    text: String,
}

/// How many bytes a state may miss: then the next packet lies outside the windows that pf keeps, for good.
const LARGEST_GAP: u64 = 67_035;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub address: IpAddr,
    /// The port, in host order, where the protocol has ports.
    pub port: Option<u16>,
}

const EXAMPLE: &str = "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50000 ESTABLISHED:ESTABLISHED";

/// Why a text is no connection.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{}\" is no connection: expected {EXAMPLE}", .0.escape_debug())]
pub struct StateError(String);

/// As it was read.
impl fmt::Display for StateEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl StateEntry {
    /// The state that `keep state` makes of a packet of TCP between these ends.
    pub fn tcp(connection: &TrackedConnection) -> Self {
        let TrackedConnection { interface, is_inbound, .. } = connection;
        let endpoint = |end: SocketAddr| Endpoint { address: end.ip(), port: Some(end.port()) };
        let interface = interface.as_deref().unwrap_or(FLOATING);
        let (local, remote) = (endpoint(connection.local), endpoint(connection.remote));
        let arrow = if *is_inbound { "<-" } else { "->" };
        StateEntry {
            source: endpoint(connection.source()),
            destination: endpoint(connection.destination()),
            is_inbound: *is_inbound,
            missed: 0,
            interface: interface.to_owned(),
            protocol: "tcp".to_owned(),
            text: format!("{interface} tcp {local} {arrow} {remote}       ESTABLISHED:ESTABLISHED"),
        }
    }

    /// The connection, if it is one of TCP.
    pub fn connection(&self) -> Option<TrackedConnection> {
        let end = |end: Endpoint| Some(SocketAddr::new(end.address, end.port?));
        let (source, destination) = (end(self.source)?, end(self.destination)?);
        let (local, remote) = if self.is_inbound { (destination, source) } else { (source, destination) };
        let interface = (!self.interface.eq_ignore_ascii_case(FLOATING)).then(|| self.interface.clone());
        (self.protocol == "tcp").then_some(TrackedConnection {
            interface,
            is_inbound: self.is_inbound,
            local,
            remote,
        })
    }

    /// Whether its packets are dropped: it missed too much of its connection.
    pub fn is_stale(&self) -> bool {
        self.missed > LARGEST_GAP
    }

    /// As the lab keeps it.
    pub fn stored(&self) -> String {
        if self.missed == 0 { self.text.clone() } else { format!("{} {MISSED}{}", self.text, self.missed) }
    }
}

/// What pfctl prints for a state that counts on each interface.
const FLOATING: &str = "ALL";
/// Stands before what a state missed, where the lab keeps it.
const MISSED: &str = "# missed ";

/// As pfctl prints it.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.port) {
            (address, None) => write!(f, "{address}"),
            (IpAddr::V4(address), Some(port)) => write!(f, "{address}:{port}"),
            (IpAddr::V6(address), Some(port)) => write!(f, "{address}[{port}]"),
        }
    }
}

/// `INTERFACE PROTOCOL A -> B STATES` for what goes out, `B <- A` for what comes in; a translated address
/// stands between. Behind it, in the lab alone, `# missed N`.
impl FromStr for StateEntry {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        let fail = || StateError(text.to_owned());
        let (text, missed) = match text.split_once(MISSED) {
            Some((text, missed)) => (text.trim_end(), missed.trim().parse().map_err(|_| fail())?),
            None => (text, 0),
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [interface, protocol, ends @ .., _levels] = fields.as_slice() else {
            return Err(fail());
        };
        let (first, arrow, last) = match ends {
            [first, arrow, last] => (first, arrow, last),
            [first, arrow, _translated, again, last] if arrow == again => (first, arrow, last),
            _ => return Err(fail()),
        };
        let (source, destination) = match *arrow {
            "->" => (first, last),
            "<-" => (last, first),
            _ => return Err(fail()),
        };
        Ok(StateEntry {
            source: endpoint(source).ok_or_else(fail)?,
            destination: endpoint(destination).ok_or_else(fail)?,
            is_inbound: *arrow == "<-",
            missed,
            interface: (*interface).to_owned(),
            protocol: (*protocol).to_owned(),
            text: text.to_owned(),
        })
    }
}

/// `192.168.1.2:2345`, `fe80::1[2345]`, or an address alone.
fn endpoint(text: &str) -> Option<Endpoint> {
    if let Ok(address) = text.parse() {
        return Some(Endpoint { address, port: None });
    }
    let (address, port) = match text.strip_suffix(']') {
        Some(text) => text.split_once('[')?,
        None => text.rsplit_once(':')?,
    };
    let address: IpAddr = address.parse().ok()?;
    (address.is_ipv6() == text.ends_with(']')).then_some(())?;
    Some(Endpoint { address, port: Some(port.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_and_both_families() {
        let read = |text: &str| text.parse::<StateEntry>().unwrap();
        let out = read("ALL tcp 192.168.1.17:56993 -> 17.57.145.5:5223       ESTABLISHED:ESTABLISHED");
        assert_eq!((out.source.port, out.destination.port), (Some(56993), Some(5223)));
        let six = read("ALL udp fe80::1[5353] <- fe80::2[5353]       NO_TRAFFIC:SINGLE");
        assert_eq!(six.source.address, "fe80::2".parse::<IpAddr>().unwrap());
        let translated = read("ALL tcp 10.0.0.2:80 <- 1.2.3.4:8080 <- 5.6.7.8:999       SYN_SENT:CLOSED");
        assert_eq!((translated.source.port, translated.destination.port), (Some(999), Some(80)));
        assert_eq!(read("ALL icmp 10.0.0.1 -> 10.0.0.2 0:0").source.port, None);
        assert!(!out.is_inbound && six.is_inbound && translated.is_inbound);
        assert!(six.connection().is_none(), "UDP");
        assert_eq!(out.to_string().parse::<StateEntry>().unwrap(), out);
        let stale = StateEntry { missed: 67_036, ..out.clone() };
        assert_eq!(read(&stale.stored()), stale);
        assert!(stale.is_stale() && !StateEntry { missed: 67_035, ..out.clone() }.is_stale());
        assert_eq!(stale.to_string(), out.to_string(), "pfctl says nothing of it");
        let bound = read("en0 tcp fe80::1[2345] <- fe80::2[50000]       ESTABLISHED:ESTABLISHED");
        for state in [out, bound] {
            assert_eq!(StateEntry::tcp(&state.connection().unwrap()).to_string(), state.to_string());
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        for text in [
            "",
            "ALL tcp",
            "ALL tcp a -> b c",
            "ALL tcp 10.0.0.1:1 = 10.0.0.2:2 X",
            "ALL tcp 10.0.0.1:1 -> 10.0.0.2:65536 X",
            "ALL tcp 10.0.0.1[1] -> 10.0.0.2:2 X",
            "ALL tcp 10.0.0.1:1 -> 10.0.0.2:2 <- 10.0.0.3:3 X",
            "ALL tcp 10.0.0.1:1 -> 10.0.0.2:2",
        ] {
            assert!(text.parse::<StateEntry>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            let _ = text.parse::<StateEntry>().map_err(|error| error.to_string());
        }
    }
}
