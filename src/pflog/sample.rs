//! A capture for the tests, as the kernel's sources lay it out.

/// The header of a capture of `link_type`.
pub fn header(link_type: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(0xa1b2_c3d4u32.to_le_bytes());
    bytes.extend([2, 0, 4, 0]);
    bytes.extend([0; 8]);
    bytes.extend(65535u32.to_le_bytes());
    bytes.extend(link_type.to_le_bytes());
    bytes
}

/// The frame of a SYN from `source` to port 2345 that rule 2 of the anchor dev.portcullis, called by rule 4, blocked.
pub fn syn(seconds: u32, source: ([u8; 4], u16)) -> Vec<u8> {
    let builder = etherparse::PacketBuilder::ipv4(source.0, [192, 168, 1, 7], 64);
    let mut packet = Vec::new();
    builder.tcp(source.1, 2345, 1, 1024).syn().write(&mut packet, &[]).unwrap();
    frame(seconds, b"dev.portcullis\0\0", &packet)
}

/// The frame of an IP packet.
pub fn frame(seconds: u32, anchor: &[u8; 16], ip: &[u8]) -> Vec<u8> {
    let mut packet = vec![61, 2, 1, 0];
    packet.extend(*b"en0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    packet.extend(anchor);
    packet.extend(4u32.to_be_bytes());
    packet.extend(2u32.to_be_bytes());
    packet.extend([0; 16]);
    packet.extend([1, 0, 0, 0]);
    packet.extend(ip);
    let mut bytes = Vec::new();
    bytes.extend(seconds.to_le_bytes());
    bytes.extend(7u32.to_le_bytes());
    bytes.extend((packet.len() as u32).to_le_bytes());
    bytes.extend((packet.len() as u32).to_le_bytes());
    bytes.extend(packet);
    bytes
}
