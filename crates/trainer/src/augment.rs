//! Changes of images that leave their class alone, so that a training sees more of them.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::random::{Purpose, generator};

/// Larger than any image side; keeps offsets within `i32`.
const MAX_SHIFT: usize = 1 << 16;

/// Random shifts and mirror images of the training samples: the `[augment]` table of a configuration.
///
/// Samples are images `[channels, height, width]` or `[height, width]`. The change of each sample in each epoch follows from the seed
/// alone. Validation and test samples stay as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Images are moved by up to so many pixels to each side. Default 0.
    pub shift: usize,
    /// Along which axes half of the images are mirrored. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip: Option<Flip>,
    /// What appears where an image was moved away: a value as the samples have it, before normalization. Default 0.
    pub fill: f32,
}

/// The axes along which images may be mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flip {
    /// Left and right change places.
    Horizontal,
    /// Top and bottom change places.
    Vertical,
    /// Each of the two, one without regard to the other.
    Both,
}

/// The changes of one epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Augmentation {
    pub(crate) augment: Augment,
    pub(crate) seed: u64,
    pub(crate) epoch: u64,
}

impl Augmentation {
    /// Writes the image of sample `sample`, changed, to `output`, which is as long.
    pub(crate) fn apply(&self, sample: usize, shape: &[usize], image: &[f32], output: &mut [f32]) {
        self.augment.apply(self.augment.change(self.seed, self.epoch, sample), shape, image, output);
    }
}

/// What happens to one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Change {
    /// Pixels to the right.
    right: isize,
    /// Pixels down.
    down: isize,
    mirror_horizontally: bool,
    mirror_vertically: bool,
}

impl Augment {
    pub(crate) fn check(&self) -> Result<()> {
        if self.shift > MAX_SHIFT {
            return Err(Error::setting("augment.shift", self.shift, "at most 65536 pixels"));
        }
        if !self.fill.is_finite() {
            return Err(Error::setting("augment.fill", self.fill, "a finite number"));
        }
        Ok(())
    }

    /// Refuses samples that are no images or are moved out of sight.
    pub(crate) fn check_shape(&self, shape: &[usize]) -> Result<()> {
        let (&[height, width] | &[_, height, width]) = shape else {
            let expected = format!("left out: samples of shape {shape:?} are no images [channels, height, width]");
            return Err(Error::setting("augment", "a table", expected));
        };
        if self.shift >= height.min(width) {
            let expected = format!("less than the sides of the images, which are {height} x {width}");
            return Err(Error::setting("augment.shift", self.shift, expected));
        }
        Ok(())
    }

    /// What happens to sample `sample` in epoch `epoch`, a function of these and the seed.
    fn change(&self, seed: u64, epoch: u64, sample: usize) -> Change {
        let mut random = generator(seed, Purpose::Augmentation, epoch);
        // One block of the generator for each sample, of which less is drawn.
        let start = random.get_word_pos();
        random.set_word_pos(start + 16 * sample as u128);
        let offset = |random: &mut ChaCha8Rng| {
            let choices = 2 * self.shift as u64 + 1;
            ((u64::from(random.next_u32()) * choices) >> 32) as isize - self.shift as isize
        };
        let (right, down) = (offset(&mut random), offset(&mut random));
        let coins = random.next_u32();
        let flips = |flip| self.flip == Some(flip) || self.flip == Some(Flip::Both);
        Change {
            right,
            down,
            mirror_horizontally: flips(Flip::Horizontal) && coins & 1 == 1,
            mirror_vertically: flips(Flip::Vertical) && coins & 2 == 2,
        }
    }

    /// Writes the changed image to `output`, which is as long.
    fn apply(&self, change: Change, shape: &[usize], image: &[f32], output: &mut [f32]) {
        let [.., height, width] = *shape else { return output.copy_from_slice(image) };
        let planes = image.chunks_exact(height * width).zip(output.chunks_exact_mut(height * width));
        for (plane, output) in planes {
            for (y, row) in output.chunks_exact_mut(width).enumerate() {
                let y = if change.mirror_vertically { height - 1 - y } else { y };
                let Some(from) = y.checked_add_signed(-change.down).filter(|&from| from < height) else {
                    row.fill(self.fill);
                    continue;
                };
                shift_row(&plane[from * width..][..width], change.right, self.fill, row);
                if change.mirror_horizontally {
                    row.reverse();
                }
            }
        }
    }
}

