//! Addresses as pfctl reads them.
//!
//! pfctl looks host names and interfaces up while it reads; here they stay names, so that a file reads the same
//! everywhere. Only `localhost` is known.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::pf::criteria::{Address, Family, InterfaceAddress};
use crate::pf::interfaces::is_driver;
use crate::pf::words::{c_number, counted_table, shortened};

use super::kernel::{Parser, Read};
use super::lexer::{LexemeKind, Position};
use super::problem::Fault;

const MAXIMUM_LIST_DEPTH: usize = 10_000;

/// An address in a rule's list.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) address: Address,
    pub(super) negated: bool,
    /// The family, where the address says it.
    pub(super) family: Option<Family>,
    /// The interface that a link-local address is scoped to.
    pub(super) scope: Option<Box<str>>,
}

impl Host {
    pub(super) fn of(address: Address) -> Self {
        let family = match &address {
            Address::Net(IpNet::V4(_)) => Some(Family::Inet),
            Address::Net(IpNet::V6(_)) => Some(Family::Inet6),
            Address::Range(range) if range.0.is_ipv4() => Some(Family::Inet),
            Address::Range(_) => Some(Family::Inet6),
            _ => None,
        };
        Host { address, negated: false, family, scope: None }
    }

    /// Whether it stands for several addresses that pf takes in turn.
    pub(super) fn is_pool(&self) -> bool {
        match &self.address {
            Address::Table(_) => true,
            Address::Dynamic(interface) => {
                !interface.no_alias || !interface.name.ends_with(|last: char| last.is_ascii_digit())
            }
            _ => false,
        }
    }
}

