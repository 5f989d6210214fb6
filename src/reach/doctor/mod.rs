//! Everything that stands in the way of debugging, in one report: facts in, findings out.
//!
//! ```
//! use portcullis::reach::doctor::{Facts, Level, examine};
//! let findings = examine(&Facts::default());
//! assert!(findings.iter().all(|finding| finding.level != Level::Problem));
//! ```
//!
//! [`examine`] is pure; [`toolchain`] and [`project`] collect what it needs beyond the ports.

pub mod project;
pub mod toolchain;

use serde::Serialize;

use super::connect;
use super::servers::{Kind, Trap, classify_process};
use super::sockets::Process;
use super::view::View;
use crate::os::process::Command;
use crate::reachability::{Assessment, State};
use crate::status::{AppFirewall, Firewall};
use project::{Client, Configuration, Project};
use toolchain::Toolchain;

/// Everything that the report is made from.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// pf, as the status shows it; `None` where there is no status.
    pub firewall: Option<Firewall>,
    /// The Application Firewall; `None` where it was not asked.
    pub app_firewall: Option<AppFirewall>,
    /// The debug ports that are in use or cared for, and what is said of each.
    pub ports: Vec<(View, Assessment)>,
    /// Why sockets may be missing, where they may.
    pub blind_spot: Option<String>,
    /// The processes that [`super::servers::is_delve_or_go`] names.
    pub delves: Vec<Process>,
    /// Go and Delve.
    pub toolchain: Toolchain,
    /// The current project's debug configurations.
    pub project: Project,
    /// The version of macOS, such as `(15, 1)`; `None` elsewhere.
    pub macos: Option<(u32, u32)>,
    /// What `DevToolsSecurity -status` printed, where it could be asked.
    pub developer_tools: Option<String>,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It stands in the way.
    Problem,
    /// It could not be found out.
    Unknown,
    /// It may surprise.
    Advice,
    /// It is as it should be.
    Fine,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What it is about: `pf`, `port 2345`, `go`, `dlv`, `project`, …
    pub about: String,
    /// What was found, as a sentence without the full stop.
    pub what: String,
    /// By what it was found.
    pub evidence: String,
    /// What to do; empty where there is nothing to do.
    pub next_step: String,
}

/// What the facts come to, the worst first. The exit code of a report is 1 where one is a [`Level::Problem`].
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = [
        pf(facts),
        app_firewall(facts),
        ports(facts),
        traps(facts),
        go_and_delve(facts),
        configurations(facts),
        system(facts),
    ]
    .concat();
    findings.sort_by_key(|finding| finding.level);
    findings
}

/// The report for people: one finding after the other.
pub fn render(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let sign = match finding.level {
            Level::Problem => "✗",
            Level::Unknown => "?",
            Level::Advice => "!",
            Level::Fine => "✓",
        };
        text += &format!("{sign} {}: {}\n", finding.about, finding.what);
        for (label, line) in [("seen", &finding.evidence), ("do", &finding.next_step)] {
            if !line.is_empty() {
                text += &format!("    {label}: {line}\n");
            }
        }
    }
    text
}

/// The version of macOS this runs on, such as `(15, 1)`; `None` elsewhere, or where it does not tell.
pub fn macos_version() -> Option<(u32, u32)> {
    if !cfg!(target_os = "macos") {
        return None;
    }
    let output = Command::new("/usr/bin/sw_vers").args(["-productVersion"]).run().ok()?;
    read_macos_version(&output.stdout)
}

fn read_macos_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split('.');
    Some((parts.next()?.parse().ok()?, parts.next().unwrap_or("0").parse().ok()?))
}

/// What macOS says of debuggers that attach to programs; `None` elsewhere.
pub fn developer_tools() -> Option<String> {
    if !cfg!(target_os = "macos") {
        return None;
    }
    Some(match Command::new("/usr/sbin/DevToolsSecurity").args(["-status"]).run() {
        Ok(output) => output.stdout,
        Err(error) => error.to_string(),
    })
}

fn finding(level: Level, about: &str, what: impl Into<String>, evidence: &str, next_step: &str) -> Finding {
    Finding {
        level,
        about: about.to_owned(),
        what: what.into(),
        evidence: evidence.to_owned(),
        next_step: next_step.to_owned(),
    }
}

