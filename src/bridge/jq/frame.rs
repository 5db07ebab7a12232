//! What goes between the bridge and its helper: a length, and as many bytes.

use std::io::{self, Read, Write};

/// In bytes: no message is longer.
const LONGEST: usize = 512 * 1024 * 1024;
pub(super) const HEAD: usize = 4;

/// A request: the expression's variables as a JSON array, and the payload.
pub(super) fn request(variables: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + 4 + variables.len() + payload.len());
    frame.extend_from_slice(&length(4 + variables.len() + payload.len()));
    frame.extend_from_slice(&length(variables.len()));
    frame.extend_from_slice(variables);
    frame.extend_from_slice(payload);
    frame
}

/// The parts of a request.
pub(super) fn parse_request(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let (variables, rest) = frame.split_at_checked(4)?;
    rest.split_at_checked(number(variables))
}

/// An answer: a value, or why there is none.
pub(super) fn answer(result: &Result<Vec<u8>, String>) -> Vec<u8> {
    let (kind, bytes) = match result {
        Ok(value) => (1, value.as_slice()),
        Err(words) => (0, words.as_bytes()),
    };
    whole(&[&[kind], bytes].concat())
}

/// The result of an answer.
pub(super) fn parse_answer(frame: &[u8]) -> Result<Vec<u8>, String> {
    match frame.split_first() {
        Some((1, value)) => Ok(value.to_vec()),
        Some((_, words)) => Err(String::from_utf8_lossy(words).into_owned()),
        None => Err("the helper gave an empty answer".to_owned()),
    }
}

/// Bytes with their length before them.
pub(super) fn whole(bytes: &[u8]) -> Vec<u8> {
    [&length(bytes.len()), bytes].concat()
}

/// How long the frame is whose head this is.
pub(super) fn announced(head: &[u8]) -> Option<usize> {
    head.get(..HEAD).map(number)
}

/// The next frame; None at the end of the input.
pub(super) fn read(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; HEAD];
    match input.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = number(&head);
    if length > LONGEST {
        return Err(io::Error::other("a frame longer than any message"));
    }
    let mut frame = vec![0; length];
    input.read_exact(&mut frame)?;
    Ok(Some(frame))
}

pub(super) fn write(output: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    output.write_all(frame)?;
    output.flush()
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back() {
        let frame = request(b"[1]", b"payload");
        let read = read(&mut frame.as_slice()).unwrap().unwrap();
        assert_eq!(parse_request(&read), Some((b"[1]".as_slice(), b"payload".as_slice())));
        assert_eq!(super::read(&mut [].as_slice()).unwrap(), None);
        assert!(super::read(&mut [5, 0, 0, 0, 1].as_slice()).is_err());
        for result in [Ok(b"{}".to_vec()), Ok(Vec::new()), Err("why".to_owned())] {
            let frame = answer(&result);
            assert_eq!(announced(&frame), Some(frame.len() - HEAD));
            assert_eq!(parse_answer(&frame[HEAD..]), result);
        }
        assert_eq!(parse_request(&[0; 3]), None);
        assert_eq!(parse_request(&[9, 0, 0, 0]), None);
    }
}
