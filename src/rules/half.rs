//! What two ledgers both allow: where a change stops when it stops midway.
//!
//! ```
//! use portcullis::rules::half::half;
//! use portcullis::rules::ledger::{Ledger, Opening};
//! use portcullis::rules::named_port::NamedPort;
//! use portcullis::rules::source::Source;
//! let dlv = NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() };
//! let mut before = Ledger::default();
//! before.open(Opening::new(&dlv, Source::Any, None, 0, "ada"));
//! let mut after = before.clone();
//! after.close(&dlv);
//! assert_eq!(half(&before, &after), after);
//! ```
//!
//! On openings and managed ranges it is a meet: idempotent, commutative, and never more open than either ledger (see
//! [`super::openness`], with the guard taken as on). Everything else is `before`'s.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::port::PortRange;
use crate::rules::home::Home;
use crate::rules::ledger::{Ledger, Opening};
use crate::rules::named_port::NamedPort;
use crate::rules::order;
use crate::rules::source::{Source, covers, is_link_local};

/// What `before` and `after` both allow. A port that is open in one of them only, or for different clients, is managed, so
/// that the guard closes it. Guard, tokens and attachment are `before`'s.
pub fn half(before: &Ledger, after: &Ledger) -> Ledger {
    let mut openings = Vec::new();
    let mut lacking = Vec::new();
    for port in pieces(ports_open(before).chain(ports_open(after))) {
        match (opening_of(before, port), opening_of(after, port)) {
            (Some(one), Some(other)) => match meet(one, other, port) {
                Some(opening) => openings.push(opening),
                None => lacking.push(newer(one, other).part(port).named_port()),
            },
            (Some(only), None) | (None, Some(only)) => lacking.push(only.part(port).named_port()),
            (None, None) => {}
        }
    }
    let mut half = Ledger { openings, managed: managed(before, after), ..before.clone() };
    lacking.iter().for_each(|port| half.manage(port));
    half
}

/// [`half`] of a change, in which what was being given its 30 minutes more is still to be given them: until then a port in
/// session at its evening is neither cut off by what interrupts that nor open for longer.
pub fn half_of_change(before: &Ledger, after: &Ledger) -> Ledger {
    let mut half = half(before, after);
    for opening in &mut half.openings {
        let sides = opening_of(before, opening.port).zip(opening_of(after, opening.port));
        if let Some((was, _)) = sides.filter(|(was, is)| was.is_lengthened_by(is)) {
            opening.evening = was.evening;
        }
    }
    half
}

fn ports_open(ledger: &Ledger) -> impl Iterator<Item = PortRange> {
    ledger.openings.iter().map(|opening| opening.port)
}

fn opening_of(ledger: &Ledger, piece: PortRange) -> Option<&Opening> {
    let place = ledger.openings.partition_point(|opening| opening.port.last() < piece.first());
    ledger.openings.get(place).filter(|opening| opening.port.overlaps(piece))
}

/// The ranges cut wherever one of them begins or ends, rising: each piece lies within or outside each range.
pub fn pieces(ranges: impl Iterator<Item = PortRange>) -> Vec<PortRange> {
    let mut cuts = BTreeSet::new();
    for range in ranges {
        cuts.insert(u32::from(range.first()));
        cuts.insert(u32::from(range.last()) + 1);
    }
    let cuts: Vec<u32> = cuts.into_iter().collect();
    let piece = |first: u32, next: u32| {
        PortRange::new(u16::try_from(first).ok()?, u16::try_from(next.checked_sub(1)?).ok()?)
    };
    cuts.array_windows().filter_map(|[first, next]| piece(*first, *next)).collect()
}

/// Both lists. A port that has two names takes the first of them in the order of the alphabet, so that it does not
/// matter which ledger comes first.
fn managed(before: &Ledger, after: &Ledger) -> Vec<NamedPort> {
    let lists = [&before.managed, &after.managed];
    let ranges = lists.into_iter().flatten().map(|managed| managed.range);
    let named = |port: PortRange| {
        let of = |list: &Vec<NamedPort>| {
            let place = list.partition_point(|managed| managed.range.last() < port.first());
            let managed = list.get(place).filter(|managed| managed.range.overlaps(port))?;
            Some(managed.part(port).name)
        };
        let name = lists.into_iter().filter_map(of).min()?;
        Some(NamedPort { name, range: port })
    };
    pieces(ranges).into_iter().filter_map(named).collect()
}

