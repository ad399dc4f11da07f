//! Post-training quantization: prepare, calibrate, choose ranges, emit int8, validate.
