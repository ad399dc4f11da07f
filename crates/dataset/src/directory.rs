//! Directories that hold the parts of a data set.

use std::fs;
use std::path::{Path, PathBuf};

use crate::format::{self, Format};
use crate::image_folder::{holds_images, subdirectories};
use crate::{Error, Part, Problem};

/// The file of a part, or its directory of images.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// The tables of its format, or the directories of images, of the other parts, which may have classes that this
    /// part lacks.
    pub(crate) others: Vec<PathBuf>,
}

/// Finds the file or the directory of images that holds `part`, or that may stand in for it.
pub(crate) fn find(directory: &Path, part: Part) -> Result<Found, Error> {
    let entries = entries(directory)?;
    // `test` is a class and no part if it stands between `stop` and `yield`.
    let image_parts = subdirectories(directory)?.iter().all(|path| part_of(path).is_some());
    let mut all = Vec::new();
    for part in Part::ALL {
        all.push((part, files_of(&entries, part, image_parts)?));
    }
    if all.iter().all(|(_, files)| files.is_empty()) && holds_images(directory)? {
        return Ok(Found { path: directory.to_owned(), others: Vec::new() });
    }
    let files_of = |wanted| all.iter().filter(move |(part, _)| *part == wanted).flat_map(|(_, files)| files);
    let mut files: Vec<_> = files_of(part).collect();
    if files.is_empty() && part == Part::Calibration {
        files = files_of(Part::Train).collect();
    }
    let path = match files[..] {
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
    let of_its_kind = |other: &PathBuf| match Format::of(other) {
        _ if other.is_dir() => path.is_dir(),
        format => matches!(format, Some(Format::Csv | Format::Parquet)) && format == Format::of(&path),
    };
    let others = all.into_iter().flat_map(|(_, files)| files).filter(|other| *other != path && of_its_kind(other));
    Ok(Found { others: others.collect(), path })
}

fn missing(part: Part, all: &[(Part, Vec<PathBuf>)]) -> Problem {
    let there: Vec<_> =
        all.iter().filter(|(_, files)| !files.is_empty()).map(|(part, _)| format!("`{part}`")).collect();
    let there = if there.is_empty() { "none at all".into() } else { format!("only {}", there.join(" and ")) };
    Problem::Part(format!(
        "the directory has no part `{part}`, {there}; add a file such as {part}.npz, {part}.csv or \
         {part}-images-idx3-ubyte.gz or a directory {part} of images, or pass one file instead of the directory"
    ))
}

/// What in `entries` holds `part`: data files named like it, data files in subdirectories named like it, and, with
/// `image_parts`, such subdirectories themselves if they hold images instead.
fn files_of(entries: &[PathBuf], part: Part, image_parts: bool) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in entries {
        if part_of(entry) != Some(part) {
            continue;
        }
        if !entry.is_dir() {
            files.extend(is_samples(entry).then(|| entry.clone()));
            continue;
        }
        let inside: Vec<_> = self::entries(entry)?.into_iter().filter(|file| is_samples(file)).collect();
        if inside.is_empty() && image_parts && holds_images(entry)? {
            files.push(entry.clone());
        }
        files.extend(inside);
    }
    // A download is often kept beside its unpacked copy.
    let unpacked = files.clone();
    files.retain(|file| !(format::is_gzip(file) && unpacked.contains(&file.with_extension(""))));
    Ok(files)
}

/// The part that a file or directory of this name holds.
fn part_of(path: &Path) -> Option<Part> {
    let name = format::stem(path);
    Part::ALL.into_iter().find(|part| name == part.to_string() || (*part == Part::Test && name == "t10k"))
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
