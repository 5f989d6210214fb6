//! What pf holds in a lab, and what our rules in it do with a connection: read and judged here once more, since the
//! helper's own reading is what is on trial.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use serde_json::Value;

use crate::image::Image;
use crate::intent::Wanted;

/// Where the lab keeps what its kernel holds, and the connections that it knows.
pub const KERNEL: &str = "/private/var/pf/kernel.json";
pub const STATES: &str = "/private/var/pf/states";

/// pf in a lab.
#[derive(Clone, Debug, PartialEq)]
pub struct Pf {
    pub enabled: bool,
    pub tokens: BTreeSet<u64>,
    /// Everything that is loaded, by anchor; `""` is the main ruleset.
    pub rulesets: BTreeMap<String, Value>,
    pub states: Vec<String>,
}

impl Pf {
    /// Reads it. Errors: a lab that is damaged.
    pub fn read(image: &Image) -> Result<Self, String> {
        let bytes = image.file(KERNEL).ok_or("the lab has no pf")?;
        let kernel: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let rulesets = kernel.get("rulesets").and_then(Value::as_object).ok_or("no rulesets")?;
        let mut rulesets: BTreeMap<String, Value> =
            rulesets.iter().map(|(path, rules)| (path.clone(), rules.clone())).collect();
        // Which pfctl loaded a ruleset is no part of it.
        for rules in rulesets.values_mut().filter_map(Value::as_object_mut) {
            rules.remove("loaded_by");
        }
        let holders = kernel.get("holders").and_then(Value::as_array).ok_or("no holders")?;
        let tokens = holders.iter().filter_map(|holder| holder.get("token")?.as_u64()).collect();
        let enabled = kernel.get("running_since").is_some_and(|since| !since.is_null());
        let states = String::from_utf8_lossy(image.file(STATES).unwrap_or_default());
        let states = states.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        Ok(Pf { enabled, tokens, rulesets, states })
    }

    /// The rules of one anchor. Errors: a rule in a form that is not ours.
    pub fn rules(&self, anchor: &str) -> Result<Rules, String> {
        let Some(loaded) = self.rulesets.get(anchor) else { return Ok(Rules::default()) };
        let lines = |kind: &str| -> Vec<String> {
            let lines = loaded.get(kind).and_then(Value::as_array).into_iter().flatten();
            lines.filter_map(|line| Some(line.get("text")?.as_str()?.to_owned())).collect()
        };
        for kind in ["scrub", "nat", "rdr", "binat", "dummynet"] {
            if let Some(line) = lines(kind).first() {
                return Err(format!("the anchor {anchor} holds `{line}`"));
            }
        }
        let mut rules = Rules::default();
        for line in lines("filter") {
            rules.push(&line)?;
        }
        let tables = loaded.get("tables").and_then(Value::as_object).into_iter().flatten();
        for (name, table) in tables {
            let addresses = table.get("addresses").and_then(Value::as_object).into_iter().flatten();
            let addresses = addresses.filter_map(|(network, _)| network.parse().ok()).collect();
            rules.tables.insert(name.clone(), addresses);
        }
        Ok(rules)
    }

    /// Whether the main ruleset calls an anchor by this name.
    pub fn main_calls(&self, anchor: &str) -> bool {
        let main = self.rulesets.get("").and_then(|main| main.get("filter")?.as_array());
        let call = format!("anchor \"{anchor}\" all");
        main.into_iter().flatten().any(|line| line.get("text").and_then(Value::as_str) == Some(&call))
    }
}

/// The rules of an anchor of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    pub tables: BTreeMap<String, BTreeSet<IpNet>>,
    pub rules: Vec<Rule>,
}

/// One of our rules, as far as the first packet of a TCP connection is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    passes: bool,
    /// Only on this interface, or on every other (`true`).
    interface: Option<(bool, String)>,
    /// Of this family alone: whether IPv6.
    six: Option<bool>,
    from: From,
    /// Whether it matches on the port that the packet comes from: no first packet comes from one of ours.
    from_port: bool,
    ports: RangeInclusive<u16>,
    /// Whether it matches the first packet, by its flags.
    opens: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum From {
    Any,
    Table(String),
    Network(IpNet),
}

impl Rules {
    /// Reads the text of an anchor's file. Errors: a line in a form that is not ours.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut rules = Rules::default();
        if !text.is_empty() && !text.ends_with('\n') {
            return Err("its last line has no end".to_owned());
        }
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            match line.strip_prefix("table <") {
                Some(rest) => {
                    let (name, rest) = rest.split_once('>').ok_or(format!("`{line}`"))?;
                    let inside = rest.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
                    let (inside, _) = inside.ok_or(format!("`{line}`"))?;
                    let words = inside.split([',', ' ']).filter(|word| !word.is_empty());
                    let addresses: Option<BTreeSet<IpNet>> = words.map(network).collect();
                    rules.tables.insert(name.to_owned(), addresses.ok_or(format!("`{line}`"))?);
                }
                None => rules.push(line)?,
            }
        }
        Ok(rules)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.tables.is_empty()
    }

    fn push(&mut self, line: &str) -> Result<(), String> {
        let rule = rule(line).ok_or(format!("`{line}` is not one of our rules"))?;
        self.rules.push(rule);
        Ok(())
    }

    /// What they do with the first packet of a connection that comes in on `interface`. All are quick.
    pub fn decision(&self, interface: &str, port: u16, address: IpAddr) -> Wanted {
        let matches = |rule: &&Rule| {
            let there = match &rule.interface {
                None => true,
                Some((other, name)) => (name == interface) != *other,
            };
            let from = match &rule.from {
                From::Any => true,
                From::Network(network) => network.contains(&address),
                From::Table(name) => self
                    .tables
                    .get(name)
                    .is_some_and(|networks| networks.iter().any(|network| network.contains(&address))),
            };
            let family = rule.six.is_none_or(|six| six == address.is_ipv6());
            there && from && family && rule.opens && !rule.from_port && rule.ports.contains(&port)
        };
        match self.rules.iter().find(matches) {
            Some(rule) if rule.passes => Wanted::Pass,
            Some(_) => Wanted::Block,
            None => Wanted::Nothing,
        }
    }

    /// Every port that a rule names.
    pub fn ports(&self) -> BTreeSet<u16> {
        self.rules.iter().flat_map(|rule| rule.ports.clone()).collect()
    }
}

