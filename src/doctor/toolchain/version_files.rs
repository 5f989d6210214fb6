//! The small files by which version managers choose a Go.

/// The first word of a `.go-version` that is not in a comment.
pub fn plain(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let word = lines.next().and_then(|line| line.split([' ', ':']).next())?;
    version_word(word)
}

/// The `golang` or `go` of a `.tool-versions`: the first of its versions.
pub fn tool_version(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        words.next().filter(|tool| ["golang", "go"].contains(tool))?;
        version_word(words.next()?)
    })
}

/// The `go` of the `[tools]` of a mise.toml.
pub fn mise_version(text: &str) -> Option<String> {
    let document: toml_edit::DocumentMut = text.parse().ok()?;
    let tools = document.get("tools")?;
    let tool = ["go", "golang", "core:go"].iter().find_map(|name| tools.get(name))?;
    let written = tool.as_str().or_else(|| tool.get("version")?.as_str());
    let first = || tool.as_array()?.get(0)?.as_str();
    version_word(written.or_else(first)?)
}

/// A version that may stand in a command that people copy: the files come with a project, which may be anybody's.
pub fn version_word(word: &str) -> Option<String> {
    const LONGEST: usize = 64;
    let word = word.strip_prefix("go").unwrap_or(word);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+:/".contains(&byte);
    ((1..=LONGEST).contains(&word.len()) && word.bytes().all(is_plain)).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_name_a_version() {
        let some = |version: &str| Some(version.to_owned());
        assert_eq!(plain("1.22.3\n"), some("1.22.3"));
        assert_eq!(plain("# why\ngo1.22\n"), some("1.22"));
        assert_eq!(plain("\n"), None);
        assert_eq!(plain("1.22;curl$IFS"), None);
        assert_eq!(tool_version("golang 1.22|sh\n"), None);
        assert_eq!(tool_version("nodejs 20\ngolang 1.22.3 system # x\n"), some("1.22.3"));
        assert_eq!(tool_version("#golang 1.22.3\n"), None);
        assert_eq!(mise_version("[tools]\nnode = \"20\"\ngo = \"1.22\"\n"), some("1.22"));
        assert_eq!(mise_version("[tools]\ngo = [\"1.22\", \"1.21\"]\n"), some("1.22"));
        assert_eq!(mise_version("[tools.go]\nversion = \"1.23\"\n"), some("1.23"));
        assert_eq!(mise_version("[tools]\n"), None);
        assert_eq!(mise_version("[tools"), None);
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(text in "[\\[\\]{}\",:=a-z0-9#. \n]{0,60}") {
            let _ = (plain(&text), tool_version(&text), mise_version(&text));
        }
    }
}
