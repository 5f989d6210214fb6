//! Random worlds: what root saw, what the ledger says, which networks there are, who listens. A world is plain data, and
//! all that the commands read is made from it, the report by root's own function.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use fastrand::Rng;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use portcullis::app::{AppError, Beside, Evidence, Observation, PfConf, ReadPreferences};
use portcullis::debuggers::scan::Scan;
use portcullis::firewall::{Reference, interface_facts};
use portcullis::lab::{Lab, STOCK_PF_CONF};
use portcullis::os::Interface;
use portcullis::pf::lookup::NameAnswer;
use portcullis::port::PortRange;
use portcullis::prefs::{Preferences, PreferencesError};
use portcullis::report::{LoadedRules, Note, PfState, Report, ReportFact, RulesetsReport};
use portcullis::root::{Live, report};
use portcullis::rules::anchor;
use portcullis::rules::ends::EveningEnd;
use portcullis::rules::home::Home;
use portcullis::rules::ledger::{Attachment, Changing, Guard, Ledger, MayBeOpen, Opening, PfToken, Visit};
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::sockets::{Process, Socket, SocketOwner, SocketTable, SocketsError, TcpState};
use portcullis::status::AppFirewall;
use portcullis::system::{NetworkFacts, PF_CONF, System as _};

/// 2026-11-26 13:00 UTC.
pub const NOW: i64 = 1_795_698_000;

/// What is shown.
pub const SHOWN: [(&str, &str); 4] =
    [("dlv", "2345"), ("node", "9229"), ("debugpy", "5678"), ("many", "30000-30003")];

/// A host that openings may be for, and one elsewhere.
pub const NEAR_HOST: &str = "192.168.1.20";
pub const FAR_NET: &str = "203.0.113.0/24";

#[derive(Clone, Debug)]
pub struct World {
    pub guard: Guard,
    pub openings: Vec<Opening>,
    pub managed: Vec<NamedPort>,
    pub ledger: LedgerState,
    /// A change of this port was interrupted.
    pub interrupted: Option<NamedPort>,
    pub look: Look,
    pub pf: PfState,
    pub main: Main,
    pub ours: Ours,
    /// Whether pf still counts the guard's hold.
    pub is_held: bool,
    /// Rules of others: the anchor, and its rules.
    pub others: Vec<(&'static str, &'static str)>,
    pub skip: Skip,
    pub may_read_rules: bool,
    /// Where this Mac was when root looked, and where it is now.
    pub then: Place,
    pub here: Place,
    pub listeners: Vec<Listener>,
    pub sockets: Sockets,
    pub app_firewall: AppFirewall,
    pub is_blocked: bool,
    pub has_preferences: bool,
    pub conf: Conf,
}

/// What root's report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// So many seconds ago.
    Ago(i64),
    OtherBoot,
    Missing,
    Damaged,
    OtherVersion,
    /// It is from before the last change.
    Outdated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerState {
    Whole,
    Damaged,
}

/// The main ruleset that pf held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Main {
    /// That of a stock Mac, which calls our anchor.
    Stock,
    /// The same, and then `block all`, or before it.
    BlocksAfter,
    BlocksBefore,
    /// Another program's, which does not call our anchor.
    PassesAll,
    BlocksAll,
    Empty,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    Loaded,
    Flushed,
}

/// What pf does not look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    Loopback,
    /// The hardware too.
    All,
    Unread,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Home,
    /// The same router by a dock's interface.
    Docked,
    /// With a tunnel up.
    WithTunnel,
    Other,
    /// The home's addresses behind another router.
    Twin,
    /// An address, and no router known yet.
    NoRouter,
    Offline,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub port: u16,
    pub program: Program,
    pub bind: Bound,
    pub queue: u32,
    pub session: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Debugger,
    Web,
    Docker,
    Tunnel,
    /// Of another user.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    Loopback,
    All,
    AllOfBoth,
    One,
    LoopbackSix,
    AllSix,
    /// No listener: the debugger lost it.
    Nowhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sockets {
    Read,
    /// Those of other users are hidden.
    Blind,
    Unreadable,
}

