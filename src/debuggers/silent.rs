//! Debuggers that were told to listen on a port, and run without listening there.

use super::classify::classify_process;
use super::command_line::CommandLine;
use super::debugger::{ListenOn, Server};
use crate::diagnosis::wording::ToldInVain;
use crate::sockets::{Process, Socket};

/// Those among `processes` that were told to listen on `port` and do not, in words. `there` are the sockets on the port: of
/// one whose owner is not known nothing is said, since it may be any of these.
pub fn told_in_vain(port: u16, there: &[&Socket], processes: &[Process]) -> Option<ToldInVain> {
    if there.iter().any(|socket| socket.pid().is_none()) {
        return None;
    }
    let has_one = |process: &Process| there.iter().any(|socket| socket.pid() == Some(process.pid));
    let silent: Vec<(&Process, Server)> = processes
        .iter()
        .filter(|process| !has_one(process))
        .filter_map(|process| silent(port, process))
        .collect();
    let (process, server) = silent.first()?;
    let owner = there.first().and_then(|socket| socket.owner.process());
    // A wrapper that left it to its child has what it wants.
    if owner.is_some_and(|owner| owner.parent == Some(process.pid)) {
        return None;
    }
    let (why, next) = match owner {
        Some(owner) => (format!("{owner} has that port"), way_out(port, server, owner, processes)),
        None => {
            let (why, next) = (server.mode.silence?.cause)(&CommandLine::of(process), port)?;
            (why.to_owned(), next)
        }
    };
    let others = match silent.len() {
        1 => String::new(),
        2 => " and another".to_owned(),
        many => format!(" and {} others", many - 1),
    };
    let (verb, end) = if silent.len() == 1 { ("was", "does") } else { ("were", "do") };
    let what = format!("{process}{others} {verb} told to listen on port {port} and {end} not: {why}");
    Some(ToldInVain { what, next, is_taken: owner.is_some() })
}

/// What a process was told, where it was to listen on `port` itself.
fn silent(port: u16, process: &Process) -> Option<(&Process, Server)> {
    let server = classify_process(process, None).filter(|server| server.measured)?;
    let is_its_port = server.listen.as_ref().is_some_and(|listen| listen.port == Some(port));
    let is_own = (server.mode.silence?.is_own)(&CommandLine::of(process));
    (is_its_port && is_own).then_some((process, server))
}

fn way_out(port: u16, server: &Server, owner: &Process, processes: &[Process]) -> String {
    let told = |process: &Process| classify_process(process, None)?.listen?.port;
    let taken: Vec<u16> = processes.iter().filter_map(told).collect();
    let host = server.listen.as_ref().map(|listen| listen.host.as_str()).unwrap_or_default();
    let on = if matches!(host, "" | "0.0.0.0" | "::") { ListenOn::Everywhere } else { ListenOn::Loopback };
    let free = (port.saturating_add(1)..).find(|next| !taken.contains(next)).unwrap_or(port);
    match (server.mode.listen_option)(on, free) {
        Some(option) => format!("restart it with `{option}`, or stop {owner} first"),
        None => format!("stop {owner}, then start it again"),
    }
}
