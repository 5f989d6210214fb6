//! What a command gives that changed something, or would have.

use super::output::{ChangeJson, CommandOutput, pretty};
use portcullis::root::answer::Response;
use portcullis::status::Status;

/// The helper's answer, and the status after it.
pub struct ChangeOutput {
    pub response: Response,
    /// `None` where nothing of the status can be different.
    pub status: Option<Status>,
}

impl CommandOutput for ChangeOutput {
    fn text(&self) -> String {
        format!("{}\n", self.response.message)
    }

    fn json(&self) -> String {
        let Response { ok, outcome, message, .. } = &self.response;
        let status = self.status.as_ref();
        pretty(&ChangeJson { version: 1, ok: *ok, outcome: *outcome, message, status })
    }
}
