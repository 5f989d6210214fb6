//! The user, the folder and the settings that Go is looked for with.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::os::read_plain;

/// No settings are longer than this.
const LONGEST_TEXT: u64 = 1 << 20;

/// The user, the folder and the settings that Go is looked for with: all that is looked at besides files.
#[derive(Clone, Copy)]
pub struct ToolEnvironment<'a> {
    /// The folder that a program is debugged in.
    pub folder: &'a Path,
    /// The folder of the project that it belongs to, which an editor opens.
    pub project: &'a Path,
    /// The PATH.
    pub path: &'a OsStr,
    /// A variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Where a file of the system is: at its own path, or below a lab's folder.
    pub place: &'a dyn Fn(&str) -> PathBuf,
    /// Whether settings are where macOS keeps them.
    pub is_mac: bool,
}

impl ToolEnvironment<'_> {
    /// A variable of the environment that is not empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// A variable that names a folder, else a folder below the home.
    pub fn folder_of(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        self.variable(variable).map(PathBuf::from).or_else(|| Some(self.home()?.join(below_home)))
    }

    pub fn home(&self) -> Option<PathBuf> {
        self.variable("HOME").map(PathBuf::from)
    }

    /// The folders on the PATH. What a relative one is depends on where a program is started, so it is left out.
    pub fn path_folders(&self) -> Vec<PathBuf> {
        std::env::split_paths(self.path).filter(|folder| folder.is_absolute()).collect()
    }

    /// The nearest file of this name in the folder or above it for which `read` gives something, by its text.
    pub fn nearest<T>(&self, name: &str, read: impl Fn(&str) -> Option<T>) -> Option<(PathBuf, T)> {
        self.folder.ancestors().find_map(|folder| {
            let file = folder.join(name);
            Some((file.clone(), read(&text(&file)?)?))
        })
    }

    /// A path as people write it: relative in the folder and a little above it, with `~` in the home.
    pub fn shown(&self, path: &Path) -> String {
        const HIGHEST: usize = 3;
        let home = self.home();
        let above =
            self.folder.ancestors().take(HIGHEST + 1).take_while(|folder| Some(*folder) != home.as_deref());
        for (height, folder) in above.enumerate() {
            match path.strip_prefix(folder) {
                Ok(below) if height == 0 || below.components().count() == 1 => {
                    return format!("{}{}", "../".repeat(height), below.display());
                }
                _ => {}
            }
        }
        match home.map(|home| path.strip_prefix(home).map(Path::to_owned)) {
            Some(Ok(below)) => format!("~/{}", below.display()),
            _ => path.display().to_string(),
        }
    }
}

/// The text of a settings file; `None` where there is none that may be read.
pub fn text(file: &Path) -> Option<String> {
    Some(String::from_utf8_lossy(&read_plain(file, LONGEST_TEXT).ok()?).into_owned())
}

pub fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
