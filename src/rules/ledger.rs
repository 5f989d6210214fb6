//! The ledger: each open port with its source and end, and the ports that are ours to close. Pure.
//!
//! ```
//! use portcullis::rules::ledger::{Guard, Ledger};
//! use portcullis::rules::named_port::NamedPort;
//! let dlv = NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() };
//! let ledger = Ledger { guard: Guard::On, managed: vec![dlv], ..Ledger::default() };
//! assert_eq!(ledger.closed().len(), 1);
//! ```

use serde::{Deserialize, Serialize};

use super::seal::{self, SealError};
use super::source::Source;
use crate::port::PortRange;
use crate::rules::ends::{self, EndOfDay, EveningEnd};
use crate::rules::named_port::{LOWEST_PORT, NamedPort, PortName};
use crate::rules::opening::Followed;
pub use crate::rules::opening::{LATEST, Opening, Seconds, Visit};
use crate::rules::order;
use crate::system::{Moment, NetworkFacts};

/// Whether the closed ports are blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// The user has not chosen yet; it goes on by itself where others already enabled pf.
    #[default]
    Unset,
    /// Closed managed ports are blocked from other machines, and we hold pf enabled.
    On,
    /// We block nothing.
    Off,
}

/// Which way our rules are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Attachment {
    /// Below Apple's `anchor "com.apple/*"`: no file of Apple's is edited, nothing is reloaded.
    Apple,
    /// Called by our marked block at the end of /etc/pf.conf.
    Classic,
}

impl Attachment {
    /// The anchor that holds our rules in this way.
    pub fn anchor(self) -> &'static str {
        match self {
            Attachment::Apple => crate::system::APPLE_ANCHOR,
            Attachment::Classic => crate::system::CLASSIC_ANCHOR,
        }
    }
}

/// What we hold of pf's reference count: void after a reboot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PfToken {
    /// The number that pf gave for it.
    pub number: u64,
    /// The boot it was given in.
    pub boot: String,
}

/// A change that is under way, or was interrupted: pf may have more open than the ledger says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changing {
    pub since: Seconds,
    /// The helper's process.
    pub pid: u32,
    /// What pf may have open beside what the ledger says.
    pub open: Vec<MayBeOpen>,
}

/// A range that pf may have open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MayBeOpen {
    pub name: PortName,
    pub port: PortRange,
    pub from: Source,
}

/// The desired state of our ports, as it stands in `ledger.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// Version of this form: [`Ledger::VERSION`].
    pub version: u32,
    pub guard: Guard,
    /// What is open; ranges do not overlap, rising.
    pub openings: Vec<Opening>,
    /// What is ours to close; ranges do not overlap, rising.
    pub managed: Vec<NamedPort>,
    /// Our hold on pf.
    pub token: Option<PfToken>,
    /// Where our rules were loaded last; `None` while none are.
    pub way: Option<Attachment>,
    /// When the working day ends; `None`: as [`EndOfDay`] has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_of_day: Option<EndOfDay>,
    /// The change that is under way; else `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changing: Option<Changing>,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger {
            version: Self::VERSION,
            guard: Guard::Unset,
            openings: Vec::new(),
            managed: Vec::new(),
            token: None,
            way: None,
            end_of_day: None,
            changing: None,
        }
    }
}

/// A ledger that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("it has version {0}")]
    Version(u32),
    #[error("{count} {what} are more than {max}")]
    TooMany { count: u32, what: &'static str, max: u32 },
    #[error("port {0} lies below {LOWEST_PORT}")]
    SystemPort(PortRange),
    #[error("{0} stands below or within {1}")]
    Order(PortRange, PortRange),
    #[error("the source of port {0} names no host, or every address")]
    Source(PortRange),
    #[error("the end of port {0} lies outside the years 1970 to 9999")]
    Until(PortRange),
    #[error("the network of port {0} is not one that it can be open for")]
    Home(PortRange),
}

impl Ledger {
    /// The version that this program writes and reads.
    pub const VERSION: u32 = 1;

