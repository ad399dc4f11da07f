//! Directories that hold the parts of a data set.

use std::fs;
use std::path::{Path, PathBuf};

use crate::format::{self, Format};
use crate::{Error, Part, Problem};

/// The file of a part.
pub(crate) struct Found {
    pub(crate) file: PathBuf,
    /// The CSV files of the other parts, whose labels may name classes that this part lacks.
    pub(crate) other_tables: Vec<PathBuf>,
}

/// Finds the file that holds `part`, or that may stand in for it.
pub(crate) fn find(directory: &Path, part: Part) -> Result<Found, Error> {
    let entries = entries(directory)?;
    let mut all = Vec::new();
    for part in Part::ALL {
        all.push((part, files_of(&entries, part)?));
    }
    let files_of = |wanted| all.iter().filter(move |(part, _)| *part == wanted).flat_map(|(_, files)| files);
    let mut files: Vec<_> = files_of(part).collect();
    if files.is_empty() && part == Part::Calibration {
        files = files_of(Part::Train).collect();
    }
    let file = match files[..] {
        [file] => file.clone(),
        [] => return Err(missing(part, &all).in_file(directory)),
        _ => {
            let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
            return Err(Problem::Part(format!(
                "more than one file could be the part `{part}`: {}; keep one, or pass it instead of the directory",
                files.join(", ")
            ))
            .in_file(directory));
        }
    };
    let others = all.into_iter().flat_map(|(_, files)| files);
    let other_tables = others.filter(|other| *other != file && Format::of(other) == Some(Format::Csv)).collect();
    Ok(Found { file, other_tables })
}

fn missing(part: Part, all: &[(Part, Vec<PathBuf>)]) -> Problem {
    let there: Vec<_> =
        all.iter().filter(|(_, files)| !files.is_empty()).map(|(part, _)| format!("`{part}`")).collect();
    let there = if there.is_empty() { "none at all".into() } else { format!("only {}", there.join(" and ")) };
    Problem::Part(format!(
        "the directory has no part `{part}`, {there}; add a file such as {part}.npz, {part}.csv or \
         {part}-images-idx3-ubyte.gz, or pass one file instead of the directory"
    ))
}

/// The data files in `entries` that hold `part`: those named like it, and those in subdirectories named like it.
fn files_of(entries: &[PathBuf], part: Part) -> Result<Vec<PathBuf>, Error> {
    let is_named = |name: &str| name == part.to_string() || (part == Part::Test && name == "t10k");
    let mut files = Vec::new();
    for entry in entries {
        if !is_named(&format::stem(entry)) {
            continue;
        }
        if entry.is_dir() {
            files.extend(self::entries(entry)?.into_iter().filter(|file| is_samples(file)));
        } else if is_samples(entry) {
            files.push(entry.clone());
        }
    }
    // A download is often kept beside its unpacked copy.
    let unpacked = files.clone();
    files.retain(|file| !(format::is_gzip(file) && unpacked.contains(&file.with_extension(""))));
    Ok(files)
}

fn is_samples(file: &Path) -> bool {
    Format::of(file).is_some() && !format::is_label_file(file) && !file.is_dir()
}

/// The paths in a directory, sorted.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let paths = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>());
    let mut paths = paths.map_err(|error| Error::io(directory, error))?;
    paths.sort();
    Ok(paths)
}
