//! What pf does with each packet in each situation: a table, written from how pf treats sessions (XNU's pf.c) and from
//! what the rules promise, not from the rules.
//!
//! A situation is made by the programs themselves in a lab; each row starts from it anew. `over` is a packet of this
//! Mac to itself: out of lo0, and into it again.

mod common;

use common::Lab;
use portcullis::lab::packets::{PacketFate, send};

const STATES: &str = "/private/var/pf/states";

/// Packets, one behind the other, and what becomes of each.
type Row = (&'static str, &'static str);

/// Who is who: this Mac, machines of its network, one far away, and the same by IPv6.
const WHO: [(&str, &str); 11] = [
    ("mac:", "192.168.1.1:"),
    ("ada:", "192.168.1.9:"),
    ("eve:", "192.168.1.8:"),
    ("far:", "203.0.113.7:"),
    ("wing:", "172.16.5.9:"),
    ("mac6:", "[fd00::1]:"),
    ("ada6:", "[fd00::9]:"),
    ("far6:", "[2a00:1450::7]:"),
    ("self:", "127.0.0.1:"),
    ("self6:", "[::1]:"),
    ("link:", "[fe80::9]:"),
];

fn named(text: &str) -> String {
    let word = |word: &str| {
        let who =
            WHO.iter().find_map(|(name, address)| Some(format!("{address}{}", word.strip_prefix(name)?)));
        who.unwrap_or_else(|| word.to_owned())
    };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ").replace("maclink", "[fe80::1]")
}

fn fate(lab: &Lab, packet: &str) -> PacketFate {
    let text = named(packet);
    let one = |text: &str| {
        let read = text.parse().unwrap_or_else(|error| panic!("{packet}: {error}"));
        send(lab.path(), &read).unwrap_or_else(|error| panic!("{packet}: {error}")).fate
    };
    match text.strip_prefix("over ") {
        None => one(&text),
        Some(rest) => match one(&format!("out {rest}")) {
            PacketFate::Passed => one(&format!("in {rest}")),
            stopped => stopped,
        },
    }
}

/// Sends the packets of each row in the situation of `lab`.
fn check(lab: &Lab, rows: &[Row]) {
    let states = std::fs::read(lab.file(STATES)).unwrap_or_default();
    let mut wrong = Vec::new();
    for (packets, expected) in rows {
        lab.write(STATES, &states);
        let fates: Vec<String> = packets.split("; ").map(|packet| fate(lab, packet).to_string()).collect();
        if fates.join(" ") != *expected {
            wrong.push(format!("{packets}: {}, and not {expected}", fates.join(" ")));
        }
    }
    lab.write(STATES, &states);
    assert!(wrong.is_empty(), "\n{}\n{}", wrong.join("\n"), lab.rules());
}

/// States as pfctl prints them, `missed` bytes behind.
fn knows(lab: &Lab, states: &[&str], missed: u64) {
    let line = |state: &&str| {
        let state = named(state);
        format!("ALL tcp {state}       ESTABLISHED:ESTABLISHED # missed {missed}\n")
    };
    lab.write(STATES, states.iter().map(line).collect::<String>());
}

/// The states that are left, as they stand in the lab.
fn left(lab: &Lab) -> Vec<String> {
    let text = String::from_utf8(std::fs::read(lab.file(STATES)).unwrap_or_default()).unwrap();
    text.lines().map(|line| line.split_whitespace().skip(2).take(3).collect::<Vec<_>>().join(" ")).collect()
}

fn lab(networks: &str) -> Lab {
    let lab = Lab::new();
    lab.write("/lab.toml", networks);
    lab
}

const HOME: &str = "networks = [\"192.168.1.0/24\", \"fd00::/64\"]\n";

/// The guard is on; managed are 2345, 9229 and others, a range about 49152, and 50000.
fn guarded(lab: &Lab) {
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["close", "49100-49200,50000"]).expect(0);
}

const PF_IS_OFF: &[Row] = &[
    ("in en0 S eve:50000 mac:2345", "passed"),
    ("in en0 A far:50000 mac:2345; in en0 R far:50000 mac:2345", "passed passed"),
    ("over lo0 S self:50001 self:2345", "passed"),
];

