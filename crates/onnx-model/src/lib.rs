//! An ONNX model as data: read, check, edit, write.
