//! The jobs of launchd that are about pf: what they run, and who can change it.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::binary_plist::BinaryPlist;
use super::scripts::{self, Script};
use crate::os::{self, PlainFileError};
use crate::pf::recipes::{FoundRecipe, of_command, of_script, uncalled_loads};
use crate::pf::rulesets::Rulesets;
use crate::system::System;

const DAEMONS: &str = "/Library/LaunchDaemons";
const AGENTS: &str = "/Library/LaunchAgents";
/// Below a user's home.
const OWN_AGENTS: &str = "Library/LaunchAgents";
/// Settings that old recipes write.
pub const SYSCTL_CONF: &str = "/etc/sysctl.conf";

/// Who runs a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// Root, at every start.
    Root,
    /// Each user, at every login.
    EachUser,
    /// This user, at every login.
    ThisUser,
    /// Root, by cron(8) or periodic(8).
    Schedule,
    /// Each shell that begins.
    Shell,
    /// Old versions of macOS alone.
    Never,
}

/// One job that is about pf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The plist that names it, as a path of the Mac.
    pub plist: String,
    pub label: String,
    pub runner: Runner,
    /// Whether it runs what it runs as root: by itself, or by sudo.
    pub is_root: bool,
    /// The script that it runs, if it runs one.
    pub script: Option<String>,
    /// What of plist or script does not do what its recipe says, with the file that has it.
    pub recipes: Vec<(String, FoundRecipe)>,
    /// What others than root can change of what root runs: the file or folder, and how.
    pub open: Vec<(String, String)>,
    /// Root reads no file of another user: what the script does is unknown.
    pub is_unread: bool,
}

impl Daemon {
    /// The command that leaves what is run to its owner alone.
    pub fn closing(&self) -> String {
        let paths: Vec<String> = self.open.iter().map(|(path, _)| word(path)).collect();
        let paths = paths.join(" ");
        if self.is_root || self.runner == Runner::EachUser {
            format!("sudo chown root:wheel {paths} && sudo chmod go-w {paths}")
        } else {
            format!("chmod go-w {paths}")
        }
    }

    /// The command that ends the job and takes its plist away, or opens the file at its line.
    pub fn removal(&self) -> String {
        let (label, plist) = (word(&self.label), word(&self.plist));
        let line = self.recipes.first().map_or(1, |(_, found)| found.line);
        match self.runner {
            Runner::Schedule | Runner::Shell | Runner::Never if self.plist.starts_with("/etc/") => {
                format!("sudo nano +{line} {plist}")
            }
            Runner::Schedule => "sudo crontab -e -u root".to_owned(),
            Runner::Shell => format!("nano +{line} {plist}"),
            Runner::Never => format!("sudo rm {plist}"),
            Runner::Root => format!("sudo launchctl bootout system/{label}; sudo rm {plist}"),
            Runner::EachUser => format!("launchctl bootout gui/$(id -u)/{label}; sudo rm {plist}"),
            Runner::ThisUser => format!("launchctl bootout gui/$(id -u)/{label}; rm {plist}"),
        }
    }

    /// Who runs it, and when: `root runs`, `at every start`.
    pub fn run_by(&self) -> (&'static str, &'static str) {
        match self.runner {
            Runner::Root => ("root runs", "at every start"),
            Runner::EachUser if self.is_root => ("root runs, for each user by sudo,", "at every login"),
            Runner::EachUser => ("each user runs", "at every login"),
            Runner::ThisUser if self.is_root => ("root runs, for you by sudo,", "at every login"),
            Runner::ThisUser => ("you run", "at every login"),
            Runner::Schedule => ("root runs", "at set times"),
            Runner::Shell => ("each new shell runs", "line by line"),
            Runner::Never => ("macOS runs", "no more since 10.10"),
        }
    }

