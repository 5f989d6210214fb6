//! Reads what pf logged: a pcap of `pflog0`, from a file or as it comes.
//!
//! ```
//! use portcullis::reach::pflog;
//! let error = pflog::Reader::new(&b"not a capture"[..]).err().unwrap();
//! assert!(error.to_string().contains("not a pcap file"));
//! ```
//!
//! Each packet begins with Apple's header (XNU: bsd/net/if_pflog.h, 61 bytes and padding to 64, host byte order but
//! for the rules' numbers), then comes the IP packet.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use pcap_parser::nom;
use pcap_parser::pcap::{PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header};
use serde::Serialize;

/// `DLT_PFLOG`.
const LINK_TYPE: i32 = 117;
/// No packet is longer than this: 64 KiB of IP and room for the headers.
const LONGEST_PACKET: usize = 128 * 1024;

/// One packet that a rule with `log` matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When, in seconds since 1970-01-01 UTC.
    pub seconds: u32,
    /// When, the microseconds past it.
    pub microseconds: u32,
    /// What pf did with it.
    pub action: Action,
    /// In or out.
    pub direction: Direction,
    /// The interface.
    pub interface: String,
    /// The last name of the anchor that holds the rule; empty for the main ruleset.
    pub anchor: String,
    /// The rule's number in the main ruleset: inside an anchor, that of the call.
    pub rule: u32,
    /// The rule's number in its anchor, where it has one.
    pub subrule: Option<u32>,
    /// Where it comes from; `None` where the packet was cut before that.
    pub from: Option<End>,
    /// Where it goes.
    pub to: Option<End>,
}

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    /// The address.
    pub address: IpAddr,
    /// The port of TCP or UDP, in host order.
    pub port: Option<u16>,
}

/// What pf did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Let it pass.
    Pass,
    /// Blocked it.
    Block,
    /// Another number of the kernel's: scrub, nat, …
    Other(u8),
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To this Mac.
    In,
    /// From this Mac.
    Out,
    /// Not said.
    Unknown,
}

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
    #[error("cannot understand packet {packet} of pf's log: {problem}")]
    Form {
        /// Which packet, from 1.
        packet: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Reads entries one after the other. A packet that cannot be understood is an error of its own and reading goes on
/// after it; any other error is the last thing it gives.
pub struct Reader<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    big_endian: bool,
    nanoseconds: bool,
    packet: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the file's header. Errors: no pcap, another link type, the source fails.
    pub fn new(source: R) -> Result<Self, PflogError> {
        let mut reader = Reader {
            source,
            buffer: Vec::new(),
            start: 0,
            big_endian: false,
            nanoseconds: false,
            packet: 0,
            ended: false,
        };
        const HEADER: usize = 24;
        while reader.buffer.len() < HEADER && reader.fill()? {}
        let Ok((_, header)) = parse_pcap_header(&reader.buffer) else { return Err(PflogError::NotPcap) };
        let PcapHeader { network, .. } = header;
        // The upper bits may hold the length of a checksum.
        if network.0 & 0xffff != LINK_TYPE {
            return Err(PflogError::LinkType(network.0));
        }
        if header.is_modified_format() {
            return Err(PflogError::NotPcap);
        }
        reader.big_endian = header.is_bigendian();
        reader.nanoseconds = header.is_nanosecond_precision();
        reader.start = HEADER;
        Ok(reader)
    }

    /// Reads some more; `false` at the end.
    fn fill(&mut self) -> Result<bool, PflogError> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let length = self.buffer.len();
        self.buffer.resize(length + 64 * 1024, 0);
        let room = self.buffer.get_mut(length..).unwrap_or_default();
        let read = loop {
            match self.source.read(room) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(length + read.as_ref().map_or(0, |read| *read));
        Ok(read? > 0)
    }

    fn read_next(&mut self) -> Result<Option<Entry>, PflogError> {
        let parse = if self.big_endian { parse_pcap_frame_be } else { parse_pcap_frame };
        loop {
            let rest = self.buffer.get(self.start..).unwrap_or_default();
            let packet = self.packet + 1;
            match parse(rest) {
                Ok((after, frame)) => {
                    let entry = entry(frame.ts_sec, frame.ts_usec, self.nanoseconds, frame.data);
                    self.start = self.buffer.len() - after.len();
                    self.packet = packet;
                    return entry.map(Some).map_err(|problem| PflogError::Form { packet, problem });
                }
                Err(nom::Err::Incomplete(_)) if rest.len() > LONGEST_PACKET => {
                    self.ended = true;
                    return Err(PflogError::Form { packet, problem: "it is longer than any packet can be" });
                }
                Err(nom::Err::Incomplete(_)) => {
                    let partial = !rest.is_empty();
                    if !self.fill()? {
                        self.ended = true;
                        return if partial { Err(PflogError::Truncated(packet)) } else { Ok(None) };
                    }
                }
                Err(_) => {
                    self.ended = true;
                    return Err(PflogError::Form { packet, problem: "its frame is damaged" });
                }
            }
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Entry, PflogError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read_next();
        self.ended |= matches!(item, Err(PflogError::Read(_)));
        item.transpose()
    }
}

fn entry(seconds: u32, fraction: u32, nanoseconds: bool, data: &[u8]) -> Result<Entry, &'static str> {
    const LENGTH: usize = 61;
    let length = usize::from(*data.first().ok_or("it is empty")?);
    if length < LENGTH || data.len() < LENGTH {
        return Err("its pflog header is cut short");
    }
    let packet = data.get(length.next_multiple_of(4)..).unwrap_or_default();
    let number = |at: usize| {
        let bytes = data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u32::from_be_bytes).ok_or("its pflog header is cut short")
    };
    let text = |at: usize| {
        let bytes = data.get(at..at + 16).unwrap_or_default();
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        bytes.get(..end).unwrap_or_default().escape_ascii().to_string()
    };
    let (from, to) = ends(packet);
    Ok(Entry {
        seconds,
        microseconds: if nanoseconds { fraction / 1000 } else { fraction },
        action: match data.get(2) {
            Some(0) => Action::Pass,
            Some(1) => Action::Block,
            other => Action::Other(other.copied().unwrap_or(u8::MAX)),
        },
        direction: match data.get(60) {
            Some(1) => Direction::In,
            Some(2) => Direction::Out,
            _ => Direction::Unknown,
        },
        interface: text(4),
        anchor: text(20),
        rule: number(36)?,
        subrule: Some(number(40)?).filter(|number| *number != u32::MAX),
        from,
        to,
    })
}

