//! The one thing that ever connects to a debug port: a question to a server that was measured not to mind.
//!
//! It is asked only when a person asks for it, and only of node and Chrome (HTTP `GET /json/version`) and of
//! `dlv --accept-multiclient` (JSON-RPC `GetVersion`). For every other server the answer is a refusal with its reason;
//! there is no way to force it. The port is looked at twice, the second time right before the question: a server that
//! takes another's place is not mistaken for it.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::port_view::PortView;
use super::servers::{Server, ServerKind};
use crate::port::PortRange;
use crate::sockets::{self, SocketsError};

/// How long the server may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How much it may answer.
const LONGEST_ANSWER: u64 = 64 * 1024;

/// What the server said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerIdentity {
    /// Where it was asked.
    pub address: SocketAddr,
    /// Its name and version, such as `node.js/v20.20.2` or `Delve 1.20.2`.
    pub product: String,
    /// The protocol and its version, such as `CDP 1.1` or `JSON-RPC API 2`.
    pub protocol: String,
}

/// Nothing was asked, or nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Nothing was asked: a connection might do harm, or there is nobody to ask.
    #[error("did not probe port {port}: {reason}")]
    Refused {
        /// The port.
        port: u16,
        /// Why.
        reason: String,
    },
    /// Who listens could not be read.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// The server did not answer as it should.
    #[error("probed port {port} at {address}, but {problem}")]
    Failed {
        /// The port.
        port: u16,
        /// Where it was asked.
        address: SocketAddr,
        /// What went wrong.
        problem: String,
    },
}

/// Asks the server on `port` what it is, if that is harmless.
pub fn probe(port: u16) -> Result<ServerIdentity, ProbeError> {
    let refused = |reason: String| ProbeError::Refused { port, reason };
    let watched: Vec<PortRange> = PortRange::single(port).into_iter().collect();
    let look = || sockets::read(&watched).map(|table| PortView::of(port, &table, None, &[]));
    let first = look()?;
    let asked = question(&first).map_err(refused)?;
    let view = look()?;
    let question = question(&view).map_err(refused)?;
    if question != asked || !is_same(&first, &view) {
        return Err(refused("another program has just begun to listen there".to_owned()));
    }
    let address = address(&view).ok_or_else(|| refused("nothing listens there".to_owned()))?;
    let failed = |problem: String| ProbeError::Failed { port, address, problem };
    match question {
        Question::Http => http(address).map_err(failed),
        Question::Delve => delve(address).map_err(failed),
    }
}

/// What may be asked of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Http,
    Delve,
}

/// The question that is harmless for the server in view, or why there is none.
fn question(view: &PortView) -> Result<Question, String> {
    if view.listeners.is_empty() {
        return Err(match view.sessions.is_empty() {
            true => "nothing listens there".to_owned(),
            false => "its debugger is in session and has stopped listening".to_owned(),
        });
    }
    let Some(server) = &view.server else {
        return Err(match &view.process {
            Some(process) => format!("{process} is no debug server known to be harmless to ask"),
            None => "who listens there is not known, and an unknown server may be harmed by a connection"
                .to_owned(),
        });
    };
    // Another process on the same port would get the connection instead, for all that can be told from here.
    let mut owners: Vec<Option<u32>> = view.listeners.iter().map(sockets::Socket::pid).collect();
    owners.sort_unstable();
    owners.dedup();
    if owners.len() > 1 {
        return Err(
            "several processes listen there, and one of them may be harmed by a connection".to_owned()
        );
    }
    match server.kind {
        ServerKind::Node | ServerKind::Chrome | ServerKind::DelveMulticlient if !server.measured => {
            let process = view.process.as_ref().map(ToString::to_string).unwrap_or_default();
            Err(format!(
                "its arguments do not say that {process} is a {}, and an unknown server may be harmed by a connection",
                server.title()
            ))
        }
        ServerKind::Node | ServerKind::Chrome => Ok(Question::Http),
        ServerKind::DelveMulticlient => Ok(Question::Delve),
        _ => Err(format!("{}: {}", server.title(), refusal(server))),
    }
}

/// Whether the same process listens, on the same addresses, as the same server.
fn is_same(one: &PortView, other: &PortView) -> bool {
    let places = |view: &PortView| -> Vec<_> {
        view.listeners.iter().map(|socket| (socket.local, socket.pid())).collect()
    };
    one.process == other.process && one.server == other.server && places(one) == places(other)
}

