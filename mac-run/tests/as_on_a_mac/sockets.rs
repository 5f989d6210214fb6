//! The socket reader of the Mac build, on tables in XNU's form with this machine's sockets behind them.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::root::Mac;

/// A listener of Ada's: a process of this machine that says whose it is.
pub struct Listener {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub port: u16,
}

impl Listener {
    /// Listens at `address` without ever accepting.
    pub fn start(address: &str, user: Option<&str>) -> Option<Self> {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "sockets::listens_where_it_is_told", "--nocapture"])
            .env("LISTEN_AT", address);
        command.env_remove("MAC_USER").envs(user.map(|user| ("MAC_USER", user)));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.by_ref().map_while(Result::ok);
        let port = said.filter_map(|line| line.strip_prefix("port ")?.parse().ok()).next();
        Some(Listener { child, lines, port: port? })
    }

    /// Has it accept a connection, which it keeps.
    fn accept(&mut self) {
        writeln!(self.child.stdin.as_ref().unwrap(), "accept").unwrap();
        assert!(self.lines.by_ref().map_while(Result::ok).any(|line| line == "accepted"));
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nothing by itself: what [`Listener`] starts.
#[test]
fn listens_where_it_is_told() {
    let Ok(address) = std::env::var("LISTEN_AT") else { return };
    let Ok(listener) = TcpListener::bind(&address) else { return };
    println!("\nport {}", listener.local_addr().unwrap().port());
    let asked = std::io::stdin().lines().map_while(Result::ok);
    // Kept open.
    let accepted = asked.map(|_| {
        let connection = listener.accept().unwrap();
        println!("accepted");
        connection
    });
    drop(accepted.collect::<Vec<_>>());
}

/// What `doctor --json` says of a port.
fn seen(mac: &Mac, port: u16) -> serde_json::Value {
    let said = mac.portcullis(&["doctor", "--json"]);
    let report = said.json();
    let ports = report["ports"].as_array().cloned().unwrap_or_default();
    ports.into_iter().find(|row| row["port"] == port).unwrap_or_else(|| panic!("{port} in {report:#}"))
}

/// A port of our own among the managed ones, so that every command speaks of it.
fn named(mac: &Mac, port: u16) {
    let file = "/Users/ada/Library/Application Support/dev.portcullis.Portcullis/preferences.toml";
    mac.write(file, &format!("[[port]]\nname = \"mine\"\nport = {port}\n"));
}

#[test]
fn own_listeners_are_known_with_their_process() {
    let mac = Mac::new();
    for address in ["127.0.0.1:0", "[::1]:0", "[::]:0", "0.0.0.0:0"] {
        let Some(listener) = Listener::start(address, Some("501")) else { continue };
        named(&mac, listener.port);
        let row = seen(&mac, listener.port);
        let text = row.to_string();
        assert!(text.contains(&listener.child.id().to_string()), "{address}: {row:#}");
        let local: SocketAddr = address.parse().unwrap();
        let shown = match local.ip().is_ipv4() {
            true => format!("{}:{}", local.ip(), listener.port),
            false => format!("[{}]:{}", local.ip(), listener.port),
        };
        assert!(text.contains(&shown) || text.contains(&local.ip().to_string()), "{shown}: {row:#}");
    }
}

/// The kernel has the interface in such an address, which is on no wire and for no one to see.
#[test]
fn a_link_local_listener_has_its_plain_address() {
    let Some((address, interface)) = link_local() else { return };
    let mac = Mac::new();
    let listener = Listener::start(&format!("[{address}%{interface}]:0"), Some("501")).unwrap();
    named(&mac, listener.port);
    let row = seen(&mac, listener.port).to_string();
    assert!(row.contains(&format!("[{address}]:{}", listener.port)) || row.contains(&address), "{row}");
}

/// A link-local address of this machine and the number of its interface, where it has one (`/proc/net/if_inet6`).
fn link_local() -> Option<(String, u32)> {
    let table = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    let line = table.lines().find(|line| line.starts_with("fe80"))?;
    let [digits, interface, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else { return None };
    let address = std::net::Ipv6Addr::from(u128::from_str_radix(digits, 16).ok()?);
    Some((address.to_string(), u32::from_str_radix(interface, 16).ok()?))
}

/// A connection by IPv4 to a listener of both families: what was accepted is a socket of IPv4 (XNU: bsd/netinet/tcp_input.c).
#[test]
fn an_accepted_connection_is_seen_with_its_client() {
    let mac = Mac::new();
    let Some(mut listener) = Listener::start("[::]:0", Some("501")) else { return };
    named(&mac, listener.port);
    let client = TcpStream::connect(("127.0.0.1", listener.port)).unwrap();
    listener.accept();
    let row = seen(&mac, listener.port);
    assert_eq!(row["state"], "in-session", "{row:#}");
    let clients = row["clients"].to_string();
    assert!(clients.contains(&format!("({})", std::process::id())), "{:?}: {row:#}", client.local_addr());
}

#[test]
fn others_listeners_are_seen_without_their_process() {
    let mac = Mac::new();
    // Without a user a process is root's.
    let listener = Listener::start("127.0.0.1:0", None).unwrap();
    named(&mac, listener.port);
    let row = seen(&mac, listener.port).to_string();
    assert!(row.contains("root"), "{row}");
}

#[test]
fn connections_wait_until_they_are_accepted() {
    let mac = Mac::new();
    let listener = Listener::start("127.0.0.1:0", Some("501")).unwrap();
    named(&mac, listener.port);
    let before = seen(&mac, listener.port);
    let _client = TcpStream::connect(("127.0.0.1", listener.port)).unwrap();
    let after = seen(&mac, listener.port);
    assert_ne!(before["state"], after["state"], "{before:#}\n{after:#}");
}
