//! What the files of the login shell do to PATH and to Go's variables, by line. They are read as straight lines: what
//! stands in an `if` counts, and what a command prints is not known.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::environment::{ToolEnvironment, is_executable, text};
use super::managers::GoProgram;

/// The PATH of an app that Finder starts, and that of a login shell at first.
const FINDER_PATH: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// What a login shell has in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellFacts {
    /// `zsh` or `bash`; empty for another one, whose files are not read.
    pub name: String,
    /// Each go in the folders of its PATH, in their order.
    pub go: Vec<ShellTool>,
    /// Each dlv.
    pub dlv: Vec<ShellTool>,
    /// Every line that sets one of Go's variables, in the order in which they run.
    pub variables: Vec<ShellVariable>,
    /// The go that lines put on the PATH in files that this shell does not read.
    pub unread: Vec<ShellTool>,
}

/// A program in a folder of the PATH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellTool {
    pub file: PathBuf,
    /// The line that puts the folder there, such as `~/.zshrc:4`.
    pub whence: String,
}

/// A line that sets a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellVariable {
    pub name: String,
    pub value: String,
    pub whence: String,
}

const VARIABLES: [&str; 7] =
    ["GOROOT", "GOPATH", "GOBIN", "GOTOOLCHAIN", "GO111MODULE", "GOFLAGS", "GOPROXY"];

/// The folders on the PATH of an app that Finder starts.
pub fn finder_folders(environment: &ToolEnvironment<'_>) -> Vec<PathBuf> {
    FINDER_PATH.iter().map(|folder| (environment.place)(folder)).collect()
}

pub fn collect(environment: &ToolEnvironment<'_>) -> ShellFacts {
    let shell = environment.variable("SHELL").unwrap_or_else(|| "/bin/zsh".into());
    let name =
        Path::new(&shell).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (true, Some(home)) = (["zsh", "bash"].contains(&name.as_str()), environment.home()) else {
        return ShellFacts::default();
    };
    let folder =
        environment.variable("ZDOTDIR").filter(|_| name == "zsh").map_or_else(|| home.clone(), PathBuf::from);
    let files = files_of(&name, environment, &folder);
    let mut session = ShellReader::new(environment, &home);
    for file in &files {
        if file.ends_with("etc/zprofile") || file.ends_with("etc/profile") {
            session.path_helper();
        }
        session.run(file, 0);
    }
    let others = [".zprofile", ".zshrc", ".bash_profile", ".bash_login", ".profile", ".bashrc"];
    let unread = others.iter().map(|name| home.join(name)).filter(|file| !session.read.contains(file));
    let unread = unread.filter(|file| !(name == "bash" && file.ends_with(".bashrc"))).flat_map(|file| {
        let mut session = ShellReader::new(environment, &home);
        session.run(&file, 0);
        session.tools(GoProgram::Go)
    });
    ShellFacts {
        unread: unread.filter(|tool| !tool.whence.is_empty()).collect(),
        go: session.tools(GoProgram::Go),
        dlv: session.tools(GoProgram::Delve),
        variables: session.set,
        name,
    }
}

/// The files of an interactive login shell, in their order (zsh(1), bash(1)).
fn files_of(shell: &str, environment: &ToolEnvironment<'_>, folder: &Path) -> Vec<PathBuf> {
    let place = |path| (environment.place)(path);
    if shell == "zsh" {
        let own = |name| folder.join(name);
        return vec![
            place("/etc/zshenv"),
            own(".zshenv"),
            place("/etc/zprofile"),
            own(".zprofile"),
            place("/etc/zshrc"),
            own(".zshrc"),
            own(".zlogin"),
        ];
    }
    let first = [".bash_profile", ".bash_login", ".profile"].map(|name| folder.join(name));
    let first = first.into_iter().find(|file| file.is_file());
    [place("/etc/profile")].into_iter().chain(first).collect()
}

/// A shell that runs nothing.
struct ShellReader<'a> {
    environment: &'a ToolEnvironment<'a>,
    path: Vec<(PathBuf, String)>,
    /// The value of each variable so far.
    values: BTreeMap<String, String>,
    set: Vec<ShellVariable>,
    read: Vec<PathBuf>,
}

/// Stands for what is not known; in no path.
const UNKNOWN: char = '\0';

impl<'a> ShellReader<'a> {
    fn new(environment: &'a ToolEnvironment<'a>, home: &Path) -> Self {
        ShellReader {
            environment,
            path: finder_folders(environment).into_iter().map(|folder| (folder, String::new())).collect(),
            values: [("HOME".to_owned(), home.display().to_string())].into(),
            set: Vec::new(),
            read: Vec::new(),
        }
    }

