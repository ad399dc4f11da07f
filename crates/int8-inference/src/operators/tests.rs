//! Each operator against its definition, written once more with indices into every dimension.

use onnx_model::graph::node;
use proptest::prelude::*;

use super::*;
use onnx_model::TensorData;

fn tensor(shape: &[usize], data: TensorData) -> Tensor {
    Tensor::new("", shape, data).unwrap()
}

fn run(node: &NodeProto, inputs: &[&Tensor]) -> Result<Vec<Tensor>, String> {
    let inputs: Vec<Option<&Tensor>> = inputs.iter().map(|&tensor| Some(tensor)).collect();
    Operator::of(node).unwrap().unwrap().run(&Operands(&inputs))
}

fn op_node(op_type: &str) -> NodeProto {
    node(op_type, "n", &[], &[])
}

/// The position of each element of a tensor, in row-major order.
fn positions(shape: &[usize]) -> Vec<Vec<usize>> {
    shape.iter().fold(vec![vec![]], |all, &size| {
        let longer = |front: &Vec<usize>| (0..size).map(|at| [front.as_slice(), &[at]].concat()).collect::<Vec<_>>();
        all.iter().flat_map(longer).collect()
    })
}

/// The element at a position, where dimensions of 1 are spread and missing ones in front are 1.
fn spread(shape: &[usize], values: &[f64], position: &[usize]) -> f64 {
    let behind = &position[position.len() - shape.len()..];
    let at = shape.iter().zip(behind).fold(0, |at, (&size, &index)| at * size + if size == 1 { 0 } else { index });
    values[at]
}

const TYPES: [DataType; 8] = [
    DataType::Uint8,
    DataType::Int8,
    DataType::Uint16,
    DataType::Int16,
    DataType::Uint4,
    DataType::Int4,
    DataType::Uint2,
    DataType::Int2,
];

fn bounds(data_type: DataType) -> (i64, i64) {
    match data_type {
        DataType::Uint8 => (0, 255),
        DataType::Int8 => (-128, 127),
        DataType::Uint16 => (0, 65535),
        DataType::Int16 => (-32768, 32767),
        DataType::Uint4 => (0, 15),
        DataType::Int4 => (-8, 7),
        DataType::Uint2 => (0, 3),
        DataType::Int2 => (-2, 1),
        other => panic!("{other}"),
    }
}

/// A shape, an axis of it, how many elements a block has along it (0: scales per channel, `None`: one scale) and their shape.
fn layouts() -> impl Strategy<Value = (Vec<usize>, usize, Option<usize>)> {
    prop::collection::vec(1usize..5, 1..5).prop_flat_map(|shape| {
        let rank = shape.len();
        (Just(shape), 0..rank, prop::option::of(0usize..4))
    })
}

fn scale_shape(shape: &[usize], axis: usize, block: Option<usize>) -> Vec<usize> {
    match block {
        None => vec![],
        Some(0) => vec![shape[axis]],
        Some(block) => {
            let mut blocks = shape.to_vec();
            blocks[axis] = shape[axis].div_ceil(block);
            blocks
        }
    }
}

/// Which scale an element at a position has.
fn scale_at(shape: &[usize], axis: usize, block: Option<usize>, position: &[usize]) -> usize {
    match block {
        None => 0,
        Some(0) => position[axis],
        Some(block) => {
            let mut at = position.to_vec();
            at[axis] /= block;
            let blocks = scale_shape(shape, axis, Some(block));
            blocks.iter().zip(at).fold(0, |index, (&size, at)| index * size + at)
        }
    }
}

