pub(crate) mod samples;

use super::*;
use proptest::prelude::*;
use samples::{SCHEMES, TYPES, any_scheme, any_type, any_values, kinds, normal};

fn finite() -> impl Strategy<Value = f32> {
    const EDGES: [f32; 9] = [0.0, -0.0, 1.0, -1.0, 1e-30, -1e-30, f32::MAX, f32::MIN, f32::from_bits(1)];
    prop_oneof![
        any::<u32>().prop_map(f32::from_bits).prop_filter("finite", |value| value.is_finite()),
        -10.0..10.0_f32,
        prop::sample::select(&EDGES[..]),
    ]
}

fn range() -> impl Strategy<Value = Range> {
    (finite(), finite()).prop_map(|(a, b)| Range::new(a.min(b), a.max(b)).unwrap())
}

fn any_method() -> impl Strategy<Value = RangeMethod> {
    let percentile = (50_001..=100_000_u32).prop_map(|thousandths| Percentile::new(f64::from(thousandths) / 1000.0));
    prop_oneof![
        prop::sample::select(&RangeMethod::ALL[..]),
        percentile.prop_map(|percentile| RangeMethod::Percentile(percentile.unwrap())),
    ]
}

/// All constructors.
fn params_of(range: Range, quant_type: QuantType) -> [QuantParams; 4] {
    [
        QuantParams::new(range, quant_type, Scheme::Asymmetric),
        QuantParams::new(range, quant_type, Scheme::Symmetric),
        QuantParams::power_of_two(range, quant_type, Scheme::Asymmetric),
        QuantParams::power_of_two(range, quant_type, Scheme::Symmetric),
    ]
}

fn is_usable(params: QuantParams) -> bool {
    let QuantParams { scale, zero_point, quant_type } = params;
    scale.is_finite() && scale >= MIN_SCALE && (quant_type.min()..=quant_type.max()).contains(&zero_point)
}

/// `x` in f64 after quantization to the nearest of all integers of the type, by trying each.
fn nearest(params: QuantParams, x: f32) -> f64 {
    (params.quant_type.min()..=params.quant_type.max())
        .map(|q| f64::from(q - params.zero_point) * f64::from(params.scale))
        .min_by(|a, b| (a - f64::from(x)).abs().total_cmp(&(b - f64::from(x)).abs()))
        .unwrap()
}

