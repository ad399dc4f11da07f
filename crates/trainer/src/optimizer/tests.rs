use approx::assert_relative_eq;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

const BETAS: Betas = Betas { beta1: 0.8, beta2: 0.95, epsilon: 1e-4 };

fn rules() -> [Rule; 7] {
    [
        Rule::Sgd { momentum: 0.0, nesterov: false },
        Rule::Sgd { momentum: 0.9, nesterov: false },
        Rule::Sgd { momentum: 0.9, nesterov: true },
        Rule::RmsProp { decay: 0.7, epsilon: 1e-3 },
        Rule::Adam(BETAS),
        Rule::Nadam(BETAS),
        Rule::Adamax(BETAS),
    ]
}

/// One parameter under `rule` by the papers' algorithms, step by step in f64 and with every mean corrected by itself.
fn naive(rule: Rule, rate: f64, mut w: f64, gradients: &[f32]) -> f64 {
    let (mut m, mut v) = (0.0_f64, 0.0_f64);
    for (t, &g) in (1..).zip(gradients) {
        let g = f64::from(g);
        match rule {
            Rule::Sgd { momentum, nesterov } => {
                m = momentum * m + g;
                w -= rate * if nesterov { g + momentum * m } else { m };
            }
            Rule::RmsProp { decay, epsilon } => {
                v = decay * v + (1.0 - decay) * g * g;
                w -= rate * g / (v.sqrt() + epsilon);
            }
            Rule::Adam(Betas { beta1, beta2, epsilon }) => {
                m = beta1 * m + (1.0 - beta1) * g;
                v = beta2 * v + (1.0 - beta2) * g * g;
                let m_hat = m / (1.0 - beta1.powi(t));
                let v_hat = v / (1.0 - beta2.powi(t));
                w -= rate * m_hat / (v_hat.sqrt() + epsilon);
            }
            Rule::Nadam(Betas { beta1, beta2, epsilon }) => {
                let mu = |i: i32| beta1 * (1.0 - 0.5 * 0.96_f64.powf(f64::from(i) / 250.0));
                let product = |until: i32| (1..=until).map(mu).product::<f64>();
                m = beta1 * m + (1.0 - beta1) * g;
                v = beta2 * v + (1.0 - beta2) * g * g;
                let g_hat = g / (1.0 - product(t));
                let m_hat = m / (1.0 - product(t + 1));
                let v_hat = v / (1.0 - beta2.powi(t));
                w -= rate * ((1.0 - mu(t)) * g_hat + mu(t + 1) * m_hat) / (v_hat.sqrt() + epsilon);
            }
            Rule::Adamax(Betas { beta1, beta2, epsilon }) => {
                m = beta1 * m + (1.0 - beta1) * g;
                v = (beta2 * v).max(g.abs());
                w -= rate / (1.0 - beta1.powi(t)) * m / (v + epsilon);
            }
            Rule::Evolution(_) => unreachable!("no gradient"),
        }
    }
    w
}

fn info(size: usize) -> ParameterInfo {
    ParameterInfo { size, decays: true }
}

fn steps(optimizer: Optimizer, decays: bool, start: f32, gradients: &[f32]) -> f32 {
    let mut state = OptimizerState::new(optimizer, [ParameterInfo { size: 1, decays }]);
    let mut values = [start];
    for &gradient in gradients {
        state.step(optimizer.learning_rate, [(&mut values[..], &[gradient][..])]);
    }
    values[0]
}

/// The parameters after one plain step of size 1 from `values`, each with its gradient.
fn one_step(optimizer: Optimizer, mut values: Vec<Vec<f32>>, gradients: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let mut state = OptimizerState::new(optimizer, values.iter().map(|values| info(values.len())));
    let pairs = values.iter_mut().zip(gradients);
    state.step(1.0, pairs.map(|(values, gradient)| (&mut values[..], &gradient[..])));
    values
}

