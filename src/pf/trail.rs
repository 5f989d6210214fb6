//! The rules that have a role in a verdict, in the order in which pf comes to them.

use std::fmt;

use super::grounds::DecidingRule;
use super::rule::{Placed, Rule, TextKind};
use super::unknown::UnknownFact;

/// A rule of a ruleset, with where it stands.
#[derive(Clone, Copy, Debug)]
pub struct RuleRef<'a> {
    /// The anchor's path; `""` is the main ruleset.
    pub anchor: &'a str,
    /// The rule's number in its ruleset, from 0, as `pfctl -vs rules` shows it.
    pub number: usize,
    pub rule: &'a Placed<Rule>,
}

/// `rule 12, pf.conf:31 `block drop in all``; `rule 0 of anchor x, …`
impl fmt::Display for RuleRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DecidingRule::from(self).fmt(f)
    }
}

impl From<&RuleRef<'_>> for DecidingRule {
    fn from(rule: &RuleRef<'_>) -> Self {
        let text = rule.rule.item.to_string();
        DecidingRule {
            number: rule.number,
            anchor: rule.anchor.to_owned(),
            place: (!rule.is_listed()).then(|| rule.rule.place.to_string()),
            text: Some(text.lines().next().unwrap_or_default().to_owned()),
        }
    }
}

impl RuleRef<'_> {
    /// Whether the rule comes out of a listing, whose lines are the rules' numbers once more.
    pub fn is_listed(&self) -> bool {
        self.rule.place.text == TextKind::Listing
    }
}

/// A rule that has a role in a verdict.
#[derive(Clone, Debug)]
pub struct TrailStep<'a> {
    pub rule: RuleRef<'a>,
    pub role: Role,
}

/// What a rule does in a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It matches; a later one may still decide.
    Matches,
    /// It may match.
    MayMatch(UnknownFact),
    /// It calls an anchor.
    Calls,
    /// It may call an anchor.
    MayCall(UnknownFact),
    /// It translates the packet.
    Translates,
    /// It may translate the packet.
    MayTranslate(UnknownFact),
}
