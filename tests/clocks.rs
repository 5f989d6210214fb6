//! A clock that is set back makes no opening last longer; an end that is past, or a network elsewhere, opens nothing.

mod common;

use common::Lab;
use common::variant::Variant;
use jiff::tz::TimeZone;
use portcullis::root::answer::{Outcome, Response};
use portcullis::root::apply::apply;
use portcullis::root::permissions::AskedBy;
use portcullis::root::request::{Operation, Request};
use portcullis::rules::ends::EndKind;
use portcullis::rules::ledger::Ledger;
use portcullis::rules::named_port::NamedPort;
use portcullis::rules::source::Source;
use portcullis::system::{LEDGER, Moment};

const HOUR: i64 = 3600;
const NOON: i64 = 1_764_072_000;

/// Asks at a moment: hours of the wall clock after noon, the boot, hours of the other clock.
fn ask(lab: &Lab, (wall, boot, clock): (i64, &str, u64), action: Operation) -> Response {
    let moment = Moment { time: NOON + wall * HOUR, boot: boot.into(), clock: clock * HOUR.unsigned_abs() };
    ask_at(lab, moment, TimeZone::UTC, action)
}

fn ask_at(lab: &Lab, moment: Moment, zone: TimeZone, action: Operation) -> Response {
    let request = Request::new(action.clone(), "ada", moment.clone());
    let asked_by = if action == (Operation::Tick {}) { AskedBy::Launchd } else { AskedBy::User };
    let system = Variant { moment: Some(moment), zone, ..lab.system().into() };
    apply(&system, &request, asked_by)
}

fn open(from: Source, hours: i64) -> Operation {
    let ports = vec![NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() }];
    Operation::Open { ports, from, until: Some(NOON + hours * HOUR), ends: EndKind::Time, stay: false }
}

/// A lab in which 2345 is open from noon until four, hour 10 of the boot `A`.
fn opened() -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    let said = ask(&lab, (0, "A", 10), Operation::Guard { on: true });
    assert!(said.ok, "{said:?}");
    let said = ask(&lab, (0, "A", 10), open(Source::Any, 4));
    assert!(said.ok, "{said:?}");
    lab
}

fn is_open(lab: &Lab) -> bool {
    let in_pf = lab.rules().contains("keep state");
    assert_eq!(in_pf, !Ledger::parse(&lab.read(LEDGER)).unwrap().openings.is_empty());
    in_pf
}

#[test]
fn whichever_clock_comes_first_closes() {
    for (steps, why) in [
        (&[((3, "A", 13), true), ((4, "A", 14), false)][..], "both go on"),
        (&[((-20, "A", 11), true), ((-17, "A", 14), false)], "the wall clock was set back"),
        (&[((4, "A", 11), false)], "it was set forward"),
        (&[((3, "B", 0), true), ((4, "B", 1), false)], "a restart"),
        (&[((-1, "B", 0), false)], "a restart with the clock set back"),
        (&[((2, "A", 12), true), ((1, "B", 0), false)], "set back behind the last look"),
        (&[((3, "B", 0), true), ((-9, "B", 1), false)], "set back after the restart"),
    ] {
        let lab = opened();
        for (moment, stays) in steps {
            ask(&lab, *moment, Operation::Tick {});
            assert_eq!(is_open(&lab), *stays, "{why}: {moment:?}");
        }
    }
}

#[test]
fn each_request_closes_what_is_over_by_either_clock() {
    let lab = opened();
    ask(&lab, (-20, "A", 14), Operation::Guard { on: true });
    assert!(!is_open(&lab));
    // What is opened with the clock set back has its own end.
    let said = ask(&lab, (-20, "A", 14), open(Source::Any, -18));
    assert!(said.ok && is_open(&lab), "{said:?}");
    // Asked for again as it is, it lasts no longer, and not beyond a restart, since the clock was set back once more.
    let again = ask(&lab, (-21, "A", 15), open(Source::Any, -18));
    assert!(again.message.contains("or this Mac restarts"), "{again:?}");
    let same = ask(&lab, (-21, "A", 15), open(Source::Any, -18));
    assert_eq!(same.outcome, Outcome::Unchanged, "{same:?}");
    ask(&lab, (-21, "A", 16), Operation::Tick {});
    assert!(!is_open(&lab));
    // Turned back it is not opened again.
    let lab = opened();
    let close = ask(&lab, (1, "A", 11), Operation::CloseAll {});
    let opens = vec![NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() }];
    let undo = Operation::Undo { change: close.snapshot.unwrap(), opens, unblocks: Vec::new() };
    ask(&lab, (-20, "A", 15), undo);
    assert!(!is_open(&lab));
}

#[test]
fn an_end_that_is_past_or_a_network_elsewhere_opens_nothing() {
    let lan = |networks: &[&str]| Source::Lan {
        networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
    };
    let lab = opened();
    let before = lab.rules();
    for (opening, says) in [
        (
            open(Source::Any, 0),
            "the end of the opening, 2025-11-25T12:00:00Z, is past already: give a later one",
        ),
        (
            open(lan(&["8.8.8.0/24", "fe80::/10"]), 2),
            "\"this network\" is not 8.8.8.0/24, where this Mac is not now: ask again, or name it as a host",
        ),
    ] {
        let said = ask(&lab, (0, "A", 10), opening);
        assert_eq!((said.ok, said.outcome), (false, Outcome::Unchanged));
        assert_eq!(said.message, format!("{says}; nothing was changed"));
    }
    assert_eq!(lab.rules(), before);
    // A prefix of it, or more than it; or where nothing is known of it just now.
    for networks in [&["192.168.1.0/25"][..], &["192.168.0.0/16", "fe80::/10"]] {
        assert!(ask(&lab, (0, "A", 10), open(lan(networks), 2)).ok, "{networks:?}");
    }
    lab.write("/lab.toml", "networks = []\n");
    let said = ask(&lab, (0, "A", 10), open(lan(&["10.9.9.0/24"]), 2));
    assert!(said.ok, "{said:?}");
}

