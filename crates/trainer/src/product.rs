//! Matrix products: the one place where the trainer multiplies.

pub(crate) use kernels::Matrix;
use kernels::{Epilogue, Kernel, MatrixMut, PackedF32};
use rayon::prelude::*;

/// Columns of the second matrix that are packed as one: whole panels of every kernel.
const BLOCK: usize = 128;

/// What a product without a bias adds; it changes no sum, not even one of -0.0.
const NO_BIAS: [f32; BLOCK] = [-0.0; BLOCK];

/// Multiply-accumulates, and packed elements, from which on a second thread is worth its call.
const WORTH_SHARING: (usize, usize) = (1 << 19, 1 << 16);

/// Tasks for each thread, so that one that starts late leaves work to the others.
const TASKS: usize = 2;

/// What a product does with the memory it writes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    /// Overwrites it.
    Zero,
    /// Overwrites it, one value added to each column at the end.
    Bias(&'a [f32]),
    /// Goes on with the sums in it.
    Out,
}

/// Multiplies matrices in the threads of the current pool, and keeps the memory that takes.
///
/// Each element is one chain of fused multiply-adds in the order of the inner dimension ([`Kernel::matmul_f32`]); threads share rows, never a
/// chain. So neither the number of threads nor the instruction set has a say in the bits.
#[derive(Debug)]
pub(crate) struct Product {
    kernel: &'static dyn Kernel,
    /// The second matrix, [`BLOCK`] columns each.
    blocks: Vec<PackedF32>,
    /// Its shape.
    k: usize,
    n: usize,
}

impl Product {
    pub(crate) fn new() -> Self {
        Self { kernel: kernels::best(), blocks: Vec::new(), k: 0, n: 0 }
    }

    /// `out = a b` `[a.rows, b.columns]`, row-major, begun as `start` says.
    pub(crate) fn multiply(&mut self, a: Matrix<'_>, b: Matrix<'_>, start: Start<'_>, out: &mut [f32]) {
        self.pack(b);
        self.multiply_by_packed(a, start, out);
    }

    /// Packs the second matrix of the products by [`Product::multiply_by_packed`] that follow.
    pub(crate) fn pack(&mut self, b: Matrix<'_>) {
        let kernel = self.kernel;
        (self.k, self.n) = (b.rows(), b.columns());
        let count = self.n.div_ceil(BLOCK);
        if self.blocks.len() < count {
            self.blocks.resize_with(count, || kernel.pack_f32(Matrix::new(&[], 0, 0)));
        }
        let pack = |(index, packed): (usize, &mut PackedF32)| {
            let first = index * BLOCK;
            kernel.repack_f32(b.column_range(first..b.columns().min(first + BLOCK)), packed);
        };
        let blocks = &mut self.blocks[..count];
        match self.k * self.n >= WORTH_SHARING.1 && rayon::current_num_threads() > 1 {
            true => blocks.par_iter_mut().enumerate().for_each(pack),
            false => blocks.iter_mut().enumerate().for_each(pack),
        }
    }

    /// [`Product::multiply`] by the matrix packed last.
    pub(crate) fn multiply_by_packed(&self, a: Matrix<'_>, start: Start<'_>, out: &mut [f32]) {
        let (rows, n) = (a.rows(), self.n);
        assert_eq!(a.columns(), self.k, "product: the inner dimensions must be equal");
        assert_eq!(out.len(), rows * n, "product: the output must be [{rows}, {n}]");
        let threads = rayon::current_num_threads();
        if threads == 1 || rows * n * self.k < WORTH_SHARING.0 {
            return self.multiply_rows(a, start, out);
        }
        let task = rows.div_ceil(threads * TASKS);
        out.par_chunks_mut(task * n).enumerate().for_each(|(index, out)| {
            let first = index * task;
            self.multiply_rows(a.row_range(first..rows.min(first + task)), start, out);
        });
    }