    /// The folders of /etc/paths and /etc/paths.d first, then what was there (path_helper(8)).
    fn path_helper(&mut self) {
        let mut files = vec![(self.environment.place)("/etc/paths")];
        let entries = std::fs::read_dir((self.environment.place)("/etc/paths.d")).into_iter().flatten();
        let mut more: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).take(64).collect();
        more.sort();
        files.extend(more);
        let mut path = Vec::new();
        for file in files {
            for (number, line) in text(&file).unwrap_or_default().lines().enumerate() {
                let whence = format!("{}:{}", self.environment.shown(&file), number + 1);
                if line.starts_with('/') {
                    path.push(((self.environment.place)(line.trim()), whence));
                }
            }
        }
        path.append(&mut self.path);
        self.set_path(path);
    }

    fn set_path(&mut self, path: Vec<(PathBuf, String)>) {
        self.path.clear();
        for (folder, whence) in path {
            if !self.path.iter().any(|(there, _)| *there == folder) {
                self.path.push((folder, whence));
            }
        }
    }

    fn run(&mut self, file: &Path, depth: u32) {
        const DEEPEST: u32 = 3;
        let Some(text) = text(file).filter(|_| depth <= DEEPEST) else { return };
        self.read.push(file.to_owned());
        for (number, line) in text.lines().enumerate() {
            let whence = format!("{}:{}", self.environment.shown(file), number + 1);
            for statement in statements(line) {
                self.statement(&statement, &whence, depth);
            }
        }
    }

    fn statement(&mut self, statement: &str, whence: &str, depth: u32) {
        let words = ["then ", "do ", "export ", "typeset -gx ", "typeset -x ", "declare -x "];
        let bare =
            words.iter().fold(statement.trim(), |rest, word| rest.strip_prefix(word).unwrap_or(rest).trim());
        if let Some((name, value)) = bare.split_once('=') {
            return self.assign(name, value, whence);
        }
        if let Some(named) = bare.strip_prefix("source ").or_else(|| bare.strip_prefix(". ")) {
            let file = self.expanded(named.split(" #").next().unwrap_or(named));
            let file = PathBuf::from(file.trim());
            if file.ends_with(".gvm/scripts/gvm") {
                let root = file.parent().and_then(Path::parent).unwrap_or(&file).to_owned();
                self.values.insert("GVM_ROOT".into(), root.display().to_string());
                return self.run(&root.join("environments/default"), depth + 1);
            }
            if file.ends_with("asdf.sh") {
                self.prepend(file.parent().map(|folder| folder.join("shims")), whence);
            } else if file.is_absolute() {
                self.run(&file, depth + 1);
            }
            return;
        }
        self.well_known(bare, whence);
    }

    /// Commands that print what is evaluated.
    fn well_known(&mut self, statement: &str, whence: &str) {
        let below_home =
            |variable, name: &str| self.environment.folder_of(variable, name).map(|root| root.join("shims"));
        let folder = match statement {
            _ if statement.contains("goenv init") => below_home("GOENV_ROOT", ".goenv"),
            _ if statement.contains("mise activate") => below_home("MISE_DATA_DIR", ".local/share/mise"),
            _ if statement.contains("brew shellenv") => {
                let word = statement.split(['(', '`', '"', ' ']).find(|word| word.ends_with("/bin/brew"));
                let named = word.and_then(|word| word.strip_suffix("/brew"));
                Some((self.environment.place)(named.unwrap_or("/opt/homebrew/bin")))
            }
            _ => return,
        };
        self.prepend(folder, whence);
    }

    fn prepend(&mut self, folder: Option<PathBuf>, whence: &str) {
        let mut path: Vec<_> = folder.into_iter().map(|folder| (folder, whence.to_owned())).collect();
        path.append(&mut self.path);
        self.set_path(path);
    }

    fn assign(&mut self, name: &str, value: &str, whence: &str) {
        let (name, appends) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
        if name == "PATH" || name == "path" {
            let listed = value.trim().strip_prefix('(').and_then(|value| value.split(')').next());
            let words =
                listed.map(|list| list.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>());
            let value = words.map_or_else(|| first_word(value), |words| words.join(":"));
            return self.assign_path(&value, appends, whence);
        }
        if !name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') || name.is_empty() {
            return;
        }
        let value = self.expanded(&first_word(value));
        if VARIABLES.contains(&name) && !value.contains(UNKNOWN) {
            self.set.push(ShellVariable { name: name.into(), value: value.clone(), whence: whence.into() });
        }
        self.values.insert(name.to_owned(), value);
    }

    fn assign_path(&mut self, value: &str, appends: bool, whence: &str) {
        const OLD: [&str; 4] = ["$PATH", "${PATH}", "$path", "${path}"];
        let mut before = std::mem::take(&mut self.path);
        let mut path = if appends { before.split_off(0) } else { Vec::new() };
        for part in value.replace(['"', '\''], "").split(':') {
            if OLD.contains(&part) || part == "$path[@]" {
                path.append(&mut before);
                continue;
            }
            let folder = self.expanded(part);
            if folder.starts_with('/') && !folder.contains(UNKNOWN) {
                path.push((PathBuf::from(folder), whence.to_owned()));
            }
        }
        self.set_path(path);
    }

    /// With the values of variables in the place of their names.
    fn expanded(&self, word: &str) -> String {
        if let Some(literal) = word.trim().strip_prefix('\'') {
            return literal.trim_end_matches('\'').to_owned();
        }
        let word = word.trim().replace('"', "");
        let home = self.values.get("HOME").cloned().unwrap_or_default();
        let gopath = self.values.get("GOPATH").cloned().unwrap_or_else(|| format!("{home}/go"));
        let word = word.replace("$(go env GOPATH)", &gopath).replace("`go env GOPATH`", &gopath);
        let word = match word.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
            _ => word,
        };
        let mut parts = word.split('$');
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let (name, rest) = match part.strip_prefix('{').and_then(|part| part.split_once('}')) {
                Some(braced) => braced,
                None => part.split_at(part.find(|letter| !is_of_name(letter)).unwrap_or(part.len())),
            };
            match self.values.get(name) {
                Some(value) => whole += value,
                None => whole.push(UNKNOWN),
            }
            whole += rest;
        }
        if whole.contains('`') { UNKNOWN.into() } else { whole }
    }

    fn tools(&self, sort: GoProgram) -> Vec<ShellTool> {
        let files = self.path.iter().map(|(folder, whence)| (folder.join(sort.name()), whence));
        let files = files.filter(|(file, _)| is_executable(file));
        files.map(|(file, whence)| ShellTool { file, whence: whence.clone() }).collect()
    }
}

