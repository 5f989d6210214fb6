//! The four icons: drawn from their SVG sources at 44 px, which is 22 pt on a Retina screen.
//!
//! Each has its own colour *and* its own shape, since colour alone is lost on some eyes and some screens, and reads
//! on light and dark bars, since a coloured icon is not recoloured by the system.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg;

use portcullis::status::Icon;

/// Width and height in pixels.
pub const SIZE: u32 = 44;

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
    let mut pixmap = Pixmap::new(SIZE, SIZE)?;
    let scale = Transform::from_scale(SIZE as f32 / tree.size().width(), SIZE as f32 / tree.size().height());
    resvg::render(&tree, scale, &mut pixmap.as_mut());
    Some(pixmap)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Icon; 4] = [Icon::Closed, Icon::Open, Icon::Off, Icon::Unknown];

    fn pixels(icon: Icon) -> Vec<[u8; 4]> {
        rgba(icon).unwrap().as_chunks::<4>().0.to_vec()
    }

    /// Share of the pixels for which `differ` holds.
    fn share(one: Icon, other: Icon, differ: impl Fn(&[u8; 4], &[u8; 4]) -> bool) -> f64 {
        let (one, other) = (pixels(one), pixels(other));
        let count = one.iter().zip(&other).filter(|(one, other)| differ(one, other)).count();
        count as f64 / one.len() as f64
    }

    /// Every two icons, once.
    fn pairs() -> impl Iterator<Item = (Icon, Icon)> {
        (0..ALL.len()).flat_map(|one| (one + 1..ALL.len()).map(move |other| (ALL[one], ALL[other])))
    }

    /// How light a pixel is over a bar of this lightness, 0 to 255.
    fn grey(pixel: &[u8; 4], bar: f64) -> f64 {
        let [red, green, blue, alpha] = pixel.map(f64::from);
        let own = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        (own * alpha + bar * (255.0 - alpha)) / 255.0
    }

    #[test]
    fn each_is_drawn() {
        for icon in ALL {
            let drawn = pixels(icon);
            assert_eq!(drawn.len(), (SIZE * SIZE) as usize);
            let ink = drawn.iter().filter(|pixel| pixel[3] > 127).count() as f64 / drawn.len() as f64;
            assert!((0.2..0.8).contains(&ink), "{icon:?}: {ink} of it is drawn");
        }
    }

    #[test]
    fn shapes_differ_without_their_colours() {
        for (one, other) in pairs() {
            let differs = share(one, other, |one, other| (one[3] > 127) != (other[3] > 127));
            eprintln!("{one:?} {other:?}: {:.0} % of the silhouette", differs * 100.0);
            assert!(differs > 0.15, "{one:?} and {other:?} differ in {differs} of the silhouette");
        }
    }

    #[test]
    fn they_differ_in_grey_and_stand_out_on_light_and_dark_bars() {
        for bar in [245.0, 30.0] {
            for (one, other) in pairs() {
                let differs =
                    share(one, other, |one, other| (grey(one, bar) - grey(other, bar)).abs() > 40.0);
                eprintln!("{one:?} {other:?} on {bar}: {:.0} %", differs * 100.0);
                assert!(differs > 0.15, "{one:?} and {other:?} differ in {differs} on a bar of {bar}");
            }
            for icon in ALL {
                let stands_out =
                    pixels(icon).iter().filter(|pixel| (grey(pixel, bar) - bar).abs() > 60.0).count();
                let share = stands_out as f64 / f64::from(SIZE * SIZE);
                assert!(share > 0.15, "{icon:?} stands out in {share} on a bar of {bar}");
            }
        }
    }

    #[test]
    fn colours_differ() {
        let colour = |icon| {
            let drawn = pixels(icon);
            let solid = drawn.iter().find(|pixel| pixel[3] == 255).unwrap();
            [solid[0], solid[1], solid[2]]
        };
        for (one, other) in pairs() {
            let distance: u32 = colour(one)
                .iter()
                .zip(colour(other))
                .map(|(one, other)| u32::from(one.abs_diff(other)))
                .sum();
            assert!(distance > 100, "{one:?} and {other:?}: {distance}");
        }
    }
}
