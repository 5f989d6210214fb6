//! Takes away what helpers that were killed left in our folders.

use crate::os::{Expected, FileError, Files};
use crate::root::audit;
use crate::system::{
    ANCHOR_FILE, AUDIT, AUDIT_LOCK, BELL, INSTALLED_HELPER, JOB_PLIST, JOURNAL_CHILDREN, OLDER_AUDITS,
    PATHS_FILE, PF_CONF, RECORDING_CHANGE_LOCK, RECORDING_CHILDREN, RECORDING_LOCK, RULESETS,
    SNAPSHOT_NUMBER, SNAPSHOTS, STATE_DIR, STATUS,
};

/// Files of ours in which nothing stands that a request goes by; what cannot be used as one of them gives way.
const REPLACEABLE: [&str; 12] = [
    JOURNAL_CHILDREN,
    ANCHOR_FILE,
    STATUS,
    RULESETS,
    AUDIT,
    OLDER_AUDITS[0],
    OLDER_AUDITS[1],
    AUDIT_LOCK,
    SNAPSHOT_NUMBER,
    RECORDING_CHILDREN,
    RECORDING_LOCK,
    RECORDING_CHANGE_LOCK,
];

/// Sets aside what lies in the place of files of ours and cannot be used; gives the new names. Called under the lock, before
/// something is closed. What cannot be set aside stays: what needs it says so.
pub fn clear_the_way(files: &Files, stamp: &str) -> Vec<String> {
    let plain = REPLACEABLE.map(|path| (path, Expected::PlainFile));
    let paths = plain.into_iter().chain([(SNAPSHOTS, Expected::Folder)]);
    paths.filter_map(|(path, expected)| files.set_aside(path, expected, stamp).ok().flatten()).collect()
}

/// Sweeps up temporary files, snapshots that were not finished, the list of a done change's children, and a part of a line
/// in the audit. Called under the lock, while no change is under way. What cannot be taken away is left for the next time: nothing is decided by it.
pub fn sweep(files: &Files) {
    let _ = sweep_temporary(files);
    let _ = sweep_snapshots(files);
    let _ = files.remove(JOURNAL_CHILDREN);
    let _ = audit::mend(files);
}

fn sweep_temporary(files: &Files) -> Result<(), FileError> {
    files.sweep(STATE_DIR, &[])?;
    files.sweep(BELL, &[])?;
    for (file, is_ours_alone) in [
        (AUDIT, true),
        (ANCHOR_FILE, false),
        (PF_CONF, false),
        (INSTALLED_HELPER, false),
        (JOB_PLIST, false),
        (PATHS_FILE, false),
    ] {
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
