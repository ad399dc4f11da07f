use ndarray::{Array, ArrayD, IxDyn, ShapeBuilder, arr1, arr2};
use proptest::prelude::*;

use super::*;

fn input(name: &str, samples: impl Into<ArrayD<f32>>) -> Input {
    Input { name: name.into(), samples: samples.into() }
}

/// `len` samples of two features; sample `i` is `[i, -i]` with label `i % 3`.
fn counted(len: usize) -> Dataset {
    let x = Array::from_shape_fn((len, 2), |(i, j)| if j == 0 { i as f32 } else { -(i as f32) });
    let labels = (0..len).map(|i| i as u32 % 3).collect();
    Dataset::new(vec![input("x", x.into_dyn())], Some(Labels::new(labels))).unwrap()
}

/// The first feature of each sample, which is its place in [`counted`].
fn places(dataset: &Dataset) -> Vec<usize> {
    dataset.inputs()[0].samples.outer_iter().map(|sample| sample[0] as usize).collect()
}

fn is_request<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    matches!(result.unwrap_err().problem(), Problem::Request(_))
}

#[test]
fn arrays_that_form_no_data_set_are_refused() {
    let two = || arr2(&[[1.0], [2.0]]).into_dyn();
    for (inputs, expected) in [
        (vec![], "no array of samples"),
        (vec![input("x", two()), input("x", two())], "two arrays are named `x`"),
        (vec![input("x", ArrayD::from_elem(IxDyn(&[]), 1.0))], "single number"),
        (vec![input("x", ArrayD::zeros(IxDyn(&[0, 4])))], "shape [0, 4] is empty"),
        (vec![input("a", two()), input("b", arr1(&[1.0]).into_dyn())], "array `b` of shape [1] holds 1 samples"),
    ] {
        let error = Dataset::new(inputs, None).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.file(), None);
    }
    let error = Dataset::new(vec![input("x", two())], Some(Labels::new(vec![0; 3]))).unwrap_err();
    assert!(matches!(error.problem(), Problem::Labels(_)), "{error}");
}

#[test]
fn arrays_are_kept_in_row_major_order() {
    let column_major = ArrayD::from_shape_vec(IxDyn(&[2, 2]).f(), vec![1.0, 3.0, 2.0, 4.0]).unwrap();
    let dataset = Dataset::new(vec![input("x", column_major)], None).unwrap();
    assert_eq!(dataset.inputs()[0].samples.as_slice(), Some(&[1.0, 2.0, 3.0, 4.0][..]));
    let selected = dataset.select(&[1, 0, 1]).unwrap();
    assert_eq!(selected.inputs()[0].samples.as_slice(), Some(&[3.0, 4.0, 1.0, 2.0, 3.0, 4.0][..]));
}

#[test]
fn a_lone_x_serves_a_lone_input() {
    let one = counted(2);
    assert_eq!(one.input("image").unwrap().name, "x");
    let batch = one.batches(2).next().unwrap();
    assert_eq!(batch.inputs_for(&["image"]).unwrap().len(), 1);
    let error = batch.inputs_for(&["image", "mask"]).unwrap_err();
    assert!(error.to_string().contains("no array for the model input `image`, only `x`"), "{error}");

    let a = Array::from_elem(IxDyn(&[2]), 1.0);
    let two = Dataset::new(vec![input("x", a.clone()), input("b", &a * 2.0)], None).unwrap();
    assert!(two.input("a").is_err());
    let batch = two.batches(2).next().unwrap();
    let views = batch.inputs_for(&["b", "x"]).unwrap();
    assert_eq!((views[0][[0]], views[1][[0]]), (2.0, 1.0));

    let named = Dataset::new(vec![input("a", a)], None).unwrap();
    assert!(is_request(named.input("b").map(|_| ())));
}

#[test]
fn a_selection_keeps_the_classes() {
    let dataset = counted(6);
    let selected = dataset.select(&[3, 0, 3]).unwrap();
    assert_eq!(places(&selected), [3, 0, 3]);
    assert_eq!((selected.labels(), selected.class_count()), (Some(&[0, 0, 0][..]), Some(3)));
    assert!(is_request(dataset.select(&[6])));
    assert!(is_request(dataset.select(&[])));
    assert_eq!(places(&dataset.take(2).unwrap()), [0, 1]);
    assert_eq!(dataset.take(usize::MAX).unwrap(), dataset);
    assert!(is_request(dataset.take(0)));
}

