//! Directories of images.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::path::Path;

use dataset::{
    Color, Dataset, Error, ImageOptions, Layout, Normalization, OpenOptions, Part, Problem, Resize, Scale, Size, Stream,
};
use image::{Rgb, RgbImage};
use ndarray::ArrayD;
use tempfile::TempDir;

/// Writes an image of this height and width whose pixels are `[value, y, x]`, in the format its name tells.
fn write(path: &Path, value: u8, height: u32, width: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    RgbImage::from_fn(width, height, |x, y| Rgb([value, y as u8, x as u8])).save(path).unwrap();
}

/// A directory with images of 2 x 3 pixels of these values.
fn directory(images: &[(&str, u8)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, value) in images {
        write(&directory.path().join(name), *value, 2, 3);
    }
    directory
}

fn options() -> OpenOptions {
    OpenOptions::new(Part::Calibration)
}

fn open(directory: &TempDir) -> Result<Dataset, Error> {
    Dataset::open(directory.path(), &options())
}

fn x(dataset: &Dataset) -> &ArrayD<f32> {
    &dataset.input("x").unwrap().samples
}

/// The first value of each sample, which tells the images apart.
fn values(dataset: &Dataset) -> Vec<f32> {
    x(dataset).outer_iter().map(|sample| *sample.first().unwrap()).collect()
}

#[test]
fn subdirectories_are_classes() {
    let directory =
        directory(&[("rose/2.png", 20), ("rose/10.png", 10), ("aster/z.PNG", 5), ("iris/a.png", 7), (".git/a.png", 1)]);
    fs::write(directory.path().join("rose/notes.txt"), "").unwrap();
    fs::write(directory.path().join("rose/._2.png"), "").unwrap();
    let dataset = open(&directory).unwrap();
    assert_eq!(values(&dataset), [5.0, 7.0, 10.0, 20.0]);
    assert_eq!(dataset.labels(), Some(&[0, 1, 2, 2][..]));
    assert_eq!(dataset.class_names().unwrap(), ["aster", "iris", "rose"]);
    assert_eq!(x(&dataset).shape(), [4, 3, 2, 3]);
    let unlabelled = Dataset::open(directory.path(), &options().unlabelled()).unwrap();
    assert_eq!((values(&unlabelled), unlabelled.labels()), (values(&dataset), None));
}

#[test]
fn images_in_the_directory_itself_have_no_labels() {
    let directory = directory(&[("b.png", 2), ("a.png", 1), ("c.png", 3)]);
    fs::create_dir(directory.path().join("notes")).unwrap();
    let dataset = open(&directory).unwrap();
    assert_eq!((values(&dataset), dataset.labels(), dataset.class_count()), (vec![1.0, 2.0, 3.0], None, None));
}

#[test]
fn a_stream_gives_what_opening_gives() {
    let names: Vec<_> = (0..23).map(|i| format!("{}/{i:02}.png", if i < 9 { "a" } else { "b" })).collect();
    let images: Vec<_> = names.iter().zip(1..).map(|(name, value)| (name.as_str(), value)).collect();
    let directory = directory(&images);
    let whole = open(&directory).unwrap();
    assert_eq!(values(&whole), (1..24).map(|value| value as f32).collect::<Vec<_>>());
    for n in [1, 2, 7, 22, 23, 24, usize::MAX] {
        let mut stream = Stream::open(directory.path(), &options()).unwrap();
        assert_eq!((stream.len(), stream.class_count()), (Some(23), Some(2)));
        let mut next = 0;
        while let Some(piece) = stream.next(n).unwrap() {
            let indices: Vec<_> = (next..next + piece.len()).collect();
            assert_eq!(piece, whole.select(&indices).unwrap());
            next += piece.len();
            assert!(piece.len() == n || next == 23);
        }
        assert_eq!((next, stream.len()), (23, Some(23)));
        assert!(stream.next(n).unwrap().is_none());
    }
    // A stream that is not read to its end leaves nobody waiting.
    let mut stream = Stream::open(directory.path(), &options()).unwrap();
    assert_eq!(stream.next(1).unwrap().unwrap().len(), 1);
}

