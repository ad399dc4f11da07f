use super::super::{Context, Layer, dense};
use super::*;
use crate::testing::Bench;

/// The definition of ONNX's operator *Conv* for images `[channels, height, width]`, in f64.
fn naive(
    layer: &Conv2d,
    [channels, height, width]: [usize; 3],
    pads: [usize; 4],
    x: &[f64],
    p: &[Vec<f64>],
) -> Vec<f64> {
    let depth = channels / layer.groups;
    let [top, left, bottom, right] = pads.map(|pad| pad as isize);
    let (kernel, stride, dilation) = (layer.kernel, layer.stride, layer.dilation);
    let reach = |taps: usize, dilation: usize| ((taps - 1) * dilation + 1) as isize;
    let rows = (height as isize + top + bottom - reach(kernel.height, dilation.height)) / stride.height as isize + 1;
    let columns = (width as isize + left + right - reach(kernel.width, dilation.width)) / stride.width as isize + 1;
    let pixel = |x: &[f64], channel: usize, row: isize, column: isize| {
        let inside = (0..height as isize).contains(&row) && (0..width as isize).contains(&column);
        if inside { x[(channel * height + row as usize) * width + column as usize] } else { 0.0 }
    };
    let mut output = Vec::new();
    for x in x.chunks(channels * height * width) {
        for filter in 0..layer.filters {
            let group = filter / (layer.filters / layer.groups);
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let mut sum = p.get(1).map_or(0.0, |bias| bias[filter]);
                for c in 0..depth {
                    for (u, v) in (0..kernel.height).flat_map(|u| (0..kernel.width).map(move |v| (u, v))) {
                        let row = row * stride.height as isize + (u * dilation.height) as isize - top;
                        let column = column * stride.width as isize + (v * dilation.width) as isize - left;
                        let weight = p[0][((filter * depth + c) * kernel.height + u) * kernel.width + v];
                        sum += weight * pixel(x, group * depth + c, row, column);
                    }
                }
                output.push(sum);
            }
        }
    }
    output
}

/// Layers with the padding they come to on images of 4 channels of 5 x 6.
fn layers() -> Vec<(Conv2d, [usize; 4])> {
    vec![
        (conv2d(3, 3), [0; 4]),
        (conv2d(2, 3).padding(Padding::Same).bias(false), [1; 4]),
        (conv2d(2, [2, 3]).padding(Padding::Same).stride(2), [0, 0, 1, 1]),
        (conv2d(2, [3, 2]).padding([2, 0, 1, 1]).stride([2, 1]), [2, 0, 1, 1]),
        (conv2d(2, 2).dilation([3, 2]).padding(1), [1; 4]),
        (conv2d(6, 3).groups(2).padding(1), [1; 4]),
        (conv2d(8, 3).groups(4).padding(Padding::Same).stride([1, 2]), [1, 0, 1, 1]),
        (conv2d(4, 3).groups(4), [0; 4]),
        (conv2d(5, 1), [0; 4]),
        (conv2d(1, [5, 6]), [0; 4]),
    ]
}

#[test]
fn every_form_follows_its_definition_forwards_and_back() {
    for (layer, pads) in layers() {
        let mut bench = Bench::new(layer.clone(), &[&[4, 5, 6]], 3, 1);
        bench.check(|inputs, parameters| naive(&layer, [4, 5, 6], pads, &inputs[0], parameters));
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let learn = |threads: usize, layer: &Conv2d| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let learnt = pool.install(|| Bench::new(layer.clone(), &[&[4, 5, 6]], 7, 2).learn());
        (learnt.output, learnt.by_inputs, learnt.by_parameters)
    };
    for (layer, _) in layers() {
        let one = learn(1, &layer);
        for threads in [2, 3, 8] {
            assert_eq!(learn(threads, &layer), one, "{layer:?} on {threads} threads");
        }
    }
}

#[test]
fn alexnet_has_as_many_parameters_as_its_paper_implies() {
    let conv = |filters, kernel, groups: usize, input: &[usize]| {
        let built = Layer::new("conv", conv2d(filters, kernel).groups(groups).padding(kernel / 2))
            .build(&[input], Context::default());
        built.unwrap().parameters.iter().map(|p| p.shape.iter().product::<usize>()).sum::<usize>()
    };
    // The sizes of the images do not matter here.
    assert_eq!(conv(96, 11, 1, &[3, 20, 20]), 34_944);
    assert_eq!(conv(256, 5, 2, &[96, 9, 9]), 307_456);
    assert_eq!(conv(384, 3, 1, &[256, 9, 9]), 885_120);
    assert_eq!(conv(384, 3, 2, &[384, 9, 9]), 663_936);
    assert_eq!(conv(256, 3, 2, &[384, 9, 9]), 442_624);
    let built = Layer::new("conv1", conv2d(96, 11).stride(4)).build(&[&[3, 227, 227]], Context::default()).unwrap();
    assert_eq!(built.shape, [96, 55, 55]);
}

