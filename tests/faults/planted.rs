//! Something is planted at a path while the helper works: at a call that is held up a link, a pipe, a folder or a socket takes
//! the place of a file, as one who can write there would swap it between any two calls. Nothing may be led astray or held
//! up by it, and what is open can be closed afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use fastrand::Rng;
use rustix::fs::{CWD, FileType, Mode};

use crate::call::{Call, What};
use crate::direct::{Doing, Site};
use crate::helper::Answer;
use crate::inject::Running;
use crate::scenarios;
use crate::trial::{Prepared, Workplace, prepare};

/// The first word of these points' names.
pub const PLANTED: &str = "planted";
/// The requests during which something is planted.
const SCENARIOS: [&str; 6] = ["open-lan", "close-all", "to-classic", "undo", "uninstall", "record"];
/// How many are planted where a sample is wanted.
const SAMPLE: usize = 40;
/// How long the helper may take, in seconds.
const LIMIT: u32 = 20;
/// How many findings are shown; the rest are in the file.
const SHOWN: usize = 40;

const STATE: &str = "Library/Application Support/Portcullis";
const LOGS: &str = "Library/Logs/Portcullis";
const SNAPSHOTS: &str = "Library/Application Support/Portcullis/snapshots";
const PF_CONF: &str = "etc/pf.conf";

/// Where something is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    At(&'static str),
    /// The newest snapshot.
    Newest,
    /// The file that is to be renamed at that moment.
    Temporary,
    /// What the call that is held up works on.
    Own,
}

const SPOTS: [(Spot, &str); 16] = [
    (Spot::At("Library/Application Support/Portcullis/ledger.json"), "ledger"),
    (Spot::At("Library/Application Support/Portcullis/journal.json"), "journal"),
    (Spot::At("Library/Application Support/Portcullis/journal.children"), "children"),
    (Spot::At("Library/Application Support/Portcullis/status.json"), "status"),
    (Spot::At("Library/Application Support/Portcullis/rulesets.json"), "rulesets"),
    (Spot::At("etc/pf.anchors/dev.portcullis"), "anchor"),
    (Spot::At(PF_CONF), "pf.conf"),
    (Spot::At("Library/Logs/Portcullis/audit.jsonl"), "audit"),
    (Spot::At("Library/Logs/Portcullis/lock"), "audit-lock"),
    (Spot::At("Library/Application Support/Portcullis/lock"), "lock"),
    (Spot::At(SNAPSHOTS), "snapshots"),
    (Spot::At("Library/Application Support/Portcullis/snapshots.last"), "snapshots.last"),
    (Spot::At("Library/Application Support/Portcullis/recording.json"), "recording"),
    (Spot::At("Library/Logs/Portcullis/pflog.pcap"), "pflog"),
    (Spot::Newest, "newest"),
    (Spot::Temporary, "temporary"),
];

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Link,
    LinkToFolder,
    HardLink,
    Pipe,
    Folder,
    Socket,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Link, "link"),
    (Kind::LinkToFolder, "link-to-folder"),
    (Kind::HardLink, "hard-link"),
    (Kind::Pipe, "pipe"),
    (Kind::Folder, "folder"),
    (Kind::Socket, "socket"),
];

/// One thing at one place at one call.
struct Trial {
    name: String,
    site: Site,
    spot: Spot,
    kind: Kind,
}

/// What may not be, in the order of the last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bad {
    /// Something outside is another.
    Astray,
    /// The helper did not end by itself, or not with a whole answer.
    Hung,
    /// Not everything was closed afterwards, or a token of others is gone.
    Open,
}

const BADS: [(Bad, &str); 3] = [(Bad::Astray, "astray"), (Bad::Hung, "hung"), (Bad::Open, "open")];

/// What came of all of them.
#[derive(Default)]
struct Campaign {
    planted: usize,
    unreached: usize,
    pairs: BTreeSet<(Spot, Kind)>,
    found: Vec<(String, Bad, String)>,
}

/// Plants in all scenarios, or a sample, or those whose names begin with `point`. Gives whether all is well.
pub fn run(folder: &Path, is_sampled: bool, point: Option<&str>, now: i64) -> io::Result<bool> {
    let began = Instant::now();
    let work = Workplace::new(&folder.join(PLANTED))?;
    let mut all = Vec::new();
    let mut chance = Chance::default();
    for scenario in scenarios::all().into_iter().filter(|scenario| SCENARIOS.contains(&scenario.name)) {
        // All of them, so that a point has the same name whatever else is tried.
        let Some(prepared) = prepare(&work, &scenario, now)? else { continue };
        let trials = trials(&prepared, &mut chance);
        all.push((prepared, trials));
    }
    let total: usize = all.iter().map(|(_, trials)| trials.len()).sum();
    let mut campaign = Campaign::default();
    let mut passed = 0;
    for (prepared, mut trials) in all {
        trials.retain(|trial| {
            passed += 1;
            let is_in_sample = passed * SAMPLE / total > (passed - 1) * SAMPLE / total;
            point.is_none_or(|point| trial.name.starts_with(point)) && (!is_sampled || is_in_sample)
        });
        campaign.try_all(folder, &prepared, &trials)?;
    }
    campaign.finish(began, !is_sampled && point.is_none_or(|point| point == PLANTED))
}

