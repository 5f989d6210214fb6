//! Which debugger a process is, from its program and arguments alone, and what a connection would do to it.
//!
//! ```
//! use portcullis::reach::servers::{Kind, classify};
//! let arguments = ["dlv", "dap", "--listen=127.0.0.1:2345"].map(String::from);
//! let server = classify("/usr/bin/dlv", &arguments, Some(2345)).unwrap();
//! assert_eq!(server.kind, Kind::DelveDap);
//! assert!(server.single_use);
//! ```
//!
//! What a connection does to each was measured with the real servers; where a server was not measured it is not
//! called harmless.

use std::net::IpAddr;

use serde::Serialize;

use super::sockets::Process;
use crate::port::Harm;
use crate::reachability::Answer;

/// What a debugger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `dlv dap`: one client, DAP.
    DelveDap,
    /// `dlv … --headless`: one client, JSON-RPC and DAP.
    DelveHeadless,
    /// `dlv … --headless --accept-multiclient`: many clients, JSON-RPC and DAP.
    DelveMulticlient,
    /// Node.js, `--inspect` and its kin.
    Node,
    /// Chrome and its kin, `--remote-debugging-port`.
    Chrome,
    /// debugpy: its adapter holds the port.
    Debugpy,
    /// A JVM with the JDWP agent.
    Jdwp,
    /// gdbserver.
    Gdbserver,
    /// lldb-server, and Apple's debugserver.
    LldbServer,
    /// lldb-dap, once lldb-vscode.
    LldbDap,
    /// rdbg (Ruby).
    Rdbg,
    /// An editor that waits for Xdebug (PHP) to dial in.
    Xdebug,
    /// A proxy: what is behind it is somewhere else.
    Proxy,
}

/// A debug server, as its command line describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Server {
    /// Which it is.
    pub kind: Kind,
    /// Where it was told to listen, where the arguments say so.
    pub listen: Option<Listen>,
    /// Whether its program waits for the client before it runs, where the arguments tell.
    pub waits: Option<bool>,
    /// Whether it ends with its first session.
    pub single_use: bool,
    /// What it was started with that will not do what was meant.
    pub traps: Vec<Trap>,
}

/// Where a server was told to listen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listen {
    /// The host as written; empty for every address.
    pub host: String,
    /// The port; `None` where it is left to the server, or 0.
    pub port: Option<u16>,
}

/// A combination of arguments that was measured not to do what was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trap {
    /// `--listen` after `--`: it goes to the program, and nothing listens.
    ListenAfterDashes,
    /// `--listen` without `--headless`: nothing listens.
    ListenWithoutHeadless,
    /// `--headless` without `--listen`: a random port.
    HeadlessWithoutListen,
    /// `--listen=2345`: without the colon dlv fails.
    ListenWithoutColon,
    /// `--continue` without `--accept-multiclient`: refused.
    ContinueWithoutMulticlient,
    /// gdbserver listens on all interfaces, whatever host it is given.
    GdbserverIgnoresHost,
}

