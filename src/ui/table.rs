//! Aligned columns and the few styles that the project uses.

use std::fmt::Write;

use anstyle::{AnsiColor, Effects, Style};

pub const ERROR: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);
pub const WARNING: Style = AnsiColor::Yellow.on_default().effects(Effects::BOLD);
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BOLD: Style = Style::new().bold();
pub const DIM: Style = Style::new().dimmed();

/// Rows of cells under a heading, each column as wide as its widest cell.
pub struct Table {
    rows: Vec<Vec<Cell>>,
}

/// Text with a style that does not count towards its width.
pub struct Cell {
    text: String,
    style: Style,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), style: Style::new() }
    }
}

impl Cell {
    pub fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl Table {
    pub fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|title| Cell::styled(*title, DIM)).collect()] }
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table's lines; nothing follows the last cell of a row.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
            for (column, cell) in row.iter().enumerate().take(last + 1) {
                let style = cell.style;
                let _ = write!(text, "{style}{}{style:#}", cell.text);
                if column < last {
                    let padding = widths[column] - cell.text.chars().count() + 2;
                    text.push_str(&" ".repeat(padding));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// `1h 5m`, `3m 20s`, `12s`, `4d 2h`.
pub fn duration(seconds: i64) -> String {
    let (days, hours, minutes, rest) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => format!("{minutes}m {rest}s"),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// Bytes as whole MiB, or GiB with one decimal from 10 GiB on.
pub fn bytes(count: u64) -> String {
    let mebibytes = count / (1024 * 1024);
    if mebibytes >= 10 * 1024 {
        format!("{}.{} GiB", mebibytes / 1024, mebibytes % 1024 * 10 / 1024)
    } else {
        format!("{mebibytes} MiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_do_not_end_in_blanks() {
        let mut table = Table::new(&["A", "LONG"]);
        table.row(vec!["wide cell".into(), "".into()]);
        table.row(vec!["x".into(), "y".into()]);
        let plain = anstream::adapter::strip_str(&table.render()).to_string();
        assert_eq!(plain, "A          LONG\nwide cell\nx          y\n");
    }

    #[test]
    fn durations_show_their_two_largest_units() {
        assert_eq!(duration(12), "12s");
        assert_eq!(duration(200), "3m 20s");
        assert_eq!(duration(3900), "1h 5m");
        assert_eq!(duration(352_800), "4d 2h");
    }
}
