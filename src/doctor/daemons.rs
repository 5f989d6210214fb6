//! The jobs of launchd that root runs and that are about pf: what they run, and who can change it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::pf::recipes::{FoundRecipe, of_command, of_script};
use crate::system::System;

const DAEMONS: &str = "/Library/LaunchDaemons";
/// Settings that old recipes write.
pub const SYSCTL_CONF: &str = "/etc/sysctl.conf";
/// More than any such file has, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// One job that is about pf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// The plist that names it, as a path of the Mac.
    pub plist: String,
    pub label: String,
    /// The script that it runs, if it runs one.
    pub script: Option<String>,
    /// What of plist or script does not do what its recipe says, with the file that has it.
    pub recipes: Vec<(String, FoundRecipe)>,
    /// What others than root can change of what root runs: the file or folder, and how.
    pub open: Vec<(String, String)>,
}

impl Daemon {
    /// The command that leaves what root runs to root alone.
    pub fn closing(&self) -> String {
        let paths: Vec<String> = self.open.iter().map(|(path, _)| word(path)).collect();
        format!("sudo chown root:wheel {0} && sudo chmod go-w {0}", paths.join(" "))
    }

    /// The command that ends the job and takes its plist away.
    pub fn removal(&self) -> String {
        format!("sudo launchctl bootout system/{}; sudo rm {}", word(&self.label), word(&self.plist))
    }
}

/// A text as one word of the shell.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if text.bytes().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// The jobs about pf, by the names of their plists. What cannot be read is passed over: it is launchd's to refuse.
pub fn collect(system: &dyn System) -> Vec<Daemon> {
    let folder = std::fs::read_dir(system.place(DAEMONS)).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        folder.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".plist"));
    names.sort();
    names.iter().filter_map(|name| daemon(system, &format!("{DAEMONS}/{name}"))).collect()
}

/// What of /etc/sysctl.conf is of a firewall that is gone.
pub fn sysctl_conf(system: &dyn System) -> Vec<FoundRecipe> {
    text(system, SYSCTL_CONF).map(|text| of_script(&text)).unwrap_or_default()
}

fn daemon(system: &dyn System, plist: &str) -> Option<Daemon> {
    let (label, words) = job(&text(system, plist)?)?;
    // A program, or what a shell is to run.
    let of_shell = |index: usize| index == 1 && words.first().is_some_and(|first| first.ends_with("sh"));
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
    let mut open = others_can_change(system, plist);
    if let Some((path, text)) = &script {
        recipes.extend(of_script(text).into_iter().map(|found| (path.clone(), found)));
        open.extend(
            others_can_change(system, path).into_iter().filter(|one| !open.contains(one)).collect::<Vec<_>>(),
        );
    }
    Some(Daemon { plist: plist.to_owned(), label, script: script.map(|(path, _)| path), recipes, open })
}

fn text(system: &dyn System, path: &str) -> Option<String> {
    let place = system.place(path);
    let meta = std::fs::metadata(&place).ok()?;
    let is_small = meta.is_file() && meta.len() <= LARGEST;
    String::from_utf8(is_small.then(|| std::fs::read(&place).ok()).flatten()?).ok()
}

/// The label of a job and the words that it runs, from its property list.
pub fn job(text: &str) -> Option<(String, Vec<String>)> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    let document = roxmltree::Document::parse_with_options(text, options).ok()?;
    let keys =
        document.root_element().first_element_child()?.children().filter(|node| node.has_tag_name("key"));
    let value = |name: &str| keys.clone().find(|key| key.text() == Some(name))?.next_sibling_element();
    let string = |node: roxmltree::Node<'_, '_>| node.text().unwrap_or_default().trim().to_owned();
    let mut words: Vec<String> = value("ProgramArguments")
        .into_iter()
        .flat_map(|array| array.children().filter(roxmltree::Node::is_element))
        .map(string)
        .collect();
    if let Some(program) = value("Program").map(string) {
        // It is run, whatever the first argument calls it.
        words = [vec![program], words.into_iter().skip(1).collect()].concat();
    }
    Some((value("Label").map(string)?, words))
}

/// The file and the folders on its way that others than root can change.
fn others_can_change(system: &dyn System, path: &str) -> Vec<(String, String)> {
    let parts = Path::new(path).ancestors().filter(|part| *part != Path::new("/"));
    let parts: Vec<PathBuf> = parts.map(Path::to_owned).collect();
    let judged = parts.iter().filter_map(|part| {
        let shown = part.display().to_string();
        let meta = std::fs::metadata(system.place(&shown)).ok()?;
        Some((shown, way_in(&meta, system.lab().is_some())?))
    });
    judged.collect()
}

/// How others than root can change a file, or what lies in a folder. A lab is its user's, and no group of it says anything.
fn way_in(meta: &Metadata, in_lab: bool) -> Option<String> {
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
    if meta.uid() != 0 {
        return Some(format!("it belongs to {}, not to root", crate::os::user_of(meta.uid())));
    }
    let is_open = mode & 0o020 != 0 && !is_sticky && !ADMINISTRATORS.contains(&meta.gid());
    is_open.then(|| format!("its group can write to it (mode {mode:04o})"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(job(&plist(arguments)), Some(("x.y".into(), vec!["pfctl".into(), "-e".into()])));
        let program = format!("<key>Program</key><string>/sbin/pfctl</string>{arguments}");
        assert_eq!(job(&plist(&program)).unwrap().1, ["/sbin/pfctl", "-e"]);
        assert_eq!(job("bplist00"), None);
        assert_eq!(job("<plist/>"), None);
    }
}
