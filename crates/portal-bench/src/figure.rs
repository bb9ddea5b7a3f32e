//! [`Figure`]: what was measured, beside its limit.

use std::time::Instant;

use serde::Serialize;

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    #[serde(rename = "1/s")]
    PerSecond,
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "MiB")]
    Mebibytes,
}

impl Unit {
    /// A value as a person reads it.
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Self::PerSecond if value >= 1e5 => format!("{:.0}k/s", value / 1e3),
            Self::PerSecond => format!("{value:.0}/s"),
            Self::Seconds if value >= 1.0 => format!("{value:.2} s"),
            Self::Seconds if value >= 1e-3 => format!("{:.2} ms", value * 1e3),
            Self::Seconds if value >= 1e-6 => format!("{:.1} µs", value * 1e6),
            Self::Seconds => format!("{:.0} ns", value * 1e9),
            Self::Mebibytes => format!("{value:.1} MiB"),
        }
    }
}

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Bound {
    pub(crate) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    /// Its sign and its value.
    pub(crate) const fn parts(self) -> (char, f64) {
        match self {
            Self::AtLeast(least) => ('≥', least),
            Self::AtMost(most) => ('≤', most),
        }
    }
}

/// How fast one side was in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speed {
    /// Operations a second.
    pub(crate) rate: f64,
    /// CPU time of an operation, in seconds; NaN if it is unknown.
    pub(crate) cpu: f64,
}

impl Speed {
    /// Of so many operations since then, which took this CPU time in all.
    pub(crate) fn of(operations: f64, began: Instant, cpu: f64) -> Self {
        Self { rate: operations / began.elapsed().as_secs_f64(), cpu: cpu / operations }
    }
}

/// One side of a comparison, a value per round.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) unit: Unit,
    pub(crate) values: Vec<f64>,
    /// The CPU time of an operation in each round, in seconds; empty or NaN if it is unknown.
    cpu: Vec<f64>,
}

impl Side {
    pub(crate) fn new<T>(unit: Unit, rounds: &[T], value: impl Fn(&T) -> f64) -> Self {
        Self { unit, values: rounds.iter().map(value).collect(), cpu: Vec::new() }
    }

    /// Operations a second, to be read beside the CPU time of one.
    pub(crate) fn speed<T>(rounds: &[T], speed: impl Fn(&T) -> Speed) -> Self {
        let cpu = rounds.iter().map(|round| speed(round).cpu).collect();
        Self { cpu, ..Self::new(Unit::PerSecond, rounds, |round| speed(round).rate) }
    }

    /// The CPU time of an operation, in seconds.
    pub(crate) fn cpu(&self) -> Option<f64> {
        Some(median(&self.cpu)).filter(|cpu| !cpu.is_nan())
    }

    /// As a person reads it: `18400/s (37.2 µs CPU)`.
    pub(crate) fn text(&self) -> String {
        let median = self.unit.text(self.median());
        match self.cpu() {
            Some(cpu) => format!("{median} ({} CPU)", Unit::Seconds.text(cpu)),
            None => median,
        }
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.values)
    }
}

/// A row of the table.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) what: &'static str,
    pub(crate) ours: Side,
    /// The limit; none for what is judged by itself.
    pub(crate) limit: Option<(&'static str, Side)>,
    pub(crate) bar: Bound,
    pub(crate) aim: Bound,
}

impl Figure {
    /// Ours by the limit of the same round, for each round; or ours.
    pub(crate) fn judged(&self) -> Vec<f64> {
        match &self.limit {
            None => self.ours.values.clone(),
            Some((_, limit)) => self
                .ours
                .values
                .iter()
                .zip(&limit.values)
                .map(|(ours, limit)| ours / limit)
                .collect(),
        }
    }
}

/// The middle one.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figure_is_judged_round_by_round() {
        let side = |values: &[f64]| Side::new(Unit::PerSecond, values, |value| *value);
        let figure = Figure {
            what: "creates/s",
            ours: side(&[10.0, 40.0, 30.0]),
            limit: Some(("stub", side(&[20.0, 80.0, 50.0]))),
            bar: Bound::AtLeast(0.5),
            aim: Bound::AtLeast(0.6),
        };
        assert_eq!(figure.judged(), [0.5, 0.5, 0.6]);
        assert!(figure.bar.holds(median(&figure.judged())));
        assert!(!figure.aim.holds(median(&figure.judged())));
    }

    #[test]
    fn values_read_as_people_write_them() {
        assert_eq!(Unit::PerSecond.text(18_400.4), "18400/s");
        assert_eq!(Unit::PerSecond.text(108_400.0), "108k/s");
        assert_eq!(Unit::Seconds.text(0.006_54), "6.54 ms");
        assert_eq!(Unit::Seconds.text(37.25e-6), "37.2 µs");
        assert_eq!(Unit::Seconds.text(41e-9), "41 ns");
    }
}
