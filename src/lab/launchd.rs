//! launchd as far as one job needs it, and as unkind: it starts a job at most every ten seconds, loses the firings that
//! come while the job runs or the machine sleeps, misses what changes meanwhile in the paths it watches, runs no second
//! instance, and kills what a job leaves behind.
//!
//! ```
//! use portcullis::lab::launchd::JobPlist;
//! let text = "<plist><dict><key>Label</key><string>a.job</string><key>ProgramArguments</key>\
//!     <array><string>/bin/true</string></array><key>StartInterval</key><integer>60</integer></dict></plist>";
//! assert_eq!(JobPlist::parse(text)?.interval, Some(60));
//! # Ok::<(), portcullis::lab::launchd::PlistError>(())
//! ```
//!
//! No process has to be there for it: its table is a file, and [`Launchd::run_due`] starts what is due. `launchctl-lab run`
//! calls that every moment. Every command in a lab calls [`Launchd::catch_up`] before it does its own work, so that a lab
//! closes its ports in time though nothing runs in it.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clocks;
use super::config::LabConfig;
use crate::os::children::{ProcessId, end_group};
use crate::os::process::{ProcessError, Program};
use crate::os::{BootError, FileError, Files};
use crate::report::ReportFact;
use crate::rules::ledger::{Ledger, Seconds, Visit};
use crate::system::{BELL, LEDGER, Moment, STATUS};

/// Where the table is.
const TABLE: &str = "/private/var/db/launchd.json";
/// Held while it is read and changed.
const LOCK: &str = "/private/var/db/launchd.lock";
/// Where the jobs are that launchd loads when the machine starts.
const DAEMONS: &str = "/Library/LaunchDaemons";
/// The most seconds between two starts of one job: a plist can ask for more, and not for less.
const THROTTLE: u64 = 10;
/// Looked at less often than this many seconds, the machine has slept.
const SLEPT: u64 = 5;
/// How long a job that was asked to end may go on.
const EXIT_TIMEOUT: Duration = Duration::from_secs(20);
/// A look at pf that is older than this many seconds is old.
const OLD: Seconds = 10 * 60;
/// How long a call waits for others.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a job may run: longer than any of ours.
const LONGEST_RUN: Duration = Duration::from_secs(600);

/// Whose times count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchPace {
    /// As on a Mac.
    Launchd,
    /// What is due starts at once.
    Lab,
}

/// Why launchd did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LaunchdError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error("the table of jobs does not read: {0}")]
    Table(#[source] serde_json::Error),
    #[error("cannot read {path}: {source}")]
    Plist { path: String, source: PlistError },
    #[error("there is no {0}")]
    NoPlist(String),
    #[error("others than root can write to {0}")]
    Permissions(String),
    #[error("{0} is loaded already")]
    Loaded(String),
    #[error("{0} is not loaded")]
    NotLoaded(String),
    #[error("{0} is switched off")]
    SwitchedOff(String),
}

/// Why a plist is no job.
#[derive(Debug, thiserror::Error)]
pub enum PlistError {
    #[error(transparent)]
    Xml(#[from] roxmltree::Error),
    #[error("it has no {0}")]
    Missing(&'static str),
    #[error("\"{0}\" is not a number")]
    Number(String),
}

/// What a plist says of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobPlist {
    pub label: String,
    /// The program and its arguments.
    pub program: Vec<String>,
    /// Seconds between two firings.
    pub interval: Option<u64>,
    pub runs_at_load: bool,
    pub watched: Vec<String>,
}

impl JobPlist {
    /// Reads the text of a plist in XML.
    pub fn parse(text: &str) -> Result<Self, PlistError> {
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..roxmltree::ParsingOptions::default() };
        let document = roxmltree::Document::parse_with_options(text, options)?;
        let dict = document.descendants().find(|node| node.has_tag_name("dict"));
        let dict = dict.ok_or(PlistError::Missing("dict"))?;
        let value = |key: &str| {
            let name = dict.children().find(|node| node.has_tag_name("key") && node.text() == Some(key))?;
            name.next_sibling_element()
        };
        let texts = |key: &str| -> Vec<String> {
            let strings = value(key).into_iter().flat_map(|array| array.children());
            strings
                .filter(|node| node.has_tag_name("string"))
                .filter_map(|node| node.text().map(str::to_owned))
                .collect()
        };
        let number = |text: &str| text.parse().map_err(|_| PlistError::Number(text.to_owned()));
        let label =
            value("Label").and_then(|node| node.text()).ok_or(PlistError::Missing("Label"))?.to_owned();
        let program = texts("ProgramArguments");
        if program.is_empty() {
            return Err(PlistError::Missing("ProgramArguments"));
        }
        let interval = value("StartInterval").and_then(|node| node.text()).map(number).transpose()?;
        let runs_at_load = value("RunAtLoad").is_some_and(|node| node.has_tag_name("true"));
        Ok(JobPlist { label, program, interval, runs_at_load, watched: texts("WatchPaths") })
    }
}

