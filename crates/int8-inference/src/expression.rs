//! Elementwise functions of one variable: what a 256-entry table is filled from, and what runs on float tensors.
//!
//! The transcendental functions are `libm`'s, written in plain arithmetic, so a table has the same bytes on every machine.

/// Most terms one expression may have; a longer chain is split by the compiler.
pub(crate) const MAX_TERMS: usize = 16;

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

    /// The value at `x`: the last term's.
    pub(crate) fn eval(&self, x: f32) -> f32 {
        let mut values = [0.0f32; MAX_TERMS];
        let mut last = x;
        for (index, term) in self.terms.iter().enumerate() {
            let read = |operand: Operand| match operand {
                Operand::Variable => x,
                Operand::Constant(value) => value,
                Operand::Term(term) => values[term],
            };
            last = match *term {
                Term::Unary(function, a) => function.apply(read(a)),
                Term::Binary(function, a, b) => function.apply(read(a), read(b)),
            };
            values[index] = last;
        }
        last
    }
}

impl Unary {
    fn apply(self, x: f32) -> f32 {
        match self {
            Self::Abs => x.abs(),
            // Not f32::clamp: an empty interval is allowed in ONNX and yields its upper bound.
            Self::Clip { min, max } => x.max(min).min(max),
            Self::Elu { alpha } => {
                if x < 0.0 {
                    alpha * libm::expm1f(x)
                } else {
                    x
                }
            }
            Self::Erf => libm::erff(x),
            Self::Exp => libm::expf(x),
            Self::Gelu => 0.5 * x * (1.0 + libm::erff(x * core::f32::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                let inner = (2.0 / core::f32::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + libm::tanhf(inner))
            }
            Self::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Identity => x,
            Self::LeakyRelu { alpha } => {
                if x < 0.0 {
                    alpha * x
                } else {
                    x
                }
            }
            Self::Neg => -x,
            Self::Relu => x.max(0.0),
            Self::Selu { alpha, gamma } => {
                if x > 0.0 {
                    gamma * x
                } else {
                    gamma * alpha * libm::expm1f(x)
                }
            }
            Self::Sigmoid => 1.0 / (1.0 + libm::expf(-x)),
            // ln(1 + e^x) without overflow for large x.
            Self::Softplus => x.max(0.0) + libm::log1pf(libm::expf(-x.abs())),
            Self::Sqrt => x.sqrt(),
            Self::Tanh => libm::tanhf(x),
        }
    }
}

impl Binary {
    fn apply(self, a: f32, b: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Pow => libm::powf(a, b),
        }
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
        function.apply(x)
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
        assert!((silu.eval(1.0) - 0.731_058_6).abs() < 1e-6);
        assert_eq!(silu.eval(0.0), 0.0);
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
