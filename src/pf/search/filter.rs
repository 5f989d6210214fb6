//! Filter rules: the last that matches, unless an earlier one is quick.
//!
//! What a quick anchor call does is the kernel's (XNU, net/pf.c: `pf_step_into_anchor`, `pf_step_out_of_anchor`), not the
//! manual's: a call forgets what matched in the quick call around it; where no rule is left behind a call, the calls
//! around it are left with it, and each that saw a match puts its own quick in place of the inner one.

use crate::pf::decision::{Because, Decision};
use crate::pf::effects::StateKeeping;
use crate::pf::matching::{Matches, has_tag, matches};
use crate::pf::packet::Packet;
use crate::pf::rule::{Action, Ruleset};
use crate::pf::rulesets::{CallTarget, call_target};
use crate::pf::trail::{Role, RuleRef};
use crate::pf::unknown::UnknownFact;

use super::state::{MAXIMUM_ANCHORS, Search, SearchEnd, TranslatedBranch};

/// One way in which the rules so far may have matched.
#[derive(Clone)]
struct Branch<'a> {
    tag: Option<&'a str>,
    /// How the search ends if no later rule matches.
    end: SearchEnd<'a>,
    /// A rule matched since the innermost anchor call was entered.
    matched: bool,
    /// The quick call that ends the search if a rule is left behind the calls that are being left.
    quick: Option<RuleRef<'a>>,
    /// The anchors whose mark, "something matched in a child", is known for this packet.
    marks: Vec<(&'a str, bool)>,
}

impl<'a> Branch<'a> {
    fn is_alike(&self, other: &Branch<'_>) -> bool {
        self.tag == other.tag
            && self.end.is_alike(&other.end)
            && self.matched == other.matched
            && self.quick.is_some() == other.quick.is_some()
            && self.marks == other.marks
    }

    fn mark(&mut self, anchor: &'a str, matched: bool) {
        self.marks.retain(|(known, _)| *known != anchor);
        self.marks.push((anchor, matched));
        self.marks.sort_unstable();
    }

    fn is_marked(&self, anchor: &str) -> Option<bool> {
        self.marks.iter().find(|(known, _)| *known == anchor).map(|(_, matched)| *matched)
    }
}

impl<'a> Search<'a> {
    pub(super) fn filter(&mut self, branch: TranslatedBranch<'a>) {
        let TranslatedBranch { packet, translation, tag, doubt } = branch;
        let end = SearchEnd::implicit(doubt);
        let branch = Branch { tag, end, matched: false, quick: None, marks: Vec::new() };
        let mut ended = Vec::new();
        let left = match self.main() {
            Some(main) => self.rules("", main, &packet, vec![branch], &mut ended, 0),
            None => vec![branch],
        };
        ended.extend(left);
        for Branch { mut end, tag, .. } in ended {
            end.state |= end.outcome == Decision::Pass && translation.is_some();
            self.finish(end, tag);
        }
    }

