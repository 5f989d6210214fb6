//! How much of a logged packet is headers: pf's own, IP's, and those of TCP, UDP or ICMP. What follows is what the user of
//! a connection sent, which a log need not have. Pure.

use etherparse::{IpNumber, LaxNetSlice, LaxSlicedPacket};

/// How many bytes at the beginning of a logged packet are headers; at most as many as there are. What is no packet of pf's
/// has none.
pub fn header_length(data: &[u8]) -> usize {
    let Some(start) = data.first().map(|length| usize::from(*length).next_multiple_of(4)) else { return 0 };
    let Some(packet) = data.get(start..) else { return data.len().min(start) };
    start + ip_header_length(packet)
}

fn ip_header_length(packet: &[u8]) -> usize {
    let Ok(sliced) = LaxSlicedPacket::from_ip(packet) else { return 0 };
    let payload = match &sliced.net {
        Some(LaxNetSlice::Ipv4(ip)) => ip.payload(),
        Some(LaxNetSlice::Ipv6(ip)) => ip.payload(),
        _ => return 0,
    };
    let header = match payload.ip_number {
        // Only the first fragment has it, or a part of it.
        _ if payload.fragmented => 0,
        IpNumber::TCP => tcp_header_length(payload.payload),
        IpNumber::UDP | IpNumber::ICMP | IpNumber::IPV6_ICMP => 8,
        _ => 0,
    };
    offset(packet, payload.payload) + header.min(payload.payload.len())
}

/// As its data offset says, options included.
fn tcp_header_length(tcp: &[u8]) -> usize {
    const OFFSET: usize = 12;
    const SHORTEST: usize = 20;
    tcp.get(OFFSET).map_or(SHORTEST, |byte| (usize::from(byte >> 4) * 4).max(SHORTEST))
}

/// Where in `whole` its part begins.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize).min(whole.len())
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    /// What is left of a packet whose payload is `secret`.
    fn left(ip: &[u8]) -> (usize, bool) {
        let mut data = vec![61];
        data.resize(64, 0);
        data.extend(ip);
        let kept = &data[..header_length(&data)];
        let secret = (0..kept.len()).any(|at| kept[at..].starts_with(b"se"));
        (kept.len() - 64, secret)
    }

    #[test]
    fn nothing_of_the_payload_is_left() {
        let options = [etherparse::TcpOptionElement::Timestamp(1, 2)];
        let v4 = || PacketBuilder::ipv4([10, 0, 0, 1], [192, 168, 1, 7], 64);
        let v6 = || PacketBuilder::ipv6([1; 16], [2; 16], 64);
        let mut packets = [(); 6].map(|()| Vec::new());
        v4().tcp(1, 2, 3, 4).write(&mut packets[0], b"secret").unwrap();
        v4().tcp(1, 2, 3, 4).options(&options).unwrap().write(&mut packets[1], b"secret").unwrap();
        v6().tcp(1, 2, 3, 4).write(&mut packets[2], b"secret").unwrap();
        v4().udp(1, 2).write(&mut packets[3], b"secret").unwrap();
        v4().icmpv4_echo_request(1, 2).write(&mut packets[4], b"secret").unwrap();
        v6().icmpv6_echo_request(1, 2).write(&mut packets[5], b"secret").unwrap();
        for (packet, length) in packets.iter().zip([40, 52, 60, 28, 28, 48]) {
            assert_eq!(left(packet), (length, false), "{packet:?}");
            // Cut anywhere.
            for end in 0..packet.len() {
                let (kept, secret) = left(&packet[..end]);
                assert!(kept <= end.min(length) && !secret, "{end}");
            }
            // A later fragment has nothing but payload behind IP's header.
            if packet[0] >> 4 == 4 {
                let mut fragment = packet.clone();
                fragment[7] = 1;
                assert_eq!(left(&fragment), (20, false));
            }
        }
        // A protocol that is not known.
        let mut other = packets[3].clone();
        other[9] = 50;
        assert_eq!(left(&other), (20, false));
    }

    #[test]
    fn what_is_no_packet_has_no_header() {
        assert_eq!((header_length(&[]), header_length(&[61, 0]), header_length(&[9; 200])), (0, 2, 12));
    }
}
