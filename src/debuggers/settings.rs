//! The settings with which a client connects to a debugger: for VS Code, GoLand and IntelliJ, a terminal, SSH.

use serde::Serialize;
use serde_json::Value;

/// Where a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectTarget<'a> {
    /// The host as the client names it; `127.0.0.1` also at the near end of a tunnel.
    pub host: &'a str,
    pub port: u16,
}

/// `127.0.0.1:2345`, `[::1]:2345`
impl std::fmt::Display for ConnectTarget<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ConnectTarget { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl ConnectTarget<'_> {
    /// What a configuration that attaches is called.
    pub fn attach_name(&self) -> String {
        format!("Attach to port {}", self.port)
    }
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

impl Setting {
    /// A configuration of VS Code.
    pub fn vscode(configuration: &Value) -> Self {
        Setting {
            client: "VS Code",
            how: "add to \"configurations\" in .vscode/launch.json",
            text: serde_json::to_string_pretty(configuration).unwrap_or_default(),
        }
    }

    /// A command.
    pub fn terminal(command: String) -> Self {
        Setting { client: "terminal", how: "run", text: command }
    }

    /// Steps in a client's own dialogues.
    pub fn steps(client: &'static str, text: String) -> Self {
        Setting { client, how: "follow these steps", text }
    }

    /// A tunnel for a client on another machine, to what listens on this loopback address only. `host` is this Mac as that
    /// machine names it; [`THIS_MAC`](crate::diagnosis::wording::THIS_MAC) where that is not known.
    pub fn tunnel(loopback: &ConnectTarget<'_>, host: &str) -> Self {
        Setting {
            client: "SSH",
            how: "run on the other machine, then let its client connect to 127.0.0.1",
            text: format!("ssh -N -L {}:{loopback} USER@{host}", loopback.port),
        }
    }

    /// A tunnel for what is debugged on another machine, to the editor that waits for it on this loopback address only.
    pub fn tunnel_to_editor(loopback: &ConnectTarget<'_>) -> Self {
        Setting {
            client: "SSH",
            how: "run on this Mac, then let what is debugged over there connect to 127.0.0.1",
            text: format!("ssh -N -R {}:{loopback} USER@OTHER-MACHINE", loopback.port),
        }
    }
}

/// The setting for the `client` that the user typed, such as `vscode` or `goland`; the first, where `client` is empty.
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
    use crate::diagnosis::wording::THIS_MAC;

    #[test]
    fn a_client_is_found_as_a_person_types_it() {
        let target = ConnectTarget { host: "127.0.0.1", port: 2345 };
        let settings = [
            Setting::vscode(&Value::Null),
            Setting::steps("GoLand", String::new()),
            Setting::terminal("dlv".to_owned()),
            Setting::tunnel(&target, THIS_MAC),
        ];
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
}
