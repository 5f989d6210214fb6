//! Verdicts where macOS's kernel does otherwise than pf.conf(5) says. Each kind is from reading XNU's net/pf.c, and was
//! confirmed by running it.

use portcullis::pf::criteria::Direction;
use portcullis::pf::criteria::Family;
use portcullis::pf::explain::{ClientHost, Explanation, Query, ask, ask_outgoing};
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

fn explained(loaded: &Rulesets, client: &str) -> Explanation {
    let from = ClientHost::Host(client.parse().unwrap());
    ask(loaded, &Query { port: 2345, from, family: Family::Inet, interface: None })
}

fn notes(loaded: &Rulesets, client: &str) -> String {
    explained(loaded, client).notes.join("\n")
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

/// The decision on a SYN from the network to port 2345 by `conf` and the anchors of `files`.
fn quick(conf: &str, files: &[(&str, &str)]) -> String {
    let loads: String =
        files.iter().map(|(path, _)| format!("load anchor \"{path}\" from \"{path}\"\n")).collect();
    decided(&load(&format!("{conf}{loads}"), files), &syn_from("192.168.1.20"))
}

#[test]
fn a_call_forgets_what_matched_in_the_quick_call_around_it() {
    for (conf, expected) in [
        ("anchor x quick {\n block all\n anchor y\n}\npass all\n", "pass 1"),
        (
            "anchor x quick {\n pass proto tcp to port 2345\n anchor y {\n block proto tcp to port 99\n }\n}\n\
             block all\n",
            "block 1",
        ),
        ("anchor x quick {\n block all\n anchor y out {\n pass all\n }\n}\npass all\n", "block x 0"),
        ("anchor x quick {\n anchor y {\n }\n block all\n}\npass all\n", "block x 1"),
        ("anchor x quick {\n anchor y {\n block all\n }\n}\npass all\n", "block x/y 0"),
        ("anchor x quick {\n block all\n anchor y {\n anchor z\n }\n}\npass all\n", "pass 1"),
        ("anchor x quick {\n block quick all\n anchor y\n}\npass all\n", "block x 0"),
        ("anchor x quick {\n pass proto tcp to port 99\n}\nblock all\n", "block 1"),
        ("anchor x quick {\n block all\n anchor y\n pass all\n}\nblock all\n", "pass x 2"),
    ] {
        assert_eq!(quick(conf, &[]), expected, "{conf}");
    }
    let lost = load("anchor x quick {\n block all\n anchor y\n}\npass all\n", &[]);
    assert!(notes(&lost, "192.168.1.20").contains("later rules are evaluated all the same"));
    let kept = load("anchor x quick {\n block all\n}\npass all\n", &[]);
    assert!(!notes(&kept, "192.168.1.20").contains("all the same"));
}

#[test]
fn the_quick_of_a_call_is_lost_where_it_is_the_last_rule_of_another() {
    let inner = "anchor y {\n anchor z quick {\n block all\n }\n";
    for (conf, expected) in [
        (
            "anchor x {\n pass all\n anchor y quick {\n block proto tcp to port 2345\n }\n}\n\
             pass proto tcp to port 2345\n",
            "pass 1",
        ),
        (
            "anchor x {\n anchor y quick {\n block all\n }\n pass proto tcp to port 99\n}\npass all\n",
            "block x/y 0",
        ),
        (&format!("anchor x {{\n {inner} }}\n}}\npass all\n"), "pass 1"),
        (&format!("anchor x {{\n {inner} pass proto tcp to port 99\n }}\n}}\npass all\n"), "block x/y/z 0"),
        (&format!("anchor x quick {{\n {inner} }}\n}}\npass all\n"), "block x/y/z 0"),
        ("anchor x {\n anchor y {\n anchor z {\n block all\n }\n }\n}\npass all\n", "pass 1"),
        ("anchor x {\n anchor y {\n block quick all\n }\n}\npass all\n", "block x/y 0"),
    ] {
        assert_eq!(quick(conf, &[]), expected, "{conf}");
    }
    let conf = "anchor x {\n anchor y quick {\n block all\n }\n}\npass all\n";
    assert!(notes(&load(conf, &[]), "192.168.1.20").contains("the last rule of another anchor"));
}

#[test]
fn the_quick_of_wildcard_calls_and_of_calls_in_their_children() {
    let (block, other) = (("p/a", "block all\n"), ("p/b", "pass proto tcp to port 99\n"));
    let inner = "anchor y quick {\n block all\n}\n";
    let two = "anchor \"p/*\"\npass all\n";
    for (conf, files, expected) in [
        ("anchor \"p/*\" quick\npass all\n", vec![block], "block p/a 0"),
        // Leaving the child forgets the match, so the quick call around the wildcard is not quick.
        ("anchor x quick {\n anchor \"/p/*\"\n}\npass all\n", vec![block], "pass 1"),
        // The quick wildcard is the last rule of a plain call, which sees no match any more.
        ("anchor x {\n anchor \"/p/*\" quick\n}\npass all\n", vec![block], "block p/a 0"),
        ("anchor \"p/*\" quick\nblock all\n", vec![block, ("p/b", "pass all\n")], "pass p/b 0"),
        // The quick call ends the search where the next child has a rule, and not in the last child.
        (two, vec![("p/a", inner), other], "block p/a/y 0"),
        (two, vec![("p/a", "pass proto tcp to port 99\n"), ("p/b", inner)], "pass 1"),
        (two, vec![("p/a", inner), ("p/b", "")], "pass 1"),
        (two, vec![("p/a", inner), ("p/b", ""), ("p/c", other.1)], "block p/a/y 0"),
        ("anchor \"p/*\" quick\npass all\n", vec![("p/b", inner)], "block p/b/y 0"),
        // A wildcard call of the anchor's own children marks it.
        ("anchor p quick\npass all\n", vec![("p", "anchor \"*\"\n"), block], "block p/a 0"),
    ] {
        assert_eq!(quick(conf, &files), expected, "{conf}{files:?}");
    }
}

#[test]
fn what_an_earlier_packet_left_behind_is_unknown() {
    // p/a is marked whenever a rule matches in its children; leaving it as a child of p, the mark is read.
    let files = [("p/a", "pass proto tcp to port 99\n"), ("p/a/k", "pass all\n")];
    let stale = "block all\nanchor \"p/*\" quick\nanchor \"p/a/*\" out\npass all\n";
    assert_eq!(quick(stale, &files), "unknown 0");
    // In this packet the mark is known: the call comes first.
    let fresh = "block all\nanchor \"p/a/*\"\nanchor \"p/*\" quick\nblock all\n";
    assert_eq!(quick(fresh, &files), "pass p/a/k 0");
    // Without a quick call nothing hangs on it.
    assert_eq!(quick("block all\nanchor \"p/*\"\nanchor \"p/a/*\" out\n", &files), "block 0");
}

#[test]
fn a_doubtful_rule_takes_its_tag_with_it() {
    for (rules, expected) in [
        ("pass quick all user alice tag A\nblock all tagged A\npass all ! tagged A\n", "pass"),
        ("pass all user alice tag A\nblock all tagged A\nblock all ! tagged A\n", "block"),
        ("pass all tag A user alice\nblock all tagged A\n", "unknown"),
        ("block all\npass all tag A user alice\npass all ! tagged A\n", "pass"),
        ("block quick all user alice tag A\npass all\nblock all tagged A\n", "unknown"),
        ("anchor x user alice tag A {\n pass all\n}\nblock all ! tagged A\npass all tagged A\n", "unknown"),
    ] {
        let found = verdict(&load(rules, &[]), &syn_from("192.168.1.20")).outcome.to_string();
        assert_eq!(found, expected, "{rules}");
    }
}

#[test]
fn redirections_are_turned_round_on_the_way_out() {
    let out = |port, flags| Packet {
        source_port: Some(port),
        flags,
        ..Packet::syn(Direction::Out, "en0", [192, 168, 1, 10].into(), [192, 168, 1, 20].into(), 50_000)
    };
    let (reply, syn) = (out(2345, 0x12), out(50_000, 2));
    let rdr = |pass: &str, from: &str, to: &str| {
        format!("rdr {pass} on en0 inet proto tcp from {from} to {to} -> 192.168.1.10 port 2345\nblock all\n")
    };
    let own = "192.168.1.10 port 8080";
    let elsewhere = |target: &str| {
        format!("rdr pass on en0 inet proto tcp from any to 192.168.1.10 port 8080 -> {target}\nblock all\n")
    };
    for (rules, packet, expected) in [
        (rdr("pass", "any", own), &reply, "pass 0"),
        (rdr("", "any", own) + "pass out proto tcp from any port 8080 flags any\n", &reply, "pass 1"),
        (elsewhere("192.168.1.10 port 2346"), &reply, "block 0"),
        (elsewhere("192.168.1.11 port 2345"), &reply, "block 0"),
        // Without a port behind it nothing is turned round.
        (elsewhere("192.168.1.10"), &reply, "block 0"),
        // The rule's source is where the packet goes to.
        (rdr("pass", "10.0.0.0/8", own), &reply, "block 0"),
        (rdr("pass", "192.168.1.20", own), &reply, "pass 0"),
        ("no rdr tag A\nblock all tagged A\n".to_owned(), &syn, "block 0"),
        ("no rdr on en1 tag A\nblock all tagged A\n".to_owned(), &syn, "pass"),
        // Before nat, and in its place.
        (
            "nat on en0 inet from any to any -> 10.9.9.9\n".to_owned()
                + &rdr("", "any", "192.168.1.77 port 8080")
                + "pass out from 192.168.1.77 flags any\n",
            &reply,
            "pass 1",
        ),
    ] {
        assert_eq!(decided(&load(&rules, &[]), packet), expected, "{rules}");
    }
}

#[test]
fn replies_without_a_state_are_translated() {
    let nat = |rest: &str| format!("nat on en0 inet from any to any -> {rest}\n");
    for (rules, expected) in [
        (nat("10.9.9.9"), "block"),
        (nat("10.9.9.9") + "pass in no state\npass out no state\n", "block"),
        (nat("10.9.9.9") + "pass all\n", "pass"),
        ("nat on en0 inet from 10.0.0.0/8 to any -> 10.9.9.9\n".to_owned(), "pass"),
        ("nat on en1 inet from any to any -> 10.9.9.9\n".to_owned(), "pass"),
        ("no nat on en0\n".to_owned() + &nat("10.9.9.9"), "pass"),
        // The address stays; the port does not, unless it is static.
        (nat("192.168.1.10"), "block"),
        (nat("192.168.1.10 static-port"), "pass"),
        (
            "rdr on en0 inet proto tcp to 192.168.1.10 port 8080 -> 192.168.1.10 port 2345\n".to_owned(),
            "block",
        ),
    ] {
        let answer = explained(&load(&rules, &[]), "192.168.1.20");
        assert_eq!(answer.verdict.to_string(), expected, "{rules}{answer}");
        let said = answer.sentence.contains("changes where the reply comes from");
        assert_eq!(said, expected == "block", "{answer}");
    }
}

/// The notes for a client that comes in by en0.
fn on_en0(loaded: &Rulesets) -> String {
    let from = ClientHost::Host("192.168.1.20".parse().unwrap());
    let query = Query { port: 2345, from, family: Family::Inet, interface: Some("en0".to_owned()) };
    ask(loaded, &query).notes.join("\n")
}

/// What is said of a rule that names the port and does not decide.
#[test]
fn a_rule_that_names_the_port_and_fails_by_one_criterion_is_named() {
    for (conf, says) in [
        ("block in all\npass in proto udp from any to any port 2345\n", "does not match: it is for udp"),
        ("block in all\npass out proto tcp to any port 2345\n", "it is for outgoing packets"),
        ("block in all\npass in on en1 proto tcp to any port 2345\n", "it is on en1, asked for en0"),
        (
            "block in all\npass in proto tcp from 10.0.0.0/8 to any port 2345\n",
            "it is from 10.0.0.0/8, asked for",
        ),
        (
            "block in all\npass in proto tcp to 10.0.0.5 port 2345\n",
            "it is to 10.0.0.5, asked for 192.168.1.10",
        ),
        ("block in all\npass in inet6 proto tcp to any port 2345\n", "it is for IPv6"),
        (
            "table <t> persist\nblock in all\npass in proto tcp from <t> to any port 2345\n",
            "<t>, which is empty here",
        ),
        (
            "table <t> { 10.1.1.1 }\nblock in all\npass in proto tcp from <t> to any port 2345\n",
            "does not hold 192.168",
        ),
        ("block in all\npass in proto tcp from <t> to any port 2345\n", "<t>, which does not exist"),
        (
            "block in quick all\npass in proto tcp to any port 2345\n",
            "it stands behind the quick rule 0, pf.conf:1",
        ),
        ("pass in proto tcp to any port 2345\nblock in all\n", "rule 1, pf.conf:2 is later and decides"),
        ("block in all\npass in proto tcp from any port 22 to any port 2345\n", "other ports of the client"),
        ("block in all\npass in proto tcp to any port 2345 flags A/A\n", "other TCP flags"),
        (
            "block in all\npass in proto tcp to any port 2345 tagged x\n",
            "with the tag x, which this one has not",
        ),
        ("rdr pass on lo0 inet proto tcp to any port 2345 -> 127.0.0.1 port 80\n", "redirects on lo0 only"),
        (
            "block in all\nanchor \"x\" on en1 {\npass in proto tcp to any port 2345\n}\n",
            "the call of its anchor, pf.conf:2, is on en1",
        ),
        ("block in on en1 proto tcp to any port 2345\n", "it is on en1, asked for en0"),
    ] {
        let loaded = load(conf, &[]);
        let said = on_en0(&loaded);
        assert!(
            said.contains(says) && said.contains("the rule that names port 2345, pf.conf:"),
            "{conf}: {said}"
        );
    }
    for conf in [
        "block in all\n",
        "block in all\npass in proto udp to any port 2346\n",
        "pass in proto tcp to any port 2345\n",
    ] {
        assert!(!on_en0(&load(conf, &[])).contains("the rule that names"), "{conf}");
    }
}

#[test]
fn this_mac_as_the_client_is_judged_on_the_way_out_and_back() {
    for (conf, says, note) in [
        (
            "pass in proto tcp to any port 2345\nblock out all\n",
            "blocked by rule 1",
            "it is for incoming packets",
        ),
        (
            "block in all\npass out all no state\n",
            "the connection goes out, but the reply is blocked",
            "opens no state",
        ),
        ("block in all\npass out all\n", "passed by rule 1", ""),
        (
            "block drop all\npass out on utun3 all\npass on lo0 all\n",
            "blocked by rule 0",
            "the client gets no answer",
        ),
        ("block out quick inet proto tcp to 10.0.0.5\npass out all\n", "blocked by rule 0", ""),
    ] {
        let loaded = load(conf, &[]);
        let answer = ask_outgoing(&loaded, 2345, "10.0.0.5".parse().unwrap(), Some("en0"));
        assert!(answer.sentence.contains(says), "{conf}: {answer}");
        assert!(answer.notes.join("\n").contains(note), "{conf}: {answer}");
    }
}
