//! Compiles an ONNX model once into a plan and runs it with integer kernels.
