//! How a client connects to a port.

use std::net::IpAddr;

use super::{App, AppError, Observation, ReadPreferences};
use crate::debuggers::port_view::PortView;
use crate::debuggers::scan;
use crate::debuggers::settings::{self, Setting};
use crate::diagnosis::Assessment;
use crate::os;
use crate::port::PortRange;

/// How to connect to a port.
#[derive(Debug)]
pub struct Connection {
    /// The port as the socket table shows it.
    pub view: PortView,
    pub said: Assessment,
    /// The settings for each client; where it is not known who is there, those of what usually is. At least one.
    pub settings: Vec<Setting>,
    /// The addresses by which other machines find this Mac, IPv4 first; those of one link apart.
    pub addresses: Vec<IpAddr>,
}

impl App {
    /// How to connect to a port. `host` is this Mac as another machine names it, where the client is there; else the client
    /// is on this Mac.
    ///
    /// Errors: the sockets cannot be read; no debugger is there that is known, nor could be.
    pub fn connection(
        &self,
        port: u16,
        host: Option<&str>,
        preferences: &ReadPreferences,
    ) -> Result<Connection, AppError> {
        let unknown = || AppError::NoDebugger { port };
        let single = PortRange::single(port).ok_or_else(unknown)?;
        let Observation { facts, status, look } =
            self.observe(preferences, &[single], scan::look_well, &mut self.app_firewall())?;
        // Root's verdict is on the range that is shown.
        let mut shown = status.ports.iter().map(|port| port.port);
        let range = shown.find(|range| range.contains(port)).unwrap_or(single);
        let view = look?.views.into_iter().find(|view| view.port == port).ok_or_else(unknown)?;
        let seen = facts.seen.iter().flatten().find(|seen| seen.port == port).ok_or_else(unknown)?;
        let said = facts.assess(range, seen);
        let settings = view.settings_or_expected(host);
        let program = seen.subject.program().to_owned();
        match (&view.process, &view.server) {
            _ if !settings.is_empty() => {
                Ok(Connection { view, said, settings, addresses: self.own_addresses() })
            }
            (Some(_), Some(_)) => Err(AppError::NoSettings { port, program }),
            (Some(_), None) => Err(AppError::OtherProgram { port, program }),
            (None, _) => Err(unknown()),
        }
    }

    /// Those that other networks' machines can name; none where they cannot be read.
    fn own_addresses(&self) -> Vec<IpAddr> {
        let interfaces = self.system.interfaces().unwrap_or_default();
        let addresses = interfaces.iter().flat_map(|interface| &interface.addresses).map(|net| net.addr());
        let mut addresses: Vec<IpAddr> = addresses
            .filter(|address| match address {
                IpAddr::V4(v4) => !v4.is_link_local(),
                IpAddr::V6(v6) => !v6.is_unicast_link_local(),
            })
            .collect();
        addresses.sort();
        addresses.dedup();
        addresses
    }

    /// The address of this Mac that a client at `client` reaches it by: that of the network which they share, else the first.
    pub fn address_for(&self, client: IpAddr) -> Option<IpAddr> {
        let interfaces = self.system.interfaces().unwrap_or_default();
        let mut nets = interfaces.iter().flat_map(|interface| &interface.addresses);
        let shared = nets.find(|net| net.contains(&client)).map(|net| net.addr());
        shared.or_else(|| self.own_addresses().into_iter().find(|own| own.is_ipv4() == client.is_ipv4()))
    }

    /// Puts the setting for `client` (empty: the commonest) on the clipboard; gives what was copied.
    pub fn copy_setting(&self, connection: &Connection, client: &str) -> Result<Setting, AppError> {
        let Connection { settings, .. } = connection;
        let known = || settings.iter().map(|setting| setting.client).collect::<Vec<_>>().join(", ");
        let setting = settings::choose(settings, client).ok_or_else(|| AppError::NoClient {
            client: client.chars().take(80).collect(),
            known: known(),
        })?;
        os::clipboard::copy(&setting.text)?;
        Ok(setting.clone())
    }
}
