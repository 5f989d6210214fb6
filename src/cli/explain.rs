//! `portcullis explain PORT`: whether pf lets a connection in, and which rule decides.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::context::Context;
use super::error::CommandError;
use super::files::{ConfFile, IncludedFiles};
use super::interruption;
use super::output::{CommandOutput, Run, pretty};
use super::typed;
use portcullis::app::{AppError, Evidence, ReadPreferences, names};
use portcullis::firewall;
use portcullis::pf::criteria::Family;
use portcullis::pf::explain::{ClientHost, Explanation, Query, ask, ask_outgoing};
use portcullis::pf::load::Listing;
use portcullis::pf::origin::{Both, PerOrigin};
use portcullis::pf::parse::{Fault, Problem};
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::verdict::Decision;
use portcullis::prefs::Preferences;
use portcullis::report::{PfState, RulesetsReport};
use portcullis::rules::ledger::Attachment;
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::status::wording::duration;

pub const AFTER_HELP: &str = "Exit status: 0 passed, 1 blocked, 3 not known, 2 bad input. Without --conf: the rules \
that root last saw (`portcullis status --check` has root look).";

#[derive(Debug, clap::Args)]
pub struct ExplainArguments {
    /// The port, or its name
    port: String,
    /// Who connects: an address, or loopback, network (the networks of the Mac), anyone
    #[arg(long, value_name = "ADDR", default_value = "network", value_parser = read_from)]
    from: ClientHost,
    /// This Mac is the client, and connects to the port of this address
    #[arg(long, value_name = "ADDR", conflicts_with = "from")]
    to: Option<IpAddr>,
    /// The interface that the connection comes in by, or goes out by
    #[arg(long, value_name = "IF")]
    on: Option<String>,
    /// Explain this file instead of the rules that are loaded
    #[arg(long, value_name = "FILE")]
    conf: Option<PathBuf>,
    /// The folder that stands for /etc/pf.anchors
    #[arg(long, value_name = "DIR", requires = "conf")]
    anchors: Option<PathBuf>,
}

fn read_from(text: &str) -> Result<ClientHost, String> {
    match text {
        "loopback" | "localhost" | "here" => Ok(ClientHost::Loopback),
        "network" | "lan" => Ok(ClientHost::Network),
        "anyone" | "any" => Ok(ClientHost::Anyone),
        _ => text
            .parse::<IpAddr>()
            .map(ClientHost::Host)
            .map_err(|_| "use an address, or loopback, network or anyone".to_owned()),
    }
}

/// Why no rule tells.
const IN_DOUBT: &str = "a change was interrupted, and may have left this port open";

pub struct ExplainCommand {
    /// As it was typed.
    port: String,
    client: Client,
    /// The host that this Mac connects to; `None`: this Mac is connected to.
    to: Option<IpAddr>,
    rules: ExplainedRules,
}

/// Where the connection comes from. Loopback has no other interface than lo0.
struct Client {
    from: ClientHost,
    interface: Option<String>,
}

enum ExplainedRules {
    /// Those that root last saw.
    Seen,
    File(ConfFile),
}

impl TryFrom<ExplainArguments> for ExplainCommand {
    type Error = CommandError;

    fn try_from(arguments: ExplainArguments) -> Result<Self, CommandError> {
        let ExplainArguments { port, from, to, on, conf, anchors } = arguments;
        let rules = match conf {
            Some(path) => ExplainedRules::File(ConfFile { path, anchors }),
            None => ExplainedRules::Seen,
        };
        Ok(ExplainCommand { port, client: Client::new(from, on)?, to, rules })
    }
}

/// Whether an interface of a Mac can have this name: a driver's and a number, such as en0 or utun4.
fn is_interface(name: &str) -> bool {
    let driver = name.trim_end_matches(|last: char| last.is_ascii_digit());
    let is_driver = driver.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !driver.is_empty();
    is_driver && (1..=15).contains(&name.len()) && driver.len() < name.len()
}

impl Client {
    fn new(from: ClientHost, interface: Option<String>) -> Result<Self, CommandError> {
        if let Some(name) = interface.as_ref().filter(|name| !is_interface(name)) {
            return Err(CommandError::NoInterface { name: name.chars().take(40).collect() });
        }
        let is_loopback = interface.as_ref().map(|name| name.starts_with("lo"));
        match (from, interface, is_loopback) {
            (ClientHost::Loopback, Some(interface), Some(false)) => {
                Err(CommandError::LoopbackElsewhere { interface })
            }
            // Only this Mac itself comes in by lo0.
            (ClientHost::Network, interface, Some(true)) => {
                Ok(Client { from: ClientHost::Loopback, interface })
            }
            (from, interface, _) => Ok(Client { from, interface }),
        }
    }

