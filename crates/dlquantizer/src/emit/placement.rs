//! Decides which activations are quantized, and how.

use std::collections::{BTreeMap, HashMap};

use int8_inference::FusionHints;
use onnx_model::Model;
use onnx_model::graph::GraphIndex;

use crate::{Calibration, Error, Layer, LayerRecipe, Precision, QuantParams, RangeMethod, Recipe};

/// Parameters of every activation to quantize, by tensor.
///
/// What a quantized layer reads is quantized, and from there backwards what makes that tensor out of another layer's result without
/// leaving 8 bits: through reshapes (with the same parameters), elementwise functions (as tables) and residual sums.
pub(crate) fn activations(
    model: &Model,
    layers: &[(&Layer, LayerRecipe)],
    recipe: &Recipe,
    calibration: &Calibration,
) -> Result<BTreeMap<String, QuantParams>, Error> {
    let graph = model.graph();
    let index = GraphIndex::new(graph)?;
    let hints = FusionHints::new(model)?;
    let int8 = || layers.iter().filter(|(_, choice)| choice.precision == Precision::Int8);
    let makers: HashMap<&str, &LayerRecipe> =
        layers.iter().map(|(layer, choice)| (layer.output.as_str(), choice)).collect();
    let int8_makes = |tensor: &str| makers.get(tensor).is_some_and(|choice| choice.precision == Precision::Int8);
    let choose = |tensor: &str| -> Result<QuantParams, Error> {
        let method: RangeMethod = makers.get(tensor).map_or(recipe.range, |choice| choice.range);
        let record = calibration.tensor(tensor).ok_or_else(|| Error::NotCalibrated(tensor.to_owned()))?;
        method
            .quant_params(&record.statistics, recipe.activations)
            .ok_or_else(|| Error::NotCalibrated(tensor.to_owned()))
    };
    let mut params: BTreeMap<String, QuantParams> = BTreeMap::new();
    let mut queue: Vec<(String, Option<QuantParams>)> = int8().map(|(layer, _)| (layer.input.clone(), None)).collect();
    while let Some((tensor, given)) = queue.pop() {
        if params.contains_key(&tensor) {
            continue;
        }
        let own = match given {
            Some(params) => params,
            None => choose(&tensor)?,
        };
        params.insert(tensor.clone(), own);
        let Some(node) = index.producer(&tensor).map(|producer| &graph.node[producer]) else { continue };
        if int8_makes(&tensor) {
            continue;
        }
        match node.op_type() {
            // The shape changes nothing about the values, so what feeds it shares its range and parameters.
            "Flatten" | "Reshape" if node.input.get(1).is_none_or(|shape| index.initializer(shape).is_some()) => {
                queue.push((node.input[0].clone(), Some(own)));
            }
            "Add" if node.input.iter().all(|operand| int8_makes(operand)) => {
                queue.extend(node.input.iter().map(|operand| (operand.clone(), None)));
            }
            _ => {
                let output = node.output.iter().find(|output| **output == tensor);
                let source = output.map(|output| hints.elementwise_source(output)).transpose()?.flatten();
                queue.extend(source.filter(|source| int8_makes(source)).map(|source| (source.to_owned(), None)));
            }
        }
    }
    Ok(params)
}
