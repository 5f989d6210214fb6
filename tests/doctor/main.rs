//! `portcullis doctor` in made-up projects, with a PATH and listeners of the tests' own. Whatever else is debugged on this
//! machine is in the report too, so only what is said of project, go and dlv is judged.

#[path = "../common/mod.rs"]
mod common;
mod homes;
mod programs;

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use common::Lab;

/// A lab, a project, and the only folder on the PATH.
struct Place {
    lab: Lab,
    root: tempfile::TempDir,
}

/// What this machine has set.
const NO_VARIABLES: [&str; 5] = ["GOROOT", "GOPATH", "GOBIN", "GOTOOLCHAIN", "GOFLAGS"];

struct Said {
    code: Option<i32>,
    text: String,
}

impl Place {
    fn new() -> Place {
        let place = Place { lab: Lab::new(), root: tempfile::tempdir().unwrap() };
        for folder in ["project/.git", "bin", "home"] {
            std::fs::create_dir_all(place.root.path().join(folder)).unwrap();
        }
        place
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.root.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file
    }

    /// A program of which nothing but its file is looked at.
    fn program(&self, name: &str, bytes: &[u8]) {
        programs::write(&self.root.path().join(name), bytes);
    }

    /// A bin/go of this version.
    fn go(&self, version: &str) {
        self.write("VERSION", &format!("go{version}\ntime 2025-01-01T00:00:00Z\n"));
        self.program("bin/go", b"");
    }

    fn dlv(&self, name: &str, version: &str) {
        self.program(name, &programs::delve(version));
    }

    fn doctor_in(&self, folder: &str, arguments: &[&str]) -> Said {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .arg("--lab")
            .arg(self.lab.path())
            .arg("doctor")
            .args(arguments)
            .current_dir(self.root.path().join(folder))
            .env("PATH", self.root.path().join("bin"))
            .env("HOME", self.root.path().join("home"))
            .envs(NO_VARIABLES.map(|name| (name, "")))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        Said { code: output.status.code(), text: text + &String::from_utf8_lossy(&output.stderr) }
    }

    fn doctor(&self) -> Said {
        self.doctor_in("project", &[])
    }

    fn json(&self) -> serde_json::Value {
        let said = self.doctor_in("project", &["--json"]);
        let report: serde_json::Value = serde_json::from_str(&said.text).unwrap();
        assert_eq!(said.code, Some(if report["ok"] == true { 0 } else { 1 }));
        report
    }

    /// What is wrong with project, go and dlv.
    fn problems(&self) -> Vec<String> {
        let report = self.json();
        let findings = report["findings"].as_array().unwrap().iter();
        let judged = findings.filter(|finding| {
            let about = finding["about"].as_str().unwrap();
            finding["level"] == "problem" && (["go", "dlv"].contains(&about) || about.starts_with("project"))
        });
        judged.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect()
    }
}

impl Said {
    fn has(&self, part: &str) -> &Self {
        assert!(self.text.contains(part), "no {part:?} in\n{}", self.text);
        self
    }

    fn lacks(&self, part: &str) -> &Self {
        assert!(!self.text.contains(part), "{part:?} in\n{}", self.text);
        self
    }
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn attach(port: impl std::fmt::Display) -> String {
    format!(
        r#"{{ // a comment
            "configurations": [
                {{ "name": "Attach", "type": "go", "request": "attach", "mode": "remote", "port": {port}, }},
            ],
            "compounds": [{{ "name": "All", "configurations": ["Attach"] }}],
        }}"#
    )
}

#[test]
fn an_empty_folder_has_no_problem() {
    let place = Place::new();
    place.go("1.24.1");
    place.dlv("bin/dlv", "1.24.0");
    assert_eq!(place.problems(), [""; 0]);
}

