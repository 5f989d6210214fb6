//! Facts in, status out: what icon, menu, command line and JSON all show. Pure.
//!
//! A user cannot read pf on a Mac (`/dev/pf` is root's alone), so what pf looks like comes from a [`Report`]
//! that root wrote, with its time and boot. A report that is too old, or from another boot, or that could not be
//! read, makes everything that hangs on it unknown; unknown is never shown as safe.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::diagnosis::Answer;
use crate::diagnosis::{self, Assessment, PortFacts, Presence, Reachability};
use crate::pf::origin::{Both, PerOrigin};
use crate::port::{DebugPort, PortName, PortRange};
use crate::rules::ledger::host_text;
pub use crate::rules::ledger::{Attachment, Guard, NamedPort, Opening, Seconds, Source};

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

/// Whether pf lets a connection in, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The answer for a client that may choose the family.
    pub answer: Answer,
    /// The answer for each family.
    pub families: Both<Answer>,
    /// One clause that says why, such as "no rule matches; pf passes".
    pub because: String,
}

impl Reason {
    /// A reason that holds for both families.
    pub fn new(answer: Answer, because: impl Into<String>) -> Self {
        Reason { answer, families: Both::same(answer), because: because.into() }
    }
}

/// Whether pf lets new TCP connections to one range in, by where they come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PfVerdict {
    /// The ports.
    pub port: PortRange,
    /// The answer, and why.
    pub reasons: PerOrigin<Reason>,
}

impl PfVerdict {
    fn families(&self) -> PerOrigin<Both<Answer>> {
        self.reasons.as_ref().map(|reason| reason.families)
    }

    fn reach(&self) -> PerOrigin<Answer> {
        self.reasons.as_ref().map(|reason| reason.answer)
    }

