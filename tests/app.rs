//! What a click in the menu does, through the library as the tray calls it: prompt, helper and pf are the real programs.

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::Lab;
use ipnet::IpNet;
use portcullis::app::{App, AppError};
use portcullis::menu::{MenuAction, MenuState, action_of, rows};
use portcullis::os::holds::{HoldError, Release};
use portcullis::os::process::Program;
use portcullis::os::states::StatesError;
use portcullis::os::{Files, Interface, TrackedConnection};
use portcullis::system::{HelperLaunch, NetworkFacts, System, SystemError};

/// A lab whose helper lies where cargo puts the programs, one folder above this test.
#[derive(Debug)]
struct LabOfThisTest(portcullis::lab::Lab);

impl System for LabOfThisTest {
    fn job_program(&self, helper: &Path) -> std::io::Result<Vec<u8>> {
        self.0.job_program(helper)
    }

    fn files(&self) -> Files {
        self.0.files()
    }

    fn program(&self, path: &str) -> Program {
        self.0.program(path)
    }

    fn interfaces(&self) -> Result<Vec<Interface>, SystemError> {
        self.0.interfaces()
    }

    fn networks(&self) -> Result<Vec<IpNet>, SystemError> {
        self.0.networks()
    }

    fn network_facts(&self) -> Result<Vec<NetworkFacts>, SystemError> {
        self.0.network_facts()
    }

    fn connections(&self) -> Result<Vec<TrackedConnection>, StatesError> {
        self.0.connections()
    }

    fn drop_states(&self, connections: &[TrackedConnection]) -> Result<usize, StatesError> {
        self.0.drop_states(connections)
    }

    fn hold_pf(&self) -> Result<u64, HoldError> {
        self.0.hold_pf()
    }

    fn release_pf(&self, token: u64) -> Result<Release, HoldError> {
        self.0.release_pf(token)
    }

    fn preferences_file(&self) -> Result<PathBuf, SystemError> {
        self.0.preferences_file()
    }

    fn helper(&self) -> HelperLaunch {
        let launch = self.0.helper();
        let name = match launch.name {
            "helper-lab" => "../helper-lab",
            other => panic!("what is {other}?"),
        };
        HelperLaunch { name, ..launch }
    }

    fn lab(&self) -> Option<&Path> {
        self.0.lab()
    }
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
    let system = LabOfThisTest(portcullis::lab::Lab::open(lab.path()).unwrap());
    let app = App::new(Arc::new(system)).unwrap();
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
