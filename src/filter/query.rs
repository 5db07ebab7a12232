//! jq expressions, through jaq.

use jaq_core::data::JustLut;
use jaq_core::load::{self, Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, unwrap_valr};
use jaq_json::{Val, read};

use super::caret::point;
use crate::failure::Failure;

const REMEDY: &str = "it is a jq expression, such as '.value.type == \"MEDICAL\"'";

/// A compiled expression.
pub struct Query {
    filter: Filter<JustLut<Val>>,
    text: String,
}

/// Where an expression is wrong, in bytes from its beginning, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub offset: usize,
    pub problem: String,
}

impl Query {
    /// `option` is how the user named it.
    ///
    /// # Errors
    /// [`Failure::Usage`] with a caret where the expression is wrong.
    pub fn compile(option: &str, text: &str) -> Result<Self, Failure> {
        Self::with_variables(text, &[]).map_err(|wrong| point(option, text, wrong.offset, &wrong.problem, REMEDY))
    }

    /// An expression that may use variables, which are named with their `$`.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn with_variables(text: &str, variables: &[&str]) -> Result<Self, Wrong> {
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let arena = Arena::default();
        let loaded = Loader::new(definitions).load(&arena, File { code: text, path: () });
        let modules = loaded.map_err(|errors| {
            let (offset, problem) =
                errors.first().map_or((0, "it cannot be read".to_owned()), |(_, error)| read_error(text, error));
            Wrong { offset, problem }
        })?;
        let compiler = Compiler::default().with_funs(functions).with_global_vars(variables.iter().copied());
        let filter = compiler.compile(modules).map_err(|errors| {
            let first = errors.iter().flat_map(|(_, undefined)| undefined).next();
            let (offset, problem) = first.map_or((0, "it cannot be compiled".to_owned()), |(name, kind)| {
                (offset(text, name), format!("there is no {} {name}", kind.as_str()))
            });
            Wrong { offset, problem }
        })?;
        Ok(Self { filter, text: text.to_owned() })
    }

    /// Its only result over a JSON text, as JSON; the values of its variables are those of a JSON array.
    ///
    /// # Errors
    /// Why there is none, or that there are more.
    pub fn value(&self, json: &[u8], variables: &[u8]) -> Result<Vec<u8>, String> {
        let variables = match read::parse_single(variables) {
            Ok(Val::Arr(values)) => values.to_vec(),
            _ => return Err("its variables are not a JSON array".to_owned()),
        };
        let mut result = None;
        let more = self.run_with(json, variables, |value| result.replace(value.to_string()).is_some())?;
        match result {
            None => Err("it gives no value".to_owned()),
            Some(_) if more => Err("it gives more than one value".to_owned()),
            Some(value) => Ok(value.into_bytes()),
        }
    }

    /// Whether any of its results over a JSON text is neither false nor null.
    ///
    /// # Errors
    /// Why it cannot be applied to this text.
    pub fn is_true(&self, json: &[u8]) -> Result<bool, String> {
        self.run(json, |value| !matches!(value, Val::Null | Val::Bool(false)))
    }

    /// Its first result over a JSON text, as text: strings as they are, anything else as JSON.
    ///
    /// # Errors
    /// Why there is none.
    pub fn text(&self, json: &[u8]) -> Result<String, String> {
        let mut text = None;
        self.run(json, |value| {
            text = match value {
                Val::Null => None,
                Val::TStr(bytes) | Val::BStr(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
                other => Some(other.to_string()),
            };
            true
        })?;
        text.ok_or_else(|| format!("{} gives nothing", self.text))
    }

    /// Until a result is enough; whether one was.
    fn run(&self, json: &[u8], enough: impl FnMut(&Val) -> bool) -> Result<bool, String> {
        self.run_with(json, Vec::new(), enough)
    }

    fn run_with(&self, json: &[u8], variables: Vec<Val>, mut enough: impl FnMut(&Val) -> bool) -> Result<bool, String> {
        let input = read::parse_single(json).map_err(|error| format!("not JSON: {error}"))?;
        let context = Ctx::<JustLut<Val>>::new(&self.filter.lut, Vars::new(variables));
        for result in self.filter.id.run((context, input)).map(unwrap_valr) {
            if enough(&result.map_err(|error| error.to_string())?) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn read_error(text: &str, error: &load::Error<&str>) -> (usize, String) {
    let words = |expected: &str, found: &str| match found {
        "" => format!("{expected} is missing at the end"),
        found => format!("expected {expected} instead of {}", first_word(found)),
    };
    match error {
        load::Error::Lex(errors) => {
            errors.first().map(|(expected, found)| (offset(text, found), words(expected.as_str(), found)))
        }
        load::Error::Parse(errors) => {
            errors.first().map(|(expected, found)| (offset(text, found), words(expected.as_str(), found)))
        }
        load::Error::Io(errors) => errors.first().map(|(name, problem)| (offset(text, name), problem.clone())),
    }
    .unwrap_or((0, "it cannot be read".to_owned()))
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or(text)
}

/// The offset of a part of the expression; for anything else, the end of the expression.
fn offset(text: &str, part: &str) -> usize {
    let distance = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
    distance.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::Query;

    fn words(text: &str) -> String {
        Query::compile("--where", text).err().unwrap().to_string()
    }

    #[test]
    fn a_bad_expression_is_pointed_at() {
        assert_eq!(
            words(".value.type = = 1"),
            "--where: expected term instead of =\n  .value.type = = 1\n                ^"
        );
        assert_eq!(
            words(".value | nonsense"),
            "--where: there is no filter nonsense\n  .value | nonsense\n           ^"
        );
        assert!(words(".value |").contains("missing at the end\n  .value |\n          ^"), "{}", words(".value |"));
        assert!(words("(.value").contains("\n  (.value\n"), "{}", words("(.value"));
        assert!(words("").contains('^'));
    }

    #[test]
    fn an_expression_chooses() {
        let query = Query::compile("--where", r#".value.type == "MEDICAL" and (.value.n > 3)"#).unwrap();
        assert_eq!(query.is_true(br#"{"value":{"type":"MEDICAL","n":12345678901234567890}}"#), Ok(true));
        assert_eq!(query.is_true(br#"{"value":{"type":"FIRE"}}"#), Ok(false));
        assert!(query.is_true(br#"{"value":"text"}"#).is_err());
        let any = Query::compile("--where", r#".headers[]? | .name == "source""#).unwrap();
        assert_eq!(any.is_true(br#"{"headers":[{"name":"a"},{"name":"source"}]}"#), Ok(true));
        assert_eq!(any.is_true(b"{}"), Ok(false));
        let regex = Query::compile("--where", r#".value | test("fall"; "i")"#).unwrap();
        assert_eq!(regex.is_true(br#"{"value":"A Fall"}"#), Ok(true));
    }

    #[test]
    fn variables_are_at_hand_and_one_value_comes_of_it() {
        let query = Query::with_variables("{owner: $owner, n: .n}", &["$device", "$owner"]).unwrap();
        let value = |query: &Query, json: &str| query.value(json.as_bytes(), br#"["d-1","u-1"]"#);
        let mapped = value(&query, r#"{"n":12345678901234567890.10}"#).unwrap();
        assert_eq!(String::from_utf8(mapped).unwrap(), r#"{"owner":"u-1","n":12345678901234567890.10}"#);
        let words = |text: &str| value(&Query::with_variables(text, &["$a", "$b"]).unwrap(), "[1,2]").unwrap_err();
        assert_eq!(words("empty"), "it gives no value");
        assert_eq!(words(".[]"), "it gives more than one value");
        let wrong = Query::with_variables(". + $ownr", &["$owner"]).err().unwrap();
        assert_eq!((wrong.offset, wrong.problem.as_str()), (4, "there is no variable $ownr"));
    }

    #[test]
    fn a_key_is_taken_out_of_a_payload() {
        let query = Query::compile("--key-from", ".deviceId").unwrap();
        assert_eq!(query.text(br#"{"deviceId":"d-1"}"#).unwrap(), "d-1");
        assert_eq!(query.text(br#"{"deviceId":17}"#).unwrap(), "17");
        assert!(query.text(b"{}").unwrap_err().contains(".deviceId gives nothing"));
        assert!(query.text(b"nonsense").unwrap_err().contains("not JSON"));
    }
}