#[test]
fn every_rule_follows_the_algorithm_of_its_paper() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut gradients: Vec<f32> = (0..300).map(|_| 3.0 * rng.random::<f32>() - 1.0).collect();
    gradients[7] = 0.0;
    for rule in rules() {
        for count in [1, 2, 5, 300] {
            let gradients = &gradients[..count];
            let expected = naive(rule, 0.05, 0.3, gradients);
            let found = f64::from(steps(Optimizer::new(rule, 0.05), true, 0.3, gradients));
            assert_relative_eq!(found, expected, max_relative = 1e-4);
        }
    }
}

#[test]
fn first_adam_step_has_the_size_of_the_rate_whatever_the_gradient() {
    for gradient in [1e-3, 4.0, -250.0_f32] {
        for optimizer in [Optimizer::adam(0.01), Optimizer::adamax(0.01)] {
            let moved = steps(optimizer, true, 1.0, &[gradient]) - 1.0;
            assert_relative_eq!(moved, -0.01 * gradient.signum(), epsilon = 1e-6);
        }
    }
}

#[test]
fn a_parameter_that_never_has_a_gradient_stays() {
    for rule in rules() {
        assert_eq!(steps(Optimizer::new(rule, 0.1), true, 0.3, &[0.0; 4]), 0.3, "{rule:?}");
    }
}

#[test]
fn weight_decay_is_a_factor_on_weights_alone_under_every_rule() {
    for rule in rules() {
        let optimizer = Optimizer::new(rule, 0.1).weight_decay(0.5);
        assert_relative_eq!(steps(optimizer, true, 2.0, &[0.0, 0.0]), 2.0 * 0.95 * 0.95, max_relative = 1e-6);
        assert_eq!(steps(optimizer, false, 2.0, &[0.0, 0.0]), 2.0);
        let moved = naive(rule, 0.1, 0.0, &[0.7]);
        assert_relative_eq!(f64::from(steps(optimizer, true, 2.0, &[0.7])), 1.9 + moved, max_relative = 1e-5);
    }
}

#[test]
fn penalties_enter_as_the_derivative_of_what_they_are_said_to_be() {
    let (l1, l2) = (0.3, 0.7);
    let penalty = |w: f64| l1 * w.abs() + l2 * w * w;
    for w in [0.5_f32, -1.25, 0.0] {
        let optimizer = Optimizer::sgd(1.0, 0.0).l1(l1).l2(l2);
        let moved = f64::from(steps(optimizer, true, w, &[0.25]) - w);
        let numeric = (penalty(f64::from(w) + 1e-6) - penalty(f64::from(w) - 1e-6)) / 2e-6;
        assert_relative_eq!(moved, -(0.25 + numeric), max_relative = 1e-5);
        assert_eq!(steps(optimizer, false, w, &[0.25]), w - 0.25);
        // As part of the gradient they also enter the means.
        let adam = Optimizer { rule: Rule::Adam(BETAS), ..optimizer };
        let expected = naive(Rule::Adam(BETAS), 1.0, f64::from(w), &[0.25 + numeric as f32]);
        assert_relative_eq!(f64::from(steps(adam, true, w, &[0.25])), expected, max_relative = 1e-4);
    }
}

#[test]
fn a_gradient_is_clipped_by_value_by_norm_and_by_the_norm_of_all() {
    let gradients = [vec![3.0, -4.0], vec![0.0, 12.0, 0.0], vec![0.1]];
    let moved = |clip: Clip| {
        let zeros = gradients.iter().map(|gradient| vec![0.0; gradient.len()]).collect();
        one_step(Optimizer::sgd(1.0, 0.0).clip(clip), zeros, &gradients).concat()
    };
    let close = |found: Vec<f32>, expected: [f32; 6]| {
        found.iter().zip(expected).for_each(|(found, expected)| assert_relative_eq!(-found, expected, epsilon = 1e-6));
    };
    close(moved(Clip::Value(3.5)), [3.0, -3.5, 0.0, 3.5, 0.0, 0.1]);
    close(moved(Clip::Norm(2.5)), [1.5, -2.0, 0.0, 2.5, 0.0, 0.1]);
    let global = (9.0_f32 + 16.0 + 144.0 + 0.01).sqrt();
    close(moved(Clip::GlobalNorm(1.0)), [3.0, -4.0, 0.0, 12.0, 0.0, 0.1].map(|g| g / global));
    close(moved(Clip::GlobalNorm(13.1)), [3.0, -4.0, 0.0, 12.0, 0.0, 0.1]);
}

