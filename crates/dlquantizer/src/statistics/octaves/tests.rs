use crate::range::{QuantParams, QuantType, Range, Scheme};
use crate::statistics::tests::values;
use crate::{Octave, TensorStatistics};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The exponent of a value by doubling and halving.
fn exponent(value: f32) -> i32 {
    let (mut size, mut exponent) = (f64::from(value).abs(), 0);
    while size >= 2.0 {
        size /= 2.0;
        exponent += 1;
    }
    while size < 1.0 {
        size *= 2.0;
        exponent -= 1;
    }
    exponent.max(-134)
}

proptest! {
    #[test]
    fn octaves_are_the_values_grouped_by_their_exponent(values in values()) {
        let mut groups: BTreeMap<i32, u64> = BTreeMap::new();
        for &value in values.iter().filter(|value| value.is_finite() && **value != 0.0) {
            *groups.entry(exponent(value)).or_default() += 1;
        }
        let octaves = TensorStatistics::of(&values).octaves(None);
        prop_assert!(octaves.iter().all(|octave| octave.clipped == 0 && octave.underflow == 0));
        let found: Vec<(i32, u64)> = octaves.iter().map(|octave| (octave.exponent, octave.count())).collect();
        prop_assert_eq!(found, groups.into_iter().collect::<Vec<_>>());
    }

    /// Values that are alone in their bins.
    #[test]
    fn each_value_counts_for_what_becomes_of_it(
        values in values(), min in -20.0..0.0_f32, max in 0.0..20.0_f32, symmetric in any::<bool>(), wide in any::<bool>(),
    ) {
        let values: Vec<f32> = values.iter().map(|value| f32::from_bits(value.to_bits() & 0xffff_0000)).collect();
        let scheme = if symmetric { Scheme::Symmetric } else { Scheme::Asymmetric };
        let quant_type = if wide { QuantType::U8 } else { QuantType::U4 };
        let params = QuantParams::new(Range::new(min, max).unwrap(), quant_type, scheme);
        let unbounded = QuantParams { quant_type: QuantType::I16, ..params };
        let mut groups: BTreeMap<i32, Octave> = BTreeMap::new();
        for &value in values.iter().filter(|value| value.is_finite() && **value != 0.0) {
            let exponent = exponent(value);
            let empty = Octave { exponent, in_range: 0, clipped: 0, underflow: 0 };
            let octave = groups.entry(exponent).or_insert(empty);
            // The same steps in a type that saturates later.
            if unbounded.quantize(value) != params.quantize(value) {
                octave.clipped += 1;
            } else if params.fake_quantize(value) == 0.0 {
                octave.underflow += 1;
            } else {
                octave.in_range += 1;
            }
        }
        let found = TensorStatistics::of(&values).octaves(Some(params));
        prop_assert_eq!(found, groups.into_values().collect::<Vec<_>>());
    }

    #[test]
    fn quantized_octaves_have_the_values_of_the_octaves(values in values(), max in 1e-3..1e3_f32) {
        let statistics = TensorStatistics::of(&values);
        let params = QuantParams::new(Range::new(-max, max).unwrap(), QuantType::I8, Scheme::Symmetric);
        let totals: Vec<(i32, u64)> = statistics.octaves(Some(params)).iter().map(|octave| (octave.exponent, octave.count())).collect();
        let all: Vec<(i32, u64)> =
            statistics.octaves(None).iter().map(|octave| (octave.exponent, octave.count())).collect();
        prop_assert_eq!(totals, all);
    }
}

#[test]
fn a_value_saturates_vanishes_or_stays() {
    let params = QuantParams::new(Range::new(0.0, 255.0).unwrap(), QuantType::U8, Scheme::Asymmetric);
    let statistics = TensorStatistics::of(&[0.0, -0.0, 0.25, 0.5, 0.75, 3.0, 2.5, 300.0, -2.0, f32::NAN]);
    let octave = |exponent, in_range, clipped, underflow| Octave { exponent, in_range, clipped, underflow };
    assert_eq!(
        statistics.octaves(Some(params)),
        [octave(-2, 0, 0, 1), octave(-1, 1, 0, 1), octave(1, 2, 1, 0), octave(8, 0, 1, 0)]
    );
    assert_eq!(TensorStatistics::default().octaves(None), []);
}
