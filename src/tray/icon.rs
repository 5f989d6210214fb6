//! The icon: drawn from SVG sources at 44 px, which is 22 pt on a Retina screen.
//!
//! The shape says the state, the colour the risk, since colour alone is lost on some eyes and some screens; a badge has the
//! count of open ports, another what is worth a mark. No single colour
//! stands out on every bar, and an app cannot know what a bar looks like: each shape has a dark contour, and a light one
//! around that, of which one has a contrast of 3:1 to any bar.

use resvg::tiny_skia::{Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg;

use portcullis::status::Icon;
use portcullis::status::emblem::{Emblem, EmblemMark, Risk};

/// Width and height in pixels.
pub const SIZE: u32 = 44;
/// How wide a contour is: one point.
const CONTOUR: u32 = 2;
const DARK: u8 = 0x12;
const LIGHT: u8 = 0xff;

fn source(icon: Icon) -> &'static str {
    match icon {
        Icon::Closed => include_str!("../../resources/icons/closed.svg"),
        Icon::Open => include_str!("../../resources/icons/open.svg"),
        Icon::Off => include_str!("../../resources/icons/off.svg"),
        Icon::Unknown => include_str!("../../resources/icons/unknown.svg"),
    }
}

/// The colour of the shape.
fn colour(risk: Risk) -> &'static str {
    match risk {
        Risk::None => "#1fa463",
        Risk::Some => "#f08a00",
        Risk::High => "#e5383b",
        Risk::Unknown => "#7d818c",
    }
}

/// The whole picture as SVG.
fn svg(emblem: Emblem) -> String {
    let count = (emblem.count > 0).then(|| badge(BOTTOM, &digit(emblem.count)));
    let mark = emblem.mark.map(|mark| badge(TOP, &glyph(mark)));
    let badges: String = count.into_iter().chain(mark).collect();
    let shape = source(emblem.shape).replace("currentColor", colour(emblem.risk));
    shape.replace("</svg>", &format!("{badges}</svg>"))
}

/// The middles of the badges, in the picture's own units of 44.
const BOTTOM: [f32; 2] = [33.5, 33.5];
const TOP: [f32; 2] = [33.5, 10.5];

/// A white disc with a dark edge, and what is drawn around its middle.
fn badge([x, y]: [f32; 2], drawn: &str) -> String {
    format!(
        "<g transform=\"translate({x} {y})\"><circle r=\"10.5\" fill=\"#121212\"/><circle r=\"9\" fill=\"#fff\"/>\
         <g fill=\"none\" stroke=\"#121212\" stroke-width=\"2.8\" stroke-linecap=\"square\">{drawn}</g></g>"
    )
}

/// The strokes of a digit from 1 to 9, as a pocket calculator has them; of 1 the middle.
fn digit(count: u8) -> String {
    const STROKES: [&str; 7] = [
        "M-2.6-5h5.2", // above
        "M2.6-5v5",    // above, right
        "M2.6 0v5",    // below, right
        "M-2.6 5h5.2", // below
        "M-2.6 0v5",   // below, left
        "M-2.6-5v5",   // above, left
        "M-2.6 0h5.2", // middle
    ];
    let lit: &[usize] = match count {
        1 => return "<path d=\"M-2-3.6L0-5V5\"/>".to_owned(),
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
        EmblemMark::Exposed => "<path d=\"M0-5.4v5.6M0 5.2v.1\" stroke=\"#c4161c\" stroke-width=\"3.6\"/>",
        EmblemMark::Waiting => "<path d=\"M-4.6 0h.1M0 0h.1M4.6 0h.1\"/>",
        EmblemMark::Blocked => "<path d=\"M-3.4-3.4l6.8 6.8M3.4-3.4l-6.8 6.8\"/>",
        EmblemMark::Anyone => "<circle r=\"4.4\"/>",
    }
    .to_owned()
}

