//! What every command is given.

use std::path::PathBuf;
use std::sync::Arc;

use super::output::Printer;
use portcullis::app::{App, AppError};
use portcullis::lab::{self, Lab, LabError};
use portcullis::system::{Mac, System, SystemError};

pub struct Context {
    pub lab: Option<PathBuf>,
    /// For a command that goes on: every other one gives its output to be printed.
    pub printer: Printer,
}

impl Context {
    /// The app in the lab that was asked for; else on this Mac; else, where there is no pf, in the lab in the user's
    /// data folder.
    pub fn app(&self) -> Result<App, AppError> {
        App::new(self.system().map_err(|error| SystemError::Other(error.into()))?)
    }

    fn system(&self) -> Result<Arc<dyn System>, LabError> {
        let directory = match &self.lab {
            Some(directory) => directory.clone(),
            None if cfg!(target_os = "macos") => return Ok(Arc::new(Mac)),
            None => lab::default_dir()?,
        };
        Ok(Arc::new(Lab::open(&directory)?))
    }
}