proptest! {
    #[test]
    fn every_range_gives_a_finite_positive_scale_and_an_exact_zero(range in range(), quant_type in any_type()) {
        for params in params_of(range, quant_type) {
            prop_assert!(is_usable(params), "{params:?} for {range:?}");
            prop_assert_eq!(params.quantize(0.0), params.zero_point);
            prop_assert_eq!(params.fake_quantize(0.0), 0.0);
            prop_assert!((params.scale * params.scale).is_normal() || params.scale > 1.0);
        }
    }

    #[test]
    fn what_is_in_the_range_moves_by_half_a_step_at_most(range in range(), at in 0.0..=1.0_f64, quant_type in any_type()) {
        let (min, max) = (f64::from(range.min()), f64::from(range.max()));
        let x = ((1.0 - at) * min + at * max) as f32;
        let (x, far) = (x.clamp(range.min(), range.max()), range.abs_max() > 127_f32.exp2());
        for params in params_of(range, quant_type) {
            let step = f64::from(params.scale);
            // x / scale, the scale itself and the product are each rounded to 24 bits.
            let bound = step * (0.5 + 3.0 * f64::from(quant_type.steps()) * (-24_f64).exp2());
            let moved = (f64::from(params.fake_quantize(x)) - f64::from(x)).abs();
            prop_assert!(moved <= bound || far, "{x} moved by {moved}, {params:?}");
        }
    }

    #[test]
    fn quantize_finds_the_nearest_of_all_integers(range in range(), x in finite(), quant_type in any_type()) {
        let params = QuantParams::asymmetric(range, quant_type);
        let q = params.quantize(x);
        prop_assert!((quant_type.min()..=quant_type.max()).contains(&q));
        let ours = f64::from(q - params.zero_point) * f64::from(params.scale);
        let (ours, best) = ((ours - f64::from(x)).abs(), (nearest(params, x) - f64::from(x)).abs());
        // A tie may be decided by the rounding of x / scale.
        prop_assert!(ours <= best + f64::from(params.scale * quant_type.steps() as f32) * (-24_f64).exp2(), "{x}: {ours} against {best}");
    }

    /// Against all exponents and all zero points of the type.
    #[test]
    fn power_of_two_is_the_smallest_that_covers(range in range(), bits8 in any::<bool>(), scheme in any_scheme()) {
        let quant_type = if bits8 { QuantType::U8 } else { QuantType::I4 };
        let params = QuantParams::power_of_two(range, quant_type, scheme);
        let middle = quant_type.middle();
        // Symmetric types leave their smallest integer unused.
        let (lowest, zero_points) = match scheme {
            Scheme::Asymmetric => (quant_type.min(), quant_type.min()..=quant_type.max()),
            Scheme::Symmetric => (quant_type.min() + 1, middle..=middle),
        };
        let covers = |scale: f64, zero_point: i32| {
            f64::from(lowest - zero_point) * scale <= f64::from(range.min())
                && f64::from(range.max()) <= f64::from(quant_type.max() - zero_point) * scale
        };
        let smallest = (-60..128)
            .map(|k| f64::from(k).exp2())
            .find(|&scale| zero_points.clone().any(|zero_point| covers(scale, zero_point)));
        prop_assert!(covers(f64::from(params.scale), params.zero_point));
        if range.abs_max() > 0.0 {
            prop_assert_eq!(Some(f64::from(params.scale)), smallest);
        }
    }

    #[test]
    fn asymmetric_uses_the_width_of_the_type(range in range(), quant_type in any_type()) {
        let width = f64::from(range.max()) - f64::from(range.min());
        let params = QuantParams::asymmetric(range, quant_type);
        let steps = f64::from(quant_type.steps());
        prop_assume!(width / steps > f64::from(MIN_SCALE));
        prop_assert!((f64::from(params.scale) * steps / width - 1.0).abs() < 1e-6);
        prop_assert!((params.quantize(range.min()) - quant_type.min()).abs() <= 1);
        prop_assert!((params.quantize(range.max()) - quant_type.max()).abs() <= 1);
    }

    #[test]
    fn symmetric_leaves_the_smallest_integer_unused(abs_max in finite(), at in -1.0..=1.0_f32, quant_type in any_type()) {
        let params = QuantParams::symmetric(abs_max, quant_type);
        let steps = |x| params.quantize(x) - params.zero_point;
        let most = quant_type.half() - 1;
        prop_assert!((-most..=most).contains(&steps(abs_max * at)));
        prop_assert_eq!(steps(abs_max), -steps(-abs_max));
    }

    /// Whatever was observed, the result can be computed with.
    #[test]
    fn every_state_gives_usable_parameters_and_an_exact_zero(
        bits in prop::collection::vec(prop_oneof![any::<u32>(), 0..9_u32, 0x7f00_0000..0x7f90_0000_u32], 1..200),
        method in any_method(), quant_type in any_type(), scheme in any_scheme()
    ) {
        let values: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        match method.quant_params(&TensorStatistics::of(&values), quant_type, scheme) {
            None => prop_assert!(!values.iter().any(|value| value.is_finite())),
            Some(params) => {
                prop_assert!(is_usable(params), "{params:?}");
                prop_assert_eq!(params.fake_quantize(0.0), 0.0);
                prop_assert!(params.range().min() <= 0.0 && params.range().max() >= 0.0);
                if scheme == Scheme::Symmetric {
                    prop_assert_eq!(params.zero_point, quant_type.middle());
                }
            }
        }
    }

    /// The mathematics of the state promises it; this is about what is read off.
    #[test]
    fn order_and_shards_change_nothing(
        values in any_values(), seed in any::<u64>(), at in 0.0..=1.0_f64, method in any_method(), quant_type in any_type(),
        scheme in any_scheme()
    ) {
        let params = method.quant_params(&TensorStatistics::of(&values), quant_type, scheme);
        let mut other = values.clone();
        other.sort_by_key(|value| u64::from(value.to_bits()).wrapping_mul(seed | 1));
        let (one, rest) = other.split_at((at * other.len() as f64) as usize);
        let mut merged = TensorStatistics::of(rest);
        merged.merge(&TensorStatistics::of(one)).unwrap();
        prop_assert_eq!(method.quant_params(&merged, quant_type, scheme), params);
    }
}

