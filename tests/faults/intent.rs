//! The oracle: what the documents say of the ledger, written down once more and without a look at the helper's code.
//!
//! Everything is kept port by port, so that it does not matter how ranges are cut.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// A ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    pub guard: Guard,
    pub way: Option<Way>,
    pub open: BTreeMap<u16, Open>,
    pub managed: BTreeSet<u16>,
    pub token: Option<u64>,
    /// Whether it says that a change is under way.
    pub changing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    Unset,
    On,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Apple,
    Classic,
}

impl Way {
    /// The anchor that holds our rules.
    pub fn anchor(self) -> &'static str {
        match self {
            Way::Apple => "com.apple/100.dev.portcullis",
            Way::Classic => "dev.portcullis",
        }
    }
}

/// How one port is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub whom: Whom,
    /// Who is let in just now; `None`: no other machine, while it pauses.
    pub now: Option<Whom>,
    /// The instant at which it ends, the earliest of several; seconds since 1970.
    pub until: Option<i64>,
    /// Whether its end is known by a clock that no user can set, too.
    pub clocked: bool,
    /// Its other ends, such as the restart, or that this Mac leaves its network.
    pub ends: BTreeSet<String>,
}

fn evening(word: &str) -> String {
    format!("evening \"{word}\"")
}

impl Open {
    /// With 30 minutes more; `None`: it does not end in the evening, or had them.
    fn lengthened(&self) -> Option<Open> {
        let mut longer = self.clone();
        longer.ends.remove(&evening("due")).then(|| {
            longer.ends.insert(evening("extended"));
            longer.until = longer.until.map(|until| until + 1800);
            longer
        })
    }
}

/// For whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    Anyone,
    Hosts(BTreeSet<IpNet>),
    /// These, on the network of this name.
    Lan {
        network: Option<String>,
        addresses: BTreeSet<IpNet>,
    },
}

impl Whom {
    /// Whether it lets an address in.
    pub fn lets_in(&self, address: IpAddr) -> bool {
        match self {
            Whom::Anyone => true,
            Whom::Hosts(addresses) | Whom::Lan { addresses, .. } => {
                addresses.iter().any(|network| network.contains(&address))
            }
        }
    }
}

impl Default for Intent {
    fn default() -> Self {
        Intent {
            guard: Guard::Unset,
            way: None,
            open: BTreeMap::new(),
            managed: BTreeSet::new(),
            token: None,
            changing: false,
        }
    }
}

