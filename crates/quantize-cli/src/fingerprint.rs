//! Whether files are still what they were, without reading all of them.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes that are read at the beginning and at the end of a file.
const EDGE: u64 = 1 << 16;

/// Of a directory, the contents of so many files are looked at; of all others, names and sizes.
const OPENED: usize = 16;

/// Directories below one another: the data, its parts, their classes.
const DEPTH: usize = 4;

/// What samples are read from. Results are often written beside them.
const ENDINGS: [&str; 9] = ["npz", "npy", "csv", "gz", "parquet", "png", "jpg", "jpeg", "ubyte"];

/// A number that is another one, in all likelihood, if a file or a directory of files has changed; it stays where they are copied to.
pub(crate) fn fingerprint(path: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    list(path, Path::new(""), DEPTH, &mut files)?;
    files.sort();
    let mut hasher = blake3::Hasher::new();
    for (position, (name, size)) in files.iter().enumerate() {
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_encoded_bytes()).update(&size.to_le_bytes());
        if position < OPENED {
            let file = if name.is_empty() { path.to_owned() } else { path.join(name) };
            edges(&file, *size, &mut hasher)?;
        }
    }
    Ok(hasher.finalize().to_hex()[..16].to_owned())
}

/// The files at `path`, by their names below it, and their sizes.
fn list(path: &Path, name: &Path, depth: usize, files: &mut Vec<(std::ffi::OsString, u64)>) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_dir() {
        let text = name.to_string_lossy().to_lowercase();
        if text.is_empty() || ENDINGS.iter().any(|ending| text.ends_with(ending)) {
            files.push((name.as_os_str().to_owned(), metadata.len()));
        }
    } else if depth > 0 {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // What is gone again, or a link to nowhere, is for the reading of samples to judge.
            let _ = list(&entry.path(), &name.join(entry.file_name()), depth - 1, files);
        }
    }
    Ok(())
}

fn edges(path: &Path, size: u64, hasher: &mut blake3::Hasher) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(EDGE).read_to_end(&mut bytes)?;
    if size > EDGE {
        file.seek(SeekFrom::Start(EDGE.max(size - EDGE)))?;
        file.take(EDGE).read_to_end(&mut bytes)?;
    }
    hasher.update(&bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_at_either_end_or_in_size_or_name_shows() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (directory.path().join("a.npy"), directory.path().join("b.npy"));
        let mut bytes = vec![7; 200_000];
        fs::write(&a, &bytes).unwrap();
        fs::write(directory.path().join("c.json"), "").unwrap();
        let mut seen = vec![fingerprint(&a).unwrap()];
        for (position, value) in [(0, 8), (199_999, 9)] {
            bytes[position] = value;
            fs::write(&a, &bytes).unwrap();
            seen.push(fingerprint(&a).unwrap());
        }
        bytes.push(7);
        fs::write(&a, &bytes).unwrap();
        seen.push(fingerprint(&a).unwrap());
        let whole = fingerprint(directory.path()).unwrap();
        fs::write(directory.path().join("c.json.checkpoint"), "results").unwrap();
        assert_eq!(fingerprint(directory.path()).unwrap(), whole);
        fs::rename(&a, &b).unwrap();
        assert_eq!(fingerprint(&b).unwrap(), seen[3], "a file may be moved");
        seen.extend([whole, fingerprint(directory.path()).unwrap()]);
        for (position, one) in seen.iter().enumerate() {
            assert!(!seen[..position].contains(one), "{seen:?}");
        }
        assert!(fingerprint(&a).is_err());
    }
}
