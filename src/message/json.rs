//! JSON as text: told apart from other text, compacted, escaped; never changed in meaning or digits.

/// How deep a text may be nested to be taken for JSON; parsers have such limits, too.
const DEPTH: u32 = 100;

/// Whether a text is one JSON value by RFC 8259, blanks around it allowed. Every message is asked, so
/// nothing is allocated.
pub fn is_json(text: &str) -> bool {
    let mut scan = Scan { bytes: text.as_bytes(), at: 0 };
    scan.value().is_some() && scan.at == scan.bytes.len()
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    /// One value with the blanks around it; None when it is not well-formed.
    fn value(&mut self) -> Option<()> {
        // One bit for each open bracket: whether it is an object's.
        let (mut open, mut depth) = (0_u128, 0);
        loop {
            self.blanks();
            match self.next()? {
                bracket @ (b'{' | b'[') => {
                    let is_object = bracket == b'{';
                    (open, depth) = (open << 1 | u128::from(is_object), depth + 1);
                    if depth > DEPTH {
                        return None;
                    }
                    self.blanks();
                    if self.peek()? != if is_object { b'}' } else { b']' } {
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                b'"' => self.string()?,
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                digit => self.number(digit)?,
            }
            // A value is complete: so may be the brackets around it.
            loop {
                self.blanks();
                if depth == 0 {
                    return Some(());
                }
                let is_object = open & 1 == 1;
                match self.next()? {
                    b',' => {
                        if is_object {
                            self.blanks();
                            self.name()?;
                        }
                        break;
                    }
                    b'}' if is_object => (open, depth) = (open >> 1, depth - 1),
                    b']' if !is_object => (open, depth) = (open >> 1, depth - 1),
                    _ => return None,
                }
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// A member's name and the colon behind it.
    fn name(&mut self) -> Option<()> {
        (self.next()? == b'"').then_some(())?;
        self.string()?;
        self.blanks();
        (self.next()? == b':').then_some(())
    }

    /// The rest of a string.
    fn string(&mut self) -> Option<()> {
        loop {
            self.plain();
            loop {
                match self.next()? {
                    b'"' => return Some(()),
                    b'\\' => break,
                    0..0x20 => return None,
                    _ => {}
                }
            }
            self.escape()?;
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                self.at += 4;
            }
            _ => return None,
        }
        Some(())
    }

    /// Over as many whole chunks as hold nothing that means something in a string. Chunks are judged without
    /// branches, so that the compiler compares all their bytes at once.
    fn plain(&mut self) {
        const CHUNK: usize = 16;
        let is_special = |byte: &u8| *byte == b'"' || *byte == b'\\' || *byte < 0x20;
        while let Some(chunk) = self.bytes.get(self.at..self.at + CHUNK) {
            if chunk.iter().fold(false, |found, byte| found | is_special(byte)) {
                return;
            }
            self.at += CHUNK;
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(rest).then(|| self.at += rest.len())
    }

    /// The rest of a number.
    fn number(&mut self, first: u8) -> Option<()> {
        let first = if first == b'-' { self.next()? } else { first };
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Some(())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Option<()> {
        let start = self.at;
        self.digits();
        (self.at > start).then_some(())
    }
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
    fn json_is_told_apart_as_the_parser_does() {
        let texts = [
            "null",
            " true ",
            "false",
            "0",
            "-0",
            "-1.5e+10",
            "1E5",
            "\"\"",
            "\"a\\u00e9\\n\"",
            "[]",
            "[ ]",
            "{}",
            "{ }",
            "[1,[2,{\"a\":[]}]]",
            "{\"a\":1,\"a\":{\"b\":\"c\"}}",
            "\n{\"a\" : 1 ,\t\"b\":[ 1 , 2 ] }\r\n",
            "",
            " ",
            "nul",
            "truee",
            "01",
            "1.",
            ".5",
            "-",
            "1e",
            "+1",
            "\"",
            "\"\\x\"",
            "\"\\u00g0\"",
            "\"\n\"",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[",
            "]",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{1:2}",
            "[}",
            "{]",
            "{\"a\":1]",
            "1 2",
            "{}{}",
            "\u{feff}{}",
            "NaN",
            "'a'",
            "// c\n1",
            "\"\\ud800\"",
        ];
        for text in texts {
            let parsed = serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
            assert_eq!(is_json(text), parsed, "{text:?}");
            for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
                let cut = &text[..end];
                let parsed = serde_json::from_str::<&serde_json::value::RawValue>(cut).is_ok();
                assert_eq!(is_json(cut), parsed, "{cut:?}");
            }
        }
        // Strings are looked at in chunks: whatever stands at whichever place of one must be seen.
        for length in 0..40 {
            for special in ["", "\\n", "\\u00e9", "\\x", "\"", "\n", "\u{1f}", "\u{7f}", "é"] {
                let text = format!("\"{}{special}{}\"", "x".repeat(length), "y".repeat(20));
                let parsed = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
                assert_eq!(is_json(&text), parsed, "{text:?}");
            }
        }
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(is_json(&deep(100)) && !is_json(&deep(101)) && !is_json(&deep(100_000)));
    }

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