    /// What its removal takes away.
    pub fn is_rid_of(&self) -> &'static str {
        match self.runner {
            Runner::Root | Runner::EachUser | Runner::ThisUser => "be rid of the job",
            Runner::Schedule | Runner::Shell | Runner::Never => "take the line out",
        }
    }
}

/// A text as one word of the shell.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The jobs of launchd and what else runs by itself, as far as they are about pf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Daemons {
    /// By the names of their plists, those that root runs first.
    pub about_pf: Vec<Daemon>,
    /// The plists that could not be read: what they run is unknown.
    pub unread: Vec<String>,
}

/// The jobs of this Mac, and of this user. `conf` is /etc/pf.conf, where it can be read.
pub fn collect(system: &dyn System, conf: Option<&Rulesets>) -> Daemons {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    let own = home.as_ref().map(|home| home.join(OWN_AGENTS).display().to_string());
    let folders = [
        (Some(DAEMONS.to_owned()), Runner::Root),
        (Some(AGENTS.to_owned()), Runner::EachUser),
        (own, Runner::ThisUser),
    ];
    let mut found = Daemons::default();
    for (folder, runner) in folders.iter().filter_map(|(folder, runner)| Some((folder.as_ref()?, *runner))) {
        for name in plists(system, folder) {
            let path = format!("{folder}/{name}");
            match job_file(system, &path) {
                Ok(job) => found.about_pf.extend(daemon(system, conf, &path, job, runner)),
                // launchd runs no job that it cannot read either, but it may read what this user may not.
                Err(Unread::Gone) => {}
                Err(Unread::Closed) => found.unread.push(path),
            }
        }
    }
    found.about_pf.extend(start_files(system, home.as_deref()));
    found
}

/// The files besides launchd's jobs whose commands run by themselves.
fn start_files(system: &dyn System, home: Option<&Path>) -> Vec<Daemon> {
    let own = |name: &&str| Some((home?.join(name).display().to_string(), Runner::Shell));
    let known = |(path, runner): &(&str, Runner)| ((*path).to_owned(), *runner);
    let periodic = ["daily", "weekly", "monthly"].iter().flat_map(|folder| {
        let folder = format!("/etc/periodic/{folder}");
        names(system, &folder).into_iter().map(move |name| (format!("{folder}/{name}"), Runner::Schedule))
    });
    let files = START_FILES.iter().map(known).chain(periodic).chain(OWN_START_FILES.iter().filter_map(own));
    files.filter_map(|(path, runner)| start_file(system, path, runner)).collect()
}

const START_FILES: [(&str, Runner); 10] = [
    (CRONTAB, Runner::Schedule),
    ("/var/at/tabs/root", Runner::Schedule),
    ("/etc/rc.local", Runner::Never),
    ("/Library/StartupItems/PF/PF", Runner::Never),
    ("/etc/zshenv", Runner::Shell),
    ("/etc/zprofile", Runner::Shell),
    ("/etc/zshrc", Runner::Shell),
    ("/etc/zlogin", Runner::Shell),
    ("/etc/profile", Runner::Shell),
    ("/etc/bashrc", Runner::Shell),
];
/// Below a user's home.
const OWN_START_FILES: [&str; 7] =
    [".zshenv", ".zprofile", ".zshrc", ".zlogin", ".profile", ".bash_profile", ".bashrc"];
const CRONTAB: &str = "/etc/crontab";

fn start_file(system: &dyn System, path: String, runner: Runner) -> Option<Daemon> {
    let text = scripts::text(system, &path)?;
    let commands = match runner {
        Runner::Shell => outside_functions(&text),
        _ if path.starts_with("/etc/periodic/") || runner == Runner::Never => text,
        _ => without_times(&text, path == CRONTAB),
    };
    let recipes: Vec<(String, FoundRecipe)> =
        of_script(&commands).into_iter().map(|found| (path.clone(), found)).collect();
    let is_root = match runner {
        Runner::Shell => recipes.iter().all(|(_, found)| found.text.contains("sudo")),
        _ => true,
    };
    let open = match runner {
        Runner::Schedule => others_can_change(system, &path, None),
        _ => Vec::new(),
    };
    let (label, script, is_unread) = (String::new(), None, false);
    (!recipes.is_empty()).then_some(Daemon {
        plist: path,
        label,
        runner,
        is_root,
        script,
        recipes,
        open,
        is_unread,
    })
}

