//! What is to be done so that pf does what the ledger says: steps, each of which knows how it is undone. Pure.

use crate::pf::interfaces::InterfaceFacts;
use crate::pf::parse::Problem;
use crate::report::Note;
use crate::rules::anchor::{self, Header};
use crate::rules::conf::{self, ConfError};
use crate::rules::ledger::{Attachment, Guard, Ledger, PfToken};

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
    /// Whether pf counts our token still.
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

/// One step. Executed in order; undone in reverse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write our anchor file, or remove it (`None`).
    AnchorFile(Option<String>),
    /// Replace the rules of one anchor of ours: rules, then what an undo loads.
    Load {
        anchor: &'static str,
        /// The rules to load; empty clears the anchor.
        rules: String,
        /// The rules that the ledger had there before.
        before: String,
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
    /// Give our token back: pf stops unless another process holds one.
    Release(PfToken),
}

impl Step {
    /// What the step does, as a verb with its object.
    pub fn describe(&self) -> String {
        match self {
            Step::AnchorFile(Some(_)) => "write our anchor file".to_owned(),
            Step::AnchorFile(None) => "remove our anchor file".to_owned(),
            Step::Load { anchor, rules, .. } if rules.is_empty() => format!("clear the anchor {anchor}"),
            Step::Load { anchor, .. } => format!("load the anchor {anchor}"),
            Step::Main { load: true, .. } => "edit /etc/pf.conf and load it".to_owned(),
            Step::Main { load: false, .. } => "edit /etc/pf.conf".to_owned(),
            Step::Enable => "enable pf".to_owned(),
            Step::Release(_) => "release our hold on pf".to_owned(),
        }
    }
}

/// The steps to a ledger, and what they leave to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The way our rules are evaluated afterwards; `None` where there are none.
    pub way: Option<Attachment>,
    /// What to do, in order; nothing where all is as wanted.
    pub steps: Vec<Step>,
    /// What the person should know.
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

