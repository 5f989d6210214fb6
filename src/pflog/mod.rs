//! Reads what pf logged: a pcap of `pflog0`, from a file or as it comes.
//!
//! ```
//! use portcullis::pflog;
//! let error = pflog::Reader::new(&b"not a capture"[..]).err().unwrap();
//! assert!(error.to_string().contains("not a pcap file"));
//! ```
//!
//! Each packet begins with Apple's header (XNU: bsd/net/if_pflog.h, 61 bytes and padding to 64, host byte order but
//! for the rules' numbers), then comes the IP packet.

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::net::IpAddr;

use etherparse::{IpNumber, LaxNetSlice, LaxSlicedPacket};
use pcap_parser::nom;
use pcap_parser::pcap::{PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header};
use serde::Serialize;

use crate::pf::criteria;
use crate::pf::logged::{Numbers, rule_of};
use crate::pf::packet::{ACK, Packet, SYN};
use crate::pf::rule_text::RuleText;
use crate::pf::rulesets::Rulesets;
use crate::rules::ledger::Seconds;
use crate::status::Attempts;

pub mod follow;

/// `DLT_PFLOG`.
const LINK_TYPE: i32 = 117;
/// No packet is longer than this: 64 KiB of IP and room for the headers.
const LONGEST_PACKET: usize = 128 * 1024;

/// One packet that a rule with `log` matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogEntry {
    /// When, in seconds since 1970-01-01 UTC.
    pub seconds: u32,
    /// When, the microseconds past it.
    pub microseconds: u32,
    /// What pf did with it.
    pub action: LogAction,
    /// In or out.
    pub direction: LogDirection,
    /// The interface.
    pub interface: String,
    /// The last name of the anchor that holds the rule; empty for the main ruleset.
    pub anchor: String,
    /// The rule's number in the main ruleset: inside an anchor, that of the call.
    pub rule: u32,
    /// The rule's number in its anchor, where it has one.
    pub subrule: Option<u32>,
    /// The protocol's number; `None` where the packet was cut before that.
    pub protocol: Option<u8>,
    /// TCP's flags, FIN lowest.
    pub flags: Option<u8>,
    /// Where it comes from; `None` where the packet was cut before that.
    pub from: Option<End>,
    /// Where it goes.
    pub to: Option<End>,
}

impl LogEntry {
    /// The rule that logged it, by the rules in `loaded`. Errors: why that is not known.
    pub fn rule_in(&self, loaded: &Rulesets) -> Result<RuleText, String> {
        let blocks = match self.action {
            LogAction::Block => true,
            LogAction::Pass => false,
            LogAction::Other(_) => return Err("it is no filter rule".to_owned()),
        };
        let direction = match self.direction {
            LogDirection::In => criteria::Direction::In,
            LogDirection::Out => criteria::Direction::Out,
            LogDirection::Unknown => return Err("the packet's direction was not recorded".to_owned()),
        };
        let (Some(from), Some(to), Some(protocol)) = (self.from, self.to, self.protocol) else {
            return Err("too little of the packet was recorded".to_owned());
        };
        let packet = Packet {
            direction,
            interface: self.interface.clone(),
            family: if from.address.is_ipv4() { criteria::Family::Inet } else { criteria::Family::Inet6 },
            protocol,
            source: Some(from.address),
            source_port: from.port,
            destination: Some(to.address),
            destination_port: to.port,
            flags: self.flags.unwrap_or_default(),
            established: false,
        };
        let numbers = Numbers { rule: self.rule, subrule: self.subrule, anchor: &self.anchor };
        rule_of(loaded, &numbers, blocks, &packet)
    }
}

/// One end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct End {
    /// The address.
    pub address: IpAddr,
    /// The port of TCP or UDP, in host order.
    pub port: Option<u16>,
}

