//! A lab some of whose answers a test replaces.

use std::path::{Path, PathBuf};

use ipnet::IpNet;
use jiff::tz::TimeZone;
use portcullis::os::holds::{HoldError, Release};
use portcullis::os::process::Program;
use portcullis::os::states::StatesError;
use portcullis::os::{BootError, Files, Interface, TrackedConnection};
use portcullis::system::{HelperLaunch, Moment, NetworkFacts, System, SystemError};

/// What is not replaced is as `lab` has it.
#[derive(Debug)]
pub struct Variant {
    pub lab: portcullis::lab::Lab,
    pub files: Files,
    pub moment: Option<Moment>,
    pub zone: TimeZone,
    pub helper: HelperLaunch,
}

impl From<portcullis::lab::Lab> for Variant {
    fn from(lab: portcullis::lab::Lab) -> Self {
        Variant { files: lab.files(), moment: None, zone: lab.zone(), helper: lab.helper(), lab }
    }
}

impl System for Variant {
    fn files(&self) -> Files {
        self.files.clone()
    }
    fn program(&self, path: &str) -> Program {
        self.lab.program(path)
    }
    fn interfaces(&self) -> Result<Vec<Interface>, SystemError> {
        self.lab.interfaces()
    }
    fn networks(&self) -> Result<Vec<IpNet>, SystemError> {
        self.lab.networks()
    }
    fn network_facts(&self) -> Result<Vec<NetworkFacts>, SystemError> {
        self.lab.network_facts()
    }
    fn connections(&self) -> Result<Vec<TrackedConnection>, StatesError> {
        self.lab.connections()
    }
    fn drop_states(&self, connections: &[TrackedConnection]) -> Result<usize, StatesError> {
        self.lab.drop_states(connections)
    }
    fn hold_pf(&self) -> Result<u64, HoldError> {
        self.lab.hold_pf()
    }
    fn release_pf(&self, token: u64) -> Result<Release, HoldError> {
        self.lab.release_pf(token)
    }
    fn preferences_file(&self) -> Result<PathBuf, SystemError> {
        self.lab.preferences_file()
    }
    fn helper(&self) -> HelperLaunch {
        self.helper.clone()
    }
    fn job_program(&self, helper: &Path) -> std::io::Result<Vec<u8>> {
        self.lab.job_program(helper)
    }
    fn lab(&self) -> Option<&Path> {
        self.lab.lab()
    }
    fn boot_id(&self) -> Result<String, BootError> {
        self.moment.as_ref().map_or_else(|| self.lab.boot_id(), |moment| Ok(moment.boot.clone()))
    }
    fn now(&self) -> i64 {
        self.moment.as_ref().map_or_else(|| self.lab.now(), |moment| moment.time)
    }
    fn clock(&self) -> u64 {
        self.moment.as_ref().map_or_else(|| self.lab.clock(), |moment| moment.clock)
    }
    fn zone(&self) -> TimeZone {
        self.zone.clone()
    }
}
