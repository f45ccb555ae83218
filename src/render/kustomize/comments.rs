//! Comments of a text into which a replacement writes: go-yaml v3 keeps them when it prints the text again.
//!
//! Ours are not in the tree, so they are put back by lines: printed without change, the tree must give the lines of the text but for
//! comments, blank lines, indentation and blanks before a comment; then every comment has its line. Where the text is written in another
//! manner, and where a comment stands alone between blank lines, nothing is put back and the comments are lost.

/// The comments of one line.
#[derive(Default)]
struct Around<'t> {
    /// Lines of comments right above it.
    above: Vec<&'t str>,
    /// Behind it.
    behind: &'t str,
}

/// `new` with the comments that `text` has, where `old` is what `text` holds, printed anew.
pub(super) fn put_back(text: &str, old: &str, new: &str) -> Option<String> {
    if !text.contains('#') {
        return None;
    }
    let (mut around, mut head, mut tail) = (Vec::new(), Vec::new(), Vec::new());
    let mut above: Vec<&str> = Vec::new();
    let mut printed = old.lines();
    let mut next = printed.next();
    let mut blank = false;
    for line in text.lines() {
        let content = line.trim();
        let behind = next.and_then(|printed| behind(content, printed.trim()));
        match behind {
            Some(behind) => {
                if blank && !above.is_empty() {
                    // A block of its own: at the top it stays one.
                    if !around.is_empty() || !head.is_empty() {
                        return None;
                    }
                    head = std::mem::take(&mut above);
                }
                around.push(Around { above: std::mem::take(&mut above), behind });
                next = printed.next();
                blank = false;
            }
            None if content.is_empty() => blank |= !above.is_empty(),
            None if content.starts_with('#') => {
                if blank {
                    // Two blocks before a line: one of its own, and its own one.
                    if !around.is_empty() || !head.is_empty() {
                        return None;
                    }
                    head = std::mem::take(&mut above);
                    blank = false;
                }
                if next.is_none() && line.starts_with([' ', '\t']) {
                    return None;
                }
                above.push(content);
            }
            None => return None,
        }
    }
    if next.is_some() {
        return None;
    }
    tail.append(&mut above);
    // Lines that are new have no comments.
    let (before, after): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let start = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let rest = before.len().min(after.len()) - start;
    let end = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let same_lines = before.len() == after.len();
    let mut out = String::with_capacity(text.len() + new.len());
    for comment in &head {
        out.push_str(comment);
        out.push('\n');
    }
    if !head.is_empty() {
        out.push('\n');
    }
    for (at, line) in after.iter().enumerate() {
        let place = if same_lines || at < start {
            Some(at)
        } else if at + end >= after.len() {
            (at + before.len()).checked_sub(after.len())
        } else {
            None
        };
        let around = place.and_then(|place| around.get(place));
        let indent = line.len() - line.trim_start_matches(' ').len();
        for comment in around.into_iter().flat_map(|around| &around.above) {
            out.extend(std::iter::repeat_n(' ', indent));
            out.push_str(comment);
            out.push('\n');
        }
        out.push_str(line);
        if let Some(around) = around.filter(|around| !around.behind.is_empty()) {
            out.push(' ');
            out.push_str(around.behind);
        }
        out.push('\n');
    }
    for comment in &tail {
        out.push_str(comment);
        out.push('\n');
    }
    Some(out)
}

/// What stands behind a printed line in a line of the text: nothing, or a comment. `None` when it is another line.
fn behind<'t>(line: &'t str, printed: &str) -> Option<&'t str> {
    let rest = line.strip_prefix(printed)?;
    let comment = rest.trim_start();
    (rest.is_empty() || (comment.starts_with('#') && comment.len() < rest.len())).then_some(comment)
}
