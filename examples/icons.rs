//! Writes each state of the icon as a PNG of 44 px into the folder that is named: in its three inks.

#[path = "../src/tray/icon.rs"]
mod icon;

use std::io::{BufWriter, Error, Result};
use std::path::PathBuf;

use icon::Ink;
use portcullis::status::Icon;
use portcullis::status::emblem::{Emblem, EmblemMark, Risk};

fn main() -> Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or(Error::other("usage: icons FOLDER"))?);
    let plain = |shape, risk| Emblem { shape, risk, mark: None, count: 0 };
    let open = |count, mark| Emblem { mark, count, ..plain(Icon::Open, Risk::Some) };
    let exposed = |shape| Emblem { mark: Some(EmblemMark::Exposed), ..plain(shape, Risk::High) };
    let closed = plain(Icon::Closed, Risk::None);
    let all = [
        ("closed", closed),
        ("blocked", Emblem { mark: Some(EmblemMark::Blocked), ..closed }),
        ("waiting", closed.waiting()),
        ("one-open", open(1, None)),
        ("three-open", open(3, None)),
        ("open-for-anyone", open(2, Some(EmblemMark::Anyone))),
        ("open-not-seen", Emblem { risk: Risk::Unknown, ..open(1, None) }),
        ("exposed", Emblem { count: 1, ..exposed(Icon::Open) }),
        ("off", plain(Icon::Off, Risk::Unknown)),
        ("off-exposed", exposed(Icon::Off)),
        ("unknown", plain(Icon::Unknown, Risk::Unknown)),
        ("unknown-exposed", exposed(Icon::Unknown)),
    ];
    let inks = [(Ink::Coloured, ""), (Ink::White, "-white"), (Ink::Template, "-template")];
    for ((name, emblem), (ink, ending)) in all.into_iter().flat_map(|one| inks.map(|ink| (one, ink))) {
        let pixels = icon::rgba(emblem, ink).ok_or(Error::other(name))?;
        let file = std::fs::File::create(folder.join(format!("{name}{ending}.png")))?;
        let mut encoder = png::Encoder::new(BufWriter::new(file), icon::SIZE, icon::SIZE);
        encoder.set_color(png::ColorType::Rgba);
        encoder.set_depth(png::BitDepth::Eight);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&pixels))
            .map_err(Error::other)?;
    }
    Ok(())
}
