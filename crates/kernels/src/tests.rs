//! Every kernel against the contract written the naive way.
//!
//! They are unit tests because only those have the twin of the AVX-VNNI kernel, see `simd/x86/avxvnni.rs`.

mod elementwise;
mod matmul;
mod matmul_blocked;
mod matmul_f32;
mod matrix;
mod oracle;
mod soak;

#[cfg(target_arch = "x86_64")]
#[test]
fn either_encoding_of_vpdpbusd_brings_the_kernel_of_256_bits() {
    use std::arch::is_x86_feature_detected;
    let either = is_x86_feature_detected!("avxvnni")
        || is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512vl");
    assert!(!either || crate::with_isa(crate::Isa::AvxVnni).is_some());
}