/// The parts of a line, without a comment.
fn statements(line: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut quote = None;
    let mut letters = line.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        let is_comment = letter == '#' && before.is_whitespace() && quote.is_none();
        if is_comment {
            break;
        }
        match quote {
            Some(open) if letter == open => quote = None,
            None if letter == '"' || letter == '\'' => quote = Some(letter),
            _ => {}
        }
        let is_pair = matches!(letter, '&' | '|') && letters.peek() == Some(&letter);
        before = letter;
        if quote.is_none() && (letter == ';' || is_pair) {
            letters.next_if(|_| is_pair);
            found.push(String::new());
        } else if let Some(last) = found.last_mut() {
            last.push(letter);
        }
    }
    found
}

/// A value up to the first space that is not quoted or in a command's brackets.
fn first_word(value: &str) -> String {
    let (mut quote, mut depth) = (None, 0i32);
    let end = value.char_indices().find(|(_, letter)| {
        match (quote, *letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(*letter),
            (_, '(') => depth += 1,
            (_, ')') => depth -= 1,
            _ => {}
        }
        quote.is_none() && depth == 0 && letter.is_whitespace()
    });
    value.get(..end.map_or(value.len(), |(at, _)| at)).unwrap_or(value).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_their_parts() {
        assert_eq!(
            statements("[ -d x ] && export PATH=\"a;b\"; y # z"),
            ["[ -d x ] ", " export PATH=\"a;b\"", " y "]
        );
        assert_eq!(first_word("\"a b\":$(go env GOPATH)/bin rest"), "\"a b\":$(go env GOPATH)/bin");
    }

    #[test]
    fn a_path_as_the_lines_make_it() {
        let variable = |_: &str| None;
        let environment = ToolEnvironment {
            folder: Path::new("/work"),
            project: Path::new("/work"),
            path: "".as_ref(),
            variable: &variable,
            place: &|path| path.into(),
            is_mac: true,
        };
        let mut session = ShellReader::new(&environment, Path::new("/Users/me"));
        for line in [
            "export GOPATH=$HOME/code # mine",
            "export PATH=\"$PATH:$(go env GOPATH)/bin\"",
            "path=(~/first $path)",
            "path+=(/last)",
            "PATH=`unknown`:$PATH:${UNSET}/x",
            "eval \"$(/opt/homebrew/bin/brew shellenv)\"",
            "export PATH=/opt/homebrew/bin:$PATH",
            "source ~/.asdf/asdf.sh",
        ] {
            for statement in statements(line) {
                session.statement(&statement, "f:1", 0);
            }
        }
        let path: Vec<_> =
            session.path.iter().map(|(folder, _)| folder.to_string_lossy().into_owned()).collect();
        let expected = "/Users/me/.asdf/shims:/opt/homebrew/bin:/Users/me/first:/usr/bin:/bin:/usr/sbin:/sbin:/Users/me/code/bin:/last";
        assert_eq!(path.join(":"), expected);
        assert_eq!(session.set.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn junk_never_panics(line in "[A-Z=$(){}\"'`:;&|~/ +#a-c]{0,60}") {
            let environment = ToolEnvironment {
                folder: Path::new("/work"),
            project: Path::new("/work"),
                path: "".as_ref(),
                variable: &|_| None,
                place: &|path| path.into(),
                is_mac: true,
            };
            let mut session = ShellReader::new(&environment, Path::new("/nowhere"));
            for statement in statements(&line).iter().chain([&format!("PATH={line}")]) {
                session.statement(statement, "f:1", 9);
            }
        }
    }
}
