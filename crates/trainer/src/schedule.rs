//! How the learning rate changes while training runs.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::ranges;
use crate::word_or_table::word_or_table;

mod rates;

pub(crate) use rates::Rates;

/// The learning rate over a run, as a factor on the configured rate; it is renewed before every batch.
///
/// In a configuration it is a word, `schedule = "cosine"`, or a table where it has settings:
///
/// ```toml
/// [schedule]
/// kind = "warm-up"
/// epochs = 2
/// then = { kind = "step", every = 10, factor = 0.1 }
/// ```
///
/// Below, `e` is the number of epochs done, fractions included, and `d` the share of all batches done, from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// The configured rate throughout.
    #[default]
    Constant,
    /// `factor^floor(e / every)`.
    Step {
        /// Epochs between two changes, at least 1.
        every: u64,
        /// What each change multiplies the rate by, above 0 and at most 1; default 0.1.
        #[serde(default = "tenth")]
        factor: f64,
    },
    /// `factor^e`, smoothly from batch to batch.
    Exponential {
        /// What an epoch multiplies the rate by, above 0 and at most 1.
        factor: f64,
    },
    /// Half a cosine from the configured rate down to zero at the end of the last batch, `(1 + cos(pi d)) / 2`, without restarts
    /// (Loshchilov & Hutter 2017, *SGDR*, eq. 5).
    Cosine,
    /// `end + (1 - end) * (1 - d)^power`.
    Polynomial {
        /// The exponent, above 0; default 1, a straight line.
        #[serde(default = "one")]
        power: f64,
        /// The factor after the last batch, from 0, the default, to 1.
        #[serde(default)]
        end: f64,
    },
    /// A straight line from near 0 up to the configured rate, then another schedule for the batches that are left
    /// (Goyal et al. 2017, section 2.2).
    WarmUp {
        /// How many epochs the rise takes, above 0; fractions are allowed.
        epochs: f64,
        /// The schedule after it; default [`Schedule::Constant`].
        #[serde(default)]
        then: Box<Schedule>,
    },
    /// Multiplies the rate by a factor whenever the loss has not fallen for some epochs: the loss of the validation part, or of the
    /// training where there is none.
    ReduceOnPlateau {
        /// What a reduction multiplies the rate by, above 0 and below 1; default 0.1.
        #[serde(default = "tenth")]
        factor: f64,
        /// How many epochs in a row may pass without a new best before the next one reduces the rate; default 10.
        #[serde(default = "ten")]
        patience: u64,
        /// A loss is a new best if it is below the best so far by more than this share of its size; at least 0, default 1e-4.
        #[serde(default = "ten_thousandth")]
        threshold: f64,
        /// The smallest factor on the configured rate, from 0, the default, to 1.
        #[serde(default)]
        minimum: f64,
    },
    /// One cycle: half a cosine up to the configured rate, which is its peak, and half a cosine down to far below the start
    /// (Smith & Topin 2018, with cosines in place of straight lines). The momentum stays as it is.
    OneCycle {
        /// The share of all batches before the peak, above 0 and below 1; default 0.3.
        #[serde(default = "three_tenths")]
        peak: f64,
        /// The factor at the start, above 0 and at most 1; default 0.04.
        #[serde(default = "twenty_fifth")]
        start: f64,
        /// The factor at the end, from 0 to 1; default 4e-6.
        #[serde(default = "four_millionths")]
        end: f64,
    },
}
word_or_table!(Schedule);

fn one() -> f64 {
    1.0
}

fn tenth() -> f64 {
    0.1
}

fn ten() -> u64 {
    10
}

fn ten_thousandth() -> f64 {
    1e-4
}

fn three_tenths() -> f64 {
    0.3
}

fn twenty_fifth() -> f64 {
    0.04
}

fn four_millionths() -> f64 {
    4e-6
}

impl Schedule {
    /// Another schedule with a rise over some epochs in front of it.
    pub fn warm_up(epochs: f64, then: Schedule) -> Self {
        Self::WarmUp { epochs, then: Box::new(then) }
    }