impl Intent {
    /// Reads `ledger.json`. Errors: what is not a ledger.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        has_its_hash(bytes, &value)?;
        let intent = Self::from_value(&value)?;
        match value.get("version").and_then(Value::as_u64) {
            Some(1..) => Ok(intent),
            _ => Err("it has no version".to_owned()),
        }
    }

    /// Reads guard, way, openings and managed ports, as ledger and status both have them.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        let guard = match text(value, "guard")? {
            "on" => Guard::On,
            "off" => Guard::Off,
            "unset" => Guard::Unset,
            other => return Err(format!("guard {other}")),
        };
        let way = match value.get("way") {
            None | Some(Value::Null) => None,
            Some(way) if way == "apple" => Some(Way::Apple),
            Some(way) if way == "classic" => Some(Way::Classic),
            Some(other) => return Err(format!("way {other}")),
        };
        let list = |key: &str| value.get(key).and_then(Value::as_array).ok_or(format!("no {key}"));
        let mut intent = Intent { guard, way, ..Intent::default() };
        for opening in list("openings")? {
            let open = open(opening)?;
            for port in ports(opening)? {
                if intent.open.insert(port, open.clone()).is_some() {
                    return Err(format!("port {port} is open twice"));
                }
            }
        }
        for managed in list("managed")? {
            intent.managed.extend(ports(managed)?);
        }
        intent.token = value.get("token").and_then(|token| token.get("number")?.as_u64());
        intent.changing = value.get("changing").is_some_and(|changing| !changing.is_null());
        Ok(intent)
    }

    /// What both allow, port by port; guard, way and token are those of `self`, the ledger before.
    pub fn half(&self, after: &Intent) -> Intent {
        let both = |(port, before): (&u16, &Open)| {
            let after = after.open.get(port)?;
            let mut met = meet(before, after)?;
            // What was being given 30 minutes more is still to be given them.
            if before.lengthened() == Some(after.clone()) {
                met.ends.insert(evening("due"));
            }
            Some((*port, met))
        };
        let open: BTreeMap<u16, Open> = self.open.iter().filter_map(both).collect();
        let opened = self.open.keys().chain(after.open.keys());
        let lost = opened.filter(|port| !open.contains_key(port));
        let managed =
            self.managed.iter().chain(&after.managed).chain(lost).copied().collect::<BTreeSet<u16>>();
        Intent { open, managed, changing: false, ..self.clone() }
    }

    /// Without what is over at `now`.
    pub fn less_due(&self, now: i64) -> Intent {
        let (over, open): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.open.clone().into_iter().partition(|(_, open)| open.until.is_some_and(|until| until <= now));
        let managed = self.managed.iter().chain(over.keys()).copied().collect();
        Intent { open, managed, ..self.clone() }
    }

    /// With 30 minutes more for what ends in the evening and is over at `now`, once: another machine is connected to it.
    pub fn lengthened(&self, now: i64) -> Intent {
        let mut longer = self.clone();
        for open in longer.open.values_mut() {
            let is_over = open.until.is_some_and(|until| until <= now);
            if let Some(lengthened) = open.lengthened().filter(|_| is_over) {
                *open = lengthened;
            }
        }
        longer
    }

    /// As a tick leaves it while no network is known: no machine of a network is let in just now.
    pub fn pausing(&self) -> Intent {
        let mut paused = self.clone();
        let near = paused.open.values_mut().filter(|open| matches!(open.whom, Whom::Lan { .. }));
        near.for_each(|open| open.now = None);
        paused
    }

    /// With everything closed.
    pub fn all_closed(&self) -> Intent {
        let managed = self.managed.iter().chain(self.open.keys()).copied().collect();
        Intent { open: BTreeMap::new(), managed, ..self.clone() }
    }

    /// What pf has to do with a connection from another machine.
    pub fn decision(&self, port: u16, address: IpAddr) -> Wanted {
        let open = self.open.get(&port);
        if open.and_then(|open| open.now.as_ref()).is_some_and(|now| now.lets_in(address)) {
            Wanted::Pass
        } else if self.guard == Guard::On && (open.is_some() || self.managed.contains(&port)) {
            Wanted::Block
        } else {
            Wanted::Nothing
        }
    }

    /// Whether pf has to hold anything of ours.
    pub fn needs_rules(&self) -> bool {
        !self.open.is_empty() || self.guard == Guard::On && !self.managed.is_empty()
    }

    /// Whether the same is open and closed; neither tokens nor the mark of a change count.
    pub fn same(&self, other: &Intent) -> bool {
        self.difference(other).is_none()
    }

    /// How `self` differs from what was wanted, in a clause.
    pub fn difference(&self, wanted: &Intent) -> Option<String> {
        let ports: BTreeSet<u16> = self.open.keys().chain(wanted.open.keys()).copied().collect();
        for port in ports {
            match (self.open.get(&port), wanted.open.get(&port)) {
                (Some(_), None) => return Some(format!("port {port} is open")),
                (None, Some(_)) => return Some(format!("port {port} is closed")),
                (Some(is), Some(wanted)) if is.whom != wanted.whom => {
                    let (is, wanted) = (words(&is.whom), words(&wanted.whom));
                    return Some(format!("port {port} is open for {is} instead of {wanted}"));
                }
                (Some(is), Some(wanted)) if is.now != wanted.now => {
                    let [is, wanted] = [is, wanted].map(|open| open.now.as_ref().map(words));
                    return Some(format!("port {port} lets in {is:?} just now instead of {wanted:?}"));
                }
                (Some(is), Some(wanted)) if is != wanted => {
                    return Some(format!("port {port} has another end"));
                }
                _ => {}
            }
        }
        if self.guard != wanted.guard {
            return Some(format!("the guard is {:?} instead of {:?}", self.guard, wanted.guard));
        }
        // Where nothing is to be loaded it does not matter which way it would be.
        if self.way != wanted.way && wanted.needs_rules() {
            return Some(format!("the way is {:?} instead of {:?}", self.way, wanted.way));
        }
        // Without the guard nothing of it is blocked.
        if wanted.guard != Guard::On {
            return None;
        }
        let other = self.managed.symmetric_difference(&wanted.managed).next();
        other.map(|port| format!("port {port} is managed in one of them only"))
    }
}

