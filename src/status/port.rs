//! One port, in the status.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize, Serializer};

use super::facts::{AppFirewall, Attempts, Facts};
use super::firewall::GuardEffect;
use super::network::{NetworkPlace, PortNetwork};
use super::wording;
use crate::diagnosis::wording::Wording;
use crate::diagnosis::{Answer, AppFirewallEffect, Assessment, PortFacts, Presence, Reachability};
use crate::pf::origin::{Both, PerOrigin};
use crate::port::PortRange;
use crate::report::{Note, OriginVerdict, PfState, PfVerdict, Reason, Report, ReportFact, Unusable};
use crate::rules::ends::{EndKind, EveningEnd};
use crate::rules::evening;
use crate::rules::ledger::{Guard, MayBeOpen, Opening, Seconds};
use crate::rules::named_port::{NamedPort, PortName};
use crate::rules::network_words::{ends_with, network_words};
use crate::rules::source::{Source, is_link_local};
use crate::system::NetworkFacts;

/// How a port stands: what our rules say, as far as pf is seen to do it. Every front end words this one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    /// Our anchor passes it.
    Open,
    /// Our anchor blocks it from other machines, and pf lets none of them in.
    Closed,
    /// Our rules close it, and pf lets other machines in all the same: it is off, or rules of others decide before ours.
    #[serde(rename = "let-in")]
    LetIn,
    /// We have no rule for it: the Mac's own policy decides.
    Unmanaged,
    /// What root saw is missing or out of date, or leaves it open whether other machines get in.
    Unknown,
    /// A change was interrupted: pf may let clients in that the ledger does not.
    #[serde(rename = "may-be-open")]
    MayBeOpen,
}

/// One port in the status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortStatus {
    /// A number, or `"first-last"`.
    pub port: PortRange,
    pub name: PortName,
    /// What a person calls the server.
    pub title: String,
    pub state: PortState,
    /// `None` where it is not open.
    #[serde(serialize_with = "as_option")]
    pub from: Option<Source>,
    /// When it closes by itself.
    pub until: Option<Seconds>,
    /// How it ends, where it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<PortEnd>,
    /// The network that it is open for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<PortNetwork>,
    /// The program that listens and its addresses, in words; `None` where none does or that is unknown.
    pub listener: Option<String>,
    /// The program that listens, serves, or has lost its listener; `None` where there is none or it is not known.
    pub program: Option<String>,
    /// What pf alone would do, whether a program listens or not.
    pub pf: PerOrigin<Answer>,
    /// Clients that fare otherwise than `state` and `pf` say, by a rule of others that names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<PortException>,
    /// Who gets an answer: pf, listener, session and Application Firewall together. Of a range: from one of its ports.
    pub reachable: PerOrigin<Answer>,
    /// Of a range: of the port in use that most needs a person.
    pub situation: Reachability,
    /// The port that is spoken of; `None` for a range of which no port is in use.
    pub about: Option<u16>,
    /// The state as one sentence.
    pub because: String,
    pub next: String,
    /// What stands in the way, the surest first, each as a clause.
    pub causes: Vec<String>,
    /// Whether a debugger is there: it listens, serves, or has lost its listener.
    pub in_use: bool,
    /// For which clients there are settings to connect with, such as `VS Code`.
    pub connect: Vec<String>,
    /// Of the last hour; `None` where there was none, or they were not recorded.
    pub blocked: Option<Attempts>,
    /// Whether a debugger there can be reached by anyone, or may be: pf lets anyone in or was never looked at, the debugger
    /// listens for other machines, and the Application Firewall is not seen to block it.
    #[serde(skip)]
    pub exposed: bool,
    #[serde(skip)]
    is_in_part: bool,
    /// Whether the network that it is open for is none that this Mac is on.
    #[serde(skip)]
    is_elsewhere: bool,
}

/// How an opening ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortEnd {
    pub kind: EndKind,
    /// Seconds that are left; `None` where it has no set time.
    pub left: Option<Seconds>,
    /// Whether it lasts 30 minutes longer, since it was in session when its evening came.
    pub lengthened: bool,
    /// `18:30`, where it has a set time.
    pub clock: Option<String>,
    /// Such as `until 18:30, 2 h 10 min left`.
    pub words: String,
}

