mod networks;

use super::*;
use crate::debuggers::ports::{DebugPort, usual_ports};
use crate::diagnosis::{Answer, Bind, PortFacts};
use crate::port::PortRange;
use crate::report::{PfState, PfVerdict, Report, ReportFact, sample as report_sample};
use crate::rules::end_choice::EndChoice;
use crate::rules::ledger::{Changing, MayBeOpen, Opening};
use crate::rules::source::Source;
use crate::status::{Attempts, Facts, Status, sample};

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
        let text = match row.text.as_str() {
            _ if row.kind == RowKind::Separator => "---",
            text => text,
        };
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

fn dlv() -> NamedPort {
    NamedPort { name: "dlv".parse().unwrap(), range: range("2345") }
}

fn hosts(list: &[&str]) -> Source {
    Source::Hosts { hosts: list.iter().map(|host| host.parse().unwrap()).collect() }
}

fn facts(status: &Status) -> MenuFacts {
    let offers = MenuOffers {
        new_openings: Some(NewOpenings { from: "lan".to_owned(), end: EndChoice::Evening }),
        icon: Some(crate::prefs::IconStyle::Coloured),
        ..MenuOffers::default()
    };
    MenuFacts { status: status.clone(), offers }
}

fn menu(status: &Status, state: &MenuState) -> Vec<MenuRow> {
    rows(&facts(status), state, &MenuLayout::of(status))
}

fn found<'a>(rows: &'a [MenuRow], id: &str) -> Option<&'a MenuRow> {
    rows.iter().find_map(|row| if row.id == id { Some(row) } else { found(&row.rows, id) })
}

fn clicked(status: &Status, id: &str) -> Option<MenuAction> {
    action_of(&menu(status, &MenuState::default()), id).cloned()
}

/// One row as it is drawn, without what is below it.
fn row(status: &Status, id: &str) -> String {
    let rows = menu(status, &MenuState::default());
    drawn(&[MenuRow { rows: Vec::new(), ..found(&rows, id).unwrap().clone() }])
}

fn waiting(action: MenuAction) -> MenuState {
    MenuState { waiting: Some(action), ..MenuState::default() }
}

fn attempts(attempts: u64) -> Attempts {
    Attempts { attempts, last_from: "192.168.1.20".parse().unwrap(), last: 1000 }
}

/// Many ways in which things may stand.
fn situations() -> Vec<Status> {
    let one = |change: &dyn Fn(&mut Facts, &mut Report)| status(change);
    let mut all = vec![
        one(&|_, _| ()),
        one(&|_, report| open(report, Source::Any)),
        one(&|_, report| open(report, Source::Lan { networks: vec!["10.0.0.0/8".parse().unwrap()] })),
        one(&|_, report| open(report, hosts(&["10.0.0.5/32", "10.0.0.6/32"]))),
        one(&|_, report| report.pf = PfState::Disabled),
        one(&|_, report| report.pf = PfState::Unknown("?".into())),
        one(&|_, report| report.guard = Guard::Off),
        one(&|_, report| report.guard = Guard::Unset),
        one(&|_, report| report.set(verdict(Answer::Yes))),
        one(&|_, report| report.set(verdict(Answer::Unknown))),
        one(&|facts, report| {
            open(report, Source::Any);
            facts.boot = "other".into();
        }),
        one(&|facts, _| facts.boot = "other".into()),
        one(&|facts, _| facts.blocked = Some([(2345, attempts(3))].into())),
        one(&|facts, _| {
            let open = MayBeOpen { name: dlv().name, port: dlv().range, from: Source::Any };
            facts.interrupted = Some(Changing { since: 0, pid: 7, open: vec![open] });
        }),
        Status::of(&Facts { ports: usual_ports(), ..Facts::unseen(0, ReportFact::Missing) }),
    ];
    for (address, bind) in [("127.0.0.1", Bind::Loopback), ("every address", Bind::Every)] {
        for (pf, is_open) in [(PfState::Enabled, true), (PfState::Enabled, false), (PfState::Disabled, false)]
        {
            all.push(one(&|facts, report| {
                listening(facts, "dlv dap (7)", address, bind);
                report.pf = pf.clone();
                if is_open {
                    open(report, Source::Any);
                }
            }));
        }
    }
    all
}