/// /etc/pf.conf as it stands on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conf {
    Stock,
    Edited,
    Broken,
}

/// Labs in which the files of a world lie, one for each [`Conf`]: nothing is written to them again.
pub struct Files {
    labs: [(tempfile::TempDir, Lab); 3],
    confs: [PfConf; 3],
}

impl Files {
    pub fn new() -> Self {
        let labs = [Conf::Stock, Conf::Edited, Conf::Broken].map(|conf| {
            let directory = tempfile::tempdir().unwrap();
            let lab = Lab::open(directory.path()).unwrap();
            let more = match conf {
                Conf::Stock => "",
                Conf::Edited => "block in proto tcp from any to any port 2345\n",
                Conf::Broken => "bloc in all\n",
            };
            std::fs::write(lab.place(PF_CONF), format!("{STOCK_PF_CONF}{more}")).unwrap();
            (directory, lab)
        });
        let confs = labs.each_ref().map(|(_, lab)| PfConf::read(lab, &mut |_| NameAnswer::Unasked).unwrap());
        Files { labs, confs }
    }

    fn of(&self, conf: Conf) -> &Lab {
        &self.labs[conf as usize].1
    }
}

pub fn named((name, range): (&str, &str)) -> NamedPort {
    NamedPort { name: name.parse().unwrap(), range: range.parse().unwrap() }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

impl Place {
    /// The interfaces, each with its addresses, and the router.
    fn links(self) -> Vec<(&'static str, Vec<IpNet>, Option<&'static str>)> {
        const HOME: Option<&str> = Some("a4:91:b1:00:00:01");
        let home = |name, router| (name, vec![net("192.168.1.10/24"), net("fe80::10/64")], router);
        match self {
            Place::Home => vec![home("en0", HOME)],
            Place::Docked => vec![home("en7", HOME)],
            Place::WithTunnel => vec![("utun4", vec![net("10.8.0.2/32")], None), home("en0", HOME)],
            Place::Other => {
                vec![("en0", vec![net("10.9.8.7/24"), net("fe80::10/64")], Some("a4:91:b1:00:00:02"))]
            }
            Place::Twin => vec![home("en0", Some("a4:91:b1:00:00:03"))],
            Place::NoRouter => vec![home("en0", None)],
            Place::Offline => vec![],
        }
    }

    pub fn interfaces(self) -> Vec<Interface> {
        let links = self.links().into_iter();
        links.map(|(name, addresses, _)| Interface { name: name.into(), addresses }).collect()
    }

    pub fn networks(self) -> Vec<NetworkFacts> {
        let links = self.links().into_iter().filter(|(name, ..)| !name.starts_with("utun"));
        let facts = links.map(|(interface, addresses, router)| NetworkFacts {
            interface: interface.into(),
            prefixes: addresses.iter().map(IpNet::trunc).filter(|net| net.addr().is_ipv4()).collect(),
            gateway: router.and_then(|router| router.parse().ok()),
        });
        facts.collect()
    }

    /// Whether a client at `address` is on a network that this Mac is on.
    pub fn is_near(self, address: IpAddr) -> bool {
        self.interfaces().iter().flat_map(|interface| &interface.addresses).any(|net| net.contains(&address))
    }
}

/// Rules of others, some of which decide before ours.
const OTHERS: [(&str, &str); 9] = [
    ("com.apple/050.vpn", "block drop in quick proto tcp from any to any port = 2345\n"),
    ("com.apple/050.vpn", "pass in quick proto tcp from any to any port = 9229 flags S/SA keep state\n"),
    (
        "com.apple/050.vpn",
        "pass in quick inet proto tcp from 203.0.113.0/24 to any port = 2345 flags S/SA keep state\n",
    ),
    ("com.apple/050.vpn", "block drop in quick inet proto tcp from 192.168.1.20 to any port = 2345\n"),
    ("com.apple/050.vpn", "block drop in quick proto tcp from any to any port = 5678 probability 50%\n"),
    (
        "com.apple/050.vpn",
        "pass in quick inet proto tcp from 192.168.1.0/24 to any port = 5678 flags S/SA keep state\n",
    ),
    ("com.apple/250.later", "block drop in all\n"),
    ("com.apple/050.vpn", "block drop quick all\n"),
    ("com.apple/050.vpn", "block drop in quick on en0 all\n"),
];

fn pick<T: Clone>(random: &mut Rng, from: &[T]) -> T {
    from[random.usize(..from.len())].clone()
}

/// The usual, or with this chance in 100 one of the others.
fn mostly<T: Clone>(random: &mut Rng, chance: u32, usual: T, others: &[T]) -> T {
    if random.u32(..100) < chance { pick(random, others) } else { usual }
}

impl World {
    /// Guard on, nothing open, root looked 40 seconds ago.
    pub fn quiet() -> Self {
        World {
            guard: Guard::On,
            openings: vec![],
            managed: SHOWN.map(named).into(),
            ledger: LedgerState::Whole,
            interrupted: None,
            look: Look::Ago(40),
            pf: PfState::Enabled,
            main: Main::Stock,
            ours: Ours::Loaded,
            is_held: true,
            others: vec![],
            skip: Skip::Loopback,
            may_read_rules: true,
            then: Place::Home,
            here: Place::Home,
            listeners: vec![],
            sockets: Sockets::Read,
            app_firewall: AppFirewall::Off,
            is_blocked: false,
            has_preferences: true,
            conf: Conf::Stock,
        }
    }

    /// One of the worlds that come of a seed.
    pub fn of(number: u64, seed: u64) -> Self {
        let mixed = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(seed);
        World::random(&mut Rng::with_seed(mixed))
    }

    fn random(random: &mut Rng) -> Self {
        use Place::{Docked, Home, NoRouter, Offline, Other, Twin, WithTunnel};
        let places = [Docked, WithTunnel, Other, Twin, NoRouter, Offline];
        let then = mostly(random, 25, Home, &places);
        let (young, old) = (random.i64(0..3000), 3901 + random.i64(0..90_000));
        let mut world = World {
            guard: mostly(random, 30, Guard::On, &[Guard::Off, Guard::Unset]),
            managed: SHOWN.map(named).into_iter().filter(|_| random.u32(..100) < 92).collect(),
            ledger: mostly(random, 6, LedgerState::Whole, &[LedgerState::Damaged]),
            look: mostly(
                random,
                30,
                Look::Ago(young),
                &[
                    Look::OtherBoot,
                    Look::Missing,
                    Look::Damaged,
                    Look::OtherVersion,
                    Look::Outdated,
                    Look::Ago(old),
                    Look::Ago(-500),
                ],
            ),
            pf: mostly(random, 15, PfState::Enabled, &[PfState::Disabled, PfState::Unknown("?".into())]),
            main: mostly(
                random,
                25,
                Main::Stock,
                &[Main::BlocksAfter, Main::BlocksBefore, Main::PassesAll, Main::BlocksAll, Main::Empty],
            ),
            ours: mostly(random, 10, Ours::Loaded, &[Ours::Flushed]),
            skip: mostly(random, 6, Skip::Loopback, &[Skip::All, Skip::Unread]),
            may_read_rules: random.u32(..100) < 85,
            then,
            here: mostly(random, 20, then, &places),
            sockets: mostly(random, 8, Sockets::Read, &[Sockets::Blind, Sockets::Unreadable]),
            app_firewall: mostly(
                random,
                25,
                AppFirewall::Off,
                &[AppFirewall::On, AppFirewall::BlockAll, AppFirewall::Unknown("it did not say".into())],
            ),
            is_blocked: random.bool(),
            has_preferences: random.u32(..100) < 95,
            conf: mostly(random, 10, Conf::Stock, &[Conf::Edited, Conf::Broken]),
            ..World::quiet()
        };
        for _ in 0..random.u32(..3) {
            if random.u32(..100) < 45 {
                world.others.push(pick(random, &OTHERS));
            }
        }
        world.others.sort();
        world.others.dedup_by_key(|other| other.0);
        for _ in 0..pick(random, &[0, 1, 1, 2, 3]) {
            let opening = opening(random);
            world.open(opening);
        }
        if random.u32(..100) < 5 {
            world.interrupted = Some(named(pick(random, &SHOWN)));
        }
        // Root's report is held to a ledger that reads, between changes.
        if world.look == Look::Outdated
            && (world.interrupted.is_some() || world.ledger == LedgerState::Damaged)
        {
            world.look = Look::Missing;
        }
        for port in [2345, 9229, 5678, 30001] {
            if random.u32(..100) < 45 {
                let listener = Listener::random(random, port);
                world.listeners.push(listener);
            }
        }
        world.is_held = random.u32(..100) < 94;
        world
    }

    /// Opens a port, on the network of home.
    pub fn open(&mut self, opening: Opening) {
        let mut ledger = Ledger { openings: std::mem::take(&mut self.openings), ..Ledger::default() };
        ledger.open(opening);
        self.openings = ledger.openings;
    }

    /// The ledger that root saw. A tick has followed this Mac to where it was then.
    pub fn ledger(&self) -> Ledger {
        let mut openings = self.openings.clone();
        for opening in &mut openings {
            opening.follow(&self.then.networks(), Visit::Tick);
        }
        let changing = self.interrupted.as_ref().map(|port| Changing {
            since: NOW - 600,
            pid: 0,
            open: vec![MayBeOpen { name: port.name.clone(), port: port.range, from: Source::Any }],
        });
        let token = PfToken { number: if self.is_held { 1 } else { 2 }, boot: "boot".into() };
        let has_rules = self.guard == Guard::On || !openings.is_empty();
        let way = has_rules.then_some(Attachment::Apple);
        Ledger {
            guard: self.guard,
            openings,
            managed: self.managed.clone(),
            way,
            changing,
            token: (self.guard == Guard::On).then_some(token),
            ..Ledger::default()
        }
    }

    /// What pf held when root looked.
    fn live(&self, ledger: &Ledger) -> Live {
        let interfaces = interface_facts(&self.then.interfaces());
        let call = "anchor \"com.apple/*\" all\n";
        let main = match self.main {
            Main::Stock => format!("scrub-anchor \"com.apple/*\" all fragment reassemble\n{call}"),
            Main::BlocksAfter => format!("{call}block drop in all\n"),
            Main::BlocksBefore => format!("block drop in all\n{call}"),
            Main::PassesAll => "pass all flags S/SA keep state\n".into(),
            Main::BlocksAll => "block drop in on ! lo0 all\n".into(),
            Main::Empty => String::new(),
        };
        let rules = |rules: &str| LoadedRules { rules: rules.to_owned(), ..LoadedRules::default() };
        let nat = "nat-anchor \"com.apple/*\" all\nrdr-anchor \"com.apple/*\" all\n";
        let nat = if self.calls_us() { nat } else { "" };
        let main = LoadedRules { nat: nat.into(), ..rules(&main) };
        let mut rulesets = BTreeMap::from([(String::new(), main)]);
        let ours = anchor::rules(ledger, &interfaces);
        let ours: String =
            ours.lines().filter(|line| !line.starts_with("table")).map(|line| format!("{line}\n")).collect();
        if self.ours == Ours::Loaded && !ours.is_empty() {
            let ours = LoadedRules { tables: anchor::tables(ledger), ..rules(&ours) };
            rulesets.insert(Attachment::Apple.anchor().to_owned(), ours);
        }
        for (path, text) in &self.others {
            rulesets.insert((*path).to_owned(), rules(text));
        }
        let mut live = Live::unknown();
        live.state = self.pf.clone();
        let token = Reference { pid: 7, process: "pfctl".into(), token: 1, age: None };
        live.tokens = Some(vec![token]);
        live.rulesets = rulesets;
        live.skip = match self.skip {
            Skip::Loopback => Some(vec!["lo0".into()]),
            Skip::All => Some(vec!["lo0".into(), "en0".into(), "en7".into()]),
            Skip::Unread => None,
        };
        live
    }

    /// Whether our rules were evaluated when root looked.
    pub fn are_our_rules_evaluated(&self) -> bool {
        self.pf == PfState::Enabled
            && self.ours == Ours::Loaded
            && matches!(self.main, Main::Stock | Main::BlocksAfter | Main::BlocksBefore)
    }

    pub fn calls_us(&self) -> bool {
        matches!(self.main, Main::Stock | Main::BlocksAfter | Main::BlocksBefore)
    }

    pub fn is_look_usable(&self) -> bool {
        matches!(self.look, Look::Ago(0..=3900))
    }

    pub fn preferences(&self) -> ReadPreferences {
        if !self.has_preferences {
            let source = PreferencesError::Key("colour".into());
            return Err(AppError::Preferences { path: "preferences.toml".into(), source });
        }
        let text = "show = [\"dlv\", \"node\", \"debugpy\", \"many\"]\n[[port]]\nname = \"many\"\nport = \"30000-30003\"\n";
        Ok(Preferences::parse(text).unwrap())
    }

    /// What root saw, by root's own function.
    pub fn prepare(&self, files: &Files) -> Prepared<'_> {
        let lab = files.of(self.conf);
        let ledger = self.ledger();
        let mut looked = ledger.clone();
        looked.changing = None;
        if self.look == Look::Outdated {
            looked.guard = if looked.guard == Guard::On { Guard::Off } else { Guard::On };
        }
        let live = self.live(&looked);
        let interfaces = interface_facts(&self.then.interfaces());
        let seen = if let Look::Ago(ago) = self.look { NOW - ago } else { NOW - 60 };
        let is_lost = looked.way.is_some() && !self.calls_us();
        let anchor = Attachment::Apple.anchor().to_owned();
        let notes: Vec<Note> = is_lost.then_some(Note::NotEvaluated { anchor }).into_iter().collect();
        let boot = if self.look == Look::OtherBoot { "before" } else { "boot" };
        let at = report::Look { interfaces: &interfaces, boot, now: seen };
        let ranges = report::ranges(&looked, &[]);
        let report = report::report(&lab.files(), &looked, &ranges, &live, &at, &notes);
        let rulesets = RulesetsReport {
            version: RulesetsReport::VERSION,
            seen: report.seen,
            boot: report.boot.clone(),
            rulesets: live.rulesets.clone(),
            skip: live.skip.clone().unwrap_or_default(),
            wanted: String::new(),
        };
        let fact = self.fact(&report);
        Prepared { world: self, ledger, fact, rulesets, conf: files.confs[self.conf as usize].clone() }
    }

    fn fact(&self, seen: &Report) -> ReportFact {
        let bytes = serde_json::to_vec(seen).unwrap();
        match self.look {
            Look::Missing => ReportFact::Missing,
            Look::Damaged => ReportFact::read(&bytes[..bytes.len() / 2]),
            Look::OtherVersion => ReportFact::read(b"{\"version\": 99}"),
            Look::Ago(_) | Look::OtherBoot | Look::Outdated => ReportFact::read(&bytes),
        }
    }

    fn table(&self) -> SocketTable {
        let listeners = self.listeners.iter().filter_map(Listener::socket).collect();
        let connections = self.listeners.iter().filter_map(Listener::connection).collect();
        let blind = self.sockets == Sockets::Blind;
        let blind_spot = blind.then(|| "other users' processes are hidden".to_owned());
        SocketTable { listeners, connections, blind_spot }
    }

    /// The opening of the port, by the ledger that root saw.
    pub fn opening(&self, range: PortRange) -> Option<Opening> {
        self.ledger().openings.into_iter().find(|opening| opening.port.overlaps(range))
    }
}

