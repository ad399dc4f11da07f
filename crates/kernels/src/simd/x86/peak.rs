//! Loops at the limit of a core, in assembly so that nothing is moved out of them.
//!
//! Registers 0 to 11 are sums, enough to hide the latency of every instruction here; 12 takes products, 13 to 15 are operands.

use core::arch::asm;
use core::num::NonZeroU32;

use crate::Isa;
use crate::peak::{Loop, Peak, READ_AT_ONCE, Read};

/// Sums that advance side by side in each loop.
const SUMS: u64 = 12;

/// Operands of a multiplication: any bytes will do, and as f32 they are small normal numbers.
#[repr(align(64))]
struct Operand([u8; 64]);

static OPERAND: Operand = Operand([0x3b; 64]);

/// The lines that `$line` makes for each sum.
macro_rules! each_sum {
    ($line:ident) => {
        concat!(
            $line!("0"),
            $line!("1"),
            $line!("2"),
            $line!("3"),
            $line!("4"),
            $line!("5"),
            $line!("6"),
            $line!("7"),
            $line!("8"),
            $line!("9"),
            $line!("10"),
            $line!("11")
        )
    };
}

/// A function that repeats, on a CPU with `$features`, the lines of each sum on vectors of the kind `$vector`.
macro_rules! repeat {
    ($name:ident, $features:literal, $vector:literal, $line:ident) => {
        fn $name(rounds: NonZeroU32) {
            #[target_feature(enable = $features)]
            fn run(rounds: u64) {
                // SAFETY: it reads the 64 bytes of `OPERAND`, and all it writes are `rcx` and vector registers, which are clobbered.
                unsafe {
                    asm!(
                        concat!("vmovups ", $vector, "13, [{operand}]"),
                        concat!("vmovups ", $vector, "14, [{operand}]"),
                        concat!("vmovups ", $vector, "15, [{operand}]"),
                        each_sum!(zero),
                        "2:",
                        each_sum!($line),
                        "dec rcx",
                        "jnz 2b",
                        "vzeroupper",
                        operand = in(reg) OPERAND.0.as_ptr(),
                        inout("rcx") rounds => _,
                        clobber_abi("sysv64"),
                        options(nostack, readonly),
                    );
                }
            }
            // SAFETY: `of` hands this out only on a CPU with these features.
            unsafe { run(rounds.get().into()) }
        }
    };
}

/// A function that loads `READ_AT_ONCE` bytes at a time, by these lines, from front to back.
macro_rules! read {
    ($name:ident, $features:literal, [$($load:literal),*]) => {
        fn $name(bytes: &[u8]) {
            #[target_feature(enable = $features)]
            fn run(bytes: &[u8]) {
                debug_assert!(!bytes.is_empty() && bytes.len().is_multiple_of(READ_AT_ONCE));
                // SAFETY: it reads `READ_AT_ONCE` bytes at a time, of which `bytes` has a whole number above 0, and all it writes are `rcx`, `rdx`
                // and vector registers, which are clobbered.
                unsafe {
                    asm!(
                        "2:",
                        $($load,)*
                        "add rdx, 512",
                        "sub rcx, 512",
                        "jnz 2b",
                        "vzeroupper",
                        inout("rdx") bytes.as_ptr() => _,
                        inout("rcx") bytes.len() => _,
                        clobber_abi("sysv64"),
                        options(nostack, readonly),
                    );
                }
            }
            // SAFETY: `of` hands this out only on a CPU with these features.
            unsafe { run(bytes) }
        }
    };
}

macro_rules! zero {
    ($sum:literal) => {
        concat!("vxorps xmm", $sum, ", xmm", $sum, ", xmm", $sum, "\n")
    };
}

macro_rules! vpdpbusd_zmm {
    ($sum:literal) => {
        concat!("vpdpbusd zmm", $sum, ", zmm14, zmm15\n")
    };
}

macro_rules! vpdpbusd_ymm {
    ($sum:literal) => {
        concat!("{{vex}} vpdpbusd ymm", $sum, ", ymm14, ymm15\n")
    };
}

macro_rules! fma {
    ($vector:literal, $sum:literal) => {
        concat!("vfmadd231ps ", $vector, $sum, ", ", $vector, "14, ", $vector, "15\n")
    };
}

macro_rules! fma_zmm {
    ($sum:literal) => {
        fma!("zmm", $sum)
    };
}

macro_rules! fma_ymm {
    ($sum:literal) => {
        fma!("ymm", $sum)
    };
}

