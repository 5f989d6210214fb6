//! What the menu is made from: one look, the audit log, the preferences.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{App, AppError, Observation, ReadPreferences, bell};
use crate::menu::{LastChange, MenuDoubt, MenuFacts, MenuOffers, NewOpenings, OfferedUndo, StoppableProcess};
use crate::os;
use crate::port::PortRange;
use crate::prefs::PreferencesError;
use crate::root::audit::AuditLine;
use crate::rules::evening::time_of_day;
use crate::rules::ledger::{Guard, Seconds};
use crate::rules::ledger_change::LedgerChange;
use crate::rules::named_port::NamedPort;
use crate::system::AUDIT;

/// Ports that closed within so many seconds of the last one were open together.
const TOGETHER: Seconds = 3600;

/// The lines of the audit log, read anew when its file is another one: a tray looks every few seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct AuditCache(Arc<Mutex<Option<KnownAudit>>>);

#[derive(Clone, Debug)]
struct KnownAudit {
    written: Option<(SystemTime, u64)>,
    lines: Arc<Vec<AuditLine>>,
}

impl AuditCache {
    /// None where the log cannot be read: then nothing is offered.
    fn lines(&self, app: &App) -> Arc<Vec<AuditLine>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = written(&app.system().place(AUDIT));
        match last.as_ref().filter(|known| known.written == written) {
            Some(known) => Arc::clone(&known.lines),
            None => {
                let lines = Arc::new(app.history().map(|log| log.lines).unwrap_or_default());
                Arc::clone(&last.insert(KnownAudit { written, lines }).lines)
            }
        }
    }
}

fn written(path: &Path) -> Option<(SystemTime, u64)> {
    let log = std::fs::metadata(path).ok()?;
    Some((log.modified().ok()?, log.len()))
}

impl App {
    /// What the menu is made from.
    pub fn menu_facts(&self, observed: &Observation, preferences: &ReadPreferences) -> MenuFacts {
        let evidence = &observed.evidence;
        let (now, zone) = (evidence.now, &evidence.zone);
        let lines = self.audit.lines(self);
        let ledger = evidence.ledger.as_ref();
        let openings = ledger.map(|ledger| ledger.openings.as_slice()).unwrap_or_default();
        let doubt = match preferences {
            Err(problem) => Some(MenuDoubt::Preferences(place(problem))),
            Ok(_) if evidence.ledger_problem.is_some() => Some(MenuDoubt::Ledger),
            Ok(_) => self.job.note(self.system(), openings).map(|_| MenuDoubt::NothingClosesByItself),
        };
        let changes = || lines.iter().rev().filter_map(|line| Some((line, line.change.as_ref()?)));
        let last = changes().find(|(line, change)| line.ok && !is_empty(change));
        let undo = self.undo_preview(None).ok().and_then(|preview| {
            let number = preview.change.number;
            let (line, change) = changes().find(|(line, _)| line.snapshot == Some(number))?;
            let change = last_change(line, change, now, zone);
            let closes = preview.closes_alone().filter(|ports| bell::may_close(&preview.now, ports));
            Some(OfferedUndo { change, is_closing: closes.is_some() && self.job.runs(self.system()) })
        });
        let offers = MenuOffers {
            is_first_run: evidence.ledger_problem.is_none()
                && ledger.is_none_or(|ledger| ledger.guard == Guard::Unset),
            last_change: last.map(|(line, change)| last_change(line, change, now, zone)),
            undo,
            last_time: last_time(&lines, start_of_day(now, zone)),
            doubt,
            stoppable: self.stoppable(observed),
            new_openings: preferences.as_ref().ok().map(NewOpenings::of),
            icon: preferences.as_ref().ok().map(|preferences| preferences.icon),
            end_of_day: ledger.and_then(|ledger| ledger.end_of_day).unwrap_or_default(),
        };
        MenuFacts { status: observed.status.clone(), offers }
    }

    /// The user's own programs that listen and serve no client.
    pub(super) fn stoppable(&self, observed: &Observation) -> Vec<StoppableProcess> {
        let own = os::user_of(os::own_uid());
        let views = observed.look.iter().flat_map(|look| &look.views);
        let idle = views.filter(|view| view.sessions.is_empty() && !view.listeners.is_empty());
        let of_view = |view: &crate::debuggers::port_view::PortView| {
            let process = view.process.as_ref().filter(|process| process.user.as_ref() == Some(&own))?;
            let name = process.name.clone()?;
            Some(StoppableProcess { port: view.port, pid: process.pid, name })
        };
        idle.filter_map(of_view).collect()
    }
}

/// Where in the file the mistake is.
fn place(problem: &AppError) -> String {
    match problem {
        AppError::Preferences { source: PreferencesError::Text { line, column, .. }, .. } => {
            format!("line {line}, column {column}")
        }
        AppError::Preferences { .. } => "a value that cannot be".to_owned(),
        _ => "the file cannot be read".to_owned(),
    }
}

