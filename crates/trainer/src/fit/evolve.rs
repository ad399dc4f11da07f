//! Batches that teach without a gradient.

use std::sync::Mutex;

use crate::error::Result;
use crate::evolution::Population;
use crate::network::{Activations, Network};
use crate::op::Mode;
use crate::samples::Samples;
use crate::trained::{Trained, answers};

/// A population of networks.
#[derive(Debug)]
pub(super) struct Evolving {
    pub(super) population: Population,
    /// Room for one more offspring each; as many as have been judged at once.
    judges: Mutex<Vec<Judge>>,
}

/// A network of its own that takes the parameters of one offspring after another.
#[derive(Debug)]
struct Judge {
    network: Network,
    activations: Activations,
    unused_gradient: Vec<f32>,
}

impl Judge {
    fn new(trained: &Trained, rows: usize) -> Result<Self> {
        let network = trained.network()?;
        let activations = network.activations(rows)?;
        let widest = network.heads.iter().map(|head| network.value(head.scored).size).max().unwrap_or(0);
        Ok(Self { network, activations, unused_gradient: vec![0.0; rows * widest] })
    }
}

impl Evolving {
    pub(super) fn new(population: Population) -> Self {
        Self { population, judges: Mutex::new(Vec::new()) }
    }

    /// Makes and judges one generation around the parameters of `network`, on the samples at `rows`, which are in `activations` already,
    /// and gives the network those of the next parent. `batch` is the most rows that there will be.
    ///
    /// # Errors
    ///
    /// Those of making another network like this one.
    pub(super) fn advance(
        &mut self,
        trained: &Trained,
        (network, activations): (&mut Network, &Activations),
        samples: &Samples,
        (rows, batch): (&[usize], usize),
        mode: Mode,
    ) -> Result<()> {
        let mut parent: Vec<f32> = network
            .parameters
            .iter()
            .filter(|parameter| parameter.trainable)
            .flat_map(|p| &p.values)
            .copied()
            .collect();
        let wanted: Vec<_> = (0..trained.outputs.len())
            .map(|output| samples.targets[output].gather(rows).seen_by_loss(network, output).into_owned())
            .collect();
        // Why there is no further network, should that ever be.
        let failure = Mutex::new(None);
        let judges = &self.judges;
        let take = || match lock(judges).pop() {
            Some(judge) => Ok(judge),
            None => Judge::new(trained, batch),
        };
        self.population.advance(&mut parent, |values| {
            let mut judge = match take() {
                Ok(judge) => judge,
                Err(error) => {
                    *lock(&failure) = Some(error);
                    return f64::NAN;
                }
            };
            put(&mut judge.network, values);
            for (value, input) in
                judge.activations.values.iter_mut().zip(&activations.values).take(trained.inputs.len())
            {
                let size = input.len().min(value.len());
                value[..size].copy_from_slice(&input[..size]);
            }
            judge.network.forward(&mut judge.activations, rows.len(), mode);
            let mut loss = 0.0;
            for (index, (output, function)) in trained.outputs.iter().zip(&trained.losses).enumerate() {
                let scored = answers(&judge.network, &judge.activations, index, rows.len()).scored;
                let gradient = &mut judge.unused_gradient[..scored.len()];
                loss += output.weight * function.evaluate(scored, wanted[index].view(), gradient);
            }
            lock(judges).push(judge);
            loss
        });
        put(network, &parent);
        match failure.into_inner() {
            Ok(Some(error)) => Err(error),
            _ => Ok(()),
        }
    }
}

/// A panic elsewhere has not left a list or an error in pieces.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Gives a network's trainable parameters the values of one row.
fn put(network: &mut Network, mut values: &[f32]) {
    for parameter in network.parameters.iter_mut().filter(|parameter| parameter.trainable) {
        let (these, others) = values.split_at(parameter.values.len());
        parameter.values.copy_from_slice(these);
        values = others;
    }
}
