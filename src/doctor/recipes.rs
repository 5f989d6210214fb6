//! Recipes for pf that go round, where they stand on this Mac: in /etc/pf.conf, in jobs of launchd, in scripts.

use super::daemons::{Daemon, SYSCTL_CONF};
use super::facts::DoctorFacts;
use super::finding::{Finding, Level, finding, shortened};
use crate::pf::recipes::{FoundRecipe, UselessLine};

pub fn recipes(facts: &DoctorFacts) -> Vec<Finding> {
    let lines = facts.useless_lines.iter().map(useless);
    let daemons = &facts.daemons;
    let unread = unread(&daemons.unread);
    let daemons = daemons.about_pf.iter().flat_map(|daemon| [changeable(daemon), of_daemon(daemon)].concat());
    let settings = facts.sysctl_conf.iter().map(setting);
    lines.chain(daemons).chain(unread).chain(settings).collect()
}

fn useless(line: &UselessLine) -> Finding {
    let what = format!("/etc/pf.conf:{}: {}", line.number, line.why);
    let next = "take it out of the file, which changes no rule that pf obeys: `portcullis clean-up`";
    finding(Level::Advice, "pf", what, &format!("`{}`", shortened(line.text.trim())), next)
}

/// A file that is run for a user, and that others can change, lets each of them act as that user.
fn changeable(daemon: &Daemon) -> Vec<Finding> {
    let Some((path, how)) = daemon.open.first() else { return Vec::new() };
    let runs = daemon.script.as_ref().unwrap_or(&daemon.plist);
    let (who, when) = daemon.run_by();
    let what = format!("{who} {} {when}, and others can change what it does: {how}", shortened(runs));
    let mut evidence =
        if path == runs { daemon.plist.clone() } else { format!("{path}, on the way to {runs}") };
    if daemon.is_unread {
        evidence += "; the script was not read, since another user can change it: that is the hole";
    }
    vec![finding(Level::Problem, "pf", what, &evidence, &format!("`{}`", daemon.closing()))]
}

fn of_daemon(daemon: &Daemon) -> Vec<Finding> {
    let found = daemon.recipes.iter().map(|(file, FoundRecipe { line, text, recipe })| {
        let (who, when) = daemon.run_by();
        let fails = if daemon.is_root { "" } else { "; without sudo it fails, since only root may use pf" };
        let what = format!("{}, which {who} {when}: {}{fails}", shortened(file), recipe.really());
        let evidence = format!("line {line}: `{}`", shortened(text));
        let next = format!("{}; or {}: `{}`", recipe.instead(), daemon.is_rid_of(), daemon.removal());
        finding(Level::Advice, "pf", what, &evidence, &next)
    });
    found.collect()
}

/// Jobs that may be about pf, and that this user cannot look at.
fn unread(paths: &[String]) -> Option<Finding> {
    let first = paths.first()?;
    let more = match paths.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let what = format!(
        "jobs of launchd could not be read: {}{more}; what they do to pf is unknown",
        shortened(first)
    );
    Some(finding(
        Level::Unknown,
        "pf",
        what,
        "they are for root to read, or damaged",
        "`sudo portcullis doctor`",
    ))
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
