use super::*;
use proptest::prelude::*;

const TYPES: [QuantType; 2] = [QuantType::U8, QuantType::I8];

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

fn quant_type() -> impl Strategy<Value = QuantType> {
    prop::sample::select(&TYPES[..])
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
    fn every_range_gives_a_finite_positive_scale_and_an_exact_zero(range in range(), quant_type in quant_type()) {
        for params in [
            QuantParams::asymmetric(range, quant_type),
            QuantParams::power_of_two(range, quant_type),
            QuantParams::symmetric(range.abs_max(), quant_type),
        ] {
            prop_assert!(is_usable(params), "{params:?} for {range:?}");
            prop_assert_eq!(params.quantize(0.0), params.zero_point);
            prop_assert_eq!(params.fake_quantize(0.0), 0.0);
            prop_assert!((params.scale * params.scale).is_normal() || params.scale > 1.0);
        }
    }

    #[test]
    fn what_is_in_the_range_moves_by_half_a_step_at_most(range in range(), at in 0.0..=1.0_f64, quant_type in quant_type()) {
        let (min, max) = (f64::from(range.min()), f64::from(range.max()));
        let x = ((1.0 - at) * min + at * max) as f32;
        let (x, far) = (x.clamp(range.min(), range.max()), range.abs_max() > 127_f32.exp2());
        for params in [
            QuantParams::asymmetric(range, quant_type),
            QuantParams::power_of_two(range, quant_type),
            QuantParams::symmetric(range.abs_max(), quant_type),
        ] {
            let step = f64::from(params.scale);
            // x / scale, the scale itself and the product are each rounded to 24 bits, on up to 255 steps.
            let bound = step * (0.5 + 3.0 * 255.0 * (-24_f64).exp2());
            let moved = (f64::from(params.fake_quantize(x)) - f64::from(x)).abs();
            prop_assert!(moved <= bound || far, "{x} moved by {moved}, {params:?}");
        }
    }

    #[test]
    fn quantize_finds_the_nearest_of_all_integers(range in range(), x in finite(), quant_type in quant_type()) {
        let params = QuantParams::asymmetric(range, quant_type);
        let q = params.quantize(x);
        prop_assert!((quant_type.min()..=quant_type.max()).contains(&q));
        let ours = f64::from(q - params.zero_point) * f64::from(params.scale);
        let (ours, best) = ((ours - f64::from(x)).abs(), (nearest(params, x) - f64::from(x)).abs());
        // A tie may be decided by the rounding of x / scale.
        prop_assert!(ours <= best + f64::from(params.scale) * 255.0 * (-24_f64).exp2(), "{x}: {ours} against {best}");
    }

    /// Against all exponents and all zero points of the type.
    #[test]
    fn power_of_two_is_the_smallest_that_covers(range in range(), quant_type in quant_type()) {
        let params = QuantParams::power_of_two(range, quant_type);
        let covers = |scale: f64, zero_point: i32| {
            f64::from(quant_type.min() - zero_point) * scale <= f64::from(range.min())
                && f64::from(range.max()) <= f64::from(quant_type.max() - zero_point) * scale
        };
        let smallest = (-60..128)
            .map(|k| f64::from(k).exp2())
            .find(|&scale| (quant_type.min()..=quant_type.max()).any(|zero_point| covers(scale, zero_point)));
        prop_assert!(covers(f64::from(params.scale), params.zero_point));
        if range.abs_max() > 0.0 {
            prop_assert_eq!(Some(f64::from(params.scale)), smallest);
        }
    }

    #[test]
    fn asymmetric_uses_the_width_of_the_type(range in range(), quant_type in quant_type()) {
        let width = f64::from(range.max()) - f64::from(range.min());
        let params = QuantParams::asymmetric(range, quant_type);
        prop_assume!(width / 255.0 > f64::from(MIN_SCALE));
        prop_assert!((f64::from(params.scale) * 255.0 / width - 1.0).abs() < 1e-6);
        prop_assert!((params.quantize(range.min()) - quant_type.min()).abs() <= 1);
        prop_assert!((params.quantize(range.max()) - quant_type.max()).abs() <= 1);
    }

    #[test]
    fn symmetric_keeps_to_plus_minus_127(abs_max in finite(), at in -1.0..=1.0_f32) {
        let params = QuantParams::symmetric(abs_max, QuantType::I8);
        prop_assert!((-127..=127).contains(&params.quantize(abs_max * at)));
        prop_assert_eq!(params.quantize(abs_max), -params.quantize(-abs_max));
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
    assert_eq!(expect(QuantParams::power_of_two(range, QuantType::U8)), (1.0, 0));
    assert_eq!(expect(QuantParams::symmetric(254.0, QuantType::I8)), (2.0, 0));
    assert_eq!(expect(QuantParams::symmetric(-254.0, QuantType::U8)), (2.0, 128));
    // 127.5 below and above zero do not fit 255 steps of 1 around an integer zero point.
    let range = Range::new(-127.5, 127.5).unwrap();
    assert_eq!(expect(QuantParams::asymmetric(range, QuantType::U8)), (1.0, 128));
    assert_eq!(expect(QuantParams::power_of_two(range, QuantType::U8)), (2.0, 64));
    // Round half to even: 0 - (-0.5 / 1) is 0, not 1.
    let range = Range::new(-0.5, 254.5).unwrap();
    assert_eq!(expect(QuantParams::asymmetric(range, QuantType::U8)), (1.0, 0));
}

#[test]
fn dead_channels_constants_and_extremes_stay_usable() {
    let zero = Range::new(0.0, 0.0).unwrap();
    for quant_type in TYPES {
        assert_eq!(QuantParams::asymmetric(zero, quant_type).scale, 1.0);
        assert_eq!(QuantParams::power_of_two(zero, quant_type).scale, 1.0);
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
            assert!(is_usable(QuantParams::asymmetric(range, quant_type)), "{range:?}");
            assert!(is_usable(QuantParams::power_of_two(range, quant_type)), "{range:?}");
            assert!(is_usable(QuantParams::symmetric(range.abs_max(), quant_type)), "{range:?}");
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
fn methods_read_the_statistics_and_leave_out_what_is_not_finite() {
    let statistics = TensorStatistics::of(&[-1.0, 3.0, f32::NAN, f32::INFINITY]);
    let range = Range::new(-1.0, 3.0).unwrap();
    for quant_type in TYPES {
        assert_eq!(
            RangeMethod::MinMax.quant_params(&statistics, quant_type),
            Some(QuantParams::asymmetric(range, quant_type))
        );
        assert_eq!(
            RangeMethod::PowerOfTwo.quant_params(&statistics, quant_type),
            Some(QuantParams::power_of_two(range, quant_type))
        );
        assert_eq!(RangeMethod::MinMax.quant_params(&TensorStatistics::of(&[f32::NAN]), quant_type), None);
    }
}
