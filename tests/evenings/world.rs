//! The time of a Mac as it really goes on, and all that can happen to its clocks: set, another zone, sleep, a restart.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::tz::TimeZone;

use crate::oracle::{End, Look, Network, Now, Oracle, Terms, evening};
use crate::subject::Subject;

/// launchd's stand-in looks this often while awake, in seconds.
const STEP: u64 = 5;

/// Zones with their daylight saving: north, south, half an hour, none.
pub const ZONES: [&str; 5] = [
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "EST5EDT,M3.2.0,M11.1.0",
    "AEST-10AEDT,M10.1.0,M4.1.0/3",
    "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
    "<+0530>-5:30",
];

/// How this Mac spends the time in which nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    Awake,
    /// Asleep but for what is interesting: each tick costs a process.
    Asleep,
}

/// Where a Mac is, with all that a program sees of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub network: Network,
    /// On its second interface.
    pub is_docked: bool,
    pub has_vpn: bool,
    /// A virtual machine with a network of its own, on which this Mac is the router.
    pub has_container: bool,
    /// Where no router is known: whether there is an address.
    pub has_address: bool,
}

pub const HOME: Network = Network::Known { prefix: 0, router: 0 };

impl Place {
    const AT_HOME: Place =
        Place { network: HOME, is_docked: false, has_vpn: false, has_container: false, has_address: true };
}

/// One Mac under the oracle's eyes.
pub struct World<S> {
    pub mac: S,
    pub oracle: Oracle,
    /// Seconds since 1970 as they really are.
    pub time: i64,
    /// What the wall clock is ahead.
    pub ahead: i64,
    started: i64,
    boot: u32,
    zone: TimeZone,
    day: u16,
    pub place: Place,
    pub sessions: BTreeSet<u16>,
    pub waiting: Waiting,
    pub ticks: u64,
}

impl<S: Subject> World<S> {
    pub fn new(time: i64, zone: &str, waiting: Waiting, mac: impl FnOnce(&Now) -> S) -> Self {
        let zone = TimeZone::posix(zone).expect("a zone");
        let (day, place) = (18 * 60 + 30, Place::AT_HOME);
        let mut mac =
            mac(&Now { wall: time, clock: 1000, boot: 1, zone: &zone, day, network: place.network });
        mac.set_place(place);
        World {
            mac,
            oracle: Oracle::default(),
            time,
            ahead: 0,
            started: time - 1000,
            boot: 1,
            zone,
            day,
            place,
            sessions: BTreeSet::new(),
            waiting,
            ticks: 0,
        }
    }