/// A world, and what root saw of it.
pub struct Prepared<'a> {
    pub world: &'a World,
    ledger: Ledger,
    fact: ReportFact,
    rulesets: RulesetsReport,
    conf: PfConf,
}

impl Prepared<'_> {
    /// What the commands read.
    pub fn evidence(&self) -> Evidence {
        self.evidence_for(self.world.may_read_rules)
    }

    /// The same for a user who may read all rules, or may not.
    pub fn evidence_for(&self, may_read_rules: bool) -> Evidence {
        let world = self.world;
        let ledger = (world.ledger == LedgerState::Whole).then(|| self.ledger.clone());
        let rulesets = match (world.is_look_usable(), may_read_rules) {
            (false, _) => Err(AppError::RulesNotSeen),
            (true, false) => Err(AppError::RulesForAdministrators),
            (true, true) => Ok(self.rulesets.clone()),
        };
        Evidence {
            lab: None,
            now: NOW,
            boot: "boot".into(),
            zone: TimeZone::UTC,
            ledger_problem: ledger.is_none().then(|| "it was damaged".into()),
            interrupted: ledger.as_ref().and_then(|ledger| ledger.changing.clone()),
            rulesets,
            report: portcullis::app::of_ledger(self.fact.clone(), ledger.as_ref()),
            ledger,
            conf: Some(self.conf.clone()),
            interfaces: world.here.interfaces(),
            networks: world.here.networks(),
        }
    }

    pub fn observe(&self) -> Observation {
        let (world, evidence, preferences) = (self.world, self.evidence(), self.world.preferences());
        let watched = evidence.watched(&preferences, &[]);
        let look = match world.sockets {
            Sockets::Unreadable => {
                Err(SocketsError::Read { from: "/proc/net/tcp", source: std::io::ErrorKind::Other.into() })
            }
            Sockets::Read | Sockets::Blind => Ok({
                let earlier = world.table();
                let running = world.listeners.iter().filter(|found| found.bound() == Bound::Nowhere);
                let running = running.filter_map(Listener::process).collect();
                Scan::of(&watched, world.table(), Some(&earlier), running)
            }),
        };
        let beside = Beside { look, blocked: None };
        let is_blocked = world.is_blocked;
        Observation::of(evidence, &preferences, beside, world.app_firewall.clone(), &mut |_| is_blocked)
    }
}

