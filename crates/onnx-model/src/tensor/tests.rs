use proptest::prelude::*;

use super::*;
use crate::proto::{DataLocation, TensorProto};

fn empty(data_type: DataType, dims: &[i64]) -> TensorProto {
    TensorProto {
        name: Some("t".to_owned()),
        data_type: Some(data_type.into()),
        dims: dims.to_vec(),
        ..TensorProto::default()
    }
}

fn raw(data_type: DataType, dims: &[i64], bytes: &[u8]) -> TensorProto {
    TensorProto { raw_data: Some(bytes.to_vec()), ..empty(data_type, dims) }
}

fn ints(data_type: DataType, values: &[i32]) -> TensorProto {
    TensorProto { int32_data: values.to_vec(), ..empty(data_type, &[values.len() as i64]) }
}

/// Each type as typed field and as `raw_data`, written down by hand, and what both mean.
fn both_storages() -> Vec<(TensorProto, TensorProto, TensorData)> {
    let two = |data_type| empty(data_type, &[2]);
    vec![
        (
            TensorProto { float_data: vec![1.0, -2.0], ..two(DataType::Float) },
            raw(DataType::Float, &[2], &[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]),
            TensorData::F32(vec![1.0, -2.0]),
        ),
        (
            TensorProto { double_data: vec![1.0, -2.0], ..two(DataType::Double) },
            raw(DataType::Double, &[2], &[0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0]),
            TensorData::F64(vec![1.0, -2.0]),
        ),
        (
            ints(DataType::Float16, &[0x3c00, 0xc000]),
            raw(DataType::Float16, &[2], &[0, 0x3c, 0, 0xc0]),
            TensorData::F16(vec![f16::from_f32(1.0), f16::from_f32(-2.0)]),
        ),
        (
            ints(DataType::Bfloat16, &[0x3f80, 0xc000]),
            raw(DataType::Bfloat16, &[2], &[0x80, 0x3f, 0, 0xc0]),
            TensorData::Bf16(vec![bf16::from_f32(1.0), bf16::from_f32(-2.0)]),
        ),
        (ints(DataType::Int8, &[-128, 127]), raw(DataType::Int8, &[2], &[0x80, 0x7f]), TensorData::I8(vec![-128, 127])),
        (ints(DataType::Uint8, &[0, 255]), raw(DataType::Uint8, &[2], &[0, 0xff]), TensorData::U8(vec![0, 255])),
        (
            ints(DataType::Int16, &[-2, 258]),
            raw(DataType::Int16, &[2], &[0xfe, 0xff, 2, 1]),
            TensorData::I16(vec![-2, 258]),
        ),
        (
            ints(DataType::Uint16, &[65535, 258]),
            raw(DataType::Uint16, &[2], &[0xff, 0xff, 2, 1]),
            TensorData::U16(vec![65535, 258]),
        ),
        (
            ints(DataType::Int32, &[-2, 1]),
            raw(DataType::Int32, &[2], &[0xfe, 0xff, 0xff, 0xff, 1, 0, 0, 0]),
            TensorData::I32(vec![-2, 1]),
        ),
        (
            TensorProto { uint64_data: vec![u32::MAX.into(), 1], ..two(DataType::Uint32) },
            raw(DataType::Uint32, &[2], &[0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0]),
            TensorData::U32(vec![u32::MAX, 1]),
        ),
        (
            TensorProto { int64_data: vec![-1, 1], ..two(DataType::Int64) },
            raw(DataType::Int64, &[2], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0]),
            TensorData::I64(vec![-1, 1]),
        ),
        (
            TensorProto { uint64_data: vec![u64::MAX, 1], ..two(DataType::Uint64) },
            raw(DataType::Uint64, &[2], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0]),
            TensorData::U64(vec![u64::MAX, 1]),
        ),
        (
            TensorProto { int32_data: vec![0x78], ..two(DataType::Int4) },
            raw(DataType::Int4, &[2], &[0x78]),
            TensorData::I4(vec![-8, 7]),
        ),
        (
            TensorProto { int32_data: vec![0xf1], ..two(DataType::Uint4) },
            raw(DataType::Uint4, &[2], &[0xf1]),
            TensorData::U4(vec![1, 15]),
        ),
        (
            TensorProto { int32_data: vec![0b0110], ..two(DataType::Int2) },
            raw(DataType::Int2, &[2], &[0b0110]),
            TensorData::I2(vec![-2, 1]),
        ),
        (
            TensorProto { int32_data: vec![0b1101], ..two(DataType::Uint2) },
            raw(DataType::Uint2, &[2], &[0b1101]),
            TensorData::U2(vec![1, 3]),
        ),
        (ints(DataType::Bool, &[1, 0]), raw(DataType::Bool, &[2], &[1, 0]), TensorData::Bool(vec![true, false])),
    ]
}

