use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::graph::node;
use crate::{DataType, Dim, Tensor, TensorData};

/// Made by the reference implementation: dense layers, one of them in a branch of an `If`, and metadata.
const CLASSIFIER: &[u8] = include_bytes!("../../testdata/classifier.onnx");

fn value(name: &str, shape: &[usize]) -> ValueInfo {
    let shape = Some(shape.iter().map(|&size| Dim::Fixed(size)).collect());
    ValueInfo { name: name.to_owned(), element_type: DataType::Float, shape }
}

/// A dense layer of 64 x 64 weights, 16 KiB, and a bias too small to be put into another file.
fn dense() -> Model {
    let weights = (0..64 * 64).map(|i| i as f32).collect();
    let graph = GraphProto {
        name: Some("dense".to_owned()),
        input: vec![(&value("x", &[1, 64])).into()],
        output: vec![(&value("y", &[1, 64])).into()],
        initializer: vec![
            Tensor::f32("bias", &[64], vec![0.5; 64]).unwrap().to_proto(),
            Tensor::f32("weight", &[64, 64], weights).unwrap().to_proto(),
        ],
        node: vec![node("Gemm", "fc", &["x", "weight", "bias"], &["y"])],
        ..GraphProto::default()
    };
    Model::new(graph, 21).with_producer("test", "1.0")
}

#[test]
fn a_file_of_the_reference_implementation_is_read_and_kept_byte_for_byte() {
    let model = Model::from_bytes(CLASSIFIER).unwrap();
    assert_eq!((model.opset(), model.proto().ir_version()), (21, 10));
    assert_eq!(model.metadata("labels"), Some("a,b,c"));
    let batch = |size| Some(vec![Dim::Symbolic("batch".to_owned()), Dim::Fixed(size)]);
    assert_eq!(model.inputs(), [ValueInfo { shape: batch(4), ..value("x", &[]) }]);
    assert_eq!(model.outputs(), [ValueInfo { shape: Some(vec![Dim::Unknown, Dim::Fixed(3)]), ..value("y", &[]) }]);
    assert_eq!(model.to_bytes(), CLASSIFIER);
}

#[test]
fn metadata_and_opset_can_be_set() {
    let mut model = dense();
    assert_eq!(model.metadata("digest"), None);
    model.set_metadata("digest", "1");
    model.set_metadata("digest", "2");
    assert_eq!(model.metadata("digest"), Some("2"));
    assert_eq!(model.proto().metadata_props.len(), 1);
    for (opset, ir_version) in [(8, 4), (9, 4), (13, 7), (21, 10), (22, 10), (28, 14)] {
        let mut fresh = Model::new(GraphProto::default(), opset);
        assert_eq!((fresh.opset(), fresh.proto().ir_version()), (opset, ir_version));
        fresh.set_opset(18);
        assert_eq!((fresh.opset(), fresh.proto().ir_version()), (18, ir_version.max(8)));
    }
}

#[test]
fn inputs_are_what_has_to_be_given() {
    let mut model = dense();
    model.graph_mut().input.push((&value("weight", &[64, 64])).into());
    assert_eq!(model.inputs(), [value("x", &[1, 64])]);
}

#[test]
fn nodes_are_sorted_when_a_model_is_read() {
    let mut model = dense();
    model.graph_mut().node.insert(0, node("Relu", "late", &["y"], &["z"]));
    assert!(matches!(model.check(), Err(Error::Unsorted { .. })));
    let read = Model::from_bytes(&model.to_bytes()).unwrap();
    assert_eq!(read.graph().node.iter().map(|node| node.name()).collect::<Vec<_>>(), ["fc", "late"]);
}

#[test]
fn a_model_survives_saving() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.onnx");
    let model = dense();
    model.save(&path).unwrap();
    assert_eq!(Model::open(&path).unwrap(), model);
}

