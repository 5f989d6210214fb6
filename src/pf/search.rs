//! The kernel's walk through the rules: translations, then filter rules, each doubtful match followed both ways.

use super::criteria::Direction;
use super::decision::{Because, Decision};
use super::effects::StateKeeping;
use super::matching::{Matches, matches};
use super::packet::Packet;
use super::rule::{Action, Placed, Rule, Ruleset};
use super::rulesets::{Rulesets, call_target};
use super::trail::{Role, RuleRef, TrailStep};
use super::translate::{translated, translation_matches};
use super::unknown::UnknownFact;

/// One way in which the search may end.
#[derive(Clone, Debug)]
pub(super) struct SearchEnd<'a> {
    pub(super) rule: Option<RuleRef<'a>>,
    pub(super) outcome: Decision,
    pub(super) because: Because,
    pub(super) state: bool,
    /// UnknownFact it is not certain; the last certain one has none.
    pub(super) doubt: Option<UnknownFact>,
}

/// What a search found.
pub(super) struct SearchResult<'a> {
    /// All the ways in which the search may end.
    pub(super) ends: Vec<SearchEnd<'a>>,
    pub(super) trail: Vec<TrailStep<'a>>,
    /// The packet as the filter rules may see it, after translation.
    pub(super) translated: Vec<Packet>,
    /// The tags that the packet may have afterwards.
    pub(super) tags: Vec<Option<&'a str>>,
    /// The rules are too many, or anchors call each other without end.
    pub(super) gave_up: bool,
}

/// Searches all rules for `packet`, which may have one of these tags.
pub(super) fn search<'a>(
    loaded: &'a Rulesets,
    packet: &Packet,
    tags: Vec<Option<&'a str>>,
) -> SearchResult<'a> {
    let mut search = Search::new(loaded, tags);
    search.translate(packet);
    let translated = search.branches.iter().map(|branch| branch.packet.clone()).collect();
    let tags = search.tags.clone();
    let mut tags_after: Vec<Option<&str>> = Vec::new();
    for branch in std::mem::take(&mut search.branches) {
        search.tags.clone_from(&tags);
        search.filter(branch);
        tags_after.append(&mut search.tags);
    }
    // A translation with `pass` leaves no branch to filter.
    let tags = if tags_after.is_empty() { tags } else { tags_after };
    let gave_up = search.budget == 0;
    SearchResult { ends: search.finals, trail: search.trail, translated, tags, gave_up }
}

/// A packet as the filter rules may see it.
struct Branch<'a> {
    packet: Packet,
    /// The translation that made it so, which opens a state whatever the filter rule says.
    translation: Option<RuleRef<'a>>,
    doubt: Option<UnknownFact>,
}

struct Search<'a> {
    loaded: &'a Rulesets,
    branches: Vec<Branch<'a>>,
    /// All the ways in which the search may end.
    finals: Vec<SearchEnd<'a>>,
    /// Where the search of this branch may have ended already.
    ended: Vec<SearchEnd<'a>>,
    /// What the last match may be; the first is certain unless one of `ended` came before it.
    candidates: Vec<SearchEnd<'a>>,
    /// How many matches were certain.
    certain: usize,
    trail: Vec<TrailStep<'a>>,
    tags: Vec<Option<&'a str>>,
    /// The anchors that are being looked at, from the outermost.
    inside: Vec<&'a str>,
    /// Whether the translations of the kind that was searched last were ended by a `no`.
    exempt: bool,
    budget: usize,
}

/// How many rules are looked at for one verdict; one that has a part in it counts for [`STEP`].
const BUDGET: usize = 5_000_000;
/// A step of the trail is kept, so it costs more than a look.
const STEP: usize = 20;
/// How deep anchors nest, as in the kernel.
const MAXIMUM_ANCHORS: usize = 64;
/// How many translations may be in doubt at a time.
const MAXIMUM_BRANCHES: usize = 16;

/// The rules of one kind in a ruleset.
type List = fn(&Ruleset) -> &Vec<Placed<Rule>>;

