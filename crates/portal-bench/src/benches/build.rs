//! A first build of the command, after everything was downloaded, and a create by it.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::benches::Effort;
use crate::figure::{Bound, Figure, Side, Unit};
use crate::service::{cargo, directory};
use crate::store::new_name;

pub(super) fn first(effort: Effort) -> Result<Vec<Figure>, String> {
    if effort.is_quick() {
        return Err("a first build takes minutes".to_owned());
    }
    let target = directory();
    let began = Instant::now();
    // As the first command of the README does.
    let mut build = cargo(target.path(), &[]);
    let mut create = Command::new(target.path().join("debug/portal"));
    create.args(["create", "--local", &new_name()]).env("HOME", target.path());
    for step in [&mut build, &mut create] {
        let status = step.stdout(Stdio::null()).status();
        assert!(status.is_ok_and(|status| status.success()), "{step:?}");
    }
    let elapsed = began.elapsed().as_secs_f64();
    Ok(vec![Figure {
        what: "first build, and a create",
        ours: Side::new(Unit::Seconds, &[elapsed], |elapsed| *elapsed),
        limit: None,
        bar: Bound::AtMost(70.0),
        aim: Bound::AtMost(60.0),
    }])
}
