//! Everything that stands in the way of debugging, in one report: facts in, findings out.
//!
//! ```
//! use portcullis::doctor::{DoctorFacts, Level, examine};
//! let findings = examine(&DoctorFacts::default());
//! assert!(findings.iter().all(|finding| finding.level != Level::Problem));
//! ```
//!
//! [`examine`] is pure; [`toolchain`] and [`project`] collect what it needs beyond the ports.

pub mod project;
pub mod toolchain;

use std::net::IpAddr;

use serde::Serialize;

use crate::debuggers::connect;
use crate::debuggers::port_view::PortView;
use crate::debuggers::servers::{ServerKind, Trap, classify, classify_process};
use crate::diagnosis::{Assessment, Reachability};
use crate::os::process::Program;
use crate::pf::parse::parse_listing;
use crate::rules::ledger::{Attachment, Guard};
use crate::sockets::Process;
use crate::status::{AppFirewall, Firewall, PfState, Report};
use project::{Client, Configuration, DlvTask, Project};
use toolchain::Toolchain;

/// Everything that the report is made from.
#[derive(Clone, Debug, Default)]
pub struct DoctorFacts {
    /// pf, as the status shows it; `None` where there is no status.
    pub firewall: Option<Firewall>,
    /// What root saw of pf, where that speaks of now.
    pub seen: Option<Report>,
    /// What the status says besides: rules of others for a debug port, and the like.
    pub notes: Vec<String>,
    /// The Application Firewall; `None` where it was not asked.
    pub app_firewall: Option<AppFirewall>,
    /// The debug ports that are in use or cared for, and what is said of each.
    pub ports: Vec<ExaminedPort>,
    /// The addresses of this machine, loopback apart.
    pub addresses: Vec<IpAddr>,
    /// Why sockets may be missing, where they may.
    pub blind_spot: Option<String>,
    /// The processes that [`crate::debuggers::servers::is_delve_or_go`] names.
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

/// A debug port, and what is said of it.
#[derive(Clone, Debug)]
pub struct ExaminedPort {
    /// What the socket table shows.
    pub view: PortView,
    /// What that comes to.
    pub said: Assessment,
    /// The version of its debugger, where the program's file tells.
    pub version: Option<String>,
}

impl DoctorFacts {
    /// Whether Go is debugged here.
    fn is_about_go(&self) -> bool {
        self.project.is_go || !self.delves.is_empty()
    }
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
pub fn examine(facts: &DoctorFacts) -> Vec<Finding> {
    let mut findings = [
        pf(facts),
        anchors(facts),
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

/// The report for people: what it comes to, then one finding after the other.
pub fn render(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (problems, unknown) = (count(Level::Problem), count(Level::Unknown));
    let mut text = match problems {
        0 => "No problem was found".to_owned(),
        1 => "1 problem".to_owned(),
        _ => format!("{problems} problems"),
    };
    match unknown {
        0 => {}
        1 => text += "; 1 thing could not be found out",
        _ => text += &format!("; {unknown} things could not be found out"),
    }
    text += "\n\n";
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
    let output = Program::new("/usr/bin/sw_vers").args(["-productVersion"]).run().ok()?;
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
    Some(match Program::new("/usr/sbin/DevToolsSecurity").args(["-status"]).run() {
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

fn pf(facts: &DoctorFacts) -> Vec<Finding> {
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

/// Whether the rules that we loaded are there and evaluated, and whose rules are there besides.
fn anchors(facts: &DoctorFacts) -> Vec<Finding> {
    let notes = facts.notes.iter().map(|note| {
        let next = "see what it does: `portcullis explain PORT`";
        finding(Level::Advice, "pf", note.clone(), "what root saw of pf, and /etc/pf.anchors", next)
    });
    let mut findings: Vec<Finding> = notes.collect();
    let Some(seen) = &facts.seen else { return findings };
    for interface in seen.skip.iter().filter(|name| !name.starts_with("lo")) {
        findings.push(finding(
            Level::Advice,
            "pf",
            format!("pf does not look at {}: no rule holds there", interface.escape_debug()),
            "set skip on",
            "take it out of `set skip on` in /etc/pf.conf, if that is not meant",
        ));
    }
    let rules = |anchor: &str| seen.rulesets.get(anchor).map(|rules| rules.rules.trim()).unwrap_or_default();
    let called: Vec<String> = parse_listing("main ruleset", rules(""))
        .ruleset
        .filter
        .iter()
        .filter_map(|rule| Some(rule.item.anchor.as_ref()?.path.as_ref()?.to_string()))
        .collect();
    let wanted = seen.guard == Guard::On || !seen.openings.is_empty();
    if let (true, PfState::Enabled, Some(way)) = (wanted, &seen.pf, seen.way) {
        let call = match way {
            Attachment::Apple => "com.apple/*",
            Attachment::Classic => way.anchor(),
        };
        let repair = "load them again: `portcullis guard on`, or `portcullis open PORT`";
        if rules(way.anchor()).is_empty() {
            let what =
                format!("our rules are gone from the anchor {}: something has reloaded pf", way.anchor());
            findings.push(finding(Level::Problem, "pf", what, "pfctl -a … -s rules", repair));
        } else if !called.iter().any(|anchor| anchor == call) {
            let what =
                format!("the main ruleset does not call the anchor {call}, so our rules are not evaluated");
            findings.push(finding(Level::Problem, "pf", what, "pfctl -s rules", repair));
        } else {
            let what = format!("our rules are loaded, in the anchor {}", way.anchor());
            findings.push(finding(Level::Fine, "pf", what, "pfctl -a … -s rules", ""));
        }
    }
    let ours = [Attachment::Apple.anchor(), Attachment::Classic.anchor()];
    let others = seen.rulesets.iter().filter(|(anchor, rules)| {
        let is_anchor = !anchor.is_empty() && !ours.contains(&anchor.as_str());
        is_anchor && !(rules.rules.trim().is_empty() && rules.nat.trim().is_empty())
    });
    let others: Vec<&str> = others.map(|(anchor, _)| anchor.as_str()).collect();
    if !others.is_empty() {
        findings.push(finding(
            Level::Fine,
            "pf",
            format!("others have rules in {}", others.join(", ").escape_debug()),
            "pfctl -s Anchors; what they do with a port is in what is said of that port",
            "",
        ));
    }
    findings
}

fn app_firewall(facts: &DoctorFacts) -> Vec<Finding> {
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

fn ports(facts: &DoctorFacts) -> Vec<Finding> {
    let of_port = |ExaminedPort { view, said, version }: &ExaminedPort| {
        let level = match said.state {
            Reachability::Bricked
            | Reachability::Wedged
            | Reachability::WrongFamily
            | Reachability::BlockedEverywhere => Level::Problem,
            Reachability::Unknown => Level::Unknown,
            Reachability::LoopbackOnly
            | Reachability::Forwarded
            | Reachability::BlockedByPf
            | Reachability::BlockedByAppFirewall => Level::Advice,
            Reachability::NoListener | Reachability::InSession | Reachability::Reachable => Level::Fine,
        };
        let command = view.process.as_ref().map(|process| process.arguments.join(" ")).unwrap_or_default();
        let version = version.as_ref().map_or(String::new(), |version| format!(", version {version}"));
        let evidence = match command.is_empty() {
            true => format!("the socket table{version}"),
            false => format!("`{}`{version}", shortened(&command)),
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
    let (unused, used): (Vec<&ExaminedPort>, Vec<&ExaminedPort>) =
        facts.ports.iter().partition(|port| port.said.state == Reachability::NoListener);
    let unused: Vec<String> = unused.iter().map(|port| port.view.port.to_string()).collect();
    let unused = (!unused.is_empty()).then(|| {
        let what = format!("nothing listens on {}", unused.join(", "));
        finding(Level::Fine, "ports", what, "the socket table", "")
    });
    used.into_iter().map(of_port).chain(unused).chain(blind).collect()
}

/// A command line as one line, and no longer than is read.
fn shortened(command: &str) -> String {
    const LONGEST: usize = 300;
    match command.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", command.get(..end).unwrap_or_default().escape_debug()),
        None => command.escape_debug().to_string(),
    }
}

fn traps(facts: &DoctorFacts) -> Vec<Finding> {
    let seen = facts.ports.iter().filter_map(|port| port.view.process.as_ref());
    let mut processes: Vec<&Process> = seen.chain(&facts.delves).collect();
    processes.sort_by_key(|process| process.pid);
    processes.dedup_by_key(|process| process.pid);
    let of_process = |process: &&Process| -> Vec<Finding> {
        let Some(server) = classify_process(process, None) else { return vec![] };
        let line = format!("`{}` (pid {})", shortened(&process.arguments.join(" ")), process.pid);
        let of_trap = |trap: &Trap| {
            let (level, what, next) = trap_words(*trap);
            finding(level, server.title(), what, &line, next)
        };
        server.traps.iter().map(of_trap).collect()
    };
    let of_task = |task: &DlvTask| -> Vec<Finding> {
        let program = task.arguments.first().map(String::as_str).unwrap_or_default();
        let Some(server) = classify(program, &task.arguments, None) else { return vec![] };
        let line = format!("{}: `{}`", task.file, shortened(&task.arguments.join(" ")));
        let about = format!("project, \"{}\"", task.name.escape_debug());
        let of_trap = |trap: &Trap| {
            let (level, what, next) = trap_words(*trap);
            finding(level, &about, what, &line, next)
        };
        server.traps.iter().map(of_trap).collect()
    };
    processes.iter().flat_map(of_process).chain(facts.project.tasks.iter().flat_map(of_task)).collect()
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
            "`--headless` without `--listen` takes a random port on 127.0.0.1",
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
            "keep its port closed for other machines: `portcullis close PORT`",
        ),
    }
}

fn go_and_delve(facts: &DoctorFacts) -> Vec<Finding> {
    let Toolchain { go, dlv, unlisted_dlv, goroot, .. } = &facts.toolchain;
    let wanted = facts.is_about_go();
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
    if go.len() > 1 {
        let all: Vec<&str> = go.iter().map(|tool| tool.path.as_str()).collect();
        findings.push(finding(
            Level::Advice,
            "go",
            format!("{} different gos are on the PATH; the first is used", go.len()),
            &all.join(", "),
            "put the one that is meant first on PATH, in the editor too",
        ));
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
    let known = |tools: &[toolchain::Tool]| tools.first().and_then(|tool| tool.version.clone().ok());
    if let (Some(go), Some(dlv)) = (known(go), known(dlv)) {
        findings.extend(versions(&go, &dlv, facts.project.go.as_deref()));
    }
    findings
}

/// Whether dlv and Go fit. A project may ask for a newer Go than is installed: go fetches that.
fn versions(go: &str, dlv: &str, wanted: Option<&str>) -> Option<Finding> {
    let newer = wanted.filter(|wanted| toolchain::minor(wanted) > toolchain::minor(go));
    let (used, whence) = match newer {
        Some(wanted) => (wanted, ", which go.mod asks for"),
        None => (go, ""),
    };
    let remedy = "`go install github.com/go-delve/delve/cmd/dlv@latest`";
    if toolchain::is_delve_too_old(dlv, used) {
        return Some(finding(
            Level::Problem,
            "dlv",
            format!("dlv {dlv} is too old for Go {used}{whence}"),
            "dlv refuses newer versions of Go than it knows: 1.N knows Go up to 1.N",
            remedy,
        ));
    }
    toolchain::is_go_too_old(dlv, used).then(|| {
        finding(
            Level::Problem,
            "dlv",
            format!("Go {used} is too old for dlv {dlv}"),
            "dlv refuses versions of Go that are older than it knows",
            "install a newer Go, or a dlv of about the same number",
        )
    })
}

fn configurations(facts: &DoctorFacts) -> Vec<Finding> {
    let unreadable = facts.project.problems.iter().map(|problem| {
        finding(
            Level::Problem,
            "project",
            "a debug configuration cannot be read",
            problem,
            "correct that file",
        )
    });
    let of_one = |configuration: &Configuration| configuration_finding(configuration, facts);
    unreadable.chain(facts.project.configurations.iter().filter_map(of_one)).collect()
}

fn configuration_finding(configuration: &Configuration, facts: &DoctorFacts) -> Option<Finding> {
    let about = format!("project, \"{}\"", configuration.name.escape_debug());
    let host = configuration.host.as_deref().unwrap_or("127.0.0.1");
    let said = match &configuration.port {
        Ok(port) => port.to_string(),
        Err(text) => text.escape_debug().to_string(),
    };
    let evidence = format!("{}: {}", configuration.file, address(host, &said));
    let found = |level, what: String, next: &str| Some(finding(level, &about, what, &evidence, next));
    let Ok(port) = configuration.port else {
        let what = format!("its port is {said}: only the editor knows what that is");
        return found(Level::Unknown, what, "compare it with the port of the debugger");
    };
    let own = host.parse().is_ok_and(|address: IpAddr| facts.addresses.contains(&address));
    // Another machine's debugger cannot be seen from here.
    if !own && !["127.0.0.1", "localhost", "::1", "0.0.0.0", ""].contains(&host) {
        return None;
    }
    let view = facts.ports.iter().map(|port| &port.view).find(|view| view.port == port)?;
    let Some(server) = &view.server else {
        return match &view.process {
            Some(process) => found(
                Level::Problem,
                format!(
                    "it connects to port {port}, where {process} listens, which is no debugger that is known"
                ),
                "give both the same free port",
            ),
            // Somebody listens, and who that is may not be seen.
            None if !view.listeners.is_empty() => found(
                Level::Unknown,
                format!("it connects to port {port}, and who listens there is not known"),
                "look as root: `sudo portcullis doctor`",
            ),
            None => match elsewhere(configuration.client, facts) {
                Some((title, other)) => found(
                    Level::Problem,
                    format!(
                        "it connects to port {port}, where nothing listens; the {title} is on port {other}"
                    ),
                    &format!("give it port {other}, or start the debugger on port {port}"),
                ),
                None => found(
                    Level::Advice,
                    format!("it connects to port {port}, where nothing listens yet"),
                    "start the debugger first, then this configuration",
                ),
            },
        };
    };
    if let Some(next) = mismatch(configuration.client, server.kind) {
        let what =
            format!("{}, but a {} listens on port {port}", configuration.client.words(), server.title());
        let alternative =
            connect::settings(&connect::ConnectTarget { kind: server.kind, host, port, tunnel: false });
        let hint = alternative
            .first()
            .map_or_else(String::new, |_| format!("; `portcullis connect {port}` prints what fits"));
        return found(Level::Problem, what, &format!("{next}{hint}"));
    }
    let addresses = || view.listeners.iter().map(|socket| socket.local.ip().to_canonical());
    let only = |v4: bool| addresses().next().is_some() && addresses().all(|address| address.is_ipv4() == v4);
    let every = addresses().any(|address| address.is_unspecified());
    let loopback_only = addresses().next().is_some() && addresses().all(|address| address.is_loopback());
    match host {
        _ if own && loopback_only => found(
            Level::Problem,
            format!("it uses {host}, but the debugger listens on loopback only"),
            "use 127.0.0.1 as the host on this Mac, or have the debugger listen on every address",
        ),
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

fn address(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A debugger that listens, that this client speaks with, and that no configuration leads to: the only one of them, and
/// its port.
fn elsewhere(client: Client, facts: &DoctorFacts) -> Option<(&'static str, u16)> {
    let fits = |port: &&ExaminedPort| {
        let kind = port.view.server.as_ref().map(|server| server.kind);
        let speaks = kind.is_some_and(|kind| kind != ServerKind::Proxy && mismatch(client, kind).is_none());
        let is_led_to = facts.project.configurations.iter().any(|other| {
            other.port == Ok(port.view.port)
                && kind.is_some_and(|kind| mismatch(other.client, kind).is_none())
        });
        client != Client::Other && speaks && !port.view.listeners.is_empty() && !is_led_to
    };
    let mut found = facts.ports.iter().filter(fits);
    let first = found.next()?;
    let server = first.view.server.as_ref()?;
    found.next().is_none().then(|| (server.title(), first.view.port))
}

/// What to change where a client does not speak with a server of this kind.
fn mismatch(client: Client, kind: ServerKind) -> Option<&'static str> {
    let fits: &[ServerKind] = match client {
        Client::GoRemoteAttach => &[ServerKind::DelveHeadless, ServerKind::DelveMulticlient],
        Client::GoLand => &[ServerKind::DelveHeadless, ServerKind::DelveMulticlient],
        Client::GoLaunchThroughDap => &[ServerKind::DelveDap],
        Client::Node => &[ServerKind::Node],
        Client::Chrome => &[ServerKind::Chrome, ServerKind::Node],
        Client::Debugpy => &[ServerKind::Debugpy],
        Client::Java => &[ServerKind::Jdwp],
        Client::Gdb => &[ServerKind::Gdbserver, ServerKind::LldbServer],
        Client::Rdbg => &[ServerKind::Rdbg],
        Client::Other => return None,
    };
    if fits.contains(&kind) || kind == ServerKind::Proxy {
        return None;
    }
    Some(match (client, kind) {
        (Client::GoRemoteAttach | Client::GoLand, ServerKind::DelveDap) => {
            "start `dlv debug --headless --listen=…` instead of `dlv dap`"
        }
        (Client::GoLaunchThroughDap, ServerKind::DelveHeadless | ServerKind::DelveMulticlient) => {
            "use \"request\": \"attach\" with \"mode\": \"remote\", or start `dlv dap`"
        }
        _ => "give the configuration the port of its own debugger",
    })
}

fn system(facts: &DoctorFacts) -> Vec<Finding> {
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
            // A debugger of node or Java attaches to nothing.
            () if lower.contains("disabled") => (
                if facts.is_about_go() { Level::Problem } else { Level::Advice },
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
    use super::*;
    use crate::diagnosis::Answer;
    use crate::pf::origin::{Both, PerOrigin};
    use crate::sockets::SocketTable;
    use toolchain::Tool;

    fn process(pid: u32, line: &str) -> Process {
        let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let path = arguments.first().map(Into::into);
        Process { pid, parent: None, name: arguments.first().cloned(), path, user: None, arguments }
    }

    fn port(port: u16, process: &Process) -> ExaminedPort {
        use crate::sockets::{Socket, SocketOwner, TcpState};
        let socket = Socket {
            local: ([127, 0, 0, 1], port).into(),
            remote: None,
            state: TcpState::Listen,
            v6_only: None,
            accept_queue: Some(0),
            accepted: None,
            owner: SocketOwner::Process(std::sync::Arc::new(process.clone())),
        };
        let view =
            PortView::of(port, &SocketTable { listeners: vec![socket], ..SocketTable::default() }, None, &[]);
        let said =
            view.assess(PerOrigin::same(Both::same(Answer::Yes)), crate::diagnosis::AppFirewallEffect::Off);
        ExaminedPort { view, said, version: None }
    }

    fn nobody(port: u16) -> ExaminedPort {
        let view = PortView::of(port, &SocketTable::default(), None, &[]);
        let said =
            view.assess(PerOrigin::same(Both::same(Answer::Yes)), crate::diagnosis::AppFirewallEffect::Off);
        ExaminedPort { view, said, version: None }
    }

    fn configuration(client: Client, host: &str, port: u16) -> Configuration {
        let host = Some(host.to_owned());
        Configuration {
            file: ".vscode/launch.json".into(),
            name: "Attach".into(),
            client,
            host,
            port: Ok(port),
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
        let facts = DoctorFacts {
            app_firewall: Some(AppFirewall::BlockAll),
            ports: vec![port(2345, &dap), port(3000, &process(9, "nginx")), nobody(2346)],
            addresses: vec![[192, 168, 1, 7].into()],
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
                    configuration(Client::GoLaunchThroughDap, "127.0.0.1", 2345),
                    configuration(Client::GoLaunchThroughDap, "192.168.1.7", 2345),
                    configuration(Client::GoLaunchThroughDap, "127.0.0.1", 2346),
                    configuration(Client::Java, "127.0.0.1", 2346),
                    Configuration {
                        port: Err("${env:PORT}".into()),
                        ..configuration(Client::GoRemoteAttach, "localhost", 0)
                    },
                ],
                tasks: vec![DlvTask {
                    file: ".vscode/tasks.json".into(),
                    name: "dlv".into(),
                    arguments: ["dlv", "debug", "--headless", "--listen=2345"].map(String::from).into(),
                }],
                problems: vec![".idea/runConfigurations/x.xml: cut short".into()],
                ..Project::default()
            },
            macos: Some((15, 1)),
            developer_tools: Some("Developer mode is currently disabled.".into()),
            ..DoctorFacts::default()
        };
        let findings = examine(&facts);
        assert_eq!(findings.first().unwrap().level, Level::Problem);
        insta::assert_snapshot!(render(&findings));
    }

    fn seen(rulesets: &[(&str, &str)]) -> Report {
        let rulesets = rulesets.iter().map(|(anchor, rules)| {
            let rules = crate::status::LoadedRules { rules: (*rules).into(), ..Default::default() };
            ((*anchor).to_owned(), rules)
        });
        Report {
            version: Report::VERSION,
            seen: 0,
            boot: String::new(),
            pf: PfState::Enabled,
            references: Some(1),
            guard: Guard::On,
            way: Some(Attachment::Apple),
            openings: vec![],
            managed: vec![],
            verdicts: vec![],
            notes: vec![],
            rulesets: rulesets.collect(),
            skip: vec!["lo0".into(), "en0".into()],
        }
    }

    #[test]
    fn a_debugger_on_another_port_is_named_unless_it_has_a_configuration() {
        let dap = process(7, "dlv dap --listen=127.0.0.1:2345");
        let mut facts = DoctorFacts { ports: vec![port(2345, &dap), nobody(2346)], ..DoctorFacts::default() };
        facts.project.configurations = vec![configuration(Client::GoLaunchThroughDap, "127.0.0.1", 2346)];
        let found = examine(&facts);
        assert_eq!(found[0].level, Level::Problem);
        assert!(found[0].what.contains("the dlv dap is on port 2345"), "{found:#?}");
        facts.project.configurations.push(configuration(Client::GoLaunchThroughDap, "127.0.0.1", 2345));
        assert!(examine(&facts).iter().all(|finding| finding.level != Level::Problem));
        facts.project.configurations.remove(1);
        facts.ports.push(port(2347, &process(8, "dlv dap --listen=127.0.0.1:2347")));
        assert!(examine(&facts).iter().all(|finding| finding.level != Level::Problem), "which is meant?");
    }

    #[test]
    fn rules_that_are_gone_or_never_evaluated() {
        let (main, ours) =
            ("anchor \"com.apple/*\" all\n", ("com.apple/100.dev.portcullis", "block drop in all\n"));
        for (rulesets, level, what) in [
            (&[("", main), ours][..], Level::Fine, "our rules are loaded"),
            (&[("", main)], Level::Problem, "our rules are gone"),
            (&[("", "pass all\n"), ours], Level::Problem, "does not call the anchor com.apple/*"),
            (&[("", main), ours, ("com.vpn", "pass all\n")], Level::Fine, "others have rules in com.vpn"),
            (&[("", main), ours], Level::Advice, "does not look at en0"),
        ] {
            let facts = DoctorFacts {
                seen: Some(seen(rulesets)),
                notes: vec!["a note".into()],
                ..DoctorFacts::default()
            };
            let findings = examine(&facts);
            let found = findings.iter().find(|finding| finding.what.contains(what));
            assert_eq!(found.map(|finding| finding.level), Some(level), "{what}: {findings:#?}");
            assert!(findings.iter().any(|finding| finding.what == "a note"));
        }
    }

    #[test]
    fn dlv_and_go_fit_or_do_not() {
        assert_eq!(versions("1.24.1", "1.24.0", None), None);
        assert_eq!(versions("1.24.1", "1.24.0", Some("1.23")), None);
        let too_old = versions("1.24.1", "1.24.0", Some("1.25.3")).unwrap();
        assert_eq!(too_old.what, "dlv 1.24.0 is too old for Go 1.25.3, which go.mod asks for");
        assert_eq!(versions("1.17", "1.25.0", None).unwrap().what, "Go 1.17 is too old for dlv 1.25.0");
    }
}
