//! Text broken into lines of at most 80 columns.

/// Breaks `text` at spaces, every line indented by `indent` columns.
pub(crate) fn wrap(text: &str, indent: usize) -> String {
    const WIDTH: usize = 80;
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
