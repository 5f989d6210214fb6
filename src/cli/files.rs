//! The files that a pf.conf names, where it is looked at away from its Mac.

use std::io::Read as _;
use std::path::{Path, PathBuf};

/// More than any pf.conf has.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
const ANCHORS: &str = "/etc/pf.anchors/";

/// A pf.conf that was named, and the folder that stands for /etc/pf.anchors.
#[derive(Clone, Debug)]
pub struct ConfFile {
    pub path: PathBuf,
    pub anchors: Option<PathBuf>,
}

/// A pf.conf that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct ConfFileError {
    path: PathBuf,
    source: ConfReadError,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfReadError {
    #[error(transparent)]
    System(#[from] std::io::Error),
    #[error("it is not a plain file")]
    NotPlain,
    #[error("it has more than {MAX_BYTES} bytes")]
    TooLarge,
}

/// Reads files for the parser, and keeps notes about them.
pub struct IncludedFiles {
    anchors: Option<PathBuf>,
    notes: Vec<String>,
    /// The files that could not be read, as they are named, and why.
    unread: Vec<(String, String)>,
}

impl IncludedFiles {
    /// `anchors` stands for /etc/pf.anchors.
    pub fn new(anchors: Option<PathBuf>) -> Self {
        IncludedFiles { anchors, notes: Vec::new(), unread: Vec::new() }
    }

    /// The text of the file that is looked at; `-` is standard input.
    pub fn main(&self, path: &Path) -> Result<String, ConfFileError> {
        self.main_bytes(path).map(|bytes| text_of(&bytes))
    }

    /// The same, whatever it is.
    pub fn main_bytes(&self, path: &Path) -> Result<Vec<u8>, ConfFileError> {
        let bytes = if path == Path::new("-") { read_bounded(std::io::stdin()) } else { read(path) };
        bytes.map_err(|source| ConfFileError { path: path.to_owned(), source })
    }

    /// The text of a file that it names. Apple's own anchor file, where there is none, is a stock Mac's.
    pub fn include(&mut self, path: &str) -> Result<String, Box<dyn std::error::Error>> {
        let place = match (&self.anchors, path.strip_prefix(ANCHORS)) {
            (Some(folder), Some(name)) if !name.split('/').any(|part| part == "..") => folder.join(name),
            _ => PathBuf::from(path),
        };
        match read(&place) {
            Err(_) if path == "/etc/pf.anchors/com.apple" => {
                let note = format!("{path} is not here: taken to be a stock Mac's");
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
                Ok(portcullis::lab::STOCK_COM_APPLE.to_owned())
            }
            Err(why) => {
                let note = format!("{} cannot be read: {why}", place.display());
                if !self.unread.iter().any(|(_, known)| *known == note) {
                    self.unread.push((path.to_owned(), note));
                }
                Err(why.into())
            }
            Ok(bytes) => Ok(text_of(&bytes)),
        }
    }

    /// The notes, but for files that the `problems` name already.
    pub fn notes(self, problems: &[String]) -> Vec<String> {
        let unsaid = |path: &String| !problems.iter().any(|problem| problem.contains(path.as_str()));
        let unread = self.unread.into_iter().filter(|(path, _)| unsaid(path)).map(|(_, note)| note);
        self.notes.into_iter().chain(unread).collect()
    }
}

/// The text of a file: bytes that are not UTF-8 are replaced.
pub fn text_of(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes).into_owned(), str::to_owned)
}

fn read(path: &Path) -> Result<Vec<u8>, ConfReadError> {
    // Opening a pipe waits for a writer, which may never come.
    if !std::fs::metadata(path)?.is_file() {
        return Err(ConfReadError::NotPlain);
    }
    read_bounded(std::fs::File::open(path)?)
}

fn read_bounded(from: impl std::io::Read) -> Result<Vec<u8>, ConfReadError> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(ConfReadError::TooLarge);
    }
    Ok(bytes)
}