impl Server {
    /// The name by which people know it.
    pub fn title(&self) -> &'static str {
        match self.kind {
            Kind::DelveDap => "dlv dap",
            Kind::DelveHeadless => "dlv headless",
            Kind::DelveMulticlient => "dlv headless (multi-client)",
            Kind::Node => "node inspector",
            Kind::Chrome => "Chrome DevTools",
            Kind::Debugpy => "debugpy",
            Kind::Jdwp => "Java debugger (JDWP)",
            Kind::Gdbserver => "gdbserver",
            Kind::LldbServer => "lldb-server",
            Kind::LldbDap => "lldb-dap",
            Kind::Rdbg => "rdbg",
            Kind::Xdebug => "Xdebug client",
            Kind::Proxy => "proxy",
        }
    }

    /// The protocol spoken on its port.
    pub fn protocol(&self) -> &'static str {
        match self.kind {
            Kind::DelveDap | Kind::Debugpy | Kind::LldbDap | Kind::Rdbg => "dap",
            Kind::DelveHeadless | Kind::DelveMulticlient => "json-rpc or dap",
            Kind::Node | Kind::Chrome => "cdp",
            Kind::Jdwp => "jdwp",
            Kind::Gdbserver | Kind::LldbServer => "gdb remote",
            Kind::Xdebug => "dbgp",
            Kind::Proxy => "unknown",
        }
    }

    /// Whether it serves several clients at a time.
    pub fn takes_many(&self) -> Answer {
        match self.kind {
            Kind::DelveMulticlient | Kind::Node | Kind::Chrome => Answer::Yes,
            Kind::DelveDap
            | Kind::DelveHeadless
            | Kind::Jdwp
            | Kind::Gdbserver
            | Kind::LldbServer
            | Kind::LldbDap => Answer::No,
            Kind::Debugpy | Kind::Rdbg | Kind::Xdebug | Kind::Proxy => Answer::Unknown,
        }
    }

    /// What a plain TCP connect and close does to it, as measured.
    pub fn harm(&self) -> Harm {
        match self.kind {
            Kind::DelveMulticlient | Kind::Node | Kind::Chrome => Harm::Harmless,
            Kind::Jdwp | Kind::Rdbg => Harm::Noise,
            Kind::Gdbserver if !self.single_use => Harm::Noise,
            Kind::DelveDap
            | Kind::DelveHeadless
            | Kind::Debugpy
            | Kind::Gdbserver
            | Kind::LldbServer
            | Kind::LldbDap => Harm::Harms,
            Kind::Xdebug | Kind::Proxy => Harm::Unknown,
        }
    }

    /// The option that makes it listen on `host` (empty: every address) and `port`, where it has one.
    pub fn listen_option(&self, host: &str, port: u16) -> Option<String> {
        let any = if host.is_empty() { "0.0.0.0" } else { host };
        match self.kind {
            Kind::DelveDap | Kind::DelveHeadless | Kind::DelveMulticlient => {
                Some(format!("--listen={host}:{port}"))
            }
            Kind::Node => Some(format!("--inspect={any}:{port}")),
            Kind::Debugpy => Some(format!("--listen {any}:{port}")),
            Kind::Jdwp => Some(format!("address={}:{port}", if host.is_empty() { "*" } else { host })),
            Kind::LldbServer => Some(format!("{}:{port}", if host.is_empty() { "*" } else { host })),
            Kind::LldbDap => Some(format!("--connection listen://{any}:{port}")),
            Kind::Rdbg => Some(format!("--host {any} --port {port}")),
            // Chrome binds loopback only, gdbserver everything, an editor what its settings say.
            Kind::Chrome | Kind::Gdbserver | Kind::Xdebug | Kind::Proxy => None,
        }
    }
}

/// Which debugger the process at `path` with these `arguments` (its own name first) is, or `None` where it is none.
///
/// With a `port`, the question is about that listener of it: a node program that is debugged on 9229 may well serve
/// web pages on 3000, and that one is no debugger.
pub fn classify(path: &str, arguments: &[String], port: Option<u16>) -> Option<Server> {
    let file = file_name(path);
    let line = Line::new(arguments);
    let server = match () {
        () if is_named(file, &["dlv", "dlv-dap"]) => delve(&line),
        () if is_named(file, &["gdbserver"]) => gdbserver(&line),
        () if is_named(file, &["lldb-server", "debugserver"]) => lldb_server(file, &line),
        () if is_named(file, &["lldb-dap", "lldb-vscode"]) => lldb_dap(&line),
        () if is_proxy(file, &line) => Some(Server::new(Kind::Proxy)),
        () => None,
    }
    .or_else(|| jdwp(&line))
    .or_else(|| debugpy(&line))
    .or_else(|| rdbg(file, &line, port))
    .or_else(|| chrome(&line))
    .or_else(|| node(file, &line, port))
    .or_else(|| xdebug(file, port))?;
    let told = server.listen.as_ref().and_then(|listen| listen.port);
    let fits = match (told, port) {
        (_, None) => true,
        // Told to listen elsewhere: this listener is the program's own.
        (Some(told), Some(port)) => told == port,
        // A random port: these have listeners of their own beside it, so nothing tells which it is.
        (None, Some(_)) => !matches!(server.kind, Kind::Jdwp | Kind::Chrome),
    };
    fits.then_some(server)
}

