//! `portcullis check FILE`, where the file is a script or a job of launchd: what of it does not do what its recipe says.

use std::path::PathBuf;

use serde::Serialize;

use super::output::{CommandOutput, Run, pretty};
use portcullis::doctor::daemons;
use portcullis::pf::recipes::{FoundRecipe, of_command, of_script};

/// The recipes of a script or a job; `None` where the text is neither.
pub fn checked(file: &std::path::Path, bytes: &[u8], text: &str) -> Option<Run> {
    let recipes = if text.starts_with("#!") {
        of_script(text)
    } else {
        let (_, words) = daemons::job(bytes)?;
        let line = |text: &str| {
            let at = text
                .lines()
                .position(|line| line.contains("ProgramArguments") || line.contains("<key>Program</key>"));
            at.map_or(1, |at| at + 1)
        };
        let of_job = |recipe| FoundRecipe { line: line(text), text: words.join(" "), recipe };
        of_command(&words).into_iter().map(of_job).collect()
    };
    Some(Ok(Box::new(ScriptOutput { file: file.to_owned(), recipes })))
}

struct ScriptOutput {
    file: PathBuf,
    recipes: Vec<FoundRecipe>,
}

#[derive(Serialize)]
struct ScriptJson<'a> {
    version: u32,
    file: &'a std::path::Path,
    ok: bool,
    problems: Vec<RecipeJson<'a>>,
    notes: [(); 0],
}

#[derive(Serialize)]
struct RecipeJson<'a> {
    path: &'a std::path::Path,
    line: usize,
    column: usize,
    message: String,
    text: &'a str,
}

impl CommandOutput for ScriptOutput {
    fn json(&self) -> String {
        let problems = self.recipes.iter().map(|FoundRecipe { line, text, recipe }| RecipeJson {
            path: &self.file,
            line: *line,
            column: 1,
            message: recipe.to_string(),
            text,
        });
        let ok = self.recipes.is_empty();
        pretty(&ScriptJson { version: 1, file: &self.file, ok, problems: problems.collect(), notes: [] })
    }

    fn text(&self) -> String {
        let name = self.file.display();
        let shown = self.recipes.iter().map(|FoundRecipe { line, text, recipe }| {
            format!("{name}:{line}: {recipe}\n  {}\n", text.escape_debug())
        });
        let text: String = shown.collect();
        text + &match self.recipes.len() {
            0 => format!("{name}: no command about pf that does other than it seems to\n"),
            1 => format!("{name}: 1 command does not do what it seems to\n"),
            count => format!("{name}: {count} commands do not do what they seem to\n"),
        }
    }

    fn exit_status(&self) -> u8 {
        u8::from(!self.recipes.is_empty())
    }
}
