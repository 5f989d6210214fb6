//! What the tray needs of the place it runs in: a display, the indicator library, a directory for the icon's files.

use std::path::{Path, PathBuf};

use super::error::TrayError;

/// Whether there is a display and the library that draws on it. On macOS both are part of the system.
pub fn check() -> Result<(), TrayError> {
    #[cfg(target_os = "linux")]
    {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY") {
            return Err(TrayError::NoDisplay);
        }
        let libraries = ["libayatana-appindicator3.so.1", "libappindicator3.so.1"];
        if !libraries.into_iter().any(portcullis::os::library::is_installed) {
            return Err(TrayError::NoIndicator);
        }
    }
    Ok(())
}

/// What `build` gives; `None` where it panics, as the event loop does on a display that does not answer.
pub fn without_panic<T>(build: impl FnOnce() -> T) -> Option<T> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    // Nothing of ours is seen half done after a panic: there is only what `build` would have given.
    let built = std::panic::catch_unwind(std::panic::AssertUnwindSafe(build));
    std::panic::set_hook(hook);
    built.ok()
}

/// A directory of this process alone; it goes, with what is in it, when this value does.
#[derive(Debug)]
pub struct IconDirectory(PathBuf);

impl IconDirectory {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for IconDirectory {
    fn drop(&mut self) {
        // What cannot be removed at the end is an empty directory in a place that the system clears.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes the directory for the icon's files: on Linux a panel reads the icon from a file.
pub fn icon_directory() -> Result<IconDirectory, TrayError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let parent =
        runtime.filter(|path| path.is_absolute() && path.is_dir()).unwrap_or_else(std::env::temp_dir);
    fresh_directory(&parent)
}

fn fresh_directory(parent: &Path) -> Result<IconDirectory, TrayError> {
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let pid = std::process::id();
    let mut number = 0;
    loop {
        // A name that is taken is never used: in a shared directory it may be another user's link.
        let path = parent.join(format!("portcullis-{pid}-{number}"));
        match builder.create(&path) {
            Ok(()) => return Ok(IconDirectory(path)),
            Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists && number < 100 => number += 1,
            Err(source) => return Err(TrayError::Directory { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_directory_is_ours_alone_and_goes() {
        let parent = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let taken = parent.path().join(format!("portcullis-{}-0", std::process::id()));
        std::os::unix::fs::symlink(elsewhere.path(), &taken).unwrap();

        let directory = fresh_directory(parent.path()).unwrap();
        let path = directory.path().to_owned();
        assert_ne!(path, taken);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::write(path.join("icon.png"), "x").unwrap();
        drop(directory);
        assert!(!path.exists() && elsewhere.path().exists());

        let error = fresh_directory(&parent.path().join("missing")).unwrap_err();
        assert!(error.to_string().contains("missing"), "{error}");
    }

    #[test]
    fn a_panic_becomes_none() {
        assert_eq!(without_panic(|| 7), Some(7));
        assert_eq!(without_panic(|| -> u8 { panic!("no display") }), None);
    }
}
