//! Many devices from a CSV or YAML file, or everything that is wrong with it.

use std::collections::HashMap;

use super::Device;
use super::device::{id_problem, owner_problem};
use super::document::BYTE_ORDER_MARK;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `id,owner` a line; the owner, a heading and comments with `#` are optional.
    Csv,
    /// A list of `{id, owner}`, alone or below `devices`, as in a stack file.
    Yaml,
}

/// Reads devices.
///
/// # Errors
/// Every problem, one a line, with the line or the number of the entry.
pub fn read(text: &str, format: Format) -> Result<Vec<Device>, Vec<String>> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let entries = match format {
        Format::Csv => from_csv(text),
        Format::Yaml => from_yaml(text),
    };
    let mut problems = Vec::new();
    let mut devices = Vec::new();
    let mut seen: HashMap<String, String> = HashMap::new();
    for (place, entry) in entries {
        let checked = entry.and_then(check);
        match checked {
            Err(problem) => problems.push(format!("{place}: {problem}")),
            Ok(device) => match seen.insert(device.id.clone(), place.clone()) {
                Some(first) => problems.push(format!("{place}: {} appears twice: also {first}", device.id)),
                None => devices.push(device),
            },
        }
    }
    if problems.is_empty() && devices.is_empty() {
        problems.push("no devices in it".to_owned());
    }
    if problems.is_empty() { Ok(devices) } else { Err(problems) }
}

/// Whether a device may be called and owned so.
///
/// # Errors
/// Why not, in words.
pub fn check(device: Device) -> Result<Device, String> {
    if let Some(problem) = id_problem(&device.id) {
        return Err(format!("{:?} is not a valid device id: {problem}", device.id));
    }
    if let Some((owner, problem)) = device.owner.as_ref().and_then(|owner| Some((owner, owner_problem(owner)?))) {
        return Err(format!("{owner:?} is not a valid user id: {problem}"));
    }
    Ok(device)
}

type Entry = (String, Result<Device, String>);

fn from_csv(text: &str) -> Vec<Entry> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut entries = Vec::new();
    for record in reader.records() {
        let line = match &record {
            Ok(record) => record.position().map(csv::Position::line),
            Err(error) => error.position().map(csv::Position::line),
        };
        let place = format!("line {}", line.unwrap_or(0));
        let entry = record.map_err(|error| error.to_string()).and_then(|record| match record.len() {
            1 => Ok(device(&record[0], "")),
            2 => Ok(device(&record[0], &record[1])),
            many => Err(format!("{many} columns; expected id,owner")),
        });
        let is_heading = entries.is_empty() && entry.as_ref().is_ok_and(|device| device.id == "id");
        if !is_heading {
            entries.push((place, entry));
        }
    }
    entries
}

fn device(id: &str, owner: &str) -> Device {
    Device { id: id.to_owned(), owner: Some(owner).filter(|owner| !owner.is_empty()).map(str::to_owned) }
}

fn from_yaml(text: &str) -> Vec<Entry> {
    let whole = "the file".to_owned();
    let value: serde_yaml::Value = match serde_yaml::from_str(text) {
        Ok(value) => value,
        Err(error) => return vec![(whole, Err(error.to_string()))],
    };
    let list = value.get("devices").unwrap_or(&value);
    let Some(items) = list.as_sequence() else {
        return vec![(whole, Err("expected a list of {id, owner}".to_owned()))];
    };
    let entry = |(index, item): (usize, &serde_yaml::Value)| {
        let device = serde_yaml::from_value::<Device>(item.clone());
        (format!("device {}", index + 1), device.map_err(|error| error.to_string()))
    };
    items.iter().enumerate().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str, format: Format) -> Vec<(String, Option<String>)> {
        read(text, format).unwrap().into_iter().map(|device| (device.id, device.owner)).collect()
    }

    #[test]
    fn csv_and_yaml_mean_the_same() {
        let expected = [("a-1".to_owned(), Some("u-1".to_owned())), ("a-2".to_owned(), None)];
        assert_eq!(ids("id,owner\na-1,u-1\na-2,\n", Format::Csv), expected);
        assert_eq!(ids("\u{feff}id,owner\r\na-1,u-1\r\na-2,\r\n", Format::Csv), expected, "as spreadsheets save it");
        assert_eq!(ids("# ours\n a-1 , u-1\n\na-2\n", Format::Csv), expected);
        assert_eq!(ids("- {id: a-1, owner: u-1}\n- {id: a-2}\n", Format::Yaml), expected);
        assert_eq!(ids("devices:\n  - {id: a-1, owner: u-1}\n  - {id: a-2}\n", Format::Yaml), expected);
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        let problems = read("id,owner\na b,u\nx,u+\nx\ny\nx\na,b,c\n", Format::Csv).unwrap_err();
        let expected = [
            "line 2: \"a b\" is not a valid device id: it must not contain blanks, control characters, or any of / + # \
             : %",
            "line 3: \"u+\" is not a valid user id: it must not contain blanks, control characters, or any of / + # : \
             %",
            "line 6: x appears twice: also line 4",
            "line 7: 3 columns; expected id,owner",
        ];
        assert_eq!(problems, expected);
        assert_eq!(read("", Format::Csv).unwrap_err(), ["no devices in it"]);
        assert_eq!(read("a: b", Format::Yaml).unwrap_err(), ["the file: expected a list of {id, owner}"]);
        let reserved = read("- {id: sos_service}\n- {id: a, ownr: b}", Format::Yaml).unwrap_err();
        assert_eq!(reserved[0], "device 1: \"sos_service\" is not a valid device id: it is reserved");
        assert!(reserved[1].starts_with("device 2: unknown field `ownr`"), "{reserved:?}");
    }
}
