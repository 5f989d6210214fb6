//! pf, our rules in it, and the Application Firewall.

use super::facts::DoctorFacts;
use super::finding::{Finding, Level, finding, shortened};
use crate::diagnosis::Answer;
use crate::pf::explain::SomeClients;
use crate::pf::grounds::DecidingRule;
use crate::pf::on_disk::OnDisk;
use crate::pf::parse::parse_listing;
use crate::port::PortRange;
use crate::report::{ForeignPlace, Note, PfState, Report, RulesetsReport};
use crate::rules::ledger::{Attachment, Guard};
use crate::status::wording::unusable_ledger;
use crate::status::{AppFirewall, FirewallState, GuardEffect, way_back};

pub fn pf(facts: &DoctorFacts) -> Vec<Finding> {
    let Some(firewall) = &facts.firewall else { return vec![] };
    let (level, what, next) = match firewall.state {
        FirewallState::Enabled => (Level::Fine, "pf is on", ""),
        FirewallState::Disabled => (
            Level::Advice,
            "pf is off: it blocks nothing, and an opened port is no more open than any other",
            "turn the guard on if closed ports are to be blocked: `portcullis guard on`",
        ),
        FirewallState::Unknown => {
            (Level::Unknown, "what pf does is not known", "let root look: `portcullis status --check`")
        }
    };
    let interrupted = facts.interrupted.then(|| {
        let what = "a change was interrupted: pf may let in more than our rules say";
        finding(Level::Problem, "pf", what, "the ledger", "undo it: `portcullis repair`")
    });
    let pf = finding(level, "pf", what, &firewall.because, next);
    interrupted.into_iter().chain(let_in(facts)).chain([pf]).collect()
}

/// The ports that are not closed although our rules close them.
fn let_in(facts: &DoctorFacts) -> Option<Finding> {
    let first = facts.let_in.first()?;
    let ports = facts.let_in.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let what = format!("our rules close {ports}, and pf lets other machines in");
    let verdict = facts.seen.as_ref()?.verdicts.iter().find(|verdict| verdict.port == first.range);
    let why = verdict.and_then(|verdict| verdict.why(Answer::Yes)).map(ToString::to_string);
    let next = facts.seen.as_ref().map(|seen| way_back(seen, first.range)).unwrap_or_default();
    Some(finding(Level::Problem, "pf", what, &why.unwrap_or_default(), &next))
}

/// Whether our rules are there and evaluated, and which rules are there besides.
pub fn anchors(facts: &DoctorFacts) -> Vec<Finding> {
    // What is said of /etc/pf.conf has a finding of its own.
    let of_conf = facts.on_disk.as_ref().map(OnDisk::with_next_step);
    let notes = facts.notes.iter().filter(|note| of_conf.as_ref() != Some(note));
    let notes = notes.map(|note| of_note(facts, note));
    let of_report = facts.seen.iter().zip(&facts.rulesets).flat_map(|(seen, loaded)| {
        skipped_interfaces(loaded)
            .into_iter()
            .chain(our_rules(facts, seen, loaded))
            .chain(rules_of_others(loaded))
    });
    let of_guard = facts.seen.as_ref().and_then(|seen| guard_in_vain(seen, facts.rulesets.is_some()));
    notes.chain(of_guard).chain(of_report).collect()
}

fn of_note(facts: &DoctorFacts, text: &str) -> Finding {
    if facts.preferences_problem.as_deref() == Some(text) {
        return finding(Level::Problem, "preferences", text, "that file", "");
    }
    if facts.ledger_problem.as_deref().is_some_and(|because| unusable_ledger(because) == text) {
        let next = "begin a new one, in which everything is closed: `portcullis close --all`";
        return finding(Level::Problem, "pf", text, "the ledger", next);
    }
    let mut seen = facts.seen.iter().flat_map(|seen| &seen.notes);
    let Some(note) = seen.find(|note| note.to_string() == text) else {
        return finding(Level::Advice, "pf", text, "", "");
    };
    let evidence = rule_of_note(facts, note);
    let evidence = evidence.as_deref().unwrap_or("what root saw of pf, and /etc/pf.anchors");
    let (level, next) = judged(note);
    finding(level, "pf", text, evidence, &next)
}

