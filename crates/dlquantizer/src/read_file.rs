//! Reading a whole file of bounded size.

use crate::Error;
use std::io::Read;
use std::path::Path;

/// The bytes of a file that should not exceed `limit`, without believing what the system says of its size.
pub(crate) fn read_file(path: &Path, limit: u64, kind: &'static str) -> Result<Vec<u8>, Error> {
    let read = |error| Error::Read { path: path.to_owned(), error };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut bytes))
        .map_err(read)?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { path: path.to_owned(), limit, kind });
    }
    Ok(bytes)
}
