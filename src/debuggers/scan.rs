//! One look at the watched ports.

use std::time::Duration;

use super::classify::{PortExpectation, classify_process};
use super::debugger::Debugger;
use super::may_linger;
use super::port_view::PortView;
use crate::port::PortRange;
use crate::sockets::{self, Process, SocketTable, SocketsError};

/// Ports to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchedPort {
    pub range: PortRange,
    /// The debugger that the user named for them.
    pub debugger: Option<&'static Debugger>,
}

impl From<PortRange> for WatchedPort {
    fn from(range: PortRange) -> Self {
        WatchedPort { range, debugger: None }
    }
}

/// What one look saw.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The socket table: keep it, to give it as `earlier` to the next look.
    pub table: SocketTable,
    /// The processes that may be a debugger without a listener, see [`may_linger`].
    pub processes: Vec<Process>,
    /// Every watched port that stands alone, and those of the watched ranges that are in use, in rising order.
    pub views: Vec<PortView>,
}

/// Looks at the `watched` ports. With the table of a look some seconds `earlier`, a queue that does not move is known
/// from one that has just filled. Errors: see [`sockets::read`].
pub fn look(watched: &[WatchedPort], earlier: Option<&SocketTable>) -> Result<Scan, SocketsError> {
    let ranges: Vec<PortRange> = watched.iter().map(|watched| watched.range).collect();
    let table = sockets::read(&ranges)?;
    Ok(Scan::of(watched, table, earlier, sockets::processes(may_linger)?))
}

impl Scan {
    /// What the table shows of the `watched` ports; as [`look`] reads it.
    pub fn of(
        watched: &[WatchedPort],
        table: SocketTable,
        earlier: Option<&SocketTable>,
        processes: Vec<Process>,
    ) -> Self {
        let ranges = || watched.iter().map(|watched| watched.range);
        let used = table.listeners.iter().chain(&table.connections).map(|socket| socket.local.port());
        let used = used.filter(|port| ranges().any(|range| range.contains(*port)));
        let mut ports: Vec<u16> = ranges().filter_map(|range| range.as_single()).chain(used).collect();
        ports.sort_unstable();
        ports.dedup();
        let view = |port| PortView::of(expectation(watched, port), &table, earlier, &processes);
        let views = ports.into_iter().map(view).collect();
        Scan { table, processes, views }
    }
}

fn expectation(watched: &[WatchedPort], port: u16) -> PortExpectation {
    let named = watched.iter().filter(|watched| watched.range.contains(port));
    PortExpectation { port, named: named.filter_map(|watched| watched.debugger).next() }
}

/// How long a connection must have waited in a listener's queue to be stuck there.
const STUCK_AFTER: Duration = Duration::from_millis(1500);

/// [`look`] for a caller that looks once: where a connection waits in a watched listener's queue, it looks again a
/// little later, so that what is stuck shows as stuck. Errors: see [`sockets::read`].
pub fn look_well(watched: &[WatchedPort]) -> Result<Scan, SocketsError> {
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

/// The ports that debuggers of this machine listen on, or should by their arguments: to be watched beside those that are
/// shown.
/// Errors: see [`sockets::read`].
pub fn debugger_ports() -> Result<Vec<u16>, SocketsError> {
    let listening = sockets::listeners()?.into_iter().filter_map(|socket| {
        let port = socket.local.port();
        let server = classify_process(socket.owner.process()?, Some(PortExpectation::usual(port)))?;
        (!server.mode.forwards).then_some(port)
    });
    let given = sockets::processes(may_linger)?.into_iter();
    let given = given.filter_map(|process| classify_process(&process, None)?.listen?.port);
    let mut ports: Vec<u16> = listening.chain(given).collect();
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
        let look = look_well(&[PortRange::single(port).unwrap().into()]).unwrap();
        let pf = PerOrigin::same(Both::same(crate::diagnosis::Answer::Yes));
        let said = look.views[0].assess(pf, crate::diagnosis::AppFirewallEffect::Off);
        assert_eq!(said.state, crate::diagnosis::Reachability::Wedged);
    }

    #[test]
    fn single_ports_are_always_in_view_and_ranges_only_where_used() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let used = PortRange::new(port, port.saturating_add(1)).unwrap();
        let look = look(&[PortRange::single(1).unwrap().into(), used.into()], None).unwrap();
        assert!(look.views.iter().any(|view| view.port == 1 && view.listeners.is_empty()));
        let view = look.views.iter().find(|view| view.port == port).unwrap();
        assert_eq!(view.process.as_ref().unwrap().pid, std::process::id());
    }
}
