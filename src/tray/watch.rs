//! Looks again when there is something new to see: what root saw, or the preferences, changed on disk; what root saw
//! has become too old; a caller asks; or some seconds have gone by while a port is open or in use.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use notify::{Config, EventKindMask, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::event::Event;
use portcullis::app::{App, AppError};
use portcullis::debuggers::scan;
use portcullis::debuggers::watch::{Interest, on_battery, pause};
use portcullis::firewall::app::AppFirewallCache;
use portcullis::menu::{MenuFacts, MenuLayout, MenuOffers, MenuRow, MenuState, rows};
use portcullis::os;
use portcullis::report::{ReportFact, STALE_AFTER};
use portcullis::sockets::SocketTable;
use portcullis::status::emblem::Emblem;
use portcullis::status::{Facts, PortState, Status};

/// A change of several files comes as several events: what follows within this time is looked at once.
const SETTLE: Duration = Duration::from_millis(100);

/// What it costs a process to ask is asked at most so often while nothing is known to have changed: a start of one wakes this
/// machine some hundred times.
const ASK_AGAIN: Duration = Duration::from_secs(600);

/// A wait stands still while this Mac sleeps. None is longer, so that what ended in sleep shows soon after it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A table must be older than this to tell, by comparison, a queue that does not move from one that has just filled.
const SOME_SECONDS: Duration = Duration::from_secs(2);
/// pf's log grows packet by packet: it is looked at this often at most.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// Asks the watcher thread to look.
#[derive(Clone)]
pub struct Watcher {
    signal: Sender<Signal>,
}

/// Why to look.
enum Signal {
    /// Something may be different.
    Changed,
    /// Time has gone by: who listens may be different.
    Time,
    /// Something was logged, which can wait a little.
    Logged,
    /// An action came to its end: there is something to say even where all looks the same.
    Done(Result<(), AppError>),
}

impl Watcher {
    /// Starts the thread: `report` gets every status that shows otherwise than the one before, `shown` at first.
    ///
    /// Only this thread looks from then on. Were there two, what one saw earlier could be told later.
    pub fn start(app: App, shown: MenuFacts, report: impl Fn(Event) + Send + 'static) -> Self {
        let (signal, signals) = channel();
        let changed = signal.clone();
        std::thread::spawn(move || watch(&app, shown, &report, changed, &signals));
        Watcher { signal }
    }

    /// Looks again soon.
    pub fn look_again(&self) {
        self.send(Signal::Changed);
    }

    /// Looks at once, and tells what became of an action together with what is seen after it.
    pub fn done(&self, result: Result<(), AppError>) {
        self.send(Signal::Done(result));
    }

    fn send(&self, signal: Signal) {
        // The thread has ended only when the app has.
        let _ = self.signal.send(signal);
    }
}

/// What the menu shows now.
pub fn first_look(app: &App) -> MenuFacts {
    Looker::new(app).look(app, &Signal::Changed).0
}

/// What is kept from one look to the next.
struct Looker {
    app_firewall: AppFirewallCache,
    on_battery: bool,
    asked: Instant,
    earlier: Option<(Instant, SocketTable)>,
}

impl Looker {
    fn new(app: &App) -> Self {
        let (app_firewall, on_battery) = (app.app_firewall(), on_battery());
        Looker { app_firewall, on_battery, asked: Instant::now(), earlier: None }
    }

    /// What there is now, and how long to wait for a reason to look again. What keeps it from being known makes it unknown.
    fn look(&mut self, app: &App, why: &Signal) -> (MenuFacts, Duration) {
        if matches!(why, Signal::Changed | Signal::Done(_)) || self.asked.elapsed() >= ASK_AGAIN {
            *self = Looker { earlier: self.earlier.take(), ..Looker::new(app) };
        }
        let is_old = |earlier: &(Instant, SocketTable)| earlier.0.elapsed() >= SOME_SECONDS;
        let old = self.earlier.as_ref().filter(|earlier| is_old(earlier)).map(|(_, table)| table);
        let preferences = app.preferences();
        let look = |ports: &[_]| scan::look(ports, old);
        let observed = match app.observe(&preferences, &[], look, &mut self.app_firewall) {
            Ok(observed) => observed,
            Err(error) => return (unknown(app, &error), LONGEST_WAIT),
        };
        let facts = app.menu_facts(&observed, &preferences);
        if let Ok(look) = observed.look
            && self.earlier.as_ref().is_none_or(is_old)
        {
            self.earlier = Some((Instant::now(), look.table));
        }
        let pause = pause(interest(&facts.status), self.on_battery);
        let wait = wait([until_stale(&facts.status), until_forgotten(&facts.status), pause]);
        (facts, wait)
    }
}

