//! What the helper is asked: one versioned, typed, bounded request. Pure.
//!
//! A request travels as the unpadded URL-safe base64 of its JSON: letters, digits, `-` and `_`, so that nothing in
//! it can be special to AppleScript or to a shell.
//!
//! ```
//! use portcullis::root::request::{Operation, Request};
//! let request = Request::new(Operation::CloseAll {}, "ada");
//! assert_eq!(Request::decode(&request.encode()).unwrap(), request);
//! assert!(Request::decode("pass all").is_err());
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::port::PortRange;
use crate::rules::ledger::{Attachment, Seconds};
use crate::rules::named_port::{LOWEST_PORT, NamedPort};
use crate::rules::source::{Source, host_text};

/// One request to the helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Version of this form: [`Request::VERSION`].
    pub version: u32,
    /// What to do.
    pub action: Operation,
    /// The user who asks, `[A-Za-z0-9._-]{1,64}`: for the ledger and the header of the anchor file.
    pub asker: String,
    /// The ports that are to be ours to close, beside those that are already: what the asker's menu shows.
    #[serde(default)]
    pub managed: Vec<NamedPort>,
    /// The way to be evaluated that the user prefers; `None`: the one in use, else whichever works.
    #[serde(default)]
    pub way: Option<Attachment>,
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
    /// What launchd calls: close what is over, put back what a reboot took, look.
    Tick {},
}

