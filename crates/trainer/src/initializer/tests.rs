use approx::{assert_abs_diff_eq, assert_relative_eq};
use rand::SeedableRng;

use super::*;

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn fill(initializer: &Initializer, shape: &[usize]) -> Vec<f32> {
    initializer.fill(shape, 200, 300, &mut rng(1))
}

fn moments(values: &[f32]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let variance = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
    (mean, variance)
}

#[test]
fn variances_and_limits_are_those_of_the_papers() {
    use Initializer::*;
    for (initializer, variance, bounded) in [
        (GlorotUniform, 2.0 / 500.0, true),
        (GlorotNormal, 2.0 / 500.0, false),
        (HeUniform, 2.0 / 200.0, true),
        (HeNormal, 2.0 / 200.0, false),
        (LecunUniform, 1.0 / 200.0, true),
        (LecunNormal, 1.0 / 200.0, false),
        (Uniform { low: -3.0, high: 3.0 }, 3.0, true),
        (Normal { mean: 0.0, deviation: 0.02 }, 4e-4, false),
    ] {
        let values = fill(&initializer, &[200, 300]);
        let (mean, found) = moments(&values);
        // 60,000 draws: the standard error of the variance is below 0.6 %.
        assert_relative_eq!(found, variance, max_relative = 0.025);
        assert!(mean.abs() < 0.02 * variance.sqrt(), "{initializer:?}");
        let beyond = values.iter().filter(|value| f64::from(value.abs()) > (3.0 * variance).sqrt() * 1.000001).count();
        // A normal has 8.3 % of its values beyond the limit of a uniform distribution of its variance.
        if bounded {
            assert_eq!(beyond, 0, "{initializer:?}");
        } else {
            assert_abs_diff_eq!(beyond as f64 / 60_000.0, 0.0833, epsilon = 0.005);
        }
    }
}

#[test]
fn means_are_where_they_were_asked_for() {
    let (mean, variance) = moments(&fill(&Initializer::Normal { mean: 5.0, deviation: 2.0 }, &[100_000]));
    assert_abs_diff_eq!(mean, 5.0, epsilon = 0.03);
    assert_relative_eq!(variance, 4.0, max_relative = 0.02);
    let values = fill(&Initializer::Uniform { low: 1.0, high: 2.0 }, &[100_000]);
    assert_abs_diff_eq!(moments(&values).0, 1.5, epsilon = 0.005);
    assert!(values.iter().all(|value| (1.0..=2.0).contains(value)));
}

#[test]
fn normals_have_the_skewness_and_the_tails_of_a_normal_and_are_uncorrelated() {
    let values = fill(&Initializer::Normal { mean: 0.0, deviation: 1.0 }, &[200_000]);
    let moment = |power| values.iter().map(|&v| f64::from(v).powi(power)).sum::<f64>() / values.len() as f64;
    assert_abs_diff_eq!(moment(3), 0.0, epsilon = 0.03);
    assert_abs_diff_eq!(moment(4), 3.0, epsilon = 0.06);
    let neighbours = values.windows(2).map(|pair| f64::from(pair[0] * pair[1])).sum::<f64>() / values.len() as f64;
    assert_abs_diff_eq!(neighbours, 0.0, epsilon = 0.01);
}

#[test]
fn constants_are_constant() {
    assert_eq!(fill(&Initializer::Zeros, &[2, 3]), [0.0; 6]);
    assert_eq!(fill(&Initializer::Constant { value: 0.1 }, &[2, 3]), [0.1; 6]);
}

