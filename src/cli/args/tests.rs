//! What all arguments must have: a help text, and names that contradict nothing.

use clap::{Arg, Command, CommandFactory as _};

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