#[test]
fn a_go_project_needs_go_and_a_dlv_that_fits() {
    let place = Place::new();
    place.write("project/go.mod", "module x\n\ngo 1.24\n");
    let said = place.doctor();
    assert_eq!(said.code, Some(1));
    said.has("no go on the PATH").has("no dlv on the PATH");

    place.dlv("home/go/bin/dlv", "1.24.0");
    place.doctor().has("dlv is installed, but not on the PATH").has("~/go/bin/dlv");

    place.go("1.24.1");
    place.dlv("bin/dlv", "1.22.0");
    let said = place.doctor();
    assert_eq!(said.code, Some(1));
    said.has("dlv 1.22.0 is too old for Go 1.24.1").lacks("not on the PATH");

    place.dlv("bin/dlv", "1.24.0");
    place.doctor().has("✓ go: go 1.24.1").has("✓ dlv: dlv 1.24.0");
    assert_eq!(place.problems(), [""; 0]);

    place.write("project/go.work", "go 1.26\n");
    place.doctor().has("dlv 1.24.0 is too old for Go 1.26, which go.work asks for");
}

#[test]
fn nothing_on_the_path_is_run() {
    let place = Place::new();
    place.write("project/go.mod", "module x\n\ngo 1.24\n");
    let trace = place.root.path().join("trace");
    let script = format!("#!/bin/sh\necho x >>{}\n", trace.display());
    for name in ["bin/go", "bin/dlv", "home/.goenv/shims/go"] {
        place.program(name, script.as_bytes());
    }
    place.doctor().has("? go: the version of go is not known").has("? dlv: the version of dlv is not known");
    assert!(!trace.exists());
}

#[test]
fn a_configuration_is_held_against_what_listens() {
    let place = Place::new();
    let (_held, port) = listener();
    place.write("project/.vscode/launch.json", &attach(port));
    let said = place.doctor_in("project/.vscode", &[]);
    assert_eq!(said.code, Some(1));
    said.has("which is not a known debugger").has(&format!(".vscode/launch.json: 127.0.0.1:{port}"));

    // That nothing listens yet is not a problem, nor is what only the editor knows.
    let (free, unused) = listener();
    drop(free);
    place.write("project/.vscode/launch.json", &attach(unused));
    place.doctor().has(&format!("it connects to port {unused}, where nothing listens"));
    place.write("project/.vscode/launch.json", &attach("\"${env:DLV_PORT}\""));
    assert!(!place.problems().iter().any(|problem| problem.contains("DLV_PORT")));
    place.doctor().has("? project, \"Attach\": its port is ${env:DLV_PORT}: only the editor knows");

    place.write("project/.vscode/launch.json", "{ \"configurations\": [");
    let said = place.doctor();
    assert_eq!(said.code, Some(1));
    said.has("a debug configuration cannot be read").has(".vscode/launch.json");
}

