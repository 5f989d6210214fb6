//! A Mac that is its ledger alone: the rules of what is over, as root applies them, a million times.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use portcullis::port::PortRange;
use portcullis::rules::due::{Clocks, come_due};
use portcullis::rules::ends::{EndKind, EndOfDay, EveningEnd};
use portcullis::rules::evening::evening;
use portcullis::rules::home::Home;
use portcullis::rules::ledger::{Guard, Ledger, Opening, Visit};
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::system::{Gateway, Moment, NetworkFacts};

use crate::oracle::{End, From, Network, Now, Terms};
use crate::subject::Subject;
use crate::world::Place;

/// Seconds between two firings; one that is passed in sleep is lost.
const INTERVAL: u64 = 60;
/// Looked at less often, the machine has slept.
const SLEPT: u64 = 5;
/// The prefixes of the networks that there are.
const PREFIXES: [&str; 2] = ["192.168.1.0/24", "10.0.0.0/16"];
/// How old a look may be.
const FRESH: i64 = 600;

#[derive(Debug)]
pub struct PureMac {
    ledger: Ledger,
    /// The boot and the wall clock of the last look.
    seen: Option<(u32, i64)>,
    sessions: BTreeSet<u16>,
    rung: BTreeSet<u16>,
    is_loaded: bool,
    next_firing: u64,
    polled: u64,
    networks: Vec<NetworkFacts>,
    planted: Option<Planted>,
    /// Of [`Planted::LateLeaving`]: the networks that are not noticed yet, and for how many ticks.
    unnoticed: (Vec<NetworkFacts>, u32),
    /// Of [`Planted::MoreTwice`]: what was given more a second time.
    given_twice: BTreeSet<u16>,
}

/// What is wrong with a Mac on purpose: the oracle has to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// The end of day is by the offset that the zone has in January.
    JanuaryOffset,
    /// Each boot is taken for the first.
    ForgottenRestart,
    /// What was in session at its evening gets 30 minutes more twice.
    MoreTwice,
    /// Another network is noticed at the fourth tick on it.
    LateLeaving,
}

impl Planted {
    pub const ALL: [Planted; 4] =
        [Planted::JanuaryOffset, Planted::ForgottenRestart, Planted::MoreTwice, Planted::LateLeaving];
}

impl PureMac {
    pub fn new() -> Self {
        let ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        let nothing = BTreeSet::new;
        PureMac {
            ledger,
            seen: None,
            sessions: nothing(),
            rung: nothing(),
            is_loaded: false,
            next_firing: 0,
            polled: 0,
            networks: Vec::new(),
            planted: None,
            unnoticed: (Vec::new(), 0),
            given_twice: nothing(),
        }
    }

    pub fn with(planted: Planted) -> Self {
        PureMac { planted: Some(planted), ..PureMac::new() }
    }

    /// Now, as this Mac takes it to be.
    fn moment(&self, now: &Now) -> Moment {
        let boot = if self.planted == Some(Planted::ForgottenRestart) { 1 } else { now.boot };
        Moment { time: now.wall, boot: boot.to_string(), clock: now.clock }
    }

    fn notice_networks(&mut self, visit: Visit) {
        let (networks, ticks) = &mut self.unnoticed;
        *ticks += u32::from(visit == Visit::Tick);
        if self.planted != Some(Planted::LateLeaving) || *ticks >= 4 {
            self.networks.clone_from(networks);
        }
    }

    fn give_more_again(&mut self, now: &Moment) {
        for opening in self.ledger.openings.iter_mut().filter(|opening| opening.is_over(now)) {
            let port = opening.port.first();
            let is_used = opening.evening == Some(EveningEnd::Extended) && self.sessions.contains(&port);
            if is_used && self.given_twice.insert(port) {
                opening.evening = Some(EveningEnd::Due);
            }
        }
    }

    /// What each request does first, and a tick alone.
    fn begin(&mut self, now: &Now, visit: Visit) {
        self.notice_networks(visit);
        self.expire(now);
        self.ledger.follow(&self.networks, visit);
    }

    fn expire(&mut self, now: &Now) {
        let (moment, evening) = (self.moment(now), self.evening(now));
        if self.planted == Some(Planted::MoreTwice) {
            self.give_more_again(&moment);
        }
        let sessions = &self.sessions;
        self.ledger
            .lengthen_evenings(&moment, |range: PortRange| sessions.iter().any(|port| range.contains(*port)));
        let latest = self.seen.map_or(i64::MIN, |(_, seen)| seen);
        come_due(&mut self.ledger, &Clocks { now: moment, evening, latest });
    }

    fn evening(&self, now: &Now) -> i64 {
        let day = self.ledger.end_of_day.unwrap_or_default();
        let january =
            now.zone.to_offset(jiff::Timestamp::from_second(crate::BEGIN).expect("within the years"));
        match self.planted {
            Some(Planted::JanuaryOffset) => evening(now.wall, day, &TimeZone::fixed(january)).until,
            _ => evening(now.wall, day, now.zone).until,
        }
    }

