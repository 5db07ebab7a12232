//! JSON as text: told apart from other text, compacted, escaped; never changed in meaning or digits.

use serde::de::IgnoredAny;

/// Whether a text is one JSON value, blanks around it allowed.
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// JSON without the white space between its tokens; numbers and strings stay as they are written.
pub fn compact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string {
            text.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if !c.is_ascii_whitespace() {
            text.push(c);
            in_string = c == '"';
        }
    }
    text
}

/// Appends a string as JSON, quotes included.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => &[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]],
            _ => continue,
        };
        out.extend_from_slice(&bytes[written..index]);
        out.extend_from_slice(escape);
        written = index + 1;
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compacting_leaves_strings_alone() {
        assert_eq!(compact("{ \"a b\" : \"c \\\" d\" ,\n \"e\" : 1.50 }"), "{\"a b\":\"c \\\" d\",\"e\":1.50}");
    }

    #[test]
    fn strings_are_escaped_so_that_every_parser_reads_them_back() {
        let text: String = (0..0x250).filter_map(char::from_u32).collect();
        let mut json = Vec::new();
        write_string(&text, &mut json);
        assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
    }
}
