//! `portcullis log`: what pf logged, from a capture of pflog0, once or as it grows.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::explain;
use super::files::IncludedFiles;
use super::show::{self, message, print, print_json};
use portcullis::app::{App, AppError};
use portcullis::os;
use portcullis::pf::explain::RuleText;
use portcullis::pf::rulesets::Rulesets;
use portcullis::pflog::follow::{FollowEvent, Follower};
use portcullis::pflog::{LogAction, LogDirection, LogEntry, PflogError, Reader, blocked};
use portcullis::root::record::Recording;
use portcullis::root::request::Request;
use portcullis::status::{Attempts, usable};

pub const AFTER_HELP: &str = "Without FILE: what Portcullis records. pf's log can be read by root alone, so root records it \
for a bounded time: `portcullis log --for 2h`, or `portcullis log --follow`, which starts that where it is not under way \
and shows it as it comes, until Ctrl-C or the recording's end.";

#[derive(Debug, clap::Args)]
pub struct Options {
    /// A capture: what `tcpdump -i pflog0 -w FILE` recorded [default: what Portcullis records]
    pub file: Option<PathBuf>,
    /// Go on showing what is logged; with --json one object on each line
    #[arg(long)]
    follow: bool,
    /// Only packets from or to this port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Name the rules by this pf.conf [default without FILE: by the rules that root last saw]
    #[arg(long, value_name = "PF.CONF")]
    conf: Option<PathBuf>,
    /// The folder that stands for /etc/pf.anchors
    #[arg(long, value_name = "DIR", requires = "conf")]
    anchors: Option<PathBuf>,
    /// Have root record for so long, such as 30m or 2h (asks for permission) [default with --follow: 1h]
    #[arg(long = "for", value_name = "TIME", value_parser = read_minutes, conflicts_with = "file")]
    minutes: Option<u16>,
    /// End the recording (asks for permission)
    #[arg(long, conflicts_with_all = ["file", "follow", "port", "conf", "minutes"])]
    stop: bool,
}

/// `90m`, `1h30m`: whole minutes, rounded up.
fn read_minutes(text: &str) -> Result<u16, String> {
    let max = Request::MAX_LOG_MINUTES;
    let time = text.parse::<jiff::SignedDuration>().ok();
    let minutes = time.map(|time| time.as_secs().saturating_add(59) / 60);
    let minutes = minutes.and_then(|minutes| u16::try_from(minutes).ok());
    let fits = |minutes: &u16| (1..=max).contains(minutes);
    minutes.filter(fits).ok_or_else(|| format!("say 1m to {}h, such as 30m or 1h30m", max / 60))
}

/// What a file holds. Exit status: 0, 1 where something in it cannot be understood, 2 where all of it cannot.
pub fn offline(options: &Options, file: &Path, json: bool) -> u8 {
    let rules = match Rules::of_conf(options) {
        Ok(rules) => rules.unwrap_or_else(|| Rules::unknown("name the rules with --conf")),
        Err(error) => {
            message(&error, json);
            return 2;
        }
    };
    if options.follow {
        if let Err(error) = std::fs::File::open(file) {
            message(&format!("{}: {}", file.display(), PflogError::from(error)), json);
            return 2;
        }
        return follow(file, options.port, &rules, json, &|| None);
    }
    let opened = std::fs::File::open(file).map_err(PflogError::from).and_then(Reader::new);
    match opened {
        Ok(reader) => shown(reader, options.port, &rules, None, json),
        Err(error) => {
            message(&format!("{}: {error}", file.display()), json);
            2
        }
    }
}

/// What Portcullis records, or a change of that. Exit status: as above; 1 where nothing was recorded yet.
pub fn live(app: &App, options: &Options, json: bool) -> Result<u8, AppError> {
    if options.stop {
        show::answer(&app.stop_log()?, None, json);
        return Ok(0);
    }
    let goes_on = || app.recording().is_some_and(|(_, goes_on)| goes_on);
    let minutes = options.minutes.or_else(|| (options.follow && !goes_on()).then_some(60));
    if let Some(minutes) = minutes {
        let answer = app.record_log(minutes)?;
        if !options.follow {
            show::answer(&answer, None, json);
            return Ok(0);
        }
        // What follows on standard output is packets alone.
        eprintln!("portcullis: {}", answer.message);
    }
    let rules = match Rules::of_conf(options) {
        Ok(rules) => rules.unwrap_or_else(|| Rules::of_root(app)),
        Err(error) => {
            message(&error, json);
            return Ok(2);
        }
    };
    let file = app.log_file();
    if options.follow {
        let ended = || match app.recording() {
            Some((_, true)) => None,
            Some((Recording { ended: Some(ended), .. }, _)) => {
                Some(format!("the recording ended: {}", ended.because))
            }
            _ => Some("the recording ended".to_owned()),
        };
        return Ok(follow(&file, options.port, &rules, json, &ended));
    }
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            message(
                "pf's log was not recorded yet: start with `portcullis log --follow`, or name a file",
                json,
            );
            return Ok(1);
        }
        Err(error) => {
            message(&format!("{}: {}", file.display(), PflogError::from(error)), json);
            return Ok(2);
        }
    };
    let recording = app.recording();
    if bytes.is_empty() {
        return Ok(shown(std::iter::empty(), options.port, &rules, recording, json));
    }
    match Reader::new(&bytes[..]) {
        Ok(reader) => Ok(shown(reader, options.port, &rules, recording, json)),
        Err(error) => {
            message(&format!("{}: {error}", file.display()), json);
            Ok(2)
        }
    }
}

