//! Which go and dlv VS Code and GoLand take: by their settings, else by an order of their own.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::environment::{ToolEnvironment, is_executable, text};
use super::managers::GoProgram;
use super::program::{self, Tool};
use super::variables::GoVariables;

/// A program that an editor takes, which need not be the first on the PATH.
#[derive(Debug)]
pub struct EditorTool {
    pub editor: Editor,
    pub sort: GoProgram,
    /// The path as a setting names it, or as it was found.
    pub named: String,
    /// The setting and its file, such as `go.goroot in .vscode/settings.json`; empty where no setting names it.
    pub whence: String,
    /// The program; `None` where it is not there.
    pub tool: Option<Tool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Editor {
    VsCode,
    GoLand,
}

impl Editor {
    pub fn name(self) -> &'static str {
        match self {
            Editor::VsCode => "VS Code",
            Editor::GoLand => "GoLand",
        }
    }
}

/// What the editors take that are used for the project.
pub fn collect(environment: &ToolEnvironment<'_>, variables: &GoVariables) -> Vec<EditorTool> {
    let project = environment.project;
    let mut tools = vscode(environment, variables, project);
    tools.extend(goland(environment, project));
    tools
}

/// One settings.json, and how it is shown.
struct Settings {
    shown: String,
    value: Value,
}

/// The settings of VS Code, those first that take precedence.
fn settings(environment: &ToolEnvironment<'_>, project: &Path) -> Vec<Settings> {
    let user = if environment.is_mac { "Library/Application Support/Code/User" } else { ".config/Code/User" };
    let user = environment.home().map(|home| home.join(user).join("settings.json"));
    let files = [Some(project.join(".vscode/settings.json")), user];
    let read =
        |file: PathBuf| Some(Settings { shown: environment.shown(&file), value: jsonc(&text(&file)?)? });
    files.into_iter().flatten().filter_map(read).collect()
}

/// JSON with comments; `None` where it does not read.
fn jsonc(text: &str) -> Option<Value> {
    let options = jsonc_parser::ParseOptions::default();
    let parsed: Option<Value> =
        jsonc_parser::parse_to_serde_value(text.trim_start_matches('\u{feff}'), &options).ok()?;
    parsed
}

/// VS Code's extension for Go looks for dlv beside what `go install` put there before it looks at the PATH (vscode-go:
/// extension/src/utils/pathUtils.ts).
fn vscode(environment: &ToolEnvironment<'_>, variables: &GoVariables, project: &Path) -> Vec<EditorTool> {
    if !project.join(".vscode").is_dir() {
        return Vec::new();
    }
    let settings = settings(environment, project);
    let named = |key: &'static str, below: Option<&str>| {
        settings.iter().find_map(|file| {
            let value = file.value.get(key)?;
            let value = below.map_or(Some(value), |below| value.get(below))?.as_str()?;
            Some((resolved(environment, project, value), format!("{key} in {}", file.shown)))
        })
    };
    let tool = |sort, file: PathBuf, whence: String| EditorTool {
        editor: Editor::VsCode,
        sort,
        named: environment.shown(&file),
        whence,
        tool: is_executable(&file).then(|| program::tool(environment, &file, sort)).flatten(),
    };
    let mut found = Vec::new();
    let absolute = |named: Option<(PathBuf, String)>| named.filter(|(file, _)| file.is_absolute());
    let go = absolute(named("go.alternateTools", Some("go")));
    let go =
        go.or_else(|| absolute(named("go.goroot", None)).map(|(root, whence)| (root.join("bin/go"), whence)));
    found.extend(go.map(|(file, whence)| tool(GoProgram::Go, file, whence)));
    let delve =
        absolute(named("go.alternateTools", Some("dlv"))).or_else(|| launch_delve(environment, project));
    if let Some((file, whence)) = delve {
        found.push(tool(GoProgram::Delve, file, whence));
        return found;
    }
    let gopath = |value: &str| value.split(':').map(|path| Path::new(path).join("bin")).collect::<Vec<_>>();
    let folders = [
        variables.value("GOBIN").map(|folder| vec![PathBuf::from(folder)]),
        named("go.toolsGopath", None).map(|(path, _)| vec![path.join("bin")]),
        named("go.gopath", None).map(|(path, _)| vec![path.join("bin")]),
        variables.value("GOPATH").map(gopath),
        environment.home().map(|home| vec![home.join("go/bin")]),
    ];
    let mut files = folders.into_iter().flatten().flatten().map(|folder| folder.join("dlv"));
    found.extend(
        files.find(|file| is_executable(file)).map(|file| tool(GoProgram::Delve, file, String::new())),
    );
    found
}

