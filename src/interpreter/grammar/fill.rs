//! Slots, replaced by what was said in them.

use serde_json::Value;

/// A meaning with its slots filled in; a field whose slot has no value is left out.
pub(in crate::interpreter) fn fill(
    meaning: &Value,
    value_of: &dyn Fn(&str) -> Option<Value>,
) -> Option<Value> {
    match meaning {
        Value::String(text) => match slot_name(text) {
            Some(name) => value_of(name),
            None if text.contains('{') => {
                // The slots are the words in braces that have a value.
                let named = text.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0));
                let slots: Vec<_> = named.filter_map(|name| Some((name, value_of(name)?))).collect();
                Some(fill_line(text, &slots)?.into())
            }
            None => Some(meaning.clone()),
        },
        Value::Object(fields) => Some(Value::Object(
            fields.iter().filter_map(|(key, field)| Some((key.clone(), fill(field, value_of)?))).collect(),
        )),
        other => Some(other.clone()),
    }
}

/// A line with its slots filled in; `None` if what was said in one of them can't be written.
pub(in crate::interpreter) fn fill_line(line: &str, slots: &[(&str, Value)]) -> Option<String> {
    let mut filled = String::with_capacity(line.len());
    let values: Vec<(String, &Value)> =
        slots.iter().map(|(name, value)| (format!("{{{name}}}"), value)).collect();
    let mut rest = line;
    // In one pass, so that what was said is never taken for a slot.
    while let Some(at) = rest.find('{') {
        filled.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((mention, value)) = values.iter().find(|(mention, _)| rest.starts_with(mention)) {
            match value {
                Value::String(text) => filled.push_str(text),
                Value::Object(fields) => filled.push_str(fields.get("char")?.as_str()?),
                other => filled.push_str(&other.to_string()),
            }
            rest = &rest[mention.len()..];
        } else {
            filled.push('{');
            rest = &rest[1..];
        }
    }
    filled.push_str(rest);
    Some(filled)
}

pub(super) fn mentions(meaning: &Value, name: &str) -> bool {
    match meaning {
        Value::String(text) => text.contains(&format!("{{{name}}}")),
        Value::Object(fields) => fields.values().any(|field| mentions(field, name)),
        _ => false,
    }
}

fn slot_name(text: &str) -> Option<&str> {
    text.strip_prefix('{')?.strip_suffix('}')
}
