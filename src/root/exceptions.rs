//! Clients that fare otherwise than the ledger says, because rules of others name them and decide before ours.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::diagnosis::Answer;
use crate::pf::explain::{CombinedVerdict, NamedClient, SomeClients, ask, named_clients, telling_ports};
use crate::pf::grounds::Grounds;
use crate::pf::origin::PerOrigin;
use crate::pf::rulesets::Rulesets;
use crate::pf::verdict::Decision;
use crate::port::PortRange;
use crate::report::Note;
use crate::rules::ledger::{Attachment, Guard, Ledger, Opening};
use crate::rules::source::Source;

/// One kind of client on one range.
#[derive(Clone, Debug)]
pub struct Exception {
    pub port: PortRange,
    pub clients: SomeClients,
    /// Whether they get in, against what the ledger says.
    pub answer: Answer,
    pub because: Grounds,
}

/// The ports of a range that each client is asked about.
const MAXIMUM_PORTS: usize = 8;

/// The exceptions on `port`, whose verdict for clients that no rule names is `base`: what that says already is none.
pub fn exceptions(
    loaded: &Rulesets,
    ledger: &Ledger,
    port: PortRange,
    base: &PerOrigin<CombinedVerdict>,
) -> Vec<Exception> {
    let ours = [Attachment::Apple.anchor(), Attachment::Classic.anchor()];
    let mut ports = telling_ports(loaded, port);
    ports.truncate(MAXIMUM_PORTS);
    // Whom `base` asked about as the network: chosen hosts stand in its place.
    let source =
        ledger.openings.iter().find(|opening| opening.port.overlaps(port)).and_then(Opening::source_now);
    let of_client = |client: NamedClient| {
        let wanted = wanted(ledger, port, client.host)?;
        let is_near = |net: &IpNet| net.contains(&client.host);
        let is_near = match &source {
            Some(Source::Hosts { hosts }) => hosts.iter().any(is_near),
            _ => loaded.interfaces().iter().any(|facts| facts.addresses.iter().any(is_near)),
        };
        let of_strangers = if is_near { base.network.verdict } else { base.anyone.verdict };
        let is_said = of_strangers != Decision::Unknown && of_strangers != wanted;
        let mut asked = ports.iter().filter(|_| !is_said).map(|port| ask(loaded, &client.query(*port)));
        let found = asked.find(|found| found.verdict != wanted)?;
        // Where strangers are unknown too, nothing new is said by that.
        let is_new = found.verdict != Decision::Unknown || of_strangers != Decision::Unknown;
        let is_told = wanted == Decision::Block || found.verdict != Decision::Unknown;
        let is_about_port = client.is_meant_by(&found.because);
        let clients = match client.clients {
            SomeClients::Network(_) if !is_about_port => SomeClients::Withheld,
            clients => clients,
        };
        let (answer, because) = (found.verdict.into(), found.because);
        (is_new && is_told).then_some(Exception { port, clients, answer, because })
    };
    let mut found: Vec<Exception> =
        named_clients(loaded, port, &ours).into_iter().filter_map(of_client).collect();
    found.dedup_by(|one, other| one.clients == other.clients && one.answer == other.answer);
    found
}

/// What the ledger says of a client; `None` where this Mac's own policy decides.
fn wanted(ledger: &Ledger, port: PortRange, host: IpAddr) -> Option<Decision> {
    let refused = (ledger.guard == Guard::On).then_some(Decision::Block);
    match ledger.openings.iter().find(|opening| opening.port.overlaps(port)) {
        Some(opening) => match opening.source_now() {
            Some(Source::Any) => Some(Decision::Pass),
            Some(Source::Lan { networks } | Source::Hosts { hosts: networks })
                if networks.iter().any(|network| network.contains(&host)) =>
            {
                Some(Decision::Pass)
            }
            _ => refused,
        },
        None => refused.filter(|_| ledger.managed.iter().any(|managed| managed.range.overlaps(port))),
    }
}

/// What every user may know of them: one note for each rule and client, with the ports.
pub fn notes(exceptions: Vec<Exception>) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for Exception { port, clients, answer, because, .. } in exceptions {
        let rule = because.without_words().rule().cloned();
        let same = notes.iter_mut().find_map(|note| match note {
            Note::Exception { clients: known, ports, answer: said, rule: by }
                if (&*known, &*said, &*by) == (&clients, &answer, &rule) =>
            {
                Some(ports)
            }
            _ => None,
        });
        match same {
            Some(ports) => ports.push(port),
            None => notes.push(Note::Exception { clients, ports: vec![port], answer, rule }),
        }
    }
    notes
}