#[test]
fn all_closed() {
    insta::assert_snapshot!(drawn(&menu(&status(|_, _| ()), &MenuState::default())), @r"
        All debug ports are closed
        Nothing has changed yet
    ---
    [ ] 2345  Delve — closed
    [ ] 9229  Node.js — closed
    [ ] 5678  debugpy — closed
      > More Ports  (grey)
      > Details
          |   > 2345  Delve
          |       |     Closed: other machines are kept out
          |       |     Next: start the debugger  (grey)
          |       |     No program listens  (grey)
          |       | ---
          |       |     Open for 1 Hour…
          |       |     Open for 2 Hours…
          |       |     Open Until Restart…
          |       |     Open Until I Close It…
          |       | ---
          |       | [ ] Open for This Network…
          |       |     No one was blocked  (grey)
          |       | [ ] Open for Anyone (can run code as you)…
          |       | ---
          |       |   > Copy Settings for This Mac  (grey)
          |       |   > Copy Settings for Another Machine  (grey)
          |       |     Nothing to Stop  (grey)
          |   > 9229  Node.js
          |       |     Closed: other machines are kept out
          |       |     Next: start the debugger  (grey)
          |       |     No program listens  (grey)
          |       | ---
          |       |     Open for 1 Hour…
          |       |     Open for 2 Hours…
          |       |     Open Until Restart…
          |       |     Open Until I Close It…
          |       | ---
          |       | [ ] Open for This Network…
          |       |     No one was blocked  (grey)
          |       | [ ] Open for Anyone (can run code as you)…
          |       | ---
          |       |   > Copy Settings for This Mac  (grey)
          |       |   > Copy Settings for Another Machine  (grey)
          |       |     Nothing to Stop  (grey)
          |   > 5678  debugpy
          |       |     Closed: other machines are kept out
          |       |     Next: start the debugger  (grey)
          |       |     No program listens  (grey)
          |       | ---
          |       |     Open for 1 Hour…
          |       |     Open for 2 Hours…
          |       |     Open Until Restart…
          |       |     Open Until I Close It…
          |       | ---
          |       | [ ] Open for This Network…
          |       |     No one was blocked  (grey)
          |       | [ ] Open for Anyone (can run code as you)…
          |       | ---
          |       |   > Copy Settings for This Mac  (grey)
          |       |   > Copy Settings for Another Machine  (grey)
          |       |     Nothing to Stop  (grey)
    ---
        Close All  (grey)
        Nothing to Open Again  (grey)
        Nothing to Undo  (grey)
    ---
    [x] Keep Debug Ports Closed…
    ---
      > Settings
          |   > New Openings
          |       | [x] For This Network
          |       | [ ] For Anyone (can run code as you)
          |       | ---
          |       | [x] Until the End of the Day (18:30)
          |       | [ ] For 2 Hours
          |       | [ ] Until Restart
          |       | [ ] Until I Close It
          |   > End of Day
          |       | [ ] 17:30…
          |       | [x] 18:30…
          |       | [ ] 20:00…
          |       | [ ] 21:30…
          |   > Icon
          |       | [x] Coloured
          |       | [ ] In One Colour
          |     Open Preferences
      > Help
          |     Look Again…
          |     Nothing Else Was Seen  (grey)
          | ---
          |     Doctor
          |     Explain
          |     History
          | ---
          |     Install Command Line Tool…
          |     Remove Portcullis…
          | ---
          |     About Portcullis
        Quit Portcullis
    ");
}

#[test]
fn before_the_first_change_there_is_nothing_to_close() {
    let stock = Status::of(&Facts { ports: usual_ports(), ..Facts::unseen(0, ReportFact::Missing) });
    let close_all = |is_first_run: bool, status: &Status| {
        let mut facts = facts(status);
        facts.offers.is_first_run = is_first_run;
        action_of(&rows(&facts, &MenuState::default(), &MenuLayout::of(status)), "close-all").cloned()
    };
    assert_eq!(close_all(true, &stock), None);
    assert_eq!(
        close_all(false, &stock),
        Some(MenuAction::CloseAll),
        "what was seen is lost, not what is open"
    );
    let unseen = Facts { ports: usual_ports(), ..Facts::unseen(0, ReportFact::Unreadable("?".into())) };
    assert_eq!(close_all(true, &Status::of(&unseen)), Some(MenuAction::CloseAll));
}

#[test]
fn one_is_open_and_its_debugger_waits() {
    let status = status(|facts, report| {
        open(report, hosts(&["192.168.1.0/24"]));
        listening(facts, "dlv dap (7)", "every address", Bind::Every);
        facts.blocked = Some([(2345, attempts(3))].into());
    });
    let mut facts = facts(&status);
    let opened = LastChange {
        number: Some(7),
        clock: "14:02".into(),
        opened: vec![range("2345")],
        ..LastChange::default()
    };
    facts.offers.undo = Some(OfferedUndo { change: opened.clone(), is_closing: false });
    facts.offers.last_change = Some(opened.clone());
    facts.offers.last_time = vec![dlv(), NamedPort { name: "node".parse().unwrap(), range: range("9229") }];
    facts.offers.stoppable = vec![StoppableProcess { port: 2345, pid: 7, name: "dlv".into() }];
    let rows = rows(&facts, &MenuState::default(), &MenuLayout::of(&status));
    let top: Vec<MenuRow> = rows.iter().map(|row| MenuRow { rows: Vec::new(), ..row.clone() }).collect();
    insta::assert_snapshot!(drawn(&top), @r"
        1 port is open for 192.168.1.0/24
        Opened 2345 at 14:02
    ---
    [x] 2345  Delve — open for 192.168.1.0/24 · waits
    [ ] 9229  Node.js — closed
    [ ] 5678  debugpy — closed
      > More Ports  (grey)
      > Details
    ---
        Close All
        Open as Last Time: 2345, 9229…
        Undo Opened 2345…
    ---
    [x] Keep Debug Ports Closed…
    ---
      > Settings
      > Help
        Quit Portcullis
    ");
    insta::assert_snapshot!(drawn(&found(&rows, "details:2345").unwrap().rows), @r"
        dlv dap waits, and can be reached by 192.168.1.0/24
        Next: Copy the Settings to Connect
        Listens: dlv dap (7) on every address
    ---
        Open for 1 Hour…
        Open for 2 Hours…
        Open Until Restart…
        Open Until I Close It…
    ---
    [ ] Open for This Network…
        No one was blocked  (grey)
    [ ] Open for Anyone (can run code as you)…
    ---
      > Copy Settings for This Mac
          |     VS Code
          |     GoLand
      > Copy Settings for Another Machine
          |     VS Code
          |     GoLand
        Stop dlv (7)…
    ");
    assert_eq!(action_of(&rows, "undo"), Some(&MenuAction::Undo(7)));
    facts.offers.undo = Some(OfferedUndo { change: opened, is_closing: true });
    let rows = super::rows(&facts, &MenuState::default(), &MenuLayout::of(&status));
    assert_eq!(found(&rows, "undo").unwrap().text, "Undo Opened 2345", "it asks nothing");
    assert_eq!(action_of(&rows, "again"), Some(&MenuAction::Reopen(facts.offers.last_time.clone())));
}

#[test]
fn the_news_row_says_what_matters_most() {
    let blocked = status(|facts, _| facts.blocked = Some([(2345, attempts(3))].into()));
    let interrupted = status(|facts, _| {
        let open = MayBeOpen { name: dlv().name, port: dlv().range, from: Source::Any };
        facts.interrupted = Some(Changing { since: 0, pid: 7, open: vec![open] });
    });
    let failure = MenuFailure { action: Some(MenuAction::CloseAll), because: "pfctl says no".into() };
    let failed = MenuState { failure: Some(failure), ..MenuState::default() };
    let mut said = Vec::new();
    let mut say = |facts: &MenuFacts, state: &MenuState| {
        let rows = rows(facts, state, &MenuLayout::of(&facts.status));
        said.push(format!("{} {:?}", drawn(&rows[1..2]).trim(), action_of(&rows, "news")));
    };
    say(&facts(&blocked), &waiting(MenuAction::Guard(true)));
    say(&facts(&blocked), &failed);
    say(&facts(&interrupted), &MenuState::default());
    let mut doubted = facts(&blocked);
    doubted.offers.is_first_run = true;
    for doubt in [
        MenuDoubt::Preferences("line 1, column 8".into()),
        MenuDoubt::Ledger,
        MenuDoubt::NothingClosesByItself,
    ] {
        doubted.offers.doubt = Some(doubt);
        say(&doubted, &MenuState::default());
    }
    doubted.offers.doubt = None;
    say(&doubted, &MenuState::default());
    say(&facts(&blocked), &MenuState::default());
    say(&facts(&status(|_, _| ())), &MenuState::default());
    let mut exposed = facts(&status(|_, _| ()));
    exposed.status.ports[0].exposed = true;
    say(&exposed, &MenuState::default());
    let mut unseen = facts(&status(|_, _| ()));
    unseen.status.firewall.not_seen = Some("not seen since 17:04".into());
    say(&unseen, &MenuState::default());
    insta::assert_snapshot!(said.join("\n"), @r#"
    Waiting for permission: Cancel Request Some(Cancel)
    Failed: the ports were not closed. See Why… Some(SayFailure)
    A change was interrupted: Repair… Some(Repair)
    The preferences do not read: line 1, column 8 Some(OpenPreferences)
    What is open does not read: Close All Some(CloseAll)
    Nothing closes by itself: Mend It… Some(Install)
    Protect the Debug Ports… Some(Guard(true))
    192.168.1.20 was blocked on 2345: Let In… Some(Open(NamedPort { name: PortName("dlv"), range: PortRange { first: 2345, last: 2345 } }, OpenTerms { from: Some(Also(192.168.1.20)), end: None }))
    Nothing has changed yet Some(CopyText("Nothing has changed yet"))
    Protect the Debug Ports… Some(Guard(true))
    Look Again… Some(Check)
    "#);
}

#[test]
fn every_state_of_a_port_has_its_words() {
    let words: Vec<String> = situations().iter().map(|status| row(status, "port:2345")).collect();
    insta::assert_snapshot!(words.join("\n"), @r"
    [ ] 2345  Delve — closed
    [x] 2345  Delve — open for anyone
    [x] 2345  Delve — open, who gets in is not known
    [x] 2345  Delve — open for 10.0.0.5 and 1 more
    [ ] 2345  Delve — let in: the firewall is off
    [ ] 2345  Delve — not known
    [ ] 2345  Delve — not protected, another rule blocks it
    [ ] 2345  Delve — not protected, another rule blocks it
    [ ] 2345  Delve — let in by another rule
    [ ] 2345  Delve — not known
    [ ] 2345  Delve — not known
    [ ] 2345  Delve — not known
    [ ] 2345  Delve — closed · 192.168.1.20 was blocked
    [x] 2345  Delve — may be open: a change was interrupted
    [ ] 2345  Delve — not protected yet
    [x] 2345  Delve — open for anyone · this Mac only
    [ ] 2345  Delve — closed · dlv dap on this Mac only
    [ ] 2345  Delve — let in, firewall off · this Mac only
    [x] 2345  Delve — open for anyone · dlv dap waits
    [ ] 2345  Delve — closed · dlv dap listens
    [ ] 2345  Delve — let in, firewall off · anyone gets in
    ");
}

#[test]
fn every_state_has_its_headline() {
    let words: Vec<String> = situations().iter().map(|status| row(status, "header")).collect();
    insta::assert_snapshot!(words.join("\n"), @r"
    All debug ports are closed
    1 port is open for anyone
    1 port is open for 10.0.0.0/8
    1 port is open for 10.0.0.5 and 1 more
    Ports are not protected: the firewall is off
    Not known: who reaches some ports
    No other machine gets in: another rule keeps them out
    No other machine gets in: another rule keeps them out
    Other machines get in to 2345, which is to be closed
    Not known: who reaches some ports
    Not seen since 00:16
    Not seen since 00:16
    All debug ports are closed
    Not known: a change was interrupted
    Ports are not protected yet
    1 port is open for anyone
    All debug ports are closed
    Ports are not protected: the firewall is off
    Anyone can reach dlv dap on port 2345
    All debug ports are closed
    Anyone can reach dlv dap on port 2345
    ");
}

#[test]
fn every_port_has_its_next_step() {
    let words: Vec<String> = situations()
        .iter()
        .map(|status| format!("{} / {}", row(status, "says:2345").trim(), row(status, "next:2345").trim()))
        .collect();
    insta::assert_snapshot!(words.join("\n"), @r"
    Closed: other machines are kept out / Next: start the debugger  (grey)
    Open for anyone: nothing listens yet / Next: start the debugger  (grey)
    Open, not known for whom: nothing listens yet / Next: start the debugger  (grey)
    Open for 10.0.0.5 and 1 more: nothing listens yet / Next: start the debugger  (grey)
    Other machines get in, although the port is to be closed / Next: Protect the Debug Ports…
    Whether other machines get in is not known / Next: Look Again…
    Not protected, but another rule keeps others out / Next: start the debugger  (grey)
    Not protected, but another rule keeps others out / Next: start the debugger  (grey)
    Other machines get in, although the port is to be closed / Next: Copy the Command That Says Why
    Whether other machines get in is not known / Next: Look Again…
    Whether other machines get in is not known / Next: Look Again…
    Whether other machines get in is not known / Next: Look Again…
    Closed: other machines are kept out / Next: start the debugger  (grey)
    A change was interrupted: the port may be open / Next: Repair…
    Not protected yet: other machines reach what starts here / Next: Look Again…
    Only this Mac reaches dlv dap: it listens for no other machine / Next: Copy the Tunnel for Another Machine
    Only this Mac reaches dlv dap: it listens for no other machine / Next: Copy the Tunnel for Another Machine
    Only this Mac reaches dlv dap: it listens for no other machine / Next: Protect the Debug Ports…
    Anyone can reach dlv dap, and run code as you / Next: Copy the Settings to Connect
    Closed: other machines are kept from dlv dap / Next: Open for Other Machines…
    Anyone can reach dlv dap, and run code as you / Next: Protect the Debug Ports…
    ");
}

#[test]
fn a_program_cannot_write_rows_by_its_name() {
    let named = |name: &str| {
        let status = status(|facts, _| listening(facts, name, "127.0.0.1", Bind::Loopback));
        let menu = drawn(&menu(&status, &MenuState::default()));
        assert!(!menu.contains('\u{202e}'), "{menu}");
        assert!(menu.lines().all(|line| line.chars().count() < 110), "{menu}");
        row(&status, "port:2345")
    };
    assert_eq!(named("a\nb\u{202e}c"), "[ ] 2345  Delve — closed · a?b?c on this Mac only");
    let long = "[ ] 2345  Delve — closed · this Mac only";
    assert_eq!(named(&"x".repeat(300)), long);
}

#[test]
fn a_click_does_what_the_row_says() {
    let closed = status(|_, _| ());
    let opened = status(|_, report| open(report, Source::Any));
    assert_eq!(clicked(&closed, "port:2345"), Some(MenuAction::Open(dlv(), OpenTerms::default())));
    assert_eq!(clicked(&opened, "port:2345"), Some(MenuAction::Close(dlv())));
    assert_eq!(clicked(&opened, "port:1"), None);
    assert_eq!(clicked(&closed, "guard"), Some(MenuAction::Guard(false)));
    let unset = status(|_, report| report.guard = Guard::Unset);
    assert_eq!(clicked(&unset, "guard"), Some(MenuAction::Guard(true)));
    let lost = status(|_, report| report.pf = PfState::Disabled);
    assert_eq!(row(&lost, "guard"), "[x] Keep Debug Ports Closed (without effect)…");
    assert_eq!(clicked(&lost, "guard"), Some(MenuAction::Guard(true)), "it is to take effect again");
    assert_eq!(clicked(&closed, "close-all"), None, "it is grey");
    assert_eq!(clicked(&opened, "close-all"), Some(MenuAction::CloseAll));
    let an_hour = OpenTerms { from: None, end: Some(EndChoice::For(3600)) };
    assert_eq!(clicked(&closed, "hour:2345"), Some(MenuAction::Open(dlv(), an_hour)));
}

#[test]
fn while_a_prompt_is_up_what_needs_no_root_works() {
    let used = status(|facts, report| {
        open(report, Source::Any);
        listening(facts, "dlv dap (7)", "every address", Bind::Every);
    });
    let rows = menu(&used, &waiting(MenuAction::CloseAll));
    for id in ["port:2345", "guard", "close-all", "check", "hour:2345", "remove"] {
        assert_eq!(action_of(&rows, id), None, "{id} while a prompt is up");
    }
    assert_eq!(action_of(&rows, "quit"), Some(&MenuAction::Quit));
    assert_eq!(action_of(&rows, "news"), Some(&MenuAction::Cancel));
    let settings = MenuAction::Copy { port: 2345, client: "GoLand".to_owned(), elsewhere: false };
    assert_eq!(action_of(&rows, "copy-here-1:2345"), Some(&settings));
    for id in ["about", "doctor", "for:2h", "header", "copy-elsewhere-0:2345"] {
        assert!(action_of(&rows, id).is_some(), "{id}");
    }
}

#[test]
fn what_was_copied_says_so_in_its_place() {
    let state = MenuState { copied: Some("doctor".to_owned()), ..MenuState::default() };
    let rows = menu(&status(|_, _| ()), &state);
    assert_eq!(found(&rows, "doctor").unwrap().text, "Copied");
    assert_ne!(found(&rows, "history").unwrap().text, "Copied");
}

/// The ids from top to bottom, those of menus within menus too.
fn ids(rows: &[MenuRow]) -> Vec<String> {
    rows.iter().flat_map(|row| [vec![row.id.clone()], ids(&row.rows)].concat()).collect()
}

#[test]
fn no_row_comes_goes_or_moves_while_things_change() {
    let mut states = vec![MenuState::default(), waiting(MenuAction::Check)];
    let failure = MenuFailure { action: None, because: "x".repeat(500) };
    states.push(MenuState { failure: Some(failure), ..MenuState::default() });
    let all: Vec<Status> = situations().into_iter().filter(|status| status.ports.len() == 3).collect();
    let mut layout = MenuLayout::of(&all[0]);
    all.iter().for_each(|status| layout.follow(status));
    let first = ids(&rows(&facts(&all[0]), &states[0], &layout));
    for status in &all {
        for state in &states {
            layout.follow(status);
            assert_eq!(ids(&rows(&facts(status), state, &layout)), first, "{}", status.sentence);
        }
    }
}

#[test]
fn a_port_that_comes_is_added_at_the_end_and_stays() {
    let before = status(|_, _| ());
    let other = NamedPort { name: "x".parse().unwrap(), range: range("4000") };
    let with = status(|_, report| report.open(&other, Source::Any));
    let mut layout = MenuLayout::of(&before);
    let old = ids(&rows(&facts(&before), &MenuState::default(), &layout));
    layout.follow(&with);
    let new = ids(&rows(&facts(&with), &MenuState::default(), &layout));
    let kept: Vec<&String> = new.iter().filter(|id| old.contains(id)).collect();
    assert_eq!(kept, old.iter().collect::<Vec<_>>());
    assert!(new.contains(&"port:4000".to_owned()));
    layout.follow(&before);
    let rows = rows(&facts(&before), &MenuState::default(), &layout);
    assert_eq!(ids(&rows), new);
    assert_eq!(drawn(&[found(&rows, "port:4000").unwrap().clone()]), "[ ] 4000  x — not known  (grey)");
    let unreadable = Status { listed: None, ports: Vec::new(), ..before };
    layout.follow(&unreadable);
    assert_eq!(ids(&super::rows(&facts(&unreadable), &MenuState::default(), &layout)), new);
    let fewer = sample::status(usual_ports()[..2].to_vec(), |_, _| ());
    layout.follow(&fewer);
    assert_eq!(layout, MenuLayout::of(&fewer), "another list in the preferences is another menu");
}

#[test]
fn a_menu_is_never_long_and_open_ports_are_never_left_out() {
    for count in [0, 5, 9, 25, 26, 200] {
        let numbered = |number: usize| {
            let name = format!("own-{number}").parse().unwrap();
            DebugPort { name, port: range(&(30_000 + number).to_string()), ..usual_ports().remove(0) }
        };
        let ports: Vec<DebugPort> = (1..=count).map(numbered).collect();
        let idle = sample::status(ports.clone(), |_, _| ());
        let last_open = sample::status(ports, |facts, report| {
            let clients = (0..30).map(|client| format!("client {client}")).collect();
            if let Some(seen) = facts.seen.iter_mut().flatten().next() {
                let long = PortFacts::listening(seen.port, &"x".repeat(100), "127.0.0.1", Bind::Loopback);
                *seen = PortFacts { clients, ..long };
            }
            if let Some(last) = report.managed.last().cloned() {
                report.open(&last, Source::Any);
            }
        });
        let mut layout = MenuLayout::of(&idle);
        layout.follow(&last_open);
        for layout in [layout, MenuLayout::of(&last_open)] {
            let rows = rows(&facts(&last_open), &MenuState::default(), &layout);
            let mut each = std::collections::BTreeSet::new();
            assert!(ids(&rows).into_iter().all(|id| each.insert(id)), "every id once");
            let mut menus = vec![&rows];
            while let Some(menu) = menus.pop() {
                let lines = menu.iter().filter(|row| row.kind == RowKind::Separator).count();
                assert!(menu.len() - lines <= MOST_ROWS, "{count}: {}", drawn(menu));
                menus.extend(menu.iter().map(|row| &row.rows).filter(|rows| !rows.is_empty()));
            }
            let last = format!("port:{}", 30_000 + count);
            assert_eq!(found(&rows, &last).is_some(), count > 0);
        }
    }
}

#[test]
fn no_row_speaks_the_language_of_packet_filters() {
    let foreign = ["pf", "guard", "unmanaged", "filtered", "anchor", "ledger", "ruleset", "helper", "root"];
    for status in situations() {
        for state in [MenuState::default(), waiting(MenuAction::Check)] {
            let mut menus = vec![menu(&status, &state)];
            while let Some(rows) = menus.pop() {
                for row in rows {
                    let mut words = row.text.split(|c: char| !c.is_alphanumeric());
                    assert!(
                        !words.any(|word| foreign.contains(&word.to_lowercase().as_str())),
                        "{}",
                        row.text
                    );
                    assert!(
                        !row.id.starts_with("port:") || row.text.chars().count() <= PORT_WIDTH,
                        "{}",
                        row.text
                    );
                    assert!(row.text.chars().count() <= 84, "{}", row.text);
                    menus.push(row.rows);
                }
            }
        }
    }
    // Every text that stands in the file of words, whether a situation above has it or not.
    let source = include_str!("words.rs");
    for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for text in line.split('"').skip(1).step_by(2) {
            let mut words = text.split(|c: char| !c.is_alphanumeric());
            assert!(!words.any(|word| foreign.contains(&word.to_lowercase().as_str())), "{text}");
        }
    }
}
