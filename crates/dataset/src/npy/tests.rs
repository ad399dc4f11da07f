use std::io::{Cursor, Read, Write};

use half::f16;
use ndarray::{Array, ArrayD, IxDyn, arr2};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::arrays::Arrays;
use crate::bytes::OneWay;
use crate::numbers::Rows;
use crate::stream::Source;
use crate::testing::{flipped, in_pieces, lone, npy, npy_with_header, whole};
use crate::{Error, Labels, Shard};

/// The array as a file of its own.
fn file(bytes: &[u8]) -> Result<Arrays, Error> {
    lone(open_file(Cursor::new(bytes.to_vec()), bytes.len() as u64)?)
}

/// The array as an entry of an archive, which can only be read on.
fn entry(bytes: &[u8]) -> Result<Arrays, Error> {
    lone(open_samples(Box::new(OneWay(Cursor::new(bytes.to_vec()))), Extent::Plain(bytes.len() as u64))?)
}

fn samples(bytes: &[u8]) -> Result<ArrayD<f32>, Error> {
    let read = |source: Arrays| whole(source).map(|dataset| dataset.inputs()[0].samples.clone());
    let (from_file, from_entry) = (file(bytes).and_then(read), entry(bytes).and_then(read));
    let bits = |samples: &ArrayD<f32>| samples.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    match (&from_file, &from_entry) {
        (Ok(file), Ok(entry)) => assert_eq!((file.shape(), bits(file)), (entry.shape(), bits(entry))),
        (Err(file), Err(entry)) => assert_eq!(file.to_string(), entry.to_string()),
        (file, entry) => panic!("{file:?} {entry:?}"),
    }
    from_file
}

fn labels(bytes: &[u8]) -> Result<Labels, Problem> {
    let mut reader =
        open_labels("y", || Ok((Box::new(OneWay(Cursor::new(bytes.to_vec()))), Extent::Plain(bytes.len() as u64))))?;
    reader.next(Rows::all(reader.len() as usize))
}

fn samples_of(descr: &str, data: &[u8]) -> Vec<f32> {
    samples(&npy(descr, "(2,)", data)).unwrap().into_iter().collect()
}

#[test]
fn every_type_is_converted() {
    assert_eq!(samples_of("|b1", &[0, 2]), [0.0, 1.0]);
    assert_eq!(samples_of("|i1", &[0x80, 3]), [-128.0, 3.0]);
    assert_eq!(samples_of("|u1", &[0x80, 3]), [128.0, 3.0]);
    macro_rules! both_orders {
        ($code:literal, $values:expr, $expected:expr) => {
            let [a, b] = $values;
            assert_eq!(samples_of(concat!("<", $code), &[a.to_le_bytes(), b.to_le_bytes()].concat()), $expected);
            assert_eq!(samples_of(concat!(">", $code), &[a.to_be_bytes(), b.to_be_bytes()].concat()), $expected);
        };
    }
    both_orders!("i2", [i16::MIN, 258], [-32768.0, 258.0]);
    both_orders!("u2", [u16::MAX, 258], [65535.0, 258.0]);
    both_orders!("i4", [i32::MIN, 16_777_217], [-2_147_483_648.0, 16_777_216.0]);
    both_orders!("u4", [u32::MAX, 258], [4_294_967_296.0, 258.0]);
    both_orders!("i8", [i64::MIN, 258], [-9_223_372_036_854_775_808.0, 258.0]);
    both_orders!("u8", [u64::MAX, 258], [18_446_744_073_709_551_616.0, 258.0]);
    both_orders!("f2", [f16::from_f32(-0.5), f16::MAX], [-0.5, 65504.0]);
    both_orders!("f4", [f32::MIN_POSITIVE, -1.5], [f32::MIN_POSITIVE, -1.5]);
    both_orders!("f8", [1e300f64, 0.1], [f32::INFINITY, 0.1]);
}

#[test]
fn headers_of_other_writers_are_understood() {
    let expected = arr2(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).into_dyn();
    let row_major: Vec<u8> = vec![1, 2, 3, 4, 5, 6];
    for header in [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2)}",
        "{'shape':(3,2),'fortran_order':False,'descr':'<u1'}\n",
        r#"  { "fortran_order" : False , "shape" : ( 3L , 2L , ) , "descr" : "=u1" , }     "#,
    ] {
        assert_eq!(samples(&npy_with_header(header, &row_major)).unwrap(), expected, "{header}");
    }
    let column_major = [1, 3, 5, 2, 4, 6];
    let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (3, 2), }\n";
    let array = samples(&npy_with_header(header, &column_major)).unwrap();
    assert_eq!(array, expected);
    // Versions 2.0 and 3.0 have a length of four bytes.
    for version in [2, 3] {
        let mut bytes = vec![0x93, b'N', b'U', b'M', b'P', b'Y', version, 0];
        bytes.extend((header.len() as u32).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(column_major);
        assert_eq!(samples(&bytes).unwrap(), expected);
    }
}