#[test]
fn typed_fields_and_raw_data_mean_the_same() {
    for (typed, raw, data) in both_storages() {
        let expected = Tensor::new("t", &[2], data).unwrap();
        assert_eq!(Tensor::from_proto(&typed).unwrap(), expected);
        assert_eq!(Tensor::from_proto(&raw).unwrap(), expected);
        assert_eq!(expected.to_proto(), raw);
        assert_eq!(expected.data.data_type(), DataType::try_from(raw.data_type()).unwrap());
    }
}

/// Types that cannot be read as values, with the bytes and the typed entries five elements take.
const STORED_ONLY: [(DataType, usize, usize); 11] = [
    (DataType::Float4e2m1, 3, 3),
    (DataType::Float6e2m3, 4, 5),
    (DataType::Float6e3m2, 4, 5),
    (DataType::Float8e4m3fn, 5, 5),
    (DataType::Float8e4m3fnuz, 5, 5),
    (DataType::Float8e5m2, 5, 5),
    (DataType::Float8e5m2fnuz, 5, 5),
    (DataType::Float8e8m0, 5, 5),
    (DataType::Complex64, 40, 10),
    (DataType::Complex128, 80, 10),
    (DataType::String, 0, 5),
];

#[test]
fn other_types_are_checked_but_not_read() {
    for (data_type, bytes, entries) in STORED_ONLY {
        let typed = |entries: usize| {
            let mut tensor = empty(data_type, &[5]);
            match data_type {
                DataType::Complex64 => tensor.float_data = vec![0.0; entries],
                DataType::Complex128 => tensor.double_data = vec![0.0; entries],
                DataType::String => tensor.string_data = vec![b"text".to_vec(); entries],
                _ => tensor.int32_data = vec![0; entries],
            }
            tensor
        };
        let mut valid = vec![typed(entries)];
        let mut invalid = vec![typed(entries - 1), typed(entries + 1)];
        if data_type == DataType::String {
            invalid.push(raw(data_type, &[5], b"texts"));
        } else {
            valid.push(raw(data_type, &[5], &vec![0; bytes]));
            invalid.push(raw(data_type, &[5], &vec![0; bytes - 1]));
            invalid.push(raw(data_type, &[5], &vec![0; bytes + 1]));
        }
        for tensor in valid {
            let error = Tensor::from_proto(&tensor).unwrap_err();
            assert!(matches!(error, Error::UnsupportedType { .. }), "{error}");
            assert!(error.to_string().contains(&format!("tensor \"t\" has elements of type {data_type}")), "{error}");
        }
        for tensor in invalid {
            let error = Tensor::from_proto(&tensor).unwrap_err();
            assert!(matches!(error, Error::Tensor { .. }), "{data_type}: {error}");
        }
    }
}

