//! Recognizes handwritten digits with an int8 model that is part of the program.
#![no_std]

use int8_inference::{Error, Session, SessionOptions, Workspace};

/// Written by `quantize demo`.
static MODEL: &[u8] = include_bytes!("../digits.int8.onnx");

/// The model, unpacked for this processor, and its buffers.
pub struct Digits {
    session: Session,
    workspace: Workspace,
}

impl Digits {
    /// Unpacks the model.
    ///
    /// # Errors
    ///
    /// None for the model that was built in.
    pub fn new() -> Result<Self, Error> {
        let session = Session::from_bytes(MODEL, &SessionOptions::default())?;
        Ok(Self { session, workspace: Workspace::default() })
    }

    /// The digit in an image of 8 x 8 pixels from 0 to 16; allocates nothing after the first call.
    ///
    /// # Errors
    ///
    /// None for the model that was built in.
    pub fn recognize(&mut self, image: &[f32; 64]) -> Result<usize, Error> {
        let mut scores = [0.0; 10];
        self.session.run_with(&mut self.workspace, image, &mut scores, 1)?;
        Ok((0..10).fold(0, |best, digit| if scores[digit] > scores[best] { digit } else { best }))
    }
}

// With it the library compiles only where nothing below it brings std, which has one of its own.
#[cfg(bare)]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
