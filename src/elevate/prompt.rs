//! What the administrator prompt says: everything that the request may change, built from checked values only.

use crate::port::PortRange;
use crate::root::conf_lines::{self, ConfLine};
use crate::root::request::{Operation, Permission, Request};
use crate::rules::ends::EndKind;
use crate::rules::evening::{duration_left, time_of_day};
use crate::rules::ledger::{Changing, Guard, Ledger, Opening, Seconds};
use crate::rules::ledger_change::uncovered;
use crate::rules::named_port::NamedPort;
use crate::rules::source::Source;
use crate::system::PATHS_FILE;

/// What the prompt knows beside the request, as the user can read it: it says more truly what the request allows, and
/// allows nothing.
#[derive(Clone, Debug, Default)]
pub struct PromptFacts {
    /// The ledger now.
    pub ledger: Ledger,
    /// A change that was interrupted: whatever root is asked, it undoes that first.
    pub interrupted: Option<Changing>,
    pub pf_is_on: bool,
    /// The lines that come back into /etc/pf.conf where a change is turned back.
    pub lines_back: Vec<ConfLine>,
    /// The connections from other machines that blocking ports would end.
    pub ends: usize,
    /// The ledger after a change is turned back.
    pub back: Option<Ledger>,
}

/// The text of the prompt. What the request allows and this does not name is nothing.
///
/// ```
/// use portcullis::elevate::prompt::{PromptFacts, describe};
/// use portcullis::root::request::Request;
/// let words = "open 2345=dlv --from any --guard on --managed 9229=node --may edit-conf \
///     --made 2026-11-25T17:00:00Z --boot B --clock 1 --asker ada";
/// assert_eq!(
///     describe(&Request::parse(words.split(' '))?, &PromptFacts::default()),
///     "Portcullis wants to open port 2345 (dlv) for anyone until it is closed (each client can run code as you); \
///      turn the firewall on; block port 9229 (node) from other machines; and edit /etc/pf.conf."
/// );
/// # Ok::<(), portcullis::root::words::WordsError>(())
/// ```
pub fn describe(request: &Request, facts: &PromptFacts) -> String {
    let mut parts = actions(request, facts);
    if !request.close.is_empty() {
        parts.push(format!("close {}", port_words(&request.close)));
    }
    if request.may_turn_guard_on() {
        let turned_on = Permission::GuardOn.in_words();
        parts.push(if facts.pf_is_on { "keep the firewall on" } else { turned_on }.to_owned());
    }
    parts.extend(blocks(request, facts));
    parts.extend(request.may.iter().map(|permission| permission.in_words().to_owned()));
    parts.extend(facts.interrupted.as_ref().map(undoing));
    let last = parts.pop().unwrap_or_default();
    let and = if parts.is_empty() { "" } else { "; and " };
    format!("Portcullis wants to {}{and}{last}.", parts.join("; "))
}

/// What is asked, in clauses; none where another clause says it.
fn actions(request: &Request, facts: &PromptFacts) -> Vec<String> {
    let one = match &request.action {
        Operation::Open { ports, from, until, ends, stay } => {
            let stay = if *stay { ", on other networks too" } else { "" };
            format!("open {} {}{stay}", port_words(ports), terms(from, (*until, *ends), request.made.time))
        }
        Operation::Close { ports } => format!("close {}", port_words(ports)),
        Operation::CloseAll {} => "close every debug port".to_owned(),
        Operation::Guard { on: true } => return Vec::new(),
        Operation::Guard { on: false } => "stop blocking closed debug ports".to_owned(),
        Operation::Log { minutes } => {
            format!(
                "record the headers of what the firewall logs for {}",
                duration_left(Seconds::from(*minutes) * 60)
            )
        }
        Operation::Undo { change, opens, unblocks } => {
            let mut parts = vec![format!("turn back change {change}")];
            match &facts.back {
                Some(back) => {
                    parts.extend(opened_again(opens, back, request.made.time));
                    parts.extend(closed_again(&facts.ledger, back));
                }
                None if opens.is_empty() => {}
                None => {
                    parts.push(format!("open {} again for those that it was open for", port_words(opens)));
                }
            }
            if !facts.lines_back.is_empty() {
                parts.push(format!("put back into /etc/pf.conf: {}", conf_lines::shown(&facts.lines_back)));
            }
            if !unblocks.is_empty() {
                parts.push(format!("stop blocking {}", port_words(unblocks)));
            }
            return parts;
        }
        Operation::CleanUp { lines, .. } => format!(
            "take {} without effect out of /etc/pf.conf: {}",
            conf_lines::counted(lines),
            conf_lines::shown(lines)
        ),
        Operation::Uninstall { keep_logs } => {
            let logs = if *keep_logs { "but its logs" } else { "with its logs" };
            let block = if request.may.contains(&Permission::EditConf) {
                " take its block out of /etc/pf.conf,"
            } else {
                ""
            };
            format!(
                "close every debug port, stop blocking,{block} and remove all that it has put on this Mac, {logs}"
            )
        }
        Operation::StopLog {} => "stop recording what the firewall logs".to_owned(),
        Operation::Status {} => "look at the firewall".to_owned(),
        Operation::Install {} => Permission::Install.in_words().to_owned(),
        Operation::InstallCommand {} => format!("have terminals find portcullis, by {PATHS_FILE}"),
        Operation::EndOfDay { at } => {
            format!("end the working day at {at}, and what is open until the evening no later")
        }
        // What was asked last is what was interrupted, and that is undone.
        Operation::Tick {} if facts.interrupted.is_some() => "close the ports whose time is over".to_owned(),
        Operation::Tick {} => {
            "close the ports whose time is over and put the firewall where it was last asked to be".to_owned()
        }
    };
    vec![one]
}

