//! Any bytes as a packed chart, and as the tar inside one.
#![no_main]

use std::io::Write as _;

use fleetc::render::helm::{Chart, Profile, read_archive};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = std::hint::black_box(read_archive(data));
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    if packer.write_all(data).is_err() {
        return;
    }
    let Ok(packed) = packer.finish() else { return };
    if let Ok(files) = read_archive(&packed) {
        let _ = std::hint::black_box(Chart::from_files(files, Profile::V4));
    }
});
