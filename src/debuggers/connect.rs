//! The settings with which a client connects to what listens: for VS Code, GoLand and IntelliJ, a terminal, SSH.
//!
//! ```
//! use portcullis::debuggers::connect::{ConnectTarget, settings};
//! use portcullis::debuggers::servers::ServerKind;
//! let target = ConnectTarget { kind: ServerKind::Node, host: "127.0.0.1", port: 9229, tunnel: false };
//! assert!(settings(&target).iter().any(|setting| setting.text.contains("\"request\": \"attach\"")));
//! ```

use serde::Serialize;
use serde_json::{Value, json};

use super::servers::ServerKind;

/// What is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectTarget<'a> {
    /// Which debugger listens.
    pub kind: ServerKind,
    /// The host as the client names it; `127.0.0.1` also at the near end of a tunnel.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Whether other machines need an SSH tunnel, since it listens on loopback only.
    pub tunnel: bool,
}

/// One way to connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// For which client, such as `VS Code`.
    pub client: &'static str,
    /// What to do with the text, such as `add to .vscode/launch.json`.
    pub how: &'static str,
    /// What goes to the clipboard.
    pub text: String,
}

/// Every way to connect, the commonest first.
pub fn settings(target: &ConnectTarget) -> Vec<Setting> {
    let ConnectTarget { kind, host, port, .. } = *target;
    let at = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let name = format!("Attach to port {port}");
    let code = |value: Value| Setting {
        client: "VS Code",
        how: "add to \"configurations\" in .vscode/launch.json",
        text: serde_json::to_string_pretty(&value).unwrap_or_default(),
    };
    let terminal = |text: String| Setting { client: "terminal", how: "run", text };
    let steps = |client, text: String| Setting { client, how: "follow these steps", text };
    let go_land = || {
        steps(
            "GoLand",
            format!(
                "Run > Edit Configurations > + > Go Remote\nHost: {host}\nPort: {port}\nOn disconnect: {}",
                if kind == ServerKind::DelveMulticlient {
                    "Leave it running"
                } else {
                    "Stop remote Delve process"
                }
            ),
        )
    };
    let mut settings = match kind {
        ServerKind::DelveDap => vec![
            // A `dlv dap` has no program yet: the client brings it.
            code(json!({
                "name": format!("Debug through dlv dap on port {port}"), "type": "go", "request": "launch", "mode": "debug",
                "program": "${workspaceFolder}", "host": host, "port": port,
            })),
            steps(
                "GoLand",
                format!(
                    "GoLand does not speak to `dlv dap`. Start this instead, and connect with Go Remote:\n{}",
                    format_args!("dlv debug --headless --api-version=2 --accept-multiclient --listen={at}")
                ),
            ),
        ],
        ServerKind::DelveHeadless | ServerKind::DelveMulticlient => vec![
            code(json!({
                "name": name, "type": "go", "request": "attach", "mode": "remote", "host": host, "port": port,
            })),
            go_land(),
            terminal(format!("dlv connect {at}")),
        ],
        ServerKind::Node => vec![
            code(json!({ "name": name, "type": "node", "request": "attach", "address": host, "port": port })),
            steps("Chrome", format!("Open chrome://inspect, Configure…, add {at}, then choose \"inspect\"")),
            terminal(format!("node inspect {at}")),
        ],
        ServerKind::Chrome => vec![code(
            json!({ "name": name, "type": "chrome", "request": "attach", "address": host, "port": port }),
        )],
        ServerKind::Debugpy => vec![code(json!({
            "name": name, "type": "debugpy", "request": "attach", "connect": { "host": host, "port": port },
        }))],
        ServerKind::Jdwp => vec![
            code(
                json!({ "name": name, "type": "java", "request": "attach", "hostName": host, "port": port }),
            ),
            steps(
                "IntelliJ IDEA",
                format!("Run > Edit Configurations > + > Remote JVM Debug\nHost: {host}\nPort: {port}"),
            ),
            terminal(format!("jdb -connect com.sun.jdi.SocketAttach:hostname={host},port={port}")),
        ],
        ServerKind::Gdbserver => vec![
            terminal(format!("gdb -ex 'target remote {at}'")),
            code(json!({
                "name": name, "type": "cppdbg", "request": "launch", "MIMode": "gdb",
                "miDebuggerServerAddress": at, "program": "${workspaceFolder}/PROGRAM", "cwd": "${workspaceFolder}",
            })),
        ],
        ServerKind::LldbServer => vec![
            terminal(format!("lldb -o 'gdb-remote {at}'")),
            code(json!({
                "name": name, "type": "lldb-dap", "request": "attach",
                "gdb-remote-hostname": host, "gdb-remote-port": port, "program": "${workspaceFolder}/PROGRAM",
            })),
        ],
        ServerKind::LldbDap => vec![code(json!({
            "name": format!("Debug through lldb-dap on port {port}"), "type": "lldb-dap", "request": "launch",
            "program": "${workspaceFolder}/PROGRAM", "debugAdapterHostname": host, "debugAdapterPort": port,
        }))],
        ServerKind::Rdbg => vec![
            code(json!({ "name": name, "type": "rdbg", "request": "attach", "debugPort": at })),
            terminal(format!("rdbg --attach {host} {port}")),
        ],
        ServerKind::Xdebug => vec![Setting {
            client: "php.ini",
            how: "on the machine that runs PHP; the editor waits, PHP dials",
            text: format!("xdebug.mode=debug\nxdebug.client_host={host}\nxdebug.client_port={port}"),
        }],
        ServerKind::Proxy => vec![],
    };
    if target.tunnel {
        settings.push(Setting {
            client: "SSH",
            how: "run on the other machine, then let its client connect to 127.0.0.1",
            text: format!("ssh -N -L {port}:{at} USER@THIS-MAC"),
        });
    }
    settings
}

