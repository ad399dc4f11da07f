use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::proto::{AttributeProto, GraphProto, NodeProto, TensorAnnotation, TensorProto, ValueInfoProto};
use crate::{Error, Tensor};

fn value(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.to_owned()), ..ValueInfoProto::default() }
}

fn weight(name: &str) -> TensorProto {
    Tensor::f32(name, &[1], vec![1.0]).unwrap().to_proto()
}

fn graph(inputs: &[&str], weights: &[&str], nodes: Vec<NodeProto>, outputs: &[&str]) -> GraphProto {
    GraphProto {
        name: Some("g".to_owned()),
        input: inputs.iter().map(|name| value(name)).collect(),
        initializer: weights.iter().map(|name| weight(name)).collect(),
        node: nodes,
        output: outputs.iter().map(|name| value(name)).collect(),
        ..GraphProto::default()
    }
}

/// An `If` whose branch is `body`.
fn branch(condition: &str, body: GraphProto, output: &str) -> NodeProto {
    let mut node = node("If", "", &[condition], &[output]);
    node.attribute.push(AttributeProto {
        name: Some("then_branch".to_owned()),
        g: Some(Box::new(body)),
        ..AttributeProto::default()
    });
    node
}

#[test]
fn the_index_knows_who_produces_and_who_reads() {
    // The branch reads `a` and `w` from outside and gives `v` of outside back; `x` inside is its own.
    let body = graph(
        &["x"],
        &[],
        vec![node("Mul", "", &["a", "w"], &["m"]), node("Add", "", &["m", "x"], &["s"])],
        &["s", "v"],
    );
    let graph = graph(
        &["x", "v"],
        &["w"],
        vec![node("Relu", "r", &["x"], &["a"]), branch("a", body, "y"), node("Add", "", &["a", "a"], &["z"])],
        &["y", "x"],
    );
    let index = GraphIndex::new(&graph).unwrap();
    assert_eq!(["a", "y", "x", "m"].map(|name| index.producer(name)), [Some(0), Some(1), None, None]);
    assert_eq!(index.consumers("a"), [1, 2]);
    assert_eq!(index.consumers("x"), [0]);
    assert_eq!(index.consumers("w"), [1]);
    assert_eq!(index.consumers("v"), [1]);
    assert_eq!(index.consumers("z"), []);
    assert_eq!(index.initializer("w").map(|tensor| tensor.name()), Some("w"));
    assert!(index.initializer("a").is_none());
    assert_eq!(["y", "x", "a"].map(|name| index.is_graph_output(name)), [true, true, false]);
    assert_eq!(index.order(), [0, 1, 2]);
}

#[test]
fn constants_are_initializers_and_constant_nodes() {
    let held = Tensor::i32("inner", &[2], vec![1, 2]).unwrap();
    let nodes = vec![
        node("Constant", "", &[], &["t"]).with_tensor("value", &held),
        node("Constant", "", &[], &["f"]).with_float("value_float", 2.5),
        node("Constant", "", &[], &["i"]).with_int("value_int", -3),
        node("Constant", "", &[], &["fs"]).with_floats("value_floats", &[1.0, 2.0]),
        node("Constant", "", &[], &["is"]).with_ints("value_ints", &[7]),
        node("Constant", "", &[], &["s"]).with_str("value_string", "text"),
        node("Relu", "", &["x"], &["r"]),
        NodeProto { domain: Some("mine".to_owned()), ..node("Constant", "", &[], &["foreign"]) },
    ];
    let graph = graph(&["x"], &["w"], nodes, &[]);
    let index = GraphIndex::new(&graph).unwrap();
    let constant = |name| index.constant(name).unwrap();
    assert_eq!(constant("w"), Some(Tensor::f32("w", &[1], vec![1.0]).unwrap()));
    assert_eq!(constant("t"), Some(Tensor { name: "t".to_owned(), ..held }));
    assert_eq!(constant("f"), Some(Tensor::f32("f", &[], vec![2.5]).unwrap()));
    assert_eq!(constant("i"), Some(Tensor::i64("i", &[], vec![-3]).unwrap()));
    assert_eq!(constant("fs"), Some(Tensor::f32("fs", &[2], vec![1.0, 2.0]).unwrap()));
    assert_eq!(constant("is"), Some(Tensor::i64("is", &[1], vec![7]).unwrap()));
    assert_eq!([constant("x"), constant("r"), constant("foreign"), constant("nowhere")], [None, None, None, None]);
    let error = index.constant("s").unwrap_err().to_string();
    assert!(error.starts_with("Constant node producing \"s\": "), "{error}");
}

#[test]
fn values_produced_twice_are_refused() {
    let twice = graph(&[], &[], vec![node("A", "one", &[], &["v"]), node("B", "two", &[], &["v"])], &[]);
    let error = GraphIndex::new(&twice).unwrap_err().to_string();
    assert!(error.contains("\"v\" is used for two values (A node \"one\" and B node \"two\")"), "{error}");
    let error = GraphIndex::new(&graph(&[], &["w", "w"], vec![], &[])).unwrap_err();
    assert!(matches!(error, Error::DuplicateName { .. }), "{error}");
}