    /// The family that speaks for the answer, and one that may differ from it.
    fn families(&self) -> (Family, Option<Family>) {
        match self.from {
            ClientHost::Host(IpAddr::V6(_)) => (Family::Inet6, None),
            ClientHost::Host(IpAddr::V4(_)) => (Family::Inet, None),
            ClientHost::Loopback | ClientHost::Network | ClientHost::Anyone => {
                (Family::Inet, Some(Family::Inet6))
            }
        }
    }
}

impl ExplainCommand {
    pub fn run(self, context: &Context) -> Run {
        match &self.rules {
            ExplainedRules::Seen => {
                let app = context.app()?;
                self.explain_seen(&app.evidence(&mut names::ask)?, app.preferences())
            }
            ExplainedRules::File(conf) => self.explain_file(conf),
        }
    }

    fn explain_file(&self, conf: &ConfFile) -> Run {
        let ports = Preferences::default().ports(&typed::ports(&self.port)).map_err(AppError::from)?;
        let port = asked_port(&ports);
        let mut files = IncludedFiles::new(conf.anchors.clone());
        let text = files.main(&conf.path)?;
        let name = conf.path.display().to_string();
        let loaded = Rulesets::load_conf(&name, &text, &mut |path| files.include(path));
        let loaded = loaded.with_names(&mut names::ask);
        let follows_loads = conf.anchors.is_some() || cfg!(target_os = "macos");
        let refusals = loaded.refusals(follows_loads);
        let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        let mut notes = files.notes(&problems);
        let of_doubt = |problem: &&Problem| problem.fault == Fault::Refused;
        notes.extend(
            refusals
                .iter()
                .filter(of_doubt)
                .map(|Problem { path, line, message, .. }| format!("{path}:{line}: {message}")),
        );
        let loaded = loaded.rulesets.with_assumed_interfaces(self.client.interface.as_deref());
        let mut output = self.answer(&loaded, port, notes, problems);
        if let Some(first) = refusals.first() {
            output.is_not_loaded(first, refusals.len());
        }
        if let Some(host) = self.to {
            let Explanation { from, interface, notes, .. } = &mut output.explanation;
            notes.push(format!("asked for {from}, which goes out by {interface} to {host}: see --on"));
        } else if self.client.from != ClientHost::Loopback {
            let Explanation { from, interface, notes, .. } = &mut output.explanation;
            notes.push(format!("asked for {from}, which comes in by {interface}: see --from and --on"));
        }
        Ok(Box::new(output))
    }

    /// What is said of the rules that root last saw.
    pub fn explain_seen(&self, evidence: &Evidence, preferences: ReadPreferences) -> Run {
        let is_interrupted = evidence.interrupted.is_some();
        interruption::told_of(is_interrupted, || self.by_evidence(evidence, &preferences))
    }

    fn by_evidence(&self, evidence: &Evidence, preferences: &ReadPreferences) -> Run {
        let port = asked_port(&evidence.ports_named(&typed::ports(&self.port), preferences)?);
        let unasked = |verdict, sentence, because: String| -> Run {
            Ok(Box::new(UnaskedOutput::new(verdict, sentence, &because)))
        };
        let loaded_now = |rulesets: &RulesetsReport| {
            loaded(rulesets).with_interfaces(firewall::interface_facts(&evidence.interfaces))
        };
        let in_doubt = self.is_in_doubt(evidence, port.first);
        let report = match evidence.report.usable(evidence.now, &evidence.boot) {
            Ok(report) => report,
            Err(because) => {
                let sentence = format!(
                    "whether pf lets it in is not known: {because}; look now with `portcullis status --check`"
                );
                return unasked(Decision::Unknown, sentence, because.to_string());
            }
        };
        match &report.pf {
            PfState::Enabled => {}
            PfState::Disabled if in_doubt => {
                let sentence = format!("unknown: {IN_DOUBT}; root last saw that pf is off");
                return unasked(Decision::Unknown, sentence, IN_DOUBT.to_owned());
            }
            PfState::Disabled => {
                let sentence = format!(
                    "passed: pf is off and filters nothing, so it keeps no client from port {}",
                    port.first
                );
                let output = UnaskedOutput::new(Decision::Pass, sentence, "pf is off");
                // A change is held to what pf would do, and this is where its failure sends the person.
                let rules = evidence.rulesets.as_ref().ok().map(loaded_now);
                let would = rules.map(|rules| self.answer(&rules, port, Vec::new(), Vec::new()));
                let notes = would.map(|would| format!("were pf on: {}", would.explanation.sentence));
                return Ok(Box::new(UnaskedOutput { notes: notes.into_iter().collect(), ..output }));
            }
            PfState::Unknown(text) => {
                let because = format!("pf's answer was not understood: {text}");
                let sentence = format!("whether pf lets it in is not known: {because}");
                return unasked(Decision::Unknown, sentence, because);
            }
        }
        let rulesets = match &evidence.rulesets {
            Ok(rulesets) => rulesets,
            Err(because) => {
                let sentence = format!(
                    "whether pf lets it in is not known: {because}; `portcullis status` has root's verdict on the ports that it shows"
                );
                return unasked(Decision::Unknown, sentence, because.to_string());
            }
        };
        let on_disk = evidence.on_disk();
        let loaded = loaded_now(rulesets);
        let age = duration(evidence.now.saturating_sub(report.seen));
        let mut notes = vec![format!("by the rules that root saw {age} ago")];
        notes.extend(on_disk.map(|on_disk| on_disk.with_next_step()));
        let mut output = self.answer(&loaded, port, notes, Vec::new());
        output.explanation.notes.extend(self.beside(evidence, &output.explanation));
        if in_doubt {
            output.is_in_doubt();
        }
        Ok(Box::new(output))
    }

