//! Training without gradients.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::initializer::StandardNormals;
use crate::random::{Purpose, generator};

/// An evolution strategy over all trainable parameters, which needs no gradient of the loss (`kind = "evolution"`): each batch is one
/// generation, judged on the samples of that batch.
///
/// It is the (mu/mu, lambda) strategy with self-adaptation of the step size (Beyer & Schwefel 2002, *Evolution strategies: a
/// comprehensive introduction*, section 4.2): each of lambda offspring draws its own step size around that of the parent,
/// `s = sigma * exp(tau * N(0, 1))` with `tau = 1 / sqrt(2 n)` for `n` parameters, and moves by `s * N(0, 1)` in each of them; the mean of the
/// mu best becomes the next parent, and the geometric mean of their step sizes its `sigma`. Parents die, so that a lucky loss does not
/// stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evolution {
    /// Mu: how many of the offspring become parents, at least 1 and fewer than the offspring. Default: a quarter of them.
    pub parents: Option<usize>,
    /// Lambda: how many offspring a generation has, at least 2; default 40.
    pub offspring: usize,
}

impl Default for Evolution {
    fn default() -> Self {
        Self { parents: None, offspring: 40 }
    }
}

impl Evolution {
    pub(crate) fn check(&self) -> Result<()> {
        if self.offspring < 2 {
            return Err(Error::setting("optimizer.offspring", self.offspring, "at least 2"));
        }
        match self.parents {
            Some(parents) if !(1..self.offspring).contains(&parents) => {
                Err(Error::setting("optimizer.parents", parents, "at least 1 and fewer than the offspring"))
            }
            _ => Ok(()),
        }
    }

    fn parents(&self) -> usize {
        self.parents.unwrap_or(self.offspring / 4).max(1)
    }
}

/// Where an evolution stands, beside the parameters of its parent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Population {
    evolution: Evolution,
    seed: u64,
    generation: u64,
    /// That of the parent.
    step_size: f64,
}

/// How a generation did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Generation {
    /// The smallest loss of an offspring.
    pub(crate) best: f64,
    /// The mean loss of those that became parents.
    pub(crate) parents: f64,
}

/// An offspring by what it takes to make it again.
#[derive(Clone, Copy)]
struct Offspring {
    index: u64,
    step_size: f64,
    loss: f64,
}

impl Population {
    /// Bytes of a stored state.
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn new(evolution: Evolution, step_size: f64, seed: u64) -> Self {
        Self { evolution, seed, generation: 0, step_size }
    }

    /// The step size around which the next offspring draw theirs.
    pub(crate) fn step_size(&self) -> f64 {
        self.step_size
    }

    /// Makes and judges one generation, in the threads of the current pool, whose number changes no bit, and puts the next parent in the
    /// place of this one.
    ///
    /// A loss that is no number is the worst of all.
    pub(crate) fn advance(&mut self, parent: &mut [f32], loss: impl Fn(&[f32]) -> f64 + Sync) -> Generation {
        let mut offspring: Vec<Offspring> = (0..self.evolution.offspring as u64)
            .into_par_iter()
            .map_init(Vec::new, |values, index| {
                let step_size = self.make(parent, index, values);
                let loss = loss(values);
                Offspring { index, step_size, loss: if loss.is_nan() { f64::INFINITY } else { loss } }
            })
            .collect();
        // Stable: among equals the first born goes first.
        offspring.sort_by(|a, b| a.loss.total_cmp(&b.loss));
        offspring.truncate(self.evolution.parents());

        // Made again rather than kept: a generation of a large network would not fit into memory.
        let count = offspring.len() as f64;
        let mut sums = vec![0.0_f64; parent.len()];
        let mut values = Vec::new();
        for chosen in &offspring {
            self.make(parent, chosen.index, &mut values);
            sums.iter_mut().zip(&values).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        parent.iter_mut().zip(sums).for_each(|(value, sum)| *value = (sum / count) as f32);
        let logarithms: f64 = offspring.iter().map(|chosen| libm::log(chosen.step_size)).sum();
        // Neither lost nor beyond what f32 can step by.
        self.step_size = libm::exp(logarithms / count).clamp(1e-30, 1e30);
        self.generation += 1;
        Generation {
            best: offspring.first().map_or(f64::INFINITY, |best| best.loss),
            parents: offspring.iter().map(|chosen| chosen.loss).sum::<f64>() / count,
        }
    }

    /// Writes the parameters of an offspring of this generation and gives its step size: both a function of the parent, the seed, the
    /// generation and the offspring's number alone.
    fn make(&self, parent: &[f32], index: u64, values: &mut Vec<f32>) -> f64 {
        let time = self.generation.wrapping_mul(self.evolution.offspring as u64).wrapping_add(index);
        let mut rng = generator(self.seed, Purpose::Evolution, time);
        let mut normals = StandardNormals::of(&mut rng);
        let learning = 1.0 / (2.0 * parent.len().max(1) as f64).sqrt();
        let step_size = self.step_size * libm::exp(learning * normals.draw());
        values.clear();
        values.extend(parent.iter().map(|&value| (f64::from(value) + step_size * normals.draw()) as f32));
        step_size
    }

    /// The state as bytes, little-endian.
    pub(crate) fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (numbers, _) = bytes.as_chunks_mut();
        numbers.copy_from_slice(&[self.generation.to_le_bytes(), self.step_size.to_le_bytes()]);
        bytes
    }