/// A crontab's commands, each in its line. In the system's own the user stands before the command.
fn without_times(text: &str, has_user: bool) -> String {
    let command = |line: &str| {
        let first = line.trim_start().chars().next();
        let times = match first {
            Some('@') => 1,
            Some('*' | '0'..='9') => 5,
            _ => return String::new(),
        };
        let words: Vec<&str> = line.split_whitespace().skip(times + usize::from(has_user)).collect();
        words.join(" ")
    };
    text.lines().map(|line| command(line) + "\n").collect()
}

/// The lines that a shell runs when it reads them.
fn outside_functions(text: &str) -> String {
    let mut depth = 0_usize;
    let mut shown = |line: &str| {
        let count = |brace: char| line.chars().filter(|one| *one == brace).count();
        let is_outside = depth == 0 && !line.contains("() {") && !line.contains("(){");
        depth = (depth + count('{')).saturating_sub(count('}'));
        if is_outside { line.to_owned() + "\n" } else { "\n".to_owned() }
    };
    text.lines().map(&mut shown).collect()
}

/// The names of the property lists in a folder, in order.
fn plists(system: &dyn System, folder: &str) -> Vec<String> {
    let mut names = names(system, folder);
    names.retain(|name| name.ends_with(".plist"));
    names
}

/// The names in a folder, in order.
fn names(system: &dyn System, folder: &str) -> Vec<String> {
    /// More than any folder has.
    const MOST: usize = 2_000;
    let entries = std::fs::read_dir(system.place(folder)).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.take(MOST).collect();
    names.sort();
    names
}

/// Why a job is not known.
enum Unread {
    /// There is no such plain file, or launchd does not take it.
    Gone,
    /// This user may not read it, or it is of a kind that is not read here.
    Closed,
}

fn job_file(system: &dyn System, path: &str) -> Result<(String, Vec<String>), Unread> {
    match scripts::bytes(system, path) {
        Ok(bytes) => {
            job(&bytes).ok_or(if BinaryPlist::is_meant(&bytes) { Unread::Closed } else { Unread::Gone })
        }
        Err(PlainFileError::OfAnother(_)) => Err(Unread::Closed),
        Err(PlainFileError::Read(error)) if error.kind() == ErrorKind::PermissionDenied => {
            Err(Unread::Closed)
        }
        Err(_) => Err(Unread::Gone),
    }
}

/// What of /etc/sysctl.conf is of a firewall that is gone.
pub fn sysctl_conf(system: &dyn System) -> Vec<FoundRecipe> {
    scripts::text(system, SYSCTL_CONF).map(|text| of_script(&text)).unwrap_or_default()
}

