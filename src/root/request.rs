//! What the helper is asked: one typed, bounded request. Pure. It travels in words: see [`super::words`].
//!
//! ```
//! use portcullis::root::request::{Operation, Request};
//! use portcullis::system::Moment;
//! let moment = Moment { time: 1_764_000_000, boot: "B00T".into(), clock: 700 };
//! let request = Request::new(Operation::CloseAll {}, "ada", moment);
//! assert!(request.validate().is_ok());
//! let later = Moment { clock: 900, ..request.made.clone() };
//! assert!(request.check_fresh(&later).is_err());
//! ```

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::pf::interfaces::InterfaceFacts;
use crate::port::PortRange;
use crate::root::conf_lines::{self, ConfLine, ConfLineError};
use crate::rules::ends::{EndKind, EndOfDay};
use crate::rules::ledger::{Attachment, LATEST, Seconds};
use crate::rules::named_port::{LOWEST_PORT, NamedPort};
use crate::rules::order;
use crate::rules::source::{Source, host_text, is_link_local};
use crate::system::Moment;

/// One request to the helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What to do.
    pub action: Operation,
    /// Ports that are closed before the action, in the same change.
    pub close: Vec<NamedPort>,
    /// What becomes of the guard beside the action; `None`: it stays as it is.
    pub guard: Option<GuardAnswer>,
    /// The ports that are to be ours to close, beside those that are already. Where the request turns the guard on: all
    /// of them, so that the guard blocks nothing that its prompt did not name.
    pub managed: Vec<NamedPort>,
    /// The ports that the asker's menu shows. What pf does to them is reported; they are never blocked for it.
    pub shown: Vec<NamedPort>,
    /// The way to be evaluated that the user prefers; `None`: the one in use, else one that works.
    pub way: Option<Attachment>,
    /// What the user was told may be done beside the action, rising.
    pub may: Vec<Permission>,
    /// When, and in which boot, the request was made.
    pub made: Moment,
    /// The user who asks, `[A-Za-z0-9._-]{1,64}`: for the ledger and the header of the anchor file.
    pub asker: String,
}

/// What a person answered to whether the other debug ports are to be kept closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardAnswer {
    /// The guard may go on.
    On,
    /// Where it was never chosen, it is off from now on, and the question is not asked again.
    Off,
}

/// What the helper does beside the action only where the request allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// Edit /etc/pf.conf.
    EditConf,
    /// Load /etc/pf.conf as the main ruleset.
    LoadConf,
    /// Install the part that closes ports in time.
    Install,
    /// Turn the guard on. In a request it is [`Request::guard`].
    GuardOn,
}

impl Permission {
    /// As a prompt and an answer say it.
    pub fn in_words(self) -> &'static str {
        match self {
            Permission::EditConf => "edit /etc/pf.conf",
            Permission::LoadConf => "load /etc/pf.conf",
            Permission::Install => "install the part that closes ports in time",
            Permission::GuardOn => "turn the firewall on",
        }
    }
}

/// What the helper can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Open ports.
    Open {
        /// The ports, with their names.
        ports: Vec<NamedPort>,
        /// Who is let in.
        from: Source,
        /// When they close by themselves.
        #[serde(default)]
        until: Option<Seconds>,
        /// What that time is.
        #[serde(default)]
        ends: EndKind,
        /// Whether they stay open on other networks.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        stay: bool,
    },
    /// Close ports.
    Close {
        /// The ports, with their names.
        ports: Vec<NamedPort>,
    },
    /// Close every port that is open.
    CloseAll {},
    /// Block closed ports from other machines, or stop that.
    Guard {
        /// On or off.
        on: bool,
    },
    /// Look, and write down what was seen.
    Status {},
    /// Record what pf logs; where that is under way, go on for so long.
    Log {
        /// For how long: 1 to 720.
        minutes: u16,
    },
    /// End the recording of what pf logs.
    StopLog {},
    /// Turn a change back, where the ledger still says what it left.
    Undo {
        /// The number of the snapshot that was taken before it.
        change: u32,
        /// What may be open again.
        opens: Vec<NamedPort>,
        /// What need not be blocked any more.
        unblocks: Vec<NamedPort>,
    },
    /// Take lines without effect out of /etc/pf.conf.
    CleanUp {
        /// The SHA-256 of the file that has them, 64 digits of 0-9 a-f.
        sha256: String,
        /// The lines, word for word, in the order of their numbers.
        lines: Vec<ConfLine>,
    },
    /// Take away everything that Portcullis has put on this Mac as root.
    Uninstall {
        /// Whether the logs stay.
        keep_logs: bool,
    },
    /// Install the part that closes ports in time, and nothing else.
    Install {},
    /// Have terminals find the command line.
    InstallCommand {},
    /// Set when the working day ends.
    EndOfDay {
        /// From now on.
        at: EndOfDay,
    },
    /// What launchd calls: close what is over, put back what a reboot took, look.
    Tick {},
}

