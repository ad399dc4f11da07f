use std::io::Cursor;

use ndarray::arr2;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::testing::{flipped, in_pieces, whole};

fn scan(text: impl AsRef<[u8]>, labels: &LabelSource) -> Result<Scanned<Cursor<Vec<u8>>>, Problem> {
    Scanned::new(Cursor::new(text.as_ref().to_vec()), labels)
}

fn read_with(text: impl AsRef<[u8]>, labels: &LabelSource) -> Result<Dataset, Error> {
    whole(scan(text, labels)?.into_source("t.csv")?)
}

fn read(text: impl AsRef<[u8]>) -> Result<Dataset, Error> {
    read_with(text, &LabelSource::Usual)
}

#[test]
fn the_last_column_holds_the_labels() {
    let dataset = read("\u{feff}a, b,class\r\n1,2.5, 2\r\n\r\n-3e2 ,nan,0\r\n\"4\",-inf,2.0\r\n").unwrap();
    let x = &dataset.inputs()[0];
    assert_eq!(x.name, "x");
    assert_eq!(x.samples.shape(), [3, 2]);
    assert_eq!(x.samples.outer_iter().map(|row| row[0]).collect::<Vec<_>>(), [1.0, -300.0, 4.0]);
    assert!(x.samples[[1, 1]].is_nan());
    assert_eq!(x.samples[[2, 1]], f32::NEG_INFINITY);
    assert_eq!(dataset.labels(), Some(&[2, 0, 2][..]));
    assert_eq!((dataset.class_count(), dataset.class_names()), (Some(3), None));
}

#[test]
fn any_column_or_none_may_hold_the_labels() {
    let text = "class,a,b\n7,1,2\n8,3,4\n";
    let named = read_with(text, &LabelSource::Named("class".into())).unwrap();
    assert_eq!(named.labels(), Some(&[7, 8][..]));
    assert_eq!(named.inputs()[0].samples, arr2(&[[1.0, 2.0], [3.0, 4.0]]).into_dyn());
    let unlabelled = read_with(text, &LabelSource::None).unwrap();
    assert_eq!(unlabelled.labels(), None);
    assert_eq!(unlabelled.inputs()[0].samples, arr2(&[[7.0, 1.0, 2.0], [8.0, 3.0, 4.0]]).into_dyn());
}

#[test]
fn class_names_are_numbered_in_sorted_order() {
    let dataset = read("a,kind\n1,iris\n2,\"rose, red\"\n3,aster\n4,iris\n").unwrap();
    assert_eq!(dataset.labels(), Some(&[1, 2, 0, 1][..]));
    assert_eq!(dataset.class_names().unwrap(), ["aster", "iris", "rose, red"]);
    // One name among numbers makes all of them names.
    let dataset = read("a,kind\n1,10\n2,2\n3,x\n").unwrap();
    assert_eq!(dataset.class_names().unwrap(), ["10", "2", "x"]);
}

#[test]
fn other_tables_add_their_classes_if_they_have_the_same_columns() {
    let classes_with = |other: &str| {
        let mut table = scan("a,kind\n1,b\n", &LabelSource::Usual).unwrap();
        table.add_classes_of(Cursor::new(other.into())).unwrap();
        whole(table.into_source("t.csv").unwrap()).unwrap().class_names().unwrap().to_vec()
    };
    assert_eq!(classes_with("a,kind\n1,a\n1,b\n1,\n"), ["a", "b"]);
    assert_eq!(classes_with("kind,a\na,1\n"), ["b"]);
    assert_eq!(classes_with(""), ["b"]);
    let mut table = scan("a,kind\n1,b\n", &LabelSource::Usual).unwrap();
    assert!(table.add_classes_of(Cursor::new(b"a,kind\n1\n".to_vec())).is_err());
}

#[test]
fn numbered_columns_are_a_header() {
    let dataset = read("0,1,2\n5,6,1\n").unwrap();
    assert_eq!(dataset.inputs()[0].samples, arr2(&[[5.0, 6.0]]).into_dyn());
}