/// What tells whether a watched path has changed; `None`: nothing is there.
type PathStamp = Option<[i64; 4]>;

/// A job that is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadedJob {
    pub plist: String,
    pub program: Vec<String>,
    pub interval: Option<u64>,
    watched: Vec<String>,
    stamps: Vec<PathStamp>,
    /// It is to start as soon as it may.
    pending: bool,
    /// It was loaded when the machine started.
    since_boot: bool,
    next_firing: u64,
    /// When it was last looked at.
    polled: u64,
    started: Option<u64>,
    running: Option<ProcessId>,
    pub runs: u64,
    /// The exit status of the last run.
    pub exit: Option<i32>,
}

impl LoadedJob {
    fn new(path: &str, plist: JobPlist, stamps: Vec<PathStamp>, now: u64) -> Self {
        LoadedJob {
            plist: path.to_owned(),
            program: plist.program,
            interval: plist.interval,
            watched: plist.watched,
            stamps,
            pending: plist.runs_at_load,
            since_boot: false,
            next_firing: plist.interval.map_or(u64::MAX, |interval| now.saturating_add(interval)),
            polled: now,
            started: None,
            running: None,
            runs: 0,
            exit: None,
        }
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some_and(ProcessId::runs)
    }

    /// Takes in what has happened until `now`. A firing that was passed in sleep is lost.
    fn notice(&mut self, now: u64, stamps: Vec<PathStamp>, pace: LaunchPace) {
        let slept = pace == LaunchPace::Launchd && now.saturating_sub(self.polled) > SLEPT;
        self.polled = now;
        if self.stamps != stamps {
            self.stamps = stamps;
            self.pending = true;
        }
        if now >= self.next_firing {
            self.pending |= !slept;
            self.next_firing = self.interval.map_or(u64::MAX, |interval| now.saturating_add(interval));
        }
    }

    fn may_start(&self, now: u64, pace: LaunchPace) -> bool {
        let is_throttled = self.started.is_some_and(|started| now < started.saturating_add(THROTTLE));
        self.pending && !self.is_running() && (pace == LaunchPace::Lab || !is_throttled)
    }

    /// What came while it ran is not noticed any more.
    fn ended(&mut self, now: u64, stamps: Vec<PathStamp>, exit: i32) {
        self.running = None;
        self.pending = false;
        self.stamps = stamps;
        self.exit = Some(exit);
        self.runs += 1;
        self.polled = now;
        if now >= self.next_firing {
            self.next_firing = self.interval.map_or(u64::MAX, |interval| now.saturating_add(interval));
        }
    }
}

/// All jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JobTable {
    boot: String,
    /// The labels that the person switched off in Login Items.
    switched_off: BTreeSet<String>,
    jobs: BTreeMap<String, LoadedJob>,
}

/// The launchd of one lab.
#[derive(Clone, Debug)]
pub struct Launchd {
    files: Files,
    directory: PathBuf,
}

impl Launchd {
    /// The one of the lab in `directory`.
    pub fn of(directory: &Path) -> Self {
        Launchd { files: Files::lab(directory), directory: directory.to_owned() }
    }

