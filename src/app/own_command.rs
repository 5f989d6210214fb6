//! What a person types to run the command line, so that a next step works where it is read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::elevate::quote;
use crate::system::{APP_PROGRAMS, PATHS_FILE};

/// The name of the command line, which lies beside this program.
const NAME: &str = "portcullis";

/// What runs the command line from a terminal: its name where a terminal finds it, else its path; with the lab, where one
/// was named. Texts that name commands have it put in by [`OwnCommand::in_text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCommand(String);

impl OwnCommand {
    /// Of this process, by its own PATH and by what login shells read.
    pub fn here(lab: Option<&Path>) -> Self {
        let own = std::env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
        let is_in_paths = std::fs::read_to_string(PATHS_FILE).is_ok_and(|text| text.trim() == APP_PROGRAMS);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
        folders.extend(is_in_paths.then(|| APP_PROGRAMS.into()));
        Self::of(&own.with_file_name(NAME), &folders, lab)
    }

    /// `own` is the command line's own path, `folders` are where a terminal looks for commands.
    fn of(own: &Path, folders: &[PathBuf], lab: Option<&Path>) -> Self {
        let found = folders.iter().find_map(|folder| folder.join(NAME).canonicalize().ok());
        let command = match found {
            Some(found) if found == own => NAME.to_owned(),
            _ => word(own.as_os_str()),
        };
        OwnCommand(match lab {
            Some(lab) => format!("{command} --lab {}", word(lab.as_os_str())),
            None => command,
        })
    }

    /// The text with this in the place of `portcullis` in each command that it names, in backticks or at a line's end.
    pub fn in_text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if self.0 != NAME {
            for (before, after) in [("`", " "), ("`", "`"), ("`sudo ", " "), ("now: ", " "), ("it: ", " ")] {
                text = text.replace(&format!("{before}{NAME}{after}"), &format!("{before}{}{after}", self.0));
            }
        }
        text
    }
}

/// As a word of a shell: in quotes where it has to be.
fn word(text: &OsStr) -> String {
    let text = text.to_string_lossy();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&byte);
    if text.bytes().all(is_plain) { text.into_owned() } else { quote::sh(&text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_step_works_where_it_is_read() {
        let tree = tempfile::tempdir().unwrap();
        let root = tree.path().canonicalize().unwrap();
        for folder in ["app", "bin", "other"] {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        for file in ["app/portcullis", "other/portcullis"] {
            std::fs::write(root.join(file), "").unwrap();
        }
        std::os::unix::fs::symlink(root.join("app/portcullis"), root.join("bin/portcullis")).unwrap();
        let own = root.join("app/portcullis");
        let command = |folders: &[&str], lab: Option<&str>| {
            let folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
            OwnCommand::of(&own, &folders, lab.map(Path::new)).0
        };
        let path = own.display().to_string();
        assert_eq!(command(&["none", "bin", "other"], None), "portcullis");
        assert_eq!(command(&["app"], None), "portcullis");
        assert_eq!(command(&[], None), path);
        // Another one would answer there.
        assert_eq!(command(&["other", "bin"], None), path);
        assert_eq!(command(&["bin"], Some("/tmp/my lab")), "portcullis --lab '/tmp/my lab'");

        let says = "see `portcullis status`, `sudo portcullis doctor` or `portcullis`; portcullis is `portcullis-tray`";
        assert_eq!(OwnCommand(NAME.to_owned()).in_text(says), says);
        assert_eq!(
            OwnCommand("/a/portcullis".to_owned()).in_text(says),
            "see `/a/portcullis status`, `sudo /a/portcullis doctor` or `/a/portcullis`; portcullis is `portcullis-tray`"
        );
    }
}
