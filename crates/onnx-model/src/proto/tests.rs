use prost::Message;

use super::*;

/// Made by Protocol Buffers' own library from `onnx-ml.proto` of IR version 14: each field of each message is set somewhere in it.
const EVERY_FIELD: &[u8] = include_bytes!("../../testdata/every_field.pb");

#[test]
fn no_field_of_any_message_is_lost() {
    let model = ModelProto::decode(EVERY_FIELD).unwrap();
    let bytes = model.encode_to_vec();
    // An unknown field would be dropped, one of another number or packing would take other bytes; only the order may differ.
    assert_eq!(bytes.len(), EVERY_FIELD.len());
    assert_eq!(ModelProto::decode(bytes.as_slice()).unwrap().encode_to_vec(), bytes);
    assert_eq!(sorted(&bytes), sorted(EVERY_FIELD));
}

fn sorted(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.sort_unstable();
    bytes
}

#[test]
fn absent_and_zero_differ() {
    let absent = NodeProto::default();
    let empty = NodeProto { name: Some(String::new()), ..NodeProto::default() };
    assert_eq!(absent.encode_to_vec(), []);
    assert_eq!(empty.encode_to_vec(), [3 << 3 | 2, 0]);
    assert_eq!(NodeProto::decode(&[3 << 3 | 2, 0][..]).unwrap(), empty);
    assert_eq!(absent.name(), empty.name());
}

#[test]
fn numbers_are_packed_where_onnx_packs_them_and_read_either_way() {
    let tensor = TensorProto { dims: vec![2, 3], int64_data: vec![4, 5], ..TensorProto::default() };
    let bytes = [1 << 3, 2, 1 << 3, 3, 7 << 3 | 2, 2, 4, 5];
    assert_eq!(tensor.encode_to_vec(), bytes);
    assert_eq!(TensorProto::decode(&bytes[..]).unwrap(), tensor);
    let other_way = [1 << 3 | 2, 2, 2, 3, 7 << 3, 4, 7 << 3, 5];
    assert_eq!(TensorProto::decode(&other_way[..]).unwrap(), tensor);
}
