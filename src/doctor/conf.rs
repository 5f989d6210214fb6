//! /etc/pf.conf as it stands on disk, against what pf holds.

use super::facts::DoctorFacts;
use super::finding::{Finding, Level, finding};
use crate::pf::on_disk::OnDisk;

/// Whether the next start loads the file, and whether it is loaded now.
pub fn conf(facts: &DoctorFacts) -> Vec<Finding> {
    let Some(on_disk) = &facts.on_disk else { return vec![] };
    let (level, evidence) = match on_disk {
        OnDisk::Refused { message, .. } => (Level::Problem, message.as_str()),
        OnDisk::AppleUncalled { .. } => (Level::Problem, "/etc/pf.conf and what root saw of pf"),
        OnDisk::NotLoaded { .. } => (Level::Advice, "/etc/pf.conf and what root saw of pf"),
        OnDisk::Reset { .. } => (Level::Problem, "/etc/pf.conf"),
    };
    vec![finding(level, "pf", on_disk.to_string(), evidence, &on_disk.next_step())]
}
