//! Which scale and zero point an element has: the tensor's, its channel's or its block's.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use onnx_model::Tensor;

/// How scales lie over a tensor (ONNX QuantizeLinear and DequantizeLinear).
#[derive(Debug, PartialEq)]
pub(super) enum Granularity {
    PerTensor,
    /// One for each of `size` indices of an axis with `inner` elements behind it.
    PerAxis {
        size: usize,
        inner: usize,
    },
    /// One for `block` consecutive indices of an axis of `size`, with `inner` elements behind it.
    Blocked {
        size: usize,
        inner: usize,
        block: usize,
    },
}

impl Granularity {
    /// How `scale` lies over a tensor of `shape`; `block_size` is 0 where scales are not of blocks.
    pub(super) fn new(shape: &[usize], scale: &Tensor, axis: i64, block_size: usize) -> Result<Self, String> {
        let scales = &scale.shape;
        if block_size == 0 && scale.data.len() == 1 && scales.len() <= 1 {
            return Ok(Self::PerTensor);
        }
        let rank = shape.len() as i64;
        let axis = usize::try_from(if axis < 0 { axis.saturating_add(rank) } else { axis }).ok();
        let Some((axis, &size)) = axis.and_then(|axis| Some((axis, shape.get(axis)?))) else {
            return Err(format!("its axis is outside of a tensor of {rank} dimensions"));
        };
        let inner = shape[axis + 1..].iter().product();
        if block_size > 0 {
            let mut blocks = shape.to_vec();
            blocks[axis] = size.div_ceil(block_size);
            if *scales != blocks {
                return Err(format!("its scales have the shape {scales:?}, its blocks {blocks:?}"));
            }
            return Ok(Self::Blocked { size, inner, block: block_size });
        }
        if *scales != [size] {
            return Err(format!("its scales have the shape {scales:?}, its axis {axis} has {size} channels"));
        }
        Ok(Self::PerAxis { size, inner })
    }

    /// Index of the scale of an element, both in row-major order.
    pub(super) fn index(&self, element: usize) -> usize {
        match *self {
            Self::PerTensor => 0,
            Self::PerAxis { size, inner } => element / inner % size,
            Self::Blocked { size, inner, block } => {
                let (outer, along, behind) = (element / inner / size, element / inner % size, element % inner);
                (outer * size.div_ceil(block) + along / block) * inner + behind
            }
        }
    }
}

/// Zero points for as many scales, all 0 where the input is left out.
pub(super) fn zero_points(tensor: Option<&Tensor>, scales: usize) -> Result<Vec<i64>, String> {
    let Some(tensor) = tensor else { return Ok(vec![0; scales]) };
    let values = super::integers(tensor, "zero_point")?;
    if values.len() == scales {
        Ok(values)
    } else {
        Err(format!("it has {} zero points for {scales} scales", values.len()))
    }
}
