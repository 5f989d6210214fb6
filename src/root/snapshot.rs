//! Copies of what a change replaces, each with its SHA-256, so that it can be put back by hand, and what the change does,
//! so that `undo` can turn it back.
//!
//! Each is a folder with a number; `pristine` holds the files as they were before Portcullis and is kept for ever. The
//! numbers rise whatever the clock says. The manifest is written last: a folder without one is what a crash left.

use serde::{Deserialize, Serialize};

use crate::os::hash;
use crate::os::{FileError, Files};
use crate::root::request::Operation;
use crate::rules::conf;
use crate::rules::ledger::Seconds;
use crate::rules::ledger_change::LedgerChange;
use crate::rules::order;
use crate::rules::seal::{self, SealError};
use crate::system::{ANCHOR_FILE, LEDGER, PF_CONF, SNAPSHOT_NUMBER, SNAPSHOTS};

/// How many copies are kept, beside the pristine one.
pub const KEPT: usize = 20;
const PRISTINE: &str = "pristine";
const MANIFEST: &str = "manifest.json";
/// What is copied, and the names of the copies.
const FILES: [(&str, &str); 3] = [(PF_CONF, "pf.conf"), (ANCHOR_FILE, "anchor"), (LEDGER, "ledger.json")];

/// The highest number that was given, which its snapshot need not outlive.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastNumber {
    last: u32,
}

/// What stands beside the copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form: [`Manifest::VERSION`].
    pub version: u32,
    /// When the copies were taken.
    pub taken: Seconds,
    /// What was about to change; `None` of the pristine copies.
    pub change: Option<RecordedChange>,
    pub files: Vec<CopiedFile>,
}

/// A change, as it was about to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedChange {
    /// The user that the request counts as.
    pub user: u32,
    /// The boot that it was made in.
    pub boot: String,
    pub operation: Operation,
    pub ledger: LedgerChange,
}

/// One file as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopiedFile {
    pub path: String,
    /// Name of the copy beside the manifest; `None` where there was no such file.
    pub copy: Option<String>,
    pub sha256: Option<String>,
}

impl Manifest {
    /// The version that this program writes and reads.
    pub const VERSION: u32 = 2;

    /// The SHA-256 of a file as it was, by its path; `None` where there was none.
    pub fn sha256(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path)?.sha256.as_deref()
    }
}

/// Why a snapshot cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("there is no snapshot {0}: the last {KEPT} changes have one (`portcullis snapshots` lists them)")]
    Missing(String),
    #[error("the manifest of snapshot {name} does not read: {source}")]
    Manifest { name: String, source: serde_json::Error },
    #[error("the manifest of snapshot {name} does not read: {source}")]
    Seal { name: String, source: SealError },
    #[error("the manifest of snapshot {name} has version {version}")]
    Version { name: String, version: u32 },
    #[error("the copy of {path} in snapshot {name} is not what its manifest says")]
    Copy { name: String, path: String },
}

/// Copies pf.conf, our anchor file and the ledger into a folder of their own, before `change` is made. Gives its number.
/// Errors: a file that cannot be read or written; nothing else was changed then.
pub fn take(tree: &Files, taken: Seconds, change: RecordedChange) -> Result<u32, FileError> {
    let names = tree.list(SNAPSHOTS)?;
    let highest = numbers(&names).last().copied().unwrap_or(0);
    let number = last_number(tree).unwrap_or(0).max(highest).saturating_add(1);
    // Before the folder, which a crash may leave unfinished and the next helper sweeps away.
    let last = seal::close(&LastNumber { last: number }).unwrap_or_default();
    tree.replace(SNAPSHOT_NUMBER, &last, 0o600)?;
    sweep(tree, &names)?;
    if !is_whole(tree, PRISTINE)? {
        write(tree, PRISTINE, taken, None)?;
    }
    write(tree, &folder_name(number), taken, Some(change))?;
    let kept = numbers(&tree.list(SNAPSHOTS)?);
    for old in kept.iter().take(kept.len().saturating_sub(KEPT)) {
        remove(tree, &folder_name(*old))?;
    }
    Ok(number)
}

/// `None` where there is none, or it cannot be used: then the highest that is there counts.
fn last_number(tree: &Files) -> Option<u32> {
    let bytes = tree.read(SNAPSHOT_NUMBER).ok()??;
    let number: LastNumber = serde_json::from_slice(&seal::open(&bytes).ok()?).ok()?;
    Some(number.last)
}

/// The numbers of the snapshots that are kept, rising.
pub fn list(tree: &Files) -> Result<Vec<u32>, FileError> {
    let mut whole = Vec::new();
    for number in numbers(&tree.list(SNAPSHOTS)?) {
        if is_whole(tree, &folder_name(number))? {
            whole.push(number);
        }
    }
    Ok(whole)
}

