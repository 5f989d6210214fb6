//! The debug ports, and what their debuggers were started with.

use super::facts::{DoctorFacts, ExaminedPort};
use super::finding::{Finding, Level, finding, shortened};
use super::tasks::DlvTask;
use crate::debuggers::classify::{classify, classify_process};
use crate::debuggers::debugger::{Trap, TrapEffect};
use crate::debuggers::port_view::PortView;
use crate::diagnosis::Reachability;
use crate::sockets::Process;

pub fn ports(facts: &DoctorFacts) -> Vec<Finding> {
    let of_port = |ExaminedPort { view, said, version }: &ExaminedPort| {
        let level = match said.state {
            Reachability::Bricked
            | Reachability::Wedged
            | Reachability::WrongFamily
            | Reachability::BlockedEverywhere => Level::Problem,
            Reachability::Unknown => Level::Unknown,
            Reachability::LoopbackOnly
            | Reachability::Forwarded
            | Reachability::BlockedByPf
            | Reachability::BlockedByAppFirewall => Level::Advice,
            // Another program on a debug port may be what is in the debugger's way.
            Reachability::InSession | Reachability::Reachable
                if view.server.is_none() && view.named_debugger().is_none() =>
            {
                Level::Unknown
            }
            Reachability::NoListener | Reachability::InSession | Reachability::Reachable => Level::Fine,
        };
        let command = view.process.as_ref().map(|process| process.arguments.join(" ")).unwrap_or_default();
        let version = version.as_ref().map_or(String::new(), |version| format!(", version {version}"));
        let named_by = view.named_by().map_or(String::new(), |by| format!("; what it is: {by}"));
        let evidence = match command.is_empty() {
            true => format!("the socket table{version}{named_by}"),
            false => format!("`{}`{version}{named_by}", shortened(&command)),
        };
        // What is right as it is needs no next step in a report.
        let next = if level == Level::Fine { "" } else { &said.next_step };
        finding(level, &format!("port {}", view.port), said.sentence.clone(), &evidence, next)
    };
    let blind = facts.blind_spot.iter().map(|why| {
        finding(
            Level::Unknown,
            "ports",
            "listeners of other users may be missing",
            why,
            "look as root: `sudo portcullis doctor`",
        )
    });
    let (unused, used): (Vec<&ExaminedPort>, Vec<&ExaminedPort>) =
        facts.ports.iter().partition(|port| port.said.state == Reachability::NoListener);
    let unused: Vec<String> = unused.iter().map(|port| port.view.port.to_string()).collect();
    let unused = (!unused.is_empty()).then(|| {
        let what = format!("nothing listens on {}", unused.join(", "));
        finding(Level::Fine, "ports", what, "the socket table", "")
    });
    let in_vain = facts.ports.iter().filter_map(|port| told_in_vain(&port.view));
    used.into_iter().map(of_port).chain(in_vain).chain(unused).chain(blind).collect()
}

/// A debugger without its port: a problem, unless it is one of several that were told the same.
fn told_in_vain(view: &PortView) -> Option<Finding> {
    let told = view.told_in_vain.as_ref()?;
    let level = if told.is_taken { Level::Advice } else { Level::Problem };
    Some(finding(level, &format!("port {}", view.port), told.what.clone(), "its command line", &told.next))
}

pub fn traps(facts: &DoctorFacts) -> Vec<Finding> {
    let seen = facts.ports.iter().filter_map(|port| port.view.process.as_ref());
    let mut processes: Vec<&Process> = seen.chain(&facts.processes).collect();
    processes.sort_by_key(|process| process.pid);
    processes.dedup_by_key(|process| process.pid);
    let of_process = |process: &&Process| -> Vec<Finding> {
        let Some(server) = classify_process(process, None) else { return vec![] };
        let line = format!("`{}` (pid {})", shortened(&process.arguments.join(" ")), process.pid);
        let of_trap = |trap: &&Trap| finding(level(trap), server.title(), trap.what, &line, trap.cure);
        server.traps.iter().map(of_trap).collect()
    };
    let of_task = |task: &DlvTask| -> Vec<Finding> {
        let program = task.arguments.first().map(String::as_str).unwrap_or_default();
        let Some(server) = classify(program, &task.arguments, None) else { return vec![] };
        let line = format!("{}: `{}`", task.file, shortened(&task.arguments.join(" ")));
        let about = format!("project, \"{}\"", task.name.escape_debug());
        let of_trap = |trap: &&Trap| finding(level(trap), &about, trap.what, &line, trap.cure);
        server.traps.iter().map(of_trap).collect()
    };
    processes.iter().flat_map(of_process).chain(facts.project.tasks.iter().flat_map(of_task)).collect()
}

fn level(trap: &Trap) -> Level {
    match trap.effect {
        TrapEffect::Defeats => Level::Problem,
        TrapEffect::Surprises => Level::Advice,
    }
}
