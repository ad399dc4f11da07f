use super::*;
use crate::testing::Bench;

const SHAPE: [usize; 3] = [2, 5, 6];

/// What `of` makes of the pixels under each position of a window, in f64.
fn naive(x: &[f64], sizes: [[usize; 2]; 2], pads: [usize; 4], of: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let [_, height, width] = SHAPE;
    let [kernel, stride] = sizes;
    let [top, left, bottom, right] = pads;
    let rows = (height + top + bottom - kernel[0]) / stride[0] + 1;
    let columns = (width + left + right - kernel[1]) / stride[1] + 1;
    let mut output = Vec::new();
    for plane in x.chunks(height * width) {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let mut under = Vec::new();
            for y in (row * stride[0]).max(top)..(row * stride[0] + kernel[0]).min(height + top) {
                for x in (column * stride[1]).max(left)..(column * stride[1] + kernel[1]).min(width + left) {
                    under.push(plane[(y - top) * width + x - left]);
                }
            }
            output.push(of(&under));
        }
    }
    output
}

type Form = ([[usize; 2]; 2], Padding, [usize; 4]);

/// Size and stride, the padding, and what that comes to.
const FORMS: [Form; 5] = [
    ([[2, 2], [2, 2]], Padding::Valid, [0; 4]),
    ([[3, 2], [2, 1]], Padding::Valid, [0; 4]),
    ([[3, 3], [2, 2]], Padding::Same, [1, 0, 1, 1]),
    ([[3, 3], [1, 1]], Padding::Explicit { top: 2, left: 1, bottom: 0, right: 2 }, [2, 1, 0, 2]),
    ([[5, 6], [5, 6]], Padding::Valid, [0; 4]),
];

#[test]
fn max_pool_is_the_largest_pixel_under_the_window() {
    for (sizes, padding, pads) in FORMS {
        let mut bench = Bench::new(max_pool(sizes[0]).stride(sizes[1]).padding(padding), &[&SHAPE], 3, 5);
        bench.check(|inputs, _| naive(&inputs[0], sizes, pads, |under| under.iter().copied().fold(f64::MIN, f64::max)));
    }
}

#[test]
fn avg_pool_is_the_mean_of_the_pixels_under_the_window() {
    for (sizes, padding, pads) in FORMS {
        let mut bench = Bench::new(avg_pool(sizes[0]).stride(sizes[1]).padding(padding), &[&SHAPE], 3, 6);
        bench.check(|inputs, _| naive(&inputs[0], sizes, pads, |under| under.iter().sum::<f64>() / under.len() as f64));
    }
}

#[test]
fn global_avg_pool_is_the_mean_of_each_channel() {
    let mut bench = Bench::new(global_avg_pool(), &[&SHAPE], 3, 7);
    assert_eq!(bench.shape, [2]);
    bench.check(|inputs, _| inputs[0].chunks(30).map(|plane| plane.iter().sum::<f64>() / 30.0).collect());
}

#[test]
fn the_first_of_equals_wins_and_nan_is_not_hidden() {
    let mut bench = Bench::new(max_pool([1, 3]), &[&[1, 1, 9]], 1, 8);
    bench.inputs[0] = vec![2.0, 2.0, 1.0, f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY, 1.0, f32::NAN, 3.0];
    let learnt = bench.learn();
    assert_eq!(learnt.output[..2], [2.0, f32::NEG_INFINITY]);
    assert!(learnt.output[2].is_nan());
    let by = &learnt.by_output;
    assert_eq!(learnt.by_inputs[0], [by[0], 0.0, 0.0, by[1], 0.0, 0.0, 0.0, by[2], 0.0]);
}

#[test]
fn windows_default_to_lie_side_by_side() {
    let layer: MaxPool = toml::from_str("kernel = [2, 3]").unwrap();
    assert_eq!(layer, max_pool([2, 3]));
    assert_eq!(Bench::new(layer, &[&SHAPE], 1, 1).shape, [2, 2, 2]);
    assert_eq!(toml::from_str::<AvgPool>("kernel = 2\nstride = 1").unwrap(), avg_pool(2).stride(1));
}

#[test]
fn pools_name_what_does_not_fit() {
    let refusal = |kind: LayerKind, shape: &[usize]| {
        let layer = Layer::new("odd", kind);
        let message = layer.check().and_then(|()| layer.build(&[shape], Context::default())).err().unwrap().to_string();
        assert!(message.contains("odd"), "{message}");
        message
    };
    for kind in [LayerKind::from(max_pool(6)), avg_pool(6).into()] {
        assert!(refusal(kind.clone(), &SHAPE).contains("6 x 6"));
        assert!(refusal(kind, &[30]).contains("reshape"));
    }
    for kind in [LayerKind::from(max_pool(2).padding(2)), avg_pool(2).padding([0, 0, 2, 0]).into()] {
        assert!(refusal(kind, &SHAPE).contains("padding smaller"));
    }
    for kind in [LayerKind::from(max_pool([2, 0])), max_pool(2).stride(0).into(), avg_pool(0).into()] {
        refusal(kind, &SHAPE);
    }
    assert!(refusal(global_avg_pool().into(), &[30]).contains("reshape"));
    refusal(global_avg_pool().into(), &[3, 0, 5]);
}
