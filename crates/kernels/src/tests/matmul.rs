//! Every kernel of this machine against the naive product: all tails, extremes and outputs.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::oracle::{Random, accumulators, bits, clip, level};
use crate::{Isa, Kernel, Output, Requantize, Weights, available, best, with_isa};
use proptest::prelude::*;

pub(crate) struct Case {
    pub(crate) rows: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) input: Vec<u8>,
    pub(crate) weights: Vec<i8>,
    pub(crate) zero_points: Vec<i8>,
    pub(crate) input_levels: (u8, u8),
    pub(crate) bias: Vec<i32>,
    pub(crate) multipliers: Vec<f32>,
    pub(crate) levels: [u8; 3],
    pub(crate) min: f32,
    pub(crate) max: f32,
}

impl Case {
    pub(crate) fn new(rows: usize, k: usize, n: usize, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut input = random.inputs(rows * k);
        let (a, b) = (random.next() as u8, random.next() as u8);
        let input_levels = if random.below(2) == 0 { (0, 255) } else { (a.min(b), a.max(b)) };
        input.iter_mut().for_each(|level| *level = (*level).clamp(input_levels.0, input_levels.1));
        let mut weights = random.weights(k * n);
        // Runs of channels whose pair sums fit 16 bits, beside others: both kinds of panels, and panels of both kinds.
        let tame: Vec<bool> = (0..n.div_ceil(8)).map(|_| random.below(4) > 0).collect();
        for (i, weight) in weights.iter_mut().enumerate() {
            if tame[i % n / 8] {
                *weight /= 2;
            }
        }
        let zero_points = match random.below(4) {
            0 => random.weights(n),
            1 => vec![random.next() as i8; n],
            _ => Vec::new(),
        };
        let near = 1 << 16;
        let bias = (0..n).map(|_| match random.below(4) {
            // Overflows 32 bits with almost any product.
            0 => i32::MAX - random.below(near) as i32,
            1 => i32::MIN + random.below(near) as i32,
            _ => random.below(near) as i32 - (near / 2) as i32,
        });
        let bias = bias.collect();
        let multipliers = (0..n).map(|_| match random.below(8) {
            0 => random.float_bits(),
            // Exact halves: ties.
            1 => 0.5,
            _ => random.scale() / (k.max(1) as f32 * 64.0),
        });
        let multipliers = multipliers.collect();
        let (a, b) = (random.next() as u8, random.next() as u8);
        let full = random.below(2) == 0;
        let levels = if full { [a, 0, 255] } else { [random.next() as u8, a.min(b), a.max(b)] };
        let (min, max) = [(f32::NEG_INFINITY, f32::INFINITY), (0.0, 6.0), (-1.5, 0.25)][random.below(3) as usize];
        Self { rows, k, n, input, weights, zero_points, input_levels, bias, multipliers, levels, min, max }
    }

    pub(crate) fn weights(&self) -> Weights<'_> {
        Weights {
            values: &self.weights,
            k: self.k,
            n: self.n,
            zero_points: &self.zero_points,
            input_levels: self.input_levels,
        }
    }

    /// All three outputs of `kernel` equal the naive ones, and nothing beside them is written.
    pub(crate) fn check(&self, kernel: &dyn Kernel) {
        let Self { rows, k, n, input, bias, multipliers, levels: [zero_point, low, high], .. } = self;
        let (rows, k, n) = (*rows, *k, *n);
        let label = format!("{} [{rows}, {k}] x [{k}, {n}]", kernel.isa());
        let packed = kernel.pack_weights(&self.weights());
        let sums = accumulators(input, rows, &self.weights(), bias);
        let scaled = |i: usize| sums[i] as f32 * multipliers[i % n];

        let found = framed(rows * n, -77, |out| kernel.matmul(input, rows, &packed, bias, Output::I32(out)));
        assert_eq!(found, sums, "{label}");

        let requantize = Requantize { multipliers, zero_point: *zero_point, min: *low, max: *high };
        let found =
            framed(rows * n, 77, |out| kernel.matmul(input, rows, &packed, bias, Output::U8 { out, requantize }));
        let expected: Vec<u8> = (0..rows * n)
            .map(|i| level(scaled(i), (*zero_point).into(), (*low).into(), (*high).into()) as u8)
            .collect();
        assert_eq!(found, expected, "{label} requantized");

        let (min, max) = (self.min, self.max);
        let found = framed(rows * n, 7.5, |out| {
            kernel.matmul(input, rows, &packed, bias, Output::F32 { out, scales: multipliers, min, max });
        });
        let found: Vec<u32> = found.into_iter().map(bits).collect();
        let expected: Vec<u32> = (0..rows * n).map(|i| bits(clip(scaled(i), min, max))).collect();
        assert_eq!(found, expected, "{label} dequantized");
    }
}

