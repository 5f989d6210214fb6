//! A TCP connection that pf keeps a state of.

use std::fmt;
use std::net::SocketAddr;

/// A TCP connection that pf keeps a state of, by the addresses that rules see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrackedConnection {
    /// The interface that the state is bound to; `None` where it counts on each, which is pf's default.
    pub interface: Option<String>,
    /// Whether the first packet that pf saw of it came in. A connection over lo0 has a state of its own for each way.
    pub is_inbound: bool,
    /// The end on this Mac; of a connection over lo0 the one that its packet left or reached.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
}

impl TrackedConnection {
    /// The end that sent the first packet that pf saw.
    pub fn source(&self) -> SocketAddr {
        if self.is_inbound { self.remote } else { self.local }
    }

    /// The end that it was sent to.
    pub fn destination(&self) -> SocketAddr {
        if self.is_inbound { self.local } else { self.remote }
    }
}

/// `192.168.1.2:2345 <- 192.168.1.9:50000`, with `->` for what this Mac opened.
impl fmt::Display for TrackedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arrow = if self.is_inbound { "<-" } else { "->" };
        write!(f, "{} {arrow} {}", self.local, self.remote)
    }
}