    /// [`Product::multiply_by_packed`] in this thread.
    fn multiply_rows(&self, a: Matrix<'_>, start: Start<'_>, out: &mut [f32]) {
        let n = self.n;
        for (first, packed) in (0..n).step_by(BLOCK).zip(&self.blocks) {
            let columns = packed.n();
            // Without rows there is nothing behind `first`.
            let values = out.get_mut(first..).unwrap_or_default();
            let out = MatrixMut::with_stride(values, (a.rows(), n), columns);
            let bias = match start {
                Start::Zero => &NO_BIAS[..columns],
                Start::Bias(bias) => &bias[first..][..columns],
                Start::Out => {
                    self.kernel.matmul_add_f32(a, packed, out);
                    continue;
                }
            };
            self.kernel.matmul_f32(a, packed, Epilogue { bias, min: f32::NEG_INFINITY, max: f32::INFINITY }, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The definition, with the standard library's fused multiply-add.
    fn naive(a: &[f32], b: &[f32], (k, n): (usize, usize), start: Start<'_>, out: &mut [f32]) {
        for (at, out) in out.iter_mut().enumerate() {
            let (row, column) = (at / n, at % n);
            let sum = if matches!(start, Start::Out) { *out } else { 0.0 };
            let sum = (0..k).fold(sum, |sum, i| a[row * k + i].mul_add(b[i * n + column], sum));
            *out = if let Start::Bias(bias) = start { sum + bias[column] } else { sum };
        }
    }

    fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
        (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c])).collect()
    }

    fn check(product: &mut Product, (rows, k, n): (usize, usize, usize), seed: u64) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut values = |len: usize| -> Vec<f32> { (0..len).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let (a, b, bias, before) = (values(rows * k), values(k * n), values(n), values(rows * n));
        let (a_turned, b_turned) = (transposed(&a, rows, k), transposed(&b, k, n));
        for (start, form) in [(Start::Zero, 0), (Start::Bias(&bias), 1), (Start::Out, 2), (Start::Out, 3)] {
            let (mut found, mut expected) = (before.clone(), before.clone());
            naive(&a, &b, (k, n), start, &mut expected);
            let matrix_a =
                if form % 2 == 0 { Matrix::new(&a, rows, k) } else { Matrix::new(&a_turned, k, rows).transposed() };
            let matrix_b =
                if form / 2 == 0 { Matrix::new(&b, k, n) } else { Matrix::new(&b_turned, n, k).transposed() };
            product.multiply(matrix_a, matrix_b, start, &mut found);
            assert_eq!(found, expected, "[{rows}, {k}] x [{k}, {n}] {start:?}");
        }
    }

    fn in_pool<T: Send>(threads: usize, run: impl FnOnce() -> T + Send) -> T {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run)
    }

    #[test]
    fn any_number_of_threads_gives_the_bits_of_the_definition() {
        // Shared and not, with fewer rows than threads, with blocks of columns that are full, partial and one column wide.
        let shapes =
            [(128, 100, 256), (1, 5000, 129), (3, 2000, 300), (700, 128, 10), (0, 3, 5), (4, 0, 200), (4, 7, 0)];
        for threads in [1, 2, 3, 8] {
            in_pool(threads, || {
                let mut product = Product::new();
                shapes.into_iter().for_each(|shape| check(&mut product, shape, 3));
            });
        }
    }

    #[test]
    fn a_packed_matrix_serves_many_products() {
        let (b, mut product) = ((0..6).map(|i| i as f32).collect::<Vec<_>>(), Product::new());
        product.pack(Matrix::new(&b, 2, 3));
        let mut out = [1.0; 6];
        product.multiply_by_packed(Matrix::new(&[1.0, 0.0, 0.0, 1.0], 2, 2), Start::Out, &mut out);
        assert_eq!(out, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        product.multiply_by_packed(Matrix::new(&[1.0, 1.0], 1, 2), Start::Bias(&[0.5, 0.0, 0.0]), &mut out[..3]);
        assert_eq!(out, [3.5, 5.0, 7.0, 4.0, 5.0, 6.0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_shape(rows in 0..=40usize, k in 0..=60usize, n in 0..=300usize, seed: u64) {
            check(&mut Product::new(), (rows, k, n), seed);
        }
    }
}
