//! The rules and packets of the second evaluator, and how the rules are written.

use std::fmt::Write as _;
use std::net::IpAddr;

pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

/// Each interface with its addresses and the prefix lengths of their networks.
pub const INTERFACES: [(&str, &[&str]); 3] = [
    ("en0", &["192.168.1.10/24", "fd00::10/64", "fe80::1/64"]),
    ("en1", &["10.0.0.1/16", "10.0.1.1/24"]),
    ("lo0", &["127.0.0.1/8", "::1/128", "fe80::1/64"]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
}

/// The socket of this machine that the packet belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Socket {
    Missing,
    Owned(u32),
}

#[derive(Clone, Debug)]
pub struct Packet {
    pub way: Way,
    pub interface: &'static str,
    pub protocol: u8,
    pub source: IpAddr,
    /// `None`: some port from 1024 up.
    pub source_port: Option<u16>,
    pub destination: IpAddr,
    pub destination_port: Option<u16>,
    pub flags: u8,
    pub socket: Socket,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    Any,
    Net(&'static str),
    Range(&'static str, &'static str),
    Table(usize),
    /// `(en0)`, `(en0:network)`, `(en0)/24`
    Dynamic(&'static str, bool, Option<u8>),
    /// `en0`, `en0:network`, `self`
    Static(&'static str, bool),
}

#[derive(Clone, Debug)]
pub enum Ports {
    Is(u16),
    IsNot(u16),
    Above(u16),
    AtMost(u16),
    From(u16, u16),
    Between(u16, u16),
    Outside(u16, u16),
}

#[derive(Clone, Debug)]
pub struct Side {
    pub place: Place,
    pub negated: bool,
    pub ports: Option<Ports>,
}

#[derive(Clone, Debug)]
pub enum User {
    Is(u32),
    IsNot(u32),
    AtLeast(u32),
    Unknown,
}

/// What a call leads to.
#[derive(Clone, Debug)]
pub enum Callee {
    Path(&'static str),
    /// The anchor of this number, whose rules stand in braces; its name.
    Inline(usize, String),
}

#[derive(Clone, Debug)]
pub enum Does {
    Pass { state: bool },
    Block,
    Call(Callee),
    Rdr { pass: bool, to: &'static str, port: Option<u16> },
    NoRdr,
    Nat { pass: bool, to: &'static str, static_port: bool },
    NoNat,
    Binat { pass: bool, to: &'static str },
    CallRdr(&'static str),
    CallNat(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Rdr,
    Nat,
    Binat,
    Filter,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub does: Does,
    pub way: Option<Way>,
    pub quick: bool,
    pub interface: Option<(&'static str, bool)>,
    pub protocol: Option<u8>,
    pub from: Side,
    pub to: Side,
    pub flags: Option<(u8, u8)>,
    pub user: Option<User>,
    pub tag: Option<&'static str>,
    pub tagged: Option<(&'static str, bool)>,
    /// A criterion that only chance or an unseen field decides.
    pub doubt: Option<&'static str>,
    /// The line of its text that it stands in.
    pub line: usize,
}

/// The networks of a table; `true` marks those that are excepted.
pub type Networks = Vec<(&'static str, bool)>;

#[derive(Clone, Debug, Default)]
pub struct Anchor {
    pub path: String,
    /// The name of the text that it stands in.
    pub file: String,
    pub tables: [Option<Networks>; 3],
    pub rules: Vec<Rule>,
    /// Its rules stand in braces.
    pub inline: bool,
}

/// Everything that is loaded; the first anchor is the main ruleset.
#[derive(Clone, Debug)]
pub struct World {
    pub skip: Option<&'static str>,
    /// The major version of macOS.
    pub macos: Option<u32>,
    pub anchors: Vec<Anchor>,
}

impl Rule {
    pub fn kind(&self) -> Kind {
        match self.does {
            Does::Rdr { .. } | Does::NoRdr | Does::CallRdr(_) => Kind::Rdr,
            Does::Nat { .. } | Does::NoNat | Does::CallNat(_) => Kind::Nat,
            Does::Binat { .. } => Kind::Binat,
            Does::Pass { .. } | Does::Block | Does::Call(_) => Kind::Filter,
        }
    }

    fn is_translation(&self) -> bool {
        self.kind() != Kind::Filter
    }

    /// The family that its addresses say.
    pub fn is_six(&self) -> Option<bool> {
        if self.is_translation() {
            return Some(false);
        }
        [&self.from.place, &self.to.place].into_iter().find_map(|place| match place {
            Place::Net(text) | Place::Range(text, _) => Some(text.contains(':')),
            _ => None,
        })
    }

    /// The TCP flags that it wants: of the second those in the first.
    pub fn wanted_flags(&self) -> Option<(u8, u8)> {
        match (&self.does, self.flags) {
            (_, Some(flags)) => Some(flags),
            (Does::Pass { state: true }, None) => Some((SYN, SYN | ACK)),
            _ => None,
        }
    }

    fn head(&self) -> String {
        let call = |word: &str, path: &str| format!("{word} \"{path}\"");
        match &self.does {
            Does::Pass { .. } => "pass".into(),
            Does::Block => "block".into(),
            Does::Call(Callee::Path(path)) => call("anchor", path),
            Does::Call(Callee::Inline(_, name)) => call("anchor", name),
            Does::Rdr { pass: true, .. } => "rdr pass".into(),
            Does::Rdr { .. } => "rdr".into(),
            Does::NoRdr => "no rdr".into(),
            Does::Nat { pass: true, .. } => "nat pass".into(),
            Does::Nat { .. } => "nat".into(),
            Does::NoNat => "no nat".into(),
            Does::Binat { pass: true, .. } => "binat pass".into(),
            Does::Binat { .. } => "binat".into(),
            Does::CallRdr(path) => call("rdr-anchor", path),
            Does::CallNat(path) => call("nat-anchor", path),
        }
    }

    fn tail(&self) -> String {
        match &self.does {
            Does::Rdr { to, port: Some(port), .. } => format!(" -> {to} port {port}"),
            Does::Rdr { to, .. } | Does::Binat { to, .. } => format!(" -> {to}"),
            Does::Nat { to, static_port, .. } => {
                format!(" -> {to}{}", if *static_port { " static-port" } else { "" })
            }
            _ => String::new(),
        }
    }

    fn criteria(&self) -> String {
        let mut text = String::new();
        match self.way {
            Some(Way::In) => text.push_str(" in"),
            Some(Way::Out) => text.push_str(" out"),
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
            let negation = if side.negated { "! " } else { "" };
            write!(text, " {word} {negation}{}", side.place.text()).unwrap();
            if let Some(ports) = &side.ports {
                write!(text, " port {}", ports.text()).unwrap();
            }
        }
        match &self.user {
            Some(User::Is(user)) => write!(text, " user = {user}").unwrap(),
            Some(User::IsNot(user)) => write!(text, " user != {user}").unwrap(),
            Some(User::AtLeast(user)) => write!(text, " user >= {user}").unwrap(),
            Some(User::Unknown) => text.push_str(" user unknown"),
            None => {}
        }
        if let Does::Pass { state: false } = self.does {
            text.push_str(" no state");
        }
        if let Some((set, of)) = self.flags {
            let has = |flags: u8, flag: u8, letter| if flags & flag != 0 { letter } else { "" };
            let letters = |flags| format!("{}{}", has(flags, SYN, "S"), has(flags, ACK, "A"));
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
        text
    }
}

impl Place {
    fn text(&self) -> String {
        let network = |is: &bool| if *is { ":network" } else { "" };
        match self {
            Place::Any => "any".into(),
            Place::Net(network) => (*network).into(),
            Place::Range(first, last) => format!("{first} - {last}"),
            Place::Table(number) => format!("<t{number}>"),
            Place::Dynamic(name, is, bits) => {
                let bits = bits.map_or_else(String::new, |bits| format!("/{bits}"));
                format!("({name}{}){bits}", network(is))
            }
            Place::Static(name, is) => format!("{name}{}", network(is)),
        }
    }
}

impl Ports {
    fn text(&self) -> String {
        match self {
            Ports::Is(a) => format!("{a}"),
            Ports::IsNot(a) => format!("!= {a}"),
            Ports::Above(a) => format!("> {a}"),
            Ports::AtMost(a) => format!("<= {a}"),
            Ports::From(a, b) => format!("{a}:{b}"),
            Ports::Between(a, b) => format!("{a} >< {b}"),
            Ports::Outside(a, b) => format!("{a} <> {b}"),
        }
    }

    pub fn hold(&self, port: u16) -> bool {
        match *self {
            Ports::Is(a) => port == a,
            Ports::IsNot(a) => port != a,
            Ports::Above(a) => port > a,
            Ports::AtMost(a) => port <= a,
            Ports::From(a, b) => (a..=b).contains(&port),
            Ports::Between(a, b) => a < port && port < b,
            Ports::Outside(a, b) => port < a || b < port,
        }
    }
}

impl World {
    /// The texts by name, `main` first. Every rule gets the line that it is written in.
    pub fn texts(&mut self) -> Vec<(String, String)> {
        let mut texts = Vec::new();
        let loaded: Vec<usize> =
            (0..self.anchors.len()).filter(|anchor| !self.anchors[*anchor].inline).collect();
        for anchor in &loaded {
            let mut text = String::new();
            if let Some(skip) = self.skip.filter(|_| *anchor == 0) {
                writeln!(text, "set skip on {skip}").unwrap();
            }
            for (number, table) in self.anchors[*anchor].tables.iter().enumerate() {
                let Some(networks) = table else { continue };
                write!(text, "table <t{number}> persist {{").unwrap();
                for (network, negated) in networks {
                    write!(text, " {}{network}", if *negated { "! " } else { "" }).unwrap();
                }
                writeln!(text, " }}").unwrap();
            }
            self.write_rules(*anchor, &mut text);
            texts.push((self.anchors[*anchor].file.clone(), text));
        }
        for anchor in &loaded[1..] {
            let Anchor { path, file, .. } = &self.anchors[*anchor];
            writeln!(texts[0].1, "load anchor \"{path}\" from \"{file}\"").unwrap();
        }
        texts
    }

    fn write_rules(&mut self, anchor: usize, text: &mut String) {
        for index in 0..self.anchors[anchor].rules.len() {
            let rule = &mut self.anchors[anchor].rules[index];
            rule.line = text.lines().count() + 1;
            let criteria = rule.criteria();
            write!(text, "{}{criteria}{}", rule.head(), rule.tail()).unwrap();
            if let Does::Call(Callee::Inline(inner, _)) = rule.does {
                text.push_str(" {\n");
                self.write_rules(inner, text);
                text.push('}');
            }
            text.push('\n');
        }
    }
}
