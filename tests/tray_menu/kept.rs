//! A lab as it stood, to be brought back file by file: faster by far than to come to the situation again.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use portcullis::root::bell;
use portcullis::system::{INSTALLED_HELPER, LOCK, System as _};

use super::common::{Lab, program};
use super::effects::ledger;

/// The files of a lab, without bells, locks and the logs that only grow.
pub struct Kept(BTreeMap<PathBuf, KeptFile>);

struct KeptFile {
    stamp: FileStamp,
    mode: u32,
    bytes: Vec<u8>,
}

/// Where this is the same, so is the file.
#[derive(PartialEq, Eq)]
struct FileStamp {
    inode: u64,
    written: (i64, i64),
    mode: u32,
}

/// A bell that is written rings.
const APART: [&str; 4] =
    ["private/var/log", "private/var/root", "private/var/run", "Library/Application Support/Portcullis/bell"];
/// Held while files are put back: no job of the lab's launchd runs, no command of its pf.
const HELD: [&str; 3] = ["/private/var/db/launchd.lock", LOCK, "/private/var/pf/lock"];

impl Kept {
    pub fn of(lab: &Lab) -> Self {
        let files = paths(lab).into_iter().filter_map(|path| Some((path.clone(), keep(lab, &path)?)));
        Kept(files.collect())
    }

    /// What is another file now, is new, or is gone.
    pub fn changed(&self, lab: &Lab) -> Vec<PathBuf> {
        let now = paths(lab);
        let differs = |path: &PathBuf| {
            let kept = self.0.get(path);
            let stamp = stamp(&lab.path().join(path));
            kept.map(|kept| &kept.stamp) != stamp.as_ref()
                && kept.map(|kept| &kept.bytes) != keep(lab, path).map(|now| now.bytes).as_ref()
        };
        let gone = self.0.keys().filter(|path| !now.contains(path)).cloned();
        now.iter().filter(|path| differs(path)).cloned().chain(gone).collect()
    }

    /// Brings each file back, as one that is replaced.
    pub fn restore(&mut self, lab: &Lab) {
        let held: Vec<File> = HELD.iter().filter_map(|lock| File::open(lab.file(lock)).ok()).collect();
        held.iter().for_each(|lock| lock.lock().unwrap());
        for path in self.changed(lab) {
            let file = lab.path().join(&path);
            let Some(kept) = self.0.get_mut(&path) else {
                let _ = std::fs::remove_file(&file);
                continue;
            };
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            if path.ends_with(INSTALLED_HELPER.trim_start_matches('/')) {
                program::write(&file, &kept.bytes);
            } else {
                let new = lab.file("/private/var/root/new");
                std::fs::create_dir_all(new.parent().unwrap()).unwrap();
                std::fs::write(&new, &kept.bytes).unwrap();
                std::fs::set_permissions(&new, Permissions::from_mode(kept.mode)).unwrap();
                std::fs::rename(&new, &file).unwrap();
            }
            kept.stamp = stamp(&file).unwrap();
        }
        // Those of what is open again, which a closing took away.
        bell::set_up(&lab.system().files(), &ledger(lab)).unwrap();
    }
}

fn keep(lab: &Lab, path: &Path) -> Option<KeptFile> {
    let file = lab.path().join(path);
    let stamp = stamp(&file)?;
    Some(KeptFile { mode: stamp.mode & 0o7777, bytes: std::fs::read(&file).ok()?, stamp })
}

fn stamp(file: &Path) -> Option<FileStamp> {
    let metadata = file.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
    let written = (metadata.mtime(), metadata.mtime_nsec());
    Some(FileStamp { inode: metadata.ino(), written, mode: metadata.mode() })
}

fn paths(lab: &Lab) -> Vec<PathBuf> {
    let mut all = Vec::new();
    read(lab.path(), lab.path(), &mut all);
    all
}

fn read(base: &Path, directory: &Path, all: &mut Vec<PathBuf>) {
    // It may go meanwhile.
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.strip_prefix(base).unwrap().to_owned();
        let kind = entry.file_type().unwrap();
        if APART.iter().any(|apart| name.starts_with(apart)) || name.to_string_lossy().ends_with("lock") {
            continue;
        }
        if kind.is_dir() {
            read(base, &path, all);
        } else if kind.is_file() {
            all.push(name);
        }
    }
}
