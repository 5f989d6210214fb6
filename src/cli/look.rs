//! `doctor`, `probe`, `connect`, `log`: what stands in the way, without touching the debugger.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::show::{message, print, print_json};
use portcullis::app::{App, AppError, Connection};
use portcullis::reach::connect::Setting;
use portcullis::reach::doctor::{self, Finding, Level, project, toolchain};
use portcullis::reach::pflog::{Action, Attempts, Direction, End, Entry, PflogError, Reader, blocked};
use portcullis::reach::probe;
use portcullis::reach::view::View;
use portcullis::reachability::{Reach, State};

/// Everything in one report. Exit status 1 where something stands in the way.
pub fn doctor(app: &App, json: bool) -> Result<u8, AppError> {
    #[derive(Serialize)]
    struct Report<'a> {
        version: u32,
        ok: bool,
        findings: &'a [Finding],
    }
    let sight = app.sight(&[], None, &mut app.app_firewall())?;
    let views = sight.look.as_ref().map_or(&[][..], |look| &look.views);
    // Of a wide range only what is in use is in view, each port by itself.
    let of_view = |view: &View| {
        let range = sight.status.ports.iter().find(|port| port.port.contains(view.port))?.port;
        Some((view.clone(), sight.facts.assess(range, &view.seen())))
    };
    let ports = views.iter().filter_map(of_view).collect();
    let blind_spot = match &sight.look {
        Ok(look) => look.table.blind_spot.clone(),
        Err(error) => Some(error.to_string()),
    };
    let folder = |key: &str| std::env::var_os(key).map(PathBuf::from);
    let here = std::env::current_dir().unwrap_or_default();
    let facts = doctor::Facts {
        firewall: Some(sight.status.firewall),
        app_firewall: Some(sight.facts.app_firewall),
        ports,
        blind_spot,
        delves: sight.look.map(|look| look.delves).unwrap_or_default(),
        toolchain: toolchain::collect(
            &std::env::var_os("PATH").unwrap_or_default(),
            folder("GOROOT").as_deref(),
            folder("HOME").as_deref(),
        ),
        project: project::collect(&here),
        macos: doctor::macos_version(),
        developer_tools: doctor::developer_tools(),
    };
    let findings = doctor::examine(&facts);
    let ok = !findings.iter().any(|finding| finding.level == Level::Problem);
    if json {
        print_json(&Report { version: 1, ok, findings: &findings });
    } else {
        print(&doctor::render(&findings));
    }
    Ok(u8::from(!ok))
}

/// The one port that a person named.
fn one_port(app: &App, text: &str) -> Result<u16, AppError> {
    Ok(app.ports(text)?.first().map_or(0, |managed| managed.port.first()))
}

/// Asks the server on a port what it is, where that is harmless.
pub fn probe(app: &App, port: &str, json: bool) -> Result<u8, AppError> {
    #[derive(Serialize)]
    struct Probed {
        version: u32,
        ok: bool,
        #[serde(flatten)]
        answered: probe::Answered,
    }
    match probe::probe(one_port(app, port)?) {
        Ok(answered) if json => print_json(&Probed { version: 1, ok: true, answered }),
        Ok(probe::Answered { address, product, protocol }) => {
            print(&format!("{address} answers: {product}, {protocol}\n"));
        }
        Err(error) => {
            message(&error.to_string(), json);
            return Ok(1);
        }
    }
    Ok(0)
}

/// The settings to connect to what listens on a port. `copy` names the client whose settings go to the clipboard; empty
/// for the commonest.
pub fn connect(
    app: &App,
    port: &str,
    host: Option<&str>,
    copy: Option<&str>,
    json: bool,
) -> Result<u8, AppError> {
    #[derive(Serialize)]
    struct Settings<'a> {
        version: u32,
        port: u16,
        server: &'static str,
        tunnel: bool,
        situation: State,
        reachable: Reach,
        because: &'a str,
        next: &'a str,
        settings: &'a [Setting],
        copied: Option<&'static str>,
    }
    let number = one_port(app, port)?;
    let connection = app.connection(number, host)?;
    let copied = copy.map(|client| app.copy_setting(&connection, client)).transpose()?;
    let Connection { view, said, settings } = &connection;
    let server = view.server.as_ref().map_or("what usually sits there", |server| server.title());
    if json {
        print_json(&Settings {
            version: 1,
            port: number,
            server,
            tunnel: view.is_loopback_only(),
            situation: said.state,
            reachable: said.reach,
            because: &said.sentence,
            next: &said.next_step,
            settings,
            copied: copied.map(|setting| setting.client),
        });
        return Ok(0);
    }
    let mut text = format!("port {number}: {server}\n    {}\n", said.sentence);
    if said.state != State::Reachable {
        text += &format!("    next: {}\n", said.next_step);
    }
    for Setting { client, how, text: setting } in settings {
        let lines: String = setting.lines().map(|line| format!("    {line}\n")).collect();
        text += &format!("\n{client}: {how}\n{lines}");
    }
    if let Some(Setting { client, how, .. }) = copied {
        text += &format!("\ncopied the settings for {client}: {how}\n");
    }
    print(&text);
    Ok(0)
}

/// What pf logged, from a file that tcpdump recorded on pflog0.
pub fn log(file: &Path, port: Option<u16>, json: bool) -> u8 {
    #[derive(Serialize)]
    struct Logged {
        version: u32,
        entries: Vec<Entry>,
        blocked: std::collections::BTreeMap<u16, Attempts>,
        problems: Vec<String>,
    }
    let opened = std::fs::File::open(file).map_err(PflogError::from).and_then(Reader::new);
    let reader = match opened {
        Ok(reader) => reader,
        Err(error) => {
            message(&format!("{}: {error}", file.display()), json);
            return 2;
        }
    };
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    for entry in reader {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let names = |end: &Option<End>| end.is_some_and(|end| end.port == port);
    entries.retain(|entry| port.is_none() || names(&entry.from) || names(&entry.to));
    let blocked = blocked(&entries, 0);
    let status = u8::from(!problems.is_empty());
    if json {
        print_json(&Logged { version: 1, entries, blocked, problems });
        return status;
    }
    let mut text: String = entries.iter().map(line).collect();
    for (port, Attempts { packets, last_from, .. }) in blocked {
        text += &format!("port {port}: {packets} packets blocked, the last from {last_from}\n");
    }
    text.extend(problems.iter().map(|problem| format!("! {problem}\n")));
    print(&text);
    status
}

fn line(entry: &Entry) -> String {
    let action = match entry.action {
        Action::Pass => "pass".to_owned(),
        Action::Block => "block".to_owned(),
        Action::Other(number) => format!("action {number}"),
    };
    let direction = match entry.direction {
        Direction::In => "in",
        Direction::Out => "out",
        Direction::Unknown => "?",
    };
    let end = |end: &Option<End>| match end {
        None => "?".to_owned(),
        Some(End { address, port: None }) => address.to_string(),
        Some(End { address, port: Some(port) }) => std::net::SocketAddr::new(*address, *port).to_string(),
    };
    let rule = match (&entry.subrule, entry.anchor.as_str()) {
        (Some(subrule), anchor) => format!("rule {subrule} of {anchor}"),
        (None, _) => format!("rule {}", entry.rule),
    };
    let when = super::show::clock(i64::from(entry.seconds));
    let (interface, from, to) = (&entry.interface, end(&entry.from), end(&entry.to));
    format!("{when}  {action:<5} {direction:<3} {interface:<6} {from} -> {to}  ({rule})\n")
}
