//! Detection of x86-64 instruction sets; each one's vectors have a file of their own.

mod avx2;
mod avx256;
mod avx512;
mod avx512bw;
mod avx512vnni;
mod avxvnni;
pub(super) mod peak;

use core::arch::x86_64::__cpuid_count;
use core::sync::atomic::{AtomicU8, Ordering};

use avx256::Avx256;
use avx512::Avx512;

use super::vectorized::Vectorized;
use crate::Kernel;

cpufeatures::new!(has_avx2, "avx2", "fma");
cpufeatures::new!(has_avx512, "avx2", "avx512f", "avx512bw", "avx512vl");
cpufeatures::new!(has_vbmi, "avx512f", "avx512bw", "avx512vl", "avx512vbmi");

/// The AVX2 kernel with FMA, if the CPU and the operating system support it.
pub(crate) fn avx2() -> Option<&'static dyn Kernel> {
    // SAFETY: handed out only after detection.
    static KERNEL: Vectorized<Avx256<avx2::Madd>> = unsafe { Vectorized::new() };
    has_avx2::get().then_some(&KERNEL)
}

/// The kernel of AVX-512 without VNNI, if the CPU and the operating system support it.
pub(crate) fn avx512bw() -> Option<&'static dyn Kernel> {
    // SAFETY: handed out only after detection.
    static KERNEL: Vectorized<Avx512<avx512bw::Madd>> = unsafe { Vectorized::new() };
    has_avx512::get().then_some(&KERNEL)
}

/// The AVX-VNNI kernel, if the CPU and the operating system support it.
pub(crate) fn avxvnni() -> Option<&'static dyn Kernel> {
    // SAFETY: handed out only after detection.
    static KERNEL: Vectorized<Avx256<avxvnni::Vnni<avxvnni::Vex>>> = unsafe { Vectorized::new() };
    if has_avx2::get() && has_vnni().vex {
        return Some(&KERNEL);
    }
    #[cfg(test)]
    if has_avx512::get() && has_vnni().evex {
        // SAFETY: handed out only after detection.
        static TWIN: Vectorized<Avx256<avxvnni::Vnni<avxvnni::Evex>>> = unsafe { Vectorized::new() };
        return Some(&TWIN);
    }
    None
}

/// The AVX-512-VNNI kernel, if the CPU and the operating system support it.
pub(crate) fn avx512vnni() -> Option<&'static dyn Kernel> {
    // SAFETY: handed out only after detection.
    static KERNEL: Vectorized<Avx512<avx512vnni::Vnni>> = unsafe { Vectorized::new() };
    (has_avx512::get() && has_vnni().evex).then_some(&KERNEL)
}

/// The encodings of `vpdpbusd` that a CPU has.
#[derive(Clone, Copy)]
struct Encodings {
    /// AVX-VNNI, 256 bits.
    vex: bool,
    /// AVX512_VNNI, 512 bits.
    evex: bool,
}

/// Both flags are unknown to `cpufeatures`; asked once, as CPUID is slow in a virtual machine. Only for a CPU that has AVX2, and with it leaf 7.
fn has_vnni() -> Encodings {
    const UNKNOWN: u8 = 4;
    static CACHE: AtomicU8 = AtomicU8::new(UNKNOWN);
    let known = match CACHE.load(Ordering::Relaxed) {
        UNKNOWN => {
            let features = __cpuid_count(7, 0);
            // Subleaf 1 exists where subleaf 0 says so in EAX.
            let vex = features.eax >= 1 && __cpuid_count(7, 1).eax >> 4 & 1 == 1;
            let evex = features.ecx >> 11 & 1 == 1;
            let found = u8::from(vex) | u8::from(evex) << 1;
            CACHE.store(found, Ordering::Relaxed);
            found
        }
        known => known,
    };
    Encodings { vex: known & 1 != 0, evex: known & 2 != 0 }
}
