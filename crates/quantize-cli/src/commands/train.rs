//! `quantize train`: a float network from labelled samples.

mod balance;
mod find_rate;
mod follow;
mod place;
mod quantized;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dataset::{Dataset, Part};
use onnx_model::Model;
use serde::Serialize;
use trainer::{Record, Score, TrainConfig, Trained, Trainer};

use self::balance::ClassCount;
use self::follow::{Followed, Follower};
use self::place::Place;
use self::quantized::QuantizedReport;
use crate::console::{Console, Report, warn};
use crate::data::DataArgs;
use crate::files::{InFile, check_output};
use crate::format::{self, Column};
use crate::interruption::{self, Interruption};
use crate::progress;
use crate::run_directory::{RunDirectory, RunInfo};
use crate::threads::ThreadsArgs;

/// Epochs that the text shows.
const EPOCHS_SHOWN: usize = 10;

/// Trains a network on labelled samples, or others with a target, and writes it as float ONNX.
///
/// With --run-dir the configuration, the metrics of every epoch (JSON lines, CSV, TensorBoard) and the state to go on from are kept, for
/// `quantize runs` to compare and --resume to go on with. The network does not depend on the number of threads, nor on interruptions.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  quantize train --data calibration-data/digits --config mlp.toml -o digits.onnx
  quantize train --data calibration-data/digits --config mlp.toml --run-dir runs/first -o digits.onnx
  quantize train --data calibration-data/digits --run-dir runs/first --resume -o digits.onnx
  quantize train --data calibration-data/digits --config mlp.toml --find-rate rates.svg
  quantize train --data calibration-data/digits --config calibration-data/digits/further.toml --from digits.onnx -o better.onnx
  quantize train --data calibration-data/digits --config calibration-data/digits/further.toml --from digits.onnx --qat -o digits.int8.onnx")]
pub(crate) struct Args {
    /// Layers and optimizer, as mlp.toml has them [default with --resume: the one in the run directory].
    #[arg(long, value_name = "TOML", required_unless_present_all = ["resume", "run_dir"])]
    config: Option<PathBuf>,
    /// Float ONNX model to train further: its layers, weights and normalization take the place of the configuration's, which has no `[[layer]]`.
    #[arg(long, value_name = "ONNX")]
    from: Option<PathBuf>,
    /// Trains the dense layers of --from in the arithmetic of the int8 engine and writes the int8 model; the scales of activations start from a
    /// calibration on the samples and are learnt.
    #[arg(long, requires = "from")]
    qat: bool,
    /// Scales of activations from a calibration of --from, which stay as they are.
    #[arg(long, value_name = "JSON", requires = "qat")]
    calibration: Option<PathBuf>,
    /// ONNX file to write: float, or int8 with --qat.
    #[arg(short, long, value_name = "ONNX", required_unless_present = "find_rate")]
    output: Option<PathBuf>,
    /// Instead of training writes the loss of 200 batches over a learning rate that grows from 1e-6 to 10, as an image (.svg) or as
    /// CSV, and proposes half of the rate at which the loss diverges.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "run_dir", "checkpoint", "resume"])]
    find_rate: Option<PathBuf>,
    /// Keeps configuration, metrics and state in this directory.
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Writes the state to this file after every epoch [default: checkpoint.safetensors in the run directory].
    #[arg(long, value_name = "PATH")]
    checkpoint: Option<PathBuf>,
    /// Goes on from the state of a training that was stopped; more epochs than it had are allowed.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    threads: ThreadsArgs,
    // Last, as its heading would go on over what follows.
    #[command(flatten)]
    data: DataArgs,
}

