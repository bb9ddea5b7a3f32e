//! A first build of the command, after everything was downloaded.

use std::time::Instant;

use crate::benches::Effort;
use crate::figure::{Bound, Figure, Side, Unit};
use crate::service::{cargo, directory};

pub(super) fn first(effort: Effort) -> Result<Vec<Figure>, String> {
    if effort.is_quick() {
        return Err("a first build takes minutes".to_owned());
    }
    let target = directory();
    let began = Instant::now();
    let mut build = cargo(target.path(), &["--release"]);
    let status = build.status();
    let elapsed = began.elapsed().as_secs_f64();
    assert!(status.is_ok_and(|status| status.success()), "{build:?}");
    Ok(vec![Figure {
        what: "first build, default features",
        ours: Side::new(Unit::Seconds, std::iter::once(elapsed)),
        limit: None,
        bar: Bound::AtMost(180.0),
        aim: Bound::AtMost(150.0),
    }])
}
