//! What the tests of several readers share.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::{Axis, concatenate};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::array::ArrayReader;
use crate::arrays::{Arrays, Place};
use crate::stream::Source;
use crate::{Dataset, Error, Input, Labels, Shard, Stream};

/// The samples of one array, as an input `x`.
pub(crate) fn lone(array: ArrayReader) -> Result<Arrays, Error> {
    let place = Place { file: "file".into(), array: "x".into(), in_archive: false };
    Arrays::new("file", vec![(place, array)], None)
}

/// The samples of a source that are in `shard`.
pub(crate) fn stream(source: impl Source + 'static, shard: Shard) -> Stream {
    Stream::new(Box::new(source), None, shard)
}

/// All samples of a source at once.
pub(crate) fn whole(source: impl Source + 'static) -> Result<Dataset, Error> {
    stream(source, Shard::ALL).read_all()
}

/// All samples of a source, taken `n` at a time. Checks the sizes of the pieces.
pub(crate) fn in_pieces(source: impl Source + 'static, n: usize) -> Result<Dataset, Error> {
    let mut stream = stream(source, Shard::ALL);
    let mut pieces: Vec<Dataset> = Vec::new();
    while let Some(piece) = stream.next(n)? {
        assert!(piece.len() <= n && pieces.last().is_none_or(|last| last.len() == n));
        assert_eq!(piece.class_count(), stream.class_count());
        assert_eq!(piece.class_names(), stream.class_names());
        pieces.push(piece);
    }
    assert!(stream.next(n)?.is_none());
    assert_eq!(stream.len(), Some(pieces.iter().map(Dataset::len).sum()));
    let inputs = pieces[0].inputs().iter().enumerate().map(|(i, Input { name, .. })| {
        let views: Vec<_> = pieces.iter().map(|piece| piece.inputs()[i].samples.view()).collect();
        Input { name: name.clone(), samples: concatenate(Axis(0), &views).unwrap() }
    });
    let inputs = inputs.collect();
    let ids = pieces.iter().map(Dataset::labels).collect::<Option<Vec<_>>>().map(|ids| ids.concat());
    let labels = ids.map(|ids| Labels::in_classes(ids, stream.classes().unwrap()).unwrap());
    Dataset::new(inputs, labels)
}

/// Checks all shards of a source, and the positions in them, against all its samples read at once: each shard has its
/// share of them, and a stream that goes on where another one stopped gives what was still to come. The samples at the
/// positions `bad` are unreadable.
pub(crate) fn check_shards(counts: impl IntoIterator<Item = usize>, bad: &[usize], open: impl Fn(Shard) -> Stream) {
    let whole = open(Shard::ALL).read_all().unwrap();
    let samples = whole.len() + bad.len();
    let readable: Vec<_> = (0..samples).filter(|position| !bad.contains(position)).collect();
    for shard in counts.into_iter().flat_map(|count| (1..=count).map(move |index| Shard::new(index, count).unwrap())) {
        let is_mine = |position: &usize| position % shard.count() == shard.index() - 1;
        let mine: Vec<_> = (0..readable.len()).filter(|&sample| is_mine(&readable[sample])).collect();
        for n in [1, 3, samples] {
            let mut stream = open(shard);
            assert!(stream.len().is_none_or(|len| len == (0..samples).filter(is_mine).count()));
            let mut stops = vec![(stream.position(), 0)];
            let mut taken = 0;
            while let Some(piece) = stream.next(n).unwrap() {
                let wanted = &mine[taken..mine.len().min(taken + n)];
                assert_eq!(piece, whole.select(wanted).unwrap(), "{shard} {n} {taken}");
                taken += wanted.len();
                let position = stream.position();
                assert!(position.samples > readable[wanted[wanted.len() - 1]] as u64);
                stops.push((position, taken));
            }
            assert_eq!((taken, stream.len()), (mine.len(), Some(mine.len())), "{shard} {n}");
            let end = stream.position();
            assert_eq!(
                (end.samples, end.skipped),
                (samples as u64, bad.iter().filter(|bad| is_mine(bad)).count() as u64)
            );
            stops.push((end, taken));
            for (position, taken) in stops {
                let mut resumed = open(shard);
                resumed.advance(position).unwrap();
                assert_eq!(resumed.position(), position);
                let rest = resumed.next(samples).unwrap();
                assert_eq!(rest, (taken < mine.len()).then(|| whole.select(&mine[taken..]).unwrap()), "{shard} {n}");
                assert!(resumed.next(1).unwrap().is_none());
                assert_eq!((resumed.position(), resumed.len()), (end, Some(mine.len())));
            }
        }
    }
}

/// A .npy array of version 1.0 with this header text and these data.
pub(crate) fn npy_with_header(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

/// A .npy array in row-major order.
pub(crate) fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    npy_with_header(&header, data)
}

/// A zip archive of these files.
pub(crate) fn archive(method: CompressionMethod, files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = SimpleFileOptions::default().compression_method(method);
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The bytes as a gzip file.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The bytes with one bit flipped, `at` being counted round the whole.
pub(crate) fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = at % (8 * bytes.len());
    bytes[at / 8] ^= 1 << (at % 8);
    bytes
}
