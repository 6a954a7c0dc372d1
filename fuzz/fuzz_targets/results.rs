#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| kvs_fleet_fuzz::check("results", input));
