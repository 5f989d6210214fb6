//! What every command is given.

use std::path::PathBuf;

use super::output::Printer;
use portcullis::app::{App, AppError};
use portcullis::lab;
use portcullis::world::World;

pub struct Context {
    pub lab: Option<PathBuf>,
    /// For a command that goes on: every other one gives its output to be printed.
    pub printer: Printer,
}

impl Context {
    /// The app in the lab that was asked for; else on this Mac; else, where there is no pf, in the lab in the user's
    /// data folder.
    pub fn app(&self) -> Result<App, AppError> {
        let world = match &self.lab {
            // Absolute, so that helper and stand-ins mean the same place whatever their working directory.
            Some(dir) => World::Lab(std::path::absolute(dir).unwrap_or_else(|_| dir.clone())),
            None if cfg!(target_os = "macos") => World::Mac,
            None => World::Lab(lab::default_dir()?),
        };
        App::new(world)
    }
}
