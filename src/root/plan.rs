//! What is to be done so that pf does what a ledger says. Pure.

use crate::pf::interfaces::InterfaceFacts;
use crate::pf::parse::Problem;
use crate::report::Note;
use crate::rules::anchor;
use crate::rules::conf::{self, ConfError};
use crate::rules::ledger::{Attachment, Guard, Ledger};

/// What a plan is made from: how things are.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The bytes of /etc/pf.conf; `None` where there is no such file.
    pub conf: Option<Vec<u8>>,
    /// The bytes of our anchor file.
    pub anchor_file: Option<Vec<u8>>,
    /// Whether the loaded main ruleset calls `anchor "com.apple/*"`.
    pub calls_apple: bool,
    /// Whether the loaded main ruleset calls our classic anchor.
    pub calls_classic: bool,
    /// `Ok` where the loaded main ruleset is what /etc/pf.conf would load, our own call apart; else the difference.
    pub main_is_conf: Result<(), MainDiffers>,
    /// What is loaded in our anchor below `com.apple`.
    pub apple: AnchorContents,
    /// What is loaded in our classic anchor.
    pub classic: AnchorContents,
    /// The interfaces of this Mac, loopback apart.
    pub interfaces: Vec<InterfaceFacts>,
    /// Whether pf counts the ledger's token still.
    pub token_held: bool,
}

/// What an anchor of ours holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnchorContents {
    /// No rule.
    Nothing,
    /// Just what the new ledger asks for.
    AsWanted,
    /// Something else.
    Other,
}

/// One step towards what pf is to be. Each may be done again: what is so already stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Replace the rules of one anchor of ours.
    Load {
        anchor: &'static str,
        /// The rules to load; empty clears the anchor.
        rules: String,
    },
    /// Write /etc/pf.conf, and load it as the main ruleset where `load` says so.
    Main {
        /// The file's new bytes.
        conf: Vec<u8>,
        /// Whether to load it.
        load: bool,
    },
    /// Take a token: pf stays enabled as long as we hold it.
    Enable,
}

impl Step {
    /// What the step does, as a verb with its object.
    pub fn describe(&self) -> String {
        match self {
            Step::Load { anchor, rules } if rules.is_empty() => format!("clear the anchor {anchor}"),
            Step::Load { anchor, .. } => format!("load the anchor {anchor}"),
            Step::Main { load: true, .. } => "edit /etc/pf.conf and load it".to_owned(),
            Step::Main { load: false, .. } => "edit /etc/pf.conf".to_owned(),
            Step::Enable => "enable pf".to_owned(),
        }
    }
}

/// The steps to a ledger, and what they leave to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What to do, in order; nothing where pf is as wanted.
    pub steps: Vec<Step>,
    /// Whether our anchor file is as wanted.
    pub file_is_right: bool,
    /// What the user is told.
    pub notes: Vec<Note>,
}

/// Why there is no way to the ledger that loses nothing. The system is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The way that was asked for is not evaluated.
    #[error(
        "the loaded ruleset does not call anchor \"com.apple/*\", so rules below it are never evaluated: set the preference way to auto or classic"
    )]
    AppleNotCalled,
    /// Our block in pf.conf is torn.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// There is no pf.conf to put the block in.
    #[error("there is no /etc/pf.conf to add our block to: put it back, or set the preference way to apple")]
    NoConf,
    /// Loading pf.conf would lose what others loaded.
    #[error(
        "the main ruleset that is loaded is not the one of /etc/pf.conf ({0}): loading the file would take those rules away from the program that loaded them (a VPN, Internet Sharing); set the preference way to apple, or restart this Mac and try again"
    )]
    WouldLose(#[source] MainDiffers),
}

/// How the main ruleset that is loaded differs from the one that /etc/pf.conf would load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MainDiffers {
    #[error("one of them could not be read")]
    Unread,
    #[error(transparent)]
    Problem(Problem),
    #[error("only loaded: {0}")]
    OnlyLoaded(String),
    #[error("only in the file: {0}")]
    OnlyInFile(String),
    #[error("their order differs")]
    Order,
}

