//! Delve, the debugger of Go.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;

use super::build_info;
use super::command_line::{CommandLine, is_named, value_in};
use super::debugger::{
    Debugger, EditorClient, Harm, Lingering, Listen, Mode, Probe, Server, Trap, TrapEffect, UsualPort,
};
use super::launch::{LaunchEntry, LaunchMatch};
use super::settings::{ConnectTarget, Setting};
use super::wire::{ExchangeError, ServerIdentity, exchange};
use crate::diagnosis::Answer;
use crate::sockets::Process;

pub static DEBUGGER: Debugger = Debugger {
    name: "delve",
    title: "Delve (Go)",
    protocol: "dap or json-rpc",
    bind: "127.0.0.1",
    connect: Harm::Harms,
    usual_port: Some(UsualPort { name: "dlv", number: 2345, is_shown: true }),
    own_programs: &PROGRAMS,
    recognise,
    modes: &[&DAP, &HEADLESS, &MULTICLIENT],
    usual_mode: &MULTICLIENT,
    start: |on, port| {
        Some(format!("dlv debug --headless --accept-multiclient --listen={}:{port}", on.host("")))
    },
    clients: &[&REMOTE_ATTACH, &LAUNCH_THROUGH_DAP, &GO_REMOTE],
    ..Debugger::UNKNOWN
};

const PROGRAMS: [&str; 2] = ["dlv", "dlv-dap"];

const DELVE: Mode = Mode {
    takes_many: Answer::No,
    listen_option: |on, port| Some(format!("--listen={}:{port}", on.host(""))),
    version,
    ..Mode::UNKNOWN
};

/// `dlv dap`: one client, which brings the program.
pub static DAP: Mode = Mode {
    id: "delve-dap",
    title: "dlv dap",
    protocol: "dap",
    probe: Probe::Refused("it exits as soon as a connection closes"),
    settings: dap_settings,
    ..DELVE
};

/// `dlv … --headless`: one client.
pub static HEADLESS: Mode = Mode {
    id: "delve-headless",
    title: "dlv headless",
    protocol: "json-rpc or dap",
    take_many_option: Some("--accept-multiclient"),
    probe: Probe::Refused(
        "its first connection is its only one; when that closes, its program is killed or left frozen",
    ),
    lingering: Some(Lingering { programs: &["dlv", "dlv-dap", "go"], is_starting: is_building }),
    settings: |target| attach_settings(target, "Stop remote Delve process"),
    ..DELVE
};

/// `dlv … --headless --accept-multiclient`.
pub static MULTICLIENT: Mode = Mode {
    id: "delve-multiclient",
    title: "dlv headless (multi-client)",
    protocol: "json-rpc or dap",
    takes_many: Answer::Yes,
    probe: Probe::Harmless(ask_version),
    settings: |target| attach_settings(target, "Leave it running"),
    ..DELVE
};

static LISTEN_AFTER_DASHES: Trap = Trap {
    id: "listen-after-dashes",
    effect: TrapEffect::Defeats,
    what: "`--listen` stands after `--`, so it goes to the program and dlv does not listen",
    cure: "put `--listen` before `--`",
};

static LISTEN_WITHOUT_HEADLESS: Trap = Trap {
    id: "listen-without-headless",
    effect: TrapEffect::Defeats,
    what: "`--listen` without `--headless` does nothing: dlv runs in its terminal",
    cure: "add `--headless`, or use `dlv dap`",
};

static HEADLESS_WITHOUT_LISTEN: Trap = Trap {
    id: "headless-without-listen",
    effect: TrapEffect::Defeats,
    what: "`--headless` without `--listen` takes a random port on 127.0.0.1",
    cure: "add `--listen=127.0.0.1:2345`",
};

static LISTEN_WITHOUT_COLON: Trap = Trap {
    id: "listen-without-colon",
    effect: TrapEffect::Defeats,
    what: "`--listen` needs a colon before the port",
    cure: "write `--listen=:2345` or `--listen=127.0.0.1:2345`",
};

static CONTINUE_WITHOUT_MULTICLIENT: Trap = Trap {
    id: "continue-without-multiclient",
    effect: TrapEffect::Defeats,
    what: "`--continue` is refused without `--accept-multiclient`",
    cure: "add `--accept-multiclient`",
};

