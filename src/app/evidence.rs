//! What this Mac showed at one time, and what every front end makes of it: the one assessment. Nothing is read here.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;

use super::ledger_ports::LedgerPorts;
use super::{AppError, PfConf, ReadPreferences, preferences_note};
use crate::debuggers::port_view::PortView;
use crate::debuggers::ports::DebugPort;
use crate::debuggers::scan::{Scan, WatchedPort};
use crate::diagnosis::PortFacts;
use crate::elevate::quote;
use crate::firewall::{interface_facts, links};
use crate::os::Interface;
use crate::pf::on_disk::OnDisk;
use crate::port::PortRange;
use crate::report::{Report, ReportFact, RulesetsReport};
use crate::rules::ledger::{Changing, Ledger, Opening, Seconds};
use crate::rules::named_port::NamedPort;
use crate::sockets::SocketsError;
use crate::status::{AppFirewall, Attempts, Facts, Status};
use crate::system::NetworkFacts;

/// What this Mac showed at one time: every front end is made from it, and from nothing that it read by itself.
#[derive(Debug)]
pub struct Evidence {
    /// The lab's directory, where this is a lab.
    pub lab: Option<String>,
    pub now: Seconds,
    pub boot: String,
    pub zone: TimeZone,
    /// `None` where it does not read, or there is none.
    pub ledger: Option<Ledger>,
    /// Why the ledger does not read, where it does not.
    pub ledger_problem: Option<String>,
    /// A change that was begun and not finished.
    pub interrupted: Option<Changing>,
    /// What root last saw, where it is of the ledger.
    pub report: ReportFact,
    /// All that pf held then, or why that is not known.
    pub rulesets: Result<RulesetsReport, AppError>,
    /// /etc/pf.conf as it stands on disk; `None` where it cannot be read.
    pub conf: Option<PfConf>,
    /// Loopback apart.
    pub interfaces: Vec<Interface>,
    pub networks: Vec<NetworkFacts>,
}

/// What is looked at beside it.
#[derive(Debug)]
pub struct Beside {
    /// The sockets of the ports that [`Evidence::watched`] gives, or why they could not be read.
    pub look: Result<Scan, SocketsError>,
    /// What pf blocked in the last hour; `None` where it was not recorded.
    pub blocked: Option<BTreeMap<u16, Attempts>>,
}

/// One look at everything.
#[derive(Debug)]
pub struct Observation {
    pub evidence: Evidence,
    pub facts: Facts,
    pub status: Status,
    /// The sockets behind it, or why they could not be read.
    pub look: Result<Scan, SocketsError>,
}

impl Evidence {
    /// [`App::ports_named`](super::App::ports_named), by the ledger as it was read.
    pub fn ports_named(&self, text: &str, preferences: &ReadPreferences) -> Result<Vec<NamedPort>, AppError> {
        LedgerPorts::named(text, preferences, || LedgerPorts::of(self.ledger.clone(), &self.report))
    }

    /// What root saw, where that speaks of now.
    pub fn seen(&self) -> Option<&Report> {
        self.report.usable(self.now, &self.boot).ok()
    }

    /// How /etc/pf.conf is not what pf holds, as far as root saw that and this user may read it.
    pub fn on_disk(&self) -> Option<OnDisk> {
        self.conf.as_ref()?.on_disk(self.seen(), self.rulesets.as_ref().ok())
    }

    /// The ports to look at: those that are shown, those that are open, and `more`.
    pub fn watched(&self, preferences: &ReadPreferences, more: &[PortRange]) -> Vec<WatchedPort> {
        let shown = self.shown(preferences);
        let shown = shown.iter().map(|port| WatchedPort { range: port.port, debugger: port.debugger });
        let others = self.openings().iter().map(|opening| opening.port).chain(more.iter().copied());
        shown.chain(others.map(WatchedPort::from)).collect()
    }

    fn shown(&self, preferences: &ReadPreferences) -> Vec<DebugPort> {
        match preferences {
            Ok(preferences) => preferences.shown(),
            Err(_) => LedgerPorts::of(self.ledger.clone(), &self.report).shown(),
        }
    }

    /// By the ledger; where that does not read, by what root last saw.
    pub fn openings(&self) -> &[Opening] {
        match (&self.ledger, &self.report) {
            (Some(ledger), _) => &ledger.openings,
            (None, ReportFact::Read(report)) => &report.openings,
            _ => &[],
        }
    }
}

impl Observation {
    /// What the evidence comes to. `blocks` tells whether the Application Firewall, which is in the state `app_firewall`,
    /// says that it blocks a program: it is asked only about what other machines can address.
    pub fn of(
        evidence: Evidence,
        preferences: &ReadPreferences,
        Beside { look, blocked }: Beside,
        app_firewall: AppFirewall,
        blocks: &mut dyn FnMut(&Path) -> bool,
    ) -> Self {
        let facts = Facts {
            lab: evidence.lab.clone(),
            now: evidence.now,
            on_disk: evidence.on_disk(),
            boot: evidence.boot.clone(),
            report: evidence.report.clone(),
            seen: look.as_ref().map(|look| seen(look, blocks)).map_err(ToString::to_string),
            app_firewall,
            ports: evidence.shown(preferences),
            blocked,
            ledger_problem: evidence.ledger_problem.clone(),
            openings: evidence.ledger.as_ref().map(|ledger| ledger.openings.clone()),
            networks: evidence.networks.clone(),
            links: links(&interface_facts(&evidence.interfaces)),
            zone: evidence.zone.clone(),
            interrupted: evidence.interrupted.clone(),
        };
        let mut status = Status::of(&facts);
        if let Err(problem) = preferences {
            status.notes.insert(0, preferences_note(problem));
            status.listed = None;
        }
        Observation { evidence, facts, status, look }
    }
}

/// What root last saw, where it is of the `ledger`.
pub fn of_ledger(fact: ReportFact, ledger: Option<&Ledger>) -> ReportFact {
    match ledger {
        // A change that is under way shows when it is done, or as interrupted.
        Some(ledger) if ledger.changing.is_none() => fact.held_to(ledger),
        _ => fact,
    }
}

/// The ports as they were seen.
fn seen(look: &Scan, blocks: &mut dyn FnMut(&Path) -> bool) -> Vec<PortFacts> {
    let of_view = |view: &PortView| {
        let mut seen = view.seen();
        if seen.is_outside()
            && let Some(path) = view.process.as_ref().and_then(|process| process.path.as_deref())
        {
            seen.is_blocked = blocks(path);
            // What is not text cannot be typed either.
            seen.subject.program_file = path.to_str().map(quote::sh);
        }
        seen
    };
    look.views.iter().map(of_view).collect()
}
