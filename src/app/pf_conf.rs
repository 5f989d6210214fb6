//! /etc/pf.conf as any user may read it, with the files that it names: what `explain`, `doctor` and the menu say of it.

use crate::pf::load::LoadedConf;
use crate::pf::lookup::AskName;
use crate::pf::on_disk::{self, MainListing, OnDisk};
use crate::pf::recipes::{UselessLine, useless_lines};
use crate::pf::rulesets::Rulesets;
use crate::report::{Report, RulesetsReport};
use crate::rules::conf;
use crate::rules::ledger::{Attachment, Guard};
use crate::system::{PF_CONF, System};

/// The file, and all that it loads.
#[derive(Clone, Debug)]
pub struct PfConf {
    pub text: String,
    pub loaded: LoadedConf,
}

impl PfConf {
    /// `None` where it cannot be read. `ask` asks this Mac for the names in it.
    pub fn read(system: &dyn System, ask: &mut AskName<'_>) -> Option<Self> {
        let text = std::fs::read_to_string(system.place(PF_CONF)).ok()?;
        let mut read = |path: &str| std::fs::read_to_string(system.place(path)).map_err(Into::into);
        let loaded = Rulesets::load_conf(PF_CONF, &text, &mut read).with_names(ask);
        Some(PfConf { text, loaded })
    }

    /// Its lines that do nothing, or that pfctl does not take.
    pub fn useless_lines(&self) -> Vec<UselessLine> {
        useless_lines(PF_CONF, &self.text, &self.loaded)
    }

    /// How it is not what pf holds, as far as root saw that and this user may read it.
    pub fn on_disk(&self, seen: Option<&Report>, rulesets: Option<&RulesetsReport>) -> Option<OnDisk> {
        let main = rulesets.and_then(|seen| seen.rulesets.get(""));
        let listing = main.map(|main| MainListing { rules: &main.rules, nat: &main.nat });
        on_disk::compare(&self.loaded, listing).or_else(|| self.reset(seen?))
    }

    /// Our block is gone although our rules hang on it.
    fn reset(&self, seen: &Report) -> Option<OnDisk> {
        let has_rules = seen.guard == Guard::On || !seen.openings.is_empty();
        let is_classic = seen.way == Some(Attachment::Classic) && has_rules;
        let has_block = conf::contains(self.text.as_bytes()).unwrap_or(true);
        (is_classic && !has_block).then_some(OnDisk::Reset { anchor: Attachment::Classic.anchor() })
    }
}
