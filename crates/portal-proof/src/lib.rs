#![doc = include_str!("../README.md")]
//!
//! The library is empty: the test is `tests/proof`.
