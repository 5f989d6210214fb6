//! pf and the guard, in the status.

use serde::{Serialize, Serializer};

use super::facts::Facts;
use crate::report::{PfState, Report, ReportFact, Unusable};
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
        guard: report.as_ref().ok().map(|report| report.guard),
        way: report.as_ref().ok().and_then(|report| report.way),
        seen,
        age: seen.map(|seen| facts.now.saturating_sub(seen)),
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
