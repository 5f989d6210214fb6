//! `portcullis log`: what pf logged, from a capture of pflog0, once or as it grows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Serialize;

use super::change::ChangeOutput;
use super::context::Context;
use super::error::{CommandError, INTERRUPTED};
use super::explain;
use super::files::{ConfFile, IncludedFiles};
use super::interruption;
use super::output::{CommandOutput, Printer, Run, clock, clock_with_seconds, pretty};
use portcullis::app::{App, AppError};
use portcullis::os::BootError;
use portcullis::pf::rule_text::RuleText;
use portcullis::pf::rulesets::Rulesets;
use portcullis::pflog::follow::{FollowEvent, Follower};
use portcullis::pflog::{LogAction, LogDirection, LogEntry, PflogError, Reader, UnnamedRule, blocked};
use portcullis::report::Unusable;
use portcullis::root::record::Recording;
use portcullis::root::request::Request;
use portcullis::rules::ledger::Seconds;
use portcullis::status::Attempts;
use portcullis::{firewall, os};

pub const AFTER_HELP: &str = "Without FILE: what Portcullis records. pf's log can be read by root alone, so root records it \
for a bounded time: `portcullis log --for 2h`, or `portcullis log --follow`, which starts that where it is not under way \
and shows it as it comes, until Ctrl-C or the recording's end.";

#[derive(Debug, clap::Args)]
pub struct LogArguments {
    /// A capture: what `tcpdump -i pflog0 -w FILE` recorded [default: what Portcullis records]
    file: Option<PathBuf>,
    /// Go on showing what is logged; with --json one object on each line
    #[arg(long, short)]
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
    minutes.filter(fits).ok_or_else(|| format!("use 1m to {}h, such as 30m or 1h30m", max / 60))
}

pub enum LogCommand {
    /// Root ends the recording.
    Stop,
    /// Root records.
    Record {
        minutes: u16,
    },
    ShowFile(PathBuf, LogFilter),
    FollowFile(PathBuf, LogFilter),
    ShowRecording(LogFilter),
    /// Root records for `minutes`; `None`: for an hour, where it does not record already.
    FollowRecording {
        minutes: Option<u16>,
        filter: LogFilter,
    },
}

/// Which packets are shown, and by which rules they are named.
pub struct LogFilter {
    port: Option<u16>,
    /// `None`: the rules that root last saw.
    conf: Option<ConfFile>,
}

impl From<LogArguments> for LogCommand {
    fn from(arguments: LogArguments) -> Self {
        let LogArguments { file, follow, port, conf, anchors, minutes, stop } = arguments;
        let filter = LogFilter { port, conf: conf.map(|path| ConfFile { path, anchors }) };
        match (file, follow, minutes) {
            _ if stop => LogCommand::Stop,
            (Some(file), false, _) => LogCommand::ShowFile(file, filter),
            (Some(file), true, _) => LogCommand::FollowFile(file, filter),
            (None, true, minutes) => LogCommand::FollowRecording { minutes, filter },
            (None, false, Some(minutes)) => LogCommand::Record { minutes },
            (None, false, None) => LogCommand::ShowRecording(filter),
        }
    }
}

const AN_HOUR: u16 = 60;

impl LogCommand {
    pub fn run(self, context: &Context) -> Run {
        match self {
            LogCommand::Stop => ChangeOutput::without_status(context.app()?.stop_log()?),
            LogCommand::Record { minutes } => {
                ChangeOutput::without_status(context.app()?.record_log(minutes)?)
            }
            LogCommand::ShowFile(file, filter) => show_file(&file, &filter),
            LogCommand::FollowFile(file, filter) => follow_file(&file, &filter, &context.printer),
            LogCommand::ShowRecording(filter) => {
                let app = context.app()?;
                interruption::told(&app, || show_recording(&app, &filter))
            }
            LogCommand::FollowRecording { minutes, filter } => {
                let app = context.app()?;
                // What is followed is printed as it comes.
                if app.interrupted().is_some() {
                    context.printer.note(INTERRUPTED);
                }
                follow_recording(&app, minutes, &filter, &context.printer)
            }
        }
    }
}