/// How a ruleset was left.
#[derive(Clone, Copy, PartialEq)]
enum Left {
    /// The search goes on.
    On,
    /// The search is over.
    Over,
}

impl<'a> Search<'a> {
    fn new(loaded: &'a Rulesets, tags: Vec<Option<&'a str>>) -> Self {
        Search {
            loaded,
            branches: Vec::new(),
            finals: Vec::new(),
            ended: Vec::new(),
            candidates: Vec::new(),
            certain: 0,
            trail: Vec::new(),
            tags,
            inside: vec![""],
            exempt: false,
            budget: BUDGET,
        }
    }

    // Translation: the first match.

    /// Fills `branches` with what the packet may look like to the filter rules; a translation with `pass` ends at once.
    fn translate(&mut self, packet: &Packet) {
        let lists: [List; 2] = match packet.direction {
            Direction::In => [|ruleset| &ruleset.rdr, |ruleset| &ruleset.binat],
            Direction::Out => [|ruleset| &ruleset.binat, |ruleset| &ruleset.nat],
        };
        if let Some((path, ruleset)) = self.main() {
            for list in lists {
                let left = self.translation(path, ruleset, list, packet, 0, None);
                if left == Left::Over && !std::mem::take(&mut self.exempt) {
                    return;
                }
            }
        }
        self.branches.push(Branch { packet: packet.clone(), translation: None, doubt: None });
    }

    /// Looks for a translation in one ruleset. `doubt`: why it may not be looked at at all; over means that, if it is,
    /// nothing behind what was found can match.
    fn translation(
        &mut self,
        path: &'a str,
        ruleset: &'a Ruleset,
        list: List,
        packet: &Packet,
        depth: usize,
        doubt: Option<&UnknownFact>,
    ) -> Left {
        for (number, placed) in list(ruleset).iter().enumerate() {
            if !self.pay() {
                return Left::Over;
            }
            let rule = RuleRef { anchor: path, number, rule: placed };
            let matched = translation_matches(self.loaded, path, &placed.item, packet, &self.tags);
            let why = match &matched {
                Matches::No => continue,
                Matches::Yes => doubt.cloned(),
                Matches::Maybe(why) => Some(why.clone()),
            };
            self.tag(placed.item.tag.as_deref(), &why.clone().map_or(Matches::Yes, Matches::Maybe));
            let left = match &placed.item.anchor {
                Some(_) if placed.item.unreadable.is_none() => {
                    self.translation_call(rule, list, packet, depth, why.as_ref())
                }
                _ => self.translates(rule, packet, why),
            };
            if (left == Left::Over && matched == Matches::Yes) || self.budget == 0 {
                return Left::Over;
            }
        }
        Left::On
    }

    fn translation_call(
        &mut self,
        rule: RuleRef<'a>,
        list: List,
        packet: &Packet,
        depth: usize,
        doubt: Option<&UnknownFact>,
    ) -> Left {
        let path = rule.rule.item.anchor.as_ref().and_then(|call| call.path.as_deref());
        let Some(path) = path.filter(|_| depth < MAXIMUM_ANCHORS) else { return Left::On };
        let loaded = self.loaded;
        for child in loaded.targets(&call_target(rule.anchor, path)) {
            let Some(ruleset) = loaded.anchor(child) else { continue };
            if !self.enter(child) {
                return Left::Over;
            }
            let left = self.translation(child, ruleset, list, packet, depth + 1, doubt);
            self.inside.pop();
            if left == Left::Over {
                return Left::Over;
            }
        }
        Left::On
    }

    /// Goes into an anchor; an anchor that is being looked at already would lead here again without end.
    fn enter(&mut self, anchor: &'a str) -> bool {
        self.budget = self.budget.saturating_sub(STEP);
        if self.inside.contains(&anchor) {
            self.budget = 0;
            return false;
        }
        self.inside.push(anchor);
        true
    }

