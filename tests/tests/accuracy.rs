//! What int8 may cost: accuracy on samples held out, agreement with the float network, and the size of the file.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use dlquantizer::{Metric, Validation};
use int8_inference::{Session, SessionOptions};
use workspace_tests::Case;

fn compare(case: &Case) -> Validation {
    let session = Session::new(case.int8.model(), &SessionOptions::default()).unwrap();
    Validation::compare(&case.float, &session, &case.test, Metric::Top1).unwrap()
}

/// A drop of `points`, in whole samples so that no rounding decides.
fn assert_drop_at_most(validation: &Validation, points: f64) {
    let lost = (validation.drop * validation.samples as f64 / 100.0).round();
    assert!(lost <= points * validation.samples as f64 / 100.0, "{validation:?}");
}

#[test]
fn digits() {
    let validation = compare(&Case::digits().unwrap());
    assert_eq!(validation.samples, 597);
    assert!(validation.float >= 97.0, "{validation:?}");
    assert_drop_at_most(&validation, 0.2);
}

#[test]
fn fashion_mnist() {
    let case = Case::fashion_mnist().unwrap();
    let validation = compare(&case);
    assert_eq!(validation.samples, 2000);
    assert!(validation.float >= 88.0, "{validation:?}");
    assert_drop_at_most(&validation, 0.3);
    assert!(validation.agreement.unwrap() >= 99.0, "{validation:?}");
    for tensor in &validation.tensors {
        assert!(tensor.sqnr_db.is_none_or(|sqnr| sqnr >= 35.0), "{tensor:?}");
    }

    let [int8, float] = [case.int8.model(), case.float.network()].map(|model| model.to_bytes().len());
    assert!(int8 as f64 <= 0.30 * float as f64, "{int8} of {float} bytes");
}
