//! One pass over the machine: every TCP listener, every connection on the watched ports, and their owners.
//!
//! It looks only: the kernel's tables and the processes' own entries are read, no port is touched.
//!
//! ```
//! # fn main() -> Result<(), portcullis::sockets::SocketsError> {
//! use portcullis::sockets;
//! let mine = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
//! let port = mine.local_addr().unwrap().port();
//! let table = sockets::read(&[])?;
//! let found = table.listeners_on(port).next().unwrap();
//! assert_eq!(found.pid(), Some(std::process::id()));
//! # Ok(())
//! # }
//! ```

use std::net::{IpAddr, SocketAddr};

use crate::port::PortRange;

#[cfg_attr(not(target_os = "macos"), allow(dead_code))]
mod pcblist;
#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod platform;
#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod platform;
mod redact;
mod table;

pub use redact::redact;
pub use table::{
    MalformedTable, OPTIONS_BY_ENVIRONMENT, Process, Socket, SocketOwner, SocketTable, SocketsError, TcpState,
};

/// Reads every listener, and the connections on the `watched` ports. Nothing is connected to, nothing is bound.
///
/// Errors: the kernel does not give its table. A process that ends meanwhile is not an error.
pub fn read(watched: &[PortRange]) -> Result<SocketTable, SocketsError> {
    let mut table = platform::read(watched)?;
    table.listeners.sort_by_key(order);
    table.connections.sort_by_key(order);
    Ok(table)
}

/// Reads every listener: [`read`] with no port watched.
pub fn listeners() -> Result<Vec<Socket>, SocketsError> {
    read(&[]).map(|table| table.listeners)
}

/// Every process of the machine whose short name or program's file name passes `wanted`.
///
/// For a debugger that has lost its listener: no socket leads to it any more.
pub fn processes(wanted: impl Fn(&str) -> bool) -> Result<Vec<Process>, SocketsError> {
    platform::processes(&wanted)
}

fn order(socket: &Socket) -> (u16, IpAddr, Option<SocketAddr>) {
    (socket.local.port(), socket.local.ip(), socket.remote)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};

    use super::*;

    fn watch(port: u16) -> [PortRange; 1] {
        [PortRange::single(port).unwrap()]
    }

    /// Reads until `seen`: the kernel fills its tables a little after the calls return.
    fn read_until(port: u16, seen: impl Fn(&SocketTable) -> bool) -> SocketTable {
        let start = Instant::now();
        loop {
            let table = read(&watch(port)).unwrap();
            if seen(&table) || start.elapsed() > Duration::from_secs(5) {
                return table;
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_listener_has_address_family_and_owner() {
        for (address, v6_only) in [("127.0.0.1:0", None), ("[::1]:0", Some(true)), ("[::]:0", Some(false))] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let local = listener.local_addr().unwrap();
            let table = read(&[]).unwrap();
            let found: Vec<&Socket> = table.listeners_on(local.port()).collect();
            let [socket] = found[..] else { panic!("{found:?}") };
            assert_eq!((socket.local, socket.remote, socket.state), (local, None, TcpState::Listen));
            assert_eq!((socket.v6_only, socket.accept_queue), (v6_only, Some(0)));
            let owner = socket.owner.process().unwrap();
            assert_eq!(owner.pid, std::process::id());
            assert_eq!(owner.path, std::env::current_exe().ok());
            assert_eq!(owner.arguments.first(), std::env::args().next().as_ref());
            assert!(owner.user.is_some());
        }
    }

    #[test]
    fn a_connection_is_a_session_only_once_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();

        let waiting =
            read_until(port, |table| table.listeners_on(port).any(|socket| socket.accept_queue == Some(1)));
        assert_eq!(waiting.listeners_on(port).next().unwrap().accept_queue, Some(1));
        assert_eq!(waiting.sessions_on(port).count(), 0);

        let (server, _) = listener.accept().unwrap();
        drop(listener);
        let table = read_until(port, |table| table.sessions_on(port).count() == 1);
        assert_eq!(table.listeners_on(port).count(), 0, "the session outlives its listener");
        let session = table.sessions_on(port).next().unwrap();
        assert_eq!(session.remote, client.local_addr().ok());
        assert_eq!(table.peer_of(session).unwrap().pid, std::process::id());
        drop(server);
    }

    #[test]
    fn the_ends_of_a_connection_find_each_other_across_families() {
        let Ok(listener) = TcpListener::bind("[::]:0") else { return };
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (_server, _) = listener.accept().unwrap();
        let table = read_until(port, |table| table.sessions_on(port).count() == 1);
        let session = table.sessions_on(port).next().unwrap();
        // Linux keeps an IPv6 socket that speaks IPv4; XNU makes it one of IPv4 (in_pcb.c).
        assert_eq!(session.remote == client.local_addr().ok(), cfg!(target_os = "macos"));
        assert_eq!(table.peer_of(session).unwrap().pid, std::process::id());
    }

    #[test]
    fn a_child_that_ends_leaves_no_row_and_no_error() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut child = std::process::Command::new("sleep").arg("1000").stdout(writer).spawn().unwrap();
        let wanted = |name: &str| name == "sleep";
        assert!(processes(wanted).unwrap().iter().any(|process| process.pid == child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        reader.read_to_end(&mut Vec::new()).unwrap();
        assert!(processes(wanted).unwrap().iter().all(|process| process.pid != child.id()));
    }
}
