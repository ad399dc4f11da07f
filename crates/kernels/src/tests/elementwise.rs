//! Quantize, dequantize, lookup and add of every kernel of this machine against the naive formulas.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::oracle::{Random, bits, level};
use crate::{Quantized, Rescale, available};
use proptest::prelude::*;

const SPECIAL: [f32; 22] = [
    0.0,
    -0.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    126.5,
    127.5,
    254.5,
    255.5,
    -128.5,
    1e10,
    -1e10,
    f32::MAX,
    f32::MIN,
    f32::MIN_POSITIVE,
    1e-45,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    -f32::NAN,
];

fn check_quantize(input: &[f32], scale: f32, zero_point: u8) {
    let signed = zero_point.wrapping_sub(128) as i8;
    let unsigned_levels: Vec<u8> = input.iter().map(|&x| level(x / scale, zero_point.into(), 0, 255) as u8).collect();
    let signed_levels: Vec<i8> = input.iter().map(|&x| level(x / scale, signed.into(), -128, 127) as i8).collect();
    for kernel in available() {
        let mut out = vec![99; input.len()];
        kernel.quantize_u8(input, scale, zero_point, &mut out);
        assert_eq!(out, unsigned_levels, "{} u8, scale {scale:e}, zero point {zero_point}", kernel.isa());
        let mut out = vec![99; input.len()];
        kernel.quantize_i8(input, scale, signed, &mut out);
        assert_eq!(out, signed_levels, "{} i8, scale {scale:e}, zero point {signed}", kernel.isa());
    }
}

#[test]
fn special_values_quantize_as_onnx_says() {
    // Scales whose product with an integer is exact keep the ties ties.
    let scales = [1.0, 2.0, 0.25, 0.1, 1.0 / 255.0, 3.0, 1e-38, 1e-45, 1e38, f32::MAX, f32::INFINITY, 0.0, -1.0];
    for scale in scales.into_iter().chain([f32::NAN]) {
        for zero_point in [0, 1, 127, 128, 255] {
            check_quantize(&SPECIAL, scale, zero_point);
            let ties: Vec<f32> = (-300..300).map(|i| (i as f32 + 0.5) * scale).collect();
            check_quantize(&ties, scale, zero_point);
        }
    }
}

#[test]
fn every_power_of_two_divides_exactly() {
    let mut random = Random(5);
    for exponent in -149..=127 {
        let scale = 2f64.powi(exponent) as f32;
        let mut input: Vec<f32> = (0..50).map(|_| random.float_bits()).collect();
        input.extend((0..50).map(|_| (random.below(1024) as f32 - 512.0) * 0.5 * scale));
        input.extend(SPECIAL);
        check_quantize(&input, scale, random.next() as u8);
    }
}

#[test]
fn nan_is_zero_and_infinity_saturates() {
    for kernel in available() {
        let mut out = [0; 3];
        kernel.quantize_u8(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY], 0.1, 42, &mut out);
        assert_eq!(out, [42, 255, 0]);
        let mut out = [0; 3];
        kernel.quantize_i8(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY], 0.1, -42, &mut out);
        assert_eq!(out, [-42, 127, -128]);
    }
}

