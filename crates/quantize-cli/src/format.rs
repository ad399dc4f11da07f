//! How numbers and tables look.

use comfy_table::{CellAlignment, LineStyle, Table, presets};
use indicatif::{HumanBytes, HumanCount};

/// A column of a table: its header, and whether its cells are numbers.
#[derive(Clone, Copy)]
pub(crate) enum Column {
    Text(&'static str),
    Number(&'static str),
}

/// An aligned table under a header line, with a line feed at its end.
pub(crate) fn table<const N: usize>(columns: [Column; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    let style = presets::NOTHING.header_separator(LineStyle::none().fill('-').junction('-'));
    table.load_style(style).set_header(columns.map(|column| match column {
        Column::Text(name) | Column::Number(name) => name,
    }));
    table.add_rows(rows);
    for (column, kind) in table.column_iter_mut().zip(columns) {
        if let Column::Number(_) = kind {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt() + "\n"
}

/// Names and values below each other, with a line feed at the end.
pub(crate) fn pairs<S: AsRef<str>>(rows: impl AsRef<[(S, String)]>) -> String {
    let rows = rows.as_ref();
    let width = rows.iter().map(|(name, _)| name.as_ref().chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!(" {:width$}  {value}\n", name.as_ref())).collect()
}

/// A real number with four significant digits.
pub(crate) fn real(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || !value.is_finite() {
        format!("{value}")
    } else if !(1e-3..1e6).contains(&magnitude) {
        format!("{value:.3e}")
    } else {
        let decimals = 3 - magnitude.log10().floor().min(3.0) as i32;
        format!("{value:.*}", decimals.max(0) as usize)
    }
}

/// An accuracy in per cent.
pub(crate) fn percent(value: f64) -> String {
    format!("{value:.2} %")
}

/// A size in KiB or MiB.
pub(crate) fn bytes(count: usize) -> String {
    HumanBytes(count as u64).to_string()
}

/// A count with its thousands apart.
pub(crate) fn count(count: usize) -> String {
    HumanCount(count as u64).to_string()
}

/// A table as CSV.
pub(crate) fn csv<const N: usize>(columns: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = std::iter::once(columns.map(str::to_owned)).chain(rows).try_for_each(|row| writer.write_record(row));
    let bytes = written.and_then(|()| writer.into_inner().map_err(|error| error.into_error().into()));
    // Nothing fails that is written to memory, and of text only text is made.
    bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_have_four_digits() {
        let cases = [
            (0.0, "0"),
            (-1.5, "-1.500"),
            (0.012345, "0.01235"),
            (123.456, "123.5"),
            (98765.4, "98765"),
            (1.0e-9, "1.000e-9"),
            (3.4e38, "3.400e38"),
            (f64::INFINITY, "inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(real(value), expected);
        }
    }

    #[test]
    fn csv_quotes_what_it_must() {
        let text = csv(["name", "n"], [["a,b \"c\"".to_owned(), "1".to_owned()]]);
        assert_eq!(text, "name,n\n\"a,b \"\"c\"\"\",1\n");
    }

    #[test]
    fn tables_are_aligned_without_trailing_spaces() {
        let text = table(
            [Column::Text("name"), Column::Number("n")],
            [["a".to_owned(), "1".to_owned()], ["long name".to_owned(), "123".to_owned()]],
        );
        assert_eq!(text, " name          n\n-----------------\n a             1\n long name   123\n");
    }
}
