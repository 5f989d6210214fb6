//! One fault on one Mac, what the helper makes of it, and what the next helper makes of that.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::direct::{Director, Doing, Fault, Meanwhile, Site, Stage};
use crate::helper::{self, Answer, Ask};
use crate::image::{Entry, Image};
use crate::inject::{self, Ended, Running};
use crate::intent::Intent;
use crate::judge::{
    Findings, Intents, LAB, Moment, NO_NETWORK, OTHER_NETWORK, OTHERS, OWN_SESSION, Reference, SESSION, Wrong,
};
use crate::pf::STATES;
use crate::scenarios::{Before, Scenario};

/// What the next run of the helper is.
const CONTINUATIONS: [(Ask, &str); 2] = [(Ask::Tick, "then tick"), (Ask::CloseAll, "then close --all")];

/// A Mac that others use too.
const OTHERS_CONF: &str = "\
anchor \"org.example\"
load anchor \"org.example\" from \"/etc/pf.anchors/org.example\"
load anchor \"org.uncalled\" from \"/etc/pf.anchors/org.uncalled\"
";
const OTHERS_ANCHOR: &str = "\
table <friends> persist { 10.9.0.0/16, fd00:9::/64 }
pass in quick proto tcp from <friends> to any port 8443
block in quick proto udp from any to any port 9999
";
const OTHERS_RUNTIME: &str = "\
table <tunnel> { 10.8.0.0/24 }
pass out quick on utun0 proto tcp from <tunnel> to any port 443
";

/// A place to work in: one lab at a time.
pub struct Workplace {
    pub stage: Stage,
    /// Numbers the answers, so that an orphan that still holds one spoils no other.
    folder: PathBuf,
}

impl Workplace {
    /// Makes one in `folder`.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let wings = folder.join("wings");
        std::fs::create_dir_all(&wings)?;
        let gate = wings.join("gate");
        if !gate.exists() {
            let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, &gate, rustix::fs::FileType::Fifo, mode, 0)?;
        }
        let stage = Stage {
            lab: folder.join("lab"),
            wings,
            helper: helper::program().canonicalize()?,
            pfctl: Path::new(env!("CARGO_BIN_EXE_pfctl-lab")).canonicalize()?,
            stand_in: std::env::current_exe()?.canonicalize()?,
        };
        Ok(Workplace { stage, folder: folder.to_owned() })
    }

    /// Starts the helper under watch.
    fn start(&self, ask: &Ask, now: i64, plan: Option<(Site, Fault)>) -> io::Result<Option<Running>> {
        self.start_under(ask, now, Director::new(&self.stage, plan))
    }

    fn start_under(&self, ask: &Ask, now: i64, director: Director) -> io::Result<Option<Running>> {
        let _ = std::fs::remove_dir(self.stage.wings.join("started"));
        let Some(arguments) = helper::arguments(&self.stage.lab, ask, "ada", now) else { return Ok(None) };
        inject::start(&self.stage.helper, &arguments, &self.stage.answer(), director).map(Some)
    }

    /// Runs the helper without a fault and without a watch.
    pub fn run(&self, ask: &Ask, asker: &str, now: i64) -> io::Result<Result<Answer, String>> {
        let Some(arguments) = helper::arguments(&self.stage.lab, ask, asker, now) else {
            return Ok(Err("the helper has no such request".to_owned()));
        };
        // A file, since a recorder may hold its end of a pipe for long.
        let answer = self.folder.join("next-answer");
        let status = Command::new(&self.stage.helper)
            .args(arguments)
            .env_clear()
            .env("USER", "ada")
            .current_dir("/")
            .stdin(std::process::Stdio::null())
            .stdout(std::fs::File::create(&answer)?)
            .stderr(std::process::Stdio::null())
            .status()?;
        let said = String::from_utf8_lossy(&std::fs::read(&answer)?).into_owned();
        Ok(Answer::read(&said, status.code()))
    }

    fn ring(&self) -> io::Result<()> {
        let bell = self.stage.lab.join("Library/Application Support/Portcullis/bell");
        let own = rustix::process::getuid().as_raw();
        std::fs::write(bell.join(format!("{own}.2345")), "1")?;
        std::fs::write(bell.join("ring"), "1")
    }

    /// Its copy and what is written of it.
    fn make_helper_older(&self) -> io::Result<()> {
        let copy = self.stage.lab.join("Library/PrivilegedHelperTools/dev.portcullis.helper");
        let job = self.stage.lab.join("Library/Application Support/Portcullis/job.json");
        let older = [std::fs::read(&copy)?.as_slice(), b"# older\n"].concat();
        let digest: String = Sha256::digest(&older).iter().map(|byte| format!("{byte:02x}")).collect();
        std::fs::write(copy, older)?;
        let text = format!("{{\"version\":1,\"helper\":\"0.0.1\",\"sha256\":\"{digest}\"}}");
        std::fs::write(job, text)
    }

    fn pfctl(&self, arguments: &[&str], input: &str) -> io::Result<()> {
        use std::io::Write as _;
        let mut child = Command::new(&self.stage.pfctl)
            .arg("--lab")
            .arg(&self.stage.lab)
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(input.as_bytes())?;
        }
        if child.wait()?.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("pfctl {} failed", arguments.join(" "))))
        }
    }

    fn moment(&self) -> io::Result<Moment> {
        Image::read(&self.stage.lab).map(Moment::of)
    }

    fn asked(&self, ask: &Ask, now: i64) -> io::Result<()> {
        match self.run(ask, "ada", now)? {
            Ok(answer) if answer.ok => Ok(()),
            other => Err(io::Error::other(format!("{ask:?} before the scenario: {other:?}"))),
        }
    }

    /// Lets every stand-in go on that waits at the gate.
    fn open_gate(&self) -> io::Result<std::fs::File> {
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        std::fs::OpenOptions::new().read(true).write(true).custom_flags(flags).open(self.stage.gate())
    }
}

