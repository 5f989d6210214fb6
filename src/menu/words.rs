//! Every word of the menu that is not in the status: another language has one place to go to.

use super::row::MenuAction;
use super::text::one_line;
use crate::diagnosis::{Answer, Reachability};
use crate::rules::ends::EndKind;
use crate::rules::source::Source;
use crate::status::{FirewallState, NetworkPlace, PortNetwork, PortState, PortStatus, Status};

pub(super) const LAB: &str = "Lab: nothing on this machine is changed";
pub(super) const GUARD: &str = "Guard Closed Ports";
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
    let found = port.program.as_deref().map(one_line).into_iter().chain(situation(port).map(str::to_owned));
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
    match (port.state, status.firewall.state) {
        (PortState::Open, _) if is_off_its_network(port) => off_its_network(port),
        (PortState::MayBeOpen, _) => "may be open: a change was interrupted".to_owned(),
        (PortState::Unknown, _) => "not known".to_owned(),
        (PortState::Open, FirewallState::Enabled) => match port.outside() {
            Answer::No => "open, yet another rule blocks it".to_owned(),
            _ => open(port),
        },
        (PortState::Open, FirewallState::Disabled) => format!("{}, and pf is off", open(port)),
        (PortState::Open, FirewallState::Unknown) => format!("{}, not looked at since", open(port)),
        (PortState::Closed, FirewallState::Enabled) => "closed".to_owned(),
        (PortState::LetIn, FirewallState::Enabled) => "let in by another rule".to_owned(),
        (PortState::Unmanaged, FirewallState::Enabled) => "unmanaged".to_owned(),
        (_, FirewallState::Disabled) => "not filtered".to_owned(),
        _ => "not known".to_owned(),
    }
}

/// For whom, and by what it ends. How long is left is left out: a row is not to change each minute. Without a set time it ends
/// with its network, too.
fn open(port: &PortStatus) -> String {
    let source = source(port);
    let network = port.network.as_ref().filter(|network| !network.stay).and_then(first_prefix);
    let is_for_network = matches!(port.from, Some(Source::Lan { .. }));
    let end = port.end.as_ref();
    match (end.and_then(|end| end.clock.as_deref()), end.map(|end| end.kind), network) {
        (Some(clock), ..) if end.is_some_and(|end| end.lengthened) => {
            format!("open for {source} until {clock}, 30 min more")
        }
        (Some(clock), ..) => format!("open for {source} until {clock}"),
        (None, Some(EndKind::Restart), None) => format!("open for {source} until the restart"),
        (None, Some(EndKind::Restart), Some(_)) if is_for_network => {
            format!("open on {source} only, until restart")
        }
        (None, Some(EndKind::Restart), Some(_)) => format!("open for {source} until restart or leaving"),
        (None, _, Some(_)) if is_for_network => format!("open on {source} only"),
        (None, Some(_), Some(network)) => format!("open for {source} while on {network}"),
        (None, ..) => format!("open for {source}"),
    }
}

/// A row is short.
fn first_prefix(network: &PortNetwork) -> Option<&str> {
    network.name.as_deref()?.split(',').next()
}

fn is_off_its_network(port: &PortStatus) -> bool {
    let is_off =
        |network: &PortNetwork| network.paused || !network.stay && network.place == NetworkPlace::Another;
    port.network.as_ref().is_some_and(is_off)
}

fn off_its_network(port: &PortStatus) -> String {
    let network = port.network.as_ref();
    let name = network.and_then(first_prefix).unwrap_or("its network");
    let state = if network.is_some_and(|network| network.paused) { "paused" } else { "about to pause" };
    format!("{state}: not on {name}")
}

fn source(port: &PortStatus) -> String {
    port.from.as_ref().map_or_else(|| "this network".to_owned(), |from| from.in_words(1))
}
