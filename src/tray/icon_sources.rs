//! What the layers of the icon are drawn from.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg;

use super::icon::{CONTOUR, Layer, SIZE, decoded};
use portcullis::status::Icon;
use portcullis::status::emblem::EmblemMark;

fn source(icon: Icon) -> &'static str {
    match icon {
        Icon::Closed => include_str!("../../resources/icons/closed.svg"),
        Icon::Open => include_str!("../../resources/icons/open.svg"),
        Icon::Off => include_str!("../../resources/icons/off.svg"),
        Icon::Unknown => include_str!("../../resources/icons/unknown.svg"),
    }
}

/// At the top, a white disc with a dark edge, and what is drawn around its middle.
fn badge(drawn: &str) -> String {
    format!(
        "<g transform=\"translate(33.5 10.5)\"><circle r=\"11\" fill=\"#121212\"/><circle r=\"9.5\" fill=\"#fff\"/>\
         <g fill=\"none\" stroke=\"#121212\" stroke-width=\"3.4\" stroke-linecap=\"square\">{drawn}</g></g>"
    )
}

/// At the bottom, a dark plate with a white digit: on a bar of 22 px a digit has 16 px, of which it needs each.
fn plate(digit: &str) -> String {
    format!(
        "<g transform=\"translate(33 31.5)\"><rect x=\"-10.5\" y=\"-12.5\" width=\"21\" height=\"25\" rx=\"3.5\" \
         fill=\"#121212\"/><g fill=\"none\" stroke=\"#fff\" stroke-width=\"4.4\" stroke-linecap=\"square\">{digit}</g></g>"
    )
}

/// The strokes of a digit from 1 to 9, as a pocket calculator has them; of 1 the middle.
fn digit(count: u8) -> String {
    const STROKES: [&str; 7] = [
        "M-4.4-8h8.8", // above
        "M4.4-8v8",    // above, right
        "M4.4 0v8",    // below, right
        "M-4.4 8h8.8", // below
        "M-4.4 0v8",   // below, left
        "M-4.4-8v8",   // above, left
        "M-4.4 0h8.8", // middle
    ];
    let lit: &[usize] = match count {
        1 => return "<path d=\"M-2.6-6.2L.8-8V8\"/>".to_owned(),
        2 => &[0, 1, 6, 4, 3],
        3 => &[0, 1, 6, 2, 3],
        4 => &[5, 6, 1, 2],
        5 => &[0, 5, 6, 2, 3],
        6 => &[0, 5, 6, 2, 3, 4],
        7 => &[0, 1, 2],
        8 => &[0, 1, 2, 3, 4, 5, 6],
        _ => &[0, 1, 2, 3, 5, 6],
    };
    let strokes: String = lit.iter().filter_map(|stroke| STROKES.get(*stroke).copied()).collect();
    format!("<path d=\"{strokes}\"/>")
}

fn glyph(mark: EmblemMark) -> String {
    match mark {
        EmblemMark::Exposed => {
            "<path d=\"M0-5.2v4.8M0 5.4v.1\" stroke=\"currentColor\" stroke-width=\"4.4\"/>"
        }
        EmblemMark::Waiting => "<path d=\"M-5.2 0h.1M0 0h.1M5.2 0h.1\"/>",
        EmblemMark::Blocked => "<path d=\"M-3.4-3.4l6.8 6.8M3.4-3.4l-6.8 6.8\"/>",
        EmblemMark::Anyone => "<circle r=\"4.4\"/>",
    }
    .to_owned()
}

/// The layer as SVG.
fn svg(layer: Layer) -> String {
    match layer {
        Layer::Shape(icon) => source(icon).to_owned(),
        Layer::Count(count) => alone(&plate(&digit(count))),
        Layer::Mark(mark) => alone(&badge(&glyph(mark))),
    }
}

fn alone(drawn: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 44 44\" width=\"44\" height=\"44\">{drawn}</svg>"
    )
}

/// How much of each pixel is in ink, light and dark, with room around it for both contours.
fn drawn(layer: Layer) -> Vec<u8> {
    let inks = svg(layer).replace("#fff", "#0f0").replace("#121212", "#00f");
    let tree =
        usvg::Tree::from_str(&inks.replace("currentColor", "#f00"), &usvg::Options::default()).unwrap();
    let room = (2 * CONTOUR) as f32;
    let side = SIZE as f32 - 2.0 * room;
    let place = Transform::from_scale(side / tree.size().width(), side / tree.size().height());
    let mut pixmap = Pixmap::new(SIZE, SIZE).unwrap();
    resvg::render(&tree, place.post_translate(room, room), &mut pixmap.as_mut());
    pixmap.pixels().iter().flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()]).collect()
}

/// `PORTCULLIS_DRAW=1` writes them anew.
#[test]
fn the_layers_are_drawn_from_these_sources() {
    let layers: Vec<u8> = Layer::all().flat_map(drawn).collect();
    if std::env::var_os("PORTCULLIS_DRAW").is_some() {
        let file = std::fs::File::create("resources/icons/layers.png").unwrap();
        let mut encoder = png::Encoder::new(file, SIZE, SIZE * Layer::all().count() as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::High);
        encoder.write_header().unwrap().write_image_data(&layers).unwrap();
        return;
    }
    let kept = decoded().unwrap();
    // Processors round a little differently.
    let differ = kept.iter().zip(&layers).filter(|(kept, drawn)| kept.abs_diff(**drawn) > 2).count();
    let anew = "run this test with PORTCULLIS_DRAW=1, and look at the picture";
    assert!(kept.len() == layers.len() && differ == 0, "{differ} of {} differ: {anew}", layers.len());
}
