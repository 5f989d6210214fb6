//! Leaving the network: what stays open, pauses, comes back and ends as this Mac goes from one to another, through the
//! built `helper-lab tick` and the command line's own status.

mod common;

use common::Lab;
use portcullis::lab::store::STATES;
use portcullis::root::audit;
use portcullis::rules::ledger::Ledger;
use portcullis::system::{LEDGER, STATUS, System as _};

/// `lab.toml` with these networks, on en0 unless they say otherwise.
fn network(lab: &Lab, networks: &str) {
    lab.write("/lab.toml", networks);
}

const HOME: &str = "networks = [\"192.168.1.0/24\"]\ngateways = { en0 = \"a4:91:b1:00:00:01\" }\n";
const NOWHERE: &str = "networks = []\ngateways = {}\n";
const NO_ROUTER: &str = "networks = [\"192.168.1.0/24\"]\ngateways = { en0 = \"unknown\" }\n";
const OTHER: &str = "networks = [\"192.168.1.0/24\"]\ngateways = { en0 = \"a4:91:b1:00:00:02\" }\n";
const HOT_SPOT: &str = "networks = [\"172.20.10.0/28\"]\ngateways = { en0 = \"f2:18:98:00:00:64\" }\n";
const DOCK: &str = "networks = []\ninterfaces = { en7 = [\"192.168.1.0/24\"] }\ngateways = { en7 = \"a4:91:b1:00:00:01\" }\n";
const TWO: &str = "interfaces = { en7 = [\"10.0.0.0/16\"] }\n\
     gateways = { en0 = \"a4:91:b1:00:00:01\", en7 = \"a4:91:b1:00:00:07\" }\n";
const SECOND: &str =
    "networks = []\ninterfaces = { en7 = [\"10.0.0.0/16\"] }\ngateways = { en7 = \"a4:91:b1:00:00:07\" }\n";
const CONTAINER: &str = "interfaces = { bridge100 = [\"192.168.64.0/24\"] }\n";
const CONTAINER_ALONE: &str =
    "networks = []\ninterfaces = { bridge100 = [\"192.168.64.0/24\"] }\ngateways = {}\n";
const SIX: &str = "networks = [\"2001:db8::/64\"]\n";
const SIX_ANEW: &str = "networks = [\"2001:db8:1::/64\"]\n";
const SIX_OTHER: &str = "networks = [\"2001:db8::/64\"]\ngateways = { en0 = \"a4:91:b1:00:00:02\" }\n";

fn vpn(interface: &str, prefix: &str) -> String {
    format!("interfaces = {{ {interface} = [\"{prefix}\"] }}\n")
}

