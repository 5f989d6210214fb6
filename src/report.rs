//! What root saw, as it stands on disk: no words of English, so that another language needs no other root helper. Pure.
//!
//! ```
//! use portcullis::report::{ReportFact, Unusable};
//! assert_eq!(ReportFact::read(b"{\"version\": 1}"), ReportFact::OtherVersion(1));
//! assert_eq!(ReportFact::Missing.usable(0, "this boot"), Err(Unusable::Missing));
//! ```

#[cfg(test)]
pub mod sample;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::diagnosis::Answer;
use crate::pf::explain::SomeClients;
use crate::pf::grounds::{DecidingRule, Grounds};
use crate::pf::origin::{Both, PerOrigin};
use crate::port::PortRange;
use crate::rules::ledger::{Attachment, Guard, Ledger, Opening, Seconds};
use crate::rules::named_port::NamedPort;

/// The only thing that a user's program knows of pf on a Mac, where `/dev/pf` is root's alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Version of this form: [`Report::VERSION`].
    pub version: u32,
    /// When root looked.
    pub seen: Seconds,
    /// The boot in which root looked: as [`crate::system::System::boot`] gives it.
    pub boot: String,
    pub pf: PfState,
    /// How many hold pf enabled, ours among them; `None` where it could not be read.
    pub references: Option<usize>,
    pub guard: Guard,
    /// The way our rules are evaluated, where there are rules of ours.
    pub way: Option<Attachment>,
    pub openings: Vec<Opening>,
    pub managed: Vec<NamedPort>,
    /// pf's verdict for each managed and open range, and for those that were shown then.
    pub verdicts: Vec<PfVerdict>,
    pub notes: Vec<Note>,
}

/// All that pf held when root looked, rules and tables of others among it: for administrators to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesetsReport {
    /// Version of this form: [`RulesetsReport::VERSION`].
    pub version: u32,
    /// As in the [`Report`] of the same look.
    pub seen: Seconds,
    /// As in the [`Report`] of the same look.
    pub boot: String,
    /// The rulesets as they were loaded, by anchor path; `""` is the main ruleset.
    pub rulesets: BTreeMap<String, LoadedRules>,
    /// Interfaces named by `set skip on`.
    pub skip: Vec<String>,
    /// The SHA-256 of the rules that the ledger came to on the interfaces of then.
    pub wanted: String,
}

/// Whether pf filters at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PfState {
    Enabled,
    /// Every rule is without effect.
    Disabled,
    /// What pfctl said could not be understood; holds that text.
    Unknown(String),
}

/// Whether pf lets new TCP connections to one range in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PfVerdict {
    pub port: PortRange,
    /// The network is that of this Mac, or the hosts that the range is open for.
    pub origins: PerOrigin<OriginVerdict>,
}

/// Whether pf lets connections from one origin in, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginVerdict {
    /// The answer for a client that may choose the family.
    pub answer: Answer,
    pub families: Both<Answer>,
    pub reason: Reason,
}

impl OriginVerdict {
    /// A verdict that holds for both families.
    pub fn new(answer: Answer, reason: Reason) -> Self {
        OriginVerdict { answer, families: Both::same(answer), reason }
    }
}

/// Why pf's verdict is so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reason {
    PfOff,
    /// Whether pf is on is not known.
    PfStateUnknown,
    /// Which interfaces pf skips could not be read.
    SkipUnknown,
    /// Our rules let it in, and no other decides.
    OurRule,
    /// Our rules block it, and no other decides.
    OurGuard,
    /// What the loaded rules come to.
    Rules {
        grounds: Grounds,
    },
}

/// What is to be said beside the ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Note {
    /// A rule of others names one of our ports; it is left alone.
    ForeignRule { place: ForeignPlace, port: u16 },
    /// Clients that a rule of others names fare otherwise than by our rules, since it decides before ours.
    Exception {
        clients: SomeClients,
        ports: Vec<PortRange>,
        /// Whether they get in.
        answer: Answer,
        /// Without its text.
        rule: Option<DecidingRule>,
    },
    /// Our anchor's call stays in the loaded main ruleset until the restart: that ruleset is not seen to be the one of
    /// pf.conf, and loading pf.conf could lose rules of others.
    ClassicCallStays,
    /// The loaded main ruleset does not call our anchor, so that our rules are without effect.
    NotEvaluated { anchor: String },
    /// Our block in pf.conf is not whole: it is left as it is.
    TornBlock,
    /// /etc/pf.conf could not be read: a block of ours stays in it.
    UnreadConf,
    /// Our block in pf.conf, or its call, stays with nothing in it: the request did not allow to edit and load that file.
    BlockStays,
    /// The guard is on and pf is not: the request did not allow to turn it on.
    PfStaysOff,
}

