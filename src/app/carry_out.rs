//! What a click in the menu does.

use super::{App, AppError, ClickOutcome, OpeningTerms, SourceChoice};
use crate::debuggers::scan;
use crate::elevate::question::{self, Question};
use crate::elevate::{ElevateError, alert};
use crate::menu::{MenuAction, OpenFor, OpenTerms, StoppableProcess};
use crate::os;
use crate::prefs::Preferences;
use crate::rules::end_choice::EndChoice;
use crate::rules::named_port::NamedPort;
use crate::rules::source::Source;

impl App {
    /// Does what a click asks for. What is the tray's own does nothing here.
    pub fn carry_out(&self, action: &MenuAction) -> Result<ClickOutcome, AppError> {
        let preferences = self.preferences();
        let readable = preferences.as_ref().ok();
        match action {
            MenuAction::Open(port, terms) => self.open_one(port, terms, &preferences?)?,
            MenuAction::Close(port) => {
                self.close(std::slice::from_ref(port), readable)?;
            }
            MenuAction::CloseAll => {
                self.close_all(readable)?;
            }
            MenuAction::Reopen(ports) => {
                let preferences = preferences?;
                let terms = self.preferred_terms(&preferences)?;
                self.open(ports, terms, None, &preferences)?;
            }
            MenuAction::Undo(number) => {
                let preview = self.undo_preview(Some(*number))?;
                // No password is asked for what only closes.
                match preview.closes_alone() {
                    Some(ports) => self.close(&ports, readable)?,
                    None => self.undo(&preview)?,
                };
            }
            MenuAction::Guard(true) => {
                self.guard_on(&preferences?)?;
            }
            MenuAction::Guard(false) => {
                self.guard_off(readable)?;
            }
            MenuAction::Check => {
                self.check(readable)?;
            }
            MenuAction::Repair => {
                self.repair()?;
            }
            MenuAction::Install => {
                self.install()?;
            }
            MenuAction::InstallCommandLine => {
                self.install_command()?;
            }
            MenuAction::EndOfDay(at) => {
                self.set_end_of_day(*at)?;
            }
            MenuAction::Uninstall => {
                self.uninstall(true)?;
            }
            MenuAction::Stop(process) => self.stop(process)?,
            MenuAction::Prefer { key, value } => self.set_preference(key, value)?,
            MenuAction::OpenPreferences => return self.show_preferences(),
            MenuAction::Show(command) => return self.show_command(*command),
            MenuAction::Copy { port, client, elsewhere } => {
                self.copy_settings(*port, client, *elsewhere)?;
                return Ok(ClickOutcome::Copied);
            }
            MenuAction::CopyText(text) => {
                os::clipboard::copy(text)?;
                return Ok(ClickOutcome::Copied);
            }
            MenuAction::Say { title, text } => alert::show(self.system(), title, text),
            MenuAction::SayFailure | MenuAction::Cancel | MenuAction::Quit => {}
        }
        Ok(ClickOutcome::Done)
    }

    /// As the preferences say.
    fn preferred_terms(&self, preferences: &Preferences) -> Result<OpeningTerms, AppError> {
        let from = self.source(&SourceChoice::parse([preferences.from.as_str()])?)?;
        Ok(OpeningTerms { from, end: preferences.end(), stay: false })
    }

    fn open_one(
        &self,
        port: &NamedPort,
        terms: &OpenTerms,
        preferences: &Preferences,
    ) -> Result<(), AppError> {
        let openings = self.ledger().unwrap_or_default().openings;
        let open = openings.into_iter().find(|opening| opening.port == port.range);
        let kept = open.as_ref().map(|opening| EndChoice::of(opening, self.system.now()));
        let stay = open.as_ref().is_some_and(|opening| opening.stay);
        let from = match (&terms.from, open.map(|opening| opening.from)) {
            (Some(OpenFor::Network), _) => self.source(&SourceChoice::Lan)?,
            (Some(OpenFor::Anyone), _) => Source::Any,
            (Some(OpenFor::Also(address)), now) => also(now, (*address).into()),
            (None, Some(now)) if terms.end.is_some() => now,
            (None, _) => self.preferred_terms(preferences)?.from,
        };
        // Whoever is let in beside, the port closes when it would have.
        let end = terms.end.or(kept.filter(|_| terms.from.is_some())).unwrap_or_else(|| preferences.end());
        let terms = OpeningTerms { from, end, stay };
        self.open(std::slice::from_ref(port), terms, None, preferences)?;
        Ok(())
    }

    fn copy_settings(&self, port: u16, client: &str, elsewhere: bool) -> Result<(), AppError> {
        let preferences = self.preferences();
        let here = self.connection(port, None, &preferences)?;
        let host = elsewhere.then(|| here.addresses.first()).flatten().map(ToString::to_string);
        let found = match host {
            Some(host) => self.connection(port, Some(&host), &preferences)?,
            None if elsewhere => return Err(AppError::NoAddress { client: client.to_owned() }),
            None => here,
        };
        self.copy_setting(&found, client)?;
        Ok(())
    }

    /// Asks, looks once more, and ends it: a number may be another program's by now, and a session is never cut.
    fn stop(&self, process: &StoppableProcess) -> Result<(), AppError> {
        let StoppableProcess { port, pid, name } = process;
        let question = Question {
            title: format!("Stop {name} ({pid})?"),
            message: format!("It listens on port {port}. What it has not saved is lost."),
            yes: "Stop",
            no: "Leave It Running",
        };
        if question::ask(self.system(), &question, &self.cancellation)? != Some(true) {
            return Err(ElevateError::Cancelled.into());
        }
        let gone = || AppError::NotStopped { port: *port, pid: *pid };
        let observed = self.observe(&self.preferences(), &[], scan::look_well, &mut self.app_firewall())?;
        let found = self.stoppable(&observed).into_iter().find(|found| found == process).ok_or_else(gone)?;
        os::end_process(found.pid).map_err(|_| gone())
    }
}

/// These, and one more.
fn also(now: Option<Source>, address: ipnet::IpNet) -> Source {
    let mut hosts = match now {
        Some(Source::Any) => return Source::Any,
        Some(Source::Lan { networks: hosts } | Source::Hosts { hosts }) => hosts,
        None => Vec::new(),
    };
    hosts.push(address);
    hosts.sort();
    hosts.dedup();
    Source::Hosts { hosts }
}
