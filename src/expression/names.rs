//! The variables that an expression names, told from those that its own macros bind and from names of types and of families of functions.

use cel::IdedExpr;
use cel::common::ast::Expr;

use super::bound::entries;

/// Names that stand for types, or before functions (`sets.contains`).
const OTHERS: [&str; 22] = [
    "base64",
    "bool",
    "bytes",
    "double",
    "dyn",
    "format",
    "google",
    "int",
    "ip",
    "lists",
    "list",
    "map",
    "math",
    "net",
    "null_type",
    "optional",
    "optional_type",
    "sets",
    "string",
    "strings",
    "type",
    "uint",
];

/// A name that is neither bound nor among these.
pub(super) fn unknown(expr: &IdedExpr, known: &[&str]) -> Option<String> {
    find(expr, known, &mut Vec::new())
}

fn find<'e>(expr: &'e IdedExpr, known: &[&str], bound: &mut Vec<&'e str>) -> Option<String> {
    let among =
        |all: Vec<&'e IdedExpr>, bound: &mut Vec<&'e str>| all.into_iter().find_map(|expr| find(expr, known, bound));
    match &expr.expr {
        Expr::Unspecified | Expr::Literal(_) => None,
        Expr::Ident(name) => {
            let name = name.as_str();
            let is_known =
                name.starts_with('@') || known.contains(&name) || bound.contains(&name) || OTHERS.contains(&name);
            (!is_known).then(|| name.to_owned())
        }
        Expr::Select(select) => find(&select.operand, known, bound),
        Expr::List(list) => among(list.elements.iter().collect(), bound),
        Expr::Map(map) => among(map.entries.iter().flat_map(|entry| entries(&entry.expr)).collect(), bound),
        Expr::Struct(made) => among(made.entries.iter().flat_map(|entry| entries(&entry.expr)).collect(), bound),
        Expr::Call(call) => among(call.target.iter().map(|target| &**target).chain(&call.args).collect(), bound),
        Expr::Comprehension(each) => {
            let outside = among(vec![&each.iter_range, &each.accu_init], bound);
            if outside.is_some() {
                return outside;
            }
            let before = bound.len();
            bound.extend([each.iter_var.as_str(), each.accu_var.as_str()]);
            bound.extend(each.iter_var2.as_deref());
            let inside = among(vec![&each.loop_cond, &each.loop_step, &each.result], bound);
            bound.truncate(before);
            inside
        }
    }
}
