//! Which crate of the workspace may depend on which: data flows one way, and so do dependencies.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::MetadataCommand;

/// Every arrow that may be, and no other; those of tests and build scripts count as well.
const ALLOWED: [(&str, &[&str]); 7] = [
    ("kernels", &[]),
    ("onnx-model", &[]),
    ("dataset", &[]),
    ("trainer", &["kernels", "onnx-model", "dataset"]),
    ("int8-inference", &["kernels", "onnx-model"]),
    ("dlquantizer", &["int8-inference", "onnx-model", "dataset"]),
    ("quantize-cli", &["kernels", "onnx-model", "dataset", "trainer", "int8-inference", "dlquantizer"]),
];

type Arrows = BTreeSet<(String, String)>;

/// The arrows from crates of the product that are not allowed.
fn forbidden(arrows: &Arrows) -> Vec<String> {
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    let is_wrong = |(from, to): &&(String, String)| {
        allowed.get(from.as_str()).is_some_and(|targets| !targets.contains(&to.as_str()))
    };
    arrows.iter().filter(is_wrong).map(|(from, to)| format!("{from} -> {to}")).collect()
}

#[test]
fn dependencies_point_one_way() {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace_tests::shipped("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .unwrap();
    let members: BTreeSet<String> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let known: BTreeSet<String> = ALLOWED.iter().map(|(name, _)| (*name).to_owned()).collect();
    let in_crates = metadata.packages.iter().filter(|package| {
        package
            .manifest_path
            .parent()
            .and_then(|path| path.parent())
            .is_some_and(|path| path.file_name() == Some("crates"))
    });
    let in_crates: BTreeSet<String> = in_crates.map(|package| package.name.to_string()).collect();
    assert_eq!(in_crates, known, "a crate was added or removed: say here what it may depend on");

    let mut arrows = Arrows::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            if members.contains(&dependency.name) {
                arrows.insert((package.name.to_string(), dependency.name.clone()));
            }
        }
    }
    assert!(arrows.contains(&("dlquantizer".to_owned(), "int8-inference".to_owned())), "{arrows:?}");
    assert_eq!(forbidden(&arrows), Vec::<String>::new());
}

#[test]
fn a_wrong_arrow_is_found() {
    let arrow = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let arrows = Arrows::from([
        arrow("trainer", "dataset"),
        arrow("kernels", "dataset"),
        arrow("int8-inference", "dlquantizer"),
        arrow("quantize-cli", "workspace-tests"),
        arrow("workspace-benches", "kernels"),
    ]);
    assert_eq!(
        forbidden(&arrows),
        ["int8-inference -> dlquantizer", "kernels -> dataset", "quantize-cli -> workspace-tests"]
    );
}
