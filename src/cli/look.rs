//! `doctor`, `probe`, `connect`: what stands in the way, without touching the debugger.

use std::path::PathBuf;

use serde::Serialize;

use super::show::{message, print, print_json};
use portcullis::app::{App, AppError};
use portcullis::port::PortRange;
use portcullis::reach::doctor::{self, Finding, Level, project, toolchain};
use portcullis::reach::servers::{Kind, is_delve_or_go};
use portcullis::reach::sockets::{self, Process, Table};
use portcullis::reach::view::{View, app_firewall_of, pf_of};
use portcullis::reach::{connect, probe};
use portcullis::reachability::{Assessment, State};
use portcullis::status::Status;

/// Everything in one report. Exit status 1 where something stands in the way.
pub fn doctor(app: &App, json: bool) -> Result<u8, AppError> {
    #[derive(Serialize)]
    struct Report<'a> {
        version: u32,
        ok: bool,
        findings: &'a [Finding],
    }
    let status = app.status()?;
    let watched: Vec<PortRange> = status.ports.iter().map(|port| port.port).collect();
    let table = sockets::read(&watched);
    let delves = sockets::processes(is_delve_or_go).unwrap_or_default();
    let (ports, blind_spot) = match &table {
        Ok(table) => (views(app, &status, table, &delves)?, table.blind_spot.clone()),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let folder = |key: &str| std::env::var_os(key).map(PathBuf::from);
    let here = std::env::current_dir().unwrap_or_default();
    let facts = doctor::Facts {
        firewall: Some(status.firewall),
        app_firewall: Some(app.app_firewall()),
        ports,
        blind_spot,
        delves,
        toolchain: toolchain::collect(
            &std::env::var_os("PATH").unwrap_or_default(),
            folder("GOROOT").as_deref(),
            folder("HOME").as_deref(),
        ),
        project: project::collect(&here),
        macos: doctor::macos_version(),
        developer_tools: doctor::developer_tools(),
    };
    let findings = doctor::examine(&facts);
    let ok = !findings.iter().any(|finding| finding.level == Level::Problem);
    if json {
        print_json(&Report { version: 1, ok, findings: &findings });
    } else {
        print(&doctor::render(&findings));
    }
    Ok(u8::from(!ok))
}

/// What is to be said of each port that is shown or in use.
fn views(
    app: &App,
    status: &Status,
    table: &Table,
    delves: &[Process],
) -> Result<Vec<(View, Assessment)>, AppError> {
    let app_firewall = app.app_firewall();
    let mut views = Vec::new();
    for port in &status.ports {
        // Of a wide range only what is listened on is worth a word.
        let range = port.port;
        let used = |number: &u16| range.as_single().is_some() || table.listeners_on(*number).next().is_some();
        for number in (range.first()..=range.last()).filter(used) {
            let view = View::of(number, table, None, delves);
            let verdict = app.verdict(range)?;
            let assessment = view.assess(pf_of(&verdict), app_firewall_of(&app_firewall, None));
            views.push((view, assessment));
        }
    }
    Ok(views)
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
    let table = match sockets::read(&watched) {
        Ok(table) => table,
        Err(error) => {
            message(&error.to_string(), json);
            return Ok(1);
        }
    };
    let delves = sockets::processes(is_delve_or_go).unwrap_or_default();
    let view = View::of(number, &table, None, &delves);
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