static NO_SUCH_FLAG: Trap = Trap {
    id: "continue-on-start",
    effect: TrapEffect::Defeats,
    what: "dlv has no `--continue-on-start`, and ends at once",
    cure: "write `--continue --accept-multiclient` instead",
};

static LOG_OUTPUT_WITHOUT_LOG: Trap = Trap {
    id: "log-output-without-log",
    effect: TrapEffect::Defeats,
    what: "`--log-output` without `--log` has dlv end at once",
    cure: "add `--log`, or take `--log-output` out",
};

/// VS Code, Go: attach, mode remote.
pub static REMOTE_ATTACH: EditorClient = EditorClient {
    does: "it attaches to a headless dlv",
    in_vscode: |entry| match is_remote_attach(entry) {
        true => LaunchMatch::Connects { default_port: Some(2345) },
        false => LaunchMatch::Other,
    },
    speaks: is_headless,
    instead: instead_of_dap,
    ..EditorClient::UNKNOWN
};

/// VS Code, Go: launch, or another attach, through a `dlv dap` on a port.
pub static LAUNCH_THROUGH_DAP: EditorClient = EditorClient {
    does: "it launches through a `dlv dap`",
    in_vscode: |entry| {
        let is_launch = entry.text("request") == Some("launch");
        match () {
            () if !entry.is_type(&["go"]) || is_remote_attach(entry) => LaunchMatch::Other,
            // The old adapter starts its own dlv on the port.
            () if is_launch && entry.text("debugAdapter") == Some("legacy") => LaunchMatch::StartsServer,
            () => LaunchMatch::Connects { default_port: None },
        }
    },
    speaks: |mode| *mode == DAP,
    instead: |mode| {
        is_headless(mode)
            .then_some("use \"request\": \"attach\" with \"mode\": \"remote\", or start `dlv dap`")
    },
    when_absent: |port| {
        Some(format!(
            "take `port` and `host` out, and VS Code starts dlv itself; or first start `dlv dap --listen=127.0.0.1:{port}`"
        ))
    },
    ..EditorClient::UNKNOWN
};

/// GoLand: Go Remote.
pub static GO_REMOTE: EditorClient = EditorClient {
    does: "GoLand speaks with a headless dlv",
    jetbrains_types: &["GoRemoteDebugConfigurationType"],
    jetbrains_port: Some(2345),
    speaks: is_headless,
    instead: instead_of_dap,
    ..EditorClient::UNKNOWN
};

fn is_remote_attach(entry: &LaunchEntry<'_>) -> bool {
    entry.is_type(&["go"]) && entry.attaches() && entry.text("mode") == Some("remote")
}

fn is_headless(mode: &Mode) -> bool {
    *mode == HEADLESS || *mode == MULTICLIENT
}

fn instead_of_dap(mode: &Mode) -> Option<&'static str> {
    (*mode == DAP).then_some("start `dlv debug --headless --listen=…` instead of `dlv dap`")
}

