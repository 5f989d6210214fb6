//! Captures of pf's log, as the kernel's sources lay them out.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

pub fn header(link_type: u32) -> Vec<u8> {
    let mut bytes = 0xa1b2_c3d4u32.to_le_bytes().to_vec();
    bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0]);
    bytes.extend(link_type.to_le_bytes());
    bytes
}

/// The frame of a SYN that the rule of these numbers in `anchor` blocked at `seconds`.
pub fn frame(seconds: u32, anchor: &str, rule: (u32, u32), from_port: u16, port: u16) -> Vec<u8> {
    frame_with(seconds, anchor, rule, (from_port, port), &[])
}

/// The same with what the client sends along.
pub fn frame_with(
    seconds: u32,
    anchor: &str,
    rule: (u32, u32),
    (from_port, port): (u16, u16),
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![61, 2, 1, 0];
    packet.extend(b"en0".iter().chain(&[0; 13]));
    packet.extend(anchor.bytes().chain(std::iter::repeat(0)).take(16));
    packet.extend(rule.0.to_be_bytes());
    packet.extend(rule.1.to_be_bytes());
    packet.extend([0; 16]);
    packet.extend([1, 0, 0, 0]);
    let builder = etherparse::PacketBuilder::ipv4([192, 168, 1, 20], [192, 168, 1, 1], 64);
    builder.tcp(from_port, port, 1, 1024).syn().write(&mut packet, payload).unwrap();
    let mut bytes = seconds.to_le_bytes().to_vec();
    bytes.extend(7u32.to_le_bytes());
    bytes.extend((packet.len() as u32).to_le_bytes().repeat(2));
    bytes.extend(packet);
    bytes
}

/// What pf logs of a client that tries `port`, blocked by the rule of this number in our anchor.
pub fn blocked(rule: u32, from_port: u16, port: u16) -> Vec<u8> {
    let now = u32::try_from(portcullis::os::now()).unwrap();
    // Apple's main ruleset calls com.apple/* by its only filter rule; the name is cut at 15 bytes.
    frame(now, "100.dev.portcul", (0, rule), from_port, port)
}

pub fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}
