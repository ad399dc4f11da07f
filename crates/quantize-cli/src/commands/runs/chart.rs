//! Runs as curves: one SVG with a panel per metric, readable on light and on dark ground.

use std::fmt::Write;

use trainer::Record;

use super::axis::Axis;
use super::collected::Run;

/// Measures are in pixels.
const WIDTH: f64 = 960.0;
const MARGIN: f64 = 16.0;
const PANEL_HEIGHT: f64 = 250.0;
const GAP: f64 = 28.0;
/// Room inside a panel for the labels of its axes and for its title.
const LEFT: f64 = 62.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 30.0;
const LEGEND_LINE: f64 = 22.0;
/// Text in the legend is about this wide per character.
const CHARACTER: f64 = 7.2;
/// Curves of no more points than this show each.
const POINTS_SHOWN: usize = 12;

/// Middle tones, to be told from each other and from white and black.
const COLOURS: [&str; 8] = ["#3b82f6", "#e8590c", "#2f9e44", "#d6336c", "#7950f2", "#0c8599", "#b08900", "#868e96"];

/// Colours that follow the reader's choice of light or dark.
pub(super) const STYLE: &str = "\
.ground{fill:#ffffff}.ink{fill:#1f2328}.faint{fill:#656d76}.grid{stroke:#d8dee4;stroke-width:1}\
.axis{stroke:#8c959f;stroke-width:1}.neutral{stroke:#656d76}\
@media(prefers-color-scheme:dark){.ground{fill:#0d1117}.ink{fill:#e6edf3}.faint{fill:#8d96a0}.grid{stroke:#262c34}\
.axis{stroke:#6e7681}.neutral{stroke:#8d96a0}}";

/// The metrics shown unless others are named.
const USUAL: [&str; 3] = ["loss", "accuracy", "learning_rate"];
/// Before the name of a metric that was measured on the validation part.
const VALIDATION: &str = "validation_";

/// The chart of the metrics, which are found in some run.
pub(super) fn svg(runs: &[Run], metrics: &[String]) -> String {
    let (legend, legend_height) = legend(runs, metrics);
    let columns = if metrics.len() == 1 { 1 } else { 2 };
    let panel_width = (WIDTH - 2.0 * MARGIN - GAP * (columns - 1) as f64) / columns as f64;
    let top = MARGIN + legend_height + 8.0;
    let height = top + metrics.len().div_ceil(columns) as f64 * (PANEL_HEIGHT + GAP) - GAP + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui,'Segoe UI','DejaVu Sans',sans-serif\" font-size=\"12\" role=\"img\" \
         aria-label=\"Metrics of training runs over epochs\">\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{WIDTH}\" height=\"{height}\"/>\n{legend}"
    );
    for (index, metric) in metrics.iter().enumerate() {
        let x = MARGIN + (index % columns) as f64 * (panel_width + GAP);
        let y = top + (index / columns) as f64 * (PANEL_HEIGHT + GAP);
        let _ = writeln!(svg, "<g transform=\"translate({x},{y})\">\n{}</g>", panel(runs, metric, panel_width));
    }
    svg + "</svg>\n"
}

/// The metrics for the names that were asked for: each, or all of the group it names. The name that finds nothing is the error.
pub(super) fn chosen(runs: &[Run], names: &[String]) -> Result<Vec<String>, String> {
    let mut known: Vec<String> = Vec::new();
    let scalars = runs.iter().flat_map(|run| &run.records).flat_map(|record| &record.scalars);
    for (name, _) in scalars {
        let name = name.strip_prefix(VALIDATION).unwrap_or(name);
        if !known.iter().any(|known| known == name) {
            known.push(name.to_owned());
        }
    }
    if names.is_empty() {
        let usual: Vec<String> = USUAL
            .iter()
            .filter(|name| known.iter().any(|known| known == *name))
            .map(|name| (*name).to_owned())
            .collect();
        return Ok(if usual.is_empty() { known } else { usual });
    }
    let mut chosen: Vec<String> = Vec::new();
    for name in names {
        let group = format!("{name}/");
        let found: Vec<&String> = known.iter().filter(|known| *known == name || known.starts_with(&group)).collect();
        if found.is_empty() {
            return Err(format!("no run has a metric `{name}`; there are {}", known.join(", ")));
        }
        for found in found {
            if !chosen.contains(found) {
                chosen.push(found.clone());
            }
        }
    }
    Ok(chosen)
}

/// The colour of a run, and the names of both its curves.
fn colour(index: usize) -> String {
    match COLOURS.get(index) {
        Some(colour) => (*colour).to_owned(),
        // Turned by the golden angle, hues never meet.
        None => format!("hsl({:.0} 65% 50%)", (index as f64 * 137.508) % 360.0),
    }
}

