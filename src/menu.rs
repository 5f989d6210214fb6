//! What the menu shows, computed from the status: rows, and the action behind each. Pure.
//!
//! ```
//! use portcullis::menu::{Kind, MenuState, rows};
//! use portcullis::status::{AppFirewall, Facts, ReportFact, Status};
//! let facts = Facts {
//!     lab: None,
//!     now: 0,
//!     boot: "this one".into(),
//!     report: ReportFact::Missing,
//!     seen: Ok(vec![]),
//!     app_firewall: AppFirewall::Off,
//!     ports: portcullis::port::presets(),
//!     blocked: None,
//! };
//! let rows = rows(&Status::of(&facts), &MenuState::default());
//! assert_eq!(rows[0].text, "Not known: nobody has looked at pf yet");
//! assert_eq!(rows[2].text, "2345  dlv — not known");
//! assert_eq!(rows[2].kind, Kind::Check { checked: false });
//! ```

use crate::diagnosis::Reachability;
use crate::port::PortRange;
use crate::status::{Answer, PortState, PortStatus, Status};

/// No menu has more rows than this: ports and notes that find no room are counted in one row.
pub const MOST_ROWS: usize = 20;

/// What the menu shows that is not in the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MenuState {
    /// The action that waits for permission, if one does: there is one prompt at a time.
    pub waiting: Option<MenuAction>,
    /// Why the last action failed, until another succeeds.
    pub failure: Option<String>,
}

/// What a click asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MenuAction {
    /// Open these ports for whom is preferred.
    Open(PortRange),
    /// Close these ports.
    Close(PortRange),
    /// Close every port that is open.
    CloseAll,
    /// Switch the guard on or off.
    Guard(bool),
    /// Have root look at pf.
    Check,
    /// Put the settings to connect to a port on the clipboard.
    Copy {
        /// The port.
        port: u16,
        /// For which client, such as `VS Code`.
        client: String,
    },
    /// End the app; what is open stays open.
    Quit,
}

/// One row of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Names the row for as long as the menu lives; unique in it.
    pub id: String,
    /// What sort of row.
    pub kind: Kind,
    /// What it says; empty for a separator.
    pub text: String,
    /// Whether it can be clicked.
    pub enabled: bool,
    /// The rows of a [`Kind::Menu`]; at most [`MOST_ROWS`].
    pub rows: Vec<Row>,
}

/// What sort of row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Says something; cannot be clicked.
    Text,
    /// Has a check mark, or room for one.
    Check {
        /// Whether the mark is shown.
        checked: bool,
    },
    /// Does something.
    MenuAction,
    /// Opens a menu of its own.
    Menu,
    /// A line between groups.
    Separator,
}

const HEADER: &str = "header";
const LAB: &str = "lab";
const PORT: &str = "port:";
const MORE: &str = "more";
const CONNECT: &str = "connect";
const COPY: &str = "copy:";
const GUARD: &str = "guard";
const CLOSE_ALL: &str = "close-all";
const CHECK: &str = "check";
const FAILURE: &str = "failure";
const BLOCKED: &str = "blocked:";
const NOTE: &str = "note:";
const QUIT: &str = "quit";

/// The rows, top to bottom: at most [`MOST_ROWS`] in each menu, every id once.
pub fn rows(status: &Status, state: &MenuState) -> Vec<Row> {
    let mut above = paragraph(HEADER, &status.sentence, 2);
    above.extend(status.lab.is_some().then(|| text_row(LAB, words::LAB)));
    above.push(separator("above-ports"));

    let closable = status.ports.iter().any(|port| matches!(port.state, PortState::Open | PortState::Unknown));
    let guarded = Kind::Check { checked: status.firewall.guard == "on" };
    let mut below = vec![separator("above-actions")];
    below.extend(connect_row(status));
    below.push(action_row(state, GUARD, guarded, words::GUARD, guard_action(status), true));
    below.push(action_row(
        state,
        CLOSE_ALL,
        Kind::MenuAction,
        words::CLOSE_ALL,
        MenuAction::CloseAll,
        closable,
    ));
    below.push(action_row(state, CHECK, Kind::MenuAction, words::CHECK, MenuAction::Check, true));
    if let Some(failure) = &state.failure {
        below.extend(paragraph(FAILURE, &words::failure(failure), 3));
    }
    let end = vec![
        separator("above-quit"),
        action_row(state, QUIT, Kind::MenuAction, words::QUIT, MenuAction::Quit, true),
    ];

    // Ports come before notes where there is no room for both, and what is open or in use before what is not.
    let room = MOST_ROWS - (above.len() + below.len() + end.len()).min(MOST_ROWS);
    let ports = ports_that_fit(&status.ports, room);
    let mut middle: Vec<Row> = ports.iter().map(|port| port_row(status, state, port)).collect();
    if ports.len() < status.ports.len() {
        middle.push(text_row(MORE, words::more(status.ports.len() - ports.len())));
    }
    let notes = status.notes.iter().enumerate();
    let notes = notes.flat_map(|(number, note)| paragraph(&format!("{NOTE}{number}"), note, 2));
    below.extend(blocked_rows(status).chain(notes).take(room - middle.len().min(room)));

    [above, middle, below, end].concat()
}

