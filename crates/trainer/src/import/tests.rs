use dataset::{Dataset, Input, Labels};
use ndarray::{Array2, ArrayD};
use onnx_model::graph::node;
use onnx_model::proto::{GraphProto, NodeProto};
use onnx_model::{DataType, Dim, Model, Tensor, ValueInfo};

use crate::{Error, TrainConfig, Trained, Trainer};

const SETTINGS: &str = "epochs = 2\nbatch_size = 8\n[optimizer]\nkind = \"adam\"\nlearning_rate = 0.01\n";

/// 32 samples of three classes, of any shape.
fn samples(name: &str, shape: &[usize]) -> Dataset {
    let shape = [&[32], shape].concat();
    let size = shape.iter().product();
    let values = (0..size).map(|at: usize| ((at * 7919) % 1000) as f32 / 250.0 - 1.5).collect();
    let samples = ArrayD::from_shape_vec(shape, values).unwrap();
    let labels = Labels::new((0..32).map(|at| at * 5 % 3).collect());
    Dataset::new(vec![Input { name: name.to_owned(), samples }], Some(labels)).unwrap()
}

fn trained(text: &str, data: &Dataset) -> Trained {
    Trainer::new(TrainConfig::from_toml(text).unwrap()).unwrap().fit(data, |_| ()).unwrap()
}

#[test]
fn what_is_exported_comes_back_as_it_was() {
    let activations =
        ["relu", "leaky-relu", "elu", "selu", "gelu", "silu", "softplus", "sigmoid", "tanh", "hard-swish", "softmax"];
    let within =
        activations.map(|name| format!("[[layer]]\nkind=\"dense\"\nname=\"{name}\"\nunits=5\nactivation=\"{name}\"\n"));
    let alone =
        activations.map(|name| format!("[[layer]]\nkind=\"activation\"\nname=\"of {name}\"\nfunction=\"{name}\"\n"));
    let dense = |name: &str, more: &str| format!("[[layer]]\nkind=\"dense\"\nname=\"{name}\"\n{more}\n");
    let branches = dense("a", "units=4")
        + &dense("b", "units=4\nbias=false\ninputs=[\"x\"]")
        + "[[layer]]\nkind=\"add\"\nname=\"sum\"\nactivation=\"relu\"\ninputs=[\"a\",\"b\"]\n"
        + "[[layer]]\nkind=\"concat\"\nname=\"both\"\ninputs=[\"sum\",\"b\"]\n"
        + &dense("out", "activation=\"softmax\"");
    let sequence = "[[layer]]\nkind=\"reshape\"\nname=\"rows\"\nshape=[2, 3]\n".to_owned()
        + &dense("each", "units=4\nactivation=\"gelu\"")
        + "[[layer]]\nkind=\"flatten\"\nname=\"flat\"\n"
        + &dense("out", "");
    let normalizers = dense("first", "units=5\nbias=false")
        + "[[layer]]\nkind=\"batch-norm\"\nname=\"bn\"\nactivation=\"relu\"\n"
        + "[[layer]]\nkind=\"dropout\"\nname=\"drop\"\nrate=0.2\n"
        + &dense("second", "units=5")
        + "[[layer]]\nkind=\"layer-norm\"\nname=\"ln\"\nepsilon=1e-3\n"
        + &dense("out", "");
    let head = dense("out", "");
    for normalize in ["none", "global", "feature"] {
        for layers in
            [within.concat() + &head, alone.concat() + &head, branches.clone(), sequence.clone(), normalizers.clone()]
        {
            let data = samples("x", &[6]);
            let network = trained(&format!("normalize=\"{normalize}\"\n{SETTINGS}{layers}"), &data);
            let model = network.to_model().unwrap();
            let again = Trained::from_model(&Model::from_bytes(&model.to_bytes()).unwrap()).unwrap();
            assert_eq!(again.to_model().unwrap().to_bytes(), model.to_bytes(), "{layers}");
            assert_eq!(again.predict(&data).unwrap(), network.predict(&data).unwrap());
            assert_eq!(again.accuracy(&data).unwrap(), network.accuracy(&data).unwrap());
        }
    }
}

