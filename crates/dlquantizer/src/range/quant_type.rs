//! The integers that tensors are quantized to.

use serde::{Deserialize, Serialize};

/// An integer type tensors are quantized to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QuantType {
    /// Unsigned, 0 to 15.
    U4,
    /// Signed, -8 to 7.
    I4,
    /// Unsigned, 0 to 255.
    U8,
    /// Signed, -128 to 127.
    I8,
    /// Unsigned, 0 to 65535.
    U16,
    /// Signed, -32768 to 32767.
    I16,
}

impl QuantType {
    /// The bits of an integer of the type.
    #[must_use]
    pub fn bits(self) -> u32 {
        match self {
            Self::U4 | Self::I4 => 4,
            Self::U8 | Self::I8 => 8,
            Self::U16 | Self::I16 => 16,
        }
    }

    /// The smallest integer of the type.
    #[must_use]
    pub fn min(self) -> i32 {
        match self {
            Self::U4 | Self::U8 | Self::U16 => 0,
            Self::I4 | Self::I8 | Self::I16 => -self.half(),
        }
    }

    /// The largest integer of the type.
    #[must_use]
    pub fn max(self) -> i32 {
        self.min() + self.steps()
    }

    /// Steps between the smallest and the largest integer.
    pub(super) fn steps(self) -> i32 {
        2 * self.half() - 1
    }

    /// Half the number of integers.
    pub(super) fn half(self) -> i32 {
        1 << (self.bits() - 1)
    }
}

/// Where the integer that stands for 0 lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Anywhere, so that the type covers no more than the range.
    #[default]
    Asymmetric,
    /// In the middle of the type: 0 of signed types, 2^(bits - 1) of unsigned ones. Both signs have the same range.
    Symmetric,
}
