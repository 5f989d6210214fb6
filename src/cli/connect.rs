//! `portcullis connect PORT`

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use super::context::Context;
use super::error::CommandError;
use super::interruption;
use super::output::{CommandOutput, Run, pretty};
use super::typed;
use portcullis::app::{App, AppError, Connection, Observation, address_for};
use portcullis::debuggers::debugger::{Inside, Probe};
use portcullis::debuggers::scan;
use portcullis::debuggers::settings::Setting;
use portcullis::diagnosis::wording::THIS_MAC;
use portcullis::diagnosis::{Answer, Reachability};
use portcullis::os::Interface;
use portcullis::pf::origin::PerOrigin;
use portcullis::port::PortRange;
use portcullis::rules::named_port::NamedPort;

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

/// What people call their editors, as `--copy` takes them: no machine is called so.
const CLIENTS: [&str; 5] = ["vscode", "goland", "intellij", "terminal", "chrome"];

impl ConnectCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        interruption::told(&app, || self.connect(&app))
    }

    fn connect(self, app: &App) -> Run {
        let preferences = app.preferences();
        let port = one_port("connect", app.ports_named(&typed::ports(&self.port), &preferences)?)?;
        if CLIENTS.iter().any(|client| self.client.eq_ignore_ascii_case(client)) {
            let (client, port) = (self.client.clone(), self.port.clone());
            return Err(CommandError::ClientAsMachine { client, port });
        }
        let single = PortRange::single(port).ok_or(AppError::NoDebugger { port })?;
        let app_firewall = &mut app.app_firewall();
        let observed = app.observe(&preferences, &[single], scan::look_well, app_firewall)?;
        let mut output = self.by_observation(observed, single)?;
        let copied = self.copy.map(|client| app.copy_setting(&output.connection, &client));
        output.copied = copied.transpose()?;
        output.local_name = app.local_name();
        Ok(Box::new(output))
    }

    /// How to connect to one port, by what was seen.
    pub fn by_observation(
        &self,
        observed: Observation,
        port: PortRange,
    ) -> Result<ConnectOutput, CommandError> {
        let mut views = observed.look.iter().flat_map(|look| &look.views);
        let awaits_editor = views.any(|view| view.port == port.first() && view.awaits_editor());
        let host = match &self.host {
            None if self.client == "here" => None,
            // What is debugged dials the editor, which is there.
            None if awaits_editor => Some(machine(&self.client)?.to_owned()),
            None => Some(this_mac_for(&observed.evidence.interfaces, &self.client)?),
            given => given.clone(),
        };
        let connection = Connection::of(observed, port, host.as_deref())?;
        let client = self.client.parse().ok();
        let client_name = (client.is_none() && self.client != "here").then(|| self.client.clone());
        let (port, copied, local_name) = (port.first(), None, None);
        Ok(ConnectOutput { port, connection, copied, host, client, client_name, local_name })
    }
}

/// A machine's name or address, without brackets.
fn machine(client: &str) -> Result<&str, AppError> {
    let plain = client.trim_matches(['[', ']']);
    match plain.parse::<IpAddr>().is_ok() || is_machine_name(client) {
        true => Ok(plain),
        false => Err(AppError::NoMachine { client: client.chars().take(80).collect() }),
    }
}

