//! Go's variables: the environment comes first, then what `go env -w` wrote, then what came with Go.

use std::collections::BTreeMap;
use std::path::Path;

use super::environment::{ToolEnvironment, text};

/// Those that are read.
const NAMES: [&str; 8] =
    ["GOTOOLCHAIN", "GO111MODULE", "GOFLAGS", "GOPROXY", "GOWORK", "GOPATH", "GOBIN", "GOMODCACHE"];

/// Go's variables that have a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoVariables(BTreeMap<&'static str, GoVariable>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoVariable {
    pub value: String,
    pub whence: VariableSource,
}

/// Where a variable has its value from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableSource {
    Environment,
    /// The file that `go env -w` writes.
    UserFile(String),
    /// The go.env of a GOROOT.
    Distribution(String),
}

impl std::fmt::Display for VariableSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            VariableSource::Environment => f.write_str("the environment"),
            VariableSource::UserFile(file) | VariableSource::Distribution(file) => f.write_str(file),
        }
    }
}

impl GoVariables {
    pub fn get(&self, name: &str) -> Option<&GoVariable> {
        self.0.get(name)
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        Some(self.0.get(name)?.value.as_str())
    }
}

/// The variables as the go of this GOROOT takes them.
pub fn collect(environment: &ToolEnvironment<'_>, goroot: Option<&Path>) -> GoVariables {
    let settings = if environment.is_mac {
        environment.home().map(|home| home.join("Library/Application Support/go/env"))
    } else {
        environment.folder_of("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("go/env"))
    };
    let user = match environment.variable("GOENV") {
        Some(off) if off == "off" => None,
        Some(named) => Some(named.into()),
        None => settings,
    };
    let distribution = goroot.map(|goroot| goroot.join("go.env"));
    let user = user.map(|file| (lines(&file), VariableSource::UserFile(environment.shown(&file))));
    let distribution =
        distribution.map(|file| (lines(&file), VariableSource::Distribution(environment.shown(&file))));
    let value = |name: &'static str| {
        let from_environment = environment.variable(name).map(|value| (value, VariableSource::Environment));
        let from = |file: &Option<(BTreeMap<String, String>, VariableSource)>| {
            let (values, whence) = file.as_ref()?;
            Some((values.get(name)?.clone(), whence.clone()))
        };
        let (value, whence) = from_environment.or_else(|| from(&user)).or_else(|| from(&distribution))?;
        Some((name, GoVariable { value, whence }))
    };
    GoVariables(NAMES.into_iter().filter_map(value).collect())
}

/// `NAME=value`, one a line; an empty value counts as none.
fn lines(file: &Path) -> BTreeMap<String, String> {
    let text = text(file).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let pairs = pairs.filter(|(name, value)| !name.starts_with('#') && !value.trim().is_empty());
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}
