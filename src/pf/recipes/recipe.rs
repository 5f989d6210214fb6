//! Each recipe: its shape, what it really does, and what to do in its place.

use std::fmt;

use super::shell;

/// What a command does that its recipe does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipe {
    /// `sysctl -w net.inet.ip.fw.enable=1`
    IpfwSetting,
    /// `ipfw add allow …`
    IpfwCommand,
    /// `launchctl load -w /System/Library/LaunchDaemons/com.apple.pfctl.plist`
    LoadOfApplesJob,
    /// `pfctl -e`
    EnableWithoutToken,
    /// `pfctl -d`
    StopForAll,
    /// `pfctl -F all`
    FlushAll,
    /// `echo … | pfctl -f -`
    ReplacesMain,
}

impl Recipe {
    /// What it really does.
    pub fn really(self) -> &'static str {
        match self {
            Recipe::IpfwSetting => {
                "the setting net.inet.ip.fw is of ipfw, which macOS has no more since 10.10: it turns no firewall on or off"
            }
            Recipe::IpfwCommand => {
                "ipfw is a firewall that macOS has no more since 10.10: the command fails, and no rule comes of it"
            }
            Recipe::LoadOfApplesJob => {
                "loading com.apple.pfctl does not enable pf: macOS runs that job itself, and all it does is load /etc/pf.conf"
            }
            Recipe::EnableWithoutToken => {
                "`pfctl -e` enables pf and takes no token: pf goes off as soon as the last program that holds one gives it back"
            }
            Recipe::StopForAll => {
                "`pfctl -d` stops pf for every program, and voids the tokens of those that hold it enabled"
            }
            Recipe::FlushAll => {
                "`pfctl -F all` takes everybody's rules, tables and states away, the calls of Apple's anchors among them"
            }
            Recipe::ReplacesMain => {
                "`pfctl -f -` without `-a` replaces the whole main ruleset: Apple's anchors and those of other programs are \
                 not called any more"
            }
        }
    }

    /// What to do in its place.
    pub fn instead(self) -> &'static str {
        match self {
            Recipe::IpfwSetting | Recipe::IpfwCommand => "take it out",
            Recipe::LoadOfApplesJob => "take it out; `sudo pfctl -E` enables pf, and prints a token",
            Recipe::EnableWithoutToken => "write `pfctl -E`, and keep the token that it prints",
            Recipe::StopForAll => "give a token back with `pfctl -X TOKEN`: pf stays on for the others",
            Recipe::FlushAll => "flush an anchor of your own: `pfctl -a NAME -F rules`",
            Recipe::ReplacesMain => "load an anchor that is called: `pfctl -a com.apple/NAME -f -`",
        }
    }
}

/// What it really does, and what to do in its place.
impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.really(), self.instead())
    }
}

/// A recipe in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundRecipe {
    /// From 1.
    pub line: usize,
    /// The line's text.
    pub text: String,
    pub recipe: Recipe,
}

/// More than any script about pf has, in lines.
const MAXIMUM_LINES: usize = 20_000;

