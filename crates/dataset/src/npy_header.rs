//! The header of a .npy array, as `numpy.lib.format` describes it.
//!
//! Parsed here and not by a library: those read the header as an arbitrary Python literal, recursively, so nested
//! brackets exhaust the stack, and they multiply the shape unchecked or allocate by it before it can be compared with
//! the file.

use std::io::{self, Read};

use crate::Problem;
use crate::array::Header;
use crate::element::{Element, Kind};
use crate::numbers::stream_problem;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// NumPy itself refuses longer headers; those of plain arrays have 118 bytes.
const MAX_LEN: usize = 10_000;

/// Reads up to the first byte of the data; also returns how many bytes that was.
pub(crate) fn read(reader: &mut dyn Read) -> Result<(Header, u64), Problem> {
    let mut start = [0; 8];
    fill(reader, &mut start)?;
    if !start.starts_with(MAGIC) {
        return Err(malformed("it does not begin like a .npy array"));
    }
    let mut size = [0; 4];
    let size_len = match start[6] {
        1 => 2,
        2 | 3 => 4,
        version => {
            return Err(Problem::Unsupported(format!(
                "version {version} of the .npy format is unknown; save the array with numpy.save"
            )));
        }
    };
    fill(reader, &mut size[..size_len])?;
    let size = u32::from_le_bytes(size) as usize;
    if size > MAX_LEN {
        return Err(malformed(&format!("its header claims {size} bytes, more than the {MAX_LEN} NumPy allows")));
    }
    let mut text = vec![0; size];
    fill(reader, &mut text)?;
    let text = str::from_utf8(&text).map_err(|_| malformed("its header is not text"))?;
    let header = Parser { rest: text }.header()?;
    Ok((header, (start.len() + size_len + size) as u64))
}

fn fill(reader: &mut dyn Read, bytes: &mut [u8]) -> Result<(), Problem> {
    reader.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => malformed("it ends within its header"),
        _ => stream_problem(error),
    })
}

fn malformed(what: &str) -> Problem {
    Problem::Malformed(format!("not a .npy array: {what}; save it again with numpy.save"))
}

/// A Python dictionary of exactly `descr` (a string), `fortran_order` (a bool) and `shape` (a tuple of integers), in
/// any order.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn header(mut self) -> Result<Header, Problem> {
        let (mut element, mut fortran_order, mut shape) = (None, None, None);
        self.expect('{')?;
        while !self.accept('}') {
            let key = self.string()?;
            self.expect(':')?;
            let repeated = match key {
                "descr" => element.replace(self.descr()?).is_some(),
                "fortran_order" => fortran_order.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.shape()?).is_some(),
                _ => return Err(malformed(&format!("its header has an unknown entry `{key}`"))),
            };
            if repeated {
                return Err(malformed(&format!("its header has two entries `{key}`")));
            }
            if !self.accept(',') {
                self.expect('}')?;
                break;
            }
        }
        if !self.rest.trim_start().is_empty() {
            return Err(malformed("its header goes on after the dictionary"));
        }
        match (element, fortran_order, shape) {
            (Some(element), Some(fortran_order), Some(shape)) => Ok(Header { element, fortran_order, shape }),
            _ => Err(malformed("its header lacks `descr`, `fortran_order` or `shape`")),
        }
    }

    /// Skips white space and takes `token` if it comes next.
    fn accept(&mut self, token: char) -> bool {
        let rest = self.rest.trim_start();
        let taken = rest.strip_prefix(token);
        self.rest = taken.unwrap_or(rest);
        taken.is_some()
    }

    fn expect(&mut self, token: char) -> Result<(), Problem> {
        if self.accept(token) {
            return Ok(());
        }
        Err(malformed(&format!("its header lacks a `{token}`")))
    }

    fn string(&mut self) -> Result<&'a str, Problem> {
        let quote = if self.accept('"') { '"' } else { '\'' };
        if quote == '\'' {
            self.expect(quote)?;
        }
        let (string, rest) =
            self.rest.split_once(quote).ok_or_else(|| malformed("a string in its header does not end"))?;
        self.rest = rest;
        Ok(string)
    }

    /// Takes the longest run of ASCII letters and digits.
    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        word
    }

    fn boolean(&mut self) -> Result<bool, Problem> {
        match self.word() {
            "True" => Ok(true),
            "False" => Ok(false),
            _ => Err(malformed("`fortran_order` in its header is neither True nor False")),
        }
    }

    fn shape(&mut self) -> Result<Vec<u64>, Problem> {
        self.expect('(')?;
        let mut sizes = Vec::new();
        while !self.accept(')') {
            // Python 2 wrote long integers with an L behind.
            let size = self.word();
            let size = size.strip_suffix('L').unwrap_or(size);
            let size = size.parse().map_err(|_| malformed(&format!("`{size}` in its header's shape is not a size")))?;
            sizes.push(size);
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(sizes)
    }

    fn descr(&mut self) -> Result<Element, Problem> {
        if self.accept('[') {
            return Err(Problem::Unsupported(
                "records with named fields are not samples; save each field as an array of its own".into(),
            ));
        }
        let descr = self.string()?;
        element(descr).ok_or_else(|| {
            Problem::Unsupported(format!(
                "numbers of type `{descr}` are not read; convert with .astype(numpy.float32), labels with \
                 .astype(numpy.int64)"
            ))
        })
    }
}

/// The element of a type string such as `<f4`; a byte order of `|` or `=` means it does not matter or is the writer's.
fn element(descr: &str) -> Option<Element> {
    let (big_endian, code) = match descr.split_at_checked(1)? {
        (">", code) => (true, code),
        ("<" | "|", code) => (false, code),
        ("=", code) => (cfg!(target_endian = "big"), code),
        _ => return None,
    };
    let kind = match code {
        "b1" => Kind::Bool,
        "i1" => Kind::I8,
        "u1" => Kind::U8,
        "i2" => Kind::I16,
        "u2" => Kind::U16,
        "i4" => Kind::I32,
        "u4" => Kind::U32,
        "i8" => Kind::I64,
        "u8" => Kind::U64,
        "f2" => Kind::F16,
        "f4" => Kind::F32,
        "f8" => Kind::F64,
        _ => return None,
    };
    Some(Element { kind, big_endian })
}
