//! Elementwise functions of one variable: what a 256-entry table is filled from, and what runs on float tensors.
//!
//! The transcendental functions are `libm`'s, written in plain arithmetic, so a table has the same bytes on every machine.

use alloc::vec::Vec;

/// Most terms one expression may have; a longer chain is split by the compiler.
pub(crate) const MAX_TERMS: usize = 16;

/// Values that go through an expression together, so that a term is looked at once for all of them.
const BLOCK: usize = 64;

/// A function of one variable, composed of ONNX operators and constants.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Expression {
    terms: Vec<Term>,
}

/// One operator of an [`Expression`]; it may refer to the variable and to earlier terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Term {
    Unary(Unary, Operand),
    Binary(Binary, Operand, Operand),
}

/// What a term reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Operand {
    Variable,
    Constant(f32),
    Term(usize),
}

/// ONNX operators with one tensor operand; attribute values are in the variant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unary {
    Abs,
    Clip { min: f32, max: f32 },
    Elu { alpha: f32 },
    Erf,
    Exp,
    Gelu,
    GeluTanh,
    HardSigmoid { alpha: f32, beta: f32 },
    HardSwish,
    Identity,
    LeakyRelu { alpha: f32 },
    Neg,
    Relu,
    Selu { alpha: f32, gamma: f32 },
    Sigmoid,
    Softplus,
    Sqrt,
    Tanh,
}

/// ONNX operators with two tensor operands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
}

impl Expression {
    /// Appends a term and returns the operand that stands for its value; `None` when the expression is full.
    pub(crate) fn push(&mut self, term: Term) -> Option<Operand> {
        if self.terms.len() == MAX_TERMS {
            return None;
        }
        self.terms.push(term);
        Some(Operand::Term(self.terms.len() - 1))
    }

    /// Whether the expression is the variable itself.
    pub(crate) fn is_identity(&self) -> bool {
        self.terms.is_empty()
    }

    /// `y[i]` is the value at `x[i]`: the last term's.
    pub(crate) fn map(&self, x: &[f32], y: &mut [f32]) {
        let mut values = [[0.0f32; BLOCK]; MAX_TERMS];
        for (x, y) in x.chunks(BLOCK).zip(y.chunks_mut(BLOCK)) {
            let len = x.len();
            for (index, term) in self.terms.iter().enumerate() {
                let (earlier, rest) = values.split_at_mut(index);
                let Some(value) = rest.first_mut().map(|value| &mut value[..len]) else { break };
                let read = |operand: Operand, to: &mut [f32]| match operand {
                    Operand::Variable => to.copy_from_slice(x),
                    Operand::Constant(constant) => to.fill(constant),
                    Operand::Term(term) => to.copy_from_slice(&earlier[term][..len]),
                };
                match *term {
                    Term::Unary(function, a) => {
                        read(a, value);
                        function.apply(value);
                    }
                    Term::Binary(function, a, b) => {
                        let mut second = [0.0; BLOCK];
                        read(a, value);
                        read(b, &mut second[..len]);
                        function.apply(value, &second[..len]);
                    }
                }
            }
            y.copy_from_slice(self.terms.len().checked_sub(1).map_or(x, |last| &values[last][..len]));
        }
    }
}

impl Unary {
    /// Replaces each value by the function's.
    fn apply(self, values: &mut [f32]) {
        match self {
            Self::Abs => each(values, f32::abs),
            Self::Clip { min, max } => each(values, |x| clip(x, min, max)),
            Self::Elu { alpha } => each(values, |x| if x < 0.0 { alpha * libm::expm1f(x) } else { x }),
            Self::Erf => each(values, libm::erff),
            Self::Exp => each(values, libm::expf),
            Self::Gelu => each(values, |x| 0.5 * x * (1.0 + libm::erff(x * core::f32::consts::FRAC_1_SQRT_2))),
            Self::GeluTanh => {
                let root = libm::sqrtf(2.0 / core::f32::consts::PI);
                each(values, |x| 0.5 * x * (1.0 + libm::tanhf(root * (x + 0.044_715 * x * x * x))));
            }
            Self::HardSigmoid { alpha, beta } => each(values, |x| clip(alpha * x + beta, 0.0, 1.0)),
            Self::HardSwish => each(values, |x| x * clip(x / 6.0 + 0.5, 0.0, 1.0)),
            Self::Identity => {}
            Self::LeakyRelu { alpha } => each(values, |x| if x < 0.0 { alpha * x } else { x }),
            Self::Neg => each(values, |x| -x),
            Self::Relu => each(values, |x| clip(x, 0.0, f32::INFINITY)),
            Self::Selu { alpha, gamma } => {
                each(values, |x| if x > 0.0 { gamma * x } else { gamma * alpha * libm::expm1f(x) });
            }
            Self::Sigmoid => each(values, |x| 1.0 / (1.0 + libm::expf(-x))),
            // ln(1 + e^x) without overflow for large x.
            Self::Softplus => each(values, |x| x.max(0.0) + libm::log1pf(libm::expf(-x.abs()))),
            Self::Sqrt => each(values, libm::sqrtf),
            Self::Tanh => each(values, libm::tanhf),
        }
    }
}

