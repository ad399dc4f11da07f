//! The comparison as one HTML file that needs no other.

use super::chart::escape;
use super::{HEADER, RunsReport, cells};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1f2328;--faint:#656d76;--line:#d8dee4;--ground:#ffffff}\
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--faint:#8d96a0;--line:#30363d;--ground:#0d1117}}\
body{font:14px/1.5 system-ui,'Segoe UI','DejaVu Sans',sans-serif;color:var(--ink);background:var(--ground);\
max-width:1000px;margin:24px auto;padding:0 16px}\
h1{font-size:20px}h2{font-size:16px;margin-top:28px}svg{max-width:100%;height:auto}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:4px 12px 4px 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}\
th{color:var(--faint);font-weight:500}th:first-child,td:first-child{text-align:left}\
.settings th,.settings td{text-align:left}";

pub(super) fn html(report: &RunsReport, svg: &str) -> String {
    let header: String = HEADER.iter().map(|name| format!("<th>{name}</th>")).collect();
    let row = |cells: &[String]| -> String {
        let cells: String = cells.iter().map(|cell| format!("<td>{}</td>", escape(cell))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = report.runs.iter().map(|run| row(&cells(run))).collect();
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Training runs</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>Training runs</h1>\n\
         <div class=\"wide\"><table>\n<tr>{header}</tr>\n{rows}</table></div>\n<h2>Curves</h2>\n{svg}"
    );
    if !report.differences.is_empty() {
        let names: String = report.runs.iter().map(|run| format!("<th>{}</th>", escape(&run.name))).collect();
        let rows: String = report
            .differences
            .iter()
            .map(|difference| {
                let values = difference.values.iter().map(|value| value.clone().unwrap_or_else(|| "-".to_owned()));
                row(&std::iter::once(difference.setting.clone()).chain(values).collect::<Vec<_>>())
            })
            .collect();
        page += &format!(
            "<h2>Settings that differ</h2>\n<div class=\"wide\"><table class=\"settings\">\n\
             <tr><th>setting</th>{names}</tr>\n{rows}</table></div>\n"
        );
    }
    page + "</body>\n</html>\n"
}
