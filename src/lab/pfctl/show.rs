//! `pfctl -s`: what there is to see.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::Call;
use crate::lab::arguments::Show;
use crate::lab::kernel::{Kernel, KernelRuleset, LoadedRule, is_nameless};
use crate::lab::states::StateEntry;
use crate::os;

/// The interfaces of the pretended Mac.
const INTERFACES: [&str; 5] = ["ALL", "awdl0", "en0", "lo0", "utun0"];

impl Call<'_> {
    /// `-s`.
    pub(super) fn show(&mut self, show: Show, kernel: &Kernel, states: &[StateEntry]) {
        match show {
            Show::Rules => self.show_rules(kernel, &[|ruleset| &ruleset.scrub, |ruleset| &ruleset.filter]),
            Show::Nat => self.show_nat(kernel),
            Show::Dummynet => self.show_rules(kernel, &[|ruleset| &ruleset.dummynet]),
            Show::Anchors => {
                let anchor = self.invocation.anchor.clone();
                self.show_anchors(kernel, &anchor);
            }
            Show::Tables => self.show_tables(kernel),
            Show::References => self.show_references(kernel),
            Show::Info => self.reply.stdout.push_str(&info(kernel, states.len(), os::now())),
            Show::Interfaces => self.show_interfaces(kernel),
            Show::Labels => self.show_labels(kernel),
            Show::States => states.iter().for_each(|state| self.print(state)),
            Show::All => self.show_all(kernel, states),
        }
    }

    /// Everything that a lab has, under pfctl's titles; the parts that it has not are named on standard
    /// error.
    fn show_all(&mut self, kernel: &Kernel, states: &[StateEntry]) {
        let parts = [
            ("TRANSLATION RULES:", Show::Nat),
            ("FILTER RULES:", Show::Rules),
            ("DUMMYNET RULES:", Show::Dummynet),
            ("STATES:", Show::States),
            ("INFO:", Show::Info),
            ("LABEL COUNTERS:", Show::Labels),
            ("TABLES:", Show::Tables),
        ];
        for (title, part) in parts {
            let before = std::mem::take(&mut self.reply.stdout);
            self.show(part, kernel, states);
            let shown = std::mem::replace(&mut self.reply.stdout, before);
            if !shown.is_empty() {
                let gap = if self.reply.stdout.is_empty() { "" } else { "\n" };
                let _ = write!(self.reply.stdout, "{gap}{title}\n{shown}");
            }
        }
        self.say("pfctl-lab: a lab has no queues, sources, timeouts, limits and fingerprints to show");
    }

    fn show_nat(&mut self, kernel: &Kernel) {
        self.show_rules(kernel, &[|ruleset| &ruleset.nat, |ruleset| &ruleset.rdr, |ruleset| &ruleset.binat]);
    }

    fn show_rules(&mut self, kernel: &Kernel, kinds: &[fn(&KernelRuleset) -> &Vec<LoadedRule>]) {
        let anchor = self.invocation.anchor.as_str();
        if !kernel.knows(anchor) {
            // pfctl complains, and still ends with 0.
            let _ = self.complain("DIOCGETRULES: Invalid argument");
            return;
        }
        for kind in kinds {
            self.show_lines(kernel, anchor, *kind, 0);
        }
    }

    /// The filter rules that have a label: evaluations, then packets and bytes in all, in, and out.
    fn show_labels(&mut self, kernel: &Kernel) {
        for label in
            kernel.ruleset(&self.invocation.anchor).filter.iter().filter_map(|line| line.label.as_ref())
        {
            self.print(format_args!("{label} 0 0 0 0 0 0 0"));
        }
    }

    fn show_lines(
        &mut self,
        kernel: &Kernel,
        anchor: &str,
        kind: fn(&KernelRuleset) -> &Vec<LoadedRule>,
        depth: usize,
    ) {
        let ruleset = kernel.ruleset(anchor);
        for (number, line) in kind(&ruleset).iter().enumerate() {
            let verbose = self.invocation.verbose;
            let indent = if verbose > 1 { format!("@{number} ") } else { "  ".repeat(depth) };
            // The rules of an anchor without a name are shown where it is called.
            let nameless = line.calls.as_deref().filter(|path| is_nameless(path));
            self.print(format_args!("{indent}{}{}", line.text, if nameless.is_some() { " {" } else { "" }));
            if verbose > 0 {
                self.print(format_args!(
                    "  [ Evaluations: {0:<8}  Packets: {0:<8}  Bytes: {0:<10}  States: {0:<6}]\n  \
                     [ Inserted: uid 0 pid {1} ]",
                    0, ruleset.loaded_by
                ));
            }
            if let Some(path) = nameless {
                self.show_lines(kernel, path, kind, depth + 1);
                self.print(format_args!("{}}}", "  ".repeat(depth)));
            }
        }
    }

    /// The anchors just below `anchor`; with `-v` those below them too, and the nameless.
    fn show_anchors(&mut self, kernel: &Kernel, anchor: &str) {
        if !kernel.knows(anchor) {
            let _ = writeln!(self.reply.stderr, "Anchor '{anchor}' not found.");
            return;
        }
        let prefix = if anchor.is_empty() { String::new() } else { format!("{anchor}/") };
        let everything = self.invocation.verbose > 0;
        for path in kernel.anchors() {
            let Some(below) = path.strip_prefix(&prefix) else { continue };
            if everything || !(below.contains('/') || path.starts_with('_')) {
                self.print(format_args!("  {path}"));
            }
        }
    }

    fn show_tables(&mut self, kernel: &Kernel) {
        let anchor = &self.invocation.anchor;
        if !kernel.knows(anchor) {
            // Again with exit code 0.
            let _ = self.complain("Anchor or Ruleset does not exist.");
            return;
        }
        for (name, table) in kernel.ruleset(anchor).tables {
            if self.invocation.verbose == 0 {
                self.print(name);
                continue;
            }
            let flag = |is: bool, letter: char| if is { letter } else { '-' };
            let flags = [
                flag(table.constant, 'c'),
                flag(table.persist, 'p'),
                'a',
                '-',
                flag(kernel.names_table(anchor, &name), 'r'),
                '-',
            ];
            let place = if anchor.is_empty() { String::new() } else { format!("\t{anchor}") };
            self.print(format_args!("{}\t{name}{place}", String::from_iter(flags)));
        }
    }

    fn show_references(&mut self, kernel: &Kernel) {
        if kernel.holders.is_empty() {
            return self.print("No pf starter references held");
        }
        self.print("TOKENS:");
        self.print(format_args!("{:<8} {:<28} {:<24} {}", "PID", "Process Name", "TOKEN", "TIMESTAMP"));
        for holder in &kernel.holders {
            let age = age(os::now() - holder.since);
            self.print(format_args!("{:<8} {:<28} {:<24} {age}", holder.pid, holder.name, holder.token));
        }
    }

    fn show_interfaces(&mut self, kernel: &Kernel) {
        let mut names: BTreeSet<&str> = INTERFACES.into();
        names.extend(kernel.skip.iter().map(String::as_str));
        for name in names {
            let skipped = self.invocation.verbose > 0 && kernel.skip.contains(name);
            self.print(format_args!("{name}{}", if skipped { " (skip)" } else { "" }));
        }
    }
}