/// The rules by which packets are told.
struct Rules {
    loaded: Result<Rulesets, String>,
}

impl Rules {
    fn unknown(because: impl Into<String>) -> Self {
        Rules { loaded: Err(because.into()) }
    }

    /// Those of the pf.conf that was named. Errors: it cannot be read.
    fn of_conf(options: &Options) -> Result<Option<Self>, String> {
        let Some(conf) = &options.conf else { return Ok(None) };
        let mut files = IncludedFiles::new(options.anchors.clone());
        let text = files.main(conf)?;
        let (loaded, _) =
            Rulesets::from_conf(&conf.display().to_string(), &text, &mut |path| files.include(path));
        Ok(Some(Rules { loaded: Ok(loaded) }))
    }

    /// Those that root last saw.
    fn of_root(app: &App) -> Self {
        let fact = app.report();
        let report = os::boot_id().map_err(|error| error.to_string());
        match report.and_then(|boot| usable(&fact, os::now(), &boot).cloned()) {
            Ok(report) => {
                let loaded =
                    explain::loaded(&report).with_interfaces(portcullis::firewall::interfaces(app.system()));
                Rules { loaded: Ok(loaded) }
            }
            Err(because) => Rules::unknown(because),
        }
    }

    fn of(&self, entry: &LogEntry) -> Result<RuleText, String> {
        self.loaded.as_ref().map_err(Clone::clone).and_then(|loaded| entry.rule_in(loaded))
    }
}

/// An entry in JSON.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    entry: &'a LogEntry,
    /// The rule, where it is known.
    logged_by: Option<RuleText>,
    /// Why it is not.
    not_known: Option<String>,
}

impl<'a> Shown<'a> {
    fn of(entry: &'a LogEntry, rules: &Rules) -> Self {
        match rules.of(entry) {
            Ok(rule) => Shown { entry, logged_by: Some(rule), not_known: None },
            Err(why) => Shown { entry, logged_by: None, not_known: Some(why) },
        }
    }

    /// `12:31:05  block in  en0    192.168.1.20:50000 -> 192.168.1.7:2345  (pf.conf:31 block return …)`
    fn line(&self) -> String {
        let entry = self.entry;
        let action = match entry.action {
            LogAction::Pass => "pass".to_owned(),
            LogAction::Block => "block".to_owned(),
            LogAction::Other(number) => format!("action {number}"),
        };
        let direction = match entry.direction {
            LogDirection::In => "in",
            LogDirection::Out => "out",
            LogDirection::Unknown => "?",
        };
        let end = |end: Option<_>| end.map_or_else(|| "?".to_owned(), |end| ToString::to_string(&end));
        let rule = match (&self.logged_by, entry.subrule, self.not_known.as_deref().unwrap_or_default()) {
            (Some(rule), ..) => format!("{}: {}", rule.place, rule.text),
            (None, Some(subrule), why) => format!("rule {subrule} of {}; {why}", entry.anchor),
            (None, None, why) => format!("rule {}; {why}", entry.rule),
        };
        let when = show::clock_with_seconds(i64::from(entry.seconds));
        let (interface, from, to) = (&entry.interface, end(entry.from), end(entry.to));
        format!("{when}  {action:<5} {direction:<3} {interface:<6} {from} -> {to}  ({rule})\n")
    }
}

fn concerns(entry: &LogEntry, port: Option<u16>) -> bool {
    port.is_none() || [entry.from, entry.to].iter().flatten().any(|end| end.port == port)
}

