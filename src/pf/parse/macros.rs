//! `name = "value"`: macros.

use std::rc::Rc;

use crate::pf::preamble::Preamble;
use crate::pf::rule::Ruleset;

use super::advice::advised;
use super::kernel::{MAXIMUM_MACRO, Parser, Read};
use super::lexer::{Lexeme, LexemeKind};
use super::problem::Fault;

impl<'a> Parser<'a, '_, '_> {
    /// A macro; or the rule `nat64`, which begins with a word that is not reserved.
    pub(super) fn define(&mut self, ruleset: &mut Ruleset) -> Read<()> {
        let name = self.bump();
        if name.text == "nat64" && name.kind == LexemeKind::Word && !self.lexeme.is_punctuation(b'=') {
            return self.translation_behind("nat64", ruleset, name.at, false);
        }
        if !self.eat_punctuation(b'=') {
            // Without `=` it is not a macro: the word itself is wrong.
            let found = name.describe();
            let message = format!("expected a rule, an option, a table or a macro, found {found}");
            return Err(self.note(name.at, advised(message, &name), Fault::Syntax));
        }
        let value_at = self.lexeme.at;
        let value = self.macro_value(&name).inspect_err(|_| {
            self.shared.macros.insert(name.text.to_string(), None);
        })?;
        let place = self.problem(value_at, String::new(), Fault::Syntax);
        self.shared.macro_places.insert(name.text.to_string(), place);
        self.shared.macros.insert(name.text.to_string(), Some(Rc::from(value.as_str())));
        ruleset.preamble.push(self.placed(name.at, Preamble::Macro(name.text.to_string(), value)));
        Ok(())
    }

    fn macro_value(&mut self, name: &Lexeme<'a>) -> Read<String> {
        const MORE_THAN_ONE: &str = "a macro's value is one number, or words: put quotes around what is more";
        let mut value = String::new();
        let mut after_number = false;
        loop {
            match self.lexeme.kind {
                LexemeKind::Number(number) => {
                    if !value.is_empty() {
                        self.doubt(MORE_THAN_ONE);
                    }
                    value.push_str(&number.to_string());
                }
                LexemeKind::Word | LexemeKind::Quoted => {
                    if after_number {
                        self.doubt(MORE_THAN_ONE);
                    }
                    value.push_str(&self.lexeme.text);
                }
                LexemeKind::Newline | LexemeKind::End if value.ends_with(' ') => break,
                _ => return Err(self.expected("the macro's value, in quotes if it is more than words")),
            }
            if value.len() > MAXIMUM_MACRO {
                return Err(self.wrong(name.at, "the macro's value is too long"));
            }
            value.push(' ');
            after_number = matches!(self.lexeme.kind, LexemeKind::Number(_));
            self.bump();
        }
        value.pop();
        Ok(value)
    }
}