/// Names beside their colours, in as many lines as they need, and the height of these.
fn legend(runs: &[Run], metrics: &[String]) -> (String, f64) {
    let (mut x, mut y) = (MARGIN, MARGIN + 10.0);
    let mut svg = String::new();
    let mut entry = |class: &str, stroke: &str, dashes: &str, name: &str| {
        let width = 30.0 + CHARACTER * name.chars().count() as f64 + 20.0;
        if x > MARGIN && x + width > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + LEGEND_LINE);
        }
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"{class}{stroke}{dashes} stroke-width=\"2.5\"/>\
             <text class=\"ink\" x=\"{}\" y=\"{y}\">{}</text>",
            x + 24.0,
            y - 4.0,
            y - 4.0,
            x + 30.0,
            escape(name)
        );
        x += width;
        y
    };
    let mut last = MARGIN;
    for (index, run) in runs.iter().enumerate() {
        last = entry("", &format!(" stroke=\"{}\"", colour(index)), "", &run.name);
    }
    let validated = |metric: &String| {
        let name = format!("{VALIDATION}{metric}");
        runs.iter().flat_map(|run| &run.records).any(|record| record.scalar(&name).is_some())
    };
    if metrics.iter().any(validated) {
        entry(" class=\"neutral\"", "", "", "training");
        last = entry(" class=\"neutral\"", "", DASHES, "validation");
    }
    (svg, last + 6.0 - MARGIN)
}

const DASHES: &str = " stroke-dasharray=\"5 4\"";

/// The curves of one metric of all runs, over the epochs.
fn panel(runs: &[Run], metric: &str, width: f64) -> String {
    let names = [metric.to_owned(), format!("{VALIDATION}{metric}")];
    let values =
        runs.iter().flat_map(|run| &run.records).flat_map(|record| names.iter().filter_map(|name| record.scalar(name)));
    let mut svg = format!(
        "<text class=\"ink\" x=\"{LEFT}\" y=\"14\" font-size=\"14\" font-weight=\"600\">{}</text>\n",
        escape(metric)
    );
    let Some(vertical) = Axis::over(values) else {
        let _ = writeln!(svg, "<text class=\"faint\" x=\"{LEFT}\" y=\"{TOP}\" dy=\"12\">no finite value</text>");
        return svg;
    };
    let horizontal = Axis::counts(runs.iter().map(Run::epochs));
    let (plot_width, plot_height) = (width - LEFT, PANEL_HEIGHT - TOP - BOTTOM);
    let place_x = |epoch: f64| horizontal.position(epoch).map(|position| LEFT + position * plot_width);
    let place_y = |value: f64| vertical.position(value).map(|position| TOP + (1.0 - position) * plot_height);
    let (right, bottom) = (width, TOP + plot_height);
    for (value, label) in &vertical.ticks {
        let Some(y) = place_y(*value) else { continue };
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"faint\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    for (value, label) in &horizontal.ticks {
        let Some(x) = place_x(*value) else { continue };
        let _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{bottom}\" y2=\"{}\"/>\
             <text class=\"faint\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            bottom + 4.0,
            bottom + 17.0
        );
    }
    let _ = writeln!(
        svg,
        "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>\
         <text class=\"faint\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">epoch</text>",
        LEFT + plot_width / 2.0,
        bottom + 34.0
    );
    for (index, run) in runs.iter().enumerate() {
        for (name, dashes) in names.iter().zip(["", DASHES]) {
            let place = |record: &Record| Some((place_x(record.epoch as f64)?, place_y(record.scalar(name)?)?));
            let places: Vec<Option<(f64, f64)>> = run.records.iter().map(place).collect();
            svg += &curve(&places, &colour(index), dashes, &format!("{}: {name}", run.name));
        }
    }
    svg
}

/// A curve with a gap wherever there is no place, titled for readers who point at it.
fn curve(places: &[Option<(f64, f64)>], colour: &str, dashes: &str, title: &str) -> String {
    let mut path = String::new();
    let mut begins = true;
    for place in places {
        if let Some((x, y)) = place {
            let _ = write!(path, "{}{x:.1} {y:.1}", if begins { 'M' } else { 'L' });
        }
        begins = place.is_none();
    }
    if path.is_empty() {
        return path;
    }
    let title = escape(title);
    let mut svg = format!(
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\"{dashes} stroke-width=\"2\" stroke-linejoin=\"round\">\
         <title>{title}</title></path>\n"
    );
    if places.len() <= POINTS_SHOWN {
        for (x, y) in places.iter().flatten() {
            let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.4\" fill=\"{colour}\"/>");
        }
    }
    svg
}

/// Text for XML and HTML. Control characters, which XML does not have, are left out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            control if control.is_control() => {}
            other => escaped.push(other),
        }
    }
    escaped
}