/// What both openings allow of `port`; `None` where that is nothing.
fn meet(one: &Opening, other: &Opening, port: PortRange) -> Option<Opening> {
    if is_lan(one) && is_lan(other) && differ(one.home.as_ref(), other.home.as_ref()) {
        return None;
    }
    let from = meet_sources(&one.from, &other.from)?;
    Some(Opening {
        from,
        // Whichever comes first closes: two ends are the union of their conditions.
        until: [one.until, other.until].into_iter().flatten().min(),
        clocks: clocks_of_both(one, other),
        restart: one.restart || other.restart,
        // Not an end, but a grace: what only one has neither has.
        evening: one.evening.filter(|_| one.evening == other.evening),
        home: home(one, other).cloned(),
        stay: one.stay && other.stay,
        let_in: let_in_by_both(one, other),
        away: one.away || other.away,
        ..newer(one, other).part(port)
    })
}

/// What ends with the restart lasts in the boots that it knows.
fn clocks_of_both(one: &Opening, other: &Opening) -> BTreeMap<String, u64> {
    let mut clocks = earlier_of_each(&one.clocks, &other.clocks);
    clocks.retain(|boot, _| {
        let lasts = |opening: &Opening| !opening.restart || opening.clocks.contains_key(boot);
        lasts(one) && lasts(other)
    });
    clocks
}

fn earlier_of_each(one: &BTreeMap<String, u64>, other: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut clocks = one.clone();
    for (boot, end) in other {
        clocks.entry(boot.clone()).and_modify(|known| *known = (*known).min(*end)).or_insert(*end);
    }
    clocks
}

fn is_lan(opening: &Opening) -> bool {
    matches!(opening.from, Source::Lan { .. })
}

/// Whether both are known and differ.
fn differ(one: Option<&Home>, other: Option<&Home>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}

/// The networks of the opening for `lan`, where one is; else those that are known, or the first of two.
fn home<'a>(one: &'a Opening, other: &'a Opening) -> Option<&'a Home> {
    match (is_lan(one), is_lan(other)) {
        (true, false) => one.home.as_ref(),
        (false, true) => other.home.as_ref(),
        _ => [&one.home, &other.home].into_iter().flatten().min(),
    }
}

/// What both let in now; `None` where that is all that both are for.
fn let_in_by_both(one: &Opening, other: &Opening) -> Option<Vec<IpNet>> {
    if one.let_in.is_none() && other.let_in.is_none() {
        return None;
    }
    let now = one.source_now().zip(other.source_now());
    let both = now.and_then(|(one, other)| meet_sources(&one, &other));
    Some(both.and_then(|both| both.networks().map(<[IpNet]>::to_vec)).unwrap_or_default())
}

/// The opening that was made later: its name, time and user are kept.
fn newer<'a>(one: &'a Opening, other: &'a Opening) -> &'a Opening {
    let key = |opening: &'a Opening| (opening.since, &opening.by, &opening.name, opening.user);
    if key(one) < key(other) { other } else { one }
}

/// The addresses in both: any ∩ x is x, `lan` wins over hosts. Link-local addresses count on the interfaces of a
/// network alone (`lan`), so without a network they let no client in.
fn meet_sources(one: &Source, other: &Source) -> Option<Source> {
    let (ours, theirs) = match (one.networks(), other.networks()) {
        (_, None) => return Some(one.clone()),
        (None, _) => return Some(other.clone()),
        (Some(ours), Some(theirs)) => (ours, theirs),
    };
    let both = meet_networks(ours, theirs);
    match (one, other) {
        _ if both.is_empty() => None,
        (Source::Lan { .. }, _) | (_, Source::Lan { .. }) => {
            both.iter().any(|network| !is_link_local(network)).then_some(Source::Lan { networks: both })
        }
        _ => Some(Source::Hosts { hosts: both }),
    }
}