    /// Reads the bytes of `ledger.json`.
    pub fn parse(bytes: &[u8]) -> Result<Self, LedgerError> {
        Self::parse_content(&seal::open(bytes)?)
    }

    /// The bytes of `ledger.json`.
    pub fn file(&self) -> Result<Vec<u8>, serde_json::Error> {
        seal::close(self)
    }

    /// Reads what stands in `ledger.json` beside its hash.
    fn parse_content(content: &[u8]) -> Result<Self, LedgerError> {
        let mut ledger: Ledger = serde_json::from_slice(content)?;
        if ledger.version != Self::VERSION {
            return Err(LedgerError::Version(ledger.version));
        }
        for opening in &mut ledger.openings {
            opening.name = opening.named_port().with_number_for_old_name().name;
        }
        ledger.managed = ledger.managed.into_iter().map(NamedPort::with_number_for_old_name).collect();
        ledger.check_bounds()?;
        Ok(ledger)
    }

    /// The most ports that are open at once.
    pub const MAX_OPEN: u32 = 1024;
    /// The most ports that are ours to close.
    pub const MAX_MANAGED: u32 = 16 * 1024;
    /// The most ranges in either list.
    pub const MAX_RANGES: u32 = 2048;
    /// The most hosts or networks that all openings let in.
    pub const MAX_HOSTS: u32 = 4096;

    /// Whether each value lies within the bounds of what requests can lead to, as a whole too.
    pub fn check_bounds(&self) -> Result<(), LedgerError> {
        let most = |count: u32, what, max| match count > max {
            true => Err(LedgerError::TooMany { count, what, max }),
            false => Ok(()),
        };
        let openings: Vec<PortRange> = self.openings.iter().map(|opening| opening.port).collect();
        let managed: Vec<PortRange> = self.managed.iter().map(|port| port.range).collect();
        most(check_ranges(&openings)?, "open ports", Self::MAX_OPEN)?;
        most(check_ranges(&managed)?, "managed ports", Self::MAX_MANAGED)?;
        let mut hosts = 0;
        for opening in &self.openings {
            let Opening { port, from, .. } = opening;
            if let Some(networks) = from.networks() {
                if networks.is_empty() || from.too_wide().is_some() {
                    return Err(LedgerError::Source(*port));
                }
                hosts += u32::try_from(networks.len()).unwrap_or(u32::MAX);
            }
            if !opening.has_bounded_end() {
                return Err(LedgerError::Until(*port));
            }
            if !opening.has_bounded_home() {
                return Err(LedgerError::Home(*port));
            }
        }
        most(hosts, "hosts", Self::MAX_HOSTS)
    }

    /// Opens a range; what was open of it before gives way.
    pub fn open(&mut self, opening: Opening) {
        self.drop_openings(opening.port);
        self.openings.push(opening);
        order::by_key(&mut self.openings, |opening| opening.port);
    }

    /// Closes a range: what is open of it is dropped, and it is ours to block from now on.
    pub fn close(&mut self, port: &NamedPort) {
        self.drop_openings(port.range);
        self.manage(port);
    }

    /// Closes everything that is open.
    pub fn close_all(&mut self) {
        for opening in std::mem::take(&mut self.openings) {
            self.manage(&opening.named_port());
        }
    }

    /// Closes what was to be open until `now` or earlier, by either clock; gives what that was.
    pub fn expire(&mut self, now: &Moment) -> Vec<Opening> {
        self.close_where(|opening| opening.is_over(now))
    }

    /// Closes each opening with a set time whose end is not known by the clock of this boot, where the wall clock is behind
    /// one that was seen before: how much of that time is left is not known then. `latest`: the latest that was seen.
    pub fn expire_set_back(&mut self, now: &Moment, latest: Seconds) -> Vec<Opening> {
        self.close_where(|opening| {
            let is_of_other_boot = !opening.clocks.contains_key(&now.boot);
            opening.until.is_some() && is_of_other_boot && now.time < latest.max(opening.since)
        })
    }

