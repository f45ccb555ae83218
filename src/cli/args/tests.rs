//! What all arguments must have: a help text, and names that contradict nothing. And what files of this repository show as commands, they take.

use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory as _, Parser as _};

use super::Cli;

fn every(command: &Command, look: &mut dyn FnMut(&Command)) {
    look(command);
    for below in command.get_subcommands() {
        every(below, look);
    }
}

#[test]
fn the_arguments_contradict_nothing() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_option_and_value_has_a_help_text() {
    let mut program = Cli::command();
    program.build();
    let (mut commands, mut options, mut wrong) = (0, 0, Vec::new());
    every(&program, &mut |command| {
        // What clap adds by itself has clap's texts.
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        if name.split('-').any(|part| part == "help") {
            return;
        }
        commands += 1;
        if command.get_about().is_none_or(|text| text.to_string().trim().is_empty()) {
            wrong.push(format!("{name}: no help"));
        }
        for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
            options += 1;
            wrong.extend(unexplained(argument).map(|what| format!("{name}: {what}")));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(commands > 30 && options > 300, "{commands} commands, {options} options");
}

fn unexplained(argument: &Arg) -> Option<String> {
    let id = argument.get_id();
    let help = argument.get_help().or_else(|| argument.get_long_help()).map(ToString::to_string).unwrap_or_default();
    if help.trim().is_empty() {
        return Some(format!("`{id}` has no help"));
    }
    // Where some values of a list have a text, all of them are an enum of ours. Lists of texts are explained by the option's own.
    let values = argument.get_possible_values();
    let silent = values.iter().find(|value| value.get_help().is_none() && !value.is_hide_set());
    let some = values.iter().any(|value| value.get_help().is_some());
    silent.filter(|_| some).map(|value| format!("`{id}`: the value `{}` has no help", value.get_name()))
}

/// Files that show commands, and how many of them at least.
fn shown() -> Vec<(PathBuf, usize)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ci = ["github/pull-request.yml", "github/main.yml", "gitlab/.gitlab-ci.yml"]
        .map(|name| root.join("examples/ci").join(name));
    let mut files: Vec<(PathBuf, usize)> = ci.into_iter().zip([4, 3, 5]).collect();
    files.push((root.join("docs/guide.md"), 3));
    files.push((root.join("docs/taking-over.md"), 3));
    files.extend(
        std::fs::read_dir(root.join("examples")).unwrap().flatten().map(|entry| (entry.path().join("README.md"), 0)),
    );
    files
}

/// The words of every command line that begins with `fleetc`, comments and what a shell does with the result left out.
fn commands(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let lines =
        joined.lines().filter(|line| line.starts_with(' ')).map(|line| line.trim_start().trim_start_matches("- "));
    let lines = lines.filter_map(|line| line.trim_start_matches("run: ").strip_prefix("fleetc "));
    lines.map(words).collect()
}

fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (vec!["fleetc".to_owned()], None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '>' | '|' | ';' | '#' | '&') if word.is_none() => break,
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn commands_that_files_show_are_taken() {
    let mut wrong = Vec::new();
    for (file, least) in shown() {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let found = commands(&text);
        assert!(found.len() >= least, "{}: {} commands", file.display(), found.len());
        for words in found {
            if let Err(error) = Cli::try_parse_from(&words) {
                wrong.push(format!("{}: {}\n{error}", file.display(), words.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let strange = words("diff \"origin/$B...HEAD\" HEAD --set 'a b'=c > x.md || code=$?");
    assert_eq!(strange, ["fleetc", "diff", "origin/$B...HEAD", "HEAD", "--set", "a b=c"]);
    assert!(Cli::try_parse_from(["fleetc", "build", "--lock"]).is_err());
}
