//! `quantize train`: a float network from labelled samples.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use dataset::{Dataset, Part};
use serde::Serialize;
use trainer::{Score, TrainConfig, Trainer};

use crate::console::Report;
use crate::data::DataArgs;
use crate::files::{InFile, check_output};
use crate::format::{self, Column};
use crate::progress;

/// Epochs that the text shows.
const EPOCHS_SHOWN: usize = 10;

/// Trains a network of dense layers on labelled samples and writes it as float ONNX.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  quantize train --data calibration-data/digits --config mlp.toml -o digits.onnx")]
pub(crate) struct Args {
    #[command(flatten)]
    data: DataArgs,
    /// Layers and optimizer, as mlp.toml has them.
    #[arg(long, value_name = "TOML")]
    config: PathBuf,
    /// ONNX file to write.
    #[arg(short, long, value_name = "ONNX")]
    output: PathBuf,
}

/// What a training came to. Accuracies are in per cent.
#[derive(Serialize)]
pub(crate) struct TrainReport {
    file: PathBuf,
    bytes: usize,
    parameters: usize,
    samples: usize,
    epochs: usize,
    seconds: f64,
    /// Mean loss over each epoch.
    losses: Vec<f64>,
    /// Accuracy over each epoch, every sample taken before its batch changed the weights; empty if the network does not tell classes.
    accuracies: Vec<f64>,
    /// Loss and accuracy on the validation part after each epoch; empty without such a part.
    validation_losses: Vec<f64>,
    validation_accuracies: Vec<f64>,
    /// Accuracy of the finished network on the training samples.
    train_accuracy: Option<f64>,
    /// The same on the test part, where the data has one.
    test_accuracy: Option<f64>,
    test_samples: Option<usize>,
}

pub(crate) fn run(args: &Args) -> Result<TrainReport> {
    let config = TrainConfig::open(&args.config).in_file(&args.config)?;
    let samples = args.data.open(Part::Train)?;
    let held_out = args.data.open_held_out()?;
    check_output(&args.output, [args.config.as_path(), &args.data.data])?;
    train(config, &samples, held_out.as_ref(), &args.output)
        .with_context(|| format!("cannot train {} on {}", args.config.display(), args.data.data.display()))
}

/// Trains, scores on the samples held out, and writes the network to `output`.
pub(crate) fn train(
    config: TrainConfig,
    samples: &Dataset,
    held_out: Option<&Dataset>,
    output: &Path,
) -> Result<TrainReport> {
    let start = Instant::now();
    let epochs = config.epochs;
    let bar = progress::bar(Some(epochs), "training");
    let (mut training, mut validation): (Vec<Score>, Vec<Score>) = (Vec::new(), Vec::new());
    let trained = Trainer::new(config)?.fit(samples, |progress| {
        if progress.epoch_done() {
            training.push(progress.training);
            validation.extend(progress.validation);
            bar.set_message(format!("loss {:.4}", progress.training.loss));
            bar.inc(1);
        }
    })?;
    bar.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();
    let model = trained.to_model()?;
    let train_accuracy = trained.accuracy(samples)?;
    // Before the samples held out, which may turn out not to fit: the work is done.
    model.save(output)?;
    let test_accuracy = held_out.map(|data| trained.accuracy(data)).transpose()?.flatten();
    Ok(TrainReport {
        file: output.to_owned(),
        bytes: model.to_bytes().len(),
        parameters: onnx_model::Summary::of(&model)?.trainable,
        samples: samples.len(),
        epochs,
        seconds,
        losses: training.iter().map(|score| score.loss).collect(),
        accuracies: training.iter().filter_map(|score| score.accuracy).collect(),
        validation_losses: validation.iter().map(|score| score.loss).collect(),
        validation_accuracies: validation.iter().filter_map(|score| score.accuracy).collect(),
        train_accuracy,
        test_accuracy,
        test_samples: held_out.map(Dataset::len),
    })
}

impl Report for TrainReport {
    fn text(&self) -> String {
        let step = self.losses.len().div_ceil(EPOCHS_SHOWN).max(1);
        let rows = self.losses.iter().enumerate();
        let rows = rows.filter(|(index, _)| index % step == step - 1 || index + 1 == self.losses.len());
        let mut text = format::table(
            [Column::Number("Epoch"), Column::Number("Loss"), Column::Number("Accuracy")],
            rows.map(|(index, loss)| {
                let accuracy =
                    self.accuracies.get(index).map_or_else(String::new, |&accuracy| format::percent(accuracy));
                [(index + 1).to_string(), format!("{loss:.4}"), accuracy]
            }),
        );
        text += &format!(
            "\n{} epochs over {} samples in {:.1} s, {} parameters\n",
            self.epochs,
            format::count(self.samples),
            self.seconds,
            format::count(self.parameters),
        );
        if let Some(accuracy) = self.train_accuracy {
            text += &format!("accuracy on the training samples {}\n", format::percent(accuracy));
        }
        if let (Some(accuracy), Some(samples)) = (self.test_accuracy, self.test_samples) {
            text += &format!("accuracy on {} test samples {}\n", format::count(samples), format::percent(accuracy));
        }
        text + &format!("wrote {} ({})\n", self.file.display(), format::bytes(self.bytes))
    }
}
