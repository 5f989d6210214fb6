//! A lab as it stands on disk, kept in memory: copied out in a millisecond, compared, recognised.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Every file, folder and link below a directory, by its path in it, such as `/etc/pf.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image(pub BTreeMap<String, Entry>);

/// What lies at a path; modes are octal, such as 0o644.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Folder {
        mode: u32,
    },
    File {
        mode: u32,
        bytes: Vec<u8>,
    },
    Link(PathBuf),
    /// A pipe, a socket, a device: nothing that belongs in a lab.
    Other,
}

impl Image {
    /// What lies below `directory` now.
    pub fn read(directory: &Path) -> io::Result<Self> {
        let mut entries = BTreeMap::new();
        let mut folders = vec![directory.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                let metadata = path.symlink_metadata()?;
                let mode = metadata.mode() & 0o7777;
                let kind = metadata.file_type();
                let entry = if kind.is_dir() {
                    folders.push(path.clone());
                    Entry::Folder { mode }
                } else if kind.is_file() {
                    Entry::File { mode, bytes: std::fs::read(&path)? }
                } else if kind.is_symlink() {
                    Entry::Link(std::fs::read_link(&path)?)
                } else {
                    Entry::Other
                };
                let inside = path.strip_prefix(directory).unwrap_or(&path);
                entries.insert(format!("/{}", inside.display()), entry);
            }
        }
        Ok(Image(entries))
    }

    /// Makes `directory` just this.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        match std::fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir_all(directory)?,
        }
        // A folder comes before what lies in it.
        for (path, entry) in &self.0 {
            let place = directory.join(path.trim_start_matches('/'));
            match entry {
                Entry::Folder { mode } => {
                    std::fs::create_dir(&place)?;
                    std::fs::set_permissions(&place, PermissionsExt::from_mode(*mode))?;
                }
                Entry::File { mode, bytes } => {
                    std::fs::write(&place, bytes)?;
                    std::fs::set_permissions(&place, PermissionsExt::from_mode(*mode))?;
                }
                Entry::Link(target) => symlink(target, &place)?,
                Entry::Other => {}
            }
        }
        Ok(())
    }

    /// The bytes of a file; `None` where there is none.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.0.get(path) {
            Some(Entry::File { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }

    /// The files below a folder, by their paths.
    pub fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a Entry)> {
        let all = self.0.iter().filter(move |(path, _)| path.starts_with(folder));
        all.map(|(path, entry)| (path.as_str(), entry))
    }

    /// The same for two images that differ in nothing that a later run could go by: process ids, tokens, hashes and
    /// times are numbered in the order in which they come, so that the same one twice stays the same one twice.
    /// Of files that `briefly` gives something for that is all that counts.
    pub fn likeness(&self, briefly: impl Fn(&str, &[u8]) -> Option<String>) -> [u8; 32] {
        let mut names = Names::default();
        let mut digest = Sha256::new();
        for (path, entry) in &self.0 {
            digest.update(names.plain_name(path));
            match entry {
                Entry::Folder { mode } => digest.update(format!("folder {mode:o}")),
                Entry::File { mode, bytes } => {
                    digest.update(format!("file {mode:o} "));
                    match briefly(path, bytes) {
                        Some(text) => digest.update(text),
                        None => digest.update(names.plain(bytes)),
                    }
                }
                Entry::Link(target) => digest.update(target.to_string_lossy().as_bytes()),
                Entry::Other => digest.update("other"),
            }
            digest.update([0]);
        }
        digest.finalize().into()
    }
}

/// A path without what differs from run to run: the numbers of snapshots, process ids in names.
pub fn plain_path(path: &str) -> String {
    String::from_utf8_lossy(&Names::default().plain_name(path)).into_owned()
}

/// Numbers that were seen, in their order.
#[derive(Default)]
struct Names(BTreeMap<Vec<u8>, usize>);

impl Names {
    /// A path: process ids stand between dots in the names of temporary files.
    fn plain_name(&mut self, path: &str) -> Vec<u8> {
        let is_number = |part: &str| part.len() > 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> =
            path.split('.').map(|part| if is_number(part) { "PID" } else { part }).collect();
        self.plain(parts.join(".").as_bytes())
    }

    fn plain(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let run = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            let (word, after) = rest.split_at(run.max(1));
            let number = word.iter().filter(|byte| byte.is_ascii_digit()).count();
            let is_time = number >= 12 && word.contains(&b'T');
            let is_hash = word.len() >= 32 && word.iter().all(u8::is_ascii_hexdigit);
            let is_number = number == word.len() && first.is_ascii_digit();
            let is_process = is_number && ends_with_process(&plain);
            if is_time || is_clock(&plain, word) {
                plain.extend_from_slice(b"TIME");
            } else if is_hash || is_number && word.len() >= 8 || is_process {
                let next = self.0.len();
                let index = *self.0.entry(word.to_vec()).or_insert(next);
                plain.extend_from_slice(format!("#{index}").as_bytes());
            } else {
                plain.extend_from_slice(word);
            }
            rest = after;
        }
        plain
    }
}

/// Whether a number is the value of a key that holds a process id.
fn ends_with_process(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    ["\"pid\":", "\"loaded_by\":", "\"process\":", "\"started\":", "\"start\":"]
        .iter()
        .any(|key| text.ends_with(key.as_bytes()))
}

/// Whether a word is a part of `2026-11-25T18:30:00Z`, whose first part is read as a plain number.
fn is_clock(before: &[u8], word: &[u8]) -> bool {
    let day = word.len() >= 5 && word.get(2) == Some(&b'T');
    let after_time = before.ends_with(b"TIME:");
    (day && before.last() == Some(&b'-') || after_time) && word.iter().any(u8::is_ascii_digit)
}
