//! Verdicts where macOS's kernel does otherwise than pf.conf(5) says. Each kind is from reading XNU's net/pf.c, and was
//! confirmed by running it.

use portcullis::pf::criteria::Direction;
use portcullis::pf::criteria::Family;
use portcullis::pf::explain::{ClientHost, Query, ask};
use portcullis::pf::packet::{Packet, PacketSocket};
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::verdict::verdict;

fn load(conf: &str, files: &[(&str, &str)]) -> Rulesets {
    let (loaded, problems) = Rulesets::from_conf("pf.conf", conf, &mut |path| {
        let found = files.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such file".into())
    });
    assert_eq!(problems, [], "{conf}");
    loaded.with_assumed_interfaces(None)
}

/// A SYN to this Mac's port 2345 by way of en0.
fn syn_from(source: &str) -> Packet {
    let source: std::net::IpAddr = source.parse().unwrap();
    let own = if source.is_ipv4() { "192.168.1.10" } else { "fd00:6d61:6300:1::10" };
    Packet::syn(Direction::In, "en0", source, own.parse().unwrap(), 2345)
}

/// The decision on a packet, and the rule that decides: `block 0`, `pass x 1`, `pass`.
fn decided(loaded: &Rulesets, packet: &Packet) -> String {
    let verdict = verdict(loaded, packet);
    let rule = verdict.rule.map(|rule| format!(" {} {}", rule.anchor, rule.number)).unwrap_or_default();
    format!("{}{}", verdict.outcome, rule.replace("  ", " "))
}

fn notes(loaded: &Rulesets, client: &str) -> String {
    let from = ClientHost::Host(client.parse().unwrap());
    let query = Query { port: 2345, from, family: Family::Inet, interface: None };
    ask(loaded, &query).notes.join("\n")
}

#[test]
fn ranges_are_compared_from_the_last_byte_on() {
    for (range, source, expected) in [
        ("192.168.1.10 - 192.168.1.30", "192.168.1.20", "pass 1"),
        ("192.168.1.10 - 192.168.1.30", "8.8.4.20", "pass 1"),
        ("192.168.1.10 - 192.168.1.30", "192.168.2.10", "pass 1"),
        ("192.168.1.10 - 192.168.1.30", "192.168.0.10", "block 0"),
        ("192.168.1.10 - 192.168.1.30", "192.168.1.31", "block 0"),
        ("192.168.1.200 - 192.168.2.10", "192.168.1.250", "block 0"),
        ("192.168.1.200 - 192.168.2.10", "192.168.2.1", "block 0"),
        ("10.0.0.1 - 10.0.255.1", "10.0.7.1", "pass 1"),
        ("10.0.0.1 - 10.1.0.1", "10.0.200.1", "block 0"),
        ("10.0.0.0 - 10.0.0.255", "172.16.3.9", "pass 1"),
        ("fd00::1 - fd00::ff", "fd00::20", "pass 1"),
        ("fd00::1 - fd00::ffff", "fd00::100:1", "pass 1"),
        ("fd00::2 - fd00::1:0", "fd00::5", "block 0"),
        ("10.0.0.7 - 10.0.0.7", "10.0.0.7", "pass 1"),
        ("10.0.0.7 - 10.0.0.7", "10.0.1.7", "block 0"),
    ] {
        let loaded = load(&format!("block all\npass from {range} to any\n"), &[]);
        assert_eq!(decided(&loaded, &syn_from(source)), expected, "{range}: {source}");
    }
    let loaded = load("block all\npass from 192.168.1.200 - 192.168.2.10 to any\n", &[]);
    assert!(notes(&loaded, "192.168.1.250").contains("from their last byte on"));
    assert!(!notes(&loaded, "192.168.7.7").contains("from their last byte on"));
}

#[test]
fn the_name_of_a_driver_skips_nothing_from_macos_15_on() {
    let loopback =
        |direction| Packet::syn(direction, "lo0", [127, 0, 0, 1].into(), [127, 0, 0, 1].into(), 2345);
    for (skip, newest, macos_14) in [
        ("lo", "block 0", "pass"),
        ("lo0", "pass", "pass"),
        ("{ en lo }", "block 0", "pass"),
        ("l", "block 0", "block 0"),
        ("lo00", "block 0", "block 0"),
        ("egress", "block 0", "block 0"),
    ] {
        let loaded = load(&format!("set skip on {skip}\nblock all\n"), &[]);
        for direction in [Direction::In, Direction::Out] {
            assert_eq!(decided(&loaded, &loopback(direction)), newest, "{skip}");
            assert_eq!(decided(&loaded.clone().with_macos(15), &loopback(direction)), newest, "{skip}");
            assert_eq!(decided(&loaded.clone().with_macos(14), &loopback(direction)), macos_14, "{skip}");
        }
    }
    let loaded = load("set skip on lo\nblock all\n", &[]);
    assert!(notes(&loaded, "127.0.0.1").contains("`set skip on lo` skips nothing from macOS 15 on"));
    assert!(!notes(&loaded.with_macos(14), "127.0.0.1").contains("skips nothing"));
}

