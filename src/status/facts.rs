//! What the status is computed from.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::debuggers::ports::DebugPort;
use crate::diagnosis::PortFacts;
use crate::pf::on_disk::OnDisk;
use crate::report::ReportFact;
use crate::rules::ledger::{Changing, Opening, Seconds};
use crate::system::NetworkFacts;

/// What the Application Firewall does with incoming connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppFirewall {
    Off,
    /// It asks for each program.
    On,
    /// It blocks every incoming connection that is not essential.
    BlockAll,
    /// Holds why it could not be read.
    Unknown(String),
}

/// Connections to a port that were begun from elsewhere and that pf blocked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempts {
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
    pub now: Seconds,
    pub boot: String,
    pub report: ReportFact,
    /// Each port that stands alone, and those of a range that are in use; or why the sockets could not be read.
    pub seen: Result<Vec<PortFacts>, String>,
    pub app_firewall: AppFirewall,
    /// The ports to show, in order.
    pub ports: Vec<DebugPort>,
    /// Blocked attempts of the last hour, by port; `None` where they were not recorded.
    pub blocked: Option<BTreeMap<u16, Attempts>>,
    /// What the ledger has open, which a user can read whatever root saw; `None` where it does not read.
    pub openings: Option<Vec<Opening>>,
    /// The networks that this Mac is on, as far as this program sees them.
    pub networks: Vec<NetworkFacts>,
    /// The interfaces of hardware that have an address.
    pub links: Vec<String>,
    /// The time zone of this machine, for times of day in words.
    pub zone: TimeZone,
    /// Why the ledger does not read, where it does not: then root closes ports, and opens none.
    pub ledger_problem: Option<String>,
    /// A change that was begun and not finished.
    pub interrupted: Option<Changing>,
    /// How /etc/pf.conf as it stands on disk is not what pf holds.
    pub on_disk: Option<OnDisk>,
}

impl Facts {
    /// What is known before anything was looked at; `report` says why there is none.
    pub fn unseen(now: Seconds, report: ReportFact) -> Self {
        Facts {
            lab: None,
            now,
            boot: String::new(),
            report,
            seen: Ok(Vec::new()),
            app_firewall: AppFirewall::Unknown("it was not asked".to_owned()),
            ports: Vec::new(),
            blocked: None,
            openings: None,
            networks: Vec::new(),
            links: Vec::new(),
            zone: TimeZone::UTC,
            ledger_problem: None,
            interrupted: None,
            on_disk: None,
        }
    }
}
