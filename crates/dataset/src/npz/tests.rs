use std::io::Cursor;

use ndarray::arr2;
use proptest::prelude::*;

use super::*;
use crate::testing::{archive, flipped, in_pieces, npy, npy_with_header, stream, whole};
use crate::{Dataset, Shard};

const METHODS: [CompressionMethod; 2] = [CompressionMethod::Stored, CompressionMethod::Deflated];

fn small(method: CompressionMethod) -> Vec<u8> {
    let x: Vec<u8> = (1..=6).collect();
    archive(method, &[("x.npy", npy("|u1", "(3, 2)", &x)), ("y.npy", npy("|u1", "(3,)", &[2, 0, 1]))])
}

fn source(bytes: &[u8], labels: LabelSource) -> Result<Arrays, Error> {
    super::open("small.npz", Cursor::new(bytes.to_vec()), bytes.len() as u64, &labels)
}

fn read_with(bytes: &[u8], labels: LabelSource) -> Result<Dataset, Error> {
    whole(source(bytes, labels)?)
}

fn open(bytes: &[u8]) -> Result<Dataset, Error> {
    Dataset::from_npz("small.npz", bytes)
}

#[test]
fn arrays_become_inputs_and_labels() {
    for method in METHODS {
        let dataset = open(&small(method)).unwrap();
        assert_eq!(dataset.input("x").unwrap().samples, arr2(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).into_dyn());
        assert_eq!(dataset.labels(), Some(&[2, 0, 1][..]));
        assert_eq!((dataset.inputs().len(), dataset.class_count()), (1, Some(3)));
    }
}

#[test]
fn labels_may_have_another_name_or_be_left_alone() {
    let ones = || npy("|u1", "(2,)", &[1, 1]);
    let bytes = archive(
        CompressionMethod::Deflated,
        &[("a.npy", ones()), ("target.npy", ones()), ("y.npy", ones()), ("notes.txt", vec![0])],
    );
    let names = |dataset: &Dataset| dataset.inputs().iter().map(|input| input.name.clone()).collect::<Vec<_>>();
    let named = read_with(&bytes, LabelSource::Named("target".into())).unwrap();
    assert_eq!((names(&named), named.labels()), (vec!["a".to_owned(), "y".to_owned()], Some(&[1, 1][..])));
    let unlabelled = read_with(&bytes, LabelSource::None).unwrap();
    assert_eq!((names(&unlabelled), unlabelled.labels()), (vec!["a".to_owned(), "target".to_owned()], None));
    let problem = read_with(&bytes, LabelSource::Named("t".into())).unwrap_err();
    assert!(problem.to_string().contains("no array `t` of labels"), "{problem}");
}

#[test]
fn errors_name_the_file_and_the_array() {
    for (name, array, expected) in [
        ("a.npy", npy("<U3", "(3,)", &[0; 36]), "small.npz: array `a`: numbers of type `<U3`"),
        ("a.npy", npy("<f4", "(3,)", &[0; 11]), "small.npz: array `a`: truncated"),
        (
            "a.npy",
            npy("<f4", "(2,)", &[0; 8]),
            "small.npz: array `a` of shape [2] holds 2 samples, but array `x` holds 3",
        ),
        ("a.npy", npy("<f4", "()", &[0; 4]), "small.npz: array `a` is a single number"),
        ("a.npy", npy("<f4", "(3, 0)", &[]), "small.npz: array `a` of shape [3, 0] is empty"),
        ("y.npy", npy("|i1", "(3,)", &[0, 0, 0xff]), "small.npz: label 2 (counted from 0) of `y` is -1"),
        ("y.npy", npy("|i1", "(4,)", &[0; 4]), "small.npz: 4 labels for 3 samples"),
    ] {
        let x = npy("|u1", "(3, 2)", &[0; 6]);
        let error = open(&archive(CompressionMethod::Stored, &[("x.npy", x), (name, array)])).unwrap_err();
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(error.file(), Some("small.npz"));
    }
    let empty = open(&archive(CompressionMethod::Stored, &[])).unwrap_err();
    assert!(empty.to_string().contains("no array of samples"), "{empty}");
    assert!(matches!(open(b"").unwrap_err().problem(), Problem::Malformed(_)));
    assert!(matches!(open(b"{\"no\": \"zip\"}").unwrap_err().problem(), Problem::Malformed(_)));
}

