//! A Mac that is its ledger alone: the rules of what is over, as root applies them, a million times.

use std::collections::BTreeSet;

use portcullis::port::PortRange;
use portcullis::rules::due::{Clocks, come_due};
use portcullis::rules::ends::{EndKind, EndOfDay};
use portcullis::rules::evening::evening;
use portcullis::rules::ledger::{Guard, Ledger, Opening};
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::system::Moment;

use crate::oracle::{End, Now};
use crate::subject::Subject;

/// Seconds between two firings; one that is passed in sleep is lost.
const INTERVAL: u64 = 60;
/// Looked at less often, the machine has slept.
const SLEPT: u64 = 5;
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
        }
    }

    /// What each request does first, and a tick alone.
    fn expire(&mut self, now: &Now) {
        let (moment, evening) = (moment(now), self.evening(now));
        let sessions = &self.sessions;
        self.ledger
            .lengthen_evenings(&moment, |range: PortRange| sessions.iter().any(|port| range.contains(*port)));
        let latest = self.seen.map_or(i64::MIN, |(_, seen)| seen);
        come_due(&mut self.ledger, &Clocks { now: moment, evening, latest });
    }

    fn evening(&self, now: &Now) -> i64 {
        evening(now.wall, self.ledger.end_of_day.unwrap_or_default(), now.zone).until
    }

    fn request(&mut self, now: &Now, change: impl FnOnce(&mut Ledger, &Moment)) {
        std::mem::take(&mut self.rung).into_iter().for_each(|port| self.ledger.close(&named(port)));
        self.expire(now);
        change(&mut self.ledger, &moment(now));
        self.expire(now);
        // Its states are dropped with it.
        let open = |port: &u16| self.ledger.openings.iter().any(|opening| opening.port.contains(*port));
        self.sessions.retain(open);
        (self.is_loaded, self.seen) = (true, Some((now.boot, now.wall)));
    }

    fn is_due(&self, now: &Now) -> bool {
        let (moment, evening) = (moment(now), self.evening(now));
        let is_fresh =
            self.seen.is_some_and(|(boot, seen)| boot == now.boot && (0..FRESH).contains(&(now.wall - seen)));
        let is_earlier = |opening: &Opening| {
            opening.may_last_longer() && opening.until.is_some_and(|until| until > evening)
        };
        let is_over = self.ledger.openings.iter().any(|opening| opening.is_over(&moment));
        is_over || self.ledger.openings.iter().any(is_earlier) || !is_fresh || !self.rung.is_empty()
    }
}

impl Subject for PureMac {
    fn open(&mut self, port: u16, end: End, until: Option<i64>, now: &Now) {
        let kind = match end {
            End::At(_) | End::Keep => EndKind::Time,
            End::Evening => EndKind::Evening,
            End::Restart => EndKind::Restart,
        };
        self.request(now, |ledger, moment| {
            let there = ledger.openings.iter().find(|opening| opening.port == named(port).range);
            if !there.is_some_and(|there| there.until == until && there.kind() == kind) {
                let opening = Opening::new(&named(port), Source::Any, until, moment.time, "ada");
                ledger.open(opening.ending(kind, moment));
            }
        });
    }

    fn close(&mut self, port: u16, now: &Now) {
        self.request(now, |ledger, _| ledger.close(&named(port)));
    }

    fn ring(&mut self, port: u16) {
        self.rung.insert(port);
    }

    fn set_end_of_day(&mut self, now: &Now) {
        let day: EndOfDay =
            format!("{:02}:{:02}", now.day / 60, now.day % 60).parse().expect("an end of day");
        self.request(now, |ledger, _| ledger.end_of_day = Some(day));
    }

    fn restart(&mut self) {
        (self.is_loaded, self.next_firing, self.polled) = (false, 0, 0);
        self.sessions.clear();
    }

    fn set_sessions(&mut self, ports: &BTreeSet<u16>) {
        self.sessions.clone_from(ports);
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
            self.request(now, |_, _| ());
        }
        true
    }

    fn open_ports(&mut self) -> BTreeSet<u16> {
        match self.is_loaded {
            true => self.ledger.openings.iter().map(|opening| opening.port.first()).collect(),
            false => BTreeSet::new(),
        }
    }
}

fn named(port: u16) -> NamedPort {
    NamedPort::unnamed(port.to_string().parse().expect("a port"))
}

fn moment(now: &Now) -> Moment {
    Moment { time: now.wall, boot: now.boot.to_string(), clock: now.clock }
}