/// Options that take the next argument for their value (Delve: cmd/dlv/cmds/commands.go, 1.25).
const WITH_VALUE: [&str; 24] = [
    "--api-version",
    "--attach-wait-for",
    "--backend",
    "--build-flags",
    "--client-addr",
    "--exec",
    "--init",
    "--listen",
    "--log-dest",
    "--log-output",
    "--output",
    "--pid",
    "--rr-onprocess-pid",
    "--redirect",
    "--stack",
    "--tty",
    "--waitfor",
    "--waitfor-duration",
    "--waitfor-interval",
    "--wd",
    "-e",
    "-l",
    "-p",
    "-r",
];

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    const LISTEN: [&str; 2] = ["--listen", "-l"];
    if !line.program_is(&PROGRAMS) {
        return None;
    }
    let command = line.first_word(&WITH_VALUE).and_then(|at| line.own.get(at).copied());
    let dap = match command? {
        "dap" => true,
        "attach" | "core" | "debug" | "exec" | "replay" | "run" | "test" => false,
        // A client, or a command that never listens.
        _ => return None,
    };
    // It dials its client.
    if line.value(&["--client-addr"]).is_some() {
        return None;
    }
    // `-l127.0.0.1:2345` is read as well.
    let joined = || line.own.iter().rev().find_map(|argument| argument.strip_prefix("-l"));
    let listen = line.value(&LISTEN).or_else(joined);
    let headless = line.switch("--headless");
    let many = line.switch("--accept-multiclient");
    let mut traps: Vec<&'static Trap> = Vec::new();
    if listen.is_none() && value_in(&line.rest, &LISTEN).is_some() {
        traps.push(&LISTEN_AFTER_DASHES);
    }
    if listen.is_some() && !dap && !headless {
        traps.push(&LISTEN_WITHOUT_HEADLESS);
    }
    if headless && listen.is_none() && !dap && traps.is_empty() {
        traps.push(&HEADLESS_WITHOUT_LISTEN);
    }
    if listen.is_some_and(|listen| !listen.contains(':')) {
        traps.push(&LISTEN_WITHOUT_COLON);
    }
    if line.switch("--continue") && !many {
        traps.push(&CONTINUE_WITHOUT_MULTICLIENT);
    }
    if line.own.iter().any(|argument| argument.split('=').next() == Some("--continue-on-start")) {
        traps.push(&NO_SUCH_FLAG);
    }
    if line.value(&["--log-output"]).is_some_and(|output| !output.is_empty()) && !line.switch("--log") {
        traps.push(&LOG_OUTPUT_WITHOUT_LOG);
    }
    let mode = match (dap, headless, many) {
        (true, _, _) => &DAP,
        (false, true, true) => &MULTICLIENT,
        (false, true, false) => &HEADLESS,
        // On a terminal: no server, though perhaps meant as one.
        (false, false, _) if traps.is_empty() => return None,
        (false, false, _) => &HEADLESS,
    };
    Some(Server {
        listen: listen.and_then(Listen::parse),
        waits: Some(!line.switch("--continue")),
        single_use: *mode != MULTICLIENT,
        traps,
        ..Server::new(mode)
    })
}

/// Whether a process of this short name is Delve, or the Go tool that Delve may still be waiting for.
pub fn is_delve_or_go(name: &str) -> bool {
    is_named(name, &["dlv", "dlv-dap", "go"])
}

/// Whether `dlv debug` is still building its program: its child is then the Go tool.
fn is_building(delve: &Process, all: &[Process]) -> bool {
    all.iter().any(|child| child.name.as_deref() == Some("go") && child.parent == Some(delve.pid))
}

/// The version of the dlv in this file, such as `1.25.2`; `None` where it does not tell, as a packager's.
fn version(program: &Path) -> Option<String> {
    let (module, version) = build_info::of_program(program)?.module?;
    (module == "github.com/go-delve/delve").then_some(version)
}

/// `RPCServer.GetVersion` (Delve: service/rpc2/server.go).
fn ask_version(address: SocketAddr) -> Result<ServerIdentity, ExchangeError> {
    let question = b"{\"method\":\"RPCServer.GetVersion\",\"params\":[{}],\"id\":1}\n";
    let is_complete = |answer: &[u8]| serde_json::from_slice::<serde_json::Value>(answer).is_ok();
    let answer: serde_json::Value = serde_json::from_slice(&exchange(address, question, &is_complete)?)?;
    let result = answer.get("result").ok_or(ExchangeError::Lacks("holds no result"))?;
    let version = result.get("DelveVersion").and_then(|version| version.as_str()).unwrap_or_default();
    let number = version.split_once("Version: ").map_or(version, |(_, rest)| rest);
    let number = number.lines().next().unwrap_or_default().escape_debug().to_string();
    let api = result.get("APIVersion").and_then(serde_json::Value::as_i64);
    Ok(ServerIdentity {
        address,
        product: format!("Delve {number}"),
        protocol: api.map_or_else(|| "JSON-RPC".to_owned(), |api| format!("JSON-RPC API {api}")),
    })
}

fn dap_settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    vec![
        // A `dlv dap` has no program yet: the client brings it.
        Setting::vscode(&json!({
            "name": format!("Debug through dlv dap on port {port}"), "type": "go", "request": "launch", "mode": "debug",
            "program": "${workspaceFolder}", "host": host, "port": port,
        })),
        Setting::steps(
            "GoLand",
            format!(
                "GoLand does not speak to `dlv dap`. Start this instead, and connect with Go Remote:\n\
                 dlv debug --headless --api-version=2 --accept-multiclient --listen={target}"
            ),
        ),
    ]
}