#[test]
fn halves_go_to_even() {
    for (zero_point, quant_type) in [(128, QuantType::U8), (0, QuantType::I8)] {
        let params = QuantParams { scale: 2.0, zero_point, quant_type };
        let steps = [-5.0, -3.0, -1.0, 1.0, 3.0, 5.0].map(|x| params.quantize(x) - zero_point);
        assert_eq!(steps, [-2, -2, 0, 0, 2, 2]);
    }
}

#[test]
fn values_outside_saturate_and_nan_is_zero() {
    let params = QuantParams::asymmetric(Range::new(-1.0, 3.0).unwrap(), QuantType::U8);
    assert_eq!(params.zero_point, 64);
    assert_eq!(params.quantize(f32::INFINITY), 255);
    assert_eq!(params.quantize(f32::NEG_INFINITY), 0);
    assert_eq!(params.quantize(f32::MAX), 255);
    assert_eq!(params.quantize(f32::NAN), 64);
}

#[test]
fn hand_computed_parameters() {
    let range = Range::new(0.0, 255.0).unwrap();
    let expect = |params: QuantParams| (params.scale, params.zero_point);
    assert_eq!(expect(QuantParams::asymmetric(range, QuantType::U8)), (1.0, 0));
    assert_eq!(expect(QuantParams::asymmetric(range, QuantType::I8)), (1.0, -128));
    assert_eq!(expect(QuantParams::power_of_two(range, QuantType::U8, Scheme::Asymmetric)), (1.0, 0));
    assert_eq!(expect(QuantParams::symmetric(254.0, QuantType::I8)), (2.0, 0));
    assert_eq!(expect(QuantParams::symmetric(-254.0, QuantType::U8)), (2.0, 128));
    // 127.5 below and above zero do not fit 255 steps of 1 around an integer zero point.
    let range = Range::new(-127.5, 127.5).unwrap();
    assert_eq!(expect(QuantParams::asymmetric(range, QuantType::U8)), (1.0, 128));
    assert_eq!(expect(QuantParams::power_of_two(range, QuantType::U8, Scheme::Asymmetric)), (2.0, 64));
    // Round half to even: 0 - (-0.5 / 1) is 0, not 1.
    let range = Range::new(-0.5, 254.5).unwrap();
    assert_eq!(expect(QuantParams::asymmetric(range, QuantType::U8)), (1.0, 0));
}

#[test]
fn dead_channels_constants_and_extremes_stay_usable() {
    let zero = Range::new(0.0, 0.0).unwrap();
    for quant_type in TYPES {
        assert_eq!(QuantParams::asymmetric(zero, quant_type).scale, 1.0);
        assert_eq!(QuantParams::power_of_two(zero, quant_type, Scheme::Asymmetric).scale, 1.0);
        assert_eq!(QuantParams::symmetric(0.0, quant_type).scale, 1.0);
        for (min, max) in [
            (5.0, 5.0),
            (-5.0, -5.0),
            (f32::MIN, f32::MAX),
            (0.0, f32::MAX),
            (f32::MIN, 0.0),
            (0.0, f32::from_bits(1)),
            (-f32::MIN_POSITIVE, 1e-40),
        ] {
            let range = Range::new(min, max).unwrap();
            assert!(params_of(range, quant_type).into_iter().all(is_usable), "{range:?}");
        }
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(QuantParams::symmetric(odd, quant_type), QuantParams::symmetric(f32::MAX, quant_type));
        }
    }
}

#[test]
fn a_range_is_finite_ordered_and_holds_zero() {
    let ends = |min, max| Range::new(min, max).map(|range| (range.min(), range.max()));
    assert_eq!(ends(2.0, 3.0), Some((0.0, 3.0)));
    assert_eq!(ends(-3.0, -2.0), Some((-3.0, 0.0)));
    assert_eq!(ends(-3.0, 2.0), Some((-3.0, 2.0)));
    for (min, max) in [(1.0, 0.0), (f32::NAN, 1.0), (0.0, f32::NAN), (0.0, f32::INFINITY), (f32::NEG_INFINITY, 0.0)] {
        assert_eq!(ends(min, max), None);
    }
}

