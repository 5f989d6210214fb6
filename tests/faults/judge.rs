//! What has to hold after a fault: torn, disagree, leaked, foreign and lies, each from the documents.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::helper::{self, Answer, Ask, Outcome};
use crate::image::{Entry, Image, plain_path};
use crate::intent::{Guard, Intent, Wanted, Way, has_its_hash};
use crate::pf::{Pf, Rules};

const STATE: &str = "/Library/Application Support/Portcullis";
const LOGS: &str = "/Library/Logs/Portcullis";
const LEDGER: &str = "/Library/Application Support/Portcullis/ledger.json";
const JOURNAL: &str = "/Library/Application Support/Portcullis/journal.json";
const STATUS: &str = "/Library/Application Support/Portcullis/status.json";
const AUDIT: &str = "/Library/Logs/Portcullis/audit";
const AUDIT_FILE: &str = "/Library/Logs/Portcullis/audit.jsonl";
const SNAPSHOTS: &str = "/Library/Application Support/Portcullis/snapshots/";
const ANCHOR_FILE: &str = "/etc/pf.anchors/dev.portcullis";
const PF_CONF: &str = "/etc/pf.conf";
const LAUNCHD: &str = "/private/var/db/launchd.json";
const PFLOG0: &str = "/private/var/run/pflog0.pcap";
const BLOCK: &[u8] = b"# BEGIN dev.portcullis";
const BLOCK_END: &[u8] = b"# END dev.portcullis\n";

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wrong {
    /// A file that is neither the old one nor the new one.
    Torn,
    /// Ledger, pf, anchor file and status do not say the same, or not what they should.
    Disagree,
    /// Something of ours is left that nothing will use.
    Leaked,
    /// Something of others is gone or changed.
    Foreign,
    /// The helper said what is not so.
    Lies,
}

/// All kinds, in the order of the last line.
pub const WRONGS: [(Wrong, &str); 5] = [
    (Wrong::Torn, "torn"),
    (Wrong::Disagree, "disagree"),
    (Wrong::Leaked, "leaked"),
    (Wrong::Foreign, "foreign"),
    (Wrong::Lies, "lies"),
];

/// The settings of a lab.
pub const LAB: &str = "/lab.toml";
/// Those of one in which no network is known.
pub const NO_NETWORK: &[u8] = b"gateways = {}\n";
/// Those of one on another network than those before.
pub const OTHER_NETWORK: &[u8] = b"gateways = { en0 = \"a4:91:b1:00:00:02\" }\n";

/// What was found wrong, each with a sentence.
#[derive(Clone, Debug, Default)]
pub struct Findings(pub Vec<(Wrong, String)>);

impl Findings {
    fn add(&mut self, wrong: Wrong, what: impl Into<String>) {
        self.0.push((wrong, what.into()));
    }

    /// Takes in others, with when they were found.
    pub fn take_in(&mut self, when: &str, others: Findings) {
        self.0.extend(others.0.into_iter().map(|(wrong, what)| (wrong, format!("{when}: {what}"))));
    }
}

/// A lab at one moment.
#[derive(Clone, Debug)]
pub struct Moment {
    pub image: Image,
    pub ledger: Result<Intent, String>,
    pub pf: Result<Pf, String>,
}

impl Moment {
    /// Reads what stands in an image.
    pub fn of(image: Image) -> Self {
        let ledger = image.file(LEDGER).map_or(Ok(Intent::default()), Intent::read);
        let pf = Pf::read(&image);
        Moment { image, ledger, pf }
    }

    /// The same for two labs of which the next helper makes the same: what the audit says of requests that are over
    /// is nothing that a helper goes by.
    pub fn likeness(&self) -> [u8; 32] {
        self.image.likeness(|path, bytes| {
            let (lines, whole) = audit_lines(bytes);
            // Of launchd's table its clock and its processes are nothing either.
            let loaded = String::from_utf8_lossy(bytes).contains("dev.portcullis.helper");
            (path == LAUNCHD)
                .then(|| format!("loaded {loaded}"))
                .or_else(|| path.starts_with(AUDIT).then(|| format!("{lines} lines, whole {whole}")))
        })
    }

    /// Whether a change is under way.
    pub fn has_journal(&self) -> bool {
        self.image.0.contains_key(JOURNAL)
    }

    /// Whether another machine is connected to our port.
    pub fn has_session(&self) -> bool {
        self.pf.as_ref().is_ok_and(|pf| pf.states.iter().any(|state| state == SESSION))
    }

