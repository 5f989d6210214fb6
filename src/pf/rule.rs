//! A rule, and the ruleset that rules stand in: what pfctl hands to the kernel after lists and macros are expanded.
//!
//! A criterion that is `None` does not constrain. `Display` gives pfctl's form; see [`super::print`]. Rules and
//! rulesets stand in one file because the call of an anchor holds the rules in its braces.

use std::fmt;
use std::sync::Arc;

use super::criteria::{
    Compare, Direction, Family, Flags, Icmp, InterfaceMatch, OwnerMatch, Peer, PortMatch, Tagged,
    TypeOfService,
};
use super::effects::{Block, External, Log, Pipe, Redirect, Route, Scrub, StateKeeping, StateOptions};
use super::preamble::{Load, Preamble, SetOption, TableDefinition};
use crate::port::PortRange;

/// A rule, or the call of an anchor.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub action: Action,
    /// The anchor it calls; `None` for a plain rule.
    pub anchor: Option<AnchorCall>,
    pub direction: Option<Direction>,
    pub log: Option<Log>,
    /// A match ends the search.
    pub quick: bool,
    pub interface: Option<InterfaceMatch>,
    pub route: Option<Box<Route>>,
    pub family: Option<Family>,
    /// The protocol's number.
    pub protocol: Option<u8>,
    /// `grev1`: GRE of the variant that PPTP uses (Apple).
    pub grev1: bool,
    pub source: Peer,
    /// The sender's operating system, guessed from its SYN.
    pub os: Option<Box<str>>,
    pub destination: Peer,
    pub user: Option<OwnerMatch>,
    pub group: Option<OwnerMatch>,
    pub flags: Option<Flags>,
    pub icmp: Option<Icmp>,
    pub tos: Option<TypeOfService>,
    pub state: StateKeeping,
    pub state_options: Option<Box<StateOptions>>,
    /// It matches fragments only.
    pub fragment: bool,
    /// Packets with IP options pass.
    pub allow_options: bool,
    pub scrub: Option<Box<Scrub>>,
    /// How probable a match is, as pf keeps it: out of 2³².
    pub probability: Option<u32>,
    pub label: Option<Box<str>>,
    /// The tag that a match puts on the packet.
    pub tag: Option<Box<str>>,
    pub tagged: Option<Tagged>,
    /// The queue, and the one for empty acknowledgements.
    pub queue: Option<(Box<str>, Option<Box<str>>)>,
    /// The routing table: a number, or the interface that it belongs to (Apple).
    pub rtable: Option<Box<str>>,
    /// Which packets a state of UDP lets back in (Apple); `None`: those of the same address and port.
    pub extfilter: Option<External>,
    /// Where a translation leads.
    pub redirect: Option<Box<Redirect>>,
    pub pipe: Option<Pipe>,
    /// The line or the file's path, where it could not be read: the rule may match anything.
    pub unreadable: Option<Box<str>>,
}

impl Rule {
    /// Stands for the rules of the file at `path`, which could not be read: any of them may decide.
    pub fn unread(path: &str) -> Self {
        Rule { quick: true, unreadable: Some(Box::from(path)), ..Rule::new(Action::Unread) }
    }

    /// A rule that matches every packet.
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
            state: StateKeeping::No,
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

/// What a rule does; the call of an anchor has the action of the rules that it evaluates there. `pass: true` marks a
/// translation that lets the packet through without a filter rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Pass,
    Block(Block),
    Scrub,
    NoScrub,
    /// Translates the source of packets that go out.
    Nat {
        pass: bool,
    },
    NoNat,
    /// Translates the destination of packets that come in.
    Rdr {
        pass: bool,
    },
    NoRdr,
    /// Translates IPv6 packets that come in to IPv4 (Apple).
    Nat64 {
        pass: bool,
    },
    NoNat64,
    /// Translates in both directions.
    Binat {
        pass: bool,
    },
    NoBinat,
    /// Sends the packet through a pipe (Apple).
    Dummynet,
    NoDummynet,
    /// Unknown: the line could not be read.
    Unreadable,
    /// Unknown: the rules of a file that could not be read.
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

/// The call of an anchor.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorCall {
    /// The path as written: `com.apple/*`, `x`, `/absolute`; `None` for an unnamed inline anchor.
    pub path: Option<Box<str>>,
    /// The rules in braces behind it.
    pub inline: Option<Arc<Ruleset>>,
}

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextKind {
    /// A file that pfctl loads.
    File,
    /// What pfctl prints.
    Listing,
}

