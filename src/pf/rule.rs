//! One rule of pf, after lists and macros are expanded: what pfctl hands to the kernel.
//!
//! A criterion that is `None` does not constrain. What depends on the system (a host name, an interface's addresses, a
//! user's name) is kept by name and is unknown until somebody says what it stands for. `Display` gives pfctl's own
//! form; see [`super::print`].

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::ruleset::Ruleset;

/// A rule, or the call of an anchor.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What it does with a packet.
    pub action: Action,
    /// The anchor it calls; `None` for a plain rule.
    pub anchor: Option<AnchorCall>,
    /// The way the packet goes.
    pub direction: Option<Direction>,
    /// How it logs.
    pub log: Option<Log>,
    /// Whether the search ends here.
    pub quick: bool,
    /// The interface.
    pub interface: Option<Interface>,
    /// Where matching packets are sent instead.
    pub route: Option<Box<Route>>,
    /// The address family.
    pub family: Option<Family>,
    /// The protocol's number.
    pub protocol: Option<u8>,
    /// `grev1`: GRE of the variant that PPTP uses (Apple).
    pub grev1: bool,
    /// Where the packet comes from.
    pub source: Peer,
    /// The operating system that the packet looks to come from.
    pub os: Option<Box<str>>,
    /// Where the packet goes to.
    pub destination: Peer,
    /// The user who owns the socket.
    pub user: Option<Owner>,
    /// The group that owns the socket.
    pub group: Option<Owner>,
    /// TCP flags that must be set, out of those that are looked at.
    pub flags: Option<Flags>,
    /// ICMP type and code.
    pub icmp: Option<Icmp>,
    /// The type of service.
    pub tos: Option<TypeOfService>,
    /// Whether a match opens a state.
    pub state: State,
    /// Limits and time-outs of that state.
    pub state_options: Option<Box<StateOptions>>,
    /// Whether it matches fragments only.
    pub fragment: bool,
    /// Whether IP options are let through.
    pub allow_options: bool,
    /// What scrub does to the packet.
    pub scrub: Option<Box<Scrub>>,
    /// How probable a match is, as pf keeps it: out of 2³².
    pub probability: Option<u32>,
    /// What the rule is called.
    pub label: Option<Box<str>>,
    /// The tag that a match puts on the packet.
    pub tag: Option<Box<str>>,
    /// The tag that the packet must have, or not have.
    pub tagged: Option<Tagged>,
    /// The queue, and the one for empty acknowledgements.
    pub queue: Option<(Box<str>, Option<Box<str>>)>,
    /// The routing table: a number, or the interface that it belongs to (Apple).
    pub rtable: Option<Box<str>>,
    /// Which packets a state of UDP lets back in (Apple); `None`: those of the same address and port.
    pub extfilter: Option<External>,
    /// Where a translation leads.
    pub redirect: Option<Box<Redirect>>,
    /// The pipe or queue of dummynet.
    pub pipe: Option<Pipe>,
    /// The line or the file's path, where it could not be read: the rule may match anything.
    pub unreadable: Option<Box<str>>,
}

impl Rule {
    /// What stands for the rules of the file at `path`, which could not be read: any of them may decide.
    pub fn unread(path: &str) -> Self {
        Rule { quick: true, unreadable: Some(Box::from(path)), ..Rule::new(Action::Unread) }
    }

    /// A rule of this kind that matches every packet.
    pub fn new(action: Action) -> Self {
        Rule {
            action,
            anchor: None,
            direction: None,
            log: None,
            quick: false,
            interface: None,
            route: None,
            family: None,
            protocol: None,
            grev1: false,
            source: Peer::default(),
            os: None,
            destination: Peer::default(),
            user: None,
            group: None,
            flags: None,
            icmp: None,
            tos: None,
            state: State::No,
            state_options: None,
            fragment: false,
            allow_options: false,
            scrub: None,
            probability: None,
            label: None,
            tag: None,
            tagged: None,
            queue: None,
            rtable: None,
            extfilter: None,
            redirect: None,
            pipe: None,
            unreadable: None,
        }
    }
}

/// What a rule does; the call of an anchor has the action of the rules that it looks for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Lets the packet through.
    Pass,
    /// Stops it.
    Block(Block),
    /// Normalizes it.
    Scrub,
    /// Leaves it as it is.
    NoScrub,
    /// Translates the source of what goes out; `pass`: and lets it through without a filter rule.
    Nat {
        /// Lets the packet through at once.
        pass: bool,
    },
    /// Translates nothing.
    NoNat,
    /// Translates the destination of what comes in.
    Rdr {
        /// Lets the packet through at once.
        pass: bool,
    },
    /// Redirects nothing.
    NoRdr,
    /// Translates what comes in by IPv6 to IPv4 (Apple).
    Nat64 {
        /// Lets the packet through at once.
        pass: bool,
    },
    /// Translates none of it (Apple).
    NoNat64,
    /// Translates in both ways.
    Binat {
        /// Lets the packet through at once.
        pass: bool,
    },
    /// Translates nothing.
    NoBinat,
    /// Sends it through a pipe (Apple).
    Dummynet,
    /// Sends it through none (Apple).
    NoDummynet,
    /// Not known: the line could not be read.
    Unreadable,
    /// Not known: these are the rules of a file that could not be read.
    Unread,
}