    /// Searches one ruleset. Gives the branches that are left behind its last rule; those whose search is over go to
    /// `ended`.
    fn rules(
        &mut self,
        path: &'a str,
        ruleset: &'a Ruleset,
        packet: &Packet,
        mut branches: Vec<Branch<'a>>,
        ended: &mut Vec<Branch<'a>>,
        depth: usize,
    ) -> Vec<Branch<'a>> {
        let count = ruleset.filter.len();
        for (number, placed) in ruleset.filter.iter().enumerate() {
            if branches.is_empty() || !self.pay(branches.len()) {
                return branches;
            }
            let item = &placed.item;
            let matched = matches(self.loaded, path, item, packet);
            for branch in &mut branches {
                branch.quick = None;
            }
            if matched == Matches::No {
                continue;
            }
            let has_this_tag = |branch: &Branch<'_>| has_tag(item, branch.tag);
            let (mut hits, mut rest): (Vec<_>, Vec<_>) = branches.into_iter().partition(has_this_tag);
            if let Matches::Maybe(why) = matched {
                rest.extend(hits.iter().cloned());
                for branch in &mut hits {
                    branch.end.doubt.get_or_insert_with(|| why.clone());
                }
            }
            for branch in &mut hits {
                branch.tag = item.tag.as_deref().or(branch.tag);
            }
            let rule = RuleRef { anchor: path, number, rule: placed };
            if item.anchor.is_some() {
                let left = self.call(rule, packet, hits, ended, depth);
                let is_over = |branch: &Branch<'_>| number + 1 < count && branch.quick.is_some();
                let (over, left) = left.into_iter().partition(is_over);
                end_all(ended, over);
                rest.extend(left);
            } else {
                self.take_rule(rule, hits, &mut rest, ended);
            }
            branches = merged(rest);
        }
        branches
    }

    /// Takes a plain rule for the branches that it matches: they go to `rest`, or to `ended`.
    fn take_rule(
        &mut self,
        rule: RuleRef<'a>,
        mut hits: Vec<Branch<'a>>,
        rest: &mut Vec<Branch<'a>>,
        ended: &mut Vec<Branch<'a>>,
    ) {
        self.record_for(rule, &hits, Role::Matches, Role::MayMatch);
        let item = &rule.rule.item;
        let (outcome, state) = match item.action {
            Action::Pass => (Decision::Pass, item.state != StateKeeping::No),
            Action::Block(_) => (Decision::Block, false),
            _ => (Decision::Unknown, false),
        };
        for branch in &mut hits {
            branch.matched = true;
            let doubt = branch.end.doubt.take();
            branch.end = SearchEnd { rule: Some(rule), outcome, because: Because::Rule, state, doubt };
        }
        if item.quick {
            end_all(ended, hits);
        } else {
            rest.extend(hits);
        }
    }

    fn record_for(
        &mut self,
        rule: RuleRef<'a>,
        branches: &[Branch<'a>],
        surely: Role,
        maybe: fn(UnknownFact) -> Role,
    ) {
        let Some(first) = branches.first() else { return };
        let doubt = first.end.doubt.clone().filter(|_| certain(branches).is_none());
        self.record(rule, doubt.map_or(surely, maybe));
    }

    /// Steps into an anchor, and out of it again. A branch that is left has [`Branch::quick`] set where the search is over
    /// if a rule is left behind the call.
    fn call(
        &mut self,
        rule: RuleRef<'a>,
        packet: &Packet,
        mut branches: Vec<Branch<'a>>,
        ended: &mut Vec<Branch<'a>>,
        depth: usize,
    ) -> Vec<Branch<'a>> {
        if branches.is_empty() {
            return branches;
        }
        let loaded = self.loaded;
        let path = rule.rule.item.anchor.as_ref().and_then(|call| call.path.as_deref());
        let target = path.map_or(CallTarget::Nowhere, |path| call_target(rule.anchor, path));
        let node = match &target {
            CallTarget::One(path) | CallTarget::Children(path) => loaded.node(path),
            CallTarget::Nowhere => None,
        };
        for branch in &mut branches {
            branch.matched = false;
            if let Some(node) = node {
                branch.mark(node, false);
            }
        }
        if depth >= MAXIMUM_ANCHORS {
            return branches;
        }
        let step = self.trail.len();
        self.record_for(rule, &branches, Role::Calls, Role::MayCall);
        let before = certain(&branches).and_then(|branch| branch.end.rule);
        let children = loaded.targets(&target);
        branches = match (&target, node) {
            (CallTarget::Children(_), Some(node)) => {
                self.children(node, &children, packet, branches, ended, depth)
            }
            _ => self.anchors(&children, packet, branches, ended, depth),
        };
        if self.trail.len() == step + 1 {
            // Nothing inside matched: the call has no role in the verdict.
            self.trail.pop();
        }
        self.leave_call(rule, node, before, &mut branches);
        branches
    }

    /// Leaves the frame of a call: if something inside matched, its quick counts. `before` is the rule that decided before
    /// the call, on the branch without doubt.
    fn leave_call(
        &mut self,
        rule: RuleRef<'a>,
        node: Option<&'a str>,
        before: Option<RuleRef<'a>>,
        branches: &mut [Branch<'a>],
    ) {
        let own = Some(rule).filter(|_| rule.rule.item.quick);
        for branch in branches {
            let inner = branch.quick;
            if branch.matched || node.and_then(|node| branch.is_marked(node)) == Some(true) {
                branch.quick = own;
            }
            if branch.end.doubt.is_none() && branch.quick.is_none() {
                let matched_inside = !same(before, branch.end.rule);
                self.lost_quick.extend(inner.or(own.filter(|_| matched_inside)));
            }
        }
    }

    fn anchors(
        &mut self,
        anchors: &[&'a str],
        packet: &Packet,
        mut branches: Vec<Branch<'a>>,
        ended: &mut Vec<Branch<'a>>,
        depth: usize,
    ) -> Vec<Branch<'a>> {
        for anchor in anchors {
            let Some(ruleset) = self.loaded.anchor(anchor) else { continue };
            if !self.enter(anchor) {
                break;
            }
            branches = self.rules(anchor, ruleset, packet, branches, ended, depth + 1);
            self.leave();
        }
        branches
    }

    /// The children of a wildcard call on `node`. Leaving one, the kernel marks the node if something matched in it, or if
    /// the child is marked itself, and forgets the match.
    fn children(
        &mut self,
        node: &'a str,
        children: &[&'a str],
        packet: &Packet,
        mut branches: Vec<Branch<'a>>,
        ended: &mut Vec<Branch<'a>>,
        depth: usize,
    ) -> Vec<Branch<'a>> {
        for child in children {
            let has_rules = self.loaded.anchor(child).is_some_and(|ruleset| !ruleset.filter.is_empty());
            if has_rules {
                // A rule is left: a quick call at the end of the child before ends the search.
                let (over, left) = branches.into_iter().partition(|branch| branch.quick.is_some());
                end_all(ended, over);
                branches = self.anchors(&[child], packet, left, ended, depth);
            }
            let mut left = Vec::with_capacity(branches.len());
            for mut branch in branches {
                let marked = branch.is_marked(child);
                if !branch.matched && marked.is_none() && self.loaded.may_be_marked(child) {
                    // An earlier packet may have left the child marked.
                    let mut other = branch.clone();
                    other.end.doubt.get_or_insert_with(|| UnknownFact::EarlierPacket((*child).to_owned()));
                    other.mark(child, true);
                    other.mark(node, true);
                    left.push(other);
                    branch.mark(child, false);
                } else if branch.matched || marked == Some(true) {
                    branch.mark(node, true);
                    branch.matched = false;
                }
                left.push(branch);
            }
            branches = merged(left);
        }
        branches
    }
}