fn show_file(file: &Path, filter: &LogFilter) -> Run {
    let rules = PacketRules::for_file(filter)?;
    let reader = std::fs::File::open(file).map_err(PflogError::from).and_then(Reader::new);
    Ok(Box::new(LogOutput::of(reader.map_err(unreadable(file))?, filter.port, &rules, None)))
}

fn follow_file(file: &Path, filter: &LogFilter, printer: &Printer) -> Run {
    let rules = PacketRules::for_file(filter)?;
    std::fs::File::open(file).map_err(PflogError::from).map_err(unreadable(file))?;
    Ok(Box::new(follow(file, filter.port, &rules, printer, &|| None)))
}

fn show_recording(app: &App, filter: &LogFilter) -> Run {
    let rules = PacketRules::for_recording(app, filter)?;
    let file = app.log_file();
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(CommandError::NotRecorded),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return Err(CommandError::LogForAdministrators);
        }
        Err(error) => return Err(unreadable(&file)(error.into())),
    };
    let recording = app.recording();
    // Nothing was logged yet, not even the header of a capture.
    if bytes.is_empty() {
        return Ok(Box::new(LogOutput::of(std::iter::empty(), filter.port, &rules, recording)));
    }
    let reader = Reader::new(&bytes[..]).map_err(unreadable(&file))?;
    Ok(Box::new(LogOutput::of(reader, filter.port, &rules, recording)))
}

fn follow_recording(app: &App, minutes: Option<u16>, filter: &LogFilter, printer: &Printer) -> Run {
    let goes_on = || app.recording().is_some_and(|(_, goes_on)| goes_on);
    if let Some(minutes) = minutes.or_else(|| (!goes_on()).then_some(AN_HOUR)) {
        // Standard output has packets alone.
        printer.note(app.record_log(minutes)?.message);
    }
    let rules = PacketRules::for_recording(app, filter)?;
    let denied = std::io::ErrorKind::PermissionDenied;
    if std::fs::File::open(app.log_file()).is_err_and(|error| error.kind() == denied) {
        return Err(CommandError::LogForAdministrators);
    }
    let ended = || match app.recording() {
        Some((_, true)) => None,
        Some((Recording { ended: Some(ended), .. }, _)) => {
            Some(format!("the recording ended: {}", ended.because))
        }
        _ => Some("the recording ended".to_owned()),
    };
    Ok(Box::new(follow(&app.log_file(), filter.port, &rules, printer, &ended)))
}

fn is_pflogds(file: &Path) -> bool {
    let name = file.to_str().unwrap_or_default();
    name.starts_with("/var/log/pflog") || name == "pflog0"
}

fn unreadable(file: &Path) -> impl Fn(PflogError) -> CommandError {
    move |source| match &source {
        // What pflogd writes on other systems, or the interface.
        PflogError::Read(error) if error.kind() == std::io::ErrorKind::NotFound && is_pflogds(file) => {
            CommandError::NoPflogd { path: file.to_owned() }
        }
        _ => CommandError::Capture { path: file.to_owned(), source },
    }
}

/// The rules that logged the packets, or why they are not known.
struct PacketRules(Result<Rulesets, UnknownRules>);

