//! Records what pf logs, for a bounded time and in a bounded file.
//!
//! A user can read neither `/dev/bpf` nor pf. So one request has the helper start itself once more ([`start`], then
//! [`run`] in the process that goes on): it makes pflog0 where there is none, runs tcpdump on it, and writes the packets
//! to [`PFLOG`], which administrators may read. It ends by itself: when its time is over, when the file is full, when it is
//! told to ([`stop`]), or when tcpdump ends; then pflog0 goes again if it was made here.
//!
//! Nothing listens, and no signal is sent: it looks into [`RECORDING`] every now and then, which only root can write. That,
//! and a file whose name alone says so, is written before pflog0 is made, and tcpdump writes itself down before it runs: so
//! whatever a recorder that was killed has left is known, though [`RECORDING`] were damaged, and the next start or stop
//! takes it away.
//! Of two locks one is held as long as it records, so that there is one recording at a time and a dead one is known as
//! such; the other while the file is read and changed, so that a recording is not made longer while it ends.

use std::fs::File;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::os::children::{Register, read_register};
use crate::os::process::{ProcessError, Program};
use crate::os::stream::{Heard, Stream, start_and_leave};
use crate::os::{self, Expected, FileError, Files, Lock};
use crate::root::answer::{Outcome, Response};
use crate::root::frames::{FrameError, Frames};
use crate::rules::ledger::Seconds;
use crate::system::{PFLOG, RECORDING, RECORDING_CHANGE_LOCK, RECORDING_CHILDREN, RECORDING_LOCK, System};

const IFCONFIG: &str = "/sbin/ifconfig";
const TCPDUMP: &str = "/usr/sbin/tcpdump";
/// How large the file of the packets gets, in bytes: some 40,000 packets.
pub const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// How much of each packet is taken: pflog's header, IPv6's, and TCP's ports and flags need 118.
const SNAPSHOT_BYTES: &str = "128";
/// What the names of the files begin with that say that pflog0 was made.
const INTERFACE_MARK: &str = "/Library/Application Support/Portcullis/recording.pflog0.";
/// How often a recording looks whether it is to end: each look wakes the machine.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long tcpdump may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// A tcpdump that runs so long without a word works, although its words are others than we know.
const QUIET_START: Duration = Duration::from_secs(5);

/// A recording, as it stands in [`RECORDING`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Version of this form: [`Recording::VERSION`].
    pub version: u32,
    /// The boot that it belongs to.
    pub boot: String,
    /// The process that records.
    pub pid: u32,
    /// When it began.
    pub since: Seconds,
    /// When it ends at the latest.
    pub until: Seconds,
    /// Whether it was told to end.
    pub stop: bool,
    /// Whether a pflog0, where there is one, was made for it.
    pub made_interface: bool,
    /// When and why it ended; `None` while it goes on, or where it ended without a word.
    pub ended: Option<Ended>,
}

/// The end of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    pub at: Seconds,
    /// Why, in a clause.
    pub because: String,
}

impl Recording {
    /// The version that this program writes and reads.
    pub const VERSION: u32 = 1;

    /// The last recording; `None` where there was none. Errors: it cannot be read, or does not read.
    pub fn read(tree: &Files) -> Result<Option<Self>, RecordError> {
        let Some(bytes) = tree.read(RECORDING)? else { return Ok(None) };
        match serde_json::from_slice::<Recording>(&bytes) {
            Ok(recording) if recording.version == Self::VERSION => Ok(Some(recording)),
            Ok(recording) => Err(RecordError::Version(recording.version)),
            Err(error) => Err(RecordError::Damaged(error)),
        }
    }

    /// Whether it goes on, as far as a user can tell.
    pub fn is_under_way(&self, now: Seconds, boot: &str) -> bool {
        self.ended.is_none() && self.boot == boot && now < self.until && os::process_exists(self.pid)
    }

