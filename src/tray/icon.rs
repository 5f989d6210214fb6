//! The icon, at 44 px, which is 22 pt on a Retina screen: put together from layers that were drawn from SVG sources.
//!
//! The shape says the state, the colour the risk, since colour alone is lost on some eyes and some screens; a badge has the
//! count of open ports, another what is worth a mark. No single colour
//! stands out on every bar, and an app cannot know what a bar looks like: each shape has a dark contour, and a light one
//! around that, of which one has a contrast of 3:1 to any bar.
//!
//! A drawing library would be an eighth of the program, for pictures that never change.

use std::io::Cursor;

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
pub const CONTOUR: u32 = 2;
/// What is dark and what is light, the contours too.
const DARK: Colour = [0x12; 3];
const LIGHT: Colour = [0xff; 3];
/// What of a badge is in ink.
const ALARM: Colour = [0xc4, 0x16, 0x1c];

/// Red, green, blue.
type Colour = [u8; 3];
/// Red, green, blue, premultiplied by the last, how opaque it is.
type Pixel = [u8; 4];

/// A part of the picture; each has its place in [`LAYERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Shape(Icon),
    /// From 1 to 9.
    Count(u8),
    Mark(EmblemMark),
}

impl Layer {
    /// In the order in which they stand in [`LAYERS`].
    pub fn all() -> impl Iterator<Item = Layer> {
        use EmblemMark::{Anyone, Blocked, Exposed, Waiting};
        let shapes = [Icon::Closed, Icon::Open, Icon::Off, Icon::Unknown].map(Layer::Shape);
        let marks = [Exposed, Waiting, Blocked, Anyone].map(Layer::Mark);
        shapes.into_iter().chain((1..=9).map(Layer::Count)).chain(marks)
    }
}

/// A PNG of all layers, one below the other. Red is how much of a pixel is in ink, green how much is light, blue how much is
/// dark. A test holds it to its sources, and writes it anew where it is asked to.
const LAYERS: &[u8] = include_bytes!("../../resources/icons/layers.png");

/// The colour of the shape.
fn colour(risk: Risk) -> Colour {
    match risk {
        Risk::None => [0x1f, 0xa4, 0x63],
        Risk::Some => [0xf0, 0x8a, 0x00],
        Risk::High => [0xe5, 0x38, 0x3b],
        Risk::Unknown => [0x7d, 0x81, 0x8c],
    }
}

/// The icon as rows of straight (not premultiplied) RGBA, `SIZE * SIZE * 4` bytes; `None` where [`LAYERS`] does not read,
/// which the tests rule out.
pub fn rgba(emblem: Emblem, ink: Ink) -> Option<Vec<u8>> {
    let layers = decoded()?;
    let painted = |layer: Layer, ink: Colour, light: Colour| {
        let place = Layer::all().position(|one| one == layer)?;
        let rows = layers.as_chunks::<3>().0.chunks((SIZE * SIZE) as usize).nth(place)?;
        Some(rows.iter().map(move |covered| mixed(*covered, [ink, light, DARK])))
    };
    let (own, light) = match ink {
        Ink::Coloured => (colour(emblem.risk), LIGHT),
        // What is light in a shape stands on its colour.
        Ink::White => (LIGHT, DARK),
        Ink::Template => ([0; 3], LIGHT),
    };
    let mut drawn: Vec<Pixel> = painted(Layer::Shape(emblem.shape), own, light)?.collect();
    let count = (emblem.count > 0).then(|| Layer::Count(emblem.count.min(9)));
    for badge in count.into_iter().chain(emblem.mark.map(Layer::Mark)) {
        drawn
            .iter_mut()
            .zip(painted(badge, ALARM, LIGHT)?)
            .for_each(|(below, above)| *below = over(above, *below));
    }
    let drawn = if ink == Ink::Template { template(&drawn) } else { contoured(&drawn) };
    Some(drawn.into_iter().flat_map(straight).collect())
}

/// The rows of [`LAYERS`], three bytes a pixel.
pub fn decoded() -> Option<Vec<u8>> {
    let mut reader = png::Decoder::new(Cursor::new(LAYERS)).read_info().ok()?;
    let mut layers = vec![0; reader.output_buffer_size()?];
    reader.next_frame(&mut layers).ok()?;
    Some(layers)
}

/// The pixel that is covered by each of three colours so far: they do not lie over each other.
fn mixed(covered: [u8; 3], colours: [Colour; 3]) -> Pixel {
    let sum = |value: [u8; 3]| {
        let parts = covered.iter().zip(value).map(|(covered, value)| u32::from(*covered) * u32::from(value));
        ((parts.sum::<u32>() + 127) / 255).min(255) as u8
    };
    let [red, green, blue] = [0, 1, 2].map(|part| sum(colours.map(|colour| colour[part])));
    [red, green, blue, sum([255; 3])]
}

fn over(above: Pixel, below: Pixel) -> Pixel {
    let left = 255 - u32::from(above[3]);
    [0, 1, 2, 3].map(|part| above[part].saturating_add(((u32::from(below[part]) * left + 127) / 255) as u8))
}

fn straight([red, green, blue, alpha]: Pixel) -> Pixel {
    let part = |value: u8| match u32::from(alpha) {
        0 => 0,
        alpha => ((u32::from(value) * 255 + alpha / 2) / alpha).min(255) as u8,
    };
    [part(red), part(green), part(blue), alpha]
}

/// Black where the drawing is dark, and nothing where it is light.
fn template(drawn: &[Pixel]) -> Vec<Pixel> {
    let opaque = |[red, green, blue, alpha]: &Pixel| alpha.saturating_sub(*red.min(green).min(blue));
    drawn.iter().map(|pixel| [0, 0, 0, opaque(pixel)]).collect()
}

fn contoured(shape: &[Pixel]) -> Vec<Pixel> {
    let ink: Vec<f32> = shape.iter().map(|pixel| f32::from(pixel[3]) / 255.0).collect();
    // A dark contour around the shape, and a light one around both where they end: not in the gaps of the shape, which the
    // dark one fills, a little wider there, so that no speck of the bar is left in the gate.
    let [dark, in_gaps, light] = [CONTOUR, CONTOUR + 1, 2 * CONTOUR].map(|width| grown(&ink, width));
    let outside = outside(&dark);
    let drawn = shape.iter().enumerate().map(|(place, own)| {
        let [ink, light] = [ink[place], light[place]];
        let dark = if outside[place] { dark[place] } else { in_gaps[place] };
        // Each over the one before, as premultiplied parts of one.
        let white = if outside[place] { light * (1.0 - dark) } else { 0.0 };
        let contour =
            |part: usize| (f32::from(LIGHT[part]) * white + f32::from(DARK[part]) * dark) * (1.0 - ink);
        let alpha = (255.0 * (ink + (dark + white) * (1.0 - ink))).round() as u8;
        let [red, green, blue] =
            [0, 1, 2].map(|part| ((f32::from(own[part]) + contour(part)).round() as u8).min(alpha));
        [red, green, blue, alpha]
    });
    drawn.collect()
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
        let colours =
            [Risk::None, Risk::Some, Risk::High, Risk::Unknown].map(|risk| colour(risk).map(u32::from));
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