/// For whom pf lets port 9003 in.
fn let_in(lab: &Lab) -> String {
    let rules = lab.rules();
    let passes = |from: &str| {
        rules.contains(&format!("pass in quick on ! lo0 proto tcp from {from} to any port = 9003"))
    };
    if passes("any") && !rules.contains("from any to any port = 9003 flags R/SR") {
        return "anyone".to_owned();
    }
    if !passes("<portcullis_9003>") {
        assert!(
            rules.contains("block return in log quick on ! lo0 proto tcp from any to any port = 9003"),
            "{rules}"
        );
        return "nobody".to_owned();
    }
    let table = ["-a", "com.apple/100.dev.portcullis", "-t", "portcullis_9003", "-T", "show"];
    lab.pfctl(&table).expect(0).out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the status says of the network of port 9003; of a port that is closed, that it is.
fn said(lab: &Lab) -> String {
    let status = lab.portcullis(&["status", "--json"]).expect(0).json();
    let ports = status["ports"].as_array().unwrap();
    match ports.iter().find(|port| port["port"] == 9003) {
        Some(port) => port["network"]["words"].as_str().unwrap_or_default().to_owned(),
        None => "closed".to_owned(),
    }
}

#[test]
fn what_stays_open_where_this_mac_goes() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let (vpn, proxy) = (vpn("utun4", "10.8.0.0/24"), vpn("utun9", "198.18.0.0/16"));
    let mut table = String::new();
    for (name, home, from, places) in [
        ("dock", HOME, "lan", vec![("docked", DOCK), ("undocked", HOME)]),
        ("VPN", HOME, "lan", vec![("up", &vpn), ("down", HOME)]),
        ("TUN proxy", HOME, "any", vec![("on", &proxy), ("off", HOME)]),
        (
            "Wi-Fi reassociates",
            HOME,
            "lan",
            vec![("1 min", NOWHERE), ("2 min", NOWHERE), ("3 min", NOWHERE), ("back", HOME)],
        ),
        ("Wi-Fi reassociates", HOME, "any", vec![("1 min", NOWHERE), ("back", HOME)]),
        (
            "DHCP is late",
            HOME,
            "lan",
            vec![("no address", NOWHERE), ("no router", NO_ROUTER), ("there", HOME)],
        ),
        ("same prefix", HOME, "lan", vec![("1st tick", OTHER), ("2nd tick", OTHER)]),
        (
            "same prefix",
            HOME,
            "any",
            vec![
                ("1st tick", OTHER),
                ("back", HOME),
                ("1st tick", OTHER),
                ("on the way", NOWHERE),
                ("2nd tick", OTHER),
            ],
        ),
        ("two interfaces", TWO, "lan", vec![("the first", HOME), ("the second", SECOND), ("both", TWO)]),
        (
            "container",
            CONTAINER,
            "lan",
            vec![("no Wi-Fi", CONTAINER_ALONE), ("no container", HOME), ("both", CONTAINER)],
        ),
        ("hot spot", HOME, "any", vec![("1st tick", HOT_SPOT), ("2nd tick", HOT_SPOT)]),
        ("hot spot", HOME, "--stay", vec![("1st tick", HOT_SPOT), ("2nd tick", HOT_SPOT)]),
        ("IPv6 only", SIX, "lan", vec![("the same", SIX), ("no address", NOWHERE), ("back", SIX)]),
        (
            "IPv6 only",
            SIX,
            "any",
            vec![("another prefix", SIX_ANEW), ("1st tick", SIX_OTHER), ("2nd tick", SIX_OTHER)],
        ),
        ("opened nowhere", NOWHERE, "any", vec![("at home", HOME), ("1st tick", OTHER), ("2nd tick", OTHER)]),
    ] {
        network(&lab, home);
        let terms = if from == "--stay" { vec!["--from", "lan", "--stay"] } else { vec!["--from", from] };
        lab.portcullis(&[&["open", "9003"][..], &terms].concat()).expect(0);
        let mut row = |place: &str| {
            let (open, said) = (let_in(&lab), said(&lab));
            assert!(said.len() <= 160, "{said}");
            table += &format!("{name} ({from}) | {place} | {open} | {said}\n");
        };
        row("opened");
        for (place, networks) in places {
            network(&lab, networks);
            lab.helper(&["tick"]).expect(0);
            row(place);
        }
    }
    println!("{table}");
    insta::assert_snapshot!(table, @r"
    dock (lan) | opened | 192.168.1.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    dock (lan) | docked | 192.168.1.0/24 | for the network 192.168.1.0/24 on en7, which this Mac is on now
    dock (lan) | undocked | 192.168.1.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    VPN (lan) | opened | 192.168.1.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    VPN (lan) | up | 192.168.1.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    VPN (lan) | down | 192.168.1.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    TUN proxy (any) | opened | anyone | for the network 192.168.1.0/24 on en0, which this Mac is on now
    TUN proxy (any) | on | anyone | for the network 192.168.1.0/24 on en0, which this Mac is on now
    TUN proxy (any) | off | anyone | for the network 192.168.1.0/24 on en0, which this Mac is on now
    Wi-Fi reassociates (lan) | opened | 192.168.1.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    Wi-Fi reassociates (lan) | 1 min | nobody | paused: this Mac is not seen on its network (192.168.1.0/24) at the moment
    Wi-Fi reassociates (lan) | 2 min | nobody | paused: this Mac is not seen on its network (192.168.1.0/24) at the moment
    Wi-Fi reassociates (lan) | 3 min | nobody | paused: this Mac is not seen on its network (192.168.1.0/24) at the moment
    Wi-Fi reassociates (lan) | back | 192.168.1.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    Wi-Fi reassociates (any) | opened | anyone | for the network 192.168.1.0/24 on en0, which this Mac is on now
    Wi-Fi reassociates (any) | 1 min | anyone | for the network 192.168.1.0/24, which is not known to be there at the moment
    Wi-Fi reassociates (any) | back | anyone | for the network 192.168.1.0/24 on en0, which this Mac is on now
    DHCP is late (lan) | opened | 192.168.1.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    DHCP is late (lan) | no address | nobody | paused: this Mac is not seen on its network (192.168.1.0/24) at the moment
    DHCP is late (lan) | no router | nobody | paused: this Mac is not seen on its network (192.168.1.0/24) at the moment
    DHCP is late (lan) | there | 192.168.1.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    same prefix (lan) | opened | 192.168.1.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    same prefix (lan) | 1st tick | nobody | paused: this Mac is on another network, or was at the last look; the port closes for good if it stays there
    same prefix (lan) | 2nd tick | nobody | closed
    same prefix (any) | opened | anyone | for the network 192.168.1.0/24 on en0, which this Mac is on now
    same prefix (any) | 1st tick | nobody | paused: this Mac is on another network, or was at the last look; the port closes for good if it stays there
    same prefix (any) | back | anyone | for the network 192.168.1.0/24 on en0, which this Mac is on now
    same prefix (any) | 1st tick | nobody | paused: this Mac is on another network, or was at the last look; the port closes for good if it stays there
    same prefix (any) | on the way | nobody | paused: this Mac is on another network, or was at the last look; the port closes for good if it stays there
    same prefix (any) | 2nd tick | nobody | closed
    two interfaces (lan) | opened | 10.0.0.0/16 192.168.1.0/24 | for the network 10.0.0.0/16, 192.168.1.0/24 on en7, which this Mac is on now
    two interfaces (lan) | the first | 192.168.1.0/24 | for the network 10.0.0.0/16, 192.168.1.0/24 on en0, of which only 192.168.1.0/24 is let in at the moment
    two interfaces (lan) | the second | 10.0.0.0/16 | for the network 10.0.0.0/16, 192.168.1.0/24 on en7, of which only 10.0.0.0/16 is let in at the moment
    two interfaces (lan) | both | 10.0.0.0/16 192.168.1.0/24 | for the network 10.0.0.0/16, 192.168.1.0/24 on en7, which this Mac is on now
    container (lan) | opened | 192.168.1.0/24 192.168.64.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    container (lan) | no Wi-Fi | 192.168.64.0/24 | for the network 192.168.1.0/24, of which only 192.168.64.0/24 is let in at the moment
    container (lan) | no container | 192.168.1.0/24 | for the network 192.168.1.0/24 on en0, of which only 192.168.1.0/24 is let in at the moment
    container (lan) | both | 192.168.1.0/24 192.168.64.0/24 | for the network 192.168.1.0/24 on en0, which this Mac is on now
    hot spot (any) | opened | anyone | for the network 192.168.1.0/24 on en0, which this Mac is on now
    hot spot (any) | 1st tick | nobody | paused: this Mac is on another network, or was at the last look; the port closes for good if it stays there
    hot spot (any) | 2nd tick | nobody | closed
    hot spot (--stay) | opened | 192.168.1.0/24 | opened on the network 192.168.1.0/24 on en0, and open on others too
    hot spot (--stay) | 1st tick | 192.168.1.0/24 | opened on the network 192.168.1.0/24, and open on others too
    hot spot (--stay) | 2nd tick | 192.168.1.0/24 | opened on the network 192.168.1.0/24, and open on others too
    IPv6 only (lan) | opened | 2001:db8::/64 | for the network 2001:db8::/64 on en0, which this Mac is on now
    IPv6 only (lan) | the same | 2001:db8::/64 | for the network 2001:db8::/64 on en0, which this Mac is on now
    IPv6 only (lan) | no address | nobody | paused: this Mac is not seen on its network (2001:db8::/64) at the moment
    IPv6 only (lan) | back | 2001:db8::/64 | for the network 2001:db8::/64 on en0, which this Mac is on now
    IPv6 only (any) | opened | anyone | for the network 2001:db8::/64 on en0, which this Mac is on now
    IPv6 only (any) | another prefix | anyone | for the network 2001:db8::/64, which this Mac is on now
    IPv6 only (any) | 1st tick | nobody | paused: this Mac is on another network, or was at the last look; the port closes for good if it stays there
    IPv6 only (any) | 2nd tick | nobody | closed
    opened nowhere (any) | opened | anyone | open on the first network that is known
    opened nowhere (any) | at home | anyone | for the network 192.168.1.0/24 on en0, which this Mac is on now
    opened nowhere (any) | 1st tick | nobody | paused: this Mac is on another network, or was at the last look; the port closes for good if it stays there
    opened nowhere (any) | 2nd tick | nobody | closed
    ");
}

fn ledger(lab: &Lab) -> Ledger {
    Ledger::parse(&lab.read(LEDGER)).unwrap()
}

/// A lab with the guard, and port 2345 open for the network that it is on.
fn opened(from: &str) -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", "2345", "--from", from]).expect(0);
    lab
}