impl Parser<'_, '_, '_> {
    /// `any`, one address, or a list of them with lists in it; `any` constrains nothing and is left out.
    pub(super) fn hosts(&mut self) -> Read<Vec<Host>> {
        let mut hosts = Vec::new();
        if !self.lexeme.is_punctuation(b'{') {
            self.host_item(&mut hosts)?;
            return Ok(hosts);
        }
        let mut depth = 0;
        // Lists in lists are flattened by counting braces: no depth can exhaust the stack.
        loop {
            while self.eat_punctuation(b'{') {
                depth += 1;
                self.open_lists += 1;
                if depth > MAXIMUM_LIST_DEPTH {
                    return Err(self.wrong(self.lexeme.at, "lists nest too deeply"));
                }
                self.opt_newlines();
            }
            self.host_item(&mut hosts)?;
            self.opt_newlines();
            while self.lexeme.is_punctuation(b'}') {
                depth -= 1;
                self.open_lists -= 1;
                self.bump();
                if depth == 0 {
                    return Ok(hosts);
                }
                self.opt_newlines();
            }
            if self.eat_punctuation(b',') {
                self.opt_newlines_behind_comma();
            }
        }
    }

    fn host_item(&mut self, hosts: &mut Vec<Host>) -> Read<()> {
        if self.eat("any") {
            return Ok(());
        }
        let negated = self.eat_punctuation(b'!');
        // pfctl prints `! ::/0` so, and does not read it.
        if negated && self.is_listing() && self.eat("any") {
            hosts.push(Host { negated, ..Host::of(Address::Any) });
            return Ok(());
        }
        let first = hosts.len();
        if self.eat("no-route") {
            hosts.push(Host::of(Address::NoRoute));
        } else if self.eat("urpf-failed") {
            hosts.push(Host::of(Address::UrpfFailed));
        } else {
            self.host(hosts)?;
        }
        for host in hosts.iter_mut().skip(first) {
            host.negated = negated;
        }
        Ok(())
    }

    /// One address, or several where a name stands for them.
    pub(super) fn host(&mut self, hosts: &mut Vec<Host>) -> Read<()> {
        let at = self.lexeme.at;
        match self.lexeme.kind {
            LexemeKind::Punctuation(b'(') => {
                self.bump();
                let address = self.dynamic_address()?;
                hosts.push(Host::of(address));
            }
            LexemeKind::Punctuation(b'<') => {
                self.bump();
                let name = self.table_name()?;
                self.require_punctuation(b'>')?;
                hosts.push(Host::of(Address::Table(name)));
            }
            LexemeKind::Keyword if self.lexeme.is("route") => {
                self.bump();
                let label = self.string("a route's label")?;
                if label.len() > 31 {
                    return Err(self.wrong(at, "route label too long, max 31 chars"));
                }
                hosts.push(Host::of(Address::RouteLabel(label)));
            }
            LexemeKind::Number(first) => {
                self.bump();
                self.require_punctuation(b'/')?;
                let bits = self.number("the network's bits")?;
                self.look_up(&first.to_string(), Some(bits), at, hosts)?;
            }
            LexemeKind::Word | LexemeKind::Quoted => self.named_host(hosts)?,
            _ => return Err(self.expected("an address")),
        }
        Ok(())
    }

    /// An address as text: alone, with its prefix length, or the first of a range.
    fn named_host(&mut self, hosts: &mut Vec<Host>) -> Read<()> {
        let at = self.lexeme.at;
        let name = self.bump().text;
        if self.eat_punctuation(b'/') {
            let bits = self.number("the network's bits")?;
            return self.look_up(&name, Some(bits), at, hosts);
        }
        if self.eat_punctuation(b'-') {
            let last = self.string("the last address of the range")?;
            return match (name.parse::<IpAddr>(), last.parse::<IpAddr>()) {
                (Ok(first), Ok(last)) if first.is_ipv4() == last.is_ipv4() => {
                    hosts.push(Host::of(Address::Range(Box::new((first, last)))));
                    Ok(())
                }
                _ => Err(self.wrong(at, "invalid address range")),
            };
        }
        // In quotes the prefix length may be part of the text.
        match name.rsplit_once('/').and_then(|(text, bits)| Some((text, c_number(bits)?))) {
            Some((text, bits)) => self.look_up(text, Some(bits), at, hosts),
            None => self.look_up(&name, None, at, hosts),
        }
    }

    /// `en0)`, `en0:network)`, and the bits behind it.
    fn dynamic_address(&mut self) -> Read<Address> {
        let at = self.lexeme.at;
        let text = self.string("an interface")?;
        self.require_punctuation(b')')?;
        let mut name = &*text;
        if self.is_listing()
            && let Some((before, count)) = name.rsplit_once(':')
            && (count == "*" || (count != "0" && count.bytes().all(|byte| byte.is_ascii_digit())))
        {
            name = before;
        }
        if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return Err(self.wrong(at, &format!("invalid interface name '{}'", shortened(name))));
        }
        let Some(mut interface) = interface_address(name) else {
            return Err(self.wrong(at, &format!("interface {} has bad modifier", shortened(name))));
        };
        if has_several_modifiers(&interface) {
            return Err(self.wrong(at, "illegal combination of interface modifiers"));
        }
        if interface.name.len() > 15 {
            return Err(self.wrong(at, "interface name too long"));
        }
        if self.eat_punctuation(b'/') {
            interface.bits = Some(self.number_within("the number of bits", 128)?);
        }
        // 128 bits are the default.
        interface.bits = interface.bits.filter(|bits| *bits != 128);
        Ok(Address::Dynamic(Box::new(interface)))
    }

    pub(super) fn table_name(&mut self) -> Read<Box<str>> {
        let at = self.lexeme.at;
        let counts = self.is_listing() && self.lexeme.kind == LexemeKind::Word;
        let name = self.string("a table's name")?;
        let name = match counted_table(&name) {
            Some(before) if counts => Box::from(before),
            _ => name,
        };
        if name.len() > 31 {
            return Err(self.wrong(at, "table name too long, max 31 chars"));
        }
        Ok(name)
    }

    /// The hosts that a bare text stands for: an address, an interface's addresses, or a host that is not looked up.
    fn look_up(&mut self, text: &str, bits: Option<i64>, at: Position, hosts: &mut Vec<Host>) -> Read<()> {
        let bits = match bits.map(u8::try_from) {
            None => None,
            Some(Ok(bits @ 0..=128)) => Some(bits),
            Some(_) => return Err(self.wrong(at, "invalid netmask: it has more bits than the address")),
        };
        if let Some(address) = ipv4(text, bits.is_some()) {
            let Ok(net) = Ipv4Net::new(address, bits.unwrap_or(32)) else {
                return Err(self.wrong(at, "invalid netmask: an IPv4 address has 32 bits"));
            };
            if bits.is_none() && text.split('.').count() < 4 {
                let message = format!(
                    "pfctl reads {text} as the address {address}; a network is written with its bits, such as {}",
                    short_network(text)
                );
                self.note_doubt(&message, Fault::Unsure);
            }
            hosts.push(Host::of(Address::Net(net.trunc().into())));
            return Ok(());
        }
        let (plain, scope) = text.split_once('%').map_or((text, None), |(plain, scope)| (plain, Some(scope)));
        if let Ok(address) = plain.parse::<Ipv6Addr>() {
            let Ok(net) = Ipv6Net::new(address, bits.unwrap_or(128)) else {
                return Err(self.wrong(at, "invalid netmask: an IPv6 address has 128 bits"));
            };
            if scope.is_some_and(|scope| scope.is_empty() || scope.len() > 15 || !is_name(scope)) {
                return Err(self.wrong(at, &format!("no IP address found for {}", shortened(text))));
            }
            let scope = scope.map(Box::from);
            hosts.push(Host { scope, ..Host::of(Address::Net(net.trunc().into())) });
            return Ok(());
        }
        if text == "localhost" {
            hosts.extend(localhost(bits).map(|net| Host::of(Address::Net(net))));
            return Ok(());
        }
        match interface_address(text).filter(|interface| looks_like_interface(text, interface)) {
            Some(interface) => self.interface_host(interface, bits, at, hosts),
            None => self.unknown_host(text, bits, at, hosts),
        }
    }

    fn interface_host(
        &mut self,
        mut interface: InterfaceAddress,
        bits: Option<u8>,
        at: Position,
        hosts: &mut Vec<Host>,
    ) -> Read<()> {
        if has_several_modifiers(&interface) {
            return Err(self.wrong(at, "illegal combination of interface modifiers"));
        }
        if (interface.network || interface.broadcast) && bits.is_some() {
            return Err(self.wrong(at, "network or broadcast lookup, but extra netmask given"));
        }
        let name = &*interface.name;
        if name != "self" && !name.ends_with(|last: char| last.is_ascii_digit()) {
            // There are no groups of interfaces.
            let message = format!(
                "no interface of macOS is called {name}, so it has no address: write one that ifconfig shows"
            );
            self.note_doubt(&message, Fault::Refused);
        }
        interface.bits = bits;
        hosts.extend(self.addresses_of(interface));
        Ok(())
    }

    /// A text that is no address and no interface: a host's name, if it can be one.
    fn unknown_host(
        &mut self,
        text: &str,
        bits: Option<u8>,
        at: Position,
        hosts: &mut Vec<Host>,
    ) -> Read<()> {
        let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let range = text.split_once('-').is_some_and(|(first, _)| ipv4(first, false).is_some());
        if numeric || range || !is_name(text) {
            let cure = if range { ": put blanks around the `-` of a range" } else { "" };
            return Err(self.wrong(at, &format!("no IP address found for {}{cure}", shortened(text))));
        }
        hosts.push(Host::of(Address::Name(Box::from(text), bits)));
        Ok(())
    }

    /// The hosts that an interface's name stands for: its addresses, where they are known.
    pub(super) fn addresses_of(&self, interface: InterfaceAddress) -> Vec<Host> {
        let every = &*interface.name == "self";
        let of_link = |net: &IpNet| matches!(net.addr(), IpAddr::V6(six) if six.is_unicast_link_local());
        let mut known: Vec<(&str, IpNet)> = Vec::new();
        for facts in self.shared.interfaces {
            // The name of a driver stands for all of its interfaces, as in OpenBSD 4.3.
            if every || facts.name == *interface.name || is_driver(&interface.name, &facts.name) {
                known.extend(facts.addresses.iter().map(|net| (facts.name.as_str(), *net)));
            }
        }
        // A peer's address is unknown, and an unknown interface may be another machine's.
        if known.is_empty() || interface.peer {
            return vec![Host::of(Address::Static(Box::new(interface)))];
        }
        let is_first = |(name, net): &(&str, IpNet)| {
            let alike =
                |other: &&(&str, IpNet)| other.0 == *name && other.1.addr().is_ipv4() == net.addr().is_ipv4();
            known.iter().find(alike) == Some(&(*name, *net))
        };
        // The networks of link-local addresses are left out.
        let taken = known.iter().filter(|known| !interface.no_alias || is_first(known)).map(|(_, net)| net);
        let taken = taken.filter(|net| !interface.network || !of_link(net));
        let address = |net: &IpNet| {
            let own = IpNet::from(net.addr());
            match (interface.network, interface.broadcast) {
                (true, _) => Some(net.trunc()),
                (_, true) => net.addr().is_ipv4().then(|| IpNet::from(net.broadcast())),
                _ => Some(own.with_bits(interface.bits)),
            }
        };
        let scope = (!every).then(|| interface.name.clone());
        taken
            .filter_map(address)
            .map(|net| Host { scope: scope.clone().filter(|_| of_link(&net)), ..Host::of(Address::Net(net)) })
            .collect()
    }
}

