//! The rulesets that people have, and what is said of them.

use std::collections::BTreeMap;

use portcullis::pf::criteria::Family;
use portcullis::pf::explain::{ClientHost, Explanation, Query, answers, ask, changes};
use portcullis::pf::load::Listing;
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::verdict::Decision;
use portcullis::port::PortRange;

const STOCK: &str = include_str!("../resources/stock-pf.conf");
const APPLE: &str = include_str!("../resources/stock-com.apple");
const RECIPE: &str = "pass in proto tcp from any to any port 2345\n";

fn load(conf: &str, files: &[(&str, &str)]) -> Rulesets {
    let (loaded, problems) = Rulesets::from_conf("pf.conf", conf, &mut |path| {
        let found = files.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such file".into())
    });
    assert_eq!(problems, []);
    loaded.with_assumed_interfaces(None)
}

fn from(loaded: &Rulesets, from: ClientHost) -> Explanation {
    ask(loaded, &Query { port: 2345, from, family: Family::Inet, interface: None })
}

fn sentences(loaded: &Rulesets) -> [String; 3] {
    [ClientHost::Loopback, ClientHost::Network, ClientHost::Anyone].map(|who| from(loaded, who).sentence)
}

#[test]
fn the_stock_ruleset_passes_everything() {
    let loaded = load(STOCK, &[("/etc/pf.anchors/com.apple", APPLE)]);
    let passed = "passed: no rule matches port 2345; pf passes what no rule matches";
    assert_eq!(sentences(&loaded), [passed; 3]);
    assert_eq!(loaded.anchor_paths().collect::<Vec<_>>(), ["", "com.apple"]);
}

#[test]
fn the_recipe_without_its_anchor_line_is_never_evaluated() {
    let conf = format!(
        "{STOCK}block in all\nload anchor \"com.golang.dlv\" from \"/etc/pf.anchors/com.golang.dlv\"\n"
    );
    let files = [("/etc/pf.anchors/com.apple", APPLE), ("/etc/pf.anchors/com.golang.dlv", RECIPE)];
    let answer = from(&load(&conf, &files), ClientHost::Network);
    assert_eq!(
        answer.sentence,
        "blocked by rule 1, pf.conf:14 `block drop in all`; nothing later passes port 2345"
    );
    assert_eq!(
        answer.notes,
        [
            "the client gets no answer and times out",
            "anchor com.golang.dlv has a rule for port 2345, but no ruleset calls the anchor: its rules are never \
             evaluated until the main ruleset has `anchor \"com.golang.dlv\"`"
        ]
    );
}

#[test]
fn the_recipe_with_its_anchor_line_passes() {
    let conf = format!(
        "{STOCK}block in all\nanchor \"com.golang.dlv\"\nload anchor \"com.golang.dlv\" from \"/etc/pf.anchors/com.golang.dlv\"\n"
    );
    let files = [("/etc/pf.anchors/com.apple", APPLE), ("/etc/pf.anchors/com.golang.dlv", RECIPE)];
    let answer = from(&load(&conf, &files), ClientHost::Anyone);
    assert_eq!(
        answer.sentence,
        "passed by rule 0 of anchor com.golang.dlv, /etc/pf.anchors/com.golang.dlv:1 `pass in proto tcp from any to \
         any port = 2345 flags S/SA keep state`; nothing later blocks port 2345"
    );
    assert_eq!(answer.notes, [""; 0]);
    let effects: Vec<_> = answer.trail.iter().map(|line| (line.effect, line.rule.place.as_str())).collect();
    assert_eq!(
        effects,
        [
            ("overridden", "pf.conf:14"),
            ("calls", "pf.conf:15"),
            ("decides", "/etc/pf.anchors/com.golang.dlv:1")
        ]
    );
}

#[test]
fn block_all_stops_loopback_too_unless_it_is_skipped() {
    let loaded = load("block all\n", &[]);
    assert_eq!(
        sentences(&loaded),
        [
            "blocked by rule 0, pf.conf:1 `block drop all`; on its way out of lo0; nothing later passes port 2345",
            "blocked by rule 0, pf.conf:1 `block drop all`; nothing later passes port 2345",
            "blocked by rule 0, pf.conf:1 `block drop all`; nothing later passes port 2345",
        ]
    );
    let loaded = load("set skip on lo0\nblock all\n", &[]);
    assert_eq!(
        from(&loaded, ClientHost::Loopback).sentence,
        "passed: pf does not look at the interface (`set skip`)"
    );
    assert_eq!(from(&loaded, ClientHost::Network).verdict, Decision::Block);
}

