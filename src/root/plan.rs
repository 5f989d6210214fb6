//! What is to be done so that pf does what a ledger says. Pure.

use crate::pf::interfaces::InterfaceFacts;
use crate::report::Note;
use crate::rules::anchor;
use crate::rules::conf::{self, ConfError};
use crate::rules::ledger::{Attachment, Guard, Ledger};

/// What a plan is made from: how things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The bytes of /etc/pf.conf; `None` where there is no such file.
    pub conf: Option<Vec<u8>>,
    /// Whether that is known; what closes goes on without.
    pub conf_is_read: bool,
    /// The bytes of our anchor file.
    pub anchor_file: Option<Vec<u8>>,
    /// Whether the loaded main ruleset calls `anchor "com.apple/*"`.
    pub calls_apple: bool,
    /// Whether the loaded main ruleset calls our classic anchor.
    pub calls_classic: bool,
    /// Whether /etc/pf.conf calls `anchor "com.apple/*"`.
    pub conf_calls_apple: bool,
    /// Whether nothing at all is loaded as the main ruleset.
    pub main_is_empty: bool,
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
    /// Seconds since the machine started.
    pub clock: u64,
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
    /// Load /etc/pf.conf as it is, where nothing at all is loaded.
    LoadConf,
    /// Take a token: pf stays enabled as long as we hold it.
    Enable,
    /// Take lines without effect out of /etc/pf.conf, or put them back: the file as it is, and as it is to be.
    Lines { before: Vec<u8>, after: Vec<u8> },
}

impl Step {
    /// What the step does, as a verb with its object.
    pub fn describe(&self) -> String {
        match self {
            Step::Load { anchor, rules } if rules.is_empty() => format!("clear the anchor {anchor}"),
            Step::Load { anchor, .. } => format!("load the anchor {anchor}"),
            Step::Main { load: true, .. } => "edit /etc/pf.conf and load it".to_owned(),
            Step::Main { load: false, .. } => "edit /etc/pf.conf".to_owned(),
            Step::LoadConf => "load /etc/pf.conf".to_owned(),
            Step::Enable => "enable pf".to_owned(),
            Step::Lines { before, after } if after.len() < before.len() => {
                "take lines out of /etc/pf.conf".to_owned()
            }
            Step::Lines { .. } => "put lines back into /etc/pf.conf".to_owned(),
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

/// Whether the main ruleset has to call our anchor when the plan is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evaluation {
    /// An opening, or a guard, is nothing without it.
    Required,
    /// A closing goes on without it: where the main ruleset may not be loaded a note says so.
    IfPossible,
    /// As [`Evaluation::IfPossible`], where neither the main ruleset nor pf.conf may be touched for it.
    AsItIs,
}

/// Why there is no way to the ledger that loses nothing. The system is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The way that was asked for is not evaluated.
    #[error(
        "the loaded ruleset does not call anchor \"com.apple/*\", so rules below it are never evaluated: run `sudo pfctl -f /etc/pf.conf`, which loads this Mac's own rules again (what others loaded into the main ruleset goes), then ask again"
    )]
    AppleNotCalled,
    /// Nor would it be after pf.conf was loaded.
    #[error(
        "neither the loaded ruleset nor /etc/pf.conf calls anchor \"com.apple/*\", so rules below it are never evaluated: run `portcullis prefs way classic`, then ask again"
    )]
    AppleNowhere,
    /// Our block in pf.conf is torn.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// There is no pf.conf to put the block in.
    #[error("there is no /etc/pf.conf to add our block to: put it back, then ask again")]
    NoConf,
    /// Loading pf.conf would lose what others loaded.
    #[error(
        "the main ruleset that is loaded is not the one of /etc/pf.conf ({0}): loading the file takes those rules away from the program that loaded them (a VPN, Internet Sharing); where they may go, run `sudo pfctl -f /etc/pf.conf`, then ask again"
    )]
    WouldLose(#[source] MainDiffers),
    /// The request does not say that /etc/pf.conf may be edited and loaded.
    #[error("the request does not allow to edit and load /etc/pf.conf")]
    NotAllowed,
    /// macOS has not loaded its own rules yet.
    #[error("this Mac has just started, and its firewall rules are not loaded yet: again in {0} s")]
    JustBooted(u64),
}

