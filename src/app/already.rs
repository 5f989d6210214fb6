//! Whether what is asked is so already, by the ledger and a fresh look of root's: then no prompt is shown. Pure.

use crate::diagnosis::Answer;
use crate::port::PortRange;
use crate::report::{Note, PfState, PfVerdict, Report};
use crate::root::request::{GuardAnswer, Operation, Request};
use crate::rules::ledger::{Guard, Ledger, Opening, Seconds};
use crate::system::Moment;

/// A look that is older says too little of now, in seconds: other programs change pf too. The job looks anew when ten
/// minutes have gone by, with the next tick; what is opened at each start of a debugger asks nothing in between.
const FRESH: Seconds = 11 * 60;

/// Whether the request would change nothing. What is unknown, interrupted, or not as the ledger says is never so: then
/// root is asked, who looks. `report` is of `ledger`.
pub(super) fn is_so(request: &Request, ledger: &Ledger, report: &Report, now: &Moment) -> bool {
    let age = now.time.saturating_sub(report.seen);
    let is_fresh = report.boot == now.boot && (0..=FRESH).contains(&age);
    // Rules of others may be told apart from ours; every other note is of something that is not as it was to be.
    let is_as_it_was_put = report.notes.iter().all(|note| matches!(note, Note::ForeignRule { .. }));
    let is_whole = ledger.changing.is_none() && !ledger.openings.iter().any(|opening| opening.is_over(now));
    let is_held = ledger.token.as_ref().is_some_and(|token| token.boot == now.boot);
    let is_guarded = ledger.guard != Guard::On || (is_held && report.pf == PfState::Enabled);
    is_fresh
        && is_as_it_was_put
        && is_whole
        && is_guarded
        && asks_for_nothing_else(request, ledger)
        && after(request, ledger).is_some_and(|after| after == *ledger)
        && is_seen(&request.action, ledger, report)
}

fn asks_for_nothing_else(request: &Request, ledger: &Ledger) -> bool {
    let moves = request.way.is_some() && ledger.needs_rules() && request.way != ledger.way;
    let guard_is_so = match request.guard {
        None => true,
        Some(GuardAnswer::On) => ledger.guard == Guard::On,
        Some(GuardAnswer::Off) => ledger.guard == Guard::Off,
    };
    !moves && guard_is_so && request.close.is_empty() && request.may.is_empty()
}

/// The ledger after the request, where its kind can be so already.
fn after(request: &Request, ledger: &Ledger) -> Option<Ledger> {
    let mut after = ledger.clone();
    if after.guard != Guard::On {
        request.shown.iter().for_each(|port| after.manage(port));
    }
    request.managed.iter().for_each(|port| after.manage(port));
    match &request.action {
        Operation::Open { ports, from, until, ends, stay } => {
            let ends = |opening: &Opening| opening.until == *until && opening.kind() == *ends;
            // On another network, or on none that is known, root is asked.
            let is_here = |opening: &Opening| opening.stay == *stay && !opening.is_paused() && !opening.away;
            let is_open = |opening: &Opening| opening.from == *from && ends(opening) && is_here(opening);
            let mut open = ledger.openings.iter().filter(|opening| is_open(opening));
            let ranges: Vec<PortRange> = open.by_ref().map(|opening| opening.port).collect();
            if !ports.iter().all(|port| ranges.contains(&port.range)) {
                return None;
            }
        }
        Operation::Close { ports } => ports.iter().for_each(|port| after.close(port)),
        Operation::CloseAll {} => after.close_all(),
        Operation::Guard { on: true } => after.guard = Guard::On,
        Operation::Guard { on: false } => after.guard = Guard::Off,
        _ => return None,
    }
    if after.guard == Guard::Off {
        after.managed.clear();
    }
    Some(after)
}

