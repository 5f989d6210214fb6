//! The ledger as it stands on disk: whole, or damaged; then everything counts as closed.
//!
//! A ledger that does not read refuses what opens and never what closes. What it would have said is taken from what our
//! rules say, loaded and on disk: each has its port's name in its label.

use crate::os::{Expected, FileError, Files};
use crate::root::live::Live;
use crate::root::request::{Operation, RequestError};
use crate::rules::ends::EndKind;
use crate::rules::ledger::{Attachment, Guard, Ledger, LedgerError, PfToken};
use crate::rules::named_port::NamedPort;
use crate::rules::order;
use crate::system::{ANCHOR_FILE, LEDGER, STATE_DIR};

/// What is on disk.
#[derive(Debug)]
pub enum LedgerOnDisk {
    /// Also where there is none yet.
    Whole(Ledger),
    Damaged(DamagedLedger),
}

/// A ledger that cannot be used.
#[derive(Debug)]
pub struct DamagedLedger {
    bytes: Vec<u8>,
    because: LedgerProblem,
}

/// Why a ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerProblem {
    #[error(transparent)]
    Unfit(FileError),
    #[error(transparent)]
    Form(#[from] LedgerError),
    #[error("no request could have led to it: {0}")]
    Bounds(#[from] RequestError),
    #[error("its ranges overlap, or do not rise")]
    Order,
    #[error("it is gone, and {ANCHOR_FILE} is there still")]
    Missing,
}

/// Why nothing is opened. The system is unchanged.
#[derive(Debug, thiserror::Error)]
#[error(
    "the ledger {LEDGER} does not read ({0}), so that nothing is opened: `portcullis close --all` closes every port and keeps it aside"
)]
pub struct NoOpening(#[source] LedgerProblem);

/// Reads the ledger. Errors: its file cannot be read.
pub fn read(files: &Files) -> Result<LedgerOnDisk, FileError> {
    let bytes = match files.read(LEDGER) {
        Ok(Some(bytes)) => bytes,
        // Our anchor file is written after a ledger, and removed before it.
        Ok(None) if files.length(ANCHOR_FILE).is_ok_and(|length| length > 0) => {
            let because = LedgerProblem::Missing;
            return Ok(LedgerOnDisk::Damaged(DamagedLedger { bytes: Vec::new(), because }));
        }
        Ok(None) => return Ok(LedgerOnDisk::Whole(Ledger::default())),
        Err(error) if error.is_unfit() => {
            return Ok(LedgerOnDisk::Damaged(DamagedLedger::unread(error)));
        }
        Err(error) => return Err(error),
    };
    Ok(match parse(&bytes) {
        Ok(ledger) => LedgerOnDisk::Whole(ledger),
        Err(because) => LedgerOnDisk::Damaged(DamagedLedger { bytes, because }),
    })
}

/// The mark of a change that is under way is the journal's business.
fn parse(bytes: &[u8]) -> Result<Ledger, LedgerProblem> {
    let ledger = Ledger { changing: None, ..Ledger::parse(bytes)? };
    for opening in &ledger.openings {
        let (ports, from) = (vec![opening.named_port()], opening.from.clone());
        Operation::Open { ports, from, until: None, ends: EndKind::Time, stay: false }.validate()?;
    }
    let rises = |mut ranges: Vec<crate::port::PortRange>| {
        let before = ranges.clone();
        order::sort(&mut ranges);
        before == ranges && ranges.array_windows().all(|[one, next]| one.last() < next.first())
    };
    let openings = ledger.openings.iter().map(|opening| opening.port).collect();
    let managed = ledger.managed.iter().map(|managed| managed.range).collect();
    if rises(openings) && rises(managed) { Ok(ledger) } else { Err(LedgerProblem::Order) }
}

impl DamagedLedger {
    /// One that cannot be read at all.
    pub fn unread(error: FileError) -> Self {
        DamagedLedger { bytes: Vec::new(), because: LedgerProblem::Unfit(error) }
    }

    /// Why an opening is refused.
    pub fn refusal(self) -> NoOpening {
        NoOpening(self.because)
    }

    /// What became of the ports that it had, as an addition to an answer.
    pub fn consequence(&self) -> String {
        let because = &self.because;
        format!(
            "; the ledger could not be used ({because}): every port that it may have had open is closed too"
        )
    }

    /// Whether there is nothing to read at its place.
    pub fn is_unfit(&self) -> bool {
        matches!(self.because, LedgerProblem::Unfit(_))
    }

    /// Copies it beside its place, so that it can be looked at after another was written there. What cannot be read gets
    /// another name there.
    pub fn keep_aside(&self, files: &Files, stamp: &str) -> Result<(), FileError> {
        if matches!(self.because, LedgerProblem::Missing) {
            return Ok(());
        }
        if self.is_unfit() {
            return files.set_aside(LEDGER, Expected::PlainFile, stamp).map(drop);
        }
        let stamp: String = stamp.chars().filter(char::is_ascii_alphanumeric).collect();
        files.replace(&format!("{STATE_DIR}/ledger.damaged-{stamp}"), &self.bytes, 0o600)
    }

    /// The ledger that counts instead. Nothing is open in it. The guard is on where a rule of ours blocks, loaded or on
    /// disk, and every port that our rules name is managed. A token is ours where its number can still be read from the
    /// bytes, or the kernel lists it under the helper's name. `live` has our own anchors.
    pub fn substitute(&self, files: &Files, live: &Live, boot: &str) -> Result<Ledger, FileError> {
        let file = match files.read(ANCHOR_FILE) {
            Err(error) if error.is_unfit() => None,
            file => file?,
        };
        let file = file.unwrap_or_default();
        let file = String::from_utf8_lossy(&file).into_owned();
        let loaded = |way: Attachment| live.rulesets.get(way.anchor()).map(|rules| rules.rules.as_str());
        let (apple, classic) = (loaded(Attachment::Apple), loaded(Attachment::Classic));
        let texts = [apple, classic, Some(file.as_str())];
        let lines = texts.into_iter().flatten().flat_map(str::lines);
        let mut ledger = Ledger::default();
        for line in lines {
            if line.starts_with("block ") {
                ledger.guard = Guard::On;
            }
            if let Some(port) = labelled(line) {
                ledger.manage(&port);
            }
        }
        let has_rules = |rules: Option<&str>| rules.is_some_and(|rules| !rules.trim().is_empty());
        ledger.way = if !ledger.needs_rules() {
            None
        } else if has_rules(classic) && !has_rules(apple) {
            Some(Attachment::Classic)
        } else {
            Some(Attachment::Apple)
        };
        ledger.token = self.token(live).map(|number| PfToken { number, boot: boot.to_owned() });
        Ok(ledger)
    }

    fn token(&self, live: &Live) -> Option<u64> {
        let text = String::from_utf8_lossy(&self.bytes);
        // A port's number may be that of a token of others.
        let numbered = text.split("\"number\":").skip(1).map(str::trim_start);
        let digits = numbered.filter_map(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next());
        let numbers: Vec<u64> = digits.filter_map(|number| number.parse().ok()).collect();
        let held = live.tokens.iter().flatten();
        // The kernel keeps the first 16 bytes of a name.
        let is_ours = |name: &str| name.starts_with("portcullis") || name.starts_with("dev.portcullis");
        held.filter(|held| numbers.contains(&held.token) || is_ours(&held.process))
            .map(|held| held.token)
            .next()
    }
}

/// The port in the label of a rule of ours.
fn labelled(line: &str) -> Option<NamedPort> {
    let (_, label) = line.split_once("label \"portcullis:")?;
    let (name, range) = label.split_once('"')?.0.split_once(':')?;
    Some(NamedPort { name: name.parse().ok()?, range: range.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sample::opening;
    use crate::rules::seal;

    #[test]
    fn a_ledger_that_no_request_could_have_led_to_is_damaged() {
        let mut ledger = Ledger::default();
        ledger.open(opening("2345", "hosts:10.0.0.1", 0));
        ledger.open(opening("3000-3010", "any", 0));
        ledger.manage(&ledger.openings[0].named_port());
        let text = serde_json::to_string(&ledger).unwrap();
        let file = |text: &str| {
            let content: serde_json::Value = serde_json::from_str(text).unwrap();
            seal::close(&content).unwrap()
        };
        assert_eq!(parse(&file(&text)).unwrap(), ledger);
        assert!(parse(text.as_bytes()).is_err(), "without a hash");
        for (from, to) in [
            ("\"3000-3010\"", "\"2345-3010\""),
            ("\"3000-3010\"", "\"2000-2010\""),
            ("\"3000-3010\"", "\"300-310\""),
            ("\"3000-3010\"", "\"3000-30100\""),
            ("10.0.0.1/32", "10.0.0.1/0"),
            ("10.0.0.1/32", "10.0.0.1/8"),
            ("\"version\":1", "\"version\":2"),
            ("\"kind\":\"any\"", "\"kind\":\"any\",\"hosts\":[]"),
        ] {
            let damaged = text.replace(from, to);
            assert_ne!(damaged, text, "{from}");
            assert!(parse(&file(&damaged)).is_err(), "{damaged}");
        }
    }

    #[test]
    fn a_label_names_its_port() {
        let line = "block return in quick from any to any port = 2345 label \"portcullis:dlv:2345\"";
        assert_eq!(labelled(line).unwrap().to_string(), "2345 (dlv)");
        assert!(labelled("block drop all label \"com.example\"").is_none());
    }
}
