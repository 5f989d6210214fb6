//! `portcullis prefs`, `portcullis prefs KEY VALUE`

use std::path::PathBuf;

use serde::Serialize;

use super::change::ChangeOutput;
use super::context::Context;
use super::output::{CommandOutput, Run, pretty};
use super::typed;
use portcullis::app::AppError;
use portcullis::debuggers::ports::DebugPort;
use portcullis::prefs::{IconStyle, Preferences};
use portcullis::root::answer::{Outcome, Response};
use portcullis::rules::ends::{EndOfDay, EndOfDayError};
use portcullis::rules::ledger::Attachment;
use portcullis::rules::named_port::PortName;

/// Not the user's own: it stands in root's ledger.
const END_OF_DAY: &str = "end-of-day";

#[derive(Debug, clap::Args)]
pub struct PrefsArguments {
    /// The preference: show, from, for, way, icon, or end-of-day, which root sets (asks for permission)
    #[arg(requires = "value")]
    key: Option<String>,
    /// Its new value
    value: Vec<String>,
}

pub enum PrefsCommand {
    Show,
    Set { key: String, value: String },
}

impl From<PrefsArguments> for PrefsCommand {
    fn from(arguments: PrefsArguments) -> Self {
        let PrefsArguments { key, value } = arguments;
        let value = match key.as_deref() {
            Some("show") => typed::ports(&value.join(",")),
            Some("from") => value.join(","),
            Some("for") => typed::time(&typed::duration(&value.join(" "))),
            Some(END_OF_DAY) => typed::time(&value.join(" ")),
            _ => value.join(" "),
        };
        key.map_or(PrefsCommand::Show, |key| PrefsCommand::Set { key, value })
    }
}

impl PrefsCommand {
    pub fn run(self, context: &Context) -> Run {
        let app = context.app()?;
        match self {
            PrefsCommand::Show => {
                let (preferences, file) = (app.preferences()?, app.preferences_file().to_owned());
                Ok(Box::new(PrefsOutput { preferences, file, end_of_day: app.end_of_day() }))
            }
            PrefsCommand::Set { key, value } if key == END_OF_DAY => {
                let at = value.parse().map_err(|error: EndOfDayError| AppError::from(error))?;
                ChangeOutput::with_status(&app, app.set_end_of_day(at)?, &app.preferences())
            }
            PrefsCommand::Set { key, value } => {
                app.set_preference(&key, &value)?;
                let response = Response::done(Outcome::Changed, format!("{key} is now {value}"));
                ChangeOutput::without_status(response)
            }
        }
    }
}

struct PrefsOutput {
    preferences: Preferences,
    file: PathBuf,
    end_of_day: EndOfDay,
}

#[derive(Serialize)]
struct PrefsJson<'a> {
    version: u32,
    file: &'a std::path::Path,
    show: &'a [PortName],
    from: &'a str,
    #[serde(rename = "for")]
    lasts: &'a str,
    end_of_day: EndOfDay,
    way: &'a str,
    icon: IconStyle,
    port: &'a [DebugPort],
}

impl PrefsOutput {
    fn way(&self) -> &'static str {
        match self.preferences.way {
            None => "auto",
            Some(Attachment::Apple) => "apple",
            Some(Attachment::Classic) => "classic",
        }
    }
}

impl CommandOutput for PrefsOutput {
    fn json(&self) -> String {
        let Preferences { show, from, lasts, icon, port, .. } = &self.preferences;
        let (file, end_of_day) = (self.file.as_path(), self.end_of_day);
        let (way, icon) = (self.way(), *icon);
        pretty(&PrefsJson { version: 1, file, show, from, lasts, end_of_day, way, icon, port })
    }

    fn text(&self) -> String {
        let Preferences { show, from, lasts, port, .. } = &self.preferences;
        let show: Vec<&str> = show.iter().map(PortName::as_str).collect();
        let mut text =
            format!("show  {}\nfrom  {from}\nfor   {lasts}\nway   {}\n", show.join(", "), self.way());
        text += &format!("icon  {}\n", self.preferences.icon.word());
        for DebugPort { port, name, debugger, .. } in port {
            let debugger = debugger.map_or_else(String::new, |debugger| format!(" ({})", debugger.name));
            text += &format!("port  {port} {name}{debugger}\n");
        }
        format!("{text}file  {}\n{END_OF_DAY}  {}\n", self.file.display(), self.end_of_day)
    }
}
