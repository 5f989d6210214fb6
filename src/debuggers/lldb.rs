//! LLDB's two servers: lldb-server (on a Mac: debugserver) for the gdb remote protocol, and lldb-dap (once lldb-vscode).

use serde_json::json;

use super::command_line::CommandLine;
use super::debugger::{Debugger, Harm, Listen, ListenOn, Mode, Probe, Server, Trap, TrapEffect, UsualPort};
use super::settings::{ConnectTarget, Setting};
use crate::diagnosis::Answer;

pub static DAP: Debugger = Debugger {
    name: "lldb-dap",
    title: "lldb-dap",
    protocol: "dap",
    bind: "127.0.0.1",
    connect: Harm::Harms,
    usual_port: Some(UsualPort { name: "lldb-dap", number: 4711, is_shown: false }),
    own_programs: &DAP_PROGRAMS,
    recognise: recognise_dap,
    modes: &[&DAP_MODE],
    usual_mode: &DAP_MODE,
    start: |on, port| Some(format!("lldb-dap --connection listen://{}:{port}", on.host("0.0.0.0"))),
    clients: &[],
    ..Debugger::UNKNOWN
};

pub static SERVER: Debugger = Debugger {
    name: "lldb-server",
    title: "lldb-server",
    protocol: "gdb remote",
    bind: "",
    connect: Harm::Harms,
    usual_port: None,
    own_programs: &SERVER_PROGRAMS,
    recognise: recognise_server,
    modes: &[&SERVER_MODE, &PLATFORM],
    usual_mode: &SERVER_MODE,
    start: |on, port| Some(format!("lldb-server gdbserver {}:{port} -- ./app", on.host("*"))),
    // What speaks with gdbserver speaks with it.
    clients: &[],
    ..Debugger::UNKNOWN
};

const DAP_PROGRAMS: [&str; 2] = ["lldb-dap", "lldb-vscode"];
const SERVER_PROGRAMS: [&str; 2] = ["lldb-server", "debugserver"];

pub static DAP_MODE: Mode = Mode {
    id: "lldb-dap",
    title: "lldb-dap",
    protocol: "dap",
    takes_many: Answer::No,
    probe: Probe::Refused("it exits when a connection closes"),
    listen_option: |on, port| Some(format!("--connection listen://{}:{port}", on.host("0.0.0.0"))),
    settings: dap_settings,
    ..Mode::UNKNOWN
};

pub static SERVER_MODE: Mode = Mode {
    id: "lldb-server",
    title: "lldb-server",
    protocol: "gdb remote",
    takes_many: Answer::No,
    probe: Probe::Refused("it exits when a connection closes, and its program runs on without it"),
    listen_option: |on, port| Some(format!("{}:{port}", on.host("*"))),
    settings: server_settings,
    ..Mode::UNKNOWN
};

/// It starts a second server for each session.
pub static PLATFORM: Mode = Mode {
    id: "lldb-platform",
    title: "lldb-server platform",
    protocol: "lldb platform",
    probe: Probe::Refused("it takes any client that connects for its debugger"),
    settings: platform_settings,
    ..Mode::UNKNOWN
};

static SECOND_PORT: Trap = Trap {
    id: "lldb-platform-second-port",
    effect: TrapEffect::Surprises,
    what: "each session of lldb-server platform uses a second port, another one each time",
    cure: "restart it with `--gdbserver-port 1339`, and open that one as well: `portcullis open 1339`",
};

/// CodeLLDB's adapter, where it waits for an editor: `codelldb --port 13000`.
pub static CODELLDB: Debugger = Debugger {
    name: "codelldb",
    title: "CodeLLDB",
    protocol: "dap",
    bind: "127.0.0.1",
    own_programs: &["codelldb"],
    recognise: |line| {
        let port = line.value(&["--port"])?.parse().ok()?;
        let listen = Some(Listen { host: "127.0.0.1".into(), port: Some(port) });
        Some(Server { listen, ..Server::new(&CODELLDB_MODE) })
    },
    modes: &[&CODELLDB_MODE],
    usual_mode: &CODELLDB_MODE,
    start: |on, port| (on == ListenOn::Loopback).then(|| format!("codelldb --port {port}")),
    ..Debugger::UNKNOWN
};

pub static CODELLDB_MODE: Mode = Mode {
    id: "codelldb",
    title: "CodeLLDB",
    protocol: "dap",
    probe: Probe::Refused("it takes any client that connects for its editor"),
    settings: |ConnectTarget { port, .. }| {
        vec![Setting::vscode(&json!({
            "name": format!("CodeLLDB on port {port}"), "type": "lldb", "request": "launch",
            "program": "${workspaceFolder}/PROGRAM", "debugServer": port,
        }))]
    },
    ..Mode::UNKNOWN
};

