//! Every kernel of this machine against a naive chain of fused multiply-adds: all tails, extremes, strides, the epilogue, sums that go on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::oracle::{Random, bits, clip};
use crate::{Epilogue, Isa, Kernel, Matrix, MatrixMut, available, best, with_isa};
use proptest::prelude::*;

const UNBOUNDED: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);

struct Case {
    rows: usize,
    k: usize,
    n: usize,
    input: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
    bounds: (f32, f32),
    /// What the output holds before; the sums go on from it where there is anything.
    before: Option<Vec<f32>>,
    /// How input and weights lie in memory.
    places: [Place; 2],
    /// Whether the weights are given row by row instead.
    by_rows: bool,
    /// Elements between the rows of the output.
    gap: usize,
}

/// How a matrix lies in memory.
#[derive(Clone, Copy, Debug)]
enum Place {
    RowMajor,
    ColumnMajor,
    /// Every third element of rows with a gap between them.
    Scattered,
}

impl Place {
    fn any(random: &mut Random) -> Self {
        [Self::RowMajor, Self::ColumnMajor, Self::Scattered][random.below(3) as usize]
    }

    /// Calls `with` for the row-major `[rows, columns]` laid out like this, NaN between its elements.
    fn lay<T>(self, values: &[f32], rows: usize, columns: usize, with: impl FnOnce(Matrix<'_>) -> T) -> T {
        let (row_stride, column_stride) = match self {
            Self::RowMajor => return with(Matrix::new(values, rows, columns)),
            Self::ColumnMajor => (1, rows),
            Self::Scattered => (3 * columns + 2, 3),
        };
        let len = if values.is_empty() { 0 } else { (rows - 1) * row_stride + (columns - 1) * column_stride + 1 };
        let mut laid = vec![f32::NAN; len];
        for (at, &value) in values.iter().enumerate() {
            laid[at / columns * row_stride + at % columns * column_stride] = value;
        }
        match self {
            Self::ColumnMajor => with(Matrix::new(&laid, columns, rows).transposed()),
            _ => with(Matrix::with_strides(&laid, (rows, row_stride), (columns, column_stride))),
        }
    }
}

/// Values of which one in eight is an extreme or any bit pattern at all where `wild`, the others of all signs and sizes around 1.
fn values(random: &mut Random, len: usize, wild: bool) -> Vec<f32> {
    const EXTREMES: [f32; 10] =
        [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 1e-45, -1e-45, 0.0, -0.0];
    (0..len)
        .map(|_| match random.below(16) {
            0 if wild => EXTREMES[random.below(10) as usize],
            1 if wild => random.float_bits(),
            2 => 0.0,
            3 => -0.0,
            _ if random.below(2) == 0 => random.scale(),
            _ => -random.scale(),
        })
        .collect()
}

impl Case {
    fn new(rows: usize, k: usize, n: usize, seed: u64) -> Self {
        let mut random = Random(seed);
        // One NaN or infinity spoils a whole row, so most cases do without.
        let wild = random.below(4) == 0;
        let input = values(&mut random, rows * k, wild);
        let weights = values(&mut random, k * n, wild);
        let bias = match random.below(3) {
            0 => vec![-0.0; n],
            _ => values(&mut random, n, wild),
        };
        let bounds =
            [UNBOUNDED, (0.0, f32::INFINITY), (-0.0, 6.0), (-1.5, 0.25), (1.0, -1.0)][random.below(5) as usize];
        let before = (random.below(3) == 0).then(|| values(&mut random, rows * n, wild));
        let places = [Place::any(&mut random), Place::any(&mut random)];
        let gap = if random.below(2) == 0 { 0 } else { 5 };
        let by_rows = random.below(4) == 0;
        Self { rows, k, n, input, weights, bias, bounds, before, places, by_rows, gap }
    }

