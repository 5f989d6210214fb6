//! Every word of the menu that is not in the status: another language has one place to go to.

use super::row::MenuAction;
use super::text::one_line;
use crate::diagnosis::{Answer, Reachability};
use crate::rules::ends::EndKind;
use crate::rules::source::Source;
use crate::status::{FirewallState, GuardEffect, NetworkPlace, PortNetwork, PortState, PortStatus, Status};

pub(super) const LAB: &str = "Lab: nothing on this machine is changed";
pub(super) const GUARD: &str = "Guard Closed Ports";
/// The guard is on, and whether it blocks is not known.
pub(super) const IN_DOUBT: &str = "Guard Closed Ports — not known";
/// The guard is on, and blocks nothing.
pub(super) const NO_EFFECT: &str = "Guard Closed Ports — without effect";
pub(super) const CLOSE_ALL: &str = "Close All";
pub(super) const CHECK: &str = "Check Now";
pub(super) const REPAIR: &str = "Repair…";
pub(super) const CONNECT: &str = "Connect";
pub(super) const CANCEL: &str = "Cancel Request";
pub(super) const QUIT: &str = "Quit Portcullis";

/// What an action waits for. A closing is heard without a password, or asks for one after a while.
pub(super) fn waiting(action: &MenuAction) -> &'static str {
    match action {
        MenuAction::Close(_) | MenuAction::CloseAll => "closing…",
        _ => "waiting for permission…",
    }
}

pub(super) fn failure(because: &str) -> String {
    format!("Failed: {because}")
}

pub(super) fn more(count: usize) -> String {
    format!("{count} more: run portcullis status")
}

pub(super) fn port(status: &Status, port: &PortStatus) -> String {
    // A program in apposition brings its own comma.
    let program = port.program.as_deref().map(|program| one_line(program.trim_end_matches(',')));
    let found = program.into_iter().chain(situation(port).map(str::to_owned));
    let found = found.collect::<Vec<_>>().join(", ");
    let state = state(status, port);
    if found.is_empty() { state } else { format!("{state} · {found}") }
}

/// `2345  dlv`; the number alone of a port without a name.
pub(super) fn named(port: &PortStatus) -> String {
    match port.named_port() {
        named if named.has_name() => format!("{}  {}", named.range, named.name),
        named => named.range.to_string(),
    }
}

/// In a menu for one port.
pub(super) fn connect(number: u16) -> String {
    format!("{CONNECT} to {number}")
}

/// In a menu of several ports.
pub(super) fn used(number: u16, port: &PortStatus) -> String {
    match &port.program {
        Some(program) => format!("{number}  {}", one_line(program)),
        None if port.named_port().has_name() => format!("{number}  {}", port.name),
        None => number.to_string(),
    }
}

pub(super) fn next(step: &str) -> String {
    format!("Next: {step}")
}

pub(super) fn copy(client: &str) -> String {
    format!("Copy Settings for {client}")
}

/// Reachable, or why not; nothing where no debugger is there.
fn situation(port: &PortStatus) -> Option<&'static str> {
    Some(match port.situation {
        _ if !port.in_use => return None,
        Reachability::NoListener => return None,
        Reachability::Bricked => "serves no client any more",
        Reachability::InSession => "in session",
        Reachability::Wedged => "accepts no client any more",
        Reachability::Forwarded => "forwards it",
        Reachability::BlockedEverywhere => "blocked for this Mac too",
        Reachability::WrongFamily => "IPv6 only",
        Reachability::LoopbackOnly => "this Mac only",
        // That a closed port is closed was said.
        Reachability::BlockedByPf if port.state == PortState::Closed => "listens",
        Reachability::BlockedByPf => "blocked by pf",
        Reachability::BlockedByAppFirewall => "blocked by the Application Firewall",
        Reachability::Unknown => "reachable or not is not known",
        Reachability::Reachable => "reachable",
    })
}

