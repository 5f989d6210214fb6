//! What stands between a client and a debugger: facts about one port in, one state out, with a sentence, the next
//! step, and the causes behind it. Pure.
//!
//! ```
//! use portcullis::diagnosis::{Answer, AppFirewallEffect, Bind, Presence, Queue, Reachability, Session, Situation};
//! use portcullis::pf::origin::{Both, PerOrigin};
//! let situation = Situation {
//!     presence: Presence::Listens,
//!     bind: Both { v4: Bind::Loopback, v6: Bind::None },
//!     session: Session::None,
//!     queue: Queue::Empty,
//!     pf: PerOrigin::same(Both::same(Answer::Yes)),
//!     app_firewall: AppFirewallEffect::Off,
//! };
//! assert_eq!(situation.state(), Reachability::LoopbackOnly);
//! ```
//!
//! The state is that of the first obstacle that is certain; without one, an obstacle that is only possible makes it
//! unknown; without any, the port is reachable. So nothing unknown ever ends as reachable. The words are apart from
//! this, in [`wording`].

mod answer;
mod situation;
pub mod wording;

pub use answer::Answer;
pub use situation::{AppFirewallEffect, Bind, Cause, Presence, Queue, Reachability, Session, Situation};

use serde::Serialize;

use crate::pf::origin::{Both, PerOrigin};
use wording::Wording;

/// One port as it was seen: a [`Situation`] but for pf, and what the sentences speak of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortFacts {
    pub port: u16,
    pub presence: Presence,
    pub bind: Both<Bind>,
    pub session: Session,
    pub queue: Queue,
    /// Whether the Application Firewall said that it blocks the program.
    pub is_blocked: bool,
    /// For which clients there are settings to connect with, such as `VS Code`.
    pub clients: Vec<String>,
    pub subject: Wording,
}

/// What is said of a port: the state, who gets an answer, and the words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Assessment {
    pub state: Reachability,
    /// Who gets an answer from the debugger.
    pub reach: PerOrigin<Answer>,
    /// The state as one sentence.
    pub sentence: String,
    pub next_step: String,
    /// What stands in the way, the surest first, each as a clause.
    pub causes: Vec<String>,
}

impl Assessment {
    /// The situation in the words of [`wording`].
    pub fn of(situation: &Situation, subject: &Wording) -> Self {
        let state = situation.state();
        let causes = situation.causes();
        Assessment {
            state,
            reach: situation.reach(),
            sentence: wording::brief_sentence(situation, subject),
            next_step: wording::next_step(situation, subject),
            causes: causes.into_iter().map(|cause| wording::cause(cause, situation, subject)).collect(),
        }
    }
}

impl PortFacts {
    /// A port, or a range of which this is the first, on which no socket was seen: because none is there (`Absent`), or
    /// because that is `Unknown`. `text` is how it is written.
    pub fn without_socket(port: u16, text: String, presence: Presence) -> Self {
        PortFacts {
            port,
            presence,
            bind: Both::same(Bind::None),
            session: Session::None,
            queue: Queue::Empty,
            is_blocked: false,
            clients: Vec::new(),
            subject: Wording { port: text, ..Wording::default() },
        }
    }

    /// `program` listens on `port`, for tests.
    #[cfg(test)]
    pub fn listening(port: u16, program: &str, address: &str, v4: Bind) -> Self {
        let mut seen = PortFacts::without_socket(port, port.to_string(), Presence::Listens);
        seen.bind.v4 = v4;
        seen.subject.program = Some(program.to_owned());
        seen.subject.addresses = vec![address.to_owned()];
        seen
    }

    /// The situation, with what pf and the Application Firewall do.
    pub fn situation(&self, pf: PerOrigin<Both<Answer>>, app_firewall: AppFirewallEffect) -> Situation {
        let PortFacts { presence, bind, session, queue, .. } = *self;
        Situation { presence, bind, session, queue, pf, app_firewall }
    }

    /// Whether a debugger is there: it listens, serves, or has lost its listener.
    pub fn is_in_use(&self) -> bool {
        matches!(self.presence, Presence::Listens | Presence::Forwards | Presence::Orphan)
            || matches!(self.session, Session::Open { .. })
    }

    /// Whether other machines can address it.
    pub fn is_outside(&self) -> bool {
        self.bind.v4.is_outside() || self.bind.v6.is_outside()
    }
}