/// Writes `row`, moved to the right, to `output`.
fn shift_row(row: &[f32], right: isize, fill: f32, output: &mut [f32]) {
    let by = right.unsigned_abs().min(row.len());
    let kept = row.len() - by;
    let (from, to) = if right >= 0 { (0, by) } else { (by, 0) };
    output.fill(fill);
    output[to..to + kept].copy_from_slice(&row[from..from + kept]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: [usize; 3] = [2, 4, 5];

    fn image() -> Vec<f32> {
        (1..=40).map(|value| value as f32).collect()
    }

    /// The definition: where each pixel of the result comes from.
    fn naive(change: Change, fill: f32, image: &[f32]) -> Vec<f32> {
        let [channels, height, width] = SHAPE.map(|side| side as isize);
        let mut output = Vec::new();
        for channel in 0..channels {
            for y in 0..height {
                for x in 0..width {
                    let y = if change.mirror_vertically { height - 1 - y } else { y } - change.down;
                    let x = if change.mirror_horizontally { width - 1 - x } else { x } - change.right;
                    let inside = (0..height).contains(&y) && (0..width).contains(&x);
                    output.push(if inside { image[((channel * height + y) * width + x) as usize] } else { fill });
                }
            }
        }
        output
    }

    #[test]
    fn every_change_moves_each_pixel_where_it_belongs() {
        let augment = Augment { shift: 3, flip: Some(Flip::Both), fill: -7.5 };
        let mut output = vec![0.0; 40];
        for right in -3..=3 {
            for down in -3..=3 {
                for mirrors in 0..4 {
                    let (horizontally, vertically) = (mirrors & 1 == 1, mirrors & 2 == 2);
                    let change =
                        Change { right, down, mirror_horizontally: horizontally, mirror_vertically: vertically };
                    augment.apply(change, &SHAPE, &image(), &mut output);
                    assert_eq!(output, naive(change, -7.5, &image()), "{change:?}");
                }
            }
        }
    }

    #[test]
    fn changes_depend_on_seed_epoch_and_sample_alone_and_use_their_whole_range() {
        let augment = Augment { shift: 2, flip: Some(Flip::Horizontal), fill: 0.0 };
        let all: Vec<Change> = (0..1000).map(|sample| augment.change(3, 1, sample)).collect();
        assert_eq!(all[700], augment.change(3, 1, 700));
        for offset in -2..=2 {
            // 200 of 1000 are expected; 5 standard deviations are 63.
            for of in [|change: &Change| change.right, |change: &Change| change.down] {
                let count = all.iter().filter(|change| of(change) == offset).count();
                assert!((137..=263).contains(&count), "{count} times {offset}");
            }
        }
        let mirrored = all.iter().filter(|change| change.mirror_horizontally).count();
        assert!((421..=579).contains(&mirrored), "{mirrored}");
        assert!(all.iter().all(|change| !change.mirror_vertically));
        let others = [(4, 1), (3, 2)].map(|(seed, epoch)| (0..1000).map(|s| augment.change(seed, epoch, s)).collect());
        for other in others {
            let other: Vec<Change> = other;
            let same = all.iter().zip(&other).filter(|(a, b)| a == b).count();
            assert!(same < 60, "{same} of 1000, 20 are expected");
        }
    }

    #[test]
    fn samples_that_are_no_images_and_shifts_out_of_sight_are_refused() {
        let augment = Augment { shift: 4, ..Augment::default() };
        assert!(augment.check_shape(&[1, 5, 5]).is_ok() && augment.check_shape(&[5, 6]).is_ok());
        assert!(augment.check_shape(&[1, 4, 28]).unwrap_err().to_string().contains("4 x 28"));
        assert!(augment.check_shape(&[64]).unwrap_err().to_string().contains("[64]"));
        assert!(Augment { fill: f32::NAN, ..augment }.check().unwrap_err().to_string().contains("augment.fill"));
        assert!(Augment { shift: usize::MAX, ..augment }.check().is_err());
    }
}
