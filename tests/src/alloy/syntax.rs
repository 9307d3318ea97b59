//! As much of Alloy's language as it takes to ask a configuration what it consists of.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};

/// A piece of text with a meaning of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A name, a keyword or a number.
    Word(String),
    /// What stands between quotes or backticks.
    Text(String),
    /// Anything else that is not blank.
    Mark(char),
    /// The end of a line.
    Line,
}

/// A block: a component, or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// `otelcol.processor.batch`, or `output` within it.
    pub name: String,
    /// `out`; empty when it has none.
    pub label: String,
    /// Its attributes with what they are set to.
    pub attributes: Vec<(String, Vec<Token>)>,
    /// The blocks within it.
    pub blocks: Vec<Block>,
}

impl Block {
    /// How others refer to it: name and label.
    #[must_use]
    pub fn id(&self) -> String {
        if self.label.is_empty() { self.name.clone() } else { format!("{}.{}", self.name, self.label) }
    }

    /// What an attribute is set to.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&[Token]> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_slice())
    }

    /// The first block of this name within it.
    #[must_use]
    pub fn block(&self, name: &str) -> Option<&Block> {
        self.blocks.iter().find(|block| block.name == name)
    }

    /// What all its attributes are set to, those of blocks within it included.
    #[must_use]
    pub fn values(&self) -> Vec<&[Token]> {
        let own = self.attributes.iter().map(|(_, value)| value.as_slice());
        own.chain(self.blocks.iter().flat_map(Block::values)).collect()
    }

    /// The dotted names in its values: other components, functions, constants.
    #[must_use]
    pub fn names(&self) -> BTreeSet<String> {
        self.values().into_iter().flat_map(names).collect()
    }

    /// What stands in quotes within a call of this function, `sys.env`.
    #[must_use]
    pub fn given_to(&self, function: &str) -> BTreeSet<String> {
        let path: Vec<_> = function.split('.').collect();
        let mut pattern = Vec::new();
        for (index, word) in path.iter().enumerate() {
            pattern.extend((index > 0).then_some(Token::Mark('.')));
            pattern.push(Token::Word((*word).to_owned()));
        }
        pattern.push(Token::Mark('('));
        let calls = self.values().into_iter().flat_map(|value| {
            let found = value.windows(pattern.len() + 1).filter(|window| window.starts_with(&pattern));
            found.filter_map(|window| window.last().and_then(text)).collect::<Vec<_>>()
        });
        calls.collect()
    }
}

fn text(token: &Token) -> Option<String> {
    match token {
        Token::Text(text) => Some(text.clone()),
        Token::Word(_) | Token::Mark(_) | Token::Line => None,
    }
}

/// The texts of a value, in order.
#[must_use]
pub fn texts(value: &[Token]) -> Vec<String> {
    value.iter().filter_map(text).collect()
}

fn names(value: &[Token]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut name = String::new();
    for token in value.iter().chain([&Token::Line]) {
        match token {
            Token::Word(word) if name.is_empty() || name.ends_with('.') => name.push_str(word),
            Token::Mark('.') if !name.is_empty() => name.push('.'),
            Token::Word(_) | Token::Text(_) | Token::Mark(_) | Token::Line => {
                names.insert(std::mem::take(&mut name));
                if let Token::Word(word) = token {
                    name.clone_from(word);
                }
            }
        }
    }
    let named = |name: &String| name.starts_with(|first: char| first.is_ascii_alphabetic());
    names.into_iter().filter(named).collect()
}

/// Reads a configuration.
///
/// # Errors
/// When it is none; the message says where.
pub fn parse(source: &str) -> Result<Vec<Block>> {
    let mut reader = Reader { tokens: tokens(source)?, at: 0 };
    let file = reader.body("", "")?;
    anyhow::ensure!(reader.at == reader.tokens.len(), "a bracket too many");
    anyhow::ensure!(file.attributes.is_empty(), "an attribute of no block: {}", file.attributes[0].0);
    Ok(file.blocks)
}