    /// One cycle with its peak after three tenths of the batches.
    pub fn one_cycle() -> Self {
        Self::OneCycle { peak: three_tenths(), start: twenty_fifth(), end: four_millionths() }
    }

    /// Reductions by ten after ten epochs without a new best.
    pub fn reduce_on_plateau() -> Self {
        Self::ReduceOnPlateau { factor: tenth(), patience: ten(), threshold: ten_thousandth(), minimum: 0.0 }
    }

    pub(crate) fn check(&self) -> Result<()> {
        self.check_as("schedule")
    }

    /// Checks the settings; `setting` is what the configuration calls this one.
    fn check_as(&self, setting: &str) -> Result<()> {
        let name = |key: &str| format!("{setting}.{key}");
        let within = |key: &str, value: f64, allowed: bool, expected: &str| match allowed {
            true => Ok(()),
            false => Err(Error::setting(name(key), value, expected)),
        };
        let up_to_one = |key, value: f64| within(key, value, value > 0.0 && value <= 1.0, "above 0 and at most 1");
        let from_zero = |key, value: f64| within(key, value, (0.0..=1.0).contains(&value), "from 0 to 1");
        let inside = |key, value: f64| within(key, value, value > 0.0 && value < 1.0, "above 0 and below 1");
        match self {
            Self::Constant | Self::Cosine => Ok(()),
            Self::Step { every, factor } => {
                if *every == 0 {
                    return Err(Error::setting(name("every"), 0, "at least 1 epoch"));
                }
                up_to_one("factor", *factor)
            }
            Self::Exponential { factor } => up_to_one("factor", *factor),
            Self::Polynomial { power, end } => {
                ranges::positive(&name("power"), *power)?;
                from_zero("end", *end)
            }
            Self::WarmUp { epochs, then } => {
                ranges::positive(&name("epochs"), *epochs)?;
                then.check_as(&name("then"))
            }
            Self::ReduceOnPlateau { factor, patience: _, threshold, minimum } => {
                inside("factor", *factor)?;
                ranges::not_negative(&name("threshold"), *threshold)?;
                from_zero("minimum", *minimum)
            }
            Self::OneCycle { peak, start, end } => {
                inside("peak", *peak)?;
                up_to_one("start", *start)?;
                from_zero("end", *end)
            }
        }
    }

    /// The factor for batch `step` of `steps`, counted from 0, with `batches` in an epoch; without what a plateau changes.
    fn factor(&self, step: u64, steps: u64, batches: u64) -> f64 {
        let done = step as f64 / steps.max(1) as f64;
        let epochs = step as f64 / batches.max(1) as f64;
        match self {
            Self::Constant | Self::ReduceOnPlateau { .. } => 1.0,
            Self::Step { every, factor } => libm::pow(*factor, (step / batches.max(1) / (*every).max(1)) as f64),
            Self::Exponential { factor } => libm::pow(*factor, epochs),
            Self::Cosine => between(1.0, 0.0, done),
            Self::Polynomial { power, end } => end + (1.0 - end) * libm::pow((1.0 - done).max(0.0), *power),
            Self::WarmUp { epochs, then } => {
                let rise = (epochs * batches as f64).ceil() as u64;
                if step < rise {
                    // Neither 0 at its first batch nor already 1 at its last: that is where the next schedule starts.
                    (step + 1) as f64 / (rise as f64 + 1.0)
                } else {
                    then.factor(step - rise, steps.saturating_sub(rise), batches)
                }
            }
            Self::OneCycle { peak, start, end } => {
                if done < *peak {
                    between(*start, 1.0, done / peak)
                } else {
                    between(1.0, *end, (done - peak) / (1.0 - peak))
                }
            }
        }
    }

    /// The schedule that a plateau is watched for, if there is one.
    fn plateau(&self) -> Option<&Self> {
        match self {
            Self::ReduceOnPlateau { .. } => Some(self),
            Self::WarmUp { then, .. } => then.plateau(),
            _ => None,
        }
    }
}

/// Half a cosine from one value to another, at a share of the way.
fn between(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + libm::cos(PI * share))
}

#[cfg(test)]
mod tests;