    /// Why some client's answer is this one: other machines first.
    fn why(&self, answer: Answer) -> Option<String> {
        let PerOrigin { loopback, network, anyone } = &self.reasons;
        let reasons = [network, anyone, loopback];
        reasons.into_iter().find(|reason| reason.answer == answer).map(|reason| reason.because.clone())
    }
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
    pub way: Option<Attachment>,
    /// What is open.
    pub openings: Vec<Opening>,
    /// What is ours to close.
    pub managed: Vec<NamedPort>,
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
    pub const VERSION: u32 = 3;
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
    pub way: Option<Attachment>,
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
    /// Who listens and where, in words; `None` where nobody does or it is not known.
    pub listener: Option<String>,
    /// The program that listens, serves, or has lost its listener; `None` where there is none or it is not known.
    pub program: Option<String>,
    /// What pf alone would do, whether a program listens or not.
    pub pf: PerOrigin<Answer>,
    /// Who gets an answer: pf, listener, session and Application Firewall together. Of a range: from one of its ports.
    pub reachable: PerOrigin<Answer>,
    /// The one state. Of a range: of the port in use that most needs a person.
    pub situation: Reachability,
    /// The port that is spoken of; `None` for a range of which no port is in use.
    pub about: Option<u16>,
    /// The state as one sentence.
    pub because: String,
    /// What to do now.
    pub next: String,
    /// What stands in the way, the surest first, each as a clause.
    pub causes: Vec<String>,
    /// Whether a debugger is there: it listens, serves, or has lost its listener.
    pub in_use: bool,
    /// For which clients there are settings to connect with, such as `VS Code`.
    pub connect: Vec<String>,
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
        if let Err(because) = &facts.seen {
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
        Some(PfVerdict { reasons, .. }) => Answer::any([reasons.network.answer, reasons.anyone.answer]),
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
    let opening = opening(report, port);
    let state = match (report, opening) {
        (Err(_), _) => PortState::Unknown,
        (Ok(_), Some(_)) => PortState::Open,
        (Ok(report), None) if report.guard == Guard::On && is_managed(report, port) => PortState::Closed,
        (Ok(_), None) => PortState::Unmanaged,
    };
    let verdict = pf_verdict(report, port);
    let is_range = port.as_single().is_none();
    let used = facts.seen.iter().flatten().filter(|seen| port.contains(seen.port));
    let used: Vec<&PortFacts> = used.filter(|seen| !is_range || seen.is_in_use()).collect();
    let presence = match &facts.seen {
        // A port that stands alone is always looked at.
        Ok(_) if is_range => Presence::Nobody,
        _ => Presence::Unknown,
    };
    let absent = PortFacts::without_socket(port.first(), port.to_string(), presence);
    let all = if used.is_empty() { vec![&absent] } else { used.clone() };
    let said: Vec<(&PortFacts, Assessment)> =
        all.into_iter().map(|seen| (seen, assess(facts, report, port, seen))).collect();
    let either = |one: PerOrigin<Answer>, other| one.zip(other).map(|(one, other)| Answer::any([one, other]));
    let reachable = said.iter().map(|(_, said)| said.reach).reduce(either);
    let telling =
        said.into_iter().min_by_key(|(_, said)| MOST_TELLING.iter().position(|state| *state == said.state));
    let (seen, said) = telling.unwrap_or_else(|| (&absent, assess(facts, report, port, &absent)));
    let others = used.len().saturating_sub(1);
    PortStatus {
        port,
        name,
        title,
        state,
        from: opening.map(|opening| opening.from.to_string()),
        until: opening.and_then(|opening| opening.until),
        listener: listener(seen),
        program: seen.subject.program.clone(),
        pf: verdict.reach(),
        reachable: reachable.unwrap_or(said.reach),
        situation: said.state,
        about: port.as_single().or((!used.is_empty()).then_some(seen.port)),
        because: match others {
            0 => said.sentence,
            1 => format!("{}; 1 more port of {port} is in use", said.sentence),
            _ => format!("{}; {others} more ports of {port} are in use", said.sentence),
        },
        next: said.next_step,
        causes: said.causes,
        in_use: seen.is_in_use(),
        connect: seen.clients.clone(),
        blocked: facts.blocked.as_ref().and_then(|blocked| attempts_on(blocked, port)),
    }
}

/// Of several ports in a range the one whose state comes first here is spoken of: what needs a restart, what is in the
/// way of everybody, what is not known, what is in the way of other machines, what works.
const MOST_TELLING: [Reachability; 12] = [
    Reachability::Wedged,
    Reachability::Bricked,
    Reachability::BlockedEverywhere,
    Reachability::WrongFamily,
    Reachability::Unknown,
    Reachability::BlockedByAppFirewall,
    Reachability::BlockedByPf,
    Reachability::LoopbackOnly,
    Reachability::Forwarded,
    Reachability::InSession,
    Reachability::Reachable,
    Reachability::NoListener,
];

impl Facts {
    /// What is to be said of a port that was `seen`, by pf's verdict on the range that it is in.
    pub fn assess(&self, range: PortRange, seen: &PortFacts) -> Assessment {
        assess(self, &usable(&self.report, self.now, &self.boot), range, seen)
    }
}

fn assess(facts: &Facts, report: &Result<&Report, String>, range: PortRange, seen: &PortFacts) -> Assessment {
    let verdict = pf_verdict(report, range);
    let opening = opening(report, range);
    let subject = diagnosis::wording::Wording {
        near: opening.and_then(near),
        is_open: opening.is_some(),
        pf_blocks: verdict.why(Answer::No),
        pf_unknown: verdict.why(Answer::Unknown),
        ..seen.subject.clone()
    };
    let app_firewall = application_of(&facts.app_firewall, seen.is_blocked);
    Assessment::of(&seen.situation(verdict.families(), app_firewall), &subject)
}

/// The Application Firewall in the terms of the judgement. Only "blocked" is to be trusted in what it says of a program.
fn application_of(state: &AppFirewall, is_blocked: bool) -> diagnosis::AppFirewallEffect {
    match state {
        AppFirewall::Off => diagnosis::AppFirewallEffect::Off,
        AppFirewall::BlockAll => diagnosis::AppFirewallEffect::BlocksAll,
        AppFirewall::On if is_blocked => diagnosis::AppFirewallEffect::Blocks,
        AppFirewall::On => diagnosis::AppFirewallEffect::Asks,
        AppFirewall::Unknown(_) => diagnosis::AppFirewallEffect::Unknown,
    }
}

/// The opening that lets some port of the range in: a wide range may be open in parts, and counts as open then.
fn opening<'a>(report: &Result<&'a Report, String>, range: PortRange) -> Option<&'a Opening> {
    report.as_ref().ok()?.openings.iter().find(|opening| opening.port.overlaps(range))
}

