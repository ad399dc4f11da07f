use core::fmt;
use core::str::FromStr;

/// An instruction set a kernel is written for, ordered from slow to fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Portable Rust, no intrinsics: the definition of every result.
    Scalar,
    /// x86-64 AVX2 and FMA: `vpmaddubsw` where it is proven exact ([`pair_sums_fit`](crate::pair_sums_fit)), else bytes widened to 16 bits and
    /// `vpmaddwd`; f32 by `vfmadd`.
    Avx2,
    /// x86-64 AVX-512 with its byte and word instructions: as AVX2, on 512 bits.
    Avx512Bw,
    /// x86-64 AVX2 with AVX-VNNI: `vpdpbusd` on 256 bits. One instruction adds 32 products; [`Isa::Avx512Bw`] spends three or four on 64.
    AvxVnni,
    /// x86-64 AVX-512 with VNNI: `vpdpbusd`; f32 by `vfmadd` on 512 bits.
    Avx512Vnni,
}

impl Isa {
    /// Every instruction set, slow to fast.
    pub const ALL: [Self; 5] = [Self::Scalar, Self::Avx2, Self::Avx512Bw, Self::AvxVnni, Self::Avx512Vnni];

    /// The name [`FromStr`] reads and [`fmt::Display`] writes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Avx512Bw => "avx512bw",
            Self::AvxVnni => "avxvnni",
            Self::Avx512Vnni => "avx512vnni",
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownIsa;

impl fmt::Display for UnknownIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unknown instruction set; known are")?;
        for isa in Isa::ALL {
            write!(f, " {isa}")?;
        }
        Ok(())
    }
}

impl core::error::Error for UnknownIsa {}

impl FromStr for Isa {
    type Err = UnknownIsa;

    /// Reads a name as [`Isa::name`] gives it, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownIsa> {
        Self::ALL.into_iter().find(|isa| isa.name().eq_ignore_ascii_case(text)).ok_or(UnknownIsa)
    }
}