/// The `dlvToolPath` of a configuration in launch.json.
fn launch_delve(environment: &ToolEnvironment<'_>, project: &Path) -> Option<(PathBuf, String)> {
    let file = project.join(".vscode/launch.json");
    let launch = jsonc(&text(&file)?)?;
    let entries = launch.get("configurations")?.as_array()?;
    let named = entries.iter().find_map(|entry| entry.get("dlvToolPath")?.as_str())?;
    Some((resolved(environment, project, named), format!("dlvToolPath in {}", environment.shown(&file))))
}

/// With the variables of VS Code that are known here.
fn resolved(environment: &ToolEnvironment<'_>, project: &Path, value: &str) -> PathBuf {
    let home = environment.home().unwrap_or_default().display().to_string();
    let folder = project.display().to_string();
    let names = ["${workspaceFolder}", "${workspaceRoot}"];
    let value = names.iter().fold(value.to_owned(), |value, name| value.replace(name, &folder));
    let value = ["${env:HOME}", "${userHome}"].iter().fold(value, |value, name| value.replace(name, &home));
    match value.strip_prefix("~/") {
        Some(below) => Path::new(&home).join(below),
        None => value.into(),
    }
}

/// GoLand takes the dlv that it comes with, unless the property `dlv.path` names another one; go by the project's GOROOT.
fn goland(environment: &ToolEnvironment<'_>, project: &Path) -> Vec<EditorTool> {
    if !project.join(".idea").is_dir() {
        return Vec::new();
    }
    let tool = |sort, file: PathBuf, whence: String| EditorTool {
        editor: Editor::GoLand,
        sort,
        named: environment.shown(&file),
        whence,
        tool: is_executable(&file).then(|| program::tool(environment, &file, sort)).flatten(),
    };
    let goroot = goland_goroot(project).map(|goroot| {
        let home = environment.home().unwrap_or_default().display().to_string();
        let goroot = goroot.replace("$USER_HOME$", &home);
        tool(
            GoProgram::Go,
            Path::new(&goroot).join("bin/go"),
            "the project's GOROOT in .idea/workspace.xml".into(),
        )
    });
    let delve = property(environment).or_else(|| bundled(environment).map(|file| (file, String::new())));
    goroot.into_iter().chain(delve.map(|(file, whence)| tool(GoProgram::Delve, file, whence))).collect()
}

/// `<component name="GOROOT" url="file:///usr/local/go" />`
fn goland_goroot(project: &Path) -> Option<String> {
    let text = text(&project.join(".idea/workspace.xml"))?;
    let document = roxmltree::Document::parse(&text).ok()?;
    let mut components = document.descendants().filter(|node| node.attribute("name") == Some("GOROOT"));
    Some(components.find_map(|node| node.attribute("url"))?.strip_prefix("file://")?.to_owned())
}

/// `dlv.path` in the newest GoLand's idea.properties.
fn property(environment: &ToolEnvironment<'_>) -> Option<(PathBuf, String)> {
    let settings =
        if environment.is_mac { "Library/Application Support/JetBrains" } else { ".config/JetBrains" };
    let settings = environment.home()?.join(settings);
    let names =
        std::fs::read_dir(&settings).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("GoLand")).collect();
    names.sort();
    names.iter().rev().find_map(|name| {
        let file = settings.join(name).join("idea.properties");
        let text = text(&file)?;
        let named =
            text.lines().find_map(|line| line.trim().strip_prefix("dlv.path")?.trim().strip_prefix('='));
        Some((PathBuf::from(named?.trim()), format!("dlv.path in {}", environment.shown(&file))))
    })
}

fn bundled(environment: &ToolEnvironment<'_>) -> Option<PathBuf> {
    let own = environment.home().map(|home| home.join("Applications/GoLand.app"));
    let apps = [Some((environment.place)("/Applications/GoLand.app")), own];
    let below = ["macarm", "mac"].map(|sort| format!("Contents/plugins/go-plugin/lib/dlv/{sort}/dlv"));
    let mut files = apps.iter().flatten().flat_map(|app| below.iter().map(|below| app.join(below)));
    files.find(|file| is_executable(file))
}
