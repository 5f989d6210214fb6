//! The debug configurations of a project: `.vscode/launch.json`, `tasks.json` and `*.code-workspace` (JSON with comments),
//! `.idea` and `.run` (XML).

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::compounds::{Compounds, LostCompound};
use super::other_editors;
use super::tasks::{DlvTask, tasks};
use super::variables::Variables;
use super::written_address::{WrittenAddress, WrittenPort};
use crate::debuggers::ALL;
use crate::debuggers::debugger::{EditorClient, WhoListens};
use crate::debuggers::editors::ADAPTER_CLIENT;
use crate::debuggers::launch::{LaunchEntry, LaunchMatch};
use crate::os::{self, PlainFileError, read_plain};

/// No configuration file is longer than this.
const LONGEST_FILE: u64 = 4 << 20;

/// No more files than this are read, of each sort.
const MOST_FILES: usize = 256;

/// What a project's folder holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// Its folder: the one that was asked about, or one above it.
    pub folder: PathBuf,
    /// Whether it is a Go module.
    pub is_go: bool,
    /// Every configuration that connects to a port.
    pub configurations: Vec<Configuration>,
    /// Every task that starts a dlv.
    pub tasks: Vec<DlvTask>,
    /// Every compound that names a configuration which is not there.
    pub lost_compounds: Vec<LostCompound>,
    /// Files that do not read, and why.
    pub problems: Vec<String>,
}

