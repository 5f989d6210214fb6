//! The verdicts against a second evaluator, written straight from pf.conf(5): it holds its own rules, tries every
//! combination of what is not known, and shares no code with the real one. The rules reach the real one as text.
//!
//! 2,000 rulesets with four packets each; `PF_CASES=100000` for more.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use portcullis::pf::criteria::{Direction, Family};
use portcullis::pf::packet::{ACK, Packet, SYN, TCP, UDP};
use portcullis::pf::rulesets::Rulesets;
use portcullis::pf::verdict::{Decision, verdict};

#[test]
fn both_evaluators_agree() {
    let cases = std::env::var("PF_CASES").map_or(2_000, |text| text.parse::<u64>().unwrap());
    let mut passed = [0_u64; 3];
    for seed in 1..=cases {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let rulesets = RandomRulesets::random(&mut random);
        let files = rulesets.files();
        let (loaded, problems) = Rulesets::from_conf("main", &files[0].1, &mut |name| {
            let found = files.iter().find(|(path, _)| path == name);
            found.map(|(_, text)| text.clone()).ok_or_else(|| "no such file".into())
        });
        assert_eq!(problems, [], "seed {seed}\n{}", files[0].1);
        for _ in 0..4 {
            let packet = random_packet(&mut random);
            let real = verdict(&loaded, &packet);
            let naive = rulesets.every_end(&packet);
            let shown = || {
                let texts: Vec<String> =
                    files.iter().map(|(name, text)| format!("--- {name}\n{text}")).collect();
                format!("seed {seed}, {packet}\n{}\nreal {real:?}\nnaive {naive:?}", texts.concat())
            };
            let outcomes: BTreeSet<&str> = naive.iter().map(|end| end.outcome).collect();
            let expected = match (outcomes.len(), outcomes.first()) {
                (1, Some(&"pass")) => Decision::Pass,
                (1, _) => Decision::Block,
                _ => Decision::Unknown,
            };
            // A doubt about one rule is a doubt about the tag it sets and the verdict it gives, each for itself.
            let careful = real.outcome == Decision::Unknown && rulesets.doubts_a_tag();
            assert!(real.outcome == expected || careful, "{}", shown());
            passed[real.outcome as usize] += 1;
            if let [only] = naive.as_slice() {
                let decides = real.rule.map(|rule| (rule.rule.place.path.to_string(), rule.rule.place.line));
                assert_eq!(decides, only.rule, "{}", shown());
                if real.outcome == Decision::Pass {
                    assert_eq!(real.stateful, Some(only.state), "{}", shown());
                }
            }
        }
    }
    let all: u64 = passed.iter().sum();
    println!("{all} verdicts: {passed:?} pass, block, unknown");
    assert!(passed.iter().all(|count| *count > all / 50), "{passed:?}: the rulesets are one-sided");
}

/// Xorshift, so that a seed is a ruleset.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
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

const ADDRESSES: [&str; 8] =
    ["10.0.0.1", "10.0.0.2", "10.0.1.1", "192.168.1.10", "192.168.1.20", "8.8.8.8", "fd00::1", "fd00::2"];
const NETWORKS: [&str; 8] = [
    "10.0.0.0/8",
    "10.0.0.0/24",
    "192.168.1.0/24",
    "192.168.1.20/32",
    "fd00::/8",
    "fd00::1/128",
    "10.0.1.0/24",
    "8.8.8.8/32",
];
const INTERFACES: [&str; 3] = ["en0", "en1", "lo0"];
const PORTS: [u16; 5] = [22, 80, 2345, 2346, 9999];
const ANCHORS: [&str; 6] = ["", "a", "b", "w", "w/x", "w/y"];

#[derive(Clone, Debug)]
enum Where {
    Any,
    Net(&'static str),
    Table(usize),
}

#[derive(Clone, Debug)]
enum Ports {
    Is(u16),
    IsNot(u16),
    Above(u16),
    From(u16, u16),
    Between(u16, u16),
    Outside(u16, u16),
}

impl Ports {
    fn text(&self) -> String {
        match self {
            Ports::Is(a) => format!("{a}"),
            Ports::IsNot(a) => format!("!= {a}"),
            Ports::Above(a) => format!("> {a}"),
            Ports::From(a, b) => format!("{a}:{b}"),
            Ports::Between(a, b) => format!("{a} >< {b}"),
            Ports::Outside(a, b) => format!("{a} <> {b}"),
        }
    }

