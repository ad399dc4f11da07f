use super::*;
use crate::Tensor;
use crate::graph::node;
use crate::proto::{
    AttributeProto, AttributeType, FunctionProto, GraphProto, NodeProto, SequenceType, SparseTensorProto, TensorProto,
    TensorType, TrainingInfoProto, TypeProto, TypeValue, ValueInfoProto,
};

fn value(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() }
}

fn import(domain: &str, version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: Some(domain.to_owned()), version: Some(version) }
}

/// x, w -> Mul -> y, with an `If` that reads y in its branch and gives z.
fn valid() -> ModelProto {
    let branch = GraphProto {
        name: Some("branch".to_owned()),
        node: vec![node("Neg", "neg", &["y"], &["inner"])],
        output: vec![value("inner")],
        ..GraphProto::default()
    };
    let mut choose = node("If", "choose", &["x"], &["z"]);
    choose.attribute.push(graph_attribute("then_branch", branch));
    ModelProto {
        ir_version: Some(10),
        opset_import: vec![import("", 21)],
        graph: Some(GraphProto {
            name: Some("main".to_owned()),
            input: vec![value("x")],
            initializer: vec![Tensor::f32("w", &[1], vec![2.0]).unwrap().to_proto()],
            node: vec![node("Mul", "mul", &["x", "w"], &["y"]), choose],
            output: vec![value("z")],
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    }
}

fn graph_attribute(name: &str, graph: GraphProto) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Graph.into()),
        g: Some(Box::new(graph)),
        ..AttributeProto::default()
    }
}

fn main_graph(model: &mut ModelProto) -> &mut GraphProto {
    model.graph.as_mut().unwrap()
}

fn branch(model: &mut ModelProto) -> &mut GraphProto {
    main_graph(model).node[1].attribute[0].g.as_mut().unwrap()
}

/// Checks that [`valid`], edited, is valid still.
#[track_caller]
fn accepts(edit: impl FnOnce(&mut ModelProto)) {
    let mut model = valid();
    edit(&mut model);
    check_model(&model).unwrap();
}