/// The manifest of a snapshot, after each copy was held to its hash.
pub fn read(tree: &Files, number: u32) -> Result<Manifest, SnapshotError> {
    read_folder(tree, &folder_name(number))
}

/// The bytes of a file as it was before a change; `None` where there was none.
pub fn copy_of(tree: &Files, number: u32, path: &str) -> Result<Option<Vec<u8>>, SnapshotError> {
    let manifest = read(tree, number)?;
    let file = manifest.files.iter().find(|file| file.path == path);
    let Some(copy) = file.and_then(|file| file.copy.as_ref()) else { return Ok(None) };
    Ok(tree.read(&place(&folder_name(number), copy))?)
}

/// What was copied before the first change; `None` where there was none yet.
pub fn pristine(tree: &Files) -> Result<Option<Manifest>, SnapshotError> {
    match read_folder(tree, PRISTINE) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(SnapshotError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes every snapshot, the pristine one last.
pub fn remove_all(tree: &Files) -> Result<(), FileError> {
    let mut names = tree.list(SNAPSHOTS)?;
    order::by_key(&mut names, |name| name == PRISTINE);
    names.iter().try_for_each(|name| remove(tree, name))?;
    tree.remove_directory(SNAPSHOTS)
}

fn read_folder(tree: &Files, name: &str) -> Result<Manifest, SnapshotError> {
    let bytes = tree.read(&place(name, MANIFEST))?.ok_or_else(|| SnapshotError::Missing(name.to_owned()))?;
    let content =
        seal::open(&bytes).map_err(|source| SnapshotError::Seal { name: name.to_owned(), source })?;
    let manifest: Manifest = serde_json::from_slice(&content)
        .map_err(|source| SnapshotError::Manifest { name: name.to_owned(), source })?;
    if manifest.version != Manifest::VERSION {
        return Err(SnapshotError::Version { name: name.to_owned(), version: manifest.version });
    }
    for CopiedFile { path, copy, sha256 } in &manifest.files {
        let known = FILES.iter().find(|(known, _)| known == path);
        let bytes = match (copy, known) {
            (Some(copy), Some((_, known))) if copy == known => tree.read(&place(name, copy))?,
            (None, Some(_)) => None,
            _ => return Err(SnapshotError::Copy { name: name.to_owned(), path: path.clone() }),
        };
        if bytes.map(|bytes| hash::of_bytes(&bytes)) != *sha256 {
            return Err(SnapshotError::Copy { name: name.to_owned(), path: path.clone() });
        }
    }
    Ok(manifest)
}

fn write(tree: &Files, name: &str, taken: Seconds, change: Option<RecordedChange>) -> Result<(), FileError> {
    tree.make_directory(SNAPSHOTS, 0o700)?;
    tree.make_directory(&format!("{SNAPSHOTS}/{name}"), 0o700)?;
    let mut files = Vec::new();
    for (path, copy) in FILES {
        let mut bytes = tree.read(path)?;
        if change.is_none() && path == PF_CONF {
            // Where our block is in it already, without: the state of an older installation was taken away by hand.
            bytes = bytes.map(|bytes| conf::remove(&bytes).unwrap_or(bytes));
        }
        let sha256 = bytes.as_ref().map(|bytes| hash::of_bytes(bytes));
        if let Some(bytes) = &bytes {
            tree.replace(&place(name, copy), bytes, 0o600)?;
        }
        files.push(CopiedFile { path: path.to_owned(), copy: bytes.map(|_| copy.to_owned()), sha256 });
    }
    let manifest = Manifest { version: Manifest::VERSION, taken, change, files };
    // Plain data with text keys: its JSON cannot fail.
    tree.replace(&place(name, MANIFEST), &seal::close(&manifest).unwrap_or_default(), 0o600)
}

/// Takes away what a crash left.
fn sweep(tree: &Files, names: &[String]) -> Result<(), FileError> {
    let numbered = numbers(names).into_iter().map(folder_name);
    for name in numbered.chain([PRISTINE.to_owned()]) {
        if !is_whole(tree, &name)? {
            remove(tree, &name)?;
        }
    }
    Ok(())
}

/// The manifest goes first: what is left after a crash is swept.
fn remove(tree: &Files, name: &str) -> Result<(), FileError> {
    tree.remove(&place(name, MANIFEST))?;
    for file in tree.list(&format!("{SNAPSHOTS}/{name}"))? {
        tree.remove(&place(name, &file))?;
    }
    tree.remove_directory(&format!("{SNAPSHOTS}/{name}"))
}

fn is_whole(tree: &Files, name: &str) -> Result<bool, FileError> {
    Ok(tree.length(&place(name, MANIFEST))? > 0)
}

fn numbers(names: &[String]) -> Vec<u32> {
    let number = |name: &String| name.parse().ok().filter(|number| folder_name(*number) == *name);
    let mut numbers: Vec<u32> = names.iter().filter_map(number).collect();
    order::sort(&mut numbers);
    numbers
}

fn folder_name(number: u32) -> String {
    format!("{number:06}")
}

fn place(name: &str, file: &str) -> String {
    format!("{SNAPSHOTS}/{name}/{file}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> RecordedChange {
        let (boot, ledger) = ("b".to_owned(), LedgerChange::default());
        RecordedChange { user: 501, boot, operation: Operation::CloseAll {}, ledger }
    }

    fn tree() -> (tempfile::TempDir, Files) {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        tree.replace(PF_CONF, b"pass\n", 0o644).unwrap();
        (directory, tree)
    }

    #[test]
    fn keeps_the_pristine_one_and_the_latest_whatever_the_clock_says() {
        let (_directory, tree) = tree();
        for time in (0..30).rev() {
            take(&tree, time, change()).unwrap();
            tree.replace(PF_CONF, format!("pass # {time}\n").as_bytes(), 0o644).unwrap();
        }
        assert_eq!(list(&tree).unwrap(), (11..=30).collect::<Vec<_>>());
        let pristine = pristine(&tree).unwrap().unwrap();
        assert_eq!((pristine.taken, pristine.change), (29, None));
        assert_eq!(tree.read(&place(PRISTINE, "pf.conf")).unwrap().unwrap(), b"pass\n");
        assert_eq!(read(&tree, 30).unwrap().sha256(PF_CONF), Some(hash::of_bytes(b"pass # 1\n").as_str()));
        assert!(matches!(read(&tree, 10), Err(SnapshotError::Missing(_))));
        remove_all(&tree).unwrap();
        assert_eq!(tree.list(SNAPSHOTS).unwrap(), [""; 0]);
    }

    #[test]
    fn what_a_crash_left_is_swept_and_its_number_not_used_again() {
        let (_directory, tree) = tree();
        assert_eq!(take(&tree, 0, change()).unwrap(), 1);
        tree.replace(&place("000002", "pf.conf"), b"half", 0o600).unwrap();
        assert_eq!(list(&tree).unwrap(), [1]);
        assert_eq!(take(&tree, 0, change()).unwrap(), 3);
        assert_eq!(tree.list(SNAPSHOTS).unwrap(), ["000001", "000003", PRISTINE]);
    }

    #[test]
    fn a_number_is_not_given_again() {
        let (_directory, tree) = tree();
        (1..=3).for_each(|number| assert_eq!(take(&tree, 0, change()).unwrap(), number));
        remove(&tree, "000003").unwrap();
        remove(&tree, "000002").unwrap();
        assert_eq!(take(&tree, 0, change()).unwrap(), 4);
        // A counter that does not read, or that is behind what is there.
        for damaged in [&b"{"[..], &seal::close(&LastNumber { last: 1 }).unwrap()] {
            tree.replace(SNAPSHOT_NUMBER, damaged, 0o600).unwrap();
            let next = list(&tree).unwrap().last().unwrap() + 1;
            assert_eq!(take(&tree, 0, change()).unwrap(), next);
        }
    }

    #[test]
    fn the_pristine_pf_conf_is_without_our_block() {
        let (_directory, tree) = tree();
        tree.replace(PF_CONF, &conf::add(b"pass\n").unwrap(), 0o644).unwrap();
        take(&tree, 0, change()).unwrap();
        let pristine = pristine(&tree).unwrap().unwrap();
        assert_eq!(pristine.sha256(PF_CONF), Some(hash::of_bytes(b"pass\n").as_str()));
    }

    #[test]
    fn a_copy_that_was_changed_is_not_used() {
        let (_directory, tree) = tree();
        take(&tree, 0, change()).unwrap();
        tree.replace(&place("000001", "pf.conf"), b"pass all\n", 0o600).unwrap();
        assert!(matches!(read(&tree, 1), Err(SnapshotError::Copy { .. })));
        let manifest = tree.read(&place("000001", MANIFEST)).unwrap().unwrap();
        let manifest = String::from_utf8(seal::open(&manifest).unwrap()).unwrap();
        for (old, new) in [
            ("\"pf.conf\"", "\"../../../../../etc/pf.conf\""),
            ("\"version\": 2", "\"version\": 3"),
            ("\"taken\": 0", "\"taken\": 0, \"more\": 0"),
        ] {
            let changed = manifest.replace(old, new);
            assert_ne!(changed, manifest);
            tree.replace(&place("000001", MANIFEST), &seal::sealed(changed.as_bytes()), 0o600).unwrap();
            assert!(read(&tree, 1).is_err(), "{new}");
        }
    }
}