/// [`classify`] for a process of the socket table.
pub fn classify_process(process: &Process, port: Option<u16>) -> Option<Server> {
    let path = process.path.as_ref().map(|path| path.to_string_lossy().into_owned());
    let path = path.or_else(|| process.name.clone()).unwrap_or_default();
    classify(&path, &process.arguments, port)
}

/// Whether a process of this short name or file name is Delve, which can live on without its listener, or the Go
/// tool that Delve may still be waiting for.
pub fn is_delve_or_go(name: &str) -> bool {
    is_named(name, &["dlv", "dlv-dap", "go"])
}

impl Server {
    fn new(kind: Kind) -> Self {
        Server { kind, listen: None, waits: None, single_use: false, traps: Vec::new() }
    }
}

impl Listen {
    /// Reads `host:port`, `:port`, `port`, `[::1]:port`, `*:port`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host == "*" { "" } else { host };
        let port: u16 = port.parse().ok()?;
        Some(Listen { host: host.to_owned(), port: (port != 0).then_some(port) })
    }

    /// Whether it is on loopback; names other than `localhost` count as not.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// A command line, split where the debugger's own arguments end.
struct Line<'a> {
    /// After the program's name, before `--`.
    own: Vec<&'a str>,
    /// After `--`.
    rest: Vec<&'a str>,
}

impl<'a> Line<'a> {
    fn new(arguments: &'a [String]) -> Self {
        let mut own: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
        let rest = match own.iter().position(|argument| *argument == "--") {
            Some(dashes) => own.split_off(dashes).into_iter().skip(1).collect(),
            None => Vec::new(),
        };
        Line { own, rest }
    }

    /// The value of an option, given as `NAME=VALUE` or as `NAME VALUE`; the last one counts.
    fn value(&self, names: &[&str]) -> Option<&'a str> {
        value_in(&self.own, names)
    }

    /// Whether a switch is on: `NAME`, `NAME=true`; not `NAME=false`.
    fn switch(&self, name: &str) -> bool {
        let mut on = false;
        for argument in &self.own {
            match argument.strip_prefix(name) {
                Some("" | "=true" | "=1") => on = true,
                Some("=false" | "=0") => on = false,
                _ => {}
            }
        }
        on
    }

    /// Whether one of the own arguments is this word.
    fn has_word(&self, word: &str) -> bool {
        self.own.contains(&word)
    }
}

fn value_in<'a>(arguments: &[&'a str], names: &[&str]) -> Option<&'a str> {
    let mut found = None;
    for (index, argument) in arguments.iter().enumerate() {
        for name in names {
            match argument.strip_prefix(name) {
                Some("") => found = arguments.get(index + 1).copied(),
                Some(value) if value.starts_with('=') => found = value.get(1..),
                _ => {}
            }
        }
    }
    found
}

fn delve(line: &Line) -> Option<Server> {
    const LISTEN: [&str; 2] = ["--listen", "-l"];
    let listen = line.value(&LISTEN);
    let dap = line.has_word("dap");
    let headless = line.switch("--headless");
    let many = line.switch("--accept-multiclient");
    let client = line.has_word("connect") || line.value(&["--client-addr"]).is_some();
    let mut traps = Vec::new();
    if listen.is_none() && value_in(&line.rest, &LISTEN).is_some() {
        traps.push(Trap::ListenAfterDashes);
    }
    if listen.is_some() && !dap && !headless {
        traps.push(Trap::ListenWithoutHeadless);
    }
    if headless && listen.is_none() && !dap && traps.is_empty() {
        traps.push(Trap::HeadlessWithoutListen);
    }
    if listen.is_some_and(|listen| !listen.contains(':') && !listen.starts_with("unix")) {
        traps.push(Trap::ListenWithoutColon);
    }
    if line.switch("--continue") && !many {
        traps.push(Trap::ContinueWithoutMulticlient);
    }
    let kind = match (dap, headless, many) {
        // It dials its client, or it is one: nothing of it listens.
        _ if client => return None,
        (true, _, _) => Kind::DelveDap,
        (false, true, true) => Kind::DelveMulticlient,
        (false, true, false) => Kind::DelveHeadless,
        // On a terminal: no server, though perhaps meant as one.
        (false, false, _) if traps.is_empty() => return None,
        (false, false, _) => Kind::DelveHeadless,
    };
    Some(Server {
        listen: listen.and_then(Listen::parse),
        waits: Some(!line.switch("--continue")),
        single_use: kind != Kind::DelveMulticlient,
        traps,
        ..Server::new(kind)
    })
}

