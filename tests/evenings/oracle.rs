//! What has to be open and what must not be, as ARCHITECTURE.md ("The evening") has it and not as the code does: nothing of
//! the crate is used here.
//!
//! Each opening is a promise with two times. From the first on it may be closed: an end of it was reached by some clock, or
//! a user asked. From the second on it must be, within [`LATEST`] seconds awake. They differ only where the text leaves
//! room: how far a look at pf may lie back, and that a change is noticed by the next tick.
//!
//! Beside them a port may pause, and must: while this Mac is seen on another network, and for clients of the network while
//! none is known. A pause is no end: where this Mac is back, so is the port.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How many seconds awake an opening may last beyond its end: one minute until the next tick, and what the tick takes.
const LATEST: u64 = 70;
/// What a port in session at its evening gets, once.
const MORE: i64 = 30 * 60;
/// From how long before the end of day an evening is two hours.
const LAST: i64 = 30 * 60;
/// How old the last look at pf may be while this Mac is awake.
const OLDEST_LOOK: i64 = 10 * 60;

/// Now, by every clock.
#[derive(Clone, Debug)]
pub struct Now<'a> {
    pub wall: i64,
    /// Seconds since the start, sleep among them.
    pub clock: u64,
    pub boot: u32,
    pub zone: &'a TimeZone,
    /// The end of day, in minutes after midnight.
    pub day: u16,
    pub network: Network,
}

/// The network that this Mac is on, by its own hardware: what a VPN, a dock or a container adds is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// No address yet, or a router of which nothing is known: before DHCP, while Wi-Fi reassociates.
    Unknown,
    Known {
        prefix: u8,
        router: u8,
    },
}

/// Who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Anyone,
    /// Clients on the network that it is opened on.
    Network,
}

/// How a port is asked to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub end: End,
    pub from: From,
    /// Whether it stays open on other networks.
    pub stay: bool,
}

/// What looks at pf, and does what is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Tick,
    Request,
}

/// When an opening is to end, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `--for` and `--until`.
    At(i64),
    Evening,
    Restart,
    Keep,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wrongs {
    pub late: u32,
    pub revived: u32,
    pub cut: u32,
}

#[derive(Clone, Debug)]
struct Promise {
    end: End,
    from: From,
    stay: bool,
    /// The network that it was opened on, or else the first that was known after that.
    home: Option<Network>,
    /// The ticks that saw this Mac on another network since it was last seen at home.
    ticks_away: u8,
    may_be_paused: bool,
    must_be_paused: bool,
    /// The end by the wall clock, and by the one that goes on in sleep, which counts in one boot.
    wall: Option<i64>,
    clock: Option<u64>,
    boot: u32,
    /// The earliest evening that could have been noticed since: from then on it may be closed.
    earliest: Option<i64>,
    earliest_clock: Option<u64>,
    had_more: bool,
    /// The latest wall clock seen while it was open, and what was seen last.
    latest: i64,
    seen: i64,
    /// The wall clock was seen to be set back: how much is left is known in this boot alone.
    was_set_back: bool,
    is_surely_set_back: bool,
    may_be_closed: bool,
    must_be_closed: bool,
    /// Closed by hand, or by a restart with an older clock.
    is_doomed: bool,
    /// Seconds awake since it had to be closed, or since this Mac woke.
    over_for: u64,
    is_late: bool,
}

/// All that was promised.
#[derive(Debug, Default)]
pub struct Oracle {
    promises: BTreeMap<u16, Promise>,
    /// Ports that are open though nothing promises it, and counted already.
    revived: BTreeSet<u16>,
    /// Nothing is back before the first tick after a restart.
    awaits_first_tick: bool,
    pub wrongs: Wrongs,
    /// Why, in words.
    pub told: Vec<String>,
}

/// The end of an evening that is asked for now.
pub fn evening(now: &Now) -> i64 {
    let local = now.zone.to_datetime(Timestamp::from_second(now.wall).expect("within the years"));
    let part = |number: u16| i8::try_from(number).expect("a time of day");
    let end = local.date().at(part(now.day / 60), part(now.day % 60), 0, 0);
    let end = now.zone.to_ambiguous_timestamp(end).compatible().expect("within the years").as_second();
    if now.wall >= end - LAST { now.wall + 2 * 3600 } else { end }
}