/// The icon as rows of straight (not premultiplied) RGBA, `SIZE * SIZE * 4` bytes; `None` where its source does not
/// read, which the tests rule out.
pub fn rgba(emblem: Emblem) -> Option<Vec<u8>> {
    draw(emblem).map(Pixmap::take_demultiplied)
}

fn draw(emblem: Emblem) -> Option<Pixmap> {
    let tree = usvg::Tree::from_str(&svg(emblem), &usvg::Options::default()).ok()?;
    let shape = stamped(&tree, 0)?;
    // A dark contour around the shape, and a light one around both where they end: not in the gaps of the shape, which the
    // dark one fills.
    let dark = covered(&stamped(&tree, CONTOUR)?);
    let light = covered(&stamped(&tree, 2 * CONTOUR)?);
    let outside = outside(&dark);
    let mut drawn = Pixmap::new(SIZE, SIZE)?;
    for (place, pixel) in drawn.pixels_mut().iter_mut().enumerate() {
        let own = shape.pixels()[place];
        let [ink, dark, light] = [f32::from(own.alpha()) / 255.0, dark[place], light[place]];
        // Each over the one before, as premultiplied parts of one.
        let white = if outside[place] { light * (1.0 - dark) } else { 0.0 };
        let contour = (f32::from(LIGHT) * white + f32::from(DARK) * dark) * (1.0 - ink);
        let alpha = (255.0 * (ink + (dark + white) * (1.0 - ink))).round() as u8;
        let part = |colour: u8| ((f32::from(colour) + contour).round() as u8).min(alpha);
        let [red, green, blue] = [own.red(), own.green(), own.blue()].map(part);
        *pixel = PremultipliedColorU8::from_rgba(red, green, blue, alpha)?;
    }
    Some(drawn)
}

/// The shape, moved by so many pixels to all sides, over itself; there is room around it for both contours.
fn stamped(tree: &usvg::Tree, width: u32) -> Option<Pixmap> {
    const DIRECTIONS: u32 = 24;
    let room = (2 * CONTOUR) as f32;
    let side = SIZE as f32 - 2.0 * room;
    let place = Transform::from_scale(side / tree.size().width(), side / tree.size().height());
    let mut pixmap = Pixmap::new(SIZE, SIZE)?;
    for direction in 0..DIRECTIONS.min(width * DIRECTIONS).max(1) {
        let (sine, cosine) = (std::f32::consts::TAU * direction as f32 / DIRECTIONS as f32).sin_cos();
        let moved = |part: f32| room + width as f32 * part;
        resvg::render(tree, place.post_translate(moved(cosine), moved(sine)), &mut pixmap.as_mut());
    }
    Some(pixmap)
}

/// How much of each pixel is covered.
fn covered(pixmap: &Pixmap) -> Vec<f32> {
    pixmap.pixels().iter().map(|pixel| f32::from(pixel.alpha()) / 255.0).collect()
}