/// The pf.conf of every scenario; its last line has no effect.
pub fn furnished_conf() -> String {
    format!("{}{OTHERS_CONF}", portcullis::lab::STOCK_PF_CONF)
}

/// Makes the Mac of a scenario.
pub fn furnish(work: &Workplace, scenario: &Scenario, now: i64) -> io::Result<Moment> {
    let lab = &work.stage.lab;
    Image::default().write(lab)?;
    work.pfctl(&["-s", "info"], "")?;
    std::fs::write(lab.join("etc/pf.conf"), furnished_conf())?;
    std::fs::write(lab.join("etc/pf.anchors/org.example"), OTHERS_ANCHOR)?;
    std::fs::write(lab.join("etc/pf.anchors/org.uncalled"), "pass in proto tcp from any to any port 7777\n")?;
    std::fs::write(lab.join("Library/LaunchDaemons/org.example.plist"), "<plist/>\n")?;
    work.pfctl(&["-f", "/etc/pf.conf"], "")?;
    work.pfctl(&["-a", "com.apple/150.vpn", "-f", "-"], OTHERS_RUNTIME)?;
    let mut states: Vec<&str> = OTHERS.to_vec();
    for before in &scenario.before {
        match before {
            Before::Shared => work.pfctl(&["-E"], "")?,
            Before::Session => states.push(SESSION),
            Before::OwnSession => states.push(OWN_SESSION),
            Before::Due => std::thread::sleep(Duration::from_secs(4)),
            Before::NoNetwork => std::fs::write(lab.join(LAB.trim_start_matches('/')), NO_NETWORK)?,
            Before::OtherNetwork => {
                std::fs::write(lab.join(LAB.trim_start_matches('/')), OTHER_NETWORK)?;
            }
            Before::Rung => work.ring()?,
            Before::OlderHelper => work.make_helper_older()?,
            Before::Recording => work.asked(&Ask::Record, now)?,
            // It comes soon after it was asked for, however long it took to come here.
            Before::Asked(ask @ Ask::OpenUntilEvening(..)) => work.asked(ask, crate::run::now())?,
            Before::Asked(ask) => work.asked(ask, now)?,
        }
    }
    let states: String = states.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(lab.join(STATES.trim_start_matches('/')), states)?;
    let moment = work.moment()?;
    // The labs that are made from it find a recorder that is gone.
    if scenario.before.iter().any(|before| matches!(before, Before::Recording)) {
        work.asked(&Ask::StopRecording, now)?;
    }
    Ok(moment)
}

