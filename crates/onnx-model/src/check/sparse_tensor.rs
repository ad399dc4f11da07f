//! Whether a sparse tensor is well formed.

use alloc::borrow::ToOwned;
use alloc::format;

use crate::Error;
use crate::proto::{DataType, SparseTensorProto, TensorProto};
use crate::tensor::{Layout, check_tensor};

pub(super) fn check_sparse(sparse: &SparseTensorProto) -> Result<(), Error> {
    let (Some(values), Some(indices)) = (&sparse.values, &sparse.indices) else {
        let tensor = sparse.values.as_ref().map_or("", |values| values.name()).to_owned();
        return Err(Error::Tensor { tensor, problem: "is sparse but lacks its values or its indices".to_owned() });
    };
    let problem = |problem| Err(Error::Tensor { tensor: values.name().to_owned(), problem });
    let stored = check_tensor(values)?;
    let places = check_tensor(indices)?;
    let dense = Layout::of(&TensorProto {
        dims: sparse.dims.clone(),
        data_type: values.data_type,
        name: values.name.clone(),
        ..TensorProto::default()
    })?;
    if stored.shape.len() != 1 || stored.count > dense.count {
        return problem(format!("of shape {:?} cannot store values of shape {:?} sparsely", dense.shape, stored.shape));
    }
    let linear = places.shape == [stored.count];
    let by_axis = places.shape == [stored.count, dense.shape.len()];
    if places.data_type != DataType::Int64 || !(linear || by_axis) {
        return problem(format!(
            "stores {} values sparsely, but its indices are {} of shape {:?}",
            stored.count, places.data_type, places.shape
        ));
    }
    Ok(())
}
