//! `fleetc check --rbac`: who may do what with Argo CD, and what in its policy has no effect; and for every `check` the wildcards in rendered
//! roles that Kubernetes does not expand. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use fleetc::bundle::Bundle;
use fleetc::diag::{Cause, Diagnostic, Diagnostics, did_you_mean};
use fleetc::path::TreePath;
use fleetc::rbac::{self, Enforcer, Line, Policy, Problem, RESOURCES, Rule, Source, unexpanded};
use fleetc::read::Fleet;
use fleetc::span::{FileId, SourceFile, Span};
use fleetc::yaml::{self, Dialect, Limits};
use serde_json::{Value, json};

use super::args::Check;
use super::assembly::Assembly;
use super::report::{self, plural};
use super::session::{Session, print_out};

/// Runs the command.
pub(crate) fn run(args: &Check, file: &Path) -> ExitCode {
    let mut assembly = match Assembly::make(&args.build, false) {
        Ok(assembly) => assembly,
        Err(code) => return code,
    };
    let mut diagnostics = std::mem::take(&mut assembly.diagnostics);
    let (session, fleet) = (&assembly.session, &assembly.fleet);
    let usage = |message: String| Diagnostic::error("rbac/file", Span::NONE, message).cause(Cause::Usage);
    let file = match policy_file(file) {
        Ok(file) => file,
        Err(why) => return session.refuse(usage(why).into()),
    };
    let shown = file.display().to_string();
    let policy = match std::fs::read(&file) {
        Err(error) => Err(error.to_string()),
        Ok(bytes) => Policy::read(&bytes).map(|policy| (policy, bytes)),
    };
    let (mut policy, bytes) = match policy {
        Ok(found) => found,
        Err(why) => return session.refuse(usage(format!("`{shown}` cannot be used: {why}")).into()),
    };
    if let Some(role) = &args.rbac.default_role {
        policy.default_role.clone_from(role);
    }
    let source = session.world.sources().add(TreePath::root(), shown, bytes.into());
    let rules = Rules::of(&policy, fleet, &source, &mut diagnostics);
    if !args.rbac.can.is_empty() {
        return can(&args.rbac.can, session, &rules, diagnostics);
    }
    let mut applications: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let bundles = assembly.assembled.iter().flat_map(|assembled| &assembled.bundled.bundles);
    for entry in bundles.flat_map(|bundle| &bundle.index.applications) {
        let own = fleet.instances.get(&entry.key.instance).map(|instance| instance.namespace.as_str());
        let object = match own.filter(|own| !own.is_empty()).unwrap_or("argocd") == entry.key.namespace {
            true => format!("{}/{}", entry.project, entry.key.name),
            false => format!("{}/{}/{}", entry.project, entry.key.namespace, entry.key.name),
        };
        applications
            .entry((object, entry.key.to_string()))
            .or_insert_with_key(|(object, _)| rules.who("applications", "sync", object));
    }
    session.print_findings(&mut diagnostics);
    if session.is_json() {
        let one = |((object, key), who): (&(String, String), &BTreeSet<String>)| json!({"application": key, "object": object, "sync": who});
        let list: Vec<Value> = applications.iter().map(one).collect();
        let data = json!({"defaultRole": policy.default_role, "applications": list});
        session.print_json(&diagnostics, data);
    } else {
        let mut table = vec![["APPLICATION", "MAY BE SYNCED BY"].map(str::to_owned).to_vec()];
        for ((object, _), who) in &applications {
            let who: Vec<&str> = who.iter().map(String::as_str).collect();
            table.push(vec![object.clone(), if who.is_empty() { "nobody".to_owned() } else { who.join(", ") }]);
        }
        print_out(&super::cluster::columns(&table));
        let number = applications.len();
        session.say(&format!("{} of {}", plural(rules.lines.len(), "line"), plural(number, "application")));
    }
    let warned = diagnostics.iter().any(|found| found.code == "rbac/no-effect");
    ExitCode::from(report::exit_code(&diagnostics, warned))
}