impl Oracle {
    /// A port was opened, or opened again.
    pub fn opened(&mut self, port: u16, terms: Terms, now: &Now) {
        let Terms { end, from, stay } = terms;
        let wall = match end {
            End::At(wall) => Some(wall),
            End::Evening => Some(evening(now)),
            End::Restart | End::Keep => None,
        };
        // What is so already is not changed.
        if let Some(there) = self.promises.get(&port)
            && !there.is_doomed
            && !there.had_more
            && there.is_for(terms, now)
            && there.wall == wall
            && std::mem::discriminant(&there.end) == std::mem::discriminant(&end)
            && !there.was_set_back
        {
            return;
        }
        let clock = wall.map(|wall| now.clock + (wall - now.wall).unsigned_abs());
        let same = self.promises.get(&port).filter(|there| there.wall == wall && !there.is_doomed);
        // What had less left by one of the clocks may be taken for the same, or for another.
        let earliest_clock = same.and_then(|there| there.earliest_clock).into_iter().chain(clock).min();
        let was_set_back = same.is_some_and(|there| there.was_set_back);
        let promise = Promise {
            end,
            from,
            stay,
            home: Some(now.network).filter(|network| *network != Network::Unknown),
            ticks_away: 0,
            may_be_paused: false,
            must_be_paused: false,
            wall,
            clock,
            boot: now.boot,
            earliest: wall,
            earliest_clock,
            had_more: false,
            latest: now.wall,
            seen: now.wall,
            was_set_back,
            is_surely_set_back: false,
            may_be_closed: false,
            must_be_closed: false,
            is_doomed: false,
            over_for: 0,
            is_late: false,
        };
        self.promises.insert(port, promise);
    }

    /// A user has closed a port, by a request or by its bell.
    pub fn closed(&mut self, port: u16) {
        if let Some(promise) = self.promises.get_mut(&port) {
            (promise.is_doomed, promise.may_be_closed, promise.must_be_closed) = (true, true, true);
        }
    }

    /// This Mac starts anew.
    pub fn restarted(&mut self) {
        self.awaits_first_tick = true;
        for promise in self.promises.values_mut().filter(|promise| promise.end == End::Restart) {
            (promise.is_doomed, promise.may_be_closed, promise.must_be_closed) = (true, true, true);
        }
    }

    /// Time went on by so many seconds awake. `in_session`: the ports that other machines are connected to.
    pub fn passed(&mut self, now: &Now, awake: u64, in_session: &BTreeSet<u16>) {
        let awaited = self.promises.values().any(|promise| promise.end == End::Evening && !promise.had_more);
        let evening = awaited.then(|| evening(now));
        for (port, promise) in &mut self.promises {
            if let Some(evening) = evening.filter(|_| promise.end == End::Evening && !promise.had_more) {
                let left = (evening - now.wall).unsigned_abs();
                promise.earliest = promise.earliest.map(|earliest| earliest.min(evening));
                promise.earliest_clock = promise.earliest_clock.map(|clock| clock.min(now.clock + left));
            }
            promise.notice_boot(now);
            promise.may_be_paused |= promise.is_to_pause(now);
            if promise.is_over(now) && promise.end == End::Evening && !promise.had_more {
                let gets_more = !promise.is_doomed && in_session.contains(port);
                if gets_more {
                    promise.lengthen();
                }
            }
            promise.must_be_closed = promise.is_doomed || promise.is_over(now);
            promise.may_be_closed |= promise.must_be_closed || promise.may_be_over(now);
            promise.over_for = if promise.must_be_closed { promise.over_for + awake } else { 0 };
        }
    }

    /// A tick has ended, or a request was carried out: now every change is noticed.
    pub fn looked(&mut self, now: &Now, look: Look) {
        self.awaits_first_tick = false;
        for promise in self.promises.values_mut() {
            promise.follow(now, look);
            promise.latest = promise.latest.max(now.wall);
            promise.seen = now.wall;
            if promise.end == End::Evening && !promise.had_more {
                let evening = evening(now);
                if promise.wall.is_some_and(|wall| wall > evening) {
                    let clock = now.clock + (evening - now.wall).unsigned_abs();
                    promise.wall = Some(evening);
                    promise.clock = promise.clock.map(|known| known.min(clock));
                }
            }
            promise.compare_clocks(now);
            if promise.boot != now.boot && promise.end != End::Restart {
                promise.boot = now.boot;
                (promise.was_set_back, promise.is_surely_set_back) = (false, false);
                let clock = |wall: i64| now.clock + u64::try_from(wall - now.wall).unwrap_or(0);
                promise.clock = promise.wall.map(clock);
                promise.earliest_clock = promise.earliest.map(clock);
            }
        }
    }

    /// Holds what is open in pf against the promises, and gives the ports that were found closed for good.
    pub fn judge(&mut self, open: &BTreeSet<u16>, when: &str) -> Vec<u16> {
        let mut gone = Vec::new();
        for (port, promise) in &mut self.promises {
            let is_open = open.contains(port);
            if is_open && promise.over_for > LATEST && !promise.is_late {
                promise.is_late = true;
                self.wrongs.late += 1;
                self.told.push(format!("late: {port} at {when}: {promise:?}"));
            }
            if is_open && promise.must_be_paused && !promise.is_late {
                promise.is_late = true;
                self.wrongs.late += 1;
                self.told.push(format!("late: {port} does not pause at {when}: {promise:?}"));
            }
            // What pauses is known to be closed for good only when it has to be.
            let may_come_back = promise.may_be_paused && !promise.must_be_closed;
            if is_open || may_come_back || (self.awaits_first_tick && !promise.may_be_closed) {
                continue;
            }
            gone.push(*port);
            if !promise.may_be_closed {
                self.wrongs.cut += 1;
                self.told.push(format!("cut: {port} at {when}: {promise:?}"));
            }
        }
        self.promises.retain(|port, _| !gone.contains(port));
        for port in open {
            if !self.promises.contains_key(port) && self.revived.insert(*port) {
                self.wrongs.revived += 1;
                self.told.push(format!("revived: {port} at {when}"));
            }
        }
        self.revived.retain(|port| open.contains(port));
        gone
    }

