use super::*;
use crate::range::Percentile;
use proptest::prelude::*;

const DOCUMENTED: &str = r#"
precision = "int8"
block = 32
range = "minmax"
activations = "u8"
scheme = "asymmetric"
weights = "per-channel"

[[layer]]
match = "fc3*"
precision = "float"
range = { percentile = 99.9 }
weights = "per-tensor"
"#;

fn parse(text: &str) -> Recipe {
    Recipe::from_toml(text, "r.toml").unwrap()
}

fn message(text: &str) -> String {
    Recipe::from_toml(text, "r.toml").unwrap_err().to_string()
}

fn recipe() -> impl Strategy<Value = Recipe> {
    fn range() -> impl Strategy<Value = RangeMethod> {
        let percentile = (50_000_000_001..=100_000_000_000_u64)
            .prop_map(|billionths| RangeMethod::Percentile(Percentile::new(billionths as f64 / 1e9).unwrap()));
        let named = prop::sample::select(vec![
            RangeMethod::MinMax,
            RangeMethod::Entropy,
            RangeMethod::Mse,
            RangeMethod::PowerOfTwoMinMax,
            RangeMethod::PowerOfTwoHistogram,
        ]);
        prop_oneof![percentile, named]
    }
    fn weights() -> impl Strategy<Value = Granularity> {
        prop::sample::select(vec![Granularity::PerChannel, Granularity::PerTensor])
    }
    fn precision() -> impl Strategy<Value = Precision> {
        prop::sample::select(Precision::ALL.to_vec())
    }
    fn block() -> impl Strategy<Value = Option<NonZeroU32>> {
        prop::option::of((1..=u32::MAX).prop_map(|block| NonZeroU32::new(block).unwrap()))
    }
    let pattern = r#"[a-z/."\\ \n*?_0-9é]{0,12}"#.prop_filter("a glob", |pattern| matcher(pattern).is_ok());
    let choices = (prop::option::of(precision()), block(), prop::option::of(range()), prop::option::of(weights()));
    let layer = (pattern, choices).prop_map(|(pattern, (precision, block, range, weights))| LayerChoice {
        pattern,
        precision,
        block,
        range,
        weights,
    });
    let activations = prop::sample::select(vec![ActivationType::U8, ActivationType::I8]);
    let scheme = prop::sample::select(vec![Scheme::Asymmetric, Scheme::Symmetric]);
    let layers = prop::collection::vec(layer, 0..4);
    (precision(), block(), range(), activations, scheme, weights(), layers).prop_map(
        |(precision, block, range, activations, scheme, weights, layers)| Recipe {
            precision,
            block,
            range,
            activations,
            scheme,
            weights,
            layers,
        },
    )
}

proptest! {
    #[test]
    fn toml_gives_the_recipe_back(recipe in recipe()) {
        let text = recipe.to_toml();
        prop_assert_eq!(&parse(&text), &recipe, "{}", text);
        prop_assert_eq!(parse(&text).to_toml(), text);
    }

    #[test]
    fn changed_and_cut_text_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), end in any::<prop::sample::Index>()) {
        let mut bytes = DOCUMENTED.as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..end.index(bytes.len())]] {
            if let Ok(recipe) = Recipe::from_toml(&String::from_utf8_lossy(bytes), "r.toml") {
                prop_assert_eq!(parse(&recipe.to_toml()), recipe);
            }
        }
    }

    #[test]
    fn random_text_never_panics(text in ".{0,200}") {
        let _ = Recipe::from_toml(&text, "r.toml");
    }

    /// Against the rule said directly: the last matching entry with a choice decides.
    #[test]
    fn the_last_matching_choice_decides(recipe in recipe(), names in prop::collection::vec("[a-z]{0,3}", 1..5)) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let matching = |name: &str| -> Vec<&LayerChoice> {
            recipe.layers.iter().rev().filter(|choice| matcher(&choice.pattern).unwrap().is_match(name)).collect()
        };
        let Ok(layers) = recipe.for_layers(&names) else {
            let idle = |choice: &&LayerChoice| !names.iter().any(|name| matching(name).contains(choice));
            prop_assert!(recipe.layers.iter().any(|choice| idle(&choice)));
            return Ok(());
        };
        prop_assert_eq!(layers.len(), names.len());
        for (layer, name) in layers.iter().zip(&names) {
            let choices = matching(name);
            prop_assert_eq!(layer.precision, choices.iter().find_map(|choice| choice.precision).unwrap_or(recipe.precision));
            prop_assert_eq!(layer.block, choices.iter().find_map(|choice| choice.block).or(recipe.block));
            prop_assert_eq!(layer.range, choices.iter().find_map(|choice| choice.range).unwrap_or(recipe.range));
            prop_assert_eq!(layer.weights, choices.iter().find_map(|choice| choice.weights).unwrap_or(recipe.weights));
        }
    }
}

