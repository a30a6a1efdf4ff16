//! The envelope messages of ttrpc, and how whole frames are made of them.

use prost::Message;

use super::frame::{Header, HEADER, MAX_BODY, TYPE_DATA, TYPE_RESPONSE};
use super::status::{Code, Status};

#[derive(Clone, PartialEq, Message)]
pub struct Request {
    #[prost(string, tag = "1")]
    pub service: String,
    #[prost(string, tag = "2")]
    pub method: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub payload: prost::bytes::Bytes,
    /// Nanoseconds; 0 is no time-out.
    #[prost(int64, tag = "4")]
    pub timeout_nano: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct WireStatus {
    #[prost(int32, tag = "1")]
    pub code: i32,
    #[prost(string, tag = "2")]
    pub message: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Response {
    #[prost(message, optional, tag = "1")]
    pub status: Option<WireStatus>,
    #[prost(bytes = "vec", tag = "2")]
    pub payload: Vec<u8>,
}

/// A whole response frame, ready to be written. A message beyond the frame limit becomes an error.
pub fn response_frame(stream: u32, result: Result<Vec<u8>, Status>) -> Vec<u8> {
    let response = match result {
        Ok(payload) => Response { status: Some(WireStatus::default()), payload },
        Err(status) => {
            Response { status: Some(WireStatus { code: status.code as i32, message: status.message }), payload: Vec::new() }
        }
    };
    if response.encoded_len() > MAX_BODY {
        let code = Code::ResourceExhausted;
        return response_frame(stream, Err(Status { code, message: "the answer is larger than a frame".into() }));
    }
    frame(stream, TYPE_RESPONSE, &response)
}

/// A whole data frame of a server stream.
pub fn data_frame(stream: u32, message: &impl Message) -> Vec<u8> {
    frame(stream, TYPE_DATA, message)
}

fn frame(stream: u32, kind: u8, message: &impl Message) -> Vec<u8> {
    let length = message.encoded_len();
    let mut out = Vec::with_capacity(HEADER + length);
    out.extend(Header { length: length as u32, stream, kind, flags: 0 }.bytes());
    message.encode_raw(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_carries_a_status_that_is_present_and_empty() {
        let frame = response_frame(3, Ok(vec![0x08, 0x01]));
        assert_eq!(frame, [0, 0, 0, 6, 0, 0, 0, 3, 2, 0, 0x0a, 0, 0x12, 2, 8, 1]);
    }

    #[test]
    fn an_answer_beyond_the_limit_becomes_an_error() {
        let frame = response_frame(1, Ok(vec![0; MAX_BODY]));
        let response = Response::decode(&frame[HEADER..]).unwrap();
        assert_eq!(response.status.unwrap().code, Code::ResourceExhausted as i32);
    }

    #[test]
    fn a_request_with_metadata_is_read() {
        let mut wire = Request { service: "s".into(), method: "m".into(), ..Default::default() }.encode_to_vec();
        wire.extend([0x2a, 4, 0x0a, 2, b'k', b'v']);
        assert_eq!(Request::decode(&wire[..]).unwrap().method, "m");
    }
}