/// A scenario that is ready to be tried.
pub struct Prepared {
    pub name: String,
    ask: Ask,
    /// What the change is of: of a recovery, the request that was killed.
    change: Ask,
    /// When its request was made, seconds since 1970.
    now: i64,
    /// How the lab is when the helper starts.
    start: Moment,
    reference: Reference,
    /// Whatever happens, this is what the ledger has to say in the end; `None`: it depends.
    end: Option<Intent>,
    /// What every later run is followed by.
    last: Option<Ask>,
    /// Every site of a run without a fault, in its order.
    pub sites: Vec<(Site, Doing)>,
    /// What was wrong without any fault.
    pub clean: Findings,
    known: Mutex<HashMap<[u8; 32], Arc<Later>>>,
}

/// What the next runs of the helper made of a lab: that lab, and each continuation's lab and answer.
struct Later {
    start: Moment,
    ends: Vec<(Moment, Result<Answer, String>)>,
    /// What an uninstallation that was hit comes to when it is asked for again.
    again: Findings,
}

/// What came of a fault.
pub struct Tried {
    pub found: Findings,
    /// Whether the fault was injected.
    pub reached: bool,
}

/// Makes a scenario ready. `None`: the helper does not have its request yet.
pub fn prepare(work: &Workplace, scenario: &Scenario, now: i64) -> io::Result<Option<Prepared>> {
    if helper::arguments(&work.stage.lab, &scenario.ask, "ada", now).is_none() {
        return Ok(None);
    }
    let start = furnish(work, scenario, now)?;
    let records = scenario.ask == Ask::Record || scenario.ask == Ask::StopRecording;
    let last = records.then_some(Ask::StopRecording);
    prepare_from(work, scenario.name, &scenario.ask, now, (start, None), last, None).map(Some)
}

/// Makes the recovery of a scenario ready: its helper was killed midway. `None`: there is no such moment.
pub fn prepare_recovery(work: &Workplace, prepared: &Prepared) -> io::Result<Option<Prepared>> {
    let kill = |site: &Site| -> io::Result<Moment> {
        prepared.start.image.write(&work.stage.lab)?;
        let plan = Some((site.clone(), Fault::Kill));
        let Some(mut running) = work.start(&prepared.ask, prepared.now, plan)? else {
            return work.moment();
        };
        running.wait()?;
        running.settles();
        running.end();
        work.moment()
    };
    // The first site before which the change has begun.
    let (mut first, mut last) = (0, prepared.sites.len());
    let mut midway = None;
    while first < last {
        let middle = first.midpoint(last);
        let moment = kill(&prepared.sites[middle].0)?;
        if moment.has_begun(&prepared.start) {
            midway = Some(moment);
            last = middle;
        } else {
            first = middle + 1;
        }
    }
    let Some(midway) = midway else { return Ok(None) };
    let end = prepared.reference.due(&midway).less_due(prepared.now);
    let name = format!("recovery-of-{}", prepared.name);
    let start = (midway, Some(prepared));
    prepare_from(work, &name, &Ask::Tick, prepared.now, start, None, Some(end)).map(Some)
}

