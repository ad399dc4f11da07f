//! TOML text to a [`Recipe`], with errors that name line and nearest key.

use super::{Recipe, matcher};
use toml::de::{DeTable, DeValue};

const RECIPE_KEYS: &[&str] = &["range", "activations", "weights", "layer"];
const LAYER_KEYS: &[&str] = &["match", "precision", "range", "weights"];

/// The recipe, or what is wrong with the text.
pub(super) fn parse(text: &str) -> Result<Recipe, String> {
    let table = DeTable::parse(text).map_err(|error| describe(text, &error))?;
    let table = table.into_inner();
    check_keys(text, &table, RECIPE_KEYS)?;
    if let Some(DeValue::Array(layers)) = table.get("layer").map(|value| value.get_ref()) {
        for layer in layers.iter() {
            if let DeValue::Table(layer) = layer.get_ref() {
                check_keys(text, layer, LAYER_KEYS)?;
                check_pattern(text, layer)?;
            }
        }
    }
    toml::from_str(text).map_err(|error| describe(text, &error))
}

fn check_keys(text: &str, table: &DeTable<'_>, known: &[&str]) -> Result<(), String> {
    for key in table.keys() {
        let name: &str = key.get_ref();
        if known.contains(&name) {
            continue;
        }
        let nearest = known
            .iter()
            .map(|known| (strsim::jaro_winkler(known, name), known))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .filter(|(similarity, _)| *similarity > 0.7)
            .map(|(_, known)| format!("did you mean `{known}`? "))
            .unwrap_or_default();
        return Err(format!(
            "line {}: unknown key `{name}`; {nearest}known here are {}",
            line(text, key.span().start),
            known.join(", ")
        ));
    }
    Ok(())
}

fn check_pattern(text: &str, layer: &DeTable<'_>) -> Result<(), String> {
    if let Some(value) = layer.get("match")
        && let DeValue::String(pattern) = value.get_ref()
    {
        matcher(pattern).map_err(|reason| format!("line {}: {reason}", line(text, value.span().start)))?;
    }
    Ok(())
}

fn describe(text: &str, error: &toml::de::Error) -> String {
    let message = error.message();
    match error.span() {
        Some(span) => format!("line {}: {message}", line(text, span.start)),
        None => message.to_owned(),
    }
}

/// The line, from 1, that a byte of the text is on.
fn line(text: &str, offset: usize) -> usize {
    let before = text.bytes().take(offset);
    1 + before.filter(|&byte| byte == b'\n').count()
}
