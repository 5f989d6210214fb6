//! What depends on where a client comes from, and over which family of addresses it comes.
//!
//! ```
//! use portcullis::pf::origin::{Both, PerOrigin};
//! let allowed = PerOrigin { loopback: true, network: true, anyone: false }.map(Both::same);
//! assert!(allowed.network.v6 && allowed.any(|both| both.v4) && !allowed.all(|both| both.v4));
//! ```

use serde::{Deserialize, Serialize};

/// Where a client comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// This Mac itself, over lo0.
    Loopback,
    /// The networks that this Mac is on, or the hosts that a port was opened for.
    Network,
    /// Any other address.
    Anyone,
}

impl Origin {
    /// Nearest first, the order of [`PerOrigin`].
    pub const ALL: [Origin; 3] = [Origin::Loopback, Origin::Network, Origin::Anyone];
}

/// `loopback`, `network`, `anyone`
impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Origin::Loopback => "loopback",
            Origin::Network => "network",
            Origin::Anyone => "anyone",
        })
    }
}

/// One value for each [`Origin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerOrigin<T> {
    pub loopback: T,
    pub network: T,
    pub anyone: T,
}

impl<T> PerOrigin<T> {
    /// The same from everywhere.
    pub fn same(value: T) -> Self
    where
        T: Clone,
    {
        PerOrigin { loopback: value.clone(), network: value.clone(), anyone: value }
    }

    /// Asks `of` for each origin, in the order of [`Origin::ALL`].
    pub fn of(mut of: impl FnMut(Origin) -> T) -> Self {
        PerOrigin { loopback: of(Origin::Loopback), network: of(Origin::Network), anyone: of(Origin::Anyone) }
    }

    pub fn get(&self, origin: Origin) -> &T {
        match origin {
            Origin::Loopback => &self.loopback,
            Origin::Network => &self.network,
            Origin::Anyone => &self.anyone,
        }
    }

    pub fn as_ref(&self) -> PerOrigin<&T> {
        PerOrigin { loopback: &self.loopback, network: &self.network, anyone: &self.anyone }
    }

    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> PerOrigin<U> {
        PerOrigin {
            loopback: change(self.loopback),
            network: change(self.network),
            anyone: change(self.anyone),
        }
    }

    /// Both values of each origin side by side.
    pub fn zip<U>(self, other: PerOrigin<U>) -> PerOrigin<(T, U)> {
        PerOrigin {
            loopback: (self.loopback, other.loopback),
            network: (self.network, other.network),
            anyone: (self.anyone, other.anyone),
        }
    }

    pub fn any(&self, is: impl Fn(&T) -> bool) -> bool {
        is(&self.loopback) || is(&self.network) || is(&self.anyone)
    }

    pub fn all(&self, is: impl Fn(&T) -> bool) -> bool {
        is(&self.loopback) && is(&self.network) && is(&self.anyone)
    }
}

/// One value for each family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Both<T> {
    #[serde(rename = "inet")]
    pub v4: T,
    #[serde(rename = "inet6")]
    pub v6: T,
}

impl<T> Both<T> {
    /// The same for both families.
    pub fn same(value: T) -> Self
    where
        T: Clone,
    {
        Both { v4: value.clone(), v6: value }
    }

    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Both<U> {
        Both { v4: change(self.v4), v6: change(self.v6) }
    }

    /// Both values of each family side by side.
    pub fn zip<U>(self, other: Both<U>) -> Both<(T, U)> {
        Both { v4: (self.v4, other.v4), v6: (self.v6, other.v6) }
    }

    pub fn any(&self, is: impl Fn(&T) -> bool) -> bool {
        is(&self.v4) || is(&self.v6)
    }

    pub fn all(&self, is: impl Fn(&T) -> bool) -> bool {
        is(&self.v4) && is(&self.v6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_origin_has_the_name_that_is_printed() {
        let named = PerOrigin::of(|origin| origin.to_string());
        for origin in Origin::ALL {
            assert_eq!(*named.get(origin), serde_json::to_value(origin).unwrap());
        }
        let json = serde_json::to_value(&named).unwrap();
        assert!(Origin::ALL.iter().all(|origin| json[origin.to_string()] == origin.to_string()), "{json}");
    }

    #[test]
    fn what_is_zipped_stays_in_its_place() {
        let zipped = PerOrigin::of(|origin| origin).zip(PerOrigin::of(|origin| origin));
        assert!(zipped.all(|(one, other)| one == other));
        assert_eq!(
            Both { v4: 4, v6: 6 }.zip(Both { v4: 4, v6: 6 }).map(|(a, b)| a * b),
            Both { v4: 16, v6: 36 }
        );
    }
}