#[test]
fn malformed_tensors_are_refused_by_name() {
    let float = DataType::Float;
    for (tensor, expected) in [
        (raw(float, &[2], &[0; 7]), "FLOAT and shape [2] needs 8 bytes of raw_data, has 7"),
        (raw(float, &[], &[]), "needs 4 bytes"),
        (raw(float, &[0], &[0]), "needs 0 bytes"),
        (empty(float, &[2]), "needs 2 entries in float_data, has 0"),
        (ints(float, &[1]), "has elements in int32_data besides or instead of float_data"),
        (
            TensorProto { float_data: vec![1.0], ..raw(float, &[1], &[0; 4]) },
            "float_data besides or instead of raw_data",
        ),
        (raw(float, &[-1], &[]), "dimensions cannot be negative"),
        (raw(float, &[i64::MAX, 2], &[]), "more elements than can be addressed"),
        (raw(float, &[1 << 32, 1 << 32], &[]), "more elements than can be addressed"),
        (raw(float, &[i64::MAX, 4, 0], &[]), "more elements than can be addressed"),
        (ints(DataType::Int8, &[128]), "holds 128, which is out of the range"),
        (ints(DataType::Uint8, &[-1]), "holds -1, which is out of the range"),
        (ints(DataType::Float16, &[65536]), "holds 65536, which is out of the range"),
        (TensorProto { int32_data: vec![256], ..empty(DataType::Int4, &[2]) }, "no bytes of packed elements"),
        (raw(DataType::Uint4, &[5], &[0; 2]), "needs 3 bytes of raw_data, has 2"),
        (TensorProto { int32_data: vec![0; 3], ..empty(DataType::Int2, &[5]) }, "needs 2 entries in int32_data, has 3"),
        (ints(DataType::Undefined, &[]), "has no data_type"),
        (TensorProto { data_type: Some(99), ..empty(float, &[]) }, "unknown data_type 99"),
        (TensorProto { data_type: Some(-1), ..empty(float, &[]) }, "unknown data_type -1"),
        (TensorProto { data_location: Some(7), ..raw(float, &[0], &[]) }, "unknown data_location 7"),
        (TensorProto { segment: Some(Default::default()), ..raw(float, &[9], &[]) }, "is a segment"),
        (TensorProto { data_location: Some(DataLocation::External.into()), ..empty(float, &[]) }, "is not loaded"),
    ] {
        let error = Tensor::from_proto(&tensor).unwrap_err().to_string();
        assert!(error.starts_with("tensor \"t\"") && error.contains(expected), "{error}");
    }
}

#[test]
fn zero_size_dimensions_are_fine() {
    let tensor = Tensor::from_proto(&raw(DataType::Float, &[3, 0], &[])).unwrap();
    assert_eq!((tensor.shape.as_slice(), tensor.data.is_empty()), (&[3, 0][..], true));
}

#[test]
fn constructors_refuse_another_number_of_elements() {
    assert!(Tensor::f32("w", &[2, 2], vec![0.0; 4]).is_ok());
    let error = Tensor::i8("w", &[2, 2], vec![0; 5]).unwrap_err().to_string();
    assert_eq!(error, "tensor \"w\" of shape [2, 2] cannot have 5 elements");
    assert!(Tensor::i64("w", &[usize::MAX, 2], vec![]).is_err());
}

#[test]
fn small_elements_fill_bytes_from_the_lowest_bits() {
    for (data, bytes) in [
        (TensorData::I4(vec![-1, 2, -8]), vec![0x2f, 0x08]),
        (TensorData::U4(vec![1, 2, 3, 4, 15]), vec![0x21, 0x43, 0x0f]),
        (TensorData::I2(vec![-2, -1, 0, 1, -1]), vec![0b01_00_11_10, 0b11]),
        (TensorData::U2(vec![0, 1, 2, 3, 2]), vec![0b11_10_01_00, 0b10]),
    ] {
        let tensor = Tensor::new("t", &[data.len()], data).unwrap();
        assert_eq!(tensor.to_proto().raw_data, Some(bytes));
        assert_eq!(Tensor::from_proto(&tensor.to_proto()).unwrap(), tensor);
    }
}

#[test]
fn a_tensor_is_a_file_of_its_own() {
    let tensor = Tensor::new("t", &[3], TensorData::I4(vec![-1, 2, -8])).unwrap();
    assert_eq!(Tensor::from_bytes(&tensor.to_bytes()).unwrap(), tensor);
    let error = Tensor::from_bytes(&[0xff; 9]).unwrap_err();
    assert!(matches!(error, Error::NotOnnx(_)), "{error}");
}

#[test]
fn constructors_refuse_more_bits_than_the_type_has() {
    for data in [TensorData::I4(vec![8]), TensorData::U4(vec![16]), TensorData::I2(vec![-3]), TensorData::U2(vec![4])] {
        let (data_type, error) = (data.data_type(), Tensor::new("t", &[1], data).unwrap_err().to_string());
        assert!(error.starts_with(&format!("tensor \"t\" of type {data_type} cannot hold")), "{error}");
    }
}