/// The hosts that a port is open for, where they are chosen.
fn near(opening: &Opening) -> Option<String> {
    let Source::Hosts { hosts } = &opening.from else { return None };
    match hosts.iter().map(host_text).collect::<Vec<_>>().as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [one, rest @ ..] => Some(format!("{one} and {} more", rest.len())),
    }
}

fn listener(seen: &PortFacts) -> Option<String> {
    let is_there = matches!(seen.presence, Presence::Listens | Presence::Forwards);
    let program = seen.subject.program.as_deref().unwrap_or("an unknown program");
    is_there.then(|| format!("{program} on {}", seen.subject.addresses.join(" and ")))
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
fn pf_verdict(report: &Result<&Report, String>, port: PortRange) -> PfVerdict {
    let same = |reason| PfVerdict { port, reasons: PerOrigin::same(reason) };
    match report {
        Err(because) => same(Reason::new(Answer::Unknown, because.clone())),
        Ok(Report { pf: PfState::Disabled, .. }) => same(Reason::new(Answer::Yes, "pf is off")),
        // What holds for a whole range holds for a part of it.
        Ok(report) => report
            .verdicts
            .iter()
            .find(|verdict| verdict.port == port)
            .or_else(|| report.verdicts.iter().find(|verdict| port.without(verdict.port).is_empty()))
            .cloned()
            .unwrap_or_else(|| same(Reason::new(Answer::Unknown, "root has not looked at this port yet"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Bind;

    fn dlv() -> DebugPort {
        crate::port::presets().remove(0)
    }

    fn verdict(network: Answer, anyone: Answer) -> PfVerdict {
        PfVerdict {
            port: dlv().port,
            reasons: PerOrigin {
                loopback: Reason::new(Answer::Yes, "no rule matches, and pf passes"),
                network: Reason::new(network, "our rule for the network"),
                anyone: Reason::new(anyone, "our rule for the rest"),
            },
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
            way: Some(Attachment::Apple),
            openings: vec![],
            managed: vec![NamedPort { name: dlv().name, port: dlv().port }],
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
            seen: nobody(),
            app_firewall: AppFirewall::Off,
            ports: vec![dlv()],
            blocked: None,
        }
    }

    fn nobody() -> Result<Vec<PortFacts>, String> {
        Ok(vec![PortFacts::without_socket(2345, "2345".into(), Presence::Nobody)])
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

    fn listening(address: &str) -> Result<Vec<PortFacts>, String> {
        let bind = if address == "127.0.0.1" { Bind::Loopback } else { Bind::Every };
        Ok(vec![PortFacts::listening(2345, "dlv (7)", address, bind)])
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
    fn says_why_not_and_what_to_do() {
        let said = |change: fn(&mut Facts, &mut Report)| {
            let port = status(change).ports.remove(0);
            assert_eq!(port.causes.is_empty(), port.situation == Reachability::Reachable);
            format!("{:?}: {} > {}", port.situation, port.because, port.next)
        };
        let all = [
            said(|_, _| ()),
            said(|facts, report| {
                open(report);
                facts.seen = listening("127.0.0.1");
            }),
            said(|facts, report| {
                open(report);
                facts.seen = listening("every address");
            }),
            said(|facts, _| facts.seen = listening("every address")),
            said(|facts, report| {
                open(report);
                report.verdicts = vec![verdict(Answer::No, Answer::No)];
                facts.seen = listening("every address");
            }),
            said(|facts, report| {
                report.verdicts = vec![verdict(Answer::Unknown, Answer::Unknown)];
                facts.seen = listening("every address");
            }),
            said(|facts, report| {
                open(report);
                facts.seen = listening("every address").map(|mut seen| {
                    seen[0].is_blocked = true;
                    seen
                });
                facts.app_firewall = AppFirewall::On;
            }),
            said(|facts, _| facts.seen = Err("no /proc".into())),
            said(|facts, _| facts.seen = Ok(vec![])),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn of_a_range_the_port_that_needs_a_person_speaks_and_who_is_let_in_counts() {
        let range: PortRange = "30000-30010".parse().unwrap();
        let of = |seen: Vec<PortFacts>| {
            let mut status = status(|facts, report| {
                facts.ports[0].port = range;
                facts.seen = Ok(seen);
                report.verdicts = vec![PfVerdict { port: range, ..verdict(Answer::Yes, Answer::No) }];
            });
            status.ports.remove(0)
        };
        let idle = of(vec![]);
        assert_eq!((idle.situation, idle.about, idle.in_use), (Reachability::NoListener, None, false));
        assert_eq!(idle.because, "nothing listens on port 30000-30010");
        let free = || PortFacts::listening(30003, "dlv (7)", "every address", Bind::Every);
        let local = || PortFacts::listening(30001, "node (8)", "127.0.0.1", Bind::Loopback);
        let gone = PortFacts::without_socket(30000, "30000".into(), Presence::Nobody);
        let one = of(vec![gone, free()]);
        assert_eq!(
            (one.situation, one.about, one.reachable.network),
            (Reachability::Reachable, Some(30003), Answer::Yes)
        );
        let two = of(vec![free(), local()]);
        assert_eq!((two.situation, two.about), (Reachability::LoopbackOnly, Some(30001)));
        assert!(two.because.starts_with("node (8) listens on 127.0.0.1 only"), "{}", two.because);
        assert!(two.because.ends_with("1 more port of 30000-30010 is in use"), "{}", two.because);
        assert_eq!(two.reachable.network, Answer::Yes, "one of them is reached");
    }

    #[test]
    fn a_part_of_a_range_has_the_verdict_of_the_range() {
        let wide = report();
        let range: PortRange = "2000-3000".parse().unwrap();
        let wide =
            Report { verdicts: vec![PfVerdict { port: range, ..verdict(Answer::Yes, Answer::No) }], ..wide };
        let facts = facts(ReportFact::Read(Box::new(wide)));
        let said = |port: &str| facts.assess(port.parse().unwrap(), &listening("0.0.0.0").unwrap()[0]).state;
        assert_eq!((said("2345"), said("3001")), (Reachability::Reachable, Reachability::Unknown));
    }

    #[test]
    fn each_family_is_judged_by_its_own_rules() {
        let port = |v4, v6, bind: Both<Bind>| {
            let mut status = status(|facts, report| {
                report.verdicts[0].reasons.network.answer = Answer::Yes;
                report.verdicts[0].reasons.network.families = Both { v4, v6 };
                facts.seen = listening("every address").map(|mut seen| {
                    seen[0].bind = bind;
                    seen
                });
            });
            status.ports.remove(0).situation
        };
        use Answer::{No, Yes};
        let (four, both) = (Both { v4: Bind::Every, v6: Bind::None }, Both::same(Bind::Every));
        assert_eq!(port(Yes, No, four), Reachability::Reachable);
        assert_eq!(port(No, Yes, four), Reachability::BlockedByPf);
        assert_eq!(port(No, Yes, both), Reachability::Reachable);
    }

    #[test]
    fn what_the_application_firewall_permits_proves_nothing() {
        use diagnosis::AppFirewallEffect as Judged;
        assert_eq!(application_of(&AppFirewall::On, true), Judged::Blocks);
        assert_eq!(application_of(&AppFirewall::On, false), Judged::Asks);
        assert_eq!(application_of(&AppFirewall::Off, true), Judged::Off);
        assert_eq!(application_of(&AppFirewall::Unknown(String::new()), true), Judged::Unknown);
    }

    #[test]
    fn no_unknown_ends_reachable() {
        let answers = [Answer::Yes, Answer::No, Answer::Unknown];
        let bounds = [listening("0.0.0.0"), listening("127.0.0.1"), nobody(), Err("no /proc".to_owned())];
        let applications =
            [AppFirewall::Off, AppFirewall::On, AppFirewall::BlockAll, AppFirewall::Unknown("?".into())];
        for answer in answers {
            for seen in &bounds {
                for application in &applications {
                    let status = status(|facts, report| {
                        report.verdicts = vec![verdict(answer, answer)];
                        facts.seen = seen.clone();
                        facts.app_firewall = application.clone();
                    });
                    let outside = seen.as_ref().is_ok_and(|seen| seen[0].is_outside());
                    let sure = answer == Answer::Yes && outside && *application == AppFirewall::Off;
                    let port = &status.ports[0];
                    assert_eq!(port.reachable.anyone == Answer::Yes, sure);
                    assert_eq!(port.reachable.network == Answer::Yes, sure);
                    assert_eq!(port.situation == Reachability::Reachable, sure);
                }
            }
        }
    }

    #[test]
    fn json_form() {
        let status = status(|facts, report| {
            open(report);
            facts.seen = listening("every address");
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
