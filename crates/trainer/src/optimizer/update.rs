//! The arithmetic of one step on one run of a parameter's elements.
//!
//! Each loop is elementwise and compiled once for every vector width; none fuses a multiplication with an addition, so all give
//! the same bits. A closure that is not inlined would be compiled for the narrowest vectors alone, hence the attributes.

use pulp::Arch;

/// How a gradient is changed before the rule sees it.
#[derive(Clone, Copy)]
pub(super) struct Shaping {
    pub(super) l1: f32,
    /// Twice the weight of the L2 penalty: the factor in its derivative.
    pub(super) twice_l2: f32,
    /// Bounds each element; infinite for no bound.
    pub(super) limit: f32,
    /// Scales the whole tensor; 1 unless its norm is to be brought down.
    pub(super) scale: f32,
}

impl Shaping {
    #[inline(always)]
    fn penalized(self, value: f32, gradient: f32) -> f32 {
        let sign = f32::from(i8::from(value > 0.0) - i8::from(value < 0.0));
        gradient + self.l1 * sign + self.twice_l2 * value
    }

    #[inline(always)]
    fn of(self, value: f32, gradient: f32) -> f32 {
        let gradient = self.penalized(value, gradient);
        // NaN passes, which must not be hidden. `f32::clamp` could panic, so no loop with it becomes vectors.
        let gradient = if gradient < -self.limit { -self.limit } else { gradient };
        let gradient = if gradient > self.limit { self.limit } else { gradient };
        gradient * self.scale
    }

    /// Whether the rule sees the gradient as it is.
    fn is_none(self) -> bool {
        self.l1 == 0.0 && self.twice_l2 == 0.0 && self.limit == f32::INFINITY && self.scale == 1.0
    }
}

/// A rule with the constants of one step, the same for all elements.
#[derive(Clone, Copy)]
pub(super) enum Update {
    Sgd {
        rate: f32,
    },
    /// Moves by `velocity_rate` of the velocity and `gradient_rate` of the gradient.
    Momentum {
        momentum: f32,
        velocity_rate: f32,
        gradient_rate: f32,
    },
    RmsProp {
        rate: f32,
        decay: f32,
        epsilon: f32,
    },
    /// Adam and Nadam: moves by `mean_rate` of the mean and `gradient_rate` of the gradient, over the corrected root.
    Adam {
        mean_rate: f32,
        gradient_rate: f32,
        root_correction: f32,
        beta1: f32,
        beta2: f32,
        epsilon: f32,
    },
    Adamax {
        rate: f32,
        beta1: f32,
        beta2: f32,
        epsilon: f32,
    },
}

/// The elements of one parameter that are updated together, all of one length; a mean that the rule does not keep is empty.
pub(super) struct Run<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) gradient: &'a [f32],
    pub(super) first: &'a mut [f32],
    pub(super) second: &'a mut [f32],
    pub(super) shaping: Shaping,
    /// The share of a value that weight decay leaves.
    pub(super) kept: f32,
}

impl Run<'_> {
    pub(super) fn step(self, update: Update) {
        let shaping = self.shaping;
        // Nearly every training is without penalties and bounds, whose arithmetic takes as long as the rule's.
        match shaping.is_none() {
            true => self.step_shaped(
                update,
                #[inline(always)]
                |_, gradient| gradient,
            ),
            false => self.step_shaped(
                update,
                #[inline(always)]
                |value, gradient| shaping.of(value, gradient),
            ),
        }
    }

    /// [`Run::step`] with the gradient that `shaped` makes of a value and its gradient.
    fn step_shaped(self, update: Update, shaped: impl Fn(f32, f32) -> f32) {
        let Run { values, gradient, first, second, kept, .. } = self;
        let arch = Arch::new();
        match update {
            Update::Sgd { rate } => arch.dispatch(
                #[inline(always)]
                || {
                    for (w, &g) in values.iter_mut().zip(gradient) {
                        *w = kept * *w - rate * shaped(*w, g);
                    }
                },
            ),
            Update::Momentum { momentum, velocity_rate, gradient_rate } => arch.dispatch(
                #[inline(always)]
                || {
                    for ((w, &g), v) in values.iter_mut().zip(gradient).zip(first) {
                        let g = shaped(*w, g);
                        *v = momentum * *v + g;
                        *w = kept * *w - (velocity_rate * *v + gradient_rate * g);
                    }
                },
            ),
            Update::RmsProp { rate, decay, epsilon } => arch.dispatch(
                #[inline(always)]
                || {
                    for ((w, &g), v) in values.iter_mut().zip(gradient).zip(first) {
                        let g = shaped(*w, g);
                        *v = decay * *v + (1.0 - decay) * (g * g);
                        *w = kept * *w - rate * g / (v.sqrt() + epsilon);
                    }
                },
            ),
            Update::Adam { mean_rate, gradient_rate, root_correction, beta1, beta2, epsilon } => arch.dispatch(
                #[inline(always)]
                || {
                    for (((w, &g), m), v) in values.iter_mut().zip(gradient).zip(first).zip(second) {
                        let g = shaped(*w, g);
                        *m = beta1 * *m + (1.0 - beta1) * g;
                        *v = beta2 * *v + (1.0 - beta2) * (g * g);
                        *w = kept * *w - (mean_rate * *m + gradient_rate * g) / (v.sqrt() * root_correction + epsilon);
                    }
                },
            ),
            Update::Adamax { rate, beta1, beta2, epsilon } => arch.dispatch(
                #[inline(always)]
                || {
                    for (((w, &g), m), u) in values.iter_mut().zip(gradient).zip(first).zip(second) {
                        let g = shaped(*w, g);
                        *m = beta1 * *m + (1.0 - beta1) * g;
                        let (decayed, size) = (beta2 * *u, g.abs());
                        // NaN, which `max` would drop, is neither: it goes on as the sum.
                        *u = if decayed >= size {
                            decayed
                        } else if decayed < size {
                            size
                        } else {
                            decayed + size
                        };
                        *w = kept * *w - rate * *m / (*u + epsilon);
                    }
                },
            ),
        }
    }
}

/// The sum of the squares of the gradient with its penalties, in f64 and in 16 chains that no vector width changes.
pub(super) fn sum_of_squares(values: &[f32], gradient: &[f32], shaping: Shaping) -> f64 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            const CHAINS: usize = 16;
            let (values, values_rest) = values.as_chunks::<CHAINS>();
            let (gradient, gradient_rest) = gradient.as_chunks::<CHAINS>();
            let mut sums = [0.0_f64; CHAINS];
            for (w, g) in values.iter().zip(gradient) {
                for chain in 0..CHAINS {
                    let g = f64::from(shaping.penalized(w[chain], g[chain]));
                    sums[chain] += g * g;
                }
            }
            for (chain, (&w, &g)) in values_rest.iter().zip(gradient_rest).enumerate() {
                let g = f64::from(shaping.penalized(w, g));
                sums[chain] += g * g;
            }
            sums.iter().sum()
        },
    )
}