/// The steps from `old` to `new`. `wanted` is the way that the user prefers; `header` goes into the anchor file.
/// Errors: see [`PlanError`].
pub fn plan(
    observed: &Observed,
    old: &Ledger,
    new: &Ledger,
    wanted: Option<Attachment>,
    header: &Header,
) -> Result<Plan, PlanError> {
    let way = if new.needs_rules() { Some(choose(observed, wanted)?) } else { None };
    let mut plan = Plan { way, steps: Vec::new(), notes: Vec::new() };
    let before = anchor::rules(old, &observed.interfaces);
    let has_block = match &observed.conf {
        Some(bytes) => conf::contains(bytes)?,
        None => false,
    };
    if let Some(way) = way {
        let loaded = observed.loaded(way);
        if loaded != AnchorContents::AsWanted || observed.anchor_file.is_none() {
            let before = if loaded == AnchorContents::Nothing { String::new() } else { before.clone() };
            plan.steps.push(Step::AnchorFile(Some(anchor::render(new, &observed.interfaces, header))));
            let rules = anchor::rules(new, &observed.interfaces);
            plan.steps.push(Step::Load { anchor: way.anchor(), rules, before });
        }
    }
    if way == Some(Attachment::Classic) && (!has_block || !observed.calls_classic) {
        let bytes = observed.conf.as_ref().ok_or(PlanError::NoConf)?;
        let load = !observed.calls_classic;
        if load {
            observed.main_is_conf.clone().map_err(PlanError::WouldLose)?;
        }
        plan.steps.push(Step::Main { conf: conf::add(bytes)?, load });
    }
    if way != Some(Attachment::Classic) && (has_block || observed.calls_classic) {
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
        if way != Some(other) && observed.loaded(other) != AnchorContents::Nothing {
            plan.steps.push(Step::Load {
                anchor: other.anchor(),
                rules: String::new(),
                before: before.clone(),
            });
        }
    }
    if way.is_none() && observed.anchor_file.is_some() {
        plan.steps.push(Step::AnchorFile(None));
    }
    match (&new.token, observed.token_held) {
        (_, false) if new.guard == Guard::On => plan.steps.push(Step::Enable),
        (Some(token), true) if new.guard != Guard::On => plan.steps.push(Step::Release(token.clone())),
        _ => {}
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
}

/// What was asked for; else below `com.apple` where that is evaluated, which edits nothing of Apple's; else classic.
fn choose(observed: &Observed, wanted: Option<Attachment>) -> Result<Attachment, PlanError> {
    match wanted {
        Some(Attachment::Apple) if !observed.calls_apple => Err(PlanError::AppleNotCalled),
        Some(way) => Ok(way),
        None if observed.calls_apple => Ok(Attachment::Apple),
        None => Ok(Attachment::Classic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ledger::Opening;
    use crate::rules::named_port::NamedPort;
    use crate::rules::source::Source;

    const HEADER: Header = Header { written: "2026-11-23T17:00:00Z", user: "ada" };

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

    fn steps(observed: &Observed, new: &Ledger, wanted: Option<Attachment>) -> String {
        let plan = plan(observed, &Ledger::default(), new, wanted, &HEADER).unwrap();
        plan.steps.iter().map(Step::describe).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn below_apple_nothing_of_apples_is_touched() {
        assert_eq!(
            steps(&stock(), &guarded(), None),
            "write our anchor file; load the anchor com.apple/100.dev.portcullis; enable pf"
        );
        let done = Observed {
            anchor_file: Some(vec![]),
            apple: AnchorContents::AsWanted,
            token_held: true,
            ..stock()
        };
        assert_eq!(steps(&done, &guarded(), None), "");
    }

    #[test]
    fn classic_edits_and_loads_pf_conf_once() {
        assert_eq!(
            steps(&stock(), &guarded(), Some(Attachment::Classic)),
            "write our anchor file; load the anchor dev.portcullis; edit /etc/pf.conf and load it; enable pf"
        );
        let without_apple = Observed { calls_apple: false, ..stock() };
        assert!(steps(&without_apple, &guarded(), None).contains("edit /etc/pf.conf and load it"));
        let error = plan(&without_apple, &Ledger::default(), &guarded(), Some(Attachment::Apple), &HEADER);
        assert_eq!(error, Err(PlanError::AppleNotCalled));
    }

    #[test]
    fn rules_of_others_are_not_lost() {
        let shared =
            Observed { main_is_conf: Err(MainDiffers::OnlyLoaded("a rule of a VPN".into())), ..stock() };
        let error =
            plan(&shared, &Ledger::default(), &guarded(), Some(Attachment::Classic), &HEADER).unwrap_err();
        assert!(error.to_string().contains("a rule of a VPN"));
        assert!(plan(&shared, &Ledger::default(), &guarded(), None, &HEADER).is_ok());
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
        let token = PfToken { number: 7, boot: "b".into() };
        let nothing = Ledger { guard: Guard::Off, token: Some(token), ..Ledger::default() };
        assert_eq!(
            steps(&classic, &nothing, None),
            "edit /etc/pf.conf and load it; clear the anchor dev.portcullis; remove our anchor file; release our hold on pf"
        );
        let shared =
            Observed { main_is_conf: Err(MainDiffers::OnlyLoaded("a rule of a VPN".into())), ..classic };
        let plan = plan(&shared, &Ledger::default(), &nothing, None, &HEADER).unwrap();
        assert!(plan.steps.contains(&Step::Main { conf: b"pass\n".to_vec(), load: false }));
        assert_eq!(plan.notes.len(), 1);
    }

    #[test]
    fn moving_loads_the_new_place_before_the_old_one_is_cleared() {
        let apple =
            Observed { anchor_file: Some(vec![]), apple: AnchorContents::Other, token_held: true, ..stock() };
        assert_eq!(
            steps(&apple, &guarded(), Some(Attachment::Classic)),
            "write our anchor file; load the anchor dev.portcullis; edit /etc/pf.conf and load it; clear the anchor com.apple/100.dev.portcullis"
        );
    }

    #[test]
    fn an_opening_alone_does_not_enable_pf() {
        let mut ledger = Ledger::default();
        let (name, port) = ("dlv".parse().unwrap(), "2345".parse().unwrap());
        ledger.open(Opening::new(&NamedPort { name, range: port }, Source::Any, None, 0, "ada"));
        assert!(!steps(&stock(), &ledger, None).contains("enable"));
    }
}
