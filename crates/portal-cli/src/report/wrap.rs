//! Text in lines that fit, and in columns.

use portal_model::neutral::printable_line;
use textwrap::{Options, WordSplitter};

/// Breaks the lines that are longer than `width`, each indented as it was.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let lines = text.lines().map(|line| {
        if textwrap::core::display_width(line) <= width {
            line.to_owned()
        } else {
            let text = line.trim_start_matches(' ');
            let indent = indent(line.len() - text.len(), width);
            fill(text, &indent, &indent, width)
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Breaks `text` between words into lines of at most `width` columns, each indented by `indent`. A
/// word that is longer has a line of its own.
pub(crate) fn wrap(text: &str, indent: usize, width: usize) -> String {
    hang(&self::indent(indent, width), text, width)
}

/// The same after `lead`, below which the other lines begin.
pub(crate) fn hang(lead: &str, text: &str, width: usize) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    fill(&words.join(" "), lead, &indent(textwrap::core::display_width(lead), width), width)
}

/// On a narrow terminal a deep indentation would leave one word for each line.
fn indent(columns: usize, width: usize) -> String {
    " ".repeat(columns.min(width / 4))
}

fn fill(text: &str, lead: &str, indent: &str, width: usize) -> String {
    let options = Options::new(width)
        .initial_indent(lead)
        .subsequent_indent(indent)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(text, options)
}

/// A line of aligned cells for each row.
pub(crate) fn aligned<const N: usize>(rows: Vec<[String; N]>) -> Vec<String> {
    /// Columns of a cell that others are aligned with. Formatting panics beyond 65,535, and a file may have
    /// anything.
    const WIDEST: usize = 80;
    // A cell with a line break must not look like another row.
    let rows = rows.into_iter().map(|cells| cells.map(|cell| printable_line(&cell)));
    let rows: Vec<[String; N]> = rows.collect();
    let mut widths = [0; N];
    for cells in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = (*width).max(cell.chars().count()).min(WIDEST);
        }
    }
    let padded = |cells: &[String; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(padded).collect()
}

/// `there are acme, beta`
pub(crate) fn enumerated<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    const SHOWN: usize = 8;
    let count = names.len();
    let some = names.take(SHOWN).map(|name| printable_line(name));
    let some = some.collect::<Vec<_>>().join(", ");
    match count {
        0 => "there is none yet".to_owned(),
        1 => format!("there is only {some}"),
        _ if count > SHOWN => format!("there are {count}, such as {some}"),
        _ => format!("there are {some}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_are_too_long_change() {
        let long = format!("  {}end", "word ".repeat(20));
        let text = format!("    \"a  b\"\n      ^^\n{long}");
        let fitted = fit(&text, 80);
        assert!(fitted.starts_with("    \"a  b\"\n      ^^\n  word word"), "{fitted}");
        assert!(
            fitted.lines().count() == 4 && fitted.ends_with("\n  word word word word word end")
        );
    }

    #[test]
    fn line_ends_within_width_and_loses_no_word() {
        let text = "four five six-six `portal list` ".repeat(40);
        for width in [40, 80, 200] {
            let wrapped = wrap(&text, 3, width);
            for line in wrapped.lines() {
                assert!(line.len() <= width && line.starts_with("   "), "{line}");
                assert!(!line.ends_with(' '), "{line}");
            }
            assert!(wrapped.split_whitespace().eq(text.split_whitespace()));
        }
    }

    #[test]
    fn text_begins_beside_its_lead() {
        let text = hang("  ok       token   ", "the accounts server gives an access token", 40);
        let below = "\n          gives an access token";
        assert_eq!(text, "  ok       token   the accounts server".to_owned() + below);
    }

    #[test]
    fn word_longer_than_line_is_not_broken() {
        let url = "https://www.zohoapis.eu/crm/v7/settings/portals";
        assert_eq!(wrap(&format!("see {url}"), 2, 40), format!("  see\n  {url}"));
    }
}
