//! `portcullis explain PORT`: whether pf lets a connection in, and which rule decides.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::files::IncludedFiles;
use super::show::{print, print_json};
use portcullis::app::{App, AppError};
use portcullis::os;
use portcullis::pf::criteria::Family;
use portcullis::pf::explain::{Explanation, From, Question, ask};
use portcullis::pf::origin::{Both, PerOrigin};
use portcullis::pf::parse::{Fault, parse};
use portcullis::pf::rulesets::{Listing, Rulesets};
use portcullis::pf::verdict::Decision;
use portcullis::prefs::{Preferences, ports_of};
use portcullis::status::{PfState, Report, usable};
use portcullis::{firewall, port};

pub const AFTER_HELP: &str = "Exit status: 0 passed, 1 blocked, 3 not known, 2 bad input. Without --conf: the rules \
that root last saw (`portcullis status --check` has root look).";

#[derive(Debug, clap::Args)]
pub struct Options {
    /// The port, or its name
    port: String,
    /// Who connects: an address, or loopback, network (the networks of the Mac), anyone
    #[arg(long, value_name = "ADDR", default_value = "network", value_parser = read_from)]
    from: From,
    /// The interface that the connection comes in by
    #[arg(long, value_name = "IF")]
    on: Option<String>,
    /// Explain this file instead of the rules that are loaded
    #[arg(long, value_name = "FILE")]
    pub conf: Option<PathBuf>,
    /// The folder that stands for /etc/pf.anchors
    #[arg(long, value_name = "DIR", requires = "conf")]
    anchors: Option<PathBuf>,
}

fn read_from(text: &str) -> Result<From, String> {
    match text {
        "loopback" => Ok(From::Loopback),
        "network" | "lan" => Ok(From::Network),
        "anyone" | "any" => Ok(From::Anyone),
        _ => text
            .parse::<IpAddr>()
            .map(From::Host)
            .map_err(|_| "say an address, or loopback, network or anyone".to_owned()),
    }
}

/// What is printed in JSON.
#[derive(Serialize)]
struct Answered {
    version: u32,
    #[serde(flatten)]
    explanation: Explanation,
    /// The answers for everybody, in short.
    answers: PerOrigin<Both<Decision>>,
    problems: Vec<String>,
}

/// What is printed in JSON where no rule could be asked.
#[derive(Serialize)]
struct Unasked<'a> {
    version: u32,
    verdict: &'static str,
    sentence: &'a str,
    because: &'a str,
    rule: Option<()>,
    trail: [(); 0],
    notes: [(); 0],
}

/// Explains a file. Exit status: see [`AFTER_HELP`].
pub fn offline(options: &Options, json: bool) -> u8 {
    let bad = |message: String| {
        super::show::message(&message, json);
        2
    };
    let Some(conf) = &options.conf else { return bad("no file was given".to_owned()) };
    let port = match port_of(&options.port, &Preferences::default()) {
        Ok(port) => port,
        Err(error) => return bad(error.to_string()),
    };
    let mut files = IncludedFiles::new(options.anchors.clone());
    let text = match files.main(conf) {
        Ok(text) => text,
        Err(message) => return bad(message),
    };
    let name = conf.display().to_string();
    let (loaded, problems) = Rulesets::from_conf(&name, &text, &mut |path| files.include(path));
    let doubts = parse(&name, &text, &mut |path| files.include(path)).doubts;
    let mistakes = problems.iter().filter(|problem| problem.fault != Fault::File).count();
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let mut notes = files.notes(&problems);
    if mistakes > 0 {
        let them = if mistakes == 1 { "its mistake is" } else { "its mistakes are" };
        notes.insert(
            0,
            format!("pfctl loads nothing of this file until {them} mended; this is what the rest would do"),
        );
    }
    notes.extend(doubts.iter().map(|doubt| {
        format!(
            "macOS's pfctl minds this, by all that is known of it: {}:{}: {}",
            doubt.path, doubt.line, doubt.message
        )
    }));
    answer(&loaded.with_assumed_interfaces(options.on.as_deref()), options, port, notes, problems, json)
}

/// Explains the rules that root last saw.
pub fn live(app: &App, options: &Options, json: bool) -> Result<u8, AppError> {
    let port = port_of(&options.port, &app.preferences()?)?;
    let fact = app.report();
    let report = match usable(&fact, os::now(), &os::boot_id()?) {
        Ok(report) => report,
        Err(because) => {
            let sentence = format!(
                "whether pf lets it in is not known: {because}; look now with `portcullis status --check`"
            );
            return Ok(unasked(Decision::Unknown, &sentence, &because, json));
        }
    };
    match &report.pf {
        PfState::Enabled => {}
        PfState::Disabled => {
            let sentence =
                format!("passed: pf is off and filters nothing, so nothing keeps anybody from port {port}");
            return Ok(unasked(Decision::Pass, &sentence, "pf is off", json));
        }
        PfState::Unknown(text) => {
            let because = format!("pf's answer was not understood: {text}");
            return Ok(unasked(
                Decision::Unknown,
                &format!("whether pf lets it in is not known: {because}"),
                &because,
                json,
            ));
        }
    }
    let loaded = loaded(report).with_interfaces(firewall::interfaces(app.system()));
    let age = portcullis::status::duration(os::now().saturating_sub(report.seen));
    Ok(answer(
        &loaded,
        options,
        port,
        vec![format!("by the rules that root saw {age} ago")],
        Vec::new(),
        json,
    ))
}

