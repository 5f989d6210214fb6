//! The ports that are known without the preferences, so that what is open can be seen and closed while they do not read.

use super::error::AppError;
use super::read_preferences::ReadPreferences;
use crate::debuggers::ports::{DebugPort, usual_ports};
use crate::prefs::Preferences;
use crate::report::ReportFact;
use crate::rules::ledger::{Ledger, Opening};
use crate::rules::named_port::{ListProblem, NamedPort, PortsError, parse_ports};

/// What is open and what is ours to close.
pub struct LedgerPorts {
    open: Vec<NamedPort>,
    managed: Vec<NamedPort>,
}

impl LedgerPorts {
    /// By the ledger; where that does not read, by what root last saw, however long ago.
    pub fn of(ledger: Option<Ledger>, report: &ReportFact) -> Self {
        let open = |openings: &[Opening]| openings.iter().map(Opening::named_port).collect();
        match (ledger, report) {
            (Some(Ledger { openings, managed, .. }), _) => LedgerPorts { open: open(&openings), managed },
            (None, ReportFact::Read(report)) => {
                LedgerPorts { open: open(&report.openings), managed: report.managed.clone() }
            }
            (None, _) => LedgerPorts { open: Vec::new(), managed: Vec::new() },
        }
    }

    /// The ports to show: the usual ones where it has none.
    pub fn shown(&self) -> Vec<DebugPort> {
        let only_open =
            self.open.iter().filter(|open| !self.managed.iter().any(|managed| managed.range == open.range));
        let mut all: Vec<DebugPort> = self.managed.iter().chain(only_open).map(debug_port).collect();
        if all.is_empty() {
            return Preferences::default().shown();
        }
        // In the order in which they usually stand: a row is not to be elsewhere because a file does not read.
        let usual = usual_ports();
        let place = |port: &DebugPort| usual.iter().position(|usual| usual.port == port.port);
        all.sort_by_key(|port| place(port).unwrap_or(usual.len()));
        all
    }

    /// Reads what a user types for ports: by the preferences, and where these do not read by [`LedgerPorts::parse`].
    pub fn named(
        text: &str,
        preferences: &ReadPreferences,
        known: impl FnOnce() -> Self,
    ) -> Result<Vec<NamedPort>, AppError> {
        match preferences {
            Ok(preferences) => Ok(preferences.ports(text)?),
            Err(problem) => known().parse(text, problem),
        }
    }

    /// Reads what a user types for ports that are to be closed. A name stands for what is open by it, or else for what
    /// is ours to close by it, or else for the usual port of that name. `preferences` says why they do not read.
    pub fn parse(&self, text: &str, preferences: &AppError) -> Result<Vec<NamedPort>, AppError> {
        let mut known = self.open.clone();
        let usual = usual_ports().iter().map(DebugPort::named_port).collect();
        for ports in [self.managed.clone(), usual] {
            let is_new = |port: &NamedPort| !known.iter().any(|other| other.name == port.name);
            let fresh: Vec<NamedPort> = ports.into_iter().filter(is_new).collect();
            known.extend(fresh);
        }
        parse_ports(text, &known).map_err(|error| match error {
            PortsError::List { piece, column, problem: ListProblem::UnknownName { .. } } => {
                AppError::NameNeedsPreferences {
                    name: format!("\"{}\" at column {column}", piece.escape_debug()),
                    open: self.open_in_words(),
                    preferences: preferences.to_string(),
                }
            }
            error => error.into(),
        })
    }

    fn open_in_words(&self) -> String {
        let numbers: Vec<String> = self.open.iter().map(|port| port.range.to_string()).collect();
        if numbers.is_empty() {
            "no port is open".to_owned()
        } else {
            format!("open: {}", numbers.join(", "))
        }
    }
}

/// With the title of the usual port of that number.
fn debug_port(port: &NamedPort) -> DebugPort {
    let usual = usual_ports().into_iter().find(|usual| usual.port == port.range);
    DebugPort { name: port.name.clone(), ..usual.unwrap_or_else(|| DebugPort::untitled(port.range)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefs::PreferencesError;

    fn named(name: &str, range: &str) -> NamedPort {
        NamedPort { name: name.parse().unwrap(), range: range.parse().unwrap() }
    }

    fn ports() -> LedgerPorts {
        let open = vec![named("mine", "7100"), named("many", "7200-7201"), named("many", "7203-7210")];
        LedgerPorts { open, managed: vec![named("dlv", "4000"), named("many", "7200-7210")] }
    }

    fn read(ports: &LedgerPorts, text: &str) -> Result<String, String> {
        let source = PreferencesError::Key("why".to_owned());
        let problem = AppError::Preferences { path: "file".into(), source };
        let found = ports.parse(text, &problem).map_err(|error| error.to_string())?;
        Ok(found.iter().map(NamedPort::to_string).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn a_name_is_looked_up_among_what_is_open_then_ours_then_usual() {
        let ports = ports();
        assert_eq!(read(&ports, "mine").unwrap(), "7100 (mine)");
        assert_eq!(read(&ports, "many").unwrap(), "7200-7201 (many), 7203-7210 (many)");
        assert_eq!(read(&ports, "dlv").unwrap(), "4000 (dlv)");
        assert_eq!(read(&ports, "node,7100,2345").unwrap(), "9229 (node), 7100 (mine), 2345");
        let error = read(&ports, "node,other").unwrap_err();
        assert!(
            error.contains("\"other\" at column 6") && error.contains("open: 7100, 7200-7201"),
            "{error}"
        );
        assert!(read(&ports, "0").unwrap_err().contains("out of range"));
    }

    #[test]
    fn each_port_is_shown_once() {
        let shown = ports().shown();
        let shown: Vec<String> = shown.iter().map(|port| format!("{} {}", port.name, port.port)).collect();
        assert_eq!(shown, ["dlv 4000", "many 7200-7210", "mine 7100", "many 7200-7201", "many 7203-7210"]);
    }
}
