//! Worlds that a person meets: the sentence, the rows, what is said of the ports that are open or in use, and the notes, in
//! a golden file to be read with fresh eyes.

use portcullis::report::PfState;
use portcullis::rules::ends::EveningEnd;
use portcullis::rules::ledger::{Guard, Opening};
use portcullis::rules::source::Source;
use portcullis::status::AppFirewall;

use super::claims::{LONGEST, judged};
use super::faces::{Faces, drawn};
use super::world::{
    Bound, Conf, Files, LedgerState, Listener, Look, Main, NEAR_HOST, NOW, Ours, Place, Program, SHOWN,
    Sockets, World, hosts, lan, named, opening_of,
};

/// In the evening.
fn open(index: usize, from: Source) -> Opening {
    let until = Some(NOW + 5 * 3600 + 1800);
    Opening { until, evening: Some(EveningEnd::Due), ..opening_of(&named(SHOWN[index]), from) }
}

fn world(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::quiet();
    change(&mut world);
    world
}

/// 2345 is open, and this is on it.
fn with(from: Source, program: Program, bind: Bound) -> World {
    world(|world| {
        world.open(open(0, from));
        world.listeners.push(Listener::new(2345, program, bind));
    })
}

fn stock() -> World {
    World { guard: Guard::Unset, ..World::quiet() }
}

fn closed(port: u16, program: Program, bind: Bound) -> World {
    world(|world| world.listeners.push(Listener::new(port, program, bind)))
}

fn opened(change: impl FnOnce(&mut World)) -> World {
    let mut world = with(lan(), Program::Debugger, Bound::All);
    change(&mut world);
    world
}

fn met() -> Vec<(&'static str, World)> {
    use Program::{Debugger, Docker, Tunnel, Unknown, Web};
    vec![
        ("the first start", World { look: Look::Missing, managed: vec![], ..stock() }),
        ("never protected, nothing listens", stock()),
        (
            "never protected, node for all",
            World { listeners: vec![Listener::new(9229, Debugger, Bound::All)], ..stock() },
        ),
        ("all closed", World::quiet()),
        ("all closed, dlv for this Mac", closed(2345, Debugger, Bound::Loopback)),
        ("all closed, node for all", closed(9229, Debugger, Bound::All)),
        ("all closed, a web server on dlv's port", closed(2345, Web, Bound::All)),
        ("open, nothing listens", world(|world| world.open(open(0, lan())))),
        ("open, dlv for this Mac", with(lan(), Debugger, Bound::Loopback)),
        ("open, dlv for all", with(lan(), Debugger, Bound::AllOfBoth)),
        ("open for anyone", with(Source::Any, Debugger, Bound::All)),
        ("open for one host", with(hosts(NEAR_HOST), Debugger, Bound::All)),
        ("open, in session", opened(|world| world.listeners[0].session = true)),
        ("open, a client waits", opened(|world| world.listeners[0].queue = 2)),
        ("open, dlv lost its listener", with(lan(), Debugger, Bound::Nowhere)),
        ("open, docker", with(lan(), Docker, Bound::All)),
        ("open, an SSH tunnel", with(lan(), Tunnel, Bound::Loopback)),
        ("open, a web server has the port", with(lan(), Web, Bound::All)),
        ("open, another user's program", with(lan(), Unknown, Bound::All)),
        ("open, IPv6 alone", with(lan(), Debugger, Bound::LoopbackSix)),
        ("just moved to another network", opened(|world| world.here = Place::Other)),
        ("on another network", opened(|world| (world.then, world.here) = (Place::Other, Place::Other))),
        ("no router yet", opened(|world| (world.then, world.here) = (Place::NoRouter, Place::NoRouter))),
        ("at the dock", opened(|world| world.here = Place::Docked)),
        ("offline", opened(|world| world.here = Place::Offline)),
        ("not seen for hours", opened(|world| world.look = Look::Ago(4 * 3600))),
        ("restarted, nothing open", World { look: Look::OtherBoot, ..World::quiet() }),
        ("not looked at since a change", opened(|world| world.look = Look::Outdated)),
        ("the ledger is damaged", opened(|world| world.ledger = LedgerState::Damaged)),
        ("a change was interrupted", world(|world| world.interrupted = Some(named(SHOWN[0])))),
        ("pf was switched off", World { pf: PfState::Disabled, ..World::quiet() }),
        ("pf was switched off, one open", opened(|world| world.pf = PfState::Disabled)),
        ("another program loaded pf anew", opened(|world| world.main = Main::PassesAll)),
        ("our rules are gone", opened(|world| world.ours = Ours::Flushed)),
        ("a VPN blocks the port", opened(|world| world.others = vec![VPN_BLOCKS])),
        ("a VPN lets node in", World { others: vec![VPN_PASSES], ..World::quiet() }),
        ("a kill switch", opened(|world| world.others = vec![KILL_SWITCH])),
        ("one host is kept out", opened(|world| world.others = vec![KEEPS_OUT])),
        (
            "the Application Firewall blocks dlv",
            opened(|world| {
                (world.app_firewall, world.is_blocked) = (AppFirewall::On, true);
            }),
        ),
        ("the Application Firewall blocks all", opened(|world| world.app_firewall = AppFirewall::BlockAll)),
        ("the Application Firewall is on", opened(|world| world.app_firewall = AppFirewall::On)),
        ("pf.conf does not read", World { conf: Conf::Broken, ..World::quiet() }),
        ("the sockets are unreadable", opened(|world| world.sockets = Sockets::Unreadable)),
        ("the guard is off, one open", opened(|world| world.guard = Guard::Off)),
    ]
}