/// What a connection does to a server that is not asked, as measured.
pub fn refusal(server: &Server) -> &'static str {
    match server.kind {
        ServerKind::DelveDap => "it exits as soon as a connection closes",
        ServerKind::DelveHeadless => {
            "its first connection is its only one; when that closes, its program is killed or left frozen"
        }
        ServerKind::Debugpy => "a connection that closes again can stop it from accepting its real client",
        ServerKind::Jdwp => "a handshake lets a suspended program run, even when it comes too late",
        ServerKind::Gdbserver => "it takes whoever connects for its debugger",
        ServerKind::LldbServer => "it exits when a connection closes, and its program runs on without it",
        ServerKind::LldbDap => "it exits when a connection closes",
        ServerKind::Rdbg => "a client that greets it lets the waiting program run",
        ServerKind::Xdebug => "an editor waits there for PHP, and would take the connection for a debuggee",
        ServerKind::Proxy => "what is behind the proxy is not known, and may be harmed by a connection",
        ServerKind::Node | ServerKind::Chrome | ServerKind::DelveMulticlient => "it is harmless to ask",
    }
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

/// `GET /json/version`. The Host header is the address: the inspector refuses names, to fend off DNS rebinding.
fn http(address: SocketAddr) -> Result<ServerIdentity, String> {
    let request = format!("GET /json/version HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let answer = exchange(address, request.as_bytes(), &|answer| http_body(answer).is_some())?;
    let (status, body) = http_body(&answer).ok_or_else(|| match answer.starts_with(b"HTTP/") {
        true => "its answer ends too early".to_owned(),
        false => "it does not speak HTTP".to_owned(),
    })?;
    if status != "200" {
        return Err(format!("it answered with HTTP status {}", status.escape_debug()));
    }
    let value: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| format!("its answer is not the expected JSON: {error}"))?;
    let text = |key: &str| {
        value.get(key).and_then(|value| value.as_str()).map(|text| text.escape_debug().to_string())
    };
    let product = text("Browser").ok_or("its answer names no product")?;
    let protocol =
        format!("CDP {}", text("Protocol-Version").unwrap_or_else(|| "of an unknown version".into()));
    Ok(ServerIdentity { address, product, protocol })
}

/// Status and body of an answer that is complete by its Content-Length.
fn http_body(answer: &[u8]) -> Option<(String, &[u8])> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.to_owned();
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    })?;
    let start = end + 4;
    Some((status, answer.get(start..start.checked_add(length)?)?))
}

/// `RPCServer.GetVersion` (Delve: service/rpc2/server.go).
fn delve(address: SocketAddr) -> Result<ServerIdentity, String> {
    let request = b"{\"method\":\"RPCServer.GetVersion\",\"params\":[{}],\"id\":1}\n";
    let parse = |answer: &[u8]| serde_json::from_slice::<serde_json::Value>(answer).ok();
    let answer = exchange(address, request, &|answer| parse(answer).is_some())?;
    let value = parse(&answer).ok_or("its answer is not the expected JSON")?;
    let result = value.get("result").ok_or("its answer holds no result")?;
    let version = result.get("DelveVersion").and_then(|version| version.as_str()).unwrap_or_default();
    let number = version.split_once("Version: ").map_or(version, |(_, rest)| rest);
    let number = number.lines().next().unwrap_or_default().escape_debug().to_string();
    let api = result.get("APIVersion").and_then(serde_json::Value::as_i64);
    Ok(ServerIdentity {
        address,
        product: format!("Delve {number}"),
        protocol: api.map_or_else(|| "JSON-RPC".to_owned(), |api| format!("JSON-RPC API {api}")),
    })
}

