//! A packet as pf sees it.

use std::fmt;
use std::net::IpAddr;

use super::criteria::{Direction, Family};
use super::names::protocols::protocol_name;

/// In [`Packet::flags`].
pub const SYN: u8 = 0x02;
/// In [`Packet::flags`].
pub const ACK: u8 = 0x10;
/// The protocol's number.
pub const TCP: u8 = 6;
/// The protocol's number.
pub const UDP: u8 = 17;

/// The socket of this machine that a packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketSocket {
    /// Unknown whether there is one.
    Unknown,
    /// None: the packet is forwarded, or comes to a port without a listener.
    Missing,
    /// Of an unknown user and group.
    Present,
    /// Of this user, by number; the group is unknown.
    Owned(u32),
}

/// A packet at an interface. `None` is unknown: a rule with a criterion for it may match or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub direction: Direction,
    pub interface: String,
    pub family: Family,
    /// The protocol's number.
    pub protocol: u8,
    pub source: Option<IpAddr>,
    /// In host order.
    pub source_port: Option<u16>,
    pub destination: Option<IpAddr>,
    /// In host order.
    pub destination_port: Option<u16>,
    /// TCP's flags by bit, FIN lowest.
    pub flags: u8,
    pub socket: PacketSocket,
    /// It belongs to a connection that pf has a state of.
    pub established: bool,
}

impl Packet {
    /// The first packet of a TCP connection, from an arbitrary high port. A socket of this machine is at one end.
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
            socket: PacketSocket::Present,
            established: false,
        }
    }

    /// A packet of the same connection in the other direction.
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
