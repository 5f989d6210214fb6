//! What becomes of each call that is held up: it is counted, and at one of them the fault is injected.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Resource, Rlimit, Signal};

use crate::call::{self, Call, Trapped, What};

/// Where a run takes place.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The directory that plays `/`.
    pub lab: PathBuf,
    /// Beside it: the gate at which a pfctl is held up, the helper's answer.
    pub wings: PathBuf,
    /// The helper.
    pub helper: PathBuf,
    /// The lab's real pfctl, and the program that stands in for it.
    pub pfctl: PathBuf,
    pub stand_in: PathBuf,
}

impl Stage {
    /// Where the helper's standard output goes.
    pub fn answer(&self) -> PathBuf {
        self.wings.join("answer")
    }

    /// The pipe at which a stand-in waits until it is opened.
    pub fn gate(&self) -> PathBuf {
        self.wings.join("gate")
    }
}

/// One call in a run of one scenario: what it does and to what, and which of those it is, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site {
    pub call: String,
    pub nth: u32,
}

/// `rename=state:ledger.json@1`, without a space, so that a shell takes it as one word.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.call.replace(' ', "+"), self.nth)
    }
}

/// What can go wrong at a site depends on what is done there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    /// Writes so many bytes to a file.
    Write {
        long: bool,
    },
    /// Writes to a pipe, or answers.
    Tell,
    /// Takes room on the disk: makes a file or folder, gives it a name.
    Make,
    /// Opens a file for writing.
    Open,
    Sync,
    /// Takes a name away, sets owner or mode.
    Change,
    /// Makes a process.
    Fork,
    /// Starts a program in it.
    Execute,
    /// Asks the kernel's pf without pfctl.
    Ioctl,
    /// A run of pfctl as a whole.
    Pfctl {
        changes: bool,
    },
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The helper is killed before the call.
    Kill,
    Eio,
    Eagain,
    Enospc,
    /// The disk is full from this call on.
    Full,
    /// Half of the bytes are written.
    Short,
    /// Half of the bytes are written, then the disk is full, once.
    ShortFull,
    /// Half of the bytes are written, then the helper is killed.
    ShortKill,
    /// pfctl does nothing and ends with 1.
    Fail,
    /// pfctl does what it should and ends with 1.
    FailDone,
    /// So does every pfctl from this one on, without doing anything.
    FailOn,
    /// pfctl does nothing and never ends.
    Hang,
    /// pfctl does what it should and never ends.
    HangDone,
    /// pfctl does nothing, prints what nobody understands, and ends with 0.
    Junk,
    JunkDone,
    /// pfctl does nothing, says nothing, and ends with 0.
    Silent,
    /// The helper is killed while pfctl works, and that is done only after the next run of the helper.
    Late,
    /// The same, but the helper is killed before it can know that pfctl has started.
    LateStart,
}

/// Each fault's word in a point's name.
const WORDS: [(Fault, &str); 18] = [
    (Fault::Kill, "kill"),
    (Fault::Eio, "eio"),
    (Fault::Eagain, "eagain"),
    (Fault::Enospc, "enospc"),
    (Fault::Full, "full"),
    (Fault::Short, "short"),
    (Fault::ShortFull, "short-full"),
    (Fault::ShortKill, "short-kill"),
    (Fault::Fail, "fail"),
    (Fault::FailDone, "fail-done"),
    (Fault::FailOn, "fail-on"),
    (Fault::Hang, "hang"),
    (Fault::HangDone, "hang-done"),
    (Fault::Junk, "junk"),
    (Fault::JunkDone, "junk-done"),
    (Fault::Silent, "silent"),
    (Fault::Late, "late"),
    (Fault::LateStart, "late-start"),
];

impl Fault {
    /// Its word in a point's name.
    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(fault, _)| *fault == self).map_or("?", |(_, word)| word)
    }

    /// What can go wrong at a call.
    pub fn at(doing: Doing) -> &'static [Fault] {
        use Fault::*;
        match doing {
            Doing::Write { long: true } => &[Kill, Eio, Enospc, Full, Short, ShortFull, ShortKill],
            Doing::Write { long: false } | Doing::Open => &[Kill, Eio, Enospc, Full],
            Doing::Make | Doing::Sync => &[Kill, Eio, Enospc],
            Doing::Tell | Doing::Change | Doing::Execute | Doing::Ioctl => &[Kill, Eio],
            Doing::Fork => &[Kill, Eagain],
            Doing::Pfctl { changes: false } => &[Fail, FailOn, Hang, Junk, Silent, Late],
            Doing::Pfctl { changes: true } => {
                &[Fail, FailDone, FailOn, Hang, HangDone, Junk, JunkDone, Silent, Late, LateStart]
            }
        }
    }

    /// Whether a run waits for a time-out.
    pub fn hangs(self) -> bool {
        matches!(self, Fault::Hang | Fault::HangDone)
    }

    /// Whether the helper ends by it without a word.
    pub fn kills(self) -> bool {
        matches!(self, Fault::Kill | Fault::ShortKill) || self.is_late()
    }

    /// Whether a pfctl of it works on after the next run of the helper, unless that ends it.
    pub fn is_late(self) -> bool {
        matches!(self, Fault::Late | Fault::LateStart)
    }
}