    /// The last recording, as far as something of it can be left. What does not read may have left anything.
    fn last(tree: &Files, boot: &str) -> Result<LastRecording, RecordError> {
        match Recording::read(tree) {
            Ok(Some(recording)) if recording.boot == boot => Ok(LastRecording::Known(recording)),
            Ok(Some(_)) => Ok(LastRecording::OfAnotherBoot),
            Ok(None) => Ok(LastRecording::Unknown),
            Err(RecordError::Damaged(_) | RecordError::Version(_)) => Ok(LastRecording::Unknown),
            Err(RecordError::File(error)) if error.is_unfit() => Ok(LastRecording::Unknown),
            Err(error) => Err(error),
        }
    }

    fn write(&self, tree: &Files) -> Result<(), FileError> {
        // Plain data with text keys: its JSON cannot fail.
        tree.replace(RECORDING, &serde_json::to_vec_pretty(self).unwrap_or_default(), 0o644)
    }
}

/// What is known of the recording before.
enum LastRecording {
    Known(Recording),
    /// Nothing of it is left: what it started has ended with that boot.
    OfAnotherBoot,
    /// There is none, or it does not read.
    Unknown,
}

/// The name of this file says that pflog0 was made for a recording, in which boot; nothing stands in it that could be damaged.
fn interface_mark(boot: &str) -> String {
    let boot: String = boot.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{INTERFACE_MARK}{boot}")
}

