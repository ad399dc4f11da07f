//! Finds elementwise functions of one tensor in the graph.

use alloc::collections::BTreeMap;
use alloc::vec;

use onnx_model::proto::NodeProto;

use super::graph::{Graph, op};
use crate::Error;
use crate::expression::{Binary, Expression, MAX_TERMS, Operand, Term, Unary};

/// A tensor as a function of another one.
pub(crate) struct Region<'a> {
    pub(crate) source: &'a str,
    pub(crate) function: Expression,
    /// Most dimensions of a constant in the function. One with more than the tensor would give the result its own.
    pub(crate) constant_rank: usize,
}

/// Reads `tensor` as an elementwise function of the nearest tensor that is not itself the result of an elementwise operator, or that
/// `stops` says to go no further from.
///
/// `None` when there is no single such source or the chain is longer than an [`Expression`] holds.
pub(crate) fn region<'a>(
    graph: &Graph<'a>,
    tensor: &'a str,
    stops: impl Fn(&str) -> bool,
) -> Result<Option<Region<'a>>, Error> {
    // Depth-first with an explicit stack: a tensor is emitted once all its operands are.
    let mut function = Expression::default();
    let mut done: BTreeMap<&str, Operand> = BTreeMap::new();
    let mut source: Option<&'a str> = None;
    let mut stack = vec![tensor];
    let mut constant_rank = 0;
    let mut visits = 0usize;
    while let Some(&current) = stack.last() {
        visits += 1;
        if visits > 4 * MAX_TERMS {
            return Ok(None);
        }
        if done.contains_key(current) {
            stack.pop();
            continue;
        }
        if let Some(value) = graph.scalar(current) {
            constant_rank = constant_rank.max(graph.constant_shape(current).map_or(0, |shape| shape.len()));
            done.insert(current, Operand::Constant(value));
            stack.pop();
            continue;
        }
        let operator = match graph.producer(current) {
            Some((_, node)) if !stops(current) => operator(graph, node)?.map(|operator| (node, operator)),
            _ => None,
        };
        let Some((node, operator)) = operator else {
            if graph.is_constant(current) || source.is_some_and(|known| known != current) {
                return Ok(None);
            }
            source = Some(current);
            done.insert(current, Operand::Variable);
            stack.pop();
            continue;
        };
        let operands = &node.input[..operator.arity()];
        let missing = operands.iter().find(|name| !done.contains_key(name.as_str()));
        if let Some(missing) = missing {
            stack.push(missing);
            continue;
        }
        let term = match operator {
            Operator::Unary(unary) => Term::Unary(unary, done[operands[0].as_str()]),
            Operator::Binary(binary) => Term::Binary(binary, done[operands[0].as_str()], done[operands[1].as_str()]),
        };
        let Some(operand) = function.push(term) else { return Ok(None) };
        done.insert(current, operand);
        stack.pop();
    }
    Ok(source.map(|source| Region { source, function, constant_rank }))
}

enum Operator {
    Unary(Unary),
    Binary(Binary),
}

impl Operator {
    fn arity(&self) -> usize {
        match self {
            Self::Unary(_) => 1,
            Self::Binary(_) => 2,
        }
    }
}

fn operator(graph: &Graph<'_>, node: &NodeProto) -> Result<Option<Operator>, Error> {
    let operator = match op(node) {
        "Add" => Operator::Binary(Binary::Add),
        "Sub" => Operator::Binary(Binary::Sub),
        "Mul" => Operator::Binary(Binary::Mul),
        "Div" => Operator::Binary(Binary::Div),
        "Pow" => Operator::Binary(Binary::Pow),
        _ => match unary(graph, node)? {
            Some(function) => Operator::Unary(function),
            None => return Ok(None),
        },
    };
    Ok((node.input.len() >= operator.arity()).then_some(operator))
}

/// The function a node applies to its first input, with the operator's attribute defaults (ONNX operator schemas).
pub(crate) fn unary(graph: &Graph<'_>, node: &NodeProto) -> Result<Option<Unary>, Error> {
    let float = |name: &str, default: f32| node.attr_float(name, default);
    Ok(Some(match op(node) {
        "Abs" => Unary::Abs,
        "Clip" => match clip_bounds(graph, node)? {
            Some((min, max)) => Unary::Clip { min, max },
            None => return Ok(None),
        },
        "Elu" => Unary::Elu { alpha: float("alpha", 1.0)? },
        "Erf" => Unary::Erf,
        "Exp" => Unary::Exp,
        "Gelu" => match node.attr_str("approximate", "none")? {
            "tanh" => Unary::GeluTanh,
            _ => Unary::Gelu,
        },
        "HardSigmoid" => Unary::HardSigmoid { alpha: float("alpha", 0.2)?, beta: float("beta", 0.5)? },
        "HardSwish" => Unary::HardSwish,
        "Identity" => Unary::Identity,
        "LeakyRelu" => Unary::LeakyRelu { alpha: float("alpha", 0.01)? },
        "Neg" => Unary::Neg,
        "Relu" => Unary::Relu,
        "Selu" => Unary::Selu { alpha: float("alpha", 1.673_263_2)?, gamma: float("gamma", 1.050_701)? },
        "Sigmoid" => Unary::Sigmoid,
        "Softplus" => Unary::Softplus,
        "Sqrt" => Unary::Sqrt,
        "Tanh" => Unary::Tanh,
        _ => return Ok(None),
    }))
}

/// The bounds of a Clip node, which are attributes before opset 11 and constant inputs since.
pub(crate) fn clip_bounds(graph: &Graph<'_>, node: &NodeProto) -> Result<Option<(f32, f32)>, Error> {
    if graph.opset < 11 {
        return Ok(Some((node.attr_float("min", f32::MIN)?, node.attr_float("max", f32::MAX)?)));
    }
    let bound = |input: usize, default: f32| match node.input.get(input).filter(|name| !name.is_empty()) {
        None => Some(default),
        Some(name) => graph.scalar(name),
    };
    Ok(bound(1, f32::MIN).zip(bound(2, f32::MAX)))
}
