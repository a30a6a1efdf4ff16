//! Challenges: what a WWW-Authenticate header asks for (RFC 9110, 11.6.1; distribution's token specification).

use std::collections::HashMap;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// The best of a header that may hold several: a token before a password.
    pub fn parse(header: &str) -> Option<Challenge> {
        let all = challenges(header);
        let bearer = all.iter().find(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        if let Some((_, parameters)) = bearer {
            let get = |name: &str| parameters.get(name).cloned();
            return Some(Challenge::Bearer { realm: get("realm")?, service: get("service"), scope: get("scope") });
        }
        all.iter().any(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")).then_some(Challenge::Basic)
    }
}

type Parameters = HashMap<String, String>;

/// Schemes with their parameters. A word without "=" after it starts a scheme.
fn challenges(header: &str) -> Vec<(String, Parameters)> {
    let mut found: Vec<(String, Parameters)> = Vec::new();
    let mut rest = header.trim_start_matches([' ', ',', '\t']);
    while !rest.is_empty() {
        let end = rest.find([' ', ',', '=', '\t']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let after = after.trim_start_matches([' ', '\t']);
        match after.strip_prefix('=') {
            Some(value) => {
                let (value, left) = value_of(value.trim_start_matches([' ', '\t']));
                if let Some((_, parameters)) = found.last_mut() {
                    parameters.insert(word.to_ascii_lowercase(), value);
                }
                rest = left;
            }
            None => {
                found.push((word.to_owned(), Parameters::new()));
                rest = after;
            }
        }
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if end == 0 && word.is_empty() && !rest.is_empty() && !rest.contains(['=', ' ']) {
            break;
        }
    }
    found
}

/// A token or a quoted string, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', ',', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_challenge_tells_where_the_token_is() {
        let header = r#"Bearer realm="https://auth.example/token",service="reg, one",scope="repository:a/b:pull,push""#;
        let Some(Challenge::Bearer { realm, service, scope }) = Challenge::parse(header) else { panic!("no bearer") };
        assert_eq!(realm, "https://auth.example/token");
        assert_eq!(service.as_deref(), Some("reg, one"));
        assert_eq!(scope.as_deref(), Some("repository:a/b:pull,push"));
    }

    #[test]
    fn of_several_the_token_is_chosen() {
        assert_eq!(Challenge::parse(r#"Basic realm="x""#), Some(Challenge::Basic));
        let both = r#"Basic realm="x", bearer realm=https://a/t"#;
        assert!(matches!(Challenge::parse(both), Some(Challenge::Bearer { realm, .. }) if realm == "https://a/t"));
    }

    #[test]
    fn nonsense_is_no_challenge_and_ends() {
        for header in ["", ",", "=", "\"", "Digest a=b", "Bearer", "Bearer realm", "a=\"b", "= = =", "é=ü"] {
            assert_eq!(Challenge::parse(header), None, "{header}");
        }
    }
}