/// How much a note matters, and what to do where it does not say so itself.
fn judged(note: &Note) -> (Level, String) {
    match note {
        Note::ForeignRule { place: ForeignPlace::File { path, .. }, .. } => {
            (Level::Advice, format!("see what it would do: look at {path}"))
        }
        Note::ForeignRule { port, .. } => {
            (Level::Advice, format!("see what it does: `portcullis explain {port}`"))
        }
        Note::Exception { clients, ports, answer, .. } => {
            let port = ports.first().map(|range| range.first()).unwrap_or_default();
            // Clients are named where a rule is about the port: it keeps out some that the port was opened for.
            let is_shut_out = *answer == Answer::No && matches!(clients, SomeClients::Network(_));
            let level = if is_shut_out { Level::Problem } else { Level::Advice };
            let next = match clients.asked_for() {
                Some(client) => format!("see the rule: `portcullis explain {port} {client}`"),
                None => format!(
                    "see the rule: `portcullis explain {port} --from ADDRESS`, with an address that it names"
                ),
            };
            (level, next)
        }
        Note::NotEvaluated { .. } | Note::PfStaysOff => (Level::Problem, String::new()),
        Note::ClassicCallStays | Note::TornBlock | Note::UnreadConf | Note::BlockStays => {
            (Level::Advice, String::new())
        }
    }
}

/// The rule that a note speaks of, where this user may read the rules.
fn rule_of_note(facts: &DoctorFacts, note: &Note) -> Option<String> {
    let loaded = facts.rulesets.as_ref()?;
    let rules = |anchor: &str| Some(parse_listing(anchor, &loaded.rulesets.get(anchor)?.rules).ruleset);
    match note {
        Note::ForeignRule { place: ForeignPlace::File { .. }, .. } => None,
        Note::ForeignRule { place, port } => {
            let anchor = if let ForeignPlace::Anchor(path) = place { path } else { "" };
            let rules = rules(anchor)?;
            let (_, rule) = rules.first_about(&[PortRange::single(*port)?])?;
            Some(format!("`{}`", shortened(&rule.to_string())))
        }
        Note::Exception { rule: Some(DecidingRule { anchor, number, .. }), .. } => {
            let rules = rules(anchor)?;
            Some(format!("rule {number}: `{}`", shortened(&rules.filter.get(*number)?.item.to_string())))
        }
        _ => None,
    }
}

/// That the guard is without effect, as far as the verdicts show it: rules that can be read show more of ours.
fn guard_in_vain(seen: &Report, are_rules_read: bool) -> Option<Finding> {
    let effect = GuardEffect::of(seen);
    let port = seen.verdicts.first().map_or(0, |verdict| verdict.port.first());
    let (what, next) = match effect {
        GuardEffect::Gone if !are_rules_read => (
            "our rules are gone from pf: something has reloaded it",
            effect.remedy().unwrap_or_default().to_owned(),
        ),
        GuardEffect::Overruled => (
            "the guard is on, and without effect: rules of others decide before ours",
            format!("see which, as an administrator: `portcullis explain {port}`"),
        ),
        _ => return None,
    };
    Some(finding(Level::Problem, "pf", what, "what root saw of pf", &next))
}

fn skipped_interfaces(loaded: &RulesetsReport) -> Vec<Finding> {
    let skipped = loaded.skip.iter().filter(|name| !name.starts_with("lo"));
    skipped
        .map(|interface| {
            let what = format!("pf does not look at {}: no rule holds there", interface.escape_debug());
            let next = "take it out of `set skip on` in /etc/pf.conf, if that is not meant";
            finding(Level::Advice, "pf", what, "set skip on", next)
        })
        .collect()
}

/// `None` where no rules of ours are to be there.
fn our_rules(facts: &DoctorFacts, seen: &Report, loaded: &RulesetsReport) -> Option<Finding> {
    let are_wanted = seen.guard == Guard::On || !seen.openings.is_empty();
    let way = seen.way.filter(|_| are_wanted && seen.pf == PfState::Enabled)?;
    let call = match way {
        Attachment::Apple => "com.apple/*",
        Attachment::Classic => way.anchor(),
    };
    let rules =
        |anchor: &str| loaded.rulesets.get(anchor).map(|rules| rules.rules.trim()).unwrap_or_default();
    let main = parse_listing("main ruleset", rules("")).ruleset;
    let mut called = main.filter.iter().filter_map(|rule| rule.item.anchor.as_ref()?.path.as_ref());
    let repair = "load them again: `portcullis guard on`, or `portcullis open PORT`";
    Some(if rules(way.anchor()).is_empty() {
        let what = format!("our rules are gone from the anchor {}: something has reloaded pf", way.anchor());
        finding(Level::Problem, "pf", what, "pfctl -a … -s rules", repair)
    } else if !called.any(|anchor| anchor.to_string() == call) {
        // It is said once: of Apple's anchors, or by the note that every other face shows.
        let is_noted = seen.notes.iter().any(|note| matches!(note, Note::NotEvaluated { .. }));
        if is_noted || matches!(facts.on_disk, Some(OnDisk::AppleUncalled { .. })) {
            return None;
        }
        let what =
            format!("the main ruleset does not call the anchor {call}, so our rules are not evaluated");
        let step = match way {
            Attachment::Apple => "load this Mac's own rules again: `sudo pfctl -f /etc/pf.conf`",
            Attachment::Classic => "have /etc/pf.conf call it again: `portcullis repair`",
        };
        finding(Level::Problem, "pf", what, "pfctl -s rules", step)
    } else {
        let what = format!("our rules are loaded, in the anchor {}", way.anchor());
        finding(Level::Fine, "pf", what, "pfctl -a … -s rules", "")
    })
}