#[test]
fn an_invalid_model_is_not_saved() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.onnx");
    let mut model = dense();
    model.graph_mut().node[0].input[0] = "nowhere".to_owned();
    assert!(matches!(model.save(&path), Err(Error::Node { .. })));
    assert!(matches!(model.save_with_external_data(&path), Err(Error::Node { .. })));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn files_that_are_no_models_are_refused_by_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("m.onnx");
    for (bytes, expected) in [
        (&b""[..], "m.onnx: not an ONNX model, or a truncated one: it is empty"),
        (b"\x89PNG\r\n\x1a\n 123456789", "m.onnx: not an ONNX model"),
        (&CLASSIFIER[..400], "m.onnx: not an ONNX model, or a truncated one"),
    ] {
        fs::write(&path, bytes).unwrap();
        let error = Model::open(&path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let missing = directory.path().join("missing.onnx");
    for path in [missing.as_path(), directory.path()] {
        let error = Model::open(path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot read {}: ", path.display())), "{error}");
    }
}

#[test]
fn a_newer_ir_version_is_refused_before_anything_else() {
    let mut model = dense();
    model.proto.ir_version = Some(15);
    model.proto.graph = None;
    let error = Model::from_bytes(&model.to_bytes()).unwrap_err().to_string();
    assert!(error.contains("IR version 15"), "{error}");
}

mod external {
    use super::*;
    use crate::proto::{DataLocation, StringStringEntryProto, TensorProto};

    const EXTERNAL: &[u8] = include_bytes!("../../testdata/external.onnx");
    const EXTERNAL_DATA: &[u8] = include_bytes!("../../testdata/external.bin");

    #[test]
    fn large_weights_go_to_a_file_of_their_own_and_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("m.onnx");
        let mut model = dense();
        // A second large tensor, in a typed field: it is aligned behind the first.
        let typed = TensorProto {
            name: Some("typed".to_owned()),
            data_type: Some(DataType::Int32.into()),
            dims: vec![1025],
            int32_data: (0..1025).collect(),
            ..TensorProto::default()
        };
        let odd = Tensor::u8("odd", &[5001], vec![7; 5001]).unwrap().to_proto();
        model.graph_mut().initializer.extend([odd, typed]);
        model.save_with_external_data(&path).unwrap();

        assert!(fs::metadata(&path).unwrap().len() < 2000);
        let data = fs::read(directory.path().join("m.onnx.data")).unwrap();
        assert_eq!(data.len(), 16384 + 8192 + 4100);
        assert_eq!(data[16384 + 5001..24576], [0; 8192 - 5001]);
        assert_eq!(data[24576 + 4..24576 + 8], 1_i32.to_le_bytes());

        let read = Model::open(&path).unwrap();
        let tensors = |model: &Model| -> Vec<Tensor> {
            model.graph().initializer.iter().map(|tensor| Tensor::from_proto(tensor).unwrap()).collect()
        };
        assert_eq!(tensors(&read), tensors(&model));
        assert!(read.graph().initializer.iter().all(|tensor| tensor.external_data.is_empty()));
        assert_eq!(read.graph().node, model.graph().node);
        assert_eq!(read.proto().producer_name(), "test");
    }

    #[test]
    fn without_large_weights_there_is_no_data_file() {
        let directory = tempfile::tempdir().unwrap();
        let model = Model::from_bytes(CLASSIFIER).unwrap();
        model.save_with_external_data(directory.path().join("m.onnx")).unwrap();
        assert_eq!(fs::read(directory.path().join("m.onnx")).unwrap(), CLASSIFIER);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_of_the_reference_implementation_are_loaded() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("m.onnx"), EXTERNAL).unwrap();
        fs::write(directory.path().join("external.bin"), EXTERNAL_DATA).unwrap();
        let weights = |model: &Model| -> Vec<Tensor> {
            model.graph().initializer.iter().map(|tensor| Tensor::from_proto(tensor).unwrap()).collect()
        };
        let loaded = Model::open(directory.path().join("m.onnx")).unwrap();
        assert_eq!(weights(&loaded), weights(&Model::from_bytes(CLASSIFIER).unwrap()));
    }

    #[test]
    fn bytes_alone_cannot_have_external_data() {
        let error = Model::from_bytes(EXTERNAL).unwrap_err().to_string();
        assert!(error.contains("external data \"external.bin\" is not loaded; open the model by its path"), "{error}");
    }

    /// A model whose only weight, of `dims` floats, has the external data `entries`.
    fn refer(dims: &[i64], entries: &[(&str, &str)]) -> Vec<u8> {
        let mut model = dense();
        let tensor = TensorProto {
            name: Some("w".to_owned()),
            dims: dims.to_vec(),
            data_type: Some(DataType::Float.into()),
            data_location: Some(DataLocation::External.into()),
            external_data: entries
                .iter()
                .map(|(key, value)| StringStringEntryProto {
                    key: Some((*key).to_owned()),
                    value: Some((*value).to_owned()),
                })
                .collect(),
            ..TensorProto::default()
        };
        model.graph_mut().initializer.push(tensor);
        model.to_bytes()
    }

    fn open_with(directory: &Path, bytes: &[u8]) -> Result<Model, Error> {
        let path = directory.join("m.onnx");
        fs::write(&path, bytes).unwrap();
        Model::open(path)
    }

    #[test]
    fn bad_references_are_refused_by_tensor_and_file() {
        let directory = tempfile::tempdir().unwrap();
        let models = directory.path().join("models");
        fs::create_dir_all(models.join("sub")).unwrap();
        fs::write(directory.path().join("secret"), [0; 64]).unwrap();
        fs::write(models.join("w.bin"), [0; 64]).unwrap();
        let outside = directory.path().join("secret").display().to_string();
        for (dims, entries, expected) in [
            (&[4][..], &[("location", "../secret")][..], "is not a path below the model's directory"),
            (&[4], &[("location", "sub/../w.bin")], "is not a path below the model's directory"),
            (&[4], &[("location", &outside)], "is not a path below the model's directory"),
            (&[4], &[], "is not a path below the model's directory"),
            (&[4], &[("location", "missing.bin")], "put the file beside the model"),
            (&[4], &[("location", "sub")], "is not a regular file"),
            (&[17], &[("location", "w.bin")], "has 64 bytes, the tensor's are the 68 from 0 on"),
            (&[4], &[("location", "w.bin"), ("offset", "49")], "has 64 bytes, the tensor's are the 16 from 49 on"),
            (&[4], &[("location", "w.bin"), ("offset", "18446744073709551615")], "has 64 bytes"),
            (&[4], &[("location", "w.bin"), ("offset", "-1")], "offset \"-1\", which is not a number"),
            (&[4], &[("location", "w.bin"), ("length", "12")], "gives it 12 bytes, its type and shape need 16"),
            (&[1 << 50], &[("location", "w.bin")], "has 64 bytes"),
            (&[1 << 62, 4], &[("location", "w.bin")], "more elements than can be addressed"),
            (&[-4], &[("location", "w.bin")], "cannot be negative"),
        ] {
            let error = open_with(&models, &refer(dims, entries)).unwrap_err().to_string();
            assert!(error.contains("m.onnx: tensor \"w\"") && error.contains(expected), "{error}");
        }
        for entries in [&[("location", "w.bin"), ("offset", "48"), ("length", "16")][..], &[("location", "./w.bin")]] {
            open_with(&models, &refer(&[4], entries)).unwrap();
        }
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_do_not_lead_outside() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let models = directory.path().join("models");
        fs::create_dir(&models).unwrap();
        fs::write(directory.path().join("secret"), [0; 64]).unwrap();
        fs::write(models.join("w.bin"), [0; 64]).unwrap();
        symlink("../secret", models.join("file.bin")).unwrap();
        symlink("..", models.join("up")).unwrap();
        symlink("w.bin", models.join("inside.bin")).unwrap();
        for location in ["file.bin", "up/secret"] {
            let error = open_with(&models, &refer(&[4], &[("location", location)])).unwrap_err().to_string();
            assert!(error.contains("leads out of the model's directory"), "{error}");
        }
        open_with(&models, &refer(&[4], &[("location", "inside.bin")])).unwrap();
    }

    #[test]
    fn a_small_file_does_not_blow_up() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("w.bin"), vec![0; 1 << 20]).unwrap();
        let mut model = Model::from_bytes(CLASSIFIER).unwrap();
        for index in 0..20 {
            // However the file is spelled.
            let location = format!("{}w.bin", "./".repeat(index));
            let bytes = refer(&[1 << 18], &[("location", &location)]);
            let tensor =
                <ModelProto as prost::Message>::decode(bytes.as_slice()).unwrap().graph.unwrap().initializer.pop();
            model.graph_mut().initializer.extend(tensor.map(|t| TensorProto { name: Some(format!("w{index}")), ..t }));
        }
        let error = open_with(directory.path(), &model.to_bytes()).unwrap_err().to_string();
        assert!(error.contains("tensor \"w9\"") && error.contains("add up to more than 8 times as much"), "{error}");
    }
}

