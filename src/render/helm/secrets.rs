//! Values that errors must not show: charts put what they were given into their own messages (`fail`, `required`, failed conversions).
//!
//! Nothing says which values are secret. Those under keys that are called so are taken for it, and all of files that are called so.

use crate::yaml::{Node, View};

/// Words in names of keys and files that stand for secrets, in lower case, without `-` and `_`.
const WORDS: [&str; 9] =
    ["password", "passwd", "passphrase", "secret", "token", "apikey", "privatekey", "credential", "accesskey"];
/// Shorter texts are in every message.
const SHORTEST: usize = 4;
/// What stands for a value that nobody should see.
const MASK: &str = "(secret)";

/// Values that are hidden.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets(Vec<String>);

fn is_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).collect::<String>().to_lowercase();
    WORDS.iter().any(|word| plain.contains(word))
}

impl Secrets {
    /// Takes in the values of a file, or of an Application where it has no name.
    pub(super) fn add(&mut self, values: &Node, file: &str) {
        self.collect(values, is_secret(file.rsplit('/').next().unwrap_or(file)), 0);
    }

    /// Takes in a parameter.
    pub(super) fn add_parameter(&mut self, name: &str, value: &str) {
        if is_secret(name) {
            self.0.push(value.to_owned());
        }
    }

    fn collect(&mut self, node: &Node, secret: bool, depth: usize) {
        // Deeper than any document is parsed.
        if depth > 1000 {
            return;
        }
        match node.view() {
            View::Scalar(_, text) if secret && !node.is_null() && node.as_bool().is_none() => {
                self.0.push(text.to_owned());
            }
            View::Scalar(..) => {}
            View::Seq(items) => items.iter().for_each(|item| self.collect(item, secret, depth + 1)),
            View::Map(map) => {
                for (key, value) in map.iter() {
                    self.collect(value, secret || key.text().is_some_and(is_secret), depth + 1);
                }
            }
        }
    }

    /// A message without them, longest first; also where quoting has escaped them.
    pub(super) fn hide(&self, message: &str) -> String {
        let mut values: Vec<&String> = self.0.iter().filter(|value| value.len() >= SHORTEST).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.iter().fold(message.to_owned(), |message, value| {
            let escaped = format!("{value:?}");
            let inner = escaped.get(1..escaped.len() - 1).unwrap_or_default();
            message.replace(value.as_str(), MASK).replace(inner, MASK)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Secrets;
    use crate::span::FileId;
    use crate::yaml::{Dialect, Limits, parse};

    #[test]
    fn values_under_telling_names_are_hidden() {
        let text = b"auth: {rootPassword: hunter22, user: admin, api-key: [abcde, abcdefgh]}\ntokens: {a: {b: 'x\"y z'}}\npin: {secret: 12}\n";
        let values = parse(FileId::NONE, text, Dialect::V2, &Limits::default()).documents.remove(0).root;
        let mut secrets = Secrets::default();
        secrets.add(&values, "values.yaml");
        secrets.add_parameter("db.PASSWD", "parameter");
        let hide = |text: &str| secrets.hide(text);
        assert_eq!(hide("admin has hunter22, abcdefgh, abcde"), "admin has (secret), (secret), (secret)");
        assert_eq!(hide("got \"x\\\"y z\" or parameter; 12"), "got \"(secret)\" or (secret); 12");
        let mut all = Secrets::default();
        all.add(&values, "env/secrets.prod.yaml");
        assert_eq!(all.hide("user admin"), "user (secret)");
    }
}
