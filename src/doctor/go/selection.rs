//! Which Go builds in a folder: the one on the PATH, or since 1.21 another one that it fetches (<https://go.dev/doc/toolchain>).

use crate::doctor::finding::{Finding, Level, finding};
use crate::doctor::toolchain::Toolchain;
use crate::doctor::toolchain::go_files::GoDirectives;
use crate::doctor::toolchain::variables::{GoVariable, VariableSource};
use crate::doctor::toolchain::version::{FETCHES_OTHERS, GoVersion};

/// The Go that builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedGo {
    pub version: GoVersion,
    /// What chose it, to follow its name: `, which go.mod asks for`; empty for the one on the PATH.
    pub because: String,
    /// The only Go that there is to build a program with; `None` where others are fetched.
    pub only: Option<u32>,
}

/// Which Go builds where this one is first on the PATH, and what stands in its way.
pub fn select(local: &GoVersion, toolchain: &Toolchain) -> (SelectedGo, Vec<Finding>) {
    let local_only = SelectedGo { version: local.clone(), because: String::new(), only: Some(local.minor()) };
    let files = directives(local, toolchain);
    if local.minor() < FETCHES_OTHERS {
        return (local_only, files.and_then(|files| asked_of_old_go(local, files)).into_iter().collect());
    }
    let variable = toolchain.variables.get("GOTOOLCHAIN");
    let Some(mode) = ToolchainMode::parse(variable.map_or("auto", |variable| &variable.value)) else {
        let what =
            format!("GOTOOLCHAIN is {:?}, which Go does not understand", variable.map_or("", |v| &v.value));
        return (local_only, vec![problem(what, &whence(variable), &set_to_auto(variable, toolchain))]);
    };
    let base = mode.base.clone().unwrap_or_else(|| local.clone());
    let base_only = SelectedGo {
        because: if mode.base.is_some() { ", which GOTOOLCHAIN names".into() } else { String::new() },
        only: (mode.others == Others::Never).then_some(base.minor()),
        version: base,
    };
    let workspace = outdated_workspace(toolchain);
    let Some(files) = files else { return (base_only, workspace) };
    let go = files.go.as_deref().and_then(GoVersion::parse);
    let named = files.toolchain.as_deref().and_then(GoVersion::parse);
    if mode.others == Others::Never {
        let blocked = go.filter(|go| *go > base_only.version).map(|go| {
            let what = format!(
                "{} asks for Go {go}, but GOTOOLCHAIN={} keeps Go at {}: nothing builds",
                files.file, mode.text, base_only.version
            );
            problem(what, &whence(variable), &set_to_auto(variable, toolchain))
        });
        return (base_only, blocked.into_iter().chain(workspace).collect());
    }
    let Some(wanted) = [go, named].into_iter().flatten().max().filter(|wanted| *wanted > base_only.version)
    else {
        return (base_only, workspace);
    };
    let missing = not_to_be_had(&wanted, files, &mode, toolchain);
    let because = format!(", which {} asks for", files.file);
    let selected = SelectedGo { version: wanted, because, only: None };
    (selected, missing.into_iter().chain(workspace).collect())
}

/// What GOTOOLCHAIN says.
struct ToolchainMode {
    text: String,
    /// The Go it names in place of the one on the PATH.
    base: Option<GoVersion>,
    others: Others,
}

/// Whether a go.mod may ask for another Go, and where that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    Fetched,
    OnPath,
    Never,
}

impl ToolchainMode {
    fn parse(text: &str) -> Option<Self> {
        let (base, others) = match text.split_once('+') {
            None if text == "auto" => ("local", Others::Fetched),
            None if text == "path" => ("local", Others::OnPath),
            None => (text, Others::Never),
            Some((base, "auto")) => (base, Others::Fetched),
            Some((base, "path")) => (base, Others::OnPath),
            Some(_) => return None,
        };
        let base = match base {
            "local" => None,
            named if named.starts_with("go") => Some(GoVersion::parse(named)?),
            _ => return None,
        };
        Some(ToolchainMode { text: text.to_owned(), base, others })
    }
}

/// The file that is asked: the go.work where one is in use, else the go.mod.
fn directives<'a>(local: &GoVersion, toolchain: &'a Toolchain) -> Option<&'a GoDirectives> {
    const READS_WORKSPACES: u32 = 18;
    if toolchain.variables.value("GO111MODULE") == Some("off") {
        return None;
    }
    let workspace = toolchain.files.workspace.as_ref().filter(|_| local.minor() >= READS_WORKSPACES);
    workspace.or(toolchain.files.module.as_ref())
}