    /// Takes a translation that matches, or may: the first certain one ends the search.
    fn translates(&mut self, rule: RuleRef<'a>, packet: &Packet, why: Option<UnknownFact>) -> Left {
        let item = &rule.rule.item;
        self.record(rule, why.clone().map_or(Role::Translates, Role::MayTranslate));
        if item.unreadable.is_some() {
            self.unreadable_translation(rule, packet, why.unwrap_or(UnknownFact::Unreadable));
            return Left::On;
        }
        if item.redirect.is_none() && why.is_none() {
            // `no rdr` ends the search among its kind alone.
            self.exempt = true;
            return Left::Over;
        }
        let at_once = item.action.lets_through();
        if at_once {
            let because = Because::TranslationPass;
            self.finals.push(SearchEnd {
                rule: Some(rule),
                outcome: Decision::Pass,
                because,
                state: true,
                doubt: why,
            });
        } else if self.branches.len() < MAXIMUM_BRANCHES {
            let translation = item.redirect.is_some().then_some(rule);
            self.branches.push(Branch {
                packet: translated(self.loaded, item, packet),
                translation,
                doubt: why,
            });
        } else {
            self.budget = 0;
        }
        Left::Over
    }

    /// A translation that could not be read may let the packet through, or send it anywhere.
    fn unreadable_translation(&mut self, rule: RuleRef<'a>, packet: &Packet, why: UnknownFact) {
        let doubt = Some(why);
        let because = Because::TranslationPass;
        self.finals.push(SearchEnd {
            rule: Some(rule),
            outcome: Decision::Pass,
            because,
            state: true,
            doubt: doubt.clone(),
        });
        let mut packet = packet.clone();
        match packet.direction {
            Direction::In => (packet.destination, packet.destination_port) = (None, None),
            Direction::Out => (packet.source, packet.source_port) = (None, None),
        }
        self.branches.push(Branch { packet, translation: Some(rule), doubt });
    }

    // Filter: the last match.

    fn filter(&mut self, branch: Branch<'a>) {
        self.candidates = vec![SearchEnd {
            rule: None,
            outcome: Decision::Pass,
            because: Because::NoRule,
            state: false,
            doubt: None,
        }];
        self.ended.clear();
        if let Some((path, ruleset)) = self.main() {
            self.ruleset(path, ruleset, &branch.packet, 0);
        }
        let ends = std::mem::take(&mut self.ended).into_iter().chain(std::mem::take(&mut self.candidates));
        self.finals.extend(ends.map(|mut end| {
            if end.outcome == Decision::Pass && branch.translation.is_some() {
                end.state = true;
            }
            end.doubt = end.doubt.or_else(|| branch.doubt.clone());
            end
        }));
    }

    fn main(&self) -> Option<(&'a str, &'a Ruleset)> {
        self.loaded.anchor("").map(|ruleset| ("", ruleset))
    }

    /// Looks at the rules of one ruleset.
    fn ruleset(&mut self, path: &'a str, ruleset: &'a Ruleset, packet: &Packet, depth: usize) -> Left {
        for (number, placed) in ruleset.filter.iter().enumerate() {
            if !self.pay() {
                return Left::Over;
            }
            let item = &placed.item;
            let matched = matches(self.loaded, path, item, packet, &self.tags);
            if matched == Matches::No {
                continue;
            }
            let rule = RuleRef { anchor: path, number, rule: placed };
            let left = match (&item.anchor, matched) {
                (Some(_), Matches::Maybe(why)) => self.uncertain_call(rule, packet, depth, &why),
                (Some(_), _) => self.call(rule, packet, depth),
                (None, matched) => self.matched(rule, matched),
            };
            if left == Left::Over {
                return Left::Over;
            }
        }
        Left::On
    }

    /// Takes a rule that matches, or may, as what decides.
    fn matched(&mut self, rule: RuleRef<'a>, matched: Matches) -> Left {
        let item = &rule.rule.item;
        self.tag(item.tag.as_deref(), &matched);
        let (outcome, state) = match item.action {
            Action::Pass => (Decision::Pass, item.state != StateKeeping::No),
            Action::Block(_) => (Decision::Block, false),
            _ => (Decision::Unknown, false),
        };
        let doubt = match &matched {
            Matches::Maybe(why) => Some(why.clone()),
            _ => None,
        };
        self.record(rule, doubt.clone().map_or(Role::Matches, Role::MayMatch));
        let certain = doubt.is_none();
        let end = SearchEnd { rule: Some(rule), outcome, because: Because::Rule, state, doubt };
        match (certain, item.quick) {
            (true, quick) => {
                self.certain += 1;
                self.candidates = vec![end];
                if quick { Left::Over } else { Left::On }
            }
            (false, true) => {
                self.ended.push(end);
                Left::On
            }
            (false, false) => {
                self.candidates.push(end);
                Left::On
            }
        }
    }

