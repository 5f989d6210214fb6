//! What an opening asks for, and what its answer may promise.

use super::source_choice::OpeningTerms;
use super::{App, AppError};
use crate::root::answer::Response;
use crate::root::request::Operation;
use crate::rules::end_choice::{EndChoice, EndChoiceError};
use crate::rules::named_port::NamedPort;

impl App {
    /// The operation that opens, with the end as it is now. Errors: it is past, or shorter than a Mac holds to.
    pub fn opening(&self, ports: &[NamedPort], terms: OpeningTerms) -> Result<Operation, AppError> {
        let OpeningTerms { from, end, stay } = terms;
        if let EndChoice::For(seconds @ ..EndChoice::LEAST) = end
            && self.system.lab().is_none()
        {
            return Err(EndChoiceError::Short(seconds).into());
        }
        let (until, ends) = end.end(self.system.now(), self.end_of_day(), &self.system.zone())?;
        Ok(Operation::Open { ports: ports.to_vec(), from, until, ends, stay })
    }

    /// The answer to an opening, with why nothing closes by itself where that is so and was not said.
    pub(super) fn without_promise(&self, ports: &[NamedPort], response: Response) -> Response {
        const DOUBT: &str = "nothing closes by itself";
        let openings = self.ledger().unwrap_or_default().openings;
        let opened: Vec<_> = openings
            .into_iter()
            .filter(|opening| ports.iter().any(|port| port.range == opening.port))
            .collect();
        match self.job.doubt(self.system(), &opened) {
            Some(doubt) if response.ok && !response.message.contains(DOUBT) => {
                Response { message: format!("{}; but {doubt}", response.message), ..response }
            }
            _ => response,
        }
    }
}
