//! Replacing a file as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::Error;

/// Writes `bytes` to the file at `path`, as a whole or not at all.
///
/// The bytes go to a new file beside it, are synced to the disk and then take the name `path`, so a crash, a full disk or a killed
/// process leaves what was there before. A new file gets the permissions any new file gets, an existing one keeps its own; a symbolic
/// link is followed. What is no regular file, `/dev/stdout` or a pipe, is written directly.
///
/// # Errors
/// [`Error::Write`] with the path and what to do, if the directory is missing or may not be written, the target is a directory or
/// read-only, or the disk is full.
pub fn write_atomic(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), Error> {
    write_atomic_with(path.as_ref(), |file| file.write_all(bytes))
}

/// [`write_atomic`] for content that is streamed by `fill`.
pub(crate) fn write_atomic_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Error> {
    replace(path, fill).map_err(|cause| Error::Write { path: path.to_owned(), advice: advice(path, &cause), cause })
}

/// Confirms that [`write_atomic`] could write to `path` now, before the work whose result is to go there.
///
/// It creates a file beside `path` and removes it again; `path` itself is left alone.
///
/// # Errors
/// As for [`write_atomic`], except for what shows only with the bytes: a full disk.
pub fn check_writable(path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    let checked = destination(path).and_then(|destination| match destination {
        Destination::Direct => Ok(()),
        Destination::Replace { target, .. } => new_file_in(&directory_of(&target)).map(drop),
    });
    checked.map_err(|cause| Error::Write { path: path.to_owned(), advice: advice(path, &cause), cause })
}

/// How to write to a path.
enum Destination {
    /// Straight into what is no regular file.
    Direct,
    /// Into a new file that takes the name `target` in the end, and the permissions of the file that was there.
    Replace { target: PathBuf, permissions: Option<fs::Permissions> },
}

fn destination(path: &Path) -> io::Result<Destination> {
    match fs::metadata(path) {
        Ok(old) if old.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(old) if !old.is_file() || names_open_file(path) => Ok(Destination::Direct),
        Ok(old) if old.permissions().readonly() => Err(ErrorKind::PermissionDenied.into()),
        Ok(old) => Ok(Destination::Replace { target: fs::canonicalize(path)?, permissions: Some(old.permissions()) }),
        Err(_) if path.as_os_str().is_empty() => Err(ErrorKind::InvalidFilename.into()),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Ok(Destination::Replace { target: path.to_owned(), permissions: None })
        }
        Err(e) => Err(e),
    }
}

fn replace(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let Destination::Replace { target, permissions } = destination(path)? else {
        return write_directly(path, fill);
    };
    let directory = directory_of(&target);

    let mut file = new_file_in(&directory)?;
    let mut buffer = BufWriter::new(file.as_file_mut());
    fill(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    if let Some(permissions) = permissions {
        file.as_file().set_permissions(permissions)?;
    }
    file.as_file().sync_all()?;
    file.persist(&target).map_err(|e| e.error)?;
    // The new name is on the disk only once the directory is. Not every system can sync one; the file itself is safe by now.
    let _ = File::open(&directory).and_then(|d| d.sync_all());
    Ok(())
}

fn write_directly(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = BufWriter::new(File::create(path)?);
    fill(&mut buffer)?;
    buffer.flush()
}

/// Whether `path` names a file this process has open, such as `/dev/stdout`: a new file under that name would not reach the reader.
fn names_open_file(path: &Path) -> bool {
    ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"].iter().any(|p| path.starts_with(p))
}

pub(crate) fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn new_file_in(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".tmp-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What `File::create` asks for; the umask is applied to it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(directory)
}

fn advice(path: &Path, cause: &io::Error) -> String {
    let directory = directory_of(path);
    let directory = directory.display();
    match cause.kind() {
        ErrorKind::NotFound => format!("the directory {directory} does not exist, create it first"),
        ErrorKind::NotADirectory => format!("{directory} is not a directory, choose another path"),
        ErrorKind::InvalidFilename => "it is not a valid file name, choose another".to_owned(),
        ErrorKind::IsADirectory => "it is a directory, add a file name".to_owned(),
        ErrorKind::PermissionDenied => {
            format!(
                "the file is read-only or you may not write to {directory}, choose another path or change the permissions"
            )
        }
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only, choose another path".to_owned(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "the disk is full, free some space or choose another path".to_owned()
        }
        ErrorKind::BrokenPipe => "the reader has gone away".to_owned(),
        _ => "the operating system refused".to_owned(),
    }
}

#[cfg(test)]
mod tests;
