//! What the model of costs decides, and that each piece is done once.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking, like tests")]

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Load, Split, choose_for, share, threads_for};

fn choose(layers: &[(usize, usize)], batch: usize, threads: usize) -> Split {
    choose_for(layers.iter().map(|&(k, n)| Load::int8(k, n, 1)), batch, threads)
}

const MLP: [(usize, usize); 3] = [(784, 512), (512, 256), (256, 10)];

#[test]
fn small_work_stays_on_one_thread() {
    for threads in [1, 2, 8] {
        assert_eq!(choose(&MLP, 1, threads), Split::Channels);
        assert_eq!(choose(&MLP, 16, threads), Split::Channels);
        for (k, n) in MLP {
            assert_eq!(threads_for(Load::int8(k, n, 1), 16, threads), 1);
        }
        assert_eq!(threads_for(Load::int8(1024, 1024, 1), 1, threads), 1);
    }
}

#[test]
fn samples_are_shared_where_there_are_many_and_channels_where_there_are_few() {
    assert_eq!(choose(&MLP, 256, 2), Split::Samples { threads: 2, piece: 64 });
    assert_eq!(choose(&MLP, 256, 4), Split::Samples { threads: 4, piece: 32 });
    assert_eq!(choose(&[(784, 256)], 256, 2), Split::Samples { threads: 2, piece: 64 });
    assert_eq!(choose(&[(4096, 4096)], 16, 2), Split::Channels);
    let wide = [(9216, 4096), (4096, 4096)];
    assert_eq!(choose(&wide, 3, 2), Split::Channels);
    assert_eq!(choose(&wide, 256, 2), Split::Samples { threads: 2, piece: 64 });
    // Each layer by itself: a narrow one behind it is not worth it.
    let load = |k, n| Load::int8(k, n, 1);
    assert_eq!((threads_for(load(9216, 4096), 1, 8), threads_for(load(4096, 10), 1, 8)), (8, 1));
    assert_eq!((threads_for(load(4096, 4096), 1, 2), threads_for(load(4096, 4096), 1, 0)), (2, 1));
    assert_eq!(threads_for(load(usize::MAX, 2), usize::MAX, 3), 3);
}

#[test]
fn float_layers_are_shared_by_samples_alone() {
    let layers = [Load::float(4096, 4096, 1)];
    assert_eq!(choose_for(layers.into_iter(), 8, 2), Split::Samples { threads: 2, piece: 4 });
    assert_eq!(choose_for(layers.into_iter(), 1, 2), Split::Channels);
}

#[test]
fn rows_of_one_sample_count() {
    let tokens = [Load::int8(1024, 1024, 128)];
    assert_eq!(choose_for(tokens.into_iter(), 1, 2), Split::Channels);
    assert_eq!(threads_for(tokens[0], 1, 2), 2);
}

#[test]
fn each_piece_is_done_once_on_any_number_of_threads() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    for helpers in 0..6 {
        for pieces in [0, 1, 2, 50] {
            let done: Vec<AtomicUsize> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
            share(&pool, helpers, done.iter(), |piece| {
                piece.fetch_add(1, Ordering::Relaxed);
            });
            assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == 1));
        }
    }
}