/// Both ends of an IP packet, as far as it was recorded.
fn ends(packet: &[u8]) -> (Option<End>, Option<End>) {
    let Ok(sliced) = LaxSlicedPacket::from_ip(packet) else { return (None, None) };
    let (from, to): (IpAddr, IpAddr) = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        _ => return (None, None),
    };
    let ports = match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => Some((tcp.source_port(), tcp.destination_port())),
        Some(TransportSlice::Udp(udp)) => Some((udp.source_port(), udp.destination_port())),
        _ => None,
    };
    let end = |address, port| Some(End { address, port });
    (end(from, ports.map(|ports| ports.0)), end(to, ports.map(|ports| ports.1)))
}

/// What was blocked on its way to one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Attempts {
    /// How many packets. A client that gets no answer sends several for one attempt.
    pub packets: u64,
    /// The address of the last one.
    pub last_from: IpAddr,
    /// When that was, in seconds since 1970-01-01 UTC.
    pub last: u32,
}

/// What was blocked inbound for each port, since `since` (seconds since 1970-01-01 UTC).
pub fn blocked<'a>(entries: impl IntoIterator<Item = &'a Entry>, since: u32) -> BTreeMap<u16, Attempts> {
    let mut counts: BTreeMap<u16, Attempts> = BTreeMap::new();
    for entry in entries {
        let (Some(from), Some(End { port: Some(port), .. })) = (entry.from, entry.to) else { continue };
        if entry.action != Action::Block || entry.direction != Direction::In || entry.seconds < since {
            continue;
        }
        let first = Attempts { packets: 0, last_from: from.address, last: entry.seconds };
        let attempts = counts.entry(port).or_insert(first);
        attempts.packets += 1;
        if entry.seconds >= attempts.last {
            (attempts.last_from, attempts.last) = (from.address, entry.seconds);
        }
    }
    counts
}

