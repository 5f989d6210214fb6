//! The request that an action becomes: with all that it will need, so that one prompt can say it.

use crate::os;
use crate::prefs::Preferences;
use crate::root::request::{GuardAnswer, Operation, Permission, Request};
use crate::rules::ledger::{Attachment, Guard, Ledger};
use crate::rules::named_port::NamedPort;
use crate::system::Moment;

/// The request for `action`. Without preferences nothing is added to what is ours to close, and the way is the one in
/// use. `ledger` is as the user can read it; where it has changed since, root names what is missing. `answer` is to the guard
/// question.
pub(super) fn composed(
    action: &Operation,
    made: Moment,
    ledger: Option<&Ledger>,
    preferences: Option<&Preferences>,
    pf_is_enabled: bool,
    answer: Option<GuardAnswer>,
) -> Request {
    let none = Ledger::default();
    let ledger = ledger.unwrap_or(&none);
    let preferred = preferences.map(Preferences::managed).unwrap_or_default();
    let (opens, guards) =
        (matches!(action, Operation::Open { .. }), *action == (Operation::Guard { on: true }));
    let changes = !matches!(
        action,
        Operation::Status {}
            | Operation::Tick {}
            | Operation::Log { .. }
            | Operation::StopLog {}
            | Operation::Undo { .. }
            | Operation::Install {}
            | Operation::InstallCommand {}
            | Operation::EndOfDay { .. }
            | Operation::CleanUp { .. }
            | Operation::Uninstall { .. }
    );
    let mut request = Request::new(action.clone(), &os::user_name(), made);
    request.guard = match answer {
        _ if !opens => None,
        Some(GuardAnswer::On) => Some(GuardAnswer::On).filter(|_| ledger.guard != Guard::On),
        Some(GuardAnswer::Off) => Some(GuardAnswer::Off).filter(|_| ledger.guard == Guard::Unset),
        // pf is on already: blocking what is closed costs nothing more, and makes "closed" true.
        None => Some(GuardAnswer::On).filter(|_| ledger.guard == Guard::Unset && pf_is_enabled),
    };
    request.shown = preferred.clone();
    if ledger.guard != Guard::On && (guards || request.guard == Some(GuardAnswer::On)) {
        let mut all = Ledger { managed: ledger.managed.clone(), ..Ledger::default() };
        preferred.iter().for_each(|port| all.manage(port));
        request.managed = all.managed;
    } else if ledger.guard == Guard::On && changes {
        request.managed = fresh(ledger, &preferred);
    }
    if opens || guards {
        request.way = preferences.and_then(|preferences| preferences.way);
    }
    if edits_conf(&request, ledger) {
        request.allow(Permission::EditConf);
        request.allow(Permission::LoadConf);
    }
    request
}

/// What of `preferred` is not ours to close yet.
fn fresh(ledger: &Ledger, preferred: &[NamedPort]) -> Vec<NamedPort> {
    let mut fresh = Vec::new();
    for port in preferred {
        let mut left = vec![port.range];
        for managed in &ledger.managed {
            left = left.into_iter().flat_map(|range| range.without(managed.range)).collect();
        }
        fresh.extend(left.into_iter().map(|range| port.part(range)));
    }
    fresh
}

/// Whether our block goes into /etc/pf.conf or out of it. What a change that is turned back does to it is known apart.
fn edits_conf(request: &Request, ledger: &Ledger) -> bool {
    let is_classic = ledger.way == Some(Attachment::Classic);
    match (&request.action, request.way) {
        (Operation::Open { .. } | Operation::Guard { on: true }, Some(way)) => {
            is_classic != (way == Attachment::Classic)
        }
        // With the last rule the block goes.
        (Operation::Close { ports }, _) if is_classic => {
            let mut after = ledger.clone();
            ports.iter().for_each(|port| after.close(port));
            !after.needs_rules()
        }
        // Whether it does is root's to see.
        (Operation::Uninstall { .. }, _) => is_classic,
        (Operation::CloseAll {}, _) => is_classic && ledger.guard != Guard::On,
        (Operation::Guard { on: false }, _) => is_classic && ledger.openings.is_empty(),
        _ => false,
    }
}