const VPN_BLOCKS: (&str, &str) =
    ("com.apple/050.vpn", "block drop in quick proto tcp from any to any port = 2345\n");
const VPN_PASSES: (&str, &str) =
    ("com.apple/050.vpn", "pass in quick proto tcp from any to any port = 9229 flags S/SA keep state\n");
const KILL_SWITCH: (&str, &str) = ("com.apple/050.vpn", "block drop quick on en0 all\n");
const KEEPS_OUT: (&str, &str) =
    ("com.apple/050.vpn", "block drop in quick inet proto tcp from 192.168.1.20 to any port = 2345\n");

/// What a person reads of one world.
fn read(faces: &Faces) -> String {
    let json = &faces.status.json;
    let rows = drawn(&faces.menu);
    let rows: String =
        rows.lines().filter(|row| row.starts_with('[')).map(|row| format!("  {row}\n")).collect();
    let mut text = format!("{}\n{rows}", faces.status.text.lines().next().unwrap_or_default());
    for port in json["ports"].as_array().unwrap() {
        let is_of_interest = port["state"] != "closed" && port["state"] != "unmanaged";
        if port["in_use"] == true || is_of_interest && port["state"] != "unknown" {
            let said = |key: &str| port[key].as_str().unwrap_or_default().to_owned();
            text += &format!("  {}: {}\n    next: {}\n", port["port"], said("because"), said("next"));
        }
    }
    let notes = json["notes"].as_array().unwrap().iter();
    text + &notes.map(|note| format!("  ! {}\n", note.as_str().unwrap())).collect::<String>()
}

#[test]
fn what_a_person_meets() {
    let files = Files::new();
    let (mut golden, mut wrong) = (String::new(), String::new());
    for (name, world) in met() {
        let prepared = world.prepare(&files);
        let faces = Faces::of(&prepared);
        for lie in judged(&prepared, &faces, &files).0 {
            wrong += &format!("{name}: {}: {}\n", lie.rule, lie.what);
        }
        let sentence = faces.status.json["sentence"].as_str().unwrap();
        assert!(sentence.chars().count() <= LONGEST, "{name}: {sentence}");
        golden += &format!("== {name}\n{}\n", read(&faces));
    }
    assert!(wrong.is_empty(), "{wrong}");
    insta::assert_snapshot!(golden);
}
