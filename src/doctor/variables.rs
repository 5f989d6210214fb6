//! The variables of VS Code's files, as far as the folder says what they stand for.

use serde_json::Value;

/// What variables stand for.
pub struct Variables<'a> {
    /// The folder's or the workspace's settings.
    pub settings: &'a Value,
    /// The `inputs` of a launch.json.
    pub inputs: &'a Value,
}

impl Variables<'_> {
    /// Puts the setting in the place of each `${config:NAME}`, and behind each `${input:ID}` what it is unless another is
    /// chosen. What else the editor alone knows stays.
    pub fn fill_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.fill_in_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.fill_in(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.fill_in(field)),
            _ => {}
        }
    }

    fn fill_in_text(&self, text: &mut String) {
        let mut filled = String::new();
        let mut rest = text.as_str();
        while let Some((before, variable, after)) = next_variable(rest) {
            filled += before;
            match self.value_of(variable) {
                Some(value) => filled += &value,
                None => filled += &format!("${{{variable}}}"),
            }
            rest = after;
        }
        *text = filled + rest;
    }

    fn value_of(&self, variable: &str) -> Option<String> {
        let plain = |value: &Value| match value {
            Value::String(text) if !text.contains("${") => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        match variable.split_once(':')? {
            ("config", name) => plain(self.setting(name)?),
            ("input", id) => {
                let inputs = self.inputs.as_array()?;
                let input = inputs.iter().find(|input| input.get("id").is_some_and(|found| found == id))?;
                let default = plain(input.get("default")?)?;
                Some(format!("${{input:{id}}} (unless another is chosen: {default})"))
            }
            _ => None,
        }
    }

    /// A setting, by its whole name or by the objects on the way to it.
    fn setting(&self, name: &str) -> Option<&Value> {
        let nested = || name.split('.').try_fold(self.settings, |value, part| value.get(part));
        self.settings.get(name).or_else(nested)
    }
}

/// The text before the first variable, its inside, and the text behind it.
fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("${")?;
    let (inside, after) = rest.split_once('}')?;
    Some((before, inside, after))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_folder_says_is_filled_in() {
        let settings = json!({ "dlv.port": 4000, "dlv": { "host": "10.0.0.7" }, "loop": "${config:loop}" });
        let inputs = json!([{ "id": "port", "default": "2345" }, { "id": "none" }]);
        let variables = Variables { settings: &settings, inputs: &inputs };
        for (text, filled) in [
            ("${config:dlv.port}", "4000"),
            ("${config:dlv.host}:${config:dlv.port}/x", "10.0.0.7:4000/x"),
            ("${input:port}", "${input:port} (unless another is chosen: 2345)"),
            ("${input:none}", "${input:none}"),
            ("${env:PORT}", "${env:PORT}"),
            ("${config:loop}", "${config:loop}"),
            ("${config:nothing} ${ $x }", "${config:nothing} ${ $x }"),
            ("${", "${"),
        ] {
            let mut value = json!({ "a": [text] });
            variables.fill_in(&mut value);
            assert_eq!(value["a"][0], filled, "{text}");
        }
    }
}
