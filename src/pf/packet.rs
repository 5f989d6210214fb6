//! A packet as pf sees it.

use std::fmt;
use std::net::IpAddr;

use super::criteria::{Direction, Family};
use super::names::protocols::protocol_name;

/// SYN, as in [`Packet::flags`].
pub const SYN: u8 = 0x02;
/// ACK, as in [`Packet::flags`].
pub const ACK: u8 = 0x10;
/// TCP's protocol number.
pub const TCP: u8 = 6;
/// UDP's protocol number.
pub const UDP: u8 = 17;

/// A packet at an interface. What is `None` is not known; a rule that looks at it may or may not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The way it goes.
    pub direction: Direction,
    /// The interface.
    pub interface: String,
    /// The address family.
    pub family: Family,
    /// The protocol's number.
    pub protocol: u8,
    /// Where it comes from.
    pub source: Option<IpAddr>,
    /// From which port, where the protocol has ports.
    pub source_port: Option<u16>,
    /// Where it goes to.
    pub destination: Option<IpAddr>,
    /// To which port, where the protocol has ports.
    pub destination_port: Option<u16>,
    /// TCP's flags, FIN lowest.
    pub flags: u8,
    /// Whether it belongs to a connection that pf has a state of.
    pub established: bool,
}

impl Packet {
    /// The first packet of a TCP connection, from an arbitrary high port.
    pub fn syn(
        direction: Direction,
        interface: &str,
        source: IpAddr,
        destination: IpAddr,
        port: u16,
    ) -> Packet {
        Packet {
            direction,
            interface: interface.to_owned(),
            family: if destination.is_ipv4() { Family::Inet } else { Family::Inet6 },
            protocol: TCP,
            source: Some(source),
            source_port: None,
            destination: Some(destination),
            destination_port: Some(port),
            flags: SYN,
            established: false,
        }
    }

    /// The same connection's packet in the other way.
    pub fn reply(&self, flags: u8) -> Packet {
        Packet {
            direction: match self.direction {
                Direction::In => Direction::Out,
                Direction::Out => Direction::In,
            },
            source: self.destination,
            source_port: self.destination_port,
            destination: self.source,
            destination_port: self.source_port,
            flags,
            ..self.clone()
        }
    }
}

/// `in on en0: tcp 192.168.1.20 to 192.168.1.10 port 2345`
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::In => "in",
            Direction::Out => "out",
        };
        write!(f, "{direction} on {}: ", self.interface)?;
        match protocol_name(self.protocol) {
            Some(name) => f.write_str(name)?,
            None => write!(f, "protocol {}", self.protocol)?,
        }
        for (word, address, port) in
            [("", self.source, self.source_port), (" to", self.destination, self.destination_port)]
        {
            match address {
                Some(address) => write!(f, "{word} {address}")?,
                None => write!(f, "{word} an address that is not known")?,
            }
            if let Some(port) = port {
                write!(f, " port {port}")?;
            }
        }
        Ok(())
    }
}
