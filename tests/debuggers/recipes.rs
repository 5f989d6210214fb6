//! How each real debug server is started, and what it is.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use portcullis::debuggers::debugger::Mode;
use portcullis::debuggers::{chrome, debugpy, delve, gdbserver, jdwp, lldb, node, rdbg};

use crate::clients::Client;
use crate::table;

/// A way to start a server, and what to expect of it.
pub struct Recipe {
    pub name: &'static str,
    pub mode: &'static Mode,
    pub client: Client,
    /// The command line for a port, or what is missing.
    command: Box<dyn Fn(u16) -> Result<Command, String> + Send>,
}

/// A server that listens.
pub struct Running {
    pub name: &'static str,
    pub mode: &'static Mode,
    pub client: Client,
    pub port: u16,
    pub child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // The whole group, and the debuggees, which some debuggers start in a group of their own.
        let own = format!("-{}", self.child.id());
        let debuggees = descendants(self.child.id()).into_iter().map(|pid| pid.to_string());
        let _ =
            Command::new("kill").args(["-KILL", "--", &own]).args(debuggees).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

/// The processes that `ancestor` started, and those that they did. None where there is no /proc.
fn descendants(ancestor: u32) -> Vec<u32> {
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let pids = std::fs::read_dir("/proc").into_iter().flatten();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let parents: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// Starts every server that is installed, all at the same time; prints and counts those that are not.
pub fn start_all(folder: &Path) -> (Vec<Running>, usize) {
    let starting: Vec<_> = recipes(folder)
        .into_iter()
        .map(|recipe| std::thread::spawn(move || (recipe.name, recipe.start())))
        .collect();
    let mut running = Vec::new();
    let mut skipped = 0;
    for thread in starting {
        match thread.join().expect("the start of a server") {
            (_, Ok(server)) => running.push(server),
            (name, Err(problem)) => {
                skipped += 1;
                println!("{name:<28} skipped: {problem}");
            }
        }
    }
    (running, skipped)
}

pub fn recipes(folder: &Path) -> Vec<Recipe> {
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
    let node = |flag: &'static str| {
        move |port: u16| {
            let mut command = Command::new(find(&["node"]).ok_or("no node")?);
            command.arg(format!("{flag}=127.0.0.1:{port}")).args(["-e", "setTimeout(() => {}, 1e6)"]);
            Ok(command)
        }
    };
    let gdbserver = |once: bool| {
        move |port: u16| {
            let mut command = Command::new(find(&["gdbserver"]).ok_or("no gdbserver")?);
            command.args(once.then_some("--once")).arg(format!("127.0.0.1:{port}")).arg(sleep()).arg("1000");
            Ok(command)
        }
    };
    let debugpy = |waits: bool| {
        let (python, folder) = (find_python(), folder.to_owned());
        move |port: u16| {
            let script = write(&folder, "wait.py", "import time\ntime.sleep(1000)\n")?;
            let mut command = Command::new(python.clone().ok_or("no python with debugpy")?);
            command.args(["-Xfrozen_modules=off", "-m", "debugpy", "--listen", &format!("127.0.0.1:{port}")]);
            command.args(waits.then_some("--wait-for-client")).arg(script);
            Ok(command)
        }
    };
    let (ruby_folder, chrome_folder) = (folder.to_owned(), folder.to_owned());
    let recipe = |name, mode, client, command| Recipe { name, mode, client, command };
    let headless = &["exec", "--headless", "--api-version=2"];
    let many = &["exec", "--headless", "--api-version=2", "--accept-multiclient"];
    vec![
        recipe("dlv dap", &delve::DAP, Client::DelveDap, Box::new(delve(&["dap"]))),
        recipe("dlv headless", &delve::HEADLESS, Client::Delve, Box::new(delve(headless))),
        recipe("dlv headless multi-client", &delve::MULTICLIENT, Client::Delve, Box::new(delve(many))),
        recipe("node --inspect-brk", &node::INSPECTOR, Client::Node, Box::new(node("--inspect-brk"))),
        recipe("node --inspect", &node::INSPECTOR, Client::Node, Box::new(node("--inspect"))),
        recipe("debugpy", &debugpy::ADAPTER, Client::Debugpy, Box::new(debugpy(false))),
        recipe("debugpy, waiting", &debugpy::ADAPTER, Client::Debugpy, Box::new(debugpy(true))),
        recipe(
            "java, suspended",
            &jdwp::AGENT,
            Client::Jdb,
            Box::new(|port| {
                let mut command = Command::new(find(&["java"]).ok_or("no java")?);
                let agent = format!("transport=dt_socket,server=y,suspend=y,address=127.0.0.1:{port}");
                command.arg(format!("-agentlib:jdwp={agent}")).arg("-version");
                Ok(command)
            }),
        ),
        recipe("gdbserver", &gdbserver::STUB, Client::Gdb, Box::new(gdbserver(false))),
        recipe("gdbserver --once", &gdbserver::STUB, Client::Gdb, Box::new(gdbserver(true))),
        recipe(
            "lldb-server gdbserver",
            &lldb::SERVER_MODE,
            Client::Lldb,
            Box::new(|port| {
                let mut command = Command::new(find_llvm("lldb-server").ok_or("no lldb-server")?);
                command.args(["gdbserver", &format!("127.0.0.1:{port}"), "--"]).arg(sleep()).arg("1000");
                Ok(command)
            }),
        ),
        recipe(
            "lldb-dap",
            &lldb::DAP_MODE,
            Client::LldbDap,
            Box::new(|port| {
                let (program, old) = match find_llvm("lldb-dap") {
                    Some(program) => (program, false),
                    None => (find_llvm("lldb-vscode").ok_or("no lldb-dap")?, true),
                };
                let mut command = Command::new(program);
                match old {
                    true => command.args(["--port", &port.to_string()]),
                    false => command.args(["--connection", &format!("listen://127.0.0.1:{port}")]),
                };
                Ok(command)
            }),
        ),
        recipe(
            "rdbg",
            &rdbg::OPEN,
            Client::Rdbg,
            Box::new(move |port| {
                let script = write(&ruby_folder, "wait.rb", "sleep 1000\n")?;
                let mut command = Command::new(find_rdbg().ok_or("no rdbg")?);
                command.args(["--open", "--host", "127.0.0.1", "--port", &port.to_string()]).arg(script);
                Ok(command)
            }),
        ),
        recipe(
            "Chrome",
            &chrome::DEVTOOLS,
            Client::Chrome,
            Box::new(move |port| {
                let names = ["chromium-headless-shell", "chrome-headless-shell", "google-chrome", "chromium"];
                let mut command = Command::new(find(&names).ok_or("no Chrome")?);
                command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
                command.arg(format!("--remote-debugging-port={port}"));
                command.arg(format!("--user-data-dir={}", chrome_folder.join("chrome").display()));
                Ok(command)
            }),
        ),
    ]
}

impl Recipe {
    /// Starts the server on a port where it is recognised, and waits until it listens.
    pub fn start(&self) -> Result<Running, String> {
        // Nothing but its usual port tells that it is rdbg.
        self.start_on(if self.mode == &rdbg::OPEN { 12345 } else { free_port() })
    }