impl PortEnd {
    fn of(opening: &Opening, facts: &Facts) -> Self {
        let (now, zone) = (facts.now, &facts.zone);
        // With a set time that is not what it is likely to end by, and its network has a line of its own.
        let network = ends_with(opening).filter(|_| opening.until.is_none());
        let words = match (network, evening::in_words(opening, now, zone)) {
            (Some(network), Some(restart)) => format!("{restart} or leaves {network}"),
            (Some(network), None) => format!("until this Mac leaves {network}"),
            (None, words) => words.unwrap_or_else(|| "until it is closed".to_owned()),
        };
        PortEnd {
            kind: opening.kind(),
            left: opening.until.map(|until| until.saturating_sub(now).max(0)),
            lengthened: opening.evening == Some(EveningEnd::Extended),
            clock: opening.until.map(|until| evening::time_of_day(until, now, zone)),
            words,
        }
    }
}

/// Clients that fare otherwise than the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PortException {
    /// In words: a network, or how they come in.
    pub clients: String,
    /// Whether pf lets them in.
    pub pf: Answer,
}

/// A clause, such as `203.0.113.0/24 gets in all the same`.
impl std::fmt::Display for PortException {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let clients = &self.clients;
        match self.pf {
            Answer::Yes => write!(f, "a rule of others lets {clients} in"),
            Answer::No => write!(f, "a rule of others keeps {clients} out"),
            Answer::Unknown => write!(f, "whether a rule of others lets {clients} in is not known"),
        }
    }
}

impl PortStatus {
    pub fn named_port(&self) -> NamedPort {
        NamedPort { name: self.name.clone(), range: self.port }
    }

    /// Who it is open for, in words, of at most `most` networks: "this network" is one that this Mac is on. `None` too
    /// where its own rule lets none of them in just now.
    pub fn for_whom(&self, most: usize) -> Option<String> {
        match self.from.as_ref()? {
            _ if self.is_open_although_paused() => None,
            Source::Lan { networks } if self.is_elsewhere => {
                let routed = networks.iter().filter(|network| !is_link_local(network)).copied();
                Some(Source::Hosts { hosts: routed.collect() }.in_words(most))
            }
            from => Some(from.in_words(most)),
        }
    }

    /// Whether only some of its ports are open, each of which is another port of the status.
    pub fn is_in_part(&self) -> bool {
        self.is_in_part
    }

    /// Whether it is open, and lets no other machine in just now.
    pub fn is_paused(&self) -> bool {
        self.network.as_ref().is_some_and(|network| network.paused) && self.outside() != Answer::Yes
    }

    /// Whether anyone reaches a debugger on it, and it was not opened.
    pub fn is_exposed_unasked(&self) -> bool {
        self.exposed && self.from.is_none()
    }

    /// Whether other machines get in that our rules do not let in, or would not if the guard were on.
    pub fn needs_mending(&self) -> bool {
        match self.state {
            PortState::LetIn | PortState::MayBeOpen => true,
            PortState::Unmanaged => self.outside() == Answer::Yes,
            PortState::Open => self.lets_others_in(),
            PortState::Closed | PortState::Unknown => false,
        }
    }

    /// Whether its own rule lets no other machine in just now, and pf does all the same.
    pub fn is_open_although_paused(&self) -> bool {
        self.network.as_ref().is_some_and(|network| network.paused) && !self.is_paused()
    }

    /// Whether it is open for some, and pf is seen to let anyone in.
    pub fn lets_others_in(&self) -> bool {
        self.pf.anyone == Answer::Yes && self.from.as_ref().is_some_and(|from| *from != Source::Any)
    }

    /// Whether pf is seen to keep out everyone that our rules do not let in.
    pub fn keeps_others_out(&self) -> bool {
        let is_own = self.from.is_some() || self.pf.network == Answer::No;
        self.exceptions.is_empty() && self.pf.anyone == Answer::No && is_own
    }

    /// Whether others get in, and not those that it is open for.
    pub fn keeps_its_own_out(&self) -> bool {
        let own = match &self.from {
            Some(Source::Any) => self.pf.anyone,
            Some(_) => self.pf.network,
            None => return false,
        };
        let is_paused = self.network.as_ref().is_some_and(|network| network.paused);
        own == Answer::No && self.outside() == Answer::Yes && !is_paused
    }