#[test]
fn while_pf_is_off_everything_passes() {
    let lab = lab(HOME);
    lab.portcullis(&["open", "2345", "--from", "192.168.1.9"]).expect(0);
    check(&lab, PF_IS_OFF);
    assert!(left(&lab).is_empty(), "and no state is made");
}

const CLOSED: &[Row] = &[
    // What opens a connection is refused, and told so.
    ("in en0 S ada:50000 mac:2345", "refused"),
    ("in en0 S far:50000 mac:2345", "refused"),
    ("in en0 S ada6:50000 mac6:2345", "refused"),
    ("in en0 S far6:50000 mac6:2345", "refused"),
    ("in en0 S link:50000 maclink:2345", "refused"),
    ("in utun4 S far:50000 mac:2345", "refused"),
    ("in en0 SEW ada:50000 mac:2345", "refused"),
    // A session that is older than the guard ends: its next packet is answered with a reset.
    ("in en0 A ada:50000 mac:2345", "refused"),
    ("in en0 PA ada:50000 mac:2345", "refused"),
    ("in en0 FA ada:50000 mac:2345", "refused"),
    ("in en0 A ada6:50000 mac6:2345", "refused"),
    // The debugger goes on to send, and hears from the client that it is gone.
    ("out en0 PA mac:2345 ada:50000; in en0 R ada:50000 mac:2345", "passed passed"),
    ("in en0 RA ada:50000 mac:2345", "passed"),
    ("in en0 R ada6:50000 mac6:2345", "passed"),
    // A reset makes no state, and is nothing else besides.
    ("in en0 R ada:50000 mac:2345; in en0 S ada:50000 mac:2345", "passed refused"),
    ("in en0 R ada:50000 mac:2345; in en0 A ada:50000 mac:2345", "passed refused"),
    ("in en0 SR ada:50000 mac:2345", "dropped"),
    ("in en0 R ada:50000 mac:8080", "passed"),
    // Below 49152 the answer to an outgoing connection is refused, too: macOS never gives such a port.
    ("out en0 S mac:2345 far:443; in en0 SA far:443 mac:2345", "passed refused"),
    // From 49152 up it comes in, with what follows, and nothing opens a connection by it.
    ("out en0 S mac:50000 far:443; in en0 SA far:443 mac:50000", "passed passed"),
    ("out en0 S mac:49152 far:443; in en0 SA far:443 mac:49152", "passed passed"),
    ("in en0 A far:443 mac:50000; in en0 FA far:443 mac:50000", "passed passed"),
    ("in en0 R far:443 mac:50000", "passed"),
    ("in en0 SA far:443 mac:50000; in en0 S far:443 mac:50000", "passed refused"),
    ("in en0 S ada:50001 mac:50000", "refused"),
    ("in en0 SEW ada:50001 mac:50000", "refused"),
    ("in en0 S ada6:50001 mac6:50000", "refused"),
    // There a closing ends no session under way.
    ("in en0 A ada:50001 mac:50000; out en0 A mac:50000 ada:50001", "passed passed"),
    // A range is split at 49152.
    ("in en0 S ada:50001 mac:49100; in en0 A ada:50001 mac:49100", "refused refused"),
    ("in en0 S ada:50001 mac:49151; in en0 A ada:50001 mac:49151", "refused refused"),
    ("in en0 S ada:50001 mac:49152; in en0 A ada:50001 mac:49152", "refused passed"),
    ("in en0 R ada:50001 mac:49151; in en0 S ada:50001 mac:49200", "passed refused"),
    // Loopback is never cut, by whatever address.
    ("over lo0 S self:50001 self:2345; over lo0 SA self:2345 self:50001", "passed passed"),
    ("over lo0 A self:50001 self:2345; over lo0 FA self:2345 self:50001", "passed passed"),
    ("over lo0 S self6:50001 self6:2345; over lo0 SA self6:2345 self6:50001", "passed passed"),
    ("over lo0 S mac:50001 mac:2345; over lo0 SA mac:2345 mac:50001", "passed passed"),
    ("over lo0 S self:50001 self:50000", "passed"),
    // What is not ours is left alone.
    ("in en0 S ada:50000 mac:8080", "passed"),
    ("in en0 S ada:50000 mac:22", "passed"),
    ("out en0 S mac:50001 eve:2345; in en0 SA eve:2345 mac:50001", "passed passed"),
    ("out en0 S mac:50001 far:9229; in en0 A far:9229 mac:50001", "passed passed"),
];