/// What a training came to. Accuracies are in per cent.
#[derive(Serialize)]
pub(crate) struct TrainReport {
    file: PathBuf,
    run_dir: Option<PathBuf>,
    bytes: usize,
    parameters: usize,
    samples: usize,
    /// How many samples each class has; empty without labels.
    classes: Vec<ClassCount>,
    /// Epochs done, and how many were asked for at most.
    epochs: usize,
    epochs_planned: usize,
    seconds: f64,
    /// Mean loss over each epoch.
    losses: Vec<f64>,
    /// Accuracy over each epoch, every sample taken before its batch changed the weights; empty if the network does not tell classes.
    accuracies: Vec<f64>,
    /// Loss and accuracy on the validation part after each epoch; empty without such a part.
    validation_losses: Vec<f64>,
    validation_accuracies: Vec<f64>,
    /// Mean absolute error over each epoch and on the validation part after it, and the share of the variance that is explained; empty if
    /// the network predicts no values.
    absolute_errors: Vec<f64>,
    r_squareds: Vec<f64>,
    validation_absolute_errors: Vec<f64>,
    validation_r_squareds: Vec<f64>,
    /// Accuracy of the finished network on the training samples, and its errors where it predicts values.
    train_accuracy: Option<f64>,
    train_errors: Option<ValueErrors>,
    /// The same on the test part, where the data has one.
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    test_errors: Option<ValueErrors>,
    test_samples: Option<usize>,
    /// What a training in integers started from.
    #[serde(skip_serializing_if = "Option::is_none")]
    quantized: Option<QuantizedReport>,
}

/// How far predicted values are off, in the units of the target.
#[derive(Serialize)]
struct ValueErrors {
    mean_absolute: f64,
    root_mean_squared: f64,
    r_squared: f64,
}

impl ValueErrors {
    /// None of a network that predicts no values.
    fn of(score: &Score) -> Option<Self> {
        Some(Self {
            mean_absolute: score.absolute_error?,
            root_mean_squared: score.root_squared_error?,
            r_squared: score.r_squared?,
        })
    }

    fn text(&self, of: &str) -> String {
        let [absolute, squared] = [self.mean_absolute, self.root_mean_squared].map(format::real);
        format!("errors on {of}: mean absolute {absolute}, root mean squared {squared}, R^2 {:.3}\n", self.r_squared)
    }
}

/// Trains, or looks for the learning rate, and shows what came of it.
pub(crate) fn run(args: &Args, console: &Console) -> Result<bool> {
    if args.resume && args.run_dir.is_none() && args.checkpoint.is_none() {
        bail!("--resume needs --run-dir or --checkpoint: where the training to go on with is kept");
    }
    let kept_config = args.run_dir.as_ref().map(|path| RunDirectory::new(path).config_path());
    let config_path = args.config.clone().or(kept_config).context("--config is missing")?;
    let config = TrainConfig::open(&config_path).in_file(&config_path)?;
    let from = args.from.as_ref().map(Model::open).transpose()?;
    let (mut samples, mut held_out) = (args.data.open(Part::Train)?, args.data.open_held_out()?);
    if let Some(model) = &from {
        samples = dlquantizer::adapt(model, samples).context("the samples do not fit the model of --from")?;
        held_out = held_out.map(|data| dlquantizer::adapt(model, data)).transpose()?;
    }
    let read = [
        Some(config_path.as_path()),
        Some(args.data.data.as_path()),
        args.from.as_deref(),
        args.calibration.as_deref(),
    ];
    let output = args.find_rate.as_ref().or(args.output.as_ref()).context("--output is missing")?;
    check_output(output, read.into_iter().flatten())?;
    let place = Place::find(args.run_dir.as_deref(), args.checkpoint.as_deref(), args.resume)?;

    let classes = balance::classes(&samples);
    let of_classes = balance::in_short(&classes).map(|text| format!(", {text}")).unwrap_or_default();
    progress::announce(&format!("{} samples{of_classes}", format::count(samples.len())));
    if let Some(warning) = balance::warning(&classes) {
        warn(&warning);
    }
    let beginning = match (from, &args.from) {
        (Some(model), Some(path)) if args.qat => {
            let start = quantized::Start::new(model, &samples, args.calibration.as_deref()).in_file(path)?;
            Beginning::Integers(Box::new(start))
        }
        (Some(model), Some(path)) => Beginning::Network(Trained::from_model(&model).in_file(path)?),
        _ => Beginning::Layers,
    };
    let threads = args.threads.threads.unwrap_or(0);
    let trouble = || format!("cannot train {} on {}", config_path.display(), args.data.data.display());
    if args.find_rate.is_some() {
        let trainer = beginning.trainer(config).with_context(trouble)?.threads(threads);
        return console.finish(&find_rate::find(&trainer, &samples, output).with_context(trouble)?);
    }
    let task = Task { samples: &samples, held_out: held_out.as_ref(), place, data: &args.data.data, beginning };
    console.finish(&task.run(config, threads, output).with_context(trouble)?)
}

