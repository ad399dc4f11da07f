use super::*;
use crate::initializer::Initializer;
use crate::op::FirstValues;
use crate::testing::Bench;

/// `x W + b` in f64, for rows of `inputs` features.
fn naive_dense(x: &[f64], weights: &[f64], bias: Option<&Vec<f64>>, units: usize) -> Vec<f64> {
    let inputs = weights.len() / units;
    let row = |row: &[f64], unit: usize| {
        let products = row.iter().enumerate().map(|(i, x)| x * weights[i * units + unit]);
        products.sum::<f64>() + bias.map_or(0.0, |bias| bias[unit])
    };
    x.chunks(inputs).flat_map(|x| (0..units).map(move |unit| row(x, unit)).collect::<Vec<_>>()).collect()
}

#[test]
fn dense_is_the_affine_map_of_the_last_axis() {
    for shape in [&[7][..], &[3, 7], &[2, 3, 7]] {
        for bias in [true, false] {
            let mut bench = Bench::new(dense(5).bias(bias), &[shape], 4, 1);
            assert_eq!(bench.shape, [&shape[..shape.len() - 1], &[5]].concat());
            bench.check(|inputs, parameters| naive_dense(&inputs[0], &parameters[0], parameters.get(1), 5));
        }
    }
}

#[test]
fn dense_starts_from_what_it_is_given() {
    let layer = dense(2).weights(vec![1.0, -2.0, 0.5, 3.0]).bias_init(Initializer::Constant { value: 0.25 });
    let built = Layer::new("fc", layer.clone()).build(&[&[2]], Context::default()).unwrap();
    let FirstValues::Given(weights) = &built.parameters[0].first else { panic!("drawn weights") };
    assert_eq!(weights, &[1.0, -2.0, 0.5, 3.0]);
    assert!(built.parameters[0].decays && !built.parameters[1].decays);

    let message = Layer::new("fc", layer).build(&[&[3]], Context::default()).err().unwrap().to_string();
    assert!(message.contains("fc.weights") && message.contains("4 values") && message.contains("[3, 2]"), "{message}");
}

#[test]
fn shapes_move_and_values_stay() {
    for (kind, shape) in [(LayerKind::from(flatten()), vec![12]), (reshape(&[1, 4, 3]).into(), vec![1, 4, 3])] {
        let mut bench = Bench::new(kind, &[&[2, 6]], 3, 2);
        assert_eq!(bench.shape, shape);
        bench.check(|inputs, _| inputs[0].clone());
    }
}

#[test]
fn add_sums_all_inputs_and_concat_puts_them_side_by_side() {
    let mut bench = Bench::new(add(), &[&[2, 3][..]; 3], 4, 3);
    bench.check(|inputs, _| (0..inputs[0].len()).map(|i| inputs.iter().map(|input| input[i]).sum()).collect());

    let mut bench = Bench::new(concat(), &[&[2, 3], &[1, 3], &[4, 3]], 5, 4);
    assert_eq!(bench.shape, [7, 3]);
    bench.check(|inputs, _| {
        let row = |row: usize| {
            [&inputs[0][row * 6..][..6], &inputs[1][row * 3..][..3], &inputs[2][row * 12..][..12]].concat()
        };
        (0..5).flat_map(row).collect()
    });
}

#[test]
fn activation_layers_apply_their_function_to_the_last_axis() {
    let mut bench = Bench::new(activate(Activation::Softmax), &[&[2, 3]], 2, 5);
    bench.check(|inputs, _| {
        let softmax = |row: &[f64]| {
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            row.iter().map(|x| x.exp() / sum).collect::<Vec<_>>()
        };
        inputs[0].chunks(3).flat_map(softmax).collect()
    });
}

#[test]
fn what_does_not_fit_is_named() {
    let refusal = |kind: LayerKind, shapes: &[&[usize]]| {
        let message = Layer::new("odd", kind).build(shapes, Context::default()).err().unwrap().to_string();
        assert!(message.contains("odd"), "{message}");
        message
    };
    assert!(refusal(dense(3).into(), &[&[2], &[2]]).contains("2 inputs"));
    assert!(refusal(dense(3).into(), &[&[]]).contains("reshape"));
    assert!(refusal(Dense::default().into(), &[&[2]]).contains("odd.units"));
    assert!(refusal(reshape(&[5]).into(), &[&[2, 3]]).contains("[2, 3]"));
    assert!(refusal(add().into(), &[&[2]]).contains("at least two"));
    assert!(refusal(add().into(), &[&[2], &[3]]).contains("[3]"));
    assert!(refusal(concat().into(), &[&[2, 2], &[2, 3]]).contains("[2, 3]"));
    assert!(refusal(dense(usize::MAX).into(), &[&[2]]).contains("limit"));
}
