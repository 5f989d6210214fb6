//! Many helpers at once with requests that clash: some order explains how it ends, and the audit has a line for each.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fastrand::Rng;
use serde_json::Value;

use crate::helper::{self, Answer, Ask, Outcome, Source};
use crate::image::{Entry, Image};
use crate::intent::{Guard, Intent, Open, Whom};
use crate::judge::{Findings, Moment, Reference, Wrong};
use crate::scenarios::{Before, Scenario};
use crate::trial::{Workplace, furnish};

/// How many helpers start at once.
const AT_ONCE: usize = 20;
/// Every so many rounds the audit is made so long that it is rotated within the round.
const ROTATED_EVERY: usize = 10;
/// Past how many bytes it is rotated.
const ROTATED_AT: usize = 1024 * 1024;
const AUDIT: &str = "/Library/Logs/Portcullis/audit.jsonl";
const DLV: &[(&str, u16)] = &[("dlv", 2345)];
const NODE: &[(&str, u16)] = &[("node", 9229)];
const JDWP: &[(&str, u16)] = &[("jdwp", 5005)];
const BOTH: &[(&str, u16)] = &[("dlv", 2345), ("node", 9229)];
const LAN: Source = Source::Lan(&["192.168.1.0/24"]);
const HOSTS: Source = Source::Hosts(&["10.1.2.3/32"]);

/// What came of all rounds.
#[derive(Default)]
pub struct Together {
    pub rounds: usize,
    pub requests: usize,
    /// Requests that were refused, and changed nothing: the lock was not to be had for so long.
    pub refused: usize,
    pub unexplained: usize,
    /// Requests without a line in the audit, or with more than one.
    pub unwritten: usize,
    pub found: Findings,
}

/// Goes through so many rounds.
pub fn run(folder: &Path, rounds: usize, now: i64) -> io::Result<Together> {
    let work = Workplace::new(folder)?;
    let guard = Ask::Guard { on: true, way: None };
    let before = vec![Before::Shared, Before::Asked(guard)];
    let scenario = Scenario { name: "together", before, ask: Ask::Tick, recovery: false };
    let mut start = furnish(&work, &scenario, now)?;
    let mut together = Together::default();
    let mut random = Rng::with_seed(1);
    for round in 0..rounds {
        if round % ROTATED_EVERY == ROTATED_EVERY - 1 {
            fill_audit(&work.stage.lab)?;
        }
        let asks: Vec<Ask> = (0..AT_ONCE).map(|index| ask(&mut random, index)).collect();
        let asker = |index: usize| format!("round{round}-{index}");
        let answers = at_once(&work, &asks, &asker, now)?;
        let end = Moment::of(Image::read(&work.stage.lab)?);
        together.rounds += 1;
        together.requests += asks.len();
        judge(round, &asks, &answers, &start, &end, now, &mut together);
        let lines = audit_lines(&end.image, &mut together.found, round);
        for index in 0..asks.len() {
            if lines.get(&asker(index)) != Some(&1) {
                together.unwritten += 1;
            }
        }
        start = end;
    }
    Ok(together)
}

/// Starts all of them, then waits for all of them.
fn at_once(
    work: &Workplace,
    asks: &[Ask],
    asker: &dyn Fn(usize) -> String,
    now: i64,
) -> io::Result<Vec<Result<Answer, String>>> {
    let start = |(index, ask): (usize, &Ask)| -> io::Result<Child> {
        let arguments = helper::arguments(&work.stage.lab, ask, &asker(index), now);
        let arguments = arguments.ok_or_else(|| io::Error::other("the helper has no such request"))?;
        Command::new(&work.stage.helper)
            .args(arguments)
            .env_clear()
            .env("USER", asker(index))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    };
    let started: io::Result<Vec<Child>> = asks.iter().enumerate().map(start).collect();
    let ended = started?.into_iter().map(|child| {
        let output = child.wait_with_output()?;
        Ok(Answer::read(&String::from_utf8_lossy(&output.stdout), output.status.code()))
    });
    ended.collect()
}

fn judge(
    round: usize,
    asks: &[Ask],
    answers: &[Result<Answer, String>],
    start: &Moment,
    end: &Moment,
    now: i64,
    together: &mut Together,
) {
    let mut carried_out = Vec::new();
    for (ask, answer) in asks.iter().zip(answers) {
        match answer {
            Ok(answer) if answer.ok => carried_out.push(ask),
            Ok(answer) if answer.outcome == Outcome::Unchanged => together.refused += 1,
            other => {
                together.found.0.push((Wrong::Lies, format!("round {round}: {ask:?}: {other:?}")));
            }
        }
    }
    let (Ok(old), Ok(new)) = (&start.ledger, &end.ledger) else {
        together.found.0.push((Wrong::Torn, format!("round {round}: the ledger does not read")));
        return;
    };
    if !is_explained(old, new, &carried_out, now) {
        together.unexplained += 1;
    }
    match Reference::new(start.clone(), end.clone(), &[]) {
        Ok(reference) => {
            together.found.take_in(&format!("round {round}"), reference.finally(end, new));
        }
        Err(why) => together.found.0.push((Wrong::Torn, format!("round {round}: {why}"))),
    }
}