#[test]
fn the_files_of_every_editor_are_read() {
    let place = Place::new();
    let (_held, port) = listener();
    let remote = |name: &str| {
        format!(
            r#"<c><configuration name="{name}" type="GoRemoteDebugConfigurationType" port="{port}" host="127.0.0.1"/></c>"#
        )
    };
    place.write("project/.idea/runConfigurations/a.xml", &remote("from idea"));
    place.write("project/.run/b.run.xml", &remote("from run"));
    place.write("project/.idea/workspace.xml", &remote("from workspace.xml"));
    let launch = attach(port).replace("\"Attach\"", "\"from code-workspace\"");
    place.write(
        "project/x.code-workspace",
        &format!(r#"{{ "folders": [{{ "path": "svc" }}], "launch": {launch} }}"#),
    );
    place.write(
        "project/svc/.vscode/launch.json",
        &attach(port).replace("\"Attach\"", "\"from the second root\""),
    );
    let said = place.doctor();
    for name in ["from idea", "from run", "from workspace.xml", "from code-workspace", "from the second root"]
    {
        said.has(&format!("✗ project, \"{name}\""));
    }
}

#[test]
fn a_connection_that_is_stuck_shows_from_one_call() {
    let place = Place::new();
    let (_deaf, port) = listener();
    let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    place.write("project/.vscode/launch.json", &attach(port));
    let report = place.json();
    let ports = report["ports"].as_array().unwrap();
    let found = ports.iter().find(|found| found["port"] == port).unwrap();
    assert_eq!(found["state"], "wedged", "{found:#}");
    assert_eq!(found["process"]["pid"], std::process::id());
}

#[test]
fn secrets_in_arguments_are_never_shown() {
    let place = Place::new();
    // A shell that holds the listener as its standard input.
    let (listener, port) = listener();
    let secrets = ["--server-access-token", "hUsHhUsH", "--db=x://me:hUsHhUsH@h", "API_KEY=hUsHhUsH"];
    let mut child = std::process::Command::new("/bin/sh")
        .args(["-c", "sleep 1000; :", "x"])
        .args(secrets)
        .stdin(std::os::fd::OwnedFd::from(listener))
        .process_group(0)
        .spawn()
        .unwrap();
    place.write("project/.vscode/launch.json", &attach(port));
    let shown = [place.doctor().text, place.json().to_string()];
    // Its sleep with it.
    let group = format!("-{}", child.id());
    std::process::Command::new("kill").args(["-KILL", "--", &group]).status().unwrap();
    child.wait().unwrap();
    for text in shown {
        assert!(text.contains("[redacted]") && !text.contains("hUsHhUsH"), "{text}");
    }
}

#[test]
fn what_the_file_on_disk_is_not_is_said_everywhere_in_the_same_words() {
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let edit = |line: &str| {
        let conf = String::from_utf8(lab.read("/etc/pf.conf")).unwrap();
        lab.write("/etc/pf.conf", format!("{conf}{line}\n"));
        conf.lines().count() + 1
    };
    let said_by = |command: &[&str], says: &str| {
        let out = lab.portcullis(command).out;
        let count = out.replace('\n', " ").matches(says).count();
        assert_eq!(count, 1, "{command:?}: {out}");
    };
    let everywhere = |says: &str| {
        said_by(&["status"], says);
        said_by(&["doctor"], says);
        said_by(&["explain", "2345", "--from", "192.168.1.9"], says);
    };
    let line = edit("block in proto tcp to any port 2345");
    lab.portcullis(&["status", "--check"]).expect(0);
    everywhere(&format!(
        "/etc/pf.conf is not what is loaded: only in the file, line {line}: block drop in proto tcp"
    ));
    let line = edit("bloc in all");
    everywhere(&format!("/etc/pf.conf:{line} does not read: at the next start pf loads nothing"));
}

#[test]
fn a_conf_that_an_update_put_back_is_told() {
    let lab = Lab::new();
    lab.portcullis(&["prefs", "way", "classic"]).expect(0);
    let stock = lab.read("/etc/pf.conf");
    lab.portcullis(&["guard", "on"]).expect(0);
    let said = || lab.portcullis(&["status"]).out.contains("was put back, as an update of macOS does");
    assert!(!said());
    lab.write("/etc/pf.conf", stock);
    assert!(said());
    assert!(
        lab.portcullis(&["doctor"])
            .expect(1)
            .out
            .contains("have it call our anchor again: `portcullis repair`")
    );
    lab.portcullis(&["repair"]).expect(0);
    assert!(!said());
}

#[test]
fn a_main_ruleset_that_lost_apples_anchors_is_a_problem() {
    let lab = Lab::new();
    lab.portcullis(&["status", "--check"]).expect(0);
    lab.write("/other.conf", "rdr pass inet proto tcp from any to any port 80 -> 127.0.0.1 port 8080\n");
    lab.pfctl(&["-ef", &lab.file("/other.conf").display().to_string()]).expect(0);
    lab.portcullis(&["status", "--check"]).expect(0);
    let said = lab.portcullis(&["doctor"]).expect(1).out;
    assert!(
        said.contains(
            "com.apple/* is no longer called: AirDrop, Internet Sharing and our rules below it have no effect"
        ),
        "{said}"
    );
    assert!(
        said.contains("takes away what is loaded now (`rdr pass inet proto tcp from any to any port = 80"),
        "{said}"
    );
    lab.pfctl(&["-f", "/etc/pf.conf"]).expect(0);
    lab.portcullis(&["status", "--check"]).expect(0);
    lab.portcullis(&["doctor"]).expect(0);
}
