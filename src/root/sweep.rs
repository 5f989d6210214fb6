//! Takes away what helpers that were killed left in our folders.

use crate::os::{FileError, Files};
use crate::system::{ANCHOR_FILE, AUDIT, JOURNAL_CHILDREN, PF_CONF, SNAPSHOTS, STATE_DIR};

/// Sweeps up temporary files, snapshots that were not finished, and the list of a done change's children. Called under the
/// lock, while no change is under way. What cannot be taken away is left for the next time: nothing is decided by it.
pub fn sweep(files: &Files) {
    let _ = sweep_temporary(files);
    let _ = sweep_snapshots(files);
    let _ = files.remove(JOURNAL_CHILDREN);
}

fn sweep_temporary(files: &Files) -> Result<(), FileError> {
    files.sweep(STATE_DIR, &[])?;
    for (file, is_ours_alone) in [(AUDIT, true), (ANCHOR_FILE, false), (PF_CONF, false)] {
        let (folder, name) = file.rsplit_once('/').unwrap_or_default();
        files.sweep(folder, if is_ours_alone { &[] } else { std::slice::from_ref(&name) })?;
    }
    Ok(())
}

/// A manifest is written last: without one a snapshot is not whole.
fn sweep_snapshots(files: &Files) -> Result<(), FileError> {
    for name in files.list(SNAPSHOTS)? {
        let folder = format!("{SNAPSHOTS}/{name}");
        let copies = files.list(&folder)?;
        if copies.iter().any(|copy| copy == "manifest.json") {
            files.sweep(&folder, &[])?;
            continue;
        }
        for copy in copies {
            files.remove(&format!("{folder}/{copy}"))?;
        }
        files.remove_directory(&folder)?;
    }
    Ok(())
}
