//! What the end-to-end tests share: a lab of one's own, and the programs run in it.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod capture;
pub mod program;
pub mod variant;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use portcullis::root::request::{Operation, Request};
use portcullis::rules::seal;
use portcullis::system::{LEDGER, Moment};
use sha2::{Digest as _, Sha256};

/// A lab that is removed with the test.
pub struct Lab {
    directory: tempfile::TempDir,
}

/// What a program said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn from(output: Output) -> Self {
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("{error} in {:?} (stderr {:?})", self.out, self.err))
    }

    /// Standard output of a program that must have ended with `code`.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}

/// A request of ada's, made now.
pub fn request(action: Operation) -> Request {
    let boot = portcullis::os::boot_id().unwrap();
    let made = Moment { time: portcullis::os::now(), boot, clock: portcullis::os::clock() };
    Request::new(action, "ada", made)
}

impl Lab {
    pub fn new() -> Self {
        Lab { directory: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn file(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let file = self.file(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// Changes the text of the ledger, as a helper would have written it.
    pub fn edit_ledger(&self, change: impl FnOnce(String) -> String) {
        self.edit_sealed(LEDGER, change);
    }

    /// Changes the text of a file that ends with its hash, which is right again then.
    pub fn edit_sealed(&self, path: &str, change: impl FnOnce(String) -> String) {
        let content = seal::open(&self.read(path)).unwrap();
        self.write(path, seal::sealed(change(String::from_utf8(content).unwrap()).as_bytes()));
    }

    pub fn read(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.file(path)).unwrap()
    }

    /// The lab as the library's functions take it; [`Lab::portcullis`] makes it.
    pub fn system(&self) -> portcullis::lab::Lab {
        portcullis::lab::Lab::existing(self.path()).unwrap()
    }

    /// Has a wrapper in front of the lab's pfctl run `script`; `$real` is the lab's own.
    pub fn wrap_pfctl(&self, script: &str) {
        let real = env!("CARGO_BIN_EXE_pfctl-lab");
        program::script(&self.file("/sbin/pfctl"), &format!("real={real}\n{script}"));
    }

    fn command(&self, program: &str) -> assert_cmd::Command {
        let mut command = assert_cmd::Command::new(program);
        command.arg("--lab").arg(self.path()).env("USER", "ada");
        command
    }

    /// Runs a command. What it opens without naming an end stays open until it is closed, whatever time it is.
    pub fn portcullis(&self, arguments: &[&str]) -> Said {
        let names_end = |word: &&str| ["--for", "--until", "--keep"].contains(word);
        let keeps = arguments.contains(&"open") && !arguments.iter().any(names_end);
        let keep = keeps.then_some("--keep");
        self.portcullis_as_given(&arguments.iter().copied().chain(keep).collect::<Vec<_>>())
    }

    pub fn portcullis_as_given(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(env!("CARGO_BIN_EXE_portcullis")).args(arguments).output().unwrap())
    }

    /// As [`Lab::portcullis`], where there is a display.
    pub fn portcullis_on(&self, display: &str, arguments: &[&str]) -> Said {
        let mut command = self.command(env!("CARGO_BIN_EXE_portcullis"));
        Said::from(command.env("DISPLAY", display).args(arguments).output().unwrap())
    }

    pub fn helper(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(env!("CARGO_BIN_EXE_helper-lab")).args(arguments).output().unwrap())
    }

    /// As [`Lab::helper`], killed where it hangs.
    pub fn helper_that_ends(&self, arguments: &[&str]) -> Said {
        let mut command = self.command(env!("CARGO_BIN_EXE_helper-lab"));
        Said::from(command.args(arguments).timeout(std::time::Duration::from_secs(60)).output().unwrap())
    }

    /// Has the helper carry out a request.
    pub fn request(&self, request: &Request) -> Said {
        let words = request.words();
        self.helper(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub fn pfctl(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(env!("CARGO_BIN_EXE_pfctl-lab")).args(arguments).output().unwrap())
    }

    /// The rules in our anchor below `com.apple`.
    pub fn rules(&self) -> String {
        self.pfctl(&["-a", "com.apple/100.dev.portcullis", "-s", "rules"]).expect(0).out
    }

    /// launchd's tick, which looks at pf however young the last look is.
    pub fn tick(&self) -> Said {
        let _ = std::fs::remove_file(self.file(portcullis::system::STATUS));
        self.helper(&["tick"])
    }

    /// The SHA-256 of every file, by its path in the lab, but for what its launchd keeps for itself.
    pub fn tree(&self) -> BTreeMap<PathBuf, String> {
        let mut tree = BTreeMap::new();
        hash(self.path(), self.path(), &mut tree);
        tree.retain(|path, _| !path.starts_with("private/var/db"));
        tree
    }
}

fn hash(base: &Path, directory: &Path, tree: &mut BTreeMap<PathBuf, String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.symlink_metadata().unwrap().file_type();
        if kind.is_dir() {
            hash(base, &path, tree);
        } else if kind.is_file() {
            let digest = Sha256::digest(std::fs::read(&path).unwrap());
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            tree.insert(path.strip_prefix(base).unwrap().to_owned(), digest);
        }
    }
}

/// Waits until `done`, a while at most: what is waited for comes from another process.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !done() {
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "{what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
