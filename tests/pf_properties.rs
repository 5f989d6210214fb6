//! Properties of pf's language: nothing panics, what is printed reads back as it was, nothing explodes.
//!
//! 256 cases of each; `PROPTEST_CASES=100000` for more.

use portcullis::pf::parse::{parse_bytes, parse_listing, parse_text};
use portcullis::pf::rule::Rule;
use portcullis::pf::rule::Ruleset;
use proptest::prelude::*;

/// Whether the rule could be read, and all of those in its braces.
fn is_whole(rule: &Rule) -> bool {
    let inline = rule.anchor.as_ref().and_then(|call| call.inline.as_ref());
    rule.unreadable.is_none()
        && inline.is_none_or(|inline| inline.rules().all(|placed| is_whole(&placed.item)))
}

/// The rules that could be read, those in braces taken out.
fn rules(ruleset: &Ruleset) -> Vec<Rule> {
    let mut found = Vec::new();
    for placed in ruleset.rules().filter(|placed| is_whole(&placed.item)) {
        let mut rule = placed.item.clone();
        let inline = rule.anchor.as_mut().and_then(|call| call.inline.take());
        found.push(rule);
        if let Some(inline) = inline {
            found.extend(rules(&inline));
        }
    }
    found
}

fn reads_back(text: &str) -> Result<(), TestCaseError> {
    let first = parse_text("first", text).ruleset;
    let printed: String = first
        .rules()
        .filter(|placed| is_whole(&placed.item))
        .map(|placed| format!("{}\n", placed.item))
        .collect();
    let again = parse_listing("again", &printed);
    prop_assert_eq!(&again.problems, &vec![], "{}\n{}", text, printed);
    prop_assert_eq!(rules(&first), rules(&again.ruleset), "{}\n{}", text, printed);
    let twice: String = again.ruleset.rules().map(|placed| format!("{}\n", placed.item)).collect();
    prop_assert_eq!(twice, printed);
    Ok(())
}

/// Words that make rules, most of them good ones.
fn words() -> impl Strategy<Value = String> {
    let vocabulary: &[&str] = &[
        "all",
        "any",
        "from",
        "to",
        "port",
        "proto",
        "tcp",
        "udp",
        "icmp",
        "icmp6",
        "esp",
        "47",
        "inet",
        "inet6",
        "in",
        "out",
        "on",
        "en0",
        "lo0",
        "! lo0",
        "{ en0 en1 }",
        "quick",
        "log",
        "log (all, to pflog1)",
        "from any",
        "to any",
        "from 10.0.0.1",
        "to ! 10/8",
        "from { 10.0.0.1 ::1 }",
        "to (en0:network)",
        "from self",
        "to <t>",
        "from ! <t>",
        "to 10.0.0.1 - 10.0.0.9",
        "from www.example.com",
        "from fe80::1%en0",
        "from no-route",
        "to en0:broadcast/24",
        "port 22",
        "port { 1 2:3 > 4 }",
        "port 5 >< 9",
        "port != ssh",
        "port nosuch",
        "flags S/SA",
        "flags any",
        "flags /FPU",
        "keep state",
        "modulate state",
        "synproxy state",
        "no state",
        "keep state (max 50, if-bound)",
        "keep state (max-src-conn-rate 3/5, overload <t> flush global)",
        "(source-track rule, tcp.first 5)",
        "label x",
        "label \"$if $srcaddr $proto\"",
        "label 'a \" b'",
        "tag t",
        "tag \"two words\"",
        "tagged t",
        "! tagged t",
        "user root",
        "user { alice > 5 }",
        "group unknown",
        "user 1 >< 5",
        "icmp-type echoreq",
        "icmp-type 3 code 4",
        "icmp6-type { neighbrsol 200 code 1 }",
        "tos 0x10",
        "fragment",
        "allow-opts",
        "queue (a, b)",
        "queue q",
        "probability 33.3%",
        "probability 0.0001%",
        "rtable 3",
        "os \"Linux\"",
        "route-to (en1 10.0.0.9)",
        "reply-to { (en1 10.0.0.1) (en2 10.0.0.2) } round-robin",
        "dup-to en1",
        "fastroute",
        "-> 10.0.0.1",
        "-> (en0) port 5:9",
        "-> { 10.0.0.1, 10.0.0.2 } sticky-address",
        "-> <t> round-robin",
        "static-port",
        "source-hash key",
        "bitmask",
        "pass",
        "no-df",
        "min-ttl 5",
        "max-mss 1400",
        "fragment crop",
        "reassemble tcp",
        "random-id",
        "set-tos 8",
        "pipe 1",
        "for en0",
        "for (en0)",
        "{",
        "}",
        ",",
        "!",
        "\\\n",
        "# x",
        "\"quoted\"",
    ];
    prop_oneof![
        20 => proptest::sample::select(vocabulary).prop_map(str::to_owned),
        1 => "[ -~]{1,8}",
    ]
}

