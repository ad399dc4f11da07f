//! TOML text to a [`Recipe`], with errors that name line and nearest key.

use super::{Recipe, matcher};
use toml::de::{DeTable, DeValue};

const RECIPE_KEYS: &[&str] = &["precision", BLOCK, RANGE, "activations", "scheme", "weights", LAYER];
const LAYER_KEYS: &[&str] = &[MATCH, "precision", BLOCK, RANGE, "weights"];
const RANGE_KEYS: &[&str] = &["percentile"];
const BLOCK: &str = "block";
const RANGE: &str = "range";
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

/// Whether all keys are known and have strings as values, but for the tables of layers and of a range.
fn check_keys(text: &str, table: &DeTable<'_>, known: &[&str]) -> Result<(), String> {
    for (key, value) in table {
        check_known(text, key.get_ref(), key.span().start, known)?;
        let start = key.span().start;
        match (key.get_ref().as_ref(), value.get_ref()) {
            (LAYER, _) | (BLOCK, DeValue::Integer(_)) => {}
            (BLOCK, _) => return Err(at(text, start, "the value of `block` must be a number of inputs, such as 32")),
            (_, DeValue::String(_)) => {}
            (RANGE, DeValue::Table(range)) => {
                for (key, value) in range {
                    check_known(text, key.get_ref(), key.span().start, RANGE_KEYS)?;
                    if !matches!(value.get_ref(), DeValue::Integer(_) | DeValue::Float(_)) {
                        let message = format!("the value of `{}` must be a number", key.get_ref());
                        return Err(at(text, key.span().start, &message));
                    }
                }
            }
            (RANGE, _) => {
                let message = "the value of `range` must be a word in quotes or { percentile = 99.99 }";
                return Err(at(text, start, message));
            }
            (name, _) => return Err(at(text, start, &format!("the value of `{name}` must be a word in quotes"))),
        }
    }
    Ok(())
}

fn check_known(text: &str, name: &str, start: usize, known: &[&str]) -> Result<(), String> {
    if known.contains(&name) {
        return Ok(());
    }
    let nearest = known
        .iter()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity > 0.7)
        .map(|(_, known)| format!("did you mean `{known}`? "))
        .unwrap_or_default();
    let known = known.join(", ");
    Err(at(text, start, &format!("unknown key `{name}`; {nearest}known here are {known}")))
}

/// `message` with the line, from 1, that a byte of the text is on.
fn at(text: &str, offset: usize, message: &str) -> String {
    let newlines = text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
    format!("line {}: {message}", newlines + 1)
}