/// The line of a text that an item stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// The path as it was given, or the name of a listing.
    pub path: Arc<str>,
    /// From 1.
    pub line: usize,
    pub text: TextKind,
}

/// `pf.conf:31`
impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path, self.line)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Placed<T> {
    pub place: SourceLine,
    pub item: T,
}

/// The rules of the main ruleset or of one anchor, kind by kind, in pf's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ruleset {
    /// Macros, options, tables, queues, in the order of the text.
    pub preamble: Vec<Placed<Preamble>>,
    /// `scrub` and `scrub-anchor`.
    pub scrub: Vec<Placed<Rule>>,
    /// `nat` and `nat-anchor`.
    pub nat: Vec<Placed<Rule>>,
    /// `rdr` and `rdr-anchor`.
    pub rdr: Vec<Placed<Rule>>,
    /// `binat` and `binat-anchor`.
    pub binat: Vec<Placed<Rule>>,
    /// `dummynet` and `dummynet-anchor` (Apple).
    pub dummynet: Vec<Placed<Rule>>,
    /// `pass`, `block` and `anchor`.
    pub filter: Vec<Placed<Rule>>,
    /// `load anchor … from …`.
    pub loads: Vec<Placed<Load>>,
}

impl Ruleset {
    /// Stands for the rules of the file at `path`, named at `place`, which could not be read: any of them may translate
    /// a packet or decide on it.
    pub fn unread(path: &str, place: &SourceLine) -> Self {
        let mut ruleset = Ruleset::default();
        ruleset.add_unread(path, place);
        ruleset
    }

    /// Adds the rules of [`Ruleset::unread`].
    pub fn add_unread(&mut self, path: &str, place: &SourceLine) {
        let rule = Placed { place: place.clone(), item: Rule::unread(path) };
        for rules in [&mut self.nat, &mut self.rdr, &mut self.binat, &mut self.filter] {
            rules.push(rule.clone());
        }
    }

    pub fn options(&self) -> impl Iterator<Item = &Placed<Preamble>> {
        self.preamble.iter().filter(|placed| matches!(placed.item, Preamble::Option(_)))
    }

    /// In the order of the text.
    pub fn tables(&self) -> impl Iterator<Item = (&SourceLine, &TableDefinition)> {
        self.preamble.iter().filter_map(|placed| match &placed.item {
            Preamble::Table(table) => Some((&placed.place, table)),
            _ => None,
        })
    }

    /// The number of rules, anchor calls included.
    pub fn count(&self) -> usize {
        self.scrub.len()
            + self.nat.len()
            + self.rdr.len()
            + self.binat.len()
            + self.dummynet.len()
            + self.filter.len()
    }

    /// The interfaces that pf does not filter (`set skip on`).
    pub fn skipped(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for placed in &self.preamble {
            if let Preamble::Option(SetOption::Skip(skipped)) = &placed.item {
                if skipped.is_empty() {
                    names.clear();
                }
                names.extend(skipped.iter().map(|name| &**name));
            }
        }
        names
    }

    /// The first filter rule that is about one of these ports as its destination, and that port. A rule about a few ports
    /// is: `port > 1023` is a general policy.
    pub fn first_about(&self, ranges: &[PortRange]) -> Option<(u16, &Rule)> {
        self.filter.iter().find_map(|rule| {
            let Some(PortMatch::Number(named)) = &rule.item.destination.port else { return None };
            let (Compare::Equal(_) | Compare::Range(..) | Compare::Inside(..)) = named else { return None };
            let mut ports = ranges.iter().flat_map(|range| range.first()..=range.last());
            Some((ports.find(|port| named.matches(*port))?, &rule.item))
        })
    }

    /// The rules in the order in which `pfctl -s rules` prints them: scrub, then filter.
    pub fn listed_rules(&self) -> impl Iterator<Item = &Placed<Rule>> {
        self.scrub.iter().chain(&self.filter)
    }

    /// The translations in the order in which `pfctl -s nat` prints them.
    pub fn listed_nat(&self) -> impl Iterator<Item = &Placed<Rule>> {
        self.nat.iter().chain(&self.rdr).chain(&self.binat)
    }

    /// All rules, in the order in which `pfctl -nvf` prints them.
    pub fn rules(&self) -> impl Iterator<Item = &Placed<Rule>> {
        self.scrub.iter().chain(self.listed_nat()).chain(&self.filter).chain(&self.dummynet)
    }
}
