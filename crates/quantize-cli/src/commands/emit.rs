//! `quantize emit`: the int8 model.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::builder::PossibleValuesParser;
use dlquantizer::{Calibration, EmittedLayer, FloatModel, Precision, QuantParams, Recipe};
use serde::Serialize;

use crate::console::{Report, warn};
use crate::files::{check_output, open_float};
use crate::format::{self, Column};

/// Quantizes a float model and writes it as ONNX that every runtime reads: int8 by the ranges of a calibration, in QDQ form.
///
/// With --precision dynamic, int8-weights or int4-weights no calibration is needed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  quantize emit digits.onnx --calibration digits.calibration.json -o digits.int8.onnx
  quantize emit digits.onnx --precision int4-weights -o digits.int4.onnx")]
pub(crate) struct Args {
    /// Float model.
    #[arg(value_name = "ONNX")]
    model: PathBuf,
    /// Calibration of this model; layers of precision int8 need it.
    #[arg(long, value_name = "JSON")]
    calibration: Option<PathBuf>,
    /// Arithmetic of the layers that the recipe does not name: int8 by calibrated ranges, dynamic (int8 by the range in each run),
    /// integer weights on float activations, or float [default: the recipe's, else int8].
    #[arg(long, value_name = "PRECISION", value_parser = PossibleValuesParser::new(Precision::ALL.map(Precision::name)))]
    precision: Option<String>,
    /// Choices for the model and single layers [default: int8 everywhere, per channel, ranges from smallest to largest value].
    #[arg(long, value_name = "TOML")]
    recipe: Option<PathBuf>,
    /// ONNX file to write.
    #[arg(short, long, value_name = "ONNX")]
    output: PathBuf,
}

/// What became of each layer, and the sizes of both models as single files.
#[derive(Serialize)]
pub(crate) struct EmitReport {
    file: PathBuf,
    layers: Vec<EmittedLayer>,
    pub(crate) bytes_float: usize,
    pub(crate) bytes_int8: usize,
}

pub(crate) fn run(args: &Args) -> Result<EmitReport> {
    let model = open_float(&args.model)?;
    let calibration = args.calibration.as_ref().map(Calibration::load).transpose()?;
    let mut recipe = args.recipe.as_ref().map(Recipe::load).transpose()?.unwrap_or_default();
    if let Some(name) = &args.precision {
        let chosen = Precision::ALL.into_iter().find(|precision| precision.name() == name);
        recipe.precision = chosen.unwrap_or(recipe.precision);
    }
    let others = || args.calibration.iter().chain(&args.recipe).map(PathBuf::as_path);
    check_output(&args.output, std::iter::once(args.model.as_path()).chain(others()))?;
    emit(&model, calibration.as_ref(), &recipe, &args.output).with_context(|| {
        let others: Vec<String> = others().map(|path| path.display().to_string()).collect();
        let by = if others.is_empty() { String::new() } else { format!(" by {}", others.join(" and ")) };
        format!("cannot quantize {}{by}", args.model.display())
    })
}

/// Quantizes the model and writes it to `output`.
pub(crate) fn emit(
    model: &FloatModel,
    calibration: Option<&Calibration>,
    recipe: &Recipe,
    output: &Path,
) -> Result<EmitReport> {
    if let Some(shards) = calibration.and_then(Calibration::shards) {
        warn(&format!("the calibration has seen {shards} only; `quantize merge` puts all of them together"));
    }
    let int8 = match calibration {
        Some(calibration) => recipe.emit(model, calibration)?,
        None => recipe.emit_uncalibrated(model)?,
    };
    int8.save(output)?;
    Ok(EmitReport {
        file: output.to_owned(),
        layers: int8.layers().to_vec(),
        bytes_float: model.network().to_bytes().len(),
        bytes_int8: int8.model().to_bytes().len(),
    })
}

impl Report for EmitReport {
    fn text(&self) -> String {
        let columns = [
            Column::Text("Layer"),
            Column::Text("Kind"),
            Column::Text("Precision"),
            Column::Text("Input"),
            Column::Text("Output"),
            Column::Text("Weight Scales"),
        ];
        let rows = self.layers.iter().map(|layer| {
            [
                layer.name.clone(),
                layer.kind.clone(),
                layer.precision.name().to_owned(),
                show_params(layer.input),
                show_params(layer.output),
                show_scales(&layer.weight_scales),
            ]
        });
        format!(
            "{}\nfloat {}, quantized {}: {:.3} of the size\nwrote {}\n",
            format::table(columns, rows),
            format::bytes(self.bytes_float),
            format::bytes(self.bytes_int8),
            self.bytes_int8 as f64 / self.bytes_float as f64,
            self.file.display()
        )
    }
}

fn show_params(params: Option<QuantParams>) -> String {
    params.map_or_else(
        || "float".to_owned(),
        |params| {
            let kind = format!("{:?}", params.quant_type).to_lowercase();
            format!("{kind} {} zp {}", format::real(params.scale.into()), params.zero_point)
        },
    )
}

fn show_scales(scales: &[f32]) -> String {
    let min = scales.iter().copied().fold(f32::INFINITY, f32::min);
    let max = scales.iter().copied().fold(0.0, f32::max);
    match scales.len() {
        0 => String::new(),
        1 => format::real(max.into()),
        _ => format!("{} .. {}", format::real(min.into()), format::real(max.into())),
    }
}
