//! Node.js, with `--inspect` and its kin.

use serde_json::json;

use super::command_line::CommandLine;
use super::debugger::{
    Debugger, EditorClient, Harm, Inside, Listen, Mode, Probe, Server, Silence, UsualPort,
};
use super::settings::{ConnectTarget, Setting};
use super::wire::ask_devtools;
use crate::diagnosis::Answer;

const PORT: u16 = 9229;

pub static DEBUGGER: Debugger = Debugger {
    name: "node",
    title: "Node.js inspector",
    protocol: "websocket",
    bind: "127.0.0.1",
    connect: Harm::Harmless,
    usual_port: Some(UsualPort { name: "node", number: PORT, is_shown: true }),
    // Electron is one, and more.
    own_programs: &[],
    recognise,
    modes: &[&INSPECTOR],
    usual_mode: &INSPECTOR,
    start: |on, port| {
        Some(match (on.host("0.0.0.0"), port) {
            ("127.0.0.1", PORT) => "node --inspect-brk app.js".to_owned(),
            (host, port) => format!("node --inspect-brk={host}:{port} app.js"),
        })
    },
    clients: &[&CLIENT],
    inside: Some(Inside { programs: &["node", "nodejs"], by: "NODE_OPTIONS, SIGUSR1 or the program itself" }),
    ..Debugger::UNKNOWN
};

pub static INSPECTOR: Mode = Mode {
    id: "node",
    title: "node inspector",
    protocol: "cdp",
    takes_many: Answer::Yes,
    probe: Probe::Harmless(ask_devtools),
    has_other_listeners: true,
    silence: Some(Silence {
        programs: &["node", "nodejs"],
        is_own: inspects_itself,
        cause: |_, _| {
            let step = "stop it and start it again: it tries once, as it starts".to_owned();
            Some(("another had the port when it started, or its program gave it up", step))
        },
    }),
    listen_option: |on, port| Some(format!("--inspect={}:{port}", on.host("0.0.0.0"))),
    settings,
    ..Mode::UNKNOWN
};

pub static CLIENT: EditorClient = EditorClient {
    does: "it debugs Node.js",
    in_vscode: |entry| match entry.is_type(&["node", "pwa-node"]) {
        true => entry.connects_if_it_attaches(Some(PORT).filter(|_| entry.get("processId").is_none())),
        false => super::launch::LaunchMatch::Other,
    },
    speaks: |mode| *mode == INSPECTOR,
    ..EditorClient::UNKNOWN
};

/// Options that take the next argument for their value, as far as they stand before an `--inspect`.
const WITH_VALUE: [&str; 16] = [
    "--conditions",
    "--env-file",
    "--env-file-if-exists",
    "--eval",
    "--experimental-loader",
    "--import",
    "--input-type",
    "--inspect-port",
    "--loader",
    "--print",
    "--require",
    "--title",
    "-C",
    "-e",
    "-p",
    "-r",
];

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    /// Node.js itself, and programs around it that hand its options on.
    const MEASURED: [&str; 3] = ["node", "nodejs", "electron"];
    let is_node = line.program_is(&MEASURED);
    let mut server = if is_node { Server::new(&INSPECTOR) } else { Server::guessed(&INSPECTOR) };
    // What follows the script is the script's. Another program's options are not known well enough for that.
    let own = match line.first_word(&WITH_VALUE) {
        Some(script) if line.program_is(&["node", "nodejs"]) => line.own.get(..script).unwrap_or_default(),
        _ => &line.own[..],
    };
    let mut inspected = false;
    let mut listen = Listen { host: "127.0.0.1".into(), port: Some(PORT) };
    // Those of the variable come before.
    let own: Vec<&str> =
        line.options_of(&["NODE_OPTIONS"]).filter(|_| is_node).chain(own.iter().copied()).collect();
    for (index, argument) in own.iter().enumerate() {
        let Some(rest) = argument.strip_prefix("--inspect") else { continue };
        let (flavour, value) = rest.split_once('=').unwrap_or((rest, ""));
        let value = match flavour {
            "" | "-brk" | "-wait" => {
                inspected = true;
                server.waits = Some(!flavour.is_empty());
                value
            }
            "-port" if value.is_empty() => own.get(index + 1).copied().unwrap_or_default(),
            "-port" => value,
            _ => continue,
        };
        match Listen::parse(value) {
            Some(given) if given.host.is_empty() => listen.port = given.port,
            Some(given) => listen = given,
            None if value.is_empty() => {}
            None => listen.host = value.trim_start_matches('[').trim_end_matches(']').to_owned(),
        }
    }
    if inspected {
        return Some(Server { listen: Some(listen), ..server });
    }
    // Started by SIGUSR1, from inside, or by variables that may not be read: only the port speaks.
    (is_node && line.is_expected).then(|| Server::guessed(&INSPECTOR))
}

/// With these, a child of the process is inspected.
fn inspects_itself(line: &CommandLine<'_>) -> bool {
    let is_parent = |option: &str| option.starts_with("--watch") || option.starts_with("--test");
    !line.own.iter().any(|option| is_parent(option))
}

pub fn settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    let ConnectTarget { host, port } = target;
    vec![
        Setting::vscode(&json!({
            "name": target.attach_name(), "type": "node", "request": "attach", "address": host, "port": port,
        })),
        Setting::steps(
            "Chrome",
            format!("Open chrome://inspect, Configure…, add {target}, then choose \"inspect\""),
        ),
        Setting::terminal(format!("node inspect {target}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;
    use super::*;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode, single_use, measured) in [
            ("/usr/local/bin/node --inspect app.js", 9229, &INSPECTOR, false, true),
            ("node --inspect-brk=0.0.0.0:9300 app.js", 9300, &INSPECTOR, false, true),
            ("node app.js", 9229, &INSPECTOR, false, false),
            ("node -r ts-node/register --inspect-brk app.ts", 9229, &INSPECTOR, false, true),
            ("node --import tsx --inspect-port 9400 --inspect app.ts", 9400, &INSPECTOR, false, true),
            ("node --inspect=0.0.0.0 app.js", 9229, &INSPECTOR, false, true),
            ("/opt/x/node_modules/electron/dist/electron --inspect=5858 .", 5858, &INSPECTOR, false, true),
            ("deno run --inspect=127.0.0.1:9229 x.ts", 9229, &INSPECTOR, false, false),
            ("/opt/tool --inspect=127.0.0.1:9229", 9229, &INSPECTOR, false, false),
        ] {
            let server = of_line(line, Some(port)).unwrap_or_else(|| panic!("{line}"));
            let found = (server.mode, server.single_use, server.measured);
            assert_eq!(found, (mode, single_use, measured), "{line}");
        }
    }

    #[test]
    fn others_are_not() {
        for (line, port) in [
            ("node --inspect app.js", 3000),
            ("node app.js", 3000),
            ("node --inspect=0 app.js", 3000),
            ("node app.js --inspect=3000", 3000),
        ] {
            assert_eq!(of_line(line, Some(port)), None, "{line}");
        }
    }

    #[test]
    fn where_and_whether_it_waits() {
        assert_eq!(of_line("node --inspect-wait x.js", None).unwrap().waits, Some(true));
        let server = of_line("node --inspect=0.0.0.0 --inspect-port=9300 x.js", None).unwrap();
        assert_eq!(server.listen, Some(Listen { host: "0.0.0.0".into(), port: Some(9300) }));
    }
}