fn undoing(interrupted: &Changing) -> String {
    let open: Vec<NamedPort> =
        interrupted.open.iter().map(|open| NamedPort { name: open.name.clone(), range: open.port }).collect();
    match open.as_slice() {
        [] => "undo a change that was interrupted".to_owned(),
        open => format!("undo a change that was interrupted, by which {} may be open", port_words(open)),
    }
}

/// What is open again in `back`: the ports on the same terms in one clause.
fn opened_again(opens: &[NamedPort], back: &Ledger, now: Seconds) -> Vec<String> {
    let mut clauses: Vec<(String, Vec<NamedPort>)> = Vec::new();
    for port in opens {
        let opening = back.openings.iter().find(|opening| opening.port.overlaps(port.range));
        let terms = opening.map_or_else(
            || "for those that it was open for".to_owned(),
            |opening| terms(&opening.from, (opening.until, opening.kind()), now),
        );
        match clauses.iter_mut().find(|(same, _)| *same == terms) {
            Some((_, ports)) => ports.push(port.clone()),
            None => clauses.push((terms, vec![port.clone()])),
        }
    }
    clauses.into_iter().map(|(terms, ports)| format!("open {} again {terms}", port_words(&ports))).collect()
}

/// What is closed and blocked in `back`, and is not now.
fn closed_again(now: &Ledger, back: &Ledger) -> Vec<String> {
    let ranges = |openings: &[Opening]| openings.iter().map(|opening| opening.port).collect::<Vec<_>>();
    let (open_now, open_back) = (ranges(&now.openings), ranges(&back.openings));
    let closed: Vec<NamedPort> =
        now.openings.iter().flat_map(|opening| left(&opening.named_port(), &open_back)).collect();
    let mut known: Vec<PortRange> = now.closed().iter().map(|port| port.range).collect();
    known.extend(open_now);
    let blocked: Vec<NamedPort> = back.closed().iter().flat_map(|port| left(port, &known)).collect();
    let mut clauses = Vec::new();
    if !closed.is_empty() {
        clauses.push(format!("close {}", port_words(&closed)));
    }
    if !blocked.is_empty() {
        clauses.push(format!("block {} from other machines", port_words(&blocked)));
    }
    if now.guard == Guard::On && back.guard != Guard::On && now.closed().is_empty() {
        clauses.push("stop blocking closed debug ports".to_owned());
    }
    clauses
}

/// The parts of `port` that are in none of `others`.
fn left(port: &NamedPort, others: &[PortRange]) -> Vec<NamedPort> {
    uncovered(port.range, others.iter().copied()).into_iter().map(|range| port.part(range)).collect()
}

