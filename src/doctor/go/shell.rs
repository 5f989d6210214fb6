//! What the login shell's files make of PATH and Go's variables, against what is here.

use crate::doctor::finding::{Finding, Level, finding};
use crate::doctor::toolchain::managers::GoProgram;
use crate::doctor::toolchain::shell::{ShellFacts, ShellTool};
use crate::doctor::toolchain::{Tool, Toolchain};

/// Why this PATH lacks the program, where the login shell's files tell.
pub fn missing(toolchain: &Toolchain, sort: GoProgram) -> Option<Finding> {
    let shell = &toolchain.shell;
    let name = sort.name();
    let of_shell = match sort {
        GoProgram::Go => &shell.go,
        GoProgram::Delve => &shell.dlv,
    };
    let found = |what: String, tool: &ShellTool, next: &str| {
        let file = tool.file.display();
        let evidence =
            if tool.whence.is_empty() { file.to_string() } else { format!("{file}, by {}", tool.whence) };
        Some(finding(Level::Problem, name, what, &evidence, next))
    };
    if let Some(tool) = of_shell.first() {
        return if toolchain.is_finder_path {
            let what = format!("your shell finds {name}, an app started from Finder does not");
            found(
                what,
                tool,
                "start the editor from a terminal, or name the program in the editor's settings",
            )
        } else {
            let what = format!("a new terminal finds {name}, this PATH does not");
            found(what, tool, "open a new terminal, and start the editor from it")
        };
    }
    let tool = shell.unread.first().filter(|_| sort == GoProgram::Go)?;
    let file = if shell.name == "zsh" { "~/.zprofile" } else { "~/.bash_profile" };
    let what = format!(
        "{} puts go on the PATH, but {}, your shell, does not read that file",
        tool.whence, shell.name
    );
    found(what, tool, &format!("put that line into {file}, and open a new terminal"))
}

/// Where lines disagree on which go comes first, or on a variable, and which wins.
pub fn disagreements(toolchain: &Toolchain) -> Vec<Finding> {
    let shell = &toolchain.shell;
    let go = paths(shell).or_else(|| stale(toolchain));
    let mut names: Vec<&str> = shell.variables.iter().map(|set| set.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let variables = names.into_iter().filter_map(|name| {
        let set: Vec<_> = shell.variables.iter().filter(|set| set.name == name).collect();
        let last = set.last()?;
        let other = set.iter().rfind(|other| !last.value.contains(&other.value))?;
        let what = format!(
            "{} and {} disagree about {name}: in a new terminal {} wins",
            other.whence, last.whence, last.whence
        );
        let evidence = format!("{name}={}, then {name}={}", other.value, last.value);
        Some(finding(Level::Advice, "shell", what, &evidence, &format!("take {} out", other.whence)))
    });
    go.into_iter().chain(variables).collect()
}

/// The line that sets this variable in a new terminal.
pub fn last_line<'a>(toolchain: &'a Toolchain, name: &str) -> Option<&'a str> {
    toolchain.shell.variables.iter().rfind(|set| set.name == name).map(|set| set.whence.as_str())
}

/// Two lines of the shell's files put a go on the PATH.
pub fn paths(shell: &ShellFacts) -> Option<Finding> {
    let mut by_lines = shell.go.iter().filter(|tool| !tool.whence.is_empty());
    let (first, other) = (by_lines.next()?, by_lines.next()?);
    if first.file.canonicalize().ok() == other.file.canonicalize().ok() {
        return None;
    }
    let what =
        format!("{} and {} each put a go on the PATH: {} wins", other.whence, first.whence, first.whence);
    let evidence = format!("{}, {}", first.file.display(), other.file.display());
    Some(finding(
        Level::Advice,
        "shell",
        what,
        &evidence,
        &format!("take {} out, or {} if the other go is meant", other.whence, first.whence),
    ))
}

/// This PATH has another go first than a new terminal has.
fn stale(toolchain: &Toolchain) -> Option<Finding> {
    let (here, there) = (toolchain.go.first()?, toolchain.shell.go.first()?);
    let is_same = |tool: &Tool| {
        std::path::Path::new(&tool.path) == there.file || tool.program == there.file.canonicalize().ok()
    };
    if is_same(here) || there.whence.is_empty() {
        return None;
    }
    let what = format!("a new terminal takes another go than this one: {} puts it first", there.whence);
    let evidence = format!("{} there, {} here", there.file.display(), here.path);
    Some(finding(
        Level::Advice,
        "shell",
        what,
        &evidence,
        "an editor takes the PATH of what it was started from",
    ))
}