/// Why nothing is recorded. Nothing else was changed.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error(transparent)]
    File(#[from] FileError),
    /// What is known of the last recording does not read.
    #[error("{RECORDING} does not read ({0}): look at it, and move it away")]
    Damaged(#[source] serde_json::Error),
    #[error("{RECORDING} does not read (it has version {0}): look at it, and move it away")]
    Version(u32),
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// pflog0 cannot be made.
    #[error("cannot make the interface pflog0, to which pf logs: {0}")]
    Interface(String),
    /// tcpdump does not record.
    #[error("cannot record on pflog0: {0}")]
    Tcpdump(String),
    /// The process that was to go on says nothing.
    #[error("the process that was to record pf's log ended at once")]
    Silent,
    #[error("process {0}, a tcpdump of the last recording, does not end")]
    Child(u32),
    #[error("pflog0, which was made for the last recording, cannot be taken away: {0}")]
    Destroy(String),
    #[error(transparent)]
    Boot(#[from] os::BootError),
}

/// Why a recording comes to its end.
#[derive(Debug, thiserror::Error)]
enum RecordingEnd {
    #[error("it was stopped")]
    Stopped,
    #[error("its time was over")]
    TimeOver,
    #[error("the file is full ({} MiB)", MAX_BYTES >> 20)]
    Full,
    #[error("it cannot be written: {0}")]
    Write(#[source] std::io::Error),
    #[error("it could not go on by itself: {0}")]
    Alone(#[source] std::io::Error),
    #[error("tcpdump ended: {last_words}")]
    Tcpdump { last_words: String },
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("{RECORDING} was taken away")]
    TakenAway,
    #[error(transparent)]
    File(FileError),
    #[error(transparent)]
    Recording(RecordError),
}

/// Starts a recording of `minutes`, or has the one that is under way go on for so long from now.
pub fn start(system: &dyn System, minutes: u16, now: Seconds) -> Result<Response, RecordError> {
    let tree = &system.files();
    let until = now.saturating_add(Seconds::from(minutes) * 60);
    if let Some(answer) = go_on_until(tree, until, minutes, now, &system.boot_id()?)? {
        return Ok(answer);
    }
    // One that ends just now is waited for.
    drop(tree.lock(RECORDING_LOCK, 3 * PATIENCE)?);
    let program = std::env::current_exe()
        .map_err(|source| ProcessError::Start { program: "portcullis-helper".to_owned(), source })?;
    let helper = Program::new(program).args(system.helper().arguments).args(["record", &minutes.to_string()]);
    let said = start_and_leave(helper, 2 * PATIENCE + QUIET_START).map_err(RecordError::from);
    // It says itself what it has touched.
    let answer = said.and_then(|said| serde_json::from_str(&said).map_err(|_| RecordError::Silent));
    match answer {
        Ok(answer) => Ok(answer),
        Err(silent) => Ok(after_silence(system, now, &silent)),
    }
}

/// The process that was to record has ended without a word, perhaps after it made something.
fn after_silence(system: &dyn System, now: Seconds, silent: &RecordError) -> Response {
    let cleared = system.boot_id().map_err(RecordError::from).and_then(|boot| stop(system, now, &boot));
    match cleared {
        Ok(answer) if answer.ok => {
            let message = format!("{silent}; what it may have made was taken away again");
            Response::failed(Outcome::Restored, message)
        }
        Ok(answer) => Response::failed(Outcome::Changed, format!("{silent}; {}", answer.message)),
        Err(error) => Response::failed(Outcome::Changed, format!("{silent}; and {error}")),
    }
}

/// Makes the recording that is under way longer; `None` where none is.
fn go_on_until(
    tree: &Files,
    until: Seconds,
    minutes: u16,
    now: Seconds,
    boot: &str,
) -> Result<Option<Response>, RecordError> {
    let _change = tree.lock(RECORDING_CHANGE_LOCK, PATIENCE)?;
    if !is_held(tree)? {
        return Ok(None);
    }
    let goes_on = |recording: &Recording| recording.ended.is_none() && !recording.stop;
    // One whose file does not read any more ends by itself.
    let LastRecording::Known(recording) = Recording::last(tree, boot)? else { return Ok(None) };
    if !goes_on(&recording) {
        return Ok(None);
    }
    if recording.until >= until {
        let left = recording.until.saturating_sub(now) / 60;
        let message = format!("pf's log is being recorded already, for {left} min more");
        return Ok(Some(Response::done(Outcome::Unchanged, message)));
    }
    Recording { until, ..recording }.write(tree)?;
    let message = format!("pf's log was being recorded, and is for {minutes} min from now on");
    Ok(Some(Response::done(Outcome::Changed, message)))
}

/// Ends the recording that is under way, and clears away what a dead one left.
pub fn stop(system: &dyn System, now: Seconds, boot: &str) -> Result<Response, RecordError> {
    let tree = &system.files();
    let change = tree.lock(RECORDING_CHANGE_LOCK, PATIENCE)?;
    let last = Recording::last(tree, boot)?;
    match (tree.lock(RECORDING_LOCK, Duration::ZERO), &last) {
        (Ok(_lock), LastRecording::Known(recording)) => {
            return Ok(bury(system, tree, recording.clone(), now));
        }
        (Ok(_lock), _) => return Ok(bury_unknown(system, tree, &last, (now, boot))),
        (Err(FileError::Busy { .. }), _) => {}
        (Err(error), _) => return Err(error.into()),
    }
    // One whose file does not read ends by itself.
    let pid = match &last {
        LastRecording::Known(recording) => {
            if recording.ended.is_none() {
                Recording { stop: true, ..recording.clone() }.write(tree)?;
            }
            format!("process {}", recording.pid)
        }
        _ => "the processes of portcullis-helper".to_owned(),
    };
    drop(change);
    // It is held until everything is put back.
    match tree.lock(RECORDING_LOCK, 3 * PATIENCE) {
        // A recorder that was killed, or could write no more, has not put everything back.
        Ok(_lock) => {
            let buried = match Recording::last(tree, boot)? {
                LastRecording::Known(recording) => bury(system, tree, recording, now),
                last => bury_unknown(system, tree, &last, (now, boot)),
            };
            let message = format!("pf's log is not recorded any more; {PFLOG} stays");
            Ok(if buried.ok { Response::done(Outcome::Changed, message) } else { buried })
        }
        Err(error) => {
            let message =
                format!("the recording of pf's log was told to end, and goes on ({error}): look at {pid}");
            Ok(Response::failed(Outcome::Changed, message))
        }
    }
}

/// Clears away what a recording has left of which nothing more is known, and its file where that does not read.
fn bury_unknown(
    system: &dyn System,
    tree: &Files,
    last: &LastRecording,
    (now, boot): (Seconds, &str),
) -> Response {
    let cleared = clear(system, tree, last, boot).and_then(|touched| {
        let is_damaged = Recording::read(tree).is_err();
        if is_damaged {
            put_damaged_aside(tree, now)?;
        }
        Ok(touched || is_damaged)
    });
    match cleared {
        Ok(false) => nothing_to_stop(),
        Ok(true) => Response::done(Outcome::Changed, "what a recording of pf's log had left was taken away"),
        Err(error) => {
            let message = format!("a recording of pf's log has left something, and {error}");
            Response::failed(Outcome::Changed, message)
        }
    }
}

/// Keeps a file that does not read beside its place.
fn put_damaged_aside(tree: &Files, now: Seconds) -> Result<(), FileError> {
    let stamp = now.to_string();
    if tree.set_aside(RECORDING, Expected::PlainFile, &stamp)?.is_some() {
        return Ok(());
    }
    if let Some(bytes) = tree.read(RECORDING)? {
        tree.replace(&format!("{RECORDING}.damaged-{stamp}"), &bytes, 0o600)?;
    }
    tree.remove(RECORDING)
}

/// Clears away what a recording that is over has left, and writes down that it has ended.
fn bury(system: &dyn System, tree: &Files, recording: Recording, now: Seconds) -> Response {
    let was_over = recording.ended.is_some();
    let boot = recording.boot.clone();
    let last = LastRecording::Known(recording.clone());
    let cleared = clear(system, tree, &last, &boot).and_then(|touched| {
        if touched || !was_over {
            let silent = Ended { at: now, because: "it ended without a word".to_owned() };
            let ended = recording.ended.clone().or(Some(silent));
            Recording { ended, made_interface: false, ..recording }.write(tree)?;
        }
        Ok(touched)
    });
    match cleared {
        Ok(false) if was_over => nothing_to_stop(),
        Ok(_) => Response::done(Outcome::Changed, "the recording of pf's log had ended without a word"),
        Err(error) => {
            let message = format!("the recording of pf's log had ended without a word, and {error}");
            Response::failed(Outcome::Changed, message)
        }
    }
}

/// Ends the tcpdump of a recording that is over and takes its pflog0 away; gives whether there was anything. Called under
/// [`RECORDING_LOCK`].
fn clear(system: &dyn System, tree: &Files, last: &LastRecording, boot: &str) -> Result<bool, RecordError> {
    let mut left = Vec::new();
    if !matches!(last, LastRecording::OfAnotherBoot) {
        let children = read_register(&tree.read(RECORDING_CHILDREN)?.unwrap_or_default());
        left.extend(children.into_iter().filter(|child| child.runs()));
    }
    if let Some(child) = left.iter().find(|child| !child.end(PATIENCE)) {
        return Err(RecordError::Child(child.pid));
    }
    let is_said = matches!(last, LastRecording::Known(recording) if recording.made_interface);
    let made_interface = is_said || tree.length(&interface_mark(boot))? > 0;
    let destroyed = made_interface && destroy_interface(system)?;
    remove_marks(tree)?;
    tree.remove(RECORDING_CHILDREN)?;
    Ok(destroyed || !left.is_empty())
}

/// Of this boot, when pflog0 is gone, and of earlier ones.
fn remove_marks(tree: &Files) -> Result<(), FileError> {
    let (folder, prefix) = INTERFACE_MARK.rsplit_once('/').unwrap_or_default();
    for name in tree.list(folder)?.iter().filter(|name| name.starts_with(prefix)) {
        tree.remove(&format!("{folder}/{name}"))?;
    }
    Ok(())
}

fn nothing_to_stop() -> Response {
    Response::done(Outcome::Unchanged, "pf's log is not being recorded; nothing was changed")
}

fn is_held(tree: &Files) -> Result<bool, FileError> {
    match tree.lock(RECORDING_LOCK, Duration::ZERO) {
        Ok(_) => Ok(false),
        Err(FileError::Busy { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Records: the process that [`start`] starts. Its first line of standard output is an [`Response`]; then it goes on by
/// itself.
pub fn run(system: &dyn System, minutes: u16) -> ExitCode {
    // It fails for the leader of a group, which has a session of its own already.
    let _ = os::leave_session();
    let tree = system.files();
    let mut recorder = match Recorder::begin(system, &tree, minutes) {
        Ok(recorder) => recorder,
        Err(answer) => {
            answer.print();
            return ExitCode::from(answer.exit_status());
        }
    };
    let message = format!("pf's log is being recorded in {PFLOG}, for {minutes} min");
    Response::done(Outcome::Changed, message).print();
    let because = match os::let_go_of_stdout() {
        Ok(()) => recorder.go_on(),
        Err(error) => RecordingEnd::Alone(error),
    };
    match recorder.end(&because) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(1),
    }
}

struct Recorder<'a> {
    tree: &'a Files,
    system: &'a dyn System,
    recording: Recording,
    tcpdump: Stream,
    file: File,
    written: u64,
    frames: Frames,
    /// By the monotonic clock: a wall clock that is set back makes no recording longer.
    deadline: Instant,
    _register: Register,
    _lock: Lock,
}

impl<'a> Recorder<'a> {
    /// Makes everything ready. What was made is taken back where something fails, and the answer says what came of that.
    fn begin(system: &'a dyn System, tree: &'a Files, minutes: u16) -> Result<Self, Response> {
        let unchanged = |error: RecordError| {
            Response::failed(Outcome::Unchanged, format!("{error}; nothing was changed"))
        };
        let lock = tree.lock(RECORDING_LOCK, Duration::ZERO).map_err(|error| unchanged(error.into()))?;
        let boot = system.boot_id().map_err(|error| unchanged(error.into()))?;
        let cleared = Recording::last(tree, &boot).and_then(|last| {
            let touched = clear(system, tree, &last, &boot)?;
            match last {
                LastRecording::Known(last) if touched => {
                    Recording { made_interface: false, ..last }.write(tree)?;
                }
                LastRecording::Unknown if Recording::read(tree).is_err() => {
                    put_damaged_aside(tree, system.now())?;
                }
                _ => {}
            }
            Ok(())
        });
        cleared.map_err(|error: RecordError| {
            Response::failed(Outcome::Changed, format!("what the last recording left stays: {error}"))
        })?;
        let old = tree.read(RECORDING).map_err(|error| unchanged(error.into()))?;
        let (now, length) = (system.now(), u64::from(minutes) * 60);
        let recording = Recording {
            version: Recording::VERSION,
            boot,
            pid: std::process::id(),
            since: now,
            until: now.saturating_add(Seconds::from(minutes) * 60),
            stop: false,
            made_interface: false,
            ended: None,
        };
        let deadline = Instant::now() + Duration::from_secs(length);
        Recorder::make_ready(system, tree, recording, lock, deadline).map_err(|failed| {
            let (error, recording) = *failed;
            let boot = recording.boot.clone();
            let back = clear(system, tree, &LastRecording::Known(recording), &boot).and_then(|_| {
                match old {
                    Some(old) => tree.replace(RECORDING, &old, 0o644)?,
                    None => tree.remove(RECORDING)?,
                }
                Ok(())
            });
            match back {
                Ok(()) => Response::failed(
                    Outcome::Restored,
                    format!("{error}; what was made for the recording was taken away again"),
                ),
                Err(left) => Response::failed(Outcome::Changed, format!("{error}; and {left}")),
            }
        })
    }

    /// Errors: why, and the recording as it came to be.
    fn make_ready(
        system: &'a dyn System,
        tree: &'a Files,
        mut recording: Recording,
        lock: Lock,
        deadline: Instant,
    ) -> Result<Self, Box<(RecordError, Recording)>> {
        let ready = |recording: &mut Recording| -> Result<(Stream, Frames, File, Register), RecordError> {
            tree.remove(RECORDING_CHILDREN)?;
            let register = Register::open(tree.append(RECORDING_CHILDREN, 0o600)?);
            recording.made_interface = !ifconfig(system, &["pflog0"])?;
            recording.write(tree)?;
            if recording.made_interface {
                tree.replace(&interface_mark(&recording.boot), b"made\n", 0o600)?;
                create_interface(system)?;
            }
            let mut frames = Frames::default();
            let tcpdump = start_tcpdump(system, &mut frames)?;
            // Last, since what was recorded before goes with it.
            let file = tree.create_for_admins(PFLOG)?;
            Ok((tcpdump, frames, file, register))
        };
        match ready(&mut recording) {
            Ok((tcpdump, frames, file, register)) => Ok(Recorder {
                tree,
                system,
                recording,
                tcpdump,
                file,
                written: 0,
                frames,
                deadline,
                _register: register,
                _lock: lock,
            }),
            Err(error) => Err(Box::new((error, recording))),
        }
    }

    /// Writes what comes, to its end; gives why that is.
    fn go_on(&mut self) -> RecordingEnd {
        let mut last_words = String::new();
        let mut looked = Instant::now();
        loop {
            if let Err(because) = self.write_whole() {
                return because;
            }
            match self.tcpdump.next(LOOK_EVERY) {
                Some(Heard::Out(bytes)) => self.frames.push(&bytes),
                Some(Heard::Said(words)) => last_words = words,
                Some(Heard::Ended) => return RecordingEnd::Tcpdump { last_words },
                None => {}
            }
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                if let Some(because) = self.is_over() {
                    return because;
                }
            }
        }
    }

    /// Writes the frames that came whole. Errors: why no more can be written.
    fn write_whole(&mut self) -> Result<(), RecordingEnd> {
        while let Some(frame) = self.frames.next_frame()? {
            if self.written + frame.len() as u64 > MAX_BYTES {
                return Err(RecordingEnd::Full);
            }
            self.file.write_all(&frame).map_err(RecordingEnd::Write)?;
            self.written += frame.len() as u64;
        }
        Ok(())
    }

    /// Looks whether it is to end, or to go on for longer.
    fn is_over(&mut self) -> Option<RecordingEnd> {
        let _change = match self.tree.lock(RECORDING_CHANGE_LOCK, PATIENCE) {
            Ok(change) => change,
            Err(FileError::Busy { .. }) => return None,
            Err(error) => return Some(RecordingEnd::File(error)),
        };
        let asked = match Recording::read(self.tree) {
            Ok(Some(asked)) if asked.pid == self.recording.pid => asked,
            Ok(_) => return Some(RecordingEnd::TakenAway),
            Err(error) => return Some(RecordingEnd::Recording(error)),
        };
        if asked.until != self.recording.until {
            let left = asked.until.saturating_sub(self.system.now()).clamp(0, 12 * 3600);
            self.deadline = Instant::now() + Duration::from_secs(left.unsigned_abs());
        }
        self.recording = asked;
        let because = match &self.recording {
            recording if recording.stop => RecordingEnd::Stopped,
            recording if self.system.now() >= recording.until => RecordingEnd::TimeOver,
            _ if Instant::now() >= self.deadline => RecordingEnd::TimeOver,
            _ => return None,
        };
        // Before the lock goes, so that a recording that ends is not extended.
        self.write_end(&because);
        Some(because)
    }

    fn write_end(&mut self, because: &RecordingEnd) {
        let ended = Ended { at: self.system.now(), because: because.to_string() };
        self.recording.ended.get_or_insert(ended);
        // It ends whether that can be written or not.
        let _ = self.recording.write(self.tree);
    }

    /// Puts everything back.
    fn end(mut self, because: &RecordingEnd) -> Result<(), RecordError> {
        {
            let _change = self.tree.lock(RECORDING_CHANGE_LOCK, PATIENCE);
            self.write_end(because);
        }
        self.tcpdump.ask_to_end();
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            match self.tcpdump.next(LOOK_EVERY) {
                Some(Heard::Out(bytes)) => self.frames.push(&bytes),
                Some(Heard::Ended) => break,
                Some(Heard::Said(_)) | None => {}
            }
            let _ = self.write_whole();
        }
        if self.recording.made_interface {
            destroy_interface(self.system)?;
            remove_marks(self.tree)?;
            self.recording.made_interface = false;
        }
        self.recording.write(self.tree)?;
        drop(self.tcpdump);
        Ok(self.tree.remove(RECORDING_CHILDREN)?)
    }
}

fn ifconfig(system: &dyn System, arguments: &[&str]) -> Result<bool, RecordError> {
    let output = system.program(IFCONFIG).args(arguments).run()?;
    Ok(output.success())
}

fn create_interface(system: &dyn System) -> Result<(), RecordError> {
    let output = system.program(IFCONFIG).args(["pflog0", "create"]).run()?;
    if output.success() { Ok(()) } else { Err(RecordError::Interface(output.stderr.trim().to_owned())) }
}

/// Takes pflog0 away; gives whether there was one.
fn destroy_interface(system: &dyn System) -> Result<bool, RecordError> {
    if !ifconfig(system, &["pflog0"])? {
        return Ok(false);
    }
    let output = system.program(IFCONFIG).args(["pflog0", "destroy"]).run()?;
    if output.success() { Ok(true) } else { Err(RecordError::Destroy(output.stderr.trim().to_owned())) }
}

/// Starts tcpdump (tcpdump(1): no names looked up, no promiscuous mode, packets written as they come, to standard
/// output) and waits until it listens; what it gave until then is in `frames`. No filter: one for TCP would compile to
/// IPv4 alone on this kind of interface.
fn start_tcpdump(system: &dyn System, frames: &mut Frames) -> Result<Stream, RecordError> {
    let arguments = ["-i", "pflog0", "-n", "-p", "-s", SNAPSHOT_BYTES, "-U", "-w", "-"];
    let tcpdump = Stream::start(system.program(TCPDUMP).args(arguments))?;
    let began = Instant::now();
    let mut said = String::new();
    loop {
        match tcpdump.next(QUIET_START.saturating_sub(began.elapsed())) {
            Some(Heard::Out(bytes)) => {
                frames.push(&bytes);
                return Ok(tcpdump);
            }
            Some(Heard::Said(line)) if line.contains("listening on pflog0") => return Ok(tcpdump),
            Some(Heard::Said(line)) => said += &format!("{line} "),
            Some(Heard::Ended) => return Err(RecordError::Tcpdump(format!("tcpdump says: {}", said.trim()))),
            None => return Ok(tcpdump),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_under_way_only_in_its_time_boot_and_process() {
        let recording = Recording {
            version: 1,
            boot: "this".into(),
            pid: std::process::id(),
            since: 0,
            until: 100,
            stop: false,
            made_interface: true,
            ended: None,
        };
        assert!(recording.is_under_way(99, "this"));
        assert!(!recording.is_under_way(100, "this") && !recording.is_under_way(99, "other"));
        assert!(!Recording { pid: i32::MAX as u32, ..recording.clone() }.is_under_way(99, "this"));
        let ended = Some(Ended { at: 50, because: "it was stopped".into() });
        assert!(!Recording { ended, ..recording }.is_under_way(99, "this"));
    }
}
