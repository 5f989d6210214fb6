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

/// In what it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ink {
    /// The colour says the risk.
    Coloured,
    /// All in white, with the contours.
    White,
    /// What macOS draws in the colour of its bar: how opaque a pixel is alone counts, and there is no contour.
    Template,
}

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
fn svg(emblem: Emblem, ink: Ink) -> String {
    let count = (emblem.count > 0).then(|| plate(&digit(emblem.count)));
    let mark = emblem.mark.map(|mark| badge(&glyph(mark)));
    let badges: String = count.into_iter().chain(mark).collect();
    let shape = source(emblem.shape);
    let shape = match ink {
        Ink::Coloured => shape.replace("currentColor", colour(emblem.risk)),
        // What is white in a shape stands on its colour.
        Ink::White => shape.replace("#fff", "#121212").replace("currentColor", "#fff"),
        Ink::Template => shape.replace("currentColor", "#000"),
    };
    shape.replace("</svg>", &format!("{badges}</svg>"))
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
        "<g transform=\"translate(33 31.5)\"><rect x=\"-10.5\" y=\"-12.5\" width=\"21\" height=\"25\" rx=\"5\" \
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
        EmblemMark::Exposed => "<path d=\"M0-5.2v4.8M0 5.4v.1\" stroke=\"#c4161c\" stroke-width=\"4.4\"/>",
        EmblemMark::Waiting => "<path d=\"M-5.2 0h.1M0 0h.1M5.2 0h.1\"/>",
        EmblemMark::Blocked => "<path d=\"M-3.4-3.4l6.8 6.8M3.4-3.4l-6.8 6.8\"/>",
        EmblemMark::Anyone => "<circle r=\"4.4\"/>",
    }
    .to_owned()
}

/// The icon as rows of straight (not premultiplied) RGBA, `SIZE * SIZE * 4` bytes; `None` where its source does not
/// read, which the tests rule out.
pub fn rgba(emblem: Emblem, ink: Ink) -> Option<Vec<u8>> {
    let tree = usvg::Tree::from_str(&svg(emblem, ink), &usvg::Options::default()).ok()?;
    let shape = rendered(&tree)?;
    let drawn = if ink == Ink::Template { template(shape) } else { contoured(&shape) };
    drawn.map(Pixmap::take_demultiplied)
}

/// Black where the drawing is dark, and nothing where it is white.
fn template(mut drawn: Pixmap) -> Option<Pixmap> {
    for pixel in drawn.pixels_mut() {
        let white = [pixel.red(), pixel.green(), pixel.blue()].into_iter().min().unwrap_or_default();
        *pixel = PremultipliedColorU8::from_rgba(0, 0, 0, pixel.alpha() - white)?;
    }
    Some(drawn)
}