    /// What is not known of who gets in to a port that is open, as a clause, although pf was looked at.
    pub fn doubt(&self) -> Option<&'static str> {
        match (self.state, self.outside(), &self.from) {
            (PortState::Open, Answer::Unknown, _) => Some(wording::WHO_IS_NOT_KNOWN),
            (PortState::Open, Answer::Yes, Some(Source::Lan { .. } | Source::Hosts { .. }))
                if self.pf.anyone == Answer::Unknown =>
            {
                Some(wording::OTHERS_NOT_KNOWN)
            }
            _ => None,
        }
    }

    /// Whether pf lets another machine in.
    pub fn outside(&self) -> Answer {
        outside(self.pf, &self.exceptions)
    }
}

fn as_option<S: Serializer>(from: &Option<Source>, serializer: S) -> Result<S::Ok, S::Error> {
    from.as_ref().map(ToString::to_string).serialize(serializer)
}

/// The ports that are shown: those of the preferences, then others that are open, with their titles.
pub(super) fn ports(facts: &Facts, report: &Result<&Report, Unusable>) -> Vec<PortStatus> {
    let openings = openings(facts, report);
    let shown = facts.ports.iter().map(|port| (port.name.clone(), port.title.clone(), port.port));
    let others = openings
        .iter()
        .filter(|opening| !facts.ports.iter().any(|port| port.port == opening.port))
        .map(|opening| (opening.name.clone(), String::new(), opening.port));
    shown.chain(others).map(|(name, title, port)| port_status(facts, report, name, title, port)).collect()
}

/// How many ports these are, of which some may be shown twice.
pub(super) fn count<'a>(ports: impl Iterator<Item = &'a PortStatus>) -> usize {
    let mut ranges: Vec<PortRange> = ports.map(|port| port.port).collect();
    ranges.sort();
    let mut next = 0;
    let new = ranges.into_iter().map(|range| {
        let first = next.max(usize::from(range.first()));
        let end = usize::from(range.last()) + 1;
        next = next.max(end);
        end.saturating_sub(first)
    });
    new.sum()
}

fn port_status(
    facts: &Facts,
    report: &Result<&Report, Unusable>,
    name: PortName,
    title: String,
    port: PortRange,
) -> PortStatus {
    let opening = opening(facts, report, port);
    let may_be_open = may_be_open(facts, port);
    let pf = PfSight::of(facts, report, port).answers();
    let exceptions = exceptions(report, port);
    let state = state(facts, report, port);
    let is_range = port.as_single().is_none();
    let used = facts.seen.iter().flatten().filter(|seen| port.contains(seen.port));
    let used: Vec<&PortFacts> = used.filter(|seen| !is_range || seen.is_in_use()).collect();
    let presence = match &facts.seen {
        // A port that stands alone is always looked at.
        Ok(_) if is_range => Presence::Absent,
        _ => Presence::Unknown,
    };
    let mut absent = PortFacts::without_socket(port.first(), port.to_string(), presence);
    let named = facts.ports.iter().filter(|shown| shown.port == port).find_map(|shown| shown.debugger);
    absent.subject.start = named.map(|debugger| debugger.start_commands(port.first()));
    let all = if used.is_empty() { vec![&absent] } else { used.clone() };
    let said: Vec<(&PortFacts, Assessment)> =
        all.into_iter().map(|seen| (seen, assess(facts, report, port, seen))).collect();
    let either = |one: PerOrigin<Answer>, other| one.zip(other).map(|(one, other)| Answer::any([one, other]));
    let reachable = said.iter().map(|(_, said)| said.reach).reduce(either);
    let telling =
        said.into_iter().min_by_key(|(_, said)| MOST_TELLING.iter().position(|state| *state == said.state));
    let (seen, said) = telling.unwrap_or_else(|| (&absent, assess(facts, report, port, &absent)));
    let others = used.len().saturating_sub(1);
    let exposed = used.iter().any(|seen| is_exposed(facts, seen, pf));
    PortStatus {
        port,
        name,
        title,
        state,
        from: may_be_open.map(|open| &open.from).or(opening.map(|opening| &opening.from)).cloned(),
        until: opening.and_then(|opening| opening.until),
        end: opening.map(|opening| PortEnd::of(opening, facts)),
        network: opening.map(|opening| PortNetwork::of(opening, &facts.networks)),
        listener: listener(seen),
        program: seen.subject.program.clone(),
        pf,
        exceptions,
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
        exposed,
        connect: seen.clients.clone(),
        blocked: facts.blocked.as_ref().and_then(|blocked| attempts_on(blocked, port)),
        is_elsewhere: opening.is_some_and(|opening| is_elsewhere(&opening.from, &facts.networks)),
        is_in_part: opening.is_some_and(|opening| !port.without(opening.port).is_empty()),
    }
}

