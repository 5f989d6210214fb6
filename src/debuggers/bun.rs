//! Bun, whose engine has WebKit's inspector, and workerd, which has V8's.

use serde_json::json;

use super::command_line::CommandLine;
use super::debugger::{Debugger, Listen, ListenOn, Mode, Probe, Server};
use super::node;
use super::settings::{ConnectTarget, Setting};

/// Where `bun --inspect` listens unless it is given another (bun.sh: "Debugging Bun").
const PORT: u16 = 6499;

pub static DEBUGGER: Debugger = Debugger {
    name: "bun",
    title: "Bun inspector",
    protocol: "websocket",
    bind: "localhost",
    own_programs: &["bun", "bunx"],
    recognise,
    modes: &[&INSPECTOR],
    usual_mode: &INSPECTOR,
    start: |on, port| Some(format!("bun --inspect-wait={}:{port} app.ts", on.host("0.0.0.0"))),
    ..Debugger::UNKNOWN
};

pub static INSPECTOR: Mode = Mode {
    id: "bun",
    title: "Bun inspector",
    protocol: "webkit inspector",
    probe: Probe::Refused("what a connection does to it was not measured"),
    has_other_listeners: true,
    listen_option: |on, port| Some(format!("--inspect={}:{port}", on.host("0.0.0.0"))),
    settings,
    ..Mode::UNKNOWN
};

/// The runtime of Cloudflare's Workers, which `wrangler dev` starts.
pub static WORKERD: Debugger = Debugger {
    name: "workerd",
    title: "workerd inspector",
    protocol: "websocket",
    bind: "localhost",
    own_programs: &["workerd"],
    recognise: |line| {
        let given = line.value(&["--inspector-addr", "-i"])?;
        let listen = Some(Listen::parse(given)?);
        Some(Server { listen, ..Server::new(&WORKERD_MODE) })
    },
    modes: &[&WORKERD_MODE],
    usual_mode: &WORKERD_MODE,
    start: |on, port| {
        (on == ListenOn::Loopback)
            .then(|| format!("workerd serve --inspector-addr=127.0.0.1:{port} config.capnp"))
    },
    ..Debugger::UNKNOWN
};

pub static WORKERD_MODE: Mode = Mode {
    id: "workerd",
    title: "workerd inspector",
    protocol: "cdp",
    probe: Probe::Refused("what a connection does to it was not measured"),
    has_other_listeners: true,
    settings: node::settings,
    ..Mode::UNKNOWN
};

fn recognise(line: &CommandLine<'_>) -> Option<Server> {
    let script = line.own.iter().position(|argument| argument.ends_with(".ts") || argument.ends_with(".js"));
    let own = line.own.get(..script.unwrap_or(line.own.len())).unwrap_or_default();
    own.iter().find_map(|argument| {
        let rest = argument.strip_prefix("--inspect")?;
        let (flavour, value) = rest.split_once('=').unwrap_or((rest, ""));
        let waits = match flavour {
            "" => false,
            "-wait" | "-brk" => true,
            _ => return None,
        };
        // The path behind it is a secret of the session.
        let address = value.split('/').next().unwrap_or_default();
        let usual = Listen { host: "localhost".into(), port: Some(PORT) };
        let listen = if address.is_empty() { usual } else { Listen::parse(address)? };
        Some(Server { listen: Some(listen), waits: Some(waits), ..Server::new(&INSPECTOR) })
    })
}

fn settings(target: &ConnectTarget<'_>) -> Vec<Setting> {
    vec![
        Setting::vscode(&json!({
            "name": target.attach_name(), "type": "bun", "request": "attach", "url": format!("ws://{target}/"),
        })),
        Setting::steps(
            "browser",
            format!("Open https://debug.bun.sh/#{target}/ and the path that Bun printed"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::classify::of_line;

    #[test]
    fn its_command_lines_are_recognised() {
        for (line, port, mode) in [
            ("bun --inspect app.ts", 6499, Some("bun")),
            ("bun --inspect-wait=0.0.0.0:4000/secret app.ts", 4000, Some("bun")),
            ("bun run --inspect-brk=4001 app.ts", 4001, Some("bun")),
            ("bun app.ts --inspect", 6499, None),
            ("bun app.ts", 3000, None),
            ("workerd serve --inspector-addr=localhost:9229 x", 9229, Some("workerd")),
            ("workerd serve x", 8787, None),
        ] {
            assert_eq!(of_line(line, Some(port)).map(|server| server.mode.id), mode, "{line}");
        }
    }
}
