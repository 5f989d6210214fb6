//! Go and Delve, whether they fit, and whether they can do their work in this folder.

mod compat;
mod editors;
mod remedy;
mod selection;
mod shell;

use super::facts::DoctorFacts;
use super::finding::{Finding, Level, finding};
use super::toolchain::managers::GoProgram;
use super::toolchain::version::GoVersion;
use super::toolchain::{Cpu, Tool, Toolchain, VersionError};
use compat::DelveFit;
use selection::SelectedGo;

pub fn go_and_delve(facts: &DoctorFacts) -> Vec<Finding> {
    let toolchain = &facts.toolchain;
    let local = toolchain.go.first().and_then(|go| GoVersion::parse(go.version.as_deref().ok()?));
    let (selected, of_selection) = match local.map(|local| selection::select(&local, toolchain)) {
        Some((selected, findings)) => (Some(selected), findings),
        None => (None, Vec::new()),
    };
    let of_delve = of_delve(facts, selected.as_ref());
    let is_to_install = of_delve.iter().any(|finding| finding.next_step.contains("go install"));
    [
        of_go(facts),
        of_selection,
        version_file(toolchain, selected.as_ref()),
        flags(toolchain),
        of_delve,
        proxy(toolchain, is_to_install),
        if facts.is_about_go() { shell::disagreements(toolchain) } else { Vec::new() },
        editors::editors(toolchain, selected.as_ref()),
        cpus(facts, selected.as_ref()),
        debugserver(facts),
    ]
    .concat()
}

fn of_go(facts: &DoctorFacts) -> Vec<Finding> {
    let toolchain = &facts.toolchain;
    let Toolchain { go, goroot, .. } = toolchain;
    let missing = (go.is_empty() && facts.is_about_go())
        .then(|| shell::missing(toolchain, GoProgram::Go).unwrap_or_else(|| missing_go(toolchain)));
    // Lines of the shell's files say more.
    let several = several("go", go, "put the one that is meant first on PATH, in the editor too");
    let several = several.filter(|_| shell::paths(&toolchain.shell).is_none());
    let goroot = goroot.iter().map(|problem| {
        let next = match shell::last_line(toolchain, "GOROOT") {
            Some(line) => format!("`unset GOROOT`, and take it out of {line}: go finds its own"),
            None => "unset GOROOT: go finds its own".into(),
        };
        finding(Level::Problem, "go", problem.clone(), "the environment's GOROOT", &next)
    });
    missing
        .into_iter()
        .chain(go.first().map(|first| version("go", first)))
        .chain(several)
        .chain(goroot)
        .collect()
}

fn missing_go(toolchain: &Toolchain) -> Finding {
    let Some(file) = &toolchain.unlisted_go else {
        let next = "install Go (https://go.dev/dl), or add its bin folder to PATH";
        return finding(Level::Problem, "go", "no go on the PATH", &toolchain.path, next);
    };
    let folder = file.rsplit_once('/').map_or(file.as_str(), |(folder, _)| folder);
    let next = format!("`echo 'export PATH=$PATH:{folder}' >> ~/.zprofile`, then a new terminal");
    finding(Level::Problem, "go", "Go is installed, but not on the PATH", file, &next)
}

fn of_delve(facts: &DoctorFacts, go: Option<&SelectedGo>) -> Vec<Finding> {
    let toolchain = &facts.toolchain;
    let Some(first) = toolchain.dlv.first() else { return missing_delve(facts, go) };
    if let Err(VersionError::NotThere(choice)) = &first.version {
        let manager = choice.manager.name();
        let what = format!("{manager}'s shim finds no dlv for Go {}, by {}", choice.version, choice.whence);
        let next = remedy::install_delve(toolchain, go, Some(first));
        return vec![finding(Level::Problem, "dlv", what, &first.path, &next)];
    }
    let several = several("dlv", &toolchain.dlv, "remove the others, or name one by its path in the editor");
    let fit = first.version.as_deref().ok().and_then(|dlv| fit(dlv, first, go?, toolchain));
    [version("dlv", first)].into_iter().chain(several).chain(fit).collect()
}

