//! Constant 8-bit weights of a layer of integers, as the kernels take them.

use alloc::vec;
use alloc::vec::Vec;

use kernels::Weights;
use onnx_model::TensorData;

/// Row-major `[k, n]`, zero points `[n]` or none.
pub(super) struct IntegerWeights {
    values: Vec<i8>,
    k: usize,
    n: usize,
    zero_points: Vec<i8>,
}

impl IntegerWeights {
    /// From integers `[k, n]`, or `[n, k]` where they are `transposed`, and a zero point for each output channel, both in the numbers of the
    /// file.
    pub(super) fn new(
        [rows, columns]: [usize; 2],
        transposed: bool,
        (unsigned, wide): (bool, Vec<i16>),
        mut zero_points: Vec<i16>,
    ) -> Self {
        let (k, n) = if transposed { (columns, rows) } else { (rows, columns) };
        let output = |index: usize| if transposed { index / columns } else { index % columns };
        let fits = |(index, &value): (usize, &i16)| i8::try_from(value - zero_points[output(index)]).is_ok();
        // An integer less its zero point is the same weight without one, as long as it fits 8 bits; symmetric weights are the faster ones.
        let shift: Vec<i16> = match wide.iter().enumerate().all(fits) {
            true => core::mem::take(&mut zero_points),
            false if unsigned => vec![128; n],
            false => vec![0; n],
        };
        zero_points.iter_mut().zip(&shift).for_each(|(zero_point, shift)| *zero_point -= shift);
        let mut values = vec![0; k * n];
        for (index, value) in wide.into_iter().enumerate() {
            let output = output(index);
            let input = if transposed { index % columns } else { index / columns };
            values[input * n + output] = (value - shift[output]) as i8;
        }
        Self { values, k, n, zero_points: zero_points.into_iter().map(|zero_point| zero_point as i8).collect() }
    }

    /// For the kernels, which may count on inputs within `input_levels`.
    pub(super) fn for_inputs(&self, input_levels: (u8, u8)) -> Weights<'_> {
        Weights { zero_points: &self.zero_points, input_levels, ..Weights::new(&self.values, self.k, self.n) }
    }
}

/// The values of an 8-bit tensor, and whether they are unsigned.
pub(super) fn integers(data: &TensorData) -> Option<(bool, Vec<i16>)> {
    match data {
        TensorData::U8(values) => Some((true, values.iter().map(|&value| value.into()).collect())),
        TensorData::I8(values) => Some((false, values.iter().map(|&value| value.into()).collect())),
        _ => None,
    }
}
