//! Go and Delve as a folder gets them: by the PATH, by version managers, by the project's files and by Go's variables. All of
//! it is read; nothing is run.

pub mod editors;
mod environment;
pub mod go_files;
pub mod managers;
pub mod program;
pub mod shell;
pub mod variables;
pub mod version;
mod version_files;

use std::path::{Path, PathBuf};

use editors::EditorTool;
pub use environment::ToolEnvironment;
use go_files::GoFiles;
use managers::GoProgram;
pub use program::{Cpu, Tool, VersionError};
use shell::ShellFacts;
use variables::GoVariables;

/// What is installed, and what chooses among it.
#[derive(Debug, Default)]
pub struct Toolchain {
    /// Every go on the PATH, in its order, each file once.
    pub go: Vec<Tool>,
    /// Every dlv on the PATH.
    pub dlv: Vec<Tool>,
    /// A go in a usual folder that is not on the PATH, where the PATH has none.
    pub unlisted_go: Option<String>,
    /// A dlv in a usual folder that is not on the PATH, where the PATH has none.
    pub unlisted_dlv: Option<String>,
    /// What is wrong with the environment's GOROOT, where something is.
    pub goroot: Option<String>,
    /// The PATH that was searched.
    pub path: String,
    /// Go's variables.
    pub variables: GoVariables,
    /// What the project's files say.
    pub files: GoFiles,
    /// The names of the `go1.N` programs on the PATH, which `GOTOOLCHAIN=path` takes.
    pub named_go: Vec<String>,
    /// The versions of Go that were fetched before, such as `1.24.1`.
    pub fetched: Vec<String>,
    /// Where `go install` puts a program, and whether that is on the PATH; empty where the home is not known.
    pub install_folder: InstallFolder,
    /// What a new terminal has.
    pub shell: ShellFacts,
    /// Whether the PATH is that of an app which Finder started.
    pub is_finder_path: bool,
    /// What the editors take that are used for the project.
    pub editors: Vec<EditorTool>,
    /// Whether macOS's debugserver is there; `None` where this is no Mac.
    pub debugserver: Option<bool>,
}

/// Where `go install` puts a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstallFolder {
    pub path: PathBuf,
    /// As it is shown.
    pub shown: String,
    pub is_on_path: bool,
}

pub fn collect(environment: &ToolEnvironment<'_>) -> Toolchain {
    let folders = environment.path_folders();
    let go = program::tools(environment, &folders, GoProgram::Go);
    let dlv = program::tools(environment, &folders, GoProgram::Delve);
    let goroot = go.first().and_then(|go| Some(go.program.as_ref()?.parent()?.parent()?.to_owned()));
    let variables = variables::collect(environment, goroot.as_deref());
    let install_folder = install_folder(environment, &variables, &folders);
    let unlisted = |missing: bool, folders: &[PathBuf], name: &str| {
        let mut files = folders.iter().map(|folder| folder.join(name));
        let file = files.find(|file| missing && environment::is_executable(file))?;
        Some(environment.shown(&file))
    };
    Toolchain {
        unlisted_go: unlisted(go.is_empty(), &usual_folders_of_go(environment), "go"),
        unlisted_dlv: unlisted(dlv.is_empty(), &usual_folders_of_delve(environment, &install_folder), "dlv"),
        goroot: environment
            .variable("GOROOT")
            .and_then(|goroot| goroot_problem(Path::new(&goroot), go.first())),
        path: environment.path.to_string_lossy().into_owned(),
        files: go_files::collect(environment, &variables),
        named_go: named_go(&folders),
        fetched: fetched(environment, &variables),
        shell: shell::collect(environment),
        is_finder_path: folders.iter().all(|folder| shell::finder_folders(environment).contains(folder)),
        editors: editors::collect(environment, &variables),
        debugserver: debugserver(environment),
        install_folder,
        variables,
        go,
        dlv,
    }
}

