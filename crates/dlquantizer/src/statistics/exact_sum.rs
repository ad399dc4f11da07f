//! Sums of f32 values without any rounding, so that they depend on neither order nor split.
//!
//! Every finite f32 is an integer multiple of `2^-149`, and below `2^128`. The sum of 2^48 of them is an integer of at
//! most 326 bits in that unit, which [`ExactSum`] keeps whole (a "long accumulator": Kulisch, "Computer Arithmetic and
//! Validity", 2008).

#[cfg(test)]
pub(super) mod tests;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;

/// The unit of a sum is `2^-FRACTION_BITS`, the smallest f32.
const FRACTION_BITS: i32 = 149;

/// Bits of a limb; what exceeds them in its i64 is carry for the next.
const LIMB_BITS: u32 = 32;

/// Room for numbers below `2^BITS` units and for the four limbs that any addition reaches.
const LIMBS: usize = 14;

/// A sum of 2^48 values has at most 326 bits.
const BITS: u32 = 352;

/// The longest text of a sum is `-0x`, 82 digits, `p-149`.
const TEXT_LIMIT: usize = 90;

/// Additions of at most one limb's width each that an i64 holds for certain besides its own limb.
const ADDITIONS_UNTIL_CARRY: u32 = 1 << 30;

/// An exact sum of at most 2^48 finite f32 values.
///
/// Its text, in files, is a hexadecimal floating-point number as C99 `strtod` and Python's `float.fromhex` read it, with
/// an odd integer for its digits and as many as are needed: `-0x3p-1` is -1.5, `0x0p0` is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ExactSum {
    /// Two's complement in base 2^32, the least first: all but the last are from 0 to 2^32 - 1, the last has the sign.
    limbs: [i64; LIMBS],
}

/// An [`ExactSum`] that grows, with carries put off.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Accumulator {
    limbs: [i64; LIMBS],
    additions: u32,
}

impl Accumulator {
    /// Adds a finite f32, or an exact sum of some.
    pub(super) fn add(&mut self, value: f64) {
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as i32;
        if exponent == 0 {
            // No multiple of 2^-149 but zero is that small.
            return;
        }
        let mantissa = bits & ((1 << 52) - 1) | 1 << 52;
        let position = exponent - 1075 + FRACTION_BITS;
        // Below position 0 there are only zero bits.
        let integer = mantissa >> (-position).clamp(0, 63);
        self.add_integer(value.is_sign_negative(), u128::from(integer), position.max(0) as u32);
    }

    /// Adds `count` times a finite `value`.
    pub(super) fn add_times(&mut self, value: f32, count: u64) {
        let bits = value.to_bits();
        let exponent = bits >> 23 & 0xff;
        let implicit = u32::from(exponent != 0) << 23;
        let mantissa = bits & ((1 << 23) - 1) | implicit;
        let product = u128::from(mantissa) * u128::from(count);
        self.add_integer(value.is_sign_negative(), product, exponent.max(1) - 1);
    }

    /// Adds `±integer · 2^position` units, the integer below 2^96 and the position below [`BITS`].
    fn add_integer(&mut self, negative: bool, integer: u128, position: u32) {
        let shifted = integer << (position % LIMB_BITS);
        let pieces = [0, 1, 2, 3].map(|at| i64::from((shifted >> (LIMB_BITS * at)) as u32));
        for (limb, piece) in self.limbs.iter_mut().skip((position / LIMB_BITS) as usize).zip(pieces) {
            *limb += if negative { -piece } else { piece };
        }
        self.additions += 1;
        if self.additions == ADDITIONS_UNTIL_CARRY {
            *self = Self { limbs: self.sum().limbs, additions: 0 };
        }
    }

    /// The sum so far.
    pub(super) fn sum(&self) -> ExactSum {
        ExactSum { limbs: carried(self.limbs) }
    }
}

impl ExactSum {
    /// The sum of both.
    pub(super) fn plus(&self, other: &Self) -> Self {
        let mut limbs = self.limbs;
        for (limb, theirs) in limbs.iter_mut().zip(other.limbs) {
            *limb = limb.saturating_add(theirs);
        }
        Self { limbs: carried(limbs) }
    }

