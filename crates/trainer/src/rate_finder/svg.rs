//! The picture of a rate curve.

use std::fmt::Write;

use super::{HIGHEST, LOWEST, RateCurve};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 32.0;
const BOTTOM: f64 = 48.0;
/// Values named on the axis of the loss.
const LEVELS: usize = 5;

/// From values to places in the picture.
struct Axes {
    low: f64,
    high: f64,
}

impl Axes {
    /// The losses shown: up to a little above the start, whatever the last batch of a divergence was.
    fn of(curve: &RateCurve) -> Self {
        let finite = || curve.points.iter().map(|point| point.smoothed).filter(|loss| loss.is_finite());
        let low = finite().fold(f64::INFINITY, f64::min);
        let first = finite().next().unwrap_or(1.0);
        let high = finite().fold(f64::NEG_INFINITY, f64::max).min(first + (first - low).max(1e-9 * first.abs()));
        match low < high {
            true => Self { low, high },
            false => Self { low: first - 1.0, high: first + 1.0 },
        }
    }

    fn x(rate: f64) -> f64 {
        let share = libm::log(rate / LOWEST) / libm::log(HIGHEST / LOWEST);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    /// Within the frame also for what is above it.
    fn y(&self, loss: f64) -> f64 {
        let share = ((loss - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }
}

pub(super) fn draw(curve: &RateCurve) -> String {
    let axes = Axes::of(curve);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Loss over learning rate</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let bottom = HEIGHT - BOTTOM;
    // Writing to a string cannot fail.
    for decade in -6..=1_i32 {
        let x = Axes::x(libm::pow(10.0, f64::from(decade)));
        let _ = write!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">1e{decade}</text>\n",
            bottom + 16.0
        );
    }
    for level in 0..LEVELS {
        let loss = axes.low + (axes.high - axes.low) * level as f64 / (LEVELS - 1) as f64;
        let y = axes.y(loss);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\n\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{loss:.3}</text>\n",
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">learning rate</text>\n<text x=\"{LEFT}\" y=\"18\">loss</text>\n",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 10.0
    );
    line(&mut svg, &axes, curve, |point| point.loss, "#b8cbe0");
    line(&mut svg, &axes, curve, |point| point.smoothed, "#1f5fa8");
    let marks = [(curve.diverged, "#c0392b", "diverges"), (curve.proposal(), "#1e8449", "proposal")];
    for (row, (rate, colour, what)) in marks.into_iter().enumerate() {
        if let Some(rate) = rate {
            let x = Axes::x(rate);
            let _ = write!(
                svg,
                "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"{colour}\" stroke-dasharray=\"4 3\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">{what} {rate:.2e}</text>\n",
                x - 4.0,
                TOP + 14.0 + 16.0 * row as f64
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn line(svg: &mut String, axes: &Axes, curve: &RateCurve, of: fn(&super::RatePoint) -> f64, colour: &str) {
    let _ = write!(svg, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"");
    for point in curve.points.iter().filter(|point| of(point).is_finite()) {
        let _ = write!(svg, "{:.1},{:.1} ", Axes::x(point.rate), axes.y(of(point)));
    }
    svg.push_str("\"/>\n");
}
