//! Takes lines without effect out of /etc/pf.conf, or puts back what was taken out. The file is replaced as a step of a
//! change like any other: snapshot, journal, check, step, audit.
//!
//! Root goes by its own reading: of the lines that a request carries word for word it takes out only those that it finds to
//! be without effect itself, in the very file that the request was made from.

use crate::os::{FileError, hash};
use crate::pf::load::LoadedConf;
use crate::pf::parse::parse_listing;
use crate::pf::recipes::{UselessLine, Uselessness, useless_lines, without_lines};
use crate::pf::rulesets::{Rulesets, calls_anchor};
use crate::root::conf_lines::{self, ConfLine};
use crate::root::live::Live;
use crate::root::machine::Machine;
use crate::root::plan::Step;
use crate::root::request::Operation;
use crate::root::snapshot::{self, SnapshotError};
use crate::rules::conf::{self, ConfError};
use crate::system::PF_CONF;

/// Why no line is taken out or put back. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum CleanUpError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    Conf(#[from] ConfError),
    #[error("there is no {PF_CONF}")]
    NoConf,
    #[error("{PF_CONF} is not as it was when this was asked: ask again")]
    Changed,
    #[error("{PF_CONF} is not UTF-8: take the lines out by hand")]
    Encoding,
    #[error("line {0} of {PF_CONF} is not what the request says, or is not without effect")]
    NotUseless(u32),
    #[error("line {line} of {PF_CONF} loads the anchor {anchor}, which a program calls by now")]
    Called { line: u32, anchor: String },
    #[error("{PF_CONF} was changed since: put back by hand what is meant still: {0}")]
    ChangedSince(String),
}

/// The step that an operation needs beside the plan of its ledger; `None` where it is about no lines.
pub fn step(machine: &Machine, operation: &Operation, live: &Live) -> Result<Option<Step>, CleanUpError> {
    match operation {
        Operation::CleanUp { sha256, lines } => take_out(machine, sha256, lines, live).map(Some),
        Operation::Undo { change, .. } => match taken_out(machine, *change)? {
            Some(lines) => put_back(machine, *change, &lines).map(Some),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// Whether what an operation does to the lines of the file is done, as the file stands.
pub fn is_made(machine: &Machine, operation: &Operation) -> bool {
    let stand = |lines: &[ConfLine]| {
        let bytes = machine.files.read(PF_CONF).ok().flatten();
        bytes.map(|bytes| conf_lines::stand_in(&bytes, lines))
    };
    match operation {
        Operation::CleanUp { lines, .. } => stand(lines) == Some(false),
        Operation::Undo { change, .. } => match taken_out(machine, *change) {
            Ok(Some(lines)) => stand(&lines) == Some(true),
            _ => true,
        },
        _ => true,
    }
}

/// The lines that a change took out; `None` where it did something else.
pub fn taken_out(machine: &Machine, change: u32) -> Result<Option<Vec<ConfLine>>, CleanUpError> {
    let made = snapshot::read(&machine.files, change)?.change;
    Ok(match made.map(|made| made.operation) {
        Some(Operation::CleanUp { lines, .. }) => Some(lines),
        _ => None,
    })
}

fn take_out(machine: &Machine, sha256: &str, lines: &[ConfLine], live: &Live) -> Result<Step, CleanUpError> {
    let before = machine.files.read(PF_CONF)?.ok_or(CleanUpError::NoConf)?;
    if hash::of_bytes(&before) != sha256 {
        return Err(CleanUpError::Changed);
    }
    let text = std::str::from_utf8(&before).map_err(|_| CleanUpError::Encoding)?;
    let conf = load(machine, text);
    let useless = useless_lines(PF_CONF, text, &conf);
    let is_meant = |found: &&UselessLine, line: &ConfLine| {
        u32::try_from(found.number) == Ok(line.number) && found.text == line.text
    };
    let mut numbers = Vec::new();
    for line in lines {
        let found = useless.iter().find(|found| is_meant(found, line));
        let found = found.ok_or(CleanUpError::NotUseless(line.number))?;
        if let Uselessness::Uncalled { anchor, .. } = &found.why
            && is_called(live, anchor)
        {
            return Err(CleanUpError::Called { line: line.number, anchor: anchor.clone() });
        }
        numbers.push(found.number);
    }
    let after = without_lines(&before, &numbers);
    Ok(Step::Lines { before, after })
}

fn load(machine: &Machine, text: &str) -> LoadedConf {
    Rulesets::load_conf(PF_CONF, text, &mut |path| {
        let bytes = machine.files.read(path)?.ok_or("no such file")?;
        Ok(String::from_utf8(bytes)?)
    })
}

/// Whether the main ruleset that is loaded calls an anchor: a program may have put the call there.
fn is_called(live: &Live, anchor: &str) -> bool {
    let listings = live.rulesets.get("").into_iter().flat_map(|main| [&main.rules, &main.nat]);
    listings
        .map(|listing| parse_listing("", listing))
        .any(|parsed| !parsed.problems.is_empty() || calls_anchor("", &parsed.ruleset, anchor))
}

/// The file as it was, if nothing but our own block has changed in it since.
fn put_back(machine: &Machine, change: u32, lines: &[ConfLine]) -> Result<Step, CleanUpError> {
    let changed = || CleanUpError::ChangedSince(conf_lines::shown(lines));
    let was = snapshot::copy_of(&machine.files, change, PF_CONF)?.ok_or_else(changed)?;
    let before = machine.files.read(PF_CONF)?.ok_or(CleanUpError::NoConf)?;
    let numbers: Vec<usize> = lines.iter().filter_map(|line| usize::try_from(line.number).ok()).collect();
    if conf::remove(&without_lines(&was, &numbers))? != conf::remove(&before)? {
        return Err(changed());
    }
    let own = conf::remove(&was)?;
    let after = if conf::contains(&before)? { conf::add(&own)? } else { own };
    Ok(Step::Lines { before, after })
}
