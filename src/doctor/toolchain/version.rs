//! Versions of Go, in the order in which they were released.

/// A version of Go 1: the language (`1.24`), a preview (`1.24rc1`) or a release (`1.24.2`). Since 1.21 the three are in that
/// order; before, the first release has no third number (Go: internal/gover).
#[derive(Clone, Debug)]
pub struct GoVersion {
    minor: u32,
    /// Within the minor version: the language, the previews, the releases.
    place: (GoStage, u32),
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum GoStage {
    Language,
    Beta,
    Candidate,
    Release,
}

/// The first Go that fetches another one where a go.mod asks for it.
pub const FETCHES_OTHERS: u32 = 21;

impl GoVersion {
    /// Reads `1.24`, `go1.24rc1`, `v1.24.2`, `1.24.2-custom`; `None` where it is no version of Go 1.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("go").or_else(|| text.strip_prefix('v')).unwrap_or(text);
        let text = text.split(['-', '+', ' ']).next().unwrap_or_default();
        let (minor, rest) = number(text.strip_prefix("1.")?)?;
        let stage =
            |stage, digits: &str| number(digits).filter(|(_, rest)| rest.is_empty()).map(|(n, _)| (stage, n));
        let place = match rest {
            "" if minor < FETCHES_OTHERS => (GoStage::Release, 0),
            "" => (GoStage::Language, 0),
            rest => rest
                .strip_prefix("beta")
                .and_then(|digits| stage(GoStage::Beta, digits))
                .or_else(|| stage(GoStage::Candidate, rest.strip_prefix("rc")?))
                .or_else(|| stage(GoStage::Release, rest.strip_prefix('.')?))?,
        };
        Some(GoVersion { minor, place, text: text.to_owned() })
    }

    /// The N of 1.N.
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// Whether it is written as Go before 1.21 reads it in a go.mod: as 1.N.
    pub fn is_two_numbers(&self) -> bool {
        self.text.chars().filter(|letter| !letter.is_ascii_digit()).eq(['.'])
    }

    fn key(&self) -> (u32, (GoStage, u32)) {
        (self.minor, self.place)
    }
}

impl std::fmt::Display for GoVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for GoVersion {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for GoVersion {}

impl PartialOrd for GoVersion {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for GoVersion {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// The number that a text begins with, and what follows it.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_their_order() {
        let parse = |text: &str| GoVersion::parse(text).unwrap();
        let order =
            ["1.4", "1.20rc1", "1.20", "1.20.1", "1.21", "go1.21rc2", "1.21.0", "1.21.10-custom", "1.24"];
        assert!(order.windows(2).all(|pair| parse(pair[0]) < parse(pair[1])), "{order:?}");
        assert_eq!(parse("1.20"), parse("go1.20.0"));
        assert_eq!(parse("go1.21.3-custom").to_string(), "1.21.3");
        assert!(parse("1.24").is_two_numbers() && !parse("1.24.0").is_two_numbers());
        assert!(!parse("1.24rc1").is_two_numbers());
        for text in ["", "2.0", "1", "1.", "1.x", "1.24.", "1.24.1.2", "1.24alpha", "devel go1.25"] {
            assert_eq!(GoVersion::parse(text), None, "{text}");
        }
    }
}
