//! Sockets and their owners: the types, and what both systems need to fill them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::port::PortRange;

/// More of a process's arguments than this is not read, in bytes.
pub(super) const LONGEST_ARGUMENTS: usize = 64 * 1024;

/// What one pass saw. Sockets come in the order of port, address and peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketTable {
    /// Every TCP listener of the machine.
    pub listeners: Vec<Socket>,
    /// Every TCP connection one of whose ends is a watched port, but for those in TIME_WAIT.
    pub connections: Vec<Socket>,
    /// Why the table may lack sockets of other users, where it may.
    pub blind_spot: Option<String>,
}

/// One TCP socket of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The local end. An unspecified address (`0.0.0.0`, `::`) takes connections to any address of the machine.
    pub local: SocketAddr,
    /// The other end; `None` for a listener.
    pub remote: Option<SocketAddr>,
    /// Where the connection stands.
    pub state: TcpState,
    /// Whether an IPv6 socket refuses IPv4; `None` for IPv4, or where it is not known.
    pub v6_only: Option<bool>,
    /// For a listener, how many connections wait to be accepted; `None` where it is not known.
    pub accept_queue: Option<u32>,
    /// For a connection, whether a program took it from the listener's queue (or opened it itself).
    pub accepted: Option<bool>,
    pub owner: SocketOwner,
}

/// The owner of a socket. A socket that several processes share belongs to the first of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketOwner {
    /// This process.
    Process(Arc<Process>),
    /// It could not be found out: the process is another user's, or it ended meanwhile, or it has not accepted yet.
    Unknown {
        /// The user, where the kernel tells.
        user: Option<String>,
    },
}

/// A process, as far as it may be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// Process id of its parent.
    pub parent: Option<u32>,
    /// Short name, such as `dlv`.
    pub name: Option<String>,
    /// The program's file.
    pub path: Option<PathBuf>,
    /// The user's name, or `uid N` where that has none.
    pub user: Option<String>,
    /// The arguments from the program's name on, secrets taken out ([`redact`]). Empty where they may not be read.
    pub arguments: Vec<String>,
    /// Of its environment the variables of [`OPTIONS_BY_ENVIRONMENT`], secrets taken out. Empty where it may not be read.
    pub environment: Vec<(String, String)>,
}

/// The variables by which a program takes options that its arguments do not show.
pub const OPTIONS_BY_ENVIRONMENT: [&str; 8] = [
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "NODE_OPTIONS",
    "RUBYOPT",
    "RUBY_DEBUG_OPEN",
    "RUBY_DEBUG_HOST",
    "RUBY_DEBUG_PORT",
];

/// Those of [`OPTIONS_BY_ENVIRONMENT`] in an environment: `NAME=VALUE`, each ended by a NUL.
pub(super) fn options_in(environment: &[u8]) -> Vec<(String, String)> {
    let variable = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let (name, value) = text.split_once('=')?;
        let words = value.split_whitespace().map(str::to_owned).collect();
        OPTIONS_BY_ENVIRONMENT.contains(&name).then(|| (name.to_owned(), super::redact(words).join(" ")))
    };
    environment.split(|byte| *byte == 0).filter_map(variable).collect()
}

/// The states of TCP (RFC 9293, section 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TcpState {
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
    /// A number that the kernel gave and that is none of the others.
    Unknown(u8),
}

/// The table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    /// The kernel did not give it.
    #[error("cannot read the machine's TCP sockets from {from}: {source}")]
    Read {
        /// The kernel's interface that was asked.
        from: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// What the kernel gave does not have the expected form.
    #[error("cannot understand the machine's TCP sockets as {from} gave them: {source}")]
    Form {
        /// The kernel's interface that was asked.
        from: &'static str,
        source: MalformedTable,
    },
}

/// What is wrong with what the kernel gave.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedTable {
    #[error("it is empty")]
    Empty,
    #[error("the answer ends too early")]
    EndsEarly,
    #[error("a message is cut short")]
    CutMessage,
    #[error("its header is {0} bytes long")]
    HeaderLength(usize),
    #[error("its header is cut short")]
    CutHeader,
    #[error("a record is cut short")]
    CutRecord,
    /// Holds the name of the kernel's structure.
    #[error("an {0} is too short")]
    ShortRecord(&'static str),
}