/// Checks that [`valid`], edited, is refused with a message that contains `expected`.
#[track_caller]
fn refuses(expected: &str, edit: impl FnOnce(&mut ModelProto)) {
    let mut model = valid();
    edit(&mut model);
    let error = check_model(&model).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn versions_have_to_be_known() {
    accepts(|_| {});
    accepts(|m| m.ir_version = Some(14));
    refuses("IR version 15, the newest known is 14", |m| m.ir_version = Some(15));
    refuses("there is no ONNX IR version 0", |m| m.ir_version = Some(0));
    refuses("no ir_version", |m| m.ir_version = None);
    refuses("no graph", |m| m.graph = None);
    accepts(|m| m.opset_import = vec![import("ai.onnx", 28), import("com.example", 999)]);
    refuses("version 29 of ONNX's operators, the newest known is 28", |m| m.opset_import = vec![import("", 29)]);
    refuses("no opset_import", |m| m.opset_import.clear());
    refuses("\"ai.onnx\" has no version", |m| m.opset_import[0].version = None);
    refuses("\"ai.onnx\" is imported in versions 21 and 20", |m| m.opset_import.push(import("ai.onnx", 20)));
}

#[test]
fn the_default_opset_is_needed_where_its_operators_are_used() {
    refuses("Mul node \"mul\" is one of ONNX's own operators", |m| m.opset_import = vec![import("mine", 1)]);
    accepts(|m| {
        m.opset_import = vec![import("mine", 1)];
        main_graph(m).node = vec![NodeProto { domain: Some("mine".to_owned()), ..node("Op", "", &["x"], &["z"]) }];
    });
}

#[test]
fn names_are_unique() {
    refuses("\"x\" is used for two values (an input and an input)", |m| main_graph(m).input.push(value("x")));
    refuses("\"w\" is used for two values (an initializer and an initializer)", |m| {
        let twin = main_graph(m).initializer[0].clone();
        main_graph(m).initializer.push(twin);
    });
    refuses("\"y\" is used for two values (Mul node \"mul\" and Abs node \"abs\")", |m| {
        main_graph(m).node.push(node("Abs", "abs", &["x"], &["y"]));
    });
    refuses("\"w\" is used for two values (an initializer and Abs", |m| {
        main_graph(m).node.push(node("Abs", "", &["x"], &["w"]))
    });
    refuses("an initializer has no name", |m| main_graph(m).initializer[0].name = None);
    refuses("an input has no name", |m| main_graph(m).input.push(value("")));
    // As IR version 3 demands.
    accepts(|m| main_graph(m).input.push(value("w")));
    // Node names are for people, and a branch may call its own values what it likes.
    accepts(|m| main_graph(m).node[1].name = Some("mul".to_owned()));
    accepts(|m| branch(m).node.push(node("Abs", "", &["y"], &["w"])));
}

#[test]
fn everything_read_exists_already() {
    refuses("Mul node \"mul\": its input \"q\" is no input or initializer", |m| {
        main_graph(m).node[0].input[1] = "q".to_owned()
    });
    refuses("Neg node \"neg\": its input \"q\"", |m| branch(m).node[0].input[0] = "q".to_owned());
    refuses("If node \"choose\" reads \"y\" before it is produced", |m| {
        main_graph(m).node[1].input[0] = "y".to_owned();
        main_graph(m).node.swap(0, 1);
    });
    refuses("cycle through Mul node \"mul\"", |m| main_graph(m).node[0].input[1] = "z".to_owned());
    // A branch sees what is around it, but not the output of its own node, nor does the graph see into the branch.
    refuses("cycle through If node \"choose\"", |m| branch(m).node[0].input[0] = "z".to_owned());
    refuses("\"inner\"", |m| main_graph(m).node.push(node("Abs", "", &["inner"], &["a"])));
    refuses("graph \"main\": its output \"q\" is produced by no node", |m| main_graph(m).output.push(value("q")));
    refuses("graph \"branch\": its output \"q\"", |m| branch(m).output.push(value("q")));
    refuses("Mul node \"mul\"", |m| main_graph(m).input.clear());
    accepts(|m| main_graph(m).output.push(value("x")));
    accepts(|m| main_graph(m).node[0].input.push(String::new()));
    refuses("it has no op_type", |m| main_graph(m).node[0].op_type = None);
}

#[test]
fn a_branch_that_reads_a_later_value_is_unsorted() {
    refuses("Neg node \"neg\": its input \"late\" is no input", |m| branch(m).node[0].input[0] = "late".to_owned());
    refuses("Neg node \"neg\" reads \"late\" before it is produced", |m| {
        branch(m).node[0].input[0] = "late".to_owned();
        main_graph(m).node.push(node("Abs", "", &["x"], &["late"]));
    });
}

#[test]
fn tensors_are_checked_wherever_they_are() {
    let short =
        || TensorProto { raw_data: Some(vec![0; 3]), ..Tensor::f32("short", &[1], vec![0.0]).unwrap().to_proto() };
    let expected = "needs 4 bytes of raw_data, has 3";
    refuses(expected, |m| main_graph(m).initializer.push(short()));
    refuses(expected, |m| branch(m).initializer.push(short()));
    refuses(expected, |m| {
        let attribute = AttributeProto {
            name: Some("value".to_owned()),
            r#type: Some(AttributeType::Tensor.into()),
            t: Some(Box::new(short())),
            ..AttributeProto::default()
        };
        main_graph(m).node.push(NodeProto { attribute: vec![attribute], ..node("Constant", "", &[], &["c"]) });
    });
}

#[test]
fn sparse_tensors_are_checked() {
    let sparse = |values: &[f32], indices: &[usize], dims: &[i64]| SparseTensorProto {
        values: Some(Tensor::f32("s", &[values.len()], values.to_vec()).unwrap().to_proto()),
        indices: Some(Tensor::i64("", indices, vec![0; indices.iter().product()]).unwrap().to_proto()),
        dims: dims.to_vec(),
    };
    let add = |sparse| move |m: &mut ModelProto| main_graph(m).sparse_initializer.push(sparse);
    accepts(add(sparse(&[1.0, 2.0], &[2], &[3, 4])));
    accepts(add(sparse(&[1.0, 2.0], &[2, 2], &[3, 4])));
    refuses(
        "tensor \"s\" stores 2 values sparsely, but its indices are INT64 of shape [3]",
        add(sparse(&[1.0, 2.0], &[3], &[3, 4])),
    );
    refuses("cannot store values", add(sparse(&[1.0, 2.0], &[2], &[1])));
    refuses("dimensions cannot be negative", add(sparse(&[1.0], &[1], &[-1])));
    refuses("more elements than can be addressed", add(sparse(&[1.0], &[1], &[i64::MAX, 2])));
    refuses("lacks its values or its indices", add(SparseTensorProto { indices: None, ..sparse(&[1.0], &[1], &[2]) }));
}

#[test]
fn attributes_hold_what_they_say() {
    let set = |attribute: AttributeProto| move |m: &mut ModelProto| main_graph(m).node[0].attribute = vec![attribute];
    let named = |r#type: AttributeType| AttributeProto {
        name: Some("a".to_owned()),
        r#type: Some(r#type.into()),
        ..AttributeProto::default()
    };
    accepts(set(named(AttributeType::Int)));
    accepts(set(named(AttributeType::Floats)));
    accepts(set(AttributeProto { r#type: None, i: Some(1), ..named(AttributeType::Int) }));
    let at = "Mul node \"mul\": attribute \"a\" ";
    refuses(
        &format!("{at}is declared INT but holds FLOAT"),
        set(AttributeProto { f: Some(1.0), ..named(AttributeType::Int) }),
    );
    refuses(&format!("{at}is declared TENSOR but has no value"), set(named(AttributeType::Tensor)));
    refuses(&format!("{at}is declared GRAPH but has no value"), set(named(AttributeType::Graph)));
    refuses(
        &format!("{at}holds more than one value, INT and INTS"),
        set(AttributeProto { i: Some(1), ints: vec![1], ..named(AttributeType::Int) }),
    );
    refuses(&format!("{at}has no type and no value"), set(named(AttributeType::Undefined)));
    refuses(
        &format!("{at}has the unknown type 77"),
        set(AttributeProto { r#type: Some(77), ..named(AttributeType::Int) }),
    );
    refuses(
        &format!("{at}refers to a function's attribute"),
        set(AttributeProto { ref_attr_name: Some("b".to_owned()), ..named(AttributeType::Int) }),
    );
    refuses("has no name", set(AttributeProto { name: None, ..named(AttributeType::Int) }));
    refuses("is given twice", |m| {
        main_graph(m).node[0].attribute = vec![named(AttributeType::Int), named(AttributeType::Int)]
    });
}

#[test]
fn functions_are_checked_with_their_own_opsets() {
    let function = || FunctionProto {
        name: Some("twice".to_owned()),
        domain: Some("mine".to_owned()),
        input: vec!["a".to_owned()],
        output: vec!["b".to_owned()],
        opset_import: vec![import("", 21)],
        node: vec![node("Add", "add", &["a", "a"], &["b"])],
        ..FunctionProto::default()
    };
    let with = |function| move |m: &mut ModelProto| m.functions = vec![function];
    accepts(with(function()));
    refuses("two functions of domain \"mine\"", |m| m.functions = vec![function(), function()]);
    accepts(|m| m.functions = vec![function(), FunctionProto { overload: Some("2".to_owned()), ..function() }]);
    refuses("graph \"twice\": its output \"c\"", with(FunctionProto { output: vec!["c".to_owned()], ..function() }));
    refuses("Add node \"add\": its input \"a\"", with(FunctionProto { input: vec![], ..function() }));
    refuses("Add node \"add\" is one of ONNX's own", with(FunctionProto { opset_import: vec![], ..function() }));
    let refers = AttributeProto {
        name: Some("axis".to_owned()),
        r#type: Some(AttributeType::Int.into()),
        ref_attr_name: Some("axis".to_owned()),
        ..AttributeProto::default()
    };
    let mut referring = function();
    referring.node[0].attribute = vec![refers.clone()];
    accepts(with(referring.clone()));
    referring.node[0].attribute[0].i = Some(1);
    refuses("has a value besides", with(referring));
    refuses(
        "graph \"twice\": its attribute \"axis\" refers",
        with(FunctionProto { attribute_proto: vec![refers], ..function() }),
    );
}

#[test]
fn training_graphs_see_the_main_graph() {
    let graph = |input: &str| GraphProto { node: vec![node("Abs", "abs", &[input], &["t"])], ..GraphProto::default() };
    let algorithm = |graph| TrainingInfoProto { algorithm: Some(graph), ..TrainingInfoProto::default() };
    let initialization = |graph| TrainingInfoProto { initialization: Some(graph), ..TrainingInfoProto::default() };
    accepts(|m| m.training_info.push(algorithm(graph("z"))));
    refuses("its input \"q\"", |m| m.training_info.push(algorithm(graph("q"))));
    refuses("its input \"z\"", |m| m.training_info.push(initialization(graph("z"))));
}

#[test]
fn nesting_is_limited() {
    fn nested(depth: usize) -> GraphProto {
        let mut graph = GraphProto::default();
        if depth > 1 {
            let attribute = vec![graph_attribute("body", nested(depth - 1))];
            graph.node.push(NodeProto { attribute, ..node("Nest", "", &[], &["n"]) });
        }
        graph
    }
    let set = |depth| move |m: &mut ModelProto| m.graph = Some(nested(depth));
    accepts(set(MAX_GRAPH_DEPTH));
    refuses("nested more than 24 graphs deep", set(MAX_GRAPH_DEPTH + 1));

    fn sequence(depth: usize) -> TypeProto {
        let value = match depth {
            0 => TypeValue::TensorType(TensorType { elem_type: Some(1), shape: None }),
            _ => TypeValue::SequenceType(SequenceType { elem_type: Some(Box::new(sequence(depth - 1))) }),
        };
        TypeProto { denotation: None, value: Some(value) }
    }
    let set = |depth| move |m: &mut ModelProto| main_graph(m).input[0].r#type = Some(sequence(depth));
    accepts(set(MAX_TYPE_DEPTH));
    refuses("value \"x\" has a type of types nested deeper than 10", set(MAX_TYPE_DEPTH + 1));

    // What is accepted can be read again, even with both limits reached at once.
    let mut deepest = valid();
    deepest.graph = Some(nested(MAX_GRAPH_DEPTH));
    let mut innermost = main_graph(&mut deepest);
    while !innermost.node.is_empty() {
        innermost = innermost.node[0].attribute[0].g.as_mut().unwrap();
    }
    innermost.node.push(NodeProto {
        attribute: vec![AttributeProto {
            name: Some("type".to_owned()),
            r#type: Some(AttributeType::TypeProto.into()),
            tp: Some(Box::new(sequence(MAX_TYPE_DEPTH))),
            ..AttributeProto::default()
        }],
        ..node("Optional", "", &[], &["o"])
    });
    deepest.training_info =
        vec![TrainingInfoProto { initialization: deepest.graph.clone(), ..TrainingInfoProto::default() }];
    check_model(&deepest).unwrap();
    let bytes = prost::Message::encode_to_vec(&deepest);
    assert_eq!(<ModelProto as prost::Message>::decode(bytes.as_slice()).unwrap(), deepest);
}

#[test]
fn element_types_are_known() {
    refuses("value \"x\" has the unknown element type 99", |m| {
        let tensor = TensorType { elem_type: Some(99), shape: None };
        main_graph(m).input[0].r#type =
            Some(TypeProto { denotation: None, value: Some(TypeValue::TensorType(tensor)) });
    });
}