fn prepare_from(
    work: &Workplace,
    name: &str,
    ask: &Ask,
    now: i64,
    (start, of): (Moment, Option<&Prepared>),
    last: Option<Ask>,
    end: Option<Intent>,
) -> io::Result<Prepared> {
    start.image.write(&work.stage.lab)?;
    let no_request = || io::Error::other("the helper has no such request");
    let mut running = work.start(ask, now, None)?.ok_or_else(no_request)?;
    let ended = running.wait()?;
    let settled = running.settles();
    let sites = std::mem::take(&mut running.director().sites);
    let after = work.moment()?;
    let mut later = Vec::new();
    for (next, _) in &CONTINUATIONS {
        if settled {
            after.image.write(&work.stage.lab)?;
        }
        work.run(next, "ada", now)?.map_err(io::Error::other)?;
        later.push(work.moment()?.image);
    }
    if let Some(last) = &last {
        work.run(last, "ada", now)?.map_err(io::Error::other)?;
        later.push(work.moment()?.image);
    }
    running.settles();
    running.end();
    // A recovery is judged by the change that it recovers from.
    let (before, after) = match of {
        Some(of) => (of.reference.before.clone(), of.reference.after.clone()),
        None => (start.clone(), after),
    };
    later.extend(of.into_iter().map(|of| of.start.image.clone()));
    let reference = Reference::new(before, after, &later).map_err(io::Error::other)?;
    let mut prepared = Prepared {
        name: name.to_owned(),
        ask: ask.clone(),
        change: of.map_or(ask, |of| &of.ask).clone(),
        now,
        start,
        reference,
        end,
        last,
        sites,
        clean: Findings::default(),
        known: Mutex::default(),
    };
    // What was rung for is closed sooner or later, however often a helper is killed; so is what was left.
    if *ask == Ask::TickByBell || prepared.start.image.file(LAB) == Some(OTHER_NETWORK) {
        prepared.end = Some(prepared.reference.intents.after.clone());
    }
    let nothing = (Site { call: "nothing".to_owned(), nth: 1 }, Fault::Kill);
    prepared.clean = prepared.try_fault(work, nothing, false)?.found;
    let Intents { before, after, .. } = &prepared.reference.intents;
    // A recovery is not what was asked for.
    if of.is_none()
        && !matches!(ask, Ask::Guard { way: Some(_), .. })
        && before.needs_rules()
        && after.needs_rules()
        && before.way != after.way
    {
        let what = "without a fault: a request without a preference took another way";
        prepared.clean.0.push((Wrong::Disagree, what.to_owned()));
    }
    if Answer::read(&ended.stdout, ended.code).map_or(true, |answer| !answer.ok) {
        prepared.clean.0.push((Wrong::Lies, format!("without a fault: {}", ended.stdout.trim())));
    }
    Ok(prepared)
}

impl Prepared {
    /// Injects one fault, and judges what comes of it. `hurried`: pfctl's time-out in the lab is short.
    pub fn try_fault(&self, work: &Workplace, plan: (Site, Fault), hurried: bool) -> io::Result<Tried> {
        let fault = plan.1;
        let mut image = self.start.image.clone();
        if hurried && let Some(line) = helper::SHORT_TIME_OUT {
            append(&mut image, "/lab.toml", line);
        }
        let mut first = self.hit(work, &image, &plan)?;
        let moment = std::mem::replace(&mut first.moment, Moment::of(Image::default()));
        let mut found = self.reference.at_once(&moment);
        let due = self.judge_answer(&plan, &first, &moment, &mut found);
        if first.settled {
            first.running.end();
            let later = self.later(work, &moment)?;
            found.take_in("then uninstall", later.again.clone());
            for ((next, when), (after, answer)) in CONTINUATIONS.iter().zip(&later.ends) {
                found.take_in(when, self.judge_next(next, &due, &later.start, after, answer));
                if fault.kills() && (moment.has_journal() || moment.has_begun(&self.start)) {
                    found.take_in(when, Reference::audited(&self.start, (after, answer), &self.change, next));
                }
            }
        } else {
            let mut first = Some(first);
            for (next, when) in &CONTINUATIONS {
                // Hit again, what is written has another time.
                let (hit, start) = match first.take() {
                    Some(hit) => (hit, moment.clone()),
                    None => {
                        let hit = self.hit(work, &image, &plan)?;
                        let start = hit.moment.clone();
                        (hit, start)
                    }
                };
                let reached = self.go_on(work, hit, fault, next, &due, &start)?;
                found.take_in(when, reached);
            }
            return Ok(Tried { found, reached: true });
        }
        Ok(Tried { found, reached: first_reached(&plan, first.reached) })
    }