/// How the main ruleset that is loaded differs from the one that /etc/pf.conf would load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MainDiffers {
    #[error("one of them could not be read")]
    Unread,
    #[error("pfctl does not read /etc/pf.conf: {0}")]
    Refused(String),
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
    evaluation: Evaluation,
) -> Result<Option<Attachment>, PlanError> {
    if !new.needs_rules() {
        return Ok(None);
    }
    let is_required = evaluation == Evaluation::Required;
    if is_required && observed.main_is_empty && observed.clock < SETTLED {
        return Err(PlanError::JustBooted(SETTLED.saturating_sub(observed.clock)));
    }
    let can_call_apple = observed.calls_apple || (observed.main_is_empty && observed.conf_calls_apple);
    match wanted.or(old.way) {
        Some(Attachment::Apple) if is_required && !can_call_apple => Err(observed.apple_not_called()),
        Some(way) => Ok(Some(way)),
        None if can_call_apple => Ok(Some(Attachment::Apple)),
        None => Ok(Some(Attachment::Classic)),
    }
}

/// How many seconds after the start macOS has loaded its own rules.
const SETTLED: u64 = 120;

/// The steps to `ledger` by its own way. The main ruleset comes first where it must be loaded, since it loads our anchor
/// from the file; what leaves a place comes after what enters the other. Errors: see [`PlanError`].
pub fn plan(observed: &Observed, ledger: &Ledger, evaluation: Evaluation) -> Result<Plan, PlanError> {
    let rules = anchor::rules(ledger, &observed.interfaces);
    let mut plan = Plan { steps: Vec::new(), file_is_right: true, notes: Vec::new() };
    match enter(observed, ledger, evaluation) {
        Ok(step) => plan.steps.extend(step),
        Err(error) if evaluation == Evaluation::Required => return Err(error),
        Err(_) => plan.notes.extend(observed.not_evaluated(ledger)),
    }
    let loads_main = plan.steps.iter().any(|step| matches!(step, Step::Main { load: true, .. }));
    if let Some(way) = ledger.way
        && (observed.loaded(way) != AnchorContents::AsWanted || loads_main)
    {
        plan.steps.push(Step::Load { anchor: way.anchor(), rules });
    }
    if ledger.way != Some(Attachment::Classic) {
        match leave(observed, evaluation) {
            Ok((step, note)) => {
                plan.steps.extend(step);
                plan.notes.extend(note);
            }
            Err(error) if evaluation == Evaluation::Required => return Err(error.into()),
            Err(_) => plan.notes.push(Note::TornBlock),
        }
    }
    if !observed.conf_is_read && observed.may_have_block(ledger) {
        plan.notes.push(Note::UnreadConf);
    }
    for other in [Attachment::Apple, Attachment::Classic] {
        if ledger.way != Some(other) && observed.loaded(other) != AnchorContents::Nothing {
            plan.steps.push(Step::Load { anchor: other.anchor(), rules: String::new() });
        }
    }
    if ledger.guard == Guard::On && !observed.token_held {
        plan.steps.push(Step::Enable);
    }
    plan.file_is_right = observed.has_file_of(ledger, plan.needs_file(ledger));
    Ok(plan)
}

impl Plan {
    /// Whether our anchor file is to be there: with rules in it, or with none where a block that names it stays.
    pub fn needs_file(&self, ledger: &Ledger) -> bool {
        needs_file(ledger, &self.notes)
    }
}

/// Whether our anchor file is to be there, by the notes of what was done.
pub fn needs_file(ledger: &Ledger, notes: &[Note]) -> bool {
    ledger.needs_rules() || notes.contains(&Note::BlockStays)
}