#[test]
fn integers_of_the_types() {
    let ends = TYPES.map(|quant_type| (quant_type.bits(), quant_type.min(), quant_type.max(), quant_type.middle()));
    let expected = [
        (4, 0, 15, 8),
        (4, -8, 7, 0),
        (8, 0, 255, 128),
        (8, -128, 127, 0),
        (16, 0, 65535, 32768),
        (16, -32768, 32767, 0),
    ];
    assert_eq!(ends, expected);
}

#[test]
fn the_range_of_parameters_is_what_the_integers_stand_for() {
    let params = QuantParams { scale: 0.5, zero_point: 3, quant_type: QuantType::U4 };
    assert_eq!(params.range(), Range::new(-1.5, 6.0).unwrap());
    let widest = QuantParams::symmetric(f32::MAX, QuantType::I8).range();
    assert_eq!((widest.min(), widest.max()), (f32::MIN, f32::MAX));
}

#[test]
fn methods_leave_out_what_is_not_finite() {
    for method in RangeMethod::ALL {
        for (quant_type, scheme) in TYPES.into_iter().flat_map(|quant_type| SCHEMES.map(|scheme| (quant_type, scheme)))
        {
            let params = |values: &[f32]| method.quant_params(&TensorStatistics::of(values), quant_type, scheme);
            assert_eq!(params(&[-1.0, 3.0, f32::NAN, f32::INFINITY]), params(&[-1.0, 3.0]));
            assert_eq!(params(&[f32::NAN, f32::NEG_INFINITY]), None);
            assert_eq!(params(&[]), None);
        }
    }
}

#[test]
fn min_max_covers_exactly_the_values() {
    for (kind, values) in kinds(17, 1000) {
        let statistics = TensorStatistics::of(&values);
        let (min, max) = values.iter().fold((0.0, 0.0), |(min, max): (f32, f32), &x| (min.min(x), max.max(x)));
        let range = Range::new(min, max).unwrap();
        for quant_type in TYPES {
            for scheme in SCHEMES {
                let params = |method: RangeMethod| method.quant_params(&statistics, quant_type, scheme).unwrap();
                assert_eq!(params(RangeMethod::MinMax), QuantParams::new(range, quant_type, scheme), "{kind}");
                let covering = QuantParams::power_of_two(range, quant_type, scheme);
                assert_eq!(params(RangeMethod::PowerOfTwoMinMax), covering, "{kind}");
            }
        }
    }
}

#[test]
fn an_outlier_among_normal_values_in_any_order() {
    let mut values = normal(1, 65_536);
    values.push(40.0);
    let mut descending = values.clone();
    descending.sort_by(|a, b| b.total_cmp(a));
    let outlier_first: Vec<f32> = values.iter().rev().copied().collect();
    let statistics = TensorStatistics::of(&values);
    for (quant_type, scheme) in TYPES.into_iter().flat_map(|quant_type| SCHEMES.map(|scheme| (quant_type, scheme))) {
        let max = |method: RangeMethod| {
            let params = method.quant_params(&statistics, quant_type, scheme).unwrap();
            for order in [&descending, &outlier_first] {
                let other = method.quant_params(&TensorStatistics::of(order), quant_type, scheme);
                assert_eq!(other, Some(params));
            }
            f64::from(params.range().max()) + 0.5 * f64::from(params.scale)
        };
        assert!(max(RangeMethod::MinMax) >= 40.0 && max(RangeMethod::PowerOfTwoMinMax) >= 40.0);
        assert!((3.5..4.5).contains(&max(RangeMethod::Percentile(Percentile::default()))));
        match quant_type.bits() {
            4 => {
                assert!((2.0..4.5).contains(&max(RangeMethod::Entropy)));
                assert!((2.0..4.5).contains(&max(RangeMethod::Mse)));
                assert!((2.0..5.0).contains(&max(RangeMethod::PowerOfTwoHistogram)));
            }
            // The outlier alone makes up for 2.4 % of the sum of squares: steps fine enough for the others are worth
            // clipping it by a tenth or a quarter, not more.
            8 => {
                assert!((3.0..4.6).contains(&max(RangeMethod::Entropy)));
                assert!((25.0..38.0).contains(&max(RangeMethod::Mse)));
                assert!((25.0..38.0).contains(&max(RangeMethod::PowerOfTwoHistogram)));
            }
            // Steps are fine enough for all.
            _ => assert!(RangeMethod::ALL[2..].iter().all(|&method| max(method) >= 40.0)),
        }
    }
}