#[test]
fn errors_name_the_line_and_the_column() {
    for (text, expected) in [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("a,b,y\n", "array `x` of shape [0, 2] is empty"),
        ("1.5,2,0\n1,2,0\n", "line 1 holds numbers only"),
        ("a;b;y\n1;2;0\n", "columns are separated by commas"),
        ("a,b,y\n1,2,0\n1,two,0\n", "line 3, column `b`: `two` is not a number"),
        ("a,b,y\r\n1,2,0\r\n1,two,0\r\n", "line 3, column `b`: `two` is not a number"),
        ("a,b,y\n\n\n1,2,0\n\n1,two,0", "line 6, column `b`: `two` is not a number"),
        ("a,b,y\r1,2,0\r\r1,two,0\r", "line 4, column `b`: `two` is not a number"),
        ("a,\"b\n\nb\",y\r\n\r\n\"1\n\",2,0\r\n1,two,0", "line 7, column `b\n\nb`: `two` is not a number"),
        ("a,b,y\n1,,0\n", "line 2, column `b`: `` is not a number"),
        ("a,b,y\n1,2,0\n1,2\n", "line 3: 2 columns, but the header row has 3"),
        ("a,b,y\n1,2,0\n1,2,3,4\n", "line 3: 4 columns, but the header row has 3"),
        ("a,b,y\n1,2,\n", "line 2, column `y`: the label is missing"),
        ("a,b,y\n1,2,0\n1,2,-1\n", "line 3, column `y`: the label is -1;"),
        ("a,b,y\n1,2,0.5\n", "line 2, column `y`: the label is 0.5;"),
        ("a,b,y\n1,2,4294967296\n", "line 2, column `y`: the label is 4294967296;"),
    ] {
        let problem = read(text).unwrap_err();
        assert!(problem.to_string().contains(expected), "{text:?}: {problem}");
    }
    let problem = read(b"a,y\n1,\xff\n").unwrap_err();
    assert!(problem.to_string().contains("line 2"), "{problem}");
    assert!(problem.to_string().contains("UTF-8"), "{problem}");
    let named = |name: &str| read_with("a,a,y\n1,2,0\n", &LabelSource::Named(name.into())).unwrap_err().to_string();
    assert!(named("label").contains("no column `label` for the labels; the columns are `a`, `a`, `y`"));
    assert!(named("a").contains("two columns are named `a`"));
}

/// A column of different texts is not remembered to its end.
#[test]
fn too_many_names_are_no_labels() {
    let rows = |name: &dyn Fn(usize) -> String| -> String { (0..70_000).map(|i| format!("1,{}\n", name(i))).collect() };
    let long = "x".repeat(300);
    let names = format!("a,y\n{}", rows(&|i| format!("{i}{long}")));
    let error = read(&names).unwrap_err();
    assert!(matches!(error.problem(), Problem::Labels(_)), "{error}");
    assert!(error.to_string().contains("column `y` has too many different names for a label"), "{error}");
    assert_eq!(read(format!("a,y\n{}", rows(&|i| i.to_string()))).unwrap().class_count(), Some(70_000));
}

/// Memory for one row must not depend on the file ending its lines.
#[test]
fn a_file_without_line_ends_is_given_up() {
    let endless = vec![b'1'; 17 << 20];
    for text in [endless.clone(), [b"a,y\n", &endless[..]].concat()] {
        let error = read_with(text, &LabelSource::None).unwrap_err();
        assert!(error.to_string().contains("a row is longer than 16777216 bytes"), "{error}");
    }
}

proptest! {
    /// Against the numbers the text was made of.
    #[test]
    fn numbers_are_read_exactly(rows in vec((any::<f32>(), any::<f32>(), any::<u32>()), 1..20)) {
        let lines: String = rows.iter().map(|(a, b, y)| format!("{a},{b:e},{y}\n")).collect();
        let dataset = read(format!("a,b,y\n{lines}")).unwrap();
        let samples = &dataset.inputs()[0].samples;
        for (i, (a, b, y)) in rows.iter().enumerate() {
            prop_assert!(samples[[i, 0]] == *a && samples[[i, 1]] == *b);
            prop_assert_eq!(dataset.labels().unwrap()[i], *y);
        }
    }

    #[test]
    fn damage_never_panics(cut in any::<proptest::sample::Index>(), at in any::<usize>()) {
        let text = b"a,b,\"y\"\n1,-2.5e3,rose\n3,4,\"iris\"\n";
        for bytes in [text[..cut.index(text.len())].to_vec(), flipped(text, at)] {
            if let Ok(dataset) = read(&bytes) {
                prop_assert_eq!(dataset.len(), dataset.labels().unwrap().len());
            }
            let _ = read_with(&bytes, &LabelSource::None);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-c0-9,.\"\r\n;é -]{0,60}") {
        let _ = read(&text);
    }

    #[test]
    fn pieces_are_the_whole(
        rows in vec((any::<f32>(), "[a-c]{1,2}|[0-9]"), 1..30),
        labelled in any::<bool>(),
        n in 1usize..12,
    ) {
        let row = |(a, kind): &(f32, String)| if labelled { format!("{a},{kind}\n") } else { format!("{a},{a}\n") };
        let text = format!("a,kind\n{}", rows.iter().map(row).collect::<String>());
        let source = if labelled { LabelSource::Usual } else { LabelSource::None };
        let open = || scan(&text, &source).unwrap().into_source("t.csv").unwrap();
        let expected = whole(open()).unwrap();
        prop_assert_eq!(expected.len(), rows.len());
        prop_assert_eq!(in_pieces(open(), n).unwrap(), expected);
    }
}
