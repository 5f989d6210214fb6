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
    /// `pfctl -F rules`
    FlushMain,
    /// `echo … | pfctl -f -`
    ReplacesMain,
    /// `pfctl -f /usr/local/etc/mine.conf`
    OtherMain,
    /// `launchctl unload -w /System/Library/LaunchDaemons/com.apple.pfctl.plist`
    UnloadOfApplesJob,
    /// `echo … >> /etc/pf.conf`
    WritesConf,
    /// `pfctl -a mine -f /etc/pf.anchors/mine`, where no rule calls the anchor.
    LoadsUncalled,
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
            Recipe::FlushMain => {
                "`pfctl -F` without `-a` empties the main ruleset: the calls of Apple's anchors and of other programs' are gone"
            }
            Recipe::OtherMain => {
                "the whole main ruleset is replaced by a file other than /etc/pf.conf: anchors of Apple and of other programs \
                 that this file does not call are not evaluated any more"
            }
            Recipe::UnloadOfApplesJob => {
                "unloading com.apple.pfctl does not turn pf off: that job enables nothing, and without it macOS loads no \
                 /etc/pf.conf at the next start"
            }
            Recipe::LoadsUncalled => {
                "it loads rules into an anchor that /etc/pf.conf does not call: they are loaded, and never evaluated"
            }
            Recipe::WritesConf => {
                "it changes /etc/pf.conf each time it runs: what it adds stands there once more each time, and is gone after an \
                 update of macOS"
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
            Recipe::LoadsUncalled => {
                "load them below com.apple, which the pf.conf of macOS calls: `pfctl -a com.apple/NAME -f FILE`"
            }
            Recipe::FlushMain => "empty an anchor of your own: `pfctl -a NAME -F rules`",
            Recipe::OtherMain => {
                "load the file into an anchor that is called: `pfctl -a com.apple/NAME -f FILE`"
            }
            Recipe::UnloadOfApplesJob => {
                "take it out; the program that enabled pf with a token gives it back with `pfctl -X TOKEN`"
            }
            Recipe::WritesConf => {
                "keep the rules in a file of your own, and load it into an anchor that is called: \
                 `pfctl -a com.apple/NAME -f FILE`"
            }
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

/// The recipes in a script, or in a file of `sysctl` settings.
pub fn of_script(text: &str) -> Vec<FoundRecipe> {
    let mut found: Vec<FoundRecipe> = Vec::new();
    for line in shell::script_lines(text, MAXIMUM_LINES) {
        for recipe in line.commands.iter().flat_map(|words| of_command(words)) {
            let one = FoundRecipe { line: line.number, text: line.text.clone(), recipe };
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    found
}

/// The commands of a script that load rules into an anchor that nothing calls; `is_called` is asked for each anchor's path.
pub fn uncalled_loads(text: &str, is_called: &mut dyn FnMut(&str) -> bool) -> Vec<FoundRecipe> {
    let mut found = Vec::new();
    for line in shell::script_lines(text, MAXIMUM_LINES) {
        let anchors = line.commands.iter().filter_map(|words| loaded_anchor(words));
        // A path that is made at run time is not known here.
        if anchors.filter(|path| !path.contains(['$', '*'])).any(|path| !is_called(&path)) {
            let recipe = Recipe::LoadsUncalled;
            found.push(FoundRecipe { line: line.number, text: line.text, recipe });
        }
    }
    found
}

/// The anchor that a command loads rules into.
fn loaded_anchor(words: &[String]) -> Option<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (program, rest) = shell::without_prefix(&words).split_first()?;
    let options = Options::of(rest).filter(|_| shell::base_name(program) == "pfctl")?;
    options.value('f')?;
    options.value('a').map(|path| path.trim_matches('/').to_owned())
}

/// The recipes in one command, by its words.
pub fn of_command<S: AsRef<str>>(words: &[S]) -> Vec<Recipe> {
    within(words, MOST_SHELLS)
}

/// More shells than any command has in each other.
const MOST_SHELLS: usize = 4;

fn within<S: AsRef<str>>(words: &[S], shells: usize) -> Vec<Recipe> {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    if writes_conf(&words) {
        return vec![Recipe::WritesConf];
    }
    let words = shell::without_prefix(&words);
    let Some((program, rest)) = words.split_first() else { return Vec::new() };
    let is_fw = |word: &str| word.starts_with("net.inet.ip.fw.") || word.starts_with("net.inet6.ip6.fw.");
    match shell::base_name(program) {
        "sysctl" if rest.iter().any(|word| is_fw(word)) => vec![Recipe::IpfwSetting],
        setting if is_fw(setting) => vec![Recipe::IpfwSetting],
        "ipfw" => vec![Recipe::IpfwCommand],
        "launchctl" => of_launchctl(rest).into_iter().collect(),
        "pfctl" => of_pfctl(rest),
        _ => {
            let Some(shells) = shells.checked_sub(1) else { return Vec::new() };
            let inner = shell::inner(words);
            let commands = inner.iter().flat_map(|text| shell::commands(text));
            commands.flat_map(|words| within(&words, shells)).collect()
        }
    }
}

/// Whether a line is a command of the shell about pf, and no statement of pf's.
pub fn is_command(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [program, next @ ..] = shell::without_prefix(&words) else { return false };
    let is_known = matches!(shell::base_name(program), "pfctl" | "sysctl" | "launchctl" | "ipfw");
    is_known && !next.first().is_some_and(|next| next.starts_with('='))
}

fn of_launchctl(words: &[&str]) -> Option<Recipe> {
    let verb = words.first().filter(|_| words.iter().any(|word| word.contains("com.apple.pfctl")))?;
    match *verb {
        "load" | "bootstrap" | "enable" | "start" | "kickstart" => Some(Recipe::LoadOfApplesJob),
        "unload" | "bootout" | "disable" | "remove" | "stop" => Some(Recipe::UnloadOfApplesJob),
        _ => None,
    }
}

/// `… >> /etc/pf.conf`, `tee -a /etc/pf.conf`, `sed -i … /etc/pf.conf`
fn writes_conf(words: &[&str]) -> bool {
    let is_conf = |word: &str| word.trim_start_matches("/private") == "/etc/pf.conf";
    let is_redirected =
        words.windows(2).any(|two| matches!(two, [way, to] if way.ends_with('>') && is_conf(to)))
            || words.iter().any(|word| word.rsplit_once('>').is_some_and(|(_, to)| is_conf(to)));
    let program = shell::without_prefix(words);
    let changes = match program.first().map(|first| shell::base_name(first)) {
        Some("tee") => true,
        Some("sed" | "perl") => program.iter().any(|word| word.starts_with("-i") || word.starts_with("-pi")),
        Some("cp" | "mv" | "install") => program.last().is_some_and(|last| is_conf(last)),
        _ => false,
    };
    is_redirected || changes && program.iter().any(|word| is_conf(word))
}

/// pfctl's options that take a value.
const WITH_VALUE: &str = "aDfFikKopstTxXw";

fn of_pfctl(words: &[&str]) -> Vec<Recipe> {
    let Some(options) = Options::of(words) else { return Vec::new() };
    let own = options.value('a').is_some();
    let flushes = |first: &[char]| options.value('F').is_some_and(|what| what.starts_with(first)) && !own;
    let found = [
        (options.has('e') && !options.has('E'), Recipe::EnableWithoutToken),
        (options.has('d'), Recipe::StopForAll),
        (flushes(&['a']), Recipe::FlushAll),
        (flushes(&['r', 'n']), Recipe::FlushMain),
        (options.value('f').is_some_and(is_pipe) && !own, Recipe::ReplacesMain),
        (options.value('f').is_some_and(is_other_file) && !own, Recipe::OtherMain),
    ];
    found.into_iter().filter(|(holds, _)| *holds).map(|(_, recipe)| recipe).collect()
}

/// The options of a pfctl that changes something, each with its value.
struct Options<'w>(Vec<(char, &'w str)>);