    /// Whether a port is promised, closed or paused as it may be.
    pub fn knows(&self, port: u16) -> bool {
        self.promises.contains_key(&port)
    }

    /// This Mac was asleep: launchd has lost what it was to start meanwhile, and begins a minute anew.
    pub fn slept(&mut self) {
        self.promises.values_mut().for_each(|promise| promise.over_for = 0);
    }

    /// Whether nothing is about to be closed, or to come back.
    pub fn is_settled(&self) -> bool {
        !self.awaits_first_tick && !self.promises.values().any(|promise| promise.must_be_closed)
    }

    /// In how many seconds the next end comes, as things stand.
    pub fn next_end(&self, now: &Now) -> Option<u64> {
        let left = |promise: &Promise| {
            let wall = promise.wall.map(|wall| u64::try_from(wall - now.wall).unwrap_or(0));
            let clock = promise.clock.filter(|_| promise.boot == now.boot);
            wall.into_iter().chain(clock.map(|clock| clock.saturating_sub(now.clock))).min()
        };
        self.promises.values().filter_map(left).min()
    }
}

impl Promise {
    /// Whether it is for these clients, on this network.
    fn is_for(&self, terms: Terms, now: &Now) -> bool {
        let is_on_it = self.stay || self.home == Some(now.network);
        self.from == terms.from && self.stay == terms.stay && is_on_it
    }

    fn is_elsewhere(&self, now: &Now) -> bool {
        let is_another = self.home.is_some_and(|home| home != now.network);
        is_another && now.network != Network::Unknown && !self.stay
    }

    /// Whether a look has it pause: on another network everything does, on none that is known what is for one.
    fn is_to_pause(&self, now: &Now) -> bool {
        let is_for_a_network = self.from == From::Network && !self.stay;
        self.is_elsewhere(now) || (is_for_a_network && now.network == Network::Unknown)
    }

    /// At the first tick on another network it pauses, at the second it is over. Unknown is not another.
    fn follow(&mut self, now: &Now, look: Look) {
        let is_here = self.home == Some(now.network) || self.stay;
        self.must_be_paused = self.is_to_pause(now);
        if is_here {
            (self.ticks_away, self.may_be_paused) = (0, false);
        }
        if self.home.is_none() && now.network != Network::Unknown {
            (self.home, self.may_be_paused) = (Some(now.network), false);
        }
        if self.is_elsewhere(now) && look == Look::Tick {
            self.ticks_away += 1;
            if self.ticks_away == 2 {
                (self.is_doomed, self.may_be_closed, self.must_be_closed) = (true, true, true);
                self.over_for = LATEST + 1;
            }
        }
    }

    /// By whichever clock comes first.
    fn is_over(&self, now: &Now) -> bool {
        let by_clock = self.boot == now.boot && self.clock.is_some_and(|clock| clock <= now.clock);
        by_clock || self.wall.is_some_and(|wall| wall <= now.wall)
    }

    fn may_be_over(&self, now: &Now) -> bool {
        let by_clock = self.boot == now.boot && self.earliest_clock.is_some_and(|clock| clock <= now.clock);
        by_clock || self.earliest.is_some_and(|wall| wall <= now.wall)
    }

    /// In a new boot with a wall clock earlier than the latest one seen it is over.
    fn notice_boot(&mut self, now: &Now) {
        if self.boot == now.boot || self.wall.is_none() {
            return;
        }
        self.may_be_closed |= now.wall < self.latest || self.was_set_back;
        self.is_doomed |= now.wall < self.seen - OLDEST_LOOK || self.is_surely_set_back;
    }

    /// Where more is left by the wall clock than by the other, it was set back.
    fn compare_clocks(&mut self, now: &Now) {
        let (Some(wall), Some(clock)) = (self.wall, self.clock) else { return };
        if self.boot == now.boot {
            let more = wall - now.wall - clock.saturating_sub(now.clock).cast_signed();
            self.was_set_back |= more > 0;
            self.is_surely_set_back |= more > OLDEST_LOOK;
        }
    }

    fn lengthen(&mut self) {
        self.had_more = true;
        for end in [&mut self.wall, &mut self.earliest] {
            *end = end.map(|wall| wall + MORE);
        }
        for end in [&mut self.clock, &mut self.earliest_clock] {
            *end = end.map(|clock| clock + MORE.unsigned_abs());
        }
    }
}
