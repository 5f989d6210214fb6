//! What happens on a day: openings of every kind, and every event of a clock, at random.

use std::collections::BTreeSet;

use crate::oracle::End;
use crate::subject::Subject;
use crate::world::{World, ZONES};
use fastrand::Rng;

const PORTS: [u16; 4] = [2345, 9229, 5005, 9003];
const DAY: i64 = 24 * 3600;
const MINUTE: i64 = 60;
const HOUR: i64 = 3600;

/// Lives through one day. `tell_zone`: how the Mac learns another zone.
pub fn live<S: Subject>(world: &mut World<S>, random: &mut Rng, tell_zone: fn(&mut S, &str)) {
    let began = world.time;
    let count = 3 + random.u64(..10);
    let mut times: BTreeSet<i64> = (0..count).map(|_| began + random.i64(0..DAY)).collect();
    times.insert(began + DAY);
    // The night of a daylight-saving change has an evening of its own.
    let change = world.change_of_offset(began..began + DAY);
    times.extend(change.map(|change| change - HOUR));
    for time in times {
        world.wait_until(time, &mut |bound| random.u64(..bound));
        world.stay_awake(160);
        world.settle();
        if change.is_some_and(|change| change - HOUR == time) {
            world.open(PORTS[0], End::Evening);
            world.stay_awake(160);
        }
        happen(world, random, tell_zone);
    }
}

fn happen<S: Subject>(world: &mut World<S>, random: &mut Rng, tell_zone: fn(&mut S, &str)) {
    let port = PORTS[random.u64(..4) as usize];
    let is_open = world.mac.open_ports().contains(&port);
    match random.u64(..100) {
        0..42 => {
            let end = some_end(world, random);
            world.open(port, end);
            if random.u64(..2) == 0 {
                world.set_session(port, true);
            }
        }
        42..48 => world.close(port),
        48..54 if is_open => world.ring(port),
        54..64 if is_open => {
            let is_on = !world.sessions.contains(&port);
            world.set_session(port, is_on);
        }
        64..68 => world.ahead -= some_hours(random),
        68..72 => world.ahead += some_hours(random),
        72..78 => world.ahead = 0,
        78..82 => {
            let zone = ZONES[random.u64(..5) as usize];
            world.set_zone(zone, |mac| tell_zone(mac, zone));
        }
        82..87 => {
            let ahead = world.ahead;
            world.restart(random.u64(..6 * 3600) + 60, ahead);
        }
        // The battery was flat: the clock stands somewhere in the past, and is put right some minutes later.
        87..89 => {
            let ahead = world.ahead - random.i64(MINUTE..400 * DAY);
            world.restart(random.u64(..6 * 3600) + 60, ahead);
        }
        89..92 => world.set_end_of_day((60 * 14 + random.u64(..9 * 60)) as u16),
        _ => {
            world.stay_awake(200);
            world.sleep(random.u64(..14 * 3600) + 60);
            world.stay_awake(200);
        }
    }
}

/// By how much a clock is set: mostly by no more than an opening lasts.
fn some_hours(random: &mut Rng) -> i64 {
    let most = if random.u64(..3) == 0 { 30 } else { 3 };
    random.i64(MINUTE..most * HOUR)
}

fn some_end<S: Subject>(world: &World<S>, random: &mut Rng) -> End {
    let wall = world.now().wall;
    match random.u64(..20) {
        0..5 => End::At(wall + random.i64(2 * MINUTE..3 * HOUR)),
        5..9 => End::At(wall + random.i64(HOUR..40 * HOUR)),
        9..16 => End::Evening,
        16..18 => End::Restart,
        _ => End::Keep,
    }
}