/// Sends the question and reads until the answer is complete, the server closes, or the time is over.
fn exchange(
    address: SocketAddr,
    request: &[u8],
    complete: &dyn Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, String> {
    let start = Instant::now();
    let mut stream =
        TcpStream::connect_timeout(&address, TIMEOUT).map_err(|error| format!("cannot connect: {error}"))?;
    let _ = stream.set_write_timeout(Some(TIMEOUT));
    stream.write_all(request).map_err(|error| format!("cannot send the question: {error}"))?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !complete(&answer) {
        if answer.len() as u64 > LONGEST_ANSWER {
            return Err(format!("its answer is longer than {} KiB", LONGEST_ANSWER / 1024));
        }
        let left = TIMEOUT.checked_sub(start.elapsed()).filter(|left| !left.is_zero());
        let left = left.ok_or("it did not answer in time")?;
        stream
            .set_read_timeout(Some(left))
            .map_err(|error| format!("cannot wait for the answer: {error}"))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(piece.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                return Err("it did not answer in time".to_owned());
            }
            Err(error) => return Err(format!("cannot read the answer: {error}")),
        }
    }
    if answer.is_empty() { Err("it closed the connection without a word".to_owned()) } else { Ok(answer) }
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
            let process = Process { pid, parent: None, name: None, path, user: None, arguments };
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
        PortView::of(2345, &SocketTable { listeners, ..SocketTable::default() }, None, &[])
    }

    #[test]
    fn only_the_harmless_are_asked() {
        let many = "dlv exec ./x --headless --accept-multiclient --listen=:2345";
        let node = "node --inspect=127.0.0.1:2345 x.js";
        assert_eq!(question(&view(&[many])), Ok(Question::Delve));
        assert_eq!(question(&view(&[node])), Ok(Question::Http));
        assert_eq!(question(&view(&["chrome --remote-debugging-port=2345"])), Ok(Question::Http));
        for (lines, reason) in [
            (&["dlv dap --listen=:2345"][..], "exits as soon as"),
            (&["dlv exec ./x --headless --listen=:2345"], "its only one"),
            (&["python3 /x/debugpy/adapter --port 2345"], "accepting its real client"),
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
            (&["node server.js --inspect=127.0.0.1:2345"], "no debug server known"),
            (&["sh -c dlv --accept-multiclient --headless --listen=:2345"], "no debug server known"),
            (&[node, "python3 /x/debugpy/adapter --port 2345"], "several processes"),
            (&[node, ""], "several processes"),
            (&[""], "is not known"),
            (&[], "nothing listens"),
        ] {
            let refused = question(&view(lines)).unwrap_err();
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

    /// What is said of a server that answers with `answer`, and whether it was asked but once.
    fn answered(answer: &'static [u8], times: usize) -> Result<ServerIdentity, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            // It may hang up in between.
            let _ = (0..times).try_for_each(|_| stream.write_all(answer));
            let _ = stream.shutdown(std::net::Shutdown::Write);
            listener.set_nonblocking(true).unwrap();
            assert!(listener.accept().is_err(), "it was asked twice");
            request
        });
        let said = http(address);
        let request = server.join().unwrap();
        assert!(request.contains(&format!("\r\nHost: {address}\r\n")), "{request}");
        said
    }

    #[test]
    fn odd_answers_are_said_to_be_so() {
        let fine = b"HTTP/1.1 200 OK\r\nContent-Length: 47\r\n\r\n{\"Browser\":\"node.js/v1\",\"Protocol-Version\":\"1\"}";
        assert_eq!(answered(fine, 1).unwrap().product, "node.js/v1");
        let moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        for (answer, times, problem) in [
            (&moved[..], 1, "HTTP status 302"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", 1, "ends too early"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 1, "names no product"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n<>", 1, "not the expected JSON"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", 1, "does not speak HTTP"),
            (b"", 0, "without a word"),
            (&[b'x'; 4096], 64, "longer than 64 KiB"),
        ] {
            let said = answered(answer, times).unwrap_err();
            assert!(said.contains(problem), "{said}");
        }
    }

    #[test]
    fn an_unknown_server_is_refused_and_not_touched() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = probe(port).unwrap_err();
        assert!(matches!(error, ProbeError::Refused { .. }), "{error}");
        assert!(error.to_string().contains("no debug server known to be harmless"), "{error}");
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        drop(listener);
        assert!(probe(port).unwrap_err().to_string().contains("nothing listens there"));
    }

    #[test]
    fn http_answers_are_read_by_their_length() {
        let answer = b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}x";
        assert_eq!(http_body(answer), Some(("200".to_owned(), &b"{}"[..])));
        for end in 0..answer.len() - 1 {
            assert_eq!(http_body(&answer[..end]), None);
        }
        assert_eq!(http_body(b"HTTP/1.0 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n"), None);
        assert_eq!(http_body(b"HTTP/1.0 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n"), None);
    }
}
