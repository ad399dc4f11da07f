use std::io::Cursor;

use flate2::read::MultiGzDecoder;
use ndarray::{Array, ArrayD};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::arrays::Arrays;
use crate::bytes::OneWay;
use crate::numbers::Rows;
use crate::testing::{flipped, gzip, in_pieces, lone, whole};
use crate::{Error, Labels};

fn file(code: u8, shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn plain_source(bytes: &[u8]) -> Result<Arrays, Error> {
    lone(open_samples(Box::new(OneWay(Cursor::new(bytes.to_vec()))), Extent::Plain(bytes.len() as u64))?)
}

fn packed_source(bytes: &[u8]) -> Result<Arrays, Error> {
    let extent = Extent::Deflated(bytes.len() as u64);
    lone(open_samples(Box::new(OneWay(MultiGzDecoder::new(Cursor::new(bytes.to_vec())))), extent)?)
}

fn plain(bytes: &[u8]) -> Result<ArrayD<f32>, Error> {
    Ok(whole(plain_source(bytes)?)?.inputs()[0].samples.clone())
}

fn packed(bytes: &[u8]) -> Result<ArrayD<f32>, Error> {
    Ok(whole(packed_source(bytes)?)?.inputs()[0].samples.clone())
}

fn labels(bytes: &[u8]) -> Result<Labels, Problem> {
    let mut reader =
        open_labels(|| Ok((Box::new(OneWay(Cursor::new(bytes.to_vec()))), Extent::Plain(bytes.len() as u64))))?;
    reader.next(Rows::all(reader.len() as usize))
}

#[test]
fn every_type_is_converted() {
    for (code, data, expected) in [
        (0x08, vec![200, 1], [200.0, 1.0]),
        (0x09, vec![200, 1], [-56.0, 1.0]),
        (0x0B, vec![0xff, 0xfe, 1, 2], [-2.0, 258.0]),
        (0x0C, vec![0xff, 0xff, 0xff, 0xfe, 0, 0, 1, 2], [-2.0, 258.0]),
        (0x0D, [0.5f32, -3.0].map(f32::to_be_bytes).concat(), [0.5, -3.0]),
        (0x0E, [0.5f64, -3.0].map(f64::to_be_bytes).concat(), [0.5, -3.0]),
    ] {
        let array = plain(&file(code, &[2], &data)).unwrap();
        assert_eq!(array, Array::from(expected.to_vec()).into_dyn(), "{code:#x}");
    }
}

#[test]
fn images_keep_rows_and_columns() {
    let data: Vec<u8> = (0..12).collect();
    let array = plain(&file(8, &[2, 3, 2], &data)).unwrap();
    assert_eq!(array.shape(), [2, 3, 2]);
    assert_eq!(array[[1, 2, 0]], 10.0);
}

#[test]
fn faulty_files_are_refused() {
    for (bytes, expected) in [
        (vec![], "ends within its header"),
        (vec![0, 0, 8], "ends within its header"),
        (vec![0, 0, 8, 2, 0, 0, 0, 1], "ends within its header"),
        (vec![0x1f, 0x8b, 8, 0], "begins with the bytes 1f 8b 08"),
        (file(0x0A, &[1], &[0]), "begins with the bytes 00 00 0a"),
        (file(8, &[3], &[0; 2]), "truncated"),
        (file(8, &[3], &[0; 4]), "data go on after the 3 numbers"),
        (file(8, &[u32::MAX, u32::MAX, u32::MAX], &[]), "larger than any file"),
        (file(8, &[1 << 30], &[]), "truncated"),
    ] {
        let problem = plain(&bytes).unwrap_err();
        assert!(problem.to_string().contains(expected), "{problem}");
        assert!(packed(&gzip(&bytes)).is_err());
    }
    let problem = labels(&file(8, &[2, 2], &[0; 4])).unwrap_err();
    assert!(problem.to_string().contains("need [samples]"), "{problem}");
    let problem = labels(&file(9, &[2], &[0, 0xff])).unwrap_err();
    assert!(problem.to_string().starts_with("label 1 (counted from 0) is -1"), "{problem}");
    assert_eq!(labels(&file(9, &[2], &[5, 0])).unwrap(), Labels::new(vec![5, 0]));
}

proptest! {
    #[test]
    fn damage_to_plain_files_never_panics(
        shape in vec(1u32..4, 1..4),
        cut in any::<proptest::sample::Index>(),
        at in any::<usize>(),
    ) {
        let count: u32 = shape.iter().product();
        let bytes = file(8, &shape, &vec![3; count as usize]);
        prop_assert_eq!(plain(&bytes).unwrap().len(), count as usize);
        let cut = plain(&bytes[..cut.index(bytes.len())]).unwrap_err();
        prop_assert!(matches!(cut.problem(), Problem::Malformed(_)));
        if let Ok(array) = plain(&flipped(&bytes, at)) {
            prop_assert!(array.len() <= bytes.len());
        }
    }

    /// The checksum covers all of the contents, so a flipped bit is noticed unless it hits an unused part of the gzip
    /// header.
    #[test]
    fn damage_to_compressed_files_is_noticed(
        data in vec(any::<u8>(), 12),
        cut in any::<proptest::sample::Index>(),
        at in any::<usize>(),
    ) {
        let bytes = file(8, &[3, 2, 2], &data);
        let compressed = gzip(&bytes);
        let whole = plain(&bytes).unwrap();
        prop_assert_eq!(&packed(&compressed).unwrap(), &whole);
        let cut = packed(&compressed[..cut.index(compressed.len())]).unwrap_err();
        prop_assert!(matches!(cut.problem(), Problem::Malformed(_)));
        if let Ok(array) = packed(&flipped(&compressed, at)) {
            prop_assert_eq!(array, whole);
        }
    }

    #[test]
    fn pieces_are_the_whole(shape in vec(1u32..6, 1..4), n in 1usize..8) {
        let count: u32 = shape.iter().product();
        let bytes = file(8, &shape, &(0..count).map(|i| i as u8).collect::<Vec<_>>());
        let expected = whole(plain_source(&bytes).unwrap()).unwrap();
        prop_assert_eq!(&in_pieces(plain_source(&bytes).unwrap(), n).unwrap(), &expected);
        prop_assert_eq!(&in_pieces(packed_source(&gzip(&bytes)).unwrap(), n).unwrap(), &expected);
    }
}
