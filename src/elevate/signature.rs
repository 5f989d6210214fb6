//! Whether the helper in the bundle is the one that was built with this app.
//!
//! A build pins its helper in one of two ways, fixed at compile time: by the signing team
//! (`PORTCULLIS_TEAM_ID`, releases) or by the SHA-256 of the helper (`PORTCULLIS_HELPER_SHA256`, ad-hoc and source
//! builds; `make app` and `make run` set it). A build that pins nothing does not ask for root on a Mac.

/// How this build knows its helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// Signed by this team with a Developer ID.
    Team(&'static str),
    /// Has this SHA-256, 64 hexadecimal digits.
    Digest(&'static str),
    Nothing,
}

/// The pin of this build.
pub const PIN: Pin = match (option_env!("PORTCULLIS_TEAM_ID"), option_env!("PORTCULLIS_HELPER_SHA256")) {
    (Some(team), _) => Pin::Team(team),
    (None, Some(digest)) => Pin::Digest(digest),
    (None, None) => Pin::Nothing,
};

/// The identifier that the helper is signed with.
pub const IDENTIFIER: &str = "dev.portcullis.helper";

/// A helper that is not the one that belongs to this app.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Not the file this app was built with.
    #[error(
        "the helper beside this app is not the one it was built with (SHA-256 {found}, not {pinned}): install Portcullis again"
    )]
    Digest { found: String, pinned: String },
    /// The system's own check failed.
    #[error("the helper's code signature is not valid ({0}): install Portcullis again")]
    Invalid(String),
    /// A build without a pin.
    #[error(
        "this build does not know its helper: build with `make run` or `make app`, or use `sudo portcullis-helper`"
    )]
    Unpinned,
    /// The team of a build cannot stand in a requirement.
    #[error(
        "this build names the signing team \"{0}\", which is no team: build again with 10 letters and digits"
    )]
    Team(String),
}

/// The code requirement (Code Signing Requirement Language) of a helper that `team` signed: our identifier, a
/// certificate of Apple's, and the team in its leaf. Errors: `team` is not 10 capital letters and digits.
pub fn requirement(team: &str) -> Result<String, SignatureError> {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    if team.len() != 10 || !team.bytes().all(plain) {
        return Err(SignatureError::Team(team.escape_debug().to_string()));
    }
    Ok(format!(
        "identifier \"{IDENTIFIER}\" and anchor apple generic and certificate leaf[subject.OU] = \"{team}\""
    ))
}

/// Whether the file with SHA-256 `digest` at `path` is the helper of this build, on a Mac.
/// This is the app's check; root repeats what hangs on it with its own copy of the file.
pub fn check(path: &std::path::Path, digest: &str) -> Result<(), SignatureError> {
    match PIN {
        Pin::Digest(pinned) if pinned == digest => Ok(()),
        Pin::Digest(pinned) => {
            Err(SignatureError::Digest { found: digest.to_owned(), pinned: pinned.to_owned() })
        }
        Pin::Team(team) => check_static(path, &requirement(team)?),
        Pin::Nothing => Err(SignatureError::Unpinned),
    }
}

/// The system's check of the code at `path` against a requirement: every architecture, strictly, nested code too.
#[cfg(target_os = "macos")]
fn check_static(path: &std::path::Path, requirement: &str) -> Result<(), SignatureError> {
    use core_foundation::url::CFURL;
    use security_framework::os::macos::code_signing::{Flags, SecRequirement, SecStaticCode};

    let invalid = |error: security_framework::base::Error| SignatureError::Invalid(error.to_string());
    let url = CFURL::from_path(path, false)
        .ok_or_else(|| SignatureError::Invalid(format!("{} is no path", path.display())))?;
    let requirement: SecRequirement = requirement.parse().map_err(invalid)?;
    let code = SecStaticCode::from_path(&url, Flags::NONE).map_err(invalid)?;
    let flags = Flags::CHECK_ALL_ARCHITECTURES
        | Flags::STRICT_VALIDATE
        | Flags::CHECK_NESTED_CODE
        | Flags::NO_NETWORK_ACCESS;
    code.check_validity(flags, &requirement).map_err(invalid)
}

#[cfg(not(target_os = "macos"))]
fn check_static(path: &std::path::Path, _requirement: &str) -> Result<(), SignatureError> {
    Err(SignatureError::Invalid(format!(
        "{} cannot be checked: code signatures are checked on a Mac",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_is_ten_letters_and_digits() {
        assert_eq!(
            requirement("AB12CD34EF").unwrap(),
            "identifier \"dev.portcullis.helper\" and anchor apple generic and certificate leaf[subject.OU] = \"AB12CD34EF\""
        );
        for team in ["", "ab12cd34ef", "AB12CD34E\"", "AB12CD34EF or always"] {
            assert!(requirement(team).is_err(), "{team}");
        }
    }
}