fn is_exposed(facts: &Facts, seen: &PortFacts, pf: PerOrigin<Answer>) -> bool {
    let was_never_looked_at = matches!(facts.report, ReportFact::Missing);
    let is_blocked = seen.is_blocked || facts.app_firewall == AppFirewall::BlockAll;
    let lets_in = pf.anyone == Answer::Yes || was_never_looked_at;
    let listens = seen.presence == Presence::Listens && seen.is_outside() && !seen.subject.is_other;
    lets_in && listens && !is_blocked
}

fn state(facts: &Facts, report: &Result<&Report, Unusable>, port: PortRange) -> PortState {
    let is_ours = |report: &Report| report.guard == Guard::On && is_managed(report, port);
    match (report, opening(facts, report, port)) {
        _ if may_be_open(facts, port).is_some() => PortState::MayBeOpen,
        (_, Some(_)) => PortState::Open,
        (Err(_), None) | (Ok(Report { pf: PfState::Unknown(_), .. }), None) => PortState::Unknown,
        (Ok(report), None) if is_ours(report) => {
            match outside(PfSight::of(facts, &Ok(report), port).answers(), &exceptions(&Ok(report), port)) {
                Answer::No => PortState::Closed,
                Answer::Yes => PortState::LetIn,
                Answer::Unknown => PortState::Unknown,
            }
        }
        (Ok(_), None) => PortState::Unmanaged,
    }
}

/// Of several ports in a range the one whose state comes first here is spoken of: what needs a restart, what is in the
/// way of every client, what is unknown, what is in the way of other machines, what works.
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
        assess(self, &self.report.usable(self.now, &self.boot), range, seen)
    }
}

fn assess(
    facts: &Facts,
    report: &Result<&Report, Unusable>,
    range: PortRange,
    seen: &PortFacts,
) -> Assessment {
    // Of a range some ports may be open: what is said of one in use is its own.
    let own = PortRange::single(seen.port).filter(|_| seen.is_in_use() && range.contains(seen.port));
    let range = own.unwrap_or(range);
    let pf = PfSight::of(facts, report, range);
    let opening = opening(facts, report, range);
    let paused = opening.filter(|opening| opening.is_paused()).map(network_words);
    let subject = Wording {
        near: opening.filter(|opening| !opening.is_paused()).and_then(near),
        is_open: opening.is_some() && paused.is_none(),
        is_paused: paused.is_some(),
        pf_blocks: paused.or_else(|| pf.why(Answer::No)),
        pf_unknown: pf.why(Answer::Unknown),
        exceptions: exceptions(report, range).iter().map(ToString::to_string).collect(),
        is_interrupted: matches!(pf, PfSight::Interrupted),
        is_elsewhere: matches!(pf, PfSight::Moved(_, MOVED)),
        is_offline: matches!(pf, PfSight::Moved(_, OFFLINE)),
        is_awaited: opening
            .filter(|opening| opening.is_paused() && !opening.away)
            .is_some_and(|opening| PortNetwork::of(opening, &facts.networks).place == NetworkPlace::Unknown),
        explain: pf.seen().map(|verdict| explain_doubt(range, verdict, opening)).or_else(|| {
            // Root looks at what is shown. Of another port the rules themselves tell.
            let is_shown = facts.ports.iter().any(|shown| shown.port.overlaps(range));
            let tells = matches!(pf, PfSight::NotLookedAt) && !is_shown;
            tells.then(|| format!("portcullis explain {}", range.first()))
        }),
        ..seen.subject.clone()
    };
    let app_firewall = application_of(&facts.app_firewall, seen.is_blocked);
    let said = Assessment::of(&seen.situation(pf.families(), app_firewall), &subject);
    let state = state(facts, report, range);
    let may_run_code = subject.runs_code || subject.is_strange;
    let is_exposed = state == PortState::Unmanaged && may_run_code && said.reach.anyone == Answer::Yes;
    let protect = is_exposed.then(|| PROTECT.to_owned());
    let others_too = opening.is_some_and(|opening| opening.from != Source::Any)
        && said.state == Reachability::Reachable
        && said.reach.anyone == Answer::Yes
        && report.as_ref().is_ok_and(|report| report.guard != Guard::On);
    match remedy(state, report, range).or(protect) {
        Some(next_step) => Assessment { next_step, ..said },
        None if others_too => {
            Assessment { next_step: format!("{}; {KEEP_OTHERS_OUT}", said.next_step), ..said }
        }
        None => said,
    }
}

