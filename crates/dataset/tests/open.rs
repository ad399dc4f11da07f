//! Finding the files of a data set by their names.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::Write;
use std::path::Path;

use dataset::{Dataset, Error, OpenOptions, Part, Problem, Scale, Stream, write_npy};
use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::Array;
use tempfile::TempDir;

/// A directory with these files in it.
fn directory(files: &[(&str, Vec<u8>)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    directory
}

fn open(path: impl AsRef<Path>, part: Part) -> Result<Dataset, Error> {
    Dataset::open(path, &OpenOptions::new(part))
}

/// A .npy file of one sample holding `value`, which tells in a test which file was read.
fn npy(value: f32) -> Vec<u8> {
    write_npy(&Array::from_elem((1, 1), value).into_dyn().view())
}

/// An IDX file of unsigned bytes.
fn idx(values: &[u8]) -> Vec<u8> {
    [&[0, 0, 8, 1, 0, 0, 0, values.len() as u8], values].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn first_value(dataset: Result<Dataset, Error>) -> f32 {
    *dataset.unwrap().inputs()[0].samples.first().unwrap()
}

const PARTS: [Part; 3] = [Part::Train, Part::Calibration, Part::Test];

#[test]
fn parts_are_files_or_subdirectories() {
    let directory = directory(&[
        ("Train.NPY", npy(1.0)),
        ("calibration/anything.npy", npy(2.0)),
        ("calibration/notes.txt", vec![]),
        ("test.idx.gz", gzip(&idx(&[3]))),
        ("model.onnx", vec![]),
        ("other.npy", npy(4.0)),
    ]);
    assert_eq!(PARTS.map(|part| first_value(open(directory.path(), part))), [1.0, 2.0, 3.0]);
    let file = directory.path().join("other.npy");
    assert_eq!(PARTS.map(|part| first_value(open(&file, part))), [4.0; 3]);
}

#[test]
fn the_names_of_mnist_are_known() {
    let directory = directory(&[
        ("train-images-idx3-ubyte", idx(&[1, 2])),
        ("train-labels-idx1-ubyte", idx(&[5, 6])),
        // Both forms of one file, as some downloaders leave them.
        ("t10k-images-idx3-ubyte", idx(&[3])),
        ("t10k-images-idx3-ubyte.gz", gzip(&idx(&[3]))),
        ("t10k-labels-idx1-ubyte.gz", gzip(&idx(&[7]))),
    ]);
    let train = open(directory.path(), Part::Train).unwrap();
    assert_eq!((train.len(), train.labels()), (2, Some(&[5, 6][..])));
    let test = open(directory.path(), Part::Test).unwrap();
    assert_eq!((test.len(), test.labels()), (1, Some(&[7][..])));
    let error = open(directory.path().join("t10k-labels-idx1-ubyte.gz"), Part::Test).unwrap_err();
    assert!(error.to_string().contains("these are labels"), "{error}");
}

#[test]
fn only_calibration_may_be_another_part() {
    let both = directory(&[("train.npy", npy(1.0)), ("test.npy", npy(2.0))]);
    assert_eq!(first_value(open(both.path(), Part::Calibration)), 1.0);
    for (file, part, there) in [
        ("train.npy", Part::Test, "only `train`"),
        ("calibration.npy", Part::Train, "only `calibration`"),
        ("calibration.npy", Part::Test, "only `calibration`"),
        ("test.npy", Part::Train, "only `test`"),
        ("test.npy", Part::Calibration, "only `test`"),
        ("x.npy", Part::Train, "none at all"),
    ] {
        let directory = directory(&[(file, npy(1.0))]);
        let error = open(directory.path(), part).unwrap_err();
        assert!(error.to_string().contains(&format!("no part `{part}`, {there}")), "{error}");
        assert_eq!(error.file(), Some(&*directory.path().display().to_string()));
    }
}

#[test]
fn a_part_in_two_files_is_refused() {
    let directory = directory(&[("test.npy", npy(1.0)), ("test/a.csv", vec![]), ("train.npy", npy(1.0))]);
    let error = open(directory.path(), Part::Test).unwrap_err();
    assert!(matches!(error.problem(), Problem::Part(_)));
    for name in ["test.npy", "a.csv"] {
        assert!(error.to_string().contains(name), "{error}");
    }
    assert!(open(directory.path(), Part::Train).is_ok());
}

#[test]
fn class_names_have_one_number_in_all_parts() {
    let directory = directory(&[
        ("train.csv", b"a,kind\n1,c\n2,a\n".into()),
        ("test.csv", b"a,kind\n1,c\n2,b\n".into()),
        ("calibration.csv", b"a,b\n1,2\n".into()),
    ]);
    let train = open(directory.path(), Part::Train).unwrap();
    let test = open(directory.path(), Part::Test).unwrap();
    assert_eq!((train.labels(), test.labels()), (Some(&[2, 0][..]), Some(&[2, 1][..])));
    assert_eq!(train.class_names().unwrap(), ["a", "b", "c"]);
    assert_eq!(test.class_names(), train.class_names());
    let options = OpenOptions::new(Part::Calibration).unlabelled();
    assert_eq!(Dataset::open(directory.path(), &options).unwrap().labels(), None);
    assert_eq!(open(directory.path().join("train.csv"), Part::Train).unwrap().labels(), Some(&[1, 0][..]));
}

#[test]
fn options_apply_where_they_can() {
    let labels = write_npy(&Array::from_vec(vec![4.0]).into_dyn().view());
    let directory = directory(&[("x.npy", npy(3.0)), ("x.labels.npy", labels), ("t.csv", b"y,a\n1,2\n".into())]);
    let npy = directory.path().join("x.npy");
    let options = OpenOptions::new(Part::Test);
    assert_eq!(Dataset::open(&npy, &options).unwrap().labels(), Some(&[4][..]));
    assert_eq!(Dataset::open(&npy, &options.clone().unlabelled()).unwrap().labels(), None);
    let error = Dataset::open(&npy, &options.clone().label_column("y")).unwrap_err();
    assert!(matches!(error.problem(), Problem::Request(_)), "{error}");
    let scaled = options.label_column("y").scale(Scale::new(0.5).unwrap());
    assert_eq!(first_value(Dataset::open(directory.path().join("t.csv"), &scaled)), 1.0);
}

#[test]
fn errors_name_the_file_that_is_wrong() {
    let directory = directory(&[
        ("x.npy", npy(1.0)),
        ("x.labels.npy", b"\x93NUMPY".into()),
        ("train.csv", b"a,y\n1,one\n".into()),
        ("test.csv", b"a,y\n1\n".into()),
        ("table.xlsx", vec![]),
        ("empty.csv", vec![]),
    ]);
    let error_for = |name: &str| open(directory.path().join(name), Part::Train).unwrap_err();
    for (name, culprit, expected) in [
        ("x.npy", "x.labels.npy", "ends within its header"),
        ("", "test.csv", "line 2"),
        ("table.xlsx", "table.xlsx", "unknown data format; supported are .npz, .npy, .csv, IDX"),
        ("empty.csv", "empty.csv", "the file is empty"),
        ("missing.npz", "missing.npz", "cannot be read: "),
    ] {
        let error = error_for(name);
        assert_eq!(error.file(), Some(&*directory.path().join(culprit).display().to_string()));
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_stream_gives_what_opening_gives() {
    let samples = Array::from_shape_fn((7, 2), |(i, j)| (2 * i + j) as f32).into_dyn();
    let labels = write_npy(&Array::from_vec(vec![0.0, 1.0, 5.0, 1.0, 0.0, 2.0, 1.0]).into_dyn().view());
    let table: String = (0..7).map(|i| format!("{},{i},k{}\n", 2 * i, i % 3)).collect();
    let directory = directory(&[
        ("x.npy", write_npy(&samples.view())),
        ("x.labels.npy", labels),
        ("t.csv", format!("a,b,y\n{table}").into()),
        ("train-images-idx3-ubyte.gz", gzip(&idx(&[3, 1, 4, 1, 5, 9, 2]))),
        ("train-labels-idx1-ubyte", idx(&[1, 0, 1, 0, 1, 0, 3])),
    ]);
    let options = OpenOptions::new(Part::Train).scale(Scale::new(0.5).unwrap());
    for (name, class_count) in [("x.npy", 6), ("t.csv", 3), ("train-images-idx3-ubyte.gz", 4)] {
        let path = directory.path().join(name);
        let whole = Dataset::open(&path, &options).unwrap();
        assert_eq!((whole.len(), whole.class_count()), (7, Some(class_count)), "{name}");
        for n in 0..9 {
            let mut stream = Stream::open(&path, &options).unwrap();
            assert_eq!((stream.len(), stream.class_count()), (Some(7), Some(class_count)));
            assert_eq!(stream.class_names(), whole.class_names());
            let mut next = 0;
            while let Some(piece) = stream.next(n).unwrap() {
                let indices: Vec<_> = (next..next + piece.len()).collect();
                assert_eq!(piece, whole.select(&indices).unwrap(), "{name} {n}");
                next += piece.len();
                assert!(piece.len() == n.max(1) || next == 7);
            }
            assert_eq!(next, 7);
        }
    }
    let unlabelled = OpenOptions::new(Part::Train).unlabelled();
    let numbers = self::directory(&[("t.csv", b"a,b\n1,2\n3,4\n".into())]);
    let mut table = Stream::open(numbers.path().join("t.csv"), &unlabelled).unwrap();
    assert_eq!((table.len(), table.class_count()), (None, None));
    table.next(1).unwrap();
    assert_eq!(table.len(), None);
    table.next(9).unwrap();
    assert_eq!(table.len(), Some(2));
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_parts_agree_on_the_classes() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let bytes = |name: &str| fs::read(data.join(name)).unwrap();
    let directory = directory(&[
        ("train.parquet", bytes("pyarrow-zstd.parquet")),
        ("test.parquet", bytes("pyarrow-snappy.parquet")),
        ("calibration.csv", b"a,kind\n1,aster\n".into()),
    ]);
    let train = open(directory.path(), Part::Train).unwrap();
    assert_eq!(train.class_names().unwrap(), ["iris", "rose"]);
    assert_eq!(open(directory.path(), Part::Test).unwrap(), train);
    let error = Dataset::open(directory.path(), &OpenOptions::new(Part::Test).unlabelled()).unwrap_err();
    assert!(error.to_string().contains("column `kind` holds neither numbers"), "{error}");
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_program_without_parquet_says_so() {
    let directory = directory(&[("train.parquet", vec![])]);
    let error = open(directory.path(), Part::Train).unwrap_err();
    assert!(error.to_string().contains("cargo feature `parquet`"), "{error}");
}

#[cfg(unix)]
#[test]
fn devices_are_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let endless = directory.path().join("x.csv");
    std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
    let error = open(&endless, Part::Train).unwrap_err();
    assert!(matches!(error.problem(), Problem::Unsupported(_)), "{error}");
}

#[test]
fn parts_have_names() {
    for part in PARTS {
        assert_eq!(part.to_string().parse::<Part>().unwrap(), part);
    }
    assert!("validation".parse::<Part>().is_err());
}
