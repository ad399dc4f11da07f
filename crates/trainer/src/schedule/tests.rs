use approx::{assert_abs_diff_eq, assert_relative_eq};

use super::*;

/// The factors of all batches of a run of `epochs` epochs of `batches`, and the one after the last.
fn factors(schedule: &Schedule, epochs: u64, batches: u64) -> Vec<f64> {
    let rates = Rates::new(schedule.clone(), epochs * batches, batches);
    (0..=epochs * batches).map(|step| rates.factor(step)).collect()
}

#[test]
fn constant_stays() {
    assert_eq!(factors(&Schedule::Constant, 3, 2), [1.0; 7]);
}

#[test]
fn cosine_starts_at_one_passes_the_middle_at_half_and_ends_at_zero() {
    let factors = factors(&Schedule::Cosine, 10, 10);
    assert_abs_diff_eq!(factors[0], 1.0);
    assert_abs_diff_eq!(factors[50], 0.5, epsilon = 1e-12);
    assert_abs_diff_eq!(factors[100], 0.0, epsilon = 1e-12);
    for (step, &factor) in factors.iter().enumerate() {
        assert_abs_diff_eq!(factor, (1.0 + (PI * step as f64 / 100.0).cos()) / 2.0, epsilon = 1e-12);
    }
}

#[test]
fn step_falls_by_its_factor_every_so_many_epochs() {
    let factors = factors(&Schedule::Step { every: 2, factor: 0.5 }, 5, 3);
    let expected = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25];
    assert_eq!(factors, expected);
}

#[test]
fn exponential_falls_by_its_factor_over_each_epoch() {
    let factors = factors(&Schedule::Exponential { factor: 0.8 }, 3, 4);
    for (step, &factor) in factors.iter().enumerate() {
        assert_relative_eq!(factor, 0.8_f64.powf(step as f64 / 4.0), max_relative = 1e-12);
    }
}

#[test]
fn polynomial_falls_from_one_to_its_end() {
    let straight = factors(&Schedule::Polynomial { power: 1.0, end: 0.0 }, 1, 4);
    assert_eq!(straight, [1.0, 0.75, 0.5, 0.25, 0.0]);
    let curved = factors(&Schedule::Polynomial { power: 2.0, end: 0.2 }, 2, 2);
    for (found, expected) in curved.iter().zip([1.0, 0.2 + 0.8 * 0.5625, 0.4, 0.25, 0.2]) {
        assert_relative_eq!(*found, expected, max_relative = 1e-12);
    }
}

#[test]
fn warm_up_rises_straight_and_leaves_the_other_schedule_whole() {
    for then in [Schedule::Constant, Schedule::Cosine, Schedule::one_cycle(), Schedule::Step { every: 1, factor: 0.5 }]
    {
        let whole = factors(&Schedule::warm_up(1.5, then.clone()), 6, 4);
        let after = Rates::new(then, 18, 4);
        for step in 0..6 {
            assert_relative_eq!(whole[step], (step + 1) as f64 / 7.0, max_relative = 1e-12);
        }
        assert_eq!(whole[6..], (0..=18).map(|step| after.factor(step)).collect::<Vec<_>>());
    }
}

#[test]
fn a_warm_up_longer_than_the_run_only_rises() {
    let factors = factors(&Schedule::warm_up(1e10, Schedule::Cosine), 2, 2);
    assert!(factors.windows(2).all(|pair| pair[0] < pair[1] && pair[1] < 1e-9));
}

#[test]
fn one_cycle_rises_to_its_peak_and_falls_below_its_start() {
    let factors = factors(&Schedule::OneCycle { peak: 0.25, start: 0.1, end: 0.01 }, 4, 10);
    assert_relative_eq!(factors[0], 0.1, max_relative = 1e-12);
    assert_relative_eq!(factors[5], 0.55, max_relative = 1e-12);
    assert_relative_eq!(factors[10], 1.0, max_relative = 1e-12);
    assert_relative_eq!(factors[25], 0.505, max_relative = 1e-12);
    assert_relative_eq!(factors[40], 0.01, max_relative = 1e-12);
    assert!(factors[..=10].windows(2).all(|pair| pair[0] < pair[1]));
    assert!(factors[10..].windows(2).all(|pair| pair[0] > pair[1]));
}

/// The factor in each epoch, which then has the given loss.
fn with_losses(rates: &mut Rates, losses: &[f64]) -> Vec<f64> {
    let told = losses.iter().map(|&loss| {
        let factor = rates.factor(0);
        rates.epoch_done(loss);
        factor
    });
    told.collect()
}

fn plateau(threshold: f64, minimum: f64) -> Rates {
    Rates::new(Schedule::ReduceOnPlateau { factor: 0.5, patience: 2, threshold, minimum }, 100, 1)
}

#[test]
fn a_plateau_longer_than_the_patience_reduces_the_rate() {
    let losses = [5.0, 4.0, 4.0, 4.5, 4.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0];
    let expected = [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125];
    assert_eq!(with_losses(&mut plateau(0.0, 0.0), &losses), expected);
}