/// The last line is the hash of the text without it.
pub fn has_its_hash(bytes: &[u8], value: &Value) -> Result<(), String> {
    let said = text(value, "sha256")?;
    let line = format!(",\n  \"sha256\": \"{said}\"");
    let whole = String::from_utf8_lossy(bytes);
    let content =
        whole.strip_suffix("\n}").and_then(|rest| rest.strip_suffix(&line)).ok_or("no hash at its end")?;
    let digest: String =
        Sha256::digest(format!("{content}\n}}")).iter().map(|byte| format!("{byte:02x}")).collect();
    if digest == said { Ok(()) } else { Err("its hash is wrong".to_owned()) }
}

/// What pf has to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    Pass,
    Block,
    /// No rule of ours speaks of it.
    Nothing,
}

fn meet(one: &Open, other: &Open) -> Option<Open> {
    let whom = meet_whom(&one.whom, &other.whom)?;
    // What pauses in one of them pauses.
    let now = one.now.as_ref().zip(other.now.as_ref()).and_then(|(one, other)| meet_whom(one, other));
    let until = match (one.until, other.until) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let clocked = one.clocked || other.clocked;
    // An evening is a set time with a grace, which only what has it in both keeps.
    let is_grace = |end: &&String| end.starts_with("evening ");
    let both = one.ends.intersection(&other.ends).filter(is_grace);
    let ends = one.ends.union(&other.ends).filter(|end| !is_grace(end)).chain(both);
    Some(Open { whom, now, until, clocked, ends: ends.cloned().collect() })
}

/// `any` meets everyone; two networks that are known and not the same one meet in nothing; lan wins over hosts.
fn meet_whom(one: &Whom, other: &Whom) -> Option<Whom> {
    use Whom::{Anyone, Hosts, Lan};
    let met = match (one, other) {
        (Anyone, whom) | (whom, Anyone) => whom.clone(),
        (Hosts(one), Hosts(other)) => Hosts(common(one, other)),
        (Lan { network: Some(one), .. }, Lan { network: Some(other), .. }) if one != other => return None,
        (Lan { network: one, addresses: ours }, Lan { network: other, addresses: theirs }) => {
            Lan { network: one.clone().or(other.clone()), addresses: common(ours, theirs) }
        }
        (Lan { network, addresses: one }, Hosts(other)) | (Hosts(other), Lan { network, addresses: one }) => {
            Lan { network: network.clone(), addresses: common(one, other) }
        }
    };
    match &met {
        Hosts(addresses) | Lan { addresses, .. } if addresses.is_empty() => None,
        _ => Some(met),
    }
}

fn common(one: &BTreeSet<IpNet>, other: &BTreeSet<IpNet>) -> BTreeSet<IpNet> {
    let mut found = BTreeSet::new();
    for one in one {
        for other in other {
            if one.contains(other) {
                found.insert(*other);
            } else if other.contains(one) {
                found.insert(*one);
            }
        }
    }
    tidy(found)
}

/// Without networks that lie in another one.
fn tidy(networks: BTreeSet<IpNet>) -> BTreeSet<IpNet> {
    let inside = |network: &IpNet| networks.iter().any(|other| other != network && other.contains(network));
    networks.iter().filter(|network| !inside(network)).copied().collect()
}

fn words(whom: &Whom) -> String {
    match whom {
        Whom::Anyone => "anyone".to_owned(),
        Whom::Hosts(addresses) | Whom::Lan { addresses, .. } => {
            addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        }
    }
}

fn open(opening: &Value) -> Result<Open, String> {
    let from = opening.get("from").ok_or("an opening without a source")?;
    let addresses = |key: &str| -> Result<BTreeSet<IpNet>, String> {
        networks(from.get(key).ok_or(format!("a source without {key}"))?)
    };
    let whom = match text(from, "kind")? {
        "any" => Whom::Anyone,
        "hosts" => Whom::Hosts(addresses("hosts")?),
        "lan" => {
            let home = opening.get("home").filter(|home| !home.is_null());
            Whom::Lan { network: home.map(ToString::to_string), addresses: addresses("networks")? }
        }
        other => return Err(format!("source {other}")),
    };
    let let_in = opening.get("let_in").filter(|list| !list.is_null()).map(networks).transpose()?;
    let now = match (let_in, &whom) {
        (None, whom) => Some(whom.clone()),
        (Some(none), _) if none.is_empty() => None,
        (Some(_), Whom::Anyone) => return Err("some of anyone".to_owned()),
        (Some(addresses), Whom::Hosts(_)) => Some(Whom::Hosts(addresses)),
        (Some(addresses), Whom::Lan { network, .. }) => {
            Some(Whom::Lan { network: network.clone(), addresses })
        }
    };
    let until = opening.get("until").and_then(Value::as_i64);
    // Without a word it ends on another network.
    let leaves = opening.get("stay") != Some(&Value::Bool(true));
    let ends = ["restart", "evening", "ends", "away"].iter().filter_map(|key| {
        let value = opening.get(*key).filter(|value| !value.is_null() && **value != Value::Bool(false))?;
        Some(format!("{key} {value}"))
    });
    let clocked = opening.get("clocks").and_then(Value::as_object).is_some_and(|clocks| !clocks.is_empty());
    if until.is_some() && !clocked {
        return Err("an opening whose end is known by the wall clock alone".to_owned());
    }
    let ends = ends.chain(leaves.then(|| "leaving".to_owned()));
    Ok(Open { whom, now, until, clocked, ends: ends.collect() })
}

