//! `portcullis connect PORT`

use serde::Serialize;

use super::context::Context;
use super::error::CommandError;
use super::interruption;
use super::output::{CommandOutput, Run, pretty};
use portcullis::app::{App, AppError, Connection};
use portcullis::debuggers::settings::Setting;
use portcullis::diagnosis::{Answer, Reachability};
use portcullis::pf::origin::PerOrigin;
use portcullis::prefs::Preferences;

#[derive(Debug, clap::Args)]
pub struct ConnectCommand {
    /// The port, or its name
    port: String,
    /// This Mac as the client names it
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Copy the settings for one client, such as vscode, goland, terminal or ssh [default: the commonest]
    #[arg(long, value_name = "CLIENT", num_args = 0..=1, default_missing_value = "")]
    copy: Option<String>,
}

impl ConnectCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        interruption::told(&app, || self.connect(&app))
    }

    fn connect(self, app: &App) -> Run {
        let preferences = app.preferences()?;
        let port = one_port("connect", &self.port, &preferences)?;
        let connection = app.connection(port, self.host.as_deref(), &Ok(preferences))?;
        let copied = self.copy.map(|client| app.copy_setting(&connection, &client)).transpose()?;
        Ok(Box::new(ConnectOutput { port, connection, copied }))
    }
}

/// The one port that was typed for `command`.
pub fn one_port(command: &'static str, text: &str, preferences: &Preferences) -> Result<u16, CommandError> {
    let ports = preferences.ports(text).map_err(AppError::from)?;
    let one = if let [port] = ports.as_slice() { port.range.as_single() } else { None };
    one.ok_or_else(|| {
        let numbers: Vec<String> = ports.iter().map(|port| port.range.to_string()).collect();
        CommandError::SeveralPorts { command, ports: numbers.join(", ") }
    })
}

struct ConnectOutput {
    port: u16,
    connection: Connection,
    copied: Option<Setting>,
}

#[derive(Serialize)]
struct ConnectJson<'a> {
    version: u32,
    port: u16,
    server: &'static str,
    tunnel: bool,
    situation: Reachability,
    reachable: PerOrigin<Answer>,
    because: &'a str,
    next: &'a str,
    settings: &'a [Setting],
    copied: Option<&'static str>,
}

impl ConnectOutput {
    fn server(&self) -> &'static str {
        self.connection.view.debugger_title().unwrap_or("what usually sits there")
    }
}

impl CommandOutput for ConnectOutput {
    fn json(&self) -> String {
        let Connection { view, said, settings } = &self.connection;
        pretty(&ConnectJson {
            version: 1,
            port: self.port,
            server: self.server(),
            tunnel: view.is_loopback_only(),
            situation: said.state,
            reachable: said.reach,
            because: &said.sentence,
            next: &said.next_step,
            settings,
            copied: self.copied.as_ref().map(|setting| setting.client),
        })
    }

    fn text(&self) -> String {
        let Connection { said, settings, .. } = &self.connection;
        let mut text = format!("port {}: {}\n    {}\n", self.port, self.server(), said.sentence);
        if said.state != Reachability::Reachable {
            text += &format!("    next: {}\n", said.next_step);
        }
        for Setting { client, how, text: setting } in settings {
            let lines: String = setting.lines().map(|line| format!("    {line}\n")).collect();
            text += &format!("\n{client}: {how}\n{lines}");
        }
        if let Some(Setting { client, how, .. }) = &self.copied {
            text += &format!("\ncopied the settings for {client}: {how}\n");
        }
        text
    }
}
