use proptest::prelude::*;

use super::*;

fn example() -> Checkpoint {
    let tensor = |name: &str, shape: &[usize], values: &[f32]| Tensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        values: values.to_vec(),
    };
    Checkpoint {
        head: Head {
            config: "seed = 3\n".to_owned(),
            data: "d0".to_owned(),
            surroundings: "s0".to_owned(),
            epoch: 7,
            seconds: 0.1 + 0.2,
            best: Some((f64::from_bits(0x3fb9_9999_9999_9997), 5)),
        },
        parameters: vec![
            tensor("fc1.bias", &[3], &[f32::NAN, f32::INFINITY, -0.0]),
            tensor("fc1.weight", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, f32::MIN_POSITIVE / 2.0]),
        ],
        best: vec![tensor("fc1.weight", &[2, 3], &[0.0; 6])],
        states: vec![("optimizer".to_owned(), vec![1, 2, 255, 0, 7]), ("schedule".to_owned(), Vec::new())],
    }
}

/// Equality that tells NaN from NaN and zeros by their signs.
fn bits(checkpoint: &Checkpoint) -> Vec<u32> {
    let tensors = checkpoint.parameters.iter().chain(&checkpoint.best);
    tensors.flat_map(|tensor| tensor.values.iter().map(|value| value.to_bits())).collect()
}

#[test]
fn every_bit_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.safetensors");
    example().save(&path).unwrap();
    let read = Checkpoint::load(&path).unwrap();
    assert_eq!(bits(&read), bits(&example()));
    assert_eq!(read.head, example().head);
    let name = |tensor: &Tensor| (tensor.name.clone(), tensor.shape.clone());
    assert!(read.parameters.iter().map(name).eq(example().parameters.iter().map(name)));
    assert!(read.best.iter().map(name).eq(example().best.iter().map(name)));
    assert_eq!(read.states, example().states);
}

#[test]
fn the_same_state_is_the_same_bytes() {
    assert_eq!(example().to_bytes().unwrap(), example().to_bytes().unwrap());
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    let whole = example().to_bytes().unwrap();
    for end in 0..whole.len() {
        assert!(Checkpoint::from_bytes(&whole[..end]).is_err(), "cut at {end}");
    }
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            // Blanks in the header of the container are no part of what it says.
            let Ok(read) = Checkpoint::from_bytes(&bytes) else { continue };
            assert_eq!((bits(&read), read.head), (bits(&example()), example().head), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn files_that_are_no_checkpoint_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("c.safetensors");
    let refusal = || Checkpoint::load(&path).unwrap_err().to_string();
    assert!(refusal().contains("c.safetensors"));
    for bytes in [&b""[..], b"{}", &[0; 8], &u64::MAX.to_le_bytes()] {
        std::fs::write(&path, bytes).unwrap();
        let message = refusal();
        assert!(message.contains("c.safetensors") && message.contains("not a valid checkpoint"), "{message}");
    }
    let other = TensorView::new(Dtype::U8, vec![1], &[7]).unwrap();
    std::fs::write(&path, safetensors::serialize([("x", other)], None).unwrap()).unwrap();
    assert!(refusal().contains("no entry"));
    assert!(Checkpoint::load(directory.path()).is_err());
}

proptest! {
    #[test]
    fn noise_is_refused(bytes: Vec<u8>, header in ".{0,200}") {
        prop_assert!(Checkpoint::from_bytes(&bytes).is_err());
        let container = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes].concat();
        prop_assert!(Checkpoint::from_bytes(&container).is_err());
    }
}
