//! `portcullis doctor`

use serde::Serialize;

use super::context::Context;
use super::error::CommandError;
use super::output::{CommandOutput, Run, pretty};
use portcullis::app::{App, PfConf, names};
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
pub struct DoctorCommand {}

impl DoctorCommand {
    pub fn run(self, context: &Context) -> Run {
        let facts = facts(&context.app()?)?;
        let findings = doctor::examine(&facts);
        Ok(Box::new(DoctorOutput { findings, ports: facts.ports }))
    }
}

fn facts(app: &App) -> Result<doctor::DoctorFacts, CommandError> {
    let here = std::env::current_dir().unwrap_or_default();
    let project = project::collect(&here);
    let observed =
        app.observe(&Ok(app.preferences()?), &watched(&project), scan::look_well, &mut app.app_firewall())?;
    let (ports, processes, blind_spot) = match observed.look {
        Ok(look) => {
            let ports =
                look.views.into_iter().filter_map(|view| report_on(&observed.facts, &observed.status, view));
            (ports.collect(), look.processes, look.table.blind_spot)
        }
        Err(error) => (Vec::new(), Vec::new(), Some(error.to_string())),
    };
    let interfaces = os::interfaces().unwrap_or_default();
    let seen = observed.facts.report.usable(os::now(), &observed.facts.boot).ok().cloned();
    let rulesets = seen.as_ref().and_then(|seen| app.rulesets(seen).ok());
    let conf = PfConf::read(app.system(), &mut names::ask);
    Ok(doctor::DoctorFacts {
        useless_lines: conf.as_ref().map(PfConf::useless_lines).unwrap_or_default(),
        on_disk: conf.as_ref().and_then(|conf| conf.on_disk(seen.as_ref(), rulesets.as_ref())),
        daemons: daemons::collect(app.system(), conf.as_ref().map(|conf| &conf.loaded.rulesets)),
        sysctl_conf: daemons::sysctl_conf(app.system()),
        rulesets,
        seen,
        let_in: let_in(&observed.status),
        notes: observed.status.notes,
        ledger_problem: observed.facts.ledger_problem,
        interrupted: observed.status.interrupted,
        firewall: Some(observed.status.firewall),
        app_firewall: Some(observed.facts.app_firewall),
        stealth_mode: app.stealth_mode(),
        ports,
        addresses: interfaces
            .into_iter()
            .flat_map(|interface| interface.addresses)
            .map(|net| net.addr())
            .collect(),
        blind_spot,
        processes,
        toolchain: toolchain::collect(&toolchain::Whereabouts {
            folder: &here,
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
    })
}

fn let_in(status: &Status) -> Vec<NamedPort> {
    let let_in = status.ports.iter().filter(|port| port.state == PortState::LetIn);
    let_in.map(PortStatus::named_port).collect()
}

struct DoctorOutput {
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
    let shown = status.ports.iter().map(|port| port.port).find(|range| range.contains(view.port));
    let seen = facts.seen.iter().flatten().find(|seen| seen.port == view.port)?;
    let said = facts.assess(shown.or(PortRange::single(view.port))?, seen);
    let program = view.process.as_ref().and_then(|process| process.path.as_deref());
    let version = view.server.as_ref().and_then(|server| (server.mode.version)(program?));
    Some(doctor::ExaminedPort { view, said, version })
}