impl<'w> Options<'w> {
    /// `None` with `-n`: it parses, and changes nothing.
    fn of(words: &[&'w str]) -> Option<Self> {
        let mut options: Vec<(char, &str)> = Vec::new();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                continue;
            };
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
        let options = Options(options);
        (!options.has('n')).then_some(options)
    }

    fn has(&self, wanted: char) -> bool {
        self.value(wanted).is_some()
    }

    fn value(&self, wanted: char) -> Option<&'w str> {
        self.0.iter().find(|(letter, _)| *letter == wanted).map(|(_, value)| *value)
    }
}

/// Standard input, or what a command prints: `<(echo …)`.
fn is_pipe(path: &str) -> bool {
    matches!(path, "-" | "/dev/stdin" | "<") || path.starts_with("/dev/fd/")
}

fn is_other_file(path: &str) -> bool {
    path.starts_with('/') && !is_pipe(path) && path.trim_start_matches("/private") != "/etc/pf.conf"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_is_told_by_its_shape() {
        use Recipe::{
            EnableWithoutToken, FlushAll, FlushMain, IpfwCommand, IpfwSetting, LoadOfApplesJob, OtherMain,
            ReplacesMain, StopForAll, UnloadOfApplesJob, WritesConf,
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
            ("P=/sbin/pfctl\n$P -e", &[EnableWithoutToken]),
            ("export P=\"/sbin/pfctl\"; true\n\"${P}\" -d", &[StopForAll]),
            ("P=/sbin/pfctl true\n$P -e", &[]),
            ("$(which pfctl) -e", &[EnableWithoutToken]),
            ("`command -v pfctl` -d", &[StopForAll]),
            ("pfctl \\\n  -d \\\n  -q", &[StopForAll]),
            ("sudo -u root -n nice -n 5 pfctl -e", &[EnableWithoutToken]),
            ("/usr/bin/env bash -c 'pfctl -e'", &[EnableWithoutToken]),
            ("timeout -k 2 5 pfctl -d", &[StopForAll]),
            ("eval \"pfctl -d\"", &[StopForAll]),
            ("eval eval eval eval eval eval pfctl -d", &[]),
            (
                "osascript -e 'do shell script \"pfctl -e\" with administrator privileges'",
                &[EnableWithoutToken],
            ),
            ("osascript -e \"do shell script \\\"pfctl -d\\\"\"", &[StopForAll]),
            ("#!/usr/bin/python3\nsubprocess.run([\"/sbin/pfctl\", \"-e\"])", &[EnableWithoutToken]),
            ("#!/usr/bin/perl\nsystem('pfctl', '-d'); # stop", &[StopForAll]),
            ("#!/usr/bin/python3\nprint(\"pfctl -e\")\n# pfctl -d", &[]),
            ("launchctl bootout system/com.apple.pfctl", &[UnloadOfApplesJob]),
            ("pfctl -F rules; pfctl -Fn; pfctl -a x -Fr", &[FlushMain]),
            ("pfctl -f <(echo 'pass in')", &[ReplacesMain]),
            ("pfctl -f /opt/mine.conf; pfctl -f mine.conf; pfctl -f /private/etc/pf.conf", &[OtherMain]),
            ("echo 'pass in' | sudo tee -a /etc/pf.conf", &[WritesConf]),
            ("echo 'pass in' >>/etc/pf.conf", &[WritesConf]),
            ("sudo sed -i '' 's/a/b/' /etc/pf.conf", &[WritesConf]),
            ("cp /etc/pf.conf /tmp/x; cat /etc/pf.conf > /tmp/y", &[]),
        ] {
            let found: Vec<Recipe> = of_script(script).iter().map(|found| found.recipe).collect();
            assert_eq!(found, wanted, "{script}");
        }
    }

    #[test]
    fn a_load_into_an_anchor_that_nothing_calls() {
        let lines = |script: &str| {
            let found = uncalled_loads(script, &mut |path| path.starts_with("com.apple/"));
            found.iter().map(|found| found.line).collect::<Vec<_>>()
        };
        assert_eq!(
            lines("pfctl -a mine -f f\npfctl -a com.apple/mine -f f\nA=x\nsudo pfctl -Ea $A -f -"),
            [1, 4]
        );
        assert_eq!(
            lines("pfctl -a mine -s rules; pfctl -a mine -nf f; pfctl -a \"$1\" -f f; pfctl -f f"),
            [0; 0]
        );
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
