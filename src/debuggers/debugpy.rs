//! debugpy, the debugger of Python. Its adapter, a process of its own, holds the port.

use serde_json::json;

use super::command_line::CommandLine;
use super::debugger::{
    Debugger, EditorClient, Harm, Listen, ListenOn, Mode, Probe, Server, UsualPort, WhoListens,
};
use super::editors;
use super::launch::LaunchMatch;
use super::settings::{ConnectTarget, Setting};

pub static DEBUGGER: Debugger = Debugger {
    name: "debugpy",
    title: "debugpy (Python)",
    protocol: "dap",
    bind: "127.0.0.1",
    connect: Harm::Harms,
    usual_port: Some(UsualPort { name: "debugpy", number: 5678, is_shown: true }),
    own_programs: &[],
    recognise,
    modes: &[&ADAPTER, &PTVSD, &PYDEVD, &PYCHARM],
    usual_mode: &ADAPTER,
    start: |on, port| {
        // A bare port is on loopback.
        let host = if on == ListenOn::Everywhere { "0.0.0.0:" } else { "" };
        Some(format!("python3 -m debugpy --listen {host}{port} --wait-for-client app.py"))
    },
    clients: &[&CLIENT, &PYCHARM_SERVER],
    ..Debugger::UNKNOWN
};

pub static ADAPTER: Mode = Mode {
    id: "debugpy",
    title: "debugpy",
    protocol: "dap",
    probe: Probe::Refused("a connection that closes again can stop it from accepting its real client"),
    listen_option: |on, port| Some(format!("--listen {}:{port}", on.host("0.0.0.0"))),
    settings,
    ..Mode::UNKNOWN
};

/// What debugpy was before 2020.
pub static PTVSD: Mode = Mode { id: "ptvsd", title: "ptvsd", ..ADAPTER };

/// `pydevd.py --server`, which PyCharm starts on other machines.
pub static PYDEVD: Mode = Mode {
    id: "pydevd",
    title: "pydevd",
    protocol: "pydevd",
    probe: Probe::Refused("it takes any client that connects for its debugger"),
    ..Mode::UNKNOWN
};

/// PyCharm's "Python Debug Server", which waits for its program.
pub static PYCHARM: Mode = Mode {
    id: "pycharm",
    title: "PyCharm's debug server",
    protocol: "pydevd",
    probe: Probe::Refused("it would take the connection for the program that it waits for"),
    settings: settings_to_dial,
    awaits_debuggee: true,
    ..Mode::UNKNOWN
};

static CLIENT: EditorClient = EditorClient {
    does: "it debugs Python",
    in_vscode: |entry| match entry.is_type(&["debugpy", "python"]) {
        true => entry.connects_if_it_attaches(None),
        false => LaunchMatch::Other,
    },
    speaks: |mode| *mode == ADAPTER || *mode == PTVSD,
    ..EditorClient::UNKNOWN
};

static PYCHARM_SERVER: EditorClient = EditorClient {
    does: "it waits for a Python program",
    jetbrains_types: &["PyRemoteDebugConfigurationType"],
    speaks: |mode| *mode == PYCHARM,
    who_listens: WhoListens::Editor,
    ..EditorClient::UNKNOWN
};

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    if line.is_expected && editors::is_jetbrains(line) {
        return Some(Server::new(&PYCHARM));
    }
    let is_adapter = line.own.iter().any(|argument| {
        let argument = argument.trim_end_matches('/');
        ["debugpy/adapter", "debugpy.adapter", "/debugpy-adapter"].iter().any(|end| argument.ends_with(end))
    });
    if is_adapter {
        let port: Option<u16> = line.value(&["--port"]).and_then(|port| port.parse().ok());
        let host = line.value(&["--host"]).unwrap_or("127.0.0.1").to_owned();
        let listen = port.map(|port| Listen { host, port: Some(port) });
        return Some(Server { listen, ..Server::new(&ADAPTER) });
    }
    let has_module = |name: &str| line.own.windows(2).any(|pair| pair == ["-m", name]);
    let runs = |end: &str| line.own.iter().any(|argument| argument.ends_with(end));
    let port = || line.value(&["--port"]).and_then(|port| port.parse().ok());
    let given = |host: &str| port().map(|port| Listen { host: host.to_owned(), port: Some(port) });
    if has_module("ptvsd") || runs("/ptvsd") {
        let host = line.value(&["--host"]).unwrap_or("127.0.0.1");
        return Some(Server {
            listen: given(host),
            waits: Some(line.has_word("--wait")),
            ..Server::new(&PTVSD)
        });
    }
    if runs("pydevd.py") {
        let listen = given("");
        return line.has_word("--server").then(|| Server { listen, ..Server::new(&PYDEVD) });
    }
    let module = line.own.windows(2).any(|pair| pair == ["-m", "debugpy"])
        || line.own.first().is_some_and(|script| script.trim_end_matches('/').ends_with("/debugpy"));
    let listen = Listen::parse(line.value(&["--listen"])?)?;
    let host = if listen.host.is_empty() { "127.0.0.1".to_owned() } else { listen.host };
    let waits = Some(line.has_word("--wait-for-client"));
    module.then(|| Server {
        listen: Some(Listen { host, port: listen.port }),
        waits,
        ..Server::new(&ADAPTER)
    })
}

fn settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    vec![Setting::vscode(&json!({
        "name": target.attach_name(), "type": "debugpy", "request": "attach",
        "connect": { "host": host, "port": port },
    }))]
}

fn settings_to_dial(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    let dial = format!("import pydevd_pycharm\npydevd_pycharm.settrace(\"{host}\", port={port})");
    vec![Setting { client: "Python", how: "in the program; PyCharm waits, the program dials", text: dial }]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::*;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode, single_use, measured) in [
            (
                "/usr/bin/python3 /home/me/debugpy/adapter --for-server 40001 --host 127.0.0.1 --port 5678 --server-access-token [redacted]",
                5678,
                &ADAPTER,
                false,
                true,
            ),
            ("python3 -m debugpy --listen 5678 --wait-for-client x.py", 5678, &ADAPTER, false, true),
            (
                "/venv/bin/python /venv/bin/debugpy-adapter --host 127.0.0.1 --port 5678",
                5678,
                &ADAPTER,
                false,
                true,
            ),
        ] {
            let server = of_line(line, Some(port)).unwrap_or_else(|| panic!("{line}"));
            let found = (server.mode, server.single_use, server.measured);
            assert_eq!(found, (mode, single_use, measured), "{line}");
        }
    }

    #[test]
    fn others_are_not() {
        assert_eq!(of_line("python3 -m http.server 5678", Some(5678)), None);
    }
}