#[test]
fn penalties_count_for_the_norm() {
    // The gradient with the penalty is [3, 4].
    let optimizer = Optimizer::sgd(1.0, 0.0).l2(0.5).clip(Clip::Norm(1.0));
    let moved = one_step(optimizer, vec![vec![1.0, 2.0]], &[vec![2.0, 2.0]]).concat();
    assert_relative_eq!(moved[0], 1.0 - 0.6, epsilon = 1e-6);
    assert_relative_eq!(moved[1], 2.0 - 0.8, epsilon = 1e-6);
}

#[test]
fn nan_is_never_hidden() {
    for rule in rules() {
        for clip in [None, Some(Clip::Value(1.0)), Some(Clip::Norm(1.0)), Some(Clip::GlobalNorm(1.0))] {
            let optimizer = Optimizer { clip, ..Optimizer::new(rule, 0.1) };
            let values = one_step(optimizer, vec![vec![1.0]], &[vec![f32::NAN]]).concat();
            assert!(values[0].is_nan(), "{rule:?} {clip:?}");
        }
    }
}

/// Enough parameters for several runs and a tail, of which some do not decay.
fn large(optimizer: Optimizer) -> (OptimizerState, Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let sizes = [50_003, 17, 1, 16_384];
    let mut random = |size| (0..size).map(|_| rng.random::<f32>() - 0.5).collect::<Vec<f32>>();
    let (values, gradients) = sizes.map(|size| (random(size), random(size))).into_iter().unzip();
    let parameters = sizes.map(|size| ParameterInfo { size, decays: size != 17 });
    (OptimizerState::new(optimizer, parameters), values, gradients)
}

fn step_all(state: &mut OptimizerState, values: &mut [Vec<f32>], gradients: &[Vec<f32>]) {
    let pairs = values.iter_mut().zip(gradients);
    state.step(0.01, pairs.map(|(values, gradient)| (&mut values[..], &gradient[..])));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for rule in rules() {
        let optimizer = Optimizer::new(rule, 0.01).l1(1e-3).l2(1e-3).weight_decay(0.1).clip(Clip::GlobalNorm(1.0));
        let results = [1, 2, 5].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut state, mut values, gradients) = large(optimizer);
            pool.install(|| (0..3).for_each(|_| step_all(&mut state, &mut values, &gradients)));
            (state, values)
        });
        assert!(results.iter().all(|result| *result == results[0]), "{rule:?}");
    }
}

#[test]
fn elements_of_a_large_tensor_are_updated_as_if_alone() {
    for rule in rules() {
        let (mut state, mut values, gradients) = large(Optimizer::new(rule, 0.01));
        let before = values.clone();
        for _ in 0..3 {
            step_all(&mut state, &mut values, &gradients);
        }
        for (tensor, element) in [(0, 0), (0, 16_384), (0, 50_002), (1, 16), (2, 0), (3, 16_383)] {
            let alone =
                steps(Optimizer::new(rule, 0.01), true, before[tensor][element], &[gradients[tensor][element]; 3]);
            assert_eq!(values[tensor][element], alone, "{rule:?} {tensor} {element}");
        }
    }
}