#[test]
fn orthogonal_rows_or_columns_whichever_are_fewer() {
    for (shape, gain) in
        [(vec![20, 50], 1.0), (vec![50, 20], 1.5), (vec![33, 33], 2.0), (vec![8, 3, 3, 3], 1.0), (vec![5], 1.0)]
    {
        let values = fill(&Initializer::Orthogonal { gain }, &shape);
        let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
        let element = |row: usize, column: usize| f64::from(values[row * columns + column]);
        let vectors = rows.min(columns);
        for (i, j) in (0..vectors).flat_map(|i| (0..vectors).map(move |j| (i, j))) {
            let product: f64 = match rows <= columns {
                true => (0..columns).map(|k| element(i, k) * element(j, k)).sum(),
                false => (0..rows).map(|k| element(k, i) * element(k, j)).sum(),
            };
            let expected = if i == j { gain * gain } else { 0.0 };
            assert_abs_diff_eq!(product, expected, epsilon = 1e-5);
        }
    }
}

#[test]
fn orthogonal_matrices_come_from_every_direction() {
    // A QR without the correction of its signs would favour one sign of the diagonal.
    let mut rng = rng(3);
    let draws: Vec<f32> =
        (0..2000).map(|_| Initializer::Orthogonal { gain: 1.0 }.fill(&[3, 3], 3, 3, &mut rng)[4]).collect();
    let (mean, variance) = moments(&draws);
    assert_abs_diff_eq!(mean, 0.0, epsilon = 0.05);
    assert_relative_eq!(variance, 1.0 / 3.0, max_relative = 0.1);
}

#[test]
fn a_function_gets_the_shape_and_zeros() {
    let initializer = Initializer::function(|shape, values| {
        assert!(values.iter().all(|&value| value == 0.0));
        values[shape[1]] = shape[0] as f32;
    });
    assert_eq!(fill(&initializer, &[2, 3]), [0.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
    assert_eq!(initializer, initializer.clone());
}

#[test]
fn the_seed_decides_the_values_on_every_thread_count() {
    for initializer in [Initializer::HeUniform, Initializer::HeNormal, Initializer::Orthogonal { gain: 1.0 }] {
        let draw = |seed| initializer.fill(&[40, 31], 40, 31, &mut rng(seed));
        assert_eq!(draw(4), draw(4));
        assert_ne!(draw(4), draw(5));
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(|| draw(4)), draw(4));
    }
}

#[test]
fn empty_parameters_are_empty() {
    for shape in [&[0][..], &[0, 4], &[4, 0]] {
        assert!(fill(&Initializer::Orthogonal { gain: 1.0 }, shape).is_empty());
        assert!(Initializer::HeNormal.fill(shape, 0, 0, &mut rng(0)).is_empty());
    }
}

#[test]
fn configurations_give_words_and_tables() {
    #[derive(Deserialize)]
    struct Holder {
        init: Initializer,
    }
    let read = |text: &str| toml::from_str::<Holder>(&format!("init = {text}")).map(|holder| holder.init);
    assert_eq!(read("'he-normal'").unwrap(), Initializer::HeNormal);
    assert_eq!(read("'orthogonal'").unwrap(), Initializer::Orthogonal { gain: 1.0 });
    let normal = Initializer::Normal { mean: 0.0, deviation: 0.02 };
    assert_eq!(read("{ kind = 'normal', deviation = 0.02 }").unwrap(), normal);
    assert!(read("'function'").is_err());
    assert!(read("'uniform'").unwrap_err().to_string().contains("missing field `low`"));
}

#[test]
fn unusable_settings_are_named() {
    for (initializer, named) in [
        (Initializer::Constant { value: f64::NAN }, "fc.init.value` to NaN"),
        (Initializer::Uniform { low: 1.0, high: 1.0 }, "fc.init.high` to 1"),
        (Initializer::Uniform { low: f64::NEG_INFINITY, high: 1.0 }, "fc.init.low` to -inf"),
        (Initializer::Normal { mean: 0.0, deviation: -1.0 }, "fc.init.deviation` to -1"),
        (Initializer::Normal { mean: 1e39, deviation: 1.0 }, "fc.init.mean`"),
        (Initializer::Orthogonal { gain: 0.0 }, "fc.init.gain` to 0"),
    ] {
        let message = initializer.check("fc.init").unwrap_err().to_string();
        assert!(message.contains(named), "{message}");
    }
    Initializer::HeNormal.check("fc.init").unwrap();
}
