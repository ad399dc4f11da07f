//! How strongly the loss pulls at each layer, and which layers it no longer moves or moves too much.

use std::fmt;

/// Gradients looked at per epoch; norms of every batch would cost as much as a twentieth of the training.
const LOOKS: usize = 16;
/// A layer vanishes if the root mean square of its gradient is below this share of the largest among all layers.
const VANISHING: f64 = 1e-4;
/// A layer explodes if the norm of its gradient is more than so many times that of its weights.
const EXPLODING: f64 = 100.0;
/// A layer is dead if at least this share of its units got no gradient at all.
const DEAD: f64 = 0.5;

/// The gradients of one layer over an epoch, as seen in up to 16 batches of it.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerGradient {
    /// The layer.
    pub layer: String,
    /// Root mean square over these batches of the Euclidean norm of the gradient of all its parameters.
    pub norm: f64,
    /// What is wrong with it, if anything is.
    pub ailment: Option<Ailment>,
}

/// What may be wrong with the gradient of a layer. Told in words, it says what to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Ailment {
    /// Per parameter it is below a ten-thousandth of that of another layer.
    Vanishing {
        /// The layer with the largest gradient.
        largest: String,
        /// By how much the gradient is smaller, per parameter.
        factor: f64,
    },
    /// Its norm is more than a hundred times that of the weights, or no number.
    Exploding {
        /// How many times the norm of the weights it is.
        factor: f64,
    },
    /// Half of the units or more had none in any batch looked at.
    Dead {
        /// Their share, from 0 to 1.
        share: f64,
    },
}

impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vanishing { largest, factor } => write!(
                f,
                "its gradient vanishes, {factor:.0e} times smaller than that of `{largest}`; put a normalizer or a residual \
                 branch between them, or use relu with he-normal"
            ),
            Self::Exploding { factor } => write!(
                f,
                "its gradient explodes, to {factor:.0e} times the size of its weights; lower optimizer.learning_rate or set \
                 optimizer.clip"
            ),
            Self::Dead { share } => write!(
                f,
                "{:.0} % of its units are dead, without any gradient; lower optimizer.learning_rate, or use leaky-relu",
                100.0 * share
            ),
        }
    }
}

/// A parameter of a layer with its gradient.
pub(crate) struct Watched<'a> {
    /// `<layer>.<what>`.
    pub(crate) name: &'a str,
    pub(crate) values: &'a [f32],
    pub(crate) gradient: &'a [f32],
    /// Whether it is multiplied with the layer's input; the others have a value per unit.
    pub(crate) weight: bool,
}

/// Looks at some batches of each epoch.
#[derive(Debug, Default)]
pub(crate) struct GradientMonitor {
    layers: Vec<Layer>,
    looks: usize,
}

#[derive(Debug, Default)]
struct Layer {
    name: String,
    elements: usize,
    squares: f64,
    weight_squares: f64,
    /// Of each unit, whether it had a gradient; empty for a layer without values per unit.
    alive: Vec<bool>,
}

impl GradientMonitor {
    /// Whether to look at batch `batch` of `batches`, counted from 0: evenly spaced, the last one among them.
    pub(crate) fn looks_at(batch: usize, batches: usize) -> bool {
        (batch + 1) * LOOKS / batches != batch * LOOKS / batches
    }

    /// Takes the gradients of a batch, always of the same parameters in the same order.
    pub(crate) fn look<'a>(&mut self, parameters: impl IntoIterator<Item = Watched<'a>>) {
        self.looks += 1;
        let first = self.looks == 1;
        for layer in &mut self.layers {
            layer.weight_squares = 0.0;
        }
        for Watched { name, values, gradient, weight } in parameters {
            let name = name.rsplit_once('.').map_or(name, |(layer, _)| layer);
            let index = match self.layers.iter().position(|layer| layer.name == name) {
                Some(index) => index,
                None => {
                    self.layers.push(Layer { name: name.to_owned(), ..Layer::default() });
                    self.layers.len() - 1
                }
            };
            let layer = &mut self.layers[index];
            layer.squares += squares(gradient);
            if first {
                layer.elements += gradient.len();
            }
            if weight {
                layer.weight_squares += squares(values);
                continue;
            }
            if layer.alive.len() < gradient.len() {
                layer.alive.resize(gradient.len(), false);
            }
            for (alive, gradient) in layer.alive.iter_mut().zip(gradient) {
                *alive |= *gradient != 0.0;
            }
        }
    }

    /// What was seen since the last call.
    pub(crate) fn finish(&mut self) -> Vec<LayerGradient> {
        let layers = std::mem::take(&mut self.layers);
        let looks = std::mem::take(&mut self.looks).max(1) as f64;
        let norm = |layer: &Layer| (layer.squares / looks).sqrt();
        let mean = |layer: &Layer| (layer.squares / looks / layer.elements.max(1) as f64).sqrt();
        let finite = layers.iter().filter(|layer| mean(layer).is_finite());
        let largest = finite.max_by(|a, b| mean(a).total_cmp(&mean(b))).filter(|largest| mean(largest) > 0.0);
        let ailment = |layer: &Layer| {
            let (norm, weights) = (norm(layer), layer.weight_squares.sqrt());
            let dead = layer.alive.iter().filter(|alive| !**alive).count() as f64 / layer.alive.len().max(1) as f64;
            // Weights that are all zero have no size to compare with.
            if !norm.is_finite() || (weights > 0.0 && norm > EXPLODING * weights) {
                return Some(Ailment::Exploding { factor: norm / weights });
            }
            let largest = largest?;
            let factor = mean(largest) / mean(layer);
            if dead >= DEAD || layer.squares == 0.0 {
                Some(Ailment::Dead { share: if layer.squares == 0.0 { 1.0 } else { dead } })
            } else if factor > 1.0 / VANISHING {
                Some(Ailment::Vanishing { largest: largest.name.clone(), factor })
            } else {
                None
            }
        };
        let gradient =
            |layer: &Layer| LayerGradient { layer: layer.name.clone(), norm: norm(layer), ailment: ailment(layer) };
        layers.iter().map(gradient).collect()
    }
}

