//! Values of YAML as values of CEL, as an API server makes them of JSON: numbers that fit are whole ones, the others fractions; keys are texts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cel::ExecutionError;
use cel::common::traits::{self, Container, Indexer, Iterable, Sizer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey as Key, CelNull, CelString, MAP_TYPE, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};

use super::{Failure, address, quantity, semver, url};
use crate::k8s::gaps::{Gaps, Why};
use crate::yaml::sigs::key_text;
use crate::yaml::{Node, Number, Tag, View};

/// A value of YAML.
pub(super) fn of_node<'v>(node: &Node) -> Box<dyn Val + 'v> {
    match node.view() {
        View::Scalar(Tag::Null, _) => Box::new(CelNull),
        View::Scalar(Tag::Bool, _) => Box::new(CelBool::from(node.as_bool().unwrap_or_default())),
        View::Scalar(Tag::Int | Tag::Float, text) => match node.number() {
            Some(Number::Int(value)) => Box::new(CelInt::from(value)),
            Some(Number::Float(value)) if value.fract() == 0.0 && value.abs() < 9e18 => {
                // JSON has one kind of number: Go prints 1.0 as 1, and reads a whole one.
                #[expect(clippy::cast_possible_truncation, reason = "in range and without a fraction")]
                Box::new(CelInt::from(value as i64))
            }
            Some(number) => Box::new(CelDouble::from(number.as_f64())),
            None => Box::new(CelString::from(text.to_owned())),
        },
        View::Scalar(_, text) => Box::new(CelString::from(text.to_owned())),
        View::Seq(items) => Box::new(CelList::from(items.iter().map(of_node).collect::<Vec<_>>())),
        View::Map(map) => Box::new(map_of(map.iter().map(|(key, value)| (key_text(key).into_owned(), of_node(value))))),
    }
}

/// A map of CEL.
pub(super) fn map_of<'v>(entries: impl Iterator<Item = (String, Box<dyn Val + 'v>)>) -> CelMap<'v> {
    #[expect(clippy::disallowed_types, reason = "the crate's map is made of it; its order shows in no verdict")]
    let map: std::collections::HashMap<Key<'v>, Box<dyn Val + 'v>> =
        entries.map(|(key, value)| (Key::from(key), value)).collect();
    CelMap::from(map)
}

/// A value of which some is not known.
pub(super) fn partly(node: &Node, gaps: Option<&Gaps>, deep: Option<Why>, touched: &Touched) -> Box<dyn Val> {
    let deep = gaps.and_then(|gaps| gaps.deep).or(deep);
    if deep.is_none() && gaps.is_none_or(Gaps::is_empty) {
        return of_node(node);
    }
    let below = |step: &str| gaps.and_then(|gaps| gaps.below(step));
    match node.view() {
        View::Scalar(..) => of_node(node),
        View::Seq(items) => {
            let items = items.iter().enumerate();
            let made = items.map(|(at, item)| partly(item, below(&at.to_string()), deep, touched));
            Box::new(CelList::from(made.collect::<Vec<_>>()))
        }
        View::Map(map) => {
            let mut slots = Slots::new(touched);
            slots.others = gaps.and_then(|gaps| gaps.others).or(deep);
            for (key, value) in map.iter() {
                let name = key_text(key);
                // A server leaves out what is empty, or does not, by its kind.
                let value = match deep {
                    Some(why) if is_empty(value) => Err(Failure::Undecided(why.to_owned())),
                    _ => Ok(partly(value, below(&name), deep, touched)),
                };
                slots.set(&name, value);
            }
            for (name, why) in gaps.into_iter().flat_map(Gaps::unknown) {
                slots.set(name, Err(Failure::Undecided(format!("`{name}` is not known here: {why}"))));
            }
            Box::new(slots)
        }
    }
}

fn is_empty(node: &Node) -> bool {
    match node.view() {
        View::Scalar(Tag::Int | Tag::Float, _) => node.number().is_some_and(|number| number.as_f64() == 0.0),
        View::Scalar(Tag::Bool, _) => node.as_bool() == Some(false),
        View::Scalar(_, text) => node.is_null() || text.is_empty(),
        View::Seq(items) => items.is_empty(),
        View::Map(map) => map.is_empty(),
    }
}

/// What an evaluation looked at that is not known: the first, and whether the answer may come from a guess of the interpreter, which asks
/// some things without room for "not known".
#[derive(Clone, Debug, Default)]
pub(super) struct Touched(Arc<Mutex<Option<(String, bool)>>>);

impl Touched {
    pub(super) fn note(&self, why: &str, guessed: bool) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = noted.get_or_insert_with(|| (why.to_owned(), false));
        known.1 |= guessed;
    }

    /// What was noted, which is forgotten.
    pub(super) fn take(&self) -> Option<(String, bool)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A map of which some could not be had: asking for that fails as it failed.
#[derive(Debug, Default)]
pub(super) struct Slots {
    entries: BTreeMap<String, Result<Box<dyn Val>, Failure>>,
    /// The keys of what is there, to be gone through.
    keys: Vec<CelString<'static>>,
    /// Why there may be others.
    others: Option<Why>,
    touched: Touched,
}