    /// Notes for each opening with a set time when that is by the clock that no user can set.
    pub fn set_clocks(&mut self, now: &Moment) {
        for opening in &mut self.openings {
            if let Some(until) = opening.until
                && !opening.clocks.contains_key(&now.boot)
            {
                let left = u64::try_from(until.saturating_sub(now.time)).unwrap_or(0);
                // What an earlier boot knew says nothing any more.
                opening.clocks.clear();
                opening.clocks.insert(now.boot.clone(), now.clock.saturating_add(left));
            }
        }
    }

    /// Ends what ends in the evening no later than an evening that is asked for now: the end of day, the zone or daylight
    /// saving may have changed since, and that makes nothing last longer.
    pub fn shorten_evenings(&mut self, now: &Moment, evening: Seconds) {
        for opening in self.openings.iter_mut().filter(|opening| opening.may_last_longer()) {
            if opening.until.is_some_and(|until| until > evening) {
                opening.end_at(evening, now);
            }
        }
    }

    /// Gives each opening whose evening has come 30 minutes more, once, where `in_session` says so of its range.
    pub fn lengthen_evenings(&mut self, now: &Moment, in_session: impl Fn(PortRange) -> bool) {
        for opening in &mut self.openings {
            if !opening.may_last_longer() || !opening.is_over(now) || !in_session(opening.port) {
                continue;
            }
            opening.evening = Some(EveningEnd::Extended);
            opening.until = opening.until.map(|until| until.saturating_add(ends::MORE));
            for end in opening.clocks.values_mut() {
                *end = end.saturating_add(ends::MORE.unsigned_abs());
            }
        }
    }

    /// Follows this Mac to the networks that it is on now: what is over by that closes. Gives what that was.
    pub fn follow(&mut self, now: &[NetworkFacts], visit: Visit) -> Vec<Opening> {
        let is_over = |opening: &mut Opening| opening.follow(now, visit) == Followed::IsOver;
        let over: Vec<Opening> = self.openings.extract_if(.., is_over).collect();
        over.iter().for_each(|opening| self.manage(&opening.named_port()));
        over
    }

    fn close_where(&mut self, over: impl Fn(&Opening) -> bool) -> Vec<Opening> {
        let (expired, open): (Vec<_>, Vec<_>) = self.openings.drain(..).partition(|opening| over(opening));
        self.openings = open;
        for opening in &expired {
            self.manage(&opening.named_port());
        }
        expired
    }

    /// Takes a range among those that are ours to close; parts that already are keep their name.
    pub fn manage(&mut self, port: &NamedPort) {
        let mut fresh = vec![port.range];
        for managed in &self.managed {
            fresh = fresh.into_iter().flat_map(|range| range.without(managed.range)).collect();
        }
        self.managed.extend(fresh.into_iter().map(|range| port.part(range)));
        order::by_key(&mut self.managed, |managed| managed.range);
    }

    /// What the guard blocks from other machines: managed, and not open.
    pub fn closed(&self) -> Vec<NamedPort> {
        if self.guard != Guard::On {
            return Vec::new();
        }
        let mut closed = Vec::new();
        for managed in &self.managed {
            let mut left = vec![managed.range];
            for opening in &self.openings {
                left = left.into_iter().flat_map(|range| range.without(opening.port)).collect();
            }
            closed.extend(left.into_iter().map(|range| managed.part(range)));
        }
        closed
    }

    /// Whether our rules refuse a connection from another machine, `remote`, to `port`: the guard is on, the port is
    /// ours, and it is not open for that address. A pause refuses what is new, and ends no connection, so it does not count.
    pub fn refuses(&self, port: u16, remote: std::net::IpAddr) -> bool {
        if self.guard != Guard::On {
            return false;
        }
        match self.openings.iter().find(|opening| opening.port.contains(port)) {
            Some(opening) => {
                opening.from.networks().is_some_and(|let_in| !let_in.iter().any(|net| net.contains(&remote)))
            }
            None => self.managed.iter().any(|managed| managed.range.contains(port)),
        }
    }

