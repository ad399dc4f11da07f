//! Weights and biases as integers, by the rule of the quantizer: what is trained is what will be emitted.

/// The smallest scale: products of two stay normal numbers.
pub(super) const MIN_SCALE: f32 = f32::from_bits((127 - 60) << 23);

/// A bias may take so many steps; the other half of int32 is left to the products.
const MAX_BIAS_STEPS: f64 = (1_u64 << 30) as f64;

/// Constants of a layer as integers.
#[derive(Debug, Default)]
pub(super) struct IntegerWeights {
    /// `[inputs, units]` in [-127, 127].
    pub(super) values: Vec<i8>,
    /// One per unit.
    pub(super) scales: Vec<f32>,
    /// In steps of the input's scale times the unit's.
    pub(super) bias: Vec<i32>,
}

impl IntegerWeights {
    /// Quantizes weights `[inputs, units]` symmetrically, the largest of a unit to 127, and its bias in steps of the products; steps are
    /// made coarser where the bias would leave its half of int32.
    pub(super) fn fill(&mut self, weights: &[f32], bias: Option<&[f32]>, units: usize, input_scale: f32) {
        let mut largest = vec![0.0_f32; units];
        for row in weights.chunks_exact(units) {
            for (largest, weight) in largest.iter_mut().zip(row) {
                *largest = largest.max(weight.abs());
            }
        }
        let of_bias = |unit: usize| bias.map_or(0.0, |bias| f64::from(bias[unit].abs()));
        self.scales.clear();
        self.scales.extend(largest.iter().enumerate().map(|(unit, &largest)| {
            let own =
                if largest > 0.0 { ((f64::from(largest.min(f32::MAX)) / 127.0) as f32).max(MIN_SCALE) } else { 0.0 };
            let needed = (of_bias(unit) / (f64::from(input_scale) * MAX_BIAS_STEPS)) as f32;
            let scale = own.max(needed);
            if scale > 0.0 { scale.max(MIN_SCALE) } else { 1.0 }
        }));
        self.values.clear();
        self.values.reserve(weights.len());
        for row in weights.chunks_exact(units) {
            let levels =
                row.iter().zip(&self.scales).map(|(weight, scale)| round(weight / scale).clamp(-127.0, 127.0) as i8);
            self.values.extend(levels);
        }
        self.bias.clear();
        self.bias.extend((0..units).map(|unit| {
            let step = f64::from(input_scale * self.scales[unit]);
            let value = bias.map_or(0.0, |bias| f64::from(bias[unit]));
            (value / step).round_ties_even().clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32
        }));
    }
}

/// Half to even, of numbers that saturate beyond a thousand: adding and taking off 1.5 * 2^23 leaves no digit behind the point.
#[inline(always)]
pub(super) fn round(x: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (x.clamp(-1024.0, 1024.0) + SHIFT) - SHIFT
}