pub fn opening_of(port: &NamedPort, from: Source) -> Opening {
    Opening { home: Home::of(&Place::Home.networks()), ..Opening::new(port, from, None, NOW - 7200, "ada") }
}

pub fn lan() -> Source {
    Source::Lan { networks: vec![net("192.168.1.0/24"), net("fe80::/10")] }
}

pub fn hosts(text: &str) -> Source {
    let host = text.parse::<IpAddr>().map(IpNet::from).unwrap_or_else(|_| net(text));
    Source::Hosts { hosts: vec![host] }
}

fn opening(random: &mut Rng) -> Opening {
    let port = pick(random, &[SHOWN[0], SHOWN[1], SHOWN[2], SHOWN[3], ("other", "40000"), ("part", "30001")]);
    let from = match random.u32(..10) {
        0..5 => lan(),
        5..8 => Source::Any,
        8 => hosts(NEAR_HOST),
        _ => hosts(FAR_NET),
    };
    let mut opening = opening_of(&named(port), from);
    if random.u32(..100) < 10 {
        opening.home = None;
    }
    opening.stay = random.u32(..100) < 10;
    match random.u32(..4) {
        0 => opening.until = Some(NOW + 60 * random.i64(1..400)),
        1 => opening.restart = true,
        2 => {
            opening.until = Some(NOW + 3600);
            let kinds = [EveningEnd::Due, EveningEnd::Extended];
            opening.evening = Some(pick(random, &kinds));
        }
        _ => {}
    }
    opening
}

