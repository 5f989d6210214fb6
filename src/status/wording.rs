//! The words for what root saw, in English. Another language is another file with the same functions.

use std::fmt;

use crate::diagnosis::Answer;
use crate::port::PortRange;
use crate::report::{ForeignPlace, Note, Reason, Unusable};
use crate::rules::ledger::{Attachment, Seconds};

/// The whole status while a change is not finished.
pub const INTERRUPTED: &str = "Not known: a change was interrupted";

/// Of a port that is open.
pub const WHO_IS_NOT_KNOWN: &str = "who gets in is not known";
/// Of a port that is open for some.
pub const OTHERS_NOT_KNOWN: &str = "others perhaps not kept out";

/// Nothing keeps pf on but what others hold.
pub const HOLD_TAKEN: &str = "our hold on pf was taken, so pf goes off when others let go of it: turn the guard on again (`portcullis guard on`)";

/// What is open is not blocked, since the guard is off, and not let in by a rule of ours either.
pub const OPENING_GONE: &str = "our rules for what is open are gone from pf, which another program has flushed or loaded anew: `portcullis repair` puts them back";

pub fn unusable_ledger(because: &str) -> String {
    format!(
        "the ledger of what is open cannot be used ({because}): nothing more is opened until `portcullis close --all` begins a new one"
    )
}

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
            Note::ForeignRule { place, port } => {
                match place {
                    ForeignPlace::Main => f.write_str("the main ruleset")?,
                    ForeignPlace::Anchor(path) => write!(f, "the anchor {path}")?,
                    ForeignPlace::File { path, .. } => f.write_str(path)?,
                }
                write!(f, " has a rule for port {port} that is not ours: it is left alone")?;
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
            Note::Exception { clients, ports, answer, rule } => {
                let ports = ports_in_words(ports);
                let rule = match rule {
                    Some(rule) if rule.anchor.is_empty() => format!("{rule} of the main ruleset"),
                    Some(rule) => rule.to_string(),
                    None => "a rule of others".to_owned(),
                };
                match answer {
                    Answer::Yes => write!(f, "{rule} lets {clients} in to {ports}, which our rules close"),
                    Answer::No => write!(f, "{rule} keeps {clients} out of {ports}, which our rules open"),
                    Answer::Unknown => {
                        write!(f, "whether a rule of others lets {clients} in to {ports} is not known")
                    }
                }
            }
            Note::ClassicCallStays => f.write_str(
                "the call of our classic anchor stays loaded until this Mac restarts: the loaded ruleset is not \
                 seen to be the one of /etc/pf.conf, and loading that could lose rules of others; the anchor is empty",
            ),
            Note::NotEvaluated { anchor } => {
                let remedy = if *anchor == Attachment::Classic.anchor() {
                    "run `portcullis repair`; where that changes nothing, `sudo pfctl -f /etc/pf.conf` and then `portcullis repair`"
                } else {
                    "`sudo pfctl -f /etc/pf.conf` loads this Mac's own rules again"
                };
                write!(
                    f,
                    "the loaded main ruleset does not call our anchor {anchor}, so that our rules are without effect: \
                     {remedy}"
                )
            }
            Note::UnreadConf => f.write_str(
                "/etc/pf.conf could not be read, so our block in it stays: look at the file, then run `portcullis repair`",
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

/// All of them as sentences; of many exceptions the first few, since each port has its own.
pub(super) fn notes<'a>(notes: impl Iterator<Item = &'a Note>) -> Vec<String> {
    const MOST: usize = 4;
    let (exceptions, others): (Vec<&Note>, Vec<&Note>) =
        notes.partition(|note| matches!(note, Note::Exception { .. }));
    let more = exceptions.len().saturating_sub(MOST);
    let more =
        (more > 0).then(|| format!("{more} more such rules decide before ours: `portcullis status --json`"));
    let said = others.into_iter().chain(exceptions.into_iter().take(MOST));
    said.map(ToString::to_string).chain(more).collect()
}

/// `port 2345`, `ports 2345, 9229 and 3 more`
fn ports_in_words(ports: &[PortRange]) -> String {
    const MOST: usize = 6;
    let named: Vec<String> = ports.iter().take(MOST).map(ToString::to_string).collect();
    let more = match ports.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let word = if matches!(ports, [one] if one.as_single().is_some()) { "port" } else { "ports" };
    format!("{word} {}{more}", named.join(", "))
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