/// It is open for some, and nothing keeps the others out.
const KEEP_OTHERS_OUT: &str = "keep others out: `portcullis guard on`";

/// A debugger listens for every machine, or what may be one, and nothing is in its clients' way.
const PROTECT: &str = "keep other machines out: `portcullis guard on`";

/// The Application Firewall in the terms of the judgement. Only "blocked" is to be trusted in what it says of a program.
pub(super) fn application_of(state: &AppFirewall, is_blocked: bool) -> AppFirewallEffect {
    match state {
        AppFirewall::Off => AppFirewallEffect::Off,
        AppFirewall::BlockAll => AppFirewallEffect::BlocksAll,
        AppFirewall::On if is_blocked => AppFirewallEffect::Blocks,
        AppFirewall::On => AppFirewallEffect::Asks,
        AppFirewall::Unknown(_) => AppFirewallEffect::Unknown,
    }
}

/// The openings by the ledger; where that does not read, by what root saw.
fn openings<'a>(facts: &'a Facts, report: &Result<&'a Report, Unusable>) -> &'a [Opening] {
    match (&facts.openings, report) {
        (Some(openings), _) => openings,
        (None, Ok(report)) => &report.openings,
        (None, Err(_)) => &[],
    }
}

/// The opening that lets some port of the range in: a wide range may be open in parts, and counts as open then.
fn opening<'a>(
    facts: &'a Facts,
    report: &Result<&'a Report, Unusable>,
    range: PortRange,
) -> Option<&'a Opening> {
    openings(facts, report).iter().find(|opening| opening.port.overlaps(range))
}

/// Whether another machine gets in.
fn outside(pf: PerOrigin<Answer>, exceptions: &[PortException]) -> Answer {
    let some = exceptions.iter().map(|exception| exception.pf);
    Answer::any([pf.network, pf.anyone].into_iter().chain(some))
}

fn exceptions(report: &Result<&Report, Unusable>, range: PortRange) -> Vec<PortException> {
    let notes = report.iter().flat_map(|report| &report.notes);
    let of_range = notes.filter_map(|note| match note {
        Note::Exception { clients, ports, answer, .. } if ports.iter().any(|port| port.overlaps(range)) => {
            Some(PortException { clients: clients.to_string(), pf: *answer })
        }
        _ => None,
    });
    of_range.collect()
}

/// What to do about a port that is not as our rules say, before anything else.
fn remedy(state: PortState, report: &Result<&Report, Unusable>, range: PortRange) -> Option<String> {
    match (state, report) {
        (PortState::MayBeOpen, _) => Some("undo that change: `portcullis repair`".to_owned()),
        (PortState::LetIn, Ok(report)) => Some(way_back(report, range)),
        (PortState::Open, Ok(report)) => GuardEffect::of(report).remedy().map(str::to_owned),
        _ => None,
    }
}

/// What to do where pf lets other machines in that our rules keep out.
pub fn way_back(report: &Report, range: PortRange) -> String {
    let way_in = || format!("see which rule lets others in: {}", explain_way_in(report, range));
    GuardEffect::of(report).remedy().map_or_else(way_in, str::to_owned)
}

/// The command that shows what it depends on who gets in: asked about a client of which that is not known.
fn explain_doubt(range: PortRange, verdict: &PfVerdict, opening: Option<&Opening>) -> String {
    let hosts = match opening.map(|opening| &opening.from) {
        Some(Source::Hosts { hosts }) => hosts.as_slice(),
        _ => &[],
    };
    let from = match (verdict.answers().network, hosts.first()) {
        (Answer::Unknown, Some(host)) => format!(" --from {}", host.addr()),
        (Answer::Unknown, None) => String::new(),
        _ => " --from anyone".to_owned(),
    };
    format!("portcullis explain {}{from}", range.first())
}