    /// Starts the request where pfctl's time-out is short; at one site something is done before the call goes on.
    pub fn start_with(&self, work: &Workplace, site: &Site, what: Meanwhile) -> io::Result<Running> {
        let mut image = self.start.image.clone();
        if let Some(line) = helper::SHORT_TIME_OUT {
            append(&mut image, "/lab.toml", line);
        }
        image.write(&work.stage.lab)?;
        let director = Director::new(&work.stage, None).meanwhile(site, what);
        let running = work.start_under(&self.ask, self.now, director)?;
        running.ok_or_else(|| io::Error::other("the helper has no such request"))
    }

    /// Whether a recorder goes on when the helper has ended.
    pub fn leaves_recorder(&self) -> bool {
        self.ask == Ask::Record
    }

    /// Closes everything, ends what is left of a run, and looks whether all is closed. Gives what is not as it should be.
    pub fn close_all(&self, work: &Workplace, running: Running, seconds: u32) -> io::Result<Vec<String>> {
        let asked = work.start(&Ask::CloseAll, self.now, None)?;
        let mut asked = asked.ok_or_else(|| io::Error::other("the helper has no such request"))?;
        let ended = asked.wait_for(seconds)?;
        asked.settles_within(Duration::from_secs(2));
        asked.end();
        if let Some(last) = &self.last {
            let _ = work.run(last, "ada", self.now)?;
        }
        running.end();
        let mut found = Findings::default();
        self.reference.all_closed(&work.moment()?, &mut found);
        let refused = match Answer::read(&ended.stdout, ended.code) {
            Ok(answer) if answer.ok => None,
            Ok(answer) => Some(format!("close --all is refused: {}", answer.message)),
            Err(why) => Some(format!("close --all: stuck {}, {why}", ended.stuck)),
        };
        Ok(refused.into_iter().chain(found.0.into_iter().map(|(_, what)| what)).collect())
    }

    fn hit(&self, work: &Workplace, image: &Image, plan: &(Site, Fault)) -> io::Result<Hit> {
        image.write(&work.stage.lab)?;
        let running = work.start(&self.ask, self.now, Some(plan.clone()))?;
        let mut running = running.ok_or_else(|| io::Error::other("the helper has no such request"))?;
        let ended = running.wait()?;
        let settled = running.settles();
        running.director().put_back();
        let moment = work.moment()?;
        let reached = running.director().reached;
        Ok(Hit { running, ended, settled, moment, reached })
    }

    /// Judges what the helper said of the fault; gives what its ledger has to say in the end.
    fn judge_answer(
        &self,
        (site, fault): &(Site, Fault),
        hit: &Hit,
        moment: &Moment,
        found: &mut Findings,
    ) -> Intent {
        if hit.ended.stuck {
            found.0.push((Wrong::Lies, "the helper did not end".to_owned()));
        }
        // Whoever is killed, or cannot write its answer, gives none.
        let silent = fault.kills() && hit.ended.code.is_none() || site.call.ends_with("=answer");
        // What is over by now is closed, whatever was asked; but for a debugger in session in the evening.
        let now = crate::run::now();
        let by_now = |due: &Intent| {
            let longer = moment.has_session().then(|| due.lengthened(now));
            longer.as_ref().unwrap_or(due).less_due(now)
        };
        let end = self.end.as_ref().map(by_now);
        let asked = end.as_ref().unwrap_or(&self.reference.intents.after);
        let due = if silent {
            self.reference.due(moment).clone()
        } else {
            let answer = Answer::read(&hit.ended.stdout, hit.ended.code);
            self.reference.answer(&self.start, asked, moment, &answer, found)
        };
        end.unwrap_or_else(|| by_now(&due))
    }

