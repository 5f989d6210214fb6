//! Go and Delve, and whether they fit.

use super::facts::DoctorFacts;
use super::finding::{Finding, Level, finding};
use super::toolchain::{self, Tool, Toolchain};

pub fn go_and_delve(facts: &DoctorFacts) -> Vec<Finding> {
    let Toolchain { go, dlv, unlisted_dlv, goroot, .. } = &facts.toolchain;
    let wanted = facts.is_about_go();
    let mut findings = Vec::new();
    match (go.first(), wanted) {
        (None, true) => findings.push(finding(
            Level::Problem,
            "go",
            "no go on the PATH",
            &facts.toolchain.path,
            "install Go, or add its bin folder to PATH",
        )),
        (None, false) => {}
        (Some(first), _) => findings.push(match &first.version {
            Ok(version) => finding(Level::Fine, "go", format!("go {version}"), &first.path, ""),
            Err(why) => finding(
                Level::Unknown,
                "go",
                "go does not tell its version",
                &format!("{}: {why}", first.path),
                "",
            ),
        }),
    }
    if go.len() > 1 {
        let all: Vec<&str> = go.iter().map(|tool| tool.path.as_str()).collect();
        findings.push(finding(
            Level::Advice,
            "go",
            format!("{} different gos are on the PATH; the first is used", go.len()),
            &all.join(", "),
            "put the one that is meant first on PATH, in the editor too",
        ));
    }
    if let Some(problem) = goroot {
        findings.push(finding(
            Level::Problem,
            "go",
            problem.clone(),
            "the environment's GOROOT",
            "unset GOROOT: go finds its own",
        ));
    }
    match (dlv.first(), unlisted_dlv, wanted) {
        (None, Some(path), _) => findings.push(finding(
            Level::Problem,
            "dlv",
            "dlv is installed, but not on the PATH",
            path,
            "add that folder to PATH",
        )),
        (None, None, true) => findings.push(finding(
            Level::Problem,
            "dlv",
            "no dlv on the PATH",
            &facts.toolchain.path,
            "`go install github.com/go-delve/delve/cmd/dlv@latest`",
        )),
        (None, None, false) => {}
        (Some(first), ..) => {
            findings.push(match &first.version {
                Ok(version) => finding(Level::Fine, "dlv", format!("dlv {version}"), &first.path, ""),
                Err(why) => finding(
                    Level::Unknown,
                    "dlv",
                    "dlv does not tell its version",
                    &format!("{}: {why}", first.path),
                    "",
                ),
            });
            if dlv.len() > 1 {
                let all: Vec<&str> = dlv.iter().map(|tool| tool.path.as_str()).collect();
                findings.push(finding(
                    Level::Advice,
                    "dlv",
                    format!("{} different dlvs are on the PATH; the first is used", dlv.len()),
                    &all.join(", "),
                    "remove the others, or name one by its path in the editor",
                ));
            }
        }
    }
    let known = |tools: &[Tool]| tools.first().and_then(|tool| tool.version.clone().ok());
    if let (Some(go), Some(dlv)) = (known(go), known(dlv)) {
        findings.extend(versions(&go, &dlv, facts.project.go.as_deref()));
    }
    findings
}

/// Whether dlv and Go fit. A project may ask for a newer Go than is installed: go fetches that.
fn versions(go: &str, dlv: &str, wanted: Option<&str>) -> Option<Finding> {
    let newer = wanted.filter(|wanted| toolchain::minor(wanted) > toolchain::minor(go));
    let (used, whence) = match newer {
        Some(wanted) => (wanted, ", which go.mod asks for"),
        None => (go, ""),
    };
    let remedy = "`go install github.com/go-delve/delve/cmd/dlv@latest`";
    if toolchain::is_delve_too_old(dlv, used) {
        return Some(finding(
            Level::Problem,
            "dlv",
            format!("dlv {dlv} is too old for Go {used}{whence}"),
            "dlv refuses newer versions of Go than it knows: 1.N knows Go up to 1.N",
            remedy,
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