fn pf(facts: &Facts) -> Vec<Finding> {
    let Some(firewall) = &facts.firewall else { return vec![] };
    let (level, what, next) = match firewall.state {
        "enabled" => (Level::Fine, "pf is on", ""),
        "disabled" => (
            Level::Advice,
            "pf is off: it blocks nothing, and an opened port is no more open than any other",
            "turn the guard on if closed ports are to be blocked: `portcullis guard on`",
        ),
        _ => (Level::Unknown, "what pf does is not known", "let root look: `portcullis status --check`"),
    };
    vec![finding(level, "pf", what, &firewall.because, next)]
}

fn app_firewall(facts: &Facts) -> Vec<Finding> {
    let about = "Application Firewall";
    let settings = "System Settings, Network, Firewall";
    match &facts.app_firewall {
        None => vec![],
        Some(AppFirewall::Off) => {
            vec![finding(Level::Fine, about, "it is off", "socketfilterfw --getglobalstate", "")]
        }
        Some(AppFirewall::On) => vec![finding(
            Level::Advice,
            about,
            "it is on: other machines reach a debugger only if macOS was told to allow that program",
            "socketfilterfw --getglobalstate",
            &format!("look for the debugger in {settings}, Options"),
        )],
        Some(AppFirewall::BlockAll) => vec![finding(
            Level::Problem,
            about,
            "it blocks all incoming connections: no other machine reaches any debugger",
            "socketfilterfw --getblockall",
            &format!("allow incoming connections in {settings}, Options"),
        )],
        Some(AppFirewall::Unknown(why)) => {
            vec![finding(Level::Unknown, about, "it could not be read", why, &format!("look in {settings}"))]
        }
    }
}

fn ports(facts: &Facts) -> Vec<Finding> {
    let of_port = |(view, said): &(View, Assessment)| {
        let level = match said.state {
            State::Bricked | State::Wedged | State::WrongFamily | State::BlockedEverywhere => Level::Problem,
            State::Unknown => Level::Unknown,
            State::LoopbackOnly | State::Forwarded | State::BlockedByPf | State::BlockedByAppFirewall => {
                Level::Advice
            }
            State::NoListener | State::InSession | State::Reachable => Level::Fine,
        };
        let command = view.process.as_ref().map(|process| process.arguments.join(" ")).unwrap_or_default();
        let evidence = match command.is_empty() {
            true => "the socket table".to_owned(),
            false => format!("`{}`", command.escape_debug()),
        };
        // What is right as it is needs no next step in a report.
        let next = if level == Level::Fine { "" } else { &said.next_step };
        finding(level, &format!("port {}", view.port), said.sentence.clone(), &evidence, next)
    };
    let blind = facts.blind_spot.iter().map(|why| {
        finding(
            Level::Unknown,
            "ports",
            "listeners of other users may be missing",
            why,
            "look as root: `sudo portcullis doctor`",
        )
    });
    facts.ports.iter().map(of_port).chain(blind).collect()
}

fn traps(facts: &Facts) -> Vec<Finding> {
    let seen = facts.ports.iter().filter_map(|(view, _)| view.process.as_ref());
    let mut processes: Vec<&Process> = seen.chain(&facts.delves).collect();
    processes.sort_by_key(|process| process.pid);
    processes.dedup_by_key(|process| process.pid);
    let of_process = |process: &&Process| -> Vec<Finding> {
        let Some(server) = classify_process(process, None) else { return vec![] };
        let line = format!("`{}` (pid {})", process.arguments.join(" ").escape_debug(), process.pid);
        let of_trap = |trap: &Trap| {
            let (level, what, next) = trap_words(*trap);
            finding(level, server.title(), what, &line, next)
        };
        server.traps.iter().map(of_trap).collect()
    };
    processes.iter().flat_map(of_process).collect()
}

