//! Cuts what tcpdump gives into whole frames, so that the file of a recording never ends within one. Pure.

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

    /// The next whole piece. Errors: why there can be none.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
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
        self.start += length;
        Ok(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pflog::sample::{header, syn};

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
