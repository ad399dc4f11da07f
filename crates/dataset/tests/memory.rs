//! Memory while samples stream: that of the samples asked for, whatever lies between them.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use dataset::{OpenOptions, Part, Position, Stream};
use flate2::Compression;
use flate2::write::GzEncoder;

const SAMPLES: usize = 20_000;
const VALUES: usize = 100;

/// The most bytes in use at once, beyond what was before.
fn peak(work: impl FnOnce()) -> u64 {
    allocation_counter::measure(work).bytes_max
}

fn npy(fortran_order: &str) -> Vec<u8> {
    let header = format!("{{'descr': '|u1', 'fortran_order': {fortran_order}, 'shape': ({SAMPLES}, {VALUES})}}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend((0..SAMPLES * VALUES).map(|i| i as u8));
    bytes
}

fn write(path: &Path, bytes: &[u8]) {
    File::create(path).unwrap().write_all(bytes).unwrap();
}

/// A shard of 1 in 1,000 and a piece of 10 samples would be 4 MB with the samples of the other shards.
#[test]
fn samples_of_other_shards_are_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    write(&at("rows.npy"), &npy("False"));
    write(&at("columns.npy"), &npy("True"));
    let mut archive = zip::ZipWriter::new(File::create(at("x.npz")).unwrap());
    archive.start_file("x.npy", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(&npy("False")).unwrap();
    archive.finish().unwrap();
    let mut packed = GzEncoder::new(File::create(at("x.idx.gz")).unwrap(), Compression::fast());
    packed.write_all(&[0, 0, 8, 2]).unwrap();
    packed.write_all(&(SAMPLES as u32).to_be_bytes()).unwrap();
    packed.write_all(&(VALUES as u32).to_be_bytes()).unwrap();
    std::io::copy(&mut std::io::repeat(7).take((SAMPLES * VALUES) as u64), &mut packed).unwrap();
    packed.finish().unwrap();
    let mut table = String::new();
    for row in 0..=SAMPLES {
        for column in 0..VALUES {
            write!(table, "{}{}", if column > 0 { "," } else { "" }, (row + column) % 256).unwrap();
        }
        table.push('\n');
    }
    write(&at("t.csv"), table.replacen("0,1,", "a,b,", 1).as_bytes());

    for name in ["rows.npy", "columns.npy", "x.npz", "x.idx.gz", "t.csv"] {
        let options = OpenOptions::new(Part::Calibration).unlabelled().shard("501/1000".parse().unwrap());
        let open = || Stream::open(at(name), &options).unwrap();
        let read = peak(|| {
            let mut stream = open();
            for _ in 0..2 {
                let piece = stream.next(10).unwrap().unwrap();
                assert_eq!(piece.inputs()[0].samples.shape(), [10, VALUES]);
            }
            assert!(stream.next(10).unwrap().is_none());
        });
        let passed = peak(|| open().advance(Position { samples: SAMPLES as u64 - 1, skipped: 0 }).unwrap());
        assert!(read < 300_000 && passed < 300_000, "{name}: {read} {passed}");
    }
}