    /// Loads a job.
    pub fn bootstrap(&self, path: &str) -> Result<(), LaunchdError> {
        let (plist, now) = (self.plist(path)?, self.moment()?.clock);
        self.change(|table| {
            let label = plist.label.clone();
            if table.switched_off.contains(&label) {
                return Err(LaunchdError::SwitchedOff(label));
            }
            if table.jobs.contains_key(&label) {
                return Err(LaunchdError::Loaded(label));
            }
            let stamps = self.stamps(&plist.watched);
            table.jobs.insert(label, LoadedJob::new(path, plist, stamps, now));
            Ok(())
        })
    }

    /// Forgets a job. One that runs is asked to end, and killed when it does not.
    pub fn bootout(&self, label: &str) -> Result<(), LaunchdError> {
        let job = self.change(|table| {
            table.jobs.remove(label).ok_or_else(|| LaunchdError::NotLoaded(label.to_owned()))
        })?;
        if let Some(running) = job.running {
            running.ask_to_end();
            let began = std::time::Instant::now();
            while running.runs() && began.elapsed() < EXIT_TIMEOUT {
                std::thread::sleep(Duration::from_millis(20));
            }
            running.end(PATIENCE);
        }
        Ok(())
    }

    pub fn job(&self, label: &str) -> Result<LoadedJob, LaunchdError> {
        let found = self.change(|table| Ok(table.jobs.get(label).cloned()))?;
        found.ok_or_else(|| LaunchdError::NotLoaded(label.to_owned()))
    }

    /// Has a job start as soon as it may.
    pub fn kickstart(&self, label: &str) -> Result<(), LaunchdError> {
        self.change(|table| {
            let job = table.jobs.get_mut(label).ok_or_else(|| LaunchdError::NotLoaded(label.to_owned()))?;
            job.pending = true;
            Ok(())
        })
    }

