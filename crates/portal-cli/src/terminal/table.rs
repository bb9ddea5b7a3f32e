//! Results in aligned columns.

use portal_model::neutral::printable_line;
use serde::Serialize;

use crate::terminal::printer::Printer;

/// Columns of a cell that others are aligned with.
const WIDEST: usize = 80;

impl Printer {
    /// Prints each row as a line of aligned cells, or as its object.
    pub(crate) fn table<const N: usize, T: Serialize>(
        &self,
        rows: impl IntoIterator<Item = ([String; N], T)>,
    ) {
        let (cells, objects): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        for (line, object) in aligned(cells).iter().zip(&objects) {
            self.result(line, object);
        }
    }
}

/// A line of aligned cells for each row.
pub(crate) fn aligned<const N: usize>(rows: Vec<[String; N]>) -> Vec<String> {
    // A cell with a line break must not look like another row.
    let rows = rows.into_iter().map(|cells| cells.map(|cell| printable_line(&cell)));
    let rows: Vec<[String; N]> = rows.collect();
    let mut widths = [0; N];
    for cells in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            // Formatting panics beyond 65,535 columns, and a file may have anything.
            *width = (*width).max(cell.chars().count()).min(WIDEST);
        }
    }
    let padded = |cells: &[String; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(padded).collect()
}