/// Whether root saw pf do what is asked.
fn is_seen(action: &Operation, ledger: &Ledger, report: &Report) -> bool {
    let verdict = |range: PortRange| report.verdicts.iter().find(move |verdict| verdict.port == range);
    let lets_in = |verdict: &PfVerdict| {
        let origins = &verdict.origins;
        origins.loopback.answer == Answer::Yes && origins.network.answer == Answer::Yes
    };
    let is_blocked = |range| verdict(range).is_some_and(|verdict| verdict.outside() == Answer::No);
    let closed = ledger.closed();
    match action {
        Operation::Open { ports, .. } => ports.iter().all(|port| verdict(port.range).is_some_and(lets_in)),
        // Without the guard closing is to have no rule: what becomes of a client is this Mac's own policy.
        Operation::Close { ports } => {
            let named = |range: PortRange| ports.iter().any(|port| port.range.overlaps(range));
            closed.iter().filter(|closed| named(closed.range)).all(|closed| is_blocked(closed.range))
        }
        _ => closed.iter().all(|closed| is_blocked(closed.range)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pf::origin::PerOrigin;
    use crate::report::{OriginVerdict, Reason};
    use crate::rules::ledger::PfToken;
    use crate::rules::named_port::NamedPort;
    use crate::rules::sample::opening;

    fn named(port: &str) -> NamedPort {
        NamedPort { name: "dlv".parse().unwrap(), range: port.parse().unwrap() }
    }

    fn now() -> Moment {
        Moment { time: 1000, boot: "B".into(), clock: 7 }
    }

    /// The guard is on, 2345 is closed, 9229 is open for anyone.
    fn ledger() -> Ledger {
        let token = Some(PfToken { number: 1, boot: "B".into() });
        let mut ledger = Ledger { guard: Guard::On, token, ..Ledger::default() };
        ledger.manage(&named("2345"));
        ledger.open(opening("9229", "any", 5));
        ledger
    }

    fn report(ledger: &Ledger) -> Report {
        let verdict = |port: &str, answer| {
            let outside = OriginVerdict::new(answer, Reason::OurRule);
            let loopback = OriginVerdict::new(Answer::Yes, Reason::OurRule);
            let origins = PerOrigin { loopback, network: outside.clone(), anyone: outside };
            PfVerdict { port: port.parse().unwrap(), origins }
        };
        Report {
            is_held: Some(true),
            links: vec![],
            version: Report::VERSION,
            seen: 950,
            boot: "B".into(),
            pf: PfState::Enabled,
            references: Some(1),
            guard: ledger.guard,
            way: ledger.way,
            openings: ledger.openings.clone(),
            managed: ledger.managed.clone(),
            verdicts: vec![verdict("2345", Answer::No), verdict("9229", Answer::Yes)],
            notes: Vec::new(),
        }
    }

    fn asked(words: &str) -> Request {
        let seal = "--made 1970-01-01T00:16:40Z --boot B --clock 7 --asker ada";
        Request::parse(format!("{words} {seal}").split(' ')).unwrap()
    }

    #[test]
    fn what_is_so_is_so() {
        let is = |words: &str| is_so(&asked(words), &ledger(), &report(&ledger()), &now());
        assert!(is("open 9229 --from any") && is("close 2345=dlv") && is("guard on --managed 2345"));
        for words in [
            "open 9229 --from hosts:10.0.0.1/32",
            "open 9229 --from any --until 1970-01-01T01:00:00Z",
            "open 9229 --from any --close 2345",
            "open 9229 --from any --managed 5005",
            "open 9229,9230 --from any",
            "open 2345 --from any",
            "close 9229",
            "close 2345-2346",
            "close 5005",
            "close-all",
            "guard off",
            "status",
            "tick",
            "uninstall",
        ] {
            assert!(!is(words), "{words}");
        }
    }

    #[test]
    fn what_is_unknown_interrupted_or_contradicted_is_not() {
        let (whole, seen) = (ledger(), report(&ledger()));
        let is = |change: &dyn Fn(&mut Ledger, &mut Report, &mut Moment)| {
            let (mut ledger, mut report, mut now) = (whole.clone(), seen.clone(), now());
            change(&mut ledger, &mut report, &mut now);
            let asked = ["open 9229 --from any", "close 2345"].map(asked);
            asked.map(|asked| is_so(&asked, &ledger, &report, &now))
        };
        assert_eq!(is(&|_, _, _| {}), [true, true]);
        let changing = crate::rules::ledger::Changing { since: 1, pid: 1, open: Vec::new() };
        type Doubt<'a> = &'a dyn Fn(&mut Ledger, &mut Report, &mut Moment);
        let changes: [Doubt; 9] = [
            &|ledger, _, _| ledger.changing = Some(changing.clone()),
            &|ledger, _, _| ledger.token = None,
            &|ledger, _, _| ledger.openings[0].until = Some(1000),
            &|_, report, _| report.pf = PfState::Disabled,
            &|_, report, _| report.pf = PfState::Unknown(String::new()),
            &|_, report, _| report.notes = vec![Note::NotEvaluated { anchor: "x".into() }],
            &|_, report, _| report.notes = vec![Note::TornBlock],
            &|_, _, now| now.time = 951 + FRESH,
            &|_, _, now| now.boot = "C".into(),
        ];
        for (index, change) in changes.iter().enumerate() {
            assert_eq!(is(change), [false, false], "{index}");
        }
        for answer in [Answer::Unknown, Answer::Yes] {
            let [_, closed] = is(&|_, report, _| report.verdicts[0].origins.anyone.answer = answer);
            assert!(!closed);
        }
        for answer in [Answer::Unknown, Answer::No] {
            let [open, _] = is(&|_, report, _| report.verdicts[1].origins.network.answer = answer);
            assert!(!open);
        }
        assert_eq!(is(&|_, report, _| report.verdicts.clear()), [false, false]);
    }
}