    /// What both continuations make of a lab in which nothing goes on any more; the same labs are tried once.
    fn later(&self, work: &Workplace, moment: &Moment) -> io::Result<Arc<Later>> {
        let likeness = moment.likeness();
        let known = |known: &Mutex<HashMap<[u8; 32], Arc<Later>>>| {
            let known = known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            known.get(&likeness).cloned()
        };
        if let Some(later) = known(&self.known) {
            return Ok(later);
        }
        let mut ends = Vec::new();
        for (next, _) in &CONTINUATIONS {
            moment.image.write(&work.stage.lab)?;
            let answer = work.run(next, "ada", self.now)?;
            if let Some(last) = &self.last {
                let _ = work.run(last, "ada", self.now)?;
            }
            ends.push((work.moment()?, answer));
        }
        let mut again = Findings::default();
        if self.change == Ask::Uninstall {
            moment.image.write(&work.stage.lab)?;
            let answer = work.run(&Ask::Uninstall, "ada", self.now)?;
            self.reference.nothing_left(&work.moment()?, &answer, &mut again);
        }
        let later = Arc::new(Later { start: moment.clone(), ends, again });
        let mut all = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(Arc::clone(all.entry(likeness).or_insert(later)))
    }

    /// How many different labs the faults have left so far.
    pub fn labs(&self) -> usize {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner).len()
    }

    fn judge_next(
        &self,
        next: &Ask,
        due: &Intent,
        start: &Moment,
        after: &Moment,
        answer: &Result<Answer, String>,
    ) -> Findings {
        let closes = *next == Ask::CloseAll;
        let mut due = if closes { due.all_closed() } else { due.clone() };
        if closes {
            due.managed.extend(helper::MENU.map(|(_, port)| port));
        }
        let mut found = self.reference.finally(after, &due);
        // What a last request did is not what this answer is about.
        let start = if self.last.is_some() { after } else { start };
        self.reference.next_answer(start, after, answer, &mut found);
        if closes {
            self.reference.nothing_open(after, &mut found);
        }
        found
    }

    /// One continuation in a lab in which something goes on: a recorder, or a pfctl that is late.
    fn go_on(
        &self,
        work: &Workplace,
        hit: Hit,
        fault: Fault,
        next: &Ask,
        due: &Intent,
        start: &Moment,
    ) -> io::Result<Findings> {
        let answer = work.run(next, "ada", self.now)?;
        if let Some(last) = &self.last {
            let _ = work.run(last, "ada", self.now)?;
        }
        let mut left = Vec::new();
        if fault.is_late() {
            let gate = work.open_gate()?;
            hit.running.settles_within(Duration::from_secs(5));
            drop(gate);
        } else {
            hit.running.settles_within(Duration::from_millis(1500));
        }
        if !hit.running.has_settled() {
            left = hit.running.director().living();
        }
        let after = work.moment()?;
        hit.running.end();
        let mut found = self.judge_next(next, due, start, &after, &answer);
        for (_, words) in left {
            let words = words.replace(&*work.stage.lab.to_string_lossy(), "LAB");
            found.0.push((Wrong::Leaked, format!("a process is left: {words}")));
        }
        Ok(found)
    }
}

/// A run that was hit.
struct Hit {
    running: Running,
    ended: Ended,
    settled: bool,
    moment: Moment,
    reached: bool,
}

/// The run without a fault reaches none.
fn first_reached(plan: &(Site, Fault), reached: bool) -> bool {
    reached || plan.0.call == "nothing"
}

fn append(image: &mut Image, path: &str, line: &str) {
    if let Some(Entry::File { bytes, .. }) = image.0.get_mut(path) {
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
    }
}