/// What usually sits on a port that nobody listens on now.
pub fn usual(port: u16) -> Option<ServerKind> {
    Some(match port {
        2345 => ServerKind::DelveDap,
        9229 => ServerKind::Node,
        9222 => ServerKind::Chrome,
        5678 => ServerKind::Debugpy,
        5005 => ServerKind::Jdwp,
        1234 => ServerKind::Gdbserver,
        4711 => ServerKind::LldbDap,
        12345 => ServerKind::Rdbg,
        9003 => ServerKind::Xdebug,
        _ => return None,
    })
}

/// The setting for the `client` that a person typed, such as `vscode` or `goland`; the first, where they typed none.
pub fn choose<'a>(settings: &'a [Setting], client: &str) -> Option<&'a Setting> {
    let plain = |text: &str| -> String {
        text.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase()
    };
    let wanted = plain(client);
    settings.iter().find(|setting| plain(setting.client).starts_with(&wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [ServerKind; 13] = [
        ServerKind::DelveDap,
        ServerKind::DelveHeadless,
        ServerKind::DelveMulticlient,
        ServerKind::Node,
        ServerKind::Chrome,
        ServerKind::Debugpy,
        ServerKind::Jdwp,
        ServerKind::Gdbserver,
        ServerKind::LldbServer,
        ServerKind::LldbDap,
        ServerKind::Rdbg,
        ServerKind::Xdebug,
        ServerKind::Proxy,
    ];

    #[test]
    fn every_setting() {
        let mut text = String::new();
        for kind in KINDS {
            text += &format!("== {kind:?}\n");
            for setting in settings(&ConnectTarget {
                kind,
                host: "127.0.0.1",
                port: 2345,
                tunnel: kind == ServerKind::DelveDap,
            }) {
                text += &format!("{}: {}\n{}\n", setting.client, setting.how, setting.text);
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_client_is_found_as_a_person_types_it() {
        let settings = settings(&ConnectTarget {
            kind: ServerKind::DelveHeadless,
            host: "127.0.0.1",
            port: 2345,
            tunnel: true,
        });
        let of = |client| choose(&settings, client).map(|setting| setting.client);
        for (typed, found) in [
            ("", "VS Code"),
            ("vscode", "VS Code"),
            ("VS Code", "VS Code"),
            ("goland", "GoLand"),
            ("ssh", "SSH"),
        ] {
            assert_eq!(of(typed), Some(found), "{typed}");
        }
        assert_eq!(of("emacs"), None);
    }

    #[test]
    fn what_is_json_reads_as_json_and_names_the_port() {
        for kind in KINDS {
            for setting in settings(&ConnectTarget { kind, host: "::1", port: 2345, tunnel: true }) {
                assert!(setting.text.contains("2345"), "{setting:?}");
                if setting.client == "VS Code" {
                    let value: Value = serde_json::from_str(&setting.text).unwrap();
                    assert!(value["type"].is_string());
                }
            }
        }
    }
}
