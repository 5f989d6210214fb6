//! Real debug servers, watched at full rate, and none of them harmed.
//!
//! Starts every server that is installed, looks at its port with everything that Portcullis has for
//! `PORTCULLIS_DEBUGGERS_SECONDS` (default 2; `make debuggers` takes 30), then lets its real client in: a server that
//! does not answer it was harmed. While the client is there the port must show as in session. The last line counts:
//! `servers N, skipped S, harmed H`. A server that is not installed is skipped with a word.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use portcullis::port::PortRange;
use portcullis::reach::servers::{Kind, is_delve_or_go};
use portcullis::reach::view::View;
use portcullis::reach::{probe, sockets};
use portcullis::reachability::{Answer, AppFirewall, Pf, State};

fn main() -> ExitCode {
    // libtest's listing, which editors and runners ask of every test binary.
    if std::env::args().any(|argument| argument == "--list") {
        println!("debuggers: test");
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, ports @ ..] = &arguments[..]
        && ["look", "probe", "owner"].contains(&mode.as_str())
    {
        return look(mode, ports.iter().filter_map(|port| port.parse().ok()));
    }
    let seconds = std::env::var("PORTCULLIS_DEBUGGERS_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds = Duration::from_secs(seconds.unwrap_or(2));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (running, skipped) = start_all(folder.path());
    watch(&running, seconds, folder.path());
    let touched = touched_ports(&running, folder.path());

    let servers = running.len();
    let mut harmed = 0;
    for mut server in running {
        match server.let_client_in() {
            Ok(words) => println!("{:<28} unharmed: {words}", server.name),
            Err(problem) => {
                harmed += 1;
                println!("{:<28} HARMED: {problem}", server.name);
            }
        }
    }
    let wrong = states_after_harm(folder.path());
    println!("servers {servers}, skipped {skipped}, harmed {harmed}");
    if harmed == 0 && wrong == 0 && touched == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A way to start a server, and what to expect of it.
struct Recipe {
    name: &'static str,
    kind: Kind,
    client: Client,
    /// The command line for a port, or what is missing.
    command: Box<dyn Fn(u16) -> Result<Command, String>>,
}

/// How the real client greets, and how it knows its server.
#[derive(Clone, Copy)]
enum Client {
    Dap,
    JsonRpc,
    Http,
    Jdwp,
    GdbRemote,
}

struct Running {
    name: &'static str,
    kind: Kind,
    client: Client,
    port: u16,
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The whole group: debuggers have debuggees.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.child.id())]).status();
        let _ = self.child.wait();
    }
}

fn start_all(folder: &Path) -> (Vec<Running>, usize) {
    let mut running = Vec::new();
    let mut skipped = 0;
    for recipe in recipes(folder) {
        match start(&recipe) {
            Ok(server) => running.push(server),
            Err(problem) => {
                skipped += 1;
                println!("{:<28} skipped: {problem}", recipe.name);
            }
        }
    }
    (running, skipped)
}