#[test]
fn closed_ports_with_the_guard_on() {
    let lab = lab(HOME);
    guarded(&lab);
    check(&lab, CLOSED);
}

const OPEN_FOR_ANY: &[Row] = &[
    // A connection opens a state, which passes the rest of it, both ways.
    (
        "in en0 S far:50000 mac:2345; out en0 SA mac:2345 far:50000; in en0 A far:50000 mac:2345",
        "passed passed passed",
    ),
    ("in en0 S ada6:50000 mac6:2345; out en0 SA mac6:2345 ada6:50000", "passed passed"),
    ("in en0 S link:50000 maclink:2345", "passed"),
    // A session that is older than the guard goes on, whichever end speaks first.
    ("in en0 A far:50000 mac:2345; out en0 PA mac:2345 far:50000", "passed passed"),
    ("out en0 PA mac:2345 far:50000; in en0 A far:50000 mac:2345", "passed passed"),
    ("in en0 FA far:50000 mac:2345; in en0 R far:50000 mac:2345", "passed passed"),
    ("over lo0 S self:50001 self:2345; over lo0 SA self:2345 self:50001", "passed passed"),
    ("over lo0 A self:50001 self:2345; over lo0 PA self:2345 self:50001", "passed passed"),
    // The others stay closed.
    ("in en0 S far:50000 mac:9229; in en0 A far:50000 mac:9229", "refused refused"),
];

#[test]
fn a_port_that_is_open_for_any() {
    let lab = lab(HOME);
    guarded(&lab);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    check(&lab, OPEN_FOR_ANY);
    assert_eq!(fate(&lab, "in en0 A far:50000 mac:2345"), PacketFate::Passed);
    assert_eq!(left(&lab), [named("mac:2345 <- far:50000")], "a state is made midway");
    lab.write(STATES, "");
    fate(&lab, "over lo0 S self:50001 self:2345");
    assert!(left(&lab).is_empty(), "loopback has none");
}

const OPEN_FOR_ADA: &[Row] = &[
    ("in en0 S ada:50000 mac:2345; out en0 SA mac:2345 ada:50000", "passed passed"),
    ("in en0 A ada:50000 mac:2345", "passed"),
    ("in en0 S eve:50000 mac:2345", "refused"),
    ("in en0 S far:50000 mac:2345", "refused"),
    ("in en0 S ada6:50000 mac6:2345", "refused"),
    ("in en0 A eve:50000 mac:2345", "refused"),
    // A client that is not let in any more: the debugger hears that it is gone.
    ("in en0 R eve:50000 mac:2345; in en0 S eve:50000 mac:2345", "passed refused"),
    ("in en0 SR eve:50000 mac:2345", "dropped"),
    ("over lo0 S self:50001 self:2345; over lo0 SA self:2345 self:50001", "passed passed"),
    // A port that may be the near end of an outgoing connection.
    ("in en0 S ada:50001 mac:50000; in en0 S eve:50001 mac:50000", "passed refused"),
    ("out en0 S mac:50000 far:443; in en0 SA far:443 mac:50000", "passed passed"),
    ("in en0 A eve:50001 mac:50000", "passed"),
];

#[test]
fn a_port_that_is_open_for_one_host() {
    let lab = lab(HOME);
    guarded(&lab);
    lab.portcullis(&["open", "2345,50000", "--from", "192.168.1.9"]).expect(0);
    check(&lab, OPEN_FOR_ADA);
}

