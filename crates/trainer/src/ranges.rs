//! The ranges that settings of several parts share.

use crate::error::{Error, Result};

/// A finite number above 0 that stays one as f32: below the smallest normal f32 it would be flushed or zero.
pub(crate) fn positive(setting: &str, value: f64) -> Result<()> {
    if value >= f64::from(f32::MIN_POSITIVE) && value <= f64::from(f32::MAX) {
        Ok(())
    } else {
        Err(Error::setting(setting, value, "a finite number above 0"))
    }
}

/// A finite number of at least 0 that stays finite as f32.
pub(crate) fn not_negative(setting: &str, value: f64) -> Result<()> {
    if (0.0..=f64::from(f32::MAX)).contains(&value) {
        Ok(())
    } else {
        Err(Error::setting(setting, value, "a finite number of at least 0"))
    }
}

/// A number that stays finite as f32.
pub(crate) fn finite(setting: &str, value: f64) -> Result<()> {
    if value.abs() <= f64::from(f32::MAX) { Ok(()) } else { Err(Error::setting(setting, value, "a finite number")) }
}

/// A share of what is kept from step to step, which must stay below 1 as f32: at 1 a mean would never forget.
pub(crate) fn share(setting: &str, value: f64) -> Result<()> {
    if (0.0..1.0).contains(&(value as f32)) {
        Ok(())
    } else {
        Err(Error::setting(setting, value, "a number from 0 up to, but not including, 1"))
    }
}
