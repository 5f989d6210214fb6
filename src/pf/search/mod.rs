//! The kernel's walk through the rules (XNU, net/pf.c: `pf_test_rule`): translations, then filter rules.
//!
//! Where it is unknown whether a rule matches, the walk goes on in two branches, one for each answer. All branches stand
//! at the same rule; those that cannot differ any more merge, so that there are few.

mod filter;
mod state;
mod translation;

use super::packet::Packet;
use super::rulesets::Rulesets;

pub(super) use state::{RulesOfKind, SearchEnd, SearchResult};

use state::{Search, TaggedBranch};

/// Searches all rules for `packet`, which may have one of these tags; the first is the likely one.
pub(super) fn search<'a>(
    loaded: &'a Rulesets,
    packet: &Packet,
    tags: Vec<Option<&'a str>>,
) -> SearchResult<'a> {
    let mut search = Search::new(loaded);
    let branches = search.translate(packet, TaggedBranch::of(tags));
    let translated = branches.iter().map(|branch| branch.packet.clone()).collect();
    for branch in branches {
        search.filter(branch);
    }
    search.result(translated)
}

#[cfg(test)]
mod tests {
    use super::state::{BUDGET, STEP};
    use super::*;
    use crate::pf::criteria::Direction;
    use crate::pf::decision::{Because, Decision};
    use crate::pf::verdict::verdict;

    /// What becomes of a SYN to port 2345 by these anchors; the first is the main ruleset.
    fn outcome(texts: &[String]) -> (Decision, Because, usize) {
        let loads: Vec<String> =
            (1..texts.len()).map(|index| format!("load anchor \"a{index}\" from \"{index}\"\n")).collect();
        let main = format!("{}{}", texts[0], loads.concat());
        let (loaded, problems) = Rulesets::from_conf("pf.conf", &main, &mut |name| {
            name.parse::<usize>()
                .ok()
                .and_then(|index| texts.get(index).cloned())
                .ok_or_else(|| "no such anchor".into())
        });
        assert!(problems.is_empty(), "{problems:?}");
        let (host, mac) = ("192.168.1.20".parse().unwrap(), "192.168.1.10".parse().unwrap());
        let found = verdict(&loaded, &Packet::syn(Direction::In, "en0", host, mac, 2345));
        (found.outcome, found.because, found.trail.len())
    }

    #[test]
    fn anchors_that_call_each_other_are_endless() {
        for call in ["anchor \"/a1\"\n", "anchor \"/a1\" user root\n", "rdr-anchor \"/a1\"\n"] {
            let (found, because, _) =
                outcome(&[call.replace('/', ""), format!("{call}{call}")].map(|text| text + "pass all\n"));
            assert_eq!((found, because), (Decision::Unknown, Because::Endless), "{call}");
        }
        // Behind a rule that ends the search nothing is called.
        let (found, _, _) = outcome(&["block quick all\nanchor a1\n".into(), "anchor \"/a1\"\n".into()]);
        assert_eq!(found, Decision::Block);
    }

    #[test]
    fn anchors_that_double_at_each_level_come_to_an_end() {
        for criterion in ["", " user root"] {
            let call =
                |index: usize| format!("anchor \"/a{index}\"{criterion}\nblock all{criterion}\n").repeat(2);
            let mut texts: Vec<String> = (1..60).map(call).collect();
            texts.push("block all\n".into());
            texts[0] = texts[0].replace('/', "");
            let (found, because, trail) = outcome(&texts);
            assert_eq!((found, because), (Decision::Unknown, Because::Endless));
            assert!(trail <= BUDGET / STEP + 1, "{trail}");
        }
    }
}
