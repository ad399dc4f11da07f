//! Shows the digit that the built-in model sees in a built-in image.

use embedded_digits::Digits;

/// A pixel is a hexadecimal digit, G for 16; the first image of `calibration-data/digits/test.npz`.
const IMAGE: &str = "001A7000 006D0000 00D50000 02G15200 03GFB950 02G602E0 00AA15F0 001CFE60";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut image = [0.0; 64];
    for (pixel, shade) in image.iter_mut().zip(IMAGE.chars().filter_map(|shade| shade.to_digit(17))) {
        *pixel = shade as f32;
    }
    for row in image.chunks(8) {
        println!("{}", row.iter().map(|&shade| if shade > 8.0 { "##" } else { "  " }).collect::<String>());
    }
    println!("This is a {}.", Digits::new()?.recognize(&image)?);
    Ok(())
}
