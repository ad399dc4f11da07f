use serde::Deserialize;

use super::*;

/// Settings as those of a training are built: nested tables, and kinds that serde reads before it knows them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only what is refused matters")]
struct Settings {
    seed: u64,
    rate: f64,
    #[serde(default)]
    shuffle: bool,
    #[serde(default, rename = "layer")]
    layers: Vec<Layer>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "only what is refused matters")]
enum Layer {
    Dense {
        name: String,
        units: usize,
        #[serde(default)]
        activation: Activation,
        init: Option<Init>,
    },
    MaxPool {
        name: String,
        size: [usize; 2],
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Activation {
    #[default]
    Relu,
    LeakyRelu {
        #[expect(dead_code, reason = "only what is refused matters")]
        slope: f32,
    },
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
#[expect(dead_code, reason = "only what is refused matters")]
enum Init {
    Constant { value: f32 },
}

const GOOD: &str = r#"seed = 3
rate = 0.5

[[layer]]
kind = "dense"
name = "relu"
units = 5
activation = "relu"
init = { kind = "constant", value = 5 }

[[layer]]
kind = "max-pool"
name = "value"
size = [
    2,
    2,
]
"#;

fn refusal(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    parse::<Settings>(&GOOD.replacen(from, to, 1)).unwrap_err()
}

#[test]
fn the_text_to_be_changed_is_good() {
    let settings: Settings = parse(GOOD).unwrap();
    assert_eq!(settings.layers.len(), 2);
}

#[test]
fn a_fault_that_every_layer_has_is_told_of_the_first() {
    let layer = "[[layer]]\nkind = \"dense\"\nname = \"fc\"\nunits = 5\n";
    let good = format!("seed = 3\nrate = 0.5\n{}", layer.repeat(2));
    assert!(parse::<Settings>(&good).is_ok());
    for (from, to, expected) in [
        ("units", "unit", "line 6: unknown key `unit`; did you mean `units`?"),
        ("\"dense\"", "\"dens\"", "line 4: unknown value \"dens\" of `kind`; did you mean `dense`?"),
        ("\"fc\"", "5.5", "line 5: the value of `name` must be a word in quotes, but is floating point `5.5`"),
    ] {
        let message = parse::<Settings>(&good.replace(from, to)).unwrap_err();
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn keys_and_values_are_named_with_their_own_line_and_the_nearest_name() {
    for (from, to, expected) in [
        ("seed", "sead", "line 1: unknown key `sead`; did you mean `seed`? known here are seed, rate, shuffle, layer"),
        (
            "units",
            "unit",
            "line 7: unknown key `unit`; did you mean `units`? known here are name, units, activation, init",
        ),
        (
            "\"dense\"",
            "\"dens\"",
            "line 5: unknown value \"dens\" of `kind`; did you mean `dense`? known here are dense, max-pool",
        ),
        ("n = \"relu\"", "n = \"rellu\"", "line 8: unknown value \"rellu\" of `activation`; did you mean `relu`?"),
        (
            "n = \"relu\"",
            "n = { leaky-rellu = { slope = 1 } }",
            "line 8: unknown key `leaky-rellu`; did you mean `leaky-relu`?",
        ),
        (
            "n = \"relu\"",
            "n = { leaky-relu = { slope = \"5\" } }",
            "line 8: the value of `slope` must be a number, but is string \"5\"",
        ),
        ("\"constant\"", "\"constent\"", "line 9: unknown value \"constent\" of `kind`; did you mean `constant`?"),
        ("value = 5", "value = 5, zzz = 1", "line 9: unknown key `zzz`; known here are value"),
        (
            "units = 5",
            "units = \"relu\"",
            "line 7: the value of `units` must be a whole number of 0 or more, but is string \"relu\"",
        ),
        (
            "units = 5",
            "units = -5",
            "line 7: the value of `units` must be a whole number of 0 or more, but is integer `-5`",
        ),
        (
            "units = 5",
            "units = 5.0",
            "line 7: the value of `units` must be a whole number of 0 or more, but is floating point `5.0`",
        ),
        ("name = \"relu\"", "name = 5", "line 6: the value of `name` must be a word in quotes, but is integer `5`"),
        (
            "    2,\n]",
            "    true,\n]",
            "line 16: the value of `size` must be a whole number of 0 or more, but is boolean `true`",
        ),
        ("rate = 0.5", "rate = []", "line 2: the value of `rate` must be a number, but is sequence"),
        (
            "rate = 0.5",
            "rate = 0.5\nshuffle = 1",
            "line 3: the value of `shuffle` must be true or false, but is integer `1`",
        ),
        ("kind = \"dense\"", "kin = \"dense\"", "line 4: the key `kind` is missing; is `kin` meant to be it?"),
        ("units = 5", "", "line 4: the key `units` is missing"),
        ("rate = 0.5", "", "the key `rate` is missing"),
        ("rate = 0.5", "rate = ", "line 2: "),
        ("rate = 0.5", "rate = 1\nrate = 2", "line 3: duplicate key"),
    ] {
        let message = refusal(from, to);
        assert!(message.contains(expected), "{to}: {message}");
    }
}

#[test]
fn a_name_that_is_right_elsewhere_is_not_blamed_there() {
    // `name` is a key of the layer and `units` the value of another one.
    let message = refusal("value = 5", "value = 5, name = 1");
    assert!(message.starts_with("line 9: unknown key `name`"), "{message}");
    let message = refusal("\"relu\"\nunits = 5\nactivation = \"relu\"", "\"tanh\"\nunits = 5\nactivation = \"tanh\"");
    assert!(message.starts_with("line 8: unknown value \"tanh\" of `activation`"), "{message}");
    let message = refusal("[[layer]]\nkind = \"max-pool\"", "[[layer]]\nkind = \"max-pool\"\nunits = 3");
    assert!(message.starts_with("line 13: unknown key `units`"), "{message}");
}