    /// What counts as changed or not: intent, our rules, tokens, connections, our files.
    fn substance(&self) -> Substance {
        let pf = self.pf.clone().ok();
        let ours = |anchor: &str| pf.as_ref().and_then(|pf| pf.rulesets.get(anchor).cloned());
        Substance {
            ledger: self.ledger.clone().ok(),
            journal: self.has_journal(),
            rules: [ours(Way::Apple.anchor()), ours(Way::Classic.anchor()), ours("")],
            tokens: pf.as_ref().map(|pf| pf.tokens.clone()),
            states: pf.map(|pf| pf.states),
            files: [PF_CONF, ANCHOR_FILE].map(|path| self.image.file(path).map(<[u8]>::to_vec)),
        }
    }

    /// Whether a change of our rules, our hold on pf or the ledger was begun since `before`.
    pub fn has_begun(&self, before: &Moment) -> bool {
        let (now, before) = (self.substance(), before.substance());
        now.rules != before.rules || now.tokens != before.tokens || now.ledger != before.ledger
    }
}

#[derive(PartialEq)]
struct Substance {
    ledger: Option<Intent>,
    journal: bool,
    rules: [Option<Value>; 3],
    tokens: Option<BTreeSet<u64>>,
    states: Option<Vec<String>>,
    files: [Option<Vec<u8>>; 2],
}

/// What a scenario is judged by.
pub struct Reference {
    /// How everything was before the request.
    pub before: Moment,
    /// How it is after it, where nothing goes wrong.
    pub after: Moment,
    pub intents: Intents,
    /// Tokens of others.
    tokens: BTreeSet<u64>,
    /// Connections that no change may cut.
    protected: Vec<String>,
    /// What may be there, by plain paths.
    allowed: BTreeSet<String>,
    modes: BTreeMap<String, u32>,
    /// Ports and addresses that are tried.
    ports: BTreeSet<u16>,
}

/// The ledger before, after, and what both allow.
#[derive(Clone, Debug)]
pub struct Intents {
    pub before: Intent,
    pub after: Intent,
    pub half: Intent,
}

/// From where connections are tried: this network's hosts, chosen hosts, strangers, both families.
const ADDRESSES: [&str; 7] =
    ["192.168.1.9", "192.168.1.200", "192.168.7.7", "10.1.2.3", "203.0.113.7", "2001:db8::9", "fd00::9"];

/// Connections that have nothing to do with an opening or a closing; the last is this Mac's own to a port of ours,
/// which goes on unless pf was off and is enabled.
pub const OTHERS: [&str; 5] = [
    "ALL tcp 192.168.1.2:22 <- 192.168.1.9:50002       ESTABLISHED:ESTABLISHED",
    "ALL tcp 192.168.1.2:50003 -> 192.168.1.9:2345       ESTABLISHED:ESTABLISHED",
    "ALL udp 192.168.1.2:2345 <- 192.168.1.9:5353       MULTIPLE:MULTIPLE",
    "ALL tcp 192.168.1.2:8080 <- 203.0.113.7:50004       ESTABLISHED:ESTABLISHED",
    "ALL tcp fd00::2[443] <- fd00::9[50008]       ESTABLISHED:ESTABLISHED",
];
pub const OWN_SESSION: &str = "ALL tcp 127.0.0.1:2345 <- 127.0.0.1:50005       ESTABLISHED:ESTABLISHED";
pub const SESSION: &str = "ALL tcp 192.168.1.2:2345 <- 192.168.1.9:50006       ESTABLISHED:ESTABLISHED";

impl Reference {
    /// From a run where nothing went wrong, and from its continuations.
    pub fn new(before: Moment, after: Moment, later: &[Image]) -> Result<Self, String> {
        let ledger = |moment: &Moment| moment.ledger.clone();
        let (old, new) = (ledger(&before)?, ledger(&after)?);
        let half = old.half(&new);
        let pf = before.pf.clone()?;
        let tokens = pf.tokens.iter().copied().filter(|token| Some(*token) != old.token).collect();
        // pf was off, or may be for a moment: then enabling it ends what could only be dropped silently.
        let stays_on = |tokens: &BTreeSet<u64>| !tokens.is_empty();
        let mut protected: Vec<String> = OTHERS.iter().map(|line| (*line).to_owned()).collect();
        if stays_on(&tokens) || stays_on(&pf.tokens) && new.guard == old.guard {
            protected.extend([OWN_SESSION, SESSION].map(str::to_owned));
        }
        protected.retain(|line| pf.states.contains(line));
        let mut allowed = BTreeSet::new();
        let mut modes = BTreeMap::new();
        for image in later.iter().chain([&before.image, &after.image]) {
            for (path, entry) in &image.0 {
                allowed.insert(plain_path(path));
                if let Entry::File { mode, .. } | Entry::Folder { mode } = entry {
                    modes.entry(path.clone()).or_insert(*mode);
                }
            }
        }
        // An uninstallation that is killed leaves what it found, and the locks of the recording that it looked for.
        for lock in ["recording.change.lock", "recording.lock"] {
            allowed.insert(plain_path(&format!("{STATE}/{lock}")));
        }
        let ports = old.open.keys().chain(new.open.keys()).chain(&old.managed).chain(&new.managed);
        let ports = ports.copied().chain([22, 2346, 3000]).collect();
        let intents = Intents { before: old, after: new, half };
        Ok(Reference { before, after, intents, tokens, protected, allowed, modes, ports })
    }