    fn request(
        &mut self,
        now: &Now,
        visit: Visit,
        change: impl FnOnce(&mut Ledger, &Moment, &[NetworkFacts]),
    ) {
        // A bell is a request of its own.
        let rung = std::mem::take(&mut self.rung);
        if !rung.is_empty() {
            self.begin(now, Visit::Request);
            rung.into_iter().for_each(|port| self.ledger.close(&named(port)));
        }
        self.begin(now, visit);
        let moment = self.moment(now);
        change(&mut self.ledger, &moment, &self.networks);
        self.expire(now);
        // Its states are dropped with it.
        let open = |port: &u16| self.ledger.openings.iter().any(|opening| opening.port.contains(*port));
        self.sessions.retain(open);
        (self.is_loaded, self.seen) = (true, Some((now.boot, now.wall)));
    }

    fn is_due(&self, now: &Now) -> bool {
        let (moment, evening) = (self.moment(now), self.evening(now));
        let is_fresh =
            self.seen.is_some_and(|(boot, seen)| boot == now.boot && (0..FRESH).contains(&(now.wall - seen)));
        let is_earlier = |opening: &Opening| {
            opening.may_last_longer() && opening.until.is_some_and(|until| until > evening)
        };
        let is_over = self.ledger.openings.iter().any(|opening| opening.is_over(&moment));
        let mut followed = self.ledger.clone();
        followed.follow(&self.unnoticed.0, Visit::Tick);
        let is_elsewhere = followed != self.ledger;
        is_over
            || is_elsewhere
            || self.ledger.openings.iter().any(is_earlier)
            || !is_fresh
            || !self.rung.is_empty()
    }
}

impl Subject for PureMac {
    fn open(&mut self, port: u16, terms: Terms, until: Option<i64>, now: &Now) {
        let kind = match terms.end {
            End::At(_) | End::Keep => EndKind::Time,
            End::Evening => EndKind::Evening,
            End::Restart => EndKind::Restart,
        };
        let until = match terms.end {
            End::Evening if self.planted == Some(Planted::JanuaryOffset) => Some(self.evening(now)),
            _ => until,
        };
        self.given_twice.remove(&port);
        let from = match terms.from {
            From::Anyone => Source::Any,
            From::Network => Source::Lan { networks: vec![PREFIXES[0].parse().expect("a network")] },
        };
        self.request(now, Visit::Request, |ledger, moment, networks| {
            let is_same = |opening: &&Opening| {
                let is_for = opening.from == from && opening.stay == terms.stay && !opening.is_paused();
                opening.port == named(port).range && is_for
            };
            let same = ledger.openings.iter().find(is_same);
            if !same.is_some_and(|same| same.until == until && same.kind() == kind) {
                let home = Home::of(networks).or(same.and_then(|same| same.home.clone()));
                let opening = Opening::new(&named(port), from, until, moment.time, "ada");
                let opening = Opening { home, stay: terms.stay, ..opening.ending(kind, moment) };
                ledger.open(opening);
            }
            ledger.follow(networks, Visit::Request);
        });
    }

    fn close(&mut self, port: u16, now: &Now) {
        self.request(now, Visit::Request, |ledger, _, _| ledger.close(&named(port)));
    }

    fn ring(&mut self, port: u16) {
        self.rung.insert(port);
    }

    fn set_end_of_day(&mut self, now: &Now) {
        let day: EndOfDay =
            format!("{:02}:{:02}", now.day / 60, now.day % 60).parse().expect("an end of day");
        self.request(now, Visit::Request, |ledger, _, _| ledger.end_of_day = Some(day));
    }

    fn restart(&mut self) {
        (self.is_loaded, self.next_firing, self.polled) = (false, 0, 0);
        self.sessions.clear();
    }

    fn set_sessions(&mut self, ports: &BTreeSet<u16>) {
        self.sessions.clone_from(ports);
    }

    fn set_place(&mut self, place: Place) {
        let facts = |interface: &str, prefix: &str, gateway| NetworkFacts {
            interface: interface.to_owned(),
            prefixes: vec![prefix.parse().expect("a network")],
            gateway,
        };
        let interface = if place.is_docked { "en7" } else { "en0" };
        let own = match place.network {
            Network::Unknown => place.has_address.then(|| facts(interface, PREFIXES[0], None)),
            Network::Known { prefix, router } => {
                let router = format!("a4:91:b1:00:00:0{router}").parse().ok();
                Some(facts(interface, PREFIXES[usize::from(prefix)], router))
            }
        };
        // A tunnel's network is none of the hardware's.
        let container =
            place.has_container.then(|| facts("bridge100", "192.168.64.0/24", Some(Gateway::ThisMac)));
        self.unnoticed = (own.into_iter().chain(container).collect(), 0);
    }

    fn poll(&mut self, now: &Now) -> bool {
        let slept = now.clock.saturating_sub(self.polled) > SLEPT && self.is_loaded;
        self.polled = now.clock;
        if now.clock < self.next_firing && self.rung.is_empty() {
            return false;
        }
        if now.clock >= self.next_firing {
            self.next_firing = now.clock + INTERVAL;
            if slept && self.rung.is_empty() {
                return false;
            }
        }
        if self.is_due(now) {
            self.request(now, Visit::Tick, |_, _, _| ());
        }
        true
    }

    fn open_ports(&mut self) -> BTreeSet<u16> {
        match self.is_loaded {
            true => {
                let openings = self.ledger.openings.iter().filter(|opening| !opening.is_paused());
                openings.map(|opening| opening.port.first()).collect()
            }
            false => BTreeSet::new(),
        }
    }
}

fn named(port: u16) -> NamedPort {
    NamedPort::unnamed(port.to_string().parse().expect("a port"))
}