/// 64 MiB of zeros take 64 KiB; the array's own header says 6 bytes.
#[test]
fn a_bomb_is_given_up_at_the_size_its_header_states() {
    let mut bomb = npy("|u1", "(3, 2)", &[0; 6]);
    bomb.resize(64 << 20, 0);
    let bytes = archive(CompressionMethod::Deflated, &[("x.npy", bomb)]);
    let error = open(&bytes).unwrap_err();
    assert!(error.to_string().contains("data go on after the 6 numbers"), "{error}");
}

#[test]
fn a_stream_tells_of_damage_when_it_gets_there() {
    let mut bytes = archive(CompressionMethod::Stored, &[("x.npy", npy("|u1", "(3, 2)", &[1, 2, 3, 4, 5, 99]))]);
    let last = bytes.iter().rposition(|&byte| byte == 99).unwrap();
    bytes[last] = 98;
    let mut stream = stream(source(&bytes, LabelSource::Usual).unwrap(), Shard::ALL);
    assert_eq!(stream.next(2).unwrap().unwrap().len(), 2);
    let error = stream.next(2).unwrap_err();
    assert!(error.to_string().contains("array `x`: damaged: the checksum does not match"), "{error}");
    let error = stream.next(2).unwrap_err();
    assert!(matches!(error.problem(), Problem::Request(_)), "{error}");
}

#[test]
fn archives_of_too_many_arrays_are_refused() {
    let names: Vec<_> = (0..1025).map(|i| format!("{i}.npy")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), npy("|u1", "(1,)", &[0]))).collect();
    let error = open(&archive(CompressionMethod::Stored, &files)).unwrap_err();
    assert!(error.to_string().contains("1025 arrays"), "{error}");
    assert_eq!(open(&archive(CompressionMethod::Stored, &files[1..])).unwrap().inputs().len(), 1024);
}

/// A reader that keeps one of the two would pass off the labels as samples here.
#[test]
fn two_arrays_of_one_name_are_refused() {
    let mut bytes = small(CompressionMethod::Stored);
    for i in 0..bytes.len() {
        if bytes[i..].starts_with(b"y.npy") {
            bytes[i] = b'x';
        }
    }
    let error = open(&bytes).unwrap_err();
    assert!(error.to_string().contains("same name"), "{error}");
}

proptest! {
    #[test]
    fn truncated_archives_are_errors(
        cut in any::<proptest::sample::Index>(),
        method in proptest::sample::select(&METHODS),
    ) {
        let bytes = small(method);
        prop_assert!(open(&bytes[..cut.index(bytes.len())]).is_err());
    }

    /// The checksum of an entry covers all of an array, so a flipped bit is noticed unless it hits what is not read.
    #[test]
    fn flipped_bits_never_change_a_sample(at in any::<usize>(), method in proptest::sample::select(&METHODS)) {
        let bytes = small(method);
        let whole = open(&bytes).unwrap();
        if let Ok(dataset) = open(&flipped(&bytes, at))
            && let Some(x) = dataset.inputs().iter().find(|input| input.name == "x")
        {
            prop_assert_eq!(x, &whole.inputs()[0]);
        }
    }

    #[test]
    fn pieces_are_the_whole(
        len in 1u8..20,
        n in 1usize..8,
        fortran_order in any::<bool>(),
        method in proptest::sample::select(&METHODS),
    ) {
        let order = if fortran_order { "True" } else { "False" };
        let header = format!("{{'descr': '|u1', 'fortran_order': {order}, 'shape': ({len}, 2)}}");
        let ascending: Vec<u8> = (0..2 * len).collect();
        let bytes = archive(
            method,
            &[
                ("a.npy", npy_with_header(&header, &ascending)),
                ("y.npy", npy("|u1", &format!("({len},)"), &ascending[..len.into()])),
                ("b.npy", npy("<i2", &format!("({len}, 1)"), &ascending)),
            ],
        );
        let open = || source(&bytes, LabelSource::Usual).unwrap();
        prop_assert_eq!(in_pieces(open(), n).unwrap(), whole(open()).unwrap());
    }
}