    /// A ledger as it is to be compared: an uninstallation switches the guard off, then takes the ledger away. A helper that
    /// is killed in between leaves nothing on, and asking again takes away the rest.
    fn comparable(&self, ledger: &Intent) -> Intent {
        let goes = self.intents.before.guard == Guard::On && self.intents.after.guard == Guard::Unset;
        let guard = if goes && ledger.guard == Guard::Off { Guard::Unset } else { ledger.guard };
        Intent { guard, ..ledger.clone() }
    }

    /// What the ledger has to say in the end, by how things stand when the helper has ended without an answer.
    pub fn due(&self, moment: &Moment) -> &Intent {
        if moment.substance() == self.before.substance() {
            &self.intents.before
        } else if self.is_done(moment) {
            &self.intents.after
        } else {
            &self.intents.half
        }
    }

    /// Whether the change is done, as a whole.
    fn is_done(&self, moment: &Moment) -> bool {
        !moment.has_journal()
            && moment
                .ledger
                .as_ref()
                .is_ok_and(|ledger| self.comparable(ledger).same(&self.intents.after) && !ledger.changing)
            && self.disagreements(moment, Scope::Without(STATUS)).is_empty()
    }

    /// Judges the lab when the helper has ended: what must hold at every moment.
    pub fn at_once(&self, moment: &Moment) -> Findings {
        let mut found = Findings::default();
        self.find_torn(moment, Scope::Without(LOGS), &mut found);
        self.find_foreign(moment, &self.intents.half, &mut found);
        found
    }

