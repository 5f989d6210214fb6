//! What the search keeps on its way.

use crate::pf::decision::{Because, Decision};
use crate::pf::effects::Block;
use crate::pf::packet::Packet;
use crate::pf::rule::{Action, Placed, Rule, Ruleset};
use crate::pf::rulesets::Rulesets;
use crate::pf::trail::{Role, RuleRef, TrailStep};
use crate::pf::unknown::UnknownFact;

/// The rules that one verdict may take; one with a role in it counts for [`STEP`].
pub(super) const BUDGET: usize = 5_000_000;
/// A step of the trail is kept, so it costs more than a look.
pub(super) const STEP: usize = 20;
/// How deep anchors nest, as in the kernel; a call beyond is passed over.
pub(super) const MAXIMUM_ANCHORS: usize = 64;
/// The translations that may be in doubt at a time.
pub(super) const MAXIMUM_TRANSLATIONS: usize = 16;

/// The rules of one kind in a ruleset.
pub(in crate::pf) type RulesOfKind = fn(&Ruleset) -> &Vec<Placed<Rule>>;

/// One way in which the search may end.
#[derive(Clone, Debug)]
pub(in crate::pf) struct SearchEnd<'a> {
    pub(in crate::pf) rule: Option<RuleRef<'a>>,
    pub(in crate::pf) outcome: Decision,
    pub(in crate::pf) because: Because,
    /// A state is opened.
    pub(in crate::pf) state: bool,
    /// The fact that it depends on; `None` where no doubtful rule matched on the way.
    pub(in crate::pf) doubt: Option<UnknownFact>,
}

impl<'a> SearchEnd<'a> {
    /// The end where no rule matched: pf's implicit rule.
    pub(super) fn implicit(doubt: Option<UnknownFact>) -> Self {
        SearchEnd { rule: None, outcome: Decision::Pass, because: Because::NoRule, state: false, doubt }
    }

    /// The end by a translation that lets the packet through.
    pub(super) fn translation(rule: RuleRef<'a>, doubt: Option<UnknownFact>) -> Self {
        let because = Because::TranslationPass;
        SearchEnd { rule: Some(rule), outcome: Decision::Pass, because, state: true, doubt }
    }

    /// How the packet is blocked.
    pub(in crate::pf) fn block(&self) -> Option<Block> {
        match self.rule.map(|rule| &rule.rule.item.action) {
            Some(Action::Block(block)) => Some(*block),
            _ => None,
        }
    }

    /// Whether the packet fares the same.
    pub(super) fn is_alike(&self, other: &SearchEnd<'_>) -> bool {
        (self.outcome, self.state, self.block()) == (other.outcome, other.state, other.block())
    }
}

/// What a search found.
pub(in crate::pf) struct SearchResult<'a> {
    /// All the ways in which the search may end.
    pub(in crate::pf) ends: Vec<SearchEnd<'a>>,
    pub(in crate::pf) trail: Vec<TrailStep<'a>>,
    /// The packet as the filter rules may see it, after translation.
    pub(in crate::pf) translated: Vec<Packet>,
    /// The tags that the packet may have afterwards.
    pub(in crate::pf) tags: Vec<Option<&'a str>>,
    /// Quick anchor calls in which a rule matched, and which did not end the search.
    pub(in crate::pf) lost_quick: Vec<RuleRef<'a>>,
    /// The rules are too many, or anchors call each other without end.
    pub(in crate::pf) gave_up: bool,
}

/// A packet that may have this tag, before translation.
#[derive(Clone)]
pub(super) struct TaggedBranch<'a> {
    pub(super) tag: Option<&'a str>,
    pub(super) doubt: Option<UnknownFact>,
}

impl<'a> TaggedBranch<'a> {
    /// A branch for each tag; all but the first are doubtful.
    pub(super) fn of(tags: Vec<Option<&'a str>>) -> Vec<Self> {
        let first = tags.first().copied().flatten();
        let doubt = |tag: Option<&str>| UnknownFact::Tag(tag.or(first).unwrap_or_default().to_owned());
        let branch = |(index, tag)| TaggedBranch { tag, doubt: (index > 0).then(|| doubt(tag)) };
        tags.into_iter().enumerate().map(branch).collect()
    }
}

/// A packet as the filter rules may see it.
pub(super) struct TranslatedBranch<'a> {
    pub(super) packet: Packet,
    /// The translation that made it so, which opens a state whatever the filter rule says.
    pub(super) translation: Option<RuleRef<'a>>,
    pub(super) tag: Option<&'a str>,
    pub(super) doubt: Option<UnknownFact>,
}

pub(super) struct Search<'a> {
    pub(super) loaded: &'a Rulesets,
    pub(super) trail: Vec<TrailStep<'a>>,
    /// The anchors that are being searched, from the outermost.
    inside: Vec<&'a str>,
    pub(super) lost_quick: Vec<RuleRef<'a>>,
    ends: Vec<SearchEnd<'a>>,
    tags: Vec<Option<&'a str>>,
    budget: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(loaded: &'a Rulesets) -> Self {
        Search {
            loaded,
            trail: Vec::new(),
            inside: vec![""],
            lost_quick: Vec::new(),
            ends: Vec::new(),
            tags: Vec::new(),
            budget: BUDGET,
        }
    }

    pub(super) fn result(self, translated: Vec<Packet>) -> SearchResult<'a> {
        let Search { ends, trail, tags, lost_quick, budget, .. } = self;
        SearchResult { ends, trail, translated, tags, lost_quick, gave_up: budget == 0 }
    }

    pub(super) fn main(&self) -> Option<&'a Ruleset> {
        self.loaded.anchor("")
    }

    /// Takes an end of the search for a packet with this tag.
    pub(super) fn finish(&mut self, end: SearchEnd<'a>, tag: Option<&'a str>) {
        if !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
        match self.ends.iter_mut().find(|known| known.is_alike(&end)) {
            Some(known) if known.doubt.is_some() && end.doubt.is_none() => *known = end,
            Some(_) => {}
            None => self.ends.push(end),
        }
    }

    /// Goes into an anchor; an anchor that is being searched already would lead here again without end.
    pub(super) fn enter(&mut self, anchor: &'a str) -> bool {
        self.pay(STEP);
        if self.inside.contains(&anchor) {
            self.budget = 0;
            return false;
        }
        self.inside.push(anchor);
        true
    }

    pub(super) fn leave(&mut self) {
        self.inside.pop();
    }

    pub(super) fn record(&mut self, rule: RuleRef<'a>, role: Role) {
        self.pay(STEP);
        self.trail.push(TrailStep { rule, role });
    }

    /// Takes this much of the budget. Gives whether there is more.
    pub(super) fn pay(&mut self, work: usize) -> bool {
        self.budget = self.budget.saturating_sub(work);
        self.budget > 0
    }

    pub(super) fn give_up(&mut self) {
        self.budget = 0;
    }
}