/// The branch on which no doubtful rule matched.
fn certain<'b, 'a>(branches: &'b [Branch<'a>]) -> Option<&'b Branch<'a>> {
    branches.iter().find(|branch| branch.end.doubt.is_none())
}

fn same(one: Option<RuleRef<'_>>, other: Option<RuleRef<'_>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one.rule, other.rule),
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn end_all<'a>(ended: &mut Vec<Branch<'a>>, branches: Vec<Branch<'a>>) {
    for branch in branches {
        put(ended, branch, |known, branch| known.tag == branch.tag && known.end.is_alike(&branch.end));
    }
}

/// One branch of those that cannot differ any more, without doubt if one of them has none.
fn merged(branches: Vec<Branch<'_>>) -> Vec<Branch<'_>> {
    if branches.len() < 2 {
        return branches;
    }
    let mut kept = Vec::with_capacity(branches.len());
    for branch in branches {
        put(&mut kept, branch, Branch::is_alike);
    }
    kept
}

fn put<'a>(kept: &mut Vec<Branch<'a>>, branch: Branch<'a>, alike: fn(&Branch<'a>, &Branch<'a>) -> bool) {
    match kept.iter_mut().find(|known| alike(known, &branch)) {
        Some(known) if known.end.doubt.is_some() && branch.end.doubt.is_none() => *known = branch,
        Some(_) => {}
        None => kept.push(branch),
    }
}
