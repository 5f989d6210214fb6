//! What a change would do beside its action, and whether the request allows it. Pure.

use super::plan::Step;
use super::request::{Operation, Permission, Request};
use crate::rules::ledger::{Guard, Ledger};

/// What the steps from `old` to `new` need and `request` does not allow, each once. Where there is anything, nothing may be
/// changed: the app asks again and says it in the prompt.
///
/// A tick is asked by no user: it keeps what earlier requests were allowed to make.
pub fn missing(request: &Request, old: &Ledger, new: &Ledger, steps: &[Step]) -> Vec<Permission> {
    if request.action == (Operation::Tick {}) {
        return Vec::new();
    }
    let mut needed = Vec::new();
    if steps.contains(&Step::LoadConf) {
        needed.push(Permission::LoadConf);
    }
    for step in steps {
        if let Step::Main { load, .. } = step {
            needed.push(Permission::EditConf);
            needed.extend(load.then_some(Permission::LoadConf));
        }
    }
    if old.guard != Guard::On && new.guard == Guard::On && !request.may_turn_guard_on() {
        needed.push(Permission::GuardOn);
    }
    needed.retain(|permission| !request.may.contains(permission));
    needed.sort_unstable();
    needed.dedup();
    needed
}