/// Asks so many seconds after noon of the boot `A`.
fn ask_after(lab: &Lab, seconds: i64, zone: &TimeZone, action: Operation) -> Response {
    let clock = 10 * HOUR.unsigned_abs() + seconds.unsigned_abs();
    let moment = Moment { time: NOON + seconds, boot: "A".into(), clock };
    ask_at(lab, moment, zone.clone(), action)
}

fn until_evening(ends: EndKind, until: i64) -> Operation {
    let ports = vec![NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() }];
    Operation::Open { ports, from: Source::Any, until: Some(NOON + until), ends, stay: false }
}

/// A lab in which 2345 is open from noon until half past six.
fn opened_until_evening(ends: EndKind) -> Lab {
    let lab = Lab::new();
    lab.portcullis(&["status"]).expect(0);
    ask_after(&lab, 0, &TimeZone::UTC, Operation::Guard { on: true });
    let said = ask_after(&lab, 0, &TimeZone::UTC, until_evening(ends, EVENING));
    assert!(said.ok && is_open(&lab), "{said:?}");
    lab
}

const EVENING: i64 = 6 * HOUR + HOUR / 2;

#[test]
fn a_later_change_of_the_evening_only_makes_it_earlier() {
    let east = TimeZone::posix("<+05>-5").unwrap();
    let west = TimeZone::posix("<-05>5").unwrap();
    let day = |at: &str| Some(Operation::EndOfDay { at: at.parse().unwrap() });
    for (zone, asked, end, why) in [
        (&TimeZone::UTC, None, EVENING, "as it was asked"),
        (&east, None, HOUR + HOUR / 2, "half past six is earlier there"),
        (&west, None, EVENING, "it is later there"),
        (&TimeZone::UTC, day("15:00"), 3 * HOUR, "an earlier end of day"),
        (&TimeZone::UTC, day("12:10"), 60 + 2 * HOUR, "it is over, nearly: two hours"),
        (&TimeZone::UTC, day("20:00"), EVENING, "a later end of day"),
    ] {
        let lab = opened_until_evening(EndKind::Evening);
        let said = ask_after(&lab, 60, zone, asked.unwrap_or(Operation::Tick {}));
        assert!(said.ok, "{why}: {said:?}");
        ask_after(&lab, end - 1, zone, Operation::Tick {});
        assert!(is_open(&lab), "{why}");
        ask_after(&lab, end, zone, Operation::Tick {});
        assert!(!is_open(&lab), "{why}");
    }
}

#[test]
fn root_takes_the_earlier_of_the_end_that_is_asked_and_its_own() {
    let lab = opened_until_evening(EndKind::Evening);
    for (asked, until) in [(20 * HOUR, EVENING), (HOUR, HOUR)] {
        ask_after(&lab, 1, &TimeZone::UTC, until_evening(EndKind::Evening, asked));
        assert_eq!(Ledger::parse(&lab.read(LEDGER)).unwrap().openings[0].until, Some(NOON + until));
    }
    // What is no evening has the end that it was given.
    ask_after(&lab, 2, &TimeZone::UTC, until_evening(EndKind::Time, 20 * HOUR));
    assert_eq!(Ledger::parse(&lab.read(LEDGER)).unwrap().openings[0].until, Some(NOON + 20 * HOUR));
}

#[test]
fn a_port_in_session_at_its_evening_has_30_minutes_more_once() {
    let session = "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50000       ESTABLISHED:ESTABLISHED\n";
    let elsewhere = session.replace(":2345", ":2346");
    let itself = "ALL tcp 127.0.0.1:2345 <- 127.0.0.1:50002       ESTABLISHED:ESTABLISHED\n";
    for (ends, states, more) in [
        (EndKind::Evening, session, true),
        (EndKind::Evening, &*elsewhere, false),
        (EndKind::Evening, itself, false),
        (EndKind::Evening, "", false),
        (EndKind::Time, session, false),
    ] {
        let lab = opened_until_evening(ends);
        lab.write("/private/var/pf/states", states);
        let zone = TimeZone::UTC;
        // Another request comes before the tick.
        ask_after(&lab, EVENING + 5, &zone, Operation::Status {});
        ask_after(&lab, EVENING + 50, &zone, Operation::Tick {});
        assert_eq!(is_open(&lab), more, "{ends:?} {states}");
        lab.write("/private/var/pf/states", states);
        ask_after(&lab, EVENING + HOUR / 2 - 1, &zone, Operation::Tick {});
        assert_eq!(is_open(&lab), more, "{ends:?} {states}");
        ask_after(&lab, EVENING + HOUR / 2, &zone, Operation::Tick {});
        assert!(!is_open(&lab), "once");
    }
    // Slept over, they are over too.
    let lab = opened_until_evening(EndKind::Evening);
    lab.write("/private/var/pf/states", session);
    ask_after(&lab, EVENING + HOUR, &TimeZone::UTC, Operation::Tick {});
    assert!(!is_open(&lab));
}

#[test]
fn what_is_to_end_with_the_restart_does() {
    let lab = opened();
    let ports = vec![NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() }];
    let open = Operation::Open { ports, from: Source::Any, until: None, ends: EndKind::Restart, stay: false };
    assert!(ask(&lab, (0, "A", 10), open).ok);
    ask(&lab, (4000, "A", 4010), Operation::Tick {});
    assert!(is_open(&lab));
    ask(&lab, (1, "B", 0), Operation::Tick {});
    assert!(!is_open(&lab));
}