#[test]
fn faulty_headers_are_refused() {
    let nested = format!("{{'descr': {}", "[".repeat(9000));
    for (header, expected) in [
        ("", "lacks a `{`"),
        ("{", "lacks a `'`"),
        ("{}", "lacks `descr`"),
        ("{'descr': '<f4', 'fortran_order': False}", "lacks `descr`"),
        ("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", "neither True nor False"),
        ("{'descr': '<f4', 'descr': '<f4'}", "two entries `descr`"),
        ("{'descr': '<f4', 'order': 'C'}", "unknown entry `order`"),
        ("{'descr", "does not end"),
        ("{'shape': 3}", "lacks a `(`"),
        ("{'shape': (-3,)}", "is not a size"),
        ("{'shape': (3.5,)}", "lacks a `)`"),
        ("{'shape': (,)}", "is not a size"),
        ("{'shape': (18446744073709551616,)}", "`18446744073709551616` in its header's shape"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", "goes on after"),
        ("{'descr': [('a', '<f4')]}", "named fields"),
        (&nested, "named fields"),
        ("{'descr': '<U5'}", "`<U5` are not read"),
        ("{'descr': '|O'}", "`|O` are not read"),
        ("{'descr': '<c8'}", "`<c8` are not read"),
        ("{'descr': 'é'}", "`é` are not read"),
        ("{'descr': ''}", "`` are not read"),
    ] {
        let problem = samples(&npy_with_header(header, &[0; 8])).unwrap_err();
        assert!(problem.to_string().contains(expected), "{header}: {problem}");
    }
    let mut bytes = npy("<f4", "(2,)", &[0; 8]);
    bytes[6] = 4;
    assert!(matches!(samples(&bytes).unwrap_err().problem(), Problem::Unsupported(_)));
    let problem = samples(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap_err();
    assert!(problem.to_string().contains("claims 4294967295 bytes"), "{problem}");
    for bytes in [&b"PK\x03\x04 no npy"[..], b""] {
        assert!(matches!(samples(bytes).unwrap_err().problem(), Problem::Malformed(_)));
    }
}

/// Reads a header, and nothing after it.
struct HeaderOnly(Cursor<Vec<u8>>);

impl Read for HeaderOnly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.0.read(buffer)?;
        assert_ne!(read, 0, "read on although the header is impossible");
        Ok(read)
    }
}

#[test]
fn impossible_sizes_are_refused_before_anything_is_read_or_reserved() {
    for (shape, fortran_order, deflated, expected) in [
        ("(3,)", "False", false, "truncated"),
        ("(268435456,)", "False", false, "truncated"),
        ("(268435456,)", "False", true, "truncated"),
        ("(268435456, 2)", "True", true, "truncated"),
        ("(4294967296, 4294967296, 2)", "False", false, "larger than any file"),
        ("(4294967296, 4294967296, 0)", "True", false, "larger than any file"),
    ] {
        let header = format!("{{'descr': '<f4', 'fortran_order': {fortran_order}, 'shape': {shape}}}");
        let bytes = npy_with_header(&header, &[]);
        let stored = bytes.len() as u64 + 8;
        let extent = if deflated { Extent::Deflated(stored) } else { Extent::Plain(stored) };
        let problem = open_samples(Box::new(OneWay(HeaderOnly(Cursor::new(bytes)))), extent).err().unwrap();
        assert!(problem.to_string().contains(expected), "{shape}: {problem}");
    }
}

/// A file with holes takes no space on a disk; a header can so tell the truth about sizes that memory cannot hold.
#[test]
fn more_than_memory_may_hold_is_read_in_pieces_only() {
    for (shape, fortran_order) in [("(4, 1073741824)", "False"), ("(1073741824, 4)", "True")] {
        let header = format!("{{'descr': '|u1', 'fortran_order': {fortran_order}, 'shape': {shape}}}");
        let bytes = npy_with_header(&header, &[1, 2, 3]);
        let len = bytes.len() as u64 - 3 + (4 << 30);
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all(&bytes).unwrap();
        file.as_file().set_len(len).unwrap();
        let open = || lone(open_file(file.reopen().unwrap(), len).unwrap()).unwrap();
        let error = whole(open()).unwrap_err();
        assert!(matches!(error.problem(), Problem::TooLarge(_)), "{error}");
        if fortran_order == "True" {
            let piece = open().next(3, Shard::ALL).unwrap().unwrap();
            assert_eq!(
                piece.inputs()[0].samples,
                arr2(&[1.0, 2.0, 3.0].map(|first| [first, 0.0, 0.0, 0.0])).into_dyn()
            );
        }
    }
    let header = "{'descr': '|u1', 'fortran_order': True, 'shape': (1073741824, 4)}";
    let bytes = npy_with_header(header, &[]);
    let problem =
        open_samples(Box::new(OneWay(HeaderOnly(Cursor::new(bytes)))), Extent::Deflated(1 << 30)).err().unwrap();
    assert!(problem.to_string().contains("numpy.ascontiguousarray"), "{problem}");
}