    /// Judges an answer by how things stand when it was given; `start`: how they stood when the helper began,
    /// `asked`: what it was to bring about. Gives what the ledger has to say in the end.
    pub fn answer(
        &self,
        start: &Moment,
        asked: &Intent,
        moment: &Moment,
        answer: &Result<Answer, String>,
        found: &mut Findings,
    ) -> Intent {
        let Intents { before, half, .. } = &self.intents;
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => {
                found.add(Wrong::Lies, format!("no answer: {why}"));
                return self.due(moment).clone();
            }
        };
        let holds = |wanted: &Intent| -> Vec<String> {
            let mut wrong = self.disagreements(moment, Scope::Without(STATUS));
            match &moment.ledger {
                Ok(ledger) => wrong.extend(ledger.difference(wanted)),
                Err(why) => wrong.push(format!("the ledger does not read: {why}")),
            }
            wrong
        };
        let conf = moment.image.file(PF_CONF).map(without_block);
        let [conf_before, conf_after] = self.confs();
        let is_of_conf = conf_before != conf_after;
        let says = |words: &str| answer.message.contains(words);
        let claims = match answer.outcome {
            _ if says("took 1 line out") || says("is done now (it was to take 1 line out") => {
                Some(conf_after)
            }
            _ if says("was undone (it was to take 1 line out") => Some(conf_before),
            Outcome::Restored => Some(conf_before),
            _ => None,
        };
        if is_of_conf && claims.is_some_and(|claims| conf != Some(claims)) {
            found.add(Wrong::Lies, format!("pf.conf is not as it says (\"{}\")", answer.message));
        }
        let mut lies = |wanted: &Intent, says: &str| {
            if let Some(wrong) = holds(wanted).first() {
                found.add(Wrong::Lies, format!("it says {says}, and {wrong} (\"{}\")", answer.message));
            }
        };
        match (answer.outcome, answer.ok) {
            (Outcome::Changed, true) => {
                lies(asked, "changed");
                asked.clone()
            }
            // What was asked does not hold, and something else changed: it claims nothing more.
            (Outcome::Changed, false) => self.due(moment).clone(),
            (Outcome::Unchanged, ok) => {
                if moment.substance() != start.substance() {
                    let what = self.changed(start, moment);
                    found.add(Wrong::Lies, format!("it says unchanged, and {what} (\"{}\")", answer.message));
                } else if ok && !start.ledger.as_ref().is_ok_and(|ledger| ledger.same(asked)) {
                    found.add(Wrong::Lies, format!("it says that it holds already (\"{}\")", answer.message));
                }
                self.due(moment).clone()
            }
            // A recovery that comes no further leaves what it found.
            (Outcome::Restored, _) if moment.substance() == start.substance() => self.due(moment).clone(),
            (Outcome::Restored, _) => {
                let closed: BTreeSet<u16> = answer.closed.iter().flatten().copied().collect();
                if closed.is_empty() {
                    lies(before, "restored");
                    return before.clone();
                }
                lies(half, "restored");
                let lost = |port: &&u16| half.open.get(*port) != before.open.get(*port);
                let lost: BTreeSet<u16> = before.open.keys().filter(lost).copied().collect();
                if closed != lost {
                    found.add(Wrong::Lies, format!("it says that {closed:?} are closed, and {lost:?} are"));
                }
                half.clone()
            }
            (Outcome::Damaged, _) => {
                let command = ["pfctl -a ", "-f /etc/pf.anchors/dev.portcullis"];
                if !command.iter().all(|part| answer.message.contains(part)) {
                    found.add(
                        Wrong::Lies,
                        format!("it says damaged without the command (\"{}\")", answer.message),
                    );
                }
                half.clone()
            }
        }
    }

    /// Judges what an uninstallation that is asked for again leaves: it ends what the one before began.
    pub fn nothing_left(&self, after: &Moment, answer: &Result<Answer, String>, found: &mut Findings) {
        match answer {
            Ok(answer) if answer.ok => {}
            Ok(answer) => found.add(Wrong::Lies, format!("it does not end: {}", answer.message)),
            Err(why) => found.add(Wrong::Lies, format!("no answer: {why}")),
        }
        for folder in [STATE, LOGS, ANCHOR_FILE] {
            for (path, _) in after.image.below(folder) {
                found.add(Wrong::Leaked, format!("{} is left", plain_path(path)));
            }
        }
        self.find_foreign(after, &self.intents.half, found);
        self.nothing_open(after, found);
    }

    fn changed(&self, start: &Moment, moment: &Moment) -> String {
        let (old, new) = (start.substance(), moment.substance());
        let what = if old.ledger != new.ledger {
            "the ledger is another"
        } else if old.journal != new.journal {
            "a journal came or went"
        } else if old.rules != new.rules {
            "the rules that pf holds are others"
        } else if old.tokens != new.tokens {
            "pf's tokens are others"
        } else if old.states != new.states {
            "connections were cut"
        } else {
            "pf.conf or the anchor file is another"
        };
        what.to_owned()
    }

    /// Judges the lab after the next run of the helper: `due` is what its ledger has to say.
    pub fn finally(&self, moment: &Moment, due: &Intent) -> Findings {
        let mut found = Findings::default();
        self.find_torn(moment, Scope::All, &mut found);
        self.find_foreign(moment, due, &mut found);
        self.find_leaked(moment, &mut found);
        match &moment.ledger {
            Ok(ledger) => {
                // The connections that are open go on all the same.
                let due = if moment.image.file(LAB) == Some(NO_NETWORK) { &due.pausing() } else { due };
                if let Some(difference) = self.comparable(ledger).difference(due) {
                    found.add(Wrong::Disagree, format!("in the ledger {difference}"));
                }
            }
            Err(why) => found.add(Wrong::Disagree, format!("the ledger does not read: {why}")),
        }
        for wrong in self.disagreements(moment, Scope::All) {
            found.add(Wrong::Disagree, wrong);
        }
        found
    }

    /// What the next run of the helper said: it has to get on, and to say so.
    pub fn next_answer(
        &self,
        start: &Moment,
        moment: &Moment,
        answer: &Result<Answer, String>,
        found: &mut Findings,
    ) {
        match answer {
            Err(why) => found.add(Wrong::Disagree, format!("no answer: {why}")),
            Ok(answer) if !answer.ok => {
                found.add(Wrong::Disagree, format!("refused: {}", answer.message));
            }
            Ok(answer) if answer.outcome == Outcome::Unchanged && moment.substance() != start.substance() => {
                let what = self.changed(start, moment);
                found.add(Wrong::Lies, format!("it says unchanged, and {what}"));
            }
            Ok(_) => {}
        }
    }

    /// Judges the audit after the helper was killed midway, and another was `next`: of each there is a line.
    /// launchd's tick that found nothing to do has none.
    pub fn audited(
        start: &Moment,
        (after, answer): (&Moment, &Result<Answer, String>),
        killed: &Ask,
        next: &Ask,
    ) -> Findings {
        let mut found = Findings::default();
        let only_looked =
            *next == Ask::Tick && answer.as_ref().is_ok_and(|answer| answer.outcome == Outcome::Unchanged);
        let old = audited_verbs(&start.image).len();
        let new: Vec<String> = audited_verbs(&after.image).into_iter().skip(old).collect();
        // A bell's request is the user's, not launchd's.
        let only_looked = only_looked || *killed == Ask::TickByBell && *next == Ask::Tick;
        for ask in [Some(killed), (!only_looked).then_some(next)].into_iter().flatten() {
            let Some(verb) = helper::verb(ask) else { continue };
            let is_same = helper::verb(killed) == helper::verb(next) && !only_looked;
            let wanted = if is_same { 2 } else { 1 };
            // What is uninstalled takes the audit with it.
            if *killed != Ask::Uninstall && new.iter().filter(|line| **line == verb).count() < wanted {
                found
                    .add(Wrong::Disagree, format!("the audit has no line of the request to {verb}: {new:?}"));
            }
        }
        found
    }

    /// How ledger, pf, anchor file, pf.conf and status differ from each other.
    fn disagreements(&self, moment: &Moment, scope: Scope) -> Vec<String> {
        let mut wrong = Vec::new();
        let (ledger, pf) = match (&moment.ledger, &moment.pf) {
            (Ok(ledger), Ok(pf)) => (ledger, pf),
            (Err(why), _) => return vec![format!("the ledger does not read: {why}")],
            (_, Err(why)) => return vec![format!("the lab's pf does not read: {why}")],
        };
        for way in [Way::Apple, Way::Classic] {
            let anchor = way.anchor();
            match pf.rules(anchor) {
                Err(why) => wrong.push(why),
                Ok(rules) if ledger.way == Some(way) && ledger.needs_rules() => {
                    wrong.extend(self.compare(&rules, ledger, "pf", Ends::All));
                }
                Ok(rules) if rules.is_empty() => {}
                Ok(_) => {
                    wrong.push(format!("the anchor {anchor} holds rules, and the ledger wants none there"))
                }
            }
        }
        let classic = ledger.way == Some(Way::Classic) && ledger.needs_rules();
        // Where the main ruleset cannot be seen to be the file's it is not loaded, and the call of an empty anchor stays.
        let may_stay = !classic && pf.rules(Way::Classic.anchor()).is_ok_and(|rules| rules.is_empty());
        if pf.main_calls(Way::Classic.anchor()) != classic && !(may_stay && says_that_the_call_stays(moment))
        {
            let calls = if classic { "does not call" } else { "calls" };
            wrong.push(format!("the main ruleset {calls} our anchor"));
        }
        if has_block(&moment.image) != classic {
            let has = if classic { "has no block of ours" } else { "has our block" };
            wrong.push(format!("pf.conf {has}"));
        }
        match anchor_file(&moment.image) {
            Err(why) => wrong.push(format!("the anchor file does not read: {why}")),
            Ok(None) if ledger.needs_rules() => wrong.push("there is no anchor file".to_owned()),
            Ok(None) => {}
            Ok(Some(rules)) => wrong.extend(self.compare(&rules, ledger, "the anchor file", Ends::Maybe)),
        }
        wrong.extend(self.compare_tokens(ledger, pf));
        if pf.enabled && ledger.guard == Guard::On {
            let lan: IpAddr = [192, 168, 1, 9].into();
            let was_let_in = self.intents.before.decision(2345, lan) == Wanted::Pass;
            // A pause ends no session.
            let is_closed = ledger.open.get(&2345).is_none_or(|open| !open.whom.lets_in(lan));
            if was_let_in
                && is_closed
                && ledger.decision(2345, lan) == Wanted::Block
                && pf.states.iter().any(|state| state == SESSION)
            {
                wrong.push("a connection to a port that was closed goes on".to_owned());
            }
        }
        if scope == Scope::All {
            wrong.extend(compare_status(moment, ledger));
        }
        wrong
    }

    /// How rules differ from a ledger.
    fn compare(&self, rules: &Rules, ledger: &Intent, who: &str, ends: Ends) -> Option<String> {
        for &port in self.ports.iter().chain(&rules.ports()) {
            for address in ADDRESSES.iter().filter_map(|text| text.parse::<IpAddr>().ok()) {
                let (is, wanted) = (rules.decision("en0", port, address), ledger.decision(port, address));
                // A file that is loaded at boot leaves out what may be over by then.
                let left_out = ends == Ends::Maybe
                    && wanted == Wanted::Pass
                    && ledger
                        .open
                        .get(&port)
                        .is_some_and(|open| open.until.is_some() || !open.ends.is_empty())
                    && is != Wanted::Pass;
                if is != wanted && !left_out {
                    return Some(format!("{who}: port {port} from {address}: {is:?} instead of {wanted:?}"));
                }
            }
            let own = rules.decision("lo0", port, [127, 0, 0, 1].into());
            if own == Wanted::Block || own == Wanted::Pass && !ledger.open.contains_key(&port) {
                return Some(format!("{who}: port {port} from this Mac itself: {own:?}"));
            }
        }
        None
    }

    fn compare_tokens(&self, ledger: &Intent, pf: &Pf) -> Option<String> {
        let held = ledger.token.is_some_and(|token| pf.tokens.contains(&token));
        match ledger.guard {
            Guard::On if !held => Some("the guard is on, and we hold no token of pf".to_owned()),
            Guard::On if !pf.enabled => Some("the guard is on, and pf is off".to_owned()),
            Guard::Off | Guard::Unset if ledger.token.is_some() => {
                Some("the guard is off, and the ledger has a token".to_owned())
            }
            _ => None,
        }
    }

    fn find_torn(&self, moment: &Moment, scope: Scope, found: &mut Findings) {
        let image = &moment.image;
        for (path, entry) in image.below(STATE).chain(image.below(LOGS)) {
            let Entry::File { bytes, mode } = entry else { continue };
            let name = path.rsplit('/').next().unwrap_or_default();
            if name.starts_with('.') {
                continue;
            }
            if name.ends_with(".json")
                && let Err(error) = serde_json::from_slice::<Value>(bytes)
            {
                found.add(Wrong::Torn, format!("{} does not read: {error}", plain_path(path)));
            }
            if self.modes.get(path).is_some_and(|wanted| wanted != mode) {
                found.add(Wrong::Torn, format!("{} has mode {mode:o}", plain_path(path)));
            }
        }
        let Intents { before, after, half } = &self.intents;
        let known = [before, after, half];
        if let Ok(ledger) = &moment.ledger
            && !known.iter().any(|known| self.comparable(ledger).difference(known).is_none())
            && scope == Scope::Without(LOGS)
        {
            found.add(Wrong::Torn, "the ledger is neither the old one nor the new one nor half");
        }
        match anchor_file(image) {
            Err(why) => found.add(Wrong::Torn, format!("the anchor file does not read: {why}")),
            Ok(Some(rules)) if scope == Scope::Without(LOGS) => {
                let fits = |known: &&Intent| self.compare(&rules, known, "", Ends::Maybe).is_none();
                if !known.iter().any(fits) {
                    found.add(Wrong::Torn, "the anchor file is of no ledger that there was");
                }
            }
            Ok(_) => {}
        }
        self.find_torn_conf(image, found);
        find_torn_snapshots(image, found);
        if scope == Scope::All {
            for (path, entry) in image.below(AUDIT) {
                let Entry::File { bytes, .. } = entry else { continue };
                if !audit_lines(bytes).1 {
                    found.add(Wrong::Torn, format!("{path} has a line that is not whole"));
                }
            }
        }
    }

    /// What others have in pf.conf: before the request, and after it.
    fn confs(&self) -> [&[u8]; 2] {
        [&self.before, &self.after]
            .map(|moment| without_block(moment.image.file(PF_CONF).unwrap_or_default()))
    }

    fn find_torn_conf(&self, image: &Image, found: &mut Findings) {
        let Some(conf) = image.file(PF_CONF) else {
            return found.add(Wrong::Foreign, "pf.conf is gone");
        };
        let is_whole = |rest: &[u8]| rest.is_empty() || rest.starts_with(BLOCK) && rest.ends_with(BLOCK_END);
        // A clean-up takes a line out, whole; every other request leaves what others wrote.
        match self
            .confs()
            .into_iter()
            .find_map(|known| conf.strip_prefix(known).filter(|rest| is_whole(rest)))
        {
            Some(_) => {}
            None if self.confs().iter().any(|known| conf.starts_with(known)) => {
                found.add(Wrong::Torn, "our block in pf.conf is not whole")
            }
            None => found.add(Wrong::Foreign, "what others wrote in pf.conf is changed"),
        }
    }

    /// `due`: who is let in for certain, and so are the connections that are open.
    fn find_foreign(&self, moment: &Moment, due: &Intent, found: &mut Findings) {
        let Ok(before) = &self.before.pf else { return };
        let pf = match &moment.pf {
            Ok(pf) => pf,
            Err(why) => return found.add(Wrong::Foreign, format!("the lab's pf does not read: {why}")),
        };
        if others(before) != others(pf) {
            found.add(Wrong::Foreign, "rules or tables of others are changed");
        }
        if !self.tokens.is_subset(&pf.tokens) {
            found.add(Wrong::Foreign, "a token of others is gone");
        }
        let goes_on = due.decision(2345, [192, 168, 1, 9].into()) != Wanted::Block;
        for state in self.protected.iter().filter(|state| **state != SESSION || goes_on) {
            if !pf.states.contains(state) {
                found.add(Wrong::Foreign, format!("a connection of others was cut: {state}"));
            }
        }
        for (path, entry) in &self.before.image.0 {
            if !is_ours(path) && moment.image.0.get(path) != Some(entry) {
                found.add(Wrong::Foreign, format!("{path} is changed"));
            }
        }
    }

    fn find_leaked(&self, moment: &Moment, found: &mut Findings) {
        for path in moment.image.0.keys() {
            let plain = plain_path(path);
            if path.starts_with("/private/var/pf/") || self.allowed.contains(&plain) {
                continue;
            }
            if let Some(inside) = path.strip_prefix(SNAPSHOTS) {
                let name = inside.split('/').nth(1);
                let known = ["pf.conf", "anchor", "ledger.json", "manifest.json"];
                if name.is_none_or(|name| known.contains(&name)) {
                    continue;
                }
            }
            found.add(Wrong::Leaked, format!("{plain} is left"));
        }
        for (path, entry) in moment.image.below(SNAPSHOTS) {
            if matches!(entry, Entry::Folder { .. })
                && !moment.image.0.contains_key(&format!("{path}/manifest.json"))
            {
                found.add(Wrong::Leaked, "a snapshot without a manifest is left");
            }
        }
        if moment.has_journal() {
            found.add(Wrong::Leaked, "the journal is left");
        }
        if let (Ok(ledger), Ok(pf)) = (&moment.ledger, &moment.pf) {
            let ours = pf.tokens.iter().filter(|token| !self.tokens.contains(token));
            let lost = ours.filter(|token| Some(**token) != ledger.token).count();
            if lost > 0 {
                found.add(Wrong::Leaked, format!("{lost} tokens of pf that nobody knows of"));
            }
            if ledger.changing {
                found.add(Wrong::Leaked, "the ledger still says that a change is under way");
            }
        }
        if moment.image.0.contains_key(PFLOG0) {
            found.add(Wrong::Leaked, "pflog0 is left");
        }
    }

    /// After everything was closed, whatever happened to our files: nothing is open, and others hold pf as before.
    pub fn all_closed(&self, moment: &Moment, found: &mut Findings) {
        self.nothing_open(moment, found);
        match &moment.pf {
            Ok(pf) if self.tokens.is_subset(&pf.tokens) => {}
            Ok(_) => found.add(Wrong::Foreign, "a token of others is gone"),
            Err(why) => found.add(Wrong::Foreign, format!("the lab's pf does not read: {why}")),
        }
    }

    /// After everything was closed nothing may be open, whatever else holds.
    pub fn nothing_open(&self, moment: &Moment, found: &mut Findings) {
        match &moment.ledger {
            Ok(ledger) => {
                if let Some(port) = ledger.open.keys().next() {
                    found.add(Wrong::Disagree, format!("port {port} is open in the ledger"));
                }
            }
            Err(why) => found.add(Wrong::Disagree, format!("the ledger does not read: {why}")),
        }
        let Ok(pf) = &moment.pf else { return };
        for way in [Way::Apple, Way::Classic] {
            let Ok(rules) = pf.rules(way.anchor()) else { continue };
            for &port in &self.ports {
                let passes = |text: &&&str| {
                    let address = text.parse::<IpAddr>();
                    address.is_ok_and(|address| rules.decision("en0", port, address) == Wanted::Pass)
                };
                if let Some(address) = ADDRESSES.iter().find(passes) {
                    found.add(Wrong::Disagree, format!("pf lets {address} in to port {port}"));
                }
            }
        }
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    All,
    Without(&'static str),
}

/// Which openings have to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    All,
    /// Those that end by themselves need not.
    Maybe,
}

