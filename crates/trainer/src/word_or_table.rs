//! Choices that a configuration names by one word, or by a table where they have settings of their own.

/// Gives an enum that derives serde's traits with `remote = "Self"` and `tag = "kind"` two forms: `"word"`, which stands for
/// `{ kind = "word" }` and so leaves every setting at its default, and that table.
///
/// A key that a choice without settings does not know is refused, which a tagged enum by itself lets pass.
macro_rules! word_or_table {
    ($choice:ty) => {
        impl<'de> serde::Deserialize<'de> for $choice {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de;
                struct WordOrTable;
                impl<'de> de::Visitor<'de> for WordOrTable {
                    type Value = $choice;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a word, or a table with a `kind`")
                    }
                    fn visit_str<E: de::Error>(self, word: &str) -> Result<$choice, E> {
                        <$choice>::deserialize(de::value::MapDeserializer::new(std::iter::once(("kind", word))))
                    }
                    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<$choice, A::Error> {
                        let table = toml::Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                        let choice = <$choice>::deserialize(toml::Value::Table(table.clone()));
                        let choice = choice.map_err(|error| de::Error::custom(error.message()))?;
                        $crate::word_or_table::check_keys(&choice, &table)?;
                        Ok(choice)
                    }
                }
                deserializer.deserialize_any(WordOrTable)
            }
        }

        impl serde::Serialize for $choice {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$choice>::serialize(self, serializer)
            }
        }
    };
}
pub(crate) use word_or_table;

/// Refuses keys beside `kind` where `choice` has no settings, so that its own table has that one key.
pub(crate) fn check_keys<E: serde::de::Error>(choice: &impl serde::Serialize, given: &toml::Table) -> Result<(), E> {
    let known = toml::Table::try_from(choice).map_err(E::custom)?;
    let unknown = given.keys().find(|key| *key != "kind");
    match unknown {
        Some(key) if known.len() == 1 => {
            let kind = known.get("kind").and_then(toml::Value::as_str).unwrap_or_default();
            Err(E::custom(format_args!("unknown field `{key}`, expected none where the kind is {kind}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(remote = "Self", tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
    enum Fruit {
        RedApple,
        Melon {
            #[serde(default)]
            seeds: f64,
        },
        Box {
            content: std::boxed::Box<Fruit>,
        },
    }
    word_or_table!(Fruit);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Bowl {
        fruit: Fruit,
    }

    fn read(text: &str) -> Result<Fruit, String> {
        toml::from_str::<Bowl>(text).map(|bowl| bowl.fruit).map_err(|error| error.to_string())
    }

    #[test]
    fn a_word_is_a_table_that_leaves_everything_at_its_default() {
        assert_eq!(read("fruit = 'red-apple'"), Ok(Fruit::RedApple));
        assert_eq!(read("fruit = { kind = 'red-apple' }"), Ok(Fruit::RedApple));
        assert_eq!(read("fruit = 'melon'"), Ok(Fruit::Melon { seeds: 0.0 }));
        assert_eq!(read("[fruit]\nkind = 'melon'\nseeds = 3"), Ok(Fruit::Melon { seeds: 3.0 }));
        let boxed = Fruit::Box { content: Box::new(Fruit::Melon { seeds: 0.0 }) };
        assert_eq!(read("fruit = { kind = 'box', content = 'melon' }"), Ok(boxed));
    }

    #[test]
    fn what_is_written_is_read_back() {
        for fruit in [Fruit::RedApple, Fruit::Melon { seeds: 0.5 }, Fruit::Box { content: Box::new(Fruit::RedApple) }] {
            let bowl = Bowl { fruit };
            assert_eq!(toml::from_str::<Bowl>(&toml::to_string(&bowl).unwrap()).unwrap(), bowl);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, said) in [
            ("\nfruit = 'apple'", "unknown variant `apple`, expected one of `red-apple`, `melon`, `box`"),
            ("\nfruit = 7", "a word, or a table with a `kind`"),
            ("\nfruit = 'box'", "missing field `content`"),
            ("\nfruit = { kind = 'melon', stones = 1 }", "unknown field `stones`, expected `seeds`"),
            (
                "\nfruit = { kind = 'red-apple', stones = 1 }",
                "unknown field `stones`, expected none where the kind is red-apple",
            ),
            ("\nfruit = { stones = 1 }", "missing field `kind`"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(said) && message.contains("line 2"), "{message}");
        }
    }
}
