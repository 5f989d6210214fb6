//! Random rulesets and packets, of every construct that the kernel treats in a way of its own.

use crate::model::{
    ACK, Anchor, Callee, Does, Networks, Packet, Place, Ports, Rule, SYN, Side, Socket, TCP, UDP, User, Way,
    World,
};

/// So that a seed is a ruleset.
pub struct Random(fastrand::Rng);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(fastrand::Rng::with_seed(seed))
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0.usize(..limit)
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn maybe<T>(&mut self, times: usize, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.one_in(times).then(|| make(self))
    }
}

const ADDRESSES: [&str; 16] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.1.1",
    "192.168.1.10",
    "192.168.1.20",
    "192.168.1.250",
    "192.168.2.1",
    "8.8.4.20",
    "172.16.5.5",
    "127.0.0.1",
    "fd00::10",
    "fd00::20",
    "fd00::1:5",
    "fe80::1",
    "fe80::1234",
    "::1",
];
const NETWORKS: [&str; 10] = [
    "10.0.0.0/8",
    "10.0.0.0/24",
    "192.168.1.0/24",
    "192.168.1.20/32",
    "192.168.0.0/16",
    "172.16.0.0/12",
    "fd00::/8",
    "fd00::20/128",
    "fe80::/10",
    "8.8.4.20/32",
];
const RANGES: [(&str, &str); 6] = [
    ("192.168.1.10", "192.168.1.30"),
    ("192.168.1.200", "192.168.2.10"),
    ("10.0.0.1", "10.0.255.1"),
    ("10.0.0.0", "10.0.0.255"),
    ("fd00::1", "fd00::ff"),
    ("fd00::2", "fd00::1:10"),
];
const NAMES: [&str; 3] = ["en0", "en1", "lo0"];
const SKIPPED: [&str; 6] = ["en0", "lo0", "lo", "en", "e", "egress"];
const PORTS: [u16; 6] = [22, 80, 2345, 2346, 9999, 50000];
const TAGS: [&str; 2] = ["A", "B"];
const USERS: [u32; 3] = [0, 501, 502];
/// Doubtful rules of one ruleset.
const MAXIMUM_DOUBTS: usize = 4;

/// The anchors that a file is loaded into, and which calls may stand in each; every call leads to a later one.
const ANCHORS: [(&str, &[&str]); 9] = [
    (
        "",
        &["a", "b", "w", "w/*", "w/*", "w/*", "w/x", "/w/y", "//w/y", "w/x/*", "w/x/*", "absent", "w/absent"],
    ),
    ("a", &["/b", "/w/*", "../b", "//w/x", "/w/x/*", "../w/*"]),
    ("b", &["/w", "/w/x", "/w/*", "../w/y"]),
    ("w", &["x", "*", "/w/y", "x/*", "y"]),
    ("w/x", &["k", "*", "/w/y", "../y", "l"]),
    ("w/x/k", &["/w/y", "../l", "../../é"]),
    ("w/x/l", &["/w/y"]),
    ("w/y", &["../é", "/w/é"]),
    ("w/é", &[]),
];

/// What is being made.
struct Maker<'r> {
    random: &'r mut Random,
    anchors: Vec<Anchor>,
    doubts: usize,
}

pub fn world(random: &mut Random) -> World {
    let skip = random.maybe(14, |random| random.pick(&SKIPPED));
    let macos = random.pick(&[None, Some(14), Some(15)]);
    let mut maker = Maker { random, anchors: Vec::new(), doubts: 0 };
    for (path, _) in ANCHORS {
        let file = if path.is_empty() { "main" } else { path };
        let tables = [0; 3].map(|_| maker.table(path.is_empty()));
        maker.anchors.push(Anchor { path: path.into(), file: file.into(), tables, ..Anchor::default() });
    }
    for (number, (path, calls)) in ANCHORS.iter().enumerate() {
        let main = path.is_empty();
        let mut rules: Vec<Rule> = (0..maker.random.below(4)).map(|_| maker.translation(number)).collect();
        let count = if main { 1 + maker.random.below(7) } else { maker.random.below(4) };
        for _ in 0..count {
            let rule = maker.filter(number, calls, 0);
            rules.push(rule);
        }
        maker.anchors[number].rules = rules;
    }
    World { skip, macos, anchors: maker.anchors }
}

