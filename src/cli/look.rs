//! `doctor`, `probe`, `connect`: what stands in the way, without touching the debugger.

use std::path::PathBuf;

use serde::Serialize;

use super::show::{message, print, print_json};
use portcullis::app::{App, AppError, Connection};
use portcullis::debuggers::debugger::Server;
use portcullis::debuggers::port_view::PortView;
use portcullis::debuggers::settings::Setting;
use portcullis::debuggers::{probe, scan, wire};
use portcullis::diagnosis::{Answer, Assessment, Reachability};
use portcullis::doctor::{self, Finding, Level, project, toolchain};
use portcullis::os;
use portcullis::pf::origin::PerOrigin;
use portcullis::port::PortRange;
use portcullis::sockets::Process;
use portcullis::status::{Facts, Status, usable};

/// Everything in one report. Exit status 1 where something stands in the way.
pub fn doctor(app: &App, json: bool) -> Result<u8, AppError> {
    #[derive(Serialize)]
    struct Report<'a> {
        version: u32,
        ok: bool,
        findings: &'a [Finding],
        ports: Vec<PortReport<'a>>,
    }
    let here = std::env::current_dir().unwrap_or_default();
    let project = project::collect(&here);
    let sight = app.sight(&watched(&project), scan::look_well, &mut app.app_firewall())?;
    let (ports, processes, blind_spot) = match sight.look {
        Ok(look) => {
            let ports =
                look.views.into_iter().filter_map(|view| report_on(&sight.facts, &sight.status, view));
            (ports.collect(), look.processes, look.table.blind_spot)
        }
        Err(error) => (Vec::new(), Vec::new(), Some(error.to_string())),
    };
    let interfaces = os::interfaces().unwrap_or_default();
    let facts = doctor::DoctorFacts {
        seen: usable(&sight.facts.report, os::now(), &sight.facts.boot).ok().cloned(),
        notes: sight.status.notes,
        firewall: Some(sight.status.firewall),
        app_firewall: Some(sight.facts.app_firewall),
        ports,
        addresses: interfaces
            .into_iter()
            .flat_map(|interface| interface.addresses)
            .map(|net| net.addr())
            .collect(),
        blind_spot,
        processes,
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
    fn of(port: &'a doctor::ExaminedPort) -> Self {
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

/// What is looked at beside the ports that are shown: those of the project, and those of every debugger that runs.
fn watched(project: &project::Project) -> Vec<PortRange> {
    let of_project = project.configurations.iter().filter_map(|found| found.port.number());
    // Where the sockets cannot be read, the look itself says so.
    let running = scan::debugger_ports().unwrap_or_default();
    of_project.chain(running).filter_map(PortRange::single).collect()
}

/// What is to be said of a port.
fn report_on(facts: &Facts, status: &Status, view: PortView) -> Option<doctor::ExaminedPort> {
    // Root's verdict is on the range that is shown, as it is written there.
    let shown = status.ports.iter().map(|port| port.port).find(|range| range.contains(view.port));
    let seen = facts.seen.iter().flatten().find(|seen| seen.port == view.port)?;
    let said = facts.assess(shown.or(PortRange::single(view.port))?, seen);
    let program = view.process.as_ref().and_then(|process| process.path.as_deref());
    let version = view.server.as_ref().and_then(|server| (server.mode.version)(program?));
    Some(doctor::ExaminedPort { view, said, version })
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
        answered: wire::ServerIdentity,
    }
    match probe::probe(one_port(app, port)?) {
        Ok(answered) if json => print_json(&Probed { version: 1, ok: true, answered }),
        Ok(wire::ServerIdentity { address, product, protocol }) => {
            print(&format!("{address} answers: {product}, {protocol}\n"));
        }
        Err(error) => {
            message(&error.to_string(), json);
            return Ok(1);
        }
    }
    Ok(0)
}

/// The settings to connect to what listens on a port. `copy` names the client whose settings go to the clipboard; empty
/// for the commonest.
pub fn connect(
    app: &App,
    port: &str,
    host: Option<&str>,
    copy: Option<&str>,
    json: bool,
) -> Result<u8, AppError> {
    #[derive(Serialize)]
    struct Settings<'a> {
        version: u32,
        port: u16,
        server: &'static str,
        tunnel: bool,
        situation: Reachability,
        reachable: PerOrigin<Answer>,
        because: &'a str,
        next: &'a str,
        settings: &'a [Setting],
        copied: Option<&'static str>,
    }
    let number = one_port(app, port)?;
    let connection = app.connection(number, host)?;
    let copied = copy.map(|client| app.copy_setting(&connection, client)).transpose()?;
    let Connection { view, said, settings } = &connection;
    let server = view.server.as_ref().map_or("what usually sits there", |server| server.title());
    if json {
        print_json(&Settings {
            version: 1,
            port: number,
            server,
            tunnel: view.is_loopback_only(),
            situation: said.state,
            reachable: said.reach,
            because: &said.sentence,
            next: &said.next_step,
            settings,
            copied: copied.map(|setting| setting.client),
        });
        return Ok(0);
    }
    let mut text = format!("port {number}: {server}\n    {}\n", said.sentence);
    if said.state != Reachability::Reachable {
        text += &format!("    next: {}\n", said.next_step);
    }
    for Setting { client, how, text: setting } in settings {
        let lines: String = setting.lines().map(|line| format!("    {line}\n")).collect();
        text += &format!("\n{client}: {how}\n{lines}");
    }
    if let Some(Setting { client, how, .. }) = copied {
        text += &format!("\ncopied the settings for {client}: {how}\n");
    }
    print(&text);
    Ok(0)
}
