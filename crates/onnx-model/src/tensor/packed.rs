//! Integers of fewer than 8 bits: several to a byte, the first in the lowest bits (`TensorProto` of ONNX).

use alloc::vec;
use alloc::vec::Vec;

/// The first `count` elements of `bits` bits each, 2 or 4, as unsigned numbers.
pub(super) fn unpack(bytes: &[u8], count: usize, bits: u32) -> Vec<u8> {
    let mask = (1u8 << bits) - 1;
    let of_byte = |&byte: &u8| (0..8 / bits).map(move |place| (byte >> (place * bits)) & mask);
    bytes.iter().flat_map(of_byte).take(count).collect()
}

/// The lowest `bits` bits of each element; what is left of the last byte is 0.
pub(super) fn pack(elements: impl ExactSizeIterator<Item = u8>, bits: u32) -> Vec<u8> {
    let per_byte = (8 / bits) as usize;
    let mask = (1u8 << bits) - 1;
    let mut bytes = vec![0; elements.len().div_ceil(per_byte)];
    for (index, element) in elements.enumerate() {
        bytes[index / per_byte] |= (element & mask) << ((index % per_byte) as u32 * bits);
    }
    bytes
}

/// The number of `bits` bits in two's complement as a wider one.
pub(super) fn sign_extend(element: u8, bits: u32) -> i8 {
    let unused = 8 - bits;
    ((element << unused) as i8) >> unused
}