#[test]
fn block_in_all_passes_loopback_out_and_stops_it_in() {
    let loaded = load("block in all\npass out all\n", &[]);
    assert_eq!(
        from(&loaded, ClientHost::Loopback).sentence,
        "blocked by rule 0, pf.conf:1 `block drop in all`; on its way into lo0; nothing later passes port 2345"
    );
}

#[test]
fn internet_sharing_changes_nothing_for_the_port() {
    let conf = format!(
        "{STOCK}nat-anchor \"com.apple.internet-sharing\"\nanchor \"com.apple.internet-sharing\"\n\
         load anchor \"com.apple.internet-sharing\" from \"sharing\"\n"
    )
    .replace("nat-anchor \"com.apple.internet-sharing\"\n", "");
    let conf = conf.replace(
        "rdr-anchor \"com.apple/*\"",
        "nat-anchor \"com.apple.internet-sharing\"\nrdr-anchor \"com.apple/*\"",
    );
    let sharing = "nat on en0 inet from bridge100:network to any -> (en0)\n\
                   pass on bridge100 inet from any to any\n\
                   block in on en0 inet proto tcp from bridge100:network to any\n";
    let files = [("/etc/pf.anchors/com.apple", APPLE), ("sharing", sharing)];
    let answer = from(&load(&conf, &files), ClientHost::Network);
    // bridge100's network is unknown: the last rule may match.
    assert_eq!(answer.verdict, Decision::Unknown);
    let known = load(&conf, &files)
        .with_interfaces(vec![facts("en0", &["192.168.1.10/24"]), facts("bridge100", &["192.168.2.1/24"])]);
    assert_eq!(
        from(&known, ClientHost::Network).sentence,
        "passed: no rule matches port 2345; pf passes what no rule matches"
    );
    let bridged = ask(
        &known,
        &Query {
            port: 2345,
            from: ClientHost::Host("192.168.2.7".parse().unwrap()),
            family: Family::Inet,
            interface: None,
        },
    );
    assert_eq!(
        bridged.sentence,
        "passed by rule 0 of anchor com.apple.internet-sharing, sharing:2 `pass on bridge100 inet all flags S/SA keep \
         state`; nothing later blocks port 2345"
    );
}

fn facts(name: &str, addresses: &[&str]) -> portcullis::pf::interfaces::InterfaceFacts {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    portcullis::pf::interfaces::InterfaceFacts { name: name.to_owned(), addresses }
}

#[test]
fn a_vpn_that_blocks_all_but_its_tunnel() {
    let vpn = "set skip on lo0\n\
               block drop all\n\
               pass quick on utun3 all\n\
               pass out quick on en0 inet proto udp from any to 185.65.134.66 port 51820 keep state\n\
               pass quick on en0 proto udp from any port { 67 68 } to any port { 67 68 }\n";
    let loaded = load(vpn, &[])
        .with_interfaces(vec![facts("en0", &["192.168.1.10/24"]), facts("utun3", &["10.64.0.2/32"])]);
    assert_eq!(
        from(&loaded, ClientHost::Network).sentence,
        "blocked by rule 0, pf.conf:2 `block drop all`; nothing later passes port 2345"
    );
    let tunnel = Query {
        port: 2345,
        from: ClientHost::Anyone,
        family: Family::Inet,
        interface: Some("utun3".to_owned()),
    };
    assert_eq!(
        ask(&loaded, &tunnel).sentence,
        "passed by rule 1, pf.conf:3 `pass quick on utun3 all flags S/SA keep state`; it is quick: later rules are not \
         looked at"
    );
}

