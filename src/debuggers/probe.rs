//! The one thing that ever connects to a debug port: a question to a server that was measured not to be harmed by it.
//!
//! It is asked only at the user's request. For every other server the answer is a refusal with its reason; there is no
//! way to force it. The port is looked at twice, the second time right before the question: a server that takes
//! another's place is not mistaken for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::classify::PortExpectation;
use super::debugger::{Mode, Probe};
use super::port_view::PortView;
use super::wire::{ExchangeError, ServerIdentity};
use crate::port::PortRange;
use crate::sockets::{self, SocketsError};

/// Nothing was asked, or nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing was asked: a connection might do harm, or nothing listens.
    #[error("did not probe port {port}: {refusal}")]
    Refused { port: u16, refusal: ProbeRefusal },
    /// The sockets could not be read.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// The server did not answer as it should.
    #[error("probed port {port} at {address}, but {source}")]
    Failed { port: u16, address: SocketAddr, source: ExchangeError },
}

/// Why a port is not probed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeRefusal {
    #[error("nothing listens there")]
    NoListener,
    #[error("its debugger is in session and has stopped listening")]
    InSession,
    /// Holds the process.
    #[error("{0} is not a debug server that is known to be harmless to ask")]
    NoServer(String),
    #[error("who listens there is not known, and an unknown server may be harmed by a connection")]
    Unknown,
    /// A connection would go to one of several processes, and nothing tells which.
    #[error("several processes listen there, and one of them may be harmed by a connection")]
    Several,
    #[error(
        "its arguments do not say that {process} is a {}, and an unknown server may be harmed by a connection",
        mode.title
    )]
    NotMeasured { process: String, mode: &'static Mode },
    /// What a connection does to it.
    #[error("{}: {harm}", mode.title)]
    Harmful { mode: &'static Mode, harm: &'static str },
    #[error("another program has just begun to listen there")]
    Replaced,
}

/// Asks the server on `port` for its name and version, if that is harmless.
pub fn probe(port: u16) -> Result<ServerIdentity, ProbeError> {
    let refused = |refusal| ProbeError::Refused { port, refusal };
    let watched: Vec<PortRange> = PortRange::single(port).into_iter().collect();
    let expected = PortExpectation::usual(port);
    let look = || sockets::read(&watched).map(|table| PortView::of(expected, &table, None, &[]));
    let first = look()?;
    question(&first).map_err(refused)?;
    let view = look()?;
    let ask = question(&view).map_err(refused)?;
    if !is_same(&first, &view) {
        return Err(refused(ProbeRefusal::Replaced));
    }
    let address = address(&view).ok_or_else(|| refused(ProbeRefusal::NoListener))?;
    ask(address).map_err(|source| ProbeError::Failed { port, address, source })
}

/// A question that is harmless.
type Ask = fn(SocketAddr) -> Result<ServerIdentity, ExchangeError>;

/// The question that is harmless for the server in view. Errors: there is none.
fn question(view: &PortView) -> Result<Ask, ProbeRefusal> {
    if view.listeners.is_empty() {
        return Err(if view.sessions.is_empty() {
            ProbeRefusal::NoListener
        } else {
            ProbeRefusal::InSession
        });
    }
    let process = || view.process.as_ref().map(ToString::to_string);
    let Some(server) = &view.server else {
        return Err(process().map_or(ProbeRefusal::Unknown, ProbeRefusal::NoServer));
    };
    // Another process on the same port would get the connection instead, for all that can be seen from here.
    let mut owners: Vec<Option<u32>> = view.listeners.iter().map(sockets::Socket::pid).collect();
    owners.sort_unstable();
    owners.dedup();
    if owners.len() > 1 {
        return Err(ProbeRefusal::Several);
    }
    let mode = server.mode;
    match mode.probe {
        Probe::Harmless(_) if !server.measured => {
            Err(ProbeRefusal::NotMeasured { process: process().unwrap_or_default(), mode })
        }
        Probe::Harmless(ask) => Ok(ask),
        Probe::Refused(harm) => Err(ProbeRefusal::Harmful { mode, harm }),
    }
}

