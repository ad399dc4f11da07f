//! `quantize prepare`: the network as it is calibrated and quantized.

use std::path::PathBuf;

use anyhow::Result;
use dlquantizer::Layer;
use serde::Serialize;

use crate::console::Report;
use crate::files::{check_output, open_float};
use crate::format::{self, Column};

/// Folds normalisation and constant scales into the dense layers of a float model, which computes the same with fewer nodes.
///
/// Calibration and emission prepare the model by themselves; this shows what they work on.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize prepare digits.onnx -o digits.prepared.onnx")]
pub(crate) struct Args {
    /// Float model.
    #[arg(value_name = "ONNX")]
    model: PathBuf,
    /// ONNX file to write.
    #[arg(short, long, value_name = "ONNX")]
    output: PathBuf,
}

/// What became of the network.
#[derive(Serialize)]
pub(crate) struct PrepareReport {
    file: PathBuf,
    nodes_before: usize,
    nodes_after: usize,
    layers: Vec<Layer>,
}

pub(crate) fn run(args: &Args) -> Result<PrepareReport> {
    let model = open_float(&args.model)?;
    check_output(&args.output, [args.model.as_path()])?;
    model.prepared().save(&args.output)?;
    Ok(PrepareReport {
        file: args.output.clone(),
        nodes_before: model.network().graph().node.len(),
        nodes_after: model.prepared().graph().node.len(),
        layers: model.layers().to_vec(),
    })
}

impl Report for PrepareReport {
    fn text(&self) -> String {
        let rows = self.layers.iter().map(|layer| {
            let shape = format!("{} -> {}", layer.inputs, layer.outputs);
            [layer.name.clone(), layer.kind.clone(), shape, layer.network.join(" + ")]
        });
        let columns =
            [Column::Text("Layer"), Column::Text("Kind"), Column::Text("Shape"), Column::Text("From Network Nodes")];
        format!(
            "{}\n{} nodes became {}\nwrote {}\n",
            format::table(columns, rows),
            self.nodes_before,
            self.nodes_after,
            self.file.display()
        )
    }
}
