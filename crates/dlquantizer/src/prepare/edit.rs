//! Reads and replaces the weights and bias of a Gemm.

use onnx_model::graph::{GraphIndex, Names};
use onnx_model::proto::{GraphProto, NodeProto};
use onnx_model::{Tensor, TensorData};

use crate::Error;

/// A Gemm with constant f32 weights, as `y = x W + b`.
pub(crate) struct DenseConstants {
    /// `[k, n]`, row by row, whatever `transB` says.
    pub(crate) weights: Vec<f64>,
    pub(crate) bias: Vec<f64>,
    pub(crate) k: usize,
    pub(crate) n: usize,
    transposed: bool,
}

impl DenseConstants {
    /// The constants of `node`; `None` when it is no such Gemm.
    pub(crate) fn read(index: &GraphIndex<'_>, node: &NodeProto) -> Result<Option<Self>, Error> {
        if node.op_type() != "Gemm"
            || node.attr_float("alpha", 1.0)? != 1.0
            || node.attr_float("beta", 1.0)? != 1.0
            || node.attr_int("transA", 0)? != 0
        {
            return Ok(None);
        }
        let transposed = node.attr_int("transB", 0)? != 0;
        let Some((shape, values)) = node.input.get(1).map(|name| float_constant(index, name)).transpose()?.flatten()
        else {
            return Ok(None);
        };
        let [rows, columns] = shape[..] else { return Ok(None) };
        let (k, n) = if transposed { (columns, rows) } else { (rows, columns) };
        let mut weights = vec![0.0; k * n];
        for (position, value) in values.into_iter().enumerate() {
            let (row, column) = (position / columns, position % columns);
            weights[if transposed { column * n + row } else { row * n + column }] = f64::from(value);
        }
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            None => vec![0.0; n],
            Some(name) => match float_constant(index, name)? {
                Some((_, values)) if values.len() == n => values.into_iter().map(f64::from).collect(),
                Some((_, values)) if values.len() == 1 => vec![f64::from(values[0]); n],
                _ => return Ok(None),
            },
        };
        Ok(Some(Self { weights, bias, k, n, transposed }))
    }

    /// Writes the constants back; `None`, and nothing changed, when a value has left the range of f32.
    pub(crate) fn write(&self, graph: &mut GraphProto, names: &mut Names, node: usize) -> Result<Option<()>, Error> {
        let (k, n) = (self.k, self.n);
        let mut weights = vec![0.0f32; k * n];
        for input in 0..k {
            for output in 0..n {
                let position = if self.transposed { output * k + input } else { input * n + output };
                weights[position] = self.weights[input * n + output] as f32;
            }
        }
        let bias: Vec<f32> = self.bias.iter().map(|&value| value as f32).collect();
        if weights.iter().chain(&bias).any(|value| !value.is_finite()) {
            return Ok(None);
        }
        let shape = if self.transposed { [n, k] } else { [k, n] };
        let base =
            if graph.node[node].name().is_empty() { "dense".to_owned() } else { graph.node[node].name().to_owned() };
        let weight_name = replace(graph, names, node, 1, &format!("{base}.weight"));
        let bias_name = replace(graph, names, node, 2, &format!("{base}.bias"));
        graph.initializer.push(Tensor::f32(&weight_name, &shape, weights)?.to_proto());
        graph.initializer.push(Tensor::f32(&bias_name, &[n], bias)?.to_proto());
        Ok(Some(()))
    }
}

/// Clears the way for a new constant at `input` of `node` and returns its name: the old one if nobody else reads it.
fn replace(graph: &mut GraphProto, names: &mut Names, node: usize, input: usize, base: &str) -> String {
    let old = graph.node[node].input.get(input).cloned().unwrap_or_default();
    let readers =
        graph.node.iter().flat_map(|node| onnx_model::graph::reads_of(node)).filter(|&name| name == old).count();
    let declared = graph.input.iter().chain(&graph.output).any(|info| info.name() == old);
    let own =
        !old.is_empty() && readers == 1 && !declared && graph.initializer.iter().any(|tensor| tensor.name() == old);
    let name = if own {
        graph.initializer.retain(|tensor| tensor.name() != old);
        old
    } else {
        names.fresh(base)
    };
    let inputs = &mut graph.node[node].input;
    inputs.resize(inputs.len().max(input + 1), String::new());
    inputs[input].clone_from(&name);
    name
}

/// Shape and values, row by row, of a float32 constant.
pub(crate) type FloatConstant = (Vec<usize>, Vec<f32>);

/// The constant `name` if it is of type float32.
pub(crate) fn float_constant(index: &GraphIndex<'_>, name: &str) -> Result<Option<FloatConstant>, Error> {
    Ok(match index.constant(name)? {
        Some(Tensor { shape, data: TensorData::F32(values), .. }) => Some((shape, values)),
        _ => None,
    })
}
