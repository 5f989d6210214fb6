//! What a change did to the ledger, port by port, and how it is turned back. Pure.
//!
//! ```
//! use portcullis::rules::ledger::{Ledger, Opening};
//! use portcullis::rules::ledger_change::{LedgerChange, UndoMoment};
//! use portcullis::rules::named_port::NamedPort;
//! use portcullis::rules::source::Source;
//! let dlv = NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() };
//! let before = Ledger::default();
//! let mut after = before.clone();
//! after.open(Opening::new(&dlv, Source::Any, None, 0, "ada"));
//! let change = LedgerChange::between(&before, &after);
//! let moment = UndoMoment { now: 5, same_boot: true };
//! assert_eq!(change.turn_back(&after, moment).ledger, before);
//! ```
//!
//! A port is turned back only where the ledger still says what the change left: what others did since, and what an end
//! did, stays. An opening that has ended since is not revived. Tokens are no part of it.

use serde::{Deserialize, Serialize};

use super::half::pieces;
use crate::port::PortRange;
use crate::rules::ledger::{Attachment, Guard, Ledger, Opening, Seconds};
use crate::rules::named_port::{NamedPort, PortName};

/// The difference of two ledgers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerChange {
    /// The ranges that differ, rising.
    pub ports: Vec<PortChange>,
    /// The guard before and after, where it differs.
    pub guard: Option<(Guard, Guard)>,
    /// Where the rules were loaded before and after, where that differs.
    pub way: Option<(Option<Attachment>, Option<Attachment>)>,
}

/// One range of which all ports changed alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortChange {
    pub port: PortRange,
    pub before: PortIntent,
    pub after: PortIntent,
}

/// What a ledger says of one range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortIntent {
    /// The opening, cut to the range.
    pub opening: Option<Opening>,
    /// Its name among the ports that are ours to close.
    pub managed: Option<PortName>,
}

/// When a change is turned back: what has ended by then stays closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndoMoment {
    pub now: Seconds,
    /// Whether this Mac has not restarted since the change.
    pub same_boot: bool,
}

/// A ledger after a change was turned back in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnedBack {
    pub ledger: Ledger,
    /// Where the rules are to be loaded; `None`: as it is.
    pub way: Option<Attachment>,
    /// What is not as the change left it any more, and so stays.
    pub kept: Vec<PortRange>,
    /// What was open before the change, and has ended since.
    pub ended: Vec<PortRange>,
}

/// What becomes more open when a change is turned back: a prompt names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loosened {
    /// What is open again, or for other clients.
    pub opens: Vec<NamedPort>,
    /// What was blocked, and is neither blocked nor open.
    pub unblocks: Vec<NamedPort>,
}

impl TurnedBack {
    /// What is more open than in `ledger`, which the change is turned back in.
    pub fn loosened(&self, ledger: &Ledger) -> Loosened {
        let open = |ledger: &Ledger| ledger.openings.iter().map(|opening| opening.port).collect::<Vec<_>>();
        let pieces = pieces(open(ledger).into_iter().chain(open(&self.ledger)));
        let opens = pieces.into_iter().filter_map(|piece| {
            let (was, is) = (PortIntent::of(ledger, piece), PortIntent::of(&self.ledger, piece));
            is.opening.clone().filter(|_| !was.opens_like(&is)).map(|opening| opening.named_port())
        });
        let left = self.ledger.closed().into_iter().map(|port| port.range).chain(open(&self.ledger));
        let left: Vec<PortRange> = left.collect();
        let unblocks = ledger.closed().into_iter().flat_map(|closed| {
            uncovered(closed.range, left.iter().copied()).into_iter().map(move |range| closed.part(range))
        });
        Loosened { opens: opens.collect(), unblocks: unblocks.collect() }
    }
}

/// What of `range` is in none of `others`.
pub fn uncovered(range: PortRange, others: impl Iterator<Item = PortRange>) -> Vec<PortRange> {
    others.fold(vec![range], |left, other| left.into_iter().flat_map(|range| range.without(other)).collect())
}

impl LedgerChange {
    pub fn between(before: &Ledger, after: &Ledger) -> Self {
        let ranges = [before, after].into_iter().flat_map(ranges);
        let changed = pieces(ranges).into_iter().filter_map(|port| {
            let (before, after) = (PortIntent::of(before, port), PortIntent::of(after, port));
            let differs = !before.opens_like(&after) || !before.is_managed_like(&after);
            differs.then_some(PortChange { port, before, after })
        });
        LedgerChange {
            ports: changed.collect(),
            guard: (before.guard != after.guard).then_some((before.guard, after.guard)),
            way: (before.way != after.way).then_some((before.way, after.way)),
        }
    }

