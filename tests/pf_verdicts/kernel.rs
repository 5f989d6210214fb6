//! The second evaluator: the kernel's loop over rules (`pf_test_rule`, `pf_match_translation`), one step after another with
//! a stack of calls, as macOS has it. Where it needs a fact that is unknown it asks; each answer is tried.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{
    Anchor, Callee, Does, INTERFACES, Kind, Packet, Place, Rule, Side, Socket, User, Way, World,
};
use crate::model::{TCP, UDP};

/// How one way of the search ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct End {
    pub pass: bool,
    /// The file and the line.
    pub rule: Option<(String, usize)>,
    pub state: bool,
}

/// More answers than these are not tried.
const MAXIMUM_RUNS: usize = 3_000;

/// Every way in which it may end; `None` where there are too many.
pub fn every_end(world: &World, packet: &Packet) -> Option<BTreeSet<End>> {
    let nodes = Nodes::of(world);
    let mut ends = BTreeSet::new();
    let mut answers: Vec<bool> = Vec::new();
    for _ in 0..MAXIMUM_RUNS {
        let marks = BTreeMap::new();
        let mut run = Run { world, nodes: &nodes, answers, asked: 0, tag: None, marks };
        ends.insert(run.decide(packet));
        answers = run.answers;
        // The next combination, as a binary counter whose last digit turns first.
        while answers.last() == Some(&true) {
            answers.pop();
        }
        match answers.last_mut() {
            Some(last) => *last = true,
            None => return Some(ends),
        }
    }
    None
}

/// The anchors by path. One is there as soon as a rule calls it, and so are those above it.
struct Nodes {
    by_path: BTreeMap<String, Option<usize>>,
    /// The anchors whose children are called from where a packet comes by.
    wildcards: BTreeSet<String>,
    /// The network or interface that each `(interface)/bits` stands for: the first that was loaded.
    shared: BTreeMap<u8, Place>,
}

impl Nodes {
    fn of(world: &World) -> Nodes {
        let mut by_path: BTreeMap<String, Option<usize>> = BTreeMap::new();
        let mut add = |path: &str, number: Option<usize>| {
            let parts: Vec<&str> = path.split('/').collect();
            for length in 1..parts.len() {
                by_path.entry(parts[..length].join("/")).or_insert(None);
            }
            let known = by_path.entry(path.to_owned()).or_insert(None);
            *known = known.or(number);
        };
        for (number, anchor) in world.anchors.iter().enumerate().skip(1) {
            add(&anchor.path, Some(number));
        }
        for anchor in &world.anchors {
            for rule in &anchor.rules {
                if let Some(called) = called(anchor, rule) {
                    add(called.trim_end_matches("/*"), None);
                }
            }
        }
        let mut shared = BTreeMap::new();
        for rule in &world.anchors[0].rules {
            for side in [&rule.from, &rule.to] {
                if let Place::Dynamic(_, _, Some(bits)) = side.place {
                    shared.entry(bits).or_insert_with(|| side.place.clone());
                }
            }
        }
        let mut nodes = Nodes { by_path, wildcards: BTreeSet::new(), shared };
        let mut reached = BTreeSet::from([0]);
        let mut waiting = vec![0];
        while let Some(number) = waiting.pop() {
            let anchor = &world.anchors[number];
            for rule in anchor.rules.iter().filter(|rule| rule.kind() == Kind::Filter) {
                let Some(path) = called(anchor, rule) else { continue };
                if let Some(parent) = path.strip_suffix("/*") {
                    nodes.wildcards.insert(parent.to_owned());
                }
                let found = nodes.leads_to(&path).into_iter().filter_map(|(_, number)| number);
                waiting.extend(found.filter(|number| reached.insert(*number)));
            }
        }
        nodes
    }

