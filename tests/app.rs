//! What a click in the menu does, through the library as the tray calls it: prompt, helper and pf are the real programs.

mod common;

use std::sync::Arc;

use common::Lab;
use common::variant::Variant;
use portcullis::app::{App, AppError};
use portcullis::debuggers::scan;
use portcullis::menu::{MenuAction, MenuLayout, MenuRow, MenuState, action_of, rows};
use portcullis::system::{HelperLaunch, JOB};

/// A lab whose helper lies where cargo puts the programs, one folder above this test.
fn lab_of_this_test(lab: &Lab) -> Variant {
    let variant = Variant::from(lab.system());
    assert_eq!(variant.helper.name, "helper-lab");
    let helper = HelperLaunch { name: "../helper-lab", ..variant.helper };
    Variant { helper, ..variant }
}

/// The menu now.
fn menu(app: &App) -> Vec<MenuRow> {
    let preferences = app.preferences();
    let observed = app.observe(&preferences, &[], scan::look_well, &mut app.app_firewall()).unwrap();
    let facts = app.menu_facts(&observed, &preferences);
    rows(&facts, &MenuState::default(), &MenuLayout::of(&facts.status))
}

/// What a click on the row `id` does, and whether there is such a row.
fn click(app: &App, id: &str) -> Option<Result<(), AppError>> {
    Some(app.carry_out(action_of(&menu(app), id)?).map(drop))
}

#[test]
fn a_click_closes_whatever_the_preferences_say() {
    let lab = Lab::new();
    // The first program to come makes the lab.
    lab.portcullis(&["status"]).expect(0);
    let app = App::new(Arc::new(lab_of_this_test(&lab))).unwrap();
    app.set_preference("from", "any").unwrap();
    click(&app, "guard").unwrap().unwrap();
    for id in ["port:2345", "port:9229", "port:5678"] {
        click(&app, id).unwrap().unwrap();
    }
    let open = || app.status(&app.preferences()).unwrap().open;
    assert_eq!(open(), 3);

    std::fs::write(app.preferences_file(), "show = 5").unwrap();
    assert_eq!(menu(&app)[1].text, "The preferences do not read: line 1, column 8");
    click(&app, "port:2345").unwrap().unwrap();
    assert_eq!(open(), 2);
    // A click that opens says what is wrong.
    let refused = click(&app, "port:2345").unwrap().unwrap_err();
    assert!(matches!(refused, AppError::Preferences { .. }), "{refused}");
    assert!(refused.to_string().starts_with("the preferences do not read: line 1, column 8, key show"));
    click(&app, "close-all").unwrap().unwrap();
    assert_eq!(open(), 0);
    click(&app, "check").unwrap().unwrap();
    click(&app, "guard").unwrap().unwrap();
    assert_eq!(lab.rules(), "");
    let refused = app.carry_out(&MenuAction::Guard(true)).unwrap_err();
    assert!(matches!(refused, AppError::Preferences { .. }), "{refused}");
}

#[test]
fn the_details_of_a_port_open_it_otherwise_and_undo_turns_that_back() {
    use portcullis::rules::source::Source;
    let lab = Lab::new();
    lab.portcullis(&["guard", "on"]).expect(0);
    let app = App::new(Arc::new(lab_of_this_test(&lab))).unwrap();
    let opening = || app.ledger().unwrap().openings.first().cloned();
    let click = |id: &str| click(&app, id).unwrap().unwrap();
    click("anyone:2345");
    assert_eq!(opening().unwrap().from, Source::Any);
    assert_eq!(menu(&app)[1].text.split(" at ").next(), Some("Opened 2345"));
    click("hour:2345");
    let an_hour = opening().unwrap();
    assert_eq!(an_hour.from, Source::Any, "it stays open for those that it was");
    assert!(an_hour.until.unwrap() - portcullis::os::now() <= 3600);
    click("undo");
    assert!(opening().unwrap().until != an_hour.until);
    click("close-all");
    assert_eq!(opening(), None);
    app.set_preference("from", "10.0.0.5").unwrap();
    click("port:2345");
    let also = MenuAction::Open(
        "2345".parse().map(portcullis::rules::named_port::NamedPort::unnamed).unwrap(),
        portcullis::menu::OpenTerms {
            from: Some(portcullis::menu::OpenFor::Also("10.0.0.7".parse().unwrap())),
            end: None,
        },
    );
    app.carry_out(&also).unwrap();
    assert_eq!(opening().unwrap().from.to_string(), "10.0.0.5,10.0.0.7");
    click("for:2h");
    assert!(app.preferences().unwrap().lasts == "2h");
    click("day:20:00");
    assert_eq!(app.end_of_day().to_string(), "20:00");
}

#[test]
fn that_the_job_was_installed_is_known_at_once() {
    let lab = Lab::new();
    lab.portcullis(&["open", "2345", "--for", "1h"]).expect(0);
    let app = App::new(Arc::new(lab.system())).unwrap();
    let doubts = || {
        let status = app.status(&app.preferences()).unwrap();
        status.notes.iter().any(|note| note.starts_with("nothing closes by itself"))
    };
    let (record, away) = (lab.file(JOB), lab.file("/away"));
    assert!(!doubts());
    std::fs::rename(&record, &away).unwrap();
    assert!(doubts());
    std::fs::rename(&away, &record).unwrap();
    assert!(!doubts(), "what was true before the installation is not said after it");
}
