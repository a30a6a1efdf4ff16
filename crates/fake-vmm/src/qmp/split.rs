//! Bytes into JSON objects: QMP needs no line ends between commands.

/// Larger commands are refused.
const MAX_BYTES: usize = 64 << 20;

#[derive(Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    scanned: usize,
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Splitter {
    /// Whole texts so far. A text that is not an object ends at its line.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.buffer.extend_from_slice(bytes);
        let mut texts = Vec::new();
        while self.scanned < self.buffer.len() {
            let byte = self.buffer[self.scanned];
            self.scanned += 1;
            if self.ends_text(byte) {
                let text: Vec<u8> = self.buffer.drain(..self.scanned).collect();
                self.scanned = 0;
                let text = String::from_utf8_lossy(&text).trim().to_owned();
                if !text.is_empty() {
                    texts.push(text);
                }
            }
        }
        if self.buffer.len() > MAX_BYTES {
            *self = Splitter::default();
            texts.push("too large".to_owned());
        }
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
        texts
    }

    fn ends_text(&mut self, byte: u8) -> bool {
        if self.in_string {
            self.in_string = byte != b'"' || self.escaped;
            self.escaped = byte == b'\\' && !self.escaped;
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            b'\n' => return self.depth == 0,
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Splitter;

    #[test]
    fn texts_are_found_however_they_are_cut() {
        let wire = b"{\"a\":\"}\\\"{\"}{\"b\":[{}]}\ngarbage\n\n{\"c\":1}";
        for size in 1..wire.len() {
            let mut splitter = Splitter::default();
            let texts: Vec<String> = wire.chunks(size).flat_map(|chunk| splitter.push(chunk)).collect();
            assert_eq!(texts, ["{\"a\":\"}\\\"{\"}", "{\"b\":[{}]}", "garbage", "{\"c\":1}"]);
        }
    }
}
