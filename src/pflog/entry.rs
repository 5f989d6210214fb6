//! One packet that pf logged.

use std::net::IpAddr;

use etherparse::{IpNumber, LaxNetSlice, LaxSlicedPacket};
use serde::Serialize;

use crate::pf::criteria;
use crate::pf::logged::{LoggedRule, UnknownRule, rule_of};
use crate::pf::packet::{Packet, PacketSocket};
use crate::pf::rule_text::RuleText;
use crate::pf::rulesets::Rulesets;

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
    /// The rule that logged it, by the rules in `loaded`.
    pub fn rule_in(&self, loaded: &Rulesets) -> Result<RuleText, UnnamedRule> {
        let blocks = match self.action {
            LogAction::Block => true,
            LogAction::Pass => false,
            LogAction::Other(_) => return Err(UnnamedRule::NotAFilterRule),
        };
        let direction = match self.direction {
            LogDirection::In => criteria::Direction::In,
            LogDirection::Out => criteria::Direction::Out,
            LogDirection::Unknown => return Err(UnnamedRule::NoDirection),
        };
        let (Some(from), Some(to), Some(protocol)) = (self.from, self.to, self.protocol) else {
            return Err(UnnamedRule::CutShort);
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
            socket: PacketSocket::Unknown,
            established: false,
        };
        let logged = LoggedRule { rule: self.rule, subrule: self.subrule, anchor: &self.anchor, blocks };
        Ok(rule_of(loaded, &logged, &packet)?)
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

/// Why it is unknown which rule logged a packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnnamedRule {
    #[error("it is not a filter rule")]
    NotAFilterRule,
    #[error("the packet's direction was not recorded")]
    NoDirection,
    #[error("too little of the packet was recorded")]
    CutShort,
    #[error(transparent)]
    Unknown(#[from] UnknownRule),
}

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedPacket {
    #[error("it is empty")]
    Empty,
    #[error("its pflog header is cut short")]
    CutHeader,
    #[error("its frame is damaged")]
    DamagedFrame,
    #[error("it is longer than any packet can be")]
    TooLong,
}

impl LogEntry {
    /// Reads a packet: Apple's header, then as much of the IP packet as was recorded.
    pub(super) fn parse(seconds: u32, microseconds: u32, data: &[u8]) -> Result<Self, MalformedPacket> {
        const LENGTH: usize = 61;
        let length = usize::from(*data.first().ok_or(MalformedPacket::Empty)?);
        if length < LENGTH || data.len() < LENGTH {
            return Err(MalformedPacket::CutHeader);
        }
        let packet = data.get(length.next_multiple_of(4)..).unwrap_or_default();
        let number = |at: usize| {
            let bytes = data.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_be_bytes).ok_or(MalformedPacket::CutHeader)
        };
        let text = |at: usize| {
            let bytes = data.get(at..at + 16).unwrap_or_default();
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            bytes.get(..end).unwrap_or_default().escape_ascii().to_string()
        };
        let PacketFields { protocol, flags, from, to } = PacketFields::parse(packet).unwrap_or_default();
        Ok(LogEntry {
            seconds,
            microseconds,
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
}

/// What an IP packet tells, as far as it was recorded.
#[derive(Default)]
struct PacketFields {
    protocol: Option<u8>,
    flags: Option<u8>,
    from: Option<End>,
    to: Option<End>,
}

impl PacketFields {
    fn parse(packet: &[u8]) -> Option<Self> {
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
