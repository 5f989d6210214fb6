//! Carries out one request as root: lock, look, plan, keep a copy, check, execute, verify; commit, or undo every step.
//!
//! The order within a change is the safe one: the rules are checked with `pfctl -n` before anything is written, our
//! anchor is loaded in one transaction, pf is enabled only after the rules are in it, and the ledger is written last, so
//! that it never promises what pf does not do. Whatever fails on the way, what was done is undone in reverse, and
//! the answer says which it was: changed, unchanged, restored, or damaged with what is left to do.

use std::time::Duration;

use ipnet::IpNet;

use crate::firewall::{self, Pfctl, PfctlError, Rules};
use crate::os::holds::HoldError;
use crate::os::{self, FileError, Files};
use crate::pf::interfaces::InterfaceFacts;
use crate::report::{Note, PfState};
use crate::root::answer::{Outcome, Response};
use crate::root::audit::{self, AuditedRequest};
use crate::root::caller::Caller;
use crate::root::live::{Live, observe};
use crate::root::plan::{AnchorContents, Observed, Plan, PlanError, Step, plan};
use crate::root::report::Contradiction;
use crate::root::request::{Operation, Request};
use crate::root::snapshot::{self, RecordedChange};
use crate::root::undo::{self, UndoError};
use crate::root::{permissions, record, report};
use crate::rules::anchor::{self, Header};
use crate::rules::conf;
use crate::rules::drops::{Drops, Enabling, drops};
use crate::rules::ledger::{Attachment, Guard, Ledger, LedgerError, Opening, PfToken};
use crate::rules::ledger_change::{LedgerChange, Loosened};
use crate::rules::named_port::NamedPort;
use crate::rules::source::Source;
use crate::system::{ANCHOR_FILE, LEDGER, LOCK, PF_CONF, System};

