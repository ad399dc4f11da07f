//! Questions the compiler asks about an ONNX graph.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

use onnx_model::graph::describe;
use onnx_model::graph::{GraphIndex, reads_of};
use onnx_model::proto::{GraphProto, NodeProto};
use onnx_model::{DataType, Dim, Model, Tensor, ValueInfo};

use crate::Error;
use crate::operators::{Operands, Operator, refused_type};
use crate::quantization::QuantParams;

/// A node's operator if it is one of ONNX's own; nothing is known of other domains'.
pub(crate) fn op(node: &NodeProto) -> &str {
    match node.domain() {
        "" | "ai.onnx" => node.op_type(),
        _ => "",
    }
}

/// An indexed graph with the answers the pattern matchers need.
pub(crate) struct Graph<'a> {
    #[cfg(feature = "float")]
    pub(crate) model: &'a Model,
    pub(crate) proto: &'a GraphProto,
    pub(crate) index: GraphIndex<'a>,
    pub(crate) opset: i64,
    /// The batch size that the file fixes, and the input it fixes it for.
    pub(crate) fixed_batch: Option<(usize, &'a str)>,
}

/// A DequantizeLinear node as the patterns see it.
pub(crate) struct Dequantize<'a> {
    pub(crate) input: &'a str,
    pub(crate) params: QuantParams,
}

impl<'a> Graph<'a> {
    pub(crate) fn new(model: &'a Model) -> Result<Self, Error> {
        let proto = model.graph();
        let mut graph = Self {
            #[cfg(feature = "float")]
            model,
            proto,
            index: GraphIndex::new(proto)?,
            opset: model.opset(),
            fixed_batch: None,
        };
        let fixed_batch = graph.inputs().find_map(|(name, input)| match input.shape?.first()? {
            Dim::Fixed(batch) if *batch > 0 => Some((*batch, name)),
            _ => None,
        });
        graph.fixed_batch = fixed_batch;
        Ok(graph)
    }

