//! PromQL taken apart as far as it matters here: which series, with which labels. What it leaves open, `promtool` says.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};

const AGGREGATIONS: [&str; 9] = ["sum", "min", "max", "avg", "count", "group", "stddev", "topk", "bottomk"];
/// Words between operands that name no series.
const BETWEEN: [&str; 4] = ["and", "or", "unless", "bool"];

/// What an expression asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// Series, in the order of the text.
    pub uses: Vec<Use>,
    /// All labels that something is grouped by.
    pub by: BTreeSet<String>,
}

/// Series that are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// Their name; empty where only labels say which.
    pub metric: String,
    /// Every label that is relied on.
    pub labels: BTreeSet<String>,
    /// What is demanded of labels.
    pub matches: Vec<Match>,
}

/// What is demanded of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The label.
    pub label: String,
    /// `=`, `!=`, `=~` or `!~`.
    pub operator: String,
    /// The value or pattern.
    pub value: String,
}

impl Expression {
    /// Takes an expression apart.
    ///
    /// # Errors
    /// When it is not PromQL, or uses a part of it that is not known here.
    pub fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader { tokens: tokens(text)?, at: 0, by: BTreeSet::new() };
        let uses = reader.operands().with_context(|| format!("in {text}"))?;
        ensure!(reader.at == reader.tokens.len(), "a bracket too many in {text}");
        Ok(Self { uses, by: reader.by })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Mark(String),
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    by: BTreeSet<String>,
}

impl Reader {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += usize::from(token.is_some());
        token
    }

    fn sees(&self, mark: &str) -> bool {
        self.tokens.get(self.at) == Some(&Token::Mark(mark.to_owned()))
    }

    fn takes(&mut self, mark: &str) -> Result<()> {
        ensure!(self.sees(mark), "{mark} is missing before {:?}", self.tokens.get(self.at));
        self.at += 1;
        Ok(())
    }

    /// Operands and what stands between them, up to a closing bracket.
    fn operands(&mut self) -> Result<Vec<Use>> {
        let (mut uses, mut shared) = (Vec::new(), BTreeSet::new());
        while !self.sees(")") {
            let Some(token) = self.next() else { break };
            match token {
                Token::Mark(mark) if mark == "(" => {
                    self.at -= 1;
                    uses.extend(self.bracketed()?);
                }
                Token::Mark(mark) if mark == "{" => {
                    self.at -= 1;
                    uses.push(self.selector(String::new())?);
                }
                Token::Mark(mark) if mark == "[" => while self.next() != Some(Token::Mark("]".to_owned())) {},
                Token::Word(word) if word == "on" => shared.extend(self.labels()?),
                Token::Word(word) => uses.extend(self.word(&word)?),
                Token::Mark(_) | Token::Text(_) => {}
            }
        }
        for each in &mut uses {
            each.labels.extend(shared.iter().cloned());
        }
        Ok(uses)
    }

    fn word(&mut self, word: &str) -> Result<Vec<Use>> {
        if AGGREGATIONS.contains(&word) {
            return self.aggregation();
        }
        if word == "offset" {
            self.next();
            return Ok(Vec::new());
        }
        if word.starts_with(|first: char| first.is_ascii_digit()) || BETWEEN.contains(&word) {
            return Ok(Vec::new());
        }
        if ["without", "ignoring", "group_left", "group_right"].contains(&word) {
            bail!("{word} hides which labels are relied on");
        }
        if !self.sees("(") {
            return Ok(vec![self.selector(word.to_owned())?]);
        }
        let uses = self.bracketed()?;
        let quantile = word == "histogram_quantile";
        ensure!(!quantile || uses.iter().all(|each| each.labels.contains("le")), "a quantile needs `by (le)`");
        Ok(uses)
    }

    fn aggregation(&mut self) -> Result<Vec<Use>> {
        let mut by = self.grouping()?;
        let mut uses = self.bracketed()?;
        by.extend(self.grouping()?);
        for each in &mut uses {
            each.labels.extend(by.iter().cloned());
        }
        self.by.extend(by);
        Ok(uses)
    }

    fn grouping(&mut self) -> Result<BTreeSet<String>> {
        if self.tokens.get(self.at) != Some(&Token::Word("by".to_owned())) {
            return Ok(BTreeSet::new());
        }
        self.at += 1;
        self.labels()
    }

    fn bracketed(&mut self) -> Result<Vec<Use>> {
        self.takes("(")?;
        let uses = self.operands()?;
        self.takes(")")?;
        Ok(uses)
    }

    fn labels(&mut self) -> Result<BTreeSet<String>> {
        self.takes("(")?;
        let mut labels = BTreeSet::new();
        while !self.sees(")") {
            match self.next() {
                Some(Token::Word(label)) => drop(labels.insert(label)),
                Some(Token::Mark(mark)) if mark == "," => {}
                other => bail!("{other:?} is no label"),
            }
        }
        self.takes(")")?;
        Ok(labels)
    }

    fn selector(&mut self, metric: String) -> Result<Use> {
        let mut found = Use { metric, ..Use::default() };
        if !self.sees("{") {
            return Ok(found);
        }
        self.takes("{")?;
        while !self.sees("}") {
            match (self.next(), self.next(), self.next()) {
                (Some(Token::Word(label)), Some(Token::Mark(operator)), Some(Token::Text(value))) => {
                    found.labels.insert(label.clone());
                    found.matches.push(Match { label, operator, value });
                }
                other => bail!("{other:?} is no matcher"),
            }
            if self.sees(",") {
                self.at += 1;
            }
        }
        self.takes("}")?;
        Ok(found)
    }
}

fn tokens(text: &str) -> Result<Vec<Token>> {
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || "_:.".contains(c);
        let length = if first == '"' {
            let end = rest[1..].find('"').with_context(|| format!("a text without an end in {text}"))?;
            tokens.push(Token::Text(rest[1..=end].to_owned()));
            end + 2
        } else if word(first) {
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            end
        } else {
            let two = ["=~", "!~", "!=", "==", ">=", "<="].iter().any(|mark| rest.starts_with(mark));
            let end = if two { 2 } else { first.len_utf8() };
            tokens.push(Token::Mark(rest[..end].to_owned()));
            end
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}
