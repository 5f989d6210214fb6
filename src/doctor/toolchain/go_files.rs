//! The files of a project that name a version of Go.

use std::path::{Path, PathBuf};

use super::environment::{ToolEnvironment, text};
use super::variables::GoVariables;
use super::version_files;

/// What the files at a folder and above it say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoFiles {
    /// The nearest go.mod.
    pub module: Option<GoDirectives>,
    /// The go.work that is in use: since Go 1.18 it comes before the go.mod.
    pub workspace: Option<GoDirectives>,
    /// Whether the go.work uses the module of the go.mod.
    pub uses_module: bool,
    /// The nearest `.go-version`, `.tool-versions` or `mise.toml` that names a Go, and the version.
    pub version_file: Option<(String, String)>,
}

/// What one go.mod or go.work says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoDirectives {
    /// Its path as it is shown.
    pub file: String,
    /// Its `go` line, such as `1.24` or `1.24.1`.
    pub go: Option<String>,
    /// Its `toolchain` line, such as `go1.24.1` or `default`.
    pub toolchain: Option<String>,
    /// The folders that a go.work uses.
    pub uses: Vec<String>,
}

impl GoDirectives {
    /// Reads a go.mod or go.work.
    pub fn parse(text: &str) -> Self {
        let mut found = GoDirectives::default();
        let mut in_uses = false;
        for line in text.lines() {
            let mut words = line.split("//").next().unwrap_or_default().split_ascii_whitespace();
            let unquoted = |word: &str| word.trim_matches(['"', '`']).to_owned();
            match (words.next(), words.next()) {
                (Some(")"), _) => in_uses = false,
                (Some("use"), Some("(")) => in_uses = true,
                (Some("use"), Some(folder)) => found.uses.push(unquoted(folder)),
                (Some("go"), Some(version)) => found.go = Some(version.to_owned()),
                (Some("toolchain"), Some(name)) => found.toolchain = Some(name.to_owned()),
                (Some(folder), None) if in_uses => found.uses.push(unquoted(folder)),
                _ => {}
            }
        }
        found
    }
}

pub fn collect(environment: &ToolEnvironment<'_>, variables: &GoVariables) -> GoFiles {
    let parsed =
        |file: &Path, text: &str| GoDirectives { file: environment.shown(file), ..GoDirectives::parse(text) };
    let module = environment.nearest("go.mod", |text| Some(text.to_owned()));
    let workspace = match variables.value("GOWORK") {
        None | Some("auto") => environment.nearest("go.work", |text| Some(text.to_owned())),
        Some("off") => None,
        Some(named) => text(Path::new(named)).map(|text| (PathBuf::from(named), text)),
    };
    let uses_module = module.as_ref().zip(workspace.as_ref()).is_some_and(|((module, _), (work, text))| {
        let (Some(module), Some(work)) = (module.parent(), work.parent()) else { return false };
        // `./x/` and `x` are the same components.
        let same = |folder: &String| work.join(folder).components().eq(module.components());
        GoDirectives::parse(text).uses.iter().any(same)
    });
    GoFiles {
        uses_module,
        module: module.map(|(file, text)| parsed(&file, &text)),
        workspace: workspace.map(|(file, text)| parsed(&file, &text)),
        version_file: version_file(environment),
    }
}

fn version_file(environment: &ToolEnvironment<'_>) -> Option<(String, String)> {
    type ReadVersion = fn(&str) -> Option<String>;
    const FILES: [(&str, ReadVersion); 4] = [
        (".go-version", version_files::plain),
        (".tool-versions", version_files::tool_version),
        ("mise.toml", version_files::mise_version),
        (".mise.toml", version_files::mise_version),
    ];
    let found = FILES.iter().filter_map(|(name, read)| environment.nearest(name, read));
    // The one in the deepest folder.
    let (file, version) = found.max_by_key(|(file, _)| file.components().count())?;
    Some((environment.shown(&file), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read() {
        let parsed =
            GoDirectives::parse("module x\n\ngo 1.22.0 // why\ntoolchain go1.25.3\nrequire (\n\ta v1\n)\n");
        assert_eq!((parsed.go.as_deref(), parsed.toolchain.as_deref()), (Some("1.22.0"), Some("go1.25.3")));
        let parsed = GoDirectives::parse("go 1.23\nuse ./a\nuse (\n\t./b // second\n\t\"c\"\n)\n");
        assert_eq!(parsed.uses, ["./a", "./b", "c"]);
        assert_eq!(GoDirectives::parse("gopher 1\n"), GoDirectives::default());
    }
}
