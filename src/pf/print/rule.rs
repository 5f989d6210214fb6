//! Rules and rulesets in pfctl's form.

use std::fmt::{self, Formatter};

use crate::pf::criteria::{Direction, Family, TypeOfService};
use crate::pf::effects::Scrub;
use crate::pf::names::header;
use crate::pf::rule::{Action, Rule, Ruleset};
use crate::pf::words::{write_quoted, write_word};

use super::criteria::{
    percent, print_flags, print_icmp, print_interface, print_owner, print_peers, print_protocol,
};
use super::effects::{
    print_block, print_log, print_redirect, print_route, print_scrub, print_state, print_state_options,
};

/// As `pfctl -nvf` prints it: macros, options and tables, then the rules kind by kind.
impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for placed in &self.preamble {
            writeln!(f, "{}", placed.item)?;
        }
        for placed in self.rules() {
            writeln!(f, "{}", placed.item)?;
        }
        for placed in &self.loads {
            writeln!(f, "{}", placed.item)?;
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(line) = &self.unreadable {
            f.write_str(if self.action == Action::Unread { "the rules in " } else { "" })?;
            return f.write_str(line);
        }
        print_action(f, self)?;
        print_scope(f, self)?;
        print_criteria(f, self)?;
        if self.fragment {
            f.write_str(" fragment")?;
        }
        if self.allow_options {
            f.write_str(" allow-opts")?;
        }
        if matches!(self.action, Action::Scrub | Action::NoScrub) {
            print_scrub(f, self.scrub.as_deref().unwrap_or(&Scrub::default()), &self.action)?;
        }
        print_names(f, self)?;
        if let Some(redirect) = &self.redirect {
            print_redirect(f, self, redirect)?;
        }
        if let Some(external) = self.extfilter {
            write!(f, " extfilter {external}")?;
        }
        if let Some(external) = self.redirect.as_ref().and_then(|redirect| redirect.extmap) {
            write!(f, " extmap {external}")?;
        }
        if let Some(ruleset) = self.anchor.as_ref().and_then(|call| call.inline.as_deref()) {
            print_inline(f, ruleset)?;
        }
        Ok(())
    }
}

/// From the direction to the destination.
fn print_scope(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    match rule.direction {
        Some(Direction::In) => f.write_str(" in")?,
        Some(Direction::Out) => f.write_str(" out")?,
        None => {}
    }
    print_log(f, rule)?;
    if rule.quick {
        f.write_str(" quick")?;
    }
    if let Some(interface) = &rule.interface {
        print_interface(f, interface)?;
    }
    if let Some(route) = &rule.route {
        print_route(f, route)?;
    }
    match rule.family {
        Some(Family::Inet) => f.write_str(" inet")?,
        Some(Family::Inet6) => f.write_str(" inet6")?,
        None => {}
    }
    print_protocol(f, rule)?;
    print_peers(f, rule)
}

/// From the owner of the socket to the state's options.
fn print_criteria(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    print_owner(f, "user", rule.user.as_ref())?;
    print_owner(f, "group", rule.group.as_ref())?;
    print_flags(f, rule)?;
    print_icmp(f, rule)?;
    match rule.tos {
        None => {}
        Some(TypeOfService::Tos(tos)) => write!(f, " tos {tos:#04x}")?,
        Some(TypeOfService::Dscp(dscp)) => write!(f, " dscp {dscp:#04x}")?,
        Some(TypeOfService::Class(class)) => {
            write!(f, " sc {}", header::service_class_name(class).unwrap_or("be"))?;
        }
    }
    print_state(f, rule)?;
    if let Some(probability) = rule.probability {
        write!(f, " probability {}%", percent(probability))?;
    }
    match &rule.state_options {
        Some(options) => print_state_options(f, options),
        None => Ok(()),
    }
}

fn print_action(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    if let Some(call) = &rule.anchor {
        f.write_str(match rule.action {
            Action::Pass | Action::Block(_) | Action::Unreadable | Action::Unread => "anchor",
            Action::Scrub | Action::NoScrub => "scrub-anchor",
            Action::Nat { .. } | Action::NoNat => "nat-anchor",
            Action::Rdr { .. } | Action::NoRdr | Action::Nat64 { .. } | Action::NoNat64 => "rdr-anchor",
            Action::Binat { .. } | Action::NoBinat => "binat-anchor",
            Action::Dummynet | Action::NoDummynet => "dummynet-anchor",
        })?;
        // pf gives names that begin with `_` to rules in braces.
        let filters = matches!(rule.action, Action::Pass | Action::Block(_));
        if let Some(path) = call.path.as_deref().filter(|path| !(filters && path.starts_with('_'))) {
            f.write_str(" ")?;
            write_quoted(f, path)?;
        }
        return Ok(());
    }
    let pass = |pass: bool| if pass { " pass" } else { "" };
    match rule.action {
        Action::Pass => f.write_str("pass"),
        Action::Block(block) => print_block(f, block, rule.family),
        Action::Scrub => f.write_str("scrub"),
        Action::NoScrub => f.write_str("no scrub"),
        Action::Nat { pass: at_once } => write!(f, "nat{}", pass(at_once)),
        Action::NoNat => f.write_str("no nat"),
        Action::Rdr { pass: at_once } => write!(f, "rdr{}", pass(at_once)),
        Action::NoRdr => f.write_str("no rdr"),
        Action::Nat64 { pass: at_once } => write!(f, "nat64{}", pass(at_once)),
        Action::NoNat64 => f.write_str("no nat64"),
        Action::Binat { pass: at_once } => write!(f, "binat{}", pass(at_once)),
        Action::NoBinat => f.write_str("no binat"),
        Action::Dummynet => f.write_str("dummynet"),
        Action::NoDummynet => f.write_str("no dummynet"),
        Action::Unreadable | Action::Unread => f.write_str("unreadable"),
    }
}

fn print_names(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    if let Some(label) = &rule.label {
        f.write_str(" label ")?;
        write_quoted(f, label)?;
    }
    if let Some(pipe) = rule.pipe {
        write!(f, " {} {}", if pipe.queue { "queue" } else { "pipe" }, pipe.number)?;
    }
    match &rule.queue {
        None => {}
        Some((queue, None)) => {
            f.write_str(" queue ")?;
            write_word(f, queue)?;
        }
        Some((queue, Some(acknowledgements))) => {
            f.write_str(" queue(")?;
            write_word(f, queue)?;
            f.write_str(", ")?;
            write_word(f, acknowledgements)?;
            f.write_str(")")?;
        }
    }
    if let Some(tag) = &rule.tag {
        f.write_str(" tag ")?;
        write_word(f, tag)?;
    }
    if let Some(tagged) = &rule.tagged {
        f.write_str(if tagged.negated { " ! tagged " } else { " tagged " })?;
        write_word(f, &tagged.name)?;
    }
    match &rule.rtable {
        None => Ok(()),
        Some(table) if table.bytes().all(|byte| byte.is_ascii_digit()) => write!(f, " rtable {table}"),
        Some(table) => {
            f.write_str(" rtable ")?;
            write_word(f, table)
        }
    }
}

fn print_inline(f: &mut Formatter<'_>, ruleset: &Ruleset) -> fmt::Result {
    f.write_str(" {\n")?;
    let text = ruleset.to_string();
    for line in text.lines() {
        writeln!(f, "  {line}")?;
    }
    f.write_str("}")
}
