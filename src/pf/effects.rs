//! The effects of a rule: what pf does with a packet that matches.

use super::criteria::Address;

/// How a packet is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Silently.
    Drop,
    /// TCP gets a reset, UDP an ICMP error, the rest nothing.
    Return,
    /// TCP gets a reset with this time to live; 0 is the system's default.
    ReturnRst(u8),
    /// An ICMP error: codes of "unreachable" for IPv4 and IPv6.
    ReturnIcmp(u8, u8),
}

/// How a rule logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Every packet, not only the one that opens the state.
    pub all: bool,
    /// With the socket's user and group.
    pub user: bool,
    /// To `pflogN`; 0 is the default.
    pub to: u8,
}

/// Whether a match opens a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKeeping {
    No,
    Keep,
    /// Keeps state and randomizes sequence numbers.
    Modulate,
    /// Keeps state after pf itself has completed the handshake.
    Synproxy,
}

/// Limits and time-outs of a rule's states; 0 is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateOptions {
    /// States that the rule may open.
    pub max: u32,
    /// The states are not sent to other firewalls.
    pub no_sync: bool,
    /// Sources are counted: `Some(true)` for this rule alone.
    pub source_track: Option<bool>,
    /// States for each source.
    pub max_source_states: u32,
    /// Connections for each source.
    pub max_source_connections: u32,
    /// Connections in a number of seconds for each source.
    pub max_source_rate: (u32, u32),
    /// Sources.
    pub max_source_nodes: u32,
    /// The table that sources above the limits are added to.
    pub overload: Option<Box<str>>,
    /// The states of such a source are dropped; `Some(true)`: those of every rule.
    pub flush: Option<bool>,
    /// The state holds on its interface alone.
    pub interface_bound: bool,
    /// Seconds by the index of the time-out's name, in rising order.
    pub timeouts: Vec<(u8, u32)>,
}

impl StateOptions {
    /// Whether a table is named for sources above a limit that is not set.
    pub(super) fn overloads_without_limit(&self) -> bool {
        self.overload.is_some() && self.max_source_connections == 0 && self.max_source_rate.1 == 0
    }
}

/// What `scrub` changes in a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrub {
    /// Clears "don't fragment".
    pub no_df: bool,
    /// Sets random identifications.
    pub random_id: bool,
    /// The lowest time to live; 0 for none.
    pub min_ttl: u8,
    /// The highest segment size in bytes; 0 for none.
    pub max_mss: u16,
    /// The type of service to set.
    pub set_tos: Option<u8>,
    /// Normalizes TCP.
    pub reassemble_tcp: bool,
    pub fragments: Fragments,
}

/// What `scrub` does with fragments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragments {
    /// Puts them together.
    #[default]
    Reassemble,
    /// Cuts off what overlaps.
    Crop,
    /// Drops those that overlap.
    DropOverlap,
}

/// Another way for the packet than the routing table's.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub kind: RouteKind,
    /// The interface and the next hop there, for each choice.
    pub hops: Vec<(Box<str>, Option<Address>)>,
    pub pool: Pool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// The packet goes there instead.
    RouteTo,
    /// Replies go there.
    ReplyTo,
    /// A copy goes there.
    DupTo,
    /// By the routing table, without the rest of the stack.
    Fastroute,
}

/// How an address is chosen out of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    pub method: Option<PoolMethod>,
    /// The same source keeps its address.
    pub sticky: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolMethod {
    /// The network part is replaced, the host part kept.
    Bitmask,
    Random,
    /// By a hash of the source, with a key where one is given.
    SourceHash(Option<Box<str>>),
    RoundRobin,
}

/// Where a translation leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    pub addresses: Vec<Address>,
    /// The first and last port in host order; 0 where the port is kept.
    pub ports: (u16, u16),
    /// The ports as they are written, where they name a service whose number is not known; then `ports` says nothing.
    pub service: Option<Box<str>>,
    pub pool: Pool,
    /// The source port is kept.
    pub static_port: bool,
    /// What a mapping is bound to (Apple), where that is wider than the rule's `extfilter`.
    pub extmap: Option<External>,
}

/// What a state of UDP is bound to, beside this machine's end, from the narrowest (Apple; XNU, net/pfvar.h:
/// `pf_extmap`, `pf_extfilter`). Without it a state is bound to address and port, which is narrower than both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum External {
    /// `ad`: the address.
    Address,
    /// `ei`: neither.
    Any,
}

/// A pipe or queue of dummynet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pipe {
    pub number: u16,
    /// It is a queue.
    pub queue: bool,
}
