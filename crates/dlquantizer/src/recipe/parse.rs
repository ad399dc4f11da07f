//! TOML text to a [`Recipe`], with errors that name line and nearest key.

use super::{Recipe, matcher};
use toml::de::{DeTable, DeValue};

const RECIPE_KEYS: &[&str] = &["range", "activations", "weights", LAYER];
const LAYER_KEYS: &[&str] = &[MATCH, "precision", "range", "weights"];
const LAYER: &str = "layer";
const MATCH: &str = "match";

/// The recipe, or what is wrong with the text.
///
/// The keys are checked before the types, as an error about types knows neither near names nor, for a misspelt key, what
/// was meant.
pub(super) fn parse(text: &str) -> Result<Recipe, String> {
    let describe = |error: toml::de::Error| match error.span() {
        Some(span) => at(text, span.start, error.message()),
        None => error.message().to_owned(),
    };
    let table = DeTable::parse(text).map_err(describe)?.into_inner();
    check_keys(text, &table, RECIPE_KEYS)?;
    if let Some(value) = table.get(LAYER) {
        let not_tables =
            || at(text, value.span().start, "choices for layers stand below [[layer]], in double brackets");
        let DeValue::Array(layers) = value.get_ref() else { return Err(not_tables()) };
        for layer in layers.iter() {
            let DeValue::Table(layer) = layer.get_ref() else { return Err(not_tables()) };
            check_keys(text, layer, LAYER_KEYS)?;
            if let Some((pattern, start)) =
                layer.get(MATCH).and_then(|value| Some((value.get_ref().as_str()?, value.span().start)))
            {
                matcher(pattern).map_err(|reason| at(text, start, &reason))?;
            }
        }
    }
    toml::from_str(text).map_err(describe)
}

/// Whether all keys are known and, but for the tables of layers, have strings as values.
fn check_keys(text: &str, table: &DeTable<'_>, known: &[&str]) -> Result<(), String> {
    for (key, value) in table {
        let (name, start): (&str, _) = (key.get_ref(), key.span().start);
        if !known.contains(&name) {
            let nearest = known
                .iter()
                .map(|known| (strsim::jaro_winkler(known, name), known))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|(similarity, _)| *similarity > 0.7)
                .map(|(_, known)| format!("did you mean `{known}`? "))
                .unwrap_or_default();
            let known = known.join(", ");
            return Err(at(text, start, &format!("unknown key `{name}`; {nearest}known here are {known}")));
        }
        if name != LAYER && !value.get_ref().is_str() {
            return Err(at(text, start, &format!("the value of `{name}` must be a word in quotes")));
        }
    }
    Ok(())
}

/// `message` with the line, from 1, that a byte of the text is on.
fn at(text: &str, offset: usize, message: &str) -> String {
    let newlines = text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
    format!("line {}: {message}", newlines + 1)
}