fn node(file: &str, line: &Line, port: Option<u16>) -> Option<Server> {
    const DEFAULT: u16 = 9229;
    let is_node = is_named(file, &["node", "nodejs", "bun", "deno"]);
    let mut server = Server::new(Kind::Node);
    let mut inspected = false;
    for argument in &line.own {
        let Some(rest) = argument.strip_prefix("--inspect") else { continue };
        let (flavour, value) = rest.split_once('=').unwrap_or((rest, ""));
        match flavour {
            "" | "-brk" | "-wait" => {
                inspected = true;
                server.waits = Some(!flavour.is_empty());
            }
            "-port" => {}
            _ => continue,
        }
        if !value.is_empty() {
            server.listen = Listen::parse(value).or(server.listen);
        }
    }
    if inspected {
        server.listen.get_or_insert(Listen { host: "127.0.0.1".into(), port: Some(DEFAULT) });
        return Some(server);
    }
    // Started by NODE_OPTIONS, by SIGUSR1, or from inside: only the port speaks.
    (is_node && port == Some(DEFAULT)).then_some(server)
}

fn chrome(line: &Line) -> Option<Server> {
    let port: u16 = line.value(&["--remote-debugging-port"])?.parse().ok()?;
    let host = line.value(&["--remote-debugging-address"]).unwrap_or("127.0.0.1");
    let listen = Listen { host: host.to_owned(), port: (port != 0).then_some(port) };
    Some(Server { listen: Some(listen), ..Server::new(Kind::Chrome) })
}

fn debugpy(line: &Line) -> Option<Server> {
    let adapter = line.own.iter().position(|argument| {
        let argument = argument.trim_end_matches('/');
        argument.ends_with("debugpy/adapter") || argument.ends_with("debugpy.adapter")
    });
    if adapter.is_some() {
        let port: Option<u16> = line.value(&["--port"]).and_then(|port| port.parse().ok());
        let host = line.value(&["--host"]).unwrap_or("127.0.0.1").to_owned();
        return Some(Server {
            listen: port.map(|port| Listen { host, port: Some(port) }),
            ..Server::new(Kind::Debugpy)
        });
    }
    let module = line.own.windows(2).any(|pair| pair == ["-m", "debugpy"])
        || line.own.first().is_some_and(|script| script.trim_end_matches('/').ends_with("/debugpy"));
    let listen = Listen::parse(line.value(&["--listen"])?)?;
    let host = if listen.host.is_empty() { "127.0.0.1".to_owned() } else { listen.host };
    let waits = Some(line.has_word("--wait-for-client"));
    module.then(|| Server {
        listen: Some(Listen { host, port: listen.port }),
        waits,
        ..Server::new(Kind::Debugpy)
    })
}

fn jdwp(line: &Line) -> Option<Server> {
    let options = line.own.iter().chain(&line.rest).find_map(|argument| {
        argument.strip_prefix("-agentlib:jdwp=").or_else(|| argument.strip_prefix("-Xrunjdwp:"))
    })?;
    let option = |name: &str| options.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    // Without server=y it dials its client.
    if option("server") != Some("y") {
        return None;
    }
    let listen = option("address").and_then(|address| {
        let mut listen = Listen::parse(address)?;
        // A bare port has meant loopback since JDK 9.
        if listen.host.is_empty() && !address.contains(':') {
            listen.host = "localhost".to_owned();
        }
        Some(listen)
    });
    Some(Server { listen, waits: Some(option("suspend") != Some("n")), ..Server::new(Kind::Jdwp) })
}