/// The recipes in a shell script, or in a file of `sysctl` settings.
pub fn of_script(text: &str) -> Vec<FoundRecipe> {
    let mut found: Vec<FoundRecipe> = Vec::new();
    for (line, text) in text.lines().enumerate().take(MAXIMUM_LINES) {
        for recipe in shell::commands(text).iter().flat_map(|words| of_command(words)) {
            let one = FoundRecipe { line: line + 1, text: text.trim().to_owned(), recipe };
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    found
}

/// The recipes in one command, by its words.
pub fn of_command<S: AsRef<str>>(words: &[S]) -> Vec<Recipe> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let words = shell::without_prefix(&words);
    let Some((program, rest)) = words.split_first() else { return Vec::new() };
    let is_fw = |word: &str| word.starts_with("net.inet.ip.fw.") || word.starts_with("net.inet6.ip6.fw.");
    match shell::base_name(program) {
        "sysctl" if rest.iter().any(|word| is_fw(word)) => vec![Recipe::IpfwSetting],
        setting if is_fw(setting) => vec![Recipe::IpfwSetting],
        "ipfw" => vec![Recipe::IpfwCommand],
        "launchctl" if loads(rest) => vec![Recipe::LoadOfApplesJob],
        "pfctl" => of_pfctl(rest),
        "sh" | "bash" | "zsh" | "dash" | "ksh" => match rest {
            [option, script, ..] if option.starts_with('-') && option.ends_with('c') => {
                shell::commands(script).iter().flat_map(|words| of_command(words)).collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// Whether a line is a command of the shell about pf, and no statement of pf's.
pub fn is_command(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [program, next @ ..] = shell::without_prefix(&words) else { return false };
    let is_known = matches!(shell::base_name(program), "pfctl" | "sysctl" | "launchctl" | "ipfw");
    is_known && !next.first().is_some_and(|next| next.starts_with('='))
}

fn loads(words: &[&str]) -> bool {
    let verbs = ["load", "bootstrap", "enable", "start", "kickstart"];
    words.first().is_some_and(|verb| verbs.contains(verb))
        && words.iter().any(|word| word.contains("com.apple.pfctl"))
}

/// pfctl's options that take a value.
const WITH_VALUE: &str = "aDfFikKopstTxXw";

fn of_pfctl(words: &[&str]) -> Vec<Recipe> {
    let mut options: Vec<(char, &str)> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else { continue };
        for (at, letter) in letters.char_indices() {
            if WITH_VALUE.contains(letter) {
                let joined = letters.get(at + letter.len_utf8()..).unwrap_or_default();
                let value = if joined.is_empty() { words.next().copied() } else { Some(joined) };
                options.push((letter, value.unwrap_or_default()));
                break;
            }
            options.push((letter, ""));
        }
    }
    let has = |wanted: char| options.iter().any(|(letter, _)| *letter == wanted);
    let value = |wanted: char| options.iter().find(|(letter, _)| *letter == wanted).map(|(_, value)| *value);
    let own = value('a').is_some();
    // It parses, and changes nothing.
    if has('n') {
        return Vec::new();
    }
    let found = [
        (has('e') && !has('E'), Recipe::EnableWithoutToken),
        (has('d'), Recipe::StopForAll),
        (value('F').is_some_and(|what| what.starts_with('a')) && !own, Recipe::FlushAll),
        (matches!(value('f'), Some("-" | "/dev/stdin")) && !own, Recipe::ReplacesMain),
    ];
    found.into_iter().filter(|(holds, _)| *holds).map(|(_, recipe)| recipe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_told_by_its_shape() {
        use Recipe::{
            EnableWithoutToken, FlushAll, IpfwCommand, IpfwSetting, LoadOfApplesJob, ReplacesMain, StopForAll,
        };
        for (script, wanted) in [
            ("sudo sysctl -w net.inet.ip.fw.enable=1", &[IpfwSetting][..]),
            ("/usr/sbin/sysctl net.inet.ip.fw.verbose=0", &[IpfwSetting]),
            ("net.inet.ip.fw.enable=1", &[IpfwSetting]),
            ("sysctl -w net.inet.ip.forwarding=1", &[]),
            ("ipfw add 100 fwd 127.0.0.1,8080 tcp from any to any 80 in", &[IpfwCommand]),
            (
                "sudo launchctl load -w /System/Library/LaunchDaemons/com.apple.pfctl.plist",
                &[LoadOfApplesJob],
            ),
            ("launchctl kickstart -k system/com.apple.pfctl", &[LoadOfApplesJob]),
            ("launchctl load /Library/LaunchDaemons/mine.plist", &[]),
            ("pfctl -e", &[EnableWithoutToken]),
            ("pfctl -evf /etc/pf.conf || true", &[EnableWithoutToken]),
            ("/sbin/pfctl -f /etc/pf.conf -e 2>/dev/null", &[EnableWithoutToken]),
            ("pfctl -E -f /etc/pf.conf", &[]),
            ("pfctl -ef/etc/pf.conf", &[EnableWithoutToken]),
            ("pfctl -fe", &[]),
            ("pfctl -n -e -f x", &[]),
            ("pfctl -d; pfctl -F all && pfctl -e", &[StopForAll, FlushAll, EnableWithoutToken]),
            ("pfctl -Fa -d", &[StopForAll, FlushAll]),
            ("pfctl -a mine -F all", &[]),
            ("pfctl -F states", &[]),
            (
                "echo \"rdr pass proto tcp to port 80 -> 127.0.0.1 port 8080\" | sudo pfctl -ef -",
                &[EnableWithoutToken, ReplacesMain],
            ),
            ("echo 'pass in' | pfctl -a com.apple/mine -f -", &[]),
            ("echo 'sudo pfctl -e'", &[]),
            ("# pfctl -e", &[]),
            ("if ! sudo -n pfctl -e; then exit 1; fi", &[EnableWithoutToken]),
            ("/bin/sh -c 'sleep 5; pfctl -e'", &[EnableWithoutToken]),
            ("out=$(pfctl -d)", &[StopForAll]),
            ("PATH=/sbin:$PATH pfctl -e &", &[EnableWithoutToken]),
        ] {
            let found: Vec<Recipe> = of_script(script).iter().map(|found| found.recipe).collect();
            assert_eq!(found, wanted, "{script}");
        }
    }

    #[test]
    fn a_command_is_no_statement_of_pf() {
        for line in ["sudo pfctl -e", "sysctl -w a.b=1", "/bin/launchctl load x", "  ipfw flush"] {
            assert!(is_command(line), "{line}");
        }
        for line in
            ["pass in all", "pfctl = \"en0\"", "ipfw=1", "# pfctl -e", "", "load anchor \"pfctl\" from \"x\""]
        {
            assert!(!is_command(line), "{line}");
        }
    }
}
