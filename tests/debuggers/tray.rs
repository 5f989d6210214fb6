//! The tray, on a virtual screen, looking at the servers as often as it can be made to.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::commands::{Commands, Traces};
use crate::recipes::Running;

/// How long the tray may take to look for the first time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A screen, a bus, and a lab in which the ports of the servers are open, so that the tray shows them.
pub struct Screen {
    display: String,
    bus: String,
    commands: Commands,
    home: PathBuf,
    _programs: [Ended; 2],
}

/// A process that ends with its value, and what it started.
struct Ended(Child);

impl Ended {
    fn start(command: &mut Command) -> std::io::Result<Ended> {
        command.process_group(0).spawn().map(Ended)
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.wait();
    }
}

impl Screen {
    /// Errors: there is no tray in this build, or no screen to show it on; says which.
    pub fn new(folder: &Path, running: &[Running]) -> Result<Screen, String> {
        if !cfg!(all(feature = "gui", target_os = "linux")) {
            return Err("this build has no tray, or no virtual screen".to_owned());
        }
        let (bus_daemon, bus) = start("dbus-daemon", &["--session", "--nofork", "--print-address=1"])?;
        let screen = ["-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"];
        let (xvfb, display) = start("Xvfb", &screen)?;
        let home = folder.join("tray-home");
        std::fs::create_dir_all(&home).expect("a home");
        let commands = Commands::new(folder, "tray");
        let ports = running.iter().map(|server| server.port.to_string());
        let open: Vec<String> = std::iter::once("open".to_owned()).chain(ports).collect();
        commands.run(&[open, vec!["--from".to_owned(), "any".to_owned()]].concat());
        Ok(Screen { display: format!(":{display}"), bus, commands, home, _programs: [bus_daemon, xvfb] })
    }

    /// Gives a command, the tray or what starts it, its place on the screen.
    fn place<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env_remove("WAYLAND_DISPLAY")
            .env("GDK_BACKEND", "x11")
            .env("NO_AT_BRIDGE", "1")
            .env("GSETTINGS_BACKEND", "memory")
            .env("HOME", &self.home)
            .env("XDG_RUNTIME_DIR", &self.home)
            .stdin(Stdio::null())
    }

    /// Writes what root saw anew, as it is, which makes the tray look: once each time.
    fn poke(&self) {
        let file = self.commands.lab.join(portcullis::system::STATUS.trim_start_matches('/'));
        let beside = file.with_extension("again");
        let same = std::fs::read(&file).expect("what root saw");
        std::fs::write(&beside, same).and_then(|()| std::fs::rename(&beside, &file)).expect("it is written");
        // The tray takes what comes within a tenth of a second for one change.
        std::thread::sleep(Duration::from_millis(120));
    }

    /// Shows the tray until it is over.
    pub fn look_over_and_over(&self, is_over: &dyn Fn() -> bool) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        self.place(command.arg("--lab").arg(&self.commands.lab));
        let mut tray = Ended::start(&mut command).expect("the tray starts");
        let start = Instant::now();
        while !is_over() || start.elapsed() < Duration::from_secs(2) {
            self.poke();
            if let Some(status) = tray.0.try_wait().expect("the tray's state") {
                panic!("the tray has ended with {status}");
            }
        }
    }

    /// Keeps what of the tray names one of the ports, while it looks some times, by the trace itself.
    pub fn trace(&self, traces: &mut Traces, ports: &[u16]) {
        let arguments = ["--lab".to_owned(), self.commands.lab.display().to_string()];
        let program = Path::new(env!("CARGO_BIN_EXE_portcullis"));
        let mut command = traces.command(program, &arguments);
        let mut strace = Ended::start(self.place(&mut command)).expect("strace starts");
        // A look asks the kernel for its sockets, by netlink.
        let asked = |traces: &Traces| traces.text().matches("nlmsg_type=").count();
        let start = Instant::now();
        while asked(traces) < 12 {
            assert!(start.elapsed() < PATIENCE, "the tray does not look");
            self.poke();
        }
        let pid = strace.0.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        for child in children.expect("strace's children").split_whitespace() {
            Command::new("kill").arg(child).status().expect("kill");
        }
        strace.0.wait().expect("strace ends with the tray");
        traces.keep(program, &arguments, "", ports);
    }
}

/// Starts a program that prints where it is to be found on its first line.
fn start(program: &str, arguments: &[&str]) -> Result<(Ended, String), String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut ended = Ended::start(&mut command).map_err(|error| format!("{program}: {error}"))?;
    let output = ended.0.stdout.take().ok_or("no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).map_err(|error| format!("{program}: {error}"))?;
    match line.trim() {
        "" => Err(format!("{program} ends at once")),
        line => Ok((ended, line.to_owned())),
    }
}
