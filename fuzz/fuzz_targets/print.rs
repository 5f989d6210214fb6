//! What is printed reads back as it was, and printing it again gives the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::pf::parse::{parse_listing, parse_text};
use portcullis::pf::rule::Rule;
use portcullis::pf::rule::Ruleset;

/// Whether the rule could be read, and all of those in its braces.
fn is_whole(rule: &Rule) -> bool {
    let inline = rule.anchor.as_ref().and_then(|call| call.inline.as_ref());
    rule.unreadable.is_none() && inline.is_none_or(|inline| inline.rules().all(|placed| is_whole(&placed.item)))
}

/// The rules that could be read, those in braces taken out.
fn rules(ruleset: &Ruleset) -> Vec<Rule> {
    let mut found = Vec::new();
    for placed in ruleset.rules().filter(|placed| is_whole(&placed.item)) {
        let mut rule = placed.item.clone();
        let inline = rule.anchor.as_mut().and_then(|call| call.inline.take());
        found.push(rule);
        found.extend(inline.iter().flat_map(|inline| rules(inline)));
    }
    found
}

fn printed(ruleset: &Ruleset) -> String {
    ruleset.rules().filter(|placed| is_whole(&placed.item)).map(|placed| format!("{}\n", placed.item)).collect()
}

fuzz_target!(|text: &str| {
    let first = parse_text("first", text).ruleset;
    if first.count() > 1_000 {
        return;
    }
    let once = printed(&first);
    let again = parse_listing("again", &once);
    assert!(again.problems.is_empty(), "{once}\n{:?}", again.problems);
    assert_eq!(rules(&first), rules(&again.ruleset), "{once}");
    assert_eq!(printed(&again.ruleset), once);
});