/// The addresses in both lists. Where one list lies within the other it is kept as it is written.
fn meet_networks(ours: &[IpNet], theirs: &[IpNet]) -> Vec<IpNet> {
    match (covers(theirs, ours), covers(ours, theirs)) {
        (true, true) => ours.min(theirs).to_vec(),
        (true, false) => ours.to_vec(),
        (false, true) => theirs.to_vec(),
        (false, false) => {
            let narrower = |one: &IpNet, other: &IpNet| {
                (one.contains(other).then_some(*other)).or(other.contains(one).then_some(*one))
            };
            let both: Vec<IpNet> =
                ours.iter().flat_map(|one| theirs.iter().filter_map(|other| narrower(one, other))).collect();
            let mut both = IpNet::aggregate(&both);
            order::sort(&mut both);
            both
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ends::{EveningEnd, MORE};
    use crate::rules::ledger::{Attachment, Guard, PfToken};
    use crate::rules::openness::excess;
    use crate::rules::sample::{self, ledgers, opening, source};
    use proptest::prelude::*;

    fn open(list: &[(&str, &str)]) -> Ledger {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        list.iter().for_each(|(port, from)| ledger.open(opening(port, from, 0)));
        ledger
    }

    /// `2345 from any until 5`, one on a line; then what is managed.
    fn shown(ledger: &Ledger) -> String {
        let open = ledger.openings.iter().map(|opening| {
            let networks = opening.from.networks().unwrap_or_default();
            let networks = networks.iter().map(|network| format!(" {network}")).collect::<String>();
            format!("{} {}{networks}\n", opening.port, if is_lan(opening) { "lan" } else { "from" })
        });
        let managed = ledger.managed.iter().map(|managed| format!(" {}:{}", managed.name, managed.range));
        open.collect::<String>() + "managed" + &managed.collect::<String>()
    }

    fn shown_half(before: &[(&str, &str)], after: &[(&str, &str)]) -> String {
        shown(&half(&open(before), &open(after)))
    }

    #[test]
    fn addresses_are_those_in_both() {
        let met = |one: &str, other: &str| shown_half(&[("2345", one)], &[("2345", other)]);
        assert_eq!(met("any", "any"), "2345 from\nmanaged");
        assert_eq!(met("any", "hosts:10.0.0.5"), "2345 from 10.0.0.5/32\nmanaged");
        assert_eq!(met("lan:10.0.0.0/8,fe80::/10", "any"), "2345 lan 10.0.0.0/8 fe80::/10\nmanaged");
        assert_eq!(
            met("hosts:10.0.0.5,10.9.9.9", "lan:10.0.0.0/24,fe80::/10"),
            "2345 lan 10.0.0.5/32\nmanaged"
        );
        assert_eq!(met("hosts:10.0.0.0/9,10.128.0.0/9", "hosts:10.0.0.0/8"), "2345 from 10.0.0.0/8\nmanaged");
        assert_eq!(met("hosts:10.0.0.5", "hosts:10.0.0.6"), "managed dlv:2345");
        assert_eq!(met("lan:10.0.0.0/24,fe80::/10", "lan:10.0.1.0/24,fe80::/10"), "managed dlv:2345");
    }

    #[test]
    fn an_interrupted_change_of_a_range_keeps_what_is_in_both() {
        assert_eq!(
            shown_half(&[("3000-3010", "any")], &[("3005", "hosts:10.0.0.1"), ("3009-3020", "any")]),
            "3005 from 10.0.0.1/32\n3009-3010 from\nmanaged dlv:3000-3004 dlv:3006-3008 dlv:3011-3020"
        );
    }

    #[test]
    fn a_plain_closing_is_half_done_when_it_is_done() {
        let before =
            open(&[("2345", "any"), ("3000-3010", "lan:10.0.0.0/8,fe80::/10"), ("9229", "hosts:10.0.0.1")]);
        let port =
            |name: &str, port: &str| NamedPort { name: name.parse().unwrap(), range: port.parse().unwrap() };
        for closed in
            [port("dlv", "2345"), port("dlv", "3005"), port("node", "9229"), port("x", "1024-65535")]
        {
            let mut after = before.clone();
            after.close(&closed);
            assert_eq!(half(&before, &after), after, "{closed:?}");
        }
        let mut after = before.clone();
        after.close_all();
        assert_eq!(half(&before, &after), after);
        // Half of an opening is what was before, but for the port's being managed.
        let mut after = before.clone();
        after.open(opening("4000", "any", 7));
        let half = half(&before, &after);
        assert_eq!(half.openings, before.openings);
        assert_eq!(shown(&half).lines().last().unwrap(), "managed dlv:4000");
    }

    #[test]
    fn the_earlier_end_counts_and_the_later_request_is_named() {
        let clocks = |end: u64| BTreeMap::from([("B".to_owned(), end)]);
        let one = Opening { until: Some(50), clocks: clocks(50), ..opening("2345", "any", 1) };
        let later = opening("2345", "any", 2);
        let other = Opening { restart: true, until: Some(40), clocks: clocks(40), by: "eve".into(), ..later };
        let met = meet(&one, &other, one.port).unwrap();
        assert_eq!(met, other);
        assert_eq!(
            meet(&other, &opening("2345", "any", 3), one.port).unwrap(),
            Opening { since: 3, by: "ada".into(), ..other }
        );
    }

    #[test]
    fn what_was_being_given_more_time_is_still_to_be_given_it() {
        let evening = |evening, until| {
            let mut ledger = open(&[]);
            ledger.open(Opening {
                evening: Some(evening),
                until: Some(until),
                ..opening("2345-2350", "any", 1)
            });
            ledger
        };
        let before = evening(EveningEnd::Due, 50);
        let after = evening(EveningEnd::Extended, 50 + MORE);
        assert_eq!(half_of_change(&before, &after).openings, before.openings);
        assert_eq!(half(&before, &after).openings[0].evening, None);
        // What is opened anew meanwhile has an end of its own.
        for other in [evening(EveningEnd::Extended, 90), evening(EveningEnd::Extended, 50 + 2 * MORE)] {
            assert_eq!(half_of_change(&before, &other).openings[0].evening, None);
        }
        // A part that is closed by the same request is closed.
        let mut part = after.clone();
        part.close(&NamedPort { name: "dlv".parse().unwrap(), range: "2347".parse().unwrap() });
        let half = half_of_change(&before, &part);
        let open: Vec<_> = half.openings.iter().map(|open| (open.port.to_string(), open.evening)).collect();
        let due = Some(EveningEnd::Due);
        assert_eq!(open, [("2345-2346".to_owned(), due), ("2348-2350".to_owned(), due)]);
    }

    #[test]
    fn lan_openings_of_two_networks_meet_to_nothing() {
        let on = |home: Option<u8>, from: &str| Opening {
            home: home.map(sample::home),
            ..opening("2345", from, 0)
        };
        let lan = |home| on(home, "lan:10.0.0.0/8");
        let met = |one: &Opening, other: &Opening| meet(one, other, one.port).map(|met| met.home);
        let home = Some(sample::home(1));
        assert_eq!(met(&lan(Some(1)), &lan(Some(2))), None);
        assert_eq!(met(&lan(Some(1)), &lan(Some(1))), Some(home.clone()));
        assert_eq!(met(&lan(Some(1)), &lan(None)), Some(home.clone()));
        assert_eq!(met(&lan(Some(1)), &on(Some(2), "any")), Some(home));
        assert_eq!(met(&lan(None), &on(Some(2), "hosts:10.0.0.1")), Some(None));
    }

    #[test]
    fn what_pauses_in_one_pauses_in_both() {
        let pausing = |from: &str, let_in: Option<&str>| Opening {
            let_in: let_in.map(|list| source(list).networks().unwrap().to_vec()),
            ..opening("2345", from, 0)
        };
        let met = |one: &Opening, other: &Opening| {
            let met = meet(one, other, one.port).unwrap();
            assert_eq!(meet(other, one, one.port), Some(met.clone()));
            met.source_now().map(|now| now.in_full())
        };
        let lan = "lan:10.0.0.0/24,10.1.0.0/24,fe80::/10";
        let part = pausing(lan, Some("lan:10.0.0.0/24,fe80::/10"));
        assert_eq!(met(&part, &part).unwrap(), "this network (10.0.0.0/24, fe80::/10)");
        assert_eq!(met(&part, &pausing(lan, None)).unwrap(), "this network (10.0.0.0/24, fe80::/10)");
        assert_eq!(met(&part, &pausing("any", None)).unwrap(), "this network (10.0.0.0/24, fe80::/10)");
        assert_eq!(met(&part, &pausing("lan:10.1.0.0/24", None)), None);
        let away = Opening { away: true, let_in: Some(Vec::new()), ..opening("2345", "any", 0) };
        assert_eq!(met(&away, &part), None);
        assert!(meet(&away, &part, away.port).unwrap().away);
        let stay = Opening { stay: true, ..opening("2345", "any", 0) };
        assert!(!meet(&stay, &part, part.port).unwrap().stay && meet(&stay, &stay, part.port).unwrap().stay);
    }

    #[test]
    fn the_rest_is_before() {
        let token = PfToken { number: 7, boot: "b".into() };
        let before = Ledger { token: Some(token), way: Some(Attachment::Classic), ..open(&[]) };
        let after = Ledger { guard: Guard::Off, ..Ledger::default() };
        assert_eq!(half(&before, &after), before);
        assert_eq!(half(&after, &before), after);
    }

    fn managed_ports(ledger: &Ledger) -> Vec<u16> {
        ledger.managed.iter().flat_map(|managed| managed.range.first()..=managed.range.last()).collect()
    }

    /// Openings port by port: how a range is cut makes no difference, nor whether a host is named that lies in a network.
    fn by_port(ledger: &Ledger) -> Vec<(u16, Opening)> {
        let each = |opening: &Opening| {
            let opening = opening.clone();
            (opening.port.first()..=opening.port.last()).map(move |port| {
                let single = PortRange::single(port).unwrap();
                let let_in = opening.let_in.as_ref().map(IpNet::aggregate);
                (port, Opening { port: single, let_in, ..opening.clone() })
            })
        };
        ledger.openings.iter().flat_map(each).collect()
    }

    proptest! {
        #[test]
        fn is_idempotent(ledger in ledgers()) {
            prop_assert_eq!(half(&ledger, &ledger), ledger);
        }

        #[test]
        fn is_commutative(one in ledgers(), other in ledgers()) {
            prop_assert_eq!(half(&one, &other), half(&other, &one));
        }

        #[test]
        fn is_associative(one in ledgers(), other in ledgers(), third in ledgers()) {
            let left = half(&half(&one, &other), &third);
            let right = half(&one, &half(&other, &third));
            prop_assert_eq!(by_port(&left), by_port(&right));
            prop_assert_eq!(managed_ports(&left), managed_ports(&right));
        }

        #[test]
        fn is_never_more_open_than_either(one in ledgers(), other in ledgers()) {
            let half = half(&one, &other);
            prop_assert_eq!(excess(&half, &one), None);
            prop_assert_eq!(excess(&half, &other), None);
        }

        /// No opening that both allow is lost. (A port that only one has open is managed, so half is not the most open of
        /// what is below both.)
        #[test]
        fn loses_no_opening_that_both_allow(one in ledgers(), other in ledgers(), mut third in ledgers()) {
            third.manage(&NamedPort { name: "all".parse().unwrap(), range: "1-65535".parse().unwrap() });
            if excess(&third, &one).is_none() && excess(&third, &other).is_none() {
                prop_assert_eq!(excess(&third, &half(&one, &other)), None);
            }
        }

        #[test]
        fn keeps_ranges_apart_and_rising(one in ledgers(), other in ledgers()) {
            let half = half(&one, &other);
            let ranges = |ports: Vec<PortRange>| ports.array_windows().all(|[a, b]| a.last() < b.first());
            prop_assert!(ranges(half.openings.iter().map(|opening| opening.port).collect()));
            prop_assert!(ranges(half.managed.iter().map(|managed| managed.range).collect()));
        }
    }
}