/// How long to wait where the first of these is to come in time.
fn wait(until: [Option<Duration>; 3]) -> Duration {
    until.into_iter().flatten().fold(LONGEST_WAIT, Duration::min)
}

/// What makes its changes worth a look.
fn interest(status: &Status) -> Interest {
    Interest {
        in_use: status.ports.iter().any(|port| port.in_use),
        open: status.interrupted || status.ports.iter().any(|port| port.state == PortState::Open),
    }
}

fn unknown(app: &App, error: &AppError) -> MenuFacts {
    let lab = app.system().lab().map(|directory| directory.display().to_string());
    let report = ReportFact::Unreadable(error.to_string());
    let status = Status::of(&Facts { lab, ..Facts::unseen(os::now(), report) });
    // Which ports the preferences list is not known: each keeps its row.
    MenuFacts { status: Status { listed: None, ..status }, offers: MenuOffers::default() }
}

fn watch(
    app: &App,
    shown: MenuFacts,
    report: &impl Fn(Event),
    changed: Sender<Signal>,
    signals: &Receiver<Signal>,
) {
    let log = app.log_file();
    let files = [app.status_file(), app.preferences_file().to_owned(), log.clone()];
    let notice = move |paths: &[PathBuf]| {
        let of_log = |path: &PathBuf| path.file_name() == log.file_name();
        let only_log = !paths.is_empty() && paths.iter().all(of_log);
        // As in `send` above.
        let _ = changed.send(if only_log { Signal::Logged } else { Signal::Changed });
    };
    let mut directories = match Directories::new(&files, REACH, notice) {
        Ok(directories) => Some(directories),
        Err(error) => {
            report(blind(&error));
            None
        }
    };
    let mut shown = appearance(&shown);
    let mut why = Signal::Changed;
    let mut looker = Looker::new(app);
    loop {
        // Watching comes before looking: a change between the two is then seen twice, not never.
        if !matches!(why, Signal::Time)
            && let Some(Err(error)) = directories.as_mut().map(|directories| directories.arm(&files))
        {
            report(blind(&error));
        }
        let (facts, left) = looker.look(app, &why);
        let before = std::mem::replace(&mut shown, appearance(&facts));
        match why {
            Signal::Done(result) => report(Event::Done(result, Box::new(facts))),
            // Whatever wakes the loop closes a menu that is open on macOS (tao#1324): the same again is not sent.
            Signal::Changed | Signal::Time | Signal::Logged if before != shown => {
                report(Event::Seen(Box::new(facts)))
            }
            Signal::Changed | Signal::Time | Signal::Logged => {}
        }
        match next(signals, left, LOG_EVERY) {
            Some(signal) => why = signal,
            None => return,
        }
    }
}

/// Waits for the next signal, or until the time `left` is over; `None` when every sender is gone. What was logged
/// is reported after `log_every`, unless something else comes first.
fn next(signals: &Receiver<Signal>, left: Duration, log_every: Duration) -> Option<Signal> {
    let mut signal = match signals.recv_timeout(left) {
        Ok(signal) => signal,
        Err(RecvTimeoutError::Timeout) => return Some(Signal::Time),
        Err(RecvTimeoutError::Disconnected) => return None,
    };
    let told = Instant::now() + log_every;
    while matches!(signal, Signal::Logged) {
        match signals.recv_timeout(told.saturating_duration_since(Instant::now())) {
            Ok(next) => signal = next,
            Err(RecvTimeoutError::Timeout) => return Some(Signal::Logged),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    while matches!(signal, Signal::Changed) {
        match signals.recv_timeout(SETTLE) {
            // What is looked at now is looked at with all that was logged.
            Ok(Signal::Logged) | Err(_) => break,
            Ok(next) => signal = next,
        }
    }
    Some(signal)
}

fn blind(error: &notify::Error) -> Event {
    Event::Blind(format!("changes made elsewhere show only after Look Again: {error}"))
}

/// What of a look can be seen. Its age cannot, so that time alone changes nothing that is shown.
fn appearance(facts: &MenuFacts) -> (Emblem, Vec<MenuRow>) {
    (Emblem::of(&facts.status), rows(facts, &MenuState::default(), &MenuLayout::of(&facts.status)))
}

/// How long until what root saw is too old to go by, if it is not yet.
fn until_stale(status: &Status) -> Option<Duration> {
    let left = STALE_AFTER.saturating_add(1).saturating_sub(status.firewall.age?);
    u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_secs)
}

/// How long until an attempt that is shown lies more than an hour back.
fn until_forgotten(status: &Status) -> Option<Duration> {
    let now = status.firewall.seen?.saturating_add(status.firewall.age?);
    let attempts = status.ports.iter().filter_map(|port| port.blocked.as_ref());
    let first = attempts.map(|attempts| attempts.last).min()?;
    let left = first.saturating_add(3601).saturating_sub(now);
    u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_secs)
}

