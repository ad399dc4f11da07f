//! Compares a model's results in our engine with those in ONNX Runtime.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::report::{Check, Report};
use crate::python::Python;
use crate::quantize::Quantize;

/// ONNX Runtime's integer kernels for dense layers.
pub(crate) const QGEMM: &str = "com.microsoft:QGemm";
pub(crate) const QLINEAR_MATMUL: &str = "QLinearMatMul";

/// Per cent of each tensor's integers that have to be equal; the others may differ by one.
const EQUAL_INTEGERS: f64 = 99.99;

/// How far our float results may be from ONNX Runtime's, relative to the largest.
const FLOAT_TOLERANCE: f64 = 1e-4;

/// How far each value of a trained model may be from ONNX Runtime's, relative to its magnitude and 1.
const EACH_VALUE_TOLERANCE: f64 = 1e-5;

/// How far a prepared model's results may be from the original's, both in ONNX Runtime.
const PREPARED_TOLERANCE: f64 = 1e-5;

/// Asks Python about models and keeps the answers.
pub(crate) struct Judge<'a> {
    pub(crate) python: &'a Python,
    pub(crate) quantize: &'a Quantize,
    /// Directory of all files that are made.
    pub(crate) files: &'a Path,
    pub(crate) report: &'a mut Report,
}

/// What is expected of a quantized model.
pub(crate) struct Expected<'a> {
    /// Dense layers that ONNX Runtime has to run in integers.
    pub(crate) layers: usize,
    /// The operators that count as such.
    pub(crate) kernels: &'a [&'a str],
    /// Per cent of samples that get the same class.
    pub(crate) same_class: f64,
}

/// What ONNX Runtime makes of a model.
#[derive(Deserialize)]
struct Run {
    operators: Vec<String>,
    outputs: Vec<String>,
    integers: Vec<String>,
}

/// The steps of a model, as `quantize inspect` shows them.
#[derive(Deserialize)]
struct Inspected {
    plan: Plan,
}

#[derive(Deserialize)]
struct Plan {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    work: String,
}

/// How far a tensor of ours is from theirs.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Distance {
    Integers { name: String, elements: usize, differing: usize, largest: u64, levels: usize },
    Floats { name: String, elements: usize, relative: f64, each: f64, samples: usize, same_class: usize },
}