/// The file itself, or the one file below a folder that holds the ConfigMap argocd-rbac-cm.
fn policy_file(path: &Path) -> Result<PathBuf, String> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let (mut found, mut todo) = (Vec::new(), vec![path.to_owned()]);
    while let Some(folder) = todo.pop() {
        // Bundles hold what was rendered, not what was written.
        if folder.join(fleetc::bundle::BUNDLES_LOCK).is_file() {
            continue;
        }
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) && !name.starts_with('.') {
                todo.push(path);
            } else if kind.is_ok_and(|kind| kind.is_file())
                && (name.ends_with(".yaml") || name.ends_with(".yml"))
                && let Ok(bytes) = std::fs::read(&path)
                && String::from_utf8_lossy(&bytes).contains("argocd-rbac-cm")
                && Policy::read(&bytes).is_ok()
            {
                found.push(path);
            }
        }
    }
    found.sort();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(format!("no file below `{}` is a manifest of argocd-rbac-cm", path.display())),
        several => {
            let names: Vec<String> = several.iter().map(|file| format!("`{}`", file.display())).collect();
            Err(format!("several files are manifests of argocd-rbac-cm, name one: {}", names.join(", ")))
        }
    }
}

/// The lines of a policy and of the projects.
struct Rules {
    /// Argo CD's own and the policy's.
    lines: Vec<Line>,
    general: Enforcer,
    projects: BTreeMap<String, (Vec<Line>, Enforcer)>,
}

/// Who everybody is called in a table.
const EVERYBODY: &str = "everybody who is logged in";

impl Rules {
    fn of(policy: &Policy, fleet: &Fleet, file: &SourceFile, diagnostics: &mut Diagnostics) -> Rules {
        let (mut lines, _) = rbac::parse(rbac::BUILTIN, &Source::Builtin);
        let (own, problems) = rbac::parse(&policy.text, &Source::Policy);
        let mut places = Places { file, from: 0 };
        let mut spans: BTreeMap<usize, Span> = BTreeMap::new();
        let mut all: Vec<(usize, &str)> = own.iter().map(|line| (line.number, line.text.as_str())).collect();
        all.extend(problems.iter().map(|problem| (problem.number, problem.text.as_str())));
        all.sort_unstable();
        for (number, text) in all {
            spans.insert(number, places.next(text));
        }
        let place = |number: usize| spans.get(&number).copied().unwrap_or(Span::NONE);
        for Problem { number, why, .. } in &problems {
            let message = format!("Argo CD refuses the whole policy for this line: {why}");
            diagnostics.push(Diagnostic::error("rbac/line", place(*number), message));
        }
        scopes(policy, diagnostics);
        lines.extend(own);
        for (at, message, hint) in rbac::lint(&lines, &policy.default_role, policy.mode) {
            let number = lines.get(at).map_or(0, |line| line.number);
            let mut warning = Diagnostic::warning("rbac/no-effect", place(number), message);
            warning.hints.extend(hint);
            diagnostics.push(warning);
        }
        let mut projects = BTreeMap::new();
        for project in &fleet.projects {
            let source = Source::Project(project.name.clone());
            let (own, problems) = rbac::parse(&rbac::of_project(&project.manifest), &source);
            for problem in &problems {
                let message = format!(
                    "a role of the project `{}` has `{}`, for which Argo CD leaves out all its roles: {}",
                    project.name, problem.text, problem.why
                );
                diagnostics.push(Diagnostic::error("rbac/line", project.span, message));
            }
            let mut with = lines.clone();
            if problems.is_empty() {
                with.extend(own);
            }
            for (at, message, hint) in rbac::lint(&with, &policy.default_role, policy.mode) {
                let Some(line) = with.get(at).filter(|line| line.source == source) else { continue };
                let message = format!("a role of the project `{}` has `{}`: {message}", project.name, line.text);
                let mut warning = Diagnostic::warning("rbac/no-effect", project.span, message);
                warning.hints.extend(hint);
                diagnostics.push(warning);
            }
            for (line, why) in rbac::refused(&project.manifest) {
                let message = format!("Argo CD refuses the project `{}` for `{line}` in a role: {why}", project.name);
                diagnostics.push(Diagnostic::error("rbac/project", project.span, message));
            }
            let enforcer = Enforcer::new(&with, &policy.default_role, policy.mode);
            projects.insert(project.name.clone(), (with, enforcer));
        }
        let general = Enforcer::new(&lines, &policy.default_role, policy.mode);
        Rules { lines, general, projects }
    }