    /// The anchors that a call steps into, in the kernel's order.
    fn leads_to(&self, path: &str) -> Vec<(String, Option<usize>)> {
        let Some(parent) = path.strip_suffix("/*") else {
            return vec![(path.to_owned(), self.by_path.get(path).copied().flatten())];
        };
        let is_child = |path: &str| path.rsplit_once('/').is_some_and(|(above, _)| above == parent);
        let mut children: Vec<(String, Option<usize>)> = self
            .by_path
            .iter()
            .filter(|(path, _)| is_child(path))
            .map(|(path, number)| (path.clone(), *number))
            .collect();
        children.sort_by_key(|(path, _)| {
            path.bytes().map(|byte| i16::from(byte.cast_signed())).collect::<Vec<_>>()
        });
        children
    }
}

/// The path of the anchor that a rule calls, from the root.
fn called(anchor: &Anchor, rule: &Rule) -> Option<String> {
    let written = match &rule.does {
        Does::Call(Callee::Path(path)) | Does::CallRdr(path) | Does::CallNat(path) => path,
        Does::Call(Callee::Inline(_, name)) => name.as_str(),
        _ => return None,
    };
    if written.starts_with('/') {
        return Some(written.trim_start_matches('/').to_owned());
    }
    let mut parts: Vec<&str> = anchor.path.split('/').filter(|part| !part.is_empty()).collect();
    for part in written.split('/') {
        match part {
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// A call that the search is in.
struct Frame {
    anchor: usize,
    /// The calling rule's place in its anchor.
    index: usize,
    quick: bool,
    node: String,
    /// The children of a wildcard, and which the search is in.
    children: Vec<(String, Option<usize>)>,
    child: Option<usize>,
}

/// The rule that is next: of which anchor, and its number.
type Next = Option<(usize, usize)>;

/// One search with one answer to each question.
struct Run<'w> {
    world: &'w World,
    nodes: &'w Nodes,
    answers: Vec<bool>,
    asked: usize,
    tag: Option<&'static str>,
    /// The marks "something matched in it" that are known for this packet.
    marks: BTreeMap<String, bool>,
}

impl<'w> Run<'w> {
    fn decide(&mut self, packet: &Packet) -> End {
        if self.world.skip.is_some_and(|filter| skips(filter, packet.interface, self.world.macos)) {
            return End { pass: true, rule: None, state: true };
        }
        let mut packet = packet.clone();
        let mut translated = false;
        if let Some((anchor, rule)) = self.translation(&packet) {
            translated = true;
            let (world, way) = (self.world, packet.way);
            let item = &world.anchors[anchor].rules[rule];
            translate(item, &mut packet, way);
            let passes = match item.does {
                Does::Rdr { pass, .. } | Does::Nat { pass, .. } | Does::Binat { pass, .. } => pass,
                _ => false,
            };
            if passes {
                return End { pass: true, rule: Some(self.place(anchor, rule)), state: true };
            }
        }
        match self.filter(&packet) {
            None => End { pass: true, rule: None, state: translated },
            Some((anchor, index)) => {
                let rule = Some(self.place(anchor, index));
                match self.world.anchors[anchor].rules[index].does {
                    Does::Pass { state } => End { pass: true, rule, state: state || translated },
                    _ => End { pass: false, rule, state: false },
                }
            }
        }
    }

    fn place(&self, anchor: usize, rule: usize) -> (String, usize) {
        let anchor = &self.world.anchors[anchor];
        (anchor.file.clone(), anchor.rules[rule].line)
    }

    /// The translation that applies, of the kinds of the packet's direction.
    fn translation(&mut self, packet: &Packet) -> Next {
        let kinds: &[Kind] = match packet.way {
            Way::In => &[Kind::Rdr, Kind::Binat],
            Way::Out => &[Kind::Binat, Kind::Rdr, Kind::Nat],
        };
        for kind in kinds {
            if let Some((anchor, rule)) = self.first_of(*kind, packet) {
                match self.world.anchors[anchor].rules[rule].does {
                    Does::NoRdr | Does::NoNat => {}
                    _ => return Some((anchor, rule)),
                }
            }
        }
        None
    }

    fn first_of(&mut self, kind: Kind, packet: &Packet) -> Next {
        let mut stack = Vec::new();
        let mut next = self.first(0, kind);
        while let Some((anchor, index)) = next {
            let rule = &self.world.anchors[anchor].rules[index];
            if self.translation_matches(anchor, rule, packet) {
                self.tag = rule.tag.or(self.tag);
                if !matches!(rule.does, Does::CallRdr(_) | Does::CallNat(_)) {
                    return Some((anchor, index));
                }
                next = self.step_in(&mut stack, anchor, index, kind, None);
            } else {
                next = self.after(anchor, index, kind);
            }
            if next.is_none() {
                self.step_out(&mut stack, &mut next, kind, None);
            }
        }
        None
    }

    fn filter(&mut self, packet: &Packet) -> Next {
        let mut stack = Vec::new();
        let (mut decides, mut matched) = (None, false);
        let mut next = self.first(0, Kind::Filter);
        while let Some((anchor, index)) = next {
            let rule = &self.world.anchors[anchor].rules[index];
            if self.filter_matches(anchor, rule, packet) {
                self.tag = rule.tag.or(self.tag);
                if matches!(rule.does, Does::Call(_)) {
                    next = self.step_in(&mut stack, anchor, index, Kind::Filter, Some(&mut matched));
                } else {
                    matched = true;
                    decides = Some((anchor, index));
                    if rule.quick {
                        break;
                    }
                    next = self.after(anchor, index, Kind::Filter);
                }
            } else {
                next = self.after(anchor, index, Kind::Filter);
            }
            if next.is_none() && self.step_out(&mut stack, &mut next, Kind::Filter, Some(&mut matched)) {
                break;
            }
        }
        decides
    }

    fn first(&self, anchor: usize, kind: Kind) -> Next {
        self.from(anchor, 0, kind)
    }

    fn after(&self, anchor: usize, index: usize, kind: Kind) -> Next {
        self.from(anchor, index + 1, kind)
    }

    fn from(&self, anchor: usize, index: usize, kind: Kind) -> Next {
        let rules = self.world.anchors[anchor].rules.iter().enumerate().skip(index);
        rules.filter(|(_, rule)| rule.kind() == kind).map(|(index, _)| (anchor, index)).next()
    }

    /// `pf_step_into_anchor`. The kernel takes a mark away at the call of translations too; neither evaluator does, so
    /// that something is unknown that the kernel knows.
    fn step_in(
        &mut self,
        stack: &mut Vec<Frame>,
        anchor: usize,
        index: usize,
        kind: Kind,
        matched: Option<&mut bool>,
    ) -> Next {
        let rule = &self.world.anchors[anchor].rules[index];
        let path = called(&self.world.anchors[anchor], rule)?;
        let children = self.nodes.leads_to(&path);
        let wildcard = path.ends_with("/*");
        let node = path.trim_end_matches("/*").to_owned();
        if let Some(matched) = matched {
            self.marks.insert(node.clone(), false);
            *matched = false;
        }
        let first = children.first().and_then(|(_, number)| *number);
        let child = (wildcard && !children.is_empty()).then_some(0);
        stack.push(Frame { anchor, index, quick: rule.quick, node, children, child });
        first.and_then(|number| self.first(number, kind))
    }

    /// `pf_step_out_of_anchor`; gives whether the search is over.
    fn step_out(
        &mut self,
        stack: &mut Vec<Frame>,
        next: &mut Next,
        kind: Kind,
        mut matched: Option<&mut bool>,
    ) -> bool {
        let mut quick = false;
        while let Some(frame) = stack.last_mut() {
            if let Some(child) = frame.child {
                let name = frame.children[child].0.clone();
                let (node, following) =
                    (frame.node.clone(), frame.children.get(child + 1).map(|(_, number)| *number));
                frame.child = following.map(|_| child + 1);
                if self.mark(&name, kind) || matched.as_deref() == Some(&true) {
                    self.marks.insert(node, true);
                    if let Some(matched) = &mut matched {
                        **matched = false;
                    }
                }
                if let Some(number) = following {
                    *next = number.and_then(|number| self.first(number, kind));
                    if next.is_none() {
                        continue;
                    }
                    break;
                }
            }
            let Some(frame) = stack.pop() else { break };
            if self.mark(&frame.node, kind) || matched.as_deref() == Some(&true) {
                quick = frame.quick;
            }
            *next = self.after(frame.anchor, frame.index, kind);
            if next.is_some() {
                break;
            }
        }
        quick
    }

    /// Whether the anchor is marked. A mark that no call of this packet has taken away may be an earlier packet's.
    fn mark(&mut self, node: &str, kind: Kind) -> bool {
        if kind != Kind::Filter {
            return false;
        }
        match self.marks.get(node) {
            Some(known) => *known,
            None => {
                let marked = self.nodes.wildcards.contains(node) && self.ask();
                self.marks.insert(node.to_owned(), marked);
                marked
            }
        }
    }

    fn filter_matches(&mut self, anchor: usize, rule: &Rule, packet: &Packet) -> bool {
        rule.way.is_none_or(|way| way == packet.way)
            && on_interface(rule, packet)
            && rule.is_six().is_none_or(|six| six == packet.destination.is_ipv6())
            && rule.protocol.is_none_or(|protocol| protocol == packet.protocol)
            && (packet.protocol != TCP
                || rule.wanted_flags().is_none_or(|(set, of)| packet.flags & of == set))
            && rule.user.as_ref().is_none_or(|user| of_user(user, packet.socket))
            && self.has_tag(rule)
            && self.side_matches(anchor, &rule.from, packet, packet.source, packet.source_port)
            && self.side_matches(anchor, &rule.to, packet, packet.destination, packet.destination_port)
            && (rule.doubt.is_none() || self.ask())
    }

    fn translation_matches(&mut self, anchor: usize, rule: &Rule, packet: &Packet) -> bool {
        if !on_interface(rule, packet)
            || packet.destination.is_ipv6()
            || rule.protocol.is_some_and(|protocol| protocol != packet.protocol)
            || !self.has_tag(rule)
        {
            return false;
        }
        let (source, source_port) = (packet.source, packet.source_port);
        let (destination, destination_port) = (packet.destination, packet.destination_port);
        match (&rule.does, packet.way) {
            (Does::Rdr { to, port, .. }, Way::Out) => {
                let from_target = to.parse() == Ok(source) && port.is_some() && source_port == *port;
                from_target && self.side_matches(anchor, &rule.from, packet, destination, destination_port)
            }
            (Does::CallRdr(_), Way::Out) => {
                self.side_matches(anchor, &rule.to, packet, source, source_port)
                    && self.side_matches(anchor, &rule.from, packet, destination, destination_port)
            }
            (Does::Binat { to, .. }, Way::In) => {
                to.parse() == Ok(destination)
                    && self.side_matches(anchor, &rule.to, packet, source, source_port)
            }
            _ => {
                self.side_matches(anchor, &rule.from, packet, source, source_port)
                    && self.side_matches(anchor, &rule.to, packet, destination, destination_port)
            }
        }
    }

    fn has_tag(&self, rule: &Rule) -> bool {
        rule.tagged.is_none_or(|(tag, negated)| (self.tag == Some(tag)) != negated)
    }

    fn side_matches(
        &mut self,
        anchor: usize,
        side: &Side,
        packet: &Packet,
        address: IpAddr,
        port: Option<u16>,
    ) -> bool {
        if !self.holds(anchor, side, address) {
            return false;
        }
        match (&side.ports, port) {
            (None, _) => true,
            (Some(_), _) if packet.protocol != TCP && packet.protocol != UDP => false,
            (Some(ports), Some(port)) => ports.hold(port),
            (Some(ports), None) => {
                // The answer changes at these ports only.
                let telling =
                    [1024, 2345, 2346, 9999, 50000].into_iter().flat_map(|port| port - 1..=port + 1);
                let telling: Vec<bool> = telling
                    .chain([u16::MAX])
                    .filter(|port| *port >= 1024)
                    .map(|port| ports.hold(port))
                    .collect();
                telling.iter().all(|holds| *holds) || (telling.contains(&true) && self.ask())
            }
        }
    }

    fn holds(&self, anchor: usize, side: &Side, address: IpAddr) -> bool {
        let holds = match &side.place {
            Place::Any => return true,
            Place::Net(network) => in_network(network, address),
            Place::Range(first, last) => in_range(first, last, address),
            Place::Table(number) => self.in_table(anchor, *number, address),
            Place::Dynamic(name, network, bits) => self.is_of_dynamic(name, *network, *bits, address),
            // One rule for each address: the negation of each is another rule.
            Place::Static(name, network) => {
                let own = addresses(name).into_iter().filter(|own| own.contains(':') == address.is_ipv6());
                // The networks of link-local addresses are left out.
                let own = own.filter(|own| !network || !own.starts_with("fe80:"));
                return own.into_iter().any(|own| of_own(own, *network, None, address) != side.negated);
            }
        };
        holds != side.negated
    }

    /// The table of the anchor, else of the main ruleset: the narrowest network decides.
    fn in_table(&self, anchor: usize, number: usize, address: IpAddr) -> bool {
        let anchors = &self.world.anchors;
        let Some(networks) = anchors[anchor].tables[number].as_ref().or(anchors[0].tables[number].as_ref())
        else {
            return false;
        };
        let bits = |network: &str| network.split_once('/').unwrap().1.parse::<u8>().unwrap();
        let holding = networks.iter().filter(|(network, _)| in_network(network, address));
        holding.max_by_key(|(network, _)| bits(network)).is_some_and(|(_, excepted)| !excepted)
    }

    fn is_of_dynamic(&self, name: &str, network: bool, bits: Option<u8>, address: IpAddr) -> bool {
        let (name, network, bits) = match bits.and_then(|bits| self.nodes.shared.get(&bits)) {
            Some(Place::Dynamic(meant, network, bits)) if name != "self" => (*meant, *network, *bits),
            _ => (name, network, bits),
        };
        if name == "self" {
            return false;
        }
        let own = addresses(name).into_iter().filter(|own| !own.starts_with("fe80:"));
        own.into_iter().any(|own| of_own(own, network, bits, address))
    }

    fn ask(&mut self) -> bool {
        if self.asked == self.answers.len() {
            self.answers.push(false);
        }
        self.asked += 1;
        self.answers[self.asked - 1]
    }
}

/// The packet as the translation leaves it.
fn translate(rule: &Rule, packet: &mut Packet, way: Way) {
    match (&rule.does, way) {
        (Does::Rdr { to, port, .. }, Way::In) => {
            packet.destination = to.parse().unwrap();
            packet.destination_port = port.or(packet.destination_port);
        }
        (Does::Rdr { .. }, Way::Out) => {
            // From the address that is redirected; of a network the rest is that of the packet's destination.
            packet.source = match rule.to.place {
                Place::Net(network) => grafted(network, packet.destination),
                _ => packet.destination,
            };
            if let Some(ports) = &rule.to.ports {
                packet.source_port = Some(match ports {
                    crate::model::Ports::Is(port) | crate::model::Ports::From(port, _) => *port,
                    other => unreachable!("{other:?} in an rdr rule"),
                });
            }
        }
        (Does::Binat { .. }, Way::In) => {
            let Place::Net(network) = rule.from.place else { unreachable!("binat is from a host") };
            packet.destination = network.split_once('/').unwrap().0.parse().unwrap();
        }
        (Does::Binat { to, .. }, Way::Out) => packet.source = to.parse().unwrap(),
        (Does::Nat { to, static_port, .. }, _) => {
            packet.source = to.parse().unwrap();
            packet.source_port = packet.source_port.filter(|_| *static_port);
        }
        (other, _) => unreachable!("{other:?} translates nothing"),
    }
}

fn on_interface(rule: &Rule, packet: &Packet) -> bool {
    rule.interface.is_none_or(|(name, negated)| (name == packet.interface) != negated)
}

/// macOS 15 compares whole names; before, a name without a number at its end stood for the driver's interfaces.
fn skips(filter: &str, interface: &str, macos: Option<u32>) -> bool {
    let driver =
        macos.is_some_and(|major| major < 15) && !filter.ends_with(|last: char| last.is_ascii_digit());
    let unit = interface.strip_prefix(filter);
    unit == Some("")
        || (driver && unit.is_some_and(|unit| unit.starts_with(|first: char| first.is_ascii_digit())))
}

/// Where no socket is, the user is the highest number, for which only "equal" and "not equal" are compared.
fn of_user(wanted: &User, socket: Socket) -> bool {
    let user = match socket {
        Socket::Missing => u32::MAX,
        Socket::Owned(user) => user,
    };
    match *wanted {
        User::Is(wanted) => user == wanted,
        User::IsNot(wanted) => user != wanted,
        User::Unknown => user == u32::MAX,
        User::AtLeast(least) => user != u32::MAX && user >= least,
    }
}

fn addresses(name: &str) -> Vec<&'static str> {
    let of = INTERFACES.iter().filter(|(known, _)| name == "self" || *known == name);
    of.flat_map(|(_, own)| own.iter().copied()).collect()
}

/// Whether the address is the interface's own, in its network, or in that of so many bits.
fn of_own(own: &str, network: bool, bits: Option<u8>, address: IpAddr) -> bool {
    let (alone, length) = own.split_once('/').unwrap();
    let all: u8 = if alone.contains(':') { 128 } else { 32 };
    let bits = if network { length.parse().unwrap() } else { bits.unwrap_or(all).min(all) };
    in_network(&format!("{alone}/{bits}"), address)
}

fn in_network(network: &str, address: IpAddr) -> bool {
    let (base, bits) = network.split_once('/').unwrap();
    let bits: usize = bits.parse().unwrap();
    let (base, address) = (octets(base.parse().unwrap()), octets(address));
    let bit = |octets: &[u8], index: usize| octets[index / 8] >> (7 - index % 8) & 1;
    base.len() == address.len() && (0..bits).all(|index| bit(&base, index) == bit(&address, index))
}

/// The kernel compares the addresses word by word, each read as a little-endian number.
fn in_range(first: &str, last: &str, address: IpAddr) -> bool {
    let number = |address: IpAddr| -> Vec<u32> {
        let words = octets(address);
        words.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
    };
    let (first, last): (IpAddr, IpAddr) = (first.parse().unwrap(), last.parse().unwrap());
    first.is_ipv4() == address.is_ipv4()
        && number(first) <= number(address)
        && number(address) <= number(last)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(six) => six.octets().to_vec(),
    }
}

fn grafted(network: &str, address: IpAddr) -> IpAddr {
    let (base, bits) = network.split_once('/').unwrap();
    let bits: u32 = bits.parse().unwrap();
    let (IpAddr::V4(base), IpAddr::V4(address)) = (base.parse().unwrap(), address) else {
        unreachable!("translations are of IPv4")
    };
    let rest = u32::MAX.checked_shr(bits).unwrap_or(0);
    IpAddr::V4((base.to_bits() & !rest | address.to_bits() & rest).into())
}
