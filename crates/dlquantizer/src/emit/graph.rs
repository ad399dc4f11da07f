//! Puts QuantizeLinear and DequantizeLinear nodes and integer constants into the graph.

use std::collections::BTreeMap;

use onnx_model::graph::{GraphIndex, Names, node, remove_unused, sort_topologically};
use onnx_model::proto::{GraphProto, NodeProto, TensorProto};
use onnx_model::{Model, Tensor};

use super::EmittedLayer;
use super::weights::{self, QuantizedBias};
use crate::constants::float_constant;
use crate::{ActivationType, Error, Layer, LayerRecipe, Precision, QuantParams};

/// The quantized graph and what became of each layer.
pub(crate) fn quantized(
    model: &Model,
    layers: &[(&Layer, LayerRecipe)],
    activations: &BTreeMap<String, QuantParams>,
    activation_type: ActivationType,
) -> Result<(GraphProto, Vec<EmittedLayer>), Error> {
    let source = model.graph();
    let index = GraphIndex::new(source)?;
    let mut writer = Writer { index: &index, graph: source.clone(), names: Names::of(source) };
    for (tensor, params) in activations {
        writer.activation(tensor, *params, activation_type)?;
    }
    let mut emitted = Vec::with_capacity(layers.len());
    for (layer, choice) in layers {
        let (precision, input) = match (choice.precision, activations.get(&layer.input)) {
            (Precision::Int8, Some(input)) => (Precision::Int8, Some(*input)),
            _ => (Precision::Float, None),
        };
        let mut weight_scales = Vec::new();
        if let Some(input) = input {
            let missing = |name: &String| Error::NotCalibrated(name.clone());
            let (shape, values) = float_constant(&index, &layer.weights)?.ok_or_else(|| missing(&layer.weights))?;
            let bias = match &layer.bias {
                Some(name) => Some(float_constant(&index, name)?.ok_or_else(|| missing(name))?.1),
                None => None,
            };
            let quantized = weights::quantize(layer, &values, bias.as_deref(), choice.weights, input)?;
            let integers = Tensor::i8("", &shape, quantized.weights)?;
            writer.weights(layer, integers, &quantized.scales)?;
            if let (Some(name), Some(bias)) = (&layer.bias, quantized.bias) {
                writer.bias(layer, name, bias)?;
            }
            weight_scales = quantized.scales;
        }
        emitted.push(EmittedLayer {
            name: layer.name.clone(),
            kind: layer.kind.clone(),
            precision,
            weight_scales,
            input,
            output: if precision == Precision::Int8 { activations.get(&layer.output).copied() } else { None },
        });
    }
    let mut graph = writer.graph;
    sort_topologically(&mut graph)?;
    remove_unused(&mut graph)?;
    Ok((graph, emitted))
}

struct Writer<'g> {
    /// Of the float graph; new nodes come behind its nodes, so that its positions stay right.
    index: &'g GraphIndex<'g>,
    graph: GraphProto,
    names: Names,
}

impl Writer<'_> {
    /// Quantizes `tensor`; every node that reads it reads the dequantized form from now on. Outputs of the graph stay float.
    fn activation(&mut self, tensor: &str, params: QuantParams, activation_type: ActivationType) -> Result<(), Error> {
        let zero_point = params.zero_point;
        let zero_point = match activation_type {
            ActivationType::U8 => Tensor::u8("", &[], vec![zero_point as u8])?,
            ActivationType::I8 => Tensor::i8("", &[], vec![zero_point as i8])?,
        };
        let scale = self.constant(&format!("{tensor}_scale"), Tensor::f32("", &[], vec![params.scale])?);
        let zero_point = self.constant(&format!("{tensor}_zero_point"), zero_point);
        let integers = self.names.fresh(&format!("{tensor}_quantized"));
        let name = self.names.fresh(&format!("{tensor}_QuantizeLinear"));
        self.graph.node.push(node("QuantizeLinear", &name, &[tensor, &scale, &zero_point], &[&integers]));
        let dequantized = self.dequantize(tensor, [&integers, &scale, &zero_point], None);
        for &reader in self.index.consumers(tensor) {
            replace(&mut self.graph.node[reader], tensor, &dequantized);
        }
        Ok(())
    }

    /// Gives the first node of `layer` integer weights. Weights that layers share are quantized once for each.
    fn weights(&mut self, layer: &Layer, integers: Tensor, scales: &[f32]) -> Result<(), Error> {
        let zeros = |shape: &[usize]| Tensor::i8("", shape, vec![0; scales.len()]);
        let axis = if layer.transposed { 0 } else { 1 };
        let dequantized = self.parameter(layer, &layer.weights, integers, scales, axis, zeros)?;
        if let Some(product) = layer.tensors.first().and_then(|tensor| self.index.producer(tensor)) {
            self.graph.node[product].input[1] = dequantized;
        }
        Ok(())
    }

    /// Gives `layer`, in its Gemm or its Add, an integer bias.
    fn bias(&mut self, layer: &Layer, name: &str, bias: QuantizedBias) -> Result<(), Error> {
        let QuantizedBias { values, scales } = bias;
        let zeros = |shape: &[usize]| Tensor::i32("", shape, vec![0; scales.len()]);
        let integers = Tensor::i32("", &[values.len()], values)?;
        let dequantized = self.parameter(layer, name, integers, &scales, 0, zeros)?;
        for position in layer.tensors.iter().filter_map(|tensor| self.index.producer(tensor)) {
            match self.graph.node[position].op_type() {
                "Gemm" => self.graph.node[position].input[2].clone_from(&dequantized),
                "Add" => replace(&mut self.graph.node[position], name, &dequantized),
                _ => {}
            }
        }
        Ok(())
    }

    /// Stores the integers of a constant and returns the name of its dequantized form.
    fn parameter(
        &mut self,
        layer: &Layer,
        name: &str,
        integers: Tensor,
        scales: &[f32],
        axis: i64,
        zeros: impl Fn(&[usize]) -> Result<Tensor, onnx_model::Error>,
    ) -> Result<String, Error> {
        let per_channel = scales.len() == layer.outputs;
        let shape: &[usize] = if per_channel { &[scales.len()] } else { &[] };
        let stored = self.constant(&format!("{name}_quantized"), integers);
        let scale = self.constant(&format!("{name}_scale"), Tensor::f32("", shape, scales.to_vec())?);
        let zero_point = self.constant(&format!("{name}_zero_point"), zeros(shape)?);
        Ok(self.dequantize(name, [&stored, &scale, &zero_point], per_channel.then_some(axis)))
    }

    fn dequantize(&mut self, tensor: &str, inputs: [&str; 3], axis: Option<i64>) -> String {
        let dequantized = self.names.fresh(&format!("{tensor}_dequantized"));
        let name = self.names.fresh(&format!("{tensor}_DequantizeLinear"));
        let linear = node("DequantizeLinear", &name, &inputs, &[&dequantized]);
        self.graph.node.push(if let Some(axis) = axis { linear.with_int("axis", axis) } else { linear });
        dequantized
    }

    fn constant(&mut self, base: &str, tensor: Tensor) -> String {
        let name = self.names.fresh(base);
        self.graph.initializer.push(TensorProto { name: Some(name.clone()), ..tensor.to_proto() });
        name
    }
}

fn replace(node: &mut NodeProto, old: &str, new: &str) {
    for input in node.input.iter_mut().filter(|input| *input == old) {
        new.clone_into(input);
    }
}