/// The way in which a ledger's rules are to be evaluated; `None` where it has none. `wanted` is the one that the user
/// prefers; without a preference it is the one in use, else below `com.apple` where that is evaluated, which edits nothing
/// of Apple's, else classic. Errors: rules there are not evaluated.
pub fn choose_way(
    observed: &Observed,
    old: &Ledger,
    new: &Ledger,
    wanted: Option<Attachment>,
) -> Result<Option<Attachment>, PlanError> {
    if !new.needs_rules() {
        return Ok(None);
    }
    match wanted.or(old.way) {
        Some(Attachment::Apple) if !observed.calls_apple => Err(PlanError::AppleNotCalled),
        Some(way) => Ok(Some(way)),
        None if observed.calls_apple => Ok(Some(Attachment::Apple)),
        None => Ok(Some(Attachment::Classic)),
    }
}

/// The steps to `ledger` by its own way. The main ruleset comes first where it must be loaded, since it loads our anchor
/// from the file; what leaves a place comes after what enters the other. Errors: see [`PlanError`].
pub fn plan(observed: &Observed, ledger: &Ledger) -> Result<Plan, PlanError> {
    let rules = anchor::rules(ledger, &observed.interfaces);
    let mut plan = Plan { steps: Vec::new(), file_is_right: observed.has_file_of(ledger), notes: Vec::new() };
    let has_block = match &observed.conf {
        Some(bytes) => conf::contains(bytes)?,
        None => false,
    };
    if ledger.way == Some(Attachment::Classic) && (!has_block || !observed.calls_classic) {
        let bytes = observed.conf.as_ref().ok_or(PlanError::NoConf)?;
        let load = !observed.calls_classic;
        if load {
            observed.main_is_conf.clone().map_err(PlanError::WouldLose)?;
        }
        plan.steps.push(Step::Main { conf: conf::add(bytes)?, load });
    }
    let loads_main = plan.steps.iter().any(|step| matches!(step, Step::Main { load: true, .. }));
    if let Some(way) = ledger.way
        && (observed.loaded(way) != AnchorContents::AsWanted || loads_main)
    {
        plan.steps.push(Step::Load { anchor: way.anchor(), rules });
    }
    if ledger.way != Some(Attachment::Classic) && (has_block || observed.calls_classic) {
        let bytes = observed.conf.clone().unwrap_or_default();
        let load = observed.calls_classic && observed.main_is_conf.is_ok();
        if observed.calls_classic && !load {
            plan.notes.push(Note::ClassicCallStays);
        }
        if has_block || load {
            plan.steps.push(Step::Main { conf: conf::remove(&bytes)?, load });
        }
    }
    for other in [Attachment::Apple, Attachment::Classic] {
        if ledger.way != Some(other) && observed.loaded(other) != AnchorContents::Nothing {
            plan.steps.push(Step::Load { anchor: other.anchor(), rules: String::new() });
        }
    }
    if ledger.guard == Guard::On && !observed.token_held {
        plan.steps.push(Step::Enable);
    }
    Ok(plan)
}

impl Observed {
    fn loaded(&self, way: Attachment) -> AnchorContents {
        match way {
            Attachment::Apple => self.apple,
            Attachment::Classic => self.classic,
        }
    }