proptest! {
    #[test]
    fn quantize_and_dequantize_follow_their_definitions(
        (shape, axis, block) in layouts(),
        type_index in 0usize..8,
        from_the_end in any::<bool>(),
        with_zero_points in any::<bool>(),
        seed in prop::collection::vec((-1000i64..1000, 1i64..100, any::<i64>()), 256),
    ) {
        let data_type = TYPES[type_index];
        let (low, high) = bounds(data_type);
        let scales_shape = scale_shape(&shape, axis, block);
        let (count, scale_count): (usize, usize) = (shape.iter().product(), scales_shape.iter().product());
        let x: Vec<f32> = (0..count).map(|i| seed[i % 256].0 as f32 / 8.0).collect();
        let scales: Vec<f32> = (0..scale_count).map(|i| seed[i % 256].1 as f32 / 16.0).collect();
        let zero_points: Vec<i64> = (0..scale_count)
            .map(|i| if with_zero_points { low + seed[i % 256].2.rem_euclid(high - low + 1) } else { 0 })
            .collect();
        let scale = tensor(&scales_shape, TensorData::F32(scales.clone()));
        let zero = tensor(&scales_shape, TensorData::from_i64(&zero_points, data_type).unwrap());
        let axis_attribute = if from_the_end { axis as i64 - shape.len() as i64 } else { axis as i64 };
        let with = |op_type: &str| {
            op_node(op_type).with_int("axis", axis_attribute).with_int("block_size", block.unwrap_or(0) as i64)
        };
        let x_tensor = tensor(&shape, TensorData::F32(x.clone()));
        let quantized = if with_zero_points {
            run(&with("QuantizeLinear"), &[&x_tensor, &scale, &zero]).unwrap()
        } else {
            let number = i64::from(i32::from(data_type));
            run(&with("QuantizeLinear").with_int("output_dtype", number), &[&x_tensor, &scale]).unwrap()
        };
        let integers = quantized[0].to_i64().unwrap();
        let expected: Vec<i64> = positions(&shape).iter().zip(&x).map(|(position, x)| {
            let at = scale_at(&shape, axis, block, position);
            let rounded = f64::from(x / scales[at]).round_ties_even() as i64;
            (rounded + zero_points[at]).clamp(low, high)
        }).collect();
        prop_assert_eq!(&integers, &expected);
        prop_assert_eq!(quantized[0].data.data_type(), data_type);

        let back = run(&with("DequantizeLinear"), &[&quantized[0], &scale, &zero]).unwrap();
        let expected: Vec<f32> = positions(&shape).iter().zip(&integers).map(|(position, &q)| {
            let at = scale_at(&shape, axis, block, position);
            (q - zero_points[at]) as f32 * scales[at]
        }).collect();
        prop_assert_eq!(&back[0], &tensor(&shape, TensorData::F32(expected)));
    }

    #[test]
    fn products_follow_numpy(
        stacks in prop::collection::vec((1usize..4, any::<bool>(), any::<bool>()), 0..3),
        left_is_shorter in any::<bool>(),
        (m, k, n) in (1usize..4, 1usize..5, 1usize..4),
        signed in any::<[bool; 2]>(),
        per_line in any::<[bool; 2]>(),
        bytes in prop::collection::vec(any::<u8>(), 512),
    ) {
        // Of each dimension in front one side may have 1, or, at the very front, no such dimension.
        let mut left: Vec<usize> = stacks.iter().map(|&(size, one, _)| if one { 1 } else { size }).collect();
        let right: Vec<usize> = stacks.iter().map(|&(size, one, other)| if other && !one { 1 } else { size }).collect();
        if left_is_shorter && !left.is_empty() {
            left.remove(0);
        }
        let (a_shape, b_shape) = ([left.as_slice(), &[m, k]].concat(), [right.as_slice(), &[k, n]].concat());
        let operand = |shape: &[usize], signed: bool, skip: usize| {
            let values: Vec<u8> = bytes.iter().cycle().skip(skip).take(shape.iter().product()).copied().collect();
            tensor(shape, if signed {
                TensorData::I8(values.iter().map(|&value| value as i8).collect())
            } else {
                TensorData::U8(values)
            })
        };
        let (a, b) = (operand(&a_shape, signed[0], 0), operand(&b_shape, signed[1], 100));
        let a_zero = operand(&if per_line[0] { vec![m] } else { vec![] }, signed[0], 300);
        let b_zero = operand(&if per_line[1] { vec![n] } else { vec![1] }, signed[1], 400);
        let y = run(&op_node("MatMulInteger"), &[&a, &b, &a_zero, &b_zero]).unwrap().remove(0);

        let reals = |tensor: &Tensor| -> Vec<f64> { tensor.to_i64().unwrap().iter().map(|&x| x as f64).collect() };
        let (a_values, b_values) = (reals(&a), reals(&b));
        let (a_zeros, b_zeros) = (reals(&a_zero), reals(&b_zero));
        let rank = left.len().max(right.len());
        let missing = rank - left.len();
        let stack: Vec<usize> =
            (0..rank).map(|axis| right[axis].max(if axis < missing { 1 } else { left[axis - missing] })).collect();
        let y_shape = [stack.as_slice(), &[m, n]].concat();
        let sums: Vec<i32> = positions(&y_shape).iter().map(|position| {
            let (front, row, column) = (&position[..rank], position[rank], position[rank + 1]);
            (0..k).map(|inner| {
                let at = |stack: &[usize], last: [usize; 2]| [&front[rank - stack.len()..], &last].concat();
                let of_a = spread(&a_shape, &a_values, &at(&left, [row, inner]));
                let of_b = spread(&b_shape, &b_values, &at(&right, [inner, column]));
                (of_a - a_zeros[row % a_zeros.len()]) * (of_b - b_zeros[column % b_zeros.len()])
            }).sum::<f64>() as i32
        }).collect();
        prop_assert_eq!(&y, &tensor(&y_shape, TensorData::I32(sums.clone())));

        // The same product requantized to the type of `a`, with a scale per row.
        let scales = |count: usize| -> Vec<f32> { (0..count).map(|i| (f32::from(bytes[i]) + 1.0) / 512.0).collect() };
        let a_scale = tensor(&a_zero.shape, TensorData::F32(scales(a_zero.data.len())));
        let b_scale = tensor(&b_zero.shape, TensorData::F32(scales(b_zero.data.len())));
        let y_scale = tensor(&[1], TensorData::F32(vec![3.5]));
        let y_zero = operand(&[1], signed[0], 200);
        let inputs = [&a, &a_scale, &a_zero, &b, &b_scale, &b_zero, &y_scale, &y_zero];
        let y = run(&op_node("QLinearMatMul"), &inputs).unwrap().remove(0);
        let (low, high) = bounds(y_zero.data.data_type());
        let zero = y_zero.to_i64().unwrap()[0];
        let (a_scales, b_scales) = (scales(a_zero.data.len()), scales(b_zero.data.len()));
        let expected: Vec<i64> = positions(&y_shape).iter().zip(&sums).map(|(position, &sum)| {
            let (row, column) = (position[rank], position[rank + 1]);
            let multiplier = a_scales[row % a_scales.len()] * b_scales[column % b_scales.len()] / 3.5;
            (f64::from(sum as f32 * multiplier).round_ties_even() as i64 + zero).clamp(low, high)
        }).collect();
        prop_assert_eq!((y.to_i64().unwrap(), &y.shape), (expected, &y_shape));
    }

    #[test]
    fn dynamic_quantization_covers_the_range_and_zero(x in prop::collection::vec(-50.0f32..80.0, 1..40)) {
        let shape = [x.len()];
        let made = run(&op_node("DynamicQuantizeLinear"), &[&tensor(&shape, TensorData::F32(x.clone()))]).unwrap();
        let low = x.iter().copied().fold(0.0, f32::min);
        let high = x.iter().copied().fold(0.0, f32::max);
        let scale = if low == high { 1.0 } else { (high - low) / 255.0 };
        let zero = (-low / scale).round_ties_even();
        prop_assert_eq!(&made[1], &tensor(&[], TensorData::F32(vec![scale])));
        prop_assert_eq!(&made[2], &tensor(&[], TensorData::U8(vec![zero as u8])));
        let expected = x.iter().map(|x| ((x / scale).round_ties_even() + zero).clamp(0.0, 255.0) as u8).collect();
        prop_assert_eq!(&made[0], &tensor(&shape, TensorData::U8(expected)));
    }

    #[test]
    fn any_operands_give_a_result_or_a_reason(
        op_index in 0usize..5,
        attributes in prop::collection::vec(prop_oneof![-3i64..30, any::<i64>()], 4),
        operands in prop::collection::vec(prop::option::of((prop::collection::vec(0usize..4, 0..4), 0usize..13, any::<i8>())), 0..9),
    ) {
        let op_type = ["QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QLinearMatMul"][op_index];
        let names = ["axis", "block_size", "output_dtype", "precision"];
        let node = names.iter().zip(&attributes).fold(op_node(op_type), |node, (name, &value)| node.with_int(name, value));
        let operands: Vec<Option<Tensor>> = operands.into_iter().map(|operand| {
            let (shape, kind, value) = operand?;
            let count: usize = shape.iter().product();
            let data = match kind {
                0 => TensorData::Bool(vec![true; count]),
                1..=4 => {
                    let float = [DataType::Float, DataType::Float16, DataType::Bfloat16, DataType::Double][kind - 1];
                    TensorData::from_f32(vec![f32::from(value) * 1e37; count], float)?
                }
                5 => TensorData::I64(vec![i64::MIN + i64::from(value.max(0)); count]),
                _ => TensorData::from_i64(&vec![i64::from(value); count], TYPES[kind - 6 + usize::from(value < 0) % 2])?,
            };
            Some(tensor(&shape, data))
        }).collect();
        let operands: Vec<Option<&Tensor>> = operands.iter().map(Option::as_ref).collect();
        if let Ok(Some(operator)) = Operator::of(&node)
            && let Ok(results) = operator.run(&Operands(&operands))
        {
            for made in results {
                prop_assert_eq!(made.shape.iter().product::<usize>(), made.data.len());
            }
        }
    }
}

