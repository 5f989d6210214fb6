//! The socket reader of the Mac build, on tables in XNU's form with this machine's sockets behind them.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::root::Mac;

/// A listener of Ada's: a process of this machine that says whose it is.
pub struct Listener {
    child: Child,
    pub port: u16,
}

impl Listener {
    /// Listens at `address` without ever accepting.
    pub fn start(address: &str, user: Option<&str>) -> Option<Self> {
        use std::io::{BufRead as _, BufReader};
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "sockets::listens_where_it_is_told", "--nocapture"])
            .env("LISTEN_AT", address);
        command.env_remove("MAC_USER").envs(user.map(|user| ("MAC_USER", user)));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("port ")?.parse().ok());
        Some(Listener { child, port: port? })
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
    use std::io::Read as _;
    let Ok(address) = std::env::var("LISTEN_AT") else { return };
    let Ok(listener) = TcpListener::bind(&address) else { return };
    println!("\nport {}", listener.local_addr().unwrap().port());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
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
