//! The command that installs a Delve that fits, as far as one can be built here.

use std::path::Path;

use super::compat;
use super::selection::SelectedGo;
use crate::doctor::toolchain::{Tool, Toolchain};

/// How a Delve for this Go is installed; `unfit` is the dlv that it stands in for.
pub fn install_delve(toolchain: &Toolchain, go: Option<&SelectedGo>, unfit: Option<&Tool>) -> String {
    let minor = go.map(|go| go.version.minor());
    let is_of_brew = unfit.and_then(|tool| tool.program.as_ref()).is_some_and(|program| {
        program.iter().any(|part| part == "Cellar") && minor.is_none_or(compat::is_for_newest)
    });
    if is_of_brew {
        return "`brew upgrade delve`".into();
    }
    let version = match (go, minor) {
        (Some(go), Some(minor)) => compat::to_install(minor, go.only),
        _ => Some("latest"),
    };
    let version =
        version.map(|version| if version == "latest" { version.to_owned() } else { format!("v{version}") });
    let Some(version) = version else {
        return "install a newer Go (https://go.dev/dl): no dlv that fits can be built with this one".into();
    };
    let install = &toolchain.install_folder;
    let folder = unfit.filter(|tool| tool.choice.is_none()).and_then(|tool| Path::new(&tool.path).parent());
    let is_elsewhere = folder.is_some_and(|folder| folder != install.path);
    let is_own = unfit.is_some_and(|tool| tool.is_in_own_folder);
    let mut words = variables(toolchain);
    if let Some(folder) = folder.filter(|folder| is_elsewhere && is_own && is_plain(folder)) {
        words.push(format!("GOBIN={}", folder.display()));
    }
    words.push(format!("go install github.com/go-delve/delve/cmd/dlv@{version}"));
    let manager = toolchain.go.first().and_then(|go| go.choice.as_ref()).map(|choice| choice.manager);
    if let Some(manager) = manager {
        words.push(format!("&& {}", manager.refresh()));
    }
    let command = format!("`{}`", words.join(" "));
    match folder {
        _ if manager.is_some() => command,
        Some(folder) if is_elsewhere && !is_own => {
            format!("{command}, and put {} before {} on PATH", install.shown, folder.display())
        }
        None if !install.is_on_path && !install.shown.is_empty() => {
            format!("{command}, and add {} to PATH", install.shown)
        }
        _ => command,
    }
}

/// Whether a path may stand in a command that people copy: a project's settings may name it.
fn is_plain(path: &Path) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte);
    path.to_str().is_some_and(|path| path.bytes().all(is_plain))
}

/// What stands before the command, for it to work in spite of Go's variables.
fn variables(toolchain: &Toolchain) -> Vec<String> {
    let value = |name| toolchain.variables.value(name).unwrap_or_default();
    let needed = [
        (value("GO111MODULE") == "off", "GO111MODULE=on"),
        (value("GOFLAGS").contains("-mod="), "GOFLAGS="),
        (value("GOPROXY") == "off", "GOPROXY=https://proxy.golang.org,direct"),
    ];
    needed.into_iter().filter(|(is_needed, _)| *is_needed).map(|(_, word)| word.to_owned()).collect()
}

/// Whether the command goes by the proxy that Go uses of itself.
pub fn is_by_default_proxy(toolchain: &Toolchain) -> bool {
    let proxy = toolchain.variables.value("GOPROXY").unwrap_or("off");
    proxy == "off" || proxy.contains("proxy.golang.org")
}