fn daemon(
    system: &dyn System,
    conf: Option<&Rulesets>,
    plist: &str,
    (label, words): (String, Vec<String>),
    runner: Runner,
) -> Option<Daemon> {
    let is_root = runner == Runner::Root || words.first().is_some_and(|first| first.ends_with("sudo"));
    let scripts = scripts::of_job(system, &words);
    let is_unread = scripts.iter().any(|script| script.text.is_err());
    let is_about_pf = |text: &str| text.contains("pfctl") || text.contains("net.inet.ip.fw.");
    let mut texts = scripts.iter().filter_map(|script| script.text.as_deref().ok());
    let is_told = words.iter().any(|word| is_about_pf(word)) || texts.any(is_about_pf);
    let is_hole = is_root && is_unread;
    if !is_told && !is_hole {
        return None;
    }
    let line = words.join(" ");
    let of_job =
        of_command(&words).into_iter().map(|recipe| FoundRecipe { line: 1, text: line.clone(), recipe });
    let mut recipes: Vec<(String, FoundRecipe)> = of_job.map(|found| (plist.to_owned(), found)).collect();
    // What a user runs for themselves is theirs to change.
    let owner = (runner == Runner::ThisUser).then(os::own_uid);
    let mut open = others_can_change(system, plist, owner);
    let owner = owner.filter(|_| !is_root);
    let mut is_called = |path: &str| conf.is_none_or(|conf| conf.calls(path));
    recipes.extend(uncalled_loads(&line, &mut is_called).into_iter().map(|found| (plist.to_owned(), found)));
    for Script { path, text } in &scripts {
        let mut ways = others_can_change(system, path, owner);
        match text {
            Ok(text) => {
                let found = of_script(text).into_iter().chain(uncalled_loads(text, &mut is_called));
                recipes.extend(found.map(|found| (path.clone(), found)));
            }
            Err(user) => ways.insert(0, (path.clone(), format!("it belongs to {user}, not to root"))),
        }
        open.extend(ways.into_iter().filter(|one| !open.contains(one)).collect::<Vec<_>>());
    }
    let script = scripts.into_iter().next().map(|script| script.path);
    Some(Daemon { plist: plist.to_owned(), label, runner, is_root, script, recipes, open, is_unread })
}

/// The label of a job and the words that it runs, from its property list: in XML, or binary.
pub fn job(bytes: &[u8]) -> Option<(String, Vec<String>)> {
    if BinaryPlist::is_meant(bytes) {
        let list = BinaryPlist::read(bytes)?;
        let words = list.strings("ProgramArguments").unwrap_or_default();
        return Some((list.string("Label")?, with_program(list.string("Program"), words)));
    }
    xml_job(std::str::from_utf8(bytes).ok()?)
}

/// The program is run, whatever the first argument calls it.
fn with_program(program: Option<String>, words: Vec<String>) -> Vec<String> {
    match program {
        Some(program) => [vec![program], words.into_iter().skip(1).collect()].concat(),
        None => words,
    }
}

fn xml_job(text: &str) -> Option<(String, Vec<String>)> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(text, options).ok()?;
    let keys =
        document.root_element().first_element_child()?.children().filter(|node| node.has_tag_name("key"));
    let value = |name: &str| keys.clone().find(|key| key.text() == Some(name))?.next_sibling_element();
    let string = |node: roxmltree::Node<'_, '_>| node.text().unwrap_or_default().trim().to_owned();
    let words = value("ProgramArguments")
        .into_iter()
        .flat_map(|array| array.children().filter(roxmltree::Node::is_element))
        .map(string)
        .collect();
    Some((value("Label").map(string)?, with_program(value("Program").map(string), words)))
}

/// The file and the folders on its way that others than root, and than `owner`, can change.
fn others_can_change(system: &dyn System, path: &str, owner: Option<u32>) -> Vec<(String, String)> {
    let parts = Path::new(path).ancestors().filter(|part| *part != Path::new("/"));
    let parts: Vec<PathBuf> = parts.map(Path::to_owned).collect();
    let judged = parts.iter().filter_map(|part| {
        let shown = part.display().to_string();
        let meta = std::fs::metadata(system.place(&shown)).ok()?;
        Some((shown, Access::of(&meta).way_in(owner, system.lab().is_some())?))
    });
    judged.collect()
}

/// What the permissions of a file or a folder are made of.
#[derive(Clone, Copy)]
struct Access {
    uid: u32,
    gid: u32,
    /// The lower twelve bits.
    mode: u32,
    is_folder: bool,
}

impl Access {
    fn of(meta: &Metadata) -> Self {
        Access { uid: meta.uid(), gid: meta.gid(), mode: meta.mode() & 0o7777, is_folder: meta.is_dir() }
    }

