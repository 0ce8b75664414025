#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| cockpit_fuzz::sql(data));
