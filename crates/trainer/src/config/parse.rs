//! TOML text to settings of any type, with errors that name line, key and nearest name.
//!
//! Serde tells what is wrong inside a `[[layer]]` only with the place of its header, because it reads the table before it knows the
//! kind. So the entry is looked for: it is the one that the message speaks of and without which there is another message,
//! the same one of another table, or none.

use serde::de::{DeserializeOwned, Unexpected};
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

/// Entries looked at for one fault; bounds the time for a file that repeats a name without end.
const MAX_SUSPECTS: usize = 64;

/// The settings, or what is wrong with the text.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let table = DeTable::parse(text).map_err(|error| at(text, start(&error), error.message()))?;
    T::deserialize(Deserializer::from(table.clone())).map_err(|error| explain::<T>(text, &table, &error))
}

/// An entry of a table or of an array, with the way to it.
struct Entry<'t> {
    path: Vec<Step>,
    /// The key, or that of the array it is in, and where the key is; an entry of an array is where its value is.
    key: &'t str,
    key_start: usize,
    value: &'t DeValue<'t>,
    value_start: usize,
    value_end: usize,
}

#[derive(Clone)]
enum Step {
    Key(String),
    Index(usize),
}

fn explain<T: DeserializeOwned>(text: &str, table: &Spanned<DeTable<'_>>, error: &Error) -> String {
    let message = error.message();
    let mut entries = Vec::new();
    collect_table(table.get_ref(), &[], &mut entries);
    let culprits = |speaks_of: &dyn Fn(&Entry<'_>) -> bool| {
        // From the last one: serde stops at the first fault, so that a change behind it shows in no message.
        entries.iter().rev().filter(|entry| speaks_of(entry)).take(MAX_SUSPECTS).find(|entry| {
            let without = without(table, &entry.path);
            let other = T::deserialize(Deserializer::from(without)).err();
            // The same fault in a later table has the same message, but another place.
            other.is_none_or(|other| other.message() != message || other.span() != error.span())
        })
    };
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") || message.starts_with("unknown variant") {
        let name = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.clone().collect();
        let hint = hint(name, &known);
        if let Some(entry) = culprits(&|entry| matches!(entry.path.last(), Some(Step::Key(key)) if key == name)) {
            return at(text, entry.key_start, &format!("unknown key `{name}`; {hint}"));
        }
        if let Some(entry) = culprits(&|entry| entry.value.as_str() == Some(name)) {
            return at(text, entry.value_start, &format!("unknown value \"{name}\" of `{}`; {hint}", entry.key));
        }
    }
    if let Some((found, expected)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "))
        .and_then(|rest| rest.rsplit_once(", expected "))
        && let Some(entry) = culprits(&|entry| unexpected(entry.value).is_some_and(|value| value == found))
    {
        let expected = in_words(expected);
        return at(
            text,
            entry.value_start,
            &format!("the value of `{}` must be {expected}, but is {found}", entry.key),
        );
    }
    if message.starts_with("missing field")
        && let Some(missing) = quoted.next()
    {
        let keys: Vec<&str> = keys_of(table, &entries, error).collect();
        let meant = nearest(missing, &keys).map(|key| format!("; is `{key}` meant to be it?")).unwrap_or_default();
        return at(text, start(error), &format!("the key `{missing}` is missing{meant}"));
    }
    // What remains comes from checks of single values, which have a place of their own.
    let of = entries
        .iter()
        .rev()
        .find(|entry| error.span().is_some_and(|span| span == (entry.value_start..entry.value_end)));
    match of {
        Some(entry) => at(text, start(error), &format!("the value of `{}`: {message}", entry.key)),
        None => at(text, start(error), message),
    }
}

/// The keys of the table that an error is about.
fn keys_of<'t>(
    table: &'t Spanned<DeTable<'t>>,
    entries: &'t [Entry<'t>],
    error: &Error,
) -> impl Iterator<Item = &'t str> {
    let inner = entries.iter().find_map(|entry| match entry.value {
        DeValue::Table(inner) if error.span() == Some(entry.value_start..entry.value_end) => Some(inner),
        _ => None,
    });
    inner.unwrap_or(table.get_ref()).keys().map(|key| key.get_ref().as_ref())
}