    /// How others than root, and than `owner`, can change it, or what lies in it. A lab is its user's, and no group of it
    /// says anything.
    fn way_in(self, owner: Option<u32>, in_lab: bool) -> Option<String> {
        /// The groups wheel and admin, whose members can become root.
        const ADMINISTRATORS: [u32; 2] = [0, 80];
        let mode = self.mode;
        // In a sticky folder each takes away only what is his own.
        let is_sticky = self.is_folder && mode & 0o1000 != 0;
        if mode & 0o002 != 0 && !is_sticky {
            return Some(format!("every user can write to it (mode {mode:04o})"));
        }
        if in_lab {
            return None;
        }
        if self.uid != 0 && Some(self.uid) != owner {
            return Some(format!("it belongs to {}, not to root", crate::os::user_of(self.uid)));
        }
        let is_open = mode & 0o020 != 0 && !is_sticky && !ADMINISTRATORS.contains(&self.gid);
        is_open.then(|| format!("its group can write to it (mode {mode:04o})"))
    }
}

#[cfg(test)]
mod tests {
    use super::Access;

    #[test]
    fn a_script_is_a_hole_where_others_than_root_can_change_it() {
        let (file, folder) = (false, true);
        for (uid, gid, mode, is_folder, owner, in_lab, said) in [
            (0, 0, 0o755, file, None, false, None),
            // Administrators can become root anyway; so can the group wheel.
            (0, 80, 0o775, file, None, false, None),
            (0, 0, 0o664, file, None, false, None),
            (0, 20, 0o775, file, None, false, Some("its group can write to it (mode 0775)")),
            (0, 0, 0o757, file, None, false, Some("every user can write to it (mode 0757)")),
            (4242, 20, 0o755, file, None, false, Some("it belongs to uid 4242, not to root")),
            // What a user runs for themselves is theirs, and not another's.
            (4242, 20, 0o755, file, Some(4242), false, None),
            (4242, 20, 0o755, file, Some(4243), false, Some("it belongs to uid 4242, not to root")),
            (4242, 20, 0o775, file, Some(4242), false, Some("its group can write to it (mode 0775)")),
            // From a sticky folder, as /tmp is one, nothing of root's can be taken away.
            (0, 0, 0o1777, folder, None, false, None),
            (0, 0, 0o1777, file, None, false, Some("every user can write to it (mode 1777)")),
            (4242, 20, 0o1777, folder, None, false, Some("it belongs to uid 4242, not to root")),
            (4242, 4242, 0o775, file, None, true, None),
            (4242, 4242, 0o777, folder, None, true, Some("every user can write to it (mode 0777)")),
        ] {
            let access = Access { uid, gid, mode, is_folder };
            let found = access.way_in(owner, in_lab);
            assert_eq!(found.as_deref(), said, "{uid}:{gid} {mode:o}, owner {owner:?}, in a lab {in_lab}");
        }
    }

    #[test]
    fn a_job_is_read_from_its_property_list() {
        let plist = |body: &str| {
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
                 \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\"><dict>\
                 <key>Label</key><string>x.y</string>{body}</dict></plist>"
            )
        };
        let arguments = "<key>ProgramArguments</key><array><string>pfctl</string><string>-e</string></array>";
        let job = |text: &str| super::job(text.as_bytes());
        assert_eq!(job(&plist(arguments)), Some(("x.y".into(), vec!["pfctl".into(), "-e".into()])));
        let program = format!("<key>Program</key><string>/sbin/pfctl</string>{arguments}");
        assert_eq!(job(&plist(&program)).unwrap().1, ["/sbin/pfctl", "-e"]);
        assert_eq!(job("bplist00"), None);
        assert_eq!(job("<plist/>"), None);
        let binary = include_bytes!("../../tests/data/jobs/load.plist");
        let (label, words) = super::job(binary).unwrap();
        assert_eq!(
            (label.as_str(), words[0].as_str(), words[1].as_str()),
            ("com.example.load", "/bin/launchctl", "load")
        );
    }
}
