//! What the status is computed from.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::debuggers::ports::DebugPort;
use crate::diagnosis::PortFacts;
use crate::report::ReportFact;
use crate::rules::ledger::Seconds;

/// What the Application Firewall does with incoming connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppFirewall {
    /// It is off: it stops nothing.
    Off,
    /// It is on: it asks for each program.
    On,
    /// It blocks every incoming connection that is not essential.
    BlockAll,
    /// It could not be read; says why.
    Unknown(String),
}

/// Connections to a port that were begun from elsewhere and that pf blocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempts {
    /// How many.
    pub attempts: u64,
    /// The address of the last one.
    pub last_from: std::net::IpAddr,
    /// When that was.
    pub last: Seconds,
}

/// `3 attempts blocked in the last hour, last from 192.168.1.20`
impl std::fmt::Display for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.attempts {
            1 => write!(f, "1 attempt blocked in the last hour, from {}", self.last_from),
            count => write!(f, "{count} attempts blocked in the last hour, last from {}", self.last_from),
        }
    }
}

/// Everything that the status is computed from.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The lab's directory, where this is a lab.
    pub lab: Option<String>,
    /// Now.
    pub now: Seconds,
    /// This boot.
    pub boot: String,
    /// What root saw.
    pub report: ReportFact,
    /// The ports as they were seen: each that stands alone, those of a range that are in use; or why nobody could look.
    pub seen: Result<Vec<PortFacts>, String>,
    /// The Application Firewall.
    pub app_firewall: AppFirewall,
    /// The ports to show, in order.
    pub ports: Vec<DebugPort>,
    /// Who was blocked in the last hour, by port; `None` where that was not recorded.
    pub blocked: Option<BTreeMap<u16, Attempts>>,
}