fn is_ours(path: &str) -> bool {
    // The kernel's, the lab's own, and ours; pf.conf is judged by its bytes outside our block.
    let ours = [STATE, LOGS, "/private", "/sbin", "/usr", ANCHOR_FILE, PF_CONF, "/lab.toml"];
    let launchd = path.contains("dev.portcullis");
    launchd || ours.iter().any(|ours| path.starts_with(ours))
}

/// Everything loaded that is not ours.
fn others(pf: &Pf) -> BTreeMap<String, Value> {
    let mut rulesets = pf.rulesets.clone();
    rulesets.remove(Way::Apple.anchor());
    rulesets.remove(Way::Classic.anchor());
    let call = format!("anchor \"{}\" all", Way::Classic.anchor());
    if let Some(filter) = rulesets.get_mut("").and_then(|main| main.get_mut("filter")?.as_array_mut()) {
        filter.retain(|line| line.get("text").and_then(Value::as_str) != Some(&call));
    }
    rulesets
}

fn anchor_file(image: &Image) -> Result<Option<Rules>, String> {
    let Some(bytes) = image.file(ANCHOR_FILE) else { return Ok(None) };
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    if !text.starts_with("# dev.portcullis") {
        return Err("it has no header".to_owned());
    }
    Rules::read(text).map(Some)
}