/// What comes to be ours to block. A port that is open for some is blocked from the others, and one that is open for
/// anyone once it is closed.
fn blocks(request: &Request, facts: &PromptFacts) -> Vec<String> {
    let after = openings_after(request, &facts.ledger);
    let closed = blocked(request, &facts.ledger);
    let mut clauses = Vec::new();
    if !closed.is_empty() {
        let ends = match facts.ends {
            0 => String::new(),
            1 => ", which ends 1 connection".to_owned(),
            count => format!(", which ends {count} connections"),
        };
        clauses.push(format!("block {} from other machines{ends}", port_words(&closed)));
    }
    for opening in &after {
        let within = request.managed.iter().flat_map(|port| {
            let outside = port.range.without(opening.port);
            uncovered(port.range, outside.into_iter()).into_iter().map(|range| port.part(range))
        });
        let within: Vec<NamedPort> = within.collect();
        if within.is_empty() {
            continue;
        }
        clauses.push(match &opening.from {
            Source::Any => format!("block {} once closed", port_words(&within)),
            some => format!("block {} from all but {}", port_words(&within), some.in_full()),
        });
    }
    clauses
}

/// The ports that `request` has blocked from every other machine, beside those that are.
pub fn blocked(request: &Request, ledger: &Ledger) -> Vec<NamedPort> {
    let openings = openings_after(request, ledger);
    let open: Vec<PortRange> = openings.iter().map(|opening| opening.port).collect();
    request.managed.iter().flat_map(|port| left(port, &open)).collect()
}

/// What is open after `request`, where that only opens or closes.
fn openings_after(request: &Request, ledger: &Ledger) -> Vec<Opening> {
    let mut after = ledger.clone();
    request.close.iter().for_each(|port| after.close(port));
    match &request.action {
        Operation::Open { ports, from, until, .. } => {
            for port in ports {
                after.open(Opening::new(port, from.clone(), *until, request.made.time, &request.asker));
            }
        }
        Operation::Close { ports } => ports.iter().for_each(|port| after.close(port)),
        Operation::CloseAll {} => after.close_all(),
        _ => {}
    }
    after.openings
}

/// `for this network until 17:30`
fn terms(from: &Source, (until, kind): (Option<Seconds>, EndKind), now: Seconds) -> String {
    let clock = |until| time_of_day(until, now, &crate::os::zone());
    let until = match (until, kind) {
        (Some(until), EndKind::Evening) => format!("the evening ({})", clock(until)),
        (Some(until), _) => clock(until),
        (None, EndKind::Restart) => "this Mac restarts".to_owned(),
        (None, _) => "it is closed".to_owned(),
    };
    // It is the one place where it is decided.
    let risk = if *from == Source::Any { " (each client can run code as you)" } else { "" };
    format!("for {} until {until}{risk}", from.in_full())
}

