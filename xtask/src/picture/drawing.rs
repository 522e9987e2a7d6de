//! Draws the screen of a terminal as an SVG: dark, with a window frame and text in rows.

use std::fmt::Write;

use avt::{Color, Line, Pen, Screen};

/// Sizes in pixels. The length of a row depends on the reader's font; columns are aligned in any font of fixed width.
const FONT: usize = 14;
const ROW: usize = 20;
const MARGIN: usize = 20;
/// The height of the frame above the text, with its three buttons.
const BAR: usize = 36;
/// The width of a character in hundredths of a pixel. In the widest usual fonts it is 0.602 of the size.
const CHARACTER: usize = 843;

/// The sixteen colours that programs ask for by number, readable on the background.
const COLOURS: [&str; 16] = [
    "#3b4252", "#e0707a", "#8fc77f", "#e6c07b", "#7aa9e6", "#c695d6", "#6fc3cf", "#c9d1d9", "#6b7689",
    "#f08a93", "#a8dc98", "#f2d195", "#98c1f5", "#d9b0e6", "#8ddbe6", "#ffffff",
];

/// The rows up to the last one with text.
pub(super) fn svg(screen: Screen<'_>, title: &str) -> String {
    let mut lines: Vec<&Line> = screen.visible_lines().collect();
    while lines.last().is_some_and(|line| line.text().trim().is_empty()) {
        lines.pop();
    }
    let columns = lines.first().map_or(0, |line| line.len());
    let width = columns * CHARACTER / 100 + 2 * MARGIN;
    let height = BAR + lines.len() * ROW + MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} \
         {height}\" role=\"img\">\n<!-- made by `cargo xtask picture` -->\n<title>{}</title>\n\
         <style>text {{ font: {FONT}px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; \
         fill: #c9d1d9; white-space: pre }}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#161b22\"/>\n",
        escape(title)
    );
    for (place, colour) in ["#ff5f57", "#febc2e", "#28c840"].into_iter().enumerate() {
        let x = MARGIN + 2 + place * 20;
        let _ = writeln!(svg, "<circle cx=\"{x}\" cy=\"20\" r=\"6\" fill=\"{colour}\"/>");
    }
    for (row, line) in lines.into_iter().enumerate() {
        let y = BAR + ROW * row + FONT + 2;
        let _ = writeln!(svg, "<text xml:space=\"preserve\" x=\"{MARGIN}\" y=\"{y}\">{}</text>", spans(line));
    }
    svg + "</svg>\n"
}

/// A line as spans of equal style, without the spaces at its end.
fn spans(line: &Line) -> String {
    let mut left = line.text().trim_end().chars().count();
    let mut out = String::new();
    for cells in line.chunks(|one, next| one.pen() != next.pen()) {
        let text: String = cells.iter().map(avt::Cell::char).take(left).collect();
        left -= text.chars().count();
        let text = escape(&text);
        match cells.first().map(|cell| style(cell.pen())).filter(|style| !style.is_empty()) {
            Some(style) if !text.is_empty() => {
                let _ = write!(out, "<tspan{style}>{text}</tspan>");
            }
            _ => out.push_str(&text),
        }
    }
    out
}

fn style(pen: &Pen) -> String {
    let mut style = String::new();
    match pen.foreground() {
        Some(Color::Indexed(index)) => {
            if let Some(colour) = COLOURS.get(usize::from(index)) {
                let _ = write!(style, " fill=\"{colour}\"");
            }
        }
        Some(Color::RGB(rgb)) => {
            let _ = write!(style, " fill=\"#{:02x}{:02x}{:02x}\"", rgb.r, rgb.g, rgb.b);
        }
        None => {}
    }
    if pen.is_bold() {
        style.push_str(" font-weight=\"bold\"");
    }
    if pen.is_faint() {
        style.push_str(" opacity=\"0.6\"");
    }
    style
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
