//! What another user of this Mac finds out: tokens are planted where others keep theirs, and all that such a user can read
//! and run is searched for them. Needs root, to become another user.

mod common;

use std::io::BufRead as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use common::capture::{append, frame_with};
use common::{Lab, until};
use portcullis::lab::pflog::PFLOG0;
use portcullis::system::{PFLOG, RULESETS, STATUS};

const NOBODY: u32 = 65_534;

/// Each is searched for: in a table of another's anchor, a label of another's rule, what a client sent, the arguments of a debugger.
const TOKENS: [&str; 4] = ["10.99.88.77", "tenant-4711", "PAYLOAD-hunter2", "ARGUMENT-hunter3"];

/// Serves as the debugger of the test below, which starts it with a secret among its arguments.
#[test]
fn serves() {
    if std::env::var_os("PORTCULLIS_TEST_SERVES").is_none() {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    println!("\nport {}", listener.local_addr().unwrap().port());
    // Until the test ends it.
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// A process that listens, with a secret among its arguments; ended with the test.
struct Server {
    child: std::process::Child,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "serves", "--nocapture", "--skip", &format!("--token={}", TOKENS[3])])
            .env("PORTCULLIS_TEST_SERVES", "")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| line.unwrap().strip_prefix("port ")?.parse().ok());
        Server { child, port: port.expect("it listens") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn as_nobody(program: &str) -> Command {
    let mut command = Command::new(program);
    // std drops the groups of root by itself.
    command.uid(NOBODY).gid(NOBODY).env("USER", "nobody").current_dir("/");
    command
}

fn search(what: &str, output: &Output) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    for token in TOKENS {
        let found = text.windows(token.len()).any(|part| part == token.as_bytes());
        assert!(!found, "{what} tells {token}:\n{}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn another_user_finds_no_token() {
    if !portcullis::os::is_root() {
        println!("skipped: only root becomes another user");
        return;
    }
    let lab = Lab::new();
    std::fs::set_permissions(lab.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start();
    let port = server.port.to_string();
    lab.portcullis(&["status"]).expect(0);
    lab.write("/vpn", format!("table <vpn> {{ {} }}\nblock in log quick from <vpn> to any\npass in proto tcp to any port {port} label \"{}\"\n", TOKENS[0], TOKENS[1]));
    lab.pfctl(&["-a", "com.apple/250.vpn", "-f", &lab.file("/vpn").display().to_string()]).expect(0);
    std::fs::remove_file(lab.file("/vpn")).unwrap();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", &port, "--from", "any"]).expect(0);
    lab.portcullis(&["log", "--for", "1h"]).expect(0);
    append(&lab.file(PFLOG0), &frame_with(1, "250.vpn", (0, 0), (50_000, 2345), TOKENS[2].as_bytes()));
    until("it is recorded", || lab.file(PFLOG).metadata().is_ok_and(|meta| meta.len() > 100));
    lab.portcullis(&["status", "--check"]).expect(0);
    // An administrator has the tables and the packet, but nobody has what was sent or the secret argument.
    let rulesets = String::from_utf8(lab.read(RULESETS)).unwrap();
    assert!(rulesets.contains(TOKENS[0]) && rulesets.contains(TOKENS[1]));
    assert!(lab.portcullis(&["log"]).expect(0).out.contains("192.168.1.20:50000"));
    assert!(!lab.read(PFLOG).windows(7).any(|part| part == b"hunter2"));
    let doctor = lab.portcullis(&["doctor", "--json"]);
    assert!(!doctor.out.contains(TOKENS[3]));

    // The pretended kernel is a part of the lab, which each of its programs looks after.
    let private = lab.file("/private").display().to_string();
    assert!(Command::new("chown").args(["-R", &NOBODY.to_string(), &private]).status().unwrap().success());
    // Where every user gets at it.
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::set_permissions(elsewhere.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let binary = elsewhere.path().join("portcullis");
    std::fs::copy(env!("CARGO_BIN_EXE_portcullis"), &binary).unwrap();
    let binary = binary.display().to_string();
    let run = |arguments: &[&str]| {
        as_nobody(&binary).arg("--lab").arg(lab.path()).args(arguments).output().unwrap()
    };
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["explain", "2345"],
        &["explain", &port, "--json"],
        &["log"],
        &["log", "--json"],
        &["doctor"],
        &["doctor", "--json"],
        &["history"],
        &["history", "--json"],
        &["snapshots", "--json"],
        &["connect", &port],
        &["open", "2345", "--dry-run"],
    ] {
        let output = run(arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!error.contains("Permission denied"), "{arguments:?}: {error}");
        search(&format!("portcullis {}", arguments.join(" ")), &output);
    }
    let says = |arguments: &[&str], word: &str| {
        let output = run(arguments);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(text.contains(word), "{arguments:?}: {text}");
    };
    says(&["explain", "2345"], "for administrators to read");
    says(&["log"], "for administrators to read");
    says(&["status"], "open");
    // Every file that this user can read; what is below private is the pretended kernel and the prompt's log.
    // Programs of the pretended Mac are links or copies of this build's: nothing of ours is written there.
    let find = "cd \"$1\" && find Library etc dev Users -type f -readable -print -exec cat {} + 2>&-";
    let files = as_nobody("/bin/sh").args(["-c", find, "sh"]).arg(lab.path()).output().unwrap();
    assert!(String::from_utf8_lossy(&files.stdout).contains("status.json"));
    search("a file", &files);
    lab.portcullis(&["log", "--stop"]).expect(0);
}

#[test]
fn files_have_the_modes_that_they_are_to_have() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["log", "--for", "1h"]).expect(0);
    let mode = |path: &str| lab.file(path).metadata().unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(STATUS), mode(RULESETS), mode(PFLOG)), (0o644, 0o640, 0o640));
    lab.portcullis(&["log", "--stop"]).expect(0);
    let status = String::from_utf8(lab.read(STATUS)).unwrap();
    assert!(!status.contains("com.apple/*"), "rules of others in it: {status}");
}
