//! When each hop was, as a bar: columns of one line for all of them.

const FULL: char = '█';
/// Of a hop that took less than a column.
const THIN: char = '▏';

/// The bar of what went on from `start` to `end`, in a picture of `total`, drawn on `width` columns; all in the same
/// unit, which is up to the caller. No blanks follow it.
pub fn bar(start: f64, end: f64, total: f64, width: usize) -> String {
    if width == 0 {
        return String::new();
    }
    let (from, to) = (column(start, total, width), column(end, total, width));
    let (before, drawn) =
        if to > from { (from, FULL.to_string().repeat(to - from)) } else { (from.min(width - 1), THIN.to_string()) };
    " ".repeat(before) + &drawn
}

/// Which one a moment is in.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "it is at most the width"
)]
fn column(at: f64, total: f64, width: usize) -> usize {
    if total > 0.0 { ((at / total).clamp(0.0, 1.0) * width as f64).round() as usize } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_follow_each_other_over_the_width() {
        assert_eq!(bar(0.0, 5.0, 20.0, 8), "██");
        assert_eq!(bar(5.0, 20.0, 20.0, 8), "  ██████");
        assert_eq!(bar(5.0, 5.1, 20.0, 8), "  ▏");
        assert_eq!(bar(20.0, 20.0, 20.0, 8), "       ▏", "it stays within the picture");
    }

    #[test]
    fn there_is_a_bar_whatever_the_times_are() {
        assert_eq!(bar(0.0, 0.0, 0.0, 8), "▏");
        assert_eq!(bar(-3.0, 40.0, 20.0, 8), "████████");
        assert_eq!(bar(1.0, 2.0, 3.0, 0), "");
    }
}
