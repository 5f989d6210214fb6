//! Finds the rule that logged a packet: pflog gives its numbers, and the last name of its anchor, cut short.
//!
//! ```
//! use portcullis::pf::rulesets::Rulesets;
//! use portcullis::pf::logged::{LoggedRule, rule_of};
//! use portcullis::pf::packet::Packet;
//! use portcullis::pf::criteria::Direction;
//! let text = "pass all\nblock in log proto tcp to port 2345\n";
//! let (loaded, _) = Rulesets::from_conf("pf.conf", text, &mut |_| Err("no files here".into()));
//! let logged = LoggedRule { rule: 1, subrule: None, anchor: "", blocks: true };
//! let packet = Packet::syn(Direction::In, "en0", "10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap(), 2345);
//! assert_eq!(rule_of(&loaded, &logged, &packet).unwrap().place, "pf.conf:2");
//! ```
//!
//! The rules may have changed since the packet came, and two anchors may have one last name: so the rule that is found
//! must be the only one, must log, and must match the packet.

use std::collections::BTreeSet;

use super::matching::{Matches, matches};
use super::packet::Packet;
use super::rule::{Action, Rule};
use super::rule_text::{RuleText, rule_text};
use super::rulesets::{Rulesets, call_target};
use super::trail::RuleRef;

/// The rule as pflog names it (XNU: `pflog_packet`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedRule<'a> {
    /// Its number in the main ruleset; where it stands in an anchor, that of the anchor call.
    pub rule: u32,
    /// Its number in its anchor.
    pub subrule: Option<u32>,
    /// The last name of its anchor, as far as it fits: at most 15 bytes, what is not ASCII escaped.
    pub anchor: &'a str,
    /// It blocked the packet, else it passed it.
    pub blocks: bool,
}

/// Why it is unknown which rule logged a packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownRule {
    #[error("no rule of the ruleset: pf's own default")]
    Default,
    #[error("the main ruleset has no such number: the rules were others when it was logged")]
    NoSuchNumber,
    #[error("no anchor there has such a rule: the rules were others when it was logged")]
    NoSuchAnchor,
    #[error("the rule of this number cannot have logged it: the rules were others when it was logged")]
    CannotHaveLogged,
    /// Holds their places.
    #[error("it may be any of {}: their anchors have the same last name", .0.join(", "))]
    Several(Vec<String>),
}

/// The bytes that pflog has room for in the anchor's name.
const NAME_BYTES: usize = 15;
/// The number of pf's implicit rule, which passes what no rule matches.
const DEFAULT_RULE: u32 = u32::MAX;

/// The rule that logged `packet`.
pub fn rule_of(loaded: &Rulesets, logged: &LoggedRule<'_>, packet: &Packet) -> Result<RuleText, UnknownRule> {
    if logged.rule == DEFAULT_RULE {
        return Err(UnknownRule::Default);
    }
    let main = numbered(loaded, "", logged.rule).ok_or(UnknownRule::NoSuchNumber)?;
    let candidates: Vec<RuleRef<'_>> = match logged.subrule {
        None => vec![main],
        Some(number) => below(loaded, &main)
            .into_iter()
            .filter(|path| fits(path, logged.anchor))
            .filter_map(|path| numbered(loaded, path, number))
            .collect(),
    };
    let plausible: Vec<&RuleRef<'_>> =
        candidates.iter().filter(|rule| may_have_logged(loaded, rule, logged.blocks, packet)).collect();
    match plausible.as_slice() {
        [rule] => Ok(rule_text(rule)),
        [] if candidates.is_empty() => Err(UnknownRule::NoSuchAnchor),
        [] => Err(UnknownRule::CannotHaveLogged),
        many => Err(UnknownRule::Several(many.iter().map(|rule| rule_text(rule).place).collect())),
    }
}

fn numbered<'a>(loaded: &'a Rulesets, anchor: &'a str, number: u32) -> Option<RuleRef<'a>> {
    let number = usize::try_from(number).ok()?;
    let rule = loaded.anchor(anchor)?.filter.get(number)?;
    Some(RuleRef { anchor, number, rule })
}

