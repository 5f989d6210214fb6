//! Text that a click shows: as a file, in the program that a desktop has for text.

use std::path::Path;

use super::{App, AppError, ClickOutcome};
use crate::menu::ShownCommand;
use crate::os;
use crate::os::process::Program;
use crate::prefs::Preferences;
use crate::system::PATIENCE;

/// What opens a file of text, and its arguments before the file.
#[cfg(target_os = "macos")]
const OPENER: (&str, &[&str]) = ("/usr/bin/open", &["-t"]);
#[cfg(not(target_os = "macos"))]
const OPENER: (&str, &[&str]) = ("/usr/bin/xdg-open", &[]);

/// A program is started for each port.
const MOST_EXPLAINED: usize = 20;

impl App {
    /// The preferences, made with their explanations first.
    pub(super) fn show_preferences(&self) -> Result<ClickOutcome, AppError> {
        let path = self.preferences_file();
        if !path.exists() {
            os::replace_own(path, Preferences::template().as_bytes())
                .map_err(|source| AppError::WritePreferences { path: path.to_owned(), source })?;
        }
        self.show_file(path)
    }

    /// What the command prints, in a file beside the preferences: a click has no terminal. What is explained is each port of
    /// the preferences.
    pub(super) fn show_command(&self, command: ShownCommand) -> Result<ClickOutcome, AppError> {
        let name = command.name();
        let printed = match command {
            ShownCommand::Doctor | ShownCommand::History => self.printed(name, &[])?,
            ShownCommand::Explain => {
                let ports = self.preferences().unwrap_or_default().managed();
                let each = ports.iter().take(MOST_EXPLAINED).map(|port| {
                    let port = port.range.first().to_string();
                    Ok(format!("{port}: {}\n", self.printed(name, &[&port])?))
                });
                each.collect::<Result<String, AppError>>()?
            }
        };
        let path = self.preferences_file().with_file_name(format!("{name}.txt"));
        os::replace_own(&path, printed.as_bytes())
            .map_err(|source| AppError::WriteShown { path: path.clone(), source })?;
        self.show_file(&path)
    }

    fn printed(&self, name: &'static str, arguments: &[&str]) -> Result<String, AppError> {
        let own = std::env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
        let program = Program::new(own.with_file_name("portcullis")).timeout(PATIENCE).ending_with_us();
        let program = match self.system().lab() {
            Some(lab) => program.args(["--lab".as_ref(), lab.as_os_str()]),
            None => program,
        };
        let output = program.args([name]).args(arguments).run();
        let output = output.map_err(|source| AppError::RunCommand { name, source })?;
        match output.stdout.is_empty() {
            false => Ok(output.stdout),
            true => Err(AppError::SilentCommand { name, said: output.stderr.trim().to_owned() }),
        }
    }

    /// Opens it. Where nothing opens it, the clipboard takes where it lies.
    fn show_file(&self, path: &Path) -> Result<ClickOutcome, AppError> {
        let (opener, arguments) = OPENER;
        let opened = self.system().program(opener).args(arguments).args([path]).timeout(PATIENCE).run();
        if opened.is_ok_and(|output| output.success()) {
            return Ok(ClickOutcome::Done);
        }
        os::clipboard::copy(&path.display().to_string())?;
        Ok(ClickOutcome::Copied)
    }
}
