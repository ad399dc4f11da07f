//! What this machine can do at best, measured: arithmetic of each instruction set, and reading from each level of memory.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use int8_inference::Isa;
use kernels::peak::{self, Loop};
use serde::Serialize;

/// One measurement: long against the clock's step, short against the time that neighbours on the machine leave a core alone.
const SLICE: Duration = Duration::from_millis(2);

/// Measurements of which the best counts, as other work only ever takes away.
const SLICES: usize = 12;

/// Memory is read from a buffer of this many times the last cache, within bounds.
const BEYOND_CACHE: usize = 4;
const SMALLEST_BUFFER: usize = 64 << 20;
const LARGEST_BUFFER: usize = 256 << 20;

/// Caches where the system does not tell.
const USUAL_CACHES: [usize; 3] = [32 << 10, 512 << 10, 8 << 20];

/// Arithmetic of one core on registers, a multiplication and its addition counting as two, in 10^9 per second.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Speeds {
    /// Exact sums of products of bytes.
    pub(crate) int8_gops: f64,
    /// The same for weights whose 16-bit pair sums are proven.
    pub(crate) int8_proven_gops: f64,
    pub(crate) float_gflops: f64,
}

/// A cache, or the memory behind all of them.
#[derive(Clone, Serialize)]
pub(crate) struct Level {
    pub(crate) name: String,
    /// Of a core's cache; of memory, what was read.
    pub(crate) bytes: usize,
    /// One core, 10^9 bytes per second.
    pub(crate) read_gb_per_s: f64,
}

/// Measures an instruction set; `None` for one that the machine lacks, and for scalar code, which the compiler decides.
pub(crate) fn speeds(isa: Isa) -> Option<Speeds> {
    let peak = peak::of(isa)?;
    let speed = |work: Loop| 2.0 * best(|rounds| work.run(rounds.saturating_mul(THOUSAND)));
    Some(Speeds {
        int8_gops: speed(peak.int8),
        int8_proven_gops: speed(peak.int8_proven),
        float_gflops: speed(peak.float),
    })
}

/// Measures each level by the loads of an instruction set; empty where [`speeds`] is `None`.
pub(crate) fn levels(isa: Isa) -> Vec<Level> {
    let Some(peak) = peak::of(isa) else { return Vec::new() };
    let caches = caches().unwrap_or(USUAL_CACHES.to_vec());
    let last = caches.last().copied().unwrap_or_default();
    let beyond = last.saturating_mul(BEYOND_CACHE).clamp(SMALLEST_BUFFER, LARGEST_BUFFER);
    let buffer = vec![1_u8; beyond];
    let read = |bytes: usize| {
        let bytes = &buffer[..bytes.min(beyond)];
        best(|rounds| (0..rounds.get()).map(|_| peak.read.run(bytes) as u64).sum())
    };
    // Half of a cache, so that whatever else the core does leaves it there.
    let cached = caches.iter().enumerate().map(|(index, &bytes)| Level {
        name: format!("L{} cache", index + 1),
        bytes,
        read_gb_per_s: read(bytes / 2),
    });
    let memory = Level { name: "memory".to_owned(), bytes: beyond, read_gb_per_s: read(beyond) };
    cached.chain([memory]).collect()
}

/// The first of `levels` that holds so many bytes.
pub(crate) fn holding(levels: &[Level], bytes: usize) -> Option<&Level> {
    let (memory, caches) = levels.split_last()?;
    Some(caches.iter().find(|level| bytes <= level.bytes).unwrap_or(memory))
}

const THOUSAND: NonZeroU32 = match NonZeroU32::new(1000) {
    Some(thousand) => thousand,
    None => NonZeroU32::MIN,
};

/// The most that `work` does per nanosecond; given how often to repeat it, it returns what it did.
fn best(mut work: impl FnMut(NonZeroU32) -> u64) -> f64 {
    let mut timed = |rounds| {
        let start = Instant::now();
        let amount = work(rounds);
        let time = start.elapsed();
        (time, amount as f64 / time.as_secs_f64().max(1e-9) / 1e9)
    };
    let mut rounds = NonZeroU32::MIN;
    while timed(rounds).0 < SLICE {
        rounds = rounds.saturating_mul(NonZeroU32::MIN.saturating_add(1));
    }
    (0..SLICES).map(|_| timed(rounds).1).fold(0.0, f64::max)
}

/// Bytes of the first core's data caches, smallest first, as Linux tells.
fn caches() -> Option<Vec<usize>> {
    let mut caches = Vec::new();
    for entry in std::fs::read_dir("/sys/devices/system/cpu/cpu0/cache").ok()? {
        let directory = entry.ok()?.path();
        let read = |name: &str| std::fs::read_to_string(directory.join(name)).ok();
        let (Some(kind), Some(size)) = (read("type"), read("size")) else { continue };
        if kind.trim() != "Instruction" {
            caches.extend(size_of_cache(&size).filter(|&bytes| bytes >= 4 << 10));
        }
    }
    caches.sort_unstable();
    Some(caches).filter(|caches| !caches.is_empty())
}

/// A size as `32K` or `32M`.
fn size_of_cache(text: &str) -> Option<usize> {
    let text = text.trim();
    let (digits, unit) = match text.strip_suffix(['K', 'M']) {
        Some(digits) if text.ends_with('K') => (digits, 1 << 10),
        Some(digits) => (digits, 1 << 20),
        None => (text, 1),
    };
    digits.parse::<usize>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_caches() {
        let cases =
            [("32K\n", Some(32 << 10)), ("16M", Some(16 << 20)), ("512", Some(512)), ("K", None), ("-1K", None)];
        for (text, size) in cases {
            assert_eq!(size_of_cache(text), size, "{text}");
        }
        assert_eq!(size_of_cache("99999999999999999999K"), None);
    }

    #[test]
    fn what_fits_no_cache_is_in_memory() {
        let level = |name: &str, bytes| Level { name: name.to_owned(), bytes, read_gb_per_s: 1.0 };
        let levels = [level("L1", 100), level("L2", 1000), level("memory", 5000)];
        for (bytes, name) in [(0, "L1"), (100, "L1"), (101, "L2"), (1001, "memory"), (usize::MAX, "memory")] {
            assert_eq!(holding(&levels, bytes).unwrap().name, name);
        }
        assert!(holding(&[], 1).is_none());
    }

    #[test]
    fn more_work_in_the_same_time_is_faster() {
        let busy = |amount: u64| {
            best(move |rounds| {
                std::thread::sleep(Duration::from_millis(1) * rounds.get().min(4));
                amount * u64::from(rounds.get().min(4))
            })
        };
        let (slow, fast) = (busy(1_000_000), busy(10_000_000));
        assert!(slow > 0.0 && slow < 1.1 && fast > 3.0 * slow, "{slow} {fast}");
    }
}
