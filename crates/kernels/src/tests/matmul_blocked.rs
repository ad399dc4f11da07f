//! Every kernel with blocked weights against the same product with these weights written down in f32.

use proptest::prelude::*;

use super::oracle::Random;
use crate::{Bits, Blocked, Epilogue, Matrix, MatrixMut, available, best};

/// The numbers that blocked weights stand for, as ONNX `DequantizeLinear` has them.
fn dequantized(weights: &Blocked<'_>) -> Vec<f32> {
    let real = |at: usize| {
        let scale = at / weights.n / weights.block * weights.n + at % weights.n;
        let zero_point = weights.zero_points.get(scale).copied().unwrap_or(0);
        (i32::from(weights.values[at]) - i32::from(zero_point)) as f32 * weights.scales[scale]
    };
    (0..weights.values.len()).map(real).collect()
}

fn check_all(rows: usize, k: usize, n: usize, block: usize, bits: Bits, seed: u64) {
    let mut random = Random(seed);
    let half = if bits == Bits::Four { 8 } else { 128 };
    let mut integers =
        |len: usize| -> Vec<i8> { (0..len).map(|_| (random.below(2 * half) as i32 - half as i32) as i8).collect() };
    let values = integers(k * n);
    let count = k.div_ceil(block) * n;
    let zero_points = if seed.is_multiple_of(2) { integers(count) } else { Vec::new() };
    let scales: Vec<f32> = (0..count).map(|_| random.scale()).collect();
    let input: Vec<f32> = (0..rows * k).map(|_| random.scale() - random.scale()).collect();
    let bias: Vec<f32> = (0..n).map(|_| random.scale()).collect();
    let weights = Blocked { values: &values, scales: &scales, zero_points: &zero_points, block, bits, k, n };
    let real = dequantized(&weights);
    let epilogue = Epilogue { bias: &bias, min: -1.0, max: 50.0 };
    for kernel in available() {
        let (mut out, mut expected) = (vec![7.5; rows * n], vec![0.0; rows * n]);
        let (input, real) = (Matrix::new(&input, rows, k), kernel.pack_f32(Matrix::new(&real, k, n)));
        kernel.matmul_f32(input, &real, epilogue, MatrixMut::new(&mut expected, rows, n));
        kernel.matmul_blocked(input, &kernel.pack_blocked(&weights), epilogue, MatrixMut::new(&mut out, rows, n));
        let bits_of = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(
            bits_of(&out),
            bits_of(&expected),
            "{} {bits:?} [{rows}, {k}] x [{k}, {n}] in {block}",
            kernel.isa()
        );
    }
}

#[test]
fn each_dimension_from_0_to_130() {
    for (size, bits) in (0..=130).flat_map(|size| [(size, Bits::Four), (size, Bits::Eight)]) {
        check_all(size, 37, 21, 16, bits, size as u64);
        check_all(5, size, 70, 32, bits, size as u64);
        check_all(7, 19, size, 19, bits, size as u64);
        check_all(3, 40, 33, size + 1, bits, size as u64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_shape(rows in 1..=20usize, k in 1..=130usize, n in 1..=130usize, block in 1..=140usize, four: bool, seed: u64) {
        check_all(rows, k, n, block, if four { Bits::Four } else { Bits::Eight }, seed);
    }
}

#[test]
fn weights_take_their_bits_and_their_scales() {
    let (k, n, block) = (1024, 256, 32);
    let (values, scales) = (vec![1; k * n], vec![0.5; k / block * n]);
    let weights = Blocked { values: &values, scales: &scales, zero_points: &[], block, bits: Bits::Four, k, n };
    let kernel = best();
    // Half a byte for the integer and 4 bytes in 32 for the scale, which is another eighth of a byte.
    assert_eq!(kernel.pack_blocked(&weights).bytes(), k * n * 5 / 8);
    let weights = Blocked { bits: Bits::Eight, block: k, scales: &scales[..n], ..weights };
    assert_eq!(kernel.pack_blocked(&weights).bytes(), k * n + 4 * n);
}

#[test]
#[should_panic(expected = "integers must be in -8..=7")]
fn integers_beyond_4_bits_are_refused() {
    best().pack_blocked(&Blocked {
        values: &[8],
        scales: &[1.0],
        zero_points: &[],
        block: 1,
        bits: Bits::Four,
        k: 1,
        n: 1,
    });
}
