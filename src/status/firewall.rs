//! pf and the guard, in the status.

use serde::Serialize;

use super::facts::Facts;
use crate::report::{PfState, Report, ReportFact, Unusable};
use crate::rules::ledger::{Attachment, Guard, Seconds};

/// The firewall in the JSON form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Firewall {
    /// `enabled`, `disabled` or `unknown`.
    pub state: &'static str,
    /// Why, where it is unknown; else how it is held.
    pub because: String,
    /// The guard: `on`, `off`, `unset`, or `unknown`.
    pub guard: &'static str,
    /// The way our rules are evaluated, where there are any.
    pub way: Option<Attachment>,
    /// When root last looked.
    pub seen: Option<Seconds>,
    /// How many seconds ago that was.
    pub age: Option<Seconds>,
}

pub(super) fn firewall(facts: &Facts, report: &Result<&Report, Unusable>) -> Firewall {
    let seen = match &facts.report {
        ReportFact::Read(report) => Some(report.seen),
        _ => None,
    };
    let age = seen.map(|seen| facts.now.saturating_sub(seen));
    let unknown = |because: String| ("unknown", because);
    let (state, because) = match report {
        Err(because) => unknown(because.to_string()),
        Ok(report) => match &report.pf {
            PfState::Unknown(text) => unknown(format!("pf's answer was not understood: {text}")),
            PfState::Disabled => ("disabled", "pf is off: every rule is without effect".to_owned()),
            PfState::Enabled => ("enabled", held_by(report)),
        },
    };
    let guard = match report {
        Err(_) => "unknown",
        Ok(Report { guard: Guard::On, .. }) => "on",
        Ok(Report { guard: Guard::Off, .. }) => "off",
        Ok(Report { guard: Guard::Unset, .. }) => "unset",
    };
    Firewall { state, because, guard, way: report.as_ref().ok().and_then(|report| report.way), seen, age }
}

fn held_by(report: &Report) -> String {
    match (report.guard, report.references) {
        (_, None) => "pf is on; who holds it is not known".to_owned(),
        (Guard::On, Some(1)) => "pf is on, held by the guard alone".to_owned(),
        (Guard::On, Some(count)) => {
            format!("pf is on, held by the guard and {} more", count.saturating_sub(1))
        }
        (_, Some(0)) => "pf is on; somebody enabled it for good".to_owned(),
        (_, Some(count)) => format!("pf is on, held by {count}"),
    }
}
