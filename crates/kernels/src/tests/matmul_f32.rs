//! Every kernel of this machine against a naive chain of fused multiply-adds: all tails, extremes, the epilogue.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::oracle::{Random, bits, clip};
use crate::{Epilogue, Isa, Kernel, available, best, with_isa};
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
        Self { rows, k, n, input, weights, bias, bounds }
    }

    fn run(&self, kernel: &dyn Kernel) -> Vec<f32> {
        const MARGIN: usize = 67;
        let packed = kernel.pack_f32(&self.weights, self.k, self.n);
        let mut out = vec![7.5; self.rows * self.n + 2 * MARGIN];
        let (min, max) = self.bounds;
        let middle = MARGIN..MARGIN + self.rows * self.n;
        let epilogue = Epilogue { bias: &self.bias, min, max };
        kernel.matmul_f32(&self.input, self.rows, &packed, epilogue, &mut out[middle.clone()]);
        let mut beside = out[..MARGIN].iter().chain(&out[middle.end..]);
        assert!(beside.all(|&x| x == 7.5), "{} wrote outside the output", kernel.isa());
        out[middle].to_vec()
    }

    /// The definition, with the standard library's fused multiply-add.
    fn expected(&self) -> Vec<f32> {
        let Self { rows, k, n, bounds: (min, max), .. } = *self;
        let mut expected = Vec::with_capacity(rows * n);
        for row in 0..rows {
            for channel in 0..n {
                let mut sum = 0.0f32;
                for i in 0..k {
                    sum = self.input[row * k + i].mul_add(self.weights[i * n + channel], sum);
                }
                expected.push(clip(sum + self.bias[channel], min, max));
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
        let packed = kernel.pack_f32(weights, weights.len(), 1);
        kernel.matmul_f32(input, 1, &packed, Epilogue { bias: &[bias], min, max }, &mut out);
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
    let packed = kernel.pack_f32(&case.weights, k, n);
    let epilogue = Epilogue { bias: &case.bias, min: -1.0, max: 1.0 };
    let mut whole = vec![0.0; rows * n];
    kernel.matmul_f32(&case.input, rows, &packed, epilogue, &mut whole);
    for batch in [1, 3, 32] {
        let mut parts = vec![0.0; rows * n];
        for (input, out) in case.input.chunks(batch * k).zip(parts.chunks_mut(batch * n)) {
            kernel.matmul_f32(input, input.len() / k, &packed, epilogue, out);
        }
        assert_eq!(bits_of(&parts), bits_of(&whole), "batch {batch}");
    }
}

#[test]
fn packed_weights_describe_themselves() {
    for kernel in available() {
        let packed = kernel.pack_f32(&[1.0; 13 * 70], 13, 70);
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
        assert!(panics(|| drop(kernel.pack_f32(&[0.0; 5], 2, 3))));
        assert!(panics(|| drop(kernel.pack_f32(&[], usize::MAX, 2))));
        let packed = kernel.pack_f32(&[1.0; 6], 2, 3);
        let run = |input: usize, rows, bias: usize, out: usize| {
            let bias = vec![0.0; bias];
            let epilogue = Epilogue { bias: &bias, min: 0.0, max: 1.0 };
            panics(|| kernel.matmul_f32(&vec![1.0; input], rows, &packed, epilogue, &mut vec![0.0; out]))
        };
        assert!(!run(4, 2, 3, 6));
        assert!(run(3, 2, 3, 6));
        assert!(run(5, 2, 3, 6));
        assert!(run(4, 2, 2, 6));
        assert!(run(4, 2, 4, 6));
        assert!(run(4, 2, 3, 5));
        assert!(run(4, 2, 3, 7));
        assert!(run(0, usize::MAX, 3, 6));
    }
}

#[test]
fn weights_of_another_instruction_set_panic() {
    let scalar = with_isa(Isa::Scalar).unwrap();
    for kernel in available().filter(|kernel| kernel.isa() != Isa::Scalar) {
        let packed = scalar.pack_f32(&[1.0; 6], 2, 3);
        let epilogue = Epilogue { bias: &[0.0; 3], min: 0.0, max: 1.0 };
        assert!(panics(|| kernel.matmul_f32(&[1.0; 2], 1, &packed, epilogue, &mut [0.0; 3])));
    }
}