#[test]
fn the_documented_recipe_means_what_it_says() {
    let recipe = parse(DOCUMENTED);
    assert_eq!(recipe.for_layers(&["fc1", "fc3", "fc30"]).unwrap(), {
        let default = LayerRecipe {
            precision: Precision::Int8,
            block: NonZeroU32::new(32),
            range: RangeMethod::MinMax,
            weights: Granularity::PerChannel,
        };
        let fc3 = LayerRecipe {
            precision: Precision::Float,
            block: NonZeroU32::new(32),
            range: RangeMethod::Percentile(Percentile::new(99.9).unwrap()),
            weights: Granularity::PerTensor,
        };
        [default, fc3, fc3]
    });
    assert_eq!(format!("\n{}", recipe.to_toml()), DOCUMENTED);
}

#[test]
fn an_empty_recipe_is_the_default() {
    assert_eq!(parse(""), Recipe::default());
    assert_eq!(
        Recipe::default().to_toml(),
        "precision = \"int8\"\nrange = \"minmax\"\nactivations = \"u8\"\nscheme = \"asymmetric\"\nweights = \"per-channel\"\n"
    );
}

#[test]
fn every_way_to_write_a_percentile() {
    let range = |text: &str| parse(text).range;
    let percentile = |percent| RangeMethod::Percentile(Percentile::new(percent).unwrap());
    assert_eq!(range("range = \"percentile\""), percentile(99.99));
    assert_eq!(range("range = { percentile = 99 }"), percentile(99.0));
    assert_eq!(range("range.percentile = 99.9"), percentile(99.9));
    assert_eq!(range("[range]\npercentile = 1e2"), percentile(100.0));
    assert!(parse("range = \"percentile\"").to_toml().contains("\nrange = { percentile = 99.99 }\n"));
}

#[test]
fn later_entries_win_choice_by_choice() {
    let recipe = parse(
        r#"
        [[layer]]
        match = "*"
        weights = "per-tensor"
        precision = "float"
        [[layer]]
        match = "/net/*"
        precision = "int8"
        "#,
    );
    let layers = recipe.for_layers(&["head", "/net/deep/fc"]).unwrap();
    assert_eq!(layers.iter().map(|layer| layer.precision).collect::<Vec<_>>(), [Precision::Float, Precision::Int8]);
    assert!(layers.iter().all(|layer| layer.weights == Granularity::PerTensor));
}

#[test]
fn unknown_keys_name_line_and_nearest_key() {
    assert_eq!(
        message("range = \"minmax\"\nactivation = \"u8\"\n"),
        "r.toml: line 2: unknown key `activation`; did you mean `activations`? known here are precision, block, range, activations, scheme, weights, layer"
    );
    assert_eq!(
        message("[[layer]]\nmatch = \"a\"\n\n[[layer]]\nmatch = \"b\"\nprecison = \"float\"\n"),
        "r.toml: line 6: unknown key `precison`; did you mean `precision`? known here are match, precision, block, range, weights"
    );
    assert_eq!(
        message("[[layer]]\nzzz = 1\n"),
        "r.toml: line 2: unknown key `zzz`; known here are match, precision, block, range, weights"
    );
    assert!(message("[[layers]]\nmatch = \"a\"\n").contains("line 1: unknown key `layers`; did you mean `layer`?"));
}

