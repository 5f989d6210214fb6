//! The homes of `tests/data/go_homes.txt`: what is in them is laid on the disk, and the report on Go and Delve is compared.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use portcullis::doctor::{self, DoctorFacts, Level, project, toolchain};

use super::programs;

const HOMES: &str = "tests/data/go_homes.txt";

/// No sentence is longer.
const LONGEST: usize = 160;

/// What is spoken of here.
const ABOUT: [&str; 7] = ["go", "dlv", "GOPROXY", "shell", "VS Code", "GoLand", "Command Line Tools"];

#[test]
fn each_home_has_its_sentences() {
    let mut wrong = Vec::new();
    let table = std::fs::read_to_string(HOMES).unwrap();
    let homes: Vec<&str> = table.split("\n== ").skip(1).collect();
    assert!(homes.len() >= 30, "{}", homes.len());
    for home in homes {
        let (name, lines) = home.split_once('\n').unwrap();
        let said = Home::lay(lines).said();
        let is_expected =
            |line: &&str| ["✗", "!", "?", "    do:"].iter().any(|begin| line.starts_with(begin));
        let expected: Vec<&str> = lines.lines().filter(is_expected).collect();
        if said != expected {
            wrong.push(format!("== {name}\nexpected\n{}\nsaid\n{}\n", expected.join("\n"), said.join("\n")));
        }
        wrong.extend(
            said.iter().filter(|line| line.chars().count() > LONGEST).map(|line| format!("too long: {line}")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

struct Home {
    root: tempfile::TempDir,
    folder: String,
    variables: BTreeMap<String, String>,
    apple_silicon: Option<bool>,
}

impl Home {
    fn lay(lines: &str) -> Home {
        let mut home = Home {
            root: tempfile::tempdir().unwrap(),
            folder: "work".into(),
            variables: BTreeMap::new(),
            apple_silicon: None,
        };
        for folder in ["home", "system", "work/.git"] {
            std::fs::create_dir_all(home.root.path().join(folder)).unwrap();
        }
        home.variables.insert("HOME".into(), home.at("~").display().to_string());
        for line in lines.lines().filter(|line| {
            line.starts_with(|first: char| first.is_ascii_alphabetic() || "~/".contains(first))
        }) {
            let is_variable = line.starts_with(|first: char| first.is_ascii_uppercase());
            match (line.split_once('='), line.split_once(": ")) {
                (Some((name, value)), _) if is_variable => home.set(name, value),
                (_, Some(("in", folder))) => home.folder = folder.into(),
                (_, Some(("mac", "bare"))) => std::fs::create_dir_all(home.at("/System/Library")).unwrap(),
                (_, Some(("mac", sort))) => home.apple_silicon = Some(sort == "arm"),
                (_, Some((path, what))) => home.put(&home.at(path), what),
                _ => panic!("{line:?} is not understood"),
            }
        }
        home
    }

    /// A path of the table on the disk.
    fn at(&self, path: &str) -> PathBuf {
        let root = self.root.path();
        match (path.strip_prefix('~'), path.strip_prefix('/')) {
            (Some(below), _) => root.join("home").join(below.trim_start_matches('/')),
            (_, Some(below)) => root.join("system").join(below),
            _ => root.join(path),
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        let is_path = value.starts_with(['~', '/']);
        let value = if is_path {
            let folders: Vec<String> =
                value.split(' ').map(|path| self.at(path).display().to_string()).collect();
            folders.join(":")
        } else {
            value.to_owned()
        };
        self.variables.insert(name.into(), value);
    }

    fn put(&self, file: &Path, what: &str) {
        let (sort, rest) = what.split_once(' ').unwrap_or((what, ""));
        let write = |bytes: &[u8]| programs::write(file, bytes);
        match sort {
            "go" => {
                let goroot = file.parent().unwrap().parent().unwrap();
                write(b"");
                std::fs::write(goroot.join("VERSION"), format!("go{rest}\ntime 2025-01-01T00:00:00Z\n"))
                    .unwrap();
            }
            "dlv" | "dlv?" => write(&programs::delve(rest)),
            "intel" | "arm" => {
                self.put(file, rest);
                let program = std::fs::read(file).unwrap();
                write(&[&programs::mach_o(sort)[..], &program].concat());
            }
            "shim" => write(format!("#!/bin/sh\necho x >>{}\n", self.at("trace").display()).as_bytes()),
            "link" => {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::os::unix::fs::symlink(rest, file).unwrap();
            }
            "folder" => std::fs::create_dir_all(file).unwrap(),
            "text" => {
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(
                    file,
                    rest.replace("SYSTEM", &self.at("/").display().to_string())
                        .replace("\\n", "\n")
                        .replace("\\t", "\t")
                        + "\n",
                )
                .unwrap();
            }
            _ => panic!("{what:?} is not understood"),
        }
    }

    /// What is said, with the paths of the table.
    fn said(&self) -> Vec<String> {
        let folder = self.at(&self.folder);
        let path = self.variables.get("PATH").cloned().unwrap_or_default();
        let project = project::collect(&folder, &|name| self.variables.get(name).cloned());
        let toolchain = toolchain::collect(&toolchain::ToolEnvironment {
            folder: &folder,
            project: &project.folder,
            path: path.as_ref(),
            variable: &|name| self.variables.get(name).cloned(),
            place: &|path| self.at(path),
            is_mac: true,
        });
        assert!(!self.at("trace").exists(), "a shim was run");
        let facts =
            DoctorFacts { toolchain, project, apple_silicon: self.apple_silicon, ..DoctorFacts::default() };
        let findings = doctor::examine(&facts);
        let about = |about: &str| ABOUT.contains(&about);
        let found = findings.iter().filter(|found| found.level != Level::Fine && about(&found.about));
        let text = doctor::render(&found.cloned().collect::<Vec<_>>());
        let root = self.root.path().display().to_string();
        let text = text.replace(&format!("{root}/home"), "~").replace(&format!("{root}/system"), "");
        let lines = text.lines().skip(2).filter(|line| !line.starts_with("    seen:"));
        lines.map(str::to_owned).collect()
    }
}