#[test]
fn a_dense_layer_becomes_the_equal_convolution() {
    let weights: Vec<f32> = (0..2 * 3 * 4 * 5).map(|i| (i * i % 17) as f32 - 8.0).collect();
    let layer = dense(5).weights(weights).bias_values(vec![1.0, 2.0, 3.0, 4.0, 5.0]);
    let conv = dense_to_conv(&layer, [2, 3, 4]).unwrap();
    let mut dense_bench = Bench::new(layer.clone(), &[&[24]], 3, 7);
    let mut conv_bench = Bench::new(conv, &[&[2, 3, 4]], 3, 7);
    assert_eq!(conv_bench.shape, [5, 1, 1]);
    let mode = crate::op::Mode::Inference;
    assert_eq!(dense_bench.inputs, conv_bench.inputs);
    let expected = dense_bench.forward(mode);
    for (found, expected) in conv_bench.forward(mode).into_iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-5 * (1.0 + expected.abs()), "{found} is not {expected}");
    }
    let message = dense_to_conv(&layer, [2, 3, 5]).unwrap_err().to_string();
    assert!(message.contains("2 x 3 x 5"), "{message}");
    assert!(dense_to_conv(&Dense::default(), [2, 3, 5]).is_err());
}

#[test]
fn configurations_say_sizes_in_one_number_or_several() {
    let read = |text: &str| toml::from_str::<Conv2d>(text);
    let layer = read("filters = 8\nkernel = [3, 5]\nstride = 2\npadding = [0, 1, 2, 3]").unwrap();
    assert_eq!(layer, conv2d(8, [3, 5]).stride(2).padding([0, 1, 2, 3]));
    assert_eq!(read("filters = 8\nkernel = 3\npadding = \"same\"").unwrap(), conv2d(8, 3).padding(Padding::Same));
    assert_eq!(read("filters = 8\nkernel = 3\npadding = 1").unwrap(), conv2d(8, 3).padding(1));
    for layer in layers() {
        assert_eq!(read(&toml::to_string(&layer.0).unwrap()).unwrap(), layer.0);
    }
    for wrong in [
        "kernel = -3",
        "kernel = [1, 2, 3]",
        "kernel = 3\npadding = \"full\"",
        "kernel = 3\npadding = [1, 2]",
        "kernel = \"3\"",
    ] {
        assert!(read(&format!("filters = 8\n{wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let refusal = |layer: Conv2d, shape: &[usize]| {
        let layer = Layer::new("odd", layer);
        let message = layer.check().and_then(|()| layer.build(&[shape], Context::default())).err().unwrap().to_string();
        assert!(message.contains("odd"), "{message}");
        message
    };
    assert!(refusal(conv2d(1, 3), &[9]).contains("reshape"));
    assert!(refusal(conv2d(1, 3), &[1, 2, 5]).contains("3 x 3"));
    assert!(refusal(conv2d(1, 3).padding(3), &[1, 5, 5]).contains("padding smaller"));
    assert!(refusal(conv2d(4, 3).groups(3), &[6, 5, 5]).contains("odd.groups"));
    assert!(refusal(conv2d(3, 3).groups(3), &[4, 5, 5]).contains("4 channels"));
    for (layer, setting) in [
        (conv2d(0, 3), "filters"),
        (conv2d(1, 0), "kernel"),
        (conv2d(1, 3).stride([1, 0]), "stride"),
        (conv2d(1, 3).dilation(0), "dilation"),
        (conv2d(1, 3).groups(0), "groups"),
    ] {
        assert!(refusal(layer, &[1, 5, 5]).contains(&format!("odd.{setting}")));
    }
    for huge in [
        conv2d(usize::MAX, 3),
        conv2d(1, usize::MAX),
        conv2d(1, 3).padding(usize::MAX),
        conv2d(1, 3).dilation(usize::MAX),
    ] {
        refusal(huge, &[2, 5, 5]);
    }
    refusal(conv2d(1, 1 << 40).padding((1 << 40) - 1), &[2, 5, 5]);
    refusal(conv2d(1, 3), &[0, 5, 5]);
    refusal(conv2d(1, 3).padding(2), &[1, 0, 5]);
}
