//! The Mac and the client's machine, as namespaces.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis::system::STATUS;

use crate::servers;

/// How namespaces are had, as root and as another user.
pub const NAMESPACES: [&[&str]; 2] =
    [&["-n", "-p", "-f", "--mount-proc"], &["-r", "-n", "-p", "-f", "--mount-proc"]];

/// How long a server may take to listen, and a change to show.
const PATIENCE: Duration = Duration::from_secs(180);

const SOCKETFILTERFW: &str = "socketfilterfw";

pub const MAC: &str = "192.168.1.1";
pub const CLIENT: &str = "192.168.1.20";

/// Whether this user may have namespaces with these options, and a second network in them.
pub fn may_have(options: &[&str]) -> bool {
    let script = "ip link set lo up && unshare -n true && ip link add one type veth peer name two";
    let tried = Command::new("unshare").args(options).args(["sh", "-c", script]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// Both machines. This process is on the Mac.
pub struct Machines {
    /// A project with a program for each debugger, in which everything is run.
    project: PathBuf,
    folder: PathBuf,
    /// A process on the client's machine.
    client: u32,
    running: Vec<Child>,
}

impl Machines {
    pub fn new(folder: &Path) -> Result<Self, String> {
        let mut far = Command::new("unshare");
        far.args(["-n", "sh", "-c", "ip link set lo up; echo; exec sleep infinity"]).stdout(Stdio::piped());
        let mut far = far.spawn().map_err(|error| error.to_string())?;
        let mut line = String::new();
        let out = far.stdout.take().ok_or("no output")?;
        BufReader::new(out).read_line(&mut line).map_err(|error| error.to_string())?;
        let client = far.id();
        let project = folder.join("project");
        fs::create_dir(&project)
            .and_then(|()| servers::project(&project))
            .map_err(|error| error.to_string())?;
        let machines = Machines { project, folder: folder.to_owned(), client, running: vec![far] };
        let here = format!(
            "ip link set lo up; ip link add en0 type veth peer name en0 netns {client}; \
             ip addr add {MAC}/24 dev en0; ip link set en0 up"
        );
        output(Command::new("sh").args(["-ec", &here]))?;
        let there = format!("ip addr add {CLIENT}/24 dev en0; ip link set en0 up");
        output(machines.there("sh").args(["-ec", &there]))?;
        Ok(machines)
    }

    /// A command on the client's machine.
    pub fn there(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.client.to_string(), "-n", program]).current_dir(&self.project);
        command
    }

    /// Puts the programs of a situation where they are found by the names that next steps use, ours and those of macOS that
    /// the lab stands in for among them.
    pub fn prepare(&self, programs: &[&str]) -> Result<(), String> {
        fs::create_dir_all(self.folder.join("bin")).map_err(|error| error.to_string())?;
        for name in programs {
            let program = servers::program(name).ok_or("it was there before")?;
            self.wrap(name, &format!("exec {}", program.display()))?;
        }
        let portcullis = Path::new(env!("CARGO_BIN_EXE_portcullis"));
        let lab = self.folder.join("lab").display().to_string();
        for (name, own) in
            [("portcullis", "portcullis"), ("pfctl", "pfctl-lab"), (SOCKETFILTERFW, "socketfilterfw-lab")]
        {
            let program = portcullis.with_file_name(own);
            // The tools of the machine have no part in it.
            self.wrap(name, &format!("PATH=/nowhere exec {} --lab {lab}", program.display()))?;
        }
        self.wrap("sudo", "exec")
    }

    fn wrap(&self, name: &str, command: &str) -> Result<(), String> {
        let file = self.folder.join("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{command} \"$@\"\n")).map_err(|error| error.to_string())?;
        output(Command::new("chmod").arg("755").arg(file)).map(drop)
    }

    /// A shell on the Mac in the project's folder, with the programs of the situation.
    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.folder.join("bin").display()));
        // Go's own settings of this machine have no part in it; what it built stays for the next time.
        command.env("GOFLAGS", "").env("GOTOOLCHAIN", "local").env("GOCACHE", servers::go_cache());
        command.args(["-c", line]).current_dir(&self.project);
        command
    }

    /// What a command prints that ends, whether it succeeds or not.
    pub fn run(&self, line: &str) -> String {
        // macOS's own programs are named by their paths.
        let line = line.replace("/usr/libexec/ApplicationFirewall/", "").replace("/sbin/pfctl", "pfctl");
        let output = self.shell(&line).stdin(Stdio::null()).output().expect("a shell");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// What root saw last is lost.
    pub fn forget(&self) -> Result<(), String> {
        let status = self.folder.join("lab").join(STATUS.trim_start_matches('/'));
        fs::remove_file(status).map_err(|error| error.to_string())
    }

    /// Changes a line of the lab's settings.
    pub fn set(&self, key: &str, value: &str) {
        let file = self.folder.join("lab/lab.toml");
        let text = fs::read_to_string(&file).expect("the lab's settings");
        let line = format!("{key} = ");
        let text: String = text
            .lines()
            .map(|old| if old.starts_with(&line) { format!("{line}{value}\n") } else { format!("{old}\n") })
            .collect();
        fs::write(file, text).expect("the lab's settings");
    }

    /// Starts what runs on; gives its place in the list of those.
    pub fn start(&mut self, line: &str) -> Result<usize, String> {
        self.begin(self.shell(&format!("exec {line}")))
    }

    fn begin(&mut self, mut command: Command) -> Result<usize, String> {
        let log = fs::File::create(self.log(self.running.len())).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        // Held open: dlv's prompt ends with its input.
        command.stdin(Stdio::piped()).stdout(log).stderr(errors);
        let child = command.spawn().map_err(|error| format!("does not start: {error}"))?;
        self.running.push(child);
        Ok(self.running.len() - 1)
    }

    fn log(&self, number: usize) -> PathBuf {
        self.folder.join(format!("log-{number}"))
    }

    /// What the last that was started printed.
    pub fn said(&self) -> String {
        fs::read_to_string(self.log(self.running.len() - 1)).unwrap_or_default()
    }

    /// Runs a tunnel on the client's machine, with a key of root's, and waits for its near end at `port`.
    pub fn tunnel(&mut self, line: &str, port: u16) -> Result<(), String> {
        let key = self.folder.join("key");
        output(Command::new("ssh-keygen").args(["-qt", "ed25519", "-N", "", "-f"]).arg(&key))?;
        // Hidden by a folder of this mount namespace alone.
        let home = output(Command::new("sh").args(["-c", "getent passwd 0 | cut -d: -f6"]))?;
        let home = home.trim();
        let script = format!(
            "mkdir -p {home}/.ssh; mount -t tmpfs none {home}/.ssh; chmod 700 {home}/.ssh; \
             cp {0}.pub {home}/.ssh/authorized_keys; cp {0} {home}/.ssh/id_ed25519; \
             printf 'StrictHostKeyChecking no\n' >{home}/.ssh/config; chmod 600 {home}/.ssh/*; \
             dropbearkey -t ed25519 -f {0}-of-host >/dev/null 2>&1",
            key.display()
        );
        output(Command::new("sh").args(["-ec", &script]))?;
        self.start(&format!("dropbear -F -E -p {MAC}:22 -P {0}.pid -r {0}-of-host", key.display()))?;
        self.until("the Mac can be logged in to", |machines| !machines.listens_on(22).is_empty())?;
        let line = line.replace("USER", "root").replace("THIS-MAC", MAC);
        let mut command = self.there("sh");
        command.args(["-c", &format!("exec {line}")]);
        self.begin(command)?;
        let near = format!("ss -Hltn 'sport = :{port}'");
        let is_there = |machines: &Self| {
            output(machines.there("sh").args(["-c", &near])).is_ok_and(|said| !said.is_empty())
        };
        self.until("the tunnel is there", is_there)
    }

    /// A client connects from its machine, and stays.
    pub fn serve(&mut self, port: u16) -> Result<(), String> {
        let mut command = self.there("bash");
        command.args(["-c", &format!("exec 3<>/dev/tcp/{MAC}/{port}; exec sleep infinity")]);
        self.begin(command)?;
        let accepted = format!("ss -Htnp state established sport = :{port}");
        self.until("its client is served", |machines| machines.run(&accepted).contains("pid="))
    }

    /// The client connects from its machine, and is answered.
    pub fn speaks_there(&self, host: &str, port: &str) -> Result<(), String> {
        let me = std::env::current_exe().map_err(|error| error.to_string())?;
        output(self.there(me.to_str().ok_or("no name")?).args(["speak", host, port])).map(drop)
    }

    /// The same from this Mac.
    pub fn speaks_here(&self, host: &str, port: &str) -> Result<(), String> {
        let me = std::env::current_exe().map_err(|error| error.to_string())?;
        output(Command::new(me).args(["speak", host, port])).map(drop)
    }

    /// Ends one that runs with all that it started, and waits until `port` is free.
    pub fn stop(&mut self, number: usize, port: u16) -> Result<(), String> {
        let child = self.running.get(number).ok_or("nothing was started")?.id();
        // debugpy's adapter is no descendant.
        let owners = output(Command::new("ss").args(["-Hltnp", &format!("sport = :{port}")]))?;
        let owners = owners.split("pid=").skip(1).filter_map(|text| text.split(',').next()?.parse().ok());
        let doomed: Vec<u32> = descendants(child).into_iter().chain(owners).collect();
        for pid in doomed {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status();
        }
        let _ = self.running.get_mut(number).map(Child::wait);
        self.until("its port is free", |machines| machines.listens_on(port).is_empty())
    }

    /// The addresses that something listens on at `port`, as `ss` has them.
    pub fn listens_on(&self, port: u16) -> Vec<String> {
        let shown =
            output(Command::new("ss").args(["-Hltn", &format!("sport = :{port}")])).unwrap_or_default();
        let local = shown.lines().filter_map(|line| line.split_whitespace().nth(3)?.rsplit_once(':'));
        local.map(|(address, _)| address.to_owned()).collect()
    }

    pub fn until(&self, what: &str, done: impl Fn(&Self) -> bool) -> Result<(), String> {
        let start = Instant::now();
        while !done(self) {
            if start.elapsed() > PATIENCE {
                return Err(format!("waited in vain until {what}: {}", self.said()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// What a command prints that has to succeed.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(said),
        false => Err(format!("{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// A process, those that it started, and those that they did.
fn descendants(ancestor: u32) -> Vec<u32> {
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let pids = fs::read_dir("/proc").into_iter().flatten();
    let pids = pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let parents: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found
}
