//! What a command gives that changed something, or would have.

use super::output::{ChangeJson, CommandOutput, Run, pretty};
use portcullis::app::{App, ReadPreferences, preferences_note};
use portcullis::root::answer::Response;
use portcullis::status::Status;

/// The helper's answer.
pub struct ChangeOutput {
    response: Response,
    /// After the change; `None` where nothing of it can be different.
    status: Option<Status>,
    /// In JSON the status has it.
    note: Option<String>,
}

impl ChangeOutput {
    pub fn without_status(response: Response) -> Run {
        Ok(Box::new(ChangeOutput { response, status: None, note: None }))
    }

    pub fn with_status(app: &App, response: Response, preferences: &ReadPreferences) -> Run {
        let (status, note) = (app.status(preferences)?, preferences.as_ref().err().map(preferences_note));
        Ok(Box::new(ChangeOutput { response, status: Some(status), note }))
    }
}

impl CommandOutput for ChangeOutput {
    fn text(&self) -> String {
        let note = self.note.as_ref().map_or(String::new(), |note| format!("note: {note}\n"));
        let ports = self.status.iter().flat_map(|status| &status.ports);
        let exposed = ports.filter(|port| port.is_exposed_unasked());
        let exposed: String =
            exposed.map(|port| format!("note: {}; {}\n", port.because, port.next)).collect();
        format!("{}\n{note}{exposed}", self.response.message)
    }

    fn json(&self) -> String {
        let Response { ok, outcome, message, .. } = &self.response;
        let status = self.status.as_ref();
        pretty(&ChangeJson { version: 1, ok: *ok, outcome: *outcome, message, status })
    }
}