impl SocketTable {
    /// The listeners on `port`.
    pub fn listeners_on(&self, port: u16) -> impl Iterator<Item = &Socket> {
        self.listeners.iter().filter(move |socket| socket.local.port() == port)
    }

    /// The connections that a program holds on the local port `port`: a debugging session, where a debugger serves it.
    /// One whose other end has closed does not count: a single-client dlv that was bricked keeps such a one for good.
    pub fn sessions_on(&self, port: u16) -> impl Iterator<Item = &Socket> {
        self.connections.iter().filter(move |socket| {
            let served = socket.accepted != Some(false) && socket.state == TcpState::Established;
            served && socket.local.port() == port
        })
    }

    /// The process at the other end of `socket`, where that is on this machine too.
    pub fn peer_of(&self, socket: &Socket) -> Option<&Process> {
        // One end may be an IPv6 socket that speaks IPv4, as Java's are.
        let plain = |end: SocketAddr| (end.ip().to_canonical(), end.port());
        let (local, remote) = (plain(socket.local), plain(socket.remote?));
        let mirrored =
            |other: &&Socket| plain(other.local) == remote && other.remote.map(plain) == Some(local);
        self.connections.iter().find(mirrored)?.owner.process()
    }
}

impl Socket {
    /// Process id of the owner, where it is known.
    pub fn pid(&self) -> Option<u32> {
        self.owner.process().map(|process| process.pid)
    }
}

impl SocketOwner {
    /// The process, where it is known.
    pub fn process(&self) -> Option<&Process> {
        match self {
            SocketOwner::Process(process) => Some(process),
            SocketOwner::Unknown { .. } => None,
        }
    }
}

/// `dlv (4711)`, or `unknown owner`.
impl std::fmt::Display for SocketOwner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            SocketOwner::Process(process) => process.fmt(f),
            SocketOwner::Unknown { user: Some(user) } => write!(f, "unknown owner (user {user})"),
            SocketOwner::Unknown { user: None } => f.write_str("unknown owner"),
        }
    }
}

/// `dlv (4711)`, or `process 4711`; control characters escaped.
impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} ({})", name.escape_debug(), self.pid),
            None => write!(f, "process {}", self.pid),
        }
    }
}

/// Whether a connection with these ends belongs into the table.
pub(super) fn is_watched(watched: &[PortRange], local: SocketAddr, remote: SocketAddr) -> bool {
    watched.iter().any(|range| range.contains(local.port()) || range.contains(remote.port()))
}

/// Splits what the kernel keeps as one block of NUL-ended strings; what is not UTF-8 is replaced.
pub(super) fn split_arguments(block: &[u8]) -> Vec<String> {
    let block = block.get(..LONGEST_ARGUMENTS).unwrap_or(block);
    // A program that writes its own title leaves the rest of the block empty.
    let Some(last) = block.iter().rposition(|byte| *byte != 0) else { return Vec::new() };
    let block = block.get(..=last).unwrap_or(block);
    block.split(|byte| *byte == 0).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_may_be_junk() {
        assert_eq!(split_arguments(b"dlv\0dap\0"), ["dlv", "dap"]);
        assert_eq!(split_arguments(b"a\0\0b"), ["a", "", "b"]);
        assert_eq!(split_arguments(b"ssh: /x [mux]\0\0\0\0"), ["ssh: /x [mux]"]);
        assert_eq!(split_arguments(b"\xff\xfe"), ["\u{fffd}\u{fffd}"]);
        assert!(split_arguments(b"").is_empty());
        assert_eq!(split_arguments(&vec![b'x'; 1 << 20]).concat().len(), 64 * 1024);
        let environment = b"PATH=/bin\0NODE_OPTIONS=--inspect --token x\0RUBY_DEBUG_PORT=1\0\0odd\0";
        let kept = [("NODE_OPTIONS", "--inspect --token [redacted]"), ("RUBY_DEBUG_PORT", "1")];
        assert_eq!(options_in(environment), kept.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let process = Process {
            pid: 7,
            parent: None,
            name: Some("a\u{1b}[2J".into()),
            path: None,
            user: None,
            arguments: vec![],
            environment: vec![],
        };
        assert_eq!(process.to_string(), "a\\u{1b}[2J (7)");
    }
}
