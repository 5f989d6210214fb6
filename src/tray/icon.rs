//! The four icons: drawn from their SVG sources at 44 px, which is 22 pt on a Retina screen.
//!
//! Each has its own colour *and* its own shape, since colour alone is lost on some eyes and some screens. No single colour
//! stands out on every bar, and an app cannot know what a bar looks like: each shape has a dark contour, and a light one
//! around that, of which one has a contrast of 3:1 to any bar.

use resvg::tiny_skia::{Pixmap, PremultipliedColorU8, Transform};
use resvg::usvg;

use portcullis::status::Icon;

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

/// The icon as rows of straight (not premultiplied) RGBA, `SIZE * SIZE * 4` bytes; `None` where its source does not
/// read, which the tests rule out.
pub fn rgba(icon: Icon) -> Option<Vec<u8>> {
    draw(icon).map(Pixmap::take_demultiplied)
}

fn draw(icon: Icon) -> Option<Pixmap> {
    let tree = usvg::Tree::from_str(source(icon), &usvg::Options::default()).ok()?;
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

    const ALL: [Icon; 4] = [Icon::Closed, Icon::Open, Icon::Off, Icon::Unknown];
    static DRAWN: LazyLock<HashMap<Icon, Vec<u8>>> =
        LazyLock::new(|| ALL.into_iter().map(|icon| (icon, super::rgba(icon).unwrap())).collect());

    fn rgba(icon: Icon) -> &'static [u8] {
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
    fn over(icon: Icon, bar: [u8; 3]) -> Vec<[f64; 3]> {
        let drawn = rgba(icon);
        let (pixels, []) = drawn.as_chunks::<4>() else { panic!("a part of a pixel") };
        let over = |[red, green, blue, alpha]: &[u8; 4]| {
            let share = f64::from(*alpha) / 255.0;
            let mixed = |own: u8, bar: u8| f64::from(own) * share + f64::from(bar) * (1.0 - share);
            [mixed(*red, bar[0]), mixed(*green, bar[1]), mixed(*blue, bar[2])]
        };
        pixels.iter().map(over).collect()
    }

    /// Every two icons, once.
    fn pairs() -> impl Iterator<Item = (Icon, Icon)> {
        (0..ALL.len()).flat_map(|one| (one + 1..ALL.len()).map(move |other| (ALL[one], ALL[other])))
    }

    #[test]
    fn each_is_drawn() {
        for icon in ALL {
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
            for (one, other) in pairs() {
                let differs = |(one, other): &([f64; 3], [f64; 3])| {
                    one.iter().zip(other).map(|(one, other)| (one - other).abs()).sum::<f64>() > 0.15
                };
                let count = seen(one).into_iter().zip(seen(other)).filter(differs).count();
                let share = count as f64 / f64::from(SIZE * SIZE);
                assert!(share > 0.15, "{eye}: {one:?} and {other:?} differ in {share} on a bar of {bar:?}");
            }
        }
    }

    #[test]
    fn a_contour_stands_out_all_round_on_every_bar() {
        let side = SIZE as usize;
        for (icon, bar) in ALL.iter().flat_map(|icon| BARS.map(|bar| (*icon, bar))) {
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
    fn colours_differ() {
        let colour = |icon| {
            let drawn = rgba(icon);
            let tint = |pixel: &[u8; 4]| {
                let [red, green, blue, alpha] = pixel.map(i32::from);
                (alpha == 255).then(|| (red - green).abs() + (green - blue).abs() + (blue - red).abs())
            };
            let tinted = drawn.as_chunks::<4>().0.iter().max_by_key(|pixel| tint(pixel)).unwrap();
            [tinted[0], tinted[1], tinted[2]]
        };
        for (one, other) in pairs() {
            let (first, second) = (colour(one), colour(other));
            let distance: u32 =
                first.iter().zip(second).map(|(one, other)| u32::from(one.abs_diff(other))).sum();
            assert!(distance > 100, "{one:?} and {other:?}: {distance}");
        }
    }
}
