//! Criteria in pfctl's form.

use std::fmt::{self, Display, Formatter};

use crate::pf::criteria::{
    Address, Compare, Family, Icmp, InterfaceAddress, InterfaceMatch, OwnerMatch, Peer, PortMatch,
};
use crate::pf::effects::StateKeeping;
use crate::pf::names::{header, icmp, protocols};
use crate::pf::rule::{Action, Rule};
use crate::pf::words::{TableName, is_keyword, write_quoted, write_word};

pub(super) fn print_interface(f: &mut Formatter<'_>, interface: &InterfaceMatch) -> fmt::Result {
    f.write_str(if interface.negated { " on ! " } else { " on " })?;
    write_word(f, &interface.name)
}

pub(super) fn print_protocol(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    match rule.protocol {
        None => Ok(()),
        Some(_) if rule.grev1 => f.write_str(" proto grev1"),
        Some(number) => match protocols::protocol_name(number) {
            // A name that is a reserved word too reads back only as a number.
            Some(name) if !is_keyword(name) => write!(f, " proto {name}"),
            _ => write!(f, " proto {number}"),
        },
    }
}

pub(super) fn print_peers(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    let plain = Peer::default();
    if rule.source == plain && rule.destination == plain && rule.os.is_none() {
        return f.write_str(" all");
    }
    f.write_str(" from ")?;
    print_peer(f, &rule.source)?;
    if let Some(os) = &rule.os {
        f.write_str(" os ")?;
        write_quoted(f, os)?;
    }
    f.write_str(" to ")?;
    print_peer(f, &rule.destination)
}

fn print_peer(f: &mut Formatter<'_>, peer: &Peer) -> fmt::Result {
    if peer.negated {
        f.write_str("! ")?;
    }
    peer.address.fmt(f)?;
    match &peer.port {
        None => Ok(()),
        Some(port) => write!(f, " port {port}"),
    }
}

/// `= 22`, `1000:2000`, `= nosuchservice`
impl fmt::Display for PortMatch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            PortMatch::Number(compare) => compare.fmt(f),
            PortMatch::Service(text) => f.write_str(text),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Compare<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Compare::Equal(a) => write!(f, "= {a}"),
            Compare::NotEqual(a) => write!(f, "!= {a}"),
            Compare::Less(a) => write!(f, "< {a}"),
            Compare::LessOrEqual(a) => write!(f, "<= {a}"),
            Compare::Greater(a) => write!(f, "> {a}"),
            Compare::GreaterOrEqual(a) => write!(f, ">= {a}"),
            Compare::Inside(a, b) => write!(f, "{a} >< {b}"),
            Compare::Outside(a, b) => write!(f, "{a} <> {b}"),
            Compare::Range(a, b) => write!(f, "{a}:{b}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Address::Any => f.write_str("any"),
            Address::Net(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr()),
            Address::Net(net) => {
                write!(f, "{}/{}", net.addr(), net.prefix_len())
            }
            Address::Range(range) => {
                write!(f, "{} - {}", range.0, range.1)
            }
            Address::Table(name) => TableName(name).fmt(f),
            Address::Dynamic(interface) => {
                f.write_str("(")?;
                print_interface_address(f, interface)?;
                f.write_str(")")?;
                interface.bits.map_or(Ok(()), |bits| write!(f, "/{bits}"))
            }
            Address::Static(interface) => {
                print_interface_address(f, interface)?;
                interface.bits.map_or(Ok(()), |bits| write!(f, "/{bits}"))
            }
            Address::Name(name, bits) => {
                write_word(f, name)?;
                bits.map_or(Ok(()), |bits| write!(f, "/{bits}"))
            }
            Address::NoRoute => f.write_str("no-route"),
            Address::UrpfFailed => f.write_str("urpf-failed"),
            Address::RouteLabel(label) => {
                f.write_str("route ")?;
                write_quoted(f, label)
            }
        }
    }
}

fn print_interface_address(f: &mut Formatter<'_>, interface: &InterfaceAddress) -> fmt::Result {
    let mut text = interface.name.to_string();
    for (given, suffix) in [
        (interface.network, ":network"),
        (interface.broadcast, ":broadcast"),
        (interface.peer, ":peer"),
        (interface.no_alias, ":0"),
    ] {
        if given {
            text.push_str(suffix);
        }
    }
    write_word(f, &text)
}

pub(super) fn print_owner(f: &mut Formatter<'_>, what: &str, owner: Option<&OwnerMatch>) -> fmt::Result {
    match owner {
        None => Ok(()),
        Some(OwnerMatch::Number(compare)) => write!(f, " {what} {compare}"),
        Some(OwnerMatch::Unknown { negated: false }) => write!(f, " {what} = unknown"),
        Some(OwnerMatch::Unknown { negated: true }) => write!(f, " {what} != unknown"),
        Some(OwnerMatch::Name(text)) => write!(f, " {what} {text}"),
    }
}

pub(super) fn print_flags(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    if let Some(flags) = rule.flags {
        f.write_str(" flags ")?;
        write_flags(f, flags.set)?;
        f.write_str("/")?;
        return write_flags(f, flags.of);
    }
    let tcp = rule.protocol.is_none_or(|number| number == 6);
    let stateful = rule.action == Action::Pass && rule.anchor.is_none() && rule.state != StateKeeping::No;
    if stateful && tcp && !rule.fragment { f.write_str(" flags any") } else { Ok(()) }
}

fn write_flags(f: &mut Formatter<'_>, flags: u8) -> fmt::Result {
    for (bit, letter) in header::TCP_FLAGS.chars().enumerate() {
        if flags & (1 << bit) != 0 {
            write!(f, "{letter}")?;
        }
    }
    Ok(())
}

pub(super) fn print_icmp(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    let Some(Icmp { kind, code }) = rule.icmp else { return Ok(()) };
    let family = rule.family.unwrap_or(Family::Inet);
    f.write_str(match family {
        Family::Inet => " icmp-type ",
        Family::Inet6 => " icmp6-type ",
    })?;
    match icmp::icmp_type_name(kind, family) {
        Some(name) => f.write_str(name)?,
        None => write!(f, "{kind}")?,
    }
    match code {
        None => Ok(()),
        Some(code) => match icmp::icmp_code_name(kind, code, family) {
            Some(name) => write!(f, " code {name}"),
            None => write!(f, " code {code}"),
        },
    }
}

/// The percentage that pfctl prints for a probability out of 2³².
pub(crate) fn percent(probability: u32) -> String {
    let text = format!("{:.6}", f64::from(probability) * 100.0 / 4_294_967_296.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
