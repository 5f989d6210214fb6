//! pf and the guard, in the status.

use serde::{Serialize, Serializer};

use super::facts::Facts;
use crate::diagnosis::Answer;
use crate::report::{Note, PfState, PfVerdict, Reason, Report, ReportFact, Unusable};
use crate::rules::evening::time_of_day;
use crate::rules::ledger::{Attachment, Guard, Seconds};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Firewall {
    pub state: FirewallState,
    /// Why, where it is unknown; else how it is held.
    pub because: String,
    /// `None`: unknown.
    #[serde(serialize_with = "or_unknown")]
    pub guard: Option<Guard>,
    /// The way our rules are evaluated, where there are any.
    pub way: Option<Attachment>,
    /// When root last looked.
    pub seen: Option<Seconds>,
    /// How many seconds ago that was.
    pub age: Option<Seconds>,
    /// What the guard comes to.
    #[serde(skip)]
    pub guard_effect: GuardEffect,
    /// That what root saw does not speak of now, as a clause; `None` where it does.
    #[serde(skip)]
    pub not_seen: Option<String>,
    /// Whether nothing of ours was ever on this Mac, as far as that is seen: it is a stock one.
    #[serde(skip)]
    pub is_stock: bool,
}

/// What the guard comes to, as far as it is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuardEffect {
    /// Whether it is on is not known.
    Unseen,
    Off,
    /// What is closed is blocked.
    Holds,
    /// pf is off.
    PfOff,
    /// The main ruleset does not call our rules.
    Uncalled,
    /// Our rules are called, and are not there.
    Gone,
    /// No verdict is by our rules: those of others decide.
    Overruled,
    /// It is not known what pf does.
    Doubtful,
}

impl GuardEffect {
    /// By what root saw.
    pub fn of(report: &Report) -> Self {
        let is_uncalled = report.notes.iter().any(|note| matches!(note, Note::NotEvaluated { .. }));
        let reasons = || report.verdicts.iter().flat_map(|verdict| verdict.outside_reasons());
        let is_ours = |reason: &Reason| matches!(reason, Reason::OurGuard | Reason::OurRule);
        let is_by_none =
            |reason: &Reason| matches!(reason, Reason::Rules { grounds } if grounds.rule().is_none());
        let is_unknown = |verdict: &PfVerdict| verdict.outside() == Answer::Unknown;
        match (&report.pf, report.guard) {
            (_, Guard::Off | Guard::Unset) => GuardEffect::Off,
            (PfState::Disabled, Guard::On) => GuardEffect::PfOff,
            _ if is_uncalled => GuardEffect::Uncalled,
            _ if reasons().any(is_ours) => GuardEffect::Holds,
            (PfState::Unknown(_), _) => GuardEffect::Doubtful,
            _ if reasons().any(is_by_none) => GuardEffect::Gone,
            _ if report.verdicts.iter().any(is_unknown) => GuardEffect::Doubtful,
            _ if report.verdicts.is_empty() => GuardEffect::Holds,
            _ => GuardEffect::Overruled,
        }
    }
}

/// Whether pf filters, as far as root's report tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FirewallState {
    Enabled,
    Disabled,
    Unknown,
}

fn or_unknown<S: Serializer>(guard: &Option<Guard>, serializer: S) -> Result<S::Ok, S::Error> {
    match guard {
        Some(guard) => guard.serialize(serializer),
        None => serializer.serialize_str("unknown"),
    }
}

pub(super) fn firewall(facts: &Facts, report: &Result<&Report, Unusable>) -> Firewall {
    let seen = match &facts.report {
        ReportFact::Read(report) => Some(report.seen),
        _ => None,
    };
    let (state, because) = match report {
        Err(because) => (FirewallState::Unknown, because.to_string()),
        Ok(report) => match &report.pf {
            PfState::Unknown(text) => {
                (FirewallState::Unknown, format!("pf's answer was not understood: {text}"))
            }
            PfState::Disabled => {
                (FirewallState::Disabled, "pf is off: every rule is without effect".to_owned())
            }
            PfState::Enabled => (FirewallState::Enabled, held_by(report)),
        },
    };
    Firewall {
        state,
        because,
        guard_effect: report.as_ref().map_or(GuardEffect::Unseen, |report| GuardEffect::of(report)),
        not_seen: report.is_err().then(|| not_seen(facts)),
        is_stock: facts.report == ReportFact::Missing
            && facts.openings.is_none()
            && facts.ledger_problem.is_none(),
        guard: report.as_ref().ok().map(|report| report.guard),
        way: report.as_ref().ok().and_then(|report| report.way),
        seen,
        age: seen.map(|seen| facts.now.saturating_sub(seen)),
    }
}

/// `not seen since 14:02`
fn not_seen(facts: &Facts) -> String {
    match &facts.report {
        ReportFact::Read(report) if report.seen <= facts.now => {
            format!("not seen since {}", time_of_day(report.seen, facts.now, &facts.zone))
        }
        ReportFact::Outdated => "not looked at since the last change".to_owned(),
        _ => "not looked at yet".to_owned(),
    }
}

fn held_by(report: &Report) -> String {
    match (report.guard, report.references) {
        (_, None) => "pf is on; who holds it is not known".to_owned(),
        (Guard::On, Some(1)) => "pf is on, held by the guard alone".to_owned(),
        (Guard::On, Some(count)) => {
            format!("pf is on, held by the guard and {} more", count.saturating_sub(1))
        }
        (_, Some(0)) => "pf is on; it was enabled for good".to_owned(),
        (_, Some(count)) => format!("pf is on, held by {count}"),
    }
}
