//! The jobs of launchd that are about pf: what they run, and who can change it.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::binary_plist::BinaryPlist;
use crate::os::{self, PlainFileError};
use crate::pf::recipes::{FoundRecipe, of_command, of_script};
use crate::system::System;

const DAEMONS: &str = "/Library/LaunchDaemons";
const AGENTS: &str = "/Library/LaunchAgents";
/// Below a user's home.
const OWN_AGENTS: &str = "Library/LaunchAgents";
/// Settings that old recipes write.
pub const SYSCTL_CONF: &str = "/etc/sysctl.conf";
/// More than any such file has, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Who runs a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    /// Root, at every start.
    Root,
    /// Each user, at every login.
    EachUser,
    /// This user, at every login.
    ThisUser,
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

    /// The command that ends the job and takes its plist away.
    pub fn removal(&self) -> String {
        let (label, plist) = (word(&self.label), word(&self.plist));
        match self.runner {
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
        }
    }
}

/// A text as one word of the shell.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The jobs of launchd, as far as they are about pf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Daemons {
    /// By the names of their plists, those that root runs first.
    pub about_pf: Vec<Daemon>,
    /// The plists that could not be read: what they run is unknown.
    pub unread: Vec<String>,
}

/// The jobs of this Mac, and of this user.
pub fn collect(system: &dyn System) -> Daemons {
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    let own = home.map(|home| home.join(OWN_AGENTS).display().to_string());
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
                Ok(job) => found.about_pf.extend(daemon(system, &path, job, runner)),
                // launchd runs no job that it cannot read either, but it may read what this user may not.
                Err(Unread::Gone) => {}
                Err(Unread::Closed) => found.unread.push(path),
            }
        }
    }
    found
}

/// The names of the property lists in a folder, in order.
fn plists(system: &dyn System, folder: &str) -> Vec<String> {
    /// More than any folder has.
    const MOST: usize = 2_000;
    let entries = std::fs::read_dir(system.place(folder)).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(".plist")).take(MOST).collect();
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
    match bytes(system, path) {
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
    text(system, SYSCTL_CONF).map(|text| of_script(&text)).unwrap_or_default()
}

fn daemon(
    system: &dyn System,
    plist: &str,
    (label, words): (String, Vec<String>),
    runner: Runner,
) -> Option<Daemon> {
    let is_root = runner == Runner::Root || words.first().is_some_and(|first| first.ends_with("sudo"));
    // A program, or what a shell is to run.
    let of_shell =
        |index: usize| words.get(index.wrapping_sub(1)).is_some_and(|before| before.ends_with("sh"));
    let absolute = words.iter().enumerate().filter(|(_, word)| word.starts_with('/'));
    let script = absolute
        .filter_map(|(index, word)| Some((index, word.clone(), text(system, word)?)))
        .find(|(index, _, text)| text.starts_with("#!") || of_shell(*index))
        .map(|(_, word, text)| (word, text));
    let is_about_pf = |text: &str| text.contains("pfctl") || text.contains("net.inet.ip.fw.");
    if !words.iter().any(|word| is_about_pf(word))
        && !script.as_ref().is_some_and(|(_, text)| is_about_pf(text))
    {
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
    if let Some((path, text)) = &script {
        recipes.extend(of_script(text).into_iter().map(|found| (path.clone(), found)));
        open.extend(
            others_can_change(system, path, owner)
                .into_iter()
                .filter(|one| !open.contains(one))
                .collect::<Vec<_>>(),
        );
    }
    let (plist, script) = (plist.to_owned(), script.map(|(path, _)| path));
    Some(Daemon { plist, label, runner, is_root, script, recipes, open })
}

fn text(system: &dyn System, path: &str) -> Option<String> {
    String::from_utf8(bytes(system, path).ok()?).ok()
}

/// A plain file that is not too large.
fn bytes(system: &dyn System, path: &str) -> Result<Vec<u8>, PlainFileError> {
    os::read_plain(&system.place(path), LARGEST)
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
        Some((shown, way_in(&meta, owner, system.lab().is_some())?))
    });
    judged.collect()
}

/// How others than root can change a file, or what lies in a folder. A lab is its user's, and no group of it says anything.
fn way_in(meta: &Metadata, owner: Option<u32>, in_lab: bool) -> Option<String> {
    /// The groups wheel and admin, whose members can become root.
    const ADMINISTRATORS: [u32; 2] = [0, 80];
    let mode = meta.mode() & 0o7777;
    // In a sticky folder each takes away only what is his own.
    let is_sticky = meta.is_dir() && mode & 0o1000 != 0;
    if mode & 0o002 != 0 && !is_sticky {
        return Some(format!("every user can write to it (mode {mode:04o})"));
    }
    if in_lab {
        return None;
    }
    if meta.uid() != 0 && Some(meta.uid()) != owner {
        return Some(format!("it belongs to {}, not to root", crate::os::user_of(meta.uid())));
    }
    let is_open = mode & 0o020 != 0 && !is_sticky && !ADMINISTRATORS.contains(&meta.gid());
    is_open.then(|| format!("its group can write to it (mode {mode:04o})"))
}

#[cfg(test)]
mod tests {

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
