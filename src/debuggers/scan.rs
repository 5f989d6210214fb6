//! Who listens, how, and what a connection would do to them. Looks only, never touches: nothing here connects to a
//! debug port or binds one, but for the one probe that a person asks for, and only where it is harmless.

use std::time::Duration;

use serde::Serialize;

use super::port_view::PortView;
use super::servers::{self, ServerKind};
use crate::port::PortRange;
use crate::sockets::{self, Process, SocketTable, SocketsError};

/// One look at the watched ports.
#[derive(Clone, Debug, Serialize)]
pub struct Scan {
    /// The socket table: keep it, to give it as `earlier` to the next look.
    pub table: SocketTable,
    /// The processes of Delve and Go, see [`servers::is_delve_or_go`].
    pub delves: Vec<Process>,
    /// Every watched port that stands alone, and those of the watched ranges that are in use, in rising order.
    pub views: Vec<PortView>,
}

/// Looks at the `watched` ports. With the table of a look some seconds `earlier`, a queue that does not move is told
/// from one that has just filled. Errors: see [`sockets::read`].
pub fn look(watched: &[PortRange], earlier: Option<&SocketTable>) -> Result<Scan, SocketsError> {
    let table = sockets::read(watched)?;
    let delves = sockets::processes(servers::is_delve_or_go)?;
    let used = table.listeners.iter().chain(&table.connections).map(|socket| socket.local.port());
    let used = used.filter(|port| watched.iter().any(|range| range.contains(*port)));
    let mut ports: Vec<u16> = watched.iter().filter_map(|range| range.as_single()).chain(used).collect();
    ports.sort_unstable();
    ports.dedup();
    let views = ports.into_iter().map(|port| PortView::of(port, &table, earlier, &delves)).collect();
    Ok(Scan { table, delves, views })
}

/// How long a connection must have waited in a listener's queue to be stuck there.
const STUCK_AFTER: Duration = Duration::from_millis(1500);

/// [`look`] for those who look but once: where a connection waits in a watched listener's queue, it is looked at again
/// a little later, so that what is stuck shows as stuck. Errors: see [`sockets::read`].
pub fn look_well(watched: &[PortRange]) -> Result<Scan, SocketsError> {
    let first = look(watched, None)?;
    let waits = |view: &PortView| {
        view.listeners.iter().any(|socket| socket.accept_queue.is_some_and(|count| count > 0))
    };
    if !first.views.iter().any(waits) {
        return Ok(first);
    }
    std::thread::sleep(STUCK_AFTER);
    look(watched, Some(&first.table))
}

/// The ports that a debugger listens on, or was told to, wherever that is: what is to be looked at beside the ports that
/// somebody cares for. Errors: see [`sockets::read`].
pub fn debugger_ports() -> Result<Vec<u16>, SocketsError> {
    let listening = sockets::listeners()?.into_iter().filter_map(|socket| {
        let port = socket.local.port();
        let server = servers::classify_process(socket.owner.process()?, Some(port))?;
        (server.kind != ServerKind::Proxy).then_some(port)
    });
    let told = sockets::processes(servers::is_delve_or_go)?.into_iter();
    let told = told.filter_map(|delve| servers::classify_process(&delve, None)?.listen?.port);
    let mut ports: Vec<u16> = listening.chain(told).collect();
    ports.sort_unstable();
    ports.dedup();
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pf::origin::{Both, PerOrigin};

    #[test]
    fn a_queue_that_stays_is_told_from_one_look() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let look = look_well(&[PortRange::single(port).unwrap()]).unwrap();
        let pf = PerOrigin::same(Both::same(crate::diagnosis::Answer::Yes));
        let said = look.views[0].assess(pf, crate::diagnosis::AppFirewallEffect::Off);
        assert_eq!(said.state, crate::diagnosis::Reachability::Wedged);
    }

    #[test]
    fn single_ports_are_always_in_view_and_ranges_only_where_used() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let used = PortRange::new(port, port.saturating_add(1)).unwrap();
        let look = look(&[PortRange::single(1).unwrap(), used], None).unwrap();
        assert!(look.views.iter().any(|view| view.port == 1 && view.listeners.is_empty()));
        let view = look.views.iter().find(|view| view.port == port).unwrap();
        assert_eq!(view.process.as_ref().unwrap().pid, std::process::id());
    }
}