#[test]
fn a_vpn_that_lets_the_local_network_in() {
    let vpn = "table <lan> const { 10/8, 172.16/12, 192.168/16, fe80::/10, fd00::/8 }\n\
               block return in all\n\
               pass in quick from <lan> to <lan>\n\
               pass out quick all\n";
    let loaded = load(vpn, &[]);
    assert_eq!(
        sentences(&loaded)[1..],
        [
            "passed by rule 1, pf.conf:3 `pass in quick from <lan> to <lan> flags S/SA keep state`; it is quick: later \
             rules are not looked at",
            "blocked by rule 0, pf.conf:2 `block return in all`; nothing later passes port 2345",
        ]
    );
    assert_eq!(from(&loaded, ClientHost::Anyone).notes, ["the client sees \"connection refused\""]);
}

#[test]
fn a_corporate_quick_block_wins_over_what_comes_later() {
    let conf = "block return in quick on ! lo0 proto tcp to any port 1024:65535\nanchor \"x\"\nload anchor x from x\n";
    let loaded = load(conf, &[("x", RECIPE)]);
    assert_eq!(
        from(&loaded, ClientHost::Network).sentence,
        "blocked by rule 0, pf.conf:1 `block return in quick on ! lo0 proto tcp from any to any port 1024:65535`; it is \
         quick: later rules are not looked at"
    );
    assert_eq!(from(&loaded, ClientHost::Loopback).verdict, Decision::Pass);
}

#[test]
fn a_rule_without_state_needs_the_reply_to_pass_too() {
    let loaded = load("block all\npass in proto tcp to port 2345 no state\n", &[]);
    assert_eq!(
        from(&loaded, ClientHost::Network).sentence,
        "blocked by rule 0, pf.conf:1 `block drop all`; the connection comes in, but the reply is blocked; nothing later \
         passes port 2345"
    );
    let loaded = load("block all\npass in proto tcp to port 2345 flags any no state\npass out all\n", &[]);
    assert_eq!(
        from(&loaded, ClientHost::Network).verdict,
        Decision::Block,
        "`flags S/SA` does not match the reply"
    );
    let loaded =
        load("block all\npass proto tcp to port 2345 flags any no state\npass out all flags any\n", &[]);
    assert_eq!(from(&loaded, ClientHost::Network).verdict, Decision::Pass);
}

#[test]
fn what_cannot_be_known_is_unknown_unless_it_cannot_matter() {
    let unread = load("block all\n", &[]);
    let (loaded, problems) = Rulesets::from_conf(
        "pf.conf",
        "table <t> file \"/etc/t\"\nblock all\npass in from <t>\n",
        &mut |_| Err("no such file".into()),
    );
    assert_eq!(problems, []);
    let loaded = loaded.with_interfaces(unread.interfaces().to_vec());
    let answer = from(&loaded, ClientHost::Network);
    assert_eq!(answer.verdict, Decision::Unknown);
    assert_eq!(
        answer.because.to_string(),
        "unknown: it depends on the contents of table <t>, which could not be read"
    );
    for (conf, outcome) in [
        ("block all\npass in proto tcp user alice\n", Decision::Unknown),
        ("block all\npass in proto tcp os \"Linux\"\n", Decision::Unknown),
        ("block all\npass in probability 50%\n", Decision::Unknown),
        ("block all\npass in from example.org\n", Decision::Unknown),
        ("block all\npass in from example.org\nblock in quick all\n", Decision::Block),
        ("block all\nblock in from example.org\n", Decision::Block),
        ("block in quick all\npass in from example.org\n", Decision::Block),
        ("block all\npass in quick from example.org\nblock all\n", Decision::Unknown),
        ("block all\npass in from any to self\n", Decision::Pass),
        ("block all\npass in from any to (en0)\n", Decision::Pass),
        ("block all\npass in on en0 from (en0:network)\n", Decision::Pass),
        ("block all\npass in proto tcp to port nosuchservice\n", Decision::Unknown),
        ("block all\npass in proto udp to port nosuchservice\n", Decision::Block),
        ("pass all\nblock in from no-route\nblock in from urpf-failed\n", Decision::Pass),
    ] {
        assert_eq!(from(&load(conf, &[]), ClientHost::Network).verdict, outcome, "{conf}");
    }
}

