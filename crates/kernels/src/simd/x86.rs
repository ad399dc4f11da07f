//! Detection of x86-64 instruction sets; each one's vectors have a file of their own.

mod avx2;
mod avx512;
mod avx512bw;
mod avx512vnni;

use core::arch::x86_64::__cpuid_count;
use core::sync::atomic::{AtomicU8, Ordering};

use avx2::Avx2;
use avx512::Avx512;
use avx512bw::Madd;
use avx512vnni::Vnni;

use super::vectorized::Vectorized;
use crate::Kernel;

cpufeatures::new!(has_avx2, "avx2", "fma");
cpufeatures::new!(has_avx512, "avx2", "avx512f", "avx512bw", "avx512vl");
cpufeatures::new!(has_vbmi, "avx512f", "avx512bw", "avx512vl", "avx512vbmi");

/// The AVX2 kernel with FMA, if the CPU and the operating system support it.
pub(crate) fn avx2() -> Option<&'static dyn Kernel> {
    // SAFETY: handed out only after detection.
    static KERNEL: Vectorized<Avx2> = unsafe { Vectorized::new() };
    has_avx2::get().then_some(&KERNEL)
}

/// The kernel of AVX-512 without VNNI, if the CPU and the operating system support it.
pub(crate) fn avx512bw() -> Option<&'static dyn Kernel> {
    // SAFETY: handed out only after detection.
    static KERNEL: Vectorized<Avx512<Madd>> = unsafe { Vectorized::new() };
    has_avx512::get().then_some(&KERNEL)
}

/// The AVX-512-VNNI kernel, if the CPU and the operating system support it.
pub(crate) fn avx512vnni() -> Option<&'static dyn Kernel> {
    // SAFETY: handed out only after detection.
    static KERNEL: Vectorized<Avx512<Vnni>> = unsafe { Vectorized::new() };
    (has_avx512::get() && has_vnni()).then_some(&KERNEL)
}

/// Whether the CPU has AVX-512 VNNI, which `cpufeatures` does not know; asked once, as CPUID is slow in a virtual machine.
fn has_vnni() -> bool {
    const UNKNOWN: u8 = 2;
    static CACHE: AtomicU8 = AtomicU8::new(UNKNOWN);
    match CACHE.load(Ordering::Relaxed) {
        UNKNOWN => {
            // Leaf 7 exists wherever AVX-512 does. Bit 11 of ECX is AVX512_VNNI.
            let found = __cpuid_count(7, 0).ecx >> 11 & 1 == 1;
            CACHE.store(found.into(), Ordering::Relaxed);
            found
        }
        known => known == 1,
    }
}