fn missing_delve(facts: &DoctorFacts, go: Option<&SelectedGo>) -> Vec<Finding> {
    let toolchain = &facts.toolchain;
    if !facts.is_about_go() {
        return Vec::new();
    }
    if let Some(found) = shell::missing(toolchain, GoProgram::Delve) {
        return vec![found];
    }
    let found = |what, evidence, next: &str| vec![finding(Level::Problem, "dlv", what, evidence, next)];
    match &toolchain.unlisted_dlv {
        Some(file) => {
            let folder = file.rsplit_once('/').map_or(file.as_str(), |(folder, _)| folder);
            found("dlv is installed, but not on the PATH", file, &format!("add {folder} to PATH"))
        }
        None => found("no dlv on the PATH", &toolchain.path, &remedy::install_delve(toolchain, go, None)),
    }
}

fn version(name: &str, tool: &Tool) -> Finding {
    let by = match (&tool.program, &tool.choice) {
        (Some(program), Some(choice)) => {
            format!("{}, by {} ({})", program.display(), choice.whence, choice.manager.name())
        }
        _ => tool.path.clone(),
    };
    match &tool.version {
        Ok(version) => finding(Level::Fine, name, format!("{name} {version}"), &by, ""),
        Err(VersionError::NotThere(choice)) => {
            let manager = choice.manager.name();
            let what = format!("{manager} has no Go {}, which {} names", choice.version, choice.whence);
            let next = format!("`{}`", choice.manager.install(&choice.version));
            finding(Level::Problem, name, what, &tool.path, &next)
        }
        Err(VersionError::NotChosen(manager)) => {
            let what = format!("{manager} has no version of Go for this folder");
            let next = "write `golang VERSION` into .tool-versions here; an installed version";
            finding(Level::Problem, name, what, &tool.path, next)
        }
        Err(why) => {
            let evidence = format!("{}: {why}", tool.path);
            let what = format!("the version of {name} is not known");
            finding(Level::Unknown, name, what, &evidence, &format!("`{name} version` tells it"))
        }
    }
}

fn several(name: &str, tools: &[Tool], next: &str) -> Option<Finding> {
    let all: Vec<&str> = tools.iter().map(|tool| tool.path.as_str()).collect();
    (tools.len() > 1).then(|| {
        let what = format!("{} different {name}s are on the PATH; the first is used", tools.len());
        finding(Level::Advice, name, what, &all.join(", "), next)
    })
}

/// Whether dlv takes what this Go builds.
fn fit(dlv: &str, tool: &Tool, go: &SelectedGo, toolchain: &Toolchain) -> Option<Finding> {
    let SelectedGo { version, because, .. } = go;
    let (what, evidence) = match compat::fit(dlv, version.minor()) {
        DelveFit::DelveTooOld(newest) => (
            format!("dlv {dlv} is too old for Go {version}{because}"),
            format!("Delve {dlv} takes Go up to 1.{newest} (Delve: pkg/goversion/compat.go)"),
        ),
        DelveFit::GoTooOld(oldest) => (
            format!(
                "Go {version}{because}{} is too old for dlv {dlv}",
                if because.is_empty() { "" } else { "," }
            ),
            format!("Delve {dlv} takes Go from 1.{oldest} on (Delve: pkg/goversion/compat.go)"),
        ),
        DelveFit::Fits | DelveFit::Unknown => return None,
    };
    let next = remedy::install_delve(toolchain, Some(go), Some(tool));
    Some(finding(Level::Problem, "dlv", what, &evidence, &next))
}