fn trap_words(trap: Trap) -> (Level, &'static str, &'static str) {
    match trap {
        Trap::ListenAfterDashes => (
            Level::Problem,
            "`--listen` stands after `--`, so it goes to the program and dlv does not listen",
            "put `--listen` before `--`",
        ),
        Trap::ListenWithoutHeadless => (
            Level::Problem,
            "`--listen` without `--headless` does nothing: dlv runs in its terminal",
            "add `--headless`, or use `dlv dap`",
        ),
        Trap::HeadlessWithoutListen => (
            Level::Problem,
            "`--headless` without `--listen` takes a random port",
            "add `--listen=127.0.0.1:2345`",
        ),
        Trap::ListenWithoutColon => (
            Level::Problem,
            "`--listen` needs a colon before the port",
            "write `--listen=:2345` or `--listen=127.0.0.1:2345`",
        ),
        Trap::ContinueWithoutMulticlient => (
            Level::Problem,
            "`--continue` is refused without `--accept-multiclient`",
            "add `--accept-multiclient`",
        ),
        Trap::GdbserverIgnoresHost => (
            Level::Advice,
            "gdbserver listens on every address, whatever host it is given",
            "keep the port closed for other machines: `portcullis close`",
        ),
    }
}

fn go_and_delve(facts: &Facts) -> Vec<Finding> {
    let Toolchain { go, dlv, unlisted_dlv, goroot, .. } = &facts.toolchain;
    let wanted = facts.project.is_go || !facts.delves.is_empty();
    let mut findings = Vec::new();
    match (go.first(), wanted) {
        (None, true) => findings.push(finding(
            Level::Problem,
            "go",
            "no go on the PATH",
            &facts.toolchain.path,
            "install Go, or add its bin folder to PATH",
        )),
        (None, false) => {}
        (Some(first), _) => findings.push(match &first.version {
            Ok(version) => finding(Level::Fine, "go", format!("go {version}"), &first.path, ""),
            Err(why) => finding(
                Level::Unknown,
                "go",
                "go does not tell its version",
                &format!("{}: {why}", first.path),
                "",
            ),
        }),
    }
    if let Some(problem) = goroot {
        findings.push(finding(
            Level::Problem,
            "go",
            problem.clone(),
            "the environment's GOROOT",
            "unset GOROOT: go finds its own",
        ));
    }
    match (dlv.first(), unlisted_dlv, wanted) {
        (None, Some(path), _) => findings.push(finding(
            Level::Problem,
            "dlv",
            "dlv is installed, but not on the PATH",
            path,
            "add that folder to PATH",
        )),
        (None, None, true) => findings.push(finding(
            Level::Problem,
            "dlv",
            "no dlv on the PATH",
            &facts.toolchain.path,
            "`go install github.com/go-delve/delve/cmd/dlv@latest`",
        )),
        (None, None, false) => {}
        (Some(first), ..) => {
            findings.push(match &first.version {
                Ok(version) => finding(Level::Fine, "dlv", format!("dlv {version}"), &first.path, ""),
                Err(why) => finding(
                    Level::Unknown,
                    "dlv",
                    "dlv does not tell its version",
                    &format!("{}: {why}", first.path),
                    "",
                ),
            });
            if dlv.len() > 1 {
                let all: Vec<&str> = dlv.iter().map(|tool| tool.path.as_str()).collect();
                findings.push(finding(
                    Level::Advice,
                    "dlv",
                    format!("{} different dlvs are on the PATH; the first is used", dlv.len()),
                    &all.join(", "),
                    "remove the others, or name one by its path in the editor",
                ));
            }
        }
    }
    if let (Some(Ok(go)), Some(Ok(dlv))) =
        (go.first().map(|tool| &tool.version), dlv.first().map(|tool| &tool.version))
        && toolchain::is_delve_too_old(dlv, go)
    {
        findings.push(finding(
            Level::Problem,
            "dlv",
            format!("dlv {dlv} is too old for go {go}"),
            "dlv refuses newer versions of Go than it knows",
            "`go install github.com/go-delve/delve/cmd/dlv@latest`",
        ));
    }
    findings
}

fn configurations(facts: &Facts) -> Vec<Finding> {
    let unreadable = facts.project.problems.iter().map(|problem| {
        finding(Level::Problem, "project", "a debug configuration does not read", problem, "mend the file")
    });
    let of_one = |configuration: &Configuration| configuration_finding(configuration, facts);
    unreadable.chain(facts.project.configurations.iter().filter_map(of_one)).collect()
}

