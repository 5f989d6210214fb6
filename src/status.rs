//! Facts in, status out: what icon, menu, command line and JSON all show. Pure.
//!
//! A user cannot read pf on a Mac (`/dev/pf` is root's alone), so what pf looks like comes from a [`Report`]
//! that root wrote, with its time and boot. A report that is too old, or from another boot, or that could not be
//! read, makes everything that hangs on it unknown; unknown is never shown as safe.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::ledger::{Guard, Managed, Opening, Seconds, Source, Way};
use crate::port::{DebugPort, PortName, PortRange};

/// Whether pf filters at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PfState {
    /// pf looks at packets.
    Enabled,
    /// pf looks at nothing: every rule is without effect.
    Disabled,
    /// What was read could not be understood; holds that text.
    Unknown(String),
}

/// Yes, no, or not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// It could not be found out.
    Unknown,
}

/// An answer and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The answer.
    pub answer: Answer,
    /// One clause that says why, such as "no rule matches; pf passes".
    pub because: String,
}

impl Reason {
    /// A reason from its parts.
    pub fn new(answer: Answer, because: impl Into<String>) -> Self {
        Reason { answer, because: because.into() }
    }
}

/// Whether pf lets new TCP connections to one range in, by where they come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PfVerdict {
    /// The ports.
    pub port: PortRange,
    /// From this Mac itself, over lo0.
    pub loopback: Reason,
    /// From the networks this Mac is on, or from the hosts that it was opened for.
    pub network: Reason,
    /// From any other address.
    pub anyone: Reason,
}

/// The rules of one anchor (`""` is the main ruleset) as pfctl printed them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadedRules {
    /// `pfctl -s rules`: scrub and filter rules, anchor calls.
    pub rules: String,
    /// `pfctl -s nat`: translation rules and their anchor calls.
    pub nat: String,
    /// Addresses of each table.
    pub tables: BTreeMap<String, Vec<String>>,
}

/// What root saw and did, as it stands in `status.json`: the only thing a user knows of pf on a Mac.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form: [`Report::VERSION`].
    pub version: u32,
    /// When root looked.
    pub seen: Seconds,
    /// The boot in which root looked: as [`crate::os::boot_id`] gives it.
    pub boot: String,
    /// Whether pf filters.
    pub pf: PfState,
    /// How many hold pf enabled, ours among them; `None` where it could not be read.
    pub references: Option<usize>,
    /// The guard.
    pub guard: Guard,
    /// The way our rules are evaluated, where there are rules of ours.
    pub way: Option<Way>,
    /// What is open.
    pub openings: Vec<Opening>,
    /// What is ours to close.
    pub managed: Vec<Managed>,
    /// pf's verdict for each managed and open range.
    pub verdicts: Vec<PfVerdict>,
    /// What root wants said: a hand-made anchor for the same port, a rule before ours, …
    pub notes: Vec<String>,
    /// The rulesets as they were loaded, by anchor path; `""` is the main ruleset.
    pub rulesets: BTreeMap<String, LoadedRules>,
    /// Interfaces named by `set skip on`.
    pub skip: Vec<String>,
}

impl Report {
    /// The version that this program writes and reads.
    pub const VERSION: u32 = 1;
}

/// What reading the report gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportFact {
    /// There is none: root has not looked yet.
    Missing,
    /// It is there, but cannot be trusted or understood; says why.
    Unreadable(String),
    /// It was read.
    Read(Box<Report>),
}

/// A TCP listener on this machine, as far as the status needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The bound address; unspecified (`0.0.0.0`, `::`) means every address.
    pub address: std::net::IpAddr,
    /// The port in host order.
    pub port: u16,
    /// Process id, where it may be read.
    pub pid: Option<u32>,
    /// Name of the program, where it may be read.
    pub program: Option<String>,
}

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

/// Everything that the status is computed from.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The lab's directory, where this is a lab.
    pub lab: Option<String>,
    /// Now.
    pub now: Seconds,
    /// This boot.
    pub boot: String,
    /// The zone in which times are shown.
    pub zone: jiff::tz::TimeZone,
    /// What root saw.
    pub report: ReportFact,
    /// Who listens, or why that is not known.
    pub listeners: Result<Vec<Listener>, String>,
    /// The Application Firewall.
    pub app_firewall: AppFirewall,
    /// The ports to show, in order.
    pub ports: Vec<DebugPort>,
}

/// What the icon says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Icon {
    /// Every port is closed.
    Closed,
    /// At least one port can be reached from outside.
    Open,
    /// pf is off: nothing is filtered.
    Off,
    /// Not known.
    Unknown,
}

/// The firewall in the JSON form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Firewall {
    /// `enabled`, `disabled` or `unknown`.
    pub state: &'static str,
    /// Why, where it is unknown; else how it is held.
    pub because: String,
    /// The guard: `on`, `off`, `unset`, or `unknown`.
    pub guard: &'static str,
    /// The way our rules are evaluated, where there are any.
    pub way: Option<Way>,
    /// When root last looked.
    pub seen: Option<Seconds>,
    /// How many seconds ago that was.
    pub age: Option<Seconds>,
}

/// What our rules say of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    /// Our anchor passes it.
    Open,
    /// Our anchor blocks it from other machines.
    Closed,
    /// We have no rule for it: the Mac's own policy decides.
    Unmanaged,
    /// What root saw is missing or out of date.
    Unknown,
}

/// Whether a port can be reached, by where from: pf, the Application Firewall and the listener together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reachable {
    /// From this Mac.
    pub loopback: Answer,
    /// From this network, or from the hosts it was opened for.
    pub network: Answer,
    /// From any other address.
    pub anyone: Answer,
}

/// One port in the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortStatus {
    /// A number, or `"first-last"`.
    pub port: PortRange,
    /// Its name.
    pub name: PortName,
    /// What a person calls the server.
    pub title: String,
    /// What our rules say.
    pub state: PortState,
    /// For whom it is open: `any`, `lan`, or hosts; `None` where it is not open.
    pub from: Option<String>,
    /// When it closes by itself.
    pub until: Option<Seconds>,
    /// Who listens, in words; `None` where nobody does or it is not known.
    pub listener: Option<String>,
    /// Whether it can be reached.
    pub reachable: Reachable,
    /// One sentence on it.
    pub because: String,
}

/// What every face shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Version of the JSON form: 1.
    pub version: u32,
    /// The lab's directory, where this is a lab.
    pub lab: Option<String>,
    /// What the icon says.
    pub icon: Icon,
    /// How many of the ports below are open.
    pub open: usize,
    /// The state as a sentence: the menu's first row, the icon's tooltip.
    pub sentence: String,
    /// pf.
    pub firewall: Firewall,
    /// The ports, in the order of the preferences, then others that are open.
    pub ports: Vec<PortStatus>,
    /// What else is to be said.
    pub notes: Vec<String>,
}
