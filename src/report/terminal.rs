//! Lines for a terminal, with colours where they are wanted. The words of a line that changed are underlined.

use super::lines::{Line, Tone, clean};

/// A report in the making.
#[derive(Debug)]
pub struct Terminal {
    text: String,
    color: bool,
}

impl Terminal {
    /// An empty one.
    pub fn new(color: bool) -> Self {
        Terminal { text: String::new(), color }
    }

    /// A line that stands above others.
    pub fn heading(&mut self, text: &str) {
        let text = clean(text);
        if self.color {
            self.text.push_str(&format!("\x1b[1m{text}\x1b[0m\n"));
        } else {
            self.text.push_str(&format!("{text}\n"));
        }
    }

    /// A line.
    pub fn line(&mut self, line: &Line) {
        let code = match line.tone {
            Tone::Plus => "32",
            Tone::Minus => "31",
            Tone::Change => "33",
            Tone::Alarm => "1;31",
            Tone::Plain => "",
        };
        self.text.push_str(&"  ".repeat(line.depth));
        if !self.color || code.is_empty() {
            self.text.push_str(&line.text);
            self.text.push('\n');
            return;
        }
        self.text.push_str(&format!("\x1b[{code}m"));
        let mut at = 0;
        for mark in &line.marks {
            let (Some(before), Some(marked)) = (line.text.get(at..mark.start), line.text.get(mark.clone())) else {
                continue;
            };
            self.text.push_str(&format!("{before}\x1b[4m{marked}\x1b[24m"));
            at = mark.end;
        }
        self.text.push_str(line.text.get(at..).unwrap_or_default());
        self.text.push_str("\x1b[0m\n");
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.text.push('\n');
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.text
    }
}
