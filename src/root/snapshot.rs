//! Copies of what a change replaces, each with its SHA-256, so that it can be put back by hand or by us.

use serde::Serialize;

use crate::os::{FileError, Files};
use crate::root::hash;
use crate::system::{ANCHOR_FILE, LEDGER, PF_CONF, SNAPSHOTS};

/// How many copies are kept, beside the first one, which shows this Mac as it was before Portcullis.
const KEPT: usize = 20;

#[derive(Serialize)]
struct Manifest {
    version: u32,
    files: Vec<Copied>,
}

#[derive(Serialize)]
struct Copied {
    path: &'static str,
    /// Name of the copy beside the manifest; `None` where there was no such file.
    copy: Option<&'static str>,
    sha256: Option<String>,
}

/// Copies pf.conf, our anchor file and the ledger into a folder of their own. Gives its name: `written`, a time
/// such as `20261123T171317Z`, with a number behind it where one second saw several.
/// Errors: a file that cannot be read or written; nothing else was changed then.
pub fn take(tree: &Files, written: &str) -> Result<String, FileError> {
    let taken = tree.list(SNAPSHOTS)?;
    let stamp: String = written.chars().filter(char::is_ascii_alphanumeric).collect();
    let numbers =
        taken.iter().filter_map(|name| name.strip_prefix(&stamp)?.strip_prefix('-')?.parse::<u32>().ok());
    let name = format!("{stamp}-{:03}", numbers.max().map_or(0, |last| last.saturating_add(1)));
    tree.make_directory(SNAPSHOTS, 0o700)?;
    tree.make_directory(&format!("{SNAPSHOTS}/{name}"), 0o700)?;
    let mut files = Vec::new();
    for (path, copy) in [(PF_CONF, "pf.conf"), (ANCHOR_FILE, "anchor"), (LEDGER, "ledger.json")] {
        let bytes = tree.read(path)?;
        let sha256 = bytes.as_ref().map(|bytes| hash::of_bytes(bytes));
        if let Some(bytes) = &bytes {
            tree.replace(&format!("{SNAPSHOTS}/{name}/{copy}"), bytes, 0o600)?;
        }
        files.push(Copied { path, copy: bytes.map(|_| copy), sha256 });
    }
    // Plain data with text keys: its JSON cannot fail.
    let manifest = serde_json::to_vec_pretty(&Manifest { version: 1, files }).unwrap_or_default();
    tree.replace(&format!("{SNAPSHOTS}/{name}/manifest.json"), &manifest, 0o600)?;
    prune(tree, &taken)?;
    Ok(name)
}

/// Removes the oldest copies but the very first. `taken` are the names before the newest, sorted.
fn prune(tree: &Files, taken: &[String]) -> Result<(), FileError> {
    let surplus = taken.len().saturating_sub(KEPT);
    for name in taken.iter().skip(1).take(surplus) {
        for file in tree.list(&format!("{SNAPSHOTS}/{name}"))? {
            tree.remove(&format!("{SNAPSHOTS}/{name}/{file}"))?;
        }
        tree.remove_directory(&format!("{SNAPSHOTS}/{name}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_and_the_latest() {
        let directory = tempfile::tempdir().unwrap();
        let tree = Files::lab(directory.path());
        tree.replace(PF_CONF, b"pass\n", 0o644).unwrap();
        let names: Vec<String> = (0..30).map(|_| take(&tree, "2026-11-23T17:13:17Z").unwrap()).collect();
        let kept = tree.list(SNAPSHOTS).unwrap();
        assert_eq!(kept.len(), KEPT + 1);
        assert_eq!((kept.first(), kept.last()), (names.first(), names.last()));
        let copy = tree.read(&format!("{SNAPSHOTS}/{}/pf.conf", names[0])).unwrap();
        assert_eq!(copy.unwrap(), b"pass\n");
        let manifest = tree.read(&format!("{SNAPSHOTS}/{}/manifest.json", names[0])).unwrap().unwrap();
        assert!(String::from_utf8(manifest).unwrap().contains(&hash::of_bytes(b"pass\n")));
    }
}
