//! Convolutions and poolings of images.

use onnx_model::proto::NodeProto;

use super::{Reader, refuse};
use crate::error::Result;
use crate::layers::{Padding, avg_pool, conv2d, global_avg_pool, max_pool};

impl<'g> Reader<'g> {
    pub(super) fn convolution(&mut self, node: &'g NodeProto, output: &'g str) -> Result<()> {
        let [read, weights, rest @ ..] = node.input.as_slice() else { return Err(refuse(node, "it has no weights")) };
        let Some((shape, values)) = self.floats(node, weights)? else {
            return Err(refuse(node, "its weights have to be a constant"));
        };
        let [filters, _, height, width] = shape[..] else {
            return Err(refuse(node, format!("its weights have shape {shape:?}; the trainer convolves images")));
        };
        let bias = match rest.first().filter(|name| !name.is_empty()) {
            None => None,
            Some(name) => match self.floats(node, name)? {
                Some((_, values)) => Some(values),
                None => return Err(refuse(node, "its bias has to be a constant")),
            },
        };
        let Ok(groups) = usize::try_from(node.attr_int("group", 1)?) else {
            return Err(refuse(node, "it has a negative group"));
        };
        let layer = conv2d(filters, [height, width])
            .stride(numbers(node, "strides", [1; 2])?)
            .dilation(numbers(node, "dilations", [1; 2])?)
            .padding(padding(node)?)
            .groups(groups)
            .bias(bias.is_some());
        let name = self.layer(node, output, layer, &[read])?;
        self.parameters.insert(format!("{name}.weight"), values);
        if let Some(bias) = bias {
            self.parameters.insert(format!("{name}.bias"), bias);
        }
        Ok(())
    }

    pub(super) fn pooling(&mut self, node: &'g NodeProto, read: &str, output: &'g str) -> Result<()> {
        let kernel = numbers(node, "kernel_shape", [0; 2])?;
        let stride = numbers(node, "strides", [1; 2])?;
        let padding = padding(node)?;
        if node.attr_int("ceil_mode", 0)? != 0 || numbers(node, "dilations", [1; 2])? != [1; 2] {
            return Err(refuse(node, "the trainer pools without ceil_mode and dilations"));
        }
        if node.op_type() == "MaxPool" {
            let layer = max_pool(kernel).stride(stride).padding(padding);
            return self.layer(node, output, layer, &[read]).map(drop);
        }
        let padded = numbers(node, "pads", [0; 4])? != [0; 4] || padding == Padding::Same;
        if padded && node.attr_int("count_include_pad", 0)? != 0 {
            return Err(refuse(node, "the trainer takes means of what is inside the image, without count_include_pad"));
        }
        self.layer(node, output, avg_pool(kernel).stride(stride).padding(padding), &[read]).map(drop)
    }

    /// A mean over all of each channel, with the `Flatten` behind it.
    pub(super) fn global_average(&mut self, node: &'g NodeProto, read: &str, means: &str) -> Result<()> {
        let flatten = self.only_reader(means).filter(|(_, node)| node.op_type() == "Flatten");
        match flatten.and_then(|(position, node)| Some((position, node, node.output.first()?))) {
            Some((position, flatten, output)) if flatten.attr_int("axis", 1)? == 1 => {
                self.done.insert(position);
                self.layer(flatten, output, global_avg_pool(), &[read]).map(drop)
            }
            _ => Err(refuse(node, "the trainer wants a Flatten behind it")),
        }
    }
}

/// The attribute `name`, of so many whole numbers.
fn numbers<const N: usize>(node: &NodeProto, name: &str, default: [usize; N]) -> Result<[usize; N]> {
    let Some(given) = node.attr_ints(name)? else { return Ok(default) };
    let numbers: Option<Vec<usize>> = given.iter().map(|&number| usize::try_from(number).ok()).collect();
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| refuse(node, format!("its {name} are {given:?}; for images they are {N} whole numbers")))
}

fn padding(node: &NodeProto) -> Result<Padding> {
    match node.attr_str("auto_pad", "NOTSET")? {
        "NOTSET" | "" => Ok(numbers(node, "pads", [0; 4])?.into()),
        "VALID" => Ok(Padding::Valid),
        "SAME_UPPER" => Ok(Padding::Same),
        other => Err(refuse(node, format!("the trainer has no auto_pad {other}; export explicit pads"))),
    }
}