    /// Continues where the state that gave `bytes` was.
    pub(crate) fn restore(&mut self, bytes: &[u8; Self::BYTES]) {
        if let ([generation, step_size], _) = bytes.as_chunks() {
            self.generation = u64::from_le_bytes(*generation);
            self.step_size = f64::from_le_bytes(*step_size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parent after some generations, and the population.
    fn evolve(
        evolution: Evolution,
        step_size: f64,
        start: &[f32],
        generations: usize,
        loss: fn(&[f32]) -> f64,
    ) -> (Vec<f32>, Population) {
        let mut population = Population::new(evolution, step_size, 7);
        let mut parent = start.to_vec();
        for _ in 0..generations {
            population.advance(&mut parent, loss);
        }
        (parent, population)
    }

    fn sphere(values: &[f32]) -> f64 {
        values.iter().map(|&value| f64::from(value).powi(2)).sum()
    }

    fn rosenbrock(values: &[f32]) -> f64 {
        let (x, y) = (f64::from(values[0]), f64::from(values[1]));
        100.0 * (y - x * x).powi(2) + (1.0 - x).powi(2)
    }

    #[test]
    fn the_sphere_is_found_at_a_geometric_rate() {
        let mut population = Population::new(Evolution::default(), 0.3, 1);
        let mut parent = vec![3.0; 10];
        let mut losses = Vec::new();
        for _ in 0..200 {
            let before = parent.clone();
            let generation = population.advance(&mut parent, sphere);
            assert!(generation.best <= generation.parents && before != parent);
            losses.push(sphere(&parent));
        }
        assert!(losses[49] < 1.0 && losses[99] < 1e-2 * losses[49] && losses[149] < 1e-2 * losses[99], "{losses:?}");
    }

    #[test]
    fn a_step_size_that_is_far_off_adapts() {
        for step_size in [1e-4, 1e3] {
            let (parent, _) = evolve(Evolution::default(), step_size, &[3.0; 5], 300, sphere);
            assert!(sphere(&parent) < 1e-6, "{step_size}: {parent:?}");
        }
    }

    #[test]
    fn the_curved_valley_of_rosenbrock_is_followed_to_its_end() {
        let (parent, _) = evolve(Evolution::default(), 0.3, &[-1.2, 1.0], 8000, rosenbrock);
        assert!(rosenbrock(&parent) < 1e-4, "{parent:?}");
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| evolve(Evolution::default(), 0.3, &[1.0; 33], 20, sphere))
        };
        assert!(run(1) == run(2) && run(1) == run(5));
    }

    #[test]
    fn each_generation_and_offspring_and_seed_is_its_own() {
        let mut population = Population::new(Evolution::default(), 0.3, 1);
        let made = |population: &Population, index| {
            let mut values = Vec::new();
            population.make(&[0.0; 4], index, &mut values);
            values
        };
        let first = made(&population, 0);
        assert_ne!(first, made(&population, 1));
        assert_eq!(first, made(&population, 0));
        assert_ne!(first, made(&Population { seed: 2, ..population.clone() }, 0));
        population.generation = 1;
        assert_ne!(first, made(&population, 0));
    }

    #[test]
    fn losses_that_are_no_numbers_never_become_parents_while_there_are_others() {
        let loss = |values: &[f32]| if values[0] < 0.0 { f64::NAN } else { sphere(values) };
        let (parent, _) = evolve(Evolution::default(), 0.3, &[1.0, 1.0], 30, loss);
        assert!(parent[0] >= 0.0 && sphere(&parent) < 1.0, "{parent:?}");
        let mut population = Population::new(Evolution::default(), 0.3, 1);
        assert_eq!(population.advance(&mut [1.0], |_| f64::NAN).best, f64::INFINITY);
    }

    #[test]
    fn a_restored_state_continues_bit_for_bit() {
        let (mut parent, mut population) = evolve(Evolution::default(), 0.3, &[3.0; 5], 10, sphere);
        let mut restored = Population::new(Evolution::default(), 0.3, 7);
        restored.restore(&population.to_bytes());
        let mut resumed = parent.clone();
        population.advance(&mut parent, sphere);
        restored.advance(&mut resumed, sphere);
        assert_eq!((resumed, restored), (parent, population));
    }
}