/// The addresses of `localhost`, with no more than so many bits.
fn localhost(bits: Option<u8>) -> impl Iterator<Item = IpNet> {
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    loopback.into_iter().map(move |address| {
        let own = IpNet::from(address);
        own.with_bits(bits.map(|bits| bits.min(own.max_prefix_len())))
    })
}

/// Whether it has more than one of `:network`, `:broadcast`, `:peer`, which exclude each other.
fn has_several_modifiers(interface: &InterfaceAddress) -> bool {
    usize::from(interface.network) + usize::from(interface.broadcast) + usize::from(interface.peer) > 1
}

/// `192.168.1.0/24` for `192.168.1`
fn short_network(text: &str) -> String {
    let octets = text.split('.').count();
    format!("{text}{}/{}", ".0".repeat(4_usize.saturating_sub(octets)), octets * 8)
}

/// An IPv4 address. With bits behind it the last octets may be left out (`10/8`); without, C's short forms are read
/// as it reads them (`127.1`).
fn ipv4(text: &str, has_bits: bool) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text
        .split('.')
        .map(|part| {
            let proper =
                !part.is_empty() && part.len() <= 10 && part.bytes().all(|byte| byte.is_ascii_digit());
            proper.then(|| part.parse().ok()).flatten()
        })
        .collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let mut address: u32 = 0;
    for (index, part) in first.iter().enumerate() {
        address |= part << (24 - 8 * index);
    }
    let rest = 32 - 8 * first.len();
    if has_bits {
        return (*last <= 255).then(|| Ipv4Addr::from(address | last << (rest - 8)));
    }
    let fits =
        first.len() == 3 && *last <= 255 || (1..3).contains(&first.len()) && u64::from(*last) < 1 << rest;
    fits.then(|| Ipv4Addr::from(address | last))
}