#[test]
fn every_truncation_is_an_error_or_a_smaller_valid_model() {
    let fields = top_level_fields(CLASSIFIER);
    for end in 0..CLASSIFIER.len() {
        let read = Model::from_bytes(&CLASSIFIER[..end]);
        // Only a cut between two fields of the outermost message can go unnoticed.
        assert!(read.is_err() || fields.contains(&end), "cut at {end}");
        if let Err(error) = read {
            assert!(error.to_string().contains("truncated"), "cut at {end}: {error}");
        }
    }
}

/// Ends of the fields of a message whose fields are numbers or of known length.
fn top_level_fields(bytes: &[u8]) -> Vec<usize> {
    let mut rest = bytes;
    let mut ends = Vec::new();
    while !rest.is_empty() {
        let key = prost::encoding::decode_varint(&mut rest).unwrap();
        let number = prost::encoding::decode_varint(&mut rest).unwrap() as usize;
        if key & 7 == 2 {
            rest = &rest[number..];
        }
        ends.push(bytes.len() - rest.len());
    }
    ends
}

#[test]
fn every_flipped_bit_gives_a_model_or_an_error() {
    for index in 0..CLASSIFIER.len() * 8 {
        let mut bytes = CLASSIFIER.to_vec();
        bytes[index / 8] ^= 1 << (index % 8);
        survives(&bytes);
    }
}

