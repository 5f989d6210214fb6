//! Cuts a line of a shell script into commands, as far as looking for a program in it needs.

/// The commands of a line, each as its words; without comments, with what stands in `$( )` as commands of their own.
pub fn commands(line: &str) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\'' => {
                word.get_or_insert_default().extend(rest.by_ref().take_while(|inside| *inside != '\''));
            }
            '"' => quoted(&mut rest, word.get_or_insert_default()),
            '\\' => word.get_or_insert_default().extend(rest.next()),
            '#' if word.is_none() => break,
            ';' | '|' | '&' | '(' | ')' | '`' => {
                end_word(&mut found, &mut word);
                found.push(Vec::new());
            }
            '$' if rest.peek() == Some(&'(') => {
                end_word(&mut found, &mut word);
                found.push(Vec::new());
            }
            _ if character.is_whitespace() => end_word(&mut found, &mut word),
            _ => word.get_or_insert_default().push(character),
        }
    }
    end_word(&mut found, &mut word);
    found.retain(|words| !words.is_empty());
    found
}

/// What stands in double quotes.
fn quoted(rest: &mut impl Iterator<Item = char>, word: &mut String) {
    while let Some(inside) = rest.next() {
        match inside {
            '"' => return,
            '\\' => match rest.next() {
                Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                other => word.extend(['\\'].into_iter().chain(other)),
            },
            _ => word.push(inside),
        }
    }
}

fn end_word(found: &mut [Vec<String>], word: &mut Option<String>) {
    if let (Some(words), Some(word)) = (found.last_mut(), word.take()) {
        words.push(word);
    }
}

/// A command without what may stand before its program: words of the shell, assignments, and programs that run another,
/// such as `sudo -u root` and `nice -n 5`.
pub fn without_prefix<'a, 'w>(words: &'a [&'w str]) -> &'a [&'w str] {
    const WORDS: [&str; 10] = ["if", "then", "else", "elif", "do", "while", "until", "!", "{", "time"];
    let mut words = words;
    while let Some((first, rest)) = words.split_first() {
        words = if WORDS.contains(first) || is_assignment(first) {
            rest
        } else if let Some(prefix) = PREFIXES.iter().find(|prefix| prefix.name == base_name(first)) {
            prefix.behind(rest)
        } else {
            break;
        };
    }
    words
}

/// A program that runs the program behind it.
struct ProgramPrefix {
    name: &'static str,
    /// The letters of its options that take a value.
    with_value: &'static str,
    /// The words of its own before the program.
    own_words: usize,
}

const PREFIXES: [ProgramPrefix; 11] = [
    ProgramPrefix { name: "sudo", with_value: "ugpCDhrtTR", own_words: 0 },
    ProgramPrefix { name: "doas", with_value: "uC", own_words: 0 },
    ProgramPrefix { name: "env", with_value: "uP", own_words: 0 },
    ProgramPrefix { name: "exec", with_value: "a", own_words: 0 },
    ProgramPrefix { name: "nohup", with_value: "", own_words: 0 },
    ProgramPrefix { name: "command", with_value: "", own_words: 0 },
    ProgramPrefix { name: "builtin", with_value: "", own_words: 0 },
    ProgramPrefix { name: "nice", with_value: "n", own_words: 0 },
    ProgramPrefix { name: "caffeinate", with_value: "tw", own_words: 0 },
    ProgramPrefix { name: "timeout", with_value: "sk", own_words: 1 },
    ProgramPrefix { name: "gtimeout", with_value: "sk", own_words: 1 },
];

