//! Looks at a port for those who are to connect to it.

use super::connection::Connection;
use super::{App, AppError, ReadPreferences};
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
        let single = PortRange::single(port).ok_or(AppError::NoDebugger { port })?;
        let observed = self.observe(preferences, &[single], scan::look_well, &mut self.app_firewall())?;
        Connection::of(observed, single, host)
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
