//! `name = "value"`: macros.

use std::rc::Rc;

use crate::pf::preamble::Preamble;
use crate::pf::rule::Ruleset;

use super::advice::advised;
use super::kernel::{MAXIMUM_MACRO, Parser, Read};
use super::lexer::{Token, TokenKind};
use super::problem::Fault;

impl<'a> Parser<'a, '_, '_> {
    /// A macro; or the rule `nat64`, which begins with a word that is not reserved.
    pub(super) fn define(&mut self, ruleset: &mut Ruleset) -> Read<()> {
        let name = self.bump();
        if name.text == "nat64" && name.kind == TokenKind::Word && !self.token.is_punctuation(b'=') {
            return self.translation_behind("nat64", ruleset, name.at, false);
        }
        if !self.eat_punctuation(b'=') {
            // A word with nothing behind it that makes it a macro: the word itself is what is wrong.
            let found = name.describe();
            let message = format!("expected a rule, an option, a table or a macro, found {found}");
            return Err(self.note(name.at, advised(message, &name), Fault::Syntax));
        }
        let value = self.macro_value(&name)?;
        self.shared.macros.insert(name.text.to_string(), Rc::from(value.as_str()));
        ruleset.preamble.push(self.placed(name.at, Preamble::Macro(name.text.to_string(), value)));
        Ok(())
    }

    fn macro_value(&mut self, name: &Token<'a>) -> Read<String> {
        const MORE_THAN_ONE: &str = "a macro's value is one number, or words: put quotes around what is more";
        let mut value = String::new();
        let mut after_number = false;
        loop {
            match self.token.kind {
                TokenKind::Number(number) => {
                    if !value.is_empty() {
                        self.doubt(MORE_THAN_ONE);
                    }
                    value.push_str(&number.to_string());
                }
                TokenKind::Word | TokenKind::Quoted => {
                    if after_number {
                        self.doubt(MORE_THAN_ONE);
                    }
                    value.push_str(&self.token.text);
                }
                TokenKind::Newline | TokenKind::End if value.ends_with(' ') => break,
                _ => return Err(self.expected("the macro's value, in quotes if it is more than words")),
            }
            if value.len() > MAXIMUM_MACRO {
                return Err(self.wrong(name.at, "the macro's value is too long"));
            }
            value.push(' ');
            after_number = matches!(self.token.kind, TokenKind::Number(_));
            self.bump();
        }
        value.pop();
        Ok(value)
    }
}
