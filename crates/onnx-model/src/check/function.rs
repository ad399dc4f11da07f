//! Whether the functions of a model are well formed.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::format;

use super::attribute::check_attribute;
use super::graph::{Scope, check_nodes};
use super::types::check_value;
use crate::Error;
use crate::proto::FunctionProto;

pub(super) fn check_functions(functions: &[FunctionProto]) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    for function in functions {
        if !names.insert((function.domain(), function.name(), function.overload())) {
            return Err(Error::Graph {
                graph: function.name().to_owned(),
                problem: format!(
                    "two functions of domain \"{}\" have this name; give them different overloads",
                    function.domain()
                ),
            });
        }
        check_function(function)?;
    }
    Ok(())
}

fn check_function(function: &FunctionProto) -> Result<(), Error> {
    let mut scope = Scope::of_function(function);
    for attribute in &function.attribute_proto {
        check_attribute(attribute, false)
            .map_err(|problem| scope.problem(format!("its attribute \"{}\" {problem}", attribute.name())))?;
    }
    for value in &function.value_info {
        check_value(value).map_err(|problem| scope.problem(problem))?;
    }
    for input in &function.input {
        scope.add_input(input)?;
    }
    check_nodes(&mut scope)?;
    match function.output.iter().find(|output| !scope.contains(output)) {
        None => Ok(()),
        Some(missing) => Err(scope.problem(format!("its output \"{missing}\" is produced by no node"))),
    }
}
