//! Layers whose input is quantized by the range it has in the run: DynamicQuantizeLinear, MatMulInteger and the scaling behind them.

use onnx_model::Tensor;
use onnx_model::graph::node;
use onnx_model::proto::{DataType, NodeProto};

use super::graph::Writer;
use super::weights;
use crate::{Error, Granularity, Layer};

impl Writer<'_> {
    /// Replaces the product of `layer` by one of integers; returns the scales of the weights.
    pub(super) fn dynamic(
        &mut self,
        layer: &Layer,
        values: &[f32],
        granularity: Granularity,
    ) -> Result<Vec<f32>, Error> {
        let Some(product) = self.product(layer) else { return Ok(Vec::new()) };
        let quantized = weights::quantize(layer, values, None, granularity)?;
        let (k, n) = (layer.inputs, layer.outputs);
        // MatMulInteger cannot transpose.
        let integers = match layer.transposed {
            true => (0..k * n).map(|at| quantized.weights[at % n * k + at / n]).collect(),
            false => quantized.weights,
        };
        let integers = self.constant(&format!("{}_quantized", layer.weights), Tensor::i8("", &[k, n], integers)?);
        let shape: &[usize] = if quantized.scales.len() == 1 { &[] } else { &[n] };
        let scales = Tensor::f32("", shape, quantized.scales.clone())?;
        let scales = self.constant(&format!("{}_scale", layer.weights), scales);

        let original = self.graph.node[product].clone();
        let [input, input_scale, zero_point] = self.quantized_in_the_run(&original.input[0]);
        let sums = self.step(node("MatMulInteger", "", &[&input, &integers, &zero_point], &[]), &layer.name);
        let cast = node("Cast", "", &[&sums], &[]).with_int("to", i32::from(DataType::Float).into());
        let real = self.step(cast, &layer.name);
        let steps = self.step(node("Mul", "", &[&input_scale, &scales], &[]), &layer.name);
        let scaled = node("Mul", "", &[&real, &steps], &[]);
        let last = match original.input.get(2).filter(|bias| !bias.is_empty()) {
            None => scaled,
            Some(bias) => {
                let scaled = self.step(scaled, &layer.name);
                node("Add", "", &[&scaled, bias], &[])
            }
        };
        self.graph.node[product] = NodeProto { name: original.name, output: original.output, ..last };
        Ok(quantized.scales)
    }

    /// Integers, scale and zero point of `tensor`, quantized once for all layers that read it.
    fn quantized_in_the_run(&mut self, tensor: &str) -> [String; 3] {
        if let Some(known) = self.dynamic.get(tensor) {
            return known.clone();
        }
        let outputs = ["quantized", "scale", "zero_point"].map(|what| self.names.fresh(&format!("{tensor}_{what}")));
        let name = self.names.fresh(&format!("{tensor}_DynamicQuantizeLinear"));
        let made: Vec<&str> = outputs.iter().map(String::as_str).collect();
        self.graph.node.push(node("DynamicQuantizeLinear", &name, &[tensor], &made));
        self.dynamic.insert(tensor.to_owned(), outputs.clone());
        outputs
    }

    /// Appends a node of `layer` and returns the tensor it makes.
    fn step(&mut self, node: NodeProto, layer: &str) -> String {
        let name = self.names.fresh(&format!("{layer}_{}", node.op_type()));
        let output = self.names.fresh(&format!("{name}_output"));
        self.graph.node.push(NodeProto { name: Some(name), output: vec![output.clone()], ..node });
        output
    }
}