impl Listener {
    pub fn new(port: u16, program: Program, bind: Bound) -> Self {
        Listener { port, program, bind, queue: 0, session: false }
    }

    fn random(random: &mut Rng, port: u16) -> Self {
        use Program::{Debugger, Docker, Tunnel, Unknown, Web};
        let program = mostly(random, 35, Debugger, &[Web, Docker, Tunnel, Unknown]);
        let binds = [
            Bound::Loopback,
            Bound::Loopback,
            Bound::All,
            Bound::All,
            Bound::AllOfBoth,
            Bound::One,
            Bound::LoopbackSix,
            Bound::AllSix,
            Bound::Nowhere,
        ];
        let bind = pick(random, &binds);
        let queue = mostly(random, 6, 0, &[1, 3]);
        Listener { port, program, bind, queue, session: random.u32(..100) < 12 }
    }

    /// Only a debugger can have lost its listener.
    pub fn bound(&self) -> Bound {
        match (self.bind, self.program) {
            (Bound::Nowhere, Program::Debugger) if self.port == 2345 => Bound::Nowhere,
            (Bound::Nowhere, _) => Bound::Loopback,
            (bind, _) => bind,
        }
    }

    /// Whether other machines can address it.
    pub fn is_outside(&self) -> bool {
        matches!(self.bound(), Bound::All | Bound::AllOfBoth | Bound::One | Bound::AllSix)
    }

