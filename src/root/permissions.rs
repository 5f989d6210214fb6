//! What a change would do beside its action, and whether the request allows it. Pure.

use super::plan::{Evaluation, Observed, Plan, PlanError, Step, plan};
use super::request::{Operation, Permission, Request};
use crate::report::{Note, PfState};
use crate::rules::ledger::{Guard, Ledger};
use crate::rules::order;

/// Who has a request carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedBy {
    /// launchd, which runs `tick` by itself: no prompt was shown, and it keeps what earlier ones allowed.
    Launchd,
    /// A user, at a prompt or at a terminal.
    User,
}

/// A way from one ledger to another.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'a> {
    pub old: &'a Ledger,
    pub new: &'a Ledger,
    /// Whether pf was enabled before it.
    pub pf: &'a PfState,
}

/// What the steps of a transition need and `request` does not allow, each once. Where there is anything, nothing may be
/// changed: the app asks again and says it in the prompt.
pub fn missing(request: &Request, asked_by: AskedBy, way: Transition, steps: &[Step]) -> Vec<Permission> {
    // Its tick, and what users ring for.
    let is_launchds = request.action == (Operation::Tick {}) || request.action.closes();
    if asked_by == AskedBy::Launchd && is_launchds {
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
    // The prompt for taking lines out names them; the one for turning that back may not.
    let is_named = matches!(request.action, Operation::CleanUp { .. });
    if !is_named && steps.iter().any(|step| matches!(step, Step::Lines { .. })) {
        needed.push(Permission::EditConf);
    }
    if way.turns_guard_on(steps) && !request.may_turn_guard_on() {
        needed.push(Permission::GuardOn);
    }
    needed.retain(|permission| !request.may.contains(permission));
    order::sort(&mut needed);
    needed.dedup();
    needed
}

/// The plan to `ledger` that does without what is missing, and says what that means.
pub fn plan_without(observed: &Observed, ledger: &Ledger, missing: &[Permission]) -> Result<Plan, PlanError> {
    let touches_conf = [Permission::EditConf, Permission::LoadConf];
    let evaluation = match missing.iter().any(|permission| touches_conf.contains(permission)) {
        true => Evaluation::AsItIs,
        false => Evaluation::IfPossible,
    };
    let mut plan = plan(observed, ledger, evaluation)?;
    if missing.contains(&Permission::GuardOn) && plan.steps.contains(&Step::Enable) {
        plan.steps.retain(|step| *step != Step::Enable);
        plan.notes.push(Note::PfStaysOff);
    }
    Ok(plan)
}

impl Transition<'_> {
    /// Whether the guard goes on, or pf, which was off although the guard was on: after a restart, or since another
    /// program stopped it. A hold on pf that others have enabled turns nothing on.
    fn turns_guard_on(self, steps: &[Step]) -> bool {
        let turns_pf_on = steps.contains(&Step::Enable) && *self.pf != PfState::Enabled;
        self.new.guard == Guard::On && (self.old.guard != Guard::On || turns_pf_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::Moment;

    fn asked(words: &str) -> Request {
        let seal = "--made 2026-11-25T17:00:00Z --boot B00T-1 --clock 8112 --asker ada";
        Request::parse(format!("{words} {seal}").split(' ')).unwrap()
    }

    #[test]
    fn only_launchd_itself_needs_no_prompt() {
        let guarded = Ledger { guard: Guard::On, ..Ledger::default() };
        let main = Step::Main { conf: Vec::new(), load: true };
        let steps = [main, Step::Enable];
        let of = |request: &Request, asked_by, pf: PfState| {
            missing(request, asked_by, Transition { old: &guarded, new: &guarded, pf: &pf }, &steps)
        };
        use Permission::{EditConf, GuardOn, LoadConf};
        let made = Moment { time: 1, boot: "B".into(), clock: 1 };
        let tick = Request::new(Operation::Tick {}, "root", made);
        assert_eq!(of(&tick, AskedBy::Launchd, PfState::Disabled), []);
        assert_eq!(of(&tick, AskedBy::User, PfState::Disabled), [EditConf, LoadConf, GuardOn]);
        assert_eq!(of(&tick, AskedBy::User, PfState::Enabled), [EditConf, LoadConf]);
        for words in ["close 2345", "close-all", "status", "tick"] {
            let unknown = PfState::Unknown(String::new());
            assert_eq!(of(&asked(words), AskedBy::User, unknown), [EditConf, LoadConf, GuardOn], "{words}");
        }
        let said = asked("tick --guard on --may edit-conf,load-conf");
        assert_eq!(of(&said, AskedBy::User, PfState::Disabled), []);
    }
}
