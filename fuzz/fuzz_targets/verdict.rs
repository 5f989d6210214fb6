//! Any rules, in the main ruleset and in anchors that call each other: a verdict is always reached, and what is unknown
//! stays unknown however the question is put.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::explain::{ClientHost, Query, answers, ask};
use portcullis::pf::criteria::Family;
use portcullis::pf::verdict::Decision;
use portcullis::port::PortRange;

fuzz_target!(|text: &str| {
    // Pieces between lines of `---` are anchors.
    let mut pieces = text.split("---\n");
    let mut main = pieces.next().unwrap_or_default().to_owned();
    let anchors: Vec<&str> = pieces.take(4).collect();
    for index in 0..anchors.len() {
        main.push_str(&format!("\nload anchor \"a/{index}\" from \"{index}\"\n"));
    }
    let (loaded, problems) = Rulesets::from_conf("main", &main, &mut |name| {
        let anchor = name.parse::<usize>().ok().and_then(|index| anchors.get(index));
        anchor.map(|text| (*text).to_owned()).ok_or_else(|| "no such file".into())
    });
    // Lists multiply; what is looked for here needs no thousands of rules.
    let rules: usize = loaded.anchor_paths().filter_map(|path| loaded.anchor(path)).map(|ruleset| ruleset.count()).sum();
    if rules > 2_000 {
        return;
    }
    let loaded = loaded.with_assumed_interfaces(None);
    for from in [ClientHost::Loopback, ClientHost::Network, ClientHost::Anyone] {
        for family in [Family::Inet, Family::Inet6] {
            let answer = ask(&loaded, &Query { port: 2345, from, family, interface: None });
            assert!(!answer.sentence.is_empty() && !answer.to_string().is_empty());
            if answer.verdict == Decision::Block && problems.is_empty() {
                assert!(answer.rule.is_some(), "{answer}");
            }
        }
    }
    let port = PortRange::single(2345).unwrap();
    let found = answers(&loaded, port, &[]);
    // A quick rule in front of everything decides alone, where the file is one that pfctl loads.
    let (blocked, refused) = Rulesets::from_conf("blocked", &format!("set require-order no\nblock quick all\n{main}"), &mut |_| {
        Err("not read".into())
    });
    let translated = ["rdr", "nat", "skip", "include"].iter().any(|word| main.contains(word));
    if refused.is_empty() && !translated && !main.contains('$') && !main.contains('\\') {
        let blocked = answers(&blocked.with_assumed_interfaces(None), port, &[]);
        assert_eq!(blocked.network.verdict, Decision::Block, "{}", blocked.network.because);
    }
    let _ = found;
});
