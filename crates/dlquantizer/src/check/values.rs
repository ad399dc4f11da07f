//! Tensors whose values say that something is wrong.

use onnx_model::graph::GraphIndex;
use onnx_model::proto::GraphProto;

use super::Finding;
use crate::constants::float_constant;
use crate::node::operator;
use crate::{Error, TensorKind, TensorRecord};

/// Per cent of the values at a bound from which an activation counts as saturated.
const SATURATED_PERCENT: f64 = 75.0;

/// Values this near a bound, as a part of the distance between both, are at it.
const AT_BOUND: f64 = 0.01;

/// One dead channel in so many is nothing unusual.
const FEW_DEAD: usize = 10;

/// Judges a tensor of the prepared model.
pub(super) fn judge(graph: &GraphProto, index: &GraphIndex<'_>, record: &TensorRecord) -> Result<Vec<Finding>, Error> {
    let (tensor, layer, statistics) = (record.name.clone(), record.layer.clone(), &record.statistics);
    let mut findings = Vec::new();
    let (nans, infs, count) = (statistics.nans(), statistics.infs(), statistics.count());
    if nans + infs > 0 {
        findings.push(Finding::NotFinite { tensor: tensor.clone(), nans, infs, count });
    }
    if record.kind != TensorKind::Activation {
        return Ok(findings);
    }
    if let (Some(min), Some(max)) = (statistics.min(), statistics.max())
        && min == max
        && count > 1
    {
        findings.push(Finding::Constant { tensor, layer, value: min });
        return Ok(findings);
    }
    if let Some(channels) = &record.channels {
        let dead = (0..channels.len()).filter(|&channel| channels.min(channel) == channels.max(channel)).count();
        if dead * FEW_DEAD > channels.len() {
            let channels = channels.len();
            findings.push(Finding::DeadChannels { tensor: tensor.clone(), layer: layer.clone(), dead, channels });
        }
    }
    if let Some((low, high)) = bounds(graph, index, &record.name)?.filter(|_| !index.is_graph_output(&tensor)) {
        let near = AT_BOUND * (high - low.unwrap_or(0.0));
        let at_bound = |value: f64| value >= high - near || low.is_some_and(|low| value <= low + near);
        let values: u64 = statistics.bins().filter(|bin| at_bound(bin.mean)).map(|bin| bin.count).sum();
        let percent = 100.0 * values as f64 / statistics.finite_count() as f64;
        if percent > SATURATED_PERCENT {
            findings.push(Finding::Saturated { tensor, layer, percent });
        }
    }
    Ok(findings)
}

/// The values that the node which makes a tensor cannot pass, if it has such; a lower bound of 0 behind a Clip is a ReLU and not told.
fn bounds(graph: &GraphProto, index: &GraphIndex<'_>, tensor: &str) -> Result<Option<(Option<f64>, f64)>, Error> {
    let Some(node) = index.producer(tensor).map(|producer| &graph.node[producer]) else { return Ok(None) };
    Ok(match operator(node) {
        "Sigmoid" | "HardSigmoid" => Some((Some(0.0), 1.0)),
        "Tanh" | "Softsign" => Some((Some(-1.0), 1.0)),
        "Clip" => {
            // Before opset 11 the bounds are attributes.
            let bound = |position: usize, attribute: &str, none: f32| -> Result<f32, Error> {
                Ok(match node.input.get(position).filter(|name| !name.is_empty()) {
                    Some(name) => {
                        float_constant(index, name)?.and_then(|(_, values)| values.first().copied()).unwrap_or(none)
                    }
                    None => node.attr_float(attribute, none)?,
                })
            };
            let (low, high) = (bound(1, "min", f32::MIN)?, bound(2, "max", f32::MAX)?);
            let low_bound = (low != 0.0 && low > f32::MIN).then_some(f64::from(low));
            (high < f32::MAX && low < high && low > f32::MIN).then_some((low_bound, f64::from(high)))
        }
        _ => None,
    })
}