#[test]
fn redirection_comes_before_the_filter() {
    let loaded = load(
        "rdr on en0 proto tcp to any port 2345 -> 127.0.0.1 port 9999\nblock in\npass in proto tcp to port 2345\n",
        &[],
    );
    let answer = from(&loaded, ClientHost::Network);
    assert_eq!(answer.verdict, Decision::Block, "the filter sees port 9999");
    assert!(answer.notes.iter().any(|note| note.contains("127.0.0.1 port 9999")), "{:?}", answer.notes);
    let loaded = load("rdr pass on en0 proto tcp to any port 2345 -> 127.0.0.1 port 9999\nblock in\n", &[]);
    assert_eq!(from(&loaded, ClientHost::Network).verdict, Decision::Pass);
}

#[test]
fn loaded_rules_are_told_by_anchor_and_number() {
    let tables = BTreeMap::from([("portcullis_dlv".to_owned(), vec!["192.168.1.0/24".to_owned()])]);
    let none = BTreeMap::new();
    let main = Listing {
        rules: "scrub-anchor \"com.apple/*\" all fragment reassemble\nanchor \"com.apple/*\" all\n",
        nat: "nat-anchor \"com.apple/*\" all\nrdr-anchor \"com.apple/*\" all\n",
        tables: &none,
    };
    let ours = Listing {
        rules: "pass in quick inet proto tcp from <portcullis_dlv> to any port = 2345 flags S/SA keep state label \"portcullis:dlv:2345\"\n\
                block return in quick on ! lo0 proto tcp from any to any port = 2345\n",
        nat: "",
        tables: &tables,
    };
    let apple = Listing { rules: "block drop in all\n", nat: "", tables: &none };
    let (loaded, problems) = Rulesets::from_listings(
        [("", main), ("com.apple/100.dev.portcullis", ours), ("com.apple/250.ApplicationFirewall", apple)],
        [],
    );
    assert_eq!(problems, []);
    let loaded = loaded.with_assumed_interfaces(None);
    let network = from(&loaded, ClientHost::Network);
    assert_eq!(
        network.sentence,
        "passed by rule 0 of anchor com.apple/100.dev.portcullis `pass in quick inet proto tcp from <portcullis_dlv> to \
         any port = 2345 flags S/SA keep state label \"portcullis:dlv:2345\"`; it is quick: later rules are not looked at"
    );
    let rule = network.rule.unwrap();
    assert_eq!(rule.place, "anchor com.apple/100.dev.portcullis rule 0");
    assert_eq!(
        from(&loaded, ClientHost::Anyone).rule.unwrap().place,
        "anchor com.apple/100.dev.portcullis rule 1"
    );
    // From this Mac the guard does not match, but Apple's rule does.
    assert_eq!(
        from(&loaded, ClientHost::Loopback).rule.unwrap().place,
        "anchor com.apple/250.ApplicationFirewall rule 0"
    );
}

#[test]
fn a_listed_line_that_cannot_be_read_makes_the_verdict_unknown() {
    let none = BTreeMap::new();
    let listing = |rules: &'static str| {
        let (loaded, problems) =
            Rulesets::from_listings([("", Listing { rules, nat: "", tables: &none })], []);
        assert_eq!(problems.len(), 1);
        from(&loaded.with_assumed_interfaces(None), ClientHost::Network).verdict
    };
    assert_eq!(listing("block drop all\nfrobnicate in all\n"), Decision::Unknown);
    assert_eq!(listing("block drop all\npass in frobnicated\n"), Decision::Unknown);
    assert_eq!(listing("block drop all\nblock frobnicated\n"), Decision::Block);
    assert_eq!(listing("frobnicate in all\nblock drop all\n"), Decision::Block);
    assert_eq!(listing("frobnicate in quick all\nblock drop all\n"), Decision::Unknown);
    assert_eq!(listing("block drop all\npass out frobnicated\n"), Decision::Block);
}

fn ports(text: &str) -> PortRange {
    text.parse().unwrap()
}

