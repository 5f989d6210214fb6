//! What becomes of a packet, and what decides it.

use std::fmt;

use serde::Serialize;

use super::unknown::UnknownFact;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    Pass,
    Block,
    /// It depends on an unknown fact.
    Unknown,
}

/// `pass`, `block`, `unknown`
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Decision::Pass => "pass",
            Decision::Block => "block",
            Decision::Unknown => "unknown",
        })
    }
}

/// What decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// The packet belongs to a connection that pf knows.
    State,
    /// `set skip on`: pf does not filter the interface.
    Skipped,
    /// A translation with `pass`: filter rules are not evaluated.
    TranslationPass,
    Rule,
    /// No rule matches: pf's implicit rule passes.
    NoRule,
    Unknown(UnknownFact),
    /// Anchors call each other without end.
    Endless,
}
