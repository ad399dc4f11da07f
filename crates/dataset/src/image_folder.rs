//! Directories of images: all in one, or a subdirectory for each class.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};

use crate::labels::Classes;
use crate::{Error, Problem};

/// The images of a directory.
#[derive(Debug, Clone)]
pub(crate) struct ImageFolder {
    /// Directories with images and the number of the class they hold.
    directories: Vec<(PathBuf, Option<u32>)>,
    classes: Option<Classes>,
    count: usize,
}

impl ImageFolder {
    /// Finds the images in `directory`. Its classes are numbered over those of all `parts` of the data set, unless
    /// labels are not wanted.
    pub(crate) fn open(directory: &Path, parts: &[PathBuf], labelled: bool) -> Result<Self, Error> {
        let own = subdirectories(directory)?;
        let direct = images_in(directory)?.len();
        let mut folder = if direct > 0 {
            for subdirectory in &own {
                if !images_in(subdirectory)?.is_empty() {
                    return Err(Problem::Samples(format!(
                        "images lie both in the directory and in its subdirectory {}; give every class a \
                         subdirectory, or keep all images in one directory",
                        subdirectory.display()
                    ))
                    .in_file(directory));
                }
            }
            Self { directories: vec![(directory.to_owned(), None)], classes: None, count: direct }
        } else {
            Self::of_classes(own, parts)?
        };
        if folder.count == 0 {
            return Err(Problem::Samples("no image of type png or jpeg in the directory".into()).in_file(directory));
        }
        if !labelled {
            folder.classes = None;
            folder.directories.iter_mut().for_each(|(_, class)| *class = None);
        }
        Ok(folder)
    }

    fn of_classes(own: Vec<PathBuf>, parts: &[PathBuf]) -> Result<Self, Error> {
        let mut names: BTreeSet<_> = own.iter().map(|path| name(path)).collect();
        for part in parts {
            names.extend(subdirectories(part)?.iter().map(|path| name(path)));
        }
        let classes = Classes::named(names.into_iter().collect());
        let (mut directories, mut count) = (Vec::new(), 0);
        for path in own {
            if let Some(nested) = subdirectories(&path)?.first() {
                let text = "the images of a class must lie in its directory, without directories in between";
                return Err(Problem::Samples(text.into()).in_file(nested));
            }
            count += images_in(&path)?.len();
            let class = classes.id(&name(&path)).transpose().map_err(|problem| problem.in_file(&path))?;
            directories.push((path, class));
        }
        Ok(Self { directories, classes: Some(classes), count })
    }

    /// The number of images, as far as their names tell.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn classes(&self) -> Option<&Classes> {
        self.classes.as_ref()
    }

    /// The images and their classes, sorted. The names of one directory at a time are in memory.
    pub(crate) fn into_images(self) -> impl Iterator<Item = Result<(PathBuf, Option<u32>), Error>> {
        self.directories.into_iter().flat_map(|(directory, class)| {
            let (images, error) = match images_in(&directory) {
                Ok(images) => (images, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            error.into_iter().chain(images.into_iter().map(move |image| Ok((image, class))))
        })
    }
}

/// Whether there are images in a directory or in one of its subdirectories.
pub(crate) fn holds_images(directory: &Path) -> Result<bool, Error> {
    if !images_in(directory)?.is_empty() {
        return Ok(true);
    }
    for subdirectory in subdirectories(directory)? {
        if !images_in(&subdirectory)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The directories in a directory but hidden ones, sorted.
pub(crate) fn subdirectories(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    // A directory may be a link, which only a question to the file system tells; images are not asked about.
    visible(directory, |entry| !is_image_name(entry) && entry.path().is_dir())
}

/// The images in a directory but hidden ones, by their names, sorted.
fn images_in(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    visible(directory, |entry| is_image_name(entry) && !entry.file_type().is_ok_and(|kind| kind.is_dir()))
}

fn visible(directory: &Path, wanted: impl Fn(&DirEntry) -> bool) -> Result<Vec<PathBuf>, Error> {
    let at = |error| Error::io(directory, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(at)? {
        let entry = entry.map_err(at)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") && wanted(&entry) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn is_image_name(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
    [".png", ".jpg", ".jpeg"].iter().any(|extension| name.ends_with(extension))
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
