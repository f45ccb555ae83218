//! How deep a program is nested, told from its tokens: the parser, the analysis and the evaluation recurse that deep, and none of them counts.
//!
//! What is open counts one, and so does each operator, keyword and bracket that the same expression has had so far, since all of those
//! make an expression inside another. It is never less than what the parser makes of the text; it may be more.

use jrsonnet_lexer::{Lexer, SyntaxKind as Kind};

/// The deepest that is evaluated.
pub(super) const LIMIT: usize = 2_000;

/// How deep a text is nested; or where it is deeper than [`LIMIT`], as bytes.
pub(super) fn depth(text: &str) -> Result<usize, (usize, usize)> {
    let mut open: Vec<Level> = vec![Level::default()];
    let (mut depth, mut deepest) = (1, 1);
    let mut before = Kind::EOF;
    for token in Lexer::new(text) {
        let kind = token.kind;
        match kind {
            Kind::WHITESPACE
            | Kind::SINGLE_LINE_SLASH_COMMENT
            | Kind::SINGLE_LINE_HASH_COMMENT
            | Kind::MULTI_LINE_COMMENT => continue,
            // Names, literals and what only separates.
            Kind::IDENT
            | Kind::FLOAT
            | Kind::STRING_DOUBLE
            | Kind::STRING_SINGLE
            | Kind::STRING_DOUBLE_VERBATIM
            | Kind::STRING_SINGLE_VERBATIM
            | Kind::STRING_BLOCK
            | Kind::NULL_KW
            | Kind::TRUE_KW
            | Kind::FALSE_KW
            | Kind::SELF_KW
            | Kind::SUPER_KW
            | Kind::DOLLAR
            | Kind::DOT
            | Kind::COLON
            | Kind::ASSIGN
            | Kind::THEN_KW
            | Kind::ELSE_KW
            | Kind::TAILSTRICT_KW => {}
            Kind::SEMI => {
                if let Some(level) = open.last_mut() {
                    level.bindings = level.bindings.saturating_sub(1);
                }
            }
            Kind::R_BRACK | Kind::R_PAREN | Kind::R_BRACE => {
                if open.len() > 1
                    && let Some(level) = open.pop()
                {
                    depth -= 1 + level.inside;
                }
            }
            Kind::COMMA => {
                // Between the bindings of one `local` it ends nothing.
                if let Some(level) = open.last_mut().filter(|level| level.bindings == 0) {
                    depth -= std::mem::take(&mut level.inside);
                }
            }
            _ => {
                if let Some(level) = open.last_mut() {
                    level.inside += 1;
                    depth += 1;
                    // A local of an object ends at the comma; every other at its `;`.
                    let of_object = level.object && matches!(before, Kind::L_BRACE | Kind::COMMA);
                    level.bindings += usize::from(kind == Kind::LOCAL_KW && !of_object);
                }
                if matches!(kind, Kind::L_BRACK | Kind::L_PAREN | Kind::L_BRACE) {
                    open.push(Level { object: kind == Kind::L_BRACE, ..Level::default() });
                    depth += 1;
                }
            }
        }
        before = kind;
        deepest = deepest.max(depth);
        if depth > LIMIT {
            return Err((token.range.0 as usize, token.range.1 as usize));
        }
    }
    Ok(deepest)
}

/// What is between one pair of brackets.
#[derive(Default)]
struct Level {
    /// Whether the brackets are those of an object.
    object: bool,
    /// What the expression at hand has had.
    inside: usize,
    /// `local`s whose `;` has not come.
    bindings: usize,
}