/// This Mac's address, as the machine `client` reaches it.
fn this_mac_for(interfaces: &[Interface], client: &str) -> Result<String, AppError> {
    use std::net::ToSocketAddrs as _;
    let typed = machine(client)?.parse::<IpAddr>().ok();
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
pub fn one_port(command: &'static str, ports: Vec<NamedPort>) -> Result<u16, CommandError> {
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
    /// This Mac as the client's machine names it, or the editor's machine, to which what it debugs connects; `None`: the
    /// client is on this Mac.
    host: Option<String>,
    /// The address of the client's machine, where that was given.
    client: Option<IpAddr>,
    /// Its name, where that was given.
    client_name: Option<String>,
    /// The name of this Mac on its own network.
    local_name: Option<String>,
}

#[derive(Serialize)]
struct ConnectJson<'a> {
    version: u32,
    port: u16,
    server: String,
    /// By what it is known which debugger is there, where its own command line does not say so.
    known: Option<&'static str>,
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
            (None, None, None) if !view.listeners.is_empty() => match view.usual_title() {
                Some(title) => {
                    format!("a program of another user; the settings are for {title}, which usually has it")
                }
                None => "a program of another user".to_owned(),
            },
            _ => match view.usual_title() {
                Some(title) => format!("nothing yet; the settings are for {title}, which usually has it"),
                None => "what usually sits there".to_owned(),
            },
        }
    }

    fn known(&self) -> Option<&'static str> {
        let view = &self.connection.view;
        view.debugger_title().and_then(|_| view.named_by())
    }

    /// The client's machine, where our rules keep it out, and what lets it in.
    fn kept_out(&self) -> Option<(IpAddr, String)> {
        let client = self.client.filter(|_| !self.connection.view.awaits_editor())?;
        Some((client, self.connection.way_in(client)?))
    }

    /// The next step, with this Mac's name where its client is on another machine, which was said to know it by that.
    fn next_step(&self) -> String {
        let step = &self.connection.said.next_step;
        if let Some((client, way_in)) = self.kept_out() {
            return match self.connection.view.listeners.is_empty() {
                true => format!(
                    "let it in: `{way_in}`; then `portcullis connect {} --client {client}` says how to start the debugger for it",
                    self.port
                ),
                false => format!("let it in: `{way_in}`"),
            };
        }
        match &self.host {
            Some(host) => step.replace(THIS_MAC, host),
            None => step.clone(),
        }
    }

    /// How the other machine may be tested against this port, and whether it may.
    fn check_from_there(&self) -> String {
        let view = &self.connection.view;
        let (Some(server), Some(host)) = (&view.server, &self.host) else { return String::new() };
        let port = self.port;
        match server.mode.probe {
            // By the tunnel's near end.
            Probe::Harmless(_) if server.measured && view.is_loopback_only() => format!(
                "\nto check from there, once the tunnel is there: `nc -vz 127.0.0.1 {port}` does this debugger no harm\n"
            ),
            Probe::Harmless(_) if server.measured => {
                format!("\nto check from there: `nc -vz {host} {port}` does this debugger no harm\n")
            }
            Probe::Harmless(_) => String::new(),
            Probe::Refused(why) => {
                let without_harm = if view.is_loopback_only() { String::new() } else { self.half_open(host) };
                format!("\ndo not test the port from there with nc or telnet: {why}\n{without_harm}")
            }
        }
    }

    /// Measured with dlv, gdbserver and lldb-server: a connection that is refused before it is complete is no client.
    fn half_open(&self, host: &str) -> String {
        let port = self.port;
        let six = if host.contains(':') { "-6 " } else { "" };
        let here = match self.client {
            Some(client) => {
                format!("; what pf does with it: here, `portcullis explain {port} --from {client}`")
            }
            None => String::new(),
        };
        format!(
            "to check without harm: there, `sudo nmap {six}-n -Pn -sS -p {port} {host}`, which never completes a connection{here}\n"
        )
    }

    /// The name by which machines of this Mac's own network find it, whatever address it has.
    fn by_name(&self) -> String {
        let Connection { said, view, .. } = &self.connection;
        let reaches = [said.reach.network, said.reach.anyone].contains(&Answer::Yes);
        let names_this_mac = self.host.is_none() || !view.awaits_editor();
        match &self.local_name {
            Some(name) if names_this_mac && (reaches || self.host.is_some()) => {
                format!("\non this Mac's own network it is also {name}\n")
            }
            _ => String::new(),
        }
    }

    /// What a session takes beside the port.
    fn second_port(&self) -> String {
        let server = self.connection.view.server.as_ref();
        server.and_then(|server| server.second_port).map_or(String::new(), |second| {
            let port = self.port;
            format!("\nnote: each session uses port {second} as well; open both: `portcullis open {port} {second}`\n")
        })
    }

    /// Where other machines can reach it as it is: by which addresses.
    fn for_other_machines(&self) -> String {
        let Connection { said, addresses, settings, .. } = &self.connection;
        let reaches = [said.reach.network, said.reach.anyone].contains(&Answer::Yes);
        let names_loopback = settings.iter().any(|setting| setting.text.contains("127.0.0.1"));
        if self.host.is_some() || !reaches || !names_loopback || addresses.is_empty() {
            return String::new();
        }
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        format!("\non another machine: write {} instead of 127.0.0.1\n", addresses.join(" or "))
    }
}

impl CommandOutput for ConnectOutput {
    fn json(&self) -> String {
        let Connection { view, said, settings, addresses, .. } = &self.connection;
        pretty(&ConnectJson {
            version: 1,
            port: self.port,
            server: self.server(),
            known: self.known(),
            addresses,
            tunnel: view.is_loopback_only(),
            situation: said.state,
            reachable: said.reach,
            because: &said.sentence,
            next: &self.next_step(),
            settings,
            copied: self.copied.as_ref().map(|setting| setting.client),
        })
    }

    fn text(&self) -> String {
        let Connection { said, settings, .. } = &self.connection;
        let known = self.known().map_or_else(String::new, |known| format!(" ({known})"));
        let mut text = format!("port {}: {}{known}\n    {}\n", self.port, self.server(), said.sentence);
        let kept_out = self.kept_out();
        if let Some((client, _)) = &kept_out {
            text += &format!("    {client} is not let in\n");
        }
        if let Some(name) = &self.client_name {
            text += &format!("    whether {name} is let in is not said: give `--client` its address\n");
        }
        if said.state != Reachability::Reachable || kept_out.is_some() {
            text += &format!("    next: {}\n", self.next_step());
        }
        for Setting { client, how, text: setting } in settings {
            let lines: String = setting.lines().map(|line| format!("    {line}\n")).collect();
            text += &format!("\n{client}: {how}\n{lines}");
        }
        text += &self.for_other_machines();
        text += &self.by_name();
        text += &self.check_from_there();
        text += &self.second_port();
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