fn contoured(shape: &Pixmap) -> Option<Pixmap> {
    let ink: Vec<f32> = shape.pixels().iter().map(|pixel| f32::from(pixel.alpha()) / 255.0).collect();
    // A dark contour around the shape, and a light one around both where they end: not in the gaps of the shape, which the
    // dark one fills, a little wider there, so that no speck of the bar is left in the gate.
    let [dark, in_gaps, light] = [CONTOUR, CONTOUR + 1, 2 * CONTOUR].map(|width| grown(&ink, width));
    let outside = outside(&dark);
    let mut drawn = Pixmap::new(SIZE, SIZE)?;
    for (place, pixel) in drawn.pixels_mut().iter_mut().enumerate() {
        let own = shape.pixels()[place];
        let [ink, light] = [ink[place], light[place]];
        let dark = if outside[place] { dark[place] } else { in_gaps[place] };
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

/// The shape, with room around it for both contours.
fn rendered(tree: &usvg::Tree) -> Option<Pixmap> {
    let room = (2 * CONTOUR) as f32;
    let side = SIZE as f32 - 2.0 * room;
    let place = Transform::from_scale(side / tree.size().width(), side / tree.size().height());
    let mut pixmap = Pixmap::new(SIZE, SIZE)?;
    resvg::render(tree, place.post_translate(room, room), &mut pixmap.as_mut());
    Some(pixmap)
}

/// How much of each pixel is covered once all ink has grown by `width` pixels to all sides.
fn grown(ink: &[f32], width: u32) -> Vec<f32> {
    let (side, reach) = (SIZE as i32, width as i32 + 1);
    let near: Vec<(i32, i32, f32)> = (-reach..=reach)
        .flat_map(|y| (-reach..=reach).map(move |x| (x, y, (x as f32).hypot(y as f32))))
        // Between its own width and the next pixel it fades.
        .map(|(x, y, distance)| (x, y, (reach as f32 - distance).min(1.0)))
        .filter(|(_, _, share)| *share > 0.0)
        .collect();
    let covered = |x: i32, y: i32| {
        let shares = near.iter().map(|(right, down, share)| {
            let (x, y) = (x + right, y + down);
            let is_inside = (0..side).contains(&x) && (0..side).contains(&y);
            if is_inside { ink[(y * side + x) as usize] * share } else { 0.0 }
        });
        shares.fold(0.0, f32::max)
    };
    (0..side).flat_map(|y| (0..side).map(move |x| (x, y))).map(|(x, y)| covered(x, y)).collect()
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
    const MARKS: [EmblemMark; 4] =
        [EmblemMark::Exposed, EmblemMark::Waiting, EmblemMark::Blocked, EmblemMark::Anyone];
    /// The same raised gate with each badge.
    static BADGED: LazyLock<Vec<Emblem>> = LazyLock::new(|| {
        let marked = MARKS.map(|mark| badged(Some(mark), 0)).into_iter();
        marked.chain((1..=9).map(|count| badged(None, count))).chain([badged(Some(MARKS[0]), 8)]).collect()
    });
    /// Each state with each mark.
    static EVERY: LazyLock<Vec<Emblem>> = LazyLock::new(|| {
        let with = |state: Emblem| MARKS.map(|mark| Emblem { mark: Some(mark), ..state });
        ALL.into_iter().chain(ALL.into_iter().flat_map(with)).chain(BADGED.clone()).collect()
    });
    static DRAWN: LazyLock<HashMap<Emblem, Vec<u8>>> = LazyLock::new(|| {
        EVERY.iter().map(|icon| (*icon, super::rgba(*icon, Ink::Coloured).unwrap())).collect()
    });

    const fn plain(shape: Icon, risk: Risk) -> Emblem {
        Emblem { shape, risk, mark: None, count: 0 }
    }

    fn badged(mark: Option<EmblemMark>, count: u8) -> Emblem {
        Emblem { shape: Icon::Open, risk: Risk::High, mark, count }
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
    fn pairs<T>(all: &[T]) -> impl Iterator<Item = (&T, &T)> {
        (0..all.len()).flat_map(move |one| (one + 1..all.len()).map(move |other| (&all[one], &all[other])))
    }

    /// What this eye sees of each, over this bar.
    fn seen(icons: &[Emblem], sees: &Eye, bar: [u8; 3]) -> Vec<(Emblem, Vec<[f64; 3]>)> {
        let see = |colour: [f64; 3]| sees.map(|part| dot(part, linear(colour)));
        icons.iter().map(|icon| (*icon, over(*icon, bar).into_iter().map(see).collect())).collect()
    }

    /// In how many places the two differ visibly.
    fn differences(one: &[[f64; 3]], other: &[[f64; 3]]) -> usize {
        let differs = |(one, other): &(&[f64; 3], &[f64; 3])| {
            one.iter().zip(*other).map(|(one, other)| (one - other).abs()).sum::<f64>() > 0.15
        };
        one.iter().zip(other).filter(differs).count()
    }

    #[test]
    fn each_is_drawn() {
        for icon in EVERY.iter().copied() {
            let drawn = rgba(icon);
            assert_eq!(drawn.len(), (SIZE * SIZE * 4) as usize);
            let ink = drawn.iter().skip(3).step_by(4).filter(|alpha| **alpha > 127).count();
            let ink = ink as f64 / f64::from(SIZE * SIZE);
            assert!((0.2..0.85).contains(&ink), "{icon:?}: {ink} of it is drawn");
        }
    }

    #[test]
    fn every_eye_tells_them_apart_on_every_bar() {
        for ((eye, sees), bar) in EYES.iter().flat_map(|eye| BARS.map(|bar| (eye, bar))) {
            for (icons, least) in [(ALL.as_slice(), 0.15), (BADGED.as_slice(), 0.004)] {
                for ((one, seen), (other, seen_other)) in pairs(&seen(icons, sees, bar)) {
                    let share = differences(seen, seen_other) as f64 / f64::from(SIZE * SIZE);
                    assert!(
                        share > least,
                        "{eye}: {one:?} and {other:?} differ in {share} on a bar of {bar:?}"
                    );
                }
            }
        }
    }

    /// Most bars show it at half the size or less.
    #[test]
    fn badges_are_told_apart_at_a_third_of_the_size() {
        const THIRD: usize = SIZE as usize / 3;
        let small = |pixels: &[[f64; 3]]| -> Vec<[f64; 3]> {
            let places = (0..THIRD).flat_map(|y| (0..THIRD).map(move |x| (3 * x, 3 * y)));
            let mean = |(x, y): (usize, usize)| {
                let nine = (0..9).map(|place| pixels[(y + place / 3) * SIZE as usize + x + place % 3]);
                nine.fold([0.0; 3], |sum, pixel| [0, 1, 2].map(|part| sum[part] + pixel[part] / 9.0))
            };
            places.map(mean).collect()
        };
        for bar in BARS {
            for ((one, seen), (other, seen_other)) in pairs(&seen(&BADGED, &EYES[1].1, bar)) {
                let count = differences(&small(seen), &small(seen_other));
                assert!(count >= 2, "{one:?} and {other:?} differ in {count} pixels on a bar of {bar:?}");
            }
        }
    }

    #[test]
    fn a_contour_stands_out_all_round_on_every_bar() {
        let side = SIZE as usize;
        for (icon, bar) in EVERY.iter().flat_map(|icon| BARS.map(|bar| (*icon, bar))) {
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
    fn in_one_colour_the_shapes_and_marks_are_told_apart() {
        for ink in [Ink::White, Ink::Template] {
            let opaque = |emblem: Emblem| -> Vec<[f64; 3]> {
                let drawn = super::rgba(emblem, ink).unwrap();
                // A template counts by how opaque it is; white by what it is over a dark bar.
                let share = |pixel: &[u8; 4]| match ink {
                    Ink::Template => f64::from(pixel[3]) / 255.0,
                    _ => f64::from(pixel[0]) / 255.0 * f64::from(pixel[3]) / 255.0,
                };
                drawn.as_chunks::<4>().0.iter().map(|pixel| [share(pixel); 3]).collect()
            };
            let marked = MARKS.map(|mark| badged(Some(mark), 0));
            let all: Vec<_> = ALL.into_iter().chain(marked).map(|emblem| (emblem, opaque(emblem))).collect();
            for ((one, drawn), (other, drawn_other)) in pairs(&all) {
                let count = differences(drawn, drawn_other);
                assert!(count > 19, "{ink:?}: {one:?} and {other:?} differ in {count} pixels");
            }
        }
        let template = super::rgba(ALL[3], Ink::Template).unwrap();
        assert!(template.as_chunks::<4>().0.iter().all(|pixel| pixel[..3] == [0, 0, 0]), "black alone");
        let middle = (SIZE * SIZE / 2 + SIZE / 2) as usize;
        assert!(template.as_chunks::<4>().0[middle - 10][3] > 200, "the wall is there");
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
        let red =
            rgba(badged(Some(EmblemMark::Anyone), 0)).as_chunks::<4>().0.contains(&[0xe5, 0x38, 0x3b, 255]);
        assert!(red, "the shape has the colour");
    }
}
