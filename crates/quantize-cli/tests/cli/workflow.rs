//! From samples to a validated int8 model, and the demo that does it all.

use std::fs;
use std::path::Path;

use dataset::{Dataset, OpenOptions, Part};
use onnx_model::Model;

use crate::support::{args, digits, files, json, names_in, quantize, refuse, run, stderr, stdout, succeed};

#[test]
fn each_step_tells_people_what_it_did() {
    let files = files();
    let directory = tempfile::tempdir().unwrap();
    let out = |name: &str| directory.path().join(name);

    let text = succeed(args!["calibrate", files.float, "--data", digits(), "-o", out("c.json")]);
    let header = text.lines().next().unwrap();
    let columns: Vec<&str> = header.split("  ").map(str::trim).filter(|column| !column.is_empty()).collect();
    let expected = ["Optimized Layer Name", "Network Layer Name", "Learnables / Activations", "MinValue", "MaxValue"];
    assert_eq!(columns[..5], expected);
    for kind in ["Weights", "Bias", "Activations"] {
        assert!(text.lines().any(|line| line.contains("fc2") && line.contains(kind)), "{text}");
    }
    assert!(text.contains("1,200 samples"), "{text}");

    let text = succeed(args!["prepare", files.float, "-o", out("prepared.onnx")]);
    assert!(text.contains("normalize.sub + normalize.div + fc1"), "{text}");
    let text = succeed(args!["emit", files.float, "--calibration", out("c.json"), "-o", out("int8.onnx")]);
    assert!(text.contains("dense+relu") && text.contains("of the size"), "{text}");
    let text = succeed(args!["validate", files.float, out("int8.onnx"), "--data", digits(), "--max-drop", "0.2"]);
    assert!(text.contains("pass: top1 drop") && text.contains("597 samples"), "{text}");
    let text = succeed(args!["run", out("int8.onnx"), "--data", digits(), "-o", out("y.npy")]);
    assert!(text.contains("[597, 10]"), "{text}");
    let text = succeed(args!["inspect", out("int8.onnx")]);
    assert!(text.contains("opset 21") && text.contains("64 -> 256, u8 x s8 -> u8"), "{text}");
    assert!(!text.contains("Lowest Sum"), "{text}");
    let text = succeed(args!["inspect", out("int8.onnx"), "--certificate"]);
    assert!(text.lines().any(|line| line.contains("Lowest Sum") && line.contains("Pair Sums")), "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 200), "{text}");
    let text = succeed(args!["bench", out("int8.onnx"), "--batch", "1", "--seconds", "0.01"]);
    assert!(text.contains("Samples/s"), "{text}");
}

#[test]
fn a_prepared_model_is_the_same_function_and_stays_as_it_is() {
    let files = files();
    let directory = tempfile::tempdir().unwrap();
    let out = |name: &str| directory.path().join(name);
    succeed(args!["prepare", files.float, "-o", out("once.onnx")]);
    succeed(args!["prepare", out("once.onnx"), "-o", out("twice.onnx")]);
    assert_eq!(Model::open(out("once.onnx")).unwrap(), Model::open(out("twice.onnx")).unwrap());

    let results = |model: &Path, name: &str| {
        succeed(args!["run", model, "--data", digits(), "-o", out(name)]);
        Dataset::open(out(name), &OpenOptions::new(Part::Test)).unwrap().inputs()[0].samples.clone()
    };
    let (given, prepared) = (results(&files.float, "given.npy"), results(&out("once.onnx"), "prepared.npy"));
    let largest = given.iter().zip(&prepared).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest < 1e-4, "{largest}");
}

#[test]
fn a_drop_above_the_limit_is_exit_code_1() {
    let files = files();
    let output = run(args!["validate", files.float, files.int8, "--data", digits(), "--max-drop", "-0.5"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).contains("FAIL"), "{}", stdout(&output));
}