fn tokens(source: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("//") {
            rest = comment.find('\n').map_or("", |end| &comment[end..]);
            continue;
        }
        let length = match first {
            '"' | '`' => quoted(rest, first).with_context(|| format!("no end of {rest:.40}"))?,
            _ if is_word(first) => rest.find(|next| !is_word(next)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        match first {
            '"' | '`' => tokens.push(Token::Text(token[1..length - 1].to_owned())),
            '\n' => tokens.push(Token::Line),
            _ if is_word(first) => tokens.push(Token::Word(token.to_owned())),
            _ if first.is_whitespace() => {}
            _ => tokens.push(Token::Mark(first)),
        }
        rest = after;
    }
    Ok(tokens)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// The length of a text with its quotes. Only double quotes know a backslash.
fn quoted(source: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (index, character) in source.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            _ if character == quote => return Some(index + 1),
            _ => {}
        }
    }
    None
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    /// Everything up to the bracket that ends the block, or the end of the file.
    fn body(&mut self, name: &str, label: &str) -> Result<Block> {
        let mut block = Block { name: name.to_owned(), label: label.to_owned(), ..Block::default() };
        loop {
            match self.next() {
                None if name.is_empty() => return Ok(block),
                Some(Token::Mark('}')) if !name.is_empty() => return Ok(block),
                Some(Token::Line) => {}
                Some(Token::Word(word)) => self.statement(word, &mut block)?,
                other => bail!("{other:?} in {}", block.id()),
            }
        }
    }

    fn statement(&mut self, mut name: String, block: &mut Block) -> Result<()> {
        let mut label = String::new();
        loop {
            match self.next() {
                Some(Token::Mark('.')) => name.push('.'),
                Some(Token::Word(word)) if name.ends_with('.') => name.push_str(&word),
                Some(Token::Text(text)) => label = text,
                Some(Token::Mark('{')) => {
                    block.blocks.push(self.body(&name, &label)?);
                    return Ok(());
                }
                Some(Token::Mark('=')) => {
                    let value = self.value()?;
                    block.attributes.push((name, value));
                    return Ok(());
                }
                other => bail!("{other:?} after {name}"),
            }
        }
    }

    /// Up to the end of the line on which all brackets are closed.
    fn value(&mut self) -> Result<Vec<Token>> {
        let (mut value, mut depth) = (Vec::new(), 0);
        loop {
            match self.next().context("the file ends within a value")? {
                Token::Line if depth == 0 => return Ok(value),
                Token::Line => {}
                token => {
                    depth += match token {
                        Token::Mark('[' | '(' | '{') => 1,
                        Token::Mark(']' | ')' | '}') => -1,
                        Token::Mark(_) | Token::Word(_) | Token::Text(_) | Token::Line => 0,
                    };
                    value.push(token);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_tells_its_blocks_values_and_names() {
        let source = "// said\na.b \"l\" {\n\tx = [c.d.out.input, sys.env(\"HOME\")]\n\n\tin {\n\t\ty = `{\"` + \"a\\\"b\" // z\n\t}\n}\n\nlogging { }\n";
        let blocks = parse(source).expect("it is well-formed");
        assert_eq!(blocks.iter().map(Block::id).collect::<Vec<_>>(), ["a.b.l", "logging"]);
        assert_eq!(blocks[0].names().into_iter().collect::<Vec<_>>(), ["c.d.out.input", "sys.env"]);
        assert_eq!(blocks[0].given_to("sys.env").into_iter().collect::<Vec<_>>(), ["HOME"]);
        let inner = blocks[0].block("in").expect("there is a block");
        assert_eq!(texts(inner.attribute("y").expect("there is an attribute")), ["{\"", "a\\\"b"]);
        for broken in ["a {", "a { } }", "x = 1\n", "a { \"b\" }", "a { x = [1\n}"] {
            assert!(parse(broken).is_err(), "{broken}");
        }
    }
}