#[test]
fn who_can_reach_a_port_and_what_a_change_changes() {
    let before = load("set skip on lo0\nblock in all\nanchor \"dev.portcullis\"\n", &[]);
    let (after, problems) = before.with_anchor(
        "dev.portcullis",
        "planned",
        "table <t> { 192.168.1.0/24 }\npass in quick proto tcp from <t> to any port 2345\n",
    );
    assert_eq!(problems, []);
    let found = answers(&after, ports("2345"), &[]);
    assert_eq!(
        [found.loopback.verdict, found.network.verdict, found.anyone.verdict],
        [Decision::Pass, Decision::Pass, Decision::Block]
    );
    let table: Vec<String> =
        changes(&before, &after, &[(ports("2345"), vec![])]).iter().map(ToString::to_string).collect();
    assert_eq!(
        table,
        [
            "2345         loopback  pass               pf does not look at the interface (`set skip`)",
            "2345         network   block → pass       over IPv4: passed by rule 0 of anchor dev.portcullis, planned:2 \
             `pass in quick proto tcp from <t> to any port = 2345 flags S/SA keep state`",
            "2345         anyone    block              blocked by rule 0, pf.conf:2 `block drop in all`",
        ]
    );
    let range = answers(&after, ports("2345-2346"), &[]);
    assert_eq!(range.network.verdict, Decision::Unknown, "{}", range.network.because);
}

/// What is said of a file of which others are missing.
fn without_files(conf: &str) -> Explanation {
    let (loaded, problems) = Rulesets::from_conf("pf.conf", conf, &mut |_| Err("no such file".into()));
    assert_ne!(problems, []);
    from(&loaded.with_assumed_interfaces(None), ClientHost::Network)
}

#[test]
fn rules_that_are_not_here_may_do_anything() {
    let load = "load anchor \"x\" from \"/etc/pf.anchors/x\"\n";
    for rules in [
        format!("anchor \"x\"\n{load}"),
        format!("anchor \"x\"\npass quick all\n{load}"),
        format!("block all\nanchor \"x\" quick\n{load}"),
        format!("rdr-anchor \"x\"\nblock in to 10.0.0.0/8\n{load}"),
        "block all\ninclude \"/etc/more.conf\"\n".to_owned(),
    ] {
        let answer = without_files(&rules);
        assert_eq!(answer.verdict, Decision::Unknown, "{rules}{answer}");
        assert!(answer.to_string().contains("the rules in /etc/"), "{rules}{answer}");
    }
    // What they say is of no matter where nothing leads to them.
    for (rules, verdict) in [
        (format!("block quick all\nanchor \"x\"\n{load}"), Decision::Block),
        (format!("pass in proto tcp\nanchor \"x\" proto udp\n{load}"), Decision::Pass),
        (format!("block all\n{load}"), Decision::Block),
    ] {
        let answer = without_files(&rules);
        assert_eq!(answer.verdict, verdict, "{rules}");
        assert!(!answer.notes.iter().any(|note| note.contains("anchor x has a rule")), "{answer}");
    }
}

#[test]
fn interfaces_are_matched_by_their_whole_names() {
    // macOS's kernel has no groups of interfaces.
    for (rules, who, verdict) in [
        ("block all\npass in on egress\n", ClientHost::Network, Decision::Block),
        ("block in on ! egress\n", ClientHost::Network, Decision::Block),
        ("block all\npass on lo\n", ClientHost::Loopback, Decision::Block),
        ("block all\npass in from (egress:network)\n", ClientHost::Network, Decision::Block),
        ("block all\npass in from (en0:network)\n", ClientHost::Network, Decision::Pass),
        ("block all\npass in on en0 from (en0:network) to (self)\n", ClientHost::Network, Decision::Block),
    ] {
        let answer = from(&load(rules, &[]), who);
        assert_eq!(answer.verdict, verdict, "{rules}{answer}");
    }
}

#[test]
fn a_link_local_client_is_not_in_the_interfaces_own_networks() {
    let rules = "block in on en0 inet6\npass in on en0 inet6 from (en0:network)\n";
    let loaded = load(rules, &[]).with_interfaces(vec![facts("en0", &["fd00::1/64", "fe80::1/64"])]);
    let of = |host: &str| from(&loaded, ClientHost::Host(host.parse().unwrap())).verdict;
    assert_eq!((of("fd00::2"), of("fe80::2")), (Decision::Pass, Decision::Block));
}