#[test]
fn taps_keep_their_types() {
    let files = files();
    let directory = tempfile::tempdir().unwrap();
    let npz = directory.path().join("tensors.npz");
    let command = ["run", "--tap", "x_quantized", "--tap", "fc1.relu.output", "--samples", "5", "-o"];
    let report = json(
        args!["run", files.int8, "--data", digits(), "-o", npz].into_iter().chain(command[1..7].iter().map(Into::into)),
    );
    let types: Vec<_> = report["tensors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tensor| (tensor["name"].as_str().unwrap(), tensor["type"].as_str().unwrap(), tensor["shape"].to_string()))
        .collect();
    assert_eq!(
        types,
        [
            ("logits", "f32", "[5,10]".to_owned()),
            ("x_quantized", "u8", "[5,64]".to_owned()),
            ("fc1.relu.output", "f32", "[5,256]".to_owned()),
        ]
    );

    // The pixels 0 to 16 in 255 steps, by the definition.
    let pixels = Dataset::open(digits(), &OpenOptions::new(Part::Test)).unwrap().take(5).unwrap();
    let bytes = fs::read(&npz).unwrap();
    let written = Dataset::from_npz("tensors.npz", &bytes).unwrap();
    let scale = 16.0_f32 / 255.0;
    let expected = pixels.inputs()[0].samples.mapv(|pixel| (pixel / scale).round_ties_even());
    assert_eq!(written.input("x_quantized").unwrap().samples, expected);
    assert!(bytes.windows(5).any(|text| text == b"'|u1'"));
}

#[test]
fn the_demo_leaves_files_that_its_next_commands_run_on() {
    let directory = tempfile::tempdir().unwrap();
    let output = quantize().arg("demo").current_dir(directory.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("Optimized Layer Name") && text.contains("pass: top1"), "{text}");
    for line in ["accuracy (held out)", "file size", "latency, batch 1", "latency, batch 256"] {
        assert!(text.contains(line), "{text}");
    }
    let demo = directory.path().join("quantize-demo");
    assert_eq!(names_in(&demo), ["digits", "digits.calibration.json", "digits.int8.onnx", "digits.onnx", "mlp.toml"]);

    let program = env!("CARGO_BIN_EXE_quantize");
    let commands: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix(program)).collect();
    assert_eq!(commands.len(), 7, "{text}");
    for command in commands {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        if arguments[0] == "bench" {
            arguments.extend(["--seconds", "0.01"]);
        }
        let output = quantize().args(&arguments).current_dir(directory.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}: {}", stderr(&output));
    }
}

/// Images of the digits, 8 x 8 grey, and the same values as an array.
#[test]
fn a_directory_of_images_calibrates_like_the_array_of_its_pixels() {
    let directory = tempfile::tempdir().unwrap();
    let images = directory.path().join("images");
    let mut values = Vec::new();
    for (name, seed) in [("one", 3u32), ("two", 11)] {
        std::fs::create_dir_all(images.join(name)).unwrap();
        for index in 0..5u32 {
            let pixel = |x: u32, y: u32| image::Luma([((x * 31 + y * 17 + index * 7) * seed % 256) as u8]);
            let picture = image::GrayImage::from_fn(8, 8, pixel);
            values.extend(picture.pixels().map(|pixel| f32::from(pixel.0[0])));
            picture.save(images.join(name).join(format!("{index}.png"))).unwrap();
        }
    }
    let array = ndarray::ArrayD::from_shape_vec(vec![10, 64], values).unwrap();
    let npy = directory.path().join("x.npy");
    std::fs::write(&npy, dataset::write_npy(&array.view())).unwrap();
    let calibrate = |data: &std::path::Path, flags: &[&str]| {
        let file = directory.path().join("c.json");
        let arguments = args!["calibrate", files().float, "--data", data, "-o", file];
        succeed(arguments.into_iter().chain(flags.iter().map(std::ffi::OsString::from)));
        std::fs::read(&file).unwrap()
    };
    assert_eq!(calibrate(&images, &["--color", "grey"]), calibrate(&npy, &[]));
    std::fs::write(images.join("one/broken.png"), b"no picture").unwrap();
    let refused =
        args!["calibrate", files().float, "--data", images, "-o", npy.with_extension("json"), "--color", "grey"];
    refuse(refused, &["broken.png"]);
    assert_eq!(calibrate(&images, &["--color", "grey", "--skip-bad", "1"]), calibrate(&npy, &[]));
}