fn state(status: &Status, port: &PortStatus) -> String {
    let word = if port.is_in_part() { "open in part" } else { "open" };
    let open = || open(word, port);
    let not_seen = status.firewall.not_seen.as_ref();
    match (port.state, status.firewall.state) {
        (PortState::MayBeOpen, _) => "may be open: a change was interrupted".to_owned(),
        (PortState::Open, _) if port.is_paused() => {
            let word = if port.is_in_part() { "paused in part" } else { "paused" };
            match not_seen {
                Some(not_seen) => format!("{word}, {not_seen}"),
                None => format!("{word}: not on {}", its_network(port)),
            }
        }
        (PortState::Open, _) if is_about_to_pause(port) => {
            let part = if port.is_in_part() { " in part" } else { "" };
            format!("about to pause{part}: not on {}", its_network(port))
        }
        (PortState::Open, FirewallState::Enabled) => match port.outside() {
            Answer::No => format!("{word}, yet another rule blocks it"),
            _ => open(),
        },
        (PortState::Open, FirewallState::Disabled) => format!("{}, and pf is off", open()),
        (PortState::Open, FirewallState::Unknown) => match not_seen {
            Some(not_seen) => format!("{}, {not_seen}", open()),
            None => format!("{}, not known", open()),
        },
        (PortState::Closed, _) => "closed".to_owned(),
        (PortState::LetIn, FirewallState::Disabled) => "let in: pf is off".to_owned(),
        (PortState::LetIn, _) => match status.firewall.guard_effect {
            GuardEffect::Uncalled | GuardEffect::Gone => "let in: our rules are without effect".to_owned(),
            _ => "let in by another rule".to_owned(),
        },
        (PortState::Unmanaged, FirewallState::Disabled) => "not protected: pf is off".to_owned(),
        (PortState::Unmanaged, _) => match port.outside() {
            Answer::No => "not protected, another rule blocks it".to_owned(),
            _ => "not protected".to_owned(),
        },
        (PortState::Unknown, _) => "not known".to_owned(),
    }
}

/// For whom, and by what it ends: without a set time that is the leaving of its network, too.
fn open(word: &str, port: &PortStatus) -> String {
    let (source, others) = (source(port), others(port));
    let without_time = port.end.as_ref().filter(|end| end.clock.is_none()).map(|end| end.kind);
    let is_for_network = matches!(port.from, Some(Source::Lan { .. })) && others.is_empty();
    match (without_time, ends_with(port)) {
        (Some(EndKind::Restart), Some(_)) if is_for_network => {
            format!("{word} on {source} only, until restart")
        }
        (Some(_), Some(_)) if is_for_network => format!("{word} on {source} only"),
        (Some(EndKind::Restart), Some(_)) => format!("{word} for {source} until restart or leaving{others}"),
        (Some(_), Some(network)) => format!("{word} for {source} while on {network}{others}"),
        _ => format!("{word} for {source}{}{others}", end(port)),
    }
}

/// Others than those that it was opened for.
fn others(port: &PortStatus) -> &'static str {
    if port.lets_others_in() { ", others not kept out" } else { "" }
}

/// How long is left is left out: a row is not to change each minute.
fn end(port: &PortStatus) -> String {
    let Some(end) = &port.end else { return String::new() };
    match (&end.clock, end.kind) {
        (Some(clock), _) if end.lengthened => format!(" until {clock}, 30 min more"),
        (Some(clock), _) => format!(" until {clock}"),
        (None, EndKind::Restart) => " until the restart".to_owned(),
        (None, _) => String::new(),
    }
}

fn is_about_to_pause(port: &PortStatus) -> bool {
    let is_left =
        |network: &PortNetwork| !network.paused && !network.stay && network.place == NetworkPlace::Another;
    port.network.as_ref().is_some_and(is_left)
}

fn its_network(port: &PortStatus) -> &str {
    port.network.as_ref().and_then(first_prefix).unwrap_or("its network")
}

/// The network whose leaving ends it.
fn ends_with(port: &PortStatus) -> Option<&str> {
    port.network.as_ref().filter(|network| !network.stay).and_then(first_prefix)
}

/// A row is short.
fn first_prefix(network: &PortNetwork) -> Option<&str> {
    network.name.as_deref()?.split(',').next()
}

fn source(port: &PortStatus) -> String {
    port.for_whom(1).unwrap_or_else(|| "this network".to_owned())
}
