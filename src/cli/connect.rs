//! `portcullis connect PORT`

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use super::context::Context;
use super::error::CommandError;
use super::interruption;
use super::output::{CommandOutput, Run, pretty};
use portcullis::app::{App, AppError, Connection, Observation, address_for};
use portcullis::debuggers::debugger::{Inside, Probe};
use portcullis::debuggers::scan;
use portcullis::debuggers::settings::Setting;
use portcullis::diagnosis::{Answer, Reachability};
use portcullis::os::Interface;
use portcullis::pf::origin::PerOrigin;
use portcullis::port::PortRange;
use portcullis::prefs::Preferences;

#[derive(Debug, clap::Args)]
pub struct ConnectCommand {
    /// The port, or its name
    port: String,
    /// Where the editor runs: `here`, or another machine's name or address
    #[arg(long, value_name = "HOST", default_value = "here")]
    client: String,
    /// This Mac as the editor's machine names it [default: its address on that machine's network]
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
        let single = PortRange::single(port).ok_or(AppError::NoDebugger { port })?;
        let app_firewall = &mut app.app_firewall();
        let observed = app.observe(&Ok(preferences), &[single], scan::look_well, app_firewall)?;
        let mut output = self.by_observation(observed, single)?;
        let copied = self.copy.map(|client| app.copy_setting(&output.connection, &client));
        output.copied = copied.transpose()?;
        Ok(Box::new(output))
    }

    /// How to connect to one port, by what was seen.
    pub fn by_observation(
        &self,
        observed: Observation,
        port: PortRange,
    ) -> Result<ConnectOutput, CommandError> {
        let host = match &self.host {
            None if self.client != "here" => Some(this_mac_for(&observed.evidence.interfaces, &self.client)?),
            given => given.clone(),
        };
        let connection = Connection::of(observed, port, host.as_deref())?;
        Ok(ConnectOutput { port: port.first(), connection, copied: None, is_here: host.is_none() })
    }
}

/// This Mac's address, as the machine `client` reaches it.
fn this_mac_for(interfaces: &[Interface], client: &str) -> Result<String, AppError> {
    use std::net::ToSocketAddrs as _;
    let typed = client.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    if typed.is_none() && !is_machine_name(client) {
        return Err(AppError::NoMachine { client: client.chars().take(80).collect() });
    }
    // A name that does not resolve is of some network; the first address stands for all.
    let resolved = || (client, 0).to_socket_addrs().ok()?.next().map(|address| address.ip());
    let at = typed.or_else(resolved).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let address = address_for(interfaces, at).map(|address| address.to_string());
    address.ok_or_else(|| AppError::NoAddress { client: client.chars().take(80).collect() })
}

/// Whether a text can be the name of a machine: labels of letters, digits and hyphens, the last of which is no number, so that
/// no address with a slip in it is one (RFC 1123, 2.1).
fn is_machine_name(text: &str) -> bool {
    let mut labels = text.strip_suffix('.').unwrap_or(text).split('.');
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    text.len() <= 253
        && labels.clone().all(is_label)
        && labels.next_back().is_some_and(|last| last.chars().any(|c| !c.is_ascii_digit()))
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

pub struct ConnectOutput {
    port: u16,
    connection: Connection,
    copied: Option<Setting>,
    /// Whether the client is on this Mac.
    is_here: bool,
}

#[derive(Serialize)]
struct ConnectJson<'a> {
    version: u32,
    port: u16,
    server: String,
    addresses: &'a [IpAddr],
    tunnel: bool,
    situation: Reachability,
    reachable: PerOrigin<Answer>,
    because: &'a str,
    next: &'a str,
    settings: &'a [Setting],
    copied: Option<&'static str>,
}

impl ConnectOutput {
    /// What is there, or is to be.
    fn server(&self) -> String {
        let view = &self.connection.view;
        match (view.debugger_title(), view.may_be(), &view.process) {
            (Some(title), _, _) => title.to_owned(),
            (None, Some((debugger, Inside { by, .. })), Some(process)) => {
                format!("{process}, which may hold a {} (started by {by})", debugger.title)
            }
            (None, None, Some(process)) if view.forwards() => {
                format!("{process} forwards it; the settings are for what usually is behind")
            }
            _ => "what usually sits there".to_owned(),
        }
    }

    /// How the other machine may be tested against this port, and whether it may.
    fn check_from_there(&self) -> String {
        let view = &self.connection.view;
        let Some(server) = view.server.as_ref().filter(|_| !self.is_here) else { return String::new() };
        match server.mode.probe {
            Probe::Harmless(_) if server.measured => {
                format!(
                    "
to check from there: `nc -vz HOST {}` does this debugger no harm
",
                    self.port
                )
            }
            Probe::Harmless(_) => String::new(),
            Probe::Refused(why) => format!(
                "
do not test the port from there with nc or telnet: {why}
"
            ),
        }
    }

    /// Where other machines can reach it as it is: by which addresses.
    fn for_other_machines(&self) -> String {
        let Connection { said, addresses, settings, .. } = &self.connection;
        let reaches = [said.reach.network, said.reach.anyone].contains(&Answer::Yes);
        let names_loopback = settings.iter().any(|setting| setting.text.contains("127.0.0.1"));
        if !self.is_here || !reaches || !names_loopback || addresses.is_empty() {
            return String::new();
        }
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        format!("\non another machine: write {} instead of 127.0.0.1\n", addresses.join(" or "))
    }
}

impl CommandOutput for ConnectOutput {
    fn json(&self) -> String {
        let Connection { view, said, settings, addresses } = &self.connection;
        pretty(&ConnectJson {
            version: 1,
            port: self.port,
            server: self.server(),
            addresses,
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
        text += &self.for_other_machines();
        text += &self.check_from_there();
        let traps = self.connection.view.server.iter().flat_map(|server| &server.traps);
        text += &traps.map(|trap| format!("\nnote: {}; {}\n", trap.what, trap.cure)).collect::<String>();
        let told = self.connection.view.told_in_vain.as_ref();
        text += &told.map_or(String::new(), |told| format!("\nnote: {}; {}\n", told.what, told.next));
        if let Some(Setting { client, how, .. }) = &self.copied {
            text += &format!("\ncopied the settings for {client}: {how}\n");
        }
        text
    }
}
