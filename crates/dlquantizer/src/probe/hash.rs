//! The hash of named tensors that arrive in batches.

use blake3::Hasher;
use int8_inference::{NamedTensor, TensorValues};

use crate::Error;

/// Hashes of tensors, each fed batch by batch.
#[derive(Default)]
pub(super) struct Outputs(Vec<Output>);

struct Output {
    name: String,
    element_type: u8,
    shape: Vec<usize>,
    values: Hasher,
}

impl Outputs {
    /// Adds what the next batch gave.
    pub(super) fn add(&mut self, batch: &[NamedTensor]) -> Result<(), Error> {
        if self.0.is_empty() {
            self.0.extend(batch.iter().map(Output::new));
        }
        let unequal = |name: &str| Error::Probe(format!("covers \"{name}\", which is not the same for every batch"));
        for (output, tensor) in self.0.iter_mut().zip(batch) {
            output.add(tensor).ok_or_else(|| unequal(&tensor.name))?;
        }
        Ok(())
    }

    /// The hash over all of them, in hexadecimal.
    pub(super) fn finish(self) -> String {
        let mut whole = Hasher::new();
        for Output { name, element_type, shape, values } in self.0 {
            let count = |hasher: &mut Hasher, count: usize| {
                hasher.update(&(count as u64).to_le_bytes());
            };
            count(&mut whole, name.len());
            whole.update(name.as_bytes()).update(&[element_type]);
            count(&mut whole, shape.len());
            shape.iter().for_each(|&size| count(&mut whole, size));
            whole.update(values.finalize().as_bytes());
        }
        whole.finalize().to_hex().to_string()
    }
}

impl Output {
    /// A tensor of no samples yet.
    fn new(tensor: &NamedTensor) -> Self {
        let (element_type, shape) = kind(&tensor.values);
        let mut shape = shape.to_vec();
        if let Some(samples) = shape.first_mut() {
            *samples = 0;
        }
        Self { name: tensor.name.clone(), element_type, shape, values: Hasher::new() }
    }

    fn add(&mut self, tensor: &NamedTensor) -> Option<()> {
        let (element_type, shape) = kind(&tensor.values);
        let (samples, rest) = shape.split_first()?;
        let (seen, expected) = self.shape.split_first_mut()?;
        if element_type != self.element_type || rest != expected || tensor.name != self.name {
            return None;
        }
        *seen += samples;
        let mut bytes = Vec::with_capacity(4 * tensor_len(shape));
        match &tensor.values {
            TensorValues::F32(values) => values.iter().for_each(|value| bytes.extend(bits(*value).to_le_bytes())),
            TensorValues::I32(values) => values.iter().for_each(|value| bytes.extend(value.to_le_bytes())),
            TensorValues::I8(values) => values.iter().for_each(|value| bytes.extend(value.to_le_bytes())),
            TensorValues::U8(values) => bytes.extend(values.iter()),
        }
        self.values.update(&bytes);
        Some(())
    }
}

fn tensor_len(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// Number of the type in the hash, and the shape.
fn kind(values: &TensorValues) -> (u8, &[usize]) {
    match values {
        TensorValues::F32(values) => (0, values.shape()),
        TensorValues::U8(values) => (1, values.shape()),
        TensorValues::I8(values) => (2, values.shape()),
        TensorValues::I32(values) => (3, values.shape()),
    }
}

/// The bits of a value; machines differ in sign and payload of a NaN, so all of them are one.
fn bits(value: f32) -> u32 {
    if value.is_nan() { 0x7fc0_0000 } else { value.to_bits() }
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayD;

    use super::*;

    fn tensor(name: &str, values: TensorValues) -> NamedTensor {
        NamedTensor { name: name.to_owned(), values }
    }

    fn array<T: Clone>(shape: &[usize], values: &[T]) -> ArrayD<T> {
        ArrayD::from_shape_vec(shape.to_vec(), values.to_vec()).unwrap()
    }

    fn hash(batches: &[&[NamedTensor]]) -> String {
        let mut outputs = Outputs::default();
        batches.iter().for_each(|batch| outputs.add(batch).unwrap());
        outputs.finish()
    }

    #[test]
    fn it_is_the_documented_bytes_however_they_are_cut() {
        let nan = f32::from_bits(0xffc1_2345);
        let whole = [
            tensor("y", TensorValues::F32(array(&[3, 1], &[1.5, nan, -0.0]))),
            tensor("q", TensorValues::U8(array(&[3, 2], &[1, 2, 3, 4, 5, 6]))),
        ];
        let first = [
            tensor("y", TensorValues::F32(array(&[1, 1], &[1.5]))),
            tensor("q", TensorValues::U8(array(&[1, 2], &[1, 2]))),
        ];
        let second = [
            tensor("y", TensorValues::F32(array(&[2, 1], &[f32::NAN, -0.0]))),
            tensor("q", TensorValues::U8(array(&[2, 2], &[3, 4, 5, 6]))),
        ];
        let mut bytes = Vec::new();
        let count = |bytes: &mut Vec<u8>, count: u64| bytes.extend(count.to_le_bytes());
        let floats: Vec<u8> =
            [1.5_f32.to_bits(), 0x7fc0_0000, 0x8000_0000].iter().flat_map(|v| v.to_le_bytes()).collect();
        for (name, element_type, width, values) in [(b"y", 0, 1, floats), (b"q", 1, 2, vec![1, 2, 3, 4, 5, 6])] {
            count(&mut bytes, 1);
            bytes.extend(name);
            bytes.push(element_type);
            [2, 3, width].into_iter().for_each(|value| count(&mut bytes, value));
            bytes.extend(blake3::hash(&values).as_bytes());
        }
        assert_eq!(hash(&[&whole]), blake3::hash(&bytes).to_hex().to_string());
        assert_eq!(hash(&[&first, &second]), hash(&[&whole]));
    }

    #[test]
    fn every_bit_name_type_and_shape_counts() {
        let of = |name: &str, values: TensorValues| hash(&[&[tensor(name, values)]]);
        let base = || TensorValues::I8(array(&[2, 2], &[1, 2, 3, 4]));
        let others = [
            of("z", base()),
            of("y", TensorValues::I8(array(&[2, 2], &[1, 2, 3, 5]))),
            of("y", TensorValues::I8(array(&[4, 1], &[1, 2, 3, 4]))),
            of("y", TensorValues::U8(array(&[2, 2], &[1, 2, 3, 4]))),
        ];
        assert!(others.iter().all(|other| *other != of("y", base())));
    }
}
