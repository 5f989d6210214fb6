//! One range of ports that is open: for whom, until when, and on which network. Pure.
//!
//! ```
//! use portcullis::rules::opening::{Followed, Opening, Visit};
//! use portcullis::rules::source::Source;
//! use portcullis::system::NetworkFacts;
//! let dlv = "2345".parse().map(portcullis::rules::named_port::NamedPort::unnamed).unwrap();
//! let on = |router: &str| {
//!     let prefixes = vec!["192.168.1.0/24".parse().unwrap()];
//!     [NetworkFacts { interface: "en0".into(), prefixes, gateway: router.parse().ok() }]
//! };
//! let mut opening = Opening::new(&dlv, Source::Any, None, 0, "ada");
//! assert_eq!(opening.follow(&on("a4:91:b1:00:00:01"), Visit::Tick), Followed::Stays);
//! assert_eq!(opening.follow(&on("a4:91:b1:00:00:02"), Visit::Tick), Followed::Stays);
//! assert!(opening.is_paused());
//! assert_eq!(opening.follow(&on("a4:91:b1:00:00:02"), Visit::Tick), Followed::IsOver);
//! ```

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::port::PortRange;
use crate::rules::ends::{self, EndKind, EveningEnd};
use crate::rules::home::{Home, Whereabouts};
use crate::rules::named_port::{NamedPort, PortName};
use crate::rules::source::{Source, covers};
use crate::system::{Moment, NetworkFacts};

/// Seconds since 1970-01-01 UTC.
pub type Seconds = i64;

/// 9999-12-31T23:59:59Z.
pub const LATEST: Seconds = 253_402_300_799;

/// Of how many boots an opening knows its end: of this one, and while a change is under way of one before.
const MOST_CLOCKS: usize = 4;
/// The most bytes in the name of a boot.
const LONGEST_BOOT: usize = 64;

/// One range that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Part of the rule's label.
    pub name: PortName,
    pub port: PortRange,
    pub from: Source,
    /// When it closes by itself; `None`: at no set time.
    pub until: Option<Seconds>,
    /// The same end by the clock that goes on in sleep and that no user can set, for each boot that it was known in: a wall
    /// clock that is set back makes no opening last longer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clocks: BTreeMap<String, u64>,
    /// Whether it closes when this Mac restarts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
    /// Where its set time is the evening: whether it may last longer while in session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evening: Option<EveningEnd>,
    /// The networks it was opened on, as root saw them, or the first that were known after that; `None` until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<Home>,
    /// Whether it stays open on other networks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stay: bool,
    /// Where that is not all of `from`: what is let in now. Empty: it pauses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub let_in: Option<Vec<IpNet>>,
    /// Whether a tick has seen this Mac on another network: at the next that does it is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
    pub since: Seconds,
    /// The user who asked for it.
    pub by: String,
    /// The number of the user that root saw ask, and who may close it without a password; `None` where that was not
    /// written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<u32>,
}

impl Opening {
    /// An opening without another end than `until`, on no particular network.
    pub fn new(port: &NamedPort, from: Source, until: Option<Seconds>, since: Seconds, by: &str) -> Self {
        let NamedPort { name, range: port } = port.clone();
        let (clocks, by) = (BTreeMap::new(), by.to_owned());
        Opening {
            name,
            port,
            from,
            until,
            clocks,
            restart: false,
            evening: None,
            home: None,
            stay: false,
            let_in: None,
            away: false,
            since,
            by,
            user: None,
        }
    }

    /// The same, as it ends by `kind` when asked for at `now`.
    pub fn ending(mut self, kind: EndKind, now: &Moment) -> Self {
        // By both clocks at once: what no clock of this boot knows is taken for older than the boot.
        self.until.into_iter().for_each(|until| self.end_at(until, now));
        match kind {
            EndKind::Time => self,
            EndKind::Evening => Opening { evening: Some(EveningEnd::Due), ..self },
            // It is known by the boots that it may last in.
            EndKind::Restart => {
                let mut opening = Opening { restart: true, clocks: BTreeMap::new(), ..self };
                opening.clocks.insert(now.boot.clone(), u64::MAX);
                opening
            }
        }
    }

    /// What it ends by.
    pub fn kind(&self) -> EndKind {
        match self.evening {
            Some(_) => EndKind::Evening,
            // A set time may end with this boot beside, where the clock was set back.
            None if self.restart && self.until.is_none() => EndKind::Restart,
            None => EndKind::Time,
        }
    }

    pub fn named_port(&self) -> NamedPort {
        NamedPort { name: self.name.clone(), range: self.port }
    }

