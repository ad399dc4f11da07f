//! `Sub` and `Div` that bring an input to mean 0 and standard deviation 1.

use onnx_model::proto::NodeProto;

use super::{Reader, refuse};
use crate::error::Result;
use crate::layers::LayerKind;
use crate::normalize::Normalization;

impl<'g> Reader<'g> {
    /// Takes a difference or quotient with a constant into the normalization of the input that it reads.
    pub(super) fn normalize(&mut self, node: &'g NodeProto, output: &'g str) -> Result<()> {
        let [read, constant] = node.input.as_slice() else { return Err(refuse(node, "it needs two inputs")) };
        let Some((shape, values)) = self.floats(node, constant)? else {
            return Err(refuse(node, "its second operand has to be a constant that normalizes an input of the model"));
        };
        let source = self.source(node, read)?;
        let Some(position) = self.normalized_input(&source, read) else {
            let reason = "only inputs of the model are normalized; fold its constant into the weights of a layer \
                          (`quantize prepare` does)";
            return Err(refuse(node, reason));
        };
        let sample: Vec<usize> = match self.shapes.get(read) {
            Some([_, sample @ ..]) => sample.iter().filter_map(|size| size.fixed()).collect(),
            _ => Vec::new(),
        };
        let ones = shape.len().saturating_sub(sample.len());
        let per_value =
            shape.len() >= sample.len() && shape[..ones].iter().all(|&size| size == 1) && shape[ones..] == sample;
        if values.len() != 1 && !per_value {
            let reason =
                format!("a constant of shape {shape:?} is neither one number nor one for each value of a sample");
            return Err(refuse(node, reason));
        }
        let neutral = Normalization { mean: vec![0.0], std: vec![1.0] };
        let normalization = self.inputs[position].normalization.get_or_insert(neutral);
        let nothing_yet = |side: &[f32], neutral: f32| side.iter().all(|&value| value == neutral);
        let moves_on =
            nothing_yet(&normalization.std, 1.0) && (node.op_type() == "Div" || nothing_yet(&normalization.mean, 0.0));
        if !moves_on {
            return Err(refuse(node, "an input is normalized by one difference and one quotient behind it, no more"));
        }
        match node.op_type() {
            "Sub" => normalization.mean = values,
            _ => normalization.std = values,
        }
        // One number on one side is that number for each value on the other.
        let count = normalization.mean.len().max(normalization.std.len());
        for side in [&mut normalization.mean, &mut normalization.std] {
            if let [value] = side[..] {
                *side = vec![value; count];
            }
        }
        self.answers.insert(output, source);
        Ok(())
    }

    /// The position of the input that `source` is or only gives another shape, where nothing else reads it.
    fn normalized_input(&self, source: &str, tensor: &str) -> Option<usize> {
        self.only_reader(tensor)?;
        if let Some(position) = self.inputs.iter().position(|input| input.name == source) {
            return Some(position);
        }
        let position = self.layers.iter().position(|layer| layer.name == source)?;
        let layer = &self.layers[position];
        let before = match layer.inputs.as_slice() {
            [] if position == 0 => self.inputs.first()?.name.as_str(),
            [] => self.layers[position - 1].name.as_str(),
            [one] => one,
            _ => return None,
        };
        let tensor = self.answers.iter().find(|(_, answer)| *answer == before).map(|(tensor, _)| *tensor)?;
        match layer.kind {
            LayerKind::Flatten(_) | LayerKind::Reshape(_) => self.normalized_input(before, tensor),
            _ => None,
        }
    }
}