/// Whether the same process listens, on the same addresses, as the same server.
fn is_same(one: &PortView, other: &PortView) -> bool {
    let places = |view: &PortView| -> Vec<_> {
        view.listeners.iter().map(|socket| (socket.local, socket.pid())).collect()
    };
    one.process == other.process && one.server == other.server && places(one) == places(other)
}

/// An address at which the listener is found from this Mac: the loopback one, where it listens on every address.
fn address(view: &PortView) -> Option<SocketAddr> {
    let local = view.listeners.first()?.local;
    let address = match local.ip().to_canonical() {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    Some(SocketAddr::new(address, view.port))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::sockets::{Process, Socket, SocketOwner, SocketTable, TcpState};

    fn view(lines: &[&str]) -> PortView {
        let socket = |(pid, line): (u32, &&str)| {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let path = arguments.first().map(Into::into);
            let process =
                Process { pid, parent: None, name: None, path, user: None, arguments, environment: vec![] };
            let owner = match line.is_empty() {
                true => SocketOwner::Unknown { user: None },
                false => SocketOwner::Process(std::sync::Arc::new(process)),
            };
            Socket {
                local: ([127, 0, 0, 1], 2345).into(),
                remote: None,
                state: TcpState::Listen,
                v6_only: None,
                accept_queue: Some(0),
                accepted: None,
                owner,
            }
        };
        let listeners = (1u32..).zip(lines).map(socket).collect();
        PortView::of(
            PortExpectation::usual(2345),
            &SocketTable { listeners, ..SocketTable::default() },
            None,
            &[],
        )
    }

    #[test]
    fn only_the_harmless_are_asked() {
        let many = "dlv exec ./x --headless --accept-multiclient --listen=:2345";
        let node = "node --inspect=127.0.0.1:2345 x.js";
        for harmless in [many, node, "chrome --remote-debugging-port=2345"] {
            assert!(question(&view(&[harmless])).is_ok(), "{harmless}");
        }
        for (lines, reason) in [
            (&["dlv dap --listen=:2345"][..], "exits as soon as"),
            (&["dlv exec ./x --headless --listen=:2345"], "its only one"),
            (&["java -agentlib:jdwp=server=y,address=2345 X"], "lets a suspended program run"),
            (&["gdbserver :2345 ./x"], "for its debugger"),
            (&["gdbserver --once :2345 ./x"], "for its debugger"),
            (&["lldb-server gdbserver :2345 ./x"], "runs on without it"),
            (&["lldb-dap --port 2345"], "exits when"),
            (&["ruby /usr/bin/rdbg --open --port 2345 x.rb"], "waiting program run"),
            (&["socat TCP-LISTEN:2345,fork TCP:h:2345"], "behind the proxy"),
            // What only looks like one of the three.
            (&["/opt/own-server --inspect=127.0.0.1:2345"], "arguments do not say"),
            (&["/opt/own-server --remote-debugging-port=2345"], "arguments do not say"),
            (&["deno run --inspect=127.0.0.1:2345 x.ts"], "arguments do not say"),
            (&["node server.js --inspect=127.0.0.1:2345"], "not a debug server that is known"),
            (
                &["sh -c dlv --accept-multiclient --headless --listen=:2345"],
                "not a debug server that is known",
            ),
            (&[node, "gdbserver :2345 ./x"], "several processes"),
            (&[node, ""], "several processes"),
            (&[""], "is not known"),
            (&[], "nothing listens"),
        ] {
            let refused = question(&view(lines)).unwrap_err().to_string();
            assert!(refused.contains(reason), "{lines:?}: {refused}");
        }
    }

    #[test]
    fn a_server_that_has_taken_anothers_place_is_another() {
        let node = "node --inspect=127.0.0.1:2345 x.js";
        assert!(is_same(&view(&[node]), &view(&[node])));
        assert!(!is_same(&view(&[node]), &view(&["node --inspect-brk=127.0.0.1:2345 x.js"])));
        assert!(!is_same(&view(&[node]), &view(&[node, node])));
    }

    #[test]
    fn an_unknown_server_is_refused_and_not_touched() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = probe(port).unwrap_err();
        assert!(matches!(error, ProbeError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("not a debug server that is known to be harmless"), "{error}");
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        drop(listener);
        assert!(probe(port).unwrap_err().to_string().contains("nothing listens there"));
    }
}