#[test]
fn values_have_the_layout_and_range_asked_for() {
    let directory = directory(&[("a.png", 100)]);
    let open = |images: ImageOptions| {
        let options = options().scale(Scale::new(0.5).unwrap()).images(images);
        Dataset::open(directory.path(), &options).unwrap()
    };
    let rgb = |y: usize, x: usize| [50.0, y as f32 / 2.0, x as f32 / 2.0];
    let nchw = open(ImageOptions::new());
    assert_eq!(x(&nchw).shape(), [1, 3, 2, 3]);
    let nhwc = open(ImageOptions::new().layout(Layout::Nhwc));
    assert_eq!(x(&nhwc).shape(), [1, 2, 3, 3]);
    let each = Normalization::new(vec![50.0, 0.0, 1.0], vec![1.0, 2.0, 4.0]).unwrap();
    let normalized = open(ImageOptions::new().normalize(each));
    let all = Normalization::new(vec![10.0], vec![4.0]).unwrap();
    let grey = open(ImageOptions::new().color(Color::Grey).normalize(all));
    assert_eq!(x(&grey).shape(), [1, 1, 2, 3]);
    for i in 0..2 {
        for j in 0..3 {
            let [red, green, blue] = rgb(i, j);
            for (channel, value) in [red, green, blue].into_iter().enumerate() {
                assert_eq!(x(&nchw)[[0, channel, i, j]], value);
                assert_eq!(x(&nhwc)[[0, i, j, channel]], value);
            }
            assert_eq!(x(&normalized)[[0, 0, i, j]], 0.0);
            assert_eq!(x(&normalized)[[0, 1, i, j]], green / 2.0);
            assert_eq!(x(&normalized)[[0, 2, i, j]], (blue - 1.0) / 4.0);
            let luma = (0.299 * 100.0 + 0.587 * i as f32 + 0.114 * j as f32).round();
            assert_eq!(x(&grey)[[0, 0, i, j]], (luma / 2.0 - 10.0) / 4.0);
        }
    }
}

