//! .NET: vsdbg and netcoredbg, where they wait for an editor on a port.

use serde_json::json;

use super::command_line::CommandLine;
use super::debugger::{Debugger, Listen, ListenOn, Mode, Probe, Server};
use super::settings::{ConnectTarget, Setting};

/// Where `--server` without a number listens (netcoredbg: src/main.cpp).
const PORT: u16 = 4711;

const PROGRAMS: [&str; 3] = ["vsdbg", "vsdbg-ui", "netcoredbg"];

pub static DEBUGGER: Debugger = Debugger {
    name: "dotnet",
    title: ".NET (vsdbg, netcoredbg)",
    protocol: "dap",
    bind: "*",
    own_programs: &PROGRAMS,
    recognise,
    modes: &[&SERVER],
    usual_mode: &SERVER,
    start: |on, port| {
        (on == ListenOn::Everywhere).then(|| format!("netcoredbg --interpreter=vscode --server={port}"))
    },
    ..Debugger::UNKNOWN
};

pub static SERVER: Mode = Mode {
    id: "dotnet",
    title: ".NET debugger",
    protocol: "dap",
    probe: Probe::Refused("it takes any client that connects for its editor"),
    settings,
    ..Mode::UNKNOWN
};

/// Without `--server` it speaks with the program that started it.
fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    let given = line.own.iter().find_map(|argument| argument.strip_prefix("--server"))?;
    let port = match given.strip_prefix('=') {
        Some(port) => port.parse().ok()?,
        None => PORT,
    };
    let listen = Some(Listen { host: String::new(), port: Some(port) });
    line.program_is(&PROGRAMS).then(|| Server { listen, ..Server::new(&SERVER) })
}

/// VS Code connects to an adapter's port on its own machine alone.
fn settings(ConnectTarget { port, .. }: &ConnectTarget<'_>) -> Vec<Setting> {
    vec![Setting::vscode(&json!({
        "name": format!("Debug through port {port}"), "type": "coreclr", "request": "launch",
        "program": "${workspaceFolder}/PROGRAM.dll", "debugServer": port,
    }))]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::*;

    #[test]
    fn it_is_one_where_it_waits_on_a_port() {
        for (line, port) in [
            ("vsdbg --interpreter=vscode --server=4711", 4711),
            ("/opt/netcoredbg --interpreter=vscode --server", 4711),
            ("netcoredbg --server=40000", 40000),
        ] {
            assert_eq!(of_line(line, Some(port)).unwrap().mode, &SERVER, "{line}");
        }
        assert_eq!(of_line("vsdbg --interpreter=vscode", Some(4711)), None);
    }
}