    /// The lines that a question about an object is put to: with those of its project.
    fn about(&self, resource: &str, object: &str) -> (Option<&str>, &[Line], &Enforcer) {
        let by_project = RESOURCES.iter().any(|(name, _, by_project)| *name == resource && *by_project);
        let project = match resource {
            "projects" => Some(object),
            "clusters" | "repositories" => object.split_once('/').map(|(project, _)| project),
            _ if by_project => object.split_once('/').map(|(project, _)| project),
            _ => None,
        };
        match project.and_then(|project| self.projects.get_key_value(project)) {
            Some((name, (lines, enforcer))) => (Some(name), lines, enforcer),
            None => (None, &self.lines, &self.general),
        }
    }

    /// Users, groups and tokens of projects that may do something.
    fn who(&self, resource: &str, action: &str, object: &str) -> BTreeSet<String> {
        let (project, lines, enforcer) = self.about(resource, object);
        if enforcer.ask("", resource, action, object).allowed {
            return BTreeSet::from([EVERYBODY.to_owned()]);
        }
        let subjects = lines.iter().filter_map(|line| match &line.rule {
            Rule::Permission { subject, .. } | Rule::Grant { subject, .. } => Some(subject.as_str()),
            Rule::Nothing => None,
        });
        let people: BTreeSet<&str> =
            subjects.filter(|subject| !subject.starts_with("role:") && !subject.is_empty()).collect();
        let may = |subject: &&str| is_of(subject, project) && enforcer.ask(subject, resource, action, object).allowed;
        people.into_iter().filter(may).map(str::to_owned).collect()
    }
}

/// Tokens of a project are let near nothing of another one.
fn is_of(subject: &str, project: Option<&str>) -> bool {
    match (subject.strip_prefix("proj:").and_then(|rest| rest.split_once(':')), project) {
        (Some((own, _)), Some(project)) => own == project,
        _ => true,
    }
}

/// Where the lines of a policy are in its file, also inside of a manifest.
struct Places<'a> {
    file: &'a SourceFile,
    from: usize,
}

impl Places<'_> {
    fn next(&mut self, line: &str) -> Span {
        let text = String::from_utf8_lossy(&self.file.bytes);
        let after = text.get(self.from..).and_then(|rest| rest.find(line)).map(|at| self.from + at);
        let Some(start) = after.or_else(|| text.find(line)) else { return Span::NONE };
        self.from = start + line.len();
        Span::new(self.file.id, start, self.from)
    }
}

/// `scopes` is a list of names of claims, written as a string.
fn scopes(policy: &Policy, diagnostics: &mut Diagnostics) {
    if policy.scopes.is_empty() {
        return;
    }
    let parsed = yaml::parse_strict(FileId::NONE, policy.scopes.as_bytes(), Dialect::V2, &Limits::default());
    let is_list = parsed.is_ok_and(|documents| {
        let items = documents.first().and_then(|root| root.as_seq());
        items.is_some_and(|items| items.iter().all(|item| item.as_str().is_some()))
    });
    if !is_list {
        let message = format!("`scopes` is `{}`, which is no list of names of claims", policy.scopes.trim());
        diagnostics
            .push(Diagnostic::error("rbac/scopes", Span::NONE, message).hint("it looks like `'[groups, email]'`"));
    }
}