#[test]
fn convolutions_and_poolings_come_back_as_they_were() {
    let layer = |kind: &str, name: &str, more: &str| format!("[[layer]]\nkind=\"{kind}\"\nname=\"{name}\"\n{more}\n");
    let layers = layer("conv2d", "a", "filters=4\nkernel=3\npadding=\"same\"\nstride=[2,1]\nactivation=\"relu\"")
        + &layer("conv2d", "b", "filters=6\nkernel=[2,3]\npadding=[0,1,1,0]\ngroups=2\ndilation=[1,2]\nbias=false")
        + &layer("batch-norm", "bn", "activation=\"relu\"")
        + &layer("max-pool", "max", "kernel=2\nstride=1")
        + &layer("avg-pool", "mean", "kernel=2\npadding=1")
        + &layer("global-avg-pool", "all", "")
        + &layer("dense", "out", "");
    let data = samples("x", &[2, 10, 9]);
    let network = trained(&format!("{SETTINGS}{layers}"), &data);
    let model = network.to_model().unwrap();
    let again = Trained::from_model(&model).unwrap();
    assert_eq!(again.to_model().unwrap().to_bytes(), model.to_bytes());
    assert_eq!(again.predict(&data).unwrap(), network.predict(&data).unwrap());
}

#[test]
fn tables_of_words_come_back_as_they_were() {
    let layers = "[[layer]]\nkind=\"embedding\"\nname=\"words\"\nentries=7\nwidth=3\n[[layer]]\nkind=\"flatten\"\nname=\"flat\"\n\
                  [[layer]]\nkind=\"dense\"\nname=\"out\"\n";
    let words = ArrayD::from_shape_vec(vec![32, 4], (0..128).map(|at| (at * 5 % 7) as f32).collect()).unwrap();
    let labels = samples("x", &[1]).labels().map(|labels| Labels::new(labels.to_vec()));
    let data = Dataset::new(vec![Input { name: "x".to_owned(), samples: words }], labels).unwrap();
    let network = trained(&format!("{SETTINGS}{layers}"), &data);
    let model = network.to_model().unwrap();
    let again = Trained::from_model(&model).unwrap();
    assert_eq!(again.to_model().unwrap().to_bytes(), model.to_bytes());
    assert_eq!(again.predict(&data).unwrap(), network.predict(&data).unwrap());
}

#[test]
fn training_goes_on_from_where_it_was() {
    let data = samples("x", &[2, 3]);
    let layers = "[[layer]]\nkind=\"flatten\"\nname=\"flat\"\n[[layer]]\nkind=\"dense\"\nname=\"hidden\"\nunits=16\nactivation=\"relu\"\n\
                  [[layer]]\nkind=\"dense\"\nname=\"out\"\n";
    let first = trained(&format!("{SETTINGS}{layers}"), &data);
    let start = Trained::from_model(&first.to_model().unwrap()).unwrap();
    let config = TrainConfig::from_toml(SETTINGS).unwrap();
    let mut before = None;
    let further = Trainer::from_trained(config.clone(), start).unwrap();
    let further = further.fit(&data, |progress| before = before.or(Some(progress.training.loss))).unwrap();
    let [first_loss, last_loss] = [&first, &further].map(|network| network.score(&data).unwrap().loss);
    assert!(last_loss < 0.99 * first_loss, "{first_loss} {last_loss}");
    // The normalization is the network's, not that of the configuration, and the first batch sees the weights as they were.
    assert_eq!(further.inputs, first.inputs);
    assert!((before.unwrap() - first_loss).abs() < 0.3 * first_loss, "{before:?} {first_loss}");

    let with_layers = TrainConfig::from_toml(&format!("{SETTINGS}{layers}")).unwrap();
    assert!(matches!(Trainer::from_trained(with_layers, first), Err(Error::LayersGiven)));
    assert!(matches!(Trainer::new(config), Err(Error::NoLayers)));
}

fn model(initializer: Vec<Tensor>, node: Vec<NodeProto>) -> Model {
    let value =
        |name: &str, shape: Option<Vec<Dim>>| ValueInfo { name: name.to_owned(), element_type: DataType::Float, shape };
    let graph = GraphProto {
        name: Some("given".to_owned()),
        input: vec![(&value("image", Some(vec![Dim::Symbolic("N".to_owned()), Dim::Fixed(2), Dim::Fixed(3)]))).into()],
        output: vec![(&value("y", None)).into()],
        initializer: initializer.iter().map(Tensor::to_proto).collect(),
        node,
        ..GraphProto::default()
    };
    Model::from_bytes(&Model::new(graph, 21).to_bytes()).unwrap()
}

fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let size = shape.iter().product();
    Tensor::f32(name, shape, (0..size).map(|at: usize| (at as f32 * 0.7).sin()).collect()).unwrap()
}

/// A model as another exporter writes it: normalization behind the flattening, transposed weights, a bias of its own, no names.
#[test]
fn a_model_of_another_exporter() {
    let constants = vec![
        tensor("mean", &[6]),
        Tensor::f32("std", &[], vec![0.5]).unwrap(),
        tensor("w", &[4, 6]),
        tensor("v", &[4, 3]),
        tensor("b", &[3]),
    ];
    let nodes = vec![
        node("Flatten", "", &["image"], &["flat"]),
        node("Sub", "", &["flat", "mean"], &["centred"]),
        node("Div", "", &["centred", "std"], &["normal"]),
        node("Gemm", "", &["normal", "w"], &["h"]).with_int("transB", 1),
        node("Relu", "", &["h"], &["r"]),
        node("Dropout", "", &["r"], &["d"]),
        node("MatMul", "", &["d", "v"], &["p"]),
        node("Add", "", &["b", "p"], &["y"]),
    ];
    let network = Trained::from_model(&model(constants.clone(), nodes)).unwrap();
    let data = samples("x", &[2, 3]);
    let found = network.predict(&data).unwrap();
    let constant = |name: &str| {
        let tensor = constants.iter().find(|tensor| tensor.name == name).unwrap();
        tensor.to_f32().unwrap()
    };
    let [mean, w, v, b] = ["mean", "w", "v", "b"].map(constant);
    let x = Array2::from_shape_vec((32, 6), data.inputs()[0].samples.iter().copied().collect()).unwrap();
    for (row, x) in x.rows().into_iter().enumerate() {
        let normal: Vec<f32> = x.iter().zip(&mean).map(|(x, mean)| (x - mean) / 0.5).collect();
        let hidden = |unit: usize| normal.iter().enumerate().map(|(k, x)| x * w[unit * 6 + k]).sum::<f32>().max(0.0);
        for class in 0..3 {
            let expected = b[class] + (0..4).map(|unit| hidden(unit) * v[unit * 3 + class]).sum::<f32>();
            assert!((found[0][[row, class]] - expected).abs() < 1e-5);
        }
    }
    let config = TrainConfig::from_toml(&format!("loss = \"cross-entropy\"\n{SETTINGS}")).unwrap();
    let further = Trainer::from_trained(config, network).unwrap().fit(&data, |_| ()).unwrap();
    assert_eq!(further.to_model().unwrap().inputs()[0].name, "image");
}

