//! `doctor`, `probe`, `connect`: what stands in the way, without touching the debugger.

use std::path::PathBuf;

use serde::Serialize;

use super::show::{message, print, print_json};
use portcullis::app::{App, AppError};
use portcullis::port::PortRange;
use portcullis::reach::doctor::{self, Finding, Level, project, toolchain};
use portcullis::reach::servers::{Kind, Server};
use portcullis::reach::sockets::Process;
use portcullis::reach::view::{View, app_firewall_of, pf_of};
use portcullis::reach::{self, connect, probe, version};
use portcullis::reachability::{Answer, Assessment, Pf, State};
use portcullis::status::{AppFirewall, Status, usable};
use portcullis::{firewall, os};

/// Everything in one report. Exit status 1 where something stands in the way.
pub fn doctor(app: &App, json: bool) -> Result<u8, AppError> {
    #[derive(Serialize)]
    struct Report<'a> {
        version: u32,
        ok: bool,
        findings: &'a [Finding],
        ports: Vec<PortReport<'a>>,
    }
    let status = app.status()?;
    let here = std::env::current_dir().unwrap_or_default();
    let project = project::collect(&here);
    let looked = reach::look_well(&watched(&status, &project));
    let (ports, delves, blind_spot) = match looked {
        Ok(look) => {
            let ports = look.views.into_iter().map(|view| assess(app, &status, view));
            (ports.collect::<Result<_, _>>()?, look.delves, look.table.blind_spot)
        }
        Err(error) => (Vec::new(), Vec::new(), Some(error.to_string())),
    };
    let report = app.report();
    let interfaces = os::interfaces().unwrap_or_default();
    let facts = doctor::Facts {
        seen: usable(&report, os::now(), &os::boot_id().unwrap_or_default()).ok().cloned(),
        notes: status.notes,
        firewall: Some(status.firewall),
        app_firewall: Some(app.app_firewall()),
        ports,
        addresses: interfaces.into_iter().flat_map(|(_, nets)| nets).map(|net| net.addr()).collect(),
        blind_spot,
        delves,
        toolchain: toolchain::collect(&std::env::var_os("PATH").unwrap_or_default(), |name| {
            std::env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from)
        }),
        project,
        macos: doctor::macos_version(),
        developer_tools: doctor::developer_tools(),
    };
    let findings = doctor::examine(&facts);
    let ok = !findings.iter().any(|finding| finding.level == Level::Problem);
    if json {
        let ports = facts.ports.iter().map(PortReport::of).collect();
        print_json(&Report { version: 1, ok, findings: &findings, ports });
    } else {
        print(&doctor::render(&findings));
    }
    Ok(u8::from(!ok))
}

/// A port in the report.
#[derive(Serialize)]
struct PortReport<'a> {
    port: u16,
    /// The debugger, with its title and protocol in words; null where none is known there.
    server: Option<&'a Server>,
    title: Option<&'static str>,
    protocol: Option<&'static str>,
    /// The debugger's version, where its file tells.
    version: &'a Option<String>,
    /// Who listens, or else serves, or else has lost its listener.
    process: &'a Option<Process>,
    addresses: Vec<std::net::IpAddr>,
    clients: &'a [String],
    #[serde(flatten)]
    said: &'a Assessment,
}

impl<'a> PortReport<'a> {
    fn of(port: &'a doctor::Port) -> Self {
        let view = &port.view;
        PortReport {
            port: view.port,
            server: view.server.as_ref(),
            title: view.server.as_ref().map(Server::title),
            protocol: view.server.as_ref().map(Server::protocol),
            version: &port.version,
            process: &view.process,
            addresses: view.listeners.iter().map(|socket| socket.local.ip()).collect(),
            clients: &view.clients,
            said: &port.said,
        }
    }
}

/// What is looked at: the ports that are shown, those of the project, and those of every debugger that runs.
fn watched(status: &Status, project: &project::Project) -> Vec<PortRange> {
    let of_project = project.configurations.iter().filter_map(|found| found.port.clone().ok());
    // Where the sockets cannot be read, the look itself says so.
    let running = reach::debugger_ports().unwrap_or_default();
    let single = of_project.chain(running).filter_map(PortRange::single);
    status.ports.iter().map(|port| port.port).chain(single).collect()
}

