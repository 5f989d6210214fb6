//! A lab in which files must be root's, as on a Mac.

use std::ffi::OsString;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use ipnet::IpNet;
use portcullis::lab;
use portcullis::os::holds::{HoldError, Release};
use portcullis::os::process::Program;
use portcullis::os::states::StatesError;
use portcullis::os::{Files, Interface};
use portcullis::root::answer::Response;
use portcullis::root::apply::apply;
use portcullis::root::permissions::AskedBy;
use portcullis::root::request::Operation;
use portcullis::system::{HelperLaunch, NetworkFacts, System, SystemError, TrackedConnection};

use crate::common::{Lab, request};

/// A lab whose files are judged as those of the system are.
pub struct StrictLab {
    pub lab: Lab,
}

#[derive(Debug)]
struct Strict(lab::Lab, PathBuf);

impl StrictLab {
    /// `None` where this process is not root's.
    pub fn new() -> Option<Self> {
        let lab = Lab::new();
        chown(lab.path(), Some(0), Some(0)).ok()?;
        lab.portcullis(&["status"]).expect(0);
        Some(StrictLab { lab })
    }

    pub fn copy(&self) -> Self {
        let copy = Lab::new();
        let copied =
            Command::new("cp").arg("-a").arg(self.lab.path().join(".")).arg(copy.path()).status().unwrap();
        assert!(copied.success());
        StrictLab { lab: copy }
    }

    /// With the guard on and a port open for anybody.
    pub fn opened(&self) {
        self.lab.portcullis(&["guard", "on"]).expect(0);
        self.lab.portcullis(&["open", "2345,9229", "--from", "any"]).expect(0);
    }

    pub fn apply(&self, operation: Operation) -> Response {
        apply(&Strict(self.lab.system(), self.lab.path().to_owned()), &request(operation), AskedBy::User)
    }
}

impl System for Strict {
    fn files(&self) -> Files {
        Files::of_root(&self.1)
    }
    fn program(&self, path: &str) -> Program {
        self.0.program(path)
    }
    fn interfaces(&self) -> Result<Vec<Interface>, SystemError> {
        self.0.interfaces()
    }
    fn networks(&self) -> Result<Vec<IpNet>, SystemError> {
        self.0.networks()
    }
    fn network_facts(&self) -> Result<Vec<NetworkFacts>, SystemError> {
        self.0.network_facts()
    }
    fn connections(&self) -> Result<Vec<TrackedConnection>, StatesError> {
        self.0.connections()
    }
    fn drop_states(&self, connections: &[TrackedConnection]) -> Result<usize, StatesError> {
        self.0.drop_states(connections)
    }
    fn hold_pf(&self) -> Result<u64, HoldError> {
        self.0.hold_pf()
    }
    fn release_pf(&self, token: u64) -> Result<Release, HoldError> {
        self.0.release_pf(token)
    }
    fn preferences_file(&self) -> Result<PathBuf, SystemError> {
        self.0.preferences_file()
    }
    fn helper(&self) -> HelperLaunch {
        HelperLaunch { arguments: Vec::<OsString>::new(), ..self.0.helper() }
    }
    fn lab(&self) -> Option<&Path> {
        self.0.lab()
    }
    fn boot_id(&self) -> Result<String, portcullis::os::BootError> {
        self.0.boot_id()
    }
    fn now(&self) -> i64 {
        self.0.now()
    }
    fn clock(&self) -> u64 {
        self.0.clock()
    }
}
