//! From the bytes of a PNG or JPEG file to the pixels of one sample.

use std::io::{Cursor, Read};
use std::path::Path;

use image::error::ImageError;
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageBuffer, ImageFormat, ImageReader, Limits, Luma, Pixel};

use crate::Problem;
use crate::image_options::{Color, ImageOptions, Resize, Size};
use crate::open::open_sized;

/// The largest file, and the most memory an image may take while it is decoded.
const MAX_BYTES: u64 = 1 << 28;

/// The most pixels of an image on its way to another size, where each takes 16 bytes.
const MAX_RESIZED_PIXELS: u64 = 1 << 25;

/// The pixels of an image row by row, the channels of each together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub(crate) size: Size,
    pub(crate) values: Vec<u8>,
}

/// Reads an image file.
pub(crate) fn read(path: &Path, options: &ImageOptions) -> Result<Pixels, Problem> {
    let (file, len) = open_sized(path)?;
    let mut bytes = Vec::new();
    if len <= MAX_BYTES {
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(Problem::Io)?;
        return decode(&bytes, options);
    }
    Err(Problem::TooLarge(format!("the file has {len} bytes, and an image may have {MAX_BYTES}; reduce it")))
}

/// Decodes an image and gives it the form asked for. Only an error of [`Problem::Request`] is not the image's own fault.
pub(crate) fn decode(bytes: &[u8], options: &ImageOptions) -> Result<Pixels, Problem> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(Problem::Io)?;
    if reader.format() == Some(ImageFormat::Jpeg) && !ends_like_jpeg(bytes) {
        return Err(Problem::Malformed(
            "the image is cut off; get it again, remove it or allow it to be left out".into(),
        ));
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let rgb = reader.decode().map_err(image_problem)?.into_rgb8();
    match options.color {
        Color::Rgb => fit(rgb, options),
        Color::Grey => {
            let (width, height) = rgb.dimensions();
            fit(GrayImage::from_fn(width, height, |x, y| Luma([luma(rgb.get_pixel(x, y).0)])), options)
        }
    }
}

/// Resizes and crops an image.
fn fit<P: Pixel<Subpixel = u8> + 'static>(
    mut image: ImageBuffer<P, Vec<u8>>,
    options: &ImageOptions,
) -> Result<Pixels, Problem> {
    let old = size(&image);
    if let Some(resize) = options.resize {
        let new = resized(old, resize)?;
        image = imageops::resize(&image, new.width, new.height, FilterType::Triangle);
    }
    let resized = size(&image);
    if let Some(crop) = options.crop {
        let (Some(below), Some(right)) =
            (resized.height.checked_sub(crop.height), resized.width.checked_sub(crop.width))
        else {
            return Err(Problem::Request(format!(
                "{crop} pixels cannot be cropped out of {resized} (height x width); resize images before"
            )));
        };
        image = imageops::crop_imm(&image, right / 2, below / 2, crop.width, crop.height).to_image();
    }
    Ok(Pixels { size: size(&image), values: image.into_raw() })
}

/// The size of an image of size `old` after resizing, if the way there is not too long.
fn resized(old: Size, resize: Resize) -> Result<Size, Problem> {
    let (height, width) = (u64::from(old.height), u64::from(old.width));
    let (new_height, new_width) = match resize {
        Resize::Exact(size) => (size.height.into(), size.width.into()),
        Resize::Shorter(side) => {
            let (side, shorter) = (u64::from(side), height.min(width).max(1));
            (height * side / shorter, width * side / shorter)
        }
    };
    // The library resizes the columns first.
    let most = new_height.saturating_mul(width.max(new_width));
    match (u32::try_from(new_height), u32::try_from(new_width)) {
        (Ok(height), Ok(width)) if most <= MAX_RESIZED_PIXELS => Ok(Size { height, width }),
        _ => Err(Problem::TooLarge(format!(
            "resizing {old} pixels (height x width) to {new_height}x{new_width} takes more than the \
             {MAX_RESIZED_PIXELS} pixels that are held in memory; choose a smaller size or remove the image"
        ))),
    }
}

fn size<P: Pixel>(image: &ImageBuffer<P, Vec<P::Subpixel>>) -> Size {
    Size { height: image.height(), width: image.width() }
}

/// The luma of ITU-R BT.601 in 16-bit fixed point, rounded: `(19595 R + 38470 G + 7471 B + 2^15) / 2^16`, as Pillow has
/// it, so that models see the grey they were trained with.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue);
    ((sum + (1 << 15)) >> 16) as u8
}

/// Whether the end marker of a JPEG image comes after the last scan. The decoder fills up an image that is cut off.
fn ends_like_jpeg(bytes: &[u8]) -> bool {
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|pair| pair == marker);
    last([0xff, 0xd9]) > last([0xff, 0xda])
}

fn image_problem(error: ImageError) -> Problem {
    match error {
        ImageError::Limits(_) => Problem::TooLarge(format!(
            "the image takes more than {MAX_BYTES} bytes of memory; reduce or remove it ({error})"
        )),
        ImageError::Unsupported(_) => {
            Problem::Unsupported(format!("not a PNG or JPEG image that is read: {error}; convert or remove it"))
        }
        _ => Problem::Malformed(format!(
            "not an intact PNG or JPEG image: {error}; get it again, remove it or allow it to be left out"
        )),
    }
}

#[cfg(test)]
mod tests;
