//! Puts QuantizeLinear and DequantizeLinear nodes and integer constants into the graph.

use std::collections::{BTreeMap, HashMap};

use onnx_model::graph::{GraphIndex, Names, node, remove_unused, sort_topologically};
use onnx_model::proto::{GraphProto, NodeProto, TensorProto};
use onnx_model::{Model, Tensor};

use super::EmittedLayer;
use super::weights::{self, QuantizedBias};
use crate::prepare::float_constant;
use crate::{Error, Layer, LayerRecipe, Precision, QuantParams, QuantType};

/// The quantized graph and what became of each layer.
pub(crate) fn quantized(
    model: &Model,
    layers: &[(&Layer, LayerRecipe)],
    activations: &BTreeMap<String, QuantParams>,
) -> Result<(GraphProto, Vec<EmittedLayer>), Error> {
    let source = model.graph();
    let index = GraphIndex::new(source)?;
    let mut writer = Writer { graph: source.clone(), names: Names::of(source), nodes: Vec::new() };
    for (tensor, params) in activations {
        writer.activation(tensor, *params)?;
    }
    let mut emitted = Vec::with_capacity(layers.len());
    for (layer, choice) in layers {
        let (precision, input) = match (choice.precision, activations.get(&layer.input)) {
            (Precision::Int8, Some(input)) => (Precision::Int8, Some(*input)),
            _ => (Precision::Float, None),
        };
        let mut weight_scales = Vec::new();
        if let Some(input) = input {
            let (shape, values) =
                float_constant(&index, &layer.weights)?.ok_or_else(|| Error::NotCalibrated(layer.weights.clone()))?;
            let bias = match &layer.bias {
                Some(name) => float_constant(&index, name)?.map(|(_, values)| values),
                None => None,
            };
            let quantized = weights::quantize(layer, &values, bias.as_deref(), choice.weights, input)?;
            let axis = if layer.transposed { 0 } else { 1 };
            writer.constant(
                layer,
                &layer.weights,
                Tensor::i8("", &shape, quantized.weights)?,
                &quantized.scales,
                axis,
            )?;
            if let (Some(name), Some(QuantizedBias { values, scales })) = (&layer.bias, quantized.bias) {
                writer.constant(layer, name, Tensor::i32("", &[values.len()], values)?, &scales, 0)?;
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
    graph.node.extend(writer.nodes);
    sort_topologically(&mut graph)?;
    remove_unused(&mut graph)?;
    Ok((graph, emitted))
}

struct Writer {
    graph: GraphProto,
    names: Names,
    nodes: Vec<NodeProto>,
}

impl Writer {
    /// Quantizes `tensor`; everything that reads it reads the dequantized form from now on. Outputs of the graph stay float.
    fn activation(&mut self, tensor: &str, params: QuantParams) -> Result<(), Error> {
        let scale = self.initializer(&format!("{tensor}_scale"), |name| Tensor::f32(name, &[], vec![params.scale]))?;
        let zero_point = self.initializer(&format!("{tensor}_zero_point"), |name| match params.quant_type {
            QuantType::U8 => Tensor::u8(name, &[], vec![params.zero_point as u8]),
            QuantType::I8 => Tensor::i8(name, &[], vec![params.zero_point as i8]),
        })?;
        let integers = self.names.fresh(&format!("{tensor}_quantized"));
        let dequantized = self.names.fresh(&format!("{tensor}_dequantized"));
        for input in self.graph.node.iter_mut().flat_map(|node| &mut node.input).filter(|input| *input == tensor) {
            input.clone_from(&dequantized);
        }
        let parameters = [scale.as_str(), zero_point.as_str()];
        self.pair(tensor, [tensor, parameters[0], parameters[1]], &integers, &dequantized);
        Ok(())
    }

    fn pair(&mut self, tensor: &str, inputs: [&str; 3], integers: &str, dequantized: &str) {
        let quantize = self.names.fresh(&format!("{tensor}_QuantizeLinear"));
        let dequantize = self.names.fresh(&format!("{tensor}_DequantizeLinear"));
        self.nodes.push(node("QuantizeLinear", &quantize, &inputs, &[integers]));
        self.nodes.push(node("DequantizeLinear", &dequantize, &[integers, inputs[1], inputs[2]], &[dequantized]));
    }

    /// Replaces a constant that `layer` reads by integers and a DequantizeLinear. A constant that layers share is quantized once for each.
    fn constant(
        &mut self,
        layer: &Layer,
        name: &str,
        integers: Tensor,
        scales: &[f32],
        axis: i64,
    ) -> Result<(), Error> {
        let per_channel = scales.len() > 1 || (scales.len() == 1 && integers.shape.get(axis as usize) == Some(&1));
        let shape: &[usize] = if per_channel { &[scales.len()] } else { &[] };
        let stored = self.names.fresh(&format!("{name}_quantized"));
        let proto = TensorProto { name: Some(stored.clone()), ..integers.to_proto() };
        let is_weight = matches!(integers.data, onnx_model::TensorData::I8(_));
        self.graph.initializer.push(proto);
        let scale = self.initializer(&format!("{name}_scale"), |fresh| Tensor::f32(fresh, shape, scales.to_vec()))?;
        let zeros = scales.len();
        let zero_point = self.initializer(&format!("{name}_zero_point"), |fresh| match is_weight {
            true => Tensor::i8(fresh, shape, vec![0; zeros]),
            false => Tensor::i32(fresh, shape, vec![0; zeros]),
        })?;
        let dequantized = self.names.fresh(&format!("{name}_dequantized"));
        let dequantize = self.names.fresh(&format!("{name}_DequantizeLinear"));
        let linear = node("DequantizeLinear", &dequantize, &[&stored, &scale, &zero_point], &[&dequantized]);
        self.nodes.push(if per_channel { linear.with_int("axis", axis) } else { linear });
        let readers = readers_in_layer(&self.graph, layer);
        for reader in readers {
            for input in
                self.graph.node[reader].input.iter_mut().skip(usize::from(is_weight)).filter(|input| *input == name)
            {
                input.clone_from(&dequantized);
            }
        }
        Ok(())
    }

    fn initializer(
        &mut self,
        base: &str,
        make: impl FnOnce(&str) -> Result<Tensor, onnx_model::Error>,
    ) -> Result<String, Error> {
        let name = self.names.fresh(base);
        self.graph.initializer.push(make(&name)?.to_proto());
        Ok(name)
    }
}

/// The nodes of `layer`: from its output back to its Gemm or MatMul.
fn readers_in_layer(graph: &GraphProto, layer: &Layer) -> Vec<usize> {
    let made: HashMap<&str, usize> = graph
        .node
        .iter()
        .enumerate()
        .flat_map(|(position, node)| node.output.iter().map(move |output| (output.as_str(), position)))
        .collect();
    let mut nodes = Vec::new();
    let mut current = layer.output.as_str();
    while let Some(&position) = made.get(current) {
        nodes.push(position);
        let node = &graph.node[position];
        if matches!(node.op_type(), "Gemm" | "MatMul") {
            break;
        }
        match node.input.iter().find(|input| made.contains_key(input.as_str())) {
            Some(previous) => current = previous,
            None => break,
        }
    }
    nodes
}
