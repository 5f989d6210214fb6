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
    /// Who listens, or why that is not known.
    pub listeners: Result<Vec<Listener>, String>,
    /// The Application Firewall.
    pub app_firewall: AppFirewall,
    /// The ports to show, in order.
    pub ports: Vec<DebugPort>,
    /// Who was blocked in the last hour, by port; `None` where that was not recorded.
    pub blocked: Option<BTreeMap<u16, Attempts>>,
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

/// Yes, no or unknown, by where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reachable {
    /// From this Mac.
    pub loopback: Answer,
    /// From this network, or from the hosts it was opened for.
    pub network: Answer,
    /// From any other address.
    pub anyone: Answer,
}

impl Reachable {
    fn of(reasons: [&Reason; 3]) -> Self {
        let [loopback, network, anyone] = reasons.map(|reason| reason.answer);
        Reachable { loopback, network, anyone }
    }
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
    /// What pf alone would do, whether anybody listens or not.
    pub pf: Reachable,
    /// Whether it can be reached: pf, listener and Application Firewall together.
    pub reachable: Reachable,
    /// One sentence on it.
    pub because: String,
    /// Who was blocked in the last hour; `None` where nobody was, or it was not recorded.
    pub blocked: Option<Attempts>,
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

/// A report older than this many seconds says nothing about now: launchd has root look at least every hour.
pub const STALE_AFTER: Seconds = 65 * 60;

impl Status {
    /// What the facts come to.
    pub fn of(facts: &Facts) -> Status {
        let report = usable(&facts.report, facts.now, &facts.boot);
        let firewall = firewall(facts, &report);
        let ports = ports(facts, &report);
        let exposed: Vec<&PortStatus> = match &report {
            Ok(report) => ports.iter().filter(|port| lets_in(report, port.port) != Answer::No).collect(),
            Err(_) => Vec::new(),
        };
        let unsure = ports.iter().any(|port| port_unsure(&report, port));
        let icon = match report {
            Err(_) => Icon::Unknown,
            Ok(Report { pf: PfState::Unknown(_), .. }) => Icon::Unknown,
            Ok(Report { pf: PfState::Disabled, .. }) => Icon::Off,
            Ok(_) if unsure => Icon::Unknown,
            Ok(_) if exposed.is_empty() => Icon::Closed,
            Ok(_) => Icon::Open,
        };
        let opened = ports.iter().filter(|port| port.state == PortState::Open).count();
        let open = if icon == Icon::Open { exposed.len() } else { opened };
        let sentence = match icon {
            Icon::Closed => "All debug ports are closed".to_owned(),
            Icon::Open => open_sentence(&exposed),
            Icon::Off if opened > 0 => "pf is off: it filters nothing, open or closed".to_owned(),
            Icon::Off => "pf is off: it filters nothing".to_owned(),
            Icon::Unknown => match (&report, ports.iter().find(|port| port_unsure(&report, port))) {
                (Ok(Report { pf: PfState::Enabled, .. }), Some(port)) => {
                    format!("Not known: who reaches port {} ({})", port.port, port.name)
                }
                _ => format!("Not known: {}", firewall.because),
            },
        };
        let mut notes: Vec<String> = report.map_or_else(|_| Vec::new(), |report| report.notes.clone());
        if let Err(because) = &facts.listeners {
            notes.push(format!("who listens is not known: {because}"));
        }
        let lab = facts.lab.clone();
        Status { version: 1, lab, icon, open, sentence, firewall, ports, notes }
    }
}

/// Whether it is not known if pf lets anybody in to the port.
fn port_unsure(report: &Result<&Report, String>, port: &PortStatus) -> bool {
    report.as_ref().is_ok_and(|report| lets_in(report, port.port) == Answer::Unknown)
}

fn open_sentence(exposed: &[&PortStatus]) -> String {
    match exposed {
        [port] => format!("1 port is open: {} ({})", port.port, port.name),
        ports => format!("{} ports are open", ports.len()),
    }
}

/// The report, where it can be trusted to speak of now; else why not.
pub fn usable<'a>(fact: &'a ReportFact, now: Seconds, boot: &str) -> Result<&'a Report, String> {
    match fact {
        ReportFact::Missing => Err("nobody has looked at pf yet".to_owned()),
        ReportFact::Unreadable(because) => Err(because.clone()),
        ReportFact::Read(report) if report.version != Report::VERSION => {
            Err(format!("what root saw is written in form {}, unknown to this version", report.version))
        }
        ReportFact::Read(report) if report.boot != boot => {
            Err("this Mac was restarted since pf was last looked at".to_owned())
        }
        ReportFact::Read(report) if report.seen > now.saturating_add(60) => {
            Err("the clock was set back since pf was last looked at".to_owned())
        }
        ReportFact::Read(report) if now.saturating_sub(report.seen) > STALE_AFTER => {
            Err(format!("pf was last looked at {} ago", duration(now.saturating_sub(report.seen))))
        }
        ReportFact::Read(report) => Ok(report),
    }
}

