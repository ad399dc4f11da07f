//! What makes a matrix: nothing outside its slice can be reached through one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Matrix, MatrixMut};

fn panics<T>(action: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(action)).is_err()
}

fn elements(matrix: Matrix<'_>) -> Vec<Vec<f32>> {
    let row = |r| (0..matrix.columns()).map(|c| matrix.row(r, c)[0]).collect();
    (0..matrix.rows()).map(row).collect()
}

#[test]
fn elements_are_where_the_strides_say() {
    let values: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let matrix = Matrix::new(&values, 3, 4);
    assert_eq!(elements(matrix)[1], [4.0, 5.0, 6.0, 7.0]);
    assert_eq!(elements(matrix.transposed())[1], [1.0, 5.0, 9.0]);
    assert_eq!(elements(matrix.row_range(1..3).column_range(2..4)), [[6.0, 7.0], [10.0, 11.0]]);
    assert_eq!(elements(matrix.transposed().row_range(3..4)), [[3.0, 7.0, 11.0]]);
    assert_eq!(elements(Matrix::with_strides(&values[1..], (2, 5), (3, 2))), [[1.0, 3.0, 5.0], [6.0, 8.0, 10.0]]);
    assert_eq!(elements(Matrix::with_strides(&values, (2, 0), (2, 11))), [[0.0, 11.0], [0.0, 11.0]]);
}

#[test]
fn matrices_that_leave_their_slice_cannot_be_made() {
    let values = [0.0; 12];
    for (rows, columns) in [(3, 3), (3, 5), (usize::MAX, 4), (usize::MAX / 4 + 4, 4)] {
        assert!(panics(|| Matrix::new(&values, rows, columns)), "[{rows}, {columns}]");
        assert!(panics(|| MatrixMut::new(&mut [0.0; 12], rows, columns).rows()), "[{rows}, {columns}]");
    }
    for (rows, columns) in
        [((4, 4), (1, 1)), ((3, 4), (5, 1)), ((2, usize::MAX), (3, 1)), ((3, usize::MAX / 2), (3, 1))]
    {
        assert!(panics(|| Matrix::with_strides(&values, rows, columns)), "{rows:?} {columns:?}");
        assert!(panics(|| MatrixMut::with_stride(&mut [0.0; 12], rows, columns.0).rows()), "{rows:?} {columns:?}");
    }
    assert!(panics(|| MatrixMut::with_stride(&mut [0.0; 12], (2, 2), 3).rows()));
    assert!(!panics(|| MatrixMut::with_stride(&mut [0.0; 12], (2, 9), 3).rows()));
    let matrix = Matrix::new(&values, 3, 4);
    assert!(panics(|| matrix.row_range(1..4)));
    assert!(panics(|| matrix.column_range(1..5)));
}

#[test]
fn a_matrix_without_elements_needs_none_and_has_no_other_parts() {
    for (rows, columns) in [((0, 7), (5, 3)), ((5, 7), (0, 3)), ((usize::MAX, usize::MAX), (0, 1))] {
        let matrix = Matrix::with_strides(&[], rows, columns);
        assert!(matrix.is_empty());
        assert!(matrix.row_range(rows.0 / 2..rows.0).is_empty());
        assert!(matrix.column_range(columns.0 / 2..columns.0).is_empty());
    }
    assert!(Matrix::new(&[1.0; 4], 2, 2).row_range(2..2).is_empty());
}