    /// Whether it is over by either clock, or by a restart.
    pub fn is_over(&self, now: &Moment) -> bool {
        let end = self.clocks.get(&now.boot);
        let is_over = end.is_some_and(|end| *end <= now.clock) || (self.restart && end.is_none());
        is_over || self.until.is_some_and(|until| until <= now.time)
    }

    /// Whether it ends in the evening, and may last longer while in session.
    pub fn may_last_longer(&self) -> bool {
        self.evening == Some(EveningEnd::Due)
    }

    /// Whether `after` is the same with 30 minutes more, since it was in session when its evening came.
    pub(super) fn is_lengthened_by(&self, after: &Opening) -> bool {
        let longer = self.until.map(|until| until.saturating_add(ends::MORE));
        self.may_last_longer() && after.evening == Some(EveningEnd::Extended) && after.until == longer
    }

    /// Ends at `until`, by both clocks, and by neither later than it would have.
    pub(super) fn end_at(&mut self, until: Seconds, now: &Moment) {
        let left = u64::try_from(until.saturating_sub(now.time)).unwrap_or(0);
        let end = now.clock.saturating_add(left);
        self.until = Some(until);
        // Where the wall clock was set back more is left by it than by the other.
        self.clocks.entry(now.boot.clone()).and_modify(|known| *known = end.min(*known)).or_insert(end);
    }

    /// Who is let in now; `None`: nobody, while it pauses.
    pub fn source_now(&self) -> Option<Source> {
        match (&self.let_in, &self.from) {
            (None, from) => Some(from.clone()),
            (Some(networks), _) if networks.is_empty() => None,
            (Some(networks), Source::Hosts { .. }) => Some(Source::Hosts { hosts: networks.clone() }),
            (Some(networks), _) => Some(Source::Lan { networks: networks.clone() }),
        }
    }

    /// Whether no other machine is let in just now, since this Mac is not known to be on its network.
    pub fn is_paused(&self) -> bool {
        self.let_in.as_ref().is_some_and(Vec::is_empty)
    }

    /// Follows this Mac to the networks that it is on now: pauses, comes back, or is over.
    ///
    /// Where no gateway is known, what is open for a network pauses; on another network everything does. A second tick there
    /// is its end; what sees it between ticks only pauses it.
    pub fn follow(&mut self, now: &[NetworkFacts], visit: Visit) -> Followed {
        if self.home.is_none() {
            self.home = Home::of(now);
        }
        let home = self.home.as_ref().filter(|_| !self.stay);
        let Some(home) = home else {
            (self.let_in, self.away) = (None, false);
            return Followed::Stays;
        };
        let place = home.place(now);
        match (place, visit) {
            (Whereabouts::Another, Visit::Tick) if self.away => return Followed::IsOver,
            (Whereabouts::Another, Visit::Tick) => self.away = true,
            (Whereabouts::Here, _) => self.away = false,
            // It is neither forgotten nor counted.
            (Whereabouts::Another, Visit::Request) | (Whereabouts::Unknown, _) => {}
        }
        self.let_in = match &self.from {
            _ if self.away || place == Whereabouts::Another => Some(Vec::new()),
            Source::Lan { networks } => {
                let present = home.present(networks, now);
                (present != *networks).then_some(present)
            }
            Source::Any | Source::Hosts { .. } => None,
        };
        Followed::Stays
    }

    /// Whether each value lies within the bounds of what requests can lead to; ports and source apart.
    pub(super) fn has_bounded_end(&self) -> bool {
        let Opening { clocks, until, .. } = self;
        let is_clocked = clocks.len() <= MOST_CLOCKS && clocks.keys().all(|boot| boot.len() <= LONGEST_BOOT);
        is_clocked && until.is_none_or(|until| (0..=LATEST).contains(&until))
    }

    /// The same for its network: what is let in is some of its source, and no more than link-local clients on no link.
    pub(super) fn has_bounded_home(&self) -> bool {
        let is_some_of = |let_in: &Vec<IpNet>| match self.from.networks() {
            None => let_in.is_empty(),
            Some(networks) => covers(networks, let_in) && let_in.len() <= networks.len(),
        };
        self.home.as_ref().is_none_or(Home::is_within_bounds) && self.let_in.as_ref().is_none_or(is_some_of)
    }

    /// A part of the range, with the rest as it is.
    pub(super) fn part(&self, range: PortRange) -> Self {
        let NamedPort { name, range } = self.named_port().part(range);
        Opening { name, port: range, ..self.clone() }
    }
}

/// What looks at the networks that this Mac is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// launchd's tick.
    Tick,
    /// A request beside it.
    Request,
}

/// What became of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    Stays,
    /// This Mac has left its network.
    IsOver,
}
