//! `portcullis clean-up`: takes lines without effect out of /etc/pf.conf, and prints the commands for what else is left of
//! recipes that go round.

use serde::Serialize;

use super::context::Context;
use super::interruption;
use super::output::{CommandOutput, Run, pretty};
use portcullis::app::{App, CleanUpPreview};
use portcullis::doctor::removal_of_setting;
use portcullis::pf::recipes::UselessLine;
use portcullis::root::answer::{Outcome, Response};

#[derive(Debug, clap::Args)]
pub struct CleanUpCommand {
    /// Show what would be taken out, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl CleanUpCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        interruption::told(&app, || self.clean_up(&app))
    }

    fn clean_up(&self, app: &App) -> Run {
        let preview = app.clean_up_preview();
        let response = if self.dry_run { None } else { app.clean_up(&preview)? };
        Ok(Box::new(CleanUpOutput { dry_run: self.dry_run, by_hand: by_hand(&preview), preview, response }))
    }
}

/// What a person does, and why.
#[derive(Serialize)]
struct ByHand {
    command: String,
    because: String,
}

fn by_hand(preview: &CleanUpPreview) -> Vec<ByHand> {
    let mut found = Vec::new();
    for daemon in &preview.daemons {
        if let Some((path, how)) = daemon.open.first() {
            let (who, _) = daemon.run_by();
            let because = format!("{who} what others can change: {path}: {how}");
            found.push(ByHand { command: daemon.closing(), because });
        }
        let because: Vec<String> = daemon
            .recipes
            .iter()
            .map(|(file, one)| {
                format!("{file}:{}: {}; {}", one.line, one.recipe.really(), one.recipe.instead())
            })
            .collect();
        if !because.is_empty() {
            found.push(ByHand { command: daemon.removal(), because: because.join("; ") });
        }
    }
    // From the last line on, so that the numbers stay true.
    found.extend(preview.settings.iter().rev().map(|setting| ByHand {
        command: removal_of_setting(setting),
        because: setting.recipe.really().to_owned(),
    }));
    found
}

struct CleanUpOutput {
    dry_run: bool,
    preview: CleanUpPreview,
    by_hand: Vec<ByHand>,
    /// `None` where nothing was asked of root.
    response: Option<Response>,
}

#[derive(Serialize)]
struct CleanUpJson<'a> {
    version: u32,
    ok: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    outcome: Outcome,
    message: String,
    /// The lines of /etc/pf.conf without effect.
    lines: Vec<LineJson<'a>>,
    by_hand: &'a [ByHand],
}

#[derive(Serialize)]
struct LineJson<'a> {
    line: usize,
    text: &'a str,
    because: String,
}

impl CleanUpOutput {
    fn message(&self) -> String {
        match &self.response {
            Some(response) => response.message.clone(),
            None if self.preview.lines.is_empty() => "/etc/pf.conf has no line without effect".to_owned(),
            None => "nothing was changed".to_owned(),
        }
    }
}

impl CommandOutput for CleanUpOutput {
    fn json(&self) -> String {
        let lines = self.preview.lines.iter();
        let lines =
            lines.map(|one| LineJson { line: one.number, text: &one.text, because: one.why.to_string() });
        let lines = lines.collect();
        let (ok, outcome) = self
            .response
            .as_ref()
            .map_or((true, Outcome::Unchanged), |response| (response.ok, response.outcome));
        let (dry_run, message, by_hand) = (self.dry_run, self.message(), &self.by_hand);
        pretty(&CleanUpJson { version: 1, ok, dry_run, outcome, message, lines, by_hand })
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for UselessLine { number, text: line, why } in &self.preview.lines {
            let would = if self.dry_run { "would take out " } else { "" };
            text += &format!("{would}/etc/pf.conf:{number}: {}\n    {why}\n", line.trim());
        }
        text += &format!("{}\n", self.message());
        match self.preview.more {
            0 => {}
            more => text += &format!("lines more to take out: {more}; ask again\n"),
        }
        if !self.by_hand.is_empty() {
            text += "not done by Portcullis, since these are not its files; the commands are:\n";
        }
        for ByHand { command, because } in &self.by_hand {
            text += &format!("    {command}\n        {}\n", because);
        }
        text
    }
}