impl Maker<'_> {
    fn table(&mut self, main: bool) -> Option<Networks> {
        self.random.maybe(if main { 2 } else { 6 }, |random| {
            let mut networks: Networks = Vec::new();
            for _ in 0..random.below(4) {
                let network = random.pick(&NETWORKS);
                if networks.iter().all(|(known, _)| *known != network) {
                    networks.push((network, random.one_in(3)));
                }
            }
            networks
        })
    }

    fn filter(&mut self, anchor: usize, calls: &[&'static str], depth: usize) -> Rule {
        let may_nest = depth < 3 && self.anchors.len() < 16;
        let does = match self.random.below(12) {
            0..=2 if !calls.is_empty() => Does::Call(Callee::Path(self.random.pick(calls))),
            3 | 4 if may_nest => self.inline(anchor, calls, depth),
            0..=6 => Does::Pass { state: !self.random.one_in(5) },
            _ => Does::Block,
        };
        let mut rule = self.base(does, anchor == 0);
        rule.quick |= matches!(rule.does, Does::Call(_)) && self.random.one_in(3);
        if rule.protocol.is_none_or(|protocol| protocol == TCP) && self.random.one_in(8) {
            rule.flags =
                Some(self.random.pick(&[(SYN, SYN | ACK), (ACK, ACK), (0, SYN), (SYN | ACK, SYN | ACK)]));
        }
        if rule.protocol.is_some() && self.random.one_in(8) {
            let user = self.random.pick(&USERS);
            rule.user = Some(self.random.pick(&[
                User::Is(user),
                User::IsNot(user),
                User::AtLeast(user),
                User::Unknown,
            ]));
        }
        rule
    }

    /// An anchor in braces, which calls nothing by a path that is not absolute.
    fn inline(&mut self, outer: usize, calls: &[&'static str], depth: usize) -> Does {
        let number = self.anchors.len();
        let name = format!("i{number}");
        let above = &self.anchors[outer];
        let path = if above.path.is_empty() { name.clone() } else { format!("{}/{name}", above.path) };
        let file = above.file.clone();
        self.anchors.push(Anchor { path, file, inline: true, ..Anchor::default() });
        let absolute: Vec<&'static str> =
            calls.iter().copied().filter(|call| call.starts_with('/')).collect();
        let rules = (0..self.random.below(4)).map(|_| self.filter(number, &absolute, depth + 1)).collect();
        self.anchors[number].rules = rules;
        Does::Call(Callee::Inline(number, name))
    }

    fn translation(&mut self, anchor: usize) -> Rule {
        let calls: &[&str] = if anchor == 0 { &["a", "w/*", "/w/x"] } else { &[] };
        let to = self.random.pick(&["10.0.0.2", "192.168.1.10", "172.16.5.5", "192.168.1.20"]);
        let pass = self.random.one_in(4);
        let does = match self.random.below(10) {
            0 if !calls.is_empty() => Does::CallRdr(self.random.pick(calls)),
            1 if !calls.is_empty() => Does::CallNat(self.random.pick(calls)),
            2 => Does::NoRdr,
            3 => Does::NoNat,
            4 | 5 => Does::Nat { pass, to, static_port: self.random.one_in(2) },
            6 => Does::Binat { pass, to },
            _ => Does::Rdr { pass, to, port: self.random.maybe(2, |random| random.pick(&PORTS)) },
        };
        let mut rule = self.base(does, false);
        (rule.way, rule.quick, rule.doubt) = (None, false, None);
        for side in [&mut rule.from, &mut rule.to] {
            side.ports = None;
            let four = match side.place {
                Place::Net(text) => !text.contains(':'),
                Place::Table(_) => !matches!(rule.does, Does::Rdr { .. }),
                _ => false,
            };
            if !four {
                (side.place, side.negated) = (Place::Any, false);
            }
        }
        rule.protocol = Some(TCP);
        match &rule.does {
            Does::Binat { .. } => {
                rule.from.place =
                    Place::Net(self.random.pick(&["192.168.1.10/32", "10.0.0.1/32", "192.168.1.20/32"]));
                rule.from.negated = false;
            }
            Does::CallRdr(_) | Does::CallNat(_) => {}
            Does::Rdr { .. } | Does::NoRdr => {
                rule.to.ports = self.random.maybe(2, |random| Ports::Is(random.pick(&PORTS)))
            }
            _ => rule.to.ports = self.random.maybe(3, ports),
        }
        if matches!(rule.does, Does::CallRdr(_) | Does::CallNat(_)) {
            (rule.tag, rule.tagged) = (None, None);
        }
        rule
    }

    fn base(&mut self, does: Does, main: bool) -> Rule {
        let random = &mut *self.random;
        let protocol = random.pick(&[None, None, None, None, Some(TCP), Some(TCP), Some(UDP)]);
        let with_ports = protocol.is_some();
        let may_doubt = self.doubts < MAXIMUM_DOUBTS;
        let mut rule = Rule {
            does,
            way: random.pick(&[None, None, None, None, Some(Way::In), Some(Way::Out)]),
            quick: random.one_in(6),
            interface: random.maybe(8, |random| (random.pick(&NAMES), random.one_in(3))),
            protocol,
            from: side(random, with_ports, main),
            to: side(random, with_ports, main),
            flags: None,
            user: None,
            tag: random.maybe(8, |random| random.pick(&TAGS)),
            tagged: random.maybe(10, |random| (random.pick(&TAGS), random.one_in(3))),
            doubt: random
                .maybe(10, |random| random.pick(&["probability 50%", "tos 0x10"]))
                .filter(|_| may_doubt),
            line: 0,
        };
        self.doubts += usize::from(rule.doubt.is_some());
        // Both ends are of one family.
        if family(&rule.from).is_some_and(|six| family(&rule.to) == Some(!six)) {
            (rule.to.place, rule.to.negated) = (Place::Any, false);
        }
        rule
    }
}

fn family(side: &Side) -> Option<bool> {
    match side.place {
        Place::Net(text) | Place::Range(text, _) => Some(text.contains(':')),
        _ => None,
    }
}

fn side(random: &mut Random, with_ports: bool, main: bool) -> Side {
    let place = match random.below(26) {
        0 | 1 => Place::Net(random.pick(&NETWORKS)),
        2 | 3 => {
            let (first, last) = random.pick(&RANGES);
            Place::Range(first, last)
        }
        4 => Place::Table(random.below(3)),
        5 => {
            let name = random.pick(&["en0", "en1", "lo0", "self"]);
            // All of one prefix length are one table of the kernel's.
            let bits = random.pick(&[24, 24, 8]);
            match random.below(3) {
                0 if main => Place::Dynamic(name, false, Some(bits)),
                1 => Place::Dynamic(name, true, None),
                _ => Place::Dynamic(name, false, None),
            }
        }
        6 => Place::Static(random.pick(&["en0", "en1", "lo0", "self"]), random.one_in(3)),
        _ => Place::Any,
    };
    let negated = place != Place::Any && random.one_in(4);
    Side { place, negated, ports: random.maybe(3, ports).filter(|_| with_ports) }
}

fn ports(random: &mut Random) -> Ports {
    let (a, b) = (random.pick(&PORTS), random.pick(&PORTS));
    let (low, high) = (a.min(b), a.max(b));
    match random.below(9) {
        0 => Ports::IsNot(a),
        1 => Ports::Above(a),
        2 => Ports::AtMost(a),
        3 => Ports::From(low, high),
        4 => Ports::Between(low, high),
        5 => Ports::Outside(low, high),
        _ => Ports::Is(a),
    }
}

pub fn packet(random: &mut Random) -> Packet {
    let source: std::net::IpAddr = random.pick(&ADDRESSES).parse().unwrap();
    let destination = loop {
        let address: std::net::IpAddr = random.pick(&ADDRESSES).parse().unwrap();
        if address.is_ipv4() == source.is_ipv4() {
            break address;
        }
    };
    let protocol = random.pick(&[TCP, TCP, TCP, UDP]);
    Packet {
        way: random.pick(&[Way::In, Way::In, Way::Out]),
        interface: random.pick(&NAMES),
        protocol,
        source,
        source_port: random.maybe(4, |random| random.pick(&PORTS)).or(Some(50000)),
        destination,
        destination_port: Some(random.pick(&PORTS)),
        flags: if protocol == TCP { random.pick(&[SYN, SYN, SYN, SYN | ACK, ACK]) } else { 0 },
        socket: random.pick(&[Socket::Missing, Socket::Owned(0), Socket::Owned(501), Socket::Owned(999)]),
    }
}