    /// The nearest f64, ties to even.
    pub(super) fn to_f64(self) -> f64 {
        let (negative, magnitude) = self.magnitude();
        let Some(top) = magnitude.iter().rposition(|&limb| limb != 0) else { return 0.0 };
        let limb = |back: usize| top.checked_sub(back).map_or(0, |at| magnitude[at]);
        let wide = u128::from(limb(0)) << 64 | u128::from(limb(1)) << 32 | u128::from(limb(2));
        // 65 to 96 bits, of which an f64 keeps 53: one bit can stand for all that follow.
        let sticky = magnitude.iter().take(top.saturating_sub(2)).any(|&limb| limb != 0);
        let rounded = (wide | u128::from(sticky)) as f64;
        let exponent = LIMB_BITS as i32 * (top as i32 - 2) - FRACTION_BITS;
        // Neither overflows nor becomes subnormal: units are at least 2^-149 and sums below 2^203.
        let value = rounded * power_of_two(exponent);
        if negative { -value } else { value }
    }

    /// Sign and absolute value.
    fn magnitude(&self) -> (bool, [u32; LIMBS]) {
        let negative = self.limbs[LIMBS - 1] < 0;
        let absolute = if negative { carried(self.limbs.map(|limb| -limb)) } else { self.limbs };
        (negative, absolute.map(|limb| limb as u32))
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_LIMIT {
            return None;
        }
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (digits, exponent) = digits.strip_prefix("0x")?.split_once('p')?;
        let lowest = exponent.parse::<i32>().ok()?.checked_add(FRACTION_BITS)?;
        let mut accumulator = Accumulator::default();
        for (place, digit) in digits.chars().rev().enumerate() {
            let position = u32::try_from(lowest).ok()?.checked_add(4 * place as u32)?;
            if position + 4 > BITS {
                return None;
            }
            accumulator.add_integer(negative, u128::from(digit.to_digit(16)?), position);
        }
        let sum = accumulator.sum();
        // Equal sums have one text.
        (sum.to_string() == text).then_some(sum)
    }
}

impl Ord for ExactSum {
    fn cmp(&self, other: &Self) -> Ordering {
        self.limbs.iter().rev().cmp(other.limbs.iter().rev())
    }
}

impl PartialOrd for ExactSum {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for ExactSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (negative, magnitude) = self.magnitude();
        let Some(first) = magnitude.iter().position(|&limb| limb != 0) else { return f.write_str("0x0p0") };
        let zeros = magnitude[first].trailing_zeros();
        // Without the zero bits below its lowest one, the number is odd.
        let odd = |at: usize| {
            let above = magnitude.get(at + 1).copied().unwrap_or(0);
            ((u64::from(above) << LIMB_BITS | u64::from(magnitude[at])) >> zeros) as u32
        };
        f.write_str(if negative { "-0x" } else { "0x" })?;
        let mut leading = true;
        for limb in (first..LIMBS).rev().map(odd) {
            if leading && limb != 0 {
                write!(f, "{limb:x}")?;
                leading = false;
            } else if !leading {
                write!(f, "{limb:08x}")?;
            }
        }
        write!(f, "p{}", (LIMB_BITS * first as u32 + zeros) as i32 - FRACTION_BITS)
    }
}

impl Serialize for ExactSum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExactSum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = ExactSum;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an exact sum such as \"-0x3p-1\", with odd digits, of at most 2^48 f32 values")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ExactSum, E> {
                ExactSum::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The same number with every carry in the limb it belongs to.
fn carried(mut limbs: [i64; LIMBS]) -> [i64; LIMBS] {
    let mut carry = 0;
    for limb in &mut limbs[..LIMBS - 1] {
        let sum = *limb + carry;
        *limb = sum & ((1 << LIMB_BITS) - 1);
        carry = sum >> LIMB_BITS;
    }
    limbs[LIMBS - 1] += carry;
    limbs
}

/// `2^exponent` for a normal f64.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((1023 + exponent) as u64) << 52)
}