/// Trains, scores on the samples held out, and writes the network to `output`.
pub(crate) fn train(
    config: TrainConfig,
    samples: &Dataset,
    held_out: Option<&Dataset>,
    output: &Path,
) -> Result<TrainReport> {
    Task { samples, held_out, place: None, data: Path::new(""), beginning: Beginning::Layers }.run(config, 0, output)
}

/// What to train on and where to keep it.
struct Task<'a> {
    samples: &'a Dataset,
    held_out: Option<&'a Dataset>,
    place: Option<Place>,
    data: &'a Path,
    beginning: Beginning,
}

/// What a training begins with.
enum Beginning {
    /// The layers of the configuration.
    Layers,
    /// A network that is there already.
    Network(Trained),
    /// The same, to be trained in integers.
    Integers(Box<quantized::Start>),
}

impl Beginning {
    fn trainer(&self, config: TrainConfig) -> Result<Trainer> {
        Ok(match self {
            Self::Layers => Trainer::new(config)?,
            Self::Network(network) => Trainer::from_trained(config, network.clone())?,
            Self::Integers(start) => {
                Trainer::from_trained(config, start.network()?)?.quantized(start.quantization.clone())
            }
        })
    }

    /// The model to write.
    fn model(&self, trained: &Trained) -> Result<Model> {
        match self {
            Self::Integers(_) => Ok(quantized::emit(trained)?.model().clone()),
            Self::Layers | Self::Network(_) => Ok(trained.to_model()?),
        }
    }
}

impl Task<'_> {
    fn run(&self, config: TrainConfig, threads: usize, output: &Path) -> Result<TrainReport> {
        let epochs_planned = config.epochs;
        let text = config.to_toml()?;
        let trainer = self.beginning.trainer(config)?.threads(threads);
        let trainer = self.place.as_ref().map_or_else(|| trainer.clone(), |place| place.trainer(trainer.clone()));
        if self.place.is_some() {
            interruption::watch()?;
        }
        let mut follower = Follower::new(Box::new(|| self.place.as_ref().map_or(Ok(None), |place| place.begin(&text))));
        let trained = trainer.fit(self.samples, |progress| follower.see(progress));
        let trained = trained.map_err(|error| match &self.place {
            Some(place) => place.keep(error, &trainer, self.samples),
            None => error.into(),
        });
        interruption::work_done();
        let trained = match trained {
            Ok(trained) => trained,
            Err(error) => {
                follower.clear();
                return Err(error);
            }
        };
        let Followed { records, interrupted } = follower.finish()?;
        if let (Some(epochs), Some(place)) = (interrupted, &self.place) {
            let (done, checkpoint) = (format!("{epochs} epochs"), place.checkpoint.clone());
            return Err(Interruption { done, checkpoint, continued_by: "the same command with --resume" }.into());
        }

        let model = self.beginning.model(&trained)?;
        let training = trained.score(self.samples)?;
        // Before the samples held out, which may turn out not to fit: the work is done.
        model.save(output)?;
        let test = self.held_out.map(|data| trained.score(data)).transpose()?;
        let column = |name: &str| records.iter().filter_map(|record: &Record| record.scalar(name)).collect();
        let report = TrainReport {
            file: output.to_owned(),
            run_dir: self.directory().map(|directory| directory.path().to_owned()),
            bytes: model.to_bytes().len(),
            parameters: onnx_model::Summary::of(&model)?.trainable,
            samples: self.samples.len(),
            classes: balance::classes(self.samples),
            epochs: records.last().map_or(0, |record| record.epoch as usize),
            epochs_planned,
            seconds: records.last().map_or(0.0, |record| record.seconds),
            losses: column("loss"),
            accuracies: column("accuracy"),
            validation_losses: column("validation_loss"),
            validation_accuracies: column("validation_accuracy"),
            absolute_errors: column("absolute_error"),
            r_squareds: column("r_squared"),
            validation_absolute_errors: column("validation_absolute_error"),
            validation_r_squareds: column("validation_r_squared"),
            train_accuracy: training.accuracy,
            train_errors: ValueErrors::of(&training),
            test_loss: test.map(|score| score.loss),
            test_accuracy: test.and_then(|score| score.accuracy),
            test_errors: test.as_ref().and_then(ValueErrors::of),
            test_samples: self.held_out.map(Dataset::len),
            quantized: match &self.beginning {
                Beginning::Integers(start) => Some(start.report(self.held_out)?),
                Beginning::Layers | Beginning::Network(_) => None,
            },
        };
        if let Some(directory) = self.directory() {
            directory.write_info(&RunInfo {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                data: self.data.to_owned(),
                samples: report.samples,
                parameters: report.parameters,
                finished: true,
                test_loss: report.test_loss,
                test_accuracy: report.test_accuracy,
            })?;
        }
        Ok(report)
    }

    fn directory(&self) -> Option<&RunDirectory> {
        self.place.as_ref()?.directory.as_ref()
    }
}