/// Who was blocked in the last hour, port by port.
fn blocked_rows(status: &Status) -> impl Iterator<Item = Row> {
    let blocked = status.ports.iter().filter_map(|port| Some((port.port, port.blocked.as_ref()?)));
    blocked.flat_map(|(port, attempts)| {
        paragraph(&format!("{BLOCKED}{port}"), &format!("{port}: {attempts}"), 2)
    })
}

/// What a click on the row `id` asks for; `None` where the row only says something, or is no more.
/// A port that is open closes, any other opens.
pub fn action_of(id: &str, status: &Status) -> Option<MenuAction> {
    if let Some(range) = id.strip_prefix(PORT) {
        let port = status.ports.iter().find(|port| port.port.to_string() == range)?;
        return Some(port_action(port));
    }
    if let Some((port, client)) = id.strip_prefix(COPY).and_then(|rest| rest.split_once(':')) {
        let found = used(status).find(|(used, _)| used.to_string() == port);
        let (port, _) = found.filter(|(_, port)| port.connect.iter().any(|known| known == client))?;
        return Some(MenuAction::Copy { port, client: client.to_owned() });
    }
    match id {
        GUARD => Some(guard_action(status)),
        CLOSE_ALL => Some(MenuAction::CloseAll),
        CHECK => Some(MenuAction::Check),
        QUIT => Some(MenuAction::Quit),
        _ => None,
    }
}

fn port_action(port: &PortStatus) -> MenuAction {
    match port.state {
        PortState::Open => MenuAction::Close(port.port),
        PortState::Closed | PortState::Unmanaged | PortState::Unknown => MenuAction::Open(port.port),
    }
}

fn guard_action(status: &Status) -> MenuAction {
    MenuAction::Guard(status.firewall.guard != "on")
}

/// The ports that `room` rows can show, one row kept for the number of those left out.
fn ports_that_fit(ports: &[PortStatus], room: usize) -> Vec<&PortStatus> {
    if ports.len() <= room {
        return ports.iter().collect();
    }
    let rank = |port: &PortStatus| match (port.state, port.in_use) {
        (PortState::Open, _) => 0,
        (_, true) => 1,
        (_, false) => 2,
    };
    let mut places: Vec<(usize, &PortStatus)> = ports.iter().enumerate().collect();
    places.sort_by_key(|(_, port)| rank(port));
    places.truncate(room.saturating_sub(1));
    places.sort_by_key(|(place, _)| *place);
    places.into_iter().map(|(_, port)| port).collect()
}

fn port_row(status: &Status, state: &MenuState, port: &PortStatus) -> Row {
    let waits = match state.waiting {
        Some(MenuAction::Open(range) | MenuAction::Close(range)) => range == port.port,
        _ => false,
    };
    let says = if waits { words::WAITING.to_owned() } else { words::port(status, port) };
    Row {
        id: format!("{PORT}{}", port.port),
        kind: Kind::Check { checked: port.state == PortState::Open },
        text: format!("{}  {} — {says}", port.port, port.name),
        enabled: state.waiting.is_none(),
        rows: Vec::new(),
    }
}

/// The ports that a debugger is on, by the number that is spoken of.
fn used(status: &Status) -> impl Iterator<Item = (u16, &PortStatus)> {
    let in_use = status.ports.iter().filter(|port| port.in_use);
    in_use.filter_map(|port| Some((port.about?, port)))
}

