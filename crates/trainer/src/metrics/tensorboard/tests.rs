use super::*;

/// The step of an event and its values under their tags.
pub(crate) type Values = (i64, Vec<(String, f32)>);

/// The events of a file, read by the framing's definition: every checksum is compared.
pub(crate) fn read(mut bytes: &[u8]) -> Vec<Values> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at(12);
        let length = u64::from_le_bytes(head[..8].try_into().unwrap()) as usize;
        assert_eq!(u32::from_le_bytes(head[8..].try_into().unwrap()), naive_masked_crc(&head[..8]));
        let (data, rest) = rest.split_at(length);
        let (checksum, rest) = rest.split_at(4);
        assert_eq!(u32::from_le_bytes(checksum.try_into().unwrap()), naive_masked_crc(data));
        let event = Event::decode(data).unwrap();
        assert!(event.wall_time > 1.6e9, "{event:?}");
        match event.what.unwrap() {
            What::FileVersion(version) => assert_eq!((version.as_str(), event.step), ("brain.Event:2", 0)),
            What::SessionLog(log) => {
                assert_eq!(log.status, 1);
                events.push((event.step, Vec::new()));
            }
            What::Summary(summary) => {
                let values = summary.value.into_iter().map(|value| (value.tag, value.simple_value.unwrap()));
                events.push((event.step, values.collect()));
            }
        }
        bytes = rest;
    }
    events
}

/// CRC-32C bit by bit, by its polynomial.
fn naive_masked_crc(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    let crc = !crc;
    crc.rotate_left(17).wrapping_add(0xa282_ead8)
}

#[test]
fn the_checksum_is_that_of_the_standard() {
    // RFC 3720, appendix B.4: 32 bytes of zeros.
    assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(masked_crc(b"123456789"), naive_masked_crc(b"123456789"));
}

#[test]
fn the_first_event_has_the_bytes_of_the_format() {
    let bytes = file_version(0.0);
    // No wall time and no step, which are zero; then field 3 of 13 bytes.
    assert_eq!(bytes[..8], 15_u64.to_le_bytes());
    assert_eq!(&bytes[12..27], b"\x1a\x0dbrain.Event:2");
}
