//! Go and Delve, and whether they fit.

use super::facts::DoctorFacts;
use super::finding::{Finding, Level, finding};
use super::toolchain::{self, Tool, Toolchain};

pub fn go_and_delve(facts: &DoctorFacts) -> Vec<Finding> {
    let Toolchain { go, dlv, .. } = &facts.toolchain;
    let known = |tools: &[Tool]| tools.first().and_then(|tool| tool.version.as_ref().ok().cloned());
    let fit = match (known(go), known(dlv)) {
        (Some(go), Some(dlv)) => versions(&go, &dlv, facts.project.go.as_deref()),
        _ => None,
    };
    of_go(facts).into_iter().chain(of_dlv(facts)).chain(fit).collect()
}

fn of_go(facts: &DoctorFacts) -> Vec<Finding> {
    let Toolchain { go, goroot, path, .. } = &facts.toolchain;
    let missing = (go.is_empty() && facts.is_about_go()).then(|| {
        let next = "install Go, or add its bin folder to PATH";
        finding(Level::Problem, "go", "no go on the PATH", path, next)
    });
    let several = several("go", go, "put the one that is meant first on PATH, in the editor too");
    let goroot = goroot.iter().map(|problem| {
        let next = "unset GOROOT: go finds its own";
        finding(Level::Problem, "go", problem.clone(), "the environment's GOROOT", next)
    });
    missing
        .into_iter()
        .chain(go.first().map(|first| version("go", first)))
        .chain(several)
        .chain(goroot)
        .collect()
}

fn of_dlv(facts: &DoctorFacts) -> Vec<Finding> {
    let Toolchain { dlv, unlisted_dlv, path, .. } = &facts.toolchain;
    if let Some(first) = dlv.first() {
        let several = several("dlv", dlv, "remove the others, or name one by its path in the editor");
        return [version("dlv", first)].into_iter().chain(several).collect();
    }
    let found = |what, evidence, next| vec![finding(Level::Problem, "dlv", what, evidence, next)];
    match unlisted_dlv {
        Some(file) => found("dlv is installed, but not on the PATH", file, "add that folder to PATH"),
        None if facts.is_about_go() => found("no dlv on the PATH", path, INSTALL_DLV),
        None => vec![],
    }
}

const INSTALL_DLV: &str = "`go install github.com/go-delve/delve/cmd/dlv@latest`";

fn version(name: &str, tool: &Tool) -> Finding {
    match &tool.version {
        Ok(version) => finding(Level::Fine, name, format!("{name} {version}"), &tool.path, ""),
        Err(why) => {
            let evidence = format!("{}: {why}", tool.path);
            finding(Level::Unknown, name, format!("{name} does not tell its version"), &evidence, "")
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

/// Whether dlv and Go fit. A project may ask for a newer Go than is installed: go fetches that.
fn versions(go: &str, dlv: &str, wanted: Option<&str>) -> Option<Finding> {
    let newer = wanted.filter(|wanted| toolchain::minor(wanted) > toolchain::minor(go));
    let (used, whence) = match newer {
        Some(wanted) => (wanted, ", which go.mod asks for"),
        None => (go, ""),
    };
    if toolchain::is_delve_too_old(dlv, used) {
        return Some(finding(
            Level::Problem,
            "dlv",
            format!("dlv {dlv} is too old for Go {used}{whence}"),
            "dlv refuses newer versions of Go than it knows: 1.N knows Go up to 1.N",
            INSTALL_DLV,
        ));
    }
    toolchain::is_go_too_old(dlv, used).then(|| {
        finding(
            Level::Problem,
            "dlv",
            format!("Go {used} is too old for dlv {dlv}"),
            "dlv refuses versions of Go that are older than it knows",
            "install a newer Go, or a dlv of about the same number",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dlv_and_go_fit_or_do_not() {
        assert_eq!(versions("1.24.1", "1.24.0", None), None);
        assert_eq!(versions("1.24.1", "1.24.0", Some("1.23")), None);
        let too_old = versions("1.24.1", "1.24.0", Some("1.25.3")).unwrap();
        assert_eq!(too_old.what, "dlv 1.24.0 is too old for Go 1.25.3, which go.mod asks for");
        assert_eq!(versions("1.17", "1.25.0", None).unwrap().what, "Go 1.17 is too old for dlv 1.25.0");
    }
}