/// What is said of the ports in use, and the settings to connect to them: a menu for the one, or a menu of menus, so that
/// it takes one row however many there are.
fn connect_row(status: &Status) -> Option<Row> {
    let of_port = |(number, port): (u16, &PortStatus), text: String| {
        menu_row(&format!("{CONNECT}:{number}"), text, connect_rows(number, port))
    };
    let mut all: Vec<(u16, &PortStatus)> = used(status).take(MOST_ROWS).collect();
    if all.len() > 1 {
        let rows = all.into_iter().map(|port| of_port(port, words::used(port.0, port.1))).collect();
        return Some(menu_row(CONNECT, words::CONNECT.to_owned(), rows));
    }
    all.pop().map(|port| of_port(port, words::connect(port.0)))
}

/// What stands in the way, what to do, and what can be copied.
fn connect_rows(number: u16, port: &PortStatus) -> Vec<Row> {
    let mut rows = paragraph(&format!("because:{number}"), &port.because, 5);
    if port.situation != Reachability::Reachable {
        rows.push(separator(&format!("above-next:{number}")));
        rows.extend(paragraph(&format!("next:{number}"), &words::next(&port.next), 5));
    }
    if !port.connect.is_empty() {
        rows.push(separator(&format!("above-copy:{number}")));
    }
    rows.extend(port.connect.iter().take(MOST_ROWS - rows.len()).map(|client| Row {
        id: format!("{COPY}{number}:{client}"),
        kind: Kind::MenuAction,
        text: words::copy(client),
        // It asks for no permission, so it waits for none.
        enabled: true,
        rows: Vec::new(),
    }));
    rows
}

/// A row that does `action`: says that it waits while it does, and cannot be clicked while anything waits.
fn action_row(
    state: &MenuState,
    id: &str,
    kind: Kind,
    text: &str,
    action: MenuAction,
    possible: bool,
) -> Row {
    let text = match &state.waiting {
        Some(waiting) if *waiting == action => format!("{text} — {}", words::WAITING),
        _ => text.to_owned(),
    };
    // Quit while a prompt is up would leave nobody to say what became of it; Cancel is a click away there.
    Row { id: id.to_owned(), kind, text, enabled: possible && state.waiting.is_none(), rows: Vec::new() }
}

fn text_row(id: &str, text: impl Into<String>) -> Row {
    Row { id: id.to_owned(), kind: Kind::Text, text: text.into(), enabled: false, rows: Vec::new() }
}

fn separator(id: &str) -> Row {
    let (kind, text, rows) = (Kind::Separator, String::new(), Vec::new());
    Row { id: id.to_owned(), kind, text, enabled: false, rows }
}

fn menu_row(id: &str, text: String, rows: Vec<Row>) -> Row {
    Row { id: id.to_owned(), kind: Kind::Menu, text, enabled: true, rows }
}

/// How many characters a row of running text holds: a menu is as wide as its widest row.
const WIDTH: usize = 64;

/// Running text over at most `most` rows; what does not fit ends in `…`.
fn paragraph(id: &str, text: &str, most: usize) -> Vec<Row> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in text.split_whitespace() {
        // A path or a number may be longer than a row.
        for piece in word.chars().map(words::plain).collect::<Vec<_>>().chunks(WIDTH) {
            if length > 0 && length + 1 + piece.len() > WIDTH {
                lines.push(String::new());
                length = 0;
            }
            if let Some(line) = lines.last_mut() {
                let gap = (length > 0).then_some(' ');
                line.extend(gap.iter().chain(piece));
                length += gap.iter().len() + piece.len();
            }
        }
    }
    if lines.len() > most {
        lines.truncate(most);
        if let Some(line) = lines.last_mut() {
            line.push('…');
        }
    }
    lines.into_iter().enumerate().map(|(number, line)| text_row(&format!("{id}:{number}"), line)).collect()
}

/// Every word that is written here and not in the status, so that another language has one place to go to.
mod words {
    use super::{Answer, PortState, PortStatus, Reachability, Status};

    pub const LAB: &str = "Lab: nothing on this machine is changed";
    pub const GUARD: &str = "Guard Closed Ports";
    pub const CLOSE_ALL: &str = "Close All";
    pub const CHECK: &str = "Check Now";
    pub const CONNECT: &str = "Connect";
    pub const QUIT: &str = "Quit Portcullis";
    pub const WAITING: &str = "waiting for permission…";

    pub fn failure(because: &str) -> String {
        format!("Failed: {because}")
    }

    pub fn more(count: usize) -> String {
        format!("{count} more: run portcullis status")
    }

