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
        // A cell with a line break must not look like another row.
        let one_line =
            |(cells, object): ([String; N], T)| (cells.map(|it| printable_line(&it)), object);
        let rows: Vec<_> = rows.into_iter().map(one_line).collect();
        let mut widths = [0; N];
        for (cells, _) in &rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                // Formatting panics beyond 65,535 columns, and a file may have anything.
                *width = (*width).max(cell.chars().count()).min(WIDEST);
            }
        }
        for (cells, object) in &rows {
            let padded: Vec<_> =
                cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            self.result(padded.join("  ").trim_end(), object);
        }
    }
}
