//! Home of the benches in `benches/`, and what those share that compare in turns.

use std::time::{Duration, Instant};

/// Least time of each of `works` in microseconds, run in turns for `span`: what else the machine does, and how fast its clock runs, is then
/// the same for all.
///
/// Each is run several times per turn, the first time to bring its data into the caches. At least three turns are run.
pub fn least_us(span: Duration, works: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    const RUNS: usize = 8;
    let mut least = vec![f64::INFINITY; works.len()];
    let start = Instant::now();
    let mut turns = 0;
    while start.elapsed() < span || turns < 3 {
        for (work, least) in works.iter_mut().zip(&mut least) {
            for _ in 0..RUNS {
                let start = Instant::now();
                work();
                *least = least.min(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        turns += 1;
    }
    least
}

/// Whether the command line, `cargo bench --bench NAME -- PATTERN`, asks for what has this name. `cargo test`, which runs benches as well, asks
/// for nothing.
pub fn asked(name: &str) -> bool {
    if !std::env::args().any(|argument| argument == "--bench") {
        return false;
    }
    let mut patterns = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).peekable();
    patterns.peek().is_none() || patterns.any(|pattern| name.contains(&pattern))
}