    /// Whether there is anything to load: all closed and no guard means no rules, no token, no trace.
    pub fn needs_rules(&self) -> bool {
        !self.openings.is_empty() || !self.closed().is_empty()
    }

    /// What is true without us: the openings without an end, on whatever network. At boot pf loads our rules by itself, and may do so long after
    /// the others are over.
    pub fn at_boot(&self) -> Ledger {
        let (lasting, ending): (Vec<_>, Vec<_>) = self
            .openings
            .iter()
            .cloned()
            .partition(|opening| opening.until.is_none() && !opening.restart && opening.stay);
        let mut ledger = Ledger { openings: lasting, ..self.clone() };
        ending.iter().for_each(|opening| ledger.manage(&opening.named_port()));
        ledger
    }

    /// What is open in it and not in `other` on the same terms: for the same clients, until the same end.
    pub fn open_beyond(&self, other: &Ledger) -> Vec<MayBeOpen> {
        // An opening that learns which network it is on is no more open than before.
        let terms = |opening: &Opening| {
            (opening.source_now(), opening.until, opening.restart, opening.stay, opening.away)
        };
        let has_other_home = |one: &Opening, other: &Opening| matches!((&one.home, &other.home), (Some(one), Some(other)) if one != other);
        let is_same =
            |one: &Opening, other: &Opening| terms(one) == terms(other) && !has_other_home(one, other);
        let mut beyond = Vec::new();
        for opening in &self.openings {
            let mut left = vec![opening.port];
            for same in other.openings.iter().filter(|same| is_same(same, opening)) {
                left = left.into_iter().flat_map(|range| range.without(same.port)).collect();
            }
            beyond.extend(left.into_iter().map(|range| {
                let Opening { name, port, from, .. } = opening.part(range);
                MayBeOpen { name, port, from }
            }));
        }
        beyond
    }

    /// What is blocked in it for some client and not in `other`, where anyone may get in: it has no guard, or manages less.
    pub fn blocked_beyond(&self, other: &Ledger) -> Vec<MayBeOpen> {
        if self.guard != Guard::On {
            return Vec::new();
        }
        let is_guarded = other.guard == Guard::On;
        let not_there = |range: PortRange| {
            let managed = other.managed.iter().filter(|_| is_guarded).map(|managed| managed.range);
            // Beside an opening it is guarded as the opening says, which is compared by itself.
            let opened = other.openings.iter().filter(|_| is_guarded).map(|opening| opening.port);
            managed.chain(opened).fold(vec![range], |left, there| {
                left.into_iter().flat_map(|range| range.without(there)).collect()
            })
        };
        let managed = self.managed.iter().map(|managed| (&managed.name, managed.range));
        let opened = self.openings.iter().filter(|opening| opening.from != Source::Any);
        let blocked = managed.chain(opened.map(|opening| (&opening.name, opening.port)));
        let beyond = blocked.flat_map(|(name, range)| {
            let open = |port| MayBeOpen { name: name.clone(), port, from: Source::Any };
            not_there(range).into_iter().map(open)
        });
        beyond.collect()
    }

    pub(super) fn drop_openings(&mut self, port: PortRange) {
        let openings = std::mem::take(&mut self.openings);
        self.openings = openings
            .into_iter()
            .flat_map(|opening| {
                let left = opening.port.without(port);
                left.into_iter().map(move |range| opening.part(range))
            })
            .collect();
    }
}