const OPEN_FOR_LAN: &[Row] = &[
    ("in en0 S ada:50000 mac:2345", "passed"),
    ("in en0 S ada6:50000 mac6:2345", "passed"),
    ("in en0 S far:50000 mac:2345", "refused"),
    // Link-local clients by the interface: fe80::9 is another machine on each link.
    ("in en0 S link:50000 maclink:2345; out en0 SA maclink:2345 link:50000", "passed passed"),
    ("in en0 A link:50000 maclink:2345", "passed"),
    ("in en7 S link:50000 maclink:2345", "refused"),
    ("in en7 A link:50000 maclink:2345", "refused"),
    ("in en7 R link:50000 maclink:2345", "passed"),
    ("in utun4 S link:50000 maclink:2345", "refused"),
    ("in awdl0 S link:50000 maclink:2345", "refused"),
    ("in en0 S link:50000 maclink:9229", "refused"),
    ("in en7 S wing:50000 mac:2345", "refused"),
];

#[test]
fn a_port_that_is_open_for_this_network() {
    let lab = lab(HOME);
    guarded(&lab);
    lab.portcullis(&["open", "2345", "--from", "lan"]).expect(0);
    // Then a cable to another network is put in.
    lab.write(
        "/lab.toml",
        format!("{HOME}interfaces = {{ en7 = [\"172.16.5.0/24\"], utun4 = [\"10.8.0.0/24\"] }}\n"),
    );
    lab.tick().expect(0);
    check(&lab, OPEN_FOR_LAN);
}

const OPEN_ON_TWO_LINKS: &[Row] = &[
    ("in en0 S link:50000 maclink:2345", "passed"),
    ("in en7 S link:50000 maclink:2345", "passed"),
    ("in en7 S wing:50000 mac:2345", "passed"),
    ("in utun4 S link:50000 maclink:2345", "refused"),
];

#[test]
fn a_port_that_is_open_for_both_networks_of_this_mac() {
    let both = "interfaces = { en7 = [\"172.16.5.0/24\"], utun4 = [\"10.8.0.0/24\"] }\n";
    let lab = lab(&format!("{HOME}{both}"));
    guarded(&lab);
    lab.portcullis(&["open", "2345", "--from", "lan"]).expect(0);
    check(&lab, OPEN_ON_TWO_LINKS);
    // A dock: the same network by another interface.
    lab.write(
        "/lab.toml",
        "networks = []\ninterfaces = { en9 = [\"192.168.1.0/24\"], en7 = [\"172.16.5.0/24\"] }\n\
         gateways = { en9 = \"a4:91:b1:00:00:01\" }\n",
    );
    lab.tick().expect(0);
    check(&lab, &[("in en9 S link:50000 maclink:2345; in en0 S link:50001 maclink:2345", "passed refused")]);
}

/// A Mac whose own policy blocks everything: what our rules let in, and not more.
const BLOCKED_BY_POLICY: &[Row] = &[
    ("over lo0 S self:50001 self:2345; over lo0 SA self:2345 self:50001", "passed passed"),
    ("over lo0 A self:50001 self:2345; over lo0 PA self:2345 self:50001", "passed passed"),
    ("over lo0 FA self:2345 self:50001; over lo0 R self:50001 self:2345", "passed passed"),
    ("over lo0 R self:2345 self:50001; over lo0 RA self:2345 self:50001", "passed passed"),
    ("over lo0 S mac:50001 mac:2345; over lo0 SA mac:2345 mac:50001", "passed passed"),
    ("over lo0 S self6:50001 self6:2345; over lo0 A self6:2345 self6:50001", "passed passed"),
    // From the port nothing opens a connection, and no state makes up for it.
    ("over lo0 S self:2345 self:9999", "refused"),
    ("over lo0 SEW self:2345 self:9999", "refused"),
    ("over lo0 P self:2345 self:9999", "refused"),
    ("over lo0 SR self:2345 self:9999", "dropped"),
    ("over lo0 SA self:2345 self:9999; over lo0 S self:2345 self:9999", "passed refused"),
    ("over lo0 S self:50001 self:9229", "refused"),
    // From other machines.
    ("in en0 S ada:50000 mac:2345; out en0 SA mac:2345 ada:50000", "passed passed"),
    ("in en0 A ada:50000 mac:2345; out en0 PA mac:2345 ada:50000", "passed passed"),
    ("in en0 S ada:50000 mac:9229; in en0 A ada:50000 mac:9229", "refused refused"),
    ("in en0 R ada:50000 mac:9229; in en0 S ada:50000 mac:9229", "passed refused"),
    ("in en0 R ada:50000 mac:8080", "dropped"),
    ("in en0 SA far:443 mac:50000", "refused"),
];