/// An interface and its modifiers, where there is nothing else behind a colon.
fn interface_address(text: &str) -> Option<InterfaceAddress> {
    let mut interface = InterfaceAddress::default();
    let mut name = text;
    while let Some((before, modifier)) = name.rsplit_once(':') {
        match modifier {
            "network" => interface.network = true,
            "broadcast" => interface.broadcast = true,
            "peer" => interface.peer = true,
            "0" => interface.no_alias = true,
            _ => return None,
        }
        name = before;
    }
    interface.name = Box::from(name);
    (!name.is_empty()).then_some(interface)
}

trait WithBits {
    /// The network of so many bits around the address; the address alone where its family has fewer.
    fn with_bits(self, bits: Option<u8>) -> Self;
}

impl WithBits for IpNet {
    fn with_bits(self, bits: Option<u8>) -> Self {
        bits.and_then(|bits| IpNet::new(self.addr(), bits).ok()).map_or(self, |net| net.trunc())
    }
}

/// Whether a text can be the name of a host or an interface.
pub(super) fn is_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

/// Whether a bare text is an interface's rather than a host's: it has a modifier, is `self`, or letters and a number.
pub(super) fn looks_like_interface(text: &str, interface: &InterfaceAddress) -> bool {
    let name = &*interface.name;
    let letters = name.trim_end_matches(|last: char| last.is_ascii_digit());
    let numbered = letters.len() < name.len() && letters.bytes().all(|byte| byte.is_ascii_alphabetic());
    name.len() <= 15
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && (text.len() > name.len() || name == "self" || (numbered && !letters.is_empty()))
}
