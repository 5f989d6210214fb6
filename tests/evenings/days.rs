//! What happens on a day: openings of every kind, and every event of a clock, at random.

use std::collections::BTreeSet;

use crate::oracle::{End, From, Network, Terms};
use crate::subject::Subject;
use crate::world::{HOME, Place, World, ZONES};
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
            world.open(PORTS[0], Terms { end: End::Evening, from: From::Anyone, stay: true });
            world.stay_awake(160);
        }
        happen(world, random, tell_zone);
    }
}

fn happen<S: Subject>(world: &mut World<S>, random: &mut Rng, tell_zone: fn(&mut S, &str)) {
    let port = PORTS[random.u64(..4) as usize];
    let is_open = world.mac.open_ports().contains(&port);
    match random.u64(..120) {
        // Where no network is known an opening is for the first that will be, unless it had one.
        0..42 if world.place.network == Network::Unknown && world.oracle.knows(port) => world.close(port),
        0..42 => {
            let terms = some_terms(world, random);
            world.open(port, terms);
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
            let place = world.place;
            // DHCP is late.
            if random.bool() {
                world.go(Place { network: Network::Unknown, has_address: random.bool(), ..place });
            }
            world.restart(random.u64(..6 * 3600) + 60, ahead);
            world.stay_awake(random.u64(..200));
            world.go(place);
        }
        // The battery was flat: the clock stands somewhere in the past, and is put right some minutes later.
        87..89 => {
            let ahead = world.ahead - random.i64(MINUTE..400 * DAY);
            world.restart(random.u64(..6 * 3600) + 60, ahead);
        }
        100.. => move_about(world, random),
        89..92 => world.set_end_of_day((60 * 14 + random.u64(..9 * 60)) as u16),
        _ => {
            world.stay_awake(200);
            world.sleep(random.u64(..14 * 3600) + 60);
            if random.u64(..3) == 0 {
                world.go(Place { network: some_network(random), ..world.place });
            }
            world.stay_awake(200);
        }
    }
}

/// Leaves for another network, for a while or longer; or what is seen of the same network changes.
fn move_about<S: Subject>(world: &mut World<S>, random: &mut Rng) {
    let place = world.place;
    match random.u64(..20) {
        0..6 => {
            world.go(Place { network: some_network(random), ..place });
            world.stay_awake(random.u64(..200));
        }
        // Wi-Fi reassociates, and comes back or goes on to another network.
        6..10 => {
            world.go(Place { network: Network::Unknown, has_address: random.bool(), ..place });
            world.stay_awake(random.u64(..400));
            let network = if random.bool() { place.network } else { some_network(random) };
            world.go(Place { network, ..place });
        }
        // There and back, between two ticks or just beyond.
        10..13 => {
            world.go(Place { network: some_network(random), ..place });
            world.stay_awake(random.u64(..110));
            world.go(place);
        }
        13..15 => world.go(Place { has_vpn: !place.has_vpn, ..place }),
        15..17 => world.go(Place { is_docked: !place.is_docked, ..place }),
        17 => world.go(Place { has_container: !place.has_container, ..place }),
        _ => world.go(Place { network: HOME, ..place }),
    }
}

/// At home mostly; or with its prefix and another router, elsewhere, or unknown.
fn some_network(random: &mut Rng) -> Network {
    match random.u64(..8) {
        0..4 => HOME,
        4 | 5 => Network::Known { prefix: 0, router: 1 },
        6 => Network::Known { prefix: 1, router: 2 },
        _ => Network::Unknown,
    }
}

fn some_terms<S: Subject>(world: &World<S>, random: &mut Rng) -> Terms {
    // Clients of the other prefix are of no session here.
    let has_clients = matches!(world.place.network, Network::Known { prefix: 0, .. });
    let from = if has_clients && random.bool() { From::Network } else { From::Anyone };
    Terms { end: some_end(world, random), from, stay: random.u64(..7) == 0 }
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