fn attach_settings(target: &ConnectTarget<'_>, on_disconnect: &str) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    vec![
        Setting::vscode(&json!({
            "name": target.attach_name(), "type": "go", "request": "attach", "mode": "remote", "host": host, "port": port,
        })),
        Setting::steps(
            "GoLand",
            format!(
                "Run > Edit Configurations > + > Go Remote\nHost: {host}\nPort: {port}\nOn disconnect: {on_disconnect}"
            ),
        ),
        Setting::terminal(format!("dlv connect {target}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::super::debugger::ListenOn;
    use super::*;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode, single_use, measured) in [
            ("/usr/bin/dlv dap --listen=127.0.0.1:2345", 2345, &DAP, true, true),
            ("/go/bin/dlv dap -l 127.0.0.1:2345 --log", 2345, &DAP, true, true),
            ("dlv debug --headless --listen=:2345 ./cmd -- --listen=:80", 2345, &HEADLESS, true, true),
            (
                "dlv --listen=0.0.0.0:2345 --headless=true --api-version=2 exec ./x --",
                2345,
                &HEADLESS,
                true,
                true,
            ),
            ("dlv exec --headless --accept-multiclient --listen :2345 ./x", 2345, &MULTICLIENT, false, true),
            (
                "dlv exec --headless --accept-multiclient=false --listen :2345 ./x",
                2345,
                &HEADLESS,
                true,
                true,
            ),
            ("dlv-dap dap --listen=127.0.0.1:2345", 2345, &DAP, true, true),
            ("dlv dap -l127.0.0.1:2345", 2345, &DAP, true, true),
            ("/nix/store/x/bin/.dlv-wrapped dap --listen=:2345", 2345, &DAP, true, true),
            ("dlv exec ./x --headless --log-output dap --listen :2345", 2345, &HEADLESS, true, true),
            ("dlv debug --headless --wd connect --listen=:2345 dap", 2345, &HEADLESS, true, true),
            ("dlv --log test --headless=T --listen=:2345", 2345, &HEADLESS, true, true),
            (
                "dlv attach 4711 --headless -l=:2345 --accept-multiclient --continue",
                2345,
                &MULTICLIENT,
                false,
                true,
            ),
            ("dlv core ./x core.1 --headless --listen=[::1]:2345", 2345, &HEADLESS, true, true),
            (
                "/Applications/GoLand.app/Contents/plugins/go-plugin/lib/dlv/macarm/dlv --listen=127.0.0.1:52345 --headless=true --api-version=2 --check-go-version=false --only-same-user=false exec /private/tmp/___go_build_x --",
                52345,
                &HEADLESS,
                true,
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
        for (line, port) in [
            ("dlv trace --listen=:2345 --headless main", 2345),
            ("dlv version", 2345),
            ("dlv --headless --listen=:2345", 2345),
            ("dlv dap --client-addr 127.0.0.1:2345", 2345),
            ("dlv connect 127.0.0.1:2345", 2345),
            ("dlv dap --client-addr=127.0.0.1:2345", 2345),
            ("dlv debug ./cmd", 2345),
        ] {
            assert_eq!(of_line(line, Some(port)), None, "{line}");
        }
    }

    #[test]
    fn where_it_listens() {
        let six = of_line("dlv dap --listen=[::1]:2345", None).unwrap();
        assert_eq!(six.listen, Some(Listen { host: "::1".into(), port: Some(2345) }));
        assert_eq!((six.mode.listen_option)(ListenOn::Everywhere, 2345).unwrap(), "--listen=:2345");
        let unix = of_line("dlv dap --listen=unix:/tmp/x", None).unwrap();
        assert_eq!((unix.listen, unix.traps), (None, vec![]));
    }

    #[test]
    fn the_measured_traps() {
        for (line, trap) in [
            ("dlv debug --headless ./x -- --listen=:2345", &LISTEN_AFTER_DASHES),
            ("dlv debug --listen=:2345 ./x", &LISTEN_WITHOUT_HEADLESS),
            ("dlv debug --headless ./x", &HEADLESS_WITHOUT_LISTEN),
            ("dlv dap --listen=2345", &LISTEN_WITHOUT_COLON),
            ("dlv exec --headless --listen=:2345 --continue ./x", &CONTINUE_WITHOUT_MULTICLIENT),
        ] {
            assert!(of_line(line, None).unwrap().traps.contains(&trap), "{line}");
        }
        for line in
            ["dlv dap --listen=:2345", "dlv exec --headless --listen=:1 --accept-multiclient --continue ./x"]
        {
            assert!(of_line(line, None).unwrap().traps.is_empty(), "{line}");
        }
    }
}