#[test]
fn wrong_values_and_syntax_name_the_line() {
    for (text, expected) in [
        (
            "\nrange = \"min-max\"\n",
            "line 2: unknown variant `min-max`, expected one of `minmax`, `percentile`, `entropy`,",
        ),
        ("range = \"power-of-two\"\n", "`power-of-two-minmax`, `power-of-two-histogram`"),
        ("\nrange = 99.9\n", "line 2: the value of `range` must be a word in quotes or { percentile = 99.99 }"),
        ("range = { percentile = \"99\" }\n", "line 1: the value of `percentile` must be a number"),
        ("\nrange = { percent = 99 }\n", "line 2: unknown key `percent`; did you mean `percentile`?"),
        ("range = {}\n", "line 1: missing field `percentile`"),
        (
            "range = { percentile = 50 }\n",
            "line 1: invalid value: floating point `50.0`, expected a percentile above 50",
        ),
        (
            "range = { percentile = nan }\n",
            "line 1: invalid value: floating point `NaN`, expected a percentile above 50",
        ),
        ("[[layer]]\nmatch = \"a\"\nrange = { percentile = 100.1 }\n", "line 3: invalid value"),
        ("activations = \"u4\"\n", "line 1: unknown variant `u4`, expected `u8` or `i8`"),
        ("scheme = \"affine\"\n", "line 1: unknown variant `affine`, expected `asymmetric` or `symmetric`"),
        ("\nweights = 3\n", "line 2: the value of `weights` must be a word in quotes"),
        ("activations = \"u8\"\nrange = \n", "line 2: "),
        ("range = \"minmax\"\nrange = \"minmax\"\n", "line 2: "),
        ("layer = 3\n", "line 1: choices for layers stand below [[layer]]"),
        ("layer = [3]\n", "line 1: choices for layers stand below [[layer]]"),
        ("\n[layer]\nmatch = \"a\"\n", "line 2: choices for layers stand below [[layer]]"),
        ("[[layer]]\nmatch = 3\n", "line 2: the value of `match` must be a word in quotes"),
        ("[[layer]]\nprecision = \"float\"\n", "line 1: missing field `match`"),
        ("block = \"many\"\n", "line 1: the value of `block` must be a number of inputs, such as 32"),
        ("block = 0\n", "line 1: invalid value: integer `0`, expected a nonzero u32"),
        (
            "precision = \"int4\"\n",
            "line 1: unknown variant `int4`, expected one of `int8`, `dynamic`, `int8-weights`, `int4-weights`, `float`",
        ),
        ("[[layer]]\n\nmatch = \"fc[1\"\n", "line 3: \"fc[1\" is not a pattern: unclosed character class"),
    ] {
        let message = message(text);
        assert!(message.starts_with("r.toml: ") && message.contains(expected), "{message:?} lacks {expected:?}");
    }
}

/// Each of these would take a parser without limits down with the stack.
#[test]
fn deep_nesting_is_refused() {
    for text in [
        format!("range = {}", "[".repeat(300_000)),
        format!("range{} = 1", ".a".repeat(300_000)),
        format!("[range{}]", ".a".repeat(300_000)),
        format!("range = {}", "{a=".repeat(300_000)),
        format!("[[layer]]\nmatch = \"{}{}\"", "{a,".repeat(100_000), "}".repeat(100_000)),
        format!("[[layer]]\nmatch = \"{}{}\"", "{a,".repeat(250), "}".repeat(250)),
    ] {
        let message = message(&text);
        assert!(message.len() < 1200, "{message}");
    }
}

#[test]
fn a_pattern_without_layer_lists_all_of_few_layers() {
    let recipe = parse("[[layer]]\nmatch = \"fc9\"\n");
    assert_eq!(
        recipe.for_layers(&["fc1", "head"]).unwrap_err().to_string(),
        "the recipe's pattern \"fc9\" matches no layer; the layers are \"fc1\", \"head\""
    );
    assert!(recipe.for_layers(&[]).unwrap_err().to_string().contains("the model has no layer"));
}

#[test]
fn a_pattern_without_layer_lists_the_nearest_of_many() {
    let names: Vec<String> = (0..500).map(|i| format!("/encoder/layer.{i}/attention")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.insert(250, "classifier");
    let message = parse("[[layer]]\nmatch = \"clasifier\"\n").for_layers(&names).unwrap_err().to_string();
    assert!(message.contains("the nearest of 501 layer names are \"classifier\", "), "{message}");
    assert!(message.len() < 600, "{message}");
}

#[test]
fn a_built_recipe_with_a_broken_pattern_is_refused() {
    let layers = vec![LayerChoice { pattern: "a{".to_owned(), ..LayerChoice::default() }];
    let error = Recipe { layers, ..Recipe::default() }.for_layers(&["a"]).unwrap_err();
    assert!(error.to_string().contains("\"a{\" is not a pattern"), "{error}");
}

#[test]
fn files_that_are_no_recipe_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("r.toml");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Recipe::load(&path).map_err(|error| error.to_string())
    };
    assert_eq!(load(DOCUMENTED.as_bytes()), Ok(parse(DOCUMENTED)));
    let name = path.display();
    assert!(load(b"range = \"\xff\"").unwrap_err().starts_with(&format!("{name}: a recipe is TOML text, but")));
    assert_eq!(
        load(&vec![b'#'; (1 << 20) + 1]).unwrap_err(),
        format!("{name}: larger than 1048576 bytes, so not a recipe")
    );
    let missing = directory.path().join("missing.toml");
    let error = Recipe::load(&missing).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: cannot be read: ", missing.display())), "{error}");
    assert!(Recipe::load(directory.path()).is_err());
}
