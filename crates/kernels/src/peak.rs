//! What a core can do at best: loops of one instruction set's arithmetic on registers alone, and of its loads.
//!
//! Whoever has a clock divides what a loop did by the time it took. The sums are thrown away.
//!
//! ```
//! use std::num::NonZeroU32;
//! use std::time::Instant;
//!
//! for kernel in kernels::available() {
//!     let Some(peak) = kernels::peak::of(kernel.isa()) else { continue };
//!     let start = Instant::now();
//!     let products = peak.int8.run(NonZeroU32::new(10_000).unwrap());
//!     println!("{}: {} products per ns", kernel.isa(), products as f64 / start.elapsed().as_nanos() as f64);
//! }
//! ```

use core::num::NonZeroU32;

use crate::Isa;

/// The loops of one instruction set.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// Exact sums of products of bytes, by the instructions that [`Kernel::matmul`](crate::Kernel::matmul) multiplies with: `vpdpbusd`, or
    /// `vpmaddwd` and additions of bytes that are widened already.
    pub int8: Loop,
    /// The same by the instructions for weights whose pair sums are [proven](crate::pair_sums_fit) to fit 16 bits.
    pub int8_proven: Loop,
    /// Fused multiply-adds in f32.
    pub float: Loop,
    /// Loads of whole vectors.
    pub read: Read,
}

/// Multiplications of values that stay in registers.
#[derive(Clone, Copy, Debug)]
pub struct Loop {
    run: fn(NonZeroU32),
    /// Multiplications in a round.
    products: u64,
}

/// Loads of memory.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    run: fn(&[u8]),
}

/// Bytes that [`Read::run`] loads in a round.
pub(crate) const READ_AT_ONCE: usize = 512;

/// Bytes of a cache line.
const LINE: usize = 64;

/// The loops of an instruction set; `None` where the machine lacks it, and for [`Isa::Scalar`], which the compiler decides.
pub fn of(isa: Isa) -> Option<Peak> {
    // A kernel is the proof that the CPU has the instructions.
    crate::with_isa(isa)?;
    #[cfg(target_arch = "x86_64")]
    return crate::simd::peak(isa);
    #[cfg(not(target_arch = "x86_64"))]
    None
}

impl Loop {
    #[cfg(target_arch = "x86_64")]
    pub(crate) const fn new(run: fn(NonZeroU32), products: u64) -> Self {
        Self { run, products }
    }

    /// Runs so many rounds and returns the number of multiplications, each with its addition.
    pub fn run(&self, rounds: NonZeroU32) -> u64 {
        (self.run)(rounds);
        self.products * u64::from(rounds.get())
    }
}

impl Read {
    #[cfg(target_arch = "x86_64")]
    pub(crate) const fn new(run: fn(&[u8])) -> Self {
        Self { run }
    }

    /// Loads `bytes` from front to back and returns how many it loaded: all but less than a line of a cache in front, so that no load crosses
    /// two of them, and a rest of less than 512.
    pub fn run(&self, bytes: &[u8]) -> usize {
        let (_, lines) = bytes.split_at(bytes.as_ptr().align_offset(LINE).min(bytes.len()));
        let whole = lines.len() - lines.len() % READ_AT_ONCE;
        if whole > 0 {
            (self.run)(&lines[..whole]);
        }
        whole
    }
}
