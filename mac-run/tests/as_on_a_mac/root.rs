//! A Mac in a directory: the app in /Applications, stand-ins at their absolute paths, two users.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use portcullis::root::request::Request;

use crate::program;

/// `mac-run`, built with these tests.
const MAC_RUN: &str = env!("CARGO_BIN_EXE_mac-run");
const APP: &str = "Portcullis.app";
/// Programs of this machine that are the same on a Mac.
const SHARED: [&str; 11] = [
    "/bin/sh",
    "/bin/cat",
    "/bin/rm",
    "/bin/chmod",
    "/bin/mkdir",
    "/bin/echo",
    "/bin/kill",
    "/bin/sleep",
    "/usr/bin/mktemp",
    "/usr/bin/env",
    "/usr/bin/head",
];
const FOLDERS: [&str; 9] = [
    "private/etc",
    "private/var/root",
    "private/var/log",
    "private/tmp",
    "Users/ada",
    "Library/Application Support",
    "Library/LaunchDaemons",
    "Library/Logs",
    "Applications",
];
/// macOS's own links, relative as there.
const LINKS: [(&str, &str); 3] = [("etc", "private/etc"), ("var", "private/var"), ("tmp", "private/tmp")];

/// Ada, an administrator.
const USER: &str = "501";

/// A Mac that is removed with the test.
pub struct Mac {
    directory: tempfile::TempDir,
    /// The folder of the app's programs.
    programs: String,
}

/// What a program said.
#[derive(Debug)]
pub struct Said {
    /// 128 + N where signal N ended it.
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn of(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let status = output.status;
        Said {
            code: status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let error = |error| panic!("{error} in {:?} (stderr {:?})", self.out, self.err);
        serde_json::from_str(&self.out).unwrap_or_else(error)
    }
}

/// A program of the Mac build, as `make mac-run` made it.
pub fn built(name: &str) -> PathBuf {
    let folder = std::env::var_os("MAC_RUN_PROGRAMS").expect("MAC_RUN_PROGRAMS: run by `make mac-run`");
    Path::new(&folder).join(name)
}

/// A command that runs a program of the Mac build without a root.
pub fn mac_run(program: &Path) -> Command {
    let mut command = Command::new(MAC_RUN);
    command.arg(program).env("MAC_RUN_TEST", test());
    command
}

/// The test that this is.
fn test() -> String {
    std::thread::current().name().unwrap_or("as_on_a_mac").to_owned()
}

impl Mac {
    /// A stock Mac just after its start.
    pub fn new() -> Self {
        let folder = std::env::var_os("MAC_RUN_PROGRAMS").expect("MAC_RUN_PROGRAMS: run by `make mac-run`");
        // Beside the programs, so that they need not be copied.
        let mut mac = Mac {
            directory: tempfile::Builder::new().prefix("mac.").tempdir_in(folder).unwrap(),
            programs: String::new(),
        };
        for folder in FOLDERS {
            std::fs::create_dir_all(mac.place(folder)).unwrap();
        }
        for (link, target) in LINKS {
            std::os::unix::fs::symlink(target, mac.place(link)).unwrap();
        }
        mac.install_stand_ins();
        mac.link("/private/var/stand-in", Path::new(env!("CARGO_BIN_EXE_stand-in")));
        mac.link("/private/var/cp", Path::new("/bin/cp"));
        for program in SHARED {
            mac.link(program, Path::new(program));
        }
        mac.put_app("/Applications");
        mac.write("/private/etc/pf.conf", portcullis::lab::STOCK_PF_CONF);
        mac.write("/private/etc/pf.anchors/com.apple", portcullis::lab::STOCK_COM_APPLE);
        // pf starts: /etc/pf.conf is loaded, pf is off.
        mac.pfctl(&["-s", "info"]).expect(0);
        mac
    }

    fn put_app(&mut self, folder: &str) {
        self.programs = format!("{folder}/{APP}/Contents/MacOS");
        std::fs::create_dir_all(self.place(&self.programs)).unwrap();
        for program in ["portcullis", "portcullis-helper"] {
            std::fs::hard_link(built(program), self.place(&format!("{}/{program}", self.programs))).unwrap();
        }
    }

    /// Moves the app from /Applications to another folder.
    pub fn move_app(&mut self, folder: &str) {
        std::fs::remove_dir_all(self.place(&format!("/Applications/{APP}"))).unwrap();
        self.put_app(folder);
    }