/// Every anchor that the call leads to, through others included.
fn below<'a>(loaded: &'a Rulesets, call: &RuleRef<'_>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let path = |rule: &Rule| rule.anchor.as_ref().and_then(|call| call.path.clone());
    let mut waiting: Vec<_> =
        path(&call.rule.item).map(|path| call_target(call.anchor, &path)).into_iter().collect();
    while let Some(next) = waiting.pop() {
        for anchor in loaded.targets(&next) {
            if found.insert(anchor) {
                let rules = loaded.anchor(anchor).into_iter().flat_map(|ruleset| &ruleset.filter);
                waiting.extend(
                    rules.filter_map(|placed| path(&placed.item)).map(|path| call_target(anchor, &path)),
                );
            }
        }
    }
    found
}

fn fits(path: &str, logged: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or(path).as_bytes();
    last.get(..NAME_BYTES).unwrap_or(last).escape_ascii().to_string() == logged
}

fn may_have_logged(loaded: &Rulesets, candidate: &RuleRef<'_>, blocks: bool, packet: &Packet) -> bool {
    let (anchor, rule) = (candidate.anchor, &candidate.rule.item);
    if rule.anchor.is_some() {
        return false;
    }
    let Some(log) = rule.log else { return rule.unreadable.is_some() };
    if matches!(rule.action, Action::Block(_)) != blocks {
        return false;
    }
    let matches = |packet: &Packet| matches(loaded, anchor, rule, packet) != Matches::No;
    if !log.all {
        return matches(packet);
    }
    // Packets of the state that the rule opened are logged too, in both directions and with any flags.
    let flags = rule.flags.map_or(packet.flags, |flags| flags.set);
    matches(&Packet { flags, ..packet.clone() }) || matches(&packet.reply(flags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pf::criteria::Direction;
    use crate::pf::load::Listing;
    use std::collections::BTreeMap;

    fn conf(text: &str, files: &[(&str, &str)]) -> Rulesets {
        let mut read = |path: &str| {
            let found = files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "no such file".into())
        };
        let (loaded, problems) = Rulesets::from_conf("pf.conf", text, &mut read);
        assert!(problems.is_empty(), "{problems:?}");
        loaded
    }

    fn packet(port: u16) -> Packet {
        let address = |text: &str| text.parse().unwrap();
        Packet::syn(Direction::In, "en0", address("192.168.1.20"), address("192.168.1.7"), port)
    }

    fn asked(loaded: &Rulesets, rule: u32, subrule: Option<u32>, anchor: &str) -> String {
        match rule_of(loaded, &LoggedRule { rule, subrule, anchor, blocks: true }, &packet(2345)) {
            Ok(rule) => format!("{} {}", rule.place, rule.text),
            Err(why) => why.to_string(),
        }
    }

    const BLOCK: &str = "block drop in log proto tcp from any to any port = 2345";

    #[test]
    fn a_rule_of_main_has_its_line() {
        let loaded = conf("scrub in all\npass all\n\nblock in log proto tcp to port 2345\nblock log\n", &[]);
        assert_eq!(asked(&loaded, 1, None, ""), format!("pf.conf:4 {BLOCK}"));
        assert_eq!(asked(&loaded, 2, None, ""), "pf.conf:5 block drop log all");
        assert!(asked(&loaded, u32::MAX, None, "").contains("default"));
    }

    #[test]
    fn what_cannot_have_logged_it_is_not_named() {
        let loaded = conf(
            "pass in log proto tcp to port 2345\nblock in proto tcp to port 2345\nblock in log proto tcp to port 80\n\
             block out log\nblock in log on en1\nanchor \"x\"\n",
            &[],
        );
        for number in 0..=5 {
            assert!(asked(&loaded, number, None, "").contains("were others"), "{number}");
        }
        assert!(asked(&loaded, 6, None, "").contains("no such number"));
        assert!(asked(&loaded, 5, Some(0), "x").contains("no anchor there"));
        assert!(asked(&loaded, 0, Some(0), "x").contains("no anchor there"), "not a call any more");
    }

    #[test]
    fn a_rule_of_an_anchor_is_found_below_its_call_only() {
        let text = "anchor \"a/*\"\nanchor \"b\"\nload anchor \"a/x\" from \"x\"\nload anchor \"a/y\" from \"y\"\n\
                    load anchor \"b\" from \"b\"\nload anchor \"never/x\" from \"x\"\n";
        let loaded = conf(
            text,
            &[
                ("x", "pass\nblock in log proto tcp to port 2345\n"),
                ("y", "pass\nblock in log all\n"),
                ("b", "anchor \"x\"\nload anchor \"x\" from \"x\"\n"),
            ],
        );
        assert_eq!(asked(&loaded, 0, Some(1), "x"), format!("x:2 {BLOCK}"));
        assert_eq!(asked(&loaded, 0, Some(1), "y"), "y:2 block drop in log all");
        assert_eq!(asked(&loaded, 1, Some(1), "x"), format!("x:2 {BLOCK}"), "b/x, by way of b");
        assert!(asked(&loaded, 0, Some(0), "x").contains("cannot have logged"), "it does not log");
        assert!(asked(&loaded, 0, Some(1), "z").contains("no anchor there"));
    }

    #[test]
    fn two_anchors_of_one_last_name_are_both_named_or_told_apart() {
        let text = "anchor \"a/*\"\nload anchor \"a/b/x\" from \"x\"\nload anchor \"a/c/x\" from \"x\"\n\
                    load anchor \"a/b\" from \"call\"\nload anchor \"a/c\" from \"call\"\n";
        let both = conf(text, &[("call", "anchor \"x\"\n"), ("x", "block in log all\n")]);
        let tables = BTreeMap::new();
        let listing = |rules| Listing { rules, nat: "", tables: &tables };
        let listed = [
            ("", listing("anchor \"a/*\" all\n")),
            ("a/b", listing("anchor \"x\" all\n")),
            ("a/b/x", listing("block drop in log all\n")),
            ("a/c", listing("anchor \"x\" all\n")),
            ("a/c/x", listing("block drop in log all\n")),
        ];
        let (listed, _) = Rulesets::from_listings(listed, []);
        assert!(asked(&both, 0, Some(0), "x").contains("x:1, x:1"), "{}", asked(&both, 0, Some(0), "x"));
        assert!(asked(&listed, 0, Some(0), "x").contains("anchor a/b/x rule 0, anchor a/c/x rule 0"));
        let told_apart = conf(text, &[("call", "anchor \"x\"\n"), ("x", "block in log all\n")])
            .with_anchor("a/c/x", "y", "block in log proto udp\n")
            .0;
        assert_eq!(asked(&told_apart, 0, Some(0), "x"), "x:1 block drop in log all");
    }

    #[test]
    fn a_long_name_is_compared_as_far_as_it_was_logged() {
        let tables = BTreeMap::new();
        let listing = |rules| Listing { rules, nat: "", tables: &tables };
        let ours = "block return in log quick on ! lo0 proto tcp from any to any port = 2345\n";
        let (loaded, _) = Rulesets::from_listings(
            [("", listing("anchor \"com.apple/*\" all\n")), ("com.apple/100.dev.portcullis", listing(ours))],
            [],
        );
        assert_eq!(
            asked(&loaded, 0, Some(0), "100.dev.portcul"),
            format!("anchor com.apple/100.dev.portcullis rule 0 {}", ours.trim())
        );
        assert!(asked(&loaded, 0, Some(0), "100.dev.portcullis").contains("no anchor there"));
    }

    #[test]
    fn with_log_all_what_follows_in_the_state_is_logged_too() {
        let loaded =
            conf("pass in log (all) proto tcp to port 2345\npass in log proto tcp to port 2345\n", &[]);
        let reply = packet(2345).reply(0x10);
        let of =
            |rule| rule_of(&loaded, &LoggedRule { rule, subrule: None, anchor: "", blocks: false }, &reply);
        assert_eq!(of(0).unwrap().place, "pf.conf:1");
        assert!(of(1).is_err());
    }
}
