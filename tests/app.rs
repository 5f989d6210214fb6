//! What a click in the menu does, through the library as the tray calls it: prompt, helper and pf are the real programs.

mod common;

use std::sync::Arc;

use common::Lab;
use common::variant::Variant;
use portcullis::app::{App, AppError};
use portcullis::menu::{MenuAction, MenuState, action_of, rows};
use portcullis::system::{HelperLaunch, JOB};

/// A lab whose helper lies where cargo puts the programs, one folder above this test.
fn lab_of_this_test(lab: &Lab) -> Variant {
    let variant = Variant::from(lab.system());
    assert_eq!(variant.helper.name, "helper-lab");
    let helper = HelperLaunch { name: "../helper-lab", ..variant.helper };
    Variant { helper, ..variant }
}

/// What a click on the row `id` does, and whether there is such a row.
fn click(app: &App, id: &str) -> Option<Result<(), AppError>> {
    let status = app.status(&app.preferences()).unwrap();
    let rows = rows(&status, &MenuState::default());
    Some(app.carry_out(action_of(&rows, id)?))
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
    let status = app.status(&app.preferences()).unwrap();
    let row =
        rows(&status, &MenuState::default()).into_iter().find(|row| row.text.contains("line 1, column 8"));
    assert!(row.is_some(), "the menu says where the mistake is, in its first row on it");
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