fn recipes(folder: &Path) -> Vec<Recipe> {
    let target = go_program(folder);
    let dlv = find(&["dlv"]);
    let delve = move |arguments: &'static [&'static str]| {
        let (dlv, target) = (dlv.clone(), target.clone());
        move |port: u16| {
            let mut command = Command::new(dlv.clone().ok_or("no dlv")?);
            command.args(arguments).arg(format!("--listen=127.0.0.1:{port}"));
            if arguments != ["dap"] {
                command.arg(target.clone()?);
            }
            Ok(command)
        }
    };
    let python = find_python();
    let sleep = find(&["sleep"]).unwrap_or_else(|| "/bin/sleep".into());
    let gdbserver = |once: bool| {
        let sleep = sleep.clone();
        move |port: u16| {
            let mut command = Command::new(find(&["gdbserver"]).ok_or("no gdbserver")?);
            command.args(once.then_some("--once")).arg(format!("127.0.0.1:{port}")).arg(&sleep).arg("1000");
            Ok(command)
        }
    };
    let lldb_sleep = sleep.clone();
    let scripts = folder.to_owned();
    vec![
        Recipe {
            name: "dlv dap",
            kind: Kind::DelveDap,
            client: Client::Dap,
            command: Box::new(delve(&["dap"])),
        },
        Recipe {
            name: "dlv headless",
            kind: Kind::DelveHeadless,
            client: Client::JsonRpc,
            command: Box::new(delve(&["exec", "--headless", "--api-version=2"])),
        },
        Recipe {
            name: "dlv headless multi-client",
            kind: Kind::DelveMulticlient,
            client: Client::JsonRpc,
            command: Box::new(delve(&["exec", "--headless", "--api-version=2", "--accept-multiclient"])),
        },
        Recipe {
            name: "node --inspect-brk",
            kind: Kind::Node,
            client: Client::Http,
            command: Box::new(|port| {
                let mut command = Command::new(find(&["node"]).ok_or("no node")?);
                command
                    .arg(format!("--inspect-brk=127.0.0.1:{port}"))
                    .args(["-e", "setTimeout(() => {}, 1e6)"]);
                Ok(command)
            }),
        },
        Recipe {
            name: "node --inspect",
            kind: Kind::Node,
            client: Client::Http,
            command: Box::new(|port| {
                let mut command = Command::new(find(&["node"]).ok_or("no node")?);
                command.arg(format!("--inspect=127.0.0.1:{port}")).args(["-e", "setTimeout(() => {}, 1e6)"]);
                Ok(command)
            }),
        },
        Recipe {
            name: "debugpy",
            kind: Kind::Debugpy,
            client: Client::Dap,
            command: Box::new(move |port| {
                let script = scripts.join("wait.py");
                std::fs::write(&script, "import time\ntime.sleep(1000)\n")
                    .map_err(|error| error.to_string())?;
                let mut command = Command::new(python.clone().ok_or("no python with debugpy")?);
                command.args([
                    "-Xfrozen_modules=off",
                    "-m",
                    "debugpy",
                    "--listen",
                    &format!("127.0.0.1:{port}"),
                ]);
                command.arg("--wait-for-client").arg(script);
                Ok(command)
            }),
        },
        Recipe {
            name: "java, suspended",
            kind: Kind::Jdwp,
            client: Client::Jdwp,
            command: Box::new(|port| {
                let mut command = Command::new(find(&["java"]).ok_or("no java")?);
                let agent = format!("transport=dt_socket,server=y,suspend=y,address=127.0.0.1:{port}");
                command.arg(format!("-agentlib:jdwp={agent}")).arg("-version");
                Ok(command)
            }),
        },
        Recipe {
            name: "gdbserver",
            kind: Kind::Gdbserver,
            client: Client::GdbRemote,
            command: Box::new(gdbserver(false)),
        },
        Recipe {
            name: "gdbserver --once",
            kind: Kind::Gdbserver,
            client: Client::GdbRemote,
            command: Box::new(gdbserver(true)),
        },
        Recipe {
            name: "lldb-server gdbserver",
            kind: Kind::LldbServer,
            client: Client::GdbRemote,
            command: Box::new(move |port| {
                let mut command =
                    Command::new(find(&["lldb-server", "lldb-server-14"]).ok_or("no lldb-server")?);
                command.args(["gdbserver", &format!("127.0.0.1:{port}"), "--"]).arg(&lldb_sleep).arg("1000");
                Ok(command)
            }),
        },
        Recipe {
            name: "lldb-dap",
            kind: Kind::LldbDap,
            client: Client::Dap,
            command: Box::new(|port| {
                let (program, old) = match find(&["lldb-dap", "lldb-dap-19"]) {
                    Some(program) => (program, false),
                    None => (find(&["lldb-vscode", "lldb-vscode-14"]).ok_or("no lldb-dap")?, true),
                };
                let mut command = Command::new(program);
                match old {
                    true => command.args(["--port", &port.to_string()]),
                    false => command.args(["--connection", &format!("listen://127.0.0.1:{port}")]),
                };
                Ok(command)
            }),
        },
    ]
}

/// A port that is free now. Bound and freed before the server starts, never while it does.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

