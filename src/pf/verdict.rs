//! What pf does with a packet, which rule decides, and which other rules had a role.
//!
//! ```
//! use portcullis::pf::rulesets::Rulesets;
//! use portcullis::pf::packet::Packet;
//! use portcullis::pf::criteria::Direction;
//! use portcullis::pf::verdict::{Decision, verdict};
//! let text = "block in all\npass in proto tcp to port 2345\n";
//! let (loaded, _) = Rulesets::from_conf("pf.conf", text, &mut |_| Err("no files here".into()));
//! let host = "192.168.1.20".parse().unwrap();
//! let mac = "192.168.1.10".parse().unwrap();
//! let verdict = verdict(&loaded, &Packet::syn(Direction::In, "en0", host, mac, 2345));
//! assert_eq!(verdict.outcome, Decision::Pass);
//! assert_eq!(verdict.rule.unwrap().to_string(), "rule 1, pf.conf:2 `pass in proto tcp from any to any port = 2345 flags S/SA keep state`");
//! ```
//!
//! The order is the kernel's (`pf_test_rule`): states, skipped interfaces, translation (first match), then the filter
//! rules, of which the last that matches decides unless an earlier one is `quick`. Where a match is not certain both
//! branches are followed: the verdict is unknown unless they agree.

pub use super::decision::{Because, Decision};

use super::effects::Block;
use super::matching::is_skipped;
use super::packet::Packet;
use super::rulesets::Rulesets;
use super::search::{SearchEnd, SearchResult, search};
use super::trail::{RuleRef, TrailStep};
use super::unknown::UnknownFact;

/// What pf does with a packet, and why.
#[derive(Clone, Debug)]
pub struct Verdict<'a> {
    pub outcome: Decision,
    pub because: Because,
    /// The rule that decides, if one does.
    pub rule: Option<RuleRef<'a>>,
    /// How the packet is blocked, where that is certain.
    pub block: Option<Block>,
    /// Whether a state is opened, so that the rest of the connection passes; `None` where that is uncertain.
    pub stateful: Option<bool>,
    /// The rules that matched, or may have, in pf's order.
    pub trail: Vec<TrailStep<'a>>,
    /// The packet as the filter rules may see it, after translation.
    pub translated: Vec<Packet>,
    /// The tags that the packet may have afterwards.
    pub tags: Vec<Option<&'a str>>,
    /// Quick anchor calls in which a rule matched, and which did not end the search.
    pub lost_quick: Vec<RuleRef<'a>>,
}

/// What pf does with `packet`.
pub fn verdict<'a>(loaded: &'a Rulesets, packet: &Packet) -> Verdict<'a> {
    verdict_tagged(loaded, packet, vec![None])
}

/// What pf does with a packet that may have one of these tags already.
pub(super) fn verdict_tagged<'a>(
    loaded: &'a Rulesets,
    packet: &Packet,
    tags: Vec<Option<&'a str>>,
) -> Verdict<'a> {
    let mut verdict = Verdict {
        outcome: Decision::Pass,
        because: Because::State,
        rule: None,
        block: None,
        stateful: Some(true),
        trail: Vec::new(),
        translated: vec![packet.clone()],
        tags,
        lost_quick: Vec::new(),
    };
    if packet.established {
        return verdict;
    }
    // A packet that pf does not filter needs no state in either direction.
    if loaded.skipped().iter().any(|filter| is_skipped(loaded, filter, &packet.interface)) {
        return Verdict { because: Because::Skipped, ..verdict };
    }
    let SearchResult { ends, trail, translated, tags, lost_quick, gave_up } =
        search(loaded, packet, std::mem::take(&mut verdict.tags));
    let verdict = Verdict { trail, translated, tags, lost_quick, ..verdict };
    if gave_up {
        return Verdict { outcome: Decision::Unknown, because: Because::Endless, stateful: None, ..verdict };
    }
    conclude(verdict, &ends)
}

/// The verdict that all ends agree on; unknown where they do not.
fn conclude<'a>(verdict: Verdict<'a>, ends: &[SearchEnd<'a>]) -> Verdict<'a> {
    let certain = ends.iter().rfind(|end| end.doubt.is_none()).or(ends.last());
    let Some(certain) = certain else {
        return Verdict { outcome: Decision::Unknown, because: Because::Endless, ..verdict };
    };
    let agreed = |end: &SearchEnd<'_>| end.outcome == certain.outcome;
    let different =
        ends.iter().find(|end| !agreed(end)).or(Some(certain).filter(|end| end.outcome == Decision::Unknown));
    if let Some(different) = different {
        let why = different.doubt.clone().or_else(|| ends.iter().find_map(|end| end.doubt.clone()));
        return Verdict {
            outcome: Decision::Unknown,
            because: Because::Unknown(why.unwrap_or(UnknownFact::Unreadable)),
            rule: different.rule,
            stateful: None,
            ..verdict
        };
    }
    let stateful = ends.iter().all(|end| end.state == certain.state).then_some(certain.state);
    Verdict {
        outcome: certain.outcome,
        because: certain.because.clone(),
        rule: certain.rule,
        block: certain.block().filter(|_| ends.iter().all(|end| end.block() == certain.block())),
        stateful,
        ..verdict
    }
}
