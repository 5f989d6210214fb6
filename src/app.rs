//! What both front ends do: read the status, and carry out an action through the helper.

mod already;
mod bell;
mod carry_out;
mod clean_up;
mod click_outcome;
mod connecting;
mod connection;
mod error;
mod evidence;
mod guard_question;
mod job;
mod ledger_ports;
mod menu_facts;
pub mod names;
mod opening;
pub mod own_command;
mod pf_conf;
mod read_preferences;
mod request;
mod shown_file;
mod source_choice;
mod undo;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use clean_up::CleanUpPreview;
pub use click_outcome::ClickOutcome;
pub use connection::{Connection, address_for};
pub use error::AppError;
pub use evidence::{Beside, Evidence, Observation, of_ledger};
pub use pf_conf::PfConf;
pub use read_preferences::{ReadPreferences, preferences_note};
pub use source_choice::{OpeningTerms, SourceChoice};
pub use undo::{UndoPreview, UndoableChange};

use crate::debuggers::scan::{self, Scan, WatchedPort};
use crate::elevate::prompt::{self, PromptFacts};
use crate::elevate::{self, question};
use crate::firewall::app::{self as app_firewall, AppFirewallCache};
use crate::os;
use crate::os::cancel::Cancellation;
use crate::pf::lookup::AskName;
use crate::pflog;
use crate::port::PortRange;
use crate::prefs::Preferences;
use crate::report::{Note, PfState, Report, ReportFact, RulesetsReport};
use crate::root::answer::{Outcome, Response};
use crate::root::audit::{self, AuditLog};
use crate::root::messages;
use crate::root::record::Recording;
use crate::root::request::{GuardAnswer, Operation, Permission};
use crate::root::tick;
use crate::rules::ends::EndOfDay;
use crate::rules::evening;
use crate::rules::ledger::{Changing, Guard, Ledger, Seconds, Visit};
use crate::rules::named_port::NamedPort;
use crate::rules::source::Source;
use crate::sockets::SocketsError;
use crate::status::{Attempts, Status};
use crate::system::{ANCHOR_FILE, APP_PROGRAMS, JOURNAL, LEDGER, PFLOG, RULESETS, STATUS, System};
use ledger_ports::LedgerPorts;
use request::composed;

/// What both front ends do, on one system.
#[derive(Clone, Debug)]
pub struct App {
    system: Arc<dyn System>,
    preferences_file: PathBuf,
    cancellation: Cancellation,
    job: job::JobCache,
    audit: menu_facts::AuditCache,
    /// Shows a text to the person at our terminal.
    say: Option<fn(&str)>,
}

/// What is known before root is asked.
#[derive(Debug, Default)]
struct AskedBeside<'a> {
    answer: Option<GuardAnswer>,
    /// What else the action needs.
    missing: Vec<Permission>,
    /// What it comes to, where a change is turned back.
    undo: Option<&'a UndoPreview>,
}

impl App {
    /// Errors: no place for the user's preferences.
    pub fn new(system: Arc<dyn System>) -> Result<Self, AppError> {
        let preferences_file = system.preferences_file()?;
        Ok(App {
            system,
            preferences_file,
            cancellation: Cancellation::default(),
            job: job::JobCache::default(),
            audit: menu_facts::AuditCache::default(),
            say: None,
        })
    }

    /// The same app, whose requests end with `cancellation`: their prompts are taken away.
    pub fn until(&self, cancellation: &Cancellation) -> Self {
        App { cancellation: cancellation.clone(), ..self.clone() }
    }

    /// The same app for a person who sits at the terminal that it was started at, and reads there what `say` is given.
    pub fn at_terminal(self, say: fn(&str)) -> Self {
        App { say: Some(say), ..self }
    }

    /// What this app works on.
    pub fn system(&self) -> &dyn System {
        self.system.as_ref()
    }

    pub fn preferences_file(&self) -> &Path {
        &self.preferences_file
    }

    /// The file that changes whenever root has looked at pf.
    pub fn status_file(&self) -> PathBuf {
        self.system.place(STATUS)
    }

    /// Reads the preferences: once for a command or a click, which hands them on. Where they do not read, closing goes by
    /// the ledger, and opening is an error.
    pub fn preferences(&self) -> ReadPreferences {
        let problem = |source| AppError::Preferences { path: self.preferences_file.clone(), source };
        Preferences::parse(&self.preferences_text()?).map_err(problem)
    }