fn recognise_server(line: &CommandLine<'_>) -> Option<Server> {
    if !line.program_is(&SERVER_PROGRAMS) {
        return None;
    }
    let mode = line.own.first().copied().unwrap_or_default();
    let platform = ["platform", "p"].contains(&mode);
    if !platform && !["gdbserver", "g"].contains(&mode) && !line.program_is(&["debugserver"]) {
        return None;
    }
    // It dials lldb.
    if line.switch("--reverse-connect") || line.has_word("-R") {
        return None;
    }
    let address = |argument: &&str| argument.contains(':') && !argument.starts_with('-');
    let given = line.value(&["--listen", "-L"]).or_else(|| line.own.iter().copied().find(address));
    let listen = given.and_then(Listen::parse);
    if platform {
        let second_port = line.value(&["--gdbserver-port", "-P"]).and_then(|port| port.parse().ok());
        let traps = if second_port.is_some() { vec![] } else { vec![&SECOND_PORT] };
        return Some(Server { listen, second_port, traps, ..Server::new(&PLATFORM) });
    }
    Some(Server { listen, waits: Some(true), single_use: true, ..Server::new(&SERVER_MODE) })
}

fn recognise_dap(line: &CommandLine<'_>) -> Option<Server> {
    if !line.program_is(&DAP_PROGRAMS) {
        return None;
    }
    let connection = line.value(&["--connection"]).and_then(|uri| {
        // The scheme has changed between versions; a file's has no port.
        let (_, address) = uri.split_once("://")?;
        Listen::parse(address)
    });
    let port = || {
        let port = line.value(&["--port", "-p"])?.parse().ok()?;
        Some(Listen { host: "127.0.0.1".into(), port: Some(port) })
    };
    let listen = connection.or_else(port)?;
    Some(Server { listen: Some(listen), single_use: true, ..Server::new(&DAP_MODE) })
}

fn platform_settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let system = if cfg!(target_os = "macos") { "remote-macosx" } else { "remote-linux" };
    vec![Setting::terminal(format!(
        "lldb -o 'platform select {system}' -o 'platform connect connect://{target}'"
    ))]
}

fn server_settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    vec![
        Setting::terminal(format!("lldb -o 'gdb-remote {target}'")),
        Setting::vscode(&json!({
            "name": target.attach_name(), "type": "lldb-dap", "request": "attach",
            "gdb-remote-hostname": host, "gdb-remote-port": port, "program": "${workspaceFolder}/PROGRAM",
        })),
    ]
}

fn dap_settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    vec![Setting::vscode(&json!({
        "name": format!("Debug through lldb-dap on port {port}"), "type": "lldb-dap", "request": "launch",
        "program": "${workspaceFolder}/PROGRAM", "debugAdapterHostname": host, "debugAdapterPort": port,
    }))]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::*;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode, single_use, measured) in [
            ("lldb-server-14 gdbserver 127.0.0.1:1234 -- ./x", 1234, &SERVER_MODE, true, true),
            (
                "/usr/lib/llvm-19/bin/lldb-dap --connection listen://localhost:4711",
                4711,
                &DAP_MODE,
                true,
                true,
            ),
            ("lldb-vscode-14 --port 4711", 4711, &DAP_MODE, true, true),
            ("lldb-server g :1234 /bin/platform", 1234, &SERVER_MODE, true, true),
            ("lldb-server platform --server --listen *:1234", 1234, &PLATFORM, false, true),
            ("debugserver 0.0.0.0:1234 ./x", 1234, &SERVER_MODE, true, true),
            ("lldb-dap --connection tcp://[::1]:4711", 4711, &DAP_MODE, true, true),
        ] {
            let server = of_line(line, Some(port)).unwrap_or_else(|| panic!("{line}"));
            let found = (server.mode, server.single_use, server.measured);
            assert_eq!(found, (mode, single_use, measured), "{line}");
        }
    }

    #[test]
    fn others_are_not() {
        for (line, port) in [
            ("debugserver --reverse-connect 127.0.0.1:1234", 1234),
            ("lldb-server version", 1234),
            ("lldb-dap --connection unix:///tmp/x", 4711),
            ("lldb-dap", 4711),
        ] {
            assert_eq!(of_line(line, Some(port)), None, "{line}");
        }
    }
}
