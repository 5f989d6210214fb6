//! What launchd has root do each minute: what is due, and nothing where nothing is.
//!
//! A bell and a journal come first, then what is over. With nothing due and a look at pf younger than ten minutes no program
//! is run at all.

use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use crate::firewall;
use crate::os;
use crate::os::FileError;
use crate::report::{Note, PfState, Report, ReportFact, RulesetsReport};
use crate::root::answer::{Outcome, Response};
use crate::root::apply::apply;
use crate::root::audit::{self, AuditedRequest};
use crate::root::bell::{self, RungBell};
use crate::root::caller::request_name;
use crate::root::job::InstalledJob;
use crate::root::journal::Journal;
use crate::root::ledger_file::{self, LedgerOnDisk};
use crate::root::permissions::AskedBy;
use crate::root::report;
use crate::root::request::{Operation, Request};
use crate::root::sweep::sweep;
use crate::rules::evening;
use crate::rules::ledger::{Guard, Ledger, Seconds, Visit};
use crate::system::{JOURNAL, LOCK, PF_CONF, RULESETS, STATUS, System};

/// How long it waits for a request that is under way.
const PATIENCE: Duration = Duration::from_secs(60);
/// How old a look at pf may be, in seconds.
const FRESH: Seconds = 10 * 60;
/// For how many seconds after the start macOS may still load the ruleset that is to call our anchor.
const EARLY: u64 = 10 * 60;
const NOTHING_DUE: &str = "nothing was due; nothing was changed";

/// One tick, as launchd asks for it: without a line in the audit where it changed nothing.
pub fn run(system: &dyn System, request: &Request) -> Response {
    // A copy that was changed does nothing, not even close: who could change it is root already, or was.
    if let Err(changed) = InstalledJob::read(&system.files()) {
        let message = format!(
            "the installed helper does nothing: {changed}; `portcullis install` puts it right; nothing was changed"
        );
        return refused(system, request, message);
    }
    // One that is worn out and stays costs a start now and then.
    let _ = bell::renew_ring(&system.files());
    let rung = answer_bells(system);
    after_bells(rung, what_is_due(system, request))
}

fn what_is_due(system: &dyn System, request: &Request) -> Response {
    match rest(system) {
        Ok(Rest::Nothing) => Response::done(Outcome::Unchanged, NOTHING_DUE),
        Ok(Rest::Later(seconds)) => Response::failed(
            Outcome::Damaged,
            format!(
                "a change was interrupted, and is tried again in {seconds} s; `portcullis repair` tries at once"
            ),
        ),
        // What cannot be known is looked at.
        Ok(Rest::Due) | Err(_) => {
            os::hold_signals();
            apply(system, request, AskedBy::Launchd)
        }
    }
}

/// The same refusal minute by minute has one line in the audit.
fn refused(system: &dyn System, request: &Request, message: String) -> Response {
    let log = audit::read(&system.files()).unwrap_or_default();
    let is_known = log.lines.last().is_some_and(|line| line.message == message);
    let answer = Response::failed(Outcome::Unchanged, message);
    if is_known { answer } else { audit::record(system, AuditedRequest::Valid(request), answer) }
}

/// Closes what was rung for, each user's as one request of that user's. What cannot be closed stays rung. Gives the last
/// answer; `None` where no bell was rung.
pub fn answer_bells(system: &dyn System) -> Option<Response> {
    let files = system.files();
    let LedgerOnDisk::Whole(ledger) = ledger_file::read(&files).ok()? else { return None };
    let (rung, made) = (bell::rung(&files, &ledger).ok()?, system.moment().ok()?);
    let close = |RungBell { user, ports, is_all }| {
        let closing = if is_all { Operation::CloseAll {} } else { Operation::Close { ports } };
        os::hold_signals();
        apply(system, &Request::new(closing, &request_name(user), made.clone()), AskedBy::Launchd)
    };
    rung.into_iter().map(close).reduce(|before, last| after_bells(Some(before), last))
}

/// The answer to what came after the bells: nothing is unchanged where they changed something.
pub fn after_bells(rung: Option<Response>, then: Response) -> Response {
    let Some(rung) = rung.filter(|_| then.missing.is_empty()) else { return then };
    let outcome = if then.outcome == Outcome::Unchanged { rung.outcome } else { then.outcome };
    let message = match then.message.strip_suffix("; nothing was changed") {
        _ if rung.outcome == Outcome::Unchanged => format!("{}; {}", rung.message, then.message),
        _ if then.message == NOTHING_DUE => rung.message,
        rest => format!("{}; {}", rung.message, rest.unwrap_or(&then.message)),
    };
    Response { ok: rung.ok && then.ok, outcome, message, ..then }
}

/// What a tick has to do.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    Due,
    /// The recovery that failed is not to be tried for so many seconds.
    Later(Seconds),
}