/// In chunks that the processor can add side by side, always the same.
fn squares(values: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*value) * f64::from(*value);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, values and gradient of a parameter, and whether it is a weight.
    type Example<'a> = (&'a str, &'a [f32], &'a [f32], bool);

    fn seen(looks: &[&[Example<'_>]]) -> Vec<LayerGradient> {
        let mut monitor = GradientMonitor::default();
        for look in looks {
            monitor.look(look.iter().map(|&(name, values, gradient, weight)| Watched {
                name,
                values,
                gradient,
                weight,
            }));
        }
        monitor.finish()
    }

    #[test]
    fn a_norm_is_over_all_parameters_of_the_layer_and_the_mean_square_of_all_looks() {
        let found = seen(&[
            &[("a.b.weight", &[1.0; 9], &[2.0; 9], true), ("a.b.bias", &[0.0], &[8.0], false)],
            &[("a.b.weight", &[1.0; 9], &[0.0; 9], true), ("a.b.bias", &[0.0], &[0.0], false)],
        ]);
        assert_eq!(found, [LayerGradient { layer: "a.b".to_owned(), norm: 50f64.sqrt(), ailment: None }]);
        assert_eq!(seen(&[]), []);
    }

    #[test]
    fn each_ailment_is_told_from_the_others() {
        let weights: &[f32] = &[0.5; 4];
        let ailments = |vanishing: f32, exploding: f32, dead: &[f32]| -> Vec<Option<&'static str>> {
            let found = seen(&[&[
                ("small.weight", weights, &[vanishing; 4], true),
                ("large.weight", weights, &[exploding; 4], true),
                ("dead.weight", weights, &[1e-2; 4], true),
                ("dead.bias", &[0.0; 4], dead, false),
            ]]);
            let name = |gradient: LayerGradient| {
                gradient.ailment.map(|ailment| match ailment {
                    Ailment::Vanishing { .. } => "vanishing",
                    Ailment::Exploding { .. } => "exploding",
                    Ailment::Dead { .. } => "dead",
                })
            };
            found.into_iter().map(name).collect()
        };
        let alive = [1e-2, 0.0, -1e-2, 1e-2];
        assert_eq!(ailments(1e-2, 1e-2, &alive), [None, None, None]);
        assert_eq!(ailments(1e-7, 1e-2, &alive), [Some("vanishing"), None, None]);
        assert_eq!(ailments(1.1e-2, 51.0, &alive), [None, Some("exploding"), None]);
        assert_eq!(ailments(1.1e-2, 49.0, &alive), [None, None, None]);
        assert_eq!(ailments(1e-2, f32::NAN, &alive)[1], Some("exploding"));
        assert_eq!(ailments(1e-2, 1e-2, &[0.0, 0.0, 1.0, 1.0]), [None, None, Some("dead")]);
        assert_eq!(ailments(0.0, 1e-2, &alive), [Some("dead"), None, None]);
    }

    #[test]
    fn a_network_without_any_gradient_has_learnt_all_and_is_not_ill() {
        let found = seen(&[&[("a.weight", &[1.0], &[0.0], true), ("b.weight", &[1.0], &[0.0], true)]]);
        assert!(found.iter().all(|gradient| gradient.ailment.is_none()));
    }

    #[test]
    fn a_unit_that_lives_in_one_batch_is_alive() {
        let bias = |gradient: &'static [f32]| [("a.bias", &[0.0, 0.0][..], gradient, false)];
        assert_eq!(seen(&[&bias(&[1.0, 0.0]), &bias(&[0.0, 1.0])])[0].ailment, None);
        assert_eq!(seen(&[&bias(&[1.0, 0.0]), &bias(&[1.0, 0.0])])[0].ailment, Some(Ailment::Dead { share: 0.5 }));
    }

    #[test]
    fn some_batches_of_each_epoch_are_looked_at() {
        for batches in [1, 2, 15, 16, 17, 469, 10_000] {
            let looks = (0..batches).filter(|&batch| GradientMonitor::looks_at(batch, batches)).count();
            assert_eq!(looks, batches.min(LOOKS));
            assert!(GradientMonitor::looks_at(batches - 1, batches));
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_do() {
        let text = Ailment::Dead { share: 0.75 }.to_string();
        assert!(text.contains("75 %") && text.contains("leaky-relu"), "{text}");
        assert!(Ailment::Exploding { factor: 1e3 }.to_string().contains("optimizer.clip"));
        let text = Ailment::Vanishing { largest: "fc9".to_owned(), factor: 12_345.0 }.to_string();
        assert!(text.contains("`fc9`") && text.contains("1e4"), "{text}");
    }
}