    /// What the person does in Login Items: a job that is switched off is not loaded, until it is switched on.
    pub fn switch(&self, label: &str, on: bool) -> Result<(), LaunchdError> {
        if !on {
            match self.bootout(label) {
                Ok(()) | Err(LaunchdError::NotLoaded(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let now = self.moment()?.clock;
        self.change(|table| {
            if !on {
                table.switched_off.insert(label.to_owned());
            } else if table.switched_off.remove(label) {
                self.load_all(table, now)?;
            }
            Ok(())
        })
    }

    /// Starts what is due by now, each to its end. `now`: seconds since the machine started.
    pub fn run_due(&self, now: u64, pace: LaunchPace) -> Result<(), LaunchdError> {
        let is_over =
            pace == LaunchPace::Lab && (self.is_an_opening_over() || self.is_elsewhere(Visit::Tick));
        self.run_where(now, |job| {
            let stamps = self.stamps(&job.watched);
            job.notice(now, stamps, pace);
            job.pending |= is_over;
            job.may_start(now, pace)
        })
    }

    /// Starts each job that a Mac would have run since the last command: it has started anew, something that is open is over, a
    /// bell was rung, or the last look at pf is old. What else a running launchd would notice waits for one that runs.
    pub fn catch_up(&self) -> Result<(), LaunchdError> {
        // macOS writes resolv.conf anew when the network changes, and waits a minute for the tick after that.
        let is_due =
            self.is_an_opening_over() || self.is_elsewhere(Visit::Request) || self.is_the_last_look_old();
        self.run_where(self.moment()?.clock, |job| {
            let stamps = self.stamps(&job.watched);
            let mut watched = job.watched.iter().zip(job.stamps.iter().zip(&stamps));
            // It is empty when it is made.
            let was_rung = watched.any(|(path, (old, new))| {
                path.starts_with(BELL) && old != new && new.is_some_and(|[.., length, _]| length > 0)
            });
            (is_due || was_rung || job.since_boot && job.pending) && !job.is_running()
        })
    }

    fn run_where(&self, now: u64, is_due: impl Fn(&mut LoadedJob) -> bool) -> Result<(), LaunchdError> {
        // Without a lock: a lab without a job is not made slower.
        if self.files.read(TABLE)?.is_none() && self.files.list(DAEMONS)?.is_empty() {
            return Ok(());
        }
        let starting = self.change(|table| {
            let mut starting = Vec::new();
            for (label, job) in &mut table.jobs {
                if is_due(job) {
                    // Nothing else starts it from here on.
                    (job.pending, job.started, job.running) = (false, Some(now), Some(ProcessId::own()));
                    starting.push((label.clone(), job.program.clone()));
                }
            }
            Ok(starting)
        })?;
        starting.into_iter().try_for_each(|(label, program)| self.run(&label, &program))
    }

    fn run(&self, label: &str, program: &[String]) -> Result<(), LaunchdError> {
        let (file, arguments) =
            program.split_first().map_or(("", &[][..]), |(file, rest)| (file.as_str(), rest));
        let program = Program::new(self.files.place(file)).args(arguments).timeout(LONGEST_RUN);
        let mut leader = 0;
        let output = program.run_started(|pid| {
            leader = pid;
            let child = ProcessId::of(pid);
            // Where that cannot be written it is taken for one that runs as long as we do.
            let _ = self.change(|table| {
                table.jobs.get_mut(label).into_iter().for_each(|job| job.running = Some(child));
                Ok(())
            });
        });
        if leader > 0 {
            end_group(leader);
        }
        let exit = match output {
            Ok(output) => output.code,
            // launchd's own word for a program that does not start.
            Err(ProcessError::Start { .. }) => 78,
            Err(_) => -1,
        };
        let now = self.moment()?.clock;
        self.change(|table| {
            if let Some(job) = table.jobs.get_mut(label) {
                let stamps = self.stamps(&job.watched);
                job.ended(now.max(job.polled), stamps, exit);
            }
            Ok(())
        })
    }

    /// Whether the ledger has something open whose time has come.
    fn is_an_opening_over(&self) -> bool {
        let bytes = self.files.read(LEDGER).ok().flatten();
        let ledger = bytes.and_then(|bytes| Ledger::parse(&bytes).ok());
        let Ok(now) = self.moment() else { return false };
        ledger.is_some_and(|ledger| ledger.openings.iter().any(|opening| opening.is_over(&now)))
    }

    /// Whether what is open does not stand as it has to on the networks that this Mac is on.
    fn is_elsewhere(&self, visit: Visit) -> bool {
        let bytes = self.files.read(LEDGER).ok().flatten();
        let Some(ledger) = bytes.and_then(|bytes| Ledger::parse(&bytes).ok()) else { return false };
        let networks = LabConfig::read(&self.files.place("/")).map(|config| config.network_facts());
        let mut followed = ledger.clone();
        followed.follow(&networks.unwrap_or_default(), visit);
        followed.openings != ledger.openings
    }

    fn is_the_last_look_old(&self) -> bool {
        let bytes = self.files.read(STATUS).ok().flatten();
        match bytes.map(|bytes| ReportFact::read(&bytes)) {
            Some(ReportFact::Read(report)) => clocks::now(&self.directory).saturating_sub(report.seen) >= OLD,
            _ => false,
        }
    }

    /// Works on the table while no other does. In another boot each job is loaded anew, as a Mac does when it starts.
    fn change<T>(
        &self,
        work: impl FnOnce(&mut JobTable) -> Result<T, LaunchdError>,
    ) -> Result<T, LaunchdError> {
        let _lock = self.files.lock(LOCK, PATIENCE)?;
        let bytes = self.files.read(TABLE)?;
        let read = bytes.as_deref().map(serde_json::from_slice::<JobTable>).transpose();
        let Moment { boot, clock: now, .. } = self.moment()?;
        // A new lab has started before anything was put into it.
        let new = || JobTable { boot: boot.clone(), ..JobTable::default() };
        let before = read.map_err(LaunchdError::Table)?.unwrap_or_else(new);
        let mut table = before.clone();
        if table.boot != boot {
            table.jobs.clear();
            table.boot = boot;
            self.load_all(&mut table, now)?;
            table.jobs.values_mut().for_each(|job| job.since_boot = true);
        }
        let done = work(&mut table)?;
        if table != before {
            // Plain data with text keys: its JSON cannot fail.
            self.files.replace(TABLE, &serde_json::to_vec_pretty(&table).unwrap_or_default(), 0o600)?;
        }
        Ok(done)
    }

    /// Loads every job whose plist reads and that is not switched off.
    fn load_all(&self, table: &mut JobTable, now: u64) -> Result<(), LaunchdError> {
        for name in self.files.list(DAEMONS)? {
            let path = format!("{DAEMONS}/{name}");
            let Ok(plist) = self.plist(&path) else { continue };
            if !table.switched_off.contains(&plist.label) && !table.jobs.contains_key(&plist.label) {
                let stamps = self.stamps(&plist.watched);
                table.jobs.insert(plist.label.clone(), LoadedJob::new(&path, plist, stamps, now));
            }
        }
        Ok(())
    }

    fn moment(&self) -> Result<Moment, LaunchdError> {
        Ok(clocks::moment(&self.directory)?)
    }

    fn plist(&self, path: &str) -> Result<JobPlist, LaunchdError> {
        let bytes = self.files.read(path)?.ok_or_else(|| LaunchdError::NoPlist(path.to_owned()))?;
        if self.files.mode(path)?.is_none_or(|mode| mode & 0o022 != 0) {
            return Err(LaunchdError::Permissions(path.to_owned()));
        }
        let parsed = JobPlist::parse(&String::from_utf8_lossy(&bytes));
        parsed.map_err(|source| LaunchdError::Plist { path: path.to_owned(), source })
    }

    fn stamps(&self, watched: &[String]) -> Vec<PathStamp> {
        let stamp = |path: &String| {
            // In a lab /etc is no link.
            let path = path.strip_prefix("/private").filter(|rest| rest.starts_with("/etc/")).unwrap_or(path);
            let meta = self.files.place(path).symlink_metadata().ok()?;
            let length = i64::try_from(meta.len()).unwrap_or(i64::MAX);
            Some([meta.mtime(), meta.mtime_nsec(), length, meta.ino().cast_signed()])
        };
        watched.iter().map(stamp).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os;

    fn job() -> LoadedJob {
        let plist = JobPlist {
            label: "a.job".into(),
            program: vec!["/bin/true".into()],
            interval: Some(60),
            runs_at_load: true,
            watched: vec!["/ring".into()],
        };
        LoadedJob::new("/a.plist", plist, vec![None], 1000)
    }

    /// Looks every second from `from` to `to`, and gives the seconds in which it starts; each run takes `takes` seconds.
    fn starts(
        job: &mut LoadedJob,
        from: u64,
        to: u64,
        takes: u64,
        ring: impl Fn(u64) -> PathStamp,
    ) -> Vec<u64> {
        let (mut found, mut runs_until) = (Vec::new(), 0);
        for now in from..=to {
            if now == runs_until {
                job.ended(now, vec![ring(now)], 0);
            }
            if now < runs_until {
                continue;
            }
            job.notice(now, vec![ring(now)], LaunchPace::Launchd);
            if job.may_start(now, LaunchPace::Launchd) {
                (job.pending, job.started) = (false, Some(now));
                runs_until = now + takes;
                found.push(now);
            }
        }
        found
    }

    #[test]
    fn it_reads_what_the_helper_writes() {
        use crate::system::{INSTALLED_HELPER, JOB_LABEL};
        let text = crate::root::job::plist();
        let job = JobPlist::parse(&text).unwrap();
        assert_eq!((job.label.as_str(), job.interval, job.runs_at_load), (JOB_LABEL, Some(60), true));
        assert_eq!(job.program, [INSTALLED_HELPER, "tick"]);
        assert!(job.watched.len() == 3 && job.watched[0].ends_with("/Portcullis/bell/ring"));
        assert!(!text.contains("ProcessType") && !text.contains("QueueDirectories"));
    }

    #[test]
    fn it_starts_at_load_and_every_minute() {
        assert_eq!(starts(&mut job(), 1000, 1200, 1, |_| None), [1000, 1060, 1120, 1180]);
    }

    #[test]
    fn a_change_starts_it_at_most_every_ten_seconds() {
        let ringing = |now: u64| Some([now.cast_signed(), 0, 0, 0]);
        let found = starts(&mut job(), 1000, 1035, 1, ringing);
        assert_eq!(found, [1000, 1010, 1020, 1030], "however often it rings");
    }

    #[test]
    fn what_changes_while_it_runs_is_missed() {
        let once = |now: u64| (now >= 1002).then_some([1002, 0, 0, 0]);
        assert_eq!(starts(&mut job(), 1000, 1059, 5, once), [1000]);
        assert_eq!(starts(&mut job(), 1000, 1059, 1, once), [1000, 1010]);
    }

    #[test]
    fn firings_are_lost_in_sleep() {
        let mut job = job();
        assert_eq!(starts(&mut job, 1000, 1030, 1, |_| None), [1000]);
        assert_eq!(starts(&mut job, 1100, 1200, 1, |_| None), [1160], "a minute after it woke");
    }

    #[test]
    fn a_job_that_runs_over_its_time_starts_once_more_and_not_twice() {
        assert_eq!(starts(&mut job(), 1000, 1300, 70, |_| None), [1000, 1130, 1260]);
    }

    #[test]
    fn loads_runs_and_forgets_a_job() {
        let directory = tempfile::tempdir().unwrap();
        let launchd = Launchd::of(directory.path());
        let write = |path: &str, text: &str, mode| launchd.files.put(path, text.as_bytes(), mode).unwrap();
        let plist = "<?xml version=\"1.0\"?><!DOCTYPE plist><plist><dict><key>Label</key><string>a.job</string>\
            <key>ProgramArguments</key><array><string>/job</string><string>x</string></array>\
            <key>RunAtLoad</key><true/></dict></plist>";
        let path = "/Library/LaunchDaemons/a.plist";
        assert!(matches!(launchd.bootstrap(path), Err(LaunchdError::NoPlist(_))));
        write(path, plist, 0o664);
        assert!(matches!(launchd.bootstrap(path), Err(LaunchdError::Permissions(_))));
        write(path, plist, 0o644);
        let script = "#!/bin/sh\necho \"$1\" >>\"${0%/*}/ran\"\n( exec >/dev/null 2>&1; sleep 600 & echo $! >\"${0%/*}/left\"; wait ) &\nwhile ! test -s \"${0%/*}/left\"; do :; done\nexit 3\n";
        // A child writes it: where another test's child holds it open for writing, it cannot be run (`ETXTBSY`).
        let arguments =
            ["-c", "cat >\"$0\" && chmod 755 \"$0\"", &directory.path().join("job").display().to_string()];
        assert!(Program::new("/bin/sh").args(arguments).stdin(script).run().unwrap().success());
        launchd.bootstrap(path).unwrap();
        assert!(matches!(launchd.bootstrap(path), Err(LaunchdError::Loaded(_))));
        launchd.run_due(os::clock(), LaunchPace::Lab).unwrap();
        launchd.run_due(os::clock(), LaunchPace::Lab).unwrap();
        let job = launchd.job("a.job").unwrap();
        assert_eq!((job.runs, job.exit, job.is_running()), (1, Some(3), false));
        assert_eq!(std::fs::read_to_string(directory.path().join("ran")).unwrap(), "x\n");
        let left = std::fs::read_to_string(directory.path().join("left")).unwrap().trim().parse().unwrap();
        assert!(!ProcessId::of(left).runs() || ProcessId::of(left).end(Duration::from_secs(5)));
        launchd.switch("a.job", false).unwrap();
        assert!(matches!(launchd.bootstrap(path), Err(LaunchdError::SwitchedOff(_))));
        launchd.switch("a.job", true).unwrap();
        assert_eq!(launchd.job("a.job").unwrap().runs, 0);
        launchd.bootout("a.job").unwrap();
        assert!(matches!(launchd.bootout("a.job"), Err(LaunchdError::NotLoaded(_))));
    }
}