fn networks(list: &Value) -> Result<BTreeSet<IpNet>, String> {
    let read = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
    let networks: Option<BTreeSet<IpNet>> =
        list.as_array().ok_or("no list of networks")?.iter().map(read).collect();
    Ok(tidy(networks.ok_or("a network that does not read")?))
}

/// The ports of an entry: a number, or `"30000-30100"`.
fn ports(entry: &Value) -> Result<std::ops::RangeInclusive<u16>, String> {
    let port = entry.get("port").ok_or("an entry without a port")?;
    if let Some(port) = port.as_u64().and_then(|port| u16::try_from(port).ok()) {
        return Ok(port..=port);
    }
    let ends = port.as_str().and_then(|text| text.split_once('-'));
    let ends = ends.and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    ends.map(|(first, last)| first..=last).ok_or(format!("port {port}"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str, String> {
    value.get(key).and_then(Value::as_str).ok_or(format!("no {key}"))
}

/// The laws of [`Intent::half`], tried on everything that a few openings can make. Errors: the one that does not hold.
pub fn try_laws() -> Result<usize, String> {
    let net = |text: &str| text.parse::<IpNet>().map_err(|error| error.to_string());
    let lan = |name: &str, addresses: &[IpNet]| Whom::Lan {
        network: Some(name.to_owned()),
        addresses: addresses.iter().copied().collect(),
    };
    let (wide, part, one) = (net("192.168.1.0/24")?, net("192.168.1.128/25")?, net("192.168.1.9/32")?);
    let far = net("10.0.0.0/8")?;
    let whoms = [
        Whom::Anyone,
        lan("home", &[wide]),
        lan("home", &[part, far]),
        lan("office", &[wide]),
        Whom::Hosts([one].into()),
        Whom::Hosts([wide, far].into()),
    ];
    let mut ways: Vec<Option<Open>> = vec![None];
    for whom in whoms {
        for until in [None, Some(5), Some(9)] {
            for restart in [false, true] {
                let ends = restart.then(|| "restart".to_owned()).into_iter().collect();
                let open = Open {
                    whom: whom.clone(),
                    now: Some(whom.clone()),
                    until,
                    clocked: until.is_some(),
                    ends,
                };
                ways.push(Some(Open { now: None, ..open.clone() }));
                ways.push(Some(open));
            }
        }
    }
    let intent = |open: &Option<Open>| Intent {
        guard: Guard::On,
        open: open.iter().map(|open| (2345, open.clone())).collect(),
        managed: [2345].into(),
        ..Intent::default()
    };
    let addresses: Vec<IpAddr> = ["192.168.1.9", "192.168.1.200", "10.1.2.3", "203.0.113.7", "fd00::1"]
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let mut tried = 0;
    for one in &ways {
        for other in &ways {
            tried += 1;
            let (one, other) = (intent(one), intent(other));
            let half = one.half(&other);
            if !half.same(&other.half(&one)) {
                return Err(format!("not commutative: {one:?} and {other:?}"));
            }
            if !one.half(&one).same(&one) || !half.half(&one).same(&half) {
                return Err(format!("not idempotent: {one:?} and {other:?}"));
            }
            for &address in &addresses {
                let open = |intent: &Intent| intent.decision(2345, address) == Wanted::Pass;
                if open(&half) && !(open(&one) && open(&other)) {
                    return Err(format!("more open than either: {one:?} and {other:?}"));
                }
            }
        }
    }
    Ok(tried)
}