/// What each line of the audit is of, the oldest first.
fn audited_verbs(image: &Image) -> Vec<String> {
    let lines = image.file(AUDIT_FILE).unwrap_or_default().split(|&byte| byte == b'\n');
    let verb = |line: &[u8]| {
        let line = serde_json::from_slice::<Value>(line).ok()?;
        Some(line.get("request")?.get("action")?.get("do")?.as_str()?.to_owned())
    };
    lines.filter_map(verb).collect()
}

/// How many lines an audit has, and whether each of them is whole.
fn audit_lines(bytes: &[u8]) -> (usize, bool) {
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let reads = |line: &[u8]| serde_json::from_slice::<Value>(line).is_ok();
    let ends = bytes.is_empty() || bytes.ends_with(b"\n");
    (lines.clone().count(), ends && lines.clone().all(reads))
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn has_block(image: &Image) -> bool {
    image.file(PF_CONF).is_some_and(|conf| position(conf, BLOCK).is_some())
}

fn without_block(conf: &[u8]) -> &[u8] {
    position(conf, BLOCK).map_or(conf, |start| &conf[..start])
}

fn compare_status(moment: &Moment, ledger: &Intent) -> Option<String> {
    let Some(bytes) = moment.image.file(STATUS) else { return Some("there is no status".to_owned()) };
    let status = serde_json::from_slice::<Value>(bytes).map_err(|error| error.to_string());
    match status.and_then(|status| Intent::from_value(&status)) {
        Err(why) => Some(format!("the status does not read: {why}")),
        Ok(status) => {
            ledger.difference(&status).map(|difference| format!("unlike in the status {difference}"))
        }
    }
}

fn says_that_the_call_stays(moment: &Moment) -> bool {
    let status = moment.image.file(STATUS).and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let notes = status.as_ref().and_then(|status| status.get("notes")?.as_array());
    notes.is_some_and(|notes| notes.iter().any(|note| note.get("kind") == Some(&"classic-call-stays".into())))
}

fn find_torn_snapshots(image: &Image, found: &mut Findings) {
    for (path, entry) in image.below(SNAPSHOTS) {
        let Entry::File { bytes, .. } = entry else { continue };
        let Some(folder) = path.strip_suffix("/manifest.json") else { continue };
        let manifest = serde_json::from_slice::<Value>(bytes).unwrap_or_default();
        if let Err(why) = has_its_hash(bytes, &manifest) {
            found.add(Wrong::Torn, format!("a manifest is damaged: {why}"));
        }
        for file in manifest.get("files").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| file.get(key).and_then(Value::as_str);
            let (Some(copy), Some(wanted)) = (text("copy"), text("sha256")) else { continue };
            let hash = image.file(&format!("{folder}/{copy}")).map(|bytes| {
                Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            });
            if hash.as_deref() != Some(wanted) {
                found.add(Wrong::Torn, format!("a snapshot's {copy} is not what its manifest says"));
            }
        }
    }
}
