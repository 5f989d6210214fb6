//! What both faces do: read the status, and carry out an action through the helper.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::IpNet;

use crate::debuggers::port_view::PortView;
use crate::debuggers::scan::{self, Scan, WatchedPort};
use crate::debuggers::settings::{self, Setting};
use crate::diagnosis::{Assessment, PortFacts};
use crate::elevate::{self, ElevateError};
use crate::firewall::app::AppFirewallCache;
use crate::os;
use crate::os::clipboard::ClipboardError;
use crate::pflog;
use crate::port::PortRange;
use crate::prefs::{Preferences, PreferencesError, ports_of};
use crate::report::{ReportFact, Unusable};
use crate::root::answer::{Outcome, Response};
use crate::root::record::Recording;
use crate::root::request::{Operation, Request};
use crate::rules::ledger::Seconds;
use crate::rules::named_port::{NamedPort, PortsError};
use crate::rules::source::Source;
use crate::sockets::SocketsError;
use crate::status::{Attempts, Facts, Status};
use crate::system::{PFLOG, STATUS, System, SystemError};

/// What both front ends do, on one system.
#[derive(Clone, Debug)]
pub struct App {
    system: Arc<dyn System>,
    preferences_file: PathBuf,
}

/// One look at everything.
#[derive(Debug)]
pub struct Observation {
    /// What was found out.
    pub facts: Facts,
    /// What it comes to.
    pub status: Status,
    /// The sockets behind it, or why they could not be read.
    pub look: Result<Scan, SocketsError>,
}

/// How to connect to a port.
#[derive(Debug)]
pub struct Connection {
    /// The port as the socket table shows it.
    pub view: PortView,
    /// What is to be said of it.
    pub said: Assessment,
    /// The settings for each client; where it is not known who is there, those of what usually is. At least one.
    pub settings: Vec<Setting>,
}

