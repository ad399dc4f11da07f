//! A [`Recipe`] to TOML text, one line for each choice.

use super::{LayerChoice, Recipe};
use serde::Serialize;

/// The text; a serializer would write the percentile of a range as a table of its own below all other choices.
pub(super) fn write(recipe: &Recipe) -> String {
    let Recipe { precision, block, range, activations, scheme, weights, layers } = recipe;
    let mut text = line("precision", precision)
        + &block.map(|block| line("block", &block)).unwrap_or_default()
        + &line("range", range)
        + &line("activations", activations)
        + &line("scheme", scheme)
        + &line("weights", weights);
    for LayerChoice { pattern, precision, block, range, weights } in layers {
        text += "\n[[layer]]\n";
        text += &line("match", pattern);
        text += &precision.map(|precision| line("precision", &precision)).unwrap_or_default();
        text += &block.map(|block| line("block", &block)).unwrap_or_default();
        text += &range.map(|range| line("range", &range)).unwrap_or_default();
        text += &weights.map(|weights| line("weights", &weights)).unwrap_or_default();
    }
    text
}

fn line(key: &str, value: &impl Serialize) -> String {
    let value = toml::Value::try_from(value).expect("strings, names of variants and percentiles are always TOML");
    format!("{key} = {value}\n")
}
