//! Runs one program and gives back what it said: absolute path, fixed environment, bounded time and output.
//!
//! ```
//! use portcullis::os::process::Program;
//! let output = Program::new("/bin/echo").args(["hello"]).run()?;
//! assert!(output.success());
//! assert_eq!(output.stdout, "hello\n");
//! # Ok::<(), portcullis::os::process::ProcessError>(())
//! ```
//!
//! The child gets nothing of our environment (no `PATH`, `DYLD_…`, `IFS` or locale of the caller's), works in
//! `/`, and leads a process group of its own, so that a time-out ends it and whatever it started.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{WaitId, WaitIdOptions};
use thiserror::Error;

use super::cancel::{Cancellation, Woken};
use super::children;
use super::inherited::{ENVIRONMENT, keep_ends_of_children};
use super::time_limit::bounded;

/// How long a child may run unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much it may print on each stream unless told otherwise: 16 MiB, some 150,000 rules.
const OUTPUT_LIMIT: usize = 16 << 20;
/// How long after the child's end its streams may stay open: something it started may still hold them.
const STREAM_GRACE: Duration = Duration::from_secs(1);

/// A program to run, and how.
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    stdin: Option<Vec<u8>>,
    timeout: Duration,
    output_limit: usize,
    cancellation: Option<Cancellation>,
    ends_with_us: bool,
    is_at_our_terminal: bool,
}

/// Runs "$@" until it ends, or until standard input does: its other end is held by us alone, and the kernel closes it
/// however we end.
const UNTIL_INPUT_ENDS: &str = "exec 3<&0 </dev/null
\"$@\" 3<&- & program=$!
{ read -r line <&3; kill $program; } >/dev/null 2>&1 & watch=$!
wait $program; status=$?
kill $watch 2>/dev/null
exit $status";

impl Program {
    /// `program` is an absolute path: no search through `PATH` ever happens.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Program {
            program: program.into(),
            arguments: Vec::new(),
            stdin: None,
            timeout: TIMEOUT,
            output_limit: OUTPUT_LIMIT,
            cancellation: None,
            ends_with_us: false,
            is_at_our_terminal: false,
        }
    }

    /// Adds arguments.
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, arguments: I) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// What the child reads on its standard input; else it reads the end at once.
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// How long it may run (default 10 s); then it and its process group are killed.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many bytes it may print on each stream (default 16 MiB).
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output_limit = bytes;
        self
    }

    /// Has it ended when `cancellation` is cancelled.
    pub fn until(mut self, cancellation: &Cancellation) -> Self {
        self.cancellation = Some(cancellation.clone());
        self
    }

    /// Has it end with this process, even where this one is killed. It reads nothing.
    pub fn ending_with_us(mut self) -> Self {
        self.ends_with_us = true;
        self
    }

    /// Leaves it in this process's group, so that it may ask at the terminal that this one was started at. After a time-out
    /// it alone is killed.
    pub fn at_our_terminal(mut self) -> Self {
        self.is_at_our_terminal = true;
        self
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs it to its end. An exit code other than 0 is no error here: the caller judges it.
    ///
    /// Errors: a path that is not absolute, a program that cannot start, a time-out, more output than
    /// allowed, streams that stay open. After a time-out or a stream that stays open the child's work may
    /// have been done in part or whole.
    pub fn run(&self) -> Result<Output, ProcessError> {
        self.run_started(|_| ())
    }

    /// As [`Program::run`]; `started` gets the child's process number, which is its group's, once it runs.
    pub fn run_started(&self, started: impl FnOnce(u32)) -> Result<Output, ProcessError> {
        let program = self.program.display().to_string();
        if !self.program.is_absolute() {
            return Err(ProcessError::NotAbsolute { program });
        }
        let timeout = bounded(self.timeout);
        let mut child =
            self.spawn().map_err(|source| ProcessError::Start { program: program.clone(), source })?;
        started(child.id());
        let pipe = child.stdin.take();
        // Held until the end of this function.
        let (pipe, _held) = if self.ends_with_us { (None, pipe) } else { (pipe, None) };
        if let (Some(mut pipe), Some(text)) = (pipe, self.stdin.clone()) {
            // On a thread of its own: a child that prints before it reads would else wait for us, and we for
            // it.
            std::thread::spawn(move || {
                let _ = pipe.write_all(&text);
            });
        }
        let stdout = capture(child.stdout.take(), self.output_limit);
        let stderr = capture(child.stderr.take(), self.output_limit);

        let status = match wait_until(&mut child, timeout, self.cancellation.as_ref()) {
            Waited::Ended(status) => status,
            unfinished => {
                kill_group(&mut child);
                return Err(unfinished.into_error(program, timeout));
            }
        };
        let deadline = Instant::now() + STREAM_GRACE;
        match (collect(stdout, deadline), collect(stderr, deadline)) {
            (Some(stdout), Some(stderr)) => output(program, status, stdout, stderr, self.output_limit),
            _ => {
                kill_group(&mut child);
                Err(ProcessError::StreamsHeld { program })
            }
        }
    }

    fn spawn(&self) -> io::Result<Child> {
        keep_ends_of_children();
        let mut command = if self.ends_with_us {
            let mut shell = std::process::Command::new("/bin/sh");
            shell.args(["-c", UNTIL_INPUT_ENDS, "sh"]).arg(&self.program);
            shell
        } else {
            std::process::Command::new(&self.program)
        };
        let has_pipe = self.stdin.is_some() || self.ends_with_us;
        command
            .args(&self.arguments)
            .env_clear()
            .envs(ENVIRONMENT)
            .current_dir("/")
            .stdin(if has_pipe { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if !self.is_at_our_terminal {
            command.process_group(0);
        }
        children::enlist(&mut command);
        command.spawn()
    }
}

/// What a child said, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its exit code; 128 + N where signal N ended it, as a shell would say.
    pub code: i32,
    /// Its standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Its standard error; bytes that are not UTF-8 are replaced.
    pub stderr: String,
}

impl Output {
    /// Whether it ended with 0.
    pub fn success(&self) -> bool {
        self.code == 0
    }
}

/// Why a program gave no answer.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// The path does not begin with a slash.
    #[error("cannot run {program}: not an absolute path")]
    NotAbsolute { program: String },
    /// It did not start.
    #[error("cannot run {program}: {source}")]
    Start { program: String, source: io::Error },
    /// Its end could not be waited for.
    #[error("cannot wait for {program}: {source}")]
    Wait { program: String, source: io::Error },
    /// It ran too long and was killed.
    #[error("{program} did not end within {} s and was killed; what it was doing may be done or not", timeout.as_secs_f32())]
    TimedOut { program: String, timeout: Duration },
    /// Another thread had it ended.
    #[error("{program} was cancelled; what it was doing may be done or not")]
    Cancelled { program: String },
    /// It printed more than was allowed.
    #[error("{program} printed more than {limit} bytes, which is more than can be judged")]
    TooMuchOutput {
        program: String,
        /// The limit for each stream.
        limit: usize,
    },
    /// It ended, but something that it started keeps its output open.
    #[error(
        "{program} ended, but a process that it started keeps its output open, so the output is not whole"
    )]
    StreamsHeld { program: String },
}