/// A request that is not carried out, and why. The system is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// More bytes than any request needs.
    #[error("the request is {0} bytes long, more than the {max} that a request may have", max = Request::MAX_BYTES)]
    TooLong(usize),
    #[error("the request is not unpadded URL-safe base64: {0}")]
    Base64(#[source] base64::DecodeError),
    /// Not the JSON of a request.
    #[error("invalid request: {0}")]
    Json(#[source] serde_json::Error),
    #[error("the request has version {0}, and this helper takes version {ours}: install app and helper of one version", ours = Request::VERSION)]
    Version(u32),
    #[error("the user name \"{0}\" is not 1 to 64 of A-Z a-z 0-9 . _ -")]
    Asker(String),
    #[error("{0} ports to manage are too many: name at most {max}", max = Request::MAX_PORTS)]
    TooManyManaged(usize),
    #[error("the time of closing lies outside the years 1970 to 9999")]
    Until,
    #[error("{0} min is no time to record pf's log for: 1 to {max} are", max = Request::MAX_LOG_MINUTES)]
    Minutes(u16),
    #[error("the request names no port")]
    NoPort,
    #[error("{0} ports at once are too many: name at most {max}", max = Request::MAX_PORTS)]
    TooManyPorts(u32),
    #[error("port {0} lies below {LOWEST_PORT}, where system services sit: Portcullis leaves those alone")]
    SystemPort(PortRange),
    #[error("{0} overlaps {1}: name each port once")]
    Overlap(PortRange, PortRange),
    #[error("no {0} to let in are named: name some, or use any")]
    NoHosts(&'static str),
    #[error("{count} {what} are too many: name at most {max}", max = Request::MAX_HOSTS)]
    TooManyHosts { count: usize, what: &'static str },
    #[error("{} is every address: use any to say so", host_text(.0))]
    EveryAddress(IpNet),
    #[error("{} has bits outside its prefix: write {}", host_text(.0), .0.trunc())]
    HostBits(IpNet),
    #[error("{} is no local network: name it as a host instead", host_text(.0))]
    NotLocal(IpNet),
}

impl Request {
    /// The version that this program writes and reads.
    pub const VERSION: u32 = 1;
    /// The longest request in bytes of base64.
    pub const MAX_BYTES: usize = 64 * 1024;
    /// The most ports that one request names, counted one by one.
    pub const MAX_PORTS: u32 = 256;
    /// The most hosts or networks that one request lets in.
    pub const MAX_HOSTS: usize = 64;
    /// The most minutes for which pf's log is recorded: half a day.
    pub const MAX_LOG_MINUTES: u16 = 12 * 60;

    /// A request of this version, with nothing more to manage and no preferred way.
    pub fn new(action: Operation, asker: &str) -> Self {
        Request { version: Self::VERSION, action, asker: asker.to_owned(), managed: Vec::new(), way: None }
    }

    /// The request as text for one argument of a command.
    pub fn encode(&self) -> String {
        // Plain data with text keys: its JSON cannot fail. An empty text would be refused on the other side.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads a request and validates it. Errors: whatever is not a request within its bounds.
    pub fn decode(text: &str) -> Result<Self, RequestError> {
        if text.len() > Self::MAX_BYTES {
            return Err(RequestError::TooLong(text.len()));
        }
        let json = URL_SAFE_NO_PAD.decode(text).map_err(RequestError::Base64)?;
        let request: Request = serde_json::from_slice(&json).map_err(RequestError::Json)?;
        request.validate()?;
        Ok(request)
    }

    /// Whether every value lies within its bounds; the app asks before it prompts, the helper before it acts.
    pub fn validate(&self) -> Result<(), RequestError> {
        if self.version != Self::VERSION {
            return Err(RequestError::Version(self.version));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=64).contains(&self.asker.len()) || !self.asker.bytes().all(plain) {
            let asker = self.asker.escape_debug().take(80).collect::<String>();
            return Err(RequestError::Asker(asker));
        }
        if self.managed.len() > Self::MAX_PORTS as usize {
            return Err(RequestError::TooManyManaged(self.managed.len()));
        }
        validate_each(&self.managed)?;
        match &self.action {
            Operation::Open { ports, from, until } => {
                validate_ports(ports)?;
                validate_source(from)?;
                if until.is_some_and(|until| !(0..=LATEST).contains(&until)) {
                    return Err(RequestError::Until);
                }
                Ok(())
            }
            Operation::Close { ports } => validate_ports(ports),
            Operation::Log { minutes } if !(1..=Self::MAX_LOG_MINUTES).contains(minutes) => {
                Err(RequestError::Minutes(*minutes))
            }
            Operation::Log { .. } | Operation::StopLog {} => Ok(()),
            Operation::Guard { .. } | Operation::CloseAll {} | Operation::Status {} | Operation::Tick {} => {
                Ok(())
            }
        }
    }
}

/// 9999-12-31T23:59:59Z.
const LATEST: Seconds = 253_402_300_799;

fn validate_ports(ports: &[NamedPort]) -> Result<(), RequestError> {
    if ports.is_empty() {
        return Err(RequestError::NoPort);
    }
    let count: u32 = ports.iter().map(|port| port.range.count()).fold(0, u32::saturating_add);
    if count > Request::MAX_PORTS {
        return Err(RequestError::TooManyPorts(count));
    }
    validate_each(ports)
}

fn validate_each(ports: &[NamedPort]) -> Result<(), RequestError> {
    if let Some(low) = ports.iter().find(|port| port.range.first() < LOWEST_PORT) {
        return Err(RequestError::SystemPort(low.range));
    }
    for (index, port) in ports.iter().enumerate() {
        if let Some(other) = ports[..index].iter().find(|other| other.range.overlaps(port.range)) {
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
        if network.prefix_len() == 0 {
            return Err(RequestError::EveryAddress(*network));
        }
        if network.network() != network.addr() {
            return Err(RequestError::HostBits(*network));
        }
        if matches!(from, Source::Lan { .. }) && !is_local(network) {
            return Err(RequestError::NotLocal(*network));
        }
    }
    Ok(())
}

/// Networks that a local interface can be on: at most a /8 of IPv4 or a /10 of IPv6.
fn is_local(network: &IpNet) -> bool {
    match network {
        IpNet::V4(v4) => v4.prefix_len() >= 8,
        IpNet::V6(v6) => v6.prefix_len() >= 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(ports: &[&str], from: Source) -> Request {
        let named = |port: &&str| NamedPort { name: "dlv".parse().unwrap(), range: port.parse().unwrap() };
        let ports = ports.iter().map(named).collect();
        Request::new(Operation::Open { ports, from, until: None }, "ada")
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
        assert!(refused(&open(&["2345"], wide)).contains("no local network"));
        let log = |minutes| Request::new(Operation::Log { minutes }, "ada");
        assert!(log(1).validate().is_ok() && log(720).validate().is_ok());
        assert!(refused(&log(0)).contains("1 to 720") && refused(&log(721)).contains("1 to 720"));
        let mut request = open(&["2345"], Source::Any);
        request.asker = "ada\nblock all".into();
        assert!(refused(&request).contains("user name"));
        request = open(&["2345"], Source::Any);
        request.version = 2;
        assert!(refused(&request).contains("version 2"));
    }

    #[test]
    fn unknown_fields_and_actions_are_refused() {
        for json in [
            r#"{"version":1,"action":{"do":"open-sesame"},"asker":"ada"}"#,
            r#"{"version":1,"action":{"do":"close-all","shell":"rm"},"asker":"ada"}"#,
            r#"{"version":1,"action":{"do":"status"},"asker":"ada","path":"/etc"}"#,
            r#"{"version":1,"action":{"do":"log","minutes":60,"file":"/etc/x"},"asker":"ada"}"#,
            r#"{"version":1,"action":{"do":"log","minutes":-1},"asker":"ada"}"#,
            r#"{"version":1,"action":{"do":"log","minutes":1e3},"asker":"ada"}"#,
            r#"{"version":1,"action":{"do":"close","ports":[{"name":"a\" b","port":2345}]},"asker":"ada"}"#,
            r#"{"version":1,"action":{"do":"close","ports":[{"name":"a","port":65536}]},"asker":"ada"}"#,
        ] {
            assert!(Request::decode(&URL_SAFE_NO_PAD.encode(json)).is_err(), "{json}");
        }
        assert!(Request::decode(&"A".repeat(70_000)).unwrap_err().to_string().contains("70000 bytes"));
    }

    proptest::proptest! {
        #[test]
        fn decoding_never_panics(bytes: Vec<u8>, text in "\\PC{0,60}") {
            proptest::prop_assert!(Request::decode(&URL_SAFE_NO_PAD.encode(bytes)).is_err());
            let _ = Request::decode(&text);
        }
    }
}
