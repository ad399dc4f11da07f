//! Integer matrix kernels on plain slices: u8 x s8 products, requantization, quantize, dequantize and lookup.
