//! Which versions of Go each release of Delve takes, and with which it is built.
//!
//! Sources: Delve's pkg/goversion/compat.go (read as of 1.7, 1.20 to 1.23 and 1.25.0; of 1.27 as others quote it), the `go`
//! line of its go.mod from 1.21.1 on, the last Delve for Go 1.16 to 1.20 in vscode-go's docs/compatibility.md, Delve's pull
//! requests 3780 (1.23 drops Go 1.19 and 1.20), 4108 and 4220 (1.26). Where its file was not at hand, a release's oldest Go is
//! that of its go.mod. `go install` takes a version since Go 1.16.

/// A run of releases that take the same versions of Go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelveReleases {
    /// The first of them: 1.A.B.
    first: (u32, u32),
    /// The last of them.
    pub last: &'static str,
    /// The oldest and the newest Go whose programs they debug: 1.N.
    pub oldest: u32,
    pub newest: u32,
    /// The oldest Go that builds them.
    pub built_by: u32,
}

const fn releases(first: (u32, u32), last: &'static str, go: (u32, u32), built_by: u32) -> DelveReleases {
    DelveReleases { first, last, oldest: go.0, newest: go.1, built_by }
}

/// In their order. There are none between 1.9 and 1.20: since then the numbers are Go's.
const ALL: [DelveReleases; 11] = [
    releases((7, 0), "1.7.3", (15, 17), 16),
    releases((8, 0), "1.8.3", (16, 18), 16),
    releases((9, 0), "1.9.1", (17, 19), 17),
    releases((20, 0), "1.20.2", (18, 20), 18),
    releases((21, 0), "1.21.2", (19, 21), 19),
    releases((22, 0), "1.22.1", (19, 22), 21),
    releases((23, 0), "1.23.1", (21, 23), 21),
    releases((24, 0), "1.24.2", (21, 24), 21),
    releases((25, 0), "1.25.1", (21, 25), 21),
    releases((25, 2), "1.25.2", (22, 25), 22),
    releases((26, 0), "1.26.3", (24, 26), 24),
];

/// The newest that are known; what comes after them knows Go of its own number too.
const NEWEST: DelveReleases = releases((27, 0), "1.27.2", (25, 27), 25);

/// How a Delve and a Go fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelveFit {
    Fits,
    /// It knows Go up to 1.N only.
    DelveTooOld(u32),
    /// It knows Go from 1.N on only.
    GoTooOld(u32),
    Unknown,
}

/// How this Delve fits programs of Go 1.N.
pub fn fit(delve: &str, go: u32) -> DelveFit {
    let Some(version) = numbers(delve) else { return DelveFit::Unknown };
    let known = ALL.iter().chain([&NEWEST]).rfind(|releases| releases.first <= version);
    let (oldest, newest) = match known {
        None => (0, 16),
        Some(releases) if *releases == NEWEST => (releases.oldest, version.0),
        Some(releases) => (releases.oldest, releases.newest),
    };
    match () {
        () if go > newest => DelveFit::DelveTooOld(newest),
        () if go < oldest => DelveFit::GoTooOld(oldest),
        () => DelveFit::Fits,
    }
}

/// The Delve to install for programs of Go 1.N: its version, or `latest`. `builder` is the Go that builds it,
/// where that is the only one to be had.
pub fn to_install(go: u32, builder: Option<u32>) -> Option<&'static str> {
    let builds = |releases: &&DelveReleases| builder.is_none_or(|builder| builder >= releases.built_by);
    if go >= NEWEST.newest && builds(&&NEWEST) {
        return Some("latest");
    }
    let mut fitting = ALL
        .iter()
        .chain([&NEWEST])
        .rev()
        .filter(|releases| (releases.oldest..=releases.newest).contains(&go));
    fitting.find(builds).map(|releases| releases.last)
}

/// Whether the newest Delve takes programs of Go 1.N.
pub fn is_for_newest(go: u32) -> bool {
    go >= NEWEST.oldest
}

/// The A and B of 1.A.B; what follows B is not looked at.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix("1.")?.split('.');
    let minor = parts.next()?.parse().ok()?;
    let patch: String = parts.next().unwrap_or("0").chars().take_while(char::is_ascii_digit).collect();
    Some((minor, patch.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_delve_takes_some_versions_of_go() {
        for (delve, go, expected) in [
            ("1.20.2", 21, DelveFit::DelveTooOld(20)),
            ("1.20.2", 20, DelveFit::Fits),
            ("1.20.2", 17, DelveFit::GoTooOld(18)),
            ("1.9.1", 20, DelveFit::DelveTooOld(19)),
            ("1.9.1", 19, DelveFit::Fits),
            ("1.6.1", 17, DelveFit::DelveTooOld(16)),
            ("1.6.1", 11, DelveFit::Fits),
            ("1.25.0", 21, DelveFit::Fits),
            ("1.25.2", 21, DelveFit::GoTooOld(22)),
            ("1.25.3-0.20250901120000-0123456789ab", 25, DelveFit::Fits),
            ("1.26.3", 27, DelveFit::DelveTooOld(26)),
            ("1.27.2", 24, DelveFit::GoTooOld(25)),
            ("1.30.0", 30, DelveFit::Fits),
            ("1.30.0", 31, DelveFit::DelveTooOld(30)),
            ("junk", 25, DelveFit::Unknown),
            ("1.", 25, DelveFit::Unknown),
        ] {
            assert_eq!(fit(delve, go), expected, "{delve} {go}");
        }
    }

    #[test]
    fn what_is_to_be_installed_fits_and_can_be_built() {
        for (go, builder, expected) in [
            (28, None, Some("latest")),
            (27, None, Some("latest")),
            (26, None, Some("1.27.2")),
            (24, None, Some("1.26.3")),
            (21, None, Some("1.25.1")),
            (20, Some(20), Some("1.21.2")),
            (19, Some(19), Some("1.21.2")),
            (18, Some(18), Some("1.20.2")),
            (16, Some(16), Some("1.8.3")),
            (12, Some(12), None),
            (28, Some(24), None),
        ] {
            assert_eq!(to_install(go, builder), expected, "{go} {builder:?}");
            if let Some(version) = expected.filter(|version| *version != "latest") {
                assert_eq!(fit(version, go), DelveFit::Fits);
            }
        }
    }
}
