//! Layers that normalize, and tables of vectors.

use onnx_model::proto::NodeProto;

use super::{Reader, refuse};
use crate::error::Result;
use crate::layers::{batch_norm, embedding, layer_norm};

impl<'g> Reader<'g> {
    pub(super) fn batch_normalization(&mut self, node: &'g NodeProto, output: &'g str) -> Result<()> {
        let [read, given @ ..] = node.input.as_slice() else { return Err(refuse(node, "it has no inputs")) };
        if node.attr_int("training_mode", 0)? != 0 || given.len() != 4 {
            return Err(refuse(node, "it has to be in the form for inference, with a running mean and variance"));
        }
        let values = given.iter().map(|name| self.constant(node, name)).collect::<Result<Vec<_>>>()?;
        let layer = crate::BatchNorm { epsilon: f64::from(node.attr_float("epsilon", 1e-5)?), ..batch_norm() };
        let name = self.layer(node, output, layer, &[read])?;
        let names = ["scale", "shift", "running_mean", "running_variance"];
        self.parameters.extend(names.into_iter().zip(values).map(|(what, values)| (format!("{name}.{what}"), values)));
        Ok(())
    }

    pub(super) fn layer_normalization(&mut self, node: &'g NodeProto, output: &'g str) -> Result<()> {
        let [read, scale, shift @ ..] = node.input.as_slice() else { return Err(refuse(node, "it has no scale")) };
        let rank = self.shapes.rank(read).unwrap_or(0) as i64;
        let axis = node.attr_int("axis", -1)?;
        if axis != -1 && axis != rank - 1 {
            return Err(refuse(
                node,
                format!("it normalizes from axis {axis} on; the trainer normalizes the last axis"),
            ));
        }
        let scale = self.constant(node, scale)?;
        let shift = match shift.first().filter(|name| !name.is_empty()) {
            Some(name) => self.constant(node, name)?,
            None => vec![0.0; scale.len()],
        };
        let layer = crate::LayerNorm { epsilon: f64::from(node.attr_float("epsilon", 1e-5)?), ..layer_norm() };
        let name = self.layer(node, output, layer, &[read])?;
        self.parameters.extend([(format!("{name}.scale"), scale), (format!("{name}.shift"), shift)]);
        Ok(())
    }

    /// A `Cast` to indices with the `Gather` from a table behind it.
    pub(super) fn looked_up(&mut self, cast: &'g NodeProto, read: &str, indices: &str) -> Result<()> {
        let gather = self.only_reader(indices).filter(|(_, node)| node.op_type() == "Gather");
        let Some((position, gather, output)) =
            gather.and_then(|(position, node)| Some((position, node, node.output.first()?)))
        else {
            return Err(refuse(cast, "the trainer casts nothing but the indices of a Gather behind it"));
        };
        let ([table, at], 0) = (gather.input.as_slice(), gather.attr_int("axis", 0)?) else {
            return Err(refuse(gather, "the trainer takes rows out of a table"));
        };
        match self.floats(gather, table)? {
            Some((shape, values)) if at == indices && shape.len() == 2 => {
                let name = self.layer(gather, output, embedding(shape[0], shape[1]), &[read])?;
                self.parameters.insert(format!("{name}.weight"), values);
                self.done.insert(position);
                Ok(())
            }
            _ => Err(refuse(gather, "the trainer takes rows out of a constant table of two axes")),
        }
    }

    /// The values of a constant of floats.
    fn constant(&self, node: &NodeProto, name: &str) -> Result<Vec<f32>> {
        match self.floats(node, name)? {
            Some((_, values)) => Ok(values),
            None => Err(refuse(node, format!("\"{name}\" has to be a constant"))),
        }
    }
}
