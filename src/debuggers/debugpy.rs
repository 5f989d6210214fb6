//! debugpy, the debugger of Python. Its adapter, a process of its own, holds the port.

use serde_json::json;

use super::command_line::CommandLine;
use super::debugger::{Debugger, EditorClient, Harm, Listen, ListenOn, Mode, Probe, Server, UsualPort};
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
    modes: &[&ADAPTER],
    usual_mode: &ADAPTER,
    start: |on, port| {
        // A bare port is on loopback.
        let host = if on == ListenOn::Everywhere { "0.0.0.0:" } else { "" };
        Some(format!("python3 -m debugpy --listen {host}{port} --wait-for-client app.py"))
    },
    clients: &[&CLIENT],
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

static CLIENT: EditorClient = EditorClient {
    does: "it debugs Python",
    in_vscode: |entry| match entry.is_type(&["debugpy", "python"]) {
        true => entry.connects_if_it_attaches(None),
        false => LaunchMatch::Other,
    },
    speaks: |mode| *mode == ADAPTER,
    ..EditorClient::UNKNOWN
};

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
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
