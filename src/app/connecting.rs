//! Looks at a port for those who are to connect to it.

use std::net::IpAddr;

use super::connection::{Connection, named_elsewhere};
use super::{App, AppError, Observation, ReadPreferences};
use crate::debuggers::scan;
use crate::debuggers::settings::{self, Setting};
use crate::os;
use crate::port::PortRange;

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
            _ if !settings.is_empty() => Ok(Connection {
                view,
                said,
                settings,
                addresses: named_elsewhere(&self.system.interfaces().unwrap_or_default()),
            }),
            (Some(_), Some(_)) => Err(AppError::NoSettings { port, program }),
            (Some(_), None) => Err(AppError::OtherProgram { port, program }),
            (None, _) => Err(unknown()),
        }
    }

    /// The address of this Mac that a client at `client` reaches it by: that of the network which they share, else the first
    /// of its family; `None` where there is none, or where they cannot be read.
    pub fn address_for(&self, client: IpAddr) -> Option<IpAddr> {
        let interfaces = self.system.interfaces().unwrap_or_default();
        let mut nets = interfaces.iter().flat_map(|interface| &interface.addresses);
        let shared = nets.find(|net| net.contains(&client)).map(|net| net.addr());
        shared.or_else(|| {
            named_elsewhere(&interfaces).into_iter().find(|own| own.is_ipv4() == client.is_ipv4())
        })
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
