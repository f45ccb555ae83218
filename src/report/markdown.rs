//! Pieces of Markdown for comments of pull requests, as GitHub, GitLab and Gitea show it.

use super::lines::{Line, Tone, clean};

/// Bytes of a whole comment. Forges cut comments at 65,536 characters, and something may stand around the report.
pub const BUDGET: usize = 60_000;

/// Lines as a block of a diff: the first column makes the colour.
pub fn diff_block(lines: &[Line]) -> String {
    let mut block = String::new();
    for line in lines {
        let sign = match line.tone {
            Tone::Plus => '+',
            Tone::Minus => '-',
            Tone::Change | Tone::Alarm => '!',
            Tone::Plain => ' ',
        };
        block.push(sign);
        block.push_str(&"  ".repeat(line.depth));
        block.push_str(&line.text);
        block.push('\n');
    }
    let fence = "`".repeat(longest_run(&block, '`').max(2) + 1);
    format!("{fence}diff\n{block}{fence}\n")
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}

/// Text that is nothing else in Markdown; `code` stays.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut code = false;
    let even = text.matches('`').count().is_multiple_of(2);
    for c in clean(text).chars() {
        match c {
            '`' if even => {
                code = !code;
                out.push(c);
            }
            '<' if !code => out.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '@' if !code => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}
