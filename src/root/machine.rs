//! Puts pf where a ledger says, and sees that it is there.

use ipnet::IpNet;

use crate::firewall::{Pfctl, PfctlError, Rules};
use crate::os::holds::HoldError;
use crate::os::states::StatesError;
use crate::os::{FileError, Files, TrackedConnection};
use crate::pf::interfaces::InterfaceFacts;
use crate::report::{Note, PfState, Report, ReportFact};
use crate::root::live::{Live, Needed, Surroundings, observe};
use crate::root::permissions::AskedBy;
use crate::root::plan::{AnchorContents, Evaluation, Observed, Plan, PlanError, Step, plan};
use crate::root::report::{self, Contradiction};
use crate::root::request::Operation;
use crate::rules::anchor::{self, Header};
use crate::rules::conf::{self, ConfError};
use crate::rules::drops::{Drops, Enabling, drops};
use crate::rules::due::{Clocks, come_due};
use crate::rules::evening;
use crate::rules::ledger::{Attachment, Guard, Ledger, PfToken, Seconds, Visit};
use crate::rules::named_port::NamedPort;
use crate::system::{ANCHOR_FILE, LEDGER, Moment, NetworkFacts, PF_CONF, STATUS, System};

/// The Mac that a request works on, while it holds the lock.
#[derive(Debug)]
pub struct Machine<'a> {
    pub system: &'a dyn System,
    pub files: Files,
    pub interfaces: Vec<InterfaceFacts>,
    /// The networks that it is on; none where they cannot be read, and then none is known.
    pub networks: Vec<NetworkFacts>,
    pub pf: Pfctl,
    pub boot: String,
    pub now: Seconds,
    /// What the request has to know.
    pub needed: Needed,
    /// Seconds by the clock that goes on in sleep, at `now`.
    pub clock: u64,
    pub asked_by: AskedBy,
}