fn collect_table<'t>(table: &'t DeTable<'t>, path: &[Step], entries: &mut Vec<Entry<'t>>) {
    for (key, value) in table {
        let path = [path, &[Step::Key(key.get_ref().to_string())]].concat();
        collect_value(key.get_ref(), key.span().start, value, path, entries);
    }
}

fn collect_value<'t>(
    key: &'t str,
    key_start: usize,
    value: &'t Spanned<DeValue<'t>>,
    path: Vec<Step>,
    entries: &mut Vec<Entry<'t>>,
) {
    let span = value.span();
    let entry = Entry {
        path: path.clone(),
        key,
        key_start,
        value: value.get_ref(),
        value_start: span.start,
        value_end: span.end,
    };
    entries.push(entry);
    match value.get_ref() {
        DeValue::Table(inner) => collect_table(inner, &path, entries),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = [&path[..], &[Step::Index(index)]].concat();
                collect_value(key, item.span().start, item, path, entries);
            }
        }
        _ => {}
    }
}

/// The table without the entry at `path`, or with another value there if that is in an array.
fn without<'t>(table: &Spanned<DeTable<'t>>, path: &[Step]) -> Spanned<DeTable<'t>> {
    let mut copy = table.clone();
    if let [Step::Key(key), rest @ ..] = path {
        remove(copy.get_mut(), key, rest);
    }
    copy
}

fn remove(table: &mut DeTable<'_>, key: &str, rest: &[Step]) {
    if rest.is_empty() {
        table.remove(key);
    } else if let Some(value) = table.get_mut(key) {
        change(value.get_mut(), rest);
    }
}

fn change(value: &mut DeValue<'_>, path: &[Step]) {
    match (value, path) {
        (DeValue::Table(table), [Step::Key(key), rest @ ..]) => remove(table, key, rest),
        // An array has no gaps; this word is no value of any setting.
        (value, []) => *value = DeValue::String("\0".into()),
        (DeValue::Array(items), [Step::Index(index), rest @ ..]) => {
            if let Some(item) = items.get_mut(*index) {
                change(item.get_mut(), rest);
            }
        }
        _ => {}
    }
}

/// How serde calls a value in "invalid type: …".
fn unexpected(value: &DeValue<'_>) -> Option<String> {
    let unexpected = match value {
        DeValue::String(text) => Unexpected::Str(text),
        DeValue::Integer(number) => Unexpected::Signed(i64::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => Unexpected::Float(number.as_str().parse().ok()?),
        DeValue::Boolean(value) => Unexpected::Bool(*value),
        DeValue::Array(_) => Unexpected::Seq,
        DeValue::Table(_) => Unexpected::Map,
        DeValue::Datetime(_) => return None,
    };
    Some(unexpected.to_string())
}

/// What is expected, for readers who do not write Rust.
fn in_words(expected: &str) -> &str {
    match expected {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number of 0 or more",
        "isize" | "i64" | "i32" => "a whole number",
        "f64" | "f32" => "a number",
        "a string" | "string" => "a word in quotes",
        "a boolean" | "bool" => "true or false",
        "a sequence" => "a list in brackets",
        other => other,
    }
}

fn hint(name: &str, known: &[&str]) -> String {
    let meant = nearest(name, known).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    match known {
        [] => "none is known here".to_owned(),
        _ => format!("{meant}known here are {}", known.join(", ")),
    }
}

/// The name most like `name`, if one is like it.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let similarity = |known: &str| {
        // The second finds letters that changed places in short names.
        strsim::jaro_winkler(known, name).max(strsim::normalized_damerau_levenshtein(known, name))
    };
    let similar = known.iter().map(|known| (similarity(known), *known));
    similar.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(similarity, _)| *similarity > 0.66).map(|(_, known)| known)
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// `message` with the line, from 1, that a byte of the text is on.
fn at(text: &str, offset: usize, message: &str) -> String {
    let newlines = text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
    format!("line {}: {message}", newlines + 1)
}

#[cfg(test)]
mod tests;
