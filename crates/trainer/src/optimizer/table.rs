//! The flat form an optimizer has in a configuration.

use serde::{Deserialize, Serialize};

use super::{Betas, Clip, Optimizer, Rule};
use crate::evolution::Evolution;

/// Every key that `[optimizer]` may have; which ones do depends on the kind.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    kind: Kind,
    learning_rate: f64,
    momentum: Option<f64>,
    nesterov: Option<bool>,
    decay: Option<f64>,
    beta1: Option<f64>,
    beta2: Option<f64>,
    epsilon: Option<f64>,
    parents: Option<usize>,
    offspring: Option<usize>,
    weight_decay: Option<f64>,
    l1: Option<f64>,
    l2: Option<f64>,
    clip: Option<Clip>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Sgd,
    RmsProp,
    Adam,
    AdamW,
    Nadam,
    Adamax,
    Evolution,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::RmsProp => "rmsprop",
            Self::Adam => "adam",
            Self::AdamW => "adamw",
            Self::Nadam => "nadam",
            Self::Adamax => "adamax",
            Self::Evolution => "evolution",
        }
    }

    /// The keys that only some kinds have.
    fn constants(self) -> &'static [&'static str] {
        match self {
            Self::Sgd => &["momentum", "nesterov"],
            Self::RmsProp => &["decay", "epsilon"],
            Self::Adam | Self::AdamW | Self::Nadam | Self::Adamax => &["beta1", "beta2", "epsilon"],
            Self::Evolution => &["parents", "offspring"],
        }
    }
}

impl TryFrom<Table> for Optimizer {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let given = [
            ("momentum", table.momentum.is_some()),
            ("nesterov", table.nesterov.is_some()),
            ("decay", table.decay.is_some()),
            ("beta1", table.beta1.is_some()),
            ("beta2", table.beta2.is_some()),
            ("epsilon", table.epsilon.is_some()),
            ("parents", table.parents.is_some()),
            ("offspring", table.offspring.is_some()),
        ];
        let (kind, known) = (table.kind.word(), table.kind.constants());
        if let Some((key, _)) = given.iter().find(|(key, given)| *given && !known.contains(key)) {
            let known = known.join("`, `");
            return Err(format!("unknown field `{key}`, expected one of `{known}` where the kind is {kind}"));
        }
        let default = Betas::default();
        let epsilon = table.epsilon.unwrap_or(default.epsilon);
        let betas = || Betas {
            beta1: table.beta1.unwrap_or(default.beta1),
            beta2: table.beta2.unwrap_or(default.beta2),
            epsilon,
        };
        let rule = match table.kind {
            Kind::Sgd => {
                Rule::Sgd { momentum: table.momentum.unwrap_or(0.0), nesterov: table.nesterov.unwrap_or(false) }
            }
            Kind::RmsProp => Rule::RmsProp { decay: table.decay.unwrap_or(0.9), epsilon },
            Kind::Adam | Kind::AdamW => Rule::Adam(betas()),
            Kind::Nadam => Rule::Nadam(betas()),
            Kind::Adamax => Rule::Adamax(betas()),
            Kind::Evolution => Rule::Evolution(Evolution {
                parents: table.parents,
                offspring: table.offspring.unwrap_or(Evolution::default().offspring),
            }),
        };
        let decayed = if table.kind == Kind::AdamW { 0.01 } else { 0.0 };
        Ok(Self {
            rule,
            learning_rate: table.learning_rate,
            weight_decay: table.weight_decay.unwrap_or(decayed),
            l1: table.l1.unwrap_or(0.0),
            l2: table.l2.unwrap_or(0.0),
            clip: table.clip,
        })
    }
}

impl From<Optimizer> for Table {
    fn from(optimizer: Optimizer) -> Self {
        let mut table = Self {
            kind: Kind::Sgd,
            learning_rate: optimizer.learning_rate,
            momentum: None,
            nesterov: None,
            decay: None,
            beta1: None,
            beta2: None,
            epsilon: None,
            parents: None,
            offspring: None,
            weight_decay: Some(optimizer.weight_decay),
            l1: Some(optimizer.l1),
            l2: Some(optimizer.l2),
            clip: optimizer.clip,
        };
        let mut adaptive = |kind, betas: Betas| {
            table.kind = kind;
            table.beta1 = Some(betas.beta1);
            table.beta2 = Some(betas.beta2);
            table.epsilon = Some(betas.epsilon);
        };
        match optimizer.rule {
            Rule::Sgd { momentum, nesterov } => {
                table.momentum = Some(momentum);
                table.nesterov = Some(nesterov);
            }
            Rule::RmsProp { decay, epsilon } => {
                table.kind = Kind::RmsProp;
                table.decay = Some(decay);
                table.epsilon = Some(epsilon);
            }
            Rule::Adam(betas) => adaptive(Kind::Adam, betas),
            Rule::Nadam(betas) => adaptive(Kind::Nadam, betas),
            Rule::Adamax(betas) => adaptive(Kind::Adamax, betas),
            Rule::Evolution(Evolution { parents, offspring }) => {
                table.kind = Kind::Evolution;
                table.parents = parents;
                table.offspring = Some(offspring);
            }
        }
        table
    }
}
