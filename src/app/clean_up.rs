//! What of recipes in circulation stands on this Mac: lines of /etc/pf.conf that root can take out, and jobs and settings
//! that a person takes away.

use super::names;
use super::pf_conf::PfConf;
use crate::doctor::daemons::{self, Daemon};
use crate::os::hash;
use crate::pf::recipes::{FoundRecipe, UselessLine};
use crate::root::conf_lines::{self, ConfLine};
use crate::root::request::Operation;
use crate::system::System;

/// What can go.
#[derive(Clone, Debug, Default)]
pub struct CleanUpPreview {
    /// The lines of /etc/pf.conf without effect, as many as one request takes.
    pub lines: Vec<UselessLine>,
    /// How many lines more there are.
    pub more: usize,
    /// The jobs of launchd that are about pf, and do not do what their recipe says, or that others can change.
    pub daemons: Vec<Daemon>,
    /// Settings of a firewall that is gone.
    pub settings: Vec<FoundRecipe>,
    sha256: String,
}

impl CleanUpPreview {
    pub(super) fn of(system: &dyn System) -> Self {
        let conf = PfConf::read(system, &mut names::ask_without_network);
        let sha256 = conf.as_ref().map(|conf| hash::of_bytes(conf.text.as_bytes())).unwrap_or_default();
        let mut daemons = daemons::collect(system, conf.as_ref().map(|conf| &conf.loaded.rulesets)).about_pf;
        let mut lines = conf.map(|conf| conf.useless_lines()).unwrap_or_default();
        // A line that no request can carry is for a person to take out.
        lines.retain(|line| carried(line).is_some_and(|one| conf_lines::validate(&sha256, &[one]).is_ok()));
        let more = lines.len().saturating_sub(ConfLine::MOST);
        lines.truncate(ConfLine::MOST);
        daemons.retain(|daemon| !daemon.recipes.is_empty() || !daemon.open.is_empty());
        CleanUpPreview { lines, more, daemons, settings: daemons::sysctl_conf(system), sha256 }
    }

    /// What is asked of root; `None` where no line can go.
    pub(super) fn operation(&self) -> Option<Operation> {
        let lines: Vec<ConfLine> = self.lines.iter().filter_map(carried).collect();
        (!lines.is_empty()).then(|| Operation::CleanUp { sha256: self.sha256.clone(), lines })
    }
}

fn carried(line: &UselessLine) -> Option<ConfLine> {
    Some(ConfLine { number: u32::try_from(line.number).ok()?, text: line.text.clone() })
}