/// `40 s`, `5 min`, `3 h`, `2 days`.
pub fn duration(seconds: Seconds) -> String {
    match seconds {
        ..60 => format!("{} s", seconds.max(0)),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn firewall(facts: &Facts, report: &Result<&Report, String>) -> Firewall {
    let seen = match &facts.report {
        ReportFact::Read(report) => Some(report.seen),
        _ => None,
    };
    let age = seen.map(|seen| facts.now.saturating_sub(seen));
    let unknown = |because: String| ("unknown", because);
    let (state, because) = match report {
        Err(because) => unknown(because.clone()),
        Ok(report) => match &report.pf {
            PfState::Unknown(text) => unknown(format!("pf's answer was not understood: {text}")),
            PfState::Disabled => ("disabled", "pf is off: every rule is without effect".to_owned()),
            PfState::Enabled => ("enabled", held_by(report)),
        },
    };
    let guard = match report {
        Err(_) => "unknown",
        Ok(Report { guard: Guard::On, .. }) => "on",
        Ok(Report { guard: Guard::Off, .. }) => "off",
        Ok(Report { guard: Guard::Unset, .. }) => "unset",
    };
    Firewall { state, because, guard, way: report.as_ref().ok().and_then(|report| report.way), seen, age }
}

fn held_by(report: &Report) -> String {
    match (report.guard, report.references) {
        (_, None) => "pf is on; who holds it is not known".to_owned(),
        (Guard::On, Some(1)) => "pf is on, held by the guard alone".to_owned(),
        (Guard::On, Some(count)) => {
            format!("pf is on, held by the guard and {} more", count.saturating_sub(1))
        }
        (_, Some(0)) => "pf is on; somebody enabled it for good".to_owned(),
        (_, Some(count)) => format!("pf is on, held by {count}"),
    }
}

/// Whether pf lets anyone but this Mac in to some port of `range`.
fn lets_in(report: &Report, range: PortRange) -> Answer {
    let verdict = report.verdicts.iter().find(|verdict| verdict.port == range);
    match verdict {
        None => Answer::Unknown,
        Some(verdict) => match (verdict.network.answer, verdict.anyone.answer) {
            (Answer::Yes, _) | (_, Answer::Yes) => Answer::Yes,
            (Answer::No, Answer::No) => Answer::No,
            _ => Answer::Unknown,
        },
    }
}

/// The ports that are shown: those of the preferences, then others that are open, with their titles.
fn ports(facts: &Facts, report: &Result<&Report, String>) -> Vec<PortStatus> {
    let openings: &[Opening] = report.as_ref().map_or(&[], |report| &report.openings);
    let shown = facts.ports.iter().map(|port| (port.name.clone(), port.title.clone(), port.port));
    let others = openings
        .iter()
        .filter(|opening| !facts.ports.iter().any(|port| port.port == opening.port))
        .map(|opening| (opening.name.clone(), String::new(), opening.port));
    shown.chain(others).map(|(name, title, port)| port_status(facts, report, name, title, port)).collect()
}

fn port_status(
    facts: &Facts,
    report: &Result<&Report, String>,
    name: PortName,
    title: String,
    port: PortRange,
) -> PortStatus {
    let opening = report.as_ref().ok().and_then(|report| {
        // A wide range may be open in parts: it counts as open, since some of it is.
        report.openings.iter().find(|opening| opening.port.overlaps(port))
    });
    let state = match (report, opening) {
        (Err(_), _) => PortState::Unknown,
        (Ok(_), Some(_)) => PortState::Open,
        (Ok(report), None) if report.guard == Guard::On && is_managed(report, port) => PortState::Closed,
        (Ok(_), None) => PortState::Unmanaged,
    };
    let bound = Bound::of(facts, port);
    let verdict = pf_verdict(report, port);
    let reasons = [
        reach(&bound, Origin::Loopback, &verdict.loopback, &facts.app_firewall),
        reach(&bound, Origin::Network, &verdict.network, &facts.app_firewall),
        reach(&bound, Origin::Anyone, &verdict.anyone, &facts.app_firewall),
    ];
    PortStatus {
        port,
        name,
        title,
        state,
        from: opening.map(|opening| opening.from.to_string()),
        until: opening.and_then(|opening| opening.until),
        listener: bound.words(),
        pf: Reachable::of([&verdict.loopback, &verdict.network, &verdict.anyone]),
        reachable: Reachable::of(reasons.each_ref()),
        because: match bound {
            Bound::Nobody => format!("nothing listens on it; {}", pf_words(&verdict)),
            _ => because(&reasons),
        },
        blocked: facts.blocked.as_ref().and_then(|blocked| attempts_on(blocked, port)),
    }
}

/// The attempts on every port of a range together.
fn attempts_on(blocked: &BTreeMap<u16, Attempts>, range: PortRange) -> Option<Attempts> {
    let each = blocked.range(range.first()..=range.last()).map(|(_, attempts)| attempts.clone());
    each.reduce(|sum, next| {
        let attempts = sum.attempts.saturating_add(next.attempts);
        Attempts { attempts, ..if next.last > sum.last { next } else { sum } }
    })
}

fn is_managed(report: &Report, port: PortRange) -> bool {
    let mut left = vec![port];
    for managed in &report.managed {
        left = left.into_iter().flat_map(|range| range.without(managed.port)).collect();
    }
    left.is_empty()
}

/// What pf would do: root's verdict; without one, unknown, unless pf is off.
pub fn pf_verdict(report: &Result<&Report, String>, port: PortRange) -> PfVerdict {
    let same = |reason: Reason| PfVerdict {
        port,
        loopback: reason.clone(),
        network: reason.clone(),
        anyone: reason,
    };
    match report {
        Err(because) => same(Reason::new(Answer::Unknown, because.clone())),
        Ok(Report { pf: PfState::Disabled, .. }) => same(Reason::new(Answer::Yes, "pf is off")),
        Ok(report) => report
            .verdicts
            .iter()
            .find(|verdict| verdict.port == port)
            .cloned()
            .unwrap_or_else(|| same(Reason::new(Answer::Unknown, "root has not looked at this port yet"))),
    }
}

/// Where a connection comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Loopback,
    Network,
    Anyone,
}

/// Who listens on a range, and where.
enum Bound<'a> {
    NotKnown(&'a str),
    Nobody,
    LoopbackOnly(&'a Listener),
    Outside(&'a Listener),
}

impl<'a> Bound<'a> {
    fn of(facts: &'a Facts, port: PortRange) -> Self {
        let listeners = match &facts.listeners {
            Ok(listeners) => listeners,
            Err(because) => return Bound::NotKnown(because),
        };
        let mut here = listeners.iter().filter(|listener| port.contains(listener.port)).peekable();
        let first = here.peek().copied();
        match (here.find(|listener| !listener.address.is_loopback()), first) {
            (Some(outside), _) => Bound::Outside(outside),
            (None, Some(inside)) => Bound::LoopbackOnly(inside),
            (None, None) => Bound::Nobody,
        }
    }

    fn words(&self) -> Option<String> {
        match self {
            Bound::NotKnown(_) | Bound::Nobody => None,
            Bound::LoopbackOnly(listener) | Bound::Outside(listener) => {
                let program = listener.program.as_deref().unwrap_or("an unknown program");
                let address = match listener.address {
                    address if address.is_unspecified() => "every address".to_owned(),
                    address => address.to_string(),
                };
                Some(match listener.pid {
                    Some(pid) => format!("{program} (pid {pid}) on {address}"),
                    None => format!("{program} on {address}"),
                })
            }
        }
    }
}

/// Whether a connection from `origin` arrives: the surest obstacle decides, an unknown one leaves it unknown.
fn reach(bound: &Bound, origin: Origin, pf: &Reason, app_firewall: &AppFirewall) -> Reason {
    let listener = match bound {
        Bound::Nobody => Reason::new(Answer::No, "nothing listens there"),
        Bound::NotKnown(because) => {
            Reason::new(Answer::Unknown, format!("who listens is not known: {because}"))
        }
        Bound::LoopbackOnly(listener) if origin != Origin::Loopback => {
            Reason::new(Answer::No, format!("its listener is bound to {} only", listener.address))
        }
        Bound::LoopbackOnly(_) | Bound::Outside(_) => Reason::new(Answer::Yes, "it is listened to"),
    };
    let application = match app_firewall {
        _ if origin == Origin::Loopback => Reason::new(Answer::Yes, ""),
        AppFirewall::Off => Reason::new(Answer::Yes, ""),
        AppFirewall::BlockAll => {
            Reason::new(Answer::No, "the Application Firewall blocks all incoming connections")
        }
        AppFirewall::On => {
            Reason::new(Answer::Unknown, "the Application Firewall is on and decides for each program")
        }
        AppFirewall::Unknown(because) => {
            Reason::new(Answer::Unknown, format!("the Application Firewall could not be read: {because}"))
        }
    };
    let all = [pf.clone(), listener, application];
    for wanted in [Answer::No, Answer::Unknown] {
        if let Some(reason) = all.iter().find(|reason| reason.answer == wanted) {
            return reason.clone();
        }
    }
    pf.clone()
}

/// What pf alone does, for a port that nobody listens on.
fn pf_words(verdict: &PfVerdict) -> String {
    let from =
        [("this Mac", &verdict.loopback), ("this network", &verdict.network), ("anyone", &verdict.anyone)];
    let who = |answer: Answer| -> Vec<&str> {
        from.iter().filter(|(_, reason)| reason.answer == answer).map(|(name, _)| *name).collect()
    };
    let said = [("pf lets in", who(Answer::Yes)), ("pf refuses", who(Answer::No))];
    let mut parts: Vec<String> = said
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(verb, names)| {
            if names.len() == 3 {
                format!("{verb} everyone")
            } else {
                format!("{verb} {}", names.join(" and "))
            }
        })
        .collect();
    if let Some((_, reason)) = from.iter().find(|(_, reason)| reason.answer == Answer::Unknown) {
        parts.push(format!("what pf does is not known: {}", reason.because));
    }
    parts.join(", ").replace("pf lets in everyone", "pf lets everyone in")
}

/// One sentence over the three origins; what holds for several is said once.
fn because(reasons: &[Reason; 3]) -> String {
    let names = ["this Mac", "this network", "anyone"];
    let mut parts: Vec<String> = Vec::new();
    let mut index = 0;
    while index < reasons.len() {
        let mut end = index + 1;
        while end < reasons.len() && reasons[end] == reasons[index] {
            end += 1;
        }
        let whom = if index == 0 && end == reasons.len() {
            "everywhere".to_owned()
        } else {
            names[index..end].join(" and ")
        };
        let answer = match reasons[index].answer {
            Answer::Yes => "reachable",
            Answer::No => "not reachable",
            Answer::Unknown => "not known whether reachable",
        };
        parts.push(format!("{answer} from {whom}: {}", reasons[index].because));
        index = end;
    }
    parts.join("; ").replace("from everywhere", "from anywhere")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dlv() -> DebugPort {
        crate::port::presets().remove(0)
    }

    fn verdict(network: Answer, anyone: Answer) -> PfVerdict {
        PfVerdict {
            port: dlv().port,
            loopback: Reason::new(Answer::Yes, "no rule matches, and pf passes"),
            network: Reason::new(network, "our rule for the network"),
            anyone: Reason::new(anyone, "our rule for the rest"),
        }
    }

    fn report() -> Report {
        Report {
            version: Report::VERSION,
            seen: 1000,
            boot: "boot".into(),
            pf: PfState::Enabled,
            references: Some(1),
            guard: Guard::On,
            way: Some(Way::Apple),
            openings: vec![],
            managed: vec![Managed { name: dlv().name, port: dlv().port }],
            verdicts: vec![verdict(Answer::No, Answer::No)],
            notes: vec![],
            rulesets: BTreeMap::new(),
            skip: vec![],
        }
    }

    fn facts(report: ReportFact) -> Facts {
        Facts {
            lab: None,
            now: 1010,
            boot: "boot".into(),
            report,
            listeners: Ok(vec![]),
            app_firewall: AppFirewall::Off,
            ports: vec![dlv()],
            blocked: None,
        }
    }

    fn status(change: impl FnOnce(&mut Facts, &mut Report)) -> Status {
        let mut report = report();
        let mut facts = facts(ReportFact::Missing);
        change(&mut facts, &mut report);
        if facts.report == ReportFact::Missing {
            facts.report = ReportFact::Read(Box::new(report));
        }
        Status::of(&facts)
    }

    fn listening(address: &str) -> Result<Vec<Listener>, String> {
        let program = Some("dlv".to_owned());
        Ok(vec![Listener { address: address.parse().unwrap(), port: 2345, pid: Some(7), program }])
    }

    fn open(report: &mut Report) {
        let from = Source::Hosts { hosts: vec!["192.168.1.0/24".parse().unwrap()] };
        let DebugPort { name, port, .. } = dlv();
        report.openings = vec![Opening { name, port, from, until: None, since: 900, by: "ada".into() }];
        report.verdicts = vec![verdict(Answer::Yes, Answer::No)];
    }

    #[test]
    fn four_icons() {
        assert_eq!(status(|_, _| ()).icon, Icon::Closed);
        let opened = status(|_, report| open(report));
        assert_eq!((opened.icon, opened.open), (Icon::Open, 1));
        assert_eq!(opened.sentence, "1 port is open: 2345 (dlv)");
        assert_eq!(status(|_, report| report.pf = PfState::Disabled).icon, Icon::Off);
        assert_eq!(status(|_, report| report.pf = PfState::Unknown("?".into())).icon, Icon::Unknown);
    }

    #[test]
    fn what_root_saw_long_ago_or_before_a_restart_is_unknown() {
        for (what, status) in [
            ("restarted", status(|facts, _| facts.boot = "other".into())),
            ("ago", status(|facts, _| facts.now += STALE_AFTER + 1)),
            ("set back", status(|facts, _| facts.now = 0)),
            ("form 9", status(|_, report| report.version = 9)),
            ("torn", status(|facts, _| facts.report = ReportFact::Unreadable("torn".into()))),
        ] {
            assert_eq!(status.icon, Icon::Unknown, "{what}");
            assert!(status.sentence.contains(what), "{}", status.sentence);
            assert_eq!(status.ports[0].state, PortState::Unknown);
            assert_eq!(status.ports[0].reachable.network, Answer::No, "nothing listens, whatever pf does");
        }
        let nothing = Status::of(&facts(ReportFact::Missing));
        assert_eq!((nothing.icon, nothing.firewall.state), (Icon::Unknown, "unknown"));
    }

    #[test]
    fn a_port_without_verdict_is_not_green() {
        let sentence = status(|_, report| report.verdicts.clear()).sentence;
        assert_eq!(sentence, "Not known: who reaches port 2345 (dlv)");
        assert_eq!(status(|_, report| report.verdicts.clear()).icon, Icon::Unknown);
        assert_eq!(
            status(|_, report| report.verdicts = vec![verdict(Answer::Unknown, Answer::No)]).icon,
            Icon::Unknown
        );
    }

    #[test]
    fn says_why_not() {
        let because = |change: fn(&mut Facts, &mut Report)| status(change).ports.remove(0).because;
        assert_eq!(
            because(|_, _| ()),
            "nothing listens on it; pf lets in this Mac, pf refuses this network and anyone"
        );
        assert_eq!(
            because(|facts, report| {
                open(report);
                facts.listeners = listening("127.0.0.1");
            }),
            "reachable from this Mac: no rule matches, and pf passes; not reachable from this network: its listener is bound to 127.0.0.1 only; not reachable from anyone: our rule for the rest"
        );
        assert_eq!(
            because(|_, report| report.pf = PfState::Disabled),
            "nothing listens on it; pf lets everyone in"
        );
    }

    #[test]
    fn no_unknown_ends_reachable() {
        let answers = [Answer::Yes, Answer::No, Answer::Unknown];
        let bounds = [listening("0.0.0.0"), listening("127.0.0.1"), Ok(vec![]), Err("no /proc".to_owned())];
        let applications =
            [AppFirewall::Off, AppFirewall::On, AppFirewall::BlockAll, AppFirewall::Unknown("?".into())];
        for answer in answers {
            for listeners in &bounds {
                for application in &applications {
                    let status = status(|facts, report| {
                        report.verdicts = vec![verdict(answer, answer)];
                        facts.listeners = listeners.clone();
                        facts.app_firewall = application.clone();
                    });
                    let outside = listeners
                        .as_ref()
                        .is_ok_and(|list| list.iter().any(|one| !one.address.is_loopback()));
                    let sure = answer == Answer::Yes && outside && *application == AppFirewall::Off;
                    assert_eq!(status.ports[0].reachable.anyone == Answer::Yes, sure);
                    assert_eq!(status.ports[0].reachable.network == Answer::Yes, sure);
                }
            }
        }
    }

    #[test]
    fn json_form() {
        let status = status(|facts, report| {
            open(report);
            facts.listeners = listening("::");
        });
        insta::assert_snapshot!(serde_json::to_string_pretty(&status).unwrap());
    }

    #[test]
    fn attempts_on_a_range_are_counted_together() {
        let attempts =
            |attempts, from: &str, last| Attempts { attempts, last_from: from.parse().unwrap(), last };
        let blocked = [
            (2344, attempts(9, "10.0.0.9", 99)),
            (2345, attempts(2, "10.0.0.1", 50)),
            (2346, attempts(3, "10.0.0.2", 40)),
        ];
        let range = |text: &str| attempts_on(&blocked.clone().into(), text.parse().unwrap());
        assert_eq!(range("2345"), Some(attempts(2, "10.0.0.1", 50)));
        assert_eq!(range("2345-2400"), Some(attempts(5, "10.0.0.1", 50)));
        assert_eq!(range("9000"), None);
        let status = status(|facts, _| facts.blocked = Some(blocked.clone().into()));
        assert_eq!(status.ports[0].blocked, Some(attempts(2, "10.0.0.1", 50)));
    }
}