/// What is to be said of a port.
fn assess(app: &App, status: &Status, view: View) -> Result<doctor::Port, AppError> {
    // Root's verdict is on the range that is shown, as it is written there.
    let shown = status.ports.iter().map(|port| port.port).find(|range| range.contains(view.port));
    let verdict = shown.or(PortRange::single(view.port)).map(|range| app.verdict(range)).transpose()?;
    let unknown = || Pf::same(Answer::Unknown, Answer::Unknown, Answer::Unknown);
    let pf = verdict.map_or_else(unknown, |verdict| pf_of(&verdict));
    let program = view.process.as_ref().and_then(|process| process.path.as_deref());
    let app_firewall = app.app_firewall();
    let blocked = match app_firewall {
        AppFirewall::On => program.map(|program| firewall::app::read_program(app.world(), program)),
        _ => None,
    };
    let said = view.assess(pf, app_firewall_of(&app_firewall, blocked.as_ref()));
    let is_delve = view.server.as_ref().is_some_and(|server| {
        matches!(server.kind, Kind::DelveDap | Kind::DelveHeadless | Kind::DelveMulticlient)
    });
    let version = program.filter(|_| is_delve).and_then(version::of_delve);
    Ok(doctor::Port { view, said, version })
}

/// The one port that a person named.
fn one_port(app: &App, text: &str) -> Result<u16, AppError> {
    Ok(app.ports(text)?.first().map_or(0, |managed| managed.port.first()))
}

/// Asks the server on a port what it is, where that is harmless.
pub fn probe(app: &App, port: &str, json: bool) -> Result<u8, AppError> {
    #[derive(Serialize)]
    struct Probed {
        version: u32,
        ok: bool,
        #[serde(flatten)]
        answered: probe::Answered,
    }
    match probe::probe(one_port(app, port)?) {
        Ok(answered) if json => print_json(&Probed { version: 1, ok: true, answered }),
        Ok(probe::Answered { address, product, protocol }) => {
            print(&format!("{address} answers: {product}, {protocol}\n"));
        }
        Err(error) => {
            message(&error.to_string(), json);
            return Ok(1);
        }
    }
    Ok(0)
}

/// The settings to connect to what listens on a port.
pub fn connect(app: &App, port: &str, host: Option<&str>, json: bool) -> Result<u8, AppError> {
    #[derive(Serialize)]
    struct Settings {
        version: u32,
        port: u16,
        server: &'static str,
        tunnel: bool,
        settings: Vec<connect::Setting>,
    }
    let number = one_port(app, port)?;
    let watched: Vec<PortRange> = PortRange::single(number).into_iter().collect();
    let look = match reach::look(&watched, None) {
        Ok(look) => look,
        Err(error) => {
            message(&error.to_string(), json);
            return Ok(1);
        }
    };
    let view = View::of(number, &look.table, None, &look.delves);
    let Some(kind) = view.server.as_ref().map(|server| server.kind).or_else(|| usual(number)) else {
        message(&format!("no debugger is known on port {number}: start it first, then ask again"), json);
        return Ok(1);
    };
    let range = app.ports(port)?.first().map(|managed| managed.port);
    let verdict = range.map(|range| app.verdict(range)).transpose()?;
    let assessment =
        verdict.map(|verdict| view.assess(pf_of(&verdict), app_firewall_of(&app.app_firewall(), None)));
    let tunnel = assessment.is_some_and(|assessment| assessment.state == State::LoopbackOnly);
    let host = host.unwrap_or("127.0.0.1");
    let settings = connect::settings(&connect::Target { kind, host, port: number, tunnel });
    let server = view.server.as_ref().map_or("what usually sits there", |server| server.title());
    if json {
        print_json(&Settings { version: 1, port: number, server, tunnel, settings });
    } else {
        let mut text = format!("port {number}: {server}\n");
        for connect::Setting { client, how, text: setting } in settings {
            let lines: String = setting.lines().map(|line| format!("    {line}\n")).collect();
            text += &format!("\n{client}: {how}\n{lines}");
        }
        print(&text);
    }
    Ok(0)
}

/// What usually sits on a port that nobody listens on now.
fn usual(port: u16) -> Option<Kind> {
    Some(match port {
        2345 => Kind::DelveDap,
        9229 => Kind::Node,
        9222 => Kind::Chrome,
        5678 => Kind::Debugpy,
        5005 => Kind::Jdwp,
        1234 => Kind::Gdbserver,
        4711 => Kind::LldbDap,
        12345 => Kind::Rdbg,
        9003 => Kind::Xdebug,
        _ => return None,
    })
}