/// Half of the bytes of a vector, widened to 16 bits.
macro_rules! half {
    ($vector:literal, $sum:literal) => {
        concat!(
            "vpmaddwd ",
            $vector,
            "12, ",
            $vector,
            "14, ",
            $vector,
            "15\n",
            "vpaddd ",
            $vector,
            $sum,
            ", ",
            $vector,
            $sum,
            ", ",
            $vector,
            "12\n"
        )
    };
}

macro_rules! vpmaddwd_zmm {
    ($sum:literal) => {
        concat!(half!("zmm", $sum), half!("zmm", $sum))
    };
}

macro_rules! vpmaddwd_ymm {
    ($sum:literal) => {
        concat!(half!("ymm", $sum), half!("ymm", $sum))
    };
}

macro_rules! vpmaddubsw {
    ($vector:literal, $sum:literal) => {
        concat!(
            "vpmaddubsw ",
            $vector,
            "12, ",
            $vector,
            "14, ",
            $vector,
            "15\n",
            "vpmaddwd ",
            $vector,
            "12, ",
            $vector,
            "12, ",
            $vector,
            "13\n",
            "vpaddd ",
            $vector,
            $sum,
            ", ",
            $vector,
            $sum,
            ", ",
            $vector,
            "12\n"
        )
    };
}

macro_rules! vpmaddubsw_zmm {
    ($sum:literal) => {
        vpmaddubsw!("zmm", $sum)
    };
}

macro_rules! vpmaddubsw_ymm {
    ($sum:literal) => {
        vpmaddubsw!("ymm", $sum)
    };
}

repeat!(dot_512, "avx512f,avx512bw,avx512vnni", "zmm", vpdpbusd_zmm);
repeat!(dot_256, "avx2,avxvnni", "ymm", vpdpbusd_ymm);
repeat!(wide_512, "avx512f,avx512bw", "zmm", vpmaddwd_zmm);
repeat!(wide_256, "avx2", "ymm", vpmaddwd_ymm);
repeat!(pairs_512, "avx512f,avx512bw", "zmm", vpmaddubsw_zmm);
repeat!(pairs_256, "avx2", "ymm", vpmaddubsw_ymm);
repeat!(float_512, "avx512f", "zmm", fma_zmm);
repeat!(float_256, "avx2,fma", "ymm", fma_ymm);

read!(
    read_512,
    "avx512f",
    [
        "vmovups zmm0, [rdx]",
        "vmovups zmm1, [rdx + 64]",
        "vmovups zmm2, [rdx + 128]",
        "vmovups zmm3, [rdx + 192]",
        "vmovups zmm4, [rdx + 256]",
        "vmovups zmm5, [rdx + 320]",
        "vmovups zmm6, [rdx + 384]",
        "vmovups zmm7, [rdx + 448]"
    ]
);
read!(
    read_256,
    "avx2",
    [
        "vmovups ymm0, [rdx]",
        "vmovups ymm1, [rdx + 32]",
        "vmovups ymm2, [rdx + 64]",
        "vmovups ymm3, [rdx + 96]",
        "vmovups ymm4, [rdx + 128]",
        "vmovups ymm5, [rdx + 160]",
        "vmovups ymm6, [rdx + 192]",
        "vmovups ymm7, [rdx + 224]",
        "vmovups ymm0, [rdx + 256]",
        "vmovups ymm1, [rdx + 288]",
        "vmovups ymm2, [rdx + 320]",
        "vmovups ymm3, [rdx + 352]",
        "vmovups ymm4, [rdx + 384]",
        "vmovups ymm5, [rdx + 416]",
        "vmovups ymm6, [rdx + 448]",
        "vmovups ymm7, [rdx + 480]"
    ]
);

/// The loops of an instruction set that the CPU has.
pub(crate) fn peak(isa: Isa) -> Option<Peak> {
    let bytes = |run, lanes: u64| Loop::new(run, 4 * lanes * SUMS);
    let float = |run, lanes: u64| Loop::new(run, lanes * SUMS);
    let of_256 = |int8, proven| Peak {
        int8: bytes(int8, 8),
        int8_proven: bytes(proven, 8),
        float: float(float_256, 8),
        read: Read::new(read_256),
    };
    let of_512 = |int8, proven| Peak {
        int8: bytes(int8, 16),
        int8_proven: bytes(proven, 16),
        float: float(float_512, 16),
        read: Read::new(read_512),
    };
    match isa {
        Isa::Scalar => None,
        Isa::Avx2 => Some(of_256(wide_256, pairs_256)),
        // Tests have a kernel of this name on machines that lack the encoding.
        Isa::AvxVnni => super::has_vnni().vex.then(|| of_256(dot_256, dot_256)),
        Isa::Avx512Bw => Some(of_512(wide_512, pairs_512)),
        Isa::Avx512Vnni => Some(of_512(dot_512, dot_512)),
    }
}
