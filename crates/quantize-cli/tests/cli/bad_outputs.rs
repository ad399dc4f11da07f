//! Places that cannot be written to: an error at once, and whatever was there stays.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::support::{args, digits, files, names_in, refuse, root};

/// The arguments of every command that writes a file, to `out` with the ending it wants.
fn writers(out: &Path) -> Vec<Vec<OsString>> {
    let files = files();
    let config = root().join("mlp.toml");
    vec![
        args!["train", "--data", digits(), "--config", config, "-o", out].to_vec(),
        args!["prepare", files.float, "-o", out].to_vec(),
        args!["calibrate", files.float, "--data", digits(), "-o", out].to_vec(),
        args!["emit", files.float, "--calibration", files.calibration, "-o", out].to_vec(),
        args!["run", files.int8, "--data", digits(), "-o", out].to_vec(),
    ]
}

#[test]
fn a_directory_that_does_not_exist() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in writers(&directory.path().join("missing/y.npy")) {
        refuse(arguments, &["cannot write", "missing/y.npy", "create it first"]);
    }
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn a_directory_instead_of_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let taken = directory.path().join("y.npy");
    fs::create_dir(&taken).unwrap();
    for arguments in writers(&taken) {
        refuse(arguments, &["cannot write", "is a directory"]);
    }
    assert!(names_in(&taken).is_empty());
}

#[test]
fn a_file_that_is_read_only() {
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("y.npy");
    fs::write(&kept, "precious").unwrap();
    let mut permissions = fs::metadata(&kept).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&kept, permissions).unwrap();
    for arguments in writers(&kept) {
        refuse(arguments, &["cannot write", "y.npy", "read-only"]);
    }
    assert_eq!(fs::read_to_string(&kept).unwrap(), "precious");
    assert_eq!(names_in(directory.path()), ["y.npy"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk() {
    let full = Path::new("/dev/full");
    let calibrate = args!["calibrate", files().float, "--data", digits(), "-o", full];
    refuse(calibrate, &["cannot write /dev/full", "disk is full"]);
    refuse(args!["prepare", files().float, "-o", full], &["cannot write /dev/full", "disk is full"]);
}

#[test]
fn the_input_itself() {
    let files = files();
    let before = fs::read(&files.float).unwrap();
    let emit = args!["emit", files.float, "--calibration", files.calibration, "-o", files.float];
    refuse(emit, &["digits.onnx", "input file"]);
    refuse(args!["prepare", files.float, "-o", files.float], &["digits.onnx", "input file"]);
    assert!(fs::read(&files.float).unwrap() == before);
}

#[test]
fn the_samples_or_the_calibration_that_a_result_is_made_from() {
    let files = files();
    let directory = tempfile::tempdir().unwrap();
    let [data, calibration] = ["x.npy", "c.json"].map(|name| directory.path().join(name));
    let samples = ndarray::ArrayD::from_shape_fn(vec![20, 64], |index| (index[0] + index[1]) as f32 % 17.0);
    fs::write(&data, dataset::write_npy(&samples.view())).unwrap();
    fs::copy(&files.calibration, &calibration).unwrap();
    let before = [&data, &calibration].map(|path| fs::read(path).unwrap());
    refuse(args!["calibrate", files.float, "--data", data, "-o", data], &["x.npy", "input file"]);
    refuse(args!["run", files.int8, "--data", data, "-o", data], &["x.npy", "input file"]);
    refuse(args!["emit", files.float, "--calibration", calibration, "-o", calibration], &["c.json", "input file"]);
    assert!([&data, &calibration].map(|path| fs::read(path).unwrap()) == before);
}

#[test]
fn results_that_the_file_cannot_hold() {
    let directory = tempfile::tempdir().unwrap();
    let out = |name: &str| directory.path().join(name);
    let run = |name: &str| args!["run", files().int8, "--data", digits(), "-o", out(name)];
    refuse(run("y.txt"), &["y.txt", ".npz"]);
    let tapped = run("y.npy").into_iter().chain(["--tap", "x_quantized"].map(Into::into));
    refuse(tapped, &["y.npy", "2 results", ".npz"]);
    assert!(names_in(directory.path()).is_empty());
}

#[test]
fn a_demo_where_a_file_is_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    let taken = directory.path().join("demo");
    fs::write(&taken, "precious").unwrap();
    refuse(args!["demo", "-o", taken], &["cannot create", "demo"]);
    assert_eq!(fs::read_to_string(&taken).unwrap(), "precious");
}

#[test]
fn the_place_is_looked_at_before_the_work() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("diverges.toml");
    let text = fs::read_to_string(root().join("mlp.toml")).unwrap();
    let text = text.replace("learning_rate = 3e-3", "learning_rate = 1e30");
    fs::write(&config, text.replace("weight_decay = 0.2", "weight_decay = 0.0")).unwrap();
    let out = directory.path().join("missing/m.onnx");
    refuse(args!["train", "--data", digits(), "--config", config, "-o", out], &["cannot write"]);
}