/// The command that shows which rule lets other machines in: asked about a client that it does let in.
fn explain_way_in(report: &Report, range: PortRange) -> String {
    let verdict = report.verdicts.iter().find(|verdict| verdict.port == range).map(PfVerdict::answers);
    let lets_in = |answer: fn(PerOrigin<Answer>) -> Answer| verdict.map(answer) == Some(Answer::Yes);
    if lets_in(|pf| pf.network) {
        return format!("`portcullis explain {}`", range.first());
    }
    if lets_in(|pf| pf.anyone) {
        return format!("`portcullis explain {} --from anyone`", range.first());
    }
    let mut exceptions = report.notes.iter().filter_map(|note| match note {
        Note::Exception { clients, ports, answer: Answer::Yes, .. } => {
            let port = ports.iter().find(|port| port.overlaps(range))?;
            Some(format!("`portcullis explain {} {}`", port.first().max(range.first()), clients.asked_for()?))
        }
        _ => None,
    });
    // Whom a table or a general policy names is for administrators to see.
    exceptions
        .next()
        .unwrap_or_else(|| "`sudo pfctl -a '*' -s rules`, and the tables that it names".to_owned())
}

/// What an interrupted change may have left more open, of this range.
fn may_be_open(facts: &Facts, range: PortRange) -> Option<&MayBeOpen> {
    let open = facts.interrupted.iter().flat_map(|changing| &changing.open);
    open.into_iter().find(|open| open.port.overlaps(range))
}

/// The hosts that a port is open for, where they are chosen.
fn near(opening: &Opening) -> Option<String> {
    matches!(opening.from, Source::Hosts { .. }).then(|| opening.from.in_words(1))
}

fn listener(seen: &PortFacts) -> Option<String> {
    let is_there = matches!(seen.presence, Presence::Listens | Presence::Forwards);
    let program = seen.subject.program.as_deref().unwrap_or("an unknown program");
    let named_by = seen.subject.named_by.map_or(String::new(), |by| format!(" ({by})"));
    is_there.then(|| format!("{program} on {}{named_by}", seen.subject.addresses.join(" and ")))
}

/// The attempts on every port of a range together.
pub(super) fn attempts_on(blocked: &BTreeMap<u16, Attempts>, range: PortRange) -> Option<Attempts> {
    let each = blocked.range(range.first()..=range.last()).map(|(_, attempts)| attempts.clone());
    each.reduce(|sum, next| {
        let attempts = sum.attempts.saturating_add(next.attempts);
        Attempts { attempts, ..if next.last > sum.last { next } else { sum } }
    })
}

fn is_managed(report: &Report, port: PortRange) -> bool {
    let mut left = vec![port];
    for managed in &report.managed {
        left = left.into_iter().flat_map(|range| range.without(managed.range)).collect();
    }
    left.is_empty()
}

/// Whether these are networks none of which this Mac is on.
fn is_elsewhere(source: &Source, now: &[NetworkFacts]) -> bool {
    let Source::Lan { networks } = source else { return false };
    let overlap = |one: &IpNet, other: &IpNet| one.contains(other) || other.contains(one);
    let is_here =
        |network: &IpNet| now.iter().flat_map(|facts| &facts.prefixes).any(|own| overlap(network, own));
    !networks.iter().any(is_here)
}