    /// Steps into an anchor. The kernel's stack holds so many; a call beyond is passed over.
    fn call(&mut self, rule: RuleRef<'a>, packet: &Packet, depth: usize) -> Left {
        let item = &rule.rule.item;
        let path = item.anchor.as_ref().and_then(|call| call.path.as_deref());
        let Some(path) = path.filter(|_| depth < MAXIMUM_ANCHORS) else { return Left::On };
        self.tag(item.tag.as_deref(), &Matches::Yes);
        let step = self.trail.len();
        self.record(rule, Role::Calls);
        let (before, certain) = (self.candidates.len(), self.certain);
        let loaded = self.loaded;
        for child in loaded.targets(&call_target(rule.anchor, path)) {
            let Some(ruleset) = loaded.anchor(child) else { continue };
            if !self.enter(child) {
                return Left::Over;
            }
            let left = self.ruleset(child, ruleset, packet, depth + 1);
            self.inside.pop();
            if left == Left::Over {
                return Left::Over;
            }
        }
        if self.trail.len() == step + 1 {
            // Nothing inside matched: the call has no part in the verdict.
            self.trail.pop();
        }
        // A quick call ends the search when something inside matched.
        match (item.quick, self.certain != certain) {
            (false, _) => Left::On,
            (true, true) => Left::Over,
            (true, false) => {
                let inside = self.candidates.split_off(before);
                self.ended.extend(inside);
                Left::On
            }
        }
    }

    /// Steps into an anchor that may not be called at all: what was before stays possible.
    fn uncertain_call(
        &mut self,
        rule: RuleRef<'a>,
        packet: &Packet,
        depth: usize,
        why: &UnknownFact,
    ) -> Left {
        let before = std::mem::take(&mut self.candidates);
        let (certain, ended, step) = (self.certain, self.ended.len(), self.trail.len());
        let mut tags = self.tags.clone();
        let left = self.call(rule, packet, depth);
        let mut inside = std::mem::replace(&mut self.candidates, before);
        for end in inside.iter_mut().chain(self.ended.iter_mut().skip(ended)) {
            end.doubt.get_or_insert_with(|| why.clone());
        }
        for step in self.trail.iter_mut().skip(step) {
            match step.role {
                Role::Matches => step.role = Role::MayMatch(why.clone()),
                Role::Calls => step.role = Role::MayCall(why.clone()),
                _ => {}
            }
        }
        let over = left == Left::Over;
        if over {
            self.ended.extend(inside)
        } else {
            self.candidates.extend(inside)
        }
        self.certain = certain;
        std::mem::swap(&mut tags, &mut self.tags);
        tags.retain(|tag| !self.tags.contains(tag));
        self.tags.append(&mut tags);
        if self.budget == 0 { Left::Over } else { Left::On }
    }

    /// The tag that a match puts on the packet.
    fn tag(&mut self, tag: Option<&'a str>, matched: &Matches) {
        let Some(tag) = tag else { return };
        // Each of them is compared, here and in every rule that asks for a tag.
        self.budget = self.budget.saturating_sub(self.tags.len());
        match matched {
            Matches::Yes => self.tags = vec![Some(tag)],
            _ if self.tags.contains(&Some(tag)) => {}
            _ => self.tags.push(Some(tag)),
        }
    }

    fn record(&mut self, rule: RuleRef<'a>, role: Role) {
        self.budget = self.budget.saturating_sub(STEP);
        self.trail.push(TrailStep { rule, role });
    }

    fn pay(&mut self) -> bool {
        self.budget = self.budget.saturating_sub(1);
        self.budget > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