/// Lets `write` fill the middle of a buffer and checks that the margins are untouched.
fn framed<T: Copy + PartialEq + std::fmt::Debug>(len: usize, blank: T, write: impl FnOnce(&mut [T])) -> Vec<T> {
    const MARGIN: usize = 67;
    let mut buffer = vec![blank; len + 2 * MARGIN];
    write(&mut buffer[MARGIN..][..len]);
    assert!(buffer[..MARGIN].iter().chain(&buffer[MARGIN + len..]).all(|&x| x == blank), "wrote outside the output");
    buffer[MARGIN..][..len].to_vec()
}

fn check_all(rows: usize, k: usize, n: usize, seed: u64) {
    let case = Case::new(rows, k, n, seed);
    for kernel in available() {
        case.check(kernel);
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
        for k in 0..=9 {
            for n in 1..=67 {
                check_all(rows, k, n, (rows * 10_000 + k * 100 + n) as u64);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_shape(rows in 0..=130usize, k in 0..=130usize, n in 0..=130usize, seed: u64) {
        check_all(rows, k, n, seed);
    }
}

#[test]
fn extremes_alone_at_a_depth_that_overflows() {
    // 255 * -128 * 66,000 is beyond -2^31.
    let (rows, k, n) = (7, 66_001, 5);
    for (byte, weight, zero_point) in
        [(255, -128, 0), (255, 127, 0), (0, -128, 0), (1, -1, 0), (255, -128, 127), (255, 127, -128)]
    {
        let product = i64::from(byte) * (i64::from(weight) - i64::from(zero_point));
        let expected = (product * k as i64 + 3) as i32;
        let values = vec![weight; k * n];
        for kernel in available() {
            let packed = kernel.pack_weights(&Weights { zero_points: &[zero_point; 5], ..Weights::new(&values, k, n) });
            let mut out = vec![0; rows * n];
            kernel.matmul(&vec![byte; rows * k], rows, &packed, &[3; 5], Output::I32(&mut out));
            assert_eq!(out, vec![expected; rows * n], "{} {byte} x ({weight} - {zero_point})", kernel.isa());
        }
    }
}

#[test]
fn rows_beyond_those_whose_sums_are_held_at_once() {
    for rows in [255, 256, 257, 600] {
        let mut case = Case::new(rows, 33, 20, rows as u64);
        case.zero_points = Random(1).weights(20);
        available().for_each(|kernel| case.check(kernel));
    }
}

#[test]
fn pair_sums_at_the_edges_of_16_bits() {
    // Every pair of weights that just fits, and those that just do not, alone and side by side in one panel.
    let fit = [(64, 64), (127, 1), (1, 127), (-64, -64), (-128, 0), (-127, -1), (-128, 127)];
    let wide = [(64, 65), (127, 2), (127, 127), (-65, -64), (-128, -1), (-128, -128)];
    let (rows, k) = (9, 38);
    let all = fit.iter().chain(&wide);
    let uniform = all.clone().map(|&pair| vec![pair; 70]);
    let mixed = [(0..70).map(|c| if c == 40 { wide[c % 6] } else { fit[c % 7] }).collect(), all.copied().collect()];
    for pairs in uniform.chain(mixed) {
        let n = pairs.len();
        let weight = |i: usize, c: usize| if i.is_multiple_of(2) { pairs[c].0 } else { pairs[c].1 };
        let weights: Vec<i8> = (0..k * n).map(|i| weight(i / n, i % n)).collect();
        for input in [vec![255; rows * k], Random(5).bytes(rows * k, &[0, 255])] {
            let expected = accumulators(&input, rows, &Weights::new(&weights, k, n), &vec![-7; n]);
            for kernel in available() {
                let mut out = vec![0; rows * n];
                let packed = kernel.pack(&weights, k, n);
                kernel.matmul(&input, rows, &packed, &vec![-7; n], Output::I32(&mut out));
                assert_eq!(out, expected, "{} {pairs:?}", kernel.isa());
            }
        }
    }
}

#[test]
fn ties_round_to_even_and_accumulators_round_to_f32_first() {
    let sums = [1, 3, 5, -1, -3, -5, 16_777_217, 16_777_219, i32::MAX, i32::MIN];
    let multipliers = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1.0 / 131_072.0, 0.000_007_6, 1e-9, f32::MAX];
    let expected = [100, 102, 102, 100, 98, 98, 228, 228, 102, 0];
    for kernel in available() {
        let mut out = [0; 10];
        let requantize = Requantize { multipliers: &multipliers, zero_point: 100, min: 0, max: 255 };
        let packed = kernel.pack(&[], 0, 10);
        kernel.matmul(&[], 1, &packed, &sums, Output::U8 { out: &mut out, requantize });
        assert_eq!(out, expected, "{}", kernel.isa());
    }
}

#[test]
fn packed_weights_describe_themselves() {
    let weights: Vec<i8> = Random(9).weights(13 * 70);
    let sums: Vec<i32> = (0..70).map(|c| (0..13).map(|i| i32::from(weights[i * 70 + c])).sum()).collect();
    for kernel in available() {
        let packed = kernel.pack(&weights, 13, 70);
        assert_eq!((packed.k(), packed.n(), packed.isa()), (13, 70, kernel.isa()));
        assert_eq!(packed.column_sums(), sums);
        assert!(packed.bytes() >= 13 * 70 + 4 * 70, "{packed:?}");
        let zero_points: Vec<i8> = (-128..128).step_by(3).map(|zero_point| zero_point as i8).take(70).collect();
        let shifted: Vec<i32> = sums.iter().zip(&zero_points).map(|(sum, &zero)| sum - 13 * i32::from(zero)).collect();
        let asymmetric = kernel.pack_weights(&Weights { zero_points: &zero_points, ..Weights::new(&weights, 13, 70) });
        assert_eq!(asymmetric.column_sums(), shifted);
        let zeros = kernel.pack_weights(&Weights { zero_points: &[0; 70], ..Weights::new(&weights, 13, 70) });
        assert_eq!((zeros.column_sums(), zeros.bytes()), (packed.column_sums(), packed.bytes()));
    }
}

#[test]
fn empty_shapes_are_defined() {
    for kernel in available() {
        for (rows, k, n) in [(0, 0, 0), (0, 5, 7), (5, 0, 0), (5, 7, 0), (0, 0, 7)] {
            let packed = kernel.pack(&vec![1; k * n], k, n);
            kernel.matmul(&vec![1; rows * k], rows, &packed, &vec![1; n], Output::I32(&mut []));
        }
        let mut out = [0; 4];
        kernel.matmul(&[], 2, &kernel.pack(&[], 0, 2), &[5, -6], Output::I32(&mut out));
        assert_eq!(out, [5, -6, 5, -6]);
    }
}

#[test]
fn columns_are_those_of_the_whole_product() {
    let shapes = [(1, 37, 300), (5, 64, 129), (3, 9, 64), (2, 5, 7)];
    for ((rows, k, n), asymmetric) in shapes.into_iter().flat_map(|shape| [(shape, false), (shape, true)]) {
        let mut case = Case::new(rows, k, n, (rows * n) as u64);
        case.zero_points = if asymmetric { Random(n as u64).weights(n) } else { Vec::new() };
        for kernel in available() {
            let packed = kernel.pack_weights(&case.weights());
            let mut whole = vec![0; rows * n];
            kernel.matmul(&case.input, rows, &packed, &case.bias, Output::I32(&mut whole));
            let edges: Vec<usize> = (0..n).step_by(packed.panel()).chain([n]).collect();
            for (i, &start) in edges.iter().enumerate() {
                for &end in &edges[i..] {
                    let columns = start..end;
                    let expected: Vec<i32> = whole.chunks(n).flat_map(|row| row[columns.clone()].to_vec()).collect();
                    let bias = &case.bias[columns.clone()];
                    let found = framed(expected.len(), -77, |out| {
                        kernel.matmul_columns(&case.input, rows, &packed, columns.clone(), bias, Output::I32(out));
                    });
                    assert_eq!(found, expected, "{} [{rows}, {k}] x [{k}, {columns:?}]", kernel.isa());
                    let multipliers = &case.multipliers[columns.clone()];
                    let requantize = Requantize { multipliers, zero_point: 3, min: 3, max: 250 };
                    let expected: Vec<u8> = (0..expected.len())
                        .map(|i| level(expected[i] as f32 * multipliers[i % columns.len()], 3, 3, 250) as u8)
                        .collect();
                    let found = framed(expected.len(), 77, |out| {
                        let output = Output::U8 { out, requantize };
                        kernel.matmul_columns(&case.input, rows, &packed, columns.clone(), bias, output);
                    });
                    assert_eq!(found, expected, "{} [{rows}, {k}] x [{k}, {columns:?}]", kernel.isa());
                }
            }
        }
    }
}

fn panics(action: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(action)).is_err()
}

#[test]
fn wrong_lengths_panic_before_memory_is_touched() {
    for kernel in available() {
        assert!(panics(|| drop(kernel.pack(&[0; 5], 2, 3))));
        assert!(panics(|| drop(kernel.pack(&[], usize::MAX, 2))));
        let zero_points = |zero_points: &[i8]| {
            panics(|| drop(kernel.pack_weights(&Weights { zero_points, ..Weights::new(&[0; 6], 2, 3) })))
        };
        assert!(!zero_points(&[1; 3]) && zero_points(&[1; 2]) && zero_points(&[1]));
        let crossed = Weights { input_levels: (9, 8), ..Weights::new(&[0; 6], 2, 3) };
        assert!(panics(|| drop(kernel.pack_weights(&crossed))));
        let packed = kernel.pack(&[1; 6], 2, 3);
        let (mut i32s, mut u8s, mut f32s) = ([0; 6], [0; 6], [0.0; 6]);
        let scales = [1.0; 3];
        let run = |input: &[u8], rows, bias: &[i32], output: Output<'_>| {
            panics(|| kernel.matmul(input, rows, &packed, bias, output))
        };
        assert!(!run(&[1; 4], 2, &[0; 3], Output::I32(&mut i32s)));
        assert!(run(&[1; 3], 2, &[0; 3], Output::I32(&mut i32s)));
        assert!(run(&[1; 5], 2, &[0; 3], Output::I32(&mut i32s)));
        assert!(run(&[1; 4], 2, &[0; 2], Output::I32(&mut i32s)));
        assert!(run(&[1; 4], 2, &[0; 4], Output::I32(&mut i32s)));
        assert!(run(&[1; 4], 2, &[0; 3], Output::I32(&mut i32s[..5])));
        assert!(run(&[], usize::MAX, &[0; 3], Output::I32(&mut i32s)));
        let inside = |columns: std::ops::Range<usize>, len: usize| {
            let packed = kernel.pack(&[1; 200], 1, 200);
            let (bias, mut out) = (vec![0; len], vec![0; len]);
            panics(|| kernel.matmul_columns(&[1], 1, &packed, columns, &bias, Output::I32(&mut out)))
        };
        assert!(!inside(0..200, 200) && !inside(128..200, 72) && !inside(0..64, 64));
        assert!(inside(0..201, 201) && inside(0..64, 65) && inside(200..201, 1) && inside(64..usize::MAX, 0));
        assert!(kernel.isa() == Isa::Scalar || (inside(1..200, 199) && inside(0..63, 63)));
        let quantized = Requantize { multipliers: &scales, zero_point: 0, min: 0, max: 255 };
        let narrow = Requantize { multipliers: &scales[..2], ..quantized };
        let crossed = Requantize { min: 9, max: 8, ..quantized };
        assert!(!run(&[1; 4], 2, &[0; 3], Output::U8 { out: &mut u8s, requantize: quantized }));
        assert!(run(&[1; 4], 2, &[0; 3], Output::U8 { out: &mut u8s[..5], requantize: quantized }));
        assert!(run(&[1; 4], 2, &[0; 3], Output::U8 { out: &mut u8s, requantize: narrow }));
        assert!(run(&[1; 4], 2, &[0; 3], Output::U8 { out: &mut u8s, requantize: crossed }));
        let (min, max) = (f32::NEG_INFINITY, f32::INFINITY);
        assert!(!run(&[1; 4], 2, &[0; 3], Output::F32 { out: &mut f32s, scales: &scales, min, max }));
        assert!(run(&[1; 4], 2, &[0; 3], Output::F32 { out: &mut f32s[..5], scales: &scales, min, max }));
        assert!(run(&[1; 4], 2, &[0; 3], Output::F32 { out: &mut f32s, scales: &scales[..2], min, max }));
    }
}

