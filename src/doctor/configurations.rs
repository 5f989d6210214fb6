//! The project's debug configurations, held against what listens.

use std::net::IpAddr;

use super::compounds::LostCompound;
use super::facts::{DoctorFacts, ExaminedPort};
use super::finding::{Finding, Level, finding, shortened};
use super::project::Configuration;
use super::written_address::WrittenPort;
use crate::debuggers::ALL;
use crate::debuggers::debugger::{Debugger, EditorClient, ListenOn, Mode, Server};
use crate::debuggers::editors;
use crate::debuggers::port_view::PortView;
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
    let configurations = facts.project.configurations.iter().filter_map(of_one);
    unreadable.chain(configurations).chain(facts.project.lost_compounds.iter().map(lost_compound)).collect()
}

fn lost_compound(compound: &LostCompound) -> Finding {
    let missing = shortened(&compound.missing).escape_debug().to_string();
    finding(
        Level::Problem,
        &format!("project, \"{}\"", compound.name.escape_debug()),
        format!("it is to start \"{missing}\", and no configuration has that name"),
        &format!("{}: compounds", compound.file),
        "correct that name, or take it out: the editor starts none of them",
    )
}

fn configuration_finding(configuration: &Configuration, facts: &DoctorFacts) -> Option<Finding> {
    let (judgement, port) = match &configuration.port {
        WrittenPort::Number(port) => (judge(configuration, *port, facts)?, port.to_string()),
        WrittenPort::Unresolved(text) => {
            let text = text.escape_debug().to_string();
            let what = format!("its port is {text}: only the editor knows what that is");
            (Judgement::new(Level::Unknown, what, "compare it with the port of the debugger"), text)
        }
        WrittenPort::Invalid(text) => {
            let text = shortened(text).escape_debug().to_string();
            let what = format!("its port {text} is none: ports go from 1 to 65535");
            (Judgement::new(Level::Problem, what, "write the number of its debugger's port"), text)
        }
    };
    let about = format!("project, \"{}\"", configuration.name.escape_debug());
    let evidence = format!("{}: {}", configuration.file, address(host_of(configuration), &port));
    let Judgement { level, what, next_step } = judgement;
    Some(finding(level, &about, what, &evidence, &next_step))
}

fn host_of(configuration: &Configuration) -> &str {
    configuration.host.as_deref().unwrap_or("127.0.0.1")
}

/// What a configuration comes to, beside what is there.
struct Judgement {
    level: Level,
    what: String,
    next_step: String,
}

impl Judgement {
    fn new(level: Level, what: impl Into<String>, next_step: impl Into<String>) -> Self {
        Judgement { level, what: what.into(), next_step: next_step.into() }
    }
}

/// `None`: it connects to a port that was not looked at.
fn judge(configuration: &Configuration, port: u16, facts: &DoctorFacts) -> Option<Judgement> {
    let (client, host) = (configuration.client, host_of(configuration));
    let view = || facts.ports.iter().map(|port| &port.view).find(|view| view.port == port);
    if configuration.editor_listens {
        return Some(of_listening_editor(view()?));
    }
    let is_own = host.parse().is_ok_and(|address: IpAddr| facts.addresses.contains(&address));
    if !is_own && !["127.0.0.1", "localhost", "::1", "0.0.0.0", "::", ""].contains(&host) {
        return Some(elsewhere_than_here(host, port));
    }
    let view = view()?;
    Some(match &view.server {
        None => without_server(client, view, facts),
        Some(server) if server.mode.forwards => forwarded(client, view, server),
        Some(server) => mismatch(client, server.mode)
            .map(|next| wrong_server(client, server, ConnectTarget { host, port }, next))
            .or_else(|| wrong_address(view, host, is_own))
            .unwrap_or_else(|| {
                Judgement::new(Level::Fine, format!("it fits the {} on port {port}", server.title()), "")
            }),
    })
}

