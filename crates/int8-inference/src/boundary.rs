//! Where the engine's own part of a plan meets the float runtime.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use crate::Session;
use crate::plan::{Place, Work};

/// What passes between the engine and the float runtime, whose last bits depend on machine and batch size.
///
/// With the `imports` given, everything in `outputs` and `exports` has the same bits on every machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// Nodes that run in the float runtime.
    pub float_nodes: usize,
    /// Tensors that the float runtime makes and the engine reads, each with the shape of one sample.
    pub imports: Vec<(String, Vec<usize>)>,
    /// Tensors that the engine makes and the float runtime reads.
    pub exports: Vec<String>,
    /// Outputs of the model that the engine makes.
    pub outputs: Vec<String>,
}

impl Session {
    /// Where the plan meets the float runtime; without one there are `outputs` alone.
    pub fn boundary(&self) -> Boundary {
        let plan = self.plan();
        let mut boundary = Boundary { float_nodes: 0, imports: Vec::new(), exports: Vec::new(), outputs: Vec::new() };
        // What the engine did not make.
        let mut given: BTreeSet<&str> = plan.inputs.iter().map(|input| input.name.as_str()).collect();
        for step in &plan.steps {
            if let (Work::Import(_), Some(name)) = (&step.work, step.names.first()) {
                given.insert(name);
                boundary.imports.push((name.clone(), step.sample.clone().unwrap_or_default()));
            }
        }
        for step in &plan.steps {
            let Work::Float(region) = &step.work else { continue };
            boundary.float_nodes += region.node_count;
            for input in &region.inputs {
                let new = !given.contains(input.name.as_str()) && !boundary.exports.contains(&input.name);
                if new && !matches!(input.place, Place::Dynamic(_)) {
                    boundary.exports.push(input.name.clone());
                }
            }
        }
        let made = plan.outputs.iter().filter(|output| !matches!(output.place, Place::Dynamic(_)));
        boundary.outputs.extend(made.map(|output| &output.name).filter(|name| !given.contains(name.as_str())).cloned());
        boundary
    }
}