/// What a request sets, whatever was before: ports, open or closed, and the guard.
fn effect(ask: &Ask, ports: &BTreeSet<u16>, now: i64) -> (BTreeMap<u16, Option<Open>>, Option<Guard>) {
    let closed = |ports: &mut dyn Iterator<Item = u16>| ports.map(|port| (port, None)).collect();
    match ask {
        Ask::Open { ports, from, lasts, .. } => {
            let networks = |list: &[&str]| list.iter().filter_map(|text| text.parse().ok()).collect();
            let whom = match from {
                Source::Any => Whom::Anyone,
                Source::Hosts(list) => Whom::Hosts(networks(list)),
                Source::Lan(list) => Whom::Lan { network: None, addresses: networks(list) },
            };
            let until = lasts.map(|seconds| now + seconds);
            let now = Some(whom.clone());
            let open = Open { whom, now, until, clocked: until.is_some(), ends: BTreeSet::new() };
            (ports.iter().map(|(_, port)| (*port, Some(open.clone()))).collect(), None)
        }
        Ask::Close(ports) => (closed(&mut ports.iter().map(|(_, port)| *port)), None),
        Ask::CloseAll => (closed(&mut ports.iter().copied()), None),
        Ask::Guard { on, .. } => (BTreeMap::new(), Some(if *on { Guard::On } else { Guard::Off })),
        _ => (BTreeMap::new(), None),
    }
}

/// Whether some order of the requests leads from one ledger to the other. From the last one back: a request can be
/// the last where all that it sets is as in the end; what it sets is then free for those before it.
fn is_explained(old: &Intent, new: &Intent, asks: &[&Ask], now: i64) -> bool {
    let ports: BTreeSet<u16> = [2345, 9229, 5005].into();
    let same = |port: &u16, open: &Option<Open>| match (new.open.get(port), open) {
        (None, None) => true,
        // Which network it was is not what is asked about here.
        (Some(is), Some(set)) => {
            is.until == set.until && std::mem::discriminant(&is.whom) == std::mem::discriminant(&set.whom)
        }
        _ => false,
    };
    let mut left: Vec<_> = asks.iter().map(|ask| effect(ask, &ports, now)).collect();
    let (mut free, mut guard_is_free) = (BTreeSet::new(), false);
    while !left.is_empty() {
        let fits = |(set, guard): &(BTreeMap<u16, Option<Open>>, Option<Guard>)| {
            set.iter().all(|(port, open)| free.contains(port) || same(port, open))
                && guard.is_none_or(|guard| guard_is_free || guard == new.guard)
        };
        let Some(last) = left.iter().position(fits) else { return false };
        let (set, guard) = left.swap_remove(last);
        free.extend(set.into_keys());
        guard_is_free |= guard.is_some();
    }
    let untouched = ports.iter().filter(|port| !free.contains(*port));
    untouched.into_iter().all(|port| new.open.get(port) == old.open.get(port))
        && (guard_is_free || new.guard == old.guard)
}

/// A request; the end of an opening tells which one it was.
fn ask(random: &mut Rng, index: usize) -> Ask {
    let ports = [DLV, NODE, JDWP, BOTH][random.usize(..4)];
    let from = [Source::Any, LAN, HOSTS][random.usize(..3)];
    match random.usize(..12) {
        0..6 => {
            let lasts = Some(3600 + i64::try_from(index).unwrap_or_default());
            Ask::Open { ports, from, lasts, guard: false }
        }
        6..9 => Ask::Close(ports),
        9 => Ask::CloseAll,
        10 => Ask::Guard { on: random.usize(..2) == 0, way: None },
        _ => Ask::Tick,
    }
}

/// Adds lines to the audit until little room is left.
fn fill_audit(lab: &Path) -> io::Result<()> {
    const ROOM: usize = 2000;
    let place = lab.join(AUDIT.trim_start_matches('/'));
    let length = usize::try_from(place.metadata()?.len()).unwrap_or(usize::MAX);
    let mut file = std::fs::OpenOptions::new().append(true).open(place)?;
    let line = format!("{{\"version\":1,\"asker\":\"filler\",\"message\":\"{}\"}}\n", "x".repeat(400));
    let count = ROTATED_AT.saturating_sub(length + ROOM) / line.len();
    file.write_all(line.repeat(count).as_bytes())
}

/// How many lines each asker has, in all files of the audit.
fn audit_lines(image: &Image, found: &mut Findings, round: usize) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for (path, entry) in image.below(AUDIT.trim_end_matches(".jsonl")) {
        let Entry::File { bytes, .. } = entry else { continue };
        for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice::<Value>(line) {
                Ok(line) => {
                    let asker = line.get("asker").and_then(Value::as_str).unwrap_or_default();
                    *lines.entry(asker.to_owned()).or_default() += 1;
                }
                Err(_) => {
                    found
                        .0
                        .push((Wrong::Torn, format!("round {round}: {path} has a line that is not whole")));
                }
            }
        }
    }
    lines
}
