//! A program that is listened to while it runs, and one that goes on when we have ended. Absolute path and fixed
//! environment, as in [`super::process`].
//!
//! ```
//! use portcullis::os::process::Program;
//! use portcullis::os::stream::{Heard, Stream};
//! use std::time::Duration;
//! let stream = Stream::start(Program::new("/bin/echo").args(["hello"]))?;
//! assert_eq!(stream.next(Duration::from_secs(5)), Some(Heard::Out(b"hello\n".to_vec())));
//! assert_eq!(stream.next(Duration::from_secs(5)), Some(Heard::Ended));
//! # Ok::<(), portcullis::os::process::ProcessError>(())
//! ```

use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::children::enlist;
use super::inherited::{ENVIRONMENT, keep_ends_of_children};
use super::process::{ProcessError, Program, kill_group};

/// A running program; dropped, it is killed with what it started.
#[derive(Debug)]
pub struct Stream {
    child: Child,
    heard: Receiver<Heard>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Some bytes of its standard output.
    Out(Vec<u8>),
    /// A line of its standard error, without its end.
    Said(String),
    /// Its standard output came to an end, and its last words were heard.
    Ended,
}

/// How many pieces wait for us; then it waits.
const WAITING: usize = 16;
/// How long after the end of standard output something may still come on standard error.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The longest line of standard error that is kept.
const LONGEST_LINE: u64 = 4096;

impl Stream {
    /// Starts `program`, an absolute path. Errors: it is none, or cannot start.
    pub fn start(program: Program) -> Result<Self, ProcessError> {
        let mut child =
            spawn(program, |command| command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
        let (sender, heard) = sync_channel(WAITING);
        let (saying, said_all) = sync_channel::<()>(0);
        if let Some(stderr) = child.stderr.take() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                lines(stderr, &sender);
                drop(saying);
            });
        }
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                pieces(stdout, &sender);
                // Its last words come before its end, unless something that it started keeps the line open.
                let _ = said_all.recv_timeout(LAST_WORDS);
                let _ = sender.send(Heard::Ended);
            });
        }
        Ok(Stream { child, heard })
    }

    /// What is heard next; `None` where nothing is within `patience`.
    pub fn next(&self, patience: Duration) -> Option<Heard> {
        match self.heard.recv_timeout(patience) {
            Ok(heard) => Some(heard),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Heard::Ended),
        }
    }

    /// Asks it to end (SIGTERM); what it still gives can be heard.
    pub fn ask_to_end(&self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        kill_group(&mut self.child);
    }
}

fn pieces(mut stdout: impl Read, sender: &SyncSender<Heard>) {
    let mut room = vec![0; 64 * 1024];
    loop {
        match stdout.read(&mut room) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(length) => {
                let piece = room.get(..length).unwrap_or_default().to_vec();
                if sender.send(Heard::Out(piece)).is_err() {
                    return;
                }
            }
        }
    }
}

fn lines(stderr: impl Read, sender: &SyncSender<Heard>) {
    let mut stderr = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match stderr.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(Heard::Said(line)).is_err() {
                    return;
                }
            }
        }
    }
}

/// Starts `program` to go on when we have ended, and gives the first line that it prints: it says with it how it got
/// on, then lets go of its standard output. Errors: it cannot start, or says nothing within `patience`; then it is
/// killed.
pub fn start_and_leave(program: Program, patience: Duration) -> Result<String, ProcessError> {
    let name = program.program().display().to_string();
    // No group of its own: a leader of one could not begin a session.
    let mut child = spawn(program, |command| command.stdout(Stdio::piped()).stderr(Stdio::null()))?;
    let (sender, said) = sync_channel(1);
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout.take(64 * 1024)).read_line(&mut line);
            let _ = sender.send(line);
        });
    }
    said.recv_timeout(patience).map_err(|_| {
        let _ = child.kill();
        let _ = child.wait();
        ProcessError::TimedOut { program: name, timeout: patience }
    })
}

fn spawn(
    program: Program,
    streams: impl FnOnce(&mut Command) -> &mut Command,
) -> Result<Child, ProcessError> {
    let Program { program, arguments, .. } = program;
    let name = program.display().to_string();
    if !program.is_absolute() {
        return Err(ProcessError::NotAbsolute { program: name });
    }
    keep_ends_of_children();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(ENVIRONMENT).current_dir("/").stdin(Stdio::null());
    enlist(&mut command);
    streams(&mut command).spawn().map_err(|source| ProcessError::Start { program: name, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn sh(script: &str) -> Stream {
        Stream::start(Program::new("/bin/sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn both_streams_are_heard_while_it_runs() {
        let stream = sh("echo ready >&2; cat /dev/zero | head -c 300000; sleep 30");
        // Which of them is heard first is not said.
        let (mut length, mut said) = (0, Vec::new());
        while length < 300_000 || said.is_empty() {
            match stream.next(SOON) {
                Some(Heard::Out(bytes)) => length += bytes.len(),
                Some(Heard::Said(line)) => said.push(line),
                other => panic!("{other:?} after {length} bytes"),
            }
        }
        assert_eq!(said, ["ready"]);
        assert_eq!(stream.next(Duration::ZERO), None);
    }

    #[test]
    fn last_words_come_before_the_end() {
        for _ in 0..50 {
            let stream = sh("echo no >&2; exit 1");
            assert_eq!(stream.next(SOON), Some(Heard::Said("no".into())));
            assert_eq!(stream.next(SOON), Some(Heard::Ended));
        }
    }

    #[test]
    fn it_ends_when_asked_and_when_dropped() {
        let stream = sh("trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.05; done");
        assert_eq!(stream.next(SOON), Some(Heard::Out(b"ready\n".to_vec())));
        stream.ask_to_end();
        assert_eq!(stream.next(SOON), Some(Heard::Out(b"bye\n".to_vec())));
        assert_eq!(stream.next(SOON), Some(Heard::Ended));
        let stream = sh("echo $$; exec sleep 30");
        let Some(Heard::Out(pid)) = stream.next(SOON) else { panic!("no pid") };
        let pid: u32 = String::from_utf8(pid).unwrap().trim().parse().unwrap();
        assert!(crate::os::process_exists(pid));
        drop(stream);
        assert!(!crate::os::process_exists(pid));
    }

    #[test]
    fn one_that_is_left_says_a_line_or_is_killed() {
        let start =
            |script: &str, patience| start_and_leave(Program::new("/bin/sh").args(["-c", script]), patience);
        assert_eq!(start("echo well; exec >/dev/null; exit", SOON).unwrap(), "well\n");
        assert_eq!(start("exit 1", SOON).unwrap(), "");
        let error = start("exec sleep 30", Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
        assert!(Stream::start(Program::new("sh")).is_err());
    }
}
