//! Kernels written with intrinsics: every algorithm once, generic over [`vector::Vector`]; one file of vectors per instruction set.

mod blocks;
mod elementwise;
mod float_tile;
mod tile;
mod vector;
mod vectorized;
mod x86;

pub(crate) use x86::peak::peak;
pub(crate) use x86::{avx2, avx512bw, avx512vnni, avxvnni};
