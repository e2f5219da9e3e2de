//! The report as a drawing: one panel for latencies, one for throughput, a line for each program. SVG, written by hand:
//! a library for it would be larger than all of `bench`.

use std::fmt::Write as _;

use super::load::{Measured, count};

/// One colour a program, told apart by most eyes.
const COLOURS: [&str; 5] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"];
/// Size of a panel, in pixels.
const WIDTH: f64 = 320.0;
const HEIGHT: f64 = 220.0;
/// Where the panels begin, from the top.
const TOP: f64 = 50.0;

/// A panel: its title, where it begins from the left, and what it shows of a row.
type Panel = (&'static str, f64, fn(&Measured) -> f64);

const PANELS: [Panel; 2] = [
    ("p50 from publish to verified result, ms", 60.0, |row| row.p50_milliseconds),
    ("jobs per second", 460.0, |row| row.jobs_per_second),
];

/// The drawing. Both scales are logarithmic: programs are a hundredfold apart.
pub(super) fn of(rows: &[Measured]) -> String {
    let mut clients: Vec<usize> = rows.iter().map(|row| row.clients).collect();
    clients.sort_unstable();
    clients.dedup();
    let mut programs: Vec<&str> = Vec::new();
    for row in rows {
        if !programs.contains(&row.program) {
            programs.push(row.program);
        }
    }
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"820\" height=\"340\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
    );
    for panel in PANELS {
        draw(&mut svg, panel, rows, (&clients, &programs));
    }
    for (number, (program, colour)) in programs.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let left = 60.0 + 110.0 * count(number);
        text(&mut svg, (left + 18.0, TOP + HEIGHT + 60.0), "start", program);
        line(&mut svg, &[(left, TOP + HEIGHT + 56.0), (left + 14.0, TOP + HEIGHT + 56.0)], colour, 3);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: Panel, rows: &[Measured], (clients, programs): (&[usize], &[&str])) {
    let (title, left, of) = panel;
    let exponents = || rows.iter().map(of).filter(|value| *value > 0.0).map(f64::log10);
    let lowest = exponents().fold(f64::INFINITY, f64::min).floor();
    let highest = exponents().fold(f64::NEG_INFINITY, f64::max).ceil().max(lowest + 1.0);
    if !lowest.is_finite() || !highest.is_finite() {
        return;
    }
    let bottom = TOP + HEIGHT;
    let height = |exponent: f64| bottom - HEIGHT * (exponent - lowest) / (highest - lowest);
    let step = WIDTH / count(clients.len().max(1));
    let across = |number: usize| left + step * (count(number) + 0.5);
    text(svg, (left, TOP - 16.0), "start", title);
    let mut exponent = lowest;
    while exponent <= highest {
        line(svg, &[(left, height(exponent)), (left + WIDTH, height(exponent))], "#ddd", 1);
        text(svg, (left - 6.0, height(exponent) + 4.0), "end", &10_f64.powf(exponent).to_string());
        exponent += 1.0;
    }
    for (number, clients) in clients.iter().enumerate() {
        text(svg, (across(number), bottom + 16.0), "middle", &clients.to_string());
    }
    text(svg, (left + WIDTH / 2.0, bottom + 34.0), "middle", "clients");
    for (program, colour) in programs.iter().zip(COLOURS.iter().cycle()) {
        let point = |(number, clients): (usize, &usize)| {
            let row = rows.iter().find(|row| row.program == *program && row.clients == *clients)?;
            (of(row) > 0.0).then(|| (across(number), height(of(row).log10())))
        };
        let points: Vec<(f64, f64)> = clients.iter().enumerate().filter_map(point).collect();
        line(svg, &points, colour, 2);
        for (x, y) in points {
            // Writing into a text does not fail, here and below.
            writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>").unwrap_or_default();
        }
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>").unwrap_or_default();
}

fn line(svg: &mut String, points: &[(f64, f64)], colour: &str, width: u32) {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>",
        points.join(" ")
    )
    .unwrap_or_default();
}