    pub fn port(status: &Status, port: &PortStatus) -> String {
        let found =
            port.program.as_deref().map(one_line).into_iter().chain(situation(port).map(str::to_owned));
        let found = found.collect::<Vec<_>>().join(", ");
        let state = state(status, port);
        if found.is_empty() { state } else { format!("{state} · {found}") }
    }

    /// In a menu for one port.
    pub fn connect(number: u16) -> String {
        format!("{CONNECT} to {number}")
    }

    /// In a menu of several ports.
    pub fn used(number: u16, port: &PortStatus) -> String {
        match &port.program {
            Some(program) => format!("{number}  {}", one_line(program)),
            None => format!("{number}  {}", port.name),
        }
    }

    pub fn next(step: &str) -> String {
        format!("Next: {step}")
    }

    pub fn copy(client: &str) -> String {
        format!("Copy Settings for {client}")
    }

    /// Reachable, or why not; nothing where nobody is there to be reached.
    fn situation(port: &PortStatus) -> Option<&'static str> {
        Some(match port.situation {
            _ if !port.in_use => return None,
            Reachability::NoListener => return None,
            Reachability::Bricked => "serves nobody any more",
            Reachability::InSession => "in session",
            Reachability::Wedged => "accepts nobody any more",
            Reachability::Forwarded => "forwards it",
            Reachability::BlockedEverywhere => "blocked for this Mac too",
            Reachability::WrongFamily => "IPv6 only",
            Reachability::LoopbackOnly => "this Mac only",
            // That a closed port is closed was said.
            Reachability::BlockedByPf if port.state == PortState::Closed => "listens",
            Reachability::BlockedByPf => "blocked by pf",
            Reachability::BlockedByAppFirewall => "blocked by the Application Firewall",
            Reachability::Unknown => "reachable or not is not known",
            Reachability::Reachable => "reachable",
        })
    }

    /// A program names itself, so its name may be long, or hold what would make a row read otherwise.
    fn one_line(text: &str) -> String {
        const MOST: usize = 32;
        let line: String = text.chars().take(MOST).map(plain).collect();
        if text.chars().nth(MOST).is_some() { format!("{line}…") } else { line }
    }

    /// A letter that does nothing but stand there.
    pub fn plain(c: char) -> char {
        if c.is_control() || is_invisible(c) { '?' } else { c }
    }

    /// Marks that turn the direction of writing or take no room (Unicode Standard, 23.2 and 23.3).
    fn is_invisible(c: char) -> bool {
        matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    }

    fn state(status: &Status, port: &PortStatus) -> String {
        let let_in = Answer::any([port.pf.network, port.pf.anyone]);
        match (port.state, status.firewall.state) {
            (PortState::Unknown, _) => "not known".to_owned(),
            (PortState::Open, "enabled") => match let_in {
                Answer::No => "open, yet another rule blocks it".to_owned(),
                _ => format!("open for {}", source(port)),
            },
            (PortState::Open, "disabled") => format!("open for {}, and pf is off", source(port)),
            (PortState::Closed, "enabled") => match let_in {
                Answer::No => "closed".to_owned(),
                Answer::Yes => "let in by another rule".to_owned(),
                Answer::Unknown => "closed, whether for all is not known".to_owned(),
            },
            (PortState::Unmanaged, "enabled") => "unmanaged".to_owned(),
            (_, "disabled") => "not filtered".to_owned(),
            _ => "not known".to_owned(),
        }
    }

    fn source(port: &PortStatus) -> String {
        match port.from.as_deref() {
            Some("any") => "everyone".to_owned(),
            Some("lan") | None => "this network".to_owned(),
            Some(hosts) => match hosts.split(',').collect::<Vec<_>>().as_slice() {
                [one] => (*one).to_owned(),
                [one, rest @ ..] => format!("{one} and {} more", rest.len()),
                [] => hosts.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::{Bind, PortFacts, Presence};
    use crate::pf::origin::PerOrigin;
    use crate::status::{
        AppFirewall, Attachment, Attempts, Facts, Guard, NamedPort, Opening, PfState, PfVerdict, Reason,
        Report, ReportFact, Source,
    };
    use std::collections::BTreeMap;

    /// The menu as a person reads it.
    fn drawn(rows: &[Row]) -> String {
        let draw = |row: &Row| {
            let mark = match row.kind {
                Kind::Check { checked: true } => "[x] ",
                Kind::Check { checked: false } => "[ ] ",
                Kind::MenuAction => "    ",
                Kind::Menu => "  > ",
                Kind::Text | Kind::Separator => "",
            };
            let text = if row.kind == Kind::Separator { "---" } else { &row.text };
            let grey = if row.enabled || row.kind == Kind::Separator { "" } else { "  (grey)" };
            let below = drawn(&row.rows).lines().map(|line| format!("\n      | {line}")).collect::<String>();
            format!("{mark}{text}{grey}{below}")
        };
        rows.iter().map(draw).collect::<Vec<_>>().join("\n")
    }

    fn range(text: &str) -> PortRange {
        text.parse().unwrap()
    }

    fn verdict(port: PortRange, outside: Answer) -> PfVerdict {
        let answers = PerOrigin { loopback: Answer::Yes, network: outside, anyone: Answer::No };
        PfVerdict { port, reasons: answers.map(|answer| Reason::new(answer, "a rule")) }
    }

    /// Guard on, three ports of which the first is as `change` makes it.
    fn status(change: impl FnOnce(&mut Facts, &mut Report)) -> Status {
        let ports = crate::port::presets()[..3].to_vec();
        let mut report = Report {
            version: Report::VERSION,
            seen: 1000,
            boot: "boot".into(),
            pf: PfState::Enabled,
            references: Some(1),
            guard: Guard::On,
            way: Some(Attachment::Apple),
            openings: vec![],
            managed: ports
                .iter()
                .map(|port| NamedPort { name: port.name.clone(), port: port.port })
                .collect(),
            verdicts: ports.iter().map(|port| verdict(port.port, Answer::No)).collect(),
            notes: vec![],
            rulesets: BTreeMap::new(),
            skip: vec![],
        };
        let mut facts = Facts {
            lab: None,
            now: 1010,
            boot: "boot".into(),
            report: ReportFact::Missing,
            seen: Ok(ports.iter().map(|port| nobody(port.port)).collect()),
            app_firewall: AppFirewall::Off,
            ports,
            blocked: None,
        };
        change(&mut facts, &mut report);
        facts.report = ReportFact::Read(Box::new(report));
        Status::of(&facts)
    }

    fn nobody(port: PortRange) -> PortFacts {
        PortFacts::without_socket(port.first(), port.to_string(), Presence::Nobody)
    }

    /// The first of the ports has this debugger on it.
    fn listening(facts: &mut Facts, program: &str, address: &str, bind: Bind) {
        let seen = PortFacts::listening(2345, program, address, bind);
        let clients = vec!["VS Code".to_owned(), "GoLand".to_owned()];
        facts.seen.as_mut().unwrap()[0] = PortFacts { clients, ..seen };
    }

    fn open(report: &mut Report, from: Source) {
        let (name, port) = ("dlv".parse().unwrap(), range("2345"));
        report.openings.push(Opening { name, port, from, until: None, since: 900, by: "ada".into() });
        report.verdicts[0] = verdict(port, Answer::Yes);
    }

    fn hosts(list: &[&str]) -> Source {
        Source::Hosts { hosts: list.iter().map(|host| host.parse().unwrap()).collect() }
    }

    fn dlv_row(status: &Status) -> String {
        rows(status, &MenuState::default())
            .into_iter()
            .find(|row| row.id == "port:2345")
            .map(|row| drawn(&[row]))
            .unwrap()
    }

    #[test]
    fn all_closed() {
        let status = status(|_, _| ());
        insta::assert_snapshot!(drawn(&rows(&status, &MenuState::default())), @r"
        All debug ports are closed  (grey)
        ---
        [ ] 2345  dlv — closed
        [ ] 9229  node — closed
        [ ] 5678  debugpy — closed
        ---
        [x] Guard Closed Ports
            Close All  (grey)
            Check Now
        ---
            Quit Portcullis
        ");
    }

    #[test]
    fn one_open_in_a_lab_with_its_listener() {
        let status = status(|facts, report| {
            open(report, hosts(&["192.168.1.0/24"]));
            facts.lab = Some("/tmp/lab".into());
            listening(facts, "dlv dap (7)", "127.0.0.1", Bind::Loopback);
            report.notes = vec!["the anchor com.golang.dlv also has rules for 2345: it is left alone".into()];
        });
        insta::assert_snapshot!(drawn(&rows(&status, &MenuState::default())), @r"
        1 port is open: 2345 (dlv)  (grey)
        Lab: nothing on this machine is changed  (grey)
        ---
        [x] 2345  dlv — open for 192.168.1.0/24 · dlv dap (7), this Mac only
        [ ] 9229  node — closed
        [ ] 5678  debugpy — closed
        ---
          > Connect to 2345
              | dlv dap (7) listens on 127.0.0.1 only: other machines cannot  (grey)
              | reach it, whatever pf does  (grey)
              | ---
              | Next: on this Mac, connect to it as it is; for another machine  (grey)
              | use an SSH tunnel: `ssh -L 2345:127.0.0.1:2345 USER@THIS-MAC`  (grey)
              | ---
              |     Copy Settings for VS Code
              |     Copy Settings for GoLand
        [x] Guard Closed Ports
            Close All
            Check Now
        the anchor com.golang.dlv also has rules for 2345: it is left  (grey)
        alone  (grey)
        ---
            Quit Portcullis
        ");
    }

    #[test]
    fn waiting_for_permission() {
        let status = status(|_, _| ());
        let waiting = |action| drawn(&rows(&status, &MenuState { waiting: Some(action), failure: None }));
        insta::assert_snapshot!(waiting(MenuAction::Open(range("2345"))), @r"
        All debug ports are closed  (grey)
        ---
        [ ] 2345  dlv — waiting for permission…  (grey)
        [ ] 9229  node — closed  (grey)
        [ ] 5678  debugpy — closed  (grey)
        ---
        [x] Guard Closed Ports  (grey)
            Close All  (grey)
            Check Now  (grey)
        ---
            Quit Portcullis  (grey)
        ");
        insta::assert_snapshot!(waiting(MenuAction::Guard(false)), @r"
        All debug ports are closed  (grey)
        ---
        [ ] 2345  dlv — closed  (grey)
        [ ] 9229  node — closed  (grey)
        [ ] 5678  debugpy — closed  (grey)
        ---
        [x] Guard Closed Ports — waiting for permission…  (grey)
            Close All  (grey)
            Check Now  (grey)
        ---
            Quit Portcullis  (grey)
        ");
    }

    #[test]
    fn a_failure_is_said_in_full() {
        let failure = Some("cannot load the anchor: pfctl says \"syntax error\"; everything was put back as it was, try again".into());
        let status = status(|_, _| ());
        insta::assert_snapshot!(drawn(&rows(&status, &MenuState { waiting: None, failure })), @r#"
        All debug ports are closed  (grey)
        ---
        [ ] 2345  dlv — closed
        [ ] 9229  node — closed
        [ ] 5678  debugpy — closed
        ---
        [x] Guard Closed Ports
            Close All  (grey)
            Check Now
        Failed: cannot load the anchor: pfctl says "syntax error";  (grey)
        everything was put back as it was, try again  (grey)
        ---
            Quit Portcullis
        "#);
    }

    #[test]
    fn not_known_is_neither_closed_nor_open() {
        let status = status(|facts, _| {
            facts.boot = "other".into();
            facts.seen = Err("no permission".into());
        });
        insta::assert_snapshot!(drawn(&rows(&status, &MenuState::default())), @r"
        Not known: this Mac was restarted since pf was last looked at  (grey)
        ---
        [ ] 2345  dlv — not known
        [ ] 9229  node — not known
        [ ] 5678  debugpy — not known
        ---
        [ ] Guard Closed Ports
            Close All
            Check Now
        who listens is not known: no permission  (grey)
        ---
            Quit Portcullis
        ");
    }

    #[test]
    fn every_state_of_a_port_has_its_words() {
        let words: Vec<String> = [
            status(|_, report| open(report, Source::Any)),
            status(|_, report| open(report, Source::Lan { networks: vec!["10.0.0.0/8".parse().unwrap()] })),
            status(|_, report| open(report, hosts(&["10.0.0.5/32", "10.0.0.6/32", "10.0.0.7/32"]))),
            status(|_, report| {
                open(report, Source::Any);
                report.verdicts[0] = verdict(range("2345"), Answer::No);
            }),
            status(|_, report| {
                open(report, Source::Any);
                report.pf = PfState::Disabled;
            }),
            status(|_, report| report.pf = PfState::Disabled),
            status(|_, report| report.pf = PfState::Unknown("?".into())),
            status(|_, report| report.guard = Guard::Off),
            status(|_, report| report.verdicts[0] = verdict(range("2345"), Answer::Yes)),
            status(|_, report| report.verdicts[0] = verdict(range("2345"), Answer::Unknown)),
        ]
        .iter()
        .map(dlv_row)
        .collect();
        insta::assert_snapshot!(words.join("\n"), @r"
        [x] 2345  dlv — open for everyone
        [x] 2345  dlv — open for this network
        [x] 2345  dlv — open for 10.0.0.5 and 2 more
        [x] 2345  dlv — open, yet another rule blocks it
        [x] 2345  dlv — open for everyone, and pf is off
        [ ] 2345  dlv — not filtered
        [ ] 2345  dlv — not known
        [ ] 2345  dlv — unmanaged
        [ ] 2345  dlv — let in by another rule
        [ ] 2345  dlv — closed, whether for all is not known
        ");
    }

    #[test]
    fn a_program_cannot_write_rows_by_its_name() {
        let named = |name: &str| {
            let status = status(|facts, _| listening(facts, name, "127.0.0.1", Bind::Loopback));
            let menu = drawn(&rows(&status, &MenuState::default()));
            assert!(!menu.contains('\u{202e}'), "{menu}");
            assert!(menu.lines().all(|line| line.chars().count() < 90), "{menu}");
            dlv_row(&status)
        };
        assert_eq!(named("a\nb\u{202e}c"), "[ ] 2345  dlv — closed · a?b?c, this Mac only");
        let long = format!("[ ] 2345  dlv — closed · {}…, this Mac only", "x".repeat(32));
        assert_eq!(named(&"x".repeat(300)), long);
    }

    #[test]
    fn who_was_blocked_has_a_row() {
        let last_from = "192.168.1.20".parse().unwrap();
        let status = status(|facts, _| {
            let attempts = |attempts| Attempts { attempts, last_from, last: 1000 };
            facts.blocked = Some([(2345, attempts(3)), (9229, attempts(1)), (22, attempts(9))].into());
        });
        let drawn = drawn(&rows(&status, &MenuState::default()));
        assert!(drawn.contains("\n2345: 3 attempts blocked in the last hour, last from"), "{drawn}");
        assert!(drawn.contains("\n192.168.1.20  (grey)\n"), "{drawn}");
        assert!(drawn.contains("\n9229: 1 attempt blocked in the last hour, from 192.168.1.20  (grey)\n"));
        assert!(!drawn.contains("9 attempts"), "a port that is not shown");
    }

    #[test]
    fn a_click_does_what_the_row_says() {
        let closed = status(|_, _| ());
        let opened = status(|_, report| open(report, Source::Any));
        assert_eq!(action_of("port:2345", &closed), Some(MenuAction::Open(range("2345"))));
        assert_eq!(action_of("port:2345", &opened), Some(MenuAction::Close(range("2345"))));
        assert_eq!(action_of("port:1", &opened), None);
        assert_eq!(action_of("guard", &closed), Some(MenuAction::Guard(false)));
        let unset = status(|_, report| report.guard = Guard::Unset);
        assert_eq!(action_of("guard", &unset), Some(MenuAction::Guard(true)));
        for row in rows(&opened, &MenuState::default()) {
            assert_eq!(action_of(&row.id, &opened).is_some(), row.enabled, "{row:?}");
        }
    }

    #[test]
    fn what_is_on_a_port_can_be_read_and_its_settings_copied() {
        let used = status(|facts, _| listening(facts, "dlv dap (7)", "every address", Bind::Every));
        let copy = |client: &str| Some(MenuAction::Copy { port: 2345, client: client.to_owned() });
        assert_eq!(action_of("copy:2345:GoLand", &used), copy("GoLand"));
        assert_eq!(action_of("copy:2345:emacs", &used), None);
        assert_eq!(action_of("copy:9229:GoLand", &used), None);
        assert_eq!(action_of("copy:2345:GoLand", &status(|_, _| ())), None, "it is gone");
        let waiting = MenuState { waiting: Some(MenuAction::Check), failure: None };
        for state in [MenuState::default(), waiting] {
            let rows = rows(&used, &state);
            let menu = rows.iter().find(|row| row.kind == Kind::Menu).unwrap();
            assert_eq!((menu.id.as_str(), menu.enabled), ("connect:2345", true));
            for row in &menu.rows {
                assert_eq!(action_of(&row.id, &used).is_some(), row.enabled, "{row:?}");
            }
        }
        insta::assert_snapshot!(drawn(&rows(&used, &MenuState::default())), @r"
        All debug ports are closed  (grey)
        ---
        [ ] 2345  dlv — closed · dlv dap (7), listens
        [ ] 9229  node — closed
        [ ] 5678  debugpy — closed
        ---
          > Connect to 2345
              | pf blocks port 2345 from other machines (a rule)  (grey)
              | ---
              | Next: open it for this network: `portcullis open 2345 --from  (grey)
              | lan`  (grey)
              | ---
              |     Copy Settings for VS Code
              |     Copy Settings for GoLand
        [x] Guard Closed Ports
            Close All  (grey)
            Check Now
        ---
            Quit Portcullis
        ");
        let two = status(|facts, _| {
            listening(facts, "dlv dap (7)", "every address", Bind::Every);
            facts.seen.as_mut().unwrap()[1] =
                PortFacts::listening(9229, "node (8)", "127.0.0.1", Bind::Loopback);
        });
        insta::assert_snapshot!(drawn(&rows(&two, &MenuState::default())), @r"
        All debug ports are closed  (grey)
        ---
        [ ] 2345  dlv — closed · dlv dap (7), listens
        [ ] 9229  node — closed · node (8), this Mac only
        [ ] 5678  debugpy — closed
        ---
          > Connect
              |   > 2345  dlv dap (7)
              |       | pf blocks port 2345 from other machines (a rule)  (grey)
              |       | ---
              |       | Next: open it for this network: `portcullis open 2345 --from  (grey)
              |       | lan`  (grey)
              |       | ---
              |       |     Copy Settings for VS Code
              |       |     Copy Settings for GoLand
              |   > 9229  node (8)
              |       | node (8) listens on 127.0.0.1 only: other machines cannot reach  (grey)
              |       | it, whatever pf does  (grey)
              |       | ---
              |       | Next: on this Mac, connect to it as it is; for another machine  (grey)
              |       | use an SSH tunnel: `ssh -L 9229:127.0.0.1:9229 USER@THIS-MAC`  (grey)
        [x] Guard Closed Ports
            Close All  (grey)
            Check Now
        ---
            Quit Portcullis
        ");
    }

    #[test]
    fn a_menu_is_never_long_and_open_ports_are_never_left_out() {
        for count in [0, 5, 9, 10, 11, 40] {
            for failure in [None, Some("word ".repeat(200)), Some("x".repeat(500))] {
                let last = format!("{}", 30_000 + count);
                let status = status(|facts, report| {
                    facts.lab = Some("/tmp/lab".into());
                    let numbered = |number: usize| {
                        let mut port = crate::port::presets().remove(0);
                        (port.name, port.port) =
                            (format!("own-{number}").parse().unwrap(), range(&(30_000 + number).to_string()));
                        port
                    };
                    facts.ports = (1..=count).map(numbered).collect();
                    // Every third has a debugger on it.
                    let seen = |port: &crate::port::DebugPort| match port.port.first() {
                        number if number % 3 == 0 => {
                            let name = "x".repeat(100);
                            let seen = PortFacts::listening(number, &name, "127.0.0.1", Bind::Loopback);
                            let clients = (0..30).map(|client| format!("client {client}")).collect();
                            PortFacts { clients, ..seen }
                        }
                        _ => nobody(port.port),
                    };
                    facts.seen = Ok(facts.ports.iter().map(seen).collect());
                    let opening = |number: usize| Opening {
                        name: "own".parse().unwrap(),
                        port: range(&(30_000 + number).to_string()),
                        from: Source::Any,
                        until: None,
                        since: 0,
                        by: "ada".into(),
                    };
                    report.openings = (count..=count).filter(|count| *count > 0).map(opening).collect();
                    report.notes =
                        (0..30).map(|number| format!("note {number} {}", "long ".repeat(40))).collect();
                });
                let rows = rows(&status, &MenuState { waiting: None, failure });
                let mut ids = std::collections::BTreeSet::new();
                let mut menus = vec![&rows];
                while let Some(menu) = menus.pop() {
                    assert!(menu.len() <= MOST_ROWS, "{count}: {}", drawn(menu));
                    assert!(
                        menu.iter().all(|row| ids.insert(row.id.as_str())),
                        "every id once: {}",
                        drawn(menu)
                    );
                    menus.extend(menu.iter().map(|row| &row.rows).filter(|rows| !rows.is_empty()));
                }
                assert_eq!(ids.contains(format!("port:{last}").as_str()), count > 0, "{}", drawn(&rows));
                assert!(rows.iter().all(|row| row.text.chars().count() <= 90), "{}", drawn(&rows));
            }
        }
    }
}
