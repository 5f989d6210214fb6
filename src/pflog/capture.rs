//! A pcap of `pflog0`, from a file or as it comes.

use std::io::Read;

use pcap_parser::nom;
use pcap_parser::pcap::{PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header};

use super::entry::{LogEntry, MalformedPacket};

/// `DLT_PFLOG`.
const LINK_TYPE: i32 = 117;
/// No packet is longer than this: 64 KiB of IP and room for the headers.
const LONGEST_PACKET: usize = 128 * 1024;

/// The log could not be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum PflogError {
    /// The source fails.
    #[error("cannot read pf's log: {0}")]
    Read(#[from] std::io::Error),
    /// It is something else.
    #[error("cannot read pf's log: this is not a pcap file; record one with `tcpdump -i pflog0 -w FILE`")]
    NotPcap,
    /// It was recorded on another kind of interface.
    #[error(
        "cannot read pf's log: the file has link type {0}, not 117 (pflog); record it on pflog0: `tcpdump -i pflog0 -w FILE`"
    )]
    LinkType(i32),
    /// It ends in the middle of a packet.
    #[error("pf's log ends in the middle of packet {0}: what comes before it is complete")]
    Truncated(u64),
    /// A packet has not the expected form.
    #[error("cannot understand packet {packet} of pf's log: {source}")]
    Form {
        /// Which packet, from 1.
        packet: u64,
        source: MalformedPacket,
    },
}

/// Takes a capture in pieces, as it grows, and gives its entries.
///
/// ```
/// use portcullis::pflog::Decoder;
/// let mut decoder = Decoder::default();
/// decoder.push(&[0xd4, 0xc3]);
/// assert!(decoder.next_entry().is_none(), "more is needed");
/// decoder.push(&[0; 22]);
/// assert!(decoder.next_entry().unwrap().is_err(), "this is no capture");
/// ```
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where in the buffer the next frame begins.
    start: usize,
    /// `None` until the file's header was read.
    form: Option<CaptureForm>,
    packet: u64,
    ended: bool,
}

/// What the file's header says of its frames.
#[derive(Clone, Copy, Debug)]
struct CaptureForm {
    big_endian: bool,
    nanoseconds: bool,
}

impl Decoder {
    /// Takes what comes next.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.ended {
            return;
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next entry; `None` where it has not come whole yet, or none can come any more. A packet that cannot be
    /// understood is an error of its own and reading goes on after it; any other error is the last thing that it gives.
    pub fn next_entry(&mut self) -> Option<Result<LogEntry, PflogError>> {
        let item = match self.form {
            _ if self.ended => return None,
            Some(form) => self.frame(form)?,
            None => match self.read_header()? {
                Ok(form) => return self.frame(form),
                Err(error) => Err(error),
            },
        };
        Some(item)
    }

    /// Whether it waits for the rest of something.
    pub fn is_partial(&self) -> bool {
        !self.ended && self.start < self.buffer.len()
    }

    /// `None` until the whole header is there.
    fn read_header(&mut self) -> Option<Result<CaptureForm, PflogError>> {
        const HEADER: usize = 24;
        if self.buffer.len() < HEADER {
            return None;
        }
        let form = form(&self.buffer);
        match &form {
            Ok(form) => (self.form, self.start) = (Some(*form), HEADER),
            Err(_) => self.ended = true,
        }
        Some(form)
    }

    fn frame(&mut self, form: CaptureForm) -> Option<Result<LogEntry, PflogError>> {
        let parse = if form.big_endian { parse_pcap_frame_be } else { parse_pcap_frame };
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let packet = self.packet + 1;
        let source = match parse(rest) {
            Ok((after, frame)) => {
                let microseconds = if form.nanoseconds { frame.ts_usec / 1000 } else { frame.ts_usec };
                let entry = LogEntry::parse(frame.ts_sec, microseconds, frame.data);
                self.start = self.buffer.len() - after.len();
                self.packet = packet;
                return Some(entry.map_err(|source| PflogError::Form { packet, source }));
            }
            Err(nom::Err::Incomplete(_)) if rest.len() > LONGEST_PACKET => MalformedPacket::TooLong,
            Err(nom::Err::Incomplete(_)) => return None,
            Err(_) => MalformedPacket::DamagedFrame,
        };
        self.ended = true;
        Some(Err(PflogError::Form { packet, source }))
    }
}

/// Whether the numbers in the frames of a capture of pf's log, of which this is the header, are big-endian. Errors: it is
/// no such capture.
pub fn is_big_endian(header: &[u8]) -> Result<bool, PflogError> {
    form(header).map(|form| form.big_endian)
}

/// Reads the header of a pcap file. Errors: it is none, or of another kind of interface.
fn form(header: &[u8]) -> Result<CaptureForm, PflogError> {
    let Ok((_, header)) = parse_pcap_header(header) else { return Err(PflogError::NotPcap) };
    let PcapHeader { network, .. } = header;
    // The upper bits may hold the length of a checksum.
    if network.0 & 0xffff != LINK_TYPE {
        return Err(PflogError::LinkType(network.0));
    }
    if header.is_modified_format() {
        return Err(PflogError::NotPcap);
    }
    Ok(CaptureForm { big_endian: header.is_bigendian(), nanoseconds: header.is_nanosecond_precision() })
}

/// Reads entries one after the other, to the end of the source; errors are as of [`Decoder::next_entry`].
pub struct Reader<R> {
    source: R,
    decoder: Decoder,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the file's header. Errors: no pcap, another link type, the source fails.
    pub fn new(source: R) -> Result<Self, PflogError> {
        let mut reader = Reader { source, decoder: Decoder::default(), ended: false };
        loop {
            match reader.decoder.read_header() {
                Some(form) => return form.map(|_| reader),
                None if reader.fill()? => {}
                None => return Err(PflogError::NotPcap),
            }
        }
    }

    /// Reads some more; `false` at the end.
    fn fill(&mut self) -> Result<bool, PflogError> {
        let mut room = vec![0; 64 * 1024];
        let length = read_some(&mut self.source, &mut room)?;
        self.decoder.push(room.get(..length).unwrap_or_default());
        Ok(length > 0)
    }

    fn read_next(&mut self) -> Option<Result<LogEntry, PflogError>> {
        loop {
            if let Some(item) = self.decoder.next_entry() {
                return Some(item);
            }
            let end = match self.fill() {
                Ok(true) => continue,
                Ok(false) if self.decoder.is_partial() => {
                    Some(Err(PflogError::Truncated(self.decoder.packet + 1)))
                }
                Ok(false) => None,
                Err(error) => Some(Err(error)),
            };
            self.ended = true;
            return end;
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<LogEntry, PflogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended { None } else { self.read_next() }
    }
}

/// Reads once, and again where a signal came between.
pub(super) fn read_some(source: &mut impl Read, room: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match source.read(room) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