#[test]
fn self_in_brackets_holds_no_address() {
    for (rules, expected) in [
        ("block all\npass from any to (self)\n", "block 0"),
        ("block all\npass from any to self\n", "pass 1"),
        ("block all\npass from any to ! (self)\n", "pass 1"),
        ("pass all\nblock from (self) to any\n", "pass 0"),
        ("block all\npass from ! (self) to (self:network)\n", "block 0"),
        ("block all\npass from any to (self)/24\n", "block 0"),
    ] {
        let loaded = load(rules, &[]);
        assert_eq!(decided(&loaded, &syn_from("192.168.1.20")), expected, "{rules}");
    }
    let loaded = load("block all\npass from any to (self)\n", &[]);
    assert!(notes(&loaded, "192.168.1.20").contains("`(self)` holds no address on macOS"));
}

#[test]
fn interfaces_with_one_prefix_length_share_their_addresses() {
    for (rules, expected) in [
        // en0 comes first: (lo0)/24 stands for en0's network.
        (
            "block all\npass proto tcp to (en0)/24 port = 1\npass proto tcp to (lo0)/24 port = 2345\n",
            "pass 2",
        ),
        (
            "block all\npass proto tcp to (lo0)/24 port = 1\npass proto tcp to (en0)/24 port = 2345\n",
            "block 0",
        ),
        (
            "block all\npass proto tcp to (lo0)/16 port = 1\npass proto tcp to (en0)/24 port = 2345\n",
            "pass 2",
        ),
        ("block all\npass proto tcp to (lo0) port = 1\npass proto tcp to (en0) port = 2345\n", "pass 2"),
        // A translation is loaded before filter rules, rules in braces where they are called.
        (
            "rdr on lo0 inet proto tcp from (lo0)/24 to any port 1 -> 10.0.0.1\nblock all\npass to (en0)/24\n",
            "block 0",
        ),
        ("block all\nanchor { pass to (lo0)/24\n}\npass to (en0)/24\n", "block 0"),
    ] {
        let loaded = load(rules, &[]);
        assert_eq!(decided(&loaded, &syn_from("192.168.1.20")), expected, "{rules}");
    }
    let loaded = load("block all\npass to (en0)/24\npass to (lo0)/24\n", &[]);
    assert!(notes(&loaded, "192.168.1.20").contains("(lo0)/24 stands for (en0)/24, which is loaded first"));
}

#[test]
fn children_are_evaluated_in_the_order_of_signed_bytes() {
    let order = |names: &[&str]| {
        let loads: Vec<String> =
            names.iter().map(|name| format!("load anchor \"p/{name}\" from \"{name}\"\n")).collect();
        let files: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (*name, if name.ends_with('z') { "pass all\n" } else { "block all\n" }))
            .collect();
        decided(&load(&format!("anchor \"p/*\"\n{}", loads.concat()), &files), &syn_from("192.168.1.20"))
    };
    assert_eq!(order(&["\u{e9}", "z"]), "pass p/z 0");
    assert_eq!(order(&["\u{4e2d}", "Az"]), "pass p/Az 0");
    assert_eq!(order(&["\u{e9}", "\u{e8}z"]), "block p/\u{e9} 0");
    assert_eq!(order(&["a", "az"]), "pass p/az 0");
    assert_eq!(order(&["b", "az"]), "block p/b 0");
    let absolute = load("block all\nanchor \"//x\"\nload anchor \"x\" from \"x\"\n", &[("x", "pass all\n")]);
    assert_eq!(decided(&absolute, &syn_from("192.168.1.20")), "pass x 0");
}

#[test]
fn without_a_socket_only_inequality_and_unknown_hold_for_its_owner() {
    let at = |socket, rule: &str| {
        let loaded = load(&format!("pass all\nblock all {rule}\n"), &[]);
        verdict(&loaded, &Packet { socket, ..syn_from("192.168.1.20") }).outcome.to_string()
    };
    for (rule, missing, present, of_501) in [
        ("user >= 0", "pass", "block", "block"),
        ("user < 100", "pass", "unknown", "pass"),
        ("user != 0", "block", "unknown", "block"),
        ("user 501", "pass", "unknown", "block"),
        ("user 500 >< 502", "pass", "unknown", "block"),
        ("user 500 <> 502", "pass", "unknown", "pass"),
        ("user unknown", "block", "pass", "pass"),
        ("user != unknown", "pass", "block", "block"),
        ("user alice", "pass", "unknown", "unknown"),
        ("user != alice", "block", "unknown", "unknown"),
        ("user > alice", "pass", "unknown", "unknown"),
        ("group >= 0", "pass", "block", "block"),
        ("group 20", "pass", "unknown", "unknown"),
        ("user >= 0 group 20", "pass", "unknown", "unknown"),
    ] {
        assert_eq!(at(PacketSocket::Missing, rule), missing, "{rule}, no socket");
        assert_eq!(at(PacketSocket::Present, rule), present, "{rule}, a socket");
        assert_eq!(at(PacketSocket::Owned(501), rule), of_501, "{rule}, user 501");
        let unknown = if missing == present { present } else { "unknown" };
        assert_eq!(at(PacketSocket::Unknown, rule), unknown, "{rule}, unknown");
    }
}