#[test]
fn a_cycle_is_named_by_a_node_of_it() {
    let nodes = vec![
        node("After", "after", &["b"], &["c"]),
        node("A", "a", &["x", "b"], &["a"]),
        node("B", "b", &["a"], &["b"]),
    ];
    let error = GraphIndex::new(&graph(&["x"], &[], nodes, &[])).unwrap_err().to_string();
    assert!(error.starts_with("cycle through B node \"b\""), "{error}");
    let itself = graph(&[], &[], vec![node("A", "a", &["a"], &["a"])], &[]);
    assert!(matches!(GraphIndex::new(&itself), Err(Error::Cycle { .. })));
    let through_branch = branch("x", graph(&[], &[], vec![node("A", "", &["y"], &["i"])], &["i"]), "y");
    assert!(matches!(GraphIndex::new(&graph(&["x"], &[], vec![through_branch], &[])), Err(Error::Cycle { .. })));
}

#[test]
fn attributes_are_read_by_type_and_errors_name_the_node() {
    let node = node("Gemm", "fc", &[], &["y"])
        .with_float("alpha", 0.5)
        .with_int("transB", 1)
        .with_int("transB", 0)
        .with_str("mode", "fast")
        .with_ints("axes", &[1, -1]);
    assert_eq!(node.attr_float("alpha", 1.0).unwrap(), 0.5);
    assert_eq!(node.attr_float("beta", 1.0).unwrap(), 1.0);
    assert_eq!(node.attr_int("transB", 1).unwrap(), 0);
    assert_eq!(node.attr_str("mode", "slow").unwrap(), "fast");
    assert_eq!(node.attr_str("speed", "slow").unwrap(), "slow");
    assert_eq!(node.attr_ints("axes").unwrap(), Some(&[1, -1][..]));
    assert_eq!(node.attr_ints("pads").unwrap(), None);
    let error = node.attr_int("alpha", 1).unwrap_err().to_string();
    assert_eq!(error, "Gemm node \"fc\": attribute \"alpha\" is of type FLOAT, expected INT");
    assert!(node.attr_tensor("axes").is_err());
}

#[test]
fn attributes_of_the_first_ir_version_have_no_type() {
    let untyped = AttributeProto { name: Some("axis".to_owned()), i: Some(2), ..AttributeProto::default() };
    let node = NodeProto { attribute: vec![untyped], ..node("Softmax", "", &[], &[]) };
    assert_eq!(node.attr_int("axis", 1).unwrap(), 2);
    assert!(node.attr_float("axis", 1.0).is_err());
}

#[test]
fn nodes_are_described_by_name_or_output() {
    assert_eq!(describe(&node("Gemm", "fc1", &[], &["y"])), "Gemm node \"fc1\"");
    assert_eq!(describe(&node("Split", "", &[], &["", "b"])), "Split node producing \"b\"");
    assert_eq!(describe(&NodeProto::default()), "untyped node without name or output");
}

#[test]
fn fresh_names_collide_with_nothing() {
    let body = graph(&[], &["inner"], vec![], &[]);
    let graph =
        graph(&["x"], &["w", "w_1"], vec![branch("x", body, "y"), node("Relu", "relu", &["y"], &["z"])], &["z"]);
    let mut names = Names::of(&graph);
    assert_eq!(names.fresh("w"), "w_2");
    assert_eq!(names.fresh("w"), "w_3");
    assert_eq!(names.fresh("inner"), "inner_1");
    assert_eq!(names.fresh("relu"), "relu_1");
    assert_eq!(names.fresh("new"), "new");
    assert_eq!(names.fresh("new"), "new_1");
    assert_ne!(names.fresh(""), "");
}

#[test]
fn what_nothing_reads_is_removed() {
    let mut graph = graph(
        &["x", "unused_input", "old_style"],
        &["w", "old_style", "dead_w", "scale"],
        vec![
            node("Mul", "", &["x", "w"], &["y"]),
            node("Mul", "", &["y", "dead_w"], &["dead"]),
            node("Neg", "", &["dead"], &["dead2"]),
        ],
        &["y"],
    );
    graph.value_info = vec![value("dead"), value("y"), value("old_style")];
    let annotation = |tensor: &str, scale: &str| TensorAnnotation {
        tensor_name: Some(tensor.to_owned()),
        quant_parameter_tensor_names: vec![crate::proto::StringStringEntryProto {
            key: Some("SCALE_TENSOR".to_owned()),
            value: Some(scale.to_owned()),
        }],
    };
    graph.quantization_annotation = vec![annotation("y", "scale"), annotation("dead", "dead_w")];
    remove_unused(&mut graph).unwrap();
    assert_eq!(graph.node.iter().map(describe).collect::<Vec<_>>(), ["Mul node producing \"y\""]);
    assert_eq!(graph.initializer.iter().map(|tensor| tensor.name()).collect::<Vec<_>>(), ["w", "scale"]);
    assert_eq!(graph.input.iter().map(|input| input.name()).collect::<Vec<_>>(), ["x", "unused_input"]);
    assert_eq!(graph.value_info.iter().map(|value| value.name()).collect::<Vec<_>>(), ["y"]);
    assert_eq!(graph.quantization_annotation, [annotation("y", "scale")]);
}