    pub fn now(&self) -> Now<'_> {
        let clock = (self.time - self.started).unsigned_abs();
        let (wall, network) = (self.time + self.ahead, self.place.network);
        Now { wall, clock, boot: self.boot, zone: &self.zone, day: self.day, network }
    }

    /// When the offset of the zone changes within this time, by the wall clock that is right.
    pub fn change_of_offset(&self, mut times: Range<i64>) -> Option<i64> {
        let offset = |time: i64| {
            let time = jiff::Timestamp::from_second(time).expect("within the years");
            self.zone.to_offset(time)
        };
        let before = offset(times.start);
        times.find(|time| time % 1800 == 0 && offset(*time) != before)
    }

    /// Awake for so many seconds.
    pub fn stay_awake(&mut self, seconds: u64) {
        for _ in 0..seconds.div_ceil(STEP) {
            self.time += STEP.cast_signed();
            self.look(STEP);
        }
    }

    fn look(&mut self, awake: u64) {
        let World { mac, oracle, sessions, zone, .. } = self;
        let clock = (self.time - self.started).unsigned_abs();
        let (wall, network) = (self.time + self.ahead, self.place.network);
        let now = Now { wall, clock, boot: self.boot, zone, day: self.day, network };
        oracle.passed(&now, awake, sessions);
        if mac.poll(&now) {
            self.ticks += 1;
            oracle.looked(&now, Look::Tick);
        }
        self.judge();
    }

    fn judge(&mut self) {
        let open = self.mac.open_ports();
        let when = format!(
            "{} (ahead {}, boot {}, ticks {})",
            jiff::Timestamp::from_second(self.time).expect("within the years"),
            self.ahead,
            self.boot,
            self.ticks
        );
        for port in self.oracle.judge(&open, &when) {
            // Its states were dropped with it.
            self.sessions.remove(&port);
        }
    }

    /// Asleep for so many seconds: launchd does nothing.
    pub fn sleep(&mut self, seconds: u64) {
        self.time += seconds.cast_signed();
        self.oracle.slept();
    }

    /// Until `time`, or a little later where that falls into sleep.
    pub fn wait_until(&mut self, time: i64, pick: &mut impl FnMut(u64) -> u64) {
        while self.time < time {
            let left = (time - self.time).unsigned_abs();
            if self.waiting == Waiting::Awake {
                return self.stay_awake(left);
            }
            self.stay_awake(160.min(left));
            let end = self.oracle.next_end(&self.now()).unwrap_or(u64::MAX);
            let left = u64::try_from(time - self.time).unwrap_or(0);
            if left.min(end) < 400 {
                self.stay_awake(left.min(end) + 70);
            } else if left < end || pick(10) < 7 {
                self.sleep(left.min(end) - 130);
            } else {
                self.sleep(left.min(end + pick(2400)));
            }
        }
    }

    /// Until nothing is about to be closed.
    pub fn settle(&mut self) {
        self.look(0);
        for _ in 0..60 {
            if self.oracle.is_settled() {
                return;
            }
            self.stay_awake(STEP);
        }
    }

    /// Has a request carried out, which begins with what is due.
    fn request(&mut self, request: impl FnOnce(&mut S, &mut Oracle, &Now)) {
        let World { mac, oracle, sessions, zone, .. } = self;
        let clock = (self.time - self.started).unsigned_abs();
        let (wall, network) = (self.time + self.ahead, self.place.network);
        let now = Now { wall, clock, boot: self.boot, zone, day: self.day, network };
        oracle.passed(&now, 0, sessions);
        oracle.looked(&now, Look::Request);
        request(mac, oracle, &now);
        oracle.looked(&now, Look::Request);
        self.judge();
    }

    pub fn open(&mut self, port: u16, terms: Terms) {
        self.request(|mac, oracle, now| {
            let until = match terms.end {
                End::At(until) => Some(until),
                End::Evening => Some(evening(now)),
                End::Restart | End::Keep => None,
            };
            mac.open(port, terms, until, now);
            oracle.opened(port, terms, now);
        });
        // What was closed while it paused had its states dropped.
        self.mac.set_sessions(&self.sessions);
    }

    pub fn close(&mut self, port: u16) {
        self.request(|mac, oracle, now| {
            mac.close(port, now);
            oracle.closed(port);
        });
    }

    /// Has it closed by its bell.
    pub fn ring(&mut self, port: u16) {
        self.mac.ring(port);
        self.oracle.closed(port);
    }

    pub fn set_end_of_day(&mut self, minutes: u16) {
        self.day = minutes;
        self.request(|mac, _, now| mac.set_end_of_day(now));
    }

    pub fn set_zone(&mut self, zone: &str, tell: impl FnOnce(&mut S)) {
        self.zone = TimeZone::posix(zone).expect("a zone");
        tell(&mut self.mac);
    }

    pub fn go(&mut self, place: Place) {
        self.place = place;
        self.mac.set_place(place);
    }

    pub fn set_session(&mut self, port: u16, is_on: bool) {
        if is_on {
            self.sessions.insert(port)
        } else {
            self.sessions.remove(&port)
        };
        self.mac.set_sessions(&self.sessions);
    }

    /// Off for so many seconds; afterwards the wall clock is ahead by `ahead`.
    pub fn restart(&mut self, off: u64, ahead: i64) {
        self.time += off.cast_signed();
        self.ahead = ahead;
        self.started = self.time - 15;
        self.boot += 1;
        self.sessions.clear();
        self.mac.restart();
        self.oracle.restarted();
        self.judge();
    }
}
