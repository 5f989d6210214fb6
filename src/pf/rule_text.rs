//! A rule as it is shown, with its place.

use serde::Serialize;

use super::trail::RuleRef;

/// A rule and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuleText {
    /// `pf.conf:31`, or `anchor x rule 3` for loaded rules.
    pub place: String,
    /// The file, or the name of the listing.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// The anchor's path; empty for the main ruleset.
    pub anchor: String,
    /// In its ruleset, from 0.
    pub number: usize,
    /// The first line of the rule in pfctl's form.
    pub text: String,
}

pub(super) fn rule_text(rule: &RuleRef<'_>) -> RuleText {
    let place = &rule.rule.place;
    let anchor = rule.anchor.to_owned();
    let number = rule.number;
    let text = rule.rule.item.to_string();
    let text = text.lines().next().unwrap_or_default().to_owned();
    let shown = match (rule.is_listed(), rule.anchor) {
        (false, _) => place.to_string(),
        (true, "") => format!("rule {number}"),
        (true, anchor) => format!("anchor {anchor} rule {number}"),
    };
    RuleText { place: shown, path: place.path.to_string(), line: place.line, anchor, number, text }
}