/// What a watch of a directory tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Of its own entries (inotify): the nearest directory that exists is watched, so that the folder that a file will be
    /// in is seen when it is made.
    Entries,
    /// Of everything below it (FSEvents): only the folder that a file is in is watched, which is ours, and only once it is
    /// there. `/Library/Application Support` or a home would wake us for every other program's files. A folder that another
    /// program makes is seen at the next look: the pointer enters the icon, or an action ends.
    AllBelow,
}

const REACH: Reach = if cfg!(target_os = "macos") { Reach::AllBelow } else { Reach::Entries };

impl Reach {
    /// The directory to watch for `file`.
    fn directory(self, file: &Path) -> Option<PathBuf> {
        match self {
            Reach::Entries => Some(nearest_directory(file)),
            Reach::AllBelow => file.parent().filter(|parent| parent.is_dir()).map(Path::to_owned),
        }
    }
}

/// Watches the directories that the files are in, or will be in.
struct Directories {
    watcher: RecommendedWatcher,
    reach: Reach,
    watched: Vec<PathBuf>,
}

impl Directories {
    fn new(
        files: &[PathBuf],
        reach: Reach,
        changed: impl Fn(&[PathBuf]) + Send + 'static,
    ) -> notify::Result<Self> {
        let names: Vec<OsString> =
            files.iter().flat_map(|file| file.iter()).map(|name| name.to_owned()).collect();
        let handler = move |event: notify::Result<notify::Event>| {
            // An error, such as a queue that ran over, may hide a change.
            match event {
                Ok(event) if concerns(&event, &names) => changed(&event.paths),
                Ok(_) => {}
                Err(_) => changed(&[]),
            }
        };
        // That another program reads a file, or takes a lock, is not to wake us: a recording of pf's log takes one each second.
        let kinds = Config::default().with_event_kinds(EventKindMask::CORE);
        let watcher = RecommendedWatcher::new(handler, kinds)?;
        Ok(Directories { watcher, reach, watched: Vec::new() })
    }

    /// Watches for each file, anew each time: a directory that was removed and made again has the same name, and would not
    /// be watched.
    fn arm(&mut self, files: &[PathBuf]) -> notify::Result<()> {
        for directory in self.watched.drain(..) {
            // It fails where the directory is gone, and the watch with it.
            let _ = self.watcher.unwatch(&directory);
        }
        for file in files {
            self.arm_one(file)?;
        }
        Ok(())
    }

    fn arm_one(&mut self, file: &Path) -> notify::Result<()> {
        while let Some(directory) = self.reach.directory(file) {
            if !self.watched.contains(&directory) {
                match self.watcher.watch(&directory, RecursiveMode::NonRecursive) {
                    Ok(()) => self.watched.push(directory.clone()),
                    Err(_) if !directory.is_dir() => continue,
                    Err(error) => return Err(error),
                }
            }
            // A directory made before the watch began was not told of.
            if self.reach.directory(file) == Some(directory) {
                break;
            }
        }
        Ok(())
    }
}

/// The innermost directory above `file` that exists.
fn nearest_directory(file: &Path) -> PathBuf {
    let exists = |path: &&Path| path.is_dir();
    file.ancestors().skip(1).find(exists).unwrap_or(Path::new("/")).to_owned()
}