    /// Turns the change back in `ledger`, which says what is wanted now.
    pub fn turn_back(&self, ledger: &Ledger, moment: UndoMoment) -> TurnedBack {
        let mut back = TurnedBack { ledger: ledger.clone(), way: None, kept: Vec::new(), ended: Vec::new() };
        for change in &self.ports {
            let now = std::iter::once(change.port).chain(ranges(ledger));
            let within = pieces(now).into_iter().filter(|piece| piece.overlaps(change.port));
            let now: Vec<PortRange> = within.collect();
            // A range that is as it was left goes back in one piece.
            let is_left = |piece: &PortRange| change.after.opens_like(&PortIntent::of(ledger, *piece));
            if now.iter().all(is_left) {
                change.turn_back(change.port, moment, &mut back);
            } else {
                now.into_iter().for_each(|piece| change.turn_back(piece, moment, &mut back));
            }
        }
        if let Some((before, after)) = self.guard
            && ledger.guard == after
        {
            back.ledger.guard = before;
        }
        if let Some((before, after)) = self.way
            && ledger.way == after
        {
            back.way = before;
        }
        back
    }
}

impl PortChange {
    /// Turns back a piece of the range.
    fn turn_back(&self, piece: PortRange, moment: UndoMoment, back: &mut TurnedBack) {
        let now = PortIntent::of(&back.ledger, piece);
        if !self.before.opens_like(&self.after) && !now.opens_like(&self.before) {
            if !now.opens_like(&self.after) {
                back.kept.push(piece);
                return;
            }
            let was = self.before.opening.as_ref();
            let is_over = |opening: &&Opening| moment.is_over(opening);
            match was.filter(|opening| !is_over(opening)) {
                Some(opening) => back.ledger.open(opening.part(piece)),
                None => back.ledger.drop_openings(piece),
            }
            if let Some(over) = was.filter(is_over) {
                back.ended.push(piece);
                back.ledger.manage(&over.part(piece).named_port());
                return;
            }
        }
        match (&self.before.managed, &self.after.managed) {
            (Some(name), None) => {
                let named = NamedPort { name: name.clone(), range: self.port };
                back.ledger.manage(&named.part(piece));
            }
            (None, Some(_)) => unmanage(&mut back.ledger, piece),
            _ => {}
        }
    }
}

impl UndoMoment {
    fn is_over(self, opening: &Opening) -> bool {
        opening.until.is_some_and(|until| until <= self.now) || (opening.restart && !self.same_boot)
    }
}

impl PortIntent {
    /// What the ledger says of a range that no entry of it crosses the ends of.
    fn of(ledger: &Ledger, port: PortRange) -> Self {
        let opening = ledger.openings.iter().find(|opening| opening.port.overlaps(port));
        let managed = ledger.managed.iter().find(|managed| managed.range.overlaps(port));
        PortIntent {
            opening: opening.map(|opening| opening.part(port)),
            managed: managed.map(|managed| managed.part(port).name),
        }
    }

    /// Whether both are the same opening, whatever part of it, or none.
    fn opens_like(&self, other: &Self) -> bool {
        let key = |opening: &Option<Opening>| {
            let Opening { from, until, restart, stay, since, by, user, .. } = opening.clone()?;
            Some((from, until, restart, stay, since, by, user))
        };
        key(&self.opening) == key(&other.opening)
    }

    fn is_managed_like(&self, other: &Self) -> bool {
        self.managed.is_some() == other.managed.is_some()
    }
}

fn ranges(ledger: &Ledger) -> impl Iterator<Item = PortRange> {
    let open = ledger.openings.iter().map(|opening| opening.port);
    open.chain(ledger.managed.iter().map(|managed| managed.range))
}