#[test]
fn a_fall_within_the_threshold_is_none_whatever_the_sign() {
    for best in [1.0, -1.0] {
        let losses = [best, best - 0.005, best - 0.009, best - 0.0099, 0.0];
        assert_eq!(with_losses(&mut plateau(0.01, 0.0), &losses)[4], 0.5);
    }
    assert_eq!(with_losses(&mut plateau(0.01, 0.0), &[1.0, 0.98, 0.96, 0.94, 0.92])[4], 1.0);
}

#[test]
fn the_rate_does_not_fall_below_the_minimum() {
    assert_eq!(*with_losses(&mut plateau(0.0, 0.2), &[1.0; 40]).last().unwrap(), 0.2);
}

#[test]
fn a_loss_that_is_no_number_is_no_best() {
    let factors = with_losses(&mut plateau(0.0, 0.0), &[f64::NAN, f64::INFINITY, 1.0, 2.0, f64::NAN, 2.0, 2.0]);
    assert_eq!(factors, [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5]);
}

#[test]
fn a_plateau_behind_a_warm_up_counts() {
    let schedule = Schedule::warm_up(1.0, Schedule::reduce_on_plateau());
    let mut rates = Rates::new(schedule, 100, 4);
    (0..12).for_each(|_| rates.epoch_done(1.0));
    assert_relative_eq!(rates.factor(1), 0.1 * 0.4, max_relative = 1e-12);
    assert_relative_eq!(rates.factor(50), 0.1, max_relative = 1e-12);
}

#[test]
fn a_restored_state_continues_bit_for_bit() {
    let losses = [5.0, 4.0, 4.0, 4.5];
    let mut rates = plateau(0.0, 0.0);
    with_losses(&mut rates, &losses);
    let mut restored = plateau(0.0, 0.0);
    restored.restore(&rates.to_bytes());
    assert_eq!(restored, rates);
    assert_eq!(with_losses(&mut restored, &[4.0, 4.0]), [1.0, 0.5]);
}

#[test]
fn configurations_give_words_and_tables() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        schedule: Schedule,
    }
    let read = |text: &str| toml::from_str::<Holder>(&format!("schedule = {text}")).map(|holder| holder.schedule);
    for (text, schedule) in [
        ("'constant'", Schedule::Constant),
        ("'cosine'", Schedule::Cosine),
        ("{ kind = 'cosine' }", Schedule::Cosine),
        ("{ kind = 'step', every = 10 }", Schedule::Step { every: 10, factor: 0.1 }),
        ("{ kind = 'exponential', factor = 0.9 }", Schedule::Exponential { factor: 0.9 }),
        ("'polynomial'", Schedule::Polynomial { power: 1.0, end: 0.0 }),
        ("'reduce-on-plateau'", Schedule::reduce_on_plateau()),
        ("'one-cycle'", Schedule::one_cycle()),
        ("{ kind = 'warm-up', epochs = 2 }", Schedule::warm_up(2.0, Schedule::Constant)),
        ("{ kind = 'warm-up', epochs = 0.5, then = 'cosine' }", Schedule::warm_up(0.5, Schedule::Cosine)),
        (
            "{ kind = 'warm-up', epochs = 1, then = { kind = 'step', every = 3, factor = 0.5 } }",
            Schedule::warm_up(1.0, Schedule::Step { every: 3, factor: 0.5 }),
        ),
    ] {
        let holder = Holder { schedule };
        assert_eq!(read(text).unwrap(), holder.schedule);
        assert_eq!(toml::from_str::<Holder>(&toml::to_string(&holder).unwrap()).unwrap(), holder);
    }
    for (text, said) in [
        ("'step'", "missing field `every`"),
        ("{ kind = 'cosine', end = 0 }", "unknown field `end`"),
        ("{ kind = 'warm-up', epochs = 1, then = 'cosinus' }", "unknown variant `cosinus`"),
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn unusable_settings_are_named() {
    for (schedule, named) in [
        (Schedule::Step { every: 0, factor: 0.1 }, "`schedule.every` to 0"),
        (Schedule::Step { every: 1, factor: 0.0 }, "`schedule.factor` to 0"),
        (Schedule::Exponential { factor: 1.5 }, "`schedule.factor` to 1.5"),
        (Schedule::Polynomial { power: f64::NAN, end: 0.0 }, "`schedule.power` to NaN"),
        (Schedule::Polynomial { power: 1.0, end: 2.0 }, "`schedule.end` to 2"),
        (Schedule::warm_up(0.0, Schedule::Constant), "`schedule.epochs` to 0"),
        (Schedule::warm_up(1.0, Schedule::Exponential { factor: -1.0 }), "`schedule.then.factor` to -1"),
        (Schedule::OneCycle { peak: 1.0, start: 0.1, end: 0.0 }, "`schedule.peak` to 1"),
        (
            Schedule::ReduceOnPlateau { factor: 1.0, patience: 1, threshold: 0.0, minimum: 0.0 },
            "`schedule.factor` to 1",
        ),
        (
            Schedule::ReduceOnPlateau { factor: 0.5, patience: 1, threshold: f64::INFINITY, minimum: 0.0 },
            "`schedule.threshold` to inf",
        ),
    ] {
        let message = schedule.check().unwrap_err().to_string();
        assert!(message.contains(named), "{message}");
    }
    Schedule::warm_up(1.0, Schedule::one_cycle()).check().unwrap();
}
