//! .helmignore: which files of a folder are no part of the chart. Its rules are like those of .gitignore, but fewer: no `**`, and the last
//! slash counts. (Helm: pkg/ignore.)

use crate::k8s::path_match::PathPattern;

/// The rules of a chart's root, with the one that is always there: `templates/.?*`.
#[derive(Debug)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    glob: PathPattern,
    negated: bool,
    directories: bool,
    /// Matched against the last part of a path, not the whole.
    name_only: bool,
}

impl Rules {
    /// Reads the rules of a file.
    ///
    /// # Errors
    /// The line that is no rule.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for line in text.lines().chain(["templates/.?*"]) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.contains("**") {
                return Err("double-star (**) syntax is not supported".to_owned());
            }
            let (negated, line) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
            let (directories, line) = line.strip_suffix('/').map_or((false, line), |rest| (true, rest));
            let rooted = line.strip_prefix('/');
            let name_only = rooted.is_none() && !line.contains('/');
            let pattern = rooted.unwrap_or(line);
            let glob = PathPattern::new(pattern).ok_or("syntax error in pattern")?;
            rules.push(Rule { glob, negated, directories, name_only });
        }
        Ok(Rules(rules))
    }

    /// Whether a path is left out.
    pub(super) fn ignores(&self, path: &str, is_directory: bool) -> bool {
        if path.is_empty() || path == "." || path == "./" {
            return false;
        }
        for rule in &self.0 {
            let subject = if rule.name_only { path.rsplit('/').next().unwrap_or(path) } else { path };
            let matches = rule.glob.matches(subject);
            if rule.negated {
                // A negated rule leaves out whatever it does not match.
                if rule.directories && !is_directory || !matches {
                    return true;
                }
                continue;
            }
            if rule.directories && !is_directory {
                continue;
            }
            if matches {
                return true;
            }
        }
        false
    }
}