/// Why pf is not known to be where it was to be put.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("cannot {what}: {source}")]
    Step { what: String, source: StepError },
    #[error("cannot read pf back: {0}")]
    ReadBack(#[source] PfctlError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    Files(FileError),
    #[error("the anchor {0} does not hold what was loaded into it")]
    NotLoaded(&'static str),
    #[error("the anchor {0} is not empty")]
    NotCleared(&'static str),
    #[error("the loaded ruleset does not call the anchor {0}")]
    NotCalled(&'static str),
    #[error("the loaded ruleset calls the anchor {0} still")]
    StillCalled(&'static str),
    #[error("pf is not enabled although it was asked to be")]
    NotEnabled,
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    #[error("cannot write the ledger: {0}")]
    Ledger(#[source] StepError),
    #[error("cannot write our anchor file: {0}")]
    AnchorFile(#[source] FileError),
    #[error("cannot release our hold on pf: {0}")]
    Release(#[source] HoldError),
}

/// Why one step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Pf(#[from] PfctlError),
    #[error(transparent)]
    Hold(#[from] HoldError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Conf(#[from] ConfError),
}

/// pf where it was to be put.
#[derive(Debug)]
pub struct Reached {
    pub live: Live,
    /// How many connections were cut; or why none could be: they stay open until they end.
    pub cut: Result<usize, StatesError>,
    pub notes: Vec<Note>,
}

impl Machine<'_> {
    /// Lengthens what is to be lengthened in `ledger`, and closes what is over.
    pub fn come_due(&self, ledger: &mut Ledger) {
        self.lengthen(ledger);
        self.expire(ledger);
    }

    /// Closes what is over in `ledger`, by whichever clock that comes first; what is open still is over by both from then on.
    pub fn expire(&self, ledger: &mut Ledger) {
        let now = Moment { time: self.now, boot: self.boot.clone(), clock: self.clock };
        let clocks = Clocks { now, evening: self.evening(ledger), latest: self.latest_seen() };
        come_due(ledger, &clocks);
    }

    /// Gives what is in session when its evening has come its 30 minutes more. Who is on this Mac itself is not cut off by a
    /// closing, and needs none.
    fn lengthen(&self, ledger: &mut Ledger) {
        let now = Moment { time: self.now, boot: self.boot.clone(), clock: self.clock };
        if !ledger.openings.iter().any(|opening| opening.may_last_longer() && opening.is_over(&now)) {
            return;
        }
        // A closing would cut a session off: what cannot be read is read once more, and then nothing is known to be there.
        let connections = self.system.connections().or_else(|_| self.system.connections());
        let connections = connections.unwrap_or_default();
        let comes_in =
            |connection: &&TrackedConnection| connection.is_inbound && !connection.remote.ip().is_loopback();
        let used: Vec<u16> = connections.iter().filter(comes_in).map(|one| one.local.port()).collect();
        ledger.lengthen_evenings(&now, |range| used.iter().any(|port| range.contains(*port)));
    }

    /// Follows this Mac to the networks that it is on: what was opened on another one pauses, or is over.
    pub fn follow(&self, ledger: &mut Ledger, action: &Operation) {
        let visit = if *action == (Operation::Tick {}) { Visit::Tick } else { Visit::Request };
        ledger.follow(&self.networks, visit);
    }

    /// When an evening that is asked for now ends.
    pub fn evening(&self, ledger: &Ledger) -> Seconds {
        let day = ledger.end_of_day.unwrap_or_default();
        evening::evening(self.now, day, &self.system.zone()).until
    }

    /// The latest time by the wall clock that a helper has looked at pf.
    fn latest_seen(&self) -> Seconds {
        let status = self.files.read(STATUS).ok().flatten();
        match status.map(|bytes| ReportFact::read(&bytes)) {
            Some(ReportFact::Read(report)) => report.seen,
            _ => Seconds::MIN,
        }
    }

    /// What pf and the files hold, compared with `ledger`.
    pub fn observe(&self, live: &Live, ledger: &Ledger) -> Result<Observed, FileError> {
        let surroundings = Surroundings {
            pf: &self.pf,
            interfaces: &self.interfaces,
            boot: &self.boot,
            clock: self.system.clock(),
            needed: self.needed,
        };
        observe(&self.files, live, surroundings, ledger)
    }

    /// Has pf parse what is to be loaded, before anything is. Of pf.conf only what is not ours is parsed: our block is
    /// fixed text, and the file that it names is not written yet.
    pub fn check(&self, observed: &Observed, plan: &Plan) -> Result<(), StepError> {
        for step in &plan.steps {
            match step {
                Step::Load { anchor, rules } if !rules.is_empty() => {
                    self.pf.check(Some(anchor), Rules::Text(rules))?;
                }
                Step::LoadConf => {
                    self.pf.check(None, Rules::File(&self.files.place(PF_CONF)))?;
                }
                Step::Main { load: true, .. } => {
                    let bytes = observed.conf.as_deref().unwrap_or_default();
                    // The plan has found our block in it already.
                    let others = conf::remove(bytes).unwrap_or_default();
                    self.pf.check(None, Rules::Text(&String::from_utf8_lossy(&others)))?;
                }
                // A file that pfctl refuses may have another mistake still.
                Step::Lines { before, after } if self.check_main(before).is_ok() => self.check_main(after)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn check_main(&self, text: &[u8]) -> Result<(), PfctlError> {
        self.pf.check(None, Rules::Text(&String::from_utf8_lossy(text)))
    }

    pub fn write_ledger(&self, ledger: &Ledger) -> Result<(), StepError> {
        Ok(self.files.replace(LEDGER, &ledger.file()?, 0o644)?)
    }

    /// Writes our anchor file; without rules it holds its header alone.
    pub fn write_anchor_file(&self, ledger: &Ledger, user: &str) -> Result<(), FileError> {
        let written = timestamp(self.now);
        let text = anchor::render(ledger, &self.interfaces, &Header { written: &written, user });
        self.files.replace(ANCHOR_FILE, text.as_bytes(), 0o644)
    }

    /// Puts pf where `target` says, from where `live` saw it, and sees that it is there. The token that is taken where
    /// the guard needs one comes into `target`.
    pub fn execute(&self, plan: Plan, mut live: Live, target: &mut Ledger) -> Result<Reached, Failure> {
        // Where pf's answer was not understood it may have been on: then no state is stale, and none is dropped as such.
        let enables = plan.steps.contains(&Step::Enable) && live.state == PfState::Disabled;
        for step in &plan.steps {
            self.step(step, target).map_err(|source| Failure::Step { what: step.describe(), source })?;
        }
        let cut = self.drop_states(target, if enables { Enabling::FromOff } else { Enabling::None });
        let token = target.token.as_ref();
        live.reread(&self.pf, &plan.steps, token, self.needed).map_err(Failure::ReadBack)?;
        self.verify(&live, target, &plan.notes)?;
        let exceptions = report::exceptions(&live, &self.interfaces, target);
        Ok(Reached { live, cut, notes: [plan.notes, exceptions].concat() })
    }

    fn step(&self, step: &Step, target: &mut Ledger) -> Result<(), StepError> {
        match step {
            Step::Load { anchor, rules } => self.pf.load_anchor(anchor, Rules::Text(rules))?,
            Step::Main { conf, load } => {
                self.edit_conf(conf, *load)?;
                if *load {
                    self.pf.load_main(Rules::File(&self.files.place(PF_CONF)))?;
                }
            }
            Step::LoadConf => self.pf.load_main(Rules::File(&self.files.place(PF_CONF)))?,
            Step::Lines { before, after } => self.files.replace_seen(PF_CONF, Some(before), after, 0o644)?,
            Step::Enable => {
                target.token = Some(PfToken { number: self.system.hold_pf()?, boot: self.boot.clone() });
            }
        }
        Ok(())
    }

    /// Puts our block into /etc/pf.conf, or takes it out, as `planned` does, of what the file holds by now: a line that
    /// another program wrote meanwhile stays. Errors: that changed what was checked and is to be loaded.
    fn edit_conf(&self, planned: &[u8], load: bool) -> Result<(), StepError> {
        const TRIES: usize = 5;
        let changed = || FileError::Changed { path: self.files.place(PF_CONF) };
        for _ in 0..TRIES {
            let Some(now) = self.files.read(PF_CONF)? else { return Err(changed().into()) };
            if load && conf::remove(&now)? != conf::remove(planned)? {
                return Err(changed().into());
            }
            let wanted = if conf::contains(planned)? { conf::add(&now)? } else { conf::remove(&now)? };
            match self.files.replace_seen(PF_CONF, Some(&now), &wanted, 0o644) {
                Err(FileError::Changed { .. }) => {}
                replaced => return Ok(replaced?),
            }
        }
        Err(changed().into())
    }

    /// Loads what `ledger` says into our own anchors, sees that it is there, and does nothing else: what can be done where
    /// nothing can be written down.
    pub fn load_alone(&self, mut live: Live, ledger: &Ledger) -> Result<Reached, Failure> {
        let observed = self.observe(&live, ledger).map_err(Failure::Files)?;
        let Plan { mut steps, notes, .. } = plan(&observed, ledger, Evaluation::AsItIs)?;
        steps.retain(|step| matches!(step, Step::Load { .. }));
        let mut target = ledger.clone();
        for step in &steps {
            self.step(step, &mut target).map_err(|source| Failure::Step { what: step.describe(), source })?;
        }
        let cut = self.drop_states(ledger, Enabling::None);
        live.reread(&self.pf, &steps, None, self.needed).map_err(Failure::ReadBack)?;
        for way in [Attachment::Apple, Attachment::Classic] {
            let loaded = live.loaded(way.anchor(), ledger, &self.interfaces);
            if ledger.way == Some(way) && loaded != AnchorContents::AsWanted {
                return Err(Failure::NotLoaded(way.anchor()));
            }
            if ledger.way != Some(way) && loaded != AnchorContents::Nothing {
                return Err(Failure::NotCleared(way.anchor()));
            }
        }
        Ok(Reached { live, cut, notes })
    }

    /// Whether pf holds what was asked, evaluates it where the plan says that it will, and is enabled where the guard is on.
    fn verify(&self, live: &Live, ledger: &Ledger, notes: &[Note]) -> Result<(), Failure> {
        let is_evaluated = !notes.iter().any(|note| matches!(note, Note::NotEvaluated { .. }));
        let may_stay_called = notes.iter().any(|note| {
            matches!(note, Note::ClassicCallStays | Note::TornBlock | Note::UnreadConf | Note::BlockStays)
        });
        let observed = self.observe(live, ledger).map_err(Failure::Files)?;
        for way in [Attachment::Apple, Attachment::Classic] {
            let (loaded, called) = match way {
                Attachment::Apple => (observed.apple, observed.calls_apple),
                Attachment::Classic => (observed.classic, observed.calls_classic),
            };
            if ledger.way != Some(way) {
                if loaded != AnchorContents::Nothing {
                    return Err(Failure::NotCleared(way.anchor()));
                }
                if way == Attachment::Classic && called && !may_stay_called {
                    return Err(Failure::StillCalled(way.anchor()));
                }
                continue;
            }
            if loaded != AnchorContents::AsWanted {
                return Err(Failure::NotLoaded(way.anchor()));
            }
            if is_evaluated && !called {
                return Err(Failure::NotCalled(way.anchor()));
            }
        }
        let is_to_be_on = ledger.guard == Guard::On && !notes.contains(&Note::PfStaysOff);
        if is_to_be_on && (live.state != PfState::Enabled || !observed.token_held) {
            return Err(Failure::NotEnabled);
        }
        Ok(())
    }

    /// Whether pf as a whole would do what the ledger says: rules of others may decide before ours. Where a note says that
    /// ours are not evaluated, nothing more is to be said.
    pub fn is_obeyed(&self, reached: &Reached, ledger: &Ledger, request: &Operation) -> Result<(), Failure> {
        if reached.notes.iter().any(|note| matches!(note, Note::NotEvaluated { .. })) {
            return Ok(());
        }
        Ok(report::check(&reached.live, &self.interfaces, ledger, request)?)
    }

    /// Cuts connections that the new rules refuse; those whose states may be stale go on without them. Tried twice.
    fn drop_states(&self, ledger: &Ledger, enabling: Enabling) -> Result<usize, StatesError> {
        let own: Vec<_> =
            self.interfaces.iter().flat_map(|facts| &facts.addresses).map(IpNet::addr).collect();
        let cut = || {
            let connections = self.system.connections()?;
            let Drops { refused, stale } = drops(ledger, enabling, &own, &connections);
            if !stale.is_empty() {
                self.system.drop_states(&stale)?;
            }
            if refused.is_empty() { Ok(0) } else { self.system.drop_states(&refused) }
        };
        cut().or_else(|_| cut())
    }

    /// Writes what pf looks like, for the user's programs to read: of the ledger's ports, and of those that the asker's menu
    /// shows, or else the last one's. Only the ledger's are managed, since a report that does not hold to the ledger counts as outdated.
    pub fn write_report(
        &self,
        ledger: &Ledger,
        shown: &[NamedPort],
        live: &Live,
        notes: &[Note],
    ) -> Result<(), FileError> {
        let last = if shown.is_empty() { report::shown_last(&self.files) } else { Vec::new() };
        let asked = report::with_shown(&report::with_shown(ledger, shown), &last);
        // While the guard is on, what is shown and not managed is looked at too.
        let ranges = report::ranges(&asked, &[shown, &last].concat());
        let at = report::Look { interfaces: &self.interfaces, boot: &self.boot, now: self.now };
        let report = report::report(&self.files, &asked, &ranges, live, &at, notes);
        let report = Report { managed: ledger.managed.clone(), ..report };
        report::write(&self.files, &report, live, report::wanted(ledger, &self.interfaces))
    }
}

/// A time as RFC 3339 in UTC.
pub fn timestamp(seconds: Seconds) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}