/// How a call goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    GoOn,
    /// Whoever makes it was killed. A reply could let the call go on before the signal is seen.
    End,
    /// It fails with this error number.
    Fail(i32),
}

/// What is still to be done about a fault that began at an earlier call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Nothing,
    /// At the next call the process is killed.
    Kill,
    /// The next write fails.
    FailWrite,
    /// Each call that takes room fails.
    Full,
}

/// What is done while a call is held up.
pub type Meanwhile = Box<dyn FnOnce(&Call) + Send>;

/// Counts the calls of one run, and injects one fault.
pub struct Director {
    /// The helper's process.
    pub helper: u32,
    stage: Stage,
    plan: Option<(Site, Fault)>,
    meanwhile: Option<(Site, Meanwhile)>,
    counts: BTreeMap<String, u32>,
    /// Every site that was come by, in its order.
    pub sites: Vec<(Site, Doing)>,
    /// Whether the fault was injected.
    pub reached: bool,
    pending: Pending,
    /// Whose writes are cut short, until its next call.
    limited: Option<Pid>,
    stands_in: bool,
    /// Whether a pfctl that is to be late waits for its time.
    pub waits: bool,
    /// Every process that was seen.
    processes: BTreeSet<u32>,
}

impl Director {
    /// Lets everything go on, but for `plan`.
    pub fn new(stage: &Stage, plan: Option<(Site, Fault)>) -> Self {
        Director {
            helper: 0,
            stage: stage.clone(),
            plan,
            meanwhile: None,
            counts: BTreeMap::new(),
            sites: Vec::new(),
            reached: false,
            pending: Pending::Nothing,
            limited: None,
            stands_in: false,
            waits: false,
            processes: BTreeSet::new(),
        }
    }

    /// At this site something is done before the call goes on, without a fault.
    pub fn meanwhile(mut self, site: &Site, what: Meanwhile) -> Self {
        self.meanwhile = Some((site.clone(), what));
        self
    }

    /// How a call that is held up goes on; `program` makes it.
    pub fn direct(&mut self, program: &Path, trapped: &Trapped) -> Direction {
        if *program != self.stage.helper {
            // None of them has threads.
            self.processes.insert(trapped.task);
            if *program == self.stage.stand_in {
                self.overhear(trapped);
            }
            return Direction::GoOn;
        }
        let Some(call) = call::read(trapped) else { return Direction::GoOn };
        self.processes.insert(call.process);
        if let Some(pid) = self.limited.take() {
            limit_files(pid, None);
        }
        if self.pending == Pending::Kill {
            kill(call.process);
            return Direction::End;
        }
        if matches!(call.what, What::Program { .. }) && self.stands_in && !self.is_to_stay() {
            self.put_back();
        }
        let Some((name, doing)) = self.name(&call) else { return Direction::GoOn };
        let mut direction = self.come_by(name, doing, &call, trapped);
        if let (What::Program { words, .. }, Doing::Execute, Direction::GoOn) = (&call.what, doing, direction)
            && let Some(run) = self.pfctl_run(&call, words)
        {
            let changes = changes(words);
            direction = self.come_by(run, Doing::Pfctl { changes }, &call, trapped);
        }
        match (self.pending, doing) {
            // Not the one that was cut short just now.
            (Pending::FailWrite, Doing::Write { .. })
                if direction == Direction::GoOn && self.limited.is_none() =>
            {
                self.pending = Pending::Nothing;
                direction = Direction::Fail(libc::ENOSPC);
            }
            (Pending::Full, Doing::Write { .. } | Doing::Make | Doing::Open) => {
                direction = Direction::Fail(libc::ENOSPC);
            }
            _ => {}
        }
        direction
    }

    /// Counts a site; injects the fault if it is the one.
    fn come_by(&mut self, name: String, doing: Doing, call: &Call, trapped: &Trapped) -> Direction {
        let count = self.counts.entry(name.clone()).or_default();
        *count += 1;
        let site = Site { call: name, nth: *count };
        self.sites.push((site.clone(), doing));
        if let Some((_, what)) = self.meanwhile.take_if(|(planned, _)| *planned == site) {
            what(call);
        }
        let Some((_, fault)) = self.plan.clone().filter(|(planned, _)| *planned == site) else {
            return Direction::GoOn;
        };
        self.reached = true;
        self.inject(fault, call, trapped)
    }