/// `port 2345 (dlv)`, `ports 2345 (dlv), 9229 (node)`. Each is named, however many there are.
fn port_words(ports: &[NamedPort]) -> String {
    let named: Vec<String> = ports.iter().map(NamedPort::to_string).collect();
    match ports {
        [one] if one.range.as_single().is_some() => format!("port {one}"),
        _ => format!("ports {}", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ledger::MayBeOpen;
    use crate::rules::sample::opening;

    fn said(words: &str) -> String {
        said_of(words, &PromptFacts::default())
    }

    fn said_of(words: &str, facts: &PromptFacts) -> String {
        let words = format!("{words} --made 2026-11-25T12:00:00Z --boot B --clock 1 --asker ada");
        describe(&Request::parse(words.split(' ')).unwrap(), facts)
    }

    /// The guard is on; 9229 is open for one host, 5005 for anyone, 2345 is closed.
    fn ledger() -> Ledger {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        ledger.manage(&NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() });
        let host = Source::Hosts { hosts: vec!["10.0.0.1/32".parse().unwrap()] };
        ledger.open(Opening { from: host, ..opening("9229", "any", 5) });
        ledger.open(opening("5005", "any", 5));
        ledger
    }

    #[test]
    fn all_that_will_happen_is_named() {
        assert_eq!(
            said("open 2345=dlv --from lan:192.168.1.0/24"),
            "Portcullis wants to open port 2345 (dlv) for this network (192.168.1.0/24) until it is closed."
        );
        assert_eq!(
            said(
                "open 7001,7002,7003,7004,7005 --from hosts:10.0.0.1/32,10.0.0.2/32,10.0.0.3/32,10.0.0.4/32"
            ),
            "Portcullis wants to open ports 7001, 7002, 7003, 7004, 7005 for 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4 until it is closed."
        );
        assert_eq!(
            said("guard on --managed 2345=dlv,9229=node --way classic --may edit-conf,load-conf,install"),
            "Portcullis wants to turn the firewall on; block ports 2345 (dlv), 9229 (node) from other machines; \
             edit /etc/pf.conf; load /etc/pf.conf; and install the part that closes ports in time."
        );
        assert_eq!(said("guard on"), "Portcullis wants to turn the firewall on.");
        assert_eq!(
            said("close 2345 --managed 9229"),
            "Portcullis wants to close port 2345; and block port 9229 from other machines."
        );
        assert_eq!(
            said("log 90"),
            "Portcullis wants to record the headers of what the firewall logs for 1 h 30 min."
        );
        assert!(said("log 45").ends_with("for 45 min.") && said("log 720").ends_with("for 12 h."));
        // What a menu shows is looked at, and nothing else.
        assert_eq!(said("status --shown 2345"), "Portcullis wants to look at the firewall.");
    }

    #[test]
    fn what_ends_is_said() {
        let facts = PromptFacts { ends: 2, ..PromptFacts::default() };
        assert_eq!(
            said_of("guard on --managed 9229=node", &facts),
            "Portcullis wants to turn the firewall on; and block port 9229 (node) from other machines, which ends 2 \
             connections."
        );
    }

    #[test]
    fn an_interrupted_change_is_said_whatever_is_asked() {
        let dlv =
            MayBeOpen { name: "dlv".parse().unwrap(), port: "2345".parse().unwrap(), from: Source::Any };
        let interrupted = |open| Some(Changing { since: 1, pid: 1, open });
        let facts = PromptFacts { interrupted: interrupted(vec![dlv]), ..PromptFacts::default() };
        let undoing = "; and undo a change that was interrupted, by which port 2345 (dlv) may be open.";
        for words in [
            "status",
            "tick",
            "close 5005",
            "close-all",
            "guard on",
            "guard off",
            "undo 3",
            "uninstall",
            "log 5",
        ] {
            assert!(said_of(words, &facts).ends_with(undoing), "{}", said_of(words, &facts));
        }
        let facts = PromptFacts { interrupted: interrupted(Vec::new()), ..PromptFacts::default() };
        // What was asked last is undone.
        assert_eq!(
            said_of("tick", &facts),
            "Portcullis wants to close the ports whose time is over; and undo a change that was interrupted."
        );
        assert!(said("tick").ends_with("where it was last asked to be."));
    }

    #[test]
    fn turning_back_says_who_is_let_in_and_what_is_closed() {
        let (now, none) = (ledger(), Ledger::default());
        let mut closed = ledger();
        closed.close_all();
        let of = |words: &str, ledger: &Ledger, back: &Ledger| {
            let (ledger, back) = (ledger.clone(), Some(back.clone()));
            said_of(words, &PromptFacts { ledger, back, ..PromptFacts::default() })
        };
        let (dlv, node, jdwp) = ("2345 (dlv)", now.openings[1].named_port(), now.openings[0].named_port());
        assert_eq!(
            of("undo 8 --open 5005,9229", &closed, &now),
            "Portcullis wants to turn back change 8; open port 5005 again for anyone until it is closed (each client can run code as you); \
             and open port 9229 again for 10.0.0.1 until it is closed."
        );
        assert_eq!(
            of("undo 8", &now, &closed),
            format!("Portcullis wants to turn back change 8; and close ports {jdwp}, {node}.")
        );
        assert_eq!(
            of("undo 8 --guard on", &none, &closed),
            format!(
                "Portcullis wants to turn back change 8; block ports {dlv}, {jdwp}, {node} from other machines; \
                 and turn the firewall on."
            )
        );
    }

    #[test]
    fn what_is_open_is_not_said_to_be_blocked_from_all() {
        let facts = PromptFacts { ledger: ledger(), pf_is_on: true, ..PromptFacts::default() };
        assert_eq!(
            said_of("guard on --managed 2345=dlv,5005,9229", &facts),
            "Portcullis wants to keep the firewall on; block port 2345 (dlv) from other machines; \
             block port 5005 once closed; and block port 9229 from all but 10.0.0.1."
        );
    }

    #[test]
    fn only_what_may_be_edited_is_said_to_be() {
        assert!(!said("uninstall").contains("pf.conf"));
        assert!(said("uninstall --may edit-conf").contains("take its block out of /etc/pf.conf, and remove"));
    }

    #[test]
    fn an_end_on_another_day_has_its_date() {
        let end = said("open 2345 --from any --until 2026-11-29T12:00:00Z");
        assert!(end.contains("until 2026-11-") && end.contains(":00 (each"), "{end}");
        let soon = said("open 2345 --from any --until 2026-11-25T12:00:01Z");
        assert!(!soon.contains("2026"), "{soon}");
    }
}
