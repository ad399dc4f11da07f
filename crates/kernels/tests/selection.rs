//! Which kernels a machine offers, and the names of instruction sets.

use kernels::{Isa, available, best, with_isa};

#[test]
fn fastest_first_and_scalar_always_last() {
    let found: Vec<Isa> = available().map(|kernel| kernel.isa()).collect();
    assert!(found.is_sorted_by(|a, b| a > b), "{found:?}");
    assert_eq!(found.last(), Some(&Isa::Scalar));
    assert_eq!(best().isa(), found[0]);
    for isa in Isa::ALL {
        assert_eq!(with_isa(isa).map(|kernel| kernel.isa()), found.contains(&isa).then_some(isa));
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn detection_agrees_with_the_standard_library() {
    let avx2 = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
    let avx512bw = avx2
        && std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512vl");
    let avx512vnni = avx512bw && std::arch::is_x86_feature_detected!("avx512vnni");
    assert_eq!(with_isa(Isa::Avx2).is_some(), avx2);
    assert_eq!(with_isa(Isa::Avx512Bw).is_some(), avx512bw);
    assert_eq!(with_isa(Isa::Avx512Vnni).is_some(), avx512vnni);
    let avxvnni = avx2 && std::arch::is_x86_feature_detected!("avxvnni");
    assert_eq!(with_isa(Isa::AvxVnni).is_some(), avxvnni);
}

#[test]
fn names_round_trip() {
    for isa in Isa::ALL {
        assert_eq!(isa.to_string().parse(), Ok(isa));
        assert_eq!(isa.to_string().to_uppercase().parse(), Ok(isa));
    }
    assert!(Isa::ALL.is_sorted());
    assert_eq!(format!("{:>8}", Isa::Avx2), "    avx2");
    let error = "avx3".parse::<Isa>().unwrap_err();
    assert_eq!(error.to_string(), "unknown instruction set; known are scalar avx2 avx512bw avxvnni avx512vnni");
}