/// `0 days 00:01:12`
fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    format!("{days} days {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// `pfctl -s info`: nothing passes a lab, so every counter stands at 0.
fn info(kernel: &Kernel, states: usize, now: i64) -> String {
    let status = match kernel.running_since {
        Some(since) => format!("Status: Enabled for {}", age(now - since)),
        None => "Status: Disabled".to_owned(),
    };
    let mut text = format!("{status:<44}  Debug: Urgent\n\n");
    let _ = writeln!(text, "{:<27} {:>14} {:>16}", "State Table", "Total", "Rate");
    let _ = writeln!(text, "  {:<25} {states:>14} {:>14}", "current entries", "");
    // pfctl gives no rate in the first second.
    let rate =
        if kernel.running_since == Some(now) { format!("{:>14}", "") } else { format!("{:>14.1}/s", 0.0) };
    let counter = |text: &mut String, name: &str| {
        let _ = writeln!(text, "  {name:<25} {:>14} {rate}", 0);
    };
    ["searches", "inserts", "removals"].iter().for_each(|name| counter(&mut text, name));
    text.push_str("Counters\n");
    const COUNTERS: [&str; 17] = [
        "match",
        "bad-offset",
        "fragment",
        "short",
        "normalize",
        "memory",
        "bad-timestamp",
        "congestion",
        "ip-option",
        "proto-cksum",
        "state-mismatch",
        "state-insert",
        "state-limit",
        "src-limit",
        "synproxy",
        "dummynet",
        "invalid-port",
    ];
    COUNTERS.iter().for_each(|name| counter(&mut text, name));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_has_the_columns_that_pfctl_has() {
        let text = info(&Kernel::at_boot("b"), 0, 0);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "Status: Disabled                              Debug: Urgent");
        assert_eq!(lines[2], "State Table                          Total             Rate");
        assert_eq!(lines[3], "  current entries                        0               ");
        assert_eq!(lines[4], "  searches                               0            0.0/s");
        let mut kernel = Kernel::at_boot("b");
        kernel.hold(1, 1, 172);
        assert!(
            info(&kernel, 0, 172).contains("  searches                               0               \n")
        );
        kernel = Kernel::at_boot("b");
        kernel.hold(1, 1, 100);
        let first = info(&kernel, 0, 172).lines().next().map(str::to_owned);
        assert_eq!(first.unwrap(), "Status: Enabled for 0 days 00:01:12           Debug: Urgent");
    }

    #[test]
    fn ages() {
        assert_eq!((age(0), age(-5)), ("0 days 00:00:00".into(), "0 days 00:00:00".to_owned()));
        assert_eq!(age(3 * 86_400 + 2 * 3600 + 61), "3 days 02:01:01");
    }
}
