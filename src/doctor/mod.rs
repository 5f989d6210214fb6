//! Everything that stands in the way of debugging, in one report: facts in, findings out.
//!
//! ```
//! use portcullis::doctor::{DoctorFacts, Level, examine};
//! let findings = examine(&DoctorFacts::default());
//! assert!(findings.iter().all(|finding| finding.level != Level::Problem));
//! ```
//!
//! [`examine`] is pure; [`toolchain`], [`project`] and [`daemons`] collect the facts beyond the ports.

pub mod binary_plist;
mod compounds;
mod conf;
mod configurations;
pub mod daemons;
mod facts;
mod finding;
mod go;
mod other_editors;
mod pf;
mod ports;
pub mod project;
mod recipes;
mod scripts;
mod system;
mod tasks;
pub mod toolchain;
mod variables;
mod written_address;

pub use facts::{DoctorFacts, ExaminedPort};
pub use finding::{Finding, Level, render};
pub use recipes::removal_of_setting;
pub use system::{apple_silicon, developer_tools, macos_version};

/// What the facts come to, the worst first. The exit code of a report is 1 where one is a [`Level::Problem`].
pub fn examine(facts: &DoctorFacts) -> Vec<Finding> {
    let mut findings = [
        pf::pf(facts),
        pf::anchors(facts),
        conf::conf(facts),
        recipes::recipes(facts),
        pf::app_firewall(facts),
        ports::ports(facts),
        ports::traps(facts),
        go::go_and_delve(facts),
        configurations::configurations(facts),
        system::system(facts),
    ]
    .concat();
    findings.sort_by_key(|finding| finding.level);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debuggers::classify::PortExpectation;
    use crate::debuggers::debugger::EditorClient;
    use crate::debuggers::port_view::PortView;
    use crate::debuggers::{delve, jdwp, node};
    use crate::diagnosis::Answer;
    use crate::pf::origin::{Both, PerOrigin};
    use crate::sockets::{Process, SocketTable};
    use crate::status::AppFirewall;
    use project::{Configuration, Project};
    use tasks::DlvTask;
    use toolchain::{Tool, Toolchain};
    use written_address::WrittenPort;

    fn process(pid: u32, line: &str) -> Process {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let path = arguments.first().map(Into::into);
        Process {
            pid,
            parent: None,
            name: arguments.first().cloned(),
            path,
            user: None,
            arguments,
            environment: vec![],
        }
    }

    fn port(port: u16, process: &Process) -> ExaminedPort {
        use crate::sockets::{Socket, SocketOwner, TcpState};
        let socket = Socket {
            local: ([127, 0, 0, 1], port).into(),
            remote: None,
            state: TcpState::Listen,
            v6_only: None,
            accept_queue: Some(0),
            accepted: None,
            owner: SocketOwner::Process(std::sync::Arc::new(process.clone())),
        };
        let view = PortView::of(
            PortExpectation::usual(port),
            &SocketTable { listeners: vec![socket], ..SocketTable::default() },
            None,
            &[],
        );
        let said =
            view.assess(PerOrigin::same(Both::same(Answer::Yes)), crate::diagnosis::AppFirewallEffect::Off);
        ExaminedPort { view, said, version: None }
    }

    fn unused(port: u16) -> ExaminedPort {
        let view = PortView::of(PortExpectation::usual(port), &SocketTable::default(), None, &[]);
        let said =
            view.assess(PerOrigin::same(Both::same(Answer::Yes)), crate::diagnosis::AppFirewallEffect::Off);
        ExaminedPort { view, said, version: None }
    }

    fn configuration(client: &'static EditorClient, host: &str, port: u16) -> Configuration {
        let host = Some(host.to_owned());
        Configuration {
            file: ".vscode/launch.json".into(),
            name: "Attach".into(),
            client: Some(client),
            host,
            port: WrittenPort::Number(port),
            editor_listens: false,
        }
    }

    #[test]
    fn the_report() {
        let dap = process(7, "dlv dap --listen=127.0.0.1:2345");
        let trapped = process(8, "dlv debug --headless ./x -- --listen=:2346");
        let tool = |path: &str, version: &str| Tool {
            path: path.into(),
            program: Some(path.into()),
            choice: None,
            version: Ok(version.into()),
            cpu: None,
            is_in_own_folder: true,
        };
        let facts = DoctorFacts {
            app_firewall: Some(AppFirewall::BlockAll),
            ports: vec![port(2345, &dap), port(3000, &process(9, "nginx")), unused(2346)],
            addresses: vec![[192, 168, 1, 7].into()],
            processes: vec![dap.clone(), trapped],
            toolchain: Toolchain {
                go: vec![tool("/usr/local/go/bin/go", "1.25.1")],
                dlv: vec![tool("/a/dlv", "1.20.2"), tool("/b/dlv", "1.25.0")],
                goroot: Some("GOROOT names /old, which is no folder".into()),
                ..Toolchain::default()
            },
            project: Project {
                is_go: true,
                configurations: vec![
                    configuration(&delve::REMOTE_ATTACH, "127.0.0.1", 2345),
                    configuration(&delve::LAUNCH_THROUGH_DAP, "localhost", 2345),
                    configuration(&node::CLIENT, "127.0.0.1", 3000),
                    configuration(&delve::GO_REMOTE, "::1", 2345),
                    configuration(&delve::REMOTE_ATTACH, "build-box", 2345),
                    configuration(&delve::LAUNCH_THROUGH_DAP, "127.0.0.1", 2345),
                    configuration(&delve::LAUNCH_THROUGH_DAP, "192.168.1.7", 2345),
                    configuration(&delve::LAUNCH_THROUGH_DAP, "127.0.0.1", 2346),
                    configuration(&jdwp::CLIENT, "127.0.0.1", 2346),
                    Configuration {
                        port: WrittenPort::Unresolved("${env:PORT}".into()),
                        ..configuration(&delve::REMOTE_ATTACH, "localhost", 0)
                    },
                ],
                tasks: vec![DlvTask {
                    file: ".vscode/tasks.json".into(),
                    name: "dlv".into(),
                    arguments: ["dlv", "debug", "--headless", "--listen=2345"].map(String::from).into(),
                }],
                problems: vec![".idea/runConfigurations/x.xml: cut short".into()],
                ..Project::default()
            },
            macos: Some((15, 1)),
            developer_tools: Some("Developer mode is currently disabled.".into()),
            ..DoctorFacts::default()
        };
        let findings = examine(&facts);
        assert_eq!(findings.first().unwrap().level, Level::Problem);
        insta::assert_snapshot!(render(&findings));
    }

    #[test]
    fn a_debugger_on_another_port_is_named_unless_it_has_a_configuration() {
        let dap = process(7, "dlv dap --listen=127.0.0.1:2345");
        let mut facts = DoctorFacts { ports: vec![port(2345, &dap), unused(2346)], ..DoctorFacts::default() };
        facts.project.configurations = vec![configuration(&delve::LAUNCH_THROUGH_DAP, "127.0.0.1", 2346)];
        let found = examine(&facts);
        assert_eq!(found[0].level, Level::Problem);
        assert!(found[0].what.contains("the dlv dap is on port 2345"), "{found:#?}");
        facts.project.configurations.push(configuration(&delve::LAUNCH_THROUGH_DAP, "127.0.0.1", 2345));
        assert!(examine(&facts).iter().all(|finding| finding.level != Level::Problem));
        facts.project.configurations.remove(1);
        facts.ports.push(port(2347, &process(8, "dlv dap --listen=127.0.0.1:2347")));
        assert!(examine(&facts).iter().all(|finding| finding.level != Level::Problem), "which is meant?");
    }
}