/// Which pixels lie outside of all ink: from there the picture's edge is reached without crossing any.
fn outside(ink: &[f32]) -> Vec<bool> {
    let side = SIZE as usize;
    let is_edge =
        |place: &usize| (place % side).is_multiple_of(side - 1) || (place / side).is_multiple_of(side - 1);
    let mut found = vec![false; ink.len()];
    let mut next: Vec<usize> = (0..ink.len()).filter(is_edge).collect();
    while let Some(place) = next.pop() {
        if !found[place] && ink[place] < 1.0 {
            found[place] = true;
            let beside = [place.checked_sub(side), Some(place + side)];
            let in_row =
                [(place % side > 0).then(|| place - 1), (place % side < side - 1).then_some(place + 1)];
            next.extend(beside.into_iter().chain(in_row).flatten().filter(|place| *place < ink.len()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::LazyLock;

    use super::*;

    /// The states in their own colours.
    const ALL: [Emblem; 4] = [
        plain(Icon::Closed, Risk::None),
        plain(Icon::Open, Risk::Some),
        plain(Icon::Off, Risk::Unknown),
        plain(Icon::Unknown, Risk::Unknown),
    ];
    /// The same raised gate with each badge.
    const MARKED: [Emblem; 6] = [
        marked(EmblemMark::Exposed, 0),
        marked(EmblemMark::Waiting, 0),
        marked(EmblemMark::Blocked, 0),
        marked(EmblemMark::Anyone, 0),
        Emblem { mark: None, ..marked(EmblemMark::Anyone, 1) },
        marked(EmblemMark::Exposed, 8),
    ];
    static DRAWN: LazyLock<HashMap<Emblem, Vec<u8>>> = LazyLock::new(|| {
        ALL.into_iter().chain(MARKED).map(|icon| (icon, super::rgba(icon).unwrap())).collect()
    });

    const fn plain(shape: Icon, risk: Risk) -> Emblem {
        Emblem { shape, risk, mark: None, count: 0 }
    }

    const fn marked(mark: EmblemMark, count: u8) -> Emblem {
        Emblem { shape: Icon::Open, risk: Risk::High, mark: Some(mark), count }
    }

    fn rgba(icon: Emblem) -> &'static [u8] {
        &DRAWN[&icon]
    }

    /// A light bar, a dark one, and two that a desktop's picture shines through.
    const BARS: [[u8; 3]; 4] = [[0xe8; 3], [0x1e; 3], [0x3a, 0x6e, 0xa5], [0xd9, 0x8a, 0x4a]];

    /// As an eye sees a colour: the parts of linear red, green and blue that its own red, green and blue are made of.
    type Eye = [[f64; 3]; 3];

    /// Normal sight, none of colour, and what Machado, Oliveira and Fernandes (2009) give for the three dichromacies.
    const EYES: [(&str, Eye); 5] = [
        ("normal", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        ("greyscale", [LUMINANCE, LUMINANCE, LUMINANCE]),
        (
            "protanopia",
            [
                [0.152_286, 1.052_583, -0.204_868],
                [0.114_503, 0.786_281, 0.099_216],
                [-0.003_882, -0.048_116, 1.051_998],
            ],
        ),
        (
            "deuteranopia",
            [
                [0.367_322, 0.860_646, -0.227_968],
                [0.280_085, 0.672_501, 0.047_413],
                [-0.011_820, 0.042_940, 0.968_881],
            ],
        ),
        (
            "tritanopia",
            [
                [1.255_528, -0.076_749, -0.178_779],
                [-0.078_411, 0.930_809, 0.147_602],
                [0.004_733, 0.691_367, 0.303_900],
            ],
        ),
    ];

    /// WCAG 2.2, relative luminance.
    const LUMINANCE: [f64; 3] = [0.2126, 0.7152, 0.0722];

    fn linear(colour: [f64; 3]) -> [f64; 3] {
        colour.map(|part| match part / 255.0 {
            part if part <= 0.040_45 => part / 12.92,
            part => ((part + 0.055) / 1.055).powf(2.4),
        })
    }

    fn dot(one: [f64; 3], other: [f64; 3]) -> f64 {
        one.iter().zip(other).map(|(one, other)| one * other).sum()
    }

    /// WCAG 2.2, contrast ratio.
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let (one, other) = (dot(linear(one), LUMINANCE), dot(linear(other), LUMINANCE));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// The pixels over a bar of this colour.
    fn over(icon: Emblem, bar: [u8; 3]) -> Vec<[f64; 3]> {
        let drawn = rgba(icon);
        let (pixels, []) = drawn.as_chunks::<4>() else { panic!("a part of a pixel") };
        let over = |[red, green, blue, alpha]: &[u8; 4]| {
            let share = f64::from(*alpha) / 255.0;
            let mixed = |own: u8, bar: u8| f64::from(own) * share + f64::from(bar) * (1.0 - share);
            [mixed(*red, bar[0]), mixed(*green, bar[1]), mixed(*blue, bar[2])]
        };
        pixels.iter().map(over).collect()
    }

    /// Every two of them, once.
    fn pairs(all: &[Emblem]) -> impl Iterator<Item = (Emblem, Emblem)> {
        (0..all.len()).flat_map(move |one| (one + 1..all.len()).map(move |other| (all[one], all[other])))
    }

    #[test]
    fn each_is_drawn() {
        for icon in ALL.into_iter().chain(MARKED) {
            let drawn = rgba(icon);
            assert_eq!(drawn.len(), (SIZE * SIZE * 4) as usize);
            let ink = drawn.iter().skip(3).step_by(4).filter(|alpha| **alpha > 127).count();
            let ink = ink as f64 / f64::from(SIZE * SIZE);
            assert!((0.2..0.8).contains(&ink), "{icon:?}: {ink} of it is drawn");
        }
    }

    #[test]
    fn every_eye_tells_them_apart_on_every_bar() {
        for ((eye, sees), bar) in EYES.iter().flat_map(|eye| BARS.map(|bar| (eye, bar))) {
            let seen = |icon| -> Vec<[f64; 3]> {
                let see = |colour: [f64; 3]| sees.map(|part| dot(part, linear(colour)));
                over(icon, bar).into_iter().map(see).collect()
            };
            let least = |one: Emblem| if one.mark.is_some() || one.count > 0 { 0.01 } else { 0.15 };
            for (one, other) in pairs(&ALL).chain(pairs(&MARKED)) {
                let differs = |(one, other): &([f64; 3], [f64; 3])| {
                    one.iter().zip(other).map(|(one, other)| (one - other).abs()).sum::<f64>() > 0.15
                };
                let count = seen(one).into_iter().zip(seen(other)).filter(differs).count();
                let share = count as f64 / f64::from(SIZE * SIZE);
                assert!(
                    share > least(one),
                    "{eye}: {one:?} and {other:?} differ in {share} on a bar of {bar:?}"
                );
            }
        }
    }

    #[test]
    fn a_contour_stands_out_all_round_on_every_bar() {
        let side = SIZE as usize;
        for (icon, bar) in ALL.iter().chain(&MARKED).flat_map(|icon| BARS.map(|bar| (*icon, bar))) {
            let drawn = rgba(icon);
            let alpha: Vec<f32> =
                drawn.iter().skip(3).step_by(4).map(|alpha| f32::from(*alpha / 128)).collect();
            let outside = outside(&alpha);
            let pixels = over(icon, bar);
            let stands_out = |place: usize| contrast(pixels[place], bar.map(f64::from)) >= 3.0;
            let mut edges = 0;
            for place in (0..side * side).filter(|place| !outside[*place]) {
                let (x, y) = (place % side, place / side);
                let near = |reach: usize| {
                    let within = move |at: usize| at.saturating_sub(reach)..(at + reach + 1).min(side);
                    within(y).flat_map(move |y| within(x).map(move |x| y * side + x))
                };
                if near(1).any(|place| outside[place]) {
                    edges += 1;
                    assert!(near(2 * CONTOUR as usize).any(stands_out), "{icon:?} on {bar:?} at {x}, {y}");
                }
            }
            assert!(edges > 60, "{icon:?} has an edge of {edges} pixels: is this test looking?");
        }
    }

    #[test]
    fn the_colours_of_the_risks_differ() {
        let colours = [Risk::None, Risk::Some, Risk::High, Risk::Unknown].map(|risk| {
            let number = u32::from_str_radix(&colour(risk)[1..], 16).unwrap();
            [number >> 16 & 255, number >> 8 & 255, number & 255]
        });
        for (one, first) in colours.iter().enumerate() {
            for second in &colours[one + 1..] {
                let distance: u32 = first.iter().zip(second).map(|(one, other)| one.abs_diff(*other)).sum();
                assert!(distance > 100, "{first:?} and {second:?}: {distance}");
            }
        }
        let red = rgba(marked(EmblemMark::Anyone, 0)).as_chunks::<4>().0.contains(&[0xe5, 0x38, 0x3b, 255]);
        assert!(red, "the shape has the colour");
    }
}