/// The debugger is on another machine, whose sockets are not seen from here.
fn elsewhere_than_here(host: &str, port: u16) -> Judgement {
    let shown = shortened(host).escape_debug().to_string();
    if host.contains('$') {
        let what = format!("its host is {shown}: only the editor knows what that is");
        return Judgement::new(Level::Unknown, what, "if it is another machine, look there");
    }
    let own_side = match host.parse::<IpAddr>() {
        Ok(address) => format!("; what pf here does with it: `portcullis explain {port} --to {address}`"),
        Err(_) => String::new(),
    };
    Judgement::new(
        Level::Unknown,
        format!("it connects to port {port} of {shown}, which is not seen from here"),
        format!("see over there on which address the debugger listens: `lsof -nP -iTCP:{port}`{own_side}"),
    )
}

/// The editor listens, and what it debugs dials.
fn of_listening_editor(view: &PortView) -> Judgement {
    let port = view.port;
    match &view.process {
        Some(process) if editors::is_editor(process) => {
            Judgement::new(Level::Fine, format!("the editor itself listens on port {port}, as it should"), "")
        }
        Some(process) => Judgement::new(
            Level::Problem,
            format!("the editor itself is to listen on port {port}, where {process} listens already"),
            "give one of both another port",
        ),
        None if !view.listeners.is_empty() => Judgement::new(
            Level::Unknown,
            format!("the editor itself is to listen on port {port}; who listens there now is not known"),
            "look as root: `sudo portcullis doctor`",
        ),
        None => Judgement::new(
            Level::Fine,
            format!(
                "the editor itself listens on port {port} once this is started: start it, then the program, which dials"
            ),
            "",
        ),
    }
}

/// What is behind a forwarder is not seen from here.
fn forwarded(client: Option<&'static EditorClient>, view: &PortView, server: &Server) -> Judgement {
    let does = client.map_or("it connects", |client| client.does);
    let program = view.process.as_ref().map_or_else(|| server.title().to_owned(), ToString::to_string);
    let what = format!(
        "{does}; {program} forwards port {}, and what is behind it is not known from here",
        view.port
    );
    Judgement::new(Level::Unknown, what, server.mode.behind)
}

/// No debugger was recognised there.
fn without_server(client: Option<&'static EditorClient>, view: &PortView, facts: &DoctorFacts) -> Judgement {
    let port = view.port;
    match (&view.process, view.named_debugger()) {
        (Some(_), Some(debugger)) => match named_mismatch(client, debugger) {
            None => {
                let what = format!("it fits {}, which the preferences name for port {port}", debugger.title);
                Judgement::new(Level::Fine, what, "")
            }
            Some((does, next)) => {
                let what = format!("{does}, but the preferences name {} for port {port}", debugger.title);
                Judgement::new(Level::Problem, what, next)
            }
        },
        (Some(process), None) if fits_inside(client, view) => {
            let by = view.may_be().map_or("", |(_, inside)| inside.by);
            Judgement::new(
                Level::Unknown,
                format!(
                    "{process} listens on port {port}, and its arguments do not say whether it is debugged: {by} may"
                ),
                format!(
                    "see what it was started with, or try it; `portcullis connect {port}` prints the settings"
                ),
            )
        }
        (Some(process), None) => Judgement::new(
            Level::Problem,
            format!("it connects to port {port}, where {process} listens, which is not a known debugger"),
            "give both the same free port",
        ),
        // The listener's owner may not be read.
        (None, _) if !view.listeners.is_empty() => Judgement::new(
            Level::Unknown,
            format!("it connects to port {port}, and who listens there is not known"),
            "look as root: `sudo portcullis doctor`",
        ),
        (None, _) => match elsewhere(client, facts) {
            Some((title, other)) => Judgement::new(
                Level::Problem,
                format!("it connects to port {port}, where nothing listens; the {title} is on port {other}"),
                format!("give it port {other}, or start the debugger on port {port}"),
            ),
            None => {
                let own = client.and_then(|client| (client.when_absent)(port));
                let command = client.and_then(|client| start_for(client, port));
                let next = own.unwrap_or_else(|| match command {
                    Some(command) => {
                        format!("start the debugger first: `{command}`; then this configuration")
                    }
                    None => "start the debugger first, then this configuration".to_owned(),
                });
                Judgement::new(
                    Level::Advice,
                    format!("it connects to port {port}, where nothing listens yet"),
                    next,
                )
            }
        },
    }
}