/// The order is part of what a seed means to a user, so it must not change with a library's version.
#[test]
fn a_seed_always_means_the_same_order() {
    assert_eq!(counted(8).shuffled_indices(0), [2, 0, 6, 1, 3, 5, 7, 4]);
    assert_ne!(counted(50).shuffled_indices(0), counted(50).shuffled_indices(1));
}

#[test]
fn a_fraction_that_leaves_a_side_empty_is_refused() {
    let dataset = counted(10);
    for fraction in [0.0, 0.04, 0.96, 1.0, 1.5, -0.5, f64::NAN, f64::INFINITY] {
        assert!(is_request(dataset.split(fraction, 0)), "{fraction}");
    }
    assert!(is_request(counted(1).split(0.5, 0)));
}

#[test]
fn values_are_scaled_and_normalized() {
    let dataset = counted(3).rescale("1/2".parse().unwrap());
    assert_eq!(dataset.inputs()[0].samples, arr2(&[[0.0, -0.0], [0.5, -0.5], [1.0, -1.0]]).into_dyn());
    let new = |mean: &[f32], std: &[f32]| Normalization::new(mean.to_vec(), std.to_vec()).unwrap();
    let one = counted(2).normalize(&new(&[1.0], &[0.5])).unwrap();
    assert_eq!(one.inputs()[0].samples, arr2(&[[-2.0, -2.0], [0.0, -4.0]]).into_dyn());
    let each = counted(2).normalize(&new(&[0.0, 1.0], &[1.0, 2.0])).unwrap();
    assert_eq!(each.inputs()[0].samples, arr2(&[[0.0, -0.5], [1.0, -1.0]]).into_dyn());
    assert!(is_request(counted(2).normalize(&new(&[0.0; 3], &[1.0; 3]))));
}

#[test]
fn samples_are_viewed_in_another_shape() {
    let images = counted(3).shape_samples("anything", &[1, 2, 1]).unwrap();
    let samples = &images.inputs()[0].samples;
    assert_eq!(samples.shape(), [3, 1, 2, 1]);
    assert_eq!(samples[[2, 0, 1, 0]], -2.0);
    assert_eq!(images.shape_samples("x", &[2]).unwrap(), counted(3));
    for shape in [&[3][..], &[], &[0], &[usize::MAX, 2]] {
        let error = counted(3).shape_samples("x", shape).unwrap_err();
        assert!(error.to_string().contains("samples of shape [2] in array `x`"), "{error}");
    }
}

proptest! {
    #[test]
    fn batches_cover_the_samples_in_order(len in 1usize..40, size in 0usize..50) {
        let dataset = counted(len);
        let mut next = 0;
        let batches = dataset.batches(size);
        prop_assert_eq!(batches.len(), len.div_ceil(size.max(1)));
        for batch in batches {
            prop_assert_eq!(batch.range(), next..(next + size.max(1)).min(len));
            let x = batch.input("x").unwrap();
            prop_assert!(x.is_standard_layout());
            prop_assert_eq!(x.shape(), [batch.len(), 2]);
            for i in 0..batch.len() {
                prop_assert_eq!(x[[i, 0]], (next + i) as f32);
                prop_assert_eq!(batch.labels().unwrap()[i], (next + i) as u32 % 3);
            }
            next += batch.len();
        }
        prop_assert_eq!(next, len);
    }

    #[test]
    fn a_split_loses_and_repeats_nothing(len in 2usize..60, seed in any::<u64>()) {
        let dataset = counted(len);
        let (first, rest) = dataset.split(0.5, seed).unwrap();
        prop_assert_eq!(first.len(), (len as f64 / 2.0).round() as usize);
        let mut all = [places(&first), places(&rest)].concat();
        prop_assert_eq!(&all, &dataset.shuffled_indices(seed));
        all.sort_unstable();
        prop_assert_eq!(all, (0..len).collect::<Vec<_>>());
        for part in [first, rest] {
            let expected: Vec<_> = places(&part).iter().map(|&i| i as u32 % 3).collect();
            prop_assert_eq!(part.labels().unwrap(), expected);
        }
    }
}