fn usual_folders_of_go(environment: &ToolEnvironment<'_>) -> Vec<PathBuf> {
    let system = ["/usr/local/go/bin", "/opt/homebrew/bin", "/usr/local/bin", "/opt/local/bin"];
    // Where `go install golang.org/dl/…` and the managers put theirs.
    let own = ["sdk/go/bin", ".goenv/shims", ".asdf/shims", ".local/share/mise/shims"];
    let own = own.iter().filter_map(|below| Some(environment.home()?.join(below)));
    system.iter().map(|folder| (environment.place)(folder)).chain(own).collect()
}

fn usual_folders_of_delve(environment: &ToolEnvironment<'_>, install: &InstallFolder) -> Vec<PathBuf> {
    let brew = ["/opt/homebrew/bin", "/usr/local/bin"].map(|folder| (environment.place)(folder));
    let home = environment.home().map(|home| home.join("go/bin"));
    [install.path.clone()].into_iter().chain(home).chain(brew).collect()
}

/// By GOBIN, else by the first folder of GOPATH.
fn install_folder(
    environment: &ToolEnvironment<'_>,
    variables: &GoVariables,
    folders: &[PathBuf],
) -> InstallFolder {
    let gobin = variables.value("GOBIN").map(PathBuf::from);
    let gopath = || variables.value("GOPATH")?.split(':').next().map(|first| Path::new(first).join("bin"));
    let home = || Some(environment.home()?.join("go/bin"));
    let path = gobin.or_else(gopath).or_else(home).unwrap_or_default();
    InstallFolder {
        shown: environment.shown(&path),
        is_on_path: folders.iter().any(|folder| folder.components().eq(path.components())),
        path,
    }
}

fn named_go(folders: &[PathBuf]) -> Vec<String> {
    let names = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let names = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with("go1.")).take(64).collect()
}

/// By the folders in the module cache, such as `golang.org/toolchain@v0.0.1-go1.24.1.darwin-arm64`.
fn fetched(environment: &ToolEnvironment<'_>, variables: &GoVariables) -> Vec<String> {
    let gopath = || variables.value("GOPATH")?.split(':').next().map(PathBuf::from);
    let home = || Some(environment.home()?.join("go"));
    let cache = variables.value("GOMODCACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(gopath().or_else(home)?.join("pkg/mod")));
    let entries = cache.and_then(|cache| std::fs::read_dir(cache.join("golang.org")).ok());
    let names = entries.into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let version = |name: String| {
        let (version, _) = name.strip_prefix("toolchain@v0.0.1-go")?.rsplit_once('.')?;
        Some(version.to_owned())
    };
    names.filter_map(version).take(64).collect()
}

/// Whether macOS's debugserver is there, by which Delve starts programs: it comes with the Command Line Tools and with Xcode
/// (Delve: pkg/proc/gdbserial/gdbserver.go).
fn debugserver(environment: &ToolEnvironment<'_>) -> Option<bool> {
    const OF_LLDB: &str = "LLDB.framework/Versions/A/Resources/debugserver";
    let place = |path| (environment.place)(path);
    // A lab has no macOS.
    if !environment.is_mac || !place("/System/Library").is_dir() {
        return None;
    }
    let selected = std::fs::read_link(place("/var/db/xcode_select_link")).ok();
    let tools = [Some(place("/Library/Developer/CommandLineTools")), selected.clone()];
    let tools = tools.into_iter().flatten().map(|tools| tools.join("Library/PrivateFrameworks"));
    // That of Xcode is selected by its Contents/Developer.
    let xcode = selected.as_deref().and_then(Path::parent).map(Path::to_owned);
    let xcode = [Some(place("/Applications/Xcode.app/Contents")), xcode];
    let xcode = xcode.into_iter().flatten().map(|contents| contents.join("SharedFrameworks"));
    Some(tools.chain(xcode).any(|folder| folder.join(OF_LLDB).is_file()))
}

fn goroot_problem(goroot: &Path, go: Option<&Tool>) -> Option<String> {
    let own = goroot.join("bin/go");
    let Ok(own) = own.canonicalize() else {
        return Some(format!("GOROOT names {}, where there is no bin/go", goroot.display()));
    };
    let used = go?.program.as_ref()?;
    (own != *used)
        .then(|| format!("GOROOT names {}, but the go on the PATH is {}", goroot.display(), used.display()))
}
