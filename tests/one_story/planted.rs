//! Eight lies, each planted by itself in what the faces are made from or in what one of them prints: in every world where it
//! is one, it is found.

use portcullis::diagnosis::Answer;
use portcullis::rules::ledger::Guard;
use portcullis::rules::source::Source;
use portcullis::status::{FirewallState, GuardEffect, Icon, PortState, PortStatus, Status};

use super::claims::judged;
use super::faces::Faces;
use super::world::{Files, LedgerState, NEAR_HOST, Place, Prepared, World};

/// A lie, where a world is one in which it is not so.
struct Planted {
    name: &'static str,
    /// Whether it can be told of this world, and is not so there.
    is_untrue: fn(&World, &Status) -> bool,
    tell: Told,
}

enum Told {
    /// In what the faces are made from.
    Assessed(fn(&mut Status)),
    /// In what one of them prints.
    Printed(fn(&mut Faces)),
}

const PLANTED: [Planted; 8] = [
    Planted {
        name: "all closed, above a port that is open",
        is_untrue: |_, status| is_known(status) && is_open(status),
        tell: Told::Assessed(|status| {
            "All debug ports are closed".clone_into(&mut status.sentence);
            status.icon = Icon::Closed;
        }),
    },
    Planted {
        name: "guard on: blocked, and the anchor is not called",
        is_untrue: |world, status| {
            status.firewall.guard == Some(Guard::On) && is_known(status) && !world.are_our_rules_evaluated()
        },
        tell: Told::Assessed(|status| status.firewall.guard_effect = GuardEffect::Holds),
    },
    Planted {
        name: "other machines can reach it, and pf blocks them",
        is_untrue: |_, status| is_known(status) && first(status, is_blocked_closed).is_some(),
        tell: Told::Assessed(|status| {
            let port = status.ports.iter_mut().find(|port| is_blocked_closed(port)).unwrap();
            "a debugger listens on every address, and the machines of this network can reach it"
                .clone_into(&mut port.because);
        }),
    },
    Planted {
        name: "what is not protected is counted",
        is_untrue: |_, status| {
            let is_unmanaged = |port: &PortStatus| port.state == PortState::Unmanaged;
            is_known(status) && first(status, is_unmanaged).is_some()
        },
        tell: Told::Assessed(|status| {
            let unmanaged = status.ports.iter().filter(|port| port.state == PortState::Unmanaged).count();
            status.open += unmanaged;
            status.sentence += &format!("; {unmanaged} ports are not protected");
        }),
    },
    Planted {
        name: "not known, of a port that is open",
        is_untrue: |world, status| {
            is_open(status) && world.ledger == LedgerState::Whole && world.interrupted.is_none()
        },
        tell: Told::Assessed(|status| {
            let open = status.ports.iter_mut().find(|port| is_open_whole(port)).unwrap();
            (open.state, open.from, open.end) = (PortState::Unknown, None, None);
        }),
    },
    Planted {
        name: "closed, and pf is off",
        is_untrue: |_, status| {
            status.firewall.state == FirewallState::Disabled && first(status, is_let_in).is_some()
        },
        tell: Told::Assessed(|status| {
            let port = status.ports.iter_mut().find(|port| is_let_in(port)).unwrap();
            port.state = PortState::Closed;
        }),
    },
    Planted {
        name: "this network, which is another one",
        is_untrue: |world, status| {
            let is_home = |port: &PortStatus| {
                let is_of_network = matches!(port.from, Some(Source::Lan { .. }));
                let is_named = port.for_whom(1).as_deref() == Some("192.168.1.0/24");
                is_of_network && is_named && is_open_whole(port) && !port.is_paused()
            };
            world.here == Place::Other && first(status, is_home).is_some()
        },
        tell: Told::Printed(|faces| {
            let text = &mut faces.status.text;
            *text = text.replace(" for 192.168.1.0/24", " for this network");
        }),
    },
    Planted {
        name: "this Mac's address, which is of another network",
        is_untrue: |world, _| world.here == Place::Other,
        tell: Told::Printed(|faces| {
            for ((_, client), said) in &mut faces.connect {
                if let (Ok(said), &NEAR_HOST) = (said, client) {
                    let settings = said.json["settings"].to_string().replace("10.9.8.7", "192.168.1.10");
                    said.json["settings"] = serde_json::from_str(&settings).unwrap();
                }
            }
        }),
    },
];

fn is_known(status: &Status) -> bool {
    status.firewall.state == FirewallState::Enabled
}

fn is_open(status: &Status) -> bool {
    status.ports.iter().any(is_open_whole)
}

fn is_open_whole(port: &PortStatus) -> bool {
    port.state == PortState::Open && !port.is_in_part()
}

fn is_blocked_closed(port: &PortStatus) -> bool {
    let is_single = port.port.as_single().is_some();
    port.state == PortState::Closed && port.pf.network == Answer::No && is_single && port.about.is_some()
}

fn is_let_in(port: &PortStatus) -> bool {
    port.state == PortState::LetIn && port.port.as_single().is_some()
}

fn first(status: &Status, of: impl Fn(&PortStatus) -> bool) -> Option<&PortStatus> {
    status.ports.iter().find(|port| of(port))
}

/// Whether the lie is found in this world; `None` where it is none, or where no face has room for it.
fn is_found(planted: &Planted, prepared: &Prepared, honest: &Faces, files: &Files) -> Option<bool> {
    let faces = match planted.tell {
        Told::Assessed(tell) => Faces::with(prepared, &tell),
        Told::Printed(tell) => {
            let mut faces = Faces::of(prepared);
            tell(&mut faces);
            faces
        }
    };
    let is_told = format!("{faces:?}") != format!("{honest:?}");
    is_told.then(|| !judged(prepared, &faces, files).0.is_empty())
}

#[test]
fn each_planted_lie_is_found() {
    /// In so many worlds each.
    const EACH: usize = 2;
    let files = Files::new();
    let mut found: [Vec<(u64, bool)>; PLANTED.len()] = Default::default();
    for number in 0..2000 {
        let world = World::of(number, 13);
        let (prepared, mut honest) = (world.prepare(&files), None);
        let status = prepared.observe().status;
        for (planted, found) in PLANTED.iter().zip(&mut found) {
            if found.len() < EACH && (planted.is_untrue)(&world, &status) {
                let honest = honest.get_or_insert_with(|| Faces::of(&prepared));
                found.extend(is_found(planted, &prepared, honest, &files).map(|is_found| (number, is_found)));
            }
        }
        if found.iter().all(|found| found.len() == EACH) {
            break;
        }
    }
    for (planted, found) in PLANTED.iter().zip(&found) {
        println!("{}: {found:?}", planted.name);
    }
    let is_found =
        |found: &Vec<(u64, bool)>| found.len() == EACH && found.iter().all(|(_, is_found)| *is_found);
    assert!(
        found.iter().all(is_found),
        "a lie is not found in the world of this number, or is told in none: {found:?}"
    );
}