/// Whether an event is a change of a file that is watched for, or of a directory on the way to it. Compares names only:
/// macOS tells the real path, which links make another one.
fn concerns(event: &notify::Event, names: &[OsString]) -> bool {
    // Looking opens the files: to count that as a change would go on for ever.
    let is_change = !event.kind.is_access();
    let named = |path: &PathBuf| path.file_name().is_none_or(|name| names.iter().any(|one| one == name));
    is_change && (event.paths.is_empty() || event.paths.iter().any(named))
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis::debuggers::ports::usual_ports;
    use portcullis::lab::Lab;
    use portcullis::status::Attempts;
    use std::sync::Arc;

    #[test]
    fn waits_for_a_signal_or_until_it_is_too_late_to_trust_what_was_seen() {
        let (signal, signals) = channel();
        let soon = Duration::from_millis(1);
        assert!(matches!(next(&signals, soon, LOG_EVERY), Some(Signal::Time)), "the time is over");
        for _ in 0..3 {
            signal.send(Signal::Changed).unwrap();
        }
        signal.send(Signal::Done(Ok(()))).unwrap();
        signal.send(Signal::Changed).unwrap();
        assert!(
            matches!(next(&signals, LONGEST_WAIT, LOG_EVERY), Some(Signal::Done(Ok(())))),
            "the end of an action waits for nothing"
        );
        assert!(
            matches!(next(&signals, LONGEST_WAIT, LOG_EVERY), Some(Signal::Changed)),
            "what came after it is not lost"
        );
        drop(signal);
        assert!(next(&signals, LONGEST_WAIT, LOG_EVERY).is_none());
    }

    #[test]
    fn no_wait_is_longer_than_a_minute() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(wait([None, None, None]), LONGEST_WAIT);
        assert_eq!(wait([seconds(3900), None, seconds(61)]), LONGEST_WAIT);
        assert_eq!(wait([seconds(3900), seconds(7), seconds(30)]), Duration::from_secs(7));
    }

    #[test]
    fn what_is_logged_waits_and_nothing_else_waits_for_it() {
        let (signal, signals) = channel();
        let (never, soon) = (Duration::from_secs(3600), Duration::from_millis(1));
        for _ in 0..3 {
            signal.send(Signal::Logged).unwrap();
        }
        signal.send(Signal::Done(Ok(()))).unwrap();
        assert!(matches!(next(&signals, LONGEST_WAIT, never), Some(Signal::Done(Ok(())))));
        signal.send(Signal::Logged).unwrap();
        signal.send(Signal::Changed).unwrap();
        signal.send(Signal::Logged).unwrap();
        assert!(
            matches!(next(&signals, LONGEST_WAIT, never), Some(Signal::Changed)),
            "a change settles though pf logs"
        );
        signal.send(Signal::Logged).unwrap();
        signal.send(Signal::Logged).unwrap();
        assert!(matches!(next(&signals, LONGEST_WAIT, soon), Some(Signal::Logged)));
        drop(signal);
        assert!(next(&signals, LONGEST_WAIT, never).is_none(), "both were told as one");
    }

    #[test]
    fn nothing_is_told_where_nothing_shown_is_different() {
        let lab = tempfile::tempdir().unwrap();
        let app = App::new(Arc::new(Lab::open(lab.path()).unwrap())).unwrap();
        // A port of its own: others come and go while tests run.
        app.set_preference("show", "chrome").unwrap();
        let (told, events) = channel();
        let watcher =
            Watcher::start(app.clone(), first_look(&app), move |event| told.send(event).unwrap_or(()));
        for _ in 0..3 {
            watcher.look_again();
            watcher.send(Signal::Time);
        }
        watcher.done(Ok(()));
        let first = events.recv_timeout(Duration::from_secs(20));
        assert!(matches!(first, Ok(Event::Done(Ok(()), _))), "{first:?}");
    }

    #[test]
    fn only_what_is_open_or_in_use_is_looked_at_again_and_again() {
        let mut status = Status::of(&Facts { ports: usual_ports(), ..Facts::unseen(0, ReportFact::Missing) });
        assert_eq!(interest(&status), Interest { in_use: false, open: false });
        status.ports[1].state = PortState::Open;
        assert_eq!(interest(&status), Interest { in_use: false, open: true });
        status.ports[2].in_use = true;
        assert_eq!(interest(&status), Interest { in_use: true, open: true });
    }

    #[test]
    fn what_root_saw_is_looked_at_again_when_it_is_too_old() {
        let mut status = Status::of(&Facts::unseen(0, ReportFact::Missing));
        let mut left = |age| {
            status.firewall.age = age;
            until_stale(&status)
        };
        assert_eq!(left(Some(0)), Some(Duration::from_secs(STALE_AFTER as u64 + 1)));
        assert_eq!(left(Some(STALE_AFTER)), Some(Duration::from_secs(1)), "still good, but not for long");
        assert_eq!(left(Some(STALE_AFTER + 1)), None, "it is shown as unknown already");
        assert_eq!(left(None), None);
    }

    #[test]
    fn an_attempt_is_forgotten_after_an_hour() {
        let last_from = "192.168.1.20".parse().unwrap();
        let attempts = |last| Attempts { attempts: 1, last_from, last };
        let mut status = Status::of(&Facts {
            ports: usual_ports(),
            blocked: Some([(2345, attempts(4000)), (9229, attempts(3000))].into()),
            ..Facts::unseen(5000, ReportFact::Missing)
        });
        assert_eq!(until_forgotten(&status), None, "the time of the status is not known");
        (status.firewall.seen, status.firewall.age) = (Some(4990), Some(10));
        assert_eq!(until_forgotten(&status), Some(Duration::from_secs(3000 + 3601 - 5000)));
        status.firewall.age = Some(5000);
        assert_eq!(until_forgotten(&status), None, "it is gone already");
    }

    #[test]
    fn the_nearest_directory_exists() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("a/b/status.json");
        assert_eq!(nearest_directory(&file), base.path());
        std::fs::create_dir_all(base.path().join("a/b")).unwrap();
        assert_eq!(nearest_directory(&file), base.path().join("a/b"));
        assert_eq!(nearest_directory(Path::new("relative")), Path::new("/"));
    }

    #[test]
    fn where_all_below_is_told_only_our_own_folder_is_watched() {
        let base = tempfile::tempdir().unwrap();
        let files = [base.path().join("ours/status.json"), base.path().join("ours too/log")];
        let (changed, signals) = channel();
        let mut directories =
            Directories::new(&files, Reach::AllBelow, move |_| changed.send(()).unwrap_or(())).unwrap();
        directories.arm(&files).unwrap();
        assert!(directories.watched.is_empty(), "not what lies above");
        std::fs::create_dir(base.path().join("ours")).unwrap();
        directories.arm(&files).unwrap();
        assert_eq!(directories.watched, [base.path().join("ours")]);
        std::fs::write(&files[0], "1").unwrap();
        signals.recv_timeout(Duration::from_secs(20)).unwrap();
    }

    /// FSEvents tells late, and of what was before it was asked: which of several changes an event is of cannot be said.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_change_is_seen_where_the_directory_was_made_later_and_made_again() {
        let base = tempfile::tempdir().unwrap();
        let files = [base.path().join("a/b/status.json")];
        let (changed, signals) = channel();
        let notice = move |_: &[PathBuf]| changed.send(()).unwrap_or(());
        let mut directories = Directories::new(&files, Reach::Entries, notice).unwrap();
        directories.arm(&files).unwrap();
        for round in 0..3 {
            let mut await_change = || {
                signals
                    .recv_timeout(Duration::from_secs(5))
                    .unwrap_or_else(|_| panic!("round {round}: not seen"));
                directories.arm(&files).unwrap();
                while signals.recv_timeout(SETTLE).is_ok() {
                    directories.arm(&files).unwrap();
                }
            };
            std::fs::create_dir_all(base.path().join("a/b")).unwrap();
            await_change();
            std::fs::write(base.path().join("a/b/new"), "1").unwrap();
            std::fs::rename(base.path().join("a/b/new"), &files[0]).unwrap();
            await_change();
            // Reading is no change, nor is a neighbour.
            std::fs::read(&files[0]).unwrap();
            std::fs::write(base.path().join("a/b/neighbour"), "1").unwrap();
            assert!(signals.recv_timeout(SETTLE * 3).is_err(), "round {round}");
            std::fs::remove_dir_all(base.path().join("a")).unwrap();
            await_change();
        }
    }
}
