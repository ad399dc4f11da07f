//! Where the engine's own part of a plan meets the float runtime.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::Session;
use crate::dynamic::WholeInput;
use crate::operator_step::OperatorInput;
use crate::plan::{Place, Step, Work};

/// What passes between the engine and the float runtime, whose last bits depend on machine and batch size.
///
/// With the `imports` given, everything in `outputs` and `exports` has the same bits on every machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Boundary {
    /// Nodes that run in the float runtime, or on whole tensors that it made.
    pub float_nodes: usize,
    /// Tensors that come from there into the engine's buffers, each with the shape of one sample.
    pub imports: Vec<(String, Vec<usize>)>,
    /// Tensors that the engine makes and these nodes read.
    pub exports: Vec<String>,
    /// Outputs of the model that the engine makes.
    pub outputs: Vec<String>,
}

impl Session {
    /// Where the plan meets the float runtime; without one there are `outputs` alone.
    pub fn boundary(&self) -> Boundary {
        let plan = self.plan();
        let mut boundary = Boundary::default();
        // What the engine did not make, by name, and of the tensors outside of its buffers by slot.
        let mut given: BTreeSet<&str> = plan.inputs.iter().map(|input| input.name.as_str()).collect();
        let mut foreign: BTreeSet<usize> = BTreeSet::new();
        for step in &plan.steps {
            let (reads, first_slot, nodes) = match &step.work {
                Work::Float(region) => (region.inputs.iter().collect(), region.first_slot, region.node_count),
                Work::Operator(operator) => {
                    let reads: Vec<&WholeInput> = operator.inputs.iter().filter_map(computed).collect();
                    if !reads.iter().any(|input| is_foreign(input.place, &foreign)) {
                        continue;
                    }
                    (reads, operator.first_slot, 1)
                }
                Work::Import(place) if is_foreign(*place, &foreign) => {
                    import(step, &mut given, &mut boundary);
                    continue;
                }
                _ => continue,
            };
            boundary.float_nodes += nodes;
            foreign.extend(first_slot..first_slot + step.names.len());
            for input in reads {
                let made = !given.contains(input.name.as_str()) && !is_foreign(input.place, &foreign);
                if made && !boundary.exports.contains(&input.name) {
                    boundary.exports.push(input.name.clone());
                }
            }
        }
        let made = plan.outputs.iter().filter(|output| !is_foreign(output.place, &foreign));
        let made = made.map(|output| &output.name).filter(|name| !given.contains(name.as_str()));
        boundary.outputs.extend(made.cloned());
        boundary
    }
}

fn computed(input: &OperatorInput) -> Option<&WholeInput> {
    match input {
        OperatorInput::Computed(input) => Some(input),
        OperatorInput::Absent | OperatorInput::Constant(_) => None,
    }
}

fn is_foreign(place: Place, foreign: &BTreeSet<usize>) -> bool {
    matches!(place, Place::Dynamic(slot) if foreign.contains(&slot))
}

fn import<'p>(step: &'p Step, given: &mut BTreeSet<&'p str>, boundary: &mut Boundary) {
    if let Some(name) = step.names.first() {
        given.insert(name);
        boundary.imports.push((name.clone(), step.sample.clone().unwrap_or_default()));
    }
}
