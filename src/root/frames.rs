//! Cuts what tcpdump gives into whole frames, so that the file of a recording never ends within one, and takes from each
//! what is behind its headers. Pure.

use crate::pflog::{self, PflogError};

/// Why no frame can follow.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("what tcpdump gives is no log of pf: {0}")]
    Header(#[from] PflogError),
    #[error("what tcpdump gives is damaged")]
    Damaged,
}

/// Cuts what tcpdump gives into what can be written: the file's header, then whole frames.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Where in the buffer the next piece begins.
    start: usize,
    /// `None` until the file's header came.
    big_endian: Option<bool>,
}

impl Frames {
    const FILE_HEADER: usize = 24;
    const FRAME_HEADER: usize = 16;
    /// More than tcpdump can have taken of a packet.
    const LONGEST: usize = 64 * 1024;

    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next piece, of a frame with nothing but its headers. Errors: why there can be none.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let is_frame = self.big_endian.is_some();
        let length = match self.big_endian {
            None if rest.len() < Self::FILE_HEADER => return Ok(None),
            None => {
                self.big_endian = Some(pflog::is_big_endian(rest)?);
                Self::FILE_HEADER
            }
            Some(big_endian) => {
                let Some(Ok(bytes)) = rest.get(8..12).map(<[u8; 4]>::try_from) else { return Ok(None) };
                let captured = if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
                let captured = usize::try_from(captured).unwrap_or(usize::MAX);
                if captured > Self::LONGEST {
                    return Err(FrameError::Damaged);
                }
                Self::FRAME_HEADER + captured
            }
        };
        let Some(piece) = rest.get(..length) else { return Ok(None) };
        let piece = match self.big_endian.filter(|_| is_frame) {
            Some(big_endian) => headers_of(piece, big_endian),
            None => piece.to_vec(),
        };
        self.start += length;
        Ok(Some(piece))
    }
}

/// The frame with its packet cut behind the headers; its length before that is told as it was.
fn headers_of(frame: &[u8], big_endian: bool) -> Vec<u8> {
    let (times, rest) = frame.split_at(frame.len().min(8));
    let (lengths, data) = rest.split_at(rest.len().min(8));
    let kept = data.get(..pflog::header_length(data)).unwrap_or(data);
    let length = u32::try_from(kept.len()).unwrap_or(u32::MAX);
    let length = if big_endian { length.to_be_bytes() } else { length.to_le_bytes() };
    [times, &length, lengths.get(4..).unwrap_or_default(), kept].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pflog::sample::{frame, header, syn};

    fn taken(frames: &mut Frames) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Some(frame) = frames.next_frame().unwrap() {
            taken.extend(frame);
        }
        taken
    }

    #[test]
    fn only_whole_frames_are_written_however_they_come() {
        let whole: Vec<u8> =
            header(117).into_iter().chain(syn(1, ([1; 4], 9))).chain(syn(2, ([1; 4], 9))).collect();
        for size in [1, 7, 23, 24, 25, 1000] {
            let (mut frames, mut written) = (Frames::default(), Vec::new());
            for piece in whole[..whole.len() - 1].chunks(size) {
                frames.push(piece);
                written.extend(taken(&mut frames));
            }
            assert_eq!(written, whole[..whole.len() - syn(2, ([1; 4], 9)).len()], "{size}");
        }
    }

    #[test]
    fn the_payload_is_cut_off_and_the_frame_still_reads() {
        let mut ip = Vec::new();
        let builder = etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [192, 168, 1, 7], 64);
        builder.tcp(50_000, 2345, 1, 1024).write(&mut ip, b"PASSWORD=hunter2").unwrap();
        let mut frames = Frames::default();
        frames.push(&[header(117), frame(1, &[0; 16], &ip), syn(2, ([1; 4], 9))].concat());
        let written = taken(&mut frames);
        assert!(!written.windows(8).any(|bytes| bytes == b"PASSWORD"));
        let entries: Vec<_> = pflog::Reader::new(&written[..]).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(entries[0].to.unwrap().to_string(), "192.168.1.7:2345");
        assert_eq!((entries.len(), entries[1].seconds), (2, 2));
    }

    #[test]
    fn what_is_no_log_of_pf_is_not_written() {
        let mut frames = Frames::default();
        frames.push(&header(1));
        assert!(frames.next_frame().unwrap_err().to_string().contains("link type 1"));
        let mut frames = Frames::default();
        frames.push(&header(117));
        frames.push(&[255; 16]);
        assert_eq!(frames.next_frame().unwrap().unwrap().len(), 24);
        assert!(frames.next_frame().unwrap_err().to_string().contains("damaged"));
    }
}