/// Two for each call: at a place of the sequence, and at what the call works on.
fn trials(prepared: &Prepared, chance: &mut Chance) -> Vec<Trial> {
    let mut trials = Vec::new();
    for (site, doing) in &prepared.sites {
        // The run of a program as a whole is held up where it starts.
        if matches!(doing, Doing::Pfctl { .. }) {
            continue;
        }
        let first = chance.next();
        let has_own =
            site.call.contains("=state:") || site.call.contains("=logs:") || site.call.contains("=/");
        let second = if has_own { (Spot::Own, "own", chance.kind()) } else { chance.next() };
        for (spot, word, kind) in [first, second] {
            let kind_word = KINDS.iter().find(|(other, _)| *other == kind).map_or("?", |(_, word)| word);
            let name = format!("{PLANTED}@{}@{site}@{word}@{kind_word}", prepared.name);
            trials.push(Trial { name, site: site.clone(), spot, kind });
        }
    }
    trials
}

/// Every pair of a place and a kind, shuffled, then again in another order: always the same sequence.
struct Chance {
    random: Rng,
    left: Vec<(Spot, &'static str, Kind)>,
}

impl Default for Chance {
    fn default() -> Self {
        Chance { random: Rng::with_seed(1), left: Vec::new() }
    }
}

impl Chance {
    fn next(&mut self) -> (Spot, &'static str, Kind) {
        if self.left.is_empty() {
            let pairs =
                SPOTS.iter().flat_map(|&(spot, word)| KINDS.iter().map(move |&(kind, _)| (spot, word, kind)));
            self.left = pairs.collect();
            self.random.shuffle(&mut self.left);
        }
        self.left.pop().unwrap_or((Spot::Own, "own", Kind::Link))
    }

    fn kind(&mut self) -> Kind {
        KINDS[self.random.usize(..KINDS.len())].0
    }
}

impl Campaign {
    fn try_all(&mut self, folder: &Path, prepared: &Prepared, trials: &[Trial]) -> io::Result<()> {
        let (began, found) = (Instant::now(), self.found.len());
        let (planted, unreached) = (self.planted, self.unreached);
        let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for worker in 0..workers.min(trials.len()) {
                let (next, done, folder) = (&next, &done, folder.join(format!("p{worker}")));
                scope.spawn(move || {
                    while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let tried = try_one(&folder, prepared, trial);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((trial, tried));
                    }
                });
            }
        });
        for (trial, tried) in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
            let Some(found) = tried? else {
                self.unreached += 1;
                continue;
            };
            self.planted += 1;
            self.pairs.insert((trial.spot, trial.kind));
            self.found.extend(found.into_iter().map(|(bad, what)| (trial.name.clone(), bad, what)));
        }
        println!(
            "{:<28} {} planted, {} not, {:.0} s: wrong {}",
            format!("{PLANTED} in {}", prepared.name),
            self.planted - planted,
            self.unreached - unreached,
            began.elapsed().as_secs_f32(),
            self.found.len() - found
        );
        Ok(())
    }

    /// `is_whole`: each pair of a place and a kind has to have been tried.
    fn finish(mut self, began: Instant, is_whole: bool) -> io::Result<bool> {
        self.found.sort();
        let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("planted.txt");
        let mut file = io::BufWriter::new(std::fs::File::create(&place)?);
        for (index, (name, bad, what)) in self.found.iter().enumerate() {
            let word = BADS.iter().find(|(other, _)| other == bad).map_or("?", |(_, word)| word);
            writeln!(file, "make faults POINT='{name}'  {word}: {what}")?;
            if index < SHOWN {
                println!("{word}: {what}\n        make faults POINT='{name}'");
            }
        }
        file.flush()?;
        if self.found.len() > SHOWN {
            println!("All {} of them are in {}", self.found.len(), place.display());
        }
        let missing = SPOTS
            .iter()
            .flat_map(|(spot, word)| KINDS.iter().map(move |kind| (*spot, *word, *kind)))
            .filter(|(spot, _, (kind, _))| is_whole && !self.pairs.contains(&(*spot, *kind)));
        let missing: Vec<String> = missing.map(|(_, spot, (_, kind))| format!("{kind} at {spot}")).collect();
        if !missing.is_empty() {
            println!("{PLANTED}: never tried: {}", missing.join(", "));
        }
        println!("{PLANTED}: {} were not reached; {:.0} s", self.unreached, began.elapsed().as_secs_f32());
        let count = |bad: Bad| {
            self.found
                .iter()
                .filter(|(_, other, _)| *other == bad)
                .map(|(name, ..)| name)
                .collect::<BTreeSet<_>>()
                .len()
        };
        let counts = BADS.iter().map(|(bad, word)| format!("{word} {}", count(*bad)));
        println!("{PLANTED} {}, {}", self.planted, counts.collect::<Vec<_>>().join(", "));
        Ok(self.found.is_empty() && missing.is_empty() && self.planted > 0)
    }
}

