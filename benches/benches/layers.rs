//! Bare int8 layers, u8 in and u8 out on one thread, beside what the machine allows: multiplications in registers, and reading as much
//! memory as the weights take. All in turns.
//!
//! `cargo bench -p workspace-benches --bench layers -- avx512vnni/4096x4096/1` runs the cells whose names contain the pattern.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Duration;

use kernels::peak::{self, Peak};
use kernels::{Kernel, Output, Requantize, available};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use workspace_benches::{asked, least_us};

/// Inputs, output channels, largest weight: 64 is what proves pair sums to fit 16 bits.
const LAYERS: [(usize, usize, i8); 5] =
    [(784, 256, 127), (1024, 1024, 127), (1024, 1024, 64), (4096, 4096, 127), (9216, 4096, 127)];
const ROWS: [usize; 7] = [1, 2, 4, 8, 32, 64, 256];
const ROUNDS: NonZeroU32 = NonZeroU32::new(20_000).unwrap();
const SPAN: Duration = Duration::from_millis(600);

fn main() {
    println!("least time                            us      GOPS  % of peak   weights GB/s  % of reading");
    for (k, n, largest) in LAYERS {
        for (kernel, peak) in available().filter_map(|kernel| Some((kernel, peak::of(kernel.isa())?))) {
            let proven = if largest == 64 { "-within-64" } else { "" };
            let name = |rows: usize| format!("{}/{k}x{n}{proven}/{rows}", kernel.isa());
            let rows: Vec<usize> = ROWS.into_iter().filter(|&rows| asked(&name(rows))).collect();
            if !rows.is_empty() {
                layer(kernel, peak, (k, n, largest), &rows, name);
            }
        }
    }
}

fn layer(
    kernel: &dyn Kernel,
    peak: Peak,
    (k, n, largest): (usize, usize, i8),
    rows: &[usize],
    name: impl Fn(usize) -> String,
) {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let weights: Vec<i8> = (0..k * n).map(|_| random.random_range(-largest..=largest)).collect();
    let packed = kernel.pack(&weights, k, n);
    drop(weights);
    let memory = vec![1_u8; k * n];
    let products = if largest == 64 { peak.int8_proven } else { peak.int8 };
    let bias: Vec<i32> = (0..n).map(|_| random.random_range(-10_000..=10_000)).collect();
    let multipliers = vec![1.0 / (k as f32 * 64.0); n];
    for &rows in rows {
        let input: Vec<u8> = (0..rows * k).map(|_| random.random()).collect();
        let mut out = vec![0; rows * n];
        let mut product = || {
            let requantize = Requantize { multipliers: &multipliers, zero_point: 128, min: 0, max: 255 };
            kernel.matmul(black_box(&input), rows, &packed, &bias, Output::U8 { out: &mut out, requantize });
        };
        let mut multiplied = 0;
        let mut multiply = || multiplied = products.run(black_box(ROUNDS));
        let mut read = || {
            peak.read.run(black_box(&memory));
        };
        let least = least_us(SPAN, &mut [&mut product, &mut multiply, &mut read]);
        // Two operations per multiplication; microseconds.
        let gops = (2 * rows * k * n) as f64 / least[0] / 1e3;
        let peak = (2 * multiplied) as f64 / least[1] / 1e3;
        let bandwidth = (k * n) as f64 / least[0] / 1e3;
        let reading = (k * n) as f64 / least[2] / 1e3;
        println!(
            "{:<32} {:>9.1} {gops:>9.1} {:>10.1} {bandwidth:>14.1} {:>13.1}",
            name(rows),
            least[0],
            100.0 * gops / peak,
            100.0 * bandwidth / reading
        );
    }
}
