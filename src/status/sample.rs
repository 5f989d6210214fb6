//! Statuses for tests.

use super::{AppFirewall, Facts, Status};
use crate::debuggers::ports::DebugPort;
use crate::diagnosis::{PortFacts, Presence};
use crate::port::PortRange;
use crate::report::{Report, ReportFact, sample};
use crate::rules::named_port::NamedPort;

/// The status of these ports, all closed by the guard and idle, as `change` makes it.
pub fn status(ports: Vec<DebugPort>, change: impl FnOnce(&mut Facts, &mut Report)) -> Status {
    let managed = ports.iter().map(|port| NamedPort { name: port.name.clone(), range: port.port });
    let mut report = sample::all_closed(managed.collect());
    let mut facts = Facts {
        boot: report.boot.clone(),
        seen: Ok(ports.iter().map(|port| idle(port.port)).collect()),
        app_firewall: AppFirewall::Off,
        ports,
        ..Facts::unseen(report.seen + 10, ReportFact::Missing)
    };
    change(&mut facts, &mut report);
    if facts.report == ReportFact::Missing {
        facts.report = ReportFact::Read(Box::new(report));
    }
    Status::of(&facts)
}

/// Nothing listens.
pub fn idle(port: PortRange) -> PortFacts {
    PortFacts::without_socket(port.first(), port.to_string(), Presence::Absent)
}