#[test]
fn a_redirection_to_another_machine_is_told() {
    let conf = "rdr on en0 proto tcp from any to any port 2345 -> 10.0.42.1 port 22\npass all\n";
    let answer = from(&load(conf, &[]), ClientHost::Network);
    assert!(answer.sentence.ends_with("; redirected to 10.0.42.1:22, which is not this Mac"), "{answer}");
    let conf = conf.replace("10.0.42.1 port 22", "127.0.0.1 port 8080");
    assert!(from(&load(&conf, &[]), ClientHost::Network).sentence.starts_with("passed by rule 0"));
    let conf = format!("no rdr on en0 proto tcp to port 2345\n{conf}");
    assert_eq!(from(&load(&conf, &[]), ClientHost::Network).trail[0].effect, "exempts");
}

#[test]
fn the_interface_to_the_outside_is_meant() {
    for (rules, interface) in [
        ("pass all\n", "en0"),
        ("pass on p2p0\npass on utun3\nblock all\n", "en0"),
        ("pass on em1\next_if = \"em0\"\nblock in on $ext_if\n", "em0"),
        ("pass on em1\nblock in on em0\n", "em1"),
        ("pass on en5\nblock in on en0\n", "en0"),
        ("pass on bridge100\nblock in on en1\n", "en1"),
    ] {
        assert_eq!(from(&load(rules, &[]), ClientHost::Network).interface, interface, "{rules}");
    }
}

#[test]
fn what_depends_on_a_state_reads_as_a_sentence() {
    let conf = "block all\npass in proto tcp to port 2345 no state\npass in proto tcp to port 2345 probability 50%\n";
    let answer = from(&load(conf, &[]), ClientHost::Network);
    assert_eq!(answer.verdict, Decision::Unknown);
    assert!(!answer.sentence.contains("without which unknown"), "{answer}");
    let conf = "block all\npass in proto tcp to port 2345 no state\n";
    let answer = from(&load(conf, &[]), ClientHost::Network);
    assert_eq!(answer.verdict, Decision::Block);
    assert_eq!(answer.notes[0], "what passes it opens no state, so pf judges the replies by themselves");
}

#[test]
fn nat64_leads_to_an_address_that_nobody_knows() {
    let conf = "nat64 on en0 inet6 from any to any -> (en1)\nblock in inet to 192.0.2.1\n";
    let loaded = load(conf, &[]);
    let six = |from| ask(&loaded, &Query { port: 2345, from, family: Family::Inet6, interface: None });
    assert_eq!(six(ClientHost::Network).verdict, Decision::Unknown);
    assert_eq!(from(&loaded, ClientHost::Network).verdict, Decision::Pass, "IPv4 is not touched");
}

/// The verdict on a text whatever is wrong with it.
fn verdict_of_damaged(text: &str, from: ClientHost) -> Explanation {
    let (loaded, problems) = Rulesets::from_conf("pf.conf", text, &mut |_| Err("no such file".into()));
    assert_ne!(problems, [], "{text:.200}");
    ask(
        &loaded.with_assumed_interfaces(None),
        &Query { port: 2345, from, family: Family::Inet, interface: None },
    )
}

#[test]
fn what_could_not_be_read_never_ends_in_a_certain_verdict() {
    let many = |line: &str, count: usize, last: &str| line.repeat(count) + last;
    for text in [
        // More than is read.
        many("set foo bar\n", 1_100, "block in all\n"),
        many_rules(500, 499) + &many("pass in proto tcp to port 22\n", 600, "block in quick all\n"),
        // A quote that is never closed hides no rules behind it.
        format!("x = \"en0\nblock in quick all\n{}pass all\n", "pass in proto tcp to port 22\n".repeat(400)),
        // Statements that bring in others.
        "include /etc/pf.d/x.conf\npass all\n".into(),
        "load anchor x form \"/x\"\nanchor x\npass all\n".into(),
        "table bad { 192.168.0.0/16 }\npass all\nblock in from <bad>\n".into(),
        // A `quick` that is not seen at first sight.
        "block in \\\n quick from any to any bogus\npass all\n".into(),
        "o = \"quick\"\nblock in $o foo\npass all\n".into(),
        // The rules of an anchor whose call does not read.
        "anchor \"x\" on en9 bogus {\nblock in quick\n}\npass in on en0\n".into(),
    ] {
        let answer = verdict_of_damaged(&text, ClientHost::Network);
        let surely_blocked = answer.verdict == Decision::Block && text.starts_with("x = ");
        assert!(
            answer.verdict == Decision::Unknown || surely_blocked,
            "{text:.200}\n{:.500}",
            answer.to_string()
        );
    }
    // What follows a broken anchor is read as ever.
    let text = "anchor \"x\" bogus {\nblock in quick\n}\nblock in quick on en9\n";
    let (loaded, _) = Rulesets::from_conf("pf.conf", text, &mut |_| Err("no files here".into()));
    assert_eq!(loaded.anchor("").map(|ruleset| ruleset.filter.len()), Some(2));
}

