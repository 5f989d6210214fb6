//! The settings with which a client connects to what listens: for VS Code, GoLand and IntelliJ, a terminal, SSH.
//!
//! ```
//! use portcullis::debuggers::connect::{Target, settings};
//! use portcullis::debuggers::servers::Kind;
//! let target = Target { kind: Kind::Node, host: "127.0.0.1", port: 9229, tunnel: false };
//! assert!(settings(&target).iter().any(|setting| setting.text.contains("\"request\": \"attach\"")));
//! ```

use serde::Serialize;
use serde_json::{Value, json};

use super::servers::Kind;

/// What is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// Which debugger listens.
    pub kind: Kind,
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
pub fn settings(target: &Target) -> Vec<Setting> {
    let Target { kind, host, port, .. } = *target;
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
                if kind == Kind::DelveMulticlient { "Leave it running" } else { "Stop remote Delve process" }
            ),
        )
    };
    let mut settings = match kind {
        Kind::DelveDap => vec![
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
        Kind::DelveHeadless | Kind::DelveMulticlient => vec![
            code(json!({
                "name": name, "type": "go", "request": "attach", "mode": "remote", "host": host, "port": port,
            })),
            go_land(),
            terminal(format!("dlv connect {at}")),
        ],
        Kind::Node => vec![
            code(json!({ "name": name, "type": "node", "request": "attach", "address": host, "port": port })),
            steps("Chrome", format!("Open chrome://inspect, Configure…, add {at}, then choose \"inspect\"")),
            terminal(format!("node inspect {at}")),
        ],
        Kind::Chrome => vec![code(
            json!({ "name": name, "type": "chrome", "request": "attach", "address": host, "port": port }),
        )],
        Kind::Debugpy => vec![code(json!({
            "name": name, "type": "debugpy", "request": "attach", "connect": { "host": host, "port": port },
        }))],
        Kind::Jdwp => vec![
            code(
                json!({ "name": name, "type": "java", "request": "attach", "hostName": host, "port": port }),
            ),
            steps(
                "IntelliJ IDEA",
                format!("Run > Edit Configurations > + > Remote JVM Debug\nHost: {host}\nPort: {port}"),
            ),
            terminal(format!("jdb -connect com.sun.jdi.SocketAttach:hostname={host},port={port}")),
        ],
        Kind::Gdbserver => vec![
            terminal(format!("gdb -ex 'target remote {at}'")),
            code(json!({
                "name": name, "type": "cppdbg", "request": "launch", "MIMode": "gdb",
                "miDebuggerServerAddress": at, "program": "${workspaceFolder}/PROGRAM", "cwd": "${workspaceFolder}",
            })),
        ],
        Kind::LldbServer => vec![
            terminal(format!("lldb -o 'gdb-remote {at}'")),
            code(json!({
                "name": name, "type": "lldb-dap", "request": "attach",
                "gdb-remote-hostname": host, "gdb-remote-port": port, "program": "${workspaceFolder}/PROGRAM",
            })),
        ],
        Kind::LldbDap => vec![code(json!({
            "name": format!("Debug through lldb-dap on port {port}"), "type": "lldb-dap", "request": "launch",
            "program": "${workspaceFolder}/PROGRAM", "debugAdapterHostname": host, "debugAdapterPort": port,
        }))],
        Kind::Rdbg => vec![
            code(json!({ "name": name, "type": "rdbg", "request": "attach", "debugPort": at })),
            terminal(format!("rdbg --attach {host} {port}")),
        ],
        Kind::Xdebug => vec![Setting {
            client: "php.ini",
            how: "on the machine that runs PHP; the editor waits, PHP dials",
            text: format!("xdebug.mode=debug\nxdebug.client_host={host}\nxdebug.client_port={port}"),
        }],
        Kind::Proxy => vec![],
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
pub fn usual(port: u16) -> Option<Kind> {
    Some(match port {
        2345 => Kind::DelveDap,
        9229 => Kind::Node,
        9222 => Kind::Chrome,
        5678 => Kind::Debugpy,
        5005 => Kind::Jdwp,
        1234 => Kind::Gdbserver,
        4711 => Kind::LldbDap,
        12345 => Kind::Rdbg,
        9003 => Kind::Xdebug,
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

    const KINDS: [Kind; 13] = [
        Kind::DelveDap,
        Kind::DelveHeadless,
        Kind::DelveMulticlient,
        Kind::Node,
        Kind::Chrome,
        Kind::Debugpy,
        Kind::Jdwp,
        Kind::Gdbserver,
        Kind::LldbServer,
        Kind::LldbDap,
        Kind::Rdbg,
        Kind::Xdebug,
        Kind::Proxy,
    ];

    #[test]
    fn every_setting() {
        let mut text = String::new();
        for kind in KINDS {
            text += &format!("== {kind:?}\n");
            for setting in
                settings(&Target { kind, host: "127.0.0.1", port: 2345, tunnel: kind == Kind::DelveDap })
            {
                text += &format!("{}: {}\n{}\n", setting.client, setting.how, setting.text);
            }
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_client_is_found_as_a_person_types_it() {
        let settings =
            settings(&Target { kind: Kind::DelveHeadless, host: "127.0.0.1", port: 2345, tunnel: true });
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
            for setting in settings(&Target { kind, host: "::1", port: 2345, tunnel: true }) {
                assert!(setting.text.contains("2345"), "{setting:?}");
                if setting.client == "VS Code" {
                    let value: Value = serde_json::from_str(&setting.text).unwrap();
                    assert!(value["type"].is_string());
                }
            }
        }
    }
}
