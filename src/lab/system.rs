//! The lab as the [`System`] that everything works on.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;

use super::{LabConfig, LabError, PROGRAMS, drop_states, init};
use crate::os::process::Program;
use crate::os::states::StatesError;
use crate::os::{Files, Interface};
use crate::system::{HelperLaunch, Mac, System, SystemError};

/// The lab in `directory`, if one is named; else this Mac; else, where there is no pf of macOS, the lab in the user's data
/// folder.
///
/// Errors: a lab that cannot be made.
pub fn choose(directory: Option<&Path>) -> Result<Arc<dyn System>, SystemError> {
    Ok(match directory {
        Some(directory) => Arc::new(Lab::open(directory)?),
        None if cfg!(target_os = "macos") => Arc::new(Mac),
        None => Arc::new(Lab::open(&super::default_dir()?)?),
    })
}

/// A directory that plays `/`: pf is `pfctl-lab`, the prompt is answered as its `lab.toml` says.
#[derive(Clone, Debug)]
pub struct Lab {
    directory: PathBuf,
}

impl Lab {
    /// The lab in `directory`, made where it is missing.
    ///
    /// Errors: as of [`init`].
    pub fn open(directory: &Path) -> Result<Self, LabError> {
        // Absolute, so that helper and stand-ins mean the same place whatever their working directory.
        let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
        init(&directory)?;
        Ok(Lab { directory })
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
            None => Ok(Lab { directory: directory.to_owned() }),
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
        Program::new(self.place(path)).args(self.first_arguments())
    }

    fn interfaces(&self) -> Result<Vec<Interface>, SystemError> {
        Ok(self.config()?.interfaces())
    }

    fn networks(&self) -> Result<Vec<IpNet>, SystemError> {
        Ok(self.config()?.networks)
    }

    fn drop_states(&self, refused: &dyn Fn(u16, IpAddr) -> bool) -> Result<usize, StatesError> {
        drop_states(&self.directory, refused).map_err(StatesError::new)
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
            // The same text, from coreutils where it is Linux that plays the Mac.
            hash: if cfg!(target_os = "linux") { "/usr/bin/sha256sum" } else { "/usr/bin/shasum -a 256" },
            is_pinned: false,
            needs_prompt: true,
        }
    }

    fn lab(&self) -> Option<&Path> {
        Some(&self.directory)
    }
}
