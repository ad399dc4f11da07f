//! Progress of long work: on a terminal only, and only on standard error.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `total` steps of `work`, a mere count where nobody knows how many; invisible unless standard error is a terminal.
pub(crate) fn bar(total: Option<usize>, work: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total.map(|total| total as u64), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(match total {
        Some(_) => "{prefix} {bar:32} {pos}/{len} {msg} {eta}",
        None => "{prefix} {spinner} {pos} {msg} {elapsed}",
    });
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(work);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A bar over the batches of a training, whose number becomes known with the first; invisible unless standard error is a terminal.
pub(crate) fn training_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("training {bar:24} {msg} {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Tells something worth knowing before the work starts, to people only.
pub(crate) fn announce(text: &str) {
    if std::io::stderr().is_terminal() {
        eprintln!("{text}");
    }
}
