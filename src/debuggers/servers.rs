//! Which debugger a process is, from its program and arguments alone, and what a connection would do to it.
//!
//! ```
//! use portcullis::debuggers::servers::{ServerKind, classify};
//! let arguments = ["dlv", "dap", "--listen=127.0.0.1:2345"].map(String::from);
//! let server = classify("/usr/bin/dlv", &arguments, Some(2345)).unwrap();
//! assert_eq!(server.kind, ServerKind::DelveDap);
//! assert!(server.single_use);
//! ```
//!
//! What a connection does to each was measured with the real servers; where a server was not measured it is not
//! called harmless.

use std::net::IpAddr;

use serde::Serialize;

use crate::diagnosis::Answer;
use crate::port::Harm;
use crate::sockets::Process;

/// What a debugger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerKind {
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
    pub kind: ServerKind,
    /// Where it was told to listen, where the arguments say so.
    pub listen: Option<Listen>,
    /// Whether its program waits for the client before it runs, where the arguments tell.
    pub waits: Option<bool>,
    /// Whether it ends with its first session.
    pub single_use: bool,
    /// Whether this very program, started this way, is one that was measured. What is only like one, or is guessed from
    /// its port alone, is never called harmless.
    pub measured: bool,
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
            ServerKind::DelveDap => "dlv dap",
            ServerKind::DelveHeadless => "dlv headless",
            ServerKind::DelveMulticlient => "dlv headless (multi-client)",
            ServerKind::Node => "node inspector",
            ServerKind::Chrome => "Chrome DevTools",
            ServerKind::Debugpy => "debugpy",
            ServerKind::Jdwp => "Java debugger (JDWP)",
            ServerKind::Gdbserver => "gdbserver",
            ServerKind::LldbServer => "lldb-server",
            ServerKind::LldbDap => "lldb-dap",
            ServerKind::Rdbg => "rdbg",
            ServerKind::Xdebug => "Xdebug client",
            ServerKind::Proxy => "proxy",
        }
    }

    /// The protocol spoken on its port.
    pub fn protocol(&self) -> &'static str {
        match self.kind {
            ServerKind::DelveDap | ServerKind::Debugpy | ServerKind::LldbDap | ServerKind::Rdbg => "dap",
            ServerKind::DelveHeadless | ServerKind::DelveMulticlient => "json-rpc or dap",
            ServerKind::Node | ServerKind::Chrome => "cdp",
            ServerKind::Jdwp => "jdwp",
            ServerKind::Gdbserver | ServerKind::LldbServer => "gdb remote",
            ServerKind::Xdebug => "dbgp",
            ServerKind::Proxy => "unknown",
        }
    }

    /// Whether it serves several clients at a time.
    pub fn takes_many(&self) -> Answer {
        match self.kind {
            _ if !self.measured => Answer::Unknown,
            ServerKind::DelveMulticlient | ServerKind::Node | ServerKind::Chrome => Answer::Yes,
            ServerKind::DelveDap
            | ServerKind::DelveHeadless
            | ServerKind::Jdwp
            | ServerKind::Gdbserver
            | ServerKind::LldbServer
            | ServerKind::LldbDap => Answer::No,
            ServerKind::Debugpy | ServerKind::Rdbg | ServerKind::Xdebug | ServerKind::Proxy => {
                Answer::Unknown
            }
        }
    }

    /// What a plain TCP connect and close does to it, as measured.
    pub fn harm(&self) -> Harm {
        match self.kind {
            ServerKind::DelveMulticlient
            | ServerKind::Node
            | ServerKind::Chrome
            | ServerKind::Jdwp
            | ServerKind::Rdbg
                if !self.measured =>
            {
                Harm::Unknown
            }
            ServerKind::DelveMulticlient | ServerKind::Node | ServerKind::Chrome => Harm::Harmless,
            ServerKind::Jdwp | ServerKind::Rdbg => Harm::Noise,
            ServerKind::Gdbserver if !self.single_use => Harm::Noise,
            ServerKind::DelveDap
            | ServerKind::DelveHeadless
            | ServerKind::Debugpy
            | ServerKind::Gdbserver
            | ServerKind::LldbServer
            | ServerKind::LldbDap => Harm::Harms,
            ServerKind::Xdebug | ServerKind::Proxy => Harm::Unknown,
        }
    }

    /// The option that makes it listen on `host` (empty: every address) and `port`, where it has one.
    pub fn listen_option(&self, host: &str, port: u16) -> Option<String> {
        let any = if host.is_empty() { "0.0.0.0" } else { host };
        match self.kind {
            ServerKind::DelveDap | ServerKind::DelveHeadless | ServerKind::DelveMulticlient => {
                Some(format!("--listen={host}:{port}"))
            }
            ServerKind::Node => Some(format!("--inspect={any}:{port}")),
            ServerKind::Debugpy => Some(format!("--listen {any}:{port}")),
            ServerKind::Jdwp => Some(format!("address={}:{port}", if host.is_empty() { "*" } else { host })),
            ServerKind::LldbServer => Some(format!("{}:{port}", if host.is_empty() { "*" } else { host })),
            ServerKind::LldbDap => Some(format!("--connection listen://{any}:{port}")),
            ServerKind::Rdbg => Some(format!("--host {any} --port {port}")),
            // Chrome binds loopback only, gdbserver everything, an editor what its settings say.
            ServerKind::Chrome | ServerKind::Gdbserver | ServerKind::Xdebug | ServerKind::Proxy => None,
        }
    }
}

