//! Goes through all points, and counts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::direct::{Fault, Site};
use crate::judge::{Findings, WRONGS, Wrong};
use crate::trial::{Prepared, Workplace, prepare, prepare_recovery};
use crate::{helper, intent, pf, planted, scenarios, stand_in, together};

/// The point that is no fault, but many helpers at once.
const TOGETHER: &str = "together";
/// How many points there are at least.
const LEAST: usize = 3000;
/// How many runs that wait for a time-out go on at once, for each processor.
const WAITING: usize = 8;
/// How often 20 helpers start at once with requests that clash.
const ROUNDS: usize = 500;
const SAMPLED_ROUNDS: usize = 10;
/// How many lines of failures are shown; the rest are in the file.
const SHOWN: usize = 40;

/// The program.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, _script, rest @ ..] = &arguments[..]
        && let Some(mode) = mode.strip_prefix(stand_in::WORD)
    {
        return stand_in::main(mode, rest);
    }
    // libtest's listing, which editors and runners ask of every test binary.
    if arguments.iter().any(|argument| argument == "--list") {
        println!("faults: test");
        return ExitCode::SUCCESS;
    }
    match intent::try_laws().and_then(|pairs| Ok((pairs, pf::try_rules()?))) {
        Ok((pairs, rules)) => println!("faults: half is a meet ({pairs} pairs), rules are read ({rules})"),
        Err(broken) => {
            println!("faults: the oracle is wrong: {broken}");
            return ExitCode::FAILURE;
        }
    }
    let word = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let number = |name: &str| word(name).and_then(|text| text.parse::<usize>().ok());
    let sample = number("FAULTS_SAMPLE");
    let wanted = Wanted {
        sample,
        point: word("POINT"),
        rounds: number("FAULTS_ROUNDS").unwrap_or(if sample.is_some() { SAMPLED_ROUNDS } else { ROUNDS }),
    };
    let tries = wanted.sample.is_some() || wanted.point.is_some() || word("FAULTS").is_some();
    let folder = Path::new("/dev/shm");
    let folder = if folder.is_dir() { folder.to_owned() } else { std::env::temp_dir() };
    let folder = folder.join(format!("portcullis-faults.{}", std::process::id()));
    let result = Campaign::new(&folder).and_then(|mut campaign| {
        if !tries {
            return campaign.hold_up();
        }
        let point = wanted.point.as_deref();
        let plants = |sampled| planted::run(&folder, sampled, point, now());
        if point.is_some_and(|point| point.starts_with(planted::PLANTED)) {
            return plants(sample.is_some());
        }
        let planted = point.is_some() || plants(sample.is_some())?;
        campaign.run(&wanted)?;
        let together = campaign.run_together(&wanted)?;
        Ok(campaign.finish(&wanted)? && together && planted)
    });
    let _ = std::fs::remove_dir_all(&folder);
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("faults: cannot be tried: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is tried.
struct Wanted {
    sample: Option<usize>,
    point: Option<String>,
    /// How often many helpers start at once.
    rounds: usize,
}

/// One fault at one point.
#[derive(Clone)]
struct Trial {
    name: String,
    site: Site,
    fault: Fault,
}

struct Campaign {
    folder: PathBuf,
    workers: usize,
    began: Instant,
    points: BTreeSet<String>,
    trials: usize,
    labs: usize,
    /// The points at which something was wrong, by kind.
    wrong: BTreeMap<Wrong, BTreeSet<String>>,
    failures: Vec<(String, Findings)>,
    missed: Vec<String>,
}

impl Campaign {
    fn new(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        // So that orphans of a helper that was killed can be waited for.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Ok(Campaign {
            folder: folder.to_owned(),
            workers,
            began: Instant::now(),
            points: BTreeSet::new(),
            trials: 0,
            labs: 0,
            wrong: BTreeMap::new(),
            failures: Vec::new(),
            missed: Vec::new(),
        })
    }

    /// Tries whether calls can be held up at all: at each of two the helper is killed. Nothing is judged.
    fn hold_up(&self) -> std::io::Result<bool> {
        let work = Workplace::new(&self.folder.join("template"))?;
        let Some(scenario) = scenarios::all().into_iter().find(|scenario| scenario.name == "guard-on") else {
            return Ok(false);
        };
        let Some(prepared) = prepare(&work, &scenario, now())? else { return Ok(false) };
        let first = prepared.sites.first().map(|(site, _)| site.clone());
        let ledger = Site { call: "rename=state:ledger.json".to_owned(), nth: 1 };
        for site in first.into_iter().chain([ledger]) {
            let name = site.to_string();
            if !prepared.try_fault(&work, (site, Fault::Kill), false)?.reached {
                println!("faults: the helper was not killed at {name}");
                return Ok(false);
            }
        }
        println!("faults: calls are held up; `make faults` injects faults, and judges");
        Ok(true)
    }

    fn run(&mut self, wanted: &Wanted) -> std::io::Result<()> {
        let work = Workplace::new(&self.folder.join("template"))?;
        let Some(sample) = wanted.sample else {
            return self.each(&work, wanted, &mut |campaign, prepared| {
                let trials = trials(&prepared, wanted);
                campaign.try_all(&prepared, &trials)
            });
        };
        let mut all = Vec::new();
        self.each(&work, wanted, &mut |_, prepared| {
            let trials = trials(&prepared, wanted);
            all.push((prepared, trials));
            Ok(())
        })?;
        let total: usize = all.iter().map(|(_, trials)| trials.len()).sum();
        let mut passed = 0;
        for (prepared, mut trials) in all {
            // Evenly: one each time that another part of the whole is passed.
            trials.retain(|_| {
                passed += 1;
                passed * sample / total > (passed - 1) * sample / total
            });
            self.try_all(&prepared, &trials)?;
        }
        Ok(())
    }

    /// Makes each scenario ready, and its recovery.
    fn each(
        &mut self,
        work: &Workplace,
        wanted: &Wanted,
        with: &mut dyn FnMut(&mut Self, Prepared) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        for scenario in scenarios::all() {
            let is_named = |name: &str| {
                let scenario = |point: &String| point.split('@').next().unwrap_or_default().to_owned();
                wanted.point.as_ref().is_none_or(|point| name.starts_with(&scenario(point)))
            };
            let recovery = format!("recovery-of-{}", scenario.name);
            if !(is_named(scenario.name) || scenario.recovery && is_named(&recovery)) {
                continue;
            }
            let named =
                |error: std::io::Error| std::io::Error::other(format!("scenario {}: {error}", scenario.name));
            let Some(prepared) = prepare(work, &scenario, now()).map_err(named)? else {
                println!("{:<28} skipped: the helper has no such request yet", scenario.name);
                continue;
            };
            let recovered = match scenario.recovery {
                true => prepare_recovery(work, &prepared).map_err(named)?,
                false => None,
            };
            if is_named(scenario.name) {
                with(self, prepared)?;
            }
            if let Some(recovered) = recovered.filter(|_| is_named(&recovery)) {
                with(self, recovered)?;
            }
        }
        Ok(())
    }

    /// Many helpers at once. Gives whether all is well.
    fn run_together(&self, wanted: &Wanted) -> std::io::Result<bool> {
        if wanted.point.as_ref().is_some_and(|point| point != TOGETHER) {
            return Ok(true);
        }
        let began = Instant::now();
        let together = together::run(&self.folder.join(TOGETHER), wanted.rounds, now())?;
        for (wrong, what) in together.found.0.iter().take(SHOWN) {
            println!("{TOGETHER}: {}: {what}", word(*wrong));
        }
        println!(
            "{TOGETHER:<28} {} rounds, {} requests, {} refused, {:.0} s: unexplained {}, unwritten {}, wrong {}",
            together.rounds,
            together.requests,
            together.refused,
            began.elapsed().as_secs_f32(),
            together.unexplained,
            together.unwritten,
            together.found.0.len()
        );
        Ok(together.unexplained + together.unwritten + together.found.0.len() == 0)
    }

    fn try_all(&mut self, prepared: &Prepared, trials: &[Trial]) -> std::io::Result<()> {
        let began = Instant::now();
        let (waiting, quick): (Vec<&Trial>, Vec<&Trial>) =
            trials.iter().partition(|trial| trial.fault.hangs());
        if !prepared.clean.0.is_empty() {
            self.note(&format!("{}@nothing@1@kill", prepared.name), &prepared.name, prepared.clean.clone());
        }
        let before: Vec<usize> = WRONGS.iter().map(|(wrong, _)| self.count(*wrong)).collect();
        self.try_some(prepared, &quick, self.workers)?;
        self.try_some(prepared, &waiting, self.workers * WAITING)?;
        let points: BTreeSet<String> =
            trials.iter().map(|trial| format!("{}@{}", prepared.name, trial.site)).collect();
        let count = points.len();
        self.points.extend(points);
        self.trials += trials.len();
        self.labs += prepared.labs();
        let counts = WRONGS
            .iter()
            .zip(before)
            .map(|((wrong, word), before)| format!("{word} {}", self.count(*wrong) - before));
        println!(
            "{:<28} {count:>4} points, {:>4} faults, {:>3} labs, {:>4.0} s: {}",
            prepared.name,
            trials.len(),
            prepared.labs(),
            began.elapsed().as_secs_f32(),
            counts.collect::<Vec<_>>().join(", ")
        );
        Ok(())
    }

    fn count(&self, wrong: Wrong) -> usize {
        self.wrong.get(&wrong).map_or(0, BTreeSet::len)
    }

    fn try_some(&mut self, prepared: &Prepared, trials: &[&Trial], workers: usize) -> std::io::Result<()> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for worker in 0..workers.min(trials.len()) {
                let (next, done, folder) = (&next, &done, self.folder.join(format!("w{worker}")));
                scope.spawn(move || {
                    let work = match Workplace::new(&folder) {
                        Ok(work) => work,
                        Err(error) => {
                            push(done, (usize::MAX, Err(error)));
                            return;
                        }
                    };
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(trial) = trials.get(index) else { return };
                        let plan = (trial.site.clone(), trial.fault);
                        let tried = prepared.try_fault(&work, plan, trial.fault.hangs());
                        push(done, (index, tried));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        done.sort_by_key(|(index, _)| *index);
        for (index, tried) in done {
            let tried = tried?;
            let Some(trial) = trials.get(index) else { continue };
            if !tried.reached {
                self.missed.push(trial.name.clone());
            }
            if !tried.found.0.is_empty() {
                let point = format!("{}@{}", prepared.name, trial.site);
                self.note(&trial.name, &point, tried.found);
            }
        }
        Ok(())
    }

    fn note(&mut self, name: &str, point: &str, found: Findings) {
        for (wrong, _) in &found.0 {
            self.wrong.entry(*wrong).or_default().insert(point.to_owned());
        }
        self.failures.push((name.to_owned(), found));
    }

    /// Says what was found. Gives whether all is well.
    fn finish(&self, wanted: &Wanted) -> std::io::Result<bool> {
        let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("faults.txt");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&place)?);
        let mut kinds: BTreeMap<(Wrong, &str), (usize, &str)> = BTreeMap::new();
        for (name, found) in &self.failures {
            for (wrong, what) in &found.0 {
                let word = word(*wrong);
                writeln!(file, "make faults POINT='{name}'  {word}: {what}")?;
                // What the helper said to it differs from call to call.
                let kind = what.split_once(" (\"").map_or(what.as_str(), |(kind, _)| kind);
                kinds.entry((*wrong, kind)).or_insert((0, name)).0 += 1;
            }
        }
        file.flush()?;
        let mut kinds: Vec<_> = kinds.into_iter().collect();
        kinds.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for ((wrong, what), (count, name)) in kinds.iter().take(SHOWN) {
            println!("{:>5} × {}: {what}\n        make faults POINT='{name}'", count, word(*wrong));
        }
        if kinds.len() > SHOWN {
            println!("{} more kinds of failures", kinds.len() - SHOWN);
        }
        if !kinds.is_empty() {
            println!("All of them are in {}", place.display());
        }
        for name in self.missed.iter().take(SHOWN) {
            println!("not reached: make faults POINT='{name}'");
        }
        println!(
            "{} faults at {} points left {} labs apart; {} were not reached; {:.0} s",
            self.trials,
            self.points.len(),
            self.labs,
            self.missed.len(),
            self.began.elapsed().as_secs_f32()
        );
        let counts = WRONGS.iter().map(|(wrong, word)| format!("{word} {}", self.count(*wrong)));
        println!("points {}, {}", self.points.len(), counts.collect::<Vec<_>>().join(", "));
        let enough = wanted.sample.is_some() || wanted.point.is_some() || self.points.len() >= LEAST;
        Ok(self.failures.is_empty() && self.missed.is_empty() && enough)
    }
}

fn word(wrong: Wrong) -> &'static str {
    WRONGS.iter().find(|(other, _)| *other == wrong).map_or("?", |(_, word)| word)
}

fn push<T>(list: &Mutex<Vec<T>>, item: T) {
    list.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(item);
}

/// Everything that is wanted to go wrong in a scenario, in the order of its sites.
fn trials(prepared: &Prepared, wanted: &Wanted) -> Vec<Trial> {
    let faults = prepared.sites.iter().flat_map(|(site, doing)| {
        let possible = |fault: &&Fault| !fault.hangs() || helper::SHORT_TIME_OUT.is_some();
        Fault::at(*doing).iter().filter(possible).map(move |fault| (site.clone(), *fault))
    });
    faults
        .map(|(site, fault)| {
            let name = format!("{}@{site}@{}", prepared.name, fault.word());
            Trial { name, site, fault }
        })
        .filter(|trial| wanted.point.as_ref().is_none_or(|point| trial.name.starts_with(point)))
        .collect()
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
