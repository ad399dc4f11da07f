//! Tensors whose values say that something is wrong.

use onnx_model::graph::GraphIndex;
use onnx_model::proto::{GraphProto, NodeProto};
use std::collections::{HashMap, HashSet};

use super::Finding;
use crate::calibration_tensors::is_real;
use crate::constants::{float_constant, float_shape};
use crate::node::operator;
use crate::{Calibration, Error, TensorKind, TensorRecord};

/// Per cent of the values at a bound from which an activation counts as saturated.
const SATURATED_PERCENT: f64 = 75.0;

/// Values this near a bound, as a part of the distance between both, are at it.
const AT_BOUND: f64 = 0.01;

/// One dead channel in so many is nothing unusual.
const FEW_DEAD: usize = 4;

/// What the tensors of a prepared model are judged by.
pub(super) struct Judge<'a> {
    graph: &'a GraphProto,
    index: &'a GraphIndex<'a>,
    records: HashMap<&'a str, &'a TensorRecord>,
    /// The tensors that carry samples; masks made of token ids and numbers made of shapes may well be constant.
    carrying: HashSet<&'a str>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(
        graph: &'a GraphProto,
        index: &'a GraphIndex<'a>,
        calibration: &'a Calibration,
    ) -> Result<Self, Error> {
        let records = calibration.tensors().iter().map(|record| (record.name.as_str(), record)).collect();
        Ok(Self { graph, index, records, carrying: carrying(graph, index)? })
    }

    /// Judges one tensor. What it has from the tensors it is made of is told of those.
    pub(super) fn judge(&self, record: &TensorRecord) -> Result<Vec<Finding>, Error> {
        let (tensor, layer, statistics) = (record.name.clone(), record.layer.clone(), &record.statistics);
        let mut findings = Vec::new();
        let (nans, infs, count) = (statistics.nans(), statistics.infs(), statistics.count());
        if is_not_finite(record) && !self.inherits(record, is_not_finite) {
            findings.push(Finding::NotFinite { tensor: tensor.clone(), nans, infs, count });
        }
        if record.kind != TensorKind::Activation || self.inherits(record, is_constant) {
            return Ok(findings);
        }
        if let Some(value) = statistics.min().filter(|_| is_constant(record)) {
            if self.carrying.contains(record.name.as_str()) {
                findings.push(Finding::Constant { tensor, layer, value });
            }
            return Ok(findings);
        }
        if let Some(channels) = &record.channels {
            let is_dead =
                |&channel: &usize| channels.count(channel) > 1 && channels.min(channel) == channels.max(channel);
            let dead = (0..channels.len()).filter(is_dead).count();
            if dead * FEW_DEAD > channels.len() {
                let channels = channels.len();
                findings.push(Finding::DeadChannels { tensor: tensor.clone(), layer: layer.clone(), dead, channels });
            }
        }
        if let Some((low, high)) =
            bounds(self.graph, self.index, &record.name)?.filter(|_| !self.index.is_graph_output(&tensor))
        {
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

    /// Whether one of the activations that a tensor is made of is like this.
    fn inherits(&self, record: &TensorRecord, is_like: fn(&TensorRecord) -> bool) -> bool {
        let (mut seen, mut waiting) = (HashSet::new(), vec![record.name.as_str()]);
        while let Some(tensor) = waiting.pop() {
            let Some(producer) = self.index.producer(tensor) else { continue };
            for input in self.graph.node[producer].input.iter().map(String::as_str) {
                match self.records.get(input) {
                    Some(record) if record.kind != TensorKind::Activation => {}
                    Some(record) if is_like(record) => return true,
                    Some(_) => {}
                    // What a layer makes before its activation is not recorded.
                    None if seen.insert(input) => waiting.push(input),
                    None => {}
                }
            }
        }
        false
    }
}

fn is_not_finite(record: &TensorRecord) -> bool {
    record.statistics.nans() + record.statistics.infs() > 0
}

fn is_constant(record: &TensorRecord) -> bool {
    record.statistics.count() > 1 && record.statistics.min() == record.statistics.max()
}

/// The inputs of real numbers, what is looked up in a table of real numbers, and what is computed from these.
fn carrying<'a>(graph: &'a GraphProto, index: &'a GraphIndex<'a>) -> Result<HashSet<&'a str>, Error> {
    let inputs = graph.input.iter().filter(|input| is_real(input)).map(|input| input.name());
    let mut carrying: HashSet<&str> = inputs.filter(|name| index.initializer(name).is_none()).collect();
    for node in index.order().iter().map(|&position| &graph.node[position]) {
        let carries = match operator(node) {
            "Shape" | "Size" => false,
            "Gather" if is_table(index, node)? => true,
            _ => node.input.iter().any(|input| carrying.contains(input.as_str())),
        };
        if carries {
            carrying.extend(node.output.iter().map(String::as_str));
        }
    }
    Ok(carrying)
}

/// Whether a Gather looks up rows of constant real numbers.
fn is_table(index: &GraphIndex<'_>, gather: &NodeProto) -> Result<bool, Error> {
    let table = gather.input.first().map_or("", String::as_str);
    Ok(float_shape(index, table)?.is_some_and(|shape| shape.len() > 1))
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
