//! The loops at the limit of a core run, end, and count what they do.

use std::num::NonZeroU32;

use kernels::{Isa, available, peak};

#[test]
fn every_instruction_set_of_the_machine_but_scalar_has_loops() {
    assert!(peak::of(Isa::Scalar).is_none());
    for isa in Isa::ALL.into_iter().filter(|&isa| isa != Isa::Scalar) {
        assert_eq!(peak::of(isa).is_some(), available().any(|kernel| kernel.isa() == isa), "{isa}");
    }
}

#[test]
fn they_count_products_and_bytes_and_take_longer_for_more() {
    let bytes = vec![1_u8; 2000];
    for (isa, peak) in Isa::ALL.into_iter().filter_map(|isa| Some((isa, peak::of(isa)?))) {
        let products =
            |rounds| [peak.int8, peak.int8_proven, peak.float].map(|work| work.run(NonZeroU32::new(rounds).unwrap()));
        let once = products(1);
        assert!(once.iter().all(|&products| products % (8 * 12) == 0 && products > 0), "{isa}: {once:?}");
        assert_eq!((once[0], once[1]), (4 * once[2], 4 * once[2]), "{isa}");
        assert_eq!(products(1000), once.map(|products| 1000 * products), "{isa}");
        let start = bytes.as_ptr().align_offset(64);
        for (from, len, loaded) in
            [(0, 0, 0), (0, 511, 0), (0, 512, 512), (1, 1024, 512), (64, 512, 512), (0, 1600, 1536)]
        {
            assert_eq!(peak.read.run(&bytes[start + from..][..len]), loaded, "{isa} {from} {len}");
        }
        // With 250 times the rounds it takes at least 50 times as long, however noisy the machine: the work is done.
        for work in [peak.int8, peak.int8_proven, peak.float] {
            let time = |rounds| {
                let timed = || {
                    let start = std::time::Instant::now();
                    work.run(NonZeroU32::new(rounds).unwrap());
                    start.elapsed()
                };
                (0..20).map(|_| timed()).min().unwrap()
            };
            let (short, long) = (time(1_000), time(1_000_000 / 4));
            assert!(long > 50 * short, "{isa}: {short:?} {long:?}");
        }
    }
}
