use super::*;
use crate::initializer::Initializer;
use crate::op::{FirstValues, Mode};
use crate::testing::Bench;

const ROWS: usize = 3;
const STEPS: usize = 5;
const FEATURES: usize = 4;
const UNITS: usize = 6;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Row `row` of a matrix times `x`.
fn product(matrix: &[f64], row: usize, x: &[f64]) -> f64 {
    matrix[row * x.len()..][..x.len()].iter().zip(x).map(|(w, x)| w * x).sum()
}

/// The states of a cell after each step of each sequence, from `step(x, state, carry)` which gives both anew.
fn run(input: &[f64], returns: Returns, step: impl Fn(&[f64], &[f64], &[f64]) -> (Vec<f64>, Vec<f64>)) -> Vec<f64> {
    let mut output = Vec::new();
    for sequence in input.chunks(STEPS * FEATURES) {
        let (mut state, mut carry) = (vec![0.0; UNITS], vec![0.0; UNITS]);
        for (index, x) in sequence.chunks(FEATURES).enumerate() {
            (state, carry) = step(x, &state, &carry);
            if returns == Returns::All || index + 1 == STEPS {
                output.extend(&state);
            }
        }
    }
    output
}

/// The equations of the ONNX operator LSTM.
fn naive_lstm(input: &[f64], parameters: &[Vec<f64>], returns: Returns) -> Vec<f64> {
    let [w, r, b] = parameters else { panic!("three parameters") };
    run(input, returns, |x, h, c| {
        let sum = |gate: usize, unit: usize| {
            let row = gate * UNITS + unit;
            product(w, row, x) + product(r, row, h) + b[row]
        };
        let carry: Vec<f64> = (0..UNITS)
            .map(|unit| {
                let (input, forget, candidate) = (sigmoid(sum(0, unit)), sigmoid(sum(2, unit)), sum(3, unit).tanh());
                forget * c[unit] + input * candidate
            })
            .collect();
        let state = (0..UNITS).map(|unit| sigmoid(sum(1, unit)) * carry[unit].tanh()).collect();
        (state, carry)
    })
}

/// The equations of the ONNX operator GRU with `linear_before_reset`.
fn naive_gru(input: &[f64], parameters: &[Vec<f64>], returns: Returns) -> Vec<f64> {
    let [w, r, b] = parameters else { panic!("three parameters") };
    run(input, returns, |x, h, _| {
        let by_input = |gate: usize, unit: usize| product(w, gate * UNITS + unit, x) + b[gate * UNITS + unit];
        let by_state = |gate: usize, unit: usize| product(r, gate * UNITS + unit, h) + b[(3 + gate) * UNITS + unit];
        let state = (0..UNITS).map(|unit| {
            let update = sigmoid(by_input(0, unit) + by_state(0, unit));
            let reset = sigmoid(by_input(1, unit) + by_state(1, unit));
            let candidate = (by_input(2, unit) + reset * by_state(2, unit)).tanh();
            (1.0 - update) * candidate + update * h[unit]
        });
        (state.collect(), Vec::new())
    })
}

/// Biases that differ from gate to gate, so that none can be taken for another.
fn uneven(mut bench: Bench) -> Bench {
    for (index, bias) in bench.parameters[2].values.iter_mut().enumerate() {
        *bias += ((index * 7) % 11) as f32 * 0.1 - 0.5;
    }
    bench
}

#[test]
fn lstm_and_gru_follow_their_equations_forwards_and_back() {
    for returns in [Returns::Last, Returns::All] {
        let shape = if returns == Returns::Last { vec![UNITS] } else { vec![STEPS, UNITS] };
        let mut bench = uneven(Bench::new(lstm(UNITS).returns(returns), &[&[STEPS, FEATURES]], ROWS, 1));
        assert_eq!(bench.shape, shape);
        bench.check(|inputs, parameters| naive_lstm(&inputs[0], parameters, returns));

        let mut bench = uneven(Bench::new(gru(UNITS).returns(returns), &[&[STEPS, FEATURES]], ROWS, 2));
        assert_eq!(bench.shape, shape);
        bench.check(|inputs, parameters| naive_gru(&inputs[0], parameters, returns));
    }
}

#[test]
fn a_sequence_may_have_one_step_and_the_next_batch_another_number_of_rows() {
    for rows in [1, 4] {
        let mut bench = Bench::new(lstm(2), &[&[1, 1]], rows, 3);
        bench.check(|inputs, parameters| {
            let [w, _, b] = parameters else { panic!("three parameters") };
            let state = |x: f64, unit: usize| {
                let gate = |gate: usize| w[gate * 2 + unit] * x + b[gate * 2 + unit];
                sigmoid(gate(1)) * (sigmoid(gate(0)) * gate(3).tanh()).tanh()
            };
            inputs[0].iter().flat_map(|&x| [state(x, 0), state(x, 1)]).collect()
        });
    }
    let mut bench = Bench::new(gru(UNITS).returns(Returns::All), &[&[STEPS, FEATURES]], ROWS, 4);
    let first = bench.forward(Mode::Inference);
    let whole = bench.inputs[0].clone();
    bench.inputs[0].truncate(STEPS * FEATURES);
    let mut one = bench.with_rows(1);
    assert_eq!(one.forward(Mode::Inference), first[..STEPS * UNITS]);
    one.inputs[0] = whole;
    assert_eq!(one.with_rows(ROWS).forward(Mode::Inference), first);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    for kind in [LayerKind::from(lstm(64)), gru(64).into()] {
        let learn = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let learnt = Bench::new(kind.clone(), &[&[7, 33]], 50, 5).learn();
                (learnt.output, learnt.by_inputs, learnt.by_parameters)
            })
        };
        assert!(learn(1) == learn(3));
    }
}

