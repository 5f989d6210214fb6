//! What the menu shows, computed from the status: rows, and the action behind each. Pure.
//!
//! ```
//! use portcullis::menu::{MenuState, RowKind, rows};
//! use portcullis::report::ReportFact;
//! use portcullis::status::{Facts, Status};
//! let ports = portcullis::debuggers::ports::usual_ports();
//! let facts = Facts { ports, ..Facts::unseen(0, ReportFact::Missing) };
//! let rows = rows(&Status::of(&facts), &MenuState::default());
//! assert_eq!(rows[0].text, "Not known: pf has not been looked at yet");
//! assert_eq!(rows[2].text, "2345  dlv — not known");
//! assert_eq!(rows[2].kind, RowKind::Check { checked: false });
//! ```

mod ports;
mod row;
mod text;
mod words;

pub use row::{MOST_ROWS, MenuAction, MenuRow, MenuState, RowKind, action_of};

use crate::rules::ledger::Guard;
use crate::status::{GuardEffect, PortState, Status};
use ports::{blocked_rows, connect_row, port_row, ports_that_fit};
use row::{action_row, paragraph, separator, text_row};

/// The rows, top to bottom: at most [`MOST_ROWS`] in each menu, every id once.
pub fn rows(status: &Status, state: &MenuState) -> Vec<MenuRow> {
    let mut above = paragraph("header", &status.sentence, 3);
    above.extend(status.lab.is_some().then(|| text_row("lab", words::LAB)));
    above.push(separator("above-ports"));

    let mut below = vec![separator("above-actions")];
    below.extend(connect_row(status));
    below.extend(
        status
            .interrupted
            .then(|| waiting_row(state, "repair", RowKind::Button, words::REPAIR, MenuAction::Repair)),
    );
    below.extend(actions_on_all(status, state));
    let cancel = || action_row("cancel", RowKind::Button, words::CANCEL.to_owned(), MenuAction::Cancel);
    below.extend(state.waiting.is_some().then(cancel));
    if let Some(failure) = &state.failure {
        below.extend(paragraph("failure", &words::failure(failure), 3));
    }
    let quit = action_row("quit", RowKind::Button, words::QUIT.to_owned(), MenuAction::Quit);
    let end = vec![separator("above-quit"), quit];

    // Ports come before notes where there is no room for both, and what is open or in use before what is not.
    let room = MOST_ROWS - (above.len() + below.len() + end.len()).min(MOST_ROWS);
    let ports = ports_that_fit(&status.ports, room);
    let mut middle: Vec<MenuRow> = ports.iter().map(|port| port_row(status, state, port)).collect();
    if ports.len() < status.ports.len() {
        middle.push(text_row("more", words::more(status.ports.len() - ports.len())));
    }
    let notes = status.notes.iter().enumerate();
    let notes = notes.flat_map(|(number, note)| paragraph(&format!("note:{number}"), note, 2));
    below.extend(blocked_rows(status).chain(notes).take(room - middle.len().min(room)));

    [above, middle, below, end].concat()
}

/// The guard, Close All and Check Now.
fn actions_on_all(status: &Status, state: &MenuState) -> [MenuRow; 3] {
    let is_on = status.firewall.guard == Some(Guard::On);
    let kind = RowKind::Check { checked: is_on };
    let text = match status.firewall.guard_effect {
        GuardEffect::Holds | GuardEffect::Off | GuardEffect::Unseen => words::GUARD,
        GuardEffect::Doubtful => words::IN_DOUBT,
        GuardEffect::PfOff | GuardEffect::Uncalled | GuardEffect::Gone | GuardEffect::Overruled => {
            words::NO_EFFECT
        }
    };
    let guard = waiting_row(state, "guard", kind, text, MenuAction::Guard(!is_on));
    let close_all = waiting_row(state, "close-all", RowKind::Button, words::CLOSE_ALL, MenuAction::CloseAll);
    let closable = status
        .ports
        .iter()
        .any(|port| matches!(port.state, PortState::Open | PortState::MayBeOpen | PortState::Unknown));
    let closable = closable || status.interrupted;
    let close_all = MenuRow { enabled: close_all.enabled && closable, ..close_all };
    [guard, close_all, waiting_row(state, "check", RowKind::Button, words::CHECK, MenuAction::Check)]
}