impl Judge<'_> {
    /// Works on one subject; an error fails the subject, not the run.
    pub(crate) fn subject(&mut self, name: &str, work: impl FnOnce(&mut Self) -> Result<()>) {
        println!("{name}");
        if let Err(error) = work(self) {
            let answer = Answer {
                measured: "an error".to_owned(),
                note: format!("{error:#}"),
                shortfall: f64::INFINITY,
                details: Value::Null,
            };
            self.add(name, "runs", "to the end".to_owned(), answer, false);
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.files.join(name)
    }

    /// Whether ONNX's checker accepts all files.
    pub(crate) fn valid(&mut self, subject: &str, models: &[&Path]) -> Result<()> {
        let errors: BTreeMap<String, Option<String>> = self.python.ask("check_models.py", models)?;
        let refused: Vec<String> =
            errors.iter().filter_map(|(file, error)| Some(format!("{file}: {}", error.as_ref()?))).collect();
        let accepted = errors.values().filter(|error| error.is_none()).count();
        let answer = Answer {
            measured: format!("{accepted} of {}", models.len()),
            note: refused.join("; "),
            shortfall: (models.len() - accepted) as f64,
            details: json!(errors),
        };
        self.add(subject, "onnx.checker accepts", "every file".to_owned(), answer, accepted == models.len());
        Ok(())
    }

    /// Whether a float model gives the same results here and there.
    pub(crate) fn float(&mut self, subject: &str, model: &Path, samples: &Path) -> Result<()> {
        let theirs = self.file(&format!("{subject}.onnxruntime.npz"));
        let ours = self.file(&format!("{subject}.ours.npz"));
        let run = self.onnxruntime(model, samples, &theirs)?;
        self.ours(model, samples, &ours, &[])?;
        let distances = self.compare(&ours, &theirs, &run.outputs)?;
        self.near(subject, "float results", FLOAT_TOLERANCE, &distances);
        Ok(())
    }

    /// Whether each value that a float model gives is the same here and there, the small ones beside large ones, too.
    pub(crate) fn each_value(&mut self, subject: &str, model: &Path, samples: &Path) -> Result<()> {
        let [theirs, ours] = ["onnxruntime", "ours"].map(|whose| self.file(&format!("{subject}.{whose}.npz")));
        let run = self.onnxruntime(model, samples, &theirs)?;
        self.ours(model, samples, &ours, &[])?;
        let distances = self.compare(&ours, &theirs, &run.outputs)?;
        let mut largest = 0.0f64;
        for distance in &distances {
            let Distance::Floats { each, .. } = distance else { anyhow::bail!("an output is not of floats") };
            largest = largest.max(*each);
        }
        let answer = Answer {
            measured: format!("{largest:.1e}"),
            note: format!("{} outputs of {} nodes", distances.len(), run.operators.len()),
            shortfall: largest,
            details: json!({ "operators": run.operators, "distances": distances }),
        };
        let asked = format!("<= {EACH_VALUE_TOLERANCE:e} * (1 + |y|)");
        self.add(subject, "every trained answer", asked, answer, largest <= EACH_VALUE_TOLERANCE);
        Ok(())
    }

    /// Whether a prepared model computes what the original does, both in ONNX Runtime.
    pub(crate) fn prepared(&mut self, subject: &str, model: &Path, prepared: &Path, samples: &Path) -> Result<()> {
        let results = self.file(&format!("{subject}.original.npz"));
        let prepared_results = self.file(&format!("{subject}.prepared.npz"));
        let run = self.onnxruntime(model, samples, &results)?;
        self.onnxruntime(prepared, samples, &prepared_results)?;
        let distances = self.compare(&prepared_results, &results, &run.outputs)?;
        self.near(subject, "prepared against original", PREPARED_TOLERANCE, &distances);
        Ok(())
    }

    /// Whether a quantized model runs in integers there and gives the same integers and classes here.
    pub(crate) fn int8(&mut self, subject: &str, model: &Path, samples: &Path, expected: &Expected<'_>) -> Result<()> {
        let theirs = self.file(&format!("{subject}.int8.onnxruntime.npz"));
        let ours = self.file(&format!("{subject}.int8.ours.npz"));
        let tapped = self.file(&format!("{subject}.int8.taps.npz"));
        let run = self.onnxruntime(model, samples, &theirs)?;
        ensure!(!run.integers.is_empty(), "{} has no quantized activation", model.display());
        let fused = run.operators.iter().filter(|name| expected.kernels.contains(&name.as_str())).count();
        let answer = Answer {
            measured: format!("{fused} of {}", expected.layers),
            note: in_short(&run.operators),
            shortfall: expected.layers.abs_diff(fused) as f64,
            details: json!(run.operators),
        };
        let asked = format!("every dense layer as {}", in_short(expected.kernels).replace(", ", " or "));
        self.add(subject, "ONNX Runtime runs", asked, answer, fused == expected.layers);

        self.integer_layers(subject, model, expected.layers)?;
        self.ours(model, samples, &tapped, &run.integers)?;
        let distances = self.compare(&tapped, &theirs, &run.integers)?;
        let mut least_equal = 100.0f64;
        let mut largest_difference = 0;
        for distance in &distances {
            let Distance::Integers { elements, differing, largest, .. } = distance else {
                anyhow::bail!("a quantized tensor is not of integers");
            };
            least_equal = least_equal.min(100.0 * (elements - differing) as f64 / *elements as f64);
            largest_difference = largest_difference.max(*largest);
        }
        let answer = Answer {
            measured: format!("{least_equal:.4} %, others off by <= {largest_difference}"),
            note: format!("the worst of {} tensors", distances.len()),
            shortfall: 100.0 - least_equal,
            details: json!(distances),
        };
        let passed = least_equal >= EQUAL_INTEGERS && largest_difference <= 1;
        let asked = format!(">= {EQUAL_INTEGERS} % of each tensor, others off by <= 1");
        self.add(subject, "equal integers", asked, answer, passed);

        // Without taps: as users run it.
        self.ours(model, samples, &ours, &[])?;
        self.classes(subject, model, [&ours, &theirs], &run.outputs, expected.same_class)
    }

    /// Whether a model gives the same classes here and there.
    pub(crate) fn same_class(&mut self, subject: &str, model: &Path, samples: &Path, percent: f64) -> Result<()> {
        let theirs = self.file(&format!("{subject}.onnxruntime.npz"));
        let ours = self.file(&format!("{subject}.ours.npz"));
        let run = self.onnxruntime(model, samples, &theirs)?;
        self.ours(model, samples, &ours, &[])?;
        self.classes(subject, model, [&ours, &theirs], &run.outputs, percent)
    }

    /// Whether results, ours and theirs, tell the same classes.
    fn classes(
        &mut self,
        subject: &str,
        model: &Path,
        [ours, theirs]: [&Path; 2],
        outputs: &[String],
        asked: f64,
    ) -> Result<()> {
        let distances = self.compare(ours, theirs, outputs)?;
        let Some(Distance::Floats { samples, same_class, relative, .. }) = distances.first() else {
            anyhow::bail!("{} has no float output", model.display());
        };
        let percent = 100.0 * *same_class as f64 / *samples as f64;
        let answer = Answer {
            measured: format!("{percent:.2} %"),
            note: format!("of {samples}; results within {relative:.1e}"),
            shortfall: 100.0 - percent,
            details: json!(distances),
        };
        self.add(subject, "same class", format!(">= {asked} % of samples"), answer, percent >= asked);
        Ok(())
    }

    /// Whether our own plan has an integer step for every dense layer.
    pub(crate) fn integer_layers(&mut self, subject: &str, model: &Path, layers: usize) -> Result<()> {
        let inspected: Inspected =
            serde_json::from_slice(&self.quantize.run(["--json".as_ref(), "inspect".as_ref(), model.as_os_str()])?)?;
        let work: Vec<String> = inspected.plan.steps.into_iter().map(|step| step.work).collect();
        let integer = work.iter().filter(|work| work.starts_with("dense ") && work.contains(", u8 x ")).count();
        let answer = Answer {
            measured: format!("{integer} of {layers}"),
            note: String::new(),
            shortfall: layers.abs_diff(integer) as f64,
            details: json!(work),
        };
        self.add(subject, "we run", "every dense layer in integers".to_owned(), answer, integer == layers);
        Ok(())
    }

    /// Whether our results are those of the file `theirs`, exactly.
    pub(crate) fn exact(&mut self, subject: &str, ours: &Path, theirs: &Path, name: &str) -> Result<()> {
        let distances = self.compare(ours, theirs, &[name.to_owned()])?;
        self.near(subject, "values read", 0.0, &distances);
        Ok(())
    }

    fn near(&mut self, subject: &str, question: &'static str, tolerance: f64, distances: &[Distance]) {
        let largest = distances.iter().fold(0.0f64, |largest, distance| match distance {
            Distance::Floats { relative, .. } => largest.max(*relative),
            Distance::Integers { .. } => f64::INFINITY,
        });
        let answer = Answer {
            measured: format!("{largest:.1e}"),
            note: String::new(),
            shortfall: largest,
            details: json!(distances),
        };
        self.add(subject, question, format!("<= {tolerance:e} of the largest"), answer, largest <= tolerance);
    }

    fn onnxruntime(&self, model: &Path, samples: &Path, results: &Path) -> Result<Run> {
        self.python.ask("run_onnxruntime.py", [model, samples, results])
    }

    /// Runs the model in our engine and writes its outputs, and the tensors `taps` beside them.
    fn ours(&self, model: &Path, samples: &Path, results: &Path, taps: &[String]) -> Result<()> {
        let mut arguments: Vec<OsString> = vec!["run".into(), model.into(), "--data".into(), samples.into()];
        // All samples at once, as they are given to ONNX Runtime: a range found in the run is that of its batch.
        arguments.extend(["--batch".into(), "100000".into(), "-o".into(), results.into()]);
        arguments.extend(taps.iter().flat_map(|tap| ["--tap".into(), tap.into()]));
        self.quantize.run(arguments)?;
        Ok(())
    }

    fn compare(&self, ours: &Path, theirs: &Path, names: &[String]) -> Result<Vec<Distance>> {
        let arguments = [OsString::from(ours), theirs.into()].into_iter().chain(names.iter().map(OsString::from));
        let distances: Vec<Distance> = self.python.ask("compare.py", arguments)?;
        ensure!(distances.len() == names.len(), "compare.py answered for {} of {names:?}", distances.len());
        Ok(distances)
    }

    pub(super) fn add(&mut self, subject: &str, question: &'static str, asked: String, answer: Answer, passed: bool) {
        let (subject, Answer { measured, note, shortfall, details }) = (subject.to_owned(), answer);
        self.report.add(Check { subject, question, asked, measured, note, shortfall, passed, details });
    }
}

/// What a check has measured; see [`Check`].
pub(super) struct Answer {
    pub(super) measured: String,
    pub(super) note: String,
    pub(super) shortfall: f64,
    pub(super) details: Value,
}

/// Operators in a row without their domain, repeated ones once.
fn in_short(operators: &[impl AsRef<str>]) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for operator in operators {
        let name = operator.as_ref().rsplit(':').next().unwrap_or_default();
        match counted.last_mut() {
            Some((last, count)) if *last == name => *count += 1,
            _ => counted.push((name, 1)),
        }
    }
    let texts =
        counted.iter().map(|(name, count)| if *count == 1 { (*name).to_owned() } else { format!("{name} x{count}") });
    texts.collect::<Vec<_>>().join(", ")
}

/// Writes a file that a check needs.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
