//! A lab in which files must be root's, as on a Mac.

use std::os::unix::fs::chown;
use std::process::Command;

use portcullis::os::Files;
use portcullis::root::answer::Response;
use portcullis::root::apply::apply;
use portcullis::root::permissions::AskedBy;
use portcullis::root::request::Operation;

use crate::common::variant::Variant;
use crate::common::{Lab, request};

/// A lab whose files are judged as those of the system are.
pub struct StrictLab {
    pub lab: Lab,
}

impl StrictLab {
    /// `None` where this process is not root's.
    pub fn new() -> Option<Self> {
        let lab = Lab::new();
        chown(lab.path(), Some(0), Some(0)).ok()?;
        lab.portcullis(&["status"]).expect(0);
        Some(StrictLab { lab })
    }

    pub fn copy(&self) -> Self {
        let copy = Lab::new();
        let copied =
            Command::new("cp").arg("-a").arg(self.lab.path().join(".")).arg(copy.path()).status().unwrap();
        assert!(copied.success());
        StrictLab { lab: copy }
    }

    /// With the guard on and a port open for anybody.
    pub fn opened(&self) {
        self.lab.portcullis(&["guard", "on"]).expect(0);
        self.lab.portcullis(&["open", "2345,9229", "--from", "any"]).expect(0);
    }

    pub fn apply(&self, operation: Operation) -> Response {
        let files = Files::of_root(self.lab.path());
        let system = Variant { files, ..self.lab.system().into() };
        apply(&system, &request(operation), AskedBy::User)
    }
}
