//! What a file says about other files: its child modules, its imports, the paths in its code.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A name that a `use` brings in; `*` for a glob.
#[derive(Debug, PartialEq)]
pub struct Import {
    pub name: String,
    pub path: Vec<String>,
    /// Others are given the name; that alone is not a use of what it stands for.
    pub passed_on: bool,
    pub line: usize,
}

/// A path in code, such as `crate::kafka::admin::Admin`, or a bare name.
#[derive(Debug, PartialEq)]
pub struct Mention {
    pub path: Vec<String>,
    pub line: usize,
}

/// All of one file, but for what is compiled for unit tests alone.
#[derive(Debug, Default)]
pub struct Scan {
    pub children: Vec<String>,
    /// The items that it defines itself.
    pub items: Vec<String>,
    pub imports: Vec<Import>,
    pub mentions: Vec<Mention>,
}

/// Reads a file's text.
///
/// # Errors
/// When it is not Rust, even to the tokenizer.
pub fn scan(text: &str) -> Result<Scan, String> {
    let tokens: TokenStream = text.parse().map_err(|error| format!("{error}"))?;
    let mut scan = Scan::default();
    scan.group(tokens);
    Ok(scan)
}

/// What defines a name.
const ITEMS: [&str; 8] = ["mod", "fn", "struct", "enum", "trait", "type", "const", "static"];
/// What may stand between.
const QUALIFIERS: [&str; 5] = ["fn", "unsafe", "async", "extern", "mut"];

impl Scan {
    fn group(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if is_for_tests(&tokens[at..]) {
                at = end_of_item(&tokens, at + 2) + 1;
                continue;
            }
            match &tokens[at] {
                TokenTree::Group(group) => self.group(group.stream()),
                // Not `impl Trait + use<'a>`.
                TokenTree::Ident(ident) if ident == "use" && !punct(tokens.get(at + 1), '<') => {
                    let end = semicolon(&tokens, at);
                    let line = ident.span().start().line;
                    self.import(&tokens[at + 1..end], &[], is_passed_on(&tokens, at), line);
                    at = end;
                }
                TokenTree::Ident(ident) if !continues(&tokens, at) => {
                    if let Some(name) = defined(&tokens, at) {
                        let names = if ident == "mod" { &mut self.children } else { &mut self.items };
                        names.push(name);
                        at += 2;
                        continue;
                    }
                    let line = ident.span().start().line;
                    let (path, end) = path(&tokens, at);
                    self.mentions.push(Mention { path, line });
                    at = end;
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// One tree of a `use`, all of whose names begin with `before`.
    fn import(&mut self, tree: &[TokenTree], before: &[String], passed_on: bool, line: usize) {
        let mut path = before.to_vec();
        let mut name = None;
        let mut at = 0;
        while at < tree.len() {
            match &tree[at] {
                TokenTree::Ident(ident) if ident == "as" => {
                    name = tree.get(at + 1).map(ToString::to_string);
                    break;
                }
                TokenTree::Ident(ident) if ident == "self" && !path.is_empty() => {}
                TokenTree::Ident(ident) => path.push(ident.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == '*' => name = Some("*".to_owned()),
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    for branch in inner.split(|token| punct(Some(token), ',')).filter(|branch| !branch.is_empty()) {
                        let line = branch[0].span().start().line;
                        self.import(branch, &path, passed_on, line);
                    }
                    return;
                }
                _ => {}
            }
            at += 1;
        }
        let name = name.or_else(|| path.last().cloned()).unwrap_or_default();
        self.imports.push(Import { name, path, passed_on, line });
    }
}

/// The name of the item whose keyword is at `at`.
fn defined(tokens: &[TokenTree], at: usize) -> Option<String> {
    let is_one_of = |words: &[&str], token: &TokenTree| words.iter().any(|word| token.to_string() == *word);
    let name = tokens.get(at + 1).filter(|name| matches!(name, TokenTree::Ident(_)))?;
    (is_one_of(&ITEMS, &tokens[at]) && !is_one_of(&QUALIFIERS, name)).then(|| name.to_string())
}

/// The path that begins at `at`, and where its last name is.
fn path(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut path = vec![tokens[at].to_string()];
    while punct(tokens.get(at + 1), ':') && punct(tokens.get(at + 2), ':') {
        let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else { break };
        path.push(next.to_string());
        at += 3;
    }
    (path, at)
}

/// Whether what stands before makes this the rest of something: of a path, a field, a method, a lifetime.
fn continues(tokens: &[TokenTree], at: usize) -> bool {
    let Some(TokenTree::Punct(before)) = at.checked_sub(1).and_then(|before| tokens.get(before)) else { return false };
    match before.as_char() {
        // Not `..`: what follows a range begins anew.
        '.' => !at.checked_sub(2).is_some_and(|earlier| joint(&tokens[earlier], '.')),
        ':' => at.checked_sub(2).is_some_and(|earlier| joint(&tokens[earlier], ':')),
        '\'' => true,
        _ => false,
    }
}

fn joint(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted && punct.spacing() == Spacing::Joint)
}

fn punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// `#[cfg(test)]`
fn is_for_tests(tokens: &[TokenTree]) -> bool {
    let Some(TokenTree::Group(attribute)) = tokens.get(1) else { return false };
    punct(tokens.first(), '#') && attribute.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// Where the item that begins at `at`, with its other attributes, ends: at its semicolon or its braces.
fn end_of_item(tokens: &[TokenTree], at: usize) -> usize {
    let is_brace =
        |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    let is_use = |token: &TokenTree| matches!(token, TokenTree::Ident(ident) if *ident == "use");
    let end = tokens[at..].iter().position(|token| is_brace(token) || is_use(token) || punct(Some(token), ';'));
    match end.map(|end| at + end) {
        // The braces of `use a::{b, c};` are not its end.
        Some(end) if is_use(&tokens[end]) => semicolon(tokens, end),
        end => end.unwrap_or(tokens.len()),
    }
}

fn semicolon(tokens: &[TokenTree], at: usize) -> usize {
    tokens[at..].iter().position(|token| punct(Some(token), ';')).map_or(tokens.len(), |end| at + end)
}

/// `pub use`, `pub use`
fn is_passed_on(tokens: &[TokenTree], at: usize) -> bool {
    let is_pub = |back: usize| {
        let token = at.checked_sub(back).map(|at| &tokens[at]);
        matches!(token, Some(TokenTree::Ident(ident)) if *ident == "pub")
    };
    let group = at.checked_sub(1).map(|at| &tokens[at]);
    is_pub(1) || matches!(group, Some(TokenTree::Group(_))) && is_pub(2)
}
