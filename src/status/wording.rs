//! The words for what root saw, in English. Another language is another file with the same functions.

use std::fmt;

use crate::report::{ForeignPlace, Note, Reason, Unusable};
use crate::rules::ledger::Seconds;

/// The whole status while a change is not finished.
pub const INTERRUPTED: &str = "Not known: a change was interrupted";

/// A clause, such as "our guard blocks it".
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::PfOff => f.write_str("pf is off"),
            Reason::PfStateUnknown => f.write_str("whether pf is on is not known"),
            Reason::SkipUnknown => f.write_str("which interfaces pf does not look at could not be read"),
            Reason::OurRule => f.write_str("our rule lets it in"),
            Reason::OurGuard => f.write_str("our guard blocks it"),
            Reason::Rules { grounds } => grounds.fmt(f),
        }
    }
}

/// A clause that says why nothing is known of pf.
impl std::error::Error for Unusable {}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Missing => f.write_str("pf has not been looked at yet"),
            Unusable::Unreadable(error) => f.write_str(error),
            Unusable::Invalid(error) => write!(f, "what root saw does not read: {error}"),
            Unusable::OtherVersion(version) => {
                write!(f, "what root saw is written in form {version}, unknown to this version")
            }
            Unusable::Outdated => f.write_str("pf was not looked at since the last change"),
            Unusable::OtherBoot => f.write_str("this Mac was restarted since pf was last looked at"),
            Unusable::ClockSetBack => f.write_str("the clock was set back since pf was last looked at"),
            Unusable::Old(age) => write!(f, "pf was last looked at {} ago", duration(*age)),
        }
    }
}

/// A sentence without the full stop.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::ForeignRule { place, port, rule } => {
                match place {
                    ForeignPlace::Main => f.write_str("the main ruleset")?,
                    ForeignPlace::Anchor(path) => write!(f, "the anchor {path}")?,
                    ForeignPlace::File { path, .. } => f.write_str(path)?,
                }
                write!(f, " has a rule for port {port} that is not ours (`{rule}`): it is left alone")?;
                match place {
                    ForeignPlace::Main | ForeignPlace::Anchor(_) => Ok(()),
                    ForeignPlace::File { loads_into: Some(anchor), .. } => {
                        write!(f, "; /etc/pf.conf loads it into the anchor {anchor}, which is not loaded now")
                    }
                    ForeignPlace::File { loads_into: None, .. } => {
                        f.write_str("; /etc/pf.conf does not load it, so it is never evaluated")
                    }
                }
            }
            Note::ClassicCallStays => f.write_str(
                "the call of our classic anchor stays loaded until this Mac restarts: the loaded ruleset is not \
                 the one of /etc/pf.conf, and loading that would lose rules of others; the anchor is empty",
            ),
            Note::NotEvaluated { anchor } => write!(
                f,
                "the loaded main ruleset does not call our anchor {anchor}, so that our rules are without effect: \
                 `sudo pfctl -f /etc/pf.conf` loads this Mac's own again"
            ),
            Note::TornBlock => f.write_str(
                "our block in /etc/pf.conf is not whole: it is left as it is; take the rest of it out by hand",
            ),
            Note::BlockStays => f.write_str(
                "our call in /etc/pf.conf stays, with nothing in it, since the prompt did not say that the file would \
                 be edited: `portcullis repair` takes it out",
            ),
            Note::PfStaysOff => f.write_str(
                "pf is off, and is not turned on, since the prompt did not say so: nothing is blocked until it is on \
                 (`portcullis guard on`)",
            ),
        }
    }
}

/// `40 s`, `5 min`, `3 h`, `2 days`.
pub fn duration(seconds: Seconds) -> String {
    match seconds {
        ..60 => format!("{} s", seconds.max(0)),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
