//! Trains small float networks and writes them as ONNX models.