#[test]
fn no_connection_more_is_let_in() {
    let lab = lab(HOME);
    lab.write("/etc/pf.conf", "block return all\nanchor \"com.apple/*\"\n");
    guarded(&lab);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    check(&lab, BLOCKED_BY_POLICY);
}

const WITHOUT_GUARD: &[Row] = &[
    ("in en0 S ada:50000 mac:2345", "passed"),
    ("in en0 S eve:50000 mac:2345", "passed"),
    ("in en0 S eve:50000 mac:9229; in en0 A eve:50000 mac:9229", "passed passed"),
];

#[test]
fn without_the_guard_this_macs_policy_decides() {
    let lab = lab(HOME);
    lab.portcullis(&["guard", "off"]).expect(0);
    lab.pfctl(&["-e"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", "192.168.1.9"]).expect(0);
    check(&lab, WITHOUT_GUARD);
}

/// pf kept states while it was off, and more than they can follow went by.
const STALE: &[&str] = &[
    "mac:2345 <- ada:50000",
    "mac:9229 <- ada:50001",
    "mac:50000 <- ada:50002",
    "self:2345 <- self:50003",
    "self:50003 -> self:2345",
    "self:9229 <- self:50004",
    "self:50004 -> self:9229",
    "mac:22 <- ada:50005",
    "mac:50006 -> far:443",
    "mac:50000 -> far:443",
    "self:22 <- self:50007",
    "mac:50008 -> eve:2345",
];

/// What pf would do by itself.
const STALE_BY_ITSELF: &[Row] = &[
    ("in en0 A ada:50000 mac:2345", "dropped"),
    ("over lo0 A self:50003 self:2345", "dropped"),
    ("in en0 A ada:50005 mac:22", "dropped"),
];

/// After the guard went on, with 2345 open for any: our states are gone, and no others.
const STALE_AND_GUARDED: &[Row] = &[
    ("in en0 A ada:50000 mac:2345; out en0 PA mac:2345 ada:50000", "passed passed"),
    ("in en0 A ada:50001 mac:9229; in en0 R ada:50001 mac:9229", "refused passed"),
    ("in en0 A ada:50002 mac:50000", "passed"),
    ("over lo0 A self:50003 self:2345; over lo0 PA self:2345 self:50003", "passed passed"),
    ("over lo0 A self:50004 self:9229; over lo0 PA self:9229 self:50004", "passed passed"),
    ("in en0 A ada:50005 mac:22", "dropped"),
    ("in en0 A far:443 mac:50006", "dropped"),
    ("in en0 A far:443 mac:50000", "dropped"),
    ("in en0 A eve:2345 mac:50008", "dropped"),
];

#[test]
fn states_from_before_pf_was_off() {
    let lab = lab(HOME);
    guarded(&lab);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    lab.portcullis(&["guard", "off"]).expect(0);
    // Every session goes on while pf is off: one byte more than a state can miss, or just so many.
    knows(&lab, STALE, 67_036);
    let token = lab.pfctl(&["-E"]).expect(0).err;
    let token = token.lines().find_map(|line| line.strip_prefix("Token : ")).unwrap().to_owned();
    check(&lab, STALE_BY_ITSELF);
    knows(&lab, STALE, 67_035);
    check(&lab, &[("in en0 A ada:50000 mac:2345; over lo0 A self:50003 self:2345", "passed passed")]);
    lab.pfctl(&["-X", &token]).expect(0);

    knows(&lab, &STALE[..1], 0);
    assert_eq!(fate(&lab, "--bytes 67036 in en0 A ada:50000 mac:2345"), PacketFate::Passed);
    lab.pfctl(&["-e"]).expect(0);
    check(&lab, &STALE_BY_ITSELF[..1]);
    lab.pfctl(&["-d"]).expect(0);

    knows(&lab, STALE, 67_036);
    let said = lab.portcullis(&["guard", "on"]).expect(0).out;
    lab.portcullis(&["close", "50000"]).expect(0);
    let kept: Vec<String> = STALE[7..].iter().map(|state| named(state)).collect();
    assert_eq!(left(&lab), [&[named(STALE[2])], kept.as_slice()].concat(), "50000 was not ours yet");
    assert!(said.contains("1 open connection was cut"), "that of 9229 alone ends: {said}");
}

#[test]
fn sessions_go_on_when_the_guard_goes_on() {
    let lab = lab(HOME);
    guarded(&lab);
    lab.portcullis(&["open", "2345", "--from", "any"]).expect(0);
    // pf stops for everybody, and the next change enables it again.
    lab.pfctl(&["-d"]).expect(0);
    knows(&lab, STALE, 67_036);
    lab.tick().expect(0);
    let kept: Vec<String> = STALE[7..].iter().map(|state| named(state)).collect();
    assert_eq!(left(&lab), kept);
    check(&lab, STALE_AND_GUARDED);
}

#[test]
fn where_pf_runs_already_only_what_is_refused_is_dropped() {
    let lab = lab(HOME);
    guarded(&lab);
    lab.portcullis(&["open", "2345,9229", "--from", "any"]).expect(0);
    knows(&lab, STALE, 0);
    let said = lab.portcullis(&["close", "9229"]).expect(0).out;
    assert!(said.contains("1 open connection was cut"), "{said}");
    let kept = STALE.iter().filter(|state| **state != "mac:9229 <- ada:50001").map(|state| named(state));
    assert_eq!(left(&lab), kept.collect::<Vec<_>>());
    // Narrower than it was: who is left out is cut.
    knows(&lab, &["mac:2345 <- ada:50000", "mac:2345 <- eve:50000", "self:2345 <- self:50003"], 0);
    lab.portcullis(&["open", "2345", "--from", "192.168.1.9"]).expect(0);
    assert_eq!(left(&lab), [named("mac:2345 <- ada:50000"), named("self:2345 <- self:50003")]);
}

#[test]
fn a_program_sends_packets_too() {
    let lab = lab(HOME);
    guarded(&lab);
    let send = |words: &str| {
        let named = named(words);
        let words: Vec<&str> = std::iter::once("packet").chain(named.split_whitespace()).collect();
        lab.pfctl(&words)
    };
    let said = send("in en0 S ada:50000 mac:2345").expect(0).out;
    assert!(said.starts_with("refused: rule ") && said.contains("portcullis:dlv:2345"), "{said}");
    assert!(send("in en0 S ada:50000").expect(1).err.contains("usage: pfctl-lab"));
}

#[test]
fn the_table_is_long_enough() {
    let tables = [
        PF_IS_OFF,
        CLOSED,
        OPEN_FOR_ANY,
        OPEN_FOR_ADA,
        OPEN_FOR_LAN,
        OPEN_ON_TWO_LINKS,
        BLOCKED_BY_POLICY,
        WITHOUT_GUARD,
        STALE_BY_ITSELF,
        STALE_AND_GUARDED,
    ];
    let rows: usize = tables.iter().map(|rows| rows.len()).sum();
    assert!(rows >= 60, "{rows} rows");
}

#[test]
fn a_closing_says_where_sessions_outlive_it() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "50000", "2345", "--from", "any"]).expect(0);
    let said = "sessions under way on ports from 49152 on go on until they end";
    assert!(lab.portcullis(&["close", "50000"]).expect(0).out.contains(said));
    assert!(!lab.portcullis(&["close", "2345"]).expect(0).out.contains(said));
}