    fn address(&self) -> Option<IpAddr> {
        let text = match self.bound() {
            Bound::Loopback => "127.0.0.1",
            Bound::All => "0.0.0.0",
            Bound::AllOfBoth | Bound::AllSix => "::",
            Bound::One => "192.168.1.10",
            Bound::LoopbackSix => "::1",
            Bound::Nowhere => return None,
        };
        Some(text.parse().unwrap())
    }

    fn process(&self) -> Option<Process> {
        let port = self.port;
        let host = match self.bound() {
            Bound::All | Bound::AllOfBoth | Bound::AllSix => "0.0.0.0",
            Bound::One => "192.168.1.10",
            Bound::Loopback | Bound::LoopbackSix | Bound::Nowhere => "127.0.0.1",
        };
        let line = match self.program {
            // The one that stays behind without its listener.
            Program::Debugger if self.bound() == Bound::Nowhere => {
                format!("/Users/ada/go/bin/dlv exec ./app --headless --listen={host}:{port}")
            }
            Program::Debugger if port == 9229 => {
                format!("/usr/local/bin/node --inspect={host}:{port} app.js")
            }
            Program::Debugger if port == 5678 => {
                format!("/usr/bin/python3 -m debugpy --listen {host}:{port} app.py")
            }
            Program::Debugger => format!("/Users/ada/go/bin/dlv dap --listen={host}:{port}"),
            Program::Web => "/usr/sbin/nginx".into(),
            Program::Docker => "/Applications/Docker.app/Contents/MacOS/com.docker.backend run".into(),
            Program::Tunnel => format!("/usr/bin/ssh -L {port}:127.0.0.1:{port} ada@build"),
            Program::Unknown => return None,
        };
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let path = PathBuf::from(&arguments[0]);
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let pid = 1000 + u32::from(port % 1000);
        let (path, user) = (Some(path), Some("ada".into()));
        Some(Process { pid, parent: Some(1), name, path, user, arguments, environment: vec![] })
    }

    fn owner(&self) -> SocketOwner {
        self.process().map_or(SocketOwner::Unknown { user: Some("bob".into()) }, |process| {
            SocketOwner::Process(Arc::new(process))
        })
    }

    fn socket(&self) -> Option<Socket> {
        let address = self.address()?;
        Some(Socket {
            local: (address, self.port).into(),
            remote: None,
            state: TcpState::Listen,
            v6_only: address.is_ipv6().then_some(self.bound() != Bound::AllOfBoth),
            accept_queue: Some(self.queue),
            accepted: None,
            owner: self.owner(),
        })
    }

    fn connection(&self) -> Option<Socket> {
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        self.session.then(|| Socket {
            local: (local, self.port).into(),
            remote: Some((local, 50_000).into()),
            state: TcpState::Established,
            v6_only: None,
            accept_queue: None,
            accepted: Some(true),
            owner: self.owner(),
        })
    }
}