/// What a stream gave: the first bytes up to the limit, and whether there were more.
struct Captured {
    bytes: Vec<u8>,
    more: bool,
}

fn capture(stream: Option<impl Read + Send + 'static>, limit: usize) -> Receiver<Captured> {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut more = false;
        if let Some(mut stream) = stream {
            let _ = stream.by_ref().take(limit as u64).read_to_end(&mut bytes);
            // What goes beyond the limit is still read, so that the child can end instead of waiting for us.
            more = io::copy(&mut stream, &mut io::sink()).is_ok_and(|count| count > 0);
        }
        let _ = sender.send(Captured { bytes, more });
    });
    receiver
}

fn collect(stream: Receiver<Captured>, deadline: Instant) -> Option<Captured> {
    stream.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

fn output(
    program: String,
    status: ExitStatus,
    stdout: Captured,
    stderr: Captured,
    limit: usize,
) -> Result<Output, ProcessError> {
    if stdout.more || stderr.more {
        return Err(ProcessError::TooMuchOutput { program, limit });
    }
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255);
    let text = |captured: Captured| String::from_utf8_lossy(&captured.bytes).into_owned();
    Ok(Output { code, stdout: text(stdout), stderr: text(stderr) })
}

/// How waiting for a child came to its end.
enum Waited {
    Ended(ExitStatus),
    TimedOut,
    Cancelled,
    Failed(io::Error),
}

impl Waited {
    fn into_error(self, program: String, timeout: Duration) -> ProcessError {
        match self {
            Waited::Failed(source) => ProcessError::Wait { program, source },
            Waited::Cancelled => ProcessError::Cancelled { program },
            Waited::TimedOut | Waited::Ended(_) => ProcessError::TimedOut { program, timeout },
        }
    }
}

/// Waits for the end of a child, at most `patience`, or until it is cancelled.
///
/// The thread that waits leaves the child as it found it, so that its number stays its own until we ask: no process but
/// this one is killed.
fn wait_until(child: &mut Child, patience: Duration, cancellation: Option<&Cancellation>) -> Waited {
    let pid = rustix::process::Pid::from_child(child);
    let (sender, woken) = mpsc::channel();
    if let Some(cancellation) = cancellation {
        cancellation.wakes(sender.clone());
    }
    let waiting = std::thread::Builder::new().spawn(move || {
        let _ = sender.send(Woken::Ended(loop {
            match rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other.map(drop).map_err(io::Error::from),
            }
        }));
    });
    if let Err(error) = waiting {
        return Waited::Failed(error);
    }
    match woken.recv_timeout(patience) {
        Ok(Woken::Ended(result)) => {
            result.and_then(|()| child.wait()).map_or_else(Waited::Failed, Waited::Ended)
        }
        Ok(Woken::Cancelled) => Waited::Cancelled,
        Err(_) => Waited::TimedOut,
    }
}