fn message(lab: &Lab) -> String {
    let said = lab.helper(&["tick"]).expect(0);
    said.json()["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_pause_ends_no_session_and_the_end_does() {
    let lab = opened("lan");
    let session = "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50006       ESTABLISHED:ESTABLISHED\n";
    lab.write(STATES, session);
    let states = || String::from_utf8(lab.read(STATES)).unwrap();
    network(&lab, NOWHERE);
    let said = message(&lab);
    assert!(
        said.ends_with(
            "; port 2345 (dlv) is paused: this Mac is not seen on its network (192.168.1.0/24) at the moment"
        ),
        "{said}"
    );
    assert!(states().contains(session));
    assert_eq!(message(&lab), "nothing was due; nothing was changed");
    network(&lab, HOME);
    let said = message(&lab);
    assert!(said.ends_with("; port 2345 (dlv) is open again"), "{said}");
    assert!(states().contains(session));
    network(&lab, OTHER);
    let said = message(&lab);
    assert!(
        said.contains(
            "paused: this Mac is on another network, or was at the last look; the port closes for good if it stays there"
        ),
        "{said}"
    );
    assert!(states().contains(session));
    let said = message(&lab);
    assert!(
        said.contains("; port 2345 (dlv) is closed, since this Mac left the network 192.168.1.0/24"),
        "{said}"
    );
    assert!(said.ends_with("; 1 open connection was cut"), "{said}");
    assert!(!states().contains(session));
    assert!(ledger(&lab).openings.is_empty());
    let log = audit::read(&lab.system().files()).unwrap();
    assert_eq!(log.lines.last().unwrap().message, said);
    assert_eq!(message(&lab), "nothing was due; nothing was changed");
}

#[test]
fn a_tick_runs_no_program_while_a_port_pauses() {
    let lab = opened("lan");
    network(&lab, NOWHERE);
    message(&lab);
    lab.wrap_pfctl("echo run >> \"${0%/*}/runs\"; exec $real \"$@\"");
    let seen = lab.read(STATUS);
    assert_eq!(message(&lab), "nothing was due; nothing was changed");
    assert!(!lab.file("/sbin/runs").exists() && lab.read(STATUS) == seen);
}

#[test]
fn opening_again_on_another_network_is_for_that_one() {
    let lab = opened("any");
    let home = ledger(&lab).openings[0].home.clone();
    assert_eq!(home.as_ref().unwrap().to_string(), "192.168.1.0/24");
    let again = lab.portcullis(&["open", "2345", "--from", "any", "--json"]).expect(0).json();
    assert_eq!(again["outcome"], "unchanged", "{again}");
    network(&lab, HOT_SPOT);
    let again = lab.portcullis(&["open", "2345", "--from", "any", "--json"]).expect(0).json();
    assert_eq!(again["outcome"], "changed", "{again}");
    let opening = ledger(&lab).openings[0].clone();
    assert!(opening.home != home && !opening.away && !opening.is_paused());
    assert_eq!(message(&lab), "nothing was due; nothing was changed");
}

#[test]
fn what_was_opened_by_an_older_version_is_for_the_first_network_that_is_known() {
    let lab = opened("any");
    let home = "\n      \"home\": [\n        {\n          \"prefix\": \"192.168.1.0/24\",\n          \"gateway\": \"a4:91:b1:00:00:01\"\n        }\n      ],";
    lab.edit_ledger(|text| {
        assert!(text.contains(home), "{text}");
        text.replace(home, "")
    });
    let said = message(&lab);
    assert!(said.ends_with("; port 2345 (dlv) is for the network 192.168.1.0/24 from now on"), "{said}");
    assert!(ledger(&lab).openings[0].home.is_some());
}

#[test]
fn the_prompt_and_the_answer_name_the_network() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let said = lab.portcullis(&["open", "2345", "--from", "lan", "--stay"]).expect(0).out;
    assert!(
        said.contains(
            "port 2345 (dlv) is open for this network (192.168.1.0/24, fe80::/10) until it is closed, on other networks too"
        ),
        "{said}"
    );
    let prompts = String::from_utf8(lab.read(portcullis::lab::osascript::PROMPTS_LOG)).unwrap();
    assert!(prompts.contains("until it is closed, on other networks too"), "{prompts}");
    let said = lab.portcullis(&["open", "9229", "--from", "any"]).expect(0).out;
    assert!(
        said.contains("port 9229 (node) is open for anyone while this Mac is on the network 192.168.1.0/24"),
        "{said}"
    );
}