fn configuration_finding(configuration: &Configuration, facts: &Facts) -> Option<Finding> {
    let port = configuration.port?;
    let about = format!("project, \"{}\"", configuration.name.escape_debug());
    let host = configuration.host.as_deref().unwrap_or("127.0.0.1");
    let evidence = format!("{}: {host}:{port}", configuration.file);
    let found = |level, what: String, next: &str| Some(finding(level, &about, what, &evidence, next));
    // Another machine's debugger cannot be seen from here.
    if !["127.0.0.1", "localhost", "::1", "0.0.0.0", ""].contains(&host) {
        return None;
    }
    let view = facts.ports.iter().map(|(view, _)| view).find(|view| view.port == port)?;
    let Some(server) = &view.server else {
        return match &view.process {
            None => found(
                Level::Advice,
                format!("it connects to port {port}, where nothing listens yet"),
                "start the debugger first, then this configuration",
            ),
            Some(process) => found(
                Level::Problem,
                format!("it connects to port {port}, where {process} listens, which is no debugger"),
                "give both the same free port",
            ),
        };
    };
    if let Some(next) = mismatch(configuration.client, server.kind) {
        let what = format!(
            "it does not fit the {} on port {port}: {}",
            server.title(),
            configuration.client.words()
        );
        let alternative =
            connect::settings(&connect::Target { kind: server.kind, host, port, tunnel: false });
        let hint = alternative
            .first()
            .map_or_else(String::new, |_| format!("; `portcullis connect {port}` prints what fits"));
        return found(Level::Problem, what, &format!("{next}{hint}"));
    }
    let families: Vec<bool> =
        view.listeners.iter().map(|socket| socket.local.ip().to_canonical().is_ipv4()).collect();
    let only = |v4: bool| !families.is_empty() && families.iter().all(|is_v4| *is_v4 == v4);
    let every = view.listeners.iter().any(|socket| socket.local.ip().is_unspecified());
    match host {
        "::1" if only(true) => found(
            Level::Problem,
            "it uses ::1, but the debugger listens on IPv4 only".into(),
            "use 127.0.0.1 as the host",
        ),
        "127.0.0.1" if only(false) && !every => found(
            Level::Problem,
            "it uses 127.0.0.1, but the debugger listens on IPv6 only".into(),
            "use ::1 as the host",
        ),
        "localhost" if !every => found(
            Level::Advice,
            "it uses localhost, which may mean ::1 as well as 127.0.0.1".into(),
            "name the address that the debugger listens on",
        ),
        _ => found(Level::Fine, format!("it fits the {} on port {port}", server.title()), ""),
    }
}

/// What to change where a client does not speak with a server of this kind.
fn mismatch(client: Client, kind: Kind) -> Option<&'static str> {
    let fits: &[Kind] = match client {
        Client::GoRemoteAttach => &[Kind::DelveHeadless, Kind::DelveMulticlient],
        Client::GoLand => &[Kind::DelveHeadless, Kind::DelveMulticlient],
        Client::GoLaunchThroughDap => &[Kind::DelveDap],
        Client::Node => &[Kind::Node],
        Client::Chrome => &[Kind::Chrome, Kind::Node],
        Client::Debugpy => &[Kind::Debugpy],
        Client::Java => &[Kind::Jdwp],
        Client::Gdb => &[Kind::Gdbserver, Kind::LldbServer],
        Client::Rdbg => &[Kind::Rdbg],
        Client::Other => return None,
    };
    if fits.contains(&kind) || kind == Kind::Proxy {
        return None;
    }
    Some(match (client, kind) {
        (Client::GoRemoteAttach | Client::GoLand, Kind::DelveDap) => {
            "start `dlv … --headless` instead of `dlv dap`"
        }
        (Client::GoLaunchThroughDap, Kind::DelveHeadless | Kind::DelveMulticlient) => {
            "use \"request\": \"attach\" with \"mode\": \"remote\", or start `dlv dap`"
        }
        _ => "give the configuration the port of its own debugger",
    })
}