/// Everything at once.
fn shown(
    reader: impl Iterator<Item = Result<LogEntry, PflogError>>,
    port: Option<u16>,
    rules: &Rules,
    recording: Option<(Recording, bool)>,
    json: bool,
) -> u8 {
    #[derive(Serialize)]
    struct Logged<'a> {
        version: u32,
        entries: Vec<Shown<'a>>,
        blocked: std::collections::BTreeMap<u16, Attempts>,
        problems: Vec<String>,
        recording: Option<Recorded>,
    }
    #[derive(Serialize)]
    struct Recorded {
        since: i64,
        until: i64,
        under_way: bool,
        ended: Option<String>,
    }
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    for entry in reader {
        match entry {
            Ok(entry) if concerns(&entry, port) => entries.push(entry),
            Ok(_) => {}
            // The packet that is being written just now is no problem.
            Err(PflogError::Truncated(_)) if matches!(recording, Some((_, true))) => {}
            Err(error) => problems.push(error.to_string()),
        }
    }
    let blocked = blocked(&entries, 0);
    let status = u8::from(!problems.is_empty());
    let recording = recording.map(|(recording, under_way)| Recorded {
        since: recording.since,
        until: recording.ended.as_ref().map_or(recording.until, |ended| ended.at),
        under_way,
        ended: recording.ended.map(|ended| ended.because),
    });
    let shown: Vec<Shown<'_>> = entries.iter().map(|entry| Shown::of(entry, rules)).collect();
    if json {
        print_json(&Logged { version: 1, entries: shown, blocked, problems, recording });
        return status;
    }
    let mut text: String = shown.iter().map(Shown::line).collect();
    for (port, Attempts { attempts, last_from, .. }) in blocked {
        let plural = if attempts == 1 { "" } else { "s" };
        text += &format!("port {port}: {attempts} attempt{plural} blocked, the last from {last_from}\n");
    }
    text.extend(problems.iter().map(|problem| format!("! {problem}\n")));
    if let Some(Recorded { since, until, under_way, ended }) = recording {
        let (since, until) = (show::clock(since), show::clock(until));
        let goes_on = if under_way { ", and goes on" } else { "" };
        let ended = ended.map_or(String::new(), |because| format!(": {because}"));
        text += &format!("recorded from {since} until {until}{goes_on}{ended}\n");
    }
    print(&text);
    status
}

/// How soon a packet is shown.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Shows what comes until Ctrl-C, until nobody reads it any more, or until `ended` says why nothing more comes.
fn follow(
    file: &Path,
    port: Option<u16>,
    rules: &Rules,
    json: bool,
    ended: &dyn Fn() -> Option<String>,
) -> u8 {
    #[derive(Serialize)]
    struct Line<'a> {
        version: u32,
        #[serde(flatten)]
        shown: Shown<'a>,
    }
    let told_to_end = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // Without it the signal ends us the usual way.
        let _ = signal_hook::flag::register(signal, told_to_end.clone());
    }
    let note = |text: &str| eprintln!("portcullis: {text}");
    let mut follower = Follower::open(file);
    let mut status = 0;
    let mut over: Option<String> = None;
    while !told_to_end.load(Ordering::Relaxed) {
        match follower.step() {
            FollowEvent::Entry(entry) if concerns(&entry, port) => {
                let shown = Shown::of(&entry, rules);
                let line = match json {
                    false => shown.line(),
                    // Plain data with text keys: its JSON cannot fail.
                    true => serde_json::to_string(&Line { version: 1, shown }).unwrap_or_default() + "\n",
                };
                let mut stdout = std::io::stdout().lock();
                if stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).is_err() {
                    return status;
                }
            }
            FollowEvent::Entry(_) => {}
            FollowEvent::Anew => note("the file was begun anew"),
            FollowEvent::Problem(problem) => {
                note(&problem.to_string());
                status = 1;
                if matches!(problem, PflogError::Read(_)) {
                    return status;
                }
            }
            FollowEvent::Nothing => match &over {
                Some(because) => {
                    note(because);
                    return status;
                }
                // What was written before the end is looked for once more.
                None => {
                    over = ended();
                    if over.is_none() {
                        std::thread::sleep(LOOK_EVERY);
                    }
                }
            },
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read() {
        assert_eq!(read_minutes("1h"), Ok(60));
        assert_eq!(read_minutes("90m"), Ok(90));
        assert_eq!(read_minutes("1h30m"), Ok(90));
        assert_eq!(read_minutes("12h"), Ok(720));
        assert_eq!(read_minutes("61s"), Ok(2), "rounded up");
        for bad in ["", "1", "0m", "-1h", "12h1m", "1 fortnight", "99999999999h"] {
            assert!(read_minutes(bad).unwrap_err().contains("1m to 12h"), "{bad}");
        }
    }
}
