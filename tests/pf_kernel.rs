//! Verdicts where macOS's kernel does otherwise than pf.conf(5) says. Each kind is from reading XNU's net/pf.c, and was
//! confirmed by running it.

use portcullis::pf::criteria::Direction;
use portcullis::pf::criteria::Family;
use portcullis::pf::explain::{ClientHost, Query, ask};
use portcullis::pf::packet::Packet;
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::verdict::{Decision, verdict};

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
