use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::data_type::{DoubleType, FloatType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

use super::*;
use crate::testing::{check_shards, flipped, in_pieces, stream, whole};

fn shipped(compression: &str) -> Vec<u8> {
    let name = format!("tests/data/pyarrow-{compression}.parquet");
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn scan(bytes: &[u8], labels: &LabelSource) -> Result<Scanned, Problem> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Scanned::new(file, labels)
}

fn source(bytes: &[u8], labels: &LabelSource) -> Result<Table, Error> {
    Ok(scan(bytes, labels)?.into_source("t.parquet")?)
}

fn read(bytes: &[u8]) -> Result<Dataset, Error> {
    whole(source(bytes, &LabelSource::Usual)?)
}

/// A file of this schema, with the columns that `write` writes in each row group.
fn file(schema: &str, groups: usize, write: impl Fn(usize, usize) -> Values) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer =
        SerializedFileWriter::new(&mut bytes, schema, Arc::new(WriterProperties::builder().build())).unwrap();
    for group in 0..groups {
        let mut rows = writer.next_row_group().unwrap();
        let mut index = 0;
        while let Some(mut column) = rows.next_column().unwrap() {
            let Values { ints, floats, doubles, depths, starts } = write(group, index);
            let (depths, starts) = (depths.as_deref(), starts.as_deref());
            if let Some(values) = ints {
                column.typed::<Int32Type>().write_batch(&values, depths, starts).unwrap();
            } else if let Some(values) = floats {
                column.typed::<FloatType>().write_batch(&values, depths, starts).unwrap();
            } else if let Some(values) = doubles {
                column.typed::<DoubleType>().write_batch(&values, depths, starts).unwrap();
            }
            column.close().unwrap();
            index += 1;
        }
        rows.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

#[derive(Default)]
struct Values {
    ints: Option<Vec<i32>>,
    floats: Option<Vec<f32>>,
    doubles: Option<Vec<f64>>,
    depths: Option<Vec<i16>>,
    starts: Option<Vec<i16>>,
}

const LISTS: &str = "message m { required group image (LIST) { repeated group list { required float element; } } }";

fn lists(lengths: &[usize]) -> Vec<u8> {
    file(LISTS, 1, |_, _| {
        let levels = |of: fn(usize) -> i16| lengths.iter().flat_map(|&length| (0..length.max(1)).map(of)).collect();
        let mut depths: Vec<i16> = levels(|_| 1);
        if let Some(empty) = lengths.iter().position(|&length| length == 0) {
            depths[lengths[..empty].iter().sum::<usize>()] = 0;
        }
        let values = (0..lengths.iter().sum()).map(|i: usize| i as f32).collect();
        Values {
            floats: Some(values),
            depths: Some(depths),
            starts: Some(levels(|i| i16::from(i > 0))),
            ..Values::default()
        }
    })
}

#[test]
fn tables_written_by_pyarrow() {
    for compression in ["snappy", "zstd", "gzip"] {
        let dataset = read(&shipped(compression)).unwrap();
        let x = &dataset.input("x").unwrap().samples;
        let image = &dataset.input("image").unwrap().samples;
        assert_eq!((x.shape(), image.shape()), (&[50, 3][..], &[50, 3][..]));
        for i in 0..50 {
            let row = [i as f32 / 4.0, (u32::MAX - i as u32) as f32, f32::from(i % 3 == 0)];
            assert_eq!(x.as_slice().unwrap()[3 * i..3 * i + 3], row);
            let row = [i as f32, -(i as f32), (i * i) as f32];
            assert_eq!(image.as_slice().unwrap()[3 * i..3 * i + 3], row);
            assert_eq!(dataset.labels().unwrap()[i], [1, 0][i % 2]);
        }
        assert_eq!(dataset.class_names().unwrap(), ["iris", "rose"]);
    }
}

#[test]
fn any_column_or_none_may_hold_the_labels() {
    let bytes = file("message m { required int32 y; required double a; required float b; }", 2, |group, column| {
        let group = group as i32;
        match column {
            0 => Values { ints: Some(vec![group, 3]), ..Values::default() },
            1 => Values { doubles: Some(vec![0.5, f64::from(group)]), ..Values::default() },
            _ => Values { floats: Some(vec![1.0, 2.0]), ..Values::default() },
        }
    });
    let dataset = whole(source(&bytes, &LabelSource::Named("y".into())).unwrap()).unwrap();
    assert_eq!((dataset.labels(), dataset.class_count()), (Some(&[0, 3, 1, 3][..]), Some(4)));
    let x = dataset.input("x").unwrap().samples.as_slice().unwrap();
    assert_eq!(x, [0.5, 1.0, 0.0, 2.0, 0.5, 1.0, 1.0, 2.0]);
    assert_eq!(read(&bytes).unwrap().labels(), Some(&[1, 2, 1, 2][..]));
    let unlabelled = whole(source(&bytes, &LabelSource::None).unwrap()).unwrap();
    assert_eq!((unlabelled.labels(), unlabelled.inputs()[0].samples.shape()), (None, &[4, 3][..]));
    // A last column of lists is no label.
    assert_eq!(read(&lists(&[2, 2])).unwrap().labels(), None);
}

#[test]
fn shards_and_positions_reach_over_row_groups() {
    for compression in ["snappy", "zstd"] {
        let bytes = shipped(compression);
        check_shards([1, 2, 7, 51], &[], |shard| stream(source(&bytes, &LabelSource::Usual).unwrap(), shard));
    }
    // Groups of 1, 2, ... rows; column `a` counts all rows.
    let groups = file("message m { required int32 a; required int32 y; }", 6, |group, column| {
        let start = group * (group + 1) / 2;
        let of = |row: usize| if column == 0 { row } else { row % 4 };
        Values { ints: Some((start..=start + group).map(|row| of(row) as i32).collect()), ..Values::default() }
    });
    check_shards(1..24, &[], |shard| stream(source(&groups, &LabelSource::Usual).unwrap(), shard));
    // Shards that leave out more than is read at a time.
    let long = file("message m { required int32 a; }", 2, |group, _| Values {
        ints: Some((0..4 * PIECE).map(|row| (row + group) as i32).collect()),
        ..Values::default()
    });
    let open = |shard| stream(source(&long, &LabelSource::None).unwrap(), shard);
    for (shard, expected) in [("3000/3000", &[2999.0, 1904.0][..]), ("4097/4097", &[1.0]), ("8193/8193", &[])] {
        let mut stream = open(shard.parse().unwrap());
        let samples = stream.next(9).unwrap().map(|piece| piece.inputs()[0].samples.iter().copied().collect());
        assert_eq!(samples.unwrap_or_else(Vec::new), expected);
    }
}

#[test]
fn errors_name_the_column() {
    let column = |schema: &str, values: fn() -> Values| file(schema, 1, move |_, _| values());
    let missing = || Values { floats: Some(vec![1.0]), depths: Some(vec![1, 0]), ..Values::default() };
    let negative = || Values { ints: Some(vec![0, -1]), ..Values::default() };
    let none = || Values { ints: Some(vec![]), ..Values::default() };
    for (bytes, labels, expected) in [
        (column("message m { optional float a; }", missing), LabelSource::None, "column `a` lacks a value"),
        (column("message m { required int32 y; }", negative), LabelSource::Usual, "column `y`: the label is -1"),
        (column("message m { required int32 y (DATE); }", negative), LabelSource::None, "column `y` holds neither"),
        (column("message m { required int32 y; }", none), LabelSource::None, "no row"),
        (column("message m { required int32 y; }", negative), LabelSource::Named("z".into()), "no column `z`"),
        (lists(&[2, 3]), LabelSource::None, "column `image` has lists of different lengths"),
        (lists(&[3, 1, 2]), LabelSource::None, "column `image` has lists of different lengths"),
        (lists(&[2, 0]), LabelSource::None, "column `image` lacks a value"),
        (shipped("snappy"), LabelSource::None, "column `kind` holds neither"),
        (b"PAR1".to_vec(), LabelSource::None, "not an intact Parquet file"),
        (vec![], LabelSource::None, "not an intact Parquet file"),
    ] {
        let error = source(&bytes, &labels).and_then(whole).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_are_the_whole(n in 1usize..60) {
        let bytes = shipped("zstd");
        let open = || source(&bytes, &LabelSource::Usual).unwrap();
        prop_assert_eq!(in_pieces(open(), n).unwrap(), whole(open()).unwrap());
    }

    #[test]
    fn damage_is_an_error_or_read_as_something_else(
        cut in any::<proptest::sample::Index>(),
        first in any::<usize>(),
        second in any::<usize>(),
    ) {
        for compression in ["snappy", "zstd", "gzip"] {
            let bytes = shipped(compression);
            prop_assert!(read(&bytes[..cut.index(bytes.len())]).is_err());
            if let Ok(dataset) = read(&flipped(&flipped(&bytes, first), second)) {
                prop_assert_eq!(dataset.labels().map_or(dataset.len(), <[u32]>::len), dataset.len());
            }
        }
    }
}
