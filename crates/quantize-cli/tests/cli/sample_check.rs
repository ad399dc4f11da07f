//! What calibration says about its samples.

use std::fs;

use ndarray::ArrayD;

use crate::support::{args, digits, file, files, json, refuse, root, run, stderr, stdout, succeed};

#[test]
fn sound_samples_pass_and_their_agreement_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    let text = succeed(args!["calibrate", files().float, "--data", digits(), "-o", out, "--check"]);
    for part in ["Halves Apart, MinMax [%]", "with 95 % confidence at most 0.2493 % of new samples"] {
        assert!(text.contains(part), "no \"{part}\" in {text}");
    }
    let report = json(args!["calibrate", files().float, "--data", digits(), "-o", out]);
    let check = &report["check"];
    assert_eq!((&check["samples"], &check["findings"]), (&1200.into(), &serde_json::json!([])));
    assert_eq!(check["stability"].as_array().unwrap().len(), 4);
    assert!((check["novelty"]["rule_of_three"].as_f64().unwrap() - 0.0025).abs() < 1e-12);
    assert!(report["converged_after"].as_u64().is_some_and(|samples| samples < 1200), "{report}");
}

#[test]
fn a_few_samples_show_no_convergence() {
    let directory = tempfile::tempdir().unwrap();
    for samples in ["3", "300"] {
        let out = directory.path().join("c.json");
        let text = succeed(args!["calibrate", files().float, "--data", digits(), "-o", out, "--samples", samples]);
        assert!(text.contains("shows from 512 samples on"), "{text}");
    }
}

#[test]
fn samples_in_another_scale_than_in_training_fail_the_check() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("c.json");
    let calibrate = args!["calibrate", files().float, "--data", digits(), "-o", out, "--scale", "1/255"];
    let output = run(&calibrate);
    assert_eq!(output.status.code(), Some(0), "without a gate it is a warning");
    assert!(stderr(&output).contains("warning: input \"x\" has mean"), "{}", stderr(&output));
    for form in ["--check", "--csv", "--json"] {
        let output =
            run(calibrate.iter().cloned().chain(["--check".into()]).chain((form != "--check").then(|| form.into())));
        assert_eq!(output.status.code(), Some(1), "{form}: {}", stdout(&output));
    }
}

#[test]
fn noise_and_unscaled_pictures_are_noticed() {
    let data = root().join("calibration-data/fashion-mnist");
    let mut state = 5_u64;
    let noise = ArrayD::from_shape_fn(vec![200, 784], |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) % 256) as f32
    });
    let (directory, path) = file("noise.npy", &dataset::write_npy(&noise.view()));
    let out = directory.path().join("c.json");
    let output = run(args!["calibrate", data.join("mlp.onnx"), "--data", path, "-o", out]);
    assert!(stderr(&output).contains("looks like random noise (uniform values"), "{}", stderr(&output));
}

#[test]
fn samples_that_are_not_finite_are_told_of() {
    let mut samples = ArrayD::<f32>::ones(vec![30, 64]);
    for (position, value) in samples.iter_mut().enumerate() {
        *value = (position % 17) as f32;
    }
    samples[[3, 5]] = f32::NAN;
    let (directory, path) = file("x.npy", &dataset::write_npy(&samples.view()));
    let output = run(args!["calibrate", files().float, "--data", path, "-o", directory.path().join("c.json")]);
    assert!(stderr(&output).contains("tensor \"x\": 1 NaN and 0 infinite of 1920 values"), "{}", stderr(&output));
}

#[test]
fn enough_is_enough_for_any_batch_and_number_of_threads() {
    let directory = tempfile::tempdir().unwrap();
    let data = root().join("calibration-data/fashion-mnist");
    let mut first: Option<Vec<u8>> = None;
    for (batch, threads) in [("64", "1"), ("7", "2"), ("1000", "2")] {
        let out = directory.path().join("c.json");
        let work = ["--until-stable", "30", "--batch", batch, "--threads", threads];
        let report = json(
            args!["calibrate", data.join("mlp.onnx"), "--data", data, "-o", out]
                .into_iter()
                .chain(work.map(Into::into)),
        );
        assert_eq!(report["stopped_early"], true, "{}", report["samples"]);
        let bytes = fs::read(&out).unwrap();
        assert!(*first.get_or_insert_with(|| bytes.clone()) == bytes, "batch {batch}, {threads} threads");
    }
    let all = succeed(args!["calibrate", files().float, "--data", digits(), "-o", directory.path().join("d.json")]);
    assert!(all.contains("1,200 samples"), "{all}");
}

#[test]
fn samples_that_calibrated_prove_nothing() {
    let validate = |more: &[&str]| {
        let arguments = args!["validate", files().float, files().int8, "--data", digits(), "--part", "train"];
        run(arguments.into_iter().chain(more.iter().map(Into::into)))
    };
    let output = validate(&[]);
    assert_eq!(output.status.code(), Some(2));
    let error = stderr(&output);
    assert!(error.contains("32 of the 32 calibration samples that") && error.contains("--allow-overlap"), "{error}");
    assert_eq!(validate(&["--allow-overlap"]).status.code(), Some(0));
    // The calibration file knows more of its samples than the model.
    let calibration = files().calibration.to_str().unwrap();
    let error = stderr(&validate(&["--calibration", calibration, "--samples", "3"]));
    assert!(error.contains("of the 1024 calibration samples"), "{error}");
    let missing = args!["validate", files().float, files().int8, "--data", digits(), "--calibration", "no.json"];
    refuse(missing, &["no.json"]);
}
