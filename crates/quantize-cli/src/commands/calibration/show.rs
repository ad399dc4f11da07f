//! `quantize calibration show`: the ranges in a calibration file.

use std::path::PathBuf;

use anyhow::Result;
use dlquantizer::{Calibration, Coverage, Percentile, RangeMethod};
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::{Deserialize, Serialize};

use crate::commands::calibrate::{TensorReport, csv, ranges};
use crate::console::Report;
use crate::format;

/// Shows the ranges in a calibration file, or everything it knows of one tensor.
///
/// Histograms have a column per power of two. In colour, what the range clips is red and what becomes 0 is yellow.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  quantize calibration show digits.calibration.json
  quantize calibration show digits.calibration.json x --range percentile")]
pub(crate) struct Args {
    /// Calibration file.
    #[arg(value_name = "JSON")]
    pub(super) file: PathBuf,
    /// Shows this tensor alone.
    #[arg(value_name = "TENSOR")]
    tensor: Option<String>,
    /// How ranges of activations are chosen, as in a recipe.
    #[arg(long, value_name = "METHOD", default_value = "minmax", value_parser = method)]
    pub(super) range: RangeMethod,
    /// Prints the ranges as CSV.
    #[arg(long, conflicts_with_all = ["json", "tensor"])]
    csv: bool,
}

impl Args {
    pub(super) fn tensor(&self) -> Option<&str> {
        self.tensor.as_deref()
    }
}

/// A calibration file.
#[derive(Serialize)]
pub(crate) struct ShowReport {
    file: PathBuf,
    tool_version: String,
    model_digest: String,
    samples: u64,
    shards: Option<Coverage>,
    tensors: Vec<TensorReport>,
    #[serde(skip)]
    csv: bool,
}

pub(crate) fn run(args: &Args) -> Result<ShowReport> {
    let calibration = Calibration::load(&args.file)?;
    Ok(ShowReport {
        file: args.file.clone(),
        tool_version: calibration.tool_version().to_owned(),
        model_digest: calibration.model_digest().to_owned(),
        samples: calibration.samples(),
        shards: calibration.shards().cloned(),
        tensors: calibration.tensors().iter().map(|tensor| TensorReport::of(tensor, args.range)).collect(),
        csv: args.csv,
    })
}

impl Report for ShowReport {
    fn text(&self) -> String {
        if self.csv {
            return csv(&self.tensors);
        }
        let shards = self.shards.as_ref().map(|shards| format!(", {shards}")).unwrap_or_default();
        format!(
            "{}\n{} samples{shards}, model {}, version {} of the tool\n",
            ranges(&self.tensors),
            format::count(self.samples as usize),
            self.model_digest.get(..16).unwrap_or(&self.model_digest),
            self.tool_version
        )
    }
}

/// A method by the name that recipes use; `percentile=99.9` for a percentile other than 99.99.
fn method(name: &str) -> Result<RangeMethod, String> {
    if let Some(percent) = name.strip_prefix("percentile=") {
        let percentile = percent.parse().ok().and_then(Percentile::new);
        return percentile.map(RangeMethod::Percentile).ok_or("not a percentile above 50 and at most 100".to_owned());
    }
    let name: StrDeserializer<'_, ValueError> = name.into_deserializer();
    RangeMethod::deserialize(name).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_have_the_names_of_recipes() {
        assert_eq!(method("mse"), Ok(RangeMethod::Mse));
        assert_eq!(method("percentile"), Ok(RangeMethod::Percentile(Percentile::DEFAULT)));
        assert_eq!(method("percentile=99.9"), Ok(RangeMethod::Percentile(Percentile::new(99.9).unwrap())));
        assert!(method("percentile=40").unwrap_err().contains("above 50"));
        assert!(method("maximum").unwrap_err().contains("`power-of-two-minmax`"));
    }
}