#[test]
fn elements_are_made_of_any_number_type() {
    let integers =
        [DataType::Int8, DataType::Uint8, DataType::Int16, DataType::Uint16, DataType::Int32, DataType::Uint32]
            .into_iter()
            .chain([
                DataType::Int64,
                DataType::Uint64,
                DataType::Int4,
                DataType::Uint4,
                DataType::Int2,
                DataType::Uint2,
            ]);
    for data_type in integers {
        let data = TensorData::from_i64(&[0, 1], data_type).unwrap();
        assert_eq!((data.data_type(), data.len()), (data_type, 2));
        assert_eq!(Tensor::new("t", &[2], data).unwrap().to_i64().unwrap(), [0, 1]);
    }
    for (value, data_type) in [
        (8, DataType::Int4),
        (-1, DataType::Uint4),
        (-3, DataType::Int2),
        (4, DataType::Uint2),
        (128, DataType::Int8),
        (2, DataType::Bool),
        (1, DataType::Float),
    ] {
        assert_eq!(TensorData::from_i64(&[value], data_type), None);
    }
    let halves = TensorData::from_f32(vec![1.0 + 1.0 / 2048.0, 1e9], DataType::Float16).unwrap();
    assert_eq!(halves, TensorData::F16(vec![f16::ONE, f16::INFINITY]));
    assert_eq!(TensorData::from_f32(vec![], DataType::Float8e5m2), None);
}

#[test]
fn values_convert_where_they_can() {
    assert_eq!(Tensor::u8("t", &[2], vec![3, 255]).unwrap().to_f32().unwrap(), [3.0, 255.0]);
    assert_eq!(Tensor::u8("t", &[2], vec![3, 255]).unwrap().to_i64().unwrap(), [3, 255]);
    assert_eq!(Tensor::i32("t", &[1, 1], vec![-7]).unwrap().scalar_f32().unwrap(), -7.0);
    let int4 = Tensor::new("t", &[2], TensorData::I4(vec![-8, 7])).unwrap();
    assert_eq!((int4.to_f32().unwrap(), int4.to_i64().unwrap()), (vec![-8.0, 7.0], vec![-8, 7]));
    assert!(Tensor::f32("t", &[2], vec![0.0; 2]).unwrap().scalar_f32().is_err());
    assert!(Tensor::f32("t", &[1], vec![0.0]).unwrap().to_i64().is_err());
    assert!(Tensor::new("t", &[1], TensorData::U64(vec![1 << 63])).unwrap().to_i64().is_err());
    assert!(Tensor::new("t", &[1], TensorData::Bool(vec![true])).unwrap().to_f32().is_err());
}

proptest! {
    #[test]
    fn every_bit_of_raw_data_survives(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for (data_type, size) in [(DataType::Float, 4), (DataType::Double, 8), (DataType::Float16, 2), (DataType::Bfloat16, 2),
            (DataType::Int8, 1), (DataType::Uint8, 1), (DataType::Int16, 2), (DataType::Uint16, 2), (DataType::Int32, 4),
            (DataType::Uint32, 4), (DataType::Int64, 8), (DataType::Uint64, 8)] {
            let count = bytes.len() / size;
            let proto = raw(data_type, &[count as i64], &bytes[..count * size]);
            prop_assert_eq!(Tensor::from_proto(&proto).unwrap().to_proto(), proto);
        }
        for (data_type, per_byte) in [(DataType::Int4, 2), (DataType::Uint4, 2), (DataType::Int2, 4), (DataType::Uint2, 4)] {
            let proto = raw(data_type, &[(bytes.len() * per_byte) as i64], &bytes);
            prop_assert_eq!(Tensor::from_proto(&proto).unwrap().to_proto(), proto);
        }
    }

    #[test]
    fn any_bytes_give_a_tensor_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(tensor) = Tensor::from_bytes(&bytes) {
            prop_assert_eq!(tensor.shape.iter().product::<usize>(), tensor.data.len());
        }
    }

    #[test]
    fn any_fields_give_a_tensor_or_an_error(
        dims in prop::collection::vec(prop_oneof![-1..4_i64, any::<i64>()], 0..4),
        data_type in -1..30,
        int32_data in prop::collection::vec(any::<i32>(), 0..4),
        float_data in prop::collection::vec(any::<f32>(), 0..2),
        raw_data in prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
    ) {
        let proto = TensorProto { dims, data_type: Some(data_type), int32_data, float_data, raw_data, ..TensorProto::default() };
        if let Ok(tensor) = Tensor::from_proto(&proto) {
            prop_assert_eq!(tensor.shape.iter().product::<usize>(), tensor.data.len());
        }
    }
}