fn rest(system: &dyn System) -> Result<Rest, FileError> {
    let files = system.files();
    let _lock = files.lock(LOCK, PATIENCE)?;
    let now = system.now();
    if files.mode(JOURNAL)?.is_some() {
        let left =
            Journal::read(&files).ok().flatten().map_or(0, |journal| journal.failed_ticks.pause_left(now));
        return Ok(if left > 0 { Rest::Later(left) } else { Rest::Due });
    }
    let LedgerOnDisk::Whole(ledger) = ledger_file::read(&files)? else { return Ok(Rest::Due) };
    let Ok(moment) = system.moment() else { return Ok(Rest::Due) };
    if ledger.openings.iter().any(|opening| opening.is_over(&moment)) || ends_earlier(system, &ledger, now) {
        return Ok(Rest::Due);
    }
    if is_elsewhere(system, &ledger) {
        return Ok(Rest::Due);
    }
    if !bell::rung(&files, &ledger)?.is_empty() {
        return Ok(Rest::Due);
    }
    let report = files.read(STATUS)?.map_or(ReportFact::Missing, |bytes| ReportFact::read(&bytes));
    match report.held_to(&ledger) {
        ReportFact::Read(report)
            if says_enough(&report, &ledger, &moment.boot, now)
                && (is_evaluated(&report) || moment.clock > EARLY)
                && !was_edited(system)
                && is_connected_alike(system, &report)
                && wants_the_same(system, &report, &ledger)? =>
        {
            sweep(&files);
            Ok(Rest::Nothing)
        }
        _ => Ok(Rest::Due),
    }
}

/// Whether the evening has come to be earlier than it was.
fn ends_earlier(system: &dyn System, ledger: &Ledger, now: Seconds) -> bool {
    let mut evenings = ledger.openings.iter().filter(|opening| opening.may_last_longer()).peekable();
    // The zone is read only where it is needed.
    evenings.peek().is_some() && {
        let evening = evening::evening(now, ledger.end_of_day.unwrap_or_default(), &system.zone());
        evenings.any(|opening| opening.until.is_some_and(|until| until > evening.until))
    }
}

/// Whether something that is open has to pause, to come back, or to end by the networks that this Mac is on. No program is
/// run for it.
fn is_elsewhere(system: &dyn System, ledger: &Ledger) -> bool {
    !ledger.openings.is_empty() && {
        let mut followed = ledger.clone();
        followed.follow(&system.network_facts().unwrap_or_default(), Visit::Tick);
        followed.openings != ledger.openings
    }
}

/// Whether pf.conf was edited after the last look was written down.
pub fn was_edited(system: &dyn System) -> bool {
    let written = |path: &str| {
        let meta = system.place(path).metadata().ok()?;
        Some((meta.mtime(), meta.mtime_nsec()))
    };
    written(PF_CONF) > written(STATUS)
}

/// Whether this Mac has the interfaces that pf was asked about: rules of others may hold on some of them alone.
fn is_connected_alike(system: &dyn System, report: &Report) -> bool {
    report.links == firewall::links(&firewall::interfaces(system))
}

/// Whether the ledger comes to the rules that it came to when pf was looked at: on other interfaces it comes to others.
fn wants_the_same(system: &dyn System, report: &Report, ledger: &Ledger) -> Result<bool, FileError> {
    let Some(bytes) = system.files().read(RULESETS)? else { return Ok(false) };
    let Ok(seen) = serde_json::from_slice::<RulesetsReport>(&bytes) else { return Ok(false) };
    Ok(seen.belongs_to(report) && seen.wanted == report::wanted(ledger, &firewall::interfaces(system)))
}

/// Whether a look is of now, and saw pf do what the ledger says.
fn says_enough(report: &Report, ledger: &Ledger, boot: &str, now: Seconds) -> bool {
    let age = now.saturating_sub(report.seen);
    let is_on = report.pf == PfState::Enabled || ledger.guard != Guard::On;
    report.boot == boot && (0..FRESH).contains(&age) && is_on && report.way == ledger.way
}

fn is_evaluated(report: &Report) -> bool {
    !report.notes.iter().any(|note| matches!(note, Note::NotEvaluated { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_look_is_enough_for_ten_minutes_of_its_boot() {
        let report = sample::all_closed(vec![]);
        let ledger = Ledger { guard: report.guard, way: report.way, ..Ledger::default() };
        let enough = |boot: &str, now| says_enough(&report, &ledger, boot, now);
        let (boot, seen) = (report.boot.as_str(), report.seen);
        assert!(enough(boot, seen) && enough(boot, seen + FRESH - 1));
        assert!(!enough(boot, seen + FRESH) && !enough(boot, seen - 1) && !enough("other", seen));
        let off = Report { pf: PfState::Disabled, ..report.clone() };
        assert_eq!(says_enough(&off, &ledger, boot, seen), ledger.guard != Guard::On);
        let note = Note::NotEvaluated { anchor: "a".into() };
        assert!(is_evaluated(&report) && !is_evaluated(&Report { notes: vec![note], ..report.clone() }));
    }
}