#[test]
fn weights_of_another_instruction_set_panic() {
    let scalar = with_isa(Isa::Scalar).unwrap();
    for kernel in available().filter(|kernel| kernel.isa() != Isa::Scalar) {
        let packed = scalar.pack(&[1; 6], 2, 3);
        let mut out = [0; 3];
        assert!(panics(|| kernel.matmul(&[1; 2], 1, &packed, &[0; 3], Output::I32(&mut out))));
    }
}

#[test]
fn rows_do_not_depend_on_the_batch_they_are_in() {
    let kernel = best();
    let (rows, k, n) = (100, 65, 33);
    let case = Case::new(rows, k, n, 4);
    let packed = kernel.pack_weights(&case.weights());
    let requantize = Requantize { multipliers: &case.multipliers, zero_point: 3, min: 3, max: 250 };
    let mut whole = vec![0; rows * n];
    kernel.matmul(&case.input, rows, &packed, &case.bias, Output::U8 { out: &mut whole, requantize });
    for batch in [1, 3, 32] {
        let mut parts = vec![0; rows * n];
        for (input, out) in case.input.chunks(batch * k).zip(parts.chunks_mut(batch * n)) {
            kernel.matmul(input, input.len() / k, &packed, &case.bias, Output::U8 { out, requantize });
        }
        assert_eq!(parts, whole, "batch {batch}");
    }
}