/// What is in the way, once it is planted.
struct Thing {
    device: u64,
    number: u64,
}

/// `None`: the call was not reached, or nothing could be planted there.
fn try_one(folder: &Path, prepared: &Prepared, trial: &Trial) -> io::Result<Option<Vec<(Bad, String)>>> {
    let work = Workplace::new(folder)?;
    let lab = work.stage.lab.clone();
    let outside = Outside::make(&folder.join("outside"), trial.kind)?;
    let thing = Arc::new(Mutex::new(None));
    let conf = Arc::new(Mutex::new(None));
    let planted = {
        let (thing, conf, lab, outside) =
            (Arc::clone(&thing), Arc::clone(&conf), lab.clone(), outside.folder.clone());
        let (spot, kind, wings) = (trial.spot, trial.kind, work.stage.wings.clone());
        move |call: &Call| {
            *conf.lock().unwrap_or_else(PoisonError::into_inner) = std::fs::read(lab.join(PF_CONF)).ok();
            let place = place(&lab, spot, call);
            let planted = place.and_then(|place| plant(&place, kind, &outside, &wings).ok());
            *thing.lock().unwrap_or_else(PoisonError::into_inner) = planted;
        }
    };
    let mut running = prepared.start_with(&work, &trial.site, Box::new(planted))?;
    let mut found = Vec::new();
    let ended = running.wait_for(LIMIT)?;
    if ended.stuck {
        found.push((Bad::Hung, format!("the helper did not end within {LIMIT} s")));
    } else if let Err(why) = Answer::read(&ended.stdout, ended.code) {
        found.push((Bad::Hung, format!("no whole answer: {why}")));
    }
    let is_over =
        running.settles_within(Duration::from_millis(if prepared.leaves_recorder() { 100 } else { 5000 }));
    if !is_over && !running.director().only_lasting() {
        found.push((Bad::Hung, "what the helper started did not end".to_owned()));
    }
    let planted = thing.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(thing) = planted else {
        end(prepared, &work, running)?;
        return Ok(None);
    };
    found.extend(outside.changes(trial.kind)?.map(|what| (Bad::Astray, what)));
    take_away(&lab, &thing)?;
    let conf = conf.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let (Some(conf), false) = (conf, lab.join(PF_CONF).exists()) {
        // Others need it, and no pfctl does anything without it.
        std::fs::write(lab.join(PF_CONF), conf)?;
    }
    found.extend(prepared.close_all(&work, running, LIMIT)?.into_iter().map(|what| (Bad::Open, what)));
    found.extend(outside.changes(trial.kind)?.map(|what| (Bad::Astray, format!("by close --all: {what}"))));
    Ok(Some(found))
}

fn end(prepared: &Prepared, work: &Workplace, running: Running) -> io::Result<()> {
    prepared.close_all(work, running, LIMIT).map(drop)
}

/// Where the spot is at this moment. Where there is no newest or temporary one, what the call works on, or the ledger.
fn place(lab: &Path, spot: Spot, call: &Call) -> Option<PathBuf> {
    let own = || {
        let (What::Place(place) | What::Bytes { place, .. }) = &call.what else { return None };
        let inside = place.strip_prefix(lab).ok()?;
        let is_ours = [STATE, LOGS, "etc"]
            .iter()
            .any(|folder| inside.starts_with(folder) && inside != Path::new(folder));
        (is_ours && !place.is_dir()).then(|| place.clone())
    };
    let found = match spot {
        Spot::At(path) => Some(lab.join(path)),
        Spot::Newest => names(&lab.join(SNAPSHOTS)).into_iter().rfind(|path| path.is_dir()),
        Spot::Temporary => [STATE, LOGS, "etc", "etc/pf.anchors"].iter().find_map(|folder| {
            names(&lab.join(folder)).into_iter().find(|path| path.to_string_lossy().ends_with(".portcullis"))
        }),
        Spot::Own => own(),
    };
    found.or_else(own).or_else(|| Some(lab.join(STATE).join("ledger.json")))
}