/// `12:31:05.000204 block in on en0 from 192.168.1.20:50000 to 192.168.1.7:2345 (rule 4.2 of 100.dev.portcullis)`,
/// without the time, which the caller shows in its zone.
impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let action = match self.action {
            Action::Pass => "pass".to_owned(),
            Action::Block => "block".to_owned(),
            Action::Other(number) => format!("action {number}"),
        };
        let direction = match self.direction {
            Direction::In => " in",
            Direction::Out => " out",
            Direction::Unknown => "",
        };
        let end = |end: Option<End>| match end {
            None => "?".to_owned(),
            Some(End { address: IpAddr::V6(address), port: Some(port) }) => format!("[{address}]:{port}"),
            Some(End { address, port: Some(port) }) => format!("{address}:{port}"),
            Some(End { address, port: None }) => address.to_string(),
        };
        write!(
            f,
            "{action}{direction} on {} from {} to {} (rule {}",
            self.interface,
            end(self.from),
            end(self.to),
            self.rule
        )?;
        match (self.subrule, self.anchor.is_empty()) {
            (Some(subrule), false) => write!(f, ".{subrule} of {})", self.anchor),
            (Some(subrule), true) => write!(f, ".{subrule})"),
            (None, _) => f.write_str(")"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A capture of blocked SYNs to port 2345, as the kernel's sources lay it out.
    fn capture(link_type: u32, sources: &[[u8; 4]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(0xa1b2_c3d4u32.to_le_bytes());
        bytes.extend([2, 0, 4, 0]);
        bytes.extend([0; 8]);
        bytes.extend(65535u32.to_le_bytes());
        bytes.extend(link_type.to_le_bytes());
        for (index, source) in sources.iter().enumerate() {
            let mut packet = vec![61, 2, 1, 0];
            packet.extend(*b"en0\0\0\0\0\0\0\0\0\0\0\0\0\0");
            packet.extend(*b"dev.portcullis\0\0");
            packet.extend(4u32.to_be_bytes());
            packet.extend(2u32.to_be_bytes());
            packet.extend([0; 16]);
            packet.extend([1, 0, 0, 0]);
            let builder = etherparse::PacketBuilder::ipv4(*source, [192, 168, 1, 7], 64)
                .tcp(50000, 2345, 1, 1024)
                .syn();
            builder.write(&mut packet, &[]).unwrap();
            bytes.extend((1000 + index as u32).to_le_bytes());
            bytes.extend(7u32.to_le_bytes());
            bytes.extend((packet.len() as u32).to_le_bytes());
            bytes.extend((packet.len() as u32).to_le_bytes());
            bytes.extend(packet);
        }
        bytes
    }

    #[test]
    fn entries_and_counts() {
        let bytes = capture(117, &[[192, 168, 1, 20], [192, 168, 1, 21]]);
        let entries: Vec<Entry> = Reader::new(&bytes[..]).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(
            entries[0].to_string(),
            "block in on en0 from 192.168.1.20:50000 to 192.168.1.7:2345 (rule 4.2 of dev.portcullis)"
        );
        assert_eq!((entries[1].seconds, entries[1].microseconds), (1001, 7));
        let counts = blocked(&entries, 0);
        let last: IpAddr = "192.168.1.21".parse().unwrap();
        assert_eq!(counts[&2345], Attempts { packets: 2, last_from: last, last: 1001 });
        assert_eq!(blocked(&entries, 1001)[&2345].packets, 1);
        assert!(blocked(&entries, 2000).is_empty());
    }

    #[test]
    fn a_capture_that_ends_early_says_so_and_keeps_what_it_had() {
        let bytes = capture(117, &[[1, 2, 3, 4], [1, 2, 3, 5]]);
        for end in 0..bytes.len() {
            match Reader::new(&bytes[..end]) {
                Err(error) => assert!(end < 24 && matches!(error, PflogError::NotPcap), "{end}: {error}"),
                Ok(reader) => {
                    let items: Vec<_> = reader.collect();
                    let whole = items.iter().filter(|item| item.is_ok()).count();
                    let frame = (bytes.len() - 24) / 2;
                    assert_eq!(whole, (end - 24) / frame);
                    let partial = (end - 24) % frame != 0;
                    assert_eq!(matches!(items.last(), Some(Err(PflogError::Truncated(_)))), partial, "{end}");
                }
            }
        }
    }

    #[test]
    fn another_link_type_is_named() {
        let error = Reader::new(&capture(1, &[])[..]).err().unwrap();
        assert!(error.to_string().contains("link type 1, not 117"), "{error}");
        assert!(matches!(Reader::new(&b""[..]), Err(PflogError::NotPcap)));
    }

    #[test]
    fn a_frame_that_claims_to_be_huge_ends_the_reading() {
        let mut bytes = capture(117, &[]);
        bytes.extend([0; 8]);
        bytes.extend(u32::MAX.to_le_bytes());
        bytes.extend(u32::MAX.to_le_bytes());
        bytes.extend(vec![0; 1 << 20]);
        let items: Vec<_> = Reader::new(&bytes[..]).unwrap().collect();
        assert_eq!(items.len(), 1);
        assert!(items[0].is_err());
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(junk in proptest::collection::vec(proptest::num::u8::ANY, 0..300), at in 0usize..300, byte: u8) {
            let mut after = capture(117, &[]);
            after.extend(&junk);
            let mut bent = capture(117, &[[1, 2, 3, 4]]);
            let at = at % bent.len();
            bent[at] = byte;
            for bytes in [junk, after, bent] {
                if let Ok(reader) = Reader::new(&bytes[..]) {
                    proptest::prop_assert!(reader.take(1000).count() < 1000);
                }
            }
        }
    }
}