/// What pf held when root looked.
pub fn loaded(report: &Report) -> Rulesets {
    let listings = report.rulesets.iter().map(|(anchor, rules)| {
        (anchor.as_str(), Listing { rules: &rules.rules, nat: &rules.nat, tables: &rules.tables })
    });
    Rulesets::from_listings(listings, report.skip.iter().map(String::as_str)).0
}

fn port_of(text: &str, preferences: &Preferences) -> Result<u16, port::PortError> {
    // The first of a range is asked about, and a note says so.
    ports_of(text, preferences).map(|ports| ports.first().map_or(0, |managed| managed.port.first()))
}

fn answer(
    loaded: &Rulesets,
    options: &Options,
    port: u16,
    notes: Vec<String>,
    problems: Vec<String>,
    json: bool,
) -> u8 {
    let from = match (options.from, options.on.as_deref()) {
        // Nothing but this Mac comes in by lo0.
        (From::Network, Some(on)) if on.starts_with("lo") => From::Loopback,
        (from, _) => from,
    };
    if let (From::Loopback, Some(on)) = (from, options.on.as_deref().filter(|on| !on.starts_with("lo"))) {
        let message = format!("a connection from this Mac itself goes over lo0, not {on}: leave --on out");
        super::show::message(&message, json);
        return 2;
    }
    let families = match from {
        From::Host(IpAddr::V6(_)) => vec![Family::Inet6],
        From::Host(IpAddr::V4(_)) => vec![Family::Inet],
        _ => vec![Family::Inet, Family::Inet6],
    };
    let mut asked = families
        .into_iter()
        .map(|family| ask(loaded, &Question { port, from, family, interface: options.on.clone() }));
    let Some(mut explanation) = asked.next() else { return 2 };
    // IPv4 speaks for both, unless IPv6 fares otherwise.
    if let Some(six) = asked.next().filter(|six| six.verdict != explanation.verdict) {
        explanation.sentence += &format!("; over IPv6: {}", six.sentence);
        explanation.trail.extend(six.trail);
        explanation.notes.extend(six.notes.into_iter().map(|note| format!("over IPv6: {note}")));
    }
    explanation.notes.extend(notes);
    if options.port.contains(['-', ':', ',']) {
        explanation.notes.push(format!("port {port} was asked about, of {}", options.port));
    }
    if options.conf.is_some() && from != From::Loopback {
        let Explanation { from, interface, .. } = &explanation;
        explanation
            .notes
            .push(format!("asked for {from}, which comes in by {interface}: see --from and --on"));
    }
    let status = exit_status(explanation.verdict);
    if json {
        let answers = PerOrigin::of(|origin| {
            let question = |family| Question { port, from: origin.into(), family, interface: None };
            Both { v4: Family::Inet, v6: Family::Inet6 }.map(|family| ask(loaded, &question(family)).verdict)
        });
        print_json(&Answered { version: 1, explanation, answers, problems });
    } else {
        let mut text = explanation.to_string();
        if !problems.is_empty() {
            text += "\nproblems; what could not be read is taken for a rule that may do anything:\n";
            text.extend(problems.iter().map(|problem| format!("{problem}\n")));
        }
        print(&text);
    }
    status
}

fn unasked(outcome: Decision, sentence: &str, because: &str, json: bool) -> u8 {
    let verdict = match outcome {
        Decision::Pass => "pass",
        Decision::Block => "block",
        Decision::Unknown => "unknown",
    };
    if json {
        print_json(&Unasked { version: 1, verdict, sentence, because, rule: None, trail: [], notes: [] });
    } else {
        print(&format!("{sentence}\n"));
    }
    exit_status(outcome)
}

fn exit_status(outcome: Decision) -> u8 {
    match outcome {
        Decision::Pass => 0,
        Decision::Block => 1,
        Decision::Unknown => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_connects_reads() {
        assert_eq!(read_from("lan"), Ok(From::Network));
        assert_eq!(read_from("fe80::1"), Ok(From::Host("fe80::1".parse().unwrap())));
        assert!(read_from("10.0.0.0/8").is_err());
    }
}