/// The command that starts what the client speaks with: on loopback, where that can be.
fn start_for(client: &'static EditorClient, port: u16) -> Option<String> {
    let debugger = ALL.into_iter().find(|debugger| debugger.clients.contains(&client))?;
    (debugger.start)(ListenOn::Loopback, port).or_else(|| (debugger.start)(ListenOn::Everywhere, port))
}

/// Whether the debugger that may be in the program that listens is one that the client speaks with.
fn fits_inside(client: Option<&'static EditorClient>, view: &PortView) -> bool {
    let speaks = |debugger: &Debugger| client.is_none_or(|client| (client.speaks)(debugger.usual_mode));
    view.may_be().is_some_and(|(debugger, _)| speaks(debugger))
}

/// The client does not speak with the server that is there.
fn wrong_server(
    client: Option<&'static EditorClient>,
    server: &Server,
    target: ConnectTarget<'_>,
    next: &str,
) -> Judgement {
    let (does, port) = (client.map_or("", |client| client.does), target.port);
    let what = format!("{does}, but a {} listens on port {port}", server.title());
    let has_settings = !(server.mode.settings)(&target).is_empty();
    let hint =
        if has_settings { format!("; `portcullis connect {port}` prints what fits") } else { String::new() };
    Judgement::new(Level::Problem, what, format!("{next}{hint}"))
}

/// The debugger does not listen where the client looks for it, or perhaps not.
fn wrong_address(view: &PortView, host: &str, is_own: bool) -> Option<Judgement> {
    let addresses = || view.listeners.iter().map(|socket| socket.local.ip().to_canonical());
    let only = |v4: bool| addresses().next().is_some() && addresses().all(|address| address.is_ipv4() == v4);
    let every = addresses().any(|address| address.is_unspecified());
    let (level, what, next) = match host {
        _ if is_own && view.is_loopback_only() => (
            Level::Problem,
            format!("it uses {host}, but the debugger listens on loopback only"),
            "use 127.0.0.1 as the host on this Mac, or have the debugger listen on every address",
        ),
        "::1" if only(true) => (
            Level::Problem,
            "it uses ::1, but the debugger listens on IPv4 only".to_owned(),
            "use 127.0.0.1 as the host",
        ),
        "127.0.0.1" if only(false) && !every => (
            Level::Problem,
            "it uses 127.0.0.1, but the debugger listens on IPv6 only".to_owned(),
            "use ::1 as the host",
        ),
        "localhost" if !every => (
            Level::Advice,
            "it uses localhost, which may mean ::1 as well as 127.0.0.1".to_owned(),
            "name the address that the debugger listens on",
        ),
        _ => return None,
    };
    Some(Judgement::new(level, what, next))
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

const OWN_PORT: &str = "give the configuration the port of its own debugger";

/// What to change where a client does not speak with a server in this mode.
fn mismatch(client: Option<&'static EditorClient>, mode: &Mode) -> Option<&'static str> {
    let client = client?;
    if mode.forwards || (client.speaks)(mode) {
        return None;
    }
    Some((client.instead)(mode).unwrap_or(OWN_PORT))
}

/// What a client does, and what to change, where it speaks with no mode of the debugger that the user named.
fn named_mismatch(
    client: Option<&'static EditorClient>,
    debugger: &Debugger,
) -> Option<(&'static str, &'static str)> {
    let client = client?;
    let speaks = debugger.modes.iter().any(|mode| (client.speaks)(mode));
    (!speaks).then_some((client.does, OWN_PORT))
}
