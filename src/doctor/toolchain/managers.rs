//! Which Go a version manager gives a folder: goenv, asdf and mise put shims on the PATH, small programs that choose one of
//! the installed versions by files and variables. The same files are read here; no shim is run.

use std::path::{Path, PathBuf};

use super::environment::{ToolEnvironment, is_executable, text};
use super::go_files::GoDirectives;
use super::version::GoVersion;
use super::version_files::{mise_version, plain, tool_version, version_word};

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoProgram {
    Go,
    Delve,
}

impl GoProgram {
    /// The name of its file.
    pub fn name(self) -> &'static str {
        match self {
            GoProgram::Go => "go",
            GoProgram::Delve => "dlv",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    Goenv,
    Asdf,
    Mise,
}

/// What a manager chose, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagerChoice {
    pub manager: Manager,
    /// The version as it is written there, such as `1.22` or `1.22.3`.
    pub version: String,
    /// The file or variable that names it.
    pub whence: String,
}

/// What a shim runs.
#[derive(Debug, PartialEq, Eq)]
pub enum ShimTarget {
    Program(PathBuf, ManagerChoice),
    /// The next program of its name on the PATH.
    RestOfPath,
    /// The chosen version is not installed, or has no such program.
    NotThere(ManagerChoice),
    /// Nothing names a version.
    NotChosen(Manager),
}

impl Manager {
    pub fn name(self) -> &'static str {
        match self {
            Manager::Goenv => "goenv",
            Manager::Asdf => "asdf",
            Manager::Mise => "mise",
        }
    }

    /// The command that installs this Go.
    pub fn install(self, version: &str) -> String {
        match self {
            Manager::Goenv => format!("goenv install {version}"),
            Manager::Asdf => format!("asdf install golang {version}"),
            Manager::Mise => format!("mise install go@{version}"),
        }
    }

    /// The command after which a new program has a shim.
    pub fn refresh(self) -> &'static str {
        match self {
            Manager::Goenv => "goenv rehash",
            Manager::Asdf => "asdf reshim golang",
            Manager::Mise => "mise reshim",
        }
    }

    /// Which manager's shims are in this folder, and where it keeps its versions.
    fn of_folder(environment: &ToolEnvironment<'_>, folder: &Path) -> Option<(Manager, PathBuf)> {
        let roots = [
            (Manager::Goenv, environment.folder_of("GOENV_ROOT", ".goenv")),
            (Manager::Asdf, environment.folder_of("ASDF_DATA_DIR", ".asdf")),
            (Manager::Mise, environment.folder_of("MISE_DATA_DIR", ".local/share/mise")),
        ];
        let by_variable = roots.into_iter().find_map(|(manager, root)| {
            let root = root?;
            (folder == root.join("shims")).then_some((manager, root))
        });
        // Another user's, or one whose variable is not in this environment.
        let by_name = || {
            let root = folder.parent().filter(|_| folder.ends_with("shims"))?;
            let manager = match root.file_name()?.to_str()? {
                ".goenv" => Manager::Goenv,
                ".asdf" => Manager::Asdf,
                "mise" => Manager::Mise,
                _ => return None,
            };
            Some((manager, root.to_owned()))
        };
        by_variable.or_else(by_name)
    }

    /// Where the versions are, one folder each.
    fn versions(self, root: &Path) -> PathBuf {
        root.join(match self {
            Manager::Goenv => "versions",
            Manager::Asdf => "installs/golang",
            Manager::Mise => "installs/go",
        })
    }
}

/// What the program in this file runs, where it is a shim.
pub fn shim_target(environment: &ToolEnvironment<'_>, file: &Path, sort: GoProgram) -> Option<ShimTarget> {
    let (manager, root) = Manager::of_folder(environment, file.parent()?)?;
    let Some((version, whence)) = chosen(environment, manager, &root) else {
        return Some(if manager == Manager::Goenv {
            ShimTarget::RestOfPath
        } else {
            ShimTarget::NotChosen(manager)
        });
    };
    if version == "system" {
        return Some(ShimTarget::RestOfPath);
    }
    let choice = ManagerChoice { manager, version, whence };
    let versions = manager.versions(&root);
    let installed = installed(manager, &versions, &choice.version);
    let mut programs = installed
        .into_iter()
        .flat_map(|version| programs(environment, manager, &root, &version, sort))
        .filter(|program| is_executable(program));
    Some(match programs.next() {
        Some(program) => ShimTarget::Program(program, choice),
        None => ShimTarget::NotThere(choice),
    })
}

/// The version that a manager takes in the folder, and the file or variable that names it.
fn chosen(environment: &ToolEnvironment<'_>, manager: Manager, root: &Path) -> Option<(String, String)> {
    let shown = |(file, version): (PathBuf, String)| (version, environment.shown(&file));
    let by_variable = |name: &str| Some((plain(&environment.variable(name)?)?, name.to_owned()));
    let by_file = |file: PathBuf, read: fn(&str) -> Option<String>| {
        let version = read(&text(&file)?)?;
        Some((file, version))
    };
    match manager {
        Manager::Goenv => by_variable("GOENV_VERSION")
            .or_else(|| environment.nearest(".go-version", plain).map(shown))
            .or_else(|| {
                let by_module = environment.variable("GOENV_GOMOD_VERSION_ENABLE")? == "1";
                by_module.then(|| environment.nearest("go.mod", module_version).map(shown))?
            })
            .or_else(|| by_file(root.join("version"), plain).map(shown)),
        Manager::Asdf => by_variable("ASDF_GOLANG_VERSION")
            .or_else(|| nearest_of_asdf(environment).map(shown))
            .or_else(|| by_file(environment.home()?.join(".tool-versions"), tool_version).map(shown)),
        Manager::Mise => by_variable("MISE_GO_VERSION")
            .or_else(|| nearest_of_mise(environment).map(shown))
            .or_else(|| by_file(mise_config(environment)?, mise_version).map(shown)),
    }
}