#[test]
fn labels_are_exact_class_numbers() {
    let data = [3.0f64, 0.0, 4_294_967_295.0].map(f64::to_le_bytes).concat();
    assert_eq!(labels(&npy("<f8", "(3,)", &data)).unwrap().ids(), [3, 0, u32::MAX]);
    assert_eq!(labels(&npy("|b1", "(2, 1)", &[1, 0])).unwrap().ids(), [1, 0]);
    // Next to 2^24 + 1, which f32 cannot tell from 2^24.
    let data = 16_777_217i32.to_le_bytes();
    assert_eq!(labels(&npy("<i4", "(1,)", &data)).unwrap().ids(), [16_777_217]);
}

#[test]
fn labels_that_are_no_class_numbers_are_refused() {
    for (value, text) in
        [(-1.0, "-1"), (0.5, "0.5"), (4_294_967_296.0, "4294967296"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")]
    {
        let data = [0.0, value].map(f64::to_le_bytes).concat();
        let problem = labels(&npy("<f8", "(2,)", &data)).unwrap_err();
        assert!(matches!(problem, Problem::Labels(_)));
        assert!(problem.to_string().starts_with(&format!("label 1 (counted from 0) of `y` is {text};")), "{problem}");
    }
    let problem = labels(&npy("|u1", "(2, 3)", &[0; 6])).unwrap_err();
    assert!(problem.to_string().contains("argmax"), "{problem}");
}

/// What NumPy documents: text padded with blanks so that the data begin at a multiple of 64.
#[test]
fn written_bytes_follow_the_format() {
    let bytes = write_npy(&arr2(&[[1.0, -2.0]]).into_dyn().view());
    let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2,), }";
    assert_eq!(bytes[..10], *b"\x93NUMPY\x01\x00\x76\x00");
    assert_eq!(bytes[10..128], *format!("{text:117}\n").as_bytes());
    assert_eq!(bytes[128..], [1.0f32.to_le_bytes(), (-2.0f32).to_le_bytes()].concat());
    let single = write_npy(&Array::from_elem(IxDyn(&[]), 1.0).view());
    assert!(single[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (), }"));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        shape in vec(1usize..5, 1..5),
        seed in any::<u32>(),
        reverse in any::<bool>(),
    ) {
        // Any bits at all, NaN payloads included.
        let mut state = seed;
        let mut array = Array::from_shape_simple_fn(IxDyn(&shape), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from_bits(state)
        });
        if reverse {
            array = array.reversed_axes();
        }
        let bytes = write_npy(&array.view());
        let back = samples(&bytes).unwrap();
        prop_assert_eq!(back.shape(), array.shape());
        let bits = |array: &ArrayD<f32>| array.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&back), bits(&array));
    }

    /// Against indices computed one by one.
    #[test]
    fn column_major_arrays_keep_their_elements(shape in vec(1usize..5, 1..5)) {
        let count: usize = shape.iter().product();
        let data: Vec<u8> = (0..count).map(|i| i as u8).collect();
        let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
        let header = format!("{{'descr': '|u1', 'fortran_order': True, 'shape': ({sizes})}}");
        let array = samples(&npy_with_header(&header, &data)).unwrap();
        for (index, &value) in array.indexed_iter() {
            let mut offset = 0;
            for axis in (0..shape.len()).rev() {
                offset = offset * shape[axis] + index[axis];
            }
            prop_assert_eq!(value, f32::from(data[offset]));
        }
    }

    #[test]
    fn truncated_or_extended_arrays_are_errors(cut in any::<proptest::sample::Index>(), more in 1usize..9) {
        let bytes = npy("<f4", "(3, 2)", &[7; 24]);
        prop_assert!(samples(&bytes).is_ok());
        let longer = [&bytes[..], &vec![0; more]].concat();
        for damaged in [&bytes[..cut.index(bytes.len())], &longer] {
            prop_assert!(matches!(samples(damaged).unwrap_err().problem(), Problem::Malformed(_)));
        }
    }

    #[test]
    fn pieces_are_the_whole(shape in vec(1usize..6, 1..5), fortran_order in any::<bool>(), n in 1usize..8) {
        let data: Vec<u8> = (0..shape.iter().product()).map(|i: usize| i as u8).collect();
        let sizes: String = shape.iter().map(|size| format!("{size},")).collect();
        let order = if fortran_order { "True" } else { "False" };
        let header = format!("{{'descr': '|u1', 'fortran_order': {order}, 'shape': ({sizes})}}");
        let bytes = npy_with_header(&header, &data);
        for open in [file, entry] {
            let expected = whole(open(&bytes).unwrap()).unwrap();
            prop_assert_eq!(in_pieces(open(&bytes).unwrap(), n).unwrap(), expected);
        }
    }

    #[test]
    fn flipped_bits_never_panic(first in any::<usize>(), second in any::<usize>()) {
        let bytes = flipped(&flipped(&npy("<f4", "(3, 2)", &[7; 24]), first), second);
        if let Ok(array) = samples(&bytes) {
            prop_assert!(array.len() <= 24);
        }
        let _ = labels(&bytes);
    }

    #[test]
    fn any_header_text_is_read_or_refused(
        header in r"\{?(['\(\)\[\]{},: 0-9L]|'descr'|'shape'|'<f4'|True|\PC){0,40}\}?",
    ) {
        let _ = samples(&npy_with_header(&header, &[0; 8]));
    }
}