    fn link(&self, path: &str, target: &Path) {
        std::fs::create_dir_all(self.place(path).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, self.place(path)).unwrap();
    }

    /// By a child, for the reason that [`program::write`] gives.
    fn install_stand_ins(&self) {
        let from = concat!(env!("CARGO_MANIFEST_DIR"), "/stand-ins/.");
        assert!(Command::new("/bin/cp").args(["-R", from]).arg(self.root()).status().unwrap().success());
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Where a path of the Mac lies here.
    pub fn place(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub fn read(&self, path: &str) -> String {
        String::from_utf8(std::fs::read(self.place(path)).unwrap_or_else(|error| panic!("{path}: {error}")))
            .unwrap()
    }

    pub fn write(&self, path: &str, text: &str) {
        let place = self.place(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, text).unwrap();
    }

    /// Puts a script in the place of one of macOS's programs; `$real` is what was there.
    pub fn wrap(&self, path: &str, script: &str) {
        let place = self.place(path);
        let real = place.with_extension("real");
        if !real.exists() {
            std::fs::rename(&place, &real).unwrap();
        }
        program::script(&place, &format!("real={path}.real\n{script}"));
    }

    /// Puts back what [`Mac::wrap`] replaced.
    pub fn unwrap(&self, path: &str) {
        let place = self.place(path);
        std::fs::rename(place.with_extension("real"), place).unwrap();
    }

    /// A command that runs a program of the Mac: by root.
    pub fn by_root(&self, path: &str) -> Command {
        let mut command = mac_run(&self.place(path));
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("MAC_ROOT", self.root());
        for kept in ["MAC_RUN_TRACE", "RUST_BACKTRACE"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        command.env("MAC_RUN_TEST", test()).current_dir(self.root());
        command
    }

    /// Root's shell: arguments follow.
    pub fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, "sh"]).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("MAC_ROOT", self.root()).env("MAC_RUN", MAC_RUN);
        command.env("LD_PRELOAD", Path::new(MAC_RUN).with_file_name("libmac_run_preload.so"));
        command
    }

    /// The same by Ada.
    pub fn by_user(&self, path: &str) -> Command {
        let mut command = self.by_root(path);
        command.envs([("MAC_USER", USER), ("HOME", "/Users/ada"), ("USER", "ada")]);
        command
    }

    pub fn portcullis(&self, arguments: &[&str]) -> Said {
        Said::of(self.by_user(&format!("{}/portcullis", self.programs)).args(arguments).output().unwrap())
    }

    pub fn helper(&self, arguments: &[&str]) -> Said {
        Said::of(self.helper_command(arguments).output().unwrap())
    }

    pub fn helper_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.by_root(&format!("{}/portcullis-helper", self.programs));
        command.args(arguments);
        command
    }

    /// Has the helper carry out a request.
    pub fn request(&self, request: &Request) -> Said {
        Said::of(self.request_command(request).output().unwrap())
    }

    pub fn request_command(&self, request: &Request) -> Command {
        let words = request.words();
        self.helper_command(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// macOS's pfctl, by root.
    pub fn pfctl(&self, arguments: &[&str]) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stand-in"));
        command.arg("pfctl").args(arguments).env("MAC_ROOT", self.root());
        Said::of(command.output().unwrap())
    }

    /// The rules in our anchor below `com.apple`.
    pub fn rules(&self) -> String {
        self.pfctl(&["-a", "com.apple/100.dev.portcullis", "-s", "rules"]).expect(0).out
    }

    pub fn status(&self) -> serde_json::Value {
        self.portcullis(&["status", "--json"]).expect(0).json()
    }

    /// The prompts that were shown, with the command that root was asked to run.
    pub fn prompts(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.place("/private/var/log/prompts.log")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The text of every file below /etc and of the ledger, without the line that says when it was written: what a change
    /// that was undone leaves as it was.
    pub fn substance(&self) -> BTreeMap<PathBuf, String> {
        let mut files = BTreeMap::new();
        collect(&self.place("/private/etc"), &mut files);
        let ledger = self.place("/Library/Application Support/Portcullis/ledger.json");
        if let Ok(text) = std::fs::read_to_string(&ledger) {
            files.insert(ledger, text);
        }
        files
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.split_inclusive('\n').filter(|line| !line.contains(": written by Portcullis"));
            files.insert(path, lines.collect());
        }
    }
}