    fn run(&self, kernel: &dyn Kernel) -> Vec<f32> {
        const MARGIN: usize = 67;
        let Self { rows, k, n, gap, .. } = *self;
        // Memory that held other weights: nothing of them may be left.
        let mut packed = kernel.pack_f32(Matrix::new(&[f32::NAN; 2 * 200], 2, 200));
        match self.by_rows {
            true => {
                let mut fill = |i: usize, row: &mut [f32]| row.copy_from_slice(&self.weights[i * n..][..n]);
                kernel.repack_rows_f32((k, n), &mut fill, &mut packed);
            }
            false => self.places[1].lay(&self.weights, k, n, |weights| kernel.repack_f32(weights, &mut packed)),
        }
        let row_at = |row: usize| MARGIN + row * (n + gap);
        let mut memory = vec![7.5; row_at(rows) + MARGIN];
        for (row, before) in self.before.iter().flat_map(|before| before.chunks(n.max(1)).enumerate()) {
            memory[row_at(row)..][..n].copy_from_slice(before);
        }
        self.places[0].lay(&self.input, rows, k, |input| {
            let len = if gap == 0 { rows * n } else { memory.len() - MARGIN };
            let values = &mut memory[MARGIN..][..len];
            let out = match gap {
                0 => MatrixMut::new(values, rows, n),
                gap => MatrixMut::with_stride(values, (rows, n + gap), n),
            };
            let (min, max) = self.bounds;
            match self.before {
                None => kernel.matmul_f32(input, &packed, Epilogue { bias: &self.bias, min, max }, out),
                Some(_) => kernel.matmul_add_f32(input, &packed, out),
            }
        });
        let out = (0..rows).flat_map(|row| memory[row_at(row)..][..n].to_vec()).collect();
        (0..rows).for_each(|row| memory[row_at(row)..][..n].fill(7.5));
        assert!(memory.iter().all(|&x| x == 7.5), "{} wrote outside the output", kernel.isa());
        out
    }

