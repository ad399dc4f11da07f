//! Samples and labels from npy, npz, csv and IDX files, in batches and splits.
