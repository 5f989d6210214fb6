//! `portcullis status`

use serde::Serialize;

use super::context::Context;
use super::output::{CommandOutput, Run, pretty};
use portcullis::diagnosis::{Answer, Reachability};
use portcullis::root::answer::Outcome;
use portcullis::rules::anchor::sessions_outlive_closing;
use portcullis::status::{GuardEffect, Icon, PortState, PortStatus, Status};

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
        } else if status.icon == Icon::Unknown || status.firewall.not_seen.is_some() {
            text += "    Look now: portcullis status --check\n";
        }
        let guard = guard(status);
        // The sentence has it where it is all that is known.
        if !status.sentence.ends_with(&status.firewall.because) && status.icon != Icon::Off {
            text += &format!("    {}\n", status.firewall.because);
        }
        text += &format!("    guard {guard}\n");
        text.extend(status.ports.iter().map(|port| port_lines(port, status.firewall.not_seen.as_deref())));
        text.extend(status.notes.iter().map(|note| format!("  ! {note}\n")));
        text
    }
}

/// What the guard comes to, after `guard`.
fn guard(status: &Status) -> &'static str {
    match status.firewall.guard_effect {
        GuardEffect::Unseen => "not known",
        GuardEffect::Off => "off: a closed port is left to this Mac's own policy (`portcullis guard on`)",
        GuardEffect::PfOff => "on, yet pf was switched off since: `portcullis guard on` has it enabled again",
        GuardEffect::Uncalled => "on, and without effect: pf does not call our rules",
        GuardEffect::Gone => "on, and without effect: our rules are gone (`portcullis guard on`)",
        GuardEffect::Overruled => "on, and without effect: rules of others decide before ours",
        GuardEffect::Doubtful => "on; whether it blocks is not known",
        GuardEffect::Holds if status.ports.iter().any(|port| port.state == PortState::LetIn) => {
            "on, yet pf lets other machines in to ports that our rules close"
        }
        GuardEffect::Holds => "on: closed ports are blocked from other machines",
    }
}

fn port_lines(port: &PortStatus, not_seen: Option<&str>) -> String {
    let state = match port.state {
        PortState::Open if port.is_paused() && port.is_in_part() => "paused in part",
        PortState::Open if port.is_paused() => "paused",
        PortState::Open if port.is_open_although_paused() && port.is_in_part() => {
            "open in part although it pauses"
        }
        PortState::Open if port.is_open_although_paused() => "open although it pauses",
        PortState::Open if port.is_in_part() => "open in part",
        PortState::Open => "open",
        PortState::LetIn => "closed in our rules, yet let in",
        PortState::Closed => "closed",
        PortState::Unmanaged => "not protected",
        PortState::Unknown => "unknown",
        PortState::MayBeOpen => "may be open",
    };
    let why = match port.state {
        PortState::MayBeOpen => ": a change was interrupted",
        PortState::Open if port.is_paused() => "",
        PortState::Open if port.outside() == Answer::No => ", yet another rule blocks it",
        PortState::Open if port.keeps_its_own_out() && port.lets_others_in() => {
            ", yet another rule blocks those, and others are not kept out"
        }
        PortState::Open if port.keeps_its_own_out() => ", yet another rule blocks some of those",
        PortState::Open if port.lets_others_in() => ", others not kept out",
        PortState::Unmanaged if port.outside() == Answer::No => ", another rule blocks it",
        PortState::Closed if port.in_use && sessions_outlive_closing(port.port.last()) => {
            ": sessions go on until they end"
        }
        _ => "",
    };
    let from = port.for_whom(3).map_or(String::new(), |whom| format!(" for {whom}"));
    let until = port.end.as_ref().map_or(String::new(), |end| format!(" {}", end.words));
    let found = match (port.situation, &port.listener) {
        (Reachability::NoListener, _) => ", nothing listens".to_owned(),
        (_, listener) => listener.as_ref().map_or(String::new(), |listener| format!(", {listener}")),
    };
    let range = port.port.to_string();
    let name = if port.named_port().has_name() { port.name.as_str() } else { "" };
    let not_seen = match port.state {
        PortState::Open => not_seen.or(port.doubt()).map_or_else(String::new, |doubt| format!(", {doubt}")),
        _ => String::new(),
    };
    let mut text = format!("  {range:<11} {name:<10} {state}{from}{until}{why}{not_seen}{found}\n");
    text.extend(port.network.iter().map(|network| format!("              {}\n", network.words)));
    // An idle port is of interest only where it lets others in.
    let is_of_interest = matches!(port.state, PortState::Open | PortState::LetIn | PortState::MayBeOpen);
    if port.situation != Reachability::NoListener || is_of_interest {
        text += &format!("              {}\n", port.because);
        if port.situation != Reachability::Reachable || port.needs_mending() {
            text += &format!("              next: {}\n", port.next);
        }
    }
    text.extend(port.blocked.iter().map(|blocked| format!("              {blocked}\n")));
    text
}
