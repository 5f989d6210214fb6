//! Which go and dlv the editors take, where that is not the first on the PATH.

use super::compat::{self, DelveFit};
use super::remedy;
use super::selection::{self, SelectedGo};
use crate::doctor::finding::{Finding, Level, finding};
use crate::doctor::toolchain::Toolchain;
use crate::doctor::toolchain::editors::{Editor, EditorTool};
use crate::doctor::toolchain::managers::GoProgram;
use crate::doctor::toolchain::version::GoVersion;

pub fn editors(toolchain: &Toolchain, go: Option<&SelectedGo>) -> Vec<Finding> {
    toolchain.editors.iter().filter_map(|tool| of_tool(tool, toolchain, go)).collect()
}

fn of_tool(taken: &EditorTool, toolchain: &Toolchain, go: Option<&SelectedGo>) -> Option<Finding> {
    let EditorTool { editor, sort, named, whence, tool } = taken;
    let about = |level, what: String, next: &str| {
        Some(finding(level, editor.name(), what, whence_or(whence, named), next))
    };
    let Some(tool) = tool else {
        let what = format!("it takes {} as {}, which is not there", named.escape_debug(), sort.name());
        return about(Level::Problem, what, &format!("correct {whence}, or take it out"));
    };
    let on_path = match sort {
        GoProgram::Go => &toolchain.go,
        GoProgram::Delve => &toolchain.dlv,
    };
    let is_first = on_path.first().is_some_and(|first| first.program == tool.program);
    let version = tool.version.as_deref().ok().filter(|_| !is_first)?;
    match sort {
        GoProgram::Go => {
            let first = on_path.first()?.version.as_deref().ok().filter(|first| *first != version)?;
            let what = format!("it takes Go {version}, where the PATH has Go {first}");
            about(Level::Advice, what, &format!("take {whence} out for the one on the PATH"))
        }
        GoProgram::Delve => {
            let selected = go_of(*editor, toolchain).or_else(|| go.cloned())?;
            let (fault, is_too_old) = match compat::fit(version, selected.version.minor()) {
                DelveFit::DelveTooOld(_) => ("too old", true),
                DelveFit::GoTooOld(_) => ("too new", false),
                DelveFit::Fits | DelveFit::Unknown => return None,
            };
            let own = if whence.is_empty() && *editor == Editor::GoLand { "its own " } else { "" };
            let what = format!("it takes {own}dlv {version}, which is {fault} for Go {}", selected.version);
            let next = match (*editor, is_too_old) {
                (Editor::GoLand, true) if whence.is_empty() => "update GoLand".to_owned(),
                (Editor::GoLand, _) if whence.is_empty() => {
                    "name another dlv as dlv.path in Help, Edit Custom Properties".to_owned()
                }
                _ => {
                    let install = remedy::install_delve(toolchain, Some(&selected), Some(tool));
                    // What is named stays where it is, unless the command writes there.
                    let stays = !whence.is_empty() && !install.contains("GOBIN=");
                    if stays { format!("{install}, and take {whence} out") } else { install }
                }
            };
            about(Level::Problem, what, &next)
        }
    }
}

fn whence_or<'a>(whence: &'a str, named: &'a str) -> &'a str {
    if whence.is_empty() { named } else { whence }
}

/// The Go that the editor builds with, where its settings name one.
fn go_of(editor: Editor, toolchain: &Toolchain) -> Option<SelectedGo> {
    let taken =
        toolchain.editors.iter().find(|taken| taken.editor == editor && taken.sort == GoProgram::Go)?;
    let local = GoVersion::parse(taken.tool.as_ref()?.version.as_deref().ok()?)?;
    Some(selection::select(&local, toolchain).0)
}