fn is_empty(change: &LedgerChange) -> bool {
    change.guard.is_none() && opened(change).next().is_none() && closed(change).next().is_none()
}

fn last_change(line: &AuditLine, change: &LedgerChange, now: Seconds, zone: &TimeZone) -> LastChange {
    LastChange {
        number: line.snapshot,
        clock: time_of_day(line.time, now, zone),
        opened: opened(change).map(|port| port.range).collect(),
        closed: closed(change).map(|port| port.range).collect(),
        guard: change.guard.map(|(_, after)| after == Guard::On),
    }
}

/// What the change opened, or opened otherwise.
fn opened(change: &LedgerChange) -> impl Iterator<Item = NamedPort> {
    let differs = change.ports.iter().filter(|port| port.before.opening != port.after.opening);
    differs.filter_map(|port| {
        let name = port.after.opening.as_ref()?.name.clone();
        Some(NamedPort { name, range: port.port })
    })
}

fn closed(change: &LedgerChange) -> impl Iterator<Item = NamedPort> {
    change.ports.iter().filter(|port| port.after.opening.is_none()).filter_map(|port| {
        let name = port.before.opening.as_ref()?.name.clone();
        Some(NamedPort { name, range: port.port })
    })
}

/// The ports that were open together when the last of them closed before `today`.
fn last_time(lines: &[AuditLine], today: Seconds) -> Vec<NamedPort> {
    let mut open: BTreeMap<PortRange, NamedPort> = BTreeMap::new();
    // Those that closed since the last one opened, with when.
    let mut ended: Vec<(Seconds, NamedPort)> = Vec::new();
    let mut last = Vec::new();
    let earlier = lines.iter().filter(|line| line.time < today);
    for (line, change) in earlier.filter_map(|line| Some((line, line.change.as_ref()?))) {
        for port in opened(change) {
            open.insert(port.range, port);
        }
        for port in closed(change) {
            ended.extend(open.remove(&port.range).map(|port| (line.time, port)));
        }
        if open.is_empty() && !ended.is_empty() {
            let together = |(time, _): &(Seconds, NamedPort)| line.time.saturating_sub(*time) <= TOGETHER;
            last = ended.drain(..).filter(together).map(|(_, port)| port).collect();
        }
    }
    last.sort_by_key(|port: &NamedPort| port.range);
    last.dedup();
    last
}

fn start_of_day(now: Seconds, zone: &TimeZone) -> Seconds {
    let start = Timestamp::from_second(now).ok().and_then(|now| {
        let today = zone.to_datetime(now).date();
        zone.to_ambiguous_timestamp(today.at(0, 0, 0, 0)).compatible().ok()
    });
    start.map_or(now, |start| start.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ledger::Ledger;
    use crate::rules::sample::opening;

    /// A line of the log at this time, by which these ports are open after these were.
    fn line(time: Seconds, before: &[&str], after: &[&str]) -> AuditLine {
        let ledger = |ports: &[&str]| {
            let mut ledger = Ledger::default();
            ports.iter().for_each(|port| ledger.open(opening(port, "any", 1)));
            ledger
        };
        let change = LedgerChange::between(&ledger(before), &ledger(after));
        let line = serde_json::json!({
            "version": 2, "time": time, "uid": 0, "by": "ada", "helper": {"version": "1", "sha256": null},
            "ok": true, "outcome": "changed", "message": "", "snapshot": 1, "change": change,
        });
        serde_json::from_value(line).unwrap()
    }

    fn ranges(ports: &[NamedPort]) -> String {
        ports.iter().map(|port| port.range.to_string()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_ports_of_last_time_are_those_that_were_open_together() {
        let lines = [
            line(100, &[], &["5005"]),
            line(200, &["5005"], &[]),
            line(1000, &[], &["2345"]),
            line(2000, &["2345"], &["2345", "9229"]),
            line(3000, &["2345", "9229"], &["9229"]),
            line(3100, &["9229"], &[]),
            line(90_000, &[], &["5678"]),
            line(91_000, &["5678"], &[]),
        ];
        assert_eq!(ranges(&last_time(&lines, 86_400)), "2345 9229");
        assert_eq!(ranges(&last_time(&lines, 250)), "5005");
        assert_eq!(ranges(&last_time(&lines, 2500)), "5005", "what is still open then has not closed");
        assert_eq!(ranges(&last_time(&[], 2500)), "");
    }

    #[test]
    fn a_change_is_told_by_what_it_did() {
        let told = |before: &[&str], after: &[&str]| {
            let line = line(50_400, before, after);
            let change = last_change(&line, line.change.as_ref().unwrap(), 50_500, &TimeZone::UTC);
            assert_eq!(change.clock, "14:00");
            let text = |ports: &[PortRange]| ports.iter().map(PortRange::to_string).collect::<String>();
            (text(&change.opened), text(&change.closed))
        };
        assert_eq!(told(&[], &["2345"]), ("2345".to_owned(), String::new()));
        assert_eq!(told(&["2345"], &[]), (String::new(), "2345".to_owned()));
    }
}