    /// The definition, with the standard library's fused multiply-add.
    fn expected(&self) -> Vec<f32> {
        let Self { rows, k, n, bounds: (min, max), .. } = *self;
        let mut expected = Vec::with_capacity(rows * n);
        for row in 0..rows {
            for channel in 0..n {
                let mut sum = self.before.as_ref().map_or(0.0, |before| before[row * n + channel]);
                for i in 0..k {
                    sum = self.input[row * k + i].mul_add(self.weights[i * n + channel], sum);
                }
                expected.push(match self.before {
                    None => clip(sum + self.bias[channel], min, max),
                    Some(_) => sum,
                });
            }
        }
        expected
    }
}

fn bits_of(values: &[f32]) -> Vec<u32> {
    values.iter().copied().map(bits).collect()
}

fn check_all(rows: usize, k: usize, n: usize, seed: u64) {
    let case = Case::new(rows, k, n, seed);
    let expected = bits_of(&case.expected());
    for kernel in available() {
        assert_eq!(bits_of(&case.run(kernel)), expected, "{} [{rows}, {k}] x [{k}, {n}]", kernel.isa());
    }
}

#[test]
fn each_dimension_from_0_to_130() {
    for size in 0..=130 {
        check_all(size, 37, 21, size as u64);
        check_all(5, size, 70, size as u64);
        check_all(7, 19, size, size as u64);
    }
}

#[test]
fn every_combination_of_tails() {
    for rows in 1..=13 {
        for k in [0, 1, 2, 5] {
            for n in 1..=130 {
                check_all(rows, k, n, (rows * 10_000 + k * 1000 + n) as u64);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_shape(rows in 1..=130usize, k in 1..=130usize, n in 1..=130usize, seed: u64) {
        check_all(rows, k, n, seed);
    }
}

#[test]
fn a_long_chain_is_one_chain() {
    check_all(7, 5000, 70, 1);
}

/// `[1, k] x [k, 1]` on every kernel, as bits.
fn chain(input: &[f32], weights: &[f32], bias: f32, (min, max): (f32, f32)) -> Vec<u32> {
    let found = available().map(|kernel| {
        let mut out = [7.5];
        let packed = kernel.pack_f32(Matrix::new(weights, weights.len(), 1));
        let input = Matrix::new(input, 1, input.len());
        kernel.matmul_f32(input, &packed, Epilogue { bias: &[bias], min, max }, MatrixMut::new(&mut out, 1, 1));
        bits(out[0])
    });
    found.collect()
}

#[track_caller]
fn assert_all(found: Vec<u32>, expected: f32) {
    assert!(found.iter().all(|&found| found == bits(expected)), "{found:x?}, not {expected}");
}

#[test]
fn products_are_not_rounded_before_they_are_added() {
    // (1 + e)^2 - (1 + 2e) is e^2; a product rounded on its own would leave 0.
    let e = f32::EPSILON;
    assert_all(chain(&[-1.0, 1.0 + e], &[1.0 + 2.0 * e, 1.0 + e], -0.0, UNBOUNDED), e * e);
    // Subnormal sums are kept, and a product may overflow where its sum does not.
    assert_all(chain(&[1e-30, 1e-30], &[1e-15, 1e-15], -0.0, UNBOUNDED), 3e-45);
    assert_all(chain(&[f32::MIN, 2.0], &[1.0, f32::MAX], -0.0, UNBOUNDED), f32::MAX);
}

#[test]
fn the_order_is_that_of_the_inputs_and_the_bias_comes_last() {
    assert_all(chain(&[1e30, -1e30, 1.0], &[1.0, 1.0, 1.0], -0.0, UNBOUNDED), 1.0);
    assert_all(chain(&[1e30, 1.0, -1e30], &[1.0, 1.0, 1.0], -0.0, UNBOUNDED), 0.0);
    assert_all(chain(&[1e30, 1.0], &[1.0, 1.0], -1e30, UNBOUNDED), 0.0);
}

#[test]
fn nan_stays_through_the_clamp_and_so_does_the_sign_of_zero() {
    let relu = (0.0, f32::INFINITY);
    assert_all(chain(&[f32::NAN], &[1.0], 0.0, (0.0, 6.0)), f32::NAN);
    assert_all(chain(&[f32::INFINITY], &[0.0], 0.0, relu), f32::NAN);
    assert_all(chain(&[f32::INFINITY, 1.0], &[1.0, f32::NEG_INFINITY], 0.0, relu), f32::NAN);
    assert_all(chain(&[f32::INFINITY], &[-1.0], 0.0, relu), 0.0);
    assert_all(chain(&[f32::INFINITY], &[1.0], 0.0, (0.0, 6.0)), 6.0);
    // A sum begins at +0.0, which no product of -0.0 changes; one that rounds to -0.0 does.
    assert_all(chain(&[-0.0], &[1.0], -0.0, relu), 0.0);
    assert_all(chain(&[-1e-30], &[1e-30], -0.0, relu), -0.0);
    assert_all(chain(&[-1e-30], &[1e-30], 0.0, relu), 0.0);
    assert_all(chain(&[], &[], -0.0, UNBOUNDED), 0.0);
    assert_all(chain(&[2.0], &[1.0], 0.0, (1.0, -1.0)), -1.0);
}

#[test]
fn rows_do_not_depend_on_the_batch_they_are_in() {
    let kernel = best();
    let (rows, k, n) = (100, 65, 73);
    let case = Case::new(rows, k, n, 4);
    let packed = kernel.pack_f32(Matrix::new(&case.weights, k, n));
    let epilogue = Epilogue { bias: &case.bias, min: -1.0, max: 1.0 };
    let input = Matrix::new(&case.input, rows, k);
    let mut whole = vec![0.0; rows * n];
    kernel.matmul_f32(input, &packed, epilogue, MatrixMut::new(&mut whole, rows, n));
    for batch in [1, 3, 32] {
        let mut parts = vec![0.0; rows * n];
        for (first, out) in (0..rows).step_by(batch).zip(parts.chunks_mut(batch * n)) {
            let count = out.len() / n;
            let out = MatrixMut::new(out, count, n);
            kernel.matmul_f32(input.row_range(first..first + count), &packed, epilogue, out);
        }
        assert_eq!(bits_of(&parts), bits_of(&whole), "batch {batch}");
    }
}

#[test]
fn a_product_cut_along_k_or_the_columns_gives_the_bits_of_the_whole() {
    let (rows, k, n) = (13, 65, 73);
    let case = Case::new(rows, k, n, 4);
    for kernel in available() {
        let (input, weights) = (Matrix::new(&case.input, rows, k), Matrix::new(&case.weights, k, n));
        let (mut whole, mut by_k, mut by_n) = (vec![1.5; rows * n], vec![1.5; rows * n], vec![1.5; rows * n]);
        kernel.matmul_add_f32(input, &kernel.pack_f32(weights), MatrixMut::new(&mut whole, rows, n));
        for part in [0..1, 1..40, 40..k] {
            let packed = kernel.pack_f32(weights.row_range(part.clone()));
            kernel.matmul_add_f32(input.column_range(part), &packed, MatrixMut::new(&mut by_k, rows, n));
        }
        for part in [0..2, 2..2, 2..66, 66..n] {
            let out = MatrixMut::with_stride(&mut by_n[part.start..], (rows, n), part.len());
            kernel.matmul_add_f32(input, &kernel.pack_f32(weights.column_range(part)), out);
        }
        assert_eq!(bits_of(&by_k), bits_of(&whole), "{}", kernel.isa());
        assert_eq!(bits_of(&by_n), bits_of(&whole), "{}", kernel.isa());
    }
}

#[test]
fn a_stride_of_zero_repeats() {
    let input: Vec<f32> = (0..12).map(|i| i as f32).collect();
    for kernel in available() {
        // Ones times a matrix are the sums of its columns, and a row that is read thrice counts thrice.
        let ones = Matrix::with_strides(&[1.0], (1, 0), (4, 0));
        let mut out = [0.0; 3];
        kernel.matmul_add_f32(ones, &kernel.pack_f32(Matrix::new(&input, 4, 3)), MatrixMut::new(&mut out, 1, 3));
        assert_eq!(out, [18.0, 22.0, 26.0]);
        let thrice = Matrix::with_strides(&input, (4, 0), (3, 1));
        kernel.matmul_add_f32(ones, &kernel.pack_f32(thrice), MatrixMut::new(&mut out, 1, 3));
        assert_eq!(out, [18.0, 26.0, 34.0]);
        kernel.matmul_add_f32(ones, &kernel.pack_f32(thrice.transposed().transposed()), MatrixMut::new(&mut out, 1, 3));
        assert_eq!(out, [18.0, 30.0, 42.0]);
        let same_column = Matrix::with_strides(&input, (4, 3), (3, 0));
        kernel.matmul_add_f32(ones, &kernel.pack_f32(same_column), MatrixMut::new(&mut out, 1, 3));
        assert_eq!(out, [36.0, 48.0, 60.0]);
    }
}

/// [Higham, Accuracy and Stability of Numerical Algorithms, 3.5](https://doi.org/10.1137/1.9780898718027): a chain of `k` roundings is off by
/// at most `k u / (1 - k u)` times the sum of the magnitudes.
#[test]
fn sums_are_those_of_real_numbers_but_for_rounding() {
    let (rows, k, n) = (9, 300, 70);
    let mut random = Random(9);
    let mut floats = |len: usize| (0..len).map(|_| random.scale() - random.scale()).collect::<Vec<f32>>();
    let (input, weights) = (floats(rows * k), floats(k * n));
    for kernel in available() {
        let mut out = vec![0.0; rows * n];
        let packed = kernel.pack_f32(Matrix::new(&weights, k, n));
        kernel.matmul_add_f32(Matrix::new(&input, rows, k), &packed, MatrixMut::new(&mut out, rows, n));
        for (at, &found) in out.iter().enumerate() {
            let terms = (0..k).map(|i| f64::from(input[at / n * k + i]) * f64::from(weights[i * n + at % n]));
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
            let bound = k as f64 * f64::from(f32::EPSILON) * size;
            assert!((f64::from(found) - sum).abs() <= bound, "{}: {found}, not {sum}", kernel.isa());
        }
    }
}

#[test]
fn packed_weights_describe_themselves() {
    for kernel in available() {
        let packed = kernel.pack_f32(Matrix::new(&[1.0; 13 * 70], 13, 70));
        assert_eq!((packed.k(), packed.n(), packed.isa()), (13, 70, kernel.isa()));
        assert!(packed.bytes() >= 4 * 13 * 70, "{packed:?}");
    }
}

fn panics(action: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(action)).is_err()
}

#[test]
fn wrong_lengths_panic_before_memory_is_touched() {
    for kernel in available() {
        // A matrix that repeats one element has any size.
        let huge = Matrix::with_strides(&[0.0], (usize::MAX, 0), (2, 0));
        assert!(panics(|| drop(kernel.pack_f32(huge))));
        assert!(panics(|| drop(kernel.pack_f32(huge.transposed()))));
        let packed = kernel.pack_f32(Matrix::new(&[1.0; 6], 2, 3));
        let run = |(rows, k): (usize, usize), bias: usize, (out_rows, n): (usize, usize)| {
            let (input, bias) = (vec![1.0; rows * k], vec![0.0; bias]);
            let input = Matrix::new(&input, rows, k);
            let epilogue = Epilogue { bias: &bias, min: 0.0, max: 1.0 };
            let mut out = vec![0.0; out_rows * n];
            let fails = panics(|| kernel.matmul_f32(input, &packed, epilogue, MatrixMut::new(&mut out, out_rows, n)));
            let add_fails = panics(|| kernel.matmul_add_f32(input, &packed, MatrixMut::new(&mut out, out_rows, n)));
            assert_eq!(fails, add_fails || bias.len() != 3);
            fails
        };
        assert!(!run((2, 2), 3, (2, 3)));
        assert!(run((2, 1), 3, (2, 3)));
        assert!(run((2, 3), 3, (2, 3)));
        assert!(run((2, 2), 2, (2, 3)));
        assert!(run((2, 2), 4, (2, 3)));
        assert!(run((2, 2), 3, (1, 3)));
        assert!(run((2, 2), 3, (3, 3)));
        assert!(run((2, 2), 3, (2, 2)));
        assert!(run((2, 2), 3, (2, 4)));
    }
}

#[test]
fn weights_of_another_instruction_set_panic() {
    let scalar = with_isa(Isa::Scalar).unwrap();
    for kernel in available().filter(|kernel| kernel.isa() != Isa::Scalar) {
        let mut packed = scalar.pack_f32(Matrix::new(&[1.0; 6], 2, 3));
        let epilogue = Epilogue { bias: &[0.0; 3], min: 0.0, max: 1.0 };
        let (input, mut out) = (Matrix::new(&[1.0; 2], 1, 2), [0.0; 3]);
        assert!(panics(|| kernel.matmul_f32(input, &packed, epilogue, MatrixMut::new(&mut out, 1, 3))));
        assert!(panics(|| kernel.matmul_add_f32(input, &packed, MatrixMut::new(&mut out, 1, 3))));
        assert!(panics(|| kernel.repack_f32(input, &mut packed)));
        assert!(panics(|| kernel.repack_rows_f32((1, 1), &mut |_, _| (), &mut packed)));
    }
}