#[test]
fn what_no_layer_stands_for_is_refused_by_name() {
    let constants = || vec![tensor("w", &[6, 3]), tensor("c", &[3]), tensor("s", &[2, 3])];
    let flat = || node("Flatten", "flat", &["image"], &["f"]);
    let fc = |output: &str| node("Gemm", "fc", &["f", "w"], &[output]);
    let cases: Vec<(Vec<NodeProto>, &[&str])> = vec![
        (
            vec![node("Sparkle", "magic", &["image"], &["y"])],
            &["Sparkle node \"magic\"", "has no layer", "Gemm, MatMul"],
        ),
        (vec![flat(), fc("y").with_float("alpha", 2.0)], &["Gemm node \"fc\"", "alpha"]),
        (vec![flat(), node("Gemm", "fc", &["f", "f"], &["y"])], &["\"fc\"", "have to be a constant"]),
        (
            vec![flat(), fc("h"), node("Sub", "late", &["h", "c"], &["y"])],
            &["Sub node \"late\"", "only inputs", "prepare"],
        ),
        (
            vec![node("Div", "twice", &["image", "s"], &["d"]), node("Div", "again", &["d", "s"], &["y"])],
            &["\"again\"", "no more"],
        ),
        (vec![node("Sub", "odd", &["image", "c"], &["y"])], &["\"odd\"", "[3]", "one for each value"]),
        (
            vec![flat(), fc("h"), node("Elu", "f", &["h"], &["y"]).with_float("alpha", 2.0)],
            &["Elu node \"f\"", "other settings"],
        ),
        (vec![flat(), fc("h"), node("Softmax", "f", &["h"], &["y"]).with_int("axis", 0)], &["Softmax node \"f\""]),
        (vec![node("Flatten", "flat", &["image"], &["y"]).with_int("axis", 2)], &["axis 2", "across the batch"]),
        (vec![flat(), node("Add", "sum", &["f", "c"], &["y"])], &["Add node \"sum\"", "quantize prepare"]),
    ];
    for (nodes, texts) in cases {
        let error = Trained::from_model(&model(constants(), nodes)).unwrap_err();
        let text = error.to_string();
        assert!(texts.iter().all(|part| text.contains(part)), "{text}");
    }
    let narrow = vec![flat(), node("Gemm", "fc", &["f", "s"], &["y"])];
    let narrow = Trained::from_model(&model(constants(), narrow)).unwrap_err().to_string();
    assert!(
        narrow.contains("\"fc.weight\"") && narrow.contains("6 values") && narrow.contains("asks for 18"),
        "{narrow}"
    );
    // What is no network at all.
    let copy = Trained::from_model(&model(constants(), vec![node("Identity", "i", &["image"], &["y"])])).unwrap_err();
    assert!(copy.to_string().contains("output \"y\""), "{copy}");
}

#[test]
fn sizes_of_zero_are_refused() {
    let image = || node("Reshape", "r0", &["image", "four"], &["i"]);
    let four = || Tensor::i64("four", &[4], vec![-1, 1, 2, 3]).unwrap();
    let flat = || node("Flatten", "flat", &["image"], &["f"]);
    let cases: Vec<(&str, Vec<Tensor>, Vec<NodeProto>)> = vec![
        (
            "conv stride 0",
            vec![four(), tensor("w", &[2, 1, 1, 1])],
            vec![image(), node("Conv", "c", &["i", "w"], &["y"]).with_ints("strides", &[0, 0])],
        ),
        (
            "conv dilation 0",
            vec![four(), tensor("w", &[2, 1, 1, 1])],
            vec![image(), node("Conv", "c", &["i", "w"], &["y"]).with_ints("dilations", &[0, 0])],
        ),
        (
            "conv group 0",
            vec![four(), tensor("w", &[2, 1, 1, 1])],
            vec![image(), node("Conv", "c", &["i", "w"], &["y"]).with_int("group", 0)],
        ),
        (
            "pool stride 0",
            vec![four(), tensor("w", &[1, 3])],
            vec![
                image(),
                node("MaxPool", "m", &["i"], &["p"]).with_ints("kernel_shape", &[1, 1]).with_ints("strides", &[0, 0]),
                node("Flatten", "g", &["p"], &["y"]),
            ],
        ),
        (
            "pool kernel 0",
            vec![four()],
            vec![image(), node("MaxPool", "m", &["i"], &["y"]).with_ints("kernel_shape", &[0, 0])],
        ),
        (
            "conv kernel 0",
            vec![four(), tensor("w", &[2, 1, 0, 1])],
            vec![image(), node("Conv", "c", &["i", "w"], &["y"])],
        ),
        ("dense width 0", vec![tensor("w", &[6, 0])], vec![flat(), node("Gemm", "fc", &["f", "w"], &["y"])]),
        (
            "table width 0",
            vec![tensor("w", &[5, 0])],
            vec![node("Cast", "cast", &["image"], &["k"]).with_int("to", 7), node("Gather", "g", &["w", "k"], &["y"])],
        ),
    ];
    let data = samples("x", &[2, 3]);
    let mut bad = Vec::new();
    for (name, constants, nodes) in cases {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let network = Trained::from_model(&model(constants, nodes)).map_err(|e| e.to_string())?;
            network.predict(&data).map(|s| format!("{:?}", s[0].shape())).map_err(|e| format!("predict: {e}"))
        }));
        match found {
            Ok(Err(_)) => {}
            _ => bad.push(format!("{name}: {}", if found.is_err() { "panic".into() } else { format!("{found:?}") })),
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}