    /// Names of the tensors a node reads, subgraphs included.
    pub(crate) fn reads(&self, node: usize) -> impl Iterator<Item = &'a str> {
        reads_of(&self.proto.node[node]).into_iter()
    }

    pub(crate) fn producer(&self, tensor: &str) -> Option<(usize, &'a NodeProto)> {
        self.index.producer(tensor).map(|node| (node, &self.proto.node[node]))
    }

    /// Whether the tensor is an initializer or the output of a Constant node.
    pub(crate) fn is_constant(&self, tensor: &str) -> bool {
        self.index.initializer(tensor).is_some()
            || self.producer(tensor).is_some_and(|(_, node)| op(node) == "Constant")
    }

    /// Whether a constant is quantized or dequantized to the tensor.
    fn is_folded(&self, tensor: &str) -> bool {
        self.producer(tensor).is_some_and(|(_, node)| {
            matches!(op(node), "QuantizeLinear" | "DequantizeLinear")
                && node.input.iter().all(|input| input.is_empty() || self.is_constant(input))
        })
    }

    /// Whether the value of the tensor is known before any data is.
    pub(crate) fn is_known(&self, tensor: &str) -> bool {
        self.is_constant(tensor) || self.is_folded(tensor)
    }

    /// The value of a tensor that is a quantized or dequantized constant.
    ///
    /// # Errors
    ///
    /// When it is one whose value cannot be computed.
    pub(crate) fn folded(&self, tensor: &str) -> Result<Option<Tensor>, Error> {
        let Some((_, node)) = self.producer(tensor).filter(|_| self.is_folded(tensor)) else { return Ok(None) };
        let Some(operator) = Operator::of(node)? else { return Ok(None) };
        let mut operands = Vec::with_capacity(node.input.len());
        for input in &node.input {
            operands.push(if input.is_empty() { None } else { Some(self.operand(node, input)?) });
        }
        let operands: Vec<Option<&Tensor>> = operands.iter().map(Option::as_ref).collect();
        let invalid = |reason| Error::Invalid { node: describe(node), reason };
        let folded = operator.run(&Operands(&operands)).map_err(invalid)?.pop();
        Ok(folded.map(|value| Tensor { name: tensor.to_owned(), ..value }))
    }

    /// The value of a constant that a quantization operator reads.
    ///
    /// # Errors
    ///
    /// When it is of a type that cannot be computed with.
    pub(crate) fn operand(&self, node: &NodeProto, tensor: &str) -> Result<Tensor, Error> {
        match self.index.constant(tensor) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(Error::NoSuchTensor(tensor.to_owned())),
            Err(onnx_model::Error::UnsupportedType { data_type, .. }) => {
                Err(refused_type(node, &format!("its input \"{tensor}\""), data_type))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Shape of a constant tensor, without decoding it where it is an initializer.
    pub(crate) fn constant_shape(&self, tensor: &str) -> Option<Vec<usize>> {
        match self.index.initializer(tensor) {
            Some(proto) => proto.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect(),
            None => self.constant(tensor).map(|tensor| tensor.shape),
        }
    }

    /// Type of a constant tensor, without decoding it where it is an initializer.
    pub(crate) fn constant_type(&self, tensor: &str) -> Option<DataType> {
        match self.index.initializer(tensor) {
            Some(proto) => DataType::try_from(proto.data_type()).ok(),
            None => Some(self.constant(tensor)?.data.data_type()),
        }
    }

    /// Shape of a constant f32 tensor.
    pub(crate) fn float_shape(&self, tensor: &str) -> Option<Vec<usize>> {
        if self.constant_type(tensor)? == DataType::Float { self.constant_shape(tensor) } else { None }
    }

    /// The value of a constant tensor; `None` when the tensor is computed or its type has no plain values.
    pub(crate) fn constant(&self, tensor: &str) -> Option<Tensor> {
        self.index.constant(tensor).ok().flatten()
    }

    /// The value of a constant with one element.
    pub(crate) fn scalar(&self, tensor: &str) -> Option<f32> {
        // Asked of every operand, weights included: those are not worth decoding to learn that they are no scalars.
        if self.index.initializer(tensor).is_some_and(|proto| proto.dims.iter().any(|&dim| dim != 1)) {
            return None;
        }
        self.constant(tensor).or_else(|| self.folded(tensor).ok().flatten())?.scalar_f32().ok()
    }

    /// Per-tensor parameters of a QuantizeLinear or DequantizeLinear node on an 8-bit activation.
    ///
    /// `None` when the scale is computed, per-axis or blocked, or the type is not 8 bits: such a node is no integer step.
    pub(crate) fn quant_params(&self, node: &NodeProto) -> Result<Option<QuantParams>, Error> {
        let Some(scale) = node.input.get(1).and_then(|name| self.scalar(name)) else { return Ok(None) };
        let (zero_point, signed) = match node.input.get(2).filter(|name| !name.is_empty()) {
            // Without a zero point the type is uint8 and the zero point 0, unless `output_dtype` says otherwise.
            None => match node.attr_int("output_dtype", 0)? {
                0 | 2 => (0u8, false),
                3 => (128, true),
                _ => return Ok(None),
            },
            Some(name) => match self.constant(name).map(|tensor| tensor.data) {
                Some(onnx_model::TensorData::U8(values)) if values.len() == 1 => (values[0], false),
                Some(onnx_model::TensorData::I8(values)) if values.len() == 1 => ((values[0] as u8) ^ 0x80, true),
                _ => return Ok(None),
            },
        };
        if !(scale.is_finite() && scale > 0.0) {
            return Err(Error::Invalid {
                node: describe(node),
                reason: format!("its scale is {scale}; a scale must be finite and positive"),
            });
        }
        Ok(Some(QuantParams { scale, zero_point, signed }))
    }

    /// The tensor as the output of a DequantizeLinear node on a computed 8-bit activation.
    pub(crate) fn dequantized(&self, tensor: &str) -> Result<Option<Dequantize<'a>>, Error> {
        let Some((_, node)) = self.producer(tensor).filter(|(_, node)| op(node) == "DequantizeLinear") else {
            return Ok(None);
        };
        let Some(input) = node.input.first().filter(|input| !self.is_constant(input)) else { return Ok(None) };
        Ok(self.quant_params(node)?.map(|params| Dequantize { input, params }))
    }

    /// The DequantizeLinear node that makes `tensor` from a constant.
    pub(crate) fn constant_dequantize(&self, tensor: &str) -> Option<&'a NodeProto> {
        let (_, node) = self.producer(tensor).filter(|(_, node)| op(node) == "DequantizeLinear")?;
        self.is_constant(node.input.first()?).then_some(node)
    }

    /// What the file declares of the model's inputs.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = (&'a str, ValueInfo)> {
        let inputs = self.proto.input.iter().filter(|input| self.index.initializer(input.name()).is_none());
        inputs.map(|input| (input.name(), ValueInfo::from(input)))
    }
}
