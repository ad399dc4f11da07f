//! Ten million random comparisons of every kernel with the scalar one, which the other tests hold to the contract.
//!
//! `cargo test --release -p kernels soak -- --ignored --nocapture`, some minutes on all cores.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::matmul::Case;
use super::oracle::{Random, bits};
use crate::{
    Bits, Blocked, Epilogue, Isa, Kernel, Matrix, MatrixMut, Output, Quantized, Requantize, Rescale, available,
    with_isa,
};

const COMPARISONS: u64 = 10_000_000;

/// What one operation on random data gives, bit by bit.
type Operation = Box<dyn Fn(&dyn Kernel) -> Vec<u32>>;

fn float_bits(values: Vec<f32>) -> Vec<u32> {
    values.into_iter().map(bits).collect()
}

fn widened<T: Into<i32>>(values: Vec<T>) -> Vec<u32> {
    values.into_iter().map(|value| value.into() as u32).collect()
}

/// An int8 product, its output in one of three forms.
fn product(random: &mut Random) -> Operation {
    let (rows, k, n) = (random.below(14) as usize, random.below(40) as usize, random.below(80) as usize);
    let case = Case::new(rows, k, n, random.next());
    let form = random.below(3);
    Box::new(move |kernel| {
        let packed = kernel.pack_weights(&case.weights());
        let Case { input, bias, multipliers, levels: [zero_point, min, max], .. } = &case;
        let run = |output: Output<'_>| kernel.matmul(input, rows, &packed, bias, output);
        match form {
            0 => {
                let mut out = vec![0; rows * n];
                run(Output::I32(&mut out));
                widened(out)
            }
            1 => {
                let mut out = vec![0; rows * n];
                let requantize = Requantize { multipliers, zero_point: *zero_point, min: *min, max: *max };
                run(Output::U8 { out: &mut out, requantize });
                widened(out)
            }
            _ => {
                let mut out = vec![0.0; rows * n];
                run(Output::F32 { out: &mut out, scales: multipliers, min: case.min, max: case.max });
                float_bits(out)
            }
        }
    })
}

/// A product in f32, the weights in f32 or in blocks of integers; of plain ones, the matrices lie either way and the sums may go on.
fn float_product(random: &mut Random) -> Operation {
    let (rows, k, n) = (random.below(8) as usize, random.below(12) as usize, random.below(40) as usize);
    let mut floats = |len: usize| (0..len).map(|_| random.scale() - random.scale()).collect::<Vec<f32>>();
    let (input, weights, bias) = (floats(rows * k), floats(k * n), floats(n));
    let block = random.below(9) as usize + 1;
    let scales: Vec<f32> = (0..k.div_ceil(block) * n).map(|_| random.scale()).collect();
    let integers: Vec<i8> = (0..k * n).map(|_| random.next() as i8 >> 4).collect();
    let zero_points: Vec<i8> = scales.iter().map(|_| random.next() as i8 >> 4).collect();
    let (form, lies) = (random.below(4), random.below(4));
    Box::new(move |kernel| {
        let epilogue = Epilogue { bias: &bias, min: -0.5, max: 6.0 };
        let mut out = vec![0.5; rows * n];
        let to = MatrixMut::new(&mut out, rows, n);
        let matrix = |values, rows, columns, turned| match turned {
            true => Matrix::new(values, columns, rows).transposed(),
            false => Matrix::new(values, rows, columns),
        };
        let input = matrix(&input, rows, k, lies & 1 == 0);
        let packed = kernel.pack_f32(matrix(&weights, k, n, lies & 2 == 0));
        if form == 0 {
            kernel.matmul_f32(input, &packed, epilogue, to);
        } else if form == 3 {
            kernel.matmul_add_f32(input, &packed, to);
        } else {
            let bits = if form == 1 { Bits::Four } else { Bits::Eight };
            let blocked = Blocked { values: &integers, scales: &scales, zero_points: &zero_points, block, bits, k, n };
            kernel.matmul_blocked(input, &kernel.pack_blocked(&blocked), epilogue, to);
        }
        float_bits(out)
    })
}

/// Any floats to levels.
fn quantize(random: &mut Random) -> Operation {
    let input: Vec<f32> = (0..random.below(70))
        .map(|_| if random.below(2) == 0 { random.float_bits() } else { random.scale() - random.scale() })
        .collect();
    let (scale, zero_point, signed) = (random.scale(), random.next() as u8, random.below(2) == 0);
    Box::new(move |kernel| {
        if signed {
            let mut out = vec![0; input.len()];
            kernel.quantize_i8(&input, scale, zero_point as i8, &mut out);
            return widened(out);
        }
        let mut out = vec![0; input.len()];
        kernel.quantize_u8(&input, scale, zero_point, &mut out);
        widened(out)
    })
}

/// Levels to floats, through a table, or two tensors added.
fn levels(random: &mut Random) -> Operation {
    let len = random.below(200) as usize;
    let (a, b) = (random.inputs(len), random.inputs(len));
    let (scales, form) = ([random.scale(), random.scale(), random.scale()], random.below(4));
    let zero_points = [random.next() as u8, random.next() as u8, random.next() as u8];
    let (x, y) = (random.next() as u8, random.next() as u8);
    let table: [u8; 256] = std::array::from_fn(|_| random.next() as u8);
    Box::new(move |kernel| {
        let (mut bytes, mut floats) = (vec![0; len], vec![0.0; len]);
        match form {
            0 => kernel.lookup(&table, &a, &mut bytes),
            1 => kernel.dequantize_u8(&a, scales[0], zero_points[0], &mut floats),
            2 => {
                let signed: Vec<i8> = a.iter().map(|&level| level as i8).collect();
                kernel.dequantize_i8(&signed, scales[0], zero_points[0] as i8, &mut floats);
            }
            _ => {
                let operand = |values, i: usize| Quantized { values, scale: scales[i], zero_point: zero_points[i] };
                let to = Rescale { scale: scales[2], zero_point: zero_points[2], min: x.min(y), max: x.max(y) };
                kernel.add(operand(&a, 0), operand(&b, 1), to, &mut bytes);
            }
        }
        [widened(bytes), float_bits(floats)].concat()
    })
}

/// Compares every kernel with the scalar one on the data of this seed.
fn compare(seed: u64) {
    let random = &mut Random(seed);
    let operation = match random.below(8) {
        0..=4 => product(random),
        5 => float_product(random),
        6 => quantize(random),
        _ => levels(random),
    };
    let expected = operation(with_isa(Isa::Scalar).unwrap());
    for kernel in available().filter(|kernel| kernel.isa() != Isa::Scalar) {
        assert_eq!(operation(kernel), expected, "{} on the data of seed {seed}", kernel.isa());
    }
}

#[test]
fn a_few_thousand_comparisons() {
    (0..4_000).for_each(compare);
}

#[test]
#[ignore = "minutes; the command is at the top of the file"]
fn soak() {
    let (next, start) = (AtomicU64::new(0), Instant::now());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                // Other seeds than those of the test that always runs.
                while let seed @ 0..COMPARISONS = next.fetch_add(1, Ordering::Relaxed) {
                    compare(seed + (1 << 32));
                }
            });
        }
    });
    let kernels: Vec<_> = available().map(|kernel| kernel.isa().name()).collect();
    println!("{COMPARISONS} comparisons of {} in {:.0} s", kernels.join(", "), start.elapsed().as_secs_f64());
}
