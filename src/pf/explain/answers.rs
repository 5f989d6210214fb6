//! Many queries at once: for each origin, over both families, for every port of a range.

use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

use crate::pf::criteria::{Family, PortMatch};
use crate::pf::grounds::{Asked, Grounds};
use crate::pf::origin::{Origin, PerOrigin};
use crate::pf::rulesets::Rulesets;
use crate::pf::verdict::Decision;
use crate::port::PortRange;

use super::endpoints::unnamed_in;
use super::explanation::{Explanation, as_text};
use super::inquiry::ask;
use super::query::{ClientHost, Query};

/// The answer for both families together.
#[derive(Clone, Debug, PartialEq)]
pub struct CombinedVerdict {
    /// `pass` where the port can be reached over one family at least; `block` where over none; else `unknown`.
    pub verdict: Decision,
    pub because: Grounds,
    /// Each family's answer.
    pub families: Vec<Explanation>,
}

/// Machines that are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NearNetwork {
    pub network: IpNet,
    /// The interface that they come in by; `None`: the one that is on their network. Link-local addresses are the same on
    /// each.
    pub interface: Option<String>,
}

impl From<IpNet> for NearNetwork {
    fn from(network: IpNet) -> Self {
        NearNetwork { network, interface: None }
    }
}

/// Who can reach the ports of the range. `near` are the networks that "this network" means; where it is empty, those that
/// the interfaces are on.
pub fn answers(loaded: &Rulesets, range: PortRange, near: &[NearNetwork]) -> PerOrigin<CombinedVerdict> {
    let ports = telling_ports(loaded, range);
    let families = [Family::Inet, Family::Inet6];
    let of_host = |near: &NearNetwork| {
        let host = unnamed_in(loaded, near.network);
        let family = if host.is_ipv4() { Family::Inet } else { Family::Inet6 };
        (ClientHost::Host(host), family, near.interface.clone())
    };
    PerOrigin::of(|origin| {
        let clients: Vec<_> = match origin {
            Origin::Network if !near.is_empty() => near.iter().map(of_host).collect(),
            _ => families.map(|family| (ClientHost::from(origin), family, None)).into(),
        };
        let queries = ports.iter().flat_map(|port| {
            clients.iter().cloned().map(|(from, family, interface)| Query {
                port: *port,
                from,
                family,
                interface,
            })
        });
        combine(queries.map(|query| ask(loaded, &query)).collect())
    })
}

/// The most ports of a range that are asked about.
const MAXIMUM_PORTS: usize = 64;

/// The ports of the range at which some rule's answer may change.
pub fn telling_ports(loaded: &Rulesets, range: PortRange) -> Vec<u16> {
    let mut ports = vec![range.first()];
    if range.as_single().is_none() {
        let rulesets = loaded.anchor_paths().filter_map(|path| loaded.anchor(path));
        let rules = rulesets.flat_map(|ruleset| ruleset.filter.iter().chain(&ruleset.rdr));
        for placed in rules {
            if let Some(PortMatch::Number(compare)) = &placed.item.destination.port {
                let (a, b) = compare.bounds();
                ports.extend([a, a.saturating_add(1), b, b.saturating_add(1)]);
            }
        }
        ports.retain(|port| range.contains(*port));
        ports.sort_unstable();
        ports.dedup();
        ports.truncate(MAXIMUM_PORTS);
    }
    ports
}

/// One answer of many: hosts of a family must agree, then the family that gets through counts, then ports must agree.
fn combine(families: Vec<Explanation>) -> CombinedVerdict {
    let mut ports: Vec<u16> = families.iter().map(|answer| answer.port).collect();
    ports.dedup();
    let by_port = ports.iter().map(|port| {
        let of = |family: &str| {
            let answers = families.iter().filter(|answer| answer.port == *port && answer.family == family);
            agreed(answers.map(|answer| (Asked::Client(answer.from), answer.verdict, answer.because.clone())))
        };
        let over = |family, (verdict, because)| (verdict, Grounds::Over { family, then: Box::new(because) });
        let (verdict, because) = match (of("inet"), of("inet6")) {
            (None, None) => (Decision::Unknown, Grounds::NoAddress),
            (Some(only), None) | (None, Some(only)) => only,
            (Some(four), Some(six)) if four.0 == six.0 => four,
            (Some(four @ (Decision::Pass, _)), _) => over(Family::Inet, four),
            (_, Some(six @ (Decision::Pass, _))) => over(Family::Inet6, six),
            (Some(four @ (Decision::Unknown, _)), _) => over(Family::Inet, four),
            (_, Some((_, because))) => over(Family::Inet6, (Decision::Unknown, because)),
        };
        (Asked::Port(*port), verdict, because)
    });
    let (verdict, because) = agreed(by_port).unwrap_or((Decision::Unknown, Grounds::NoAddress));
    CombinedVerdict { verdict, because, families }
}

/// The decision that all have in common, with the first's grounds; unknown, with two of them, where they differ.
fn agreed(mut answers: impl Iterator<Item = (Asked, Decision, Grounds)>) -> Option<(Decision, Grounds)> {
    let (asked, verdict, because) = answers.next()?;
    Some(match answers.find(|(_, other, _)| *other != verdict) {
        None => (verdict, because),
        Some((other, _, others)) => {
            let (one, other) = ((asked, Box::new(because)), (other, Box::new(others)));
            (Decision::Unknown, Grounds::Differ { one, other })
        }
    })
}

/// Who can reach a port before a change and after it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerdictChange {
    /// Serialised as `first` and `last`.
    #[serde(flatten, serialize_with = "first_and_last")]
    pub ports: PortRange,
    pub from: Origin,
    pub before: Decision,
    pub after: Decision,
    /// Why `after`.
    #[serde(serialize_with = "as_text")]
    pub because: Grounds,
}

fn first_and_last<S: serde::Serializer>(ports: &PortRange, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct FirstAndLast {
        first: u16,
        last: u16,
    }
    FirstAndLast { first: ports.first(), last: ports.last() }.serialize(serializer)
}

/// The verdicts before and after a change of the rulesets, for ranges of ports with the networks that "this network"
/// means for each.
pub fn changes(
    before: &Rulesets,
    after: &Rulesets,
    ranges: &[(PortRange, Vec<NearNetwork>)],
) -> Vec<VerdictChange> {
    let mut changes = Vec::new();
    for (ports, near) in ranges {
        let (old, new) = (answers(before, *ports, near), answers(after, *ports, near));
        changes.extend(Origin::ALL.map(|from| {
            let (old, new) = (old.get(from), new.get(from));
            let (before, after, because) = (old.verdict, new.verdict, new.because.clone());
            VerdictChange { ports: *ports, from, before, after, because }
        }));
    }
    changes
}

/// `2345  network   block → pass  passed by …`
impl fmt::Display for VerdictChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.ports.to_string();
        let outcome = if self.before == self.after {
            self.after.to_string()
        } else {
            format!("{} → {}", self.before, self.after)
        };
        write!(f, "{ports:<11}  {:<8}  {outcome:<17}  {}", self.from, self.because)
    }
}