/// What makes the main ruleset call our anchor; `None` where it does.
fn enter(observed: &Observed, ledger: &Ledger, evaluation: Evaluation) -> Result<Option<Step>, PlanError> {
    match ledger.way {
        None => Ok(None),
        Some(Attachment::Apple) if observed.calls_apple => Ok(None),
        Some(Attachment::Apple) => {
            let harms_nobody = observed.main_is_empty && observed.conf_calls_apple;
            let is_required = evaluation == Evaluation::Required;
            if harms_nobody && is_required {
                Ok(Some(Step::LoadConf))
            } else {
                Err(observed.apple_not_called())
            }
        }
        Some(Attachment::Classic) => {
            let bytes = observed.conf.as_ref().ok_or(PlanError::NoConf)?;
            let load = !observed.calls_classic;
            if conf::contains(bytes)? && !load {
                return Ok(None);
            }
            let is_empty = observed.main_is_empty && evaluation == Evaluation::Required;
            if load && !is_empty {
                observed.main_is_conf.clone().map_err(PlanError::WouldLose)?;
            }
            if evaluation == Evaluation::AsItIs {
                return Err(PlanError::NotAllowed);
            }
            Ok(Some(Step::Main { conf: conf::add(bytes)?, load }))
        }
    }
}

/// What takes our block out of pf.conf, and our call out of the main ruleset where that harms nobody.
fn leave(observed: &Observed, evaluation: Evaluation) -> Result<(Option<Step>, Option<Note>), ConfError> {
    let bytes = observed.conf.clone().unwrap_or_default();
    let has_block = conf::contains(&bytes)?;
    let load = observed.calls_classic && observed.main_is_conf.is_ok();
    if evaluation == Evaluation::AsItIs && (has_block || load) {
        return Ok((None, Some(Note::BlockStays)));
    }
    let note = (observed.calls_classic && !load).then_some(Note::ClassicCallStays);
    let step = if has_block || load { Some(Step::Main { conf: conf::remove(&bytes)?, load }) } else { None };
    Ok((step, note))
}

impl Observed {
    /// The one command that helps depends on whether loading pf.conf would.
    fn apple_not_called(&self) -> PlanError {
        if self.conf_calls_apple { PlanError::AppleNotCalled } else { PlanError::AppleNowhere }
    }

    /// The note that our rules are without effect, where they are.
    fn not_evaluated(&self, ledger: &Ledger) -> Option<Note> {
        let is_called = match ledger.way? {
            Attachment::Apple => self.calls_apple,
            Attachment::Classic => self.calls_classic,
        };
        let anchor = ledger.way?.anchor().to_owned();
        (!is_called).then_some(Note::NotEvaluated { anchor })
    }

    /// Whether something speaks for a block of ours in pf.conf.
    fn may_have_block(&self, ledger: &Ledger) -> bool {
        let is_loaded = self.calls_classic || self.classic != AnchorContents::Nothing;
        is_loaded || ledger.way == Some(Attachment::Classic)
    }

    fn loaded(&self, way: Attachment) -> AnchorContents {
        match way {
            Attachment::Apple => self.apple,
            Attachment::Classic => self.classic,
        }
    }