#[test]
fn recurrent_layers_start_as_their_papers_say() {
    let built = Layer::new("lstm", lstm(5)).build(&[&[3, 2]], Context::default()).unwrap();
    let shapes: Vec<_> = built.parameters.iter().map(|parameter| (parameter.shape.clone(), parameter.decays)).collect();
    assert_eq!(shapes, [(vec![20, 2], true), (vec![20, 5], true), (vec![20], false)]);
    let FirstValues::Given(bias) = &built.parameters[2].first else { panic!("a drawn bias") };
    assert_eq!(*bias, [[0.0; 10], [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]].concat());

    let built = Layer::new("gru", gru(5)).build(&[&[3, 2]], Context::default()).unwrap();
    let count = |parameter: &crate::op::NewParameter| parameter.shape.iter().product::<usize>();
    assert_eq!(built.parameters.iter().map(count).sum::<usize>(), 3 * (5 * 2 + 5 * 5 + 2 * 5));
}

#[test]
fn embedding_answers_with_the_vector_of_each_index() {
    let mut bench = Bench::new(embedding(5, 3), &[&[2, 2]], 2, 6);
    assert_eq!(bench.shape, [2, 2, 3]);
    bench.inputs[0] = vec![0.0, 4.0, 2.0, 4.0, 4.0, 1.0, 0.0, 0.0];
    let learnt = bench.learn();
    let table = &bench.parameters[0].values;
    let expected: Vec<f32> =
        bench.inputs[0].iter().flat_map(|&index| table[index as usize * 3..][..3].to_vec()).collect();
    assert_eq!(learnt.output, expected);
    assert!(learnt.by_inputs[0].iter().all(|&by| by == 0.0));
    for entry in 0..5 {
        for column in 0..3 {
            let places = bench.inputs[0].iter().enumerate().filter(|(_, index)| **index as usize == entry);
            let expected: f32 = places.map(|(place, _)| learnt.by_output[place * 3 + column]).sum();
            assert!((learnt.by_parameters[0][entry * 3 + column] - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn what_is_no_index_is_answered_with_nan_and_learns_nothing() {
    for odd in [5.0, -1.0, 0.5, f32::NAN, f32::INFINITY, 1e30] {
        let mut bench = Bench::new(embedding(5, 2), &[&[1]], 2, 7);
        bench.inputs[0] = vec![odd, 3.0];
        let learnt = bench.learn();
        assert!(learnt.output[..2].iter().all(|value| value.is_nan()), "{odd}");
        assert!(learnt.output[2..].iter().all(|value| value.is_finite()));
        let by_table = &learnt.by_parameters[0];
        assert!(by_table[..6].iter().chain(&by_table[8..]).all(|&by| by == 0.0), "{odd}");
    }
}

#[test]
fn what_does_not_fit_a_sequence_is_named() {
    let refusal = |kind: LayerKind, shape: &[usize]| {
        let layer = Layer::new("odd", kind);
        let built = layer.check().and_then(|()| layer.build(&[shape], Context::default()).map(|_| ()));
        let message = built.unwrap_err().to_string();
        assert!(message.contains("odd"), "{message}");
        message
    };
    for shape in [&[][..], &[3], &[0, 3], &[3, 0], &[1, 2, 3]] {
        assert!(refusal(lstm(2).into(), shape).contains("[time, features]"));
        assert!(refusal(gru(2).into(), shape).contains("[time, features]"));
    }
    assert!(refusal(lstm(0).into(), &[2, 2]).contains("odd.units"));
    assert!(refusal(gru(usize::MAX).into(), &[2, 2]).contains("limit"));
    assert!(refusal(embedding(0, 2).into(), &[2]).contains("odd.entries"));
    assert!(refusal(embedding(2, 0).into(), &[2]).contains("odd.width"));
    assert!(refusal(embedding(1 << 25, 1).into(), &[2]).contains("odd.entries"));
    assert!(refusal(embedding(1 << 24, 1 << 20).into(), &[2]).contains("limit"));
    let odd = Initializer::Constant { value: f64::NAN };
    assert!(refusal(lstm(2).recurrent_init(odd.clone()).into(), &[2, 2]).contains("odd.recurrent_init.value"));
    assert!(refusal(embedding(2, 2).init(odd).into(), &[2]).contains("odd.init.value"));
}

#[test]
fn configurations_give_sequences() {
    let read = |text: &str| toml::from_str::<Layer>(text).unwrap().kind;
    assert_eq!(read("name = 'a'\nkind = 'embedding'\nentries = 30\nwidth = 8"), embedding(30, 8).into());
    assert_eq!(read("name = 'a'\nkind = 'lstm'\nunits = 3\nreturns = 'all'"), lstm(3).returns(Returns::All).into());
    let init = Initializer::Orthogonal { gain: 1.0 };
    assert_eq!(read("name = 'a'\nkind = 'gru'\nunits = 3\ninit = 'orthogonal'"), gru(3).init(init).into());
}
