//! Seeded random numbers that can be drawn again from any point of a training.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What numbers are drawn for: each purpose has its own, so that changing one setting leaves the other draws alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Weights,
    Order,
    Split,
    Augmentation,
    Evolution,
    /// The noise of one layer, by its position among the steps of the network.
    Noise(u32),
}

impl Purpose {
    fn stream(self) -> u64 {
        match self {
            Self::Weights => 0,
            Self::Order => 1,
            Self::Split => 2,
            Self::Augmentation => 3,
            Self::Evolution => 4,
            Self::Noise(layer) => 1 << 32 | u64::from(layer),
        }
    }
}

/// The generator of a `seed` for a purpose in the given epoch or step: a function of its arguments alone, so that a training goes on from
/// a checkpoint as if it had never stopped. Up to 2^36 numbers of 32 bits can be drawn before it meets those of the next.
pub(crate) fn generator(seed: u64, purpose: Purpose, time: u64) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    generator.set_stream(purpose.stream());
    // ChaCha counts 2^68 words of 32 bits.
    generator.set_word_pos(u128::from(time & 0xffff_ffff) << 36);
    generator
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn every_purpose_and_time_draws_different_numbers() {
        let draws: Vec<u64> = [Purpose::Weights, Purpose::Order, Purpose::Split, Purpose::Noise(0), Purpose::Noise(1)]
            .into_iter()
            .flat_map(|purpose| [0, 1, 2].map(|time| generator(7, purpose, time).next_u64()))
            .chain([generator(8, Purpose::Weights, 0).next_u64()])
            .collect();
        for (index, draw) in draws.iter().enumerate() {
            assert!(!draws[..index].contains(draw));
        }
    }
}