#[test]
fn files_that_are_too_much_together_are_unknown() {
    let text = "anchor c\nload anchor a from \"a\"\nload anchor b from \"b\"\nload anchor c from \"c\"\n";
    let rules = many_rules(500, 260) + "block in quick all\n";
    let (loaded, problems) = Rulesets::from_conf("pf.conf", text, &mut |_| Ok(rules.clone()));
    assert_eq!(problems.len(), 1);
    let loaded = loaded.with_assumed_interfaces(None);
    assert_eq!(from(&loaded, ClientHost::Network).verdict, Decision::Unknown);
    // The first was read, and decides.
    let (loaded, _) = loaded.with_anchor("", "main", "anchor a\n");
    assert_eq!(from(&loaded, ClientHost::Network).verdict, Decision::Block);
}

/// One line that expands to a rule for each host and port.
fn many_rules(hosts: usize, ports: usize) -> String {
    let hosts: String = (0..hosts).map(|host| format!("10.0.{}.{} ", host / 250, host % 250)).collect();
    let ports: String = (1..=ports).map(|port| format!("{port} ")).collect();
    format!("pass in proto tcp from {{ {hosts}}} to any port {{ {ports}}}\n")
}

#[test]
fn an_exemption_ends_the_search_among_its_kind_alone() {
    // XNU, net/pf.c: pf_get_translation_aux goes on with binat where a `no rdr` matched.
    let conf = "no rdr on en0 proto tcp to port 2345\nbinat on en0 from 10.0.0.5 to any -> 192.168.1.10\n\
                block all\npass in to 10.0.0.5\n";
    assert_eq!(from(&load(conf, &[]), ClientHost::Network).verdict, Decision::Pass);
    let conf = conf.replace("10.0.0.5 to any", "10.0.0.6 to any");
    assert_eq!(from(&load(&conf, &[]), ClientHost::Network).verdict, Decision::Block);
    let conf = "no rdr on en0 proto tcp to port 2345\nrdr on en0 proto tcp to port 2345 -> 10.0.0.5\n\
                block in to 10.0.0.5\n";
    assert_eq!(from(&load(conf, &[]), ClientHost::Network).verdict, Decision::Pass);
}

#[test]
fn of_two_files_for_one_anchor_the_later_counts() {
    let conf = "anchor x\nload anchor x from \"1\"\nload anchor x from \"2\"\n";
    let loaded = load(conf, &[("1", "pass in all\n"), ("2", "block in all\n")]);
    assert_eq!(from(&loaded, ClientHost::Network).verdict, Decision::Block);
}

#[test]
fn the_interface_that_is_asked_for_has_addresses() {
    let conf = "block all\npass in on utun3 proto tcp to (utun3) port 2345\n";
    let (loaded, _) = Rulesets::from_conf("pf.conf", conf, &mut |_| Err("no files here".into()));
    let question = Query {
        port: 2345,
        from: ClientHost::Network,
        family: Family::Inet,
        interface: Some("utun3".to_owned()),
    };
    assert_eq!(ask(&loaded.with_assumed_interfaces(Some("utun3")), &question).verdict, Decision::Pass);
    let conf = "rdr on en0 proto tcp to port 2345 -> lo0 port 8080\nblock all\n\
                pass in proto tcp to 127.0.0.1 port 8080\n";
    assert_eq!(from(&load(conf, &[]), ClientHost::Network).verdict, Decision::Pass);
}