/// Which debugger the process at `path` with these `arguments` (its own name first) is, or `None` where it is none.
///
/// With a `port`, the question is about that listener of it: a node program that is debugged on 9229 may well serve
/// web pages on 3000, and that one is no debugger.
pub fn classify(path: &str, arguments: &[String], port: Option<u16>) -> Option<Server> {
    let file = file_name(path);
    let line = CommandLine::new(arguments);
    let server = match () {
        () if is_named(file, &["dlv", "dlv-dap"]) => delve(&line),
        () if is_named(file, &["gdbserver"]) => gdbserver(&line),
        () if is_named(file, &["lldb-server", "debugserver"]) => lldb_server(file, &line),
        () if is_named(file, &["lldb-dap", "lldb-vscode"]) => lldb_dap(&line),
        () if is_proxy(file, &line, port) => Some(Server::new(ServerKind::Proxy)),
        () => jdwp(file, &line, port)
            .or_else(|| debugpy(&line))
            .or_else(|| rdbg(file, &line, port))
            .or_else(|| chrome(file, &line))
            .or_else(|| node(file, &line, port))
            .or_else(|| xdebug(path, port)),
    }?;
    let told = server.listen.as_ref().and_then(|listen| listen.port);
    let fits = match (told, port) {
        (_, None) => true,
        // Told to listen elsewhere: this listener is the program's own.
        (Some(told), Some(port)) => told == port,
        // A random port: these have listeners of their own beside it, so nothing tells which it is. What is guessed
        // was guessed from the port.
        (None, Some(_)) => {
            !server.measured
                || !matches!(server.kind, ServerKind::Jdwp | ServerKind::Chrome | ServerKind::Node)
        }
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
    fn new(kind: ServerKind) -> Self {
        Server { kind, listen: None, waits: None, single_use: false, measured: true, traps: Vec::new() }
    }

    /// A server that is known by its port alone.
    fn guessed(kind: ServerKind) -> Self {
        Server { measured: false, ..Server::new(kind) }
    }
}

impl Listen {
    /// Reads `host:port`, `:port`, `port`, `[::1]:port`, `*:port`; nothing of a socket in the file system.
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
struct CommandLine<'a> {
    /// After the program's name, before `--`.
    own: Vec<&'a str>,
    /// After `--`.
    rest: Vec<&'a str>,
}

impl<'a> CommandLine<'a> {
    fn new(arguments: &'a [String]) -> Self {
        let mut own: Vec<&str> = arguments.iter().skip(1).map(String::as_str).collect();
        let rest = match own.iter().position(|argument| *argument == "--") {
            Some(dashes) => own.split_off(dashes).into_iter().skip(1).collect(),
            None => Vec::new(),
        };
        CommandLine { own, rest }
    }

    /// The value of an option, given as `NAME=VALUE` or as `NAME VALUE`; the last one counts.
    fn value(&self, names: &[&str]) -> Option<&'a str> {
        value_in(&self.own, names)
    }

    /// Whether a switch is on: `NAME`, or `NAME=` with a word that Go reads as true (strconv.ParseBool).
    fn switch(&self, name: &str) -> bool {
        let mut on = false;
        for argument in &self.own {
            match argument.strip_prefix(name) {
                Some("" | "=true" | "=True" | "=TRUE" | "=t" | "=T" | "=1") => on = true,
                Some("=false" | "=False" | "=FALSE" | "=f" | "=F" | "=0") => on = false,
                _ => {}
            }
        }
        on
    }

    /// The place of the first argument that is neither an option nor the value of one of those in `with_value`, which
    /// take the next argument for theirs.
    fn first_word(&self, with_value: &[&str]) -> Option<usize> {
        let mut is_value = false;
        self.own.iter().position(|argument| {
            let skipped = std::mem::take(&mut is_value);
            is_value = !skipped && with_value.contains(argument);
            !skipped && !argument.starts_with('-')
        })
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

/// Delve's options that take the next argument for their value (Delve: cmd/dlv/cmds/commands.go, 1.25).
const DELVE_WITH_VALUE: [&str; 24] = [
    "--api-version",
    "--attach-wait-for",
    "--backend",
    "--build-flags",
    "--client-addr",
    "--exec",
    "--init",
    "--listen",
    "--log-dest",
    "--log-output",
    "--output",
    "--pid",
    "--rr-onprocess-pid",
    "--redirect",
    "--stack",
    "--tty",
    "--waitfor",
    "--waitfor-duration",
    "--waitfor-interval",
    "--wd",
    "-e",
    "-l",
    "-p",
    "-r",
];

fn delve(line: &CommandLine) -> Option<Server> {
    const LISTEN: [&str; 2] = ["--listen", "-l"];
    let command = line.first_word(&DELVE_WITH_VALUE).and_then(|at| line.own.get(at).copied());
    let dap = match command? {
        "dap" => true,
        "attach" | "core" | "debug" | "exec" | "replay" | "run" | "test" => false,
        // A client, or nothing that could listen.
        _ => return None,
    };
    // It dials its client.
    if line.value(&["--client-addr"]).is_some() {
        return None;
    }
    // `-l127.0.0.1:2345` is read as well.
    let joined = || line.own.iter().rev().find_map(|argument| argument.strip_prefix("-l"));
    let listen = line.value(&LISTEN).or_else(joined);
    let headless = line.switch("--headless");
    let many = line.switch("--accept-multiclient");
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
    if listen.is_some_and(|listen| !listen.contains(':')) {
        traps.push(Trap::ListenWithoutColon);
    }
    if line.switch("--continue") && !many {
        traps.push(Trap::ContinueWithoutMulticlient);
    }
    let kind = match (dap, headless, many) {
        (true, _, _) => ServerKind::DelveDap,
        (false, true, true) => ServerKind::DelveMulticlient,
        (false, true, false) => ServerKind::DelveHeadless,
        // On a terminal: no server, though perhaps meant as one.
        (false, false, _) if traps.is_empty() => return None,
        (false, false, _) => ServerKind::DelveHeadless,
    };
    Some(Server {
        listen: listen.and_then(Listen::parse),
        waits: Some(!line.switch("--continue")),
        single_use: kind != ServerKind::DelveMulticlient,
        traps,
        ..Server::new(kind)
    })
}

/// Node's options that take the next argument for their value, as far as they stand before an `--inspect`.
const NODE_WITH_VALUE: [&str; 16] = [
    "--conditions",
    "--env-file",
    "--env-file-if-exists",
    "--eval",
    "--experimental-loader",
    "--import",
    "--input-type",
    "--inspect-port",
    "--loader",
    "--print",
    "--require",
    "--title",
    "-C",
    "-e",
    "-p",
    "-r",
];

fn node(file: &str, line: &CommandLine, port: Option<u16>) -> Option<Server> {
    const DEFAULT: u16 = 9229;
    /// Node.js itself, and programs around it that hand its options on.
    const MEASURED: [&str; 3] = ["node", "nodejs", "electron"];
    let is_node = is_named(file, &MEASURED);
    let mut server = if is_node { Server::new(ServerKind::Node) } else { Server::guessed(ServerKind::Node) };
    // What follows the script is the script's. Another program's options are not known well enough for that.
    let own = match line.first_word(&NODE_WITH_VALUE) {
        Some(script) if is_named(file, &["node", "nodejs"]) => line.own.get(..script).unwrap_or_default(),
        _ => &line.own[..],
    };
    let mut inspected = false;
    let mut listen = Listen { host: "127.0.0.1".into(), port: Some(DEFAULT) };
    for (index, argument) in own.iter().enumerate() {
        let Some(rest) = argument.strip_prefix("--inspect") else { continue };
        let (flavour, value) = rest.split_once('=').unwrap_or((rest, ""));
        let value = match flavour {
            "" | "-brk" | "-wait" => {
                inspected = true;
                server.waits = Some(!flavour.is_empty());
                value
            }
            "-port" if value.is_empty() => own.get(index + 1).copied().unwrap_or_default(),
            "-port" => value,
            _ => continue,
        };
        match Listen::parse(value) {
            Some(told) if told.host.is_empty() => listen.port = told.port,
            Some(told) => listen = told,
            None if value.is_empty() => {}
            None => listen.host = value.trim_start_matches('[').trim_end_matches(']').to_owned(),
        }
    }
    if inspected {
        return Some(Server { listen: Some(listen), ..server });
    }
    // Started by NODE_OPTIONS, by SIGUSR1, or from inside: only the port speaks.
    (is_node && port == Some(DEFAULT)).then(|| Server::guessed(ServerKind::Node))
}

fn chrome(file: &str, line: &CommandLine) -> Option<Server> {
    /// Chrome and what is made of it; others that take the same option need not answer as it does.
    const MEASURED: [&str; 18] = [
        "chrome",
        "google-chrome",
        "google-chrome-stable",
        "google chrome",
        "google chrome beta",
        "google chrome canary",
        "google chrome for testing",
        "chromium",
        "chromium-browser",
        "chromium-headless-shell",
        "chromium-shell",
        "chrome-headless-shell",
        "headless_shell",
        "msedge",
        "microsoft-edge",
        "microsoft edge",
        "brave browser",
        "electron",
    ];
    // Its children are told the port too, and listen to nothing.
    let port: u16 = line.value(&["--remote-debugging-port"])?.parse().ok()?;
    let host = line.value(&["--remote-debugging-address"]).unwrap_or("127.0.0.1");
    let listen = Listen { host: host.to_owned(), port: (port != 0).then_some(port) };
    let measured = is_named(file, &MEASURED);
    Some(Server { listen: Some(listen), measured, ..Server::new(ServerKind::Chrome) })
}

fn debugpy(line: &CommandLine) -> Option<Server> {
    let adapter = line.own.iter().position(|argument| {
        let argument = argument.trim_end_matches('/');
        ["debugpy/adapter", "debugpy.adapter", "/debugpy-adapter"].iter().any(|end| argument.ends_with(end))
    });
    if adapter.is_some() {
        let port: Option<u16> = line.value(&["--port"]).and_then(|port| port.parse().ok());
        let host = line.value(&["--host"]).unwrap_or("127.0.0.1").to_owned();
        return Some(Server {
            listen: port.map(|port| Listen { host, port: Some(port) }),
            ..Server::new(ServerKind::Debugpy)
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
        ..Server::new(ServerKind::Debugpy)
    })
}

fn jdwp(file: &str, line: &CommandLine, port: Option<u16>) -> Option<Server> {
    const DEFAULT: u16 = 5005;
    let options = line.own.iter().chain(&line.rest).find_map(|argument| {
        let of_path = || argument.strip_prefix("-agentpath:").filter(|path| path.contains("libjdwp"));
        let plain = argument.strip_prefix("-agentlib:jdwp=").or_else(|| argument.strip_prefix("-Xrunjdwp:"));
        plain.or_else(|| Some(of_path()?.split_once('=')?.1))
    });
    let Some(options) = options else {
        // Started by JAVA_TOOL_OPTIONS or by a file of options: only the port speaks.
        let guessed = is_named(file, &["java"]) && port == Some(DEFAULT);
        return guessed.then(|| Server::guessed(ServerKind::Jdwp));
    };
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
    Some(Server { listen, waits: Some(option("suspend") != Some("n")), ..Server::new(ServerKind::Jdwp) })
}

fn gdbserver(line: &CommandLine) -> Option<Server> {
    // `--wrapper CMD … --` comes before the address.
    let wrapped = line.has_word("--wrapper");
    let own: &[&str] = if wrapped { &line.rest } else { &line.own };
    let at = own.iter().position(|argument| !argument.starts_with('-'))?;
    let address = *own.get(at)?;
    let of_family = ["tcp:", "tcp4:", "tcp6:"].iter().find_map(|family| address.strip_prefix(family));
    let listen = Listen::parse(of_family.unwrap_or(address))?;
    // What follows the address is the program's.
    let given = |option: &str| {
        let before = if wrapped { &line.own[..] } else { &[] };
        before.iter().chain(own.get(..at).unwrap_or_default()).any(|argument| *argument == option)
    };
    let without_program = given("--multi") && own.len() == at + 1;
    let host_is_narrow = !listen.host.is_empty() && listen.host != "0.0.0.0";
    Some(Server {
        listen: Some(listen),
        waits: Some(true),
        single_use: given("--once") || without_program,
        traps: if host_is_narrow { vec![Trap::GdbserverIgnoresHost] } else { vec![] },
        ..Server::new(ServerKind::Gdbserver)
    })
}

fn lldb_server(file: &str, line: &CommandLine) -> Option<Server> {
    let mode = line.own.first().copied().unwrap_or_default();
    let platform = ["platform", "p"].contains(&mode);
    if !platform && !["gdbserver", "g"].contains(&mode) && !is_named(file, &["debugserver"]) {
        return None;
    }
    // It dials lldb.
    if line.switch("--reverse-connect") || line.has_word("-R") {
        return None;
    }
    let address = |argument: &&str| argument.contains(':') && !argument.starts_with('-');
    let given = line.value(&["--listen", "-L"]).or_else(|| line.own.iter().copied().find(address));
    let listen = given.and_then(Listen::parse);
    Some(Server { listen, waits: Some(true), single_use: !platform, ..Server::new(ServerKind::LldbServer) })
}

fn lldb_dap(line: &CommandLine) -> Option<Server> {
    let connection = line.value(&["--connection"]).and_then(|uri| {
        // The scheme has changed between versions; a file's has no port.
        let (_, address) = uri.split_once("://")?;
        Listen::parse(address)
    });
    let port = || {
        let port = line.value(&["--port", "-p"])?.parse().ok()?;
        Some(Listen { host: "127.0.0.1".into(), port: Some(port) })
    };
    let listen = connection.or_else(port)?;
    Some(Server { listen: Some(listen), single_use: true, ..Server::new(ServerKind::LldbDap) })
}

fn rdbg(file: &str, line: &CommandLine, port: Option<u16>) -> Option<Server> {
    const DEFAULT: u16 = 12345;
    let script = line.own.iter().position(|argument| is_named(argument, &["rdbg"]));
    let options = match script {
        Some(script) => line.own.get(script + 1..).unwrap_or(&[]),
        None if is_named(file, &["rdbg"]) => &line.own[..],
        // rdbg hands its options on in RUBYOPT and becomes ruby; where it does not, ruby writes the script's name over
        // its command line (seen with rdbg 1.4 on Linux). Then only the port speaks.
        None if is_named(file, &["ruby"]) && port == Some(DEFAULT) => {
            return Some(Server::guessed(ServerKind::Rdbg));
        }
        None => return None,
    };
    let open = options.iter().any(|option| *option == "-O" || option.starts_with("--open"));
    let port = value_in(options, &["--port"]).and_then(|port| port.parse().ok());
    let host = value_in(options, &["--host"]).unwrap_or("127.0.0.1").to_owned();
    let waits = Some(!options.iter().any(|option| ["-n", "--nonstop"].contains(option)));
    let listen = port.map(|port| Listen { host, port: Some(port) });
    open.then(|| Server { listen, waits, ..Server::new(ServerKind::Rdbg) })
}

fn xdebug(path: &str, port: Option<u16>) -> Option<Server> {
    const EDITORS: [&str; 8] =
        ["phpstorm", "idea", "code", "code helper (plugin)", "electron", "cursor", "vscodium", "netbeans"];
    // On Linux an editor of JetBrains may run as its own java.
    let is_editor = is_named(path, &EDITORS) || path.to_ascii_lowercase().contains("/phpstorm");
    (matches!(port, Some(9000 | 9003)) && is_editor).then(|| Server::new(ServerKind::Xdebug))
}

fn is_proxy(file: &str, line: &CommandLine, port: Option<u16>) -> bool {
    const PROXIES: [&str; 19] = [
        "docker-proxy",
        "com.docker.backend",
        "com.docker.vpnkit",
        "vpnkit",
        "vpnkit-bridge",
        "orbstack helper",
        "rootlessport",
        "rootlesskit",
        "slirp4netns",
        "pasta",
        "gvproxy",
        "limactl",
        "socat",
        "sshd",
        "sshd-session",
        "haproxy",
        "k9s",
        "telepresence",
        "iproxy",
    ];
    /// A client that listens does so for a forwarding, whether its arguments say so or its configuration does.
    const CLIENTS: [&str; 3] = ["ssh", "autossh", "adb"];
    is_named(file, &PROXIES)
        || is_named(file, &CLIENTS) && port.is_some()
        || is_named(file, &["kubectl", "oc"]) && (line.has_word("port-forward") || line.has_word("proxy"))
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file's name is one of `names`, but for case, a version (`lldb-server-14`, `node20`), and what packagers
/// make of it (`gdbserver.real`, `.dlv-wrapped`). A process whose file may not be read has a short name only, which the
/// kernel cuts after 15 bytes on Linux, 16 or 32 on macOS.
fn is_named(file: &str, names: &[&str]) -> bool {
    let lower = file_name(file).to_ascii_lowercase();
    let whole = lower.strip_prefix('.').and_then(|file| file.strip_suffix("-wrapped")).unwrap_or(&lower);
    let plain =
        whole.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.' || letter == '-');
    let plain = plain.strip_suffix(".real").unwrap_or(plain);
    let cut = matches!(whole.len(), 15 | 16 | 32);
    names.iter().any(|name| *name == whole || *name == plain || cut && name.starts_with(whole))
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
        use ServerKind::*;
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
            ("node app.js", 9229, Node, false, Harm::Unknown),
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
            ("ruby x.rb", 12345, Rdbg, false, Harm::Unknown),
            ("/Applications/PhpStorm.app/Contents/MacOS/phpstorm", 9003, Xdebug, false, Harm::Unknown),
            ("/usr/bin/docker-proxy -proto tcp -host-port 2345", 2345, Proxy, false, Harm::Unknown),
            ("ssh -fNL 2345:localhost:2345 box", 2345, Proxy, false, Harm::Unknown),
            ("kubectl port-forward pod/x 2345", 2345, Proxy, false, Harm::Unknown),
            ("dlv-dap dap --listen=127.0.0.1:2345", 2345, DelveDap, true, Harm::Harms),
            ("dlv dap -l127.0.0.1:2345", 2345, DelveDap, true, Harm::Harms),
            ("/nix/store/x/bin/.dlv-wrapped dap --listen=:2345", 2345, DelveDap, true, Harm::Harms),
            // A value that is called like a command is none.
            (
                "dlv exec ./x --headless --log-output dap --listen :2345",
                2345,
                DelveHeadless,
                true,
                Harm::Harms,
            ),
            ("dlv debug --headless --wd connect --listen=:2345 dap", 2345, DelveHeadless, true, Harm::Harms),
            ("dlv --log test --headless=T --listen=:2345", 2345, DelveHeadless, true, Harm::Harms),
            (
                "dlv attach 4711 --headless -l=:2345 --accept-multiclient --continue",
                2345,
                DelveMulticlient,
                false,
                Harm::Harmless,
            ),
            ("dlv core ./x core.1 --headless --listen=[::1]:2345", 2345, DelveHeadless, true, Harm::Harms),
            (
                "/Applications/GoLand.app/Contents/plugins/go-plugin/lib/dlv/macarm/dlv --listen=127.0.0.1:52345 --headless=true --api-version=2 --check-go-version=false --only-same-user=false exec /private/tmp/___go_build_x --",
                52345,
                DelveHeadless,
                true,
                Harm::Harms,
            ),
            ("node -r ts-node/register --inspect-brk app.ts", 9229, Node, false, Harm::Harmless),
            ("node --import tsx --inspect-port 9400 --inspect app.ts", 9400, Node, false, Harm::Harmless),
            ("node --inspect=0.0.0.0 app.js", 9229, Node, false, Harm::Harmless),
            (
                "/opt/x/node_modules/electron/dist/electron --inspect=5858 .",
                5858,
                Node,
                false,
                Harm::Harmless,
            ),
            // Like one that was measured, and not it.
            ("deno run --inspect=127.0.0.1:9229 x.ts", 9229, Node, false, Harm::Unknown),
            ("/opt/tool --inspect=127.0.0.1:9229", 9229, Node, false, Harm::Unknown),
            ("/opt/tool --remote-debugging-port=9222", 9222, Chrome, false, Harm::Unknown),
            (
                "/usr/lib/chromium/headless_shell --remote-debugging-port=9222",
                9222,
                Chrome,
                false,
                Harm::Harmless,
            ),
            (
                "/Applications/X.app/Contents/MacOS/msedge --remote-debugging-port 9222",
                9222,
                Chrome,
                false,
                Harm::Harmless,
            ),
            (
                "/venv/bin/python /venv/bin/debugpy-adapter --host 127.0.0.1 --port 5678",
                5678,
                Debugpy,
                false,
                Harm::Harms,
            ),
            (
                "java -agentpath:/jdk/lib/libjdwp.so=transport=dt_socket,server=y,address=5005 X",
                5005,
                Jdwp,
                false,
                Harm::Noise,
            ),
            ("java -jar x", 5005, Jdwp, false, Harm::Unknown),
            ("gdbserver --wrapper env LD_PRELOAD=x -- :1234 ./x", 1234, Gdbserver, false, Harm::Noise),
            ("gdbserver --once --wrapper env -- :1234 ./x", 1234, Gdbserver, true, Harm::Harms),
            ("gdbserver tcp6:[::1]:1234 ./x --once", 1234, Gdbserver, false, Harm::Noise),
            ("gdbserver --attach :1234 4711", 1234, Gdbserver, false, Harm::Noise),
            ("lldb-server g :1234 /bin/platform", 1234, LldbServer, true, Harm::Harms),
            ("lldb-server platform --server --listen *:1234", 1234, LldbServer, false, Harm::Harms),
            ("debugserver 0.0.0.0:1234 ./x", 1234, LldbServer, true, Harm::Harms),
            ("lldb-dap --connection tcp://[::1]:4711", 4711, LldbDap, true, Harm::Harms),
            ("/usr/bin/ruby3.1 /usr/bin/rdbg3.1 -O --port=12345 x.rb", 12345, Rdbg, false, Harm::Noise),
            ("/home/me/PhpStorm-2025/jbr/bin/java -cp x", 9003, Xdebug, false, Harm::Unknown),
            // By its configuration (LocalForward).
            ("ssh box", 2345, Proxy, false, Harm::Unknown),
            ("com.docker.backe", 2345, Proxy, false, Harm::Unknown),
        ] {
            let server = of(line, Some(port)).unwrap_or_else(|| panic!("{line}"));
            assert_eq!((server.kind, server.single_use, server.harm()), (kind, single_use, harm), "{line}");
        }
    }

    #[test]
    fn an_ssh_that_has_written_a_title_of_its_own_is_a_proxy() {
        let title = ["ssh: /Users/me/.colima/_lima/colima/ssh.sock [mux]".to_owned()];
        assert_eq!(classify("/usr/bin/ssh", &title, Some(2345)).unwrap().kind, ServerKind::Proxy);
    }

    #[test]
    fn others_are_no_debuggers() {
        for (line, port) in [
            ("node --inspect app.js", 3000),
            ("node app.js", 3000),
            ("java -agentlib:jdwp=transport=dt_socket,server=n,address=box:5005 X", 8080),
            ("java -agentlib:jdwp=transport=dt_socket,server=y X", 8080),
            ("java -jar x", 5006),
            ("node --inspect=0 app.js", 3000),
            ("node app.js --inspect=3000", 3000),
            ("dlv trace --listen=:2345 --headless main", 2345),
            ("dlv version", 2345),
            ("dlv --headless --listen=:2345", 2345),
            ("dlv dap --client-addr 127.0.0.1:2345", 2345),
            ("gdbserver - ./x", 1234),
            ("debugserver --reverse-connect 127.0.0.1:1234", 1234),
            ("lldb-server version", 1234),
            ("lldb-dap --connection unix:///tmp/x", 4711),
            ("lldb-dap", 4711),
            ("dlv connect 127.0.0.1:2345", 2345),
            ("dlv dap --client-addr=127.0.0.1:2345", 2345),
            ("dlv debug ./cmd", 2345),
            ("python3 -m http.server 5678", 5678),
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
        let node = of("node --inspect=0.0.0.0 --inspect-port=9300 x.js", None).unwrap();
        assert_eq!(node.listen, Some(Listen { host: "0.0.0.0".into(), port: Some(9300) }));
        let unix = of("dlv dap --listen=unix:/tmp/x", None).unwrap();
        assert_eq!((unix.listen, unix.traps), (None, vec![]));
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
        for line in [
            "dlv dap --listen=:2345",
            "dlv exec --headless --listen=:1 --accept-multiclient --continue ./x",
            "gdbserver :1234 ./x",
        ] {
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