fn can(question: &[String], session: &Session, rules: &Rules, mut diagnostics: Diagnostics) -> ExitCode {
    let [subject, action, short, object @ ..] = question else { return ExitCode::from(2) };
    let resource = rbac::resource(short);
    let wrong = |message: String, hint: Option<String>| {
        let mut error = Diagnostic::error("rbac/question", Span::NONE, message).cause(Cause::Usage);
        error.hints.extend(hint);
        session.refuse(error.into())
    };
    let Some((_, actions, by_project)) = RESOURCES.iter().find(|(name, ..)| *name == resource) else {
        let hint = did_you_mean(resource, RESOURCES.iter().map(|(name, ..)| *name));
        let all = format!("there are {}", RESOURCES.map(|(name, ..)| name).join(", "));
        return wrong(format!("Argo CD has no resource `{short}`"), Some(hint.unwrap_or(all)));
    };
    let (head, has_path) = action.split_once('/').map_or((action.as_str(), false), |(head, _)| (head, true));
    if !actions.iter().any(|(name, with_path)| *name == head && (*with_path || !has_path)) {
        let names: Vec<&str> = actions.iter().map(|(name, _)| *name).collect();
        let hint = did_you_mean(action, names.iter().copied());
        return wrong(
            format!("`{resource}` has no action `{action}`"),
            Some(hint.unwrap_or_else(|| format!("there are {}", names.join(", ")))),
        );
    }
    let object = object.first().map_or("*", String::as_str);
    let object = if *by_project && object == "*" { "*/*" } else { object };
    let (project, lines, enforcer) = rules.about(resource, object);
    let mut verdict = enforcer.ask(subject, resource, action, object);
    verdict.allowed &= is_of(subject, project);
    let line = verdict.by.or(verdict.broken).and_then(|at| lines.get(at));
    let mut why = match (line, verdict.allowed) {
        _ if !is_of(subject, project) => "it is the token of another project".to_owned(),
        (None, _) => "no line allows it".to_owned(),
        (Some(line), _) => {
            let place = match &line.source {
                Source::Builtin => "Argo CD's own policy".to_owned(),
                Source::Policy => format!("line {}", line.number),
                Source::Project(name) => format!("a role of the project `{name}`"),
            };
            format!("{place}: {}", line.text)
        }
    };
    if verdict.by_default {
        why.push_str(" (the default role)");
    }
    if verdict.broken.is_some() {
        why.push_str(" (it has a pattern that cannot be read, and Argo CD gives up there)");
    }
    diagnostics.0.retain(|found| found.code.starts_with("rbac/"));
    session.print_findings(&mut diagnostics);
    if session.is_json() {
        let data = json!({"allowed": verdict.allowed, "why": why, "subject": subject, "action": action, "resource": resource, "object": object});
        session.print_json(&diagnostics, data);
    } else {
        print_out(if verdict.allowed { "Yes\n" } else { "No\n" });
        session.say(&why);
    }
    ExitCode::from(report::exit_code(&diagnostics, !verdict.allowed))
}

/// Wildcards in the rendered roles that Kubernetes does not expand, once for all clusters that have them.
pub(crate) fn stars(bundles: &[Bundle]) -> Vec<Diagnostic> {
    let mut found: BTreeMap<(String, String, &'static str, String), usize> = BTreeMap::new();
    let speaks = |text: &str| text.contains("rbac.authorization.k8s.io") && text.contains('*');
    for bundle in bundles {
        for (application, text) in bundle
            .files
            .iter()
            .filter_map(|file| Some((&file.application, file.text.as_ref().filter(|text| speaks(text))?)))
        {
            let parsed = yaml::parse(FileId::NONE, text.as_bytes(), Dialect::V2, &Limits::default());
            for object in parsed.documents.iter().map(|document| &document.root) {
                for (field, star) in unexpanded(object) {
                    let id = fleetc::k8s::object::ObjectId::of(object).to_string();
                    *found.entry((application.to_string(), id, field, star)).or_default() += 1;
                }
            }
        }
    }
    let warning = |((application, object, field, star), number): ((String, String, &'static str, String), usize)| {
        let on = if number == 1 { String::new() } else { format!(" on {}", plural(number, "cluster")) };
        let message =
            format!("{object} of `{application}`{on} has `{star}` in `{field}`, which Kubernetes does not expand");
        let hint = match field {
            "resourceNames" => "list the names, or leave `resourceNames` out for all of them",
            _ => "only a lone `*` stands for everything; list what is meant",
        };
        Diagnostic::warning("rbac/wildcard", Span::NONE, message).hint(hint)
    };
    found.into_iter().map(warning).collect()
}
