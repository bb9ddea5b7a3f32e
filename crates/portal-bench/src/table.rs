//! [`Table`]: what is printed.

use serde_json::json;

use crate::figure::{Bound, Figure, median};

/// A table in Markdown whose columns line up, or a JSON object per figure. A row is printed as soon
/// as it is measured.
pub(crate) struct Table {
    pub(crate) json: bool,
}

impl Table {
    pub(crate) fn head(&self) {
        if !self.json {
            row(["bench", "what", "measured", "beside", "ratio", "bar", "aim", ""]
                .map(str::to_owned));
            println!("|---|---|---|---|---|---|---|---|");
        }
    }

    pub(crate) fn row(&self, bench: &str, figure: &Figure) {
        let Figure { what, ours, limit, bar, aim } = figure;
        let values = figure.judged();
        let judged = median(&values);
        if judged.is_nan() {
            eprintln!("{bench}: {what}: skipped, this system does not tell");
            return;
        }
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if self.json {
            // `cpu` is in seconds for each operation; `judged` is the median of the rounds.
            let line = json!({
                "bench": bench,
                "what": what,
                "unit": ours.unit,
                "measured": ours.median(),
                "cpu": ours.cpu(),
                "limit": limit.as_ref().map(|(limit, _)| limit),
                "limit_measured": limit.as_ref().map(|(_, side)| side.median()),
                "limit_cpu": limit.as_ref().and_then(|(_, side)| side.cpu()),
                "judged": judged,
                "least": least,
                "most": most,
                "bar": bar.parts().1,
                "aim": aim.parts().1,
                "meets_bar": bar.holds(judged),
                "meets_aim": aim.holds(judged),
            });
            println!("{line}");
            return;
        }
        let beside = limit.as_ref().map(|(limit, side)| format!("{limit}: {}", side.text()));
        let ratio = limit.as_ref().map(|_| format!("{judged:.2} ({least:.2}–{most:.2})"));
        let bound = |bound: &Bound| match (limit, bound.parts()) {
            (Some(_), (sign, ratio)) => format!("{sign} {ratio:.2}"),
            (None, (sign, value)) => format!("{sign} {}", ours.unit.text(value)),
        };
        let verdict = match (bar.holds(judged), aim.holds(judged)) {
            (false, _) => "missed",
            (true, false) => "met",
            (true, true) => "aim met",
        };
        row([
            bench.to_owned(),
            (*what).to_owned(),
            ours.text(),
            beside.unwrap_or_default(),
            ratio.unwrap_or_default(),
            bound(bar),
            bound(aim),
            verdict.to_owned(),
        ]);
    }
}

fn row([bench, what, measured, beside, ratio, bar, aim, verdict]: [String; 8]) {
    println!(
        "| {bench:<11} | {what:<43} | {measured:<22} | {beside:<47} | {ratio:<18} | {bar:<9} | {aim:<9} | {verdict:<7} |"
    );
}