/// What is known of pf for one range.
enum PfSight<'a> {
    /// Nothing: a change of this port was interrupted, and what root saw is from before or from midway.
    Interrupted,
    /// Nothing, and why.
    Unusable(&'a Unusable),
    Off,
    NotLookedAt,
    Verdict(&'a PfVerdict),
    /// The same; and the network that it is open for this Mac has left since, for another or for none.
    Moved(&'a PfVerdict, &'static str),
    /// The same; and this Mac is connected by other interfaces since, on which rules of others may do otherwise.
    Plugged(&'a PfVerdict),
}

const PLUGGED: &str = "this Mac is connected by another interface than when root looked";
const MOVED: &str = "this Mac is on another network than it is open for";
const OFFLINE: &str = "this Mac is on no network now";

impl<'a> PfSight<'a> {
    fn of(facts: &Facts, report: &'a Result<&Report, Unusable>, port: PortRange) -> Self {
        if may_be_open(facts, port).is_some() {
            return PfSight::Interrupted;
        }
        let report = match report {
            Err(because) => return PfSight::Unusable(because),
            Ok(Report { pf: PfState::Disabled, .. }) => return PfSight::Off,
            Ok(report) => report,
        };
        // What holds for a whole range holds for a part of it.
        let exact = report.verdicts.iter().find(|verdict| verdict.port == port);
        let around = || {
            let around = report.verdicts.iter().filter(|verdict| port.without(verdict.port).is_empty());
            around.min_by_key(|verdict| verdict.port.count())
        };
        let Some(verdict) = exact.or_else(around) else { return PfSight::NotLookedAt };
        let PerOrigin { network, anyone, .. } = verdict.answers();
        let opening = report.openings.iter().find(|opening| opening.port.overlaps(port));
        // Machines of another network fare as those that no rule names do.
        let source = opening.and_then(Opening::source_now);
        let is_elsewhere = source.is_some_and(|source| is_elsewhere(&source, &facts.networks));
        match () {
            () if is_elsewhere && network != anyone => {
                PfSight::Moved(verdict, if facts.networks.is_empty() { OFFLINE } else { MOVED })
            }
            () if report.links != facts.links => PfSight::Plugged(verdict),
            () => PfSight::Verdict(verdict),
        }
    }

    /// Root's verdict, where it speaks of now.
    fn seen(&self) -> Option<&PfVerdict> {
        if let PfSight::Verdict(verdict) = self { Some(verdict) } else { None }
    }

    fn families(&self) -> PerOrigin<Both<Answer>> {
        match self {
            PfSight::Verdict(verdict) => verdict.families(),
            PfSight::Moved(verdict, _) => {
                PerOrigin { network: Both::same(Answer::Unknown), ..verdict.families() }
            }
            PfSight::Plugged(verdict) => {
                let families = |origin: &OriginVerdict| Some(origin.families).filter(|_| is_ours(origin));
                let told = verdict.origins.as_ref().map(families);
                let told = told.map(|families| families.unwrap_or(Both::same(Answer::Unknown)));
                PerOrigin { loopback: verdict.families().loopback, ..told }
            }
            _ => self.answers().map(Both::same),
        }
    }

    fn answers(&self) -> PerOrigin<Answer> {
        match self {
            PfSight::Interrupted | PfSight::Unusable(_) | PfSight::NotLookedAt => {
                PerOrigin::same(Answer::Unknown)
            }
            PfSight::Off => PerOrigin::same(Answer::Yes),
            PfSight::Verdict(verdict) => verdict.answers(),
            PfSight::Moved(verdict, _) => PerOrigin { network: Answer::Unknown, ..verdict.answers() },
            PfSight::Plugged(verdict) => {
                let told = verdict.origins.as_ref();
                let told = told.map(|origin| if is_ours(origin) { origin.answer } else { Answer::Unknown });
                PerOrigin { loopback: verdict.answers().loopback, ..told }
            }
        }
    }

    /// Why some client's answer is this one, in a clause.
    fn why(&self, answer: Answer) -> Option<String> {
        match (self, answer) {
            (PfSight::Interrupted, Answer::Unknown) => Some("a change was interrupted".to_owned()),
            (PfSight::Unusable(because), Answer::Unknown) => Some(because.to_string()),
            (PfSight::NotLookedAt, Answer::Unknown) => {
                Some("root has not looked at this port yet".to_owned())
            }
            (PfSight::Moved(_, where_it_is), Answer::Unknown) => Some((*where_it_is).to_owned()),
            (PfSight::Plugged(_), Answer::Unknown) => Some(PLUGGED.to_owned()),
            (PfSight::Verdict(verdict) | PfSight::Moved(verdict, _) | PfSight::Plugged(verdict), answer) => {
                verdict.why(answer).map(ToString::to_string)
            }
            _ => None,
        }
    }
}

/// Whether it is by our rules, which hold on every interface; not where those of others decide on one of them, so that the
/// clients of a family fare otherwise by it.
fn is_ours(verdict: &OriginVerdict) -> bool {
    let is_alike = verdict.families.all(|answer| *answer != Answer::Unknown);
    is_alike && matches!(verdict.reason, Reason::OurRule | Reason::OurGuard)
}