impl Val for Slots {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn equals(&self, other: &dyn Val) -> bool {
        self.whole();
        other.downcast_ref::<Slots>().is_some_and(|other| self == other)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn std::any::Any> {
        Some(self)
    }
}

impl StaticVal for Slots {}

impl Slots {
    pub(super) fn new(touched: &Touched) -> Slots {
        Slots { touched: touched.clone(), ..Slots::default() }
    }

    /// Adds a value, or why there is none.
    pub(super) fn set(&mut self, name: &str, value: Result<Box<dyn Val>, Failure>) {
        let known = value.is_ok();
        if self.entries.insert(name.to_owned(), value).is_some_and(|old| old.is_ok()) {
            self.keys.retain(|key| key.inner() != name);
        }
        if known {
            self.keys.push(CelString::from(name.to_owned()));
        }
    }

    fn find(&self, name: &dyn Val) -> Result<&(dyn Val + 'static), ExecutionError> {
        let name: Option<&CelString<'_>> = name.downcast_ref();
        let name = name.map(CelString::inner).unwrap_or_default();
        let unknown = |why: &str| {
            self.touched.note(why, false);
            ExecutionError::function_error(MARK, why)
        };
        match self.entries.get(name) {
            Some(Ok(value)) => Ok(value.as_ref()),
            Some(Err(Failure::Undecided(why))) => Err(unknown(why)),
            Some(Err(Failure::Error(why))) => Err(ExecutionError::function_error(name, why)),
            None => match self.others {
                Some(why) => Err(unknown(&format!("`{name}` is not known here: {why}"))),
                None => Err(ExecutionError::no_such_key(name)),
            },
        }
    }

    /// Notes that all of it is looked at.
    fn whole(&self) {
        let why = self.entries.values().find_map(|entry| match entry {
            Err(Failure::Undecided(why)) => Some(why.as_str()),
            _ => None,
        });
        if let Some(why) = why.or(self.others) {
            self.touched.note(why, true);
        }
    }
}

/// What failures over something unknown are told by.
pub(super) const MARK: &str = "@unknown";

impl Clone for Slots {
    fn clone(&self) -> Self {
        let entries = self.entries.iter().map(|(name, value)| {
            let value = match value {
                Ok(value) => Ok(value.clone_as_boxed()),
                Err(failure) => Err(failure.clone()),
            };
            (name.clone(), value)
        });
        Slots {
            entries: entries.collect(),
            keys: self.keys.clone(),
            others: self.others,
            touched: self.touched.clone(),
        }
    }
}

impl PartialEq for Slots {
    fn eq(&self, other: &Slots) -> bool {
        self.whole();
        other.whole();
        let same = |(name, value): (&String, &Result<Box<dyn Val>, Failure>)| match (value, other.entries.get(name)) {
            (Ok(one), Some(Ok(two))) => one.equals(two.as_ref()),
            _ => false,
        };
        self.entries.len() == other.entries.len() && self.entries.iter().all(same)
    }
}

impl Indexer for Slots {
    fn get<'b, 'v>(&'b self, name: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.find(name).map(CowVal::Borrowed)
    }

    fn steal<'v>(self: Box<Self>, name: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        self.find(name).map(|value| value.clone_as_boxed())
    }
}

impl Container for Slots {
    fn contains(&self, name: &dyn Val) -> Result<bool, ExecutionError> {
        match self.find(name) {
            Ok(_) => Ok(true),
            Err(ExecutionError::NoSuchKey(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Sizer for Slots {
    fn size(&self) -> CelInt {
        self.whole();
        CelInt::from(i64::try_from(self.keys.len()).unwrap_or(i64::MAX))
    }
}

impl Iterable for Slots {
    fn iter<'b, 'v>(&'b self) -> Box<dyn traits::Iterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        self.whole();
        Box::new(Keys(self.keys.iter()))
    }
}

struct Keys<'b>(std::slice::Iter<'b, CelString<'static>>);

impl<'b, 'v> traits::Iterator<'b, 'v> for Keys<'b> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|key| key as &(dyn Val + 'v))
    }
}

/// A copy that outlives what it was made of; none of what has no copy.
pub(super) fn copied(value: &dyn Val) -> Option<Box<dyn Val>> {
    if let Some(slots) = value.downcast_ref::<Slots>() {
        return Some(Box::new(slots.clone()));
    }
    if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        let items: Option<Vec<_>> = list.inner().iter().map(|item| copied(item.as_ref())).collect();
        return items.map(|items| Box::new(CelList::from(items)) as Box<dyn Val>);
    }
    if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        let entry = |key: &Key<'_>, value: &dyn Val| {
            let key: &CelString<'_> = key.inner().downcast_ref()?;
            Some((key.inner().to_owned(), copied(value)?))
        };
        let entries: Option<Vec<_>> = map.inner().iter().map(|(key, value)| entry(key, value.as_ref())).collect();
        if let Some(entries) = entries {
            return Some(Box::new(map_of(entries.into_iter())));
        }
    }
    let own = quantity::kept(value).or_else(|| address::kept(value)).or_else(|| url::kept(value));
    let plain = || cel::Value::try_from(value).ok().and_then(|value| Box::<dyn Val>::try_from(value).ok());
    own.or_else(|| semver::kept(value)).or_else(plain)
}
