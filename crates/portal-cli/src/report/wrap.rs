//! Text broken into lines of at most 80 columns.

const WIDTH: usize = 80;

/// Breaks the lines that are too long, each indented as it was.
pub(crate) fn fit(text: &str) -> String {
    let lines = text.lines().map(|line| {
        if line.chars().count() <= WIDTH {
            line.to_owned()
        } else {
            wrap(line, line.len() - line.trim_start_matches(' ').len())
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Breaks `text` at spaces, every line indented by `indent` columns.
pub(crate) fn wrap(text: &str, indent: usize) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column == 0 || column + 1 + length > WIDTH {
            if column > 0 {
                wrapped.push('\n');
            }
            wrapped.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_are_too_long_change() {
        let long = format!("  {}end", "word ".repeat(20));
        let text = format!("    \"a  b\"\n      ^^\n{long}");
        let fitted = fit(&text);
        assert!(fitted.starts_with("    \"a  b\"\n      ^^\n  word word"), "{fitted}");
        assert!(
            fitted.lines().count() == 4 && fitted.ends_with("\n  word word word word word end")
        );
    }

    #[test]
    fn a_line_ends_before_column_81_and_loses_no_word() {
        let text = "four five sixsix ".repeat(40);
        let wrapped = wrap(&text, 3);
        assert!(wrapped.lines().count() > 5);
        for line in wrapped.lines() {
            assert!(line.len() <= 80 && line.starts_with("   ") && !line.ends_with(' '), "{line}");
        }
        assert!(wrapped.split_whitespace().eq(text.split_whitespace()));
    }
}
