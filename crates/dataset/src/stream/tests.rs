use std::fmt::Write;
use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use tempfile::TempDir;
use zip::CompressionMethod;

use super::*;
use crate::testing::{archive, check_shards, gzip, npy, npy_with_header};
use crate::{ImageOptions, OpenOptions, Part};

fn options() -> OpenOptions {
    OpenOptions::new(Part::Calibration)
}

/// `len` samples of two values each in a file of every format, with labels.
fn files(len: u8) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
    let x: Vec<u8> = (0..2 * len).collect();
    let y: Vec<u8> = (0..len).map(|i| i % 3).collect();
    let rows = npy("|u1", &format!("({len}, 2)"), &x);
    let columns = npy_with_header(&format!("{{'descr': '|u1', 'fortran_order': True, 'shape': ({len}, 2)}}"), &x);
    let labels = npy("|u1", &format!("({len},)"), &y);
    write("rows.npy", &rows);
    write("rows.labels.npy", &labels);
    write("columns.npy", &columns);
    for (name, method) in [("stored", CompressionMethod::Stored), ("deflated", CompressionMethod::Deflated)] {
        let members = [("a.npy", rows.clone()), ("b.npy", columns.clone()), ("y.npy", labels.clone())];
        write(&format!("{name}.npz"), &archive(method, &members));
    }
    let idx = [&[0, 0, 8, 2, 0, 0, 0, len, 0, 0, 0, 2][..], &x].concat();
    write("x-images-idx3-ubyte", &idx);
    write("x-labels-idx1-ubyte.gz", &gzip(&[&[0, 0, 8, 1, 0, 0, 0, len][..], &y].concat()));
    write("packed.idx.gz", &gzip(&idx));
    let mut table = "a,b,y\n".to_owned();
    for i in 0..len {
        writeln!(table, "{i},{},{}", 2 * i, i % 3).unwrap();
    }
    write("t.csv", table.as_bytes());
    directory
}

/// Images of one pixel, `bad` ones among them, in two directories.
fn images(len: u8, bad: &[usize]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for i in 0..len {
        let class = directory.path().join(if i < len / 2 { "a" } else { "b" });
        fs::create_dir_all(&class).unwrap();
        let path = class.join(format!("{i:03}.png"));
        if bad.contains(&i.into()) {
            fs::write(path, "no image").unwrap();
        } else {
            RgbImage::from_pixel(1, 1, Rgb([i, 0, 0])).save(path).unwrap();
        }
    }
    directory
}

fn skipping(count: usize) -> OpenOptions {
    options().images(ImageOptions::new().skip_bad(count))
}

fn open(path: &Path, options: &OpenOptions, shard: Shard) -> Stream {
    Stream::open(path, &options.clone().shard(shard)).unwrap()
}

#[test]
fn shards_hold_every_sample_once_and_positions_lose_none() {
    for len in [1, 2, 11] {
        let directory = files(len);
        for entry in fs::read_dir(directory.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().contains("labels") {
                continue;
            }
            check_shards(1..14, &[], |shard| open(&path, &options(), shard));
        }
        // Without labels, the rows are not counted beforehand.
        let unlabelled = options().unlabelled();
        check_shards(1..14, &[], |shard| open(&directory.path().join("t.csv"), &unlabelled, shard));
    }
}

#[test]
fn bad_images_keep_their_places() {
    for bad in [&[][..], &[0], &[4], &[10], &[3, 4], &[0, 1, 5, 9, 10]] {
        let directory = images(11, bad);
        check_shards(1..14, bad, |shard| open(directory.path(), &skipping(bad.len()), shard));
    }
}

#[test]
fn images_of_other_shards_are_not_decoded() {
    let directory = images(6, &[1, 3]);
    let shard = |shard: &str| open(directory.path(), &options(), shard.parse().unwrap());
    assert_eq!(shard("1/2").next(9).unwrap().unwrap().len(), 3);
    let error = shard("2/2").next(9).unwrap_err();
    assert!(error.file().unwrap().ends_with("001.png"), "{error}");
    // Nor are those that are passed over.
    let mut rest = shard("1/1");
    rest.advance(Position { samples: 4, skipped: 0 }).unwrap();
    assert_eq!(rest.next(9).unwrap().unwrap().len(), 2);
}