    fn inject(&mut self, fault: Fault, call: &Call, trapped: &Trapped) -> Direction {
        match fault {
            Fault::Kill => {
                // Who starts a program is its parent: that waits until it is started.
                if matches!(call.what, What::Program { .. }) {
                    kill_parent(trapped);
                } else {
                    kill(call.process);
                    return Direction::End;
                }
            }
            Fault::Eio => return Direction::Fail(libc::EIO),
            Fault::Eagain => return Direction::Fail(libc::EAGAIN),
            Fault::Enospc => return Direction::Fail(libc::ENOSPC),
            Fault::Full => self.pending = Pending::Full,
            Fault::Short | Fault::ShortFull | Fault::ShortKill => {
                self.cut_short(call);
                self.pending = match fault {
                    Fault::ShortFull => Pending::FailWrite,
                    Fault::ShortKill => Pending::Kill,
                    _ => Pending::Nothing,
                };
            }
            Fault::LateStart => {
                self.stand_in(fault);
                kill_parent(trapped);
            }
            _ => self.stand_in(fault),
        }
        Direction::GoOn
    }

    /// Has the kernel write no more than half of the bytes: it stops at the largest size that a file may have.
    fn cut_short(&mut self, call: &Call) {
        if let (What::Bytes { length, from, .. }, Some(pid)) = (&call.what, pid(call.process)) {
            limit_files(pid, Some(from + length / 2));
            self.limited = Some(pid);
        }
    }

    /// Puts a pfctl that misbehaves in the place of the lab's. A script, since the lab renews links of its own.
    fn stand_in(&mut self, fault: Fault) {
        let (place, new) = self.places();
        let script = format!(
            "#!{} stand-in={}:{}\n",
            self.stage.stand_in.display(),
            fault.word(),
            self.stage.wings.display()
        );
        let _ = std::fs::remove_file(&new);
        let made = std::fs::write(&new, script)
            .and_then(|()| {
                std::fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            })
            .and_then(|()| std::fs::rename(&new, place));
        self.stands_in = made.is_ok();
    }

    /// Puts the lab's own pfctl back.
    pub fn put_back(&mut self) {
        let (place, new) = self.places();
        let _ = std::fs::remove_file(&new);
        let made =
            std::os::unix::fs::symlink(&self.stage.pfctl, &new).and_then(|()| std::fs::rename(&new, place));
        self.stands_in = made.is_err();
    }

    fn places(&self) -> (PathBuf, PathBuf) {
        (self.stage.lab.join("sbin/pfctl"), self.stage.wings.join("pfctl"))
    }

    fn is_to_stay(&self) -> bool {
        matches!(self.plan, Some((_, Fault::FailOn)))
    }

    /// A stand-in says that it is about to work: the helper has not got its answer, and will not.
    fn overhear(&mut self, trapped: &Trapped) {
        let Some(call) = call::read(trapped) else { return };
        let What::Place(place) = &call.what else { return };
        if call.name == "mkdir" && *place == self.stage.wings.join("started") {
            self.waits = true;
            if matches!(self.plan, Some((_, Fault::Late))) {
                kill(self.helper);
            }
        }
    }

    /// The name of a call of the helper, and what it does. `None`: what it works on is no part of a Mac.
    fn name(&self, call: &Call) -> Option<(String, Doing)> {
        match &call.what {
            What::Process => Some(("fork".to_owned(), Doing::Fork)),
            What::Program { file, words } => {
                let mut words = words.iter().skip(1).map(|word| self.plain(word));
                // Where the lab is, is nothing that a Mac's program is told.
                let words: Vec<String> = match words.next() {
                    Some(flag) if flag == "--lab" => words.skip(1).collect(),
                    first => first.into_iter().chain(words).collect(),
                };
                let file = file.file_name().unwrap_or_default().to_string_lossy();
                Some((format!("execute={file} {}", words.join(" ")), Doing::Execute))
            }
            What::Place(place) | What::Bytes { place, .. } => {
                let name = self.place_name(place, call.name)?;
                let doing = match (call.name, &call.what) {
                    _ if name == "pf" => Doing::Ioctl,
                    _ if name == "pipe" || name == "answer" => Doing::Tell,
                    (_, What::Bytes { length, .. }) => Doing::Write { long: *length > 1 },
                    ("open" | "creat", _) => Doing::Open,
                    ("fsync" | "fdatasync" | "syncfs", _) => Doing::Sync,
                    ("unlink" | "rmdir" | "chmod" | "chown" | "utimens" | "removexattr", _) => Doing::Change,
                    _ => Doing::Make,
                };
                Some((format!("{}={name}", call.name), doing))
            }
        }
    }

