//! Which kernel runs, and why.

use kernels::{Isa, Kernel};

use crate::Error;

/// Environment variable that forces an instruction set: `scalar`, `avx2`, `avx512bw`, `avxvnni` or `avx512vnni`.
pub const ISA_VARIABLE: &str = "QUANTIZE_ISA";

/// The kernel that `QUANTIZE_ISA` names, else the fastest this machine has.
///
/// # Errors
///
/// When the variable holds an unknown name or an instruction set that this machine lacks.
pub fn choose_kernel() -> Result<&'static dyn Kernel, Error> {
    let Some(asked) = std::env::var_os(ISA_VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(kernels::best());
    };
    let asked = asked.to_string_lossy().into_owned();
    let names = || Isa::ALL.iter().map(Isa::to_string).collect::<Vec<_>>().join(", ");
    let isa: Isa = asked
        .parse()
        .map_err(|_| Error::Isa { asked: asked.clone(), reason: format!("unknown; the names are {}", names()) })?;
    kernels::with_isa(isa).ok_or_else(|| Error::Isa {
        asked,
        reason: format!(
            "this machine lacks it; it has {}",
            kernels::available().map(|kernel| kernel.isa().to_string()).collect::<Vec<_>>().join(", ")
        ),
    })
}