/// What pf did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogAction {
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
pub enum LogDirection {
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
        let problem = match parse(rest) {
            Ok((after, frame)) => {
                let entry = entry(frame.ts_sec, frame.ts_usec, form.nanoseconds, frame.data);
                self.start = self.buffer.len() - after.len();
                self.packet = packet;
                return Some(entry.map_err(|problem| PflogError::Form { packet, problem }));
            }
            Err(nom::Err::Incomplete(_)) if rest.len() > LONGEST_PACKET => {
                "it is longer than any packet can be"
            }
            Err(nom::Err::Incomplete(_)) => return None,
            Err(_) => "its frame is damaged",
        };
        self.ended = true;
        Some(Err(PflogError::Form { packet, problem }))
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
fn read_some(source: &mut impl Read, room: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match source.read(room) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn entry(seconds: u32, fraction: u32, nanoseconds: bool, data: &[u8]) -> Result<LogEntry, &'static str> {
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
    let PacketFields { protocol, flags, from, to } = parts(packet).unwrap_or_default();
    Ok(LogEntry {
        seconds,
        microseconds: if nanoseconds { fraction / 1000 } else { fraction },
        action: match data.get(2) {
            Some(0) => LogAction::Pass,
            Some(1) => LogAction::Block,
            other => LogAction::Other(other.copied().unwrap_or(u8::MAX)),
        },
        direction: match data.get(60) {
            Some(1) => LogDirection::In,
            Some(2) => LogDirection::Out,
            _ => LogDirection::Unknown,
        },
        interface: text(4),
        anchor: text(20),
        rule: number(36)?,
        subrule: Some(number(40)?).filter(|number| *number != u32::MAX),
        protocol,
        flags,
        from,
        to,
    })
}

/// What an IP packet tells, as far as it was recorded.
#[derive(Default)]
struct PacketFields {
    protocol: Option<u8>,
    flags: Option<u8>,
    from: Option<End>,
    to: Option<End>,
}

fn parts(packet: &[u8]) -> Option<PacketFields> {
    let sliced = LaxSlicedPacket::from_ip(packet).ok()?;
    let (from, to, payload): (IpAddr, IpAddr, _) = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into(), ip.payload())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into(), ip.payload())
        }
        _ => return None,
    };
    // A short capture cuts TCP's options off, which the header cannot be sliced without: what is needed stands before
    // them. Of fragments only the first has it.
    let (tcp, udp) = (payload.ip_number == IpNumber::TCP, payload.ip_number == IpNumber::UDP);
    let transport = if (tcp || udp) && !payload.fragmented { payload.payload } else { &[] };
    let port = |at: usize| Some(u16::from_be_bytes(transport.get(at..at + 2)?.try_into().ok()?));
    Some(PacketFields {
        protocol: Some(payload.ip_number.0),
        flags: transport.get(13).copied().filter(|_| tcp),
        from: Some(End { address: from, port: port(0) }),
        to: Some(End { address: to, port: port(2) }),
    })
}

/// The connections that were begun to each port and blocked on their way in, since `since` (seconds since 1970-01-01
/// UTC). A client that gets no answer sends its SYN several times: what comes from one address and port is one attempt.
pub fn blocked<'a>(
    entries: impl IntoIterator<Item = &'a LogEntry>,
    since: Seconds,
) -> BTreeMap<u16, Attempts> {
    let mut clients: BTreeMap<u16, HashSet<End>> = BTreeMap::new();
    let mut counts: BTreeMap<u16, Attempts> = BTreeMap::new();
    for entry in entries {
        let (Some(from), Some(End { port: Some(port), .. })) = (entry.from, entry.to) else { continue };
        let seconds = Seconds::from(entry.seconds);
        let begins = entry.flags.is_some_and(|flags| flags & (SYN | ACK) == SYN);
        let blocked_in = entry.action == LogAction::Block && entry.direction == LogDirection::In;
        if !begins || !blocked_in || seconds < since {
            continue;
        }
        let is_new = clients.entry(port).or_default().insert(from);
        let first = Attempts { attempts: 0, last_from: from.address, last: seconds };
        let attempts = counts.entry(port).or_insert(first);
        attempts.attempts += u64::from(is_new);
        if seconds >= attempts.last {
            (attempts.last_from, attempts.last) = (from.address, seconds);
        }
    }
    counts
}

/// `192.168.1.20:50000`, `[fe80::1]:2345`, `192.168.1.20`
impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Some(port) => std::net::SocketAddr::new(self.address, port).fmt(f),
            None => self.address.fmt(f),
        }
    }
}