/// Tries what is read here on rules as they were and as they are to be. Errors: the first one that is misread.
pub fn try_rules() -> Result<usize, String> {
    const TEXT: &str = r#"# dev.portcullis
table <portcullis_2345> const { 192.168.1.0/24, 10.1.2.3 }
pass quick on lo0 proto tcp from any to any port = 2345 flags any no state label "a"
pass quick on lo0 proto tcp from any port = 2345 to any flags A/A no state label "a"
pass quick on lo0 proto tcp from any port = 2345 to any flags R/SR no state label "a"
pass in quick on ! lo0 proto tcp from <portcullis_2345> to any port = 2345 flags any keep state label "a"
pass in quick on en0 inet6 proto tcp from fe80::/10 to any port = 2345 flags any keep state label "a"
pass in quick on ! lo0 proto tcp from any to any port = 2345 flags R/SR no state label "a"
block return in log quick on ! lo0 proto tcp from any to any port = 2345 label "a"
pass in quick on ! lo0 proto tcp from any to any port 5000:5010 flags S/SA keep state label "b"
block return in log quick on ! lo0 proto tcp from any to any port = 50000 flags S/SA label "c"
"#;
    use Wanted::{Block, Nothing, Pass};
    let rules = Rules::read(TEXT)?;
    let cases = [
        ("lo0", 2345, "127.0.0.1", Pass),
        ("en0", 2345, "192.168.1.9", Pass),
        ("en0", 2345, "10.1.2.3", Pass),
        ("en0", 2345, "10.1.2.4", Block),
        ("en0", 2345, "fe80::1", Pass),
        ("en1", 2345, "fe80::1", Block),
        ("en0", 5005, "203.0.113.7", Pass),
        ("lo0", 5005, "127.0.0.1", Nothing),
        ("en0", 50000, "fd00::9", Block),
        ("en0", 9229, "192.168.1.9", Nothing),
    ];
    for (interface, port, address, wanted) in cases {
        let address: IpAddr = address.parse().map_err(|_| format!("address {address}"))?;
        let is = rules.decision(interface, port, address);
        if is != wanted {
            return Err(format!("{port} from {address} on {interface}: {is:?} instead of {wanted:?}"));
        }
    }
    for torn in ["pass in quick", "block", "pass in quick proto tcp from any to any port = 23", "x\n"] {
        if Rules::read(torn).is_ok() {
            return Err(format!("`{torn}` is taken for a rule"));
        }
    }
    Ok(cases.len())
}

fn network(word: &str) -> Option<IpNet> {
    word.parse().ok().or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from))
}

fn rule(line: &str) -> Option<Rule> {
    let mut words = line.split_whitespace().peekable();
    let passes = match words.next()? {
        "pass" => true,
        "block" => false,
        _ => return None,
    };
    let mut rule = Rule {
        passes,
        interface: None,
        six: None,
        from: From::Any,
        from_port: false,
        ports: RangeInclusive::new(1, 0),
        // What pf adds to a `pass` that has no flags of its own is what the first packet has.
        opens: true,
    };
    let (mut quick, mut tcp) = (false, false);
    let mut destination = false;
    while let Some(word) = words.next() {
        match word {
            // Packets that come in are all that is asked about.
            "in" | "return" | "drop" | "log" | "no" | "keep" | "state" => {}
            "quick" => quick = true,
            "on" => {
                let other = words.next_if_eq(&"!").is_some();
                rule.interface = Some((other, words.next()?.to_owned()));
            }
            "inet" => rule.six = Some(false),
            "inet6" => rule.six = Some(true),
            "proto" => tcp = words.next()? == "tcp",
            "from" => {
                rule.from = match words.next()? {
                    "any" => From::Any,
                    table if table.starts_with('<') => From::Table(table.trim_matches(['<', '>']).to_owned()),
                    address => From::Network(network(address)?),
                };
            }
            "to" => {
                destination = true;
                if words.next()? != "any" {
                    return None;
                }
            }
            "port" => {
                let ports = match words.next()? {
                    "=" => {
                        let port = words.next()?.parse().ok()?;
                        port..=port
                    }
                    range => {
                        let (first, last) = range.split_once(':')?;
                        first.parse().ok()?..=last.parse().ok()?
                    }
                };
                rule.from_port |= !destination;
                rule.ports = ports;
            }
            "flags" => {
                rule.opens = match words.next()? {
                    "any" => true,
                    flags => {
                        let (set, of) = flags.split_once('/')?;
                        let first = |flag: char| flag == 'S';
                        of.chars().all(|flag| set.contains(flag) == first(flag))
                    }
                };
            }
            "label" => {
                words.next()?;
            }
            _ => return None,
        }
    }
    (quick && tcp && !rule.ports.is_empty()).then_some(rule)
}