fn unmanage(ledger: &mut Ledger, port: PortRange) {
    let managed = std::mem::take(&mut ledger.managed);
    let parts = managed.into_iter().flat_map(|managed| {
        let left = managed.range.without(port);
        left.into_iter().map(move |range| managed.part(range))
    });
    ledger.managed = parts.collect();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::sample::ledgers;
    use super::*;
    use crate::rules::source::Source;
    use crate::system::Moment;

    const HERE: UndoMoment = UndoMoment { now: 0, same_boot: true };

    fn named(port: &str) -> NamedPort {
        NamedPort { name: "dlv".parse().unwrap(), range: port.parse().unwrap() }
    }

    fn opening(port: &str, until: Option<Seconds>) -> Opening {
        Opening::new(&named(port), Source::Any, until, 0, "ada")
    }

    fn guarded(managed: &[&str]) -> Ledger {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        managed.iter().for_each(|port| ledger.manage(&named(port)));
        ledger
    }

    fn open(ledger: &Ledger) -> String {
        let ports = ledger.openings.iter().map(|opening| opening.port.to_string());
        ports.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_others_did_since_stays() {
        let before = guarded(&["3000-3010"]);
        let mut after = before.clone();
        after.open(opening("3000-3010", None));
        let change = LedgerChange::between(&before, &after);
        let mut now = after.clone();
        now.open(Opening { by: "ben".into(), since: 9, ..opening("3005", None) });
        let back = change.turn_back(&now, HERE);
        assert_eq!(open(&back.ledger), "3005");
        assert_eq!(back.kept, ["3005".parse().unwrap()]);
        assert_eq!(back.ledger.managed, before.managed);
    }

    #[test]
    fn what_has_ended_is_not_revived() {
        let mut before = guarded(&["2345", "9229"]);
        before.open(opening("2345", Some(100)));
        before.open(Opening { restart: true, ..opening("9229", None) });
        let mut after = before.clone();
        after.close_all();
        let change = LedgerChange::between(&before, &after);
        let at = |now, same_boot| change.turn_back(&after, UndoMoment { now, same_boot });
        assert_eq!(open(&at(99, true).ledger), "2345 9229");
        assert_eq!(open(&at(100, true).ledger), "9229");
        let late = at(100, false);
        assert_eq!((open(&late.ledger).as_str(), late.ended.len()), ("", 2));
        assert_eq!(late.ledger.closed().len(), 2);
    }

    #[test]
    fn what_an_end_did_stays() {
        let before = guarded(&["2345"]);
        let mut after = before.clone();
        after.open(opening("2345", Some(100)));
        let change = LedgerChange::between(&before, &after);
        let mut now = after.clone();
        now.expire(&Moment { time: 100, boot: String::new(), clock: 0 });
        let back = change.turn_back(&now, UndoMoment { now: 100, same_boot: true });
        assert_eq!((back.ledger, back.kept), (now, Vec::new()));
    }

    #[test]
    fn the_guard_goes_back_only_where_it_is_as_it_was_left() {
        let before = Ledger::default();
        let mut after = guarded(&["2345"]);
        after.way = Some(Attachment::Classic);
        let change = LedgerChange::between(&before, &after);
        assert_eq!(change.turn_back(&after, HERE).ledger.guard, Guard::Unset);
        let off = Ledger { guard: Guard::Off, managed: Vec::new(), ..after.clone() };
        let back = change.turn_back(&off, HERE);
        assert_eq!((back.ledger.guard, back.way), (Guard::Off, None));
        let json = serde_json::to_string(&change).unwrap();
        assert_eq!(serde_json::from_str::<LedgerChange>(&json).unwrap(), change);
    }

    #[test]
    fn a_prompt_can_name_what_becomes_more_open() {
        let mut before = guarded(&["2345"]);
        before.open(opening("2345", None));
        let mut after = before.clone();
        after.close_all();
        after.manage(&named("9229"));
        let back = LedgerChange::between(&before, &after).turn_back(&after, HERE);
        let loosened = back.loosened(&after);
        assert_eq!(loosened, Loosened { opens: vec![named("2345")], unblocks: vec![named("9229")] });
        let nothing = LedgerChange::between(&after, &before).turn_back(&before, HERE).loosened(&before);
        assert_eq!(nothing, Loosened::default());
    }

    proptest! {
        #[test]
        fn turned_back_at_once_it_is_as_before(before in ledgers(), after in ledgers()) {
            let change = LedgerChange::between(&before, &after);
            let moment = UndoMoment { now: Seconds::MIN, same_boot: true };
            let back = change.turn_back(&after, moment);
            prop_assert!(back.kept.is_empty() && back.ended.is_empty());
            let again = LedgerChange::between(&before, &back.ledger);
            prop_assert!(again.ports.is_empty() && again.guard.is_none(), "{again:?}");
            prop_assert_eq!(&back.ledger.token, &after.token);
            // A change that is not in the ledger opens and closes nothing.
            let other = change.turn_back(&before, moment);
            for change in LedgerChange::between(&before, &other.ledger).ports {
                prop_assert!(change.before.opens_like(&change.after), "{change:?}");
            }
        }
    }
}