    fn hold(&self, port: u16) -> bool {
        match *self {
            Ports::Is(a) => port == a,
            Ports::IsNot(a) => port != a,
            Ports::Above(a) => port > a,
            Ports::From(a, b) => (a..=b).contains(&port),
            Ports::Between(a, b) => a < port && port < b,
            Ports::Outside(a, b) => port < a || b < port,
        }
    }

    fn random(random: &mut Random) -> Ports {
        let (a, b) = (random.pick(&PORTS), random.pick(&PORTS));
        let (low, high) = (a.min(b), a.max(b));
        match random.below(8) {
            0 => Ports::IsNot(a),
            1 => Ports::Above(a),
            2 => Ports::From(low, high),
            3 => Ports::Between(low, high),
            4 => Ports::Outside(low, high),
            _ => Ports::Is(a),
        }
    }
}

#[derive(Clone, Debug)]
struct Side {
    place: Where,
    negated: bool,
    ports: Option<Ports>,
}

#[derive(Clone, Debug)]
enum Does {
    Pass { state: bool },
    Block,
    Call { path: &'static str },
    Redirect { pass: bool, address: &'static str, port: Option<u16> },
    NoRedirect,
    Nat { address: &'static str },
    CallRedirect { path: &'static str },
}

#[derive(Clone, Debug)]
struct Rule {
    does: Does,
    direction: Option<Direction>,
    quick: bool,
    interface: Option<(&'static str, bool)>,
    protocol: Option<u8>,
    from: Side,
    to: Side,
    flags: Option<(u8, u8)>,
    tag: Option<&'static str>,
    tagged: Option<(&'static str, bool)>,
    doubt: Option<&'static str>,
    line: usize,
}

#[derive(Clone, Debug)]
struct End {
    outcome: &'static str,
    rule: Option<(String, usize)>,
    state: bool,
}

/// The networks of a table; `true` marks those that are excepted.
type Networks = Vec<(&'static str, bool)>;

struct RandomRulesets {
    skip: Option<&'static str>,
    /// Of main and of each anchor: tables by number, with their networks and whether each is excepted.
    tables: Vec<Vec<Option<Networks>>>,
    rules: Vec<Vec<Rule>>,
}

impl RandomRulesets {
    fn random(random: &mut Random) -> RandomRulesets {
        let skip = random.maybe(12, |random| random.pick(&INTERFACES));
        let tables = (0..ANCHORS.len())
            .map(|anchor| {
                (0..3)
                    .map(|_| {
                        random.maybe(if anchor == 0 { 2 } else { 6 }, |random| {
                            let mut networks: Vec<(&'static str, bool)> = Vec::new();
                            for _ in 0..random.below(4) {
                                let network = random.pick(&NETWORKS);
                                if networks.iter().all(|(known, _)| *known != network) {
                                    networks.push((network, random.one_in(3)));
                                }
                            }
                            networks
                        })
                    })
                    .collect()
            })
            .collect();
        let mut rulesets = RandomRulesets { skip, tables, rules: Vec::new() };
        let mut doubts = 5;
        for anchor in 0..ANCHORS.len() {
            let count = if anchor == 0 { 1 + random.below(9) } else { random.below(5) };
            let mut rules: Vec<Rule> =
                (0..random.below(3)).map(|_| translation(random, anchor, &mut doubts)).collect();
            rules.extend((0..count).map(|_| filter(random, anchor, &mut doubts)));
            rulesets.rules.push(rules);
        }
        rulesets.number();
        rulesets
    }

    /// Gives every rule the line that it is written in.
    fn number(&mut self) {
        for anchor in 0..ANCHORS.len() {
            let before = self.head(anchor).lines().count();
            for (index, rule) in self.rules[anchor].iter_mut().enumerate() {
                rule.line = before + index + 1;
            }
        }
    }

    fn head(&self, anchor: usize) -> String {
        let mut text = String::new();
        if let Some(skip) = self.skip.filter(|_| anchor == 0) {
            writeln!(text, "set skip on {skip}").unwrap();
        }
        for (number, table) in self.tables[anchor].iter().enumerate() {
            let Some(networks) = table else { continue };
            write!(text, "table <t{number}> {{").unwrap();
            for (network, negated) in networks {
                write!(text, " {}{network}", if *negated { "!" } else { "" }).unwrap();
            }
            writeln!(text, " }}").unwrap();
        }
        text
    }

    fn files(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        for (anchor, name) in ANCHORS.iter().enumerate() {
            let mut text = self.head(anchor);
            for rule in &self.rules[anchor] {
                writeln!(text, "{}", rule.text()).unwrap();
            }
            files.push((if anchor == 0 { "main".to_owned() } else { (*name).to_owned() }, text));
        }
        for anchor in &ANCHORS[1..] {
            writeln!(files[0].1, "load anchor \"{anchor}\" from \"{anchor}\"").unwrap();
        }
        files
    }

    fn doubts_a_tag(&self) -> bool {
        let mut rules = self.rules.iter().flatten();
        let tags = rules.clone().any(|rule| rule.tagged.is_some());
        tags && rules.any(|rule| rule.doubt.is_some())
    }

    /// Every way in which it may end, by trying both answers to each question that cannot be answered.
    fn every_end(&self, packet: &Packet) -> Vec<End> {
        let mut ends = Vec::new();
        let mut answers: Vec<bool> = Vec::new();
        loop {
            let mut run = Run { rulesets: self, answers: answers.clone(), asked: 0, tag: None };
            ends.push(run.decide(packet));
            answers = run.answers;
            // The next combination, as a binary counter whose last digit turns first.
            while answers.last() == Some(&true) {
                answers.pop();
            }
            match answers.last_mut() {
                Some(last) => *last = true,
                None => return ends,
            }
        }
    }

    fn index(path: &str) -> Option<usize> {
        ANCHORS.iter().position(|known| *known == path)
    }
}

fn side(random: &mut Random, ports: bool) -> Side {
    let place = match random.below(9) {
        0 | 1 => Where::Net(random.pick(&NETWORKS)),
        2 => Where::Table(random.below(3)),
        _ => Where::Any,
    };
    let negated = !matches!(place, Where::Any) && random.one_in(4);
    Side { place, negated, ports: if ports && random.one_in(3) { Some(Ports::random(random)) } else { None } }
}

fn six(side: &Side) -> Option<bool> {
    match side.place {
        Where::Net(network) => Some(network.contains(':')),
        _ => None,
    }
}

fn base(random: &mut Random, does: Does, doubts: &mut usize) -> Rule {
    let protocol = random.pick(&[None, None, Some(TCP), Some(TCP), Some(UDP)]);
    let ports = protocol.is_some() && random.one_in(5);
    let from = side(random, ports);
    let mut to = side(random, protocol.is_some());
    if six(&from).is_some() && six(&to).is_some() && six(&from) != six(&to) {
        to.place = Where::Any;
        to.negated = false;
    }
    let doubt = if *doubts > 0 && random.one_in(8) {
        *doubts -= 1;
        Some(random.pick(&["user alice", "probability 50%", "tos 0x10"]))
    } else {
        None
    };
    Rule {
        does,
        direction: random.pick(&[None, None, Some(Direction::In), Some(Direction::Out)]),
        quick: random.one_in(5),
        interface: random.maybe(6, |random| (random.pick(&INTERFACES), random.one_in(4))),
        protocol,
        from,
        to,
        flags: None,
        tag: random.maybe(10, |random| random.pick(&["red", "blue"])),
        tagged: random.maybe(14, |random| (random.pick(&["red", "blue"]), random.one_in(2))),
        doubt,
        line: 0,
    }
}

fn filter(random: &mut Random, anchor: usize, doubts: &mut usize) -> Rule {
    // Anchors call only what comes behind them, so that nothing is endless.
    let calls: &[&str] = match anchor {
        0 => &["a", "b", "w", "w/*", "w/x", "/w/y"],
        1 => &["/b", "/w/*", "../b"],
        2 => &["/w", "/w/x"],
        3 => &["x", "*", "/w/y"],
        4 => &["../y"],
        _ => &[],
    };
    let does = match random.below(10) {
        0..=2 if !calls.is_empty() => Does::Call { path: random.pick(calls) },
        0..=4 => Does::Pass { state: !random.one_in(5) },
        _ => Does::Block,
    };
    let mut rule = base(random, does, doubts);
    let tcp = rule.protocol.is_none_or(|protocol| protocol == TCP);
    if tcp && random.one_in(6) {
        rule.flags = Some(random.pick(&[(SYN, SYN | ACK), (ACK, ACK), (0, SYN), (SYN | ACK, SYN | ACK)]));
    }
    rule
}

fn translation(random: &mut Random, anchor: usize, doubts: &mut usize) -> Rule {
    let calls: &[&str] = if anchor == 0 { &["a", "w/*"] } else { &[] };
    let address = random.pick(&["10.0.0.2", "192.168.1.10"]);
    let does = match random.below(6) {
        0 if !calls.is_empty() => Does::CallRedirect { path: random.pick(calls) },
        1 => Does::NoRedirect,
        2 => Does::Nat { address },
        _ => Does::Redirect {
            pass: random.one_in(4),
            address,
            port: random.maybe(2, |random| random.pick(&PORTS)),
        },
    };
    let mut none = 0;
    let mut rule = base(random, does, &mut none);
    let _ = doubts;
    rule.direction = None;
    rule.quick = false;
    for side in [&mut rule.from, &mut rule.to] {
        side.ports = None;
        if six(side) == Some(true) {
            side.place = Where::Any;
            side.negated = false;
        }
    }
    rule.protocol = Some(TCP);
    rule.to.ports = random.maybe(2, |random| Ports::Is(random.pick(&PORTS)));
    if matches!(rule.does, Does::CallRedirect { .. }) {
        rule.tag = None;
        rule.tagged = None;
    }
    rule
}

impl Rule {
    fn text(&self) -> String {
        let mut text = String::new();
        match &self.does {
            Does::Pass { .. } => text.push_str("pass"),
            Does::Block => text.push_str("block"),
            Does::Call { path } => write!(text, "anchor \"{path}\"").unwrap(),
            Does::Redirect { pass, .. } => text.push_str(if *pass { "rdr pass" } else { "rdr" }),
            Does::NoRedirect => text.push_str("no rdr"),
            Does::Nat { .. } => text.push_str("nat"),
            Does::CallRedirect { path } => write!(text, "rdr-anchor \"{path}\"").unwrap(),
        }
        match self.direction {
            Some(Direction::In) => text.push_str(" in"),
            Some(Direction::Out) => text.push_str(" out"),
            None => {}
        }
        if self.quick {
            text.push_str(" quick");
        }
        if let Some((name, negated)) = self.interface {
            write!(text, " on {}{name}", if negated { "! " } else { "" }).unwrap();
        }
        if self.is_translation() {
            text.push_str(" inet");
        }
        match self.protocol {
            Some(TCP) => text.push_str(" proto tcp"),
            Some(_) => text.push_str(" proto udp"),
            None => {}
        }
        for (word, side) in [("from", &self.from), ("to", &self.to)] {
            write!(text, " {word} {}", if side.negated { "! " } else { "" }).unwrap();
            match side.place {
                Where::Any => text.push_str("any"),
                Where::Net(network) => text.push_str(network),
                Where::Table(number) => write!(text, "<t{number}>").unwrap(),
            }
            if let Some(ports) = &side.ports {
                write!(text, " port {}", ports.text()).unwrap();
            }
        }
        if let Does::Pass { state: false } = self.does {
            text.push_str(" no state");
        }
        if let Some((set, of)) = self.flags {
            let letters = |flags: u8| {
                format!(
                    "{}{}",
                    if flags & SYN != 0 { "S" } else { "" },
                    if flags & ACK != 0 { "A" } else { "" }
                )
            };
            write!(text, " flags {}/{}", letters(set), letters(of)).unwrap();
        }
        if let Some(doubt) = self.doubt {
            write!(text, " {doubt}").unwrap();
        }
        if let Some(tag) = self.tag {
            write!(text, " tag {tag}").unwrap();
        }
        if let Some((tag, negated)) = self.tagged {
            write!(text, " {}tagged {tag}", if negated { "! " } else { "" }).unwrap();
        }
        match &self.does {
            Does::Redirect { address, port: Some(port), .. } => {
                write!(text, " -> {address} port {port}").unwrap()
            }
            Does::Redirect { address, .. } | Does::Nat { address } => write!(text, " -> {address}").unwrap(),
            _ => {}
        }
        text
    }

    fn is_translation(&self) -> bool {
        matches!(
            self.does,
            Does::Redirect { .. } | Does::NoRedirect | Does::Nat { .. } | Does::CallRedirect { .. }
        )
    }
}

/// One run with one answer to each question.
struct Run<'a> {
    rulesets: &'a RandomRulesets,
    answers: Vec<bool>,
    asked: usize,
    tag: Option<&'static str>,
}

impl Run<'_> {
    fn decide(&mut self, packet: &Packet) -> End {
        if self.rulesets.skip == Some(packet.interface.as_str()) {
            return End { outcome: "pass", rule: None, state: true };
        }
        let mut packet = packet.clone();
        let mut translated = false;
        if let Some((anchor, index)) = self.first_translation(0, &packet) {
            let rule = &self.rulesets.rules[anchor][index];
            translated = true;
            match rule.does {
                Does::Redirect { pass: true, .. } => {
                    return End { outcome: "pass", rule: Some(name(anchor, rule.line)), state: true };
                }
                Does::Redirect { address, port, .. } => {
                    packet.destination = Some(address.parse().unwrap());
                    packet.destination_port = port.or(packet.destination_port);
                }
                Does::Nat { address } => {
                    packet.source = Some(address.parse().unwrap());
                    packet.source_port = None;
                }
                _ => translated = false,
            }
        }
        let mut last = None;
        self.walk(0, &packet, &mut last);
        match last {
            None => End { outcome: "pass", rule: None, state: translated },
            Some((anchor, index)) => {
                let rule = &self.rulesets.rules[anchor][index];
                let rule_name = Some(name(anchor, rule.line));
                match rule.does {
                    Does::Pass { state } => {
                        End { outcome: "pass", rule: rule_name, state: state || translated }
                    }
                    _ => End { outcome: "block", rule: rule_name, state: false },
                }
            }
        }
    }

    fn first_translation(&mut self, anchor: usize, packet: &Packet) -> Option<(usize, usize)> {
        for index in 0..self.rulesets.rules[anchor].len() {
            let rule = self.rulesets.rules[anchor][index].clone();
            let looked_at = match rule.does {
                Does::Nat { .. } => packet.direction == Direction::Out,
                Does::Redirect { .. } | Does::NoRedirect | Does::CallRedirect { .. } => {
                    packet.direction == Direction::In
                }
                _ => false,
            };
            if !looked_at || !self.matches(anchor, &rule, packet) {
                continue;
            }
            self.tag = rule.tag.or(self.tag);
            let Does::CallRedirect { path } = rule.does else { return Some((anchor, index)) };
            for child in children(anchor, path) {
                if let Some(found) = self.first_translation(child, packet) {
                    return Some(found);
                }
            }
        }
        None
    }

    /// Looks at every rule in turn; true when the search is over.
    fn walk(&mut self, anchor: usize, packet: &Packet, last: &mut Option<(usize, usize)>) -> bool {
        for index in 0..self.rulesets.rules[anchor].len() {
            let rule = self.rulesets.rules[anchor][index].clone();
            if rule.is_translation() || !self.matches(anchor, &rule, packet) {
                continue;
            }
            self.tag = rule.tag.or(self.tag);
            match rule.does {
                Does::Call { path } => {
                    let mut inside = None;
                    for child in children(anchor, path) {
                        if self.walk(child, packet, &mut inside) {
                            *last = inside;
                            return true;
                        }
                    }
                    if inside.is_some() {
                        *last = inside;
                        if rule.quick {
                            return true;
                        }
                    }
                }
                _ => {
                    *last = Some((anchor, index));
                    if rule.quick {
                        return true;
                    }
                }
            }
        }
        false
    }

    fn matches(&mut self, anchor: usize, rule: &Rule, packet: &Packet) -> bool {
        let tcp = packet.protocol == TCP;
        let family_six = packet.family == Family::Inet6;
        let interface = rule.interface.is_none_or(|(name, negated)| (name == packet.interface) != negated);
        let family = [&rule.from, &rule.to].iter().all(|side| six(side).is_none_or(|six| six == family_six));
        let translation_family = !rule.is_translation() || !family_six;
        let flags = match (&rule.does, rule.flags) {
            _ if !tcp || rule.protocol == Some(UDP) => true,
            (_, Some((set, of))) => packet.flags & of == set,
            (Does::Pass { state: true }, None) => packet.flags & (SYN | ACK) == SYN,
            _ => true,
        };
        rule.direction.is_none_or(|direction| direction == packet.direction)
            && interface
            && family
            && translation_family
            && rule.protocol.is_none_or(|protocol| protocol == packet.protocol)
            && flags
            && self.side_matches(anchor, &rule.from, packet.source, packet.source_port)
            && self.side_matches(anchor, &rule.to, packet.destination, packet.destination_port)
            && rule.tagged.is_none_or(|(tag, negated)| (self.tag == Some(tag)) != negated)
            && (rule.doubt.is_none() || self.ask())
    }

    fn side_matches(
        &mut self,
        anchor: usize,
        side: &Side,
        address: Option<IpAddr>,
        port: Option<u16>,
    ) -> bool {
        let address = address.unwrap();
        let place = match side.place {
            Where::Any => true,
            Where::Net(network) => holds(network, address) != side.negated,
            Where::Table(number) => self.in_table(anchor, number, address) != side.negated,
        };
        let port_matches = match (&side.ports, port) {
            (None, _) => true,
            (Some(ports), Some(port)) => ports.hold(port),
            // Some port from 1024 up.
            (Some(ports), None) => {
                let all = (1024..=u16::MAX).all(|port| ports.hold(port));
                let none = !(1024..=u16::MAX).any(|port| ports.hold(port));
                if all || none { all } else { place && self.ask() }
            }
        };
        place && port_matches
    }

    fn in_table(&self, anchor: usize, number: usize, address: IpAddr) -> bool {
        let tables = &self.rulesets.tables;
        let Some(networks) = tables[anchor][number].as_ref().or(tables[0][number].as_ref()) else {
            return false;
        };
        let mut holding: Vec<&(&str, bool)> =
            networks.iter().filter(|(network, _)| holds(network, address)).collect();
        holding.sort_by_key(|(network, _)| network.split_once('/').unwrap().1.parse::<u8>().unwrap());
        holding.last().is_some_and(|(_, negated)| !negated)
    }

    fn ask(&mut self) -> bool {
        if self.asked == self.answers.len() {
            self.answers.push(false);
        }
        self.asked += 1;
        self.answers[self.asked - 1]
    }
}

fn name(anchor: usize, line: usize) -> (String, usize) {
    (if anchor == 0 { "main".to_owned() } else { ANCHORS[anchor].to_owned() }, line)
}

/// The anchors that a path leads to.
fn children(anchor: usize, path: &str) -> Vec<usize> {
    let full = match (path.strip_prefix('/'), path.strip_prefix("../")) {
        (Some(absolute), _) => absolute.to_owned(),
        (_, Some(beside)) => match ANCHORS[anchor].rsplit_once('/') {
            Some((parent, _)) => format!("{parent}/{beside}"),
            None => beside.to_owned(),
        },
        _ if anchor == 0 => path.to_owned(),
        _ => format!("{}/{path}", ANCHORS[anchor]),
    };
    match full.strip_suffix("/*") {
        Some(parent) => {
            let below = |known: &&str| known.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'));
            let mut found: Vec<&str> = ANCHORS.iter().copied().filter(|known| below(known)).collect();
            found.sort_unstable();
            found.iter().filter_map(|path| RandomRulesets::index(path)).collect()
        }
        None => RandomRulesets::index(&full).into_iter().collect(),
    }
}

fn holds(network: &str, address: IpAddr) -> bool {
    let (base, bits) = network.split_once('/').unwrap();
    let bits: u32 = bits.parse().unwrap();
    match (base.parse().unwrap(), address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            (base.to_bits() ^ address.to_bits()).leading_zeros() >= bits
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => {
            (base.to_bits() ^ address.to_bits()).leading_zeros() >= bits
        }
        _ => false,
    }
}

fn random_packet(random: &mut Random) -> Packet {
    let source: IpAddr = random.pick(&ADDRESSES).parse().unwrap();
    let destination = loop {
        let address: IpAddr = random.pick(&ADDRESSES).parse().unwrap();
        if address.is_ipv4() == source.is_ipv4() {
            break address;
        }
    };
    let direction = random.pick(&[Direction::In, Direction::In, Direction::Out]);
    let interface = random.pick(&INTERFACES);
    let mut packet = Packet::syn(direction, interface, source, destination, random.pick(&PORTS));
    packet.source_port = Some(random.pick(&PORTS));
    packet.protocol = random.pick(&[TCP, TCP, TCP, UDP]);
    packet.flags = if packet.protocol == TCP { random.pick(&[SYN, SYN, SYN, SYN | ACK, ACK]) } else { 0 };
    packet
}
