use core::ops::Range;

/// A matrix of f32 that lies in a slice in steps: element `[r, c]` is `values[r * row_stride + c * column_stride]`.
///
/// Making one checks that every element is inside the slice.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The whole of `values`, row-major `[rows, columns]`.
    ///
    /// # Panics
    ///
    /// If `values.len() != rows * columns`.
    #[track_caller]
    pub fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(rows.checked_mul(columns), Some(values.len()), "matrix must be [{rows}, {columns}]");
        Self { values, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// A matrix whose rows start `row_stride` elements apart, and in them the columns `column_stride`; either may be 0, which repeats.
    ///
    /// # Panics
    ///
    /// If an element lies outside `values`.
    #[track_caller]
    pub fn with_strides(
        values: &'a [f32],
        (rows, row_stride): (usize, usize),
        (columns, column_stride): (usize, usize),
    ) -> Self {
        if rows > 0 && columns > 0 {
            let last = last((rows, row_stride), (columns, column_stride));
            let fits = last.is_some_and(|last| last < values.len());
            assert!(fits, "matrix [{rows}, {columns}] reaches beyond {} elements", values.len());
        }
        Self { values, rows, columns, row_stride, column_stride }
    }

    /// `[columns, rows]`, without moving an element.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// The rows of this range.
    ///
    /// # Panics
    ///
    /// If it reaches beyond the rows.
    #[track_caller]
    pub fn row_range(self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.rows, "rows {range:?} must be in 0..{}", self.rows);
        let part = Self { rows: range.len(), ..self };
        match part.is_empty() {
            // Without elements nothing says that the product below stays in the slice, or even in a `usize`.
            true => part,
            false => Self { values: &self.values[range.start * self.row_stride..], ..part },
        }
    }

    /// The columns of this range.
    ///
    /// # Panics
    ///
    /// If it reaches beyond the columns.
    #[track_caller]
    pub fn column_range(self, range: Range<usize>) -> Self {
        self.transposed().row_range(range).transposed()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.rows == 0 || self.columns == 0
    }

    pub(crate) fn row_stride(&self) -> usize {
        self.row_stride
    }

    pub(crate) fn column_stride(&self) -> usize {
        self.column_stride
    }

    /// Element `[0, 0]`, from where the strides lead to every other.
    pub(crate) fn as_ptr(&self) -> *const f32 {
        self.values.as_ptr()
    }

    /// The elements of row `row` from column `first` on, `column_stride` apart. Only for a matrix that is not empty.
    pub(crate) fn row(&self, row: usize, first: usize) -> &'a [f32] {
        &self.values[row * self.row_stride + first * self.column_stride..]
    }
}

/// A matrix of f32 to write, whose rows are `row_stride` elements apart: element `[r, c]` is `values[r * row_stride + c]`.
///
/// Making one checks that every element is inside the slice.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    values: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// The whole of `values`, row-major `[rows, columns]`.
    ///
    /// # Panics
    ///
    /// If `values.len() != rows * columns`.
    #[track_caller]
    pub fn new(values: &'a mut [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(rows.checked_mul(columns), Some(values.len()), "matrix must be [{rows}, {columns}]");
        Self { values, rows, columns, row_stride: columns }
    }

    /// A matrix whose rows start `row_stride` elements apart: a range of the columns of a larger one.
    ///
    /// # Panics
    ///
    /// If an element lies outside `values`, or rows overlap.
    #[track_caller]
    pub fn with_stride(values: &'a mut [f32], (rows, row_stride): (usize, usize), columns: usize) -> Self {
        if rows > 0 && columns > 0 {
            let fits = last((rows, row_stride), (columns, 1)).is_some_and(|last| last < values.len());
            assert!(fits, "matrix [{rows}, {columns}] reaches beyond {} elements", values.len());
            assert!(rows == 1 || row_stride >= columns, "rows of {columns} elements must not overlap");
        }
        Self { values, rows, columns, row_stride }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// `count` elements of row `row` from column `first` on.
    pub(crate) fn row(&mut self, row: usize, first: usize, count: usize) -> &mut [f32] {
        &mut self.values[row * self.row_stride + first..][..count]
    }

    /// Element `[0, 0]`, valid for writing every other.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.values.as_mut_ptr()
    }
}

/// Where the last element of a matrix that has one lies; `None` beyond the address space.
fn last((rows, row_stride): (usize, usize), (columns, column_stride): (usize, usize)) -> Option<usize> {
    let row = (rows - 1).checked_mul(row_stride)?;
    row.checked_add((columns - 1).checked_mul(column_stride)?)
}