/// Go before 1.21 fetches no other, and does not read what newer ones write.
fn asked_of_old_go(local: &GoVersion, files: &GoDirectives) -> Option<Finding> {
    let go = files.go.as_deref().and_then(GoVersion::parse);
    let newer = go.as_ref().filter(|go| *go > local);
    let unread = match (&go, &files.toolchain) {
        (Some(go), _) if !go.is_two_numbers() => Some(format!("`go {go}`")),
        (_, Some(named)) => Some(format!("`toolchain {}`", named.escape_debug())),
        _ => None,
    };
    if let Some(line) = unread {
        let what = format!("Go {local} cannot read {}, which says {line}: nothing builds", files.file);
        let wanted = newer.map_or_else(|| "1.21".to_owned(), GoVersion::to_string);
        return Some(problem(what, "Go reads that since 1.21", &install_go(&wanted)));
    }
    newer.map(|go| {
        let what = format!(
            "{} asks for Go {go}, and Go {local} does not fetch it: what builds, builds with {local}",
            files.file
        );
        finding(Level::Advice, "go", what, "Go fetches others since 1.21", &install_go(&go.to_string()))
    })
}

pub fn install_go(version: &str) -> String {
    format!("install Go {version} or newer: https://go.dev/dl")
}

/// Why the Go that is asked for is not to be had, where it is not.
fn not_to_be_had(
    wanted: &GoVersion,
    files: &GoDirectives,
    mode: &ToolchainMode,
    toolchain: &Toolchain,
) -> Option<Finding> {
    let is_it = |name: &String| GoVersion::parse(name).is_some_and(|there| there == *wanted);
    let variable = |name| toolchain.variables.get(name);
    if toolchain.named_go.iter().any(is_it) {
        return None;
    }
    if mode.others == Others::OnPath {
        let what = format!(
            "GOTOOLCHAIN={} finds no go{wanted} on the PATH, which {} asks for",
            mode.text, files.file
        );
        return Some(problem(
            what,
            &whence(variable("GOTOOLCHAIN")),
            &set_to_auto(variable("GOTOOLCHAIN"), toolchain),
        ));
    }
    let proxy = variable("GOPROXY").filter(|proxy| proxy.value == "off")?;
    (!toolchain.fetched.iter().any(is_it)).then(|| {
        let what = format!("{} asks for Go {wanted}, and GOPROXY=off: it is not fetched", files.file);
        problem(what, &proxy.whence.to_string(), &unset("GOPROXY", proxy, toolchain))
    })
}

/// Since 1.21 the go.work must ask for no older Go than a module that it uses.
fn outdated_workspace(toolchain: &Toolchain) -> Vec<Finding> {
    let files = &toolchain.files;
    let (Some(work), Some(module)) = (&files.workspace, &files.module) else { return Vec::new() };
    let go = |directives: &GoDirectives| directives.go.as_deref().and_then(GoVersion::parse);
    let (Some(work_go), Some(module_go)) = (go(work), go(module)) else { return Vec::new() };
    let is_outdated = files.uses_module && module_go > work_go;
    let what =
        format!("{} asks for Go {work_go}, and {} for {module_go}: go refuses", work.file, module.file);
    let evidence = format!("{}, {}", work.file, module.file);
    if is_outdated { vec![problem(what, &evidence, "`go work use`")] } else { Vec::new() }
}

fn problem(what: String, evidence: &str, next: &str) -> Finding {
    finding(Level::Problem, "go", what, evidence, next)
}

fn whence(variable: Option<&GoVariable>) -> String {
    variable.map(|variable| variable.whence.to_string()).unwrap_or_default()
}

/// How a variable loses its value.
pub fn unset(name: &str, variable: &GoVariable, toolchain: &Toolchain) -> String {
    match variable.whence {
        VariableSource::Environment => {
            let line = super::shell::last_line(toolchain, name).unwrap_or("the shell's files");
            format!("`unset {name}`, and take it out of {line}")
        }
        VariableSource::UserFile(_) | VariableSource::Distribution(_) => format!("`go env -u {name}`"),
    }
}

fn set_to_auto(variable: Option<&GoVariable>, toolchain: &Toolchain) -> String {
    match variable {
        // What came with Go is overruled, not taken out.
        Some(GoVariable { whence: VariableSource::Distribution(_), .. }) => {
            "`go env -w GOTOOLCHAIN=auto`".into()
        }
        Some(variable) => unset("GOTOOLCHAIN", variable, toolchain),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gotoolchain_says() {
        let read = |text: &str| {
            ToolchainMode::parse(text).map(|mode| (mode.base.map(|go| go.to_string()), mode.others))
        };
        assert_eq!(read("auto"), Some((None, Others::Fetched)));
        assert_eq!(read("path"), Some((None, Others::OnPath)));
        assert_eq!(read("local"), Some((None, Others::Never)));
        assert_eq!(read("local+path"), Some((None, Others::OnPath)));
        assert_eq!(read("go1.22.1"), Some((Some("1.22.1".into()), Others::Never)));
        assert_eq!(read("go1.22.1+auto"), Some((Some("1.22.1".into()), Others::Fetched)));
        for text in ["1.22", "go1.22+x", "latest", ""] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