impl ProgramPrefix {
    /// The words behind its options.
    fn behind<'a, 'w>(&self, words: &'a [&'w str]) -> &'a [&'w str] {
        let mut words = words;
        while let Some((option, rest)) = words.split_first().filter(|(first, _)| first.starts_with('-')) {
            let takes_next = option.len() == 2
                && option.chars().nth(1).is_some_and(|letter| self.with_value.contains(letter));
            words = rest.get(usize::from(takes_next)..).unwrap_or_default();
        }
        words.get(self.own_words..).unwrap_or_default()
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A line of a script with what goes on in the next lines, and the commands in it.
pub struct ScriptLine {
    /// The first of its lines, from 1.
    pub number: usize,
    pub text: String,
    pub commands: Vec<Vec<String>>,
}

/// The lines of a script that hold commands. The values of variables that the script itself sets are put in their place,
/// and so are the programs that it looks for: `PFCTL=/sbin/pfctl`, `$(which pfctl)`.
pub fn script_lines(text: &str, most: usize) -> Vec<ScriptLine> {
    let is_shell = text.lines().next().is_none_or(|first| !first.starts_with("#!") || is_of_shell(first));
    let mut found = Vec::new();
    let mut values: Vec<(String, String)> = Vec::new();
    let mut lines = text.lines().enumerate().take(most);
    while let Some((index, line)) = lines.next() {
        let mut text = line.trim().to_owned();
        while let Some(start) = text.strip_suffix('\\') {
            let Some((_, next)) = lines.next() else { break };
            text = format!("{} {}", start.trim_end(), next.trim());
        }
        let commands = if is_shell {
            let commands = commands(&with_values(&text, &values));
            keep_values(&commands, &mut values);
            commands
        } else {
            of_other_language(&text)
        };
        if !commands.is_empty() {
            found.push(ScriptLine { number: index + 1, text, commands });
        }
    }
    found
}

/// Whether a first line `#!…` names a shell.
fn is_of_shell(first: &str) -> bool {
    first.split_whitespace().any(|word| base_name(word.trim_start_matches("#!")).ends_with("sh"))
}

/// More values than a script about pf sets.
const MOST_VALUES: usize = 100;

fn keep_values(commands: &[Vec<String>], values: &mut Vec<(String, String)>) {
    for words in commands {
        let words = match words.first().map(String::as_str) {
            Some("export" | "readonly" | "local") => words.get(1..).unwrap_or_default(),
            _ => words,
        };
        // `X=1 program` sets it for that program alone.
        if words.is_empty() || !words.iter().all(|word| is_assignment(word)) {
            continue;
        }
        let assigned = words.iter().filter_map(|word| word.split_once('='));
        for (name, value) in assigned.filter(|(_, value)| !value.contains(['$', '\'', '"'])) {
            values.retain(|(known, _)| known != name);
            if values.len() < MOST_VALUES {
                values.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

/// The line with the values of known variables, and with the programs that `$(which …)` looks for.
fn with_values(line: &str, values: &[(String, String)]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['$', '`']) {
        let (before, behind) = rest.split_at(at);
        text.push_str(before);
        let put = looked_for(behind).or_else(|| variable(behind, values));
        let (value, length) = put.unwrap_or((behind.get(..1).unwrap_or_default(), 1));
        text.push_str(value);
        rest = behind.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    text
}

/// `$(which pfctl)`, `` `command -v pfctl` ``: the program, and the length of the text.
fn looked_for(text: &str) -> Option<(&str, usize)> {
    let (inside, end) = match text.strip_prefix("$(") {
        Some(inside) => (inside, ')'),
        None => (text.strip_prefix('`')?, '`'),
    };
    let (inside, _) = inside.split_once(end)?;
    let name = ["which ", "command -v ", "type -p ", "whence -p "]
        .iter()
        .find_map(|word| inside.trim().strip_prefix(word))?;
    let length = inside.len() + if end == ')' { 3 } else { 2 };
    (!name.contains(char::is_whitespace)).then_some((name, length))
}

/// `$NAME`, `${NAME}` of a known variable: its value, and the length of the text.
fn variable<'v>(text: &str, values: &'v [(String, String)]) -> Option<(&'v str, usize)> {
    let (name, length) = match text.strip_prefix("${") {
        Some(inside) => {
            let (name, _) = inside.split_once('}')?;
            (name, name.len() + 3)
        }
        None => {
            let inside = text.strip_prefix('$')?;
            let end =
                inside.find(|one: char| !one.is_ascii_alphanumeric() && one != '_').unwrap_or(inside.len());
            (inside.get(..end)?, end + 1)
        }
    };
    let (_, value) = values.iter().find(|(known, _)| known == name)?;
    Some((value, length))
}

/// The commands of a line of Python, Perl or Ruby: `subprocess.run(["/sbin/pfctl", "-e"])`, `os.system("pfctl -e")`.
fn of_other_language(line: &str) -> Vec<Vec<String>> {
    const PROGRAMS: [&str; 4] = ["pfctl", "sysctl", "launchctl", "ipfw"];
    if line.starts_with('#') || ["print", "echo", "puts", "log"].iter().any(|word| line.starts_with(word)) {
        return Vec::new();
    }
    let plain = line.replace(['[', ']', '(', ')', ',', '"', '\'', '`'], " ");
    let from_program = |words: Vec<String>| {
        let at = words.iter().position(|word| PROGRAMS.contains(&base_name(word)))?;
        words.get(at..).map(<[String]>::to_vec)
    };
    commands(&plain).into_iter().filter_map(from_program).collect()
}

/// The texts that a command has a shell run: `sh -c '…'`, `eval …`, `osascript -e 'do shell script "…"'`.
pub fn inner(words: &[&str]) -> Vec<String> {
    let Some((program, rest)) = words.split_first() else { return Vec::new() };
    match base_name(program) {
        "sh" | "bash" | "zsh" | "dash" | "ksh" => {
            let is_command =
                |word: &&str| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c');
            let at = rest.iter().position(is_command);
            at.and_then(|at| rest.get(at + 1)).map(|script| (*script).to_owned()).into_iter().collect()
        }
        "eval" => vec![rest.join(" ")],
        "osascript" => {
            let scripts =
                rest.iter().filter_map(|word| word.split_once("do shell script")?.1.split_once('"'));
            scripts.map(|(_, script)| script.split('"').next().unwrap_or_default().to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

/// `pfctl` of `/sbin/pfctl`
pub fn base_name(program: &str) -> &str {
    // A setting has no folder before its name.
    program.rsplit('/').next().unwrap_or(program)
}
