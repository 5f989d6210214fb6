//! The real client of each server, and that the server serves it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::recipes::{Running, find, find_llvm, find_rdbg, sleep};

/// How long a client may wait for an answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// Which client a server has. The debuggers' own programs are used as they are; an editor is played by the messages that
/// it sends from its greeting until the program is under its control.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// An editor that has `dlv dap` launch the Go program.
    DelveDap,
    /// `dlv connect`.
    Delve,
    /// `node inspect`.
    Node,
    /// An editor that attaches to debugpy.
    Debugpy,
    /// `jdb`.
    Jdb,
    /// `gdb`.
    Gdb,
    /// `lldb`.
    Lldb,
    /// An editor that has lldb-dap launch a program.
    LldbDap,
    /// `rdbg --attach`.
    Rdbg,
    /// DevTools, by the opening of its WebSocket.
    Chrome,
}

/// A client that is served.
pub enum Session {
    /// A program that is talked to.
    Program(Talk),
    /// An editor's connection.
    Editor(TcpStream),
}

impl Client {
    /// Connects, and talks until the server has shown that it serves. Gives the session, and what was seen of it; where
    /// the client is not installed, what is missing.
    pub fn connect(self, server: &Running, folder: &Path) -> Result<(Session, String), Problem> {
        let port = server.port;
        let at = format!("127.0.0.1:{port}");
        let talk = |program: Option<std::path::PathBuf>,
                    arguments: &[&str],
                    ready: &str,
                    ask: &str,
                    answer: &str| {
            let program = program.ok_or_else(|| Problem::Missing("its client is not installed".into()))?;
            let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut talk = Talk::start(Command::new(program).args(arguments))?;
            talk.hear(ready, PATIENCE)?;
            talk.ask(ask, answer, self == Client::Node)?;
            Ok((Session::Program(talk), format!("{name} hears {answer:?}")))
        };
        match self {
            Client::Delve => talk(find(&["dlv"]), &["connect", &at], "commands.", "threads", "* Thread"),
            Client::Node => talk(find(&["node"]), &["inspect", &at], " ok", "exec('6 * 7')", "42"),
            Client::Jdb => {
                let connector = format!("com.sun.jdi.SocketAttach:hostname=127.0.0.1,port={port}");
                talk(find(&["jdb"]), &["-connect", &connector], "VM Started", "threads", "Reference Handler")
            }
            Client::Gdb => {
                let ask = format!("target remote {at}\ninfo registers pc sp");
                talk(find(&["gdb"]), &["-nx", "-q"], "", &ask, "sp  ")
            }
            Client::Lldb => {
                let connect = format!("gdb-remote {at}");
                let arguments = ["--no-lldbinit", "-o", &connect];
                talk(find_llvm("lldb"), &arguments, "stop reason", "register read sp", "sp = 0x")
            }
            Client::Rdbg => {
                talk(find_rdbg(), &["--attach", "127.0.0.1", &port.to_string()], "rdbg", "p 6 * 7", "=> 42")
            }
            Client::DelveDap => {
                let program = folder.join("waits");
                let launch =
                    format!(r#"{{"mode":"exec","program":"{}","stopOnEntry":true}}"#, program.display());
                edit(port, "launch", &launch)
            }
            Client::Debugpy => edit(port, "attach", r#"{"justMyCode":true}"#),
            Client::LldbDap => {
                let launch =
                    format!(r#"{{"program":"{}","args":["1000"],"stopOnEntry":true}}"#, sleep().display());
                edit(port, "launch", &launch)
            }
            Client::Chrome => open_dev_tools(port),
        }
    }
}

/// Why there is no session.
pub enum Problem {
    /// The client is not there: nothing was tried.
    Missing(String),
    /// The server did not serve it.
    Unserved(String),
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Problem::Unserved(error.to_string())
    }
}

/// A program in a dialogue.
pub struct Talk {
    child: Child,
    heard: Arc<Mutex<String>>,
}

impl Talk {
    fn start(command: &mut Command) -> Result<Talk, Problem> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.env("TERM", "dumb").env("NO_COLOR", "1").spawn()?;
        let heard = Arc::new(Mutex::new(String::new()));
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
            child.stderr.take().map(|stream| Box::new(stream) as Box<dyn Read + Send>),
        ];
        for mut stream in streams.into_iter().flatten() {
            let heard = Arc::clone(&heard);
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut piece) {
                    heard
                        .lock()
                        .expect("what was heard")
                        .push_str(&String::from_utf8_lossy(&piece[..length]));
                }
            });
        }
        Ok(Talk { child, heard })
    }

    fn say(&mut self, text: &str) {
        // A client that has ended says more by what it printed.
        let _ = self.child.stdin.as_mut().map(|stdin| stdin.write_all(format!("{text}\n").as_bytes()));
    }

    /// Asks, and waits for the answer. `node inspect` loses what comes before its own start is over: it is asked
    /// again.
    fn ask(&mut self, ask: &str, answer: &str, again: bool) -> Result<(), Problem> {
        if again {
            for _ in 0..PATIENCE.as_secs() / 2 {
                self.say(ask);
                if self.hear(answer, Duration::from_secs(2)).is_ok() {
                    return Ok(());
                }
            }
        }
        self.say(ask);
        self.hear(answer, PATIENCE)
    }

    fn hear(&mut self, expected: &str, patience: Duration) -> Result<(), Problem> {
        let start = Instant::now();
        loop {
            let heard = self.heard.lock().expect("what was heard").clone();
            if heard.contains(expected) {
                return Ok(());
            }
            if start.elapsed() > patience {
                return Err(Problem::Unserved(format!(
                    "its client does not hear {expected:?}, but {heard:?}"
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An editor over the Debug Adapter Protocol: initialize, launch or attach, and the configuration is done.
fn edit(port: u16, start: &str, arguments: &str) -> Result<(Session, String), Problem> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut heard = String::new();
    let initialize = r#"{"clientID":"test","adapterID":"test","pathFormat":"path","linesStartAt1":true}"#;
    let requests = [
        ("initialize", initialize, r#""command":"initialize""#),
        (start, arguments, r#""event":"initialized""#),
        ("configurationDone", "{}", r#""command":"configurationDone""#),
    ];
    for (number, (command, arguments, answer)) in (1..).zip(requests) {
        let body =
            format!(r#"{{"seq":{number},"type":"request","command":"{command}","arguments":{arguments}}}"#);
        stream.write_all(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())?;
        hear(&mut stream, &mut heard, answer)?;
    }
    let refusal = heard.split("Content-Length").find(|message| message.contains(r#""success":false"#));
    match refusal.and_then(|message| message.split_once("\r\n\r\n")) {
        Some((_, refusal)) => Err(Problem::Unserved(format!("it refuses its client: {refusal}"))),
        None => Ok((Session::Editor(stream), format!("an editor has its {start} done"))),
    }
}

/// DevTools: the pages by HTTP, then a WebSocket to the browser.
fn open_dev_tools(port: u16) -> Result<(Session, String), Problem> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    stream.write_all(format!("GET /json/version HTTP/1.1\r\n{host}\r\n").as_bytes())?;
    let mut heard = String::new();
    hear(&mut stream, &mut heard, "/devtools/browser/")?;
    hear(&mut stream, &mut heard, "}")?;
    let path = heard.split_once(&format!(":{port}/")).and_then(|(_, rest)| rest.split('"').next());
    let path = path.ok_or_else(|| Problem::Unserved(format!("it names no WebSocket: {heard}")))?;
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    let key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    stream.write_all(format!("GET /{path} HTTP/1.1\r\n{host}{upgrade}{key}\r\n").as_bytes())?;
    hear(&mut stream, &mut String::new(), "HTTP/1.1 101")?;
    Ok((Session::Editor(stream), "DevTools has its WebSocket".to_owned()))
}

fn hear(stream: &mut TcpStream, heard: &mut String, expected: &str) -> Result<(), Problem> {
    let mut piece = [0; 4096];
    // Some write their JSON with blanks in it.
    while !heard.replace(": ", ":").contains(expected) {
        match stream.read(&mut piece) {
            Ok(0) => return Err(Problem::Unserved(format!("it hangs up on its client after {heard:?}"))),
            Ok(length) => heard.push_str(&String::from_utf8_lossy(&piece[..length])),
            Err(error) => {
                return Err(Problem::Unserved(format!(
                    "it does not say {expected}: {error}, after {heard:?}"
                )));
            }
        }
    }
    Ok(())
}
