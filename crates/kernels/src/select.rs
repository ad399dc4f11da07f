use crate::scalar::Scalar;
use crate::{Isa, Kernel};

static SCALAR: Scalar = Scalar;

/// Every kernel this machine can run, fastest first; scalar is always the last.
pub fn available() -> impl Iterator<Item = &'static dyn Kernel> {
    Isa::ALL.into_iter().rev().filter_map(with_isa)
}

/// The fastest kernel this machine can run.
pub fn best() -> &'static dyn Kernel {
    available().next().unwrap_or(&SCALAR)
}

/// The kernel of one instruction set, or `None` when the machine lacks it.
pub fn with_isa(isa: Isa) -> Option<&'static dyn Kernel> {
    match isa {
        Isa::Scalar => Some(&SCALAR),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => crate::simd::avx2(),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Bw => crate::simd::avx512bw(),
        #[cfg(target_arch = "x86_64")]
        Isa::AvxVnni => crate::simd::avxvnni(),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni => crate::simd::avx512vnni(),
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512Bw | Isa::AvxVnni | Isa::Avx512Vnni => None,
    }
}