/// A row that says that it waits while its action does, and cannot be clicked while any action waits.
fn waiting_row(state: &MenuState, id: &str, kind: RowKind, text: &str, action: MenuAction) -> MenuRow {
    let text = match &state.waiting {
        Some(waiting) if *waiting == action => format!("{text} — {}", words::waiting(waiting)),
        _ => text.to_owned(),
    };
    MenuRow { enabled: state.waiting.is_none(), ..action_row(id, kind, text, action) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debuggers::ports::{DebugPort, usual_ports};
    use crate::diagnosis::{Answer, Bind, PortFacts};
    use crate::port::PortRange;
    use crate::report::{ForeignPlace, Note, PfState, PfVerdict, Report, sample as report_sample};
    use crate::rules::ledger::{Changing, MayBeOpen, Opening};
    use crate::rules::named_port::NamedPort;
    use crate::rules::source::Source;
    use crate::status::{Attempts, Facts, sample};
    use crate::system::NetworkFacts;

    /// The menu as a person reads it.
    fn drawn(rows: &[MenuRow]) -> String {
        let draw = |row: &MenuRow| {
            let mark = match row.kind {
                RowKind::Check { checked: true } => "[x] ",
                RowKind::Check { checked: false } => "[ ] ",
                RowKind::Button => "    ",
                RowKind::Menu => "  > ",
                RowKind::Text | RowKind::Separator => "",
            };
            let text = if row.kind == RowKind::Separator { "---" } else { &row.text };
            let grey = if row.enabled || row.kind == RowKind::Separator { "" } else { "  (grey)" };
            let below = drawn(&row.rows).lines().map(|line| format!("\n      | {line}")).collect::<String>();
            format!("{mark}{text}{grey}{below}")
        };
        rows.iter().map(draw).collect::<Vec<_>>().join("\n")
    }

    fn range(text: &str) -> PortRange {
        text.parse().unwrap()
    }

    fn verdict(outside: Answer) -> PfVerdict {
        report_sample::verdict(dlv().range, outside, Answer::No)
    }

    /// Guard on, three ports of which the first is as `change` makes it.
    fn status(change: impl FnOnce(&mut Facts, &mut Report)) -> Status {
        sample::status(usual_ports()[..3].to_vec(), change)
    }

    /// The first of the ports has this debugger on it.
    fn listening(facts: &mut Facts, program: &str, address: &str, bind: Bind) {
        let seen = PortFacts::listening(2345, program, address, bind);
        let clients = vec!["VS Code".to_owned(), "GoLand".to_owned()];
        facts.seen.as_mut().unwrap()[0] = PortFacts { clients, ..seen };
    }

    fn open(report: &mut Report, from: Source) {
        report.open(&dlv(), from);
    }

    fn note(anchor: &str) -> Note {
        Note::ForeignRule { place: ForeignPlace::Anchor(anchor.into()), port: 2345 }
    }

    fn dlv() -> NamedPort {
        NamedPort { name: "dlv".parse().unwrap(), range: range("2345") }
    }

    fn clicked(status: &Status, id: &str) -> Option<MenuAction> {
        action_of(&rows(status, &MenuState::default()), id).cloned()
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
            report.notes = vec![note("com.golang.dlv")];
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
        the anchor com.golang.dlv has a rule for port 2345 that is not  (grey)
        ours: it is left alone  (grey)
        ---
            Quit Portcullis
        ");
    }

    #[test]
    fn a_change_that_was_interrupted_is_not_closed_and_can_be_repaired() {
        let status = status(|facts, _| {
            let open = MayBeOpen { name: dlv().name, port: dlv().range, from: Source::Any };
            facts.interrupted = Some(Changing { since: 0, pid: 7, open: vec![open] });
        });
        insta::assert_snapshot!(drawn(&rows(&status, &MenuState::default())), @r"
        Not known: a change was interrupted  (grey)
        ---
        [x] 2345  dlv — may be open: a change was interrupted
        [ ] 9229  node — closed
        [ ] 5678  debugpy — closed
        ---
            Repair…
        [x] Guard Closed Ports
            Close All
            Check Now
        ---
            Quit Portcullis
        ");
        assert_eq!(clicked(&status, "port:2345"), Some(MenuAction::Close(dlv())));
        assert_eq!(clicked(&status, "repair"), Some(MenuAction::Repair));
    }

    #[test]
    fn waiting_for_permission() {
        let status = status(|_, _| ());
        let waiting = |action| drawn(&rows(&status, &MenuState { waiting: Some(action), failure: None }));
        insta::assert_snapshot!(waiting(MenuAction::Open(dlv())), @r"
        All debug ports are closed  (grey)
        ---
        [ ] 2345  dlv — waiting for permission…  (grey)
        [ ] 9229  node — closed  (grey)
        [ ] 5678  debugpy — closed  (grey)
        ---
        [x] Guard Closed Ports  (grey)
            Close All  (grey)
            Check Now  (grey)
            Cancel Request
        ---
            Quit Portcullis
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
            Cancel Request
        ---
            Quit Portcullis
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
                report.set(verdict(Answer::No));
            }),
            status(|_, report| {
                open(report, Source::Any);
                report.pf = PfState::Disabled;
            }),
            status(|_, report| report.pf = PfState::Disabled),
            status(|_, report| report.pf = PfState::Unknown("?".into())),
            status(|_, report| report.guard = Guard::Off),
            status(|_, report| report.set(verdict(Answer::Yes))),
            status(|_, report| report.set(verdict(Answer::Unknown))),
        ]
        .iter()
        .map(dlv_row)
        .collect();
        insta::assert_snapshot!(words.join("\n"), @r"
        [x] 2345  dlv — open for anyone
        [x] 2345  dlv — open for 10.0.0.0/8
        [x] 2345  dlv — open for 10.0.0.5 and 2 more
        [x] 2345  dlv — open, yet another rule blocks it
        [x] 2345  dlv — open for anyone, and pf is off
        [ ] 2345  dlv — let in: pf is off
        [ ] 2345  dlv — not known
        [ ] 2345  dlv — not protected, another rule blocks it
        [ ] 2345  dlv — let in by another rule
        [ ] 2345  dlv — not known
        ");
    }

    /// On a network behind this router.
    fn on(router: u8) -> NetworkFacts {
        NetworkFacts {
            interface: "en0".into(),
            prefixes: vec!["10.1.2.0/24".parse().unwrap()],
            gateway: format!("a4:91:b1:00:00:0{router}").parse().ok(),
        }
    }

    #[test]
    fn an_open_port_names_its_network_where_this_mac_is_on_another() {
        use crate::rules::sample::{home, opening};
        let any = Opening { home: Some(home(1)), ..opening("2345", "any", 0) };
        let paused = Opening { let_in: Some(Vec::new()), ..any.clone() };
        let rows: Vec<String> = [
            (any.clone(), vec![on(1)]),
            (any.clone(), vec![on(2)]),
            (Opening { stay: true, ..any }, vec![on(2)]),
            (Opening { away: true, ..paused.clone() }, vec![on(2)]),
            (paused, vec![]),
        ]
        .into_iter()
        .map(|(opening, networks)| {
            dlv_row(&status(|facts, report| {
                report.set(verdict(if opening.is_paused() { Answer::No } else { Answer::Yes }));
                report.openings = vec![opening];
                facts.networks = networks;
            }))
        })
        .collect();
        assert!(rows.iter().all(|row| is_short(row)), "{rows:?}");
        insta::assert_snapshot!(rows.join("\n"), @r"
        [x] 2345  dlv — open for anyone while on 10.1.2.0/24
        [x] 2345  dlv — about to pause: not on 10.1.2.0/24
        [x] 2345  dlv — open for anyone
        [x] 2345  dlv — paused: not on 10.1.2.0/24
        [x] 2345  dlv — paused: not on 10.1.2.0/24
        ");
    }

    #[test]
    fn what_ends_at_no_set_time_says_that_it_ends_with_its_network() {
        use crate::rules::sample::{home, opening};
        let mut rows = Vec::new();
        for from in ["any", "lan:10.1.2.0/24", "hosts:10.0.0.5"] {
            for (restart, stay) in [(false, false), (true, false), (false, true), (true, true)] {
                let home = Some(home(1));
                let opening = Opening { home, restart, stay, ..opening("2345", from, 0) };
                rows.push(dlv_row(&status(|facts, report| {
                    report.set(verdict(Answer::Yes));
                    report.openings = vec![opening];
                    facts.networks = vec![on(1)];
                })));
            }
        }
        insta::assert_snapshot!(rows.join("\n"), @r"
        [x] 2345  dlv — open for anyone while on 10.1.2.0/24
        [x] 2345  dlv — open for anyone until restart or leaving
        [x] 2345  dlv — open for anyone
        [x] 2345  dlv — open for anyone until the restart
        [x] 2345  dlv — open on this network only
        [x] 2345  dlv — open on this network only, until restart
        [x] 2345  dlv — open for this network
        [x] 2345  dlv — open for this network until the restart
        [x] 2345  dlv — open for 10.0.0.5 while on 10.1.2.0/24
        [x] 2345  dlv — open for 10.0.0.5 until restart or leaving
        [x] 2345  dlv — open for 10.0.0.5
        [x] 2345  dlv — open for 10.0.0.5 until the restart
        ");
        assert!(rows.iter().filter(|row| !row.contains("10.0.0.5")).all(|row| is_short(row)), "{rows:?}");
    }

    /// A menu is narrow, beside the mark and where no addresses of hosts are named.
    fn is_short(row: &str) -> bool {
        row.chars().count() <= "[x] ".len() + 52
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
        assert_eq!(clicked(&closed, "port:2345"), Some(MenuAction::Open(dlv())));
        assert_eq!(clicked(&opened, "port:2345"), Some(MenuAction::Close(dlv())));
        assert_eq!(clicked(&opened, "port:1"), None);
        assert_eq!(clicked(&closed, "guard"), Some(MenuAction::Guard(false)));
        let unset = status(|_, report| report.guard = Guard::Unset);
        assert_eq!(clicked(&unset, "guard"), Some(MenuAction::Guard(true)));
        assert_eq!(clicked(&closed, "close-all"), None, "it is grey");
        assert_eq!(clicked(&opened, "close-all"), Some(MenuAction::CloseAll));
        let waiting = MenuState { waiting: Some(MenuAction::CloseAll), failure: None };
        for id in ["port:2345", "guard", "close-all", "check"] {
            assert_eq!(action_of(&rows(&opened, &waiting), id), None, "{id} while a prompt is up");
        }
        assert_eq!(action_of(&rows(&opened, &waiting), "quit"), Some(&MenuAction::Quit));
        assert_eq!(action_of(&rows(&opened, &waiting), "cancel"), Some(&MenuAction::Cancel));
        assert_eq!(clicked(&opened, "cancel"), None);
    }

    #[test]
    fn what_is_on_a_port_can_be_read_and_its_settings_copied() {
        let used = status(|facts, _| listening(facts, "dlv dap (7)", "every address", Bind::Every));
        let copy = |client: &str| Some(MenuAction::Copy { port: 2345, client: client.to_owned() });
        assert_eq!(clicked(&used, "copy:2345:GoLand"), copy("GoLand"));
        assert_eq!(clicked(&used, "copy:2345:emacs"), None);
        assert_eq!(clicked(&used, "copy:9229:GoLand"), None);
        assert_eq!(clicked(&status(|_, _| ()), "copy:2345:GoLand"), None, "it is gone");
        let waiting = MenuState { waiting: Some(MenuAction::Check), failure: None };
        for state in [MenuState::default(), waiting] {
            let rows = rows(&used, &state);
            let menu = rows.iter().find(|row| row.kind == RowKind::Menu).unwrap();
            assert_eq!((menu.id.as_str(), menu.enabled), ("connect:2345", true));
            for row in &menu.rows {
                assert_eq!(action_of(&rows, &row.id).is_some(), row.enabled, "{row:?}");
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
              | pf blocks port 2345 from other machines (our guard blocks it)  (grey)
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
              |       | pf blocks port 2345 from other machines (our guard blocks it)  (grey)
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

    /// So many ports, each third in use, the last one open; and many notes.
    fn crowded(count: usize) -> Status {
        let numbered = |number: usize| {
            let name = format!("own-{number}").parse().unwrap();
            DebugPort { name, port: range(&(30_000 + number).to_string()), ..usual_ports().remove(0) }
        };
        let used = |number: u16| {
            let seen = PortFacts::listening(number, &"x".repeat(100), "127.0.0.1", Bind::Loopback);
            PortFacts { clients: (0..30).map(|client| format!("client {client}")).collect(), ..seen }
        };
        sample::status((1..=count).map(numbered).collect(), |facts, report| {
            facts.lab = Some("/tmp/lab".into());
            for seen in facts.seen.iter_mut().flatten().filter(|seen| seen.port % 3 == 0) {
                *seen = used(seen.port);
            }
            if let Some(last) = report.managed.last().cloned() {
                report.open(&last, Source::Any);
            }
            let note = |number| note(&format!("note {number} {}", "long ".repeat(40)));
            report.notes = (0..30).map(note).collect();
        })
    }

    #[test]
    fn a_menu_is_never_long_and_open_ports_are_never_left_out() {
        for count in [0, 5, 9, 10, 11, 40] {
            for failure in [None, Some("word ".repeat(200)), Some("x".repeat(500))] {
                let last = format!("{}", 30_000 + count);
                let status = crowded(count);
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
