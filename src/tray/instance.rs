//! One tray at a time for each user, and for each lab.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use portcullis::app::App;
use portcullis::elevate::alert;

const LOCK_FILE: &str = "tray.lock";

/// Whether this tray is the only one.
pub enum Instance {
    /// It is; or no lock can be taken, and two icons are better than none.
    Only(Option<InstanceLock>),
    /// Another runs, of this process number.
    Another(Option<u32>),
}

/// Held as long as this value lives, and let go by the kernel where this process is killed.
#[derive(Debug)]
pub struct InstanceLock {
    _file: File,
}

impl Instance {
    /// Takes the lock beside the preferences.
    pub fn of(app: &App) -> Self {
        let Some(folder) = app.preferences_file().parent() else { return Instance::Only(None) };
        Self::in_folder(folder)
    }

    fn in_folder(folder: &Path) -> Self {
        let file = std::fs::create_dir_all(folder).and_then(|()| {
            File::options().read(true).write(true).create(true).truncate(false).open(folder.join(LOCK_FILE))
        });
        let Ok(mut file) = file else { return Instance::Only(None) };
        match file.try_lock() {
            Ok(()) => {
                // The number is for the one who is told of it; the lock alone counts.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                Instance::Only(Some(InstanceLock { _file: file }))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.rewind().and_then(|()| file.take(16).read_to_string(&mut text));
                Instance::Another(text.trim().parse().ok())
            }
            Err(TryLockError::Error(_)) => Instance::Only(None),
        }
    }
}

/// That Portcullis runs already, and where its icon is.
pub fn running(process: Option<u32>) -> String {
    let process = process.map(|number| format!(" (process {number})")).unwrap_or_default();
    format!("Portcullis runs already{process}: {WHERE}")
}

/// Where the icon is, and what may hide it (macOS 26 asks in System Settings whether an app may show one; a menu bar with a
/// notch leaves out what finds no room, without a word).
const WHERE: &str = if cfg!(target_os = "macos") {
    "its icon is in the menu bar. If you do not see it, it found no room beside the notch: quit another app that has an icon \
     there; or it is switched off in System Settings, Menu Bar, Allow in the Menu Bar"
} else {
    "its icon is in the panel. If you do not see it, the panel shows no icons of apps; GNOME needs the extension \
     AppIndicator Support"
};

/// Says in a dialog where the icon is; comes back when that was answered.
pub fn show_where(app: &App) {
    alert::show(app.system(), "Portcullis is running", WHERE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_learns_of_the_first_until_that_one_ends() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("of/ours");
        let first = Instance::in_folder(&place);
        assert!(matches!(first, Instance::Only(Some(_))));
        let Instance::Another(process) = Instance::in_folder(&place) else { panic!("two at a time") };
        assert_eq!(process, Some(std::process::id()));
        assert!(
            running(process)
                .starts_with(&format!("Portcullis runs already (process {})", std::process::id()))
        );
        drop(first);
        assert!(
            matches!(Instance::in_folder(&place), Instance::Only(Some(_))),
            "a lock that is left holds none up"
        );
    }

    #[test]
    fn where_no_lock_can_be_taken_it_starts_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(matches!(Instance::in_folder(&folder.path().join("file/below")), Instance::Only(None)));
        std::fs::create_dir(folder.path().join(LOCK_FILE)).unwrap();
        assert!(matches!(Instance::in_folder(folder.path()), Instance::Only(None)));
    }
}