#[test]
fn dequantize_every_level() {
    let levels: Vec<u8> = (0..=255).collect();
    let signed: Vec<i8> = (-128..=127).collect();
    for scale in [1.0, 0.1, 1e-45, 1e38, f32::NAN, f32::INFINITY] {
        for zero_point in 0..=255u8 {
            let offset = zero_point.wrapping_sub(128) as i8;
            let expected: Vec<u32> =
                levels.iter().map(|&q| bits((f32::from(q) - f32::from(zero_point)) * scale)).collect();
            let expected_signed: Vec<u32> =
                signed.iter().map(|&q| bits((f32::from(q) - f32::from(offset)) * scale)).collect();
            for kernel in available() {
                let mut out = vec![0.0; 256];
                kernel.dequantize_u8(&levels, scale, zero_point, &mut out);
                assert!(out.iter().map(|&x| bits(x)).eq(expected.iter().copied()), "{}", kernel.isa());
                kernel.dequantize_i8(&signed, scale, offset, &mut out);
                assert!(out.iter().map(|&x| bits(x)).eq(expected_signed.iter().copied()), "{}", kernel.isa());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn quantize_any_floats(len in 0..=130usize, seed: u64) {
        let mut random = Random(seed);
        let scale = random.scale();
        let any: Vec<f32> = (0..len).map(|_| random.float_bits()).collect();
        check_quantize(&any, scale, random.next() as u8);
        check_quantize(&any, random.float_bits(), random.next() as u8);
        let near: Vec<f32> = (0..len).map(|_| (random.below(4096) as f32 - 2048.0) / 8.0 * scale).collect();
        check_quantize(&near, scale, random.next() as u8);
    }

    #[test]
    fn dequantize_any_length(len in 0..=130usize, seed: u64) {
        let mut random = Random(seed);
        let (levels, scale, zero_point) = (random.inputs(len), random.scale(), random.next() as u8);
        let signed: Vec<i8> = levels.iter().map(|&q| q as i8).collect();
        for kernel in available() {
            let mut out = vec![f32::NAN; len];
            kernel.dequantize_u8(&levels, scale, zero_point, &mut out);
            for (x, &q) in out.iter().zip(&levels) {
                prop_assert_eq!(*x, (f32::from(q) - f32::from(zero_point)) * scale);
            }
            let mut out = vec![f32::NAN; len];
            kernel.dequantize_i8(&signed, scale, zero_point as i8, &mut out);
            for (x, &q) in out.iter().zip(&signed) {
                prop_assert_eq!(*x, (f32::from(q) - f32::from(zero_point as i8)) * scale);
            }
        }
    }

    #[test]
    fn lookup_any_table(len in 0..=400usize, seed: u64) {
        let mut random = Random(seed);
        let table: [u8; 256] = std::array::from_fn(|_| random.next() as u8);
        let input = random.inputs(len);
        let expected: Vec<u8> = input.iter().map(|&q| table[usize::from(q)]).collect();
        for kernel in available() {
            let mut out = vec![0; len + 64];
            kernel.lookup(&table, &input, &mut out[..len]);
            prop_assert_eq!(&out[..len], &expected, "{}", kernel.isa());
            prop_assert!(out[len..].iter().all(|&q| q == 0), "{} wrote outside", kernel.isa());
        }
    }

    #[test]
    fn add_any_scales(len in 0..=130usize, seed: u64, wild: bool) {
        let mut random = Random(seed);
        let [a_scale, b_scale, scale] =
            std::array::from_fn(|_| if wild { random.float_bits() } else { random.scale() });
        let (x, y) = (random.inputs(len), random.inputs(len));
        let [a_zero, b_zero, zero_point, p, q] = std::array::from_fn(|_| random.next() as u8);
        let to = Rescale { scale, zero_point, min: p.min(q), max: p.max(q) };
        let real = |q: u8, zero: u8, scale: f32| (f32::from(q) - f32::from(zero)) * scale;
        let expected: Vec<u8> = (0..len)
            .map(|i| {
                let sum = real(x[i], a_zero, a_scale) + real(y[i], b_zero, b_scale);
                level(sum / scale, zero_point.into(), to.min.into(), to.max.into()) as u8
            })
            .collect();
        for kernel in available() {
            let mut out = vec![0; len];
            let a = Quantized { values: &x, scale: a_scale, zero_point: a_zero };
            let b = Quantized { values: &y, scale: b_scale, zero_point: b_zero };
            kernel.add(a, b, to, &mut out);
            prop_assert_eq!(&out, &expected, "{}", kernel.isa());
        }
    }
}

#[test]
fn lookup_reaches_every_entry() {
    let table: [u8; 256] = std::array::from_fn(|i| (i as u8).wrapping_mul(37).wrapping_add(11));
    let input: Vec<u8> = (0..=255).collect();
    for kernel in available() {
        let mut out = [0; 256];
        kernel.lookup(&table, &input, &mut out);
        assert_eq!(out, table, "{}", kernel.isa());
    }
}

#[test]
fn different_lengths_panic() {
    fn panics(action: impl FnOnce()) -> bool {
        catch_unwind(AssertUnwindSafe(action)).is_err()
    }
    for kernel in available() {
        assert!(panics(|| kernel.quantize_u8(&[0.0; 3], 1.0, 0, &mut [0; 2])));
        assert!(panics(|| kernel.quantize_i8(&[0.0; 2], 1.0, 0, &mut [0; 3])));
        assert!(panics(|| kernel.dequantize_u8(&[0; 3], 1.0, 0, &mut [0.0; 2])));
        assert!(panics(|| kernel.dequantize_i8(&[0; 2], 1.0, 0, &mut [0.0; 3])));
        assert!(panics(|| kernel.lookup(&[0; 256], &[0; 3], &mut [0; 2])));
        let operand = |values| Quantized { values, scale: 1.0, zero_point: 0 };
        let to = Rescale { scale: 1.0, zero_point: 0, min: 0, max: 255 };
        assert!(panics(|| kernel.add(operand(&[0; 3]), operand(&[0; 2]), to, &mut [0; 3])));
        assert!(panics(|| kernel.add(operand(&[0; 2]), operand(&[0; 3]), to, &mut [0; 3])));
        assert!(panics(|| kernel.add(operand(&[0]), operand(&[0]), Rescale { min: 2, max: 1, ..to }, &mut [0])));
    }
}
