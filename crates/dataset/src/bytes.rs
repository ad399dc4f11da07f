//! Bytes that are read from their beginning to their end.

use std::io::{self, BufReader, Read, Seek};

/// Bytes of which some can be passed over.
pub(crate) trait Bytes: Read + Send {
    /// Passes over the next `count` bytes. Where they need not be read for that, that they exist is not found out.
    fn pass(&mut self, count: u64) -> io::Result<()>;
}

/// The bytes of a file.
impl<R: Read + Seek + Send> Bytes for BufReader<R> {
    fn pass(&mut self, count: u64) -> io::Result<()> {
        let count = i64::try_from(count).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        self.seek_relative(count)
    }
}

/// Bytes that can only be read on, such as those that a decompressor yields.
pub(crate) struct OneWay<R>(pub(crate) R);

impl<R: Read> Read for OneWay<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read + Send> Bytes for OneWay<R> {
    fn pass(&mut self, count: u64) -> io::Result<()> {
        if io::copy(&mut self.0.by_ref().take(count), &mut io::sink())? < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn bytes_are_passed_over_alike() {
        let bytes: Vec<u8> = (0..100).collect();
        let file = BufReader::with_capacity(7, Cursor::new(bytes.clone()));
        let all: [Box<dyn Bytes>; 2] = [Box::new(file), Box::new(OneWay(Cursor::new(bytes)))];
        for mut bytes in all {
            for (count, expected) in [(0, 0), (3, 4), (40, 45), (1, 47), (50, 98)] {
                bytes.pass(count).unwrap();
                let mut next = [0];
                bytes.read_exact(&mut next).unwrap();
                assert_eq!(next, [expected]);
            }
            assert!(bytes.pass(u64::MAX).is_err());
        }
    }
}