impl Binary {
    /// Replaces each value of `a` by the function's at it and its value of `b`.
    fn apply(self, a: &mut [f32], b: &[f32]) {
        match self {
            Self::Add => pairs(a, b, |a, b| a + b),
            Self::Sub => pairs(a, b, |a, b| a - b),
            Self::Mul => pairs(a, b, |a, b| a * b),
            Self::Div => pairs(a, b, |a, b| a / b),
            Self::Pow => pairs(a, b, libm::powf),
        }
    }
}

/// `x` raised to `min`, then lowered to `max`, by the rule of [`kernels::Epilogue`]: fused into a product or not, a clamp gives the same
/// bits, and NaN stays NaN.
fn clip(x: f32, min: f32, max: f32) -> f32 {
    let x = if min > x { min } else { x };
    if max < x { max } else { x }
}

fn each(values: &mut [f32], function: impl Fn(f32) -> f32) {
    for value in values {
        *value = function(*value);
    }
}

fn pairs(a: &mut [f32], b: &[f32], function: impl Fn(f32, f32) -> f32) {
    for (a, &b) in a.iter_mut().zip(b) {
        *a = function(*a, b);
    }
}

/// Softmax of one row in place (ONNX Softmax over the last axis), summed from left to right so that every machine agrees.
pub(crate) fn softmax(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0f32;
    for value in row.iter_mut() {
        *value = libm::expf(*value - max);
        sum += *value;
    }
    for value in row.iter_mut() {
        *value /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(function: Unary, x: f32) -> f32 {
        let mut values = [x];
        function.apply(&mut values);
        values[0]
    }

    /// Reference values computed with 20 digits from the operators' definitions.
    #[test]
    fn functions_match_their_definitions() {
        let close = |a: f32, b: f64| assert!((f64::from(a) - b).abs() < 2e-7 * b.abs().max(1.0), "{a} against {b}");
        close(at(Unary::Sigmoid, 1.0), 0.731_058_578_630_004_9);
        close(at(Unary::Tanh, 0.5), 0.462_117_157_260_009_75);
        close(at(Unary::Erf, 0.5), 0.520_499_877_813_046_5);
        close(at(Unary::Gelu, 1.0), 0.841_344_746_068_542_9);
        close(at(Unary::GeluTanh, 1.0), 0.841_191_990_608_277);
        close(at(Unary::Elu { alpha: 1.0 }, -1.0), -0.632_120_558_828_557_7);
        close(at(Unary::Selu { alpha: 1.673_263_2, gamma: 1.050_701 }, -1.0), -1.111_330_737_812_562_8);
        close(at(Unary::Softplus, 1.0), 1.313_261_687_518_222_8);
        close(at(Unary::Softplus, 100.0), 100.0);
        close(at(Unary::Softplus, -100.0), 0.0);
        close(at(Unary::LeakyRelu { alpha: 0.01 }, -3.0), -0.03);
        close(at(Unary::HardSigmoid { alpha: 0.2, beta: 0.5 }, 1.0), 0.7);
        close(at(Unary::HardSwish, 1.0), 2.0 / 3.0);
    }

    #[test]
    fn terms_compose() {
        // x * sigmoid(x)
        let mut silu = Expression::default();
        let gate = silu.push(Term::Unary(Unary::Sigmoid, Operand::Variable)).unwrap();
        silu.push(Term::Binary(Binary::Mul, Operand::Variable, gate)).unwrap();
        let x: Vec<f32> = (0..2 * BLOCK + 1).map(|i| i as f32 / 8.0).collect();
        let mut y = vec![7.5; x.len()];
        silu.map(&x, &mut y);
        assert!((y[8] - 0.731_058_6).abs() < 1e-6);
        assert_eq!(y[0], 0.0);
        for (&x, y) in x.iter().zip(y) {
            assert_eq!(y, x * at(Unary::Sigmoid, x));
        }
    }

    #[test]
    fn a_full_expression_refuses_another_term() {
        let mut expression = Expression::default();
        for _ in 0..MAX_TERMS {
            assert!(expression.push(Term::Unary(Unary::Neg, Operand::Variable)).is_some());
        }
        assert!(expression.push(Term::Unary(Unary::Neg, Operand::Variable)).is_none());
    }

    #[test]
    fn softmax_sums_to_one_and_survives_large_inputs() {
        let mut row = [1000.0, 1001.0, 1002.0];
        softmax(&mut row);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((row[2] - 0.665_240_94).abs() < 1e-6);
    }
}
