//! Every command of Portcullis, each in every form that looks at a port, run in a lab.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use portcullis::debuggers::debugger::Mode;
use portcullis::debuggers::{chrome, delve, node};

use crate::recipes::{Running, find};

/// A lab of its own, in which commands run.
pub struct Commands {
    pub lab: PathBuf,
    /// A log of pf's, with nothing in it.
    log: PathBuf,
    conf: PathBuf,
}

impl Commands {
    pub fn new(folder: &Path, name: &str) -> Commands {
        let log = folder.join("empty.pcap");
        // pcap's header: magic, version 2.4, zone, accuracy, length, DLT_PFLOG.
        let header: Vec<u8> =
            [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65535, 117].into_iter().flat_map(u32::to_ne_bytes).collect();
        std::fs::write(&log, header).expect("a log");
        let conf = folder.join("pf.conf");
        std::fs::write(&conf, "block in all\npass in proto tcp to any port 2345\n").expect("a pf.conf");
        Commands { lab: folder.join(name), log, conf }
    }

    /// Every command that has nothing to do with one port.
    pub fn general(&self) -> Vec<Vec<String>> {
        let (log, conf) = (self.log.display().to_string(), self.conf.display().to_string());
        lines(&[
            &["status"],
            &["status", "--json"],
            &["status", "--check"],
            &["ports"],
            &["guard", "on"],
            &["repair"],
            &["doctor"],
            &["doctor", "--json"],
            &["close", "--all"],
            &["guard", "off"],
            &["prefs"],
            &["prefs", "from", "any"],
            &["log", &log],
            &["history"],
            &["snapshots"],
            &["undo", "--dry-run"],
            &["install"],
            &["install", "--command-line"],
            &["clean-up", "--dry-run"],
            &["uninstall", "--dry-run"],
            &["check", &conf],
            &["explain", "2345", "--conf", &conf],
            &["completions", "zsh"],
        ])
    }

    /// Every command for the port of a server. A server that a probe does no harm is probed elsewhere.
    pub fn of_port(&self, server: &Running) -> Vec<Vec<String>> {
        let port = &server.port.to_string();
        let mut all = lines(&[
            &["open", port, "--dry-run"],
            &["open", port, "--from", "any"],
            &["explain", port],
            &["explain", port, "--from", "192.168.1.20", "--json"],
            &["connect", port],
            &["connect", port, "--json"],
            &["close", port, "--dry-run"],
            &["close", port],
        ]);
        if !is_harmless_to_ask(server.mode) {
            all.extend(lines(&[&["probe", port], &["probe", port, "--json"]]));
        }
        all
    }