#[derive(Debug, thiserror::Error)]
enum UnknownRules {
    #[error("name the rules with --conf")]
    NotNamed,
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error(transparent)]
    Report(#[from] Unusable),
    #[error(transparent)]
    App(#[from] AppError),
}

/// Why the rule that logged a packet is not known.
#[derive(Debug, thiserror::Error)]
enum UnnamedPacketRule<'a> {
    #[error(transparent)]
    Rules(&'a UnknownRules),
    #[error(transparent)]
    Entry(#[from] UnnamedRule),
}

impl PacketRules {
    fn for_file(filter: &LogFilter) -> Result<Self, CommandError> {
        match &filter.conf {
            Some(conf) => Self::of_conf(conf),
            None => Ok(PacketRules(Err(UnknownRules::NotNamed))),
        }
    }

    fn for_recording(app: &App, filter: &LogFilter) -> Result<Self, CommandError> {
        match &filter.conf {
            Some(conf) => Self::of_conf(conf),
            None => Ok(Self::of_root(app)),
        }
    }

    fn of_conf(conf: &ConfFile) -> Result<Self, CommandError> {
        let mut files = IncludedFiles::new(conf.anchors.clone());
        let text = files.main(&conf.path)?;
        let name = conf.path.display().to_string();
        let (loaded, _) = Rulesets::from_conf(&name, &text, &mut |path| files.include(path));
        Ok(PacketRules(Ok(loaded)))
    }

    /// Those that root last saw.
    fn of_root(app: &App) -> Self {
        let fact = app.report();
        let rulesets = || -> Result<_, UnknownRules> {
            let report = fact.usable(os::now(), &os::boot_id()?)?;
            Ok(app.rulesets(report)?)
        };
        let interfaces = || firewall::interfaces(app.system());
        PacketRules(rulesets().map(|seen| explain::loaded(&seen).with_interfaces(interfaces())))
    }

    fn rule_of(&self, entry: &LogEntry) -> Result<RuleText, UnnamedPacketRule<'_>> {
        let loaded = self.0.as_ref().map_err(UnnamedPacketRule::Rules)?;
        Ok(entry.rule_in(loaded)?)
    }
}

#[derive(Serialize)]
struct PrintedPacket {
    #[serde(flatten)]
    entry: LogEntry,
    /// The rule, where it is known.
    logged_by: Option<RuleText>,
    /// Why it is not.
    not_known: Option<String>,
}

impl PrintedPacket {
    fn of(entry: LogEntry, rules: &PacketRules) -> Self {
        match rules.rule_of(&entry) {
            Ok(rule) => PrintedPacket { entry, logged_by: Some(rule), not_known: None },
            Err(why) => PrintedPacket { entry, logged_by: None, not_known: Some(why.to_string()) },
        }
    }

    /// `12:31:05  block in  en0    192.168.1.20:50000 -> 192.168.1.7:2345  (pf.conf:31 block return …)`
    fn line(&self) -> String {
        let entry = &self.entry;
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
        let when = clock_with_seconds(i64::from(entry.seconds));
        let (interface, from, to) = (&entry.interface, end(entry.from), end(entry.to));
        format!("{when}  {action:<5} {direction:<3} {interface:<6} {from} -> {to}  ({rule})\n")
    }
}

fn concerns(entry: &LogEntry, port: Option<u16>) -> bool {
    port.is_none() || [entry.from, entry.to].iter().flatten().any(|end| end.port == port)
}

/// Everything that was logged.
#[derive(Serialize)]
struct LogOutput {
    version: u32,
    entries: Vec<PrintedPacket>,
    blocked: BTreeMap<u16, Attempts>,
    problems: Vec<String>,
    recording: Option<RecordingTimes>,
}

#[derive(Serialize)]
struct RecordingTimes {
    since: Seconds,
    until: Seconds,
    under_way: bool,
    ended: Option<String>,
}

impl LogOutput {
    fn of(
        reader: impl Iterator<Item = Result<LogEntry, PflogError>>,
        port: Option<u16>,
        rules: &PacketRules,
        recording: Option<(Recording, bool)>,
    ) -> Self {
        let (mut entries, mut problems) = (Vec::new(), Vec::new());
        for entry in reader {
            match entry {
                Ok(entry) if concerns(&entry, port) => entries.push(entry),
                Ok(_) => {}
                // A packet that is being written just now is not a problem.
                Err(PflogError::Truncated(_)) if matches!(recording, Some((_, true))) => {}
                Err(error) => problems.push(error.to_string()),
            }
        }
        let blocked = blocked(&entries, 0);
        let entries = entries.into_iter().map(|entry| PrintedPacket::of(entry, rules)).collect();
        let recording = recording.map(|(recording, under_way)| RecordingTimes {
            since: recording.since,
            until: recording.ended.as_ref().map_or(recording.until, |ended| ended.at),
            under_way,
            ended: recording.ended.map(|ended| ended.because),
        });
        LogOutput { version: 1, entries, blocked, problems, recording }
    }
}

impl CommandOutput for LogOutput {
    fn json(&self) -> String {
        pretty(self)
    }

    fn text(&self) -> String {
        let mut text: String = self.entries.iter().map(PrintedPacket::line).collect();
        for (port, Attempts { attempts, last_from, .. }) in &self.blocked {
            let plural = if *attempts == 1 { "" } else { "s" };
            text += &format!("port {port}: {attempts} attempt{plural} blocked, the last from {last_from}\n");
        }
        text.extend(self.problems.iter().map(|problem| format!("! {problem}\n")));
        if let Some(RecordingTimes { since, until, under_way, ended }) = &self.recording {
            let (since, until) = (clock(*since), clock(*until));
            text += &match ended {
                Some(because) => format!("recorded from {since} until {until}: {because}\n"),
                None if *under_way => format!("recorded from {since} until {until}, and goes on\n"),
                // It was killed, or this Mac restarted: when is not known.
                None => {
                    format!("recorded from {since} on, for longest until {until}; it is not under way now\n")
                }
            };
        }
        text
    }

    /// 1 where something in the capture cannot be understood.
    fn exit_status(&self) -> u8 {
        u8::from(!self.problems.is_empty())
    }
}

/// One packet of a log that is followed: JSON on one line.
#[derive(Serialize)]
struct FollowedPacket {
    version: u32,
    #[serde(flatten)]
    packet: PrintedPacket,
}

impl CommandOutput for FollowedPacket {
    fn json(&self) -> String {
        // Plain data with text keys: its JSON cannot fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    fn text(&self) -> String {
        self.packet.line()
    }
}

/// The end of a log that was followed: every packet was printed as it came.
struct FollowEnd {
    had_problems: bool,
}

impl CommandOutput for FollowEnd {
    fn json(&self) -> String {
        String::new()
    }

    fn text(&self) -> String {
        String::new()
    }

    fn exit_status(&self) -> u8 {
        u8::from(self.had_problems)
    }
}

/// How soon a packet is shown.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Prints packets as they come, until Ctrl-C, until the reader goes away, or until `ended` says why no more come.
fn follow(
    file: &Path,
    port: Option<u16>,
    rules: &PacketRules,
    printer: &Printer,
    ended: &dyn Fn() -> Option<String>,
) -> FollowEnd {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // Without it the signal ends us the usual way.
        let _ = signal_hook::flag::register(signal, interrupted.clone());
    }
    let mut follower = Follower::open(file);
    let mut had_problems = false;
    let mut over: Option<String> = None;
    while !interrupted.load(Ordering::Relaxed) {
        match follower.step() {
            FollowEvent::Entry(entry) if concerns(&entry, port) => {
                let packet = PrintedPacket::of(entry, rules);
                if printer.print(&FollowedPacket { version: 1, packet }).is_err() {
                    break;
                }
            }
            FollowEvent::Entry(_) => {}
            FollowEvent::Anew => printer.note("the file was begun anew"),
            FollowEvent::Problem(problem) => {
                printer.note(&problem);
                had_problems = true;
                if matches!(problem, PflogError::Read(_)) {
                    break;
                }
            }
            FollowEvent::Nothing => match &over {
                Some(because) => {
                    printer.note(because);
                    break;
                }
                // A packet may have been written between the last step and the end.
                None => {
                    over = ended();
                    if over.is_none() {
                        std::thread::sleep(LOOK_EVERY);
                    }
                }
            },
        }
    }
    FollowEnd { had_problems }
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

    #[test]
    fn what_ended_without_a_word_is_not_said_to_go_on_or_to_have_gone_on() {
        let text = |under_way, ended: Option<&str>| {
            let recording =
                Some(RecordingTimes { since: 0, until: 3600, under_way, ended: ended.map(Into::into) });
            LogOutput { version: 1, entries: vec![], blocked: BTreeMap::new(), problems: vec![], recording }
                .text()
        };
        assert!(text(true, None).ends_with(", and goes on\n"));
        assert!(text(false, Some("it was asked to")).ends_with(": it was asked to\n"));
        assert!(text(false, None).ends_with("; it is not under way now\n"));
    }
}
