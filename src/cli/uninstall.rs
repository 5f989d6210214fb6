//! `portcullis uninstall`: closes everything and takes away what root has put on this Mac.

use std::path::Path;

use serde::Serialize;

use super::change::ChangeOutput;
use super::context::Context;
use super::interruption;
use super::output::{CommandOutput, Run, pretty};
use portcullis::app::{App, AppError};
use portcullis::report::ReportFact;
use portcullis::rules::conf;
use portcullis::rules::ledger::Guard;
use portcullis::system::{ANCHOR_FILE, INSTALLED_HELPER, JOB_PLIST, LOGS, PATHS_FILE, PF_CONF, STATE_DIR};

#[derive(Debug, clap::Args)]
pub struct UninstallCommand {
    /// Show what would be removed, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Leave the audit and what pf logged
    #[arg(long)]
    keep_logs: bool,
}

impl UninstallCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        if self.dry_run {
            return interruption::told(&app, || Ok(Box::new(UninstallPreview::of(&app, self.keep_logs)?)));
        }
        ChangeOutput::without_status(app.uninstall(self.keep_logs)?)
    }
}

/// What would be removed.
#[derive(Serialize)]
struct UninstallPreview {
    version: u32,
    dry_run: bool,
    /// The ports that would be closed.
    closes: Vec<String>,
    /// Whether pf holds a block of ours that would go.
    guard: bool,
    /// Files and folders.
    removes: Vec<String>,
    /// Whether our block would be taken out of pf.conf.
    edits_conf: bool,
    /// What is the user's own, and stays.
    keeps: Vec<String>,
}

impl UninstallPreview {
    fn of(app: &App, keep_logs: bool) -> Result<Self, AppError> {
        let files = app.system().files();
        let (openings, guard) = match (app.ledger(), app.report()) {
            (Some(ledger), _) => (ledger.openings, ledger.guard),
            (None, ReportFact::Read(report)) => (report.openings, report.guard),
            (None, _) => (Vec::new(), Guard::Unset),
        };
        let closes = openings.iter().map(|opening| opening.named_port().to_string()).collect();
        let guard = guard == Guard::On;
        let shown = |path: &Path| path.exists().then(|| path.display().to_string());
        let removed = [ANCHOR_FILE, JOB_PLIST, INSTALLED_HELPER, PATHS_FILE, STATE_DIR]
            .into_iter()
            .chain((!keep_logs).then_some(LOGS));
        let kept = keep_logs.then(|| app.system().place(LOGS));
        let kept = kept.into_iter().chain([app.preferences_file().to_owned()]);
        let conf = files.read(PF_CONF)?.unwrap_or_default();
        Ok(UninstallPreview {
            version: 1,
            dry_run: true,
            closes,
            guard,
            removes: removed.filter_map(|path| shown(&app.system().place(path))).collect(),
            edits_conf: conf::contains(&conf).unwrap_or(true),
            keeps: kept.filter_map(|path| shown(&path)).collect(),
        })
    }
}

impl CommandOutput for UninstallPreview {
    fn json(&self) -> String {
        pretty(self)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if !self.closes.is_empty() {
            text += &format!("would close {}\n", self.closes.join(", "));
        }
        if self.guard {
            text += "would stop blocking closed ports, and let go of pf\n";
        }
        if self.edits_conf {
            text += &format!("would take our block out of {PF_CONF}\n");
        }
        text.extend(self.removes.iter().map(|path| format!("would remove {path}\n")));
        text.extend(self.keeps.iter().map(|path| format!("would leave {path}\n")));
        text + "nothing was changed\n"
    }
}