#[test]
fn division_is_in_the_type_that_the_node_asks_for() {
    // 1000.5 / 0.3 is 3335 in f32; in f16 both operands and the quotient have 11 bits.
    let x = tensor(&[1], TensorData::F32(vec![1000.5]));
    let scale = tensor(&[], TensorData::F32(vec![0.3]));
    let half = tensor(&[], TensorData::from_f32(vec![0.3], DataType::Float16).unwrap());
    let zero = tensor(&[], TensorData::U16(vec![0]));
    let y = |node: NodeProto, scale: &Tensor| run(&node, &[&x, scale, &zero]).unwrap()[0].to_i64().unwrap()[0];
    assert_eq!(y(op_node("QuantizeLinear"), &scale), 3335);
    assert_eq!(y(op_node("QuantizeLinear").with_int("precision", 10), &scale), 3334);
    assert_eq!(y(op_node("QuantizeLinear"), &half), 3334);
    assert_eq!(y(op_node("QuantizeLinear").with_int("precision", 1), &half), 3334);
}

#[test]
fn results_have_the_type_of_the_scale_or_the_one_asked_for() {
    let x = tensor(&[2], TensorData::I8(vec![-3, 5]));
    let half = tensor(&[], TensorData::from_f32(vec![0.5], DataType::Float16).unwrap());
    let y = run(&op_node("DequantizeLinear"), &[&x, &half]).unwrap();
    assert_eq!(y[0].data, TensorData::from_f32(vec![-1.5, 2.5], DataType::Float16).unwrap());
    let y = run(&op_node("DequantizeLinear").with_int("output_dtype", 16), &[&x, &half]).unwrap();
    assert_eq!(y[0].data, TensorData::from_f32(vec![-1.5, 2.5], DataType::Bfloat16).unwrap());
}

#[test]
fn other_types_are_refused_by_name() {
    for (node, expected) in [
        (op_node("QuantizeLinear").with_int("output_dtype", 17), "output_dtype is of type FLOAT8E4M3FN"),
        (op_node("QuantizeLinear").with_int("output_dtype", 23), "output_dtype is of type FLOAT4E2M1"),
        (op_node("DequantizeLinear").with_int("output_dtype", 11), "output_dtype is of type DOUBLE"),
        (op_node("QuantizeLinear").with_int("precision", 19), "precision is of type FLOAT8E5M2"),
        (op_node("QuantizeLinear").with_int("output_dtype", 99), "no type of ONNX"),
        (op_node("QuantizeLinear").with_int("block_size", -1), "block_size is -1"),
    ] {
        let Err(error) = Operator::of(&node) else { panic!("{expected}") };
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_result_too_large_to_be_meant_is_refused() {
    let a = tensor(&[1 << 20, 0], TensorData::U8(vec![]));
    let b = tensor(&[0, 1 << 20], TensorData::U8(vec![]));
    let error = run(&op_node("MatMulInteger"), &[&a, &b]).unwrap_err();
    assert!(error.contains("too many elements"), "{error}");
}
