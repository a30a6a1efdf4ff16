//! Protocol Buffers, as much of the encoding as the agent's messages use.

/// A message whose structure was checked: every field can be read.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
}

#[derive(Clone, Copy)]
enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

impl<'a> Message<'a> {
    /// `None` when it is not a well-formed message.
    pub fn parse(bytes: &'a [u8]) -> Option<Message<'a>> {
        let mut rest = bytes;
        while !rest.is_empty() {
            take_field(&mut rest)?;
        }
        Some(Message { bytes })
    }

    fn fields(&self, wanted: u64) -> impl Iterator<Item = Field<'a>> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || take_field(&mut rest)).filter(move |(number, _)| *number == wanted).map(|(_, field)| field)
    }

    /// The last value of a number field, 0 when absent.
    pub fn number(&self, field: u64) -> u64 {
        self.fields(field).filter_map(|field| if let Field::Varint(value) = field { Some(value) } else { None }).last().unwrap_or(0)
    }

    pub fn flag(&self, field: u64) -> bool {
        self.number(field) != 0
    }

    pub fn all_bytes(&self, field: u64) -> impl Iterator<Item = &'a [u8]> {
        self.fields(field).filter_map(|field| if let Field::Bytes(value) = field { Some(value) } else { None })
    }

    pub fn bytes(&self, field: u64) -> &'a [u8] {
        self.all_bytes(field).last().unwrap_or_default()
    }

    pub fn text(&self, field: u64) -> String {
        String::from_utf8_lossy(self.bytes(field)).into_owned()
    }

    pub fn texts(&self, field: u64) -> Vec<String> {
        self.all_bytes(field).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// An inner message; an absent or malformed one is empty.
    pub fn message(&self, field: u64) -> Message<'a> {
        Message::parse(self.bytes(field)).unwrap_or(Message { bytes: &[] })
    }
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take_field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Field<'a>)> {
    let tag = take_varint(rest)?;
    let field = match tag & 7 {
        0 => Field::Varint(take_varint(rest)?),
        1 => {
            *rest = rest.get(8..)?;
            Field::Fixed
        }
        2 => {
            let length = usize::try_from(take_varint(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            Field::Bytes(bytes)
        }
        5 => {
            *rest = rest.get(4..)?;
            Field::Fixed
        }
        _ => return None,
    };
    Some((tag >> 3, field))
}

/// Builds a message. Zeros and empty strings are left out, as proto3 does.
#[derive(Default, Clone)]
pub struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    pub fn new() -> Builder {
        Builder::default()
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    pub fn number(mut self, field: u64, value: u64) -> Builder {
        if value != 0 {
            self.varint(field << 3);
            self.varint(value);
        }
        self
    }

    /// A signed number of type int32 or int64.
    pub fn signed(self, field: u64, value: i64) -> Builder {
        self.number(field, value as u64)
    }

    pub fn double(mut self, field: u64, value: f64) -> Builder {
        self.varint(field << 3 | 1);
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub fn data(self, field: u64, value: &[u8]) -> Builder {
        if value.is_empty() { self } else { self.present(field, value) }
    }

    pub fn text(self, field: u64, value: &str) -> Builder {
        self.data(field, value.as_bytes())
    }

    /// An inner message, also when it is empty.
    pub fn message(self, field: u64, value: Builder) -> Builder {
        self.present(field, &value.bytes)
    }

    fn present(mut self, field: u64, value: &[u8]) -> Builder {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.bytes.extend_from_slice(value);
        self
    }

    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{Builder, Message};

    #[test]
    fn what_is_built_is_read_back() {
        let inner = Builder::new().number(1, 300).signed(2, -1).text(3, "ä");
        let bytes = Builder::new().message(5, inner).data(6, &[1, 2]).data(6, &[3]).double(7, 1.5).number(8, 0).finish();
        let message = Message::parse(&bytes).expect("well-formed");
        assert_eq!((message.message(5).number(1), message.message(5).number(2) as i64), (300, -1));
        assert_eq!(message.message(5).text(3), "ä");
        assert_eq!(message.all_bytes(6).collect::<Vec<_>>(), [&[1, 2][..], &[3]]);
        assert_eq!(message.number(8), 0);
    }

    #[test]
    fn malformed_messages_are_refused() {
        for bytes in [&[0x0a][..], &[0x0a, 5, 1], &[0x80], &[0x0b], &[0xff; 11], &[0x09, 1, 2]] {
            assert!(Message::parse(bytes).is_none(), "{bytes:?}");
        }
    }
}