    /// The notes that rules alone do not give: that a rule which blocks is another program's, which hosts the port is open for,
    /// and which command tells the rest.
    fn beside(&self, evidence: &Evidence, explained: &Explanation) -> Vec<String> {
        let ours = [Attachment::Apple.anchor(), Attachment::Classic.anchor()];
        let is_blocked = explained.verdict == Decision::Block;
        let others =
            explained.rule.as_ref().filter(|rule| is_blocked && !ours.contains(&rule.anchor.as_str()));
        let others = others.map(|_| {
            "that rule is not of Portcullis, which leaves it alone: let the connection in where it comes from, such as a VPN or another firewall".to_owned()
        });
        let opening = evidence.openings().iter().find(|opening| opening.port.contains(explained.port));
        let chosen = opening.filter(|_| is_blocked && self.client.from == ClientHost::Network);
        let chosen = chosen.and_then(|opening| match opening.source_now()? {
            Source::Hosts { hosts } => {
                let host = hosts.first()?.addr();
                let whom = opening.from.in_words(1);
                Some(format!(
                    "the port is open for {whom}: `portcullis explain {} --from {host}`",
                    explained.port
                ))
            }
            _ => None,
        });
        // pf is one of several reasons.
        let is_from_outside = self.to.is_none() && self.client.from != ClientHost::Loopback;
        let whole = is_from_outside
            .then(|| format!("who listens there, and what to do: `portcullis doctor {}`", explained.port));
        others.into_iter().chain(chosen).chain(whole).collect()
    }

    /// Whether a change that was interrupted may have left the port open to this client: to this Mac it always is.
    fn is_in_doubt(&self, evidence: &Evidence, port: u16) -> bool {
        let is_from_outside = self.to.is_none() && self.client.from != ClientHost::Loopback;
        let mut open = evidence.interrupted.iter().flat_map(|changing| &changing.open);
        is_from_outside && open.any(|open| open.port.contains(port))
    }

    /// The port that is asked about: of several the first, which a note says.
    fn answer(
        &self,
        loaded: &Rulesets,
        AskedPort { first: port, is_one }: AskedPort,
        notes: Vec<String>,
        problems: Vec<String>,
    ) -> ExplainOutput {
        let Client { from, interface } = &self.client;
        let question = |family| Query { port, from: *from, family, interface: interface.clone() };
        let (family, other) = self.client.families();
        let other = other.filter(|_| self.to.is_none());
        let mut explanation = match self.to {
            Some(host) => ask_outgoing(loaded, port, host, interface.as_deref()),
            None => ask(loaded, &question(family)),
        };
        let other = other.map(|family| ask(loaded, &question(family)));
        if let Some(six) = other.filter(|six| six.verdict != explanation.verdict) {
            explanation.sentence += &format!("; over IPv6: {}", six.sentence);
            explanation.trail.extend(six.trail);
            explanation.notes.extend(six.notes.into_iter().map(|note| format!("over IPv6: {note}")));
        }
        explanation.notes.extend(notes);
        if !is_one {
            explanation.notes.push(format!("port {port} was asked about, of {}", self.port));
        }
        let answers = PerOrigin::of(|origin| {
            let question = |family| Query { port, from: origin.into(), family, interface: None };
            Both { v4: Family::Inet, v6: Family::Inet6 }.map(|family| ask(loaded, &question(family)).verdict)
        });
        ExplainOutput { version: 1, explanation, answers, problems }
    }
}

/// One port, and whether it is all that was typed.
#[derive(Clone, Copy)]
struct AskedPort {
    first: u16,
    is_one: bool,
}

