use super::{object, parse, Value};

#[test]
fn what_is_written_is_read_back() {
    let value = object([
        ("text", Value::from("quote \" slash \\ line \n bell \u{7} ä 🦀")),
        ("number", Value::from(-9_007_199_254_740_993)),
        ("list", Value::Array(vec![Value::Null, Value::Bool(true), Value::Array(vec![])])),
        ("empty", object([])),
    ]);
    assert_eq!(parse(&value.to_string()), Ok(value));
}

#[test]
fn escapes_are_read() {
    assert_eq!(parse(r#""\ud83e\udd80\u0041\/\t""#), Ok(Value::from("🦀A/\t")));
    assert_eq!(parse(r#""\ud83ex""#), Ok(Value::from("\u{fffd}x")));
}

#[test]
fn malformed_texts_are_refused() {
    let deep = "[".repeat(100);
    for text in [
        "",
        "{",
        "{\"a\"}",
        "{\"a\":1,}",
        "[1 2]",
        "tru",
        "1 2",
        "\"\n\"",
        "\"\\u00\"",
        "\"\\ué000\"",
        "-",
        "\"abc",
        "\\",
        deep.as_str(),
    ] {
        assert!(parse(text).is_err(), "{text:?} was accepted");
    }
}

#[test]
fn numbers_out_of_range_are_not_integers() {
    assert_eq!(parse("9223372036854775808").map(|value| value.as_int()), Ok(None));
    assert_eq!(parse("1.5").map(|value| value.as_int()), Ok(None));
}
