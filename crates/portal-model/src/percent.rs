//! Percent-encoding, as paths, queries and forms need it.

/// Encodes everything but the unreserved characters of RFC 3986, which is right in a path
/// segment, in a query and in an urlencoded form alike.
pub(crate) fn encode(text: &str) -> String {
    const HEX: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let hex = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or_default();
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(hex(byte >> 4));
            encoded.push(hex(byte & 0xF));
        }
    }
    encoded
}

/// Decodes `%XX`; a `%` without two hexadecimal digits after it is kept, and invalid UTF-8
/// becomes U+FFFD.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex_value(*high).zip(hex_value(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            bytes.push(high << 4 | low);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The pairs of an urlencoded form or a query, decoded, in their order.
pub(crate) fn decode_pairs(form: &str) -> impl Iterator<Item = (String, String)> {
    form.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let text = |part: &str| decode(&part.replace('+', " "));
        (text(key), text(value))
    })
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in any::<String>()) {
            let encoded = encode(&text);
            prop_assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
            prop_assert_eq!(decode(&encoded), text);
        }

        #[test]
        fn decoding_takes_any_text(text in any::<String>()) {
            decode(&text);
            decode_pairs(&text).count();
        }
    }

    #[test]
    fn a_form_is_split_into_decoded_pairs() {
        let pairs: Vec<_> = decode_pairs("a=1+2&b=%C3%A9&&c&d=x=y&e=100%").collect();
        let expected = [("a", "1 2"), ("b", "é"), ("c", ""), ("d", "x=y"), ("e", "100%")];
        assert_eq!(pairs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
