//! Dart and Flutter: the VM service.

use serde_json::json;

use super::command_line::CommandLine;
use super::debugger::{Debugger, EditorClient, Listen, ListenOn, Mode, Probe, Server};
use super::launch::LaunchMatch;
use super::settings::{ConnectTarget, Setting};

/// Where `--enable-vm-service` without a number listens (dart.dev: "dart run").
const PORT: u16 = 8181;

const PROGRAMS: [&str; 3] = ["dart", "dartvm", "flutter_tester"];

pub static DEBUGGER: Debugger = Debugger {
    name: "dart",
    title: "Dart VM service",
    protocol: "vm service",
    bind: "127.0.0.1",
    own_programs: &PROGRAMS,
    recognise,
    modes: &[&SERVICE],
    usual_mode: &SERVICE,
    start: |on, port| {
        let on = if on == ListenOn::Everywhere { "/0.0.0.0" } else { "" };
        Some(format!("dart --enable-vm-service={port}{on} app.dart"))
    },
    clients: &[&CLIENT],
    ..Debugger::UNKNOWN
};

pub static SERVICE: Mode = Mode {
    id: "dart",
    title: "Dart VM service",
    protocol: "vm service",
    probe: Probe::Refused("what a connection does to it was not measured"),
    has_other_listeners: true,
    settings,
    ..Mode::UNKNOWN
};

static CLIENT: EditorClient = EditorClient {
    does: "it attaches to a Dart VM",
    in_vscode: |entry| match entry.is_type(&["dart"]) {
        true => entry.connects_if_it_attaches(None),
        false => LaunchMatch::Other,
    },
    speaks: |mode| *mode == SERVICE,
    ..EditorClient::UNKNOWN
};

/// `--enable-vm-service[=PORT[/HOST]]`, `--observe` likewise.
fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    let given = line.own.iter().copied().find_map(|argument: &str| {
        let rest =
            argument.strip_prefix("--enable-vm-service").or_else(|| argument.strip_prefix("--observe"))?;
        rest.strip_prefix('=').or(rest.is_empty().then_some(""))
    })?;
    let (port, host) = given.split_once('/').unwrap_or((given, "127.0.0.1"));
    let port = if port.is_empty() { PORT } else { port.parse().ok()? };
    let listen = Some(Listen { host: host.to_owned(), port: (port != 0).then_some(port) });
    line.program_is(&PROGRAMS).then(|| Server { listen, ..Server::new(&SERVICE) })
}

fn settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    // The VM prints the path: without its code the service refuses.
    let address = format!("http://{target}/CODE=/");
    vec![
        Setting::vscode(&json!({
            "name": target.attach_name(), "type": "dart", "request": "attach", "vmServiceUri": address,
        })),
        Setting::terminal(format!("dart devtools {address}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;

    #[test]
    fn it_is_one_where_its_service_is_on() {
        for (line, port) in [
            ("dart --enable-vm-service app.dart", 8181),
            ("dart --enable-vm-service=9000/0.0.0.0 app.dart", 9000),
            ("dart run --observe=8200 app.dart", 8200),
            ("dart --enable-vm-service=0 app.dart", 8181),
        ] {
            let server = of_line(line, Some(port));
            assert_eq!(server.is_some(), !line.contains("=0 "), "{line}");
        }
        assert_eq!(of_line("dart language-server", Some(8181)), None);
    }
}