/// How a file is read that names a version.
type VersionReader = fn(&str) -> Option<String>;

/// The nearest of these files that names a version: of those in one folder the first.
fn nearest_of(
    environment: &ToolEnvironment<'_>,
    files: &[(&str, VersionReader)],
) -> Option<(PathBuf, String)> {
    environment.folder.ancestors().find_map(|folder| {
        files.iter().find_map(|(name, read)| {
            let file = folder.join(name);
            let version = read(&text(&file)?)?;
            Some((file, version))
        })
    })
}

/// asdf reads the files of other managers where its settings say so.
fn nearest_of_asdf(environment: &ToolEnvironment<'_>) -> Option<(PathBuf, String)> {
    let files: [(&str, VersionReader); 2] = [(".tool-versions", tool_version), (".go-version", plain)];
    let settings = environment.folder_of("ASDF_CONFIG_FILE", ".asdfrc").and_then(|file| text(&file));
    let says_yes = |line: &str| line.replace(' ', "") == "legacy_version_file=yes";
    let reads_others = settings.is_some_and(|settings| settings.lines().any(says_yes));
    nearest_of(environment, files.get(..if reads_others { 2 } else { 1 })?)
}

fn nearest_of_mise(environment: &ToolEnvironment<'_>) -> Option<(PathBuf, String)> {
    let files: [(&str, VersionReader); 7] = [
        ("mise.local.toml", mise_version),
        ("mise.toml", mise_version),
        (".mise.toml", mise_version),
        ("mise/config.toml", mise_version),
        (".config/mise.toml", mise_version),
        (".tool-versions", tool_version),
        (".go-version", plain),
    ];
    // A `.go-version` where the settings list go as a tool whose own file is read.
    let settings = mise_config(environment).and_then(|file| text(&file)).unwrap_or_default();
    let mut lines =
        settings.lines().filter(|line| line.trim().starts_with("idiomatic_version_file_enable_tools"));
    let reads_others = lines.any(|line| line.contains("\"go\""));
    nearest_of(environment, files.get(..if reads_others { 7 } else { 6 })?)
}

fn mise_config(environment: &ToolEnvironment<'_>) -> Option<PathBuf> {
    let named = environment.variable("MISE_GLOBAL_CONFIG_FILE").map(PathBuf::from);
    named.or_else(|| Some(environment.folder_of("XDG_CONFIG_HOME", ".config")?.join("mise/config.toml")))
}

fn module_version(text: &str) -> Option<String> {
    let GoDirectives { go, toolchain, .. } = GoDirectives::parse(text);
    version_word(&toolchain.filter(|named| named.starts_with("go")).or(go)?)
}

/// The name of the installed version that is meant: just it, or for goenv and mise the newest that begins so.
fn installed(manager: Manager, versions: &Path, wanted: &str) -> Option<String> {
    if !wanted.contains('/') && wanted != ".." && versions.join(wanted).is_dir() {
        return Some(wanted.to_owned());
    }
    if manager == Manager::Asdf {
        return None;
    }
    let begins = |name: &str| {
        wanted == "latest" || name.strip_prefix(wanted).is_some_and(|rest| rest.starts_with(['.', 'r', 'b']))
    };
    let names =
        std::fs::read_dir(versions).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let all = names.filter(|name| begins(name)).filter_map(|name| Some((GoVersion::parse(&name)?, name)));
    all.max().map(|(_, name)| name)
}

/// Where a version has this program.
fn programs(
    environment: &ToolEnvironment<'_>,
    manager: Manager,
    root: &Path,
    version: &str,
    sort: GoProgram,
) -> Vec<PathBuf> {
    let folder = manager.versions(root).join(version);
    let name = sort.name();
    match (manager, sort) {
        (Manager::Goenv | Manager::Mise, GoProgram::Go) => vec![folder.join("bin").join(name)],
        (Manager::Asdf, GoProgram::Go) => vec![folder.join("go/bin").join(name)],
        (Manager::Goenv, GoProgram::Delve) => {
            let own = environment
                .folder_of("GOENV_GOPATH_PREFIX", "go")
                .map(|prefix| prefix.join(version).join("bin/dlv"));
            let shared = environment.folder_of("GOPATH", "go").map(|gopath| gopath.join("bin/dlv"));
            let keeps = environment.variable("GOENV_DISABLE_GOPATH").as_deref() != Some("1");
            let gopath = if keeps { own } else { shared };
            gopath.into_iter().chain([folder.join("bin/dlv")]).collect()
        }
        (Manager::Asdf, GoProgram::Delve) => {
            ["bin/dlv", "packages/bin/dlv", "go/bin/dlv"].map(|below| folder.join(below)).into()
        }
        // Where `mise use go:github.com/go-delve/delve/cmd/dlv` puts it.
        (Manager::Mise, GoProgram::Delve) => {
            let own = root.join("installs/go-github-com-go-delve-delve-cmd-dlv/latest/bin/dlv");
            vec![own, folder.join("bin/dlv")]
        }
    }
}
