//! `quantize emit`: the int8 model.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use dlquantizer::{Calibration, EmittedLayer, FloatModel, Precision, QuantParams, Recipe};
use serde::Serialize;

use crate::console::{Report, warn};
use crate::files::{check_output, open_float};
use crate::format::{self, Column};

/// Quantizes a calibrated float model and writes it as int8 ONNX, in the QDQ form that every ONNX runtime reads.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize emit digits.onnx --calibration digits.calibration.json -o digits.int8.onnx")]
pub(crate) struct Args {
    /// Float model.
    #[arg(value_name = "ONNX")]
    model: PathBuf,
    /// Calibration of this model.
    #[arg(long, value_name = "JSON")]
    calibration: PathBuf,
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
    let calibration = Calibration::load(&args.calibration)?;
    let recipe = args.recipe.as_ref().map(Recipe::load).transpose()?.unwrap_or_default();
    let sources = [&args.model, &args.calibration].into_iter().chain(&args.recipe);
    check_output(&args.output, sources.map(PathBuf::as_path))?;
    emit(&model, &calibration, &recipe, &args.output).with_context(|| {
        let recipe = args.recipe.as_ref().map(|path| format!(" and {}", path.display())).unwrap_or_default();
        format!("cannot quantize {} by {}{recipe}", args.model.display(), args.calibration.display())
    })
}

/// Quantizes the model and writes it to `output`.
pub(crate) fn emit(
    model: &FloatModel,
    calibration: &Calibration,
    recipe: &Recipe,
    output: &Path,
) -> Result<EmitReport> {
    if let Some(shards) = calibration.shards() {
        warn(&format!("the calibration has seen {shards} only; `quantize merge` puts all of them together"));
    }
    let int8 = recipe.emit(model, calibration)?;
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
            let precision = match layer.precision {
                Precision::Int8 => "int8",
                Precision::Float => "float",
            };
            [
                layer.name.clone(),
                layer.kind.clone(),
                precision.to_owned(),
                show_params(layer.input),
                show_params(layer.output),
                show_scales(&layer.weight_scales),
            ]
        });
        format!(
            "{}\nfloat {}, int8 {}: {:.3} of the size\nwrote {}\n",
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