fn system(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    if facts.macos.is_some_and(|(major, _)| major >= 15) {
        findings.push(finding(
            Level::Advice,
            "Local Network",
            "since macOS 15 a client needs permission to reach machines of the local network; without it, \
             it says \"No route to host\"",
            "this Mac runs macOS 15 or later",
            "allow the editor and the terminal in System Settings, Privacy & Security, Local Network",
        ));
    }
    if let Some(said) = &facts.developer_tools {
        let said = said.trim();
        let lower = said.to_ascii_lowercase();
        let (level, what, next) = match () {
            () if lower.contains("enabled") => (Level::Fine, "debuggers may attach to programs", ""),
            () if lower.contains("disabled") => (
                Level::Problem,
                "debuggers may not attach to programs: it looks like a network fault, and is none",
                "`sudo DevToolsSecurity -enable`",
            ),
            () => (Level::Unknown, "whether debuggers may attach is not known", "`DevToolsSecurity -status`"),
        };
        findings.push(finding(level, "Developer Tools", what, said, next));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::sockets::Table;
    use super::*;
    use crate::reachability::{Answer, Pf};
    use toolchain::Tool;

    fn process(pid: u32, line: &str) -> Process {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let path = arguments.first().map(Into::into);
        Process { pid, parent: None, name: arguments.first().cloned(), path, user: None, arguments }
    }

    fn port(port: u16, process: &Process) -> (View, Assessment) {
        use super::super::sockets::{Owner, Socket, TcpState};
        let socket = Socket {
            local: ([127, 0, 0, 1], port).into(),
            remote: None,
            state: TcpState::Listen,
            v6_only: None,
            accept_queue: Some(0),
            accepted: None,
            owner: Owner::Process(std::sync::Arc::new(process.clone())),
        };
        let view = View::of(port, &Table { listeners: vec![socket], ..Table::default() }, None, &[]);
        let said = view
            .assess(Pf::same(Answer::Yes, Answer::Yes, Answer::Yes), crate::reachability::AppFirewall::Off);
        (view, said)
    }

    fn configuration(client: Client, host: &str, port: u16) -> Configuration {
        let host = Some(host.to_owned());
        Configuration {
            file: ".vscode/launch.json".into(),
            name: "Attach".into(),
            client,
            host,
            port: Some(port),
        }
    }

    #[test]
    fn versions_of_macos_read() {
        assert_eq!(read_macos_version("15.1.1\n"), Some((15, 1)));
        assert_eq!(read_macos_version("26"), Some((26, 0)));
        assert_eq!(read_macos_version("junk"), None);
    }

    #[test]
    fn the_report() {
        let dap = process(7, "dlv dap --listen=127.0.0.1:2345");
        let trapped = process(8, "dlv debug --headless ./x -- --listen=:2346");
        let tool = |path: &str, version: &str| Tool { path: path.into(), version: Ok(version.into()) };
        let facts = Facts {
            app_firewall: Some(AppFirewall::BlockAll),
            ports: vec![port(2345, &dap), port(3000, &process(9, "nginx"))],
            delves: vec![dap.clone(), trapped],
            toolchain: Toolchain {
                go: vec![tool("/usr/local/go/bin/go", "1.25.1")],
                dlv: vec![tool("/a/dlv", "1.20.2"), tool("/b/dlv", "1.25.0")],
                goroot: Some("GOROOT names /old, which is no folder".into()),
                ..Toolchain::default()
            },
            project: Project {
                is_go: true,
                configurations: vec![
                    configuration(Client::GoRemoteAttach, "127.0.0.1", 2345),
                    configuration(Client::GoLaunchThroughDap, "localhost", 2345),
                    configuration(Client::Node, "127.0.0.1", 3000),
                    configuration(Client::GoLand, "::1", 2345),
                    configuration(Client::GoRemoteAttach, "build-box", 2345),
                ],
                problems: vec![".idea/runConfigurations/x.xml: cut short".into()],
            },
            macos: Some((15, 1)),
            developer_tools: Some("Developer mode is currently disabled.".into()),
            ..Facts::default()
        };
        let findings = examine(&facts);
        assert_eq!(findings.first().unwrap().level, Level::Problem);
        insta::assert_snapshot!(render(&findings));
    }
}