    fn place_name(&self, place: &Path, call: &str) -> Option<String> {
        if place.to_string_lossy().starts_with("pipe:") {
            return Some("pipe".to_owned());
        }
        if *place == self.stage.answer() {
            return Some("answer".to_owned());
        }
        // A folder that is there already: nothing is made.
        if call == "mkdir" && place.is_dir() {
            return None;
        }
        let Ok(inside) = place.strip_prefix(&self.stage.lab) else {
            let elsewhere = place.to_string_lossy().into_owned();
            return (!elsewhere.starts_with("/dev/")).then_some(elsewhere);
        };
        // The kernel of the pretended Mac is in these; what is asked of it by ioctl on a Mac begins with its lock.
        if inside == Path::new("private/var/pf/lock") && call == "open" {
            return Some("pf".to_owned());
        }
        if ["private", "sbin", "usr", "lab.toml"].iter().any(|folder| inside.starts_with(folder)) {
            return None;
        }
        let path = inside.to_string_lossy();
        let path = match path.strip_prefix("Library/Application Support/Portcullis") {
            Some(path) => format!("state:{}", path.trim_start_matches('/')),
            None => match path.strip_prefix("Library/Logs/Portcullis") {
                Some(path) => format!("logs:{}", path.trim_start_matches('/')),
                None => format!("/{path}"),
            },
        };
        Some(without_numbers(&path))
    }

    fn pfctl_run(&self, call: &Call, words: &[String]) -> Option<String> {
        let What::Program { file, .. } = &call.what else { return None };
        if *file != self.stage.lab.join("sbin/pfctl") {
            return None;
        }
        let words: Vec<String> = words.iter().skip(3).map(|word| self.plain(word)).collect();
        Some(format!("pfctl={}", words.join(" ")))
    }

    /// A word of a command without what differs from run to run.
    fn plain(&self, word: &str) -> String {
        let lab = self.stage.lab.to_string_lossy();
        let word = word.strip_prefix(&*lab).map_or(word, |rest| if rest.is_empty() { word } else { rest });
        if word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_digit()) {
            "N".to_owned()
        } else {
            word.to_owned()
        }
    }

    /// Whether all that lives is what a run leaves for longer: a recorder with its tcpdump, a stand-in that waits.
    pub fn only_lasting(&mut self) -> bool {
        let living = self.living();
        let lasting = |(pid, words): (u32, String)| {
            let Ok(program) = std::fs::read_link(format!("/proc/{pid}/exe")) else { return true };
            program == self.stage.stand_in
                || program == self.stage.helper && pid != self.helper
                || words.contains("tcpdump") && program != self.stage.helper
        };
        living.into_iter().all(lasting)
    }

    /// The processes of the run that live, and what they run.
    pub fn living(&mut self) -> Vec<(u32, String)> {
        self.reap();
        // A process that has ended may have left its number to one that is none of ours.
        let lab = self.stage.lab.to_string_lossy().into_owned();
        let words = |pid: u32| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let words = String::from_utf8_lossy(&words).replace('\0', " ").trim().to_owned();
            words.contains(&lab).then_some(words)
        };
        self.processes.iter().filter_map(|&pid| Some((pid, words(pid)?))).collect()
    }

    /// Orphans become this process's children, which has said so at its start; they are waited for by their ids.
    pub fn reap(&mut self) {
        let helper = self.helper;
        self.processes.retain(|&process| {
            let gone = process != helper
                && pid(process).is_some_and(|pid| {
                    rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG)
                        .is_ok_and(|status| status.is_some())
                });
            !gone
        });
    }

    /// Kills what is left of the run.
    pub fn kill_all(&mut self) {
        for (pid, _) in self.living() {
            kill(pid);
        }
        for _ in 0..200 {
            if self.living().is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

/// Whether a run of pfctl changes what pf holds.
fn changes(words: &[String]) -> bool {
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let reads = has("-s") || has("-n") || has("show") || has("test");
    !reads
}

/// A path without the numbers that differ from run to run: process ids, times.
fn without_numbers(path: &str) -> String {
    let mut plain = String::new();
    let mut digits = String::new();
    for letter in path.chars().chain(std::iter::once('\0')) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        plain.push_str(if digits.len() < 3 { &digits } else { "N" });
        digits.clear();
        plain.push(letter);
    }
    plain.pop();
    plain
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

fn kill(number: u32) {
    if let Some(pid) = pid(number) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Kills the process that has made the one that starts a program here.
fn kill_parent(trapped: &Trapped) {
    call::status(trapped.task, "PPid:").into_iter().for_each(kill);
}

fn limit_files(pid: Pid, bytes: Option<u64>) {
    let _ = rustix::process::prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None });
}
