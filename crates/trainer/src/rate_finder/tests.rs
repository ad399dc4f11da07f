use super::*;

/// Gradient descent on `curvature / 2 * w^2` from 1 with gradients that differ from batch to batch, as do the losses by `noise`. It
/// diverges exactly where `rate * curvature > 2`.
fn quadratic(curvature: f64, noise: f64, batches: usize) -> RateCurve {
    let (mut w, mut batch) = (1.0_f64, 0);
    let curve = RateCurve::find(batches, |rate| {
        let difference = f64::from((batch * 37 % 11) - 5) / 5.0;
        let loss = 0.5 * curvature * w * w + noise * difference;
        batch += 1;
        w -= rate * curvature * (w + 0.2 * difference);
        Ok(loss)
    });
    curve.unwrap()
}

#[test]
fn rates_grow_by_a_constant_factor_from_the_lowest_to_the_highest() {
    let curve = RateCurve::find(71, |_| Ok(1.0)).unwrap();
    assert_eq!(curve.points.len(), 71);
    assert!((curve.points[0].rate / 1e-6 - 1.0).abs() < 1e-12 && (curve.points[70].rate / 10.0 - 1.0).abs() < 1e-12);
    for pair in curve.points.windows(2) {
        assert!((pair[1].rate / pair[0].rate - 10_f64.powf(0.1)).abs() < 1e-12);
    }
    assert_eq!((curve.diverged, curve.proposal()), (None, None));
}

#[test]
fn the_proposal_is_half_of_where_the_loss_diverges() {
    for noise in [0.0, 0.05] {
        for curvature in [1.0, 5.0, 100.0] {
            let curve = quadratic(curvature, noise * curvature, 200);
            let (diverged, limit) = (curve.diverged.unwrap(), 2.0 / curvature);
            // From what was learnt the loss takes some batches to come back to where it started, at 8 % more each.
            assert!((limit..6.0 * limit).contains(&diverged), "{curvature} {noise}: {diverged}");
            assert_eq!(curve.proposal(), Some(diverged / 2.0));
            assert!(curve.points.len() < 200);
        }
    }
}

#[test]
fn noise_alone_is_no_divergence() {
    for seed in 0..20_u32 {
        let mut state = seed;
        let curve = RateCurve::find(300, |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Ok(2.3 + f64::from(state >> 16) / 65_536.0 * 0.3)
        });
        assert_eq!(curve.unwrap().diverged, None, "seed {seed}");
    }
}

#[test]
fn losses_may_be_negative() {
    // A likelihood that falls from -1 to -3 and then explodes.
    let curve = RateCurve::find(100, |rate| Ok(if rate < 1e-2 { -1.0 - 2.0 * (rate / 1e-2) } else { 50.0 })).unwrap();
    let diverged = curve.diverged.unwrap();
    assert!((1e-2..1.3e-2).contains(&diverged), "{diverged}");
}

#[test]
fn what_is_no_number_has_diverged() {
    for loss in [f64::NAN, f64::INFINITY] {
        for limit in [1e-6, 1e-5, 0.3] {
            let curve = RateCurve::find(100, |rate| Ok(if rate < limit { 1.0 } else { loss })).unwrap();
            let diverged = curve.diverged.unwrap();
            assert!(diverged >= limit && diverged < 1.2 * limit, "{diverged}");
            assert!(curve.to_svg().ends_with("</svg>\n") && !curve.to_svg().contains("NaN"));
        }
    }
}

#[test]
fn too_few_batches_and_a_failing_step_are_errors() {
    assert!(RateCurve::find(19, |_| Ok(1.0)).unwrap_err().to_string().contains("at least 20"));
    assert!(matches!(RateCurve::find(20, |_| Err(Error::NoLayers)), Err(Error::NoLayers)));
}

#[test]
fn the_curve_is_written_as_columns_and_as_a_picture() {
    let curve = quadratic(5.0, 0.1, 100);
    let csv = curve.to_csv();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("rate,loss,smoothed"));
    for (line, point) in lines.by_ref().zip(&curve.points) {
        let values: Vec<f64> = line.split(',').map(|value| value.parse().unwrap()).collect();
        assert_eq!(values, [point.rate, point.loss, point.smoothed]);
    }
    assert_eq!(csv.lines().count(), curve.points.len() + 1);

    let svg = curve.to_svg();
    assert!(svg.starts_with("<svg") && svg.contains("1e-6") && svg.contains("diverges") && svg.contains("proposal"));
    // Every place is inside the frame.
    for points in svg.split("points=\"").skip(1) {
        let points: Vec<&str> = points.split('"').next().unwrap().split_whitespace().collect();
        assert_eq!(points.len(), curve.points.len());
        for point in points {
            let (x, y) = point.split_once(',').unwrap();
            assert!((64.0..=704.0).contains(&x.parse::<f64>().unwrap()), "{point}");
            assert!((32.0..=372.0).contains(&y.parse::<f64>().unwrap()), "{point}");
        }
    }
}