#[test]
fn the_limit_of_bad_images_holds_over_all_streams() {
    let directory = images(6, &[1, 4]);
    let open = |count| open(directory.path(), &skipping(count), Shard::ALL);
    let mut first = open(1);
    assert_eq!(first.next(2).unwrap().unwrap().len(), 2);
    let middle = first.position();
    assert_eq!(middle, Position { samples: 3, skipped: 1 });
    let mut second = open(1);
    second.advance(middle).unwrap();
    assert_eq!((second.len(), second.skipped().len()), (Some(5), 0));
    let error = second.next(9).unwrap_err();
    assert!(error.file().unwrap().ends_with("004.png"), "{error}");
    let mut third = open(2);
    third.advance(middle).unwrap();
    assert_eq!(third.next(9).unwrap().unwrap().labels(), Some(&[1, 1][..]));
    assert_eq!((third.len(), third.position()), (Some(4), Position { samples: 6, skipped: 2 }));
    let error = open(0).advance(middle).unwrap_err();
    assert!(error.to_string().contains("1 unreadable samples were left out before"), "{error}");
}

#[test]
fn positions_that_do_not_fit_are_refused() {
    let directory = files(4);
    let images = images(4, &[]);
    let (table, unlabelled) = (directory.path().join("t.csv"), options().unlabelled());
    let position = |samples, skipped| Position { samples, skipped };
    for (path, options, to, expected) in [
        (&table, options(), position(5, 0), "there are 4 samples, but 5 were passed before"),
        (&table, unlabelled.clone(), position(5, 0), "there are 4 samples, but 5 were passed before"),
        (&table, unlabelled, position(u64::MAX, 0), "there are 4 samples, but 18446744073709551615 were"),
        (&directory.path().join("rows.npy"), options(), position(5, 0), "there are 4 samples, but 5 were"),
        (&directory.path().join("rows.npy"), options(), position(2, 1), "more than may be left out"),
        (&images.path().to_owned(), skipping(9), position(5, 0), "there are 4 samples, but 5 were passed before"),
        (&images.path().to_owned(), skipping(9), position(3, 4), "of the first 3 samples, 4 cannot have been left out"),
    ] {
        let mut stream = open(path, &options, Shard::ALL);
        let error = stream.advance(to).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.file(), Some(&*path.display().to_string()));
        assert!(matches!(stream.next(1).unwrap_err().problem(), Problem::Request(_)));
    }
    let mut stream = open(&table, &options(), Shard::ALL);
    stream.next(2).unwrap();
    stream.advance(position(3, 0)).unwrap();
    let error = stream.advance(position(2, 0)).unwrap_err();
    assert!(error.to_string().contains("sample 2 lies before sample 3"), "{error}");
}

#[test]
fn an_empty_shard_is_no_data_set() {
    let path = files(2);
    let path = path.path().join("rows.npy");
    let error = Dataset::open(&path, &options().shard("3/3".parse().unwrap())).unwrap_err();
    assert!(error.to_string().contains("there is no sample in shard 3/3 of 2 samples"), "{error}");
    assert_eq!(error.file(), Some(&*path.display().to_string()));
}

/// What is wrong with the file is wrong for all shards.
#[test]
fn every_shard_reads_up_to_the_checksum() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.npz");
    let mut bytes = archive(CompressionMethod::Stored, &[("x.npy", npy("|u1", "(5,)", &[1, 2, 3, 4, 99]))]);
    let last = bytes.iter().rposition(|&byte| byte == 99).unwrap();
    bytes[last] = 98;
    fs::write(&path, bytes).unwrap();
    for shard in ["1/3", "2/3", "3/3", "6/6"] {
        let error = open(&path, &options(), shard.parse().unwrap()).next(9).unwrap_err();
        assert!(error.to_string().contains("checksum does not match"), "{shard}: {error}");
    }
    let passed = open(&path, &options(), Shard::ALL).advance(Position { samples: 5, skipped: 0 });
    assert!(passed.unwrap_err().to_string().contains("checksum does not match"));
}