#[test]
fn a_restored_state_continues_bit_for_bit() {
    for rule in rules() {
        let optimizer = Optimizer::new(rule, 0.01).clip(Clip::Norm(0.1));
        let (mut state, mut values, gradients) = large(optimizer);
        for _ in 0..3 {
            step_all(&mut state, &mut values, &gradients);
        }
        let (mut restored, _, _) = large(optimizer);
        restored.restore(&state.to_bytes()).unwrap();
        let mut resumed = values.clone();
        for _ in 0..3 {
            step_all(&mut state, &mut values, &gradients);
            step_all(&mut restored, &mut resumed, &gradients);
        }
        assert!(resumed == values && restored == state, "{rule:?}");
    }
}

#[test]
fn a_state_of_another_optimizer_or_network_is_refused() {
    let (mut adam, ..) = large(Optimizer::adam(0.01));
    let (sgd, ..) = large(Optimizer::sgd(0.01, 0.9));
    let bytes = adam.to_bytes();
    for bytes in [&[][..], &bytes[..7], &bytes[..bytes.len() - 1], &sgd.to_bytes()] {
        let message = adam.restore(bytes).unwrap_err().to_string();
        assert!(message.contains(&format!("{} bytes", bytes.len())), "{message}");
    }
}

#[test]
fn a_configuration_gives_every_setting() {
    let read = |text: &str| toml::from_str::<Optimizer>(text).unwrap();
    for (kind, expected) in [
        ("sgd", Optimizer::sgd(0.1, 0.0)),
        ("rmsprop", Optimizer::rms_prop(0.1)),
        ("adam", Optimizer::adam(0.1)),
        ("adamw", Optimizer::adam(0.1).weight_decay(0.01)),
        ("nadam", Optimizer::nadam(0.1)),
        ("adamax", Optimizer::adamax(0.1)),
    ] {
        assert_eq!(read(&format!("kind = '{kind}'\nlearning_rate = 0.1")), expected);
    }
    assert_eq!(
        read(
            "kind = 'sgd'\nlearning_rate = 1\nmomentum = 0.9\nnesterov = true\nl1 = 0.5\nl2 = 2\nclip = { value = 3 }"
        ),
        Optimizer::nesterov(1.0, 0.9).l1(0.5).l2(2.0).clip(Clip::Value(3.0))
    );
    assert_eq!(
        read("kind = 'nadam'\nlearning_rate = 1\nbeta1 = 0.8\nbeta2 = 0.95\nepsilon = 1e-4\nweight_decay = 0.5"),
        Optimizer::new(Rule::Nadam(BETAS), 1.0).weight_decay(0.5)
    );
    let evolution = Evolution { parents: Some(5), offspring: 20 };
    assert_eq!(
        read("kind = 'evolution'\nlearning_rate = 0.3\nparents = 5\noffspring = 20"),
        Optimizer::new(Rule::Evolution(evolution), 0.3)
    );
    assert_eq!(read("kind = 'evolution'\nlearning_rate = 0.3"), Optimizer::evolution(0.3));
    assert_eq!(read(&toml::to_string(&Optimizer::evolution(0.3)).unwrap()), Optimizer::evolution(0.3));
    for rule in rules() {
        let optimizer = Optimizer::new(rule, 0.1).weight_decay(0.2).l1(0.3).clip(Clip::Norm(2.0));
        assert_eq!(read(&toml::to_string(&optimizer).unwrap()), optimizer);
    }
}