/// A configuration that connects to a debugger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Its file, below the project's folder.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Which client it starts; `None` where that is for no debugger that is known.
    pub client: Option<&'static EditorClient>,
    /// The host, where it names one.
    pub host: Option<String>,
    pub port: WrittenPort,
    /// Whether the editor itself listens there, and what it debugs dials.
    pub editor_listens: bool,
}

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProjectFileError {
    #[error(transparent)]
    Read(#[from] PlainFileError),
    #[error(transparent)]
    Json(#[from] jsonc_parser::errors::ParseError),
    #[error(transparent)]
    Xml(#[from] roxmltree::Error),
}

/// Reads the configurations of the project that `folder` belongs to. A missing file is not a problem. `environment` gives a
/// variable of this process's.
pub fn collect(folder: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Project {
    let root = root_of(folder);
    let mut project = Project { folder: root.to_owned(), ..Project::default() };
    let mut within = folder.ancestors().take_while(|above| above.starts_with(root));
    project.is_go = within.any(|above| above.join("go.mod").is_file()) || root.join("go.work").is_file();
    let mut files = vec![
        root.join(".vscode/launch.json"),
        root.join(".vscode/tasks.json"),
        root.join(".vscode/settings.json"),
        root.join(".zed/debug.json"),
        root.join(".zed/tasks.json"),
        root.join(".idea/workspace.xml"),
    ];
    files.extend(list(&root.join(".idea/runConfigurations"), ".xml"));
    files.extend(list(&root.join(".run"), ".xml"));
    files.extend(other_editors::NVIM_FILES.map(|file| root.join(file)));
    let mut outer_settings = Vec::new();
    for workspace in list(root, ".code-workspace") {
        if let Some(json) = parsed(&workspace) {
            files.extend(launch_files(root, &json));
            outer_settings.extend(json.get("settings").cloned());
        }
        files.push(workspace);
    }
    outer_settings.extend(environment("HOME").and_then(|home| parsed(&user_settings(Path::new(&home)))));
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())));
    let mut compounds = Compounds::default();
    outer_settings.iter().for_each(|settings| compounds.add("", settings));
    for file in files {
        // Each folder of a workspace has its own.
        let folder = file.parent().filter(|folder| folder.ends_with(".vscode"));
        let own =
            folder.map_or_else(|| root.join(".vscode/settings.json"), |folder| folder.join("settings.json"));
        let own = parsed(&own);
        let settings = own.iter().chain(&outer_settings).collect();
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let text = match read(&file) {
            Ok(Some(text)) => text,
            Ok(None) => continue,
            Err(error) => {
                project.problems.push(format!("{name}: {error}"));
                continue;
            }
        };
        let parsed = match () {
            () if name.ends_with(".xml") => idea_xml(&name, &text),
            () if name.ends_with(".lua") => Ok(entries(&name, &other_editors::of_nvim(&text))),
            () if name.starts_with(".zed/") => zed_json(&name, &text),
            () => launch_json(&name, &text, settings, environment),
        };
        match parsed {
            Ok(found) => project.configurations.extend(found),
            Err(problem) => project.problems.push(format!("{name}: {problem}")),
        }
        let is_json = !name.ends_with(".xml") && !name.ends_with(".lua");
        if let Some(json) = parse_jsonc(&text).ok().flatten().filter(|_| is_json) {
            project.tasks.extend(tasks(&name, &json));
            compounds.add(&name, &json);
        }
    }
    // A file that does not read may have what is missing.
    if project.problems.is_empty() {
        project.lost_compounds = compounds.lost();
    }
    project
}

/// The user's settings of VS Code.
fn user_settings(home: &Path) -> PathBuf {
    let folder = if os::is_macos() { "Library/Application Support/Code/User" } else { ".config/Code/User" };
    home.join(folder).join("settings.json")
}

/// A file of JSON; `None` where it is not there or does not read.
fn parsed(file: &Path) -> Option<Value> {
    parse_jsonc(&read(file).ok()??).ok()?
}

/// The folder of the project that `folder` is in: the nearest that an editor or git has marked, else the nearest Go
/// module, else the folder itself.
fn root_of(folder: &Path) -> &Path {
    let marked = |above: &&Path| {
        [".vscode", ".idea", ".run", ".zed", ".git", "go.work"].iter().any(|mark| above.join(mark).exists())
            || !list(above, ".code-workspace").is_empty()
    };
    let module = |above: &&Path| above.join("go.mod").is_file();
    folder.ancestors().find(marked).or_else(|| folder.ancestors().find(module)).unwrap_or(folder)
}

/// The files of a folder whose names end so, in order.
fn list(folder: &Path, end: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<_> = paths.filter(|file| file.to_string_lossy().ends_with(end)).collect();
    found.sort();
    found.truncate(MOST_FILES);
    found
}

/// The files of each folder that a `.code-workspace` names.
fn launch_files(root: &Path, workspace: &Value) -> Vec<PathBuf> {
    let folders = workspace.get("folders").and_then(Value::as_array);
    let paths = folders.into_iter().flatten().filter_map(|folder| folder.get("path")?.as_str());
    let files = ["launch.json", "tasks.json", "settings.json"];
    let of_folder = |path| files.map(|file| root.join(path).join(".vscode").join(file));
    paths.take(MOST_FILES).flat_map(of_folder).collect()
}

/// `None`: it is not there.
fn read(file: &Path) -> Result<Option<String>, ProjectFileError> {
    match read_plain(file, LONGEST_FILE) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The configurations in a `launch.json`, or in the `launch` of a `.code-workspace`, that connect to a port. Of the
/// `settings` those come first that take precedence.
pub fn launch_json(
    file: &str,
    text: &str,
    settings: Vec<&Value>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Configuration>, ProjectFileError> {
    let Some(mut parsed) = parse_jsonc(text)? else { return Ok(Vec::new()) };
    let own = parsed.get("settings").cloned();
    let settings = own.iter().chain(settings).collect();
    let mut launch = parsed.get_mut("launch").map(Value::take).unwrap_or(parsed);
    let inputs = launch.get("inputs").cloned().unwrap_or_default();
    let variables = Variables { settings, inputs: &inputs, environment };
    let all = launch.get_mut("configurations").and_then(Value::as_array_mut);
    let of_one = |entry: &mut Value| {
        variables.fill_in(entry);
        launch_entry(file, &LaunchEntry::new(entry))
    };
    Ok(all.into_iter().flatten().filter_map(of_one).collect())
}

/// The configurations in a `.zed/debug.json` that connect to a port.
fn zed_json(file: &str, text: &str) -> Result<Vec<Configuration>, ProjectFileError> {
    let parsed = parse_jsonc(text)?.unwrap_or_default();
    Ok(entries(file, &other_editors::of_zed(&parsed)))
}

fn entries(file: &str, entries: &[Value]) -> Vec<Configuration> {
    entries.iter().filter_map(|entry| launch_entry(file, &LaunchEntry::new(entry))).collect()
}

fn parse_jsonc(text: &str) -> Result<Option<Value>, ProjectFileError> {
    let options = jsonc_parser::ParseOptions::default();
    Ok(jsonc_parser::parse_to_serde_value(text.trim_start_matches('\u{feff}'), &options)?)
}

fn launch_entry(file: &str, entry: &LaunchEntry<'_>) -> Option<Configuration> {
    entry.text("type")?;
    let (client, default_port) = client_of(entry)?;
    let written = WrittenPlace::of(entry);
    let port = written.port.or(default_port.map(WrittenPort::Number))?;
    let editor_listens =
        written.editor_listens || client.is_some_and(|client| client.who_listens == WhoListens::Editor);
    // It takes any, and tells what it starts.
    if editor_listens && port == WrittenPort::Invalid("0".to_owned()) {
        return None;
    }
    Some(Configuration {
        file: file.to_owned(),
        name: entry.text("name").unwrap_or("unnamed").to_owned(),
        client,
        host: written.host.map(str::to_owned),
        port,
        editor_listens,
    })
}

/// Where an entry connects, or listens, as it writes that.
struct WrittenPlace<'a> {
    host: Option<&'a str>,
    port: Option<WrittenPort>,
    editor_listens: bool,
}

impl<'a> WrittenPlace<'a> {
    fn of(entry: &LaunchEntry<'a>) -> Self {
        // Some name host and port in one: "debugPort": "127.0.0.1:12345".
        const JOINED: [&str; 7] = [
            "debugPort",
            "miDebuggerServerAddress",
            "websocketAddress",
            "vmServiceUri",
            "gdbTarget",
            "target",
            "server",
        ];
        const PORTS: [&str; 4] = ["port", "debugServer", "gdb-remote-port", "debugAdapterPort"];
        const HOSTS: [&str; 5] =
            ["host", "hostName", "address", "gdb-remote-hostname", "debugAdapterHostname"];
        // A program's name or a server's may be what these are to other types.
        let is_address = |key: &str| match key {
            "target" => entry.is_type(&["gdb"]) && entry.get("remote").is_some_and(|remote| remote == true),
            "server" => entry.is_type(&["probe-rs-debug"]),
            _ => true,
        };
        let joined = JOINED.iter().filter(|key| is_address(key)).find_map(|key| entry.text(key));
        let joined = joined.map_or_else(|| WrittenAddress::of_commands(entry), WrittenAddress::read);
        // debugpy waits for a program that dials.
        let listen = entry.get("listen").filter(|listen| listen.get("port").is_some());
        let below = listen.or(entry.get("connect")).or(entry.get("target"));
        let port = PORTS.iter().find_map(|key| WrittenPort::of_json(entry.get(key)?));
        let port = port.or_else(|| WrittenPort::of_json(below?.get("port")?));
        let host = HOSTS.iter().find_map(|key| entry.text(key));
        let host = host.or_else(|| below?.get("host")?.as_str());
        let (joined_host, joined_port) = joined.map_or((None, None), |at| (at.host, Some(at.port)));
        WrittenPlace {
            host: host.or(joined_host),
            port: port.or(joined_port),
            editor_listens: listen.is_some(),
        }
    }
}

/// The client that an entry starts, where it is one that is known, and the port that this takes where none is named.
/// `None`: it starts the debugger itself.
fn client_of(entry: &LaunchEntry<'_>) -> Option<(Option<&'static EditorClient>, Option<u16>)> {
    // What listens there is the adapter, whatever it debugs.
    if entry.get("debugServer").is_some() {
        return Some((Some(&ADAPTER_CLIENT), None));
    }
    for client in clients() {
        match (client.in_vscode)(entry) {
            LaunchMatch::Other => {}
            LaunchMatch::StartsServer => return None,
            LaunchMatch::Connects { default_port } => return Some((Some(client), default_port)),
        }
    }
    Some((None, None))
}

fn clients() -> impl Iterator<Item = &'static EditorClient> {
    ALL.into_iter().flat_map(|debugger| debugger.clients).copied()
}

/// The configurations in an `.idea` file that connect to a port.
pub fn idea_xml(file: &str, text: &str) -> Result<Vec<Configuration>, ProjectFileError> {
    let document = roxmltree::Document::parse(text.trim_start_matches('\u{feff}'))?;
    let configurations = document.descendants().filter(|node| node.has_tag_name("configuration"));
    Ok(configurations.filter_map(|node| idea_configuration(file, node)).collect())
}

fn idea_configuration(file: &str, node: roxmltree::Node<'_, '_>) -> Option<Configuration> {
    // A template for those to come.
    if node.attribute("default") == Some("true") {
        return None;
    }
    let sort = node.attribute("type")?;
    let client = clients().find(|client| client.jetbrains_types.contains(&sort))?;
    let option = |names: [&str; 2]| -> Option<&str> {
        let options = || node.children().filter(|child| child.has_tag_name("option"));
        names.iter().find_map(|name| {
            let named = options().find(|child| child.attribute("name") == Some(*name));
            node.attribute(*name).or_else(|| named?.attribute("value"))
        })
    };
    let port = option(["port", "PORT"]).map(WrittenPort::read);
    let editor_listens = match client.who_listens {
        WhoListens::Editor => true,
        WhoListens::EditorIf(name) => option([name, name]) == Some("true"),
        WhoListens::Debugger => false,
    };
    Some(Configuration {
        file: file.to_owned(),
        name: node.attribute("name").unwrap_or("unnamed").to_owned(),
        client: Some(client),
        host: option(["host", "HOST"]).map(str::to_owned),
        port: port.or(client.jetbrains_port.map(WrittenPort::Number))?,
        editor_listens,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, what the client does, host and port of each.
    fn abridged(found: &[Configuration]) -> Vec<String> {
        let one = |configuration: &Configuration| {
            let Configuration { name, client, host, port, .. } = configuration;
            let host = host.as_deref().unwrap_or("-");
            let port = match port {
                WrittenPort::Invalid(text) => format!("{text:?} is no port"),
                other => format!("{:?}", other.number()),
            };
            let itself = if configuration.editor_listens { " itself" } else { "" };
            format!("{name}: {client:?} {host} {port}{itself}").replace("Some(", "").replace(')', "")
        };
        found.iter().map(one).collect()
    }

    #[test]
    fn a_launch_json_with_comments() {
        let text = r#"{
            // Use IntelliSense
            "version": "0.2.0",
            "configurations": [
                { "name": "dlv", "type": "go", "request": "attach", "mode": "remote", "port": 2345, "host": "127.0.0.1" },
                { "name": "dap", "type": "go", "request": "launch", "mode": "debug", "port": "2346", },
                { "name": "py", "type": "python", "request": "attach", "connect": { "host": "localhost", "port": 5678 } },
                { "name": "rb", "type": "rdbg", "request": "attach", "debugPort": "[::1]:12345" }, /* and */
                { "name": "c", "type": "cppdbg", "request": "launch", "miDebuggerServerAddress": "box:1234" },
                { "name": "usual", "type": "go", "request": "attach", "mode": "remote" },
                { "name": "node", "type": "node", "request": "attach" },
                { "name": "env", "type": "go", "request": "attach", "mode": "remote", "port": "${env:DLV_PORT}" },
                { "name": "sys", "type": "go", "request": "attach", "mode": "remote", "port": 1,
                  "linux": { "port": 2347 }, "osx": { "port": 2347 } },
                // These start what they debug.
                { "name": "local", "type": "go", "request": "launch", "mode": "auto" },
                { "name": "old", "type": "go", "request": "launch", "debugAdapter": "legacy", "port": 2345 },
                { "name": "own", "type": "node", "request": "launch", "port": 9229 },
                { "name": "by pid", "type": "node", "request": "attach", "processId": "1" },
                { "name": "odd", "type": "go", "port": 70000 }, 7, null,
                { "name": "neg", "type": "node", "request": "attach", "port": -1 },
                { "name": "zero", "type": "node", "request": "attach", "port": 0 },
                { "name": "with text", "type": "go", "request": "attach", "mode": "remote", "port": "2345/tcp" },
                { "name": "null", "type": "node", "request": "attach", "port": null },
                { "name": "php", "type": "php", "request": "launch" },
                { "name": "script", "type": "php", "request": "launch", "port": 0 },
                { "name": "both", "type": "php", "request": "launch", "port": [9000, 9003] },
                { "name": "dart", "type": "dart", "request": "attach", "vmServiceUri": "http://127.0.0.1:8181/x=/" },
            ],
            "compounds": [{ "name": "all", "configurations": ["dlv", "py"] }],
        }"#;
        let found: Vec<_> = launch_json("launch.json", text, vec![], &|_| None).unwrap();
        assert_eq!(
            abridged(&found),
            [
                "dlv: it attaches to a headless dlv 127.0.0.1 2345",
                "dap: it launches through a `dlv dap` - 2346",
                "py: it debugs Python localhost 5678",
                "rb: it debugs Ruby ::1 12345",
                "c: it speaks the gdb remote protocol box 1234",
                "usual: it attaches to a headless dlv - 2345",
                "node: it debugs Node.js - 9229",
                "env: it attaches to a headless dlv - None",
                "sys: it attaches to a headless dlv - 2347",
                "odd: it launches through a `dlv dap` - \"70000\" is no port",
                "neg: it debugs Node.js - \"-1\" is no port",
                "zero: it debugs Node.js - \"0\" is no port",
                "with text: it attaches to a headless dlv - \"2345/tcp\" is no port",
                "null: it debugs Node.js - 9229",
                "php: it waits for PHP's Xdebug - 9003 itself",
                "both: it waits for PHP's Xdebug - 9000 itself",
                "dart: it attaches to a Dart VM 127.0.0.1 8181",
            ]
        );
        assert!(launch_json("launch.json", "{ \"configurations\": [", vec![], &|_| None).is_err());
        assert_eq!(launch_json("launch.json", "", vec![], &|_| None).unwrap(), []);
    }

    #[test]
    fn the_files_of_idea() {
        let text = r#"<component name="ProjectRunConfigurationManager">
            <configuration default="true" type="GoRemoteDebugConfigurationType" port="1"/>
            <configuration default="false" name="Go Remote" type="GoRemoteDebugConfigurationType" factoryName="Go Remote" port="2346" host="localhost"/>
            <configuration default="false" name="Usual" type="GoRemoteDebugConfigurationType"><option name="disconnectOption" value="LEAVE"/></configuration>
            <configuration name="JVM" type="Remote"><option name="HOST" value="127.0.0.1"/><option name="PORT" value="5005"/></configuration>
            <configuration name="Listen" type="Remote"><option name="SERVER_MODE" value="true"/><option name="PORT" value="5005"/></configuration>
            <configuration name="PHP" type="PhpRemoteDebugRunConfigurationType"/>
            <configuration name="Python" type="PyRemoteDebugConfigurationType"><option name="PORT" value="5678"/></configuration>
            <configuration name="Odd" type="Remote"><option name="PORT" value="$PORT$"/></configuration>
            <configuration name="Big" type="Remote"><option name="PORT" value="99999"/></configuration>
            <configuration name="Build" type="GoApplicationRunConfiguration"/>
        </component>"#;
        let found = idea_xml("x.xml", text).unwrap();
        assert_eq!(
            abridged(&found),
            [
                "Go Remote: GoLand speaks with a headless dlv localhost 2346",
                "Usual: GoLand speaks with a headless dlv - 2345",
                "JVM: it debugs Java 127.0.0.1 5005",
                "Listen: it debugs Java - 5005 itself",
                "PHP: it waits for PHP's Xdebug - 9003 itself",
                "Python: it waits for a Python program - 5678 itself",
                "Odd: it debugs Java - None",
                "Big: it debugs Java - \"99999\" is no port",
            ]
        );
        assert!(idea_xml("x.xml", "<component>").is_err());
    }

    #[test]
    fn every_file_of_a_project_is_found_from_below() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        let attach = |name: &str| {
            format!(
                r#"{{ "configurations": [{{ "name": "{name}", "type": "go", "request": "attach", "mode": "remote" }}] }}"#
            )
        };
        let remote = |name: &str| {
            format!(r#"<a><configuration name="{name}" type="GoRemoteDebugConfigurationType"/></a>"#)
        };
        write(".vscode/launch.json", &attach("launch"));
        write(
            "all.code-workspace",
            &format!(
                r#"{{ "folders": [{{ "path": "." }}, {{ "path": "svc" }}], "launch": {} }}"#,
                attach("workspace")
            ),
        );
        write("svc/.vscode/launch.json", &attach("second root"));
        write(".idea/workspace.xml", &remote("idea"));
        write(".idea/runConfigurations/r.xml", &remote("run configuration"));
        write(".run/Debug it.run.xml", &remote("run"));
        write("go.mod", "module x\n\ngo 1.21\n");
        write("cmd/tool/go.mod", "module y\ngo 1.22.0\ntoolchain go1.25.3 // newer\n");
        let project = collect(&folder.path().join("cmd/tool"), &|_| None);
        let mut names: Vec<_> = project.configurations.iter().map(|found| found.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["idea", "launch", "run", "run configuration", "second root", "workspace"]);
        assert!(project.is_go);
        assert_eq!((project.folder, project.problems), (folder.path().to_owned(), vec![]));
    }

    #[test]
    fn a_folder_without_files_and_one_with_broken_ones() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join(".git")).unwrap();
        assert_eq!(
            collect(folder.path(), &|_| None),
            Project { folder: folder.path().to_owned(), ..Project::default() }
        );
        std::fs::create_dir_all(folder.path().join(".vscode")).unwrap();
        std::fs::create_dir_all(folder.path().join(".idea/runConfigurations/odd.xml")).unwrap();
        std::fs::write(folder.path().join(".vscode/launch.json"), [0xff, 0xfe, 0]).unwrap();
        std::fs::write(folder.path().join("go.mod"), "module x").unwrap();
        let project = collect(folder.path(), &|_| None);
        assert!(project.is_go);
        assert_eq!(project.problems.len(), 2, "{:?}", project.problems);
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(text in "[\\[\\]{}\",:a-z0-9<>/= ]{0,80}") {
            let _ = launch_json("x", &text, vec![], &|_| None);
            let _ = idea_xml("x", &text);
        }
    }
}