    /// Runs one command. A panic is a failure of the test.
    pub fn run(&self, arguments: &[String]) -> Output {
        let output = self.command().args(arguments).output().expect("the program starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        let ended = output.status.code().is_some_and(|code| code <= 5);
        assert!(ended && !errors.contains("panicked"), "{arguments:?}: {} {errors}", output.status);
        output
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.arg("--lab").arg(&self.lab).stdin(Stdio::null());
        command
    }

    /// What `doctor --json` says of a port, run in a folder whose launch.json names the port.
    pub fn doctor(&self, port: u16) -> serde_json::Value {
        let project = self.lab.with_extension(format!("project-{port}"));
        let configuration =
            format!(r#"{{"configurations":[{{"name":"x","type":"x","request":"attach","port":{port}}}]}}"#);
        std::fs::create_dir_all(project.join(".vscode")).expect("a project");
        std::fs::write(project.join(".vscode/launch.json"), configuration).expect("a launch.json");
        let mut command = self.command();
        // Without a toolchain to ask it is faster.
        command.args(["doctor", "--json"]).current_dir(&project).env("PATH", "/nowhere");
        let output = command.output().expect("the program starts");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let ports = report["ports"].as_array().expect("ports");
        ports.iter().find(|found| found["port"] == port).cloned().expect("the port that the project names")
    }
}

/// Whether a probe of it connects.
pub fn is_harmless_to_ask(mode: &'static Mode) -> bool {
    [&node::INSPECTOR, &chrome::DEVTOOLS, &delve::MULTICLIENT].contains(&mode)
}

fn lines(lines: &[&[&str]]) -> Vec<Vec<String>> {
    lines.iter().map(|line| line.iter().map(|word| (*word).to_owned()).collect()).collect()
}

/// The commands that `--help` names and that none of ours runs: one that is new belongs here too.
pub fn forgotten(commands: &[Vec<String>]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("--help").output().expect("the help");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, list) = text.split_once("Commands:\n").expect("a list of commands");
    let named = list.lines().take_while(|line| !line.is_empty());
    // What is indented further goes on from the line above.
    let named = named.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let named: Vec<&str> = named.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(named.len() > 10, "the help is not understood: {text}");
    let run: BTreeSet<&str> = commands.iter().filter_map(|line| line.first().map(String::as_str)).collect();
    named.into_iter().filter(|name| *name != "help" && !run.contains(name)).map(str::to_owned).collect()
}

/// What of ours names a watched port in a connect, bind or send, by strace(1).
pub struct Traces {
    strace: PathBuf,
    file: PathBuf,
    /// How many programs were traced.
    pub runs: usize,
    /// The lines that name a watched port.
    pub touching: Vec<String>,
}

impl Traces {
    /// `None`: strace is not installed, or may not trace here; says which.
    pub fn new(folder: &Path) -> Result<Traces, String> {
        let strace = find(&["strace"]).ok_or("strace is not installed")?;
        let traces = Traces { strace, file: folder.join("trace"), runs: 0, touching: Vec::new() };
        let trial = Command::new(&traces.strace)
            .args(["-f", "--seccomp-bpf", "-o", "/dev/null", "/bin/true"])
            .output();
        match trial {
            Ok(output) if output.status.success() => Ok(traces),
            Ok(output) => {
                Err(format!("strace may not trace here: {}", String::from_utf8_lossy(&output.stderr)))
            }
            Err(error) => Err(format!("strace does not start: {error}")),
        }
    }

    /// Runs a program and what it starts, and keeps the calls that name one of the `ports`.
    pub fn watch(&mut self, program: &Path, arguments: &[String], ports: &[u16]) {
        let output = self.command(program, arguments).output().expect("strace starts");
        self.keep(program, arguments, &String::from_utf8_lossy(&output.stderr), ports);
    }

    /// What runs a program and writes its trace.
    pub fn command(&self, program: &Path, arguments: &[String]) -> Command {
        let mut command = Command::new(&self.strace);
        // The filter in the kernel stops a program at these calls alone.
        command.args(["-f", "--seccomp-bpf", "-qq"]);
        command.args(["-e", "trace=execve,connect,bind,sendto,sendmsg,sendmmsg", "-o"]);
        command.arg(&self.file).arg(program).args(arguments).stdin(Stdio::null());
        command
    }

    /// What is traced so far.
    pub fn text(&self) -> String {
        let bytes = std::fs::read(&self.file).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Keeps the calls that name one of the `ports`. A run that left no trace of itself fails the test: nothing would be
    /// seen then.
    pub fn keep(&mut self, program: &Path, arguments: &[String], errors: &str, ports: &[u16]) {
        let trace = self.text();
        let started = trace.contains("execve(\"") && trace.contains(&program.display().to_string());
        assert!(started, "{arguments:?} left no trace: {errors}");
        std::fs::remove_file(&self.file).expect("the trace is removed");
        let names = |line: &&str| {
            ports.iter().any(|port| line.contains(&format!("_port=htons({port})")))
                && !line.contains("execve(")
        };
        self.touching.extend(trace.lines().filter(names).map(str::to_owned));
        self.runs += 1;
    }

    /// The same for a command of ours.
    pub fn watch_command(&mut self, commands: &Commands, arguments: &[String], ports: &[u16]) {
        let lab = ["--lab".to_owned(), commands.lab.display().to_string()];
        let program = Path::new(env!("CARGO_BIN_EXE_portcullis"));
        self.watch(program, &[&lab[..], arguments].concat(), ports);
    }
}
