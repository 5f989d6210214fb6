//! `portcullis doctor`

use std::path::Path;

use serde::Serialize;

use super::context::Context;
use super::output::{CommandOutput, Run, pretty};
use super::typed;
use portcullis::app::{App, Observation, PfConf, names};
use portcullis::debuggers::debugger::Server;
use portcullis::debuggers::port_view::PortView;
use portcullis::debuggers::scan;
use portcullis::diagnosis::Assessment;
use portcullis::doctor::{self, Finding, Level, daemons, project, toolchain};
use portcullis::os;
use portcullis::port::PortRange;
use portcullis::rules::named_port::NamedPort;
use portcullis::sockets::Process;
use portcullis::status::{Facts, PortState, PortStatus, Status};

#[derive(Debug, clap::Args)]
pub struct DoctorCommand {
    /// Ports to look at beside those that are shown
    #[arg(value_name = "PORTS")]
    ports: Vec<String>,
}

impl DoctorCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        let here = std::env::current_dir().unwrap_or_default();
        let project = project::collect(&here, &|name| std::env::var(name).ok());
        let evidence = app.evidence(&mut names::ask)?;
        let preferences = app.preferences();
        let asked = match self.ports.as_slice() {
            [] => Vec::new(),
            typed => app.ports_named(&typed::ports(&typed.join(",")), &preferences)?,
        };
        let mut watched = watched(&project);
        watched.extend(asked.iter().map(|port| port.range));
        let observed =
            app.observe_by(evidence, &preferences, &watched, scan::look_well, &mut app.app_firewall());
        let conf = observed.evidence.conf.as_ref().map(|conf| &conf.loaded.rulesets);
        let daemons = daemons::collect(app.system(), conf);
        let facts = doctor::DoctorFacts { daemons, ..facts(observed) };
        Ok(Box::new(DoctorOutput::of(with_machine(&app, &here, project, facts))))
    }
}

/// What the report is made from, as far as every front end knows it.
pub fn facts(observed: Observation) -> doctor::DoctorFacts {
    let Observation { evidence, facts, status, look } = observed;
    let (ports, processes, blind_spot) = match look {
        Ok(look) => {
            let ports = look.views.into_iter().filter_map(|view| report_on(&facts, &status, view));
            (ports.collect(), look.processes, look.table.blind_spot)
        }
        Err(error) => (Vec::new(), Vec::new(), Some(error.to_string())),
    };
    doctor::DoctorFacts {
        useless_lines: evidence.conf.as_ref().map(PfConf::useless_lines).unwrap_or_default(),
        on_disk: evidence.on_disk(),
        seen: evidence.seen().cloned(),
        rulesets: evidence.rulesets.ok(),
        let_in: let_in(&status),
        // It is the first of the notes then.
        preferences_problem: status.notes.first().filter(|_| status.listed.is_none()).cloned(),
        notes: status.notes,
        ledger_problem: facts.ledger_problem,
        interrupted: status.interrupted,
        firewall: Some(status.firewall),
        app_firewall: Some(facts.app_firewall),
        ports,
        blind_spot,
        processes,
        ..doctor::DoctorFacts::default()
    }
}

/// What this machine shows beside that: jobs, tools, the project in the folder `here`.
fn with_machine(
    app: &App,
    here: &Path,
    project: project::Project,
    facts: doctor::DoctorFacts,
) -> doctor::DoctorFacts {
    let interfaces = os::interfaces().unwrap_or_default();
    doctor::DoctorFacts {
        sysctl_conf: daemons::sysctl_conf(app.system()),
        stealth_mode: app.stealth_mode(),
        addresses: interfaces
            .into_iter()
            .flat_map(|interface| interface.addresses)
            .map(|net| net.addr())
            .collect(),
        toolchain: toolchain::collect(&toolchain::ToolEnvironment {
            folder: here,
            project: &project.folder,
            path: &std::env::var_os("PATH").unwrap_or_default(),
            variable: &|name| std::env::var(name).ok(),
            place: &|path| app.system().place(path),
            is_mac: os::is_macos(),
        }),
        project,
        macos: doctor::macos_version(),
        apple_silicon: doctor::apple_silicon(),
        developer_tools: doctor::developer_tools(),
        ..facts
    }
}

fn let_in(status: &Status) -> Vec<NamedPort> {
    let let_in = status.ports.iter().filter(|port| port.state == PortState::LetIn);
    let_in.map(PortStatus::named_port).collect()
}

pub struct DoctorOutput {
    findings: Vec<Finding>,
    ports: Vec<doctor::ExaminedPort>,
}

#[derive(Serialize)]
struct DoctorJson<'a> {
    version: u32,
    ok: bool,
    findings: &'a [Finding],
    ports: Vec<DoctorPortJson<'a>>,
}

impl DoctorOutput {
    pub fn of(facts: doctor::DoctorFacts) -> Self {
        DoctorOutput { findings: doctor::examine(&facts), ports: facts.ports }
    }

    fn is_ok(&self) -> bool {
        !self.findings.iter().any(|finding| finding.level == Level::Problem)
    }
}

impl CommandOutput for DoctorOutput {
    fn json(&self) -> String {
        let ports = self.ports.iter().map(DoctorPortJson::of).collect();
        pretty(&DoctorJson { version: 1, ok: self.is_ok(), findings: &self.findings, ports })
    }

    fn text(&self) -> String {
        doctor::render(&self.findings)
    }

    /// 1 where something stands in the way.
    fn exit_status(&self) -> u8 {
        u8::from(!self.is_ok())
    }
}

#[derive(Serialize)]
struct DoctorPortJson<'a> {
    port: u16,
    /// Null where no debugger is known there.
    server: Option<&'a Server>,
    title: Option<&'static str>,
    protocol: Option<&'static str>,
    version: &'a Option<String>,
    /// The one that listens, or else serves, or else has lost its listener.
    process: &'a Option<Process>,
    addresses: Vec<std::net::IpAddr>,
    clients: &'a [String],
    #[serde(flatten)]
    said: &'a Assessment,
}

impl<'a> DoctorPortJson<'a> {
    fn of(port: &'a doctor::ExaminedPort) -> Self {
        let view = &port.view;
        DoctorPortJson {
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

/// The ports to look at beside those that are shown: of the project, and of every debugger that runs.
fn watched(project: &project::Project) -> Vec<PortRange> {
    let of_project = project.configurations.iter().filter_map(|found| found.port.number());
    // Where the sockets cannot be read, the look itself says so.
    let running = scan::debugger_ports().unwrap_or_default();
    of_project.chain(running).filter_map(PortRange::single).collect()
}

fn report_on(facts: &Facts, status: &Status, view: PortView) -> Option<doctor::ExaminedPort> {
    // Root's verdict is on the range that is shown, as it is written there.
    let shown = status.shown_with(view.port);
    let seen = facts.seen.iter().flatten().find(|seen| seen.port == view.port)?;
    let said = facts.assess(shown.or(PortRange::single(view.port))?, seen);
    let program = view.process.as_ref().and_then(|process| process.path.as_deref());
    let version = view.server.as_ref().and_then(|server| (server.mode.version)(program?));
    Some(doctor::ExaminedPort { view, said, version })
}
