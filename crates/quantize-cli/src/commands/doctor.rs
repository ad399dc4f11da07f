//! `quantize doctor`: this build on this machine.

use anyhow::Result;
use int8_inference::{ISA_VARIABLE, Isa, choose_kernel};
use kernels::{Kernel, Output, Requantize};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::console::Report;
use crate::format::{self, Column};
use crate::machine::{self, Level, Speeds};

/// Rows, inputs and channels of the self-check; none is a multiple of a vector.
const SELF_CHECK: [usize; 3] = [7, 131, 37];

/// Shows version, processor features and the kernel picked, checks that all kernels give the same bits, and measures what a core can do at
/// best.
///
/// At best means registers alone for arithmetic, a multiplication and an addition counting as two, and loads alone for memory. Exit code 1
/// means that a kernel gives other bits than the scalar one.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize doctor")]
pub(crate) struct Args {}

/// This build on this machine.
#[derive(Serialize)]
pub(crate) struct DoctorReport {
    version: &'static str,
    target: &'static str,
    threads: usize,
    cpu_features: Vec<&'static str>,
    kernels: Vec<KernelReport>,
    /// Reading, with the vectors of the fastest kernel.
    memory: Vec<Level>,
    isa: String,
    reason: String,
}

/// One instruction set.
#[derive(Serialize)]
struct KernelReport {
    isa: &'static str,
    available: bool,
    /// Whether it gives the bits of the scalar kernel.
    identical: Option<bool>,
    /// What a core can do at best; absent for scalar code.
    peak: Option<Speeds>,
}

pub(crate) fn run(_: &Args) -> Result<DoctorReport> {
    let picked = choose_kernel()?;
    let forced = std::env::var_os(ISA_VARIABLE).is_some_and(|value| !value.is_empty());
    let definition = kernels::with_isa(Isa::Scalar).map(product);
    let kernels = Isa::ALL.into_iter().rev().map(|isa| {
        let kernel = kernels::with_isa(isa);
        KernelReport {
            isa: isa.name(),
            available: kernel.is_some(),
            identical: kernel.map(|kernel| Some(product(kernel)) == definition),
            peak: machine::speeds(isa),
        }
    });
    Ok(DoctorReport {
        version: env!("CARGO_PKG_VERSION"),
        target: env!("TARGET"),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        cpu_features: cpu_features(),
        kernels: kernels.collect(),
        memory: machine::levels(kernels::best().isa()),
        isa: picked.isa().to_string(),
        reason: if forced { format!("forced by {ISA_VARIABLE}") } else { "fastest on this machine".to_owned() },
    })
}

/// Accumulators and requantized values of a random product, from the kernel.
fn product(kernel: &dyn Kernel) -> (Vec<i32>, Vec<u8>) {
    let [rows, inputs, channels] = SELF_CHECK;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let x: Vec<u8> = (0..rows * inputs).map(|_| random.random()).collect();
    let weights: Vec<i8> = (0..inputs * channels).map(|_| random.random()).collect();
    let bias: Vec<i32> = (0..channels).map(|_| random.random_range(-10_000..10_000)).collect();
    let multipliers: Vec<f32> = (0..channels).map(|_| random.random_range(1e-4..1e-3)).collect();
    let packed = kernel.pack(&weights, inputs, channels);
    let (mut accumulators, mut levels) = (vec![0; rows * channels], vec![0; rows * channels]);
    kernel.matmul(&x, rows, &packed, &bias, Output::I32(&mut accumulators));
    let requantize = Requantize { multipliers: &multipliers, zero_point: 128, min: 0, max: 255 };
    kernel.matmul(&x, rows, &packed, &bias, Output::U8 { out: &mut levels, requantize });
    (accumulators, levels)
}

/// The features the kernels may use, as far as this processor has them.
fn cpu_features() -> Vec<&'static str> {
    let mut features = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! detect {
            ($($name:tt)*) => { $(if std::is_x86_feature_detected!($name) { features.push($name); })* };
        }
        detect!("sse4.1" "avx" "avx2" "fma" "avxvnni" "avx512f" "avx512bw" "avx512vl" "avx512vnni");
    }
    #[cfg(target_arch = "aarch64")]
    {
        macro_rules! detect {
            ($($name:tt)*) => { $(if std::arch::is_aarch64_feature_detected!($name) { features.push($name); })* };
        }
        detect!("neon" "dotprod" "i8mm");
    }
    features
}

impl Report for DoctorReport {
    fn text(&self) -> String {
        let features = if self.cpu_features.is_empty() { "none known".to_owned() } else { self.cpu_features.join(" ") };
        let rows = self.kernels.iter().map(|kernel| {
            let check = match kernel.identical {
                None => "not on this machine",
                Some(true) => "same bits as scalar",
                Some(false) => "OTHER BITS than scalar: do not use",
            };
            let picked = if kernel.isa == self.isa { self.reason.clone() } else { String::new() };
            let speed = |of: fn(&Speeds) -> f64| {
                kernel.peak.as_ref().map_or_else(String::new, |peak| format!("{:.0}", of(peak)))
            };
            [
                kernel.isa.to_owned(),
                check.to_owned(),
                speed(|peak| peak.int8_gops),
                speed(|peak| peak.int8_proven_gops),
                speed(|peak| peak.float_gflops),
                picked,
            ]
        });
        let columns = [
            Column::Text("Kernel"),
            Column::Text("Self-Check"),
            Column::Number("int8 [GOPS]"),
            Column::Number("int8 proven"),
            Column::Number("f32 [GFLOPS]"),
            Column::Text("Picked"),
        ];
        let levels = self
            .memory
            .iter()
            .map(|level| [level.name.clone(), format::bytes(level.bytes), format!("{:.1}", level.read_gb_per_s)]);
        let level_columns = [Column::Text("One core reads"), Column::Number("Size"), Column::Number("[GB/s]")];
        let memory =
            if self.memory.is_empty() { String::new() } else { format!("\n{}", format::table(level_columns, levels)) };
        format!(
            "{}\n{}",
            format::pairs([
                ("version", self.version.to_owned()),
                ("target", self.target.to_owned()),
                ("threads", self.threads.to_string()),
                ("processor", features),
            ]),
            format::table(columns, rows)
        ) + &memory
    }

    fn passed(&self) -> bool {
        self.kernels.iter().all(|kernel| kernel.identical != Some(false))
    }
}