fn gdbserver(line: &Line) -> Option<Server> {
    let address = line.own.iter().find(|argument| !argument.starts_with('-'))?;
    let listen = Listen::parse(address.strip_prefix("tcp:").unwrap_or(address))?;
    let multi = line.switch("--multi");
    let without_program = multi && line.own.last() == Some(address);
    let host_is_narrow = !listen.host.is_empty() && listen.host != "0.0.0.0";
    Some(Server {
        listen: Some(listen),
        waits: Some(true),
        single_use: line.switch("--once") || without_program,
        traps: if host_is_narrow { vec![Trap::GdbserverIgnoresHost] } else { vec![] },
        ..Server::new(Kind::Gdbserver)
    })
}

fn lldb_server(file: &str, line: &Line) -> Option<Server> {
    let platform = line.has_word("platform");
    if !platform && !line.has_word("gdbserver") && !is_named(file, &["debugserver"]) {
        return None;
    }
    let given = line
        .value(&["--listen"])
        .or_else(|| line.own.iter().copied().find(|argument| argument.contains(':')));
    let listen = given.and_then(Listen::parse);
    Some(Server { listen, waits: Some(true), single_use: !platform, ..Server::new(Kind::LldbServer) })
}

fn lldb_dap(line: &Line) -> Option<Server> {
    let connection = line.value(&["--connection"]).and_then(|uri| {
        let address = uri.strip_prefix("listen://").or_else(|| uri.strip_prefix("connection://"))?;
        Listen::parse(address)
    });
    let port = || {
        let port = line.value(&["--port", "-p"])?.parse().ok()?;
        Some(Listen { host: "127.0.0.1".into(), port: Some(port) })
    };
    let listen = connection.or_else(port)?;
    Some(Server { listen: Some(listen), single_use: true, ..Server::new(Kind::LldbDap) })
}

fn rdbg(file: &str, line: &Line, port: Option<u16>) -> Option<Server> {
    const DEFAULT: u16 = 12345;
    let script = line.own.iter().position(|argument| is_named(argument, &["rdbg"]));
    let options = match script {
        Some(script) => line.own.get(script + 1..).unwrap_or(&[]),
        None if is_named(file, &["rdbg"]) => &line.own[..],
        // rdbg hands its options on in RUBYOPT and becomes ruby: only the port speaks.
        None if is_named(file, &["ruby"]) && port == Some(DEFAULT) => return Some(Server::new(Kind::Rdbg)),
        None => return None,
    };
    let open = options.iter().any(|option| *option == "-O" || option.starts_with("--open"));
    let port = value_in(options, &["--port"]).and_then(|port| port.parse().ok());
    let host = value_in(options, &["--host"]).unwrap_or("127.0.0.1").to_owned();
    let waits = Some(!options.iter().any(|option| ["-n", "--nonstop"].contains(option)));
    let listen = port.map(|port| Listen { host, port: Some(port) });
    open.then(|| Server { listen, waits, ..Server::new(Kind::Rdbg) })
}

fn xdebug(file: &str, port: Option<u16>) -> Option<Server> {
    const EDITORS: [&str; 8] =
        ["phpstorm", "idea", "code", "code helper (plugin)", "electron", "cursor", "vscodium", "netbeans"];
    (matches!(port, Some(9000 | 9003)) && is_named(file, &EDITORS)).then(|| Server::new(Kind::Xdebug))
}

