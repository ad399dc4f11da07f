//! The time of each step of a plan.

#![cfg(feature = "std")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod common;

use std::time::{Duration, Instant};

use int8_inference::{Session, SessionOptions};
use ndarray::ArrayD;

use common::{Builder, Params};

/// A layer `[k, n]` between quantized tensors.
fn session(k: usize, n: usize, threads: usize) -> Session {
    let mut net = Builder::default();
    let x = net.qdq("x", Params::u8(0.5, 100));
    let weights = (0..k * n).map(|index| (index % 251) as i8).collect();
    let weights = net.weights(&[k, n], weights, &[0.01], 1);
    let y = net.op("MatMul", &[&x, &weights]);
    let y = net.qdq(&y, Params::u8(10.0, 128));
    let model = net.model(&[k], &[&y]);
    Session::new(&model, &SessionOptions { threads: Some(threads), ..SessionOptions::default() }).unwrap()
}

#[test]
fn there_is_a_time_for_each_step_and_all_of_them_are_the_run() {
    for threads in [1, 2] {
        let session = session(512, 512, threads);
        let x = ArrayD::zeros(vec![300, 512]);
        session.profile(&[("x", x.view())]).unwrap();
        let start = Instant::now();
        let times = session.profile(&[("x", x.view())]).unwrap();
        let whole = start.elapsed();
        let steps = session.steps();
        assert_eq!(times.len(), steps.len());
        assert!(
            times.iter().sum::<Duration>() <= whole && times.iter().all(|time| *time > Duration::ZERO),
            "{times:?}"
        );
        let dense = steps.iter().position(|step| step.int8).unwrap();
        assert_eq!((steps[dense].macs, steps.iter().filter(|step| step.macs > 0).count()), (512 * 512, 1));
        assert!(steps[dense].weight_bytes >= 512 * 512 && steps[dense].weight_bytes < 2 * 512 * 512);
        // By far the most work.
        assert!(times[dense] * 2 > times.iter().sum(), "{times:?}");
    }
}

#[test]
fn inputs_are_checked_as_for_a_run_and_no_samples_take_no_time() {
    let session = session(6, 4, 1);
    let wrong = ArrayD::zeros(vec![2, 5]);
    assert!(session.profile(&[("x", wrong.view())]).unwrap_err().to_string().contains("[batch, 6]"));
    assert!(session.profile(&[]).is_err());
    let none = ArrayD::zeros(vec![0, 6]);
    assert_eq!(session.profile(&[("x", none.view())]).unwrap(), vec![Duration::ZERO; session.steps().len()]);
}
