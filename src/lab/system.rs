//! The lab as the [`System`] that everything works on.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use jiff::tz::TimeZone;

use super::clocks::SetClocks;
use super::config::LabConfig;
use super::directory::default_dir;
use super::error::LabError;
use super::make::PROGRAMS;
use super::store::{connections, drop_states, init};
use crate::elevate::quote;
use crate::firewall::Pfctl;
use crate::os::holds::{HoldError, Release};
use crate::os::process::Program;
use crate::os::states::StatesError;
use crate::os::{self, BootError, Files, Interface, NetworkFacts, TrackedConnection};
use crate::system::{HelperLaunch, Mac, PATIENCE, System, SystemError};

/// The lab in `directory`, if one is named; else this Mac; else, where there is no pf of macOS, the lab in the user's data
/// folder.
///
/// Errors: a lab that cannot be made.
pub fn choose(directory: Option<&Path>) -> Result<Arc<dyn System>, SystemError> {
    Ok(match directory {
        Some(directory) => Arc::new(Lab::open(directory)?),
        None if cfg!(target_os = "macos") => Arc::new(Mac),
        None => Arc::new(Lab::open(&default_dir()?)?),
    })
}

/// What stands in a lab where a Mac has root's copy of the helper. It finds its lab by its own path.
const JOB_PROGRAM: &str =
    "#!/bin/sh\nlab=${0%/Library/*}\nexec \"$lab/usr/libexec/helper-lab\" --lab \"$lab\" \"$@\"\n";

/// A directory that plays `/`: pf is `pfctl-lab`, the prompt is answered as its `lab.toml` says.
#[derive(Clone, Debug)]
pub struct Lab {
    directory: PathBuf,
    /// As they were when it was opened.
    clocks: Option<SetClocks>,
}

impl Lab {
    /// The lab in `directory`, made where it is missing.
    ///
    /// Errors: as of [`init`].
    pub fn open(directory: &Path) -> Result<Self, LabError> {
        // Absolute, so that helper and stand-ins mean the same place whatever their working directory.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        init(&directory)?;
        Ok(Lab { clocks: SetClocks::read(&directory), directory })
    }

    /// The lab in `directory`, an absolute path, as it is.
    ///
    /// Errors: no directory there, or a stand-in for a program is missing.
    pub fn existing(directory: &Path) -> Result<Self, LabError> {
        if !directory.is_absolute() || !directory.is_dir() {
            return Err(LabError::NoDirectory { path: directory.to_owned() });
        }
        let missing = PROGRAMS.iter().map(|(path, _)| directory.join(path)).find(|path| !path.is_file());
        match missing {
            Some(path) => Err(LabError::NoProgram { path }),
            None => Ok(Lab { clocks: SetClocks::read(directory), directory: directory.to_owned() }),
        }
    }

    fn config(&self) -> Result<LabConfig, SystemError> {
        Ok(LabConfig::read(&self.directory)?)
    }

    fn first_arguments(&self) -> [OsString; 2] {
        ["--lab".into(), self.directory.clone().into()]
    }
}

impl From<LabError> for SystemError {
    fn from(error: LabError) -> Self {
        SystemError::Other(error.into())
    }
}

impl System for Lab {
    fn files(&self) -> Files {
        Files::lab(&self.directory)
    }

    fn program(&self, path: &str) -> Program {
        let program = Program::new(self.place(path)).args(self.first_arguments());
        // Settings that do not read are an error where they are asked for.
        match self.config().ok().and_then(|config| config.program_milliseconds) {
            Some(milliseconds) => program.timeout(Duration::from_millis(milliseconds)),
            None => program,
        }
    }

    fn interfaces(&self) -> Result<Vec<Interface>, SystemError> {
        Ok(self.config()?.interfaces())
    }

    fn networks(&self) -> Result<Vec<IpNet>, SystemError> {
        Ok(self.config()?.local_networks())
    }

    fn network_facts(&self) -> Result<Vec<NetworkFacts>, SystemError> {
        Ok(self.config()?.network_facts())
    }

    fn connections(&self) -> Result<Vec<TrackedConnection>, StatesError> {
        connections(&self.directory).map_err(StatesError::new)
    }

    fn drop_states(&self, connections: &[TrackedConnection]) -> Result<usize, StatesError> {
        drop_states(&self.directory, connections).map_err(StatesError::new)
    }

    /// Through pfctl, so that a test can put one there that hangs, is silent, or refuses.
    fn hold_pf(&self) -> Result<u64, HoldError> {
        Pfctl::new(self).hold()
    }

    fn release_pf(&self, token: u64) -> Result<Release, HoldError> {
        Pfctl::new(self).release(token).map_err(|error| HoldError::Held(error.into()))
    }

    fn preferences_file(&self) -> Result<PathBuf, SystemError> {
        const FILE: &str =
            "/Users/you/Library/Application Support/dev.portcullis.Portcullis/preferences.toml";
        Ok(self.place(FILE))
    }

    fn helper(&self) -> HelperLaunch {
        HelperLaunch {
            name: "helper-lab",
            arguments: self.first_arguments().into(),
            hash: format!("{} -a 256", quote::sh(&self.place("/usr/bin/shasum").to_string_lossy())),
            is_pinned: false,
            needs_prompt: true,
            patience: self
                .config()
                .ok()
                .and_then(|config| config.prompt_milliseconds)
                .map_or(PATIENCE, Duration::from_millis),
        }
    }

    /// A script that runs the helper by its link: a copy of it would not fit into what root reads, and the job's plist
    /// names no lab.
    fn job_program(&self, _helper: &Path) -> std::io::Result<Vec<u8>> {
        Ok(JOB_PROGRAM.as_bytes().to_vec())
    }

    fn lab(&self) -> Option<&Path> {
        Some(&self.directory)
    }

    fn boot_id(&self) -> Result<String, BootError> {
        self.clocks.as_ref().map_or_else(os::boot_id, |set| Ok(set.moment.boot.clone()))
    }

    fn now(&self) -> i64 {
        self.clocks.as_ref().map_or_else(os::now, |set| set.moment.time)
    }

    fn clock(&self) -> u64 {
        self.clocks.as_ref().map_or_else(os::clock, |set| set.moment.clock)
    }

    fn zone(&self) -> TimeZone {
        self.clocks.as_ref().map_or_else(os::zone, SetClocks::zone)
    }
}