/// How long a request waits for the one before it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why nothing was done. The system is unchanged.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Pf(#[from] PfctlError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Boot(#[from] os::BootError),
    #[error(transparent)]
    Record(#[from] record::RecordError),
    #[error(transparent)]
    Undo(#[from] UndoError),
    #[error(
        "the ledger {LEDGER} does not read ({0}): look at it, keep it, and move it away; then everything counts as closed"
    )]
    Ledger(#[from] LedgerError),
    #[error("pf does not take the rules that were to be loaded: {0}")]
    Check(#[source] PfctlError),
}

/// Why a change was undone.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot {what}: {source}")]
    Step { what: String, source: StepError },
    #[error("cannot read pf back: {0}")]
    ReadBack(#[source] PfctlError),
    #[error(transparent)]
    Files(FileError),
    #[error("the anchor {0} does not hold what was loaded into it")]
    NotLoaded(&'static str),
    #[error("the loaded ruleset does not call the anchor {0}")]
    NotCalled(&'static str),
    #[error("pf is not enabled although it was asked to be")]
    NotEnabled,
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    #[error("cannot write the ledger: {0}")]
    Ledger(#[source] StepError),
}

#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Pf(#[from] PfctlError),
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// Carries out `request` on `system` and gives the answer. Whatever comes of it, one line goes to the audit log, and
/// what pf looks like afterwards is written for the user's programs to read.
pub fn apply(system: &dyn System, request: &Request) -> Response {
    let (tree, now) = (system.files(), system.now());
    let refused = |error: &dyn std::fmt::Display| {
        Response::failed(Outcome::Unchanged, format!("{error}; nothing was changed"))
    };
    let answer = match tree.lock(LOCK, PATIENCE) {
        Ok(_lock) => {
            let interfaces = firewall::interfaces(system);
            let helper = Helper { system, tree: tree.clone(), interfaces, pf: Pfctl::new(system), now };
            helper.carry_out(request).unwrap_or_else(|refusal| refused(&refusal))
        }
        Err(error) => refused(&error),
    };
    audit::record(system, AuditedRequest::Valid(request), answer)
}

struct Helper<'a> {
    system: &'a dyn System,
    tree: Files,
    interfaces: Vec<InterfaceFacts>,
    pf: Pfctl,
    now: i64,
}

impl Helper<'_> {
    fn carry_out(&self, request: &Request) -> Result<Response, Refusal> {
        let boot = self.system.boot_id()?;
        if matches!(request.action, Operation::StopLog {}) {
            return Ok(record::stop(self.system, self.now, &boot)?);
        }
        let old = self.read_ledger()?;
        let mut live = Live::read(&self.pf, old.token.as_ref())?;
        if let Operation::Log { minutes } = request.action {
            // So that a reader of the log can tell which rule is meant.
            live.read_ours(&self.pf, None)?;
            self.write_report(&old, &live, &boot, &[])?;
            return Ok(record::start(self.system, minutes, self.now)?);
        }
        if request.action == (Operation::Status {}) {
            live.read_ours(&self.pf, None)?;
            self.write_report(&with_shown(&old, request), &live, &boot, &[])?;
            return Ok(Response::done(Outcome::Unchanged, "looked at pf; nothing was changed"));
        }
        let Desired { ledger: mut new, way, left } = self.desired(&old, &live, &boot, request)?;
        // What is to be replaced in any case need not be known.
        let rules = |ledger: &Ledger| anchor::rules(ledger, &self.interfaces);
        let replaced = old.way.filter(|_| rules(&old) != rules(&new));
        live.read_ours(&self.pf, replaced.map(Attachment::anchor))?;
        let observed = observe(&self.tree, &live, &self.interfaces, &old, &new, &boot)?;
        let written = timestamp(self.now);
        let header = Header { written: &written, user: &request.asker };
        let plan = plan(&observed, &old, &new, way, &header)?;
        new.way = plan.way;
        let missing = permissions::missing(request, &old, &new, &plan.steps);
        if !missing.is_empty() {
            return Ok(Response::missing(missing));
        }
        if plan.steps.is_empty() && new == old {
            self.write_report(&old, &live, &boot, &plan.notes)?;
            return Ok(Response::done(
                Outcome::Unchanged,
                done_message(request, &new, &plan.notes, &live.state) + &left,
            ));
        }
        self.check(&observed, &plan)?;
        let change = RecordedChange {
            user: Caller::of_process(self.system).user(),
            boot: boot.clone(),
            operation: request.action.clone(),
            ledger: LedgerChange::between(&old, &new),
        };
        let number = snapshot::take(&self.tree, self.now, change)?;
        let mut progress = Progress::default();
        let enables = plan.steps.contains(&Step::Enable) && live.state != PfState::Enabled;
        let enabling = if enables { Enabling::FromOff } else { Enabling::None };
        match self.execute(&plan, live, &old, &mut new, &boot, &mut progress) {
            Ok(live) => {
                let reported = self.write_report(&new, &live, &boot, &plan.notes);
                let mut message = done_message(request, &new, &plan.notes, &live.state) + &left;
                message += &self.drop_states(&new, enabling);
                if let Err(error) = reported {
                    message += &format!(" (what pf looks like now was not written: {error})");
                }
                Ok(Response::done(Outcome::Changed, message).with_snapshot(number))
            }
            Err(failure) => Ok(self.undo(&failure, progress, &observed, &old, &boot)),
        }
    }

    fn read_ledger(&self) -> Result<Ledger, Refusal> {
        let Some(bytes) = self.tree.read(LEDGER)? else { return Ok(Ledger::default()) };
        Ok(Ledger::parse(&bytes)?)
    }

    fn desired(
        &self,
        old: &Ledger,
        live: &Live,
        boot: &str,
        request: &Request,
    ) -> Result<Desired, UndoError> {
        let Operation::Undo { change, opens, unblocks } = &request.action else {
            let ledger = self.asked(old, live, boot, request);
            return Ok(Desired { ledger, way: request.way, left: String::new() });
        };
        let mut now = old.clone();
        now.expire(self.now);
        let named = Loosened { opens: opens.clone(), unblocks: unblocks.clone() };
        let back = undo::turned_back(self.system, *change, &named, &now, boot, self.now)?;
        let left = undo::left(&back);
        let mut ledger = back.ledger;
        if !live.holds(ledger.token.as_ref(), boot) {
            ledger.token = None;
        }
        if ledger.guard == Guard::Off {
            ledger.managed.clear();
        }
        Ok(Desired { ledger, way: back.way.or(request.way), left })
    }

    /// The ledger after a request that says itself what it wants.
    fn asked(&self, old: &Ledger, live: &Live, boot: &str, request: &Request) -> Ledger {
        let mut new = with_shown(old, request);
        if !live.holds(old.token.as_ref(), boot) {
            new.token = None;
        }
        let opens = matches!(request.action, Operation::Open { .. });
        // Others hold pf enabled already: blocking what is closed costs nothing more, and makes "closed" true.
        let is_free = new.guard == Guard::Unset && live.state == PfState::Enabled;
        if request.may_turn_guard_on() || (opens && is_free) {
            new.guard = Guard::On;
        }
        if old.guard != Guard::On && new.guard == Guard::On {
            // The guard begins with what its prompt named.
            new.managed.clear();
        }
        request.managed.iter().for_each(|port| new.manage(port));
        // Whatever is asked, what is over is closed first.
        new.expire(self.now);
        request.close.iter().for_each(|port| new.close(port));
        match &request.action {
            Operation::Open { ports, from, until } => {
                for port in ports {
                    let since = self.since(old, port.range, from);
                    new.open(Opening::new(port, from.clone(), *until, since, &request.asker));
                }
                new.expire(self.now);
            }
            Operation::Close { ports } => ports.iter().for_each(|port| new.close(port)),
            Operation::CloseAll {} => new.close_all(),
            Operation::Guard { on: false } => new.guard = Guard::Off,
            Operation::Uninstall { .. } => {
                new.close_all();
                new.guard = Guard::Off;
            }
            Operation::Guard { on: true } | Operation::Undo { .. } => {}
            Operation::Status {} | Operation::Tick {} | Operation::Log { .. } | Operation::StopLog {} => {}
        }
        if new.guard == Guard::Off {
            // Nothing is ours to close any more: the next guard begins with what is shown then.
            new.managed.clear();
        }
        new
    }

    /// Opening again what is open just so keeps its time, so that nothing is changed.
    fn since(&self, old: &Ledger, port: crate::port::PortRange, from: &Source) -> i64 {
        let same = |opening: &&Opening| opening.port == port && opening.from == *from;
        old.openings.iter().find(same).map_or(self.now, |opening| opening.since)
    }

    /// Has pf parse what is to be loaded, before anything is written. Of pf.conf only what is not ours is parsed: our
    /// block is fixed text, and the file that it names is not written yet.
    fn check(&self, observed: &Observed, plan: &Plan) -> Result<(), Refusal> {
        for step in &plan.steps {
            match step {
                Step::Load { anchor, rules, .. } if !rules.is_empty() => {
                    self.pf.check(Some(anchor), Rules::Text(rules)).map_err(Refusal::Check)?;
                }
                Step::Main { load: true, .. } => {
                    let bytes = observed.conf.as_deref().unwrap_or_default();
                    let others = conf::remove(bytes).map_err(PlanError::from)?;
                    let text = String::from_utf8_lossy(&others);
                    self.pf.check(None, Rules::Text(&text)).map_err(Refusal::Check)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Executes the plan, then reads again what that can have changed in `live`, and compares. `progress` holds what was
    /// begun, whatever happens.
    fn execute<'a>(
        &self,
        plan: &'a Plan,
        mut live: Live,
        old: &Ledger,
        new: &mut Ledger,
        boot: &str,
        progress: &mut Progress<'a>,
    ) -> Result<Live, Failure> {
        for step in &plan.steps {
            progress.begun.push(step);
            self.step(step, new, boot, progress)
                .map_err(|source| Failure::Step { what: step.describe(), source })?;
        }
        live.reread(&self.pf, &plan.steps, new.token.as_ref()).map_err(Failure::ReadBack)?;
        self.verify(&live, old, new, boot)?;
        self.write_ledger(new).map_err(Failure::Ledger)?;
        Ok(live)
    }

    fn write_ledger(&self, ledger: &Ledger) -> Result<(), StepError> {
        Ok(self.tree.replace(LEDGER, &serde_json::to_vec_pretty(ledger)?, 0o644)?)
    }

    fn step(
        &self,
        step: &Step,
        new: &mut Ledger,
        boot: &str,
        progress: &mut Progress,
    ) -> Result<(), StepError> {
        match step {
            Step::AnchorFile(Some(text)) => self.tree.replace(ANCHOR_FILE, text.as_bytes(), 0o644)?,
            Step::AnchorFile(None) => self.tree.remove(ANCHOR_FILE)?,
            Step::Load { anchor, rules, .. } => self.pf.load_anchor(anchor, Rules::Text(rules))?,
            Step::Main { conf, load } => {
                self.tree.replace(PF_CONF, conf, 0o644)?;
                if *load {
                    self.pf.load_main(Rules::File(&self.tree.place(PF_CONF)))?;
                }
            }
            Step::Enable => {
                let token = PfToken { number: self.system.hold_pf()?, boot: boot.to_owned() };
                progress.taken = Some(token.clone());
                new.token = Some(token);
            }
            Step::Release(token) => {
                self.system.release_pf(token.number)?;
                progress.released = true;
                new.token = None;
            }
        }
        Ok(())
    }

    /// Whether pf holds what was asked, and would do it.
    fn verify(&self, live: &Live, old: &Ledger, new: &Ledger, boot: &str) -> Result<(), Failure> {
        let observed = observe(&self.tree, live, &self.interfaces, old, new, boot).map_err(Failure::Files)?;
        if let Some(way) = new.way {
            let (loaded, called) = match way {
                Attachment::Apple => (observed.apple, observed.calls_apple),
                Attachment::Classic => (observed.classic, observed.calls_classic),
            };
            if loaded != AnchorContents::AsWanted {
                return Err(Failure::NotLoaded(way.anchor()));
            }
            if !called {
                return Err(Failure::NotCalled(way.anchor()));
            }
        }
        if new.guard == Guard::On && live.state != PfState::Enabled {
            return Err(Failure::NotEnabled);
        }
        Ok(report::check(live, &self.interfaces, new)?)
    }

    /// Undoes what was begun, in reverse, and says how that went.
    fn undo(
        &self,
        failure: &Failure,
        progress: Progress,
        observed: &Observed,
        old: &Ledger,
        boot: &str,
    ) -> Response {
        let mut left: Vec<String> = Vec::new();
        let mut ledger = old.clone();
        for step in progress.begun.iter().rev() {
            if let Err(error) = self.undo_step(step, observed, &progress, &mut ledger) {
                left.push(format!("{}: {error}", step.describe()));
            }
        }
        if ledger != *old && self.write_ledger(&ledger).is_err() {
            left.push("write the ledger".to_owned());
        }
        let live = Live::read(&self.pf, ledger.token.as_ref())
            .and_then(|mut live| live.read_ours(&self.pf, None).map(|()| live));
        if let Ok(live) = live {
            let _ = self.write_report(&ledger, &live, boot, &[]);
        }
        if left.is_empty() {
            return Response::failed(
                Outcome::Restored,
                format!("{failure}; everything was put back as it was"),
            );
        }
        let (left, copies) = (left.join("; "), crate::system::SNAPSHOTS);
        let message = format!(
            "{failure}; and not all of it could be undone ({left}): the files as they were are in {copies}"
        );
        Response::failed(Outcome::Damaged, message)
    }

    fn undo_step(
        &self,
        step: &Step,
        observed: &Observed,
        progress: &Progress,
        ledger: &mut Ledger,
    ) -> Result<(), StepError> {
        let put_back = |path: &str, bytes: &Option<Vec<u8>>| match bytes {
            Some(bytes) => self.tree.replace(path, bytes, 0o644),
            None => self.tree.remove(path),
        };
        match step {
            Step::AnchorFile(_) => put_back(ANCHOR_FILE, &observed.anchor_file)?,
            Step::Load { anchor, before, .. } => self.pf.load_anchor(anchor, Rules::Text(before))?,
            Step::Main { load, .. } => {
                put_back(PF_CONF, &observed.conf)?;
                if *load {
                    self.pf.load_main(Rules::File(&self.tree.place(PF_CONF)))?;
                }
            }
            Step::Enable => {
                if let Some(token) = &progress.taken {
                    self.system.release_pf(token.number)?;
                }
            }
            Step::Release(token) if progress.released => {
                // The old token is gone for good; a new one holds pf as it did.
                ledger.token = Some(PfToken { number: self.system.hold_pf()?, boot: token.boot.clone() });
            }
            Step::Release(_) => {}
        }
        Ok(())
    }

    /// Cuts connections that the new rules refuse, and says so; those whose states may be stale go on without them.
    fn drop_states(&self, ledger: &Ledger, enabling: Enabling) -> String {
        let own: Vec<_> =
            self.interfaces.iter().flat_map(|facts| &facts.addresses).map(IpNet::addr).collect();
        let cut = self.system.connections().and_then(|connections| {
            let Drops { refused, stale } = drops(ledger, enabling, &own, &connections);
            self.system.drop_states(&stale)?;
            self.system.drop_states(&refused)
        });
        match cut {
            Ok(0) => String::new(),
            Ok(1) => "; 1 open connection was cut".to_owned(),
            Ok(count) => format!("; {count} open connections were cut"),
            Err(error) => format!("; {error}"),
        }
    }

    fn write_report(
        &self,
        ledger: &Ledger,
        live: &Live,
        boot: &str,
        notes: &[Note],
    ) -> Result<(), FileError> {
        let report = report::report(&self.tree, ledger, live, &self.interfaces, boot, self.now, notes);
        report::write(&self.tree, &report, live)
    }
}

/// What a request asks for.
struct Desired {
    ledger: Ledger,
    /// The way to be evaluated that is preferred; `None`: the one in use, else one that works.
    way: Option<Attachment>,
    /// What was asked and is left out, as the end of a sentence.
    left: String,
}

/// How far a change came.
#[derive(Default)]
struct Progress<'a> {
    /// The steps that were begun.
    begun: Vec<&'a Step>,
    /// The token that was taken.
    taken: Option<PfToken>,
    /// Whether our token was given back.
    released: bool,
}

/// The ledger with what the asker's menu shows, where that blocks nothing: while the guard is not on, what is managed is
/// only reported.
fn with_shown(old: &Ledger, request: &Request) -> Ledger {
    let mut ledger = old.clone();
    if ledger.guard != Guard::On {
        request.shown.iter().for_each(|port| ledger.manage(port));
    }
    ledger
}

/// A time as RFC 3339 in UTC.
fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// What was done, in a sentence that does not promise more than it does.
fn done_message(request: &Request, ledger: &Ledger, notes: &[Note], pf: &PfState) -> String {
    let guarded = ledger.guard == Guard::On;
    let mut message = match &request.action {
        Operation::Open { ports, from, .. } => {
            let off = if *pf == PfState::Enabled {
                ""
            } else {
                "; pf is off, so it could be reached before as well: `portcullis guard on` makes closing mean something"
            };
            format!("{} open for {}{off}", subject(ports), from.in_full())
        }
        Operation::Close { ports } if guarded => {
            format!("{} closed: other machines are refused, this Mac itself is not", subject(ports))
        }
        Operation::Close { ports } => format!("{} without a rule of ours now{UNGUARDED}", subject(ports)),
        Operation::CloseAll {} if guarded => "every debug port is closed".to_owned(),
        Operation::CloseAll {} => format!("no debug port has a rule of ours now{UNGUARDED}"),
        Operation::Guard { on: true } => {
            let ports =
                ledger.closed().iter().map(|closed| closed.range.to_string()).collect::<Vec<_>>().join(", ");
            format!(
                "the guard is on: closed ports ({ports}) are blocked from other machines; while pf is held enabled with rules of ours, iCloud Private Relay may pause"
            )
        }
        Operation::Guard { on: false } => {
            let held =
                if *pf == PfState::Enabled { "pf stays on, since others hold it" } else { "pf is off" };
            format!("the guard is off: nothing is blocked by us; {held}")
        }
        Operation::Undo { change, .. } => format!("change {change} was turned back"),
        Operation::Uninstall { .. } => "every debug port is closed, and nothing is blocked by us".to_owned(),
        Operation::Status {} | Operation::Log { .. } | Operation::StopLog {} => {
            "looked at pf; nothing was changed".to_owned()
        }
        Operation::Tick {} => "looked at pf, and put it where the ledger says".to_owned(),
    };
    for note in notes {
        message += &format!("; {note}");
    }
    message
}

const UNGUARDED: &str = "; the guard is off, so this Mac's own policy decides who can reach it";

/// `port 2345 (dlv) is`, `ports 2345 (dlv), 9229 (node) are`.
fn subject(ports: &[NamedPort]) -> String {
    let named: Vec<String> = ports.iter().map(NamedPort::to_string).collect();
    match ports {
        [one] if one.range.as_single().is_some() => format!("port {} is", named.join(", ")),
        _ => format!("ports {} are", named.join(", ")),
    }
}
