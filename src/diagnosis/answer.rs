//! Yes, no, or unknown.

use serde::{Deserialize, Serialize};

use crate::pf::verdict::Decision;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    Yes,
    No,
    Unknown,
}

/// What pf's decision means for a client.
impl From<Decision> for Answer {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Pass => Answer::Yes,
            Decision::Block => Answer::No,
            Decision::Unknown => Answer::Unknown,
        }
    }
}

impl Answer {
    /// No, where one is no; else unknown, where one is; else yes.
    pub fn all(answers: impl IntoIterator<Item = Answer>) -> Answer {
        answers.into_iter().fold(Answer::Yes, |sum, answer| match (sum, answer) {
            (Answer::No, _) | (_, Answer::No) => Answer::No,
            (Answer::Unknown, _) | (_, Answer::Unknown) => Answer::Unknown,
            (Answer::Yes, Answer::Yes) => Answer::Yes,
        })
    }

    /// Yes, where one is yes; else unknown, where one is; else no.
    pub fn any(answers: impl IntoIterator<Item = Answer>) -> Answer {
        answers.into_iter().fold(Answer::No, |sum, answer| match (sum, answer) {
            (Answer::Yes, _) | (_, Answer::Yes) => Answer::Yes,
            (Answer::Unknown, _) | (_, Answer::Unknown) => Answer::Unknown,
            (Answer::No, Answer::No) => Answer::No,
        })
    }
}