/// Nodes that read any values, `v0` to `v7`, each producing the one of its number: cycles are likely.
fn any_nodes() -> impl Strategy<Value = Vec<NodeProto>> {
    let reads = prop::collection::vec(prop::collection::btree_set(0..8_usize, 0..3), 1..8);
    reads.prop_map(|reads| reads.iter().enumerate().map(|(index, reads)| numbered(index, reads)).collect())
}

/// Nodes that read from nodes before them only, in any order.
fn shuffled_dag() -> impl Strategy<Value = Vec<NodeProto>> {
    let reads = prop::collection::vec(prop::collection::btree_set(0..12_usize, 0..4), 1..12);
    reads
        .prop_map(|reads| {
            let earlier = |index, reads: &BTreeSet<usize>| reads.iter().copied().filter(|&read| read < index).collect();
            reads.iter().enumerate().map(|(index, reads)| numbered(index, &earlier(index, reads))).collect::<Vec<_>>()
        })
        .prop_shuffle()
}

fn numbered(index: usize, reads: &BTreeSet<usize>) -> NodeProto {
    let inputs: Vec<String> = reads.iter().map(|read| format!("v{read}")).collect();
    NodeProto { input: inputs, ..node("Op", &index.to_string(), &[], &[&format!("v{index}")]) }
}

/// By definition: whether every node stands behind those it reads from.
fn is_sorted(nodes: &[NodeProto]) -> bool {
    let position: HashMap<&str, usize> =
        nodes.iter().enumerate().map(|(index, node)| (node.output[0].as_str(), index)).collect();
    nodes
        .iter()
        .enumerate()
        .all(|(index, node)| node.input.iter().all(|name| position.get(name.as_str()).is_none_or(|&p| p < index)))
}

/// Pairs of nodes of which the second reads from the first, directly or not: Warshall's closure.
fn reachable(nodes: &[NodeProto]) -> Vec<Vec<bool>> {
    let mut reach: Vec<Vec<bool>> =
        nodes.iter().map(|from| nodes.iter().map(|to| to.input.contains(&from.output[0])).collect()).collect();
    for via in 0..nodes.len() {
        for from in 0..nodes.len() {
            for to in 0..nodes.len() {
                reach[from][to] |= reach[from][via] && reach[via][to];
            }
        }
    }
    reach
}

proptest! {
    #[test]
    fn sorting_gives_an_order_exactly_if_there_is_one(nodes in any_nodes()) {
        let reach = reachable(&nodes);
        let on_cycle: Vec<String> = (0..nodes.len()).filter(|&i| reach[i][i]).map(|i| describe(&nodes[i])).collect();
        match topological_order(&nodes) {
            Ok(order) => {
                prop_assert!(on_cycle.is_empty());
                let sorted: Vec<NodeProto> = order.iter().map(|&index| nodes[index].clone()).collect();
                prop_assert!(is_sorted(&sorted));
            }
            Err(Error::Cycle { node }) => prop_assert!(on_cycle.contains(&node), "{node} is not on a cycle"),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn sorting_keeps_the_nodes_and_what_is_sorted(nodes in shuffled_dag()) {
        let mut sorted = graph(&[], &[], nodes.clone(), &[]);
        sort_topologically(&mut sorted).unwrap();
        prop_assert!(is_sorted(&sorted.node));
        prop_assert_eq!(is_sorted(&nodes), sorted.node == nodes);
        let names = |nodes: &[NodeProto]| nodes.iter().map(|node| node.name().to_owned()).collect::<BTreeSet<_>>();
        prop_assert_eq!(names(&sorted.node), names(&nodes));
    }

    #[test]
    fn exactly_what_the_outputs_need_stays(nodes in shuffled_dag(), output in 0..12_usize) {
        let reach = reachable(&nodes);
        let target = nodes.iter().position(|node| node.output[0] == format!("v{output}"));
        let needed: Vec<NodeProto> = (0..nodes.len())
            .filter(|&i| target.is_some_and(|target| i == target || reach[i][target]))
            .map(|i| nodes[i].clone())
            .collect();
        let mut graph = graph(&[], &[], nodes, &[&format!("v{output}")]);
        remove_unused(&mut graph).unwrap();
        prop_assert_eq!(graph.node, needed);
    }
}
