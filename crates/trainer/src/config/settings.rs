//! A configuration as a flat list, to tell in what two of them differ.

use std::collections::BTreeMap;

use toml::Value;

/// Every value of a TOML text under the way to it, as `optimizer.learning_rate`. Tables of an array go by their `name`, as in
/// `layer.fc1.units`, or else by their number from 1.
///
/// # Errors
///
/// If the text is no TOML.
pub fn flat_settings(text: &str) -> Result<BTreeMap<String, String>, toml::de::Error> {
    let mut settings = BTreeMap::new();
    flatten("", &Value::Table(text.parse()?), &mut settings);
    Ok(settings)
}

/// The first setting, but for those in `except`, that is not the same in both, with its values.
pub(crate) fn first_difference(
    a: &BTreeMap<String, String>,
    b: &BTreeMap<String, String>,
    except: &[&str],
) -> Option<(String, [Option<String>; 2])> {
    let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
    names.sort();
    let differing: Vec<&String> =
        names.into_iter().filter(|name| !except.contains(&name.as_str()) && a.get(*name) != b.get(*name)).collect();
    // One that both have tells more than one that follows from it being another.
    let in_both = differing.iter().find(|name| a.contains_key(**name) && b.contains_key(**name));
    let differing = *in_both.or(differing.first())?;
    Some((differing.clone(), [a, b].map(|settings| settings.get(differing).cloned())))
}

fn flatten(path: &str, value: &Value, settings: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                flatten(&below(key), value, settings);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (number, item) in (1..).zip(items) {
                let name = item.get("name").and_then(Value::as_str);
                flatten(&below(&name.map_or_else(|| number.to_string(), str::to_owned)), item, settings);
            }
        }
        Value::String(text) => {
            settings.insert(path.to_owned(), text.clone());
        }
        other => {
            settings.insert(path.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_by_the_way_to_them() {
        let text = "seed = 1\n[optimizer]\nrate = 0.5\n[[layer]]\nname = 'fc1'\nunits = 4\n[[layer]]\nsize = [2, 3]";
        let settings = flat_settings(text).unwrap();
        let expected = [
            ("layer.2.size", "[2, 3]"),
            ("layer.fc1.name", "fc1"),
            ("layer.fc1.units", "4"),
            ("optimizer.rate", "0.5"),
            ("seed", "1"),
        ];
        assert!(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).eq(expected));
        assert!(flat_settings("=").is_err());
    }

    #[test]
    fn the_first_difference_is_told_with_both_values() {
        let [a, b] = ["Z = 0\na = 1\nb = 2\nc = 3", "a = 2\nb = 2\nd = 4"].map(|text| flat_settings(text).unwrap());
        let value = |text: &str| Some(text.to_owned());
        assert_eq!(first_difference(&a, &b, &[]), Some(("a".to_owned(), [value("1"), value("2")])));
        assert_eq!(first_difference(&a, &b, &["a"]), Some(("Z".to_owned(), [value("0"), None])));
        assert_eq!(first_difference(&a, &a, &[]), None);
    }
}