/// A request that is not carried out, and why. The system is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    #[error("the user name \"{0}\" is not 1 to 64 of A-Z a-z 0-9 . _ -")]
    Asker(String),
    #[error("the boot \"{0}\" is not 1 to 64 of A-Z a-z 0-9 -")]
    Boot(String),
    #[error("{count} ranges to {what} are too many: name at most {max}", max = Request::MAX_RANGES)]
    TooManyRanges { count: usize, what: &'static str },
    #[error("the time of closing lies more than {days} days ahead, or outside the years 1970 to 9999", days = Request::MAX_AHEAD / DAY)]
    Until,
    #[error("the time that the request was made at lies outside the years 1970 to 9999")]
    Made,
    #[error("{0} min is no time to record pf's log for: 1 to {max} are", max = Request::MAX_LOG_MINUTES)]
    Minutes(u16),
    #[error("the request names no port")]
    NoPort,
    #[error("{count} ports to {what} at once are too many: name at most {max}")]
    TooManyPorts { count: u32, what: &'static str, max: u32 },
    #[error("port {0} lies below {LOWEST_PORT}, where system services sit: Portcullis leaves those alone")]
    SystemPort(PortRange),
    #[error("{0} overlaps {1}: name each port once")]
    Overlap(PortRange, PortRange),
    #[error("no {0} to let in are named: name some, or use any")]
    NoHosts(&'static str),
    #[error("{count} {what} are too many: name at most {max}", max = Request::MAX_HOSTS)]
    TooManyHosts { count: usize, what: &'static str },
    #[error("{} is more than one network: name a smaller one, or use any to let everyone in", host_text(.0))]
    TooWide(IpNet),
    #[error("{} has bits outside its prefix: write {}", host_text(.0), .0.trunc())]
    HostBits(IpNet),
    #[error("only an opening {0}")]
    OnlyAnOpening(&'static str),
    #[error("the end of the opening, {0}, is past already: give a later one")]
    Over(jiff::Timestamp),
    #[error("\"this network\" is not {0}, where this Mac is not now: ask again, or name it as a host")]
    Elsewhere(String),
    #[error("the request was made before this Mac restarted: ask again")]
    OtherBoot,
    #[error("the request is {0} s old, and {max} s is the most: ask again", max = Request::MAX_AGE)]
    Stale(u64),
    #[error("the request was made {0} s after it came: ask again")]
    Early(u64),
    #[error(transparent)]
    Lines(#[from] ConfLineError),
}

const DAY: Seconds = 24 * 60 * 60;

impl Request {
    /// The most ports that one request opens or closes, counted one by one.
    pub const MAX_PORTS: u32 = 256;
    /// The most ports that one request takes among those that the guard blocks, or that a menu shows, counted one by one.
    pub const MAX_MANAGED: u32 = 4096;
    /// The most ranges in one list of ports.
    pub const MAX_RANGES: usize = 256;
    /// The most hosts or networks that one request lets in.
    pub const MAX_HOSTS: usize = 64;
    /// The most minutes for which pf's log is recorded: half a day.
    pub const MAX_LOG_MINUTES: u16 = 12 * 60;
    /// How old a request may be, in seconds that this Mac's sleep counts in: a prompt whose app has died must not open a
    /// port later.
    pub const MAX_AGE: u64 = 120;
    /// How long an opening with a set end may last, in seconds.
    pub const MAX_AHEAD: Seconds = 31 * DAY;

    /// A request with nothing beside its action.
    pub fn new(action: Operation, asker: &str, made: Moment) -> Self {
        Request {
            action,
            close: Vec::new(),
            guard: None,
            managed: Vec::new(),
            shown: Vec::new(),
            way: None,
            may: Vec::new(),
            made,
            asker: asker.to_owned(),
        }
    }

    /// Allows what the helper may do beside the action.
    pub fn allow(&mut self, permission: Permission) {
        match permission {
            Permission::GuardOn => self.guard = Some(GuardAnswer::On),
            other => {
                self.may.push(other);
                order::sort(&mut self.may);
                self.may.dedup();
            }
        }
    }

    /// Whether the guard may go on.
    pub fn may_turn_guard_on(&self) -> bool {
        self.guard == Some(GuardAnswer::On) || self.action == (Operation::Guard { on: true })
    }

    /// Whether the request was made in this boot and at most [`Request::MAX_AGE`] seconds ago, by the clock that goes on
    /// in sleep and that no user can set.
    pub fn check_fresh(&self, now: &Moment) -> Result<(), RequestError> {
        if self.made.boot != now.boot {
            return Err(RequestError::OtherBoot);
        }
        if let Some(early) = self.made.clock.checked_sub(now.clock).filter(|early| *early > 0) {
            return Err(RequestError::Early(early));
        }
        match now.clock.saturating_sub(self.made.clock) {
            age if age > Self::MAX_AGE => Err(RequestError::Stale(age)),
            _ => Ok(()),
        }
    }

    /// Whether an opening can hold here and now: its end lies ahead, and "this network" is one that this Mac is on. Where no
    /// prefix of this Mac is known just now, as while Wi-Fi reassociates, any may be.
    pub fn check_opening(&self, interfaces: &[InterfaceFacts], now: Seconds) -> Result<(), RequestError> {
        let Operation::Open { from, until, .. } = &self.action else { return Ok(()) };
        if let Some(until) = until.filter(|until| *until <= now) {
            return Err(RequestError::Over(jiff::Timestamp::from_second(until).unwrap_or_default()));
        }
        let Source::Lan { networks } = from else { return Ok(()) };
        let of_interfaces = interfaces.iter().flat_map(|facts| &facts.addresses);
        let here: Vec<IpNet> = of_interfaces.filter(|net| !is_link_local(net)).map(IpNet::trunc).collect();
        let there: Vec<&IpNet> = networks.iter().filter(|network| !is_link_local(network)).collect();
        let overlap = |one: &IpNet, other: &IpNet| one.contains(other) || other.contains(one);
        let is_here = there.iter().any(|network| here.iter().any(|known| overlap(network, known)));
        if here.is_empty() || there.is_empty() || is_here {
            return Ok(());
        }
        let listed = there.iter().map(|network| host_text(network)).collect::<Vec<_>>();
        Err(RequestError::Elsewhere(listed.join(", ")))
    }

    /// Whether every value lies within its bounds; the app asks before it prompts, the helper before it acts.
    pub fn validate(&self) -> Result<(), RequestError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=64).contains(&self.asker.len()) || !self.asker.bytes().all(plain) {
            return Err(RequestError::Asker(shortened(&self.asker)));
        }
        let Moment { time, boot, .. } = &self.made;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=64).contains(&boot.len()) || !boot.bytes().all(plain) {
            return Err(RequestError::Boot(shortened(boot)));
        }
        if !(0..=LATEST).contains(time) {
            return Err(RequestError::Made);
        }
        validate_ports(&self.managed, "manage", Self::MAX_MANAGED)?;
        validate_ports(&self.shown, "show", Self::MAX_MANAGED)?;
        validate_ports(&self.close, "close", Self::MAX_PORTS)?;
        if !matches!(self.action, Operation::Open { .. }) {
            if !self.close.is_empty() {
                return Err(RequestError::OnlyAnOpening("closes other ports beside it"));
            }
            // Whatever else looks at pf may find that it was stopped, or a change that was interrupted.
            let mends = !self.action.closes() && self.action != (Operation::Guard { on: true });
            if self.guard == Some(GuardAnswer::Off) || (self.guard.is_some() && !mends) {
                return Err(RequestError::OnlyAnOpening("says what becomes of the guard beside it"));
            }
        }
        self.action.validate()?;
        match &self.action {
            Operation::Open { ports, until, ends, .. } => {
                validate_disjoint(ports, &self.close)?;
                let latest = LATEST.min(time.saturating_add(Self::MAX_AHEAD));
                let is_set = until.is_some() == (*ends != EndKind::Restart);
                let is_wrong = *ends != EndKind::Time && !is_set;
                if is_wrong || until.is_some_and(|until| !(0..=latest).contains(&until)) {
                    return Err(RequestError::Until);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Operation {
    /// Whether it only takes away: that goes on where other requests are refused.
    pub fn closes(&self) -> bool {
        match self {
            Operation::Close { .. } | Operation::CloseAll {} | Operation::Guard { on: false } => true,
            Operation::Open { .. } | Operation::Guard { on: true } | Operation::Status {} => false,
            Operation::Tick {} | Operation::Log { .. } | Operation::StopLog {} => false,
            Operation::Uninstall { .. } => true,
            Operation::Undo { .. } | Operation::CleanUp { .. } => false,
            Operation::Install {} | Operation::InstallCommand {} | Operation::EndOfDay { .. } => false,
        }
    }

    /// Whether what it names lies within its bounds, whenever it is asked.
    pub fn validate(&self) -> Result<(), RequestError> {
        match self {
            Operation::Open { ports, from, .. } => {
                validate_named(ports, "open")?;
                validate_source(from)
            }
            Operation::Close { ports } => validate_named(ports, "close"),
            Operation::Log { minutes } if !(1..=Request::MAX_LOG_MINUTES).contains(minutes) => {
                Err(RequestError::Minutes(*minutes))
            }
            Operation::Undo { opens, unblocks, .. } => {
                validate_ports(opens, "open", Request::MAX_MANAGED)?;
                validate_ports(unblocks, "unblock", Request::MAX_MANAGED)
            }
            Operation::CleanUp { sha256, lines } => Ok(conf_lines::validate(sha256, lines)?),
            Operation::Log { .. } | Operation::StopLog {} | Operation::Uninstall { .. } => Ok(()),
            Operation::Install {} | Operation::InstallCommand {} | Operation::EndOfDay { .. } => Ok(()),
            Operation::Guard { .. } | Operation::CloseAll {} | Operation::Status {} | Operation::Tick {} => {
                Ok(())
            }
        }
    }
}

/// A text of unknown length and letters, as an error shows it.
fn shortened(text: &str) -> String {
    text.escape_debug().take(80).collect()
}

fn validate_named(ports: &[NamedPort], what: &'static str) -> Result<(), RequestError> {
    if ports.is_empty() {
        return Err(RequestError::NoPort);
    }
    validate_ports(ports, what, Request::MAX_PORTS)
}

fn validate_ports(ports: &[NamedPort], what: &'static str, max: u32) -> Result<(), RequestError> {
    if ports.len() > Request::MAX_RANGES {
        return Err(RequestError::TooManyRanges { count: ports.len(), what });
    }
    let count: u32 = ports.iter().map(|port| port.range.count()).fold(0, u32::saturating_add);
    if count > max {
        return Err(RequestError::TooManyPorts { count, what, max });
    }
    if let Some(low) = ports.iter().find(|port| port.range.first() < LOWEST_PORT) {
        return Err(RequestError::SystemPort(low.range));
    }
    for (index, port) in ports.iter().enumerate() {
        validate_disjoint(std::slice::from_ref(port), ports.get(..index).unwrap_or_default())?;
    }
    Ok(())
}

fn validate_disjoint(ports: &[NamedPort], others: &[NamedPort]) -> Result<(), RequestError> {
    for port in ports {
        if let Some(other) = others.iter().find(|other| other.range.overlaps(port.range)) {
            return Err(RequestError::Overlap(port.range, other.range));
        }
    }
    Ok(())
}

fn validate_source(from: &Source) -> Result<(), RequestError> {
    let (networks, what) = match from {
        Source::Any => return Ok(()),
        Source::Lan { networks } => (networks, "networks"),
        Source::Hosts { hosts } => (hosts, "hosts"),
    };
    if networks.is_empty() {
        return Err(RequestError::NoHosts(what));
    }
    if networks.len() > Request::MAX_HOSTS {
        return Err(RequestError::TooManyHosts { count: networks.len(), what });
    }
    for network in networks {
        if network.network() != network.addr() {
            return Err(RequestError::HostBits(*network));
        }
    }
    from.too_wide().map_or(Ok(()), |wide| Err(RequestError::TooWide(wide)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Moment {
        Moment { time: 1_000_000, boot: "B00T-1".into(), clock: 5000 }
    }

    fn request(action: Operation) -> Request {
        Request::new(action, "ada", moment())
    }

    fn named(ports: &[&str]) -> Vec<NamedPort> {
        let named = |port: &&str| NamedPort { name: "dlv".parse().unwrap(), range: port.parse().unwrap() };
        ports.iter().map(named).collect()
    }

    fn open(ports: &[&str], from: Source) -> Request {
        request(Operation::Open { ports: named(ports), from, until: None, ends: EndKind::Time, stay: false })
    }

    fn refused(request: &Request) -> String {
        request.validate().unwrap_err().to_string()
    }

    #[test]
    fn bounds_hold() {
        let hosts = |hosts: &[&str]| Source::Hosts {
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        };
        assert!(open(&["2345", "30000-30100"], Source::Any).validate().is_ok());
        assert!(refused(&open(&[], Source::Any)).contains("names no port"));
        assert!(refused(&open(&["1024-65535"], Source::Any)).contains("64512 ports"));
        assert!(refused(&open(&["22"], Source::Any)).contains("below 1024"));
        assert!(refused(&open(&["2345", "2340-2350"], Source::Any)).contains("overlaps 2345"));
        assert!(refused(&open(&["2345"], hosts(&[]))).contains("no hosts"));
        assert!(refused(&open(&["2345"], hosts(&["0.0.0.0/0"]))).contains("use any"));
        assert!(refused(&open(&["2345"], hosts(&["10.0.0.1/8"]))).contains("write 10.0.0.0/8"));
        let many: Vec<String> = (0..65).map(|host| format!("10.0.0.{host}/32")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(refused(&open(&["2345"], hosts(&many))).contains("at most 64"));
        let wide = Source::Lan { networks: vec!["0.0.0.0/1".parse().unwrap()] };
        assert!(refused(&open(&["2345"], wide)).contains("use any"));
        let log = |minutes| request(Operation::Log { minutes });
        assert!(log(1).validate().is_ok() && log(720).validate().is_ok());
        assert!(refused(&log(0)).contains("1 to 720") && refused(&log(721)).contains("1 to 720"));
    }

    #[test]
    fn what_goes_along_is_bounded_too() {
        let with = |change: &dyn Fn(&mut Request)| {
            let mut request = open(&["2345"], Source::Any);
            change(&mut request);
            refused(&request)
        };
        assert!(with(&|request| request.asker = "ada\nblock all".into()).contains("user name"));
        assert!(with(&|request| request.made.boot = "$(id)".into()).contains("boot"));
        assert!(with(&|request| request.made.time = -1).contains("made at"));
        assert!(with(&|request| request.managed = named(&["1024-5120"])).contains("4097 ports to manage"));
        assert!(with(&|request| request.shown = named(&["80"])).contains("below 1024"));
        assert!(with(&|request| request.close = named(&["2340-2350"])).contains("overlaps"));
        let singles: Vec<String> = (2000..2257).map(|port| port.to_string()).collect();
        let singles: Vec<&str> = singles.iter().map(String::as_str).collect();
        assert!(with(&|request| request.managed = named(&singles)).contains("257 ranges"));
        let until = |seconds| Operation::Open {
            ports: named(&["2345"]),
            from: Source::Any,
            until: Some(seconds),
            ends: EndKind::Time,
            stay: false,
        };
        assert!(request(until(1_000_000 + 31 * DAY)).validate().is_ok());
        assert!(request(until(0)).validate().is_ok(), "what is over never opens");
        assert!(refused(&request(until(1_000_001 + 31 * DAY))).contains("31 days"));
        let mut guard = request(Operation::CloseAll {});
        guard.guard = Some(GuardAnswer::On);
        assert!(refused(&guard).contains("only an opening"));
        guard.guard = Some(GuardAnswer::Off);
        for action in [Operation::CloseAll {}, Operation::Status {}, Operation::Guard { on: true }] {
            assert!(refused(&Request { action, ..guard.clone() }).contains("only an opening"));
        }
    }

    #[test]
    fn a_request_is_of_this_boot_and_of_the_last_two_minutes() {
        let request = request(Operation::CloseAll {});
        let at = |clock: u64| request.check_fresh(&Moment { clock, ..moment() });
        assert!(at(5000).is_ok() && at(5120).is_ok());
        assert!(matches!(at(5121), Err(RequestError::Stale(121))));
        assert!(matches!(at(4999), Err(RequestError::Early(1))));
        // The wall clock says nothing: a user can set it.
        assert!(request.check_fresh(&Moment { time: 0, ..moment() }).is_ok());
        let other = Moment { boot: "B00T-2".into(), ..moment() };
        assert!(matches!(request.check_fresh(&other), Err(RequestError::OtherBoot)));
    }
}