impl Action {
    /// Whether it is a translation that lets the packet through without a filter rule.
    pub fn lets_through(&self) -> bool {
        matches!(
            self,
            Action::Nat { pass: true }
                | Action::Rdr { pass: true }
                | Action::Nat64 { pass: true }
                | Action::Binat { pass: true }
        )
    }
}

/// The type of service that a packet asks for, in one of three ways to read its byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeOfService {
    /// The whole byte.
    Tos(u8),
    /// The code point of differentiated services, in its place in the byte (Apple).
    Dscp(u8),
    /// Apple's service class.
    Class(u8),
}

/// What a state of UDP is bound to, beside this machine's end, from the narrowest (Apple; XNU, net/pfvar.h:
/// `pf_extmap`, `pf_extfilter`). The narrowest of all, address and port, is what there is without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum External {
    /// `ad`: the address.
    Address,
    /// `ei`: neither.
    Any,
}

/// How a packet is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Silently.
    Drop,
    /// TCP gets a reset, UDP an ICMP error, the rest nothing.
    Return,
    /// TCP gets a reset with this time to live; 0 is the system's own.
    ReturnRst(u8),
    /// An ICMP error: codes of "unreachable" for IPv4 and IPv6.
    ReturnIcmp(u8, u8),
}

/// The call of an anchor.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorCall {
    /// The path as written: `com.apple/*`, `x`, `/absolute`; `None` for an unnamed inline anchor.
    pub path: Option<Box<str>>,
    /// The rules that stand in braces behind it.
    pub inline: Option<Arc<Ruleset>>,
}

/// The way a packet goes, seen from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It arrives.
    In,
    /// It leaves.
    Out,
}

/// The address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    Inet,
    /// IPv6.
    Inet6,
}

/// How a rule logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// Every packet, not only the one that opens the state.
    pub all: bool,
    /// With the socket's user and group.
    pub user: bool,
    /// To `pflogN`; 0 is the usual one.
    pub to: u8,
}

/// `on en0`, `on ! lo0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The interface's name, or a group's.
    pub name: Box<str>,
    /// On every other.
    pub negated: bool,
}

/// One end of a connection.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peer {
    /// The address.
    pub address: Address,
    /// Every other address.
    pub negated: bool,
    /// The port.
    pub port: Option<PortMatch>,
}

/// What stands for an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Address {
    /// Every address.
    #[default]
    Any,
    /// A network, or one host.
    Net(IpNet),
    /// From one to another, both included.
    Range(Box<(IpAddr, IpAddr)>),
    /// The addresses in a table.
    Table(Box<str>),
    /// `(en0)`: the interface's addresses as they are when the packet passes.
    Dynamic(Box<InterfaceAddress>),
    /// `en0`, `self`: the interface's addresses as they were when the rule was loaded.
    Static(Box<InterfaceAddress>),
    /// A host's name, as pfctl would have looked it up when the rule was loaded.
    Name(Box<str>, Option<u8>),
    /// An address that no route leads to.
    NoRoute,
    /// A source that the packet's interface does not lead back to.
    UrpfFailed,
    /// An address whose route has this label.
    RouteLabel(Box<str>),
}

/// Addresses of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// The interface, or `self` for all of them.
    pub name: Box<str>,
    /// `:network`: the networks that it is on.
    pub network: bool,
    /// `:broadcast`: their broadcast addresses.
    pub broadcast: bool,
    /// `:peer`: the other end of a point-to-point line.
    pub peer: bool,
    /// `:0`: without its aliases.
    pub no_alias: bool,
    /// `/24`: with this many bits of it.
    pub bits: Option<u8>,
}

/// A condition on a number: a port, a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare<T> {
    /// `= a`
    Equal(T),
    /// `!= a`
    NotEqual(T),
    /// `< a`
    Less(T),
    /// `<= a`
    LessOrEqual(T),
    /// `> a`
    Greater(T),
    /// `>= a`
    GreaterOrEqual(T),
    /// `a >< b`: strictly between the two.
    Inside(T, T),
    /// `a <> b`: less than the first or greater than the second.
    Outside(T, T),
    /// `a:b`: from one to the other, both included.
    Range(T, T),
}

impl<T: PartialOrd + Copy> Compare<T> {
    /// The two numbers in it; one twice where there is one.
    pub fn bounds(&self) -> (T, T) {
        match *self {
            Compare::Equal(a)
            | Compare::NotEqual(a)
            | Compare::Less(a)
            | Compare::LessOrEqual(a)
            | Compare::Greater(a)
            | Compare::GreaterOrEqual(a) => (a, a),
            Compare::Inside(a, b) | Compare::Outside(a, b) | Compare::Range(a, b) => (a, b),
        }
    }