/// Where a rule of others stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForeignPlace {
    Main,
    /// The loaded anchor of this path.
    Anchor(String),
    /// A file in the folder of anchors, whose rules are not loaded.
    File {
        path: String,
        /// The anchor that pf.conf loads the file into; `None`: pf.conf does not load it.
        loads_into: Option<String>,
    },
}

/// The rules of one anchor (`""` is the main ruleset) as pfctl printed them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadedRules {
    /// `pfctl -s rules`: scrub and filter rules, anchor calls.
    pub rules: String,
    /// `pfctl -s nat`: translation rules and their anchor calls.
    pub nat: String,
    /// Addresses of each table.
    pub tables: BTreeMap<String, Vec<String>>,
}

impl Report {
    /// The version that this program writes and reads.
    pub const VERSION: u32 = 5;
}

impl RulesetsReport {
    /// The version that this program writes and reads.
    pub const VERSION: u32 = 2;

    /// Whether it is of the same look as the report.
    pub fn belongs_to(&self, report: &Report) -> bool {
        (self.version, self.seen, &self.boot) == (Self::VERSION, report.seen, &report.boot)
    }
}

/// What reading the report gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportFact {
    /// There is none: root has not looked yet.
    Missing,
    /// It cannot be read or trusted; holds the error.
    Unreadable(String),
    /// It is not in a report's form; holds the error.
    Invalid(String),
    /// It is in the form of this version.
    OtherVersion(u32),
    /// The ledger says otherwise: root changed something and could not write down what it saw then.
    Outdated,
    Read(Box<Report>),
}

/// Why a report says nothing of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    Missing,
    Unreadable(String),
    Invalid(String),
    OtherVersion(u32),
    /// It is from before the last change.
    Outdated,
    OtherBoot,
    /// It is from the future.
    ClockSetBack,
    /// It is this many seconds old.
    Old(Seconds),
}

/// A report older than this many seconds says nothing of now: launchd has root look at least every hour.
pub const STALE_AFTER: Seconds = 65 * 60;

impl ReportFact {
    /// Reads the report's file.
    pub fn read(bytes: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let read = || match serde_json::from_slice::<Versioned>(bytes)? {
            Versioned { version: Report::VERSION } => serde_json::from_slice(bytes).map(ReportFact::Read),
            Versioned { version } => Ok(ReportFact::OtherVersion(version)),
        };
        read().unwrap_or_else(|error: serde_json::Error| ReportFact::Invalid(error.to_string()))
    }

    /// The same, where it is of this ledger: what both hold is the same.
    pub fn held_to(self, ledger: &Ledger) -> Self {
        match self {
            ReportFact::Read(report)
                if report.openings != ledger.openings
                    || report.managed != ledger.managed
                    || report.guard != ledger.guard =>
            {
                ReportFact::Outdated
            }
            fact => fact,
        }
    }

    /// The report, where it can be trusted to speak of `now` in this `boot`; else why not.
    pub fn usable(&self, now: Seconds, boot: &str) -> Result<&Report, Unusable> {
        match self {
            ReportFact::Missing => Err(Unusable::Missing),
            ReportFact::Unreadable(error) => Err(Unusable::Unreadable(error.clone())),
            ReportFact::Invalid(error) => Err(Unusable::Invalid(error.clone())),
            ReportFact::OtherVersion(version) => Err(Unusable::OtherVersion(*version)),
            ReportFact::Outdated => Err(Unusable::Outdated),
            ReportFact::Read(report) if report.boot != boot => Err(Unusable::OtherBoot),
            ReportFact::Read(report) if report.seen > now.saturating_add(60) => Err(Unusable::ClockSetBack),
            ReportFact::Read(report) if now.saturating_sub(report.seen) > STALE_AFTER => {
                Err(Unusable::Old(now.saturating_sub(report.seen)))
            }
            ReportFact::Read(report) => Ok(report),
        }
    }
}

impl PfVerdict {
    pub fn families(&self) -> PerOrigin<Both<Answer>> {
        self.origins.as_ref().map(|verdict| verdict.families)
    }

    pub fn answers(&self) -> PerOrigin<Answer> {
        self.origins.as_ref().map(|verdict| verdict.answer)
    }

    /// Whether another machine gets in.
    pub fn outside(&self) -> Answer {
        Answer::any([self.origins.network.answer, self.origins.anyone.answer])
    }

    /// Why other machines fare as they do.
    pub fn outside_reasons(&self) -> [&Reason; 2] {
        [&self.origins.network.reason, &self.origins.anyone.reason]
    }

    /// Why some origin's answer is this one: other machines first.
    pub fn why(&self, answer: Answer) -> Option<&Reason> {
        let PerOrigin { loopback, network, anyone } = &self.origins;
        [network, anyone, loopback]
            .into_iter()
            .find(|verdict| verdict.answer == answer)
            .map(|found| &found.reason)
    }
}
