//! Recipes for pf that go round, where they stand on this Mac: in /etc/pf.conf, in jobs of launchd, in scripts.

use super::daemons::{Daemon, SYSCTL_CONF};
use super::facts::DoctorFacts;
use super::finding::{Finding, Level, finding, shortened};
use crate::pf::recipes::{FoundRecipe, UselessLine};

pub fn recipes(facts: &DoctorFacts) -> Vec<Finding> {
    let lines = facts.useless_lines.iter().map(useless);
    let daemons = facts.daemons.iter().flat_map(|daemon| [changeable(daemon), of_daemon(daemon)].concat());
    let settings = facts.sysctl_conf.iter().map(setting);
    lines.chain(daemons).chain(settings).collect()
}

fn useless(line: &UselessLine) -> Finding {
    let what = format!("/etc/pf.conf:{}: {}", line.number, line.why);
    let next = "take it out of the file, which changes no rule that pf obeys: `portcullis clean-up`";
    finding(Level::Advice, "pf", what, &format!("`{}`", shortened(line.text.trim())), next)
}

/// A file that root runs and others can change makes each of them root.
fn changeable(daemon: &Daemon) -> Vec<Finding> {
    let Some((path, how)) = daemon.open.first() else { return Vec::new() };
    let runs = daemon.script.as_ref().unwrap_or(&daemon.plist);
    let what =
        format!("root runs {} at every start, and others can change what it does: {how}", shortened(runs));
    let evidence = if path == runs { daemon.plist.clone() } else { format!("{path}, on the way to {runs}") };
    vec![finding(Level::Problem, "pf", what, &evidence, &format!("`{}`", daemon.closing()))]
}

fn of_daemon(daemon: &Daemon) -> Vec<Finding> {
    let found = daemon.recipes.iter().map(|(file, FoundRecipe { line, text, recipe })| {
        let what = format!("{}, which root runs at every start: {}", shortened(file), recipe.really());
        let evidence = format!("line {line}: `{}`", shortened(text));
        let next = format!("{}; or be rid of the job: `{}`", recipe.instead(), daemon.removal());
        finding(Level::Advice, "pf", what, &evidence, &next)
    });
    found.collect()
}

fn setting(found: &FoundRecipe) -> Finding {
    let what = format!("{SYSCTL_CONF}:{}: {}", found.line, found.recipe.really());
    let next = format!("take it out: `{}`", removal_of_setting(found));
    finding(Level::Advice, "pf", what, &format!("`{}`", shortened(&found.text)), &next)
}

/// The command that takes a line out of the settings.
pub fn removal_of_setting(found: &FoundRecipe) -> String {
    format!("sudo sed -i '' {}d {SYSCTL_CONF}", found.line)
}
