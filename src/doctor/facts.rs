//! What the report is made from.

use std::net::IpAddr;

use super::daemons::Daemons;
use super::project::Project;
use super::toolchain::Toolchain;
use crate::debuggers::delve;
use crate::debuggers::port_view::PortView;
use crate::diagnosis::Assessment;
use crate::pf::on_disk::OnDisk;
use crate::pf::recipes::{FoundRecipe, UselessLine};
use crate::report::{Report, RulesetsReport};
use crate::rules::named_port::NamedPort;
use crate::sockets::Process;
use crate::status::{AppFirewall, Firewall};

/// Everything that the report is made from.
#[derive(Debug, Default)]
pub struct DoctorFacts {
    /// pf, as the status shows it; `None` where there is no status.
    pub firewall: Option<Firewall>,
    /// Whether a change was begun and not finished.
    pub interrupted: bool,
    /// What root saw of pf, where that speaks of now.
    pub seen: Option<Report>,
    /// All that pf held then; `None` where that is not known, or not for this user to read.
    pub rulesets: Option<RulesetsReport>,
    /// How /etc/pf.conf as it stands on disk is not what pf holds.
    pub on_disk: Option<OnDisk>,
    /// The lines of /etc/pf.conf that do nothing, or that pfctl does not take.
    pub useless_lines: Vec<UselessLine>,
    /// The jobs of launchd that are about pf.
    pub daemons: Daemons,
    /// Settings of a firewall that is gone, in /etc/sysctl.conf.
    pub sysctl_conf: Vec<FoundRecipe>,
    /// What the status says besides: rules of others for a debug port, and the like.
    pub notes: Vec<String>,
    /// What is said where the preferences do not read.
    pub preferences_problem: Option<String>,
    /// Why the ledger does not read, where it does not.
    pub ledger_problem: Option<String>,
    /// The ports that our rules close, and that pf lets other machines in to.
    pub let_in: Vec<NamedPort>,
    /// The Application Firewall; `None` where it was not asked.
    pub app_firewall: Option<AppFirewall>,
    /// Whether its stealth mode is on; `None` where it was not asked.
    pub stealth_mode: Option<bool>,
    /// The debug ports that are in use, shown or named by the project.
    pub ports: Vec<ExaminedPort>,
    /// The addresses of this machine, loopback apart.
    pub addresses: Vec<IpAddr>,
    /// Why sockets may be missing, where they may.
    pub blind_spot: Option<String>,
    /// The processes that [`crate::debuggers::may_linger`] names.
    pub processes: Vec<Process>,
    /// Go and Delve.
    pub toolchain: Toolchain,
    /// The current project's debug configurations.
    pub project: Project,
    /// The version of macOS, such as `(15, 1)`; `None` elsewhere.
    pub macos: Option<(u32, u32)>,
    /// Whether this Mac has Apple silicon; `None` where this is no Mac.
    pub apple_silicon: Option<bool>,
    /// What `DevToolsSecurity -status` printed, where it could be asked.
    pub developer_tools: Option<String>,
}

/// A debug port, and what is said of it.
#[derive(Debug)]
pub struct ExaminedPort {
    /// What the socket table shows.
    pub view: PortView,
    /// What that comes to.
    pub said: Assessment,
    /// The version of its debugger, where the program's file tells.
    pub version: Option<String>,
}

impl DoctorFacts {
    /// Whether Go is debugged here.
    pub fn is_about_go(&self) -> bool {
        let is_go = |process: &Process| process.name.as_deref().is_some_and(delve::is_delve_or_go);
        self.project.is_go || self.processes.iter().any(is_go)
    }
}
