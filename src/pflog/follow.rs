//! Follows a capture that grows, as `tail -F` does: what is not whole yet waits, and where the file is replaced or cut
//! short, it is read anew.
//!
//! ```
//! use portcullis::pflog::follow::{Follower, FollowEvent};
//! let folder = tempfile::tempdir()?;
//! let mut follower = Follower::open(&folder.path().join("pflog.pcap"));
//! assert!(matches!(follower.step(), FollowEvent::Nothing), "it may come yet");
//! # Ok::<(), std::io::Error>(())
//! ```

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::capture::{Decoder, PflogError, read_some};
use super::entry::LogEntry;

/// A file that is followed.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<File>,
    decoder: Decoder,
    /// How many bytes of the file were read.
    read: u64,
}

/// What one step gave.
#[derive(Debug)]
pub enum FollowEvent {
    /// One more entry.
    Entry(LogEntry),
    /// Something that cannot be understood. Unless it is a packet, nothing more comes of this file.
    Problem(PflogError),
    /// The file was replaced or cut short: what comes next is its beginning.
    Anew,
    /// There is nothing new now: ask again a little later.
    Nothing,
}

impl Follower {
    /// Follows the file at `path` from its beginning; it need not be there yet.
    pub fn open(path: &Path) -> Self {
        Follower { path: path.to_owned(), file: None, decoder: Decoder::default(), read: 0 }
    }

    /// What comes next. Does not wait.
    pub fn step(&mut self) -> FollowEvent {
        loop {
            match self.decoder.next_entry() {
                Some(Ok(entry)) => return FollowEvent::Entry(entry),
                Some(Err(problem)) => return FollowEvent::Problem(problem),
                None => {}
            }
            match self.read_more() {
                Ok(true) => {}
                Ok(false) => return self.look_again(),
                Err(error) => return FollowEvent::Problem(error.into()),
            }
        }
    }

    /// `false` at what is the end for now.
    fn read_more(&mut self) -> std::io::Result<bool> {
        let Some(file) = &mut self.file else { return Ok(false) };
        let mut room = vec![0; 64 * 1024];
        let length = read_some(file, &mut room)?;
        self.decoder.push(room.get(..length).unwrap_or_default());
        self.read += length as u64;
        Ok(length > 0)
    }

    /// At the end of what is open: whether the path leads to another file by now, or to less than was read.
    fn look_again(&mut self) -> FollowEvent {
        let Ok(there) = self.path.metadata() else { return FollowEvent::Nothing };
        let open = self.file.as_ref().and_then(|file| file.metadata().ok());
        let same = open.is_some_and(|open| (open.dev(), open.ino()) == (there.dev(), there.ino()));
        if same && there.len() >= self.read {
            return FollowEvent::Nothing;
        }
        let first = self.file.is_none();
        let opened = match &mut self.file {
            Some(file) if same => file.seek(SeekFrom::Start(0)).map(drop),
            file => File::open(&self.path).map(|opened| *file = Some(opened)),
        };
        match opened {
            Ok(()) => {
                (self.decoder, self.read) = (Decoder::default(), 0);
                if first { self.step() } else { FollowEvent::Anew }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => FollowEvent::Nothing,
            Err(error) => FollowEvent::Problem(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{header, syn};
    use super::*;
    use std::io::Write as _;

    fn numbers(follower: &mut Follower) -> Vec<u32> {
        let mut numbers = Vec::new();
        loop {
            match follower.step() {
                FollowEvent::Entry(entry) => numbers.push(entry.seconds),
                FollowEvent::Anew => numbers.push(0),
                FollowEvent::Nothing => return numbers,
                FollowEvent::Problem(problem) => panic!("{problem}"),
            }
        }
    }

    fn capture(seconds: &[u32]) -> Vec<u8> {
        let frames = seconds.iter().flat_map(|seconds| syn(*seconds, ([10, 0, 0, 1], 50_000)));
        header(117).into_iter().chain(frames).collect()
    }

    #[test]
    fn a_file_that_grows_byte_by_byte_gives_each_packet_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pcap");
        let mut follower = Follower::open(&path);
        assert!(numbers(&mut follower).is_empty());
        let bytes = capture(&[1, 2, 3]);
        let frame = (bytes.len() - 24) / 3;
        let mut file = File::create(&path).unwrap();
        for (index, byte) in bytes.iter().enumerate() {
            file.write_all(&[*byte]).unwrap();
            let written = index + 1;
            let whole = written > 24 && (written - 24).is_multiple_of(frame);
            let expected = if whole { vec![((written - 24) / frame) as u32] } else { Vec::new() };
            assert_eq!(numbers(&mut follower), expected, "after {written} bytes");
        }
    }

    #[test]
    fn a_file_that_is_replaced_or_cut_short_is_read_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pcap");
        std::fs::write(&path, capture(&[1, 2])).unwrap();
        let mut follower = Follower::open(&path);
        assert_eq!(numbers(&mut follower), [1, 2]);
        std::fs::write(folder.path().join("new"), capture(&[3, 4])).unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(numbers(&mut follower), [0, 3, 4], "replaced by one of the same length");
        std::fs::write(&path, capture(&[5])).unwrap();
        assert_eq!(numbers(&mut follower), [0, 5], "cut short");
        std::fs::write(&path, &capture(&[6])[..30]).unwrap();
        assert_eq!(numbers(&mut follower), [0], "half a packet waits");
        std::fs::remove_file(&path).unwrap();
        assert!(numbers(&mut follower).is_empty(), "it may come again");
        std::fs::write(&path, capture(&[7])).unwrap();
        assert_eq!(numbers(&mut follower), [0, 7]);
    }

    #[test]
    fn what_is_no_capture_is_said_once_and_then_it_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pcap");
        std::fs::write(&path, header(1)).unwrap();
        let mut follower = Follower::open(&path);
        assert!(matches!(follower.step(), FollowEvent::Problem(PflogError::LinkType(1))));
        for _ in 0..3 {
            assert!(matches!(follower.step(), FollowEvent::Nothing));
        }
        std::fs::write(folder.path().join("new"), capture(&[3])).unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(numbers(&mut follower), [0, 3]);
    }
}
