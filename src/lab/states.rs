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
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// Who opened it.
    pub source: Endpoint,
    /// To whom.
    pub destination: Endpoint,
    text: String,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
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
    /// Whether it is a TCP connection that somebody else opened to this Mac.
    pub fn is_inbound_tcp(&self) -> bool {
        let mut fields = self.text.split_whitespace();
        fields.nth(1) == Some("tcp") && fields.any(|field| field == "<-")
    }
}

/// `INTERFACE PROTOCOL A -> B STATES` for what goes out, `B <- A` for what comes in; a translated address
/// stands between.
impl FromStr for StateEntry {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        let fail = || StateError(text.to_owned());
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [_interface, _protocol, ends @ .., _levels] = fields.as_slice() else {
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
        assert!(!out.is_inbound_tcp() && !six.is_inbound_tcp() && translated.is_inbound_tcp());
        assert_eq!(out.to_string().parse::<StateEntry>().unwrap(), out);
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