/// A file names a Go, and no manager that reads it chose the first go on the PATH.
fn version_file(toolchain: &Toolchain, selected: Option<&SelectedGo>) -> Vec<Finding> {
    let (Some((file, wanted)), Some(first), Some(selected)) =
        (&toolchain.files.version_file, toolchain.go.first(), selected)
    else {
        return Vec::new();
    };
    let is_it = |version: &str| {
        version.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let local = first.version.as_deref().unwrap_or_default();
    let fits = is_it(local) || is_it(&selected.version.to_string());
    if first.choice.is_some() || fits || GoVersion::parse(wanted).is_none() {
        return Vec::new();
    }
    let what = format!("{file} names Go {wanted}, but the go on the PATH is {local}");
    let next = "put the shims of the manager that reads it first on PATH, or correct the file";
    vec![finding(Level::Advice, "go", what, &first.path, next)]
}

/// Variables that make a program that dlv cannot debug, or none.
fn flags(toolchain: &Toolchain) -> Vec<Finding> {
    let variables = &toolchain.variables;
    let module = toolchain.files.module.as_ref();
    let off = variables.get("GO111MODULE").filter(|variable| variable.value == "off").zip(module);
    let off = off.map(|(variable, module)| {
        let what = format!("GO111MODULE=off: go does not read {}", module.file);
        let next = selection::unset("GO111MODULE", variable, toolchain);
        finding(Level::Problem, "go", what, &variable.whence.to_string(), &next)
    });
    let words = |value: &str| value.split([' ', '=', '\'', '"']).map(str::to_owned).collect::<Vec<_>>();
    let of_flags = variables.get("GOFLAGS").and_then(|variable| {
        let words = words(&variable.value);
        let has = |word: &str| words.iter().any(|other| other == word);
        let evidence = format!("GOFLAGS={} ({})", variable.value, variable.whence);
        let strips = has("-ldflags") && (has("-s") || has("-w"));
        let trims = has("-trimpath");
        let next = selection::unset("GOFLAGS", variable, toolchain);
        if strips {
            let what = "GOFLAGS has the linker leave out what dlv needs: breakpoints are not found";
            Some(finding(Level::Problem, "go", what, &evidence, &next))
        } else if trims {
            let what = "GOFLAGS has -trimpath: an editor's breakpoints, which are whole paths, are not found";
            Some(finding(
                Level::Advice,
                "go",
                what,
                &evidence,
                "set `substitutePath` in launch.json, or take it out",
            ))
        } else {
            None
        }
    });
    off.into_iter().chain(of_flags).collect()
}

/// Where a command fetches from Go's own proxy, which not every network reaches.
fn proxy(toolchain: &Toolchain, is_to_install: bool) -> Vec<Finding> {
    if !is_to_install || !remedy::is_by_default_proxy(toolchain) {
        return Vec::new();
    }
    let what =
        "`go install` fetches from proxy.golang.org, which is not reached from everywhere, as from China";
    let next = "where it hangs, put `GOPROXY=https://goproxy.cn,direct` before the command";
    vec![finding(Level::Advice, "GOPROXY", what, "GOPROXY is as Go sets it", next)]
}

/// Programs for Intel on Apple silicon: they run translated, and there Delve refuses to debug (Delve: its release 1.7.0).
fn cpus(facts: &DoctorFacts, selected: Option<&SelectedGo>) -> Vec<Finding> {
    let toolchain = &facts.toolchain;
    if facts.apple_silicon != Some(true) {
        return Vec::new();
    }
    let intel = |tools: &[Tool]| {
        tools.first().filter(|tool| tool.cpu == Some(Cpu::Intel)).map(|tool| tool.path.clone())
    };
    let go = intel(&toolchain.go).map(|path| {
        let what =
            "go is built for Intel, and so is what it builds: on Apple silicon dlv does not debug that";
        let next = "install Go for darwin-arm64: https://go.dev/dl, or brew in /opt/homebrew";
        finding(Level::Problem, "go", what, &path, next)
    });
    let is_of_go = go.is_some();
    let dlv = intel(&toolchain.dlv).map(|path| {
        let what = "dlv is built for Intel: on Apple silicon it refuses to debug";
        let next = remedy::install_delve(toolchain, selected, toolchain.dlv.first());
        let next = if is_of_go { "install Go for darwin-arm64 first, then dlv with it" } else { &next };
        finding(Level::Problem, "dlv", what, &path, next)
    });
    go.into_iter().chain(dlv).collect()
}

/// Delve starts programs by macOS's debugserver.
fn debugserver(facts: &DoctorFacts) -> Vec<Finding> {
    if facts.toolchain.debugserver != Some(false) || !facts.is_about_go() {
        return Vec::new();
    }
    let what = "macOS's debugserver is not there: dlv cannot start a program";
    let evidence = "neither the Command Line Tools nor Xcode has it";
    vec![finding(Level::Problem, "Command Line Tools", what, evidence, "`xcode-select --install`")]
}