/// `12:31:05.000204 block in on en0 from 192.168.1.20:50000 to 192.168.1.7:2345 (rule 4.2 of 100.dev.portcullis)`,
/// without the time, which the caller shows in its zone.
impl std::fmt::Display for LogEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let action = match self.action {
            LogAction::Pass => "pass".to_owned(),
            LogAction::Block => "block".to_owned(),
            LogAction::Other(number) => format!("action {number}"),
        };
        let direction = match self.direction {
            LogDirection::In => " in",
            LogDirection::Out => " out",
            LogDirection::Unknown => "",
        };
        let end = |end: Option<End>| end.map_or_else(|| "?".to_owned(), |end| end.to_string());
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
pub(crate) mod sample;

#[cfg(test)]
mod tests {
    use super::sample::{frame, header, syn};
    use super::*;

    /// A capture of blocked SYNs to port 2345, one a second.
    fn capture(link_type: u32, sources: &[[u8; 4]]) -> Vec<u8> {
        let frames = (1000..).zip(sources).flat_map(|(seconds, source)| syn(seconds, (*source, 50_000)));
        header(link_type).into_iter().chain(frames).collect()
    }

    fn entries(bytes: &[u8]) -> Vec<LogEntry> {
        Reader::new(bytes).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn entries_and_counts() {
        let bytes = capture(117, &[[192, 168, 1, 20], [192, 168, 1, 21]]);
        let entries = entries(&bytes);
        assert_eq!(
            entries[0].to_string(),
            "block in on en0 from 192.168.1.20:50000 to 192.168.1.7:2345 (rule 4.2 of dev.portcullis)"
        );
        assert_eq!((entries[1].seconds, entries[1].microseconds), (1001, 7));
        let counts = blocked(&entries, 0);
        let last: IpAddr = "192.168.1.21".parse().unwrap();
        assert_eq!(counts[&2345], Attempts { attempts: 2, last_from: last, last: 1001 });
        assert_eq!(blocked(&entries, 1001)[&2345].attempts, 1);
        assert!(blocked(&entries, 2000).is_empty());
    }

    #[test]
    fn what_a_client_sends_again_is_one_attempt_and_what_begins_nothing_is_none() {
        let client = ([192, 168, 1, 20], 50_000);
        let mut bytes = header(117);
        for (seconds, source) in [(1, client), (2, client), (4, client), (5, (client.0, 50_001))] {
            bytes.extend(syn(seconds, source));
        }
        let ip = || etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [192, 168, 1, 7], 64);
        let (mut ack, mut udp) = (Vec::new(), Vec::new());
        ip().tcp(50_000, 2345, 1, 1024).ack(7).write(&mut ack, &[]).unwrap();
        ip().udp(50_000, 2345).write(&mut udp, &[0; 20]).unwrap();
        bytes.extend(frame(6, &[0; 16], &ack));
        bytes.extend(frame(7, &[0; 16], &udp));
        let entries = entries(&bytes);
        assert_eq!(entries[5].to.unwrap().port, Some(2345));
        let counts = blocked(&entries, 0);
        assert_eq!(counts.len(), 1);
        assert_eq!((counts[&2345].attempts, counts[&2345].last), (2, 5));
    }

    #[test]
    fn a_capture_of_128_bytes_a_packet_tells_ports_and_flags() {
        // A SYN over IPv6 with its usual options is longer than that: 64 + 40 + 44.
        let builder = etherparse::PacketBuilder::ipv6([1; 16], [2; 16], 64);
        let options = etherparse::TcpOptionElement::Timestamp(1, 2);
        let mut ip = Vec::new();
        let tcp = builder.tcp(50_000, 2345, 1, 1024).syn().options(&[options.clone(), options]).unwrap();
        tcp.write(&mut ip, &[]).unwrap();
        assert!(ip.len() > 64, "it is cut below");
        ip.truncate(64);
        let bytes: Vec<u8> = header(117).into_iter().chain(frame(1, &[0; 16], &ip)).collect();
        let entry = entries(&bytes).remove(0);
        assert_eq!((entry.protocol, entry.flags), (Some(6), Some(SYN)));
        assert_eq!(entry.to.unwrap().to_string(), "[202:202:202:202:202:202:202:202]:2345");
        assert_eq!(blocked([&entry], 0)[&2345].attempts, 1);
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
