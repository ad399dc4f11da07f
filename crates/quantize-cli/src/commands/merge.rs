//! `quantize merge`: calibrations over parts of the samples become one over all.

use std::path::PathBuf;

use anyhow::{Context, Result};
use dlquantizer::Calibration;
use serde::Serialize;

use crate::console::Report;
use crate::files::check_output;
use crate::format;

/// Puts calibrations of one model over different samples together.
///
/// All shards of a data set give the very bytes of a calibration over the whole, in any order. The same shard twice, another model or
/// another format version is an error.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize merge part1.calibration.json part2.calibration.json -o digits.calibration.json")]
pub(crate) struct Args {
    /// Calibrations to merge.
    #[arg(value_name = "JSON", required = true)]
    parts: Vec<PathBuf>,
    /// Calibration file to write.
    #[arg(short, long, value_name = "JSON")]
    output: PathBuf,
}

/// What came together.
#[derive(Serialize)]
pub(crate) struct MergeReport {
    file: PathBuf,
    parts: usize,
    samples: u64,
    tensors: usize,
    /// What is still missing.
    shards: Option<dlquantizer::Coverage>,
}

pub(crate) fn run(args: &Args) -> Result<MergeReport> {
    check_output(&args.output, args.parts.iter().map(PathBuf::as_path))?;
    let (first, rest) = args.parts.split_first().context("there is nothing to merge; give calibration files")?;
    let mut all = Calibration::load(first)?;
    for part in rest {
        let next = Calibration::load(part)?;
        all = all.merge(&next).with_context(|| format!("{} does not go with {}", part.display(), first.display()))?;
    }
    all.save(&args.output)?;
    Ok(MergeReport {
        file: args.output.clone(),
        parts: args.parts.len(),
        samples: all.samples(),
        tensors: all.tensors().len(),
        shards: all.shards().cloned(),
    })
}

impl Report for MergeReport {
    fn text(&self) -> String {
        let covered = match &self.shards {
            Some(shards) => format!(", {shards}; merge the others too before quantizing"),
            None => String::new(),
        };
        format!(
            "merged {} calibrations: {} samples, {} tensors{covered}\nwrote {}\n",
            self.parts,
            format::count(self.samples as usize),
            self.tensors,
            self.file.display()
        )
    }
}