fn asked_port(ports: &[NamedPort]) -> AskedPort {
    let is_one = matches!(ports, [NamedPort { range, .. }] if range.as_single().is_some());
    AskedPort { first: ports.first().map_or(0, |named| named.range.first()), is_one }
}

/// The rules that pf held when root looked.
pub fn loaded(seen: &RulesetsReport) -> Rulesets {
    let listings = seen.rulesets.iter().map(|(anchor, rules)| {
        (anchor.as_str(), Listing { rules: &rules.rules, nat: &rules.nat, tables: &rules.tables })
    });
    Rulesets::from_listings(listings, seen.skip.iter().map(String::as_str)).0
}

#[derive(Serialize)]
struct ExplainOutput {
    version: u32,
    #[serde(flatten)]
    explanation: Explanation,
    /// The answers for every client, in short.
    answers: PerOrigin<Both<Decision>>,
    problems: Vec<String>,
}

impl ExplainOutput {
    /// Says first that pf may not hold the rules that root saw.
    fn is_in_doubt(&mut self) {
        let Explanation { verdict, sentence, .. } = &mut self.explanation;
        *sentence = format!("unknown: {IN_DOUBT}; by the rules that root last saw: {sentence}");
        *verdict = Decision::Unknown;
        let PerOrigin { network, anyone, .. } = &mut self.answers;
        (*network, *anyone) = (Both::same(Decision::Unknown), Both::same(Decision::Unknown));
    }

    /// Says first that pfctl would load nothing of the file: what its rules do is what they would do.
    fn is_not_loaded(&mut self, first: &Problem, count: usize) {
        let Explanation { verdict, sentence, .. } = &mut self.explanation;
        let (problems, them) =
            if count == 1 { ("problem".to_owned(), "it") } else { (format!("{count} problems"), "them") };
        *sentence = format!(
            "unknown: pfctl would load nothing of this file, for its {problems} (line {}); without {them}: {sentence}",
            first.line
        );
        *verdict = Decision::Unknown;
    }
}

impl CommandOutput for ExplainOutput {
    fn json(&self) -> String {
        pretty(self)
    }

    fn text(&self) -> String {
        let mut text = self.explanation.to_string();
        if !self.problems.is_empty() {
            text += "\nproblems; what could not be read is taken for a rule that may do anything:\n";
            text.extend(self.problems.iter().map(|problem| format!("{problem}\n")));
        }
        text
    }

    fn exit_status(&self) -> u8 {
        exit_status(self.explanation.verdict)
    }
}

/// An answer that no rule was asked for.
struct UnaskedOutput {
    verdict: Decision,
    sentence: String,
    because: String,
    notes: Vec<String>,
}

impl UnaskedOutput {
    fn new(verdict: Decision, sentence: String, because: &str) -> Self {
        UnaskedOutput { verdict, sentence, because: because.to_owned(), notes: Vec::new() }
    }
}

#[derive(Serialize)]
struct UnaskedJson<'a> {
    version: u32,
    verdict: Decision,
    sentence: &'a str,
    because: &'a str,
    rule: Option<()>,
    trail: [(); 0],
    notes: &'a [String],
}

impl CommandOutput for UnaskedOutput {
    fn json(&self) -> String {
        let UnaskedOutput { verdict, sentence, because, notes } = self;
        let (version, verdict) = (1, *verdict);
        pretty(&UnaskedJson { version, verdict, sentence, because, rule: None, trail: [], notes })
    }

    fn text(&self) -> String {
        let notes: String = self.notes.iter().map(|note| format!("  note: {note}\n")).collect();
        format!("{}\n{notes}", self.sentence)
    }

    fn exit_status(&self) -> u8 {
        exit_status(self.verdict)
    }
}

fn exit_status(verdict: Decision) -> u8 {
    match verdict {
        Decision::Pass => 0,
        Decision::Block => 1,
        Decision::Unknown => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_reads() {
        assert_eq!(read_from("lan"), Ok(ClientHost::Network));
        assert_eq!(read_from("fe80::1"), Ok(ClientHost::Host("fe80::1".parse().unwrap())));
        assert!(read_from("10.0.0.0/8").is_err());
    }

    #[test]
    fn only_this_mac_comes_in_by_lo0() {
        let from = |from, on: &str| Client::new(from, Some(on.to_owned())).map(|client| client.from);
        assert_eq!(from(ClientHost::Network, "lo0").unwrap(), ClientHost::Loopback);
        assert_eq!(from(ClientHost::Network, "en0").unwrap(), ClientHost::Network);
        assert!(from(ClientHost::Loopback, "en0").unwrap_err().to_string().contains("leave --on out"));
    }
}
