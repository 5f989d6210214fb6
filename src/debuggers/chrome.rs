//! Chrome and what is made of it, with `--remote-debugging-port`.

use serde_json::json;

use super::command_line::CommandLine;
use super::debugger::{
    Debugger, EditorClient, Harm, Listen, ListenOn, Mode, Probe, Server, Silence, UsualPort,
};
use super::launch::LaunchMatch;
use super::settings::{ConnectTarget, Setting};
use super::wire::ask_devtools;
use crate::diagnosis::Answer;

const PORT: u16 = 9222;

pub static DEBUGGER: Debugger = Debugger {
    name: "chrome",
    title: "Chrome DevTools",
    protocol: "websocket",
    bind: "127.0.0.1",
    connect: Harm::Harmless,
    usual_port: Some(UsualPort { name: "chrome", number: PORT, is_shown: true }),
    // Electron is one, and more.
    own_programs: &[],
    recognise,
    modes: &[&DEVTOOLS],
    usual_mode: &DEVTOOLS,
    start,
    clients: &[&CLIENT],
    ..Debugger::UNKNOWN
};

pub static DEVTOOLS: Mode = Mode {
    id: "chrome",
    title: "Chrome DevTools",
    protocol: "cdp",
    takes_many: Answer::Yes,
    probe: Probe::Harmless(ask_devtools),
    has_other_listeners: true,
    silence: Some(Silence { programs: &MEASURED, is_own: is_browser, cause: own_profile }),
    listen_option: |on, port| (on == ListenOn::Loopback).then(|| format!("--remote-debugging-port={port}")),
    settings,
    ..Mode::UNKNOWN
};

static CLIENT: EditorClient = EditorClient {
    does: "it debugs Chrome",
    in_vscode: |entry| match entry.is_type(&["chrome", "pwa-chrome", "msedge", "pwa-msedge"]) {
        true => entry.connects_if_it_attaches(Some(PORT)),
        false => LaunchMatch::Other,
    },
    jetbrains_types: &["ChromiumRemoteDebugType"],
    // It debugs Node.js as well.
    speaks: |mode| mode.protocol == DEVTOOLS.protocol,
    ..EditorClient::UNKNOWN
};

/// Since Chrome 136 the port is refused for the profile that one browses with. It listens on loopback only.
fn start(on: ListenOn, port: u16) -> Option<String> {
    let program = if cfg!(target_os = "macos") { "open -na 'Google Chrome' --args" } else { "google-chrome" };
    (on == ListenOn::Loopback)
        .then(|| format!("{program} --remote-debugging-port={port} --user-data-dir=/tmp/debugged-chrome"))
}

/// Chrome and what is made of it; others that take the same option need not answer as it does.
const MEASURED: [&str; 18] = [
    "chrome",
    "google-chrome",
    "google-chrome-stable",
    "google chrome",
    "google chrome beta",
    "google chrome canary",
    "google chrome for testing",
    "chromium",
    "chromium-browser",
    "chromium-headless-shell",
    "chromium-shell",
    "chrome-headless-shell",
    "headless_shell",
    "msedge",
    "microsoft-edge",
    "microsoft edge",
    "brave browser",
    "electron",
];

/// Its children are handed its options.
fn is_browser(line: &CommandLine<'_>) -> bool {
    line.value(&["--type"]).is_none()
}

/// The profile that one browses with is not debugged since Chrome 136.
fn own_profile(line: &CommandLine<'_>, port: u16) -> Option<(&'static str, String)> {
    let is_own = line.value(&["--user-data-dir"]).is_some();
    let command = start(ListenOn::Loopback, port).filter(|_| !is_own)?;
    let why = "since version 136 Chrome ignores that for the profile that one browses with";
    Some((why, format!("start one with a profile of its own: `{command}`")))
}

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    // Its child processes have the option too, and listen on nothing.
    let port: u16 = line.value(&["--remote-debugging-port"])?.parse().ok()?;
    let host = line.value(&["--remote-debugging-address"]).unwrap_or("127.0.0.1");
    let listen = Listen { host: host.to_owned(), port: (port != 0).then_some(port) };
    let measured = line.program_is(&MEASURED);
    Some(Server { listen: Some(listen), measured, ..Server::new(&DEVTOOLS) })
}

fn settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    vec![Setting::vscode(&json!({
        "name": target.attach_name(), "type": "chrome", "request": "attach", "address": host, "port": port,
    }))]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::*;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode, single_use, measured) in [
            ("/opt/google/chrome/chrome --remote-debugging-port=9222", 9222, &DEVTOOLS, false, true),
            ("/opt/tool --remote-debugging-port=9222", 9222, &DEVTOOLS, false, false),
            ("/usr/lib/chromium/headless_shell --remote-debugging-port=9222", 9222, &DEVTOOLS, false, true),
            (
                "/Applications/X.app/Contents/MacOS/msedge --remote-debugging-port 9222",
                9222,
                &DEVTOOLS,
                false,
                true,
            ),
        ] {
            let server = of_line(line, Some(port)).unwrap_or_else(|| panic!("{line}"));
            let found = (server.mode, server.single_use, server.measured);
            assert_eq!(found, (mode, single_use, measured), "{line}");
        }
    }
}