    /// Whether our anchor file is the one of `ledger`, its header apart.
    fn has_file_of(&self, ledger: &Ledger, is_needed: bool) -> bool {
        let Some(bytes) = &self.anchor_file else { return !is_needed };
        let text = String::from_utf8_lossy(bytes);
        let rules = text.split_inclusive('\n').filter(|line| !line.starts_with('#')).collect::<String>();
        is_needed && rules == anchor::rules(&ledger.at_boot(), &self.interfaces)
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
            conf_is_read: true,
            anchor_file: None,
            calls_apple: true,
            calls_classic: false,
            conf_calls_apple: true,
            main_is_empty: false,
            main_is_conf: Ok(()),
            apple: AnchorContents::Nothing,
            classic: AnchorContents::Nothing,
            interfaces: Vec::new(),
            token_held: false,
            clock: 9_000,
        }
    }

    fn guarded() -> Ledger {
        let mut ledger = Ledger { guard: Guard::On, ..Ledger::default() };
        ledger.manage(&NamedPort { name: "dlv".parse().unwrap(), range: "2345".parse().unwrap() });
        ledger
    }

    fn planned(observed: &Observed, new: &Ledger, wanted: Option<Attachment>) -> Result<Plan, PlanError> {
        let way = choose_way(observed, &Ledger::default(), new, wanted, Evaluation::Required)?;
        plan(observed, &Ledger { way, ..new.clone() }, Evaluation::Required)
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
        let way = |old: &Ledger, new: &Ledger, wanted| {
            choose_way(&stock(), old, new, wanted, Evaluation::Required).unwrap()
        };
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
        let is_right = |text: String| plan(&with(text), &ledger, Evaluation::Required).unwrap().file_is_right;
        let rules = anchor::rules(&guarded(), &[]);
        assert!(is_right(format!("# dev.portcullis\n{rules}")));
        assert!(!is_right(String::new()) && !is_right(anchor::rules(&ledger, &[])));
        assert!(!plan(&stock(), &ledger, Evaluation::Required).unwrap().file_is_right);
        assert!(
            plan(&stock(), &Ledger::default(), Evaluation::Required).unwrap().file_is_right,
            "no rules, no file"
        );
    }

    #[test]
    fn where_nothing_is_loaded_an_opening_loads_pf_conf_and_a_closing_goes_on() {
        let flushed = Observed { calls_apple: false, main_is_empty: true, token_held: true, ..stock() };
        assert_eq!(
            steps(&flushed, &guarded(), None),
            "load /etc/pf.conf; load the anchor com.apple/100.dev.portcullis"
        );
        let booting = Observed { clock: 30, ..flushed.clone() };
        assert_eq!(planned(&booting, &guarded(), None), Err(PlanError::JustBooted(90)));
        // Rules of others stand where Apple's did.
        let switched = Observed { main_is_empty: false, ..flushed.clone() };
        let used = Ledger { way: Some(Attachment::Apple), ..guarded() };
        let way = choose_way(&switched, &used, &used, None, Evaluation::Required);
        assert!(way.unwrap_err().to_string().contains("`sudo pfctl -f /etc/pf.conf`"));
        for observed in [flushed, booting, switched] {
            for evaluation in [Evaluation::IfPossible, Evaluation::AsItIs] {
                let way = choose_way(&observed, &used, &used, None, evaluation).unwrap();
                assert_eq!(way, Some(Attachment::Apple));
                let plan = plan(&observed, &used, evaluation).unwrap();
                assert_eq!(plan.steps.len(), 1, "{plan:?}");
                assert!(matches!(plan.notes[..], [Note::NotEvaluated { .. }]), "{plan:?}");
            }
        }
    }

    #[test]
    fn a_pf_conf_that_was_reset_keeps_no_closing() {
        let used = Ledger { way: Some(Attachment::Classic), ..guarded() };
        let reset = Observed { classic: AnchorContents::Other, token_held: true, ..stock() };
        let shared = Observed { main_is_conf: Err(MainDiffers::Order), ..reset.clone() };
        let torn = Observed { conf: Some(b"# BEGIN dev.portcullis\n".to_vec()), ..reset.clone() };
        let gone = Observed { conf: None, ..reset.clone() };
        for (observed, evaluation) in [
            (&reset, Evaluation::AsItIs),
            (&shared, Evaluation::IfPossible),
            (&torn, Evaluation::IfPossible),
            (&gone, Evaluation::IfPossible),
        ] {
            assert!(plan(observed, &used, Evaluation::Required).is_err() || *observed == reset);
            let plan = plan(observed, &used, evaluation).unwrap();
            assert_eq!(plan.steps.len(), 1, "{plan:?}");
            assert!(matches!(plan.notes[..], [Note::NotEvaluated { .. }]), "{plan:?}");
        }
        assert_eq!(plan(&reset, &used, Evaluation::IfPossible).unwrap().steps.len(), 2);
        let off = Ledger { guard: Guard::Off, ..Ledger::default() };
        let plan = plan(&torn, &off, Evaluation::IfPossible).unwrap();
        assert_eq!(plan.notes, [Note::TornBlock]);
    }

    #[test]
    fn an_opening_alone_does_not_enable_pf() {
        let mut ledger = Ledger::default();
        let (name, port) = ("dlv".parse().unwrap(), "2345".parse().unwrap());
        ledger.open(Opening::new(&NamedPort { name, range: port }, Source::Any, None, 0, "ada"));
        assert!(!steps(&stock(), &ledger, None).contains("enable"));
    }
}
