//! Home of the criterion benches in `benches/`.