/// How many ports a list of ranges has. Errors: they do not rise, overlap, or lie where system services sit.
fn check_ranges(ranges: &[PortRange]) -> Result<u32, LedgerError> {
    let count = u32::try_from(ranges.len()).unwrap_or(u32::MAX);
    if count > Ledger::MAX_RANGES {
        return Err(LedgerError::TooMany { count, what: "ranges", max: Ledger::MAX_RANGES });
    }
    if let Some(low) = ranges.iter().find(|range| range.first() < LOWEST_PORT) {
        return Err(LedgerError::SystemPort(*low));
    }
    for (one, next) in ranges.iter().zip(ranges.iter().skip(1)) {
        if next.first() <= one.last() {
            return Err(LedgerError::Order(*next, *one));
        }
    }
    Ok(ranges.iter().map(|range| range.count()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn managed(name: &str, port: &str) -> NamedPort {
        NamedPort { name: name.parse().unwrap(), range: port.parse().unwrap() }
    }

    fn opening(port: &str, until: Option<Seconds>) -> Opening {
        Opening::new(&managed("dlv", port), Source::Any, until, 0, "ada")
    }

    fn ports(list: &[NamedPort]) -> String {
        list.iter().map(|managed| managed.range.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn closing_the_middle_of_a_range_leaves_both_ends_open() {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        ledger.open(opening("3000-3010", None));
        ledger.close(&managed("port", "3005"));
        let open: Vec<_> = ledger.openings.iter().map(|opening| opening.port.to_string()).collect();
        assert_eq!(open, ["3000-3004", "3006-3010"]);
        assert_eq!(ports(&ledger.closed()), "3005");
    }

    #[test]
    fn opening_takes_the_place_of_what_was_open() {
        let mut ledger = Ledger::default();
        ledger.open(opening("3000-3010", None));
        ledger.open(opening("3010", Some(5)));
        assert_eq!(ledger.openings.len(), 2);
        assert_eq!(ledger.openings[1].until, Some(5));
    }

    #[test]
    fn what_is_over_closes_and_stays_ours() {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        ledger.open(opening("3000", Some(100)));
        let at = |time| Moment { time, boot: "B".into(), clock: 7 };
        assert!(ledger.expire(&at(99)).is_empty());
        assert_eq!(ledger.expire(&at(100)).len(), 1);
        assert_eq!(ports(&ledger.closed()), "3000");
    }

    #[test]
    fn no_range_is_managed_twice() {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        ledger.manage(&managed("a", "5-10"));
        ledger.manage(&managed("b", "8-12"));
        ledger.manage(&managed("c", "6"));
        assert_eq!(ports(&ledger.managed), "5-10 11-12");
    }

    #[test]
    fn what_no_request_leads_to_is_refused() {
        let read = |openings: &str, managed: &str| {
            let text = format!(
                r#"{{"version":1,"guard":"on","openings":[{openings}],"managed":[{managed}],"token":null,"way":null}}"#
            );
            Ledger::parse_content(text.as_bytes()).map_err(|error| error.to_string())
        };
        let opening = |port: &str, from: &str, until: &str| {
            format!(r#"{{"name":"a","port":{port},"from":{from},"until":{until},"since":1,"by":"ada"}}"#)
        };
        let any = r#"{"kind":"any"}"#;
        assert!(read(&opening("2345", any, "5"), r#"{"name":"a","port":"7000-7010"}"#).is_ok());
        for (openings, managed, why) in [
            (opening("\"1-65535\"", any, "5"), String::new(), "below 1024"),
            (opening("\"1024-65535\"", any, "5"), String::new(), "64512 open ports"),
            (opening("2345", any, "-1"), String::new(), "the end of port 2345"),
            (opening("2345", r#"{"kind":"hosts","hosts":[]}"#, "5"), String::new(), "no host"),
            (opening("2345", r#"{"kind":"hosts","hosts":["::/0"]}"#, "5"), String::new(), "every address"),
            (String::new(), r#"{"name":"a","port":22}"#.to_owned(), "below 1024"),
            (String::new(), r#"{"name":"a","port":"1024-65535"}"#.to_owned(), "64512 managed"),
            (
                String::new(),
                r#"{"name":"a","port":3000},{"name":"b","port":"2000-3000"}"#.to_owned(),
                "2000-3000 stands below",
            ),
        ] {
            let said = read(&openings, &managed).unwrap_err();
            assert!(said.contains(why), "{openings} {managed}: {said}");
        }
    }

    #[test]
    fn refuses_who_is_not_let_in() {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        ledger.manage(&managed("a", "2000-2010"));
        let hosts = vec!["10.0.0.0/8".parse().unwrap()];
        ledger.open(Opening { from: Source::Hosts { hosts }, ..opening("2005", None) });
        let refuses = |port, remote: &str| ledger.refuses(port, remote.parse().unwrap());
        assert!(refuses(2000, "10.1.1.1") && refuses(2005, "192.168.1.1"));
        assert!(!refuses(2005, "10.1.1.1") && !refuses(1999, "10.1.1.1"));
    }

    #[test]
    fn what_is_open_beyond_another_ledger() {
        let mut ledger = Ledger::default();
        ledger.open(opening("3000-3010", None));
        ledger.open(opening("4000", Some(5)));
        let mut other = Ledger::default();
        other.open(opening("3003", None));
        other.open(opening("4000", Some(4)));
        let beyond = ledger.open_beyond(&other);
        let shown: Vec<_> = beyond.iter().map(|open| open.port.to_string()).collect();
        assert_eq!(shown, ["3000-3002", "3004-3010", "4000"]);
        assert!(ledger.open_beyond(&ledger).is_empty());
    }

    #[test]
    fn at_boot_only_what_has_no_end_is_open() {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        ledger.open(Opening { stay: true, ..opening("3000", None) });
        ledger.open(opening("3500", None));
        ledger.open(Opening { stay: true, ..opening("4000", Some(5)) });
        let at_boot = ledger.at_boot();
        assert_eq!(at_boot.openings.len(), 1);
        assert_eq!(ports(&at_boot.closed()), "3500 4000");
    }

    #[test]
    fn without_guard_nothing_is_closed() {
        let mut ledger = Ledger::default();
        ledger.manage(&managed("a", "5"));
        assert!(!ledger.needs_rules());
        ledger.guard = Guard::On;
        assert!(ledger.needs_rules());
    }

    #[test]
    fn a_port_without_a_name_was_once_named_port() {
        let old = r#"{"version":1,"guard":"on","openings":[{"name":"port","port":"7001-7003","from":{"kind":"any"},
            "until":null,"since":1,"by":"ada"}],"managed":[{"name":"port","port":1999}],"token":null,"way":null}"#;
        let mut ledger = Ledger::parse_content(old.as_bytes()).unwrap();
        assert_eq!(ledger.openings[0].name.as_str(), "7001-7003");
        assert_eq!(ledger.managed[0].to_string(), "1999");
        ledger.close(&managed("x", "7002"));
        let left: Vec<_> = ledger.openings.iter().map(|opening| opening.name.as_str()).collect();
        assert_eq!(left, ["7001", "7003"]);
        assert!(
            Ledger::parse_content(old.replace(":1,", ":2,").as_bytes())
                .unwrap_err()
                .to_string()
                .contains("version 2")
        );
    }

    /// What version 1 wrote before an opening had more ends than one.
    #[test]
    fn an_opening_reads_without_what_it_does_not_say() {
        let json = r#"{"name":"dlv","port":2345,"from":{"kind":"any"},"until":5,"since":1,"by":"ada"}"#;
        let read: Opening = serde_json::from_str(json).unwrap();
        assert_eq!(read, Opening { since: 1, ..opening("2345", Some(5)) });
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        let home = Some(crate::rules::sample::home(1));
        let ends = Opening { restart: true, home, let_in: Some(Vec::new()), away: true, ..read };
        let json = serde_json::to_string(&ends).unwrap();
        let home = r#"[{"prefix":"10.1.2.0/24","gateway":"a4:91:b1:00:00:01"}]"#;
        let words = format!(r#""restart":true,"home":{home},"let_in":[],"away":true,"since""#);
        assert!(json.contains(&words), "{json}");
        assert_eq!(serde_json::from_str::<Opening>(&json).unwrap(), ends);
    }
}
