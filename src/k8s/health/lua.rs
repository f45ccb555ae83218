//! One run of a health script in a Lua state of its own.
//!
//! Argo CD runs Lua 5.1 with a goto (gopher-lua); here it is 5.2 with what 5.1 had and 5.2 has not (`table.getn`, `unpack`). There is the
//! base library without `load`, `dofile`, `require` and `print`; `table`; with open libraries `string` and `math` (without `random`).
//! `os.time` takes a date table; asked for the present time it refuses, as the core has no clock. `pairs` and `next` go in order of the
//! keys (numbers, then strings by bytes), and `tostring` shows no addresses, so equal objects give equal answers.
//!
//! A run may take [`INSTRUCTIONS`] and [`MEMORY`]; Argo CD gives it one second. Patterns are matched inside one instruction, so their
//! subject and their number of repetitions are bounded as well.

use mlua::{HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState};

use super::scripts::Script;
use super::{Answer, Status};
use crate::yaml::{Node, Tag, View};

/// Instructions of a run. A health script takes a few hundred; a second of gopher-lua is about this many.
const INSTRUCTIONS: u32 = 20_000_000;
/// How often the count is looked at.
const STEP: u32 = 10_000;
/// Bytes that a run may hold.
const MEMORY: usize = 64 << 20;

/// What a script says of an object; `None` where it returns nothing, an empty table, or fields of other types than texts: for Argo CD, too,
/// that is no health.
pub(super) fn run(script: &Script, object: &Node) -> Result<Option<Answer>, String> {
    let outcome = answer_of(script, object);
    outcome.map_err(|error| format!("the health script failed: {}", first_line(&error)))
}

/// The message of an error without the stack that Lua adds.
fn first_line(error: &mlua::Error) -> String {
    let mut error = error;
    while let mlua::Error::CallbackError { cause, .. } = error {
        error = cause;
    }
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

fn answer_of(script: &Script, object: &Node) -> mlua::Result<Option<Answer>> {
    let mut libraries = StdLib::TABLE;
    if script.open_libs {
        libraries |= StdLib::STRING | StdLib::MATH;
    }
    let lua = Lua::new_with(libraries, LuaOptions::default())?;
    lua.set_memory_limit(MEMORY)?;
    lua.load(PRELUDE).set_name("=prelude").exec()?;
    lua.globals().set("obj", value_of(&lua, object)?)?;
    lua.globals().set("actionParams", lua.create_table()?)?;
    limit(&lua)?;
    let mut returned: MultiValue = lua.load(script.text.as_str()).set_name("=health.lua").call(())?;
    // As gopher-lua: what is on top of the stack, the last of several values.
    match returned.pop_back().unwrap_or(Value::Nil) {
        Value::Nil => Ok(None),
        Value::Table(table) => read(&table),
        other => {
            let message = format!("expect table output from Lua script, not {}", other.type_name());
            Err(mlua::Error::runtime(message))
        }
    }
}

/// Ends a run that takes too long. A `pcall` of the script catches the error; from then on every instruction raises it again, so that no loop
/// around the `pcall` goes on.
fn limit(lua: &Lua) -> mlua::Result<()> {
    let left = std::cell::Cell::new(INSTRUCTIONS);
    let stop = || Err(mlua::Error::runtime(format!("it took more than {INSTRUCTIONS} instructions")));
    lua.set_hook(HookTriggers::new().every_nth_instruction(STEP), move |lua, _| {
        left.set(left.get().saturating_sub(STEP));
        if left.get() > 0 {
            return Ok(VmState::Continue);
        }
        lua.set_hook(HookTriggers::new().every_nth_instruction(1), move |_, _| stop())?;
        stop()
    })
}

/// Null is nil, and a null item of a list is left out, as gopher-lua's append does.
fn value_of(lua: &Lua, node: &Node) -> mlua::Result<Value> {
    Ok(match node.view() {
        View::Map(map) => {
            let table = lua.create_table_with_capacity(0, map.len())?;
            for (key, value) in map.iter() {
                table.raw_set(key.text().unwrap_or_default(), value_of(lua, value)?)?;
            }
            Value::Table(table)
        }
        View::Seq(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for item in items.iter().filter(|item| !item.is_null()) {
                table.raw_push(value_of(lua, item)?)?;
            }
            Value::Table(table)
        }
        View::Scalar(Tag::Null, _) => Value::Nil,
        View::Scalar(Tag::Bool, _) => Value::Boolean(node.as_bool().unwrap_or(false)),
        View::Scalar(Tag::Int | Tag::Float, text) => match node.number() {
            Some(number) => Value::Number(number.as_f64()),
            None => Value::String(lua.create_string(text)?),
        },
        View::Scalar(_, text) => Value::String(lua.create_string(text)?),
    })
}

/// A returned table as Go's encoding/json would read it: keys in any case, other keys skipped.
fn read(table: &Table) -> mlua::Result<Option<Answer>> {
    if table.raw_len() > 0 || table.is_empty() {
        return Ok(None);
    }
    let (mut status, mut message) = (String::new(), String::new());
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Value::String(key) = key else {
            return Err(mlua::Error::runtime("cannot encode mixed or invalid key types"));
        };
        let key = key.to_string_lossy().to_lowercase();
        let field = match key.as_str() {
            "status" => &mut status,
            "message" => &mut message,
            _ => continue,
        };
        match value {
            Value::String(text) => *field = text.to_string_lossy(),
            _ => return Ok(None),
        }
    }
    Ok(Some(match Status::parse(&status) {
        Some(status) => (status, message),
        None => (Status::Unknown, "Lua returned an invalid health status".to_owned()),
    }))
}

/// What makes a Lua state the one that scripts expect, and keeps them inside.
const PRELUDE: &str = include_str!("prelude.lua");