fn start(recipe: &Recipe) -> Result<Running, String> {
    use std::os::unix::process::CommandExt;
    let port = free_port();
    let mut command = (recipe.command)(port)?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("does not start: {error}"))?;
    let errors = child.stderr.take();
    let mut server = Running { name: recipe.name, kind: recipe.kind, client: recipe.client, port, child };
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(30) {
        let table = table(port);
        if table.listeners_on(port).next().is_some() {
            // Drained, so that a talkative server never blocks.
            std::thread::spawn(move || errors.map(|errors| BufReader::new(errors).lines().for_each(drop)));
            return Ok(server);
        }
        if let Ok(Some(status)) = server.child.try_wait() {
            let mut text = String::new();
            errors.map(|mut errors| errors.read_to_string(&mut text));
            let last = text.lines().last().unwrap_or_default().to_owned();
            return Err(format!("ends with {status} before it listens: {last}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err("does not listen within 30 s".to_owned())
}

/// Everything that looks, over and over, on all servers at the same time.
fn watch(running: &[Running], seconds: Duration, folder: &Path) {
    let ports: Vec<PortRange> = running.iter().filter_map(|server| PortRange::single(server.port)).collect();
    let start = Instant::now();
    let mut passes = 0u64;
    let mut earlier = sockets::read(&ports).expect("the socket table");
    while start.elapsed() < seconds {
        let now = sockets::read(&ports).expect("the socket table");
        let delves = sockets::processes(is_delve_or_go).expect("the processes");
        for server in running {
            let view = View::of(server.port, &now, Some(&earlier), &delves);
            let said = view.assess(open_pf(), AppFirewall::Off);
            let kind = view.server.as_ref().map(|server| server.kind);
            assert_eq!(kind, Some(server.kind), "{}: {view:?}", server.name);
            // gdbserver listens on every address, whatever it is told.
            assert!(
                [State::LoopbackOnly, State::Reachable].contains(&said.state),
                "{}: {said:?}",
                server.name
            );
            let harmless = matches!(server.kind, Kind::Node | Kind::DelveMulticlient);
            if passes == 0 || !harmless {
                let answer = probe::probe(server.port);
                assert_eq!(answer.is_ok(), harmless, "{}: {answer:?}", server.name);
            }
        }
        earlier = now;
        passes += 1;
    }
    let commands = run_commands(running, folder);
    println!(
        "{} servers looked at {passes} times in {:?}, and by {commands} commands",
        running.len(),
        start.elapsed()
    );
}

/// Every command that shows or changes something, in a lab of its own. Gives their number.
fn run_commands(running: &[Running], folder: &Path) -> usize {
    let ports = running.iter().map(|server| server.port);
    let runs = ports.flat_map(commands).map(|arguments| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.arg("--lab").arg(folder.join("lab")).args(arguments).stdin(Stdio::null());
        command.output().expect("the program starts")
    });
    runs.count()
}

fn commands(port: u16) -> Vec<Vec<String>> {
    let port = port.to_string();
    let lines = [
        &["status", "--json"][..],
        &["ports"],
        &["open", &port, "--from", "any"],
        &["status"],
        &["explain", &port],
        &["close", &port],
        &["doctor"],
        &["connect", &port],
    ];
    lines.iter().map(|line| line.iter().map(|word| (*word).to_owned()).collect()).collect()
}

/// What a child of ours does: look at the ports, ask them, or say whose they are.
fn look(mode: &str, ports: impl Iterator<Item = u16>) -> ExitCode {
    let ports: Vec<u16> = ports.collect();
    let watched: Vec<PortRange> = ports.iter().filter_map(|port| PortRange::single(*port)).collect();
    for port in ports {
        let table = sockets::read(&watched).expect("the socket table");
        let delves = sockets::processes(is_delve_or_go).expect("the processes");
        let said = View::of(port, &table, Some(&table), &delves).assess(open_pf(), AppFirewall::Off);
        assert!(!said.sentence.is_empty());
        if mode == "probe" {
            let _ = probe::probe(port);
        }
        if mode == "owner" {
            table.listeners_on(port).for_each(|socket| println!("{}", socket.owner));
        }
    }
    ExitCode::SUCCESS
}

/// How many of the servers' ports are named in a connect, bind or send of ours, by strace(1). To show that this
/// would be seen, the probe of a server that does not mind is traced too.
fn touched_ports(running: &[Running], folder: &Path) -> usize {
    let Some(strace) = find(&["strace"]) else {
        println!("strace: skipped, it is not installed");
        return 0;
    };
    let trace = folder.join("trace");
    let traced = |program: &Path, arguments: &[String]| -> String {
        let mut command = Command::new(&strace);
        command.args(["-f", "-qq", "-e", "trace=connect,bind,sendto,sendmsg,sendmmsg", "-o"]).arg(&trace);
        let output =
            command.arg(program).args(arguments).stdin(Stdio::null()).output().expect("strace starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        std::fs::read_to_string(&trace).unwrap_or(said)
    };
    let names = |trace: &str, port: u16| trace.contains(&format!("_port=htons({port})"));
    let me = std::env::current_exe().expect("this program");
    let mode = |mode: &str, ports: &[u16]| -> Vec<String> {
        std::iter::once(mode.to_owned()).chain(ports.iter().map(u16::to_string)).collect()
    };
    if let Some(node) = running.iter().find(|server| server.kind == Kind::Node) {
        let control = traced(&me, &mode("probe", &[node.port]));
        if control.contains("ptrace") || control.contains("Operation not permitted") {
            println!("strace: skipped, it may not trace here");
            return 0;
        }
        assert!(names(&control, node.port), "the probe's connect is not seen: {control}");
    }
    let ports: Vec<u16> = running.iter().map(|server| server.port).collect();
    let mut lines = traced(&me, &mode("look", &ports));
    let mut count = 1;
    // One server's commands show the ports of all: the table is the same.
    for arguments in ports.first().into_iter().flat_map(|port| commands(*port)) {
        let lab = ["--lab".to_owned(), folder.join("lab").display().to_string()];
        lines += &traced(Path::new(env!("CARGO_BIN_EXE_portcullis")), &[&lab[..], &arguments].concat());
        count += 1;
    }
    let touched = ports.iter().filter(|port| names(&lines, **port)).count();
    println!("strace: {count} runs name {touched} of {} ports in a connect, bind or send", ports.len());
    touched
}

impl Running {
    /// The real client's greeting is answered, and meanwhile the port shows as in session.
    fn let_client_in(&mut self) -> Result<String, String> {
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(format!("it has ended with {status}"));
        }
        let (stream, words) = self.client.greet(self.port)?;
        // HTTP is no session: node's is a WebSocket, which would let the waiting program go on.
        if !matches!(self.client, Client::Http) {
            let start = Instant::now();
            loop {
                let view = View::of(self.port, &table(self.port), None, &[]);
                let state = view.assess(open_pf(), AppFirewall::Off).state;
                if state == State::InSession {
                    break;
                }
                if start.elapsed() > Duration::from_secs(5) {
                    return Err(format!("its client is there, but the port shows as {state:?}"));
                }
            }
        }
        drop(stream);
        Ok(words)
    }
}

impl Client {
    fn greet(self, port: u16) -> Result<(TcpStream, String), String> {
        let text = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(text)?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).map_err(text)?;
        let (greeting, expected): (String, &str) = match self {
            Client::Dap => {
                let arguments = r#"{"clientID":"test","adapterID":"test","pathFormat":"path"}"#;
                let body =
                    format!(r#"{{"seq":1,"type":"request","command":"initialize","arguments":{arguments}}}"#);
                (format!("Content-Length: {}\r\n\r\n{body}", body.len()), "\"initialize\"")
            }
            Client::JsonRpc => {
                (r#"{"method":"RPCServer.GetVersion","params":[{}],"id":1}"#.to_owned(), "DelveVersion")
            }
            Client::Http => {
                (format!("GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"), "webSocketDebuggerUrl")
            }
            Client::Jdwp => ("JDWP-Handshake".to_owned(), "JDWP-Handshake"),
            Client::GdbRemote => ("+$qSupported#37".to_owned(), "PacketSize="),
        };
        stream.write_all(greeting.as_bytes()).map_err(text)?;
        let mut answer = String::new();
        let mut piece = [0; 4096];
        while !answer.contains(expected) {
            match stream.read(&mut piece) {
                Ok(0) => return Err(format!("it hangs up on its client after {answer:?}")),
                Ok(length) => answer.push_str(&String::from_utf8_lossy(&piece[..length])),
                Err(error) => {
                    return Err(format!("it does not answer its client: {error}, after {answer:?}"));
                }
            }
        }
        Ok((stream, format!("answers its client with {expected}")))
    }
}

/// What harm looks like afterwards: a single-client dlv whose only client has left, and a server that accepts nobody.
/// Gives the number of states that were not recognised.
fn states_after_harm(folder: &Path) -> usize {
    let mut wrong = 0;
    let mut expect = |name: &str, port: u16, expected: State| {
        let start = Instant::now();
        let mut earlier = table(port);
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let now = table(port);
            let delves = sockets::processes(is_delve_or_go).expect("the processes");
            let said = View::of(port, &now, Some(&earlier), &delves).assess(open_pf(), AppFirewall::Off);
            earlier = now;
            if said.state == expected {
                println!("{name:<28} shows as {expected:?}: {}", said.sentence);
                return;
            }
            if start.elapsed() > Duration::from_secs(10) {
                println!("{name:<28} WRONG: shows as {:?}, not {expected:?}", said.state);
                wrong += 1;
                return;
            }
        }
    };
    for recipe in recipes(folder).into_iter().filter(|recipe| recipe.kind == Kind::DelveHeadless) {
        if let Ok(server) = start(&recipe) {
            drop(TcpStream::connect(("127.0.0.1", server.port)));
            expect("dlv headless after nc", server.port, State::Bricked);
        }
    }
    let deaf = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = deaf.local_addr().expect("its address").port();
    let _client = TcpStream::connect(("127.0.0.1", port));
    expect("a server that accepts nobody", port, State::Wedged);
    drop(deaf);
    expect("nobody", port, State::NoListener);
    if let Ok(six) = TcpListener::bind("[::1]:0") {
        expect("a server on ::1", six.local_addr().expect("its address").port(), State::WrongFamily);
    }
    wrong + owner_seen_by_another()
}

/// Another user's listener is in the table, without its process. Only root can try it; gives 1 where it is wrong.
fn owner_seen_by_another() -> usize {
    use std::os::unix::process::CommandExt;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("its address").port().to_string();
    let me = std::env::current_exe().expect("this program");
    let mut command = Command::new(me);
    match command.args(["owner", &port]).uid(65534).gid(65534).current_dir("/").output() {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            let right = said.trim() == "unknown owner (user root)";
            println!(
                "{:<28} {}shows as {:?}",
                "another user's listener",
                if right { "" } else { "WRONG: " },
                said.trim()
            );
            usize::from(!right)
        }
        _ => {
            println!(
                "{:<28} skipped: this needs root, and a folder that others may read",
                "another user's listener"
            );
            0
        }
    }
}

fn table(port: u16) -> sockets::Table {
    let watched: Vec<PortRange> = PortRange::single(port).into_iter().collect();
    sockets::read(&watched).expect("the socket table")
}

fn open_pf() -> Pf {
    Pf::same(Answer::Yes, Answer::Yes, Answer::Yes)
}

fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/bin".into());
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// A python that has debugpy: `PORTCULLIS_PYTHON`, or the one on the path.
fn find_python() -> Option<PathBuf> {
    let named = std::env::var_os("PORTCULLIS_PYTHON").map(PathBuf::from);
    let candidates = named.into_iter().chain(find(&["python3"])).chain([PathBuf::from("/usr/bin/python3")]);
    candidates.into_iter().find(|python| {
        let found = Command::new(python).args(["-c", "import debugpy"]).stderr(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    })
}

/// A Go program to debug, built once.
fn go_program(folder: &Path) -> Result<PathBuf, String> {
    let binary = folder.join("waits");
    if binary.exists() {
        return Ok(binary);
    }
    let source = folder.join("waits.go");
    let text = "package main\n\nimport \"time\"\n\nfunc main() { time.Sleep(1000 * time.Second) }\n";
    std::fs::write(&source, text).map_err(|error| error.to_string())?;
    let mut go = Command::new(find(&["go"]).ok_or("no go to build a program to debug")?);
    go.args(["build", "-o"]).arg(&binary).arg(&source);
    go.env("GOFLAGS", "").env("GO111MODULE", "off").env("GOCACHE", folder.join("cache"));
    let output = go.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(binary),
        false => Err(format!("go does not build: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
