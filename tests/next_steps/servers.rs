//! What is debugged, and how a client speaks with its debugger.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Where a program of the machine is, under its own name or a packager's.
fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).chain(["/usr/bin".into(), "/usr/sbin".into()]).collect();
    let files = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    files.into_iter().find(|file| file.is_file())
}

/// A program by the name that it has in a next step; `python3` is one that has debugpy.
pub fn program(name: &str) -> Option<PathBuf> {
    match name {
        "python3" => {
            let named = std::env::var_os("PORTCULLIS_PYTHON").map(PathBuf::from);
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/python/bin/python");
            named.into_iter().chain([own]).chain(find(&["python3"])).find(|python| {
                let imports = Command::new(python).args(["-c", "import debugpy"]).output();
                imports.is_ok_and(|output| output.status.success())
            })
        }
        "rdbg" => find(&["rdbg", "rdbg3.3", "rdbg3.2", "rdbg3.1"]),
        "lldb-server" => {
            find(&["lldb-server", "lldb-server-19", "lldb-server-16", "lldb-server-15", "lldb-server-14"])
        }
        name => find(&[name]),
    }
}

/// A folder that holds a program for each debugger, under the names that the next steps use.
pub fn project(folder: &Path) -> std::io::Result<()> {
    for (name, text) in [
        ("go.mod", "module waits\n\ngo 1.19\n"),
        ("main.go", "package main\n\nimport \"time\"\n\nfunc main() { time.Sleep(1000 * time.Second) }\n"),
        ("app.js", "setTimeout(() => {}, 1e6)\n"),
        ("app.py", "import time\ntime.sleep(1000)\n"),
        ("app.rb", "sleep 1000\n"),
        (
            "App.java",
            "class App { public static void main(String[] given) throws Exception { Thread.sleep(1000000); } }\n",
        ),
        ("others.conf", "block in quick proto tcp from any to any port 1234\n"),
    ] {
        fs::write(folder.join(name), text)?;
    }
    symlink("/bin/sleep", folder.join("app"))
}

/// Where Go keeps what it builds, from one run to the next.
pub fn go_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache")
}

/// What the client says first, and what the debugger's answer holds then.
fn greeting(port: &str) -> Option<(&'static [u8], &'static str)> {
    Some(match port {
        "2345" => (b"{\"method\":\"RPCServer.GetVersion\",\"params\":[{}],\"id\":1}\n", "DelveVersion"),
        "9229" | "9230" => (b"GET /json/version HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", "\"Browser\""),
        "5005" => (b"JDWP-Handshake", "JDWP-Handshake"),
        "1234" => (b"+$qSupported#37", "PacketSize="),
        // A message of DAP, with its length.
        "12345" => (
            b"Content-Length: 82\r\n\r\n{\"seq\":1,\"type\":\"request\",\"command\":\"initialize\",\"arguments\":{\"adapterID\":\"rdbg\"}}",
            "initialize",
        ),
        _ => return None,
    })
}

/// Connects as the debugger's client would, and has it answer. Run on the client's machine.
pub fn speak(host: &str, port: &str) -> ExitCode {
    match spoken(host, port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{host}:{port}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn spoken(host: &str, port: &str) -> Result<(), String> {
    let (question, wanted) = greeting(port).ok_or("no client is known for it")?;
    let number: u16 = port.parse().map_err(|_| "no port")?;
    let host = host.trim_matches(['[', ']']);
    let mut stream = TcpStream::connect((host, number)).map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).map_err(|error| error.to_string())?;
    stream.write_all(question).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer).map_err(|error| error.to_string())?;
        answer.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&answer);
        if text.contains(wanted) {
            return Ok(());
        }
        if count == 0 {
            return Err(format!("it answers {text:?}"));
        }
    }
}