    /// Whether `value` meets the condition.
    pub fn matches(&self, value: T) -> bool {
        match *self {
            Compare::Equal(a) => value == a,
            Compare::NotEqual(a) => value != a,
            Compare::Less(a) => value < a,
            Compare::LessOrEqual(a) => value <= a,
            Compare::Greater(a) => value > a,
            Compare::GreaterOrEqual(a) => value >= a,
            Compare::Inside(a, b) => a < value && value < b,
            Compare::Outside(a, b) => value < a || value > b,
            Compare::Range(a, b) => a <= value && value <= b,
        }
    }
}

/// A condition on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortMatch {
    /// Ports in host order.
    Number(Compare<u16>),
    /// A service that is not in our table; as written.
    Service(Box<str>),
}

/// A condition on the socket's user or group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// By number.
    Number(Compare<u32>),
    /// `unknown`, that is a socket that is not of this machine; `true` for `!= unknown`.
    Unknown {
        /// Every other socket.
        negated: bool,
    },
    /// With a name in it, which only the system can turn into a number; as written.
    Name(Box<str>),
}

/// TCP flags by bit, FIN lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// Those that must be set.
    pub set: u8,
    /// Those that are looked at.
    pub of: u8,
}

/// ICMP type and code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// The type.
    pub kind: u8,
    /// The code.
    pub code: Option<u8>,
}

/// Whether a match opens a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It does not.
    No,
    /// It does.
    Keep,
    /// It does, and randomizes sequence numbers.
    Modulate,
    /// It does, after pf itself has shaken hands.
    Synproxy,
}

/// Limits and time-outs of a rule's states.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateOptions {
    /// How many states the rule may open.
    pub max: u32,
    /// Not told to other firewalls.
    pub no_sync: bool,
    /// Sources are counted: `Some(true)` for this rule alone.
    pub source_track: Option<bool>,
    /// States for each source.
    pub max_source_states: u32,
    /// Connections for each source.
    pub max_source_connections: u32,
    /// Connections in so many seconds for each source.
    pub max_source_rate: (u32, u32),
    /// How many sources.
    pub max_source_nodes: u32,
    /// The table that takes those who do more.
    pub overload: Option<Box<str>>,
    /// Their states are dropped; `Some(true)`: of every rule.
    pub flush: Option<bool>,
    /// The state holds on its interface alone.
    pub interface_bound: bool,
    /// Time-outs in seconds by the index of their name, in rising order.
    pub timeouts: Vec<(u8, u32)>,
}

/// What scrub does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrub {
    /// Clears "don't fragment".
    pub no_df: bool,
    /// Sets random identifications.
    pub random_id: bool,
    /// The lowest time to live.
    pub min_ttl: u8,
    /// The highest segment size.
    pub max_mss: u16,
    /// The type of service to set.
    pub set_tos: Option<u8>,
    /// Normalizes TCP.
    pub reassemble_tcp: bool,
    /// What becomes of fragments.
    pub fragments: Fragments,
}

/// What scrub does with fragments.
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

/// `tagged x`, `! tagged x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The tag.
    pub name: Box<str>,
    /// The packet must not have it.
    pub negated: bool,
}

/// Where packets are sent instead.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// How.
    pub kind: RouteKind,
    /// The interface and the next hop there, for each choice.
    pub hops: Vec<(Box<str>, Option<Address>)>,
    /// How one is chosen.
    pub pool: Pool,
}

/// How packets are sent elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    /// There instead.
    RouteTo,
    /// Replies go there.
    ReplyTo,
    /// A copy goes there.
    DupTo,
    /// By the usual route, without the rest of the stack.
    Fastroute,
}

/// How an address is chosen out of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// The method.
    pub method: Option<PoolMethod>,
    /// The same source keeps its address.
    pub sticky: bool,
}

/// A method of choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolMethod {
    /// Grafts the network part on.
    Bitmask,
    /// By chance.
    Random,
    /// By a hash of the source, with a key where one is given.
    SourceHash(Option<Box<str>>),
    /// In turn.
    RoundRobin,
}

/// Where a translation leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Redirect {
    /// The addresses.
    pub addresses: Vec<Address>,
    /// The first and last port; 0 for "as it is".
    pub ports: (u16, u16),
    /// How an address is chosen.
    pub pool: Pool,
    /// The source port stays.
    pub static_port: bool,
    /// What a mapping is bound to (Apple), where that is wider than [`Rule::extfilter`].
    pub extmap: Option<External>,
}

/// A pipe or queue of dummynet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pipe {
    /// Its number.
    pub number: u16,
    /// It is a queue.
    pub queue: bool,
}