    /// Empty where there is no file yet.
    fn preferences_text(&self) -> Result<String, AppError> {
        let path = || self.preferences_file.clone();
        match std::fs::read(&self.preferences_file) {
            Ok(bytes) => {
                Preferences::text(bytes).map_err(|source| AppError::Preferences { path: path(), source })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(AppError::ReadPreferences { path: path(), source }),
        }
    }

    /// Changes one preference, everything else in the file as it was.
    pub fn set_preference(&self, key: &str, value: &str) -> Result<(), AppError> {
        let path = &self.preferences_file;
        let mut text = self.preferences_text()?;
        if text.is_empty() {
            text = Preferences::template().to_owned();
        }
        Preferences::parse(&text).map_err(|source| AppError::Preferences { path: path.clone(), source })?;
        if key == "from" {
            SourceChoice::parse([value])?;
        }
        let changed = Preferences::set(&text, key, value).map_err(AppError::SetPreference)?;
        os::replace_own(path, changed.as_bytes())
            .map_err(|source| AppError::WritePreferences { path: path.clone(), source })
    }

    /// What both front ends show: what root last saw of pf, who listens, the Application Firewall. Looks only.
    pub fn status(&self, preferences: &ReadPreferences) -> Result<Status, AppError> {
        Ok(self.observe(preferences, &[], scan::look_well, &mut self.app_firewall())?.status)
    }

    /// The status, and what it was made from. Ports beyond those that are shown are looked at where they are among
    /// `more`. `look` is [`scan::look`] for a caller that looks again and again, [`scan::look_well`] for one that looks
    /// once.
    pub fn observe(
        &self,
        preferences: &ReadPreferences,
        more: &[PortRange],
        look: impl FnOnce(&[WatchedPort]) -> Result<Scan, SocketsError>,
        app_firewall: &mut AppFirewallCache,
    ) -> Result<Observation, AppError> {
        let evidence = self.evidence(&mut names::ask_without_network)?;
        Ok(self.observe_by(evidence, preferences, more, look, app_firewall))
    }

    /// The same, where the evidence was read before.
    pub fn observe_by(
        &self,
        evidence: Evidence,
        preferences: &ReadPreferences,
        more: &[PortRange],
        look: impl FnOnce(&[WatchedPort]) -> Result<Scan, SocketsError>,
        app_firewall: &mut AppFirewallCache,
    ) -> Observation {
        let look = look(&evidence.watched(preferences, more));
        let beside = Beside { look, blocked: self.blocked(evidence.now) };
        let state = app_firewall.state.clone();
        let mut blocks = |program: &Path| app_firewall.blocks(program);
        let mut observed = Observation::of(evidence, preferences, beside, state, &mut blocks);
        let openings = observed.facts.openings.as_deref().unwrap_or_default();
        observed.status.notes.extend(self.job.note(self.system(), openings));
        observed
    }

    /// Reads what every front end is made from, but for the sockets. `ask` asks this Mac for the names in /etc/pf.conf.
    pub fn evidence(&self, ask: &mut AskName<'_>) -> Result<Evidence, AppError> {
        let report = self.report();
        let (now, boot) = (self.system.now(), self.system.boot_id()?);
        let rulesets = match report.usable(now, &boot) {
            Ok(report) => self.rulesets(report),
            Err(_) => Err(AppError::RulesNotSeen),
        };
        let ledger = self.ledger();
        Ok(Evidence {
            lab: self.system.lab().map(|dir| dir.display().to_string()),
            now,
            boot,
            zone: self.system.zone(),
            interrupted: ledger.clone().and_then(|ledger| interrupted(ledger, now)),
            ledger,
            ledger_problem: self.ledger_problem(),
            report,
            rulesets,
            conf: PfConf::read(self.system(), ask),
            interfaces: self.system.interfaces().unwrap_or_default(),
            networks: self.system.network_facts().unwrap_or_default(),
        })
    }

    /// What root last saw, where it is of the ledger.
    pub fn report(&self) -> ReportFact {
        // First, so that a change made meanwhile is not taken for one that was not looked at.
        let ledger = self.ledger();
        let fact = match self.system.files().read(STATUS) {
            Ok(None) => ReportFact::Missing,
            Err(error) => ReportFact::Unreadable(error.to_string()),
            Ok(Some(bytes)) => ReportFact::read(&bytes),
        };
        of_ledger(fact, ledger.as_ref())
    }

    /// All that pf held when root looked. Errors: this user may not read it; it is not of the look that `report` is of.
    pub fn rulesets(&self, report: &Report) -> Result<RulesetsReport, AppError> {
        let bytes = match self.system.files().read(RULESETS) {
            Err(error) if error.is_denied() => return Err(AppError::RulesForAdministrators),
            bytes => bytes?.ok_or(AppError::RulesNotSeen)?,
        };
        let rulesets: RulesetsReport = serde_json::from_slice(&bytes).map_err(AppError::InvalidRules)?;
        if rulesets.belongs_to(report) { Ok(rulesets) } else { Err(AppError::RulesNotSeen) }
    }

    /// Whether the Application Firewall's stealth mode is on; `None`: it could not be asked.
    pub fn stealth_mode(&self) -> Option<bool> {
        app_firewall::stealth_mode(self.system())
    }

    /// The name by which the machines of this Mac's network find it (`adas-mac.local`); `None`: it is not known.
    pub fn local_name(&self) -> Option<String> {
        let asked = self.system().program("/usr/sbin/scutil").args(["--get", "LocalHostName"]).run().ok()?;
        let name = asked.stdout.trim();
        let is_label = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        (asked.success() && is_label).then(|| format!("{name}.local"))
    }

    /// The Application Firewall, to be asked about programs.
    pub fn app_firewall(&self) -> AppFirewallCache {
        AppFirewallCache::new(self.system())
    }

    /// Reads what a user types for ports that are not to be opened: by the names that the preferences know, or, where they do
    /// not read, by those in the ledger and the usual ones.
    pub fn ports_named(&self, text: &str, preferences: &ReadPreferences) -> Result<Vec<NamedPort>, AppError> {
        LedgerPorts::named(text, preferences, || LedgerPorts::of(self.ledger(), &self.report()))
    }

    /// Opens ports. Where the guard was never chosen and pf is off, `answer` says whether it goes on with them; `None`:
    /// the person is asked, once and for all, where there is a screen.
    pub fn open(
        &self,
        ports: &[NamedPort],
        terms: OpeningTerms,
        answer: Option<GuardAnswer>,
        preferences: &Preferences,
    ) -> Result<Response, AppError> {
        if answer == Some(GuardAnswer::Off) && self.ledger().is_some_and(|ledger| ledger.guard == Guard::On) {
            return Err(AppError::GuardIsOn);
        }
        let (before, from) = (self.ledger().unwrap_or_default(), terms.from.clone());
        let action = self.opening(ports, terms)?;
        if answer.is_none()
            && let Some(response) = self.already_so(&action, Some(preferences), None)?
        {
            return Ok(response);
        }
        let answer = match answer {
            None => self.ask_for_guard(&action, preferences)?,
            given => given,
        };
        let beside = AskedBeside { answer, ..AskedBeside::default() };
        let response = self.ask_allowing(action, Some(preferences), beside)?;
        let mut response = self.without_promise(ports, response);
        if response.ok {
            response.message += &source_choice::shut_out(&before, ports, &from);
        }
        Ok(response)
    }

    /// The guard question, where it is still open. `None`: it is not, or no dialog can be shown.
    fn ask_for_guard(
        &self,
        action: &Operation,
        preferences: &Preferences,
    ) -> Result<Option<GuardAnswer>, AppError> {
        let ledger = self.ledger().unwrap_or_default();
        if ledger.guard != Guard::Unset || self.ledger_problem().is_some() || self.pf_is_enabled() {
            return Ok(None);
        }
        let on = Some(GuardAnswer::On);
        let request = composed(action, self.system.moment()?, Some(&ledger), Some(preferences), false, on);
        let blocked = prompt::blocked(&request, &ledger);
        if blocked.is_empty() {
            return Ok(None);
        }
        let question = guard_question::question(&blocked, guard_question::ended(&blocked));
        let answer = question::ask(self.system(), &question, &self.cancellation)?;
        Ok(answer.map(|keep| if keep { GuardAnswer::On } else { GuardAnswer::Off }))
    }

    /// When the working day ends.
    pub fn end_of_day(&self) -> EndOfDay {
        self.ledger().and_then(|ledger| ledger.end_of_day).unwrap_or_default()
    }

    /// Has root set when the working day ends.
    pub fn set_end_of_day(&self, at: EndOfDay) -> Result<Response, AppError> {
        self.ask(Operation::EndOfDay { at }, None)
    }

    pub fn close(
        &self,
        ports: &[NamedPort],
        preferences: Option<&Preferences>,
    ) -> Result<Response, AppError> {
        self.close_or_ask(Operation::Close { ports: ports.to_vec() }, preferences)
    }

    /// Closes every port that is open.
    pub fn close_all(&self, preferences: Option<&Preferences>) -> Result<Response, AppError> {
        self.close_or_ask(Operation::CloseAll {}, preferences)
    }

    /// What this user opened is closed without a password, where root hears of it.
    fn close_or_ask(
        &self,
        action: Operation,
        preferences: Option<&Preferences>,
    ) -> Result<Response, AppError> {
        match bell::close(self.system(), &action) {
            Some(answer) => Ok(answer?),
            None => self.ask(action, preferences),
        }
    }

    pub fn guard_on(&self, preferences: &Preferences) -> Result<Response, AppError> {
        self.ask(Operation::Guard { on: true }, Some(preferences))
    }

    pub fn guard_off(&self, preferences: Option<&Preferences>) -> Result<Response, AppError> {
        self.ask(Operation::Guard { on: false }, preferences)
    }

    /// Has root look at pf.
    pub fn check(&self, preferences: Option<&Preferences>) -> Result<Response, AppError> {
        self.ask(Operation::Status {}, preferences)
    }

    /// Has root undo a change that was interrupted; it also closes what is over, as it does by itself.
    pub fn repair(&self) -> Result<Response, AppError> {
        self.ask(Operation::Tick {}, None)
    }

    /// Has root record what pf logs, for so many minutes from now on.
    pub fn record_log(&self, minutes: u16) -> Result<Response, AppError> {
        self.ask(Operation::Log { minutes }, None)
    }

    /// Ends the recording of what pf logs.
    pub fn stop_log(&self) -> Result<Response, AppError> {
        self.ask(Operation::StopLog {}, None)
    }

    /// What root was asked, and what came of it.
    pub fn history(&self) -> Result<AuditLog, AppError> {
        Ok(audit::read(&self.system.files())?)
    }

    /// What turning back this user's last change, or that of `number`, comes to. Errors: there is none, or nothing of it
    /// is left; then the one before of which something is, is named, and not turned back unasked.
    pub fn undo_preview(&self, number: Option<u32>) -> Result<UndoPreview, AppError> {
        const MOST_BACK: usize = 20;
        let lines = self.history()?.lines;
        let (ledger, moment) = (self.ledger().unwrap_or_default(), self.system.moment()?);
        let preview = |change| UndoPreview::of(change, ledger.clone(), &moment);
        let mut changes = undo::undoable(&lines, number);
        let change = changes.next().ok_or_else(|| match (number, undo::numbers(&lines)) {
            (Some(number), yours) if !yours.is_empty() => AppError::NotYours { number, yours },
            _ => AppError::NoUndo,
        })?;
        let last = preview(change);
        if !last.is_empty() {
            return Ok(last);
        }
        let UndoableChange { number, message, .. } = last.change;
        let before = changes.take(MOST_BACK).map(preview).find(|preview| !preview.is_empty());
        Err(AppError::NothingLeft { number, message, before: before.map(|preview| preview.change.number) })
    }

    /// Turns the change back. Errors: it opens a port or turns the guard on, and the preferences do not read.
    pub fn undo(&self, preview: &UndoPreview) -> Result<Response, AppError> {
        if preview.needs_preferences() {
            self.preferences()?;
        }
        let mut missing = Vec::new();
        missing.extend(preview.guards().then_some(Permission::GuardOn));
        if preview.edits_conf() {
            missing.extend([Permission::EditConf, Permission::LoadConf]);
        } else if !preview.change.lines.is_empty() {
            missing.push(Permission::EditConf);
        }
        let beside = AskedBeside { missing, undo: Some(preview), answer: None };
        self.ask_allowing(preview.operation(), None, beside)
    }

    /// Has root install the part that closes ports in time.
    pub fn install(&self) -> Result<Response, AppError> {
        self.ask(Operation::Install {}, None)
    }

    /// Has terminals find the command line. Errors: the app lies elsewhere than root lets them look.
    pub fn install_command(&self) -> Result<Response, AppError> {
        let own = std::env::current_exe().and_then(|path| path.canonicalize()).unwrap_or_default();
        let is_there = own.parent() == Some(Path::new(APP_PROGRAMS));
        if self.system.lab().is_none() && !is_there {
            return Err(AppError::AppElsewhere { own });
        }
        self.ask(Operation::InstallCommand {}, None)
    }

    /// What `clean-up` would do.
    pub fn clean_up_preview(&self) -> CleanUpPreview {
        CleanUpPreview::of(self.system())
    }

    /// Has root take lines without effect out of /etc/pf.conf; `None` where there is none.
    pub fn clean_up(&self, preview: &CleanUpPreview) -> Result<Option<Response>, AppError> {
        preview.operation().map(|operation| self.ask(operation, None)).transpose()
    }

    /// Has root take away everything that it has put on this Mac.
    pub fn uninstall(&self, keep_logs: bool) -> Result<Response, AppError> {
        self.ask(Operation::Uninstall { keep_logs }, None)
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

    /// Asks root. Where that needs more than the prompt said, the prompt is shown once more and says it.
    fn ask(&self, action: Operation, preferences: Option<&Preferences>) -> Result<Response, AppError> {
        self.ask_allowing(action, preferences, AskedBeside::default())
    }

    /// As [`App::ask`], with what is known before.
    fn ask_allowing(
        &self,
        action: Operation,
        preferences: Option<&Preferences>,
        AskedBeside { answer, mut missing, undo }: AskedBeside<'_>,
    ) -> Result<Response, AppError> {
        if missing.is_empty()
            && let Some(response) = self.already_so(&action, preferences, answer)?
        {
            return Ok(response);
        }
        missing.extend(self.loads_conf(&action).then_some(Permission::LoadConf));
        missing.extend(self.turns_pf_on(&action).then_some(Permission::GuardOn));
        let mut pf_is_enabled = self.pf_is_enabled();
        let mut pf_is_on = pf_is_enabled;
        for _ in 0..2 {
            let (made, ledger) = (self.system.moment()?, self.ledger());
            let mut request = composed(&action, made, ledger.as_ref(), preferences, pf_is_enabled, answer);
            missing.iter().for_each(|permission| request.allow(*permission));
            if opens_or_guards(&action) && elevate::wants_job(self.system()) {
                request.allow(Permission::Install);
            }
            let ledger = undo.map(|preview| preview.now.clone()).or(ledger).unwrap_or_default();
            let ends = match request.may_turn_guard_on() {
                true => guard_question::ended(&prompt::blocked(&request, &ledger)),
                false => 0,
            };
            let facts = PromptFacts {
                interrupted: self.interrupted(),
                pf_is_on,
                lines_back: undo.map(|preview| preview.change.lines.clone()).unwrap_or_default(),
                ends,
                back: undo.map(|preview| preview.back.ledger.clone()),
                ledger,
            };
            let response = elevate::ask(self.system(), &request, &facts, self.say, &self.cancellation)?;
            if response.missing.is_empty() {
                return Ok(response);
            }
            if response.missing.contains(&Permission::GuardOn) {
                // Root saw what the guard goes on for: where it was never chosen that pf is on, else that pf is off.
                pf_is_on = facts.ledger.guard == Guard::Unset && matches!(action, Operation::Open { .. });
                pf_is_enabled = true;
            }
            missing = response.missing;
        }
        Err(AppError::Missing(missing))
    }

    /// The answer to what is so already, which needs no prompt.
    fn already_so(
        &self,
        action: &Operation,
        preferences: Option<&Preferences>,
        answer: Option<GuardAnswer>,
    ) -> Result<Option<Response>, AppError> {
        // Its text is root's alone, and that there is one says enough.
        if !matches!(self.system.place(JOURNAL).symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound)
        {
            return Ok(None);
        }
        let (Some(ledger), ReportFact::Read(report)) = (self.ledger(), self.report()) else {
            return Ok(None);
        };
        let now = self.system.moment()?;
        let request = composed(action, now.clone(), Some(&ledger), preferences, self.pf_is_enabled(), answer);
        // Where no tick has seen yet that this Mac has left a network, root is asked.
        let mut followed = ledger.clone();
        let over = followed.follow(&self.system.network_facts().unwrap_or_default(), Visit::Tick);
        let has_left = !over.is_empty() || followed.openings.iter().any(|opening| opening.away);
        let is_doubtful = has_left || tick::was_edited(self.system.as_ref()) || request.validate().is_err();
        if is_doubtful || !already::is_so(&request, &ledger, &report, &now) {
            return Ok(None);
        }
        let message = messages::done(&request, &ledger, &report.notes, &report.pf);
        let seen = evening::time_of_day(report.seen, now.time, &self.system.zone());
        let age = evening::duration_left(now.time.saturating_sub(report.seen));
        let message = format!("{message}; as root saw it at {seen}, {age} ago");
        Ok(Some(Response::done(Outcome::Unchanged, message)))
    }

    /// Whether root last saw that our rules are without effect, which `action` would mend by loading /etc/pf.conf.
    fn loads_conf(&self, action: &Operation) -> bool {
        let mends = matches!(action, Operation::Open { .. } | Operation::Guard { on: true });
        let is_without_effect =
            |report: &Report| report.notes.iter().any(|note| matches!(note, Note::NotEvaluated { .. }));
        mends && matches!(self.report(), ReportFact::Read(report) if is_without_effect(&report))
    }

    /// Whether root last saw pf off although the guard is on, which an opening mends.
    fn turns_pf_on(&self, action: &Operation) -> bool {
        let is_guarded = || self.ledger().is_some_and(|ledger| ledger.guard == Guard::On);
        matches!(action, Operation::Open { .. }) && self.is_pf(&PfState::Disabled) && is_guarded()
    }

    /// Whether root last saw pf enabled, in this boot.
    fn pf_is_enabled(&self) -> bool {
        self.is_pf(&PfState::Enabled)
    }

    fn is_pf(&self, state: &PfState) -> bool {
        let boot = self.system.boot_id().unwrap_or_default();
        self.report().usable(self.system.now(), &boot).is_ok_and(|report| report.pf == *state)
    }

    /// The ledger, as far as it reads: root's own judgement of it comes with the next request.
    pub fn ledger(&self) -> Option<Ledger> {
        Ledger::parse(&self.system.files().read(LEDGER).ok()??).ok()
    }

    fn ledger_problem(&self) -> Option<String> {
        let files = self.system.files();
        match files.read(LEDGER) {
            Ok(None) if files.length(ANCHOR_FILE).is_ok_and(|length| length > 0) => {
                Some(format!("it is gone, and {ANCHOR_FILE} is there still"))
            }
            Ok(bytes) => bytes.and_then(|bytes| Ledger::parse(&bytes).err()).map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// A change that was begun and not finished: [`App::repair`] undoes it.
    pub fn interrupted(&self) -> Option<Changing> {
        interrupted(self.ledger()?, self.system.now())
    }

    /// Who a choice opens for now: of `lan`, the networks this Mac is on.
    pub fn source(&self, choice: &SourceChoice) -> Result<Source, AppError> {
        Ok(match choice {
            SourceChoice::Any => Source::Any,
            SourceChoice::Hosts(hosts) => match hosts.iter().find(|host| host.addr().is_loopback()) {
                Some(here) => return Err(AppError::SourceIsHere(*here)),
                None => Source::Hosts { hosts: hosts.clone() },
            },
            SourceChoice::Lan => {
                let networks = self.system.networks()?;
                if networks.is_empty() {
                    return Err(AppError::NoNetwork);
                }
                Source::Lan { networks }
            }
        })
    }
}

/// What nothing but root's own job ends in time.
fn opens_or_guards(action: &Operation) -> bool {
    matches!(action, Operation::Open { .. } | Operation::Guard { on: true })
}

/// A change that was begun and not finished.
fn interrupted(ledger: Ledger, now: Seconds) -> Option<Changing> {
    ledger.changing.filter(|changing| is_interrupted(changing, now))
}

/// Whether a change that is under way was interrupted: its helper has ended, or takes longer than any does.
fn is_interrupted(changing: &Changing, now: Seconds) -> bool {
    const LONGEST: Seconds = 60;
    now.saturating_sub(changing.since) > LONGEST || !os::process_exists(changing.pid)
}
