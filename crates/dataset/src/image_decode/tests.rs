use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::testing::flipped;

fn png(width: u32, height: u32, color: ExtendedColorType, values: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(values, width, height, color).unwrap();
    bytes
}

fn jpeg(width: u32, height: u32, values: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 100).write_image(values, width, height, ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// Smooth colours, which JPEG keeps well.
fn gradient(width: u32, height: u32) -> Vec<u8> {
    let pixel = |x: u32, y: u32| [(4 * x) as u8, (4 * y) as u8, (2 * (x + y)) as u8];
    (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect()
}

fn raw(bytes: &[u8]) -> Result<Pixels, Problem> {
    decode(bytes, &ImageOptions::new())
}

fn size_of_pixels(height: u32, width: u32) -> Size {
    Size { height, width }
}

#[test]
fn every_kind_of_pixel_becomes_bytes() {
    use ExtendedColorType::{L8, L16, La8, Rgb8, Rgb16, Rgba8};
    for (color, values, rgb, grey) in [
        (L8, vec![0, 77], [0, 0, 0, 77, 77, 77], [0, 77]),
        (La8, vec![9, 0, 77, 128], [9, 9, 9, 77, 77, 77], [9, 77]),
        (Rgb8, vec![255, 0, 0, 0, 255, 0], [255, 0, 0, 0, 255, 0], [76, 150]),
        (Rgba8, vec![0, 0, 255, 9, 255, 255, 255, 0], [0, 0, 255, 255, 255, 255], [29, 255]),
        (L16, [0u16, 77 * 257].map(u16::to_ne_bytes).concat(), [0, 0, 0, 77, 77, 77], [0, 77]),
        (Rgb16, [257u16, 514, 771, 0, 0, 65535].map(u16::to_ne_bytes).concat(), [1, 2, 3, 0, 0, 255], [2, 29]),
    ] {
        let bytes = png(2, 1, color, &values);
        assert_eq!(raw(&bytes).unwrap().values, rgb, "{color:?}");
        assert_eq!(decode(&bytes, &ImageOptions::new().color(Color::Grey)).unwrap().values, grey, "{color:?}");
    }
}

#[test]
fn jpeg_is_nearly_what_was_encoded() {
    let values = gradient(40, 30);
    let pixels = raw(&jpeg(40, 30, &values)).unwrap();
    assert_eq!(pixels.size, size_of_pixels(30, 40));
    let worst = pixels.values.iter().zip(&values).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst <= Some(3), "{worst:?}");
}

#[test]
fn the_middle_is_cropped() {
    let values: Vec<u8> = (0..6 * 5 * 3).collect();
    let bytes = png(6, 5, ExtendedColorType::Rgb8, &values);
    let crop = |height, width| decode(&bytes, &ImageOptions::new().crop(Size { height, width }));
    // Rows 1 and 2 of 5, columns 1 to 3 of 6.
    let pixels = crop(2, 3).unwrap();
    assert_eq!(pixels.size, size_of_pixels(2, 3));
    let first_channel: Vec<_> = pixels.values.iter().step_by(3).copied().collect();
    assert_eq!(first_channel, [7, 8, 9, 13, 14, 15].map(|pixel| 3 * pixel));
    assert_eq!(crop(5, 6).unwrap().values, values);
    for (height, width) in [(6, 5), (1, 7)] {
        let problem = crop(height, width).unwrap_err();
        assert!(matches!(problem, Problem::Request(_)));
        assert!(problem.to_string().contains("cannot be cropped out of 5x6"), "{problem}");
    }
}

#[test]
fn the_shorter_side_decides() {
    let new = |height, width, side| resized(Size { height, width }, Resize::Shorter(side)).unwrap();
    assert_eq!(new(375, 500, 256), size_of_pixels(256, 341));
    assert_eq!(new(500, 375, 256), size_of_pixels(341, 256));
    assert_eq!(new(10, 10, 3), size_of_pixels(3, 3));
    assert_eq!(new(1, 9, 2), size_of_pixels(2, 18));
}

/// The definition of bilinear interpolation over a support that grows with the ratio, one pixel at a time.
fn resize_naively(values: &[f64], height: usize, width: usize, new: (usize, usize)) -> Vec<f64> {
    let weights = |old: usize, new: usize, at: usize| -> Vec<f64> {
        let ratio = old as f64 / new as f64;
        let centre = (at as f64 + 0.5) * ratio - 0.5;
        let weights: Vec<_> = (0..old).map(|i| (1.0 - (i as f64 - centre).abs() / ratio.max(1.0)).max(0.0)).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    };
    let mut out = Vec::new();
    for y in 0..new.0 {
        for x in 0..new.1 {
            let (rows, columns) = (weights(height, new.0, y), weights(width, new.1, x));
            let row = |i: usize| (0..width).map(|j| values[i * width + j] * columns[j]).sum::<f64>();
            out.push((0..height).map(|i| rows[i] * row(i)).sum());
        }
    }
    out
}

#[test]
fn images_that_unfold_too_far_are_refused() {
    let bytes = png(1, 1, ExtendedColorType::Rgb8, &[0; 3]);
    let claim = |width: u32, height: u32| {
        let mut bytes = bytes.clone();
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let mut sum = flate2::Crc::new();
        sum.update(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.sum().to_be_bytes());
        bytes
    };
    assert!(raw(&claim(1, 1)).is_ok());
    for (width, height) in [(10_000, 10_000), (i32::MAX as u32, 1), (i32::MAX as u32, i32::MAX as u32)] {
        let problem = raw(&claim(width, height)).unwrap_err();
        assert!(matches!(problem, Problem::TooLarge(_)), "{width} {height}: {problem}");
    }
}

#[test]
fn resizing_never_takes_much_memory() {
    let resize = |height, width, resize| resized(Size { height, width }, resize);
    for (height, width, to) in [
        (1, 65_535, Resize::Shorter(256)),
        (65_535, 1, Resize::Shorter(256)),
        (1, 1, Resize::Exact(Size { height: u32::MAX, width: u32::MAX })),
        (1, 1, Resize::Shorter(u32::MAX)),
        // The way leads over 65,535 columns of 100,000 pixels.
        (100, 65_535, Resize::Exact(Size { height: 100_000, width: 1 })),
    ] {
        let problem = resize(height, width, to).unwrap_err();
        assert!(matches!(problem, Problem::TooLarge(_)), "{to:?}: {problem}");
    }
    assert!(resize(8000, 12_000, Resize::Shorter(256)).is_ok());
}

#[test]
fn files_that_are_no_images_are_named_so() {
    for (bytes, expected) in [
        (&b""[..], "not a PNG or JPEG image"),
        (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "not a PNG or JPEG image"),
        (b"\x89PNG\r\n\x1a\n", "not an intact PNG or JPEG image"),
        (b"\xff\xd8\xff\xe0", "cut off"),
        (b"\xff\xd8\xff\xda\xff\xd9", "not an intact PNG or JPEG image"),
    ] {
        let problem = raw(bytes).unwrap_err();
        assert!(problem.to_string().contains(expected), "{bytes:?}: {problem}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against the definition, up to rounding in between.
    #[test]
    fn resizing_is_bilinear(
        height in 1usize..12, width in 1usize..12, new_height in 1u32..20, new_width in 1u32..20, seed in vec(any::<u8>(), 144),
    ) {
        let values = &seed[..height * width];
        let bytes = png(width as u32, height as u32, ExtendedColorType::L8, values);
        let size = Size { height: new_height, width: new_width };
        let options = ImageOptions::new().color(Color::Grey).resize(Resize::Exact(size));
        let pixels = decode(&bytes, &options).unwrap();
        let values: Vec<_> = values.iter().map(|&value| f64::from(value)).collect();
        let expected = resize_naively(&values, height, width, (new_height as usize, new_width as usize));
        prop_assert_eq!(pixels.values.len(), expected.len());
        for (value, expected) in pixels.values.iter().zip(expected) {
            prop_assert!((f64::from(*value) - expected).abs() <= 0.51, "{} {}", value, expected);
        }
    }

    #[test]
    fn damaged_images_are_errors_or_images_of_their_size(cut in any::<proptest::sample::Index>(), at in any::<usize>()) {
        let values = gradient(16, 16);
        for bytes in [png(16, 16, ExtendedColorType::Rgb8, &values), jpeg(16, 16, &values)] {
            prop_assert!(raw(&bytes).is_ok());
            // The last twelve bytes of a PNG are an empty chunk.
            let cut = cut.index(bytes.len() - 12);
            prop_assert!(raw(&bytes[..cut]).is_err());
            if let Ok(pixels) = raw(&flipped(&bytes, at)) {
                prop_assert_eq!(pixels.values.len(), 3 * (pixels.size.height * pixels.size.width) as usize);
            }
        }
    }

    #[test]
    fn any_bytes_are_refused(is_png in any::<bool>(), rest in vec(any::<u8>(), 0..200)) {
        let start: &[u8] = if is_png { b"\x89PNG\r\n\x1a\n" } else { b"\xff\xd8\xff" };
        prop_assert!(raw(&[start, &rest].concat()).is_err());
    }
}