    /// Starts the server on `port`, and waits until it listens.
    pub fn start_on(&self, port: u16) -> Result<Running, String> {
        if table(port).listeners_on(port).next().is_some() {
            return Err(format!("port {port} is in use"));
        }
        let mut command = (self.command)(port)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(|error| format!("does not start: {error}"))?;
        let errors = child.stderr.take();
        let mut server = Running { name: self.name, mode: self.mode, client: self.client, port, child };
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(60) {
            if table(port).listeners_on(port).next().is_some() {
                // Drained, so that a talkative server never blocks.
                std::thread::spawn(move || {
                    errors.map(|errors| BufReader::new(errors).lines().for_each(drop))
                });
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
        Err("does not listen within 60 s".to_owned())
    }
}

/// A port that is free now. Bound and freed before the server starts, never while it does.
pub fn free_port() -> u16 {
    // The kernel may give one twice, as long as no server listens on it yet.
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("its address").port();
        if GIVEN.lock().expect("no thread panicked").insert(port) {
            return port;
        }
    }
}

pub fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push("/usr/bin".into());
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// A program of LLVM, which packagers give a version.
pub fn find_llvm(name: &str) -> Option<PathBuf> {
    let versions = (14..30).rev().map(|version| format!("{name}-{version}"));
    let names: Vec<String> = std::iter::once(name.to_owned()).chain(versions).collect();
    find(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

pub fn find_rdbg() -> Option<PathBuf> {
    find(&["rdbg", "rdbg3.3", "rdbg3.2", "rdbg3.1"])
}

pub fn sleep() -> PathBuf {
    find(&["sleep"]).unwrap_or_else(|| "/bin/sleep".into())
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

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let file = folder.join(name);
    std::fs::write(&file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
    Ok(file)
}

/// A Go program to debug, built once.
pub fn go_program(folder: &Path) -> Result<PathBuf, String> {
    let binary = folder.join("waits");
    if binary.exists() {
        return Ok(binary);
    }
    let text = "package main\n\nimport \"time\"\n\nfunc main() { time.Sleep(1000 * time.Second) }\n";
    let source = write(folder, "waits.go", text)?;
    let mut go = Command::new(find(&["go"]).ok_or("no go to build a program to debug")?);
    go.args(["build", "-o"]).arg(&binary).arg(&source);
    go.env("GOFLAGS", "").env("GO111MODULE", "off").env("GOTOOLCHAIN", "local");
    go.env("GOCACHE", folder.join("cache"));
    let output = go.output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(binary),
        false => Err(format!("go does not build: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
