use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::activation::Activation;
use crate::layers::{Layer, activate, add, dense};

/// A residual block and an auxiliary head: `x -> a -> b -> sum(a, b) -> out`, `a -> aux`.
fn branched() -> Vec<Layer> {
    vec![
        Layer::new("a", dense(6).activation(Activation::Tanh)),
        Layer::new("b", dense(6).activation(Activation::Silu)),
        Layer::new("sum", add()).after(["a", "b"]),
        Layer::new("out", dense(3).activation(Activation::Softmax)),
        Layer::new("aux", dense(2)).after(["a"]),
    ]
}

fn head(layer: &str, absorbs: Option<Activation>) -> HeadRequest<'_> {
    HeadRequest { layer, width: None, absorbs, form: None }
}

fn network(layers: &[Layer], heads: &[HeadRequest]) -> Result<Network> {
    Network::new(layers, &[("x", &[5])], heads, &mut ChaCha8Rng::seed_from_u64(1))
}

fn refusal(layers: &[Layer], heads: &[&str]) -> String {
    let heads: Vec<_> = heads.iter().map(|layer| head(layer, None)).collect();
    network(layers, &heads).unwrap_err().to_string()
}

fn filled(network: &Network, rows: usize) -> Activations {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut activations = network.activations(rows).unwrap();
    activations.values[0].fill_with(|| 2.0 * rng.random::<f32>() - 1.0);
    activations
}

/// The sum of all head answers times fixed numbers, with the gradients of it.
fn learn(network: &mut Network, activations: &mut Activations, rows: usize) -> (f64, Gradients) {
    network.forward(activations, rows, Mode::Training { seed: 0, step: 0 });
    let mut gradients = network.gradients(rows).unwrap();
    gradients.clear();
    let mut loss = 0.0;
    for head in 0..network.heads.len() {
        let answer = activations.values[network.heads[head].scored].clone();
        for (index, by) in network.head_gradient(&mut gradients, head, rows).iter_mut().enumerate() {
            *by = (index * 3 % 5) as f32 * 0.5 - 0.9 + head as f32;
            loss += f64::from(answer[index] * *by);
        }
    }
    network.backward(activations, &mut gradients, rows);
    (loss, gradients)
}

#[test]
fn gradients_of_several_readers_and_heads_add_up() {
    let mut network = network(&branched(), &[head("out", Some(Activation::Softmax)), head("aux", None)]).unwrap();
    let rows = 4;
    let mut activations = filled(&network, rows);
    let (_, gradients) = learn(&mut network, &mut activations, rows);
    assert_ne!(network.heads[0].scored, network.heads[0].given);
    for parameter in 0..network.parameters.len() {
        for at in 0..network.parameters[parameter].values.len() {
            let mut loss = |distance: f32| {
                let value = network.parameters[parameter].values[at];
                network.parameters[parameter].values[at] = value + distance;
                let (loss, _) = learn(&mut network, &mut activations, rows);
                network.parameters[parameter].values[at] = value;
                loss
            };
            // In f32, so with a long step; single layers are compared in f64.
            let numeric = (loss(1e-2) - loss(-1e-2)) / 2e-2;
            let analytic = f64::from(gradients.parameters[parameter][at]);
            assert!((analytic - numeric).abs() <= 3e-3 * (1.0 + numeric.abs()), "{analytic} is not {numeric}");
        }
    }
}

#[test]
fn a_smaller_batch_in_the_same_room_gives_the_same_answers() {
    let mut network = network(&branched(), &[head("out", None), head("aux", None)]).unwrap();
    let mut full = filled(&network, 9);
    let mut part = filled(&network, 9);
    network.forward(&mut full, 9, Mode::Inference);
    network.forward(&mut part, 4, Mode::Inference);
    let given = network.heads[0].given;
    assert_eq!(full.values[given][..12], part.values[given][..12]);
}

#[test]
fn the_first_layer_with_a_non_finite_value_is_found() {
    let place = |spoil: &dyn Fn(&mut Network, &mut Activations)| {
        let mut network = network(&branched(), &[head("out", None), head("aux", None)]).unwrap();
        let mut activations = filled(&network, 2);
        spoil(&mut network, &mut activations);
        network.forward(&mut activations, 2, Mode::Inference);
        network.first_non_finite(&activations, 2)
    };
    let culprit = |layer: &str, place| Some(Culprit { layer: layer.into(), place });
    assert_eq!(place(&|_, _| ()), None);
    let weight = Place::Parameter("b.weight".into());
    assert_eq!(place(&|n, _| n.parameters[2].values[7] = f32::NAN), culprit("b", weight));
    let bias = Place::Parameter("out.bias".into());
    assert_eq!(place(&|n, _| n.parameters[5].values[0] = f32::INFINITY), culprit("out", bias));
    // The largest f32 times a weight and a sum of such products leave the range of f32.
    let overflow = |n: &mut Network, a: &mut Activations| {
        n.parameters[0].values.fill(2.0);
        a.values[0].fill(f32::MAX);
    };
    assert_eq!(place(&overflow), culprit("a", Place::Output));
}

#[test]
fn what_does_not_fit_together_is_named() {
    let mut layers = branched();
    assert!(refusal(&layers, &["out"]).contains("`aux`"));
    assert!(refusal(&layers, &["out", "aux", "end"]).contains("no layer `end`"));
    assert!(refusal(&layers, &["out", "aux", "aux"]).contains("two outputs"));
    layers[2].inputs[1] = "c".into();
    let message = refusal(&layers, &["out", "aux"]);
    assert!(message.contains("`sum` reads `c`") && message.contains("a, b, x"), "{message}");
    layers[2].inputs[1] = "out".into();
    assert!(refusal(&layers, &["out", "aux"]).contains("`sum` reads `out`"));
    assert!(refusal(&[Layer::new("x", dense(2))], &["x"]).contains("`x`"));
    assert!(refusal(&[Layer::new("only", activate(Activation::Relu))], &["only"]).contains("nothing to learn"));

    let two = Network::new(
        &[Layer::new("a", dense(1))],
        &[("p", &[2]), ("q", &[2])],
        &[head("a", None)],
        &mut ChaCha8Rng::seed_from_u64(1),
    );
    assert!(two.unwrap_err().to_string().contains("p, q"));
}

#[test]
fn a_layer_beyond_the_limit_is_refused_before_anything_is_allocated() {
    for units in [usize::MAX, MAX_VALUES / 5 + 1] {
        let message = refusal(&[Layer::new("wide", dense(units))], &["wide"]);
        assert!(message.contains("layer `wide`") && message.contains("weight"), "{message}");
    }
    let network = network(&[Layer::new("a", dense(7))], &[head("a", None)]).unwrap();
    let message = network.activations(MAX_VALUES / 6).err().unwrap().to_string();
    assert!(message.contains("layer `a`") && message.contains("batch"), "{message}");
}