fn rules_of_others(loaded: &RulesetsReport) -> Option<Finding> {
    let ours = [Attachment::Apple.anchor(), Attachment::Classic.anchor()];
    let others = loaded.rulesets.iter().filter(|(anchor, rules)| {
        let is_anchor = !anchor.is_empty() && !ours.contains(&anchor.as_str());
        is_anchor && !(rules.rules.trim().is_empty() && rules.nat.trim().is_empty())
    });
    let others: Vec<&str> = others.map(|(anchor, _)| anchor.as_str()).collect();
    (!others.is_empty()).then(|| {
        let what = format!("others have rules in {}", others.join(", ").escape_debug());
        let evidence = "pfctl -s Anchors; what they do with a port is in what is said of that port";
        finding(Level::Fine, "pf", what, evidence, "")
    })
}

pub fn app_firewall(facts: &DoctorFacts) -> Vec<Finding> {
    let about = "Application Firewall";
    let settings = "System Settings, Network, Firewall";
    let stealth = facts.stealth_mode.filter(|is_on| *is_on).map(|_| {
        let what =
            "stealth mode is on: where nothing listens, a connection times out instead of being refused";
        let next = "where one times out, see first whether the debugger listens: `portcullis status`";
        finding(Level::Advice, about, what, "socketfilterfw --getstealthmode", next)
    });
    let state = match &facts.app_firewall {
        None => vec![],
        Some(AppFirewall::Off) => {
            vec![finding(Level::Fine, about, "it is off", "socketfilterfw --getglobalstate", "")]
        }
        Some(AppFirewall::On) => vec![finding(
            Level::Advice,
            about,
            "it is on: other machines reach a debugger only if macOS is set to allow that program",
            "socketfilterfw --getglobalstate",
            &format!("look for the debugger in {settings}, Options"),
        )],
        Some(AppFirewall::BlockAll) => vec![finding(
            Level::Problem,
            about,
            "it blocks all incoming connections: no other machine reaches any debugger",
            "socketfilterfw --getblockall",
            &format!("allow incoming connections in {settings}, Options"),
        )],
        Some(AppFirewall::Unknown(why)) => {
            vec![finding(Level::Unknown, about, "it could not be read", why, &format!("look in {settings}"))]
        }
    };
    state.into_iter().chain(stealth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{LoadedRules, sample};

    fn loaded(rulesets: &[(&str, &str)]) -> RulesetsReport {
        let rulesets = rulesets.iter().map(|(anchor, rules)| {
            let rules = LoadedRules { rules: (*rules).into(), ..Default::default() };
            ((*anchor).to_owned(), rules)
        });
        let Report { seen, boot, .. } = sample::all_closed(vec![]);
        let skip = vec!["lo0".into(), "en0".into()];
        RulesetsReport {
            version: RulesetsReport::VERSION,
            seen,
            boot,
            rulesets: rulesets.collect(),
            skip,
            wanted: String::new(),
        }
    }

    #[test]
    fn rules_that_are_gone_or_never_evaluated() {
        let (main, ours) =
            ("anchor \"com.apple/*\" all\n", ("com.apple/100.dev.portcullis", "block drop in all\n"));
        for (rulesets, level, what) in [
            (&[("", main), ours][..], Level::Fine, "our rules are loaded"),
            (&[("", main)], Level::Problem, "our rules are gone"),
            (&[("", "pass all\n"), ours], Level::Problem, "does not call the anchor com.apple/*"),
            (&[("", main), ours, ("com.vpn", "pass all\n")], Level::Fine, "others have rules in com.vpn"),
            (&[("", main), ours], Level::Advice, "does not look at en0"),
        ] {
            let facts = DoctorFacts {
                seen: Some(sample::all_closed(vec![])),
                rulesets: Some(loaded(rulesets)),
                notes: vec!["a note".into()],
                ..DoctorFacts::default()
            };
            let findings = [pf(&facts), anchors(&facts)].concat();
            let found = findings.iter().find(|finding| finding.what.contains(what));
            assert_eq!(found.map(|finding| finding.level), Some(level), "{what}: {findings:#?}");
            assert!(findings.iter().any(|finding| finding.what == "a note"));
        }
    }
}