/// Reads `bytes`; what is accepted is written and read again as the same.
fn survives(bytes: &[u8]) {
    if let Ok(model) = Model::from_bytes(bytes) {
        let written = model.to_bytes();
        assert_eq!(Model::from_bytes(&written).unwrap().to_bytes(), written);
        crate::graph::GraphIndex::new(model.graph()).unwrap();
        crate::graph::remove_unused(model.clone().graph_mut()).unwrap();
    }
}

fn any_data() -> impl Strategy<Value = TensorData> {
    prop_oneof![
        prop::collection::vec(any::<f32>(), 0..6).prop_map(TensorData::F32),
        prop::collection::vec(any::<i8>(), 0..6).prop_map(TensorData::I8),
        prop::collection::vec(any::<i64>(), 0..6).prop_map(TensorData::I64),
        prop::collection::vec(any::<bool>(), 0..6).prop_map(TensorData::Bool),
    ]
}

/// Chains of nodes, each with a weight of its own, and with metadata.
fn any_model() -> impl Strategy<Value = Model> {
    let layers = prop::collection::vec((any_data(), any::<i64>(), "[a-z]{0,3}"), 0..5);
    (layers, prop::collection::btree_map("[a-zé]{1,4}", ".{0,4}", 0..3), 1..=28_i64).prop_map(
        |(layers, metadata, opset)| {
            let mut graph = GraphProto { input: vec![(&value("v0", &[1])).into()], ..GraphProto::default() };
            for (index, (data, attribute, name)) in layers.into_iter().enumerate() {
                let (input, weight, output) = (format!("v{index}"), format!("w{index}"), format!("v{}", index + 1));
                graph.initializer.push(Tensor::new(&weight, &[data.len()], data).unwrap().to_proto());
                graph.node.push(
                    node("Op", &name, &[&input, "", &weight], &[&output]).with_ints("ints", &[attribute, index as i64]),
                );
            }
            let last = format!("v{}", graph.node.len());
            graph.output.push((&value(&last, &[1])).into());
            let mut model = Model::new(graph, opset);
            metadata.iter().for_each(|(key, value)| model.set_metadata(key, value));
            model
        },
    )
}

proptest! {
    #[test]
    fn any_model_survives_writing_and_reading(model in any_model()) {
        let bytes = model.to_bytes();
        let read = Model::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&read, &model);
        prop_assert_eq!(read.to_bytes(), bytes);
    }

    #[test]
    fn random_bytes_give_a_model_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn spliced_files_give_a_model_or_an_error(from in 0..CLASSIFIER.len(), to in 0..CLASSIFIER.len(), len in 0..100_usize) {
        let mut bytes = CLASSIFIER.to_vec();
        let piece = CLASSIFIER[from..(from + len).min(CLASSIFIER.len())].to_vec();
        bytes.splice(to..(to + len / 2).min(CLASSIFIER.len()), piece);
        survives(&bytes);
    }
}