#[test]
fn images_of_other_shapes_are_named_unless_resized() {
    let directory = directory(&[("a/1.png", 1), ("a/2.png", 2), ("b/3.png", 3)]);
    write(&directory.path().join("b/4.png"), 4, 5, 4);
    let error = open(&directory).unwrap_err();
    assert!(error.file().unwrap().ends_with("4.png"));
    for part in ["5x4 pixels", "1.png is 2x3", "resized"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    // The images before it are read, and a bad shape is no unreadable image.
    let mut stream = Stream::open(directory.path(), &options().images(ImageOptions::new().skip_bad(9))).unwrap();
    assert_eq!(stream.next(3).unwrap().unwrap().len(), 3);
    assert!(stream.next(3).is_err());

    let exact = ImageOptions::new().resize(Resize::Exact(Size { height: 4, width: 6 }));
    let shorter = ImageOptions::new().resize(Resize::Shorter(4)).crop(Size { height: 4, width: 4 });
    for (images, shape) in [(exact, [4, 3, 4, 6]), (shorter, [4, 3, 4, 4])] {
        let dataset = Dataset::open(directory.path(), &options().images(images)).unwrap();
        assert_eq!((x(&dataset).shape(), values(&dataset)), (&shape[..], vec![1.0, 2.0, 3.0, 4.0]));
    }
    let cropped = options().images(ImageOptions::new().crop(Size { height: 4, width: 4 }).skip_bad(9));
    let error = Dataset::open(directory.path(), &cropped).unwrap_err();
    assert!(error.file().unwrap().ends_with("1.png"), "{error}");
    assert!(matches!(error.problem(), Problem::Request(_)), "{error}");
}

#[test]
fn unreadable_images_are_named_or_skipped() {
    let directory = directory(&[("a/1.png", 1), ("a/3.png", 3), ("b/4.png", 4), ("b/6.png", 6)]);
    let truncated = fs::read(directory.path().join("a/3.png")).unwrap()[..40].to_vec();
    fs::write(directory.path().join("a/2.png"), truncated).unwrap();
    fs::write(directory.path().join("b/5.jpg"), "text").unwrap();
    let error = open(&directory).unwrap_err();
    assert!(error.file().unwrap().ends_with("2.png"), "{error}");
    let skipping = |count: usize| options().images(ImageOptions::new().skip_bad(count));
    let error = Dataset::open(directory.path(), &skipping(1)).unwrap_err();
    assert!(error.file().unwrap().ends_with("5.jpg"), "{error}");
    for n in [1, 2, 3, 9] {
        let mut stream = Stream::open(directory.path(), &skipping(2)).unwrap();
        assert_eq!((stream.len(), stream.skipped().len()), (Some(6), 0));
        let (mut all, mut labels) = (Vec::new(), Vec::new());
        while let Some(piece) = stream.next(n).unwrap() {
            all.extend(values(&piece));
            labels.extend_from_slice(piece.labels().unwrap());
        }
        assert_eq!((all, labels), (vec![1.0, 3.0, 4.0, 6.0], vec![0, 0, 1, 1]));
        let skipped: Vec<_> = stream.skipped().iter().map(|error| error.file().unwrap().to_owned()).collect();
        assert_eq!((skipped.len(), stream.len()), (2, Some(4)));
        assert!(skipped[0].ends_with("2.png") && skipped[1].ends_with("5.jpg"));
    }

    let none = tempfile::tempdir().unwrap();
    fs::write(none.path().join("a.png"), "").unwrap();
    let error = Dataset::open(none.path(), &skipping(1)).unwrap_err();
    assert!(error.to_string().contains("none of the 1 images could be read"), "{error}");
}

#[test]
fn parts_hold_images_and_agree_on_the_classes() {
    let directory = directory(&[
        ("train/cat/1.png", 1),
        ("train/ant/2.png", 2),
        ("test/cat/3.png", 3),
        ("test/bee/4.png", 4),
        ("other.png", 9),
    ]);
    let open = |part| Dataset::open(directory.path(), &OpenOptions::new(part)).unwrap();
    assert_eq!((values(&open(Part::Train)), open(Part::Train).labels()), (vec![2.0, 1.0], Some(&[0, 2][..])));
    assert_eq!((values(&open(Part::Test)), open(Part::Test).labels()), (vec![4.0, 3.0], Some(&[1, 2][..])));
    assert_eq!(open(Part::Calibration), open(Part::Train));
    assert_eq!(open(Part::Test).class_names().unwrap(), ["ant", "bee", "cat"]);

    let flat = self::directory(&[("calibration/1.png", 1), ("test/2.png", 2)]);
    assert_eq!(values(&Dataset::open(flat.path(), &options()).unwrap()), [1.0]);
    let error = Dataset::open(flat.path(), &OpenOptions::new(Part::Train)).unwrap_err();
    assert!(matches!(error.problem(), Problem::Part(_)), "{error}");

    // A file of samples is taken before images beside it.
    let beside = self::directory(&[("1.png", 1)]);
    fs::write(beside.path().join("train.csv"), "a,y\n8,0\n").unwrap();
    assert_eq!(values(&Dataset::open(beside.path(), &options()).unwrap()), [8.0]);
}

#[test]
fn classes_named_like_parts_are_classes() {
    let directory = directory(&[("train/1.png", 1), ("test/2.png", 2), ("bus/3.png", 3)]);
    for part in [Part::Train, Part::Calibration, Part::Test] {
        let dataset = Dataset::open(directory.path(), &OpenOptions::new(part)).unwrap();
        assert_eq!(values(&dataset), [3.0, 2.0, 1.0]);
        assert_eq!(dataset.class_names().unwrap(), ["bus", "test", "train"]);
    }
}

#[test]
fn directories_that_leave_doubt_are_refused() {
    for (images, expected) in [
        (&[("1.png", 1), ("a/2.png", 2)][..], "images lie both in the directory and in its subdirectory"),
        (&[("a/1.png", 1), ("a/left/2.png", 2)], "without directories in between"),
        (&[("train/1.png", 1), ("train/b/2.png", 2)], "images lie both in the directory and in its subdirectory"),
        (&[], "no part `calibration`, none at all"),
        (&[("a/b/1.png", 1)], "no part `calibration`, none at all"),
    ] {
        let error = open(&directory(images)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let images = directory(&[("a/1.png", 1)]);
    let error = Dataset::open(images.path(), &options().label_column("y")).unwrap_err();
    assert!(matches!(error.problem(), Problem::Request(_)), "{error}");
    let unfit = ImageOptions::new().resize(Resize::Shorter(0));
    let error = Dataset::open(images.path(), &options().images(unfit)).unwrap_err();
    assert!(matches!(error.problem(), Problem::Request(_)), "{error}");
    let table = images.path().join("t.csv");
    fs::write(&table, "a,y\n1,0\n").unwrap();
    let error = Dataset::open(&table, &options().images(ImageOptions::new())).unwrap_err();
    assert!(error.to_string().contains("the options for images mean nothing"), "{error}");
}

#[cfg(unix)]
#[test]
fn what_the_file_system_refuses_is_named() {
    let directory = directory(&[("1.png", 1), ("3.png", 3)]);
    std::os::unix::fs::symlink("nowhere", directory.path().join("2.png")).unwrap();
    let error = open(&directory).unwrap_err();
    assert!(error.file().unwrap().ends_with("2.png") && matches!(error.problem(), Problem::Io(_)), "{error}");
    let skipping = options().images(ImageOptions::new().skip_bad(1));
    assert_eq!(values(&Dataset::open(directory.path(), &skipping).unwrap()), [1.0, 3.0]);
}

#[test]
fn an_unreadable_image_among_many_is_named() {
    let directory = directory(&[("0000.png", 1)]);
    let bytes = fs::read(directory.path().join("0000.png")).unwrap();
    for i in 1..1000 {
        let bytes = if i == 777 { &bytes[..50] } else { &bytes };
        fs::write(directory.path().join(format!("{i:04}.png")), bytes).unwrap();
    }
    let mut stream = Stream::open(directory.path(), &options()).unwrap();
    for _ in 0..7 {
        assert_eq!(stream.next(100).unwrap().unwrap().len(), 100);
    }
    let error = stream.next(100).unwrap_err();
    assert!(error.file().unwrap().ends_with("0777.png"), "{error}");
}

#[cfg(unix)]
#[test]
fn devices_are_not_read() {
    let directory = directory(&[("1.png", 1)]);
    std::os::unix::fs::symlink("/dev/zero", directory.path().join("2.png")).unwrap();
    let error = open(&directory).unwrap_err();
    assert!(matches!(error.problem(), Problem::Unsupported(_)), "{error}");
}

/// Images written by Pillow, against what Pillow reads, converts to grey and resizes. Decoders of JPEG may differ a
/// little, and Pillow rounds between the two steps of resizing.
#[test]
fn images_written_by_pillow() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let pillow = Dataset::open(data.join("pillow.npz"), &options()).unwrap();
    let exact = |height, width| ImageOptions::new().resize(Resize::Exact(Size { height, width }));
    for (form, images, tolerance) in [
        ("", ImageOptions::new(), 0.0),
        ("-grey", ImageOptions::new().color(Color::Grey), 0.0),
        ("-small", exact(16, 21), 1.0),
        ("-large", exact(60, 70), 1.0),
    ] {
        let dataset = Dataset::open(data.join("images"), &options().images(images.layout(Layout::Nhwc))).unwrap();
        for (i, (kind, more)) in [("jpg", 3.0), ("png", 0.0)].into_iter().enumerate() {
            let sample = x(&dataset).index_axis(ndarray::Axis(0), i).to_owned();
            let expected = &pillow.input(&format!("{kind}{form}")).unwrap().samples;
            assert_eq!(sample.len(), expected.len());
            let worst = sample.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= tolerance + more, "{kind}{form}: {worst}");
        }
    }
}
