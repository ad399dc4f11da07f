//! What may be wrong with calibration samples, in words.

use std::fmt;

use serde::Serialize;

use super::UNSTABLE_PERCENT;

/// Something about the samples, or about the model on them, that its owner should know.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum Finding {
    /// Values that are NaN or infinite; they are left out of the range.
    NotFinite {
        /// The tensor.
        tensor: String,
        /// NaN among its values.
        nans: u64,
        /// Infinities among them.
        infs: u64,
        /// All of its values.
        count: u64,
    },
    /// An input far from what the normalization in the model expects.
    Unnormalized {
        /// The input.
        input: String,
        /// Mean of its values.
        mean: f64,
        /// Their standard deviation.
        std_dev: f64,
        /// The mean that the model subtracts.
        expected_mean: f64,
        /// The deviation that it divides by.
        expected_std_dev: f64,
    },
    /// Large values that reach the first layer as they are.
    Unscaled {
        /// The input.
        input: String,
        /// Its largest absolute value.
        abs_max: f64,
    },
    /// An input that looks like random numbers.
    Noise {
        /// The input.
        input: String,
        /// What its values are distributed like.
        distribution: &'static str,
    },
    /// A tensor with the same value everywhere.
    Constant {
        /// The tensor.
        tensor: String,
        /// Its layer.
        layer: String,
        /// The value.
        value: f32,
    },
    /// Channels that never change.
    DeadChannels {
        /// The tensor.
        tensor: String,
        /// Its layer.
        layer: String,
        /// Channels with the same value everywhere.
        dead: usize,
        /// All channels.
        channels: usize,
    },
    /// An activation that is nearly always at its bounds.
    Saturated {
        /// The tensor.
        tensor: String,
        /// Its layer.
        layer: String,
        /// Values at a bound.
        percent: f64,
    },
    /// Two random halves of the samples disagree on a range.
    Unstable {
        /// The tensor that they disagree on most.
        tensor: String,
        /// Its layer.
        layer: String,
        /// How far they are apart, in per cent of the range.
        percent: f64,
        /// Tensors of which that is too much.
        tensors: usize,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite { tensor, nans, infs, count } => write!(
                f,
                "tensor \"{tensor}\": {nans} NaN and {infs} infinite of {count} values are left out of its range; check the samples"
            ),
            Self::Unnormalized { input, mean, std_dev, expected_mean, expected_std_dev } => write!(
                f,
                "input \"{input}\" has mean {mean:.4} and standard deviation {std_dev:.4}, but the model normalizes by {expected_mean:.4} and \
                 {expected_std_dev:.4}; are the samples scaled as in training? (--scale, --mean, --std)"
            ),
            Self::Unscaled { input, abs_max } => write!(
                f,
                "input \"{input}\" has values up to {abs_max:.4} and the model does not normalize them; if it was trained on scaled samples, \
                 scale these too (for pixels, --scale 1/255)"
            ),
            Self::Noise { input, distribution } => write!(
                f,
                "input \"{input}\" looks like random noise ({distribution} values, neighbours unrelated); ranges on noise are not those of real \
                 samples"
            ),
            Self::Constant { tensor, layer, value } => {
                write!(
                    f,
                    "tensor \"{tensor}\" of layer \"{layer}\" is {value} for every sample; the layer does nothing"
                )
            }
            Self::DeadChannels { tensor, layer, dead, channels } => write!(
                f,
                "{dead} of {channels} channels of tensor \"{tensor}\" (layer \"{layer}\") have the same value for every sample; are all kinds of \
                 samples among them?"
            ),
            Self::Saturated { tensor, layer, percent } => write!(
                f,
                "{percent:.1} % of the values of tensor \"{tensor}\" (layer \"{layer}\") are at its bounds; is the input scaled as in training?"
            ),
            Self::Unstable { tensor, layer, percent, tensors } => {
                write!(
                    f,
                    "two halves of the samples disagree by {percent:.1} % on the range of tensor \"{tensor}\" (layer \"{layer}\")"
                )?;
                match tensors {
                    0 | 1 => {}
                    2 => write!(f, " and by more than {UNSTABLE_PERCENT} % on 1 other")?,
                    _ => write!(f, " and by more than {UNSTABLE_PERCENT} % on {} others", tensors - 1)?,
                }
                write!(f, "; take more samples, or a range other than minmax")
            }
        }
    }
}