fn names(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    names.sort();
    names
}

/// Puts it in the place of what is there, which goes to the wings. Errors: the folder is gone.
fn plant(place: &Path, kind: Kind, outside: &Path, wings: &Path) -> io::Result<Thing> {
    let aside = wings.join("aside");
    let _ = std::fs::remove_file(&aside);
    let _ = std::fs::remove_dir_all(&aside);
    if place.symlink_metadata().is_ok() {
        std::fs::rename(place, &aside)?;
    }
    let node = |kind| Ok::<_, io::Error>(rustix::fs::mknodat(CWD, place, kind, Mode::RUSR | Mode::WUSR, 0)?);
    match kind {
        Kind::Link => symlink(outside.join("victim"), place)?,
        Kind::LinkToFolder => symlink(outside.join("folder"), place)?,
        Kind::HardLink => std::fs::hard_link(outside.join("victim"), place)?,
        Kind::Pipe => node(FileType::Fifo)?,
        Kind::Socket => node(FileType::Socket)?,
        Kind::Folder => {
            std::fs::create_dir(place)?;
            std::fs::write(place.join("theirs"), "theirs\n")?;
        }
    }
    let metadata = place.symlink_metadata()?;
    Ok(Thing { device: metadata.dev(), number: metadata.ino() })
}

/// Takes it away wherever it lies by now, but where the helper has set it aside.
fn take_away(lab: &Path, thing: &Thing) -> io::Result<()> {
    let mut folders = [STATE, LOGS, "etc"].map(|folder| lab.join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for place in names(&folder) {
            let Ok(metadata) = place.symlink_metadata() else { continue };
            let is_it = (metadata.dev(), metadata.ino()) == (thing.device, thing.number);
            match (is_it && !place.to_string_lossy().contains(".damaged-"), metadata.is_dir()) {
                (true, true) => std::fs::remove_dir_all(&place)?,
                (true, false) => std::fs::remove_file(&place)?,
                (false, true) => folders.push(place),
                (false, false) => {}
            }
        }
    }
    Ok(())
}

/// What no request has anything to do with: a file and a folder of another user's.
struct Outside {
    folder: PathBuf,
    before: BTreeMap<PathBuf, Seen>,
}

/// Everything about a file or folder that a write could change.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// `None`: a folder.
    bytes: Option<Vec<u8>>,
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    links: u64,
    changed: Option<(i64, i64)>,
}

impl Outside {
    fn make(folder: &Path, kind: Kind) -> io::Result<Self> {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder.join("folder"))?;
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for file in ["victim", "folder/theirs"] {
            let place = folder.join(file);
            std::fs::write(&place, "theirs\n")?;
            std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o640))?;
            // Only root can; else it stays with who tries this.
            let _ = std::os::unix::fs::chown(&place, Some(501), Some(20));
            std::fs::File::options().write(true).open(&place)?.set_modified(long_ago)?;
        }
        let before = see(folder, kind)?;
        Ok(Outside { folder: folder.to_owned(), before })
    }

    /// What is not as it was.
    fn changes(&self, kind: Kind) -> io::Result<Option<String>> {
        let mut now = see(&self.folder, kind)?;
        let victim = self.folder.join("victim");
        if let (Kind::HardLink, Some(seen)) = (kind, now.get_mut(&victim)) {
            // The planted name may be there or not.
            seen.links = if seen.links == 2 { 1 } else { seen.links };
        }
        let differs = |path: &&PathBuf| self.before.get(*path) != now.get(*path);
        let paths: BTreeSet<&PathBuf> = self.before.keys().chain(now.keys()).collect();
        Ok(paths.into_iter().find(differs).map(|path| {
            let name = path.strip_prefix(&self.folder).unwrap_or(path).display();
            format!("{name} outside was {:?} and is {:?}", self.before.get(path), now.get(path))
        }))
    }
}

fn see(folder: &Path, kind: Kind) -> io::Result<BTreeMap<PathBuf, Seen>> {
    let mut seen = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let metadata = path.symlink_metadata()?;
        if metadata.is_dir() {
            left.extend(names(&path));
        }
        // A second name changes this too.
        let changed = (kind != Kind::HardLink).then(|| (metadata.ctime(), metadata.ctime_nsec()));
        let entry = Seen {
            bytes: if metadata.is_file() { Some(std::fs::read(&path)?) } else { None },
            mode: metadata.mode(),
            owner: (metadata.uid(), metadata.gid()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            links: metadata.nlink(),
            changed,
        };
        seen.insert(path, entry);
    }
    Ok(seen)
}
