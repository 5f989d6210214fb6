//! The answer, ready to be shown.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use crate::pf::grounds::Grounds;
use crate::pf::rule_text::{RuleText, rule_text};
use crate::pf::trail::{Role, TrailStep};
use crate::pf::verdict::Decision;

/// The answer, ready to be shown: as text by `Display`, as JSON by serde.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// `pass`, `block` or `unknown`.
    pub verdict: Decision,
    /// A sentence with the rule that decides.
    pub sentence: String,
    /// A short clause.
    #[serde(serialize_with = "as_text")]
    pub because: Grounds,
    /// The rule that decides, if one does.
    pub rule: Option<RuleText>,
    /// The rules that matched, or may have, packet by packet in pf's order.
    pub trail: Vec<TrailLine>,
    pub notes: Vec<String>,
    pub port: u16,
    /// The client that was asked about.
    pub from: IpAddr,
    pub interface: String,
    /// `inet` or `inet6`.
    pub family: &'static str,
}

/// Serialises the clause.
pub(super) fn as_text<S: serde::Serializer>(grounds: &Grounds, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(grounds)
}

/// A rule's role in the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrailLine {
    pub packet: String,
    pub rule: RuleText,
    /// `decides`, `overridden`, `may match`, `translates`, `exempts` (from translation), `may translate`, `calls`,
    /// `may call`.
    pub effect: &'static str,
    /// The unknown fact it depends on, where it may match.
    pub why: Option<String>,
}

/// The columns of the first line: a terminal has as many.
const MAXIMUM_COLUMNS: usize = 100;

impl Explanation {
    /// The sentence in lines: verdict, rule and place in the first; the rule's text below.
    fn write_sentence(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, over_six) = match self.sentence.split_once("; over IPv6: ") {
            Some((first, six)) => (first, Some(six)),
            None => (self.sentence.as_str(), None),
        };
        let text = self.rule.as_ref().map(|rule| format!(" `{}`", rule.text));
        let text = text.filter(|text| first.contains(text.as_str()));
        let line = text.as_ref().map_or(first.to_owned(), |text| first.replacen(text.as_str(), "", 1));
        // What is too long goes on below.
        let (mut lines, is_long) = (Vec::new(), first.chars().count() > MAXIMUM_COLUMNS);
        for clause in line.split("; ") {
            match lines.last_mut() {
                Some(last) if !is_long || format!("{last}; {clause}").chars().count() <= MAXIMUM_COLUMNS => {
                    *last = format!("{last}; {clause}");
                }
                _ => lines.push(clause.to_owned()),
            }
        }
        if let Some(first) = lines.first_mut()
            && let Some(rest) = break_off(first)
        {
            lines.insert(1, rest);
        }
        let mut lines = lines.iter();
        writeln!(f, "{}", lines.next().map_or("", String::as_str))?;
        if let Some(text) = text {
            writeln!(f, "  {}", text.trim_start().trim_matches('`'))?;
        }
        lines.try_for_each(|below| writeln!(f, "  {below}"))?;
        over_six.iter().try_for_each(|six| writeln!(f, "  over IPv6: {six}"))
    }
}

/// Cuts a line behind the last word that fits, and gives what is left of it.
fn break_off(line: &mut String) -> Option<String> {
    let (end, _) = line.char_indices().nth(MAXIMUM_COLUMNS)?;
    let at = line.get(..=end)?.rfind(' ')?;
    let rest = line.get(at..)?.trim().to_owned();
    line.truncate(at);
    Some(rest)
}

/// The sentence, then the trail.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_sentence(f)?;
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        let mut packet = "";
        for line in &self.trail {
            if packet != line.packet {
                packet = &line.packet;
                writeln!(f, "\n  {packet}")?;
            }
            let why = line.why.as_ref().map_or_else(String::new, |why| format!(" (depends on {why})"));
            writeln!(f, "    {:<13} {}: {}{why}", line.effect, line.rule.place, line.rule.text)?;
        }
        Ok(())
    }
}

/// The line for a step of the trail; `decides`: the rule is the one that decides.
pub(super) fn trail_line(packet: &str, step: &TrailStep<'_>, decides: bool) -> TrailLine {
    let (effect, why) = match &step.role {
        Role::Matches if decides => ("decides", None),
        Role::Matches => ("overridden", None),
        Role::MayMatch(why) => ("may match", Some(why)),
        Role::Calls => ("calls", None),
        Role::MayCall(why) => ("may call", Some(why)),
        Role::Translates if step.rule.rule.item.redirect.is_none() => ("exempts", None),
        Role::Translates => ("translates", None),
        Role::MayTranslate(why) => ("may translate", Some(why)),
    };
    let why = why.map(ToString::to_string);
    TrailLine { packet: packet.to_owned(), rule: rule_text(&step.rule), effect, why }
}
