//! `make evening`: what is open ends by itself, in time and not before, whatever happens to the clocks.
//!
//! Two simulated years of random days are lived through, second by second, beside an oracle that was written from the design
//! and not from the code (`oracle`). Two Macs are tried: one that is its ledger alone (`pure`), for all of the days, and the
//! built helper in a lab, started by launchd's stand-in (`built`), for some of them and at least [`BUILT_TICKS`] ticks, where
//! what counts is what the lab's pf has loaded.
//!
//! Before that faults are planted in the first, which the oracle has to see.
//!
//! The last line is `days N, ticks T, late 0, revived 0, cut 0`; otherwise it ends with 1. `EVENING=all` lives through all
//! of it, `EVENING_SEED=N` through other days.

#[path = "../common/mod.rs"]
mod common;

mod built;
mod days;
mod oracle;
mod pure;
mod subject;
mod world;

use std::process::ExitCode;

use built::BuiltMac;
use days::live;
use fastrand::Rng;
use oracle::Wrongs;
use pure::{Planted, PureMac};
use subject::Subject;
use world::{Waiting, World, ZONES};

/// How many ticks the built helper does at least.
const BUILT_TICKS: u64 = 2000;
/// 2026-01-01.
const BEGIN: i64 = 1_767_225_600;
/// Within how many days what is planted has to be seen.
const PLANTED_DAYS: i64 = 365;
const DAY: i64 = 24 * 3600;

/// How much is lived through.
struct Extent {
    pure_days: i64,
    built_ticks: u64,
}

#[derive(Default)]
struct Total {
    days: i64,
    ticks: u64,
    wrongs: Wrongs,
    told: Vec<String>,
}

fn main() -> ExitCode {
    // libtest's listing, which editors and runners ask of every test binary.
    if std::env::args().any(|argument| argument == "--list") {
        println!("evenings: test");
        return ExitCode::SUCCESS;
    }
    let seed = std::env::var("EVENING_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(19);
    let extent = match std::env::var("EVENING").is_ok_and(|extent| extent == "all") {
        true => Extent { pure_days: 730, built_ticks: BUILT_TICKS },
        false => Extent { pure_days: 20, built_ticks: 20 },
    };
    if let Some(unseen) = Planted::ALL.into_iter().find(|planted| !is_seen(*planted, seed)) {
        println!("planted, and not seen: {unseen:?}");
        return ExitCode::FAILURE;
    }
    let mut total = Total::default();
    let mut random = Rng::with_seed(seed);
    let mut pure = World::new(BEGIN, ZONES[0], Waiting::Awake, |_| PureMac::new());
    for _ in 0..extent.pure_days {
        live(&mut pure, &mut random, |_, _| ());
    }
    total.add(&pure, extent.pure_days);
    let built_ticks = built(&mut total, &mut random, extent.built_ticks);
    for line in total.told.iter().take(20) {
        println!("{line}");
    }
    println!("of the ticks {built_ticks} ran the built helper under launchd's stand-in");
    let Wrongs { late, revived, cut } = total.wrongs;
    println!("days {}, ticks {}, late {late}, revived {revived}, cut {cut}", total.days, total.ticks);
    if total.wrongs == Wrongs::default() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the oracle sees what is wrong with a Mac on purpose.
fn is_seen(planted: Planted, seed: u64) -> bool {
    let mut random = Rng::with_seed(seed);
    let mut world = World::new(BEGIN, ZONES[0], Waiting::Awake, |_| PureMac::with(planted));
    for day in 1..=PLANTED_DAYS {
        live(&mut world, &mut random, |_, _| ());
        let Wrongs { late, revived, cut } = world.oracle.wrongs;
        if late + revived + cut > 0 {
            println!("planted {planted:?}: seen on day {day}: late {late}, revived {revived}, cut {cut}");
            return true;
        }
    }
    false
}

/// Labs around each change of daylight saving, a few days each, until there were enough ticks.
fn built(total: &mut Total, random: &mut Rng, least: u64) -> u64 {
    let begins = [80, 296, 66, 445, 302, 271, 92, 660];
    let mut ticks = 0;
    for (begin, number) in begins.iter().cycle().zip(0..) {
        if ticks >= least {
            break;
        }
        let zone = ZONES[number % ZONES.len()];
        let time = BEGIN + begin * DAY;
        let mut world = World::new(time, zone, Waiting::Asleep, |now| BuiltMac::new(now, zone));
        let mut lived = 0;
        while lived < 12 && ticks + world.ticks < least {
            live(&mut world, random, |mac, zone| zone.clone_into(&mut mac.zone));
            lived += 1;
        }
        total.add(&world, lived);
        ticks += world.ticks;
    }
    ticks
}

impl Total {
    fn add<S: Subject>(&mut self, world: &World<S>, days: i64) {
        let Wrongs { late, revived, cut } = world.oracle.wrongs;
        self.days += days;
        self.ticks += world.ticks;
        self.wrongs.late += late;
        self.wrongs.revived += revived;
        self.wrongs.cut += cut;
        self.told.extend(world.oracle.told.iter().cloned());
    }
}