/// Waits for the end of a child; `None` where it has not come within `patience`.
pub(super) fn wait_at_most(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    match wait_until(child, patience, None) {
        Waited::Ended(status) => Ok(Some(status)),
        Waited::Failed(error) => Err(error),
        Waited::TimedOut | Waited::Cancelled => Ok(None),
    }
}

/// Kills a leader of a process group and whatever else is in it.
pub(super) fn kill_group(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// The file's name of the program that started this one; `None` where that has ended or does not tell.
pub fn parent_name() -> Option<String> {
    let parent = std::os::unix::process::parent_id();
    #[cfg(target_os = "macos")]
    let path = libproc::proc_pid::pidpath(i32::try_from(parent).ok()?).ok()?;
    #[cfg(not(target_os = "macos"))]
    let path = std::fs::read_link(format!("/proc/{parent}/exe")).ok()?;
    Path::new(&path).file_name().map(|name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Program {
        Program::new("/bin/sh").args(["-c", script])
    }

    #[test]
    fn gives_streams_and_exit_code() {
        let output = sh("cat; echo oops >&2; exit 3").stdin("text").run().unwrap();
        assert_eq!(output, Output { code: 3, stdout: "text".into(), stderr: "oops\n".into() });
        assert!(!output.success());
        assert_eq!(sh("kill -9 $$").run().unwrap().code, 137);
    }

    #[test]
    fn the_environment_is_ours_alone() {
        let output = Program::new("/usr/bin/env").run().unwrap();
        let mut lines: Vec<&str> = output.stdout.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["LANG=C", "PATH=/usr/bin:/bin:/usr/sbin:/sbin"]);
    }

    #[test]
    fn large_input_and_output_do_not_deadlock() {
        let text = "x".repeat(4 << 20);
        let output = Program::new("/bin/cat").stdin(text.as_str()).run().unwrap();
        assert_eq!(output.stdout.len(), text.len());
        // A child that never reads what it is given.
        assert!(Program::new("/bin/echo").stdin(text).run().unwrap().success());
    }

    #[test]
    fn a_time_out_kills_the_child_and_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let pid = directory.path().join("pid");
        let started = Instant::now();
        let script = format!("sleep 30 & echo $! > {}; wait", pid.display());
        let error = sh(&script).timeout(Duration::from_millis(1500)).run().unwrap_err();
        assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
        let pid = std::fs::read_to_string(pid).unwrap();
        let gone = || sh(&format!("ps -o stat= -p {pid} | grep -v Z")).run().unwrap().stdout.is_empty();
        while !gone() {
            assert!(started.elapsed() < Duration::from_secs(10), "sleep {pid} goes on");
        }
    }

    #[test]
    fn another_thread_ends_it() {
        let cancellation = Cancellation::default();
        let program = sh("echo; exec sleep 30").until(&cancellation);
        let error = program.run_started(|_| cancellation.cancel()).unwrap_err();
        assert!(matches!(error, ProcessError::Cancelled { .. }), "{error}");
    }

    #[test]
    fn what_ends_with_us_gives_the_same_output() {
        let program =
            Program::new("/bin/sh").args(["-c", "cat; echo \"$1\"; echo oops >&2; exit 3", "sh", "a'b"]);
        let output = program.ending_with_us().run().unwrap();
        assert_eq!(output, Output { code: 3, stdout: "a'b\n".into(), stderr: "oops\n".into() });
    }

    #[test]
    fn says_why_there_is_no_answer() {
        let error = sh("head -c 2000 /dev/zero").output_limit(1000).run().unwrap_err();
        assert!(matches!(error, ProcessError::TooMuchOutput { limit: 1000, .. }), "{error}");
        assert_eq!(sh("head -c 1000 /dev/zero").output_limit(1000).run().unwrap().stdout.len(), 1000);
        let error = Program::new("pfctl").run().unwrap_err();
        assert_eq!(error.to_string(), "cannot run pfctl: not an absolute path");
        let error = Program::new("/no/such/program").run().unwrap_err();
        assert!(error.to_string().starts_with("cannot run /no/such/program: No such file"), "{error}");
        let error = sh("sleep 5 & exit 0").run().unwrap_err();
        assert!(matches!(error, ProcessError::StreamsHeld { .. }), "{error}");
    }
}
