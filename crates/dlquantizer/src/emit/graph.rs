//! Puts QuantizeLinear and DequantizeLinear nodes and integer constants into the graph.

use std::collections::BTreeMap;

use onnx_model::graph::{GraphIndex, Names, node, remove_unused, sort_topologically};
use onnx_model::proto::{GraphProto, NodeProto, TensorProto};
use onnx_model::{Model, Tensor};

use super::EmittedLayer;
use super::weights::{self, BiasOn, QuantizedBias};
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
    let mut writer =
        Writer { index: &index, graph: source.clone(), names: Names::of(source), dynamic: BTreeMap::new() };
    for (tensor, params) in activations {
        writer.activation(tensor, *params, activation_type)?;
    }
    let mut emitted = Vec::with_capacity(layers.len());
    for (layer, choice) in layers {
        let scales = writer.layer(layer, choice, activations.get(&layer.input).copied())?;
        let calibrated = choice.precision == Precision::Int8;
        emitted.push(EmittedLayer {
            name: layer.name.clone(),
            kind: layer.kind.clone(),
            precision: choice.precision,
            weight_scales: scales,
            input: activations.get(&layer.input).copied().filter(|_| calibrated),
            output: activations.get(&layer.output).copied().filter(|_| calibrated),
        });
    }
    let mut graph = writer.graph;
    sort_topologically(&mut graph)?;
    remove_unused(&mut graph)?;
    Ok((graph, emitted))
}

pub(super) struct Writer<'g> {
    /// Of the float graph; new nodes come behind its nodes, so that its positions stay right.
    pub(super) index: &'g GraphIndex<'g>,
    pub(super) graph: GraphProto,
    pub(super) names: Names,
    /// Integers, scale and zero point of each tensor that is quantized by the range it has in the run.
    pub(super) dynamic: BTreeMap<String, [String; 3]>,
}

impl Writer<'_> {
    /// Gives a layer the constants and nodes of its precision; returns the scales of its weights.
    fn layer(&mut self, layer: &Layer, choice: &LayerRecipe, input: Option<QuantParams>) -> Result<Vec<f32>, Error> {
        if choice.precision == Precision::Float {
            return Ok(Vec::new());
        }
        let missing = |name: &String| Error::NotCalibrated(name.clone());
        let (shape, values) = float_constant(self.index, &layer.weights)?.ok_or_else(|| missing(&layer.weights))?;
        match choice.precision {
            Precision::Int8 => {
                let input = input.ok_or_else(|| missing(&layer.input))?;
                let bias = match &layer.bias {
                    Some(name) => Some(float_constant(self.index, name)?.ok_or_else(|| missing(name))?.1),
                    None => None,
                };
                let bias = bias.as_deref().map(|values| BiasOn { values, input_scale: input.scale });
                let quantized = weights::quantize(layer, &values, bias, choice.weights)?;
                self.weights(layer, Tensor::i8("", &shape, quantized.weights)?, &quantized.scales)?;
                if let (Some(name), Some(bias)) = (&layer.bias, quantized.bias) {
                    self.bias(layer, name, bias)?;
                }
                Ok(quantized.scales)
            }
            Precision::Dynamic => self.dynamic(layer, &values, choice.weights),
            _ => self.weight_only(layer, &shape, &values, choice),
        }
    }

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
        let dequantized = self.dequantize(tensor, &[&integers, &scale, &zero_point], None);
        for &reader in self.index.consumers(tensor) {
            replace(&mut self.graph.node[reader], tensor, &dequantized);
        }
        Ok(())
    }

    /// Gives the first node of `layer` integer weights. Weights that layers share are quantized once for each.
    pub(super) fn weights(&mut self, layer: &Layer, integers: Tensor, scales: &[f32]) -> Result<(), Error> {
        let zeros = |shape: &[usize]| Tensor::i8("", shape, vec![0; scales.len()]);
        let axis = if layer.transposed { 0 } else { 1 };
        let dequantized = self.parameter(layer, &layer.weights, integers, scales, axis, zeros)?;
        self.replace_weights(layer, dequantized);
        Ok(())
    }

    pub(super) fn replace_weights(&mut self, layer: &Layer, dequantized: String) {
        if let Some(product) = self.product(layer) {
            self.graph.node[product].input[1] = dequantized;
        }
    }

    /// The position of the layer's Gemm or MatMul.
    pub(super) fn product(&self, layer: &Layer) -> Option<usize> {
        layer.tensors.first().and_then(|tensor| self.index.producer(tensor))
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
    pub(super) fn parameter(
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
        Ok(self.dequantize(name, &[&stored, &scale, &zero_point], per_channel.then_some(axis)))
    }

    pub(super) fn dequantize(&mut self, tensor: &str, inputs: &[&str], axis: Option<i64>) -> String {
        let dequantized = self.names.fresh(&format!("{tensor}_dequantized"));
        let name = self.names.fresh(&format!("{tensor}_DequantizeLinear"));
        let linear = node("DequantizeLinear", &name, inputs, &[&dequantized]);
        self.graph.node.push(if let Some(axis) = axis { linear.with_int("axis", axis) } else { linear });
        dequantized
    }

    pub(super) fn constant(&mut self, base: &str, tensor: Tensor) -> String {
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
