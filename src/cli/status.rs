//! `portcullis status`

use serde::Serialize;

use super::context::Context;
use super::output::{CommandOutput, Run, pretty};
use portcullis::diagnosis::{Answer, Reachability};
use portcullis::root::answer::Outcome;
use portcullis::rules::anchor::sessions_outlive_closing;
use portcullis::rules::ledger::Guard;
use portcullis::status::{FirewallState, Icon, PortState, PortStatus, Status};

#[derive(Debug, clap::Args)]
pub struct StatusCommand {
    /// Have root look at pf first (asks for permission)
    #[arg(long)]
    check: bool,
}

impl StatusCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        let preferences = app.preferences();
        let answer = if self.check { Some(app.check(preferences.as_ref().ok())?) } else { None };
        // That nothing was changed needs no word.
        let changed = answer.filter(|answer| answer.outcome != Outcome::Unchanged);
        let changed = changed.map(|answer| answer.message);
        Ok(Box::new(StatusOutput { changed, status: app.status(&preferences)? }))
    }
}

#[derive(Serialize)]
pub struct StatusOutput {
    /// What root did beside looking: it undid a change that was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
    #[serde(flatten)]
    pub status: Status,
}

impl CommandOutput for StatusOutput {
    fn json(&self) -> String {
        pretty(self)
    }

    fn text(&self) -> String {
        let status = &self.status;
        let mark = match status.icon {
            Icon::Closed => "[#]",
            Icon::Open => "[ ]",
            Icon::Off => "[/]",
            Icon::Unknown => "[?]",
        };
        let lab = status.lab.as_ref().map_or(String::new(), |dir| format!("   (lab: {dir})"));
        let mut text = self.changed.as_ref().map_or(String::new(), |changed| format!("{changed}\n"));
        text += &format!("{mark} {}{lab}\n", status.sentence);
        if status.interrupted {
            text += "    Undo it: portcullis repair\n";
        } else if status.icon == Icon::Unknown {
            text += "    Look now: portcullis status --check\n";
        }
        let guard = match status.firewall.guard {
            Some(Guard::On) if status.firewall.state == FirewallState::Disabled => {
                "on, yet pf was switched off since: `portcullis guard on` has it enabled again"
            }
            Some(Guard::On) if status.ports.iter().any(|port| port.state == PortState::LetIn) => {
                "on, yet pf lets other machines in to ports that our rules close"
            }
            Some(Guard::On) => "on: closed ports are blocked from other machines",
            Some(Guard::Off | Guard::Unset) => {
                "off: a closed port is left to this Mac's own policy (`portcullis guard on`)"
            }
            None => "not known",
        };
        // The sentence has it where it is all that is known.
        if !status.sentence.ends_with(&status.firewall.because) && status.icon != Icon::Off {
            text += &format!("    {}\n", status.firewall.because);
        }
        text += &format!("    guard {guard}\n");
        text.extend(status.ports.iter().map(port_lines));
        text.extend(status.notes.iter().map(|note| format!("  ! {note}\n")));
        text
    }
}

fn is_paused(port: &PortStatus) -> bool {
    port.network.as_ref().is_some_and(|network| network.paused)
}

fn port_lines(port: &PortStatus) -> String {
    let state = match port.state {
        PortState::Open => "open",
        PortState::LetIn => "closed in our rules, yet let in",
        PortState::Closed => "closed",
        PortState::Unmanaged => "unmanaged",
        PortState::Unknown => "unknown",
        PortState::MayBeOpen => "may be open",
    };
    let why = match port.state {
        PortState::MayBeOpen => ": a change was interrupted",
        PortState::Open if is_paused(port) => ", paused",
        PortState::Open if port.outside() == Answer::No => ", yet another rule blocks it",
        PortState::Closed if port.in_use && sessions_outlive_closing(port.port.last()) => {
            ": sessions go on until they end"
        }
        _ => "",
    };
    let from = port.from.as_ref().map_or(String::new(), |from| format!(" for {}", from.in_words(3)));
    let until = port.end.as_ref().map_or(String::new(), |end| format!(" {}", end.words));
    let found = match (port.situation, &port.listener) {
        (Reachability::NoListener, _) => ", nothing listens".to_owned(),
        (_, listener) => listener.as_ref().map_or(String::new(), |listener| format!(", {listener}")),
    };
    let range = port.port.to_string();
    let name = if port.named_port().has_name() { port.name.as_str() } else { "" };
    let mut text = format!("  {range:<11} {name:<10} {state}{from}{until}{why}{found}\n");
    text.extend(port.network.iter().map(|network| format!("              {}\n", network.words)));
    // An idle port is of interest only where it lets others in.
    let is_of_interest = matches!(port.state, PortState::Open | PortState::LetIn | PortState::MayBeOpen);
    if port.situation != Reachability::NoListener || is_of_interest {
        text += &format!("              {}\n", port.because);
        if port.situation != Reachability::Reachable {
            text += &format!("              next: {}\n", port.next);
        }
    }
    text.extend(port.blocked.iter().map(|blocked| format!("              {blocked}\n")));
    text
}
