//! How a client connects to a port.

use std::net::IpAddr;

use super::{AppError, Observation};
use crate::debuggers::port_view::PortView;
use crate::debuggers::settings::Setting;
use crate::diagnosis::Assessment;
use crate::os::Interface;
use crate::port::PortRange;
use crate::rules::ledger::Opening;
use crate::rules::source::{Source, host_text, is_link_local};
use crate::status::PortStatus;

/// How to connect to a port.
#[derive(Debug)]
pub struct Connection {
    /// The port as the socket table shows it.
    pub view: PortView,
    pub said: Assessment,
    /// Whom the port is open for now.
    pub from: Option<Source>,
    /// Whether others are kept out.
    pub is_guarded: bool,
    /// The settings for each client; where it is not known who is there, those of what usually is. At least one.
    pub settings: Vec<Setting>,
    /// The addresses by which other machines find this Mac, IPv4 first; those of one link apart.
    pub addresses: Vec<IpAddr>,
}

impl Connection {
    /// How the machine at `client` is let in, where our rules keep it out; `None` where they do not, or a tunnel leads there.
    pub fn way_in(&self, client: IpAddr) -> Option<String> {
        let is_in = match &self.from {
            Some(Source::Any) => true,
            Some(source) => source.networks().is_some_and(|all| all.iter().any(|one| one.contains(&client))),
            None => false,
        };
        if is_in || !self.is_guarded || client.is_loopback() || self.view.is_loopback_only() {
            return None;
        }
        // An opening takes the place of the one before: who is in already is to stay in.
        let others = self.from.iter().filter_map(Source::networks).flatten();
        let others = others.filter(|network| !is_link_local(network)).map(host_text);
        let all: Vec<String> = others.chain([client.to_string()]).collect();
        Some(format!("portcullis open {} --from {}", self.view.port, all.join(" ")))
    }

    /// How to connect to one port, by what was seen. `host` is this Mac as another machine names it, where the client is
    /// there; else the client is on this Mac.
    ///
    /// Errors: the sockets could not be read; no debugger is there that is known, nor could be.
    pub fn of(observed: Observation, single: PortRange, host: Option<&str>) -> Result<Self, AppError> {
        let Observation { evidence, facts, status, look } = observed;
        let port = single.first();
        let unknown = || AppError::NoDebugger { port };
        // Root's verdict is on the range that is shown.
        let range = status.shown_with(port).unwrap_or(single);
        let view = look?.views.into_iter().find(|view| view.port == port).ok_or_else(unknown)?;
        let seen = facts.seen.iter().flatten().find(|seen| seen.port == port).ok_or_else(unknown)?;
        let said = facts.assess(range, seen);
        let settings = view.settings_or_expected(host);
        let program = seen.subject.program().to_owned();
        match (&view.process, &view.server) {
            _ if !settings.is_empty() => {
                let addresses = named_elsewhere(&evidence.interfaces);
                let opening = evidence.openings().iter().find(|opening| opening.port.contains(port));
                let from = opening.and_then(Opening::source_now);
                let row = status.ports.iter().find(|row| row.port == range);
                let is_guarded = row.is_some_and(PortStatus::keeps_others_out);
                Ok(Connection { view, said, from, is_guarded, settings, addresses })
            }
            (Some(_), Some(_)) => Err(AppError::NoSettings { port, program }),
            (Some(_), None) => Err(AppError::OtherProgram { port, program }),
            (None, _) => Err(unknown()),
        }
    }
}

/// The address that a client at `client` reaches a Mac with these interfaces by: that of the network which they share, else
/// the first of its family; `None` where there is none.
pub fn address_for(interfaces: &[Interface], client: IpAddr) -> Option<IpAddr> {
    let mut nets = interfaces.iter().flat_map(|interface| &interface.addresses);
    let shared = nets.find(|net| net.contains(&client)).map(|net| net.addr());
    shared.or_else(|| named_elsewhere(interfaces).into_iter().find(|own| own.is_ipv4() == client.is_ipv4()))
}

/// The addresses that machines of other links can name, IPv4 first.
pub fn named_elsewhere(interfaces: &[Interface]) -> Vec<IpAddr> {
    let addresses = interfaces.iter().flat_map(|interface| &interface.addresses).map(|net| net.addr());
    let is_of_link = |address: &IpAddr| match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let mut addresses: Vec<IpAddr> = addresses.filter(|address| !is_of_link(address)).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}