/// Why an action was not carried out. Every message says what became of the system.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The ports do not read.
    #[error("{0}")]
    Port(#[from] PortsError),
    /// The source does not read.
    #[error("\"{}\" is no source: say any, lan, or a host or network such as 192.168.1.20 or 192.168.1.0/24", .0.escape_debug())]
    Source(String),
    /// `any` or `lan` together with hosts.
    #[error("{0} stands for itself: give it alone, or give hosts")]
    Mixed(&'static str),
    /// This Mac is on no network.
    #[error(
        "this Mac is on no local network now, so there is nobody to open the port for: use --from with a host, or --from any"
    )]
    NoNetwork,
    #[error(transparent)]
    System(#[from] SystemError),
    /// The preferences do not read.
    #[error("{}: {source}", path.display())]
    Preferences {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: PreferencesError,
    },
    /// The preferences cannot be read or written.
    #[error("cannot {verb} the preferences {}: {source}", path.display())]
    PreferencesFile {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// What root saw says nothing of now.
    #[error("what would change is not known: {0}; have root look first with `portcullis status --check`")]
    NotSeen(Unusable),
    /// The sockets cannot be read.
    #[error("{0}")]
    Sockets(#[from] SocketsError),
    /// There is nothing to connect to.
    #[error("no debugger is known on port {0}: start it first, then ask again")]
    NoDebugger(u16),
    /// There is no setting for this client.
    #[error("no settings are known for \"{}\": say one of {known}", client.escape_debug())]
    NoClient {
        /// The client that was asked for.
        client: String,
        /// Those that there are settings for.
        known: String,
    },
    /// The clipboard did not take the text.
    #[error("{0}")]
    Clipboard(#[from] ClipboardError),
    /// The boot could not be told.
    #[error("{0}")]
    Boot(#[from] os::BootError),
    /// The helper was not reached, or failed.
    #[error("{0}")]
    Elevate(#[from] ElevateError),
}

impl AppError {
    /// The exit status of the command line: 1 failed and unchanged, 2 bad usage, 3 cancelled, 4 restored after a
    /// failure, 5 damaged or not known.
    pub fn exit_status(&self) -> u8 {
        match self {
            AppError::Port(_) | AppError::Source(_) | AppError::Mixed(_) => 2,
            AppError::Preferences { .. } | AppError::NoClient { .. } => 2,
            AppError::Elevate(ElevateError::Request(_)) => 2,
            AppError::Elevate(ElevateError::Cancelled) => 3,
            AppError::Elevate(ElevateError::Failed { outcome: Outcome::Restored, .. }) => 4,
            AppError::Elevate(ElevateError::Failed { outcome: Outcome::Damaged, .. }) => 5,
            AppError::Elevate(ElevateError::TimedOut(_) | ElevateError::Unclear(_)) => 5,
            _ => 1,
        }
    }
}

/// Whom a person wants to let in, before it is known which networks that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Everyone.
    Any,
    /// The networks this Mac is on.
    Lan,
    /// These hosts.
    Hosts(Vec<IpNet>),
}

impl Wanted {
    /// Reads what `--from` was given, each item on its own or with commas between. Errors: an item that is neither
    /// `any`, `lan`, an address nor a network; one of the words together with something else.
    pub fn parse<'a>(items: impl IntoIterator<Item = &'a str>) -> Result<Self, AppError> {
        let items: Vec<&str> = items.into_iter().flat_map(|item| item.split(',')).map(str::trim).collect();
        match items.as_slice() {
            ["any"] => return Ok(Wanted::Any),
            ["lan"] => return Ok(Wanted::Lan),
            list if list.contains(&"any") => return Err(AppError::Mixed("any")),
            list if list.contains(&"lan") => return Err(AppError::Mixed("lan")),
            _ => {}
        }
        let host = |item: &&str| -> Result<IpNet, AppError> {
            let address = item.parse::<std::net::IpAddr>().map(IpNet::from);
            let network = address.or_else(|_| item.parse::<IpNet>().map(|network| network.trunc()));
            network.map_err(|_| AppError::Source(item.chars().take(80).collect()))
        };
        let mut hosts = items.iter().map(host).collect::<Result<Vec<_>, _>>()?;
        hosts.sort();
        hosts.dedup();
        Ok(Wanted::Hosts(hosts))
    }
}

impl App {
    /// Errors: no place for the user's preferences.
    pub fn new(system: Arc<dyn System>) -> Result<Self, AppError> {
        let preferences_file = system.preferences_file()?;
        Ok(App { system, preferences_file })
    }

    /// What this app works on.
    pub fn system(&self) -> &dyn System {
        self.system.as_ref()
    }

    /// The file of the preferences.
    pub fn preferences_file(&self) -> &Path {
        &self.preferences_file
    }

    /// The file that changes whenever root has looked at pf.
    pub fn status_file(&self) -> PathBuf {
        self.system.place(STATUS)
    }

    /// The text of the preferences; empty where there is no file yet.
    pub fn preferences_text(&self) -> Result<String, AppError> {
        let path = &self.preferences_file;
        match std::fs::read(path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                let source = PreferencesError::Text(format!("byte {at} is not UTF-8"));
                AppError::Preferences { path: path.clone(), source }
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(AppError::PreferencesFile { verb: "read", path: path.clone(), source }),
        }
    }

    /// The preferences.
    pub fn preferences(&self) -> Result<Preferences, AppError> {
        let text = self.preferences_text()?;
        Preferences::parse(&text)
            .map_err(|source| AppError::Preferences { path: self.preferences_file.clone(), source })
    }

    /// Changes one preference, everything else in the file as it was.
    pub fn set_preference(&self, key: &str, value: &str) -> Result<(), AppError> {
        let path = &self.preferences_file;
        let mut text = self.preferences_text()?;
        if text.is_empty() {
            text = Preferences::template().to_owned();
        }
        let changed = Preferences::set(&text, key, value)
            .map_err(|source| AppError::Preferences { path: path.clone(), source })?;
        os::replace_own(path, changed.as_bytes()).map_err(|source| AppError::PreferencesFile {
            verb: "write",
            path: path.clone(),
            source,
        })
    }

    /// What every face shows now: what root last saw of pf, who listens, the Application Firewall. Looks only.
    pub fn status(&self) -> Result<Status, AppError> {
        Ok(self.sight(&[], scan::look_well, &mut self.app_firewall())?.status)
    }

    /// The status, and what it was made from. Ports beyond those that are shown are looked at where they are among
    /// `more`. `look` is [`scan::look`] for who looks again and again, [`scan::look_well`] for who looks once.
    pub fn sight(
        &self,
        more: &[PortRange],
        look: impl FnOnce(&[WatchedPort]) -> Result<Scan, SocketsError>,
        app_firewall: &mut AppFirewallCache,
    ) -> Result<Observation, AppError> {
        let ports = self.preferences()?.shown();
        let report = self.report();
        let openings = match &report {
            ReportFact::Read(report) => report.openings.as_slice(),
            _ => &[],
        };
        let shown = ports.iter().map(|port| WatchedPort { range: port.port, debugger: port.debugger });
        let others = openings.iter().map(|opening| opening.port).chain(more.iter().copied());
        let watched: Vec<WatchedPort> = shown.chain(others.map(WatchedPort::from)).collect();
        let look = look(&watched);
        let now = self.system.now();
        let facts = Facts {
            lab: self.system.lab().map(|dir| dir.display().to_string()),
            now,
            boot: self.system.boot_id()?,
            report,
            seen: look.as_ref().map(|look| seen(look, app_firewall)).map_err(ToString::to_string),
            app_firewall: app_firewall.state.clone(),
            ports,
            blocked: self.blocked(now),
        };
        Ok(Observation { status: Status::of(&facts), facts, look })
    }

    /// How to connect to a port. `host` is this Mac as the client names it; else the client is on this Mac.
    ///
    /// Errors: the sockets cannot be read; no debugger is there that is known.
    pub fn connection(&self, port: u16, host: Option<&str>) -> Result<Connection, AppError> {
        let unknown = || AppError::NoDebugger(port);
        let range = PortRange::single(port).ok_or_else(unknown)?;
        let Observation { facts, look, .. } =
            self.sight(&[range], scan::look_well, &mut self.app_firewall())?;
        let view = look?.views.into_iter().find(|view| view.port == port).ok_or_else(unknown)?;
        let seen = facts.seen.iter().flatten().find(|seen| seen.port == port).ok_or_else(unknown)?;
        let said = facts.assess(range, seen);
        let settings = view.settings_or_usual(host);
        if settings.is_empty() { Err(unknown()) } else { Ok(Connection { view, said, settings }) }
    }

    /// Puts the setting for `client` (empty: the commonest) on the clipboard; gives what was copied.
    pub fn copy_setting(&self, connection: &Connection, client: &str) -> Result<Setting, AppError> {
        let Connection { settings, .. } = connection;
        let known = || settings.iter().map(|setting| setting.client).collect::<Vec<_>>().join(", ");
        let setting = settings::choose(settings, client).ok_or_else(|| AppError::NoClient {
            client: client.chars().take(80).collect(),
            known: known(),
        })?;
        os::clipboard::copy(&setting.text)?;
        Ok(setting.clone())
    }

    /// What root last saw.
    pub fn report(&self) -> ReportFact {
        match self.system.files().read(STATUS) {
            Ok(None) => ReportFact::Missing,
            Err(error) => ReportFact::Unreadable(error.to_string()),
            Ok(Some(bytes)) => ReportFact::read(&bytes),
        }
    }

    /// The Application Firewall, to be asked about programs.
    pub fn app_firewall(&self) -> AppFirewallCache {
        AppFirewallCache::new(self.system())
    }

    /// The ports that a person typed, by the names that the preferences know.
    pub fn ports(&self, text: &str) -> Result<Vec<NamedPort>, AppError> {
        Ok(ports_of(text, &self.preferences()?)?)
    }

    /// Opens ports for whom is wanted.
    pub fn open(&self, ports: &str, from: &Wanted) -> Result<Response, AppError> {
        let ports = self.ports(ports)?;
        let from = self.source(from)?;
        self.ask(Operation::Open { ports, from, until: None })
    }

    /// Closes ports.
    pub fn close(&self, ports: &str) -> Result<Response, AppError> {
        let ports = self.ports(ports)?;
        self.ask(Operation::Close { ports })
    }

    /// Closes every port that is open.
    pub fn close_all(&self) -> Result<Response, AppError> {
        self.ask(Operation::CloseAll {})
    }

    /// Switches the guard.
    pub fn guard(&self, on: bool) -> Result<Response, AppError> {
        self.ask(Operation::Guard { on })
    }

    /// Has root look at pf.
    pub fn check(&self) -> Result<Response, AppError> {
        self.ask(Operation::Status {})
    }

    /// Has root record what pf logs, for so many minutes from now on.
    pub fn record_log(&self, minutes: u16) -> Result<Response, AppError> {
        self.ask(Operation::Log { minutes })
    }

    /// Ends the recording of what pf logs.
    pub fn stop_log(&self) -> Result<Response, AppError> {
        self.ask(Operation::StopLog {})
    }

    /// The file of what pf logged, which may not be there.
    pub fn log_file(&self) -> PathBuf {
        self.system.place(PFLOG)
    }

    /// The last recording of what pf logged, and whether it goes on; `None` where there was none, or it is not known.
    pub fn recording(&self) -> Option<(Recording, bool)> {
        let recording = Recording::read(&self.system.files()).ok().flatten()?;
        let goes_on = recording.is_under_way(self.system.now(), &self.system.boot_id().ok()?);
        Some((recording, goes_on))
    }

    /// What pf blocked in the hour before `now`; `None` where it was not recorded, or cannot be read.
    fn blocked(&self, now: Seconds) -> Option<BTreeMap<u16, Attempts>> {
        const HOUR: Seconds = 3600;
        let written = self.log_file().symlink_metadata().ok()?.modified().ok()?;
        let age = written.elapsed().map_or(0, |age| age.as_secs());
        if age > HOUR.unsigned_abs() {
            return None;
        }
        let bytes = self.system.files().read(PFLOG).ok()??;
        let entries: Vec<_> = pflog::Reader::new(&bytes[..]).ok()?.filter_map(Result::ok).collect();
        Some(pflog::blocked(&entries, now.saturating_sub(HOUR)))
    }

    fn ask(&self, action: Operation) -> Result<Response, AppError> {
        let preferences = self.preferences()?;
        let mut request = Request::new(action, &os::user_name());
        request.managed = preferences.managed();
        request.way = preferences.way.way();
        Ok(elevate::ask(self.system(), &request)?)
    }

    /// Whom a source means now: of `lan`, the networks this Mac is on.
    pub fn source(&self, wanted: &Wanted) -> Result<Source, AppError> {
        Ok(match wanted {
            Wanted::Any => Source::Any,
            Wanted::Hosts(hosts) => Source::Hosts { hosts: hosts.clone() },
            Wanted::Lan => {
                let networks = self.system.networks()?;
                if networks.is_empty() {
                    return Err(AppError::NoNetwork);
                }
                Source::Lan { networks }
            }
        })
    }
}

/// The ports as they were seen. The Application Firewall is asked only about what other machines can address.
fn seen(look: &Scan, app_firewall: &mut AppFirewallCache) -> Vec<PortFacts> {
    let of_view = |view: &PortView| {
        let mut seen = view.seen();
        if seen.is_outside()
            && let Some(path) = view.process.as_ref().and_then(|process| process.path.as_deref())
        {
            seen.is_blocked = app_firewall.blocks(path);
        }
        seen
    };
    look.views.iter().map(of_view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_read() {
        let read = |items: &[&str]| Wanted::parse(items.iter().copied());
        assert_eq!(read(&["any"]).unwrap(), Wanted::Any);
        assert_eq!(read(&["lan"]).unwrap(), Wanted::Lan);
        let hosts = |list: &[&str]| Wanted::Hosts(list.iter().map(|host| host.parse().unwrap()).collect());
        assert_eq!(read(&["10.0.0.5,10.0.0.5", "::1"]).unwrap(), hosts(&["10.0.0.5/32", "::1/128"]));
        assert_eq!(read(&["192.168.1.7/24"]).unwrap(), hosts(&["192.168.1.0/24"]));
        for bad in
            [&["any", "10.0.0.1"][..], &["lan,any"], &[""], &["all"], &["10.0.0.1/33"], &["example.com"]]
        {
            assert_eq!(read(bad).unwrap_err().exit_status(), 2, "{bad:?}");
        }
    }
}
