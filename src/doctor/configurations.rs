//! The project's debug configurations, held against what listens.

use std::net::IpAddr;

use super::facts::{DoctorFacts, ExaminedPort};
use super::finding::{Finding, Level, finding};
use super::project::{Configuration, WrittenPort};
use crate::debuggers::debugger::{EditorClient, Mode};
use crate::debuggers::settings::ConnectTarget;

pub fn configurations(facts: &DoctorFacts) -> Vec<Finding> {
    let unreadable = facts.project.problems.iter().map(|problem| {
        finding(
            Level::Problem,
            "project",
            "a debug configuration cannot be read",
            problem,
            "correct that file",
        )
    });
    let of_one = |configuration: &Configuration| configuration_finding(configuration, facts);
    unreadable.chain(facts.project.configurations.iter().filter_map(of_one)).collect()
}

fn configuration_finding(configuration: &Configuration, facts: &DoctorFacts) -> Option<Finding> {
    let about = format!("project, \"{}\"", configuration.name.escape_debug());
    let host = configuration.host.as_deref().unwrap_or("127.0.0.1");
    let said = match &configuration.port {
        WrittenPort::Number(port) => port.to_string(),
        WrittenPort::Unresolved(text) => text.escape_debug().to_string(),
    };
    let evidence = format!("{}: {}", configuration.file, address(host, &said));
    let found = |level, what: String, next: &str| Some(finding(level, &about, what, &evidence, next));
    let WrittenPort::Number(port) = configuration.port else {
        let what = format!("its port is {said}: only the editor knows what that is");
        return found(Level::Unknown, what, "compare it with the port of the debugger");
    };
    let own = host.parse().is_ok_and(|address: IpAddr| facts.addresses.contains(&address));
    // Another machine's debugger cannot be seen from here.
    if !own && !["127.0.0.1", "localhost", "::1", "0.0.0.0", ""].contains(&host) {
        return None;
    }
    let view = facts.ports.iter().map(|port| &port.view).find(|view| view.port == port)?;
    let Some(server) = &view.server else {
        return match &view.process {
            Some(process) => found(
                Level::Problem,
                format!(
                    "it connects to port {port}, where {process} listens, which is no debugger that is known"
                ),
                "give both the same free port",
            ),
            // Somebody listens, and who that is may not be seen.
            None if !view.listeners.is_empty() => found(
                Level::Unknown,
                format!("it connects to port {port}, and who listens there is not known"),
                "look as root: `sudo portcullis doctor`",
            ),
            None => match elsewhere(configuration.client, facts) {
                Some((title, other)) => found(
                    Level::Problem,
                    format!(
                        "it connects to port {port}, where nothing listens; the {title} is on port {other}"
                    ),
                    &format!("give it port {other}, or start the debugger on port {port}"),
                ),
                None => found(
                    Level::Advice,
                    format!("it connects to port {port}, where nothing listens yet"),
                    "start the debugger first, then this configuration",
                ),
            },
        };
    };
    if let Some(next) = mismatch(configuration.client, server.mode) {
        let does = configuration.client.map_or("", |client| client.does);
        let what = format!("{does}, but a {} listens on port {port}", server.title());
        let settings = (server.mode.settings)(&ConnectTarget { host, port });
        let hint = settings
            .first()
            .map_or_else(String::new, |_| format!("; `portcullis connect {port}` prints what fits"));
        return found(Level::Problem, what, &format!("{next}{hint}"));
    }
    let addresses = || view.listeners.iter().map(|socket| socket.local.ip().to_canonical());
    let only = |v4: bool| addresses().next().is_some() && addresses().all(|address| address.is_ipv4() == v4);
    let every = addresses().any(|address| address.is_unspecified());
    let loopback_only = addresses().next().is_some() && addresses().all(|address| address.is_loopback());
    match host {
        _ if own && loopback_only => found(
            Level::Problem,
            format!("it uses {host}, but the debugger listens on loopback only"),
            "use 127.0.0.1 as the host on this Mac, or have the debugger listen on every address",
        ),
        "::1" if only(true) => found(
            Level::Problem,
            "it uses ::1, but the debugger listens on IPv4 only".into(),
            "use 127.0.0.1 as the host",
        ),
        "127.0.0.1" if only(false) && !every => found(
            Level::Problem,
            "it uses 127.0.0.1, but the debugger listens on IPv6 only".into(),
            "use ::1 as the host",
        ),
        "localhost" if !every => found(
            Level::Advice,
            "it uses localhost, which may mean ::1 as well as 127.0.0.1".into(),
            "name the address that the debugger listens on",
        ),
        _ => found(Level::Fine, format!("it fits the {} on port {port}", server.title()), ""),
    }
}

fn address(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A debugger that listens, that this client speaks with, and that no configuration leads to: the only one of them, and
/// its port.
fn elsewhere(client: Option<&'static EditorClient>, facts: &DoctorFacts) -> Option<(&'static str, u16)> {
    client?;
    let fits = |port: &&ExaminedPort| {
        let mode = port.view.server.as_ref().map(|server| server.mode);
        let speaks = mode.is_some_and(|mode| !mode.forwards && mismatch(client, mode).is_none());
        let is_led_to = facts.project.configurations.iter().any(|other| {
            other.port == WrittenPort::Number(port.view.port)
                && mode.is_some_and(|mode| mismatch(other.client, mode).is_none())
        });
        speaks && !port.view.listeners.is_empty() && !is_led_to
    };
    let mut found = facts.ports.iter().filter(fits);
    let first = found.next()?;
    let server = first.view.server.as_ref()?;
    found.next().is_none().then(|| (server.title(), first.view.port))
}

/// What to change where a client does not speak with a server in this mode.
fn mismatch(client: Option<&'static EditorClient>, mode: &Mode) -> Option<&'static str> {
    let client = client?;
    if mode.forwards || (client.speaks)(mode) {
        return None;
    }
    Some((client.instead)(mode).unwrap_or("give the configuration the port of its own debugger"))
}
