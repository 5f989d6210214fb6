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

mod attempts;
mod capture;
mod entry;
pub mod follow;
mod headers;
#[cfg(test)]
pub(crate) mod sample;

pub use attempts::blocked;
pub use capture::{Decoder, PflogError, Reader, is_big_endian};
pub use entry::{End, LogAction, LogDirection, LogEntry, MalformedPacket, UnnamedRule};
pub use headers::header_length;

#[cfg(test)]
mod tests {
    use super::sample::{frame, header, syn};
    use std::net::IpAddr;

    use super::*;
    use crate::pf::packet::SYN;
    use crate::status::Attempts;

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