impl TrainReport {
    /// The table of some epochs: with accuracies where classes are told, else with the errors of predicted values.
    fn epochs_text(&self) -> String {
        let step = self.losses.len().div_ceil(EPOCHS_SHOWN).max(1);
        // Without a run directory the epochs before a resumption are not known.
        let first = self.epochs + 1 - self.losses.len().min(self.epochs);
        let rows = self.losses.iter().enumerate();
        let rows = rows.filter(|(index, _)| index % step == step - 1 || index + 1 == self.losses.len());
        let rows = rows.map(|(index, loss)| (index, [(first + index).to_string(), format!("{loss:.4}")]));
        let shown = |values: &[f64], index: usize, show: &dyn Fn(f64) -> String| {
            values.get(index).map_or_else(String::new, |&value| show(value))
        };
        let [epoch, loss] = ["Epoch", "Loss"].map(Column::Number);
        if self.accuracies.is_empty() && !self.absolute_errors.is_empty() {
            return format::table(
                [epoch, loss, Column::Number("Absolute Error"), Column::Number("R^2")],
                rows.map(|(index, [epoch, loss])| {
                    let error = shown(&self.absolute_errors, index, &format::real);
                    [epoch, loss, error, shown(&self.r_squareds, index, &|value| format!("{value:.3}"))]
                }),
            );
        }
        format::table(
            [epoch, loss, Column::Number("Accuracy")],
            rows.map(|(index, [epoch, loss])| [epoch, loss, shown(&self.accuracies, index, &format::percent)]),
        )
    }
}

impl Report for TrainReport {
    fn text(&self) -> String {
        let mut text = self.epochs_text();
        text += &format!(
            "\n{} epochs{} over {} samples in {:.1} s, {} parameters\n",
            self.epochs,
            if self.epochs < self.epochs_planned { " (stopped early)" } else { "" },
            format::count(self.samples),
            self.seconds,
            format::count(self.parameters),
        );
        if let Some(accuracy) = self.train_accuracy {
            text += &format!("accuracy on the training samples {}\n", format::percent(accuracy));
        }
        if let Some(errors) = &self.train_errors {
            text += &errors.text("the training samples");
        }
        if let Some(samples) = self.test_samples {
            let of = format!("{} test samples", format::count(samples));
            if let Some(accuracy) = self.test_accuracy {
                text += &format!("accuracy on {of} {}\n", format::percent(accuracy));
            }
            if let Some(errors) = &self.test_errors {
                text += &errors.text(&of);
            }
            if let (None, Some(loss)) = (self.test_accuracy, self.test_loss) {
                text += &format!("loss on {of} {}\n", format::real(loss));
            }
        }
        if let Some(quantized) = &self.quantized {
            let scales = if quantized.learnt { "learnt" } else { "kept" };
            text += &format!("{} layers in integers, scales of activations {scales}\n", quantized.layers);
            if let (Some(float), Some(int8)) = (quantized.float_accuracy, quantized.untrained_accuracy) {
                let [float, int8] = [float, int8].map(format::percent);
                text += &format!("before on the test samples: float {float}, int8 without training {int8}\n");
            }
        }
        if let Some(directory) = &self.run_dir {
            text += &format!("metrics and state in {}\n", directory.display());
        }
        text + &format!("wrote {} ({})\n", self.file.display(), format::bytes(self.bytes))
    }
}
