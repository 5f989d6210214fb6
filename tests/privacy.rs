//! What another user of this Mac finds out: tokens are planted where others keep theirs, and all that such a user can read
//! and run is searched for them. Needs root, to become another user.

mod common;

use std::io::BufRead as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use common::capture::{append, frame_with};
use common::{Lab, Said, program, until};
use portcullis::lab::pflog::PFLOG0;
use portcullis::system::{PFLOG, RULESETS, STATUS};

const NOBODY: u32 = 65_534;

/// Each is searched for: in a table of another's anchor, a label of another's rule, what a client sent, the arguments of a
/// debugger; then what another's rules are written with: a host, a table's name, a tag, a macro, a redirection's target.
const TOKENS: [&str; 9] = [
    "10.99.88.77",
    "tenant-4711",
    "PAYLOAD-hunter2",
    "ARGUMENT-hunter3",
    "10.66.55.44",
    "table_of_tenants",
    "TAG_hunter4",
    "macro_hunter5",
    "10.33.22.11",
];

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

fn search(what: &str, text: &[u8]) {
    for token in TOKENS {
        let found = text.windows(token.len()).any(|part| part == token.as_bytes());
        assert!(!found, "{what} tells {token}:\n{}", String::from_utf8_lossy(text));
    }
}

fn printed(output: &Output) -> Vec<u8> {
    [output.stdout.as_slice(), &output.stderr].concat()
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
    let load = |anchor: &str, rules: String| {
        lab.write("/vpn", rules);
        lab.pfctl(&["-a", anchor, "-f", &lab.file("/vpn").display().to_string()]).expect(0);
        std::fs::remove_file(lab.file("/vpn")).unwrap();
    };
    let [held, label, _, _, host, table, tag, name, target] = TOKENS;
    load(
        "com.apple/250.vpn",
        format!(
            "{name} = \"{host}\"\ntable <{table}> {{ {held} }}\n\
             rdr pass inet proto tcp from {host} to any port 8443 -> {target} port 80\n\
             block in log quick from <{table}> to any\n\
             pass in proto tcp from any to any port {port} tag {tag} label \"{label}\"\n\
             pass in proto tcp from ${name} to any port 2345\n"
        ),
    );
    lab.portcullis(&["guard", "on"]).expect(0);
    lab.portcullis(&["open", &port, "--from", "any"]).expect(0);
    // Rules that decide before ours: the answers, the audit and the status all speak of them.
    load(
        "com.apple/050.vpn",
        format!(
            "table <{table}> {{ {held} }}\npass in quick proto tcp from {{ {host}, <{table}> }} to any\n\
             pass in quick proto tcp from any to any port 9229 tag {tag} label \"{label}\"\n\
             pass in quick proto tcp from any os \"{tag}\" to any port 5678\n"
        ),
    );
    for arguments in [&["close", "2345"][..], &["open", "2345", "--from", "10.0.0.5"], &["close", "9229"]] {
        let Said { out, err, .. } = lab.portcullis(arguments);
        search(&format!("{arguments:?}"), (out + &err).as_bytes());
    }
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
    program::copy(env!("CARGO_BIN_EXE_portcullis"), &binary);
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
        search(&format!("portcullis {}", arguments.join(" ")), &printed(&output));
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
    search("a file", &printed(&files));
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