fn is_proxy(file: &str, line: &Line) -> bool {
    const PROXIES: [&str; 14] = [
        "docker-proxy",
        "com.docker.backend",
        "com.docker.vpnkit",
        "vpnkit",
        "vpnkit-bridge",
        "orbstack helper",
        "rootlessport",
        "rootlesskit",
        "gvproxy",
        "limactl",
        "socat",
        "sshd",
        "sshd-session",
        "haproxy",
    ];
    let forwards = |argument: &&str| {
        let is_short = argument.starts_with('-') && !argument.starts_with("--");
        is_short && argument.contains(['L', 'D'])
            || argument.contains("LocalForward")
            || argument.ends_with("[mux]")
    };
    is_named(file, &PROXIES)
        || is_named(file, &["ssh", "autossh"]) && line.own.iter().any(forwards)
        || is_named(file, &["kubectl"]) && line.has_word("port-forward")
        // A multiplexing ssh rewrites its whole command line.
        || is_named(file, &["ssh"]) && line.own.is_empty()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file's name is one of `names`, but for case, an `.exe`-like version suffix (`lldb-server-14`,
/// `gdbserver.real`, `node20`), which packagers add.
fn is_named(file: &str, names: &[&str]) -> bool {
    let lower = file_name(file).to_ascii_lowercase();
    let plain =
        lower.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.' || letter == '-');
    let plain = plain.strip_suffix(".real").unwrap_or(plain);
    names.iter().any(|name| *name == lower || *name == plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, port: Option<u16>) -> Option<Server> {
        let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        classify(&arguments[0], &arguments, port)
    }

    #[test]
    fn the_servers_and_what_a_connection_does_to_them() {
        use Kind::*;
        let debugpy = "/usr/bin/python3 /home/me/debugpy/adapter --for-server 40001 --host 127.0.0.1 --port 5678 --server-access-token [redacted]";
        for (line, port, kind, single_use, harm) in [
            ("/usr/bin/dlv dap --listen=127.0.0.1:2345", 2345, DelveDap, true, Harm::Harms),
            ("/go/bin/dlv dap -l 127.0.0.1:2345 --log", 2345, DelveDap, true, Harm::Harms),
            (
                "dlv debug --headless --listen=:2345 ./cmd -- --listen=:80",
                2345,
                DelveHeadless,
                true,
                Harm::Harms,
            ),
            (
                "dlv --listen=0.0.0.0:2345 --headless=true --api-version=2 exec ./x --",
                2345,
                DelveHeadless,
                true,
                Harm::Harms,
            ),
            (
                "dlv exec --headless --accept-multiclient --listen :2345 ./x",
                2345,
                DelveMulticlient,
                false,
                Harm::Harmless,
            ),
            (
                "dlv exec --headless --accept-multiclient=false --listen :2345 ./x",
                2345,
                DelveHeadless,
                true,
                Harm::Harms,
            ),
            ("/usr/local/bin/node --inspect app.js", 9229, Node, false, Harm::Harmless),
            ("node --inspect-brk=0.0.0.0:9300 app.js", 9300, Node, false, Harm::Harmless),
            ("node app.js", 9229, Node, false, Harm::Harmless),
            ("/opt/google/chrome/chrome --remote-debugging-port=9222", 9222, Chrome, false, Harm::Harmless),
            (debugpy, 5678, Debugpy, false, Harm::Harms),
            ("python3 -m debugpy --listen 5678 --wait-for-client x.py", 5678, Debugpy, false, Harm::Harms),
            (
                "java -agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=*:5005 -jar x",
                5005,
                Jdwp,
                false,
                Harm::Noise,
            ),
            ("java -Xrunjdwp:transport=dt_socket,address=5005,server=y X", 5005, Jdwp, false, Harm::Noise),
            ("gdbserver localhost:1234 ./x", 1234, Gdbserver, false, Harm::Noise),
            ("gdbserver --once :1234 ./x", 1234, Gdbserver, true, Harm::Harms),
            ("gdbserver --multi :1234", 1234, Gdbserver, true, Harm::Harms),
            ("lldb-server-14 gdbserver 127.0.0.1:1234 -- ./x", 1234, LldbServer, true, Harm::Harms),
            (
                "/usr/lib/llvm-19/bin/lldb-dap --connection listen://localhost:4711",
                4711,
                LldbDap,
                true,
                Harm::Harms,
            ),
            ("lldb-vscode-14 --port 4711", 4711, LldbDap, true, Harm::Harms),
            ("/usr/bin/ruby /usr/bin/rdbg --open --port 12345 x.rb", 12345, Rdbg, false, Harm::Noise),
            ("ruby x.rb", 12345, Rdbg, false, Harm::Noise),
            ("/Applications/PhpStorm.app/Contents/MacOS/phpstorm", 9003, Xdebug, false, Harm::Unknown),
            ("/usr/bin/docker-proxy -proto tcp -host-port 2345", 2345, Proxy, false, Harm::Unknown),
            ("ssh -fNL 2345:localhost:2345 box", 2345, Proxy, false, Harm::Unknown),
            ("kubectl port-forward pod/x 2345", 2345, Proxy, false, Harm::Unknown),
        ] {
            let server = of(line, Some(port)).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((server.kind, server.single_use, server.harm()), (kind, single_use, harm), "{line}");
        }
    }

    #[test]
    fn others_are_no_debuggers() {
        for (line, port) in [
            ("node --inspect app.js", 3000),
            ("node app.js", 3000),
            ("java -agentlib:jdwp=transport=dt_socket,server=n,address=box:5005 X", 8080),
            ("java -agentlib:jdwp=transport=dt_socket,server=y X", 8080),
            ("java -jar x", 5005),
            ("dlv connect 127.0.0.1:2345", 2345),
            ("dlv dap --client-addr=127.0.0.1:2345", 2345),
            ("dlv debug ./cmd", 2345),
            ("python3 -m http.server 5678", 5678),
            ("ssh box", 2345),
            ("ruby x.rb", 3000),
            ("nginx", 9003),
            ("", 1),
        ] {
            let line = if line.is_empty() { " x" } else { line };
            assert_eq!(of(line, Some(port)), None, "{line}");
        }
        assert_eq!(classify("", &[], Some(1)), None);
    }

    #[test]
    fn where_and_whether_it_waits() {
        let jdwp =
            of("java -agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=5005 X", None).unwrap();
        assert!(jdwp.listen.as_ref().unwrap().is_loopback(), "a bare port is loopback since JDK 9");
        assert_eq!(jdwp.waits, Some(false));
        let dlv = of("dlv dap --listen=[::1]:2345", None).unwrap();
        assert_eq!(dlv.listen, Some(Listen { host: "::1".into(), port: Some(2345) }));
        assert_eq!(of("node --inspect-wait x.js", None).unwrap().waits, Some(true));
        assert_eq!(dlv.listen_option("", 2345).unwrap(), "--listen=:2345");
    }

    #[test]
    fn the_measured_traps() {
        for (line, trap) in [
            ("dlv debug --headless ./x -- --listen=:2345", Trap::ListenAfterDashes),
            ("dlv debug --listen=:2345 ./x", Trap::ListenWithoutHeadless),
            ("dlv debug --headless ./x", Trap::HeadlessWithoutListen),
            ("dlv dap --listen=2345", Trap::ListenWithoutColon),
            ("dlv exec --headless --listen=:2345 --continue ./x", Trap::ContinueWithoutMulticlient),
            ("gdbserver localhost:1234 ./x", Trap::GdbserverIgnoresHost),
        ] {
            assert!(of(line, None).unwrap().traps.contains(&trap), "{line}");
        }
        for line in
            ["dlv dap --listen=:2345", "dlv exec --headless --listen=:1 --accept-multiclient --continue ./x"]
        {
            assert!(of(line, None).unwrap().traps.is_empty(), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(path in "\\PC{0,20}", arguments in proptest::collection::vec("(--?[a-zA-Z-]{0,8}=?)?\\PC{0,12}", 0..8), port: u16) {
            let _ = classify(&path, &arguments, Some(port));
            for program in ["dlv", "node", "gdbserver", "lldb-server", "lldb-dap", "ruby", "java", "ssh"] {
                let _ = classify(program, &arguments, None);
            }
        }
    }
}