    /// Whether our anchor file is the one of `ledger`, its header apart.
    fn has_file_of(&self, ledger: &Ledger) -> bool {
        let Some(bytes) = &self.anchor_file else { return !ledger.needs_rules() };
        let text = String::from_utf8_lossy(bytes);
        let rules = text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect::<String>();
        ledger.needs_rules() && rules == anchor::rules(&ledger.at_boot(), &self.interfaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ledger::Opening;
    use crate::rules::named_port::NamedPort;
    use crate::rules::source::Source;

    fn stock() -> Observed {
        Observed {
            conf: Some(b"anchor \"com.apple/*\"\n".to_vec()),
            anchor_file: None,
            calls_apple: true,
            calls_classic: false,
            main_is_conf: Ok(()),
            apple: AnchorContents::Nothing,
            classic: AnchorContents::Nothing,
            interfaces: Vec::new(),
            token_held: false,
        }
    }

    fn guarded() -> Ledger {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        ledger.manage(&NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() });
        ledger
    }

    fn planned(observed: &Observed, new: &Ledger, wanted: Option<Attachment>) -> Result<Plan, PlanError> {
        let way = choose_way(observed, &Ledger::default(), new, wanted)?;
        plan(observed, &Ledger { way, ..new.clone() })
    }

    fn steps(observed: &Observed, new: &Ledger, wanted: Option<Attachment>) -> String {
        let plan = planned(observed, new, wanted).unwrap();
        plan.steps.iter().map(Step::describe).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn below_apple_nothing_of_apples_is_touched() {
        assert_eq!(
            steps(&stock(), &guarded(), None),
            "load the anchor com.apple/100.dev.portcullis; enable pf"
        );
        let done = Observed { apple: AnchorContents::AsWanted, token_held: true, ..stock() };
        assert_eq!(steps(&done, &guarded(), None), "");
    }

    #[test]
    fn classic_edits_and_loads_pf_conf_once() {
        assert_eq!(
            steps(&stock(), &guarded(), Some(Attachment::Classic)),
            "edit /etc/pf.conf and load it; load the anchor dev.portcullis; enable pf"
        );
        let without_apple = Observed { calls_apple: false, ..stock() };
        assert!(steps(&without_apple, &guarded(), None).contains("edit /etc/pf.conf and load it"));
        let error = planned(&without_apple, &guarded(), Some(Attachment::Apple));
        assert_eq!(error, Err(PlanError::AppleNotCalled));
    }

    #[test]
    fn rules_of_others_are_not_lost() {
        let shared =
            Observed { main_is_conf: Err(MainDiffers::OnlyLoaded("a rule of a VPN".into())), ..stock() };
        let error = planned(&shared, &guarded(), Some(Attachment::Classic)).unwrap_err();
        assert!(error.to_string().contains("a rule of a VPN"));
        assert!(planned(&shared, &guarded(), None).is_ok());
    }

    #[test]
    fn leaving_leaves_nothing() {
        let classic = Observed {
            conf: Some(conf::add(b"pass\n").unwrap()),
            anchor_file: Some(vec![]),
            calls_classic: true,
            classic: AnchorContents::Other,
            token_held: true,
            ..stock()
        };
        let nothing = Ledger { guard: Guard::Off, ..Ledger::default() };
        assert_eq!(
            steps(&classic, &nothing, None),
            "edit /etc/pf.conf and load it; clear the anchor dev.portcullis"
        );
        let shared =
            Observed { main_is_conf: Err(MainDiffers::OnlyLoaded("a rule of a VPN".into())), ..classic };
        let plan = planned(&shared, &nothing, None).unwrap();
        assert!(plan.steps.contains(&Step::Main { conf: b"pass\n".to_vec(), load: false }));
        assert_eq!(plan.notes.len(), 1);
    }

    #[test]
    fn moving_loads_the_new_place_before_the_old_one_is_cleared() {
        let apple =
            Observed { anchor_file: Some(vec![]), apple: AnchorContents::Other, token_held: true, ..stock() };
        assert_eq!(
            steps(&apple, &guarded(), Some(Attachment::Classic)),
            "edit /etc/pf.conf and load it; load the anchor dev.portcullis; clear the anchor com.apple/100.dev.portcullis"
        );
    }

    #[test]
    fn the_way_in_use_stays_unless_another_is_preferred() {
        let used = Ledger { way: Some(Attachment::Classic), ..Ledger::default() };
        let way = |old: &Ledger, new: &Ledger, wanted| choose_way(&stock(), old, new, wanted).unwrap();
        assert_eq!(way(&used, &guarded(), None), Some(Attachment::Classic));
        assert_eq!(way(&used, &guarded(), Some(Attachment::Apple)), Some(Attachment::Apple));
        assert_eq!(way(&Ledger::default(), &guarded(), None), Some(Attachment::Apple));
        assert_eq!(way(&used, &Ledger::default(), None), None);
    }

    #[test]
    fn the_file_holds_what_is_true_at_boot() {
        let mut ledger = Ledger { way: Some(Attachment::Apple), ..guarded() };
        let port = ledger.managed[0].clone();
        ledger.open(Opening::new(&port, Source::Any, Some(5), 0, "ada"));
        let with = |text: String| Observed { anchor_file: Some(text.into_bytes()), ..stock() };
        let is_right = |text: String| plan(&with(text), &ledger).unwrap().file_is_right;
        let rules = anchor::rules(&guarded(), &[]);
        assert!(is_right(format!("# dev.portcullis\n{rules}")));
        assert!(!is_right(String::new()) && !is_right(anchor::rules(&ledger, &[])));
        assert!(!plan(&stock(), &ledger).unwrap().file_is_right);
        assert!(plan(&stock(), &Ledger::default()).unwrap().file_is_right, "no rules, no file");
    }

    #[test]
    fn an_opening_alone_does_not_enable_pf() {
        let mut ledger = Ledger::default();
        let (name, port) = ("dlv".parse().unwrap(), "2345".parse().unwrap());
        ledger.open(Opening::new(&NamedPort { name, range: port }, Source::Any, None, 0, "ada"));
        assert!(!steps(&stock(), &ledger, None).contains("enable"));
    }
}