#[test]
fn a_key_of_another_kind_is_refused_with_the_keys_there_are() {
    for (text, said) in [
        ("kind = 'adam'\nlearning_rate = 1\nmomentum = 0.9", "unknown field `momentum`, expected one of `beta1`"),
        ("kind = 'sgd'\nlearning_rate = 1\nbeta2 = 0.9", "unknown field `beta2`, expected one of `momentum`"),
        ("kind = 'sgd'\nlearning_rate = 1\nmomentun = 0.9", "unknown field `momentun`"),
        ("kind = 'adam'\nlearning_rate = 1\nclip = { globalnorm = 1 }", "`global_norm`"),
        ("kind = 'adam'", "missing field `learning_rate`"),
    ] {
        let message = toml::from_str::<Optimizer>(text).unwrap_err().to_string();
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn constants_outside_their_range_are_named() {
    let adam = |beta1, beta2, epsilon| Optimizer::new(Rule::Adam(Betas { beta1, beta2, epsilon }), 0.1);
    for (optimizer, name) in [
        (Optimizer::sgd(0.0, 0.0), "learning_rate"),
        (Optimizer::sgd(-1.0, 0.0), "learning_rate"),
        (Optimizer::adam(f64::NAN), "learning_rate"),
        (Optimizer::adam(f64::INFINITY), "learning_rate"),
        (Optimizer::adam(1e-60), "learning_rate"),
        (Optimizer::sgd(0.1, 1.0), "momentum"),
        (Optimizer::sgd(0.1, f64::NAN), "momentum"),
        (Optimizer::sgd(0.1, 1.0 - 1e-12), "momentum"),
        (Optimizer::nesterov(0.1, 0.0), "nesterov"),
        (Optimizer::new(Rule::RmsProp { decay: 1.0, epsilon: 1e-8 }, 0.1), "decay"),
        (Optimizer::new(Rule::RmsProp { decay: 0.9, epsilon: 0.0 }, 0.1), "epsilon"),
        (adam(1.0, 0.999, 1e-8), "beta1"),
        (adam(0.9, -0.1, 1e-8), "beta2"),
        (adam(0.9, 0.999, 0.0), "epsilon"),
        (Optimizer::adam(0.1).weight_decay(-0.1), "weight_decay"),
        (Optimizer::evolution(0.0), "learning_rate"),
        (Optimizer::new(Rule::Evolution(Evolution { parents: None, offspring: 1 }), 0.1), "offspring"),
        (Optimizer::new(Rule::Evolution(Evolution { parents: Some(0), offspring: 4 }), 0.1), "parents"),
        (Optimizer::new(Rule::Evolution(Evolution { parents: Some(4), offspring: 4 }), 0.1), "parents"),
        (Optimizer::evolution(0.1).weight_decay(0.1), "weight_decay"),
        (Optimizer::evolution(0.1).l2(0.1), "l2"),
        (Optimizer::evolution(0.1).clip(Clip::Norm(1.0)), "clip"),
        (Optimizer::adam(0.1).weight_decay(10.0), "weight_decay"),
        (Optimizer::adam(0.1).weight_decay(f64::NAN), "weight_decay"),
        (Optimizer::adam(0.1).l1(-1.0), "l1"),
        (Optimizer::adam(0.1).l2(f64::INFINITY), "l2"),
        (Optimizer::adam(0.1).clip(Clip::Value(0.0)), "clip.value"),
        (Optimizer::adam(0.1).clip(Clip::Norm(f64::NAN)), "clip.norm"),
        (Optimizer::adam(0.1).clip(Clip::GlobalNorm(-1.0)), "clip.global_norm"),
    ] {
        let message = optimizer.check().unwrap_err().to_string();
        assert!(message.contains(&format!("`optimizer.{name}`")), "{message}");
    }
    Optimizer::sgd(0.1, 0.9).check().unwrap();
    Optimizer::adam(1e-3).l1(0.1).clip(Clip::Norm(1.0)).check().unwrap();
}

proptest! {
    #[test]
    fn a_clipped_norm_is_the_bound_or_what_it_was(gradient in prop::collection::vec(-10.0_f32..10.0, 1..40), bound in 0.1..20.0) {
        let zeros = vec![vec![0.0; gradient.len()]];
        let gradients = [gradient];
        let moved = one_step(Optimizer::sgd(1.0, 0.0).clip(Clip::Norm(bound)), zeros, &gradients);
        let norm = |values: &[f32]| values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        let expected = norm(&gradients[0]).min(bound);
        prop_assert!((norm(&moved[0]) - expected).abs() <= 1e-5 * expected);
    }
}