fn statement() -> impl Strategy<Value = String> {
    let starts: &[&str] = &[
        "pass",
        "pass in",
        "pass out",
        "block",
        "block return",
        "block return-icmp(1, 2)",
        "block return-rst(ttl 3)",
        "scrub",
        "scrub in",
        "no scrub",
        "nat on en0",
        "nat pass",
        "no nat",
        "rdr on lo0",
        "rdr pass log",
        "no rdr",
        "binat on en0 from 10.0.0.1",
        "no binat",
        "anchor \"x\"",
        "anchor \"a/*\"",
        "anchor",
        "nat-anchor \"n\"",
        "rdr-anchor r",
        "scrub-anchor s",
        "dummynet-anchor d",
        "dummynet in",
        "no dummynet",
        "antispoof",
        "set skip on",
        "table <t>",
        "anchor \"i\" {\n pass\n",
        "x =",
        "load anchor \"l\" from \"f\"",
    ];
    (proptest::sample::select(starts), proptest::collection::vec(words(), 0..7))
        .prop_map(|(start, words)| format!("{start} {}", words.join(" ")))
}

/// Statements that are likelier to be whole: the parts of a filter rule in their order.
fn filter_rule() -> impl Strategy<Value = String> {
    let part = |parts: &'static [&'static str]| proptest::sample::select(parts);
    (
        (
            part(&[
                "pass",
                "block",
                "block return",
                "block drop",
                "block return-icmp",
                "anchor \"x\"",
                "anchor y",
            ]),
            part(&["", "in", "out"]),
            part(&["", "quick"]),
            part(&["", "on en0", "on ! lo0", "on { en0, utun3 }"]),
            part(&["", "", "inet", "inet6"]),
            part(&["proto tcp", "proto udp", "proto { tcp udp }", "proto icmp", ""]),
        ),
        part(&[
            "all",
            "from any to any",
            "from 10.0.0.0/8 to ! 10.0.0.1",
            "from <t> to (en0)",
            "from { ::1 fe80::/64 } to self",
            "",
        ]),
        part(&["", "port 22", "port { 80, 8000:9000 }", "port > 1024", "port 1 <> 5"]),
        proptest::collection::vec(words(), 0..4),
    )
        .prop_map(|((action, direction, quick, interface, family, protocol), peers, port, words)| {
            let words = words.join(" ");
            let port = if peers.is_empty() || peers == "all" { "" } else { port };
            format!("{action} {direction} {quick} {interface} {family} {protocol} {peers} {port} {words}")
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn statements_read_back(lines in proptest::collection::vec(prop_oneof![statement(), filter_rule()], 1..6)) {
        reads_back(&format!("set require-order no\n{}\n", lines.join("\n")))?;
    }

    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut include = |_: &str| Err("no files".into());
        let parsed = parse_bytes("bytes", &bytes, &mut include);
        for problem in &parsed.problems {
            prop_assert!(!problem.to_string().is_empty());
            prop_assert!(problem.line >= 1 && problem.column >= 1);
        }
    }

    #[test]
    fn characters_of_the_language_never_panic(text in "[a-z0-9 \\n\\\\\"'#$={}()<>!,/:.*-]{0,300}") {
        reads_back(&text)?;
    }
}

#[test]
fn what_would_explode_is_refused() {
    let mut doubling = String::from("a0 = \"xxxxxxxxxxxxxxxx\"\n");
    for index in 1..40 {
        doubling.push_str(&format!("a{index} = $a{before} $a{before}\n", before = index - 1));
    }
    let parsed = parse_text("macros", &doubling);
    assert!(
        parsed.problems.iter().any(|problem| problem.message.contains("too long")),
        "{:?}",
        parsed.problems
    );

    let next = |i: usize| format!("m{} = $m{i} b\n", i + 1);
    let chain = format!("m0 = a\n{}", (0..3_000).map(next).collect::<String>());
    let parsed = parse_text("chain", &chain);
    assert!(parsed.problems[0].message.contains("too long together"), "{:?}", parsed.problems[0]);

    let deep = format!("{}{}", "anchor {\n".repeat(200), "}\n".repeat(200));
    let parsed = parse_text("anchors", &deep);
    assert!(
        parsed.problems.iter().any(|problem| problem.message.contains("too deeply")),
        "{:?}",
        parsed.problems
    );

    let lists = format!("pass from {} 10.0.0.1 {}", "{ ".repeat(10_500), "} ".repeat(10_500));
    let parsed = parse_text("lists", &lists);
    assert!(parsed.problems[0].message.contains("too deeply"), "{:?}", parsed.problems);

    let mut include = |_: &str| Ok("include \"again\"\ninclude \"again\"\n".to_owned());
    let parsed = portcullis::pf::parse::parse("start", "include \"again\"\n", &mut include);
    assert!(parsed.problems.len() <= 1_001 && !parsed.problems.is_empty());
}
