//! The compounds of launch.json, which start several configurations by their names.

use std::collections::BTreeSet;

use serde_json::Value;

/// A compound that names a configuration which is not there: the editor starts none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostCompound {
    /// Its file, below the project's folder.
    pub file: String,
    pub name: String,
    /// The name that no configuration has.
    pub missing: String,
}

/// The compounds of all files, and the names of all configurations.
#[derive(Default)]
pub struct Compounds {
    names: BTreeSet<String>,
    wanted: Vec<LostCompound>,
}

impl Compounds {
    /// Adds those of a `launch.json`, or of the `launch` in settings or a `.code-workspace`.
    pub fn add(&mut self, file: &str, json: &Value) {
        let launch = json.get("launch").unwrap_or(json);
        let list = |of: &Value, key: &str| of.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
        self.names.extend(list(launch, "configurations").iter().filter_map(name));
        for compound in list(launch, "compounds") {
            // One of another folder is written with that: { "name": "x", "folder": "y" }.
            let wanted = list(&compound, "configurations").into_iter();
            let wanted = wanted.filter_map(|one| one.as_str().map(str::to_owned).or_else(|| name(&one)));
            self.wanted.extend(wanted.map(|missing| LostCompound {
                file: file.to_owned(),
                name: name(&compound).unwrap_or_else(|| "unnamed".to_owned()),
                missing,
            }));
        }
    }

    /// Those that name a configuration which no file has.
    pub fn lost(self) -> Vec<LostCompound> {
        let Compounds { names, wanted } = self;
        wanted.into_iter().filter(|compound| !names.contains(&compound.missing)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_names_that_no_configuration_has() {
        let mut compounds = Compounds::default();
        compounds.add(
            "a",
            &json!({
                "configurations": [{ "name": "dlv" }, { "type": "go" }, 7],
                "compounds": [
                    { "name": "both", "configurations": ["dlv", { "name": "web", "folder": "b" }] },
                    { "configurations": ["dvl", 7] }, { "name": "none" },
                ],
            }),
        );
        compounds.add("b", &json!({ "launch": { "configurations": [{ "name": "web" }] } }));
        let lost = LostCompound { file: "a".into(), name: "unnamed".into(), missing: "dvl".into() };
        assert_eq!(compounds.lost(), [lost]);
    }
}
